//! The platform in Graphviz's language.

use std::fmt::Write;

use blueprint::Blueprint;

use super::{Group, flows, groups, joined, joined_groups};

/// Returns the platform as a DOT digraph: a cluster for each site and host, an edge for each flow between two nodes; of a large one, a
/// cluster for each site and cluster, and an edge for each flow between two roles.
pub fn dot(blueprint: &Blueprint) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "digraph {} {{", quoted(blueprint.platform.as_ref()));
    text.push_str(
        "  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\"];\n",
    );
    text.push_str("  edge [fontname=\"sans-serif\", fontsize=9, color=\"#5b6b7c\"];\n");
    text.push_str("  \"internet\" [shape=ellipse];\n  \"users\" [shape=ellipse];\n");
    let groups = groups(blueprint);
    for site in &blueprint.sites {
        let _ = writeln!(text, "  subgraph {} {{", quoted(&format!("cluster_site_{}", site.name)));
        let _ = writeln!(text, "    label={};", quoted(&format!("site {}", site.name)));
        match &groups {
            Some(groups) => each_cluster(groups.iter().filter(|group| group.site == site.name), &mut text),
            None => each_host(blueprint, site.name.as_ref(), &mut text),
        }
        text.push_str("  }\n");
    }
    for flow in flows(blueprint) {
        let style = if flow.mail { "solid" } else { "dashed" };
        let pairs = groups.as_ref().map_or_else(|| joined(blueprint, flow), |groups| joined_groups(groups, flow));
        for (from, to) in pairs {
            let label = quoted(flow.protocol);
            let _ = writeln!(text, "  {} -> {} [label={label}, style={style}];", quoted(&from), quoted(&to));
        }
    }
    text.push_str("}\n");
    text
}

fn each_cluster<'g>(groups: impl Iterator<Item = &'g Group>, text: &mut String) {
    let groups: Vec<&Group> = groups.collect();
    for same in groups.chunk_by(|a, b| a.cluster == b.cluster) {
        let Some(first) = same.first() else { continue };
        let _ = writeln!(text, "    subgraph {} {{", quoted(&format!("cluster_{}", first.cluster)));
        let _ = writeln!(text, "      label={};", quoted(&format!("cluster {}", first.cluster)));
        for group in same {
            let _ = writeln!(text, "      {} [label={}];", quoted(&group.name), quoted(&group.label));
        }
        text.push_str("    }\n");
    }
}

fn each_host(blueprint: &Blueprint, site: &str, text: &mut String) {
    for host in blueprint.hosts.iter().filter(|host| host.site.as_ref() == site) {
        let nodes: Vec<_> = blueprint.nodes.iter().filter(|node| node.host == host.name).collect();
        if nodes.is_empty() {
            continue;
        }
        let _ = writeln!(text, "    subgraph {} {{", quoted(&format!("cluster_host_{}", host.name)));
        let _ = writeln!(text, "      label={};", quoted(&format!("host {}", host.name)));
        for node in nodes {
            let _ = writeln!(text, "      {};", quoted(node.name.as_ref()));
        }
        text.push_str("    }\n");
    }
}

/// A double-quoted string, in which only the quote and the backslash are special (Graphviz, "The DOT Language").
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
