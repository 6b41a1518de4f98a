//! The codes of problems that the reader of KDL tells, with the page behind each.

use crate::codes::Code;

/// The codes, sorted.
pub const CODES: &[Code] = &[
    Code {
        code: "kdl::bare-keyword",
        explanation: "`true`, `false`, `null`, `inf`, `-inf` and `nan` stand neither for a value nor for a text. With `#` \
             in front they are values (`#true`), in quotes they are texts (`\"true\"`).",
    },
    Code {
        code: "kdl::behind-block",
        explanation: "A node ends with its block of children. Values stand before the block, also those that are taken out \
             with `/-`; the next node stands on a new line or behind a `;`.",
    },
    Code {
        code: "kdl::comma",
        explanation: "Values stand behind each other with blanks between them, and properties do too: `tiers \"basic\" \"premium\"`. \
             Write a blank in place of each comma.",
    },
    Code {
        code: "kdl::comment-in-word",
        explanation: "`//` starts a comment, also in the middle of an address without quotes: of `https://x.example` only \
             `https:` is read. Put the address in quotes, or a blank before the comment.",
    },
    Code {
        code: "kdl::dangling-slashdash",
        explanation: "`/-` takes out the node, value, property or block that follows it, and here none does. Another `/-` \
             cannot follow it either. Remove it, or write it right in front of what it takes out.",
    },
    Code {
        code: "kdl::disallowed-character",
        explanation: "Control characters, and characters that turn the direction of writing, may not stand in a file, \
             since what they show is not what they say. Remove them. A string in quotes takes them as `\\u{…}`.",
    },
    Code {
        code: "kdl::indentation",
        explanation: "Each line of a string in three quotes starts with the same blanks as the line of its closing quotes, \
             tabs and blanks alike; these are taken away. Lines with nothing in them may be shorter.",
    },
    Code {
        code: "kdl::kind-not-text",
        explanation: "A node's kind, a property's name and what stands in a type annotation are texts. Write a word, or \
             put a number or a keyword in quotes.",
    },
    Code {
        code: "kdl::list",
        explanation: "There are no lists in square brackets. A node takes several values one after the other: `types \
             \"svg\" \"png\"`.",
    },
    Code {
        code: "kdl::malformed-annotation",
        explanation: "Parentheses hold the name of a type in KDL, a single text in front of a value or a node. In the \
             specification language they mean nothing. Remove them, or put the text that they belong to in \
             quotes.",
    },
    Code {
        code: "kdl::malformed-escape",
        explanation: "A character by its number is written as `\\u{…}` with one to six hexadecimal digits, up to 10FFFF \
             and without the surrogates D800 to DFFF.",
    },
    Code {
        code: "kdl::malformed-number",
        explanation: "What starts with a digit is read as a number. Sizes, durations, rates and addresses are texts and \
             need quotes: `\"2GiB\"`. A number has a digit on both sides of its point (`0.5`), and may have \
             underscores behind its digits.",
    },
    Code {
        code: "kdl::merge-mark",
        explanation: "git could not join two changes of the same lines and wrote both into the file, between lines of `<<<<<<<`, \
             `=======` and `>>>>>>>`. Keep what is meant of the two and remove those lines.",
    },
    Code {
        code: "kdl::missing-brace",
        explanation: "A `}` further down closes nothing, and the lines below this node are indented as if they stood in a block \
             of it. Write ` {` at the end of its line.",
    },
    Code {
        code: "kdl::missing-kind",
        explanation: "A block of children belongs to the node in front of it, on the same line. Write the node's kind in \
             front of the `{`, or join the two lines.",
    },
    Code {
        code: "kdl::missing-space",
        explanation: "Two values stand right next to each other, so it is not clear where one ends. Write a blank between \
             them.",
    },
    Code {
        code: "kdl::missing-value",
        explanation: "A property is `name=value`, and the value is missing. Write it behind the `=`, on the same line, or \
             remove the `=` if the name is meant as a value.",
    },
    Code {
        code: "kdl::multi-line-string",
        explanation: "A string in three quotes starts on the line behind its opening quotes and ends on the line before \
             its closing ones, which stand alone. On one line a string has one quote at each end.",
    },
    Code {
        code: "kdl::node-with-equals",
        explanation: "A node is its kind and its values: `language 1`. Only a property of a node is written with `=`, \
             behind the node's kind.",
    },
    Code {
        code: "kdl::not-utf8",
        explanation: "Files are UTF-8. What stands before these bytes was read, what stands behind them was not. Save the \
             file as UTF-8.",
    },
    Code {
        code: "kdl::old-raw-string",
        explanation: "Raw strings are written `#\"…\"#`. The `r` in front of them belongs to the first version of KDL.",
    },
    Code {
        code: "kdl::second-block",
        explanation: "A node has one block of children. Put the children of both into one.",
    },
    Code {
        code: "kdl::stray-backslash",
        explanation: "Outside of quotes `\\` continues a line, so only blanks and a comment may stand behind it. A text \
             with a backslash needs quotes, and the backslash is doubled there.",
    },
    Code {
        code: "kdl::stray-brace",
        explanation: "This `}` closes nothing: a block before it was closed already, or never opened. Remove it, or write \
             the `{` that it belongs to.",
    },
    Code {
        code: "kdl::stray-character",
        explanation: "This character means nothing where it stands. Remove it, or put the text that it belongs to in \
             quotes.",
    },
    Code {
        code: "kdl::stray-equals",
        explanation: "`=` stands between the name and the value of a property. The name is a text, so a number or a \
             keyword needs quotes there, and so does a value that has `=` in it.",
    },
    Code { code: "kdl::stray-semicolon", explanation: "`;` ends a node, and there is none before it. Remove it." },
    Code { code: "kdl::too-deep", explanation: "Blocks nest at most 128 levels deep. What lies deeper was not read." },
    Code {
        code: "kdl::too-large",
        explanation: "A file has at most 16 MiB. Split it: the order and the number of files have no meaning.",
    },
    Code {
        code: "kdl::too-many-nodes",
        explanation: "A file has at most 1,000,000 nodes, and 2,000,000 arguments and properties. Split it: the order and \
             the number of files have no meaning.",
    },
    Code {
        code: "kdl::too-many-problems",
        explanation: "More problems than these were found in a file, and reading it was given up. Correct the first ones, \
             since others often follow from them.",
    },
    Code {
        code: "kdl::type-annotation",
        explanation: "KDL has type annotations, `(type)value`. In the specification language values get their type where \
             they are used, so annotations have no meaning. Remove it.",
    },
    Code {
        code: "kdl::unclosed-block",
        explanation: "A block lacks its `}`. Which one does is told by the indentation: what follows stands further left than the \
             lines of the block. Where the indentation tells nothing, the end of the file is shown, and the blocks that are open there.",
    },
    Code {
        code: "kdl::unclosed-comment",
        explanation: "The file ends in a comment. Comments nest: each `/*` in one needs a `*/` of its own.",
    },
    Code {
        code: "kdl::unclosed-string",
        explanation: "A string ends on its line, with the quote (and as many `#`) that it started with. A string over \
             several lines stands in three quotes. A quote within a string is written `\\\"`.",
    },
    Code {
        code: "kdl::unknown-escape",
        explanation: "Behind a `\\` in quotes only these may stand: `n r t b f s \" \\`, `u{…}` and blanks. A backslash \
             itself is written twice; in `#\"…\"#` it needs nothing.",
    },
    Code {
        code: "kdl::unknown-keyword",
        explanation: "What starts with `#` is one of `#true`, `#false`, `#null`, `#inf`, `#-inf` and `#nan`. A text that \
             starts with it, such as a colour, needs quotes.",
    },
    Code {
        code: "kdl::unquoted",
        explanation: "A text with one of the characters `( ) { } [ ] / \\ \" # ; =` or a blank in it needs quotes, and so \
             does one that starts with a digit.",
    },
    Code {
        code: "kdl::version",
        explanation: "`/- kdl-version 1` in a file's first line says that the file is written in KDL 1, where `true` stands without \
             its `#` and raw strings start with `r`. Only KDL 2 is read. Remove the line, and correct what is told then.",
    },
];

#[cfg(test)]
mod tests {
    use super::CODES;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_that_is_told_has_its_page_and_no_other_has_one() {
        let sources = [
            include_str!("indents.rs"),
            include_str!("mod.rs"),
            include_str!("parser.rs"),
            include_str!("recovery.rs"),
            include_str!("values.rs"),
        ];
        let told: BTreeSet<&str> = sources
            .iter()
            .flat_map(|source| source.split('"'))
            .filter(|piece| piece.starts_with("kdl::") && piece.len() > "kdl::".len())
            .collect();
        let known: Vec<&str> = CODES.iter().map(|code| code.code).collect();
        assert_eq!(known, told.into_iter().collect::<Vec<_>>());
    }
}
