//! Whether a signed-in user owns what a message claims to come from: envelope, `From` and `Sender` (RFC 6409 §6.1).

use claims::Claimant;
use values::MailAddress;

use super::Reply;
use crate::directory::Identity;

fn claimant(identity: &Identity, separator: Option<char>) -> Claimant<'_> {
    Claimant { mailbox: &identity.mailbox, senders: &identity.senders, separator }
}

/// Tells whether a user may send as an address; a subaddress of an owned one is owned.
pub(crate) fn owns(identity: &Identity, separator: Option<char>, address: &MailAddress) -> bool {
    claimant(identity, separator).owns(address)
}

/// Checks the header of a submitted message.
///
/// - Errors: the reply that refuses the message.
pub(crate) fn check(content: &[u8], identity: &Identity, separator: Option<char>) -> Result<(), Reply> {
    claims::check(content, &claimant(identity, separator))
        .map_err(|why| Reply::new(550, (5, 7, 1), format!("Message rejected: {why}")))
}
