//! What every node has, whatever its role: its name, its table of hosts, whom it asks for other names and for the time, what may
//! come in and go out, what is logged and how long, and its units.
//!
//! Source: hostname(5), hosts(5), resolv.conf(5), systemd.network(5). Values are host names and addresses, which hold nothing that either file could misread.

mod nftables;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use blueprint::platform::World;
use blueprint::{Blueprint, Check, File, Node, Piece, Role, Tree};
use values::Name;

use crate::decide::names::group_host;
use crate::decide::{addresses, secrets};
use crate::render::{cards, keepalived};

/// The certificates that nodes trust each other by, as PEM: the platform's own authority.
pub const AUTHORITY: &str = "/etc/mailwright/authority.pem";

/// Returns what every node has.
///
/// - `role`: what its role adds, which decides what is let in and what runs.
pub fn tree(blueprint: &Blueprint, node: &Node, role: &Tree) -> Tree {
    let mut files = BTreeMap::from([
        ("/etc/hostname".to_owned(), File::text(format!("{}\n", node.name))),
        ("/etc/hosts".to_owned(), File::text(hosts(blueprint, node))),
        ("/etc/resolv.conf".to_owned(), File::text(resolvers(blueprint, node))),
        (AUTHORITY.to_owned(), File { pieces: vec![Piece::Secret(secrets::authority())], ..File::text("") }),
    ]);
    for (path, content) in [
        (nftables::FILE, nftables::rules(blueprint, node, role)),
        ("/etc/chrony/chrony.conf", chrony(blueprint, node)),
        ("/etc/systemd/journald.conf.d/mailwright.conf", journald(blueprint)),
        ("/etc/systemd/journal-upload.conf.d/mailwright.conf", journal_upload(blueprint)),
        ("/etc/sysctl.d/60-mailwright.conf", sysctl(node)),
        ("/etc/systemd/network/10-mailwright.network", networkd(blueprint, node)),
        ("/etc/sysusers.d/mailwright.conf", SYSUSERS.to_owned()),
        // Nobody signs in to a node: what is on it comes from the specification. The file's being there keeps the server off.
        ("/etc/ssh/sshd_not_to_be_run", String::new()),
    ] {
        files.insert(path.to_owned(), File::text(content));
    }
    if let Some(front) = front_card(blueprint, node) {
        files.insert("/etc/systemd/network/20-mailwright-front.network".to_owned(), File::text(front));
    }
    files.insert(format!("{}systemd-journal-upload.service.d/mailwright.conf", units::UNITS), File::text(UPLOAD_UNIT));
    if node.role == Role::Monitor {
        files.insert(
            format!("{}systemd-journal-remote.service.d/mailwright.conf", units::UNITS),
            File::text(REMOTE_UNIT),
        );
    }
    let check = |name: &str, command: &[&str], file: &str| Check {
        name: name.to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        files: vec![file.to_owned()],
        harmless: Vec::new(),
    };
    let mut tree = Tree {
        files,
        checks: vec![
            check("nftables", &["/usr/sbin/nft", "-c", "-f", nftables::FILE], nftables::FILE),
            // It prints the file as it reads it.
            check(
                "chrony",
                &["/bin/sh", "-c", "/usr/sbin/chronyd -p -f /etc/chrony/chrony.conf >/dev/null"],
                "/etc/chrony/chrony.conf",
            ),
        ],
        packages: ["nftables", "chrony", "systemd-journal-remote"].map(str::to_owned).into(),
        ..Tree::default()
    };
    tree.extend(units::complete(role, node.role));
    tree
}

/// The user that mail files are of, with the same number on every node, so that a store's disk can move.
const SYSUSERS: &str = "g vmail 5000\nu vmail 5000:5000 \"Mail\" /var/vmail\n";

