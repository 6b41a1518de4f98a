//! A typed writer for XML.
//!
//! Source: XML 1.0 §2.4, §3.3.3. Characters that XML does not have become blanks.

use std::fmt;

/// An element: attributes, and text or children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    text: Option<String>,
    children: Vec<Element>,
}

impl Element {
    /// Begins an element.
    pub fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), text: None, children: Vec::new() }
    }

    /// Sets an attribute.
    #[must_use]
    pub fn attribute(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// Sets the text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Adds a child.
    #[must_use]
    pub fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "{}<{}", "  ".repeat(depth), self.name)?;
        for (name, value) in &self.attributes {
            write!(f, " {name}='{}'", Escaped(value))?;
        }
        match (&self.text, self.children.is_empty()) {
            (Some(text), _) => writeln!(f, ">{}</{}>", Escaped(text), self.name),
            (None, true) => writeln!(f, "/>"),
            (None, false) => {
                writeln!(f, ">")?;
                self.children.iter().try_for_each(|child| child.write(f, depth + 1))?;
                writeln!(f, "{}</{}>", "  ".repeat(depth), self.name)
            }
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '\'' => f.write_str("&apos;"),
            '"' => f.write_str("&quot;"),
            hostile if values::hostile(hostile) || matches!(hostile, '\u{fffe}' | '\u{ffff}') => f.write_str(" "),
            other => write!(f, "{other}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_reads_back_as_it_was_meant_and_begins_no_element(text in "\\PC*[\n<>&'\"\u{0}]{0,9}\\PC*") {
            let written = Element::new("domain").child(Element::new("name").attribute("a", text.as_str()).text(text.as_str()));
            let written = written.to_string();
            prop_assert_eq!(written.lines().count(), 3);
            let line = written.lines().nth(1).unwrap();
            let (attribute, content) = line.strip_prefix("  <name a='").and_then(|rest| rest.split_once("'>")).unwrap();
            let content = content.strip_suffix("</name>").unwrap();
            let read = |text: &str| {
                assert!(!text.contains(['<', '>', '\'', '"']));
                let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&apos;", "'"), ("&quot;", "\""), ("&amp;", "&")];
                pairs.iter().fold(text.to_owned(), |text, (escape, character)| text.replace(escape, character))
            };
            let shown: String = text
                .chars()
                .map(|c| if values::hostile(c) || matches!(c, '\u{fffe}' | '\u{ffff}') { ' ' } else { c })
                .collect();
            prop_assert_eq!(read(attribute), shown.as_str());
            prop_assert_eq!(read(content), shown.as_str());
        }
    }
}
