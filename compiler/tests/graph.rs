//! The picture of a platform can be read: ways run beside cards and not through them, none lies on another, no words lie on words.
//!
//! `MAILWRIGHT_UPDATE_GOLDEN=1 cargo test -p compiler --test graph` draws the README's picture anew.

#![expect(clippy::disallowed_methods, reason = "tests read the example and its picture from disk")]

mod northmail;

use std::collections::BTreeMap;

type Point = (i32, i32);

/// A rectangle: left, top, right, bottom.
type Area = (i32, i32, i32, i32);

/// What a picture shows, read back from its text.
#[derive(Default)]
struct Picture {
    size: Point,
    cards: Vec<Area>,
    ways: Vec<Vec<Point>>,
    /// What is spoken on each way, in the same order.
    labels: Vec<Area>,
}

fn attributes(element: &str) -> BTreeMap<&str, &str> {
    let mut parts = element.split('"');
    let mut found = BTreeMap::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        found.insert(name.rsplit([' ', '<']).next().unwrap_or_default().trim_end_matches('='), value);
    }
    found
}

fn number(attributes: &BTreeMap<&str, &str>, name: &str) -> i32 {
    attributes.get(name).and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} in {attributes:?}"))
}

/// Returns the corners of a way: where it begins and ends, and the corners it rounds.
fn corners(path: &str) -> Vec<Point> {
    let mut corners = Vec::new();
    let commands: Vec<&str> = path.split_inclusive(|c: char| c.is_ascii_alphabetic()).collect();
    let letters: Vec<char> = path.chars().filter(char::is_ascii_alphabetic).collect();
    let count = letters.len();
    for (place, (letter, numbers)) in letters.into_iter().zip(commands.into_iter().skip(1)).enumerate() {
        let numbers = numbers.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let numbers: Vec<i32> = numbers.split_whitespace().map(|n| n.parse().expect("a number")).collect();
        match (letter, numbers.as_slice()) {
            ('M', [x, y]) | ('Q', [x, y, ..]) => corners.push((*x, *y)),
            ('L', [x, y]) if place + 1 == count => corners.push((*x, *y)),
            ('L', _) => {}
            other => panic!("{other:?} in {path}"),
        }
    }
    corners
}

fn read(svg: &str) -> Picture {
    let mut picture = Picture::default();
    for element in svg.split_inclusive('>').filter(|element| element.contains('<')) {
        let attributes = attributes(element);
        match element.trim_start() {
            text if text.starts_with("<svg") => {
                picture.size = (number(&attributes, "width"), number(&attributes, "height"));
            }
            text if text.contains("<rect") && attributes.contains_key("rx") => {
                let (x, y) = (number(&attributes, "x"), number(&attributes, "y"));
                picture.cards.push((x, y, x + number(&attributes, "width"), y + number(&attributes, "height")));
            }
            text if text.starts_with("<path") && attributes.contains_key("marker-end") => {
                picture.ways.push(corners(attributes.get("d").expect("a path")));
            }
            _ => {}
        }
    }
    for line in svg.lines().filter(|line| line.contains("font-size=\"10\"")) {
        let text = line.split_once("<text").unwrap_or_default().1;
        let attributes = attributes(text.split_once('>').unwrap_or_default().0);
        let words = line.split('>').nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
        let (x, y) = (number(&attributes, "x"), number(&attributes, "y"));
        picture.labels.push((x, y - 9, x + 6 * i32::try_from(words.chars().count()).expect("a short word"), y));
    }
    picture
}

fn meet(one: Area, other: Area) -> bool {
    one.0 < other.2 && other.0 < one.2 && one.1 < other.3 && other.1 < one.3
}

/// Returns the straight pieces of a way, each as an area without breadth.
fn pieces(way: &[Point]) -> Vec<Area> {
    let pairs = way.iter().zip(way.iter().skip(1));
    pairs.map(|(a, b)| (a.0.min(b.0), a.1.min(b.1), a.0.max(b.0), a.1.max(b.1))).collect()
}

fn compiled(environment: &str) -> compiler::Output {
    let sources = northmail::sources();
    let parsed = spec::parse(&sources);
    compiler::compile(&sources, &parsed, environment).output.expect("nothing is wrong with the example")
}

fn look_at(environment: &str) -> Picture {
    let output = compiled(environment);
    let svg = compiler::graph::svg(&output.blueprint);
    let picture = read(&svg);
    assert_eq!(picture.ways.len(), compiler::graph::flows(&output.blueprint).len());
    assert_eq!(picture.labels.len(), picture.ways.len());
    assert!(picture.cards.len() >= 14, "{svg}");
    picture
}

