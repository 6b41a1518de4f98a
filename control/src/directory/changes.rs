//! Who changed what: the record that support reads.

use sqlx::Row as _;

use super::{Connection, Directory, DirectoryError};

/// One entry of the record; it never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at: i64,
    pub(crate) actor: String,
    /// What the caller named itself.
    pub(crate) application: String,
    pub(crate) message: String,
}

/// Writes an entry within a write.
///
/// - `object`: what changed, as its tenant, its kind (`user`, `domain`, `company`) and its name.
pub(crate) async fn record(
    connection: &mut Connection,
    object: (&str, &str, &str),
    change: Change,
) -> Result<(), DirectoryError> {
    let (reseller, kind, name) = object;
    sqlx::query(
        "INSERT INTO changes (id, at, actor, application, reseller, kind, object, message)
         SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7 FROM changes",
    )
    .bind(change.at)
    .bind(change.actor)
    .bind(change.application)
    .bind(reseller)
    .bind(kind)
    .bind(name)
    .bind(change.message)
    .execute(connection)
    .await?;
    Ok(())
}

impl Directory {
    /// Returns a page of an object's record, oldest first, and how many entries it has.
    pub(crate) async fn changes(
        &self,
        object: (&str, &str, &str),
        first: i64,
        limit: i64,
    ) -> Result<(Vec<Change>, i64), DirectoryError> {
        let (reseller, kind, name) = object;
        let total: i64 =
            sqlx::query("SELECT COUNT(*) AS total FROM changes WHERE reseller = $1 AND kind = $2 AND object = $3")
                .bind(reseller)
                .bind(kind)
                .bind(name)
                .fetch_one(&self.readers)
                .await?
                .try_get("total")?;
        let rows = sqlx::query(
            "SELECT at, actor, application, message FROM changes
             WHERE reseller = $1 AND kind = $2 AND object = $3 ORDER BY id LIMIT $4 OFFSET $5",
        )
        .bind(reseller)
        .bind(kind)
        .bind(name)
        .bind(limit)
        .bind(first)
        .fetch_all(&self.readers)
        .await?;
        let mut changes = Vec::new();
        for row in rows {
            changes.push(Change {
                at: row.try_get("at")?,
                actor: row.try_get("actor")?,
                application: row.try_get("application")?,
                message: row.try_get("message")?,
            });
        }
        Ok((changes, total))
    }
}
