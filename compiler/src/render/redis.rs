//! Redis: what all scanners of a cluster share. Where there are several caches, sentinels choose who is written to.
//!
//! Source: the commented redis.conf and sentinel.conf of Redis 7.0, which 8.0 (trixie) reads alike.

pub mod conf;

use std::collections::BTreeMap;

use blueprint::{Blueprint, Check, File, Node, Process, Role, Tree};

use self::conf::{Directives, Word};
use super::haproxy::config::{Config, Section, Word as Way};
use super::{patroni, place};
use crate::decide::{ports, secrets};

/// What the sentinels call those they watch.
const MASTER: &str = "cache";

const CONF: &str = "/etc/redis/redis.conf";
const WAY: &str = "/etc/haproxy/cache.cfg";
const SENTINEL: &str = "/etc/redis/sentinel.conf";

/// The sentinel writes down in its file what it learns, so it runs on a copy.
const SENTINEL_STATE: &str = "/var/lib/redis/sentinel.conf";

/// The user both run as.
const USER: &str = "redis";

/// After so long without an answer a sentinel takes a cache for gone.
const DOWN_MILLISECONDS: u64 = 5_000;

/// Returns what a cache is made of.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    let caches: Vec<&Node> = place::members(blueprint, &node.cluster, Role::Cache).collect();
    let mut files = BTreeMap::from([(CONF.to_owned(), private(cache(node, &caches)))]);
    let mut processes = vec![process("redis", "redis-server.service", "/usr/bin/redis-server", CONF, ports::REDIS)];
    if caches.len() > 1 {
        files.insert(SENTINEL.to_owned(), private(sentinel(node, &caches)));
        let mut sentinel =
            process("sentinel", "redis-sentinel.service", "/usr/bin/redis-sentinel", SENTINEL_STATE, ports::SENTINEL);
        sentinel.prepare.push(words(&["/bin/sh", "-c", &kept()]));
        sentinel.reads = vec![SENTINEL.to_owned()];
        processes.push(sentinel);
    }
    let checks = files
        .keys()
        .map(|path| Check {
            name: "redis".to_owned(),
            // There is no mode that only checks. Told to listen on nothing, a server with a sound file goes on to say so.
            command: words(&["/bin/sh", "-c", &checked(path)]),
            files: vec![path.clone()],
            harmless: Vec::new(),
        })
        .collect();
    Tree { files, processes, checks, packages: ["redis-server", "redis-sentinel"].map(str::to_owned).into() }
}

