//! What a file says as far as checking a repository asks: a mailbox of which nothing can be wrong is only counted.
//!
//! Nearly all of a large repository are mailboxes with a name and perhaps an alias or a tier. No rule that looks over several files
//! asks for one of them, so a check keeps their number; and an outline is small enough to be kept as bytes until the file changes.
//! A rule that does need one asks for the whole file.

use std::collections::{BTreeMap, BTreeSet};

use values::{MailAddress, Name};

use crate::kept::{Reader, Writer};
use crate::language::{FieldShape, Separator};
use crate::model::{LeftOut, Mailbox, Reseller, Spec};
use crate::parse::{Parsed, parse_file, side_by_side};
use crate::problem::Problem;
use crate::sources::{SourceFile, Sources};
use crate::tree::{FileId, Spanned};

/// What one file says, without the mailboxes that need no look.
///
/// A file with problems, or with anything but resellers in it, is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    parsed: Parsed,
}

impl Outline {
    /// Reads a file.
    pub fn of(id: FileId, file: &SourceFile) -> Self {
        let mut outline = Self::whole(id, file);
        if outline.parsed.problems.is_empty() {
            let Spec { resellers, left_out, .. } = &mut outline.parsed.spec;
            for reseller in resellers {
                leave_out(reseller, left_out);
            }
        }
        outline
    }

    /// Reads a file and leaves nothing out.
    pub fn whole(id: FileId, file: &SourceFile) -> Self {
        Self { parsed: parse_file(id, file) }
    }

    /// Returns the problems of the file's text.
    pub fn problems(&self) -> &[Problem] {
        &self.parsed.problems
    }

    /// Returns bytes that [`Self::from_bytes`] reads; `None` where the file is not worth keeping, since it is the operator's or has
    /// problems.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let Parsed { spec, problems } = &self.parsed;
        let other = spec.platforms.len() + spec.environments.len() + spec.scenarios.len();
        if other > 0 || !problems.is_empty() {
            return None;
        }
        let mut writer = Writer::default();
        FieldShape::keep(&spec.resellers, &mut writer);
        writer.number(spec.left_out.len() as u64);
        for (domain, left_out) in &spec.left_out {
            writer.span(*domain);
            writer.number(left_out.len() as u64);
            for LeftOut { tier, count } in left_out {
                writer.text(tier.as_ref().map_or("", Name::as_str));
                writer.number(*count);
            }
        }
        Some(writer.finish())
    }

    /// Reads an outline from bytes; `None` where they are none.
    ///
    /// - `id`: the file's id now; it may have had another when the bytes were written.
    pub fn from_bytes(id: FileId, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(id, bytes);
        let mut spec = Spec { resellers: FieldShape::fetch(&mut reader)?, ..Spec::default() };
        for _ in 0..reader.count()? {
            let domain = reader.span()?;
            let mut left_out = Vec::new();
            for _ in 0..reader.count()? {
                let tier = match reader.text()? {
                    "" => None,
                    tier => Some(tier.parse().ok()?),
                };
                left_out.push(LeftOut { tier, count: reader.number()? });
            }
            spec.left_out.insert(domain, left_out);
        }
        reader.is_empty().then_some(Self { parsed: Parsed { spec, problems: Vec::new() } })
    }
}

/// Reads all files of a repository as outlines, side by side, and joins them.
pub fn read(sources: &Sources) -> Parsed {
    join(side_by_side(sources, Outline::of))
}

/// Joins the outlines of a repository's files, in the order of the files.
pub fn join(outlines: impl IntoIterator<Item = Outline>) -> Parsed {
    let mut joined = Parsed::default();
    for Outline { parsed } in outlines {
        joined.take(parsed);
    }
    joined.problems.sort();
    joined.problems.dedup();
    joined
}

impl Parsed {
    /// Puts whole files in the place of their outlines.
    pub fn replace(&mut self, files: BTreeMap<FileId, Outline>) {
        let Spec { resellers, left_out, .. } = &mut self.spec;
        resellers.retain(|reseller| !files.contains_key(&reseller.span.file));
        left_out.retain(|domain, _| !files.contains_key(&domain.file));
        for Outline { parsed } in files.into_values() {
            resellers.extend(parsed.spec.resellers);
        }
        resellers.sort_by_key(|reseller| reseller.span);
    }
}

