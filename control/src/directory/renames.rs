//! Renames carried out: what `renamed-from` says of things that the directory has under their old names.
//!
//! A rename happens once: it is passed over when nothing has the old name, or something has the new one already. Who wrote it is
//! a reseller, so that a domain only ever changes its name within its reseller.

use std::collections::BTreeMap;

use blueprint::{Rename, Roster};
use values::{HostName, MailAddress};

use super::changes::{self, Change};
use super::formerly::Renamed;
use super::{Account, Connection, DirectoryError, account, aside, domain};

/// Tables whose rows belong to a reseller, beside the resellers themselves.
const TENANTS: [&str; 9] = [
    "UPDATE admins SET reseller = $2 WHERE reseller = $1",
    "UPDATE brands SET reseller = $2 WHERE reseller = $1",
    "UPDATE brand_hosts SET reseller = $2 WHERE reseller = $1",
    "UPDATE domains SET reseller = $2 WHERE reseller = $1",
    "UPDATE domain_aliases SET reseller = $2 WHERE reseller = $1",
    "UPDATE workgroups SET reseller = $2 WHERE reseller = $1",
    "UPDATE mailboxes SET reseller = $2 WHERE reseller = $1",
    "UPDATE aliases SET reseller = $2 WHERE reseller = $1",
    "UPDATE roles SET reseller = $2 WHERE reseller = $1",
];

/// What the renames of a seed work on.
pub(super) struct Renaming<'r> {
    /// The roster that says them.
    pub(super) roster: &'r Roster,
    /// The keys of the admins that are declared now.
    pub(super) admins: &'r (dyn Fn(&str) -> bool + Sync),
    /// The time, in seconds.
    pub(super) now: i64,
}

