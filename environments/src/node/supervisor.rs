//! Starts a node's daemons, starts them again when they fall over, lets them notice changed files, ends them.
//!
//! One thread decides; others only wait for something (a process that ended, a line, an order, something that answers) and
//! report it through one queue.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use blueprint::Process;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus};

use super::daemon::{Consequence, Daemon, Stage, consequence};
use super::journal::Said;
use super::protocol::{Order, Tidings};
use super::runs::Run;
use super::tree::{Accounts, User};
use super::{listening, mounts, tree};

/// How often listening ports are looked at while a daemon is not ready yet, at first; looks grow rarer.
const LOOK: Duration = Duration::from_millis(10);

/// The rarest: looking takes time that daemons could use, which counts where their processor is emulated.
const RAREST_LOOK: Duration = Duration::from_millis(60);

/// How often something elsewhere is asked whether it answers yet, at first; attempts grow rarer.
const KNOCK: Duration = Duration::from_millis(10);

/// The rarest, until it has been waited for long: then at most a [`PATIENT`]th of that is lost by asking too rarely, since whoever
/// is waited for may be emulated on the same processor.
const RAREST_KNOCK: Duration = Duration::from_millis(60);

/// See [`RAREST_KNOCK`].
const PATIENT: u32 = 50;

/// How long after everything else what runs aside is started.
const ASIDE: Duration = Duration::from_secs(8);

/// How long daemons have to end by themselves.
const FAREWELL: Duration = Duration::from_secs(4);

/// When daemons that wait for others to leave are told not to.
const IMPATIENCE: Duration = Duration::from_millis(1200);

/// The longest line that is passed on in one piece, in bytes.
const LINE_BYTES: u64 = 8192;

/// Something that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// The tool said something; `None` when it is gone.
    Ordered(Option<Order>),
    /// A process ended.
    Ended(i32, WaitStatus),
    /// What a daemon needs answers.
    Answers(String),
    /// Somebody wants a command run.
    Asked(Box<Run>),
    /// The journal said something, where systemd runs the daemons.
    Said(Said),
}

/// Told what happens.
pub(super) type Tell = Arc<dyn Fn(Tidings) + Send + Sync>;

/// The node's daemons.
pub(super) struct Supervisor {
    root: PathBuf,
    daemons: Vec<Daemon>,
    accounts: Accounts,
    tell: Tell,
    events: Sender<Event>,
    /// Held while a process is made, so that one which cannot be started is not reaped by the wrong hand.
    making: Arc<Mutex<()>>,
    /// Commands that make daemons take files over, with the daemon's name.
    reloads: BTreeMap<i32, String>,
    /// Commands that somebody wants run, with whom to tell how they ended.
    runs: BTreeMap<i32, Sender<i32>>,
    settled: bool,
    /// How long until the next look at ports.
    look: Duration,
}

impl Supervisor {
    /// Takes over from here as the first process.
    ///
    /// - `root`: `/`, but for tests.
    pub(super) fn new(root: &Path, tell: Tell, events: Sender<Event>) -> Self {
        let making = Arc::new(Mutex::new(()));
        reap(Arc::clone(&making), events.clone());
        Self {
            root: root.to_owned(),
            daemons: Vec::new(),
            accounts: Accounts::of(root),
            tell,
            events,
            making,
            reloads: BTreeMap::new(),
            runs: BTreeMap::new(),
            settled: false,
            look: LOOK,
        }
    }

