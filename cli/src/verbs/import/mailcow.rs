//! What mailcow exports: answers of its API as JSON, and rows of its tables as CSV or as `mysql --batch` prints them.
//!
//! The API tells no password hashes; the table `mailbox` does. Which table a row is of shows in the names of its fields.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;
use values::{HostName, Line};

use super::accounts::{Accounts, Forward, Mailbox, Place, Problem, address, addresses, hash, quota};

/// Targets by which mailcow means to throw mail away, or to teach the filter.
const NO_TARGETS: [&str; 3] = ["null@localhost", "spam@localhost", "ham@localhost"];

/// A table of mailcow's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Mailbox,
    Alias,
    AliasDomain,
    Domain,
}

impl Table {
    /// Tells the table by the names of a row's fields.
    fn of<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Option<Self> {
        let has = |wanted: &str| names.clone().any(|name| name == wanted);
        if has("username") && (has("local_part") || has("password") || has("quota")) {
            Some(Self::Mailbox)
        } else if has("address") && has("goto") {
            Some(Self::Alias)
        } else if has("alias_domain") && has("target_domain") {
            Some(Self::AliasDomain)
        } else if has("domain_name") || (has("domain") && has("backupmx")) {
            Some(Self::Domain)
        } else {
            None
        }
    }
}

/// Tells whether the columns of a list are those of a table of mailcow's.
pub(super) fn is_table(head: &[String]) -> bool {
    Table::of(head.iter().map(String::as_str)).is_some()
}

impl Accounts {
    /// Reads an answer of mailcow's API: a list of objects.
    pub(super) fn read_json(&mut self, file: &str, text: &str, problems: &mut Vec<Problem>) {
        let file: Rc<str> = file.into();
        let place = |line| Place { file: Rc::clone(&file), line };
        let entries = match entries(text) {
            Ok(entries) => entries,
            Err((line, message)) => return problems.push(place(line).problem(message)),
        };
        for (line, entry) in entries {
            let place = place(line);
            let object = match serde_json::from_str::<Value>(entry) {
                Ok(Value::Object(object)) => object,
                Ok(_) => {
                    problems
                        .push(place.problem("this is no account: an object with its fields is expected".to_owned()));
                    continue;
                }
                Err(error) => {
                    let place = Place { line: place.line + error.line().max(1) - 1, ..place };
                    problems.push(place.problem(format!("this is no JSON: {}", cause(&error))));
                    continue;
                }
            };
            let fields: BTreeMap<String, String> =
                object.into_iter().filter_map(|(name, value)| Some((name, plain(&value)?))).collect();
            // What the API answers instead of a list when it refuses.
            if fields.get("type").is_some_and(|kind| matches!(kind.as_str(), "error" | "danger")) {
                let said = fields.get("msg").map_or("an error", String::as_str);
                problems.push(place.problem(format!("this is no export; mailcow refused to give one: {said}")));
                continue;
            }
            match Table::of(fields.keys().map(String::as_str)) {
                Some(table) => self.take_row(table, &place, &fields, problems),
                None => problems.push(place.problem(
                    "this is no mailbox, alias or domain of mailcow: it has neither `username` and `quota`, nor `address` and `goto`, nor `domain_name`"
                        .to_owned(),
                )),
            }
        }
    }

    /// Takes rows of a table, as CSV or `mysql --batch` tell them.
    pub(super) fn take_rows(
        &mut self,
        head: &[String],
        rows: impl Iterator<Item = (Place, Vec<String>)>,
        problems: &mut Vec<Problem>,
    ) {
        let Some(table) = Table::of(head.iter().map(String::as_str)) else { return };
        for (place, row) in rows {
            if row.len() != head.len() {
                let message = format!("{} fields stand here, and {} columns are named", row.len(), head.len());
                problems.push(place.problem(message));
                continue;
            }
            let fields = head.iter().cloned().zip(row.into_iter().map(|field| field.trim().to_owned()));
            self.take_row(table, &place, &fields.filter(|(_, field)| field != "NULL").collect(), problems);
        }
    }

