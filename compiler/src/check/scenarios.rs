//! Scenarios break and move hosts and nodes, look into mailboxes and sell tiers that are there.

use std::collections::BTreeSet;

use spec::model::Step;
use spec::{Problem, Spanned, model};
use values::{MailAddress, Name, quoted};

use super::addresses;
use crate::decide::{hosts, nodes};
use crate::report::Report;
use crate::resolve::{Model, unknown};

/// Checks the hosts and nodes that scenarios name. A node is there if any environment has it.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    let hosts: BTreeSet<Name> =
        model.sites.values().flat_map(|site| hosts::hosts(site)).map(|(host, _)| host.name).collect();
    let nodes: BTreeSet<Name> =
        model.environments.values().flat_map(|environment| nodes::names(model, environment)).collect();
    // What could not be read may be what is meant.
    let guessed_hosts = model.platform.sites.is_empty()
        || model.platform.sites.iter().any(|site| {
            site.name.is_hole() || site.hosts.iter().any(|group| group.name.is_hole() || group.count.is_hole())
        });
    let guessed_nodes = model.platform.clusters.len() != model.clusters.len()
        || model.clusters.iter().any(|cluster| cluster.spec.roles().any(|(_, nodes)| nodes.count.is_hole()));
    // A reseller whose revision cannot be had is told elsewhere, and may have any domain.
    let is_here = |contract: &model::Contract| {
        model.resellers.iter().any(|reseller| reseller.spec.name.value == contract.reseller.value)
    };
    let all_here = model.platform.contracts.iter().all(|contract| contract.repository.is_none() || is_here(contract));
    for scenario in model.scenarios.values() {
        mailboxes(model, scenario, report);
    }
    for step in model.scenarios.values().flat_map(|scenario| &scenario.steps) {
        if let Step::Load(load) = step {
            // As they are declared: what is wrong inside one has been told there.
            let declared = model.resellers.iter().flat_map(|reseller| &reseller.spec.domains);
            let known = declared.flat_map(|domain| [&domain.name].into_iter().chain(&domain.aliases));
            if all_here
                && !load.to.is_hole()
                && !known.clone().any(|name| name.is_hole() || name.value == load.to.value)
            {
                let known: Vec<&str> = known.map(|name| name.value.as_str()).collect();
                report.tell(unknown("spec::unknown-domain", "domain", &load.to, known));
            }
        }
        if let Step::Provision(provision) = step
            && let Some(tier) = provision.tier.as_ref().filter(|tier| !model.tiers.contains_key(&tier.value))
            && !provision.refused.value
            && !model.platform.tiers.iter().any(|tier| tier.name.is_hole())
        {
            report.tell(unknown("spec::unknown-tier", "tier", tier, model.tiers.keys().map(|name| name.as_str())));
        }
        let (host, node) = named(step);
        if let Some(host) = host.filter(|host| !guessed_hosts && !hosts.contains(&host.value)) {
            report.tell(unknown("spec::unknown-host", "host", host, hosts.iter().map(Name::as_str)));
        }
        if let Some(node) = node.filter(|node| !guessed_nodes && !nodes.is_empty() && !nodes.contains(&node.value)) {
            report.tell(unknown("spec::unknown-node", "node", node, nodes.iter().map(Name::as_str)));
        }
    }
}

/// Looks for mail only in mailboxes that are declared, where the scenario makes none itself.
fn mailboxes(model: &Model<'_>, scenario: &model::Scenario, report: &mut Report) {
    let makes = |step: &Step| matches!(step, Step::Call(_) | Step::Browse(_) | Step::Say(_));
    if scenario.steps.iter().any(makes) {
        return;
    }
    let made = |address: &MailAddress| {
        scenario.steps.iter().any(|step| match step {
            Step::Provision(step) => {
                [&step.mailbox].into_iter().chain(&step.alias).any(|known| known.value.key() == address.key())
            }
            _ => false,
        })
    };
    for step in &scenario.steps {
        if let Step::Send(send) = step {
            for address in [Some(&send.from), send.author.as_ref()].into_iter().flatten().chain(&send.to) {
                known_domain(model, address, report);
            }
        }
        let mailbox = match step {
            Step::Expect(expect) => expect.mailbox.as_ref().or(expect.quarantine.as_ref()),
            Step::Fetch(fetch) => Some(&fetch.mailbox),
            Step::Release(release) => Some(&release.mailbox),
            // Who is turned away may be nobody.
            Step::SignIn(sign_in) if !sign_in.refused.value && !sign_in.wrong_password.value => Some(&sign_in.address),
            Step::Send(send) if send.reply.is_none() => send.sign_in.as_ref(),
            _ => None,
        };
        if let Some(mailbox) = mailbox.filter(|mailbox| !made(&mailbox.value)) {
            addresses::declared(model, mailbox, report);
        }
    }
}

/// Warns of a domain that is nowhere, neither on the platform nor in any environment's internet, and nearly one that is.
fn known_domain(model: &Model<'_>, address: &Spanned<MailAddress>, report: &mut Report) {
    let written = address.value.domain();
    let internets = || model.environments.values().filter_map(|environment| environment.internet.as_ref());
    let outside = internets().flat_map(|internet| {
        internet.domains.iter().map(|domain| &domain.name).chain(internet.senders.iter().map(|sender| &sender.name))
    });
    let declared = model.resellers.iter().flat_map(|reseller| &reseller.spec.domains);
    let known = declared.flat_map(|domain| [&domain.name].into_iter().chain(&domain.aliases)).chain(outside);
    let known: Vec<&values::HostName> = known.filter(|name| !name.is_hole()).map(|name| &name.value).collect();
    if address.is_hole() || known.contains(&written) || model.domain_of(written).is_some() {
        return;
    }
    if let Some(near) = known.into_iter().find(|name| addresses::is_slip(written, name)) {
        let meant = MailAddress::new(address.value.local().clone(), near.clone());
        report.tell(
            Problem::warning(
                "compiler::nowhere",
                address.span,
                format!("the domain of {} is neither on the platform nor outside", quoted(&address.value.to_string())),
            )
            .label("no environment has it")
            .help(format!("write {}", quoted(&meant.to_string()))),
        );
    }
}

/// Returns the host and the node that a step names.
fn named(step: &model::Step) -> (Option<&Spanned<Name>>, Option<&Spanned<Name>>) {
    match step {
        Step::Fault(step) => (step.host.as_ref(), step.node.as_ref()),
        Step::Heal(step) => (step.host.as_ref(), step.node.as_ref()),
        Step::Migrate(step) => (step.to.as_ref(), Some(&step.node)),
        Step::Evacuate(step) => (Some(&step.host), None),
        _ => (None, None),
    }
}
