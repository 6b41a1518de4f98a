//! Methods that list.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};
use values::HostName;

use super::principal::{Place, Principal, Right};
use super::reply::{Fields, Outcome};
use super::request::{Range, fits};
use super::{Fault, Request};
use crate::Control;
use crate::directory::{Account, DomainRow, Effective, Status};

/// Whether a list is in the opposite order, and by what it is sorted.
struct Sort {
    by: String,
    descending: bool,
}

impl Sort {
    fn of(request: &Request, usual: &str, known: &[&str]) -> Result<Self, Fault> {
        let sort = request.map("sort")?;
        let by = sort.optional_text("by")?.unwrap_or(usual);
        if !known.contains(&by) {
            return Err(Fault::FIELD.hint("sort", format!("by has to be one of {}", known.join(", "))));
        }
        let descending = match sort.optional_text("direction")? {
            None | Some("ascending") => false,
            Some("descending") => true,
            Some(_) => return Err(Fault::FIELD.hint("sort", "direction has to be ascending or descending")),
        };
        Ok(Self { by: by.to_owned(), descending })
    }

    fn apply<T>(&self, list: &mut [T], compare: impl Fn(&str, &T, &T) -> Ordering) {
        list.sort_by(|one, other| {
            let order = compare(&self.by, one, other);
            if self.descending { order.reverse() } else { order }
        });
    }
}

/// Returns a domain that the caller may do something in.
pub(super) async fn domain(
    control: &Control,
    principal: &Principal,
    name: &str,
    field: &str,
    right: Right,
) -> Result<DomainRow, Fault> {
    if principal.is_plain() {
        return Err(Fault::FORBIDDEN);
    }
    let name: HostName = name.parse().map_err(|_| Fault::FIELD.hint(field, "has to be a domain"))?;
    let found = control.directory.domain_of(principal.tenant(), &name).await?;
    let domain = found.ok_or(Fault::MISSING)?;
    let place = Place::domain(&domain.reseller, domain.name.as_str());
    match (principal.knows(place), principal.may(right, place)) {
        (false, _) => Err(Fault::MISSING),
        (true, false) => Err(Fault::FORBIDDEN),
        (true, true) => Ok(domain),
    }
}

/// One line of a list of users: an account, or an alias of one.
struct Line {
    name: String,
    account: Account,
    alias: bool,
}

impl Line {
    fn kind(&self) -> &'static str {
        if self.alias { "alias" } else { self.account.kind.name() }
    }

    fn status(&self, effective: Option<&Effective>) -> &'static str {
        if self.account.deleted_at.is_some() {
            "deleted"
        } else if self.account.status == Status::Suspended || effective.is_none_or(|effective| !effective.receives()) {
            "suspended"
        } else {
            "active"
        }
    }
}

/// `search_users`
pub(super) async fn users(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let criteria = request.map("criteria")?;
    let range = Range::of(request)?;
    let sort = Sort::of(
        request,
        "user",
        &["createtime", "delete_time", "id", "lastlogin", "status", "target", "type", "user", "workgroup"],
    )?;
    let deleted = criteria.flag("deleted")?;
    let (kinds, states) = (criteria.texts("type")?, criteria.texts("status")?);
    let (pattern, workgroup) = (criteria.optional_text("match")?, criteria.optional_text("workgroup")?);
    let domain = listed_domain(control, principal, criteria.text("domain")?).await?;

    let directory = &control.directory;
    let facts = directory.facts().ok_or(Fault::SERVER)?;
    let mut lines = Vec::new();
    for account in directory.accounts_of_domain(&domain.reseller, domain.name.as_str(), deleted).await? {
        if !principal.may(Right::See, Place::of(&account)) {
            continue;
        }
        if kinds.iter().any(|kind| kind == "alias") {
            for alias in directory.aliases(&account).await? {
                lines.push(Line { name: alias, account: account.clone(), alias: true });
            }
        }
        lines.push(Line { name: account.address.key(), account, alias: false });
    }
    lines.retain(|line| {
        let local = line.name.split('@').next().unwrap_or_default();
        let effective = Effective::of(&facts, &line.account, &domain);
        (kinds.is_empty() || kinds.iter().any(|kind| kind == line.kind()))
            && (states.is_empty() || states.iter().any(|state| state == line.status(effective.as_ref())))
            && workgroup.is_none_or(|wanted| line.account.workgroup.as_deref() == Some(wanted))
            && pattern.is_none_or(|pattern| fits(pattern, &line.name) || fits(pattern, local))
    });
    lines.sort_by(|one, other| one.name.cmp(&other.name));
    sort.apply(&mut lines, |by, one, other| match by {
        "createtime" => one.account.created_at.cmp(&other.account.created_at),
        "delete_time" => one.account.deleted_at.cmp(&other.account.deleted_at),
        "id" => one.account.id.cmp(&other.account.id),
        "status" => one.account.status.cmp(&other.account.status),
        "target" => one.account.address.cmp(&other.account.address),
        "type" => one.kind().cmp(other.kind()),
        "workgroup" => one.account.workgroup.cmp(&other.account.workgroup),
        _ => one.name.cmp(&other.name),
    });
    let total = lines.len();
    let fields = request.texts("fields")?;
    let mut users = Vec::new();
    for line in range.part(lines) {
        users.push(user(control, &line, &fields, Effective::of(&facts, &line.account, &domain).as_ref()).await?);
    }
    Ok(Fields::default().with("users", users.clone()).with("count", users.len()).with("total_count", total))
}

