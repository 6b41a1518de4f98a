//! How machines are broken on purpose, and repaired.
//!
//! | fault | what it is |
//! |---|---|
//! | `power-off` | QEMU is killed; repaired, it boots once more from the machine's own disks |
//! | `cut-off` | the switch lets nothing pass between its port and any other |
//! | `lossy`, `slow` | its line has weather |
//! | `crash` | all that runs in it is killed but its first process, and who speaks for it to the tool |
//! | `disk-full` | its file system is filled up; whatever boots has room again |
//! | `disk-error` | its state disk fails every write with EIO, so that its kernel turns it read-only; repaired, it has a sound disk and boots |
//!
//! Cut off or slow, a machine does not know of it; the weather is as bad there and back as on namespaces what comes in or goes out. What is
//! written when the disk begins to fail is on it, or not, as after a loss of power: the rest of its journal is not. A machine that
//! loses its power bids nobody farewell: who waits for its answer would do so for minutes, so that nodes with a queue, and whoever came
//! through a door, are told when it is switched on again.
//!
//! Source: QEMU QMP Reference Manual of 7.2 (`blockdev-add` with `blkdebug`, `qom-set` of a disk's `drive`); ext4's handling of an aborted
//! journal (Documentation/admin-guide/ext4.rst); fallocate(1); kill(1); cgroups(7); ss(8).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use blueprint::ledger::Boot;
use serde_json::{Value, json};
use switch::{Port, Weather};

use super::ground::{Ground, Site, cannot, held};
use super::lane::AGENT;
use super::machine::{Begins, Machine, MachineFailure, told_of};
use super::qmp::Monitor;
use super::{disks, entry};
use crate::failure::Failure;
use crate::faults::{Break, Breakable, Spoil};
use crate::namespace::hands::{self, Inside, Reach};
use crate::node::{FILLER, MachinePlan};
use crate::scenarios::{Cannot, Whom};

/// How often whoever waits for machines looks whether he still should.
const LOOK: Duration = Duration::from_millis(100);

/// So many frames of a million are lost each way, that one of ten is lost there and back.
const LOSS_PER_MILLION: u32 = 51_317;

/// What a frame takes each way, so that an answer takes 150 ms longer.
const DELAY_MICROSECONDS: u64 = 75_000;

/// QEMU's name for a disk that takes nothing.
const FAILING: &str = "failing";

/// An error of input or output, as QEMU takes it (errno(3)).
const EIO: u8 = 5;

/// The status by which a script says that the machine has no way to do it.
const LACKS: i32 = 3;

/// What is wrong with machines and their lines beside their power.
#[derive(Default)]
pub(super) struct Ailing {
    cut: BTreeSet<Port>,
    lossy: BTreeSet<Port>,
    slow: BTreeSet<Port>,
    /// Nodes whose disk takes nothing.
    pub(super) failing: BTreeSet<String>,
    /// Nodes that were switched on again and have not been ready since.
    coming: BTreeSet<String>,
}

impl Ailing {
    fn weather(&self, port: Port) -> Weather {
        Weather {
            loss_per_million: if self.lossy.contains(&port) { LOSS_PER_MILLION } else { 0 },
            delay_microseconds: if self.slow.contains(&port) { DELAY_MICROSECONDS } else { 0 },
            ..Weather::default()
        }
    }

    /// Whether frames pass between two ports.
    fn is_cut(&self, one: Port, other: Port) -> bool {
        self.cut.contains(&one) || self.cut.contains(&other)
    }
}

impl Ground {
    pub(super) fn site(&self, node: &str) -> Option<Site> {
        held(&self.sites).get(node).cloned()
    }

    /// Has the switch do to a line what is wrong with it.
    fn set_line<T>(&self, port: Port, change: impl FnOnce(&mut Ailing) -> T) {
        let mut ailing = held(&self.ailing);
        let _ = change(&mut ailing);
        self.switch.set_weather(port, ailing.weather(port));
        for other in (0..=held(&self.sites).len()).map(Port).filter(|other| *other != port) {
            self.switch.set_cut(port, other, ailing.is_cut(port, other));
        }
    }

