//! The embedded backend: all nodes in one process, front doors as real sockets.
//!
//! ```text
//!   client ── door (task) ──▶ engine thread ──▶ disk ── sync thread
//!               ▲  bytes, credit   │ questions        │
//!               └──────────────────┤                  │ outcome
//!                  directory (task) ┘◀────────────────┘
//! ```
//!
//! One thread owns the engine and never waits for anything but its next input: sockets, TLS, accounts and hashing live in
//! tasks, syncs in threads, and each of them reports back through one queue.

mod aside;
mod authority;
mod clock;
mod connection;
mod disk;
mod dns;
mod doors;
mod engine;
mod hands;
mod keys;
mod lookups;
pub(crate) mod peek;
mod ports;
mod seal;
mod topology;
mod usage;
mod web;
mod world;
mod zones;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use blueprint::launch::AccountKind;
use blueprint::{Blueprint, Launch, Roster};
use control::{Control, Directory, OsChance};
use simulator::dns::Zones;
use simulator::signing::Keys;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use values::MailAddress;

use crate::accounts::Passwords;
use crate::failure::Failure;
use crate::fill;
use crate::launch::{Ended, Progress, Step};
use crate::log::{Entry, Level, Log, LogWriter};
use crate::probe::probe_all;
use crate::spare::Spares;
use crate::state::{Folder, OpenDoor, Record, StateFailure};

use doors::{Behind, Hall};
use engine::{EngineHandle, EngineThread, Surroundings};
use keys::KeyStore;

pub use authority::AuthorityFailure;
pub use ports::DoorFailure;

pub(crate) use doors::places;
pub(crate) use ports::{Bound, open as open_ports};
pub(crate) use world::World;

#[cfg(test)]
pub(crate) use authority::provider;
pub(crate) use authority::{Authority, certificate_path, client as trust, node_digests, node_key};
pub(crate) use hands::source_of;

/// How long clients have to leave when the environment ends.
const FAREWELL: Duration = Duration::from_millis(500);

/// What is to be started.
pub(crate) struct Order<'a> {
    pub(crate) blueprint: &'a Blueprint,
    pub(crate) roster: &'a Roster,
    pub(crate) launch: &'a Launch,
    pub(crate) brands: &'a BTreeMap<String, Vec<u8>>,
    pub(crate) seed: u64,
    pub(crate) folder: &'a Folder,
    pub(crate) passwords: &'a Passwords,
    /// Keys that were made ahead.
    pub(crate) spares: Spares,
    /// What was open last time.
    pub(crate) before: Option<&'a Record>,
    /// Ports that are other environments'.
    pub(crate) avoid: BTreeSet<u16>,
}

/// A platform that runs in this process.
pub(crate) struct Embedded {
    runtime: Option<Runtime>,
    engine: Option<EngineThread>,
    /// For what only who runs the platform can do.
    handle: EngineHandle,
    clock: clock::Clock,
    internet: blueprint::launch::Internet,
    directory: Arc<Directory>,
    closing: watch::Sender<bool>,
    doors: Vec<JoinHandle<()>>,
    broke: watch::Receiver<Option<String>>,
    log: Option<Log>,
    writer: Option<LogWriter>,
}

