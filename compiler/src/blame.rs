//! Which line of a specification a rendered line came from.

use spec::{Sources, Span};

use crate::compile::Output;

/// Words shorter than this stand in too many lines to tell anything.
const TELLING: usize = 4;

/// Returns the place of the specification that a line of a node's file came from, as near as it can be told.
///
/// What a person wrote and finds again in the rendered line is taken, the longest such word first: a name, an address, a text.
/// What the compiler decided by itself leads to the line that asked for the node.
///
/// - `rendered`: the line of the file, where it is known.
pub fn blame(sources: &Sources, output: &Output, node: &str, rendered: Option<&str>) -> Span {
    let own = || {
        let entities = [format!("node {node}"), format!("platform {}", output.blueprint.platform)];
        entities.iter().find_map(|entity| output.origins.find(entity, None)).unwrap_or_else(|| whole(sources))
    };
    let Some(rendered) = rendered else { return own() };
    let mut best: Option<(usize, u32, Span)> = None;
    for (_, span) in output.origins.iter() {
        let Some(length) = words(text(sources, span)).filter(|word| rendered.contains(word)).map(str::len).max() else {
            continue;
        };
        let narrow = span.end.saturating_sub(span.start);
        // The longest word; of several the narrowest place, and of those the first.
        if best.is_none_or(|(most, narrowest, _)| {
            (length, std::cmp::Reverse(narrow)) > (most, std::cmp::Reverse(narrowest))
        }) {
            best = Some((length, narrow, span));
        }
    }
    best.map_or_else(own, |(_, _, span)| span)
}

/// Returns the first line of what stands at a place.
fn text(sources: &Sources, span: Span) -> &str {
    let bytes = sources.file(span.file).map_or(&[][..], |file| file.bytes.as_slice());
    let marked = bytes.get(span.start as usize..(span.end as usize).min(bytes.len())).unwrap_or_default();
    let marked = marked.split(|&byte| byte == b'\n').next().unwrap_or_default();
    // What a cut through a character leaves is no word of anybody's.
    std::str::from_utf8(marked).unwrap_or_default()
}

/// Returns what is between quotes, and what stands bare and is more than a word of the language.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let bare = text.split(|character: char| character.is_whitespace() || "\"'{}=;,[]".contains(character));
    let bare = bare.filter(|word| word.contains(|character: char| !character.is_ascii_alphabetic()));
    text.split(['"', '\'']).skip(1).step_by(2).chain(bare).map(str::trim).filter(|word| word.len() >= TELLING)
}

fn whole(sources: &Sources) -> Span {
    let file = sources.files().next().map_or(spec::FileId(0), |(id, _)| id);
    Span { file, start: 0, end: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_is_quoted_and_what_stands_bare() {
        let found: Vec<&str> = words("banner \"Hello there\" host=mx.example {").collect();
        assert_eq!(found, ["Hello there", "mx.example"]);
    }
}
