//! What systemd's journal says of a machine's units: lines of daemons, and what became of them.
//!
//! Source: systemd.journal-fields(7); the identifiers of messages are those of systemd's `sd-messages.h`, told apart since texts are
//! for people and may change.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::Duration;

use serde::Deserialize;

use super::supervisor::Event;

/// How long a journal that cannot be followed is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// A unit has been started.
const STARTED: &str = "39f53479d3a045ac8e11786248231fbf";

/// A unit has taken its configuration over anew.
const RELOADED: &str = "7b05ebc668384222baa8881179cfda54";

/// A unit could not be started.
const NOT_STARTED: &str = "be02cf6855d2428ba40df7e9d022f03d";

/// A unit has failed.
const FAILED: &str = "d9b373ed55a64feb8242e02dbe79a49c";

/// One thing the journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Something was written.
    Line {
        /// The unit that wrote it, where it was one.
        unit: String,
        /// What it calls itself.
        name: String,
        /// The text.
        text: String,
    },
    /// A unit was started.
    Started(String),
    /// A unit took its configuration over.
    Reloaded(String),
    /// A unit failed.
    Failed {
        /// The unit.
        unit: String,
        /// How.
        how: String,
    },
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "MESSAGE", default)]
    message: serde_json::Value,
    #[serde(rename = "MESSAGE_ID", default)]
    identifier: String,
    #[serde(rename = "UNIT", default)]
    about: String,
    #[serde(rename = "UNIT_RESULT", default)]
    result: String,
    #[serde(rename = "_SYSTEMD_UNIT", default)]
    from: String,
    #[serde(rename = "SYSLOG_IDENTIFIER", default)]
    name: String,
}

/// Reads a line of `journalctl --output=json`; `None` for what is none, and for what says nothing.
pub(super) fn parse(line: &str) -> Option<Said> {
    let line: Line = serde_json::from_str(line).ok()?;
    let unit = line.about;
    match line.identifier.as_str() {
        STARTED if !unit.is_empty() => return Some(Said::Started(unit)),
        RELOADED if !unit.is_empty() => return Some(Said::Reloaded(unit)),
        FAILED if !unit.is_empty() => {
            let how = format!("failed: {}", if line.result.is_empty() { "no reason is known" } else { &line.result });
            return Some(Said::Failed { unit, how });
        }
        // The failure itself is told by the other message, or was told by the attempts before.
        NOT_STARTED => return None,
        _ => {}
    }
    // What is no text is written as a list of octets.
    let text = match line.message {
        serde_json::Value::String(text) => text,
        serde_json::Value::Array(octets) => {
            let octets = octets.iter().filter_map(|octet| u8::try_from(octet.as_u64()?).ok());
            String::from_utf8_lossy(&octets.collect::<Vec<u8>>()).into_owned()
        }
        _ => return None,
    };
    let text = text.trim_end().replace('\n', " ");
    (!text.is_empty()).then_some(Said::Line { unit: line.from, name: line.name, text })
}

/// Follows the journal of this boot from its beginning, for as long as the machine is on.
pub(super) fn follow(events: Sender<Event>) {
    let follow = move || {
        loop {
            let made = Command::new("/usr/bin/journalctl")
                .args(["--follow", "--lines=all", "--boot", "--quiet", "--no-pager", "--output=json"])
                .arg("--output-fields=MESSAGE,MESSAGE_ID,UNIT,UNIT_RESULT,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
            if let Ok(mut child) = made {
                let lines = child.stdout.take().map(|pipe| BufReader::new(pipe).split(b'\n'));
                for line in lines.into_iter().flatten().map_while(Result::ok) {
                    let said = parse(&String::from_utf8_lossy(&line));
                    if said.is_some_and(|said| events.send(Event::Said(said)).is_err()) {
                        return;
                    }
                }
                let _ = child.wait();
            }
            // There is no journal yet.
            std::thread::sleep(PAUSE);
        }
    };
    let _ = std::thread::Builder::new().name("journal".to_owned()).spawn(follow);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_starts_and_failures_are_told_apart() {
        let line = r#"{"MESSAGE":"starting the Postfix mail system","_SYSTEMD_UNIT":"postfix@-.service","SYSLOG_IDENTIFIER":"postfix/master","__CURSOR":"s=1"}"#;
        let said = Said::Line {
            unit: "postfix@-.service".to_owned(),
            name: "postfix/master".to_owned(),
            text: "starting the Postfix mail system".to_owned(),
        };
        assert_eq!(parse(line), Some(said));
        let started = format!(r#"{{"MESSAGE":"Started x.","MESSAGE_ID":"{STARTED}","UNIT":"x.service"}}"#);
        assert_eq!(parse(&started), Some(Said::Started("x.service".to_owned())));
        let failed =
            format!(r#"{{"MESSAGE":"x failed","MESSAGE_ID":"{FAILED}","UNIT":"x.service","UNIT_RESULT":"exit-code"}}"#);
        let how = "failed: exit-code".to_owned();
        assert_eq!(parse(&failed), Some(Said::Failed { unit: "x.service".to_owned(), how }));
        let octets = r#"{"MESSAGE":[104,105,10,255]}"#;
        assert!(matches!(parse(octets), Some(Said::Line { text, .. }) if text == "hi \u{fffd}"));
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_stumble(line in any::<String>(), text in any::<String>()) {
            let _ = parse(&line);
            let message = serde_json::json!({ "MESSAGE": text }).to_string();
            if let Some(Said::Line { text, .. }) = parse(&message) {
                prop_assert!(!text.contains('\n') && !text.is_empty());
            }
        }
    }
}
