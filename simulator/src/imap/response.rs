//! Writes what the server says: strings, names, lists, results (RFC 3501 §7).

use super::utf7;
use crate::store::{Flags, Mailbox, Message};

/// Writes a string: quoted when it can be, a literal otherwise.
pub(super) fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    let is_plain = bytes.len() <= 1024 && bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    if is_plain {
        out.push(b'"');
        for byte in bytes {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        out.push(b'"');
    } else {
        literal(out, bytes);
    }
}

/// Writes a string, or NIL.
pub(super) fn nstring(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => string(out, bytes),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Writes a literal.
pub(super) fn literal(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("{{{}}}\r\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}

/// Returns a mailbox's name as an `astring`.
pub(super) fn mailbox_name(name: &str) -> String {
    let encoded = utf7::encode(name);
    let is_atom = !encoded.is_empty()
        && encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/&-_.,+@=!#$'".contains(&byte));
    if is_atom { encoded } else { format!("\"{}\"", encoded.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// Returns a message's flags in parentheses.
pub(super) fn flags(mailbox: &Mailbox, message: &Message, recent: bool) -> String {
    let mut names: Vec<&str> =
        Flags::NAMED.iter().filter(|(flag, _)| message.flags.contains(*flag)).map(|(_, name)| *name).collect();
    if recent {
        names.push("\\Recent");
    }
    names.extend(mailbox.keyword_names(message.keywords));
    format!("({})", names.join(" "))
}