    fn take_row(
        &mut self,
        table: Table,
        place: &Place,
        fields: &BTreeMap<String, String>,
        problems: &mut Vec<Problem>,
    ) {
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        let name = ["username", "address", "alias_domain", "domain_name", "domain"].iter().map(|name| field(name));
        let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        if matches!(fields.get("active").map(String::as_str), Some("0" | "false")) {
            return self.leave_out(name, "is switched off");
        }
        let before = problems.len();
        match table {
            Table::Mailbox => {
                if matches!(field("kind"), "location" | "thing" | "group") {
                    return self.leave_out(name, "is a resource and no mailbox");
                }
                let address = address(place, name, problems);
                let quota = quota(place, field("quota"), problems);
                let hash = hash(place, field("password"), problems);
                let title = match field("name") {
                    "" => None,
                    title => match title.parse::<Line>() {
                        Ok(title) => Some(title),
                        Err(error) => {
                            problems.push(place.problem(format!("{}; {}", error.message(), error.help())));
                            None
                        }
                    },
                };
                let Some(address) = address.filter(|_| problems.len() == before) else { return };
                let forwards = Vec::new();
                let mailbox = Mailbox { place: place.clone(), address, name: title, hash, quota, forwards, keep: true };
                self.add_mailbox(mailbox, problems);
            }
            Table::Alias => {
                let goto = field("goto");
                if goto.split(',').any(|target| NO_TARGETS.contains(&target.trim())) {
                    return self.leave_out(name, "throws its mail away or teaches a filter");
                }
                // Each mailbox stands among the aliases as its own.
                if goto.eq_ignore_ascii_case(name) {
                    return;
                }
                let to = addresses(place, goto, problems);
                if to.is_empty() && problems.len() == before {
                    problems.push(place.problem("no target stands in `goto`".to_owned()));
                }
                if let Some(domain) = name.strip_prefix('@') {
                    return self.add_catch_all(place, domain, &to, problems);
                }
                let address = address(place, name, problems);
                if let Some(address) = address.filter(|_| problems.len() == before) {
                    self.add_forward(Forward { place: place.clone(), address, to }, problems);
                }
            }
            Table::AliasDomain => {
                let domain = |name: &str, problems: &mut Vec<Problem>| match name.parse::<HostName>() {
                    Ok(domain) => Some(domain),
                    Err(error) => {
                        problems.push(place.problem(format!("{}; {}", error.message(), error.help())));
                        None
                    }
                };
                let target = domain(field("target_domain"), problems);
                if let (Some(alias), Some(target)) = (domain(field("alias_domain"), problems), target) {
                    self.add_domain_alias(place, alias, target, problems);
                }
            }
            Table::Domain => {
                if matches!(field("backupmx"), "1" | "true") {
                    return self.leave_out(name, "is only passed on to another server");
                }
                match name.parse::<HostName>() {
                    Ok(domain) => self.add_domain(domain),
                    Err(error) => problems.push(place.problem(format!("{}; {}", error.message(), error.help()))),
                }
            }
        }
    }
}

