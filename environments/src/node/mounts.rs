//! A node's root: the shared image under a layer of the node's own, devices, and what the tool shows it.
//!
//! ```text
//! /        overlay: image layers, topped by memory that is gone with the node
//! /var     overlay: image layers' /var, topped by the node's state folder; nothing is forced to disk
//! /run /tmp /dev /dev/shm    memory
//! ```
//!
//! Source: overlay of the kernel (Documentation/filesystems/overlayfs.rst), pivot_root(2). Layers are named by descriptors,
//! `/proc/self/fd/N`, so that no path needs quoting in mount options.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::protocol::Plan;

/// Where the node sees its tree.
pub(super) const TREE: &str = "/run/mailwright/tree";

/// Device nodes of this machine that a node sees.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// A step towards a root of one's own that failed.
#[derive(Debug, thiserror::Error)]
#[error("could not {what}: {source}")]
pub(super) struct MountFailure {
    what: String,
    source: io::Error,
}

/// Gives a failed step its name.
trait Step<T> {
    fn step(self, what: impl FnOnce() -> String) -> Result<T, MountFailure>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, what: impl FnOnce() -> String) -> Result<T, MountFailure> {
        self.map_err(|source| MountFailure { what: what(), source: source.into() })
    }
}

/// Makes the node's root and enters it; this process must be alone in a mount namespace of its own.
pub(super) fn enter(plan: &Plan) -> Result<(), MountFailure> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).step(|| "keep mounts to the node".to_owned())?;
    let base = &plan.mount;
    memory(base, 0o755)?;
    let root = base.join("root");
    for folder in ["upper", "work", "root"] {
        make_folder(&base.join(folder))?;
    }
    overlay(&plan.layers, &base.join("upper"), &base.join("work"), &root, Syncs::Nothing)?;
    let below: Vec<PathBuf> = plan.layers.iter().map(|layer| layer.join("var")).filter(|var| var.is_dir()).collect();
    let (upper, work) = (plan.state.join("var"), plan.state.join("work"));
    make_folder(&upper)?;
    make_folder(&work)?;
    // The state folder is private to the one who runs the tool; what daemons see is open as /var is.
    fs::set_permissions(&upper, fs::Permissions::from_mode(0o755)).step(|| format!("open {}", upper.display()))?;
    overlay(&below, &upper, &work, &root.join("var"), Syncs::Nothing)?;
    // What a daemon begins its data with is kept there for other environments.
    make_folder(&root.join("var/lib/mailwright/templates"))?;
    kernel_file_systems(&root)?;
    devices(&root)?;
    for folder in ["run/lock", "run/mailwright"] {
        make_folder(&root.join(folder))?;
    }
    let tree = root.join(TREE.trim_start_matches('/'));
    make_folder(&tree)?;
    bind(&plan.tree, &tree)?;
    for (place, program) in &plan.programs {
        let place = root.join(place.trim_start_matches('/'));
        if let Some(folder) = place.parent() {
            make_folder(folder)?;
        }
        File::create(&place).step(|| format!("make {}", place.display()))?;
        bind(program, &place)?;
    }
    rustix::system::sethostname(plan.node.as_bytes()).step(|| "set the host name".to_owned())?;
    std::env::set_current_dir(&root).step(|| format!("enter {}", root.display()))?;
    rustix::process::pivot_root(".", ".").step(|| "make it the root".to_owned())?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).step(|| "let go of the machine's own root".to_owned())?;
    std::env::set_current_dir("/").step(|| "enter the root".to_owned())
}

/// Completes the root of a container, which the engine has made.
///
/// - `warm`: folders that lie over the image's `/var`, the topmost first.
/// - `state`: the folder that keeps what is below `/var`.
pub(super) fn furnish(warm: &[PathBuf], state: &Path) -> Result<(), MountFailure> {
    // The engine lays its own files over these, and the node's tree brings others.
    for file in ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"] {
        match rustix::mount::unmount(file, UnmountFlags::DETACH) {
            // An engine that lays nothing there is as well.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
            unmounted => unmounted.step(|| format!("take away the engine's {file}"))?,
        }
    }
    let (upper, work, var) = (state.join("var"), state.join("work"), PathBuf::from("/var"));
    make_folder(&upper)?;
    make_folder(&work)?;
    fs::set_permissions(&upper, fs::Permissions::from_mode(0o755)).step(|| format!("open {}", upper.display()))?;
    let below: Vec<PathBuf> = warm.iter().map(|layer| layer.join("var")).filter(|var| var.is_dir()).collect();
    overlay(&[below, vec![var.clone()]].concat(), &upper, &work, &var, Syncs::Nothing)?;
    make_folder(Path::new("/var/lib/mailwright/templates"))?;
    // What stands on them keeps them.
    for place in warm.iter().map(PathBuf::as_path).chain([state]) {
        rustix::mount::unmount(place, UnmountFlags::DETACH).step(|| format!("take away {}", place.display()))?;
    }
    make_folder(Path::new("/run/lock"))
}

