//! The nodes as the tool sees them: a process in namespaces of its own for each, which takes orders and tells what happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::faults::await_gone;
use crate::failure::Failure;
use crate::files;
use crate::log::{Entry, Level, Log};
use crate::node::{Order, Plan, Tidings};

/// Lines of a daemon that are kept to be shown when it fails.
const LAST_LINES: usize = 12;

/// Falls of a daemon that was never ready since, after which nobody waits for it any longer.
const PATIENCE_FALLS: u32 = 6;

/// How long a process has to come up in its namespaces.
const ARRIVAL: Duration = Duration::from_secs(10);

/// How often who waits asks whether it is still wanted.
const SLICE: Duration = Duration::from_millis(200);

/// How long nodes in namespaces have to end.
pub(crate) const FAREWELL: Duration = Duration::from_secs(8);

/// How a daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DaemonState {
    /// It waits for what it needs, or prepares.
    Waiting,
    /// It was started.
    Started,
    /// It listens on all it promises.
    Ready,
    /// It ended by itself and will be started again.
    Fallen,
}

impl DaemonState {
    /// Returns the word that tables show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Fallen => "fallen",
        }
    }
}

/// How a node is, as its process has told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// Its first process, as the machine counts; 0 before it is there.
    pub process: u32,
    /// Whether its first process has said that it is there.
    #[serde(default)]
    pub here: bool,
    /// Whether every daemon is ready.
    pub settled: bool,
    /// Whether it is begun after the doors answer, and has not been ready yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub later: bool,
    /// Whether it is a machine with a kernel of its own, so that nothing of it can be seen from outside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub machine: bool,
    /// The host it has moved to; `None` where it is still on the one it was placed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Why it could not become or stay what it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Its daemons, by name.
    pub daemons: BTreeMap<String, DaemonStatus>,
}

impl NodeState {
    /// Whether it is still on its way, as is meant: nobody's door leads to it, and nothing has gone wrong.
    pub fn is_coming(&self) -> bool {
        self.later && self.failed.is_none() && self.daemons.values().all(|daemon| daemon.failures < PATIENCE_FALLS)
    }
}

/// How a daemon is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// How far it is.
    pub state: DaemonState,
    /// How often it has ended by itself since it was ready last.
    pub failures: u32,
    /// How it ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
    /// TCP ports it listens on when it is ready.
    pub ports: Vec<u16>,
}

/// What is known of all nodes, and a bell that rings when it changes.
#[derive(Default)]
struct Board {
    known: Mutex<Known>,
    changed: Condvar,
}

#[derive(Default)]
struct Known {
    nodes: BTreeMap<String, NodeState>,
    lines: BTreeMap<(String, String), VecDeque<String>>,
    /// Nodes that have taken their tree over since they were told to last, with what has changed.
    delivered: BTreeMap<String, Vec<String>>,
    /// Falls of daemons since they were ready last that nobody minds, by node and daemon.
    forgiven: BTreeMap<(String, String), u32>,
    /// Nodes whose process is gone.
    gone: Vec<String>,
    /// Nodes that are taken away on purpose.
    away: BTreeSet<String>,
    /// Nothing that ends is news any more.
    ending: bool,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a node is spoken to by.
pub(crate) struct Streams<T, E> {
    /// Takes orders.
    pub(crate) orders: Box<dyn Write + Send + Sync>,
    /// Gives tidings.
    pub(crate) tidings: T,
    /// What goes wrong beside that.
    pub(crate) errors: E,
}

/// What a node lives in.
pub(crate) trait Body: Send + Sync {
    /// Whether it is gone.
    fn has_ended(&mut self) -> bool;

    /// Ends it at once, and everything in it.
    fn end(&mut self);
}

impl Body for Child {
    fn has_ended(&mut self) -> bool {
        !matches!(self.try_wait(), Ok(None))
    }

