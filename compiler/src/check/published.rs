//! What would be published works: policies that can be fetched and evaluated, names that fit.

use std::collections::BTreeMap;

use blueprint::Blueprint;
use blueprint::dns::policy;
use spec::model::{DnsAuthority, MtaStsMode, Role};
use spec::{Problem, Span};
use values::HostName;

use crate::report::Report;
use crate::resolve::Model;

/// Look-ups that an evaluation of a sender policy may take (RFC 7208 §4.6.4).
const LOOK_UPS: usize = 10;
/// Characters of a part of a sender policy that reach everybody: an answer with it fits into a datagram (RFC 7208 §3.4).
const LONGEST_POLICY: usize = 1100;
/// Octets of a name as people write it (RFC 1035 §3.1).
const LONGEST_NAME: usize = 253;
/// The longest of the labels that are put before a customer's domain, with its dot.
const LONGEST_PREFIX: &str = "_submissions._tcp.";

/// Checks what holds in every environment.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    transport_policy(model, report);
    long_names(model, report);
}

/// A policy that senders must use TLS is fetched from a web server, which has to be there.
fn transport_policy(model: &Model<'_>, report: &mut Report) {
    let Some(mta_sts) = model.platform.mail.mta_sts.as_ref().filter(|it| it.mode.value != MtaStsMode::None) else {
        return;
    };
    if mta_sts.mode.is_hole() || model.platform.clusters.iter().any(|cluster| cluster.role(Role::Web).is_some()) {
        return;
    }
    // Without a single domain there is nobody to publish it for.
    let Some(domain) = model.domains.first() else { return };
    report.tell(
        Problem::error(
            "compiler::policy-unreachable",
            mta_sts.span,
            "senders fetch this policy from a web server, and no cluster has the role `web`",
        )
        .label("nobody would answer for it")
        .help("add `web` to a cluster, or take `mta-sts` away")
        .related(domain.cluster.map_or(Span::HOLE, |cluster| cluster.spec.span), "the cluster of the first domain"),
    );
}

/// Names that are made by putting something before a domain's have to fit as well.
fn long_names(model: &Model<'_>, report: &mut Report) {
    let service = &model.platform.service_domain.value;
    let mut longest = LONGEST_PREFIX.len();
    if model.platform.dns.authority.value == DnsAuthority::Customer {
        // Aliases lead to names that hold the customer's and the operator's.
        longest = longest.max("e1.".len() + ".dkim.".len() + service.as_str().len());
    }
    for domain in &model.domains {
        for name in domain.names() {
            let length = name.value.as_str().len() + longest;
            if length > LONGEST_NAME && !name.is_hole() {
                report.tell(too_long(name.span, &name.value, longest));
            }
        }
    }
}

fn too_long(span: Span, name: &HostName, longest: usize) -> Problem {
    Problem::error(
        "compiler::name-too-long",
        span,
        format!(
            "the domain has {} characters, and records of its own need longer names than DNS has",
            name.as_str().len()
        ),
    )
    .label("too long to publish keys and services below it")
    .help(format!("choose a name of at most {} characters", LONGEST_NAME.saturating_sub(longest)))
}

/// Checks what the addresses of an environment make of the policy that names its senders.
pub(super) fn senders(model: &Model<'_>, blueprint: &Blueprint, report: &mut Report) {
    let texts: BTreeMap<String, String> = policy::senders(blueprint).into_iter().collect();
    // The look-up of the platform's policy by a customer's is one, and each part of it another.
    let look_ups = 1 + texts.values().map(|text| text.matches("include:").count()).sum::<usize>();
    let longest = texts.values().map(String::len).max().unwrap_or_default();
    if look_ups <= LOOK_UPS && longest <= LONGEST_POLICY {
        return;
    }
    let addresses: Vec<_> = model.pools.values().flat_map(|pool| &pool.addresses).collect();
    let Some(last) = addresses.last() else { return };
    report.tell(
        Problem::error(
            "compiler::sender-policy-too-large",
            last.address.span,
            format!(
                "{} outbound addresses make a sender policy of {look_ups} look-ups with parts of {longest} characters",
                addresses.len()
            ),
        )
        .label(format!("receivers make {LOOK_UPS} look-ups, and many take no part of more than {LONGEST_POLICY}"))
        .help("let pools have neighbouring addresses, which are one network in the policy, or fewer of them"),
    );
}
