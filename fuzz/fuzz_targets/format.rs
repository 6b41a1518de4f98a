//! What `fmt` writes says the same, and is written the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spec::FileId;
use spec::format::{Formatted, format};

fuzz_target!(|bytes: &[u8]| {
    let Formatted::Changed(text) = format(FileId(0), "a.kdl", bytes) else { return };
    assert!(matches!(format(FileId(0), "a.kdl", text.as_bytes()), Formatted::Unchanged), "not written the same again");
    let (before, after) = (spec::read::read(FileId(0), "a.kdl", bytes), spec::read::read(FileId(0), "a.kdl", text.as_bytes()));
    assert!(after.problems.is_empty());
    assert_eq!(before.nodes.len(), after.nodes.len());
});
