//! Contradictions within an environment.

use super::exactly_one;
use crate::decode::Decoder;
use crate::model::{Environment, InternetMode, Scale};
use crate::problem::Problem;
use crate::tree::Spanned;

/// Reports what contradicts itself within an environment.
pub(crate) fn environment(environment: &Environment, decoder: &mut Decoder) {
    for one in &environment.scales {
        scale(one, decoder);
    }
    for (index, one) in environment.scales.iter().enumerate() {
        scale_twice(one, environment.scales.get(..index).unwrap_or_default(), decoder);
    }
    if let Some(accounts) = &environment.accounts {
        let written = [accounts.which.as_ref().map(Spanned::span), accounts.sample.as_ref().map(Spanned::span)];
        exactly_one("accounts", accounts.span, &written, "`\"all\"`, `\"none\"` or `sample=100`", decoder);
    }
    if let Some(secrets) = &environment.secrets {
        let written = [secrets.source.as_ref().map(Spanned::span), secrets.file.as_ref().map(Spanned::span)];
        let ways = "`\"generate\"`, `\"environment-variables\"` or `file=\"secrets.age\"`";
        exactly_one("secrets", secrets.span, &written, ways, decoder);
    }
    if let Some(from) = &environment.from
        && from.value == environment.name.value
        && !environment.name.is_hole()
    {
        decoder.report(
            Problem::error("spec::contradiction", from.span, "an environment cannot be promoted from itself")
                .label("its own name")
                .help("write the name of the environment before it, or remove this line"),
        );
    }
    if let Some(internet) = &environment.internet
        && internet.mode.value == InternetMode::Real
    {
        let spans = internet.domains.iter().map(|domain| domain.span);
        for span in spans.chain(internet.senders.iter().map(|sender| sender.span)) {
            decoder.report(
                Problem::error("spec::contradiction", span, "the real internet cannot be told what to hold")
                    .label("made up")
                    .help("remove it, or write `internet \"simulated\"`")
                    .related(internet.mode.span, "the real internet"),
            );
        }
    }
}

fn scale(scale: &Scale, decoder: &mut Decoder) {
    let written = [scale.word.as_ref().map(Spanned::span), scale.cluster.as_ref().map(Spanned::span)];
    let ways = "`\"smallest\"`, `\"paired\"`, `\"full\"` or `cluster=\"a\" { store 2 }`";
    let uncounted = scale.roles().next().filter(|_| scale.cluster.is_none());
    if uncounted.is_none() {
        exactly_one("scale", scale.span, &written, ways, decoder);
    }
    if let Some((role, count)) = uncounted {
        decoder.report(
            Problem::error("spec::missing", count.span, format!("`{role}` is counted without saying of which cluster"))
                .label("of which cluster?")
                .help("write `scale cluster=\"a\"` with the cluster's name and the roles between its braces"),
        );
    }
}

fn scale_twice(scale: &Scale, before: &[Scale], decoder: &mut Decoder) {
    let same = |other: &&Scale| match (&scale.cluster, &other.cluster) {
        (Some(one), Some(two)) => one.value == two.value && !one.is_hole(),
        (None, None) => scale.word.is_some() && other.word.is_some(),
        _ => false,
    };
    if let Some(first) = before.iter().find(same) {
        decoder.report(
            Problem::error("spec::given-twice", scale.span, "the same clusters are scaled twice")
                .label("scaled again here")
                .help("remove one of the two")
                .related(first.span, "first scaled here"),
        );
    }
}
