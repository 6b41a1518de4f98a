//! Sessions of the console: who is signed in, and proof that a form came from our own page.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use values::MailAddress;

use crate::Control;
use crate::directory::{Directory, DirectoryError, Means, hexadecimal};
use crate::oma::Principal;
use crate::password::locked;

/// The cookie's name; the prefix makes browsers keep it to this host, to TLS, and to the whole of it.
const NAME: &str = "__Host-mailwright";

/// A session ends after so many milliseconds without a request.
const IDLE: u64 = 30 * 60 * 1000;

/// A session ends after so many milliseconds.
const LONGEST: u64 = 12 * 3600 * 1000;

/// Sessions at once; the one unused for longest makes room.
const MOST: usize = 10_000;

/// Everybody who is signed in.
///
/// Gap: they are kept in memory, so a restart signs everybody out and each control node knows its own.
#[derive(Default)]
pub(crate) struct Sessions {
    /// By the digest of the cookie, so that nothing here can be used as one.
    open: Mutex<BTreeMap<String, Session>>,
    key: OnceLock<String>,
}

#[derive(Clone)]
struct Session {
    login: MailAddress,
    /// Changes with the password: whoever changes it ends the sessions that were open.
    stamp: String,
    begun: u64,
    seen: u64,
}

/// The value of a cookie.
pub(super) struct Cookie(String);

impl Cookie {
    pub(super) fn new(directory: &Directory) -> Self {
        Self(directory.identifier(32))
    }

    fn of(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let value = pairs.find(|(name, _)| *name == NAME).map(|(_, value)| value)?;
        let well_formed = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        well_formed.then(|| Self(value.to_owned()))
    }

    pub(super) fn set(&self, response: &mut Response) {
        put(response, &format!("{NAME}={}; Path=/; Secure; HttpOnly; SameSite=Strict", self.0));
    }

    pub(super) fn clear(response: &mut Response) {
        put(response, &format!("{NAME}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"));
    }

    fn digest(&self) -> String {
        hexadecimal(&Sha256::digest(self.0.as_bytes()))
    }
}

fn put(response: &mut Response, cookie: &str) {
    // Our own name, hexadecimal digits and fixed attributes are always a header's value.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

impl Sessions {
    /// Opens a session for a cookie that nobody else has seen.
    pub(super) fn begin(&self, directory: &Directory, cookie: &Cookie, principal: &Principal, stamp: String) {
        let now = directory.clock.now();
        let mut open = locked(&self.open);
        open.retain(|_, session| session.holds(now));
        if open.len() >= MOST
            && let Some(oldest) = open.iter().min_by_key(|(_, session)| session.seen).map(|(digest, _)| digest.clone())
        {
            open.remove(&oldest);
        }
        let session = Session { login: principal.who.address().clone(), stamp, begun: now, seen: now };
        open.insert(cookie.digest(), session);
    }

    fn find(&self, cookie: &Cookie, now: u64) -> Option<Session> {
        let mut open = locked(&self.open);
        let session = open.get_mut(&cookie.digest()).filter(|session| session.holds(now))?;
        session.seen = now;
        Some(session.clone())
    }

    fn end(&self, cookie: &Cookie) {
        locked(&self.open).remove(&cookie.digest());
    }

    /// Returns what a form has to hold to have come from a page with this cookie.
    pub(super) fn csrf(&self, directory: &Directory, cookie: &Cookie) -> String {
        let key = self.key.get_or_init(|| directory.identifier(32));
        hexadecimal(&Sha256::digest(format!("{key}:{}", cookie.0)))
    }
}

impl Session {
    fn holds(&self, now: u64) -> bool {
        now.saturating_sub(self.seen) < IDLE && now.saturating_sub(self.begun) < LONGEST
    }
}

/// Whoever sent a request.
pub(super) struct Visitor {
    cookie: Option<Cookie>,
    principal: Option<Principal>,
}

impl Visitor {
    /// Finds out who sent a request; a session whose holder is gone or has a new password is none.
    pub(super) async fn of(control: &Control, headers: &HeaderMap) -> Result<Self, DirectoryError> {
        let Some(cookie) = Cookie::of(headers) else { return Ok(Self { cookie: None, principal: None }) };
        let session = control.sessions.find(&cookie, control.directory.clock.now());
        let mut principal = None;
        if let Some(session) = session
            && let Some(who) = control.directory.who(&session.login).await?
            && who.stamp() == session.stamp
        {
            principal = Principal::new(control, who, Means::Password, "console".to_owned()).await?;
        }
        Ok(Self { cookie: Some(cookie), principal: principal.filter(|principal| !principal.is_plain()) })
    }

    pub(super) fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// Returns whoever is signed in and the token for the forms they get.
    pub(super) fn signed_in(&self, control: &Control) -> Option<(&Principal, String)> {
        let cookie = self.cookie.as_ref()?;
        Some((self.principal.as_ref()?, control.sessions.csrf(&control.directory, cookie)))
    }

    /// Tells whether a form's token belongs to the cookie that came with it.
    pub(super) fn proves(&self, control: &Control, token: &str) -> bool {
        let Some(cookie) = &self.cookie else { return false };
        control.sessions.csrf(&control.directory, cookie).as_bytes().ct_eq(token.as_bytes()).into()
    }

    /// Ends the session, if there is one.
    pub(super) fn leave(&self, control: &Control) {
        if let Some(cookie) = &self.cookie {
            control.sessions.end(cookie);
        }
    }
}

/// Tells whether a request that changes something came from our own pages, as far as the browser says where from.
pub(super) fn same_site(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host)),
        (Some(_), None) => false,
    }
}
