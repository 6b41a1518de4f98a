//! THREAD (RFC 5256 §3): messages put into conversations, by subject or by references.

use std::collections::BTreeMap;

use super::command::ThreadAlgorithm;
use super::envelope;
use super::search_text::Content;
use super::sort::base_subject;
use crate::disk::DiskError;
use crate::mime::words;
use crate::store::Message;

/// References of one message that are looked at: the first and the latest.
const MAX_REFERENCES: usize = 100;
/// Octets of a message id that are compared.
const MAX_ID: usize = 256;
/// Steps towards the root that are taken to find a loop; what lies deeper is not linked.
const MAX_STEPS: usize = 1000;

/// What a message is put into a conversation by.
#[derive(Clone, Debug)]
pub(super) struct Threadable {
    pub(super) uid: u32,
    sent: i64,
    id: Option<Vec<u8>>,
    references: Vec<Vec<u8>>,
    subject: String,
    is_reply: bool,
}

impl Threadable {
    pub(super) fn read(
        message: &Message,
        content: &mut Content<'_, '_>,
        algorithm: ThreadAlgorithm,
    ) -> Result<Self, DiskError> {
        let sent = content.sent()?.unwrap_or(message.date).seconds;
        let header = content.header()?;
        let subject = envelope::field(header, "Subject").unwrap_or_default();
        let (subject, is_reply) = base_subject(&words::decode(&subject));
        let (mut id, mut references) = (None, Vec::new());
        if algorithm == ThreadAlgorithm::References {
            let ids = |name: &str| envelope::field(header, name).map(|value| ids_in(&value)).unwrap_or_default();
            id = ids("Message-ID").into_iter().next();
            references = ids("References");
            if references.is_empty() {
                references = ids("In-Reply-To");
                references.truncate(1);
            }
            if references.len() > MAX_REFERENCES {
                references.drain(1..references.len() - (MAX_REFERENCES - 1));
            }
        }
        Ok(Self { uid: message.uid, sent, id, references, subject, is_reply })
    }
}

/// Returns the ids between angles.
fn ids_in(value: &[u8]) -> Vec<Vec<u8>> {
    value
        .split(|byte| *byte == b'<')
        .skip(1)
        .filter_map(|piece| piece.split(|byte| *byte == b'>').next())
        .map(|id| id.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(MAX_ID).collect())
        .filter(|id: &Vec<u8>| !id.is_empty())
        .collect()
}

/// One place in a conversation; a place without a message holds others together.
#[derive(Clone, Debug, Default)]
struct Place {
    message: Option<usize>,
    parent: Option<usize>,
    children: Vec<usize>,
}

struct Forest<'a> {
    messages: &'a [Threadable],
    places: Vec<Place>,
}

/// Returns the conversations as THREAD shows them.
///
/// - `shown`: the number by which a UID is told.
pub(super) fn threads(
    messages: &[Threadable],
    algorithm: ThreadAlgorithm,
    shown: &dyn Fn(u32) -> Option<u32>,
) -> String {
    let mut forest = Forest { messages, places: Vec::new() };
    let roots = match algorithm {
        ThreadAlgorithm::OrderedSubject => forest.by_subject(),
        ThreadAlgorithm::References => forest.by_references(),
    };
    forest.write(&roots, shown)
}

