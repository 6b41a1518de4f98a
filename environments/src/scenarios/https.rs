//! HTTP as a browser or an API client speaks it: one request a connection, all of the reply.

use serde_json::Value;

use super::Trouble;
use super::wire::Wire;

/// A reply.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) status: u64,
    /// Header fields, names in lower case.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// A reply of the API.
#[derive(Clone, Debug)]
pub(super) struct Called {
    pub(super) status: u64,
    pub(super) json: Value,
    pub(super) text: String,
}

/// Calls the API.
pub(super) fn post(wire: Wire, path: &str, fields: &Value) -> Result<Called, Trouble> {
    let body = fields.to_string();
    let page = ask(wire, "POST", "localhost", path, &[("Content-Type", "application/json")], body.as_bytes())?;
    let text = String::from_utf8_lossy(&page.body).into_owned();
    let json = serde_json::from_slice(&page.body).unwrap_or(Value::Null);
    Ok(Called { status: page.status, json, text })
}

/// Sends a request and reads the reply.
pub(super) fn ask(
    mut wire: Wire,
    method: &str,
    host: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Result<Page, Trouble> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if method == "POST" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut request = head.into_bytes();
    request.extend_from_slice(body);
    wire.send(&request)?;
    read(&mut wire)
}

fn read(wire: &mut Wire) -> Result<Page, Trouble> {
    let unfinished = || Trouble::Unmet("the HTTP reply is not finished".to_owned());
    let status = wire.line()?.ok_or_else(unfinished)?;
    let status = String::from_utf8_lossy(&status).into_owned();
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(unfinished)?;
    let mut fields = Vec::new();
    loop {
        let line = wire.line()?.ok_or_else(unfinished)?;
        if line.is_empty() {
            break;
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        if let Some((name, value)) = line.split_once(':') {
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let length: Option<usize> = field("content-length").and_then(|length| length.parse().ok());
    let body = match length {
        Some(length) => wire.exactly(length)?,
        None if field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) => {
            chunked(wire)?
        }
        None => wire.rest()?,
    };
    Ok(Page { status, fields, body })
}

fn chunked(wire: &mut Wire) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    loop {
        let line = wire.line()?.unwrap_or_default();
        let size = String::from_utf8_lossy(&line).split(';').next().map(str::trim).unwrap_or_default().to_owned();
        let size = usize::from_str_radix(&size, 16).unwrap_or(0);
        if size == 0 {
            return Ok(body);
        }
        body.extend(wire.exactly(size)?);
        let _ = wire.line()?;
    }
}
