//! Documents for the property tests: well-formed ones, broken ones, and heaps of tokens.

use proptest::prelude::*;

/// Pieces that mean something to the grammar, alone or next to each other.
const PIECES: &[&str] = &[
    "a",
    "node",
    "é",
    "名",
    "-",
    "--x",
    "+",
    ".",
    ".5",
    "-.5",
    "r",
    "true",
    "null",
    "inf",
    "-inf",
    "#true",
    "#false",
    "#null",
    "#inf",
    "#-inf",
    "#nan",
    "#x",
    "#",
    "##",
    "0",
    "1",
    "-12",
    "+3",
    "1.5",
    "1.",
    "1e5",
    "1e",
    "1E-5",
    "0x1F",
    "0xg",
    "0o17",
    "0b01",
    "1_0",
    "_1",
    "2GiB",
    "\"",
    "\"\"",
    "\"\"\"",
    "\"a b\"",
    "\"\\n\"",
    "\"\\s\\u{e9}\"",
    "\"\\u{d800}\"",
    "\"\\q\"",
    "\"\\ \n \"",
    "\"\"\"\n",
    "\n\"\"\"",
    "\"\"\"\n  a\n\n   b\n  \"\"\"",
    "\"\"\"\n  a \\\n  b\n  \"\"\"",
    "#\"raw\\\"#",
    "#\"",
    "\"#",
    "##\"a\"#b\"##",
    "#\"\"\"#",
    "#\"\"\"\n  r\n  \"\"\"#",
    "(",
    ")",
    "(t)",
    "( t )",
    "(\"t\")",
    "()",
    "{",
    "}",
    "{ }",
    "{ b; c }",
    ";",
    "=",
    " = ",
    "a=1",
    "b=\"x\"",
    "/-",
    "/- ",
    "/-\n",
    "/*",
    "*/",
    "/* c */",
    "/* /* n */ */",
    "//",
    "// c\n",
    "\\",
    "\\\n",
    "\\ // c\n",
    "\n",
    "\r\n",
    "\r",
    "\u{85}",
    "\u{2028}",
    "\u{B}",
    "\u{C}",
    " ",
    "\t",
    "\u{A0}",
    "\u{3000}",
    "\u{FEFF}",
    "\u{0}",
    "\u{7F}",
    "\u{200E}",
    "\u{2066}",
    "[",
    "]",
    ",",
    ":",
    "/",
    "<",
    ">",
    "@",
    "'",
    "kdl-version 2\n",
];

/// A heap of pieces in any order.
pub(crate) fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec((prop::sample::select(PIECES), prop::bool::weighted(0.4)), 0..16).prop_map(|pieces| {
        pieces.into_iter().flat_map(|(piece, spaced)| [piece, if spaced { " " } else { "" }]).collect()
    })
}

/// A well-formed document with all of the grammar in it but type annotations.
pub(crate) fn document() -> impl Strategy<Value = String> {
    let leaf =
        (head(), entries(), dashed_blocks(0)).prop_map(|(head, entries, blocks)| format!("{head}{entries}{blocks}"));
    let node = leaf.prop_recursive(4, 24, 4, |inner| {
        (head(), entries(), dashed_blocks(1), nodes(inner), dashed_blocks(1), node_space()).prop_map(
            |(head, entries, before, nodes, behind, space)| {
                format!("{head}{entries}{before}{space}{{{nodes}}}{behind}")
            },
        )
    });
    (prop::sample::select(&["", "\u{FEFF}", "/- kdl-version 2\n"][..]), nodes(node))
        .prop_map(|(start, nodes)| format!("{start}{nodes}"))
}

fn nodes(node: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let dash = prop::sample::select(&["", "", "", "", "/-", "/- ", "/-\n", "/- // c\n "][..]);
    let terminated = (line_space(), dash, node, terminator())
        .prop_map(|(space, dash, node, end)| format!("{space}{dash}{node}{end}"));
    (prop::collection::vec(terminated, 0..4), line_space()).prop_map(|(nodes, space)| nodes.concat() + space)
}

fn terminator() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["\n", ";", "\r\n", "// c\n", " ; ", "\u{85}", "\u{2028}"][..])
}

fn head() -> impl Strategy<Value = String> {
    prop_oneof![4 => word().prop_map(str::to_owned), 1 => string()]
}

fn entries() -> impl Strategy<Value = String> {
    let entry = (node_space(), prop::sample::select(&["", "", "", "/-", "/- ", "/-\n"][..]), entry())
        .prop_map(|(space, dash, entry)| format!("{space}{dash}{entry}"));
    prop::collection::vec(entry, 0..4).prop_map(|entries| entries.concat())
}

