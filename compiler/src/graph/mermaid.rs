//! The platform in Mermaid's language, which code hosts draw inside documents.

use std::fmt::Write;

use blueprint::Blueprint;

use super::{flows, joined};

/// Returns the platform as a Mermaid flowchart: a subgraph for each host, an arrow for each flow between two nodes.
pub fn mermaid(blueprint: &Blueprint) -> String {
    let mut text = String::from("flowchart LR\n  internet([internet])\n  users([users])\n");
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
    for flow in flows(blueprint) {
        let arrow = if flow.mail { "-->" } else { "-.->" };
        for (from, to) in joined(blueprint, flow) {
            let _ = writeln!(text, "  {} {arrow}|\"{}\"| {}", identifier(&from), flow.protocol, identifier(&to));
        }
    }
    text
}

/// Names are kebab-case; some words (`end`, `graph`) mean something to Mermaid, so every name gets a letter in front.
fn identifier(name: &str) -> String {
    match name {
        "internet" | "users" => name.to_owned(),
        _ => format!("n_{}", name.replace('-', "_")),
    }
}
