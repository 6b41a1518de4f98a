//! How machines are booted: in a hurry, or as production's are; and what a config disk needs for the latter beside the node's tree.

use std::collections::BTreeMap;

use blueprint::ledger::Boot;
use blueprint::platform::COMMAND_LINE;
use blueprint::{Blueprint, Node, Process, Role};

use super::accelerator::Accelerator;
use crate::namespace::network;

/// What the kernel is told in the lean lane: nothing that only costs time under emulation.
///
/// The clock is HPET's, since on a busy machine the kernel measures an emulated processor's own counter wrongly, and a guest's
/// minutes are seconds then. Pages are small, and not cleared before they are written: large ones are mostly room that nobody uses,
/// and the kernel keeps tens of MiB free for them. Nobody traces the kernel, whose ten thousand files for it (tracefs) take time and
/// 9 MiB.
const LEAN: &str = "console=ttyS0 quiet loglevel=3 panic=1 net.ifnames=0 mitigations=off nokaslr audit=0 apparmor=0 \
                    no_timer_check random.trust_cpu=on nowatchdog cryptomgr.notests lpj=4000000 clocksource=hpet \
                    transparent_hugepage=never init_on_alloc=0 initcall_blacklist=tracer_init_tracefs mailwright.lane=lean";

/// What a stock kernel is told beside production's words where the processor is emulated: a clock that can be trusted, no test of the
/// timer, which fails on a busy machine, time for what takes long, and to end where it cannot go on.
const EMULATED: &str = "clocksource=hpet no_timer_check panic=1 systemd.default_timeout_start_sec=1200";

/// Where systemd-networkd reads how a test environment's wire is reached.
pub(super) const NETWORK: &str = "/etc/systemd/network/10-mailwright.network";

/// Where production's networkd reads how the world's card is set up.
pub(super) const FRONT_NETWORK: &str = "/etc/systemd/network/20-mailwright-front.network";

/// The unit by which the tool sees a machine that systemd runs.
pub(super) const AGENT: &str = "mailwright-agent.service";

/// The unit's file. It is there before anything else that could fail, and in the way of nothing.
const AGENT_UNIT: &str = "[Unit]\nDescription=What a test environment sees this machine by\nDefaultDependencies=no\n\
    After=systemd-remount-fs.service systemd-journald.socket\nBefore=shutdown.target\nConflicts=shutdown.target\n\n\
    [Service]\nExecStart=/usr/lib/mailwright/mailwright node --machine\nStandardOutput=null\nStandardError=journal\n";

/// What a config disk brings beside the node's tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Beside {
    /// Files that anybody may read, by path.
    pub(super) files: BTreeMap<String, String>,
    /// Units that are switched on.
    pub(super) units: Vec<String>,
}

impl Beside {
    /// Returns what a node's disk needs.
    pub(super) fn of(boot: Boot, blueprint: &Blueprint, node: &Node, processes: &[Process]) -> Self {
        if boot == Boot::Lean {
            return Self::default();
        }
        let files = BTreeMap::from([
            (NETWORK.to_owned(), network::networkd(blueprint, node)),
            (format!("/etc/systemd/system/{AGENT}"), AGENT_UNIT.to_owned()),
        ]);
        let mut units = units(node.role, processes);
        units.push(AGENT.to_owned());
        units.sort_unstable();
        units.dedup();
        Self { files, units }
    }
}

/// Returns the units that a node's config disk switches on: its daemons, and those that bring journals to the monitor. The image has
/// those that every machine has.
pub(super) fn units(role: Role, processes: &[Process]) -> Vec<String> {
    let daemons = processes.iter().map(|process| process.unit.as_str());
    let journals =
        [(true, "systemd-journal-upload.service"), (role == Role::Monitor, "systemd-journal-remote.service")];
    let mut units: Vec<String> = daemons
        .chain(journals.iter().filter(|(wanted, _)| *wanted).map(|(_, unit)| *unit))
        .map(str::to_owned)
        .collect();
    units.sort_unstable();
    units.dedup();
    units
}

/// Returns what the kernel is told.
pub(super) fn words(boot: Boot, accelerator: &Accelerator) -> String {
    match boot {
        Boot::Lean => LEAN.to_owned(),
        Boot::Stock if accelerator.instead.is_some() => format!("console=ttyS0 {COMMAND_LINE} {EMULATED}"),
        Boot::Stock => format!("console=ttyS0 {COMMAND_LINE}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stock_disk_switches_on_what_runs_on_the_node_and_a_lean_one_nothing() {
        let (blueprint, _, _) = crate::fixture::platform();
        let node = blueprint.nodes.first().unwrap();
        assert_eq!(Beside::of(Boot::Lean, &blueprint, node, &[]), Beside::default());
        let beside = Beside::of(Boot::Stock, &blueprint, node, &[]);
        assert_eq!(beside.units, [AGENT, "systemd-journal-upload.service"]);
        assert!(units(Role::Monitor, &[]).contains(&"systemd-journal-remote.service".to_owned()));
        let address = node.addresses.first().unwrap();
        assert!(beside.files[NETWORK].contains(&format!("Address={address}/")), "{beside:?}");
    }

    #[test]
    fn a_stock_kernel_is_told_what_productions_is_and_more_only_where_it_is_emulated() {
        let accelerator =
            |instead: Option<&str>| Accelerator { qemu: String::new(), instead: instead.map(str::to_owned) };
        assert_eq!(words(Boot::Stock, &accelerator(None)), format!("console=ttyS0 {COMMAND_LINE}"));
        assert!(words(Boot::Stock, &accelerator(Some("no"))).ends_with(EMULATED));
        assert!(words(Boot::Lean, &accelerator(None)).ends_with("mailwright.lane=lean"));
    }
}
