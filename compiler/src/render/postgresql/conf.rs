//! A typed writer for `postgresql.conf`.
//!
//! Source: PostgreSQL 15, 20.1.2. A line is a name, `=` and a value; `#` begins a comment outside quotes. In quotes a quote is
//! doubled, and a backslash begins an escape as in C, so that every one is doubled.

use std::fmt;

/// What a setting is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `on` or `off`.
    Flag(bool),
    /// A number.
    Number(u64),
    /// Memory.
    Mebibytes(u64),
    /// A span of time.
    Seconds(u64),
    /// One of the words that a setting knows.
    Word(&'static str),
    /// Any text.
    Text(String),
}

/// The file: settings in the order they were set, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conf {
    settings: Vec<(&'static str, Value)>,
}

impl Conf {
    /// Sets a setting, instead of what it was set to.
    pub fn set(&mut self, name: &'static str, value: Value) {
        match self.settings.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.settings.push((name, value)),
        }
    }
}

impl Conf {
    /// Returns every setting, in the order they were set.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.settings.iter().map(|(name, value)| (*name, value))
    }
}

impl fmt::Display for Conf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.iter().try_for_each(|(name, value)| writeln!(f, "{name} = {value}"))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(on) => f.write_str(if *on { "on" } else { "off" }),
            Self::Number(number) => write!(f, "{number}"),
            Self::Mebibytes(number) => write!(f, "{number}MB"),
            Self::Seconds(number) => write!(f, "{number}s"),
            Self::Word(word) => write!(f, "'{word}'"),
            Self::Text(text) => {
                f.write_str("'")?;
                for character in text.chars() {
                    match character {
                        '\'' => f.write_str("''")?,
                        '\\' => f.write_str("\\\\")?,
                        '\n' => f.write_str("\\n")?,
                        '\r' => f.write_str("\\r")?,
                        '\t' => f.write_str("\\t")?,
                        // The server takes texts that end where this character stands.
                        '\0' => {}
                        _ => write!(f, "{character}")?,
                    }
                }
                f.write_str("'")
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "the real daemon is asked what it reads")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;
    use std::process::Command;

    const POSTGRES: &str = "/usr/lib/postgresql/15/bin/postgres";

    /// Returns what PostgreSQL reads back.
    fn read_back(text: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let mut conf = Conf::default();
        conf.set("max_connections", Value::Number(7));
        conf.set("mailwright.anything", Value::Text(text.to_owned()));
        std::fs::write(folder.path().join("postgresql.conf"), conf.to_string()).unwrap();
        let output =
            Command::new(POSTGRES).args(["-C", "mailwright.anything", "-D"]).arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{text:?}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).ok()?;
        said.strip_suffix('\n').map(str::to_owned)
    }

    #[test]
    fn a_setting_is_written_once() {
        let mut conf = Conf::default();
        conf.set("port", Value::Number(1));
        conf.set("ssl", Value::Flag(true));
        conf.set("port", Value::Number(2));
        assert_eq!(conf.to_string(), "port = 2\nssl = on\n");
    }

    #[test]
    fn texts_that_would_end_the_line_or_the_quotes_do_neither() {
        if !Path::new(POSTGRES).exists() {
            println!("skipped: PostgreSQL 15 is not installed");
            return;
        }
        for text in ["", "it's", "a\\", "\\'", "a\nport = 1", "x # y", "\\n", "\\\\n", "'; DROP", "%q", "\t ü", "$$"] {
            assert_eq!(read_back(text).as_deref(), Some(text));
        }
        assert_eq!(read_back(&"long ".repeat(150)), Some("long ".repeat(150)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_is_read_back_is_what_was_meant(text in "[ -~\n\\\\'#äß\u{1}]{0,40}") {
            if Path::new(POSTGRES).exists() {
                prop_assert_eq!(read_back(&text), Some(text));
            }
        }
    }
}
