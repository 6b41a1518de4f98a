//! The platform drawn: which nodes sit on which hosts, and the ways mail and requests take through them.

mod dot;
mod mermaid;
mod svg;
mod ways;

use std::collections::BTreeSet;

use blueprint::{Blueprint, Node, Role};

pub use dot::dot;
pub use mermaid::mermaid;
pub use svg::svg;

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The world outside.
    Internet,
    /// The platform's users.
    Users,
    /// All nodes of a role in a cluster.
    Role(Role),
}

/// A way that mail or requests take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Who opens the connection.
    pub from: End,
    /// Who answers.
    pub to: End,
    /// What is spoken.
    pub protocol: &'static str,
    /// Whether it carries mail, as opposed to look-ups and pages.
    pub mail: bool,
}

const fn flow(from: End, to: End, protocol: &'static str, mail: bool) -> Flow {
    Flow { from, to, protocol, mail }
}

const FLOWS: [Flow; 21] = [
    flow(End::Internet, End::Role(Role::Balancer), "SMTP", true),
    flow(End::Users, End::Role(Role::Balancer), "submission, IMAP, HTTPS", true),
    flow(End::Role(Role::Balancer), End::Role(Role::Mx), "SMTP", true),
    flow(End::Role(Role::Balancer), End::Role(Role::Submission), "submission", true),
    flow(End::Role(Role::Balancer), End::Role(Role::Access), "IMAP, POP3", true),
    flow(End::Role(Role::Balancer), End::Role(Role::Web), "HTTPS", false),
    flow(End::Internet, End::Role(Role::Dns), "DNS", false),
    flow(End::Role(Role::Mx), End::Role(Role::Defense), "milter", true),
    flow(End::Role(Role::Submission), End::Role(Role::Defense), "milter", true),
    flow(End::Role(Role::Defense), End::Role(Role::Cache), "Redis", false),
    flow(End::Role(Role::Mx), End::Role(Role::Store), "LMTP", true),
    flow(End::Role(Role::Submission), End::Role(Role::Store), "LMTP", true),
    flow(End::Role(Role::Submission), End::Role(Role::Outbound), "SMTP", true),
    flow(End::Role(Role::Mx), End::Role(Role::Outbound), "SMTP", true),
    flow(End::Role(Role::Outbound), End::Internet, "SMTP", true),
    flow(End::Role(Role::Access), End::Role(Role::Store), "IMAP, POP3", true),
    flow(End::Role(Role::Web), End::Role(Role::Access), "IMAP", false),
    flow(End::Role(Role::Web), End::Role(Role::Control), "HTTPS", false),
    flow(End::Role(Role::Web), End::Role(Role::Calendar), "CalDAV", false),
    flow(End::Role(Role::Control), End::Role(Role::Directory), "SQL", false),
    flow(End::Role(Role::Mx), End::Role(Role::Directory), "SQL", false),
];

/// Returns the flows of a platform: those whose roles it has.
pub fn flows(blueprint: &Blueprint) -> Vec<Flow> {
    let roles: BTreeSet<Role> = blueprint.nodes.iter().map(|node| node.role).collect();
    let there = |end: End| match end {
        End::Role(role) => roles.contains(&role),
        End::Internet | End::Users => true,
    };
    FLOWS.iter().filter(|flow| there(flow.from) && there(flow.to)).copied().collect()
}

/// Mermaid draws at most 500 arrows, and nobody follows so many: a platform with more has its roles drawn in the place of nodes.
const MOST_ARROWS: usize = 400;

/// All nodes of a role in a cluster, drawn as one.
struct Group {
    name: String,
    cluster: values::Name,
    site: values::Name,
    role: Role,
    label: String,
}

/// Returns what is drawn in the place of nodes; nothing where every node has room.
fn groups(blueprint: &Blueprint) -> Option<Vec<Group>> {
    let arrows: usize = flows(blueprint).into_iter().map(|flow| joined(blueprint, flow).len()).sum();
    if arrows <= MOST_ARROWS {
        return None;
    }
    let mut found: std::collections::BTreeMap<(&values::Name, Role), Vec<&Node>> = std::collections::BTreeMap::new();
    for node in &blueprint.nodes {
        found.entry((&node.cluster, node.role)).or_default().push(node);
    }
    let group = |((cluster, role), nodes): ((&values::Name, Role), Vec<&Node>)| {
        let hosts: BTreeSet<_> = nodes.iter().map(|node| &node.host).collect();
        let site = blueprint.hosts.iter().find(|host| hosts.contains(&host.name)).map(|host| host.site.clone())?;
        let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        Some(Group {
            name: format!("{cluster}/{}", role.name()),
            cluster: cluster.clone(),
            site,
            role,
            label: format!("{}: {} on {}", role.name(), many(nodes.len(), "node"), many(hosts.len(), "host")),
        })
    };
    Some(found.into_iter().filter_map(group).collect())
}

/// Returns every pair of ends that a flow joins, as names: groups of the same cluster, or the world outside.
fn joined_groups(groups: &[Group], flow: Flow) -> Vec<(String, String)> {
    let at = |end: End| -> Vec<(Option<&values::Name>, String)> {
        match end {
            End::Internet => vec![(None, "internet".to_owned())],
            End::Users => vec![(None, "users".to_owned())],
            End::Role(role) => {
                let found = groups.iter().filter(|group| group.role == role);
                found.map(|group| (Some(&group.cluster), group.name.clone())).collect()
            }
        }
    };
    let targets = at(flow.to);
    let pairs = at(flow.from).into_iter().flat_map(|from| targets.iter().map(move |to| (from.clone(), to)));
    let near = pairs.filter(|((from, _), (to, _))| from.is_none() || to.is_none() || from == to);
    near.map(|((_, from), (_, to))| (from, to.clone())).collect()
}

/// Returns the nodes that stand at an end of a flow.
fn nodes(blueprint: &Blueprint, end: End) -> Vec<&Node> {
    match end {
        End::Role(role) => blueprint.nodes.iter().filter(|node| node.role == role).collect(),
        End::Internet | End::Users => Vec::new(),
    }
}

/// Returns every pair of ends that a flow joins, as names: nodes of the same cluster, or the world outside.
fn joined(blueprint: &Blueprint, flow: Flow) -> Vec<(String, String)> {
    let outside = |end: End| match end {
        End::Internet => Some("internet".to_owned()),
        End::Users => Some("users".to_owned()),
        End::Role(_) => None,
    };
    match (outside(flow.from), outside(flow.to)) {
        (Some(from), Some(to)) => vec![(from, to)],
        (Some(from), None) => {
            nodes(blueprint, flow.to).iter().map(|node| (from.clone(), node.name.to_string())).collect()
        }
        (None, Some(to)) => {
            nodes(blueprint, flow.from).iter().map(|node| (node.name.to_string(), to.clone())).collect()
        }
        (None, None) => {
            let targets = nodes(blueprint, flow.to);
            nodes(blueprint, flow.from)
                .iter()
                .flat_map(|from| {
                    targets
                        .iter()
                        .filter(|to| to.cluster == from.cluster)
                        .map(|to| (from.name.to_string(), to.name.to_string()))
                })
                .collect()
        }
    }
}
