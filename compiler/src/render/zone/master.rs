//! A typed writer for master files.
//!
//! Source: RFC 1035 §5.1. Names are absolute, so that no `$ORIGIN` can be misread. A text is cut into quoted strings of at most
//! 255 octets (RFC 1035 §3.3.14); everything but printable ASCII, quotes and backslashes stands as `\DDD`.

use std::fmt::{self, Write as _};

use blueprint::dns::{Data, Record, Zone};
use blueprint::{File, Piece};

/// Octets of one string.
const STRING: usize = 255;

/// Returns a zone's file; the public halves of signing keys are holes.
pub fn file(zone: &Zone, serial: u32) -> File {
    let mut pieces = Pieces::default();
    let (primary, contact) = &zone.authority;
    // Secondaries ask every hour, and try again after a quarter of one; what is not there is asked for again when what is there is.
    let times = format!("3600 900 1209600 {}", zone.ttl);
    pieces.line(&Name(&zone.name), zone.ttl, format_args!("SOA {primary}. {} {serial} {times}", Name(contact)));
    for record in &zone.records {
        write_record(&mut pieces, record, zone.ttl, "");
    }
    File { pieces: pieces.finish(), ..File::text("") }
}

/// Writes one record as a line; those of a server's keys may be several.
///
/// - `lead`: what each line begins with.
pub(super) fn write_record(pieces: &mut Pieces, record: &Record, ttl: u32, lead: &str) {
    let owner = Name(&record.name);
    if let Data::ServerKeys(key) = &record.data {
        return pieces.piece(Piece::ServerKeys { key: key.clone(), line: format!("{lead}{owner} {ttl} IN TLSA ") });
    }
    pieces.text(format_args!("{lead}"));
    match &record.data {
        Data::ServerKeys(_) => {}
        Data::SigningKey(key) => {
            pieces.text(format_args!("{owner} {ttl} IN TXT "));
            pieces.piece(Piece::DkimRecord(key.clone()));
            pieces.text(format_args!("\n"));
        }
        Data::Server(host) => pieces.line(&owner, ttl, format_args!("NS {host}.")),
        Data::Address(address @ std::net::IpAddr::V4(_)) => pieces.line(&owner, ttl, format_args!("A {address}")),
        Data::Address(address @ std::net::IpAddr::V6(_)) => pieces.line(&owner, ttl, format_args!("AAAA {address}")),
        Data::Alias(name) => pieces.line(&owner, ttl, format_args!("CNAME {}", Name(name))),
        Data::Exchanger(preference, host) => pieces.line(&owner, ttl, format_args!("MX {preference} {host}.")),
        Data::Service { priority, port, host } => {
            pieces.line(&owner, ttl, format_args!("SRV {priority} 1 {port} {host}."));
        }
        Data::Text(text) => pieces.line(&owner, ttl, format_args!("TXT {}", Strings(text.as_bytes()))),
        Data::Pointer(host) => pieces.line(&owner, ttl, format_args!("PTR {host}.")),
        Data::Certification(tag, value) => {
            pieces.line(&owner, ttl, format_args!("CAA 0 {tag} {}", Quoted(value.as_bytes())));
        }
    }
}

/// A file being put together, with as few pieces as it has holes.
#[derive(Default)]
pub(super) struct Pieces {
    done: Vec<Piece>,
    text: String,
}

impl Pieces {
    /// Adds a record's line.
    fn line(&mut self, owner: &Name<'_>, ttl: u32, data: fmt::Arguments<'_>) {
        self.text(format_args!("{owner} {ttl} IN {data}\n"));
    }

    /// Adds text.
    pub(super) fn text(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(text);
    }

    /// Adds a hole.
    pub(super) fn piece(&mut self, piece: Piece) {
        self.flush();
        self.done.push(piece);
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.done.push(Piece::Bytes(std::mem::take(&mut self.text).into_bytes()));
        }
    }

    /// Returns the pieces.
    pub(super) fn finish(mut self) -> Vec<Piece> {
        self.flush();
        self.done
    }
}

