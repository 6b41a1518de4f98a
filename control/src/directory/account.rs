//! Accounts: mailboxes, filtered addresses, and addresses that only send on.

use sqlx::Row as _;
use values::{LocalPart, MailAddress};

use super::{Connection, Directory, DirectoryError, DomainRow, Row, Settings, Write};

/// What an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Mailbox,
    Filter,
    Forward,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::Filter => "filter",
            Self::Forward => "forward",
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        [Self::Mailbox, Self::Filter, Self::Forward].into_iter().find(|kind| kind.name() == text)
    }
}

/// Whether an account works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Active,
    /// Its declaration was removed.
    Suspended,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    pub(super) fn read(text: &str) -> Self {
        // What is not known to be active is not used.
        if text == "active" { Self::Active } else { Self::Suspended }
    }
}

/// An account, live or deleted.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: i64,
    pub(crate) reseller: String,
    pub(crate) domain: String,
    pub(crate) address: MailAddress,
    pub(crate) kind: Kind,
    pub(crate) workgroup: Option<String>,
    /// Its own tier; `None` for its domain's.
    pub(crate) tier: Option<String>,
    pub(crate) brand: Option<String>,
    pub(crate) password: Option<String>,
    /// Its own quota in bytes; `None` for its tier's.
    pub(crate) quota: Option<u64>,
    pub(crate) store: Option<String>,
    pub(crate) status: Status,
    pub(crate) settings: Settings,
    /// Its declaration as JSON, when the specification has one.
    pub(crate) declared: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) deleted_at: Option<i64>,
}

pub(super) fn read(row: &Row) -> Result<Account, sqlx::Error> {
    let kind: String = row.try_get("kind")?;
    let address: String = row.try_get("address")?;
    let quota: Option<i64> = row.try_get("quota")?;
    let settings: String = row.try_get("settings")?;
    let status: String = row.try_get("status")?;
    Ok(Account {
        id: row.try_get("id")?,
        reseller: row.try_get("reseller")?,
        domain: row.try_get("domain")?,
        address: address.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        kind: Kind::read(&kind).ok_or_else(|| sqlx::Error::Decode(format!("account kind {kind}").into()))?,
        workgroup: row.try_get("workgroup")?,
        tier: row.try_get("tier")?,
        brand: row.try_get("brand")?,
        password: row.try_get("password")?,
        quota: quota.and_then(|bytes| u64::try_from(bytes).ok()),
        store: row.try_get("store")?,
        status: Status::read(&status),
        settings: Settings::read(&settings)?,
        declared: row.try_get("declared")?,
        created_at: row.try_get("created_at")?,
        deleted_at: row.try_get("deleted_at")?,
    })
}

/// Offices that every domain has, and the numbers of accounts that no row stands for, under which their readers are kept.
pub(super) const OFFICES: [(&str, i64); 2] = [("postmaster", -1), ("abuse", -2)];

/// Returns the account that an office of a domain is where nobody has named one; `None` where a local part is no office.
pub(super) fn office(local: &LocalPart, domain: &DomainRow) -> Option<Account> {
    let address = MailAddress::new(local.clone(), domain.name.clone());
    let key = address.key();
    let (office, _) = key.split_once('@')?;
    let (_, id) = *OFFICES.iter().find(|(name, _)| *name == office)?;
    Some(Account {
        id,
        reseller: domain.reseller.clone(),
        domain: domain.name.to_string(),
        address,
        kind: Kind::Forward,
        workgroup: None,
        tier: None,
        brand: None,
        password: None,
        quota: None,
        store: None,
        status: Status::Active,
        settings: Settings::default(),
        declared: None,
        created_at: 0,
        deleted_at: None,
    })
}

/// Returns a number that no account has.
pub(crate) async fn next_id(connection: &mut Connection) -> Result<i64, DirectoryError> {
    let row = sqlx::query("SELECT COALESCE(MAX(id), 0) + 1 AS next FROM mailboxes").fetch_one(connection).await?;
    Ok(row.try_get("next")?)
}

