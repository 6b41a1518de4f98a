//! Whether this machine's processor runs machines itself: found out by booting one, never by a device that is there.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::machine::{ImageFiles, MachineFailure, QEMU};
use crate::failure::Failure;
use crate::files;
use crate::state::StateFailure;

/// How long a kernel has to say a word where the processor runs it; it takes well under a second.
const PATIENCE: Duration = Duration::from_secs(4);

/// The word.
const WORD: &str = "mailwright: alive";

/// What runs machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Accelerator {
    /// QEMU's version, as it says itself.
    pub(super) qemu: String,
    /// Why it is not KVM; `None` where it is.
    pub(super) instead: Option<String>,
}

impl Accelerator {
    /// Returns QEMU's name for it.
    pub(super) fn accel(&self) -> &'static str {
        match self.instead {
            None => "kvm",
            Some(_) => "tcg,thread=single,tb-size=32",
        }
    }

    /// Returns the processor's model. Emulated, it has nothing that Rspamd would compile its patterns for: that takes minutes.
    pub(super) fn model(&self) -> &'static str {
        match self.instead {
            None => "host",
            Some(_) => "qemu64",
        }
    }

    /// Returns what people are told.
    pub(super) fn told(&self) -> String {
        match &self.instead {
            None => "machines run on KVM".to_owned(),
            Some(reason) => format!("machines are emulated (TCG): {reason}"),
        }
    }
}

/// What was found out on this machine, since it was started.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    boot: String,
    kernel: String,
    accelerator: Accelerator,
}

/// Returns what runs machines here; found out once for each start of this machine, QEMU and image.
pub(super) fn choose(cache: &Path, image: &ImageFiles) -> Result<Accelerator, Failure> {
    let qemu = version()?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
    let kernel = image.digest.clone();
    let path = cache.join("accelerator.json");
    // What cannot be read is found out anew.
    let known: Option<Known> = files::read_json(&path).ok().flatten();
    if let Some(known) = known.filter(|known| known.boot == boot && known.kernel == kernel)
        && known.accelerator.qemu == qemu
    {
        return Ok(known.accelerator);
    }
    let accelerator = Accelerator { instead: without_kvm(image), qemu };
    let known = Known { boot, kernel, accelerator: accelerator.clone() };
    files::make_folder(cache).map_err(StateFailure::from)?;
    files::write_json(&path, &known, 0o600).map_err(StateFailure::from)?;
    Ok(accelerator)
}

/// Returns QEMU's version.
fn version() -> Result<String, MachineFailure> {
    let output = Command::new(QEMU)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| MachineFailure::Qemu { source })?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(said.lines().next().unwrap_or_default().to_owned())
}

/// Returns why machines do not run on KVM; `None` where one just did.
fn without_kvm(image: &ImageFiles) -> Option<String> {
    if !Path::new("/dev/kvm").exists() {
        return Some("this machine has no /dev/kvm".to_owned());
    }
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", QEMU])
        .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"])
        .args(["-accel", "kvm", "-cpu", "host", "-M", "q35", "-m", "256"])
        .arg("-kernel")
        .arg(&image.kernel)
        .arg("-initrd")
        .arg(&image.initrd)
        .args(["-append", "console=ttyS0 quiet panic=1 mailwright.lane=probe"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Some(format!("{QEMU} cannot be started: {error}")),
    };
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let late = matches!(child.try_wait(), Ok(None));
    let _ = child.kill();
    let (mut said, mut complained) = (String::new(), String::new());
    if let (Some(mut out), Some(mut errors)) = (child.stdout.take(), child.stderr.take()) {
        let _ = out.read_to_string(&mut said);
        let _ = errors.read_to_string(&mut complained);
    }
    let _ = child.wait();
    if said.contains(WORD) {
        return None;
    }
    let last = complained.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    Some(match (late, last) {
        (true, _) => format!("/dev/kvm is there, and no kernel came up on it within {} s", PATIENCE.as_secs()),
        (false, "") => "/dev/kvm is there, and no kernel came up on it".to_owned(),
        (false, last) => format!("/dev/kvm is there, and no kernel came up on it: {last}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_machines_is_told_with_the_reason() {
        let emulated = Accelerator { qemu: "7.2".to_owned(), instead: Some("there is no KVM".to_owned()) };
        assert_eq!(emulated.told(), "machines are emulated (TCG): there is no KVM");
        assert_eq!((emulated.model(), emulated.accel().starts_with("tcg")), ("qemu64", true));
        let real = Accelerator { instead: None, ..emulated };
        assert_eq!((real.model(), real.accel()), ("host", "kvm"));
    }
}
