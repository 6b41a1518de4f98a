//! LIST and LSUB, with LIST-EXTENDED, LIST-STATUS and SPECIAL-USE (RFC 3501 §6.3.8, RFC 5258, RFC 5819, RFC 6154).

use std::collections::{BTreeMap, BTreeSet};

use super::command::List;
use super::mailboxes::status_line;
use super::pattern::Pattern;
use super::response;
use super::session::Session;
use super::utf7;
use crate::store::{MailboxId, MailboxName, SpecialUse, Storage};

/// What is known of a name that could be listed.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    mailbox: Option<MailboxId>,
    special: Option<SpecialUse>,
    subscribed: bool,
    has_children: bool,
    /// Whether a name below it fits the selection and is not listed itself.
    child_info: bool,
}

impl Session {
    /// Returns every name: mailboxes, subscribed names, and what lies above them.
    fn names(&self, storage: &Storage<'_>) -> BTreeMap<MailboxName, Entry> {
        let mut names: BTreeMap<MailboxName, Entry> = BTreeMap::new();
        for (name, mailbox) in storage.mail.mailboxes(self.user) {
            let entry = names.entry(name.clone()).or_default();
            entry.mailbox = Some(mailbox.id);
            entry.special = mailbox.special;
            for above in name.superiors() {
                names.entry(above).or_default().has_children = true;
            }
        }
        for name in storage.mail.subscriptions(self.user) {
            if let Ok(name) = MailboxName::parse(name) {
                names.entry(name).or_default().subscribed = true;
            }
        }
        names
    }

    pub(super) fn list(&mut self, tag: &str, list: &List, storage: &mut Storage<'_>) {
        let only_pattern = match list.patterns.as_slice() {
            [pattern] => Some(pattern),
            _ => None,
        };
        if only_pattern.is_some_and(Vec::is_empty) && !list.extended {
            // RFC 3501 §6.3.8: asks for the separator.
            self.untagged("LIST (\\Noselect) \"/\" \"\"");
            return self.finish(storage, tag, "List completed.", true);
        }
        if list.status.as_ref().is_some_and(|items| items.contains(&super::command::StatusItem::HighestModseq)) {
            self.enable_condstore(storage);
        }
        let Some(patterns) = patterns(&list.reference, &list.patterns) else {
            return self.finish(storage, tag, "List completed.", true);
        };
        let mut names = self.names(storage);
        if list.recursive_match {
            mark_child_info(&mut names, list, &patterns);
        }
        let mut lines = String::new();
        for (name, entry) in &names {
            if !patterns.iter().any(|pattern| pattern.matches(name.as_str())) {
                continue;
            }
            let by_itself = fits(entry, list);
            let is_above = list.recursive_match && entry.child_info;
            if !by_itself && !is_above {
                continue;
            }
            let is_plain = !list.select_subscribed && !list.recursive_match;
            if entry.mailbox.is_none() && !entry.has_children && is_plain {
                continue;
            }
            let attributes = attributes(entry, list);
            let extended = match (is_above, list.select_subscribed) {
                (true, true) => " (CHILDINFO (\"SUBSCRIBED\"))",
                (true, false) => " (CHILDINFO (\"SPECIAL-USE\"))",
                _ => "",
            };
            let wire = response::mailbox_name(name.as_str());
            lines.push_str(&format!("* LIST ({}) \"/\" {wire}{extended}\r\n", attributes.join(" ")));
            let mailbox = entry.mailbox.and_then(|id| storage.mail.mailbox(self.user, id));
            if let (Some(items), Some(mailbox), true) = (&list.status, mailbox, by_itself) {
                lines.push_str(&format!("* {}\r\n", status_line(name.as_str(), mailbox, items)));
            }
        }
        self.out().write(lines.as_bytes());
        self.finish(storage, tag, "List completed.", true);
    }

    /// LSUB shows subscribed names; one above a subscribed name that `%` cut off is shown as `\Noselect` (RFC 3501 §6.3.9).
    pub(super) fn lsub(&mut self, tag: &str, reference: &[u8], wire: &[u8], storage: &mut Storage<'_>) {
        if wire.is_empty() {
            self.untagged("LSUB (\\Noselect) \"/\" \"\"");
            return self.finish(storage, tag, "Lsub completed.", true);
        }
        let patterns = patterns(reference, std::slice::from_ref(&wire.to_vec())).unwrap_or_default();
        let is_partial = wire.ends_with(b"%");
        let matches = |name: &MailboxName| patterns.iter().any(|pattern| pattern.matches(name.as_str()));
        let subscribed: BTreeSet<MailboxName> =
            storage.mail.subscriptions(self.user).filter_map(|name| MailboxName::parse(name).ok()).collect();
        let mut shown: BTreeMap<MailboxName, &str> = BTreeMap::new();
        for name in &subscribed {
            if matches(name) {
                shown.insert(name.clone(), "");
            } else if is_partial {
                for above in name.superiors().filter(|above| matches(above) && !subscribed.contains(above)) {
                    shown.insert(above, "\\Noselect");
                }
            }
        }
        for (name, attribute) in shown {
            self.untagged(&format!("LSUB ({attribute}) \"/\" {}", response::mailbox_name(name.as_str())));
        }
        self.finish(storage, tag, "Lsub completed.", true);
    }
}

fn fits(entry: &Entry, list: &List) -> bool {
    (!list.select_subscribed || entry.subscribed) && (!list.select_special || entry.special.is_some())
}

/// Marks every name above one that fits the selection and is not listed itself (RFC 5258 §3.5).
fn mark_child_info(names: &mut BTreeMap<MailboxName, Entry>, list: &List, patterns: &[Pattern]) {
    let is_listed = |name: &MailboxName| patterns.iter().any(|pattern| pattern.matches(name.as_str()));
    let fitting: Vec<MailboxName> = names
        .iter()
        .filter(|(name, entry)| fits(entry, list) && !is_listed(name))
        .map(|(name, _)| name.clone())
        .collect();
    for name in fitting {
        for above in name.superiors() {
            names.entry(above).or_default().child_info = true;
        }
    }
}

/// Returns the attributes in Dovecot's order.
fn attributes(entry: &Entry, list: &List) -> Vec<&'static str> {
    let mut attributes = Vec::new();
    if entry.subscribed && (list.return_subscribed || list.select_subscribed) {
        attributes.push("\\Subscribed");
    }
    match (entry.mailbox, entry.has_children) {
        (Some(_), _) => {}
        // A name that holds others exists for them (RFC 3501 §7.2.2); one that is only subscribed does not (RFC 5258 §3).
        (None, true) => attributes.push("\\Noselect"),
        (None, false) => attributes.push("\\NonExistent"),
    }
    // Extended LIST shows what it was asked for (RFC 5258 §4, RFC 6154 §2), plain LIST everything.
    if !list.extended || list.return_children {
        attributes.push(if entry.has_children { "\\HasChildren" } else { "\\HasNoChildren" });
    }
    if !list.extended || list.return_special || list.select_special {
        attributes.extend(entry.special.map(SpecialUse::attribute));
    }
    attributes
}

/// Joins a reference with patterns; `None` when none of them can mean anything.
fn patterns(reference: &[u8], wire: &[Vec<u8>]) -> Option<Vec<Pattern>> {
    let reference = utf7::decode(reference).ok()?;
    let patterns: Vec<Pattern> = wire
        .iter()
        .filter_map(|pattern| Pattern::new(&format!("{reference}{}", utf7::decode(pattern).ok()?)))
        .collect();
    (!patterns.is_empty()).then_some(patterns)
}
