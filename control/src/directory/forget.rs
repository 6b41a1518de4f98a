//! Accounts without what only their owners may know.

use std::path::Path;

use sqlx::Executor as _;

use super::DirectoryError;
use super::database::Database;

/// Takes every password's hash and every token out of a directory's file; nothing of them is left in it.
///
/// - `path`: a file that nobody else has open. Accounts that the specification declares get a new password with the next seed.
pub async fn forget_secrets(path: &Path) -> Result<(), DirectoryError> {
    let database = Database::open(path).await?;
    for statement in [
        "UPDATE mailboxes SET password = NULL",
        "UPDATE admins SET password = NULL",
        "DELETE FROM tokens",
        // What was deleted stays in the file's free pages until it is written anew.
        "VACUUM",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    ] {
        database.writer.execute(statement).await?;
    }
    database.readers.close().await;
    database.writer.close().await;
    Ok(())
}
