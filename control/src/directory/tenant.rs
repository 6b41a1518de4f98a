//! Resellers: what they use, their brands, and the roles their users hold.

use blueprint::roster::Brand;
use sqlx::Row as _;
use values::HostName;

use super::{Connection, Directory, DirectoryError, Row};

/// What a reseller uses of its contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// Live accounts that are mailboxes or filtered addresses.
    pub(crate) mailboxes: u64,
    /// Bytes promised to mailboxes.
    pub(crate) promised: u64,
}

/// Counts what a reseller holds, within the write that is about to add to it.
pub(crate) async fn holdings(connection: &mut Connection, reseller: &str) -> Result<Holdings, DirectoryError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS mailboxes,
             CAST(COALESCE(SUM(COALESCE(mailboxes.quota, tiers.quota, 0)), 0) AS BIGINT) AS promised
         FROM mailboxes JOIN domains ON domains.name = mailboxes.domain
             LEFT JOIN tiers ON tiers.name = COALESCE(mailboxes.tier, domains.tier)
         WHERE mailboxes.reseller = $1 AND mailboxes.deleted_at IS NULL AND mailboxes.kind <> 'forward'",
    )
    .bind(reseller)
    .fetch_one(connection)
    .await?;
    let (mailboxes, promised): (i64, i64) = (row.try_get("mailboxes")?, row.try_get("promised")?);
    Ok(Holdings { mailboxes: u64::try_from(mailboxes).unwrap_or(0), promised: u64::try_from(promised).unwrap_or(0) })
}

/// A role that an account holds over an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeldRole {
    pub(crate) role: String,
    /// A company, a domain, or `domain/workgroup`.
    pub(crate) object: String,
}

/// Gives an account a role over objects, in place of what it held; none takes away.
pub(crate) async fn set_roles(
    connection: &mut Connection,
    account: i64,
    reseller: &str,
    roles: &[HeldRole],
) -> Result<(), DirectoryError> {
    sqlx::query("DELETE FROM roles WHERE mailbox = $1").bind(account).execute(&mut *connection).await?;
    for held in roles {
        sqlx::query(
            "INSERT INTO roles (mailbox, role, object, reseller) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(account)
        .bind(&held.role)
        .bind(&held.object)
        .bind(reseller)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

impl Directory {
    /// Returns the roles of an account, sorted.
    pub(crate) async fn roles(&self, account: i64) -> Result<Vec<HeldRole>, DirectoryError> {
        let rows = sqlx::query("SELECT role, object FROM roles WHERE mailbox = $1 ORDER BY role, object")
            .bind(account)
            .fetch_all(&self.readers)
            .await?;
        let mut roles = Vec::new();
        for row in rows {
            roles.push(HeldRole { role: row.try_get("role")?, object: row.try_get("object")? });
        }
        Ok(roles)
    }

    /// Returns the brand that a host name belongs to.
    pub(crate) async fn brand_at(&self, host: &HostName) -> Result<Option<Brand>, DirectoryError> {
        let row = sqlx::query(
            "SELECT brands.document FROM brand_hosts JOIN brands
                 ON brands.reseller = brand_hosts.reseller AND brands.name = brand_hosts.brand
             WHERE brand_hosts.host = $1",
        )
        .bind(host.as_str())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| document(&row)).transpose()
    }

    /// Returns a reseller's brands, by name.
    pub(crate) async fn brands(&self, reseller: &str) -> Result<Vec<Brand>, DirectoryError> {
        let rows = sqlx::query("SELECT document FROM brands WHERE reseller = $1 ORDER BY name")
            .bind(reseller)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(document).collect()
    }
}

fn document(row: &Row) -> Result<Brand, DirectoryError> {
    let text: String = row.try_get("document")?;
    serde_json::from_str(&text).map_err(|error| DirectoryError::Unreadable { what: format!("a brand ({error})") })
}
