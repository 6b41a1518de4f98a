//! Methods on users.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use values::MailAddress;

use super::attributes::{self, Edit, NewPassword, SERVICES};
use super::principal::{Place, Principal, Right, Role};
use super::reply::{Fields, Outcome, Refused};
use super::{Fault, Request};
use crate::directory::{self, Account, Change, Connection, DomainRow, Effective, Kind, Settings, Status, Write};
use crate::{Control, DirectoryError, MailboxUse};

/// Settings that only the server reads.
const SUSPENDED_BY: &str = "_suspended_by";
const KEPT_ALIASES: &str = "_aliases";

/// Returns a user that the caller may do something with.
///
/// A user that is not there and one the caller holds no role over are one and the same, in what is answered and in what is
/// done to find out.
pub(super) async fn target(
    control: &Control,
    principal: &Principal,
    request: &Request,
    right: Right,
) -> Result<Account, Fault> {
    let name = request.text("user")?;
    let address: MailAddress = name.parse().map_err(|_| Fault::FIELD.hint("user", "has to be an address"))?;
    if let Some(own) = principal.account().filter(|own| own.address == address)
        && matches!(right, Right::See)
    {
        return Ok(own.clone());
    }
    if principal.is_plain() {
        return Err(Fault::FORBIDDEN);
    }
    let Some(account) = control.directory.account_of(principal.tenant(), &address).await? else {
        let behind = control.directory.behind_alias(principal.tenant(), &address).await?;
        return Err(match behind {
            Some(account) if principal.knows(Place::of(&account)) => Fault::ALIAS,
            _ => Fault::MISSING,
        });
    };
    allowed(principal, &account, right).map(|()| account)
}

fn allowed(principal: &Principal, account: &Account, right: Right) -> Result<(), Fault> {
    let place = Place::of(account);
    match (principal.knows(place), principal.may(right, place)) {
        (false, _) => Err(Fault::MISSING),
        (true, false) => Err(Fault::FORBIDDEN),
        (true, true) => Ok(()),
    }
}

/// Refuses to touch an account that holds a higher role than the caller: who sets its password would become it.
pub(super) async fn not_above(control: &Control, principal: &Principal, account: &Account) -> Result<(), Fault> {
    let level = principal.level(Place::of(account));
    let held = control.directory.roles(account.id).await?;
    let above = held.iter().filter_map(|held| Role::read(&held.role)).any(|role| role.level() > level);
    if above { Err(Fault::FORBIDDEN) } else { Ok(()) }
}

/// `get_user`
pub(super) async fn get(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let account = match target(control, principal, request, Right::See).await {
        Ok(account) => account,
        Err(fault) if fault == Fault::MISSING => return Err(missing(control, principal, request).await?),
        Err(fault) => return Err(fault.into()),
    };
    let directory = &control.directory;
    let effective = directory.effective(&account).await?;
    let aliases = directory.aliases(&account).await?;
    let forwards = directory.forwards(&account).await?;
    let by_admin = principal.may(Right::Edit, Place::of(&account));
    let used = control.usage.as_ref().and_then(|usage| usage.of(&account.address));
    let used = used.unwrap_or(MailboxUse { bytes: 0, messages: 0 });
    let sent = directory.sent(&account.address).await?;
    let logins = directory.logins(&account.address).await?;
    let mut roles: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for held in directory.roles(account.id).await? {
        roles.entry(held.role).or_default().push(held.object);
    }
    let spam_folder = effective.as_ref().map_or("Spam", |effective| effective.policy.spam_folder.as_str());
    let over_quota = effective.as_ref().and_then(|effective| effective.quota).is_some_and(|most| used.bytes >= most);
    let state = match status(&account, effective.as_ref()) {
        "active" if over_quota => "quota",
        "active" if sent.limit.is_some_and(|most| sent.recipients >= most) => "smtplimit",
        state => state,
    };
    let metadata = json!({
        "2fa_enabled": false,
        "roles": roles,
        "quota": {
            "bytes_max": effective.as_ref().and_then(|effective| effective.quota),
            "bytes_used": used.bytes,
            "messages_max": null,
            "messages_used": used.messages,
        },
        "special_folders": { "spam": spam_folder },
        "options": options(),
        "app_passwords": [],
        "createtime": account.created_at,
        "smtp_limit": { "max": sent.limit, "sent": sent.recipients },
        "last_login": logins,
        "status": state,
    });
    Ok(Fields::default()
        .with("type", account.kind.name())
        .with("attributes", shown(&account, effective.as_ref(), aliases, forwards))
        .with("settable_attributes", attributes::settable(by_admin))
        .with("metadata", metadata))
}

