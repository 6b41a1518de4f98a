//! Tests.

use crate::check::Checker;
use crate::check::arguments::{Arguments, INDEX, Kind, MATCHING, MIME, PARTS, Tag, Takes};
use crate::extension::Extension;
use crate::program::{AddressPart, BodyOf, Comparator, DuplicateBy, MatchKind, Mime, MimeOnly, Test, Zone};
use crate::syntax::{Node, Value};
use crate::text::Text;

/// Fields whose values are addresses; others cannot be asked with `address` (RFC 5228 §5.1).
const ADDRESS_FIELDS: [&str; 22] = [
    "from",
    "to",
    "cc",
    "bcc",
    "sender",
    "resent-from",
    "resent-to",
    "resent-cc",
    "resent-bcc",
    "resent-sender",
    "reply-to",
    "resent-reply-to",
    "return-path",
    "delivered-to",
    "x-original-to",
    "errors-to",
    "disposition-notification-to",
    "approved",
    "abuse-reports-to",
    "mail-followup-to",
    "envelope-to",
    "x-forwarded-to",
];
const ENVELOPE_FIELDS: [&str; 4] = ["from", "to", "orig_to", "auth"];

impl Checker<'_> {
    /// Reads a test; what is wrong with it is noted.
    pub(crate) fn test(&mut self, node: &Node) -> Option<Test> {
        use Extension as E;
        let name = node.name.to_ascii_lowercase();
        let required = match name.as_str() {
            "envelope" => Some(E::Envelope),
            "body" => Some(E::Body),
            "environment" => Some(E::Environment),
            "mailboxexists" => Some(E::Mailbox),
            "date" | "currentdate" => Some(E::Date),
            "ihave" => Some(E::Ihave),
            "hasflag" => Some(E::Imap4Flags),
            "string" => Some(E::Variables),
            "duplicate" => Some(E::Duplicate),
            "valid_notify_method" | "notify_method_capability" => Some(E::Notify),
            _ => None,
        };
        if required.is_some_and(|extension| !self.has(extension)) {
            self.unknown(node.line, "test", &node.name);
            return None;
        }
        if let Some(test) = self.combination(node, &name) {
            return test;
        }
        if !node.tests.is_empty() {
            self.wrong(node.line, format!("the {name} test accepts no sub-tests, but tests are specified"));
        }
        let test = match name.as_str() {
            "true" | "false" => {
                self.arguments(node, &name, &[]).expect(self, &[]);
                Test::Constant(name == "true")
            }
            "header" => {
                let mut known = self.with(&[&MATCHING]);
                self.extend_by_extensions(&mut known, &[(E::Index, &INDEX), (E::Mime, &MIME)]);
                let mut arguments = self.arguments(node, &name, &known);
                arguments.expect(self, &[Kind::Texts, Kind::Texts]);
                let (names, keys) = (arguments.texts(self, 0), arguments.texts(self, 1));
                let (matching, index) = (arguments.matching(self), arguments.index(self));
                Test::Header { names, keys, matching, index, mime: self.mime(&arguments, true) }
            }
            "address" => {
                let mut known = self.with(&[&MATCHING, &PARTS]);
                self.extend_by_extensions(&mut known, &[(E::Index, &INDEX), (E::Mime, &MIME[..2])]);
                let mut arguments = self.arguments(node, &name, &known);
                let right = arguments.expect(self, &[Kind::Texts, Kind::Texts]);
                let (names, keys) = (arguments.texts(self, 0), arguments.texts(self, 1));
                for field in names.iter().filter_map(Text::fixed).filter(|_| right) {
                    if !ADDRESS_FIELDS.contains(&field.to_ascii_lowercase().as_str()) {
                        self.wrong(
                            arguments.place_line(0),
                            format!("specified header '{field}' is not allowed for the address test"),
                        );
                    }
                }
                let (matching, index, part) = (arguments.matching(self), arguments.index(self), arguments.part(self));
                Test::Address { part, names, keys, matching, index, mime: self.mime(&arguments, false) }
            }
            "exists" => {
                let mut known = Vec::new();
                self.extend_by_extensions(&mut known, &[(E::Mime, &MIME[..2])]);
                let mut arguments = self.arguments(node, &name, &known);
                arguments.expect(self, &[Kind::Texts]);
                let names = arguments.texts(self, 0);
                Test::Exists { names, mime: self.mime(&arguments, false) }
            }
            "envelope" => {
                let known = self.with(&[&MATCHING, &PARTS]);
                let mut arguments = self.arguments(node, &name, &known);
                let right = arguments.expect(self, &[Kind::Texts, Kind::Texts]);
                let (fields, keys) = (arguments.texts(self, 0), arguments.texts(self, 1));
                let part = arguments.part(self);
                for field in fields.iter().filter_map(Text::fixed).filter(|_| right) {
                    let folded = field.to_ascii_lowercase();
                    if !ENVELOPE_FIELDS.contains(&folded.as_str()) {
                        let line = arguments.place_line(0);
                        self.wrong(
                            line,
                            format!("specified envelope part '{field}' is not supported by the envelope test"),
                        );
                    } else if folded == "auth" && part != AddressPart::All {
                        let line = arguments.place_line(0);
                        self.wrong(line, "address-part tag specified for non-address envelope part 'auth'");
                    }
                }
                Test::Envelope { part, fields, keys, matching: arguments.matching(self) }
            }
            "size" => {
                let mut arguments = self.arguments(node, &name, &[("over", Takes::Nothing), ("under", Takes::Nothing)]);
                arguments.expect(self, &[Kind::Number]);
                match (arguments.has("over"), arguments.has("under")) {
                    (true, false) | (false, true) => {}
                    (true, true) => self.wrong(node.line, "exactly one of the ':under' or ':over' tags must be specified for the size test, but more were found"),
                    (false, false) => self.wrong(node.line, "the size test requires either the :under or the :over tag to be specified"),
                }
                Test::Size { over: arguments.has("over"), limit: arguments.number(0) }
            }
            "body" => {
                let mut known = self.with(&[&MATCHING]);
                known.extend([("raw", Takes::Nothing), ("text", Takes::Nothing), ("content", Takes::Texts)]);
                let mut arguments = self.arguments(node, &name, &known);
                arguments.expect(self, &[Kind::Texts]);
                let given = ["raw", "text", "content"].into_iter().filter(|tag| arguments.has(tag)).count();
                if given > 1 {
                    self.wrong(
                        node.line,
                        "the :raw, :content and :text arguments for the body test are mutually exclusive",
                    );
                }
                let of = match arguments.tag_texts(self, "content") {
                    Some(types) => BodyOf::Content(types),
                    None if arguments.has("raw") => BodyOf::Raw,
                    None => BodyOf::Text,
                };
                Test::Body { of, keys: arguments.texts(self, 0), matching: arguments.matching(self) }
            }
            "environment" => {
                let known = self.with(&[&MATCHING]);
                let mut arguments = self.arguments(node, &name, &known);
                arguments.expect(self, &[Kind::Text, Kind::Texts]);
                let (item, keys) = (arguments.text(self, 0), arguments.texts(self, 1));
                Test::Environment { name: item, keys, matching: arguments.matching(self) }
            }
            "mailboxexists" => {
                let mut arguments = self.arguments(node, &name, &[]);
                arguments.expect(self, &[Kind::Texts]);
                Test::MailboxExists(arguments.texts(self, 0))
            }
            "date" | "currentdate" => return Some(self.date(node, &name)),
            "ihave" => {
                let mut arguments = self.arguments(node, &name, &[]);
                arguments.expect(self, &[Kind::Texts]);
                let names = arguments.texts(self, 0);
                let mut all = true;
                for name in names.iter().map(|name| name.fixed().unwrap_or_default()) {
                    match Extension::named(name) {
                        Some(E::VacationSeconds) if !self.options.vacation_seconds => all = false,
                        // What changes how strings are read is too late now.
                        Some(E::Variables | E::EncodedCharacter) => all = false,
                        // What a script asks for so is switched on.
                        Some(extension) => self.extensions.extend(extension.implied()),
                        None => all = false,
                    }
                }
                Test::Constant(all)
            }
            "hasflag" => {
                let known = self.with(&[&MATCHING]);
                let mut arguments = self.arguments(node, &name, &known);
                let with_variables = arguments.places() == 2 && self.has(E::Variables);
                let kinds: &[Kind] = if with_variables { &[Kind::Texts, Kind::Texts] } else { &[Kind::Texts] };
                arguments.expect(self, kinds);
                let variables = with_variables.then(|| arguments.texts(self, 0));
                for variable in variables.iter().flatten().filter_map(Text::fixed) {
                    if !crate::text::is_name(variable) {
                        self.wrong(
                            arguments.place_line(0),
                            format!("invalid variable name '{variable}' specified for hasflag test"),
                        );
                    }
                }
                let keys = arguments.texts(self, usize::from(with_variables));
                Test::HasFlag { variables, keys, matching: arguments.matching(self) }
            }
            "string" => {
                let known = self.with(&[&MATCHING]);
                let mut arguments = self.arguments(node, &name, &known);
                arguments.expect(self, &[Kind::Texts, Kind::Texts]);
                let (sources, keys) = (arguments.texts(self, 0), arguments.texts(self, 1));
                let mut matching = arguments.matching(self);
                if !arguments.has("comparator") {
                    // As Pigeonhole has it: capitals count.
                    matching.comparator = Comparator::Octet;
                }
                Test::Text { sources, keys, matching }
            }
            "duplicate" => {
                let known = [
                    ("handle", Takes::Text),
                    ("header", Takes::Text),
                    ("uniqueid", Takes::Text),
                    ("seconds", Takes::Number),
                    ("last", Takes::Nothing),
                ];
                let mut arguments = self.arguments(node, &name, &known);
                arguments.expect(self, &[]);
                let header = arguments.tag_text(self, "header");
                let value = arguments.tag_text(self, "uniqueid");
                if header.is_some() && value.is_some() {
                    self.wrong(
                        arguments.line_of("uniqueid"),
                        "conflicting :header and :uniqueid arguments specified for the duplicate test",
                    );
                }
                let by = match (header, value) {
                    (Some(header), _) => DuplicateBy::Header(header),
                    (None, Some(value)) => DuplicateBy::Value(value),
                    (None, None) => DuplicateBy::MessageId,
                };
                Test::Duplicate {
                    handle: arguments.tag_text(self, "handle"),
                    by,
                    seconds: arguments.tag_number("seconds"),
                    last: arguments.has("last"),
                }
            }
            "valid_notify_method" => {
                let mut arguments = self.arguments(node, &name, &[]);
                arguments.expect(self, &[Kind::Texts]);
                Test::NotifyMethods(arguments.texts(self, 0))
            }
            "notify_method_capability" => {
                let known = self.with(&[&MATCHING]);
                let mut arguments = self.arguments(node, &name, &known);
                arguments.expect(self, &[Kind::Text, Kind::Text, Kind::Texts]);
                let (uri, capability) = (arguments.text(self, 0), arguments.text(self, 1));
                let keys = arguments.texts(self, 2);
                Test::NotifyCapability { uri, capability, keys, matching: arguments.matching(self) }
            }
            _ => {
                self.unknown(node.line, "test", &node.name);
                return None;
            }
        };
        if let Some(keys) = keys_of(&test) {
            for key in keys.iter().filter_map(Text::fixed) {
                if let Err(problem) = crate::regex::Regex::parse(key, false) {
                    self.wrong(node.line, format!("invalid regular expression '{key}' for regex match: {problem}"));
                }
            }
        }
        Some(test)
    }

    fn combination(&mut self, node: &Node, name: &str) -> Option<Option<Test>> {
        let what = format!("{name} test");
        match name {
            "not" => {
                self.arguments(node, name, &[]).expect(self, &[]);
                let [inner] = node.tests.as_slice() else {
                    self.wrong(node.line, format!("the {what} requires one sub-test"));
                    return Some(None);
                };
                if node.is_list {
                    self.wrong(node.line, format!("the {what} requires one sub-test, but a list is specified"));
                }
                Some(self.test(inner).map(|inner| match inner {
                    Test::Constant(holds) => Test::Constant(!holds),
                    inner => Test::Not(Box::new(inner)),
                }))
            }
            "allof" | "anyof" => {
                self.arguments(node, name, &[]).expect(self, &[]);
                if !node.is_list {
                    self.wrong(node.line, format!("the {what} requires a list of sub-tests"));
                }
                let is_all = name == "allof";
                let (mut tests, mut is_whole) = (Vec::new(), true);
                for test in &node.tests {
                    match self.test(test) {
                        // What decides by itself hides what follows.
                        Some(Test::Constant(holds)) if holds != is_all => return Some(Some(Test::Constant(holds))),
                        Some(Test::Constant(_)) => {}
                        Some(test) => tests.push(test),
                        None => is_whole = false,
                    }
                }
                let test = match tests.is_empty() {
                    true => Test::Constant(is_all),
                    false if is_all => Test::All(tests),
                    false => Test::Any(tests),
                };
                Some(is_whole.then_some(test))
            }
            _ => None,
        }
    }

    fn date(&mut self, node: &Node, name: &str) -> Test {
        let mut known = self.with(&[&MATCHING]);
        known.push(("zone", Takes::Text));
        let is_header = name == "date";
        if is_header {
            known.push(("originalzone", Takes::Nothing));
            self.extend_by_extensions(&mut known, &[(Extension::Index, &INDEX)]);
        }
        let mut arguments = self.arguments(node, name, &known);
        let kinds: &[Kind] =
            if is_header { &[Kind::Text, Kind::Text, Kind::Texts] } else { &[Kind::Text, Kind::Texts] };
        arguments.expect(self, kinds);
        let header = is_header.then(|| arguments.text(self, 0));
        let place = usize::from(is_header);
        let part = arguments.text(self, place);
        let zone = match arguments.tag_text(self, "zone") {
            Some(zone) => {
                if arguments.has("originalzone") {
                    self.wrong(arguments.line_of("zone"), "specified both :zone and :originalzone tags");
                }
                Zone::Given(zone)
            }
            None if arguments.has("originalzone") => Zone::Original,
            None => Zone::Local,
        };
        let (keys, matching) = (arguments.texts(self, place + 1), arguments.matching(self));
        Test::Date { header, zone, part, keys, matching, index: arguments.index(self) }
    }

    fn mime(&mut self, arguments: &Arguments, with_options: bool) -> Mime {
        let on = arguments.has("mime");
        for tag in ["anychild", "type", "subtype", "contenttype", "param"] {
            if arguments.has(tag) && !on {
                self.wrong(arguments.line_of(tag), format!("the :{tag} tag cannot be specified without the :mime tag"));
            }
        }
        let options = ["type", "subtype", "contenttype", "param"];
        if with_options && options.iter().filter(|tag| arguments.has(tag)).count() > 1 {
            self.wrong(arguments.line_of("mime"), "encountered a second MIME option tag; only one is allowed");
        }
        let only = match arguments.tag_texts(self, "param") {
            Some(names) => MimeOnly::Parameters(names),
            None if arguments.has("type") => MimeOnly::Type,
            None if arguments.has("subtype") => MimeOnly::Subtype,
            None if arguments.has("contenttype") => MimeOnly::ContentType,
            None => MimeOnly::Whole,
        };
        Mime { on, any_child: arguments.has("anychild"), only }
    }

    fn arguments(&mut self, node: &Node, name: &str, known: &[Tag]) -> Arguments {
        if let Some(block) = node.block.as_ref() {
            self.commands(block);
        }
        for argument in &node.arguments {
            if matches!(&argument.value, Value::Texts(texts) if texts.is_empty()) {
                self.wrong(argument.line, "a string list is empty");
            }
        }
        Arguments::of(self, node, &format!("{name} test"), known)
    }

    fn with(&self, tags: &[&[Tag]]) -> Vec<Tag> {
        tags.concat()
    }

    fn extend_by_extensions(&self, known: &mut Vec<Tag>, more: &[(Extension, &[Tag])]) {
        for (extension, tags) in more {
            if self.has(*extension) {
                known.extend_from_slice(tags);
            }
        }
    }
}

/// Returns the keys of a test that are regular expressions.
fn keys_of(test: &Test) -> Option<&[Text]> {
    let (keys, matching) = match test {
        Test::Header { keys, matching, .. }
        | Test::Address { keys, matching, .. }
        | Test::Envelope { keys, matching, .. }
        | Test::Body { keys, matching, .. }
        | Test::Environment { keys, matching, .. }
        | Test::HasFlag { keys, matching, .. }
        | Test::Text { keys, matching, .. } => (keys, matching),
        _ => return None,
    };
    (matching.kind == MatchKind::Regex).then_some(keys)
}
