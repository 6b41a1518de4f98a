//! The mx role: takes mail from the internet, knows recipient and quota before it says 250, and hands it to the stores.
//!
//! Source: postconf(5), postscreen(8), smtpd(8) of Postfix 3.7, the minor release that bookworm ships.

use std::collections::BTreeMap;
use std::net::IpAddr;

use blueprint::platform::{Defense, Hookup, Mail, SecretReference, Unavailable};
use blueprint::{Blueprint, File, Node, Piece, Role, Roster, Tree};
use values::{Name, Score};

use super::main_cf::{Endpoint, Item, MainCf, Parameter, Part, Table, TlsVersion, Value};
use super::master_cf::{Entry, Kind, MasterCf, inner_services, only_own_nodes};
use super::recipients::{Maps, quota_class};
use crate::decide::names::group_host;
use crate::decide::ports;

const DOMAINS: Table = Table { kind: "texthash", path: "/etc/postfix/maps/domains" };
const RECIPIENTS: Table = Table { kind: "texthash", path: "/etc/postfix/maps/recipients" };
const ALIASES: Table = Table { kind: "texthash", path: "/etc/postfix/maps/aliases" };
const TRANSPORT: Table = Table { kind: "texthash", path: "/etc/postfix/maps/transport" };
const ACCESS: Table = Table { kind: "texthash", path: "/etc/postfix/maps/access" };
const KEY_AND_CERTIFICATE: &str = "/etc/postfix/tls/node.pem";

/// Received lines after which a message is taken for one that goes round in circles.
const HOPS: u64 = 50;

/// Returns what an mx is made of.
pub fn tree(blueprint: &Blueprint, roster: &Roster, node: &Node) -> Tree {
    Tree { files: files(blueprint, roster, node), ..Tree::default() }
}

/// Returns the files of an mx below `/etc/postfix`.
fn files(blueprint: &Blueprint, roster: &Roster, node: &Node) -> BTreeMap<String, File> {
    let maps = Maps::new(blueprint, roster, node);
    let mut files = BTreeMap::new();
    files.insert("/etc/postfix/main.cf".to_owned(), File::text(main_cf(blueprint, node, &maps).to_string()));
    files.insert("/etc/postfix/master.cf".to_owned(), File::text(master_cf(blueprint).to_string()));
    for (table, map) in [
        (DOMAINS, &maps.domains),
        (RECIPIENTS, &maps.recipients),
        (ALIASES, &maps.aliases),
        (TRANSPORT, &maps.transport),
        (ACCESS, &maps.access),
    ] {
        files.insert(table.path.to_owned(), File::text(map.to_string()));
    }
    files.extend(maps.lists.iter().map(|list| (list.path(), File::text(list.members.to_string()))));
    files.insert(
        KEY_AND_CERTIFICATE.to_owned(),
        File { mode: 0o600, owner: "root:root".to_owned(), pieces: vec![Piece::Secret(node_key(node))] },
    );
    files
}

/// Returns the secret that holds a node's private key with its certificate chain, as PEM.
pub fn node_key(node: &Node) -> SecretReference {
    crate::decide::secrets::node_key(&node.name)
}

fn main_cf(blueprint: &Blueprint, node: &Node, maps: &Maps) -> MainCf {
    let mail = &blueprint.mail;
    let mut file = MainCf::default();
    identity(&mut file, blueprint, node);
    limits(&mut file, mail, maps);
    tls(&mut file, mail);
    greeting(&mut file, blueprint, node);
    recipients(&mut file, maps);
    defense(&mut file, blueprint, node);
    delivery(&mut file, blueprint, node);
    file
}

