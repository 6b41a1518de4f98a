//! Where the time went while an environment came up: what its log says of daemons and doors, beside when the verb began.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use comfy_table::Table;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::shown;

/// What happened, and how long after the verb began.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Moment {
    /// Seconds since the verb began.
    seconds: f64,
    /// What happened, as the log has it.
    event: String,
    /// The node, where it is one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// The daemon, where it is one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    daemon: Option<String>,
}

/// Events of the environment as a whole that end a stretch of its start.
const STRETCHES: [&str; 4] = ["environment begins", "nodes are begun", "every daemon behind a door is ready", LAST];

/// The last of them.
const LAST: &str = "every door answers";

/// How many hundredths of a second the log may be late.
const LATE: usize = 20;

/// Events of a daemon.
const STARTED: &str = "daemon started";
const READY: &str = "daemon ready";

/// Reads what an environment's log says of a start.
///
/// - `log`: the folder with the log.
/// - `begun`: when the verb began; what is older belongs to other starts.
pub(super) fn read(log: &Path, begun: Timestamp) -> Vec<Moment> {
    // The log is written by a thread of its own, which may be a moment late.
    for _ in 0..LATE {
        let moments = read_once(log, begun);
        if moments.iter().any(|moment| moment.event == LAST) {
            return moments;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    read_once(log, begun)
}

fn read_once(log: &Path, begun: Timestamp) -> Vec<Moment> {
    let mut moments = Vec::new();
    let mut each = |line: &str| {
        moments.extend(moment(line, begun));
        ControlFlow::Continue(())
    };
    // A log that cannot be read leaves the start as it was, and only this untold.
    let _ = environments::read_log(log, false, &mut each, &mut || ControlFlow::Break(()));
    moments
}

fn moment(line: &str, begun: Timestamp) -> Option<Moment> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    let event = text("event")?;
    if !STRETCHES.contains(&event.as_str()) && event != STARTED && event != READY {
        return None;
    }
    let time: Timestamp = text("time")?.parse().ok()?;
    let seconds = time.duration_since(begun).as_secs_f64();
    // The log counts in milliseconds.
    (seconds > -0.001).then(|| Moment { seconds, event, node: text("node"), daemon: text("process") })
}

/// Returns the stretches of a start, then its daemons in the order in which they were ready.
pub(super) fn tables(moments: &[Moment]) -> (Table, Table) {
    let mut stretches = shown::table(&["seconds", "since then"]);
    for moment in moments.iter().filter(|moment| STRETCHES.contains(&moment.event.as_str())) {
        stretches.add_row([format!("{:8.3}", moment.seconds), moment.event.clone()]);
    }
    let mut started = BTreeMap::new();
    let mut daemons = shown::table(&["started", "ready", "took", "node", "daemon"]);
    for moment in moments.iter().filter(|moment| moment.daemon.is_some()) {
        let whom = (moment.node.clone().unwrap_or_default(), moment.daemon.clone().unwrap_or_default());
        if moment.event == STARTED {
            started.insert(whom, moment.seconds);
        } else {
            let from = started.get(&whom).copied().unwrap_or(moment.seconds);
            let took = moment.seconds - from;
            daemons.add_row([
                format!("{from:8.3}"),
                format!("{:8.3}", moment.seconds),
                format!("{took:7.3}"),
                whom.0,
                whom.1,
            ]);
        }
    }
    (stretches, daemons)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_told_by_when_daemons_were_started_and_ready() {
        let begun: Timestamp = "2026-11-23T04:00:00Z".parse().unwrap();
        let lines = [
            r#"{"time":"2026-11-23T03:59:00.000Z","level":"info","event":"every door answers"}"#,
            r#"{"time":"2026-11-23T04:00:00.250Z","level":"info","event":"environment begins"}"#,
            r#"{"time":"2026-11-23T04:00:00.500Z","level":"info","node":"mx-1","event":"daemon started","process":"postfix"}"#,
            r#"{"time":"2026-11-23T04:00:00.750Z","level":"info","node":"mx-1","event":"connect from x","process":"postfix"}"#,
            r#"{"time":"2026-11-23T04:00:01.000Z","level":"info","node":"mx-1","event":"daemon ready","process":"postfix"}"#,
            "no JSON",
        ];
        let moments: Vec<Moment> = lines.iter().filter_map(|line| moment(line, begun)).collect();
        assert_eq!(moments.len(), 3);
        let (stretches, daemons) = tables(&moments);
        assert!(stretches.to_string().contains("0.250  environment begins"), "{stretches}");
        assert!(daemons.to_string().contains("0.500"), "{daemons}");
        assert!(daemons.to_string().contains("mx-1"), "{daemons}");
    }
}
