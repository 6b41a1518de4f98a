//! The submission role: takes mail from users who signed in, in their own names only, and hands it on.
//!
//! Source: postconf(5), smtpd(8), SASL_README; RFC 6409, RFC 8314.

use blueprint::{Blueprint, File, Node, Role, Roster, Tree};

use std::collections::BTreeMap;

use super::foundation::{self, FOLDER, Site};
use super::main_cf::{Item, MainCf, Part, Table, Value};
use super::maps::{Key, Map};
use super::master_cf::{Entry, Kind, MasterCf, inner_services};
use super::mx::{awaited_milter, before_recipients, known_recipients, milter, unavailable};
use super::{pgsql, policy, ways_out};
use crate::decide::ports;
use crate::render::place;

/// Which certificate is shown to who asks for a brand's host.
const BRANDS: Table = Table::fixed("texthash", "/etc/postfix/maps/brands");

const POOLS: Table = Table::fixed("texthash", "/etc/postfix/maps/pools");

const LOOKUPS: [pgsql::Lookup; 5] = [pgsql::DOMAIN, pgsql::RECIPIENT, pgsql::ACCESS, pgsql::SENDERS, pgsql::OUTBOUND];

/// Returns what a submission node is made of.
pub fn tree(blueprint: &Blueprint, roster: &Roster, node: &Node) -> Tree {
    let site = Site::new(blueprint, node);
    let pools = ways_out::of_pools(site);
    let (brands, keys) = brands(roster);
    let mut main_cf = main_cf(site, &pools);
    if !brands.is_empty() {
        main_cf.set("tls_server_sni_maps", Item::Table(BRANDS));
    }
    let master_cf = master_cf(site);
    let mut files = foundation::files(site, &main_cf, &master_cf, &LOOKUPS);
    if !brands.is_empty() {
        files.insert(BRANDS.path.into_owned(), File::text(brands.to_string()));
        files.extend(keys);
    }
    let mut checks = Vec::new();
    if !pools.is_empty() {
        files.insert(POOLS.path.into_owned(), File::text(pools.to_string()));
        checks.push(foundation::table_check(&POOLS.path));
    }
    checks.splice(0..0, foundation::checks(FOLDER, &files));
    let waits = foundation::waits_for(site, &[awaited_milter(site), site.group(Role::Store, ports::SASL)]);
    let mut tree = policy::tree(site);
    tree.extend(Tree {
        checks,
        files,
        processes: vec![foundation::process("", waits, vec![ports::SUBMISSION, ports::SUBMISSIONS])],
        packages: foundation::packages(),
    });
    tree
}

/// Postfix reads the files that this table names when it opens it, and so never without their names.
fn brands(roster: &Roster) -> (Map, BTreeMap<String, File>) {
    let (mut map, mut files) = (Map::default(), BTreeMap::new());
    for brand in &roster.brands {
        let (path, file) = place::brand_key("/etc/postfix/tls", brand);
        for host in brand.hosts.iter().filter(|host| host.purpose == "smtp") {
            map.insert(Key::Domain(host.host.clone()), Item::Path(path.clone()));
            files.insert(path.clone(), file.clone());
        }
    }
    (map, files)
}

fn main_cf(site: Site<'_>, pools: &Map) -> MainCf {
    let mail = &site.blueprint.mail;
    let mut file = MainCf::new(site.version);
    foundation::identity(&mut file, site, &[]);
    foundation::limits(&mut file, mail);
    foundation::notices(&mut file, site.blueprint);
    foundation::tls(&mut file, mail);
    foundation::inner_tls(&mut file);
    signing_in(&mut file, site);
    recipients(&mut file, site);
    content(&mut file, site);
    delivery(&mut file, site, pools);
    file
}

