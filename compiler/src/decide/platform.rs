//! The Blueprint: all that is decided about the platform in one environment.

use blueprint::platform::{
    Alert, Backup, Blueprint, Copies, Defense, DestinationLimit, Dkim, Dns, Dnsbl, Hookup, Mail, Operator,
    OutboundAddress, OutboundPool, Release, Retention, Site, Storage, Unavailable, VirusAction, World, ZoneAuthority,
};
use spec::model::{self, Environment};
use values::HostName;

use super::environment::{is_production, rehost, service_domain};
use super::nodes::Asked;
use super::{defaults, hosts, nodes, noted, renames, secrets};
use crate::report::Report;
use crate::resolve::Model;

/// Decides the platform of an environment.
///
/// - Returns: the Blueprint, and its nodes with the places that asked for them. Where the report has errors, the Blueprint
///   lacks what could not be decided.
pub fn blueprint(model: &Model<'_>, environment: &Environment, report: &mut Report) -> (Blueprint, Vec<Asked>) {
    let platform = model.platform;
    let service_domain = service_domain(model, environment);
    let defense = defense(model);
    let asked = nodes::nodes(model, environment, &service_domain, defense.hookup, report);
    let release = environment.platform.release.as_ref().unwrap_or(&platform.release.version);
    let mut all_hosts: Vec<_> =
        model.sites.values().flat_map(|site| hosts::hosts(site)).map(|(host, _)| host).collect();
    all_hosts.sort_by(|a, b| a.name.cmp(&b.name));
    let mut secrets: Vec<_> = asked
        .iter()
        .filter(|(node, _)| node.services.iter().any(|service| service.tls != blueprint::platform::Tls::None))
        .map(|(node, _)| secrets::node_key(&node.name))
        .collect();
    secrets.sort();
    let blueprint = Blueprint {
        version: blueprint::VERSION,
        platform: platform.name.value.clone(),
        environment: environment.name.value.clone(),
        operator: Operator {
            name: platform.operator.name.value.to_string(),
            postmaster: platform.operator.postmaster.value.clone(),
            abuse: platform.operator.abuse.value.clone(),
        },
        service_domain,
        release: Release {
            name: release.value.to_string(),
            distribution: platform.release.distribution.value.to_string(),
        },
        sites: model.sites.values().map(|spec| site(spec)).collect(),
        hosts: all_hosts,
        nodes: asked.iter().map(|(node, _)| node.clone()).collect(),
        defense,
        mail: mail(model, environment),
        outbound: model.pools.values().map(|spec| pool(model, environment, spec)).collect(),
        dns: dns(model),
        world: if is_production(model, environment) { World::Real } else { World::Simulated },
        retention: Retention {
            deleted_mailbox: platform.retention.deleted_mailbox.value,
            deleted_message: platform.retention.deleted_message.value,
            logs: platform.retention.logs.value,
            audit: platform.retention.audit.value,
        },
        backup: platform.backup.as_ref().map_or_else(Backup::default, backup),
        alerts: platform
            .alerts
            .iter()
            .map(|alert| Alert {
                of: alert.of.value.as_str().to_owned(),
                above: alert.above.value.as_thousandths() / 100,
            })
            .collect(),
        secrets,
        renames: renames::of_platform(model, &asked),
        noted: noted::noted(model, environment),
    };
    (blueprint, asked)
}

fn backup(spec: &model::Backup) -> Backup {
    let copies = |copies: &model::Copies| Copies {
        every: copies.every.value,
        keep: copies.keep.value,
        to: blueprint::secret::operators(copies.to.value.name().as_str()),
    };
    Backup {
        mail: spec.mail.as_ref().map(copies),
        directory: spec.directory.as_ref().map(copies),
        restore_test: spec.restore_test.as_ref().map(|test| test.every.value),
    }
}

fn site(spec: &model::Site) -> Site {
    let networks = |addresses: &model::Addresses| {
        [Some(&addresses.ipv4), addresses.ipv6.as_ref()].into_iter().flatten().map(|network| network.value).collect()
    };
    let mut storages: Vec<Storage> = spec
        .storages
        .iter()
        .map(|storage| Storage {
            name: storage.name.value.clone(),
            size: storage.size.value,
            shared: storage.shared.value,
        })
        .collect();
    storages.sort_by(|a, b| a.name.cmp(&b.name));
    Site { name: spec.name.value.clone(), networks: networks(&spec.network), fronts: networks(&spec.front), storages }
}

