//! `provision`: accounts are made, changed, deleted and brought back through the API.

use serde_json::{Map, Value, json};

use crate::scenarios::Trouble;
use crate::scenarios::settings::{Settings, wrong};
use crate::scenarios::stage::Play;

/// Attributes that are a setting's value as it stands.
const TEXTS: [(&str, &str); 4] =
    [("name", "name"), ("spam-folder", "spamfolder"), ("spam-tag", "spamtag"), ("sieve", "sieve")];
const LISTS: [(&str, &str); 4] =
    [("alias", "aliases"), ("forward", "forward_recipients"), ("allow", "allow"), ("block", "block")];
const FLAGS: [(&str, &str); 2] = [("restricted", "forward_option_restricted"), ("reject-spam", "reject_spam")];

pub(super) fn provision(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let address = settings.needed("mailbox")?;
    let by = match settings.text("by") {
        Some(by) => by.to_owned(),
        None => play.admin_of(address)?,
    };
    let must_fail = settings.flag("refused") || settings.text("error").is_some();
    let reply = if settings.flag("delete") {
        play.call(&by, "delete_user", json!({ "user": address }))?
    } else if settings.flag("restore") {
        play.call(&by, "restore_user", json!({ "user": address }))?
    } else {
        let mut attributes = attributes(settings)?;
        let is_forward = matches!(settings.text("kind"), Some("forward" | "filter"));
        let fresh = play.stage.known_password(address).is_none() && !is_forward && !must_fail;
        let password = play.stage.new_password(address);
        if fresh {
            play.transcript.hide(&password);
            attributes.insert("password".to_owned(), password.clone().into());
        }
        let reply = play.call(&by, "change_user", json!({ "user": address, "attributes": attributes }))?;
        if fresh && succeeded(&reply.json) {
            play.stage.set_password(address, &password);
        }
        reply
    };
    if settings.flag("delete") && succeeded(&reply.json) {
        // Whoever gets the address next gets another password; one who is brought back has the old one.
        play.happens("deleted");
    }
    let number = reply.json.get("error_number").and_then(Value::as_u64);
    play.happens(match number {
        None => "success".to_owned(),
        Some(number) => format!("error {number}"),
    });
    match (must_fail, succeeded(&reply.json)) {
        (false, true) => Ok(()),
        (false, false) => {
            play.expects("success");
            Err(Trouble::Unmet(format!("the API refuses it: {}", reply.text.trim())))
        }
        (true, true) => {
            play.expects("a refusal");
            Err(Trouble::Unmet("the API did it".to_owned()))
        }
        (true, false) => {
            let expected: Option<u64> = settings.read("error")?;
            if let Some(expected) = expected {
                play.expects(format!("error {expected}"));
                if number != Some(expected) {
                    return Err(Trouble::Unmet(format!("the API refuses it otherwise: {}", reply.text.trim())));
                }
            }
            Ok(())
        }
    }
}

fn succeeded(reply: &Value) -> bool {
    reply.get("success") == Some(&true.into())
}

fn attributes(settings: &Settings<'_>) -> Result<Map<String, Value>, Trouble> {
    let mut attributes = Map::new();
    let mut set = |name: &str, value: Value| {
        attributes.insert(name.to_owned(), value);
    };
    if let Some(kind) = settings.text("kind") {
        set("type", kind.into());
    }
    let quota: Option<values::ByteSize> = settings.read("quota")?;
    if let Some(quota) = quota {
        set("quota", quota.as_bytes().into());
    }
    let limit: Option<u64> = settings.read("send-limit")?;
    if let Some(limit) = limit {
        set("smtp_sent_limit", limit.into());
    }
    for (setting, attribute) in TEXTS {
        if let Some(text) = settings.text(setting) {
            set(attribute, text.into());
        }
    }
    for (setting, attribute) in LISTS {
        if settings.text(setting).is_some() {
            set(attribute, settings.list(setting).into());
        }
    }
    for (setting, attribute) in FLAGS {
        if settings.text(setting).is_some() {
            set(attribute, settings.flag(setting).into());
        }
    }
    if settings.text("forward").is_some() {
        set("delivery_forward", true.into());
    }
    if settings.text("keep").is_some() {
        set("delivery_local", settings.flag("keep").into());
    }
    if let Some(text) = settings.text("autoreply") {
        set("autoresponder", text.into());
        set("delivery_autoresponder", true.into());
    }
    if settings.flag("no-autoreply") {
        set("delivery_autoresponder", false.into());
    }
    if let Some(level) = settings.text("spam-level") {
        let level = match level {
            "high" => "High",
            "very-high" => "Very High",
            _ => "Normal",
        };
        set("spamlevel", level.into());
    }
    if let Some(spam) = settings.text("spam") {
        set("filterdelivery", spam.into());
    }
    if settings.text("suspend").is_some() {
        let state = if settings.flag("suspend") { "suspended" } else { "enabled" };
        for service in ["imap4", "pop3", "smtpin", "smtprelay", "smtprelay_webmail", "webmail"] {
            set(&format!("service_{service}"), state.into());
        }
    }
    for (setting, state) in [("off", "disabled"), ("on", "enabled")] {
        for service in settings.list(setting) {
            let service = match service {
                "imap" => "imap4",
                "pop3" => "pop3",
                "receiving" => "smtpin",
                "sending" => "smtprelay",
                "webmail" => "webmail",
                other => return Err(wrong(&format!("nobody knows the service `{other}`"))),
            };
            set(&format!("service_{service}"), state.into());
        }
    }
    Ok(attributes)
}