/// Source: chrony.conf(5). Nodes ask the dns nodes, which are the only ones to ask the world.
fn chrony(blueprint: &Blueprint, node: &Node) -> String {
    let mut text = String::from("driftfile /var/lib/chrony/chrony.drift\nmakestep 1 3\nrtcsync\nleapsectz right/UTC\n");
    if node.role == Role::Dns {
        if blueprint.world == World::Real {
            text.push_str("pool 2.debian.pool.ntp.org iburst maxsources 4\n");
        }
        // Without the world they agree with each other.
        text.push_str("local stratum 10 orphan\n");
        for network in blueprint.sites.iter().flat_map(|site| &site.networks) {
            let _ = writeln!(text, "allow {network}");
        }
    }
    let servers = blueprint.nodes.iter().filter(|other| other.role == Role::Dns && other.name != node.name);
    for address in servers.filter_map(|server| server.addresses.first()) {
        let _ = writeln!(text, "{} {address} iburst", if node.role == Role::Dns { "peer" } else { "server" });
    }
    text
}

/// Source: journald.conf(5).
fn journald(blueprint: &Blueprint) -> String {
    format!(
        "[Journal]\nStorage=persistent\nMaxRetentionSec={}\nRateLimitIntervalSec=0\nForwardToSyslog=no\n",
        blueprint.retention.logs.as_seconds()
    )
}

/// Whoever uploads ends when nobody takes it, and tries again until somebody does.
const UPLOAD_UNIT: &str = "[Unit]\nStartLimitIntervalSec=0\n\n[Service]\nRestart=always\nRestartSec=20\n";

/// Journals are taken over plain HTTP, which only nodes may speak to the monitor, on the socket that systemd listens on.
///
/// Source: systemd-journal-remote(8).
const REMOTE_UNIT: &str = "[Unit]\nStartLimitIntervalSec=0\n\n[Service]\nExecStart=\n\
    ExecStart=/lib/systemd/systemd-journal-remote --listen-http=-3 --output=/var/log/journal/remote/\nRestart=always\nRestartSec=2\n";

/// Source: journal-upload.conf(5).
fn journal_upload(blueprint: &Blueprint) -> String {
    let monitor = blueprint.nodes.iter().find(|node| node.role == Role::Monitor);
    let url = monitor.map(|node| format!("URL=http://{}:{}\n", node.hostname, crate::decide::ports::JOURNAL));
    format!("[Upload]\n{}", url.unwrap_or_default())
}

/// Sets up the card of the inner network, the first that a machine has. All sites' networks are one wire, as hypervisors are told.
///
/// Gap: nodes without a card to the world have no way out, since which router stands inside no specification says.
fn networkd(blueprint: &Blueprint, node: &Node) -> String {
    let mut text =
        String::from("[Match]\nName=eth0\n\n[Network]\nDHCP=no\nIPv6AcceptRA=no\nLLMNR=no\nMulticastDNS=no\n");
    for address in &node.addresses {
        let bits = if address.is_ipv6() { 128 } else { 32 };
        let _ = writeln!(text, "\n[Address]\nAddress={address}/{bits}");
    }
    let networks: BTreeSet<String> =
        blueprint.sites.iter().flat_map(|site| &site.networks).map(ToString::to_string).collect();
    for network in networks {
        let six = network.contains(':');
        // Routes of IPv6 have no scope.
        let scope = if six { "" } else { "Scope=link\n" };
        let source = node.addresses.iter().find(|address| address.is_ipv6() == six);
        let source = source.map_or_else(String::new, |source| format!("PreferredSource={source}\n"));
        let _ = write!(text, "\n[Route]\nDestination={network}\n{scope}{source}");
    }
    text
}

/// Sets up the card that the world sees, where a node has one: the addresses it has for itself, and the way out by the router, whose
/// address is the first of each front network. Balancers that stand in for each other are given theirs by keepalived.
fn front_card(blueprint: &Blueprint, node: &Node) -> Option<String> {
    if blueprint.world == World::Simulated || node.front_addresses.is_empty() {
        return None;
    }
    let site = blueprint.sites.iter().find(|site| site.name == node.site)?;
    // Where keepalived gives it its addresses it has none at first, and is ready all the same.
    let mut text = format!(
        "[Match]\nName={}\n\n[Link]\nRequiredForOnline=carrier\n\n\
         [Network]\nDHCP=no\nIPv6AcceptRA=no\nLLMNR=no\nMulticastDNS=no\n",
        cards::FRONT
    );
    let is_shared = keepalived::is_held(blueprint, node);
    for &front in &site.fronts {
        let own: Vec<_> = node.front_addresses.iter().filter(|address| front.contains(**address)).collect();
        if own.is_empty() {
            continue;
        }
        for address in own.iter().filter(|_| !is_shared) {
            let _ = writeln!(text, "\n[Address]\nAddress={address}/{}", front.prefix());
        }
        if let Some(router) = addresses::router(front) {
            let source = own.first().filter(|_| !is_shared);
            let source = source.map_or_else(String::new, |source| format!("PreferredSource={source}\n"));
            let _ = write!(text, "\n[Route]\nGateway={router}\nGatewayOnLink=yes\n{source}");
        }
    }
    Some(text)
}

