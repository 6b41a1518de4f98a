//! Messages that scenarios send, made so that equal steps give equal bytes but for what must differ.

use super::settings::Settings;

/// The file that all engines take for a virus; put together here so that no scanner takes this program for one.
const EICAR: [&str; 2] = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];
/// The line that all engines take for spam.
const GTUBE: [&str; 2] = ["XJS*C4JDBQADN1.NSBN3*2IDNEN*", "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"];
/// One grey pixel.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==";

/// Who and when, for a message's header.
pub(super) struct Stamp<'a> {
    pub(super) author: &'a str,
    pub(super) to: &'a [&'a str],
    /// Unique in the run.
    pub(super) identifier: String,
    /// The date as a header writes it (RFC 5322 §3.3).
    pub(super) date: String,
}

/// Writes the message that a `send` asks for, with CRLF line ends.
pub(super) fn compose(settings: &Settings<'_>, stamp: &Stamp<'_>, size: Option<u64>) -> Vec<u8> {
    let domain = stamp.author.rsplit('@').next().unwrap_or("localhost");
    let mut text = format!(
        "From: <{}>\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{}@{domain}>\r\n",
        stamp.author,
        stamp.to.iter().map(|to| format!("<{to}>")).collect::<Vec<_>>().join(", "),
        settings.text("subject").unwrap_or("(no subject)"),
        stamp.date,
        stamp.identifier,
    );
    for line in settings.list("header") {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("MIME-Version: 1.0\r\n");
    let words = settings.text("text").unwrap_or("Hello.");
    match settings.text("attach") {
        Some("eicar") => {
            attached(&mut text, words, "eicar.com", "application/octet-stream", &base64(EICAR.concat().as_bytes()));
        }
        Some("picture") => attached(&mut text, words, "pixel.png", "image/png", PICTURE),
        Some("gtube") => {
            text.push_str("Content-Type: text/plain; charset=utf-8\r\n\r\n");
            text.push_str(&format!("{words}\r\n\r\n{}\r\n", GTUBE.concat()));
        }
        _ => {
            text.push_str("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
            text.push_str(&format!("{words}\r\n"));
        }
    }
    let mut bytes = text.into_bytes();
    if let Some(size) = size {
        let line = b"All work and no play makes the queue a dull boy, and so on.\r\n";
        while (bytes.len() as u64) < size {
            bytes.extend_from_slice(line);
        }
    }
    bytes
}

fn attached(text: &mut String, words: &str, name: &str, kind: &str, body: &str) {
    let border = "=_part_of_a_scenario";
    text.push_str(&format!(
        "Content-Type: multipart/mixed; boundary=\"{border}\"\r\n\r\n--{border}\r\nContent-Type: text/plain\r\n\r\n{words}\r\n\
         --{border}\r\nContent-Type: {kind}; name=\"{name}\"\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{body}\r\n--{border}--\r\n"
    ));
}

/// Writes line ends as the network has them.
pub(super) fn with_network_line_ends(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 20);
    for (index, &byte) in bytes.iter().enumerate() {
        if byte == b'\n' && index.checked_sub(1).and_then(|before| bytes.get(before)) != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(byte);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Doubles dots at the beginning of lines and adds the end of the message (RFC 5321 §4.5.2).
pub(super) fn stuffed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut at_start = true;
    for &byte in bytes {
        if at_start && byte == b'.' {
            out.push(b'.');
        }
        at_start = byte == b'\n';
        out.push(byte);
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// Writes Base64 (RFC 4648 §4) on one line.
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = usize::try_from(number >> (18 - 6 * place) & 63).unwrap_or(0);
            let letter = LETTERS.get(index).copied().map_or('=', char::from);
            text.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

/// Returns what stands in a header field of a message, unfolded; every field of that name.
pub(super) fn fields(message: &[u8], name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(header(message)).into_owned();
    let mut found: Vec<String> = Vec::new();
    let mut is_ours = false;
    for line in text.lines() {
        match line.split_once(':') {
            Some((field, value)) if !line.starts_with([' ', '\t']) => {
                is_ours = field.trim_end().eq_ignore_ascii_case(name);
                if is_ours {
                    found.push(value.trim().to_owned());
                }
            }
            _ if is_ours && line.starts_with([' ', '\t']) => {
                if let Some(last) = found.last_mut() {
                    last.push(' ');
                    last.push_str(line.trim());
                }
            }
            _ => is_ours = false,
        }
    }
    found
}

/// Returns a message's header, with the line end before the empty line.
pub(super) fn header(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(message.len(), |at| at + 2);
    message.get(..end).unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_found_unfolded() {
        let message = b"Received: a\r\nX-Spam: Yes,\r\n score=5\r\nReceived: b\r\n\r\nX-Spam: body\r\n";
        assert_eq!(fields(message, "x-spam"), ["Yes, score=5"]);
        assert_eq!(fields(message, "Received"), ["a", "b"]);
        assert_eq!(fields(message, "Subject"), [""; 0]);
    }

    proptest! {
        #[test]
        fn base64_is_what_everybody_writes(bytes: Vec<u8>) {
            prop_assert_eq!(base64(&bytes), base64::prelude::BASE64_STANDARD.encode(&bytes));
        }

        #[test]
        fn a_stuffed_message_ends_once(bytes in proptest::collection::vec(prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), any::<u8>()], 0..80)) {
            let stuffed = stuffed(&with_network_line_ends(&bytes));
            let ends = stuffed.windows(5).filter(|window| *window == b"\r\n.\r\n").count();
            prop_assert!(ends == 1 || stuffed == b".\r\n" || (ends == 0 && stuffed.starts_with(b"\r\n.")), "{:?}", stuffed);
        }
    }
}
