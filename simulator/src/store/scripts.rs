//! Users' Sieve scripts, and what scripts want remembered.

use sha2::{Digest, Sha256};

use super::record::{MarkKey, Record};
use super::{MailStore, StoreError, UserId};
use crate::Moment;
use crate::disk::{Disk, DiskError};

/// Most scripts of one user.
const MAX_SCRIPTS: usize = 1_000;

impl MailStore {
    /// Returns the names of a user's scripts, sorted, each with whether it is the one that runs.
    pub fn scripts(&self, user: UserId) -> Vec<(String, bool)> {
        let Ok(user) = self.of(user) else { return Vec::new() };
        user.scripts.keys().map(|name| (name.clone(), user.active_script.as_ref() == Some(name))).collect()
    }

    /// Reads a script; `None` where there is none of that name.
    ///
    /// - Errors: the disk's.
    pub fn script(&self, disk: &dyn Disk, user: UserId, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        let found = self.state.users.get(&user).and_then(|user| user.scripts.get(name)).copied();
        found.map(|content| self.read(disk, content)).transpose()
    }

    /// Returns the name of the script that runs.
    pub fn active_script(&self, user: UserId) -> Option<&str> {
        self.state.users.get(&user)?.active_script.as_deref()
    }

    /// Keeps a script, in the place of one of the same name.
    ///
    /// - Errors: limits, the disk's; nothing has changed then.
    pub fn put_script(&mut self, disk: &mut dyn Disk, user: UserId, name: &str, text: &[u8]) -> Result<(), StoreError> {
        let scripts = &self.of(user)?.scripts;
        if !scripts.contains_key(name) && scripts.len() >= MAX_SCRIPTS {
            return Err(StoreError::Limit("scripts"));
        }
        self.write(disk, Record::ScriptPut { user, name: name.to_owned() }, &[text])?;
        Ok(())
    }

    /// Removes a script.
    ///
    /// - Errors: [`StoreError::NoScript`]; [`StoreError::Forbidden`] for the one that runs; the disk's.
    pub fn delete_script(&mut self, disk: &mut dyn Disk, user: UserId, name: &str) -> Result<(), StoreError> {
        self.has_script(user, name)?;
        if self.active_script(user) == Some(name) {
            return Err(StoreError::Forbidden);
        }
        self.write(disk, Record::ScriptGone { user, name: name.to_owned() }, &[])?;
        Ok(())
    }

    /// Gives a script another name; the one that runs goes on to.
    ///
    /// - Errors: [`StoreError::NoScript`]; [`StoreError::Exists`]; the disk's.
    pub fn rename_script(&mut self, disk: &mut dyn Disk, user: UserId, from: &str, to: &str) -> Result<(), StoreError> {
        self.has_script(user, from)?;
        if self.of(user)?.scripts.contains_key(to) {
            return Err(StoreError::Exists);
        }
        self.write(disk, Record::ScriptRenamed { user, from: from.to_owned(), to: to.to_owned() }, &[])?;
        Ok(())
    }

    /// Says which script runs; `None` for none.
    ///
    /// - Errors: [`StoreError::NoScript`]; the disk's.
    pub fn activate_script(&mut self, disk: &mut dyn Disk, user: UserId, name: Option<&str>) -> Result<(), StoreError> {
        if let Some(name) = name {
            self.has_script(user, name)?;
        }
        if self.active_script(user) == name {
            return Ok(());
        }
        self.write(disk, Record::ScriptActive { user, name: name.unwrap_or_default().to_owned() }, &[])?;
        Ok(())
    }

    fn has_script(&self, user: UserId, name: &str) -> Result<(), StoreError> {
        if self.of(user)?.scripts.contains_key(name) { Ok(()) } else { Err(StoreError::NoScript) }
    }

    /// Whether something is remembered for a user.
    pub fn is_marked(&self, user: UserId, now: Moment, key: &str) -> bool {
        let until = self.state.users.get(&user).and_then(|user| user.marks.get(&mark_key(key)));
        until.is_some_and(|until| *until > now.0)
    }

    /// Remembers something for a user.
    ///
    /// - `milliseconds`: for how long.
    /// - Errors: the disk's.
    pub fn mark(
        &mut self,
        disk: &mut dyn Disk,
        user: UserId,
        now: Moment,
        key: &str,
        milliseconds: u64,
    ) -> Result<(), StoreError> {
        self.of(user)?;
        let until = now.0.saturating_add(milliseconds);
        self.write(disk, Record::Marked { user, key: mark_key(key), when: now.0, until }, &[])?;
        Ok(())
    }
}

fn mark_key(key: &str) -> MarkKey {
    let mut short = MarkKey::default();
    for (to, from) in short.iter_mut().zip(Sha256::digest(key)) {
        *to = from;
    }
    short
}
