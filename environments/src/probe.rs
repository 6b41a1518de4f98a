//! Whether a front door really answers: asked as a client would ask, from outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use blueprint::platform::Tls;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::state::OpenDoor;

/// How long a door has to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks every door at once.
///
/// - `trust`: the environment's authority.
/// - Returns: for each door, in order, why it did not answer, if it did not.
pub(crate) async fn probe_all(doors: &[OpenDoor], trust: &Arc<rustls::ClientConfig>) -> Vec<Option<String>> {
    let mut probes = JoinSet::new();
    for (number, door) in doors.iter().cloned().enumerate() {
        let trust = Arc::clone(trust);
        probes.spawn(async move {
            let answer = timeout(PATIENCE, probe(&door, &trust)).await;
            (number, answer.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))).err())
        });
    }
    let mut problems = vec![None; doors.len()];
    while let Some(joined) = probes.join_next().await {
        if let Ok((number, problem)) = joined
            && let Some(place) = problems.get_mut(number)
        {
            *place = problem;
        }
    }
    problems
}

async fn probe(door: &OpenDoor, trust: &Arc<rustls::ClientConfig>) -> Result<(), String> {
    let address = SocketAddr::new(reachable(door.host), door.port);
    if door.protocol == "dns" {
        return dns(address).await;
    }
    let stream = TcpStream::connect(address).await.map_err(|error| format!("no connection: {error}"))?;
    match door.tls {
        Tls::None | Tls::Starttls => talk(&door.protocol, stream).await,
        Tls::Implicit => {
            let name = ServerName::from(address.ip());
            let connected = TlsConnector::from(Arc::clone(trust)).connect(name, stream).await;
            talk(&door.protocol, connected.map_err(|error| format!("no TLS: {error}"))?).await
        }
    }
}

/// Returns where a door that is open on all addresses is reached from this machine.
fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

async fn talk(protocol: &str, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), String> {
    let (request, expected, goodbye): (&[u8], &[&str], &[u8]) = match protocol {
        "smtp" => (b"", &["220 ", "220-"], b"QUIT\r\n"),
        "imap" => (b"", &["* OK", "* PREAUTH"], b"a LOGOUT\r\n"),
        "pop3" => (b"", &["+OK"], b"QUIT\r\n"),
        "managesieve" => (b"", &["\"IMPLEMENTATION\""], b"LOGOUT\r\n"),
        "https" | "http" => (b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", &["HTTP/1."], b""),
        // A door that was opened and takes connections is all that can be said of an unknown protocol.
        _ => return Ok(()),
    };
    let failed = |error: std::io::Error| format!("the connection broke: {error}");
    stream.write_all(request).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let mut answer = Vec::new();
    while answer.len() < 4096 && !answer.contains(&b'\n') {
        if stream.read_buf(&mut answer).await.map_err(failed)? == 0 {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
    if !expected.iter().any(|start| answer.starts_with(start)) {
        return Err(match answer.as_str() {
            "" => "it closed the connection without a word".to_owned(),
            other => format!("it answered {:?}", other.chars().take(80).collect::<String>()),
        });
    }
    // Politeness; the door has answered already.
    let _ = stream.write_all(goodbye).await;
    let _ = stream.shutdown().await;
    Ok(())
}

/// Asks for the root's NS over UDP; any reply to this question is an answer, even a refusal (RFC 1035 §4.1).
async fn dns(address: SocketAddr) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("no answer: {error}");
    let own: SocketAddr = match address.ip() {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(own).await.map_err(failed)?;
    socket.connect(address).await.map_err(failed)?;
    // Header: identifier, RD, one question; question: the root, type NS, class IN.
    let question = [0x4d, 0x77, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
    let mut answer = [0; 512];
    // A datagram may be lost, so it is sent again.
    loop {
        socket.send(&question).await.map_err(failed)?;
        match timeout(Duration::from_secs(1), socket.recv(&mut answer)).await {
            Ok(Ok(length)) if length >= 12 && answer.starts_with(&[0x4d, 0x77]) => {
                return match answer.get(2) {
                    Some(flags) if flags & 0x80 != 0 => Ok(()),
                    _ => Err("it sent something that is no reply".to_owned()),
                };
            }
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => return Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn door(protocol: &str, port: u16) -> OpenDoor {
        OpenDoor {
            service: protocol.to_owned(),
            protocol: protocol.to_owned(),
            tls: Tls::None,
            host: Ipv4Addr::LOCALHOST.into(),
            port,
            node: "node-1".to_owned(),
            url: None,
        }
    }

    async fn answered(protocol: &str, answer: &'static [u8]) -> Option<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer).await.unwrap();
        });
        let trust = rustls::ClientConfig::builder_with_provider(crate::embedded::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        probe_all(&[door(protocol, port)], &Arc::new(trust)).await.pop().unwrap()
    }

    #[tokio::test]
    async fn a_door_answers_with_its_own_greeting_only() {
        assert_eq!(answered("smtp", b"220 mx-1 ready\r\n").await, None);
        assert_eq!(answered("imap", b"* OK ready\r\n").await, None);
        assert_eq!(answered("pop3", b"+OK ready\r\n").await, None);
        assert!(answered("smtp", b"* OK ready\r\n").await.unwrap().contains("* OK ready"));
        assert!(answered("smtp", b"421 no\r\n").await.is_some());
        assert!(answered("imap", b"").await.unwrap().contains("closed"));
    }

    #[tokio::test]
    async fn a_closed_door_is_told_from_an_open_one() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let trust = rustls::ClientConfig::builder_with_provider(crate::embedded::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let problem = probe_all(&[door("smtp", port)], &Arc::new(trust)).await.pop().unwrap().unwrap();
        assert!(problem.contains("no connection"), "{problem}");
    }
}
