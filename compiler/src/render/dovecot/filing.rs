//! The script that a store runs before a user's own: spam goes to its folder, and who is away says so.
//!
//! What differs from mailbox to mailbox is no text of the script: the directory gives it with each delivery, as variables
//! of the environment and as the score from which mail is spam.
//!
//! Source: RFC 5228, 5230 (vacation), 6131 (its seconds), 5229 (variables), 5235 (spamtest), 5183 (environment), Pigeonhole's
//! `vnd.dovecot.environment`.

use super::sieve::{Argument, Command, Script, Test, Text};

/// The script.
pub const PATH: &str = "/etc/dovecot/sieve/before.sieve";
/// The folder of its compiled form.
pub const COMPILED: &str = "/var/lib/dovecot/sieve";

/// What Pigeonhole is to read the score with.
pub const SCORE_HEADER: &str = "X-Spam-Score: (-?[0-9]+(\\.[0-9]+)?)";

/// The field in which the defense says `yes` or `no` whatever the score: for what its author's domain wants doubted, and for
/// whom a recipient trusts.
const FOLDER_HEADER: &str = "X-Spam-Folder";

/// The most days that a reply keeps quiet after another to the same sender.
const MOST_DAYS: u32 = 46;

/// Senders that are machines, beside those that RFC 5230 §4.6 names.
const MACHINES: [&str; 3] = ["noreply", "no-reply", "srs0=*"];

/// Returns the script.
pub fn script() -> Script {
    let mut script = Script::default();
    for extension in [
        "fileinto",
        "mailbox",
        "variables",
        "environment",
        "vnd.dovecot.environment",
        "envelope",
        "relational",
        "comparator-i;ascii-numeric",
        "spamtestplus",
        "vacation",
        "vacation-seconds",
    ] {
        script.require(extension);
    }
    script.add(Command::Note(
        "From the mailbox's own score on, mail goes to its spam folder, unless the defense says otherwise.",
    ));
    let says = |what: &'static str| Test::Is("header", vec![Argument::Tag(":is"), FOLDER_HEADER.into(), what.into()]);
    let scored = Test::Is(
        "spamtest",
        vec![
            Argument::Tag(":percent"),
            Argument::Tag(":value"),
            "ge".into(),
            Argument::Tag(":comparator"),
            "i;ascii-numeric".into(),
            "100".into(),
        ],
    );
    script.add(Command::If(vec![(
        Test::Any(vec![says("yes"), Test::All(vec![Test::Not(Box::new(says("no"))), scored])]),
        vec![
            set("folder", "Spam"),
            Command::If(vec![(environment("spam_folder", "?*"), vec![keep_match("folder")])]),
            Command::Do("fileinto", vec![Argument::Tag(":create"), Argument::Text(Text::Variable("folder"))]),
            Command::Do("stop", Vec::new()),
        ],
    )]));
    script.add(Command::Note("Who is away says so, once in a while to each sender (RFC 3834)."));
    let person = Test::Not(Box::new(Test::Is(
        "envelope",
        vec![
            Argument::Tag(":localpart"),
            Argument::Tag(":matches"),
            "from".into(),
            Argument::Texts(MACHINES.map(Text::own).to_vec()),
        ],
    )));
    script.add(Command::If(vec![(
        Test::All(vec![person, environment("autoreply", "?*")]),
        vec![
            keep_match("reply"),
            // The address as the sender knows it, which may be an alias, else the mailbox's own.
            Command::If(vec![(
                Test::Is("envelope", vec![Argument::Tag(":matches"), "to".into(), "*".into()]),
                vec![keep_match("asked")],
            )]),
            Command::If(vec![(
                Test::Is("header", vec![Argument::Tag(":matches"), "X-Original-To".into(), "?*".into()]),
                vec![keep_match("asked")],
            )]),
            Command::If(vec![(environment("mailbox", "?*"), vec![keep_match("mailbox")])]),
            set("interval", "1d"),
            Command::If(vec![(environment("interval", "?*"), vec![keep_match("interval")])]),
            Command::If(vec![
                (environment("subject", "?*"), vec![keep_match("subject"), Command::If(replies(true))]),
                (Test::Not(Box::new(environment("subject", "?*"))), vec![Command::If(replies(false))]),
            ]),
        ],
    )]));
    script
}

/// A reply for each interval: its length must stand in the script.
///
/// - `subject`: whether it has one of its own; without it the sender's is taken.
fn replies(subject: bool) -> Vec<(Test, Vec<Command>)> {
    let hours = (1..24).map(|hours| (format!("{hours}h"), ":seconds", hours * 3600));
    let days = (1..=MOST_DAYS).map(|days| (format!("{days}d"), ":days", days));
    let reply = |unit, length| {
        let mut arguments = vec![
            Argument::Tag(unit),
            Argument::Number(length),
            Argument::Tag(":addresses"),
            Argument::Texts(vec![Text::Variable("asked")]),
            Argument::Tag(":from"),
            Argument::Text(Text::Variable("mailbox")),
            Argument::Tag(":handle"),
            "autoreply".into(),
        ];
        if subject {
            arguments.extend([Argument::Tag(":subject"), Argument::Text(Text::Variable("subject"))]);
        }
        arguments.push(Argument::Text(Text::Variable("reply")));
        Command::Do("vacation", arguments)
    };
    let is = |text: String| {
        Test::Is(
            "string",
            vec![Argument::Tag(":is"), Argument::Text(Text::Variable("interval")), Argument::Text(Text::Plain(text))],
        )
    };
    hours.chain(days).map(|(text, unit, length)| (is(text), vec![reply(unit, length)])).collect()
}

fn environment(name: &'static str, pattern: &'static str) -> Test {
    let item = format!("vnd.dovecot.config.{name}");
    Test::Is("environment", vec![Argument::Tag(":matches"), Argument::Text(Text::Plain(item)), pattern.into()])
}

/// Keeps what the last test matched as a whole.
fn keep_match(variable: &'static str) -> Command {
    Command::Do("set", vec![variable.into(), Argument::Text(Text::Variable("0"))])
}

fn set(variable: &'static str, value: &'static str) -> Command {
    Command::Do("set", vec![variable.into(), value.into()])
}
