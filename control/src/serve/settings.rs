//! What the program is given on its node: settings, Blueprint, Roster, brand files, first passwords.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use blueprint::serve::Api;
use blueprint::{Blueprint, Roster};
use serde::de::DeserializeOwned;
use values::MailAddress;

use crate::{BrandAssets, Server};

/// Why something that the program is given could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsFailure {
    #[error("could not read {path}")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not what it has to be")]
    Form {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{path} is of version {found}, this program knows {}", blueprint::VERSION)]
    Version { path: String, found: u32 },
}

/// Everything that the program is given.
pub(super) struct Given {
    pub(super) settings: Api,
    pub(super) server: Server,
    pub(super) blueprint: Blueprint,
    pub(super) roster: Roster,
    pub(super) brands: BrandAssets,
    pub(super) passwords: BTreeMap<MailAddress, String>,
}

impl Given {
    pub(super) fn read(config: &Path) -> Result<Self, SettingsFailure> {
        let settings: Api = json(config)?;
        let blueprint: Blueprint = json(Path::new(&settings.blueprint))?;
        let roster: Roster = json(Path::new(&settings.roster))?;
        for (path, found) in [
            (config.display().to_string(), settings.version),
            (settings.blueprint.clone(), blueprint.version),
            (settings.roster.clone(), roster.version),
        ] {
            if found != blueprint::VERSION {
                return Err(SettingsFailure::Version { path, found });
            }
        }
        let mut passwords = BTreeMap::new();
        for (address, path) in &settings.passwords {
            passwords.insert(address.clone(), secret(Path::new(path))?);
        }
        let server = Server {
            host: settings.directory.host.clone(),
            port: settings.directory.port,
            database: settings.directory.database.clone(),
            user: settings.directory.user.clone(),
            password: Some(secret(Path::new(&settings.directory.password_file))?),
            authority: settings.directory.authority.as_ref().map(PathBuf::from),
        };
        let mut brands = BrandAssets::new();
        gather(Path::new(&settings.brands), "", &mut brands)?;
        Ok(Self { settings, server, blueprint, roster, brands, passwords })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SettingsFailure> {
    fs::read(path).map_err(|source| SettingsFailure::Read { path: path.display().to_string(), source })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, SettingsFailure> {
    serde_json::from_slice(&read(path)?)
        .map_err(|source| SettingsFailure::Form { path: path.display().to_string(), source })
}

/// Reads a file that holds a secret and nothing else; line breaks at its end are none of it.
fn secret(path: &Path) -> Result<String, SettingsFailure> {
    let text = String::from_utf8(read(path)?).map_err(|error| SettingsFailure::Read {
        path: path.display().to_string(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Gathers the files below a folder by their paths in it; a folder that is not there has none.
fn gather(folder: &Path, key: &str, found: &mut BrandAssets) -> Result<(), SettingsFailure> {
    let failed = |source| SettingsFailure::Read { path: folder.display().to_string(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let key = if key.is_empty() { name.to_owned() } else { format!("{key}/{name}") };
        match path.is_dir() {
            true => gather(&path, &key, found)?,
            false => {
                found.insert(key, read(&path)?);
            }
        }
    }
    Ok(())
}
