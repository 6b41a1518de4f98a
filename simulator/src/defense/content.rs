//! Looking into a message's parts for what must not pass.

use super::archive;
use super::{Findings, Limits, Symbol};
use crate::mime::{self, Encoding, Excess, Part};

/// What finding the test string for unsolicited mail is called.
pub(super) const GTUBE_SYMBOL: &str = "GTUBE";

/// The two test strings, in halves, so that this text is not what it looks for.
const GTUBE: (&str, &str) = ("XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-", "STANDARD-ANTI-UBE-TEST-EMAIL*C.34X");
const EICAR: (&str, &str) = ("X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-", "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*");

/// What the test virus is called.
const EICAR_NAME: &str = "Eicar-Test-Signature";

/// Endings of files that run when they are opened.
const EXECUTABLE: [&str; 16] = [
    ".exe", ".scr", ".com", ".pif", ".bat", ".cmd", ".vbs", ".vbe", ".js", ".jse", ".wsf", ".hta", ".lnk", ".jar",
    ".msi", ".ps1",
];

/// Looks at every part of a message.
pub(super) fn scan(message: &[u8], limits: &Limits, findings: &mut Findings) {
    let mut scan = Scan {
        limits,
        decoded: 0,
        archives: archive::Budget {
            bytes: limits.unpacked_bytes,
            reading: limits.decoded_bytes,
            entries: limits.archive_entries,
        },
        gtube: false,
        eicar: false,
        encrypted: false,
        executable: false,
        unscannable: None,
    };
    // Once as it is: no reading of its structure can hide what stands in it plainly.
    scan.octets(message);
    scan.message(message, 0);
    if scan.gtube {
        findings.symbols.push(Symbol::new(GTUBE_SYMBOL, 1_000_000, "it holds the test string for unsolicited mail"));
    }
    if scan.executable {
        findings.symbols.push(Symbol::new("EXECUTABLE_ATTACHMENT", 3_000, "an attachment runs when it is opened"));
    }
    if scan.encrypted {
        findings.symbols.push(Symbol::new("ENCRYPTED_ARCHIVE", 1_000, "an archive is encrypted and was not scanned"));
    }
    if scan.eicar {
        findings.virus = Some(EICAR_NAME.to_owned());
    }
    if let Some(why) = scan.unscannable {
        findings.symbols.push(Symbol::new("UNSCANNABLE", 0, format!("it was not read to its end: {why}")));
        findings.unscannable = Some(why.to_owned());
    }
}

struct Scan<'a> {
    limits: &'a Limits,
    decoded: u64,
    archives: archive::Budget,
    gtube: bool,
    eicar: bool,
    encrypted: bool,
    executable: bool,
    unscannable: Option<&'static str>,
}

