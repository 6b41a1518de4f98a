//! Each alert that is rendered for Prometheus fires on a series that it is meant for, and on none that is well: asked of promtool.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// An alert, when it has had its time, what it fires on, and what it does not fire on; series with a value for every minute.
type Case =
    (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]);

const CASES: &[Case] = &[
    (
        "DaemonDown",
        "3m",
        &[(r#"probe_success{job="doors",daemon="postfix",node="mx-1",port="25"}"#, "0x400")],
        &[(r#"probe_success{job="doors",daemon="postfix",node="mx-1",port="25"}"#, "1x400")],
    ),
    (
        "NodeDown",
        "3m",
        &[
            (r#"probe_success{job="doors",node="mx-1",role="mx",cluster="a",port="25"}"#, "0x400"),
            (r#"probe_success{job="doors",node="mx-1",role="mx",cluster="a",port="10025"}"#, "0x400"),
        ],
        &[
            (r#"probe_success{job="doors",node="mx-1",role="mx",cluster="a",port="25"}"#, "0x400"),
            (r#"probe_success{job="doors",node="mx-1",role="mx",cluster="a",port="10025"}"#, "1x400"),
        ],
    ),
    (
        "RoleDown",
        "3m",
        &[
            (r#"probe_success{job="doors",node="mx-1",role="mx",cluster="a"}"#, "0x400"),
            (r#"probe_success{job="doors",node="mx-2",role="mx",cluster="a"}"#, "0x400"),
        ],
        &[
            (r#"probe_success{job="doors",node="mx-1",role="mx",cluster="a"}"#, "0x400"),
            (r#"probe_success{job="doors",node="mx-2",role="mx",cluster="a"}"#, "1x400"),
        ],
    ),
    ("NotMeasured", "7m", &[(r#"up{job="node",node="mx-1"}"#, "0x400")], &[(r#"up{job="node",node="mx-1"}"#, "1x400")]),
    (
        "DoorClosed",
        "3m",
        &[(r#"haproxy_backend_active_servers{proxy="imap"}"#, "0x400")],
        &[(r#"haproxy_backend_active_servers{proxy="imap"}"#, "1x400")],
    ),
    (
        "DoorUnevenlyServed",
        "7m",
        &[(r#"haproxy_server_status{proxy="imap",server="access-1",state="DOWN"}"#, "1x400")],
        &[
            (r#"haproxy_server_status{proxy="imap",server="access-1",state="DOWN"}"#, "0x400"),
            (r#"haproxy_server_status{proxy="imap",server="access-1",state="UP"}"#, "1x400"),
        ],
    ),
    (
        "StorageFillsUp",
        "15m",
        &[
            (r#"node_filesystem_avail_bytes{mountpoint="/var",fstype="ext4"}"#, "10x400"),
            (r#"node_filesystem_size_bytes{mountpoint="/var",fstype="ext4"}"#, "100x400"),
        ],
        &[
            (r#"node_filesystem_avail_bytes{mountpoint="/var",fstype="ext4"}"#, "50x400"),
            (r#"node_filesystem_size_bytes{mountpoint="/var",fstype="ext4"}"#, "100x400"),
            // Memory that is full, and an image that always is, concern nobody.
            (r#"node_filesystem_avail_bytes{mountpoint="/run",fstype="tmpfs"}"#, "0x400"),
            (r#"node_filesystem_size_bytes{mountpoint="/run",fstype="tmpfs"}"#, "100x400"),
            (r#"node_filesystem_avail_bytes{mountpoint="/",fstype="erofs"}"#, "0x400"),
            (r#"node_filesystem_size_bytes{mountpoint="/",fstype="erofs"}"#, "100x400"),
        ],
    ),
    (
        "StorageWillBeFull",
        "90m",
        &[(r#"node_filesystem_avail_bytes{mountpoint="/var",fstype="ext4"}"#, "1000-1x400")],
        &[(r#"node_filesystem_avail_bytes{mountpoint="/var",fstype="ext4"}"#, "1000x400")],
    ),
    (
        "InodesRunOut",
        "15m",
        &[
            (r#"node_filesystem_files_free{mountpoint="/var",fstype="ext4"}"#, "5x400"),
            (r#"node_filesystem_files{mountpoint="/var",fstype="ext4"}"#, "100x400"),
        ],
        &[
            (r#"node_filesystem_files_free{mountpoint="/var",fstype="ext4"}"#, "50x400"),
            (r#"node_filesystem_files{mountpoint="/var",fstype="ext4"}"#, "100x400"),
            // A file system that does not count them.
            (r#"node_filesystem_files_free{mountpoint="/srv",fstype="btrfs"}"#, "0x400"),
            (r#"node_filesystem_files{mountpoint="/srv",fstype="btrfs"}"#, "0x400"),
        ],
    ),
    (
        "MemoryShort",
        "15m",
        &[("node_memory_MemAvailable_bytes", "1x400"), ("node_memory_MemTotal_bytes", "100x400")],
        &[("node_memory_MemAvailable_bytes", "50x400"), ("node_memory_MemTotal_bytes", "100x400")],
    ),
    (
        "MailWaits",
        "20m",
        &[
            (r#"postfix_showq_message_age_seconds_bucket{node="outbound-1",le="3600"}"#, "0x400"),
            (r#"postfix_showq_message_age_seconds_bucket{node="outbound-1",le="86400"}"#, "10x400"),
            (r#"postfix_showq_message_age_seconds_bucket{node="outbound-1",le="+Inf"}"#, "10x400"),
        ],
        &[
            (r#"postfix_showq_message_age_seconds_bucket{node="outbound-1",le="3600"}"#, "10x400"),
            (r#"postfix_showq_message_age_seconds_bucket{node="outbound-1",le="86400"}"#, "10x400"),
            (r#"postfix_showq_message_age_seconds_bucket{node="outbound-1",le="+Inf"}"#, "10x400"),
        ],
    ),
    (
        "MailCopyLate",
        "150m",
        &[(r#"mailwright_backup_success_time_seconds{kind="mail",node="store-1"}"#, "0x400")],
        &[(r#"mailwright_backup_success_time_seconds{kind="mail",node="store-1"}"#, "0+60x400")],
    ),
    // Nobody has ever copied anything.
    (
        "MailCopyLate",
        "15m",
        &[],
        &[(r#"mailwright_backup_success_time_seconds{kind="mail",node="store-1"}"#, "0+60x400")],
    ),
    (
        "MailCopyUntried",
        "70m",
        &[(r#"mailwright_backup_try_time_seconds{kind="mail",node="store-1"}"#, "-1300000x400")],
        &[(r#"mailwright_backup_try_time_seconds{kind="mail",node="store-1"}"#, "-1000000x400")],
    ),
    (
        "DirectoryCopyLate",
        "40m",
        &[(r#"mailwright_backup_success_time_seconds{kind="directory",node="directory-1"}"#, "0x400")],
        // One of them copies, and is enough.
        &[
            (r#"mailwright_backup_success_time_seconds{kind="directory",node="directory-1"}"#, "0x400"),
            (r#"mailwright_backup_success_time_seconds{kind="directory",node="directory-2"}"#, "0+60x400"),
        ],
    ),
    (
        "DirectoryCopyUntried",
        "70m",
        &[(r#"mailwright_backup_try_time_seconds{kind="directory",node="directory-1"}"#, "-1300000x400")],
        &[(r#"mailwright_backup_try_time_seconds{kind="directory",node="directory-1"}"#, "-1000000x400")],
    ),
    (
        "KeysCopyLate",
        "40m",
        &[(r#"mailwright_backup_success_time_seconds{kind="keys",node="control-1"}"#, "0x400")],
        &[(r#"mailwright_backup_success_time_seconds{kind="keys",node="control-1"}"#, "0+60x400")],
    ),
    (
        "KeysCopyUntried",
        "70m",
        &[(r#"mailwright_backup_try_time_seconds{kind="keys",node="control-1"}"#, "-1300000x400")],
        &[(r#"mailwright_backup_try_time_seconds{kind="keys",node="control-1"}"#, "-1000000x400")],
    ),
    (
        "ClockOff",
        "15m",
        &[(r#"node_timex_offset_seconds{node="mx-1"}"#, "-1x400")],
        &[(r#"node_timex_offset_seconds{node="mx-1"}"#, "0.01x400")],
    ),
];

/// Returns where promtool lies, on this machine or in the root file system of real daemons.
fn promtool() -> Option<PathBuf> {
    let root = std::env::var_os("MAILWRIGHT_ROOT").map(PathBuf::from);
    let places = root.into_iter().chain([PathBuf::from("/")]).map(|root| root.join("usr/bin/promtool"));
    places.into_iter().find(|place| place.is_file())
}

/// Returns a test of promtool's: whether an alert fires at a time, on series.
fn asked(alert: &str, at: &str, series: &[(&str, &str)], fires: bool) -> Value {
    let series: Vec<Value> =
        series.iter().map(|(series, values)| json!({ "series": series, "values": values })).collect();
    let samples = if fires { json!([{ "labels": "{}", "value": 1 }]) } else { json!([]) };
    let expression = format!("count(count by (alertname) (ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}))");
    json!({
        "interval": "1m",
        "name": format!("{alert} {} at {at}", if fires { "fires" } else { "does not fire" }),
        "input_series": series,
        "promql_expr_test": [{ "expr": expression, "eval_time": at, "exp_samples": samples }],
    })
}

fn rules() -> PathBuf {
    tests::root().join("tests/golden/northmail/nodes/monitor-1/etc/prometheus/rules.yml")
}

/// Returns the names of the alerts that are rendered for the example.
fn alerts(rules: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(rules).expect("the example's rules are there");
    let rules: Value = serde_json::from_str(&text).expect("they are written as JSON, which is YAML");
    let groups = rules.get("groups").and_then(Value::as_array).into_iter().flatten();
    let rules = groups.filter_map(|group| group.get("rules").and_then(Value::as_array)).flatten();
    rules.filter_map(|rule| rule.get("alert").and_then(Value::as_str).map(str::to_owned)).collect()
}

#[test]
fn each_alert_fires_when_it_should_and_not_before_or_otherwise() {
    let tried: BTreeSet<String> = CASES.iter().map(|(alert, ..)| (*alert).to_owned()).collect();
    assert_eq!(alerts(&rules()), tried, "every alert of the example is tried");
    let Some(promtool) = promtool() else { return println!("skipped: promtool is not installed") };
    let mut tests = Vec::new();
    for (alert, at, firing, quiet) in CASES {
        tests.push(asked(alert, at, firing, true));
        tests.push(asked(alert, at, quiet, false));
        // What has only begun wakes nobody.
        tests.push(asked(alert, "0s", firing, false));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tests.yml");
    let document = json!({ "rule_files": [rules()], "evaluation_interval": "1m", "tests": tests });
    std::fs::write(&path, document.to_string()).expect("a file in it");
    let output = match Command::new(&promtool).args(["test", "rules"]).arg(&path).output() {
        Ok(output) => output,
        Err(error) => return println!("skipped: promtool does not run here: {error}"),
    };
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if said.contains("error while loading shared libraries") {
        return println!("skipped: promtool does not run here: {said}");
    }
    assert!(output.status.success(), "{said}");
    println!("{} questions about {} alerts", tests.len(), tried.len());
}