fn identity(file: &mut MainCf, blueprint: &Blueprint, node: &Node) {
    file.heading("Who this node is");
    file.set("compatibility_level", Item::Word("3.6"));
    file.set("myhostname", Item::Host(node.hostname.clone()));
    file.set("mydomain", Item::Host(blueprint.service_domain.clone()));
    file.set("myorigin", Item::Reference(Parameter::Own("myhostname")));
    // A node has no addresses but its own; naming them here would stop Postfix where one comes up late.
    file.set("inet_interfaces", Item::Word("all"));
    let both = node.addresses.iter().any(IpAddr::is_ipv6);
    file.set("inet_protocols", Item::Word(if both { "all" } else { "ipv4" }));
    let own_mail = blueprint
        .nodes
        .iter()
        .filter(|other| other.cluster == node.cluster && sends_to_mx(blueprint, other.role))
        .flat_map(|other| &other.addresses)
        .filter_map(|&address| values::Network::new(address, if address.is_ipv4() { 32 } else { 128 }))
        .map(Item::Network);
    let mut networks = vec![Item::Word("127.0.0.0/8"), Item::Word("[::1]/128")];
    networks.extend(own_mail);
    file.set("mynetworks", networks);
    // Nobody has an account on the node itself, so no mail ends here.
    file.clear("mydestination");
    // An address at one of the node's own address literals would count as local: it is as unknown as any other.
    file.set("local_recipient_maps", Item::Reference(Parameter::Own("relay_recipient_maps")));
    file.set("local_transport", Item::Reply("error:5.1.1 no mail is kept on this node"));
    file.clear("alias_maps");
    file.clear("alias_database");
    file.set("biff", Item::Word("no"));
    file.set("maillog_file", Item::Word("/dev/stdout"));
}

/// Tells whether nodes of a role hand mail to an mx from inside.
fn sends_to_mx(blueprint: &Blueprint, role: Role) -> bool {
    match role {
        Role::Submission | Role::Store => true,
        Role::Defense => blueprint.defense.hookup == Hookup::Gateway,
        _ => false,
    }
}

fn limits(file: &mut MainCf, mail: &Mail, maps: &Maps) {
    file.heading("How much, how long, how often");
    file.set("message_size_limit", Item::Number(mail.max_message.as_bytes()));
    // Mailboxes of this node's own do not exist; a limit below the message's would stop Postfix.
    file.set("mailbox_size_limit", Item::Number(0));
    file.set("virtual_mailbox_limit", Item::Number(0));
    file.set("maximal_queue_lifetime", Item::Seconds(mail.queue_lifetime.as_seconds()));
    file.set("bounce_queue_lifetime", Item::Seconds(mail.queue_lifetime.as_seconds()));
    file.set("delay_warning_time", Item::Seconds(mail.bounce_notice.as_seconds()));
    file.set("hopcount_limit", Item::Number(HOPS));
    file.set("virtual_alias_expansion_limit", Item::Number(maps.aliases.longest().max(1000) as u64));
    file.set("smtpd_recipient_limit", Item::Number(1000));
    file.set("smtputf8_enable", Item::Word(if mail.internationalized { "yes" } else { "no" }));
    match mail.subaddressing {
        Some(separator) => file.set("recipient_delimiter", Item::Character(separator)),
        None => file.clear("recipient_delimiter"),
    }
}

fn tls(file: &mut MainCf, mail: &Mail) {
    let least = if mail.tls_minimum == "1.3" { TlsVersion::V1_3 } else { TlsVersion::V1_2 };
    file.heading("TLS");
    file.set("smtpd_tls_security_level", Item::Word("may"));
    file.set("smtpd_tls_chain_files", Item::Word(KEY_AND_CERTIFICATE));
    for name in [
        "smtpd_tls_protocols",
        "smtpd_tls_mandatory_protocols",
        "smtp_tls_protocols",
        "smtp_tls_mandatory_protocols",
        "lmtp_tls_protocols",
        "lmtp_tls_mandatory_protocols",
    ] {
        file.set(name, Item::AtLeast(least));
    }
    file.set("smtpd_tls_received_header", Item::Word("yes"));
    file.set("tls_ssl_options", vec![Item::Word("NO_RENEGOTIATION"), Item::Word("NO_COMPRESSION")]);
    // Gap: peers inside the platform are encrypted to, but not yet verified by their names.
    file.set("smtp_tls_security_level", Item::Word("encrypt"));
    file.set("lmtp_tls_security_level", Item::Word("encrypt"));
}

