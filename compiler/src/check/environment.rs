//! An environment changes sizes, counts, addresses and names, and nothing else.

use spec::Problem;
use spec::model::{Environment, InternetMode};
use values::{HostName, Name, quoted};

use crate::decide::environment::is_promoted;
use crate::report::Report;
use crate::resolve::Model;

/// Checks one environment.
pub(super) fn check(model: &Model<'_>, environment: &Environment, report: &mut Report) {
    chain(model, environment, report);
    scales(model, environment, report);
    internet(model, environment, report);
}

/// Refuses a chain of promotions that comes back to itself.
fn chain(model: &Model<'_>, environment: &Environment, report: &mut Report) {
    // The shortest circle, from itself to itself, is told where the environment is read.
    if environment.from.as_ref().is_some_and(|from| from.value == environment.name.value) {
        return;
    }
    let mut seen: Vec<&Name> = vec![&environment.name.value];
    let mut here = environment;
    while let Some(from) = &here.from {
        if from.value == environment.name.value {
            // One circle is one mistake: told where something is promoted from production, or else of the first by name.
            let circle = || seen.iter().filter_map(|name| model.environments.get(name).copied());
            let from_real = |it: &&Environment| {
                let from = it.from.as_ref().and_then(|from| model.environments.get(&from.value));
                from.is_some_and(|from| is_real(from))
            };
            let blamed = circle().find(from_real).or_else(|| circle().min_by_key(|it| &it.name.value));
            if blamed.is_some_and(|blamed| blamed.name.value != environment.name.value) {
                return;
            }
            let steps: Vec<&str> = seen.iter().map(|name| name.as_str()).collect();
            let place = |it: &Environment| it.from.as_ref().map_or(it.span, |from| from.span);
            let problem = Problem::error(
                "compiler::promotion-loop",
                place(environment),
                format!("the environment {} is promoted from itself", environment.name.value),
            )
            .label("comes back to where it began")
            .help(format!(
                "break the circle {} → {}: one of them is promoted from no other",
                steps.join(" → "),
                environment.name.value
            ));
            let others = seen.iter().skip(1).filter_map(|name| model.environments.get(name));
            let problem = others.fold(problem, |problem, other| {
                problem.related(place(other), format!("what {} is promoted from", other.name.value))
            });
            report.tell(problem);
            return;
        }
        let Some(next) = model.environments.get(&from.value).filter(|_| !seen.contains(&&from.value)) else { return };
        seen.push(&from.value);
        here = next;
    }
}

/// Tells whether an environment meets the real internet.
fn is_real(environment: &Environment) -> bool {
    environment.internet.as_ref().is_some_and(|it| it.mode.value == InternetMode::Real && !it.mode.is_hole())
}

/// Tells whether an environment is promoted from itself by way of others, which is told as that.
fn is_in_circle(model: &Model<'_>, environment: &Environment) -> bool {
    let mut here = environment;
    for _ in 0..model.environments.len() {
        let Some(from) = here.from.as_ref().and_then(|from| model.environments.get(&from.value)) else { return false };
        if from.name.value == environment.name.value {
            return true;
        }
        here = from;
    }
    false
}

/// Refuses nodes of a role that the platform has none of.
fn scales(model: &Model<'_>, environment: &Environment, report: &mut Report) {
    for scale in &environment.scales {
        let named = scale.cluster.as_ref().map(|name| &name.value);
        for (role, count) in scale.roles() {
            let mut clusters = model
                .clusters
                .iter()
                .filter(|cluster| named.is_none_or(|name| cluster.spec.name.value == *name))
                .peekable();
            let first = clusters.peek().map(|cluster| cluster.spec.span);
            let Some(first) = first.filter(|_| !clusters.any(|cluster| cluster.spec.role(role).is_some())) else {
                continue;
            };
            report.tell(
                Problem::error(
                    "compiler::environment-adds-role",
                    count.span,
                    format!("the platform has no {role}, and an environment cannot add one"),
                )
                .label("not in the platform")
                .help(format!("add `{role}` to the cluster in the platform, so that production has it too"))
                .related(first, "the cluster"),
            );
        }
    }
}

/// Refuses to let mail out of a test environment, and to take the platform's own domains for somebody else's.
fn internet(model: &Model<'_>, environment: &Environment, report: &mut Report) {
    let Some(internet) = &environment.internet else { return };
    if is_real(environment) && is_promoted(model, &environment.name.value) && !is_in_circle(model, environment) {
        report.tell(
            Problem::error(
                "compiler::real-internet",
                internet.mode.span,
                "only production meets the real internet, and from here something else is promoted",
            )
            .label("mail would leave the machine")
            .help("write `internet \"simulated\"`"),
        );
    }
    for domain in &internet.domains {
        let name = &domain.name;
        let own = model.domain_of(&name.value).map(|own| own.spec.name.span);
        let operators =
            name.value.is_within(&model.platform.service_domain.value).then_some(model.platform.service_domain.span);
        if let Some(other) = own.or(operators) {
            report.tell(
                Problem::error(
                    "compiler::internet-domain",
                    name.span,
                    format!("{} is on the platform, so it cannot be outside", quoted(&name.value.to_unicode())),
                )
                .label("simulated here")
                .help("choose another name for the domain outside")
                .related(other, "on the platform"),
            );
        }
    }
    lists(model, environment, report);
}

/// Warns of DNS lists that name somebody and that no defense asks.
fn lists(model: &Model<'_>, environment: &Environment, report: &mut Report) {
    let asked: Vec<&HostName> =
        model.platform.defenses.iter().flat_map(|defense| &defense.dnsbls).map(|list| &list.zone.value).collect();
    let may_be_any = model.platform.defenses.iter().flat_map(|defense| &defense.dnsbls).any(|list| list.zone.is_hole());
    if model.platform.defenses.is_empty() || may_be_any {
        return;
    }
    for list in environment.internet.iter().flat_map(|internet| &internet.senders).flat_map(|sender| &sender.listed_on)
    {
        if !asked.contains(&&list.value) {
            report.tell(
                Problem::warning(
                    "compiler::list-not-asked",
                    list.span,
                    format!("no defense asks the list {}", quoted(list.value.as_str())),
                )
                .help(format!("write `dnsbl \"{}\"` into the defense, or remove it here", list.value)),
            );
        }
    }
}
