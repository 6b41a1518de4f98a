//! `mailwright build`: writes every file of every node to a folder.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use blueprint::{Bundle, File};

use super::compiled::{self, say};
use crate::failure::{Exit, Failure};
use crate::repository;

mod disks;
mod verified;

use disks::{Disk, Disks};

/// Write every file of every node to a folder.
///
/// The folder is replaced as a whole or not at all. Secrets stay holes in it: only a running environment fills them.
///
/// With --verify every daemon's own checker reads its files first, each inside its node's root (Linux, root), and a warning of
/// theirs is an error, told at the line of the specification that it came from. Nothing is written then.
///
/// With --disks there are also the disks that the definitions for Xen, libvirt and QEMU name beside the image: disks/PLATFORM-ENVIRONMENT-NODE.tar,
/// which makes a machine the node it is, and disks/programs.erofs. Config disks hold the node's secrets, from where the environment
/// has them; those that are made up are kept with it, and `up` takes the same.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright build examples/northmail --env qa --out /tmp/northmail-qa\n  \
    mailwright build examples/northmail --env qa --out /tmp/northmail-qa --verify\n  \
    mailwright build examples/northmail --env qa --out /tmp/northmail-qa --disks")]
pub(crate) struct Arguments {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// The folder to write; it must not exist yet, or be one that `build` wrote.
    #[arg(long)]
    out: PathBuf,
    /// Have every daemon's own checker read its files first.
    #[arg(long)]
    verify: bool,
    /// An unpacked root file system to verify in, instead of one that is built; MAILWRIGHT_ROOT says the same.
    #[arg(long, value_name = "FOLDER", requires = "verify")]
    root: Option<PathBuf>,
    /// Write the disks of virtual machines too, secrets and all.
    #[arg(long)]
    disks: bool,
    /// Print the manifest on stdout and nothing else.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let output = match arguments.verify {
        true => compiled::compile_to_carry_out_with_origins(&repository.sources, arguments.env.as_deref())?,
        false => compiled::compile_to_carry_out(&repository.sources, arguments.env.as_deref())?,
    };
    let bundle = compiler::render(&output, &repository.sources);
    let mut manifest = compiler::manifest(&output.blueprint, &bundle);
    let mut disks = Disks::new();
    if arguments.disks {
        disks = disks::made(&repository, &output)?;
        if let Some(fields) = manifest.as_object_mut() {
            fields.insert("disks".to_owned(), disks::told(&disks)?);
        }
    }
    let manifest = format!("{manifest:#}\n");
    if arguments.verify {
        verified::ask(&repository, output, arguments.root.as_deref(), arguments.json)?;
    }
    write_folder(&arguments.out, &bundle, &disks, &manifest)?;
    if arguments.json {
        write!(std::io::stdout(), "{manifest}")?;
    } else {
        let files: usize = bundle.nodes.values().map(|tree| tree.files.len()).sum();
        say(false, &format!("wrote {files} files of {} nodes to {}", bundle.nodes.len(), arguments.out.display()));
    }
    Ok(Exit::Done)
}

fn write_folder(out: &Path, bundle: &Bundle, disks: &Disks, manifest: &str) -> Result<(), Failure> {
    if out.exists() && !out.join("manifest.json").is_file() && !is_empty(out) {
        return Err(Failure::usage(format!("{} exists and was not written by build", out.display()))
            .help("name a new folder with --out"));
    }
    let Some(name) = out.file_name() else {
        return Err(
            Failure::usage(format!("{} is no name for a folder", out.display())).help("name a new folder with --out")
        );
    };
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = parent.join(format!(".{}.{}.partial", name.to_string_lossy(), std::process::id()));
    let written = write_tree(&beside, bundle, disks, manifest).and_then(|()| replace(&beside, out));
    if written.is_err() {
        let _ = fs::remove_dir_all(&beside);
    }
    written.map_err(|error| {
        Failure::failed(format!("could not write {}", out.display()))
            .cause(&error)
            .help("see that the folder above it exists, can be written and has space")
    })
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn write_tree(root: &Path, bundle: &Bundle, disks: &Disks, manifest: &str) -> std::io::Result<()> {
    for (node, tree) in &bundle.nodes {
        for (path, file) in &tree.files {
            write_file(&root.join("nodes").join(node).join(path.trim_start_matches('/')), file)?;
        }
    }
    for (folder, files) in [("dns", &bundle.dns), ("hypervisor", &bundle.hypervisor), ("brands", &bundle.brands)] {
        fs::create_dir_all(root.join(folder))?;
        for (path, file) in files {
            write_file(&root.join(folder).join(path), file)?;
        }
    }
    for (name, disk) in disks {
        let path = root.join("disks").join(name);
        fs::create_dir_all(root.join("disks"))?;
        match disk {
            Disk::Config(bytes) => {
                let mut open = fs::OpenOptions::new();
                open.write(true).create_new(true).mode(0o600).open(&path)?.write_all(bytes)?;
            }
            Disk::Programs(from) => drop(fs::copy(from, &path)?),
        }
    }
    fs::write(root.join("manifest.json"), manifest)
}

fn write_file(path: &Path, file: &File) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let (bytes, _holes) = file.unfilled();
    let mut open = fs::OpenOptions::new();
    open.write(true).create_new(true).mode(file.mode);
    let mut handle = open.open(path)?;
    handle.write_all(&bytes)?;
    // The process's umask may have taken bits away.
    handle.set_permissions(fs::Permissions::from_mode(file.mode))
}

fn replace(new: &Path, out: &Path) -> std::io::Result<()> {
    if !out.exists() {
        return fs::rename(new, out);
    }
    let old = new.with_extension("old");
    fs::rename(out, &old)?;
    if let Err(error) = fs::rename(new, out) {
        fs::rename(&old, out)?;
        return Err(error);
    }
    fs::remove_dir_all(&old)
}