    /// Kills a machine.
    fn cut_power(&self, node: &str, port: Port) {
        let _changing = held(&self.changing);
        self.reach().queues.remove(node);
        self.agents().cut_power(node);
        self.set_line(port, |ailing| {
            for ports in [&mut ailing.cut, &mut ailing.lossy, &mut ailing.slow] {
                ports.remove(&port);
            }
            ailing.failing.remove(node);
            ailing.coming.remove(node);
        });
    }

    /// Switches a machine on that has no power; it comes up as itself, from its own disks.
    fn power(&self, node: &str) -> Result<(), Failure> {
        let _changing = held(&self.changing);
        let Some(site) = self.site(node) else { return Ok(()) };
        // What others missed they will have again.
        self.agents().forgive(&BTreeSet::new());
        self.agents().await_few(super::together() - 1, self.patience, &|| true)?;
        let folder = super::machine::folder(&self.folder, node)?;
        let laid = disks::manifest(&self.folder.tree(node))?.files.into_keys().collect();
        let machine = Machine { folder: &folder, node: &site.node, begins: Begins::Afresh };
        let control = super::connect(machine.switch_on(&self.power)?, &folder, node, Begins::Afresh)?;
        let plan = MachinePlan {
            node: node.to_owned(),
            network: site.network.clone(),
            processes: site.processes.clone(),
            laid,
        };
        let mut agents = self.agents();
        agents.is_back(node);
        super::introduce(&mut agents, control, plan, &self.log, &self.broke)?;
        if site.host != site.node.host.as_str() {
            agents.stands_on(node, &site.host);
        }
        drop(agents);
        held(&self.ailing).coming.insert(node.to_owned());
        self.tell_of_return(&site);
        if hands::has_queue(site.node.role, &site.processes) {
            self.reach().queues.insert(node.to_owned(), (site.node.role, Inside::Machine(folder)));
        }
        Ok(())
    }

    /// Ends what nodes with a queue, and clients at doors, still believe to be connections to a machine. Where that fails, they go on
    /// when they lose patience.
    fn tell_of_return(&self, site: &Site) {
        let mut queues: Vec<String> = self.reach().queues.keys().cloned().collect();
        // Who comes up himself believes nothing yet.
        queues.retain(|node| !held(&self.ailing).coming.contains(node));
        let script = leaves(&site.node.addresses);
        for node in queues {
            let _ = self.inside(&node, &script);
        }
        let all: Vec<IpAddr> = site.node.addresses.iter().chain(&site.node.front_addresses).copied().collect();
        let script = leaves(&all);
        let _ = self.fabric.within(move || Command::new("/bin/sh").args(["-c", &script]).output());
    }

    /// Has a machine's state disk fail every write from now on.
    pub(super) fn fail_disk(&self, node: &str) -> Result<(), Failure> {
        let refused = |reason: &str| MachineFailure::Refused { node: node.to_owned(), reason: reason.to_owned() };
        let mut monitor = Monitor::open(&self.folder.machine(node), node)?;
        let disks = monitor.ask("query-block", &json!({}))?;
        let disks = disks.as_array().map(Vec::as_slice).unwrap_or_default();
        let state = disks.iter().find(|disk| disk.get("device").and_then(Value::as_str) == Some("state"));
        let told = |pointer: &str| state.and_then(|disk| disk.pointer(pointer)).and_then(Value::as_str);
        let (Some(image), Some(device)) = (told("/inserted/node-name"), told("/qdev")) else {
            return Err(refused("it has no state disk").into());
        };
        let writes = ["write", "write-zeroes", "discard"];
        let errors = writes.map(|what| json!({ "event": "none", "iotype": what, "errno": EIO }));
        let failing = json!({ "driver": "blkdebug", "node-name": FAILING, "image": image, "inject-error": errors });
        monitor.ask("blockdev-add", &failing)?;
        monitor.ask("qom-set", &json!({ "path": device, "property": "drive", "value": FAILING }))?;
        Ok(())
    }