/// Writes an account as it is now, whether it is new or not.
pub(crate) async fn save(connection: &mut Connection, account: &Account) -> Result<(), DirectoryError> {
    sqlx::query(
        "INSERT INTO mailboxes (id, reseller, domain, address, kind, workgroup, tier, brand, password, quota, store,
             status, settings, declared, created_at, deleted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (id) DO UPDATE SET domain = excluded.domain, address = excluded.address, kind = excluded.kind,
             workgroup = excluded.workgroup, tier = excluded.tier, brand = excluded.brand, password = excluded.password,
             quota = excluded.quota, store = excluded.store, status = excluded.status, settings = excluded.settings,
             declared = excluded.declared, deleted_at = excluded.deleted_at",
    )
    .bind(account.id)
    .bind(&account.reseller)
    .bind(&account.domain)
    .bind(account.address.key())
    .bind(account.kind.name())
    .bind(&account.workgroup)
    .bind(&account.tier)
    .bind(&account.brand)
    .bind(&account.password)
    .bind(account.quota.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)))
    .bind(&account.store)
    .bind(account.status.name())
    .bind(account.settings.written())
    .bind(&account.declared)
    .bind(account.created_at)
    .bind(account.deleted_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the live account of an address, aliases left out.
pub(crate) async fn at(
    connection: &mut Connection,
    address: &str,
    reseller: Option<&str>,
) -> Result<Option<Account>, DirectoryError> {
    let row = sqlx::query(
        "SELECT * FROM mailboxes WHERE address = $1 AND deleted_at IS NULL AND ($2 IS NULL OR reseller = $2)",
    )
    .bind(address)
    .bind(reseller)
    .fetch_optional(connection)
    .await?;
    Ok(row.as_ref().map(read).transpose()?)
}

/// Returns the live account that an alias belongs to.
pub(crate) async fn behind_alias(
    connection: &mut Connection,
    address: &str,
    reseller: Option<&str>,
) -> Result<Option<Account>, DirectoryError> {
    let row = sqlx::query(
        "SELECT mailboxes.* FROM aliases JOIN mailboxes ON mailboxes.id = aliases.mailbox
         WHERE aliases.address = $1 AND mailboxes.deleted_at IS NULL AND ($2 IS NULL OR aliases.reseller = $2)",
    )
    .bind(address)
    .bind(reseller)
    .fetch_optional(connection)
    .await?;
    Ok(row.as_ref().map(read).transpose()?)
}

/// Returns the aliases of an account, sorted.
pub(crate) async fn aliases(connection: &mut Connection, id: i64) -> Result<Vec<String>, DirectoryError> {
    let rows =
        sqlx::query("SELECT address FROM aliases WHERE mailbox = $1 ORDER BY address").bind(id).fetch_all(connection);
    Ok(rows.await?.iter().map(|row| row.try_get("address")).collect::<Result<_, _>>()?)
}

/// Replaces the aliases of an account; every address must be free or its own already.
pub(crate) async fn set_aliases(
    connection: &mut Connection,
    account: &Account,
    aliases: &[String],
) -> Result<(), DirectoryError> {
    sqlx::query("DELETE FROM aliases WHERE mailbox = $1").bind(account.id).execute(&mut *connection).await?;
    for alias in aliases {
        sqlx::query("INSERT INTO aliases (address, mailbox, domain, reseller) VALUES ($1, $2, $3, $4)")
            .bind(alias)
            .bind(account.id)
            .bind(&account.domain)
            .bind(&account.reseller)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Returns where an account's mail is sent on to, in order.
pub(crate) async fn forwards(connection: &mut Connection, id: i64) -> Result<Vec<String>, DirectoryError> {
    let rows = sqlx::query("SELECT address FROM forwards WHERE mailbox = $1 ORDER BY position").bind(id);
    Ok(rows.fetch_all(connection).await?.iter().map(|row| row.try_get("address")).collect::<Result<_, _>>()?)
}

/// Replaces where an account's mail is sent on to.
pub(crate) async fn set_forwards(
    connection: &mut Connection,
    id: i64,
    forwards: &[String],
) -> Result<(), DirectoryError> {
    sqlx::query("DELETE FROM forwards WHERE mailbox = $1").bind(id).execute(&mut *connection).await?;
    for (position, address) in (0_i64..).zip(forwards) {
        sqlx::query("INSERT INTO forwards (mailbox, position, address) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(position)
            .bind(address)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Returns the accounts of a domain, live or deleted, by address.
pub(crate) async fn of_domain(
    connection: &mut Connection,
    reseller: &str,
    domain: &str,
    deleted: bool,
) -> Result<Vec<Account>, DirectoryError> {
    let rows = sqlx::query(
        "SELECT * FROM mailboxes WHERE reseller = $1 AND domain = $2 AND (deleted_at IS NOT NULL) = ($3 = 1)
         ORDER BY address, id",
    )
    .bind(reseller)
    .bind(domain)
    .bind(i64::from(deleted))
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// Returns a deleted account of an address; without an identifier, the one deleted last.
pub(crate) async fn deleted(
    connection: &mut Connection,
    address: &str,
    reseller: Option<&str>,
    id: Option<i64>,
) -> Result<Option<Account>, DirectoryError> {
    let row = sqlx::query(
        "SELECT * FROM mailboxes WHERE address = $1 AND deleted_at IS NOT NULL AND ($2 IS NULL OR reseller = $2)
         AND ($3 IS NULL OR id = $3) ORDER BY deleted_at DESC, id DESC LIMIT 1",
    )
    .bind(address)
    .bind(reseller)
    .bind(id)
    .fetch_optional(connection)
    .await?;
    Ok(row.as_ref().map(read).transpose()?)
}

/// Returns the deleted accounts of an address, the one deleted last first.
pub(super) async fn all_deleted(connection: &mut Connection, address: &str) -> Result<Vec<Account>, DirectoryError> {
    let rows = sqlx::query(
        "SELECT * FROM mailboxes WHERE address = $1 AND deleted_at IS NOT NULL ORDER BY deleted_at DESC, id DESC",
    )
    .bind(address)
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// Returns the accounts, live or deleted, that have a setting, by their numbers.
pub(super) async fn with_setting(connection: &mut Connection, setting: &str) -> Result<Vec<Account>, DirectoryError> {
    // Found by its text, so that every database can: a setting of another name that contains it is sorted out here.
    let rows = sqlx::query("SELECT * FROM mailboxes WHERE settings LIKE $1 ORDER BY id")
        .bind(format!("%\"{setting}\"%"))
        .fetch_all(connection)
        .await?;
    let mut accounts: Vec<Account> = rows.iter().map(read).collect::<Result<_, _>>()?;
    accounts.retain(|account| account.settings.0.contains_key(setting));
    Ok(accounts)
}

/// Marks an account as deleted and takes away its aliases, roles and tokens.
pub(crate) async fn delete(transaction: &mut Write, account: &Account, now: i64) -> Result<(), DirectoryError> {
    sqlx::query("UPDATE mailboxes SET deleted_at = $2, declared = NULL WHERE id = $1")
        .bind(account.id)
        .bind(now)
        .execute(&mut **transaction)
        .await?;
    sqlx::query("DELETE FROM aliases WHERE mailbox = $1").bind(account.id).execute(&mut **transaction).await?;
    sqlx::query("DELETE FROM roles WHERE mailbox = $1").bind(account.id).execute(&mut **transaction).await?;
    sqlx::query("DELETE FROM tokens WHERE login = $1").bind(account.address.key()).execute(&mut **transaction).await?;
    Ok(())
}

/// Tells whether an address is an account or an alias already, leaving out one account's own.
pub(crate) async fn taken(
    connection: &mut Connection,
    address: &str,
    but: Option<i64>,
) -> Result<bool, DirectoryError> {
    let row = sqlx::query(
        "SELECT 1 FROM mailboxes WHERE address = $1 AND deleted_at IS NULL AND ($2 IS NULL OR id <> $2)
         UNION ALL SELECT 1 FROM aliases WHERE address = $1 AND ($2 IS NULL OR mailbox <> $2)",
    )
    .bind(address)
    .bind(but)
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

impl Directory {
    /// Returns the live account of an address, aliases left out.
    pub(crate) async fn account(&self, address: &MailAddress) -> Result<Option<Account>, DirectoryError> {
        at(&mut *self.readers.acquire().await?, &address.key(), None).await
    }

    /// Returns the live account of an address within a tenant; `None` means every tenant.
    pub(crate) async fn account_of(
        &self,
        tenant: Option<&str>,
        address: &MailAddress,
    ) -> Result<Option<Account>, DirectoryError> {
        at(&mut *self.readers.acquire().await?, &address.key(), tenant).await
    }

    /// Returns the accounts of a tenant's domain.
    pub(crate) async fn accounts_of_domain(
        &self,
        tenant: &str,
        domain: &str,
        deleted: bool,
    ) -> Result<Vec<Account>, DirectoryError> {
        of_domain(&mut *self.readers.acquire().await?, tenant, domain, deleted).await
    }

    /// Returns the aliases of an account, sorted.
    pub(crate) async fn aliases(&self, account: &Account) -> Result<Vec<String>, DirectoryError> {
        aliases(&mut *self.readers.acquire().await?, account.id).await
    }

    /// Returns where an account's mail is sent on to.
    pub(crate) async fn forwards(&self, account: &Account) -> Result<Vec<String>, DirectoryError> {
        forwards(&mut *self.readers.acquire().await?, account.id).await
    }

    /// Returns the account behind an alias within a tenant.
    pub(crate) async fn behind_alias(
        &self,
        tenant: Option<&str>,
        alias: &MailAddress,
    ) -> Result<Option<Account>, DirectoryError> {
        behind_alias(&mut *self.readers.acquire().await?, &alias.key(), tenant).await
    }
}
