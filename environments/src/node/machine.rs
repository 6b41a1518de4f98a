//! This program in a virtual machine: the same node, with a kernel of its own and no root to make. In the lean lane it is the first
//! process and runs the daemons; in the stock lane systemd is and does, and this is a unit that tells how they are.
//!
//! The initrd has made the root and laid the config disk over it. Orders come in on one virtio port and tidings go out there; on
//! another one commands are asked for. A port that ends is opened again: the machine may have been stored and started elsewhere,
//! and its end comes with its power, not with a port.
//!
//! Source: virtio 1.1 §5.3 (console device); the kernel's `/sys/class/virtio-ports`.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::system::RebootCommand;
use rustix::time::{ClockId, Timespec};

use super::calm::Calm;
use super::protocol::{Awakening, MachinePlan, Order, Tidings};
use super::supervisor::{Event, Supervisor, Tell};
use super::units::Watch;
use super::{RECORD, journal, mounts, network, runs, syslog, tree};

/// The port that orders come in on.
pub(crate) const CONTROL: &str = "mailwright.control";

/// The port that commands are asked for on.
pub(crate) const ENTRY: &str = "mailwright.entry";

/// The folder that fills the disk of a machine which is to have no room; none is full when it boots.
pub(crate) const FILLER: &str = "/var/lib/mailwright-filler";

/// How long a port that is not connected is left alone.
const PAUSE: Duration = Duration::from_millis(20);

/// The machine's own `ip`: the first process of a machine has no PATH.
const IP: &str = "/sbin/ip";

/// Credits the kernel with bytes from standard input and has it draw on them from now on: `RNDADDENTROPY` and `RNDRESEEDCRNG`
/// (random(4)), for which only Perl is on every Debian system.
const RESEED: &str = r#"binmode STDIN; read(STDIN, $seed, 64); open($random, "+<", "/dev/urandom") or die $!;
ioctl($random, 0x40085203, pack("ii a*", 512, length $seed, $seed)) or die $!; ioctl($random, 0x5207, 0) or die $!"#;

/// Who runs a machine's daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// This process.
    Lean,
    /// systemd.
    Stock,
}

/// Is a virtual machine's first process until it is told to end, or the one that looks after its units; then the machine is switched
/// off.
///
/// - Returns: whether it could be either.
pub fn run_machine() -> bool {
    let lane = if std::process::id() == 1 { Lane::Lean } else { Lane::Stock };
    // Daemons that reserve what their node has in production are given it, as long as they do not use it.
    let _ = fs::write("/proc/sys/vm/overcommit_memory", "1");
    if lane == Lane::Lean
        && let Err(failure) = mounts::complete()
    {
        complain(&failure.to_string());
    }
    let calm = match lane {
        Lane::Lean => Calm::fenced(),
        Lane::Stock => Calm::of_services(),
    };
    let Some(port) = port(CONTROL) else {
        complain("there is no port that orders could come in on");
        if lane == Lane::Lean {
            off();
        }
        return false;
    };
    let (events, inbox) = channel();
    serve(lane, &calm, &port, &events, &inbox);
    match lane {
        Lane::Lean => off(),
        // systemd ends this process with the others.
        Lane::Stock => std::thread::park_timeout(Duration::from_secs(600)),
    }
    true
}

fn serve(lane: Lane, calm: &Calm, port: &Path, events: &Sender<Event>, inbox: &Receiver<Event>) {
    let Some((read, write)) = both(port) else {
        return complain("the port that orders come in on cannot be opened");
    };
    let out = Mutex::new(write);
    let calm = calm.clone();
    let tell: Tell = Arc::new(move |tidings: Tidings| {
        if tidings == Tidings::Settled {
            calm.rest();
        }
        let Ok(mut line) = serde_json::to_vec(&tidings) else { return };
        line.push(b'\n');
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        // A tool that is gone takes the machine's power with it.
        let _ = out.write_all(&line);
    });
    tell(Tidings::Here { process: 0 });
    let orders = events.clone();
    let listen = move || listen(read, &orders);
    if std::thread::Builder::new().name("orders".to_owned()).spawn(listen).is_err() {
        return;
    }
    let plan = loop {
        match inbox.recv() {
            Ok(Event::Ordered(Some(Order::Boot(plan)))) => break plan,
            Ok(_) => {}
            Err(_) => return,
        }
    };
    let processes = plan.processes.clone();
    if let Err(reason) = become_node(lane, &plan, &tell) {
        tell(Tidings::Failed { reason });
        // What is wrong can be looked into until the tool ends the machine.
        while !matches!(inbox.recv(), Ok(Event::Ordered(Some(Order::Stop))) | Err(_)) {}
        return;
    }
    if lane == Lane::Lean {
        syslog::listen(Path::new("/dev/log"), &tell);
    }
    if let Some(port) = self::port(ENTRY) {
        runs::listen(port, events.clone());
    }
    match lane {
        Lane::Lean => Supervisor::new(Path::new("/"), tell, events.clone()).run(processes, inbox),
        Lane::Stock => {
            journal::follow(events.clone());
            Watch::new(processes, tell).run(inbox);
        }
    }
}

