//! The seed: what the specification declares becomes rows of the directory.
//!
//! Declared values are managed: each seed sets them again. `initial` values are set once. What was made or set through the API
//! and is not declared is left alone, and lists keep what the API added to them.

use std::collections::{BTreeMap, BTreeSet};

use blueprint::roster::{self, Roster, TierKind};
use blueprint::{Blueprint, Role, offices};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use values::{ByteSize, MailAddress, Name};

use super::{
    Account, Connection, Directory, DirectoryError, DomainRow, Facts, Kind, Settings, Status, Write, account, aside,
    changes, domain,
};
use crate::directory::changes::Change;
use crate::directory::renames::Renaming;
use crate::password;

/// What the directory is seeded from.
pub struct Seed<'a> {
    /// The platform.
    pub blueprint: &'a Blueprint,
    /// Its tenants.
    pub roster: &'a Roster,
    /// The operator's own admins, who see every tenant.
    pub operators: &'a [MailAddress],
    /// Returns the first password of a new account; without one it cannot sign in until it gets one.
    pub passwords: &'a (dyn Fn(&MailAddress) -> Option<String> + Sync),
}

/// What a seed did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeedReport {
    /// Accounts and admins that were made.
    pub created: Vec<MailAddress>,
    /// Accounts that have another address now, as the old and the new one.
    pub renamed: Vec<(MailAddress, MailAddress)>,
    /// Accounts that are no longer declared and were suspended.
    pub suspended: Vec<MailAddress>,
    /// Accounts that are no longer declared and were deleted.
    pub deleted: Vec<MailAddress>,
    /// What could not be taken over, in a sentence each.
    pub conflicts: Vec<String>,
}

/// A declared account of any kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct DeclaredAccount {
    kind: DeclaredKind,
    workgroup: Option<Name>,
    tier: Option<Name>,
    brand: Option<Name>,
    name: Option<String>,
    quota: Option<ByteSize>,
    aliases: Vec<String>,
    forward: Vec<String>,
    keep: bool,
    restricted: bool,
    #[serde(default)]
    preferences: Option<Box<roster::Preferences>>,
    autoreply: Option<Box<roster::Autoreply>>,
    /// Read by [`super::effective`].
    defense: roster::DefenseSettings,
    removal: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DeclaredKind {
    Mailbox,
    Filter,
    Forward,
}

impl DeclaredAccount {
    fn sends_on(workgroup: Option<&Name>, forward: &[MailAddress], restricted: bool) -> Self {
        Self {
            kind: DeclaredKind::Forward,
            workgroup: workgroup.cloned(),
            tier: None,
            brand: None,
            name: None,
            quota: None,
            aliases: Vec::new(),
            // The spelling stays: another system may tell upper from lower case.
            forward: forward.iter().map(ToString::to_string).collect(),
            keep: false,
            restricted,
            preferences: None,
            autoreply: None,
            defense: roster::DefenseSettings::default(),
            removal: "suspend".to_owned(),
        }
    }

    fn mailbox(mailbox: &roster::Mailbox, kind: TierKind) -> Self {
        Self {
            kind: match kind {
                TierKind::Mailbox => DeclaredKind::Mailbox,
                TierKind::Filter => DeclaredKind::Filter,
                TierKind::Forward => DeclaredKind::Forward,
            },
            workgroup: mailbox.workgroup.clone(),
            tier: mailbox.tier.clone(),
            brand: mailbox.brand.clone(),
            name: mailbox.name.clone(),
            quota: mailbox.quota,
            aliases: mailbox.aliases.iter().map(MailAddress::key).collect(),
            forward: mailbox.forward.iter().map(ToString::to_string).collect(),
            keep: mailbox.keep,
            restricted: false,
            preferences: mailbox.preferences.clone(),
            autoreply: mailbox.autoreply.clone(),
            defense: mailbox.defense.clone(),
            removal: mailbox.on_removal.action.clone(),
        }
    }
}

