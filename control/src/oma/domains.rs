//! Methods on domains and companies.

use serde_json::{Map, Value, json};
use values::MailAddress;

use super::principal::{Place, Principal, Right};
use super::reply::{Fields, Outcome};
use super::request::Range;
use super::search::domain;
use super::{Fault, Request, attributes};
use crate::Control;
use crate::directory::{self, Change, Connection, DomainRow};

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
    let off = row.status != directory::Status::Active || row.settings.flag("disabled") == Some(true);
    attributes.insert("disabled".to_owned(), off.into());
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
    let may = principal.may(Right::EditDomain, Place::domain(&row.reseller, row.name.as_str()));
    let settable = if may { attributes::settable_of_domain() } else { Vec::new() };
    Ok(Fields::default()
        .with("attributes", attributes)
        .with("settable_attribute", settable.clone())
        .with("settable_attributes", settable)
        .with("metadata", metadata))
}

/// `change_domain`: changes one; a domain is made by its declaration only.
pub(super) async fn change(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let create_only = request.flag("create_only")?;
    let asked = request.map("attributes")?;
    let row = domain(control, principal, request.text("domain")?, "domain", Right::EditDomain).await?;
    if create_only {
        return Err(Fault::EXISTS.into());
    }
    let mut transaction = control.directory.write().await?;
    let found = directory::domain::named(&mut transaction, row.name.as_str(), Some(&row.reseller)).await?;
    let mut row = found.ok_or(Fault::MISSING)?;
    let mut names = Vec::new();
    for (name, value) in &asked.0 {
        match name.as_str() {
            "brand" => row.brand = brand(control, &row.reseller, value).await?,
            "catchall" => row.catch_all = catch_all(&mut transaction, &row, value).await?,
            _ => {
                let (name, value) = attributes::domain_setting(name, value)?;
                if name == "filtermx" && value.is_none() && has_filtered(control, &row).await? {
                    return Err(Fault::NO_FILTER_HOST.hint(name, "users of the domain are of type filter").into());
                }
                row.settings.set(name, value);
            }
        }
        names.push(name.as_str());
    }
    directory::domain::save(&mut transaction, &row).await?;
    let message = format!("changed {}", names.join(", "));
    note(control, &mut transaction, principal, &row, message).await?;
    control.directory.commit(transaction).await?;
    Ok(Fields::default())
}

/// Tells whether accounts of a domain need a server of the customer's.
async fn has_filtered(control: &Control, row: &DomainRow) -> Result<bool, Fault> {
    let populations = control.directory.populations(Some(&row.reseller)).await?;
    Ok(populations.get(row.name.as_str()).is_some_and(|population| population.filter > 0))
}

/// Reads a brand of a reseller; `None` clears it.
async fn brand(control: &Control, reseller: &str, value: &Value) -> Result<Option<String>, Fault> {
    let name = match value {
        Value::Null => return Ok(None),
        Value::String(name) if name.is_empty() => return Ok(None),
        value => value.as_str(),
    };
    let brands = control.directory.brands(reseller).await?;
    let known = brands.iter().find(|brand| Some(brand.name.as_str()) == name);
    known
        .map(|brand| Some(brand.name.to_string()))
        .ok_or_else(|| Fault::ATTRIBUTE.hint("brand", "there is no such brand"))
}

/// Reads the address that takes mail for unknown names: an account of the same domain; `None` clears it.
async fn catch_all(connection: &mut Connection, row: &DomainRow, value: &Value) -> Result<Option<MailAddress>, Fault> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::String(text) if !text.contains('@') => format!("{text}@{}", row.name),
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    let wrong = || Fault::ATTRIBUTE.hint("catchall", "has to be an account of the domain");
    let address: MailAddress = text.parse().map_err(|_| wrong())?;
    let known = directory::account::at(connection, &address.key(), Some(&row.reseller)).await?;
    let known = known.filter(|account| account.domain == row.name.as_str());
    known.map(|account| Some(account.address)).ok_or_else(wrong)
}

/// `create_workgroup`
pub(super) async fn create_workgroup(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let (row, name) = workgroup(control, principal, request).await?;
    let mut transaction = control.directory.write().await?;
    if !directory::domain::make_workgroup(&mut transaction, &row, name.as_str()).await? {
        return Err(Fault::TAKEN.into());
    }
    note(control, &mut transaction, principal, &row, format!("workgroup {name} created")).await?;
    control.directory.commit(transaction).await?;
    Ok(Fields::default())
}

/// `delete_workgroup`
pub(super) async fn delete_workgroup(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let (row, name) = workgroup(control, principal, request).await?;
    let mut transaction = control.directory.write().await?;
    if !directory::domain::has_workgroup(&mut transaction, row.name.as_str(), name.as_str()).await? {
        return Err(Fault::MISSING.into());
    }
    if !directory::domain::delete_workgroup(&mut transaction, &row, name.as_str()).await? {
        return Err(Fault::NOT_EMPTY.into());
    }
    note(control, &mut transaction, principal, &row, format!("workgroup {name} deleted")).await?;
    control.directory.commit(transaction).await?;
    Ok(Fields::default())
}

/// Reads a domain that the caller may change and the name of a workgroup of it.
async fn workgroup(
    control: &Control,
    principal: &Principal,
    request: &Request,
) -> Result<(DomainRow, values::Name), Fault> {
    let name = request.text("workgroup")?.parse().map_err(|_| Fault::FIELD.hint("workgroup", "has to be a name"))?;
    let row = domain(control, principal, request.text("domain")?, "domain", Right::EditDomain).await?;
    Ok((row, name))
}

/// Writes who did what to a domain.
async fn note(
    control: &Control,
    connection: &mut Connection,
    principal: &Principal,
    row: &DomainRow,
    message: String,
) -> Result<(), Fault> {
    let change = Change {
        at: control.directory.now(),
        actor: principal.name(),
        application: principal.application.clone(),
        message,
    };
    Ok(directory::record(connection, (&row.reseller, "domain", row.name.as_str()), change).await?)
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
