//! The world outside for a platform of real daemons: its names, its mail servers, its mailboxes, on real sockets.
//!
//! The engine is the embedded backend's, with no platform in it. Its sockets are in the network namespace that is the world to the
//! nodes; one thread that has entered it makes and serves them.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use blueprint::platform::Tls;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use simulator::dns::{Data, Kind, Zone, ZoneError, Zones, reverse_name};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::authority::Authority;
use super::clock::Clock;
use super::doors::{self, Behind, Hall};
use super::engine::{self, EngineHandle, EngineThread, Surroundings};
use super::topology::{INTERNET, INTERNET_ADDRESS, INTERNET_MX};
use super::{Order, dns, topology};
use crate::failure::Failure;
use crate::launch::Progress;
use crate::line::Line;
use crate::log::Log;
use crate::state::OpenDoor;

/// Seconds an answer may be kept: short, since environments change under those who ask.
const TTL: u32 = 60;

/// The world outside.
pub(crate) struct World {
    engine: Option<EngineThread>,
    closing: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    /// Addresses at which nothing answers, since their domains cannot be reached.
    unreachable: Vec<IpAddr>,
}

/// A place where the world listens.
struct Place {
    address: SocketAddr,
    door: OpenDoor,
    behind: Behind,
}

impl World {
    /// Brings the world up.
    ///
    /// - `inside`: the network namespace that is the world to the nodes; its addresses are set up.
    /// - `runtime`: where the engine has its questions asked, of which the world has none.
    /// - `broke`: told why when the engine ends by itself.
    pub(crate) fn start(
        order: &Order<'_>,
        authority: Authority,
        inside: File,
        runtime: &tokio::runtime::Handle,
        log: &Log,
        broke: &watch::Sender<Option<String>>,
        progress: &dyn Progress,
    ) -> Result<Self, Failure> {
        let domains = &order.launch.internet.domains;
        let mut placed = vec![(INTERNET.to_owned(), "internet-imap".to_owned())];
        placed.extend(domains.iter().map(|domain| (domain.name.to_string(), INTERNET_MX.to_owned())));
        let around = Surroundings {
            directory: None,
            keys: None,
            runtime: runtime.clone(),
            log: log.clone(),
            clock: Clock::default(),
            broke: broke.clone(),
        };
        let topology = topology::world(order, names(order));
        let (engine, handle, zones) = engine::start(order, topology, &placed, around, progress)?;
        let world = IpAddr::from(INTERNET_ADDRESS);
        let mut places = vec![
            place(world, 143, INTERNET, "internet-imap", Tls::None, Behind::Mail(0)),
            place(world, 53, INTERNET, "dns", Tls::None, Behind::Dns(Arc::clone(&zones))),
        ];
        let mut unreachable = Vec::new();
        for (number, domain) in domains.iter().enumerate() {
            let name = domain.name.as_str();
            let Some(address) = address_of(&zones, &format!("mx.{name}")) else { continue };
            if domain.unreachable {
                unreachable.push(address);
            } else {
                let line = Line::of(domain);
                let behind = if line.is_slow() { Behind::Far(number + 1, line) } else { Behind::Mail(number + 1) };
                places.push(place(address, 25, name, INTERNET_MX, Tls::Starttls, behind));
            }
        }
        let (closing, closed) = watch::channel(false);
        let thread = serve(places, zones, inside, handle, authority, log, closed)?;
        Ok(Self { engine: Some(engine), closing, thread: Some(thread), unreachable })
    }

    /// Returns the addresses at which nothing is to answer.
    pub(crate) fn unreachable(&self) -> &[IpAddr] {
        &self.unreachable
    }

