//! Accounts to try: those whose passwords are generated and shown.

use blueprint::Roster;
use blueprint::launch::{Account, AccountKind, Internet};
use blueprint::roster::{Mailbox, TierKind};
use values::{MailAddress, Name};

/// Accounts that are listed at most.
const MOST: usize = 100;
/// Of these, so many may be the simulated internet's.
const MOST_INTERNET: usize = 20;

/// Returns each reseller's admins and first mailboxes, then those of the simulated internet.
pub fn accounts(roster: &Roster, internet: &Internet) -> Vec<Account> {
    let outside: Vec<MailAddress> = internet
        .domains
        .iter()
        .flat_map(|domain| domain.mailboxes.iter().map(|local| MailAddress::new(local.clone(), domain.name.clone())))
        .take(MOST_INTERNET)
        .collect();
    let mut accounts: Vec<Account> = roster
        .resellers
        .iter()
        .flat_map(|reseller| &reseller.admins)
        .take(MOST - outside.len())
        .map(|address| Account { address: address.clone(), kind: AccountKind::Reseller })
        .collect();
    let room = MOST - outside.len() - accounts.len();
    let share = room.checked_div(roster.resellers.len()).unwrap_or(0).max(usize::from(room > 0));
    let mut left = room;
    for reseller in &roster.resellers {
        let first: Vec<Account> = mailboxes(roster, &reseller.name)
            .take(share.min(left))
            .map(|mailbox| Account { address: mailbox.address.clone(), kind: AccountKind::Mailbox })
            .collect();
        left -= first.len();
        accounts.extend(first);
    }
    accounts.extend(outside.into_iter().map(|address| Account { address, kind: AccountKind::Internet }));
    accounts
}

/// Returns a reseller's mailboxes that somebody can sign in to.
fn mailboxes<'r>(roster: &'r Roster, reseller: &Name) -> impl Iterator<Item = &'r Mailbox> {
    let domains: Vec<_> = roster.domains.iter().filter(|domain| domain.reseller == *reseller).collect();
    roster.mailboxes.iter().filter(move |mailbox| {
        let Some(domain) = domains.iter().find(|domain| domain.name == *mailbox.address.domain()) else { return false };
        let name = mailbox.tier.as_ref().unwrap_or(&domain.tier);
        roster.tiers.iter().any(|tier| tier.name == *name && tier.kind == TierKind::Mailbox)
    })
}