/// Reads what `mysql --batch` prints: fields between tabs, with `\t`, `\n`, `\0` and `\\` for what cannot stand in them.
pub(super) fn tabs(text: &str) -> Vec<(usize, Vec<String>)> {
    let unescaped = |field: &str| {
        let mut plain = String::new();
        let mut characters = field.chars();
        while let Some(character) = characters.next() {
            plain.push(match character {
                '\\' => match characters.next() {
                    Some('t') => '\t',
                    Some('n') => '\n',
                    Some('0') => '\0',
                    Some(other) => other,
                    None => '\\',
                },
                other => other,
            });
        }
        plain
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines.map(|(index, line)| (index + 1, line.split('\t').map(unescaped).collect())).collect()
}

/// What serde says went wrong, without its own place.
fn cause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Cuts a list into its entries, each with the line it begins at; an object alone is a list of itself, an empty one is none.
fn entries(text: &str) -> Result<Vec<(usize, &str)>, (usize, String)> {
    let (mut line, mut depth, mut quoted, mut escaped) = (1, 0_usize, false, false);
    let (mut begin, mut found): (Option<(usize, usize)>, _) = (None, Vec::new());
    let is_list = text.trim_start().starts_with('[');
    let outside = usize::from(is_list);
    let mut ended = false;
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'\n' {
            line += 1;
        }
        if quoted {
            (quoted, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            continue;
        }
        if byte.is_ascii_whitespace() {
            continue;
        }
        if ended {
            return Err((line, "something stands behind the end of the list".to_owned()));
        }
        let separates = depth == outside && matches!(byte, b',' | b']');
        if depth == 0 && is_list {
            depth = 1;
            continue;
        }
        if separates && is_list {
            match begin.take() {
                Some((start, begins)) => found.push((begins, text.get(start..at).unwrap_or_default())),
                None if byte == b']' && found.is_empty() => {}
                None => return Err((line, "an entry of the list is missing".to_owned())),
            }
            if byte == b']' {
                ended = true;
            }
            continue;
        }
        begin.get_or_insert((at, line));
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1).max(outside),
            _ => {}
        }
    }
    match (begin, is_list) {
        (None, false) => Err((line, "there is nothing in it; an answer of mailcow's API is expected".to_owned())),
        (Some((start, begins)), false) => {
            let entry = text.get(start..).unwrap_or_default();
            let is_empty = entry.split_whitespace().collect::<String>() == "{}";
            Ok(if is_empty { Vec::new() } else { vec![(begins, entry)] })
        }
        (_, true) if ended => Ok(found),
        (_, true) => Err((line, "the list is not closed; it may have been cut off".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_is_cut_into_its_entries() {
        let list = "[\n {\"a\": \"},[\\\"\"},\n {\"b\": [1, {}]}\n, 7 ]\n";
        let found = entries(list).unwrap();
        assert_eq!(
            found.iter().map(|(line, entry)| (*line, entry.trim())).collect::<Vec<_>>(),
            [(2, "{\"a\": \"},[\\\"\"}"), (3, "{\"b\": [1, {}]}"), (4, "7")]
        );
        for empty in ["[]", " [ ] ", "{}", "{ }"] {
            assert_eq!(entries(empty), Ok(Vec::new()), "{empty}");
        }
        for (wrong, line) in [("", 1), ("\n[{}", 2), ("[{}] x", 1), ("[,]", 1), ("[1\n,,2]", 2), ("[\"", 1)] {
            assert_eq!(entries(wrong).map_err(|(line, _)| line), Err(line), "{wrong}");
        }
    }

    #[test]
    fn what_mysql_prints_is_read() {
        let rows = tabs("a\tb\n\n1\\t2\t\\\\x\\n\n");
        assert_eq!(rows, [(1, vec!["a".to_owned(), "b".to_owned()]), (3, vec!["1\t2".to_owned(), "\\x\n".to_owned()])]);
    }

    type Reader = fn(&mut Accounts, &str, &str, &mut Vec<Problem>);

    /// Text that looks like what is exported, broken anywhere.
    fn any_export() -> impl Strategy<Value = String> {
        let parts = [
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "\"",
            "\\",
            "\n",
            "\r\n",
            "\t",
            " ",
            "|",
            "@",
            "#",
            "null",
            "0",
            "-1",
            "1e999",
            "true",
            "\"username\":",
            "\"address\":",
            "\"goto\":",
            "\"quota\":",
            "\"active\":",
            "\"domain_name\":",
            "\"a@b.example\"",
            "a@b.example",
            "domain,user,hash",
            "username,quota,password",
            "address\tgoto",
            "alias_domain,target_domain",
            "{SHA512-CRYPT}$6$a$b",
            "$2b$",
            "\u{0}",
            "\u{202e}",
            "ü",
            "99999999999999999999",
        ];
        prop_oneof![
            prop::collection::vec(prop::sample::select(parts.to_vec()), 0..60).prop_map(|parts| parts.concat()),
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn no_reader_panics_and_each_problem_has_a_line_of_the_text(text in any_export()) {
            let readers: [(&str, Reader); 5] = [
                ("json", Accounts::read_json),
                ("csv", Accounts::read_csv),
                ("tsv", Accounts::read_tabs),
                ("accounts", Accounts::read_accounts),
                ("virtual", Accounts::read_virtual),
            ];
            for (name, read) in readers {
                let (mut found, mut problems) = (Accounts::default(), Vec::new());
                read(&mut found, name, &text, &mut problems);
                found.join(&mut problems);
                for problem in &problems {
                    prop_assert!((1..=text.matches('\n').count() + 1).contains(&problem.line()), "{}: {}", name, problem);
                    prop_assert!(!problem.to_string().contains(char::is_control));
                }
            }
        }
    }
}
