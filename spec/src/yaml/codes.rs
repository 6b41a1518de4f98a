//! The codes of problems that the reader of YAML tells, with the page behind each.

use crate::codes::Code;

/// The codes, sorted.
pub const CODES: &[Code] = &[
    Code {
        code: "yaml::alias",
        explanation: "Aliases repeat what stands elsewhere, and nothing in a specification is said by reference. Write the \
             value out.",
    },
    Code {
        code: "yaml::anchor",
        explanation: "Anchors name a value so that aliases can repeat it. Neither is allowed in a specification. Remove \
             the anchor.",
    },
    Code {
        code: "yaml::args",
        explanation: "`args` in a node's mapping holds the node's own values, as a list or a single one: `price: { args: \
             [0.38 USD], tier: basic }`. It belongs to a node and holds no nodes.",
    },
    Code {
        code: "yaml::colon",
        explanation: "An entry is `key: value`, with a blank behind the colon, on a line of its own. A text that has `: ` \
             in it needs quotes.",
    },
    Code {
        code: "yaml::comment",
        explanation: "A `#` behind a blank begins a comment, so that the value before it is empty. A colour stands in quotes: \
             `\"#0b5fff\"`.",
    },
    Code {
        code: "yaml::complex-key",
        explanation: "A key is a text on one line: the node's kind, and behind a blank its first argument. Lists and \
             mappings are no keys.",
    },
    Code {
        code: "yaml::decimal-comma",
        explanation: "Between `[ ]` or `{ }` a comma ends a value and another one begins. Write fractions with a point, and \
             large numbers without marks between their digits: `{ price: 1.20 EUR, mailboxes: 20000 }`.",
    },
    Code {
        code: "yaml::directive",
        explanation: "Lines that start with `%` direct a YAML parser, and have no meaning here. Remove the line, or put \
             the text in quotes.",
    },
    Code {
        code: "yaml::disallowed-character",
        explanation: "Control characters, and characters that turn the direction of writing, may not stand in a file, \
             since what they show is not what they say. Remove them.",
    },
    Code {
        code: "yaml::documents",
        explanation: "A file holds one document. Put what follows `---` in a file of its own.",
    },
    Code {
        code: "yaml::duplicate-key",
        explanation: "Two entries of a mapping have the same key, so that one would hide the other. Remove one. Nodes that \
             repeat are a list of mappings with one key each.",
    },
    Code {
        code: "yaml::empty-key",
        explanation: "Each key starts with the node's kind: `kind: value` or `kind name: value`.",
    },
    Code {
        code: "yaml::escape",
        explanation: "In double quotes a backslash starts an escape, and this is none that YAML knows. Double the \
             backslash, or use single quotes, where it has no meaning.",
    },
    Code {
        code: "yaml::indentation",
        explanation: "Lines that belong together start in one column, with blanks before them; what belongs to a key \
             stands further right than the key.",
    },
    Code {
        code: "yaml::list-entry",
        explanation: "Each entry of a list of nodes is a mapping with one key, the node's head: `- mailbox alice: { tier: \
             premium }`. What belongs to the node stands within it.",
    },
    Code {
        code: "yaml::merge-key",
        explanation: "`<<` would merge the entries of another mapping. Write the entries out.",
    },
    Code {
        code: "yaml::mixed-list",
        explanation: "A list holds either a node's values or its children. Write children as `- kind: value`, and the \
             node's own values as `args: […]` beside them.",
    },
    Code {
        code: "yaml::nested-list",
        explanation: "A list within a list has no meaning: a node has values and children. Write each entry as a value or \
             as `- kind name: value`.",
    },
    Code {
        code: "yaml::not-a-node",
        explanation: "Nodes are written `kind name: value`, as the entries of a mapping or of a list. A text alone says \
             nothing here.",
    },
    Code {
        code: "yaml::not-utf8",
        explanation: "Files are UTF-8. What stands before these bytes was read, what stands behind them was not. Save the \
             file as UTF-8.",
    },
    Code {
        code: "yaml::quoted-argument",
        explanation: "What stands behind the blank of a key is the node's name as it is, so quotes would belong to it. \
             Leave them out; where the key needs quotes, they stand around all of it: `'scenario it: works': …`.",
    },
    Code { code: "yaml::separator", explanation: "Entries between `[ ]` or `{ }` have commas between them." },
    Code {
        code: "yaml::stray-bracket",
        explanation: "This bracket closes nothing, or something else than what is open. Remove it, or put the text that it \
             belongs to in quotes.",
    },
    Code {
        code: "yaml::syntax",
        explanation: "This is not YAML here. Texts with characters such as `: # & * ! % @ [ ] { }` \
             need quotes in many places.",
    },
    Code { code: "yaml::tab", explanation: "YAML is indented with blanks, not with tabs." },
    Code {
        code: "yaml::tag",
        explanation: "Tags (`!name`) give values a type in YAML. In the specification language values get their type where \
             they are used. Remove the tag.",
    },
    Code { code: "yaml::too-deep", explanation: "Nodes nest at most 128 levels deep. What lies deeper was not read." },
    Code {
        code: "yaml::too-large",
        explanation: "A file has at most 16 MiB. Split it: the order and the number of files have no meaning.",
    },
    Code {
        code: "yaml::too-many-nodes",
        explanation: "A file has at most 1,000,000 nodes and 2,000,000 values. Split it: the order and the number of files \
             have no meaning.",
    },
    Code {
        code: "yaml::too-many-problems",
        explanation: "More problems than these were found in a file, and reading it was given up. Correct the first ones, \
             since others often follow from them.",
    },
    Code {
        code: "yaml::unclosed",
        explanation: "A `[` or `{` is not closed where it should be. Write the `]` or `}`, or indent the lines that belong \
             to it.",
    },
    Code {
        code: "yaml::unclosed-string",
        explanation: "A string is not closed. Write the quote that it started with; in single quotes a quote is doubled, \
             in double quotes it is written `\\\"`.",
    },
    Code {
        code: "yaml::unexpected-character",
        explanation: "A text without quotes cannot start with this character. Put it in quotes.",
    },
];

#[cfg(test)]
mod tests {
    use super::CODES;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_that_is_told_has_its_page_and_no_other_has_one() {
        let sources = [
            include_str!("dashes.rs"),
            include_str!("mod.rs"),
            include_str!("lower.rs"),
            include_str!("quotes.rs"),
            include_str!("syntax.rs"),
            include_str!("repairs.rs"),
        ];
        let told: BTreeSet<&str> = sources
            .iter()
            .flat_map(|source| source.split('"'))
            .filter(|piece| piece.starts_with("yaml::") && piece.len() > "yaml::".len())
            .collect();
        let known: Vec<&str> = CODES.iter().map(|code| code.code).collect();
        assert_eq!(known, told.into_iter().collect::<Vec<_>>());
    }
}
