//! A typed writer for redis.conf.
//!
//! Source: `config.c` and `sds.c` of Redis 7.0: a line is a directive and its arguments; in double quotes `\xHH` is an octet.

use std::fmt::Write as _;
use std::net::IpAddr;

use blueprint::Piece;
use blueprint::platform::SecretReference;

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// A word of Redis's own or a path of ours.
    Own(&'static str),
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// An address.
    Ip(IpAddr),
    /// A secret of letters, digits and hyphens, which only environments know.
    Secret(SecretReference),
}

/// Directives in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    lines: Vec<(&'static str, Vec<Word>)>,
}

impl Directives {
    /// Adds a directive with one argument.
    pub fn set(&mut self, name: &'static str, word: Word) {
        self.add(name, vec![word]);
    }

    /// Adds a directive.
    pub fn add(&mut self, name: &'static str, words: Vec<Word>) {
        self.lines.push((name, words));
    }

    /// Returns the file.
    pub fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        for (name, words) in &self.lines {
            text.push_str(name);
            for word in words {
                text.push(' ');
                let _ = match word {
                    Word::Own(word) => write!(text, "{word}"),
                    Word::Text(value) => {
                        text.push_str(&quoted(value));
                        Ok(())
                    }
                    Word::Number(number) => write!(text, "{number}"),
                    Word::Ip(address) => write!(text, "{address}"),
                    Word::Secret(secret) => {
                        pieces.push(Piece::Bytes(std::mem::take(&mut text).into_bytes()));
                        pieces.push(Piece::Secret(secret.clone()));
                        Ok(())
                    }
                };
            }
            text.push('\n');
        }
        pieces.push(Piece::Bytes(text.into_bytes()));
        pieces
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                quoted.push('\\');
                quoted.push(char::from(byte));
            }
            b' '..=b'~' => quoted.push(char::from(byte)),
            other => {
                let _ = write!(quoted, "\\x{other:02x}");
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads arguments as Redis splits them.
    fn read(line: &str) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut bytes = line.bytes().peekable();
        while let Some(byte) = bytes.next() {
            let mut word = Vec::new();
            match byte {
                b' ' => continue,
                b'"' => loop {
                    match bytes.next().expect("the quotes end") {
                        b'"' => break,
                        b'\\' => match bytes.next().expect("something is escaped") {
                            b'x' => {
                                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                                word.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                            }
                            other => word.push(other),
                        },
                        other => word.push(other),
                    }
                },
                other => {
                    word.push(other);
                    while let Some(next) = bytes.next_if(|next| *next != b' ') {
                        word.push(next);
                    }
                }
            }
            found.push(word);
        }
        found
    }

    proptest! {
        #[test]
        fn a_text_reads_back_as_it_was_meant_and_adds_no_directive(text in "\\PC*[\\n\\r\\x00 \\t\"'\\\\#]{0,9}\\PC*") {
            let mut file = Directives::default();
            file.set("logfile", Word::Text(text.clone()));
            let pieces = file.pieces();
            let file = blueprint::File { pieces, ..blueprint::File::text("") };
            let written = String::from_utf8(file.unfilled().0).unwrap();
            prop_assert_eq!(written.lines().count(), 1);
            prop_assert_eq!(read(written.trim_end_matches('\n')), vec![b"logfile".to_vec(), text.into_bytes()]);
        }
    }
}
