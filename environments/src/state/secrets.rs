//! Passwords that were made up for an environment: one private file, written before a password is used anywhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{self, FileFailure};

/// Why a secret is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretFailure {
    /// Others could read it.
    #[error("{} can be read by others than its owner", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
    },
    /// A later or unknown program wrote it.
    #[error("{} is of version {found}, this program reads version 1", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
    /// A variable that holds a secret is not set.
    #[error("the secret {secret} is not there: the variable {variable} is not set")]
    Variable {
        /// `OWNER/NAME`.
        secret: String,
        /// The variable's name.
        variable: String,
    },
    /// The system gives no randomness.
    #[error("the system gave no random bytes to make a password of")]
    Chance,
    /// The file could not be kept or read.
    #[error(transparent)]
    File(#[from] FileFailure),
}

impl SecretFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Open { path } => format!("run `chmod go= {}` and think about who has read it", path.display()),
            Self::Version { path, .. } => {
                format!(
                    "use the version of mailwright that wrote it, or remove {} to get new passwords",
                    path.display()
                )
            }
            Self::Variable { variable, .. } => format!("set {variable}, or write `secrets \"generate\"`"),
            Self::Chance => "wait until the system has gathered randomness, and try again".to_owned(),
            Self::File(failure) => failure.help(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    passwords: BTreeMap<String, String>,
}

/// The passwords of one environment, by what they are for: an address, or `OWNER/NAME` of a secret.
pub struct Secrets {
    path: PathBuf,
    passwords: BTreeMap<String, String>,
    changed: bool,
}

// Not derived, which would print what must not be printed.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Secrets").field("path", &self.path).field("count", &self.passwords.len()).finish()
    }
}

impl Secrets {
    /// Reads what is there.
    pub(super) fn open(folder: &Path) -> Result<Self, SecretFailure> {
        let path = folder.join("passwords.json");
        let Some(document) = files::read_json::<Document>(&path)? else {
            return Ok(Self { path, passwords: BTreeMap::new(), changed: false });
        };
        for found in [folder, path.as_path()] {
            let private =
                files::private(found).map_err(|source| FileFailure::Read { path: found.to_owned(), source })?;
            if !private {
                return Err(SecretFailure::Open { path: found.to_owned() });
            }
        }
        if document.version != 1 {
            return Err(SecretFailure::Version { path, found: document.version });
        }
        Ok(Self { path, passwords: document.passwords, changed: false })
    }

    /// Returns a password that was made up before.
    pub fn get(&self, purpose: &str) -> Option<&str> {
        self.passwords.get(purpose).map(String::as_str)
    }

    /// Returns the password for a purpose, made up when there is none yet; [`Secrets::keep`] writes it down.
    pub(crate) fn get_or_generate(&mut self, purpose: &str) -> Result<&str, SecretFailure> {
        if !self.passwords.contains_key(purpose) {
            self.passwords.insert(purpose.to_owned(), generate()?);
            self.changed = true;
        }
        Ok(self.passwords.get(purpose).map(String::as_str).unwrap_or_default())
    }

    /// Gives a password up that is none any more; [`Secrets::keep`] writes that down.
    pub(crate) fn forget(&mut self, purpose: &str) {
        self.changed |= self.passwords.remove(purpose).is_some();
    }

    /// Sets the password for a purpose that was settled elsewhere; [`Secrets::keep`] writes it down.
    pub(crate) fn set(&mut self, purpose: &str, password: &str) {
        if self.get(purpose) != Some(password) {
            self.passwords.insert(purpose.to_owned(), password.to_owned());
            self.changed = true;
        }
    }

    /// Writes down what was made up, before anybody learns of it.
    pub(crate) fn keep(&mut self) -> Result<(), SecretFailure> {
        if self.changed {
            if let Some(folder) = self.path.parent() {
                files::make_folder(folder)?;
            }
            let document = Document { version: 1, passwords: std::mem::take(&mut self.passwords) };
            let written = files::write_json(&self.path, &document, 0o600);
            self.passwords = document.passwords;
            written?;
            self.changed = false;
        }
        Ok(())
    }
}

/// Makes up a password: five groups of four letters and digits that nobody takes for one another, 99 bits.
fn generate() -> Result<String, SecretFailure> {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567894";
    // 31 different letters; the last slot only makes the table a power of two and are drawn again.
    const DIFFERENT: usize = 31;
    let chance = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    let mut password = String::with_capacity(24);
    let mut letters = 0;
    while letters < 20 {
        let mut bytes = [0_u8; 32];
        chance.fill(&mut bytes).map_err(|_| SecretFailure::Chance)?;
        for byte in bytes {
            let slot = usize::from(byte & 31);
            if let Some(letter) = LETTERS.get(slot).filter(|_| slot < DIFFERENT && letters < 20) {
                if letters > 0 && letters % 4 == 0 {
                    password.push('-');
                }
                password.push(char::from(*letter));
                letters += 1;
            }
        }
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_made_up_once_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("secrets");
        let mut secrets = Secrets::open(&folder).unwrap();
        assert_eq!(secrets.get("alice@acme.example"), None);
        let password = secrets.get_or_generate("alice@acme.example").unwrap().to_owned();
        assert_ne!(secrets.get_or_generate("bob@acme.example").unwrap(), password);
        secrets.keep().unwrap();
        let again = Secrets::open(&folder).unwrap();
        assert_eq!(again.get("alice@acme.example"), Some(password.as_str()));
        assert!(files::private(&folder).unwrap() && files::private(&folder.join("passwords.json")).unwrap());
    }

    #[test]
    fn passwords_that_others_can_read_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("secrets");
        let mut secrets = Secrets::open(&folder).unwrap();
        secrets.get_or_generate("alice@acme.example").unwrap();
        secrets.keep().unwrap();
        let file = folder.join("passwords.json");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let failure = Secrets::open(&folder).unwrap_err();
        assert!(matches!(failure, SecretFailure::Open { .. }));
        assert!(failure.help().contains("chmod"));
    }

    #[test]
    fn passwords_never_show_in_debug_output() {
        let folder = tempfile::tempdir().unwrap();
        let mut secrets = Secrets::open(folder.path()).unwrap();
        let password = secrets.get_or_generate("alice@acme.example").unwrap().to_owned();
        assert!(!format!("{secrets:?}").contains(&password));
    }

    #[test]
    fn made_up_passwords_have_one_form() {
        for _ in 0..200 {
            let password = generate().unwrap();
            assert_eq!(password.split('-').map(str::len).collect::<Vec<_>>(), [4; 5]);
            assert!(password.bytes().all(|byte| b"abcdefghjkmnpqrstuvwxyz23456789-".contains(&byte)), "{password}");
        }
    }
}
