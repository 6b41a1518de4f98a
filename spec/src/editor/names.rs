//! Every name that is declared or used, over all files.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::read::read;
use crate::sources::{SourceFile, Sources};
use crate::tree::{FileId, Scalar, Span};

use super::walk::{Scope, Seen, walk};

/// What a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The platform.
    Platform,
    /// A site.
    Site,
    /// A storage of a site.
    Storage,
    /// Hosts of one make.
    Hosts,
    /// Hosts that can be rented.
    Lease,
    /// A cluster.
    Cluster,
    /// An outbound pool.
    Outbound,
    /// A defense.
    Defense,
    /// A tier.
    Tier,
    /// A reseller.
    Reseller,
    /// A brand of a reseller.
    Brand,
    /// A domain.
    Domain,
    /// A workgroup of a domain.
    Workgroup,
    /// A migration of a domain.
    Migration,
    /// A mailbox, forward or list, by its address.
    Address,
    /// An environment.
    Environment,
    /// A scenario.
    Scenario,
}

impl Class {
    /// Returns what it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Site => "site",
            Self::Storage => "storage",
            Self::Hosts => "group of hosts",
            Self::Lease => "lease",
            Self::Cluster => "cluster",
            Self::Outbound => "outbound pool",
            Self::Defense => "defense",
            Self::Tier => "tier",
            Self::Reseller => "reseller",
            Self::Brand => "brand",
            Self::Domain => "domain",
            Self::Workgroup => "workgroup",
            Self::Migration => "migration",
            Self::Address => "address",
            Self::Environment => "environment",
            Self::Scenario => "scenario",
        }
    }
}

/// How a value holds names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// It is the name of what is declared here.
    Declares(Class),
    /// It names what is declared elsewhere.
    Uses(Class),
    /// It is the local part of what is declared here.
    DeclaresLocal,
    /// It is the local part of something in this domain.
    UsesLocal,
    /// It is an address, which names a domain too.
    UsesAddress,
    /// It is a host that may lie below a domain.
    UsesHost,
    /// It is a host by its group's name and its number.
    UsesNumbered,
}

