//! Questions to a resolver outside: the TXT records of a name (RFC 1035, RFC 6891).
//!
//! What comes back was written by whoever holds the name, or by somebody on the way: it is read within bounds, and only an answer to
//! this very question counts.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable};

/// Where the machine says whom it asks.
const CONFIGURATION: &str = "/etc/resolv.conf";
/// As many of its name servers are asked as by the C library (resolv.conf(5)).
const MOST_SERVERS: usize = 3;
/// A datagram may be lost, so it is sent again.
const ROUNDS: u32 = 3;
/// The octets of a datagram that pass everywhere in one piece (RFC 9715).
const DATAGRAM: u16 = 1_232;

/// Why nobody can tell what records a name has.
#[derive(Debug, thiserror::Error)]
pub enum ResolverFailure {
    /// The machine's configuration could not be read.
    #[error("could not read {CONFIGURATION}")]
    Configuration(#[source] std::io::Error),
    /// It names nobody who could be asked.
    #[error("{CONFIGURATION} names no name server")]
    NoServer,
    /// The name is none that could be asked for.
    #[error("{0} is too long for a name in DNS")]
    Name(String),
    /// The question could not be put.
    #[error("could not ask {server}")]
    Ask {
        /// Who was asked.
        server: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nobody answered in time.
    #[error("no answer from {server}")]
    Silence {
        /// Who was asked last.
        server: SocketAddr,
    },
    /// The answer was that there is none.
    #[error("{server} answered {code}")]
    Refused {
        /// Who was asked.
        server: SocketAddr,
        /// What it said, such as `SERVFAIL`.
        code: String,
    },
    /// The answer cannot be read.
    #[error("{server} answered something that cannot be read")]
    Unreadable {
        /// Who was asked.
        server: SocketAddr,
    },
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
}

impl Resolver {
    /// Asks one resolver.
    pub fn at(server: SocketAddr) -> Self {
        Self { servers: vec![server] }
    }

    /// Asks those that the machine asks.
    pub fn of_machine() -> Result<Self, ResolverFailure> {
        Self::of_file(Path::new(CONFIGURATION))
    }

    fn of_file(path: &Path) -> Result<Self, ResolverFailure> {
        let servers = servers(&fs::read(path).map_err(ResolverFailure::Configuration)?);
        if servers.is_empty() { Err(ResolverFailure::NoServer) } else { Ok(Self { servers }) }
    }

    /// Returns the TXT records of a name, each with its parts put together; none where there is no such name.
    ///
    /// - `patience`: how long all of it may take.
    /// - Errors: nobody gave an answer that can be relied on; whether there are records is not known then.
    pub fn texts(&self, name: &str, patience: Duration) -> Result<Vec<String>, ResolverFailure> {
        let question = Question::new(name).ok_or_else(|| ResolverFailure::Name(name.to_owned()))?;
        let end = Instant::now() + patience;
        let turns = ROUNDS * u32::try_from(self.servers.len()).unwrap_or(1).max(1);
        let mut failure = ResolverFailure::NoServer;
        for _ in 0..ROUNDS {
            for &server in &self.servers {
                match question.put(server, end.min(Instant::now() + patience / turns)) {
                    Ok(texts) => return Ok(texts),
                    Err(why) => failure = why,
                }
            }
            // Who refuses once does so again.
            if Instant::now() >= end || matches!(failure, ResolverFailure::Refused { .. }) {
                break;
            }
        }
        Err(failure)
    }
}

/// Reads whom a configuration names (resolv.conf(5)); what cannot be read is passed over, as the C library does.
fn servers(configuration: &[u8]) -> Vec<SocketAddr> {
    let text = String::from_utf8_lossy(configuration);
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("nameserver") {
            return None;
        }
        words.next()?.parse::<IpAddr>().ok()
    });
    addresses.take(MOST_SERVERS).map(|address| SocketAddr::new(address, 53)).collect()
}

