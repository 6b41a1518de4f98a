//! The outbound role: the only way out. Each pool of source addresses has a Postfix of its own, so that mail that waits in one
//! holds up no other.
//!
//! Source: postconf(5), smtp(8), qmgr(8), postmulti(1).
//!
//! What a pool of new addresses may take each day is counted by a policy service beside it; what is too much waits where it comes from.
//!
//! Gap: the embedded backend counts nothing of this.

use std::collections::BTreeMap;

use blueprint::platform::OutboundPool;
use blueprint::{Blueprint, File, Node, Role, Tree};
use values::{Name, Rate};

use super::foundation::{self, FOLDER, Site};
use super::main_cf::{Item, MainCf, Parameter, Part, Table, Transport, Value};
use super::maps::{Key, Map};
use super::master_cf::{Entry, Kind, MasterCf, inner_services, only_own_nodes};
use super::{pgsql, policy, srs, ways_out};
use crate::decide::{pools, ports};

const PLATFORM: Table = Table::fixed("texthash", "/etc/postfix/maps/platform");
const LOOKUPS: [pgsql::Lookup; 2] = [pgsql::DOMAIN, pgsql::FILTERED];

/// The transport to customers' own servers, which `lookup.filtered` names.
const FILTERED: &str = "filtered";

/// Seconds after which mail to the world is tried again first, and at most (RFC 5321 §4.5.4.1).
const BACKOFF: (u64, u64) = (1_800, 28_800);

/// A pool on a node.
struct Outlet<'b> {
    site: Site<'b>,
    /// The pool; `None` where the platform has none, and mail leaves from whatever address the node has.
    pool: Option<&'b OutboundPool>,
    /// What its folder is called below the others', empty for the node's own Postfix.
    instance: String,
    port: u16,
}

/// Returns what an outbound node is made of.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    let site = Site::new(blueprint, node);
    let mut tree = Tree::default();
    if let Some(domain) = &blueprint.mail.srs {
        tree.extend(srs::tree(domain));
    }
    let outlets = outlets(site);
    let warming: Vec<policy::Warming<'_>> = outlets.iter().filter_map(Outlet::warms_up).collect();
    tree.extend(policy::warm_ups(site, &warming));
    for outlet in outlets {
        tree.extend(outlet.tree());
    }
    tree
}

