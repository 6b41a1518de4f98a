//! A tier switches on only what the cluster behind it has nodes for.

use spec::model::{Role, Tier, TierKind};
use spec::{Problem, Span};

use crate::report::Report;
use crate::resolve::{Cluster, Domain, Model};

/// Checks every use of a tier.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    for domain in model.domains.iter().chain(&model.repeated) {
        if let Some(tier) = domain.tier {
            roles(domain, tier, domain.spec.tier.span, report);
        }
        for (_, mailbox) in domain.mailboxes() {
            let Some(tier) = model.tier(domain, mailbox) else { continue };
            if let Some(name) = &mailbox.tier {
                roles(domain, tier, name.span, report);
            }
            if tier.kind.value == TierKind::Forward && mailbox.forward.is_none() && !tier.kind.is_hole() {
                report.tell(
                    Problem::error(
                        "compiler::forward-without-target",
                        mailbox.local.span,
                        format!("the tier {} keeps no mail, and this mailbox passes none on", tier.name.value),
                    )
                    .label("its mail would go nowhere")
                    .help("write `forward \"ADDRESS\"` into it, or give it another tier")
                    .related(tier.kind.span, "the tier's kind"),
                );
            }
        }
        for left_out in domain.left_out {
            let Some(tier) = model.tier_left_out(domain, left_out) else { continue };
            let mut own = Report::default();
            if left_out.tier.is_some() {
                roles(domain, tier, tier.span, &mut own);
            }
            if !own.is_empty() || (tier.kind.value == TierKind::Forward && !tier.kind.is_hole()) {
                report.want(domain.file());
            }
        }
    }
}

/// Returns what a tier switches on that needs a role, with the place that does.
fn switched_on(tier: &Tier) -> impl Iterator<Item = (&'static str, Span, &'static [Role])> {
    let all: [(&str, bool, Span, &[Role]); 5] = [
        ("imap", tier.imap.value, tier.imap.span, &[Role::Access, Role::Store]),
        ("pop3", tier.pop3.value, tier.pop3.span, &[Role::Access, Role::Store]),
        ("webmail", tier.webmail.value, tier.webmail.span, &[Role::Web, Role::Store]),
        ("sieve", tier.sieve.value, tier.sieve.span, &[Role::Access, Role::Store]),
        ("calendar", tier.calendar.value, tier.calendar.span, &[Role::Calendar]),
    ];
    all.into_iter().filter(|(_, on, ..)| *on).map(|(name, _, span, roles)| (name, span, roles))
}

/// Why a tier needs a role.
enum Why {
    Does(&'static str),
    SwitchesOn(&'static str),
}

fn roles(domain: &Domain<'_>, tier: &Tier, span: Span, report: &mut Report) {
    let Some(Cluster { spec: cluster, .. }) = domain.cluster else { return };
    let takes = [(Why::Does("takes mail"), tier.span, Role::Mx)];
    let keeps = [
        (Why::Does("keeps mail"), tier.kind.span, Role::Store),
        (Why::Does("lets its users send"), tier.kind.span, Role::Submission),
    ];
    let keeps = keeps.into_iter().filter(|_| tier.kind.value == TierKind::Mailbox);
    let switched = switched_on(tier)
        .flat_map(|(name, place, roles)| roles.iter().map(move |role| (Why::SwitchesOn(name), place, *role)));
    let mut told = Vec::new();
    for (why, place, role) in takes.into_iter().chain(keeps).chain(switched) {
        if cluster.role(role).is_some() || told.contains(&role) {
            continue;
        }
        told.push(role);
        let what = match why {
            Why::Does(what) => what.to_owned(),
            Why::SwitchesOn(name) => format!("switches on `{name}`"),
        };
        report.tell(
            Problem::error(
                "compiler::role-missing",
                span,
                format!("the tier {} {what}, and the cluster {} has no {role}", tier.name.value, cluster.name.value),
            )
            .label("asked for here")
            .help(format!("add `{role}` to the cluster, or choose another tier or cluster"))
            .related(place, "the tier asks for it")
            .related(cluster.span, format!("the cluster has no `{role}`")),
        );
    }
}
