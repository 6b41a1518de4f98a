//! A sealed set of what was found of a message (RFC 8617 §5.1).

use super::dkim::{completed, covered, folded, relaxed};
use super::key::PrivateKey;
use crate::authentication::Outcome;
use crate::authentication::arc::{NAMES, Sets, sealed, sets};
use crate::mime::header::{self, Field};

/// Sets of a chain at most (RFC 8617 §4.2.1).
const SETS: usize = 50;

/// Who seals, and when.
pub(super) struct Seal<'a> {
    pub(super) domain: &'a str,
    pub(super) selector: &'a str,
    pub(super) key: &'a PrivateKey,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// Returns the set that goes on with a message's chain, in Rspamd's order, each field with its line end.
///
/// - `chain`: what came of the chain that is there.
/// - `results`: everything that was found, as it stands in a field.
/// - Returns: `None` where the chain cannot be gone on with, or the cryptography fails.
pub(super) fn seal(content: &[u8], chain: Outcome, results: &str, by: &Seal<'_>) -> Option<String> {
    let fields: Vec<Field<'_>> = header::fields(header::block(content)).collect();
    let before = match sets(&fields) {
        Sets::Whole(before) if before.len() < SETS => before,
        // Rspamd begins a chain of its own then.
        Sets::Uneven => Vec::new(),
        _ => return None,
    };
    let Seal { domain, selector, key, now } = by;
    let [results_name, signature_name, seal_name] = NAMES;
    let instance = before.len() + 1;
    let status = match (before.is_empty(), chain) {
        (true, _) => "none",
        (false, Outcome::Pass) => "pass",
        (false, _) => "fail",
    };
    let results = format!("i={instance}; {results}");
    let algorithm = key.algorithm().name();
    let names = covered(content, |_| true);
    let start = format!("i={instance}; a={algorithm}; c=relaxed/relaxed; d={domain}; s={selector};\r\n\tt={now}; ");
    let signature = completed(signature_name, start, content, &names, key)?;
    let signature_value = signature.split_once(": ")?.1;
    // A chain that does not hold is left out of what its last seal covers (RFC 8617 §5.1.2).
    let covers: &[[usize; 3]] = if status == "fail" { &[] } else { &before };
    let mut input = sealed(content, &fields, covers);
    for (name, value) in [(results_name, results.as_str()), (signature_name, signature_value)] {
        input.extend_from_slice(relaxed(name, value).as_bytes());
        input.extend_from_slice(b"\r\n");
    }
    let unsigned = format!("i={instance}; a={algorithm}; t={now}; cv={status};\r\n\td={domain}; s={selector};\r\n\tb=");
    input.extend_from_slice(relaxed(seal_name, &unsigned).as_bytes());
    let seal = folded(&key.sign(&input)?);
    Some(format!("{signature}{results_name}: {results}\r\n{seal_name}: {unsigned}{seal}\r\n"))
}
