//! Chains of what hosts on the way have found (RFC 8617), checked.
//!
//! Gap: RFC 8617 §5.2, step 5: only the newest message signature is checked, so it is not told which hosts changed the message.

use super::canonical::{canonical_field, without_signature};
use super::{Outcome, dkim, tag, tags};
use crate::dns::Zones;
use crate::mime::header::{self, Field};

/// Sets of a chain at most (RFC 8617 §4.2.1).
const SETS: usize = 50;

/// The fields of a set, in the order in which they are signed (RFC 8617 §5.1.1).
pub(crate) const NAMES: [&str; 3] = ["ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"];

/// What there is of a chain in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sets {
    /// Its sets, first to last, each with the places of its fields among all of the header.
    Whole(Vec<[usize; 3]>),
    /// There are not as many signatures as seals.
    Uneven,
    /// Fields are missing or too many, or do not count from one.
    Broken,
}

/// Finds the sets of a chain.
pub(crate) fn sets(fields: &[Field<'_>]) -> Sets {
    let mut found: [Vec<(usize, usize)>; 3] = Default::default();
    for (place, field) in fields.iter().enumerate() {
        let Some(of_name) = NAMES.iter().position(|name| field.is(name)).and_then(|kind| found.get_mut(kind)) else {
            continue;
        };
        let instance = tag(&tags(&field.unfolded()), "i").and_then(|instance| instance.parse().ok());
        of_name.push((instance.unwrap_or(0), place));
        if of_name.len() > SETS {
            return Sets::Broken;
        }
    }
    for of_name in &mut found {
        of_name.sort_unstable();
    }
    let [results, signatures, seals] = &found;
    // As Rspamd has it: what somebody found says nothing without a signature and a seal, and one of them nothing without the other.
    if signatures.is_empty() || seals.is_empty() {
        return Sets::Whole(Vec::new());
    }
    if signatures.len() != seals.len() {
        return Sets::Uneven;
    }
    let counts_from_one =
        |of_name: &Vec<(usize, usize)>| of_name.iter().enumerate().all(|(at, (instance, _))| at + 1 == *instance);
    if results.len() != seals.len() || !found.iter().all(counts_from_one) {
        return Sets::Broken;
    }
    let places = results.iter().zip(signatures).zip(seals);
    Sets::Whole(places.map(|((results, signature), seal)| [results.1, signature.1, seal.1]).collect())
}

/// Checks a message's chain (RFC 8617 §5.2).
///
/// - Returns: [`Outcome::None`] without one, [`Outcome::PermError`] for one that is none, else whether it holds.
pub(super) fn check(content: &[u8], now: u64, zones: &Zones) -> Outcome {
    let fields: Vec<Field<'_>> = header::fields(header::block(content)).collect();
    let sets = match sets(&fields) {
        Sets::Broken | Sets::Uneven => return Outcome::PermError,
        Sets::Whole(sets) if sets.is_empty() => return Outcome::None,
        Sets::Whole(sets) => sets,
    };
    let is_whole = holds(content, &fields, &sets, now, zones).unwrap_or(false);
    if is_whole { Outcome::Pass } else { Outcome::Fail }
}

fn holds(content: &[u8], fields: &[Field<'_>], sets: &[[usize; 3]], now: u64, zones: &Zones) -> Option<bool> {
    for (at, [.., seal]) in sets.iter().enumerate() {
        let expected = if at == 0 { "none" } else { "pass" };
        if tag(&tags(&fields.get(*seal)?.unfolded()), "cv") != Some(expected) {
            return Some(false);
        }
    }
    let [_, newest, _] = sets.last()?;
    let newest = fields.get(*newest)?;
    let own = tags(&newest.unfolded());
    // Seals come after the signature, which cannot speak for them (RFC 8617 §4.1.2).
    let covers_seals = tag(&own, "h")?.split(':').any(|name| name.trim().eq_ignore_ascii_case("arc-seal"));
    if covers_seals || dkim::verify(content, fields, newest, &own, now, zones)? != Outcome::Pass {
        return Some(false);
    }
    for count in (1..=sets.len()).rev() {
        let (before, [results, signature, seal]) = (sets.get(..count - 1)?, sets.get(count - 1)?);
        let mut input = sealed(content, fields, before);
        for place in [results, signature] {
            input.extend_from_slice(&canonical_field(content, fields.get(*place)?, true));
        }
        let seal = fields.get(*seal)?;
        let own = without_signature(&canonical_field(content, seal, true));
        input.extend_from_slice(own.strip_suffix(b"\r\n").unwrap_or(&own));
        if dkim::holds(&input, &tags(&seal.unfolded()), zones)? != Outcome::Pass {
            return Some(false);
        }
    }
    Some(true)
}

/// Writes the sets that a later seal covers (RFC 8617 §5.1.1).
pub(crate) fn sealed(content: &[u8], fields: &[Field<'_>], sets: &[[usize; 3]]) -> Vec<u8> {
    let places = sets.iter().flatten().filter_map(|place| fields.get(*place));
    places.flat_map(|field| canonical_field(content, field, true)).collect()
}
