//! What shows in DNS that a domain is a reseller's: a TXT record that only who holds the domain can publish.
//!
//! The record names nobody, but it is of one operator, one reseller and one domain, so that no other of them can use it. It is no
//! secret: knowing it helps nobody who cannot write into the domain's zone.

use sha2::{Digest, Sha256};
use values::{HostName, Name};

/// What stands before the token in the record.
const WORD: &str = "mailwright-verification=";

/// The claim that a domain is a reseller's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The operator's service domain.
    pub operator: HostName,
    /// The reseller.
    pub reseller: Name,
    /// The domain, or an alias of one.
    pub domain: HostName,
}

impl Claim {
    /// Returns the name that the record is published at.
    pub fn record_name(&self) -> String {
        format!("_mailwright.{}", self.domain)
    }

    /// Returns the record's text: a word, and the first 32 hexadecimal digits of the SHA-256 of `OPERATOR/RESELLER/DOMAIN`.
    pub fn record_text(&self) -> String {
        let digest = Sha256::digest(format!("{}/{}/{}", self.operator, self.reseller, self.domain));
        let token: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{WORD}{token}")
    }

    /// Tells whether one of the texts that were found at the record's name is the claim's.
    pub fn is_shown_by(&self, texts: &[String]) -> bool {
        let wanted = self.record_text();
        texts.iter().any(|text| text.trim_ascii() == wanted)
    }
}

/// Tells whether a domain is reserved for documentation and tests: nobody holds it, so that nobody can prove it (RFC 2606, RFC 6761).
pub fn is_reserved(domain: &HostName) -> bool {
    let labels: Vec<&str> = domain.labels().rev().take(2).collect();
    matches!(labels.as_slice(), ["example" | "test" | "invalid" | "localhost", ..] | ["com" | "net" | "org", "example"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(operator: &str, reseller: &str, domain: &str) -> Claim {
        Claim {
            operator: operator.parse().unwrap(),
            reseller: reseller.parse().unwrap(),
            domain: domain.parse().unwrap(),
        }
    }

    #[test]
    fn a_record_is_what_anybody_can_work_out_with_sha256sum() {
        let claim = claim("northmail.example", "acme", "acme.net");
        assert_eq!(claim.record_name(), "_mailwright.acme.net");
        // printf %s northmail.example/acme/acme.net | sha256sum | cut -c1-32
        assert_eq!(claim.record_text(), "mailwright-verification=58c39f602adac0ade0a3d8ae7d63be9e");
        let found =
            |texts: &[&str]| claim.is_shown_by(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert!(found(&["v=spf1 -all", &claim.record_text()]));
        assert!(
            !found(&[]) && !found(&["mailwright-verification="]) && !found(&[&format!("{}0", claim.record_text())])
        );
    }

    #[test]
    fn no_other_operator_reseller_or_domain_has_the_same_record() {
        let all = [
            claim("a.net", "acme", "acme.net"),
            claim("b.net", "acme", "acme.net"),
            claim("a.net", "globex", "acme.net"),
            claim("a.net", "acme", "globex.net"),
        ];
        let texts: std::collections::BTreeSet<String> = all.iter().map(Claim::record_text).collect();
        assert_eq!(texts.len(), all.len());
    }

    #[test]
    fn what_is_reserved_belongs_to_nobody() {
        for (domain, reserved) in [
            ("acme.example", true),
            ("mail.acme.test", true),
            ("example.com", true),
            ("a.example.org", true),
            ("acme.com", false),
            ("example.de", false),
            ("example.acme.net", false),
        ] {
            assert_eq!(is_reserved(&domain.parse().unwrap()), reserved, "{domain}");
        }
    }
}
