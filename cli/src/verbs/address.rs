//! How verbs name an environment: by its repository and its name, or the built-in example.

use std::fs;
use std::path::{Path, PathBuf};

use environments::{Found, Identity, StateRoot};

use crate::failure::Failure;
use crate::{folders, repository};

/// Which environment.
#[derive(clap::Args)]
pub(crate) struct Address {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".", conflicts_with = "built_in")]
    repository: PathBuf,
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// The built-in example that `mailwright try` brings up.
    #[arg(long = "try")]
    built_in: bool,
}

/// Which environment, where the first word says something else.
#[derive(clap::Args)]
pub(crate) struct NamedAddress {
    /// The folder that holds platform.kdl.
    #[arg(long, value_name = "FOLDER", default_value = ".", conflicts_with = "built_in")]
    repository: PathBuf,
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// The built-in example that `mailwright try` brings up.
    #[arg(long = "try")]
    built_in: bool,
}

impl NamedAddress {
    /// Returns the environment as [`Address::find`] does.
    pub(crate) fn find(&self) -> Result<Found, Failure> {
        let Self { repository, env, built_in } = self;
        Address { repository: repository.clone(), env: env.clone(), built_in: *built_in }.find()
    }
}

impl Address {
    /// Returns the environment and what is known of it.
    ///
    /// - Errors: it cannot be told which one is meant, or it was never brought up.
    pub(crate) fn find(&self) -> Result<Found, Failure> {
        let root = StateRoot::new(folders::state()?);
        let repository = if self.built_in { built_in_folder()? } else { self.repository.clone() };
        let identity = Identity::new(&repository, &self.name(&root, &repository)?);
        match environments::find(&root, &identity).map_err(from_environments)? {
            Some(found) => Ok(found),
            None => Err(Failure::usage(format!("{identity} was never brought up"))
                .help("bring it up with: mailwright up, or see which there are with: mailwright status --all")),
        }
    }

    fn name(&self, root: &StateRoot, repository: &Path) -> Result<String, Failure> {
        // Environments that were brought up count as well as declared ones, so that one whose declaration is gone or does
        // not parse can still be stopped.
        let path = Identity::new(repository, "").repository;
        let known = environments::list(root).map_err(from_environments)?;
        let mut names: Vec<String> = known
            .into_iter()
            .filter(|(identity, _)| identity.repository == path)
            .map(|(identity, _)| identity.environment)
            .collect();
        if let Ok(repository) = repository::read(repository) {
            names.extend(compiler::environments(&spec::parse(&repository.sources)));
        }
        names.sort();
        names.dedup();
        choose(&names, self.env.as_deref())
    }
}

/// Returns the environment that is meant: the one asked for, else `dev`, else the only one there is.
pub(crate) fn choose(names: &[String], asked: Option<&str>) -> Result<String, Failure> {
    let known = || format!("environments of this repository: {}", names.join(", "));
    if let Some(asked) = asked {
        return match names.iter().find(|name| *name == asked) {
            Some(name) => Ok(name.clone()),
            None => Err(Failure::usage(format!("there is no environment `{asked}`")).help(known())),
        };
    }
    if names.iter().any(|name| name == "dev") {
        return Ok("dev".to_owned());
    }
    match names {
        [only] => Ok(only.clone()),
        [] => Err(Failure::usage("the repository declares no environment")
            .help("write environments/dev.kdl with an `environment \"dev\"` node")),
        _ => Err(Failure::usage("no environment is called `dev`, and there are several")
            .help(format!("say which with --env; {}", known()))),
    }
}

/// Returns the folder that the built-in example is written to.
pub(crate) fn built_in_folder() -> Result<PathBuf, Failure> {
    Ok(folders::state()?.join("try/northmail"))
}

/// Writes the built-in example to its folder, so that people can read and `check` what runs.
pub(crate) fn write_built_in() -> Result<PathBuf, Failure> {
    let folder = built_in_folder()?;
    for (path, bytes) in crate::built_in::FILES {
        let path = folder.join(path);
        if fs::read(&path).is_ok_and(|there| there == *bytes) {
            continue;
        }
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, bytes));
        written.map_err(|error| {
            Failure::failed(format!("could not write {}", path.display()))
                .cause(&error)
                .help("see that the folder named by XDG_STATE_HOME can be written")
        })?;
    }
    Ok(folder)
}

/// Turns a failure of an environment into ours.
pub(crate) fn from_environments(failure: environments::Failure) -> Failure {
    let help = failure.help();
    let exit = Failure::failed(failure.to_string());
    let exit = match std::error::Error::source(&failure) {
        Some(source) => exit.cause(source),
        None => exit,
    };
    if help.is_empty() { exit } else { exit.help(help) }
}
