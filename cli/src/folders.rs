//! Where things lie on this machine, as the environment's variables say.

use std::path::PathBuf;

use crate::failure::Failure;

/// Returns the folder that environments are kept in: `$XDG_STATE_HOME/mailwright`, else below the home folder.
pub(crate) fn state() -> Result<PathBuf, Failure> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(folder) = absolute("XDG_STATE_HOME") {
        return Ok(folder.join("mailwright"));
    }
    match absolute("HOME") {
        Some(home) => Ok(home.join(".local/state/mailwright")),
        None => Err(Failure::usage("neither XDG_STATE_HOME nor HOME names a folder to keep environments in")
            .help("set XDG_STATE_HOME to an absolute path")),
    }
}
