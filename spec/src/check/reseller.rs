//! Contradictions within a reseller's declarations.

use values::quoted;

use super::{local_parts, scores};
use crate::decode::Decoder;
use crate::model::{Admin, Autoreply, DefenseChange, Domain, Reseller};
use crate::problem::Problem;

/// Reports what contradicts itself within a reseller's declarations.
pub(crate) fn reseller(reseller: &Reseller, decoder: &mut Decoder) {
    if !reseller.name.is_hole() {
        for one in &reseller.admins {
            admin(one, reseller, decoder);
        }
    }
    for one in &reseller.domains {
        domain(one, decoder);
    }
}

fn admin(admin: &Admin, reseller: &Reseller, decoder: &mut Decoder) {
    let own = format!("{}.adm", reseller.name.value);
    if admin.address.value.domain().as_str() != own && !admin.address.is_hole() {
        let address = &admin.address.value;
        decoder.report(
            Problem::error(
                "spec::foreign-admin",
                admin.address.span,
                format!(
                    "the admin {} is not one of the reseller `{}`",
                    quoted(&address.to_string()),
                    reseller.name.value
                ),
            )
            .label(format!("an admin's address ends in `@{own}`"))
            .help(format!("write `{}@{own}`", address.local())),
        );
    }
}

fn domain(domain: &Domain, decoder: &mut Decoder) {
    local_parts::unique(domain, decoder);
    single_label(domain, decoder);
    for alias in &domain.aliases {
        if alias.value == domain.name.value {
            decoder.report(
                Problem::error(
                    "spec::duplicate-name",
                    alias.span,
                    format!("the domain {} is an alias of itself", quoted(&alias.value.to_unicode())),
                )
                .label("the domain's own name")
                .help("remove it")
                .related(domain.name.span, "the domain"),
            );
        }
    }
    let mailboxes = domain.workgroups.iter().flat_map(|group| &group.mailboxes);
    for change in domain.defense.iter().chain(mailboxes.clone().filter_map(|mailbox| mailbox.defense.as_deref())) {
        defense(change, decoder);
    }
    for autoreply in mailboxes.filter_map(|mailbox| mailbox.autoreply.as_deref()) {
        period(autoreply, decoder);
    }
}

fn single_label(domain: &Domain, decoder: &mut Decoder) {
    for name in std::iter::once(&domain.name).chain(&domain.aliases) {
        if name.value.parent().is_none() {
            decoder.report(
                Problem::error(
                    "spec::wrong-value",
                    name.span,
                    format!("the mail domain {} has a single label", quoted(name.value.as_str())),
                )
                .label("not below a top-level domain")
                .help("write the whole domain, such as `acme.example`"),
            );
        }
    }
}

fn defense(change: &DefenseChange, decoder: &mut Decoder) {
    scores::rising(change.tag.as_ref(), change.quarantine.as_ref(), change.reject.as_ref(), decoder);
    for blocked in &change.block {
        if let Some(allowed) = change.allow.iter().find(|allowed| allowed.value == blocked.value) {
            decoder.report(
                Problem::error(
                    "spec::contradiction",
                    blocked.span,
                    format!("{} is both allowed and blocked", quoted(&blocked.value.to_string())),
                )
                .label("blocked here")
                .help("remove one of the two")
                .related(allowed.span, "allowed here"),
            );
        }
    }
}

fn period(autoreply: &Autoreply, decoder: &mut Decoder) {
    if let (Some(from), Some(until)) = (&autoreply.from, &autoreply.until)
        && until.value < from.value
    {
        decoder.report(
            Problem::error("spec::contradiction", until.span, "the answer ends before it begins")
                .label(format!("before {}", from.value))
                .help(format!("write `{}` or a later day", from.value))
                .related(from.span, "it begins here"),
        );
    }
}
