//! Where everything of the picture lies: cards in columns, and ways between them that cross no card.
//!
//! A way leaves a card at a port of its own, turns in a lane of the channel beside the column, and, where it goes farther than to
//! the next column, takes a track above or below all cards. So ways cross each other at right angles and hide nothing.

use std::collections::BTreeMap;

use blueprint::{Blueprint, Role};

use super::{End, Flow, flows};

/// The column each role stands in, from the world on the left to the mailboxes on the right.
const COLUMNS: [&[End]; 5] = [
    &[End::Internet, End::Users],
    &[End::Role(Role::Balancer), End::Role(Role::Dns), End::Role(Role::Monitor)],
    &[End::Role(Role::Mx), End::Role(Role::Submission), End::Role(Role::Access), End::Role(Role::Web)],
    &[End::Role(Role::Defense), End::Role(Role::Outbound), End::Role(Role::Control), End::Role(Role::Calendar)],
    &[End::Role(Role::Cache), End::Role(Role::Store), End::Role(Role::Directory)],
];

pub(super) const CARD_WIDTH: i32 = 196;
pub(super) const ROW_HEIGHT: i32 = 20;
pub(super) const HEAD: i32 = 34;
pub(super) const MARGIN: i32 = 30;
/// Names on one card; what is more is counted.
pub(super) const MOST_ROWS: usize = 12;
/// Between two ports of a side; a label stands above each way that leaves.
const PORT: i32 = 18;
const LANE: i32 = 12;
const TRACK: i32 = 12;
const GAP: i32 = 26;
/// Below the picture's words.
const TOP: i32 = 92;
/// Between the last lane and the next column, for arrowheads.
const LANDING: i32 = 18;

/// What stands for one end: a role's nodes, or the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) height: i32,
    pub(super) title: &'static str,
    /// A node and its host; the world has words and no host.
    pub(super) rows: Vec<(String, Option<String>)>,
    column: usize,
}

/// A way, by its corners, and where its label begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) flow: Flow,
    pub(super) corners: Vec<(i32, i32)>,
    pub(super) label: (i32, i32),
}

/// The whole picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) cards: BTreeMap<End, Card>,
    pub(super) ways: Vec<Way>,
}

/// Which side of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Left,
    Right,
}

/// How a way goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// To the next column, or within one: by a lane of the channel right of the first.
    Near,
    /// Above all cards.
    Above,
    /// Below all cards.
    Below,
}

/// Returns how wide a label is drawn at most, in pixels at 10 pixels' height.
pub(super) fn label_width(text: &str) -> i32 {
    i32::try_from(text.chars().count()).unwrap_or(0) * 6
}

/// Lays the picture out.
pub(super) fn lay_out(blueprint: &Blueprint) -> Layout {
    let flows = flows(blueprint);
    let mut cards = cards(blueprint);
    let courses: Vec<Course> = flows.iter().map(|flow| course(&cards, flow)).collect();
    let tracks = |course: Course| i32::try_from(courses.iter().filter(|one| **one == course).count()).unwrap_or(0);
    stack(&mut cards, &flows, TOP + TRACK * tracks(Course::Above));
    let (lanes, right) = channels(&mut cards, &flows, &courses);
    let ports = ports(&cards, &flows, &courses);
    let bottom = cards.values().map(|card| card.y + card.height).max().unwrap_or(TOP);
    let (mut above, mut below) = (TOP, bottom + GAP);
    let mut ways = Vec::new();
    for (index, flow) in flows.iter().enumerate() {
        let lane = |first: bool| lanes.get(&(index, first)).copied().unwrap_or_default();
        let port = |first: bool| ports.get(&(index, first)).copied().unwrap_or_default();
        let (start, end) = (port(true), port(false));
        let mut corners = vec![start, (lane(true), start.1)];
        match courses.get(index) {
            Some(Course::Near) | None => corners.push((lane(true), end.1)),
            Some(far) => {
                let track = if *far == Course::Above { &mut above } else { &mut below };
                corners.extend([(lane(true), *track), (lane(false), *track), (lane(false), end.1)]);
                *track += TRACK;
            }
        }
        corners.push(end);
        ways.push(Way { flow: *flow, corners, label: (start.0 + 6, start.1 - 4) });
    }
    Layout { width: right + MARGIN, height: below + MARGIN, cards, ways }
}

fn cards(blueprint: &Blueprint) -> BTreeMap<End, Card> {
    let mut cards = BTreeMap::new();
    for (column, ends) in COLUMNS.iter().enumerate() {
        for end in *ends {
            let (title, mut rows) = match end {
                End::Internet => ("internet", vec![("everybody else".to_owned(), None)]),
                End::Users => ("users", vec![("mail programs, browsers".to_owned(), None)]),
                End::Role(role) => {
                    let nodes = blueprint.nodes.iter().filter(|node| node.role == *role);
                    (role.name(), nodes.map(|node| (node.name.to_string(), Some(node.host.to_string()))).collect())
                }
            };
            if rows.is_empty() {
                continue;
            }
            if rows.len() > MOST_ROWS {
                let more = rows.split_off(MOST_ROWS - 1).len();
                rows.push((format!("and {more} more"), None));
            }
            cards.insert(*end, Card { x: 0, y: 0, height: 0, title, rows, column });
        }
    }
    cards
}

fn course(cards: &BTreeMap<End, Card>, flow: &Flow) -> Course {
    let column = |end: End| cards.get(&end).map_or(0, |card| card.column);
    let (from, to) = (column(flow.from), column(flow.to));
    match to == from || to == from + 1 {
        true => Course::Near,
        false if to < from => Course::Below,
        false => Course::Above,
    }
}

