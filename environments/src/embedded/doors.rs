//! Front doors while they are open: clients are let in up to a limit, each in a task of its own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use blueprint::platform::Tls;
use simulator::dns::Zones;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::authority::Authority;
use super::connection::{self, Client, Ending};
use super::engine::EngineHandle;
use super::{dns, web};
use crate::line::Line;
use crate::log::{Entry, Level, Log};
use crate::state::OpenDoor;

/// Clients on all doors together.
const CLIENTS: usize = 2000;

/// Descriptors that are left for files, the directory and what the process has open anyway.
const DESCRIPTORS_KEPT: usize = 200;

/// How long a door waits after the system could not let a client in.
const BREATH: Duration = Duration::from_millis(50);

/// What stands behind a door.
#[derive(Clone)]
pub(crate) enum Behind {
    /// The engine, which knows the door by its place in the list of mail doors.
    Mail(usize),
    /// The engine as a host at the end of a slow line.
    Far(usize, Line),
    /// An HTTP service.
    Web(Router),
    /// The zones of the world.
    Dns(Arc<Zones>),
}

/// What all doors of an environment share.
#[derive(Clone)]
pub(crate) struct Hall {
    pub(crate) engine: EngineHandle,
    pub(crate) authority: Authority,
    pub(crate) log: Log,
    /// Places for clients.
    pub(crate) places: Arc<Semaphore>,
    /// Turns true when the doors close.
    pub(crate) closing: watch::Receiver<bool>,
}

/// Makes as many places for clients as the process may have descriptors.
pub(crate) fn places() -> Arc<Semaphore> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some() && limit.current != limit.maximum {
        let mut raised = limit;
        // Beyond this nothing is gained, and some systems have no bound here but fail all the same.
        raised.current = Some(limit.maximum.unwrap_or(65_536).min(65_536));
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let descriptors = limit.current.and_then(|current| usize::try_from(current).ok()).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(descriptors.saturating_sub(DESCRIPTORS_KEPT).clamp(16, CLIENTS)))
}

/// Keeps a door open until the hall closes; clients that are inside then are sent away with it.
pub(crate) async fn keep_open(listener: TcpListener, door: OpenDoor, behind: Behind, hall: Hall) {
    let door = Arc::new(door);
    let mut closing = hall.closing.clone();
    let mut clients = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // The sender is gone when the environment is dropped, which closes doors too.
            _ = closing.wait_for(|closing| *closing) => break,
            Some(_) = clients.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => match Arc::clone(&hall.places).try_acquire_owned() {
                Ok(place) => {
                    let (door, behind, hall) = (Arc::clone(&door), behind.clone(), hall.clone());
                    clients.spawn(receive(stream, peer, door, behind, hall, place));
                }
                Err(_) => turn_away(stream, &door).await,
            },
            Err(error) => {
                let entry = Entry::now(Level::Warning, Some(&door.node), "client not let in");
                hall.log.write(entry.with("service", door.service.as_str()).with("problem", error.to_string()));
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    while clients.join_next().await.is_some() {}
}

/// Tells a client for which there is no place to come back, where that can be said without a handshake.
async fn turn_away(mut stream: TcpStream, door: &OpenDoor) {
    let words: &[u8] = match (door.tls, door.protocol.as_str()) {
        (Tls::Implicit, _) => b"",
        (_, "smtp") => b"421 4.3.2 too many connections, try again later\r\n",
        (_, "imap") => b"* BYE too many connections, try again later\r\n",
        (_, "pop3") => b"-ERR [SYS/TEMP] too many connections, try again later\r\n",
        (_, "managesieve") => b"BYE (TRYLATER) \"too many connections, try again later\"\r\n",
        _ => b"",
    };
    // A fresh socket takes a line at once, or the client does without it.
    let _ = stream.try_write(words);
    let _ = stream.shutdown().await;
}

async fn receive(
    stream: TcpStream,
    peer: SocketAddr,
    door: Arc<OpenDoor>,
    behind: Behind,
    hall: Hall,
    _place: OwnedSemaphorePermit,
) {
    // Replies are small and wait for one another; without this each would wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let problem = match behind {
        Behind::Mail(place) => mail(stream, peer, &door, place, &hall).await,
        Behind::Far(place, line) => match line.behind(stream).await {
            Ok(stream) => mail(stream, peer, &door, place, &hall).await,
            Err(error) => Some(error.to_string()),
        },
        Behind::Web(service) => {
            let tls = (door.tls == Tls::Implicit).then_some(&hall.authority.web);
            let mut closing = hall.closing.clone();
            tokio::select! {
                served = web::serve(stream, tls, canonical(peer.ip()), service) => served.err(),
                _ = closing.wait_for(|closing| *closing) => None,
            }
        }
        Behind::Dns(zones) => dns::serve_stream(stream, &zones).await.err().map(|error| error.to_string()),
    };
    if let Some(problem) = problem {
        let entry = Entry::now(Level::Info, Some(&door.node), "connection failed");
        hall.log.write(
            entry.with("service", door.service.as_str()).with("client", peer.to_string()).with("problem", problem),
        );
    }
}

async fn mail(stream: TcpStream, peer: SocketAddr, door: &OpenDoor, place: usize, hall: &Hall) -> Option<String> {
    let tls = &hall.authority.server;
    let client = match door.tls {
        Tls::Implicit => match connection::secure(tls, stream).await {
            Ok(stream) => Client::Secure(Box::new(stream)),
            Err(problem) => return Some(format!("no TLS: {problem}")),
        },
        Tls::None | Tls::Starttls => Client::Plain(stream),
    };
    // A door that is declared without TLS asks for none before somebody signs in.
    let secured = matches!(client, Client::Secure(_)) || door.tls == Tls::None;
    let conversation = hall.engine.open(place, SocketAddr::new(canonical(peer.ip()), peer.port()), secured).await?;
    match connection::serve(client, tls, conversation).await {
        Ending::ByPlatform | Ending::ByClient | Ending::Engine => None,
        Ending::Handshake(problem) => Some(format!("no TLS: {problem}")),
        Ending::Stalled => Some("the client took nothing of what was sent to it".to_owned()),
    }
}

/// Returns an IPv4 address as such where a socket of both families shows it mapped.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
