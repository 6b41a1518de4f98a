//! The mx role: takes mail from the internet, knows recipient and quota before it says 250, and hands it to the stores.
//!
//! Source: postconf(5), postscreen(8), smtpd(8).

use blueprint::platform::{Defense, Hookup, Unavailable};
use blueprint::{Blueprint, File, Node, Role, Tree};
use values::Score;

use super::foundation::{self, FOLDER, Site};
use super::main_cf::{Endpoint, Item, MainCf, Parameter, Part, Table, Value};
use super::maps::{Key, Map};
use super::master_cf::{Entry, Kind, MasterCf, inner_services, only_own_nodes};
use super::{pgsql, policy, srs, to_gateway, ways_out};
use crate::decide::ports;

const PLATFORM: Table = Table::fixed("texthash", "/etc/postfix/maps/platform");

/// Addresses of the node itself, which RFC 5321 §4.5.1 wants to be read by somebody.
const OFFICES: Table = Table::fixed("texthash", "/etc/postfix/maps/offices");

/// The class of restrictions that keeps strangers from lists.
const MEMBERS_ONLY: Parameter = Parameter::Fixed("members_only");

/// Seconds that a store has to say whether a mailbox has room.
const STORE_PATIENCE: u64 = 5;

/// Recipients that one address may stand for; the directory follows no more than this either.
const EXPANSION: u64 = 10_000;

const LOOKUPS: [pgsql::Lookup; 6] =
    [pgsql::DOMAIN, pgsql::RECIPIENT, pgsql::ACCESS, pgsql::ALIAS, pgsql::TRANSPORT, pgsql::FILTERED];

/// Returns what an mx is made of.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    let site = Site::new(blueprint, node);
    let (main_cf, master_cf) = (main_cf(site), master_cf(site));
    let mut files = foundation::files(site, &main_cf, &master_cf, &LOOKUPS);
    files.insert(PLATFORM.path.into_owned(), File::text(platform(blueprint).to_string()));
    files.insert(OFFICES.path.into_owned(), File::text(offices(site).to_string()));
    let waits = foundation::waits_for(site, &[awaited_milter(site)]);
    let mut tree = Tree::default();
    if let Some(domain) = &blueprint.mail.srs {
        tree.extend(srs::tree(domain));
    }
    tree.extend(policy::tree(site));
    if let Some(gateway) = gateway(site) {
        tree.extend(to_gateway::tree(site, vec![format!("{}:{}", gateway.host, gateway.port)]));
    }
    let mut ready = vec![ports::SMTP, ports::RELAY];
    ready.extend(gateway(site).map(|_| ports::RETURNED));
    let mut checks = foundation::checks(FOLDER, &files);
    checks.push(foundation::table_check(&PLATFORM.path));
    checks.push(foundation::table_check(&OFFICES.path));
    tree.extend(Tree {
        checks,
        files,
        processes: vec![foundation::process("", waits, ready)],
        packages: foundation::packages(),
    });
    tree
}

/// Domains that are nobody's: what senders of forwarded mail are rewritten to.
fn platform(blueprint: &Blueprint) -> Map {
    let mut map = Map::default();
    if let Some(domain) = &blueprint.mail.srs {
        map.insert(Key::Domain(domain.clone()), Item::Word("OK"));
    }
    map
}

fn offices(site: Site<'_>) -> Map {
    let mut map = Map::default();
    let operator = &site.blueprint.operator;
    for (office, address) in [("abuse", &operator.abuse), ("postmaster", &operator.postmaster)] {
        map.insert(Key::Office(office, site.node.hostname.clone()), Item::Address(address.clone()));
    }
    map
}

fn main_cf(site: Site<'_>) -> MainCf {
    let mail = &site.blueprint.mail;
    let mut file = MainCf::new(site.version);
    foundation::identity(
        &mut file,
        site,
        &[Role::Submission, Role::Store, Role::Outbound, Role::Defense, Role::Monitor],
    );
    foundation::limits(&mut file, mail);
    foundation::notices(&mut file, site.blueprint);
    foundation::tls(&mut file, mail);
    foundation::inner_tls(&mut file);
    greeting(&mut file, site);
    recipients(&mut file, site);
    defense(&mut file, site);
    delivery(&mut file, site);
    file
}

