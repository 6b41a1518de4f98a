//! PostgreSQL: the directory that the control plane writes and every daemon asks.
//!
//! Source: the manual of PostgreSQL 15; bookworm ships that, trixie 17, and both know every setting used here.
//! The first start makes the database with its schema and its users, so that it answers from its first moment.

pub mod conf;
pub mod hba;
pub mod schema;

use std::collections::BTreeMap;

use blueprint::{Blueprint, Check, File, Node, Piece, Process, Role, Tree};
use sha2::{Digest as _, Sha256};
use values::Network;

use self::conf::{Conf, Value};
use self::hba::{Hba, Method, Rule};
use crate::decide::{ports, secrets};

/// The folder of its files.
pub const FOLDER: &str = "/etc/postgresql/mailwright";
/// Where the data lies.
pub const DATA: &str = "/var/lib/postgresql/mailwright";
/// The database.
pub const DATABASE: &str = "mailwright";
/// Who owns the database.
pub const OWNER: &str = "control";
/// Who looks at how the server is.
pub const MONITOR: &str = "monitor";
const CONF: &str = "/etc/postgresql/mailwright/postgresql.conf";
const HBA: &str = "/etc/postgresql/mailwright/pg_hba.conf";
const IDENT: &str = "/etc/postgresql/mailwright/pg_ident.conf";
/// The node's private key with its certificate chain.
pub const KEY_AND_CERTIFICATE: &str = "/etc/postgresql/mailwright/node.pem";
/// The users with their passwords, as statements.
pub const USERS: &str = "/etc/mailwright/directory/users.sql";
/// The schema, as statements.
pub const SCHEMA: &str = "/etc/mailwright/directory/schema.sql";
const PREPARE: &str = "/etc/mailwright/directory/prepare";
const RUN: &str = "/etc/mailwright/directory/run";
const UNIT: &str = "mailwright-directory.service";

/// Daemons' users, and the roles whose nodes sign in as each.
pub const DAEMONS: [(&str, &[Role]); 5] = [
    (OWNER, &[Role::Control]),
    ("postfix", &[Role::Mx, Role::Submission, Role::Outbound]),
    ("dovecot", &[Role::Store, Role::Access, Role::Submission, Role::Mx, Role::Web, Role::Calendar]),
    ("rspamd", &[Role::Defense, Role::Mx, Role::Submission]),
    (MONITOR, &[Role::Monitor]),
];

