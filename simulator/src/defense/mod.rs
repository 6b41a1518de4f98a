//! Email Defense: what is in a message, what that scores, and what is done with it for one recipient.
//!
//! [`examine`] reads a message once; [`Findings::verdict`] applies a recipient's policy. Every rule is one symbol with one
//! sentence, so that a score can be explained. The work is linear in the message, what it unpacks is bounded by [`Limits`],
//! and what cannot be read to the end has a verdict of its own: nothing passes because it was too much to look at.
//!
//! Covered: text and attachments in all transfer encodings, parts in parts, messages in messages (encoded ones too), zip and gzip
//! archives, also in each other. Not covered: encrypted archives (a symbol says so), other archive formats, documents' own
//! containers unless they are zip, uuencode, text in pictures.

mod archive;
mod content;
mod inflate;
mod lists;
mod mark;
mod rules;

#[cfg(test)]
mod tests;

use values::{MailAddress, Score};

pub use mark::{mark, spam_fields};

use crate::authentication::{Authentication, Outcome, Policy};
use crate::directory::DefensePolicy;
use crate::mime;
use crate::smtp::{Received, Reply};

/// What the defense is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What becomes of a virus.
    pub virus: VirusAction,
    /// What becomes of a message that cannot be read to its end.
    pub unscannable: VirusAction,
    /// How much is looked at.
    pub limits: Limits,
}

impl Settings {
    /// Viruses are held; what cannot be scanned is refused, so that its sender knows.
    pub const STANDARD: Self =
        Self { virus: VirusAction::Hold, unscannable: VirusAction::Refuse, limits: Limits::STANDARD };
}

/// What becomes of a message with a virus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VirusAction {
    /// Taken and held apart, where no mailbox protocol reaches it.
    Hold,
    /// Refused after DATA.
    Refuse,
    /// Put off with a temporary refusal.
    Defer,
}

/// How much of a message is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Its parts.
    pub structure: mime::Limits,
    /// Messages and archives inside each other, each unpacked for itself.
    pub depth: usize,
    /// Octets that decoding all parts may take, and so may opening all archives.
    pub decoded_bytes: u64,
    /// Octets that all archives together may unpack to.
    pub unpacked_bytes: u64,
    /// Files in all archives together.
    pub archive_entries: u64,
}

impl Limits {
    /// Room for any message of 35 MiB that people send.
    pub const STANDARD: Self = Self {
        structure: mime::Limits::STANDARD,
        depth: 16,
        decoded_bytes: 256 * 1_024 * 1_024,
        unpacked_bytes: 64 * 1_024 * 1_024,
        archive_entries: 10_000,
    };
}

/// What is known of a message besides its octets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Lists the peer's address or the sender's domain is on.
    pub listings: Vec<Listing>,
    /// Who it really comes from; `None` where nobody could tell, as for mail from users and from this machine itself.
    pub authentication: Option<Authentication>,
}

/// One entry on a DNS block list (RFC 5782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The list's zone.
    pub list: String,
    /// What being on it scores.
    pub weight: Score,
}

/// A rule that a message met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The rule's name.
    pub name: String,
    /// What it scores.
    pub score: Score,
    /// What it means, in one sentence.
    pub description: String,
}

impl Symbol {
    fn new(name: &str, thousandths: i64, description: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            score: Score::from_thousandths(thousandths).unwrap_or(Score::ZERO),
            description: description.into(),
        }
    }
}

/// What is in a message, before anybody's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// The rules it met.
    pub symbols: Vec<Symbol>,
    /// The virus it holds.
    pub virus: Option<String>,
    /// Why it could not be read to the end.
    pub unscannable: Option<String>,
    /// Its reverse-path.
    pub sender: Option<MailAddress>,
    /// The addresses in its `From` field.
    pub authors: Vec<MailAddress>,
    /// Who it really comes from.
    pub authentication: Option<Authentication>,
    /// The fields that sign or seal it, to be put on top of it, each with its line end.
    pub signatures: Vec<u8>,
}

/// What is done with a message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is delivered.
    Deliver,
    /// It is delivered with the policy's tag before its subject.
    Tag,
    /// It is delivered to the policy's spam folder.
    Spam,
    /// It is held apart.
    Hold,
    /// It is refused, for good or for now.
    Refuse(Reply),
}

/// A verdict for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    /// The sum of all symbols.
    pub score: Score,
    /// The rules that were met.
    pub symbols: Vec<Symbol>,
    /// The virus that was found.
    pub virus: Option<String>,
    /// What is done.
    pub action: Action,
}

/// Reads a message and judges it for one recipient.
pub fn inspect(received: &Received, facts: &Facts, policy: &DefensePolicy, settings: &Settings) -> Verdict {
    examine(received, facts, settings).verdict(policy, settings)
}

