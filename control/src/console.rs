//! The reseller interface: pages that show a reseller its domains and mailboxes, in its own brand.
//!
//! Pages carry no script and no inline style, so that the policy sent with each can forbid both. What a page shows is looked up
//! with the tenant of whoever signed in; the domain of another tenant is a page that does not exist.

mod look;
mod pages;
mod session;
mod style;
mod words;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use maud::Markup;
use serde::Deserialize;
use values::HostName;

use crate::directory::{Means, Population};
use crate::oma::{Place, Principal, Right, fits};
use crate::{Control, DirectoryError, MailboxUse, Remote, SignInRefusal};
use look::Look;
use pages::{AccountLine, DomainLine, Listing};
use session::{Cookie, Visitor};

pub(crate) use session::Sessions;

/// Lines on a page.
const PAGE: usize = 50;

/// What every page may do: show itself, its style and its pictures, and post to itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// What a picture may do when somebody opens it by itself: nothing.
const PICTURE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// Returns the console as an HTTP service.
///
/// Whoever accepts connections puts a [`Remote`] into each request's extensions, so that failures are counted apart, and speaks
/// TLS: browsers keep the session's cookie on nothing else.
pub fn router(control: Arc<Control>) -> axum::Router {
    axum::Router::new()
        .route("/", get(front))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/domains", get(domains))
        .route("/domains/{domain}", get(domain))
        .route("/style.css", get(stylesheet))
        .route("/logo", get(logo))
        .route("/favicon.ico", get(favicon))
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(16 << 10))
        .with_state(control)
}

/// What a page's address may ask for.
#[derive(Clone, Debug, Default, Deserialize)]
struct Asked {
    /// A part of a name, or a pattern with `*` and `?`.
    #[serde(default, rename = "match")]
    pattern: String,
    /// Counted from 1.
    #[serde(default)]
    page: Option<String>,
    /// A language tag.
    #[serde(default)]
    lang: Option<String>,
}

impl Asked {
    /// Returns the page that is asked for, from 0; what is no number is the first.
    fn page(&self) -> usize {
        self.page.as_deref().and_then(|page| page.parse::<usize>().ok()).unwrap_or(1).saturating_sub(1)
    }

    /// Tells whether a name is asked for.
    fn takes(&self, name: &str) -> bool {
        let wanted = self.pattern.trim();
        match wanted.contains(['*', '?']) {
            true => fits(wanted, name),
            false => name.to_lowercase().contains(&wanted.to_lowercase()),
        }
    }
}

#[derive(Deserialize)]
struct SignIn {
    user: String,
    password: String,
    csrf: String,
}

#[derive(Deserialize)]
struct SignOut {
    csrf: String,
}

/// Whoever asks and what they see it in.
struct Scene {
    look: Look,
    visitor: Visitor,
}

impl Scene {
    async fn of(control: &Control, headers: &HeaderMap, asked: &Asked) -> Result<Self, DirectoryError> {
        let visitor = Visitor::of(control, headers).await?;
        let look = Look::of(control, headers, visitor.principal(), asked.lang.as_deref()).await?;
        Ok(Self { look, visitor })
    }
}

async fn front(State(control): State<Arc<Control>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    match Scene::of(&control, &headers, &asked).await {
        Ok(scene) if scene.visitor.principal().is_some() => to("/domains"),
        Ok(scene) => sign_in_page(&control, &scene, None, StatusCode::OK),
        Err(_) => unavailable(),
    }
}

/// Shows the sign-in form; its token belongs to a cookie, so that nobody else's page can send it.
fn sign_in_page(control: &Control, scene: &Scene, refusal: Option<&str>, status: StatusCode) -> Response {
    let cookie = Cookie::new(&control.directory);
    let csrf = control.sessions.csrf(&control.directory, &cookie);
    let mut response = page(&scene.look, status, pages::sign_in(&scene.look, &csrf, refusal));
    cookie.set(&mut response);
    response
}

