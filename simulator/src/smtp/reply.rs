//! Replies of a server: code, enhanced code, text (RFC 5321 §4.2, RFC 2034, RFC 5248).

/// An enhanced status code (RFC 3463): class, subject, detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Enhanced(pub u8, pub u16, pub u16);

impl std::fmt::Display for Enhanced {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Enhanced {
    /// Reads the code a reply's text begins with, and returns it with the rest of the text.
    pub fn split(text: &str) -> Option<(Self, &str)> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut parts = word.split('.');
        let class = parts.next()?.parse().ok().filter(|class| matches!(class, 2 | 4 | 5))?;
        let number = |part: &str| (part.len() <= 3).then(|| part.parse().ok()).flatten();
        let subject = number(parts.next()?)?;
        let detail = number(parts.next()?)?;
        parts.next().is_none().then_some((Self(class, subject, detail), rest))
    }
}

/// A reply as a server says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// The enhanced code, absent where RFC 2034 §4 wants none (greeting, HELO and EHLO, 334 and 354).
    pub enhanced: Option<Enhanced>,
    /// The text; a line feed separates lines, every other control character is written as `?`.
    pub text: String,
}

impl Reply {
    /// Makes a reply with an enhanced code.
    pub fn new(code: u16, enhanced: (u8, u16, u16), text: impl Into<String>) -> Self {
        Self { code, enhanced: Some(Enhanced(enhanced.0, enhanced.1, enhanced.2)), text: text.into() }
    }

    /// Makes a reply without an enhanced code.
    pub fn plain(code: u16, text: impl Into<String>) -> Self {
        Self { code, enhanced: None, text: text.into() }
    }

    /// Whether the code begins with 2.
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether the code begins with 4.
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// Writes the reply as it goes over the line, a `-` after the code of all lines but the last.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let separator = if lines.peek().is_some() { '-' } else { ' ' };
            out.extend_from_slice(format!("{:03}{separator}", self.code).as_bytes());
            if let Some(enhanced) = self.enhanced {
                out.extend_from_slice(format!("{enhanced} ").as_bytes());
            }
            let clean: String = line.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            out.extend_from_slice(clean.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Returns the reply as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_to(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_reply_carries_both_codes() {
        let reply = Reply::new(550, (5, 1, 1), "no such\nuser here");
        assert_eq!(reply.to_bytes(), b"550-5.1.1 no such\r\n550 5.1.1 user here\r\n");
    }

    #[test]
    fn a_reply_text_cannot_smuggle_a_line_break() {
        assert_eq!(Reply::plain(250, "a\rb\0c").to_bytes(), b"250 a?b?c\r\n");
    }

    #[test]
    fn an_enhanced_code_is_split_from_its_text() {
        assert_eq!(Enhanced::split("5.7.1 denied"), Some((Enhanced(5, 7, 1), "denied")));
        assert_eq!(Enhanced::split("2.0.0"), Some((Enhanced(2, 0, 0), "")));
        for text in ["", "5.7 x", "3.0.0 x", "5.7.1.1 x", "5.7.1000 x", "5.-1.0 x", "hello"] {
            assert_eq!(Enhanced::split(text), None, "{text}");
        }
    }
}
