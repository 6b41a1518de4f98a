//! A node as a virtual machine, for Xen, libvirt and QEMU.
//!
//! Source: xl.cfg(5) of Xen 4.17; libvirt's "Domain XML format"; qemu-system(1).

use std::fmt::Write as _;

use blueprint::platform::COMMAND_LINE;
use blueprint::{Blueprint, Node};
use sha2::{Digest as _, Sha256};

use super::xml::Element;

/// Where images of releases are.
const IMAGES: &str = "/var/lib/mailwright/images";

/// Where config disks are.
const CONFIG: &str = "/var/lib/mailwright/config";

/// Where state disks are that lie on the host's own disk.
const STATE: &str = "/var/lib/mailwright/state";

/// What who starts a machine of Xen has to know.
const XEN_NOTES: &str = "# The config disk and the programs are what `mailwright build --disks` writes. The state disk is made once, an empty\n\
    # ext4 file system (mkfs.ext4), and kept. On a host whose processor helps no virtual machines, `type` is \"pv\".\n";

/// The bridges of a host.
const BRIDGES: [&str; 2] = ["br-inner", "br-front"];

/// A node as a virtual machine.
pub struct Machine {
    name: String,
    uuid: String,
    hypervisor: String,
    cores: u32,
    mebibytes: u64,
    image: String,
    config: String,
    state: String,
    programs: String,
    /// A card's address and its bridge.
    cards: Vec<(String, &'static str)>,
}

impl Machine {
    /// Takes what a hypervisor has to know of a node.
    pub fn new(blueprint: &Blueprint, node: &Node) -> Self {
        let name = format!("{}-{}-{}", blueprint.platform, blueprint.environment, node.name);
        let digest = Sha256::digest(&name);
        let digits: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_owned();
        // A name-based identifier (RFC 9562 §5.8): its digits are the digest's, but for version and variant.
        let uuid = format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32));
        let fronts = usize::from(!node.front_addresses.is_empty());
        let cards = BRIDGES.iter().take(1 + fronts).enumerate().map(|(index, bridge)| {
            // Administered locally, from the range that QEMU's own tools use.
            let address = format!("52:54:{}:{}:{}:0{index}", part(0, 2), part(2, 4), part(4, 6));
            (address, *bridge)
        });
        let host = blueprint.hosts.iter().find(|host| host.name == node.host);
        let folder = node.storage.as_ref().map_or(STATE.to_owned(), |storage| format!("/srv/{storage}"));
        let image = format!("{IMAGES}/{}", file_name(&blueprint.release.name));
        Self {
            uuid,
            hypervisor: host.map_or(String::new(), |host| host.hypervisor.clone()),
            cores: node.cores,
            mebibytes: (node.memory.as_bytes() >> 20).max(1),
            config: format!("{CONFIG}/{name}.tar"),
            state: format!("{folder}/{name}.state"),
            programs: format!("{image}/programs.erofs"),
            image,
            cards: cards.collect(),
            name,
        }
    }

    /// Returns the machine as `xl create` takes it.
    pub fn xen(&self) -> String {
        let mut text = format!("# {} on {}\n{XEN_NOTES}", self.name, self.hypervisor);
        for (key, value) in [
            ("name", &self.name),
            ("uuid", &self.uuid),
            ("kernel", &format!("{}/kernel", self.image)),
            ("ramdisk", &format!("{}/initrd", self.image)),
            ("extra", &format!("console=hvc0 {COMMAND_LINE}")),
        ] {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
        text.push_str("type = \"pvh\"\n");
        let _ = writeln!(text, "vcpus = {}\nmemory = {}\nmaxmem = {}", self.cores, self.mebibytes, self.mebibytes);
        let disks = [
            format!("format=raw,vdev=xvda,access=ro,target={}/root.erofs", self.image),
            format!("format=raw,vdev=xvdb,access=ro,target={}", self.config),
            format!("format=raw,vdev=xvdc,access=rw,target={}", self.state),
            format!("format=raw,vdev=xvdd,access=ro,target={}", self.programs),
        ];
        let disks: Vec<String> = disks.iter().map(|disk| quoted(disk)).collect();
        let _ = writeln!(text, "disk = [ {} ]", disks.join(", "));
        let cards: Vec<String> =
            self.cards.iter().map(|(address, bridge)| quoted(&format!("mac={address},bridge={bridge}"))).collect();
        let _ = writeln!(text, "vif = [ {} ]", cards.join(", "));
        text.push_str("on_poweroff = \"destroy\"\non_reboot = \"restart\"\non_crash = \"restart\"\n");
        text
    }

    /// Returns the machine as `virsh define` takes it.
    pub fn libvirt(&self) -> Element {
        let text = |name: &'static str, value: String| Element::new(name).text(value);
        let xen = self.hypervisor == "xen";
        let kind = if xen { "xen" } else { "kvm" };
        let console = if xen { "console=hvc0" } else { "console=ttyS0" };
        let kernel = Element::new("os")
            .child(
                Element::new("type")
                    .attribute("arch", "x86_64")
                    .attribute("machine", if xen { "xenpvh" } else { "q35" })
                    .text(if xen { "xenpvh" } else { "hvm" }),
            )
            .child(text("kernel", format!("{}/kernel", self.image)))
            .child(text("initrd", format!("{}/initrd", self.image)))
            .child(text("cmdline", format!("{console} {COMMAND_LINE}")));
        let disk = |path: &str, device: &str, writable: bool| {
            let disk = Element::new("disk")
                .attribute("type", "file")
                .attribute("device", "disk")
                .child(Element::new("driver").attribute("name", "qemu").attribute("type", "raw"))
                .child(Element::new("source").attribute("file", path))
                .child(
                    Element::new("target")
                        .attribute("dev", device)
                        .attribute("bus", if xen { "xen" } else { "virtio" }),
                );
            if writable { disk } else { disk.child(Element::new("readonly")).child(Element::new("shareable")) }
        };
        let names = if xen { ["xvda", "xvdb", "xvdc", "xvdd"] } else { ["vda", "vdb", "vdc", "vdd"] };
        let [root, config, state, programs] = names;
        let mut devices = Element::new("devices")
            .child(disk(&format!("{}/root.erofs", self.image), root, false))
            .child(disk(&self.config, config, false))
            .child(disk(&self.state, state, true))
            .child(disk(&self.programs, programs, false));
        for (address, bridge) in &self.cards {
            let mut card = Element::new("interface")
                .attribute("type", "bridge")
                .child(Element::new("mac").attribute("address", address.as_str()))
                .child(Element::new("source").attribute("bridge", *bridge));
            if !xen {
                card = card.child(Element::new("model").attribute("type", "virtio"));
            }
            devices = devices.child(card);
        }
        devices = devices.child(Element::new("console").attribute("type", "pty").child(
            Element::new("target").attribute("type", if xen { "xen" } else { "serial" }).attribute("port", "0"),
        ));
        Element::new("domain")
            .attribute("type", kind)
            .child(text("name", self.name.clone()))
            .child(text("uuid", self.uuid.clone()))
            .child(Element::new("memory").attribute("unit", "MiB").text(self.mebibytes.to_string()))
            .child(text("vcpu", self.cores.to_string()))
            .child(kernel)
            .child(text("on_poweroff", "destroy".to_owned()))
            .child(text("on_reboot", "restart".to_owned()))
            .child(text("on_crash", "restart".to_owned()))
            .child(devices)
    }

    /// Returns the arguments of `qemu-system-x86_64`, one a line.
    pub fn qemu(&self) -> String {
        let mut arguments: Vec<String> = ["-nodefaults", "-no-user-config", "-no-reboot"].map(str::to_owned).to_vec();
        let mut add = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
        add("-machine", "q35,accel=kvm:tcg".to_owned());
        add("-cpu", "max".to_owned());
        add("-name", comma(&self.name));
        add("-uuid", self.uuid.clone());
        add("-smp", self.cores.to_string());
        add("-m", format!("{}M", self.mebibytes));
        add("-kernel", format!("{}/kernel", self.image));
        add("-initrd", format!("{}/initrd", self.image));
        add("-append", format!("console=ttyS0 {COMMAND_LINE}"));
        add("-display", "none".to_owned());
        add("-serial", "stdio".to_owned());
        for (name, path, writable) in [
            ("root", format!("{}/root.erofs", self.image), false),
            ("config", self.config.clone(), false),
            ("state", self.state.clone(), true),
            ("programs", self.programs.clone(), false),
        ] {
            let readonly = if writable { "off" } else { "on" };
            add("-drive", format!("if=none,id={name},format=raw,readonly={readonly},file={}", comma(&path)));
            add("-device", format!("virtio-blk-pci,drive={name}"));
        }
        for (index, (address, bridge)) in self.cards.iter().enumerate() {
            add("-netdev", format!("bridge,id=net{index},br={bridge}"));
            add("-device", format!("virtio-net-pci,netdev=net{index},mac={address},romfile="));
        }
        arguments.join("\n") + "\n"
    }
}

/// QEMU ends a value at a comma; two are one.
fn comma(text: &str) -> String {
    text.replace(',', ",,")
}

/// A release's name as a file's: whatever is not a letter, a digit, a dot or a hyphen is a hyphen.
fn file_name(release: &str) -> String {
    let name: String = release
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() || character == '.' { character } else { '-' })
        .collect();
    name.trim_start_matches('.').to_owned()
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            hostile if values::hostile(hostile) => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
