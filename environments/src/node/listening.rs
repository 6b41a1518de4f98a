//! Which ports of a node are listened on, without knocking at any of them; and whether something elsewhere answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a single attempt may take.
const ATTEMPT: Duration = Duration::from_millis(500);

/// The state of a listening socket in the kernel's table.
const LISTEN: &str = "0A";

/// Returns the TCP ports that something listens on in this network namespace.
pub(super) fn ports() -> BTreeSet<u16> {
    listened(Path::new("/proc/net"))
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
    }
}
