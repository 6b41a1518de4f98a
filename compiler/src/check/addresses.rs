//! Where mail is passed on to: addresses of one's own that exist, and no way back to where it began.

use std::collections::{BTreeMap, BTreeSet};

use spec::{Problem, Span, Spanned};
use values::{MailAddress, quoted};

use crate::report::Report;
use crate::resolve::{Domain, Model, nearest};

/// Checks where mail is passed on to.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    for domain in &model.domains {
        catch_all(model, domain, report);
        for migrated in domain.spec.migrations.iter().flat_map(|migration| &migration.mailboxes) {
            let address = domain.address(&migrated.local.value);
            if !migrated.local.is_hole() && !is_mailbox(model, &address) {
                report.tell(unknown_mailbox(model, domain, &migrated.local, "fetched into"));
            }
        }
    }
    for (address, entry) in model.entries.iter().filter(|(_, entry)| !entry.alias) {
        let Some(domain) = model.domain_of(address.domain()) else { continue };
        for target in entry.kind.targets() {
            own_target(model, domain, target, report);
        }
    }
    loops(model, report);
}

fn is_mailbox(model: &Model<'_>, address: &MailAddress) -> bool {
    model.entries.contains_key(address)
}

fn unknown_mailbox(model: &Model<'_>, domain: &Domain<'_>, local: &Spanned<values::LocalPart>, what: &str) -> Problem {
    let locals = locals_of(model, domain);
    let help = match nearest(local.value.key(), locals.iter().map(String::as_str)) {
        Some(near) => format!("write {}", quoted(near)),
        None => format!(
            "declare `mailbox {}` in the domain, or name one that is there",
            quoted(local.value.as_str()).replace('`', "\"")
        ),
    };
    let message = format!("nothing in {} is called {}", domain.spec.name.value, quoted(local.value.as_str()));
    Problem::error("compiler::unknown-recipient", local.span, message).label(format!("cannot be {what}")).help(help)
}

fn locals_of(model: &Model<'_>, domain: &Domain<'_>) -> Vec<String> {
    let own = model.entries.keys().filter(|address| *address.domain() == domain.spec.name.value);
    own.map(|address| address.local().key().to_owned()).collect()
}

fn catch_all(model: &Model<'_>, domain: &Domain<'_>, report: &mut Report) {
    if let Some(local) = domain.spec.catch_all.as_ref().filter(|local| !local.is_hole())
        && !is_mailbox(model, &domain.address(&local.value))
    {
        report.tell(unknown_mailbox(model, domain, local, "a catch-all"));
    }
}

/// Finds what an address of the platform's stands for: its domain's aliases and its detail are looked through.
fn meaning(model: &Model<'_>, address: &MailAddress) -> Option<MailAddress> {
    let domain = model.domain_of(address.domain())?;
    let main = domain.address(address.local());
    if let Some(entry) = model.entries.get(&main) {
        return Some(domain.address(&entry.kind.local().value));
    }
    if let Some(separator) = &model.platform.mail.subaddressing
        && let Some((base, _)) = address.local().split_detail(&separator.value.as_char().to_string())
        && let Some(entry) = model.entries.get(&domain.address(&base))
    {
        return Some(domain.address(&entry.kind.local().value));
    }
    let office = domain.address(&domain.spec.catch_all.as_ref()?.value);
    let entry = model.entries.get(&office)?;
    Some(domain.address(&entry.kind.local().value))
}

/// Refuses an address in one of the reseller's own domains that nothing answers to.
///
/// Another reseller's domains are not looked into: whether somebody exists there is nobody else's business.
fn own_target(model: &Model<'_>, domain: &Domain<'_>, target: &Spanned<MailAddress>, report: &mut Report) {
    let Some(there) = model.domain_of(target.value.domain()) else { return };
    if target.is_hole() || there.reseller.spec.name.value != domain.reseller.spec.name.value {
        return;
    }
    if meaning(model, &target.value).is_none() {
        let local = Spanned::new(target.value.local().clone(), target.span);
        report.tell(unknown_mailbox(model, there, &local, "passed on to"));
    }
}

/// Refuses mail that comes back to where it began.
fn loops(model: &Model<'_>, report: &mut Report) {
    let mut next: BTreeMap<MailAddress, Vec<(MailAddress, Span)>> = BTreeMap::new();
    for (address, entry) in model.entries.iter().filter(|(_, entry)| !entry.alias) {
        let targets =
            entry.kind.targets().iter().filter_map(|target| Some((meaning(model, &target.value)?, target.span)));
        next.insert(address.clone(), targets.collect());
    }
    let mut told: BTreeSet<MailAddress> = BTreeSet::new();
    for start in next.keys() {
        if told.contains(start) {
            continue;
        }
        if let Some((path, span)) = way_back(start, &next) {
            // Keeping a copy does not help: the other copy still goes round.
            let names: Vec<String> = path.iter().map(ToString::to_string).collect();
            let place = model.entries.get(start).map_or(Span::HOLE, |entry| entry.span);
            told.extend(path);
            report.tell(
                Problem::error(
                    "compiler::forwarding-loop",
                    span,
                    format!("mail to {} comes back to it", quoted(&start.to_string())),
                )
                .label("the last step of the way back")
                .help(match names.as_slice() {
                    [only] => format!(
                        "{only} passes mail on to itself; write `keep=#true` with another address, or nothing at all"
                    ),
                    names => format!("break the circle {} → {start}", names.join(" → ")),
                })
                .related(place, "where the circle begins"),
            );
        }
    }
}

/// Returns the addresses of a circle through `start`, and the place of its last step.
fn way_back(
    start: &MailAddress,
    next: &BTreeMap<MailAddress, Vec<(MailAddress, Span)>>,
) -> Option<(Vec<MailAddress>, Span)> {
    let mut from: BTreeMap<&MailAddress, &MailAddress> = BTreeMap::new();
    let mut open = vec![start];
    while let Some(here) = open.pop() {
        for (target, span) in next.get(here)? {
            if target == start {
                let mut path = vec![here.clone()];
                let mut at = here;
                while at != start {
                    at = from.get(at)?;
                    path.push(at.clone());
                }
                path.reverse();
                return Some((path, *span));
            }
            if next.contains_key(target) && !from.contains_key(target) {
                from.insert(target, here);
                open.push(target);
            }
        }
    }
    None
}
