//! The environment as all scenarios share it, and one scenario while it is played.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use blueprint::Scenario;
use blueprint::launch::AccountKind;
use blueprint::platform::Tls;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::json;
use values::MailAddress;

use super::answer::{Answer, Protocol};
use super::https;
use super::report::Evidence;
use super::wire::{Reach, Transcript, Wire};
use super::{Trial, Trouble};
use crate::description::DescribedDoor;
use crate::embedded;

/// The environment.
pub(super) struct Stage<'a> {
    pub(super) trial: &'a Trial<'a>,
    pub(super) trust: Arc<ClientConfig>,
    /// Passwords by the key of their address.
    passwords: Mutex<BTreeMap<String, String>>,
    /// Admins by the domain they look after.
    admins: Mutex<BTreeMap<String, MailAddress>>,
    /// Differs from run to run, so that passwords do.
    salt: String,
}

impl<'a> Stage<'a> {
    pub(super) fn new(trial: &'a Trial<'a>) -> Result<Self, String> {
        let path = Path::new(&trial.description.authority);
        let folder = path.parent().unwrap_or(Path::new("."));
        let trust = embedded::trust(folder)
            .map_err(|error| format!("the environment's authority {} cannot be read: {error}", path.display()))?;
        let listed = trial.description.accounts.iter();
        let passwords = listed.filter_map(|account| Some((key(&account.address), account.password.clone()?))).collect();
        let seconds = jiff::Timestamp::now().as_nanosecond();
        let salt = crate::state::hexadecimal(&<sha2::Sha256 as sha2::Digest>::digest(seconds.to_be_bytes()));
        Ok(Self { trial, trust, passwords: Mutex::new(passwords), admins: Mutex::default(), salt })
    }

    /// Returns a front door.
    pub(super) fn door(&self, service: &str) -> Result<&'a DescribedDoor, Trouble> {
        let found = self.trial.description.doors.iter().find(|door| door.service == service);
        found.ok_or_else(|| Trouble::Skip(format!("the environment has no door `{service}`")))
    }

    /// Returns a password that is known for an account.
    pub(super) fn known_password(&self, address: &str) -> Option<String> {
        self.passwords.lock().ok()?.get(&key(address)).cloned()
    }

    /// Takes note of an account's password.
    pub(super) fn set_password(&self, address: &str, password: &str) {
        if let Ok(mut passwords) = self.passwords.lock() {
            passwords.insert(key(address), password.to_owned());
        }
    }

    /// Makes a password up for an account; equal for equal addresses of one run.
    pub(super) fn new_password(&self, address: &str) -> String {
        let text = format!("{}{}", self.salt, key(address));
        let digest = crate::state::hexadecimal(&<sha2::Sha256 as sha2::Digest>::digest(text.as_bytes()));
        format!("Pw.{}", digest.get(..20).unwrap_or_default())
    }

    /// Returns where a door is reached from this machine.
    pub(super) fn address(door: &DescribedDoor) -> SocketAddr {
        let host = match door.host {
            IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            other => other,
        };
        SocketAddr::new(host, door.port)
    }
}

fn key(address: &str) -> String {
    address.parse::<MailAddress>().map(|address| address.key()).unwrap_or_else(|_| address.to_ascii_lowercase())
}

/// A connection of a scenario's dialogue.
pub(super) struct Line {
    pub(super) wire: Wire,
    pub(super) protocol: Protocol,
    pub(super) server: ServerName<'static>,
    /// Commands so far, for the tags of IMAP.
    pub(super) commands: u32,
    /// The tag whose command goes on, after a `+`.
    pub(super) pending: Option<String>,
    /// Whether a message's lines are awaited (354).
    pub(super) in_data: bool,
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
}

