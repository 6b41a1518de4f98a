//! Prometheus and Alertmanager: what is measured, and the alerts that the specification's own promises make.
//!
//! Source: the configuration manuals of Prometheus 2.42 and Alertmanager 0.25. Both read YAML, of which JSON is a part: what is
//! written is JSON, so that no text can be taken for anything else.

use std::collections::BTreeMap;

use blueprint::{Blueprint, Check, File, Node, Process, Role, Tree};
use serde_json::{Value, json};

use super::place;
use crate::decide::ports;

const CONFIG: &str = "/etc/prometheus/prometheus.yml";
const RULES: &str = "/etc/prometheus/rules.yml";
const ALERTS: &str = "/etc/prometheus/alertmanager.yml";

/// The package that measures a node.
pub const EXPORTER: &str = "prometheus-node-exporter";
/// Where it answers.
const EXPORTER_PORT: u16 = 9100;

/// Returns what a monitor is made of.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    let pretty = |value: &Value| {
        let mut text = serde_json::to_string_pretty(value).expect("plain data becomes JSON");
        text.push('\n');
        File::text(text)
    };
    let files = BTreeMap::from([
        (CONFIG.to_owned(), pretty(&config(blueprint, node))),
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

/// What is measured: each node itself, and each daemon that tells of itself.
fn config(blueprint: &Blueprint, node: &Node) -> Value {
    let targets = |role: Option<Role>, port: u16| -> Vec<Value> {
        let nodes = blueprint.nodes.iter().filter(|other| role.is_none_or(|role| other.role == role));
        nodes
            .map(|other| {
                json!({
                    "targets": [format!("{}:{port}", other.hostname)],
                    "labels": { "node": other.name, "role": other.role.name(), "cluster": other.cluster, "site": other.site },
                })
            })
            .collect()
    };
    let job = |name: &str, targets: Vec<Value>| json!({ "job_name": name, "static_configs": targets });
    let jobs = [
        job("node", targets(None, EXPORTER_PORT)),
        job("balancer", targets(Some(Role::Balancer), ports::BALANCER_STATUS)),
        job("metrics", targets(Some(Role::Monitor), ports::PROMETHEUS)),
        job("alerts", targets(Some(Role::Monitor), ports::ALERTMANAGER)),
    ];
    let jobs: Vec<Value> = jobs.into_iter().filter(|job| job["static_configs"] != json!([])).collect();
    json!({
        "global": {
            "scrape_interval": "30s",
            "evaluation_interval": "30s",
            "external_labels": { "platform": blueprint.platform, "environment": blueprint.environment },
        },
        "rule_files": [RULES],
        "alerting": {
            "alertmanagers": [{ "static_configs": [{ "targets": [format!("{}:{}", node.hostname, ports::ALERTMANAGER)] }] }],
        },
        "scrape_configs": jobs,
    })
}

/// The alerts that promises make: each says which promise is at stake.
///
/// Gap: what the specification says of availability, of storage, of copies is not in a Blueprint yet; the bounds are the
/// platform's own.
fn rules(blueprint: &Blueprint, node: &Node) -> Value {
    let rule = |name: &str, expression: String, lasts: &str, severity: &str, summary: &str| {
        json!({
            "alert": name, "expr": expression, "for": lasts,
            "labels": { "severity": severity }, "annotations": { "summary": summary },
        })
    };
    let mut rules = vec![
        rule(
            "NodeDown",
            "up{job=\"node\"} == 0".to_owned(),
            "3m",
            "page",
            "{{ $labels.node }} does not answer: whatever it serves is at stake.",
        ),
        rule(
            "RoleDown",
            "sum by (cluster, role) (up{job=\"node\"}) == 0".to_owned(),
            "1m",
            "page",
            "No {{ $labels.role }} of cluster {{ $labels.cluster }} answers.",
        ),
        rule(
            "StorageFillsUp",
            "1 - node_filesystem_avail_bytes{fstype!~\"tmpfs|overlay|squashfs|erofs|ramfs\"} / node_filesystem_size_bytes > 0.8"
                .to_owned(),
            "10m",
            "page",
            "{{ $labels.mountpoint }} of {{ $labels.node }} is {{ $value | humanizePercentage }} full.",
        ),
        rule(
            "StorageWillBeFull",
            "predict_linear(node_filesystem_avail_bytes{fstype!~\"tmpfs|overlay|squashfs|erofs|ramfs\"}[6h], 4 * 86400) < 0"
                .to_owned(),
            "1h",
            "ticket",
            "{{ $labels.mountpoint }} of {{ $labels.node }} is full within four days at this rate.",
        ),
        rule(
            "InodesRunOut",
            "node_filesystem_files_free / node_filesystem_files < 0.1 and node_filesystem_files > 0".to_owned(),
            "10m",
            "page",
            "{{ $labels.mountpoint }} of {{ $labels.node }} has hardly a file left to make.",
        ),
        rule(
            "MemoryShort",
            "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < 0.05".to_owned(),
            "10m",
            "ticket",
            "{{ $labels.node }} has less than a twentieth of its memory left.",
        ),
        rule(
            "ClockOff",
            "abs(node_timex_offset_seconds) > 0.5".to_owned(),
            "10m",
            "ticket",
            "The clock of {{ $labels.node }} is {{ $value }} seconds off: signatures and sessions go by it.",
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
    json!({ "groups": [{ "name": "promises", "rules": rules }] })
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