fn greeting(file: &mut MainCf, site: Site<'_>) {
    file.heading("Who may speak to it, and how");
    file.set("smtpd_banner", Value::Text(vec![Part::Reference("myhostname"), Part::Literal(" ESMTP".to_owned())]));
    file.set("postscreen_access_list", Item::Word("permit_mynetworks"));
    match site.balanced() {
        true => file.set("postscreen_upstream_proxy_protocol", Item::Word("haproxy")),
        false => file.clear("postscreen_upstream_proxy_protocol"),
    }
    // The balancer's check takes the first line of a greeting in two parts for a failure, and would never send anybody here again.
    file.clear("postscreen_greet_banner");
    match dns_lists(&site.blueprint.defense) {
        // Lists that refuse nobody by themselves are the scanner's to weigh, and no client waits for them here.
        None => file.clear("postscreen_dnsbl_sites"),
        Some((sites, threshold)) => {
            file.set("postscreen_dnsbl_sites", sites);
            file.set("postscreen_dnsbl_threshold", Item::Number(threshold));
            file.set("postscreen_dnsbl_action", Item::Word("enforce"));
            // While the lists are asked, whoever does not wait for the greeting gives itself away.
            file.set("postscreen_greet_action", Item::Word("enforce"));
            file.set("postscreen_greet_wait", Item::Seconds(2));
        }
    }
    foundation::manners(file);
}

/// Returns the DNS lists with whole weights, and the sum from which a client is refused: the score from which mail is.
///
/// - Returns: `None` where all lists together do not reach that sum.
fn dns_lists(defense: &Defense) -> Option<(Vec<Item>, u64)> {
    let scores = || defense.dnsbl.iter().map(|list| list.weight).chain([defense.reject]);
    // postscreen counts in whole numbers; the smallest power of ten that leaves nothing of any score behind the point.
    let unit =
        [1000, 100, 10].into_iter().find(|unit| scores().all(|score| score.as_thousandths() % unit == 0)).unwrap_or(1);
    let whole = |score: Score| u64::try_from(score.as_thousandths() / unit).unwrap_or(0);
    let threshold = whole(defense.reject).max(1);
    let counted: Vec<_> = defense.dnsbl.iter().filter(|list| list.weight > Score::ZERO).collect();
    let all: u64 = counted.iter().map(|list| whole(list.weight)).sum();
    let sites = counted.iter().map(|list| Item::Weighted(list.zone.clone(), whole(list.weight))).collect();
    (all >= threshold).then_some((sites, threshold))
}

fn recipients(file: &mut MainCf, site: Site<'_>) {
    let blueprint = site.blueprint;
    file.heading("For whom it takes mail");
    file.set("relay_domains", vec![Item::Table(pgsql::DOMAIN.shared()), Item::Table(PLATFORM)]);
    file.set("relay_recipient_maps", Item::Table(pgsql::RECIPIENT.shared()));
    // The directory follows aliases, forwards and lists to their ends itself, and to each end once.
    file.set("virtual_alias_maps", vec![Item::Table(pgsql::ALIAS.shared()), Item::Table(OFFICES)]);
    file.set("virtual_alias_expansion_limit", Item::Number(EXPANSION));
    file.clear("virtual_alias_domains");
    file.clear("virtual_mailbox_domains");
    file.clear("propagate_unmatched_extensions");
    if blueprint.mail.srs.is_some() {
        // A bounce of forwarded mail goes back to whom it came from.
        file.set("recipient_canonical_maps", Item::LocalTable(ports::SRS_REVERSE));
        file.set("recipient_canonical_classes", Item::Word("envelope_recipient"));
    }
    file.set("unknown_relay_recipient_reject_code", Item::Number(550));
    file.set("show_user_unknown_table_name", Item::Word("no"));
    before_recipients(file, site);
    file.set("smtpd_relay_restrictions", Item::Word("reject_unauth_destination"));
    file.set("smtpd_sender_restrictions", Item::Word("reject_non_fqdn_sender"));
    file.set("smtpd_recipient_restrictions", known_recipients());
}

/// Defines the classes that the directory names where it is asked about a recipient.
pub(super) fn before_recipients(file: &mut MainCf, site: Site<'_>) {
    let stores: Vec<&Node> = site.blueprint.nodes.iter().filter(|node| node.role == Role::Store).collect();
    let quota = |store: &Node| Parameter::Class("quota", store.name.clone());
    let mut classes: Vec<Item> = stores.iter().map(|store| Item::Class(quota(store))).collect();
    classes.push(Item::Class(MEMBERS_ONLY));
    file.set("smtpd_restriction_classes", classes);
    for store in stores {
        // The store says whether the mailbox has room, before the message is taken. While it is down, mail for it waits in the queue.
        let at = Endpoint { host: store.hostname.clone(), port: ports::QUOTA_STATUS };
        file.define(quota(store), Item::Advice(at, STORE_PATIENCE));
    }
    file.define(MEMBERS_ONLY, Item::LocalPolicy(ports::POLICY));
    // Who cannot be asked is asked again later.
    file.set("smtpd_policy_service_default_action", Item::Reply("451 4.3.0 Temporary lookup failure"));
}

/// Returns the restrictions by which a recipient is known to exist and to have room.
pub(super) fn known_recipients() -> Vec<Item> {
    vec![
        Item::Word("reject_non_fqdn_recipient"),
        Item::Word("reject_unlisted_recipient"),
        Item::Lookup("check_recipient_access", pgsql::ACCESS.shared()),
    ]
}