/// Decides what the defense does; a platform without one has one that does nothing.
pub fn defense(model: &Model<'_>) -> Defense {
    let none = defaults::no_defense();
    let Some(spec) = model.platform.defenses.first() else { return none };
    let (tag, quarantine, reject) = defaults::scores(spec.spam.as_ref());
    let mut dnsbl: Vec<Dnsbl> =
        spec.dnsbls.iter().map(|list| Dnsbl { zone: list.zone.value.clone(), weight: list.weight.value }).collect();
    dnsbl.sort_by(|a, b| a.zone.cmp(&b.zone));
    let limits = spec.rate_limit.as_ref();
    Defense {
        name: spec.name.value.clone(),
        hookup: match spec.hookup.value {
            model::Hookup::Milter => Hookup::Milter,
            model::Hookup::Gateway => Hookup::Gateway,
        },
        tag,
        quarantine,
        reject,
        subject: spec
            .spam
            .as_ref()
            .and_then(|spam| spam.subject.as_ref())
            .map_or(String::new(), |line| line.value.to_string()),
        virus: spec.virus.as_ref().map_or(none.virus, |virus| match virus.action.value {
            model::VirusAction::Quarantine => VirusAction::Quarantine,
            model::VirusAction::Reject => VirusAction::Reject,
        }),
        on_unavailable: spec.virus.as_ref().map_or(none.on_unavailable, |virus| match virus.on_unavailable.value {
            model::OnUnavailable::Defer => Unavailable::Defer,
            model::OnUnavailable::Reject => Unavailable::Reject,
            model::OnUnavailable::Accept => Unavailable::Accept,
        }),
        virus_max_size: spec.virus.as_ref().map_or(none.virus_max_size, |virus| virus.max_size.value),
        greylist: spec.greylist.as_ref().map(defaults::greylist),
        dnsbl,
        sender_rate: limits.and_then(|limits| limits.sender.as_ref()).map(|rate| rate.value),
        address_rate: limits.and_then(|limits| limits.address.as_ref()).map(|rate| rate.value),
    }
}

fn dns(model: &Model<'_>) -> Dns {
    let (dns, tls) = (&model.platform.dns, &model.platform.tls);
    let acme = (tls.authority.value == model::TlsAuthority::Acme).then_some(tls.directory.as_ref()).flatten();
    Dns {
        customers: match dns.authority.value {
            model::DnsAuthority::Platform => ZoneAuthority::Platform,
            model::DnsAuthority::Customer => ZoneAuthority::Customer,
        },
        issuer: acme.and_then(|directory| issuer(directory.value.as_str())),
    }
}

/// Returns the name that an ACME authority is called by in CAA records, from the address of its directory: its registered
/// domain, as nearly all of them have it.
fn issuer(directory: &str) -> Option<HostName> {
    let host = directory.split_once("://")?.1.split(['/', ':', '?', '#']).next()?;
    let labels: Vec<&str> = host.split('.').collect();
    let registered = labels.get(labels.len().checked_sub(2)?..)?.join(".");
    // ZeroSSL's certificates are Sectigo's.
    if registered == "zerossl.com" { "sectigo.com".parse().ok() } else { registered.parse().ok() }
}

fn mail(model: &Model<'_>, environment: &Environment) -> Mail {
    let mail = &model.platform.mail;
    Mail {
        max_message: mail.max_message.value,
        queue_lifetime: mail.queue_lifetime.value,
        bounce_notice: mail.bounce_notice.value,
        subaddressing: mail.subaddressing.as_ref().map(|separator| separator.value.as_char()),
        internationalized: mail.internationalized.value,
        dkim: Some(Dkim {
            algorithms: mail.dkim.algorithm.value.as_str().split('+').map(str::to_owned).collect(),
            rotate: Some(mail.dkim.rotate.value),
        }),
        dmarc: mail.dmarc.as_ref().map(|dmarc| dmarc.policy.value.as_str().to_owned()),
        mta_sts: mail.mta_sts.as_ref().map(|policy| policy.mode.value.as_str().to_owned()),
        tls_rpt: mail.tls_rpt.value,
        dane: mail.dane.value,
        srs: mail.forwarding.srs.as_ref().map(|host| rehost(model, environment, &host.value)),
        arc: mail.forwarding.arc.value,
        tls_minimum: model.platform.tls.minimum.value.as_str().to_owned(),
    }
}

fn pool(model: &Model<'_>, environment: &Environment, spec: &model::OutboundPool) -> OutboundPool {
    let mut destinations: Vec<DestinationLimit> = spec
        .destinations
        .iter()
        .map(|destination| DestinationLimit { domain: destination.domain.value.clone(), rate: destination.rate.value })
        .collect();
    destinations.sort_by(|a, b| a.domain.cmp(&b.domain));
    let addresses = spec.addresses.iter().map(|address| OutboundAddress {
        address: address.address.value,
        helo: rehost(model, environment, &address.helo.value),
    });
    OutboundPool {
        name: spec.name.value.clone(),
        addresses: addresses.collect(),
        warm_up: spec.warm_up.as_ref().map(|span| span.value),
        destinations,
    }
}
