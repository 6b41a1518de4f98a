//! Signing what the platform's users send (RFC 6376, RFC 8463), and sealing what comes from outside (RFC 8617).
//!
//! What is to be done stands in an [`Order`]. Signing takes longer than everything else that a message goes through, and a key may
//! have to be made first: whoever needs a signature gives an order out and goes on meanwhile.

mod arc;
mod dkim;
mod key;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use values::HostName;

pub use dkim::sign;
pub use key::{Algorithm, Keys, PrivateKey, Ring};

use crate::authentication::{self, Authentication, Outcome};
use crate::smtp::Received;

/// Whose mail is signed, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signing {
    /// The keys of each domain's mail, in the order in which they sign.
    pub domains: BTreeMap<HostName, Arc<[KeyName]>>,
    /// Whether mail from outside is sealed for the domain that it is for.
    pub seals: bool,
}

/// A key, as a plan names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName {
    /// Its name below the domain's `_domainkey`.
    pub selector: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The name that [`Keys`] know it by.
    pub name: String,
}

/// Something to be signed.
#[derive(Clone, Debug)]
pub struct Order {
    message: Arc<Received>,
    domain: HostName,
    keys: Vec<KeyName>,
    /// Seconds since 1970.
    now: u64,
    work: Work,
}

#[derive(Clone, Debug)]
enum Work {
    Sign,
    Seal {
        /// What came of the chain that is there.
        chain: Outcome,
        /// All results, as they stand in a field.
        results: String,
    },
}

impl Signing {
    /// Returns what is to be signed of a message of somebody who signed in: it is signed with each key of its author's domain.
    ///
    /// - Returns: `None` where nothing is: the domain has no keys, or there are several authors.
    pub fn order(&self, message: &Arc<Received>, now: u64) -> Option<Order> {
        let domain = authentication::author(&message.content)?;
        let keys = self.domains.get(&domain)?.to_vec();
        Some(Order { message: Arc::clone(message), domain, keys, now, work: Work::Sign })
    }

    /// Returns what is to be sealed of a message from outside: it is sealed for the domain of its first recipient, with the first of
    /// its keys that can (RFC 8617 knows RSA alone).
    ///
    /// - `host`: who has checked it.
    /// - Returns: `None` where nothing is: the domain has no such key.
    pub fn seal(
        &self,
        message: &Arc<Received>,
        authentication: &Authentication,
        host: &str,
        now: u64,
    ) -> Option<Order> {
        let domain = message.envelope.recipients.first()?.address.domain();
        let key = self.domains.get(domain)?.iter().find(|key| key.algorithm == Algorithm::Rsa)?;
        if !self.seals {
            return None;
        }
        let work = Work::Seal { chain: authentication.arc, results: authentication.results(host) };
        Some(Order { message: Arc::clone(message), domain: domain.clone(), keys: vec![key.clone()], now, work })
    }
}

impl Order {
    /// Signs; may wait for keys.
    ///
    /// - Returns: the fields that go on top of the message, each with its line end; `None` where no key is to be had.
    pub fn carry_out(&self, keys: &dyn Keys) -> Option<Vec<u8>> {
        let content = &self.message.content;
        let domain = self.domain.as_str();
        let keys: Vec<(&str, Arc<PrivateKey>)> =
            self.keys.iter().filter_map(|key| Some((key.selector.as_str(), keys.key(&key.name)?))).collect();
        let fields: Vec<String> = match &self.work {
            Work::Sign => {
                keys.iter().filter_map(|(selector, key)| sign(content, domain, selector, key, Some(self.now))).collect()
            }
            Work::Seal { chain, results } => {
                let (selector, key) = keys.first()?;
                arc::seal(content, *chain, results, &arc::Seal { domain, selector, key, now: self.now })
                    .into_iter()
                    .collect()
            }
        };
        (!fields.is_empty()).then(|| fields.concat().into_bytes())
    }
}
