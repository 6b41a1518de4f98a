//! The mail of deleted accounts, which has to be out of the way of whoever gets their address next.
//!
//! Stores know mailboxes by their addresses. Before an address gets another account, what lies under it is put aside on its
//! store; when its own account comes back, so does the mail.

use std::future::Future;
use std::pin::Pin;

use values::MailAddress;

use crate::directory::{self, Account};
use crate::oma::Fault;
use crate::{Control, DirectoryError};

/// A move of a mailbox under way.
pub type Moving<'a> = Pin<Box<dyn Future<Output = Result<(), NotMoved>> + Send + 'a>>;

/// A mailbox could not be moved now, or nobody said in time that it was; the same may be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mailbox could not be moved on its store")]
pub struct NotMoved;

/// Asked to move mailboxes on their stores.
///
/// Both moves are over when they are durable, and both change nothing when they were made before.
pub trait Mailboxes: Send + Sync + 'static {
    /// Moves what lies under an address to where nobody reaches it but [`Self::bring_back`].
    ///
    /// - `account`: number of the deleted account that it belongs to. What was put aside for that account before stays
    ///   as it is, and then nothing moves.
    /// - Errors: [`NotMoved`]; that there is no mail is none.
    fn set_aside<'a>(&'a self, mailbox: &'a MailAddress, store: &'a str, account: i64) -> Moving<'a>;

    /// Moves back what was put aside for an account.
    ///
    /// - Errors: [`NotMoved`]; that nothing was put aside is none.
    fn bring_back<'a>(&'a self, mailbox: &'a MailAddress, store: &'a str, account: i64) -> Moving<'a>;
}

impl Control {
    /// Puts aside what the last account of a free address left there.
    ///
    /// - Holding: [`Control::moves`], until the address is in use or is left alone.
    /// - `but`: the account whose mail stays where it is.
    /// - Returns: whose mail it was, to be [noted](directory::aside::note_aside) with whatever makes use of the address.
    pub(crate) async fn make_way(&self, address: &MailAddress, but: Option<i64>) -> Result<Option<Account>, Fault> {
        let Some(mailboxes) = &self.mailboxes else { return Ok(None) };
        let Some(holder) = self.directory.holder(address).await?.filter(|holder| Some(holder.id) != but) else {
            return Ok(None);
        };
        if let Some(store) = &holder.store {
            mailboxes.set_aside(address, store, holder.id).await.map_err(|_| Fault::LATER)?;
        }
        Ok(Some(holder))
    }

    /// Moves the mail of a deleted account back to its address, which is free.
    ///
    /// - Holding: [`Control::moves`], until the account is back or is left alone.
    pub(crate) async fn return_mail(&self, account: &Account) -> Result<(), Fault> {
        let Some(mailboxes) = &self.mailboxes else { return Ok(()) };
        let holder = self.make_way(&account.address, Some(account.id)).await?;
        let mut transaction = self.directory.write().await?;
        if let Some(holder) = holder {
            directory::aside::note_aside(&mut transaction, holder).await?;
        }
        // First of all it is known whose mail will lie there: who gets the address next must not find it there, should this
        // end half way.
        directory::aside::note_back(&mut transaction, account.clone()).await?;
        self.directory.commit(transaction).await?;
        let Some(store) = &account.store else { return Ok(()) };
        mailboxes.bring_back(&account.address, store, account.id).await.map_err(|_| Fault::LATER)
    }
}

impl directory::Directory {
    /// Makes the moves that seeds have left to be made; before anybody is let in.
    ///
    /// - Errors: the database's, or [`DirectoryError::Mailbox`]; what was not done is done the next time.
    pub async fn settle_mailboxes(&self, mailboxes: &dyn Mailboxes) -> Result<(), DirectoryError> {
        let failed = |account: &Account| DirectoryError::Mailbox { mailbox: account.address.to_string() };
        for account in self.due().await? {
            if let Some(store) = &account.store {
                let moved = mailboxes.set_aside(&directory::aside::lies_under(&account), store, account.id).await;
                moved.map_err(|_| failed(&account))?;
            }
            let mut transaction = self.write().await?;
            directory::aside::note_aside(&mut transaction, account).await?;
            self.commit(transaction).await?;
        }
        // All of them leave before the first arrives: the new address of one may be the old one of another.
        for account in self.moving().await? {
            if let Some(store) = &account.store {
                let moved = mailboxes.set_aside(&directory::aside::lies_under(&account), store, account.id).await;
                moved.map_err(|_| failed(&account))?;
            }
            let mut transaction = self.write().await?;
            directory::aside::note_on_its_way(&mut transaction, account).await?;
            self.commit(transaction).await?;
        }
        for account in self.returning().await? {
            if let Some(store) = &account.store {
                let moved = mailboxes.bring_back(&account.address, store, account.id).await;
                moved.map_err(|_| failed(&account))?;
            }
            let mut transaction = self.write().await?;
            directory::aside::note_back(&mut transaction, account).await?;
            self.commit(transaction).await?;
        }
        self.settled.send_replace(true);
        Ok(())
    }
}
