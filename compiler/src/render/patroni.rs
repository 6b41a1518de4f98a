//! Patroni: a directory of several nodes, one of which takes writes.
//!
//! etcd on the same nodes elects it (Debian's Patroni comes without its own Raft, which is given up upstream); a HAProxy on each
//! node knows which one it is, and a pgbouncer on each is where daemons connect. So that two nodes are never both elected, more
//! than half of the electors have to be there: two nodes outlive the loss of none, three that of one.
//!
//! Source: documentation of Patroni 3.0, etcd 3.4, HAProxy 2.6, pgbouncer 1.18. Patroni and etcd read YAML, of which JSON is a
//! part.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use blueprint::platform::SecretReference;
use blueprint::{Blueprint, Check, File, Node, Piece, Process, Role, Tree};
use serde_json::{Map, Value, json};

use super::haproxy::config::{Config, Section, Word};
use super::postgresql::{self, conf, schema};
use super::{place, system};
use crate::decide::{ports, secrets};

const ETCD: &str = "/etc/etcd/mailwright.yml";
const ETCD_KEY: &str = "/etc/etcd/node.pem";
const PATRONI: &str = "/etc/patroni/mailwright.yml";
const HAPROXY: &str = "/etc/haproxy/directory.cfg";
const PGBOUNCER: &str = "/etc/pgbouncer/mailwright.ini";
const POOL_USERS: &str = "/etc/pgbouncer/mailwright.users";
const BOOTSTRAP: &str = "/etc/mailwright/directory/bootstrap";
const RENEW: &str = "/etc/mailwright/directory/renew";
/// Who copies from the node that takes writes.
const REPLICA: &str = "replica";

/// Makes users, database and schema on the first node of a new directory.
const BOOTSTRAP_TEXT: &str = "#!/bin/sh
set -eu
ask() { psql -X -q -v ON_ERROR_STOP=1 -h /run/postgresql -U postgres \"$@\"; }
ask -d postgres -f /etc/mailwright/directory/users.sql
ask -d postgres -c 'CREATE DATABASE mailwright OWNER control'
ask -d mailwright -1 -f /etc/mailwright/directory/schema.sql
";

/// Gives users the passwords that hold now, on the node that takes writes.
const RENEW_TEXT: &str = "#!/bin/sh
# Patroni says what happened, which role the node has, and in which cluster.
case \"$2\" in
master | primary | leader)
    exec psql -X -q -h /run/postgresql -U postgres -d postgres -f /etc/mailwright/directory/users.sql
    ;;
esac
";

/// Returns what one of several nodes of a directory is made of.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    let peers: Vec<&Node> = place::members(blueprint, &node.cluster, Role::Directory).collect();
    let mut tree = elector(blueprint, node, &peers);
    tree.extend(server(blueprint, node));
    tree.extend(way_to_primary(blueprint, &peers));
    tree.extend(pool(blueprint));
    tree
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn key(node: &Node, owner: &str) -> File {
    File::private(owner, vec![Piece::Secret(secrets::node_key(&node.name))])
}

pub(super) fn unit(description: &str, user: &str, before: &str, command: &[String]) -> File {
    let before = if before.is_empty() { String::new() } else { format!("ExecStartPre=+{before}\n") };
    File::text(format!(
        "[Unit]\nDescription={description}\nAfter=network-online.target\nWants=network-online.target\n\n[Service]\nUser={user}\n\
         {before}ExecStart={}\nExecReload=/bin/kill -HUP $MAINPID\nRestart=always\nRestartSec=1\n\n[Install]\n\
         WantedBy=multi-user.target\n",
        command.join(" ")
    ))
}

