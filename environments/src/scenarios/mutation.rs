//! Settings broken on purpose, one at a time, so that the suite itself is tested: what it does not notice, nobody would.
//!
//! A mutation is found by looking at the rendered files alone. Which of all that are possible are taken is chance by a seed, spread
//! evenly over sorts of files and kinds of wounds, so that no long file drowns the others.

use std::collections::BTreeMap;

use blueprint::bundle::Piece;
use blueprint::{Bundle, File};

/// What is done to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wound {
    /// It is gone.
    Dropped,
    /// Its first number is ten times as large.
    Grown,
    /// Its first number is 1.
    Shrunk,
    /// A yes is a no, or the other way round.
    Flipped,
    /// The first word of its value is another.
    Misspelled,
}

impl Wound {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Dropped, Self::Grown, Self::Shrunk, Self::Flipped, Self::Misspelled];

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Grown => "grown",
            Self::Shrunk => "shrunk",
            Self::Flipped => "flipped",
            Self::Misspelled => "misspelled",
        }
    }
}

/// One setting, broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mutation {
    /// The node.
    pub node: String,
    /// The file's path in the node's root.
    pub path: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is done to it.
    pub wound: Wound,
    /// The line as it was.
    pub before: String,
    /// The line as it is; empty when it is gone.
    pub after: String,
}

impl std::fmt::Display for Mutation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { node, path, line, wound, before, after } = self;
        write!(formatter, "{node}:{path}:{line} {}: `{}`", wound.name(), before.trim())?;
        if after.is_empty() { Ok(()) } else { write!(formatter, " is `{}`", after.trim()) }
    }
}

/// Returns mutations of a Bundle's files.
///
/// - `count`: how many at most.
/// - `seed`: equal seeds and equal Bundles give equal mutations.
pub fn mutations(bundle: &Bundle, count: usize, seed: u64) -> Vec<Mutation> {
    let mut groups: BTreeMap<(String, Wound), Vec<Mutation>> = BTreeMap::new();
    for (node, tree) in &bundle.nodes {
        for (path, file) in tree.files.iter().filter(|(path, _)| is_setting(path)) {
            // Files with secrets keep them; only whole texts are broken.
            let [Piece::Bytes(bytes)] = file.pieces.as_slice() else { continue };
            let Ok(text) = std::str::from_utf8(bytes) else { continue };
            for (index, line) in text.lines().enumerate().filter(|(_, line)| says_something(line)) {
                for wound in Wound::ALL {
                    let Some(after) = wounded(line, wound) else { continue };
                    let mutation = Mutation {
                        node: node.clone(),
                        path: path.clone(),
                        line: index + 1,
                        wound,
                        before: line.to_owned(),
                        after,
                    };
                    groups.entry((sort(node, path), wound)).or_default().push(mutation);
                }
            }
        }
    }
    let mut chance = seed;
    let mut taken = Vec::new();
    while taken.len() < count && !groups.is_empty() {
        // Another order in each round, so that a few are as mixed as many.
        let mut round: Vec<(u64, &mut Vec<Mutation>)> = groups.values_mut().map(|it| (next(&mut chance), it)).collect();
        round.sort_by_key(|(place, _)| *place);
        for (_, group) in round {
            if taken.len() < count && !group.is_empty() {
                let index = usize::try_from(next(&mut chance) % group.len() as u64).unwrap_or(0);
                taken.push(group.swap_remove(index));
            }
        }
        groups.retain(|_, group| !group.is_empty());
    }
    taken
}

/// Returns a Bundle with one setting broken.
pub fn broken(bundle: &Bundle, mutation: &Mutation) -> Bundle {
    let mut bundle = bundle.clone();
    let file: Option<&mut File> =
        bundle.nodes.get_mut(&mutation.node).and_then(|tree| tree.files.get_mut(&mutation.path));
    if let Some([Piece::Bytes(bytes)]) = file.map(|file| file.pieces.as_mut_slice()) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let lines = text.split_inclusive('\n').enumerate().map(|(index, line)| match index + 1 == mutation.line {
            false => line.to_owned(),
            true if mutation.after.is_empty() => String::new(),
            true => format!("{}\n", mutation.after),
        });
        *bytes = lines.collect::<String>().into_bytes();
    }
    bundle
}

/// Returns what files of one sort have in common: a node's zones, or modules of its daemon, are one sort.
fn sort(node: &str, path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or_default();
    format!("{node}:{folder}/{}", name.rsplit_once('.').unwrap_or_default().1)
}

/// Tells whether a file holds settings: keys, certificates, pages and the like are left alone.
fn is_setting(path: &str) -> bool {
    const OTHERS: [&str; 9] = [".pem", ".key", ".crt", ".php", ".css", ".svg", ".png", ".html", ".service"];
    path.starts_with("/etc/") && !OTHERS.iter().any(|ending| path.ends_with(ending))
}

/// Tells whether a line is more than a comment, a bracket or nothing.
fn says_something(line: &str) -> bool {
    let text = line.trim();
    !text.starts_with(['#', ';']) && !text.starts_with("//") && text.chars().filter(|c| c.is_alphanumeric()).count() > 1
}

