//! A machine whose daemons systemd runs, as production's are: looked after by who starts nothing itself.
//!
//! What the supervisor tells of its daemons is told here of units, out of the journal and the kernel's table of ports. Changed trees
//! are taken over as `apply` would: files first, then reload or restart.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use blueprint::Process;
use rustix::process::{Pid, WaitOptions};

use super::daemon::{Consequence, consequence};
use super::journal::Said;
use super::protocol::{Order, Tidings};
use super::runs::Run;
use super::supervisor::{Event, Tell};
use super::{RECORD, listening, mounts, tree};

/// How often ports are looked at while a unit is not ready.
const LOOK: Duration = Duration::from_millis(400);

/// The machine's own systemctl.
const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// A unit with what is known of it.
struct Watched {
    plan: Process,
    started: bool,
    ready: bool,
    failures: u32,
}

impl Watched {
    fn new(plan: Process) -> Self {
        Self { plan, started: false, ready: false, failures: 0 }
    }
}

/// The machine's units.
pub(super) struct Watch {
    units: Vec<Watched>,
    tell: Tell,
    settled: bool,
}

impl Watch {
    pub(super) fn new(processes: Vec<Process>, tell: Tell) -> Self {
        Self { units: processes.into_iter().map(Watched::new).collect(), tell, settled: false }
    }

