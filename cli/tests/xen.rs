//! A machine as Xen is told of it: the rendered definition, the image and the disks that `build` writes, under a hypervisor that boots
//! on an emulated processor, with a host system of its own.

mod desk;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use desk::{Desk, finish, has, root};

/// The node that is started.
const NODE: &str = "mx-1";

/// Modules of the host's kernel, in the order they are loaded.
const MODULES: [&str; 29] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
    "netfs",
    "fscache",
    "9pnet",
    "9p",
    "9pnet_virtio",
    "crc32c_generic",
    "libcrc32c",
    "lz4_decompress",
    "erofs",
    "overlay",
    "loop",
    "llc",
    "stp",
    "bridge",
    "xen-blkback",
    "xen-netback",
    "xen-privcmd",
    "xen-evtchn",
    "xen-gntdev",
    "xen-gntalloc",
    "xenfs",
    "tun",
    "af_packet",
];

/// How long a machine may take on a busy machine: half an hour.
const PATIENCE: u64 = 1800;

#[test]
fn xen_starts_what_is_rendered_and_the_image_becomes_the_node_on_its_disks() {
    if std::env::var_os("MAILWRIGHT_ALL").is_none() {
        println!("skipped: boots under Xen are tried with MAILWRIGHT_ALL (.ci/run --all)");
        return;
    }
    let Some(xen) = std::env::var_os("MAILWRIGHT_XEN").map(PathBuf::from).filter(|xen| xen.join("boot").is_dir())
    else {
        println!("skipped: MAILWRIGHT_XEN names no folder of Xen's unpacked packages, as .ci/run makes it");
        return;
    };
    let image = std::env::var_os("MAILWRIGHT_IMAGE").map(PathBuf::from);
    let Some(image) = image.filter(|image| image.join("kernel").exists()) else {
        println!("skipped: MAILWRIGHT_IMAGE names no image");
        return;
    };
    if !["qemu-system-x86_64", "mkfs.erofs", "mke2fs", "busybox", "gunzip"].iter().all(|program| has(program)) {
        return;
    }
    let desk = Desk::new();
    let example = desk.example("northmail");
    let out = desk.path("built");
    let words = ["build", example.to_str().expect("a plain path"), "--env", "qa", "--disks", "--out"];
    let built = desk.command(&words).arg(&out).output().expect("the program starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    // The host's files, each where the definition names it.
    let host = desk.path("host");
    let definition = fs::read_to_string(out.join(format!("hypervisor/xen/{NODE}.cfg"))).expect("it is rendered");
    for (name, from) in
        [("kernel", &image), ("initrd", &image), ("root.erofs", &image), ("programs.erofs", &out.join("disks"))]
    {
        lay(&from.join(name), &host.join("var/lib/mailwright/images/2026.11").join(name));
    }
    let name = format!("northmail-qa-{NODE}");
    lay(&out.join(format!("disks/{name}.tar")), &host.join(format!("var/lib/mailwright/config/{name}.tar")));
    let state = host.join(format!("srv/filer/{name}.state"));
    fs::create_dir_all(state.parent().expect("it has a folder")).expect("a folder");
    fs::File::create(&state).and_then(|file| file.set_len(1 << 30)).expect("a file with a hole");
    let made = Command::new("mke2fs").args(["-q", "-F", "-t", "ext4"]).arg(&state).status();
    assert!(made.is_ok_and(|status| status.success()), "mke2fs");
    let hosts = fs::read_to_string(out.join(format!("nodes/{NODE}/etc/hosts"))).expect("it is rendered");
    let address = |node: &str| {
        let line = hosts.lines().find(|line| line.contains('.') && line.split(' ').any(|word| word == node));
        line.and_then(|line| line.split(' ').next()).expect("the table of hosts has it").to_owned()
    };
    let addresses =
        format!("NODE={}\nPEER={}\nMONITOR={}\n", address(NODE), address("balancer-1"), address("monitor-1"));
    fs::write(host.join("addresses"), addresses).expect("a file");
    fs::copy(root().join("cli/tests/xen/hypervisor"), host.join("hypervisor")).expect("a file");
    let parts = Parts::make(&desk, &xen);

    // As it is rendered, and as it says that hosts take it whose processor helps no virtual machines.
    for (kind, processor) in [("pv", "qemu64"), ("pvh", "qemu64,+npt")] {
        let definition = definition.replace("type = \"pvh\"", &format!("type = \"{kind}\""));
        assert!(definition.contains(&format!("\"{kind}\"")), "{definition}");
        fs::write(host.join("machine.cfg"), definition).expect("a file");
        let said = parts.boot(processor, &image, &host);
        let told =
            |what: &str| said.lines().find(|line| line.starts_with("TOLD") && line.contains(what)).unwrap_or_default();
        assert!(told("mail: ").contains(&format!("220 {NODE}.qa.northmail.example ESMTP")), "{kind}: {said}");
        assert!(told("metrics: ").contains(&format!("nodename=\"{NODE}\"")), "{kind}: {said}");
        println!("{kind}: {}, {}", told("mail: "), told("end"));
    }
}

/// Puts a file where the host finds it: a second name of it where that can be.
fn lay(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("it has a folder")).expect("a folder");
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}

