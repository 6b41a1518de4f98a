//! Where mail for an address goes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use blueprint::roster::FilterMx;
use values::{HostName, LocalPart, MailAddress};

use super::domain::{self, DomainRow};
use super::{Account, Connection, Directory, DirectoryError, Effective, Facts, Kind, account};
use crate::answers::{Autoreply, Delivery, DeliveryMailbox, Filtered, RecipientAnswer, Service};
use crate::password::locked;

/// Accounts that one address may expand to; what lies beyond gets nothing.
const MOST_ACCOUNTS: usize = 5_000;

/// Answers that are remembered.
const MOST_REMEMBERED: usize = 20_000;

/// Answers that hold until the next change.
#[derive(Default)]
pub(super) struct Remembered {
    /// Counts changes, so that an answer from before one is not kept after it.
    pub(super) generation: u64,
    pub(super) answers: HashMap<String, (RecipientAnswer, i64)>,
}

/// What an address is.
enum Resolved {
    Elsewhere,
    /// Until a second from which a catch-all may take it.
    Unknown {
        until: i64,
    },
    Account(Box<(Account, DomainRow)>),
}

impl Directory {
    /// Returns where mail for an address goes, already expanded.
    ///
    /// Looks for the address itself, an alias, the same without its detail, the domain's catch-all, in this order; domains that are
    /// aliases stand for their domain. Loops of forwards end where they close. What a domain has no address for and RFC 5321 §4.5.1 or
    /// RFC 2142 wants read (`postmaster`, `abuse`) goes to the operator.
    pub async fn recipient(&self, address: &MailAddress) -> Result<RecipientAnswer, DirectoryError> {
        let (key, now) = (address.key(), self.now());
        let generation = {
            let remembered = locked(&self.remembered);
            if let Some((answer, until)) = remembered.answers.get(&key)
                && now < *until
            {
                return Ok(answer.clone());
            }
            remembered.generation
        };
        let Some(facts) = self.facts() else { return Ok(RecipientAnswer::Elsewhere) };
        let (answer, until) = self.look_up(&facts, address, now).await?;
        let mut remembered = locked(&self.remembered);
        if remembered.generation == generation && !self.database.is_shared() {
            if remembered.answers.len() >= MOST_REMEMBERED {
                remembered.answers = HashMap::new();
            }
            remembered.answers.insert(key, (answer.clone(), until));
        }
        Ok(answer)
    }

    /// Returns the answer and the second from which it no longer holds.
    async fn look_up(
        &self,
        facts: &Arc<Facts>,
        address: &MailAddress,
        now: i64,
    ) -> Result<(RecipientAnswer, i64), DirectoryError> {
        let mut connection = self.readers.acquire().await?;
        let root = match resolve(&mut connection, facts, address, now).await? {
            Resolved::Elsewhere => return Ok((RecipientAnswer::Elsewhere, i64::MAX)),
            Resolved::Unknown { until } => return Ok((RecipientAnswer::Unknown, until)),
            Resolved::Account(root) => *root,
        };
        let Some(effective) = Effective::of(facts, &root.0, &root.1).filter(Effective::receives) else {
            return Ok((RecipientAnswer::Disabled, i64::MAX));
        };
        let (autoreply, until) = autoreply(&root.0, now);
        let mut expansion = expand(&mut connection, facts, root, now).await?;
        if expansion.mailboxes.is_empty() && expansion.forwards.is_empty() && expansion.filtered.is_empty() {
            return Ok((RecipientAnswer::Disabled, until));
        }
        // Whom a list or a forward leads to has no say in what becomes of spam.
        let held = std::mem::take(&mut expansion.filtered);
        let filtered = held.into_iter().map(|it| Filtered { holds: effective.holds, ..it }).collect();
        let delivery = Delivery {
            mailboxes: expansion.mailboxes.into_iter().collect(),
            forwards: expansion.forwards.into_iter().collect(),
            filtered,
            policy: effective.policy,
            senders: expansion.senders.map(|senders| senders.into_iter().collect()),
            autoreply,
        };
        Ok((RecipientAnswer::Known(delivery), until))
    }
}

