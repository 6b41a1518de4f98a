//! Prometheus and Alertmanager: what is measured, and the alerts that the specification's own promises make.
//!
//! Source: the configuration manuals of Prometheus 2.42 and Alertmanager 0.25. Both read YAML, of which JSON is a part: what is
//! written is JSON, so that no text can be taken for anything else.

use std::collections::BTreeMap;

use blueprint::{Blueprint, Check, File, Node, Process, Role, Tree};
use serde_json::{Value, json};
use values::Name;

use super::patroni::with_secrets;
use super::{backup, exporters, place, system};
use crate::decide::{ports, secrets};

/// Stands where the password of Rspamd's controller goes.
const DEFENSE_PASSWORD: &str = "@@defense@@";

const CONFIG: &str = "/etc/prometheus/prometheus.yml";
const RULES: &str = "/etc/prometheus/rules.yml";
const ALERTS: &str = "/etc/prometheus/alertmanager.yml";

/// A port of a node that answers while a daemon of it does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// The node's place in the Blueprint.
    pub node: Name,
    /// The daemon.
    pub daemon: String,
    /// The port.
    pub port: u16,
}

/// Returns where a node's daemons answer other nodes.
pub fn answers(node: &Node, tree: &Tree) -> Vec<Answer> {
    let reached = |port: u16| {
        // A balancer's doors are other nodes' services.
        node.role == Role::Balancer || node.services.iter().any(|service| service.port == port)
    };
    let daemons = tree.processes.iter().filter(|process| !process.is_aside());
    daemons
        .flat_map(|process| process.ready.iter().map(|port| (process.name.clone(), *port)))
        .filter(|(_, port)| reached(*port))
        .map(|(daemon, port)| Answer { node: node.name.clone(), daemon, port })
        .collect()
}

/// What the one that knocks at doors knows to ask: that somebody opens.
pub fn knocks() -> String {
    format!("{:#}\n", json!({ "modules": { "opens": { "prober": "tcp", "timeout": "5s" } } }))
}

