//! Where mail is passed on to: addresses of one's own that exist, and no way back to where it began.

use std::collections::{BTreeMap, BTreeSet};

use spec::model::TierKind;
use spec::{Problem, Span, Spanned};
use values::{HostName, MailAddress, quoted};

use crate::report::Report;
use crate::resolve::{Domain, Entry, EntryKind, Model, nearest};

/// Checks where mail is passed on to.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    for domain in model.domains.iter().chain(&model.repeated) {
        catch_all(model, domain, report);
        for migrated in domain.spec.migrations.iter().flat_map(|migration| &migration.mailboxes) {
            let address = domain.address(&migrated.local.value);
            if migrated.local.is_hole() {
                continue;
            }
            match model.entries.find(address.domain(), address.local()) {
                None => tell_unknown(model, domain, &migrated.local, "fetched into", report),
                Some(entry) => kept_nowhere(model, domain, &migrated.local, entry, report),
            }
        }
    }
    letters(model, report);
    for (address, entry) in model.entries.iter().filter(|(_, entry)| !entry.alias) {
        if entry.kind.targets().is_empty() {
            continue;
        }
        let Some(domain) = model.domain_of(address.domain) else { continue };
        for target in entry.kind.targets() {
            own_target(model, domain, target, report);
        }
    }
    loops(model, report);
}

/// Refuses letters beyond ASCII before the `@` where the platform's daemons are told to take none.
fn letters(model: &Model<'_>, report: &mut Report) {
    let taken = &model.platform.mail.internationalized;
    if taken.value || taken.is_hole() && model.platform.mail.max_message.is_hole() {
        return;
    }
    for (address, entry) in model.entries.iter().filter(|(address, _)| !address.local.as_str().is_ascii()) {
        report.tell(
            Problem::error(
                "compiler::not-internationalized",
                entry.span,
                format!("the address {} has letters beyond ASCII", quoted(&address.to_address().to_string())),
            )
            .label("the platform takes no such addresses")
            .help("write it without them, or let the operator write `internationalized` into `mail`")
            .related(model.platform.mail.span, "what the platform takes"),
        );
    }
}

/// Tells of mail that is to be fetched into what keeps none.
fn kept_nowhere(
    model: &Model<'_>,
    domain: &Domain<'_>,
    local: &Spanned<values::LocalPart>,
    entry: &Entry<'_>,
    report: &mut Report,
) {
    let (why, place) = match entry.kind {
        EntryKind::Mailbox(mailbox) => match model.tier(domain, mailbox) {
            Some(tier) if tier.kind.value != TierKind::Mailbox && !tier.kind.is_hole() => {
                (format!("its tier {} keeps no mail", tier.name.value), tier.kind.span)
            }
            _ => return,
        },
        EntryKind::Forward(_) | EntryKind::List(_) => {
            (format!("the {} only passes mail on", entry.kind.name()), entry.span)
        }
    };
    report.tell(
        Problem::error(
            "compiler::keeps-no-mail",
            local.span,
            format!("no mail can be fetched into {}, which keeps none", quoted(local.value.as_str())),
        )
        .label("cannot be fetched into")
        .help("name a mailbox that is kept here, or remove it from the migration")
        .related(place, why),
    );
}

fn is_mailbox(model: &Model<'_>, address: &MailAddress) -> bool {
    model.entries.contains(address)
}

/// Tells that nothing in a domain has a name; whole, since what was meant may be among the mailboxes that are only counted.
fn tell_unknown(
    model: &Model<'_>,
    domain: &Domain<'_>,
    local: &Spanned<values::LocalPart>,
    what: &str,
    report: &mut Report,
) {
    if !domain.left_out.is_empty() {
        report.want(domain.file());
    }
    report.tell(unknown_mailbox(model, domain, local, what));
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
    model.entries.of_domain(&domain.spec.name.value).iter().map(|(local, _)| local.key().to_owned()).collect()
}

