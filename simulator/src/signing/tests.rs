//! What is signed and sealed is checked by the same eyes that check what comes from outside; and what Rspamd has signed, too.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use proptest::prelude::*;

use super::*;
use crate::Moment;
use crate::authentication::{Claim, check};
use crate::dns::{Data, Zone, Zones};
use crate::smtp::{Body, Envelope, Peer, Recipient, Setting};

const NOW: u64 = 1_795_457_500;

/// Returns an Ed25519 key and an RSA key, which takes its time to make.
pub(crate) fn ring() -> Arc<Ring> {
    static RING: OnceLock<Arc<Ring>> = OnceLock::new();
    let make = || {
        let mut ring = Ring::default();
        ring.add("ed", Arc::new(PrivateKey::from_seed(&[7; 32]).unwrap()));
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        ring.add("rsa", Arc::new(PrivateKey::from_pkcs8(Algorithm::Rsa, pkcs8.as_ref()).unwrap()));
        Arc::new(ring)
    };
    Arc::clone(RING.get_or_init(make))
}

/// Returns how acme and globex sign: both with the same two keys.
pub(crate) fn signing() -> Signing {
    let key = |selector: &str, algorithm, name: &str| KeyName {
        selector: selector.to_owned(),
        algorithm,
        name: name.to_owned(),
    };
    let keys: Arc<[KeyName]> = [key("e1", Algorithm::Ed25519, "ed"), key("r1", Algorithm::Rsa, "rsa")].into();
    let domains = ["acme.example", "globex.example"].map(|name| (name.parse().unwrap(), Arc::clone(&keys)));
    Signing { domains: domains.into(), seals: true }
}

/// Returns the zones that publish those keys.
pub(crate) fn zones() -> Zones {
    let mut zones = Zones::default();
    for domain in ["acme.example", "globex.example"] {
        let mut zone = Zone::new(domain, 1).unwrap();
        for (selector, name) in [("e1", "ed"), ("r1", "rsa")] {
            let key = Data::SigningKey(name.to_owned());
            zone.add(&format!("{selector}._domainkey.{domain}"), 60, key).unwrap();
        }
        zones.add(zone);
    }
    zones.set_keys(ring());
    zones
}

fn received(content: &[u8], to: &str) -> Arc<Received> {
    Arc::new(Received {
        setting: Setting::Receiving,
        peer: Peer { address: "192.0.2.1".parse().unwrap(), tls: false },
        helo: "mx.bigmail.example".to_owned(),
        extended: true,
        identity: None,
        envelope: Envelope {
            sender: None,
            recipients: vec![Recipient { address: to.parse().unwrap(), notify: None, original: None }],
            returned: None,
            identifier: None,
            body: Body::SevenBit,
            internationalized: false,
            delivery: None,
        },
        content: content.to_vec(),
        at: Moment(0),
    })
}

fn checked(content: &[u8], zones: &Zones) -> Authentication {
    let peer = "192.0.2.1".parse().unwrap();
    check(&Claim { peer, greeting: "mx.bigmail.example", sender: None, content, now: NOW }, zones)
}

fn outcomes(content: &[u8]) -> Vec<Outcome> {
    checked(content, &zones()).dkim.into_iter().map(|signature| signature.outcome).collect()
}

/// Signs a message as its author's domain does; nothing where it does not.
fn signed(content: &[u8]) -> Option<Vec<u8>> {
    let order = signing().order(&received(content, "bob@bigmail.example"), NOW)?;
    Some([order.carry_out(&*ring()).unwrap().as_slice(), content].concat())
}

/// Seals a message as the one who takes it in for an address does.
fn sealed(content: &[u8], to: &str) -> Option<Vec<u8>> {
    let authentication = checked(content, &zones());
    let order = signing().seal(&received(content, to), &authentication, "mx-1.northmail.example", NOW)?;
    Some([order.carry_out(&*ring())?.as_slice(), content].concat())
}