/// Returns the sides that a flow leaves from and comes in at.
fn sides(cards: &BTreeMap<End, Card>, flow: &Flow) -> (Side, Side) {
    let column = |end: End| cards.get(&end).map_or(0, |card| card.column);
    (Side::Right, if column(flow.to) > column(flow.from) { Side::Left } else { Side::Right })
}

/// Gives every card its height, with room for its ports, and stacks each column.
fn stack(cards: &mut BTreeMap<End, Card>, flows: &[Flow], top: i32) {
    let mut busy: BTreeMap<(End, Side), i32> = BTreeMap::new();
    for flow in flows {
        let (leaves, comes) = sides(cards, flow);
        *busy.entry((flow.from, leaves)).or_default() += 1;
        *busy.entry((flow.to, comes)).or_default() += 1;
    }
    for ends in COLUMNS {
        let mut y = top;
        for end in ends {
            let Some(card) = cards.get_mut(end) else { continue };
            let most = [Side::Left, Side::Right].map(|side| busy.get(&(*end, side)).copied().unwrap_or(0));
            let rows = i32::try_from(card.rows.len()).unwrap_or(0);
            card.height = (HEAD + ROW_HEIGHT * rows + 8).max(PORT * (most.into_iter().max().unwrap_or(0) + 2));
            card.y = y;
            y += card.height + GAP;
        }
    }
}

/// Puts the columns side by side and gives every way its lanes in the channels between them.
///
/// - Returns: a lane's place, by the flow and whether it is its first; and where the picture ends on the right.
fn channels(
    cards: &mut BTreeMap<End, Card>,
    flows: &[Flow],
    courses: &[Course],
) -> (BTreeMap<(usize, bool), i32>, i32) {
    // Which lanes each channel has; channel n lies right of column n.
    let mut wanted: Vec<Vec<(usize, bool)>> = vec![Vec::new(); COLUMNS.len()];
    for (index, (flow, course)) in flows.iter().zip(courses).enumerate() {
        let column = |end: End| cards.get(&end).map_or(0, |card| card.column);
        let (from, to) = (column(flow.from), column(flow.to));
        let arrives = if to > from { to - 1 } else { to };
        if let Some(channel) = wanted.get_mut(from) {
            channel.push((index, true));
        }
        if *course != Course::Near
            && let Some(channel) = wanted.get_mut(arrives)
        {
            channel.push((index, false));
        }
    }
    let mut lanes = BTreeMap::new();
    let mut x = MARGIN;
    let mut right = x;
    for (column, mut channel) in wanted.into_iter().enumerate() {
        let mut labels = 0;
        for card in cards.values_mut().filter(|card| card.column == column) {
            card.x = x;
            right = x + CARD_WIDTH;
        }
        // Who leaves from the lowest card turns first, so that few ways cross.
        let height = |(index, first): (usize, bool)| {
            let flow = flows.get(index);
            let end = flow.and_then(|flow| cards.get(if first { &flow.from } else { &flow.to }));
            end.map_or(0, |card| card.y)
        };
        channel.sort_by_key(|lane| (std::cmp::Reverse(height(*lane)), *lane));
        for (index, _) in channel.iter().filter(|(_, first)| *first) {
            labels = labels.max(flows.get(*index).map_or(0, |flow| label_width(flow.protocol)) + 10);
        }
        let mut place = x + CARD_WIDTH + labels.max(10);
        for lane in &channel {
            lanes.insert(*lane, place);
            place += LANE;
        }
        if !channel.is_empty() {
            right = right.max(place);
        }
        x = place + LANDING;
    }
    (lanes, right)
}

/// A port that is wanted: the height it is sorted by, the flow, and whether it leaves there.
type Busy = (i32, usize, bool);

/// Returns where each flow leaves and comes in, by the flow and whether it is where it leaves.
fn ports(cards: &BTreeMap<End, Card>, flows: &[Flow], courses: &[Course]) -> BTreeMap<(usize, bool), (i32, i32)> {
    let mut sides_of: BTreeMap<(End, Side), Vec<Busy>> = BTreeMap::new();
    for (index, (flow, course)) in flows.iter().zip(courses).enumerate() {
        let (leaves, comes) = sides(cards, flow);
        let height = |end: End| match course {
            Course::Above => i32::MIN,
            Course::Below => i32::MAX,
            Course::Near => cards.get(&end).map_or(0, |card| card.y),
        };
        sides_of.entry((flow.from, leaves)).or_default().push((height(flow.to), index, true));
        sides_of.entry((flow.to, comes)).or_default().push((height(flow.from), index, false));
    }
    let mut ports = BTreeMap::new();
    for ((end, side), mut busy) in sides_of {
        let Some(card) = cards.get(&end) else { continue };
        busy.sort_unstable();
        let x = if side == Side::Left { card.x } else { card.x + CARD_WIDTH };
        let count = i32::try_from(busy.len()).unwrap_or(0);
        // Where ways come in lies between where others leave, so that no two lie on one another.
        let first = card.y + (card.height - PORT * (count - 1)) / 2;
        let first = first - first.rem_euclid(PORT) + if side == Side::Left { PORT / 2 } else { 0 };
        for (place, (_, index, leaves)) in (0..).zip(busy) {
            ports.insert((index, leaves), (x, first + PORT * place));
        }
    }
    ports
}