/// Completes the root of a virtual machine, whose kernel and initrd have made most of it.
pub(super) fn complete() -> Result<(), MountFailure> {
    let root = Path::new("/");
    memory(&root.join("run"), 0o755)?;
    memory(&root.join("tmp"), 0o1777)?;
    for folder in ["run/lock", "run/mailwright"] {
        make_folder(&root.join(folder))?;
    }
    terminals(&root.join("dev"))
}

fn kernel_file_systems(root: &Path) -> Result<(), MountFailure> {
    let closed = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let none: Option<&std::ffi::CStr> = None;
    let proc = root.join("proc");
    rustix::mount::mount("proc", &proc, "proc", closed, none).step(|| "mount /proc".to_owned())?;
    let sys = root.join("sys");
    rustix::mount::mount("sysfs", &sys, "sysfs", closed | MountFlags::RDONLY, none).step(|| "mount /sys".to_owned())?;
    memory(&root.join("run"), 0o755)?;
    memory(&root.join("tmp"), 0o1777)
}

fn devices(root: &Path) -> Result<(), MountFailure> {
    let dev = root.join("dev");
    memory(&dev, 0o755)?;
    for device in DEVICES {
        let place = dev.join(device);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o666)
            .open(&place)
            .step(|| format!("make {}", place.display()))?;
        bind(&Path::new("/dev").join(device), &place)?;
    }
    terminals(&dev)
}

/// Makes what a folder of devices has beside those of the kernel.
fn terminals(dev: &Path) -> Result<(), MountFailure> {
    for folder in ["shm", "pts"] {
        make_folder(&dev.join(folder))?;
    }
    memory(&dev.join("shm"), 0o1777)?;
    let options = CString::new("newinstance,ptmxmode=0666,mode=0620,gid=5").unwrap_or_default();
    let pts = dev.join("pts");
    rustix::mount::mount("devpts", &pts, "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, Some(options.as_c_str()))
        .step(|| "mount /dev/pts".to_owned())?;
    for (name, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        if let Err(error) = symlink(target, dev.join(name))
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error).step(|| format!("make /dev/{name}"));
        }
    }
    Ok(())
}

fn memory(place: &Path, mode: u32) -> Result<(), MountFailure> {
    let options = CString::new(format!("mode={mode:o}")).unwrap_or_default();
    rustix::mount::mount("tmpfs", place, "tmpfs", MountFlags::NOSUID, Some(options.as_c_str()))
        .step(|| format!("mount memory on {}", place.display()))
}

fn bind(source: &Path, place: &Path) -> Result<(), MountFailure> {
    rustix::mount::mount_bind(source, place)
        .step(|| format!("show {} as {} in the node", source.display(), place.display()))
}

fn make_folder(path: &Path) -> Result<(), MountFailure> {
    fs::create_dir_all(path).step(|| format!("make the folder {}", path.display()))
}

/// What happens when a daemon asks for its data to be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syncs {
    /// They are written.
    Everything,
    /// They are left to the kernel, which has them: they outlive every process, and not the machine.
    Nothing,
}

/// Mounts layers over one another, the topmost first, below one that is written to.
fn overlay(layers: &[PathBuf], upper: &Path, work: &Path, place: &Path, syncs: Syncs) -> Result<(), MountFailure> {
    let open = |path: &Path| File::open(path).step(|| format!("open {}", path.display()));
    let below = layers.iter().map(|layer| open(layer)).collect::<Result<Vec<_>, _>>()?;
    let (upper_folder, work_folder) = (open(upper)?, open(work)?);
    let named = |folder: &File| format!("/proc/self/fd/{}", folder.as_raw_fd());
    let lower: Vec<String> = below.iter().map(named).collect();
    let mut options =
        format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), named(&upper_folder), named(&work_folder));
    if syncs == Syncs::Nothing {
        // The mark that it was mounted so refuses the next mount, for whoever cannot tell whether the machine went down since.
        let _ = fs::remove_dir_all(work.join("work/incompat"));
        options.push_str(",volatile");
    }
    let options = CString::new(options).unwrap_or_default();
    match rustix::mount::mount("overlay", place, "overlay", MountFlags::empty(), Some(options.as_c_str())) {
        // A kernel before 5.10 knows no such thing.
        Err(rustix::io::Errno::INVAL) if syncs == Syncs::Nothing => {
            overlay(layers, upper, work, place, Syncs::Everything)
        }
        mounted => mounted.step(|| format!("lay {} over the image at {}", upper.display(), place.display())),
    }
}