/// Returns where the scanner answers, where it is asked as a milter.
pub(super) fn milter(site: Site<'_>) -> Option<Endpoint> {
    site.group(Role::Defense, ports::MILTER)
}

/// Returns the filtering hop in front of this node, where there is one.
fn gateway(site: Site<'_>) -> Option<Endpoint> {
    let asked = site.blueprint.defense.hookup == Hookup::Gateway;
    site.group(Role::Defense, ports::GATEWAY).filter(|_| asked)
}

/// Returns the scanner where it has to answer before any mail comes in: elsewhere senders are asked to come again until it does.
pub(super) fn awaited_milter(site: Site<'_>) -> Option<Endpoint> {
    milter(site).filter(|_| site.blueprint.defense.on_unavailable != Unavailable::Defer)
}

/// Says what happens while a milter does not answer.
pub(super) fn unavailable(file: &mut MainCf, defense: &Defense) {
    file.set("milter_protocol", Item::Number(6));
    let default = match defense.on_unavailable {
        Unavailable::Defer => "tempfail",
        Unavailable::Reject => "reject",
        Unavailable::Accept => "accept",
    };
    file.set("milter_default_action", Item::Word(default));
}

fn defense(file: &mut MainCf, site: Site<'_>) {
    let defense = &site.blueprint.defense;
    file.heading("Email Defense");
    let Some(milter) = milter(site) else { return };
    if gateway(site).is_some() {
        file.set("smtpd_proxy_filter", Item::LocalPort(ports::GATEWAY));
        file.set("smtpd_proxy_options", Item::Word("speed_adjust"));
    } else {
        file.set("smtpd_milters", Item::Inet(milter.clone()));
    }
    // What this node says itself is signed, not judged.
    file.set("non_smtpd_milters", Item::Inet(milter));
    file.set("internal_mail_filter_classes", Item::Word("bounce"));
    unavailable(file, defense);
}

fn delivery(file: &mut MainCf, site: Site<'_>) {
    file.heading("Where mail goes");
    // What is filtered for customers leaves through the outbound nodes, too, which know their servers.
    let filtered = Item::Instead(pgsql::FILTERED.direct(), Box::new(ways_out::of_nobody(site)));
    file.set("transport_maps", vec![Item::Table(pgsql::TRANSPORT.shared()), filtered]);
    // What is forwarded elsewhere leaves through the outbound nodes alone.
    file.set("default_transport", ways_out::forwarded(site));
    file.set("relay_transport", Item::Reply("error:5.1.1 User unknown"));
    // What a message was written to is told in a field of its own, so that each recipient gets a copy of its own (lmtp(8), `O`).
    file.set("lmtp_destination_recipient_limit", Item::Number(1));
}