/// Starts a platform; returns when every door answers.
pub(crate) fn start(order: Order<'_>, progress: &dyn Progress) -> Result<(Embedded, Vec<OpenDoor>), Failure> {
    let folder = order.folder;
    let (log, writer) = Log::open(&folder.log()).map_err(StateFailure::from)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4))
        .max_blocking_threads(8)
        .thread_name("doors")
        .enable_all()
        .build()
        .map_err(|source| Failure::Thread { thread: "doors", source })?;
    // The directory is opened while everything else is made ready.
    let clock = clock::Clock::default();
    let directory = runtime.spawn(open_directory(folder.directory(), clock.clone()));
    let mut bound = ports::open(order.launch, order.before, &order.avoid)?;
    // Before anybody counts them: the engine knows doors by their place in this list.
    bound.retain(|bound| known(bound, &log, progress));
    let authority = authority::Authority::open(
        &folder.authority(),
        order.blueprint.platform.as_str(),
        &names(&order),
        &fill::of_brands(order.roster),
        &order.blueprint.mail.tls_minimum,
        jiff::Timestamp::now().as_second() / 86_400,
    )?;
    let directory = runtime
        .block_on(directory)
        .map_err(|source| Failure::Thread { thread: "directory", source: std::io::Error::other(source) })??;
    let directory = Arc::new(directory);
    let seeded = runtime.block_on(seed(&directory, &order))?;
    report_seed(&seeded, &log, progress);
    let (broken, broke) = watch::channel(None);
    let keys = Arc::new(KeyStore::new(folder.keys(), order.spares.clone(), log.clone()));
    let mut names = names_of_the_platform(&order, &log);
    names.set_keys(Arc::clone(&keys) as Arc<dyn Keys>);
    let around = Surroundings {
        directory: Some(Arc::clone(&directory)),
        keys: Some(keys),
        runtime: runtime.handle().clone(),
        log: log.clone(),
        clock: clock.clone(),
        broke: broken,
    };
    let placed: Vec<(String, String)> =
        bound.iter().map(|bound| (bound.door.node.clone(), bound.door.service.clone())).collect();
    let topology = topology::topology(&order, names, order.passwords.forwarding.clone());
    let (engine, handle, zones) = engine::start(&order, topology, &placed, around, progress)?;
    let (closing, closed) = watch::channel(false);
    let mut embedded = Embedded {
        runtime: Some(runtime),
        engine: Some(engine),
        handle: handle.clone(),
        clock,
        internet: order.launch.internet.clone(),
        directory: Arc::clone(&directory),
        closing,
        doors: Vec::new(),
        broke,
        log: Some(log.clone()),
        writer: Some(writer),
    };
    let mailboxes = Arc::new(aside::MoveInEngine(handle.clone()));
    // What the seed has made comes into its own before the first client does.
    let settled = embedded.block_on(directory.settle_mailboxes(&*mailboxes)).unwrap_or(Ok(()));
    settled.map_err(|source| Failure::Seed { path: folder.directory(), source })?;
    let services = services(directory, handle.clone(), mailboxes, &order);
    let hall = Hall { engine: handle, authority, log: log.clone(), places: doors::places(), closing: closed };
    let open: Vec<OpenDoor> = bound.iter().map(|bound| bound.door.clone()).collect();
    embedded.open(bound, &hall, &services, &zones)?;
    for door in &open {
        log.write(
            Entry::now(Level::Info, Some(&door.node), "door opened")
                .with("service", door.service.as_str())
                .with("port", door.port),
        );
        progress.step(&Step::DoorOpened(door.clone()));
    }
    let trust = trust(&folder.authority())?;
    let problems = embedded.block_on(probe_all(&open, &trust)).unwrap_or_default();
    for (door, problem) in open.iter().zip(problems) {
        if let Some(problem) = problem {
            return Err(Failure::Silent { service: door.service.clone(), port: door.port, problem });
        }
    }
    Ok((embedded, open))
}

async fn open_directory(path: std::path::PathBuf, clock: clock::Clock) -> Result<Directory, Failure> {
    Directory::open(&path, Arc::new(move || clock.milliseconds()), Arc::new(OsChance))
        .await
        .map_err(|source| Failure::Directory { path: path.clone(), source })
}

async fn seed(directory: &Directory, order: &Order<'_>) -> Result<control::SeedReport, Failure> {
    let operators: Vec<MailAddress> = order
        .launch
        .accounts
        .iter()
        .filter(|account| account.kind == AccountKind::Operator)
        .map(|account| account.address.clone())
        .collect();
    let passwords = |address: &MailAddress| order.passwords.platform.get(address).cloned();
    let seed = control::Seed {
        blueprint: order.blueprint,
        roster: order.roster,
        operators: &operators,
        passwords: &passwords,
    };
    directory.seed(seed).await.map_err(|source| Failure::Seed { path: order.folder.directory(), source })
}

fn report_seed(report: &control::SeedReport, log: &Log, progress: &dyn Progress) {
    let removed = report.suspended.len() + report.deleted.len();
    for (from, to) in &report.renamed {
        let entry = Entry::now(Level::Info, None, "account renamed");
        log.write(entry.with("from", from.to_string().as_str()).with("to", to.to_string().as_str()));
    }
    if !report.created.is_empty() || removed > 0 {
        log.write(
            Entry::now(Level::Info, None, "accounts seeded")
                .with("created", report.created.len())
                .with("removed", removed),
        );
        progress.step(&Step::Seeded { created: report.created.len(), removed });
    }
    for conflict in &report.conflicts {
        log.write(Entry::now(Level::Warning, None, "account not seeded").with("problem", conflict.as_str()));
        progress.step(&Step::Conflict(conflict.clone()));
    }
}

/// Returns every host name that clients may know a door by, but for brands': those have certificates of their own.
fn names(order: &Order<'_>) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = order.blueprint.nodes.iter().map(|node| node.hostname.to_string()).collect();
    names.insert(order.blueprint.service_domain.to_string());
    names.insert(order.launch.address.to_string());
    names
}

