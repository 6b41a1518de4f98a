//! What a step says, read as the types it is of. The specification has checked it; what is wrong all the same is a fault of
//! whoever made the step.

use std::str::FromStr;

use blueprint::scenario::Step;

use super::Trouble;

/// A step's arguments and settings.
pub(super) struct Settings<'a>(&'a Step);

impl<'a> Settings<'a> {
    pub(super) fn of(step: &'a Step) -> Self {
        Self(step)
    }

    /// Returns the first argument.
    pub(super) fn argument(&self) -> Result<&'a str, Trouble> {
        let first = self.0.arguments.first();
        first.map(String::as_str).ok_or_else(|| wrong(&format!("`{}` has no argument", self.0.verb)))
    }

    pub(super) fn arguments(&self) -> &'a [String] {
        &self.0.arguments
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.0.settings.get(name).map(String::as_str)
    }

    pub(super) fn needed(&self, name: &str) -> Result<&'a str, Trouble> {
        self.text(name).ok_or_else(|| wrong(&format!("`{}` has no `{name}`", self.0.verb)))
    }

    pub(super) fn list(&self, name: &str) -> Vec<&'a str> {
        self.text(name).map(|text| text.split('\n').collect()).unwrap_or_default()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// Reads a setting as what it is.
    pub(super) fn read<T: FromStr>(&self, name: &str) -> Result<Option<T>, Trouble> {
        let read = |text: &str| {
            text.parse().map_err(|_| wrong(&format!("`{}` of `{}` cannot be read: {text}", name, self.0.verb)))
        };
        self.text(name).map(read).transpose()
    }

    pub(super) fn duration(&self, name: &str) -> Result<Option<std::time::Duration>, Trouble> {
        let read: Option<values::Duration> = self.read(name)?;
        Ok(read.map(|duration| std::time::Duration::from_millis(duration.as_milliseconds())))
    }
}

pub(super) fn wrong(what: &str) -> Trouble {
    Trouble::Broken(format!("the scenario makes no sense: {what}"))
}
