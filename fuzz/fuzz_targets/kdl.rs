//! The KDL reader takes any bytes: every problem has a place in the file, and places are in order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spec::FileId;

fuzz_target!(|bytes: &[u8]| {
    let read = spec::read::read(FileId(0), "a.kdl", bytes);
    for problem in &read.problems {
        assert!(problem.span.start <= problem.span.end && problem.span.end as usize <= bytes.len());
        assert!(!problem.message.is_empty());
    }
    assert!(read.problems.is_sorted_by_key(|problem| problem.span.start));
});