fn master_cf(site: Site<'_>) -> MasterCf {
    let mut entries = vec![
        Entry::new(Kind::Inet(ports::SMTP), "postscreen").processes(1),
        Entry::new(Kind::Pass("smtpd"), "smtpd"),
        Entry::new(Kind::Unix("dnsblog"), "dnsblog").processes(0),
        Entry::new(Kind::Unix("tlsproxy"), "tlsproxy").processes(0),
    ];
    // Mail of the platform's own users comes in here, past the tests for strangers.
    let mut relay = Entry::new(Kind::Inet(ports::RELAY), "smtpd")
        .option("syslog_name", Item::Word("postfix/relay"))
        .option("smtpd_client_restrictions", only_own_nodes())
        // What stores send on or answer by themselves goes out into the world from here.
        .option("smtpd_relay_restrictions", only_own_nodes());
    relay = relay
        .option("smtpd_tls_security_level", Item::Word("encrypt"))
        .option("milter_macro_daemon_name", Item::Word("RELAY"));
    let mut returned = None;
    if let (Some(_), Some(milter)) = (gateway(site), milter(site)) {
        // Own mail is looked at without the detour, and what comes back from the gateway not once more.
        relay = relay.option("smtpd_proxy_filter", Vec::new()).option("smtpd_milters", Item::Inet(milter));
        let entry = Entry::new(Kind::Inet(ports::RETURNED), "smtpd")
            .option("syslog_name", Item::Word("postfix/returned"))
            .option("smtpd_client_restrictions", only_own_nodes())
            .option("smtpd_relay_restrictions", only_own_nodes())
            .option("smtpd_tls_security_level", Item::Word("encrypt"))
            .option("smtpd_proxy_filter", Vec::new());
        returned = Some(entry);
    }
    entries.push(relay);
    if returned.is_some() {
        entries.extend(returned);
        entries.extend(to_gateway::unscanned(site));
    }
    entries.extend(inner_services());
    MasterCf { entries }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    fn written(blueprint: &Blueprint, path: &str) -> String {
        String::from_utf8(tree(blueprint, &sample::node(Role::Mx, 1)).files[path].unfilled().0).unwrap()
    }

    fn setting(blueprint: &Blueprint, name: &str) -> Option<String> {
        let file = written(blueprint, "/etc/postfix/main.cf");
        let found = file.lines().find_map(|line| line.strip_prefix(&format!("{name} =")));
        found.map(|value| value.trim().to_owned())
    }

    #[test]
    fn weights_of_dns_lists_stay_exact_in_whole_numbers() {
        let mut blueprint = sample::platform();
        blueprint.defense.reject = "4.5".parse().unwrap();
        assert_eq!(setting(&blueprint, "postscreen_dnsbl_sites").as_deref(), Some("bl.example*45"));
        assert_eq!(setting(&blueprint, "postscreen_dnsbl_threshold").as_deref(), Some("45"));
        assert_eq!(setting(&blueprint, "postscreen_greet_wait").as_deref(), Some("2s"));
        blueprint.defense.dnsbl.clear();
        assert_eq!(setting(&blueprint, "postscreen_dnsbl_sites").as_deref(), Some(""));
    }

    #[test]
    fn nobody_waits_for_dns_lists_that_cannot_refuse_anybody() {
        let blueprint = sample::platform();
        assert_eq!(setting(&blueprint, "postscreen_dnsbl_sites").as_deref(), Some(""));
        assert_eq!(setting(&blueprint, "postscreen_greet_banner").as_deref(), Some(""));
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
        assert_eq!(setting(&blueprint, "smtpd_proxy_filter").as_deref(), Some("inet:127.0.0.1:10024"));
        assert_eq!(setting(&blueprint, "smtpd_milters"), None);
        let master = written(&blueprint, "/etc/postfix/master.cf");
        assert_eq!(master.matches("-o smtpd_proxy_filter=\n").count(), 2, "{master}");
        assert!(master.contains("-o smtpd_milters=inet:defense.a.northmail.example:11332\n"), "{master}");
        assert!(master.contains("\n10027 "), "{master}");
    }

    #[test]
    fn nobody_may_relay_and_strangers_pass_postscreen() {
        let blueprint = sample::platform();
        assert_eq!(setting(&blueprint, "smtpd_relay_restrictions").as_deref(), Some("reject_unauth_destination"));
        assert_eq!(setting(&blueprint, "smtpd_forbid_bare_newline").as_deref(), Some("reject"));
        assert_eq!(setting(&blueprint, "local_recipient_maps").as_deref(), Some("${relay_recipient_maps}"));
        let master = written(&blueprint, "/etc/postfix/master.cf");
        assert!(master.lines().any(|line| line.starts_with("25 ") && line.ends_with(" postscreen")));
    }

    #[test]
    fn every_store_is_asked_about_its_own_mailboxes() {
        let blueprint = sample::platform();
        assert_eq!(
            setting(&blueprint, "smtpd_restriction_classes").as_deref(),
            Some("quota_store_1, quota_store_2, members_only")
        );
        assert_eq!(
            setting(&blueprint, "quota_store_2").as_deref(),
            Some(
                "check_policy_service { inet:store-2.northmail.example:12340, timeout=5s, try_limit=1, \
                 default_action=DUNNO }"
            )
        );
    }

    #[test]
    fn forwarded_mail_has_its_sender_rewritten_where_the_platform_does_that() {
        let mut blueprint = sample::platform();
        assert_eq!(
            setting(&blueprint, "default_transport").as_deref(),
            Some("relay:[outbound-1.northmail.example]:10025, [outbound-2.northmail.example]:10025")
        );
        blueprint.mail.srs = Some(sample::host("srs.northmail.example"));
        assert!(setting(&blueprint, "default_transport").unwrap().ends_with(":10026"));
        assert_eq!(setting(&blueprint, "recipient_canonical_maps").as_deref(), Some("tcp:127.0.0.1:10002"));
        assert_eq!(written(&blueprint, "/etc/postfix/maps/platform"), "srs.northmail.example OK\n");
    }

    #[test]
    fn nothing_of_a_tenant_stands_in_a_file() {
        let roster = sample::tenants();
        for file in tree(&sample::platform(), &sample::node(Role::Mx, 1)).files.values() {
            let text = String::from_utf8(file.unfilled().0).unwrap();
            assert!(roster.domains.iter().all(|domain| !text.contains(domain.name.as_str())), "{text}");
        }
    }

    #[test]
    fn the_node_s_key_is_a_hole() {
        let tree = tree(&sample::platform(), &sample::node(Role::Mx, 1));
        let file = &tree.files[foundation::KEY_AND_CERTIFICATE];
        assert_eq!((file.mode, file.unfilled().1), (0o600, true));
    }
}
