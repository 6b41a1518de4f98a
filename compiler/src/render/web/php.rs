//! A typed writer for values in PHP files.
//!
//! Source: the PHP manual, "Strings": between single quotes only `\'` and `\\` mean something, every other byte stands for
//! itself, line ends and dollars too.

use std::fmt;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Php {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Values in order.
    List(Vec<Php>),
    /// Values by name, in order.
    Map(Vec<(String, Php)>),
}

impl Php {
    /// Makes a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Makes values by names of our own.
    pub fn map(entries: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        Self::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = "    ".repeat(depth + 1);
        let end = "    ".repeat(depth);
        match self {
            Self::Text(text) => quoted(f, text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::List(items) if items.is_empty() => f.write_str("[]"),
            Self::Map(entries) if entries.is_empty() => f.write_str("[]"),
            Self::List(items) => {
                writeln!(f, "[")?;
                for item in items {
                    f.write_str(&indent)?;
                    item.write(f, depth + 1)?;
                    writeln!(f, ",")?;
                }
                write!(f, "{end}]")
            }
            Self::Map(entries) => {
                writeln!(f, "[")?;
                for (name, value) in entries {
                    f.write_str(&indent)?;
                    quoted(f, name)?;
                    f.write_str(" => ")?;
                    value.write(f, depth + 1)?;
                    writeln!(f, ",")?;
                }
                write!(f, "{end}]")
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("'")?;
    text.chars().try_for_each(|character| match character {
        '\'' | '\\' => write!(f, "\\{character}"),
        other => write!(f, "{other}"),
    })?;
    f.write_str("'")
}

impl fmt::Display for Php {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_types, reason = "PHP is asked what it reads")]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    /// Returns what PHP reads, as JSON; `None` where it is not installed.
    fn read(value: &Php) -> Option<serde_json::Value> {
        let mut child =
            Command::new("php").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
        let program = format!("<?php echo json_encode({value}, JSON_THROW_ON_ERROR);\n");
        child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{program}\n{}", String::from_utf8_lossy(&output.stderr));
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }

    #[test]
    fn php_reads_the_texts_that_were_meant() {
        if read(&Php::Number(1)).is_none() {
            println!("skipped: php is not installed");
            return;
        }
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let text = "(\\PC{0,6}[\\n\\r\\x00 \\t$#{}=,;\"'\\\\%<?>a]{0,10}){0,4}";
        let outcome = runner.run(&(text, text), |(first, second)| {
            let value =
                Php::List(vec![Php::text(first.clone()), Php::Map(vec![(format!("k{second}"), Php::Flag(true))])]);
            let mut map = serde_json::Map::new();
            map.insert(format!("k{second}"), serde_json::Value::Bool(true));
            prop_assert_eq!(read(&value), Some(serde_json::json!([first, map])));
            Ok(())
        });
        outcome.expect("what is read is what was meant");
    }
}
