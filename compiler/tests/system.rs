//! What the system's own checkers say of what every node has.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests read the example from disk, start the checkers, and say what they skip"
)]

mod northmail;

use std::path::Path;
use std::process::{Command, Output};

use blueprint::Bundle;
use compiler::{compile, render};

fn bundles() -> Vec<Bundle> {
    let sources = northmail::sources();
    let parsed = spec::parse(&sources);
    let environments = ["dev", "horizon", "production"];
    environments
        .map(|name| {
            render(&compile(&sources, &parsed, name).output.expect("nothing is wrong with the example"), &sources)
        })
        .into()
}

fn is_installed(program: &str) -> bool {
    let found = Path::new(program).exists();
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

fn content(bundle: &Bundle, node: &str, path: &str) -> Vec<u8> {
    let file = bundle.nodes.get(node).and_then(|tree| tree.files.get(path));
    file.unwrap_or_else(|| panic!("{node} has {path}")).unfilled().0
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn nftables_takes_the_rules_of_every_node() {
    if !is_installed("/usr/sbin/nft") || !is_installed("/usr/bin/unshare") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("rules");
    for bundle in bundles() {
        for node in bundle.nodes.keys() {
            std::fs::write(&file, content(&bundle, node, "/etc/nftables.conf")).expect("it can be written");
            // A network of its own, so that nothing of this machine is looked at or touched.
            let output = Command::new("/usr/bin/unshare")
                .args(["-rn", "/usr/sbin/nft", "-c", "-f"])
                .arg(&file)
                .output()
                .expect("the program is installed");
            if said(&output).contains("unshare failed") {
                println!("skipped: this machine gives no namespaces of users");
                return;
            }
            assert!(output.status.success() && said(&output).is_empty(), "{node}: {}", said(&output));
        }
    }
}

#[test]
fn mail_leaves_by_outbound_nodes_alone() {
    for bundle in bundles() {
        for node in bundle.nodes.keys() {
            let rules = String::from_utf8(content(&bundle, node, "/etc/nftables.conf")).expect("rules are text");
            let (_, output) = rules.split_once("chain output").expect("there is one");
            let (output, _) = output.split_once("chain forward").expect("there is one");
            assert!(output.contains("policy drop"), "{node}");
            assert_eq!(output.contains("tcp dport 25 accept"), node.starts_with("outbound"), "{node}");
        }
    }
}

#[test]
fn nodes_that_the_world_sees_have_its_card_and_its_router_in_production_alone() {
    const FRONT: &str = "/etc/systemd/network/20-mailwright-front.network";
    let [dev, _, production] = bundles().try_into().expect("three environments");
    let has = |bundle: &Bundle| -> Vec<String> {
        bundle.nodes.iter().filter(|(_, tree)| tree.files.contains_key(FRONT)).map(|(node, _)| node.clone()).collect()
    };
    assert_eq!(has(&dev), [""; 0]);
    assert_eq!(has(&production), ["balancer-1", "balancer-2", "dns-1", "dns-2", "outbound-1", "outbound-2"]);
    let text = |node: &str, path: &str| String::from_utf8(content(&production, node, path)).expect("it is text");
    let outbound = text("outbound-1", FRONT);
    for line in [
        "Name=eth1",
        "Address=203.0.113.4/28",
        "Address=203.0.113.6/28",
        "Gateway=203.0.113.1",
        "PreferredSource=203.0.113.4",
    ] {
        assert!(outbound.lines().any(|said| said == line), "{line}: {outbound}");
    }
    // Keepalived gives those their addresses.
    let balancer = text("balancer-1", FRONT);
    assert!(!balancer.contains("Address=") && balancer.contains("Gateway=2001:db8:20::1\n"), "{balancer}");
    // Who says to be inside and comes from there is not let in.
    assert!(text("dns-1", "/etc/nftables.conf").contains("iifname \"eth1\" ip saddr @inside4 drop\n"));
    assert!(!text("store-1", "/etc/nftables.conf").contains("eth1"));
}

#[test]
fn systemd_finds_nothing_to_say_about_units_of_ours() {
    if !is_installed("/usr/bin/systemd-analyze") {
        return;
    }
    for bundle in bundles().into_iter().take(1) {
        for (node, tree) in &bundle.nodes {
            let folder = tempfile::tempdir().expect("a temporary folder");
            for (path, file) in &tree.files {
                let Some(unit) =
                    path.strip_prefix("/etc/systemd/system/").filter(|unit| unit.starts_with("mailwright-"))
                else {
                    continue;
                };
                if unit.contains('/') {
                    continue;
                }
                // Its program, its user and its neighbours are on nodes alone.
                let text = String::from_utf8(file.unfilled().0).expect("a unit is text");
                let text = text.replace("/usr/lib/mailwright/mailwright-serve", "/bin/true");
                let unit = folder.path().join(unit);
                std::fs::write(&unit, text).expect("it can be written");
                let output = Command::new("/usr/bin/systemd-analyze")
                    .args(["verify", "--man=no", "--recursive-errors=no"])
                    .arg(&unit)
                    .output()
                    .expect("the program is installed");
                let name = unit.file_name().expect("it has one").to_string_lossy().into_owned();
                let own: String = said(&output)
                    .lines()
                    .filter(|line| line.contains(&name) && !line.contains("is not executable"))
                    .collect();
                assert!(own.is_empty(), "{node}: {own}");
            }
        }
    }
}

#[test]
fn every_unit_that_runs_is_switched_on_and_nothing_else_is() {
    for bundle in bundles() {
        for (node, tree) in &bundle.nodes {
            let preset = content(&bundle, node, "/etc/systemd/system-preset/10-mailwright.preset");
            let preset = String::from_utf8(preset).expect("a preset is text");
            for process in &tree.processes {
                assert!(preset.contains(&format!("enable {}\n", process.unit)), "{node}: {}", process.unit);
            }
            assert!(preset.ends_with("disable *\n"), "{node}");
        }
    }
}

#[test]
fn every_node_has_its_definitions_and_no_two_share_an_address_of_a_card() {
    for bundle in bundles() {
        let mut cards = std::collections::BTreeSet::new();
        for node in bundle.nodes.keys() {
            let text = |path: String| String::from_utf8(bundle.hypervisor[&path].unfilled().0).expect("it is text");
            let xen = text(format!("xen/{node}.cfg"));
            // xl reads a line as a name, an equals sign and a value that ends where the line does.
            for line in xen.lines().filter(|line| !line.starts_with('#')) {
                let (name, value) = line.split_once(" = ").expect("a setting");
                assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
                assert!(value.ends_with(['"', ']']) || value.parse::<u64>().is_ok(), "{line}");
                assert_eq!(value.matches('"').count() % 2, 0, "{line}");
            }
            for rest in xen.split("mac=").skip(1) {
                let card = rest.split(',').next().expect("an address").to_owned();
                assert_eq!(card.len(), 17, "{card}");
                assert!(cards.insert(card), "{node}");
            }
            assert!(text(format!("libvirt/{node}.xml")).starts_with("<domain "), "{node}");
            assert!(text(format!("qemu/{node}.args")).contains("\n-kernel\n"), "{node}");
        }
    }
}

#[test]
fn checkers_of_definitions_find_nothing_to_say() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let schemas = is_installed("/usr/bin/virt-xml-validate") && is_installed("/usr/bin/xmllint");
    for bundle in bundles() {
        let write = |name: &str| {
            let file = folder.path().join("definition");
            std::fs::write(&file, bundle.hypervisor[name].unfilled().0).expect("it can be written");
            file
        };
        for name in bundle.hypervisor.keys().filter(|name| schemas && name.starts_with("libvirt/")) {
            let output = Command::new("/usr/bin/virt-xml-validate").arg(write(name)).arg("domain").output();
            let output = output.expect("the program is installed");
            assert!(output.status.success(), "{name}: {}", said(&output));
        }
    }
}