fn greeting(file: &mut MainCf, blueprint: &Blueprint, node: &Node) {
    let balanced = has(blueprint, &node.cluster, Role::Balancer);
    file.heading("Who may speak to it, and how");
    file.set("smtpd_banner", Value::Text(vec![Part::Reference("myhostname"), Part::Literal(" ESMTP".to_owned())]));
    file.set("postscreen_access_list", Item::Word("permit_mynetworks"));
    match balanced {
        true => file.set("postscreen_upstream_proxy_protocol", Item::Word("haproxy")),
        false => file.clear("postscreen_upstream_proxy_protocol"),
    }
    file.set("postscreen_greet_action", Item::Word("enforce"));
    file.set("postscreen_greet_wait", Item::Seconds(3));
    let (sites, threshold) = dns_lists(&blueprint.defense);
    if !sites.is_empty() {
        file.set("postscreen_dnsbl_sites", sites);
        file.set("postscreen_dnsbl_threshold", Item::Number(threshold));
        file.set("postscreen_dnsbl_action", Item::Word("enforce"));
    }
    file.set("smtpd_helo_required", Item::Word("yes"));
    file.set("disable_vrfy_command", Item::Word("yes"));
    // A bare line feed is how a second message is smuggled into a first (CVE-2023-51764); own nodes are no exception.
    file.set("smtpd_forbid_bare_newline", Item::Word("reject"));
    file.clear("smtpd_forbid_bare_newline_exclusions");
    file.set("smtpd_forbid_unauth_pipelining", Item::Word("yes"));
    file.set("smtpd_data_restrictions", Item::Word("reject_unauth_pipelining"));
}

/// Returns the DNS lists with whole weights, and the sum from which a client is refused: the score from which mail is.
fn dns_lists(defense: &Defense) -> (Vec<Item>, u64) {
    let scores = || defense.dnsbl.iter().map(|list| list.weight).chain([defense.reject]);
    // postscreen counts in whole numbers; the smallest power of ten that leaves nothing of any score behind the point.
    let unit =
        [1000, 100, 10].into_iter().find(|unit| scores().all(|score| score.as_thousandths() % unit == 0)).unwrap_or(1);
    let whole = |score: Score| u64::try_from(score.as_thousandths() / unit).unwrap_or(0);
    let sites = defense
        .dnsbl
        .iter()
        .filter(|list| list.weight > Score::ZERO)
        .map(|list| Item::Weighted(list.zone.clone(), whole(list.weight)))
        .collect();
    (sites, whole(defense.reject).max(1))
}

fn recipients(file: &mut MainCf, maps: &Maps) {
    file.heading("For whom it takes mail");
    file.set("relay_domains", Item::Table(DOMAINS));
    file.set("relay_recipient_maps", Item::Table(RECIPIENTS));
    file.set("virtual_alias_maps", Item::Table(ALIASES));
    file.clear("virtual_alias_domains");
    file.clear("virtual_mailbox_domains");
    file.set("unknown_relay_recipient_reject_code", Item::Number(550));
    file.set("show_user_unknown_table_name", Item::Word("no"));
    let classes: Vec<Item> = maps
        .stores
        .iter()
        .map(|store| Item::Class(quota_class(store)))
        .chain(maps.lists.iter().map(|list| Item::Class(list.class())))
        .collect();
    file.set("smtpd_restriction_classes", classes);
    for store in &maps.stores {
        let at = Endpoint { host: store.hostname.clone(), port: ports::QUOTA_STATUS };
        file.define(quota_class(store), Item::Policy(at));
    }
    for list in &maps.lists {
        file.define(list.class(), vec![Item::ListSenders(list.name.clone()), Item::Word("reject")]);
    }
    file.set("smtpd_relay_restrictions", Item::Word("reject_unauth_destination"));
    file.set("smtpd_sender_restrictions", Item::Word("reject_non_fqdn_sender"));
    file.set(
        "smtpd_recipient_restrictions",
        vec![
            Item::Word("reject_non_fqdn_recipient"),
            Item::Word("reject_unlisted_recipient"),
            // The store says whether the mailbox has room, before the message is taken.
            Item::Lookup("check_recipient_access", ACCESS),
        ],
    );
}

