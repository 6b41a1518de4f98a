//! The platform as a picture of its own: roles in the order of mail's way, each node with the host it sits on.

use std::collections::BTreeMap;
use std::fmt::Write;

use blueprint::{Blueprint, Role};

use super::{End, flows};

/// The column each role stands in, from the world on the left to the mailboxes on the right.
const COLUMNS: [&[End]; 5] = [
    &[End::Internet, End::Users],
    &[End::Role(Role::Balancer), End::Role(Role::Dns), End::Role(Role::Monitor)],
    &[End::Role(Role::Mx), End::Role(Role::Submission), End::Role(Role::Access), End::Role(Role::Web)],
    &[End::Role(Role::Defense), End::Role(Role::Outbound), End::Role(Role::Control), End::Role(Role::Calendar)],
    &[End::Role(Role::Cache), End::Role(Role::Store), End::Role(Role::Directory)],
];

const BOX_WIDTH: i32 = 190;
const COLUMN_STEP: i32 = 300;
const ROW_HEIGHT: i32 = 20;
const HEAD: i32 = 34;
const GAP: i32 = 44;
const MARGIN: i32 = 30;
const TOP: i32 = 96;

struct Card {
    x: i32,
    y: i32,
    height: i32,
    title: &'static str,
    rows: Vec<String>,
}

/// Returns the platform as an SVG document that needs no font, script or style from elsewhere.
pub fn svg(blueprint: &Blueprint) -> String {
    let cards = lay_out(blueprint);
    let width = MARGIN * 2 + COLUMN_STEP * (COLUMNS.len() as i32 - 1) + BOX_WIDTH;
    let bottom = cards.values().map(|card| card.y + card.height).max().unwrap_or(TOP);
    let height = bottom + MARGIN * 2;
    let mut out = String::new();
    let title = format!("{} in {}", blueprint.platform, blueprint.environment);
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" role=\"img\" aria-label=\"{}\">",
        escaped(&title)
    );
    out.push_str("<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">");
    out.push_str("<path d=\"M0 0L8 4L0 8z\" fill=\"#51606f\"/></marker></defs>\n");
    let _ = writeln!(out, "<rect width=\"{width}\" height=\"{height}\" fill=\"#f7f9fb\"/>");
    let _ = writeln!(
        out,
        "<text x=\"{MARGIN}\" y=\"42\" font-size=\"22\" font-weight=\"600\" fill=\"#15202b\">{}</text>",
        escaped(&title)
    );
    let hosts = blueprint.hosts.iter().filter(|host| blueprint.nodes.iter().any(|node| node.host == host.name)).count();
    let line = format!(
        "{} nodes on {hosts} hosts, release {} on {}; full lines carry mail, dashed ones look-ups and pages",
        blueprint.nodes.len(),
        blueprint.release.name,
        blueprint.release.distribution
    );
    let _ = writeln!(out, "<text x=\"{MARGIN}\" y=\"66\" font-size=\"13\" fill=\"#51606f\">{}</text>", escaped(&line));
    for flow in flows(blueprint) {
        if let (Some(from), Some(to)) = (cards.get(&flow.from), cards.get(&flow.to)) {
            arrow(&mut out, from, to, flow.protocol, flow.mail);
        }
    }
    for card in cards.values() {
        draw(&mut out, card);
    }
    out.push_str("</svg>\n");
    out
}

fn lay_out(blueprint: &Blueprint) -> BTreeMap<End, Card> {
    let mut cards = BTreeMap::new();
    for (column, ends) in COLUMNS.iter().enumerate() {
        let mut y = TOP + if column % 2 == 1 { 30 } else { 0 };
        for end in *ends {
            let rows: Vec<String> = match end {
                End::Role(role) => blueprint
                    .nodes
                    .iter()
                    .filter(|node| node.role == *role)
                    .map(|node| format!("{} on {}", node.name, node.host))
                    .collect(),
                End::Internet => vec!["everybody else".to_owned()],
                End::Users => vec!["mail programs, browsers".to_owned()],
            };
            if rows.is_empty() {
                continue;
            }
            let title = match end {
                End::Internet => "internet",
                End::Users => "users",
                End::Role(role) => role.name(),
            };
            let height = HEAD + ROW_HEIGHT * rows.len() as i32 + 8;
            cards.insert(*end, Card { x: MARGIN + COLUMN_STEP * column as i32, y, height, title, rows });
            y += height + GAP;
        }
    }
    cards
}

fn draw(out: &mut String, card: &Card) {
    let (x, y) = (card.x, card.y);
    let _ = writeln!(
        out,
        "<g><rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{}\" rx=\"8\" fill=\"#ffffff\" stroke=\"#c3ccd6\"/>\
         <text x=\"{}\" y=\"{}\" font-size=\"14\" font-weight=\"600\" fill=\"#0b4fb3\">{}</text>",
        card.height,
        x + 12,
        y + 22,
        escaped(card.title)
    );
    for (index, row) in card.rows.iter().enumerate() {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" font-size=\"12\" fill=\"#15202b\">{}</text>",
            x + 12,
            y + HEAD + 14 + ROW_HEIGHT * index as i32,
            escaped(row)
        );
    }
    out.push_str("</g>\n");
}

/// Draws a curve between the facing sides of two cards, or round the outside where both stand in one column.
fn arrow(out: &mut String, from: &Card, to: &Card, protocol: &str, mail: bool) {
    let middle = |card: &Card| card.y + card.height / 2;
    let (mut start, mut end) = ((from.x + BOX_WIDTH, middle(from)), (to.x, middle(to)));
    let mut bend = 70;
    if to.x < from.x {
        (start, end) = ((from.x, middle(from) + 8), (to.x + BOX_WIDTH, middle(to) + 8));
        bend = -70;
    } else if to.x == from.x {
        end = (to.x + BOX_WIDTH, middle(to));
    }
    let turn = if to.x == from.x { bend } else { -bend };
    let dash = if mail { "" } else { " stroke-dasharray=\"5 4\"" };
    let colour = if mail { "#51606f" } else { "#9aa7b4" };
    let _ = writeln!(
        out,
        "<path d=\"M{} {}C{} {} {} {} {} {}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.4\"{dash} \
         marker-end=\"url(#tip)\"/>",
        start.0,
        start.1,
        start.0 + bend,
        start.1,
        end.0 + turn,
        end.1,
        end.0,
        end.1
    );
    // The label sits a third of the way along, where arrows to different cards have not met yet.
    let at = (start.0 + (end.0 - start.0) / 3, start.1 + (end.1 - start.1) / 4 - 4);
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" font-size=\"10\" fill=\"{colour}\" stroke=\"#f7f9fb\" stroke-width=\"3\" \
         paint-order=\"stroke\" text-anchor=\"middle\">{}</text>",
        at.0,
        at.1,
        escaped(protocol)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