    fn end(&mut self) {
        // One that is gone already is what is wanted.
        let _ = self.kill();
        let _ = self.wait();
    }
}

/// The nodes of an environment.
pub(crate) struct Agents {
    agents: Vec<Agent>,
    board: Arc<Board>,
    status: PathBuf,
    origin: Option<Origin>,
}

/// What processes of nodes are made from.
#[derive(Clone)]
struct Origin {
    program: PathBuf,
    log: Log,
    broke: tokio::sync::watch::Sender<Option<String>>,
}

struct Agent {
    node: String,
    body: Box<dyn Body>,
    orders: Box<dyn Write + Send + Sync>,
    reader: JoinHandle<()>,
}

impl Agents {
    /// Starts a process for each node, in namespaces of its own.
    ///
    /// - `program`: this program.
    /// - `status`: where how the nodes are is written down for others to read.
    pub(crate) fn start(
        program: &Path,
        nodes: &[&str],
        status: PathBuf,
        log: &Log,
        broke: &tokio::sync::watch::Sender<Option<String>>,
    ) -> Result<Self, Failure> {
        let origin = Some(Origin { program: program.to_owned(), log: log.clone(), broke: broke.clone() });
        let mut started = Self { agents: Vec::new(), board: Arc::new(Board::default()), status, origin };
        for node in nodes {
            started.agents.push(started.one(program, node, log, broke)?);
        }
        Ok(started)
    }

    fn one(
        &self,
        program: &Path,
        node: &str,
        log: &Log,
        broke: &tokio::sync::watch::Sender<Option<String>>,
    ) -> Result<Agent, Failure> {
        let failed = |source| Failure::StartNode { node: node.to_owned(), source };
        let mut child = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private"])
            .arg("--")
            .arg(program)
            .arg("node")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Out of the terminal's group: the tool ends its nodes itself.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let taken = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(orders), Some(tidings), Some(errors)) = taken else {
            return Err(failed(std::io::Error::other("its process has no pipes")));
        };
        let streams = Streams { orders: Box::new(orders), tidings, errors };
        self.attach(node, Box::new(child), streams, log, broke)
    }

    /// Makes ready for machines or containers, of which there are none yet.
    pub(crate) fn none_yet(status: PathBuf) -> Self {
        Self { agents: Vec::new(), board: Arc::new(Board::default()), status, origin: None }
    }

    /// Takes a machine that was just switched on.
    pub(crate) fn add_machine(
        &mut self,
        node: &str,
        child: Child,
        streams: Streams<impl Read + Send + 'static, impl Read + Send + 'static>,
        log: &Log,
        broke: &tokio::sync::watch::Sender<Option<String>>,
    ) -> Result<(), Failure> {
        let state = NodeState { process: child.id(), machine: true, ..NodeState::default() };
        self.add(node, state, Box::new(child), streams, log, broke)
    }

    /// Has a machine that has moved go on in another process; the one it came from is ended.
    pub(crate) fn replace_machine(
        &mut self,
        node: &str,
        child: Child,
        streams: Streams<impl Read + Send + 'static, impl Read + Send + 'static>,
        log: &Log,
        broke: &tokio::sync::watch::Sender<Option<String>>,
    ) -> Result<(), Failure> {
        let process = child.id();
        // Whoever waits for the node goes on waiting: that the old process ends is no news.
        self.board.lock().away.insert(node.to_owned());
        if let Some(place) = self.agents.iter().position(|agent| agent.node == node) {
            let mut old = self.agents.remove(place);
            old.body.end();
            let _ = old.reader.join();
        }
        let agent = self.attach(node, Box::new(child), streams, log, broke)?;
        self.agents.push(agent);
        let mut known = self.board.lock();
        known.away.remove(node);
        if let Some(state) = known.nodes.get_mut(node) {
            state.process = process;
        }
        write_status(&self.status, &known);
        Ok(())
    }

    /// Says on which host a node is now.
    pub(crate) fn stands_on(&self, node: &str, host: &str) {
        let mut known = self.board.lock();
        if let Some(state) = known.nodes.get_mut(node) {
            state.host = Some(host.to_owned());
        }
        write_status(&self.status, &known);
    }

