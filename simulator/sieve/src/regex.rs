//! Extended regular expressions as POSIX has them, in time that grows with text times expression.
//!
//! Source: POSIX.1-2017 §9.4, with what GNU adds: `\w \W \s \S \b \B \< \>`. Back references are not understood.

/// Longest program an expression becomes.
const STEPS: usize = 20_000;
/// Most steps of one search.
const WORK: usize = 50_000_000;
/// Most repetitions that are counted.
const REPEATS: u32 = 255;
/// Deepest parentheses.
const DEPTH: usize = 100;

#[derive(Clone, Debug)]
enum Set {
    Any,
    One(char),
    Of { ranges: Vec<(char, char)>, negated: bool },
}

impl Set {
    fn holds(&self, character: char, folds: bool) -> bool {
        let within = |character: char| match self {
            Self::Any => true,
            Self::One(one) => *one == character,
            Self::Of { ranges, .. } => ranges.iter().any(|(first, last)| (*first..=*last).contains(&character)),
        };
        let found = within(character)
            || (folds && (within(character.to_ascii_lowercase()) || within(character.to_ascii_uppercase())));
        found != matches!(self, Self::Of { negated: true, .. })
    }
}

#[derive(Clone, Debug)]
enum Node {
    Empty,
    Set(Set),
    Begin,
    End,
    Boundary(Edge),
    Group(usize, Box<Node>),
    All(Vec<Node>),
    Either(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
}

#[derive(Clone, Copy, Debug)]
enum Edge {
    Any,
    None,
    Start,
    End,
}

#[derive(Clone, Debug)]
enum Step {
    Set(Set),
    Begin,
    End,
    Boundary(Edge),
    Save(usize),
    Split(usize, usize),
    Jump(usize),
    Match,
}

/// An expression, ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Regex {
    steps: Vec<Step>,
    groups: usize,
    folds: bool,
}

impl Regex {
    /// Reads an expression.
    ///
    /// - Errors: what is wrong with it.
    pub(crate) fn parse(text: &str, folds: bool) -> Result<Self, String> {
        let mut parser = Parser { rest: text.chars().collect::<Vec<_>>(), at: 0, groups: 0 };
        let node = parser.either(0)?;
        if parser.at < parser.rest.len() {
            return Err("invalid regular expression: unmatched )".to_owned());
        }
        let mut steps = vec![Step::Save(0)];
        write(&node, &mut steps)?;
        steps.push(Step::Save(1));
        steps.push(Step::Match);
        Ok(Self { steps, groups: parser.groups + 1, folds })
    }

    /// Finds the leftmost longest match.
    ///
    /// - Returns: the whole match, then what each group matched, empty for none.
    /// - Errors: the search takes too long.
    pub(crate) fn find(&self, text: &str) -> Result<Option<Vec<String>>, String> {
        let text: Vec<char> = text.chars().collect();
        let mut best: Option<Vec<Option<usize>>> = None;
        let mut threads: Vec<(usize, Vec<Option<usize>>)> = Vec::new();
        let mut work = 0_usize;
        for at in 0..=text.len() {
            let mut seen = vec![false; self.steps.len()];
            let mut now = Vec::new();
            for (step, saved) in std::mem::take(&mut threads) {
                self.follow(step, saved, at, &text, &mut seen, &mut now);
            }
            if best.is_none() {
                self.follow(0, vec![None; self.groups * 2], at, &text, &mut seen, &mut now);
            }
            for (step, saved) in now {
                match self.steps.get(step) {
                    // Another that has begun earlier, or is as long and was preferred, stays.
                    Some(Step::Match) => {
                        let begins = |saved: &[Option<usize>]| saved.first().copied().flatten();
                        let longer = best.as_ref().is_none_or(|best| {
                            begins(&saved) < begins(best)
                                || (begins(&saved) == begins(best) && saved.get(1) > best.get(1))
                        });
                        if longer {
                            best = Some(saved);
                        }
                    }
                    Some(Step::Set(set)) if text.get(at).is_some_and(|character| set.holds(*character, self.folds)) => {
                        threads.push((step + 1, saved));
                    }
                    _ => {}
                }
            }
            work += self.steps.len();
            if work > WORK {
                return Err("the regular expression takes too long".to_owned());
            }
            if threads.is_empty() && best.is_some() {
                break;
            }
        }
        Ok(best.map(|saved| {
            let group = |number: usize| {
                let start = saved.get(number * 2).copied().flatten();
                let end = saved.get(number * 2 + 1).copied().flatten();
                let range = start.zip(end).and_then(|(start, end)| text.get(start..end));
                range.unwrap_or_default().iter().collect::<String>()
            };
            (0..self.groups).map(group).collect()
        }))
    }

