//! The codes of problems that this room's decoder and checks tell, with the page behind each.

/// A code and its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code, such as `spec::missing`.
    pub code: &'static str,
    /// What it means and what to do, in a paragraph.
    pub explanation: &'static str,
}

const fn code(code: &'static str, explanation: &'static str) -> Code {
    Code { code, explanation }
}

/// The codes, sorted.
pub const CODES: &[Code] = &[
    code(
        "spec::contradiction",
        "Two values in one node cannot both be meant: scores of a defense that fall where they should rise, an end before its \
         beginning, a tier that keeps no mail and yet has a quota. Both places are shown. Decide which of them is right and \
         change the other.",
    ),
    code(
        "spec::duplicate-local-part",
        "What stands before the `@` of an address stands once in a domain, over mailboxes, forwards, lists and all of their \
         aliases. Capitals make no difference, and neither do quotes: `Alice`, `alice` and `\"alice\"` are one address. Rename one \
         of the two, or remove the alias.",
    ),
    code(
        "spec::duplicate-name",
        "Two nodes of one kind beside each other have the same name, so that nothing could say which of them it means. Domain \
         names are the same however they are spelled: in capitals, in their own script or as `xn--` labels. Rename one of the \
         two, or remove it.",
    ),
    code(
        "spec::environment-override",
        "An environment says where a platform runs and how much of it there is: backend, suffix, scale, accounts, doors, secrets \
         and the simulated internet. It cannot change what the platform is, since a promotion would then mean nothing. Change the \
         platform, which changes all environments at once.",
    ),
    code(
        "spec::foreign-admin",
        "The admins of a reseller sign in with addresses that end in the reseller's name and `.adm`, such as `admin@acme.adm` for \
         the reseller `acme`. No reseller can name an admin of another.",
    ),
    code(
        "spec::given-twice",
        "Something that can only be said once in a node is said twice. A property and a child with one argument are the same \
         thing: `mx count=2` and `mx { count 2 }`. The first one was taken; remove one of the two.",
    ),
    code(
        "spec::language",
        "Each file begins with the edition of the language it is written in, `language 1` (in YAML `language: 1`), so that an old \
         file keeps its meaning when the language grows. An edition that this program does not know is not guessed at; use a \
         newer program.",
    ),
    code(
        "spec::missing",
        "Something that a node cannot be without is not there. The help shows how it is written, with an example in place of the \
         value. All else in the node is checked all the same.",
    ),
    code(
        "spec::not-for-resellers",
        "A folder below `resellers` is input from another company. It may hold only the `reseller` node of that company; what \
         belongs to the operator, and other resellers, cannot be declared there.",
    ),
    code(
        "spec::nothing-expected",
        "A scenario without anything that can fail shows nothing, however often it passes. Say with `expect` what must hold, or \
         which answer a step must get.",
    ),
    code(
        "spec::out-of-range",
        "The value is of the right type, but larger or smaller than makes sense there. The label names the bound, which itself is \
         allowed.",
    ),
    code(
        "spec::surplus-argument",
        "A node has more arguments than it takes. Settings beyond the name are written with their names in front, as properties \
         (`tier=\"basic\"`) or as children (`tier \"basic\"`).",
    ),
    code(
        "spec::too-many-problems",
        "A file has so many problems that the rest of them is not told. Correct those that are, which often corrects many others, \
         and check again.",
    ),
    code(
        "spec::unknown-name",
        "The language has nothing of this name in this place. Where another name is near, or where the name has a meaning \
         elsewhere, the help says so.",
    ),
    code(
        "spec::unknown-syntax",
        "The name of a file says which of the two syntaxes it is written in: `.kdl` for KDL 2, `.yaml` or `.yml` for YAML.",
    ),
    code(
        "spec::wrong-value",
        "The text is no value of the type that is wanted there: a size (`2GiB`), a duration (`5d`), a rate (`100/h`), an address. \
         Values are read once, where they stand; the help shows how this one is written. Line breaks, control characters and \
         characters that turn the direction of writing are refused in all values, since these end up in files that daemons read.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_explained() {
        assert!(CODES.is_sorted_by(|one, two| one.code < two.code));
        assert!(CODES.iter().all(|code| code.explanation.len() > 60 && code.explanation.ends_with('.')));
    }
}
