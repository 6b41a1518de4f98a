//! Who a message from outside really comes from: SPF (RFC 7208), DKIM (RFC 6376), ARC (RFC 8617), DMARC (RFC 7489), told as RFC 8601
//! has it.
//!
//! Names are looked up in the world's own zones; nothing waits.

pub(crate) mod arc;
pub(crate) mod canonical;
mod dkim;
mod dmarc;
mod spf;

use std::net::IpAddr;

use values::{HostName, MailAddress};

use crate::dns::Zones;
use crate::mime::{address, header};

pub use dmarc::Policy;

/// The field that says what came of the checks.
const RESULTS: &str = "Authentication-Results";

/// What is known of a message when it is checked.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The host that hands it in.
    pub peer: IpAddr,
    /// The name it greeted with.
    pub greeting: &'a str,
    /// The reverse-path; `None` for a notice.
    pub sender: Option<&'a MailAddress>,
    /// The message.
    pub content: &'a [u8],
    /// Seconds since 1970.
    pub now: u64,
}

/// What came of a check (RFC 8601 §2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// There was nothing to check.
    None,
    /// It is as it claims.
    Pass,
    /// It is not.
    Fail,
    /// It is probably not.
    SoftFail,
    /// Its domain does not say.
    Neutral,
    /// Its domain says something that makes no sense.
    PermError,
}

impl Outcome {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::PermError => "permerror",
        }
    }
}

/// What came of all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// Whether the host may send for the reverse-path's domain, and that domain.
    pub spf: (Outcome, String),
    /// What came of each signature.
    pub dkim: Vec<Signature>,
    /// Whether what hosts before have found is sealed.
    pub arc: Outcome,
    /// Whether one of them speaks for the author's domain, and that domain.
    pub dmarc: (Outcome, String),
    /// What the author's domain wants done with what fails.
    pub policy: Policy,
}

/// What came of one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Whether it holds.
    pub outcome: Outcome,
    /// Whose it is.
    pub domain: String,
    /// The name of its key below that.
    pub selector: String,
}

/// Checks a message.
pub fn check(claim: &Claim<'_>, zones: &Zones) -> Authentication {
    let domain = claim.sender.map_or(claim.greeting, |sender| sender.domain().as_str()).to_ascii_lowercase();
    let spf = (spf::check(claim.peer, &domain, claim.sender, zones), domain);
    let dkim = dkim::check(claim.content, claim.now, zones);
    let arc = arc::check(claim.content, claim.now, zones);
    let author = author(claim.content);
    let (dmarc, policy) = match &author {
        Some(author) => dmarc::check(author.as_str(), &spf, &dkim, zones),
        None => (Outcome::None, Policy::None),
    };
    let author = author.map(|author| author.to_string()).unwrap_or_default();
    Authentication { spf, dkim, arc, dmarc: (dmarc, author), policy }
}

/// Returns the domain of the one author; a message with several, or with none, has no domain that speaks for it (RFC 7489 §6.6.1).
pub(crate) fn author(content: &[u8]) -> Option<HostName> {
    let mut fields = header::fields(header::block(content)).filter(|field| field.is("From"));
    let (field, more) = (fields.next()?, fields.next());
    let mailboxes = address::read(&field.unfolded()).ok()?;
    match (mailboxes.as_slice(), more) {
        ([one], None) => one.address.parse::<MailAddress>().ok().map(|address| address.domain().clone()),
        _ => None,
    }
}

impl Authentication {
    /// Writes the results as a header field, with its line end.
    ///
    /// - `host`: who has checked.
    pub fn field(&self, host: &str) -> String {
        format!("{RESULTS}: {}\r\n", self.results(host))
    }

    /// Writes the results as they stand in a field, folded.
    pub(crate) fn results(&self, host: &str) -> String {
        let mut text = host.to_owned();
        if self.dkim.is_empty() {
            text.push_str(";\r\n\tdkim=none");
        }
        for signature in &self.dkim {
            text.push_str(&format!(";\r\n\tdkim={}", signature.outcome.name()));
            for (name, value) in [("d", &signature.domain), ("s", &signature.selector)] {
                if is_plain(value) {
                    text.push_str(&format!(" header.{name}={value}"));
                }
            }
        }
        text.push_str(&format!(";\r\n\tspf={}", self.spf.0.name()));
        if is_plain(&self.spf.1) {
            text.push_str(&format!(" smtp.mailfrom={}", self.spf.1));
        }
        text.push_str(&format!(";\r\n\tdmarc={}", self.dmarc.0.name()));
        if is_plain(&self.dmarc.1) {
            text.push_str(&format!(" header.from={}", self.dmarc.1));
        }
        // Rspamd's words; of a chain that is not there nothing is told.
        let arc = match self.arc {
            Outcome::None => None,
            Outcome::Fail => Some("reject"),
            other => Some(other.name()),
        };
        if let Some(arc) = arc {
            text.push_str(&format!(";\r\n\tarc={arc}"));
        }
        text
    }
}

