//! Where the mail of accounts lies: under their address, or put aside.
//!
//! What lies under an address that no account has belongs to the account deleted last there whose mail is not noted as put
//! aside. Notes follow the moves they are about, except that a return is noted before it is made.

use values::MailAddress;

use super::account::{self, Account};
use super::{Connection, Directory, DirectoryError};

/// Setting that only the server reads.
const MAIL: &str = "_mail";
/// It has been put aside.
const ASIDE: &str = "aside";
/// A seed gave its address to another account; it is to be put aside before anybody is let in.
const DUE: &str = "due";
/// A seed brought its account back; it is to be moved back before anybody is let in.
const RETURNING: &str = "returning";
/// A seed gave its account another address; it is to be moved there before anybody is let in, by way of being put aside.
const MOVING: &str = "moving";
/// The address that it lies under until then, where that is not its account's.
const FROM: &str = "_mail_from";

/// Notes that an account's mail has been put aside.
pub(crate) async fn note_aside(connection: &mut Connection, account: Account) -> Result<(), DirectoryError> {
    note(connection, account, Some(ASIDE)).await
}

/// Notes that an account's mail is on its way back, if it is not back already.
pub(crate) async fn note_back(connection: &mut Connection, account: Account) -> Result<(), DirectoryError> {
    note(connection, account, None).await
}

async fn note(connection: &mut Connection, mut account: Account, what: Option<&str>) -> Result<(), DirectoryError> {
    account.settings.set(MAIL, what);
    if what != Some(DUE) {
        account.settings.set(FROM, None::<&str>);
    }
    account::save(connection, &account).await
}

/// Returns the address that an account's mail lies under, when it is not put aside.
pub(crate) fn lies_under(account: &Account) -> MailAddress {
    account.settings.text(FROM).and_then(|from| from.parse().ok()).unwrap_or_else(|| account.address.clone())
}

/// Notes that the mail of an account that got another address has been put aside, on its way there.
pub(crate) async fn note_on_its_way(connection: &mut Connection, account: Account) -> Result<(), DirectoryError> {
    note(connection, account, Some(RETURNING)).await
}

/// Leaves to [`Directory::settle_mailboxes`] what has to be moved for an account that gets another address.
///
/// - `account`: the account as it was, to be saved with its new address afterwards.
pub(super) async fn leave_renamed(
    connection: &mut Connection,
    account: &mut Account,
    to: &MailAddress,
) -> Result<(), DirectoryError> {
    if account.deleted_at.is_none()
        && let Some(holder) = holder(connection, &to.key()).await?
        && holder.id != account.id
    {
        note(connection, holder, Some(DUE)).await?;
    }
    let lies_here = !matches!(account.settings.text(MAIL), Some(ASIDE | RETURNING));
    // Renamed again before it was moved, it still lies where it was first.
    if account.store.is_some() && lies_here && account.address.key() != to.key() {
        let from = lies_under(account);
        account.settings.set(FROM, Some(from.key()));
        account.settings.set(MAIL, Some(if account.deleted_at.is_some() { DUE } else { MOVING }));
    }
    Ok(())
}

/// Leaves to [`Directory::settle_mailboxes`] what has to be moved for an account that a seed makes or brings back.
///
/// - `account`: the account, to be saved afterwards.
pub(super) async fn leave(connection: &mut Connection, account: &mut Account) -> Result<(), DirectoryError> {
    let was = account.settings.text(MAIL).map(str::to_owned);
    if was.is_some() {
        account.settings.set(MAIL, Some(RETURNING));
    }
    // One whose mail was still to be put aside has it under its address, whoever was there since.
    if was.as_deref() != Some(DUE)
        && let Some(holder) = holder(connection, &account.address.key()).await?
        && holder.id != account.id
    {
        note(connection, holder, Some(DUE)).await?;
    }
    Ok(())
}

/// Returns the deleted account whose mail lies under an address that no account has.
async fn holder(connection: &mut Connection, address: &str) -> Result<Option<Account>, DirectoryError> {
    let deleted = account::all_deleted(connection, address).await?;
    let lies_here = |it: &Account| it.settings.text(MAIL) != Some(ASIDE) && it.settings.text(FROM).is_none();
    Ok(deleted.into_iter().find(|it| it.store.is_some() && lies_here(it)))
}

impl Directory {
    /// Returns the deleted account whose mail lies under an address; `None` when an account has the address, too.
    pub(crate) async fn holder(&self, address: &MailAddress) -> Result<Option<Account>, DirectoryError> {
        let mut connection = self.readers.acquire().await?;
        match account::at(&mut connection, &address.key(), None).await? {
            Some(_) => Ok(None),
            None => holder(&mut connection, &address.key()).await,
        }
    }

    /// Returns the accounts whose mail a seed has left to be put aside.
    pub(crate) async fn due(&self) -> Result<Vec<Account>, DirectoryError> {
        self.noted(DUE).await
    }

    /// Returns the accounts whose mail a seed has left under the address that they had before.
    pub(crate) async fn moving(&self) -> Result<Vec<Account>, DirectoryError> {
        self.noted(MOVING).await
    }

    /// Returns the accounts whose mail a seed has left to be moved back.
    pub(crate) async fn returning(&self) -> Result<Vec<Account>, DirectoryError> {
        self.noted(RETURNING).await
    }

    async fn noted(&self, what: &str) -> Result<Vec<Account>, DirectoryError> {
        let mut accounts = account::with_setting(&mut *self.readers.acquire().await?, MAIL).await?;
        accounts.retain(|account| account.settings.text(MAIL) == Some(what));
        Ok(accounts)
    }
}
