//! What can be said of one node without knowing any other: values that contradict each other.
//!
//! A rule a function, its problem beside it. What needs a second file, such as whether a tier exists, is the compiler's.

mod environment;
mod local_parts;
mod platform;
mod reseller;
mod scenario;
mod scores;

pub(crate) use environment::environment;
pub(crate) use platform::platform;
pub(crate) use reseller::reseller;
pub(crate) use scenario::scenario;

use crate::decode::Decoder;
use crate::problem::Problem;
use crate::tree::Span;

/// Reports that of several ways to say something not exactly one was taken.
fn exactly_one(holder: &str, at: Span, written: &[Option<Span>], ways: &str, decoder: &mut Decoder) {
    let mut given = written.iter().flatten();
    match (given.next(), given.next()) {
        (None, _) => decoder.report(
            Problem::error("spec::missing", at, format!("`{holder}` says nothing"))
                .label("empty")
                .help(format!("write one of {ways}")),
        ),
        (Some(first), Some(second)) => decoder.report(
            Problem::error("spec::contradiction", *second, format!("`{holder}` says two things at once"))
                .label("contradicts what stands before")
                .help(format!("keep only one of {ways}"))
                .related(*first, "this was said first"),
        ),
        (Some(_), None) => {}
    }
}
