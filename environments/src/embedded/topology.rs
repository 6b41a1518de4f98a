//! The Blueprint's nodes as hosts of the simulated network, and the launch's internet around them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use blueprint::dns::hosts::addresses;
use blueprint::dns::{Edition, policy};
use blueprint::launch::InternetDomain;
use blueprint::platform::{Unavailable, VirusAction};
use blueprint::{Blueprint, Role, Roster, secret};
use simulator::defense;
use simulator::dns::Zones;
use simulator::engine::{self, BlockList, Bounds, Door, Forwarding, Host, Pools, Topology};
use simulator::journal;
use simulator::network::Line;
use simulator::queue::Patience;
use simulator::signing::{Algorithm, KeyName, Signing};
use values::{HostName, MailAddress};

use super::Order;
use super::seal::Seal;
use crate::failure::Failure;

/// The host that the simulated internet's mailboxes are on; launches name it as a door's node.
pub(crate) const INTERNET: &str = "internet";

/// The service of a domain's own host in the world outside; the node is called as the domain is.
pub(crate) const INTERNET_MX: &str = "internet-mx";

/// Its address: from the range for tests between networks (RFC 2544), past those the engine gives to single domains.
pub(crate) const INTERNET_ADDRESS: [u8; 4] = [198, 19, 255, 254];

/// Returns the plan of a platform as the engine wants it.
///
/// - `zones`: the platform's own names.
pub(crate) fn topology(order: &Order<'_>, zones: Zones, forwarding_secret: Vec<u8>) -> Topology {
    let signing = signing(order.blueprint, order.roster);
    Topology { signing, ..with_hosts(order, hosts(order.blueprint), zones, forwarding_secret) }
}

/// Returns the plan of the world outside alone, for a platform that runs elsewhere.
///
/// - `zones`: names of the world beside those of its domains.
pub(crate) fn world(order: &Order<'_>, zones: Zones) -> Topology {
    with_hosts(order, Vec::new(), zones, Vec::new())
}

/// Returns the plan of some hosts with the world outside.
fn with_hosts(order: &Order<'_>, mut hosts: Vec<Host>, zones: Zones, forwarding_secret: Vec<u8>) -> Topology {
    let blueprint = order.blueprint;
    hosts.push(Host {
        name: INTERNET.to_owned(),
        hostname: internet_name(blueprint),
        address: IpAddr::from(INTERNET_ADDRESS),
        fronts: Vec::new(),
        roles: vec![engine::Role::Internet],
        line: Line::default(),
    });
    let mail = &blueprint.mail;
    Topology {
        hosts,
        internet: order.launch.internet.domains.iter().map(|domain| internet_domain(order, domain)).collect(),
        zones,
        defense: defense(order),
        mail: engine::Mail {
            origin: blueprint.operator.postmaster.domain().clone(),
            max_message_bytes: mail.max_message.as_bytes(),
            help: blueprint.operator.help(),
            patience: Patience {
                lifetime_milliseconds: mail.queue_lifetime.as_milliseconds(),
                notice_milliseconds: Some(mail.bounce_notice.as_milliseconds()).filter(|notice| *notice > 0),
            },
            subaddress_separator: mail.subaddressing,
            forwarding: mail.srs.clone().map(|domain| Forwarding { domain, secret: forwarding_secret }),
        },
        signing: Signing::default(),
        pools: pools(order),
        bounds: bounds(order.launch.address),
        journal: journal::Options::STANDARD,
        plaintext_login: false,
    }
}

/// Returns whose mail is signed with what: what real daemons are told.
fn signing(blueprint: &Blueprint, roster: &Roster) -> Signing {
    let selectors = policy::signing(&blueprint.mail, Edition::FIRST.generation);
    let keys_of = |signer: &HostName| -> Arc<[KeyName]> {
        let key = |selector: &policy::Selector| KeyName {
            selector: selector.name.clone(),
            algorithm: if selector.algorithm == "ed25519" { Algorithm::Ed25519 } else { Algorithm::Rsa },
            name: secret::dkim_key(&selector.algorithm, &selector.name, signer).name.to_string(),
        };
        selectors.iter().map(key).collect()
    };
    let signers = policy::signers(blueprint, roster).into_iter().filter(|_| !selectors.is_empty());
    Signing {
        domains: signers.map(|(domain, signer)| (domain.clone(), keys_of(signer))).collect(),
        seals: blueprint.mail.arc,
    }
}

/// Returns the names that mail leaves under: those of its domain's pool, or of the first one.
fn pools(order: &Order<'_>) -> Pools {
    let pools: BTreeMap<&values::Name, Arc<[HostName]>> = (order.blueprint.outbound.iter())
        .map(|pool| (&pool.name, pool.addresses.iter().map(|source| source.helo.clone()).collect()))
        .collect();
    let domains =
        order.roster.domains.iter().filter_map(|domain| Some((domain, pools.get(domain.outbound.as_ref()?)?)));
    let named = domains.flat_map(|(domain, names)| {
        std::iter::once(&domain.name).chain(&domain.aliases).map(|name| (name.clone(), Arc::clone(names)))
    });
    let first = order.blueprint.outbound.first().and_then(|pool| pools.get(&pool.name));
    Pools { domains: named.collect(), others: first.cloned().unwrap_or_default() }
}

fn hosts(blueprint: &Blueprint) -> Vec<Host> {
    let nodes = blueprint.nodes.iter();
    nodes
        .map(|node| Host {
            name: node.name.to_string(),
            hostname: node.hostname.clone(),
            address: node
                .front_addresses
                .first()
                .or(node.addresses.first())
                .copied()
                .unwrap_or(IpAddr::from([0, 0, 0, 0])),
            // A balancer passes on what arrives; here there is none to do it.
            fronts: match node.role {
                Role::Mx => addresses(blueprint, Role::Mx, &node.cluster).into_iter().collect(),
                _ => Vec::new(),
            },
            roles: role(node.role).into_iter().collect(),
            line: Line::default(),
        })
        .collect()
}

