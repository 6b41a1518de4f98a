//! The access role: meets users at the front and sends each to the store that holds their mailbox.
//!
//! Source: doc.dovecot.org, "Proxying" and "HAProxy". Names and passwords go on to the store as they came, which says yes or no.

use blueprint::roster::Brand;
use blueprint::{Blueprint, Check, File, Node, Role, Roster, Tree};

use super::base::{self, words};
use super::conf::{Block, Value};
use super::directory::{Directory, Questions};
use super::store::{base_protocols, several_clients};
use super::{Version, ways};
use crate::decide::ports;
use crate::render::place;

/// Returns what an access node is made of.
pub fn tree(blueprint: &Blueprint, roster: &Roster, node: &Node) -> Tree {
    let mut tree = Tree::default();
    let directory = Directory::of(blueprint, node);
    let mut conf = base::begin(blueprint, node);
    base_protocols(&mut conf, &["imap", "pop3", "sieve"], "imap pop3 sieve");
    base::signing_in(&mut conf);
    let store = place::members(blueprint, &node.cluster, Role::Store).next();
    if let (Some(directory), Some(store)) = (&directory, store) {
        tree.files.extend(Questions::of_access(blueprint, &store.hostname).write(&mut conf, directory));
    }
    if conf.version() == Version::V2_4 {
        tree.extend(ways::tree(blueprint));
    }
    base::tls(&mut conf, blueprint);
    for brand in &roster.brands {
        let (path, file) = place::brand_key("/etc/dovecot/tls", brand);
        for host in brand_hosts(brand) {
            base::shown(&mut conf, host, &path);
            tree.files.insert(path.clone(), file.clone());
        }
    }
    listeners(&mut conf, blueprint, node);
    limits(&mut conf, node);
    base::metrics(&mut conf, blueprint);
    tree.files.insert(base::CONF.to_owned(), File::text(conf.to_string()));
    tree.files.extend([base::key_file(node)]);
    tree.processes.push(base::process(
        Vec::new(),
        directory.as_ref(),
        vec![
            ports::POP3,
            ports::IMAP,
            ports::IMAPS,
            ports::POP3S,
            ports::MANAGESIEVE,
            ports::INNER_IMAP,
            ports::INNER_MANAGESIEVE,
        ],
        &["/usr/bin/doveadm", "reload"],
    ));
    tree.checks.push(Check {
        name: "dovecot".to_owned(),
        command: words(&["/usr/bin/doveconf", "-n"]),
        files: vec![base::CONF.to_owned()],
        harmless: Vec::new(),
    });
    tree.packages.extend(["core", "imapd", "managesieved", "pgsql", "pop3d"].map(|name| format!("dovecot-{name}")));
    tree
}

fn listeners(conf: &mut Block, blueprint: &Blueprint, node: &Node) {
    conf.heading("Where it answers");
    let balancers = base::networks(blueprint, node, Role::Balancer);
    let balanced = !balancers.is_empty();
    if balanced {
        // The balancers say who the client is, and nobody else can get in by these doors.
        conf.set("haproxy_trusted_networks", Value::Networks(balancers));
    }
    let service = |conf: &mut Block, name: &'static str, doors: &[(&'static str, u16, bool, bool)]| {
        conf.own_section("service", name, |section| {
            for &(door, port, implicit, front) in doors {
                section.own_section("inet_listener", door, |listener| {
                    listener.set("port", Value::Number(u64::from(port)));
                    if implicit {
                        listener.set("ssl", Value::Flag(true));
                    }
                    if balanced && front {
                        listener.set("haproxy", Value::Flag(true));
                    }
                });
            }
            several_clients(section);
            section.set("process_min_avail", Value::Number(u64::from(node.cores)));
        });
    };
    service(
        conf,
        "imap-login",
        &[
            ("imap", ports::IMAP, false, true),
            ("imaps", ports::IMAPS, true, true),
            ("inner", ports::INNER_IMAP, false, false),
        ],
    );
    service(conf, "pop3-login", &[("pop3", ports::POP3, false, true), ("pop3s", ports::POP3S, true, true)]);
    service(
        conf,
        "managesieve-login",
        &[("sieve", ports::MANAGESIEVE, false, true), ("inner", ports::INNER_MANAGESIEVE, false, false)],
    );
}

fn limits(conf: &mut Block, _node: &Node) {
    conf.heading("How much it may take");
    conf.words("default_vsz_limit", "512 M");
}

/// The host names of a brand at which users read mail, sorted.
pub fn brand_hosts(brand: &Brand) -> impl Iterator<Item = &values::HostName> {
    brand.hosts.iter().filter(|host| matches!(host.purpose.as_str(), "imap" | "pop3")).map(|host| &host.host)
}
