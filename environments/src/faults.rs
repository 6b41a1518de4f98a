//! Faults on purpose, whatever nodes are made of: what breaks now, what later, for how long, and how it is repaired.
//!
//! What becomes of a single node is its ground's affair ([`Breakable`]); here is what all of them have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::log::{Entry, Level, Log};
use crate::namespace::hands::Reach;
use crate::scenarios::{Cannot, Fault, Whom};

/// How often is looked whether attempts to deliver have ended.
const LOOK: Duration = Duration::from_millis(250);

/// What is wrong with a node that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spoil {
    /// One packet of ten is lost.
    Lossy,
    /// Answers take long.
    Slow,
    /// There is no room on the disk.
    Full,
    /// The disk takes nothing, as after a fault that made the kernel turn it read-only.
    Failing,
}

impl Spoil {
    /// Returns what a scenario's word means.
    pub(crate) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "lossy" => Self::Lossy,
            "slow" => Self::Slow,
            "disk-full" => Self::Full,
            "disk-error" => Self::Failing,
            _ => return None,
        })
    }

    /// Returns what the log says of it.
    fn event(self) -> &'static str {
        match self {
            Self::Lossy => "network of the node loses packets",
            Self::Slow => "network of the node is slow",
            Self::Full => "disk of the node is full",
            Self::Failing => "disk of the node takes nothing",
        }
    }
}

/// How a node is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Break {
    PowerOff,
    CutOff,
    Spoiled(Spoil),
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Breaks(Break),
    /// Every daemon of it is killed, and started again by its supervisor.
    Crash,
}

impl What {
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "power-off" => Self::Breaks(Break::PowerOff),
            "cut-off" => Self::Breaks(Break::CutOff),
            "crash" => Self::Crash,
            word => Self::Breaks(Break::Spoiled(Spoil::named(word)?)),
        })
    }

    /// Returns what the log says of it.
    fn event(self) -> &'static str {
        match self {
            Self::Breaks(Break::PowerOff) => "node loses its power",
            Self::Breaks(Break::CutOff) => "node is cut off",
            Self::Breaks(Break::Spoiled(spoil)) => spoil.event(),
            Self::Crash => "daemons of the node are killed",
        }
    }
}

/// What nodes stand on, as far as it breaks.
pub(crate) trait Breakable: Send + Sync + 'static {
    /// How long an attempt to deliver that has begun may take to end.
    const REST: Duration;

    /// Returns the nodes that are meant.
    fn nodes(&self, whom: &Whom) -> Vec<String>;

    /// Tells whether a node can be spoiled so.
    fn fits(&self, spoil: Spoil, node: &str) -> Result<(), Cannot>;

    /// Breaks a node that is not broken in this way, or has nothing to break.
    ///
    /// - Returns: whether it is broken so now. One that has lost its power has lost whatever else was wrong with it.
    fn break_so(&self, how: Break, node: &str) -> Result<bool, Cannot>;

    /// Repairs a node that is broken in this way, without waiting for its daemons.
    fn mend(&self, how: Break, node: &str) -> Result<(), Cannot>;

    /// Kills everything in a node but its first process.
    fn kill_all(&self, node: &str) -> Result<(), Cannot>;

    /// Waits until all daemons are ready.
    ///
    /// - `go_on`: whether anybody still wants it.
    fn settle(&self, go_on: &dyn Fn() -> bool) -> Result<(), Cannot>;

    /// Returns the queues that can be looked into now.
    fn reach(&self) -> MutexGuard<'_, Reach>;
}

/// What can break, and what is broken.
pub(crate) struct Faults<T>(Arc<Kept<T>>);