/// Finds what an address is.
async fn resolve(
    connection: &mut Connection,
    facts: &Facts,
    address: &MailAddress,
    now: i64,
) -> Result<Resolved, DirectoryError> {
    let Some(domain) = domain::meant(connection, address.domain().as_str()).await? else {
        return Ok(Resolved::Elsewhere);
    };
    let mut found = find(connection, address.local(), &domain.name).await?;
    if found.is_none()
        && let Some(separator) = facts.subaddressing
        && let Some((base, _)) = address.local().split_detail(separator.encode_utf8(&mut [0; 4]))
    {
        found = find(connection, &base, &domain.name).await?;
    }
    if found.is_none()
        && let Some(catch_all) = &domain.catch_all
    {
        // A catch-all takes what was never there. A mailbox that was deleted and can still be restored is refused, so that
        // its letters do not turn up with somebody else.
        let key = MailAddress::new(address.local().clone(), domain.name.clone()).key();
        if let Some(deleted) = account::deleted(connection, &key, None, None).await? {
            let until = deleted.deleted_at.unwrap_or_default().saturating_add(facts.restorable_seconds);
            if now < until {
                return Ok(Resolved::Unknown { until });
            }
        }
        found = find(connection, catch_all.local(), catch_all.domain()).await?;
    }
    let found = found.or_else(|| account::office(address.local(), &domain));
    Ok(found.map_or(Resolved::Unknown { until: i64::MAX }, |account| Resolved::Account(Box::new((account, domain)))))
}

/// Finds the account of a local part in a domain, or of an alias.
pub(super) async fn find(
    connection: &mut Connection,
    local: &LocalPart,
    domain: &HostName,
) -> Result<Option<Account>, DirectoryError> {
    let key = MailAddress::new(local.clone(), domain.clone()).key();
    match account::at(connection, &key, None).await? {
        Some(account) => Ok(Some(account)),
        None => account::behind_alias(connection, &key, None).await,
    }
}

struct Expansion {
    mailboxes: BTreeSet<DeliveryMailbox>,
    forwards: BTreeSet<MailAddress>,
    filtered: BTreeSet<Filtered>,
    /// Who may post, when a restricted list stands anywhere on the way.
    senders: Option<BTreeSet<MailAddress>>,
}

/// Follows forwards and lists to mailboxes and to addresses elsewhere.
async fn expand(
    connection: &mut Connection,
    facts: &Facts,
    root: (Account, DomainRow),
    now: i64,
) -> Result<Expansion, DirectoryError> {
    let mut expansion =
        Expansion { mailboxes: BTreeSet::new(), forwards: BTreeSet::new(), filtered: BTreeSet::new(), senders: None };
    let mut seen = BTreeSet::from([root.0.id]);
    let mut waiting = vec![root];
    while let Some((account, domain)) = waiting.pop() {
        let Some(effective) = Effective::of(facts, &account, &domain).filter(Effective::receives) else { continue };
        let forwards = account::forwards(connection, account.id).await?;
        let (kept, sent_on) = delivers(&account, !forwards.is_empty());
        if kept && let Some(store) = &account.store {
            // What a mailbox may hold is its own domain's to say, whichever domain's catch-all led to it.
            let own = match account.domain == domain.name.as_str() {
                true => None,
                false => domain::named(connection, &account.domain, None).await?,
            };
            let own = own.and_then(|own| Effective::of(facts, &account, &own));
            let effective = own.as_ref().unwrap_or(&effective);
            expansion.mailboxes.insert(DeliveryMailbox {
                address: account.address.clone(),
                store: store.clone(),
                quota: effective.quota,
                sieve: effective.may_use(Service::Sieve),
                script: account.settings.text("sieve").filter(|script| !script.is_empty()).map(str::to_owned),
            });
        }
        if account.kind == Kind::Filter {
            expansion.filtered.extend(filtered(connection, &account, &domain).await?);
        }
        if !sent_on {
            continue;
        }
        let targets: Vec<MailAddress> = forwards.iter().filter_map(|address| address.parse().ok()).collect();
        if account.settings.flag("forward_option_restricted") == Some(true) {
            let members = posters(connection, &targets).await?;
            expansion.senders = Some(match expansion.senders.take() {
                Some(senders) => senders.intersection(&members).cloned().collect(),
                None => members,
            });
        }
        for target in targets {
            match resolve(connection, facts, &target, now).await? {
                Resolved::Elsewhere => {
                    if expansion.forwards.len() < MOST_ACCOUNTS {
                        expansion.forwards.insert(target);
                    }
                }
                Resolved::Unknown { .. } => {}
                Resolved::Account(next) => {
                    if seen.len() < MOST_ACCOUNTS && seen.insert(next.0.id) {
                        waiting.push(*next);
                    }
                }
            }
        }
    }
    Ok(expansion)
}