    /// Tells how units are until the machine is to be switched off, which it then begins.
    pub(super) fn run(&mut self, inbox: &Receiver<Event>) {
        loop {
            self.look();
            let patience = if self.settled { Duration::from_secs(3600) } else { LOOK };
            match inbox.recv_timeout(patience) {
                Ok(Event::Ordered(Some(Order::Converge { processes }))) => self.converge(processes),
                Ok(Event::Ordered(Some(Order::Awake(_)))) => self.tell_all(),
                Ok(Event::Ordered(Some(Order::Stop) | None)) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(Event::Said(said)) => self.hear(said),
                Ok(Event::Asked(run)) => begin_run(*run),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let _ = quiet(Command::new(SYSTEMCTL).args(["poweroff", "--no-block"])).status();
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::Line { unit, name, text } => {
                let own = self.units.iter().find(|watched| watched.plan.unit == unit);
                let process = own.map_or_else(
                    || name.split('/').next().unwrap_or_default().to_owned(),
                    |watched| watched.plan.name.clone(),
                );
                (self.tell)(Tidings::Line { process, text });
            }
            Said::Started(unit) => {
                for watched in self.units.iter_mut().filter(|watched| watched.plan.unit == unit) {
                    (watched.started, watched.ready) = (true, false);
                    self.settled = false;
                    (self.tell)(Tidings::Started { process: watched.plan.name.clone() });
                }
            }
            Said::Reloaded(unit) => {
                for watched in self.units.iter().filter(|watched| watched.plan.unit == unit) {
                    (self.tell)(Tidings::Reloaded { process: watched.plan.name.clone() });
                }
            }
            Said::Failed { unit, how } => {
                let hosts = listening::hosts(&std::fs::read_to_string("/etc/hosts").unwrap_or_default());
                for watched in self.units.iter_mut().filter(|watched| watched.plan.unit == unit) {
                    (watched.started, watched.ready) = (false, false);
                    // One that falls for want of what it needs is started again until that is there.
                    if watched.plan.after.iter().all(|target| listening::answers(target, &hosts)) {
                        watched.failures = watched.failures.saturating_add(1);
                    }
                    self.settled = false;
                    let process = watched.plan.name.clone();
                    (self.tell)(Tidings::Ended { process, how: how.clone(), failures: watched.failures });
                }
            }
        }
    }

    fn look(&mut self) {
        if self.units.iter().any(|watched| watched.started && !watched.ready) {
            let open = listening::ports();
            for watched in &mut self.units {
                if watched.started && !watched.ready && watched.plan.ready.iter().all(|port| open.contains(port)) {
                    (watched.ready, watched.failures) = (true, 0);
                    (self.tell)(Tidings::Ready { process: watched.plan.name.clone() });
                }
            }
        }
        let settled = self.units.iter().all(|watched| watched.ready || watched.plan.is_aside());
        if settled && !self.settled {
            (self.tell)(Tidings::Settled);
        }
        self.settled = settled;
    }

    /// Tells how every unit is, to who has not listened before.
    fn tell_all(&self) {
        for watched in self.units.iter().filter(|watched| watched.started) {
            let process = watched.plan.name.clone();
            (self.tell)(if watched.ready { Tidings::Ready { process } } else { Tidings::Started { process } });
        }
        if self.settled {
            (self.tell)(Tidings::Settled);
        }
    }

    /// Takes a changed tree over and lets the units notice.
    fn converge(&mut self, processes: Vec<Process>) {
        let root = Path::new("/");
        let changed = match tree::deliver(Path::new(mounts::TREE), root, &root.join(RECORD)) {
            Ok(changed) => changed,
            Err(failure) => return (self.tell)(Tidings::Failed { reason: failure.to_string() }),
        };
        (self.tell)(Tidings::Delivered { changed: changed.clone() });
        let mut before = std::mem::take(&mut self.units);
        let mut commands: Vec<(String, Vec<String>)> = Vec::new();
        let systemctl = |verb: &str, unit: &str| [SYSTEMCTL, verb, unit].map(str::to_owned).to_vec();
        if changed.iter().any(|path| path.starts_with("/etc/systemd/")) {
            commands.push(("systemd".to_owned(), [SYSTEMCTL, "daemon-reload"].map(str::to_owned).to_vec()));
        }
        for plan in processes {
            let Some(known) = before.iter().position(|watched| watched.plan.name == plan.name) else {
                commands.push((plan.name.clone(), systemctl("start", &plan.unit)));
                self.units.push(Watched::new(plan));
                continue;
            };
            let mut watched = before.remove(known);
            let same = watched.plan.unit == plan.unit
                && watched.plan.prepare == plan.prepare
                && (!plan.unit.starts_with("mailwright-")
                    || (watched.plan.command == plan.command && watched.plan.variables == plan.variables));
            match if same { consequence(&plan, &changed) } else { Consequence::Restart } {
                Consequence::Nothing => {}
                Consequence::Reload => {
                    commands.push((plan.name.clone(), plan.reload.clone().unwrap_or_default()));
                }
                Consequence::Restart => {
                    commands.push((plan.name.clone(), systemctl("restart", &plan.unit)));
                    // Until the journal says that it was started again.
                    (watched.started, watched.ready) = (false, false);
                }
            }
            watched.plan = plan;
            self.units.push(watched);
        }
        for gone in before {
            commands.push((gone.plan.name, systemctl("stop", &gone.plan.unit)));
        }
        self.settled = false;
        let tell = std::sync::Arc::clone(&self.tell);
        let carry_out = move || {
            for (process, command) in commands {
                let Some((program, arguments)) = command.split_first() else { continue };
                let reload = program != SYSTEMCTL;
                match quiet(Command::new(program).args(arguments)).status() {
                    Ok(status) if status.success() && reload => tell(Tidings::Reloaded { process }),
                    Ok(status) if status.success() => {}
                    Ok(status) => {
                        let text = format!("taking changed files over failed: `{}`: {status}", command.join(" "));
                        tell(Tidings::Line { process, text });
                    }
                    Err(error) => {
                        let text = format!("taking changed files over failed: {program}: {error}");
                        tell(Tidings::Line { process, text });
                    }
                }
            }
        };
        // A restart may wait for what this thread has to tell.
        let _ = std::thread::Builder::new().name("changes".to_owned()).spawn(carry_out);
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// Starts a command that somebody wants run, and tells how it ended.
fn begin_run(mut run: Run) {
    let made = run.command.spawn();
    let pid = made.as_ref().ok().and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?));
    let _ = run.started.send(made);
    let Some(pid) = pid else { return };
    let ended = run.ended;
    let wait = move || {
        let status = rustix::process::waitpid(Some(pid), WaitOptions::empty()).ok().flatten().map(|(_, status)| status);
        let signal = status.and_then(|status| status.terminating_signal()).map(|signal| 128 + signal);
        let _ = ended.send(status.and_then(|status| status.exit_status()).or(signal).unwrap_or(255));
    };
    let _ = std::thread::Builder::new().name("wait".to_owned()).spawn(wait);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::daemon::sample;
    use super::*;

    #[test]
    fn a_unit_is_ready_once_it_was_started_and_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Process { ready: vec![port], ..sample("knot", &["/bin/true"]) };
        let told = Arc::new(Mutex::new(Vec::new()));
        let board = Arc::clone(&told);
        let mut watch = Watch::new(vec![plan], Arc::new(move |tidings| board.lock().unwrap().push(tidings)));
        watch.look();
        assert_eq!(*told.lock().unwrap(), [], "something else may listen there");
        watch.hear(Said::Failed { unit: "knot.service".to_owned(), how: "failed: exit-code".to_owned() });
        watch.hear(Said::Started("other.service".to_owned()));
        watch.hear(Said::Started("knot.service".to_owned()));
        watch.look();
        let process = || "knot".to_owned();
        assert_eq!(
            *told.lock().unwrap(),
            [
                Tidings::Ended { process: process(), how: "failed: exit-code".to_owned(), failures: 1 },
                Tidings::Started { process: process() },
                Tidings::Ready { process: process() },
                Tidings::Settled,
            ]
        );
    }
}
