//! What runs in an environment now, or ran there last: `environment.json`.

use serde::{Deserialize, Serialize};

/// How far an environment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Being brought up.
    Starting,
    /// Every door answered.
    Ready,
    /// It could not be brought up, or ended by a fault.
    Failed,
    /// Ended as asked.
    Stopped,
}

/// A front door that was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenDoor {
    /// The service's name, as [`blueprint::launch::Door`] lists them.
    pub service: String,
    /// `smtp`, `imap`, `pop3`, `https`, `dns`, …
    pub protocol: String,
    /// `none`, `starttls` or `implicit`.
    pub tls: blueprint::platform::Tls,
    /// The address it is on.
    pub host: std::net::IpAddr,
    /// The port it got.
    pub port: u16,
    /// The node behind it.
    pub node: String,
    /// Where a browser finds it, for web doors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The content of `environment.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The record's version, 1.
    pub version: u32,
    /// The environment's name.
    pub environment: String,
    /// The repository, for people.
    pub repository: String,
    /// The backend that serves it.
    pub backend: String,
    /// How far it is.
    pub phase: Phase,
    /// Why, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The process that serves it, or served it last.
    pub process: u32,
    /// The seed of the run.
    pub seed: u64,
    /// When it was brought up, RFC 3339 in UTC.
    pub started: String,
    /// What the ports were counted from.
    pub base_port: u16,
    /// The doors that were opened.
    pub doors: Vec<OpenDoor>,
    /// Path of the CA certificate.
    pub authority: String,
    /// Whether passwords of accounts to try may be printed.
    pub show_passwords: bool,
    /// SHA-256 of the Blueprint that was brought up.
    pub blueprint: String,
    /// SHA-256 of the Roster that was brought up.
    pub roster: String,
    /// How often it was changed, or failed to be, while it ran.
    #[serde(default)]
    pub generation: u64,
    /// How its machines were booted, where it has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<blueprint::ledger::Boot>,
    /// The digest of the image they were booted from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}