/// etcd, which says who takes writes.
fn elector(blueprint: &Blueprint, node: &Node, peers: &[&Node]) -> Tree {
    let url = |node: &Node| format!("https://{}:{}", node.hostname, ports::ELECTOR_PEERS);
    let local = format!("http://127.0.0.1:{}", ports::ELECTOR);
    let cluster: Vec<String> = peers.iter().map(|peer| format!("{}={}", peer.name, url(peer))).collect();
    let settings = json!({
        "name": node.name,
        "data-dir": "/var/lib/etcd/mailwright",
        "listen-client-urls": local,
        "advertise-client-urls": local,
        "listen-peer-urls": format!("https://0.0.0.0:{}", ports::ELECTOR_PEERS),
        "initial-advertise-peer-urls": url(node),
        "initial-cluster": cluster.join(","),
        "initial-cluster-token": format!("{}-{}-{}", blueprint.platform, blueprint.environment, node.cluster),
        "initial-cluster-state": "new",
        "peer-transport-security": {
            "cert-file": ETCD_KEY, "key-file": ETCD_KEY, "trusted-ca-file": system::AUTHORITY, "client-cert-auth": true
        },
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": "1h",
        // Patroni speaks JSON to it, which a configuration file switches off unless it says so.
        "enable-grpc-gateway": true,
        "log-outputs": ["stderr"],
        "log-level": "warn",
    });
    let command = words(&["/usr/bin/etcd", "--config-file", ETCD]);
    let prepare =
        words(&["/usr/bin/install", "-d", "-o", "etcd", "-g", "etcd", "-m", "0700", "/var/lib/etcd/mailwright"]);
    let name = "mailwright-elector.service";
    let files = BTreeMap::from([
        (ETCD.to_owned(), File::text(pretty(&settings))),
        (ETCD_KEY.to_owned(), key(node, "etcd:etcd")),
        (
            format!("/etc/systemd/system/{name}"),
            unit("Who of the directory takes writes: etcd", "etcd", &prepare.join(" "), &command),
        ),
    ]);
    let process = Process {
        name: "etcd".to_owned(),
        unit: name.to_owned(),
        prepare: vec![prepare],
        command,
        user: "etcd".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: vec![ports::ELECTOR],
        reload: None,
        restart_on: Vec::new(),
        reads: words(&[ETCD, ETCD_KEY, system::AUTHORITY]),
    };
    let packages = ["etcd-server"].map(str::to_owned).into();
    Tree { files, processes: vec![process], packages, ..Tree::default() }
}

/// Cuts a text into pieces at marks that stand for secrets.
pub(super) fn with_secrets(text: &str, marks: &[(&str, SecretReference)]) -> Vec<Piece> {
    let mut pieces = vec![text.to_owned()];
    let mut found: Vec<Piece> = Vec::new();
    while let Some(rest) = pieces.pop() {
        let next =
            marks.iter().filter_map(|(mark, secret)| Some((rest.find(mark)?, *mark, secret))).min_by_key(|it| it.0);
        let Some((at, mark, secret)) = next else {
            found.push(Piece::Bytes(rest.into_bytes()));
            break;
        };
        let (before, after) = rest.split_at(at);
        found.push(Piece::Bytes(before.as_bytes().to_vec()));
        found.push(Piece::Secret(secret.clone()));
        pieces.push(after.strip_prefix(mark).unwrap_or_default().to_owned());
    }
    found
}

/// Settings that Patroni has its own words for.
const OWN: [&str; 6] = ["listen_addresses", "port", "hba_file", "ident_file", "max_connections", "wal_level"];

