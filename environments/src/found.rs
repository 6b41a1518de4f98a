//! An environment as other processes find it: by repository and name, whether it runs or not.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use blueprint::{Blueprint, Launch, Roster};
use rustix::process::{Pid, Signal, kill_process};

use crate::backend::Backend;
use crate::description::{Description, State};
use crate::embedded;
use crate::failure::Failure;
use crate::files;
use crate::log::read_log;
use crate::namespace::{DaemonState, NodeState};
use crate::node;
use crate::probe::probe_all;
use crate::state::{Folder, Holder, Identity, Listed, Phase, Record, StateRoot};
use crate::vm::moves::{self, Moved, Relocation};

/// How often something that another process does is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// An environment that was brought up at least once, or is being brought up.
#[derive(Clone, Debug)]
pub struct Found {
    identity: Identity,
    folder: Folder,
    record: Option<Record>,
    holder: Option<Holder>,
}

/// A platform as it was last brought up.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What ran where.
    pub blueprint: Blueprint,
    /// Who used it.
    pub roster: Roster,
    /// How it was run; `None` where that was not written down.
    pub launch: Option<Launch>,
    /// The SHA-256 of each brand file by its key, in lower-case hexadecimal; `None` where that was not written down.
    pub brands: Option<BTreeMap<String, String>>,
    /// Whether there is anything to lose: accounts, and mail with them. Not so after a reset.
    pub holds_accounts: bool,
}

/// What `down` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It ran and has ended.
    Ended,
    /// It did not run.
    WasDown,
}

/// Returns an environment's state as it is now; `None` when it was never brought up.
pub fn find(root: &StateRoot, identity: &Identity) -> Result<Option<Found>, Failure> {
    let folder = root.folder(identity);
    if !folder.exists()? {
        return Ok(None);
    }
    look(identity.clone(), folder).map(Some)
}

/// Returns every environment of a user, sorted by name; those that cannot be read come with the failure.
pub fn list(root: &StateRoot) -> Result<Listed<Found, Failure>, Failure> {
    let listed = root.list()?.into_iter();
    Ok(listed
        .map(|(identity, folder)| {
            let found = folder.map_err(Failure::from).and_then(|folder| look(identity.clone(), folder));
            (identity, found)
        })
        .collect())
}

/// Whether a backend's nodes are systems of their own.
fn is_real(backend: &str) -> bool {
    [Backend::Namespace, Backend::Container, Backend::Vm].iter().any(|real| real.name() == backend)
}

fn blueprint_nodes(blueprint: &Blueprint) -> Vec<String> {
    blueprint.nodes.iter().map(|node| node.name.to_string()).collect()
}

fn look(identity: Identity, folder: Folder) -> Result<Found, Failure> {
    // The holder first: what it writes before it lets go is then read after.
    let holder = folder.holder()?;
    let record = folder.record()?;
    Ok(Found { identity, folder, record, holder })
}

impl Found {
    /// Returns which environment it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns its folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Returns whether a process serves it now.
    pub fn is_up(&self) -> bool {
        self.holder.is_some()
    }

    /// Returns the process that serves it now, when it can be told.
    pub fn process(&self) -> Option<u32> {
        self.holder.and_then(|holder| holder.process)
    }

    /// Returns what is on record, corrected by whether the process still lives, without asking any door.
    ///
    /// - Errors: it was never brought up; secrets or records cannot be read.
    pub fn description(&self) -> Result<Description, Failure> {
        let Some(record) = &self.record else {
            return Err(Failure::NeverUp { identity: self.identity.clone() });
        };
        let launch = self.folder.document::<Launch>("launch.json")?;
        let mut description = Description::of(record, launch.as_ref(), &self.folder.secrets()?);
        if !self.is_up() && matches!(record.phase, Phase::Starting | Phase::Ready) {
            description.state = State::Stopped;
            description.reason =
                Some("its process ended without being asked to; nothing that was answered is lost".to_owned());
        }
        Ok(description)
    }