/// Every declared account with its domain.
fn declared_accounts(roster: &Roster) -> BTreeMap<MailAddress, DeclaredAccount> {
    let tier_kind = |mailbox: &roster::Mailbox| {
        let domain = roster.domains.iter().find(|domain| domain.name == *mailbox.address.domain());
        let name = mailbox.tier.as_ref().or(domain.map(|domain| &domain.tier))?;
        roster.tiers.iter().find(|tier| tier.name == *name).map(|tier| tier.kind)
    };
    let mut declared = BTreeMap::new();
    for mailbox in &roster.mailboxes {
        let kind = tier_kind(mailbox).unwrap_or(TierKind::Mailbox);
        declared.insert(mailbox.address.clone(), DeclaredAccount::mailbox(mailbox, kind));
    }
    for forward in &roster.forwards {
        let it = DeclaredAccount::sends_on(forward.workgroup.as_ref(), &forward.to, false);
        declared.insert(forward.address.clone(), it);
    }
    for list in &roster.lists {
        let it = DeclaredAccount::sends_on(list.workgroup.as_ref(), &list.members, list.restricted);
        declared.insert(list.address.clone(), it);
    }
    declared
}

/// Returns a managed value: what is declared, else what was there unless an earlier declaration put it there.
fn managed<T>(before: Option<&T>, now: Option<T>, current: Option<T>) -> Option<T> {
    match (before, now) {
        (_, Some(now)) => Some(now),
        (Some(_), None) => None,
        (None, None) => current,
    }
}

/// Returns a managed list: what is declared, and what was there without a declaration.
fn merged(before: &[String], now: &[String], current: Vec<String>) -> Vec<String> {
    let mut list = now.to_vec();
    let added = current.into_iter().filter(|item| !before.contains(item) && !now.contains(item));
    list.extend(added);
    list
}

fn text<T: ToString>(value: Option<&T>) -> Option<String> {
    value.map(ToString::to_string)
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("documents of the treaty are made to be serialized")
}

fn earlier<T: DeserializeOwned>(declared: Option<&str>) -> Option<T> {
    // A declaration of an older form counts as none: what it set stays until somebody changes it.
    serde_json::from_str(declared?).ok()
}

impl Directory {
    /// Brings the directory to what the specification declares; saying the same twice changes nothing.
    ///
    /// - Errors: the database's. Nothing is half done then.
    pub async fn seed(&self, seed: Seed<'_>) -> Result<SeedReport, DirectoryError> {
        let roster = offices::with_own(seed.blueprint, seed.roster);
        let seed = Seed { roster: &roster, ..seed };
        let mut facts = Facts::of(seed.blueprint, seed.roster);
        let declared = declared_accounts(seed.roster);
        let admins: BTreeMap<String, (MailAddress, Option<String>)> = admins(&seed);
        let hashes = self.first_hashes(&seed, &declared, &admins).await?;
        let mut report = SeedReport::default();
        let mut transaction = self.write().await?;
        let now = self.now();
        let is_admin = |key: &str| admins.contains_key(key);
        let renaming = Renaming { roster: seed.roster, admins: &is_admin, now };
        let renamed = renaming.carry_out(&mut transaction, &mut report.conflicts).await?;
        let known = self.facts().map(|facts| facts.formerly.clone()).unwrap_or_default();
        facts.formerly = known.with(&renamed, seed.blueprint, now);
        report.renamed = renamed.accounts;
        platform(&mut transaction, &facts, seed.roster, now).await?;
        stores(&mut transaction, seed.blueprint).await?;
        seed_admins(&mut transaction, &admins, &hashes, now, &mut report).await?;
        seed_domains(&mut transaction, seed.roster, now, &mut report).await?;
        for (address, it) in &declared {
            let password = hashes.get(&address.key()).cloned();
            seed_account(&mut transaction, &facts, (address, it), password, now, &mut report).await?;
        }
        remove_undeclared(&mut transaction, &declared, now, &mut report).await?;
        seed_offices(&mut transaction, seed.blueprint).await?;
        // Before the new addresses are seen, for who delivers to one while another's mail lies there mixes them.
        self.settled.send_replace(false);
        self.commit(transaction).await?;
        self.set_facts(Some(facts));
        self.forget();
        Ok(report)
    }

