//! The two password mechanisms: PLAIN (RFC 4616) and LOGIN (as clients in the field speak it).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::directory::Password;

/// A user and a password as the client spelled them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: Password,
}

/// Decodes one base64 response; `=` alone is an empty one (RFC 4954 §4).
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    if text == "=" { Some(Vec::new()) } else { STANDARD.decode(text).ok() }
}

/// Reads PLAIN's message: authorization identity, NUL, user, NUL, password.
///
/// An authorization identity is taken only when it is the user itself: nobody acts for somebody else here.
pub(crate) fn plain(message: &[u8]) -> Option<Credentials> {
    let text = std::str::from_utf8(message).ok()?;
    let mut parts = text.split('\0');
    let (authorization, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !(authorization.is_empty() || authorization == user) {
        return None;
    }
    credentials(user, password)
}

/// Puts LOGIN's two answers together.
pub(crate) fn login(user: &[u8], password: &[u8]) -> Option<Credentials> {
    credentials(std::str::from_utf8(user).ok()?, std::str::from_utf8(password).ok()?)
}

/// Refuses what no directory should ever be asked: nothing, something endless, control characters in a name.
fn credentials(user: &str, password: &str) -> Option<Credentials> {
    let sound = !user.is_empty() && user.len() <= 320 && !user.chars().any(char::is_control);
    let secret = !password.is_empty() && password.len() <= 1_024 && !password.contains('\0');
    (sound && secret).then(|| Credentials { user: user.to_owned(), password: Password(password.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_holds_user_and_password() {
        let read = |text: &str| plain(text.as_bytes()).map(|c| (c.user, c.password.0));
        assert_eq!(read("\0alice\0secret"), Some(("alice".into(), "secret".into())));
        assert_eq!(read("alice\0alice\0secret"), Some(("alice".into(), "secret".into())));
        for text in
            ["", "alice", "alice\0secret", "\0\0secret", "\0alice\0", "bob\0alice\0secret", "\0a\0b\0c", "\0a\nb\0c"]
        {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(plain(b"\0al\xffce\0secret"), None);
    }
}
