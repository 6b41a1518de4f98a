//! A machine that moves while it runs: another process takes its memory, its devices and its place on the switch, and whoever is
//! connected to it stays so.
//!
//! ```text
//!   running ── memory, while it goes on ──▶ beside it, standing still
//!   stands still ── the rest of it, its devices ──▶          frames for it are held
//!   ended                                           has its port, its disk, its sockets; goes on; frames are handed over
//! ```
//!
//! Hosts are processes of this machine here, and its state disk is the same file for both: as on hosts with a shared storage.
//! What goes wrong before the handover leaves the machine where it was. An emulated machine stands still for all of it: of
//! those that worked on meanwhile one was seen to fall over with memory that was not what it had written, which points at writes that
//! QEMU 7.2 does not notice while it emulates.
//!
//! Source: QEMU's "Migration framework" and the QMP reference of 7.2 (`migrate`, `pause-before-switchover`).

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use switch::{Port, Switch};

use super::machine::{self, Begins, Machine, MachineFailure, Power};
use super::qmp::Monitor;
use crate::failure::Failure;
use crate::files;
use crate::state::StateFailure;

/// The socket that memory goes through, in the machine's folder.
const ROAD: &str = "moving";

/// How long a machine may take to move.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a machine that takes its place may need to come to the switch.
const ARRIVAL: Duration = Duration::from_secs(20);

/// How often QEMU is asked how far it is.
const LOOK: Duration = Duration::from_millis(2);

/// How long a machine may stand still at most, as QEMU plans it, in milliseconds.
const STILL: u64 = 50;

/// The document that says what is to move, in the environment's folder.
pub(crate) const ASKED: &str = "move.json";

/// The document that says what has moved.
pub(crate) const MOVED: &str = "moved.json";

/// What is to move while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relocation {
    /// A node.
    Node {
        /// Its name.
        node: String,
        /// The host it goes to.
        to: String,
    },
    /// Every node of a host, each to the host with the fewest.
    Host {
        /// The host.
        host: String,
    },
}

/// A machine that has moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The node.
    pub node: String,
    /// The host it was on.
    pub from: String,
    /// The host it is on.
    pub to: String,
    /// How long it took in all, in milliseconds.
    pub milliseconds: u64,
    /// How long the machine stood still, in milliseconds.
    pub still_milliseconds: u64,
    /// How much of its memory went over, in bytes.
    pub bytes: u64,
}

/// A machine that has moved, as the process that it is now.
pub(super) struct Arrived {
    /// The process that it is now, and the socket that orders go to.
    pub(super) process: Child,
    pub(super) control: UnixStream,
    pub(super) milliseconds: u64,
    pub(super) still_milliseconds: u64,
    pub(super) bytes: u64,
}

/// A process that ends with this, unless it is taken out.
struct Newcomer(Option<Child>);

