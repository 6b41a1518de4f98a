//! Changes as people read them: what is destroyed first, on one screen unless everything is asked for.

use std::collections::BTreeMap;
use std::fmt::Write;

use blueprint::Changes;
use blueprint::changes::{Action, Change, FieldChange};
use serde_json::Value;
use values::ByteSize;

/// Lines of changes that are shown one by one; more are grouped and counted.
const SCREEN: usize = 30;
/// Fields shown of a change, and names of a group, before the rest is counted.
const FEW: usize = 3;
/// Lines of impacts before the rest is counted.
const IMPACTS: usize = 8;
/// Characters of a value before it is cut.
const WIDTH: usize = 60;

/// Returns the changes as text.
///
/// - `name`: what is compared with.
/// - `detail`: every change with every field, however long that gets.
pub(crate) fn text(changes: &Changes, name: &str, detail: bool) -> String {
    if changes.is_empty() {
        return format!("nothing changes since {name}\n");
    }
    let (lost, kept): (Vec<&Change>, Vec<&Change>) = changes.changes.iter().partition(|change| change.destructive);
    let mut text = String::new();
    if !lost.is_empty() {
        text.push_str("DESTRUCTIVE: carrying this out needs --allow-destroy\n\n");
        text.push_str(&list(&lost, detail));
        text.push('\n');
    }
    text.push_str(&list(&kept, detail));
    if !changes.impacts.is_empty() {
        text.push_str("\nWho notices:\n");
        let shown = if detail { changes.impacts.len() } else { IMPACTS };
        for impact in changes.impacts.iter().take(shown) {
            let mailboxes = counted(impact.mailboxes, "mailbox");
            let what = if impact.mailboxes == 1 { singular(&impact.what) } else { impact.what.clone() };
            let _ = writeln!(text, "  {mailboxes} of {}: {what}", impact.reseller);
        }
        if let Some(more) = changes.impacts.len().checked_sub(shown).filter(|more| *more > 0) {
            let _ = writeln!(text, "  and {more} more (--detail shows them)");
        }
    }
    let summary = &changes.summary;
    let _ = writeln!(
        text,
        "\nsince {name}: {} created, {} changed in place, {} restarted, {} moved, {} renamed, {} destroyed",
        summary.created, summary.changed, summary.restarted, summary.moved, summary.renamed, summary.destroyed
    );
    text
}

/// Returns what would be lost, in few lines.
pub(crate) fn losses(lost: &[&Change]) -> String {
    list(lost, false)
}

fn list(changes: &[&Change], detail: bool) -> String {
    let mut text = String::new();
    changes.iter().for_each(|change| one(&mut text, change, detail));
    if detail || text.lines().count() <= SCREEN {
        return text;
    }
    text.clear();
    let mut groups: BTreeMap<(Action, &str), Vec<&Change>> = BTreeMap::new();
    for change in changes {
        groups.entry((change.action, &change.kind)).or_default().push(change);
    }
    for ((action, kind), group) in groups {
        match group.as_slice() {
            [only] => one(&mut text, only, false),
            many => several(&mut text, action, kind, many),
        }
    }
    text
}

fn words(action: Action) -> (char, &'static str) {
    match action {
        Action::Created => ('+', "created"),
        Action::Changed => ('~', "changed in place"),
        Action::Restarted => ('!', "restarted"),
        Action::Moved => ('>', "moved"),
        Action::Renamed => ('=', "renamed"),
        Action::Destroyed => ('-', "destroyed"),
    }
}

fn one(text: &mut String, change: &Change, detail: bool) {
    let (sign, word) = words(change.action);
    let note = change.note.as_ref().map_or(String::new(), |note| format!(": {note}"));
    let word = if is_no_daemon(&change.kind, change.action) { "changed" } else { word };
    let _ = writeln!(text, "  {sign} {} {} is {word}{note}", change.kind, change.name);
    if change.kind == "file" && !detail {
        return;
    }
    let shown = if detail { change.fields.len() } else { FEW };
    for field in change.fields.iter().take(shown) {
        let _ = writeln!(text, "      {}", field_text(field, detail));
    }
    if let Some(more) = change.fields.len().checked_sub(shown).filter(|more| *more > 0) {
        let _ = writeln!(text, "      and {}", counted_more(more));
    }
}

/// Tells whether it is not the thing itself that is restarted, but who reads it.
fn is_no_daemon(kind: &str, action: Action) -> bool {
    action == Action::Restarted && matches!(kind, "file" | "image")
}

fn counted_more(more: usize) -> String {
    if more == 1 { "1 more field".to_owned() } else { format!("{more} more fields") }
}

/// Tells of a group in two lines: how many with the first names, and which fields differ how often.
fn several(text: &mut String, action: Action, kind: &str, changes: &[&Change]) {
    let (sign, word) = words(action);
    let names: Vec<&str> = changes.iter().take(FEW).map(|change| change.name.as_str()).collect();
    let more = match changes.len() - names.len() {
        0 => String::new(),
        more => format!(" and {} more", thousands(more as u64)),
    };
    let count = counted(changes.len() as u64, kind);
    let word = if is_no_daemon(kind, action) { "changed, and who reads them is restarted" } else { word };
    let _ = writeln!(text, "  {sign} {count} are {word}: {}{more}", names.join(", "));
    let mut fields: BTreeMap<&str, u64> = BTreeMap::new();
    for field in changes.iter().flat_map(|change| &change.fields) {
        *fields.entry(&field.field).or_default() += 1;
    }
    if kind != "file" && !fields.is_empty() {
        let mut fields: Vec<(&str, u64)> = fields.into_iter().collect();
        fields.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let shown: Vec<String> =
            fields.iter().take(FEW).map(|(field, count)| format!("{field} ({})", thousands(*count))).collect();
        let more = if fields.len() > FEW { ", …" } else { "" };
        let _ = writeln!(text, "      {}{more}", shown.join(", "));
    }
}