/// Returns the HTTP services by the names of their doors.
fn services(
    directory: Arc<Directory>,
    engine: EngineHandle,
    mailboxes: Arc<aside::MoveInEngine>,
    order: &Order<'_>,
) -> BTreeMap<&'static str, Router> {
    let usage = Arc::new(usage::AskEngine(engine));
    let control = Arc::new(Control::new(directory, order.brands.clone(), Some(usage), Some(mailboxes)));
    BTreeMap::from([
        ("api", web::limited(control::router(Arc::clone(&control)))),
        ("console", web::limited(control::console::router(control))),
    ])
}

/// Returns the platform's zones.
fn names_of_the_platform(order: &Order<'_>, log: &Log) -> Zones {
    let serial = u32::try_from(jiff::Timestamp::now().as_second()).unwrap_or(u32::MAX);
    let (zones, problems) = zones::zones(order.blueprint, order.roster, serial);
    for problem in problems {
        log.write(Entry::now(Level::Warning, None, "name left out").with("problem", problem.to_string()));
    }
    zones
}

/// Whether something answers behind a door; one that leads nowhere is left out and said so.
fn known(bound: &Bound, log: &Log, progress: &dyn Progress) -> bool {
    let door = &bound.door;
    let reason = match (door.protocol.as_str(), door.service.as_str()) {
        ("smtp" | "imap" | "pop3" | "managesieve" | "dns", _) | ("https", "api" | "console") => return true,
        (_, "webmail") => "the embedded backend has no webmail; real daemons have it (--backend namespace)".to_owned(),
        (protocol, _) => format!("the embedded backend does not speak {protocol} for it yet"),
    };
    log.write(
        Entry::now(Level::Warning, Some(&door.node), "door left out")
            .with("service", door.service.as_str())
            .with("reason", reason.as_str()),
    );
    progress.step(&Step::DoorLeftOut { service: door.service.clone(), reason });
    false
}

impl Embedded {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.runtime.as_ref().map(|runtime| runtime.block_on(future))
    }

    /// Lets clients in.
    fn open(
        &mut self,
        bound: Vec<Bound>,
        hall: &Hall,
        services: &BTreeMap<&'static str, Router>,
        zones: &Arc<Zones>,
    ) -> Result<(), Failure> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let _inside = runtime.enter();
        for (place, Bound { door, listener, datagrams }) in bound.into_iter().enumerate() {
            let failed = |source| {
                let address = std::net::SocketAddr::new(door.host, door.port);
                DoorFailure::Listen { service: door.service.clone(), address, source }
            };
            let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
            let behind = match (door.protocol.as_str(), services.get(door.service.as_str())) {
                ("https" | "http", Some(service)) => Behind::Web(service.clone()),
                ("dns", _) => Behind::Dns(Arc::clone(zones)),
                _ => Behind::Mail(place),
            };
            if let Some(datagrams) = datagrams {
                let socket = tokio::net::UdpSocket::from_std(datagrams).map_err(failed)?;
                let mut closing = hall.closing.clone();
                let zones = Arc::clone(zones);
                self.doors.push(runtime.spawn(async move {
                    tokio::select! {
                        () = dns::serve_datagrams(socket, zones) => {}
                        _ = closing.wait_for(|closing| *closing) => {}
                    }
                }));
            }
            self.doors.push(runtime.spawn(doors::keep_open(listener, door, behind, hall.clone())));
        }
        Ok(())
    }

    /// Waits until the signal comes or the engine breaks.
    pub(crate) fn wait(&self, signal: impl Future<Output = ()>) -> Ended {
        let mut broke = self.broke.clone();
        let waited = self.block_on(async {
            tokio::select! {
                () = signal => Ended::Asked,
                reason = async { broke.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone()) } => {
                    Ended::Broke(reason.unwrap_or_else(|| "the engine ended by itself".to_owned()))
                }
            }
        });
        waited.unwrap_or(Ended::Asked)
    }

    /// Ends the platform: doors first, then the engine with what it has begun, then the accounts, then the log.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let _ = self.closing.send(true);
        let stopped = self.engine.take().map_or(Ok(()), EngineThread::stop);
        if let Some(runtime) = self.runtime.take() {
            let doors = std::mem::take(&mut self.doors);
            runtime.block_on(async {
                let left = async {
                    for door in doors {
                        let _ = door.await;
                    }
                };
                // Clients that do not leave are cut off with the runtime.
                let _ = tokio::time::timeout(FAREWELL, left).await;
                self.directory.close().await;
            });
            runtime.shutdown_timeout(FAREWELL);
        }
        if let Some(log) = self.log.take() {
            log.write(Entry::now(Level::Info, None, "environment stopped"));
        }
        if let Some(writer) = self.writer.take() {
            writer.finish();
        }
        stopped.map_err(|reason| Failure::Broke { reason })
    }
}

impl Drop for Embedded {
    /// Ends as a killed process would, as far as others can see: nothing more is answered and nothing more is written.
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.abandon();
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
