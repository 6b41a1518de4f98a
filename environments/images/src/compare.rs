//! How two images differ, as a person would tell it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::contents::FileEntry;
use crate::{Image, ImageFailure};

/// What differs between two images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Packages by name: version in the first and in the second.
    pub packages: Vec<Change>,
    /// What the kernels call themselves, where that differs.
    pub kernel: Option<(String, String)>,
    /// Units: `enabled`, `disabled`.
    pub units: Vec<Change>,
    /// Ports: the unit that opens them.
    pub ports: Vec<Change>,
    /// Programs with their owner's rights: their modes.
    pub set_uid: Vec<Change>,
    /// Users: their numbers.
    pub users: Vec<Change>,
    /// Files by path.
    pub files: Vec<Change>,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// What it was in the first; nothing where it was not there.
    pub was: Option<String>,
    /// What it is in the second; nothing where it is not there.
    pub is: Option<String>,
}

impl Difference {
    /// Returns how two images differ.
    pub fn between(first: &Image, second: &Image) -> Result<Self, ImageFailure> {
        let (one, two) = (first.contents()?, second.contents()?);
        let kernels = (first.read_manifest()?.kernel, second.read_manifest()?.kernel);
        let packages = |contents: &crate::contents::Contents| {
            contents.packages.iter().map(|(name, package)| (name.clone(), package.version.clone())).collect()
        };
        let units = |contents: &crate::contents::Contents| {
            let word = |enabled: bool| if enabled { "enabled" } else { "disabled" }.to_owned();
            contents.units.iter().map(|(name, unit)| (name.clone(), word(unit.enabled))).collect()
        };
        let ports = |contents: &crate::contents::Contents| {
            let name = |port: &crate::contents::Port| format!("{}/{}", port.port, port.protocol);
            contents.ports.iter().map(|port| (format!("{} {}", name(port), port.unit), port.unit.clone())).collect()
        };
        let set_uid = |contents: &crate::contents::Contents| {
            contents.set_uid.iter().map(|(path, file)| (format!("/{path}"), file.mode.clone())).collect()
        };
        let users = |contents: &crate::contents::Contents| {
            contents.users.iter().map(|(name, user)| (name.clone(), format!("{}:{}", user.uid, user.gid))).collect()
        };
        Ok(Self {
            packages: changes(&packages(&one), &packages(&two)),
            kernel: (kernels.0 != kernels.1).then_some(kernels),
            units: changes(&units(&one), &units(&two)),
            ports: changes(&ports(&one), &ports(&two)),
            set_uid: changes(&set_uid(&one), &set_uid(&two)),
            users: changes(&users(&one), &users(&two)),
            files: changes(&told(first.files()?), &told(second.files()?)),
        })
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        let lists = [&self.packages, &self.units, &self.ports, &self.set_uid, &self.users, &self.files];
        self.kernel.is_none() && lists.iter().all(|list| list.is_empty())
    }
}

/// Returns files in the words that make one another one.
fn told(files: BTreeMap<String, FileEntry>) -> BTreeMap<String, String> {
    let word = |file: FileEntry| {
        let content = file.content.get(..12).unwrap_or(&file.content);
        format!("{} {} {}:{} {}", file.kind, file.mode, file.uid, file.gid, content)
    };
    files.into_iter().map(|(path, file)| (format!("/{path}"), word(file))).collect()
}

fn changes(one: &BTreeMap<String, String>, two: &BTreeMap<String, String>) -> Vec<Change> {
    let names: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    names
        .into_iter()
        .filter(|name| one.get(*name) != two.get(*name))
        .map(|name| Change { name: name.clone(), was: one.get(name).cloned(), is: two.get(name).cloned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_went_and_changed_is_told_and_nothing_else() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let found = changes(&map(&[("a", "1"), ("b", "1"), ("c", "1")]), &map(&[("a", "1"), ("b", "2"), ("d", "1")]));
        let told: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.was.as_deref(), it.is.as_deref())).collect();
        assert_eq!(told, [("b", Some("1"), Some("2")), ("c", Some("1"), None), ("d", None, Some("1"))]);
    }
}