/// Patroni with its PostgreSQL.
fn server(blueprint: &Blueprint, node: &Node) -> Tree {
    let parameters: Map<String, Value> = postgresql::configuration(blueprint, node)
        .settings()
        .filter(|(name, _)| !OWN.contains(name))
        .map(|(name, value)| (name.to_owned(), json(value)))
        .collect();
    let mut rules = postgresql::rules(blueprint, node).to_string();
    for peer in place::members(blueprint, &node.cluster, Role::Directory) {
        for address in &peer.addresses {
            let length = if address.is_ipv4() { 32 } else { 128 };
            let _ = writeln!(rules, "hostssl replication \"{REPLICA}\" {address}/{length} scram-sha-256");
        }
    }
    let settings = json!({
        "scope": "directory",
        "namespace": "/mailwright/",
        "name": node.name,
        "etcd3": { "host": format!("127.0.0.1:{}", ports::ELECTOR) },
        "restapi": {
            "listen": format!("0.0.0.0:{}", ports::PATRONI),
            "connect_address": format!("{}:{}", node.hostname, ports::PATRONI),
            "certfile": postgresql::KEY_AND_CERTIFICATE,
            "keyfile": postgresql::KEY_AND_CERTIFICATE,
            "authentication": { "username": "patroni", "password": "@@patroni@@" },
        },
        "ctl": { "cacert": system::AUTHORITY },
        "bootstrap": {
            "dcs": {
                "ttl": 20, "loop_wait": 5, "retry_timeout": 5, "maximum_lag_on_failover": 1_048_576,
                // What the API has answered is on two nodes while there are two.
                "synchronous_mode": true,
                "postgresql": { "use_slots": true, "parameters": { "max_connections": 500, "wal_level": "replica" } },
            },
            "initdb": [{ "encoding": "UTF8" }, { "locale": "C.UTF-8" }, "data-checksums"],
            // 3.0's checker wants them here as well, where they change nothing.
            "pg_hba": rules.lines().collect::<Vec<_>>(),
            "post_init": BOOTSTRAP,
        },
        "postgresql": {
            "listen": format!("*:{}", ports::POSTGRESQL),
            "connect_address": format!("{}:{}", node.hostname, ports::POSTGRESQL),
            "data_dir": postgresql::DATA,
            "bin_dir": postgresql::programs(blueprint),
            "pgpass": "/run/postgresql/pgpass",
            "use_unix_socket": true,
            "authentication": {
                "superuser": { "username": "postgres" },
                // The default, without which 3.0's checker finds something missing.
                "rewind": { "username": "postgres" },
                "replication": {
                    "username": REPLICA, "password": "@@replica@@", "sslmode": "verify-full", "sslrootcert": system::AUTHORITY
                },
            },
            "parameters": parameters,
            "pg_hba": rules.lines().collect::<Vec<_>>(),
            // Else a copy begins when the next checkpoint comes by itself, minutes later.
            "basebackup": [{ "checkpoint": "fast" }],
            "callbacks": { "on_start": RENEW, "on_role_change": RENEW },
            // A node that went another way is copied anew.
            "remove_data_directory_on_diverged_timelines": true,
        },
        "log": { "level": "INFO" },
    });
    let marks = [
        ("@@patroni@@", secrets::password("directory-patroni")),
        ("@@replica@@", secrets::password("directory-replica")),
    ];
    let script = |text: &str| File { mode: 0o755, ..File::text(text) };
    let name = "mailwright-directory.service";
    let command = words(&["/usr/bin/patroni", PATRONI]);
    let prepare = words(&[
        "/usr/bin/install",
        "-d",
        "-o",
        "postgres",
        "-g",
        "postgres",
        "-m",
        "0755",
        "/run/postgresql",
        "/var/lib/postgresql",
    ]);
    let files = BTreeMap::from([
        (PATRONI.to_owned(), File::private("postgres:postgres", with_secrets(&pretty(&settings), &marks))),
        (postgresql::KEY_AND_CERTIFICATE.to_owned(), key(node, "postgres:postgres")),
        (postgresql::USERS.to_owned(), schema::users()),
        (postgresql::SCHEMA.to_owned(), File::text(schema::statements())),
        (BOOTSTRAP.to_owned(), script(BOOTSTRAP_TEXT)),
        (RENEW.to_owned(), script(RENEW_TEXT)),
        (
            format!("/etc/systemd/system/{name}"),
            unit("The directory: Patroni", "postgres", &prepare.join(" "), &command),
        ),
    ]);
    let process = Process {
        name: "patroni".to_owned(),
        unit: name.to_owned(),
        prepare: vec![prepare],
        command,
        user: "postgres".to_owned(),
        variables: BTreeMap::new(),
        after: vec![format!("127.0.0.1:{}", ports::ELECTOR)],
        ready: vec![ports::POSTGRESQL, ports::PATRONI],
        reload: Some(words(&["/bin/sh", "-c", "pkill -HUP -x -u postgres patroni"])),
        restart_on: Vec::new(),
        reads: words(&[PATRONI, postgresql::KEY_AND_CERTIFICATE, system::AUTHORITY, "/etc/mailwright/directory/"]),
    };
    let check = Check {
        name: "patroni".to_owned(),
        command: words(&["/usr/bin/python3", "-c", &with_elector(), PATRONI]),
        files: words(&[PATRONI]),
        harmless: Vec::new(),
    };
    let mut packages: BTreeSet<String> = ["patroni", "procps", "python3-etcd"].map(str::to_owned).into();
    packages.insert(postgresql::package(blueprint));
    Tree { files, processes: vec![process], checks: vec![check], packages }
}