/// Source: the kernel's documentation, `admin-guide/sysctl` and `networking/ip-sysctl`.
fn sysctl(node: &Node) -> String {
    let mut text = String::from(
        "net.ipv4.tcp_syncookies = 1\nnet.ipv4.conf.all.rp_filter = 2\nnet.ipv4.conf.all.accept_redirects = 0\n\
         net.ipv6.conf.all.accept_redirects = 0\nnet.ipv4.conf.all.send_redirects = 0\nnet.core.somaxconn = 4096\n\
         kernel.kptr_restrict = 2\nkernel.dmesg_restrict = 1\nfs.protected_hardlinks = 1\nfs.protected_symlinks = 1\n\
         vm.swappiness = 10\n",
    );
    match node.role {
        // Redis copies itself to write down what it holds.
        Role::Cache => text.push_str("vm.overcommit_memory = 1\n"),
        // An address that is another balancer's now may be this one's next.
        Role::Balancer => text.push_str("net.ipv4.ip_nonlocal_bind = 1\nnet.ipv6.ip_nonlocal_bind = 1\n"),
        // IDLE leaves a watch on each open mailbox.
        Role::Store => text.push_str("fs.inotify.max_user_instances = 65536\nfs.inotify.max_user_watches = 1048576\n"),
        _ => {}
    }
    text
}

/// Resolvers that a system asks at most (resolv.conf(5)).
const RESOLVERS: usize = 3;

/// Names the resolvers to ask for names that the table of hosts does not have: those of the node's own site first.
fn resolvers(blueprint: &Blueprint, node: &Node) -> String {
    let mut servers: Vec<&Node> = blueprint.nodes.iter().filter(|other| other.role == Role::Dns).collect();
    servers.sort_by_key(|server| (server.name != node.name, server.site != node.site));
    let addresses = servers.iter().filter_map(|server| server.addresses.first());
    let mut text: String = addresses.take(RESOLVERS).map(|address| format!("nameserver {address}\n")).collect();
    // One that does not answer is passed over before a mail client or a server loses patience.
    text.push_str("options timeout:2 attempts:2 edns0\n");
    text
}

/// Names each node, and each group of nodes by as many lines as it has nodes.
fn hosts(blueprint: &Blueprint, node: &Node) -> String {
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
    for other in &blueprint.nodes {
        for address in &other.addresses {
            let _ = writeln!(text, "{address} {} {}", other.hostname, other.name);
        }
    }
    let mut groups: BTreeMap<(Role, &Name), Vec<&Node>> = BTreeMap::new();
    for other in &blueprint.nodes {
        groups.entry((other.role, &other.cluster)).or_default().push(other);
    }
    let position = |members: &[&Node]| {
        let peers = groups
            .get(&(node.role, &node.cluster))
            .map_or(0, |peers| peers.iter().position(|peer| peer.name == node.name).unwrap_or(0));
        peers.checked_rem(members.len()).unwrap_or(0)
    };
    for ((role, cluster), members) in &groups {
        let host = group_host(*role, cluster, &blueprint.service_domain);
        // The first line is asked first: neighbours begin at different members, so that load spreads.
        let mut members = members.clone();
        let first = position(&members);
        members.rotate_left(first);
        for address in members.iter().flat_map(|member| &member.addresses) {
            let _ = writeln!(text, "{address} {host}");
        }
    }
    text
}
