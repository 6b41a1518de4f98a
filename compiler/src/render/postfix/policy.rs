//! `mailwright-serve policy`: answers, beside a Postfix, what no table can: who may write to a list, who has sent too much,
//! and whose name a submitted message bears.

use std::collections::BTreeMap;

use blueprint::{Blueprint, File, Piece, Process, Role, Tree};
use serde_json::json;

use super::foundation::Site;
use crate::decide::{ports, secrets};
use crate::render::system;

const SETTINGS: &str = "/etc/mailwright/policy.json";
const PASSWORD: &str = "/etc/mailwright/policy.password";

/// Returns what a node has whose Postfix asks it.
pub fn tree(site: Site<'_>) -> Tree {
    let Some(directory) = site.directory() else { return Tree::default() };
    let checks_senders = site.node.role == Role::Submission;
    let settings = json!({
        "version": 1,
        "directory": {
            "host": directory.host,
            "port": directory.port,
            "database": "mailwright",
            "user": "postfix",
            "password_file": PASSWORD,
            "authority": system::AUTHORITY,
        },
        "policy": format!("127.0.0.1:{}", ports::POLICY),
        "sender_check": checks_senders.then(|| format!("127.0.0.1:{}", ports::SENDER_CHECK)),
        "separator": separator(site.blueprint),
    });
    let mut ready = vec![ports::POLICY];
    ready.extend(checks_senders.then_some(ports::SENDER_CHECK));
    let process = Process {
        name: "policy".to_owned(),
        unit: "mailwright-policy.service".to_owned(),
        prepare: Vec::new(),
        command: ["/usr/lib/mailwright/mailwright-serve", "policy", "--config", SETTINGS].map(str::to_owned).to_vec(),
        user: "postfix".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready,
        reload: None,
        restart_on: Vec::new(),
        reads: vec![SETTINGS.to_owned(), PASSWORD.to_owned(), system::AUTHORITY.to_owned()],
    };
    let unit = "[Unit]\nDescription=What Postfix asks of the directory beside its tables\nBefore=postfix@-.service\n\n\
         [Service]\nUser=postfix\nExecStart=/usr/lib/mailwright/mailwright-serve policy --config /etc/mailwright/policy.json\n\
         Restart=always\nRestartSec=1\n\n[Install]\nWantedBy=multi-user.target\n";
    Tree {
        files: BTreeMap::from([
            (SETTINGS.to_owned(), File::text(format!("{settings:#}\n"))),
            (
                PASSWORD.to_owned(),
                File {
                    mode: 0o640,
                    owner: "root:postfix".to_owned(),
                    pieces: vec![Piece::Secret(secrets::password("directory-postfix")), Piece::Bytes(b"\n".to_vec())],
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
