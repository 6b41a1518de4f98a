//! Where notifications go: `mailto:` (RFC 5436, RFC 6068).

use crate::address;

/// Most addresses of a notification.
const RECIPIENTS: usize = 8;

/// A `mailto:` URI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Method {
    pub(crate) to: Vec<String>,
    pub(crate) subject: Option<String>,
    pub(crate) body: Option<String>,
}

impl Method {
    /// Reads a URI.
    ///
    /// - Errors: what is wrong with it, for people.
    pub(crate) fn parse(uri: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = uri.split_once(':') else {
            return Err(format!("invalid method URI '{uri}'"));
        };
        if !scheme.eq_ignore_ascii_case("mailto") {
            return Err(format!("invalid method '{scheme}'"));
        }
        let (addresses, headers) = rest.split_once('?').unwrap_or((rest, ""));
        let mut method = Self::default();
        method.add(addresses)?;
        for header in headers.split('&').filter(|header| !header.is_empty()) {
            let (name, value) =
                header.split_once('=').ok_or_else(|| format!("invalid 'mailto' URI header '{header}'"))?;
            let name = decode(name).ok_or("invalid %XX encoding")?;
            match name.to_ascii_lowercase().as_str() {
                "to" | "cc" => method.add(value)?,
                "subject" => method.subject = Some(decode(value).ok_or("invalid %XX encoding")?),
                "body" => method.body = Some(decode(value).ok_or("invalid %XX encoding")?),
                // Others are of no use, or could do harm.
                _ => {}
            }
        }
        if method.to.len() > RECIPIENTS {
            return Err(format!("more than the maximum {RECIPIENTS} recipients are specified"));
        }
        Ok(method)
    }

    fn add(&mut self, addresses: &str) -> Result<(), String> {
        for one in addresses.split(',').filter(|one| !one.is_empty()) {
            let text = decode(one).ok_or("invalid %XX encoding")?;
            let read = address::one(&text).ok_or_else(|| format!("invalid recipient address '{text}'"))?;
            self.to.push(read.to_string());
        }
        Ok(())
    }
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let digits = std::str::from_utf8(&digits).ok()?.to_owned();
            out.push(u8::from_str_radix(&digits, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}
