//! Mailboxes that get another address on their store.

use values::MailAddress;

use super::tasks::Waiting;
use super::{Engine, Output, RenameTicket, Role};
use crate::disk::DiskError;
use crate::journal::Position;
use crate::store::StoreError;

impl Engine {
    /// Renames a mailbox; it is answered when that, and whatever made it needless, is durable.
    pub(super) fn rename(&mut self, ticket: RenameTicket, store: &str, from: &MailAddress, to: &MailAddress) {
        let renamed = self.write_rename(store, from, to);
        let (outcome, position) = match renamed {
            Ok(position) => (Ok(()), position),
            // What was found may not be durable yet, and who asked is about to rely on it.
            Err(error) => (Err(error), self.end_of_store(store)),
        };
        match self.host_named(store) {
            Some(host) => self.wait_for(host, Role::Store, position, Waiting::Rename { ticket, outcome }),
            None => self.outputs.push_back(Output::Renamed { ticket, outcome }),
        }
    }

    fn write_rename(&mut self, store: &str, from: &MailAddress, to: &MailAddress) -> Result<Position, StoreError> {
        let host = self.host_named(store).ok_or(DiskError::Missing)?;
        let office = self.offices.get_mut(&(host, Role::Store)).ok_or(DiskError::Missing)?;
        office.stirred = true;
        let storage = office.storage().ok_or(DiskError::Missing)?;
        storage.mail.rename_user(storage.disk, from, to)
    }

    fn end_of_store(&self, store: &str) -> Position {
        let kept = self.mail_store(store, Role::Store);
        kept.map_or_else(Position::default, |(mail, _)| mail.end())
    }
}