fn signing_in(file: &mut MainCf, site: Site<'_>) {
    file.heading("Who may speak to it, and how");
    file.set("smtpd_banner", Value::Text(vec![Part::Reference("myhostname"), Part::Literal(" ESMTP".to_owned())]));
    match site.balanced() {
        true => file.set("smtpd_upstream_proxy_protocol", Item::Word("haproxy")),
        false => file.clear("smtpd_upstream_proxy_protocol"),
    }
    file.set("smtpd_sasl_auth_enable", Item::Word("yes"));
    file.set("smtpd_tls_auth_only", Item::Word("yes"));
    file.set("smtpd_sasl_type", Item::Word("dovecot"));
    if let Some(store) = site.group(Role::Store, ports::SASL) {
        // Any store knows everybody: they all ask the directory.
        file.set("smtpd_sasl_path", Item::Inet(store));
    }
    file.set("smtpd_sasl_security_options", Item::Word("noanonymous"));
    file.set("smtpd_sasl_tls_security_options", Item::Word("noanonymous"));
    // Where somebody wrote from is not the recipients' business.
    file.set("smtpd_sasl_authenticated_header", Item::Word("no"));
    foundation::manners(file);
    file.set(
        "smtpd_sender_restrictions",
        vec![
            Item::Word("reject_non_fqdn_sender"),
            Item::Word("reject_authenticated_sender_login_mismatch"),
            Item::Word("permit_sasl_authenticated"),
            Item::Always("check_sender_access", "530 5.7.0 Authentication required"),
        ],
    );
    file.set("smtpd_sender_login_maps", Item::Table(pgsql::SENDERS.shared()));
    file.set("smtpd_relay_restrictions", vec![Item::Word("permit_sasl_authenticated"), Item::Word("reject")]);
}

fn recipients(file: &mut MainCf, site: Site<'_>) {
    file.heading("For whom it takes mail");
    // What an mx would refuse is refused here, so that users hear of it at once.
    file.set("relay_domains", Item::Table(pgsql::DOMAIN.shared()));
    file.set("relay_recipient_maps", Item::Table(pgsql::RECIPIENT.shared()));
    file.clear("virtual_alias_maps");
    file.clear("virtual_alias_domains");
    file.clear("virtual_mailbox_domains");
    file.set("unknown_relay_recipient_reject_code", Item::Number(550));
    file.set("show_user_unknown_table_name", Item::Word("no"));
    before_recipients(file, site);
    file.set("smtpd_recipient_restrictions", known_recipients());
}

fn content(file: &mut MainCf, site: Site<'_>) {
    file.heading("What is looked at before it is taken");
    // The whole message counts, with all of its recipients, once it is there.
    file.set("smtpd_end_of_data_restrictions", Item::LocalPolicy(ports::POLICY));
    let milter = milter(site);
    let mut milters = vec![Item::LocalMilter(ports::SENDER_CHECK)];
    milters.extend(milter.clone().map(Item::Inet));
    file.set("smtpd_milters", milters);
    if let Some(milter) = milter {
        file.set("non_smtpd_milters", Item::Inet(milter));
        file.set("internal_mail_filter_classes", Item::Word("bounce"));
    }
    unavailable(file, &site.blueprint.defense);
    // By this the scanner knows mail of the platform's own users.
    file.set("milter_macro_daemon_name", Item::Word("ORIGINATING"));
    file.set("always_add_missing_headers", Item::Word("yes"));
}

fn delivery(file: &mut MainCf, site: Site<'_>, pools: &Map) {
    file.heading("Where mail goes");
    let inside = match site.group(Role::Mx, ports::RELAY) {
        Some(mx) => Item::NextHop("relay", vec![mx]),
        None => Item::Reply("error:5.4.4 no node takes this mail"),
    };
    file.set("relay_transport", inside);
    file.set("default_transport", ways_out::of_nobody(site));
    if !pools.is_empty() {
        file.set("sender_dependent_default_transport_maps", Item::Piped(pgsql::OUTBOUND.direct(), POOLS));
    }
}