/// Opens a port to read and to write: it can be opened once only.
pub(super) fn both(port: &Path) -> Option<(File, File)> {
    let read = OpenOptions::new().read(true).write(true).open(port).ok()?;
    let write = read.try_clone().ok()?;
    Some((read, write))
}

/// Takes orders, whoever gives them.
fn listen(read: File, orders: &Sender<Event>) {
    let mut lines = BufReader::new(read);
    let mut line = String::new();
    loop {
        match lines.read_line(&mut line) {
            // Nobody is connected, or an order was cut short by a move.
            Ok(0) | Err(_) => {
                line.clear();
                std::thread::sleep(PAUSE);
                continue;
            }
            Ok(_) => {}
        }
        let order = serde_json::from_str(&line);
        line.clear();
        match order {
            Ok(Order::Awake(awakening)) => {
                awake(&awakening);
                let _ = orders.send(Event::Ordered(Some(Order::Awake(awakening))));
            }
            Ok(Order::Tree { manifest, files }) => {
                if let Err(reason) = lay_out(&manifest, &files) {
                    complain(&reason);
                }
            }
            Ok(order) => {
                if orders.send(Event::Ordered(Some(order))).is_err() {
                    return;
                }
            }
            Err(error) => complain(&format!("an order was not understood: {error}")),
        }
    }
}

fn become_node(lane: Lane, plan: &MachinePlan, tell: &Tell) -> Result<(), String> {
    // In the stock lane the name and the addresses are what systemd reads from the config disk.
    if lane == Lane::Lean {
        rustix::system::sethostname(plan.node.as_bytes())
            .map_err(|error| format!("could not set the host name: {error}"))?;
        network(IP, &plan.network)?;
    }
    // What is not there need not go.
    let _ = fs::remove_dir_all(FILLER);
    let root = Path::new("/");
    let gone = tree::settle(&plan.laid, root, &root.join(RECORD)).map_err(|failure| failure.to_string())?;
    tell(Tidings::Delivered { changed: gone });
    Ok(())
}

/// Gives a machine that wakes up its time and its own chance.
fn awake(awakening: &Awakening) {
    let seconds = i64::try_from(awakening.clock_milliseconds / 1000).unwrap_or(0);
    let nanoseconds = i64::try_from(awakening.clock_milliseconds % 1000).unwrap_or(0) * 1_000_000;
    let now = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    if let Err(error) = rustix::time::clock_settime(ClockId::Realtime, now) {
        complain(&format!("the clock could not be set: {error}"));
    }
    if let Err(error) = reseed(&STANDARD.decode(&awakening.chance).unwrap_or_default()) {
        complain(&format!("chance could not be renewed: {error}"));
    }
}

fn reseed(bytes: &[u8]) -> std::io::Result<()> {
    let mut perl = Command::new("/usr/bin/perl").args(["-e", RESEED]).stdin(Stdio::piped()).spawn()?;
    if let Some(mut input) = perl.stdin.take() {
        input.write_all(bytes)?;
    }
    // Whoever reaps this machine's processes may be quicker, and then the status is lost but not the deed.
    let _ = perl.wait();
    Ok(())
}

/// Writes a tree to where the supervisor takes it from.
fn lay_out(manifest: &tree::Manifest, files: &std::collections::BTreeMap<String, String>) -> Result<(), String> {
    let folder = Path::new(mounts::TREE);
    let failed = |error: std::io::Error| format!("a tree could not be taken: {error}");
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut options = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut options, 0o700);
    options.recursive(true).create(folder).map_err(failed)?;
    for (path, content) in files {
        let place = tree::below(&folder.join("files"), path).map_err(|failure| failure.to_string())?;
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(&place, STANDARD.decode(content).unwrap_or_default()).map_err(failed)?;
    }
    fs::write(folder.join("manifest.json"), serde_json::to_vec(manifest).unwrap_or_default()).map_err(failed)
}

/// Returns the device of a port by its name.
fn port(name: &str) -> Option<PathBuf> {
    for _ in 0..100 {
        let ports = fs::read_dir("/sys/class/virtio-ports").into_iter().flatten().filter_map(Result::ok);
        for port in ports {
            let found = fs::read_to_string(port.path().join("name")).unwrap_or_default();
            let device = Path::new("/dev").join(port.file_name());
            if found.trim_end() == name && device.exists() {
                return Some(device);
            }
        }
        std::thread::sleep(PAUSE);
    }
    None
}

/// Says something on the machine's console, which the tool keeps.
fn complain(text: &str) {
    if let Ok(mut console) = OpenOptions::new().write(true).open("/dev/console") {
        let _ = console.write_all(format!("mailwright: {text}\n").as_bytes());
    }
}

/// Switches the machine off; what was written is on its disk.
fn off() {
    rustix::fs::sync();
    let _ = rustix::system::reboot(RebootCommand::PowerOff);
}
