//! A connection to a front door: bytes out, lines in, each wait with an end, everything written down.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::Trouble;

/// Bytes one answer may have.
const LARGEST: usize = 256 << 20;

/// What was said, for people to read afterwards.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcript {
    text: Arc<Mutex<String>>,
    secrets: Arc<Mutex<Vec<String>>>,
}

impl Transcript {
    /// Writes a line down; who said it comes first.
    pub(super) fn note(&self, name: &str, mark: char, bytes: &[u8]) {
        const SHOWN: usize = 2_000;
        let mut text = String::from_utf8_lossy(bytes.get(..SHOWN).unwrap_or(bytes)).into_owned();
        for secret in self.secrets.lock().iter().flat_map(|secrets| secrets.iter()) {
            text = text.replace(secret, "…");
        }
        if let Ok(mut out) = self.text.lock() {
            for line in text.trim_end_matches(['\r', '\n']).split('\n') {
                out.push_str(&format!("{name} {mark} {}\n", line.trim_end_matches('\r')));
            }
            if bytes.len() > SHOWN {
                out.push_str(&format!("{name} {mark} … {} bytes more\n", bytes.len() - SHOWN));
            }
        }
    }

    /// Leaves a text out from now on.
    pub(super) fn hide(&self, secret: &str) {
        if let Ok(mut secrets) = self.secrets.lock()
            && !secret.is_empty()
            && !secrets.iter().any(|known| known == secret)
        {
            secrets.push(secret.to_owned());
        }
    }

    /// Returns all that was written down.
    pub(super) fn text(&self) -> String {
        self.text.lock().map(|text| text.clone()).unwrap_or_default()
    }
}

enum Stream {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// Between the two, and after a handshake that failed.
    Gone,
}

/// A connection.
pub(super) struct Wire {
    stream: Stream,
    buffer: Vec<u8>,
    name: String,
    pub(super) transcript: Transcript,
    patience: Duration,
}

/// Where and how to connect.
pub(super) struct Reach<'a> {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    /// The local address to come from.
    pub(super) source: Option<IpAddr>,
    pub(super) patience: Duration,
    pub(super) transcript: &'a Transcript,
}

impl Wire {
    /// Connects.
    pub(super) fn open(reach: Reach<'_>) -> Result<Self, Trouble> {
        let Reach { name, address, source, patience, transcript } = reach;
        let failed = |error: io::Error| Trouble::Broken(format!("the door `{name}` takes no connection: {error}"));
        let stream = match source {
            None => TcpStream::connect_timeout(&address, patience).map_err(failed)?,
            Some(source) => connect_from(source, address).map_err(failed)?,
        };
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_write_timeout(Some(patience)).map_err(failed)?;
        transcript.note(&name, '*', b"connected");
        Ok(Self { stream: Stream::Plain(stream), buffer: Vec::new(), name, transcript: transcript.clone(), patience })
    }

    /// Protects the connection from now on.
    ///
    /// - `server`: what the client asks for (RFC 6066 §3), and what the certificate must be for.
    pub(super) fn secure(&mut self, trust: &Arc<ClientConfig>, server: ServerName<'static>) -> Result<(), Trouble> {
        let Stream::Plain(tcp) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(Trouble::Unmet("the connection is protected already, or gone".to_owned()));
        };
        let failed = |error: String| Trouble::Unmet(format!("TLS cannot be spoken with `{}`: {error}", self.name));
        tcp.set_read_timeout(Some(self.patience)).map_err(|error| failed(error.to_string()))?;
        let connection = ClientConnection::new(Arc::clone(trust), server);
        let mut stream = StreamOwned::new(connection.map_err(|error| failed(error.to_string()))?, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| failed(error.to_string()))?;
        }
        self.transcript.note(&self.name, '*', b"TLS");
        self.stream = Stream::Secure(Box::new(stream));
        Ok(())
    }

    /// Tells whether TLS protects the connection.
    pub(super) fn is_secure(&self) -> bool {
        matches!(self.stream, Stream::Secure(_))
    }

    /// Sends bytes as they are.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.transcript.note(&self.name, '>', bytes);
        let sent = match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Secure(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Stream::Gone => Err(io::ErrorKind::NotConnected.into()),
        };
        // Who was refused and cut off while he spoke still finds what he was told.
        match sent {
            Err(error) if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                Err(self.lost(&error))
            }
            _ => Ok(()),
        }
    }

    /// Reads a line, without its line end; `None` when the other side has closed.
    pub(super) fn line(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        let deadline = Instant::now() + self.patience;
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer.iter().skip(searched).position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=searched + at).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                self.transcript.note(&self.name, '<', &line);
                return Ok(Some(line));
            }
            searched = self.buffer.len();
            if !self.fill(deadline)? {
                return Ok(None);
            }
        }
    }

    /// Reads so many bytes.
    pub(super) fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Trouble> {
        let deadline = Instant::now() + self.patience;
        while self.buffer.len() < count {
            if !self.fill(deadline)? {
                return Err(Trouble::Unmet(format!("`{}` closed in the middle of an answer", self.name)));
            }
        }
        let bytes: Vec<u8> = self.buffer.drain(..count).collect();
        self.transcript.note(&self.name, '<', &bytes);
        Ok(bytes)
    }

    /// Reads until the other side closes.
    pub(super) fn rest(&mut self) -> Result<Vec<u8>, Trouble> {
        let deadline = Instant::now() + self.patience;
        while self.fill(deadline)? {}
        let bytes = std::mem::take(&mut self.buffer);
        self.transcript.note(&self.name, '<', &bytes);
        Ok(bytes)
    }

    fn fill(&mut self, deadline: Instant) -> Result<bool, Trouble> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let mut bytes = [0; 16_384];
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut bytes)),
            Stream::Secure(stream) => stream.sock.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut bytes)),
            Stream::Gone => Ok(0),
        };
        match read {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.buffer.extend_from_slice(bytes.get(..count).unwrap_or_default());
                if self.buffer.len() > LARGEST {
                    return Err(Trouble::Unmet(format!("`{}` does not end its answer", self.name)));
                }
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            // Closed without a farewell, which is closed all the same.
            Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                Ok(false)
            }
            Err(error) => Err(self.lost(&error)),
        }
    }

    fn lost(&self, error: &io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Trouble::Unmet(format!("`{}` did not answer within {} s", self.name, self.patience.as_secs()))
            }
            _ => Trouble::Unmet(format!("the connection to `{}` broke: {error}", self.name)),
        }
    }
}

fn connect_from(source: IpAddr, target: SocketAddr) -> io::Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
    let family = if source.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddr::new(source, 0))?;
    connect(&socket, &target)?;
    Ok(TcpStream::from(socket))
}