/// Takes the results that others claim out of a message, so that those of this platform are the only ones (RFC 8601 §5).
///
/// - Returns: `None` where there are none.
pub fn without_results(content: &[u8]) -> Option<Vec<u8>> {
    let mut claimed = header::fields(header::block(content)).filter(|field| field.is(RESULTS)).peekable();
    claimed.peek()?;
    let mut kept = Vec::with_capacity(content.len());
    let mut at = 0;
    for field in claimed {
        kept.extend_from_slice(content.get(at..field.whole.start).unwrap_or_default());
        at = field.whole.end;
    }
    kept.extend_from_slice(content.get(at..).unwrap_or_default());
    Some(kept)
}

/// Tells whether a text from a stranger may stand in a header as it is.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() < 254
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// A text at a name.
enum Text {
    Known(String),
    /// A key that nobody has asked for yet.
    NotMade,
}

/// Returns the texts at a name.
fn texts(zones: &Zones, name: &str) -> Vec<Text> {
    let found = zones.lookup(name, crate::dns::Kind::Txt);
    let records = found.records.into_iter();
    records
        .filter_map(|(_, record)| match record.data {
            crate::dns::Data::Txt(text) => Some(Text::Known(text)),
            crate::dns::Data::SigningKey(key) => Some(zones.made_key(&key).map_or(Text::NotMade, Text::Known)),
            _ => None,
        })
        .collect()
}

/// Returns the texts at a name that are no keys.
fn plain_texts(zones: &Zones, name: &str) -> impl Iterator<Item = String> + use<> {
    texts(zones, name).into_iter().filter_map(|text| if let Text::Known(text) = text { Some(text) } else { None })
}

/// Reads a list of `name=value` with semicolons between (RFC 6376 §3.2).
pub(crate) fn tags(text: &str) -> Vec<(String, String)> {
    let parts = text.split(';').filter_map(|part| part.split_once('='));
    parts.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned())).collect()
}