/// A question for TXT records, told from all others by a number that nobody can guess.
struct Question {
    id: u16,
    query: Query,
    bytes: Vec<u8>,
}

impl Question {
    fn new(name: &str) -> Option<Self> {
        let mut name = Name::from_ascii(name).ok()?;
        name.set_fqdn(true);
        let mut number = [0; 2];
        aws_lc_rs::rand::fill(&mut number).ok()?;
        let id = u16::from_be_bytes(number);
        let query = Query::query(name, RecordType::TXT);
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(query.clone());
        let mut edns = Edns::new();
        edns.set_max_payload(DATAGRAM);
        edns.set_version(0);
        message.set_edns(edns);
        Some(Self { id, query, bytes: message.to_bytes().ok()? })
    }

    fn put(&self, server: SocketAddr, end: Instant) -> Result<Vec<String>, ResolverFailure> {
        let asking = |source| ResolverFailure::Ask { server, source };
        let own: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((own, 0)).map_err(asking)?;
        socket.connect(server).map_err(asking)?;
        socket.send(&self.bytes).map_err(asking)?;
        let mut answer = vec![0; usize::from(u16::MAX)];
        loop {
            socket.set_read_timeout(Some(left(server, end)?)).map_err(asking)?;
            match socket.recv(&mut answer) {
                Ok(length) => match self.read(server, answer.get(..length).unwrap_or_default()) {
                    Some(Said::Texts(texts)) => return Ok(texts),
                    Some(Said::Failure(failure)) => return Err(failure),
                    Some(Said::ComeByStream) => return self.by_stream(server, end),
                    // Not to this question: the answer may still come.
                    None => {}
                },
                Err(error) if is_late(&error) => return Err(ResolverFailure::Silence { server }),
                Err(error) => return Err(asking(error)),
            }
        }
    }

    /// Puts the question over TCP, since the answer is too long for a datagram (RFC 7766).
    fn by_stream(&self, server: SocketAddr, end: Instant) -> Result<Vec<String>, ResolverFailure> {
        let asking = |source: std::io::Error| match is_late(&source) {
            true => ResolverFailure::Silence { server },
            false => ResolverFailure::Ask { server, source },
        };
        let mut stream = TcpStream::connect_timeout(&server, left(server, end)?).map_err(asking)?;
        let length = u16::try_from(self.bytes.len()).unwrap_or(u16::MAX);
        let framed = [&length.to_be_bytes(), self.bytes.as_slice()].concat();
        stream.set_write_timeout(Some(left(server, end)?)).map_err(asking)?;
        stream.write_all(&framed).map_err(asking)?;
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        loop {
            if let Some((length, rest)) = answer.split_first_chunk::<2>()
                && let Some(whole) = rest.get(..usize::from(u16::from_be_bytes(*length)))
            {
                return match self.read(server, whole) {
                    Some(Said::Texts(texts)) => Ok(texts),
                    Some(Said::Failure(failure)) => Err(failure),
                    Some(Said::ComeByStream) | None => Err(ResolverFailure::Unreadable { server }),
                };
            }
            stream.set_read_timeout(Some(left(server, end)?)).map_err(asking)?;
            match stream.read(&mut piece).map_err(asking)? {
                0 => return Err(ResolverFailure::Unreadable { server }),
                length => answer.extend_from_slice(piece.get(..length).unwrap_or_default()),
            }
        }
    }

    /// Reads an answer; nothing where it is none to this question.
    fn read(&self, server: SocketAddr, bytes: &[u8]) -> Option<Said> {
        if bytes.get(..2) != Some(self.id.to_be_bytes().as_slice()) {
            return None;
        }
        let Ok(answer) = Message::from_bytes(bytes) else {
            return Some(Said::Failure(ResolverFailure::Unreadable { server }));
        };
        if answer.metadata.message_type != MessageType::Response {
            return None;
        }
        // Who cannot read a question may leave it out of its answer.
        if !answer.queries.is_empty() && answer.queries.as_slice() != std::slice::from_ref(&self.query) {
            return None;
        }
        Some(match answer.metadata.response_code {
            _ if answer.metadata.truncation => Said::ComeByStream,
            ResponseCode::NXDomain => Said::Texts(Vec::new()),
            ResponseCode::NoError if answer.queries.is_empty() => Said::Failure(ResolverFailure::Unreadable { server }),
            ResponseCode::NoError => Said::Texts(texts(&answer, self.query.name())),
            code => Said::Failure(ResolverFailure::Refused { server, code: code.to_string() }),
        })
    }
}

