//! What the defense writes into a message it lets pass.

use super::{Action, Verdict};
use crate::directory::DefensePolicy;
use crate::mime::header;

/// Returns the fields that tell a verdict, each with its line end: `X-Spam-Score`, `X-Spam-Status`, and `X-Spam` for spam.
pub fn spam_fields(verdict: &Verdict, policy: &DefensePolicy) -> String {
    let is_spam = matches!(verdict.action, Action::Tag | Action::Spam | Action::Hold | Action::Refuse(_));
    let mut fields = format!("X-Spam-Score: {}\r\n", verdict.score);
    let answer = if is_spam { "Yes" } else { "No" };
    fields.push_str(&format!("X-Spam-Status: {answer}, score={} required={}", verdict.score, policy.tag));
    for symbol in &verdict.symbols {
        // A list's name comes from a specification; nothing but these characters can be in a symbol then.
        let name: String = symbol
            .name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' })
            .take(100)
            .collect();
        fields.push_str(&format!("\r\n\t{name}({})", symbol.score));
    }
    fields.push_str("\r\n");
    if is_spam {
        fields.push_str("X-Spam: Yes\r\n");
    }
    fields
}

/// Returns a message as it is delivered: the verdict's fields first, the policy's tag before the subject where the verdict says so.
/// Everything else stays, byte for byte.
pub fn mark(content: &[u8], verdict: &Verdict, policy: &DefensePolicy) -> Vec<u8> {
    let mut marked = spam_fields(verdict, policy).into_bytes();
    let tagged = matches!(verdict.action, Action::Tag | Action::Spam) && !policy.subject_tag.is_empty();
    if !tagged {
        marked.extend_from_slice(content);
        return marked;
    }
    let tag = encoded(&policy.subject_tag);
    match header::fields(header::block(content)).find(|field| field.is("Subject")) {
        None => {
            marked.extend_from_slice(format!("Subject: {tag}\r\n").as_bytes());
            marked.extend_from_slice(content);
        }
        Some(field) => {
            let (before, value) = content.split_at(field.value.start);
            marked.extend_from_slice(before);
            // The value keeps its own blank, or its fold.
            marked.extend_from_slice(format!(" {tag}").as_bytes());
            if !value.first().is_some_and(u8::is_ascii_whitespace) {
                marked.push(b' ');
            }
            marked.extend_from_slice(value);
        }
    }
    marked
}

/// Writes a tag as a header may hold it (RFC 2047 where it is not ASCII).
fn encoded(tag: &str) -> String {
    use base64::Engine as _;
    let clean: String = tag.chars().filter(|c| !values::hostile(*c)).take(30).collect();
    if clean.is_ascii() {
        return clean;
    }
    let words: Vec<String> = clean
        .chars()
        .collect::<Vec<char>>()
        .chunks(10)
        .map(|piece| {
            let text: String = piece.iter().collect();
            format!("=?utf-8?b?{}?=", base64::engine::general_purpose::STANDARD.encode(text))
        })
        .collect();
    words.join(" ")
}
