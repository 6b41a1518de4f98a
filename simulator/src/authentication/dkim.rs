//! Signatures of domains (RFC 6376, RFC 8463), checked.

use aws_lc_rs::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use super::canonical::{canonical_body, canonical_field, decoded, named_fields, without_signature};
use super::{Outcome, Signature, Text, tag, tags, texts};
use crate::dns::Zones;
use crate::mime::header::{self, Field};

/// Signatures of one message that are checked.
const SIGNATURES: usize = 8;

/// Checks every signature of a message, the first ones of many.
pub(super) fn check(content: &[u8], now: u64, zones: &Zones) -> Vec<Signature> {
    let fields: Vec<Field<'_>> = header::fields(header::block(content)).collect();
    let signatures = fields.iter().filter(|field| field.is("DKIM-Signature")).take(SIGNATURES);
    signatures
        .map(|field| {
            let tags = tags(&field.unfolded());
            let outcome = match tag(&tags, "v") {
                Some("1") => verify(content, &fields, field, &tags, now, zones),
                _ => None,
            };
            let named = |name| tag(&tags, name).unwrap_or_default().to_ascii_lowercase();
            Signature { outcome: outcome.unwrap_or(Outcome::PermError), domain: named("d"), selector: named("s") }
        })
        .collect()
}

/// Checks one signature of fields and body, be it a domain's own or one of a chain (RFC 8617 §4.1.2).
///
/// - Returns: `None` for a signature that makes no sense.
pub(super) fn verify(
    content: &[u8],
    fields: &[Field<'_>],
    signature: &Field<'_>,
    tags: &[(String, String)],
    now: u64,
    zones: &Zones,
) -> Option<Outcome> {
    // A signature over a part says nothing of what stands behind it.
    if tag(tags, "l").is_some() {
        return Some(Outcome::Neutral);
    }
    if tag(tags, "x").is_some_and(|until| until.parse::<u64>().is_ok_and(|until| until < now)) {
        return Some(Outcome::Fail);
    }
    let (relaxed_header, relaxed_body) = match tag(tags, "c").unwrap_or("simple/simple") {
        "relaxed/relaxed" => (true, true),
        "relaxed/simple" | "relaxed" => (true, false),
        "simple/relaxed" => (false, true),
        "simple/simple" | "simple" => (false, false),
        _ => return None,
    };
    let body = content.get(header::split(content).1..).unwrap_or_default();
    let digest = Sha256::digest(canonical_body(body, relaxed_body));
    if decoded(tag(tags, "bh")?)? != digest.as_slice() {
        return Some(Outcome::Fail);
    }
    let signed = tag(tags, "h")?;
    let mut input = named_fields(content, fields, signed.split(':').map(str::trim), relaxed_header);
    if !signed.split(':').any(|name| name.trim().eq_ignore_ascii_case("from")) {
        return None;
    }
    let own = canonical_field(content, signature, relaxed_header);
    let own = without_signature(&own);
    input.extend_from_slice(own.strip_suffix(b"\r\n").unwrap_or(&own));
    holds(&input, tags, zones)
}

/// Tells whether what was signed is what the tags of a signature say, by the key that they name.
///
/// - Returns: `None` where there is no such key, or it makes no sense.
pub(super) fn holds(input: &[u8], tags: &[(String, String)], zones: &Zones) -> Option<Outcome> {
    let (domain, selector) = (tag(tags, "d")?, tag(tags, "s")?);
    let key = match texts(zones, &format!("{selector}._domainkey.{domain}")).into_iter().next()? {
        Text::Known(key) => super::tags(&key),
        // Nobody has signed with what is not there yet.
        Text::NotMade => return Some(Outcome::Fail),
    };
    let kind = tag(&key, "k").unwrap_or("rsa");
    let public = decoded(tag(&key, "p")?)?;
    if public.is_empty() {
        // It was withdrawn.
        return Some(Outcome::Fail);
    }
    let given = decoded(tag(tags, "b")?)?;
    let holds = match (tag(tags, "a")?, kind) {
        ("rsa-sha256", "rsa") => {
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public).verify(input, &given).is_ok()
        }
        // RFC 8463 §3: the digest is what is signed.
        ("ed25519-sha256", "ed25519") => {
            UnparsedPublicKey::new(&ED25519, &public).verify(&Sha256::digest(input), &given).is_ok()
        }
        _ => return None,
    };
    Some(if holds { Outcome::Pass } else { Outcome::Fail })
}
