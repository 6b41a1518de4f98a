//! The verbs: what each does, and what of it is told.

mod calls;
mod dialogue;
mod expect;
mod load;
mod provision;
mod send;
mod sign_in;
mod web;

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
        "fault" => Ok(hands.fault(&Fault {
            what: settings.argument()?.to_owned(),
            whom: whom(settings),
            after: settings.duration("at")?.unwrap_or_default(),
            lasts: settings.duration("lasts")?,
        })?),
        "heal" => Ok(hands.heal(&whom(settings))?),
        verb @ ("migrate" | "evacuate" | "snapshot" | "restore") => {
            Err(Trouble::Skip(format!("no backend of this program can `{verb}` yet")))
        }
        other => Err(wrong(&format!("nobody knows the verb `{other}`"))),
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
