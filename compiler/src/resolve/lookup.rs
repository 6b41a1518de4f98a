//! Names that nobody declared, and which of the declared ones may have been meant.

use std::fmt::Display;

use spec::{Problem, Spanned};
use values::quoted;

/// Names listed in a help before it becomes a wall of text.
const LISTED: usize = 8;

/// Makes the problem of a name that stands for nothing.
///
/// - `what`: what it should name, in the singular: `tier`.
/// - `code`: `spec::unknown-…`.
pub fn unknown<'n, T: Display>(
    code: &'static str,
    what: &str,
    name: &Spanned<T>,
    known: impl IntoIterator<Item = &'n str>,
) -> Problem {
    let written = name.value.to_string();
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    known.dedup();
    let near = nearest(&written, known.iter().copied());
    let total = known.len();
    known.truncate(LISTED);
    let mut list = known.join(", ");
    if total > LISTED {
        list.push_str(&format!(" and {} more", total - LISTED));
    }
    let help = match (near, total) {
        (_, 0) => format!("declare it first; no {what} is declared here"),
        (_, 1) => format!("write {}, the only one there is", quoted(known.first().copied().unwrap_or_default())),
        (Some(near), _) => format!("write {}; declared {what}s: {list}", quoted(near)),
        (None, _) => format!("declared {what}s: {list}"),
    };
    Problem::error(code, name.span, format!("unknown {what} {}", quoted(&written)))
        .label(format!("no {what} has this name"))
        .help(help)
}

/// Returns the name that is nearest to what was written, where it is near enough to have been meant.
pub fn nearest<'n>(written: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Comparing costs the square of the length, and nobody mistypes a text that long.
    if written.len() > 128 {
        return None;
    }
    let allowed = (written.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::Span;

    #[test]
    fn a_slip_of_the_pen_is_corrected_and_other_names_are_listed() {
        let name = |text: &str| Spanned::new(text.to_owned(), Span::HOLE);
        let help = |written: &str, known: &[&str]| {
            unknown("spec::unknown-tier", "tier", &name(written), known.iter().copied()).help.unwrap()
        };
        assert_eq!(help("premum", &["premium", "basic"]), "write `premium`; declared tiers: basic, premium");
        assert_eq!(help("gold", &["premium", "basic"]), "declared tiers: basic, premium");
        assert_eq!(help("gold", &["basic"]), "write `basic`, the only one there is");
        assert_eq!(help("gold", &[]), "declare it first; no tier is declared here");
        let many = ["a1", "b1", "c1", "d1", "e1", "f1", "g1", "h1", "i1"];
        assert!(help("zzz", &many).ends_with("h1 and 1 more"));
    }
}