/// Returns the refusal for a user that is not there: more of it where the caller could make it.
async fn missing(control: &Control, principal: &Principal, request: &Request) -> Result<Refused, Refused> {
    let address = attributes::mailbox_name(request.text("user")?);
    let Some(address) = address else { return Ok(Fault::MISSING.into()) };
    let domain = control.directory.domain_of(principal.tenant(), address.domain()).await?;
    let creatable =
        domain.is_some_and(|domain| principal.may(Right::Bill, Place::domain(&domain.reseller, domain.name.as_str())));
    if !creatable {
        return Ok(Fault::MISSING.into());
    }
    let beside = Fields::default()
        .with("settable_attributes", attributes::settable(true))
        .with("metadata", json!({ "options": options(), "defaults": {} }));
    Ok(Refused { fault: Fault::MISSING, beside })
}

fn options() -> Value {
    json!({ "language": ["en", "fr"], "timezone": ["UTC"], "spamlevel": ["Normal", "High", "Very High"] })
}

/// Returns the attributes of an account as the API shows them; its password never.
fn shown(account: &Account, effective: Option<&Effective>, aliases: Vec<String>, forwards: Vec<String>) -> Value {
    let mut shown: Map<String, Value> = account
        .settings
        .0
        .iter()
        .filter(|(name, _)| !name.starts_with('_'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let (local, forward) = directory::delivers(account, !forwards.is_empty());
    shown.insert("delivery_local".to_owned(), local.into());
    shown.insert("delivery_forward".to_owned(), forward.into());
    shown.entry("delivery_autoresponder").or_insert(Value::Bool(false));
    shown.insert("aliases".to_owned(), aliases.into());
    shown.insert("forward_recipients".to_owned(), forwards.into());
    shown.insert("type".to_owned(), account.kind.name().into());
    let text = |value: &Option<String>| value.clone().map_or(Value::Null, Value::from);
    shown.insert("workgroup".to_owned(), text(&account.workgroup));
    shown.insert("brand".to_owned(), text(&account.brand));
    if let Some(effective) = effective {
        shown.insert("quota".to_owned(), effective.quota.map_or(Value::Null, Value::from));
        for service in SERVICES {
            shown.insert(service.to_owned(), effective.service(service).into());
        }
    }
    Value::Object(shown)
}

/// Returns a user's state in the API's words.
fn status(account: &Account, effective: Option<&Effective>) -> &'static str {
    if account.deleted_at.is_some() {
        return "deleted";
    }
    let off =
        effective.is_none_or(|effective| SERVICES.iter().all(|service| effective.service(service) == "suspended"));
    if account.status == Status::Suspended || off { "suspended" } else { "active" }
}

/// `change_user`
pub(super) async fn change(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let create_only = request.flag("create_only")?;
    let attributes = request.map("attributes")?;
    let found = match target(control, principal, request, Right::See).await {
        Err(fault) if fault == Fault::MISSING => None,
        found => Some(found?),
    };
    match found {
        Some(_) if create_only => Err(Fault::EXISTS.into()),
        Some(account) => edit(control, principal, account, &attributes).await,
        None => create(control, principal, request, &attributes).await,
    }
}

async fn edit(control: &Control, principal: &Principal, account: Account, attributes: &Request) -> Outcome {
    let place = Place::of(&account);
    let own = principal.account().is_some_and(|own| own.id == account.id);
    let by_admin = principal.may(Right::Edit, place);
    if !by_admin && !own {
        return Err(Fault::FORBIDDEN.into());
    }
    let edit = Edit::read(&attributes.0, &account.address, by_admin)?;
    if edit.password.is_some() && !principal.may(Right::Password, place) {
        // Who holds a token only may not make itself at home with it.
        if !own || principal.means != directory::Means::Password {
            return Err(Fault::FORBIDDEN.hint("password", "sign in with the password to change it").into());
        }
    }
    if !own {
        not_above(control, principal, &account).await?;
    }
    if (edit.quota.is_some() || edit.kind.is_some_and(|kind| kind != account.kind))
        && !principal.may(Right::Bill, place)
    {
        return Err(Fault::FORBIDDEN.into());
    }
    let password = hashed(control, edit.password.clone()).await?;
    let mut transaction = control.directory.write().await?;
    let before = directory::account::at(&mut transaction, &account.address.key(), Some(&account.reseller)).await?;
    // It may have been deleted since it was looked for.
    let Some(before) = before.filter(|before| before.id == account.id) else { return Err(Fault::MISSING.into()) };
    apply(control, &mut transaction, principal, before, edit, password).await?;
    control.directory.commit(transaction).await?;
    Ok(Fields::default())
}

async fn create(control: &Control, principal: &Principal, request: &Request, attributes: &Request) -> Outcome {
    let wrong = || Fault::FIELD.hint("user", "is no address that a mailbox could have");
    let name = request.text("user")?;
    // What cannot be a mailbox's name is refused by its form alone, whoever's domain it is in.
    let address = attributes::mailbox_name(name).ok_or_else(wrong)?;
    let directory = &control.directory;
    let Some(domain) = directory.domain_of(principal.tenant(), address.domain()).await? else {
        return Err(Fault::MISSING.into());
    };
    let workgroup = attributes.0.get("workgroup").and_then(Value::as_str);
    let place = Place { workgroup, ..Place::domain(&domain.reseller, domain.name.as_str()) };
    if !principal.knows(place) {
        return Err(Fault::MISSING.into());
    }
    if !principal.may(Right::Bill, place) {
        return Err(Fault::FORBIDDEN.into());
    }
    let edit = Edit::read(&attributes.0, &address, true)?;
    let kind = edit.kind.unwrap_or(Kind::Mailbox);
    if kind == Kind::Filter && domain.settings.text("filtermx").is_none() {
        return Err(Fault::NO_FILTER_HOST.into());
    }
    let password = hashed(control, edit.password.clone()).await?;
    let moving = control.moves.lock().await;
    let earlier = control.make_way(&address, None).await?;
    let mut transaction = directory.write().await?;
    if directory::account::taken(&mut transaction, &address.key(), None).await? {
        return Err(Fault::TAKEN.into());
    }
    if let Some(earlier) = earlier {
        directory::aside::note_aside(&mut transaction, earlier).await?;
    }
    let account = Account {
        id: directory::account::next_id(&mut transaction).await?,
        reseller: domain.reseller.clone(),
        domain: domain.name.to_string(),
        address: address.clone(),
        kind,
        workgroup: None,
        tier: tier(control, &domain, kind)?,
        brand: None,
        password: None,
        quota: None,
        store: None,
        status: Status::Active,
        settings: Settings::default(),
        declared: None,
        created_at: directory.now(),
        deleted_at: None,
    };
    directory::account::save(&mut transaction, &account).await?;
    apply(control, &mut transaction, principal, account, edit, password).await?;
    within_contract(control, &mut transaction, &domain.reseller, kind).await?;
    directory.commit(transaction).await?;
    drop(moving);
    Ok(Fields::default())
}

/// Chooses the tier of a new account: its domain's where that fits, else the first of the kind that the contract allows.
fn tier(control: &Control, domain: &DomainRow, kind: Kind) -> Result<Option<String>, Fault> {
    use blueprint::roster::TierKind;
    let facts = control.directory.facts().ok_or(Fault::SERVER)?;
    let wanted = match kind {
        Kind::Mailbox => TierKind::Mailbox,
        // Nothing is kept of what is sent on, so its domain's tier does.
        Kind::Forward => return Ok(None),
        Kind::Filter => TierKind::Filter,
    };
    let usual = facts.tiers.get(&domain.tier);
    if usual.is_some_and(|tier| tier.kind == wanted) && facts.allows_tier(&domain.reseller, &domain.tier) {
        return Ok(None);
    }
    let other = facts.tier_of_kind(&domain.reseller, wanted).map(|tier| tier.name.to_string());
    other.map(Some).ok_or_else(|| Fault::FORBIDDEN.hint("type", "the contract has no tier for it"))
}

/// Checks what a contract allows, after the account was added in the same write.
async fn within_contract(
    control: &Control,
    connection: &mut Connection,
    reseller: &str,
    kind: Kind,
) -> Result<(), Fault> {
    if kind == Kind::Forward {
        return Ok(());
    }
    let facts = control.directory.facts().ok_or(Fault::SERVER)?;
    let holdings = directory::holdings(connection, reseller).await?;
    if facts.most_mailboxes(reseller).is_some_and(|most| holdings.mailboxes > most) {
        return Err(Fault::FULL);
    }
    if facts.most_storage(reseller).is_some_and(|most| holdings.promised > most) {
        return Err(Fault::FULL.hint("quota", "the contract's storage is promised already"));
    }
    Ok(())
}

async fn hashed(control: &Control, password: Option<NewPassword>) -> Result<Option<String>, Fault> {
    match password {
        None => Ok(None),
        Some(NewPassword::Hashed(hash)) => Ok(Some(hash)),
        Some(NewPassword::Plain(plain)) => {
            let hash = control.directory.checks.hash(plain, std::sync::Arc::clone(&control.directory.chance)).await;
            hash.map(Some).ok_or(Fault::SERVER)
        }
    }
}

/// Writes a checked change within a write.
async fn apply(
    control: &Control,
    transaction: &mut Write,
    principal: &Principal,
    mut account: Account,
    edit: Edit,
    password: Option<String>,
) -> Result<(), Fault> {
    let facts = control.directory.facts().ok_or(Fault::SERVER)?;
    let domain = directory::domain::named(transaction, &account.domain, Some(&account.reseller)).await?;
    let domain = domain.ok_or(Fault::MISSING)?;
    if let Some(kind) = edit.kind {
        if kind == Kind::Filter && domain.settings.text("filtermx").is_none() {
            return Err(Fault::NO_FILTER_HOST);
        }
        if kind != account.kind {
            account.kind = kind;
            account.tier = tier(control, &domain, kind)?;
        }
    }
    // A filtered one has a place where its spam is held apart.
    if account.kind != Kind::Forward && account.store.is_none() {
        account.store = facts.first_store(&domain.cluster, &account.address);
    }
    for (name, value) in edit.settings {
        if SERVICES.contains(&name) {
            suspend(principal, &mut account, name, value.as_ref())?;
        }
        account.settings.set(name, value);
    }
    if let Some(workgroup) = edit.workgroup {
        if let Some(name) = &workgroup {
            let known = directory::domain::has_workgroup(transaction, &account.domain, name).await?;
            if !known {
                return Err(Fault::ATTRIBUTE.hint("workgroup", "there is no such workgroup in the domain"));
            }
            let place = Place { workgroup: Some(name), ..Place::domain(&account.reseller, &account.domain) };
            if !principal.may(Right::Edit, place) {
                return Err(Fault::FORBIDDEN);
            }
        }
        account.workgroup = workgroup;
    }
    if let Some(brand) = edit.brand {
        if let Some(name) = &brand
            && !control.directory.brands(&account.reseller).await?.iter().any(|brand| brand.name.as_str() == name)
        {
            return Err(Fault::ATTRIBUTE.hint("brand", "there is no such brand"));
        }
        account.brand = brand;
    }
    let grows = edit.quota.is_some() || edit.kind.is_some();
    if let Some(quota) = edit.quota {
        account.quota = quota;
    }
    if let Some(password) = password {
        account.password = Some(password);
        directory::revoke(transaction, &account.address.key()).await?;
    }
    directory::account::save(transaction, &account).await?;
    if let Some(aliases) = edit.aliases {
        let aliases: Vec<String> = aliases.iter().map(MailAddress::key).collect();
        for alias in &aliases {
            if directory::account::taken(transaction, alias, Some(account.id)).await? {
                return Err(Fault::TAKEN.hint("aliases", "an entry is taken already"));
            }
        }
        directory::account::set_aliases(transaction, &account, &aliases).await?;
    }
    if let Some(forwards) = edit.forwards {
        directory::account::set_forwards(transaction, account.id, &forwards).await?;
    }
    if grows {
        within_contract(control, transaction, &account.reseller, account.kind).await?;
    }
    let message =
        if edit.names.is_empty() { "changed".to_owned() } else { format!("changed {}", edit.names.join(", ")) };
    note(control, transaction, principal, &account, &message).await?;
    Ok(())
}

/// Remembers at which level a service was suspended, and lets nobody lower switch it on again.
fn suspend(principal: &Principal, account: &mut Account, service: &str, value: Option<&Value>) -> Result<(), Fault> {
    let level = principal.level(Place::of(account));
    let mut levels: Map<String, Value> = match account.settings.0.get(SUSPENDED_BY) {
        Some(Value::Object(levels)) => levels.clone(),
        _ => Map::new(),
    };
    if levels.get(service).and_then(Value::as_i64).is_some_and(|by| by > level) {
        return Err(Fault::FORBIDDEN.hint(service, "somebody of a higher level suspended it"));
    }
    match value.and_then(Value::as_str) {
        Some("suspended") => levels.insert(service.to_owned(), level.into()),
        _ => levels.remove(service),
    };
    account.settings.set(SUSPENDED_BY, (!levels.is_empty()).then_some(levels));
    Ok(())
}

/// Writes who did what to an account.
async fn note(
    control: &Control,
    connection: &mut Connection,
    principal: &Principal,
    account: &Account,
    message: &str,
) -> Result<(), DirectoryError> {
    let change = Change {
        at: control.directory.now(),
        actor: principal.name(),
        application: principal.application.clone(),
        message: message.to_owned(),
    };
    directory::record(connection, (&account.reseller, "user", &account.address.key()), change).await
}

/// `delete_user`
pub(super) async fn delete(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let account = target(control, principal, request, Right::Bill).await?;
    not_above(control, principal, &account).await?;
    let mut transaction = control.directory.write().await?;
    let found = directory::account::at(&mut transaction, &account.address.key(), Some(&account.reseller)).await?;
    let Some(mut account) = found else { return Err(Fault::MISSING.into()) };
    let aliases = directory::account::aliases(&mut transaction, account.id).await?;
    account.settings.set_list(KEPT_ALIASES, aliases);
    directory::account::save(&mut transaction, &account).await?;
    directory::account::delete(&mut transaction, &account, control.directory.now()).await?;
    note(control, &mut transaction, principal, &account, "deleted").await?;
    control.directory.commit(transaction).await?;
    Ok(Fields::default())
}

/// `restore_user`
pub(super) async fn restore(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    if principal.is_plain() {
        return Err(Fault::FORBIDDEN.into());
    }
    let wrong = |field: &str| Fault::FIELD.hint(field, "has to be an address");
    let address: MailAddress = request.text("user")?.parse().map_err(|_| wrong("user"))?;
    let name = match request.optional_text("new_name")? {
        Some(name) => attributes::mailbox_name(name).ok_or_else(|| wrong("new_name"))?,
        None => address.clone(),
    };
    let id = match request.number("id")? {
        Some(id) => Some(id),
        None => request.texts("ids").ok().and_then(|ids| ids.first()?.parse().ok()),
    };
    // Gap: `new_name` could be served by moving the mail there.
    if name != address {
        return Err(Fault::FIELD.hint("new_name", "it can be restored under its old name only").into());
    }
    let moving = control.moves.lock().await;
    let mut transaction = control.directory.write().await?;
    let found = restorable(control, &mut transaction, principal, &address, id).await?;
    drop(transaction);
    control.return_mail(&found).await?;
    let mut transaction = control.directory.write().await?;
    // Much may have happened while the mail was moved.
    let mut account = restorable(control, &mut transaction, principal, &address, Some(found.id)).await?;
    let kept = account.settings.list(KEPT_ALIASES);
    account.settings.set(KEPT_ALIASES, None::<bool>);
    account.deleted_at = None;
    directory::account::save(&mut transaction, &account).await?;
    let mut aliases = Vec::new();
    for alias in kept {
        if !directory::account::taken(&mut transaction, &alias, Some(account.id)).await? {
            aliases.push(alias);
        }
    }
    directory::account::set_aliases(&mut transaction, &account, &aliases).await?;
    within_contract(control, &mut transaction, &account.reseller, account.kind).await?;
    note(control, &mut transaction, principal, &account, "restored").await?;
    control.directory.commit(transaction).await?;
    drop(moving);
    Ok(Fields::default())
}

/// Returns a deleted account that the caller may restore, when its address is free.
async fn restorable(
    control: &Control,
    connection: &mut Connection,
    principal: &Principal,
    address: &MailAddress,
    id: Option<i64>,
) -> Result<Account, Fault> {
    let found = directory::account::deleted(connection, &address.key(), principal.tenant(), id).await?;
    let account = found.ok_or(Fault::MISSING)?;
    allowed(principal, &account, Right::Bill)?;
    let restorable = control.directory.facts().map_or(0, |facts| facts.restorable_seconds);
    if account.deleted_at.is_none_or(|at| control.directory.now().saturating_sub(at) > restorable) {
        return Err(Fault::MISSING);
    }
    if directory::account::taken(connection, &address.key(), None).await? {
        return Err(Fault::TAKEN);
    }
    Ok(account)
}

/// `get_user_changes`
pub(super) async fn changes(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let account = target(control, principal, request, Right::See).await?;
    if !principal.may(Right::See, Place::of(&account)) {
        return Err(Fault::FORBIDDEN.into());
    }
    super::domains::changes(control, (&account.reseller, "user", &account.address.key()), request).await
}

/// `set_role`
pub(super) async fn set_role(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let account = target(control, principal, request, Right::GiveRoles).await?;
    not_above(control, principal, &account).await?;
    let name = request.optional_text("role")?.filter(|name| !name.is_empty());
    let mut objects = request.texts("objects")?;
    objects.extend(request.optional_text("object")?.map(str::to_owned));
    let roles = match name {
        None => Vec::new(),
        Some(name) => {
            let role = Role::read(name).ok_or(Fault::NO_ROLE)?;
            if objects.is_empty() {
                return Err(Fault::FIELD.hint("object", "is missing").into());
            }
            for object in &objects {
                give(principal, &account, role, object)?;
            }
            objects.into_iter().map(|object| directory::HeldRole { role: role.name().to_owned(), object }).collect()
        }
    };
    let mut transaction = control.directory.write().await?;
    directory::set_roles(&mut transaction, account.id, &account.reseller, &roles).await?;
    let message = format!("role set to {}", name.unwrap_or("none"));
    note(control, &mut transaction, principal, &account, &message).await?;
    control.directory.commit(transaction).await?;
    Ok(Fields::default())
}

/// Checks that the caller may give a role over an object to an account of it.
fn give(principal: &Principal, account: &Account, role: Role, object: &str) -> Result<(), Fault> {
    let own_domain = account.domain.as_str();
    let workgroup = object.strip_prefix(own_domain).and_then(|rest| rest.strip_prefix('/'));
    let (member, allowed) = match role {
        // Only the operator's own staff makes a company's admins.
        Role::Company => (object == account.reseller, principal.tenant().is_none()),
        Role::Domain | Role::Mail => {
            let higher = principal.level(Place::domain(&account.reseller, own_domain)) > role.level();
            (object == own_domain, higher)
        }
        Role::Workgroup => {
            let place = Place { workgroup, ..Place::domain(&account.reseller, own_domain) };
            (workgroup.is_some() && account.workgroup.as_deref() == workgroup, principal.may(Right::GiveRoles, place))
        }
        _ => (object == account.reseller, principal.may(Right::GiveRoles, Place::company(&account.reseller))),
    };
    match (member, allowed) {
        // What the account is no member of is not told apart from what does not exist.
        (false, _) => Err(Fault::MISSING),
        (true, false) => Err(Fault::FORBIDDEN),
        (true, true) => Ok(()),
    }
}
