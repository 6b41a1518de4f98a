//! Methods on domains and companies.

use serde_json::{Map, Value, json};

use super::principal::{Place, Principal, Right};
use super::reply::{Fields, Outcome};
use super::request::Range;
use super::search::domain;
use super::{Fault, Request};
use crate::Control;

/// `get_domain`
pub(super) async fn get(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let row = domain(control, principal, request.text("domain")?, "domain", Right::SeeDomain).await?;
    let facts = control.directory.facts().ok_or(Fault::SERVER)?;
    let mut attributes: Map<String, Value> =
        row.settings.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let aliases = control.directory.domain_aliases(row.name.as_str()).await?;
    attributes.insert("aliases".to_owned(), aliases.into());
    attributes.insert("brand".to_owned(), row.brand.clone().map_or(Value::Null, Value::from));
    attributes.insert("catchall".to_owned(), row.catch_all.map_or(Value::Null, |address| address.key().into()));
    attributes.insert("disabled".to_owned(), (row.status != crate::directory::Status::Active).into());
    attributes.entry("allow").or_insert_with(|| json!([]));
    attributes.entry("block").or_insert_with(|| json!([]));
    let quota = facts.tiers.get(&row.tier).and_then(|tier| tier.quota);
    attributes.insert("quota".to_owned(), quota.map_or(Value::Null, |quota| quota.as_bytes().into()));
    let metadata = json!({
        "options": {},
        "bulletins": { "manual": [], "auto": [] },
        "createtime": row.created_at,
        "inherit": {
            "brand": row.brand, "filterdelivery": "quarantine", "spamfolder": "Spam", "spamlevel": "Normal",
            "spamtag": facts.defense.subject,
        },
    });
    let settable: Vec<Value> = Vec::new();
    Ok(Fields::default()
        .with("attributes", attributes)
        .with("settable_attribute", settable.clone())
        .with("settable_attributes", settable)
        .with("metadata", metadata))
}

/// `get_domain_changes`
pub(super) async fn domain_changes(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let row = domain(control, principal, request.text("domain")?, "domain", Right::SeeDomain).await?;
    changes(control, (&row.reseller, "domain", row.name.as_str()), request).await
}

/// Returns a company's name that the caller may see.
///
/// A company that is not there and one the caller has nothing to do with are one and the same.
fn company<'a>(control: &Control, principal: &Principal, request: &'a Request) -> Result<&'a str, Fault> {
    let name = request.text("company")?;
    if principal.is_plain() {
        return Err(Fault::FORBIDDEN);
    }
    let known = control.directory.facts().is_some_and(|facts| facts.resellers.contains_key(name));
    match (known && principal.knows(Place::company(name)), principal.may(Right::SeeCompany, Place::company(name))) {
        (false, _) => Err(Fault::MISSING),
        (true, false) => Err(Fault::FORBIDDEN),
        (true, true) => Ok(name),
    }
}

/// `get_company`
pub(super) async fn get_company(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let name = company(control, principal, request)?;
    let facts = control.directory.facts().ok_or(Fault::SERVER)?;
    let reseller = facts.resellers.get(name).ok_or(Fault::MISSING)?;
    let contract = reseller.contract.as_ref();
    let contacts: Vec<Value> =
        reseller.contact.iter().map(|email| json!({ "email": email.key(), "type": "technical" })).collect();
    let attributes = json!({
        "name": reseller.company,
        "contacts": contacts,
        "language": reseller.language,
        "timezone": reseller.time_zone,
        "limit_users": contract.and_then(|contract| contract.mailboxes),
    });
    let settable: Vec<Value> = Vec::new();
    Ok(Fields::default()
        .with("attributes", attributes)
        .with("settable_attribute", settable.clone())
        .with("settable_attributes", settable)
        .with("metadata", json!({ "bulletins": { "manual": [], "auto": [] }, "options": {} })))
}

/// `get_company_changes`
pub(super) async fn company_changes(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let name = company(control, principal, request)?;
    changes(control, (name, "company", name), request).await
}

/// Writes a page of an object's record.
pub(super) async fn changes(control: &Control, object: (&str, &str, &str), request: &Request) -> Outcome {
    let range = Range::of(request)?;
    let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let (changes, total) = control.directory.changes(object, number(range.first), number(range.limit)).await?;
    let changes: Vec<Value> = changes
        .into_iter()
        .map(|it| json!({ "time": it.at, "user": it.actor, "application": it.application, "msg": it.message }))
        .collect();
    let count = changes.len();
    Ok(Fields::default().with("changes", changes).with("count", count).with("total_count", total))
}
