//! Contradictions within a scenario.

use std::collections::BTreeSet;

use values::quoted;

use super::exactly_one;
use crate::decode::Decoder;
use crate::model::{Expect, Fault, Heal, Say, Scenario, Step};
use crate::problem::Problem;
use crate::tree::{Span, Spanned};

/// Reports what contradicts itself within a scenario.
pub(crate) fn scenario(scenario: &Scenario, decoder: &mut Decoder) {
    if scenario.steps.is_empty() {
        decoder.report(
            Problem::error("spec::missing", scenario.span, "the scenario has no steps")
                .label("nothing is tried")
                .help("add a step, such as `advance \"1h\"`"),
        );
    } else if !scenario.steps.iter().any(asserts) {
        decoder.report(
            Problem::warning(
                "spec::nothing-expected",
                scenario.span,
                "the scenario expects nothing, so it cannot fail",
            )
            .label("no `expect` in it")
            .help("add what must hold at its end, such as `expect lost=0`"),
        );
    }
    order(scenario, decoder);
    for step in &scenario.steps {
        match step {
            Step::Expect(step) => expect(step, decoder),
            Step::Fault(step) => fault(step, decoder),
            Step::Heal(step) => heal(step, decoder),
            Step::Say(step) => say(step, decoder),
            _ => {}
        }
    }
}

/// Reports steps that need another one before them: what is said needs a connection, and what is restored a snapshot.
fn order(scenario: &Scenario, decoder: &mut Decoder) {
    let mut connections: BTreeSet<&str> = BTreeSet::new();
    let mut snapshots: BTreeSet<&str> = BTreeSet::new();
    for step in &scenario.steps {
        let (what, name, is_there) = match step {
            Step::Connect(connect) => {
                connections.insert(connect.name.value.as_str());
                continue;
            }
            Step::Snapshot(snapshot) => {
                snapshots.insert(snapshot.name.value.as_str());
                continue;
            }
            Step::Say(say) => ("say", &say.name, connections.contains(say.name.value.as_str())),
            Step::Secure(secure) => ("secure", &secure.name, connections.contains(secure.name.value.as_str())),
            Step::Close(close) => ("close", &close.name, connections.remove(close.name.value.as_str())),
            Step::Restore(restore) => {
                let name = restore.name.value.as_str();
                if !snapshots.contains(name) && !restore.name.is_hole() {
                    decoder.report(
                        Problem::error(
                            "spec::missing",
                            restore.name.span,
                            format!("nothing was kept as {} before this step", quoted(name)),
                        )
                        .label("restored here")
                        .help(format!(
                            "write the step {} before it",
                            decoder.setting_child("snapshot", &format!("{name:?}"))
                        )),
                    );
                }
                continue;
            }
            _ => continue,
        };
        if !is_there && !name.is_hole() {
            let connect = decoder.setting_child("connect", "\"mx\"");
            let (named, help) = match name.value.as_str() {
                "main" => ("", format!("write the step {connect} before it")),
                other => (
                    " of this name",
                    format!(
                        "write the step {connect} with {} before it",
                        decoder.setting("name", &format!("{other:?}"))
                    ),
                ),
            };
            decoder.report(
                Problem::error("spec::missing", step.place(), format!("`{what}` needs an open connection{named}"))
                    .label("on which connection?")
                    .help(help),
            );
            // Told once; what follows is said on the same one.
            connections.insert(name.value.as_str());
        }
    }
}

/// Tells whether a step can fail by what the platform does.
fn asserts(step: &Step) -> bool {
    match step {
        Step::Expect(_) | Step::SignIn(_) | Step::Provision(_) | Step::Call(_) => true,
        Step::Send(send) => send.reply.is_some() || send.enhanced.is_some(),
        Step::Say(say) => !say.reply.is_empty() || !say.has.is_empty() || !say.lacks.is_empty() || say.closed.value,
        _ => false,
    }
}

fn span<T>(value: Option<&Spanned<T>>) -> Option<Span> {
    value.map(Spanned::span)
}

fn fault(fault: &Fault, decoder: &mut Decoder) {
    let written = [span(fault.host.as_ref()), span(fault.node.as_ref()), span(fault.role.as_ref())];
    exactly_one(
        "fault",
        fault.span,
        &written,
        "`host=\"…\"`, `node=\"…\"` or `role=\"…\"`: whom it happens to",
        decoder,
    );
}

fn heal(heal: &Heal, decoder: &mut Decoder) {
    if heal.host.is_some() {
        let written = [span(heal.host.as_ref()), span(heal.node.as_ref())];
        exactly_one("heal", heal.span, &written, "`host=\"…\"` or `node=\"…\"`", decoder);
    }
}

fn say(say: &Say, decoder: &mut Decoder) {
    let written = [say.lines.first().map(Spanned::span), span(say.raw.as_ref())];
    exactly_one("say", say.span, &written, "lines or `raw=\"…\"`: what is said", decoder);
}

fn expect(expect: &Expect, decoder: &mut Decoder) {
    let about = [
        span(expect.mailbox.as_ref()),
        span(expect.quarantine.as_ref()),
        span(expect.queue.as_ref()),
        span(expect.reply.as_ref()).or(span(expect.enhanced.as_ref())),
        span(expect.dns.as_ref()),
        span(expect.page.as_ref()),
        span(expect.lost.as_ref()).or(span(expect.duplicated_at_most.as_ref())),
    ];
    let ways =
        "`mailbox`, `quarantine`, `queue`, `reply`, `dns`, `page`, `lost` or `duplicated-at-most`: what it is about";
    exactly_one("expect", expect.span, &about, ways, decoder);
    needs("folder", span(expect.folder.as_ref()), "mailbox", expect.mailbox.is_some(), decoder);
    needs("flag", span(expect.flag.as_ref()), "mailbox", expect.mailbox.is_some(), decoder);
    needs("record", span(expect.record.as_ref()), "dns", expect.dns.is_some(), decoder);
    let value = expect.header.is_some() || expect.dns.is_some();
    needs("value", span(expect.value.as_ref()), "header", value, decoder);
    if let Some(count) = &expect.count
        && let Some((name, other)) = [("at-least", &expect.at_least), ("at-most", &expect.at_most)]
            .into_iter()
            .find_map(|(name, other)| Some((name, other.as_ref()?)))
    {
        decoder.report(
            Problem::error("spec::contradiction", other.span, format!("`count` and `{name}` stand beside each other"))
                .label("`count` is exact already")
                .help("remove one of the two")
                .related(count.span, "exactly so many"),
        );
    }
    if let (Some(least), Some(most)) = (&expect.at_least, &expect.at_most)
        && least.value > most.value
    {
        decoder.report(
            Problem::error(
                "spec::contradiction",
                most.span,
                format!("no number is at least {} and at most {}", least.value, most.value),
            )
            .label(format!("below {}", least.value))
            .help(format!("write `{}` or more", least.value))
            .related(least.span, "at least so many"),
        );
    }
}

fn needs(name: &str, written: Option<Span>, other: &str, present: bool, decoder: &mut Decoder) {
    if let Some(at) = written.filter(|_| !present) {
        decoder.report(
            Problem::error("spec::missing", at, format!("`{name}` means nothing without `{other}`"))
                .label("of what?")
                .help(format!("add `{other}=…`, or remove it")),
        );
    }
}
