//! Address lists in header fields (RFC 5322 §3.4), read strictly: what is not certain is an error.
//!
//! This reader serves checks of who claims to be whom. A field that two programs could read differently must not pass, so
//! routes, unbalanced quotes and comments, and addresses without a domain are refused, never guessed.

/// One mailbox of an address list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// What stands before `<`, quotes removed, encoded words not decoded.
    pub name: String,
    /// What stood in comments anywhere around it.
    pub comments: String,
    /// Local part, `@`, domain, as they were spelled, without blanks and comments.
    pub address: String,
}

/// Why a field's value is no address list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address list (RFC 5322, section 3.4)")]
pub struct Malformed;

/// Mailboxes that one field may hold.
const MOST: usize = 10_000;

/// Reads an address list; groups are taken apart, their names dropped into the first member's comments.
///
/// - `value`: unfolded.
/// - Returns: the mailboxes in order; none for an empty group.
pub fn read(value: &str) -> Result<Vec<Mailbox>, Malformed> {
    let tokens = tokens(value)?;
    let mut mailboxes = Vec::new();
    let mut pending: Vec<&Token> = Vec::new();
    let mut group = false;
    let mut group_name = String::new();
    let mut tokens = tokens.iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Special(',') => take(&mut mailboxes, &mut pending, &mut group_name)?,
            Token::Special(':') if !group => {
                if !pending.iter().any(|token| matches!(token, Token::Atom(_) | Token::Quoted(_))) {
                    return Err(Malformed);
                }
                group_name = words(&pending)?;
                group_name.push_str(&comments(&pending));
                pending.clear();
                group = true;
            }
            Token::Special(';') if group => {
                take(&mut mailboxes, &mut pending, &mut group_name)?;
                group = false;
                // Only another member of the list may follow.
                if !matches!(tokens.peek(), None | Some(Token::Special(',') | Token::Comment(_))) {
                    return Err(Malformed);
                }
            }
            other => pending.push(other),
        }
        if mailboxes.len() > MOST {
            return Err(Malformed);
        }
    }
    if group {
        return Err(Malformed);
    }
    take(&mut mailboxes, &mut pending, &mut group_name)?;
    Ok(mailboxes)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Atom(String),
    Quoted(String),
    Comment(String),
    /// A domain literal with its brackets.
    Literal(String),
    /// One of `<>@,;:.`
    Special(char),
    Blank,
}

fn tokens(value: &str) -> Result<Vec<Token>, Malformed> {
    let mut tokens = Vec::new();
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        let token = match character {
            ' ' | '\t' => Token::Blank,
            '"' => Token::Quoted(until(&mut characters, '"', None)?),
            '(' => Token::Comment(until(&mut characters, ')', Some('('))?),
            '[' => Token::Literal(format!("[{}]", until(&mut characters, ']', None)?)),
            '<' | '>' | '@' | ',' | ';' | ':' | '.' => Token::Special(character),
            ')' | ']' | '\\' => return Err(Malformed),
            other if other.is_control() => return Err(Malformed),
            other => {
                let mut atom = String::from(other);
                while let Some(next) = characters.next_if(|c| !" \t\"()[]<>@,;:.\\".contains(*c) && !c.is_control()) {
                    atom.push(next);
                }
                Token::Atom(atom)
            }
        };
        tokens.push(token);
    }
    Ok(tokens)
}

/// Reads up to a closing character; where one may open again, they are counted.
fn until(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    close: char,
    open: Option<char>,
) -> Result<String, Malformed> {
    let mut text = String::new();
    let mut depth = 1_usize;
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next().filter(|c| !c.is_control()).ok_or(Malformed)?),
            c if c == close => {
                depth -= 1;
                if depth == 0 {
                    return Ok(text);
                }
                text.push(c);
            }
            c if Some(c) == open => {
                depth += 1;
                text.push(c);
            }
            c if c.is_control() && c != '\t' => return Err(Malformed),
            c => text.push(c),
        }
    }
    Err(Malformed)
}

/// Makes a mailbox of the tokens between two commas; nothing is made of nothing (RFC 5322 §4.4).
fn take(mailboxes: &mut Vec<Mailbox>, pending: &mut Vec<&Token>, group: &mut String) -> Result<(), Malformed> {
    let tokens = std::mem::take(pending);
    if !tokens.iter().any(|token| !matches!(token, Token::Blank | Token::Comment(_))) {
        return Ok(());
    }
    let mut comment = comments(&tokens);
    comment.push_str(&std::mem::take(group));
    let (name, spec) = match tokens.iter().position(|token| **token == Token::Special('<')) {
        None => (String::new(), tokens.as_slice()),
        Some(open) => {
            let (before, rest) = tokens.split_at(open);
            let close = rest.iter().position(|token| **token == Token::Special('>')).ok_or(Malformed)?;
            let (inner, after) = rest.split_at(close);
            let after = after.get(1..).unwrap_or_default();
            if after.iter().any(|token| !matches!(token, Token::Blank | Token::Comment(_))) {
                return Err(Malformed);
            }
            (words(before)?, inner.get(1..).unwrap_or_default())
        }
    };
    mailboxes.push(Mailbox { name, comments: comment, address: address(spec)? });
    Ok(())
}