const LETTER: &str = "Received: by x\r\nFrom: Alice <alice@acme.example>\r\nTo: <bob@bigmail.example>\r\nSubject: a \r\n\tb\r\n\
                      List-Id: <one.example>\r\nList-Id: <two.example>\r\nX: y\r\n\r\nHello  there \r\n\r\n\r\n";

#[test]
fn a_message_is_signed_with_each_key_of_its_authors_domain() {
    let message = signed(LETTER.as_bytes()).unwrap();
    let text = String::from_utf8(message.clone()).unwrap();
    let found = checked(&message, &zones()).dkim;
    let found: Vec<_> = found.iter().map(|one| (one.outcome, one.domain.as_str(), one.selector.as_str())).collect();
    assert_eq!(found, [(Outcome::Pass, "acme.example", "e1"), (Outcome::Pass, "acme.example", "r1")]);
    // As Rspamd has it: of fields that lists write the last, and what is not there is signed as not there.
    let unfolded = text.replace("\r\n\t", "").replace(' ', "");
    assert!(unfolded.contains(";h=from:from:reply-to:subject:subject:to:to:cc:list-id;bh="), "{text}");
    assert!(text.lines().all(|line| line.len() <= 100), "{text}");
}

#[test]
fn a_message_without_one_author_of_the_platform_is_not_signed() {
    for from in ["From: <bob@bigmail.example>", "From: <a@acme.example>, <b@acme.example>", "Subject: none"] {
        assert_eq!(signed(format!("{from}\r\n\r\nHello\r\n").as_bytes()), None, "{from}");
    }
}

#[test]
fn what_is_signed_cannot_be_changed_or_added_to() {
    let text = String::from_utf8(signed(LETTER.as_bytes()).unwrap()).unwrap();
    for (from, to, expected) in [
        ("Hello", "Hallo", Outcome::Fail),
        ("there \r\n", "there\r\n\r\n", Outcome::Pass),
        ("there", "ther e", Outcome::Fail),
        ("Subject: a \r\n\tb", "SUBJECT:a b", Outcome::Pass),
        ("Subject: a", "Subject: aa", Outcome::Fail),
        ("Subject: a", "Subject: another\r\nSubject: a", Outcome::Fail),
        ("X: y", "From: <x@acme.example>", Outcome::Fail),
        ("X: y", "Cc: <x@acme.example>", Outcome::Fail),
        ("X: y", "X: z", Outcome::Pass),
        ("d=acme.example", "d=globex.example", Outcome::Fail),
    ] {
        assert!(text.contains(from), "{from}");
        assert_eq!(outcomes(text.replace(from, to).as_bytes()), [expected; 2], "{from} -> {to}");
    }
}

#[test]
fn a_chain_over_two_hops_holds_and_a_changed_message_breaks_it() {
    let first = sealed(LETTER.as_bytes(), "hank@globex.example").unwrap();
    let second = sealed(&first, "alice@acme.example").unwrap();
    let text = String::from_utf8(second.clone()).unwrap();
    let names = text.lines().filter(|line| line.starts_with("ARC-")).map(|line| line.split("; ").next().unwrap());
    let expected = [2, 1]
        .map(|hop| ["Message-Signature", "Authentication-Results", "Seal"].map(|name| format!("ARC-{name}: i={hop}")));
    assert_eq!(names.collect::<Vec<_>>(), expected.concat());
    for message in [&first, &second] {
        assert_eq!(checked(message, &zones()).arc, Outcome::Pass);
    }
    assert!(text.contains("cv=pass;\r\n\td=acme.example; s=r1;"), "{text}");
    assert!(text.contains("cv=none;\r\n\td=globex.example; s=r1;"), "{text}");
    assert!(text.contains("ARC-Authentication-Results: i=2; mx-1.northmail.example;\r\n\tdkim=none;"), "{text}");
    for (from, to) in [
        ("Hello", "Hallo"),
        ("Subject: a", "Subject: c"),
        ("ARC-Authentication-Results: i=1; mx-1", "ARC-Authentication-Results: i=1; mx-2"),
        ("cv=none", "cv=pass"),
        ("t=1795457500; cv=pass", "t=1795457501; cv=pass"),
        ("a=rsa-sha256; c=relaxed/relaxed; d=globex", "a=rsa-sha256;  c=relaxed/relaxed; e=globex"),
    ] {
        assert!(text.contains(from), "{from}");
        let changed = text.replacen(from, to, 1);
        assert_eq!(checked(changed.as_bytes(), &zones()).arc, Outcome::Fail, "{from}");
        // Whoever seals it next says so, and nobody after that can take it back.
        let third = String::from_utf8(sealed(changed.as_bytes(), "hank@globex.example").unwrap()).unwrap();
        assert!(third.contains("ARC-Seal: i=3;") && third.contains("cv=fail;"), "{third}");
        assert_eq!(checked(third.as_bytes(), &zones()).arc, Outcome::Fail);
    }
}

