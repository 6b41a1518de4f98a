//! A domain's signature of a message (RFC 6376 §5, RFC 8463).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::key::PrivateKey;
use crate::authentication::canonical::{canonical_body, named_fields};
use crate::mime::header::{self, Field};

/// Which fields of a name are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cover {
    /// All, and that there are no more of them.
    Always,
    /// All, and that there are no more of them, where there is one.
    WhereThere,
    /// The last.
    Last,
}

use Cover::{Always, Last, WhereThere};

/// What is signed, in this order: Rspamd's `sign_headers`.
const FIELDS: [(&str, Cover); 28] = [
    ("from", Always),
    ("sender", WhereThere),
    ("reply-to", Always),
    ("subject", Always),
    ("date", WhereThere),
    ("message-id", WhereThere),
    ("to", Always),
    ("cc", Always),
    ("mime-version", WhereThere),
    ("content-type", WhereThere),
    ("content-transfer-encoding", WhereThere),
    ("resent-to", Last),
    ("resent-cc", Last),
    ("resent-from", Last),
    ("resent-sender", Last),
    ("resent-message-id", Last),
    ("in-reply-to", WhereThere),
    ("references", WhereThere),
    ("list-id", Last),
    ("list-help", Last),
    ("list-owner", Last),
    ("list-unsubscribe", Last),
    ("list-unsubscribe-post", Last),
    ("list-subscribe", Last),
    ("list-post", Last),
    ("dkim-signature", Last),
    ("openpgp", WhereThere),
    ("autocrypt", WhereThere),
];

/// Fields of one name that are signed at most; those that stand lowest are.
const MOST: usize = 100;

/// Letters of a line of base64.
const LINE: usize = 72;

/// Returns the field that signs a message for a domain, with its line end.
///
/// - `now`: seconds since 1970, where the field is to tell.
/// - Returns: `None` where the cryptography fails.
pub fn sign(content: &[u8], domain: &str, selector: &str, key: &PrivateKey, now: Option<u64>) -> Option<String> {
    // A domain's own signatures do not speak for each other.
    let names = covered(content, |name| name != "dkim-signature");
    let algorithm = key.algorithm().name();
    let now = now.map(|now| format!("t={now}; ")).unwrap_or_default();
    let start = format!("v=1; a={algorithm}; c=relaxed/relaxed; d={domain}; s={selector};\r\n\t{now}");
    completed("DKIM-Signature", start, content, &names, key)
}

/// Returns the names of the fields that are signed.
pub(super) fn covered(content: &[u8], is_wanted: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let fields: Vec<Field<'_>> = header::fields(header::block(content)).collect();
    let mut names = Vec::new();
    for (name, cover) in FIELDS.into_iter().filter(|(name, _)| is_wanted(name)) {
        let count = fields.iter().filter(|field| field.is(name)).count().min(MOST);
        let times = match cover {
            Always => count + 1,
            WhereThere if count > 0 => count + 1,
            WhereThere => 0,
            Last => count.min(1),
        };
        names.extend(std::iter::repeat_n(name, times));
    }
    names
}

/// Adds to a signature what it signs, and signs.
pub(super) fn completed(
    field: &str,
    start: String,
    content: &[u8],
    names: &[&str],
    key: &PrivateKey,
) -> Option<String> {
    let fields: Vec<Field<'_>> = header::fields(header::block(content)).collect();
    let body = content.get(header::split(content).1..).unwrap_or_default();
    let digest = STANDARD.encode(Sha256::digest(canonical_body(body, true)));
    let names_folded = names.chunks(6).map(|part| part.join(":")).collect::<Vec<_>>().join(":\r\n\t ");
    let unsigned = format!("{start}h={names_folded};\r\n\tbh={digest};\r\n\tb=");
    let mut input = named_fields(content, &fields, names.iter().copied(), true);
    input.extend_from_slice(relaxed(field, &unsigned).as_bytes());
    Some(format!("{field}: {unsigned}{}\r\n", folded(&key.sign(&input)?)))
}

/// Returns a field of ours as it is signed, without a line end.
pub(super) fn relaxed(name: &str, value: &str) -> String {
    let words: Vec<&str> = value.split(['\r', '\n', '\t', ' ']).filter(|word| !word.is_empty()).collect();
    format!("{}:{}", name.to_ascii_lowercase(), words.join(" "))
}

/// Returns a signature in base64, on several lines.
pub(super) fn folded(signature: &[u8]) -> String {
    let text = STANDARD.encode(signature);
    let lines: Vec<String> =
        text.as_bytes().chunks(LINE).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    lines.join("\r\n\t ")
}