    /// Returns how the environment is, after asking every door.
    ///
    /// - Errors: as [`Found::description`]. A door that does not answer is no error but said in the description.
    pub fn status(&self) -> Result<Description, Failure> {
        let mut description = self.description()?;
        let Some(record) = self.record.as_ref().filter(|record| self.is_up() && record.phase == Phase::Ready) else {
            return Ok(description);
        };
        let trust = embedded::trust(&self.folder.authority())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| Failure::Thread { thread: "probes", source })?;
        let problems = runtime.block_on(probe_all(&record.doors, &trust));
        for (door, problem) in description.doors.iter_mut().zip(problems) {
            door.answers = Some(problem.is_none());
            door.problem = problem;
        }
        if description.doors.iter().any(|door| door.answers == Some(false)) {
            description.state = State::Degraded;
        }
        Ok(description)
    }

    /// Returns whether it serves exactly this platform, run in this way.
    pub fn serves(&self, blueprint: &Blueprint, roster: &Roster, launch: &Launch) -> Result<bool, Failure> {
        let same = self.folder.document::<Launch>("launch.json")?.is_some_and(|recorded| recorded == *launch)
            && self.folder.document::<Blueprint>("blueprint.json")?.is_some_and(|recorded| recorded == *blueprint)
            && self.folder.document::<Roster>("roster.json")?.is_some_and(|recorded| recorded == *roster);
        Ok(same)
    }

    /// Returns the platform as it was last brought up; `None` when it never was.
    pub fn recorded(&self) -> Result<Option<Recorded>, Failure> {
        let (Some(blueprint), Some(roster)) =
            (self.folder.document("blueprint.json")?, self.folder.document("roster.json")?)
        else {
            return Ok(None);
        };
        let brands = self.folder.document("brands.json")?;
        let real = self.record.as_ref().is_some_and(|record| is_real(&record.backend));
        let nodes = blueprint_nodes(&blueprint);
        let keeps = nodes.iter().any(|node| {
            self.folder.node(node).join("state/var/lib").exists()
                || self.folder.machine(node).join("state.img").exists()
        });
        let holds_accounts = self.folder.directory().exists() || (real && keeps);
        let launch = self.folder.document("launch.json")?;
        Ok(Some(Recorded { blueprint, roster, launch, brands, holds_accounts }))
    }

    /// Returns how many bytes each mailbox holds, as far as this machine's own stores have it; nobody who serves them is disturbed.
    ///
    /// - Returns: nothing where the environment has no stores of its own that can be read.
    pub fn mailbox_use(&self, recorded: &Recorded) -> BTreeMap<values::MailAddress, u64> {
        let stores = recorded.blueprint.nodes.iter().filter(|node| node.role == blueprint::Role::Store);
        let folders = stores.map(|node| self.folder.node(node.name.as_str()).join(blueprint::Role::Store.name()));
        let addresses = || recorded.roster.mailboxes.iter().map(|mailbox| &mailbox.address);
        folders.filter_map(|folder| embedded::peek::used(&folder, addresses())).flatten().collect()
    }

    /// Returns the nodes of the platform as it was last brought up, by name, with their roles.
    pub fn nodes(&self) -> Result<Vec<(String, blueprint::Role)>, Failure> {
        let blueprint = self.folder.document::<Blueprint>("blueprint.json")?;
        let nodes = blueprint.map(|blueprint| blueprint.nodes).unwrap_or_default();
        Ok(nodes.into_iter().map(|node| (node.name.to_string(), node.role)).collect())
    }

    /// Returns how the nodes of real daemons are, after looking at each; empty where all nodes are in one process.
    ///
    /// - A daemon that should be ready and does not listen on all its ports is [`DaemonState::Started`].
    pub fn node_states(&self) -> Result<BTreeMap<String, NodeState>, Failure> {
        let path = self.folder.nodes_document();
        let nodes: Option<BTreeMap<String, NodeState>> =
            files::read_json(&path).map_err(crate::state::StateFailure::from)?;
        let mut nodes = nodes.filter(|_| self.is_up()).unwrap_or_default();
        for state in nodes.values_mut() {
            if state.machine {
                continue;
            }
            let open = node::ports_of(state.process);
            for daemon in state.daemons.values_mut().filter(|daemon| daemon.state == DaemonState::Ready) {
                if !daemon.ports.iter().all(|port| open.contains(port)) {
                    daemon.state = DaemonState::Started;
                }
            }
            state.settled = state.daemons.values().all(|daemon| daemon.state == DaemonState::Ready);
        }
        Ok(nodes)
    }

    /// Returns a command that runs inside a node, as root, with the caller's terminal.
    ///
    /// - Errors: the environment does not run, or has no such node with a system of its own.
    pub fn inside(&self, node: &str, command: &[String]) -> Result<std::process::Command, Failure> {
        let nodes = self.node_states()?;
        let Some(state) = nodes.get(node) else {
            return Err(Failure::NoSuchNode { node: node.to_owned(), nodes: nodes.into_keys().collect() });
        };
        if state.machine {
            let program =
                std::env::current_exe().map_err(|source| Failure::StartNode { node: node.to_owned(), source })?;
            let mut inside = std::process::Command::new(program);
            inside.args(["node", "--enter"]).arg(self.folder.machine(node)).arg("--").args(command);
            return Ok(inside);
        }
        let mut inside = std::process::Command::new("nsenter");
        inside
            .args(["--target", &state.process.to_string()])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--"])
            .args(command)
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root");
        Ok(inside)
    }

    /// Returns the accounts that no specification declares.
    ///
    /// - Errors: the directory cannot be read; of real daemons it answers while they run only.
    pub fn unmanaged(&self) -> Result<Vec<control::Unmanaged>, Failure> {
        let path = self.folder.directory();
        if path.exists() {
            let failed = |source| Failure::Thread { thread: "accounts", source };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
            return runtime
                .block_on(async {
                    let directory = control::Directory::open(
                        &path,
                        std::sync::Arc::new(|| 0),
                        std::sync::Arc::new(control::OsChance),
                    );
                    let directory = directory.await?;
                    let found = directory.unmanaged().await;
                    directory.close().await;
                    found
                })
                .map_err(|source| Failure::Directory { path: path.clone(), source });
        }
        let nodes = self.nodes()?;
        let Some((node, _)) = nodes.iter().find(|(_, role)| *role == blueprint::Role::Control) else {
            return Ok(Vec::new());
        };
        let ask = ["/usr/lib/mailwright/mailwright-serve", "unmanaged", "--config", "/etc/mailwright/serve.json"];
        let failed = |reason: String| Failure::Node { node: node.clone(), reason };
        let output = self.inside(node, &ask.map(str::to_owned))?.output();
        let output = output.map_err(|source| Failure::StartNode { node: node.clone(), source })?;
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|_| failed(format!("it did not tell its accounts: {last}")))
    }

    /// Stores an environment of virtual machines as it is now; it runs on.
    ///
    /// - Errors: it does not run, or not on machines; something cannot be stored, and nothing is then.
    pub fn save_snapshot(&self, name: &str) -> Result<crate::vm::snapshot::Snapshot, Failure> {
        let machines: BTreeMap<String, u32> = self
            .node_states()?
            .into_iter()
            .filter(|(_, state)| state.machine)
            .map(|(node, it)| (node, it.process))
            .collect();
        let refused =
            |reason: &str| crate::vm::MachineFailure::Snapshot { name: name.to_owned(), reason: reason.to_owned() };
        let blueprint = self.folder.document::<Blueprint>("blueprint.json")?;
        let (Some(blueprint), false) = (blueprint, machines.is_empty()) else {
            return Err(refused("the environment runs no virtual machines now").into());
        };
        if let Some((node, _)) = machines.iter().find(|(_, process)| **process == 0) {
            return Err(refused(&format!("{node} has no power")).into());
        }
        let digest = self.record.as_ref().map(|record| record.blueprint.clone()).unwrap_or_default();
        crate::vm::save(&self.folder, &blueprint.nodes, &machines, name, digest)
    }

    /// Returns the snapshots of the environment, sorted by name.
    pub fn snapshots(&self) -> Result<Vec<crate::vm::snapshot::Snapshot>, Failure> {
        crate::vm::snapshot::list(&self.folder)
    }

    /// Returns what is known of a snapshot.
    pub fn snapshot(&self, name: &str) -> Result<crate::vm::snapshot::Snapshot, Failure> {
        crate::vm::snapshot::read(&self.folder, name)
    }

    /// Removes a snapshot.
    pub fn remove_snapshot(&self, name: &str) -> Result<(), Failure> {
        crate::vm::snapshot::remove(&self.folder, name)
    }

    /// Hands the lines of its log to the caller, oldest first; see [`read_log`]. With `follow`, ends when the environment does.
    pub fn log_lines(&self, follow: bool, each: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Result<(), Failure> {
        let mut last = false;
        let mut idle = || {
            // One more look after the end, for what was written last.
            if std::mem::replace(&mut last, !matches!(self.folder.holder(), Ok(Some(_)))) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let read = read_log(&self.folder.log(), follow, each, &mut idle);
        Ok(read.map_err(crate::state::StateFailure::from)?)
    }

    /// Whether it can be changed while it runs: its nodes are systems of their own.
    pub fn converges(&self) -> bool {
        self.is_up() && self.record.as_ref().is_some_and(|record| is_real(&record.backend))
    }

    /// Asks the process that serves the environment to take the changed specification over, and waits until it has.
    ///
    /// - Returns: what it is then; with a reason when it could not, and serves the earlier specification still or half of this one.
    pub fn converge(&self, patience: Duration) -> Result<Description, Failure> {
        self.ask(Signal::USR1, patience)
    }

    /// Has machines move to other hosts while they run, by the process that serves them.
    ///
    /// - Returns: what has moved.
    /// - Errors: it does not run on machines, or one could not move; those before it have moved.
    pub fn relocate(&self, what: &Relocation, patience: Duration) -> Result<Vec<Moved>, Failure> {
        let refused = |reason: String| crate::vm::MachineFailure::Move { node: "nothing".to_owned(), reason };
        if !self.is_up() || self.record.as_ref().is_none_or(|record| record.backend != Backend::Vm.name()) {
            return Err(refused("the environment runs no virtual machines now".to_owned()).into());
        }
        self.folder.write_document(moves::ASKED, what)?;
        let told = self.ask(Signal::USR2, patience)?;
        match told.reason {
            None => Ok(self.folder.document(moves::MOVED)?.unwrap_or_default()),
            Some(reason) => Err(crate::vm::MachineFailure::Unmoved { reason }.into()),
        }
    }

    /// Asks the process that serves the environment for something by a signal, and waits until it has done or refused it.
    fn ask(&self, signal: Signal, patience: Duration) -> Result<Description, Failure> {
        let before = self.record.as_ref().map_or(0, |record| record.generation);
        let unknown = || Failure::UnknownProcess { identity: self.identity.clone() };
        let process = self.folder.holder()?.and_then(|holder| holder.process).ok_or_else(unknown)?;
        let pid = i32::try_from(process).ok().and_then(Pid::from_raw).ok_or_else(unknown)?;
        kill_process(pid, signal).map_err(|error| Failure::Signal { process, source: error.into() })?;
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            let now = look(self.identity.clone(), self.folder.clone())?;
            if !now.is_up() || now.record.as_ref().is_some_and(|record| record.generation > before) {
                return now.description();
            }
            std::thread::sleep(LOOK);
        }
        Err(Failure::DidNotEnd { process, seconds: patience.as_secs() })
    }

    /// Asks the process that serves the environment to end, and waits for it.
    ///
    /// - `patience`: how long it may take.
    /// - Errors: the process is not known for sure (nothing is done then), cannot be told, or does not end.
    pub fn stop(&self, patience: Duration) -> Result<Stopped, Failure> {
        // Looked at anew: between finding and ending, the number may have become somebody else's.
        let Some(holder) = self.folder.holder()? else {
            // A process that was killed has told its engine nothing.
            crate::container::sweep(&self.folder)?;
            return Ok(Stopped::WasDown);
        };
        let known = holder.process.and_then(|process| i32::try_from(process).ok().map(|number| (process, number)));
        let Some((process, Some(pid))) = known.map(|(process, number)| (process, Pid::from_raw(number))) else {
            return Err(Failure::UnknownProcess { identity: self.identity.clone() });
        };
        kill_process(pid, Signal::TERM).map_err(|error| Failure::Signal { process, source: error.into() })?;
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if self.folder.holder()?.is_none_or(|now| now.process.is_some_and(|other| other != process)) {
                return Ok(Stopped::Ended);
            }
            std::thread::sleep(LOOK);
        }
        Err(Failure::DidNotEnd { process, seconds: patience.as_secs() })
    }

    /// Throws away mail, accounts, queues and logs. The authority and the passwords stay.
    ///
    /// - Errors: it is up, or something cannot be removed.
    pub fn reset(&self) -> Result<(), Failure> {
        let lock = self.folder.lock()?;
        Ok(self.folder.reset(&lock)?)
    }
}