#[test]
fn a_chain_that_is_none_is_told_and_not_gone_on_with() {
    let first = String::from_utf8(sealed(LETTER.as_bytes(), "hank@globex.example").unwrap()).unwrap();
    for changed in [first.replacen("i=1;", "i=2;", 1), first.replacen("ARC-Authentication-Results", "X", 1)] {
        assert_eq!(checked(changed.as_bytes(), &zones()).arc, Outcome::PermError, "{changed}");
        assert_eq!(sealed(changed.as_bytes(), "alice@acme.example"), None);
    }
    // As Rspamd has it.
    let alone = first.replacen("ARC-Message-Signature", "X", 1);
    assert_eq!(checked(alone.as_bytes(), &zones()).arc, Outcome::None);
}

#[test]
fn nothing_is_sealed_for_a_domain_without_keys_or_where_nobody_asks_for_it() {
    assert_eq!(sealed(LETTER.as_bytes(), "x@srs.northmail.example"), None);
    let message = received(LETTER.as_bytes(), "alice@acme.example");
    let authentication = checked(LETTER.as_bytes(), &zones());
    let without = Signing { seals: false, ..signing() };
    assert!(without.seal(&message, &authentication, "mx-1.northmail.example", NOW).is_none());
}

#[test]
fn a_key_that_was_not_made_vouches_for_nothing() {
    let mut zones = zones();
    zones.set_keys(Arc::new(Ring::default()));
    let message = signed(LETTER.as_bytes()).unwrap();
    assert!(checked(&message, &zones).dkim.iter().all(|one| one.outcome == Outcome::Fail));
    let order = signing().order(&received(LETTER.as_bytes(), "bob@bigmail.example"), NOW).unwrap();
    assert_eq!(order.carry_out(&Ring::default()), None);
}