fn catch_all(model: &Model<'_>, domain: &Domain<'_>, report: &mut Report) {
    if let Some(local) = domain.spec.catch_all.as_ref().filter(|local| !local.is_hole())
        && !is_mailbox(model, &domain.address(&local.value))
        && !in_any_copy(model, &domain.address(&local.value))
    {
        tell_unknown(model, domain, local, "a catch-all", report);
    }
}

/// Finds what an address of the platform's stands for: its domain's aliases and its detail are looked through.
fn meaning(model: &Model<'_>, address: &MailAddress) -> Option<MailAddress> {
    let domain = model.domain_of(address.domain())?;
    let caught = || model.entries.find(&domain.spec.name.value, &domain.spec.catch_all.as_ref()?.value);
    let entry = named(model, domain, address).or_else(caught)?;
    Some(domain.address(&entry.kind.local().value))
}

/// Finds what bears an address of a domain, or the address without its detail.
fn named<'m>(model: &'m Model<'_>, domain: &Domain<'_>, address: &MailAddress) -> Option<&'m Entry<'m>> {
    let domain = &domain.spec.name.value;
    model.entries.find(domain, address.local()).or_else(|| {
        let separator = model.platform.mail.subaddressing.as_ref()?;
        let (base, _) = address.local().split_detail(&separator.value.as_char().to_string())?;
        model.entries.find(domain, &base)
    })
}

/// Tells whether an address is one of a domain that several declarations claim, any of which may be the one that stays.
fn in_any_copy(model: &Model<'_>, address: &MailAddress) -> bool {
    if !model.contested.contains(address.domain()) {
        return false;
    }
    let copies = model.domains.iter().chain(&model.repeated);
    copies.filter(|domain| domain.names().any(|name| name.value == *address.domain())).any(|domain| {
        let groups = || domain.spec.workgroups.iter();
        let mailboxes = groups().flat_map(|group| &group.mailboxes).map(|it| (&it.local, &it.aliases));
        let forwards = groups().flat_map(|group| &group.forwards).map(|it| (&it.local, &it.aliases));
        let lists = groups().flat_map(|group| &group.lists).map(|it| (&it.local, &it.aliases));
        let mut locals =
            mailboxes.chain(forwards).chain(lists).flat_map(|(local, aliases)| [local].into_iter().chain(aliases));
        locals.any(|local| local.value.key() == address.local().key())
    })
}

/// Refuses an address in one of the reseller's own domains that nothing answers to.
///
/// Another reseller's domains are not looked into: whether somebody exists there is nobody else's business.
fn own_target(model: &Model<'_>, domain: &Domain<'_>, target: &Spanned<MailAddress>, report: &mut Report) {
    let Some(there) = model.domain_of(target.value.domain()) else { return outside(domain, target, report) };
    if in_any_copy(model, &target.value)
        || target.is_hole()
        || there.reseller.spec.name.value != domain.reseller.spec.name.value
    {
        return;
    }
    if meaning(model, &target.value).is_none() {
        let local = Spanned::new(target.value.local().clone(), target.span);
        tell_unknown(model, there, &local, "passed on to", report);
    }
}

/// Tells of an address outside that nobody has, or that is one of the reseller's own with a slip of the pen in its domain.
fn outside(domain: &Domain<'_>, target: &Spanned<MailAddress>, report: &mut Report) {
    if target.is_hole() {
        return;
    }
    let written = target.value.domain();
    let own =
        || domain.reseller.spec.domains.iter().flat_map(|domain| [&domain.name].into_iter().chain(&domain.aliases));
    let own = || own().filter(|name| !name.is_hole()).map(|name| &name.value);
    let meant = |name: &HostName| quoted(&MailAddress::new(target.value.local().clone(), name.clone()).to_string());
    if written.parent().is_none() {
        let begins = own().find(|name| name.as_str().split('.').next() == Some(written.as_str()));
        report.tell(
            Problem::error(
                "compiler::unknown-recipient",
                target.span,
                format!(
                    "the domain of {} has a single label, and none in the world is called so",
                    quoted(&target.value.to_string())
                ),
            )
            .label("cannot be passed on to")
            .help(match begins {
                Some(name) => format!("write {}", meant(name)),
                None => "write the whole domain behind the `@`, such as `acme.example`".to_owned(),
            }),
        );
    } else if let Some(near) = own().find(|name| is_slip(written, name)) {
        report.tell(
            Problem::warning(
                "compiler::nearly-own-domain",
                target.span,
                format!("the domain of {} is not the reseller's own, and nearly so", quoted(&target.value.to_string())),
            )
            .label("this mail leaves the platform")
            .help(format!("write {}", meant(near))),
        );
    }
}