fn master_cf(_site: Site<'_>) -> MasterCf {
    let mut entries = vec![
        Entry::new(Kind::Inet(ports::SUBMISSION), "smtpd")
            .option("syslog_name", Item::Word("postfix/submission"))
            .option("smtpd_tls_security_level", Item::Word("encrypt")),
        Entry::new(Kind::Inet(ports::SUBMISSIONS), "smtpd")
            .option("syslog_name", Item::Word("postfix/submissions"))
            .option("smtpd_tls_wrappermode", Item::Word("yes")),
    ];
    entries.extend(inner_services());
    MasterCf { entries }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;
    use blueprint::platform::{OutboundAddress, OutboundPool, Unavailable};

    fn written(blueprint: &Blueprint, path: &str) -> String {
        String::from_utf8(
            tree(blueprint, &sample::tenants(), &sample::node(Role::Submission, 1)).files[path].unfilled().0,
        )
        .unwrap()
    }

    fn setting(blueprint: &Blueprint, name: &str) -> Option<String> {
        let file = written(blueprint, "/etc/postfix/main.cf");
        let found = file.lines().find_map(|line| line.strip_prefix(&format!("{name} =")));
        found.map(|value| value.trim().to_owned())
    }

    #[test]
    fn nobody_signs_in_without_tls_and_nobody_sends_without_signing_in() {
        let blueprint = sample::platform();
        assert_eq!(setting(&blueprint, "smtpd_tls_auth_only").as_deref(), Some("yes"));
        assert_eq!(
            setting(&blueprint, "smtpd_relay_restrictions").as_deref(),
            Some("permit_sasl_authenticated, reject")
        );
        assert_eq!(setting(&blueprint, "smtpd_sasl_path").as_deref(), Some("inet:store.a.northmail.example:12345"));
        let master = written(&blueprint, "/etc/postfix/master.cf");
        assert!(
            master.contains("587        inet") && master.contains("-o smtpd_tls_security_level=encrypt\n"),
            "{master}"
        );
        assert!(master.contains("465        inet") && master.contains("-o smtpd_tls_wrappermode=yes\n"), "{master}");
    }

    #[test]
    fn senders_are_looked_at_even_where_a_silent_scanner_lets_mail_pass() {
        let mut blueprint = sample::platform();
        blueprint.defense.on_unavailable = Unavailable::Accept;
        assert_eq!(
            setting(&blueprint, "smtpd_milters").as_deref(),
            Some("{ inet:127.0.0.1:10032, default_action=tempfail }, inet:defense.a.northmail.example:11332")
        );
        assert_eq!(setting(&blueprint, "milter_default_action").as_deref(), Some("accept"));
        assert!(
            setting(&blueprint, "smtpd_sender_restrictions")
                .unwrap()
                .contains("reject_authenticated_sender_login_mismatch")
        );
    }

    #[test]
    fn each_pool_is_reached_at_the_nodes_that_have_its_addresses() {
        let mut blueprint = sample::platform();
        let pool = |name: &str, address: &str| OutboundPool {
            name: sample::name(name),
            addresses: vec![OutboundAddress {
                address: address.parse().unwrap(),
                helo: sample::host("out.northmail.example"),
            }],
            warm_up: None,
            destinations: Vec::new(),
        };
        blueprint.outbound = vec![pool("bulk", "203.0.113.6"), pool("shared", "203.0.113.4")];
        for node in &mut blueprint.nodes {
            match node.name.as_str() {
                "outbound-1" => node.front_addresses = vec!["203.0.113.4".parse().unwrap()],
                "outbound-2" => node.front_addresses = vec!["203.0.113.6".parse().unwrap()],
                _ => {}
            }
        }
        assert_eq!(
            written(&blueprint, "/etc/postfix/maps/pools"),
            "bulk relay:[outbound-2.northmail.example]:10025\nshared relay:[outbound-1.northmail.example]:10101\n"
        );
        assert_eq!(
            setting(&blueprint, "default_transport").as_deref(),
            Some("relay:[outbound-2.northmail.example]:10025")
        );
    }
}
