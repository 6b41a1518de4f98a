//! A virtual machine as QEMU runs it.
//!
//! Source: qemu-system-x86_64(1) of QEMU 7.2. Every device has a fixed place, since a stored machine goes on only where all of
//! them are in theirs.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use blueprint::Node;
use blueprint::ledger::Boot;
use blueprint::platform::World;
use sha2::{Digest as _, Sha256};

use super::accelerator::Accelerator;
use super::starter::Starter;
use super::{disks, lane};
use crate::failure::Failure;
use crate::files;
use crate::node;
use crate::state::{Folder, StateFailure};

/// The program that is QEMU.
pub(super) const QEMU: &str = "qemu-system-x86_64";

/// The socket that the machine's frames go to.
pub(super) const NETWORK: &str = "network";

/// The socket that orders go to.
pub(super) const CONTROL: &str = "control";

/// The socket that commands are asked for on.
pub(super) const ENTRY: &str = "entry";

/// The socket that QEMU itself is spoken to on.
pub(super) const MONITOR: &str = "monitor";

/// What the kernel says.
const CONSOLE: &str = "console";

/// What stands behind the sockets' names of a machine that another one is to become, until it has.
const NEXT: &str = ".next";

/// Why a machine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MachineFailure {
    /// There is no image to boot.
    #[error("the image in {} has no {file}", folder.display())]
    NoImage {
        /// Where it was looked for.
        folder: PathBuf,
        /// What is missing.
        file: &'static str,
    },
    /// A file must not be on a config disk.
    #[error("could not write the config disk of {node}")]
    Disk {
        /// The node.
        node: String,
        /// What must not be on it.
        source: images::disk::Refused,
    },
    /// There is no state disk.
    #[error("could not make the state disk of {node}")]
    StateDisk {
        /// The node.
        node: String,
        /// What happened.
        source: std::io::Error,
    },
    /// The layer with this program could not be made.
    #[error("could not make the layer with this program")]
    Programs {
        /// What happened.
        source: std::io::Error,
    },
    /// QEMU cannot be asked anything.
    #[error("could not run {QEMU}")]
    Qemu {
        /// What the system said.
        source: std::io::Error,
    },
    /// A snapshot cannot be taken, or not be gone on from.
    #[error("the snapshot `{name}`: {reason}")]
    Snapshot {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A machine could not move; it goes on where it was.
    #[error("{node} could not move: {reason}")]
    Move {
        /// The node.
        node: String,
        /// Why.
        reason: String,
    },
    /// Who serves the environment moves nothing, or no more.
    #[error("{reason}")]
    Unmoved {
        /// What it said.
        reason: String,
    },
    /// A machine runs, and was never heard of.
    #[error("{node} did not come up within {seconds} s: its machine runs and says nothing")]
    Hangs {
        /// The node.
        node: String,
        /// How long it had.
        seconds: u64,
        /// Where its kernel's words are.
        console: PathBuf,
        /// The last of them.
        lines: Vec<String>,
    },
    /// QEMU said no.
    #[error("QEMU on {node} refused: {reason}")]
    Refused {
        /// The node.
        node: String,
        /// What it said.
        reason: String,
    },
}

impl MachineFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::NoImage { .. } => "build it: mailwright image build".to_owned(),
            Self::Disk { .. } => "please report it: this is a fault of this program".to_owned(),
            Self::StateDisk { .. } => "it takes room, and mke2fs: apt-get install e2fsprogs".to_owned(),
            Self::Programs { .. } => "it takes room, and mkfs.erofs: apt-get install erofs-utils".to_owned(),
            Self::Qemu { .. } => "install it: apt-get install qemu-system-x86".to_owned(),
            Self::Snapshot { .. } => {
                "see what there is with `mailwright snapshot list`; without one, `mailwright up` begins from the state disks"
                    .to_owned()
            }
            Self::Move { .. } | Self::Unmoved { .. } => "it goes on where it was; see `mailwright status` and `mailwright logs`".to_owned(),
            Self::Hangs { console, lines, .. } => {
                let next = format!("a slow machine is given longer by `--ready-within`; see {}", console.display());
                match lines.is_empty() {
                    true => format!("its kernel said nothing; {next}"),
                    false => format!("its kernel said last:\n    {}\n  {next}", lines.join("\n    ")),
                }
            }
            Self::Refused { .. } => "read `mailwright logs`, then bring the environment up again".to_owned(),
        }
    }
}

