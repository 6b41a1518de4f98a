//! Patterns over mail addresses, such as `*@partner.example`.

use std::fmt;
use std::str::FromStr;

use crate::{HostName, LocalPart, MailAddress, ParseError, line::refuse_unseen, quoted, text_form::text_form};

/// Which senders a list means: one address, all of a domain (`*@partner.example`), or all below one (`*@*.partner.example`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressPattern {
    domain: HostName,
    below: bool,
    local: Option<LocalPart>,
}

impl AddressPattern {
    /// Returns the domain that the pattern speaks of.
    pub fn domain(&self) -> &HostName {
        &self.domain
    }

    /// Tells whether names below the domain are meant, and not the domain itself.
    pub fn below(&self) -> bool {
        self.below
    }

    /// Returns the one local part that is meant; `None` for all.
    pub fn local(&self) -> Option<&LocalPart> {
        self.local.as_ref()
    }

    /// Tells whether an address is meant.
    pub fn matches(&self, address: &MailAddress) -> bool {
        let domain =
            if self.below { address.domain().is_below(&self.domain) } else { *address.domain() == self.domain };
        domain && self.local.as_ref().is_none_or(|local| local == address.local())
    }
}

impl FromStr for AddressPattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_unseen(text)?;
        let Some((local, domain)) = text.rsplit_once('@') else {
            let help = match text.trim_start_matches("*.").parse::<HostName>() {
                Ok(_) => format!("write {} for all of its addresses", quoted(&format!("*@{text}"))),
                Err(_) => "write an address, or `*@` and a domain, such as `*@partner.example`".to_owned(),
            };
            return Err(ParseError::new(format!("the pattern {} has no `@`", quoted(text)), help));
        };
        let local = match local {
            "*" => None,
            local if local.contains('*') => {
                return Err(ParseError::new(
                    format!("the pattern {} has a `*` beside other characters", quoted(text)),
                    "write `*` alone before the `@`, or a whole local part",
                ));
            }
            local => Some(local.parse()?),
        };
        let (below, domain) = match domain.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, domain),
        };
        if domain.contains('*') {
            return Err(ParseError::new(
                format!("the pattern {} has a `*` inside its domain", quoted(text)),
                "write `*.` only in front of the whole domain",
            ));
        }
        Ok(Self { domain: domain.parse()?, below, local })
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.local {
            Some(local) => write!(f, "{local}@")?,
            None => f.write_str("*@")?,
        }
        if self.below {
            f.write_str("*.")?;
        }
        write!(f, "{}", self.domain)
    }
}

text_form!(AddressPattern);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_what_they_say() {
        let matches = |pattern: &str, address: &str| {
            pattern.parse::<AddressPattern>().unwrap().matches(&address.parse().unwrap())
        };
        assert!(matches("*@partner.example", "Bob@PARTNER.example"));
        assert!(!matches("*@partner.example", "bob@mail.partner.example"));
        assert!(matches("*@*.partner.example", "bob@mail.partner.example"));
        assert!(!matches("*@*.partner.example", "bob@partner.example"));
        assert!(matches("bob@partner.example", "BOB@partner.example"));
        assert!(!matches("bob@partner.example", "eve@partner.example"));
    }

    #[test]
    fn what_is_no_pattern_says_what_to_write() {
        let help = |text: &str| text.parse::<AddressPattern>().unwrap_err().help().to_owned();
        assert_eq!(help("partner.example"), "write `*@partner.example` for all of its addresses");
        assert_eq!(help("b*@partner.example"), "write `*` alone before the `@`, or a whole local part");
        assert_eq!(help("*@a.*.example"), "write `*.` only in front of the whole domain");
    }

    proptest! {
        #[test]
        fn any_text_is_a_pattern_or_refused(text in "[*a-z@.\"]{0,20}") {
            if let Ok(pattern) = text.parse::<AddressPattern>() {
                prop_assert_eq!(pattern.to_string().parse::<AddressPattern>().unwrap(), pattern);
            }
        }
    }
}