struct Kept<T> {
    ground: T,
    broken: Mutex<BTreeMap<String, BTreeSet<Break>>>,
    /// What was arranged for later and could not be done.
    missed: Mutex<Option<String>>,
    over: Mutex<bool>,
    ended: Condvar,
    later: Mutex<Vec<JoinHandle<()>>>,
    log: Log,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Breakable> Faults<T> {
    pub(crate) fn new(ground: T, log: Log) -> Self {
        Self(Arc::new(Kept {
            ground,
            broken: Mutex::default(),
            missed: Mutex::default(),
            over: Mutex::new(false),
            ended: Condvar::new(),
            later: Mutex::default(),
            log,
        }))
    }

    /// Returns what the nodes stand on.
    pub(crate) fn ground(&self) -> &T {
        &self.0.ground
    }

    /// Lets nothing happen any more that was arranged for later.
    pub(crate) fn end(&self) {
        *held(&self.0.over) = true;
        self.0.ended.notify_all();
        let threads: Vec<JoinHandle<()>> = held(&self.0.later).drain(..).collect();
        for thread in threads {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }

    /// Breaks something, now or later.
    pub(crate) fn fault(&self, fault: &Fault) -> Result<(), Cannot> {
        let kept = &self.0;
        let Some(what) = What::named(&fault.what) else {
            return Err(Cannot::Lacks(format!("this backend cannot let `{}` happen", fault.what)));
        };
        let nodes = kept.ground.nodes(&fault.whom);
        if nodes.is_empty() {
            return Err(Cannot::Lacks(format!("this environment has nothing of {}", named(&fault.whom))));
        }
        if let What::Breaks(Break::Spoiled(spoil)) = what {
            nodes.iter().try_for_each(|node| kept.ground.fits(spoil, node))?;
        }
        if fault.after.is_zero() {
            nodes.iter().try_for_each(|node| kept.happen(what, node))?;
        }
        if fault.after.is_zero() && fault.lasts.is_none() {
            return Ok(());
        }
        let (kept, fault) = (Arc::clone(kept), fault.clone());
        let later = move || {
            let begun = if fault.after.is_zero() {
                Ok(())
            } else if kept.wait(fault.after) {
                nodes.iter().try_for_each(|node| kept.happen(what, node))
            } else {
                return;
            };
            let done = begun.and_then(|()| match fault.lasts {
                Some(lasts) if kept.wait(lasts) => kept.repair(&nodes),
                _ => Ok(()),
            });
            if let Err(Cannot::Lacks(reason) | Cannot::Failed(reason)) = done {
                *held(&kept.missed) = Some(reason);
            }
        };
        let thread = std::thread::Builder::new().name("faults".to_owned()).spawn(later);
        held(&self.0.later).push(thread.map_err(|error| Cannot::Failed(format!("no thread can be started: {error}")))?);
        Ok(())
    }

    /// Repairs whatever of these is broken, waits until all daemons are ready, and has queues try again, as operators do then.
    ///
    /// - Errors: it could not be repaired, or something that was arranged for later could not be done.
    pub(crate) fn heal(&self, whom: &Whom) -> Result<(), Cannot> {
        self.0.repair(&self.0.ground.nodes(whom))?;
        match held(&self.0.missed).take() {
            Some(reason) => Err(Cannot::Failed(reason)),
            None => Ok(()),
        }
    }
}

impl<T: Breakable> Kept<T> {
    /// Waits; returns whether the environment is still there.
    fn wait(&self, pause: Duration) -> bool {
        let over = held(&self.over);
        let waited = self.ended.wait_timeout_while(over, pause, |over| !*over);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn happen(&self, what: What, node: &str) -> Result<(), Cannot> {
        self.log.write(Entry::now(Level::Warning, Some(node), what.event()));
        let how = match what {
            What::Breaks(how) => how,
            What::Crash => return self.ground.kill_all(node),
        };
        // What is spoiled stays so until it is mended.
        let is_so = held(&self.broken).get(node).is_some_and(|broken| broken.contains(&how));
        if matches!(how, Break::Spoiled(_)) && is_so {
            return Ok(());
        }
        let breaks = self.ground.break_so(how, node)?;
        let mut all = held(&self.broken);
        if how == Break::PowerOff {
            // What else was wrong with it is gone with everything that ran.
            all.remove(node);
        }
        if breaks {
            all.entry(node.to_owned()).or_default().insert(how);
        }
        Ok(())
    }

    fn repair(&self, nodes: &[String]) -> Result<(), Cannot> {
        for node in nodes {
            let Some(all) = held(&self.broken).remove(node) else { continue };
            self.log.write(Entry::now(Level::Info, Some(node), "node is repaired"));
            for how in all {
                self.ground.mend(how, node)?;
            }
        }
        self.ground.settle(&|| !*held(&self.over))?;
        self.flush();
        Ok(())
    }

    /// Has queues try again what they hold. An attempt that has begun before may yet fail of what was broken: it is waited for, and what
    /// it leaves is tried again, too.
    fn flush(&self) {
        let mut begun = self.ground.reach().under_way();
        self.ground.reach().flush();
        let deadline = Instant::now() + T::REST;
        let any = !begun.is_empty();
        while !begun.is_empty() && Instant::now() < deadline && self.wait(LOOK) {
            let now = self.ground.reach().under_way();
            begun.retain(|message| now.contains(message));
        }
        if any {
            self.ground.reach().flush();
        }
    }
}

fn named(whom: &Whom) -> String {
    match whom {
        Whom::All => "anything".to_owned(),
        Whom::Host(name) => format!("host {name}"),
        Whom::Node(name) => format!("node {name}"),
        Whom::Role(name) => format!("role {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store and an mx that only take note of what happens to them.
    struct Paper {
        told: Mutex<Vec<String>>,
        reach: Mutex<Reach>,
        /// The node that cannot be repaired.
        stubborn: &'static str,
    }

    impl Paper {
        fn tell(&self, what: &str, node: &str) {
            held(&self.told).push(format!("{node} {what}"));
        }
    }

    impl Breakable for Paper {
        const REST: Duration = Duration::ZERO;

        fn nodes(&self, whom: &Whom) -> Vec<String> {
            let all = ["mx-1", "store-1"].map(str::to_owned);
            all.into_iter().filter(|node| *whom == Whom::All || *whom == Whom::Node(node.clone())).collect()
        }

        fn fits(&self, spoil: Spoil, node: &str) -> Result<(), Cannot> {
            match (spoil, node) {
                (Spoil::Full, "mx-1") => Err(Cannot::Lacks("not an mx".to_owned())),
                _ => Ok(()),
            }
        }

        fn break_so(&self, how: Break, node: &str) -> Result<bool, Cannot> {
            self.tell(&format!("{how:?}"), node);
            // It has no network.
            Ok(how != Break::Spoiled(Spoil::Slow))
        }

        fn mend(&self, how: Break, node: &str) -> Result<(), Cannot> {
            self.tell(&format!("without {how:?}"), node);
            match node == self.stubborn {
                true => Err(Cannot::Failed(format!("{node} stays broken"))),
                false => Ok(()),
            }
        }

        fn kill_all(&self, node: &str) -> Result<(), Cannot> {
            self.tell("crashed", node);
            Ok(())
        }

        fn settle(&self, go_on: &dyn Fn() -> bool) -> Result<(), Cannot> {
            self.tell("settled", "all");
            match go_on() {
                true => Ok(()),
                false => Err(Cannot::Failed("nobody wants it any more".to_owned())),
            }
        }

        fn reach(&self) -> MutexGuard<'_, Reach> {
            held(&self.reach)
        }
    }

    /// Returns what was told in the end.
    fn happens(stubborn: &'static str, scene: impl FnOnce(&Faults<Paper>)) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let (log, writer) = Log::open(folder.path()).unwrap();
        let (_, _, launch) = crate::fixture::platform();
        let reach = Mutex::new(Reach { queues: BTreeMap::new(), internet: launch.internet });
        let faults = Faults::new(Paper { told: Mutex::default(), reach, stubborn }, log);
        scene(&faults);
        faults.end();
        let told = std::mem::take(&mut *held(&faults.ground().told));
        drop(faults);
        writer.finish();
        told
    }

    fn fault(what: &str, whom: Whom) -> Fault {
        Fault { what: what.to_owned(), whom, after: Duration::ZERO, lasts: None }
    }

    fn node(name: &str) -> Whom {
        Whom::Node(name.to_owned())
    }

    #[test]
    fn what_is_named_is_healed_and_the_rest_when_nothing_is() {
        let told = happens("", |faults| {
            faults.fault(&fault("cut-off", Whom::All)).unwrap();
            faults.heal(&node("mx-1")).unwrap();
            faults.heal(&Whom::All).unwrap();
            // Nothing is left to repair.
            faults.heal(&Whom::All).unwrap();
        });
        let expected = [
            "mx-1 CutOff",
            "store-1 CutOff",
            "mx-1 without CutOff",
            "all settled",
            "store-1 without CutOff",
            "all settled",
            "all settled",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_node_without_power_has_lost_whatever_else_was_wrong_with_it() {
        let told = happens("", |faults| {
            for what in ["cut-off", "disk-full", "disk-full", "slow", "power-off", "crash"] {
                faults.fault(&fault(what, node("store-1"))).unwrap();
            }
            faults.heal(&node("store-1")).unwrap();
        });
        let expected = [
            "store-1 CutOff",
            // Once, since it stays so.
            "store-1 Spoiled(Full)",
            "store-1 Spoiled(Slow)",
            "store-1 PowerOff",
            "store-1 crashed",
            "store-1 without PowerOff",
            "all settled",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_cannot_happen_is_said_before_anything_does() {
        let told = happens("", |faults| {
            let lacks = |fault| matches!(faults.fault(&fault), Err(Cannot::Lacks(_)));
            assert!(lacks(fault("disk-full", Whom::All)));
            assert!(lacks(fault("flood", Whom::All)));
            assert!(lacks(fault("crash", Whom::Role("cache".to_owned()))));
        });
        assert_eq!(told, [""; 0]);
    }

    #[test]
    fn what_lasts_ends_by_itself_and_what_failed_meanwhile_is_told_by_the_next_heal() {
        let moment = Duration::from_millis(1);
        let told = happens("mx-1", |faults| {
            for name in ["mx-1", "store-1"] {
                let what = Fault { after: moment, lasts: Some(moment), ..fault("lossy", node(name)) };
                faults.fault(&what).unwrap();
                let begun = Instant::now();
                while !held(&faults.ground().told).contains(&format!("{name} without Spoiled(Lossy)")) {
                    assert!(begun.elapsed() < Duration::from_secs(10), "{name}");
                    std::thread::park_timeout(moment);
                }
            }
            let begun = Instant::now();
            let missed = loop {
                match faults.heal(&Whom::All) {
                    Err(missed) => break missed,
                    Ok(()) => assert!(begun.elapsed() < Duration::from_secs(10), "nothing was missed"),
                }
            };
            assert_eq!(missed, Cannot::Failed("mx-1 stays broken".to_owned()));
            assert_eq!(faults.heal(&Whom::All), Ok(()), "it is told once");
        });
        assert!(told.contains(&"store-1 without Spoiled(Lossy)".to_owned()), "{told:?}");
    }

    #[test]
    fn what_was_arranged_for_later_does_not_happen_when_the_environment_ends() {
        let told = happens("", |faults| {
            let later = Fault { after: Duration::from_secs(600), ..fault("power-off", Whom::All) };
            faults.fault(&later).unwrap();
        });
        assert_eq!(told, [""; 0]);
    }
}