fn entry() -> impl Strategy<Value = String> {
    let name = prop_oneof![4 => word().prop_map(str::to_owned), 1 => string()];
    let equals = prop::sample::select(&["=", "=", "=", " = ", "= ", "\\\n="][..]);
    prop_oneof![value(), (name, equals, value()).prop_map(|(name, equals, value)| format!("{name}{equals}{value}"))]
}

fn value() -> impl Strategy<Value = String> {
    let simple = prop::sample::select(
        &[
            "#true",
            "#false",
            "#null",
            "#inf",
            "#-inf",
            "#nan",
            "0",
            "-1",
            "+1_000",
            "0xFF",
            "-0o7_1",
            "0b1_0",
            "1.5",
            "-1.25e+3",
            "1_0.0_1E-2",
        ][..],
    );
    prop_oneof![simple.prop_map(str::to_owned), word().prop_map(str::to_owned), string()]
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            "a",
            "node",
            "é",
            "名前",
            "-",
            "--x",
            "+",
            ".",
            "-.",
            "a.b",
            "_1",
            "r",
            "x@y.z",
            "<,>",
            "truth",
            "kdl-version",
        ][..],
    )
}

fn string() -> impl Strategy<Value = String> {
    let plain = prop::sample::select(
        &["", "a", " ", "é", "//", "{", "'", "#", "\\n", "\\\"", "\\\\", "\\s", "\\u{1F600}", "\\  \n  ", "\\\t"][..],
    );
    let quoted = prop::collection::vec(plain, 0..5).prop_map(|pieces| format!("\"{}\"", pieces.concat()));
    let raw = prop::sample::select(&["#\"\"#", "#\"a\"#", "#\"\\n\"#", "##\"a\"#b\"##", "##\"\"#\"##"][..])
        .prop_map(str::to_owned);
    let line = prop::sample::select(
        &["", "", " ", "a", "  a", "\"", "\"\"b", "\\n", "é ", "a \\\n b", "\\\\", "\t", "\\u{41}", "\\s"][..],
    );
    let indent = prop::sample::select(&["", "  ", "\t", "\u{A0} "][..]);
    let newline = prop::sample::select(&["\n", "\r\n", "\r", "\u{2028}"][..]);
    let triple = (prop::collection::vec((line, prop::bool::weighted(0.2)), 0..4), indent, newline).prop_map(
        |(lines, indent, newline)| {
            let lines: String = lines
                .into_iter()
                .map(|(line, bare)| {
                    if bare && line.trim().is_empty() {
                        format!("{line}{newline}")
                    } else {
                        format!("{indent}{line}{newline}")
                    }
                })
                .collect();
            format!("\"\"\"{newline}{lines}{indent}\"\"\"")
        },
    );
    let raw_triple = (0..3_usize, prop::sample::select(&["", "  "][..])).prop_map(|(lines, indent)| {
        let lines = format!("{indent}\\a\"\"\" b\n").repeat(lines);
        format!("#\"\"\"\n{lines}{indent}\"\"\"#")
    });
    prop_oneof![4 => quoted, 1 => raw, 2 => triple, 1 => raw_triple]
}

fn dashed_blocks(most: usize) -> impl Strategy<Value = String> {
    let block = prop::sample::select(&[" /-{}", " /- { a; b 1 }", " /-\n{ /- c }"][..]);
    prop::collection::vec(block, 0..=most).prop_map(|blocks| blocks.concat())
}

fn node_space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[" ", " ", " ", "  ", "\t", "/* c */", " /* /* c */ */ ", " \\\n ", "\\// c\n", "\u{3000}"][..],
    )
}

fn line_space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["", "", "", "\n", " ", "// c\n", "/* c\n */", "\\\n", "\r\n", "\u{C}"][..])
}

/// A document in which something was taken out, put in or changed.
pub(crate) fn mutated() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0..3_u8, prop::sample::select(PIECES));
    (document(), prop::collection::vec(change, 1..3)).prop_map(|(mut text, changes)| {
        for (place, kind, piece) in changes {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let at = places[place.index(places.len())];
            let next = places.get(place.index(places.len()) + 1).copied().unwrap_or(at);
            match kind {
                0 => text.replace_range(at..next, ""),
                1 => text.insert_str(at, piece),
                _ => text.replace_range(at..next, piece),
            }
        }
        text
    })
}
