//! Front doors get their ports: base plus the standard port, the next free one where it is taken, the same again later.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use blueprint::launch::{Door, Launch};

use crate::state::{OpenDoor, Record};

/// How far above its own port a door may land.
const REACH: u32 = 2000;

/// Why a door could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorFailure {
    /// The address cannot be listened on.
    #[error("could not open the door `{service}` on {address}")]
    Listen {
        /// The door's service.
        service: String,
        /// Address and port that were tried.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// All ports that the door may have are taken.
    #[error("no free port for the door `{service}` from {first} to {last}")]
    Taken {
        /// The door's service.
        service: String,
        /// The port it should have had.
        first: u32,
        /// The last one that was tried.
        last: u32,
    },
}

impl DoorFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Listen { address, source, .. } => match source.kind() {
                ErrorKind::PermissionDenied => format!(
                    "port {} needs rights that this user lacks; write a base-port from 1024 up in `expose`",
                    address.port()
                ),
                ErrorKind::AddrNotAvailable => {
                    format!("{} is not an address of this machine; write one that is in `expose`", address.ip())
                }
                _ => "write another address or base-port in `expose`".to_owned(),
            },
            Self::Taken { .. } => {
                "end other environments (`mailwright down`), or write another base-port in `expose`".to_owned()
            }
        }
    }
}

/// A door with its socket.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Which door it is.
    pub(crate) door: OpenDoor,
    /// Where connections come in.
    pub(crate) listener: TcpListener,
    /// Where datagrams come in, for DNS.
    pub(crate) datagrams: Option<UdpSocket>,
}

/// Opens all doors of an environment, in the order they are listed.
///
/// - `before`: what was open last time; a door gets its old port again when it is free and counted from the same base.
/// - `avoid`: ports that other environments hold, even where the system would give them out.
/// - Errors: a door cannot be opened; none stays open then.
pub(crate) fn open(launch: &Launch, before: Option<&Record>, avoid: &BTreeSet<u16>) -> Result<Vec<Bound>, DoorFailure> {
    let mut opened: Vec<Option<Bound>> = Vec::new();
    // Old ports first: a door that is new must not take the port of one that had it.
    for door in &launch.doors {
        let old = before.filter(|record| record.base_port == launch.base_port).and_then(|record| {
            let same = |open: &&OpenDoor| {
                open.service == door.service && open.node == door.node.as_str() && open.host == launch.address
            };
            record.doors.iter().find(same).map(|open| open.port)
        });
        let bound = match old.filter(|port| !avoid.contains(port)) {
            Some(port) => bind(launch.address, port, door).ok(),
            None => None,
        };
        opened.push(bound);
    }
    for (place, door) in opened.iter_mut().zip(&launch.doors) {
        if place.is_none() {
            *place = Some(next_free(launch, door, avoid)?);
        }
    }
    Ok(opened.into_iter().flatten().collect())
}

fn next_free(launch: &Launch, door: &Door, avoid: &BTreeSet<u16>) -> Result<Bound, DoorFailure> {
    let first = u32::from(launch.base_port) + u32::from(door.port);
    let last = (first + REACH).min(u32::from(u16::MAX));
    for port in first..=last {
        let Ok(port) = u16::try_from(port) else { break };
        if avoid.contains(&port) {
            continue;
        }
        match bind(launch.address, port, door) {
            Ok(bound) => return Ok(bound),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(source) => {
                let address = SocketAddr::new(launch.address, port);
                return Err(DoorFailure::Listen { service: door.service.clone(), address, source });
            }
        }
    }
    Err(DoorFailure::Taken { service: door.service.clone(), first, last })
}

fn bind(address: IpAddr, port: u16, door: &Door) -> std::io::Result<Bound> {
    let address = SocketAddr::new(address, port);
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let datagrams = match door.protocol.as_str() {
        "dns" => {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            Some(socket)
        }
        _ => None,
    };
    let url = matches!(door.protocol.as_str(), "https" | "http").then(|| format!("{}://{address}/", door.protocol));
    let door = OpenDoor {
        service: door.service.clone(),
        protocol: door.protocol.clone(),
        tls: door.tls,
        host: address.ip(),
        port,
        node: door.node.to_string(),
        url,
    };
    Ok(Bound { door, listener, datagrams })
}

#[cfg(test)]
mod tests {
    use blueprint::launch::{Internet, Secrets};
    use blueprint::platform::Tls;

    use super::*;

