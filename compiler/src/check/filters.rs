//! Filtered mailboxes have a server of the customer's that takes what is clean, and it is none of the platform's own.

use std::collections::BTreeSet;

use spec::model::{self, TierKind};
use spec::{Problem, Span};
use values::{HostName, quoted};

use crate::report::Report;
use crate::resolve::{Domain, Model};

/// Checks where the mail of filtered mailboxes goes.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    for domain in model.domains.iter().chain(&model.repeated) {
        match &domain.spec.filter_mx {
            None => without(model, domain, report),
            Some(server) if !server.host.is_hole() => {
                if let Some((place, what)) = own(model, &server.host.value) {
                    report.tell(
                        Problem::error(
                            "compiler::filter-loop",
                            server.host.span,
                            format!(
                                "{} is the platform's own: mail would come back here",
                                quoted(server.host.value.as_str())
                            ),
                        )
                        .label("leads back here")
                        .help("name the server on which the customer keeps the mailboxes")
                        .related(place, what),
                    );
                }
            }
            Some(_) => {}
        }
    }
}

/// Tells each tier of the kind `filter` that mailboxes of a domain have for which no server is named.
fn without(model: &Model<'_>, domain: &Domain<'_>, report: &mut Report) {
    let mut told: BTreeSet<Span> = BTreeSet::new();
    let own = domain.mailboxes().filter_map(|(_, mailbox)| {
        let tier = model.tier(domain, mailbox)?;
        Some((tier, mailbox.tier.as_ref().map_or(domain.spec.tier.span, |own| own.span)))
    });
    let filters = |tier: &model::Tier| tier.kind.value == TierKind::Filter && !tier.kind.is_hole();
    if domain.left_out.iter().any(|left_out| model.tier_left_out(domain, left_out).is_some_and(filters)) {
        report.want(domain.file());
    }
    for (tier, place) in own {
        if !filters(tier) || !told.insert(place) {
            continue;
        }
        report.tell(
            Problem::error(
                "compiler::no-filter-host",
                place,
                format!(
                    "mail of the tier {} goes to the customer's own server, and {} names none",
                    tier.name.value,
                    domain.spec.name.value.to_unicode()
                ),
            )
            .label("delivered nowhere")
            .help(format!(
                "write `filter-mx \"mail.customer.example\"` with the customer's host into the domain {}, or choose a tier of the \
                 kind `mailbox`",
                domain.spec.name.value.to_unicode()
            ))
            .related(tier.kind.span, "the tier filters only"),
        );
    }
}

/// Finds what makes a host name the platform's own.
fn own(model: &Model<'_>, host: &HostName) -> Option<(Span, &'static str)> {
    let service = &model.platform.service_domain;
    if !service.is_hole() && host.is_within(&service.value) {
        return Some((service.span, "the operator's host names lie below this"));
    }
    let brands = model.resellers.iter().flat_map(|reseller| &reseller.spec.brands);
    let mut hosts = brands
        .filter_map(|brand| brand.hosts.as_ref())
        .flat_map(|hosts| [&hosts.webmail, &hosts.imap, &hosts.pop3, &hosts.smtp].into_iter().flatten());
    hosts.find(|brand| brand.value == *host).map(|brand| (brand.span, "a brand's host name leads to the platform"))
}