/// Patroni's checker connects to the elector, which does not run where files are merely checked: somebody listens in its place.
fn with_elector() -> String {
    format!(
        "import os, socket, sys\n\
         try:\n    os.set_inheritable(socket.create_server((\"127.0.0.1\", {})).detach(), True)\n\
         except OSError:\n    pass\n\
         os.execv(\"/usr/bin/patroni\", [\"patroni\", \"--validate-config\", sys.argv[1]])\n",
        ports::ELECTOR
    )
}

/// Says a setting as Patroni takes it.
fn json(value: &conf::Value) -> Value {
    match value {
        conf::Value::Flag(on) => json!(if *on { "on" } else { "off" }),
        conf::Value::Number(number) => json!(number),
        conf::Value::Word(word) => json!(word),
        conf::Value::Text(text) => json!(text),
        conf::Value::Mebibytes(_) | conf::Value::Seconds(_) => json!(value.to_string()),
    }
}

/// HAProxy on loopback, which leads to the node that takes writes.
fn way_to_primary(blueprint: &Blueprint, peers: &[&Node]) -> Tree {
    let mut global = Section::new("global", None);
    global.own("log stdout format raw daemon warning");
    global.own("user haproxy");
    global.own("group haproxy");
    global.own("maxconn 4000");
    global.own(if blueprint.mail.tls_minimum == "1.3" {
        "ssl-default-server-options ssl-min-ver TLSv1.3"
    } else {
        "ssl-default-server-options ssl-min-ver TLSv1.2"
    });
    let mut defaults = Section::new("defaults", None);
    for line in ["log global", "mode tcp", "timeout connect 3s", "timeout client 24h", "timeout server 24h"] {
        defaults.own(line);
    }
    let mut primary = Section::new("listen", Some("primary"));
    primary.line([Word::Own("bind"), Word::At(std::net::Ipv4Addr::LOCALHOST.into(), ports::PRIMARY)]);
    primary.own("option httpchk OPTIONS /primary");
    primary.own("http-check expect status 200");
    primary.own("default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions");
    for peer in peers {
        let Some(&address) = peer.addresses.first() else { continue };
        primary.line([
            Word::Own("server"),
            Word::Name(peer.name.clone()),
            Word::At(address, ports::POSTGRESQL),
            Word::Own("check port"),
            Word::Number(ports::PATRONI.into()),
            Word::Own("check-ssl verify required ca-file"),
            Word::Own(system::AUTHORITY),
            Word::Own("verifyhost"),
            Word::Host(peer.hostname.clone()),
        ]);
    }
    let config = Config { sections: vec![global, defaults, primary] };
    let name = "mailwright-primary.service";
    let command = words(&["/usr/sbin/haproxy", "-W", "-db", "-f", HAPROXY]);
    let files = BTreeMap::from([
        (HAPROXY.to_owned(), File::text(config.to_string())),
        (
            format!("/etc/systemd/system/{name}"),
            unit("The way to the node that takes writes: HAProxy", "root", "", &command),
        ),
    ]);
    let process = Process {
        name: "primary".to_owned(),
        unit: name.to_owned(),
        prepare: Vec::new(),
        command,
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: vec![ports::PRIMARY],
        reload: None,
        restart_on: Vec::new(),
        reads: words(&[HAPROXY, system::AUTHORITY]),
    };
    let check = Check {
        name: "haproxy".to_owned(),
        command: words(&["/usr/sbin/haproxy", "-c", "-q", "-f", HAPROXY]),
        files: words(&[HAPROXY]),
        harmless: Vec::new(),
    };
    let packages = ["haproxy"].map(str::to_owned).into();
    Tree { files, processes: vec![process], checks: vec![check], packages }
}

