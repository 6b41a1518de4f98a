//! The known name that somebody may have meant.

/// Returns the candidate nearest to what was written, where it is near enough to have been meant.
pub(crate) fn nearest<'c>(written: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    nearest_with_distance(written, candidates).map(|(_, candidate)| candidate)
}

/// Returns the same with the number of letters that differ.
pub(crate) fn nearest_with_distance<'c>(
    written: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<(usize, &'c str)> {
    // Longer texts are no slip of the pen, and comparing them costs the square of their length.
    if written.is_empty() || written.len() > 64 {
        return None;
    }
    let lower = written.to_lowercase().replace('_', "-");
    let allowed = (lower.chars().count() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&lower, candidate), candidate))
        .filter(|&(distance, candidate)| {
            distance <= allowed
                || (lower.len() >= 4 && candidate.starts_with(&lower))
                || (candidate.len() >= 4 && lower.ends_with(candidate))
                || (candidate.len() >= 3 && lower.len() <= 2 * candidate.len() + 1 && lower.starts_with(candidate))
                || plural(&lower, candidate)
        })
        .min()
}

/// Tells whether two names differ only by the ending of a plural.
fn plural(one: &str, other: &str) -> bool {
    let stem = |name: &str| name.strip_suffix("es").or(name.strip_suffix('s')).unwrap_or(name).to_owned();
    stem(one) == stem(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_are_near_and_other_words_are_not() {
        let names = ["mailbox", "forward", "list", "cluster", "alias"];
        for (written, meant) in [
            ("mailbx", Some("mailbox")),
            ("Mailbox", Some("mailbox")),
            ("clusters", Some("cluster")),
            ("aliases", Some("alias")),
            ("forwrad", Some("forward")),
            ("mailinglist", Some("list")),
            ("calendar", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, names.into_iter()), meant, "{written}");
        }
    }
}
