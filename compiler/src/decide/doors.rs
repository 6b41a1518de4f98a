//! The front doors of an environment, in the order in which they get their ports.

use blueprint::launch::Door;
use blueprint::platform::Tls;
use blueprint::{Blueprint, Node};
use values::Name;

use super::{placement::natural, ports};

/// The services people reach from the machine an environment runs on, in the order of their doors.
const ORDER: [&str; 13] = [
    "mx",
    "submission",
    "submissions",
    "imap",
    "imaps",
    "pop3",
    "pop3s",
    "api",
    "console",
    "dns",
    "internet-imap",
    "managesieve",
    "webmail",
];

/// Where the mailboxes of the simulated internet are read.
const INTERNET: &str = "internet";

/// Returns a door for each front service, at the first node that has it.
///
/// - `simulated`: whether the world outside is simulated, so that its mailboxes can be read.
pub fn doors(blueprint: &Blueprint, simulated: bool) -> Vec<Door> {
    ORDER
        .iter()
        .filter_map(|service| if *service == "internet-imap" { internet(simulated) } else { door(blueprint, service) })
        .collect()
}

fn door(blueprint: &Blueprint, name: &str) -> Option<Door> {
    let answers = |node: &&Node| node.services.iter().any(|service| service.front && service.name == name);
    let node = blueprint
        .nodes
        .iter()
        .filter(answers)
        .min_by_key(|node| (node.cluster.as_str(), natural(node.name.as_str())))?;
    let service = node.services.iter().find(|service| service.front && service.name == name)?;
    Some(Door {
        service: service.name.clone(),
        protocol: service.protocol.clone(),
        tls: service.tls,
        node: node.name.clone(),
        port: service.port,
    })
}

fn internet(simulated: bool) -> Option<Door> {
    let node: Name = INTERNET.parse().ok().filter(|_| simulated)?;
    Some(Door {
        service: "internet-imap".to_owned(),
        protocol: "imap".to_owned(),
        tls: Tls::None,
        node,
        port: ports::IMAP,
    })
}
