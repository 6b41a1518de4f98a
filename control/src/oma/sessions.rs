//! Methods on credentials.

use serde_json::{Map, Value};

use super::principal::{Place, Principal, Right, Role};
use super::reply::{Fields, Outcome};
use super::{Fault, Request, users};
use crate::Control;
use crate::directory::{NewToken, TokenKind};

/// `authenticate`
pub(super) async fn authenticate(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let mut fields = Fields::default();
    if request.flag("fetch_extra_info")? {
        fields = fields.with("extra_info", Map::new());
    }
    if request.flag("generate_session_token")? {
        let seconds = request.number("session_token_duration")?.unwrap_or(10_800);
        if !(1..=86_400).contains(&seconds) {
            return Err(Fault::FIELD.hint("session_token_duration", "has to be 1 to 86400 seconds").into());
        }
        let login = principal.name();
        let token =
            NewToken { login: &login, kind: TokenKind::Oma, oma: true, reason: "authenticate", seconds, chosen: None };
        let token = control.directory.make_token(token).await?;
        fields = fields.with("session_token_duration", seconds).with("session_token", token);
    }
    Ok(fields)
}

/// `generate_token`
pub(super) async fn generate_token(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    let reason = request.text("reason")?;
    if reason.chars().count() > 1000 {
        return Err(Fault::FIELD.hint("reason", "may have 1000 characters").into());
    }
    let hours = request.number("duration")?.unwrap_or(24);
    if !(1..=744).contains(&hours) {
        return Err(Fault::FIELD.hint("duration", "has to be 1 to 744 hours").into());
    }
    let kind = match request.optional_text("type")? {
        None => TokenKind::Session,
        Some(name) => {
            TokenKind::read(name).ok_or_else(|| Fault::FIELD.hint("type", "has to be session, sso or oma"))?
        }
    };
    let chosen = request.optional_text("token")?.filter(|token| !token.is_empty());
    if chosen
        .is_some_and(|token| !(16..=128).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return Err(Fault::FIELD.hint("token", "has to have 16 to 128 printable characters without blanks").into());
    }
    let oma = request.flag("oma")? || kind == TokenKind::Oma;
    // An admin is no user, but may make tokens for itself.
    let login = if request.text("user")?.eq_ignore_ascii_case(&principal.name()) && principal.account().is_none() {
        principal.name()
    } else {
        let account = users::target(control, principal, request, Right::Token).await?;
        users::not_above(control, principal, &account).await?;
        if oma && !principal.may(Right::ApiToken, Place::of(&account)) {
            return Err(Fault::FORBIDDEN.hint("oma", "only a company's admin may").into());
        }
        account.address.key()
    };
    let token = NewToken { login: &login, kind, oma, reason, seconds: hours * 3600, chosen: chosen.map(str::to_owned) };
    let token = control.directory.make_token(token).await?;
    Ok(Fields::default().with("duration", hours).with("token", token))
}

/// `echo`
pub(super) fn echo(request: &Request) -> Outcome {
    let request: Map<String, Value> = request
        .0
        .iter()
        .filter(|(name, _)| !is_secret(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Ok(Fields::default().with("request", request))
}

/// Tells whether a field of a request may hold a secret, which is sent back to nobody.
fn is_secret(name: &str) -> bool {
    ["credentials", "token", "session_token", "password", "attributes"].contains(&name)
}

/// `search_admins`: those of the caller's company.
pub(super) async fn admins(control: &Control, principal: &Principal, request: &Request) -> Outcome {
    if principal.is_plain() {
        return Err(Fault::FORBIDDEN.into());
    }
    let criteria = request.map("criteria")?;
    let range = super::request::Range::of(request)?;
    let facts = control.directory.facts().ok_or(Fault::SERVER)?;
    let mut admins = Vec::new();
    for (name, reseller) in &facts.resellers {
        let asked = criteria.optional_text("company")?.is_none_or(|company| company == name);
        if asked && principal.may(Right::SeeCompany, Place::company(name)) {
            for admin in &reseller.admins {
                let line = serde_json::json!({ "user": admin.key(), "type": Role::Company.name(), "control": [name] });
                admins.push(line);
            }
        }
    }
    let total = admins.len();
    let admins = range.part(admins);
    let count = admins.len();
    Ok(Fields::default().with("admins", admins).with("count", count).with("total_count", total))
}