#[test]
fn no_way_runs_through_a_card_or_on_another_way() {
    for environment in ["dev", "production"] {
        let picture = look_at(environment);
        for (index, way) in picture.ways.iter().enumerate() {
            assert!(way.len() >= 2, "{way:?}");
            for piece in pieces(way) {
                // A hair broad, so that touching an edge is no crossing.
                let (x, y, right, bottom) = piece;
                for card in &picture.cards {
                    let inside = (card.0 + 1, card.1 + 1, card.2 - 1, card.3 - 1);
                    assert!(!meet((x, y, right.max(x + 1), bottom.max(y + 1)), inside), "{way:?} crosses {card:?}");
                }
                for other in picture.ways.iter().skip(index + 1).flat_map(|other| pieces(other)) {
                    let upright = x == right && other.0 == other.2 && x == other.0;
                    let level = y == bottom && other.1 == other.3 && y == other.1;
                    let apart_upright = bottom <= other.1 || other.3 <= y;
                    let apart_level = right <= other.0 || other.2 <= x;
                    assert!(!upright || apart_upright, "{environment}: {piece:?} lies on {other:?}");
                    assert!(!level || apart_level, "{environment}: {piece:?} lies on {other:?}");
                }
            }
        }
    }
}

#[test]
fn every_word_on_a_way_can_be_read() {
    for environment in ["dev", "production"] {
        let picture = look_at(environment);
        let page = (0, 0, picture.size.0, picture.size.1);
        for (index, label) in picture.labels.iter().enumerate() {
            assert!(label.0 >= page.0 && label.2 <= page.2 && label.3 <= page.3, "{label:?} leaves {page:?}");
            assert!(picture.cards.iter().all(|card| !meet(*label, *card)), "{label:?} lies on a card");
            let others = picture.labels.iter().skip(index + 1);
            assert!(others.clone().all(|other| !meet(*label, *other)), "{label:?} lies on another");
            for (x, y, right, bottom) in picture.ways.iter().flat_map(|way| pieces(way)) {
                assert!(!meet(*label, (x, y, right.max(x + 1), bottom.max(y + 1))), "{label:?} is struck through");
            }
        }
    }
}

#[test]
fn the_picture_in_the_readme_is_the_one_that_is_drawn() {
    let path = northmail::root().join("examples/northmail.svg");
    let drawn = compiler::graph::svg(&compiled("production").blueprint);
    if std::env::var_os("MAILWRIGHT_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &drawn).expect("the picture can be written");
    }
    assert_eq!(std::fs::read_to_string(path).expect("the picture is there"), drawn);
}

#[test]
fn a_platform_of_hundreds_of_nodes_is_drawn_by_its_roles() {
    let (mut files, assets) = northmail::files();
    let platform = files.iter_mut().find(|file| file.path == "platform.kdl").expect("the operator's file");
    let mut text = String::from_utf8(std::mem::take(&mut platform.bytes)).expect("UTF-8");
    for (old, new) in [
        ("count=5", "count=160"),
        ("cores=8", "cores=64"),
        ("memory=\"16GiB\"", "memory=\"256GiB\""),
        ("disk=\"600GiB\"", "disk=\"6TiB\""),
        ("front \"203.0.113.0/28\"", "front \"203.0.113.0/24\""),
        ("size=\"8TiB\"", "size=\"800TiB\""),
        ("store count=3", "store count=150"),
        ("access count=2", "access count=60"),
        ("mx count=2", "mx count=40"),
    ] {
        assert!(text.contains(old), "the example does not say {old}");
        text = text.replacen(old, new, 1);
    }
    platform.bytes = text.into_bytes();
    let sources = spec::Sources::new(files, assets);
    let parsed = spec::parse(&sources);
    let compiled = compiler::compile(&sources, &parsed, "production");
    let output = compiled.output.unwrap_or_else(|| panic!("{:?}", compiled.problems));
    assert!(output.blueprint.nodes.len() > 250, "{}", output.blueprint.nodes.len());
    let mermaid = compiler::graph::mermaid(&output.blueprint);
    // What Mermaid draws without being told to: 500 arrows, 50,000 characters.
    assert!(mermaid.matches("->").count() < 60 && mermaid.len() < 5_000, "{mermaid}");
    let stores = mermaid.lines().find(|line| line.contains("store: 150 nodes on ")).expect("the stores");
    assert!(stores.trim_start().starts_with("n_a_store["), "{stores}");
    assert!(mermaid.contains("n_a_mx -->|\"LMTP\"| n_a_store\n"), "{mermaid}");
    let dot = compiler::graph::dot(&output.blueprint);
    assert!(dot.contains("\"a/mx\" -> \"a/store\" [label=\"LMTP\", style=solid];"), "{dot}");
    assert!(dot.len() < 8_000, "{dot}");
}
