//! What recipients ask of the defense, for a scanner that asks over HTTP.
//!
//! `POST /levels` with `{ "addresses": [ … ] }` is answered with `{ "levels": [ … ] }`, one for each address in the same order: an
//! empty one for an address that is not the platform's. While the directory cannot be asked the answer is 503, and the scanner
//! goes by what it was rendered with.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use values::AddressPattern;

use super::questions::{Defense, Questions};
use super::say;

/// Octets of a question; a message has at most a thousand recipients.
const LONGEST: usize = 1 << 20;

#[derive(serde::Deserialize)]
struct Asked {
    addresses: Vec<String>,
}

/// Returns the service.
pub(super) fn router(questions: Arc<Questions>) -> Router {
    Router::new().route("/levels", post(answer)).layer(DefaultBodyLimit::max(LONGEST)).with_state(questions)
}

async fn answer(
    State(questions): State<Arc<Questions>>,
    Json(asked): Json<Asked>,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    let mut levels = Vec::new();
    for address in &asked.addresses {
        match questions.defense_of(address).await {
            Ok(defense) => levels.push(defense.as_ref().map_or_else(|| json!({}), level)),
            Err(error) => {
                say(&format!("levels: the directory did not answer: {error}"));
                return Err((StatusCode::SERVICE_UNAVAILABLE, "the directory does not answer\n"));
            }
        }
    }
    Ok(Json(json!({ "levels": levels })))
}

fn level(defense: &Defense) -> Value {
    let Defense { tag, quarantine, reject, subject, keeps, holds, allow, block } = defense;
    json!({
        "tag": tag,
        "quarantine": quarantine,
        "reject": reject,
        "subject": subject,
        "keeps": keeps,
        "holds": holds,
        "allow": allow.iter().map(pattern).collect::<Vec<Value>>(),
        "block": block.iter().map(pattern).collect::<Vec<Value>>(),
    })
}

fn pattern(pattern: &AddressPattern) -> Value {
    let mut value = json!({ "domain": pattern.domain(), "below": pattern.below() });
    if let (Some(local), Some(object)) = (pattern.local(), value.as_object_mut()) {
        object.insert("local".to_owned(), local.key().into());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_told_taken_apart() {
        let defense = Defense {
            tag: 5.0,
            quarantine: 8.5,
            reject: 15.0,
            subject: "[SPAM]".to_owned(),
            keeps: true,
            holds: false,
            allow: vec!["*@*.partner.example".parse().unwrap()],
            block: vec!["Eve@Bigmail.example".parse().unwrap()],
        };
        let expected = json!({
            "tag": 5.0, "quarantine": 8.5, "reject": 15.0, "subject": "[SPAM]", "keeps": true, "holds": false,
            "allow": [{ "domain": "partner.example", "below": true }],
            "block": [{ "domain": "bigmail.example", "below": false, "local": "eve" }],
        });
        assert_eq!(level(&defense), expected);
    }
}
