//! What an SVG logo may hold: shapes and colours, nothing that runs and nothing that is fetched.
//!
//! This reads tags and attributes, not meaning: what is not plainly harmless is refused. Source: SVG 2 §5, §15, §16.

/// Elements that draw. Everything else is refused, `script`, `foreignObject`, `animate` and `set` among it.
const ELEMENTS: [&str; 31] = [
    "svg",
    "g",
    "defs",
    "symbol",
    "title",
    "desc",
    "metadata",
    "path",
    "rect",
    "circle",
    "ellipse",
    "line",
    "polyline",
    "polygon",
    "text",
    "tspan",
    "textpath",
    "lineargradient",
    "radialgradient",
    "stop",
    "clippath",
    "mask",
    "pattern",
    "marker",
    "filter",
    "fegaussianblur",
    "feoffset",
    "feblend",
    "feflood",
    "fecolormatrix",
    "femerge",
];

/// Returns what in an SVG file is not allowed, in the user's words; `None` where all is well.
pub fn objection(bytes: &[u8]) -> Option<String> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Some("it is not UTF-8".to_owned());
    };
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut root = false;
    while let Some(at) = rest.find('<') {
        let tag = rest.get(at..).unwrap_or_default();
        if let Some(after) = tag.strip_prefix("<!--") {
            let Some((_, after)) = after.split_once("-->") else {
                return Some("a comment in it does not end".to_owned());
            };
            rest = after;
        } else if let Some(after) = tag.strip_prefix("<?xml ") {
            let Some((_, after)) = after.split_once("?>") else {
                return Some("its first line does not end".to_owned());
            };
            rest = after;
        } else if tag.starts_with("<!") || tag.starts_with("<?") {
            // Entities, CDATA and style sheets from elsewhere all begin like this.
            return Some("it holds a declaration (`<!` or `<?`)".to_owned());
        } else {
            let Some((inside, after)) = split_tag(tag) else { return Some("a tag in it does not end".to_owned()) };
            if let Some(objection) = tag_objection(inside) {
                return Some(objection);
            }
            root |= element(inside).eq_ignore_ascii_case("svg");
            rest = after;
        }
    }
    (!root).then(|| "it has no `svg` element".to_owned())
}

/// Splits `<…>` into what stands inside and what comes after; a `>` in quotes does not end it.
fn split_tag(tag: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, character) in tag.char_indices() {
        match (quote, character) {
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None, '>') => return Some((tag.get(1..at)?, tag.get(at + 1..)?)),
            _ => {}
        }
    }
    None
}

fn element(inside: &str) -> &str {
    let name = inside.trim_start_matches('/');
    let end = name.find(|end: char| end.is_whitespace() || end == '/').unwrap_or(name.len());
    name.get(..end).unwrap_or_default()
}

fn tag_objection(inside: &str) -> Option<String> {
    let name = element(inside).to_ascii_lowercase();
    // Prefixed elements belong to drawing programs and are not shown; one bound to SVG's own namespace could be anything.
    if !ELEMENTS.contains(&name.as_str()) {
        return Some(format!("it holds the element {}", values::quoted(&name)));
    }
    let attributes = inside.trim_start_matches('/').get(name.len()..).unwrap_or_default();
    let lower: String =
        attributes.chars().filter(|character| !character.is_whitespace()).collect::<String>().to_ascii_lowercase();
    if lower.contains('&') && lower.contains(';') {
        return Some("it holds a character reference in an attribute".to_owned());
    }
    for (attribute, value) in pairs(attributes) {
        let attribute = attribute.to_ascii_lowercase();
        let value = value.trim().to_ascii_lowercase();
        if attribute.starts_with("on") {
            return Some(format!("it holds the event handler {}", values::quoted(&attribute)));
        }
        if (attribute == "href" || attribute.ends_with(":href")) && !value.starts_with('#') {
            return Some("it links to something outside itself".to_owned());
        }
        let fetches = value.contains("url(") && !value.replace([' ', '"', '\''], "").contains("url(#");
        if fetches || value.contains("javascript:") || value.contains("@import") || value.contains('\\') {
            return Some(format!("its attribute {} reaches outside itself", values::quoted(&attribute)));
        }
    }
    None
}

fn pairs(attributes: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = attributes;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim().rsplit(char::is_whitespace).next().unwrap_or_default();
        let after = after.trim_start();
        let (value, next) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                after.get(1..).and_then(|inner| inner.split_once(quote)).unwrap_or((after, ""))
            }
            _ => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        found.push((name, value));
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_drawing_is_allowed() {
        for text in [
            r##"<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>"##,
            r##"<?xml version="1.0"?><!-- a > b --><svg><defs><linearGradient id="a"/></defs><rect fill="url(#a)" title="a>b"/></svg>"##,
            "<svg><text>Tom\u{a0}&amp; Co</text></svg>",
        ] {
            assert_eq!(objection(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_runs_or_is_fetched_is_refused() {
        for text in [
            "<svg><script>alert(1)</script></svg>",
            "<svg><SCRIPT/></svg>",
            "<svg onload=\"alert(1)\"/>",
            "<svg><rect\nONCLICK='x'/></svg>",
            "<svg><a href=\"javascript:alert(1)\"/></svg>",
            "<svg><use href=\"https://elsewhere.example/x.svg#a\"/></svg>",
            "<svg><path xlink:href='data:text/html,x'/></svg>",
            "<svg><foreignObject/></svg>",
            "<svg><animate attributeName=\"href\"/></svg>",
            "<svg><style>@import url(//x)</style></svg>",
            "<svg><rect style=\"fill:url(https://x)\"/></svg>",
            "<svg><rect style=\"fill:u\\72l(https://x)\"/></svg>",
            "<svg><path d=\"&#106;avascript:\"/></svg>",
            "<!DOCTYPE svg [<!ENTITY x \"y\">]><svg/>",
            "<svg><![CDATA[<script>]]></svg>",
            "<svg><x:script xmlns:x=\"http://www.w3.org/2000/svg\"/></svg>",
            "<svg><rect title=\"",
            "<html/>",
            "",
        ] {
            assert!(objection(text.as_bytes()).is_some(), "{text}");
        }
        assert!(objection(b"<svg>\xff</svg>").is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[<>/=\"' a-z!?:#&;-]{0,80}") {
            let _ = objection(&bytes);
            let _ = objection(text.as_bytes());
            // What is refused stays refused, whatever stands in front.
            let with_script = format!("{text}\"'><script></script>");
            prop_assert!(objection(with_script.as_bytes()).is_some());
        }
    }
}