    /// Hashes the first passwords of accounts that are new, several at a time.
    async fn first_hashes(
        &self,
        seed: &Seed<'_>,
        declared: &BTreeMap<MailAddress, DeclaredAccount>,
        admins: &BTreeMap<String, (MailAddress, Option<String>)>,
    ) -> Result<BTreeMap<String, String>, DirectoryError> {
        let rows = sqlx::query(
            "SELECT address FROM mailboxes WHERE deleted_at IS NULL AND password IS NOT NULL
             UNION ALL SELECT address FROM admins WHERE password IS NOT NULL",
        )
        .fetch_all(&self.database.writer)
        .await?;
        let known: BTreeSet<String> = rows.iter().map(|row| row.try_get("address")).collect::<Result<_, _>>()?;
        let signing = declared.iter().filter(|(_, it)| it.kind != DeclaredKind::Forward).map(|(address, _)| address);
        let fresh: Vec<(String, String)> = signing
            .chain(admins.values().map(|(address, _)| address))
            .filter(|address| !known.contains(&address.key()))
            .filter_map(|address| Some((address.key(), (seed.passwords)(address)?)))
            .collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut tasks = Vec::new();
        for part in fresh.chunks(fresh.len().div_ceil(threads).max(1)) {
            let (part, chance) = (part.to_vec(), std::sync::Arc::clone(&self.chance));
            tasks.push(tokio::task::spawn_blocking(move || {
                let hashed = part.into_iter().filter_map(|(address, secret)| {
                    // One that another system made is what the account goes on with.
                    let hash = match password::is_meant_as_hash(&secret) {
                        true => password::is_hash(&secret).then_some(secret)?,
                        false => password::hash(&secret, &*chance),
                    };
                    Some((address, hash))
                });
                hashed.collect::<Vec<_>>()
            }));
        }
        let mut hashes = BTreeMap::new();
        for task in tasks {
            // A thread that was taken away leaves its accounts without a password, for the next seed to give.
            hashes.extend(task.await.unwrap_or_default());
        }
        Ok(hashes)
    }
}

/// Writes who reads the mail of offices that a domain has no address for.
async fn seed_offices(connection: &mut Connection, blueprint: &Blueprint) -> Result<(), DirectoryError> {
    for (office, account) in account::OFFICES {
        let reader: Vec<String> = offices::reader(blueprint, office).map(ToString::to_string).into_iter().collect();
        account::set_forwards(connection, account, &reader).await?;
    }
    Ok(())
}

fn admins(seed: &Seed<'_>) -> BTreeMap<String, (MailAddress, Option<String>)> {
    let resellers = seed.roster.resellers.iter().flat_map(|reseller| {
        reseller.admins.iter().map(|address| (address.key(), (address.clone(), Some(reseller.name.to_string()))))
    });
    seed.operators.iter().map(|address| (address.key(), (address.clone(), None))).chain(resellers).collect()
}