#[test]
fn what_rspamd_has_signed_and_sealed_holds() {
    let mut zones = Zones::default();
    for line in include_str!("rspamd/keys.txt").lines() {
        let (name, text) = line.split_once(' ').unwrap();
        let (_, domain) = name.split_once("_domainkey.").unwrap();
        let mut zone = zones.remove(domain).unwrap_or_else(|| Zone::new(domain, 1).unwrap());
        zone.add(name, 60, Data::Txt(text.to_owned())).unwrap();
        zones.add(zone);
    }
    let network = |text: &str| text.replace("\r\n", "\n").replace('\n', "\r\n");
    let signed = network(include_str!("rspamd/signed.eml"));
    let found = checked(signed.as_bytes(), &zones);
    assert_eq!(found.dkim.iter().map(|one| one.outcome).collect::<Vec<_>>(), [Outcome::Pass; 2]);
    let sealed = network(include_str!("rspamd/sealed.eml"));
    assert_eq!(checked(sealed.as_bytes(), &zones).arc, Outcome::Pass);
    assert_eq!(checked(sealed.replace("Hello", "Hallo").as_bytes(), &zones).arc, Outcome::Fail);
    assert!(
        checked(signed.replace("Hello", "Hallo").as_bytes(), &zones).dkim.iter().all(|it| it.outcome != Outcome::Pass)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_signed_holds_until_an_octet_of_it_changes(
        subject in "[ -~]{0,30}",
        extra in proptest::collection::vec("(To|Cc|Reply-To|List-Id|X-Y|Resent-To|DKIM-Signature): [ -~]{0,20}(\r\n[ \t][!-~]{1,9})?", 0..6),
        body in "([ -~\t]{0,20}\r\n){0,6}",
        at in any::<proptest::sample::Index>(),
    ) {
        let fields: String = extra.iter().map(|line| format!("{line}\r\n")).collect();
        let content = format!("From: <alice@acme.example>\r\nSubject: {subject}\r\n{fields}\r\n{body}");
        let whole = [signed(content.as_bytes()).unwrap()].concat();
        prop_assert!(outcomes(&whole).starts_with(&[Outcome::Pass; 2]));
        let chain = sealed(&whole, "hank@globex.example").unwrap();
        prop_assert_eq!(checked(&chain, &zones()).arc, Outcome::Pass);
        // Every letter of the subject and of the body counts.
        let start = whole.len() - content.len();
        let subject_at = start + "From: <alice@acme.example>\r\nSubject: ".len();
        let body_at = whole.len() - body.len();
        let places: Vec<usize> = (subject_at..subject_at + subject.len()).chain(body_at..whole.len()).collect();
        let letters: Vec<usize> = places.into_iter().filter(|place| whole[*place].is_ascii_graphic()).collect();
        if !letters.is_empty() {
            let mut changed = whole.clone();
            let place = *at.get(&letters);
            changed[place] = if changed[place] == b'x' { b'y' } else { b'x' };
            prop_assert!(outcomes(&changed).iter().all(|outcome| *outcome != Outcome::Pass));
            let place = place + chain.len() - whole.len();
            let mut changed = chain;
            changed[place] = if changed[place] == b'x' { b'y' } else { b'x' };
            prop_assert_eq!(checked(&changed, &zones()).arc, Outcome::Fail);
        }
    }

    #[test]
    fn hostile_headers_are_signed_sealed_or_left_alone(
        lines in proptest::collection::vec(prop_oneof![
            "(ARC-Seal|ARC-Message-Signature|ARC-Authentication-Results|DKIM-Signature|arc-seal ): ?[a-z=;:0-9 \t/]{0,40}\r\n",
            "(ARC-Seal|ARC-Message-Signature|ARC-Authentication-Results): i=[0-9]{0,12}; (a=rsa-sha256; |cv=(none|pass|fail); |d=acme.example; s=r1; |h=from; |bh=; |b=; ){0,6}\r\n",
            "From: <alice@acme.example>\r\n",
            "[\\x00-\\xff]{0,20}\r?\n",
        ], 0..12),
        rest: Vec<u8>,
    ) {
        let content = [lines.concat().as_bytes(), &rest].concat();
        // A first line that goes on with the one before is none of its own.
        prop_assume!(!content.first().is_some_and(|first| b" \t".contains(first)));
        let before = checked(&content, &zones());
        if let Some(message) = signed(&content) {
            prop_assert!(outcomes(&message).starts_with(&[Outcome::Pass; 2]));
        }
        if let Some(message) = sealed(&content, "alice@acme.example") {
            let after = checked(&message, &zones()).arc;
            // What held holds, and what did not never does again.
            prop_assert_eq!(after == Outcome::Pass, before.arc == Outcome::Pass || starts_anew(&message));
        }
    }
}

/// Whether a seal is the only one.
fn starts_anew(message: &[u8]) -> bool {
    use crate::mime::header;
    let fields = || header::fields(header::block(message));
    let count = |name: &str| fields().filter(|field| field.is(name)).count();
    ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"].iter().all(|name| count(name) == 1)
}
