//! Message sets as clients write them, and the messages they mean in a session.

use crate::store::Ranges;

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// A sequence number or UID.
    Number(u32),
    /// `*`: the largest one in use.
    Last,
}

/// RFC 3501's `sequence-set`, or RFC 5182's `$`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SequenceSet {
    /// Ranges in the client's order.
    Ranges(Vec<(Bound, Bound)>),
    /// The last saved search result.
    Saved,
}

impl SequenceSet {
    /// Returns the numbers meant, when `*` is this number; for `$` the empty set.
    pub(super) fn resolve(&self, last: u32) -> Ranges {
        let Self::Ranges(ranges) = self else { return Ranges::new() };
        let number = |bound: &Bound| match bound {
            Bound::Number(number) => *number,
            Bound::Last => last,
        };
        Ranges::of(ranges.iter().map(|(from, to)| (number(from), number(to))))
    }

    /// Whether a number beyond the last message is named; `1:*` never is, and `1:4294967295` is a way to say it.
    pub(super) fn is_beyond(&self, last: u32) -> bool {
        let Self::Ranges(ranges) = self else { return false };
        let is_number_beyond = |number: u32| number > last.max(1) && number != u32::MAX;
        ranges.iter().flat_map(|(first, end)| [first, end]).any(|bound| match bound {
            Bound::Number(number) => is_number_beyond(*number),
            Bound::Last => false,
        })
    }

    /// Whether `*` is meant.
    pub(super) fn names_last(&self) -> bool {
        matches!(self, Self::Ranges(ranges) if ranges.iter().any(|(from, to)| *from == Bound::Last || *to == Bound::Last))
    }
}

/// The messages a session knows: UIDs by sequence number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    uids: Vec<u32>,
}

impl View {
    pub(super) fn new(uids: Vec<u32>) -> Self {
        Self { uids }
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.uids.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn last_uid(&self) -> u32 {
        self.uids.last().copied().unwrap_or(0)
    }

    /// Returns the sequence number of a UID.
    pub(super) fn sequence(&self, uid: u32) -> Option<u32> {
        let index = self.uids.binary_search(&uid).ok()?;
        u32::try_from(index + 1).ok()
    }

    pub(super) fn uids(&self) -> &[u32] {
        &self.uids
    }

    /// Adds a message that has arrived.
    pub(super) fn push(&mut self, uid: u32) {
        if uid > self.last_uid() {
            self.uids.push(uid);
        }
    }

    /// Removes messages and returns the sequence numbers they had, each in the numbering before any was removed.
    pub(super) fn remove(&mut self, gone: &Ranges) -> Vec<u32> {
        let mut sequences = Vec::new();
        let mut sequence = 0;
        self.uids.retain(|uid| {
            sequence += 1;
            let is_gone = gone.contains(*uid);
            if is_gone {
                sequences.push(sequence);
            }
            !is_gone
        });
        sequences
    }

    /// Returns the UIDs that a range of sequence numbers stands for.
    fn slice(&self, first: u32, last: u32) -> &[u32] {
        let from = usize::try_from(first.saturating_sub(1)).unwrap_or(usize::MAX).min(self.uids.len());
        let to = usize::try_from(last).unwrap_or(usize::MAX).min(self.uids.len());
        self.uids.get(from..to).unwrap_or_default()
    }

    /// Returns the known UIDs that a set of sequence numbers stands for.
    pub(super) fn by_sequence(&self, sequences: &Ranges) -> Ranges {
        sequences.ranges().iter().flat_map(|(first, last)| self.slice(*first, *last)).copied().collect()
    }

    /// Returns the known UIDs in a set of UIDs.
    pub(super) fn by_uid(&self, uids: &Ranges) -> Ranges {
        let mut known = Ranges::new();
        for (first, last) in uids.ranges() {
            let from = self.uids.partition_point(|uid| uid < first);
            for uid in self.uids.iter().skip(from).take_while(|uid| *uid <= last) {
                known.push(*uid);
            }
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_against_what_the_session_knows() {
        let view = View::new(vec![3, 5, 9, 12]);
        let set = SequenceSet::Ranges(vec![(Bound::Last, Bound::Number(3)), (Bound::Number(1), Bound::Number(1))]);
        assert_eq!(view.by_sequence(&set.resolve(view.len())).to_string(), "3,9,12");
        let all = SequenceSet::Ranges(vec![(Bound::Number(1), Bound::Number(u32::MAX))]);
        assert_eq!(view.by_uid(&all.resolve(view.last_uid())).to_string(), "3,5,9,12");
        let beyond = SequenceSet::Ranges(vec![(Bound::Number(100), Bound::Last)]);
        assert_eq!(view.by_uid(&beyond.resolve(view.last_uid())).to_string(), "12", "RFC 3501 §6.4.8");
    }

    #[test]
    fn removed_messages_are_told_by_the_numbers_they_had() {
        let mut view = View::new(vec![3, 5, 9, 12]);
        assert_eq!(view.remove(&Ranges::of([(4, 9)])), [2, 3]);
        assert_eq!(view.uids(), [3, 12]);
        assert_eq!((view.sequence(12), view.sequence(5)), (Some(2), None));
    }
}