    /// Runs a script in a machine.
    fn inside(&self, node: &str, script: &str) -> Result<(), Cannot> {
        let mut said = Vec::new();
        let mut hear = |_, bytes: &[u8]| {
            said.extend_from_slice(bytes);
            Ok(())
        };
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        let status = entry::run_inside(&self.folder.machine(node), &command, None, &mut hear)
            .map_err(|error| Cannot::Failed(format!("{node} cannot be entered: {error}")))?;
        let said = String::from_utf8_lossy(&said);
        match status {
            0 => Ok(()),
            LACKS => Err(Cannot::Lacks(format!("this machine has no way to do it: {}", said.trim()))),
            _ => Err(Cannot::Failed(format!("{node} could not be broken or repaired: {}", said.trim()))),
        }
    }
}

/// Returns what fills a machine's disk: most of it at once, without a byte being written, then whatever is left.
fn fills() -> String {
    format!(
        "mkdir -p {FILLER} && cd {FILLER} || exit 1\n\
         size=$(df --output=avail -B1 . | tail -n 1 | tr -d ' ')\n\
         number=0\n\
         while [ \"$size\" -ge 65536 ]; do\n\
         number=$((number + 1))\n\
         fallocate -l \"$size\" $number 2>/dev/null || {{\n\
         rm -f $number\n\
         size=$((size / 2))\n\
         }}\n\
         done\n\
         head -c 1048576 /dev/zero >rest 2>/dev/null || exit 0\n\
         echo 'its disk does not fill up'\n\
         rm -rf {FILLER}\n\
         exit {LACKS}\n"
    )
}

/// Returns what ends connections to some addresses.
fn leaves(addresses: &[IpAddr]) -> String {
    let ends = |address: &IpAddr| match address {
        IpAddr::V4(address) => format!("ss -K dst {address}\n"),
        // Without brackets its end would be a port.
        IpAddr::V6(address) => format!("ss -K dst '[{address}]'\n"),
    };
    addresses.iter().map(ends).collect()
}

/// Returns what kills everything in a machine but its first process.
fn kills(boot: Boot) -> String {
    match boot {
        Boot::Lean => "kill -9 -1".to_owned(),
        // Who speaks for the machine there is a unit among others.
        Boot::Stock => format!(
            "for place in /proc/[0-9]*; do\n\
             process=${{place#/proc/}}\n\
             group=\n\
             read -r group 2>/dev/null <$place/cgroup || continue\n\
             case \"$process $group\" in\n\
             '1 '* | *{AGENT}*) ;;\n\
             *) kill -9 $process 2>/dev/null ;;\n\
             esac\n\
             done\n\
             exit 0\n"
        ),
    }
}

impl Breakable for Ground {
    /// Emulated, everything takes its time.
    const REST: Duration = Duration::from_secs(60);

    fn nodes(&self, whom: &Whom) -> Vec<String> {
        let sites = held(&self.sites);
        let meant = |name: &str, site: &Site| match whom {
            Whom::All => true,
            Whom::Node(node) => node == name,
            Whom::Host(host) => *host == site.host,
            Whom::Role(role) => *role == site.node.role.name(),
        };
        sites.iter().filter(|(name, site)| meant(name, site)).map(|(name, _)| name.clone()).collect()
    }

    fn fits(&self, _: Spoil, _: &str) -> Result<(), Cannot> {
        Ok(())
    }

    fn break_so(&self, how: Break, node: &str) -> Result<bool, Cannot> {
        let Some(port) = self.site(node).map(|site| site.port) else { return Ok(false) };
        if how != Break::PowerOff && self.agents().process(node).is_none() {
            // One without power has nothing else to break.
            return Ok(false);
        }
        match how {
            Break::PowerOff => self.cut_power(node, port),
            Break::CutOff => self.set_line(port, |ailing| ailing.cut.insert(port)),
            Break::Spoiled(Spoil::Lossy) => self.set_line(port, |ailing| ailing.lossy.insert(port)),
            Break::Spoiled(Spoil::Slow) => self.set_line(port, |ailing| ailing.slow.insert(port)),
            // What takes nothing cannot be filled.
            Break::Spoiled(Spoil::Full) if held(&self.ailing).failing.contains(node) => return Ok(false),
            Break::Spoiled(Spoil::Full) => self.inside(node, &fills())?,
            Break::Spoiled(Spoil::Failing) => {
                self.fail_disk(node).map_err(|failure| cannot(&failure))?;
                held(&self.ailing).failing.insert(node.to_owned());
            }
        }
        Ok(true)
    }

