//! `mailwright image build`: the image of a lock, the same to the bit on every build.

use std::io::Write;
use std::path::PathBuf;

use images::{Format, Image, SigningKey};

use super::super::compiled::say;
use super::super::{print_json, up};
use super::{Of, Told, failed, key, request};
use crate::failure::{Exit, Failure};

/// Build the image of mailwright.lock, or take the one that is there; print its digest.
///
/// A read-only root, a kernel and a small initrd, with a list of all that is in them. Two builds of one lock give the same digest, whoever
/// builds, where and when. Takes root, or a user who may use user namespaces (package uidmap).
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright image build\n  mailwright image build examples/northmail --json\n  \
    mailwright image build --format oci --out image.tar && docker load -i image.tar")]
pub(crate) struct Arguments {
    #[command(flatten)]
    of: Of,
    /// Write the image in this form, too.
    #[arg(long, requires = "out")]
    format: Option<Form>,
    /// Where it is written to; for oci a folder, or a tar where the name ends with .tar.
    #[arg(long, value_name = "PATH", requires = "format")]
    out: Option<PathBuf>,
    /// The key that signs it, as minisign makes one without a password; made where there is none.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// The form of an image.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Form {
    /// The read-only file system as it is.
    Erofs,
    /// A disk without partitions that holds it.
    Raw,
    /// The same disk for QEMU.
    Qcow2,
    /// An image for Docker and Podman.
    Oci,
    /// The root as a tar.
    Tar,
}

impl From<Form> for Format {
    fn from(form: Form) -> Self {
        match form {
            Form::Erofs => Self::Erofs,
            Form::Raw => Self::Raw,
            Form::Qcow2 => Self::Qcow2,
            Form::Oci => Self::Oci,
            Form::Tar => Self::Tar,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let platform = arguments.of.platform()?;
    let packages = platform.pinned()?;
    images::covers(&packages, &platform.packages).map_err(|failure| failed(&failure))?;
    let cache = up::cache()?;
    let told = Told { quiet: arguments.json };
    let image = images::build(&request(&cache, &platform.distribution, &packages), &told)
        .map_err(|failure| failed(&failure))?;
    sign(&image, arguments)?;
    if let (Some(form), Some(out)) = (arguments.format, &arguments.out) {
        say(arguments.json, &format!("  writing {}", out.display()));
        image.export(form.into(), out).map_err(|failure| failed(&failure))?;
    }
    if arguments.json {
        print_json(&serde_json::json!({
            "version": 1, "digest": image.digest, "folder": image.folder, "root": image.root(), "kernel": image.kernel(),
            "initrd": image.initrd(), "distribution": platform.distribution, "out": arguments.out,
        }))?;
    } else {
        writeln!(std::io::stdout(), "{}", image.digest)?;
    }
    Ok(Exit::Done)
}

/// Signs an image that is not signed yet, or not with this key.
fn sign(image: &Image, arguments: &Arguments) -> Result<(), Failure> {
    let path = key(arguments.key.as_deref())?;
    let key = SigningKey::open(&path).map_err(|failure| failed(&failure))?;
    if key.public().verify(image).is_ok() {
        return Ok(());
    }
    key.sign(image).map_err(|failure| failed(&failure))
}
