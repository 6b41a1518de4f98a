//! Any bytes as an operator's file, a reseller's or an environment's, in both syntaxes: problems with places, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spec::{SourceFile, Sources, Trust};

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, text)) = bytes.split_first() else { return };
    let ending = if choice & 1 == 0 { "kdl" } else { "yaml" };
    let (path, trust) = match choice >> 1 & 3 {
        0 => (format!("resellers/acme/acme.{ending}"), Trust::Reseller("acme".to_owned())),
        1 => (format!("environments/dev.{ending}"), Trust::Operator),
        _ => (format!("platform.{ending}"), Trust::Operator),
    };
    let sources = Sources::new(vec![SourceFile { path, bytes: text.to_vec(), trust }], Vec::new());
    for problem in compiler::check_all(&sources) {
        let _ = sources.place(problem.span);
        assert!(problem.span.end as usize <= text.len().max(1), "{problem:?}");
    }
});
