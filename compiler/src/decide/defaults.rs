//! What holds where a specification is silent and the language states no default of its own.

use blueprint::platform::{Defense, Greylist, Hookup, Unavailable, VirusAction};
use blueprint::roster::Colours;
use values::{ByteSize, Colour, Duration, Name, Score};

/// Scores of a defense that gives scores but says nothing about them.
const TAG: Score = thousandths(5_000);
const QUARANTINE: Score = thousandths(8_000);
const REJECT: Score = thousandths(15_000);

/// A score that no message reaches: what holds where no scores are given at all.
pub const NEVER: Score = thousandths(1_000_000_000);

const fn thousandths(count: i64) -> Score {
    match Score::from_thousandths(count) {
        Some(score) => score,
        None => Score::ZERO,
    }
}

/// Returns a defense that does nothing, for a platform that declares none.
pub fn no_defense() -> Defense {
    Defense {
        name: "none".parse().expect("a constant in kebab-case"),
        hookup: Hookup::Milter,
        tag: NEVER,
        quarantine: NEVER,
        reject: NEVER,
        subject: String::new(),
        virus: VirusAction::Reject,
        on_unavailable: Unavailable::Defer,
        virus_max_size: ByteSize::from_bytes(0),
        greylist: None,
        dnsbl: Vec::new(),
        sender_rate: None,
        address_rate: None,
    }
}

/// Returns the scores from which a message is tagged, put into the Spam folder and refused.
pub fn scores(spam: Option<&spec::model::Spam>) -> (Score, Score, Score) {
    let Some(spam) = spam else { return (NEVER, NEVER, NEVER) };
    let value = |score: &Option<spec::Spanned<Score>>, default| score.as_ref().map_or(default, |score| score.value);
    // One that is said moves those that are not out of its way, so that they keep their order.
    let tag = value(&spam.tag, spam.quarantine.as_ref().map_or(TAG, |score| score.value.min(TAG)));
    let quarantine = value(&spam.quarantine, QUARANTINE.max(tag));
    let reject = value(&spam.reject, REJECT.max(quarantine));
    (tag, quarantine, reject)
}

/// Returns a greylist that holds back every stranger where no score is said.
pub fn greylist(greylist: &spec::model::Greylist) -> Greylist {
    Greylist { above: greylist.above.as_ref().map_or(Score::ZERO, |score| score.value), delay: greylist.delay.value }
}

/// Returns the colours of a brand that says none: dark blue on white, 6.4 to 1 and better.
pub fn colours() -> Colours {
    Colours {
        primary: Colour::new(0x1f, 0x5f, 0xae),
        on_primary: Colour::new(0xff, 0xff, 0xff),
        background: Colour::new(0xff, 0xff, 0xff),
        text: Colour::new(0x1b, 0x1b, 0x1b),
    }
}

/// What happens to a mailbox or domain whose declaration is removed: suspended for thirty days, then destroyed.
pub fn on_removal() -> blueprint::roster::OnRemoval {
    blueprint::roster::OnRemoval { action: "suspend".to_owned(), hold: Duration::from_days(30) }
}

/// Whose namespace the operator's secrets are in.
pub fn operator() -> Name {
    super::secrets::OPERATOR.parse().expect("a constant in kebab-case")
}