/// Reads a message once, for all its recipients.
pub fn examine(received: &Received, facts: &Facts, settings: &Settings) -> Findings {
    let mut findings = Findings {
        symbols: Vec::new(),
        virus: None,
        unscannable: None,
        sender: received.envelope.sender.clone(),
        authors: Vec::new(),
        authentication: facts.authentication.clone(),
        signatures: Vec::new(),
    };
    if let Some(authentication) = &facts.authentication {
        let (spf, _) = &authentication.spf;
        let symbol = |name: &str, description: &str| Symbol::new(name, 0, description);
        match spf {
            Outcome::Pass => findings.symbols.push(symbol("R_SPF_ALLOW", "its host may send for its sender's domain")),
            Outcome::Fail => {
                findings.symbols.push(symbol("R_SPF_FAIL", "its host may not send for its sender's domain"))
            }
            _ => {}
        }
        if authentication.dmarc.0 == Outcome::Fail {
            findings.symbols.push(symbol("DMARC_POLICY_FAIL", "nobody vouches for its author's domain"));
        }
    }
    rules::header(received, &mut findings);
    for listing in &facts.listings {
        findings.symbols.push(Symbol {
            name: format!("DNSBL_{}", listing.list.to_ascii_uppercase().replace(['.', '-'], "_")),
            score: listing.weight,
            description: format!("the sending host is on {}", listing.list),
        });
    }
    content::scan(&received.content, &settings.limits, &mut findings);
    findings
}

impl Findings {
    /// Returns what the author's domain wants done with a message that it does not vouch for.
    fn forgery(&self) -> Option<Policy> {
        let authentication = self.authentication.as_ref()?;
        (authentication.dmarc.0 == Outcome::Fail).then_some(authentication.policy)
    }

    /// Judges for one recipient.
    ///
    /// A virus comes before everything, then the test string for unsolicited mail. Then the lists decide, the score last. An address on both lists goes by the pattern that
    /// says more (an address before a domain before what is below it), and is allowed where both say the same: the lists
    /// arrive merged, so which of them its user wrote cannot be seen any more.
    pub fn verdict(&self, policy: &DefensePolicy, settings: &Settings) -> Verdict {
        let mut symbols = self.symbols.clone();
        let listed = lists::decide(self, policy);
        match listed {
            Some(lists::Listed::Allowed) => {
                symbols.push(Symbol::new("SENDER_ALLOWED", 0, "the sender is on the allow list"))
            }
            Some(lists::Listed::Blocked) => {
                symbols.push(Symbol::new("SENDER_BLOCKED", 0, "the sender is on the block list"))
            }
            None => {}
        }
        let score = symbols.iter().fold(Score::ZERO, |sum, symbol| sum.saturating_add(symbol.score));
        let action = if let Some(virus) = &self.virus {
            contain(settings.virus, &format!("virus found: {virus}"))
        } else if let Some(why) = &self.unscannable {
            contain(settings.unscannable, &format!("cannot be scanned: {why}"))
        } else if symbols.iter().any(|symbol| symbol.name == content::GTUBE_SYMBOL) {
            // As Rspamd does: before anybody's levels and lists, in words of its own.
            Action::Refuse(Reply::new(554, (5, 7, 1), "Gtube pattern"))
        } else {
            match listed {
                Some(lists::Listed::Allowed) => Action::Deliver,
                Some(lists::Listed::Blocked) => {
                    // A milter's refusal has Rspamd's own code.
                    Action::Refuse(Reply::new(554, (5, 7, 1), "Message rejected: the sender is blocked"))
                }
                // Rspamd's words and code for its action `reject`.
                None if self.forgery() == Some(Policy::Reject) => Action::Refuse(Reply::new(
                    554,
                    (5, 7, 1),
                    "Message rejected: its author's domain asks for that (DMARC)",
                )),
                None if score >= policy.reject => Action::Refuse(Reply::new(554, (5, 7, 1), "Spam message rejected")),
                None if score >= policy.quarantine || self.forgery() == Some(Policy::Quarantine) => Action::Spam,
                None if score >= policy.tag => Action::Tag,
                None => Action::Deliver,
            }
        };
        Verdict { score, symbols, virus: self.virus.clone(), action }
    }
}

fn contain(action: VirusAction, why: &str) -> Action {
    match action {
        VirusAction::Hold => Action::Hold,
        VirusAction::Refuse => Action::Refuse(Reply::new(554, (5, 7, 1), format!("Message rejected: {why}"))),
        VirusAction::Defer => Action::Refuse(Reply::new(451, (4, 7, 1), format!("Message put off: {why}"))),
    }
}
