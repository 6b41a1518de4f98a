//! Each host name stands for one thing, and a brand's lie in its reseller's own domains.

use std::collections::BTreeMap;

use spec::model::Environment;
use spec::{Problem, Span, Spanned};
use values::{HostName, quoted};

use crate::decide::environment::{rehost, service_domain};
use crate::decide::names::group_host;
use crate::decide::nodes;
use crate::report::Report;
use crate::resolve::{Model, Reseller};

/// Labels below a customer's domain that mail programs and other servers look up (RFC 8461 §3.3, and what mail programs do).
const PUBLISHED: [&str; 3] = ["autoconfig", "autodiscover", "mta-sts"];

/// Checks the host names of brands, which are the same in every environment.
pub(super) fn brands(model: &Model<'_>, report: &mut Report) {
    let mut seen: BTreeMap<&HostName, (&Reseller<'_>, &Spanned<HostName>)> = BTreeMap::new();
    for reseller in &model.resellers {
        for hosts in reseller.spec.brands.iter().filter_map(|brand| brand.hosts.as_ref()) {
            let all = [&hosts.webmail, &hosts.imap, &hosts.pop3, &hosts.smtp];
            for host in all.into_iter().flatten().filter(|host| !host.is_hole()) {
                foreign(model, reseller, host, report);
                published(reseller, host, report);
                match seen.get(&host.value) {
                    // One host may answer several protocols, but only one reseller's.
                    Some((other, first)) if other.spec.name.value != reseller.spec.name.value => report.tell(
                        Problem::error(
                            "compiler::host-name-clash",
                            host.span,
                            format!("two resellers claim the host name {}", quoted(&host.value.to_unicode())),
                        )
                        .help("choose another")
                        .related(first.span, format!("claimed by {} too", other.spec.name.value)),
                    ),
                    Some(_) => {}
                    None => {
                        seen.insert(&host.value, (reseller, host));
                    }
                }
            }
        }
    }
}

/// Refuses a name below a domain that the platform publishes there itself.
fn published(reseller: &Reseller<'_>, host: &Spanned<HostName>, report: &mut Report) {
    let Some((label, parent)) = host.value.as_str().split_once('.') else { return };
    let mut own = reseller.spec.domains.iter().flat_map(|domain| [&domain.name].into_iter().chain(&domain.aliases));
    if let Some(domain) = own.find(|name| !name.is_hole() && name.value.as_str() == parent)
        && PUBLISHED.contains(&label)
    {
        report.tell(
            Problem::error(
                "compiler::host-name-clash",
                host.span,
                format!("the host name {} stands for two things", quoted(&host.value.to_unicode())),
            )
            .label("the platform publishes it for another purpose")
            .help(format!("choose another; {} are published below each domain", PUBLISHED.join(", ")))
            .related(domain.span, "below this domain"),
        );
    }
}

fn foreign(model: &Model<'_>, reseller: &Reseller<'_>, host: &Spanned<HostName>, report: &mut Report) {
    let own = reseller.spec.domains.iter().flat_map(|domain| [&domain.name].into_iter().chain(&domain.aliases));
    let mut own = own.peekable();
    let first = own.peek().map(|name| name.value.clone());
    if own.any(|name| name.is_hole() || host.value.is_within(&name.value)) {
        return;
    }
    let service = &model.platform.service_domain;
    let message =
        format!("the host name {} is in no domain of {}", quoted(&host.value.to_unicode()), reseller.spec.name.value);
    let mut problem =
        Problem::error("compiler::foreign-host-name", host.span, message).label("not this reseller's to give").help(
            first.map_or_else(|| "declare the domain first".to_owned(), |domain| format!("choose one below {domain}")),
        );
    if host.value.is_within(&service.value) {
        problem = problem.related(service.span, "it belongs to the operator");
    }
    report.tell(problem);
}

/// Checks that the operator's own host names in an environment are apart from each other.
pub(super) fn operator(model: &Model<'_>, environment: &Environment, report: &mut Report) {
    let service = service_domain(model, environment);
    if model.platform.service_domain.is_hole() || environment.suffix.as_ref().is_some_and(Spanned::is_hole) {
        return;
    }
    let mut seen: BTreeMap<HostName, Span> = BTreeMap::new();
    for node in nodes::called(model, environment) {
        // A name that is too long is told where it is decided.
        if let Ok(name) = service.below(node.name.as_str()) {
            seen.insert(name, node.span);
        }
        seen.insert(group_host(node.role, node.cluster, &service), node.span);
    }
    let helos = model.pools.values().flat_map(|pool| &pool.addresses).map(|address| &address.helo);
    let srs = model.platform.mail.forwarding.srs.iter();
    for host in helos.chain(srs).filter(|host| !host.is_hole()) {
        let name = rehost(model, environment, &host.value);
        if let Some(first) = seen.insert(name.clone(), host.span) {
            report.tell(
                Problem::error(
                    "compiler::host-name-clash",
                    host.span,
                    format!("the host name {} stands for two things", quoted(host.value.as_str())),
                )
                .label("a second meaning")
                .help("choose another; nodes are called `ROLE-NUMBER`, groups of them `ROLE.CLUSTER`, below the service domain")
                .related(first, "its first meaning"),
            );
        }
    }
}

/// Checks that an environment's own names lie in no customer's domain.
pub(super) fn suffix(model: &Model<'_>, environment: &Environment, report: &mut Report) {
    if let Some(suffix) = &environment.suffix
        && let Some(domain) = model.domains.iter().find(|domain| {
            // A single label is no domain, and was told.
            let real = |name: &&Spanned<HostName>| !name.is_hole() && name.value.parent().is_some();
            domain.names().filter(real).any(|name| suffix.value.is_within(&name.value))
        })
    {
        report.tell(
            Problem::error(
                "compiler::host-name-clash",
                suffix.span,
                format!("the suffix {} lies in a customer's domain", quoted(suffix.value.as_str())),
            )
            .help(format!("choose one below {}", model.platform.service_domain.value))
            .related(domain.spec.name.span, "the customer's domain"),
        );
    }
}
