//! Signing messages for a domain of the simulated internet (RFC 6376, RFC 8463).

use aws_lc_rs::signature::Ed25519KeyPair;
use blueprint::launch::{OUTSIDE_SEED, OUTSIDE_SELECTOR};
use sha2::{Digest, Sha256};

use super::message::{base64, header};

/// The fields that are signed.
const SIGNED: [&str; 4] = ["from", "to", "subject", "date"];

/// Returns a message with a signature of a domain on top; `None` where the key cannot be used.
pub(super) fn sign(message: &[u8], domain: &str) -> Option<Vec<u8>> {
    let pair = Ed25519KeyPair::from_seed_unchecked(OUTSIDE_SEED).ok()?;
    let head = header(message);
    let body = message.get(head.len() + 2..).unwrap_or_default();
    let digest = base64(&Sha256::digest(relaxed_body(body)));
    let unsigned = format!(
        "v=1; a=ed25519-sha256; c=relaxed/relaxed; d={domain}; s={OUTSIDE_SELECTOR}; h={}; bh={digest}; b=",
        SIGNED.join(":")
    );
    let mut input = String::new();
    for name in SIGNED {
        if let Some(value) = super::message::fields(message, name).pop() {
            input.push_str(&format!("{name}:{}\r\n", relaxed(&value)));
        }
    }
    input.push_str(&format!("dkim-signature:{}", relaxed(&unsigned)));
    let signature = base64(pair.sign(&Sha256::digest(input.as_bytes())).as_ref());
    let mut signed = format!("DKIM-Signature: {unsigned}{signature}\r\n").into_bytes();
    signed.extend_from_slice(message);
    Some(signed)
}

fn relaxed(value: &str) -> String {
    value.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        let words: Vec<&[u8]> = line.split(|byte| matches!(byte, b' ' | b'\t')).collect();
        let mut text: Vec<u8> = Vec::new();
        for (index, word) in words.iter().enumerate() {
            if !word.is_empty() {
                if index > 0 && (!text.is_empty() || words.first().is_some_and(|first| first.is_empty())) {
                    text.push(b' ');
                }
                text.extend_from_slice(word);
            }
        }
        out.extend_from_slice(&text);
        out.extend_from_slice(b"\r\n");
    }
    while out.ends_with(b"\r\n\r\n") {
        out.truncate(out.len() - 2);
    }
    if out == b"\r\n" {
        out.clear();
    }
    out
}