    /// Runs daemons until told to end, or until whoever tells is gone.
    pub(super) fn run(&mut self, processes: Vec<Process>, inbox: &Receiver<Event>) {
        self.daemons = processes.into_iter().map(Daemon::new).collect();
        for place in 0..self.daemons.len() {
            self.knock(place);
        }
        self.leave_out_aside();
        loop {
            self.advance();
            match inbox.recv_timeout(self.patience()) {
                Ok(Event::Ordered(Some(Order::Converge { processes }))) => self.converge(processes),
                Ok(Event::Ordered(Some(Order::Awake(_)))) => self.tell_all(),
                // Those come first, or go to others.
                Ok(Event::Ordered(Some(
                    Order::Begin(_) | Order::Join(_) | Order::Check { .. } | Order::Boot(_) | Order::Tree { .. },
                ))) => {}
                Ok(Event::Ordered(Some(Order::Stop) | None)) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(Event::Ended(pid, status)) => self.ended(pid, status),
                Ok(Event::Asked(run)) => self.begin_run(*run),
                Ok(Event::Answers(target)) => {
                    for daemon in &mut self.daemons {
                        daemon.needs.retain(|need| *need != target);
                    }
                }
                Ok(Event::Said(_)) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
        self.end(inbox);
    }

    /// Tells how every daemon is, to who has not listened before.
    fn tell_all(&self) {
        for daemon in &self.daemons {
            if let Stage::Running { ready, .. } = daemon.stage {
                let process = daemon.plan.name.clone();
                (self.tell)(if ready { Tidings::Ready { process } } else { Tidings::Started { process } });
            }
        }
        if self.settled {
            (self.tell)(Tidings::Settled);
        }
    }

    /// Starts a command that somebody wants run.
    fn begin_run(&mut self, mut run: Run) {
        let made = {
            let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            run.command.spawn()
        };
        if let Ok(pid) = made.as_ref().map(std::process::Child::id).map(i32::try_from)
            && let Ok(pid) = pid
        {
            self.runs.insert(pid, run.ended);
        }
        let _ = run.started.send(made);
    }

    /// Returns how long nothing has to be looked at.
    fn patience(&self) -> Duration {
        let now = Instant::now();
        let waits = self.daemons.iter().map(|daemon| match daemon.stage {
            Stage::Running { ready: false, .. } => self.look,
            Stage::Pausing(until) => until.saturating_duration_since(now).max(Duration::from_millis(1)),
            _ => Duration::from_secs(3600),
        });
        waits.min().unwrap_or(Duration::from_secs(3600))
    }

    /// Does what can be done now.
    fn advance(&mut self) {
        let now = Instant::now();
        for place in 0..self.daemons.len() {
            // One prepares at a time, in order: what comes later may need what is prepared before.
            let busy = self.daemons.iter().any(|daemon| matches!(daemon.stage, Stage::Preparing { .. }));
            let Some(daemon) = self.daemons.get(place) else { continue };
            match daemon.stage {
                // What runs aside is given a time when everything else is ready.
                Stage::Waiting if daemon.plan.is_aside() => {}
                Stage::Waiting if daemon.needs.is_empty() && !busy => self.begin(place, 0),
                Stage::Pausing(until) if until <= now && !busy => self.begin(place, 0),
                _ => {}
            }
        }
        if self.daemons.iter().any(|daemon| matches!(daemon.stage, Stage::Running { ready: false, .. })) {
            let open = listening::ports();
            self.look = (self.look * 5 / 4).min(RAREST_LOOK);
            for daemon in &mut self.daemons {
                if let Stage::Running { ready, .. } = &mut daemon.stage
                    && !*ready
                    && daemon.plan.ready.iter().all(|port| open.contains(port))
                {
                    *ready = true;
                    daemon.failures = 0;
                    (self.tell)(Tidings::Ready { process: daemon.plan.name.clone() });
                }
            }
        }
        let settled = self.daemons.iter().all(Daemon::is_settled);
        if settled && !self.settled {
            (self.tell)(Tidings::Settled);
            let later = now + ASIDE;
            for daemon in self.daemons.iter_mut().filter(|daemon| daemon.plan.is_aside()) {
                if let Stage::Waiting = daemon.stage {
                    daemon.stage = Stage::Pausing(later);
                }
            }
        }
        self.settled = settled;
    }

    /// Leaves out what runs aside and is not in the root file system: nothing of the platform depends on it.
    fn leave_out_aside(&mut self) {
        for daemon in self.daemons.iter_mut().filter(|daemon| daemon.plan.is_aside()) {
            let Some(program) = daemon.plan.command.first() else { continue };
            if !self.root.join(program.trim_start_matches('/')).exists() {
                let text = format!("left out: this root file system has no {program}");
                (self.tell)(Tidings::Line { process: daemon.plan.name.clone(), text });
                daemon.stage = Stage::Over;
            }
        }
    }

    /// Runs the next command before a daemon's start, or the daemon itself.
    fn begin(&mut self, place: usize, step: usize) {
        let Some(daemon) = self.daemons.get(place) else { return };
        let plan = daemon.plan.clone();
        let (command, user) = match plan.prepare.get(step) {
            Some(command) => (command, "root"),
            None => (&plan.command, plan.user.as_str()),
        };
        match self.spawn(&plan, command, user) {
            Ok(pid) => {
                let starts = step >= plan.prepare.len();
                if let Some(daemon) = self.daemons.get_mut(place) {
                    daemon.stage = match starts {
                        true => Stage::Running { pid, ready: false },
                        false => Stage::Preparing { step, pid },
                    };
                }
                if starts {
                    self.look = LOOK;
                    (self.tell)(Tidings::Started { process: plan.name });
                }
            }
            Err(error) => {
                let program = command.first().map(String::as_str).unwrap_or_default();
                self.fell(place, format!("could not be started: {program}: {error}"));
            }
        }
    }

    fn spawn(&self, plan: &Process, command: &[String], user: &str) -> std::io::Result<i32> {
        let missing = || std::io::Error::other("no command is given");
        let (program, arguments) = command.split_first().ok_or_else(missing)?;
        let root = User { uid: 0, gid: 0, home: "/root".to_owned() };
        let account = match user {
            "root" => &root,
            name => {
                self.accounts.user(name).ok_or_else(|| std::io::Error::other(format!("there is no user {name}")))?
            }
        };
        let mut made = match user {
            "root" => Command::new(program),
            // Supplementary groups are set by setpriv; the standard library clears them.
            _ => {
                let mut made = Command::new("/usr/bin/setpriv");
                made.args(["--reuid", &account.uid.to_string(), "--regid", &account.gid.to_string(), "--init-groups"]);
                made.arg("--").arg(program);
                made
            }
        };
        let (read, write) = std::io::pipe()?;
        // Daemons that open /dev/stdout by its name open it as themselves.
        std::os::unix::fs::fchown(&write, Some(account.uid), Some(account.gid))?;
        made.args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LANG", "C.UTF-8")
            .env("HOME", &account.home)
            .env("USER", user)
            .env("LOGNAME", user)
            .envs(&plan.variables)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(write.try_clone()?)
            .stderr(OwnedFd::from(write))
            .process_group(0);
        let child = {
            let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            made.spawn()?
        };
        // The command holds the pipe's other end, which must close when the daemon ends.
        drop(made);
        pass_on(read, plan.name.clone(), Arc::clone(&self.tell))?;
        i32::try_from(child.id()).map_err(std::io::Error::other)
    }

    fn ended(&mut self, pid: i32, status: WaitStatus) {
        if let Some(run) = self.runs.remove(&pid) {
            let signal = status.terminating_signal().map(|signal| 128 + signal);
            let _ = run.send(status.exit_status().or(signal).unwrap_or(255));
            return;
        }
        let how = described(status);
        let well = status.exit_status() == Some(0);
        if let Some(process) = self.reloads.remove(&pid) {
            if well {
                (self.tell)(Tidings::Reloaded { process });
            } else {
                (self.tell)(Tidings::Line { process, text: format!("taking changed files over failed: {how}") });
            }
            return;
        }
        let Some(place) = self.daemons.iter().position(|daemon| daemon.pid() == Some(pid)) else { return };
        let Some(daemon) = self.daemons.get_mut(place) else { return };
        match daemon.stage {
            Stage::Preparing { step, .. } if well => self.begin(place, step + 1),
            Stage::Preparing { step, .. } => {
                let words = daemon.plan.prepare.get(step).map(|command| command.join(" ")).unwrap_or_default();
                self.fell(place, format!("`{words}` {how}"));
            }
            Stage::Restarting { .. } => {
                daemon.stage = match daemon.plan.is_aside() {
                    true => Stage::Pausing(Instant::now()),
                    false => Stage::Waiting,
                };
                daemon.needs.clone_from(&daemon.plan.after);
                self.knock(place);
            }
            _ => self.fell(place, how),
        }
    }

    fn fell(&mut self, place: usize, how: String) {
        let Some(daemon) = self.daemons.get_mut(place) else { return };
        let _ = daemon.fall(Instant::now());
        self.settled = false;
        (self.tell)(Tidings::Ended { process: daemon.plan.name.clone(), how, failures: daemon.failures });
    }

    /// Asks until what a daemon needs answers.
    fn knock(&self, place: usize) {
        let Some(daemon) = self.daemons.get(place) else { return };
        let hosts = listening::hosts(&fs::read_to_string(self.root.join("etc/hosts")).unwrap_or_default());
        for target in daemon.needs.clone() {
            let (events, hosts) = (self.events.clone(), hosts.clone());
            let wait = move || {
                let (begun, mut pause) = (Instant::now(), KNOCK);
                while !listening::answers(&target, &hosts) {
                    std::thread::sleep(pause);
                    pause = (pause * 5 / 4).min(RAREST_KNOCK.max(begun.elapsed() / PATIENT));
                }
                let _ = events.send(Event::Answers(target));
            };
            // Without a thread the daemon waits for ever, which the tool sees and tells.
            let _ = std::thread::Builder::new().name("knock".to_owned()).stack_size(128 * 1024).spawn(wait);
        }
    }

    /// Takes a changed tree over and lets the daemons notice.
    fn converge(&mut self, processes: Vec<Process>) {
        let changed = match tree::deliver(Path::new(mounts::TREE), &self.root, &self.root.join(super::RECORD)) {
            Ok(changed) => changed,
            Err(failure) => return (self.tell)(Tidings::Failed { reason: failure.to_string() }),
        };
        self.accounts = Accounts::of(&self.root);
        (self.tell)(Tidings::Delivered { changed: changed.clone() });
        let mut before = std::mem::take(&mut self.daemons);
        for plan in processes {
            let known = before.iter().position(|daemon| daemon.plan.name == plan.name);
            let Some(known) = known else {
                self.daemons.push(Daemon::new(plan));
                self.knock(self.daemons.len() - 1);
                continue;
            };
            let mut daemon = before.remove(known);
            let same = daemon.plan.command == plan.command
                && daemon.plan.user == plan.user
                && daemon.plan.variables == plan.variables
                && daemon.plan.prepare == plan.prepare;
            let consequence = if same { consequence(&plan, &changed) } else { Consequence::Restart };
            daemon.plan = plan;
            self.daemons.push(daemon);
            self.notice(self.daemons.len() - 1, consequence);
        }
        for gone in before {
            signal(gone.pid(), Signal::TERM);
        }
        self.leave_out_aside();
        self.settled = false;
    }

    fn notice(&mut self, place: usize, consequence: Consequence) {
        let Some(daemon) = self.daemons.get_mut(place) else { return };
        let Stage::Running { pid, .. } = daemon.stage else { return };
        match consequence {
            Consequence::Nothing => {}
            Consequence::Restart => {
                daemon.stage = Stage::Restarting { pid };
                signal(Some(pid), parting(&daemon.plan));
            }
            Consequence::Reload => {
                let plan = daemon.plan.clone();
                let command = plan.reload.clone().unwrap_or_default();
                match self.spawn(&plan, &command, "root") {
                    Ok(pid) => {
                        self.reloads.insert(pid, plan.name);
                    }
                    Err(error) => {
                        let text = format!("taking changed files over failed: {error}");
                        (self.tell)(Tidings::Line { process: plan.name, text });
                    }
                }
            }
        }
    }

    /// Ends every daemon, the last one first.
    fn end(&mut self, inbox: &Receiver<Event>) {
        let begun = Instant::now();
        for daemon in self.daemons.iter().rev() {
            signal(daemon.pid(), parting(&daemon.plan));
        }
        let mut impatient = false;
        while begun.elapsed() < FAREWELL && self.daemons.iter().any(|daemon| daemon.pid().is_some()) {
            if let Ok(Event::Ended(pid, _)) = inbox.recv_timeout(Duration::from_millis(50))
                && let Some(daemon) = self.daemons.iter_mut().find(|daemon| daemon.pid() == Some(pid))
            {
                daemon.stage = Stage::Over;
            }
            if !impatient && begun.elapsed() > IMPATIENCE {
                impatient = true;
                for daemon in &self.daemons {
                    signal(daemon.pid(), Signal::INT);
                }
            }
        }
        for daemon in &self.daemons {
            signal(daemon.pid(), Signal::KILL);
        }
    }
}

/// Returns how a daemon is told to end.
///
/// - PostgreSQL takes SIGTERM as an order to wait for its clients, SIGINT as one to send them away
///   (PostgreSQL 15, "Shutting Down the Server").
fn parting(plan: &Process) -> Signal {
    let program = plan.command.first().and_then(|program| program.rsplit('/').next()).unwrap_or_default();
    if program == "postgres" { Signal::INT } else { Signal::TERM }
}

/// Signals a daemon with everything it has started in its group.
fn signal(pid: Option<i32>, signal: Signal) {
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // One that is gone already is what is wanted.
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}

fn described(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Reaps whatever ends, for this is the first process: daemons, their children and those whose parents are gone.
fn reap(making: Arc<Mutex<()>>, events: Sender<Event>) {
    let reaper = move || {
        loop {
            // Only looks, so that a process which is being made is not taken from the one who makes it.
            let seen = rustix::process::waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            match seen {
                // Nobody there: a first child that ends at once is noticed this much later.
                Err(rustix::io::Errno::CHILD) => std::thread::sleep(LOOK),
                Err(_) => {}
                Ok(_) => {
                    let _making = making.lock().unwrap_or_else(PoisonError::into_inner);
                    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
                        if events.send(Event::Ended(pid.as_raw_nonzero().get(), status)).is_err() {
                            return;
                        }
                    }
                }
            }
        }
    };
    // Without it nothing that ends is noticed; the node then says so by never being settled.
    let _ = std::thread::Builder::new().name("reaper".to_owned()).stack_size(128 * 1024).spawn(reaper);
}

/// Passes on what a daemon says, line by line.
pub(super) fn pass_on(from: impl Read + Send + 'static, process: String, tell: Tell) -> std::io::Result<()> {
    let read = move || {
        let mut lines = BufReader::new(from);
        let mut line = Vec::new();
        loop {
            line.clear();
            match lines.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if !text.is_empty() {
                tell(Tidings::Line { process: process.clone(), text });
            }
        }
    };
    std::thread::Builder::new().name("lines".to_owned()).stack_size(128 * 1024).spawn(read).map(drop)
}