/// Tells whether an account keeps mail, and whether it sends it on.
pub(crate) fn delivers(account: &Account, has_forwards: bool) -> (bool, bool) {
    match account.kind {
        Kind::Mailbox => {
            let sent_on = has_forwards && account.settings.flag("delivery_forward").unwrap_or(true);
            (!sent_on || account.settings.flag("delivery_local").unwrap_or(true), sent_on)
        }
        Kind::Forward => (false, has_forwards),
        // Its mail goes to the customer's own server.
        Kind::Filter => (false, false),
    }
}

/// Returns where a filtered account's mail goes; `None` where its domain names no server.
async fn filtered(
    connection: &mut Connection,
    account: &Account,
    domain: &DomainRow,
) -> Result<Option<Filtered>, DirectoryError> {
    let own = match account.domain == domain.name.as_str() {
        true => None,
        false => domain::named(connection, &account.domain, None).await?,
    };
    let server = own.as_ref().unwrap_or(domain).settings.text("filtermx").and_then(FilterMx::read);
    Ok(server.zip(account.store.clone()).map(|(server, store)| Filtered {
        address: account.address.clone(),
        host: server.host,
        port: server.port,
        store,
        holds: false,
    }))
}

/// Returns the members of a list and their aliases, as which they may post.
async fn posters(
    connection: &mut Connection,
    members: &[MailAddress],
) -> Result<BTreeSet<MailAddress>, DirectoryError> {
    let mut posters: BTreeSet<MailAddress> = members.iter().cloned().collect();
    for member in members {
        if let Some(account) = find(connection, member.local(), member.domain()).await? {
            let aliases = account::aliases(connection, account.id).await?;
            posters.extend(aliases.iter().filter_map(|alias| alias.parse().ok()));
            posters.insert(account.address);
        }
    }
    Ok(posters)
}

/// Returns an account's automatic reply and the second it ends.
fn autoreply(account: &Account, now: i64) -> (Option<Autoreply>, i64) {
    let settings = &account.settings;
    // Whose mail is handed on answers by the server it is handed to.
    if account.kind == Kind::Filter {
        return (None, i64::MAX);
    }
    let text = settings.text("autoresponder").unwrap_or_default();
    if settings.flag("delivery_autoresponder") != Some(true) || text.is_empty() {
        return (None, i64::MAX);
    }
    let until = settings.number("autoresponder_option_enddate").unwrap_or(i64::MAX);
    if now >= until {
        return (None, i64::MAX);
    }
    // Only a declaration says when it begins, and under what subject; the API has no words for it.
    let from = settings.number("autoresponder_option_startdate").unwrap_or(i64::MIN);
    if now < from {
        return (None, from);
    }
    let hours = settings.number("autoresponder_option_interval").and_then(|hours| u64::try_from(hours).ok());
    let reply = Autoreply {
        from: account.address.clone(),
        text: text.to_owned(),
        subject: settings.text("autoresponder_option_subject").filter(|text| !text.is_empty()).map(str::to_owned),
        interval_seconds: hours.unwrap_or(24).saturating_mul(3600),
    };
    (Some(reply), until)
}