fn defense(file: &mut MainCf, blueprint: &Blueprint, node: &Node) {
    if !has(blueprint, &node.cluster, Role::Defense) {
        return;
    }
    file.heading("Email Defense");
    let group = |port| Endpoint { host: group_host(Role::Defense, &node.cluster, &blueprint.service_domain), port };
    match blueprint.defense.hookup {
        Hookup::Milter => {
            file.set("smtpd_milters", Item::Inet(group(ports::MILTER)));
            file.set("milter_protocol", Item::Number(6));
            let default = match blueprint.defense.on_unavailable {
                Unavailable::Defer => "tempfail",
                Unavailable::Reject => "reject",
                Unavailable::Accept => "accept",
            };
            file.set("milter_default_action", Item::Word(default));
        }
        Hookup::Gateway => {
            file.set("smtpd_proxy_filter", Item::Inet(group(ports::GATEWAY)));
            file.set("smtpd_proxy_options", Item::Word("speed_adjust"));
        }
    }
}

fn delivery(file: &mut MainCf, blueprint: &Blueprint, node: &Node) {
    file.heading("Where mail goes");
    file.set("transport_maps", Item::Table(TRANSPORT));
    // Names of nodes are in /etc/hosts, so that delivery inside the platform asks no DNS.
    file.set("smtp_host_lookup", Item::Word("native"));
    file.set("lmtp_host_lookup", Item::Word("native"));
    match has(blueprint, &node.cluster, Role::Outbound) {
        true => {
            let host = group_host(Role::Outbound, &node.cluster, &blueprint.service_domain);
            // What is forwarded elsewhere leaves through the outbound nodes alone.
            file.set("default_transport", Item::NextHop("smtp", Endpoint { host, port: ports::RELAY }));
        }
        false => file.set("default_transport", Item::Reply("error:5.4.4 no mail leaves this platform")),
    }
    file.set("relay_transport", Item::Reply("error:5.1.1 unknown recipient"));
    file.set("lmtp_destination_recipient_limit", Item::Number(50));
}

fn master_cf(blueprint: &Blueprint) -> MasterCf {
    let mut entries = vec![
        Entry::new(Kind::Inet(ports::SMTP), "postscreen").processes(1),
        Entry::new(Kind::Pass("smtpd"), "smtpd"),
        Entry::new(Kind::Unix("dnsblog"), "dnsblog").processes(0),
        Entry::new(Kind::Unix("tlsproxy"), "tlsproxy").processes(0),
    ];
    // Mail of the platform's own users comes in here, past the tests for strangers.
    let mut relay = Entry::new(Kind::Inet(ports::RELAY), "smtpd")
        .option("syslog_name", Item::Word("postfix/relay"))
        .option("smtpd_client_restrictions", only_own_nodes());
    if blueprint.defense.hookup == Hookup::Gateway {
        // What comes back from the gateway must not be sent through it again.
        relay = relay.option("smtpd_proxy_filter", Vec::new());
    } else {
        relay = relay.option("smtpd_tls_security_level", Item::Word("encrypt"));
    }
    entries.push(relay);
    entries.extend(inner_services());
    MasterCf { entries }
}