enum Said {
    Texts(Vec<String>),
    ComeByStream,
    Failure(ResolverFailure),
}

/// Returns the texts of a name, and of what it is another name for.
fn texts(answer: &Message, name: &Name) -> Vec<String> {
    let mut names = vec![name];
    // A chain is as long as there are records at most, in whatever order they come.
    loop {
        let before = names.len();
        for record in &answer.answers {
            if let RData::CNAME(target) = &record.data
                && names.contains(&&record.name)
                && !names.contains(&&target.0)
            {
                names.push(&target.0);
            }
        }
        if names.len() == before {
            break;
        }
    }
    let found = answer.answers.iter().filter(|record| names.contains(&&record.name));
    let texts = found.filter_map(|record| match &record.data {
        RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
        _ => None,
    });
    texts.collect()
}

fn left(server: SocketAddr, end: Instant) -> Result<Duration, ResolverFailure> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ResolverFailure::Silence { server }) } else { Ok(left) }
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{CNAME, TXT};
    use proptest::prelude::*;

    use super::*;

    /// Long enough for a machine that does other things as well; what is waited for comes at once.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Answers datagrams on loopback, as many as are said.
    fn server(answers: impl Fn(&Message) -> Vec<Vec<u8>> + Send + 'static, questions: usize) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 2048];
            for _ in 0..questions {
                let (length, from) = socket.recv_from(&mut bytes).unwrap();
                let question = Message::from_bytes(&bytes[..length]).unwrap();
                for answer in answers(&question) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        address
    }

    fn answer_to(question: &Message) -> Message {
        let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
        answer.queries.clone_from(&question.queries);
        answer
    }

    fn name(text: &str) -> Name {
        let mut name = Name::from_ascii(text).unwrap();
        name.set_fqdn(true);
        name
    }

    fn text(owner: &str, parts: &[&str]) -> Record {
        let parts = parts.iter().map(|part| (*part).to_owned()).collect();
        Record::from_rdata(name(owner), 60, RData::TXT(TXT::new(parts)))
    }

    #[test]
    fn texts_are_put_together_and_followed_to_where_a_name_leads() {
        let address = server(
            |question| {
                let mut answer = answer_to(question);
                let leads = RData::CNAME(CNAME(name("keys.elsewhere.net")));
                answer.add_answer(text("keys.elsewhere.net", &["one ", "two"]));
                answer.add_answer(Record::from_rdata(name("_Mailwright.acme.net"), 60, leads));
                answer.add_answer(text("_mailwright.other.net", &["not asked for"]));
                vec![answer.to_bytes().unwrap()]
            },
            1,
        );
        assert_eq!(Resolver::at(address).texts("_mailwright.acme.net", PATIENCE).unwrap(), ["one two"]);
    }

    #[test]
    fn only_an_answer_to_this_very_question_counts() {
        let address = server(
            |question| {
                let forged = |change: &dyn Fn(&mut Message)| {
                    let mut answer = answer_to(question);
                    answer.add_answer(text("acme.net", &["forged"]));
                    change(&mut answer);
                    answer.to_bytes().unwrap()
                };
                let mut good = answer_to(question);
                good.add_answer(text("acme.net", &["good"]));
                vec![
                    b"no message".to_vec(),
                    forged(&|answer| answer.metadata.id ^= 1),
                    forged(&|answer| answer.metadata.message_type = MessageType::Query),
                    forged(&|answer| answer.queries = vec![Query::query(name("other.net"), RecordType::TXT)]),
                    forged(&|answer| answer.queries = vec![Query::query(name("acme.net"), RecordType::A)]),
                    good.to_bytes().unwrap(),
                ]
            },
            1,
        );
        assert_eq!(Resolver::at(address).texts("acme.net", PATIENCE).unwrap(), ["good"]);
    }

    #[test]
    fn a_name_that_is_not_there_has_no_texts_and_a_server_in_trouble_says_nothing() {
        let with = |code: ResponseCode| {
            let address = server(
                move |question| {
                    let mut answer = answer_to(question);
                    answer.metadata.response_code = code;
                    vec![answer.to_bytes().unwrap()]
                },
                1,
            );
            Resolver::at(address).texts("acme.net", PATIENCE)
        };
        assert_eq!(with(ResponseCode::NXDomain).unwrap(), [""; 0]);
        assert_eq!(with(ResponseCode::NoError).unwrap(), [""; 0]);
        for code in [ResponseCode::ServFail, ResponseCode::Refused] {
            assert!(matches!(with(code), Err(ResolverFailure::Refused { .. })), "{code}");
        }
    }

    #[test]
    fn an_answer_too_long_for_a_datagram_is_fetched_by_stream() {
        // The port of the one may be taken for the other.
        let both = std::iter::repeat_with(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let socket = UdpSocket::bind(listener.local_addr().unwrap());
            Some((listener, socket.ok()?))
        });
        let (listener, socket) = both.flatten().next().unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 2048];
            let (length, from) = socket.recv_from(&mut bytes).unwrap();
            let mut cut = answer_to(&Message::from_bytes(&bytes[..length]).unwrap());
            cut.metadata.truncation = true;
            socket.send_to(&cut.to_bytes().unwrap(), from).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut question).unwrap();
            let mut answer = answer_to(&Message::from_bytes(&question).unwrap());
            for _ in 0..40 {
                answer.add_answer(text("acme.net", &["a text of some length, of which there are many here"]));
            }
            let answer = answer.to_bytes().unwrap();
            stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        });
        assert_eq!(Resolver::at(address).texts("acme.net", PATIENCE).unwrap().len(), 40);
    }

    #[test]
    fn silence_is_told_within_the_time_and_the_next_server_is_asked() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mute = silent.local_addr().unwrap();
        let begun = Instant::now();
        let failure = Resolver::at(mute).texts("acme.net", Duration::from_millis(300)).unwrap_err();
        assert!(matches!(failure, ResolverFailure::Silence { .. }), "{failure}");
        assert!(begun.elapsed() < Duration::from_secs(30), "it took {:?}", begun.elapsed());
        let speaks = server(
            |question| {
                let mut answer = answer_to(question);
                answer.add_answer(text("acme.net", &["good"]));
                vec![answer.to_bytes().unwrap()]
            },
            100,
        );
        let both = Resolver { servers: vec![mute, speaks] };
        assert_eq!(both.texts("acme.net", Duration::from_secs(12)).unwrap(), ["good"]);
    }

    #[test]
    fn the_machines_servers_are_read_as_the_c_library_reads_them() {
        let found = servers(b"# nameserver 192.0.2.1\nsearch acme.net\nnameserver\t192.0.2.2  # here\nnameserver nonsense\n\xff\nnameserver 2001:db8::1\n\
                              nameserver 192.0.2.3\nnameserver 192.0.2.4\n");
        let expected = ["192.0.2.2:53", "[2001:db8::1]:53", "192.0.2.3:53"];
        assert_eq!(found, expected.map(|address| address.parse().unwrap()));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), mine: bool) {
            let question = Question::new("acme.net").unwrap();
            let mut bytes = bytes;
            if mine && bytes.len() > 2 {
                bytes[..2].copy_from_slice(&question.id.to_be_bytes());
            }
            let _ = question.read("192.0.2.1:53".parse().unwrap(), &bytes);
        }
    }
}
