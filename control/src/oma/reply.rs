//! Replies, to the byte as a client that reads them without a JSON parser needs them.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};

use super::Fault;

/// Fields of a reply in the order they are written, `success` and `audit` left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// Adds a field.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }
}

/// What a method answers: fields, or a refusal with fields beside it.
pub(crate) type Outcome = Result<Fields, Refused>;

/// A refusal, and what a client may learn beside it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    pub(crate) fault: Fault,
    pub(crate) beside: Fields,
}

impl<F: Into<Fault>> From<F> for Refused {
    fn from(fault: F) -> Self {
        Self { fault: fault.into(), beside: Fields::default() }
    }
}

/// Writes a reply: compact JSON with `success` first, then `, "audit":"…"` with one blank in front, since a client in use
/// looks for exactly that; what it looks for beside it (`token`, `error`) is the field right before.
pub(crate) fn written(outcome: &Outcome, audit: &str) -> String {
    let mut text = format!("{{\"success\":{}", outcome.is_ok());
    let mut field = |name: &str, value: &Value| {
        text.push(',');
        text.push_str(&Value::from(name).to_string());
        text.push(':');
        text.push_str(&value.to_string());
    };
    match outcome {
        Ok(fields) => fields.0.iter().for_each(|(name, value)| field(name, value)),
        Err(refused) => {
            refused.beside.0.iter().for_each(|(name, value)| field(name, value));
            if !refused.fault.hints.is_empty() {
                let hints = refused.fault.hints.iter().map(|(name, reason)| (name.clone(), reason.clone().into()));
                field("hints", &Value::Object(hints.collect::<Map<_, _>>()));
            }
            field("error_number", &refused.fault.number.into());
            field("error", &refused.fault.text.into());
        }
    }
    text.push_str(", \"audit\":");
    text.push_str(&Value::from(audit).to_string());
    text.push('}');
    text
}

/// Makes the HTTP response of an outcome.
pub(crate) fn response(outcome: &Outcome, audit: &str, status: StatusCode) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, written(outcome, audit)).into_response()
}
