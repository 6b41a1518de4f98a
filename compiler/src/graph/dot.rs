//! The platform in Graphviz's language.

use std::fmt::Write;

use blueprint::Blueprint;

use super::{flows, joined};

/// Returns the platform as a DOT digraph: a cluster for each site and host, an edge for each flow between two nodes.
pub fn dot(blueprint: &Blueprint) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "digraph {} {{", quoted(blueprint.platform.as_ref()));
    text.push_str(
        "  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\"];\n",
    );
    text.push_str("  edge [fontname=\"sans-serif\", fontsize=9, color=\"#5b6b7c\"];\n");
    text.push_str("  \"internet\" [shape=ellipse];\n  \"users\" [shape=ellipse];\n");
    for site in &blueprint.sites {
        let _ = writeln!(text, "  subgraph {} {{", quoted(&format!("cluster_site_{}", site.name)));
        let _ = writeln!(text, "    label={};", quoted(&format!("site {}", site.name)));
        for host in blueprint.hosts.iter().filter(|host| host.site == site.name) {
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
        text.push_str("  }\n");
    }
    for flow in flows(blueprint) {
        let style = if flow.mail { "solid" } else { "dashed" };
        for (from, to) in joined(blueprint, flow) {
            let label = quoted(flow.protocol);
            let _ = writeln!(text, "  {} -> {} [label={label}, style={style}];", quoted(&from), quoted(&to));
        }
    }
    text.push_str("}\n");
    text
}

/// A double-quoted string, in which only the quote and the backslash are special (Graphviz, "The DOT Language").
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
