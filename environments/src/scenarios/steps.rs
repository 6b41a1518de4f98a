//! The verbs: what each does, and what of it is told.

mod calls;
mod dialogue;
mod expect;
mod load;
mod provision;
mod send;
mod sign_in;
mod web;

use std::collections::BTreeMap;
use std::time::Instant;

use blueprint::scenario::Step;

use super::Trouble;
use super::hands::{Fault, Whom};
use super::settings::{Settings, wrong};
use super::stage::Play;

/// Carries a step out.
pub(super) fn carry_out(play: &mut Play<'_>, step: &Step, settings: &Settings<'_>) -> Result<(), Trouble> {
    let hands = play.stage.trial.hands;
    match step.verb.as_str() {
        "provision" => provision::provision(play, settings),
        "call" => calls::call(play, settings),
        "send" => send::send(play, settings),
        "fetch" => sign_in::fetch(play, settings),
        "sign-in" => sign_in::sign_in(play, settings),
        "browse" => web::browse(play, settings),
        "connect" => dialogue::connect(play, settings),
        "say" => dialogue::say(play, settings),
        "secure" => dialogue::secure(play, settings),
        "close" => dialogue::close(play, settings),
        "load" => load::load(play, settings),
        "expect" => expect::expect(play, settings),
        "release" => {
            let mailbox = settings.read("mailbox")?.ok_or_else(|| wrong("`release` names no mailbox"))?;
            let released = hands.release(&mailbox)?;
            play.happens(format!("{released} released"));
            Ok(())
        }
        "advance" => {
            let by: values::Duration = settings.argument()?.parse().map_err(|_| wrong("`advance` says no duration"))?;
            Ok(hands.advance(std::time::Duration::from_millis(by.as_milliseconds()))?)
        }
        "fault" => Ok(hands.fault(&fault(settings)?)?),
        "heal" => Ok(hands.heal(&whom(settings))?),
        "migrate" => Ok(hands.migrate(settings.needed("node")?, settings.needed("to")?)?),
        "evacuate" => Ok(hands.evacuate(settings.needed("host")?)?),
        verb @ ("snapshot" | "restore") => Err(Trouble::Skip(format!("no backend of this program can `{verb}` yet"))),
        other => Err(wrong(&format!("nobody knows the verb `{other}`"))),
    }
}

fn fault(settings: &Settings<'_>) -> Result<Fault, Trouble> {
    Ok(Fault {
        what: settings.argument()?.to_owned(),
        whom: whom(settings),
        after: settings.duration("at")?.unwrap_or_default(),
        lasts: settings.duration("lasts")?,
    })
}

/// Faults that happen while the step before them goes on.
#[derive(Debug, Default)]
pub(super) struct Arranged {
    /// When each happens, by its place in the scenario.
    due: BTreeMap<usize, Instant>,
}

impl Arranged {
    /// Arranges the faults that directly follow a step and happen so long after it began.
    ///
    /// - `place`: the step's place in the scenario.
    pub(super) fn arrange(&mut self, play: &Play<'_>, place: usize, following: &[Step]) -> Result<(), Trouble> {
        let began = Instant::now();
        for (offset, step) in following.iter().take_while(|step| step.verb == "fault").enumerate() {
            let fault = fault(&Settings::of(step))?;
            if fault.after.is_zero() {
                continue;
            }
            play.stage.trial.hands.fault(&fault)?;
            self.due.insert(place + 1 + offset, began + fault.after);
        }
        Ok(())
    }

    /// Tells whether a step is a fault that was arranged.
    pub(super) fn is_arranged(&self, place: usize) -> bool {
        self.due.contains_key(&place)
    }

    /// Waits until an arranged fault has happened, since what it is about may be over before.
    pub(super) fn await_fault(&self, place: usize) -> Result<(), Trouble> {
        while let Some(left) = self.due.get(&place).map(|due| due.saturating_duration_since(Instant::now()))
            && !left.is_zero()
        {
            std::thread::park_timeout(left);
        }
        Ok(())
    }
}

fn whom(settings: &Settings<'_>) -> Whom {
    let named = |name: &str| settings.text(name).map(str::to_owned);
    match (named("host"), named("node"), named("role")) {
        (Some(host), _, _) => Whom::Host(host),
        (_, Some(node), _) => Whom::Node(node),
        (_, _, Some(role)) => Whom::Role(role),
        _ => Whom::All,
    }
}
