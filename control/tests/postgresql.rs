//! Everything that the control plane is tested for on SQLite, on a PostgreSQL server as well.

#![expect(clippy::duplicate_mod, reason = "each of them brings the small platform that it tests on")]

#[path = "api.rs"]
mod api;
#[path = "console.rs"]
mod console;
#[path = "directory.rs"]
mod directory;
#[path = "mailboxes.rs"]
mod mailboxes;
