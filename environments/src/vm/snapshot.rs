//! A whole environment of machines stored while it runs: memory, devices and disks, at one moment for all of them.
//!
//! ```text
//! snapshots/NAME/snapshot.json          what it is, what it depends on, what proves it whole; written last
//! snapshots/NAME/nodes/NODE/memory      the machine's memory, with holes where it holds nothing
//! snapshots/NAME/nodes/NODE/device      its devices, as QEMU writes them
//! snapshots/NAME/nodes/NODE/state.img   its state disk
//! snapshots/NAME/nodes/NODE/config.tar  its config disk
//! snapshots/NAME/world/…                what the world outside holds
//! ```
//!
//! Machines stand still while they are stored, all of them, so that what is under way between two of them is with one of them.
//! Connections between machines go on; those from doors and with the world outside end, as when a cable is pulled.
//!
//! Source: QEMU's migration with `x-ignore-shared`, by which memory that others can read stays out of the stream.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use blueprint::Node;
use blueprint::ledger::Boot;
use rustix::fs::SeekFrom;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::disks::{CONFIG, STATE};
use super::machine::{self, MachineFailure, Power};
use super::qmp::Monitor;
use crate::failure::Failure;
use crate::files;
use crate::state::{Folder, StateFailure, digest_of_file};

/// The version of the layout.
const VERSION: u32 = 2;

/// A machine's memory.
const MEMORY: &str = "memory";

/// A machine's devices.
const DEVICE: &str = "device";

/// How long QEMU has to write or read a machine's devices.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much is copied at once; pieces of nothing but zeros become holes.
const PIECE: usize = 64 * 1024;

/// What a stored machine goes on with, or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// The image's digest.
    pub image: String,
    /// QEMU's version.
    pub qemu: String,
    /// The processor's model.
    pub model: String,
    /// The kernel's command line.
    pub words: String,
    /// The layer with this program.
    pub programs: String,
    /// Each machine's memory in MiB, by node.
    pub memory: BTreeMap<String, u64>,
}

impl Ground {
    /// Returns how its machines were booted.
    pub fn boot(&self) -> Boot {
        match self.words.contains("mailwright.lane=stock") {
            true => Boot::Stock,
            false => Boot::Lean,
        }
    }

    /// Returns what machines of these nodes stand on now.
    pub(super) fn of(power: &Power, nodes: &[&Node]) -> Self {
        Self {
            image: power.image.digest.clone(),
            qemu: power.accelerator.qemu.clone(),
            model: power.accelerator.model().to_owned(),
            words: power.words(),
            programs: power.programs.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            memory: nodes.iter().map(|node| (node.name.to_string(), machine::memory(node))).collect(),
        }
    }

    /// Returns in what this is another ground than the one a snapshot was taken on.
    fn other_than(&self, taken: &Self) -> Option<String> {
        let differs = |what: &str, now: &str, then: &str| {
            (now != then).then(|| format!("it was taken with {what} {then}, and here is {now}"))
        };
        differs("QEMU", &self.qemu, &taken.qemu)
            .or_else(|| differs("the image", &self.image, &taken.image))
            .or_else(|| differs("the processor", &self.model, &taken.model))
            .or_else(|| differs("the program", &self.programs, &taken.programs))
            .or_else(|| differs("the command line", &self.words, &taken.words))
            .or_else(|| {
                (self.memory != taken.memory)
                    .then(|| "it was taken of other nodes, or of more or less memory".to_owned())
            })
    }
}

/// What is known of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`VERSION`].
    pub version: u32,
    /// Its name.
    pub name: String,
    /// When it was taken.
    pub taken: String,
    /// The digest of the Blueprint that ran.
    pub blueprint: String,
    /// What its machines stand on.
    pub ground: Ground,
    /// How much room it takes, in bytes.
    pub bytes: u64,
    /// How long the machines stood still for it, in milliseconds.
    pub still_milliseconds: u64,
    /// What proves each machine's files whole, by node.
    pub proofs: BTreeMap<String, Proof>,
}

/// What proves the files of a stored machine whole. Memory and disks are too much to be read twice: their lengths and how much they
/// hold must be right, and what is small must be the same to the bit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Length and octets that are no hole, of memory and state disk.
    pub large: BTreeMap<String, (u64, u64)>,
    /// SHA-256 of devices and config disk.
    pub small: BTreeMap<String, String>,
}

