//! A small platform to test on: two resellers, a directory in a temporary folder, a clock that stands still.

#![allow(dead_code, reason = "each test file uses its own part of this world")]

pub(crate) mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use blueprint::{Blueprint, Roster};
use control::{Control, Directory, Mailboxes, OsChance, Seed, SeedReport};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use values::MailAddress;

/// 2026-12-01T00:00:00Z in milliseconds.
pub(crate) const START: u64 = 1_796_083_200_000;

pub(crate) struct World {
    pub(crate) control: Arc<Control>,
    pub(crate) api: axum::Router,
    pub(crate) console: axum::Router,
    pub(crate) clock: Arc<AtomicU64>,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn password(address: &MailAddress) -> Option<String> {
    Some(format!("pw-{}-canary", address.domain().as_str().len() + address.local().as_str().len() * 100))
}

pub(crate) fn password_of(address: &str) -> String {
    password(&address.parse().unwrap()).unwrap()
}

pub(crate) fn operators() -> Vec<MailAddress> {
    vec!["admin@northmail.adm".parse().unwrap()]
}

/// Opens the directory of a folder: in a file, or in a database of its own where the test runs on PostgreSQL.
pub(crate) async fn open(folder: &std::path::Path, clock: &Arc<AtomicU64>) -> Directory {
    let clock = Arc::clone(clock);
    let now = move || clock.load(Ordering::SeqCst);
    if server::is_asked_for()
        && let Some(server) = server::database(folder)
    {
        let directory = Directory::connect(&server, Arc::new(now), Arc::new(OsChance)).await.unwrap();
        server::tell_time(&server, START / 1000);
        return directory;
    }
    Directory::open(&folder.join("directory.sqlite"), Arc::new(now), Arc::new(OsChance)).await.unwrap()
}

pub(crate) async fn seed(directory: &Directory, roster: &Roster) -> SeedReport {
    let operators = operators();
    let seed = Seed { blueprint: &blueprint(), roster, operators: &operators, passwords: &password };
    directory.seed(seed).await.unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&roster()).await
    }

    pub(crate) async fn with(roster: &Roster) -> Self {
        Self::with_mailboxes(roster, None).await
    }

    pub(crate) async fn with_mailboxes(roster: &Roster, mailboxes: Option<Arc<dyn Mailboxes>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicU64::new(START));
        let directory = open(folder.path(), &clock).await;
        let report = seed(&directory, roster).await;
        assert_eq!(report.conflicts, Vec::<String>::new());
        let assets =
            BTreeMap::from([("acme/acme/acme.svg".to_owned(), b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec())]);
        let control = Arc::new(Control::new(Arc::new(directory), assets, None, mailboxes));
        let (api, console) = (control::router(Arc::clone(&control)), control::console::router(Arc::clone(&control)));
        Self { control, api, console, clock, folder }
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.control.directory
    }

    pub(crate) fn advance(&self, seconds: u64) {
        let before = self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
        if server::is_asked_for()
            && let Some(server) = server::database(self.folder.path())
        {
            server::tell_time(&server, before / 1000 + seconds);
        }
    }

    /// Posts raw bytes to the API.
    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
        let request = Request::post(path).body(body.into()).unwrap();
        let response = self.api.clone().oneshot(request).await.unwrap();
        let (status, _, body) = taken(response).await;
        (status, body)
    }

    /// Calls a method as somebody with a password.
    pub(crate) async fn call(&self, user: &str, method: &str, mut fields: Value) -> Value {
        fields["credentials"] = json!({ "user": user, "password": password_of(user) });
        self.call_raw(method, fields).await
    }

    pub(crate) async fn call_raw(&self, method: &str, fields: Value) -> Value {
        let (status, body) = self.post(&format!("/api/{method}"), fields.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{method}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

pub(crate) async fn taken(response: axum::response::Response) -> (StatusCode, HeaderMap, String) {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

/// Leaves out what differs from call to call.
pub(crate) fn without_audit(mut reply: Value) -> Value {
    reply.as_object_mut().unwrap().remove("audit");
    reply
}

fn store(name: &str) -> Value {
    json!({
        "name": name, "role": "store", "cluster": "a", "site": "toronto", "host": "x4600-1",
        "hostname": format!("{name}.northmail.example"), "cores": 1, "memory": 1 << 30, "disk": 1_u64 << 30,
        "storage": null, "addresses": ["10.20.0.9"], "front_addresses": [], "services": []
    })
}

pub(crate) fn blueprint() -> Blueprint {
    serde_json::from_value(json!({
        "version": 1, "platform": "northmail", "environment": "dev",
        "operator": { "name": "Northwind Email", "postmaster": "postmaster@northmail.example", "abuse": "abuse@northmail.example" },
        "service_domain": "northmail.example",
        "release": { "name": "2026.11", "distribution": "bookworm" },
        "sites": [], "hosts": [], "nodes": [store("store-1"), store("store-2"), store("store-3")],
        "defense": {
            "name": "email-defense", "hookup": "milter", "tag": 5.0, "quarantine": 8.0, "reject": 15.0, "subject": "[SPAM]",
            "virus": "quarantine", "on_unavailable": "defer", "virus_max_size": 26_214_400, "greylist": null, "dnsbl": [],
            "sender_rate": null, "address_rate": null
        },
        "mail": {
            "max_message": 36_700_160, "queue_lifetime": "5d", "bounce_notice": "4h", "subaddressing": "+",
            "internationalized": true, "dkim": null, "dmarc": null, "mta_sts": null, "tls_rpt": false, "srs": null, "arc": false,
            "tls_minimum": "1.2"
        },
        "outbound": [],
        "retention": { "deleted_mailbox": "30d", "deleted_message": "14d", "logs": "90d", "audit": "400d" },
        "secrets": []
    }))
    .unwrap()
}

fn mailbox(address: &str, more: Value) -> Value {
    let mut it = json!({
        "address": address, "workgroup": null, "tier": null, "brand": null, "name": null, "quota": null, "aliases": [],
        "forward": [], "keep": false, "autoreply": null,
        "defense": { "tag": null, "quarantine": null, "reject": null, "allow": [], "block": [] },
        "initial_password": null, "on_removal": { "action": "suspend", "hold": "30d" }
    });
    for (key, value) in more.as_object().unwrap() {
        it[key] = value.clone();
    }
    it
}

fn brand(reseller: &str, product: &str, primary: &str) -> Value {
    json!({
        "reseller": reseller, "name": reseller, "product": product, "logo": format!("{reseller}/{reseller}/{reseller}.svg"),
        "favicon": null,
        "colours": { "primary": primary, "on_primary": "#ffffff", "background": "#ffffff", "text": "#1b1b1b" },
        "hosts": [{ "purpose": "webmail", "host": format!("webmail.{reseller}.example") }],
        "support": { "url": format!("https://{reseller}.example/help"), "email": null, "phone": null },
        "texts": [
            { "language": "en", "sign_in": "Welcome back", "footer": format!("© {product}") },
            { "language": "fr", "sign_in": "Bon retour", "footer": format!("© {product}") }
        ],
        "features": []
    })
}

fn reseller(name: &str, mailboxes: u64, tiers: &[&str]) -> Value {
    json!({
        "name": name, "company": format!("{name} Internet"), "contact": null, "language": "en", "time_zone": null,
        "admins": [format!("admin@{name}.adm")],
        "contract": { "from": null, "mailboxes": mailboxes, "domains": 200, "storage": 1_u64 << 40, "tiers": tiers, "clusters": ["a"] }
    })
}

fn domain(name: &str, reseller: &str, tier: &str, more: Value) -> Value {
    let mut it = json!({
        "name": name, "reseller": reseller, "tier": tier, "brand": reseller, "cluster": "a", "outbound": null, "aliases": [],
        "catch_all": null, "defense": { "tag": null, "quarantine": null, "reject": null, "allow": [], "block": [] },
        "workgroups": []
    });
    for (key, value) in more.as_object().unwrap() {
        it[key] = value.clone();
    }
    it
}

pub(crate) fn roster_value() -> Value {
    json!({
        "version": 1,
        "tiers": [
            { "name": "basic", "kind": "mailbox", "quota": 2_u64 << 30, "services": ["smtpin", "smtprelay", "imap", "pop3", "webmail"], "send_limit": "250/24h" },
            { "name": "filter", "kind": "filter", "quota": null, "services": ["smtpin"], "send_limit": null },
            { "name": "forward", "kind": "forward", "quota": null, "services": ["smtpin"], "send_limit": null },
            { "name": "premium", "kind": "mailbox", "quota": 25_u64 << 30,
              "services": ["smtpin", "smtprelay", "imap", "pop3", "webmail", "sieve", "calendar"], "send_limit": "1000/24h" }
        ],
        "resellers": [reseller("acme", 5000, &["basic", "filter", "premium", "forward"]), reseller("globex", 5, &["basic"])],
        "brands": [brand("acme", "Acme Mail", "#0b5fff"), brand("globex", "Globex Post", "#7a1fa2")],
        "domains": [
            domain("acme.example", "acme", "basic", json!({
                "aliases": ["acme-mail.example"], "catch_all": "office@acme.example", "workgroups": ["staff"],
                "defense": { "tag": null, "quarantine": 6.0, "reject": null, "allow": ["*@partner.example"], "block": ["*@spam.example"] }
            })),
            domain("globex.example", "globex", "basic", json!({})),
            domain("second.example", "acme", "basic", json!({}))
        ],
        "mailboxes": [
            mailbox("alice@acme.example", json!({ "tier": "premium", "name": "Alice Example", "aliases": ["al@acme.example"], "workgroup": "staff" })),
            mailbox("office@acme.example", json!({
                "workgroup": "staff", "forward": ["alice@acme.example"], "keep": true,
                "autoreply": { "text": "Closed today", "until": "2026-12-27" }
            })),
            mailbox("gus@globex.example", json!({})),
            mailbox("ping@second.example", json!({ "forward": ["pong@second.example"] })),
            mailbox("pong@second.example", json!({ "forward": ["ping@second.example", "far@outside.example"], "on_removal": { "action": "delete", "hold": "0s" } })),
            mailbox("spin@second.example", json!({ "forward": ["turn@second.example"] })),
            mailbox("turn@second.example", json!({ "forward": ["spin@second.example"] }))
        ],
        "forwards": [
            { "address": "sales@acme.example", "workgroup": "staff", "to": ["alice@acme.example", "office@acme.example"] }
        ],
        "lists": [
            { "address": "team@acme.example", "workgroup": "staff", "members": ["alice@acme.example", "guest@outside.example"], "restricted": true }
        ]
    })
}

pub(crate) fn roster() -> Roster {
    serde_json::from_value(roster_value()).unwrap()
}