/// Returns HAProxy on loopback, which leads to the cache that takes writes; nothing where there is one cache.
///
/// Rspamd of bookworm asks sentinels without their password, and waits on a connection to a host that is gone until a message's
/// whole time is over. HAProxy ends such connections, and looks itself whom the sentinels chose.
pub fn way_to_master(blueprint: &Blueprint, node: &Node) -> Tree {
    let Some(cluster) = place::nearest(blueprint, node, Role::Cache) else { return Tree::default() };
    let caches: Vec<&Node> = place::members(blueprint, cluster, Role::Cache).collect();
    if caches.len() < 2 {
        return Tree::default();
    }
    let mut global = Section::new("global", None);
    for line in ["log stdout format raw daemon warning", "user haproxy", "group haproxy", "maxconn 4000"] {
        global.own(line);
    }
    let mut defaults = Section::new("defaults", None);
    for line in ["log global", "mode tcp", "timeout connect 1s", "timeout client 1h", "timeout server 1h"] {
        defaults.own(line);
    }
    let mut master = Section::new("listen", Some("cache"));
    master.line([Way::Own("bind"), Way::At(std::net::Ipv4Addr::LOCALHOST.into(), ports::CACHE_MASTER)]);
    for line in [
        "option tcp-check",
        "timeout check 1s",
        "tcp-check send AUTH\\ @@cache@@\\r\\n",
        "tcp-check expect string +OK",
        "tcp-check send INFO\\ replication\\r\\n",
        "tcp-check expect string role:master",
        "tcp-check send QUIT\\r\\n",
        "default-server check inter 1s fall 2 rise 1 on-marked-down shutdown-sessions",
    ] {
        master.own(line);
    }
    for cache in caches {
        let Some(&address) = cache.addresses.first() else { continue };
        master.line([Way::Own("server"), Way::Name(cache.name.clone()), Way::At(address, ports::REDIS)]);
    }
    let text = Config { sections: vec![global, defaults, master] }.to_string();
    let marks = [("@@cache@@", secrets::password("cache"))];
    let name = "mailwright-cache.service";
    let command = words(&["/usr/sbin/haproxy", "-W", "-db", "-f", WAY]);
    let files = BTreeMap::from([
        (WAY.to_owned(), File::private("root:root", patroni::with_secrets(&text, &marks))),
        (
            format!("/etc/systemd/system/{name}"),
            patroni::unit("The way to the cache that takes writes: HAProxy", "root", "", &command),
        ),
    ]);
    let process = Process {
        name: "cache".to_owned(),
        unit: name.to_owned(),
        prepare: Vec::new(),
        command,
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: vec![ports::CACHE_MASTER],
        reload: None,
        restart_on: Vec::new(),
        reads: words(&[WAY]),
    };
    let check = Check {
        name: "haproxy".to_owned(),
        command: words(&["/usr/sbin/haproxy", "-c", "-q", "-f", WAY]),
        files: words(&[WAY]),
        harmless: Vec::new(),
    };
    Tree { files, processes: vec![process], checks: vec![check], packages: ["haproxy"].map(str::to_owned).into() }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn private(directives: Directives) -> File {
    File { mode: 0o640, owner: format!("root:{USER}"), pieces: directives.pieces() }
}

/// Puts the sentinel's file in place of its copy when it is another than the copy was made of.
fn kept() -> String {
    format!(
        "cmp -s {SENTINEL} {SENTINEL_STATE}.origin || {{ install -o {USER} -g {USER} -m 0640 {SENTINEL} {SENTINEL_STATE} && \
         install -o {USER} -g {USER} -m 0640 {SENTINEL} {SENTINEL_STATE}.origin; }}"
    )
}

/// Starts a server on a copy of the file that listens on one socket in a folder of its own, and asks it to end.
fn checked(path: &str) -> String {
    let sentinel = if path == SENTINEL { " --sentinel" } else { "" };
    format!(
        "d=$(mktemp -d) && grep -vE '^(bind|port|dir|replicaof|sentinel announce-ip|appendonly)' {path} > $d/c && \
         printf 'port 0\\nunixsocket %s/s\\ndir %s\\ndaemonize yes\\npidfile %s/p\\nlogfile %s/l\\n' $d $d $d $d >> $d/c && \
         redis-server $d/c{sentinel} >$d/o 2>&1; code=$?; [ $code = 0 ] || cat $d/o; \
         i=0; while [ $code = 0 ] && [ ! -s $d/p ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done; \
         [ -s $d/p ] && kill $(cat $d/p); rm -rf $d; exit $code"
    )
}

fn process(name: &str, unit: &str, program: &str, conf: &str, port: u16) -> Process {
    Process {
        name: name.to_owned(),
        unit: unit.to_owned(),
        prepare: vec![words(&["/usr/bin/install", "-d", "-o", USER, "-g", USER, "-m", "0750", "/var/lib/redis"])],
        command: words(&[program, conf]),
        user: USER.to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: vec![port],
        reload: None,
        restart_on: Vec::new(),
        reads: vec![conf.to_owned()],
    }
}

fn listen(node: &Node, port: u16) -> Directives {
    let mut directives = Directives::default();
    let own = node.addresses.iter().map(|address| Word::Ip(*address));
    directives.add("bind", std::iter::once(Word::Own("127.0.0.1")).chain(own).collect());
    directives.set("port", Word::Number(port.into()));
    directives.set("protected-mode", Word::Own("no"));
    directives.set("daemonize", Word::Own("no"));
    directives.set("supervised", Word::Own("no"));
    directives.set("logfile", Word::Text(String::new()));
    directives.set("dir", Word::Own("/var/lib/redis"));
    directives.set("requirepass", Word::Secret(secrets::password("cache")));
    directives
}

fn cache(node: &Node, caches: &[&Node]) -> Directives {
    let mut directives = listen(node, ports::REDIS);
    directives.set("masterauth", Word::Secret(secrets::password("cache")));
    // What is learned must survive; a second of it may be lost.
    directives.set("appendonly", Word::Own("yes"));
    directives.set("appendfsync", Word::Own("everysec"));
    directives.add("save", vec![Word::Text(String::new())]);
    // Half for the data, since a copy of it is made while the log is rewritten. Greylists and rates have an end; what is learned has none.
    directives.set("maxmemory", Word::Number(node.memory.as_bytes() / 2));
    directives.set("maxmemory-policy", Word::Own("volatile-ttl"));
    directives.set("tcp-keepalive", Word::Number(60));
    if let Some(first) = caches.first().filter(|first| first.name != node.name)
        && let Some(address) = first.addresses.first()
    {
        // Who is written to at first; afterwards the sentinels say so.
        directives.add("replicaof", vec![Word::Ip(*address), Word::Number(ports::REDIS.into())]);
    }
    directives
}

fn sentinel(node: &Node, caches: &[&Node]) -> Directives {
    let mut directives = listen(node, ports::SENTINEL);
    let quorum = caches.len() as u64 / 2 + 1;
    let master = || Word::Own(MASTER);
    if let Some(address) = caches.first().and_then(|first| first.addresses.first()) {
        directives.add(
            "sentinel monitor",
            vec![master(), Word::Ip(*address), Word::Number(ports::REDIS.into()), Word::Number(quorum)],
        );
    }
    directives.add("sentinel auth-pass", vec![master(), Word::Secret(secrets::password("cache"))]);
    directives.add("sentinel sentinel-pass", vec![Word::Secret(secrets::password("cache"))]);
    directives.add("sentinel down-after-milliseconds", vec![master(), Word::Number(DOWN_MILLISECONDS)]);
    directives.add("sentinel failover-timeout", vec![master(), Word::Number(DOWN_MILLISECONDS * 6)]);
    directives.add("sentinel parallel-syncs", vec![master(), Word::Number(1)]);
    if let Some(address) = node.addresses.first() {
        directives.add("sentinel announce-ip", vec![Word::Ip(*address)]);
    }
    directives
}
