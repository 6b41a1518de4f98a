//! Actions and what else is done.

use crate::address;
use crate::check::arguments::{Arguments, Kind, Tag, Takes};
use crate::check::{Checker, LOOPS};
use crate::extension::Extension;
use crate::notify::Method;
use crate::program::{FlagVerb, Modifier, Notify, Place, Texts, Vacation, What};
use crate::syntax::Node;
use crate::text::{self, Text};

const FLAGS: Tag = ("flags", Takes::Texts);
const MODIFIERS: [(&str, Modifier, Option<Extension>); 7] = [
    ("lower", Modifier::Lower, None),
    ("upper", Modifier::Upper, None),
    ("lowerfirst", Modifier::LowerFirst, None),
    ("upperfirst", Modifier::UpperFirst, None),
    ("quotewildcard", Modifier::QuoteWildcard, None),
    ("length", Modifier::Length, None),
    ("encodeurl", Modifier::EncodeUrl, Some(Extension::Notify)),
];

impl Checker<'_> {
    /// Reads a command that is no `if`.
    pub(super) fn action(&mut self, node: &Node, name: &str) -> Option<What> {
        use Extension as E;
        let required: &[E] = match name {
            "fileinto" => &[E::FileInto],
            "reject" => &[E::Reject],
            "vacation" => &[E::Vacation],
            "notify" => &[E::Notify],
            "set" => &[E::Variables],
            "setflag" | "addflag" | "removeflag" => &[E::Imap4Flags],
            "include" | "return" => &[E::Include],
            "global" => &[E::Include, E::Variables],
            "foreverypart" | "break" => &[E::ForEveryPart],
            "extracttext" => &[E::ExtractText, E::ForEveryPart, E::Variables],
            "error" => &[E::Ihave],
            _ => &[],
        };
        if required.iter().any(|extension| !self.has(*extension)) {
            self.unknown(node.line, "command", &node.name);
            if let Some(block) = &node.block {
                self.commands(block);
            }
            for test in &node.tests {
                self.test(test);
            }
            return None;
        }
        if name == "foreverypart" {
            return self.each_part(node);
        }
        let what = match name {
            "stop" => {
                self.of(node, name, &[], &[]);
                What::Stop
            }
            "return" => {
                self.of(node, name, &[], &[]);
                What::Return
            }
            "discard" => {
                self.of(node, name, &[], &[]);
                What::Discard
            }
            "keep" => {
                let arguments = self.of(node, name, &self.when(&[(E::Imap4Flags, FLAGS)], &[]), &[]);
                What::Keep { flags: arguments.tag_texts(self, "flags") }
            }
            "fileinto" => {
                let side = [
                    (E::Imap4Flags, FLAGS),
                    (E::Copy, ("copy", Takes::Nothing)),
                    (E::Mailbox, ("create", Takes::Nothing)),
                ];
                let arguments = self.of(node, name, &self.when(&side, &[]), &[Kind::Text]);
                let folder = arguments.text(self, 0);
                What::FileInto {
                    folder,
                    flags: arguments.tag_texts(self, "flags"),
                    copy: arguments.has("copy"),
                    create: arguments.has("create"),
                }
            }
            "redirect" => {
                let known = self.when(&[(E::Copy, ("copy", Takes::Nothing))], &[]);
                let mut arguments = Arguments::of(self, node, "redirect command", &known);
                let right = arguments.expect(self, &[Kind::Text]);
                self.bare(node, name);
                let to = arguments.text(self, 0);
                if let Some(address) = to.fixed()
                    && right
                    && address::one(address).is_none()
                {
                    self.wrong(arguments.place_line(0), format!("specified redirect address '{address}' is invalid"));
                }
                What::Redirect { address: to, copy: arguments.has("copy") }
            }
            "reject" => {
                let arguments = self.of(node, name, &[], &[Kind::Text]);
                What::Reject { reason: arguments.text(self, 0) }
            }
            "error" => {
                let arguments = self.of(node, name, &[], &[Kind::Text]);
                What::Error { message: arguments.text(self, 0) }
            }
            "vacation" => self.vacation(node),
            "notify" => self.notify(node),
            "set" => self.set(node),
            "setflag" | "addflag" | "removeflag" => self.flags(node, name),
            "include" => {
                let known = [
                    ("personal", Takes::Nothing),
                    ("global", Takes::Nothing),
                    ("once", Takes::Nothing),
                    ("optional", Takes::Nothing),
                ];
                let arguments = self.of(node, name, &known, &[Kind::Text]);
                if arguments.has("personal") && arguments.has("global") {
                    self.wrong(node.line, "include: duplicate script location argument");
                }
                let script = arguments.text(self, 0);
                match script.fixed() {
                    None => {
                        self.wrong(node.line, "the include command requires a constant string for its value argument")
                    }
                    Some(script) if !crate::is_script_name(script) => {
                        self.wrong(node.line, format!("include: invalid script name '{script}'"));
                    }
                    Some(_) => {}
                }
                What::Include {
                    name: script,
                    global: arguments.has("global"),
                    once: arguments.has("once"),
                    optional: arguments.has("optional"),
                }
            }
            "global" => {
                let arguments = self.of(node, name, &[], &[Kind::Texts]);
                let mut names = Vec::new();
                for one in arguments.texts(self, 0) {
                    match one.fixed() {
                        Some(one) if text::is_name(one) => names.push(one.to_ascii_lowercase()),
                        _ => self.wrong(node.line, "invalid variable identifier specified for the global command"),
                    }
                }
                What::Global(names)
            }
            "break" => {
                let arguments = self.of(node, name, &[("name", Takes::Text)], &[]);
                let wanted = arguments.tag_text(self, "name");
                let wanted = wanted.as_ref().and_then(Text::fixed).map(str::to_owned);
                let is_there = match &wanted {
                    None => !self.loops.is_empty(),
                    Some(wanted) => self.loops.iter().any(|name| name.as_ref() == Some(wanted)),
                };
                if !is_there {
                    self.wrong(
                        node.line,
                        match &wanted {
                            None => "the break command is not placed inside a foreverypart loop".to_owned(),
                            Some(name) => format!("the :name tag for the break command has no matching loop '{name}'"),
                        },
                    );
                }
                What::Break { name: wanted }
            }
            "extracttext" => {
                if self.loops.is_empty() {
                    self.wrong(node.line, "the extracttext command is not placed inside a foreverypart loop");
                }
                let mut known = self.modifiers();
                known.push(("first", Takes::Number));
                let arguments = self.of(node, name, &known, &[Kind::Text]);
                What::ExtractText {
                    variable: self.place(&arguments, node.line),
                    first: arguments.tag_number("first"),
                    modifiers: self.modifiers_of(&arguments),
                }
            }
            _ => {
                self.unknown(node.line, "command", &node.name);
                if let Some(block) = &node.block {
                    self.commands(block);
                }
                for test in &node.tests {
                    self.test(test);
                }
                return None;
            }
        };
        Some(what)
    }

    /// Reads the arguments of an action.
    fn of(&mut self, node: &Node, name: &str, known: &[Tag], kinds: &[Kind]) -> Arguments {
        let mut arguments = Arguments::of(self, node, &format!("{name} command"), known);
        arguments.expect(self, kinds);
        self.bare(node, name);
        arguments
    }

    fn when(&self, by_extension: &[(Extension, Tag)], always: &[Tag]) -> Vec<Tag> {
        let extended = by_extension.iter().filter(|(extension, _)| self.has(*extension)).map(|(_, tag)| *tag);
        always.iter().copied().chain(extended).collect()
    }

    fn each_part(&mut self, node: &Node) -> Option<What> {
        let mut arguments = Arguments::of(self, node, "foreverypart command", &[("name", Takes::Text)]);
        arguments.expect(self, &[]);
        if !node.tests.is_empty() {
            self.wrong(node.line, "the foreverypart command accepts no sub-tests, but tests are specified");
        }
        let name = arguments.tag_text(self, "name");
        let name = name.as_ref().and_then(Text::fixed).map(str::to_owned);
        if self.loops.len() >= LOOPS {
            self.wrong(node.line, format!("new program loop exceeds the nesting limit (<= {LOOPS} levels)"));
            return None;
        }
        self.loops.push(name.clone());
        let body = self.block(node, "foreverypart");
        self.loops.pop();
        Some(What::EachPart { name, body })
    }

    fn vacation(&mut self, node: &Node) -> What {
        let always = [
            ("days", Takes::Number),
            ("subject", Takes::Text),
            ("from", Takes::Text),
            ("addresses", Takes::Texts),
            ("mime", Takes::Nothing),
            ("handle", Takes::Text),
        ];
        let known = self.when(&[(Extension::VacationSeconds, ("seconds", Takes::Number))], &always);
        let arguments = self.of(node, "vacation", &known, &[Kind::Text]);
        if arguments.has("days") && arguments.has("seconds") {
            self.wrong(
                arguments.line_of("seconds"),
                "conflicting :days and :seconds arguments specified for the vacation command",
            );
        }
        let from = arguments.tag_text(self, "from");
        if let Some(text) = from.as_ref().and_then(Text::fixed)
            && address::one(text).is_none()
        {
            self.wrong(
                arguments.line_of("from"),
                format!("specified :from address '{text}' is invalid for vacation action"),
            );
        }
        let days = arguments.tag_number("days").map(|days| days.saturating_mul(86_400));
        What::Vacation(Box::new(Vacation {
            seconds: arguments.tag_number("seconds").or(days),
            subject: arguments.tag_text(self, "subject"),
            from,
            addresses: arguments.tag_texts(self, "addresses").unwrap_or_default(),
            mime: arguments.has("mime"),
            handle: arguments.tag_text(self, "handle"),
            reason: arguments.text(self, 0),
        }))
    }

    fn notify(&mut self, node: &Node) -> What {
        let known =
            [("from", Takes::Text), ("importance", Takes::Text), ("options", Takes::Texts), ("message", Takes::Text)];
        let arguments = self.of(node, "notify", &known, &[Kind::Text]);
        let importance = arguments.tag_text(self, "importance");
        if let Some(text) = importance.as_ref().and_then(Text::fixed)
            && !["1", "2", "3"].contains(&text)
        {
            self.wrong(
                arguments.line_of("importance"),
                format!("invalid :importance value for notify command: {text}"),
            );
        }
        let method = arguments.text(self, 0);
        if let Some(uri) = method.fixed()
            && let Err(problem) = Method::parse(uri)
        {
            self.wrong(arguments.place_line(0), format!("notify command: {problem}"));
        }
        let from = arguments.tag_text(self, "from");
        if let Some(text) = from.as_ref().and_then(Text::fixed)
            && address::one(text).is_none()
        {
            self.wrong(
                arguments.line_of("from"),
                format!("specified :from address '{text}' is invalid for the mailto method"),
            );
        }
        What::Notify(Box::new(Notify { from, importance, message: arguments.tag_text(self, "message"), method }))
    }

    fn set(&mut self, node: &Node) -> What {
        let known = self.modifiers();
        let arguments = self.of(node, "set", &known, &[Kind::Text, Kind::Text]);
        What::Set {
            variable: self.place(&arguments, node.line),
            value: arguments.text(self, 1),
            modifiers: self.modifiers_of(&arguments),
        }
    }

    fn modifiers(&self) -> Vec<Tag> {
        let known = MODIFIERS.iter().filter(|(_, _, needed)| needed.is_none_or(|needed| self.has(needed)));
        known.map(|(name, ..)| (*name, Takes::Nothing)).collect()
    }

    fn modifiers_of(&mut self, arguments: &Arguments) -> Vec<Modifier> {
        let mut found: Vec<Modifier> = Vec::new();
        for (name, modifier, _) in MODIFIERS {
            if !arguments.has(name) {
                continue;
            }
            if found.iter().any(|other| other.precedence() == modifier.precedence()) {
                self.wrong(
                    arguments.line_of(name),
                    format!("modifiers with equal precedence specified for the set command: ':{name}'"),
                );
            }
            found.push(modifier);
        }
        found.sort_by_key(|modifier| std::cmp::Reverse(modifier.precedence()));
        found
    }

    /// Reads the variable that is written to.
    fn place(&mut self, arguments: &Arguments, line: u32) -> Place {
        let name = arguments.text(self, 0);
        let Some(name) = name.fixed() else {
            self.wrong(line, "expected variable name as a constant string");
            return Place { global: false, name: String::new() };
        };
        let (global, bare) = match name.split_once('.') {
            Some((space, bare)) if space.eq_ignore_ascii_case("global") && self.has(Extension::Include) => (true, bare),
            _ => (false, name),
        };
        if !text::is_name(bare) {
            self.wrong(line, format!("invalid variable name '{name}'"));
        }
        Place { global, name: bare.to_ascii_lowercase() }
    }

    fn flags(&mut self, node: &Node, name: &str) -> What {
        let arguments = Arguments::of(self, node, &format!("{name} command"), &[]);
        let mut arguments = arguments;
        let with_variable = arguments.places() == 2;
        let kinds: &[Kind] = if with_variable { &[Kind::Text, Kind::Texts] } else { &[Kind::Texts] };
        let right = arguments.expect(self, kinds);
        self.bare(node, name);
        let variable = with_variable.then(|| arguments.text(self, 0));
        if with_variable && right {
            if !self.has(Extension::Variables) {
                self.wrong(
                    arguments.place_line(0),
                    format!("the {name} command only allows for the specification of a variable name when the variables extension is active"),
                );
            } else if let Some(text) = variable.as_ref().and_then(Text::fixed)
                && !text::is_name(text)
            {
                self.wrong(arguments.place_line(0), format!("invalid variable name '{text}'"));
            }
        }
        let flags: Texts = arguments.texts(self, usize::from(with_variable));
        let verb = match name {
            "setflag" => FlagVerb::Set,
            "addflag" => FlagVerb::Add,
            _ => FlagVerb::Remove,
        };
        What::Flags { verb, variable, flags }
    }
}
