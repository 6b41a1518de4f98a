//! Rspamd: what it scores, whom it asks, what it signs, and what becomes of a message.
//!
//! The distribution's own files stay; what is set here stands in `local.d` and, where a list is to be replaced and not added to, in
//! `override.d`. What depends on recipients is a script of its own (`recipients.lua`).
//!
//! Source: the documentation of Rspamd 3.4 and 3.12 by module.

mod levels;
mod modules;

use std::collections::BTreeMap;

use blueprint::platform::{Hookup, World};
use blueprint::{Blueprint, Check, File, Node, Piece, Process, Role, Roster, Tree};

use super::postfix::foundation::Site;
use super::postfix::policy;
use super::ucl::{Object, Value};
use crate::decide::{ports, secrets};

/// Where settings are that add to the distribution's.
const LOCAL: &str = "/etc/rspamd/local.d/";

/// Where settings are that replace the distribution's.
const OVERRIDE: &str = "/etc/rspamd/override.d/";

/// The file of settings of our own section.
const RECIPIENTS: &str = "/etc/rspamd/rspamd.conf.local";

/// The script that reads it.
const SCRIPT: &str = "/etc/rspamd/rspamd.local.lua";

/// What recipients ask for, as it was when the node was rendered.
const LEVELS: &str = "/etc/rspamd/levels.json";

/// The user the scanner runs as.
pub const USER: &str = "_rspamd";

/// Where compiled patterns are kept. They take ten seconds of a processor, and depend on the distribution's rules alone.
pub const COMPILED: &str = "/var/lib/rspamd";

/// Seconds that looking at a message may take: less than an mx waits for its milter.
const TASK_SECONDS: u64 = 30;

/// Returns what a scanner is made of.
pub fn tree(blueprint: &Blueprint, roster: &Roster, node: &Node, generation: u32) -> Tree {
    let mut files = BTreeMap::new();
    let mut add = |folder: &str, name: &str, object: Object| {
        let file = File { mode: 0o640, owner: format!("root:{USER}"), pieces: object.file() };
        files.insert(format!("{folder}{name}"), file);
    };
    add(LOCAL, "worker-proxy.inc", proxy(node));
    add(LOCAL, "worker-controller.inc", controller(node));
    add(LOCAL, "worker-normal.inc", Object::default().set("enabled", false));
    add(LOCAL, "worker-fuzzy.inc", Object::default().set("enabled", false));
    add(LOCAL, "options.inc", options(blueprint));
    add(LOCAL, "logging.inc", Object::default().set("type", "console").set("level", "notice").set("color", false));
    add(LOCAL, "actions.conf", actions(blueprint));
    for (name, object) in modules::local(blueprint, roster, node, generation) {
        add(LOCAL, &name, object);
    }
    for (name, object) in modules::replaced(blueprint) {
        add(OVERRIDE, &name, object);
    }
    add("", RECIPIENTS, Object::default().set("recipients", recipients(blueprint)));
    files.insert(SCRIPT.to_owned(), File::text(include_str!("rspamd/recipients.lua")));
    files.insert(
        LEVELS.to_owned(),
        File { mode: 0o640, owner: format!("root:{USER}"), pieces: vec![Piece::Bytes(levels::map(blueprint, roster))] },
    );
    // What names no file is about settings rather than about keys.
    let settings: Vec<String> = files.keys().cloned().collect();
    let keys = modules::keys(blueprint, roster, generation);
    let looked_at = settings.into_iter().chain(keys.keys().cloned()).collect();
    files.extend(keys);
    let reads = vec!["/etc/rspamd/".to_owned()];
    let checks = vec![Check {
        name: "rspamd".to_owned(),
        command: words(&["/usr/bin/rspamadm", "configtest", "-s"]),
        files: looked_at,
        harmless: vec!["syntax OK".to_owned()],
    }];
    let asks = policy::levels(Site::new(blueprint, node), USER);
    let process = Process {
        name: "rspamd".to_owned(),
        unit: "rspamd.service".to_owned(),
        prepare: vec![
            words(&["/usr/bin/install", "-d", "-o", USER, "-g", USER, "-m", "0750", COMPILED]),
            words(&["/usr/bin/install", "-d", "-o", USER, "-g", USER, "-m", "0755", "/run/rspamd"]),
            modules::seeds(),
        ],
        command: words(&["/usr/bin/rspamd", "-f", "-i", "-u", USER, "-g", USER, "-c", "/etc/rspamd/rspamd.conf"]),
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: asks.processes.iter().map(|_| format!("127.0.0.1:{}", ports::LEVELS)).collect(),
        ready: vec![ports::MILTER, ports::DEFENSE_CONTROLLER],
        reload: None,
        restart_on: Vec::new(),
        reads,
    };
    let mut tree = asks;
    tree.extend(Tree { files, processes: vec![process], checks, packages: ["rspamd".to_owned()].into() });
    tree
}

