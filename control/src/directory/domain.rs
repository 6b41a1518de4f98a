//! Domains of tenants, their aliases and workgroups.

use std::collections::BTreeMap;

use sqlx::Row as _;
use values::{HostName, MailAddress};

use super::{Connection, Directory, DirectoryError, Row, Settings, Status};

/// A customer's domain.
#[derive(Clone, Debug)]
pub(crate) struct DomainRow {
    pub(crate) name: HostName,
    pub(crate) reseller: String,
    /// Tier of accounts that name none.
    pub(crate) tier: String,
    pub(crate) brand: Option<String>,
    pub(crate) cluster: String,
    pub(crate) outbound: Option<String>,
    pub(crate) catch_all: Option<MailAddress>,
    pub(crate) status: Status,
    pub(crate) settings: Settings,
    /// Its declaration as JSON, when the specification has one.
    pub(crate) declared: Option<String>,
    pub(crate) created_at: i64,
}

fn decode<E: std::error::Error + Send + Sync + 'static>(error: E) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn read(row: &Row) -> Result<DomainRow, sqlx::Error> {
    let name: String = row.try_get("name")?;
    let catch_all: Option<String> = row.try_get("catch_all")?;
    let settings: String = row.try_get("settings")?;
    let status: String = row.try_get("status")?;
    Ok(DomainRow {
        name: name.parse().map_err(decode)?,
        reseller: row.try_get("reseller")?,
        tier: row.try_get("tier")?,
        brand: row.try_get("brand")?,
        cluster: row.try_get("cluster")?,
        outbound: row.try_get("outbound")?,
        catch_all: catch_all.map(|address| address.parse()).transpose().map_err(decode)?,
        status: Status::read(&status),
        settings: Settings::read(&settings)?,
        declared: row.try_get("declared")?,
        created_at: row.try_get("created_at")?,
    })
}