/// Returns the domain whose users are to be listed; who holds a role over a part of it sees that part.
async fn listed_domain(control: &Control, principal: &Principal, name: &str) -> Result<DomainRow, Fault> {
    if principal.is_plain() {
        return Err(Fault::FORBIDDEN);
    }
    let name: HostName = name.parse().map_err(|_| Fault::FIELD.hint("criteria", "domain has to be a domain"))?;
    let domain = control.directory.domain_of(principal.tenant(), &name).await?.ok_or(Fault::MISSING)?;
    let place = Place::domain(&domain.reseller, domain.name.as_str());
    if principal.may(Right::See, place) {
        return Ok(domain);
    }
    for workgroup in control.directory.workgroups(domain.name.as_str()).await?.keys() {
        if principal.may(Right::See, Place { workgroup: Some(workgroup), ..place }) {
            return Ok(domain);
        }
    }
    Err(if principal.knows(place) { Fault::FORBIDDEN } else { Fault::MISSING })
}

/// Writes one line with the fields that are asked for; the vendor's own spelling stays.
async fn user(
    control: &Control,
    line: &Line,
    fields: &[String],
    effective: Option<&Effective>,
) -> Result<Value, Fault> {
    let account = &line.account;
    let wanted = |name: &str| match fields.is_empty() {
        true => matches!(name, "workgroup" | "status"),
        false => fields.iter().any(|field| field == name),
    };
    let mut user = Map::new();
    user.insert("user".to_owned(), line.name.clone().into());
    if wanted("workgroup") {
        user.insert("workgroup".to_owned(), account.workgroup.clone().map_or(Value::Null, Value::from));
    }
    if wanted("status") {
        user.insert("status".to_owned(), line.status(effective).into());
    }
    if wanted("type") {
        user.insert("type".to_owned(), line.kind().into());
    }
    if wanted("createtime") {
        user.insert("createtime".to_owned(), account.created_at.into());
    }
    if wanted("forward") {
        let forwards = control.directory.forwards(account).await?;
        user.insert("forward_recepient_count".to_owned(), forwards.len().into());
        user.insert("forward_recepient".to_owned(), forwards.first().cloned().map_or(Value::Null, Value::from));
    }
    if wanted("lastlogin") {
        let logins = control.directory.logins(&account.address).await?;
        user.insert("lastlogin".to_owned(), logins.values().max().copied().map_or(Value::Null, Value::from));
    }
    if wanted("smtplimit") {
        let sent = control.directory.sent(&account.address).await?;
        user.insert("smtplimit".to_owned(), json!({ "max": sent.limit, "sent": sent.recipients }));
    }
    if line.alias {
        user.insert("alias_target".to_owned(), account.address.key().into());
    }
    if let Some(at) = account.deleted_at {
        user.insert("id".to_owned(), account.id.to_string().into());
        user.insert("delete_time".to_owned(), at.into());
    }
    Ok(Value::Object(user))
}