fn has(blueprint: &Blueprint, cluster: &Name, role: Role) -> bool {
    blueprint.nodes.iter().any(|node| node.role == role && node.cluster == *cluster)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    fn written(blueprint: &Blueprint, roster: &Roster, path: &str) -> String {
        let files = files(blueprint, roster, &sample::node(Role::Mx, 1));
        String::from_utf8(files[path].unfilled().0).unwrap()
    }

    fn setting(blueprint: &Blueprint, name: &str) -> Option<String> {
        let file = written(blueprint, &sample::tenants(), "/etc/postfix/main.cf");
        let found = file.lines().find_map(|line| line.strip_prefix(&format!("{name} =")));
        found.map(|value| value.trim().to_owned())
    }

    #[test]
    fn weights_of_dns_lists_stay_exact_in_whole_numbers() {
        let mut blueprint = sample::platform();
        assert_eq!(setting(&blueprint, "postscreen_dnsbl_sites").as_deref(), Some("bl.example*45"));
        assert_eq!(setting(&blueprint, "postscreen_dnsbl_threshold").as_deref(), Some("150"));
        blueprint.defense.dnsbl.clear();
        assert_eq!(setting(&blueprint, "postscreen_dnsbl_sites"), None);
    }

    #[test]
    fn a_scanner_that_does_not_answer_defers_or_lets_pass_as_the_operator_says() {
        let mut blueprint = sample::platform();
        assert_eq!(setting(&blueprint, "milter_default_action").as_deref(), Some("tempfail"));
        blueprint.defense.on_unavailable = Unavailable::Accept;
        assert_eq!(setting(&blueprint, "milter_default_action").as_deref(), Some("accept"));
    }

    #[test]
    fn a_gateway_takes_the_message_before_it_is_answered_and_never_twice() {
        let mut blueprint = sample::platform();
        blueprint.defense.hookup = Hookup::Gateway;
        assert_eq!(
            setting(&blueprint, "smtpd_proxy_filter").as_deref(),
            Some("inet:defense.a.northmail.example:10024")
        );
        assert_eq!(setting(&blueprint, "smtpd_milters"), None);
        assert!(written(&blueprint, &sample::tenants(), "/etc/postfix/master.cf").contains("-o smtpd_proxy_filter=\n"));
    }

    #[test]
    fn nobody_may_relay_and_strangers_pass_postscreen() {
        let blueprint = sample::platform();
        assert_eq!(setting(&blueprint, "smtpd_relay_restrictions").as_deref(), Some("reject_unauth_destination"));
        assert_eq!(setting(&blueprint, "smtpd_forbid_bare_newline").as_deref(), Some("reject"));
        assert_eq!(setting(&blueprint, "local_recipient_maps").as_deref(), Some("${relay_recipient_maps}"));
        let master = written(&blueprint, &sample::tenants(), "/etc/postfix/master.cf");
        assert!(master.lines().any(|line| line.starts_with("25 ") && line.ends_with(" postscreen")));
    }

    #[test]
    fn every_recipient_has_a_store_and_is_asked_about_there() {
        let (blueprint, roster) = (sample::platform(), sample::tenants());
        let transport = written(&blueprint, &roster, "/etc/postfix/maps/transport");
        assert_eq!(transport.lines().count(), 3);
        assert!(transport.lines().all(|line| line.contains(" lmtp:inet:store-")), "{transport}");
        let access = written(&blueprint, &roster, "/etc/postfix/maps/access");
        assert_eq!(access.lines().filter(|line| line.contains(" quota_store_")).count(), 3);
        assert_eq!(access.lines().filter(|line| line.contains(" members_team_acme_example_x")).count(), 2);
    }

    #[test]
    fn a_catch_all_takes_nothing_from_those_who_exist() {
        let mut roster = sample::tenants();
        roster.domains[0].catch_all = Some(sample::address("office@acme.example"));
        let aliases = written(&sample::platform(), &roster, "/etc/postfix/maps/aliases");
        for line in [
            "@acme.example office@acme.example",
            "@acme-mail.example office@acme.example",
            "alice@acme.example alice@acme.example",
            "alice@acme-mail.example alice@acme.example",
            "al@acme-mail.example alice@acme.example",
            "office@acme.example alice@acme.example, office@acme.example",
            "sales@acme.example alice@acme.example, bob@elsewhere.example",
            "\"with blank\"@acme-mail.example \"with blank\"@acme.example",
        ] {
            assert!(aliases.lines().any(|written| written == line), "{line} in\n{aliases}");
        }
    }

    #[test]
    fn the_node_s_key_is_a_hole() {
        let files = files(&sample::platform(), &sample::tenants(), &sample::node(Role::Mx, 1));
        let file = &files[KEY_AND_CERTIFICATE];
        assert_eq!((file.mode, file.unfilled().1), (0o600, true));
    }
}
