//! Accounts to try: those whose passwords are generated and shown.

use std::collections::{BTreeMap, BTreeSet};

use blueprint::launch::{Account, AccountKind, Internet};
use blueprint::roster::{Mailbox, TierKind};
use blueprint::{Blueprint, Roster, offices};
use values::{MailAddress, Name};

/// Accounts that are listed at most.
const MOST: usize = 100;
/// Of these, so many may be the simulated internet's.
const MOST_INTERNET: usize = 20;

/// Returns each reseller's admins and first mailboxes, the operator's own, then those of the simulated internet.
pub fn accounts(blueprint: &Blueprint, roster: &Roster, internet: &Internet) -> Vec<Account> {
    let outside: Vec<MailAddress> = internet
        .domains
        .iter()
        .flat_map(|domain| domain.mailboxes.iter().map(|local| MailAddress::new(local.clone(), domain.name.clone())))
        .take(MOST_INTERNET)
        .collect();
    let own: Vec<MailAddress> = offices::mailboxes(blueprint, roster);
    let mut accounts: Vec<Account> = roster
        .resellers
        .iter()
        .flat_map(|reseller| &reseller.admins)
        .take(MOST - outside.len() - own.len())
        .map(|address| Account { address: address.clone(), kind: AccountKind::Reseller })
        .collect();
    let room = MOST - outside.len() - own.len() - accounts.len();
    let share = room.checked_div(roster.resellers.len()).unwrap_or(0).max(usize::from(room > 0));
    let mut left = room;
    let mut taken: BTreeMap<&Name, usize> = BTreeMap::new();
    let mut first = Vec::new();
    for (reseller, mailbox) in mailboxes(roster) {
        if left == 0 {
            break;
        }
        let count = taken.entry(reseller).or_default();
        if *count < share {
            *count += 1;
            left -= 1;
            first.push((reseller, mailbox));
        }
    }
    first.sort_by_key(|(reseller, mailbox)| (*reseller, &mailbox.address));
    accounts.extend(
        first.into_iter().map(|(_, mailbox)| Account { address: mailbox.address.clone(), kind: AccountKind::Mailbox }),
    );
    accounts.extend(own.into_iter().map(|address| Account { address, kind: AccountKind::Mailbox }));
    accounts.extend(outside.into_iter().map(|address| Account { address, kind: AccountKind::Internet }));
    accounts
}

/// Returns the mailboxes that somebody can sign in to, each with its reseller.
fn mailboxes(roster: &Roster) -> impl Iterator<Item = (&Name, &Mailbox)> {
    let domains: BTreeMap<_, _> = roster.domains.iter().map(|domain| (&domain.name, domain)).collect();
    let tiers: BTreeSet<&Name> =
        roster.tiers.iter().filter(|tier| tier.kind == TierKind::Mailbox).map(|tier| &tier.name).collect();
    roster.mailboxes.iter().filter_map(move |mailbox| {
        let domain = domains.get(mailbox.address.domain())?;
        tiers.contains(mailbox.tier.as_ref().unwrap_or(&domain.tier)).then_some((&domain.reseller, mailbox))
    })
}