/// Returns a line with a wound; `None` where there is nothing to wound in that way.
fn wounded(line: &str, wound: Wound) -> Option<String> {
    match wound {
        // A line that opens a block cannot go without what it opens.
        Wound::Dropped => (!line.contains(['{', '}'])).then(String::new),
        Wound::Grown => number(line, |digits| format!("{digits}0")),
        Wound::Shrunk => number(line, |_| "1".to_owned()),
        Wound::Flipped => {
            let pairs = [("yes", "no"), ("true", "false"), ("on", "off"), ("required", "none")];
            let both = pairs.into_iter().flat_map(|(one, other)| [(one, other), (other, one)]);
            both.into_iter().find_map(|(from, to)| word(line, from, to))
        }
        Wound::Misspelled => {
            let indent = line.len() - line.trim_start().len();
            let blank = || line.get(indent..)?.find(' ').map(|at| indent + at + 1);
            let at = line.find('=').map(|at| at + 1).or_else(blank)?;
            let rest = line.get(at..)?;
            let start = at + rest.find(|c: char| c.is_ascii_lowercase())?;
            let (before, value) = line.split_at_checked(start)?;
            Some(format!("{before}x{value}"))
        }
    }
    .filter(|after| after != line)
}

fn number(line: &str, change: impl Fn(&str) -> String) -> Option<String> {
    let at = line.find('=').or_else(|| line.find(' '))?;
    let start = at + line.get(at..)?.find(|c: char| c.is_ascii_digit())?;
    let rest = line.get(start..)?;
    let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, tail) = rest.split_at_checked(length)?;
    Some(format!("{}{}{tail}", line.get(..start)?, change(digits)))
}

fn word(line: &str, from: &str, to: &str) -> Option<String> {
    let is_inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let at = line.match_indices(from).map(|(at, _)| at).find(|at| {
        let before = line.get(..*at).and_then(|before| before.chars().next_back());
        let after = line.get(at + from.len()..).and_then(|after| after.chars().next());
        *at > 0 && !is_inside(before) && !is_inside(after)
    })?;
    Some(format!("{}{to}{}", line.get(..at)?, line.get(at + from.len()..)?))
}

/// SplitMix64, which is enough to choose lines.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use blueprint::bundle::Tree;

    use super::*;

    fn bundle() -> Bundle {
        let text =
            "# a comment\nsmtpd_tls_security_level = may\nmessage_size_limit = 2097152\nsmtputf8_enable = yes\n\n";
        let files = BTreeMap::from([
            ("/etc/postfix/main.cf".to_owned(), File::text(text)),
            ("/etc/postfix/tls/node.pem".to_owned(), File::text("secret 1\n")),
        ]);
        let nodes = BTreeMap::from([("mx-1".to_owned(), Tree { files, ..Tree::default() })]);
        Bundle { nodes, ..Bundle::default() }
    }

    #[test]
    fn each_wound_is_one_line_and_says_what_it_was() {
        for (line, wound, after) in [
            ("message_size_limit = 2097152", Wound::Grown, Some("message_size_limit = 20971520")),
            ("message_size_limit = 2097152", Wound::Shrunk, Some("message_size_limit = 1")),
            ("smtputf8_enable = yes", Wound::Flipped, Some("smtputf8_enable = no")),
            ("smtputf8_enable = yes", Wound::Dropped, Some("")),
            (
                "    server store-1 10.0.0.1:24 send-proxy-v2",
                Wound::Misspelled,
                Some("    server xstore-1 10.0.0.1:24 send-proxy-v2"),
            ),
            ("protocol imap {", Wound::Dropped, None),
            ("smtputf8_enable = yes", Wound::Grown, None),
        ] {
            assert_eq!(wounded(line, wound).as_deref(), after, "{line} {wound:?}");
        }
    }

    #[test]
    fn a_bundle_is_broken_in_one_place_and_nowhere_else() {
        let bundle = bundle();
        let all = mutations(&bundle, 100, 1);
        assert!(all.len() >= 8, "{all:?}");
        assert!(all.iter().all(|mutation| mutation.path == "/etc/postfix/main.cf" && mutation.line > 1));
        let text = |bundle: &Bundle| {
            let tree = bundle.nodes.get("mx-1").unwrap();
            String::from_utf8(tree.files.get("/etc/postfix/main.cf").unwrap().unfilled().0).unwrap()
        };
        let whole = text(&bundle);
        for mutation in &all {
            let hurt = text(&broken(&bundle, mutation));
            let kept = hurt.lines().filter(|line| whole.lines().any(|other| other == *line)).count();
            assert_eq!(kept, whole.lines().count() - 1, "{mutation}");
        }
    }

    #[test]
    fn equal_seeds_choose_equally_and_no_more_than_asked() {
        let bundle = bundle();
        assert_eq!(mutations(&bundle, 4, 7), mutations(&bundle, 4, 7));
        assert_eq!(mutations(&bundle, 4, 7).len(), 4);
    }
}
