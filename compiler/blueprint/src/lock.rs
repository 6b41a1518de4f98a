//! The lock: what was pinned, so that equal sources stay equal tomorrow and elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use values::{Date, GitBranch, GitLocation, GitRevision, HostName, Name};

/// The name of the lock's file in a specification repository.
pub const FILE: &str = "mailwright.lock";

/// What `mailwright.lock` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The version of the form, [`crate::VERSION`].
    pub version: u32,
    /// Resellers whose specification comes from a git repository of their own, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resellers: BTreeMap<Name, PinnedReseller>,
    /// Domains whose record in DNS was found, by their names and those of their aliases.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub domains: BTreeMap<HostName, ProvenDomain>,
    /// Packages of the root file system, by distribution and name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<String, BTreeMap<String, PinnedPackage>>,
    /// What other parts of the program pinned; kept as it stands.
    #[serde(flatten)]
    pub others: BTreeMap<String, Value>,
}

/// The revision of a reseller's repository that is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedReseller {
    /// The repository, as the operator wrote it.
    pub repository: GitLocation,
    /// The branch that was followed.
    pub branch: GitBranch,
    /// The commit.
    pub revision: GitRevision,
}

/// A domain that was shown to be a reseller's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenDomain {
    /// The reseller.
    pub reseller: Name,
    /// The day on which its record was found, in UTC.
    pub on: Date,
}

/// A package of the distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedPackage {
    /// Its version, as the distribution writes it.
    pub version: String,
    /// The SHA-256 of its archive, in lower-case hexadecimal.
    pub sha256: String,
}

/// Why a lock could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// It is not what the program writes.
    #[error("{FILE} is not a lock: {0}")]
    Form(String),
    /// Another version of the program wrote it.
    #[error("{FILE} has version {0}, and this program reads version {version}", version = crate::VERSION)]
    Version(u64),
}

impl Default for Lock {
    fn default() -> Self {
        Self {
            version: crate::VERSION,
            resellers: BTreeMap::new(),
            domains: BTreeMap::new(),
            packages: BTreeMap::new(),
            others: BTreeMap::new(),
        }
    }
}

impl Lock {
    /// Reads a lock.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockError> {
        let form = |error: serde_json::Error| LockError::Form(error.to_string());
        let value: Value = serde_json::from_slice(bytes).map_err(form)?;
        match value.get("version").and_then(Value::as_u64) {
            None => return Err(LockError::Form("it has no version".to_owned())),
            Some(version) if version != u64::from(crate::VERSION) => return Err(LockError::Version(version)),
            Some(_) => {}
        }
        serde_json::from_value(value).map_err(form)
    }

    /// Returns the lock as it is written: a line a value, so that a change reads well.
    pub fn text(&self) -> String {
        // Names and texts only: there is nothing in it that JSON could not write.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pinned() -> PinnedReseller {
        PinnedReseller {
            repository: "https://git.acme.example/mail.git".parse().unwrap(),
            branch: "main".parse().unwrap(),
            revision: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        }
    }

    #[test]
    fn what_was_written_reads_back_and_keeps_what_others_pinned() {
        let mut lock = Lock::default();
        lock.resellers.insert("acme".parse().unwrap(), pinned());
        let package = PinnedPackage { version: "3.7.11".to_owned(), sha256: "ab".to_owned() };
        lock.packages.entry("bookworm".to_owned()).or_default().insert("postfix".to_owned(), package);
        let proven = ProvenDomain { reseller: "acme".parse().unwrap(), on: "2026-11-23".parse().unwrap() };
        lock.domains.insert("acme.net".parse().unwrap(), proven);
        lock.others.insert("later".to_owned(), serde_json::json!({ "kept": true }));
        assert_eq!(Lock::parse(lock.text().as_bytes()), Ok(lock.clone()));
        assert!(lock.text().contains("\n      \"revision\": \"0123456789abcdef0123456789abcdef01234567\"\n"));
    }

    #[test]
    fn what_is_no_lock_is_refused_with_the_reason() {
        assert_eq!(Lock::parse(br#"{"version": 2}"#), Err(LockError::Version(2)));
        for text in [
            "",
            "[]",
            "{}",
            r#"{"version": 1, "resellers": []}"#,
            r#"{"version": 1, "resellers": {"../x": {}}}"#,
            r#"{"version": 1, "domains": {"acme net": {"reseller": "acme", "on": "2026-11-23"}}}"#,
            r#"{"version": 1, "domains": {"acme.net": {"reseller": "acme", "on": "2026-02-30"}}}"#,
            r#"{"version": 1, "resellers": {"acme": {"repository": "ext::id", "branch": "main",
                "revision": "0123456789abcdef0123456789abcdef01234567"}}}"#,
            r#"{"version": 1, "resellers": {"acme": {"repository": "/a", "branch": "main", "revision": "--all"}}}"#,
        ] {
            assert!(matches!(Lock::parse(text.as_bytes()), Err(LockError::Form(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Lock::parse(&bytes);
        }
    }
}
