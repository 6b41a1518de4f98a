//! PostSRSd, which rewrites the senders of forwarded mail and reads them back in bounces.
//!
//! Source: postsrsd(8) of 1.10. Everything is said by arguments; the secret lies in a file, one a line.

use std::collections::BTreeMap;

use blueprint::{File, Piece, Process, Tree};
use values::HostName;

use crate::decide::{ports, secrets};

const SECRET: &str = "/etc/postsrsd.secret";

/// Returns what a node that rewrites senders has.
///
/// - `domain`: what senders are rewritten to.
pub fn tree(domain: &HostName) -> Tree {
    let port = |flag: &str, port: u16| format!("-{flag}{port}");
    let process = Process {
        name: "postsrsd".to_owned(),
        unit: "postsrsd.service".to_owned(),
        prepare: Vec::new(),
        command: vec![
            "/usr/sbin/postsrsd".to_owned(),
            format!("-s{SECRET}"),
            format!("-d{domain}"),
            "-a=".to_owned(),
            "-l127.0.0.1".to_owned(),
            "-4".to_owned(),
            port("f", ports::SRS_FORWARD),
            port("r", ports::SRS_REVERSE),
            "-upostsrsd".to_owned(),
        ],
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: vec![ports::SRS_FORWARD, ports::SRS_REVERSE],
        reload: None,
        restart_on: vec![SECRET.to_owned()],
        reads: vec![SECRET.to_owned()],
    };
    // The unit of the distribution reads its arguments from this file.
    let defaults = format!(
        "SRS_DOMAIN={domain}\nSRS_SEPARATOR==\nSRS_SECRET={SECRET}\nSRS_HASHLENGTH=4\nSRS_HASHMIN=4\n\
         SRS_FORWARD_PORT={}\nSRS_REVERSE_PORT={}\nRUN_AS=postsrsd\nSRS_LISTEN_ADDR=127.0.0.1\nCHROOT=/var/lib/postsrsd\n",
        ports::SRS_FORWARD,
        ports::SRS_REVERSE
    );
    let secret = vec![Piece::Secret(secrets::password("srs")), Piece::Bytes(b"\n".to_vec())];
    Tree {
        files: BTreeMap::from([
            (SECRET.to_owned(), File::private("root:root", secret)),
            ("/etc/default/postsrsd".to_owned(), File::text(defaults)),
        ]),
        processes: vec![process],
        packages: ["postsrsd".to_owned()].into(),
        ..Tree::default()
    }
}
