//! `/dev/log`, for daemons that can say something nowhere else.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::protocol::Tidings;
use super::supervisor::Tell;

/// Listens for messages and passes them on; a node where that fails does without.
pub(super) fn listen(path: &Path, tell: &Tell) {
    let Ok(socket) = UnixDatagram::bind(path) else { return };
    let open = std::fs::Permissions::from_mode(0o666);
    if std::fs::set_permissions(path, open).is_err() {
        return;
    }
    let tell = std::sync::Arc::clone(tell);
    let receive = move || {
        let mut bytes = vec![0; 8192];
        while let Ok(length) = socket.recv(&mut bytes) {
            let message = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned();
            let (process, text) = parse(&message);
            if !text.is_empty() {
                tell(Tidings::Line { process, text });
            }
        }
    };
    let _ = std::thread::Builder::new().name("syslog".to_owned()).stack_size(128 * 1024).spawn(receive);
}

/// Returns who says what.
///
/// - Source: syslog(3) as the C library writes it: `<PRIORITY>Mmm dd hh:mm:ss TAG[PID]: TEXT` (RFC 3164 §4.1).
fn parse(message: &str) -> (String, String) {
    let message = message.trim_end_matches(['\0', '\n', ' ']);
    let rest = match message.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((priority, rest)) if priority.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => message,
    };
    // The time is always as long; a message without one begins with its tag.
    let rest = match (rest.get(15..16), rest.get(..15)) {
        (Some(" "), Some(time)) if time.matches(':').count() == 2 => rest.get(16..).unwrap_or_default(),
        _ => rest,
    };
    match rest.split_once(": ") {
        Some((tag, text)) if !tag.contains(' ') => {
            let name = tag.split(['[', '/']).next().unwrap_or(tag);
            (name.to_owned(), text.replace('\n', " "))
        }
        _ => ("syslog".to_owned(), rest.replace('\n', " ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_says_who_and_what() {
        let check = |message: &str, who: &str, what: &str| {
            assert_eq!(parse(message), (who.to_owned(), what.to_owned()), "{message}");
        };
        check("<22>Nov 22 19:40:44 postfix/smtpd[12]: connect from x", "postfix", "connect from x");
        check("<30>Nov  2 19:40:44 haproxy[7]: Server up: yes\n", "haproxy", "Server up: yes");
        check("<13>no tag at all", "syslog", "no tag at all");
        check("plain: words", "plain", "words");
    }

    proptest! {
        #[test]
        fn no_message_makes_the_reader_stumble(message in any::<String>()) {
            let (_, text) = parse(&message);
            prop_assert!(!text.contains('\n'));
        }
    }
}
