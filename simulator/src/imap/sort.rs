//! SORT's keys (RFC 5256 §2.1, §3).

use super::command::SortKey;
use super::envelope::{self, Address};
use super::search_text::Content;
use crate::disk::DiskError;
use crate::mime::words;
use crate::store::Message;

/// Octets of a text that are compared.
const MAX_TEXT: usize = 256;

/// What a message is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SortValue {
    Number(i64),
    Text(String),
}

/// Returns what a message is sorted by, one value a key.
pub(super) fn values(
    message: &Message,
    content: &mut Content<'_, '_>,
    keys: &[(bool, SortKey)],
) -> Result<Vec<SortValue>, DiskError> {
    let mut values = Vec::with_capacity(keys.len());
    for (_, key) in keys {
        values.push(match key {
            SortKey::Arrival => SortValue::Number(message.date.seconds),
            SortKey::Size => SortValue::Number(i64::from(message.size())),
            SortKey::Date => SortValue::Number(content.sent()?.unwrap_or(message.date).seconds),
            SortKey::Subject => {
                let subject = envelope::field(content.header()?, "Subject").unwrap_or_default();
                SortValue::Text(folded(&base_subject(&words::decode(&subject)).0))
            }
            SortKey::From => SortValue::Text(first_local_part(content.header()?, "From")),
            SortKey::To => SortValue::Text(first_local_part(content.header()?, "To")),
            SortKey::Cc => SortValue::Text(first_local_part(content.header()?, "Cc")),
        });
    }
    Ok(values)
}

/// Returns the UIDs in order; what is equal stays in the mailbox's order.
pub(super) fn sorted(mut values: Vec<(Vec<SortValue>, u32)>, keys: &[(bool, SortKey)]) -> Vec<u32> {
    values.sort_by(|(one, one_uid), (other, other_uid)| {
        for ((reverse, _), (one, other)) in keys.iter().zip(one.iter().zip(other)) {
            let order = if *reverse { other.cmp(one) } else { one.cmp(other) };
            if order.is_ne() {
                return order;
            }
        }
        one_uid.cmp(other_uid)
    });
    values.into_iter().map(|(_, uid)| uid).collect()
}

fn first_local_part(header: &[u8], name: &str) -> String {
    let local = envelope::addresses_of(header, name).into_iter().find_map(|address| match address {
        Address::Mailbox { local, .. } => Some(local),
        _ => None,
    });
    folded(&bounded(&String::from_utf8_lossy(&local.unwrap_or_default())))
}

/// Texts are compared in capitals (RFC 5051), so that `_` comes behind `Z`.
fn folded(text: &str) -> String {
    text.to_uppercase()
}

fn bounded(text: &str) -> String {
    let mut text = text.to_lowercase();
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// Returns a subject without what replies and forwards add, in lower case, and whether anything was taken off.
pub(super) fn base_subject(subject: &str) -> (String, bool) {
    let collapsed = bounded(&subject.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut text = collapsed.as_str();
    let mut is_reply = false;
    loop {
        let before = text;
        text = text.trim();
        while let Some(rest) = text.strip_suffix("(fwd)") {
            text = rest.trim_end();
            is_reply = true;
        }
        loop {
            if let Some(rest) = without_leader(text) {
                text = rest;
                is_reply = true;
            } else if let Some(rest) = without_blob(text).filter(|rest| !rest.is_empty()) {
                text = rest;
            } else {
                break;
            }
        }
        if let Some(rest) = text.strip_prefix("[fwd:").and_then(|rest| rest.strip_suffix(']')) {
            text = rest;
            is_reply = true;
        }
        if text == before {
            return (text.to_owned(), is_reply);
        }
    }
}

/// Takes off `re: `, `fw: `, `fwd [blob]: `, with the blobs before them.
fn without_leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(behind) = without_blob(rest) {
        rest = behind;
    }
    let rest = rest.strip_prefix("re").or_else(|| rest.strip_prefix("fwd")).or_else(|| rest.strip_prefix("fw"))?;
    let mut rest = rest.trim_start();
    if let Some(behind) = without_blob(rest) {
        rest = behind;
    }
    rest.strip_prefix(':').map(str::trim_start)
}

/// Takes off one `[…] ` at the beginning.
fn without_blob(text: &str) -> Option<&str> {
    let (blob, rest) = text.strip_prefix('[')?.split_once(']')?;
    if blob.contains('[') || text.starts_with("[fwd:") {
        return None;
    }
    Some(rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn replies_and_forwards_have_the_subject_they_answer() {
        for subject in [
            "Plan",
            "re: Plan",
            "RE:  Fwd: plan",
            "[list] Re: [list] Plan",
            "Re[2]: plan",
            "[Fwd: plan]",
            "plan (fwd)",
            "fw [x] : plan",
        ] {
            assert_eq!(base_subject(subject).0, "plan", "{subject}");
        }
        assert_eq!(base_subject("[only]").0, "[only]");
        assert_eq!(base_subject("Re:").0, "");
        assert!(!base_subject("Plan").1 && base_subject("Re: Plan").1);
    }

    proptest! {
        #[test]
        fn every_subject_has_a_base(subject in "[\\[\\]()Rrefwd: a]{0,40}", other in "\\PC{0,300}") {
            let (base, _) = base_subject(&subject);
            prop_assert_eq!(base_subject(&base).0, base);
            base_subject(&other);
        }
    }
}