    /// Goes along what takes no character.
    fn follow(
        &self,
        step: usize,
        saved: Vec<Option<usize>>,
        at: usize,
        text: &[char],
        seen: &mut [bool],
        out: &mut Vec<(usize, Vec<Option<usize>>)>,
    ) {
        let mut stack = vec![(step, saved)];
        while let Some((step, mut saved)) = stack.pop() {
            match seen.get_mut(step) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            match self.steps.get(step) {
                Some(Step::Jump(to)) => stack.push((*to, saved)),
                Some(Step::Split(first, second)) => {
                    stack.push((*second, saved.clone()));
                    stack.push((*first, saved));
                }
                Some(Step::Save(slot)) => {
                    if let Some(place) = saved.get_mut(*slot) {
                        *place = Some(at);
                    }
                    stack.push((step + 1, saved));
                }
                Some(Step::Begin) if at == 0 => stack.push((step + 1, saved)),
                Some(Step::End) if at == text.len() => stack.push((step + 1, saved)),
                Some(Step::Boundary(edge)) => {
                    let is_word = |at: Option<usize>| {
                        at.and_then(|at| text.get(at)).is_some_and(|c| c.is_alphanumeric() || *c == '_')
                    };
                    let (before, after) = (is_word(at.checked_sub(1)), is_word(Some(at)));
                    let holds = match edge {
                        Edge::Any => before != after,
                        Edge::None => before == after,
                        Edge::Start => !before && after,
                        Edge::End => before && !after,
                    };
                    if holds {
                        stack.push((step + 1, saved));
                    }
                }
                Some(Step::Set(_) | Step::Match) => out.push((step, saved)),
                _ => {}
            }
        }
    }
}