impl Drop for Newcomer {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Moves a machine that runs into another process.
///
/// - Returns: the process that it is now; the one it came from stands still, and is to be ended.
/// - Errors: the machine goes on where it was.
pub(super) fn go(machine: &Machine<'_>, power: &Power, switch: &Switch, port: Port) -> Result<Arrived, Failure> {
    let begun = Instant::now();
    let node = machine.node.name.as_str();
    let (child, control) = super::connect(machine.switch_on(power)?, machine.folder, node, Begins::Beside)?;
    let newcomer = Newcomer(Some(child));
    let live = power.accelerator.instead.is_none();
    let outcome = hand_over(machine.folder, node, (switch, port), live);
    if outcome.is_err() {
        stay(machine.folder, node, switch, port);
    }
    let (still, bytes) = outcome?;
    let mut newcomer = newcomer;
    let process = newcomer.0.take().ok_or_else(|| lost(node))?;
    Ok(Arrived {
        process,
        control,
        milliseconds: milliseconds(begun.elapsed()),
        still_milliseconds: milliseconds(still),
        bytes,
    })
}

fn lost(node: &str) -> Failure {
    MachineFailure::Move { node: node.to_owned(), reason: "the process it moves to is gone".to_owned() }.into()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Carries memory and devices over, and passes the port on.
///
/// - `live`: whether the machine works on meanwhile.
/// - Returns: how long the machine stood still, and how much went over.
fn hand_over(
    folder: &Path,
    node: &str,
    (switch, port): (&Switch, Port),
    live: bool,
) -> Result<(Duration, u64), Failure> {
    let failed = |reason: String| Failure::from(MachineFailure::Move { node: node.to_owned(), reason });
    files::remove(&folder.join(ROAD)).map_err(StateFailure::from)?;
    let mut to = Monitor::open_of(folder, node, Begins::Beside)?;
    let mut from = Monitor::open(folder, node)?;
    let arrival = Instant::now() + ARRIVAL;
    while !switch.is_awaited(port) {
        if Instant::now() > arrival {
            return Err(failed("its new place does not reach the switch".to_owned()));
        }
        std::thread::sleep(LOOK);
    }
    // Memory that others can read would stay out of the stream; another process needs it.
    let capability = |name: &str, state: bool| json!({ "capability": name, "state": state });
    for monitor in [&mut to, &mut from] {
        let both = [capability("x-ignore-shared", false), capability("pause-before-switchover", live)];
        monitor.ask("migrate-set-capabilities", &json!({ "capabilities": both }))?;
    }
    to.ask("migrate-incoming", &json!({ "uri": format!("unix:{ROAD}") }))?;
    from.ask("migrate-set-parameters", &json!({ "max-bandwidth": 10_000_000_000_u64, "downtime-limit": STILL }))?;
    let mut stopped = None;
    if !live {
        switch.hold(port, true);
        stopped = Some(Instant::now());
        from.ask("stop", &json!({}))?;
    }
    from.ask("migrate", &json!({ "uri": format!("unix:{ROAD}") }))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let about = from.ask("query-migrate", &json!({}))?;
        let passes = about.pointer("/ram/dirty-sync-count").and_then(Value::as_u64).unwrap_or(0);
        match about.get("status").and_then(Value::as_str) {
            Some("completed") => break,
            Some("pre-switchover") => {
                switch.hold(port, true);
                stopped = Some(Instant::now());
                from.ask("migrate-continue", &json!({ "state": "pre-switchover" }))?;
            }
            Some("failed" | "cancelled") => {
                let said = about.get("error-desc").and_then(Value::as_str).unwrap_or("QEMU did not say why");
                return Err(failed(said.to_owned()));
            }
            _ if Instant::now() > deadline => {
                return Err(failed(format!("it took longer than {} s", PATIENCE.as_secs())));
            }
            // What is left is little: frames that come now are kept for the new place.
            _ if passes > 1 => switch.hold(port, true),
            _ => {}
        }
        std::thread::sleep(LOOK);
    }
    let about = from.ask("query-migrate", &json!({}))?;
    let bytes = about.pointer("/ram/transferred").and_then(Value::as_u64).unwrap_or(0);
    arrived(&mut to, &failed)?;
    if !switch.pass_on(port) {
        return Err(failed("the switch does not reach its new place".to_owned()));
    }
    to.ask("cont", &json!({}))?;
    switch.hold(port, false);
    let still = stopped.map(|stopped: Instant| stopped.elapsed()).unwrap_or_default();
    // Nobody looks for it by another name from now on; one that cannot be renamed is found by its old name no more.
    machine::take_place(folder).map_err(|error| failed(error.to_string()))?;
    let _ = files::remove(&folder.join(ROAD));
    Ok((still, bytes))
}

/// Waits until the new place has all of it.
fn arrived(to: &mut Monitor, failed: &dyn Fn(String) -> Failure) -> Result<(), Failure> {
    let deadline = Instant::now() + ARRIVAL;
    loop {
        let status = to.ask("query-status", &json!({}))?;
        match status.get("status").and_then(Value::as_str) {
            Some("inmigrate") if Instant::now() < deadline => std::thread::sleep(LOOK),
            Some("paused" | "prelaunch" | "postmigrate" | "running") => return Ok(()),
            other => return Err(failed(format!("its new place does not go on: {}", other.unwrap_or("it is silent")))),
        }
    }
}

/// Has a machine go on where it was.
fn stay(folder: &Path, node: &str, switch: &Switch, port: Port) {
    switch.send_away(port);
    if let Ok(mut from) = Monitor::open(folder, node) {
        let _ = from.ask("migrate_cancel", &json!({}));
        let deadline = Instant::now() + ARRIVAL;
        // It gives its disk back to itself before it can go on.
        while from.ask("cont", &json!({})).is_err() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
    }
    switch.hold(port, false);
    let _ = files::remove(&folder.join(ROAD));
}
