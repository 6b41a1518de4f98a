//! Front doors on this machine that lead into the environment's network: a thread inside it connects, and passes bytes on.
//!
//! Clients come from the world outside. Who wants to be a certain host of it connects from the loopback address that differs in
//! its first number only: from 127.18.0.1 for 198.18.0.1. All others are one visitor.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use blueprint::launch::{Internet, InternetDomain};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use simulator::engine::VISITOR;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::network;
use crate::embedded::{Bound, places};
use crate::failure::Failure;
use crate::line::Line;
use crate::log::{Entry, Level, Log};
use crate::state::OpenDoor;

/// How long a node has to take a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a datagram's answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Datagrams that wait for their answers.
const QUESTIONS: usize = 256;

/// The largest datagram, in bytes.
const DATAGRAM: usize = 65_535;

/// A door and where it leads.
pub(crate) struct Way {
    pub(crate) bound: Bound,
    pub(crate) target: SocketAddr,
}

/// The thread that keeps doors open.
pub(crate) struct Doors {
    closing: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Doors {
    /// Opens the doors.
    ///
    /// - `lines`: what clients have come over.
    /// - `inside`: the network namespace they lead into.
    pub(crate) fn open(ways: Vec<Way>, lines: Lines, inside: File, log: Log) -> Result<Self, Failure> {
        let failed = |source| Failure::Thread { thread: "doors", source };
        let (closing, closed) = watch::channel(false);
        let (entered, outcome) = std::sync::mpsc::channel();
        let keep = move || {
            let runtime =
                move_into_link_name_space(std::os::fd::AsFd::as_fd(&inside), Some(LinkNameSpaceType::Network))
                    .map_err(std::io::Error::from)
                    .and_then(|()| tokio::runtime::Builder::new_current_thread().enable_all().build());
            match runtime {
                Ok(runtime) => {
                    // Listeners are of the machine, whatever thread serves them; what is made from here on is inside.
                    let _ = entered.send(Ok(()));
                    runtime.block_on(keep_open(ways, Arc::new(lines), &log, closed));
                }
                Err(error) => {
                    let _ = entered.send(Err(error));
                }
            }
        };
        let thread = std::thread::Builder::new().name("doors".to_owned()).spawn(keep).map_err(failed)?;
        let outcome = outcome.recv().unwrap_or_else(|_| Err(std::io::Error::other("the thread ended")));
        outcome.map_err(failed)?;
        Ok(Self { closing, thread: Some(thread) })
    }

    /// Closes them; clients that are inside are sent away.
    pub(crate) fn close(&mut self) {
        let _ = self.closing.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.close();
    }
}

async fn keep_open(ways: Vec<Way>, lines: Arc<Lines>, log: &Log, mut closing: watch::Receiver<bool>) {
    let places = places();
    let mut doors = JoinSet::new();
    for Way { bound, target } in ways {
        let Bound { door, listener, datagrams } = bound;
        let door = Arc::new(door);
        if let Some(datagrams) = datagrams
            && let Ok(socket) = UdpSocket::from_std(datagrams)
        {
            doors.spawn(datagrams_to(socket, target));
        }
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                let passage = Passage { target, lines: Arc::clone(&lines) };
                doors.spawn(streams_to(listener, passage, door, log.clone(), Arc::clone(&places)));
            }
            Err(error) => log.write(failure(&door, "door not opened", &error)),
        }
    }
    let _ = closing.wait_for(|closing| *closing).await;
}

fn failure(door: &OpenDoor, event: &str, error: &std::io::Error) -> Entry {
    let entry = Entry::now(Level::Warning, Some(&door.node), event);
    entry.with("service", door.service.as_str()).with("problem", error.to_string())
}