fn comments(tokens: &[&Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        if let Token::Comment(comment) = token {
            text.push(' ');
            text.push_str(comment);
        }
    }
    text
}

/// Reads a display name: words, and dots as RFC 5322 §4.1 allows.
fn words(tokens: &[&Token]) -> Result<String, Malformed> {
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Atom(word) | Token::Quoted(word) => text.push_str(word),
            Token::Special('.') => text.push('.'),
            Token::Blank => text.push(' '),
            Token::Comment(_) => {}
            Token::Special(_) | Token::Literal(_) => return Err(Malformed),
        }
    }
    Ok(text.trim().to_owned())
}

/// Reads an address: words and dots, `@`, then atoms and dots or a literal.
fn address(tokens: &[&Token]) -> Result<String, Malformed> {
    let solid: Vec<&Token> =
        tokens.iter().filter(|token| !matches!(token, Token::Blank | Token::Comment(_))).copied().collect();
    let at = solid.iter().position(|token| **token == Token::Special('@')).ok_or(Malformed)?;
    let (local, domain) = solid.split_at(at);
    let domain = domain.get(1..).unwrap_or_default();
    let mut text = String::new();
    match local {
        [Token::Quoted(word)] => {
            text.push('"');
            for character in word.chars() {
                if matches!(character, '"' | '\\') {
                    text.push('\\');
                }
                text.push(character);
            }
            text.push('"');
        }
        _ => dotted(local, &mut text)?,
    }
    text.push('@');
    match domain {
        [Token::Literal(literal)] => text.push_str(literal),
        _ => dotted(domain, &mut text)?,
    }
    Ok(text)
}

/// Writes atoms with single dots between them.
fn dotted(tokens: &[&Token], text: &mut String) -> Result<(), Malformed> {
    for (index, token) in tokens.iter().enumerate() {
        match (index % 2, token) {
            (0, Token::Atom(atom)) => text.push_str(atom),
            (1, Token::Special('.')) if index + 1 < tokens.len() => text.push('.'),
            _ => return Err(Malformed),
        }
    }
    if tokens.is_empty() { Err(Malformed) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addresses(value: &str) -> Vec<String> {
        read(value).unwrap().into_iter().map(|mailbox| mailbox.address).collect()
    }

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        for (value, expected) in [
            ("a@b.example", &["a@b.example"][..]),
            ("A B <a@b.example>", &["a@b.example"]),
            ("\"B, A\" <a@b.example>, c@d.example", &["a@b.example", "c@d.example"]),
            ("John Q. Public <a@b.example>", &["a@b.example"]),
            ("a (comment (nested)) @ b . example", &["a@b.example"]),
            ("team: a@b.example, C <c@d.example>;, e@f.example", &["a@b.example", "c@d.example", "e@f.example"]),
            ("undisclosed-recipients:;", &[]),
            ("\"a b\"@c.example", &["\"a b\"@c.example"]),
            ("<a@[192.0.2.1]>", &["a@[192.0.2.1]"]),
            ("a@b.example,, c@d.example,", &["a@b.example", "c@d.example"]),
            ("", &[]),
        ] {
            assert_eq!(addresses(value), expected, "{value}");
        }
    }

    #[test]
    fn what_two_programs_could_read_differently_is_refused() {
        for value in [
            "a",
            "<a@b.example",
            "a@b.example>",
            "<a@b.example> c@d.example",
            "a@b.example c@d.example",
            "a@b.example <c@d.example>",
            "<<a@b.example>>",
            "<@x.example:a@b.example>",
            "\"a@b.example",
            "(a@b.example",
            "a@b.example)",
            "team: a@b.example",
            "team: inner: a@b.example;;",
            ": a@b.example;",
            "a@b@c.example",
            "a..b@c.example",
            ".a@c.example",
            "a@b.example\0",
            "a@b.example;",
            "=?utf-8?q?x?= @",
            "team: a@b.example; c@d.example",
        ] {
            assert_eq!(read(value), Err(Malformed), "{value}");
        }
    }

    #[test]
    fn names_and_comments_are_kept() {
        let read = read("\"Boss \\\"B\\\"\" (the boss) <a@b.example> (really)").unwrap();
        assert_eq!(read[0].name, "Boss \"B\"");
        assert_eq!(read[0].comments, " the boss really");
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_refused(text in ".{0,80}") {
            let _ = read(&text);
        }

        #[test]
        fn any_mix_of_specials_is_a_list_or_refused(text in "[a<>@,;:.()\\[\\]\"\\\\ ]{0,40}") {
            if let Ok(mailboxes) = read(&text) {
                for mailbox in mailboxes {
                    prop_assert!(mailbox.address.contains('@'));
                }
            }
        }
    }
}
