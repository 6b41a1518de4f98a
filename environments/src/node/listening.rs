//! Which ports of a node are listened on, without knocking at any of them; and whether something elsewhere answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// How long a single attempt may take.
const ATTEMPT: Duration = Duration::from_millis(500);

/// The state of a listening socket in the kernel's table.
const LISTEN: &str = "0A";

/// A question to `sock_diag`: length, type, flags, sequence and sender of the message, then which sockets are meant.
const QUESTION: usize = 72;

/// The head of each message of the kernel's answer.
const HEAD: usize = 16;

/// Where the local port stands in what is told of a socket, in network byte order.
const PORT: usize = HEAD + 4;

/// Types of messages: nothing more to come, something went wrong, and questions and answers about sockets.
const DONE: u16 = 3;
const ERROR: u16 = 2;
const BY_FAMILY: u16 = 20;

/// Returns the TCP ports that something listens on in this network namespace.
pub(super) fn ports() -> BTreeSet<u16> {
    // A kernel may have no `sock_diag`. Its tables take it longer: each look walks through all connections there may be.
    asked().unwrap_or_else(|_| listened(Path::new("/proc/net")))
}

fn asked() -> Result<BTreeSet<u16>, Errno> {
    let mut found = BTreeSet::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        let kind = Some(rustix::net::netlink::SOCK_DIAG);
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, kind)?;
        rustix::net::send(&socket, &question(family), SendFlags::empty())?;
        let mut answer = vec![0; 32 * 1024];
        loop {
            let (length, _) = rustix::net::recv(&socket, answer.as_mut_slice(), RecvFlags::empty())?;
            let told = answer.get(..length).and_then(told).ok_or(Errno::PROTO)?;
            found.extend(told.ports);
            if told.is_last {
                break;
            }
        }
    }
    Ok(found)
}

/// Asks which TCP sockets of a family listen.
///
/// - Source: sock_diag(7), `inet_diag_req_v2`; netlink(7), `nlmsghdr`.
fn question(family: AddressFamily) -> [u8; QUESTION] {
    const REQUEST_AND_DUMP: u16 = 0x301;
    const TCP: u8 = 6;
    const LISTENING: u32 = 1 << 10;
    let mut question = [0; QUESTION];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        if let Some(place) = question.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        at += bytes.len();
    };
    put(&(QUESTION as u32).to_ne_bytes());
    put(&BY_FAMILY.to_ne_bytes());
    put(&REQUEST_AND_DUMP.to_ne_bytes());
    put(&[0; 8]);
    put(&[family.as_raw() as u8, TCP, 0, 0]);
    put(&LISTENING.to_ne_bytes());
    question
}

/// What one datagram of the kernel's answer tells.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    ports: BTreeSet<u16>,
    is_last: bool,
}

/// Reads a datagram of messages about sockets; `None` where it is none.
fn told(mut datagram: &[u8]) -> Option<Told> {
    let mut told = Told { ports: BTreeSet::new(), is_last: false };
    while !datagram.is_empty() {
        let length = u32::from_ne_bytes(datagram.get(..4)?.try_into().ok()?) as usize;
        let message = datagram.get(..length).filter(|message| message.len() >= HEAD)?;
        match u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?) {
            DONE => told.is_last = true,
            BY_FAMILY => {
                told.ports.insert(u16::from_be_bytes(message.get(PORT..PORT + 2)?.try_into().ok()?));
            }
            ERROR => return None,
            _ => {}
        }
        // Messages begin at multiples of four octets.
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(told)
}

/// Returns the TCP ports that something listens on in the network namespace of a process.
pub(crate) fn ports_of(process: u32) -> BTreeSet<u16> {
    listened(&Path::new("/proc").join(process.to_string()).join("net"))
}

fn listened(tables: &Path) -> BTreeSet<u16> {
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        // A kernel without IPv6 has one table only.
        found.extend(parse(&std::fs::read_to_string(tables.join(table)).unwrap_or_default()));
    }
    found
}

/// Reads the listening ports out of the kernel's table of TCP sockets.
///
/// - Source: proc(5), `/proc/net/tcp`: local address as hexadecimal `ADDRESS:PORT` in the second column, state in the fourth.
fn parse(table: &str) -> BTreeSet<u16> {
    let listening = table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let port = fields.next()?.rsplit(':').next()?;
        (fields.nth(1)? == LISTEN).then(|| u16::from_str_radix(port, 16).ok())?
    });
    listening.collect()
}

