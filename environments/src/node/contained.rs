//! The first process of a container: the same node, whose root the engine has made and whose network is a tunnel through the engine's.
//!
//! Orders come in on a socket of the tool's that the container sees; when it closes, the tool is gone, and the container ends. What
//! the engine gave the container to reach others by stays in a network namespace that no daemon sees: theirs has the platform's wire
//! and nothing else, so that nothing leads to the engine or out of it.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::protocol::ContainerPlan;
use super::supervisor::Tell;
use super::{converse, mounts, network, refuse_at_once, take_tree};

/// Where the container sees the tool's socket.
pub(crate) const SOCKET: &str = "/run/mailwright/tool/orders";

/// Where the container sees the folder that keeps what is below `/var`.
pub(crate) const STATE: &str = "/run/mailwright/state";

/// Where the container sees its tree.
pub(crate) const TREE: &str = mounts::TREE;

/// The image's own `ip` and `bridge`.
const IP: &str = "/sbin/ip";
const BRIDGE: &str = "/sbin/bridge";

/// Files that a process may have open. Some engines allow a thousand million, and some daemons try to close each of them.
const FILES: u64 = 65_536;

/// Is a container's first process until it is told to end, or the tool is gone.
///
/// - Returns: whether it was one.
pub fn run_contained() -> bool {
    let files = getrlimit(Resource::Nofile);
    let most = |limit: Option<u64>| Some(limit.map_or(FILES, |limit| limit.min(FILES)));
    // One that cannot be lowered costs time and nothing else.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: most(files.current), maximum: most(files.maximum) });
    let began = (|| -> std::io::Result<(File, UnixStream, UnixStream)> {
        let outside = File::open("/proc/self/ns/net")?;
        let stream = UnixStream::connect(SOCKET)?;
        // Before there is any other thread, so that all of them are inside.
        #[expect(deprecated, reason = "what makes it unsafe is another flag than this one")]
        rustix::thread::unshare(UnshareFlags::NEWNET)?;
        Ok((outside, stream.try_clone()?, stream))
    })();
    match began {
        Ok((outside, read, write)) => converse(read, write, 0, Some(&outside)),
        Err(_) => false,
    }
}

/// Becomes a node in a container.
pub(super) fn join(plan: &ContainerPlan, outside: Option<&File>, tell: &Tell) -> Result<(), String> {
    let outside = outside.ok_or("this process is in no container")?;
    std::thread::scope(|scope| {
        let make = || {
            move_into_link_name_space(outside.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(|error| format!("could not enter the engine's network: {error}"))?;
            network(IP, &plan.tunnel)
        };
        // A thread of its own, since it cannot come back.
        scope.spawn(make).join().unwrap_or_else(|_| Err("the thread that makes the wire panicked".to_owned()))
    })?;
    network(BRIDGE, &plan.others)?;
    network(IP, &plan.network)?;
    if plan.refuses {
        refuse_at_once();
    }
    mounts::furnish(&plan.warm, Path::new(STATE)).map_err(|failure| failure.to_string())?;
    take_tree(tell)
}