/// Returns what a monitor is made of.
///
/// - `answers`: where daemons of all nodes answer.
pub fn tree(blueprint: &Blueprint, node: &Node, answers: &[Answer]) -> Tree {
    let pretty = |value: &Value| {
        let mut text = serde_json::to_string_pretty(value).expect("plain data becomes JSON");
        text.push('\n');
        File::text(text)
    };
    // It bears the password that Rspamd asks for.
    let config = File {
        mode: 0o640,
        owner: "root:prometheus".to_owned(),
        pieces: with_secrets(
            &format!("{:#}\n", config(blueprint, node, answers)),
            &[(DEFENSE_PASSWORD, secrets::password("defense-controller"))],
        ),
    };
    let files = BTreeMap::from([
        (CONFIG.to_owned(), config),
        (RULES.to_owned(), pretty(&rules(blueprint, node))),
        (ALERTS.to_owned(), pretty(&alerts(blueprint, node))),
    ]);
    Tree {
        files,
        processes: processes(),
        checks: checks(),
        packages: ["prometheus", "prometheus-alertmanager"].map(str::to_owned).into(),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn processes() -> Vec<Process> {
    let folders = |folder: &str| {
        vec![words(&["/usr/bin/install", "-d", "-o", "prometheus", "-g", "prometheus", "-m", "0750", folder])]
    };
    let process = |name: &str, unit: &str, folder: &str, command: &[&str], port: u16, reads: &[&str]| Process {
        name: name.to_owned(),
        unit: unit.to_owned(),
        prepare: folders(folder),
        command: words(command),
        user: "prometheus".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: vec![port],
        reload: Some(words(&["/bin/sh", "-c", &format!("kill -HUP \"$(pidof {})\"", command.first().unwrap_or(&""))])),
        restart_on: Vec::new(),
        reads: words(reads),
    };
    let metrics = "/var/lib/prometheus/metrics2";
    let told = "/var/lib/prometheus/alertmanager";
    vec![
        process(
            "prometheus",
            "prometheus.service",
            metrics,
            &[
                "/usr/bin/prometheus",
                "--config.file=/etc/prometheus/prometheus.yml",
                "--storage.tsdb.path=/var/lib/prometheus/metrics2",
                "--storage.tsdb.retention.time=90d",
                "--web.listen-address=:9090",
            ],
            ports::PROMETHEUS,
            &[CONFIG, RULES],
        ),
        process(
            "alertmanager",
            "prometheus-alertmanager.service",
            told,
            &[
                "/usr/bin/prometheus-alertmanager",
                "--config.file=/etc/prometheus/alertmanager.yml",
                "--storage.path=/var/lib/prometheus/alertmanager",
                "--web.listen-address=:9093",
                "--cluster.listen-address=",
            ],
            ports::ALERTMANAGER,
            &[ALERTS],
        ),
    ]
}

fn checks() -> Vec<Check> {
    let check = |name: &str, command: &[&str], files: &[&str]| Check {
        name: name.to_owned(),
        command: words(command),
        files: words(files),
        harmless: Vec::new(),
    };
    vec![
        check("prometheus", &["/usr/bin/promtool", "check", "config", CONFIG], &[CONFIG, RULES]),
        check("alertmanager", &["/usr/bin/amtool", "check-config", ALERTS], &[ALERTS]),
    ]
}

/// What is measured: each node itself, each daemon that tells of itself, and whether each opens its door.
#[expect(clippy::indexing_slicing, reason = "a key that a JSON object lacks is made")]
fn config(blueprint: &Blueprint, node: &Node, answers: &[Answer]) -> Value {
    let labels = |other: &Node| json!({ "node": other.name, "role": other.role.name(), "cluster": other.cluster, "site": other.site });
    let targets = |roles: &[Role], port: u16| -> Vec<Value> {
        let nodes = blueprint.nodes.iter().filter(|other| roles.is_empty() || roles.contains(&other.role));
        nodes
            .map(|other| json!({ "targets": [format!("{}:{port}", other.hostname)], "labels": labels(other) }))
            .collect()
    };
    let job = |name: &str, targets: Vec<Value>| json!({ "job_name": name, "static_configs": targets });
    let mut jobs = vec![
        job("node", targets(&[], exporters::NODE)),
        job("balancer", targets(&[Role::Balancer], ports::BALANCER_STATUS)),
        job("postfix", targets(&[Role::Mx, Role::Submission, Role::Outbound], exporters::POSTFIX)),
        job("dovecot", targets(&[Role::Store, Role::Access], ports::DOVECOT_METRICS)),
        job("redis", targets(&[Role::Cache], exporters::REDIS)),
        job("postgresql", targets(&[Role::Directory], exporters::POSTGRESQL)),
        job("metrics", targets(&[Role::Monitor], ports::PROMETHEUS)),
        job("alerts", targets(&[Role::Monitor], ports::ALERTMANAGER)),
    ];
    let mut defense = job("defense", targets(&[Role::Defense], ports::DEFENSE_CONTROLLER));
    defense["params"] = json!({ "password": [DEFENSE_PASSWORD] });
    jobs.push(defense);
    if place::members(blueprint, &node.cluster, Role::Directory).nth(1).is_some() {
        let mut patroni = job("patroni", targets(&[Role::Directory], ports::PATRONI));
        patroni["scheme"] = json!("https");
        patroni["tls_config"] = json!({ "ca_file": system::AUTHORITY });
        jobs.push(patroni);
    }
    let doors: Vec<Value> = answers
        .iter()
        .filter_map(|answer| {
            let other = blueprint.nodes.iter().find(|other| other.name == answer.node)?;
            let mut labels = labels(other);
            labels["daemon"] = json!(answer.daemon);
            labels["port"] = json!(answer.port.to_string());
            Some(json!({ "targets": [format!("{}:{}", other.hostname, answer.port)], "labels": labels }))
        })
        .collect();
    let mut knocks = job("doors", doors);
    // Each knock is a line in the log of who opens.
    knocks["scrape_interval"] = json!("30s");
    knocks["metrics_path"] = json!("/probe");
    knocks["params"] = json!({ "module": ["opens"] });
    knocks["relabel_configs"] = json!([
        { "source_labels": ["__address__"], "target_label": "__param_target" },
        { "source_labels": ["__param_target"], "target_label": "instance" },
        { "target_label": "__address__", "replacement": format!("127.0.0.1:{}", exporters::KNOCKER) },
    ]);
    jobs.push(knocks);
    jobs.retain(|job| job["static_configs"] != json!([]));
    json!({
        "global": {
            "scrape_interval": "15s",
            "evaluation_interval": "15s",
            "external_labels": { "platform": blueprint.platform, "environment": blueprint.environment },
        },
        "rule_files": [RULES],
        "alerting": {
            "alertmanagers": [{ "static_configs": [{ "targets": [format!("{}:{}", node.hostname, ports::ALERTMANAGER)] }] }],
        },
        "scrape_configs": jobs,
    })
}

/// File systems that hold something: what is made anew with a node fills up without harm.
const LASTING: &str = "fstype!~\"tmpfs|overlay|squashfs|erofs|ramfs\",mountpoint!~\"/usr/.*\"";

/// The alerts that promises make: each says which promise is at stake.
fn rules(blueprint: &Blueprint, node: &Node) -> Value {
    let mut rules = answering(blueprint, node);
    rules.extend(used(blueprint));
    rules.extend(waiting(blueprint));
    rules.extend(copied(blueprint));
    rules.push(rule(
        "ClockOff",
        "abs(node_timex_offset_seconds) > 0.5".to_owned(),
        "10m",
        "ticket",
        "The clock of {{ $labels.node }} is {{ $value }} seconds off: signatures and sessions go by it.",
    ));
    json!({ "groups": [{ "name": "promises", "rules": rules }] })
}

fn rule(name: &str, expression: String, lasts: &str, severity: &str, summary: &str) -> Value {
    json!({
        "alert": name, "expr": expression, "for": lasts,
        "labels": { "severity": severity }, "annotations": { "summary": summary },
    })
}

/// That everything answers, by itself and at the balancers' doors.
fn answering(blueprint: &Blueprint, node: &Node) -> Vec<Value> {
    let mut rules = vec![
        rule(
            "DaemonDown",
            "probe_success{job=\"doors\"} == 0".to_owned(),
            "1m",
            "page",
            "{{ $labels.daemon }} of {{ $labels.node }} does not answer on port {{ $labels.port }}.",
        ),
        rule(
            "NodeDown",
            "max by (node, role, cluster) (probe_success{job=\"doors\"}) == 0".to_owned(),
            "1m",
            "page",
            "Nothing on {{ $labels.node }} answers: whatever it serves is at stake.",
        ),
        rule(
            "RoleDown",
            "max by (cluster, role) (probe_success{job=\"doors\"}) == 0".to_owned(),
            "30s",
            "page",
            "No {{ $labels.role }} of cluster {{ $labels.cluster }} answers.",
        ),
        rule(
            "NotMeasured",
            "up == 0".to_owned(),
            "5m",
            "ticket",
            "{{ $labels.job }} of {{ $labels.node }} tells nothing: what goes wrong there is not seen.",
        ),
    ];
    if place::has(blueprint, &node.cluster, Role::Balancer) {
        rules.push(rule(
            "DoorClosed",
            "haproxy_backend_active_servers == 0".to_owned(),
            "1m",
            "page",
            "Nobody stands behind the door {{ $labels.proxy }} of {{ $labels.node }}.",
        ));
        rules.push(rule(
            "DoorUnevenlyServed",
            "haproxy_server_status{state=\"DOWN\"} == 1".to_owned(),
            "5m",
            "ticket",
            "{{ $labels.server }} does not answer behind the door {{ $labels.proxy }}.",
        ));
    }
    rules
}

/// That there is room, up to what the specification wants to be called at; four fifths where it says nothing.
fn used(blueprint: &Blueprint) -> Vec<Value> {
    let above = |of: &str| blueprint.alerts.iter().find(|alert| alert.of == of).map(|alert| alert.above);
    let share = |thousandths: u64| format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    let filled = |where_: &str| format!("1 - node_filesystem_avail_bytes{{{where_}}} / node_filesystem_size_bytes");
    let full = "{{ $labels.mountpoint }} of {{ $labels.node }} is {{ $value | humanizePercentage }} full.";
    let mut rules = vec![
        rule(
            "StorageFillsUp",
            format!("{} > {}", filled(LASTING), share(above("storage").unwrap_or(800))),
            "10m",
            "page",
            full,
        ),
        rule(
            "StorageWillBeFull",
            format!("predict_linear(node_filesystem_avail_bytes{{{LASTING}}}[6h], 4 * 86400) < 0"),
            "1h",
            "ticket",
            "{{ $labels.mountpoint }} of {{ $labels.node }} is full within four days at this rate.",
        ),
        rule(
            "InodesRunOut",
            format!(
                "node_filesystem_files_free{{{LASTING}}} / node_filesystem_files < 0.1 and node_filesystem_files > 0"
            ),
            "10m",
            "page",
            "{{ $labels.mountpoint }} of {{ $labels.node }} has hardly a file left to make.",
        ),
        rule(
            "MemoryShort",
            format!(
                "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes > {}",
                share(above("memory").unwrap_or(950))
            ),
            "10m",
            "ticket",
            "{{ $labels.node }} uses {{ $value | humanizePercentage }} of its memory.",
        ),
    ];
    if let Some(disk) = above("disk") {
        let root = format!("{LASTING},mountpoint=\"/\"");
        rules.push(rule("DiskFillsUp", format!("{} > {}", filled(&root), share(disk)), "10m", "page", full));
    }
    if let Some(cores) = above("cores") {
        rules.push(rule(
            "CoresBusy",
            format!(
                "1 - avg by (node, role, cluster) (rate(node_cpu_seconds_total{{mode=\"idle\"}}[5m])) > {}",
                share(cores)
            ),
            "15m",
            "ticket",
            "The cores of {{ $labels.node }} are {{ $value | humanizePercentage }} busy.",
        ));
    }
    rules
}

/// That mail does not wait longer than its senders are told of.
fn waiting(blueprint: &Blueprint) -> Vec<Value> {
    let notice = blueprint.mail.bounce_notice.as_seconds();
    vec![rule(
        "MailWaits",
        format!(
            "histogram_quantile(0.9, sum by (node, role, cluster, le) (postfix_showq_message_age_seconds_bucket)) > {notice}"
        ),
        "15m",
        "ticket",
        "A tenth of the mail that waits on {{ $labels.node }} is older than when its senders are told.",
    )]
}

/// That copies are made, and can be restored, as often as the specification says.
fn copied(blueprint: &Blueprint) -> Vec<Value> {
    let mut rules = Vec::new();
    for (name, role) in [("Mail", Role::Store), ("Directory", Role::Directory), ("Keys", Role::Dns)] {
        let there = blueprint.nodes.iter().any(|node| node.role == role);
        let Some((kind, copies)) = backup::copies(blueprint, role).filter(|_| there) else { continue };
        let late = copies.every.as_seconds().saturating_mul(2).saturating_add(600);
        // Of several nodes of a directory only the one that takes writes copies.
        let (by, labelled) = match role {
            Role::Directory => ("cluster, kind", "cluster"),
            _ => ("node, cluster, kind", "node"),
        };
        // Where there is no copy at all, nobody knows whose.
        let of = format!("{{{{ with $labels.{labelled} }}}} of {{{{ . }}}}{{{{ end }}}}");
        let last = |what: &str| format!("max by ({by}) (mailwright_backup_{what}_time_seconds{{kind=\"{kind}\"}})");
        rules.push(rule(
            &format!("{name}CopyLate"),
            format!("time() - {} > {late} or absent({})", last("success"), last("success")),
            "10m",
            "page",
            &format!("The last copy of {kind}{of} is older than twice {}.", copies.every),
        ));
        if let Some(every) = blueprint.backup.restore_test {
            rules.push(rule(
                &format!("{name}CopyUntried"),
                format!("time() - {} > {}", last("try"), every.as_seconds().saturating_mul(2)),
                "1h",
                "ticket",
                &format!("No copy of {kind}{of} was restored for twice {every}."),
            ));
        }
    }
    rules
}

/// Who is told: the operator's postmaster, by the platform's own mail.
fn alerts(blueprint: &Blueprint, node: &Node) -> Value {
    let relay = place::group(blueprint, node, Role::Mx).unwrap_or_else(|| node.hostname.clone());
    json!({
        "global": {
            "smtp_smarthost": format!("{relay}:{}", ports::RELAY),
            "smtp_from": format!("alerts@{}", blueprint.service_domain),
            "smtp_hello": node.hostname,
            "smtp_require_tls": true,
        },
        "route": {
            "receiver": "operator",
            "group_by": ["alertname", "cluster", "role"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
        },
        "receivers": [{
            "name": "operator",
            "email_configs": [{
                "to": blueprint.operator.postmaster.to_string(),
                "send_resolved": true,
                "tls_config": { "ca_file": super::system::AUTHORITY },
            }],
        }],
    })
}
