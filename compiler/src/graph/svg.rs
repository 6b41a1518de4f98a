//! The platform as a picture of its own: roles in the order of mail's way, each node with the host it sits on.

use std::collections::BTreeMap;
use std::fmt::Write;

use blueprint::Blueprint;

use super::ways::{CARD_WIDTH, Card, HEAD, MARGIN, ROW_HEIGHT, Way, lay_out};

/// Colours that tell hosts apart; with more hosts than these, names alone do.
const HOSTS: [&str; 8] = ["#0b4fb3", "#c2410c", "#15803d", "#7e22ce", "#b45309", "#0e7490", "#be123c", "#4d7c0f"];

/// Returns the platform as an SVG document that needs no font, script or style from elsewhere.
pub fn svg(blueprint: &Blueprint) -> String {
    let layout = lay_out(blueprint);
    let (width, height) = (layout.width, layout.height);
    let mut out = String::new();
    let title = format!("{} in {}", blueprint.platform, blueprint.environment);
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" role=\"img\" aria-label=\"{}\">",
        escaped(&title)
    );
    out.push_str("<defs>");
    for (name, colour) in [("mail", MAIL), ("other", OTHER)] {
        let _ = write!(
            out,
            "<marker id=\"{name}\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"{colour}\"/></marker>"
        );
    }
    out.push_str("</defs>\n");
    let _ = writeln!(out, "<rect width=\"{width}\" height=\"{height}\" fill=\"#f7f9fb\"/>");
    let _ = writeln!(
        out,
        "<text x=\"{MARGIN}\" y=\"42\" font-size=\"22\" font-weight=\"600\" fill=\"#15202b\">{}</text>",
        escaped(&title)
    );
    let used = blueprint.hosts.iter().filter(|host| blueprint.nodes.iter().any(|node| node.host == host.name));
    let used: Vec<String> = used.map(|host| host.name.to_string()).collect();
    let line = format!(
        "{} nodes on {} hosts, release {} on {}; full lines carry mail, dashed ones look-ups and pages",
        blueprint.nodes.len(),
        used.len(),
        blueprint.release.name,
        blueprint.release.distribution
    );
    let _ = writeln!(out, "<text x=\"{MARGIN}\" y=\"66\" font-size=\"13\" fill=\"#51606f\">{}</text>", escaped(&line));
    layout.ways.iter().for_each(|way| draw_way(&mut out, way));
    let colours: BTreeMap<&str, &str> = match used.len() <= HOSTS.len() {
        true => used.iter().map(String::as_str).zip(HOSTS).collect(),
        false => BTreeMap::new(),
    };
    layout.cards.values().for_each(|card| draw_card(&mut out, card, &colours));
    out.push_str("</svg>\n");
    out
}

const MAIL: &str = "#51606f";
const OTHER: &str = "#8593a1";

fn draw_card(out: &mut String, card: &Card, colours: &BTreeMap<&str, &str>) {
    let (x, y) = (card.x, card.y);
    let _ = writeln!(
        out,
        "<g><rect x=\"{x}\" y=\"{y}\" width=\"{CARD_WIDTH}\" height=\"{}\" rx=\"8\" fill=\"#ffffff\" stroke=\"#c3ccd6\"/>\
         <text x=\"{}\" y=\"{}\" font-size=\"14\" font-weight=\"600\" fill=\"#0b4fb3\">{}</text>",
        card.height,
        x + 12,
        y + 22,
        escaped(card.title)
    );
    for (place, (name, host)) in (0..).zip(&card.rows) {
        let base = y + HEAD + 14 + ROW_HEIGHT * place;
        let colour = host.as_deref().and_then(|host| colours.get(host));
        if let Some(colour) = colour {
            let _ = write!(out, "<circle cx=\"{}\" cy=\"{}\" r=\"4\" fill=\"{colour}\"/>", x + 16, base - 4);
        }
        let text = host.as_ref().map_or_else(|| name.clone(), |host| format!("{name} on {host}"));
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{base}\" font-size=\"12\" fill=\"#15202b\">{}</text>",
            x + if colour.is_some() { 26 } else { 12 },
            escaped(&text)
        );
    }
    out.push_str("</g>\n");
}

/// Draws a way with round corners, and what is spoken on it above its beginning.
fn draw_way(out: &mut String, way: &Way) {
    let (colour, name, dash) =
        if way.flow.mail { (MAIL, "mail", "") } else { (OTHER, "other", " stroke-dasharray=\"5 4\"") };
    let mut path = String::new();
    for (place, corner) in way.corners.iter().enumerate() {
        let next = way.corners.get(place + 1);
        match (place.checked_sub(1).and_then(|before| way.corners.get(before)), next) {
            (None, _) => {
                let _ = write!(path, "M{} {}", corner.0, corner.1);
            }
            (Some(_), None) => {
                let _ = write!(path, "L{} {}", corner.0, corner.1);
            }
            (Some(before), Some(next)) => {
                let (from, to) = (towards(*corner, *before), towards(*corner, *next));
                let _ = write!(path, "L{} {}Q{} {} {} {}", from.0, from.1, corner.0, corner.1, to.0, to.1);
            }
        }
    }
    let _ = writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.4\"{dash} marker-end=\"url(#{name})\"/>\
         <text x=\"{}\" y=\"{}\" font-size=\"10\" fill=\"{colour}\">{}</text>",
        way.label.0,
        way.label.1,
        escaped(way.flow.protocol)
    );
}

/// Returns the point where a corner's roundness begins or ends.
fn towards(corner: (i32, i32), other: (i32, i32)) -> (i32, i32) {
    const ROUND: i32 = 5;
    let step = |from: i32, to: i32| {
        from + (to - from).clamp(-ROUND, ROUND).min((to - from).abs() / 2).max(-(to - from).abs() / 2)
    };
    (step(corner.0, other.0), step(corner.1, other.1))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