/// Lines of a kernel's last words that are told.
const LAST: usize = 5;

/// Returns a failure with what the machine's kernel said last, where it is a machine that was not heard of in time.
pub(super) fn told_of(failure: Failure, environment: &Folder) -> Failure {
    let Failure::Late { node, seconds } = failure else { return failure };
    let console = environment.machine(&node).join(CONSOLE);
    let said = std::fs::read(&console).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let lines = lines.iter().rev().take(LAST).rev().map(|line| (*line).to_owned()).collect();
    MachineFailure::Hangs { node, seconds, console, lines }.into()
}

/// The files of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFiles {
    /// What the image is known by.
    pub digest: String,
    /// The root file system.
    pub root: PathBuf,
    /// The kernel.
    pub kernel: PathBuf,
    /// The initrd.
    pub initrd: PathBuf,
}

impl ImageFiles {
    /// Takes the image in a folder.
    ///
    /// - Errors: a file of it is missing.
    pub fn of(folder: &Path) -> Result<Self, MachineFailure> {
        for file in ["root.erofs", "kernel", "initrd"] {
            if !folder.join(file).is_file() {
                return Err(MachineFailure::NoImage { folder: folder.to_owned(), file });
            }
        }
        let digest = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self {
            digest,
            root: folder.join("root.erofs"),
            kernel: folder.join("kernel"),
            initrd: folder.join("initrd"),
        })
    }
}

/// What all machines of an environment share.
pub(super) struct Power {
    pub(super) image: ImageFiles,
    pub(super) programs: PathBuf,
    pub(super) accelerator: Accelerator,
    pub(super) boot: Boot,
    /// Whether the platform is as the real world sees it.
    pub(super) world: World,
    /// Whose end is the machines' end.
    pub(super) starter: Starter,
}

impl Power {
    /// Returns what the kernel is told.
    pub(super) fn words(&self) -> String {
        lane::words(self.boot, &self.accelerator)
    }
}

/// One machine.
pub(super) struct Machine<'a> {
    pub(super) folder: &'a Path,
    pub(super) node: &'a Node,
    /// How it begins.
    pub(super) begins: Begins,
}

/// How a machine begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// By booting.
    Afresh,
    /// It waits for what it was when it was stored.
    Stored,
    /// It waits for another process's machine to become this one, beside it.
    Beside,
}

/// Returns the name of a machine's socket.
pub(super) fn socket(name: &str, begins: Begins) -> String {
    match begins {
        Begins::Beside => format!("{name}{NEXT}"),
        Begins::Afresh | Begins::Stored => name.to_owned(),
    }
}

/// Has the sockets of a machine that waited beside another be the machine's own.
pub(super) fn take_place(folder: &Path) -> std::io::Result<()> {
    [CONTROL, ENTRY, MONITOR].iter().try_for_each(|name| {
        // Whoever is connected stays so: a socket's name is only how it is found.
        std::fs::rename(folder.join(socket(name, Begins::Beside)), folder.join(name))
    })
}

/// Makes the folder of a machine, and returns it.
pub(super) fn folder(environment: &Folder, node: &str) -> Result<PathBuf, Failure> {
    let folder = environment.machine(node);
    files::make_folder(&folder).map_err(StateFailure::from)?;
    Ok(folder)
}

/// Returns a path to a socket that is short enough for the kernel (unix(7): 108 octets), valid while the folder is held.
pub(super) fn short(folder: &Path, name: &str) -> Result<(File, PathBuf), Failure> {
    let failed = |source| Failure::Network { reason: format!("could not open {}", folder.display()), source };
    let held = File::open(folder).map_err(failed)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", held.as_raw_fd()));
    Ok((held, path))
}

/// Returns how much memory a node gets here, in MiB: as much as it is to have, up to what serves a few people well. What a machine
/// does not touch takes none here.
pub(super) fn memory(node: &Node) -> u64 {
    (node.memory.as_bytes() >> 20).clamp(256, 512)
}

/// Returns the address of a node's network card: administered locally, from the range that QEMU's own tools use.
pub(super) fn card(node: &str) -> String {
    let digest = Sha256::digest(node);
    let digits: Vec<String> = digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    format!("52:54:00:{}", digits.join(":"))
}

