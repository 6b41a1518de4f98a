//! Everything that mail can be addressed to: each address of each domain stands for one thing.

use spec::model;
use spec::{Span, Spanned};
use values::{LocalPart, MailAddress};

use super::{Domain, Model};

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

/// Collects the addresses of all domains.
pub(super) fn collect(model: &mut Model<'_>) {
    for domain in model.domains.clone() {
        for group in &domain.spec.workgroups {
            let kinds = (group.mailboxes.iter().map(EntryKind::Mailbox))
                .chain(group.forwards.iter().map(EntryKind::Forward))
                .chain(group.lists.iter().map(EntryKind::List));
            for kind in kinds {
                add(
                    model,
                    &domain,
                    Entry { kind, alias: false, workgroup: group, span: kind.local().span },
                    kind.local(),
                );
                for alias in kind.aliases() {
                    add(model, &domain, Entry { kind, alias: true, workgroup: group, span: alias.span }, alias);
                }
            }
        }
    }
}

fn add<'s>(model: &mut Model<'s>, domain: &Domain<'s>, entry: Entry<'s>, local: &Spanned<LocalPart>) {
    if local.is_hole() {
        return;
    }
    // What stands twice was told where the domain was read; the first one stays.
    model.entries.entry(domain.address(&local.value)).or_insert(entry);
}
