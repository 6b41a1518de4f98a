//! The platform in Mermaid's language, which code hosts draw inside documents.

use std::fmt::Write;

use blueprint::Blueprint;

use super::{flows, groups, joined, joined_groups};

/// Returns the platform as a Mermaid flowchart: a subgraph for each host, an arrow for each flow between two nodes; of a large one, a
/// subgraph for each cluster, and an arrow for each flow between two roles.
pub fn mermaid(blueprint: &Blueprint) -> String {
    let mut text = String::from("flowchart LR\n  internet([internet])\n  users([users])\n");
    let groups = groups(blueprint);
    match &groups {
        Some(groups) => {
            for same in groups.chunk_by(|a, b| a.cluster == b.cluster) {
                let Some(first) = same.first() else { continue };
                let cluster = &first.cluster;
                let _ = writeln!(
                    text,
                    "  subgraph {}[\"{} · cluster {cluster}\"]",
                    identifier(cluster.as_ref()),
                    first.site
                );
                for group in same {
                    let _ = writeln!(text, "    {}[\"{}\"]", identifier(&group.name), group.label);
                }
                text.push_str("  end\n");
            }
        }
        None => each_host(blueprint, &mut text),
    }
    for flow in flows(blueprint) {
        let arrow = if flow.mail { "-->" } else { "-.->" };
        let pairs = groups.as_ref().map_or_else(|| joined(blueprint, flow), |groups| joined_groups(groups, flow));
        for (from, to) in pairs {
            let _ = writeln!(text, "  {} {arrow}|\"{}\"| {}", identifier(&from), flow.protocol, identifier(&to));
        }
    }
    text
}

fn each_host(blueprint: &Blueprint, text: &mut String) {
    for host in &blueprint.hosts {
        let nodes: Vec<_> = blueprint.nodes.iter().filter(|node| node.host == host.name).collect();
        if nodes.is_empty() {
            continue;
        }
        let _ = writeln!(text, "  subgraph {}[\"{} · {}\"]", identifier(host.name.as_ref()), host.site, host.name);
        for node in nodes {
            let name = node.name.to_string();
            let _ = writeln!(text, "    {}[\"{name}\"]", identifier(&name));
        }
        text.push_str("  end\n");
    }
}

/// Names are kebab-case; some words (`end`, `graph`) mean something to Mermaid, so every name gets a letter in front.
fn identifier(name: &str) -> String {
    match name {
        "internet" | "users" => name.to_owned(),
        _ => format!("n_{}", name.replace(['-', '/'], "_")),
    }
}