async fn sign_in(
    State(control): State<Arc<Control>>,
    extensions: Extensions,
    headers: HeaderMap,
    Form(form): Form<SignIn>,
) -> Response {
    let Ok(scene) = Scene::of(&control, &headers, &Asked::default()).await else { return unavailable() };
    let words = scene.look.words;
    if !session::same_site(&headers) || !scene.visitor.proves(&control, &form.csrf) {
        return sign_in_page(&control, &scene, Some(words.try_again), StatusCode::FORBIDDEN);
    }
    let remote = extensions.get::<Remote>().map(|Remote(address)| *address);
    let refused = |why: &str| sign_in_page(&control, &scene, Some(why), StatusCode::UNAUTHORIZED);
    let who = match control.directory.credentials(form.user.trim(), &form.password, remote).await {
        Ok(Ok((who, Means::Password))) => who,
        Ok(Err(SignInRefusal::TooManyFailures)) => return refused(words.later),
        // A token is for programs; here it is as wrong as any other word.
        Ok(_) => return refused(words.wrong),
        Err(_) => return unavailable(),
    };
    let stamp = who.stamp();
    match Principal::new(&control, who, Means::Password, "console".to_owned()).await {
        Ok(Some(principal)) if !principal.is_plain() => {
            scene.visitor.leave(&control);
            let cookie = Cookie::new(&control.directory);
            control.sessions.begin(&control.directory, &cookie, &principal, stamp);
            let mut response = to("/domains");
            cookie.set(&mut response);
            response
        }
        Ok(_) => refused(words.no_admin),
        Err(_) => unavailable(),
    }
}

async fn sign_out(State(control): State<Arc<Control>>, headers: HeaderMap, Form(form): Form<SignOut>) -> Response {
    let Ok(visitor) = Visitor::of(&control, &headers).await else { return unavailable() };
    if !session::same_site(&headers) || !visitor.proves(&control, &form.csrf) {
        return to("/domains");
    }
    visitor.leave(&control);
    let mut response = to("/");
    Cookie::clear(&mut response);
    response
}

async fn domains(State(control): State<Arc<Control>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let Ok(scene) = Scene::of(&control, &headers, &asked).await else { return unavailable() };
    let Some((principal, csrf)) = scene.visitor.signed_in(&control) else { return to("/") };
    let shown = async {
        let populations = control.directory.populations(principal.tenant()).await?;
        let mut lines = Vec::new();
        for domain in control.directory.domains(principal.tenant()).await? {
            let place = Place::domain(&domain.reseller, domain.name.as_str());
            if !principal.may(Right::SeeDomain, place) || !asked.takes(domain.name.as_str()) {
                continue;
            }
            let users = populations.get(domain.name.as_str()).copied().unwrap_or_default();
            let Population { mailbox, filter, forward, alias, .. } = users;
            lines.push(DomainLine {
                aliases: control.directory.domain_aliases(domain.name.as_str()).await?,
                active: domain.status == crate::directory::Status::Active,
                shown: domain.name.to_unicode(),
                name: domain.name.to_string(),
                mailboxes: mailbox + filter,
                forwards: forward,
                alias_addresses: alias,
            });
        }
        Ok::<_, DirectoryError>(lines)
    };
    let Ok(lines) = shown.await else { return unavailable() };
    let listing = Listing::of(lines, asked.page(), PAGE, &asked.pattern);
    page(&scene.look, StatusCode::OK, pages::domains(&scene.look, &principal.name(), &csrf, &listing))
}

async fn domain(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let Ok(scene) = Scene::of(&control, &headers, &asked).await else { return unavailable() };
    let Some((principal, csrf)) = scene.visitor.signed_in(&control) else { return to("/") };
    let found = match name.parse::<HostName>() {
        Ok(name) => control.directory.domain_of(principal.tenant(), &name).await,
        Err(_) => Ok(None),
    };
    let Ok(found) = found else { return unavailable() };
    let found =
        found.filter(|domain| principal.may(Right::SeeDomain, Place::domain(&domain.reseller, domain.name.as_str())));
    let Some(domain) = found else {
        let body = pages::missing(&scene.look, Some((&principal.name(), &csrf)));
        return page(&scene.look, StatusCode::NOT_FOUND, body);
    };
    let Ok(accounts) = control.directory.accounts_of_domain(&domain.reseller, domain.name.as_str(), false).await else {
        return unavailable();
    };
    let matching = accounts.into_iter().filter(|account| {
        principal.may(Right::See, Place::of(account))
            && (asked.takes(&account.address.key())
                || account.settings.text("name").is_some_and(|name| asked.takes(name)))
    });
    let listing = Listing::of(matching.collect(), asked.page(), PAGE, &asked.pattern);
    let mut lines = Vec::new();
    for account in &listing.lines {
        let shown = async {
            let effective = control.directory.effective(account).await?;
            let aliases = control.directory.aliases(account).await?;
            let forwards = control.directory.forwards(account).await?;
            Ok::<_, DirectoryError>((effective, aliases, forwards))
        };
        let Ok((effective, aliases, forwards)) = shown.await else { return unavailable() };
        let used = control.usage.as_ref().and_then(|usage| usage.of(&account.address));
        lines.push(AccountLine {
            address: account.address.to_string(),
            name: account.settings.text("name").unwrap_or_default().to_owned(),
            kind: account.kind,
            workgroup: account.workgroup.clone(),
            aliases,
            forwards,
            active: effective.as_ref().is_some_and(crate::directory::Effective::receives),
            services: effective.as_ref().map(services).unwrap_or_default(),
            quota: effective.as_ref().and_then(|effective| effective.quota),
            used: used.unwrap_or(MailboxUse { bytes: 0, messages: 0 }).bytes,
        });
    }
    let listing = listing.with(lines);
    let title = domain.name.to_unicode();
    let signed = (principal.name(), csrf);
    page(&scene.look, StatusCode::OK, pages::domain(&scene.look, &signed, (domain.name.as_str(), &title), &listing))
}