/// Returns the pools that a node carries, the default one first: it takes what has no pool on this node, too.
fn outlets(site: Site<'_>) -> Vec<Outlet<'_>> {
    let all = &site.blueprint.outbound;
    let named = |name: &Name| all.iter().find(|pool| pool.name == *name);
    let default = pools::default(pools::candidates(all)).and_then(named);
    let mut outlets = vec![Outlet { site, pool: default, instance: String::new(), port: ports::RELAY }];
    for (name, port) in pools::ports(pools::candidates(all)) {
        let here = ways_out::carriers(site, named(name)).iter().any(|node| node.name == site.node.name);
        if port != ports::RELAY && here {
            outlets.push(Outlet { site, pool: named(name), instance: name.to_string(), port });
        }
    }
    outlets
}

/// A transport that leaves from one address.
struct Source {
    transport: Transport,
    options: Vec<(&'static str, Item)>,
}

impl<'b> Outlet<'b> {
    fn folder(&self) -> String {
        match self.instance.as_str() {
            "" => FOLDER.to_owned(),
            instance => format!("{FOLDER}-{instance}"),
        }
    }

    fn destinations_table(&self) -> Table {
        Table { kind: "texthash", path: format!("{}/destinations", self.folder()).into() }
    }

    fn tree(&self) -> Tree {
        let destinations = self.destinations();
        let main_cf = self.main_cf(&destinations);
        let master_cf = self.master_cf();
        let own = self.instance.is_empty();
        let mut files = if own {
            let mut files = foundation::files(self.site, &main_cf, &master_cf, &LOOKUPS);
            files.insert(PLATFORM.path.into_owned(), File::text(self.platform().to_string()));
            files
        } else {
            BTreeMap::from([
                (format!("{}/main.cf", self.folder()), File::text(main_cf.to_string())),
                (format!("{}/master.cf", self.folder()), File::text(master_cf.to_string())),
            ])
        };
        let mut tables = Vec::new();
        if own {
            tables.push(foundation::table_check(&PLATFORM.path));
        }
        if !destinations.is_empty() {
            let table = self.destinations_table();
            tables.push(foundation::table_check(&table.path));
            files.insert(table.path.into_owned(), File::text(destinations.to_string()));
        }
        let mut checks = foundation::checks(&self.folder(), &files);
        checks.extend(tables);
        let mut ready = vec![self.port];
        ready.extend(self.takes_forwarded().then_some(ports::FORWARDED));
        let mut process = foundation::process(&self.instance, foundation::waits_for(self.site, &[]), ready);
        process.after.extend(self.warms_up().map(|_| format!("127.0.0.1:{}", ports::POLICY)));
        if !own {
            process.reads.push(format!("{FOLDER}/"));
        }
        Tree { checks, files, processes: vec![process], packages: foundation::packages() }
    }

    /// Returns what is counted of it, where its addresses are new.
    fn warms_up(&self) -> Option<policy::Warming<'b>> {
        let pool = self.pool?;
        let days = pool.warm_up?.as_seconds().div_ceil(86_400);
        let own = pools::own(pool, &self.site.node.front_addresses);
        let addresses: Vec<_> = own.into_iter().map(|address| address.address).collect();
        // Who asks has somebody to answer where the node knows its directory.
        self.site.directory().filter(|_| !addresses.is_empty())?;
        let mut ports = vec![self.port];
        ports.extend(self.takes_forwarded().then_some(ports::FORWARDED));
        Some(policy::Warming { name: &pool.name, ports, days, addresses })
    }

    fn spool(&self) -> String {
        format!("/var/spool/postfix-{}", self.instance)
    }

    fn data(&self) -> String {
        format!("/var/lib/postfix-{}", self.instance)
    }

    fn takes_forwarded(&self) -> bool {
        self.instance.is_empty() && self.site.blueprint.mail.srs.is_some()
    }

    /// Tells whether what is filtered for customers leaves here: it has one way, as mail has that belongs to no pool.
    fn takes_filtered(&self) -> bool {
        self.instance.is_empty() && self.site.directory().is_some()
    }

    fn platform(&self) -> Map {
        let mut map = Map::default();
        if let Some(domain) = &self.site.blueprint.mail.srs {
            map.insert(Key::Domain(domain.clone()), Item::Word("OK"));
        }
        map
    }

    /// Returns a transport for each address of the pool that the node has.
    ///
    /// An IPv6 address goes with an IPv4 one, since the other side has what it has; with none, IPv6 is not used.
    fn sources(&self, purpose: &'static str) -> Vec<Source> {
        let Some(pool) = self.pool else { return Vec::new() };
        let own = pools::own(pool, &self.site.node.front_addresses);
        let (four, six): (Vec<_>, Vec<_>) = own.into_iter().partition(|address| address.address.is_ipv4());
        let count = four.len().max(six.len());
        let nth = |list: &[&'b blueprint::platform::OutboundAddress], index: usize| {
            index.checked_rem(list.len()).and_then(|index| list.get(index).copied())
        };
        let mut sources = Vec::new();
        for index in 0..count {
            let (four, six) = (nth(&four, index), nth(&six, index));
            let mut options = vec![("syslog_name", Item::Word("postfix/out"))];
            if let Some(address) = four {
                options.push(("smtp_bind_address", Item::Ip(address.address)));
            }
            if let Some(address) = six {
                options.push(("smtp_bind_address6", Item::Ip(address.address)));
            }
            match (four, six) {
                (Some(_), None) => options.push(("inet_protocols", Item::Word("ipv4"))),
                (None, Some(_)) => options.push(("inet_protocols", Item::Word("ipv6"))),
                _ => {}
            }
            if let Some(address) = four.or(six) {
                options.push(("smtp_helo_name", Item::Host(address.helo.clone())));
            }
            sources.push(Source { transport: Transport::new(&pool.name, purpose, index + 1), options });
        }
        sources
    }

    /// Returns the transport of each destination that gets no more than so much.
    fn destinations(&self) -> Map {
        let mut map = Map::default();
        for (number, limit) in self.limited() {
            if let Some(pool) = self.pool {
                map.insert(Key::Domain(limit.domain.clone()), Item::Through(limited_transport(pool, number)));
            }
        }
        map
    }

    fn limited(&self) -> impl Iterator<Item = (usize, &'b blueprint::platform::DestinationLimit)> + use<'b> {
        (1..).zip(self.pool.into_iter().flat_map(|pool| &pool.destinations))
    }

    fn main_cf(&self, destinations: &Map) -> MainCf {
        let Site { blueprint, version, .. } = self.site;
        let mail = &blueprint.mail;
        let mut file = MainCf::new(version);
        foundation::identity(&mut file, self.site, &[Role::Mx, Role::Submission]);
        foundation::limits(&mut file, mail);
        file.set("minimal_backoff_time", Item::Seconds(BACKOFF.0));
        file.set("maximal_backoff_time", Item::Seconds(BACKOFF.1));
        foundation::notices(&mut file, blueprint);
        foundation::tls(&mut file, mail);
        // The world is spoken to in TLS where it can, and where it says so in signed DNS, in nothing else (RFC 7672).
        file.set("smtp_tls_security_level", Item::Word("dane"));
        file.set("smtp_dns_support_level", Item::Word("dnssec"));
        file.heading("Who may speak to it, and how");
        file.set("smtpd_banner", Value::Text(vec![Part::Reference("myhostname"), Part::Literal(" ESMTP".to_owned())]));
        foundation::manners(&mut file);
        file.set("smtpd_client_restrictions", only_own_nodes());
        file.set("smtpd_relay_restrictions", only_own_nodes());
        let mut recipients = vec![Item::Word("reject_non_fqdn_recipient")];
        recipients.extend(self.warms_up().map(|_| Item::LocalPolicy(ports::POLICY)));
        file.set("smtpd_recipient_restrictions", recipients);
        self.delivery(&mut file, destinations);
        if !self.instance.is_empty() {
            self.apart(&mut file);
        }
        file
    }

    fn delivery(&self, file: &mut MainCf, destinations: &Map) {
        file.heading("Where mail goes");
        // What is the platform's own comes back by mistake or as a notice; it never leaves.
        file.set("relay_domains", vec![Item::Table(pgsql::DOMAIN.shared()), Item::Table(PLATFORM)]);
        file.clear("virtual_alias_maps");
        file.clear("virtual_alias_domains");
        file.clear("virtual_mailbox_domains");
        let inside = match self.site.group(Role::Mx, ports::RELAY) {
            Some(mx) => Item::NextHop("relay", vec![mx]),
            None => Item::Reply("error:5.4.4 no node takes this mail"),
        };
        file.set("relay_transport", inside);
        file.set("smtp_bind_address_enforce", Item::Word("yes"));
        let sources = self.sources("");
        match sources.as_slice() {
            [] => file.set("default_transport", Item::Word("smtp")),
            [only] => file.set("default_transport", Item::Through(only.transport.clone())),
            [first, ..] => {
                file.set("default_transport", Item::Through(first.transport.clone()));
                let all = sources.iter().map(|source| source.transport.clone()).collect();
                file.set("sender_dependent_default_transport_maps", Item::AnyOf(all));
            }
        }
        let mut transports = Vec::new();
        if self.takes_filtered() {
            transports.push(Item::Table(pgsql::FILTERED.shared()));
        }
        if !destinations.is_empty() {
            transports.push(Item::Table(self.destinations_table()));
        }
        if transports.is_empty() {
            return;
        }
        file.set("transport_maps", transports);
        let nodes = ways_out::carriers(self.site, self.pool).len().max(1);
        for (number, limit) in self.limited() {
            let Some(pool) = self.pool else { continue };
            let delay = delay_seconds(limit.rate, nodes);
            let transport = limited_transport(pool, number);
            file.define(Parameter::Transport(transport, "destination_rate_delay"), Item::Seconds(delay));
        }
    }

    /// Keeps a pool's Postfix apart from the node's own.
    fn apart(&self, file: &mut MainCf) {
        file.heading("What it shares with no other Postfix");
        file.set("queue_directory", Value::Text(vec![Part::Literal(self.spool())]));
        file.set("data_directory", Value::Text(vec![Part::Literal(self.data())]));
        file.set("syslog_name", Value::Text(vec![Part::Literal(format!("postfix-{}", self.instance))]));
    }

    fn master_cf(&self) -> MasterCf {
        let mut entries =
            vec![Entry::new(Kind::Inet(self.port), "smtpd").option("smtpd_tls_security_level", Item::Word("encrypt"))];
        if self.takes_forwarded() {
            entries.push(
                Entry::new(Kind::Inet(ports::FORWARDED), "smtpd")
                    .option("syslog_name", Item::Word("postfix/forwarded"))
                    .option("smtpd_tls_security_level", Item::Word("encrypt"))
                    .option("cleanup_service_name", Item::Word("rewriting")),
            );
            entries.push(
                Entry::new(Kind::Unix("rewriting"), "cleanup")
                    .public()
                    .processes(0)
                    .option("sender_canonical_maps", Item::LocalTable(ports::SRS_FORWARD))
                    .option("sender_canonical_classes", Item::Word("envelope_sender")),
            );
        }
        entries.extend(inner_services().into_iter().map(|entry| match entry.kind {
            Kind::Unix("relay") => to_own_nodes(entry),
            _ => entry,
        }));
        if self.takes_filtered() {
            let options = self.sources("").into_iter().next().map_or(Vec::new(), |source| source.options);
            let entry = Entry::new(Kind::Unix(FILTERED), "smtp");
            entries.push(options.into_iter().fold(entry, |entry, (name, value)| entry.option(name, value)));
        }
        let limited = self.limited().filter_map(|(number, _)| {
            let source = self.sources("").into_iter().next()?;
            Some(Source { transport: limited_transport(self.pool?, number), ..source })
        });
        for source in self.sources("").into_iter().chain(limited) {
            let entry = Entry::new(Kind::Transport(source.transport), "smtp");
            entries.push(source.options.into_iter().fold(entry, |entry, (name, value)| entry.option(name, value)));
        }
        MasterCf { entries }
    }
}

fn limited_transport(pool: &OutboundPool, number: usize) -> Transport {
    Transport::new(&pool.name, "limited", number)
}

/// Lets a transport speak with the platform's own nodes only: with TLS, and with the name it was asked for by.
fn to_own_nodes(entry: Entry) -> Entry {
    entry
        .option("smtp_tls_security_level", Item::Word("verify"))
        .option("smtp_tls_CAfile", Item::Word(crate::render::system::AUTHORITY))
        .option("smtp_tls_verify_cert_match", Item::Word("hostname"))
        .option("smtp_host_lookup", Item::Word("native"))
}

/// Returns the seconds between two deliveries that keep a rate which several nodes share.
///
/// Gap: Postfix counts in whole seconds, so that more than one message a second is one a second on each node.
fn delay_seconds(rate: Rate, nodes: usize) -> u64 {
    let span = rate.per().as_milliseconds().saturating_mul(u64::try_from(nodes).unwrap_or(1));
    span.div_ceil(rate.count().max(1).saturating_mul(1_000)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;
    use blueprint::platform::{DestinationLimit, OutboundAddress};

    fn address(address: &str, helo: &str) -> OutboundAddress {
        OutboundAddress { address: address.parse().unwrap(), helo: sample::host(helo) }
    }

    fn platform() -> Blueprint {
        let mut blueprint = sample::platform();
        blueprint.outbound = vec![
            OutboundPool {
                name: sample::name("bulk"),
                addresses: vec![address("203.0.113.6", "out6.northmail.example")],
                warm_up: Some(values::Duration::from_days(30)),
                destinations: vec![DestinationLimit {
                    domain: sample::host("bigmail.example"),
                    rate: "500/h".parse().unwrap(),
                }],
            },
            OutboundPool {
                name: sample::name("shared"),
                addresses: vec![
                    address("203.0.113.4", "out4.northmail.example"),
                    address("203.0.113.5", "out5.northmail.example"),
                ],
                warm_up: None,
                destinations: Vec::new(),
            },
        ];
        for node in blueprint.nodes.iter_mut().filter(|node| node.name.as_str() == "outbound-1") {
            node.front_addresses =
                ["203.0.113.4", "203.0.113.5", "203.0.113.6"].map(|text| text.parse().unwrap()).to_vec();
        }
        blueprint
    }

    fn files(blueprint: &Blueprint, name: &str) -> BTreeMap<String, String> {
        let node = blueprint.nodes.iter().find(|node| node.name.as_str() == name).unwrap();
        let files = tree(blueprint, node).files;
        files.into_iter().map(|(path, file)| (path, String::from_utf8(file.unfilled().0).unwrap())).collect()
    }

    #[test]
    fn each_address_greets_with_its_own_name() {
        let files = files(&platform(), "outbound-1");
        let master = &files["/etc/postfix/master.cf"];
        let entry = master.split_once("shared-2 ").unwrap().1;
        assert!(entry.contains("-o smtp_bind_address=203.0.113.5\n"), "{entry}");
        assert!(entry.contains("-o inet_protocols=ipv4\n"), "{entry}");
        assert!(entry.contains("-o smtp_helo_name=out5.northmail.example\n"), "{entry}");
        assert!(files["/etc/postfix/main.cf"].contains("maps = randmap:{shared-1:, shared-2:}\n"));
    }

    #[test]
    fn a_pool_has_a_queue_of_its_own_and_keeps_to_its_limits() {
        let files = files(&platform(), "outbound-1");
        let main = &files["/etc/postfix-bulk/main.cf"];
        assert!(main.contains("queue_directory = /var/spool/postfix-bulk\n"), "{main}");
        assert!(main.contains("bulk-limited-1_destination_rate_delay = 8s\n"), "{main}");
        assert_eq!(files["/etc/postfix-bulk/destinations"], "bigmail.example bulk-limited-1:\n");
        assert!(files["/etc/postfix-bulk/master.cf"].contains("10100      inet"));
    }

    #[test]
    fn a_node_without_addresses_of_a_pool_does_not_carry_it() {
        let files = files(&platform(), "outbound-2");
        assert!(!files.contains_key("/etc/postfix-bulk/main.cf"));
        assert!(files["/etc/postfix/main.cf"].contains("default_transport = smtp\n"));
    }

    #[test]
    fn a_rate_is_kept_by_all_nodes_together() {
        for (rate, nodes, expected) in [("500/h", 1, 8), ("500/h", 2, 15), ("50/s", 1, 1), ("1/d", 1, 86_400)] {
            assert_eq!(delay_seconds(rate.parse().unwrap(), nodes), expected, "{rate} on {nodes}");
        }
    }
}