/// A scenario while it is played.
pub(super) struct Play<'a> {
    pub(super) stage: &'a Stage<'a>,
    pub(super) transcript: Transcript,
    pub(super) lines: BTreeMap<String, Line>,
    /// The platform's addresses that the scenario is about, by their keys.
    pub(super) about: BTreeSet<String>,
    /// The last answer to a message that was sent, or on a connection.
    pub(super) last: Option<Answer>,
    /// The status of the last page, and its text.
    pub(super) page: Option<(u64, String)>,
    pub(super) sent: Vec<Sent>,
    /// Messages of `load`: the `Message-ID` of each with whom it was sent to, as far as they were accepted.
    pub(super) loaded: Vec<(String, String)>,
    seen: Vec<(String, Vec<u8>)>,
    expected: Vec<String>,
    happened: Vec<String>,
    connections: u32,
}

/// Returns the addresses that a scenario names, but for those of the simulated internet, which all scenarios share.
fn about(stage: &Stage<'_>, scenario: &Scenario) -> BTreeSet<String> {
    let accounts = stage.trial.description.accounts.iter();
    let outside: BTreeSet<String> = accounts
        .filter(|account| account.kind == AccountKind::Internet)
        .filter_map(|account| Some(account.address.parse::<MailAddress>().ok()?.key()))
        .collect();
    let words = scenario.steps.iter().flat_map(|step| step.arguments.iter().chain(step.settings.values()));
    let words = words.flat_map(|text| text.split(|c: char| c.is_whitespace() || "<>{}\"".contains(c)));
    let addresses = words.filter_map(|word| word.parse::<MailAddress>().ok());
    addresses.map(|address| address.key()).filter(|key| !outside.contains(key)).collect()
}

impl<'a> Play<'a> {
    pub(super) fn new(stage: &'a Stage<'a>, scenario: &Scenario) -> Self {
        Self {
            stage,
            about: about(stage, scenario),
            transcript: Transcript::default(),
            lines: BTreeMap::new(),
            last: None,
            page: None,
            sent: Vec::new(),
            loaded: Vec::new(),
            seen: Vec::new(),
            expected: Vec::new(),
            happened: Vec::new(),
            connections: 0,
        }
    }

    pub(super) fn begin_step(&mut self) {
        self.expected.clear();
        self.happened.clear();
    }

    pub(super) fn end_step(&mut self) -> (Vec<String>, Vec<String>) {
        (std::mem::take(&mut self.expected), std::mem::take(&mut self.happened))
    }

    /// Says what must hold.
    pub(super) fn expects(&mut self, what: impl Into<String>) {
        self.expected.push(what.into());
    }

    /// Says what happened, in words that hold on every backend.
    pub(super) fn happens(&mut self, what: impl Into<String>) {
        self.happened.push(what.into());
    }

    /// Keeps a message for people.
    pub(super) fn keep(&mut self, name: impl Into<String>, bytes: &[u8]) {
        const KEPT: usize = 50;
        if self.seen.len() < KEPT {
            self.seen.push((name.into(), bytes.to_vec()));
        }
    }

    pub(super) fn into_evidence(self) -> Evidence {
        let mut messages: Vec<(String, Vec<u8>)> = Vec::new();
        for (number, sent) in self.sent.iter().enumerate() {
            messages.push((format!("sent-{}.eml", number + 1), sent.bytes.clone()));
        }
        for (number, (name, bytes)) in self.seen.into_iter().enumerate() {
            messages.push((format!("seen-{}-{name}.eml", number + 1), bytes));
        }
        Evidence { dialogue: self.transcript.text(), messages, trace: None, took_milliseconds: 0 }
    }

    pub(super) fn patience(&self) -> Duration {
        self.stage.trial.patience
    }

    /// Connects to a door; TLS is spoken at once where the door speaks it at once.
    pub(super) fn connect(
        &mut self,
        service: &str,
        host: Option<&str>,
    ) -> Result<(Wire, ServerName<'static>), Trouble> {
        self.connect_under(service, host, None)
    }