impl Machine<'_> {
    /// Starts the machine; it ends with who starts all of them.
    pub(super) fn switch_on(&self, power: &Power) -> Result<Child, Failure> {
        for name in [CONTROL, ENTRY, MONITOR] {
            files::remove(&self.folder.join(socket(name, self.begins))).map_err(StateFailure::from)?;
        }
        if self.begins != Begins::Beside {
            files::remove(&self.folder.join(CONSOLE)).map_err(StateFailure::from)?;
        }
        let failed = |source| MachineFailure::Qemu { source };
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", QEMU])
            .args(self.arguments(power))
            // Sockets and disks are named as they are called there, since a socket's whole path may be too long.
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        Ok(power.starter.start(command).map_err(failed)?)
    }

    /// Returns what QEMU is told.
    pub(super) fn arguments(&self, power: &Power) -> Vec<String> {
        let memory = memory(self.node);
        let text = |path: &Path| path.to_string_lossy().replace(',', ",,");
        let mut all: Vec<String> = Vec::new();
        let mut say = |words: &[&str]| all.extend(words.iter().map(|word| (*word).to_owned()));
        say(&["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
        say(&["-name", self.node.name.as_str()]);
        say(&["-accel", power.accelerator.accel(), "-cpu", power.accelerator.model(), "-smp", "1"]);
        // Memory that others can read, so that a machine can be stored while it stands still.
        say(&["-object", &format!("memory-backend-memfd,id=memory,size={memory}M,share=on")]);
        say(&["-M", "q35,memory-backend=memory", "-m", &format!("{memory}M")]);
        say(&["-kernel", &power.image.kernel.to_string_lossy(), "-initrd", &power.image.initrd.to_string_lossy()]);
        say(&["-append", &power.words()]);
        say(&["-chardev", &format!("file,id=console,path={CONSOLE},append=on"), "-serial", "chardev:console"]);
        let named = |name| socket(name, self.begins);
        say(&["-chardev", &format!("socket,id=monitor,path={},server=on,wait=off", named(MONITOR))]);
        say(&["-mon", "chardev=monitor,mode=control"]);
        let root = format!("file={},if=none,id=root,format=raw,readonly=on,file.locking=off", text(&power.image.root));
        say(&["-drive", &root, "-device", "virtio-blk-pci,drive=root,addr=5"]);
        let config = format!("file={},if=none,id=config,format=raw,readonly=on,file.locking=off", disks::CONFIG);
        say(&["-drive", &config, "-device", "virtio-blk-pci,drive=config,addr=6"]);
        // What a machine has synced is this machine's to keep, and survives whatever ends but this machine's own power: disks
        // are slow that many share, and an environment is for trying.
        let state = format!("file={},if=none,id=state,format=raw,cache=unsafe", disks::STATE);
        say(&["-drive", &state, "-device", "virtio-blk-pci,drive=state,addr=7"]);
        let programs =
            format!("file={},if=none,id=programs,format=raw,readonly=on,file.locking=off", text(&power.programs));
        say(&["-drive", &programs, "-device", "virtio-blk-pci,drive=programs,addr=8"]);
        say(&["-netdev", &format!("stream,id=wire,server=off,addr.type=unix,addr.path={}", named(NETWORK))]);
        let card = format!("virtio-net-pci,netdev=wire,romfile=,mac={},addr=9", card(self.node.name.as_str()));
        say(&["-device", &card]);
        if power.world == World::Real && !self.node.front_addresses.is_empty() {
            // What production's daemons know by its name leads nowhere here: the world is on the first card, too.
            say(&["-netdev", "hubport,id=front,hubid=0", "-device", "virtio-net-pci,netdev=front,romfile=,addr=d"]);
        }
        say(&["-device", "virtio-serial-pci,id=ports,addr=a"]);
        for (number, (name, port)) in [(CONTROL, node::CONTROL), (ENTRY, node::ENTRY)].into_iter().enumerate() {
            say(&["-chardev", &format!("socket,id={name},path={},server=on,wait=off", named(name))]);
            say(&["-device", &format!("virtserialport,chardev={name},name={port},nr={}", number + 1)]);
        }
        say(&["-object", "rng-random,id=chance,filename=/dev/urandom"]);
        say(&["-device", "virtio-rng-pci,rng=chance,addr=b"]);
        // What a machine no longer uses is given back.
        say(&["-device", "virtio-balloon-pci,free-page-reporting=on,addr=c"]);
        if self.begins != Begins::Afresh {
            // Not before it is told, and then it stands still until all of them can go on.
            say(&["-incoming", "defer", "-S"]);
        }
        all
    }
}
