//! A typed writer for UCL, as Rspamd reads it.
//!
//! Source: the README of libucl, "Configuration format". A text stands in double quotes with JSON's escapes; a `$` in it would begin
//! a variable, so it is written as an escape, which is read after variables are looked for.

use std::fmt::{self, Write as _};

use blueprint::Piece;
use blueprint::platform::SecretReference;
use values::Score;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(u64),
    /// Seconds.
    Seconds(u64),
    /// A score.
    Score(Score),
    /// `true` or `false`.
    Flag(bool),
    /// Nothing, which takes away what a file read before has set.
    Null,
    /// Several values.
    List(Vec<Value>),
    /// Named values.
    Object(Object),
    /// A secret of letters, digits and hyphens, which only environments know.
    Secret(SecretReference),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<Score> for Value {
    fn from(score: Score) -> Self {
        Self::Score(score)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// Named values in the order they were set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    entries: Vec<(String, Value)>,
}

impl Object {
    /// Sets a value.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.entries.push((name.into(), value.into()));
        self
    }

    /// Sets a value where there is one.
    #[must_use]
    pub fn set_some(self, name: impl Into<String>, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Returns a file whose content this is.
    pub fn file(&self) -> Vec<Piece> {
        let mut writer = Writer { pieces: Vec::new(), text: String::new() };
        writer.entries(self, 0);
        writer.flush();
        writer.pieces
    }
}

struct Writer {
    pieces: Vec<Piece>,
    text: String,
}

impl Writer {
    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(Piece::Bytes(std::mem::take(&mut self.text).into_bytes()));
        }
    }

    fn entries(&mut self, object: &Object, depth: usize) {
        for (name, value) in &object.entries {
            self.text.push_str(&"    ".repeat(depth));
            let _ = write!(self.text, "{}", Quoted(name));
            match value {
                Value::Object(_) => self.text.push(' '),
                _ => self.text.push_str(" = "),
            }
            self.value(value, depth);
            self.text.push_str(if matches!(value, Value::Object(_)) { "\n" } else { ";\n" });
        }
    }

    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Text(text) => {
                let _ = write!(self.text, "{}", Quoted(text));
            }
            Value::Number(number) => {
                let _ = write!(self.text, "{number}");
            }
            Value::Seconds(seconds) => {
                let _ = write!(self.text, "{seconds}s");
            }
            Value::Score(score) => {
                let _ = write!(self.text, "{score}");
            }
            Value::Flag(flag) => {
                let _ = write!(self.text, "{flag}");
            }
            Value::Null => self.text.push_str("null"),
            Value::List(values) => {
                self.text.push('[');
                for (index, value) in values.iter().enumerate() {
                    self.text.push_str(if index == 0 { "" } else { ", " });
                    self.value(value, depth);
                }
                self.text.push(']');
            }
            Value::Object(object) => {
                self.text.push_str("{\n");
                self.entries(object, depth + 1);
                self.text.push_str(&"    ".repeat(depth));
                self.text.push('}');
            }
            Value::Secret(secret) => {
                self.text.push('"');
                self.flush();
                self.pieces.push(Piece::Secret(secret.clone()));
                self.text.push('"');
            }
        }
    }
}

/// A text in quotes.
struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '$' => f.write_str("\\u0024")?,
                // A zero ends a text of C.
                '\0' => f.write_char(' ')?,
                control if control < ' ' || control == '\u{7f}' => write!(f, "\\u{:04x}", u32::from(control))?,
                other => f.write_char(other)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(object: &Object) -> String {
        let pieces = object.file();
        let file = blueprint::File { pieces, ..blueprint::File::text("") };
        String::from_utf8(file.unfilled().0).unwrap()
    }

    #[test]
    fn values_of_every_kind_are_written() {
        let object = Object::default()
            .set("a", "x")
            .set("b", vec![1_u64, 2])
            .set("c", Object::default().set("d", true).set("e", Value::Null))
            .set("f", "4.5".parse::<Score>().unwrap());
        assert_eq!(
            written(&object),
            "\"a\" = \"x\";\n\"b\" = [1, 2];\n\"c\" {\n    \"d\" = true;\n    \"e\" = null;\n}\n\"f\" = 4.5;\n"
        );
    }

    proptest! {
        #[test]
        fn a_text_reads_back_as_it_was_meant_and_adds_no_setting(
            before in "\\PC*", hostile in "[\\n\\r \\t$#{}=,;\"'\\\\\u{2028}a/*]{0,12}", after in "\\PC*",
        ) {
            let meant = format!("{before}{hostile}{after}");
            let text = written(&Object::default().set("a", meant.as_str()).set("b", 1_u64));
            prop_assert_eq!(text.lines().count(), 2);
            let line = text.lines().next().unwrap();
            prop_assert!(!line.contains('$'), "nothing is taken for a variable");
            let quoted = line.strip_prefix("\"a\" = ").and_then(|rest| rest.strip_suffix(';')).unwrap();
            // What is written is what JSON would be, so JSON's reader reads it.
            prop_assert_eq!(serde_json::from_str::<String>(quoted).unwrap(), meant);
        }
    }
}