/// Returns what the engine runs for a role; nodes of the others are hosts that mail does not pass.
fn role(role: Role) -> Option<engine::Role> {
    match role {
        Role::Mx => Some(engine::Role::Mx),
        Role::Defense => Some(engine::Role::Defense),
        Role::Submission => Some(engine::Role::Submission),
        Role::Outbound => Some(engine::Role::Outbound),
        Role::Store => Some(engine::Role::Store),
        Role::Access => Some(engine::Role::Access),
        Role::Balancer
        | Role::Cache
        | Role::Web
        | Role::Control
        | Role::Directory
        | Role::Calendar
        | Role::Dns
        | Role::Monitor => None,
    }
}

/// A name that no name of the platform can be.
fn internet_name(blueprint: &Blueprint) -> HostName {
    "internet.invalid".parse().unwrap_or_else(|_| blueprint.service_domain.clone())
}

fn internet_domain(order: &Order<'_>, domain: &InternetDomain) -> engine::InternetDomain {
    let password = |local: &values::LocalPart| {
        let address = MailAddress::new(local.clone(), domain.name.clone());
        // A mailbox that nobody is to try has a password that nobody knows.
        order.passwords.internet.get(&address).cloned().unwrap_or_else(|| order.passwords.nobodys.clone())
    };
    engine::InternetDomain {
        name: domain.name.clone(),
        mailboxes: domain.mailboxes.iter().map(|local| (local.clone(), password(local))).collect(),
        takes: domain.takes.clone(),
        greylist_milliseconds: domain.greylist_delay.map(values::Duration::as_milliseconds),
        dmarc: domain.dmarc.clone(),
        dkim: Some((blueprint::launch::OUTSIDE_SELECTOR.to_owned(), blueprint::launch::OUTSIDE_KEY.to_owned())),
        line: Line {
            latency_milliseconds: domain.latency.map_or(0, values::Duration::as_milliseconds),
            bytes_per_second: domain.bandwidth.map(|bandwidth| (bandwidth.as_bits_per_second() / 8).max(1)),
        },
        unreachable: domain.unreachable,
    }
}

fn defense(order: &Order<'_>) -> engine::Defense {
    let plan = &order.blueprint.defense;
    let virus = match plan.virus {
        VirusAction::Reject => defense::VirusAction::Refuse,
        // What is dropped could not be looked at afterwards; in a test environment it is held where no mailbox reaches it.
        VirusAction::Quarantine | VirusAction::Discard => defense::VirusAction::Hold,
    };
    let listed = |zone: &HostName| {
        let senders = order.launch.internet.senders.iter().filter(|sender| sender.listed_on.contains(zone));
        senders.map(|sender| sender.name.clone()).collect()
    };
    engine::Defense {
        settings: defense::Settings { virus, ..defense::Settings::STANDARD },
        lists: plan
            .dnsbl
            .iter()
            .map(|list| BlockList { zone: list.zone.clone(), weight: list.weight, domains: listed(&list.zone) })
            .collect(),
        greylist: plan.greylist.as_ref().map(|greylist| (greylist.above, greylist.delay.as_milliseconds())),
        unscanned: match plan.on_unavailable {
            Unavailable::Defer => engine::Unscanned::Defer,
            Unavailable::Reject => engine::Unscanned::Refuse,
            Unavailable::Accept => engine::Unscanned::Pass,
        },
    }
}

/// On loopback every client has the same address, so that one address may have as many connections as all.
fn bounds(address: IpAddr) -> Bounds {
    let standard = Bounds::STANDARD;
    let per_peer = if address.is_loopback() { standard.connections } else { standard.connections_per_peer };
    Bounds { connections_per_peer: per_peer, ..standard }
}

/// Returns what the engine speaks behind a door; `None` for doors that are not the engine's.
pub(crate) fn door(service: &str) -> Option<Door> {
    match service {
        "mx" => Some(Door::Mx),
        "submission" | "submissions" => Some(Door::Submission),
        "imap" | "imaps" => Some(Door::Imap),
        "pop3" | "pop3s" => Some(Door::Pop3),
        "managesieve" => Some(Door::Sieve),
        "internet-imap" => Some(Door::InternetImap),
        INTERNET_MX => Some(Door::InternetMx),
        _ => None,
    }
}

/// Returns every host with each of its roles that keeps something.
pub(crate) fn disks(topology: &Topology) -> Vec<(String, engine::Role)> {
    let hosts = topology.hosts.iter();
    hosts
        .flat_map(|host| host.roles.iter().filter(|role| role.has_disk()).map(|role| (host.name.clone(), *role)))
        .collect()
}

/// Returns a role that could not be started as a failure that names the node and its folder.
///
/// - `seals`: the notes of the last end, by host and role.
pub(crate) fn failure(
    order: &Order<'_>,
    error: engine::StartError,
    seals: &BTreeMap<(String, &'static str), Seal>,
) -> Failure {
    match error {
        engine::StartError::Open { host, role, source } => {
            let folder = order.folder.node(&host).join(role);
            let broken = seals.get(&(host.clone(), role)).filter(|seal| seal.is_broken());
            let reason = match broken {
                Some(seal) => format!(
                    "it was closed cleanly, and its end can no longer be read; without {} what is left would be taken",
                    seal.path().display()
                ),
                None => source.to_string(),
            };
            Failure::Recover { node: host, folder, reason }
        }
        engine::StartError::Plan(reason) => Failure::Broke { reason: reason.to_owned() },
    }
}
