//! What a machine gives back to whoever runs it once it has come to rest: what it read only to start, and what nothing uses.
//!
//! Everything is asked of the kernel and none of it must work: a machine that gives nothing back is only a larger one.
//!
//! Source: the kernel's Documentation/admin-guide/cgroup-v2.rst (`memory.reclaim`, since 5.19), Documentation/admin-guide/sysctl/vm.rst
//! (`drop_caches`), mm/page_reporting.c.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a machine is left alone after it has come up: what is looked at first is still in use.
const PAUSE: Duration = Duration::from_secs(3);

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

/// How much of the memory, as a fraction, is kept for the processor's own next use: the kernel keeps up to 54 MiB where it believes in
/// large pages, and tells nobody of it.
const AT_HAND: (&str, &str) = ("/proc/sys/vm/percpu_pagelist_high_fraction", "500");

/// How many pages must lie together, as a power of two, to be told of as free: 64 KiB. The driver of the balloon sets it to 2 MiB when
/// it is loaded, whatever the kernel's command line says.
const TOGETHER: (&str, &str) = ("/sys/module/page_reporting/parameters/page_reporting_order", "4");

/// A machine's way to rest.
#[derive(Clone)]
pub(super) struct Calm {
    /// The group that everything but the kernel is in.
    group: PathBuf,
    /// How often it has come to rest.
    times: Arc<AtomicU64>,
}

impl Calm {
    /// Puts this process and all it will start in a group, so that what they read is known as theirs.
    pub(super) fn fenced() -> Self {
        let groups = Path::new(GROUPS);
        let none: Option<&std::ffi::CStr> = None;
        let _ = rustix::mount::mount("cgroup2", groups, "cgroup2", rustix::mount::MountFlags::NOSUID, none);
        let group = groups.join("node");
        let _ = fs::write(groups.join("cgroup.subtree_control"), "+memory");
        let _ =
            fs::create_dir(&group).and_then(|()| fs::write(group.join("cgroup.procs"), std::process::id().to_string()));
        Self::within(group)
    }

    /// Takes the group that systemd keeps its services in.
    pub(super) fn of_services() -> Self {
        Self::within(Path::new(GROUPS).join("system.slice"))
    }

    fn within(group: PathBuf) -> Self {
        Self { group, times: Arc::default() }
    }

    /// Gives back what is not needed any more, in a moment; at once nothing would be left that is needed next.
    pub(super) fn rest(&self) {
        let (calm, time) = (self.clone(), self.times.fetch_add(1, Ordering::Relaxed) + 1);
        let rest = move || {
            std::thread::sleep(PAUSE);
            if calm.is_last(time) {
                calm.give_back();
            }
        };
        let _ = std::thread::Builder::new().name("calm".to_owned()).spawn(rest);
    }

    /// Whether it has not come to rest once more since.
    fn is_last(&self, time: u64) -> bool {
        self.times.load(Ordering::Relaxed) == time
    }

    fn give_back(&self) {
        // What is not yet written cannot be given back.
        rustix::fs::sync();
        for (place, value) in [AT_HAND, TOGETHER] {
            let _ = fs::write(place, value);
        }
        let read = fs::read_to_string(self.group.join("memory.stat")).unwrap_or_default();
        // It ends with an error where it could not be that much.
        let _ = fs::write(self.group.join("memory.reclaim"), of_files(&read).to_string());
        // What is read for all groups, and what is known of files.
        let _ = fs::write("/proc/sys/vm/drop_caches", "3");
    }
}

/// Returns how many bytes of files a group keeps in memory, of what its `memory.stat` says.
fn of_files(stat: &str) -> u64 {
    stat.lines().find_map(|line| line.strip_prefix("file ")).and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_take_is_read_from_what_a_group_says_of_itself() {
        assert_eq!(of_files("anon 13963264\nfile 30576640\nkernel 3276800\nfile_mapped 18497536\n"), 30_576_640);
        assert_eq!(of_files(""), 0);
    }

    #[test]
    fn only_the_last_of_two_rests_gives_back() {
        let calm = Calm::of_services();
        calm.times.store(2, Ordering::Relaxed);
        assert!(!calm.is_last(1));
        assert!(calm.is_last(2));
    }
}