/// `search_domains`
pub(super) async fn domains(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    if principal.is_plain() {
        return Err(Fault::FORBIDDEN.into());
    }
    let criteria = request.map("criteria")?;
    let range = Range::of(request)?;
    let known = [
        "delete_time",
        "domain",
        "id",
        "type",
        "users",
        "users/alias",
        "users/deleted",
        "users/filter",
        "users/forward",
        "users/mailbox",
    ];
    let sort = Sort::of(request, "domain", &known)?;
    let kinds = criteria.texts("type")?;
    let pattern = criteria.optional_text("match")?;
    let company = criteria.optional_text("company")?;
    if let Some(company) = company
        && !principal.may(Right::SeeCompany, Place::company(company))
    {
        // The operator asking for a company that is not there is told the same.
        return Err(Fault::NO_COMPANY.into());
    }
    let directory = &control.directory;
    let populations = directory.populations(principal.tenant()).await?;
    let mut lines: Vec<(String, &str, Value)> = Vec::new();
    let rows = if criteria.flag("deleted")? { Vec::new() } else { directory.domains(principal.tenant()).await? };
    for domain in rows {
        let place = Place::domain(&domain.reseller, domain.name.as_str());
        let listed = principal.may(Right::SeeDomain, place) && company.is_none_or(|company| domain.reseller == company);
        if !listed {
            continue;
        }
        for alias in directory.domain_aliases(domain.name.as_str()).await? {
            let line = json!({ "domain": alias, "type": "alias", "target": domain.name.as_str() });
            lines.push((alias, "alias", line));
        }
        let users = populations.get(domain.name.as_str()).copied().unwrap_or_default();
        let line = json!({
            "domain": domain.name.as_str(),
            "type": "domain",
            "users": {
                "mailbox": users.mailbox, "filter": users.filter, "forward": users.forward, "alias": users.alias,
                "deleted": users.deleted,
            },
        });
        lines.push((domain.name.to_string(), "domain", line));
    }
    lines.retain(|(name, kind, _)| {
        (kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind))
            && pattern.is_none_or(|pattern| fits(pattern, name))
    });
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    let users = |line: &Value, kind: &str| {
        let users = line.get("users").and_then(Value::as_object);
        let counted = users.into_iter().flatten().filter(|(name, _)| kind.is_empty() || *name == kind);
        counted.filter_map(|(_, count)| count.as_u64()).sum::<u64>()
    };
    sort.apply(&mut lines, |by, one, other| match by.strip_prefix("users") {
        Some(kind) => {
            let kind = kind.trim_start_matches('/');
            users(&one.2, kind).cmp(&users(&other.2, kind))
        }
        None if by == "type" => one.1.cmp(other.1),
        None => one.0.cmp(&other.0),
    });
    let total = lines.len();
    let domains: Vec<Value> = range.part(lines).into_iter().map(|(_, _, line)| line).collect();
    let count = domains.len();
    Ok(Fields::default().with("domains", domains).with("count", count).with("total_count", total))
}

/// `search_workgroups`
pub(super) async fn workgroups(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let criteria = request.map("criteria")?;
    let range = Range::of(request)?;
    let sort = Sort::of(request, "workgroup", &["workgroup", "users", "user"])?;
    let domain = domain(control, principal, criteria.text("domain")?, "criteria", Right::SeeDomain).await?;
    let pattern = criteria.optional_text("match")?;
    let all = control.directory.workgroups(domain.name.as_str()).await?;
    let mut lines: Vec<(String, u64)> =
        all.into_iter().filter(|(name, _)| pattern.is_none_or(|pattern| fits(pattern, name))).collect();
    sort.apply(&mut lines, |by, one, other| match by {
        "workgroup" => one.0.cmp(&other.0),
        _ => one.1.cmp(&other.1),
    });
    let total = lines.len();
    let part: Vec<Value> =
        range.part(lines).into_iter().map(|(name, users)| json!({ "workgroup": name, "users": users })).collect();
    let count = part.len();
    Ok(Fields::default().with("workgroups", part).with("count", count).with("total_count", total))
}
