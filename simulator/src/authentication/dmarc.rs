//! Whether somebody vouches for the author's domain, and what it wants done otherwise (RFC 7489).
//!
//! Gap: RFC 7489 §3.2, the organisational domain is taken to be the last two labels; there is no public suffix list.
//! §6.6.4, `pct` is not drawn by lot: the policy holds for all.

use super::{Outcome, Signature, plain_texts, tag, tags};
use crate::dns::Zones;

/// What a domain wants done with mail that nobody vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// Nothing.
    None,
    /// It is suspicious.
    Quarantine,
    /// It is refused.
    Reject,
}

/// Checks an author's domain.
pub(super) fn check(author: &str, spf: &(Outcome, String), dkim: &[Signature], zones: &Zones) -> (Outcome, Policy) {
    let author = author.to_ascii_lowercase();
    let organisation = organisation(&author);
    let own = record(zones, &author).map(|tags| (tags, "p"));
    let found = own.or_else(|| {
        let above = record(zones, organisation).filter(|_| organisation != author)?;
        let which = if tag(&above, "sp").is_some() { "sp" } else { "p" };
        Some((above, which))
    });
    let Some((tags, which)) = found else { return (Outcome::None, Policy::None) };
    let policy = match tag(&tags, which).unwrap_or_default().to_ascii_lowercase().as_str() {
        "reject" => Policy::Reject,
        "quarantine" => Policy::Quarantine,
        _ => Policy::None,
    };
    let is_aligned = |domain: &str, mode: &str| {
        let domain = domain.to_ascii_lowercase();
        match tag(&tags, mode) {
            Some("s") => domain == author,
            _ => self::organisation(&domain) == organisation,
        }
    };
    let by_spf = spf.0 == Outcome::Pass && is_aligned(&spf.1, "aspf");
    let by_dkim = dkim.iter().any(|one| one.outcome == Outcome::Pass && is_aligned(&one.domain, "adkim"));
    (if by_spf || by_dkim { Outcome::Pass } else { Outcome::Fail }, policy)
}

fn record(zones: &Zones, domain: &str) -> Option<Vec<(String, String)>> {
    let mut found = plain_texts(zones, &format!("_dmarc.{domain}")).filter(|text| {
        let tags = tags(text);
        tags.first().is_some_and(|(name, value)| name == "v" && value == "DMARC1")
    });
    // Several are none (RFC 7489 §6.6.3).
    match (found.next(), found.next()) {
        (Some(text), None) => Some(tags(&text)),
        _ => None,
    }
}

fn organisation(domain: &str) -> &str {
    let dots: Vec<usize> = domain.match_indices('.').map(|(at, _)| at).collect();
    match dots.len().checked_sub(2).and_then(|index| dots.get(index)) {
        Some(at) => domain.get(at + 1..).unwrap_or(domain),
        None => domain,
    }
}
