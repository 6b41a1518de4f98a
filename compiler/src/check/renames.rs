//! What was renamed has its old name no more, and no two things had the same one.

use std::collections::BTreeMap;

use spec::{Problem, Span, Spanned};
use values::quoted;

use crate::report::Report;
use crate::resolve::Model;

/// A thing as this rule sees it: its name, and the name it is said to have had.
type Named = (String, Span, Option<(String, Span)>);

/// Checks each `renamed-from` against the thing's siblings.
///
/// Whether anything had the old name before is no question of one revision; `plan` tells that.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    macro_rules! siblings {
        ($what:literal, $things:expr, $name:ident) => {
            // Hardly anything is renamed, and a domain may have many mailboxes: names are only gathered where one is.
            if $things.any(|thing| thing.renamed_from.is_some()) {
                siblings(report, $what, $things.map(|thing| named(&thing.$name, thing.renamed_from.as_ref())));
            }
        };
    }
    let platform = model.platform;
    siblings!("site", platform.sites.iter(), name);
    for site in &platform.sites {
        siblings!("storage", site.storages.iter(), name);
        siblings!("group of hosts", site.hosts.iter(), name);
        siblings!("lease", site.leases.iter(), name);
    }
    siblings!("cluster", platform.clusters.iter(), name);
    siblings!("defense", platform.defenses.iter(), name);
    siblings!("outbound pool", platform.outbounds.iter(), name);
    siblings!("tier", platform.tiers.iter(), name);
    siblings!("environment", model.environments.values(), name);
    siblings!("reseller", model.resellers.iter().map(|reseller| reseller.spec), name);
    siblings!("domain", model.domains.iter().map(|domain| domain.spec), name);
    for reseller in &model.resellers {
        siblings!("brand", reseller.spec.brands.iter(), name);
    }
    for domain in &model.domains {
        let groups = &domain.spec.workgroups;
        siblings!("workgroup", groups.iter(), name);
        siblings!("migration", domain.spec.migrations.iter(), name);
        siblings!("mailbox", groups.iter().flat_map(|group| &group.mailboxes), local);
        siblings!("forward", groups.iter().flat_map(|group| &group.forwards), local);
        siblings!("list", groups.iter().flat_map(|group| &group.lists), local);
    }
}

fn named<T: ToString>(name: &Spanned<T>, renamed_from: Option<&Spanned<T>>) -> Named {
    let before = renamed_from.filter(|before| !before.is_hole());
    (name.value.to_string(), name.span, before.map(|before| (before.value.to_string(), before.span)))
}

fn siblings(report: &mut Report, what: &str, things: impl Iterator<Item = Named>) {
    let things: Vec<Named> = things.filter(|(_, span, _)| !span.is_hole()).collect();
    // Local parts are the same in any spelling; nothing else has capitals.
    let names: BTreeMap<String, Span> =
        things.iter().rev().map(|(name, span, _)| (name.to_lowercase(), *span)).collect();
    let mut claimed: BTreeMap<String, Span> = BTreeMap::new();
    for (name, _, before) in &things {
        let Some((before, span)) = before else { continue };
        let problem = |message: String| Problem::error("compiler::stale-rename", *span, message);
        if let Some(still) = names.get(&before.to_lowercase()) {
            let itself = before.to_lowercase() == name.to_lowercase();
            let message = match itself {
                true => format!("the {what} {} is said to have been renamed from its own name", quoted(name)),
                false => {
                    format!("the {what} {} is said to have been {}, which is still there", quoted(name), quoted(before))
                }
            };
            let mut problem = problem(message).label("no name of the past");
            problem = match itself {
                true => problem.help("remove `renamed-from`, or write the old name"),
                false => problem
                    .help(format!("remove `renamed-from`, or the {what} {}", quoted(before)))
                    .related(*still, format!("the {what} {} stands here", quoted(before))),
            };
            report.tell(problem);
        } else if let Some(first) = claimed.insert(before.to_lowercase(), *span) {
            report.tell(
                problem(format!("more than one {what} is said to have been {}", quoted(before)))
                    .label("claimed again here")
                    .help("keep `renamed-from` on the one that is to have what the old one has")
                    .related(first, "claimed here too"),
            );
        }
    }
}
