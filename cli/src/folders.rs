//! Where things lie on this machine, as the environment's variables say.

use std::path::PathBuf;

use crate::failure::Failure;

/// Returns the folder that environments are kept in: `$XDG_STATE_HOME/mailwright`, else below the home folder.
pub(crate) fn state() -> Result<PathBuf, Failure> {
    below("XDG_STATE_HOME", ".local/state").ok_or_else(|| {
        Failure::usage("neither XDG_STATE_HOME nor HOME names a folder to keep environments in")
            .help("set XDG_STATE_HOME to an absolute path")
    })
}

/// Returns the folder of what can be had again: `$XDG_CACHE_HOME/mailwright`, else below the home folder.
pub(crate) fn cache() -> Option<PathBuf> {
    below("XDG_CACHE_HOME", ".cache")
}

fn below(variable: &str, at_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute(variable).or_else(|| Some(absolute("HOME")?.join(at_home)))?;
    Some(folder.join("mailwright"))
}

/// Returns the image that `MAILWRIGHT_IMAGE` names, if it does: its folder or its digest.
pub(crate) fn image() -> Option<PathBuf> {
    std::env::var_os("MAILWRIGHT_IMAGE").map(PathBuf::from)
}

/// Returns the unpacked root file system that `MAILWRIGHT_ROOT` names, if it does.
pub(crate) fn root_file_system() -> Option<PathBuf> {
    std::env::var_os("MAILWRIGHT_ROOT").map(PathBuf::from).filter(|path| path.is_absolute())
}
