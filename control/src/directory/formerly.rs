//! Under which names accounts were known before they were renamed, for mail that was taken under these.
//!
//! Only renames that were carried out count: what merely says `renamed-from` may name anybody's address. They are forgotten
//! when no queue holds mail of that time any more.

use std::time::Duration;

use blueprint::Blueprint;
use serde::{Deserialize, Serialize};
use values::{HostName, LocalPart, MailAddress};

use super::{Directory, DirectoryError, account, domain, recipient};

/// How long mail waits for a seed's moves to end before it is put off.
const PATIENCE: Duration = Duration::from_secs(60);
/// Renames in a row that are followed.
const MOST_RENAMES: usize = 16;

/// What was renamed lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Formerly {
    domains: Vec<Former<HostName>>,
    accounts: Vec<Former<MailAddress>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Former<N> {
    from: N,
    to: N,
    /// The second from which no mail can wait for it.
    until: i64,
}

/// Renames that a seed carried out, as the old and the new name each.
#[derive(Debug, Default)]
pub(super) struct Renamed {
    pub(super) domains: Vec<(HostName, HostName)>,
    pub(super) accounts: Vec<(MailAddress, MailAddress)>,
}

impl Formerly {
    pub(crate) fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.accounts.is_empty()
    }

    /// Returns what is known after some more renames.
    pub(super) fn with(mut self, renamed: &Renamed, blueprint: &Blueprint, now: i64) -> Self {
        let lifetime = i64::try_from(blueprint.mail.queue_lifetime.as_seconds()).unwrap_or(i64::MAX);
        let until = now.saturating_add(lifetime);
        self.domains.retain(|it| now < it.until);
        self.accounts.retain(|it| now < it.until);
        for (from, to) in &renamed.domains {
            self.domains.push(Former { from: from.clone(), to: to.clone(), until });
        }
        for (from, to) in &renamed.accounts {
            // Of a whole domain its own name says enough.
            if from.local() != to.local() {
                self.accounts.push(Former { from: from.clone(), to: to.clone(), until });
            }
        }
        self
    }

    /// Returns what an address is called after one rename, the latest that it had.
    fn next(&self, address: &MailAddress, now: i64) -> Option<MailAddress> {
        let account = self.accounts.iter().rev().find(|it| it.from == *address && now < it.until);
        let domain = || {
            let domain = self.domains.iter().rev().find(|it| it.from == *address.domain() && now < it.until)?;
            Some(MailAddress::new(address.local().clone(), domain.to.clone()))
        };
        account.map(|it| it.to.clone()).or_else(domain)
    }

    /// Returns every name that an address had after another since, each a rename of the one before it.
    fn chain(&self, address: &MailAddress, now: i64) -> Vec<MailAddress> {
        let mut names: Vec<MailAddress> = Vec::new();
        while names.len() < MOST_RENAMES
            && let Some(next) = self.next(names.last().unwrap_or(address), now)
            && next != *address
            && !names.contains(&next)
        {
            names.push(next);
        }
        names
    }
}

impl Directory {
    /// Returns the address that an account has now which had another one when mail for it was taken.
    ///
    /// - `address`: as the mail was taken; with its detail, if it has one.
    /// - Returns: `None` where nothing was renamed, or somebody else has the old address now.
    pub async fn renamed_since(&self, address: &MailAddress) -> Result<Option<MailAddress>, DirectoryError> {
        let Some(facts) = self.facts().filter(|facts| !facts.formerly.is_empty()) else { return Ok(None) };
        let now = self.now();
        let separator = facts.subaddressing.map(String::from).unwrap_or_default();
        let split = address.local().split_detail(&separator);
        let base = split.map(|(base, detail)| (MailAddress::new(base, address.domain().clone()), detail));
        let mut connection = self.readers.acquire().await?;
        for (name, detail) in [Some((address.clone(), "")), base].into_iter().flatten() {
            let holder = match domain::meant(&mut connection, name.domain().as_str()).await? {
                Some(domain) => recipient::find(&mut connection, name.local(), &domain.name).await?,
                None => None,
            };
            for next in facts.formerly.chain(&name, now).iter().rev() {
                if account::at(&mut connection, &next.key(), None).await?.is_none() {
                    continue;
                }
                if holder.as_ref().is_some_and(|holder| holder.address != *next) {
                    return Ok(None);
                }
                let local = match detail {
                    "" => Some(next.local().clone()),
                    detail => format!("{}{separator}{detail}", next.local().as_str()).parse::<LocalPart>().ok(),
                };
                return Ok(local.map(|local| MailAddress::new(local, next.domain().clone())));
            }
        }
        Ok(None)
    }

    /// Tells whether the mail of every account lies under the address that it has.
    pub fn is_settled_now(&self) -> bool {
        *self.settled.borrow()
    }

    /// Waits until the mail of every account lies under the address that it has, which a seed may have changed.
    ///
    /// - Returns: whether it does, after a minute at most.
    pub async fn is_settled(&self) -> bool {
        let mut settled = self.settled.subscribe();
        let settled = tokio::time::timeout(PATIENCE, settled.wait_for(|settled| *settled));
        matches!(settled.await, Ok(Ok(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> MailAddress {
        text.parse().unwrap()
    }

    fn formerly() -> Formerly {
        let account = |from, to, until| Former { from: address(from), to: address(to), until };
        let domain = |from: &str, to: &str| Former { from: from.parse().unwrap(), to: to.parse().unwrap(), until: 10 };
        Formerly {
            domains: vec![domain("old.example", "new.example")],
            accounts: vec![
                account("ann@old.example", "anna@old.example", 5),
                account("eve@old.example", "adam@old.example", 10),
                account("adam@old.example", "eve@old.example", 10),
            ],
        }
    }

    fn check(now: i64, from: &str, expected: &[&str]) {
        let found = formerly().chain(&address(from), now);
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{from} at {now}");
    }

    #[test]
    fn names_are_followed_one_after_the_other_and_for_a_time_only() {
        check(0, "ann@old.example", &["anna@old.example", "anna@new.example"]);
        check(5, "ann@old.example", &["ann@new.example"]);
        check(10, "ann@old.example", &[]);
        check(0, "ann@else.example", &[]);
    }

    #[test]
    fn names_that_were_exchanged_do_not_go_round() {
        check(0, "eve@old.example", &["adam@old.example"]);
    }
}