impl Forest<'_> {
    fn place(&self, at: usize) -> Option<&Place> {
        self.places.get(at)
    }

    fn add(&mut self, message: Option<usize>) -> usize {
        self.places.push(Place { message, ..Place::default() });
        self.places.len() - 1
    }

    fn message(&self, at: usize) -> Option<&Threadable> {
        self.messages.get(self.place(at)?.message?)
    }

    /// Returns the message of a place, or of the first place below that has one.
    fn first_message(&self, at: usize) -> Option<&Threadable> {
        self.message(at).or_else(|| self.message(*self.place(at)?.children.first()?))
    }

    fn date(&self, at: usize) -> (i64, u32) {
        self.first_message(at).map_or((0, 0), |message| (message.sent, message.uid))
    }

    fn link(&mut self, parent: usize, child: usize) {
        if let Some(place) = self.places.get_mut(child) {
            place.parent = Some(parent);
        }
        if let Some(place) = self.places.get_mut(parent) {
            place.children.push(child);
        }
    }

    fn unlink(&mut self, child: usize) {
        let parent = self.places.get_mut(child).and_then(|place| place.parent.take());
        if let Some(place) = parent.and_then(|parent| self.places.get_mut(parent)) {
            place.children.retain(|other| *other != child);
        }
    }

    /// Whether a place lies above another, or so far away that it may.
    fn would_loop(&self, child: usize, parent: usize) -> bool {
        let mut at = Some(parent);
        for _ in 0..MAX_STEPS {
            match at {
                Some(place) if place == child => return true,
                Some(place) => at = self.place(place).and_then(|place| place.parent),
                None => return false,
            }
        }
        true
    }

    fn by_subject(&mut self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.messages.len()).map(|message| self.add(Some(message))).collect();
        let key = |forest: &Self, at: usize| {
            let subject = forest.message(at).map(|message| message.subject.clone()).unwrap_or_default();
            (subject, forest.date(at))
        };
        order.sort_by_cached_key(|at| key(self, *at));
        let mut roots: Vec<usize> = Vec::new();
        for at in order {
            let subject = |place: usize| self.message(place).map(|message| message.subject.as_str());
            match roots.last() {
                Some(root) if subject(*root) == subject(at) => self.link(*root, at),
                _ => roots.push(at),
            }
        }
        roots.sort_by_key(|root| self.date(*root));
        roots
    }

    fn by_references(&mut self) -> Vec<usize> {
        let messages = self.messages;
        let mut by_id: BTreeMap<&[u8], usize> = BTreeMap::new();
        for (index, message) in messages.iter().enumerate() {
            let known = message.id.as_deref().and_then(|id| by_id.get(id).copied());
            let at = match known {
                Some(at) if self.place(at).is_some_and(|place| place.message.is_none()) => at,
                // A second message of the same id has a place of its own.
                Some(_) => self.add(None),
                None => {
                    let at = self.add(None);
                    if let Some(id) = &message.id {
                        by_id.insert(id, at);
                    }
                    at
                }
            };
            if let Some(place) = self.places.get_mut(at) {
                place.message = Some(index);
            }
            let mut before = None;
            for reference in &message.references {
                let referred = match by_id.get(reference.as_slice()) {
                    Some(at) => *at,
                    None => {
                        let at = self.add(None);
                        by_id.insert(reference, at);
                        at
                    }
                };
                let is_free = self.place(referred).is_some_and(|place| place.parent.is_none());
                if let Some(parent) = before
                    && is_free
                    && !self.would_loop(referred, parent)
                {
                    self.link(parent, referred);
                }
                before = Some(referred);
            }
            if let Some(parent) = before
                && !self.would_loop(at, parent)
            {
                self.unlink(at);
                self.link(parent, at);
            }
        }
        let roots: Vec<usize> =
            (0..self.places.len()).filter(|at| self.place(*at).is_some_and(|place| place.parent.is_none())).collect();
        let mut roots = self.without_empty(roots);
        self.sort(&mut roots);
        let mut roots = self.gather(roots);
        self.sort(&mut roots);
        roots
    }

    /// Takes out places without a message: their children take their place, save below a root that holds several together.
    fn without_empty(&mut self, roots: Vec<usize>) -> Vec<usize> {
        // Every place comes behind those below it.
        let mut order = Vec::new();
        let mut open = roots.clone();
        while let Some(at) = open.pop() {
            order.push(at);
            open.extend(self.place(at).map(|place| place.children.clone()).unwrap_or_default());
        }
        for at in order.into_iter().rev() {
            let children = self.places.get_mut(at).map(|place| std::mem::take(&mut place.children)).unwrap_or_default();
            let kept: Vec<usize> = children.into_iter().flat_map(|child| self.kept(child)).collect();
            for child in &kept {
                if let Some(place) = self.places.get_mut(*child) {
                    place.parent = Some(at);
                }
            }
            if let Some(place) = self.places.get_mut(at) {
                place.children = kept;
            }
        }
        let mut left = Vec::new();
        for root in roots {
            let is_empty = self.message(root).is_none();
            let children = self.place(root).map(|place| place.children.clone()).unwrap_or_default();
            match (is_empty, children.as_slice()) {
                (true, []) => {}
                (true, [only]) => {
                    self.unlink(*only);
                    left.push(*only);
                }
                _ => left.push(root),
            }
        }
        left
    }

    /// Returns what stands in a place once empty ones are gone.
    fn kept(&self, at: usize) -> Vec<usize> {
        match self.place(at) {
            Some(place) if place.message.is_none() => place.children.clone(),
            Some(_) => vec![at],
            None => Vec::new(),
        }
    }

    /// Sorts siblings by date, those of the roots too.
    fn sort(&mut self, roots: &mut [usize]) {
        let mut order = Vec::new();
        let mut open = roots.to_vec();
        while let Some(at) = open.pop() {
            order.push(at);
            open.extend(self.place(at).map(|place| place.children.clone()).unwrap_or_default());
        }
        for at in order.into_iter().rev() {
            let mut children = self.place(at).map(|place| place.children.clone()).unwrap_or_default();
            children.sort_by_key(|child| self.date(*child));
            if let Some(place) = self.places.get_mut(at) {
                place.children = children;
            }
        }
        roots.sort_by_key(|root| self.date(*root));
    }

    /// Joins conversations of the same subject (RFC 5256 §3, REFERENCES step 5).
    fn gather(&mut self, roots: Vec<usize>) -> Vec<usize> {
        let subject_of = |forest: &Self, root: usize| {
            forest.first_message(root).map(|message| (message.subject.clone(), message.is_reply))
        };
        let mut table: BTreeMap<String, usize> = BTreeMap::new();
        for root in &roots {
            let Some((subject, is_reply)) = subject_of(self, *root).filter(|(subject, _)| !subject.is_empty()) else {
                continue;
            };
            let is_better = table.get(&subject).is_none_or(|other| {
                let is_empty = self.message(*root).is_none();
                let other_empty = self.message(*other).is_none();
                let other_reply = subject_of(self, *other).is_some_and(|(_, is_reply)| is_reply);
                (is_empty && !other_empty) || (!other_empty && other_reply && !is_reply)
            });
            if is_better {
                table.insert(subject, *root);
            }
        }
        let mut joined = Vec::new();
        for root in roots {
            let found = subject_of(self, root).filter(|(subject, _)| !subject.is_empty());
            let target = found.as_ref().and_then(|(subject, _)| table.get(subject).copied());
            let (Some((subject, is_reply)), Some(target)) = (found, target) else {
                joined.push(root);
                continue;
            };
            if target == root {
                joined.push(root);
                continue;
            }
            let target_reply = subject_of(self, target).is_some_and(|(_, is_reply)| is_reply);
            match (self.message(target).is_none(), self.message(root).is_none()) {
                (true, true) => {
                    for child in self.place(root).map(|place| place.children.clone()).unwrap_or_default() {
                        self.unlink(child);
                        self.link(target, child);
                    }
                }
                (true, false) => self.link(target, root),
                _ if is_reply && !target_reply => self.link(target, root),
                _ => {
                    let both = self.add(None);
                    self.link(both, target);
                    self.link(both, root);
                    table.insert(subject, both);
                    joined.push(both);
                }
            }
        }
        joined.retain(|root| self.place(*root).is_some_and(|place| place.parent.is_none()));
        joined
    }

    /// Writes the conversations without recursion: a conversation may be as deep as it likes.
    fn write(&self, roots: &[usize], shown: &dyn Fn(u32) -> Option<u32>) -> String {
        enum Step {
            Open(usize),
            Go(usize),
            Close,
        }
        let mut out = String::new();
        let mut steps: Vec<Step> = roots.iter().rev().map(|root| Step::Open(*root)).collect();
        while let Some(step) = steps.pop() {
            match step {
                Step::Close => out.push(')'),
                Step::Open(at) => {
                    out.push('(');
                    steps.push(Step::Close);
                    steps.push(Step::Go(at));
                }
                Step::Go(at) => {
                    if let Some(number) = self.message(at).and_then(|message| shown(message.uid)) {
                        if !out.ends_with('(') {
                            out.push(' ');
                        }
                        out.push_str(&number.to_string());
                    }
                    match self.place(at).map(|place| place.children.as_slice()).unwrap_or_default() {
                        [only] => steps.push(Step::Go(*only)),
                        several => {
                            if !several.is_empty() && !out.ends_with('(') {
                                out.push(' ');
                            }
                            steps.extend(several.iter().rev().map(|child| Step::Open(*child)));
                        }
                    }
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Makes messages of `id reference,reference subject`; a subject in capitals is a reply. Dates ascend.
    fn messages(lines: &[&str]) -> Vec<Threadable> {
        let mut messages = Vec::new();
        for (line, uid) in lines.iter().zip(1_u32..) {
            let mut words = line.split(' ');
            let id = words.next().filter(|id| !id.is_empty() && *id != "-").map(|id| id.as_bytes().to_vec());
            let references = words.next().unwrap_or_default();
            let subject = words.next().unwrap_or_default();
            messages.push(Threadable {
                uid,
                sent: i64::from(uid),
                id,
                references: references
                    .split(',')
                    .filter(|id| !id.is_empty() && *id != "-")
                    .map(|id| id.as_bytes().to_vec())
                    .collect(),
                subject: subject.to_lowercase(),
                is_reply: subject.chars().any(char::is_uppercase),
            });
        }
        messages
    }

    fn check(lines: &[&str], expected: &str) {
        let shown = threads(&messages(lines), ThreadAlgorithm::References, &Some);
        assert_eq!(shown, expected, "{lines:?}");
    }

    #[test]
    fn answers_stand_below_what_they_answer() {
        check(&["a", "b a", "c a,b", "d a"], "(1 (2 3)(4))");
        check(&["b a", "a"], "(2 1)");
        check(&["a", "b c,a", "c b"], "(3 1 2)");
        check(&["b c,a", "c b"], "(2 1)");
        check(&["a", "a", "b a"], "(1 3)(2)");
        check(&["a x", "b x"], "((1)(2))");
        check(&["-", "-"], "(1)(2)");
    }

    #[test]
    fn conversations_of_one_subject_are_joined() {
        check(&["a - plan", "b - PLAN"], "(1 2)");
        check(&["a - plan", "b - plan"], "((1)(2))");
        check(&["a - PLAN", "b - plan"], "(2 1)");
        check(&["a x plan", "b x plan", "c - PLAN"], "((1)(2)(3))");
    }

    #[test]
    fn subjects_alone_make_flat_conversations() {
        let shown = threads(
            &messages(&["a - two", "b - one", "c - two", "d - one", "e - one"]),
            ThreadAlgorithm::OrderedSubject,
            &Some,
        );
        assert_eq!(shown, "(1 3)(2 (4)(5))");
    }

    #[test]
    fn endless_conversations_cost_no_stack() {
        let lines: Vec<String> = (1..20_000).rev().map(|n| format!("m{n} m{}", n - 1)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(threads(&messages(&lines), ThreadAlgorithm::References, &Some).matches(' ').count(), 19_998);
    }

    proptest! {
        #[test]
        fn every_message_stands_in_one_place(
            lines in proptest::collection::vec("[a-e]? [a-f](,[a-f]){0,3} [xyXY]?", 0..12)
        ) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let messages = messages(&lines);
            for algorithm in [ThreadAlgorithm::References, ThreadAlgorithm::OrderedSubject] {
                let shown = threads(&messages, algorithm, &Some);
                let mut numbers: Vec<usize> = shown.split(['(', ')', ' ']).filter_map(|word| word.parse().ok()).collect();
                numbers.sort_unstable();
                prop_assert_eq!(&numbers, &(1..=lines.len()).collect::<Vec<_>>(), "{}", shown);
                prop_assert_eq!(shown.matches('(').count(), shown.matches(')').count());
            }
        }
    }
}
