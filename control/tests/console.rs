//! The console, through its router.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod world;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde_json::json;
use tower::ServiceExt as _;
use world::{World, password_of, roster, seed, taken};

/// A browser that keeps one cookie.
struct Browser<'a> {
    world: &'a World,
    host: &'static str,
    cookie: String,
}

struct Page {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl<'a> Browser<'a> {
    fn at(world: &'a World, host: &'static str) -> Self {
        Self { world, host, cookie: String::new() }
    }

    async fn send(&mut self, request: axum::http::request::Builder, body: String) -> Page {
        let request = request.header(header::HOST, self.host).header(header::COOKIE, self.cookie.clone());
        let response = self.world.console.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (status, headers, body) = taken(response).await;
        if let Some(cookie) = headers.get(header::SET_COOKIE) {
            self.cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        Page { status, headers, body }
    }

    async fn get(&mut self, path: &str) -> Page {
        self.send(Request::get(path), String::new()).await
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let request = Request::post(path).header(header::ORIGIN, format!("https://{}", self.host));
        self.post_from(request, fields).await
    }

    async fn post_from(&mut self, request: axum::http::request::Builder, fields: &[(&str, &str)]) -> Page {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.send(request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded"), body.join("&")).await
    }

    async fn sign_in(&mut self, user: &str, password: &str) -> Page {
        let csrf = csrf(&self.get("/").await.body);
        self.post("/sign-in", &[("user", user), ("password", password), ("csrf", &csrf)]).await
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_admin_signs_in_sees_its_own_and_signs_out() {
    let world = World::new().await;
    let mut browser = Browser::at(&world, "console.northmail.example");
    assert_eq!(browser.get("/domains").await.status, StatusCode::SEE_OTHER);
    let visited = {
        browser.get("/").await;
        browser.cookie.clone()
    };
    let page = browser.sign_in("admin@acme.adm", &password_of("admin@acme.adm")).await;
    assert_eq!((page.status, page.headers[header::LOCATION].to_str().unwrap()), (StatusCode::SEE_OTHER, "/domains"));
    let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
    for part in ["__Host-mailwright=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_ne!(browser.cookie, visited, "signing in begins a session nobody has seen before");

    let page = browser.get("/domains").await;
    assert_eq!(page.status, StatusCode::OK);
    for text in ["acme.example", "second.example", "acme-mail.example", "Acme Mail", "admin@acme.adm"] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(!page.body.contains("globex"));
    let page = browser.get("/domains/acme.example").await;
    for text in [
        "alice@acme.example",
        "Alice Example",
        "al@acme.example",
        "25 GiB",
        "team@acme.example",
        "guest@outside.example",
        "staff",
    ] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    let found = browser.get("/domains/acme.example?match=ALICE").await.body;
    assert!(found.contains("al@acme.example") && !found.contains("sales@acme.example"), "{found}");

    let signed_in = browser.cookie.clone();
    let token = csrf(&page.body);
    browser.post("/sign-out", &[("csrf", &token)]).await;
    browser.cookie = signed_in;
    assert_eq!(browser.get("/domains").await.status, StatusCode::SEE_OTHER, "a session that was left stays shut");
}

#[tokio::test]
async fn another_tenants_domain_is_a_page_that_does_not_exist() {
    let world = World::new().await;
    let mut browser = Browser::at(&world, "console.northmail.example");
    browser.sign_in("admin@acme.adm", &password_of("admin@acme.adm")).await;
    let (foreign, nowhere) =
        (browser.get("/domains/globex.example").await, browser.get("/domains/nowhere.example").await);
    assert_eq!((foreign.status, nowhere.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    assert_eq!(foreign.body, nowhere.body);
    assert_eq!(browser.get("/domains/..%2f..%2fetc").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_form_from_somewhere_else_does_nothing() {
    let world = World::new().await;
    let secret = password_of("admin@acme.adm");
    let mut browser = Browser::at(&world, "console.northmail.example");
    let token = csrf(&browser.get("/").await.body);
    let fields = [("user", "admin@acme.adm"), ("password", secret.as_str()), ("csrf", token.as_str())];
    let cookie = browser.cookie.clone();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        browser.cookie = cookie.clone();
        let page = browser.post_from(Request::post("/sign-in").header(name, value), &fields).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{name}: {value}");
    }
    browser.cookie = String::new();
    assert_eq!(browser.post("/sign-in", &fields).await.status, StatusCode::FORBIDDEN, "a token without its cookie");
    browser.cookie = cookie;
    let wrong = [("user", "admin@acme.adm"), ("password", secret.as_str()), ("csrf", "0")];
    assert_eq!(browser.post("/sign-in", &wrong).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn who_may_not_come_in_learns_nothing() {
    let world = World::new().await;
    let mut browser = Browser::at(&world, "console.northmail.example");
    let (wrong, unknown) =
        (browser.sign_in("admin@acme.adm", "wrong").await, browser.sign_in("admin@nowhere.adm", "wrong").await);
    assert_eq!((wrong.status, unknown.status), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));
    let without_token = |page: &Page| page.body.replace(&csrf(&page.body), "");
    assert_eq!(without_token(&wrong), without_token(&unknown));
    assert!(!wrong.body.contains("wrong\""));
    let plain = browser.sign_in("alice@acme.example", &password_of("alice@acme.example")).await;
    assert_eq!(plain.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get("/domains").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_ends_with_time_and_with_its_holders_password() {
    let world = World::new().await;
    let set_role = json!({ "user": "alice@acme.example", "role": "domain", "object": "acme.example" });
    assert_eq!(world.call("admin@acme.adm", "set_role", set_role).await["success"], true);
    let mut browser = Browser::at(&world, "console.northmail.example");
    browser.sign_in("alice@acme.example", &password_of("alice@acme.example")).await;
    let page = browser.get("/domains").await;
    assert!(page.body.contains("acme.example") && !page.body.contains("second.example"), "{}", page.body);
    world.advance(29 * 60);
    assert_eq!(browser.get("/domains").await.status, StatusCode::OK);
    let change = json!({ "user": "alice@acme.example", "attributes": { "password": "another-one" } });
    assert_eq!(world.call("admin@acme.adm", "change_user", change).await["success"], true);
    assert_eq!(browser.get("/domains").await.status, StatusCode::SEE_OTHER);
    browser.sign_in("alice@acme.example", "another-one").await;
    world.advance(31 * 60);
    assert_eq!(browser.get("/domains").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_brand_follows_the_host_and_then_the_reseller() {
    let world = World::new().await;
    let mut browser = Browser::at(&world, "webmail.globex.example:2943");
    let page = browser.get("/").await;
    assert!(page.body.contains("Globex Post") && page.body.contains("Welcome back"), "{}", page.body);
    assert!(browser.get("/style.css").await.body.starts_with(":root{--primary:#7a1fa2;--on-primary:#ffffff;"));
    let french = browser.send(Request::get("/").header(header::ACCEPT_LANGUAGE, "fr-CA,en;q=0.5"), String::new()).await;
    assert!(
        french.body.contains("Bon retour")
            && french.body.contains("Mot de passe")
            && french.body.contains("lang=\"fr\"")
    );

    let mut browser = Browser::at(&world, "127.0.0.1:2943");
    assert!(browser.get("/").await.body.contains("Northwind Email"));
    assert!(browser.get("/style.css").await.body.starts_with(":root{--primary:#1f3a5f;"));
    assert_eq!(browser.get("/logo").await.status, StatusCode::NOT_FOUND);
    browser.sign_in("admin@acme.adm", &password_of("admin@acme.adm")).await;
    assert!(browser.get("/domains").await.body.contains("Acme Mail"));
    assert!(browser.get("/style.css").await.body.starts_with(":root{--primary:#0b5fff;"));
    let logo = browser.get("/logo").await;
    assert_eq!(logo.headers[header::CONTENT_TYPE], "image/svg+xml");
    assert_eq!(logo.headers[header::CONTENT_DISPOSITION], "attachment");
    assert_eq!(logo.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert!(logo.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("sandbox"));
}

#[tokio::test]
async fn every_page_forbids_scripts_and_holds_none() {
    let world = World::new().await;
    let mut browser = Browser::at(&world, "console.northmail.example");
    browser.sign_in("admin@acme.adm", &password_of("admin@acme.adm")).await;
    let hostile =
        json!({ "user": "alice@acme.example", "attributes": { "name": "<script>alert(1)</script>\" onload=\"x" } });
    assert_eq!(world.call("admin@acme.adm", "change_user", hostile).await["success"], true);
    for path in [
        "/",
        "/domains",
        "/domains/acme.example?match=%3Cb%3E%22&page=2",
        "/domains/acme.example",
        "/nowhere",
        "/style.css",
    ] {
        let page = browser.get(path).await;
        let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(page.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        for hostile in ["<script", "style=\"", " onload=\"", "<b>"] {
            assert!(!page.body.contains(hostile), "{path}: {hostile}");
        }
    }
    let page = browser.get("/domains/acme.example").await;
    assert!(page.body.contains("&lt;script&gt;alert(1)"), "{}", page.body);
}

#[tokio::test]
async fn many_mailboxes_come_in_pages() {
    let mut value = world::roster_value();
    let template = value["mailboxes"][2].clone();
    let many = (0..120).map(|number| {
        let mut mailbox = template.clone();
        mailbox["address"] = format!("user{number:03}@second.example").into();
        mailbox
    });
    value["mailboxes"].as_array_mut().unwrap().extend(many);
    let world = World::new().await;
    seed(world.directory(), &serde_json::from_value(value).unwrap()).await;
    let mut browser = Browser::at(&world, "console.northmail.example");
    browser.sign_in("admin@acme.adm", &password_of("admin@acme.adm")).await;
    let first = browser.get("/domains/second.example?match=user*").await.body;
    assert!(first.contains("user000@") && first.contains("user049@") && !first.contains("user050@"), "{first}");
    assert!(first.contains("/domains/second.example?match=user%2A&amp;page=2"), "{first}");
    let last = browser.get("/domains/second.example?match=user*&page=99").await.body;
    assert!(last.contains("user119@") && !last.contains("user099@"), "{last}");
    seed(world.directory(), &roster()).await;
}
