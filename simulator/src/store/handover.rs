//! The line with which an access host hands a signed-in connection to the store host.
//!
//! ```text
//! MAILWRIGHT-STORE 1 imap tag=a1 tls=yes peer=192.0.2.7 user=alice@acme.example quota=1073741824 CR LF
//! ```
//! The fields stand in this order, each once; `quota=-` is no limit, POP3 and ManageSieve have `tag=-`. In `tag` and `user` every byte but
//! letters, digits and `@._-+` is `%` and two hexadecimal digits. Behind the line both hosts pass on what client and
//! store say, the client's bytes that came with its sign-in first. The store speaks at once: it gives the sign-in its
//! answer. The line is believed because only access hosts reach the store's port.

use std::net::IpAddr;

use values::MailAddress;

use crate::directory::Service;

const GREETING: &str = "MAILWRIGHT-STORE";
const VERSION: &str = "1";

/// Longest line, with its end, in bytes.
pub const MAX_LINE: usize = 4096;

/// Who hands over whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// [`Service::Imap`], [`Service::Pop3`] or [`Service::Sieve`].
    pub service: Service,
    /// Tag of the IMAP command that signed in; empty for the others.
    pub tag: String,
    /// Whether the client speaks TLS.
    pub tls: bool,
    /// The client's address.
    pub peer: IpAddr,
    /// The mailbox's main address.
    pub user: MailAddress,
    /// Bytes the mailbox may hold; `None` for no limit.
    pub quota: Option<u64>,
}

/// Why a line is no preamble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection does not begin with a store preamble")]
pub struct PreambleError;

impl Preamble {
    /// Writes the line, its end included.
    pub fn encode(&self) -> Vec<u8> {
        let service = match self.service {
            Service::Pop3 => "pop3",
            Service::Sieve => "sieve",
            _ => "imap",
        };
        let tag = if self.tag.is_empty() { "-".to_owned() } else { escape(&self.tag) };
        let quota = self.quota.map_or_else(|| "-".to_owned(), |quota| quota.to_string());
        let tls = if self.tls { "yes" } else { "no" };
        let (peer, user) = (self.peer, escape(&self.user.to_string()));
        format!("{GREETING} {VERSION} {service} tag={tag} tls={tls} peer={peer} user={user} quota={quota}\r\n")
            .into_bytes()
    }

    /// Takes the line from the beginning of what an access host sent.
    ///
    /// - Returns: the preamble and how many bytes it took; `None` while the line is not whole.
    /// - Errors: the line is none, or longer than [`MAX_LINE`].
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, PreambleError> {
        let Some(end) = bytes.iter().take(MAX_LINE).position(|byte| *byte == b'\n') else {
            return if bytes.len() >= MAX_LINE { Err(PreambleError) } else { Ok(None) };
        };
        let line = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(PreambleError)?;
        let line = std::str::from_utf8(line).map_err(|_| PreambleError)?;
        Self::parse(line).map(|preamble| Some((preamble, end + 1))).ok_or(PreambleError)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        if fields.next()? != GREETING || fields.next()? != VERSION {
            return None;
        }
        let service = match fields.next()? {
            "imap" => Service::Imap,
            "pop3" => Service::Pop3,
            "sieve" => Service::Sieve,
            _ => return None,
        };
        let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
        let tag = match (service, field("tag")?) {
            (Service::Pop3 | Service::Sieve, "-") => String::new(),
            (Service::Imap, "-" | "") | (Service::Pop3 | Service::Sieve, _) => return None,
            (_, tag) => unescape(tag)?,
        };
        let tls = match field("tls")? {
            "yes" => true,
            "no" => false,
            _ => return None,
        };
        let peer = field("peer")?.parse().ok()?;
        let user = unescape(field("user")?)?.parse().ok()?;
        let quota = match field("quota")? {
            "-" => None,
            bytes => Some(bytes.parse().ok()?),
        };
        fields.next().is_none().then_some(Self { service, tag, tls, peer, user, quota })
    }
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"@._-+".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    // A lone dash stands for nothing.
    if out == "-" { "%2D".to_owned() } else { out }
}

fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
            out.push(high << 4 | low);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn preamble(tag: &str) -> Preamble {
        Preamble {
            service: if tag.is_empty() { Service::Pop3 } else { Service::Imap },
            tag: tag.to_owned(),
            tls: true,
            peer: IpAddr::from([192, 0, 2, 7]),
            user: "alice@acme.example".parse().expect("an address"),
            quota: Some(5),
        }
    }

    #[test]
    fn a_preamble_is_one_line_whatever_the_tag_holds() {
        for tag in ["a1", "", "-", "a b\r\nuser=x", "%", "{5}"] {
            let line = preamble(tag).encode();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "{tag:?}");
            let mut bytes = line.clone();
            bytes.extend_from_slice(b"a2 NOOP\r\n");
            assert_eq!(Preamble::decode(&bytes), Ok(Some((preamble(tag), line.len()))));
            assert_eq!(Preamble::decode(&bytes[..line.len() - 1]), Ok(None));
        }
    }

    #[test]
    fn what_is_no_preamble_is_refused() {
        for line in ["a1 LOGIN x y\r\n", "MAILWRIGHT-STORE 2 imap\r\n", "\r\n", "MAILWRIGHT-STORE 1 imap tag=a\n"] {
            assert_eq!(Preamble::decode(line.as_bytes()), Err(PreambleError), "{line:?}");
        }
        assert_eq!(Preamble::decode(&[b'x'; MAX_LINE]), Err(PreambleError));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Preamble::decode(&bytes);
            let mut line = b"MAILWRIGHT-STORE 1 imap tag=a tls=yes peer=::1 user=".to_vec();
            line.extend(bytes);
            line.extend(b" quota=-\r\n");
            let _ = Preamble::decode(&line);
        }
    }
}
