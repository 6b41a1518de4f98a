//! One daemon of a node: what it waits for, how it is started, how often it fell over.

use std::time::{Duration, Instant};

use blueprint::Process;

/// The shortest wait before a daemon that fell over is started again; it doubles with each fall.
const SHORTEST: Duration = Duration::from_millis(200);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(10);

/// How far a daemon is.
#[derive(Debug)]
pub(super) enum Stage {
    /// What it needs does not answer yet.
    Waiting,
    /// A command before the start runs: which one, and as which process.
    Preparing {
        /// The command's place among those before the start.
        step: usize,
        /// Its process.
        pid: i32,
    },
    /// It runs.
    Running {
        /// Its process.
        pid: i32,
        /// Whether it listens on all it promises.
        ready: bool,
    },
    /// It fell over and is started again at that time.
    Pausing(Instant),
    /// It was told to end, and is started again once it has.
    Restarting {
        /// Its process.
        pid: i32,
    },
    /// It is not to run any more.
    Over,
}

/// A daemon with what is known of it.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) plan: Process,
    pub(super) stage: Stage,
    /// What it needs and has not answered yet.
    pub(super) needs: Vec<String>,
    /// Falls since it was ready last.
    pub(super) failures: u32,
}

impl Daemon {
    /// Makes a daemon that has not begun.
    pub(super) fn new(plan: Process) -> Self {
        Self { needs: plan.after.clone(), plan, stage: Stage::Waiting, failures: 0 }
    }

    /// Returns its process, whatever that does.
    pub(super) fn pid(&self) -> Option<i32> {
        match self.stage {
            Stage::Preparing { pid, .. } | Stage::Running { pid, .. } | Stage::Restarting { pid } => Some(pid),
            Stage::Waiting | Stage::Pausing(_) | Stage::Over => None,
        }
    }

    /// Whether nothing is to be waited for.
    pub(super) fn is_settled(&self) -> bool {
        self.plan.is_aside() || matches!(self.stage, Stage::Running { ready: true, .. } | Stage::Over)
    }

    /// Notes a fall; returns when it is started again.
    pub(super) fn fall(&mut self, now: Instant) -> Instant {
        let factor = 1_u32.checked_shl(self.failures.min(10)).unwrap_or(1);
        self.failures = self.failures.saturating_add(1);
        let at = now + SHORTEST.saturating_mul(factor).min(LONGEST);
        self.stage = Stage::Pausing(at);
        at
    }
}

/// Returns what a change of files asks of a daemon.
pub(super) fn consequence(plan: &Process, changed: &[String]) -> Consequence {
    let touches = |patterns: &[String]| changed.iter().any(|path| patterns.iter().any(|pattern| covers(pattern, path)));
    if touches(&plan.restart_on) {
        Consequence::Restart
    } else if touches(&plan.reads) {
        if plan.reload.is_some() { Consequence::Reload } else { Consequence::Restart }
    } else {
        Consequence::Nothing
    }
}

/// What a change of files asks of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consequence {
    /// It does not read them.
    Nothing,
    /// It takes them over while it runs.
    Reload,
    /// It has to be started anew.
    Restart,
}

/// Whether a path is the one named, or lies in the folder named with a slash at its end.
fn covers(pattern: &str, path: &str) -> bool {
    pattern == path || (pattern.ends_with('/') && path.starts_with(pattern))
}

#[cfg(test)]
pub(super) fn sample(name: &str, command: &[&str]) -> Process {
    Process {
        name: name.to_owned(),
        unit: format!("{name}.service"),
        prepare: Vec::new(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        user: "root".to_owned(),
        variables: std::collections::BTreeMap::new(),
        after: Vec::new(),
        ready: Vec::new(),
        reload: None,
        restart_on: Vec::new(),
        reads: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_keeps_falling_waits_longer_each_time_up_to_a_bound() {
        let mut daemon = Daemon::new(sample("d", &["/bin/false"]));
        let now = Instant::now();
        let waits: Vec<u128> = (0..12).map(|_| daemon.fall(now).duration_since(now).as_millis()).collect();
        assert_eq!(waits.first_chunk(), Some(&[200, 400, 800, 1600]));
        assert_eq!(waits.last(), Some(&10_000));
        assert!(waits.is_sorted());
    }

    #[test]
    fn a_change_restarts_reloads_or_leaves_alone() {
        let mut plan = sample("d", &["/bin/true"]);
        plan.reads = vec!["/etc/d/".to_owned(), "/etc/shared".to_owned()];
        plan.restart_on = vec!["/etc/d/main.conf".to_owned()];
        let of = |plan: &Process, path: &str| consequence(plan, &[path.to_owned()]);
        assert_eq!(of(&plan, "/etc/d/map"), Consequence::Restart, "without a way to reload");
        plan.reload = Some(vec!["/bin/true".to_owned()]);
        assert_eq!(of(&plan, "/etc/d/map"), Consequence::Reload);
        assert_eq!(of(&plan, "/etc/shared"), Consequence::Reload);
        assert_eq!(of(&plan, "/etc/d/main.conf"), Consequence::Restart);
        assert_eq!(of(&plan, "/etc/d"), Consequence::Nothing);
        assert_eq!(of(&plan, "/etc/shared/not"), Consequence::Nothing);
        assert_eq!(consequence(&plan, &[]), Consequence::Nothing);
    }
}
