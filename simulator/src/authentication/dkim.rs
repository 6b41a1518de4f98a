//! Signatures of domains (RFC 6376, RFC 8463).

use aws_lc_rs::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use sha2::{Digest, Sha256};

use super::{Outcome, tag, tags, texts};
use crate::dns::Zones;
use crate::mime::header::{self, Field};

/// Signatures of one message that are checked.
const SIGNATURES: usize = 8;

/// Checks every signature of a message, the first ones of many.
pub(super) fn check(content: &[u8], now: u64, zones: &Zones) -> Vec<(Outcome, String)> {
    let fields: Vec<Field<'_>> = header::fields(header::block(content)).collect();
    let signatures = fields.iter().filter(|field| field.is("DKIM-Signature")).take(SIGNATURES);
    signatures
        .map(|field| {
            let tags = tags(&field.unfolded());
            let domain = tag(&tags, "d").unwrap_or_default().to_ascii_lowercase();
            (verify(content, &fields, field, &tags, now, zones).unwrap_or(Outcome::PermError), domain)
        })
        .collect()
}

/// Returns `None` for a signature that makes no sense.
fn verify(
    content: &[u8],
    fields: &[Field<'_>],
    signature: &Field<'_>,
    tags: &[(String, String)],
    now: u64,
    zones: &Zones,
) -> Option<Outcome> {
    if tag(tags, "v") != Some("1") {
        return None;
    }
    let algorithm = tag(tags, "a")?;
    let (domain, selector) = (tag(tags, "d")?, tag(tags, "s")?);
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
    let mut input = Vec::new();
    let mut taken: Vec<usize> = Vec::new();
    for name in signed.split(':').map(str::trim) {
        // From the bottom up, each field once (RFC 6376 §5.4.2).
        let found = fields.iter().enumerate().rev().find(|(index, field)| field.is(name) && !taken.contains(index));
        if let Some((index, field)) = found {
            taken.push(index);
            input.extend_from_slice(&canonical_field(content, field, relaxed_header));
        }
    }
    if !signed.split(':').any(|name| name.trim().eq_ignore_ascii_case("from")) {
        return None;
    }
    let own = canonical_field(content, signature, relaxed_header);
    let own = without_signature(&own);
    input.extend_from_slice(own.strip_suffix(b"\r\n").unwrap_or(&own));
    let key = texts(zones, &format!("{selector}._domainkey.{domain}")).into_iter().next()?;
    let key = super::tags(&key);
    let kind = tag(&key, "k").unwrap_or("rsa");
    let public = decoded(tag(&key, "p")?)?;
    if public.is_empty() {
        // It was withdrawn.
        return Some(Outcome::Fail);
    }
    let given = decoded(tag(tags, "b")?)?;
    let holds = match (algorithm, kind) {
        ("rsa-sha256", "rsa") => {
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public).verify(&input, &given).is_ok()
        }
        // RFC 8463 §3: the digest is what is signed.
        ("ed25519-sha256", "ed25519") => {
            UnparsedPublicKey::new(&ED25519, &public).verify(&Sha256::digest(&input), &given).is_ok()
        }
        _ => return None,
    };
    Some(if holds { Outcome::Pass } else { Outcome::Fail })
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let plain: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    base64::prelude::BASE64_STANDARD.decode(plain).ok()
}

/// Writes a field as it is signed (RFC 6376 §3.4.1, §3.4.2), with its line end.
fn canonical_field(content: &[u8], field: &Field<'_>, relaxed: bool) -> Vec<u8> {
    if !relaxed {
        return content.get(field.whole.clone()).unwrap_or_default().to_vec();
    }
    let mut out = field.name().to_ascii_lowercase().into_bytes();
    out.push(b':');
    let start = out.len();
    for &byte in field.raw() {
        match byte {
            b'\r' | b'\n' => {}
            b' ' | b'\t' if out.len() == start || out.ends_with(b" ") => {}
            b' ' | b'\t' => out.push(b' '),
            byte => out.push(byte),
        }
    }
    while out.len() > start && out.ends_with(b" ") {
        out.pop();
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Writes a body as it is signed (RFC 6376 §3.4.3, §3.4.4).
fn canonical_body(body: &[u8], relaxed: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        if relaxed {
            let start = out.len();
            for &byte in bare {
                match byte {
                    b' ' | b'\t' if out.len() > start && out.ends_with(b" ") => {}
                    b' ' | b'\t' => out.push(b' '),
                    byte => out.push(byte),
                }
            }
            while out.len() > start && out.ends_with(b" ") {
                out.pop();
            }
        } else {
            out.extend_from_slice(bare);
        }
        out.extend_from_slice(b"\r\n");
    }
    while out.ends_with(b"\r\n\r\n") {
        out.truncate(out.len() - 2);
    }
    if out == b"\r\n" && relaxed {
        out.clear();
    }
    if out.is_empty() && !relaxed {
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Returns the signature's own field with nothing in its `b=`.
fn without_signature(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let colon = field.iter().position(|byte| *byte == b':').map_or(0, |at| at + 1);
    out.extend_from_slice(field.get(..colon).unwrap_or_default());
    let rest = field.get(colon..).unwrap_or_default();
    let end = rest.strip_suffix(b"\r\n").map_or(rest.len(), <[u8]>::len);
    let (value, line_end) = rest.split_at_checked(end).unwrap_or((rest, b""));
    for (index, part) in value.split(|byte| *byte == b';').enumerate() {
        if index > 0 {
            out.push(b';');
        }
        let equals = part.iter().position(|byte| *byte == b'=');
        let name = equals.and_then(|at| part.get(..at)).unwrap_or_default();
        match equals {
            Some(at) if name.trim_ascii() == b"b" => out.extend_from_slice(part.get(..=at).unwrap_or_default()),
            _ => out.extend_from_slice(part),
        }
    }
    out.extend_from_slice(line_end);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_written_as_they_are_signed() {
        for (body, simple, relaxed) in [
            ("", "\r\n", ""),
            ("\r\n\r\n", "\r\n", ""),
            (" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"),
            ("no end", "no end\r\n", "no end\r\n"),
        ] {
            let text = |relaxed| String::from_utf8(canonical_body(body.as_bytes(), relaxed)).unwrap();
            assert_eq!((text(false).as_str(), text(true).as_str()), (simple, relaxed), "{body:?}");
        }
    }

    #[test]
    fn a_field_is_written_as_it_is_signed() {
        let content = b"SUBJect :  AbC \r\n\t def\t\r\n\r\n";
        let field = header::fields(header::block(content)).next().unwrap();
        assert_eq!(canonical_field(content, &field, true), b"subject:AbC def\r\n");
    }

    #[test]
    fn only_the_signature_itself_is_left_out_of_its_field() {
        assert_eq!(
            without_signature(b"dkim-signature:v=1; bh=abc=; b=xyz==; s=b\r\n"),
            b"dkim-signature:v=1; bh=abc=; b=; s=b\r\n"
        );
    }
}