/// Returns the services that a page shows, with whether each is on.
fn services(effective: &crate::directory::Effective) -> Vec<(&'static str, bool)> {
    [("IMAP", "service_imap4"), ("POP3", "service_pop3"), ("SMTP", "service_smtprelay"), ("Webmail", "service_webmail")]
        .map(|(shown, name)| (shown, effective.service(name) == "enabled"))
        .into()
}

async fn stylesheet(State(control): State<Arc<Control>>, headers: HeaderMap) -> Response {
    let Ok(scene) = Scene::of(&control, &headers, &Asked::default()).await else { return unavailable() };
    let mut response = style::sheet(&scene.look.colours).into_response();
    put(&mut response, header::CONTENT_TYPE, "text/css; charset=utf-8");
    secured(response, POLICY)
}

async fn logo(State(control): State<Arc<Control>>, headers: HeaderMap) -> Response {
    let Ok(scene) = Scene::of(&control, &headers, &Asked::default()).await else { return unavailable() };
    picture(&control, scene.look.logo.as_deref())
}

async fn favicon(State(control): State<Arc<Control>>, headers: HeaderMap) -> Response {
    let Ok(scene) = Scene::of(&control, &headers, &Asked::default()).await else { return unavailable() };
    picture(&control, scene.look.favicon.as_deref())
}

/// Serves a brand's picture so that it is one in a page, and a harmless download anywhere else.
fn picture(control: &Control, key: Option<&str>) -> Response {
    let found = key.and_then(|key| Some((look::media_type(key)?, control.assets.get(key)?)));
    let Some((media_type, bytes)) = found else {
        return secured(StatusCode::NOT_FOUND.into_response(), PICTURE_POLICY);
    };
    let mut response = bytes.clone().into_response();
    put(&mut response, header::CONTENT_TYPE, media_type);
    put(&mut response, header::CONTENT_DISPOSITION, "attachment");
    secured(response, PICTURE_POLICY)
}

async fn nowhere(State(control): State<Arc<Control>>, headers: HeaderMap) -> Response {
    let Ok(scene) = Scene::of(&control, &headers, &Asked::default()).await else { return unavailable() };
    let signed = scene.visitor.signed_in(&control).map(|(principal, csrf)| (principal.name(), csrf));
    let signed = signed.as_ref().map(|(name, csrf)| (name.as_str(), csrf.as_str()));
    page(&scene.look, StatusCode::NOT_FOUND, pages::missing(&scene.look, signed))
}

fn page(look: &Look, status: StatusCode, markup: Markup) -> Response {
    let mut response = (status, markup.into_string()).into_response();
    put(&mut response, header::CONTENT_TYPE, "text/html; charset=utf-8");
    put(&mut response, header::CONTENT_LANGUAGE, look.language);
    secured(response, POLICY)
}

fn to(place: &'static str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    put(&mut response, header::LOCATION, place);
    secured(response, POLICY)
}

fn unavailable() -> Response {
    secured((StatusCode::SERVICE_UNAVAILABLE, "The console is not available now.\n").into_response(), POLICY)
}

fn secured(mut response: Response, policy: &'static str) -> Response {
    put(&mut response, header::CONTENT_SECURITY_POLICY, policy);
    put(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(&mut response, header::X_FRAME_OPTIONS, "DENY");
    put(&mut response, header::REFERRER_POLICY, "same-origin");
    put(&mut response, header::CACHE_CONTROL, "no-store");
    put(&mut response, header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(&mut response, header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    response
}

fn put(response: &mut Response, name: header::HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}