    /// Ends the world after what it has begun.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let _ = self.closing.send(true);
        let stopped = self.engine.take().map_or(Ok(()), EngineThread::stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        stopped.map_err(|reason| Failure::Broke { reason })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.closing.send(true);
        if let Some(engine) = self.engine.take() {
            engine.abandon();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn place(address: IpAddr, port: u16, node: &str, service: &str, tls: Tls, behind: Behind) -> Place {
    let protocol = match behind {
        Behind::Dns(_) => "dns",
        _ if service == INTERNET_MX => "smtp",
        _ => "imap",
    };
    let door = OpenDoor {
        service: service.to_owned(),
        protocol: protocol.to_owned(),
        tls,
        host: address,
        port,
        node: node.to_owned(),
        url: None,
    };
    Place { address: SocketAddr::new(address, port), door, behind }
}

/// Opens every place and serves it until the world ends.
fn serve(
    places: Vec<Place>,
    zones: Arc<Zones>,
    inside: File,
    engine: EngineHandle,
    authority: Authority,
    log: &Log,
    closing: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, Failure> {
    let failed = |source| Failure::Thread { thread: "world", source };
    let (opened, outcome) = oneshot::channel();
    let hall = Hall { engine, authority, log: log.clone(), places: doors::places(), closing: closing.clone() };
    let run = move || {
        let entered = move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::Network));
        let runtime = entered
            .map_err(std::io::Error::from)
            .and_then(|()| tokio::runtime::Builder::new_current_thread().enable_all().build());
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = opened.send(Err(error));
                return;
            }
        };
        runtime.block_on(async {
            let mut serving = JoinSet::new();
            let listening = listen(&mut serving, places, &zones, &hall).await;
            let well = listening.is_ok();
            let _ = opened.send(listening);
            let mut closing = closing;
            if well {
                let _ = closing.wait_for(|closing| *closing).await;
            }
        });
    };
    let thread = std::thread::Builder::new().name("world".to_owned()).spawn(run).map_err(failed)?;
    let outcome = outcome.blocking_recv().unwrap_or_else(|_| Err(std::io::Error::other("the thread ended")));
    outcome.map_err(failed)?;
    Ok(thread)
}

async fn listen(serving: &mut JoinSet<()>, places: Vec<Place>, zones: &Arc<Zones>, hall: &Hall) -> std::io::Result<()> {
    for Place { address, door, behind } in places {
        if let Behind::Dns(_) = behind {
            serving.spawn(dns::serve_datagrams(UdpSocket::bind(address).await?, Arc::clone(zones)));
        }
        let listener = TcpListener::bind(address).await?;
        serving.spawn(doors::keep_open(listener, door, behind, hall.clone()));
    }
    Ok(())
}

fn address_of(zones: &Zones, name: &str) -> Option<IpAddr> {
    let records = zones.lookup(name, Kind::A).records;
    records.into_iter().find_map(|(_, record)| match record.data {
        Data::A(address) => Some(IpAddr::from(address)),
        _ => None,
    })
}

/// Returns the names of the world that no domain of it brings: the root, senders without mailboxes, names of addresses.
fn names(order: &Order<'_>) -> Zones {
    let mut zones = Zones::default();
    let internet = &order.launch.internet;
    for (number, sender) in internet.senders.iter().enumerate() {
        let address = sender_address(number);
        let Ok(mut zone) = Zone::new(sender.name.as_str(), 1) else { continue };
        // What the wire format cannot carry is left out.
        let _ = zone.add(sender.name.as_str(), TTL, Data::A(address));
        zones.add(zone);
        reverse(&mut zones, IpAddr::from(address), sender.name.as_str());
    }
    for (number, domain) in internet.domains.iter().enumerate() {
        let last = u8::try_from(number % 250).unwrap_or(0) + 1;
        let address = IpAddr::from([198, 18, u8::try_from(number / 250 % 256).unwrap_or(0), last]);
        reverse(&mut zones, address, &format!("mx.{}", domain.name));
    }
    let lists = order.blueprint.defense.dnsbl.iter().map(|list| list.zone.to_string());
    let domains = internet.domains.iter().map(|domain| domain.name.to_string());
    let mut delegated: Vec<String> = zones.iter().map(|zone| zone.name().to_owned()).collect();
    delegated.extend(lists.chain(domains));
    if let Ok(root) = root(&delegated) {
        zones.add(root);
    }
    zones
}

/// Returns the root, which knows of every zone: the names between it and them exist, and all others do not.
fn root(delegated: &[String]) -> Result<Zone, ZoneError> {
    let server = "root.invalid";
    let mut root = Zone::new(".", 1)?;
    let [a, b, c, d] = INTERNET_ADDRESS;
    root.add(".", TTL, Data::Ns(server.to_owned()))?;
    root.add(server, TTL, Data::A([a, b, c, d].into()))?;
    for name in delegated {
        root.add(name, TTL, Data::Ns(server.to_owned()))?;
    }
    Ok(root)
}

/// Returns where a sender without a mailbox sends from.
fn sender_address(number: usize) -> std::net::Ipv4Addr {
    let last = u8::try_from(number % 250).unwrap_or(0) + 1;
    [198, 19, u8::try_from(number / 250 % 200).unwrap_or(0), last].into()
}

fn reverse(zones: &mut Zones, address: IpAddr, name: &str) {
    let owner = reverse_name(address);
    if let Ok(mut zone) = Zone::new(&owner, 1) {
        let _ = zone.add(&owner, TTL, Data::Ptr(name.to_owned()));
        zones.add(zone);
    }
}
