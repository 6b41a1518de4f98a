//! Addresses of pages (RFC 3986, as much of it as a link needs).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::{HostName, MailAddress, ParseError, line::refuse_unseen, quoted, text_form::text_form};

/// An `https:`, `http:` or `mailto:` URL without user name or password; at most 2,000 bytes.
///
/// Scheme and host are kept in lower case, a host as A-labels; the rest stays as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    text: String,
    scheme: usize,
    host: Option<String>,
}

impl Url {
    /// Returns the whole URL.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns `https`, `http` or `mailto`.
    pub fn scheme(&self) -> &str {
        self.text.get(..self.scheme).unwrap_or_default()
    }

    /// Returns the host: a name, an IPv4 address, or an IPv6 address in brackets; `None` for `mailto`.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

/// Tells whether a character may stand in a path, a query or a fragment (RFC 3986 §3.3 to §3.5).
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

impl FromStr for Url {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_unseen(text)?;
        let wrong = |help: &str| ParseError::new(format!("{} is not a URL", quoted(text)), help);
        if text.len() > 2000 {
            return Err(ParseError::new(format!("this URL has {} bytes", text.len()), "write at most 2000 bytes"));
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(wrong("write the whole of it, such as `https://acme.example/help`"));
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "mailto" {
            let address: MailAddress = rest.parse()?;
            return Ok(Self { text: format!("mailto:{address}"), scheme: scheme.len(), host: None });
        }
        if scheme != "https" && scheme != "http" {
            return Err(ParseError::new(
                format!("the URL {} is neither https, http nor mailto", quoted(text)),
                "write one that begins with `https://`",
            ));
        }
        let Some(rest) = rest.strip_prefix("//") else {
            return Err(wrong("write two slashes after the scheme, such as `https://acme.example/help`"));
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(ParseError::new("this URL holds a user name", "write it without what stands before the `@`"));
        }
        if let Some(bad) = path.chars().find(|&character| !character.is_ascii() || !is_allowed(character as u8)) {
            return Err(ParseError::new(
                format!("the character {} cannot stand in a URL", quoted(&bad.to_string())),
                format!("write {} for it", quoted(&percent_encoded(bad))),
            ));
        }
        if path.split('%').skip(1).any(|rest| !rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count().eq(&2)) {
            return Err(wrong("write two hexadecimal digits after each `%`, and `%25` where a `%` is meant"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = match port {
            None => String::new(),
            Some(port) => match port.parse::<u16>() {
                Ok(number) if number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()) => format!(":{number}"),
                _ => return Err(wrong("write a port between 1 and 65535 after the host")),
            },
        };
        let host = canonical_host(host)?;
        let text = format!("{scheme}://{host}{port}{path}");
        Ok(Self { text, scheme: scheme.len(), host: Some(host) })
    }
}

fn canonical_host(host: &str) -> Result<String, ParseError> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        && let Ok(address) = address.parse::<Ipv6Addr>()
    {
        return Ok(format!("[{address}]"));
    }
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(address.to_string()),
        _ => host.parse::<HostName>().map(|host| host.to_string()),
    }
}

fn percent_encoded(character: char) -> String {
    let mut buffer = [0; 4];
    character.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text_form!(Url);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_keep_their_path_and_lower_their_host() {
        for (text, shown) in [
            ("https://acme.example/help", "https://acme.example/help"),
            ("HTTPS://ACME.example:8443/Help?a=b#c", "https://acme.example:8443/Help?a=b#c"),
            ("http://[2001:DB8::1]:80", "http://[2001:db8::1]:80"),
            ("http://127.0.0.1/", "http://127.0.0.1/"),
            ("mailto:help@Acme.example", "mailto:help@acme.example"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(text.parse::<Url>().unwrap().as_str(), shown);
        }
        let url: Url = "https://acme.example:1/x".parse().unwrap();
        assert_eq!((url.scheme(), url.host()), ("https", Some("acme.example")));
    }

    #[test]
    fn what_is_no_link_is_refused() {
        for text in [
            "acme.example",
            "javascript:alert(1)",
            "https:/acme.example",
            "https://user:pw@acme.example",
            "https://",
            "https://a.example:0",
            "https://a.example:99999",
            "https://a.example/a b",
            "https://a.example/\"",
            "https://a.example/%zz",
            "file:///etc/passwd",
            "https://a.example/\n",
            "https://[::1",
            "https://a.example:+80/",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
        assert_eq!("https://a.example/é".parse::<Url>().unwrap_err().help(), "write `%C3%A9` for it");
    }

    proptest! {
        #[test]
        fn any_text_is_a_url_or_refused(text in "(https?:|mailto:)?(//)?.{0,20}") {
            if let Ok(url) = text.parse::<Url>() {
                prop_assert_eq!(url.to_string().parse::<Url>().unwrap(), url);
            }
        }
    }
}
