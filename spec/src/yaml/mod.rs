//! A reader of YAML into the same tree as KDL.

use crate::read::{Codes, Findings, Read};
use crate::tree::FileId;

/// Reads a YAML document.
pub fn read(file: FileId, bytes: &[u8]) -> Read<'_> {
    let codes = Codes {
        too_large: "yaml::too-large",
        not_utf8: "yaml::not-utf8",
        too_many_problems: "yaml::too-many-problems",
    };
    let mut findings = Findings::new(file, codes);
    let _text = findings.text(bytes);
    Read { nodes: Vec::new(), problems: findings.finish() }
}