/// Which values hold names: the path of the nodes around, then the setting's name, or `#` for arguments.
pub(super) const HOLDERS: &[(&str, Holds)] = &[
    ("platform#", Holds::Declares(Class::Platform)),
    ("platform/site#", Holds::Declares(Class::Site)),
    ("platform/site/storage#", Holds::Declares(Class::Storage)),
    ("platform/site/hosts#", Holds::Declares(Class::Hosts)),
    ("platform/site/lease#", Holds::Declares(Class::Lease)),
    ("platform/defense#", Holds::Declares(Class::Defense)),
    ("platform/cluster#", Holds::Declares(Class::Cluster)),
    ("platform/cluster/site", Holds::Uses(Class::Site)),
    ("platform/cluster/state/on", Holds::Uses(Class::Storage)),
    ("platform/outbound#", Holds::Declares(Class::Outbound)),
    ("platform/tier#", Holds::Declares(Class::Tier)),
    ("platform/contract#", Holds::Uses(Class::Reseller)),
    ("platform/contract/vouch", Holds::Uses(Class::Domain)),
    ("platform/contract/tiers", Holds::Uses(Class::Tier)),
    ("platform/contract/clusters", Holds::Uses(Class::Cluster)),
    ("platform/contract/outbound#", Holds::Uses(Class::Outbound)),
    ("platform/contract/price/tier", Holds::Uses(Class::Tier)),
    ("reseller#", Holds::Declares(Class::Reseller)),
    ("reseller/brand#", Holds::Declares(Class::Brand)),
    ("reseller/contact", Holds::UsesAddress),
    ("reseller/brand/hosts/webmail", Holds::UsesHost),
    ("reseller/brand/hosts/imap", Holds::UsesHost),
    ("reseller/brand/hosts/pop3", Holds::UsesHost),
    ("reseller/brand/hosts/smtp", Holds::UsesHost),
    ("reseller/brand/support/email", Holds::UsesAddress),
    ("reseller/domain#", Holds::Declares(Class::Domain)),
    ("reseller/domain/alias", Holds::Declares(Class::Domain)),
    ("reseller/domain/tier", Holds::Uses(Class::Tier)),
    ("reseller/domain/brand", Holds::Uses(Class::Brand)),
    ("reseller/domain/cluster", Holds::Uses(Class::Cluster)),
    ("reseller/domain/outbound", Holds::Uses(Class::Outbound)),
    ("reseller/domain/catch-all", Holds::UsesLocal),
    ("reseller/domain/workgroup#", Holds::Declares(Class::Workgroup)),
    ("reseller/domain/migrate#", Holds::Declares(Class::Migration)),
    ("reseller/domain/workgroup/mailbox#", Holds::DeclaresLocal),
    ("reseller/domain/workgroup/mailbox/alias", Holds::DeclaresLocal),
    ("reseller/domain/workgroup/mailbox/tier", Holds::Uses(Class::Tier)),
    ("reseller/domain/workgroup/mailbox/forward#", Holds::UsesAddress),
    ("reseller/domain/workgroup/forward#", Holds::DeclaresLocal),
    ("reseller/domain/workgroup/forward/alias", Holds::DeclaresLocal),
    ("reseller/domain/workgroup/forward/to", Holds::UsesAddress),
    ("reseller/domain/workgroup/list#", Holds::DeclaresLocal),
    ("reseller/domain/workgroup/list/alias", Holds::DeclaresLocal),
    ("reseller/domain/workgroup/list/member", Holds::UsesAddress),
    ("reseller/domain/migrate/mailbox#", Holds::UsesLocal),
    ("environment#", Holds::Declares(Class::Environment)),
    ("environment/platform#", Holds::Uses(Class::Platform)),
    ("environment/from", Holds::Uses(Class::Environment)),
    ("environment/internet/domain/takes", Holds::Uses(Class::Domain)),
    ("environment/scale/cluster", Holds::Uses(Class::Cluster)),
    ("environment/gate#", Holds::Uses(Class::Scenario)),
    ("scenario#", Holds::Declares(Class::Scenario)),
    ("scenario/provision/mailbox", Holds::UsesAddress),
    ("scenario/provision/alias", Holds::UsesAddress),
    ("scenario/provision/forward", Holds::UsesAddress),
    ("scenario/provision/tier", Holds::Uses(Class::Tier)),
    ("scenario/send/from", Holds::UsesAddress),
    ("scenario/send/to", Holds::UsesAddress),
    ("scenario/send/author", Holds::UsesAddress),
    ("scenario/send/sign-in", Holds::UsesAddress),
    ("scenario/send/host", Holds::UsesHost),
    ("scenario/send/signed", Holds::UsesHost),
    ("scenario/browse/host", Holds::UsesHost),
    ("scenario/connect/host", Holds::UsesHost),
    ("scenario/connect/server-name", Holds::UsesHost),
    ("scenario/fetch/mailbox", Holds::UsesAddress),
    ("scenario/sign-in#", Holds::UsesAddress),
    ("scenario/browse/sign-in", Holds::UsesAddress),
    ("scenario/fault/host", Holds::UsesNumbered),
    ("scenario/heal/host", Holds::UsesNumbered),
    ("scenario/evacuate/host", Holds::UsesNumbered),
    ("scenario/load/to", Holds::Uses(Class::Domain)),
    ("scenario/load/from", Holds::Uses(Class::Domain)),
    ("scenario/call/by", Holds::UsesAddress),
    ("scenario/connect/sign-in", Holds::UsesAddress),
    ("scenario/release/mailbox", Holds::UsesAddress),
    ("scenario/expect/mailbox", Holds::UsesAddress),
    ("scenario/expect/quarantine", Holds::UsesAddress),
];

/// Returns how a value holds names.
///
/// - `path`: of the nodes around it.
/// - `setting`: its name; `None` for an argument.
pub(super) fn holds(path: &str, setting: Option<&str>) -> Option<Holds> {
    let known = |key: &str| match (key.strip_suffix('#'), setting) {
        (Some(argument), None) => argument == path,
        (None, Some(setting)) => {
            key.strip_suffix(setting).and_then(|before| before.strip_suffix('/')).is_some_and(|before| before == path)
        }
        _ => false,
    };
    HOLDERS.iter().find(|(key, _)| known(key)).map(|(_, holds)| *holds)
}

