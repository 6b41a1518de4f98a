//! Cuts a client's bytes into commands (RFC 5804 §4).

/// Longest word that is no literal, in bytes.
const WORD_BYTES: usize = 64 << 10;
/// Most words of a command.
const WORDS: usize = 16;

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A string, in quotes or as a literal.
    Text(String),
    /// A number.
    Number(u64),
    /// Anything else.
    Atom(String),
    /// A literal of so many bytes, more than any script has; it was not kept.
    TooLarge(u64),
}

/// A command, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Whole(Vec<Word>),
    /// More bytes are needed.
    Starved,
    /// It is none, and what follows cannot be understood.
    Broken,
}

/// Bytes on their way to becoming commands.
#[derive(Debug, Default)]
pub(super) struct Input {
    waiting: Vec<u8>,
    taken: usize,
    words: Vec<Word>,
    /// Bytes of a literal that is not kept.
    skip: u64,
}

impl Input {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.drain(..self.taken);
        self.taken = 0;
        self.waiting.extend_from_slice(bytes);
    }

    pub(super) fn discard(&mut self) {
        *self = Self::default();
    }

    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.waiting.split_off(self.taken.min(self.waiting.len()));
        self.discard();
        rest
    }

    /// Takes the next command; an empty line is a command without words.
    pub(super) fn next(&mut self) -> Command {
        loop {
            let rest = self.waiting.get(self.taken..).unwrap_or_default();
            if self.skip > 0 {
                let some = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rest.len());
                self.taken += some;
                self.skip -= some as u64;
                if self.skip > 0 {
                    return Command::Starved;
                }
                continue;
            }
            let Some(first) = rest.first() else { return Command::Starved };
            let step = match first {
                b' ' | b'\t' => Step::Passed(1),
                b'\n' => Step::Ended(1),
                b'\r' => match rest.get(1) {
                    Some(b'\n') => Step::Ended(2),
                    Some(_) => Step::Broken,
                    None => Step::Starved,
                },
                b'"' => quoted(rest),
                b'{' => literal(rest),
                _ => atom(rest),
            };
            match step {
                Step::Passed(bytes) => self.taken += bytes,
                Step::Word(word, bytes) => {
                    self.taken += bytes;
                    if let Word::TooLarge(size) = word {
                        self.skip = size;
                    }
                    self.words.push(word);
                    if self.words.len() > WORDS {
                        return Command::Broken;
                    }
                }
                Step::Ended(bytes) => {
                    self.taken += bytes;
                    return Command::Whole(std::mem::take(&mut self.words));
                }
                Step::Starved => return Command::Starved,
                Step::Broken => return Command::Broken,
            }
        }
    }
}

enum Step {
    Passed(usize),
    Word(Word, usize),
    Ended(usize),
    Starved,
    Broken,
}

fn starved(rest: &[u8]) -> Step {
    if rest.len() > WORD_BYTES { Step::Broken } else { Step::Starved }
}

fn quoted(rest: &[u8]) -> Step {
    let mut text = Vec::new();
    let mut bytes = rest.iter().enumerate().skip(1).take(WORD_BYTES);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Step::Word(Word::Text(String::from_utf8_lossy(&text).into_owned()), at + 1),
            b'\\' => match bytes.next() {
                Some((_, escaped)) => text.push(*escaped),
                None => return starved(rest),
            },
            b'\r' | b'\n' | 0 => return Step::Broken,
            other => text.push(*other),
        }
    }
    starved(rest)
}

fn literal(rest: &[u8]) -> Step {
    let Some(end) = rest.iter().take(32).position(|byte| *byte == b'\n') else {
        return if rest.len() >= 32 { Step::Broken } else { Step::Starved };
    };
    let head = rest.get(1..end).unwrap_or_default();
    let head = head.strip_suffix(b"\r").unwrap_or(head);
    let size = head.strip_suffix(b"}").map(|size| size.strip_suffix(b"+").unwrap_or(size));
    let size = size.and_then(|size| std::str::from_utf8(size).ok()).and_then(|size| size.parse::<u64>().ok());
    let Some(size) = size else { return Step::Broken };
    if size > sieve::SCRIPT_BYTES as u64 {
        return Step::Word(Word::TooLarge(size), end + 1);
    }
    let length = usize::try_from(size).unwrap_or(usize::MAX);
    match rest.get(end + 1..).and_then(|body| body.get(..length)) {
        Some(body) => Step::Word(Word::Text(String::from_utf8_lossy(body).into_owned()), end + 1 + length),
        None => Step::Starved,
    }
}

fn atom(rest: &[u8]) -> Step {
    let Some(end) = rest.iter().take(WORD_BYTES).position(|byte| b" \t\r\n".contains(byte)) else {
        return starved(rest);
    };
    let text = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
    let word = match text.parse() {
        Ok(number) => Word::Number(number),
        Err(_) => Word::Atom(text),
    };
    Step::Word(word, end)
}