    fn launch(doors: &[(&str, u16)], base_port: u16) -> Launch {
        Launch {
            version: blueprint::VERSION,
            environment: "dev".parse().unwrap(),
            backend: "embedded".to_owned(),
            from: None,
            address: "127.0.0.1".parse().unwrap(),
            base_port,
            doors: doors.iter().map(|(service, port)| door(service, *port)).collect(),
            accounts: Vec::new(),
            secrets: Secrets::Generate,
            internet: Internet { domains: Vec::new(), senders: Vec::new() },
            show_passwords: true,
            gates: Vec::new(),
            expires_after: None,
        }
    }

    fn door(service: &str, port: u16) -> Door {
        let protocol = if service == "dns" { "dns" } else { "smtp" };
        let node = format!("{service}-1").parse().unwrap();
        Door { service: service.to_owned(), protocol: protocol.to_owned(), tls: Tls::None, node, port }
    }

    fn record(doors: &[Bound], base_port: u16) -> Record {
        Record {
            version: 1,
            environment: "dev".to_owned(),
            repository: "/r".to_owned(),
            backend: "embedded".to_owned(),
            phase: crate::state::Phase::Stopped,
            reason: None,
            process: 1,
            seed: 1,
            started: String::new(),
            base_port,
            doors: doors.iter().map(|bound| bound.door.clone()).collect(),
            authority: String::new(),
            show_passwords: true,
            blueprint: String::new(),
            roster: String::new(),
            generation: 0,
            boot: None,
            image: None,
        }
    }

    fn ports(doors: &[Bound]) -> Vec<u16> {
        doors.iter().map(|bound| bound.door.port).collect()
    }

    /// A range of ports that was free a moment ago, away from those that tests running beside this one use.
    fn base(number: u16) -> u16 {
        let own = u16::try_from(std::process::id() % 200).unwrap();
        20_000 + own * 50 + number * 10_000
    }

    #[test]
    fn a_taken_port_leads_to_the_next_free_one_and_no_two_doors_share_one() {
        let launch = launch(&[("mx", 0), ("submission", 1), ("imap", 0)], base(0));
        let first = open(&launch, None, &BTreeSet::new()).unwrap();
        let second = open(&launch, None, &BTreeSet::new()).unwrap();
        let mut all = ports(&first);
        all.extend(ports(&second));
        let different: BTreeSet<u16> = all.iter().copied().collect();
        assert_eq!(different.len(), 6, "{all:?}");
        assert!(all.iter().all(|port| *port >= launch.base_port));
    }

    #[test]
    fn doors_get_their_old_ports_again_even_when_a_new_door_stands_first() {
        let mut wanted = launch(&[("mx", 0), ("imap", 0)], base(1));
        let first = open(&wanted, None, &BTreeSet::new()).unwrap();
        let before = record(&first, wanted.base_port);
        let old = ports(&first);
        drop(first);
        wanted.doors.insert(0, door("pop3", 0));
        let second = open(&wanted, Some(&before), &BTreeSet::new()).unwrap();
        assert_eq!(ports(&second).get(1..).unwrap(), old);
        drop(second);
        // Another base in the specification counts anew.
        wanted.base_port += 20;
        let third = open(&wanted, Some(&before), &BTreeSet::new()).unwrap();
        assert!(ports(&third).iter().all(|port| *port >= wanted.base_port));
    }

    #[test]
    fn ports_of_other_environments_are_left_to_them() {
        let launch = launch(&[("mx", 0)], base(2));
        let avoid = BTreeSet::from([launch.base_port, launch.base_port + 1]);
        let opened = open(&launch, None, &avoid).unwrap();
        assert!(ports(&opened).iter().all(|port| !avoid.contains(port)));
    }

    #[test]
    fn dns_gets_one_port_for_both_transports() {
        let launch = launch(&[("dns", 3)], base(3));
        let opened = open(&launch, None, &BTreeSet::new()).unwrap();
        let datagrams = opened.first().unwrap().datagrams.as_ref().unwrap();
        assert_eq!(datagrams.local_addr().unwrap().port(), opened.first().unwrap().door.port);
    }

    #[test]
    fn a_base_that_leaves_no_port_is_refused_with_the_range() {
        let launch = launch(&[("imaps", 993)], 65_000);
        let failure = open(&launch, None, &BTreeSet::new()).unwrap_err();
        assert!(matches!(failure, DoorFailure::Taken { first: 65_993, .. }), "{failure}");
        assert!(failure.help().contains("base-port"));
    }

    #[test]
    fn an_address_of_another_machine_is_refused_with_the_way_out() {
        let mut launch = launch(&[("mx", 0)], 30_000);
        launch.address = "192.0.2.1".parse().unwrap();
        let failure = open(&launch, None, &BTreeSet::new()).unwrap_err();
        assert!(failure.help().contains("expose"), "{}", failure.help());
    }
}