/// A place where a name stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// What it names.
    pub class: Class,
    /// The name by which it is known over all files: a brand as `RESELLER/BRAND`, a mailbox as its whole address.
    pub key: String,
    /// Whether it is declared here.
    pub declares: bool,
    /// Where the name stands, without quotes.
    pub span: Span,
    /// Whether the text there is the name as it is meant; else it is spelled with escapes, its quotes included.
    pub plain: bool,
}

/// All names of a repository, sorted by place.
#[derive(Clone, Debug, Default)]
pub struct Names {
    files: BTreeMap<FileId, FileNames>,
}

/// The names of one file.
#[derive(Clone, Debug, Default)]
pub struct FileNames {
    occurrences: Vec<Occurrence>,
    /// Domains by their aliases.
    aliases: BTreeMap<String, String>,
}

impl FileNames {
    /// Finds the names in a file, as far as it can be read.
    pub fn of(id: FileId, file: &SourceFile) -> Self {
        let mut names = Self::default();
        let tree = read(id, &file.path, &file.bytes);
        walk(&tree.nodes, &mut |scope, seen| names.see(scope, &seen, &file.bytes));
        names.occurrences.sort_by_key(|occurrence| (occurrence.span, occurrence.class));
        names.occurrences.shrink_to_fit();
        names
    }

    fn see(&mut self, scope: &Scope, seen: &Seen<'_, '_>, bytes: &[u8]) {
        let Seen::Value { field, scalar, .. } = seen else { return };
        let is_argument = !matches!(field.place, crate::language::Place::Named);
        let setting = (!is_argument).then_some(field.name);
        let Some(holds) = holds(&scope.path, setting) else { return };
        let (Scalar::Text(text) | Scalar::Number(text)) = &scalar.value else { return };
        let (span, plain) = inner(bytes, scalar.span, text);
        let mut add = |class, key: String, declares, span| {
            self.occurrences.push(Occurrence { class, key, declares, span, plain });
        };
        match holds {
            Holds::Declares(class) | Holds::Uses(class) => {
                let key = match class {
                    Class::Brand => format!("{}/{text}", scope.reseller.as_deref().unwrap_or_default()),
                    Class::Domain => text.to_lowercase(),
                    Class::Workgroup | Class::Migration => {
                        format!("{}/{text}", scope.domain.as_deref().unwrap_or_default().to_lowercase())
                    }
                    _ => text.to_string(),
                };
                let alias = setting == Some("alias");
                if let (true, Some(domain)) = (alias, &scope.domain) {
                    self.aliases.insert(key.clone(), domain.to_lowercase());
                }
                add(class, key, matches!(holds, Holds::Declares(_)), span);
            }
            Holds::DeclaresLocal | Holds::UsesLocal => {
                let domain = scope.domain.as_deref().unwrap_or_default();
                let key = format!("{text}@{domain}").to_lowercase();
                add(Class::Address, key, holds == Holds::DeclaresLocal, span);
            }
            // Which of the domains around it is declared shows when all names are known.
            Holds::UsesHost if plain => {
                let mut at = 0;
                while let Some(domain) = text.get(at..).filter(|domain| domain.contains('.')) {
                    add(Class::Domain, domain.to_lowercase(), false, Span { start: span.start + at as u32, ..span });
                    at += domain.find('.').unwrap_or_default() + 1;
                }
            }
            Holds::UsesHost => {}
            Holds::UsesNumbered => {
                let group = text.rsplit_once('-').filter(|(_, number)| number.bytes().all(|it| it.is_ascii_digit()));
                if let (Some((group, _)), true) = (group, plain) {
                    let end = span.start + group.len() as u32;
                    add(Class::Hosts, group.to_owned(), false, Span { end, ..span });
                }
            }
            Holds::UsesAddress => {
                let Some((local, domain)) = text.rsplit_once('@') else { return };
                let key = text.to_lowercase();
                if plain {
                    let at = span.start + local.len() as u32;
                    add(Class::Address, key, false, Span { end: at, ..span });
                    add(Class::Domain, domain.to_lowercase(), false, Span { start: at + 1, ..span });
                } else {
                    add(Class::Address, key, false, span);
                }
            }
        }
    }
}

