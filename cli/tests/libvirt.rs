//! A machine as libvirt is told of it: the rendered definition, the image and a config disk, defined and started by a libvirtd of the test's
//! own.

mod desk;

use std::path::{Path, PathBuf};
use std::process::Command;

use desk::Desk;

/// The node that is started.
const NODE: &str = "mx-1";

/// Starts libvirtd where nobody else's is changed, defines and starts the machine, waits for its console, and ends all of it.
///
/// `$1` is a folder; the definition is `machine.xml` in it, and `console` what the machine says.
const SCRIPT: &str = r#"
set -e
cd "$1"
mkdir -p etc lib log cache
cp -a /etc/libvirt/. etc/ 2>/dev/null || true
rm -rf etc/qemu/networks/autostart/*
echo 'auth_unix_rw = "none"' >etc/libvirtd.conf
printf 'security_driver = "none"\nuser = "root"\ngroup = "root"\n' >etc/qemu.conf
# Its driver wants this user to be there, whoever machines run as.
for file in passwd group; do cp /etc/$file $file; done
grep -q '^libvirt-qemu:' passwd || echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' >>passwd
grep -q '^libvirt-qemu:' group || echo 'libvirt-qemu:x:64055:' >>group
for file in passwd group; do mount --bind $file /etc/$file; done
mount -t tmpfs run /run
mkdir -p /run/libvirt
for place in lib log cache; do mkdir -p /var/$place/libvirt; mount --bind $place /var/$place/libvirt; done
mkdir -p /etc/libvirt lib/qemu lib/images
mount --bind etc /etc/libvirt
ip link set lo up
ip link add br-inner type bridge
ip link set br-inner up
virtlogd -d -p /run/virtlogd.pid
libvirtd -d -p /run/libvirtd.pid
export LIBVIRT_DEFAULT_URI=qemu:///system
n=0; until virsh list >/dev/null 2>&1; do n=$((n + 1)); [ $n -lt 60 ] || exit 1; sleep 1; done
virsh define machine.xml
virsh start "$2"
virsh domstate "$2"
n=0; until grep -aq 'login:' console; do n=$((n + 1)); [ $n -lt 150 ] || break; sleep 1; done
virsh destroy "$2"
virsh undefine "$2"
kill $(cat /run/libvirtd.pid) $(cat /run/virtlogd.pid)
"#;

#[test]
fn libvirt_defines_and_starts_what_is_rendered_and_the_image_becomes_the_node_on_its_disk() {
    let there = |program: &str| Path::new("/usr/sbin").join(program).exists();
    if std::env::var_os("MAILWRIGHT_ALL").is_none() {
        println!("skipped: boots under libvirt are tried with MAILWRIGHT_ALL (.ci/run --all)");
        return;
    }
    if !there("libvirtd") || !there("virtlogd") || !Path::new("/usr/bin/virsh").exists() {
        println!("skipped: libvirtd, virtlogd and virsh are not installed");
        return;
    }
    let image = std::env::var_os("MAILWRIGHT_IMAGE").map(PathBuf::from);
    let Some(image) = image.filter(|image| image.join("kernel").exists() && rustix::process::geteuid().is_root())
    else {
        println!("skipped: MAILWRIGHT_IMAGE names no image, or this is not root");
        return;
    };
    let desk = Desk::new();
    let example = desk.example("northmail");
    let platform = example.join("platform.kdl");
    let text = std::fs::read_to_string(&platform).expect("the example has a platform");
    std::fs::write(&platform, text.replace("hypervisor=\"xen\"", "hypervisor=\"kvm\"")).expect("a file");
    let out = desk.path("built");
    let words = ["build", example.to_str().expect("a plain path"), "--env", "qa", "--disks", "--out"];
    let built = desk.command(&words).arg(&out).output().expect("the program starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let place = desk.path("libvirt");
    std::fs::create_dir_all(&place).expect("a folder");
    let disks = out.join("disks");
    let state = std::fs::File::create(place.join("state.img")).expect("a file");
    state.set_len(1 << 30).expect("a file with a hole");
    let made = Command::new("mke2fs").args(["-q", "-F", "-t", "ext4"]).arg(place.join("state.img")).status();
    assert!(made.is_ok_and(|status| status.success()), "mke2fs");
    std::fs::write(place.join("console"), "").expect("a file");
    let name = format!("northmail-qa-{NODE}");
    let definition =
        std::fs::read_to_string(out.join(format!("hypervisor/libvirt/{NODE}.xml"))).expect("it is rendered");
    let console = format!("<console type='file'><source path='{}'/>", place.join("console").display());
    let definition = definition
        // Where the files are on this host, and no KVM, which boots nothing on some machines that have its device.
        .replace(
            "/var/lib/mailwright/images/2026.11/programs.erofs",
            &disks.join("programs.erofs").display().to_string(),
        )
        .replace("/var/lib/mailwright/images/2026.11", &image.display().to_string())
        .replace("/var/lib/mailwright/config", &disks.display().to_string())
        .replace(&format!("/srv/filer/{name}.state"), &place.join("state.img").display().to_string())
        .replace("type='kvm'", "type='qemu'")
        .replace("<console type='pty'>", &console);
    std::fs::write(place.join("machine.xml"), definition).expect("a file");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]);
    let output =
        command.args(["--", "sh", "-c", SCRIPT, "sh"]).arg(&place).arg(&name).output().expect("unshare starts");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("running"), "{said}");
    let console = std::fs::read(place.join("console")).expect("a file");
    let console = String::from_utf8_lossy(&console);
    assert!(console.contains(&format!("{NODE} login:")), "{console}");
}
