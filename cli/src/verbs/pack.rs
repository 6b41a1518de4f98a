//! `mailwright pack` and `mailwright unpack`: an environment as one file, handed over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use environments::pack::{About, PackFailure, PackRequest, about, pack, unpack};
use environments::{Identity, StateRoot};

use super::compiled::{self, say};
use crate::failure::{Exit, Failure};
use crate::{folders, ledger, repository};

/// Files of a repository that are no specification and belong to it.
const BESIDE: [&str; 2] = [blueprint::lock::FILE, blueprint::ledger::FILE];

/// Write an environment, with all it holds, to one file.
///
/// The specifications, accounts, mail and queues go into it as they are; `mailwright unpack` and `up` bring it up elsewhere just
/// as it was. Passwords, keys and certificates stay behind, and are made anew there; with --secrets-for they go along, encrypted
/// by age for those who hold the key. What nodes of real daemons hold cannot be parted from its secrets: without them specifications,
/// lock and the image's digest are packed, and accounts, mail and queues begin anew there. The environment must not run. Resellers' own git repositories are fetched again there.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright pack examples/northmail --out northmail.mailwright\n  \
    mailwright pack --env qa --secrets-for age1… --out qa.mailwright\n  \
    mailwright unpack northmail.mailwright --into northmail && mailwright up northmail")]
pub(crate) struct Arguments {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// The file to write; one that is there is replaced when the new one is whole.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A public key of age whose holder may read the secrets; may be given several times.
    #[arg(long, value_name = "AGE-PUBLIC-KEY")]
    secrets_for: Vec<String>,
    /// A snapshot of virtual machines that goes along, with what was in flight then; it goes on there on the same QEMU, image and
    /// program only. Disks go along without it, too.
    #[arg(long, value_name = "NAME", requires = "secrets_for")]
    snapshot: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Take an environment out of a file that `mailwright pack` wrote.
///
/// Nothing of it is there before all of it has proven whole.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright unpack northmail.mailwright --into northmail\n  \
    mailwright unpack qa.mailwright --into qa --identity key.txt\n  mailwright unpack --about qa.mailwright")]
pub(crate) struct UnpackArguments {
    /// The file.
    pack: PathBuf,
    /// The folder for its specifications; it must not be there yet.
    #[arg(long, value_name = "FOLDER", required_unless_present = "about")]
    into: Option<PathBuf>,
    /// The key that reads its secrets, as age-keygen wrote it.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Only say what it is.
    #[arg(long, conflicts_with_all = ["into", "identity"])]
    about: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let output = compiled::compile(&repository.sources, arguments.env.as_deref())?;
    let about = About {
        version: 1,
        platform: output.blueprint.platform.to_string(),
        environment: output.launch.environment.to_string(),
        release: output.blueprint.release.name.clone(),
        backend: output.launch.backend.clone(),
        specification: ledger::digest(&repository.sources, &spec::parse(&repository.sources)),
        packed: String::new(),
        secrets: false,
        state: true,
        image: None,
        snapshot: None,
    };
    let request = PackRequest {
        state: StateRoot::new(folders::state()?),
        identity: Identity::new(&repository.path, &about.environment),
        about,
        specification: specification(&repository.path)?,
        recipients: &arguments.secrets_for,
        snapshot: arguments.snapshot.as_deref(),
    };
    let about = pack(request, &arguments.out).map_err(told)?;
    let size = std::fs::metadata(&arguments.out).map(|about| about.len()).unwrap_or_default();
    if arguments.json {
        super::print_json(&serde_json::json!({ "version": 1, "file": arguments.out, "bytes": size, "about": about }))?;
    } else {
        let secrets = match (about.secrets, about.state) {
            (true, _) => "its secrets encrypted",
            (false, true) => "its secrets left behind",
            (false, false) => {
                "its secrets left behind, and with them what its nodes hold: accounts, mail and queues \
                 (--secrets-for takes all of it along, encrypted)"
            }
        };
        let shown = if size < 10 * 1024 * 1024 {
            format!("{} KiB", size.div_ceil(1024))
        } else {
            format!("{} MiB", size >> 20)
        };
        say(false, &format!("packed {} into {} ({shown}), {secrets}", about.environment, arguments.out.display()));
    }
    Ok(Exit::Done)
}

pub(crate) fn run_unpack(arguments: &UnpackArguments) -> Result<Exit, Failure> {
    let Some(into) = &arguments.into else {
        let about = about(&arguments.pack).map_err(told)?;
        if arguments.json {
            super::print_json(&serde_json::json!({ "version": 1, "about": about }))?;
        } else {
            show(&about);
        }
        return Ok(Exit::Done);
    };
    // A folder's name is needed to write beside it.
    let into = std::path::absolute(into)
        .map_err(|error| Failure::usage(format!("{} is no folder's name", into.display())).cause(&error))?;
    let state = StateRoot::new(folders::state()?);
    let unpacked = unpack(&arguments.pack, &into, &state, arguments.identity.as_deref()).map_err(told)?;
    if arguments.json {
        super::print_json(&serde_json::json!({
            "version": 1, "repository": unpacked.repository, "about": unpacked.about,
        }))?;
    } else {
        show(&unpacked.about);
        let (folder, about) = (unpacked.repository.display(), &unpacked.about);
        let backend = about.image.as_ref().map(|image| format!(" --backend vm --image {image}")).unwrap_or_default();
        let snapshot = about.snapshot.as_ref().map(|name| format!(" --snapshot {name}")).unwrap_or_default();
        say(false, &format!("bring it up: mailwright up {folder} --env {}{backend}{snapshot}", about.environment));
    }
    Ok(Exit::Done)
}

fn show(about: &About) {
    let secrets = if about.secrets { "with its secrets, encrypted" } else { "without its secrets" };
    say(
        false,
        &format!(
            "{} of {}, release {}, as it ran on {}",
            about.environment, about.platform, about.release, about.backend
        ),
    );
    say(false, &format!("  packed {}, {secrets}", about.packed));
    if !about.state {
        say(false, "  without what its nodes held: accounts, mail and queues begin anew, with new secrets");
    }
    if let Some(image) = &about.image {
        say(false, &format!("  its machines ran the image {image}"));
    }
    if let Some(snapshot) = &about.snapshot {
        say(false, &format!("  with the snapshot {snapshot}, to go on from"));
    }
}

/// Returns the repository's own files, as they lie there.
fn specification(repository: &Path) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let (path, listed) = repository::list(repository)?;
    let mut files = BTreeMap::new();
    for file in listed {
        let bytes = file.read(&path)?;
        files.insert(file.path, bytes);
    }
    for name in BESIDE {
        match std::fs::read(path.join(name)) {
            Ok(bytes) => drop(files.insert(name.to_owned(), bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::failed(format!("could not read {name}")).cause(&error)),
        }
    }
    Ok(files)
}

fn told(failure: PackFailure) -> Failure {
    let usage = matches!(
        failure,
        PackFailure::Runs(_)
            | PackFailure::NoSnapshot(_)
            | PackFailure::There(_)
            | PackFailure::Sealed
            | PackFailure::NeverUp(_)
    );
    let help = failure.help();
    let shown = if usage { Failure::usage(failure.to_string()) } else { Failure::failed(failure.to_string()) };
    let shown = match std::error::Error::source(&failure) {
        Some(source) => shown.cause(source),
        None => shown,
    };
    shown.help(help)
}
