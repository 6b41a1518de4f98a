//! What the tool and a node's first process tell each other: one JSON document a line, orders one way, tidings the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use blueprint::{Check, Process};
use serde::{Deserialize, Serialize};

use super::tree::Manifest;

/// What a node is told. The end of the stream means that whoever gave orders is gone, and the node ends with it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Become the node; the first order, and only once.
    Begin(Box<Plan>),
    /// The tree has changed: take it over, and let the daemons notice.
    Converge {
        /// What is to run now.
        processes: Vec<Process>,
    },
    /// Become the node, have every daemon's own checker read its files, and end; the first order, instead of `Begin`.
    Check {
        /// What the node is.
        plan: Box<Plan>,
        /// What is to be asked.
        checks: Vec<Check>,
    },
    /// Become the node, for a container whose root is there already; the first order, and only once.
    Join(Box<ContainerPlan>),
    /// Become the node, for a virtual machine whose root is there already; the first order, and only once.
    Boot(Box<MachinePlan>),
    /// Take a tree that [`Order::Converge`] will speak of; for a virtual machine, which sees no folder of the tool.
    Tree {
        /// What it consists of.
        manifest: Manifest,
        /// What the files hold, in Base64, by path.
        files: BTreeMap<String, String>,
    },
    /// A virtual machine was stored and goes on now: it takes the time and chance of its own, and tells anew how it is.
    Awake(Awakening),
    /// End every daemon, then the node.
    Stop,
}

/// What a node is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Its name, which becomes the host name.
    pub(crate) node: String,
    /// Folders of the root file system, the topmost first; nobody writes to them.
    pub(crate) layers: Vec<PathBuf>,
    /// The folder that keeps what is below `/var`; everything else begins anew each time.
    pub(crate) state: PathBuf,
    /// An empty folder to mount on.
    pub(crate) mount: PathBuf,
    /// The folder of the node's tree, with its manifest.
    pub(crate) tree: PathBuf,
    /// Files of this machine that appear in the node: where, and what.
    pub(crate) programs: BTreeMap<String, PathBuf>,
    /// Commands for `ip -batch`, which give the node its addresses.
    pub(crate) network: String,
    /// What runs on it, in the order it is started.
    pub(crate) processes: Vec<Process>,
}

/// What a container is told to become.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ContainerPlan {
    /// Commands for `ip -batch`, which make its end of the wire out of what the engine gave it.
    pub(crate) tunnel: String,
    /// Commands for `bridge -batch`, which say where the others are.
    pub(crate) others: String,
    /// Commands for `ip -batch`, which give the node its addresses.
    pub(crate) network: String,
    /// Whether it says of addresses that are nobody's that they are, as the world does.
    pub(crate) refuses: bool,
    /// Folders that lie over the image's `/var`, the topmost first.
    pub(crate) warm: Vec<PathBuf>,
    /// What runs on it, in the order it is started.
    pub(crate) processes: Vec<Process>,
}

/// What a virtual machine is told to become.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MachinePlan {
    /// Its name, which becomes the host name.
    pub(crate) node: String,
    /// Commands for `ip -batch`, which give the node its addresses.
    pub(crate) network: String,
    /// What runs on it, in the order it is started.
    pub(crate) processes: Vec<Process>,
    /// The files that its config disk has brought.
    pub(crate) laid: BTreeSet<String>,
}

/// What a machine cannot know by itself when it goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Awakening {
    /// The time, in milliseconds since 1970.
    pub(crate) clock_milliseconds: u64,
    /// Random bytes, in Base64.
    pub(crate) chance: String,
}

/// What a node tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tidings {
    /// It is there, in namespaces of its own.
    Here {
        /// Its process as the whole machine counts.
        process: u32,
    },
    /// It cannot become or stay what it should be.
    Failed {
        /// Why, in a sentence.
        reason: String,
    },
    /// The tree lies in its place.
    Delivered {
        /// Paths whose content, owner or mode is another than before, or that are gone.
        changed: Vec<String>,
    },
    /// A daemon was started.
    Started {
        /// The daemon.
        process: String,
    },
    /// A daemon took changed files over without ending.
    Reloaded {
        /// The daemon.
        process: String,
    },
    /// Everything the daemon promises to listen on is listened on.
    Ready {
        /// The daemon.
        process: String,
    },
    /// A daemon ended by itself.
    Ended {
        /// The daemon.
        process: String,
        /// How.
        how: String,
        /// How often it has ended by itself without having been ready since.
        failures: u32,
    },
    /// A daemon said something.
    Line {
        /// The daemon.
        process: String,
        /// A line, without its end.
        text: String,
    },
    /// A daemon's checker has answered.
    Checked {
        /// What was asked, by its place in the order.
        check: usize,
        /// Whether it found nothing wrong.
        passed: bool,
        /// What it said, on both of its outputs.
        said: String,
    },
    /// Every daemon was started and is ready.
    Settled,
}
