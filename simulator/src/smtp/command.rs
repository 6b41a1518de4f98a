//! Command lines (RFC 5321 §4.1.1) and their parameters (RFC 1870, 3461, 4954, 6152, 6531).

use super::path::{self, Path};
use super::{Body, Notify, Reply, Return};

/// A command as far as its words tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `HELO domain`.
    Helo(&'a str),
    /// `EHLO domain`.
    Ehlo(&'a str),
    /// `LHLO domain` (RFC 2033 §4.1).
    Lhlo(&'a str),
    /// `MAIL FROM:`, everything behind the colon.
    Mail(&'a str),
    /// `RCPT TO:`, everything behind the colon.
    Rcpt(&'a str),
    /// `DATA`; whether something stood behind it.
    Data(bool),
    /// `BDAT`, its arguments (RFC 3030 §2).
    Bdat(&'a str),
    /// `RSET`; whether something stood behind it.
    Rset(bool),
    /// `NOOP`.
    Noop,
    /// `QUIT`.
    Quit,
    /// `VRFY`, its argument.
    Vrfy(&'a str),
    /// `ETRN`, its argument: known and not offered.
    Etrn(&'a str),
    /// `STARTTLS`; whether something stood behind it (RFC 3207 §4).
    StartTls(bool),
    /// `AUTH`, its arguments (RFC 4954 §4).
    Auth(&'a str),
    /// `MAIL` or `RCPT` without its colon, or a word where none belongs.
    Malformed(&'static str),
    /// A request of another protocol: the session ends.
    Foreign,
    /// An empty line.
    Empty,
    /// Anything else.
    Unknown,
}

/// Reads a command line without its end.
pub fn read(line: &str) -> Command<'_> {
    let line = line.trim_matches([' ', '\t']);
    if line.is_empty() {
        return Command::Empty;
    }
    let (verb, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let rest = rest.trim_start_matches([' ', '\t']);
    let more = !rest.is_empty();
    // `MAIL FROM:<a>` has its colon in the second word, but some clients leave no blank before a parameter's value.
    match verb.to_ascii_uppercase().as_str() {
        "HELO" => Command::Helo(rest),
        "EHLO" => Command::Ehlo(rest),
        "LHLO" => Command::Lhlo(rest),
        "MAIL" => after_keyword(rest, "FROM:")
            .map_or(Command::Malformed("Syntax: MAIL FROM:<address> [parameters]"), Command::Mail),
        "RCPT" => after_keyword(rest, "TO:")
            .map_or(Command::Malformed("Syntax: RCPT TO:<address> [parameters]"), Command::Rcpt),
        "DATA" => Command::Data(more),
        "BDAT" => Command::Bdat(rest),
        "RSET" => Command::Rset(more),
        "NOOP" => Command::Noop,
        "QUIT" => Command::Quit,
        "VRFY" => Command::Vrfy(rest),
        "ETRN" => Command::Etrn(rest),
        "STARTTLS" => Command::StartTls(more),
        "AUTH" => Command::Auth(rest),
        // `smtpd_forbidden_commands` of Postfix, and the rest of the same family.
        "GET" | "POST" | "PUT" | "HEAD" | "CONNECT" | "OPTIONS" | "DELETE" | "PATCH" | "TRACE" => Command::Foreign,
        _ if !line.starts_with(|c: char| c.is_ascii_alphabetic()) => Command::Foreign,
        _ => Command::Unknown,
    }
}

fn after_keyword<'a>(rest: &'a str, keyword: &str) -> Option<&'a str> {
    let head = rest.get(..keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then(|| rest.get(keyword.len()..)).flatten()
}

/// MAIL's path and parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailArguments {
    /// The reverse-path.
    pub path: Path,
    /// `SIZE`, in bytes.
    pub size: Option<u64>,
    /// `BODY`.
    pub body: Body,
    /// `SMTPUTF8`.
    pub internationalized: bool,
    /// `RET`.
    pub returned: Option<Return>,
    /// `ENVID`.
    pub identifier: Option<String>,
    /// Whether `AUTH=` was given; what it says is not trusted (RFC 4954 §5).
    pub authorized: bool,
    /// `XDELIVERY`, our own, between nodes.
    pub delivery: Option<String>,
}

/// RCPT's path and parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcptArguments {
    /// The forward-path.
    pub path: Path,
    /// `NOTIFY`.
    pub notify: Option<Notify>,
    /// `ORCPT`.
    pub original: Option<String>,
}

/// Reads what stands behind `MAIL FROM:`.
///
/// - Errors: the reply that refuses the command.
pub fn mail_arguments(text: &str) -> Result<MailArguments, Reply> {
    let (path, rest) = path::read(text);
    if path == Path::Invalid {
        return Err(Reply::new(501, (5, 1, 7), "Bad sender address syntax"));
    }
    let mut arguments = MailArguments {
        path,
        size: None,
        body: Body::SevenBit,
        internationalized: false,
        returned: None,
        identifier: None,
        authorized: false,
        delivery: None,
    };
    let mut seen = Seen::default();
    for word in rest.split([' ', '\t']).filter(|word| !word.is_empty()) {
        let (name, value) = seen.parameter(word)?;
        match (name.as_str(), value) {
            ("SIZE", Some(value)) => {
                let digits = !value.is_empty() && value.len() <= 20 && value.bytes().all(|b| b.is_ascii_digit());
                if !digits {
                    return Err(Reply::new(501, (5, 5, 4), "Bad message size syntax"));
                }
                arguments.size = Some(value.parse().unwrap_or(u64::MAX));
            }
            ("BODY", Some(value)) => {
                arguments.body = match value.to_ascii_uppercase().as_str() {
                    "7BIT" => Body::SevenBit,
                    "8BITMIME" => Body::EightBit,
                    _ => return Err(Reply::new(555, (5, 5, 4), "Unsupported option: BODY")),
                }
            }
            ("SMTPUTF8", None) => arguments.internationalized = true,
            ("RET", Some(value)) => {
                arguments.returned = Some(match value.to_ascii_uppercase().as_str() {
                    "FULL" => Return::Full,
                    "HDRS" => Return::Headers,
                    _ => return Err(Reply::new(501, (5, 5, 4), "Bad RET parameter syntax")),
                });
            }
            ("ENVID", Some(value)) if is_xtext(value) && value.len() <= 100 => {
                arguments.identifier = Some(value.to_owned());
            }
            ("ENVID", _) => return Err(Reply::new(501, (5, 5, 4), "Bad ENVID parameter syntax")),
            ("AUTH", Some(value)) if is_xtext(value) && value.len() <= 500 => arguments.authorized = true,
            ("AUTH", _) => return Err(Reply::new(501, (5, 5, 4), "Bad AUTH parameter syntax")),
            ("XDELIVERY", Some(value)) if is_xtext(value) && value.len() <= 500 => {
                arguments.delivery = Some(value.to_owned());
            }
            _ => return Err(unsupported(&name)),
        }
    }
    Ok(arguments)
}

/// Reads what stands behind `RCPT TO:`.
///
/// - Errors: the reply that refuses the command.
pub fn rcpt_arguments(text: &str) -> Result<RcptArguments, Reply> {
    let (path, rest) = path::read(text);
    if matches!(path, Path::Invalid | Path::Null) {
        return Err(Reply::new(501, (5, 1, 3), "Bad recipient address syntax"));
    }
    let mut arguments = RcptArguments { path, notify: None, original: None };
    let mut seen = Seen::default();
    for word in rest.split([' ', '\t']).filter(|word| !word.is_empty()) {
        let (name, value) = seen.parameter(word)?;
        match (name.as_str(), value) {
            ("NOTIFY", Some(value)) => {
                let notify = notify(value).ok_or_else(|| Reply::new(501, (5, 5, 4), "Bad NOTIFY parameter syntax"))?;
                arguments.notify = Some(notify);
            }
            ("ORCPT", Some(value)) if value.len() <= 500 && is_original(value) => {
                arguments.original = Some(value.to_owned());
            }
            ("ORCPT", _) => return Err(Reply::new(501, (5, 5, 4), "Bad ORCPT parameter syntax")),
            _ => return Err(unsupported(&name)),
        }
    }
    Ok(arguments)
}

/// The names of the parameters met so far: none may be given twice.
#[derive(Default)]
struct Seen(Vec<String>);

impl Seen {
    fn parameter<'a>(&mut self, word: &'a str) -> Result<(String, Option<&'a str>), Reply> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let name = name.to_ascii_uppercase();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(Reply::new(501, (5, 5, 4), "Bad parameter syntax"));
        }
        if self.0.contains(&name) {
            return Err(Reply::new(501, (5, 5, 4), format!("Parameter given twice: {name}")));
        }
        if self.0.len() >= 16 {
            return Err(Reply::new(501, (5, 5, 4), "Too many parameters"));
        }
        self.0.push(name.clone());
        Ok((name, value))
    }
}

fn unsupported(name: &str) -> Reply {
    Reply::new(555, (5, 5, 4), format!("Unsupported option: {name}"))
}

fn notify(value: &str) -> Option<Notify> {
    let value = value.to_ascii_uppercase();
    let mut notify = Notify::default();
    if value == "NEVER" {
        return Some(notify);
    }
    for word in value.split(',') {
        let flag = match word {
            "SUCCESS" => &mut notify.success,
            "FAILURE" => &mut notify.failure,
            "DELAY" => &mut notify.delay,
            _ => return None,
        };
        if std::mem::replace(flag, true) {
            return None;
        }
    }
    Some(notify)
}

/// RFC 3461 §4.2: an atom, `;`, xtext. With `utf-8` the address is in the form of RFC 6533 §3, raw UTF-8 among it.
fn is_original(value: &str) -> bool {
    let Some((kind, address)) = value.split_once(';') else { return false };
    let atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let text = if kind.eq_ignore_ascii_case("utf-8") {
        address.chars().all(|c| !c.is_control() && c != ' ')
    } else {
        is_xtext(address)
    };
    atom && !address.is_empty() && text
}

/// RFC 3461 §4: printable ASCII; `+` begins two capital hexadecimal digits and `=` must be written so.
fn is_xtext(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => {
                let hex = |byte: Option<u8>| matches!(byte, Some(b'0'..=b'9' | b'A'..=b'F'));
                if !hex(bytes.next()) || !hex(bytes.next()) {
                    return false;
                }
            }
            b'=' => return false,
            b'!'..=b'~' => {}
            _ => return false,
        }
    }
    true
}

/// Reads BDAT's arguments: the chunk's octets and whether it is the last (RFC 3030 §2).
pub fn chunk_arguments(text: &str) -> Option<(u64, bool)> {
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let size = words.next().filter(|size| size.len() <= 19 && size.bytes().all(|b| b.is_ascii_digit()))?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return None,
    };
    words.next().is_none().then_some(())?;
    Some((size.parse().ok()?, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_read_in_any_case() {
        assert_eq!(read("ehlo a.example"), Command::Ehlo("a.example"));
        assert_eq!(read("MAIL from: <a@b.example> SIZE=1"), Command::Mail(" <a@b.example> SIZE=1"));
        assert_eq!(read("rcpt To:<a@b.example>"), Command::Rcpt("<a@b.example>"));
        assert_eq!(read("DATA"), Command::Data(false));
        assert_eq!(read("DATA now"), Command::Data(true));
        assert!(matches!(read("MAIL <a@b.example>"), Command::Malformed(_)));
        assert!(matches!(read("MAIL"), Command::Malformed(_)));
        assert_eq!(read("   "), Command::Empty);
        assert_eq!(read("FOO bar"), Command::Unknown);
        for line in ["GET / HTTP/1.1", "POST / HTTP/1.1", ":colon", "\u{16}\u{3}"] {
            assert_eq!(read(line), Command::Foreign, "{line}");
        }
    }

    #[test]
    fn parameters_of_mail_are_read() {
        let mail = mail_arguments("<a@b.example> SIZE=12 body=8bitmime RET=HDRS ENVID=q+2B1 SMTPUTF8").unwrap();
        assert_eq!(mail.size, Some(12));
        assert_eq!(mail.body, Body::EightBit);
        assert_eq!(mail.returned, Some(Return::Headers));
        assert_eq!(mail.identifier.as_deref(), Some("q+2B1"));
        assert!(mail.internationalized && !mail.authorized);
    }

    #[test]
    fn wrong_parameters_have_the_codes_of_postfix() {
        for (text, code) in [
            ("<a@b.example> SIZE=x", 501),
            ("<a@b.example> SIZE=", 501),
            ("<a@b.example> SIZE", 555),
            ("<a@b.example> SIZE=1 SIZE=2", 501),
            ("<a@b.example> BODY=BINARYMIME", 555),
            ("<a@b.example> RET=ALL", 501),
            ("<a@b.example> ENVID=a+2b", 501),
            ("<a@b.example> FOO=1", 555),
            ("<a@b.example> =1", 501),
            ("<a b>", 501),
        ] {
            assert_eq!(mail_arguments(text).unwrap_err().code, code, "{text}");
        }
        for (text, code) in [
            ("<a@b.example> NOTIFY=NEVER,SUCCESS", 501),
            ("<a@b.example> NOTIFY=SUCCESS,SUCCESS", 501),
            ("<a@b.example> NOTIFY=", 501),
            ("<a@b.example> ORCPT=a@b.example", 501),
            ("<a@b.example> SIZE=1", 555),
            ("<>", 501),
        ] {
            assert_eq!(rcpt_arguments(text).unwrap_err().code, code, "{text}");
        }
    }

    #[test]
    fn parameters_of_rcpt_are_read() {
        let rcpt = rcpt_arguments("<a@b.example> NOTIFY=success,Delay ORCPT=rfc822;a+2Bb@b.example").unwrap();
        assert_eq!(rcpt.notify, Some(Notify { success: true, failure: false, delay: true }));
        assert_eq!(rcpt.original.as_deref(), Some("rfc822;a+2Bb@b.example"));
        assert_eq!(rcpt_arguments("<a@b.example> NOTIFY=NEVER").unwrap().notify, Some(Notify::default()));
    }

    #[test]
    fn a_chunk_is_a_number_and_perhaps_last() {
        assert_eq!(chunk_arguments("86 LAST"), Some((86, true)));
        assert_eq!(chunk_arguments("0 last"), Some((0, true)));
        assert_eq!(chunk_arguments("86"), Some((86, false)));
        for text in ["", "LAST", "-1", "+1", "1 FIRST", "1 LAST x", "99999999999999999999", "0x10"] {
            assert_eq!(chunk_arguments(text), None, "{text}");
        }
    }
}
