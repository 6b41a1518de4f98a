//! Sets of message numbers as sorted ranges, so that `1:4294967295` costs as much as `1`.

use std::fmt;

/// A set of numbers: sorted inclusive ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// Returns the empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a set of ranges in any order; a range's ends may be swapped.
    pub fn of(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut all: Vec<(u32, u32)> =
            ranges.into_iter().map(|(first, last)| (first.min(last), first.max(last))).collect();
        all.sort_unstable();
        let mut set = Self::new();
        for (first, last) in all {
            set.extend_with(first, last);
        }
        set
    }

    /// Adds a number that is no smaller than every other in the set.
    pub fn push(&mut self, number: u32) {
        self.extend_with(number, number);
    }

    fn extend_with(&mut self, first: u32, last: u32) {
        match self.0.last_mut() {
            Some(end) if first <= end.1.saturating_add(1) => end.1 = end.1.max(last),
            _ => self.0.push((first, last)),
        }
    }

    /// Whether the number is in the set.
    pub fn contains(&self, number: u32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| number <= *last)
    }

    /// Returns the ranges, smallest first.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many numbers are in the set.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    /// Returns the smallest number.
    pub fn first(&self) -> Option<u32> {
        self.0.first().map(|(first, _)| *first)
    }

    /// Returns the largest number.
    pub fn last(&self) -> Option<u32> {
        self.0.last().map(|(_, last)| *last)
    }

    /// Returns every number, smallest first; only for sets that are known to be made of existing messages.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }
}

impl FromIterator<u32> for Ranges {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        Self::of(numbers.into_iter().map(|number| (number, number)))
    }
}

impl fmt::Display for Ranges {
    /// Writes the set as RFC 3501's `sequence-set`; nothing for the empty set.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            if first == last {
                write!(formatter, "{first}")?;
            } else {
                write!(formatter, "{first}:{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Ranges;

    #[test]
    fn ranges_are_sorted_joined_and_written_shortly() {
        assert_eq!(Ranges::of([(9, 7), (1, 1), (2, 3), (8, 12)]).to_string(), "1:3,7:12");
        assert_eq!(Ranges::of([(1, u32::MAX), (5, 6)]).to_string(), "1:4294967295");
        assert_eq!(Ranges::from_iter([5, 3, 4, 9]).to_string(), "3:5,9");
    }

    #[test]
    fn membership_looks_at_the_range_below() {
        let set = Ranges::of([(2, 4), (8, 8)]);
        let inside: Vec<u32> = (0..10).filter(|number| set.contains(*number)).collect();
        assert_eq!(inside, [2, 3, 4, 8]);
        assert_eq!(set.count(), 4);
        assert!(!Ranges::new().contains(0));
    }
}