impl Renaming<'_> {
    /// Carries the renames out.
    ///
    /// - Returns: domains and accounts that have another name now.
    pub(super) async fn carry_out(
        &self,
        connection: &mut Connection,
        conflicts: &mut Vec<String>,
    ) -> Result<Renamed, DirectoryError> {
        let mut renamed = Renamed::default();
        for rename in self.of("reseller") {
            self.reseller(connection, rename).await?;
        }
        // Accounts by their old keys: in a renamed domain they are renamed with it, and never twice.
        let mut accounts: BTreeMap<&str, &str> = BTreeMap::new();
        for kind in ["mailbox", "forward", "list"] {
            accounts.extend(self.of(kind).map(|rename| (rename.from.as_str(), rename.to.as_str())));
        }
        for rename in self.of("domain") {
            self.domain(connection, rename, &accounts, (conflicts, &mut renamed)).await?;
        }
        for (from, to) in &accounts {
            let Some(found) = account::at(connection, from, None).await? else { continue };
            let Ok(to) = to.parse::<MailAddress>() else { continue };
            if found.domain == to.domain().as_str() && self.account(connection, found.clone(), &to, conflicts).await? {
                renamed.accounts.push((found.address, to));
            }
        }
        for rename in self.of("tier") {
            for statement in
                ["UPDATE mailboxes SET tier = $2 WHERE tier = $1", "UPDATE domains SET tier = $2 WHERE tier = $1"]
            {
                both(connection, statement, &rename.from, &rename.to).await?;
            }
        }
        self.within(connection).await?;
        Ok(renamed)
    }

    fn of<'k>(&'k self, kind: &'k str) -> impl Iterator<Item = &'k Rename> {
        self.roster.renames.iter().filter(move |rename| rename.kind == kind)
    }

    async fn reseller(&self, connection: &mut Connection, rename: &Rename) -> Result<(), DirectoryError> {
        let (from, to) = (rename.from.as_str(), rename.to.as_str());
        let known = sqlx::query("SELECT 1 FROM resellers WHERE name = $1").bind(to).fetch_optional(&mut *connection);
        if known.await?.is_some() {
            return Ok(());
        }
        if both(connection, "UPDATE resellers SET name = $2 WHERE name = $1", from, to).await? == 0 {
            return Ok(());
        }
        for statement in TENANTS {
            both(connection, statement, from, to).await?;
        }
        both(connection, "UPDATE changes SET reseller = $2 WHERE reseller = $1", from, to).await?;
        // Their admins sign in under its name.
        let rows = sqlx::query("SELECT address FROM admins WHERE reseller = $1").bind(to).fetch_all(&mut *connection);
        for row in rows.await? {
            let old: String = sqlx::Row::try_get(&row, "address")?;
            let Some(local) = old.strip_suffix(&format!("@{from}.adm")) else { continue };
            let new = format!("{local}@{to}.adm");
            let taken =
                sqlx::query("SELECT 1 FROM admins WHERE address = $1").bind(&new).fetch_optional(&mut *connection);
            if (self.admins)(&new) && taken.await?.is_none() {
                both(connection, "UPDATE admins SET address = $2 WHERE address = $1", &old, &new).await?;
                let no_longer = sqlx::query("DELETE FROM tokens WHERE login = $1").bind(&old);
                no_longer.execute(&mut *connection).await?;
            }
        }
        Ok(())
    }

    /// Renames a domain and all that is in it.
    async fn domain(
        &self,
        connection: &mut Connection,
        rename: &Rename,
        accounts: &BTreeMap<&str, &str>,
        (conflicts, renamed): (&mut Vec<String>, &mut Renamed),
    ) -> Result<(), DirectoryError> {
        let (from, to) = (rename.from.as_str(), rename.to.as_str());
        let (Some(found), Ok(old), Ok(name)) =
            (domain::named(connection, from, None).await?, from.parse::<HostName>(), to.parse::<HostName>())
        else {
            return Ok(());
        };
        if domain::named(connection, to, None).await?.is_some() {
            return Ok(());
        }
        let owner = self.roster.domains.iter().find(|it| it.name == name).map(|it| it.reseller.as_str());
        if owner != Some(found.reseller.as_str()) {
            conflicts.push(format!("the domain {from} is another reseller's, and is not renamed to {to}"));
            return Ok(());
        }
        // Often the new name was an alias before; one of another domain is no name to take.
        let alias = sqlx::query("DELETE FROM domain_aliases WHERE name = $2 AND domain = $1").bind(from).bind(to);
        alias.execute(&mut *connection).await?;
        let taken =
            sqlx::query("SELECT 1 FROM domain_aliases WHERE name = $1").bind(to).fetch_optional(&mut *connection);
        if taken.await?.is_some() {
            conflicts.push(format!("{to} is an alias of another domain, and {from} is not renamed to it"));
            return Ok(());
        }
        for statement in [
            "UPDATE domains SET name = $2 WHERE name = $1",
            "UPDATE domain_aliases SET domain = $2 WHERE domain = $1",
            "UPDATE workgroups SET domain = $2 WHERE domain = $1",
            "UPDATE roles SET object = $2 WHERE object = $1",
            "UPDATE changes SET object = $2 WHERE object = $1 AND kind = 'domain'",
        ] {
            both(connection, statement, from, to).await?;
        }
        if let Some(mut row) = domain::named(connection, to, None).await?
            && let Some(catch_all) = row.catch_all.as_ref().filter(|address| address.domain().as_str() == from)
        {
            row.catch_all = Some(MailAddress::new(catch_all.local().clone(), name.clone()));
            domain::save(connection, &row).await?;
        }
        for deleted in [true, false] {
            for found in account::of_domain(connection, &found.reseller, from, deleted).await? {
                let explicit = accounts.get(found.address.key().as_str()).and_then(|to| to.parse().ok());
                let explicit = explicit.filter(|to: &MailAddress| *to.domain() == name && !deleted);
                let target = explicit.unwrap_or_else(|| MailAddress::new(found.address.local().clone(), name.clone()));
                let before = found.address.clone();
                if self.account(connection, found, &target, conflicts).await? && !deleted {
                    renamed.accounts.push((before, target));
                }
            }
        }
        renamed.domains.push((old, name));
        Ok(())
    }

    /// Gives an account, live or deleted, another address; tells whether it has it now.
    async fn account(
        &self,
        connection: &mut Connection,
        mut account: Account,
        to: &MailAddress,
        conflicts: &mut Vec<String>,
    ) -> Result<bool, DirectoryError> {
        let old = account.address.clone();
        let live = account.deleted_at.is_none();
        if live && account::taken(connection, &to.key(), Some(account.id)).await? {
            conflicts.push(format!("{to} is another account's address already, and {old} is not renamed to it"));
            return Ok(false);
        }
        let aliases = account::aliases(connection, account.id).await?;
        let moved = account.domain != to.domain().as_str();
        aside::leave_renamed(connection, &mut account, to).await?;
        account.address = to.clone();
        account.domain = to.domain().to_string();
        account::save(connection, &account).await?;
        if live {
            let renamed = |alias: &String| match alias.parse::<MailAddress>() {
                Ok(alias) if moved && alias.domain() == old.domain() => {
                    MailAddress::new(alias.local().clone(), to.domain().clone()).key()
                }
                _ => alias.clone(),
            };
            // What was an alias may be the address now.
            let aliases: Vec<String> = aliases.iter().map(renamed).filter(|alias| *alias != to.key()).collect();
            account::set_aliases(connection, &account, &aliases).await?;
            let (old, new) = (old.key(), to.key());
            for statement in [
                "DELETE FROM tokens WHERE login = $1 OR login = $2",
                "DELETE FROM logins WHERE login = $2 AND login <> $1",
                "DELETE FROM send_counts WHERE login = $2 AND login <> $1",
                "UPDATE logins SET login = $2 WHERE login = $1",
                "UPDATE send_counts SET login = $2 WHERE login = $1",
                "UPDATE roles SET object = $2 WHERE object = $1",
                "UPDATE changes SET object = $2 WHERE object = $1 AND kind = 'user'",
            ] {
                both(connection, statement, &old, &new).await?;
            }
            let change = Change {
                at: self.now,
                actor: "OpenSRS".to_owned(),
                application: "specification".to_owned(),
                message: format!("renamed from {old}"),
            };
            changes::record(connection, (&account.reseller, "user", &new), change).await?;
        }
        Ok(true)
    }

    /// Renames brands within their resellers, and workgroups within their domains.
    async fn within(&self, connection: &mut Connection) -> Result<(), DirectoryError> {
        let parts = |name: &'_ str| name.split_once('/').map(|(one, two)| (one.to_owned(), two.to_owned()));
        for rename in self.of("brand") {
            let (Some((_, from)), Some((reseller, to))) = (parts(&rename.from), parts(&rename.to)) else { continue };
            for statement in [
                "UPDATE mailboxes SET brand = $3 WHERE brand = $2 AND reseller = $1",
                "UPDATE domains SET brand = $3 WHERE brand = $2 AND reseller = $1",
            ] {
                three(connection, statement, (&reseller, &from, &to)).await?;
            }
        }
        for rename in self.of("workgroup") {
            let (Some((_, from)), Some((domain, to))) = (parts(&rename.from), parts(&rename.to)) else { continue };
            for statement in [
                "INSERT INTO workgroups (domain, name, reseller)
                     SELECT domain, $3, reseller FROM workgroups WHERE domain = $1 AND name = $2
                     ON CONFLICT (domain, name) DO NOTHING",
                "DELETE FROM workgroups WHERE domain = $1 AND name = $2 AND name <> $3",
                "UPDATE mailboxes SET workgroup = $3 WHERE workgroup = $2 AND domain = $1",
            ] {
                three(connection, statement, (&domain, &from, &to)).await?;
            }
        }
        Ok(())
    }
}

async fn both(
    connection: &mut Connection,
    statement: &'static str,
    from: &str,
    to: &str,
) -> Result<u64, DirectoryError> {
    Ok(sqlx::query(statement).bind(from).bind(to).execute(connection).await?.rows_affected())
}

async fn three(
    connection: &mut Connection,
    statement: &'static str,
    values: (&str, &str, &str),
) -> Result<(), DirectoryError> {
    sqlx::query(statement).bind(values.0).bind(values.1).bind(values.2).execute(connection).await?;
    Ok(())
}
