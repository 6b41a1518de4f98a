//! What recipients ask for, as a map: levels and lists of domains, and of mailboxes that ask for something else.

use std::collections::BTreeMap;

use blueprint::roster::{DefenseSettings, Domain, Mailbox, Roster};
use blueprint::{Blueprint, effective_mailbox};
use serde_json::{Value, json};
use values::{AddressPattern, MailAddress, Score};

/// Returns the map as JSON, which is UCL too, as one line for each domain and mailbox.
pub(super) fn map(blueprint: &Blueprint, roster: &Roster) -> Vec<u8> {
    let defense = &blueprint.defense;
    let mut domains = BTreeMap::new();
    let mut aliases = BTreeMap::new();
    let mut mailboxes = BTreeMap::new();
    let mut addresses = BTreeMap::new();
    let by_name: BTreeMap<_, &Domain> = roster.domains.iter().map(|domain| (&domain.name, domain)).collect();
    for domain in &roster.domains {
        aliases.extend(domain.aliases.iter().map(|alias| (alias.to_string(), domain.name.to_string())));
        if domain.defense != DefenseSettings::default() {
            let own = &domain.defense;
            let scores = (
                own.tag.unwrap_or(defense.tag),
                own.quarantine.unwrap_or(defense.quarantine),
                own.reject.unwrap_or(defense.reject),
            );
            domains.insert(domain.name.to_string(), level(scores, &own.allow, &own.block));
        }
    }
    for mailbox in roster.mailboxes.iter().filter(|mailbox| mailbox.defense != DefenseSettings::default()) {
        let Some(domain) = by_name.get(mailbox.address.domain()) else { continue };
        let tier = mailbox.tier.as_ref().unwrap_or(&domain.tier);
        let Some(tier) = roster.tiers.iter().find(|known| known.name == *tier) else { continue };
        let holds = effective_mailbox(mailbox, domain, tier, defense);
        let main = mailbox.address.key();
        mailboxes.insert(main.clone(), level((holds.tag, holds.quarantine, holds.reject), &holds.allow, &holds.block));
        addresses.extend(others(mailbox).map(|other| (other.key(), main.clone())));
    }
    let map = json!({
        "default": level((defense.tag, defense.quarantine, defense.reject), &[], &[]),
        "domains": domains,
        "aliases": aliases,
        "mailboxes": mailboxes,
        "addresses": addresses,
    });
    let mut bytes = serde_json::to_vec_pretty(&map).expect("plain data becomes JSON");
    bytes.push(b'\n');
    bytes
}

fn others(mailbox: &Mailbox) -> impl Iterator<Item = &MailAddress> {
    mailbox.aliases.iter()
}

fn level((tag, quarantine, reject): (Score, Score, Score), allow: &[String], block: &[String]) -> Value {
    json!({
        "tag": tag,
        "quarantine": quarantine,
        "reject": reject,
        "allow": patterns(allow),
        "block": patterns(block),
    })
}

/// Returns patterns taken apart; one that cannot be read matches nothing.
fn patterns(texts: &[String]) -> Vec<Value> {
    let patterns = texts.iter().filter_map(|text| text.parse::<AddressPattern>().ok());
    patterns
        .map(|pattern| {
            let mut value = json!({ "domain": pattern.domain(), "below": pattern.below() });
            if let (Some(local), Some(object)) = (pattern.local(), value.as_object_mut()) {
                object.insert("local".to_owned(), local.key().into());
            }
            value
        })
        .collect()
}
