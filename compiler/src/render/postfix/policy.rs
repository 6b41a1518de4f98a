//! `mailwright-serve policy`: answers, beside a Postfix, what no table can: who may write to a list, who has sent too much,
//! and whose name a submitted message bears. Beside a scanner it answers what recipients want of the defense.

use std::collections::BTreeMap;

use blueprint::{Blueprint, File, Piece, Process, Role, Tree};
use serde_json::{Value, json};

use super::foundation::Site;
use crate::decide::{ports, secrets};
use crate::render::system;

const SETTINGS: &str = "/etc/mailwright/policy.json";
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
        unit: "mailwright-policy.service".to_owned(),
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
            ("/etc/systemd/system/mailwright-policy.service".to_owned(), File::text(unit)),
        ]),
        processes: vec![process],
        ..Tree::default()
    }
}

fn separator(blueprint: &Blueprint) -> Option<String> {
    blueprint.mail.subaddressing.map(String::from)
}