/// What the emulated host boots.
struct Parts {
    hypervisor: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
    tools: PathBuf,
}

impl Parts {
    /// Makes them of Xen's unpacked packages.
    fn make(desk: &Desk, xen: &Path) -> Self {
        let boot = |start: &str, end: &str| {
            let names = fs::read_dir(xen.join("boot")).expect("a folder").map(|entry| entry.expect("an entry").path());
            let fits = |path: &PathBuf| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                name.starts_with(start) && name.ends_with(end)
            };
            names.into_iter().find(fits).unwrap_or_else(|| panic!("no {start}*{end} in {}", xen.display()))
        };
        let hypervisor = desk.path("xen");
        shell("gunzip -c \"$1\" >\"$2\"", &[&boot("xen-", ".gz"), &hypervisor]);
        let initrd = desk.path("initrd");
        fs::create_dir_all(initrd.join("modules")).expect("a folder");
        fs::create_dir_all(initrd.join("bin")).expect("a folder");
        let mut order = String::new();
        for module in MODULES {
            let name = format!("{module}.ko");
            // What the kernel has built in, or lacks, is passed over.
            if let Some(path) = find(&xen.join("lib/modules"), &name) {
                fs::copy(path, initrd.join("modules").join(&name)).expect("a file");
                order += &format!("{name}\n");
            }
        }
        assert!(order.contains("xen-blkback"), "the kernel of {} is none for a host: {order}", xen.display());
        fs::write(initrd.join("modules/order"), order).expect("a file");
        fs::copy(root().join("cli/tests/xen/init"), initrd.join("init")).expect("a file");
        shell("cp \"$(command -v busybox)\" \"$1/bin/busybox\" && chmod 755 \"$1/init\"", &[&initrd]);
        let archive = desk.path("initrd.cpio");
        shell("cd \"$1\" && find . | busybox cpio -o -H newc >\"$2\"", &[&initrd, &archive]);
        let tools = desk.path("tools.erofs");
        shell(
            "mkdir \"$1.d\" && cp -a \"$2/etc\" \"$2/usr\" \"$1.d/\" && mkfs.erofs --quiet \"$1\" \"$1.d\"",
            &[&tools, xen],
        );
        Self { hypervisor, kernel: boot("vmlinuz-", ""), initrd: archive, tools }
    }

    /// Boots the host, and returns what it said until it was switched off.
    fn boot(&self, processor: &str, image: &Path, host: &Path) -> String {
        let drive = |name: &str, path: &Path| {
            let file = path.display().to_string().replace(',', ",,");
            format!("if=none,id={name},format=raw,readonly=on,file.locking=off,file={file}")
        };
        let shared = host.display().to_string().replace(',', ",,");
        let child = Command::new("qemu-system-x86_64")
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"])
            .args(["-machine", "q35", "-accel", "tcg,tb-size=256", "-cpu", processor, "-m", "3600M"])
            .arg("-kernel")
            .arg(&self.hypervisor)
            .args(["-append", "console=com1 com1=115200 dom0_mem=700M,max:700M bootscrub=0 loglvl=warning"])
            .arg("-initrd")
            .arg(format!("{} console=hvc0 quiet mitigations=off,{}", self.kernel.display(), self.initrd.display()))
            .args(["-drive", &drive("root", &image.join("root.erofs")), "-device", "virtio-blk-pci,drive=root"])
            .args(["-drive", &drive("tools", &self.tools), "-device", "virtio-blk-pci,drive=tools"])
            .args(["-virtfs", &format!("local,path={shared},mount_tag=host,security_model=none")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("QEMU starts");
        let output = finish(child, PATIENCE);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

/// Returns where a file of that name lies below a folder.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let there =
        entries.iter().find(|path| path.is_file() && path.file_name().is_some_and(|found| found == name)).cloned();
    there.or_else(|| entries.iter().filter(|path| path.is_dir()).find_map(|path| find(path, name)))
}

/// Runs a line of shell with files as its arguments.
fn shell(line: &str, files: &[&Path]) {
    let output = Command::new("sh").args(["-ec", line, "sh"]).args(files).output().expect("a shell starts");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}
