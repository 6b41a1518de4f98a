//! Everything that mail can be addressed to: each address of each domain stands for one thing.

use std::fmt;

use spec::model;
use spec::{Span, Spanned};
use values::{HostName, LocalPart, MailAddress};

use super::Domain;

/// What an address stands for.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'s> {
    /// What it is.
    pub kind: EntryKind<'s>,
    /// Whether this is an alias of it and not its main address.
    pub alias: bool,
    /// The workgroup it stands in.
    pub workgroup: &'s model::Workgroup,
    /// Where the address stands.
    pub span: Span,
}

/// A thing with an address.
#[derive(Clone, Copy, Debug)]
pub enum EntryKind<'s> {
    /// A mailbox.
    Mailbox(&'s model::Mailbox),
    /// An address whose mail is passed on.
    Forward(&'s model::Forward),
    /// A mailing list.
    List(&'s model::List),
}

impl<'s> EntryKind<'s> {
    /// Returns what it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mailbox(_) => "mailbox",
            Self::Forward(_) => "forward",
            Self::List(_) => "list",
        }
    }

    /// Returns its main local part.
    pub fn local(self) -> &'s Spanned<LocalPart> {
        match self {
            Self::Mailbox(mailbox) => &mailbox.local,
            Self::Forward(forward) => &forward.local,
            Self::List(list) => &list.local,
        }
    }

    /// Returns its other local parts.
    pub fn aliases(self) -> &'s [Spanned<LocalPart>] {
        match self {
            Self::Mailbox(mailbox) => &mailbox.aliases,
            Self::Forward(forward) => &forward.aliases,
            Self::List(list) => &list.aliases,
        }
    }

    /// Returns where its mail is passed on to.
    pub fn targets(self) -> &'s [Spanned<MailAddress>] {
        match self {
            Self::Mailbox(mailbox) => mailbox.forward.as_ref().map_or(&[], |forward| forward.to.as_slice()),
            Self::Forward(forward) => &forward.to,
            Self::List(list) => &list.members,
        }
    }

    /// Tells whether mail to it also stays here.
    pub fn keeps(self) -> bool {
        match self {
            Self::Mailbox(mailbox) => mailbox.forward.as_ref().is_none_or(|forward| forward.keep.value),
            Self::Forward(_) | Self::List(_) => false,
        }
    }
}

/// Everything that mail can be addressed to, sorted by address.
///
/// Addresses are not put together for each: there may be a million, and few are ever asked for.
#[derive(Debug, Default)]
pub struct Entries<'s> {
    /// Domains by name, each with its local parts in their order.
    domains: Vec<(&'s HostName, Vec<(&'s LocalPart, Entry<'s>)>)>,
}

/// An address whose two parts stand in different places of the text.
#[derive(Clone, Copy, Debug)]
pub struct Address<'s> {
    /// Its domain.
    pub domain: &'s HostName,
    /// What stands before its `@`.
    pub local: &'s LocalPart,
}

impl Address<'_> {
    /// Returns it as a value of its own.
    pub fn to_address(self) -> MailAddress {
        MailAddress::new(self.local.clone(), self.domain.clone())
    }
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl<'s> Entries<'s> {
    /// Collects the addresses of all domains, which are sorted by name.
    pub(super) fn of(domains: &[Domain<'s>]) -> Self {
        Self { domains: domains.iter().map(|domain| (&domain.spec.name.value, in_domain(domain))).collect() }
    }

    /// Returns what an address stands for.
    pub fn get(&self, address: &MailAddress) -> Option<&Entry<'s>> {
        self.find(address.domain(), address.local())
    }

    /// Returns what a local part stands for in a domain, which is meant by its own name.
    pub fn find(&self, domain: &HostName, local: &LocalPart) -> Option<&Entry<'s>> {
        let own = self.of_domain(domain);
        let found = own.binary_search_by(|(known, _)| known.cmp(&local)).ok()?;
        own.get(found).map(|(_, entry)| entry)
    }

    /// Tells whether an address stands for anything.
    pub fn contains(&self, address: &MailAddress) -> bool {
        self.get(address).is_some()
    }

    /// Returns all entries of a domain by their local parts.
    pub fn of_domain(&self, domain: &HostName) -> &[(&'s LocalPart, Entry<'s>)] {
        let found = self.domains.binary_search_by(|(known, _)| (*known).cmp(domain)).ok();
        found.and_then(|found| self.domains.get(found)).map_or(&[], |(_, entries)| entries.as_slice())
    }

    /// Returns all entries in the order of their addresses.
    pub fn iter(&self) -> impl Iterator<Item = (Address<'s>, &Entry<'s>)> {
        self.domains
            .iter()
            .flat_map(|(domain, entries)| entries.iter().map(|(local, entry)| (Address { domain, local }, entry)))
    }
}

fn in_domain<'s>(domain: &Domain<'s>) -> Vec<(&'s LocalPart, Entry<'s>)> {
    let mut found = Vec::new();
    for group in &domain.spec.workgroups {
        let kinds = (group.mailboxes.iter().map(EntryKind::Mailbox))
            .chain(group.forwards.iter().map(EntryKind::Forward))
            .chain(group.lists.iter().map(EntryKind::List));
        for kind in kinds {
            let mut add = |local: &'s Spanned<LocalPart>, alias| {
                if !local.is_hole() {
                    found.push((&local.value, Entry { kind, alias, workgroup: group, span: local.span }));
                }
            };
            add(kind.local(), false);
            kind.aliases().iter().for_each(|alias| add(alias, true));
        }
    }
    found.sort_by_key(|(local, _)| *local);
    // What stands twice was told where the domain was read; the first one stays.
    found.dedup_by(|(again, _), (first, _)| again == first);
    found
}