/// An absolute name, which is written with the dot at its end.
///
/// Names of zones come from host names and labels of ours; whatever else might be in one is escaped (a backslash begins an
/// escape that is there already).
pub(super) struct Name<'n>(pub(super) &'n str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'\\' => {
                    f.write_char(char::from(byte))?
                }
                other => write!(f, "\\{other:03}")?,
            }
        }
        f.write_char('.')
    }
}

/// Octets as one quoted string.
struct Quoted<'t>(&'t [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for byte in self.0 {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(*byte))?,
                b' '..=b'~' => f.write_char(char::from(*byte))?,
                other => write!(f, "\\{other:03}")?,
            }
        }
        f.write_char('"')
    }
}

/// Octets as the strings of a `TXT` record; there is always one.
struct Strings<'t>(&'t [u8]);

impl fmt::Display for Strings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("\"\"");
        }
        self.0.chunks(STRING).enumerate().try_for_each(|(index, chunk)| {
            let separator = if index == 0 { "" } else { " " };
            write!(f, "{separator}{}", Quoted(chunk))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(text: &str) -> Zone {
        Zone {
            name: "acme.example".to_owned(),
            held: blueprint::dns::Held::Platform,
            ttl: 60,
            authority: ("ns.acme.example".parse().unwrap(), "host\\046master.acme.example".to_owned()),
            records: vec![
                Record { name: "acme.example".to_owned(), data: Data::Server("ns.acme.example".parse().unwrap()) },
                Record { name: "acme.example".to_owned(), data: Data::Text(text.to_owned()) },
                Record { name: "ns.acme.example".to_owned(), data: Data::Address("192.0.2.1".parse().unwrap()) },
            ],
        }
    }

    fn written(zone: &Zone) -> String {
        String::from_utf8(file(zone, 7).unfilled().0).unwrap()
    }

    /// Reads the strings of a `TXT` line as RFC 1035 §5.1 says.
    fn read(line: &str) -> Vec<Vec<u8>> {
        let mut strings = Vec::new();
        let mut bytes = line.bytes().peekable();
        while let Some(byte) = bytes.next() {
            if byte != b'"' {
                assert_eq!(byte, b' ');
                continue;
            }
            let mut string = Vec::new();
            loop {
                match bytes.next().expect("a string ends") {
                    b'"' => break,
                    b'\\' => match bytes.next().expect("something is escaped") {
                        digit @ b'0'..=b'9' => {
                            let more = [digit, bytes.next().unwrap(), bytes.next().unwrap()];
                            string.push(String::from_utf8_lossy(&more).parse::<u8>().unwrap());
                        }
                        other => string.push(other),
                    },
                    other => string.push(other),
                }
            }
            strings.push(string);
        }
        strings
    }

    #[test]
    fn a_zone_is_written_with_absolute_names() {
        assert_eq!(
            written(&zone("v=spf1 -all")),
            "acme.example. 60 IN SOA ns.acme.example. host\\046master.acme.example. 7 3600 900 1209600 60\n\
             acme.example. 60 IN NS ns.acme.example.\n\
             acme.example. 60 IN TXT \"v=spf1 -all\"\n\
             ns.acme.example. 60 IN A 192.0.2.1\n"
        );
    }

    proptest! {
        #[test]
        fn a_text_reads_back_as_it_was_meant_and_adds_no_record(
            before in "\\PC{0,300}", hostile in "[\\n\\r\\x00 \\t;()@$\"'\\\\\u{2028}a0]{0,12}", after in "\\PC{0,300}",
        ) {
            let meant = format!("{before}{hostile}{after}");
            let text = written(&zone(&meant));
            prop_assert_eq!(text.lines().count(), 4);
            let line = text.lines().nth(2).unwrap().strip_prefix("acme.example. 60 IN TXT ").unwrap();
            let strings = read(line);
            prop_assert!(strings.iter().all(|string| string.len() <= 255));
            prop_assert_eq!(strings.concat(), meant.into_bytes());
        }
    }
}