fn write(node: &Node, steps: &mut Vec<Step>) -> Result<(), String> {
    if steps.len() > STEPS {
        return Err("the regular expression is too large".to_owned());
    }
    match node {
        Node::Empty => {}
        Node::Set(set) => steps.push(Step::Set(set.clone())),
        Node::Begin => steps.push(Step::Begin),
        Node::End => steps.push(Step::End),
        Node::Boundary(edge) => steps.push(Step::Boundary(*edge)),
        Node::Group(number, inner) => {
            steps.push(Step::Save(number * 2));
            write(inner, steps)?;
            steps.push(Step::Save(number * 2 + 1));
        }
        Node::All(nodes) => {
            for node in nodes {
                write(node, steps)?;
            }
        }
        Node::Either(nodes) => {
            let mut ends = Vec::new();
            for (index, node) in nodes.iter().enumerate() {
                if index + 1 == nodes.len() {
                    write(node, steps)?;
                    break;
                }
                let split = steps.len();
                steps.push(Step::Split(split + 1, 0));
                write(node, steps)?;
                ends.push(steps.len());
                steps.push(Step::Jump(0));
                let next = steps.len();
                if let Some(Step::Split(_, second)) = steps.get_mut(split) {
                    *second = next;
                }
            }
            let after = steps.len();
            for end in ends {
                if let Some(Step::Jump(to)) = steps.get_mut(end) {
                    *to = after;
                }
            }
        }
        Node::Repeat(inner, least, most) => {
            for _ in 0..*least {
                write(inner, steps)?;
            }
            match most {
                None => {
                    let split = steps.len();
                    steps.push(Step::Split(split + 1, 0));
                    write(inner, steps)?;
                    steps.push(Step::Jump(split));
                    let after = steps.len();
                    if let Some(Step::Split(_, second)) = steps.get_mut(split) {
                        *second = after;
                    }
                }
                Some(most) => {
                    let mut splits = Vec::new();
                    for _ in *least..*most {
                        splits.push(steps.len());
                        steps.push(Step::Split(steps.len() + 1, 0));
                        write(inner, steps)?;
                    }
                    let after = steps.len();
                    for split in splits {
                        if let Some(Step::Split(_, second)) = steps.get_mut(split) {
                            *second = after;
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

struct Parser {
    rest: Vec<char>,
    at: usize,
    groups: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    fn either(&mut self, depth: usize) -> Result<Node, String> {
        if depth > DEPTH {
            return Err("the regular expression is nested too deeply".to_owned());
        }
        let mut branches = vec![self.all(depth)?];
        while self.peek() == Some('|') {
            self.at += 1;
            branches.push(self.all(depth)?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Node::Either(branches) })
    }

    fn all(&mut self, depth: usize) -> Result<Node, String> {
        let mut nodes = Vec::new();
        while let Some(character) = self.peek().filter(|next| *next != '|' && !(*next == ')' && depth > 0)) {
            self.at += 1;
            let atom = match character {
                '(' => {
                    self.groups += 1;
                    let number = self.groups;
                    let inner = self.either(depth + 1)?;
                    if self.next() != Some(')') {
                        return Err("invalid regular expression: unmatched ( or \\(".to_owned());
                    }
                    Node::Group(number, Box::new(inner))
                }
                '[' => Node::Set(self.bracket()?),
                '.' => Node::Set(Set::Any),
                '^' => Node::Begin,
                '$' => Node::End,
                '*' | '+' | '?' if nodes.is_empty() => {
                    return Err("invalid preceding regular expression".to_owned());
                }
                '\\' => self.escape()?,
                other => Node::Set(Set::One(other)),
            };
            let atom = self.repeated(atom)?;
            nodes.push(atom);
        }
        Ok(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.remove(0),
            _ => Node::All(nodes),
        })
    }

    fn repeated(&mut self, mut atom: Node) -> Result<Node, String> {
        let mut times = 0;
        loop {
            let (least, most) = match self.peek() {
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('?') => (0, Some(1)),
                Some('{') => {
                    let rest: String = self.rest.get(self.at + 1..).unwrap_or_default().iter().take(12).collect();
                    let Some((inner, _)) = rest.split_once('}') else { return Ok(atom) };
                    let (least, most) = match inner.split_once(',') {
                        None => (inner.parse().ok(), inner.parse().ok()),
                        Some((least, "")) => (least.parse().ok(), None),
                        Some((least, most)) => (least.parse().ok(), most.parse().ok()),
                    };
                    let Some(least) = least else { return Ok(atom) };
                    if least > REPEATS || most.is_some_and(|most: u32| most > REPEATS || most < least) {
                        return Err("invalid content of \\{\\}".to_owned());
                    }
                    self.at += inner.chars().count() + 1;
                    (least, most)
                }
                _ => return Ok(atom),
            };
            self.at += 1;
            times += 1;
            if times > DEPTH {
                return Err("the regular expression is nested too deeply".to_owned());
            }
            atom = Node::Repeat(Box::new(atom), least, most);
        }
    }

    fn escape(&mut self) -> Result<Node, String> {
        let word = || vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')];
        let space = || vec![(' ', ' '), ('\t', '\r')];
        let of = |ranges, negated| Node::Set(Set::Of { ranges, negated });
        Ok(match self.next() {
            None => return Err("trailing backslash".to_owned()),
            Some('w') => of(word(), false),
            Some('W') => of(word(), true),
            Some('s') => of(space(), false),
            Some('S') => of(space(), true),
            Some('b') => Node::Boundary(Edge::Any),
            Some('B') => Node::Boundary(Edge::None),
            Some('<') => Node::Boundary(Edge::Start),
            Some('>') => Node::Boundary(Edge::End),
            Some('1'..='9') => return Err("invalid back reference".to_owned()),
            Some(other) => Node::Set(Set::One(other)),
        })
    }

    fn bracket(&mut self) -> Result<Set, String> {
        let unmatched = || "unmatched [, [^, [:, [., or [=".to_owned();
        let negated = self.peek() == Some('^');
        if negated {
            self.at += 1;
        }
        let mut ranges = Vec::new();
        let mut first = true;
        loop {
            let character = self.next().ok_or_else(unmatched)?;
            if character == ']' && !first {
                return Ok(Set::Of { ranges, negated });
            }
            first = false;
            if character == '[' && self.peek() == Some(':') {
                let rest: String = self.rest.get(self.at + 1..).unwrap_or_default().iter().collect();
                let (name, _) = rest.split_once(":]").ok_or_else(unmatched)?;
                self.at += name.chars().count() + 3;
                ranges.extend_from_slice(class(name).ok_or("invalid character class name")?);
                continue;
            }
            let is_range = self.peek() == Some('-') && self.rest.get(self.at + 1).is_some_and(|next| *next != ']');
            if !is_range {
                ranges.push((character, character));
                continue;
            }
            self.at += 1;
            let last = self.next().ok_or_else(unmatched)?;
            if last < character {
                return Err("invalid range end".to_owned());
            }
            ranges.push((character, last));
        }
    }
}

fn class(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alpha" => &[('a', 'z'), ('A', 'Z')],
        "digit" => &[('0', '9')],
        "alnum" => &[('a', 'z'), ('A', 'Z'), ('0', '9')],
        "upper" => &[('A', 'Z')],
        "lower" => &[('a', 'z')],
        "space" => &[(' ', ' '), ('\t', '\r')],
        "blank" => &[(' ', ' '), ('\t', '\t')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "print" => &[(' ', '~')],
        "graph" => &[('!', '~')],
        "cntrl" => &[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')],
        "xdigit" => &[('0', '9'), ('a', 'f'), ('A', 'F')],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, text: &str) -> Option<Vec<String>> {
        Regex::parse(pattern, true).unwrap().find(text).unwrap()
    }

    #[test]
    fn the_leftmost_longest_match_is_found() {
        for (pattern, text, expected) in [
            ("a|ab", "xab", Some(vec!["ab"])),
            ("^\\[([^]]+)\\] (.*)$", "[list] hello", Some(vec!["[list] hello", "list", "hello"])),
            ("([0-9]{2,3})-x?", "1-22-333", Some(vec!["22-", "22"])),
            ("[[:digit:]]+", "abc 4711", Some(vec!["4711"])),
            ("(a*)+$", "aaa!", Some(vec!["", ""])),
            ("^(a|b)*c", "abac", Some(vec!["abac", "a"])),
            ("\\<or\\>", "for or", Some(vec!["or"])),
            ("z", "abc", None),
            ("HeL+o", "hello", Some(vec!["hello"])),
        ] {
            let expected = expected.map(|values| values.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(found(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for pattern in ["(", "[a", "*a", "a\\", "a{3,2}", "[b-a]", "[[:nothing:]]", "a{256}", "((a{200}){200}){200}"] {
            assert!(Regex::parse(pattern, false).is_err(), "{pattern}");
        }
    }

    #[test]
    fn an_expression_that_would_explode_elsewhere_takes_no_time() {
        let text = "a".repeat(2_000);
        assert!(found("(a+)+b", &text).is_none());
        assert!(found("(a|aa)*c", &text).is_none());
    }
}