impl Proof {
    /// Looks at a stored machine's files.
    fn of(folder: &Path) -> std::io::Result<Self> {
        let mut proof = Self::default();
        for name in [MEMORY, STATE] {
            let file = File::open(folder.join(name))?;
            proof.large.insert(name.to_owned(), (file.metadata()?.len(), held(&file)?));
        }
        for name in [DEVICE, CONFIG] {
            proof.small.insert(name.to_owned(), digest_of_file(&folder.join(name))?);
        }
        Ok(proof)
    }

    /// Returns a file that is not as it was when it was stored.
    fn not_in(&self, now: &Self) -> Option<&str> {
        // Another file system may keep fewer zeros; a copy that was torn off holds much less.
        let large = self.large.iter().find(|(file, (length, held))| {
            now.large.get(*file).is_none_or(|(long, holds)| long != length || *holds < held - held / 8)
        });
        let small = self.small.iter().find(|(file, digest)| now.small.get(*file) != Some(digest));
        large.map(|(file, _)| file).or(small.map(|(file, _)| file)).map(String::as_str)
    }
}

/// Returns where snapshots are.
pub(crate) fn folder(environment: &Folder) -> PathBuf {
    environment.path().join("snapshots")
}

fn place(environment: &Folder, name: &str) -> Result<PathBuf, MachineFailure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.bytes().all(plain) {
        let reason = "names consist of letters, digits, dots, dashes and underscores".to_owned();
        return Err(MachineFailure::Snapshot { name: name.to_owned(), reason });
    }
    Ok(folder(environment).join(name))
}

/// Returns every snapshot of an environment, sorted by name; what was stored half is none.
pub(crate) fn list(environment: &Folder) -> Result<Vec<Snapshot>, Failure> {
    let folder = folder(environment);
    let mut found = Vec::new();
    for name in files::names(&folder).map_err(StateFailure::from)? {
        if let Ok(snapshot) = read(environment, &name) {
            found.push(snapshot);
        }
    }
    Ok(found)
}

/// Reads what is known of a snapshot.
///
/// - Errors: there is none, or it is of another version.
pub(crate) fn read(environment: &Folder, name: &str) -> Result<Snapshot, Failure> {
    let failed = |reason: String| MachineFailure::Snapshot { name: name.to_owned(), reason };
    let path = place(environment, name)?.join("snapshot.json");
    let document: Option<Value> = files::read_json(&path).map_err(StateFailure::from)?;
    let document = document.ok_or_else(|| failed("there is none of this name".to_owned()))?;
    let version = document.get("version").and_then(Value::as_u64).unwrap_or(0);
    if version != u64::from(VERSION) {
        return Err(failed(format!("it is of version {version}, this program reads version {VERSION}")).into());
    }
    Ok(serde_json::from_value(document).map_err(|error| failed(error.to_string()))?)
}

/// Removes a snapshot.
pub(crate) fn remove(environment: &Folder, name: &str) -> Result<(), Failure> {
    read(environment, name)?;
    Ok(files::remove(&place(environment, name)?).map_err(StateFailure::from)?)
}

/// A snapshot that machines are to go on from.
pub(super) struct Restoring {
    place: PathBuf,
    name: String,
}

impl Restoring {
    /// Takes a snapshot, if machines can go on from it on this ground.
    pub(super) fn begin(environment: &Folder, name: &str, ground: &Ground) -> Result<Self, Failure> {
        let snapshot = read(environment, name)?;
        if let Some(reason) = ground.other_than(&snapshot.ground) {
            return Err(MachineFailure::Snapshot { name: name.to_owned(), reason }.into());
        }
        let place = place(environment, name)?;
        let damaged = |node: &str, why: &str| MachineFailure::Snapshot {
            name: name.to_owned(),
            reason: format!("what was stored of {node} is not what was written: {why}"),
        };
        for (node, proof) in &snapshot.proofs {
            let now = Proof::of(&place.join("nodes").join(node)).map_err(|error| damaged(node, &error.to_string()))?;
            if let Some(file) = proof.not_in(&now) {
                return Err(damaged(node, &format!("its {file} is another")).into());
            }
        }
        Ok(Self { place, name: name.to_owned() })
    }

    fn failed(&self, source: &std::io::Error) -> MachineFailure {
        MachineFailure::Snapshot { name: self.name.clone(), reason: source.to_string() }
    }

