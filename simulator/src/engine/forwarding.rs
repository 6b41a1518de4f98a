//! Rewritten senders of forwarded mail (the Sender Rewriting Scheme), so that the next host finds our name where it checks
//! who may send, and so that a bounce finds its way back.
//!
//! `bob@bigmail.example` becomes `SRS0=HASH=DAY=bigmail.example=bob@srs.northmail.example`. The hash is ours: nobody can make the
//! platform send to an address of his choice.

use sha2::{Digest, Sha256};
use values::{LocalPart, MailAddress};

use super::Forwarding;
use crate::Moment;

/// Days for which a bounce is taken.
const DAYS: u64 = 21;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const DAY_MILLISECONDS: u64 = 86_400_000;
/// Days after which the stamp repeats.
const CYCLE: u64 = 1_024;

/// Returns the rewritten sender; `None` where it would be too long for an address, or is rewritten already.
pub(super) fn rewrite(forwarding: &Forwarding, now: Moment, sender: &MailAddress) -> Option<MailAddress> {
    if sender.domain() == &forwarding.domain {
        return None;
    }
    let day = stamp(now.0 / DAY_MILLISECONDS);
    let (domain, local) = (sender.domain(), sender.local().as_str());
    let hash = hash(forwarding, &day, domain.as_str(), local);
    let local: LocalPart = written(&format!("SRS0={hash}={day}={domain}={local}"))?;
    Some(MailAddress::new(local, forwarding.domain.clone()))
}

/// Returns whom a bounce to a rewritten sender goes to.
pub(super) fn restore(forwarding: &Forwarding, now: Moment, address: &MailAddress) -> Option<MailAddress> {
    if address.domain() != &forwarding.domain {
        return None;
    }
    let mut parts = address.local().as_str().splitn(5, '=');
    let prefix = parts.next()?;
    let (given, day, domain, local) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if !prefix.eq_ignore_ascii_case("SRS0") {
        return None;
    }
    let today = now.0 / DAY_MILLISECONDS;
    let is_recent = (0..=DAYS).any(|ago| stamp(today.saturating_sub(ago)).eq_ignore_ascii_case(day));
    let expected = hash(forwarding, &day.to_ascii_uppercase(), domain, local);
    // On its way an address may lose its capitals.
    if !is_recent || !expected.eq_ignore_ascii_case(given) {
        return None;
    }
    Some(MailAddress::new(written(local)?, domain.parse().ok()?))
}

/// Reads a local part, in quotes where it needs them.
fn written(local: &str) -> Option<LocalPart> {
    local.parse().ok().or_else(|| {
        let escaped = local.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"").parse().ok()
    })
}

fn letters(mut number: u64, count: usize) -> String {
    let mut text = String::new();
    for _ in 0..count {
        let index = usize::try_from(number % 32).unwrap_or(0);
        text.push(ALPHABET.get(index).copied().map_or('A', char::from));
        number /= 32;
    }
    text
}

fn stamp(day: u64) -> String {
    letters(day % CYCLE, 2)
}

/// HMAC (RFC 2104) with SHA-256, the first twenty bits of it. Case is folded, since it may be lost on the way.
fn hash(forwarding: &Forwarding, day: &str, domain: &str, local: &str) -> String {
    let mut key = [0_u8; 64];
    let digest = Sha256::digest(&forwarding.secret);
    let secret = if forwarding.secret.len() > key.len() { digest.as_slice() } else { forwarding.secret.as_slice() };
    for (to, from) in key.iter_mut().zip(secret) {
        *to = *from;
    }
    let inner = Sha256::new()
        .chain_update(key.map(|byte| byte ^ 0x36))
        .chain_update(format!("{day}={}={}", domain.to_ascii_lowercase(), local.to_lowercase()))
        .finalize();
    let outer = Sha256::new().chain_update(key.map(|byte| byte ^ 0x5C)).chain_update(inner).finalize();
    let number = outer.iter().take(4).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    letters(number, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_795_348_800_000);

    fn forwarding() -> Forwarding {
        Forwarding { domain: "srs.northmail.example".parse().unwrap(), secret: b"secret".to_vec() }
    }

    fn address(text: &str) -> MailAddress {
        text.parse().unwrap()
    }

    #[test]
    fn a_sender_comes_back_within_three_weeks() {
        for sender in ["bob@bigmail.example", "a=b=c@bigmail.example", "\"odd one\"@bigmail.example"] {
            let rewritten = rewrite(&forwarding(), NOW, &address(sender)).unwrap();
            assert_eq!(rewritten.domain().as_str(), "srs.northmail.example");
            for days in [0, 1, 21] {
                let later = NOW.plus(days * DAY_MILLISECONDS);
                assert_eq!(restore(&forwarding(), later, &rewritten), Some(address(sender)), "{rewritten}");
            }
            assert_eq!(restore(&forwarding(), NOW.plus(22 * DAY_MILLISECONDS), &rewritten), None);
            let lower = address(&rewritten.to_string().to_lowercase());
            assert_eq!(restore(&forwarding(), NOW, &lower), Some(address(sender)));
        }
    }

    #[test]
    fn nobody_else_can_make_one() {
        let other = Forwarding { secret: b"guess".to_vec(), ..forwarding() };
        let forged = rewrite(&other, NOW, &address("victim@elsewhere.example")).unwrap();
        assert_eq!(restore(&forwarding(), NOW, &forged), None);
        for text in ["SRS0=@srs.northmail.example", "SRS0=A=B=c@srs.northmail.example", "x@srs.northmail.example"] {
            assert_eq!(restore(&forwarding(), NOW, &address(text)), None);
        }
    }

    #[test]
    fn what_cannot_be_rewritten_stays() {
        let long = format!("{}@bigmail.example", "x".repeat(60));
        assert_eq!(rewrite(&forwarding(), NOW, &address(&long)), None);
        assert_eq!(rewrite(&forwarding(), NOW, &address("x@srs.northmail.example")), None);
    }
}