    /// Connects as a client that knows the service under a name.
    pub(super) fn connect_under(
        &mut self,
        service: &str,
        host: Option<&str>,
        server_name: Option<&str>,
    ) -> Result<(Wire, ServerName<'static>), Trouble> {
        let door = self.stage.door(service)?;
        let source = match host {
            Some(domain) => {
                let domain = domain.parse().map_err(|_| super::settings::wrong("`host` is no host name"))?;
                Some(self.stage.trial.hands.source_of(&domain)?)
            }
            None => None,
        };
        let address = Stage::address(door);
        let server = match server_name {
            Some(name) => {
                ServerName::try_from(name.to_owned()).map_err(|_| super::settings::wrong("that is no host name"))?
            }
            None => ServerName::from(address.ip()),
        };
        self.connections += 1;
        let reach = Reach {
            name: format!("{service}#{}", self.connections),
            address,
            source,
            patience: self.patience(),
            transcript: &self.transcript,
        };
        let mut wire = Wire::open(reach)?;
        if door.tls == Tls::Implicit {
            wire.secure(&self.stage.trust, server.clone())?;
        }
        Ok((wire, server))
    }

    /// Returns the password of an account; where nobody knows it, its admin sets one.
    pub(super) fn password(&mut self, address: &str) -> Result<String, Trouble> {
        let known = self.stage.known_password(address);
        let password = match known {
            Some(password) => password,
            None => {
                let password = self.stage.new_password(address);
                let admin = self.admin_of(address)?;
                let body = json!({ "user": address, "attributes": { "password": password } });
                let reply = self.call(admin.as_str(), "change_user", body)?;
                if reply.json.get("success") != Some(&true.into()) {
                    return Err(Trouble::Unmet(format!("no password can be set for {address}: {}", reply.json)));
                }
                self.stage.set_password(address, &password);
                password
            }
        };
        self.transcript.hide(&password);
        Ok(password)
    }

    /// Returns the admin who looks after an address's domain.
    pub(super) fn admin_of(&mut self, address: &str) -> Result<String, Trouble> {
        let domain = address.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
        let known = self.stage.admins.lock().ok().and_then(|admins| admins.get(&domain).cloned());
        if let Some(admin) = known {
            return Ok(admin.to_string());
        }
        let accounts = self.stage.trial.description.accounts.iter();
        let admins: Vec<String> = accounts
            .filter(|account| account.kind == AccountKind::Reseller)
            .map(|account| account.address.clone())
            .collect();
        for admin in admins {
            let reply = self.call(&admin, "get_domain", json!({ "domain": domain }))?;
            if reply.json.get("success") == Some(&true.into())
                && let (Ok(address), Ok(mut known)) = (admin.parse::<MailAddress>(), self.stage.admins.lock())
            {
                known.insert(domain, address);
                return Ok(admin);
            }
        }
        Err(Trouble::Unmet(format!("no admin of this environment looks after {domain}")))
    }

    /// Calls a method of the API with an admin's or a user's password.
    pub(super) fn call(&mut self, by: &str, method: &str, fields: serde_json::Value) -> Result<https::Called, Trouble> {
        let password = self.stage.known_password(by);
        let password = match password {
            Some(password) => password,
            // Whose password is asked for here is no admin; an admin sets it.
            None => self.password(by)?,
        };
        self.transcript.hide(&password);
        self.call_with(by, &password, method, fields)
    }

    pub(super) fn call_with(
        &mut self,
        by: &str,
        password: &str,
        method: &str,
        mut fields: serde_json::Value,
    ) -> Result<https::Called, Trouble> {
        if let Some(object) = fields.as_object_mut() {
            object.insert("credentials".to_owned(), json!({ "user": by, "password": password }));
        }
        let (wire, _) = self.connect("api", None)?;
        https::post(wire, &format!("/api/{method}"), &fields)
    }

    /// Asks again and again until something holds, or time is up.
    ///
    /// - `ask`: what holds now; `Ok(None)` when all is as it should be, else what is not.
    pub(super) fn until(
        &mut self,
        within: Duration,
        mut ask: impl FnMut(&mut Self) -> Result<Option<String>, Trouble>,
    ) -> Result<(), Trouble> {
        let deadline = Instant::now() + within;
        let mut wait = Duration::from_millis(5);
        loop {
            let is_last = Instant::now() >= deadline;
            match ask(self)? {
                None => return Ok(()),
                Some(unmet) if is_last => return Err(Trouble::Unmet(unmet)),
                Some(_) => {}
            }
            std::thread::park_timeout(wait);
            wait = (wait * 3 / 2).min(Duration::from_millis(200));
        }
    }
}