/// Returns the commands that fill [`COMPILED`] once, in a root that has the tree of a defense node: what an image bakes.
///
/// The last one ends by itself when everything is compiled, or fails after a minute.
pub fn warm_up() -> Vec<Vec<String>> {
    let script = format!(
        "install -d -o {USER} -g {USER} {COMPILED} /run/rspamd && \
         rspamd -f -i -u {USER} -g {USER} -c /etc/rspamd/rspamd.conf >/dev/null 2>&1 & scanner=$!; \
         before=; i=0; while [ $i -lt 120 ]; do sleep 0.5; i=$((i+1)); \
         now=$(ls {COMPILED} | grep -c '\\.hs'); \
         if [ \"$now\" -gt 0 ] && [ \"$now\" = \"$before\" ] && [ $((i % 6)) -eq 0 ]; then break; fi; \
         [ $((i % 6)) -eq 0 ] && before=$now; done; \
         kill $scanner; wait $scanner 2>/dev/null; ls {COMPILED} | grep -q '\\.hs'"
    );
    vec![words(&["/bin/sh", "-c", &script])]
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn endpoints(node: &Node, port: u16) -> Vec<String> {
    let own = node.addresses.iter().map(|address| match address {
        std::net::IpAddr::V4(address) => format!("{address}:{port}"),
        std::net::IpAddr::V6(address) => format!("[{address}]:{port}"),
    });
    std::iter::once(format!("127.0.0.1:{port}")).chain(own).collect()
}

fn proxy(node: &Node) -> Object {
    Object::default()
        .set("bind_socket", endpoints(node, ports::MILTER))
        .set("milter", true)
        .set("timeout", Value::Seconds(TASK_SECONDS * 2))
        .set("upstream", Object::default().set("local", Object::default().set("default", true).set("self_scan", true)))
        .set("count", u64::from(node.cores.clamp(1, 16)))
        .set("reject_message", "Spam message rejected")
        .set("quarantine_on_reject", false)
        .set("discard_on_reject", false)
        .set("spam_header", "X-Spam")
}

fn controller(node: &Node) -> Object {
    Object::default()
        .set("bind_socket", endpoints(node, ports::DEFENSE_CONTROLLER))
        .set("password", Value::Secret(secrets::password("defense-controller")))
        .set("enable_password", Value::Secret(secrets::password("defense-controller")))
        .set("count", 1_u64)
}

fn options(blueprint: &Blueprint) -> Object {
    let resolvers: Vec<String> = blueprint
        .nodes
        .iter()
        .filter(|node| node.role == Role::Dns)
        .filter_map(|node| node.addresses.first())
        .map(|address| format!("{address}:{}:1", ports::RESOLVER))
        .collect();
    let mut own: Vec<String> = vec!["127.0.0.0/8".to_owned(), "::1".to_owned()];
    own.extend(blueprint.sites.iter().flat_map(|site| &site.networks).map(ToString::to_string));
    let dns = Object::default().set("timeout", Value::Seconds(2)).set("retransmits", 3_u64).set("enable_dnssec", false);
    Object::default()
        .set("dns", if resolvers.is_empty() { dns } else { dns.set("nameserver", resolvers) })
        .set("local_addrs", own)
        .set("task_timeout", Value::Seconds(TASK_SECONDS))
        .set("soft_reject_on_timeout", true)
        // An attribute of workers by this name was never heeded, and 3.12 complains of it.
        .set("max_message", blueprint.mail.max_message.as_bytes().saturating_mul(2))
        .set("map_watch_interval", Value::Seconds(30))
}

/// What is done by the score alone; what recipients ask for is put in its place for each message.
fn actions(blueprint: &Blueprint) -> Object {
    let defense = &blueprint.defense;
    let greylist = defense.greylist.as_ref().map_or(Value::Null, |greylist| greylist.above.into());
    Object::default()
        .set("reject", defense.reject)
        .set("greylist", greylist)
        // Tags and fields are the script's, since a folder is not the scanner's to choose.
        .set("add_header", Value::Null)
        .set("rewrite_subject", Value::Null)
        // What holds a virus apart, whatever the score.
        .set("quarantine", Object::default().set("flags", vec!["no_threshold"]))
        .set("discard", Object::default().set("flags", vec!["no_threshold"]))
}

fn recipients(blueprint: &Blueprint) -> Object {
    use blueprint::platform::{Unavailable, VirusAction};
    let defense = &blueprint.defense;
    let default =
        Object::default().set("tag", defense.tag).set("quarantine", defense.quarantine).set("reject", defense.reject);
    Object::default()
        .set("map", LEVELS)
        .set("service", format!("http://127.0.0.1:{}/levels", ports::LEVELS))
        .set("default", default)
        .set_some("relays", is_gateway(blueprint).then(|| relays(blueprint)))
        .set_some("separator", blueprint.mail.subaddressing.map(String::from))
        .set_some("subject", Some(encoded(&defense.subject)).filter(|subject| !subject.is_empty()))
        .set_some("greylist", defense.greylist.as_ref().map(|greylist| greylist.above))
        .set(
            "virus",
            match defense.virus {
                VirusAction::Quarantine => "quarantine",
                VirusAction::Reject => "reject",
                VirusAction::Discard => "discard",
            },
        )
        .set(
            "unscanned",
            match defense.on_unavailable {
                Unavailable::Defer => "defer",
                Unavailable::Reject => "reject",
                Unavailable::Accept => "accept",
            },
        )
}

/// Returns a tag as a header may hold it (RFC 2047 where it is not ASCII), at most thirty characters of it.
fn encoded(tag: &str) -> String {
    let clean: String = tag.chars().filter(|character| !values::hostile(*character)).take(30).collect();
    if clean.is_ascii() {
        return clean;
    }
    let characters: Vec<char> = clean.chars().collect();
    let words: Vec<String> = characters
        .chunks(10)
        .map(|piece| {
            let text: String = piece.iter().collect();
            let octets: String = text.bytes().map(|byte| format!("={byte:02X}")).collect();
            format!("=?utf-8?q?{octets}?=")
        })
        .collect();
    words.join(" ")
}

/// Tells whether nobody outside may be asked anything.
fn is_simulated(blueprint: &Blueprint) -> bool {
    blueprint.world == World::Simulated
}

/// Returns the addresses that strangers' mail comes from where it comes through a gateway: the mx's.
fn relays(blueprint: &Blueprint) -> Vec<String> {
    let nodes = blueprint.nodes.iter().filter(|node| node.role == Role::Mx);
    nodes.flat_map(|node| &node.addresses).map(ToString::to_string).collect()
}

/// Tells whether a filtering hop stands on the node as well.
pub fn is_gateway(blueprint: &Blueprint) -> bool {
    blueprint.defense.hookup == Hookup::Gateway
}
