//! Answers of who is away, and to whom none is given (RFC 5230 §4.5, §4.6, RFC 3834 §2).

use crate::address::{self, Address};
use crate::message::Message;
use crate::run::Envelope;

/// Fields that a message of a list has (RFC 2369, RFC 2919).
const LISTS: [&str; 7] =
    ["List-Id", "List-Owner", "List-Subscribe", "List-Post", "List-Unsubscribe", "List-Archive", "List-Help"];
/// Fields in which somebody is named as a recipient.
const RECIPIENTS: [&str; 6] = ["To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"];

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// To whom; `None` where nobody is answered.
    pub to: Option<String>,
    /// Who says it, as a field has it.
    pub from: String,
    /// The subject.
    pub subject: String,
    /// The text, or a whole body with its fields where `mime` says so.
    pub reason: String,
    /// Whether the text has fields of its own.
    pub mime: bool,
    /// Answers with the same handle are one.
    pub handle: String,
    /// For so long the same sender is not answered again.
    pub seconds: u64,
}

/// A notification by mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Who says it; `None` for the mailbox.
    pub from: Option<String>,
    /// To whom.
    pub to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The text.
    pub body: String,
    /// `1` (high) to `3` (low).
    pub importance: u8,
}

/// Returns who is answered, if anybody is to be.
pub(crate) fn addressee(message: &Message<'_>, envelope: &Envelope<'_>, own: &[String]) -> Option<String> {
    let sender = address::path(envelope.sender?)?;
    let mut ours: Vec<Address> = own.iter().filter_map(|text| address::one(text)).collect();
    if ours.iter().any(|one| one.is(&sender)) {
        return None;
    }
    ours.extend([envelope.recipient, envelope.original, envelope.user].into_iter().filter_map(address::path));
    if [envelope.recipient, envelope.original].into_iter().filter_map(address::path).any(|one| one.is(&sender)) {
        return None;
    }
    if is_machine(&sender) || LISTS.iter().any(|name| message.fields(0, name).next().is_some()) {
        return None;
    }
    let values = |name: &'static str| message.fields(0, name).map(|field| field.value().to_ascii_lowercase());
    if values("Auto-Submitted").any(|value| value != "no" && !value.starts_with("no;")) {
        return None;
    }
    if values("Precedence").any(|value| matches!(value.as_str(), "junk" | "bulk" | "list")) {
        return None;
    }
    let suppresses = |value: String| value.split(',').any(|word| matches!(word.trim(), "all" | "oof"));
    if values("X-Auto-Response-Suppress").any(suppresses) {
        return None;
    }
    let named = RECIPIENTS.iter().any(|name| {
        message.fields(0, name).any(|field| {
            let named = address::list(&field.raw).unwrap_or_default();
            named.iter().any(|one| ours.iter().any(|our| our.is(one)))
        })
    });
    named.then(|| sender.to_string())
}

fn is_machine(sender: &Address) -> bool {
    let local = sender.local.to_ascii_lowercase();
    ["mailer-daemon", "listserv", "majordomo"].contains(&local.as_str())
        || local.starts_with("owner-")
        || local.ends_with("-request")
}
