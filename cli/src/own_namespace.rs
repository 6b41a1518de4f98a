//! A user namespace of one's own, for a backend that wants root and nothing that only the machine's root may do.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// Who becomes root there: with the numbers that a user may lend to namespaces, which building an image takes, or alone.
const MAPS: [&[&str]; 2] = [&["--user", "--map-root-user", "--map-auto"], &["--user", "--map-root-user"]];

/// Puts this program, called again as root of a user namespace of its own, in this process's place, where the backend `vm` is wanted
/// by somebody who is not root.
///
/// Returns where there is nothing to be done, or where such namespaces are not to be had: the backend says what it lacks then.
///
/// - Errors: the namespace is to be had, and this program could not be called in it.
pub(crate) fn enter(backend: &str) -> Result<(), Failure> {
    if backend != "vm" || rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let Some(map) = MAPS.into_iter().find(|map| is_to_be_had(map)) else {
        return Ok(());
    };
    let failed = |error: &std::io::Error| {
        Failure::failed("could not go on as root of a user namespace")
            .cause(error)
            .help("call it with sudo, or with `--backend embedded`")
    };
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    // The process stays the same one, whoever waits for it.
    let error = Command::new("unshare").args(map).arg("--").arg(program).args(std::env::args_os().skip(1)).exec();
    Err(failed(&error))
}

/// Tells whether a namespace can be made in which its root may also make networks.
fn is_to_be_had(map: &[&str]) -> bool {
    let mut command = Command::new("unshare");
    command.args(map).args(["--net", "--", "true"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
