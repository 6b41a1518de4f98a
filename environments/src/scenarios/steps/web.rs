//! `browse` and signing in to pages, as a browser does it.

use crate::scenarios::Trouble;
use crate::scenarios::https::{self, Page};
use crate::scenarios::settings::Settings;
use crate::scenarios::stage::Play;

pub(super) fn browse(play: &mut Play<'_>, settings: &Settings<'_>) -> Result<(), Trouble> {
    let service = settings.argument()?;
    let host = settings.text("host").unwrap_or("localhost").to_owned();
    let path = settings.text("path").unwrap_or("/").to_owned();
    let cookie = match settings.text("sign-in") {
        Some(user) => {
            let password = play.password(user)?;
            let signed_in = sign_in(play, service, user, &password)?;
            Some(signed_in.ok_or_else(|| Trouble::Unmet(format!("{user} is not let in")))?)
        }
        None => None,
    };
    let page = get(play, service, &host, &path, cookie.as_deref())?;
    play.happens(format!("HTTP {}", page.status));
    play.page = Some((page.status, String::from_utf8_lossy(&page.body).into_owned()));
    Ok(())
}

fn get(play: &mut Play<'_>, service: &str, host: &str, path: &str, cookie: Option<&str>) -> Result<Page, Trouble> {
    let (wire, _) = play.connect_under(service, None, asked_for(service, host))?;
    let fields: Vec<(&str, &str)> = cookie.map(|cookie| ("Cookie", cookie)).into_iter().collect();
    https::ask(wire, "GET", host, path, &fields, b"")
}

/// Returns the host name that a browser asks for when TLS begins (RFC 6066 §3), and wants a certificate of.
///
/// Who asks for none is led to the interface for programs: webmail is always asked for by a name.
fn asked_for<'a>(service: &str, host: &'a str) -> Option<&'a str> {
    Some(host).filter(|host| service == "webmail" || *host != "localhost")
}

/// Signs in with the form of the service's first page; returns the cookies, or `None` when that is refused.
pub(super) fn sign_in(
    play: &mut Play<'_>,
    service: &str,
    user: &str,
    password: &str,
) -> Result<Option<String>, Trouble> {
    let mut path = "/".to_owned();
    let mut jar = Vec::new();
    let mut page = get(play, service, "localhost", &path, None)?;
    for _ in 0..4 {
        keep(&mut jar, &page);
        let Some(next) = location(&page) else { break };
        path = next;
        page = get(play, service, "localhost", &path, Some(&cookies(&jar)))?;
    }
    keep(&mut jar, &page);
    let text = String::from_utf8_lossy(&page.body).into_owned();
    let Some(form) = Form::of(&text) else {
        return Err(Trouble::Unmet(format!("`{service}` shows no form to sign in with")));
    };
    let body = form.filled(user, password);
    let action = form.action.unwrap_or(path);
    let (wire, _) = play.connect_under(service, None, asked_for(service, "localhost"))?;
    play.transcript.hide(&encoded(password));
    let cookie = cookies(&jar);
    let origin = "https://localhost";
    let fields =
        [("Content-Type", "application/x-www-form-urlencoded"), ("Cookie", cookie.as_str()), ("Origin", origin)];
    let page = https::ask(wire, "POST", "localhost", &action, &fields, body.as_bytes())?;
    keep(&mut jar, &page);
    let let_in = (300..400).contains(&page.status);
    play.happens(if let_in { "signed in" } else { "refused" });
    Ok(let_in.then(|| cookies(&jar)))
}

fn location(page: &Page) -> Option<String> {
    let found = page.fields.iter().find(|(name, _)| name == "location").map(|(_, value)| value.as_str())?;
    let path = match found.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => found,
    };
    (300..400).contains(&page.status).then(|| path.to_owned())
}

fn keep(jar: &mut Vec<(String, String)>, page: &Page) {
    for (_, value) in page.fields.iter().filter(|(name, _)| name == "set-cookie") {
        if let Some((name, rest)) = value.split_once('=') {
            let value = rest.split(';').next().unwrap_or_default();
            jar.retain(|(known, _)| known != name);
            jar.push((name.to_owned(), value.to_owned()));
        }
    }
}

fn cookies(jar: &[(String, String)]) -> String {
    jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

/// A form that asks for a password.
struct Form {
    action: Option<String>,
    /// Names and values of its fields, in order; with the type of each.
    fields: Vec<(String, String, String)>,
}

impl Form {
    fn of(page: &str) -> Option<Self> {
        let forms = page.split("<form").skip(1).filter_map(|rest| rest.split("</form").next());
        let form = forms.into_iter().find(|form| form.contains("password"))?;
        let head = form.split('>').next().unwrap_or_default();
        let fields = form.split("<input").skip(1).filter_map(|rest| {
            let tag = rest.split('>').next()?;
            let kind = attribute(tag, "type").unwrap_or_else(|| "text".to_owned());
            Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default(), kind))
        });
        Some(Self { action: attribute(head, "action").filter(|action| !action.is_empty()), fields: fields.collect() })
    }

    fn filled(&self, user: &str, password: &str) -> String {
        let mut is_named = false;
        let mut parts = Vec::new();
        for (name, value, kind) in &self.fields {
            let value = match kind.as_str() {
                "password" => password,
                "text" | "email" if !is_named => {
                    is_named = true;
                    user
                }
                _ => value,
            };
            parts.push(format!("{}={}", encoded(name), encoded(value)));
        }
        parts.join("&")
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let from = tag.split_once(&format!(" {name}=\""))?.1;
    Some(from.split('"').next()?.replace("&amp;", "&").replace("&quot;", "\"").replace("&#39;", "'"))
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
