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
    if let Some(spam) = defenses.first().and_then(|defense| defense.spam.as_ref()) {
        let said = [&spam.tag, &spam.quarantine, &spam.reject];
        order([base.tag, base.quarantine, base.reject], said, Span::HOLE, report);
    }
    let platform_span = defenses.first().map_or(model.platform.span, |defense| defense.span);
    for domain in &model.domains {
        let own = domain.spec.defense.as_ref();
        let scores = changed([base.tag, base.quarantine, base.reject], own);
        if let Some(change) = own {
            order(scores, [&change.tag, &change.quarantine, &change.reject], platform_span, report);
        }
        for (_, mailbox) in domain.mailboxes() {
            if let Some(change) = &mailbox.defense {
                let scores = changed(scores, Some(change));
                let around = own.map_or(platform_span, |own| own.span);
                order(scores, [&change.tag, &change.quarantine, &change.reject], around, report);
            }
        }
    }
}

fn changed(scores: [Score; 3], change: Option<&DefenseChange>) -> [Score; 3] {
    let Some(change) = change else { return scores };
    let [tag, quarantine, reject] = scores;
    let value = |score: &Option<Spanned<Score>>, before: Score| score.as_ref().map_or(before, |score| score.value);
    [value(&change.tag, tag), value(&change.quarantine, quarantine), value(&change.reject, reject)]
}

/// Tells of the first said score that is above the next one, or below the one before.
fn order(scores: [Score; 3], said: [&Option<Spanned<Score>>; 3], inherited: Span, report: &mut Report) {
    const NAMES: [&str; 3] = ["tag", "quarantine", "reject"];
    let [tag, quarantine, reject] = scores;
    let [said_tag, said_quarantine, said_reject] = said;
    let [name_tag, name_quarantine, name_reject] = NAMES;
    let pairs = [
        (name_tag, tag, said_tag, name_quarantine, quarantine, said_quarantine),
        (name_quarantine, quarantine, said_quarantine, name_reject, reject, said_reject),
    ];
    for (lower, low, low_said, higher, high, high_said) in pairs {
        // Where no scores are given at all, nothing is out of order.
        if low <= high || low == defaults::NEVER {
            continue;
        }
        // Two that stand beside each other were told where they are read; here one of them is inherited.
        let place = match (low_said, high_said) {
            (Some(place), None) | (None, Some(place)) => place,
            _ => continue,
        };
        report.tell(
            Problem::error(
                "compiler::scores-out-of-order",
                place.span,
                format!("`{lower}` ({low}) is above `{higher}` ({high}), so that it never has an effect"),
            )
            .label("out of order")
            .help(format!("let `{lower}` be at most `{higher}`"))
            .related(inherited, "the other score is from here"),
        );
    }
}
