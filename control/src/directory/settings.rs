//! What was set for an account or a domain, by the names the provisioning API gives it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Settings by name; every value was checked when it was set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Settings(pub(crate) BTreeMap<String, Value>);

impl Settings {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let items = self.0.get(name).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Sets a value, or takes it away.
    pub(crate) fn set(&mut self, name: &str, value: Option<impl Into<Value>>) {
        match value {
            Some(value) => self.0.insert(name.to_owned(), value.into()),
            None => self.0.remove(name),
        };
    }

    /// Sets a list, or takes it away when it is empty.
    pub(crate) fn set_list(&mut self, name: &str, items: Vec<String>) {
        self.set(name, (!items.is_empty()).then_some(items));
    }

    pub(super) fn read(text: &str) -> Result<Self, sqlx::Error> {
        serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
    }

    pub(super) fn written(&self) -> String {
        serde_json::to_string(self).expect("a map of JSON values is JSON")
    }
}