    /// Takes a node that lives in something of its own.
    pub(crate) fn add(
        &mut self,
        node: &str,
        state: NodeState,
        body: Box<dyn Body>,
        streams: Streams<impl Read + Send + 'static, impl Read + Send + 'static>,
        log: &Log,
        broke: &tokio::sync::watch::Sender<Option<String>>,
    ) -> Result<(), Failure> {
        self.board.lock().nodes.insert(node.to_owned(), state);
        let agent = self.attach(node, body, streams, log, broke)?;
        self.agents.push(agent);
        Ok(())
    }

    /// Listens to a node.
    fn attach(
        &self,
        node: &str,
        body: Box<dyn Body>,
        streams: Streams<impl Read + Send + 'static, impl Read + Send + 'static>,
        log: &Log,
        broke: &tokio::sync::watch::Sender<Option<String>>,
    ) -> Result<Agent, Failure> {
        let failed = |source| Failure::StartNode { node: node.to_owned(), source };
        let Streams { orders, tidings, errors } = streams;
        let reader = Reader {
            node: node.to_owned(),
            board: Arc::clone(&self.board),
            log: log.clone(),
            status: self.status.clone(),
            broke: broke.clone(),
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024);
        let reader = thread("tidings").spawn(move || reader.read(BufReader::new(tidings))).map_err(failed)?;
        let (log, name) = (log.clone(), node.to_owned());
        let complain = move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                log.write(Entry::now(Level::Error, Some(&name), &line).with("process", "node"));
            }
        };
        thread("complaints").spawn(complain).map_err(failed)?;
        Ok(Agent { node: node.to_owned(), body, orders, reader })
    }

    /// Kills a node with everything in it, as a lack of power does; nobody takes it for broken.
    pub(crate) fn cut_power(&mut self, node: &str) {
        let Some(place) = self.agents.iter().position(|agent| agent.node == node) else { return };
        let mut agent = self.agents.remove(place);
        let mut known = self.board.lock();
        known.away.insert(node.to_owned());
        let process = known.nodes.get_mut(node).map_or(0, |state| std::mem::take(&mut state.process));
        drop(known);
        agent.body.end();
        // What it has mounted is free once its first process is gone.
        await_gone(process);
        let _ = agent.reader.join();
        let mut known = self.board.lock();
        if let Some(state) = known.nodes.get_mut(node) {
            *state = NodeState { machine: state.machine, host: state.host.take(), ..NodeState::default() };
        }
        known.forgiven.retain(|(of, _), _| of != node);
        write_status(&self.status, &known);
    }

    /// Starts the process of a node that was killed once more.
    pub(super) fn again(&mut self, node: &str) -> Result<(), Failure> {
        let Some(Origin { program, log, broke }) = self.origin.clone() else { return Ok(()) };
        self.is_back(node);
        let agent = self.one(&program, node, &log, &broke)?;
        self.agents.push(agent);
        Ok(())
    }

    /// Takes note that a node which was taken away on purpose comes back.
    pub(crate) fn is_back(&self, node: &str) {
        self.board.lock().away.remove(node);
    }

    /// Returns a node's first process, as the machine counts; `None` where it is not there.
    pub(crate) fn process(&self, node: &str) -> Option<u32> {
        self.board.lock().nodes.get(node).map(|state| state.process).filter(|process| *process != 0)
    }

    /// Waits until every process is in its namespaces; returns them in order, as the machine counts.
    pub(crate) fn arrivals(&self) -> Result<Vec<u32>, Failure> {
        let deadline = Instant::now() + ARRIVAL;
        self.await_all(deadline, |known, node| known.nodes.get(node).is_some_and(|state| state.process != 0))?;
        let known = self.board.lock();
        let process = |agent: &Agent| known.nodes.get(&agent.node).map_or(0, |state| state.process);
        Ok(self.agents.iter().map(process).collect())
    }

    /// Waits until at most so many nodes have been switched on and have not said that they are there.
    ///
    /// - `go_on`: whether anybody still wants it.
    pub(crate) fn await_few(&self, most: usize, patience: Duration, go_on: &dyn Fn() -> bool) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        let mut known = self.board.lock();
        loop {
            if let Some(failure) = known.trouble() {
                return Err(failure);
            }
            if !go_on() {
                return Err(Failure::Interrupted);
            }
            let coming = |agent: &&Agent| known.nodes.get(&agent.node).is_none_or(|state| !state.here);
            let late: Vec<&Agent> = self.agents.iter().filter(coming).collect();
            let Some(first) = late.first().filter(|_| late.len() > most) else { return Ok(()) };
            let now = Instant::now();
            if now >= deadline {
                return Err(known.lateness(&first.node, patience));
            }
            let slice = (deadline - now).min(SLICE);
            known = self.board.changed.wait_timeout(known, slice).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until at most so many nodes have not come to rest, or the time is up: they may need others.
    pub(crate) fn await_calm(&self, most: usize, patience: Duration, go_on: &dyn Fn() -> bool) {
        let deadline = Instant::now() + patience;
        let mut known = self.board.lock();
        loop {
            let restless = |agent: &&Agent| known.nodes.get(&agent.node).is_none_or(|state| !state.settled);
            let now = Instant::now();
            let calm = self.agents.iter().filter(restless).count() < most.max(1);
            if calm || now >= deadline || !go_on() || known.trouble().is_some() {
                return;
            }
            let slice = (deadline - now).min(SLICE);
            known = self.board.changed.wait_timeout(known, slice).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Notes of nodes that nobody waits for them.
    pub(crate) fn let_wait(&self, nodes: &BTreeSet<String>) {
        let mut known = self.board.lock();
        for node in nodes {
            known.nodes.entry(node.clone()).or_default().later = true;
        }
    }

    /// Tells a node what it is.
    pub(crate) fn begin(&mut self, plan: Plan) -> Result<(), Failure> {
        let node = plan.node.clone();
        self.expect(&node, &plan.processes);
        self.tell(&node, &Order::Begin(Box::new(plan)))
    }

    /// Tells a node that its tree has changed, and what is to run.
    pub(crate) fn converge(&mut self, node: &str, processes: Vec<blueprint::Process>) -> Result<(), Failure> {
        self.board.lock().delivered.remove(node);
        self.expect(node, &processes);
        self.tell(node, &Order::Converge { processes })
    }

    /// Puts on the board what is to run on a node.
    pub(crate) fn expect(&self, node: &str, processes: &[blueprint::Process]) {
        let mut known = self.board.lock();
        let state = known.nodes.entry(node.to_owned()).or_default();
        let before = std::mem::take(&mut state.daemons);
        // Nobody waits for what runs aside; the log tells of it.
        for process in processes.iter().filter(|process| !process.is_aside()) {
            let new =
                DaemonStatus { state: DaemonState::Waiting, failures: 0, how: None, ports: process.ready.clone() };
            let status = before.get(&process.name).cloned().unwrap_or(new);
            state.daemons.insert(process.name.clone(), DaemonStatus { ports: process.ready.clone(), ..status });
        }
        state.settled = false;
    }

    /// Gives a node an order.
    pub(crate) fn tell(&mut self, node: &str, order: &Order) -> Result<(), Failure> {
        let failed = |source| Failure::StartNode { node: node.to_owned(), source };
        let Some(agent) = self.agents.iter_mut().find(|agent| agent.node == node) else { return Ok(()) };
        let mut line = serde_json::to_vec(order).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        agent.orders.write_all(&line).and_then(|()| agent.orders.flush()).map_err(failed)
    }

    /// Waits until every daemon of every node is ready.
    ///
    /// - Errors: a node failed, a daemon keeps falling over, or the time is up; with what it said last.
    pub(crate) fn await_settled(&self, patience: Duration) -> Result<(), Failure> {
        self.await_settled_but(&BTreeSet::new(), patience, &|| true)
    }

    /// Whether every daemon of every node is ready.
    ///
    /// - Errors: a node failed, or a daemon keeps falling over.
    pub(crate) fn are_settled(&self) -> Result<bool, Failure> {
        let trouble = self.board.lock().trouble();
        match trouble {
            Some(failure) => Err(failure),
            None => Ok(self.agents.iter().all(|agent| self.is_settled(&agent.node))),
        }
    }

    /// Forgets how often daemons have fallen so far, some nodes' apart: what they missed is there again, or soon will be.
    pub(crate) fn forgive(&self, but: &BTreeSet<String>) {
        let mut known = self.board.lock();
        let nodes = known.nodes.iter().filter(|(node, _)| !but.contains(*node));
        let falls = nodes.flat_map(|(node, state)| {
            state.daemons.iter().map(|(name, daemon)| ((node.clone(), name.clone()), daemon.failures))
        });
        let falls: Vec<_> = falls.filter(|(_, falls)| *falls > 0).collect();
        known.forgiven.extend(falls);
    }

    /// Whether every daemon of a node is ready.
    pub(crate) fn is_settled(&self, node: &str) -> bool {
        self.board.lock().nodes.get(node).is_some_and(|state| state.settled)
    }

    /// Waits until every daemon of every node is ready, some nodes apart.
    ///
    /// - `go_on`: whether anybody still wants it.
    pub(crate) fn await_settled_but(
        &self,
        apart: &BTreeSet<String>,
        patience: Duration,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        let settled = |known: &Known, node: &str| known.nodes.get(node).is_some_and(|state| state.settled);
        self.await_all_while(deadline, go_on, |known, node| apart.contains(node) || settled(known, node))?;
        self.write_status();
        Ok(())
    }

    /// Waits until nodes have taken their trees over; returns what has changed on each.
    pub(crate) fn await_delivered(
        &self,
        nodes: &[String],
        patience: Duration,
    ) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let deadline = Instant::now() + patience;
        self.await_all(deadline, |known, node| {
            known.delivered.contains_key(node) || !nodes.iter().any(|asked| asked == node)
        })?;
        let known = self.board.lock();
        Ok(nodes.iter().filter_map(|node| Some((node.clone(), known.delivered.get(node)?.clone()))).collect())
    }

    fn await_all(&self, deadline: Instant, done: impl Fn(&Known, &str) -> bool) -> Result<(), Failure> {
        self.await_all_while(deadline, &|| true, done)
    }

    fn await_all_while(
        &self,
        deadline: Instant,
        go_on: &dyn Fn() -> bool,
        done: impl Fn(&Known, &str) -> bool,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut known = self.board.lock();
        loop {
            if let Some(failure) = known.trouble() {
                return Err(failure);
            }
            if !go_on() {
                return Err(Failure::Interrupted);
            }
            let Some(late) = self.agents.iter().find(|agent| !done(&known, &agent.node)) else { return Ok(()) };
            let now = Instant::now();
            if now >= deadline {
                let granted = deadline.saturating_duration_since(begun);
                return Err(known.lateness(&late.node, granted));
            }
            let slice = (deadline - now).min(SLICE);
            known = self.board.changed.wait_timeout(known, slice).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn write_status(&self) {
        let known = self.board.lock();
        write_status(&self.status, &known);
    }

    /// Ends every node, and waits for them.
    ///
    /// - `patience`: how long they have.
    pub(crate) fn stop(&mut self, patience: Duration) {
        self.board.lock().ending = true;
        for agent in &mut self.agents {
            let mut line = serde_json::to_vec(&Order::Stop).unwrap_or_default();
            line.push(b'\n');
            // One that is gone already is what is wanted.
            let _ = agent.orders.write_all(&line).and_then(|()| agent.orders.flush());
        }
        let deadline = Instant::now() + patience;
        for agent in &mut self.agents {
            while Instant::now() < deadline && !agent.body.has_ended() {
                std::thread::sleep(Duration::from_millis(2));
            }
            // With it everything in its namespaces is gone.
            agent.body.end();
        }
        self.agents.clear();
        let _ = files::remove(&self.status);
    }
}

impl Drop for Agents {
    /// Whatever happened, no node outlives the tool.
    fn drop(&mut self) {
        self.board.lock().ending = true;
        for agent in &mut self.agents {
            agent.body.end();
        }
    }
}

impl Known {
    /// Returns why nobody needs to wait any longer.
    fn trouble(&self) -> Option<Failure> {
        for (node, state) in &self.nodes {
            if let Some(reason) = &state.failed {
                return Some(Failure::Node { node: node.clone(), reason: reason.clone() });
            }
            let forgiven = |name: &String| self.forgiven.get(&(node.clone(), name.clone())).copied().unwrap_or(0);
            let fallen = state
                .daemons
                .iter()
                .find(|(name, daemon)| daemon.failures.saturating_sub(forgiven(name)) >= PATIENCE_FALLS);
            if let Some((name, daemon)) = fallen {
                let how = daemon.how.clone().unwrap_or_else(|| "ended".to_owned());
                return Some(self.fallen(node, name, how));
            }
        }
        let gone = self.gone.first()?;
        Some(Failure::Node { node: gone.clone(), reason: "its first process ended".to_owned() })
    }

    /// Returns what is not there although it should be.
    ///
    /// - `granted`: how long it had.
    fn lateness(&self, node: &str, granted: Duration) -> Failure {
        let state = self.nodes.get(node);
        let silent = || Failure::Late {
            node: node.to_owned(),
            seconds: granted.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX),
        };
        if state.is_none_or(|state| !state.here) {
            return silent();
        }
        let late = state.and_then(|state| state.daemons.iter().find(|(_, daemon)| daemon.state != DaemonState::Ready));
        match late {
            Some((name, daemon)) => {
                let ports: Vec<String> = daemon.ports.iter().map(ToString::to_string).collect();
                let how = match (daemon.state, &daemon.how) {
                    (DaemonState::Waiting, _) => "still waits for what it needs".to_owned(),
                    (_, Some(how)) => how.clone(),
                    _ => format!("does not listen on all of: {}", ports.join(", ")),
                };
                self.fallen(node, name, how)
            }
            None => silent(),
        }
    }

    fn fallen(&self, node: &str, process: &str, how: String) -> Failure {
        let lines = self.lines.get(&(node.to_owned(), process.to_owned()));
        Failure::Daemon {
            node: node.to_owned(),
            process: process.to_owned(),
            how,
            lines: lines.map(|lines| lines.iter().cloned().collect()).unwrap_or_default(),
        }
    }
}

/// Writes down how the nodes are; who reads it does without when that fails.
fn write_status(path: &Path, known: &Known) {
    let _ = files::write_json(path, &known.nodes, 0o600);
}

/// Takes what one node tells.
struct Reader {
    node: String,
    board: Arc<Board>,
    log: Log,
    status: PathBuf,
    broke: tokio::sync::watch::Sender<Option<String>>,
}

impl Reader {
    fn read(&self, tidings: impl BufRead) {
        for line in tidings.lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(tidings) => self.take(tidings),
                Err(_) => self.log.write(Entry::now(Level::Warning, Some(&self.node), &line)),
            }
        }
        let mut known = self.board.lock();
        if known.away.contains(&self.node) {
            return;
        }
        known.gone.push(self.node.clone());
        let unasked = !known.ending;
        drop(known);
        self.board.changed.notify_all();
        if unasked {
            self.log.write(Entry::now(Level::Error, Some(&self.node), "node ended by itself"));
            self.broke.send_replace(Some(format!("the node {} ended by itself", self.node)));
        }
    }

    fn take(&self, tidings: Tidings) {
        let entry = |level, event: &str| Entry::now(level, Some(&self.node), event);
        let mut known = self.board.lock();
        let ending = known.ending;
        let state = known.nodes.entry(self.node.clone()).or_default();
        let mut set = |process: &str, to: DaemonState| {
            if let Some(daemon) = state.daemons.get_mut(process) {
                daemon.state = to;
            }
        };
        match tidings {
            Tidings::Line { process, text } => {
                let kept = known.lines.entry((self.node.clone(), process.clone())).or_default();
                if kept.len() == LAST_LINES {
                    kept.pop_front();
                }
                kept.push_back(text.clone());
                drop(known);
                return self.log.write(entry(level(&text), &text).with("process", process));
            }
            Tidings::Here { process } => {
                state.here = true;
                if process != 0 {
                    state.process = process;
                }
            }
            Tidings::Failed { reason } => {
                self.log.write(entry(Level::Error, "node failed").with("reason", reason.as_str()));
                state.failed = Some(reason);
            }
            Tidings::Delivered { changed } => {
                self.log.write(entry(Level::Info, "files delivered").with("changed", changed.len()));
                known.delivered.insert(self.node.clone(), changed);
            }
            Tidings::Started { process } => {
                set(&process, DaemonState::Started);
                state.settled &= !state.daemons.contains_key(&process);
                self.log.write(entry(Level::Info, "daemon started").with("process", process));
            }
            Tidings::Reloaded { process } => {
                self.log.write(entry(Level::Info, "daemon reloaded").with("process", process));
            }
            Tidings::Ready { process } => {
                set(&process, DaemonState::Ready);
                if let Some(daemon) = state.daemons.get_mut(&process) {
                    daemon.failures = 0;
                }
                known.forgiven.remove(&(self.node.clone(), process.clone()));
                self.log.write(entry(Level::Info, "daemon ready").with("process", process));
            }
            Tidings::Ended { process, how, failures } => {
                if let Some(daemon) = state.daemons.get_mut(&process) {
                    state.settled = false;
                    *daemon = DaemonStatus {
                        state: DaemonState::Fallen,
                        failures,
                        how: Some(how.clone()),
                        ports: std::mem::take(&mut daemon.ports),
                    };
                }
                if !ending {
                    self.log.write(entry(Level::Error, "daemon fell").with("process", process).with("how", how));
                }
            }
            // Only nodes that run nothing are asked.
            Tidings::Checked { .. } => {}
            Tidings::Settled => {
                state.settled = true;
                state.later = false;
                write_status(&self.status, &known);
            }
        }
        drop(known);
        self.board.changed.notify_all();
    }
}

