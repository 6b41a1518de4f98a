//! What a mailbox really gets: mailbox before domain before operator, in one pure function.

use values::{ByteSize, Rate, Score};

use crate::platform::Defense;
use crate::roster::{DefenseSettings, Domain, MailService, Mailbox, Tier, TierKind};

/// The values that hold for one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveMailbox {
    /// What it is.
    pub kind: TierKind,
    /// Bytes it may hold; `None` means no limit.
    pub quota: Option<ByteSize>,
    /// Services that are on, sorted.
    pub services: Vec<MailService>,
    /// Recipients it may send to.
    pub send_limit: Option<Rate>,
    /// From this score mail is tagged.
    pub tag: Score,
    /// From this score mail goes to the Spam folder.
    pub quarantine: Score,
    /// From this score mail is refused.
    pub reject: Score,
    /// Patterns of senders that are never spam: the mailbox's, then the domain's.
    pub allow: Vec<String>,
    /// Patterns of senders that are refused: the mailbox's, then the domain's.
    pub block: Vec<String>,
}

/// Returns what holds for a mailbox.
///
/// - `tier`: the one the mailbox names, else its domain's.
pub fn effective_mailbox(mailbox: &Mailbox, domain: &Domain, tier: &Tier, defense: &Defense) -> EffectiveMailbox {
    let own = &mailbox.defense;
    let pick = |field: fn(&DefenseSettings) -> Option<Score>, default: Score| {
        field(own).or_else(|| field(&domain.defense)).unwrap_or(default)
    };
    EffectiveMailbox {
        kind: tier.kind,
        quota: mailbox.quota.or(tier.quota),
        services: tier.services.clone(),
        send_limit: tier.send_limit,
        tag: pick(|settings| settings.tag, defense.tag),
        quarantine: pick(|settings| settings.quarantine, defense.quarantine),
        reject: pick(|settings| settings.reject, defense.reject),
        allow: own.allow.iter().chain(&domain.defense.allow).cloned().collect(),
        block: own.block.iter().chain(&domain.defense.block).cloned().collect(),
    }
}