/// Writes a domain as it is now, whether it is new or not.
pub(crate) async fn save(connection: &mut Connection, domain: &DomainRow) -> Result<(), DirectoryError> {
    sqlx::query(
        "INSERT INTO domains (name, reseller, tier, brand, cluster, outbound, catch_all, status, settings, declared,
             created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (name) DO UPDATE SET tier = excluded.tier, brand = excluded.brand,
             cluster = excluded.cluster, outbound = excluded.outbound, catch_all = excluded.catch_all,
             status = excluded.status, settings = excluded.settings, declared = excluded.declared",
    )
    .bind(domain.name.as_str())
    .bind(&domain.reseller)
    .bind(&domain.tier)
    .bind(&domain.brand)
    .bind(&domain.cluster)
    .bind(&domain.outbound)
    .bind(domain.catch_all.as_ref().map(MailAddress::key))
    .bind(domain.status.name())
    .bind(domain.settings.written())
    .bind(&domain.declared)
    .bind(domain.created_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns a domain within a tenant; `None` means every tenant.
pub(crate) async fn named(
    connection: &mut Connection,
    name: &str,
    reseller: Option<&str>,
) -> Result<Option<DomainRow>, DirectoryError> {
    let row = sqlx::query("SELECT * FROM domains WHERE name = $1 AND ($2 IS NULL OR reseller = $2)")
        .bind(name)
        .bind(reseller)
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(read).transpose()?)
}

/// Returns the domain that mail for a name belongs to: itself, or the one it is an alias of.
pub(super) async fn meant(connection: &mut Connection, name: &str) -> Result<Option<DomainRow>, DirectoryError> {
    if let Some(domain) = named(connection, name, None).await? {
        return Ok(Some(domain));
    }
    let row = sqlx::query(
        "SELECT domains.* FROM domain_aliases JOIN domains ON domains.name = domain_aliases.domain
         WHERE domain_aliases.name = $1",
    )
    .bind(name)
    .fetch_optional(connection)
    .await?;
    Ok(row.as_ref().map(read).transpose()?)
}

/// Tells whether a domain has a workgroup.
pub(crate) async fn has_workgroup(
    connection: &mut Connection,
    domain: &str,
    name: &str,
) -> Result<bool, DirectoryError> {
    let row = sqlx::query("SELECT 1 FROM workgroups WHERE domain = $1 AND name = $2").bind(domain).bind(name);
    Ok(row.fetch_optional(connection).await?.is_some())
}

/// Makes a workgroup, and tells whether it is new.
pub(crate) async fn make_workgroup(
    connection: &mut Connection,
    domain: &DomainRow,
    name: &str,
) -> Result<bool, DirectoryError> {
    let done = sqlx::query(
        "INSERT INTO workgroups (domain, name, reseller) VALUES ($1, $2, $3) ON CONFLICT (domain, name) DO NOTHING",
    )
    .bind(domain.name.as_str())
    .bind(name)
    .bind(&domain.reseller)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes away a workgroup that no live account is in, and tells whether it did.
pub(crate) async fn delete_workgroup(
    connection: &mut Connection,
    domain: &DomainRow,
    name: &str,
) -> Result<bool, DirectoryError> {
    let done = sqlx::query(
        "DELETE FROM workgroups WHERE domain = $1 AND name = $2 AND NOT EXISTS
             (SELECT 1 FROM mailboxes WHERE domain = $1 AND workgroup = $2 AND deleted_at IS NULL)",
    )
    .bind(domain.name.as_str())
    .bind(name)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many accounts a domain has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Population {
    pub(crate) mailbox: u64,
    pub(crate) filter: u64,
    pub(crate) forward: u64,
    pub(crate) alias: u64,
    pub(crate) deleted: u64,
}

impl Directory {
    /// Returns a domain within a tenant; `None` means every tenant.
    pub(crate) async fn domain_of(
        &self,
        tenant: Option<&str>,
        name: &HostName,
    ) -> Result<Option<DomainRow>, DirectoryError> {
        named(&mut *self.readers.acquire().await?, name.as_str(), tenant).await
    }

    /// Returns a tenant's domains by name; of every tenant where none is given.
    pub(crate) async fn domains(&self, tenant: Option<&str>) -> Result<Vec<DomainRow>, DirectoryError> {
        let rows = sqlx::query("SELECT * FROM domains WHERE ($1 IS NULL OR reseller = $1) ORDER BY name")
            .bind(tenant)
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Returns the other names of a domain, sorted.
    pub(crate) async fn domain_aliases(&self, domain: &str) -> Result<Vec<String>, DirectoryError> {
        let rows = sqlx::query("SELECT name FROM domain_aliases WHERE domain = $1 ORDER BY name")
            .bind(domain)
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.iter().map(|row| row.try_get("name")).collect::<Result<_, _>>()?)
    }

    /// Returns the workgroups of a domain with how many live accounts each has, by name.
    pub(crate) async fn workgroups(&self, domain: &str) -> Result<BTreeMap<String, u64>, DirectoryError> {
        let rows = sqlx::query(
            "SELECT workgroups.name AS name, COUNT(mailboxes.id) AS users FROM workgroups
             LEFT JOIN mailboxes ON mailboxes.domain = workgroups.domain AND mailboxes.workgroup = workgroups.name
                 AND mailboxes.deleted_at IS NULL
             WHERE workgroups.domain = $1 GROUP BY workgroups.name",
        )
        .bind(domain)
        .fetch_all(&self.readers)
        .await?;
        let mut workgroups = BTreeMap::new();
        for row in rows {
            let users: i64 = row.try_get("users")?;
            workgroups.insert(row.try_get("name")?, u64::try_from(users).unwrap_or(0));
        }
        Ok(workgroups)
    }

    /// Returns how many accounts each domain of a tenant has.
    pub(crate) async fn populations(
        &self,
        tenant: Option<&str>,
    ) -> Result<BTreeMap<String, Population>, DirectoryError> {
        let mut populations: BTreeMap<String, Population> = BTreeMap::new();
        let rows = sqlx::query(
            "SELECT domain, CASE WHEN deleted_at IS NULL THEN kind ELSE 'deleted' END AS what, COUNT(*) AS users
             FROM mailboxes WHERE ($1 IS NULL OR reseller = $1) GROUP BY domain, what
             UNION ALL
             SELECT domain, 'alias' AS what, COUNT(*) AS users FROM aliases
             WHERE ($1 IS NULL OR reseller = $1) GROUP BY domain",
        )
        .bind(tenant)
        .fetch_all(&self.readers)
        .await?;
        for row in rows {
            let (domain, what, users): (String, String, i64) =
                (row.try_get("domain")?, row.try_get("what")?, row.try_get("users")?);
            let population = populations.entry(domain).or_default();
            let field = match what.as_str() {
                "mailbox" => &mut population.mailbox,
                "filter" => &mut population.filter,
                "forward" => &mut population.forward,
                "alias" => &mut population.alias,
                _ => &mut population.deleted,
            };
            *field = u64::try_from(users).unwrap_or(0);
        }
        Ok(populations)
    }
}