/// Guesses how much a daemon's line matters by the words daemons use.
fn level(text: &str) -> Level {
    let text = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["fatal:", "panic:", "[emerg]", "[alert]", "[crit]", "panicked at", "fatal error"]) {
        Level::Error
    } else if says(&["warning", "error", "[warn]"]) {
        Level::Warning
    } else {
        Level::Info
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_matters_as_much_as_its_daemon_says() {
        assert_eq!(level("postfix/smtpd[1]: fatal: no such map"), Level::Error);
        assert_eq!(level("postfix/smtpd[1]: warning: hostname unknown"), Level::Warning);
        assert_eq!(level("nginx: [emerg] bind() failed"), Level::Error);
        assert_eq!(level("ready for connections"), Level::Info);
    }

    #[test]
    fn what_keeps_falling_is_told_with_its_last_words() {
        let mut known = Known::default();
        let daemon = DaemonStatus {
            state: DaemonState::Fallen,
            failures: PATIENCE_FALLS,
            how: Some("ended with status 1".to_owned()),
            ports: vec![25],
        };
        let state = NodeState { daemons: BTreeMap::from([("postfix".to_owned(), daemon)]), ..NodeState::default() };
        known.nodes.insert("mx-1".to_owned(), state);
        let said = VecDeque::from(["fatal: open /etc/postfix/main.cf".to_owned()]);
        known.lines.insert(("mx-1".to_owned(), "postfix".to_owned()), said);
        known.forgiven.insert(("mx-1".to_owned(), "postfix".to_owned()), 1);
        assert!(known.trouble().is_none(), "what it missed is there again since");
        known.forgiven.clear();
        let failure = known.trouble().unwrap();
        assert!(failure.to_string().contains("postfix on mx-1: it ended with status 1"), "{failure}");
        assert!(failure.help().contains("fatal: open"), "{}", failure.help());
    }
}