impl Names {
    /// Finds the names in all files, as far as these can be read.
    pub fn of(sources: &Sources) -> Self {
        Self { files: sources.files().map(|(id, file)| (id, FileNames::of(id, file))).collect() }
    }

    /// Puts the names of a file in the place of those that it had.
    pub fn put(&mut self, id: FileId, names: FileNames) {
        self.files.insert(id, names);
    }

    /// Returns the domain that an alias stands for.
    fn domain_of<'n>(&'n self, alias: &str) -> Option<&'n str> {
        self.files.values().find_map(|file| file.aliases.get(alias)).map(String::as_str)
    }

    /// Returns the name that stands at a place; the cursor behind its last character counts.
    pub fn at(&self, file: FileId, offset: usize) -> Option<Occurrence> {
        let mut here = self.files.get(&file)?.occurrences.iter().filter(|occurrence| {
            let span = occurrence.span;
            (span.start as usize..=span.end as usize).contains(&offset)
        });
        let first = here.next()?;
        // A host lies below several domains, of which at most a few are declared.
        let is_declared =
            |occurrence: &&Occurrence| self.declarations(occurrence.class, &occurrence.key).next().is_some();
        let several = here.next().map(|second| std::iter::once(second).chain(here));
        let declared = several.and_then(|others| std::iter::once(first).chain(others).find(is_declared));
        let mut found = declared.unwrap_or(first).clone();
        if found.class == Class::Address
            && let Some((local, domain)) = found.key.rsplit_once('@')
            && let Some(domain) = self.domain_of(domain)
        {
            found.key = format!("{local}@{domain}");
        }
        Some(found)
    }

    /// Returns the places where something is declared.
    pub fn declarations<'n>(&'n self, class: Class, key: &'n str) -> impl Iterator<Item = &'n Occurrence> {
        self.all(class, key).filter(|occurrence| occurrence.declares)
    }

    /// Returns all places where something is named, by an alias of its domain too.
    pub fn all<'n>(&'n self, class: Class, key: &'n str) -> impl Iterator<Item = &'n Occurrence> {
        let mut keys = vec![Cow::Borrowed(key)];
        if class == Class::Address
            && let Some((local, domain)) = key.rsplit_once('@')
        {
            let aliases = self.files.values().flat_map(|file| &file.aliases).filter(|(_, of)| of.as_str() == domain);
            keys.extend(aliases.map(|(alias, _)| Cow::Owned(format!("{local}@{alias}"))));
        }
        self.occurrences()
            .filter(move |occurrence| occurrence.class == class && keys.iter().any(|key| *key == occurrence.key))
    }

    fn occurrences(&self) -> impl Iterator<Item = &Occurrence> {
        self.files.values().flat_map(|file| &file.occurrences)
    }

    /// Returns names of declared things of a class, sorted: the first so many that are wanted.
    pub fn declared(&self, class: Class, most: usize, is_wanted: impl Fn(&str) -> bool) -> Vec<&str> {
        let declared = self.occurrences().filter(|occurrence| occurrence.declares && occurrence.class == class);
        let names = declared.map(|occurrence| occurrence.key.as_str()).filter(|key| is_wanted(key));
        let mut first: BTreeSet<&str> = BTreeSet::new();
        for name in names {
            if first.len() < most || first.last().is_some_and(|last| name < *last) {
                first.insert(name);
                if first.len() > most {
                    first.pop_last();
                }
            }
        }
        first.into_iter().collect()
    }
}

/// Returns where a scalar's text stands without its quotes, and whether it stands there as it is.
fn inner(bytes: &[u8], span: Span, text: &str) -> (Span, bool) {
    let spelled = bytes.get(span.start as usize..span.end as usize).unwrap_or_default();
    let Ok(spelled) = std::str::from_utf8(spelled) else { return (span, false) };
    let quotes = spelled.len().saturating_sub(text.len());
    let within = spelled.find(text).filter(|_| !text.is_empty() && quotes <= 8 && quotes % 2 == 0);
    match within {
        Some(at) => {
            let start = span.start + at as u32;
            (Span { start, end: start + text.len() as u32, ..span }, true)
        }
        None => (span, false),
    }
}
