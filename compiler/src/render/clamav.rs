//! ClamAV: looks for viruses, beside the scanner that asks it.
//!
//! Source: clamd.conf(5), freshclam.conf(5) of ClamAV 1.4; "Extended signature format" of its manual.

pub mod conf;

use std::collections::BTreeMap;

use blueprint::platform::World;
use blueprint::{Blueprint, Check, File, Node, Process, Tree};

use self::conf::{Options, Value};

/// The port it answers on, on the node itself alone.
pub const PORT: u16 = 3310;

const CLAMD: &str = "/etc/clamav/clamd.conf";
const FRESHCLAM: &str = "/etc/clamav/freshclam.conf";
const OWN: &str = "/etc/clamav/signatures/platform.ndb";

/// Where signatures are.
const DATABASE: &str = "/var/lib/clamav";

/// The user it runs as.
const USER: &str = "clamav";

/// The standard test file of those who look for viruses, in two halves, so that this file does not hold it.
const EICAR: [&[u8]; 2] = [b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-", b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];

/// How the test file is called.
const EICAR_NAME: &str = "Eicar-Test-Signature";

/// Returns what looks for viruses.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    let real = blueprint.world == World::Real;
    let mut files = BTreeMap::from([
        (CLAMD.to_owned(), File::text(clamd(blueprint, node).to_string())),
        (OWN.to_owned(), File::text(signatures())),
    ]);
    let install = ["/usr/bin/install", "-d", "-o", USER, "-g", USER, "-m", "0755"];
    let folder = |path: &str| words(&[&install[..], &[path]].concat());
    let mut processes = vec![Process {
        name: "clamav".to_owned(),
        // Not the distribution's, which hands over a socket of its own; clamd then opens no other.
        unit: "mailwright-clamav.service".to_owned(),
        prepare: vec![
            folder(DATABASE),
            folder("/run/clamav"),
            words(&[
                "/usr/bin/install",
                "-o",
                USER,
                "-g",
                USER,
                "-m",
                "0644",
                OWN,
                &format!("{DATABASE}/platform.ndb"),
            ]),
        ],
        command: words(&["/usr/sbin/clamd", "-F", "-c", CLAMD]),
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: vec![PORT],
        reload: None,
        restart_on: Vec::new(),
        reads: vec![CLAMD.to_owned(), OWN.to_owned()],
    }];
    let mut checks = vec![check("clamd", CLAMD)];
    if real {
        files.insert(FRESHCLAM.to_owned(), File::text(freshclam().to_string()));
        processes.push(Process {
            name: "freshclam".to_owned(),
            unit: "clamav-freshclam.service".to_owned(),
            prepare: vec![folder(DATABASE)],
            command: words(&["/usr/bin/freshclam", "-d", "-F", &format!("--config-file={FRESHCLAM}")]),
            user: USER.to_owned(),
            variables: BTreeMap::new(),
            after: Vec::new(),
            ready: Vec::new(),
            reload: None,
            restart_on: Vec::new(),
            reads: vec![FRESHCLAM.to_owned()],
        });
        checks.push(check("freshclam", FRESHCLAM));
    }
    let packages = ["clamav-daemon", "clamav-freshclam"].map(str::to_owned).into();
    Tree { files, processes, checks, packages }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Asks for what the file sets; what is unknown is told as such.
fn check(name: &str, path: &str) -> Check {
    Check {
        name: name.to_owned(),
        command: words(&[
            "/bin/sh",
            "-c",
            &format!(
                "clamconf -n | sed -n '/^Config file: {name}/,/^$/p' | grep -iE 'error|unknown|warning' && exit 1; exit 0"
            ),
        ]),
        files: vec![path.to_owned()],
        harmless: Vec::new(),
    }
}

fn clamd(blueprint: &Blueprint, node: &Node) -> Options {
    let most = blueprint.defense.virus_max_size.as_bytes();
    let mut options = Options::default();
    options.set("DatabaseDirectory", Value::Own(DATABASE));
    options.set("TCPSocket", Value::Number(PORT.into()));
    options.set("TCPAddr", Value::Own("127.0.0.1"));
    options.set("User", Value::Own(USER));
    options.set("Foreground", Value::Flag(true));
    options.set("LogSyslog", Value::Flag(false));
    options.set("LogTime", Value::Flag(false));
    options.set("PidFile", Value::Own("/run/clamav/clamd.pid"));
    options.set("TemporaryDirectory", Value::Own("/tmp"));
    // Our own signatures come from nobody who could sign them.
    options.set("OfficialDatabaseOnly", Value::Flag(false));
    // Two copies of all signatures would be more than a node of this size holds.
    options.set("ConcurrentDatabaseReload", Value::Flag(node.memory.as_bytes() >= 4 << 30));
    options.set("MaxThreads", Value::Number(u64::from(node.cores.clamp(1, 16)) * 4));
    options.set("ExitOnOOM", Value::Flag(true));
    options.set("ScanMail", Value::Flag(true));
    options.set("ScanArchive", Value::Flag(true));
    options.set("AlertEncrypted", Value::Flag(false));
    // A message grows by a third when it is encoded, and has room for its header.
    options.set("StreamMaxLength", Value::Number(most.saturating_mul(2).min(u64::from(u32::MAX))));
    options.set("MaxScanSize", Value::Number(most.saturating_mul(4).min(u64::from(u32::MAX))));
    options.set("MaxFileSize", Value::Number(most.saturating_mul(2).min(2_147_483_647)));
    options.set("MaxRecursion", Value::Number(16));
    options.set("MaxFiles", Value::Number(10_000));
    options.set("MaxScanTime", Value::Number(18_000));
    // What could not be looked at to its end never passes in silence.
    options.set("AlertExceedsMax", Value::Flag(true));
    options
}

fn freshclam() -> Options {
    let mut options = Options::default();
    options.set("DatabaseDirectory", Value::Own(DATABASE));
    options.set("DatabaseOwner", Value::Own(USER));
    options.set("DatabaseMirror", Value::Own("database.clamav.net"));
    options.set("DNSDatabaseInfo", Value::Own("current.cvd.clamav.net"));
    options.set("Checks", Value::Number(24));
    options.set("Foreground", Value::Flag(true));
    options.set("LogSyslog", Value::Flag(false));
    options.set("NotifyClamd", Value::Own(CLAMD));
    options.set("TestDatabases", Value::Flag(true));
    options
}

/// The platform's own signatures: the standard test file, so that a test needs nothing from outside.
fn signatures() -> String {
    let octets: String = EICAR.concat().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{EICAR_NAME}:0:*:{octets}\n")
}