async fn streams_to(listener: TcpListener, passage: Passage, door: Arc<OpenDoor>, log: Log, places: Arc<Semaphore>) {
    let mut clients = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = clients.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                // A client for whom there is no place is let go without a word.
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                let (door, log, passage) = (Arc::clone(&door), log.clone(), passage.clone());
                clients.spawn(async move {
                    if let Err(error) = passage.pass(stream, peer).await {
                        log.write(failure(&door, "connection failed", &error).with("client", peer.to_string()));
                    }
                    drop(place);
                });
            }
            Err(error) => {
                log.write(failure(&door, "client not let in", &error));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// The lines of hosts of the world outside that have a slow one.
pub(crate) type Lines = BTreeMap<Ipv4Addr, Line>;

/// Returns the lines of the world outside.
pub(crate) fn lines(internet: &Internet) -> Lines {
    let line = |domain: &InternetDomain| Some((internet.address_of(&domain.name)?, Line::of(domain)));
    internet.domains.iter().filter_map(line).filter(|(_, line)| line.is_slow()).collect()
}

/// Where a door's clients are passed to.
#[derive(Clone)]
struct Passage {
    target: SocketAddr,
    lines: Arc<Lines>,
}

impl Passage {
    /// Connects inside and passes bytes both ways until one side has enough.
    async fn pass(&self, mut client: TcpStream, peer: SocketAddr) -> std::io::Result<()> {
        let target = self.target;
        client.set_nodelay(true)?;
        let socket = match target {
            SocketAddr::V4(_) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind(SocketAddr::new(guise(peer.ip()).into(), 0))?;
                socket
            }
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        let mut inner = timeout(PATIENCE, socket.connect(target)).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
        inner.set_nodelay(true)?;
        if let Some(line) = self.lines.get(&guise(peer.ip())) {
            line.pass(client, inner).await;
            return Ok(());
        }
        // Who hangs up in the middle has said all it wanted to.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut inner).await;
        let _ = inner.shutdown().await;
        Ok(())
    }
}

/// Returns who a client is inside.
fn guise(peer: IpAddr) -> Ipv4Addr {
    match peer.to_canonical() {
        IpAddr::V4(address) => match address.octets() {
            [127, second @ (18 | 19), third, fourth] => Ipv4Addr::new(198, second, third, fourth),
            _ => VISITOR,
        },
        IpAddr::V6(_) => VISITOR,
    }
}

/// The code by which a name server says that a name is not its to answer (RFC 1035 §4.1.1).
const REFUSED: u8 = 5;

/// Passes datagrams on, and answers back to who asked. What the platform's name server has nothing to do with is asked of the world
/// outside, so that the door tells what anybody on the internet would be told.
async fn datagrams_to(socket: UdpSocket, target: SocketAddr) {
    let socket = Arc::new(socket);
    let places = Arc::new(Semaphore::new(QUESTIONS));
    let mut buffer = vec![0; DATAGRAM];
    loop {
        // An error belongs to an earlier answer that could not be delivered, and concerns nobody else.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let question = buffer.get(..length).unwrap_or_default().to_vec();
        let socket = Arc::clone(&socket);
        tokio::spawn(async move {
            let asked = async {
                let own: SocketAddr = match target {
                    SocketAddr::V4(_) => (guise(peer.ip()), 0).into(),
                    SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let mut answer = ask(own, target, &question).await?;
                if answer.get(3).is_some_and(|flags| flags & 0x0f == REFUSED) {
                    let visitor = (guise(peer.ip()), 0).into();
                    answer = ask(visitor, SocketAddr::new(network::world(), 53), &question).await?;
                }
                std::io::Result::Ok(answer)
            };
            if let Ok(Ok(answer)) = timeout(ANSWER, asked).await {
                let _ = socket.send_to(&answer, peer).await;
            }
            drop(place);
        });
    }
}

/// Sends a question from an address of our own and waits for one answer.
async fn ask(own: SocketAddr, target: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let inner = UdpSocket::bind(own).await?;
    inner.connect(target).await?;
    inner.send(question).await?;
    let mut answer = vec![0; DATAGRAM];
    let length = inner.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_who_its_loopback_address_says() {
        let check = |from: &str, inside: &str| assert_eq!(guise(from.parse().unwrap()).to_string(), inside);
        check("127.0.0.1", "198.19.255.250");
        check("127.18.0.7", "198.18.0.7");
        check("::ffff:127.19.1.2", "198.19.1.2");
        check("::1", "198.19.255.250");
    }
}
