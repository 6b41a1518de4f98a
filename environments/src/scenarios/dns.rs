//! Questions to the platform's name servers, as any resolver asks them (RFC 1035).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::Trouble;

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// `NOERROR`, `NXDOMAIN`, `REFUSED`, …
    pub(super) code: &'static str,
    /// Whether the server speaks for the name.
    pub(super) authoritative: bool,
    /// The records of the type that was asked for, as zone files write them, sorted.
    pub(super) records: Vec<String>,
}

/// Asks for the records of a name.
///
/// - `kind`: `A`, `MX`, `TXT`, …
pub(super) fn ask(server: SocketAddr, name: &str, kind: &str, patience: Duration) -> Result<Found, Trouble> {
    let number = number(kind).ok_or_else(|| super::settings::wrong(&format!("nobody can ask for {kind} records")))?;
    let question = question(name, number);
    let failed = |error: std::io::Error| Trouble::Broken(format!("the door `dns` does not answer: {error}"));
    let own: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(own).map_err(failed)?;
    socket.connect(server).map_err(failed)?;
    // A datagram may be lost, so it is sent again.
    let tries: u32 = 5;
    socket.set_read_timeout(Some((patience / tries).max(Duration::from_millis(50)))).map_err(failed)?;
    let mut answer = vec![0; 65_535];
    for _ in 0..tries {
        socket.send(&question).map_err(failed)?;
        match socket.recv(&mut answer) {
            Ok(length) => {
                let answer = answer.get(..length).unwrap_or_default();
                return read(answer, number)
                    .ok_or_else(|| Trouble::Unmet("the name server's answer cannot be read".to_owned()));
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(Trouble::Unmet("the name server does not answer".to_owned()))
}

fn number(kind: &str) -> Option<u16> {
    Some(match kind {
        "A" => 1,
        "NS" => 2,
        "CNAME" => 5,
        "SOA" => 6,
        "PTR" => 12,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        "SRV" => 33,
        "TLSA" => 52,
        "CAA" => 257,
        _ => return None,
    })
}

fn question(name: &str, kind: u16) -> Vec<u8> {
    // Header: identifier, RD, one question, one additional record.
    let mut bytes = vec![0x4d, 0x77, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
        let label = label.as_bytes().get(..label.len().min(63)).unwrap_or_default();
        bytes.push(u8::try_from(label.len()).unwrap_or(63));
        bytes.extend_from_slice(label);
    }
    bytes.push(0);
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&[0, 1]);
    // EDNS with room for whole answers (RFC 6891).
    bytes.extend_from_slice(&[0, 0, 41, 0x40, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

fn read(bytes: &[u8], kind: u16) -> Option<Found> {
    let flags = short(bytes, 2)?;
    let code = match flags & 15 {
        0 => "NOERROR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        5 => "REFUSED",
        _ => "ERROR",
    };
    let (questions, answers) = (short(bytes, 4)?, short(bytes, 6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = name(bytes, at)?.1 + 4;
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        let (_, after) = name(bytes, at)?;
        let found = short(bytes, after)?;
        let length = usize::from(short(bytes, after + 8)?);
        let start = after + 10;
        if found == kind {
            records.push(shown(bytes, start, length, kind)?);
        }
        at = start + length;
    }
    records.sort();
    Some(Found { code, authoritative: flags & 0x0400 != 0, records })
}

fn shown(bytes: &[u8], start: usize, length: usize, kind: u16) -> Option<String> {
    let data = bytes.get(start..start + length)?;
    Some(match kind {
        1 => Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).to_string(),
        28 => Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).to_string(),
        2 | 5 | 12 => name(bytes, start)?.0,
        15 => format!("{} {}", short(bytes, start)?, name(bytes, start + 2)?.0),
        16 => {
            let mut text = String::new();
            let mut rest = data;
            while let Some((&length, after)) = rest.split_first() {
                let length = usize::from(length);
                text.push_str(&String::from_utf8_lossy(after.get(..length)?));
                rest = after.get(length..)?;
            }
            text
        }
        33 => format!(
            "{} {} {} {}",
            short(bytes, start)?,
            short(bytes, start + 2)?,
            short(bytes, start + 4)?,
            name(bytes, start + 6)?.0
        ),
        6 => format!("{} {}", name(bytes, start)?.0, name(bytes, name(bytes, start)?.1)?.0),
        _ => data.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Reads a name; returns it and the place behind it.
fn name(bytes: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels: Vec<String> = Vec::new();
    let mut behind = None;
    // Each jump goes backwards, so that there is an end.
    let mut lowest = at;
    loop {
        let length = usize::from(*bytes.get(at)?);
        match length {
            0 => return Some((labels.join("."), behind.unwrap_or(at + 1))),
            length if length & 0xc0 == 0xc0 => {
                let target = usize::from(short(bytes, at)? & 0x3fff);
                behind.get_or_insert(at + 2);
                if target >= lowest {
                    return None;
                }
                lowest = target;
                at = target;
            }
            length if length < 64 && labels.len() < 128 => {
                labels.push(String::from_utf8_lossy(bytes.get(at + 1..at + 1 + length)?).to_ascii_lowercase());
                at += 1 + length;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_exchanger_is_read_with_its_preference_and_its_compressed_name() {
        let mut bytes = question("acme.example", 15);
        bytes.truncate(bytes.len() - 11);
        bytes[2] = 0x84;
        bytes[7] = 1;
        bytes[11] = 0;
        bytes.extend_from_slice(&[0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 7, 0, 10, 2, b'm', b'x', 0xc0, 12]);
        let found = read(&bytes, 15).unwrap();
        assert_eq!((found.code, found.authoritative), ("NOERROR", true));
        assert_eq!(found.records, ["10 mx.acme.example"]);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..60_u16) {
            let _ = read(&bytes, kind);
        }
    }
}
