//! Addresses as scripts and envelopes hold them.

/// The parts of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) local: String,
    /// Empty where there is none.
    pub(crate) domain: String,
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.domain.is_empty() {
            return formatter.write_str(&self.local);
        }
        let is_plain =
            !self.local.is_empty() && self.local.chars().all(|character| is_atom(character) || character == '.');
        if is_plain {
            return write!(formatter, "{}@{}", self.local, self.domain);
        }
        formatter.write_str("\"")?;
        for character in self.local.chars() {
            if matches!(character, '"' | '\\') {
                formatter.write_str("\\")?;
            }
            write!(formatter, "{character}")?;
        }
        write!(formatter, "\"@{}", self.domain)
    }
}

impl Address {
    /// Whether two addresses are one: capitals count for nothing.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.local.eq_ignore_ascii_case(&other.local) && self.domain.eq_ignore_ascii_case(&other.domain)
    }
}

fn is_atom(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character) || !character.is_ascii()
}

/// Reads one address, as a script gives it: bare, or with a name before it.
pub(crate) fn one(text: &str) -> Option<Address> {
    let mut all = list(text)?;
    let only = all.pop()?;
    (all.is_empty() && !only.domain.is_empty() && !only.local.is_empty()).then_some(only)
}

/// Reads an envelope's address; `None` for what is none.
pub(crate) fn path(text: &str) -> Option<Address> {
    one(text.trim_start_matches('<').trim_end_matches('>'))
}

/// Reads a field's addresses (RFC 5322 §3.4).
///
/// - Returns: all addresses of groups and routes too; `None` where the field breaks the grammar.
pub(crate) fn list(text: &str) -> Option<Vec<Address>> {
    let mut reader = Reader { rest: text };
    let mut all = Vec::new();
    let mut in_group = false;
    loop {
        reader.blank()?;
        match reader.peek() {
            None => return Some(all),
            Some(',') => {
                reader.next();
                continue;
            }
            Some(';') if in_group => {
                reader.next();
                in_group = false;
                continue;
            }
            _ => {}
        }
        match reader.mailbox()? {
            Found::Address(address) => all.push(address),
            Found::Group if !in_group => {
                in_group = true;
                continue;
            }
            Found::Group => return None,
        }
        reader.blank()?;
        match reader.peek() {
            None | Some(',') => {}
            Some(';') if in_group => {}
            _ => return None,
        }
    }
}

enum Found {
    Address(Address),
    Group,
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next()?;
        self.rest = characters.as_str();
        Some(next)
    }

    /// Passes blanks and comments.
    fn blank(&mut self) -> Option<()> {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r' | '\n') => {
                    self.next();
                }
                Some('(') => {
                    let mut depth = 0_u32;
                    loop {
                        match self.next()? {
                            '(' => depth += 1,
                            ')' => depth -= 1,
                            '\\' => {
                                self.next()?;
                            }
                            _ => {}
                        }
                        if depth == 0 {
                            break;
                        }
                    }
                }
                _ => return Some(()),
            }
        }
    }

    fn word(&mut self) -> Option<String> {
        let mut word = String::new();
        if self.peek() == Some('"') {
            self.next();
            loop {
                match self.next()? {
                    '"' => return Some(word),
                    '\\' => word.push(self.next()?),
                    other => word.push(other),
                }
            }
        }
        while let Some(character) = self.peek().filter(|character| is_atom(*character)) {
            self.next();
            word.push(character);
        }
        (!word.is_empty()).then_some(word)
    }

    fn domain(&mut self) -> Option<String> {
        self.blank()?;
        if self.peek() == Some('[') {
            let end = self.rest.find(']')?;
            let (literal, rest) = self.rest.split_at(end + 1);
            self.rest = rest;
            return Some(literal.to_owned());
        }
        let mut domain = self.word()?;
        while self.peek() == Some('.') {
            self.next();
            domain.push('.');
            domain.push_str(&self.word()?);
        }
        Some(domain)
    }

    fn mailbox(&mut self) -> Option<Found> {
        // Words with dots between them: a local part, or the name before the address.
        let mut words: Vec<String> = Vec::new();
        let mut dotted = true;
        loop {
            self.blank()?;
            match self.peek() {
                Some('@') if words.len() == 1 => {
                    self.next();
                    let domain = self.domain()?;
                    return Some(Found::Address(Address { local: words.pop()?, domain }));
                }
                Some('<') => {
                    self.next();
                    return self.angle();
                }
                Some(':') if !words.is_empty() => {
                    self.next();
                    return Some(Found::Group);
                }
                Some('.') if !words.is_empty() => {
                    self.next();
                    if let Some(last) = words.last_mut() {
                        last.push('.');
                    }
                    dotted = true;
                }
                None | Some(',' | ';') => {
                    // A name without a domain.
                    let only = words.pop()?;
                    return words.is_empty().then_some(Found::Address(Address { local: only, domain: String::new() }));
                }
                _ => {
                    let word = self.word()?;
                    match words.last_mut() {
                        Some(last) if dotted => last.push_str(&word),
                        _ => words.push(word),
                    }
                    dotted = false;
                }
            }
        }
    }

    fn angle(&mut self) -> Option<Found> {
        self.blank()?;
        if self.peek() == Some('@') {
            // A route of old.
            let end = self.rest.find(':')?;
            self.rest = self.rest.get(end + 1..)?;
        }
        let mut local = String::new();
        loop {
            self.blank()?;
            match self.peek()? {
                '@' => break,
                '>' => {
                    self.next();
                    return Some(Found::Address(Address { local, domain: String::new() }));
                }
                '.' => {
                    self.next();
                    local.push('.');
                }
                _ => local.push_str(&self.word()?),
            }
        }
        self.next();
        let domain = self.domain()?;
        self.blank()?;
        (self.next()? == '>').then_some(Found::Address(Address { local, domain }))
    }
}
