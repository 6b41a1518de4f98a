//! The first process of a node that runs real daemons: makes the node's root, takes its tree over, starts its daemons.
//!
//! It is this program itself, started by the tool in namespaces of its own. Orders come in on stdin, tidings go out on stdout;
//! when stdin ends, the tool is gone, and the node ends with it, so that nothing is left behind by a tool that was killed.

mod calm;
mod checks;
mod contained;
mod daemon;
mod journal;
mod listening;
mod machine;
mod mounts;
mod protocol;
mod runs;
mod supervisor;
mod syslog;
mod tree;
mod units;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};

pub use contained::run_contained;
pub(crate) use listening::ports_of;
pub use machine::run_machine;

pub(crate) use contained::{SOCKET, STATE, TREE};
pub(crate) use machine::{CONTROL, ENTRY, FILLER};
pub(crate) use protocol::{Awakening, ContainerPlan, MachinePlan, Order, Plan, Tidings};
pub(crate) use runs::{Answer, Ask};
pub(crate) use tree::{Item, Manifest, TreeFailure, below};

use supervisor::{Event, Supervisor, Tell};

/// Where a node keeps which files its last tree brought, below its root.
const RECORD: &str = "var/lib/mailwright/delivered.json";

/// Is a node until it is told to end: the work of the hidden verb `node`.
///
/// - Returns: whether it was one.
pub fn run_node() -> bool {
    // As the machine counts, since /proc is still the machine's.
    let process = std::fs::read_link("/proc/self").ok().and_then(|link| link.to_str()?.parse().ok()).unwrap_or(0);
    converse(std::io::stdin(), std::io::stdout(), process, None)
}

/// Is a node that takes orders from one stream and tells what happens on another.
///
/// - `process`: this process as the machine counts; 0 where it cannot tell.
/// - `outside`: the network namespace that a container began in.
fn converse(
    read: impl Read + Send + 'static,
    write: impl Write + Send + 'static,
    process: u32,
    outside: Option<&std::fs::File>,
) -> bool {
    let out = Mutex::new(write);
    let tell: Tell = Arc::new(move |tidings: Tidings| {
        let Ok(mut line) = serde_json::to_vec(&tidings) else { return };
        line.push(b'\n');
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        // A tool that is gone is noticed where orders come in.
        let _ = out.write_all(&line).and_then(|()| out.flush());
    });
    tell(Tidings::Here { process });
    let (events, inbox) = channel();
    let orders = events.clone();
    let listen = move || {
        for line in BufReader::new(read).lines() {
            let order = line.ok().and_then(|line| serde_json::from_str(&line).ok());
            let over = order.is_none();
            if orders.send(Event::Ordered(order)).is_err() || over {
                return;
            }
        }
        let _ = orders.send(Event::Ordered(None));
    };
    if std::thread::Builder::new().name("orders".to_owned()).spawn(listen).is_err() {
        return false;
    }
    let (outcome, processes) = match inbox.recv() {
        Ok(Event::Ordered(Some(Order::Begin(plan)))) => (become_node(&plan, &tell), plan.processes),
        Ok(Event::Ordered(Some(Order::Join(plan)))) => (contained::join(&plan, outside, &tell), plan.processes),
        Ok(Event::Ordered(Some(Order::Check { plan, checks }))) => return check(&plan, &checks, &tell),
        _ => return true,
    };
    if let Err(reason) = outcome {
        tell(Tidings::Failed { reason });
        return false;
    }
    syslog::listen(Path::new("/dev/log"), &tell);
    Supervisor::new(Path::new("/"), tell, events).run(processes, &inbox);
    true
}

/// Becomes a node whose daemons are never started, and has their checkers read what they would.
fn check(plan: &Plan, asked: &[blueprint::Check], tell: &Tell) -> bool {
    if let Err(reason) = become_node(plan, tell) {
        tell(Tidings::Failed { reason });
        return false;
    }
    checks::make_folders(&plan.processes);
    for (check, order) in asked.iter().enumerate() {
        let (passed, said) = checks::ask(order);
        tell(Tidings::Checked { check, passed, said });
    }
    tell(Tidings::Settled);
    true
}

/// Says a word, and waits until whoever started this process is gone: the work of the hidden verb `node --hold`.
///
/// - Returns: whether it could say its word.
pub fn hold() -> bool {
    refuse_at_once();
    let mut out = std::io::stdout();
    if out.write_all(b".").and_then(|()| out.flush()).is_err() {
        return false;
    }
    // Whatever the end looks like, it is the end.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    true
}

/// Has this network namespace say of addresses that are nobody's that they are, which only who forwards may; nothing leads out of it.
fn refuse_at_once() {
    for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        // Without it those who ask wait until they give up, and get the same.
        let _ = std::fs::write(Path::new("/proc/sys/net").join(switch), "1");
    }
}

fn become_node(plan: &Plan, tell: &Tell) -> Result<(), String> {
    // With the machine's own `ip`, before its root is gone.
    network("ip", &plan.network)?;
    mounts::enter(plan).map_err(|failure| failure.to_string())?;
    take_tree(tell)
}

/// Takes the tree over that the tool has laid out.
fn take_tree(tell: &Tell) -> Result<(), String> {
    let root = Path::new("/");
    let changed =
        tree::deliver(Path::new(mounts::TREE), root, &root.join(RECORD)).map_err(|failure| failure.to_string())?;
    tell(Tidings::Delivered { changed });
    Ok(())
}

/// Carries out commands of `ip -batch`, or of `bridge -batch`.
fn network(program: &str, commands: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("could not run {program}: {error}");
    let mut ip = Command::new(program)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = ip.stdin.take() {
        input.write_all(commands.as_bytes()).map_err(failed)?;
    }
    let output = ip.wait_with_output().map_err(failed)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("could not set up the network: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
