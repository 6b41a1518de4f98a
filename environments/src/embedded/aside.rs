//! Mail of deleted accounts, moved out of the way on the stores by the engine for the control plane.

use std::time::Duration;

use control::{Moving, NotMoved};
use simulator::store::StoreError;
use tokio::time::timeout;
use values::MailAddress;

use super::engine::EngineHandle;

/// How long a move may take; it is one record on a disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// Moves mailboxes through the engine.
pub(crate) struct MoveInEngine(pub(crate) EngineHandle);

impl MoveInEngine {
    async fn rename(&self, store: &str, from: MailAddress, to: MailAddress) -> Result<Outcome, NotMoved> {
        let renamed = timeout(PATIENCE, self.0.rename(store.to_owned(), from, to)).await;
        match renamed.ok().flatten() {
            Some(Ok(())) => Ok(Outcome::Moved),
            Some(Err(StoreError::NoUser)) => Ok(Outcome::NothingThere),
            Some(Err(StoreError::Exists)) => Ok(Outcome::Occupied),
            Some(Err(_)) | None => Err(NotMoved),
        }
    }
}

enum Outcome {
    Moved,
    NothingThere,
    /// Something is where it was to go.
    Occupied,
}

impl control::Mailboxes for MoveInEngine {
    fn set_aside<'a>(&'a self, mailbox: &'a MailAddress, store: &'a str, account: i64) -> Moving<'a> {
        Box::pin(async move {
            // What is there already was put there by an earlier call: numbers of accounts are never given twice.
            self.rename(store, mailbox.clone(), place(account)?).await.map(|_: Outcome| ())
        })
    }

    fn bring_back<'a>(&'a self, mailbox: &'a MailAddress, store: &'a str, account: i64) -> Moving<'a> {
        Box::pin(async move {
            match self.rename(store, place(account)?, mailbox.clone()).await? {
                Outcome::Moved | Outcome::NothingThere => Ok(()),
                Outcome::Occupied => Err(NotMoved),
            }
        })
    }
}

/// Returns where the mail of a deleted account lies: under a name that no account can have (RFC 6761 §6.4), so that nothing
/// is delivered there and nobody signs in to it.
fn place(account: i64) -> Result<MailAddress, NotMoved> {
    format!("={account}@deleted.invalid").parse().map_err(|_| NotMoved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_has_a_place_of_its_own() {
        let shown = |account| place(account).map(|place| place.to_string());
        assert_eq!(shown(1), Ok("=1@deleted.invalid".to_owned()));
        assert_eq!(shown(i64::MAX), Ok(format!("={}@deleted.invalid", i64::MAX)));
    }
}
