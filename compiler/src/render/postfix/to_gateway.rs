//! The way from an mx to the gateways of Email Defense: HAProxy on loopback.
//!
//! It speaks TLS in Postfix's place, whose proxy filter knows none, holds the gateways' certificates against the platform's
//! authority, and knows which of them answer. While none does, a message waits with its sender, or is taken or refused as the
//! specification says: by a port of the mx itself behind which nobody looks at it.
//!
//! Source: configuration manual of HAProxy 2.6, §4.2 `option smtpchk` and §5.2; SMTPD_PROXY_README.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use blueprint::platform::Unavailable;
use blueprint::{Check, File, Process, Role, Tree};

use super::foundation::Site;
use super::main_cf::Item;
use super::master_cf::{Entry, Kind, only_own_nodes};
use crate::decide::ports;
use crate::render::haproxy::config::{Config, Section, Word};
use crate::render::system::AUTHORITY;
use crate::render::{patroni, place};

/// The file that HAProxy reads.
const WAY: &str = "/etc/mailwright/gateways.cfg";

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Returns what leads to the gateways.
///
/// - `after`: what answers before anything is led there, as `host:port`.
pub fn tree(site: Site<'_>, after: Vec<String>) -> Tree {
    let mut global = Section::new("global", None);
    for line in ["log stdout format raw daemon warning", "user haproxy", "group haproxy"] {
        global.own(line);
    }
    global.own(if site.blueprint.mail.tls_minimum == "1.3" {
        "ssl-default-server-options ssl-min-ver TLSv1.3"
    } else {
        "ssl-default-server-options ssl-min-ver TLSv1.2"
    });
    let mut defaults = Section::new("defaults", None);
    for line in
        ["log global", "mode tcp", "timeout connect 3s", "timeout client 5m", "timeout server 5m", "timeout check 5s"]
    {
        defaults.own(line);
    }
    let mut gateways = Section::new("listen", Some("gateways"));
    gateways.line([Word::Own("bind"), Word::At(LOCALHOST, ports::GATEWAY)]);
    gateways.own("balance leastconn");
    gateways.own("retries 2");
    gateways.own("option redispatch 1");
    gateways.own("option smtpchk EHLO localhost");
    gateways.own(
        "default-server inter 5s fastinter 1s downinter 1s fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down",
    );
    let cluster = place::nearest(site.blueprint, site.node, Role::Defense);
    for node in cluster.into_iter().flat_map(|cluster| place::members(site.blueprint, cluster, Role::Defense)) {
        let Some(&address) = node.addresses.first() else { continue };
        gateways.line([
            Word::Own("server"),
            Word::Name(node.name.clone()),
            Word::At(address, ports::GATEWAY),
            Word::Own("check ssl verify required ca-file"),
            Word::Own(AUTHORITY),
            Word::Own("verifyhost"),
            Word::Host(node.hostname.clone()),
        ]);
    }
    if unscanned(site).is_some() {
        gateways.line([Word::Own("server unscanned"), Word::At(LOCALHOST, ports::UNSCANNED), Word::Own("backup")]);
    }
    let config = Config { sections: vec![global, defaults, gateways] };
    let name = "mailwright-gateways.service";
    let command = ["/usr/sbin/haproxy", "-W", "-db", "-f", WAY].map(str::to_owned).to_vec();
    let files = BTreeMap::from([
        (WAY.to_owned(), File::text(config.to_string())),
        (
            format!("/etc/systemd/system/{name}"),
            patroni::unit("The way to the gateways of Email Defense: HAProxy", "root", "", &command),
        ),
    ]);
    let process = Process {
        name: "gateways".to_owned(),
        unit: name.to_owned(),
        prepare: Vec::new(),
        command,
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after,
        ready: vec![ports::GATEWAY],
        reload: None,
        restart_on: Vec::new(),
        reads: [WAY, AUTHORITY].map(str::to_owned).to_vec(),
    };
    let check = Check {
        name: "haproxy".to_owned(),
        command: ["/usr/sbin/haproxy", "-c", "-q", "-f", WAY].map(str::to_owned).to_vec(),
        files: vec![WAY.to_owned()],
        harmless: Vec::new(),
    };
    Tree { files, processes: vec![process], checks: vec![check], packages: ["haproxy"].map(str::to_owned).into() }
}

/// Returns what takes or refuses mail while no gateway answers; nothing where it waits.
pub fn unscanned(site: Site<'_>) -> Option<Entry> {
    let entry = Entry::new(Kind::Loopback(ports::UNSCANNED), "smtpd")
        .option("syslog_name", Item::Word("postfix/unscanned"))
        .option("smtpd_client_restrictions", only_own_nodes())
        .option("smtpd_relay_restrictions", only_own_nodes())
        .option("smtpd_tls_security_level", Item::Word("none"))
        .option("smtpd_proxy_filter", Vec::new());
    match site.blueprint.defense.on_unavailable {
        Unavailable::Defer => None,
        Unavailable::Accept => Some(entry.option(
            "smtpd_data_restrictions",
            Item::Always("check_client_access", "PREPEND X-Virus-Status: Not scanned"),
        )),
        Unavailable::Reject => Some(entry.option(
            "smtpd_recipient_restrictions",
            Item::Always("check_recipient_access", "550 5.7.1 Message rejected: it could not be scanned"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use blueprint::platform::Hookup;

    use super::*;
    use crate::render::sample;

    fn way(on_unavailable: Unavailable) -> (String, Option<String>) {
        let mut blueprint = sample::platform();
        blueprint.defense.hookup = Hookup::Gateway;
        blueprint.defense.on_unavailable = on_unavailable;
        let node = sample::node(Role::Mx, 1);
        let site = Site::new(&blueprint, &node);
        let file = String::from_utf8(tree(site, Vec::new()).files[WAY].unfilled().0).unwrap();
        (file, unscanned(site).map(|entry| entry.to_string()))
    }

    #[test]
    fn only_where_mail_need_not_be_scanned_is_there_a_way_around_the_gateways() {
        let (file, entry) = way(Unavailable::Defer);
        assert!(!file.contains("backup") && entry.is_none(), "{file}");
        let (file, entry) = way(Unavailable::Accept);
        assert!(file.contains("  server unscanned 127.0.0.1:10028 backup\n"), "{file}");
        let entry = entry.unwrap();
        assert!(entry.starts_with("127.0.0.1:10028 inet") && !entry.contains("550"), "{entry}");
        let (file, entry) = way(Unavailable::Reject);
        assert!(file.contains(" backup\n") && entry.unwrap().contains("static:{550 5.7.1 "), "{file}");
    }

    #[test]
    fn gateways_are_known_by_their_certificates() {
        let (file, _) = way(Unavailable::Defer);
        assert!(
            file.contains(":10024 check ssl verify required ca-file /etc/mailwright/authority.pem verifyhost "),
            "{file}"
        );
    }
}