    fn mend(&self, how: Break, node: &str) -> Result<(), Cannot> {
        let Some(port) = self.site(node).map(|site| site.port) else { return Ok(()) };
        match how {
            Break::PowerOff => return self.power(node).map_err(|failure| cannot(&failure)),
            Break::CutOff => self.set_line(port, |ailing| ailing.cut.remove(&port)),
            Break::Spoiled(Spoil::Lossy) => self.set_line(port, |ailing| ailing.lossy.remove(&port)),
            Break::Spoiled(Spoil::Slow) => self.set_line(port, |ailing| ailing.slow.remove(&port)),
            // It is going to boot, and has room then.
            Break::Spoiled(Spoil::Full) if held(&self.ailing).failing.contains(node) => {}
            Break::Spoiled(Spoil::Full) => self.inside(node, &format!("rm -rf {FILLER}"))?,
            Break::Spoiled(Spoil::Failing) => {
                self.cut_power(node, port);
                return self.power(node).map_err(|failure| cannot(&failure));
            }
        }
        self.agents().forgive(&BTreeSet::new());
        Ok(())
    }

    fn kill_all(&self, node: &str) -> Result<(), Cannot> {
        match self.agents().process(node) {
            Some(_) => self.inside(node, &kills(self.power.boot)),
            None => Ok(()),
        }
    }

    /// While machines come up, others may fall over for want of them.
    fn settle(&self, go_on: &dyn Fn() -> bool) -> Result<(), Cannot> {
        let late = |failure| cannot(&told_of(failure, &self.folder));
        let deadline = Instant::now() + self.patience;
        loop {
            // Held for a moment only: what is arranged for later wants it, too.
            let agents = self.agents();
            let mut ailing = held(&self.ailing);
            ailing.coming.retain(|node| !agents.is_settled(node));
            if !ailing.coming.is_empty() {
                agents.forgive(&ailing.coming);
            }
            drop(ailing);
            if agents.are_settled().map_err(late)? {
                return Ok(());
            }
            if Instant::now() > deadline {
                return agents.await_settled(Duration::ZERO).map_err(late);
            }
            drop(agents);
            if !go_on() {
                return Err(cannot(&Failure::Interrupted));
            }
            std::thread::park_timeout(LOOK);
        }
    }

    fn reach(&self) -> MutexGuard<'_, Reach> {
        held(&self.reach)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_as_long_as_one_of_its_ends_is() {
        let mut ailing = Ailing::default();
        ailing.cut.extend([Port(1), Port(2)]);
        assert!(ailing.is_cut(Port(1), Port(2)) && ailing.is_cut(Port(0), Port(1)) && !ailing.is_cut(Port(0), Port(3)));
        ailing.cut.remove(&Port(1));
        assert!(ailing.is_cut(Port(1), Port(2)) && !ailing.is_cut(Port(0), Port(1)));
    }

    #[test]
    fn of_ten_frames_there_and_back_one_is_lost_and_a_slow_line_may_lose_too() {
        let mut ailing = Ailing::default();
        assert_eq!(ailing.weather(Port(1)), Weather::default());
        ailing.lossy.insert(Port(1));
        ailing.slow.insert(Port(1));
        let weather = ailing.weather(Port(1));
        let arrives = 1.0 - f64::from(weather.loss_per_million) / 1e6;
        assert!((arrives * arrives - 0.9).abs() < 1e-6, "{weather:?}");
        assert_eq!(weather.delay_microseconds * 2, 150_000);
        ailing.lossy.remove(&Port(1));
        assert_eq!(ailing.weather(Port(1)), Weather { delay_microseconds: 75_000, ..Weather::default() });
    }

    #[test]
    fn the_shell_reads_every_script() {
        let addresses = ["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        assert_eq!(leaves(&addresses), "ss -K dst 10.0.0.1\nss -K dst '[fd00::1]'\n");
        for script in [fills(), kills(Boot::Lean), kills(Boot::Stock), leaves(&addresses)] {
            let read = std::process::Command::new("/bin/sh").args(["-n", "-c", &script]).output().unwrap();
            assert!(read.status.success() && read.stderr.is_empty(), "{script}");
        }
    }
}