impl Scan<'_> {
    fn octets(&mut self, bytes: &[u8]) {
        self.gtube = self.gtube || holds(bytes, b'*', GTUBE);
        self.eicar = self.eicar || holds(bytes, b'$', EICAR);
    }

    fn message(&mut self, message: &[u8], depth: usize) {
        if depth > self.limits.depth {
            self.unscannable.get_or_insert("messages and archives too deep in each other");
            return;
        }
        let structure = mime::parse(message, self.limits.structure);
        match structure.excess {
            Some(Excess::Parts) => {
                self.unscannable.get_or_insert("too many parts");
            }
            Some(Excess::Depth) => {
                self.unscannable.get_or_insert("parts too deep in each other");
            }
            None => {}
        }
        self.part(message, &structure.root, depth);
    }

    /// Looks at a part and those in it; their depth is bounded by the limits of the structure.
    fn part(&mut self, message: &[u8], part: &Part, depth: usize) {
        if let Some(name) = part.file_name(message) {
            let name = name.trim().to_lowercase();
            self.executable = self.executable || EXECUTABLE.iter().any(|ending| name.ends_with(ending));
        }
        for child in &part.children {
            self.part(message, child, depth);
        }
        if part.children.is_empty() {
            self.leaf(message, part, depth);
        }
        if is_doubtful(message, part) {
            self.salvage(part.body_bytes(message), depth);
        }
    }

    /// Decodes each stretch between empty lines both ways: where two programs may see different parts, none is trusted.
    fn salvage(&mut self, body: &[u8], depth: usize) {
        self.decoded = self.decoded.saturating_add(body.len() as u64 * 2);
        if self.decoded > self.limits.decoded_bytes {
            self.unscannable.get_or_insert("too much to decode");
            return;
        }
        let mut rest = body;
        while !rest.is_empty() {
            let (end, next) = mime::header::split(rest);
            let stretch = rest.get(..end).unwrap_or_default();
            for encoding in [Encoding::Base64, Encoding::QuotedPrintable] {
                let decoded = encoding.decode(stretch);
                self.octets(&decoded);
                self.file(&decoded, depth);
            }
            rest = rest.get(next..).unwrap_or_default();
        }
    }

    fn leaf(&mut self, message: &[u8], part: &Part, depth: usize) {
        let body = part.body_bytes(message);
        if !part.encoding.is_encoded() {
            return self.file(body, depth);
        }
        // Decoding gives no more than it takes, but the same octets may be decoded once on each level of messages in messages.
        self.decoded = self.decoded.saturating_add(body.len() as u64);
        if self.decoded > self.limits.decoded_bytes {
            self.unscannable.get_or_insert("too much to decode");
            return;
        }
        let decoded = part.encoding.decode(body);
        self.octets(&decoded);
        if part.is_message() || part.is_multipart() {
            // Forbidden by RFC 2045 §6.4, and opened by programs all the same. A multipart's boundary is only in its header.
            let mut whole = Vec::with_capacity(decoded.len() + 200);
            if part.is_multipart() {
                let boundary = part.content_type.parameter("boundary").unwrap_or_default().replace(['"', '\\'], "");
                whole.extend_from_slice(
                    format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n").as_bytes(),
                );
            }
            whole.extend_from_slice(&decoded);
            self.message(&whole, depth + 1);
        } else {
            self.file(&decoded, depth);
        }
    }

    /// Looks into a file that may be an archive.
    fn file(&mut self, bytes: &[u8], depth: usize) {
        if !archive::is_archive(bytes) {
            return;
        }
        if depth > self.limits.depth {
            self.unscannable.get_or_insert("messages and archives too deep in each other");
            return;
        }
        let mut budget = self.archives;
        let opened = archive::each_file(bytes, &mut budget, &mut |file, left| {
            self.archives = *left;
            self.octets(file);
            self.file(file, depth + 1);
            *left = self.archives;
        });
        self.archives = budget;
        match opened {
            archive::Opened::All => {}
            archive::Opened::Encrypted => self.encrypted = true,
            archive::Opened::TooMuch => {
                self.unscannable.get_or_insert("an archive unpacks to too much");
            }
        }
    }
}

/// Tells whether programs may disagree on what a part holds: its type or encoding stands more than once or is unheard of, or its
/// boundary is nowhere.
fn is_doubtful(message: &[u8], part: &Part) -> bool {
    let (mut types, mut encodings) = (0, 0);
    for field in mime::header::fields(part.header_bytes(message)) {
        types += usize::from(field.is("Content-Type"));
        encodings += usize::from(field.is("Content-Transfer-Encoding"));
    }
    let lost = part.is_multipart() && part.children.is_empty();
    types > 1 || encodings > 1 || lost || matches!(part.encoding, Encoding::Other(_))
}

/// Looks for a string, going from one rare octet of it to the next.
fn holds(bytes: &[u8], rare: u8, (head, tail): (&str, &str)) -> bool {
    let (head, tail) = (head.as_bytes(), tail.as_bytes());
    let Some(offset) = head.iter().position(|byte| *byte == rare) else { return false };
    let mut from = 0;
    while let Some(found) = bytes.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == rare)) {
        let at = from + found;
        let start = at.checked_sub(offset).and_then(|start| bytes.get(start..));
        if start.and_then(|rest| rest.strip_prefix(head)).is_some_and(|rest| rest.starts_with(tail)) {
            return true;
        }
        from = at + 1;
    }
    false
}
