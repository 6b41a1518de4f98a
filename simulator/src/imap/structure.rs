//! BODY and BODYSTRUCTURE, and the parts that section numbers name (RFC 3501 §6.4.5, §7.4.2).

use super::envelope;
use super::response::{nstring, string};
use crate::mime::Part;

/// Writes a body structure; with `extended` the extension data of BODYSTRUCTURE.
pub(super) fn write(out: &mut Vec<u8>, message: &[u8], part: &Part, extended: bool) {
    out.push(b'(');
    if part.is_multipart() {
        for child in &part.children {
            write(out, message, child, extended);
        }
        if part.children.is_empty() {
            // A multipart has at least one part in the grammar, whatever the message has.
            write_empty(out, extended);
        }
        out.push(b' ');
        string(out, part.content_type.subtype.as_bytes());
        if extended {
            out.push(b' ');
            parameters(out, &part.content_type.parameters, None);
            write_extension(out, message, part);
        }
    } else {
        write_single(out, message, part, extended);
    }
    out.push(b')');
}

fn write_empty(out: &mut Vec<u8>, extended: bool) {
    out.extend_from_slice(b"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
    if extended {
        out.extend_from_slice(b" NIL NIL NIL NIL");
    }
    out.push(b')');
}

fn write_single(out: &mut Vec<u8>, message: &[u8], part: &Part, extended: bool) {
    let is_text = part.content_type.kind == "text";
    string(out, part.content_type.kind.as_bytes());
    out.push(b' ');
    string(out, part.content_type.subtype.as_bytes());
    out.push(b' ');
    parameters(out, &part.content_type.parameters, is_text.then_some("charset"));
    let header = part.header_bytes(message);
    for name in ["Content-ID", "Content-Description"] {
        out.push(b' ');
        nstring(out, envelope::field(header, name).as_deref());
    }
    out.push(b' ');
    string(out, part.encoding.name().as_bytes());
    let body = part.body_bytes(message);
    out.extend_from_slice(format!(" {}", body.len()).as_bytes());
    let lines = body.iter().filter(|byte| **byte == b'\n').count();
    if part.is_message() && part.content_type.subtype == "rfc822" {
        out.push(b' ');
        match part.children.first() {
            Some(inside) => {
                envelope::write(out, inside.header_bytes(message));
                out.push(b' ');
                write(out, message, inside, extended);
            }
            None => {
                envelope::write(out, b"");
                out.push(b' ');
                write_empty(out, extended);
            }
        }
        out.extend_from_slice(format!(" {lines}").as_bytes());
    } else if is_text {
        out.extend_from_slice(format!(" {lines}").as_bytes());
    }
    if extended {
        out.push(b' ');
        nstring(out, envelope::field(header, "Content-MD5").as_deref());
        write_extension(out, message, part);
    }
}

/// Writes a type's parameters; a text without `charset` is shown with the one that is meant, as Dovecot does.
fn parameters(out: &mut Vec<u8>, parameters: &[(String, String)], wanted: Option<&str>) {
    let is_missing = wanted.is_some_and(|wanted| !parameters.iter().any(|(name, _)| name == wanted));
    if parameters.is_empty() && !is_missing {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    let default = is_missing.then_some(("charset", "us-ascii"));
    let given = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (index, (name, value)) in given.chain(default).enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        string(out, name.as_bytes());
        out.push(b' ');
        string(out, value.as_bytes());
    }
    out.push(b')');
}

/// Writes disposition, language and location.
fn write_extension(out: &mut Vec<u8>, message: &[u8], part: &Part) {
    out.push(b' ');
    match part.disposition(message) {
        Some(disposition) => {
            out.push(b'(');
            string(out, disposition.kind.as_bytes());
            out.push(b' ');
            parameters(out, &disposition.parameters, None);
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    let header = part.header_bytes(message);
    let languages = envelope::field(header, "Content-Language").unwrap_or_default();
    let languages: Vec<&[u8]> =
        languages.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|tag| !tag.is_empty()).collect();
    match languages.as_slice() {
        [] => out.extend_from_slice(b"NIL"),
        [language] => string(out, language),
        several => {
            out.push(b'(');
            for (index, language) in several.iter().enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                string(out, language);
            }
            out.push(b')');
        }
    }
    out.push(b' ');
    nstring(out, envelope::field(header, "Content-Location").as_deref());
}

/// Returns the part that numbers name, from the message on; `None` when there is none.
pub(super) fn find<'a>(root: &'a Part, numbers: &[u32]) -> Option<&'a Part> {
    let mut part = root;
    for (depth, number) in numbers.iter().enumerate() {
        // A part that is a message is passed through: its own parts are counted.
        let is_inside = depth > 0;
        let holder = if is_inside && part.is_message() { part.children.first()? } else { part };
        part = if holder.is_multipart() {
            let index = usize::try_from(number.checked_sub(1)?).ok()?;
            holder.children.get(index)?
        } else if *number == 1 && (!is_inside || part.is_message() || !std::ptr::eq(part, root)) {
            // What is no multipart has one part, its body; Dovecot counts a part's body as its own first part too.
            holder
        } else {
            return None;
        };
    }
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::{Limits, parse};

    fn shown(message: &str, extended: bool) -> String {
        let mut out = Vec::new();
        let structure = parse(message.as_bytes(), Limits::STANDARD);
        write(&mut out, message.as_bytes(), &structure.root, extended);
        String::from_utf8(out).expect("ASCII in, ASCII out")
    }

    #[test]
    fn a_plain_message_has_a_text_part() {
        let message = "Subject: x\r\n\r\none\r\ntwo\r\n";
        assert_eq!(shown(message, false), r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 10 2)"#);
        assert_eq!(
            shown(message, true),
            r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 10 2 NIL NIL NIL NIL)"#
        );
    }

    #[test]
    fn parts_are_shown_in_their_order_with_their_disposition() {
        let message = concat!(
            "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\nhi\r\n",
            "--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <i>\r\n",
            "Content-Disposition: attachment; filename=\"a b.png\"\r\n\r\nAAAA\r\n--b--\r\n"
        );
        assert_eq!(
            shown(message, true),
            concat!(
                r#"(("text" "html" ("charset" "utf-8") NIL NIL "7bit" 2 0 NIL NIL NIL NIL)"#,
                r#"("image" "png" NIL "<i>" NIL "base64" 4 NIL ("attachment" ("filename" "a b.png")) NIL NIL)"#,
                r#" "mixed" ("boundary" "b") NIL NIL NIL)"#
            )
        );
    }

    #[test]
    fn numbers_lead_through_messages_to_their_parts() {
        let message = concat!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n",
            "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n",
            "--c\r\n\r\ninner one\r\n--c\r\n\r\ninner two\r\n--c--\r\n",
            "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: plain\r\n\r\nplain body\r\n--b--\r\n"
        );
        let root = parse(message.as_bytes(), Limits::STANDARD).root;
        let body = |numbers: &[u32]| {
            find(&root, numbers).map(|part| String::from_utf8_lossy(part.body_bytes(message.as_bytes())).into_owned())
        };
        assert_eq!(body(&[1]).as_deref(), Some("first"));
        assert_eq!(body(&[2, 1]).as_deref(), Some("inner one"));
        assert_eq!(body(&[2, 2]).as_deref(), Some("inner two"));
        assert_eq!(body(&[3, 1]).as_deref(), Some("plain body"));
        assert_eq!(body(&[1, 1]).as_deref(), Some("first"), "as with Dovecot");
        for missing in [&[0][..], &[4], &[1, 2], &[2, 3], &[3, 2], &[3, 1, 2]] {
            assert_eq!(body(missing), None, "{missing:?}");
        }
    }
}
