//! The provisioning API: one POST a call, JSON both ways, credentials in every call.
//!
//! Objects of another tenant do not exist: every look-up carries the caller's tenant, so that an object of somebody else takes
//! the same way through the code, and gets the same answer, as one that is not there.

mod attributes;
mod domains;
mod fault;
mod principal;
mod reply;
mod request;
mod search;
mod sessions;
mod users;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request as HttpRequest, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

pub(crate) use fault::Fault;
pub(crate) use principal::{Place, Principal, Right};
pub(crate) use request::{Request, fits};

use crate::{Control, Remote};
use reply::{Outcome, response};

/// Bytes a request's body may have: the largest list of attributes there is fits several times.
const LONGEST_BODY: usize = 1 << 20;

/// Returns the API as an HTTP service: `POST /api/METHOD`, where a doubled slash and a missing `/api` are fine too.
///
/// Whoever accepts connections puts a [`Remote`] into each request's extensions, so that failures are counted apart.
pub fn router(control: Arc<Control>) -> axum::Router {
    axum::Router::new().fallback(serve).with_state(control)
}

/// Tells whether a path is the API's.
pub(crate) fn answers_at(path: &str) -> bool {
    path.split('/').find(|part| !part.is_empty()) == Some("api") || Call::at(path).is_some()
}

/// A method of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Authenticate,
    ChangeDomain,
    ChangeUser,
    CreateWorkgroup,
    DeleteUser,
    DeleteWorkgroup,
    Echo,
    GenerateToken,
    GetCompany,
    GetCompanyChanges,
    GetDomain,
    GetDomainChanges,
    GetUser,
    GetUserChanges,
    RestoreUser,
    SearchAdmins,
    SearchDomains,
    SearchUsers,
    SearchWorkgroups,
    SetRole,
}

impl Call {
    /// Reads the method out of a path.
    fn at(path: &str) -> Option<Self> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let first = parts.next()?;
        let name = if first == "api" { parts.next()? } else { first };
        if parts.next().is_some() {
            return None;
        }
        Some(match name {
            "authenticate" => Self::Authenticate,
            "change_domain" => Self::ChangeDomain,
            "change_user" => Self::ChangeUser,
            "create_workgroup" => Self::CreateWorkgroup,
            "delete_user" => Self::DeleteUser,
            "delete_workgroup" => Self::DeleteWorkgroup,
            "echo" => Self::Echo,
            "generate_token" => Self::GenerateToken,
            "get_company" => Self::GetCompany,
            "get_company_changes" => Self::GetCompanyChanges,
            "get_domain" => Self::GetDomain,
            "get_domain_changes" => Self::GetDomainChanges,
            "get_user" => Self::GetUser,
            "get_user_changes" => Self::GetUserChanges,
            "restore_user" => Self::RestoreUser,
            "search_admins" => Self::SearchAdmins,
            "search_domains" => Self::SearchDomains,
            "search_users" => Self::SearchUsers,
            "search_workgroups" => Self::SearchWorkgroups,
            "set_role" => Self::SetRole,
            _ => return None,
        })
    }

    async fn make(self, control: &Control, request: &Request, remote: Option<Remote>) -> Outcome {
        let principal = &Principal::of(control, request, remote).await?;
        match self {
            Self::Authenticate => sessions::authenticate(control, principal, request).await,
            Self::ChangeDomain => domains::change(control, principal, request).await,
            Self::CreateWorkgroup => domains::create_workgroup(control, principal, request).await,
            Self::DeleteWorkgroup => domains::delete_workgroup(control, principal, request).await,
            Self::ChangeUser => users::change(control, principal, request).await,
            Self::DeleteUser => users::delete(control, principal, request).await,
            Self::Echo => sessions::echo(request),
            Self::GenerateToken => sessions::generate_token(control, principal, request).await,
            Self::GetCompany => domains::get_company(control, principal, request).await,
            Self::GetCompanyChanges => domains::company_changes(control, principal, request).await,
            Self::GetDomain => domains::get(control, principal, request).await,
            Self::GetDomainChanges => domains::domain_changes(control, principal, request).await,
            Self::GetUser => users::get(control, principal, request).await,
            Self::GetUserChanges => users::changes(control, principal, request).await,
            Self::RestoreUser => users::restore(control, principal, request).await,
            Self::SearchAdmins => sessions::admins(control, principal, request).await,
            Self::SearchDomains => search::domains(control, principal, request).await,
            Self::SearchUsers => search::users(control, principal, request).await,
            Self::SearchWorkgroups => search::workgroups(control, principal, request).await,
            Self::SetRole => users::set_role(control, principal, request).await,
        }
    }
}

async fn serve(State(control): State<Arc<Control>>, request: HttpRequest<Body>) -> Response {
    let audit = audit(&control);
    let Some(call) = Call::at(request.uri().path()) else {
        let fault = Fault { text: "The requested method does not exist", ..Fault::MISSING };
        return response(&Err(fault.into()), &audit, StatusCode::NOT_FOUND);
    };
    if request.method() != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response();
    }
    let remote = request.extensions().get::<Remote>().copied();
    let body = axum::body::to_bytes(request.into_body(), LONGEST_BODY).await;
    let Some(request) = body.ok().and_then(|body| Request::read(&body)) else {
        let fault = Fault { text: "The request is not one well-formed JSON object", ..Fault::FIELD };
        return response(&Err(fault.into()), &audit, StatusCode::BAD_REQUEST);
    };
    // A caller that goes away does not stop a call half way.
    let made = tokio::spawn(async move { call.make(&control, &request, remote).await });
    let outcome = made.await.unwrap_or_else(|_| Err(Fault::SERVER.into()));
    let status = match &outcome {
        Err(refused) if refused.fault.number == Fault::SERVER.number => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    };
    response(&outcome, &audit, status)
}

/// Makes the name under which a call can be found again.
fn audit(control: &Control) -> String {
    const WORDS: [&str; 16] = [
        "amber", "birch", "cedar", "delta", "ember", "field", "grove", "heron", "inlet", "juniper", "kelp", "light",
        "month", "north", "ocean", "pine",
    ];
    let mut bytes = [0; 6];
    control.directory.chance.fill(&mut bytes);
    let [word, number, rest @ ..] = bytes;
    let word = WORDS.get(usize::from(word % 16)).copied().unwrap_or("audit");
    format!("{word}{:02}_{}{:x}", number % 100, crate::directory::hexadecimal(&rest), number % 16)
}