/// Whether something answers at `host:port` or at the path of a socket.
///
/// - `hosts`: addresses by name, as the node's table of hosts says.
pub(super) fn answers(target: &str, hosts: &BTreeMap<String, Vec<IpAddr>>) -> bool {
    if target.starts_with('/') {
        return UnixStream::connect(target).is_ok();
    }
    let Some((host, port)) = target.rsplit_once(':') else { return false };
    let Ok(port) = port.parse::<u16>() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => hosts.get(host).cloned().unwrap_or_default(),
    };
    addresses.into_iter().any(|address| TcpStream::connect_timeout(&SocketAddr::new(address, port), ATTEMPT).is_ok())
}

/// Reads a table of hosts.
///
/// - Source: hosts(5).
pub(super) fn hosts(text: &str) -> BTreeMap<String, Vec<IpAddr>> {
    let mut found: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(address) = fields.next().and_then(|field| field.parse().ok()) else { continue };
        for name in fields {
            found.entry(name.to_owned()).or_default().push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_port_is_listened_on_from_bind_to_close() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(ports().contains(&port));
        drop(listener);
        assert!(!ports().contains(&port));
    }

    #[test]
    fn the_kernel_says_what_its_tables_say() {
        let four = TcpListener::bind("127.0.0.1:0").unwrap();
        let six = TcpListener::bind("[::1]:0");
        let near = std::net::TcpStream::connect(four.local_addr().unwrap()).unwrap();
        let Ok(asked) = asked() else { return eprintln!("skipped: this kernel has no sock_diag") };
        assert!(asked.contains(&four.local_addr().unwrap().port()));
        assert!(six.is_err() || asked.contains(&six.unwrap().local_addr().unwrap().port()));
        assert!(!asked.contains(&near.local_addr().unwrap().port()), "a connection listens to nobody");
    }

    #[test]
    fn an_answer_is_read_to_its_end() {
        let message = |kind: u16, port: u16, length: usize| {
            let mut message = vec![0; length];
            message[..4].copy_from_slice(&u32::try_from(length).unwrap().to_ne_bytes());
            message[4..6].copy_from_slice(&kind.to_ne_bytes());
            message[PORT..PORT + 2].copy_from_slice(&port.to_be_bytes());
            message.resize(length.next_multiple_of(4), 0);
            message
        };
        let two = [message(BY_FAMILY, 25, 89), message(BY_FAMILY, 587, 88)].concat();
        assert_eq!(told(&two), Some(Told { ports: BTreeSet::from([25, 587]), is_last: false }));
        let last = [two, message(DONE, 0, 24)].concat();
        assert_eq!(told(&last), Some(Told { ports: BTreeSet::from([25, 587]), is_last: true }));
        assert_eq!(told(&message(ERROR, 0, 36)), None);
        assert_eq!(told(&last[..100]), None, "it was cut off");
    }

    #[test]
    fn connections_are_not_taken_for_listeners() {
        let table = "  sl  local_address rem_address   st tx_queue\n   \
                     0: 0100007F:0019 00000000:0000 0A 00000000:00000000\n   \
                     1: 0100007F:C001 0100007F:0019 01 00000000:00000000\n";
        assert_eq!(parse(table), BTreeSet::from([25]));
    }

    #[test]
    fn a_target_is_found_by_name_address_or_path() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let hosts =
            hosts("127.0.0.1 localhost\n# 127.0.0.1 not\n127.0.0.9 two two.example # 127.0.0.1\n127.0.0.1 two\n");
        assert!(answers(&format!("two:{port}"), &hosts), "the second address answers");
        assert!(answers(&format!("127.0.0.1:{port}"), &hosts));
        assert!(!answers(&format!("not:{port}"), &hosts));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        assert!(!answers(path.to_str().unwrap(), &hosts));
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(answers(path.to_str().unwrap(), &hosts));
        assert!(!answers("nonsense", &hosts));
    }

    proptest! {
        #[test]
        fn no_table_makes_the_readers_stumble(text in any::<String>()) {
            let _ = (parse(&text), hosts(&text));
        }

        #[test]
        fn no_answer_makes_the_reader_stumble(datagram in prop::collection::vec(any::<u8>(), 0..200), kind in 0_u16..24) {
            let _ = told(&datagram);
            let length = u32::try_from(datagram.len()).unwrap().to_ne_bytes();
            let headed: Vec<u8> = [&length[..], &kind.to_ne_bytes(), datagram.get(6..).unwrap_or_default()].concat();
            let _ = told(&headed);
        }
    }
}
