//! Reads the words of a command (RFC 3501 §9), never beyond its bytes and never deeper than allowed.

use super::sequence::{Bound, SequenceSet};
use crate::store::{FlagList, Flags};

/// What is wrong with a command; told to the client behind `BAD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syntax(pub(super) &'static str);

pub(super) type Parsed<T> = Result<T, Syntax>;

/// How many flags a client may name at once.
const MAX_FLAGS: usize = 128;
const MAX_KEYWORD_BYTES: usize = 128;

/// A place in a command's bytes.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

fn is_atom_byte(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7E) && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

fn is_astring_byte(byte: u8) -> bool {
    is_atom_byte(byte) || byte == b']'
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes this byte when it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        found
    }

    pub(super) fn expect(&mut self, byte: u8, problem: &'static str) -> Parsed<()> {
        if self.eat(byte) { Ok(()) } else { Err(Syntax(problem)) }
    }

    pub(super) fn space(&mut self) -> Parsed<()> {
        self.expect(b' ', "Missing space or argument.")
    }

    /// The command's end; spaces before it do no harm.
    pub(super) fn end(&mut self) -> Parsed<()> {
        while self.eat(b' ') {}
        if self.is_at_end() { Ok(()) } else { Err(Syntax("Unexpected argument.")) }
    }

    fn while_bytes(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().position(|byte| !fits(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn ascii(bytes: &'a [u8]) -> &'a str {
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    pub(super) fn tag(&mut self) -> Parsed<&'a str> {
        let tag = self.while_bytes(|byte| is_astring_byte(byte) && byte != b'+');
        if tag.is_empty() { Err(Syntax("Invalid tag.")) } else { Ok(Self::ascii(tag)) }
    }

    pub(super) fn atom(&mut self) -> Parsed<&'a str> {
        let atom = self.while_bytes(is_atom_byte);
        if atom.is_empty() { Err(Syntax("Missing or invalid argument.")) } else { Ok(Self::ascii(atom)) }
    }

    /// A word of letters, in capitals, as commands and items are named.
    pub(super) fn word(&mut self) -> Parsed<String> {
        Ok(self.atom()?.to_ascii_uppercase())
    }

    /// Letters, digits, dots and dashes only: items that brackets or angles may follow.
    pub(super) fn item_name(&mut self) -> String {
        Self::ascii(self.while_bytes(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-'))
            .to_ascii_uppercase()
    }

    pub(super) fn number(&mut self) -> Parsed<u32> {
        u32::try_from(self.long_number()?).map_err(|_| Syntax("A number is too large."))
    }

    /// RFC 7162's 63-bit numbers.
    pub(super) fn long_number(&mut self) -> Parsed<u64> {
        let digits = self.while_bytes(|byte| byte.is_ascii_digit());
        if digits.is_empty() {
            return Err(Syntax("Missing or invalid number."));
        }
        digits
            .iter()
            .try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
            .filter(|number| i64::try_from(*number).is_ok())
            .ok_or(Syntax("A number is too large."))
    }

    pub(super) fn nonzero(&mut self) -> Parsed<u32> {
        match self.number()? {
            0 => Err(Syntax("A number must not be zero.")),
            number => Ok(number),
        }
    }

    fn quoted(&mut self) -> Parsed<Vec<u8>> {
        self.expect(b'"', "Missing string.")?;
        let mut out = Vec::new();
        loop {
            let (byte, rest) = self.rest.split_first().ok_or(Syntax("A quoted string has no end."))?;
            self.rest = rest;
            match byte {
                b'"' => return Ok(out),
                b'\\' => match self.rest.split_first() {
                    Some((escaped @ (b'"' | b'\\'), rest)) => {
                        out.push(*escaped);
                        self.rest = rest;
                    }
                    _ => return Err(Syntax("A backslash in a quoted string must be before a quote or a backslash.")),
                },
                0 | b'\r' | b'\n' => return Err(Syntax("A quoted string holds a line break or a NUL.")),
                other => out.push(*other),
            }
        }
    }

    fn literal(&mut self) -> Parsed<&'a [u8]> {
        self.expect(b'{', "Missing string.")?;
        let size = usize::try_from(self.long_number()?).map_err(|_| Syntax("A literal is too large."))?;
        self.eat(b'+');
        self.expect(b'}', "Invalid literal.")?;
        let behind = self.rest.strip_prefix(b"\r\n").ok_or(Syntax("Invalid literal."))?;
        let (content, rest) = behind.split_at_checked(size).ok_or(Syntax("Invalid literal."))?;
        if content.contains(&0) {
            return Err(Syntax("A literal holds a NUL."));
        }
        self.rest = rest;
        Ok(content)
    }

    pub(super) fn string(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(<[u8]>::to_vec),
            _ => Err(Syntax("Missing string.")),
        }
    }

    pub(super) fn astring(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => {
                let atom = self.while_bytes(is_astring_byte);
                if atom.is_empty() { Err(Syntax("Missing or invalid argument.")) } else { Ok(atom.to_vec()) }
            }
        }
    }

    /// An `astring` that must be UTF-8.
    pub(super) fn text(&mut self) -> Parsed<String> {
        String::from_utf8(self.astring()?).map_err(|_| Syntax("An argument is not UTF-8."))
    }

    pub(super) fn nstring(&mut self) -> Parsed<Option<Vec<u8>>> {
        if matches!(self.peek(), Some(b'"' | b'{')) {
            return self.string().map(Some);
        }
        if self.word()? == "NIL" { Ok(None) } else { Err(Syntax("Missing string or NIL.")) }
    }

    /// A mailbox pattern of LIST: as an `astring`, with wildcards.
    pub(super) fn list_mailbox(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => {
                let atom = self.while_bytes(|byte| is_astring_byte(byte) || matches!(byte, b'%' | b'*'));
                if atom.is_empty() { Err(Syntax("Missing or invalid argument.")) } else { Ok(atom.to_vec()) }
            }
        }
    }

    pub(super) fn sequence_set(&mut self) -> Parsed<SequenceSet> {
        if self.eat(b'$') {
            return Ok(SequenceSet::Saved);
        }
        let mut ranges = Vec::new();
        loop {
            let first = self.bound()?;
            let last = if self.eat(b':') { self.bound()? } else { first };
            ranges.push((first, last));
            if !self.eat(b',') {
                return Ok(SequenceSet::Ranges(ranges));
            }
        }
    }

    fn bound(&mut self) -> Parsed<Bound> {
        if self.eat(b'*') {
            return Ok(Bound::Last);
        }
        match self.nonzero() {
            Ok(number) => Ok(Bound::Number(number)),
            Err(_) => Err(Syntax("Invalid message set.")),
        }
    }

    /// One flag or keyword into a list; nobody sets `\Recent`.
    pub(super) fn flag(&mut self, list: &mut FlagList) -> Parsed<()> {
        if self.eat(b'\\') {
            let name = format!("\\{}", self.atom()?);
            let flag = Flags::named(&name).ok_or(Syntax("Unknown system flag."))?;
            list.flags = list.flags.with(flag);
            return Ok(());
        }
        let keyword = Self::ascii(self.while_bytes(is_astring_byte));
        if keyword.is_empty() || keyword.len() > MAX_KEYWORD_BYTES || list.keywords.len() >= MAX_FLAGS {
            return Err(Syntax("Invalid keyword."));
        }
        list.add_keyword(keyword);
        Ok(())
    }

    /// A parenthesised list of flags.
    pub(super) fn flag_list(&mut self) -> Parsed<FlagList> {
        let mut list = FlagList::default();
        self.list(|cursor| cursor.flag(&mut list))?;
        Ok(list)
    }

    /// A parenthesised list whose members are divided by single spaces; it may be empty.
    pub(super) fn list(&mut self, mut member: impl FnMut(&mut Self) -> Parsed<()>) -> Parsed<()> {
        self.expect(b'(', "Missing list.")?;
        if self.eat(b')') {
            return Ok(());
        }
        loop {
            member(self)?;
            if self.eat(b')') {
                return Ok(());
            }
            self.expect(b' ', "A list has no end.")?;
        }
    }

    /// Takes everything up to this byte or the end, spaces not among it.
    pub(super) fn until_space(&mut self) -> &'a [u8] {
        self.while_bytes(|byte| byte != b' ')
    }
}