    /// Gives the world outside back what it held.
    pub(super) fn world(&self, environment: &Folder, nodes: &[&Node]) -> Result<(), Failure> {
        for (_, folder) in world(environment, nodes)? {
            files::remove(&folder).map_err(StateFailure::from)?;
        }
        let kept = self.place.join("world");
        if kept.is_dir() {
            copy_folder(&kept, &environment.path().join("nodes")).map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    /// Gives a machine that is not yet switched on its disks back.
    pub(super) fn disks(&self, machine: &Path, node: &str) -> Result<(), Failure> {
        let kept = self.place.join("nodes").join(node);
        for name in [STATE, CONFIG, DEVICE] {
            copy_sparse(&kept.join(name), &machine.join(name)).map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    /// Gives a machine that waits for it its memory and its devices back; it stands still then.
    ///
    /// - `process`: QEMU's.
    pub(super) fn memory(&self, machine: &Path, node: &str, process: u32) -> Result<(), Failure> {
        let failed = |error: std::io::Error| self.failed(&error);
        let kept = File::open(self.place.join("nodes").join(node).join(MEMORY)).map_err(failed)?;
        // It answers only once it has all it was told to have, its memory among that.
        let mut monitor = Monitor::open(machine, node)?;
        let memory = OpenOptions::new().write(true).open(memory_of(process).map_err(failed)?).map_err(failed)?;
        copy_data(&kept, &memory).map_err(failed)?;
        ignore_memory(&mut monitor)?;
        monitor.ask("migrate-incoming", &json!({ "uri": format!("exec:cat {DEVICE}") }))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = monitor.ask("query-status", &json!({}))?;
            match status.get("status").and_then(Value::as_str) {
                Some("inmigrate") if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
                Some("paused" | "prelaunch" | "postmigrate") => break,
                // It goes on at once where nobody asked it to wait.
                Some("running") => break,
                other => {
                    let reason = format!("{node} does not go on: {}", other.unwrap_or("it did not say why"));
                    return Err(MachineFailure::Snapshot { name: self.name.clone(), reason }.into());
                }
            }
        }
        let _ = files::remove(&machine.join(DEVICE));
        Ok(())
    }
}

/// Lets a machine go on that stands still.
pub(super) fn go_on(machine: &Path, node: &str) -> Result<(), MachineFailure> {
    Monitor::open(machine, node)?.ask("cont", &json!({})).map(drop)
}

/// Stores an environment that runs.
///
/// - `machines`: each node with QEMU's process.
/// - Errors: whatever fails, the machines go on, and nothing half-made is taken for a snapshot later.
pub(crate) fn save(
    environment: &Folder,
    nodes: &[&Node],
    machines: &BTreeMap<String, u32>,
    about: (&str, Ground, String),
) -> Result<Snapshot, Failure> {
    let (name, ground, blueprint) = about;
    let failed = |error: std::io::Error| MachineFailure::Snapshot { name: name.to_owned(), reason: error.to_string() };
    let done = place(environment, name)?;
    let making = folder(environment).join(format!(".{name}.saving"));
    files::remove(&making).map_err(StateFailure::from)?;
    files::make_folder(&making).map_err(StateFailure::from)?;
    let begun = Instant::now();
    let mut stopped = Vec::new();
    let outcome = stop_and_copy(environment, nodes, machines, &making, name, &mut stopped);
    for node in &stopped {
        go_on(&environment.machine(node), node)?;
    }
    let still_milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Err(failure) = outcome {
        let _ = files::remove(&making);
        return Err(failure);
    }
    let proof = |node: &String| Ok((node.clone(), Proof::of(&making.join("nodes").join(node))?));
    let proofs: std::io::Result<BTreeMap<String, Proof>> = machines.keys().map(proof).collect();
    let snapshot = Snapshot {
        version: VERSION,
        name: name.to_owned(),
        taken: format!("{:.0}", jiff::Timestamp::now()),
        blueprint,
        ground,
        bytes: room(&making).map_err(failed)?,
        still_milliseconds,
        proofs: proofs.map_err(failed)?,
    };
    files::write_json(&making.join("snapshot.json"), &snapshot, 0o600).map_err(StateFailure::from)?;
    files::remove(&done).map_err(StateFailure::from)?;
    fs::rename(&making, &done).map_err(failed)?;
    Ok(snapshot)
}

fn stop_and_copy(
    environment: &Folder,
    nodes: &[&Node],
    machines: &BTreeMap<String, u32>,
    making: &Path,
    name: &str,
    stopped: &mut Vec<String>,
) -> Result<(), Failure> {
    for node in machines.keys() {
        Monitor::open(&environment.machine(node), node)?.ask("stop", &json!({}))?;
        stopped.push(node.clone());
    }
    let failed = |error: std::io::Error| MachineFailure::Snapshot { name: name.to_owned(), reason: error.to_string() };
    for (name, folder) in world(environment, nodes)? {
        copy_folder(&folder, &making.join("world").join(name)).map_err(failed)?;
    }
    // Two at a time: most of it is copying.
    let all: Vec<(&String, u32)> = machines.iter().map(|(node, process)| (node, *process)).collect();
    let halves = all.split_at(all.len() / 2);
    let copy = |part: &[(&String, u32)]| -> Result<(), Failure> {
        for (node, process) in part {
            copy_machine(&environment.machine(node), node, *process, &making.join("nodes").join(node)).map_err(
                |failure| match failure {
                    Copying::Machine(failure) => Failure::from(failure),
                    Copying::File(error) => failed(error).into(),
                },
            )?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| copy(halves.0));
        let own = copy(halves.1);
        let other = other.join().unwrap_or_else(|_| Err(failed(std::io::Error::other("a thread panicked")).into()));
        other.and(own)
    })
}

enum Copying {
    Machine(MachineFailure),
    File(std::io::Error),
}

impl From<std::io::Error> for Copying {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

impl From<MachineFailure> for Copying {
    fn from(failure: MachineFailure) -> Self {
        Self::Machine(failure)
    }
}

fn copy_machine(machine: &Path, node: &str, process: u32, to: &Path) -> Result<(), Copying> {
    fs::create_dir_all(to)?;
    let mut monitor = Monitor::open(machine, node)?;
    ignore_memory(&mut monitor)?;
    monitor.ask("migrate-set-parameters", &json!({ "max-bandwidth": 100_000_000_000_u64 }))?;
    monitor.ask("migrate", &json!({ "uri": format!("exec:cat > {DEVICE}") }))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let about = monitor.ask("query-migrate", &json!({}))?;
        match about.get("status").and_then(Value::as_str) {
            Some("completed") => break,
            Some("failed" | "cancelled") => {
                let reason = about.get("error-desc").and_then(Value::as_str).unwrap_or("its devices cannot be stored");
                return Err(MachineFailure::Refused { node: node.to_owned(), reason: reason.to_owned() }.into());
            }
            _ if Instant::now() > deadline => {
                let reason = format!("its devices were not stored within {} s", PATIENCE.as_secs());
                return Err(MachineFailure::Refused { node: node.to_owned(), reason }.into());
            }
            _ => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    fs::rename(machine.join(DEVICE), to.join(DEVICE))?;
    let memory = File::open(memory_of(process)?)?;
    let kept = OpenOptions::new().write(true).create_new(true).open(to.join(MEMORY))?;
    kept.set_len(memory.metadata()?.len())?;
    copy_data(&memory, &kept)?;
    for name in [STATE, CONFIG] {
        copy_sparse(&machine.join(name), &to.join(name))?;
    }
    Ok(())
}

fn ignore_memory(monitor: &mut Monitor) -> Result<(), MachineFailure> {
    let shared = json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] });
    monitor.ask("migrate-set-capabilities", &shared).map(drop)
}

/// Returns where a machine's memory is: a file without a name that QEMU holds.
fn memory_of(process: u32) -> std::io::Result<PathBuf> {
    for entry in fs::read_dir(format!("/proc/{process}/fd"))? {
        let path = entry?.path();
        if fs::read_link(&path).is_ok_and(|target| target.to_string_lossy().starts_with("/memfd:memory")) {
            return Ok(path);
        }
    }
    Err(std::io::Error::other(format!("process {process} has no memory of a machine")))
}

/// Returns the folders of what is no node of the platform.
fn world(environment: &Folder, nodes: &[&Node]) -> Result<Vec<(String, PathBuf)>, Failure> {
    let all = environment.path().join("nodes");
    let names = files::names(&all).map_err(StateFailure::from)?;
    let others = names.into_iter().filter(|name| !nodes.iter().any(|node| node.name.as_str() == name));
    Ok(others.map(|name| (name.clone(), all.join(name))).collect())
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Returns how many octets of a file are no hole.
fn held(file: &File) -> std::io::Result<u64> {
    let (mut octets, mut at) = (0, 0);
    loop {
        let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(rustix::io::Errno::NXIO) => return Ok(octets),
            Err(error) => return Err(error.into()),
        };
        at = rustix::fs::seek(file, SeekFrom::Hole(start))?;
        octets += at - start;
    }
}

/// Copies a file with its holes.
fn copy_sparse(from: &Path, to: &Path) -> std::io::Result<()> {
    let source = File::open(from)?;
    files::remove(to).map_err(std::io::Error::other)?;
    let target = OpenOptions::new().write(true).create_new(true).open(to)?;
    target.set_len(source.metadata()?.len())?;
    copy_data(&source, &target)
}

/// Copies what a file holds to the same places of another, which holds nothing yet.
fn copy_data(from: &File, to: &File) -> std::io::Result<()> {
    let mut bytes = vec![0; PIECE];
    let mut at = 0;
    loop {
        let start = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Nothing but a hole is left.
            Err(rustix::io::Errno::NXIO) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(from, SeekFrom::Hole(start))?;
        let mut place = start;
        while place < end {
            let room = usize::try_from(end - place).unwrap_or(PIECE).min(PIECE);
            let piece = bytes.get_mut(..room).unwrap_or_default();
            from.read_exact_at(piece, place)?;
            if piece.iter().any(|byte| *byte != 0) {
                to.write_all_at(piece, place)?;
            }
            place += room as u64;
        }
        at = end;
    }
}

/// Returns how much room a folder takes, in bytes.
fn room(folder: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { room(&entry.path())? } else { about.blocks() * 512 };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ground() -> Ground {
        Ground {
            image: "a".to_owned(),
            qemu: "QEMU emulator version 7.2.22".to_owned(),
            model: "qemu64".to_owned(),
            words: "quiet".to_owned(),
            programs: "p".to_owned(),
            memory: BTreeMap::from([("mx-1".to_owned(), 512)]),
        }
    }

    #[test]
    fn a_snapshot_of_another_ground_is_refused_with_both_named() {
        let then = ground();
        assert_eq!(ground().other_than(&then), None);
        let now = Ground { qemu: "QEMU emulator version 10.0.2".to_owned(), ..ground() };
        let reason = now.other_than(&then).unwrap();
        assert!(reason.contains("7.2.22") && reason.contains("10.0.2"), "{reason}");
        for other in [
            Ground { image: "b".to_owned(), ..ground() },
            Ground { model: "host".to_owned(), ..ground() },
            Ground { words: String::new(), ..ground() },
            Ground { memory: BTreeMap::new(), ..ground() },
        ] {
            assert!(other.other_than(&then).is_some());
        }
    }

    #[test]
    fn a_name_leads_nowhere_else_and_what_is_half_stored_is_no_snapshot() {
        let state = tempfile::tempdir().unwrap();
        let identity = crate::state::Identity::new(state.path(), "qa");
        let environment = crate::state::StateRoot::new(state.path()).folder(&identity);
        environment.open(&identity).unwrap();
        for name in ["", "..", "a/b", ".x", "a b"] {
            assert!(read(&environment, name).is_err(), "{name}");
        }
        fs::create_dir_all(folder(&environment).join("half/nodes")).unwrap();
        assert_eq!(list(&environment).unwrap(), []);
        let failure = read(&environment, "half").unwrap_err();
        assert!(failure.to_string().contains("there is none of this name"), "{failure}");
        fs::write(folder(&environment).join("half/snapshot.json"), "{\"version\": 9}").unwrap();
        let failure = read(&environment, "half").unwrap_err();
        assert!(failure.to_string().contains("version 9"), "{failure}");
    }

    proptest! {
        #[test]
        fn a_copy_holds_what_the_file_holds_and_keeps_its_holes(
            pieces in prop::collection::vec((0_u64..40, any::<u8>(), 1_usize..9000), 0..6),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (from, to) = (folder.path().join("from"), folder.path().join("to"));
            let file = File::create(&from).unwrap();
            file.set_len(40 * 65_536 + 9000).unwrap();
            for (place, byte, length) in &pieces {
                file.write_all_at(&vec![*byte; *length], place * 65_536).unwrap();
            }
            copy_sparse(&from, &to).unwrap();
            prop_assert!(fs::read(&from).unwrap() == fs::read(&to).unwrap());
            let blocks = |path: &Path| std::os::unix::fs::MetadataExt::blocks(&fs::metadata(path).unwrap());
            prop_assert!(blocks(&to) <= blocks(&from) + 8);
        }
    }
}
