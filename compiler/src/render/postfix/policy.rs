//! `mailwright-serve policy`: answers, beside a Postfix, what no table can: who may write to a list, who has sent too much,
//! and whose name a submitted message bears. Beside a scanner it answers what recipients want of the defense.

use std::collections::BTreeMap;
use std::net::IpAddr;

use blueprint::{Blueprint, File, Piece, Process, Role, Tree};
use serde_json::{Value, json};
use values::Name;

use super::foundation::Site;
use crate::decide::{ports, secrets};
use crate::render::system;

const SETTINGS: &str = "/etc/mailwright/policy.json";
/// Where what a pool has taken is kept.
const COUNTS: &str = "/var/lib/mailwright/warm-up";
const UNIT: &str = "mailwright-policy.service";
const PASSWORD: &str = "/etc/mailwright/policy.password";

/// Returns what a node has whose Postfix asks it.
pub fn tree(site: Site<'_>) -> Tree {
    let checks_senders = site.node.role == Role::Submission;
    let local = |port: u16| format!("127.0.0.1:{port}");
    let listens = json!({
        "policy": local(ports::POLICY),
        "sender_check": checks_senders.then(|| local(ports::SENDER_CHECK)),
    });
    let mut ready = vec![ports::POLICY];
    ready.extend(checks_senders.then_some(ports::SENDER_CHECK));
    program(site, "postfix", "postfix", "postfix@-.service", listens, ready)
}

/// A pool whose addresses are new, on a node.
pub struct Warming<'b> {
    /// Its name.
    pub name: &'b Name,
    /// The ports where its Postfix takes mail.
    pub ports: Vec<u16>,
    /// How long an address is warmed up, in days.
    pub days: u64,
    /// Those that the node has.
    pub addresses: Vec<IpAddr>,
}

/// Returns what an outbound node has that warms addresses up: what counts what they take each day.
pub fn warm_ups(site: Site<'_>, pools: &[Warming<'_>]) -> Tree {
    let pools: Vec<Value> = pools
        .iter()
        .map(|pool| json!({ "name": pool.name, "ports": pool.ports, "days": pool.days, "addresses": pool.addresses }))
        .collect();
    if pools.is_empty() {
        return Tree::default();
    }
    let listens = json!({
        "policy": format!("127.0.0.1:{}", ports::POLICY),
        "warm_up": { "state": COUNTS, "pools": pools },
    });
    let mut tree = program(site, "postfix", "postfix", "postfix@-.service", listens, vec![ports::POLICY]);
    let folder = ["/usr/bin/install", "-d", "-o", "postfix", "-g", "postfix", "-m", "0700", COUNTS].map(str::to_owned);
    for process in &mut tree.processes {
        process.prepare.push(folder.to_vec());
    }
    // systemd makes the folder by itself.
    let settings = format!("[Service]\nStateDirectory={}\n", COUNTS.trim_start_matches("/var/lib/"));
    tree.files.insert(format!("/etc/systemd/system/{UNIT}.d/counts.conf"), File::text(settings));
    tree
}

/// Returns what a node has whose scanner asks it what recipients want.
///
/// - `user`: the system's user that the scanner runs as.
pub fn levels(site: Site<'_>, user: &str) -> Tree {
    let listens = json!({ "levels": format!("127.0.0.1:{}", ports::LEVELS) });
    program(site, user, "rspamd", "rspamd.service", listens, vec![ports::LEVELS])
}

/// - `user`: of the system; `role`: of the directory.
/// - `before`: the unit that asks it.
fn program(site: Site<'_>, user: &str, role: &str, before: &str, listens: Value, ready: Vec<u16>) -> Tree {
    let Some(directory) = site.directory() else { return Tree::default() };
    let mut settings = json!({
        "version": 1,
        "directory": {
            "host": directory.host,
            "port": directory.port,
            "database": "mailwright",
            "user": role,
            "password_file": PASSWORD,
            "authority": system::AUTHORITY,
        },
        "separator": separator(site.blueprint),
    });
    if let (Some(settings), Value::Object(listens)) = (settings.as_object_mut(), listens) {
        settings.extend(listens);
    }
    let process = Process {
        name: "policy".to_owned(),
        unit: UNIT.to_owned(),
        prepare: Vec::new(),
        command: ["/usr/lib/mailwright/mailwright-serve", "policy", "--config", SETTINGS].map(str::to_owned).to_vec(),
        user: user.to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready,
        reload: None,
        restart_on: Vec::new(),
        reads: vec![SETTINGS.to_owned(), PASSWORD.to_owned(), system::AUTHORITY.to_owned()],
    };
    let unit = format!(
        "[Unit]\nDescription=What the node's daemons ask of the directory beside its tables\nBefore={before}\n\n\
         [Service]\nUser={user}\nExecStart=/usr/lib/mailwright/mailwright-serve policy --config /etc/mailwright/policy.json\n\
         Restart=always\nRestartSec=1\n\n[Install]\nWantedBy=multi-user.target\n"
    );
    Tree {
        files: BTreeMap::from([
            (SETTINGS.to_owned(), File::text(format!("{settings:#}\n"))),
            (
                PASSWORD.to_owned(),
                File {
                    mode: 0o640,
                    owner: format!("root:{user}"),
                    pieces: vec![
                        Piece::Secret(secrets::password(&format!("directory-{role}"))),
                        Piece::Bytes(b"\n".to_vec()),
                    ],
                },
            ),
            (format!("/etc/systemd/system/{UNIT}"), File::text(unit)),
        ]),
        processes: vec![process],
        ..Tree::default()
    }
}

fn separator(blueprint: &Blueprint) -> Option<String> {
    blueprint.mail.subaddressing.map(String::from)
}
