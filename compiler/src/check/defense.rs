//! Scores stand in their order: what is tagged, then what goes to the Spam folder, then what is refused.

use spec::model::DefenseChange;
use spec::{Problem, Span, Spanned};
use values::Score;

use crate::decide::{defaults, platform};
use crate::report::Report;
use crate::resolve::Model;

/// Checks the platform's defense and what domains and mailboxes change of it.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    let defenses = &model.platform.defenses;
    if let [first, second, ..] = defenses.as_slice() {
        report.tell(
            Problem::error(
                "compiler::several-defenses",
                second.span,
                "a platform has one defense, and this is another",
            )
            .help("join the two into one")
            .related(first.span, "the first defense"),
        );
    }
    if defenses.is_empty() {
        report.tell(
            Problem::warning(
                "compiler::no-defense",
                model.platform.span,
                "the platform has no defense against spam and viruses",
            )
            .help("write `defense \"email-defense\" { spam; virus }`"),
        );
    }
    let base = platform::defense(model);
    let spam = defenses.first().and_then(|defense| defense.spam.as_ref());
    let mut scores = [Some(base.tag), Some(base.quarantine), Some(base.reject)];
    if let Some(spam) = spam {
        let said = [&spam.tag, &spam.quarantine, &spam.reject];
        scores = said_over(scores, said);
        order(scores, said, Span::HOLE, report);
    }
    let base = scores;
    let platform_span = defenses.first().map_or(model.platform.span, |defense| defense.span);
    for domain in &model.domains {
        let own = domain.spec.defense.as_ref();
        let scores = own.map_or(base, |change| said_over(base, scores_of(change)));
        if let Some(change) = own {
            order(scores, scores_of(change), platform_span, report);
        }
        for (_, mailbox) in domain.mailboxes() {
            if let Some(change) = &mailbox.defense {
                let scores = said_over(scores, scores_of(change));
                let around = own.map_or(platform_span, |own| own.span);
                order(scores, scores_of(change), around, report);
            }
        }
    }
}

/// What a defense says of its three scores.
type Said<'s> = [&'s Option<Spanned<Score>>; 3];

fn scores_of(change: &DefenseChange) -> Said<'_> {
    [&change.tag, &change.quarantine, &change.reject]
}

/// Returns scores with those in place that are said anew; `None` for what could not be read, which was told.
fn said_over(mut scores: [Option<Score>; 3], said: Said<'_>) -> [Option<Score>; 3] {
    for (score, said) in scores.iter_mut().zip(said) {
        if let Some(said) = said {
            *score = Some(said.value).filter(|_| !said.is_hole());
        }
    }
    scores
}

/// Tells of the first said score that is above the next one, or below the one before.
fn order(scores: [Option<Score>; 3], said: Said<'_>, inherited: Span, report: &mut Report) {
    const NAMES: [&str; 3] = ["tag", "quarantine", "reject"];
    let [tag, quarantine, reject] = scores;
    let [said_tag, said_quarantine, said_reject] = said;
    let [name_tag, name_quarantine, name_reject] = NAMES;
    let pairs = [
        (name_tag, tag, said_tag, name_quarantine, quarantine, said_quarantine),
        (name_quarantine, quarantine, said_quarantine, name_reject, reject, said_reject),
    ];
    for (lower, low, low_said, higher, high, high_said) in pairs {
        let (Some(low), Some(high)) = (low, high) else { continue };
        // Where no scores are given at all, nothing is out of order.
        if low <= high || low == defaults::NEVER {
            continue;
        }
        // Two that stand beside each other were told where they are read; here one of them is inherited.
        let (place, help) = match (low_said, high_said) {
            (Some(place), None) => {
                (place, format!("write `{high}` or less, or a `{higher}` of at least `{low}` beside it"))
            }
            (None, Some(place)) => {
                (place, format!("write `{low}` or more, or a `{lower}` of at most `{high}` beside it"))
            }
            _ => continue,
        };
        report.tell(
            Problem::error(
                "compiler::scores-out-of-order",
                place.span,
                format!("`{lower}` ({low}) is above `{higher}` ({high}), so that it never has an effect"),
            )
            .label("out of order")
            .help(help)
            .related(inherited, "the other score is from here"),
        );
    }
}