/// Tells whether a domain is another one with a slip of the pen in it, rather than a name like it that exists as well.
pub(super) fn is_slip(written: &HostName, meant: &HostName) -> bool {
    let (written, meant) = (written.as_str(), meant.as_str());
    let allowed = if meant.len() >= 10 { 2 } else { 1 };
    if written.len().abs_diff(meant.len()) > allowed || strsim::damerau_levenshtein(written, meant) > allowed {
        return false;
    }
    // Names with other numbers in them, or below another top-level domain, are made so on purpose.
    let letters = |name: &str| name.chars().filter(|it| !it.is_ascii_digit()).collect::<String>();
    let top = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let (top_written, top_meant) = (top(written), top(meant));
    letters(written) != letters(meant) && (top_written == top_meant || top_written.len() > 3 && top_meant.len() > 3)
}

/// Refuses an address in a domain of the platform that nothing answers to, whoever asks for it.
pub(super) fn declared(model: &Model<'_>, address: &Spanned<MailAddress>, report: &mut Report) {
    let Some(domain) = model.domain_of(address.value.domain()).filter(|_| !address.is_hole()) else { return };
    if in_any_copy(model, &address.value) {
        return;
    }
    // What a catch-all takes is in its mailbox and in no other.
    if named(model, domain, &address.value).is_none() {
        let local = Spanned::new(address.value.local().clone(), address.span);
        tell_unknown(model, domain, &local, "looked into", report);
    }
}

/// Tells whether an address may mean another mailbox than it seems to: one that is only counted.
///
/// An outline keeps all that its own file names, so that only the mailboxes of other files can be missing.
fn is_guess(model: &Model<'_>, target: &Spanned<MailAddress>, met: &MailAddress) -> bool {
    let Some(there) = model.domain_of(target.value.domain()) else { return false };
    !there.left_out.is_empty()
        && there.file() != target.span.file
        && model.entries.find(met.domain(), target.value.local()).is_none()
}

/// Refuses mail that comes back to where it began.
fn loops(model: &Model<'_>, report: &mut Report) {
    let mut next: BTreeMap<MailAddress, Vec<(MailAddress, Span)>> = BTreeMap::new();
    // What passes nothing on is on no way back.
    for (address, entry) in model.entries.iter().filter(|(_, entry)| !entry.alias && !entry.kind.targets().is_empty()) {
        let mut steps = Vec::new();
        for target in entry.kind.targets() {
            let Some(met) = meaning(model, &target.value).filter(|_| !target.is_hole()) else { continue };
            if is_guess(model, target, &met) {
                report.want(model.domain_of(target.value.domain()).map_or(target.span.file, Domain::file));
            }
            steps.push((met, target.span));
        }
        next.insert(address.to_address(), steps);
    }
    let mut told: BTreeSet<MailAddress> = BTreeSet::new();
    for (start, steps) in &mut next {
        // The smallest circle is told by itself, and looked past where a larger one is looked for.
        if let Some((_, span)) = steps.iter().find(|(met, _)| met == start) {
            report.tell(
                Problem::error(
                    "compiler::forwarding-loop",
                    *span,
                    format!("mail to {} is passed on to itself", quoted(&start.to_string())),
                )
                .label("the same mailbox")
                .help("remove it; `keep` lets a copy stay in a mailbox"),
            );
        }
        steps.retain(|(met, _)| met != start);
    }
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
                .help(format!("break the circle {} → {start}", names.join(" → ")))
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
