//! What a script may say: commands with what they take, and what they must be required for.

mod actions;

mod arguments;
mod conditions;

use std::collections::BTreeSet;

use crate::extension::Extension;
use crate::program::{Command, Program, Test, What};
use crate::syntax::{self, Node, Value};
use crate::text::{self, Text};
use crate::{Options, Problem};

use arguments::Arguments;

/// Deepest loops over parts.
const LOOPS: usize = 4;

/// Reads and checks a script.
pub(crate) fn check(script: &str, options: &Options) -> Result<Program, Vec<Problem>> {
    let nodes = syntax::parse(script)?;
    let mut checker = Checker {
        options,
        extensions: BTreeSet::new(),
        problems: Vec::new(),
        unknown: BTreeSet::new(),
        loops: Vec::new(),
    };
    let commands = checker.top(&nodes);
    if checker.problems.is_empty() { Ok(Program { commands }) } else { Err(checker.problems) }
}

pub(crate) struct Checker<'a> {
    options: &'a Options,
    extensions: BTreeSet<Extension>,
    problems: Vec<Problem>,
    /// Names that were complained about.
    unknown: BTreeSet<String>,
    /// The loops around, with their names.
    loops: Vec<Option<String>>,
}

impl Checker<'_> {
    pub(crate) fn wrong(&mut self, line: u32, message: impl Into<String>) {
        if self.problems.len() < crate::PROBLEMS {
            self.problems.push(Problem { line, message: message.into() });
        }
    }

    pub(crate) fn has(&self, extension: Extension) -> bool {
        self.extensions.contains(&extension)
    }

    /// Says once that a name means nothing here.
    fn unknown(&mut self, line: u32, what: &str, name: &str) {
        if self.unknown.insert(format!("{what} {name}")) {
            self.wrong(line, format!("unknown {what} '{name}' (only reported once at first occurrence)"));
        }
    }

    /// Makes a text of a string.
    pub(crate) fn text(&mut self, line: u32, raw: &str) -> Text {
        let decoded = match self.has(Extension::EncodedCharacter) {
            true => text::decoded(raw),
            false => Ok(raw.to_owned()),
        };
        match decoded {
            Ok(text) if self.has(Extension::Variables) => Text::parse(&text, self.has(Extension::Include)),
            Ok(text) => Text::plain(&text),
            Err(problem) => {
                self.wrong(line, problem);
                Text::plain("")
            }
        }
    }

    fn top(&mut self, nodes: &[Node]) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut begun = false;
        for node in nodes {
            if node.name.eq_ignore_ascii_case("require") {
                if begun || node.block.is_some() {
                    self.wrong(
                        node.line,
                        "require commands can only be placed at top level at the beginning of the file",
                    );
                }
                self.require(node);
                continue;
            }
            begun = true;
            self.command(node, &mut commands);
        }
        commands
    }

    fn require(&mut self, node: &Node) {
        if !node.tests.is_empty() {
            self.wrong(node.line, "the require command accepts no sub-tests, but tests are specified");
        }
        let names = match node.arguments.as_slice() {
            [one] => match &one.value {
                Value::Text(name) => vec![name.clone()],
                Value::Texts(names) => names.clone(),
                other => {
                    let said = other.said();
                    return self.wrong(
                        one.line,
                        format!("the require command expects a string list as argument 1 (capabilities), but {said} was found"),
                    );
                }
            },
            several => {
                let count = several.len();
                return self.wrong(
                    node.line,
                    format!("the require command requires 1 positional argument(s), but {count} is/are specified"),
                );
            }
        };
        for name in names {
            self.require_one(node.line, &name);
        }
    }

    fn require_one(&mut self, line: u32, name: &str) {
        let known = Extension::named(name)
            .filter(|extension| *extension != Extension::VacationSeconds || self.options.vacation_seconds);
        match known {
            Some(extension) => self.extensions.extend(extension.implied()),
            None => self.wrong(line, format!("require command: unknown Sieve capability `{name}'")),
        }
    }

    pub(crate) fn commands(&mut self, nodes: &[Node]) -> Vec<Command> {
        let mut commands = Vec::new();
        for node in nodes {
            if node.name.eq_ignore_ascii_case("require") {
                self.wrong(node.line, "require commands can only be placed at top level at the beginning of the file");
                continue;
            }
            self.command(node, &mut commands);
        }
        commands
    }

    /// Takes a command, or what belongs to the one before.
    fn command(&mut self, node: &Node, commands: &mut Vec<Command>) {
        let name = node.name.to_ascii_lowercase();
        match name.as_str() {
            "if" => {
                let (test, block) = self.branch(node);
                commands.push(Command { line: node.line, what: What::If(vec![(test, block)]) });
            }
            "elsif" | "else" => {
                let is_reached = !matches!(
                    commands.last().map(|command| &command.what),
                    Some(What::If(branches)) if branches.iter().any(|(test, _)| matches!(test, Test::Constant(true)))
                );
                let (test, block) = match name.as_str() {
                    // What is never reached is not looked at.
                    _ if !is_reached => (Test::Constant(name == "else"), Vec::new()),
                    "elsif" => self.branch(node),
                    _ => {
                        if !node.tests.is_empty() {
                            self.wrong(node.line, "the else command accepts no sub-tests, but tests are specified");
                        }
                        self.no_arguments(node, "else command");
                        (Test::Constant(true), self.block(node, "else"))
                    }
                };
                match commands.last_mut().map(|command| &mut command.what) {
                    // An `else` has been the end of it.
                    Some(What::If(branches))
                        if !branches.is_empty() && !branches.last().is_some_and(|(_, block)| is_else(block)) =>
                    {
                        let mut block = block;
                        if name == "else" {
                            block.push(Command { line: node.line, what: What::If(Vec::new()) });
                        }
                        branches.push((test, block));
                    }
                    _ => {
                        self.wrong(node.line, format!("the {name} command must follow an if or elsif command"));
                    }
                }
            }
            _ => {
                if let Some(what) = self.action(node, &name) {
                    commands.push(Command { line: node.line, what });
                }
            }
        }
    }

    fn branch(&mut self, node: &Node) -> (Test, Vec<Command>) {
        self.no_arguments(node, &format!("{} command", node.name.to_ascii_lowercase()));
        let test = match node.tests.as_slice() {
            [test] if !node.is_list => self.test(test),
            _ => {
                let name = node.name.to_ascii_lowercase();
                self.wrong(node.line, format!("the {name} command requires one sub-test"));
                None
            }
        };
        let block = match test {
            // What is never reached is not looked at.
            Some(Test::Constant(false)) if node.block.is_some() => Vec::new(),
            _ => self.block(node, &node.name.to_ascii_lowercase()),
        };
        (test.unwrap_or(Test::Constant(false)), block)
    }

    pub(crate) fn block(&mut self, node: &Node, name: &str) -> Vec<Command> {
        match &node.block {
            Some(block) => self.commands(block),
            None => {
                self.wrong(node.line, format!("the {name} command requires a command block, but it is missing"));
                Vec::new()
            }
        }
    }

    fn no_arguments(&mut self, node: &Node, what: &str) {
        let mut arguments = Arguments::of(self, node, what, &[]);
        arguments.expect(self, &[]);
    }

    /// Says that an action has neither tests nor a block.
    pub(crate) fn bare(&mut self, node: &Node, name: &str) {
        if !node.tests.is_empty() {
            self.wrong(node.line, format!("the {name} command accepts no sub-tests, but tests are specified"));
        }
        if let Some(block) = &node.block {
            self.wrong(node.line, format!("the {name} command does not accept a command block, but one is specified"));
            self.commands(block);
        }
    }
}

/// Whether a block is that of an `else`, which ends with an `if` that has no branch.
fn is_else(block: &[Command]) -> bool {
    block.last().is_some_and(|last| matches!(&last.what, What::If(branches) if branches.is_empty()))
}