/// pgbouncer, where daemons connect: few connections to PostgreSQL for many of theirs.
fn pool(blueprint: &Blueprint) -> Tree {
    let protocols = if blueprint.mail.tls_minimum == "1.3" { "tlsv1.3" } else { "tlsv1.2, tlsv1.3" };
    let mut text = format!(
        "[databases]\n{0} = host=127.0.0.1 port={1} dbname={0}\n\n[users]\n; The control plane prepares its statements.\n\
         {2} = pool_mode=session\n\n[pgbouncer]\n",
        postgresql::DATABASE,
        ports::PRIMARY,
        postgresql::OWNER
    );
    let port = ports::PGBOUNCER.to_string();
    for (name, value) in [
        ("listen_addr", "*"),
        ("listen_port", &port),
        ("unix_socket_dir", ""),
        ("auth_type", "scram-sha-256"),
        ("auth_file", POOL_USERS),
        ("pool_mode", "transaction"),
        ("max_client_conn", "2000"),
        ("default_pool_size", "40"),
        ("query_wait_timeout", "10"),
        ("server_login_retry", "1"),
        ("ignore_startup_parameters", "extra_float_digits"),
        ("client_tls_sslmode", "require"),
        ("client_tls_key_file", postgresql::KEY_AND_CERTIFICATE),
        ("client_tls_cert_file", postgresql::KEY_AND_CERTIFICATE),
        ("client_tls_protocols", protocols),
        // The way to the primary is on loopback; whose certificate it is, HAProxy has seen.
        ("server_tls_sslmode", "verify-ca"),
        ("server_tls_ca_file", system::AUTHORITY),
        ("server_tls_protocols", protocols),
        ("log_connections", "0"),
        ("log_disconnections", "0"),
    ] {
        let _ = writeln!(text, "{name} = {value}");
    }
    let mut users = Vec::new();
    for (user, _) in postgresql::DAEMONS {
        users.push(Piece::Bytes(format!("\"{user}\" \"").into_bytes()));
        users.push(Piece::Secret(secrets::password(&format!("directory-{user}"))));
        users.push(Piece::Bytes(b"\"\n".to_vec()));
    }
    let name = "mailwright-pool.service";
    let command = words(&["/usr/sbin/pgbouncer", PGBOUNCER]);
    let files = BTreeMap::from([
        (PGBOUNCER.to_owned(), File::text(text)),
        (POOL_USERS.to_owned(), File::private("postgres:postgres", users)),
        (
            format!("/etc/systemd/system/{name}"),
            unit("Connections to the directory: pgbouncer", "postgres", "", &command),
        ),
    ]);
    let process = Process {
        name: "pgbouncer".to_owned(),
        unit: name.to_owned(),
        prepare: Vec::new(),
        command,
        user: "postgres".to_owned(),
        variables: BTreeMap::new(),
        // Who connects before there is a database is refused, and may ask nothing more for a minute.
        after: vec![format!("127.0.0.1:{}", ports::POSTGRESQL)],
        ready: vec![ports::PGBOUNCER],
        reload: Some(words(&["/bin/sh", "-c", "pkill -HUP -x -u postgres pgbouncer"])),
        restart_on: words(&[postgresql::KEY_AND_CERTIFICATE]),
        reads: words(&[PGBOUNCER, POOL_USERS, postgresql::KEY_AND_CERTIFICATE, system::AUTHORITY]),
    };
    let packages = ["pgbouncer"].map(str::to_owned).into();
    Tree { files, processes: vec![process], packages, ..Tree::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn secrets_are_holes_and_the_rest_is_json() {
        let mut blueprint = sample::platform();
        blueprint.nodes.extend([sample::node(Role::Directory, 1), sample::node(Role::Directory, 2)]);
        let tree = tree(&blueprint, &sample::node(Role::Directory, 1));
        let file = &tree.files[PATRONI];
        assert_eq!(file.pieces.iter().filter(|piece| matches!(piece, Piece::Secret(_))).count(), 2);
        let text = String::from_utf8(file.unfilled().0).unwrap();
        let settings: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(settings["postgresql"]["parameters"]["fsync"], "on");
        assert!(settings["postgresql"]["parameters"]["hba_file"].is_null());
        let peers = &tree.files[ETCD];
        assert!(
            String::from_utf8(peers.unfilled().0)
                .unwrap()
                .contains("directory-2=https://directory-2.northmail.example:2380")
        );
        assert_eq!(file.mode, 0o600);
    }
}