/// Takes those mailboxes out of a reseller's domains that no rule asks for.
fn leave_out(reseller: &mut Reseller, left_out: &mut BTreeMap<crate::Span, Vec<LeftOut>>) {
    let named = named(reseller);
    for domain in &mut reseller.domains {
        // What was renamed is compared with all of its siblings.
        let mut groups = domain.workgroups.iter();
        if groups.any(|group| {
            group.mailboxes.iter().any(|mailbox| mailbox.renamed_from.is_some())
                || group.forwards.iter().any(|forward| forward.renamed_from.is_some())
                || group.lists.iter().any(|list| list.renamed_from.is_some())
        }) {
            continue;
        }
        let mut counts: BTreeMap<Option<Name>, u64> = BTreeMap::new();
        for group in &mut domain.workgroups {
            group.mailboxes.retain(|mailbox| {
                if !is_plain(mailbox) || is_named(mailbox, &named) || !is_ascii(mailbox) {
                    return true;
                }
                let tier = mailbox.tier.as_ref().map(|tier| &tier.value);
                match counts.iter_mut().find(|(known, _)| known.as_ref() == tier) {
                    Some((_, count)) => *count += 1,
                    None => {
                        counts.insert(tier.cloned(), 1);
                    }
                }
                false
            });
            group.mailboxes.shrink_to_fit();
        }
        if !counts.is_empty() {
            left_out.insert(domain.span, counts.into_iter().map(|(tier, count)| LeftOut { tier, count }).collect());
        }
    }
}

/// Tells whether nothing is said of a mailbox that a rule over several files looks at.
fn is_plain(mailbox: &Mailbox) -> bool {
    // Every field is listed, so that a new one has to be thought of here.
    let Mailbox {
        local: _,
        renamed_from,
        tier: _,
        name: _,
        aliases: _,
        language: _,
        time_zone: _,
        initial: _,
        forward,
        autoreply: _,
        defense,
        on_removal: _,
        span: _,
    } = mailbox;
    renamed_from.is_none() && forward.is_none() && defense.is_none()
}

/// Returns the keys of all local parts by which a reseller's own declarations may mean one of its mailboxes.
fn named(reseller: &Reseller) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let mut target = |address: &Spanned<MailAddress>| {
        let local = address.value.local();
        named.insert(local.key().to_owned());
        // Which character stands before a detail is the platform's to say.
        for separator in Separator::ALL {
            if let Some((base, _)) = local.split_detail(&separator.to_string()) {
                named.insert(base.key().to_owned());
            }
        }
    };
    for group in reseller.domains.iter().flat_map(|domain| &domain.workgroups) {
        let forwarded = group.mailboxes.iter().filter_map(|mailbox| mailbox.forward.as_ref());
        forwarded.flat_map(|forward| &forward.to).for_each(&mut target);
        group.forwards.iter().flat_map(|forward| &forward.to).for_each(&mut target);
        group.lists.iter().flat_map(|list| &list.members).for_each(&mut target);
    }
    for domain in &reseller.domains {
        let migrated = domain.migrations.iter().flat_map(|migration| &migration.mailboxes);
        let locals = migrated.map(|mailbox| &mailbox.local).chain(&domain.catch_all);
        named.extend(locals.map(|local| local.value.key().to_owned()));
    }
    named
}

/// Tells whether a mailbox's names hold nothing but ASCII, which any platform takes.
fn is_ascii(mailbox: &Mailbox) -> bool {
    [&mailbox.local].into_iter().chain(&mailbox.aliases).all(|local| local.value.as_str().is_ascii())
}

fn is_named(mailbox: &Mailbox, named: &BTreeSet<String>) -> bool {
    let locals = [&mailbox.local].into_iter().chain(&mailbox.aliases);
    !named.is_empty() && locals.map(|local| local.value.key()).any(|key| named.contains(key))
}