/// Makes the data where there is none, and gives the users the passwords that hold now.
///
/// A folder gets its name once it is whole and on disk: one that is half done is begun anew. Where there
/// is a folder for templates, the data as they are before anybody has a password are kept there, named by what they were made
/// from: who runs several platforms on one machine makes them once, and waits for no disk; until the data are on it, a file tells in
/// which boot of the machine they were begun.
const PREPARE_TEXT: &str = r#"#!/bin/sh
set -eu
programs=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
version=${programs%/bin}
data=/var/lib/postgresql/mailwright
own=/etc/mailwright/directory
template=@TEMPLATE@-${version##*/}
as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
# Runs statements without a server; it says what failed and ends well all the same.
alone() {
    folder=$1 database=$2
    shift 2
    as "$programs/postgres" --single -j -D "$folder" -c config_file=/etc/postgresql/mailwright/postgresql.conf \
        -c ssl=off -c logging_collector=off -c archive_mode=off "$@" "$database" 2>&1 >/dev/null | tee /run/postgresql/alone.log >&2
    ! grep -qE '(ERROR|FATAL|PANIC): ' /run/postgresql/alone.log
}
umask 077
install -d -o postgres -g postgres -m 2775 /run/postgresql
install -d -o postgres -g postgres -m 0755 /var/lib/postgresql
boot=$(cat /proc/sys/kernel/random/boot_id)
# Only one who knows that they are on disk trusts data after a loss of power. Daemons that start meanwhile would wait for the disk, too.
written() {
    (sleep 15 && sync -f "$data" && rm -f "$data.begun") </dev/null >/dev/null 2>&1 &
}
if [ -e "$data.begun" ] && [ "$(cat "$data.begun")" != "$boot" ]; then
    rm -rf "$data" "$data.begun"
fi
if [ -s "$data/PG_VERSION" ]; then
    alone "$data" postgres <"$own/users.sql"
    [ ! -e "$data.begun" ] || written
    exit 0
fi
made=$template
rm -rf "$data.new" "$data.making"
if [ ! -s "$template/PG_VERSION" ]; then
    made=$data.making
    as "$programs/initdb" -D "$made" -E UTF8 --locale=C.UTF-8 -A peer --no-sync --no-instructions >/dev/null
    { cat <<'ROLES'; echo "CREATE DATABASE mailwright OWNER control;"; } | alone "$made" postgres -c fsync=off
@ROLES@
ROLES
    alone "$made" mailwright -c fsync=off <"$own/schema.sql"
    if [ -d "${template%/*}" ]; then
        mv -T "$made" "$template"
        made=$template
    fi
fi
if [ "$made" = "$template" ]; then
    cp -a --reflink=auto "$made" "$data.new"
else
    mv -T "$made" "$data.new"
fi
alone "$data.new" postgres -c fsync=off <"$own/users.sql"
if [ -d "${template%/*}" ]; then
    # The disk is shared with all that the machine does: nobody waits for that.
    echo "$boot" >"$data.begun"
    mv -T "$data.new" "$data"
    written
else
    sync -f "$data.new"
    mv -T "$data.new" "$data"
    sync "$data/.."
fi
"#;

/// Where a template of the data is kept, where that folder is.
const TEMPLATES: &str = "/var/lib/mailwright/templates";

/// Returns the script that makes the data.
fn prepare() -> String {
    let roles: Vec<String> = DAEMONS.iter().map(|(user, _)| format!("CREATE ROLE {user} LOGIN;\n")).collect();
    let roles = roles.join("\n");
    let mut hash = Sha256::new();
    for part in [PREPARE_TEXT, &roles, &schema::statements()] {
        hash.update(part);
    }
    let key: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    PREPARE_TEXT.replace("@TEMPLATE@", &format!("{TEMPLATES}/directory-{key}")).replace("@ROLES@", &roles)
}

/// Runs the server; told to end, it ends without waiting for those who are connected.
const RUN_TEXT: &str = r#"#!/bin/sh
programs=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
"$programs/postgres" -D /var/lib/postgresql/mailwright -c config_file=/etc/postgresql/mailwright/postgresql.conf &
server=$!
trap 'kill -INT "$server"' TERM INT
trap 'kill -HUP "$server"' HUP
while :; do
    wait "$server"
    status=$?
    kill -0 "$server" 2>/dev/null || break
done
# Who ended in good order leaves data that are on disk, wherever they are taken next.
if [ -e /var/lib/postgresql/mailwright.begun ]; then
    sync -f /var/lib/postgresql/mailwright && rm -f /var/lib/postgresql/mailwright.begun
fi
exit "$status"
"#;

const UNIT_TEXT: &str = "[Unit]\nDescription=The directory: PostgreSQL\nAfter=network-online.target\nWants=network-online.target\n\n\
    [Service]\nUser=postgres\nExecStartPre=+/etc/mailwright/directory/prepare\nExecStart=/etc/mailwright/directory/run\n\
    ExecReload=/bin/kill -HUP $MAINPID\nRestart=always\nRestartSec=1\nTimeoutStopSec=60\nOOMScoreAdjust=-900\n\n\
    [Install]\nWantedBy=multi-user.target\n";

/// Returns what the only node of a directory is made of.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    let script = |text: &str| File { mode: 0o755, ..File::text(text) };
    let files = BTreeMap::from([
        (CONF.to_owned(), File::text(configuration(blueprint, node).to_string())),
        (HBA.to_owned(), File::text(rules(blueprint, node).to_string())),
        (IDENT.to_owned(), File::text("")),
        (
            KEY_AND_CERTIFICATE.to_owned(),
            File::private("postgres:postgres", vec![Piece::Secret(secrets::node_key(&node.name))]),
        ),
        (USERS.to_owned(), schema::users()),
        (SCHEMA.to_owned(), File::text(schema::statements())),
        (PREPARE.to_owned(), script(&prepare())),
        (RUN.to_owned(), script(RUN_TEXT)),
        (format!("/etc/systemd/system/{UNIT}"), File::text(UNIT_TEXT)),
    ]);
    let process = Process {
        name: "postgresql".to_owned(),
        unit: UNIT.to_owned(),
        prepare: vec![vec![PREPARE.to_owned()]],
        command: vec![RUN.to_owned()],
        user: "postgres".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: vec![ports::POSTGRESQL],
        reload: Some(vec![
            "/bin/sh".to_owned(),
            "-c".to_owned(),
            format!("kill -HUP \"$(head -n 1 {DATA}/postmaster.pid)\""),
        ]),
        restart_on: [CONF, USERS, SCHEMA, PREPARE, RUN].map(str::to_owned).to_vec(),
        reads: vec![format!("{FOLDER}/"), "/etc/mailwright/directory/".to_owned()],
    };
    Tree { files, processes: vec![process], checks: vec![check(blueprint)], packages: [package(blueprint)].into() }
}

/// The major version that a platform's distribution ships.
fn major(blueprint: &Blueprint) -> u32 {
    if blueprint.release.distribution == "trixie" { 17 } else { 15 }
}

/// Returns the package that has the server.
pub fn package(blueprint: &Blueprint) -> String {
    format!("postgresql-{}", major(blueprint))
}

/// Returns the folder of the server's programs.
pub fn programs(blueprint: &Blueprint) -> String {
    format!("/usr/lib/postgresql/{}/bin", major(blueprint))
}

