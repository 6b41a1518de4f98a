//! What an environment tells programs: the document that `up --json` and `status --json` print.

use std::net::IpAddr;

use blueprint::Launch;
use blueprint::launch::AccountKind;
use blueprint::platform::Tls;
use serde::Serialize;

use crate::embedded::source_of;
use crate::state::{OpenDoor, Phase, Record, Secrets};

/// How an environment is, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Being brought up.
    Starting,
    /// Every door answers.
    Ready,
    /// It runs, and not every door answers.
    Degraded,
    /// It could not be brought up, or ended by a fault.
    Failed,
    /// Nothing runs.
    Stopped,
}

impl State {
    /// Returns the word that documents and tables show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// An environment as programs see it; version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// The document's version, 1.
    pub version: u32,
    /// The environment's name.
    pub environment: String,
    /// The backend that serves it.
    pub backend: String,
    /// How it is.
    pub state: State,
    /// Why, when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The seed of the run.
    pub seed: u64,
    /// The front doors.
    pub doors: Vec<DescribedDoor>,
    /// Accounts to try.
    pub accounts: Vec<DescribedAccount>,
    /// Path of the CA certificate.
    pub authority: String,
    /// How its machines were booted, where it has some: `stock` or `lean`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<blueprint::ledger::Boot>,
    /// The digest of the image they were booted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// A front door as programs see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DescribedDoor {
    /// The service's name.
    pub service: String,
    /// `smtp`, `imap`, `pop3`, `https`, `dns`, …
    pub protocol: String,
    /// `none`, `starttls` or `implicit`.
    pub tls: Tls,
    /// The address it is on.
    pub host: IpAddr,
    /// Its port.
    pub port: u16,
    /// The node behind it.
    pub node: String,
    /// Where a browser finds it, for web doors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether it answered when it was asked; absent where nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<bool>,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl From<OpenDoor> for DescribedDoor {
    fn from(door: OpenDoor) -> Self {
        let OpenDoor { service, protocol, tls, host, port, node, url } = door;
        Self { service, protocol, tls, host, port, node, url, answers: None, problem: None }
    }
}

/// An account to try, as programs see it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct DescribedAccount {
    /// Its address.
    pub address: String,
    /// Its password; absent where passwords are not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// What it is.
    pub kind: AccountKind,
    /// Of an account of the simulated internet: the address that clients connect from to be taken for its domain's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

// Not derived: this is printed on purpose by one verb, and by accident nowhere.
impl std::fmt::Debug for DescribedAccount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} ({:?})", self.address, self.kind)
    }
}

impl Description {
    /// Makes the description of what a record says, as it stands there.
    ///
    /// - `launch`: as it was brought up; without one no accounts are known.
    pub(crate) fn of(record: &Record, launch: Option<&Launch>, secrets: &Secrets) -> Self {
        let accounts = launch
            .into_iter()
            .flat_map(|launch| launch.accounts.iter().map(move |account| (launch, account)))
            .map(|(launch, account)| DescribedAccount {
                address: account.address.to_string(),
                password: crate::accounts::password_of(account, secrets)
                    .filter(|_| record.show_passwords)
                    .map(str::to_owned),
                kind: account.kind,
                source: (account.kind == AccountKind::Internet)
                    .then(|| source_of(&launch.internet, account.address.domain()).ok())
                    .flatten(),
            })
            .collect();
        Self {
            version: 1,
            environment: record.environment.clone(),
            backend: record.backend.clone(),
            state: match record.phase {
                Phase::Starting => State::Starting,
                Phase::Ready => State::Ready,
                Phase::Failed => State::Failed,
                Phase::Stopped => State::Stopped,
            },
            reason: record.reason.clone(),
            seed: record.seed,
            doors: record.doors.iter().cloned().map(DescribedDoor::from).collect(),
            accounts,
            authority: record.authority.clone(),
            boot: record.boot,
            image: record.image.clone(),
        }
    }
}
