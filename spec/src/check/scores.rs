//! Scores of a defense rise from marking to refusing.

use values::Score;

use crate::decode::Decoder;
use crate::problem::Problem;
use crate::tree::Spanned;

/// Reports thresholds that would never be reached, since a stricter one lies below them.
pub(super) fn rising(
    tag: Option<&Spanned<Score>>,
    quarantine: Option<&Spanned<Score>>,
    reject: Option<&Spanned<Score>>,
    decoder: &mut Decoder,
) {
    let steps = [("tag", tag), ("quarantine", quarantine), ("reject", reject)];
    let mut highest: Option<(&str, &Spanned<Score>)> = None;
    for (name, score) in steps {
        let Some(score) = score.filter(|score| !score.is_hole()) else { continue };
        match highest {
            Some((below, lower)) if lower.value > score.value => decoder.report(
                Problem::error(
                    "spec::contradiction",
                    score.span,
                    format!("`{name}` ({}) lies below `{below}` ({})", score.value, lower.value),
                )
                .label(format!("lower than `{below}`"))
                .help(format!("write a number of at least `{}`", lower.value))
                .related(lower.span, format!("`{below}` is higher")),
            ),
            _ => highest = Some((name, score)),
        }
    }
}