/// Returns a number with its noun, such as `3,412 mailboxes`.
fn counted(count: u64, noun: &str) -> String {
    let plural = match noun {
        _ if count == 1 => noun.to_owned(),
        "mailbox" => "mailboxes".to_owned(),
        "outbound" => "outbound pools".to_owned(),
        _ => format!("{noun}s"),
    };
    format!("{} {plural}", thousands(count))
}

/// Returns what many do as one does it.
fn singular(what: &str) -> String {
    let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
    let verb = match verb {
        "are" => "is".to_owned(),
        "have" => "has".to_owned(),
        "pass" => "passes".to_owned(),
        "can" | "cannot" | "may" => verb.to_owned(),
        other => format!("{other}s"),
    };
    let rest = rest.replace("their ", "its ").replace("for them", "for it").replace("they use", "it uses");
    format!("{verb} {rest}").trim_end().to_owned()
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn field_text(field: &FieldChange, detail: bool) -> String {
    let cut = |text: String| match text.char_indices().nth(WIDTH) {
        Some((end, _)) if !detail => format!("{}…", text.get(..end).unwrap_or_default()),
        _ => text,
    };
    let text = |value: &Value| cut(size_text(&field.field, value).unwrap_or_else(|| value_text(value)));
    format!("{}: {} -> {}", field.field, text(&field.before), text(&field.after))
}

/// Returns a number of bytes as people write it, where a field holds one.
fn size_text(field: &str, value: &Value) -> Option<String> {
    const SIZES: [&str; 7] = ["quota", "memory", "disk", "size", "storage", "max_message", "virus_max_size"];
    let name = field.rsplit('.').next().unwrap_or(field);
    let bytes = value.as_u64().filter(|_| SIZES.contains(&name))?;
    Some(ByteSize::from_bytes(bytes).to_string())
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            format!("[{}]", items.iter().map(value_text).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blueprint::changes::{Impact, Summary};

    fn changes(mailboxes: usize, destructive: bool) -> Changes {
        let change = |number: usize| Change {
            action: if destructive { Action::Destroyed } else { Action::Changed },
            kind: "mailbox".to_owned(),
            name: format!("m{number}@a.example"),
            destructive,
            note: None,
            fields: vec![FieldChange { field: "quota".to_owned(), before: 1.into(), after: 2.into() }],
        };
        let impact = |number: usize| Impact {
            reseller: format!("r{number}").parse().unwrap(),
            mailboxes: 3412,
            what: "reconnect".to_owned(),
        };
        Changes {
            version: 1,
            summary: Summary::default(),
            changes: (0..mailboxes).map(change).collect(),
            impacts: (0..20).map(impact).collect(),
            renamed_from_nothing: Vec::new(),
        }
    }

    #[test]
    fn a_big_change_fits_a_screen_and_says_how_big_it_is() {
        for destructive in [true, false] {
            let all = changes(12_345, destructive);
            let short = text(&all, "HEAD", false);
            assert!(short.lines().count() < 24, "{short}");
            assert!(short.contains("12,345 mailboxes are"), "{short}");
            assert!(short.contains("and 12,342 more") && short.contains("quota (12,345)"), "{short}");
            assert!(short.contains("3,412 mailboxes of r0: reconnect"), "{short}");
            assert_eq!(text(&all, "HEAD", true).lines().filter(|line| line.contains("mailbox m")).count(), 12_345);
        }
    }

    #[test]
    fn what_is_destroyed_stands_first() {
        assert!(text(&changes(2, true), "HEAD", false).starts_with("DESTRUCTIVE: "));
        assert!(!text(&changes(2, false), "HEAD", false).contains("DESTRUCTIVE"));
    }

    #[test]
    fn sizes_are_written_as_people_write_them() {
        let field =
            |name: &str| FieldChange { field: name.to_owned(), before: Value::Null, after: (2u64 << 30).into() };
        assert_eq!(field_text(&field("quota"), false), "quota: not set -> 2GiB");
        assert_eq!(field_text(&field("contract.mailboxes"), false), "contract.mailboxes: not set -> 2147483648");
    }

    #[test]
    fn one_mailbox_is_spoken_of_as_one() {
        for (many, one) in [
            ("are taken away", "is taken away"),
            ("have their quota lowered", "has its quota lowered"),
            ("may have to connect anew", "may have to connect anew"),
            ("reconnect with IMAP and POP3", "reconnects with IMAP and POP3"),
            ("pass from a to b", "passes from a to b"),
        ] {
            assert_eq!(singular(many), one);
        }
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let grouped = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        grouped.iter().for_each(|(number, text)| assert_eq!(thousands(*number), *text));
    }
}