/// Lets PostgreSQL itself read its file.
fn check(blueprint: &Blueprint) -> Check {
    let program = format!("{}/postgres", programs(blueprint));
    let words = [program.as_str(), "-C", "max_connections", "-D", FOLDER];
    Check {
        name: "postgresql".to_owned(),
        command: words.map(str::to_owned).to_vec(),
        files: vec![CONF.to_owned()],
        harmless: Vec::new(),
    }
}

/// Returns the server's settings.
pub fn configuration(blueprint: &Blueprint, node: &Node) -> Conf {
    let mut conf = Conf::default();
    let memory = node.memory.as_bytes() >> 20;
    conf.set("listen_addresses", Value::Text("*".to_owned()));
    conf.set("port", Value::Number(ports::POSTGRESQL.into()));
    conf.set("unix_socket_directories", Value::Text("/run/postgresql".to_owned()));
    conf.set("hba_file", Value::Text(HBA.to_owned()));
    conf.set("ident_file", Value::Text(IDENT.to_owned()));
    // Every Postfix process that looks something up has a connection of its own.
    conf.set("max_connections", Value::Number(500));
    conf.set("superuser_reserved_connections", Value::Number(5));
    conf.set("shared_buffers", Value::Mebibytes((memory / 4).clamp(32, 8192)));
    conf.set("effective_cache_size", Value::Mebibytes((memory / 2).max(64)));
    conf.set("maintenance_work_mem", Value::Mebibytes((memory / 16).clamp(16, 1024)));
    conf.set("jit", Value::Flag(false));
    // What the API has answered is on disk.
    conf.set("fsync", Value::Flag(true));
    conf.set("synchronous_commit", Value::Flag(true));
    conf.set("wal_level", Value::Word("replica"));
    conf.set("password_encryption", Value::Word("scram-sha-256"));
    conf.set("ssl", Value::Flag(true));
    conf.set("ssl_cert_file", Value::Text(KEY_AND_CERTIFICATE.to_owned()));
    conf.set("ssl_key_file", Value::Text(KEY_AND_CERTIFICATE.to_owned()));
    let least = if blueprint.mail.tls_minimum == "1.3" { "TLSv1.3" } else { "TLSv1.2" };
    conf.set("ssl_min_protocol_version", Value::Word(least));
    conf.set("log_destination", Value::Word("stderr"));
    conf.set("logging_collector", Value::Flag(false));
    conf.set("log_line_prefix", Value::Text("%q%u@%h ".to_owned()));
    conf.set("log_timezone", Value::Text("Etc/UTC".to_owned()));
    conf.set("timezone", Value::Text("Etc/UTC".to_owned()));
    conf.set("lc_messages", Value::Text("C.UTF-8".to_owned()));
    // A client that is gone, or sleeps on a lock, does not keep others waiting for ever.
    conf.set("tcp_keepalives_idle", Value::Seconds(60));
    conf.set("idle_in_transaction_session_timeout", Value::Seconds(60));
    conf
}

/// Returns who may connect: each daemon from the nodes it runs on, over TLS.
pub fn rules(blueprint: &Blueprint, node: &Node) -> Hba {
    let mut hba = Hba::default();
    hba.add(Rule::local("all", "postgres", Method::Peer));
    for (user, roles) in DAEMONS {
        hba.add(Rule::local(DATABASE, user, Method::Scram));
        // The pools of connections stand on the directory's own nodes.
        let own = |other: &Node| other.role == Role::Directory && other.cluster == node.cluster;
        for other in blueprint.nodes.iter().filter(|other| roles.contains(&other.role) || own(other)) {
            for &address in &other.addresses {
                let one = Network::new(address, if address.is_ipv4() { 32 } else { 128 });
                one.into_iter().for_each(|network| hba.add(Rule::tls(DATABASE, user, network, Method::Scram)));
            }
        }
    }
    hba
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn each_daemon_may_connect_from_its_own_nodes_and_over_tls_only() {
        let mut blueprint = sample::platform();
        blueprint.nodes.extend([sample::node(Role::Directory, 1), sample::node(Role::Control, 1)]);
        let text = rules(&blueprint, &sample::node(Role::Directory, 1)).to_string();
        let mx = sample::node(Role::Mx, 1).addresses[0];
        let store = sample::node(Role::Store, 2).addresses[0];
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(lines.contains(&format!("hostssl \"mailwright\" \"postfix\" {mx}/32 scram-sha-256")), "{text}");
        assert!(lines.contains(&format!("hostssl \"mailwright\" \"dovecot\" {store}/32 scram-sha-256")), "{text}");
        assert!(!lines.iter().any(|line| line.contains("\"control\"") && line.contains(&mx.to_string())), "{text}");
        assert!(lines.iter().all(|line| !line.starts_with("host ") && !line.contains("trust")), "{text}");
    }
}
