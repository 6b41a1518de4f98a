//! Why an environment could not be brought up, asked after, ended or emptied; each with what to do next.

use std::path::PathBuf;

use crate::backend::{Backend, Lack};
use crate::container::EngineFailure;
use crate::embedded::{AuthorityFailure, DoorFailure};
use crate::files::FileFailure;
use crate::fill::FillFailure;
use crate::state::{Identity, LockFailure, SecretFailure, StateFailure};
use crate::vm::MachineFailure;
use images::ImageFailure;

/// Why something could not be done with an environment.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No backend has that name.
    #[error("there is no backend `{name}`")]
    NoSuchBackend {
        /// The name that was asked for.
        name: String,
    },
    /// Nobody wants it any more.
    #[error("it was interrupted while it came up; what had been begun is ended")]
    Interrupted,
    /// The backend lacks what the platform needs.
    #[error("the backend `{backend}` does not fit: {}", lacks.iter().map(|lack| lack.what.as_str()).collect::<Vec<_>>().join("; "))]
    Unfit {
        /// The backend's name.
        backend: &'static str,
        /// What it lacks, never empty.
        lacks: Vec<Lack>,
    },
    /// The environment's folder cannot be used.
    #[error(transparent)]
    State(#[from] StateFailure),
    /// The environment is taken.
    #[error(transparent)]
    Lock(#[from] LockFailure),
    /// A password is not to be had.
    #[error(transparent)]
    Secret(#[from] SecretFailure),
    /// There is no certificate.
    #[error(transparent)]
    Authority(#[from] AuthorityFailure),
    /// A door cannot be opened.
    #[error(transparent)]
    Door(#[from] DoorFailure),
    /// A node's disk cannot be opened.
    #[error("could not open the disk of node {node}")]
    Disk {
        /// The node.
        node: String,
        /// What happened.
        source: FileFailure,
    },
    /// What a node wrote cannot be read again.
    #[error("could not start node {node} from what it wrote in {}: {reason}", folder.display())]
    Recover {
        /// The node.
        node: String,
        /// Its disk.
        folder: PathBuf,
        /// What the node said.
        reason: String,
    },
    /// The accounts cannot be opened.
    #[error("could not open the directory of accounts {}", path.display())]
    Directory {
        /// The database.
        path: PathBuf,
        /// What the directory said.
        source: control::DirectoryError,
    },
    /// The declared accounts cannot be written.
    #[error("could not take the declared accounts into the directory {}", path.display())]
    Seed {
        /// The database.
        path: PathBuf,
        /// What the directory said.
        source: control::DirectoryError,
    },
    /// The process cannot get threads or timers.
    #[error("could not start the thread `{thread}`")]
    Thread {
        /// What it is for.
        thread: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A node's tree could not be filled and laid out.
    #[error(transparent)]
    Fill(#[from] FillFailure),
    /// Nothing can be done inside that node.
    #[error("there is no node `{node}` to enter")]
    NoSuchNode {
        /// The node.
        node: String,
        /// Those that can be entered.
        nodes: Vec<String>,
    },
    /// There is no root file system for the nodes.
    #[error(transparent)]
    Root(#[from] ImageFailure),
    /// A virtual machine could not be made.
    #[error(transparent)]
    Machine(#[from] MachineFailure),
    /// A container engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineFailure),
    /// There is no network for the nodes.
    #[error("{reason}")]
    Network {
        /// What was tried.
        reason: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A node's first process could not be started or told anything.
    #[error("could not start node {node}")]
    StartNode {
        /// The node.
        node: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A change that cannot be made while the environment runs.
    #[error("nodes, addresses, doors, packages or the world outside are others: that takes bringing it up anew")]
    Reshaped,
    /// A node could not become what it should be.
    #[error("could not start node {node}: {reason}")]
    Node {
        /// The node.
        node: String,
        /// What happened.
        reason: String,
    },
    /// A node did not come up in the time it had.
    #[error("{node} did not come up within {seconds} s")]
    Late {
        /// The node.
        node: String,
        /// How long it had.
        seconds: u64,
    },
    /// A daemon does not come up.
    #[error("could not start {process} on {node}: it {how}")]
    Daemon {
        /// The node.
        node: String,
        /// The daemon.
        process: String,
        /// How it ended, or what it lacks.
        how: String,
        /// What it said last.
        lines: Vec<String>,
    },
    /// A door was opened and does not answer.
    #[error("the door `{service}` on port {port} does not answer: {problem}")]
    Silent {
        /// The door's service.
        service: String,
        /// Its port.
        port: u16,
        /// What happened instead.
        problem: String,
    },
    /// The environment broke while it ran.
    #[error("the environment broke: {reason}")]
    Broke {
        /// What happened.
        reason: String,
    },
    /// The environment was never brought up.
    #[error("the environment {identity} was never brought up")]
    NeverUp {
        /// Which one.
        identity: Identity,
    },
    /// Nobody can say which process serves the environment.
    #[error("the environment {identity} is up, and the process that serves it cannot be told")]
    UnknownProcess {
        /// Which one.
        identity: Identity,
    },
    /// The process cannot be told to end.
    #[error("could not ask process {process} to end")]
    Signal {
        /// The process.
        process: u32,
        /// What the system said.
        source: std::io::Error,
    },
    /// The process was told to end and did not.
    #[error("process {process} did not end within {seconds} s")]
    DidNotEnd {
        /// The process.
        process: u32,
        /// How long was waited.
        seconds: u64,
    },
    /// The process that was to serve the environment ended before it was ready.
    #[error("the environment {identity} did not come up: {reason}")]
    DidNotComeUp {
        /// Which one.
        identity: Identity,
        /// What is known.
        reason: String,
    },
}

impl Failure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Interrupted => String::new(),
            Self::NoSuchBackend { .. } => {
                let names: Vec<&str> = Backend::ALL.into_iter().map(Backend::name).collect();
                format!("backends: {}", names.join(", "))
            }
            Self::Unfit { lacks, .. } => lacks.iter().map(|lack| lack.help.as_str()).collect::<Vec<_>>().join("; "),
            Self::State(failure) => failure.help(),
            Self::Lock(failure) => failure.help(),
            Self::Secret(failure) => failure.help(),
            Self::Authority(failure) => failure.help(),
            Self::Door(failure) => failure.help(),
            Self::Disk { source, .. } => source.help(),
            Self::Recover { folder, .. } => {
                format!("restore {} from a backup, or give its mail up with `mailwright reset`", folder.display())
            }
            Self::Directory { path, .. } | Self::Seed { path, .. } => {
                format!("look after {}, or begin with empty accounts by `mailwright reset`", path.display())
            }
            Self::Thread { .. } => "raise the limits on processes and memory (`ulimit -u`, `ulimit -v`)".to_owned(),
            Self::Silent { .. } | Self::Broke { .. } | Self::DidNotComeUp { .. } => {
                "read `mailwright logs`, then bring it up again".to_owned()
            }
            Self::Fill(failure) => failure.help(),
            Self::NoSuchNode { nodes, .. } if nodes.is_empty() => {
                "nodes are entered where real daemons run: bring it up with `--backend namespace`".to_owned()
            }
            Self::NoSuchNode { nodes, .. } => format!("nodes: {}", nodes.join(", ")),
            Self::Root(failure) => failure.help(),
            Self::Machine(failure) => failure.help(),
            Self::Engine(failure) => failure.help(),
            Self::Network { .. } | Self::StartNode { .. } => {
                "it takes root, the kernel's network namespaces, and `unshare` and `ip` (util-linux, iproute2)"
                    .to_owned()
            }
            Self::Reshaped => "end it with `mailwright down`, and bring it up again".to_owned(),
            Self::Late { node, .. } => {
                format!("read `mailwright logs --node {node}`; a slow machine is given longer by `--ready-within`")
            }
            Self::Node { node, .. } => format!("read `mailwright logs --node {node}`"),
            Self::Daemon { node, lines, .. } if lines.is_empty() => {
                format!("it said nothing; read `mailwright logs --node {node}`")
            }
            Self::Daemon { node, lines, .. } => {
                format!("it said last:\n    {}\n  more by `mailwright logs --node {node}`", lines.join("\n    "))
            }
            Self::NeverUp { .. } => "bring it up with `mailwright up`".to_owned(),
            Self::UnknownProcess { .. } => {
                "find it by its command line, which names the repository, and end it by hand".to_owned()
            }
            Self::Signal { process, .. } => format!("end process {process} as the user that started it"),
            Self::DidNotEnd { process, .. } => {
                format!("`kill -9 {process}` is safe: no mail that was answered is lost by it")
            }
        }
    }
}