/// Waits until a process that was started to serve an environment has it ready, or has failed.
///
/// - `process`: that process; records of earlier ones do not count.
/// - `ended`: asked again and again whether the process has ended; says how, if so.
/// - Errors: it failed, ended or took too long.
pub fn await_ready(
    root: &StateRoot,
    identity: &Identity,
    process: u32,
    ended: &mut dyn FnMut() -> Option<String>,
    patience: Duration,
) -> Result<Description, Failure> {
    let deadline = Instant::now() + patience;
    let failed = |reason: String| Failure::DidNotComeUp { identity: identity.clone(), reason };
    loop {
        // Asked before looking: what it wrote before it ended counts.
        let end = ended();
        if let Some(found) = find(root, identity)?
            && let Some(record) = found.record.as_ref().filter(|record| record.process == process)
        {
            match record.phase {
                Phase::Ready if end.is_none() => return found.description(),
                Phase::Failed => return Err(failed(record.reason.clone().unwrap_or_default())),
                Phase::Starting | Phase::Ready | Phase::Stopped => {}
            }
        }
        if let Some(end) = end {
            return Err(failed(end));
        }
        if Instant::now() > deadline {
            return Err(failed(format!("it is not ready after {} s", patience.as_secs())));
        }
        std::thread::sleep(LOOK);
    }
}