async fn platform(connection: &mut Connection, facts: &Facts, roster: &Roster, now: i64) -> Result<(), DirectoryError> {
    // Beside the whole, what look-ups ask for: they are not to read every reseller's contract for it.
    for (name, value) in [
        ("facts", json(facts)),
        ("subaddressing", facts.subaddressing.map_or_else(String::new, String::from)),
        ("restorable_seconds", facts.restorable_seconds.to_string()),
        ("defense", json(&facts.defense)),
    ] {
        sqlx::query(
            "INSERT INTO platform (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query("DELETE FROM tiers").execute(&mut *connection).await?;
    for tier in &roster.tiers {
        let kind = match tier.kind {
            TierKind::Mailbox => "mailbox",
            TierKind::Filter => "filter",
            TierKind::Forward => "forward",
        };
        sqlx::query("INSERT INTO tiers (name, kind, quota, document) VALUES ($1, $2, $3, $4)")
            .bind(tier.name.as_str())
            .bind(kind)
            .bind(tier.quota.map(|size| i64::try_from(size.as_bytes()).unwrap_or(i64::MAX)))
            .bind(json(tier))
            .execute(&mut *connection)
            .await?;
    }
    for reseller in &roster.resellers {
        sqlx::query(
            "INSERT INTO resellers (name, document, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET document = excluded.document",
        )
        .bind(reseller.name.as_str())
        .bind(json(reseller))
        .bind(now)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query("DELETE FROM brands").execute(&mut *connection).await?;
    sqlx::query("DELETE FROM brand_hosts").execute(&mut *connection).await?;
    for brand in &roster.brands {
        sqlx::query("INSERT INTO brands (reseller, name, document) VALUES ($1, $2, $3)")
            .bind(brand.reseller.as_str())
            .bind(brand.name.as_str())
            .bind(json(brand))
            .execute(&mut *connection)
            .await?;
        for host in &brand.hosts {
            sqlx::query(
                "INSERT INTO brand_hosts (host, reseller, brand) VALUES ($1, $2, $3) ON CONFLICT (host) DO NOTHING",
            )
            .bind(host.host.as_str())
            .bind(brand.reseller.as_str())
            .bind(brand.name.as_str())
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}

/// Writes where each store is reached.
async fn stores(connection: &mut Connection, blueprint: &Blueprint) -> Result<(), DirectoryError> {
    sqlx::query("DELETE FROM stores").execute(&mut *connection).await?;
    for node in blueprint.nodes.iter().filter(|node| node.role == Role::Store) {
        sqlx::query("INSERT INTO stores (name, cluster, host) VALUES ($1, $2, $3)")
            .bind(node.name.as_str())
            .bind(node.cluster.as_str())
            .bind(node.hostname.as_str())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn seed_admins(
    connection: &mut Connection,
    admins: &BTreeMap<String, (MailAddress, Option<String>)>,
    hashes: &BTreeMap<String, String>,
    now: i64,
    report: &mut SeedReport,
) -> Result<(), DirectoryError> {
    let rows = sqlx::query("SELECT address FROM admins").fetch_all(&mut *connection).await?;
    let known: BTreeSet<String> = rows.iter().map(|row| row.try_get("address")).collect::<Result<_, _>>()?;
    for gone in known.iter().filter(|address| !admins.contains_key(*address)) {
        sqlx::query("UPDATE admins SET status = 'suspended' WHERE address = $1")
            .bind(gone)
            .execute(&mut *connection)
            .await?;
    }
    for (key, (address, reseller)) in admins {
        sqlx::query(
            "INSERT INTO admins (address, reseller, password, status, created_at) VALUES ($1, $2, $3, 'active', $4)
             ON CONFLICT (address) DO UPDATE SET reseller = excluded.reseller, status = 'active',
                 password = COALESCE(admins.password, excluded.password)",
        )
        .bind(key)
        .bind(reseller)
        .bind(hashes.get(key))
        .bind(now)
        .execute(&mut *connection)
        .await?;
        if !known.contains(key) {
            report.created.push(address.clone());
        }
    }
    Ok(())
}

async fn seed_domains(
    connection: &mut Connection,
    roster: &Roster,
    now: i64,
    report: &mut SeedReport,
) -> Result<(), DirectoryError> {
    let rows = sqlx::query("SELECT name FROM domains WHERE declared IS NOT NULL").fetch_all(&mut *connection).await?;
    let mut gone: BTreeSet<String> = rows.iter().map(|row| row.try_get("name")).collect::<Result<_, _>>()?;
    for it in &roster.domains {
        gone.remove(it.name.as_str());
        let known = domain::named(connection, it.name.as_str(), None).await?;
        if known.as_ref().is_some_and(|known| known.reseller != it.reseller.as_str()) {
            report.conflicts.push(format!("the domain {} belongs to another reseller in the directory", it.name));
            continue;
        }
        let before: Option<roster::Domain> = earlier(known.as_ref().and_then(|known| known.declared.as_deref()));
        let mut settings = known.as_ref().map(|known| known.settings.clone()).unwrap_or_default();
        let defense = before.as_ref().map(|before| before.defense.clone()).unwrap_or_default();
        lists(&mut settings, &defense, &it.defense);
        let server = managed(
            before.as_ref().and_then(|before| before.filter_mx.as_ref()).map(ToString::to_string).as_ref(),
            it.filter_mx.as_ref().map(ToString::to_string),
            settings.text("filtermx").map(str::to_owned),
        );
        settings.set("filtermx", server);
        let (was, current) = (before.as_ref(), known.as_ref());
        let catch_all = managed(
            was.and_then(|was| was.catch_all.as_ref()),
            it.catch_all.clone(),
            current.and_then(|current| current.catch_all.clone()),
        );
        let brand = managed(
            was.and_then(|was| was.brand.as_ref()).map(ToString::to_string).as_ref(),
            text(it.brand.as_ref()),
            current.and_then(|current| current.brand.clone()),
        );
        let row = DomainRow {
            name: it.name.clone(),
            reseller: it.reseller.to_string(),
            tier: it.tier.to_string(),
            brand,
            cluster: it.cluster.to_string(),
            outbound: text(it.outbound.as_ref()),
            catch_all,
            status: Status::Active,
            settings,
            declared: Some(json(it)),
            created_at: known.map_or(now, |known| known.created_at),
        };
        domain::save(connection, &row).await?;
        sqlx::query("DELETE FROM domain_aliases WHERE domain = $1")
            .bind(it.name.as_str())
            .execute(&mut *connection)
            .await?;
        for alias in &it.aliases {
            let done = sqlx::query(
                "INSERT INTO domain_aliases (name, domain, reseller) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
            )
            .bind(alias.as_str())
            .bind(it.name.as_str())
            .bind(it.reseller.as_str())
            .execute(&mut *connection)
            .await?;
            if done.rows_affected() == 0 {
                report.conflicts.push(format!("the alias domain {alias} of {} belongs to another domain", it.name));
            }
        }
        let used = roster.mailboxes.iter().map(|it| (&it.address, &it.workgroup));
        let used = used.chain(roster.forwards.iter().map(|it| (&it.address, &it.workgroup)));
        let used = used.chain(roster.lists.iter().map(|it| (&it.address, &it.workgroup)));
        let used = used.filter(|(address, _)| *address.domain() == it.name).filter_map(|(_, name)| name.as_ref());
        for workgroup in it.workgroups.iter().chain(used) {
            sqlx::query(
                "INSERT INTO workgroups (domain, name, reseller) VALUES ($1, $2, $3) ON CONFLICT (domain, name) DO NOTHING",
            )
            .bind(it.name.as_str())
            .bind(workgroup.as_str())
            .bind(it.reseller.as_str())
            .execute(&mut *connection)
            .await?;
        }
    }
    for name in gone {
        sqlx::query("UPDATE domains SET status = 'suspended', declared = NULL WHERE name = $1")
            .bind(name)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Sets the lists of a defense, keeping what was added to them.
fn lists(settings: &mut Settings, before: &roster::DefenseSettings, now: &roster::DefenseSettings) {
    settings.set_list("allow", merged(&before.allow, &now.allow, settings.list("allow")));
    settings.set_list("block", merged(&before.block, &now.block, settings.list("block")));
}

async fn seed_account(
    connection: &mut Connection,
    facts: &Facts,
    (address, it): (&MailAddress, &DeclaredAccount),
    password: Option<String>,
    now: i64,
    report: &mut SeedReport,
) -> Result<(), DirectoryError> {
    let Some(domain) = domain::named(connection, address.domain().as_str(), None).await? else {
        report.conflicts.push(format!("{address} stands in a domain that the roster does not have"));
        return Ok(());
    };
    let kind = match it.kind {
        DeclaredKind::Mailbox => Kind::Mailbox,
        DeclaredKind::Filter => Kind::Filter,
        DeclaredKind::Forward => Kind::Forward,
    };
    let mut known = account::at(connection, &address.key(), None).await?;
    if known.is_none() && account::taken(connection, &address.key(), None).await? {
        report.conflicts.push(format!("{address} is an alias of another account in the directory"));
        return Ok(());
    }
    if known.is_none() {
        // What is declared exists: one that was deleted comes back with its password and its mail.
        known = account::deleted(connection, &address.key(), Some(&domain.reseller), None).await?;
    }
    let is_new = known.is_none();
    let mut row = match known {
        Some(known) => known,
        None => Account {
            id: account::next_id(connection).await?,
            reseller: domain.reseller.clone(),
            domain: domain.name.to_string(),
            address: address.clone(),
            kind,
            workgroup: None,
            tier: None,
            brand: None,
            password: None,
            quota: None,
            store: None,
            status: Status::Active,
            settings: Settings::default(),
            declared: None,
            created_at: now,
            deleted_at: None,
        },
    };
    if is_new || row.deleted_at.is_some() {
        aside::leave(connection, &mut row).await?;
    }
    let before: Option<DeclaredAccount> = earlier(row.declared.as_deref());
    let old = before.as_ref();
    row.kind = kind;
    row.status = Status::Active;
    row.deleted_at = None;
    row.password = row.password.or(password);
    let old_workgroup = text(old.and_then(|old| old.workgroup.as_ref()));
    row.workgroup = managed(old_workgroup.as_ref(), text(it.workgroup.as_ref()), row.workgroup);
    row.tier = text(it.tier.as_ref());
    let old_brand = text(old.and_then(|old| old.brand.as_ref()));
    row.brand = managed(old_brand.as_ref(), text(it.brand.as_ref()), row.brand);
    row.quota = managed(old.and_then(|old| old.quota.as_ref()), it.quota, row.quota.map(ByteSize::from_bytes))
        .map(ByteSize::as_bytes);
    // A filtered one has a place where its spam is held apart.
    if row.store.is_none() && kind != Kind::Forward {
        row.store = facts.first_store(&domain.cluster, address);
    }
    settings(&mut row.settings, old, it);
    row.declared = Some(json(it));
    account::save(connection, &row).await?;

    let current = account::aliases(connection, row.id).await?;
    let wanted = merged(old.map_or(&[][..], |old| &old.aliases), &it.aliases, current.clone());
    let mut aliases = Vec::new();
    for alias in wanted {
        match account::taken(connection, &alias, Some(row.id)).await? {
            true => report.conflicts.push(format!("the alias {alias} of {address} belongs to another account")),
            false => aliases.push(alias),
        }
    }
    if aliases != current {
        account::set_aliases(connection, &row, &aliases).await?;
    }
    let current = account::forwards(connection, row.id).await?;
    let forwards = merged(old.map_or(&[][..], |old| &old.forward), &it.forward, current.clone());
    if forwards != current {
        account::set_forwards(connection, row.id, &forwards).await?;
    }
    if is_new {
        report.created.push(address.clone());
        note(connection, &row, "created from the specification", now).await?;
    }
    Ok(())
}

/// Sets what a declaration says in the API's words.
fn settings(settings: &mut Settings, old: Option<&DeclaredAccount>, it: &DeclaredAccount) {
    let name = settings.text("name").map(str::to_owned);
    settings.set("name", managed(old.and_then(|old| old.name.as_ref()), it.name.clone(), name));
    let preferences = |it: &DeclaredAccount| match it.preferences.as_deref() {
        Some(it) => [it.language.clone(), it.time_zone.clone()],
        None => [None, None],
    };
    let before = old.map_or([None, None], preferences);
    for ((name, before), now) in ["language", "timezone"].into_iter().zip(before).zip(preferences(it)) {
        let current = settings.text(name).map(str::to_owned);
        settings.set(name, managed(before.as_ref(), now, current));
    }
    if !it.forward.is_empty() {
        settings.set("delivery_forward", Some(true));
        settings.set("delivery_local", Some(it.keep));
    } else if old.is_some_and(|old| !old.forward.is_empty()) {
        settings.set("delivery_forward", None::<bool>);
        settings.set("delivery_local", None::<bool>);
    }
    if it.restricted || old.is_some_and(|old| old.restricted) {
        settings.set("forward_option_restricted", it.restricted.then_some(true));
    }
    if let Some(reply) = &it.autoreply {
        // Days are those of UTC, and the last one counts to its end.
        let start = reply.from.map(|day| day.days_since_epoch() * 86_400);
        let end = reply.until.map(|day| (day.days_since_epoch() + 1) * 86_400);
        settings.set("autoresponder", Some(reply.text.clone()));
        settings.set("autoresponder_option_subject", reply.subject.clone());
        settings.set("autoresponder_option_startdate", start);
        settings.set("autoresponder_option_enddate", end);
        settings.set("delivery_autoresponder", Some(true));
    } else if old.is_some_and(|old| old.autoreply.is_some()) {
        for name in ["", "_option_subject", "_option_startdate", "_option_enddate"] {
            settings.set(&format!("autoresponder{name}"), None::<bool>);
        }
        settings.set("delivery_autoresponder", None::<bool>);
    }
    let before = old.map(|old| old.defense.clone()).unwrap_or_default();
    lists(settings, &before, &it.defense);
}

/// Does with accounts that are no longer declared what their last declaration said.
async fn remove_undeclared(
    connection: &mut Write,
    declared: &BTreeMap<MailAddress, DeclaredAccount>,
    now: i64,
    report: &mut SeedReport,
) -> Result<(), DirectoryError> {
    let rows = sqlx::query("SELECT address FROM mailboxes WHERE declared IS NOT NULL AND deleted_at IS NULL")
        .fetch_all(&mut **connection)
        .await?;
    let keys: BTreeSet<String> = declared.keys().map(MailAddress::key).collect();
    for row in rows {
        let key: String = row.try_get("address")?;
        if keys.contains(&key) {
            continue;
        }
        let Some(mut gone) = account::at(connection, &key, None).await? else { continue };
        let removal = earlier::<DeclaredAccount>(gone.declared.as_deref()).map(|it| it.removal);
        if removal.as_deref() == Some("delete") {
            account::delete(connection, &gone, now).await?;
            note(connection, &gone, "deleted: its declaration was removed", now).await?;
            report.deleted.push(gone.address);
        } else {
            gone.status = Status::Suspended;
            gone.declared = None;
            account::save(connection, &gone).await?;
            note(connection, &gone, "suspended: its declaration was removed", now).await?;
            report.suspended.push(gone.address);
        }
    }
    Ok(())
}

async fn note(connection: &mut Connection, account: &Account, message: &str, now: i64) -> Result<(), DirectoryError> {
    let change = Change {
        at: now,
        actor: "OpenSRS".to_owned(),
        application: "specification".to_owned(),
        message: message.to_owned(),
    };
    changes::record(connection, (&account.reseller, "user", &account.address.key()), change).await
}
