//! Allow and block lists of senders.

use values::{AddressPattern, MailAddress};

use super::Findings;
use crate::directory::DefensePolicy;

/// What the lists say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Allowed,
    Blocked,
}

/// Decides by the pattern that says most; at a tie the message is allowed.
pub(super) fn decide(findings: &Findings, policy: &DefensePolicy) -> Option<Listed> {
    let blocked = strongest(&policy.block, findings.sender.iter().chain(&findings.authors));
    // A `From` field is anybody's to write: it opens the door only where the reverse-path is of the same domain.
    let same_domain =
        |author: &&MailAddress| findings.sender.as_ref().is_some_and(|sender| sender.domain() == author.domain());
    let allowed = strongest(&policy.allow, findings.sender.iter().chain(findings.authors.iter().filter(same_domain)));
    match (allowed, blocked) {
        (None, None) => None,
        (allowed, blocked) if allowed >= blocked => Some(Listed::Allowed),
        _ => Some(Listed::Blocked),
    }
}

/// Returns how much the strongest matching pattern says; a pattern that cannot be read matches nothing.
fn strongest<'a>(patterns: &[String], addresses: impl Iterator<Item = &'a MailAddress> + Clone) -> Option<usize> {
    patterns
        .iter()
        .filter_map(|pattern| pattern.parse::<AddressPattern>().ok())
        .filter(|pattern| addresses.clone().any(|address| pattern.matches(address)))
        .map(|pattern| match (pattern.local(), pattern.below()) {
            (Some(_), _) => 1_000,
            (None, false) => 999,
            (None, true) => pattern.domain().labels().count(),
        })
        .max()
}
