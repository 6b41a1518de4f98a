//! `call`: a method of the API, word for word.

use serde_json::Value;

use crate::scenarios::Trouble;
use crate::scenarios::settings::{Settings, wrong};
use crate::scenarios::stage::Play;

pub(super) fn call(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let method = settings.argument()?;
    let by = settings.needed("by")?;
    let body = settings.text("body").unwrap_or("{}");
    let fields: Value = serde_json::from_str(body).map_err(|_| wrong("`body` is no JSON"))?;
    let reply = match settings.flag("wrong-password") {
        true => play.call_with(by, "not-the-password", method, fields)?,
        false => play.call(by, method, fields)?,
    };
    let number = reply.json.get("error_number").and_then(Value::as_u64);
    let status: u64 = settings.read("status")?.unwrap_or(200);
    play.happens(match number {
        None => format!("HTTP {}", reply.status),
        Some(number) => format!("HTTP {} error {number}", reply.status),
    });
    let expected: Option<u64> = settings.read("error")?;
    play.expects(match expected {
        None => format!("HTTP {status}"),
        Some(number) => format!("HTTP {status} error {number}"),
    });
    if reply.status != status || number != expected {
        return Err(Trouble::Unmet(format!("the API answers {}: {}", reply.status, reply.text.trim())));
    }
    super::dialogue::holds(play, settings, &reply.text)
}