pub(crate) fn tag<'a>(tags: &'a [(String, String)], name: &str) -> Option<&'a str> {
    tags.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Data, Zone};

    fn zones(records: &[(&str, Data)]) -> Zones {
        let mut zones = Zones::default();
        let mut zone = Zone::new("example", 1).unwrap();
        for (name, data) in records {
            zone.add(name, 60, data.clone()).unwrap();
        }
        zones.add(zone);
        zones
    }

    fn text(text: &str) -> Data {
        Data::Txt(text.to_owned())
    }

    fn spf_of(policy: &str, peer: &str) -> Outcome {
        let zones = zones(&[
            ("a.example", text(policy)),
            ("a.example", Data::A([192, 0, 2, 9].into())),
            ("a.example", Data::Mx { preference: 1, exchange: "mx.a.example".to_owned() }),
            ("mx.a.example", Data::A([192, 0, 2, 10].into())),
            ("b.example", text("v=spf1 ip4:192.0.2.1 -all")),
            ("loop.example", text("v=spf1 include:loop.example -all")),
        ]);
        spf::check(peer.parse().unwrap(), "a.example", None, &zones)
    }

    #[test]
    fn a_policy_says_who_sends() {
        for (policy, peer, expected) in [
            ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.77", Outcome::Pass),
            ("v=spf1 ip4:192.0.2.0/24 -all", "198.51.100.1", Outcome::Fail),
            ("v=spf1 ip4:192.0.2.0/24 ~all", "198.51.100.1", Outcome::SoftFail),
            ("v=spf1 ip4:192.0.2.0/24 ?all", "198.51.100.1", Outcome::Neutral),
            ("v=spf1 ip4:192.0.2.0/24", "198.51.100.1", Outcome::Neutral),
            ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::1", Outcome::Pass),
            ("v=spf1 a -all", "192.0.2.9", Outcome::Pass),
            ("v=spf1 mx -all", "192.0.2.10", Outcome::Pass),
            ("v=spf1 a:mx.a.example/31 -all", "192.0.2.11", Outcome::Pass),
            ("v=spf1 include:b.example -all", "192.0.2.1", Outcome::Pass),
            ("v=spf1 include:b.example -all", "192.0.2.2", Outcome::Fail),
            ("v=spf1 include:nowhere.example -all", "192.0.2.2", Outcome::PermError),
            ("v=spf1 redirect=b.example", "192.0.2.1", Outcome::Pass),
            ("v=spf1 include:loop.example -all", "192.0.2.1", Outcome::PermError),
            ("v=spf1 frobnicate -all", "192.0.2.1", Outcome::PermError),
            ("v=spf10 -all", "192.0.2.1", Outcome::None),
            ("hello", "192.0.2.1", Outcome::None),
        ] {
            assert_eq!(spf_of(policy, peer), expected, "{policy} {peer}");
        }
    }

    fn checked(sender: &str, author: &str, peer: &str) -> Authentication {
        let zones = zones(&[
            ("a.example", text("v=spf1 ip4:192.0.2.1 -all")),
            ("_dmarc.a.example", text("v=DMARC1; p=reject; sp=quarantine")),
            ("strict.example", text("v=spf1 ip4:192.0.2.1 -all")),
            ("_dmarc.strict.example", text("v=DMARC1; p=reject; aspf=s")),
        ]);
        let content = format!("From: <{author}>\r\nSubject: x\r\n\r\nhello\r\n");
        let sender: MailAddress = sender.parse().unwrap();
        let claim = Claim {
            peer: peer.parse().unwrap(),
            greeting: "x.example",
            sender: Some(&sender),
            content: content.as_bytes(),
            now: 0,
        };
        check(&claim, &zones)
    }

    #[test]
    fn an_author_is_vouched_for_by_a_domain_of_the_same_organisation() {
        for (sender, author, peer, expected, policy) in [
            ("x@a.example", "y@a.example", "192.0.2.1", Outcome::Pass, Policy::Reject),
            ("x@a.example", "y@a.example", "192.0.2.2", Outcome::Fail, Policy::Reject),
            ("x@a.example", "y@b.a.example", "192.0.2.1", Outcome::Pass, Policy::Quarantine),
            ("x@c.example", "y@a.example", "192.0.2.1", Outcome::Fail, Policy::Reject),
            ("x@sub.strict.example", "y@strict.example", "192.0.2.1", Outcome::Fail, Policy::Reject),
            ("x@a.example", "y@none.example", "192.0.2.1", Outcome::None, Policy::None),
        ] {
            let found = checked(sender, author, peer);
            assert_eq!((found.dmarc.0, found.policy), (expected, policy), "{sender} {author} {peer}");
        }
    }

    #[test]
    fn results_are_told_in_one_field() {
        let field = checked("x@a.example", "y@a.example", "192.0.2.1").field("mx-1.example");
        assert_eq!(
            field,
            "Authentication-Results: mx-1.example;\r\n\tdkim=none;\r\n\tspf=pass smtp.mailfrom=a.example;\r\n\t\
             dmarc=pass header.from=a.example\r\n"
        );
    }

    #[test]
    fn results_that_others_claim_are_taken_out_wherever_they_stand() {
        let claimed = "Authentication-Results: mx-1.example;\r\n\tspf=pass\r\nA: 1\r\nauthentication-results : x; dkim=pass\r\n\
                       ARC-Authentication-Results: i=1; y\r\n\r\nAuthentication-Results: stays\r\n";
        let kept = without_results(claimed.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(kept.clone()).unwrap(),
            "A: 1\r\nARC-Authentication-Results: i=1; y\r\n\r\nAuthentication-Results: stays\r\n"
        );
        assert_eq!(without_results(&kept), None);
        assert_eq!(without_results(b"Authentication-Results: x").as_deref(), Some(&b""[..]));
    }

    proptest::proptest! {
        #[test]
        fn no_claimed_result_is_left_and_the_body_is_as_it_was(
            lines in proptest::collection::vec("(Authentication-Results|authentication-results ?|Subject|X):[ a-z;=]{0,9}(\\r\\n[ \t][a-z]{0,3})?(\\r\\n|\\n)|[ -~]{0,12}\\r\\n", 0..9),
            rest: Vec<u8>,
        ) {
            let content = [lines.concat().as_bytes(), b"\r\n", &rest].concat();
            let kept = without_results(&content).unwrap_or_else(|| content.clone());
            proptest::prop_assert!(!header::fields(header::block(&kept)).any(|field| field.is("Authentication-Results")));
            let body = |text: &[u8]| text.get(header::split(text).1..).unwrap_or_default().to_vec();
            proptest::prop_assert_eq!(body(&kept), body(&content));
        }

        #[test]
        fn foreign_policies_and_messages_never_panic(policy in "v=spf1( [-~?+]?(ip4|ip6|a|mx|include|exists|redirect)?[:=/.0-9a-z]{0,12}){0,6}", content: Vec<u8>, signature in "[a-z]=[a-z0-9;=:/ ]{0,60}") {
            let _ = spf_of(&policy, "192.0.2.1");
            let zones = Zones::default();
            let mut message = format!("DKIM-Signature: {signature}\r\n").into_bytes();
            message.extend_from_slice(&content);
            let claim = Claim { peer: "192.0.2.1".parse().unwrap(), greeting: "x", sender: None, content: &message, now: 0 };
            let _ = check(&claim, &zones).field("x");
        }
    }
}
