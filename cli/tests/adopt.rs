//! Accounts that were made through the API: left alone, listed, and written down as specification when somebody asks for it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod desk;

use std::fs;
use std::process::Command;

use desk::{Desk, has};
use serde_json::{Value, json};

/// Calls the API as a reseller's admin.
fn make(up: &Value, address: &str, attributes: &Value) {
    let accounts = up["accounts"].as_array().unwrap();
    let admin = accounts.iter().find(|account| account["address"] == "admin@acme.adm").unwrap();
    let doors = up["doors"].as_array().unwrap();
    let door = doors.iter().find(|door| door["service"] == "api").unwrap();
    let body = json!({
        "credentials": { "user": "admin@acme.adm", "password": admin["password"] },
        "user": address, "create_only": true, "attributes": attributes,
    });
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "30", "--cacert", up["authority"].as_str().unwrap()])
        .args(["--header", "Content-Type: application/json", "--data", &body.to_string()])
        .arg(format!("https://{}:{}/api/change_user", door["host"].as_str().unwrap(), door["port"]))
        .output()
        .unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["success"], true, "{said} {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_the_api_made_is_listed_and_adopted_into_the_resellers_file() {
    if !has("curl") {
        return;
    }
    let mut desk = Desk::new();
    let repository = desk.example("northmail");
    let folder = repository.to_str().unwrap().to_owned();
    let up = desk.up(&repository, "dev");
    make(&up, "dora@acme.example", &json!({ "password": "Correct-Horse-7-Battery", "name": "Dora \"Quill\"" }));
    make(&up, "emil@acme.example", &json!({ "password": "Correct-Horse-8-Battery" }));

    let planned = desk.call(&["plan", &folder, "--env", "dev", "--json"]);
    let plan: Value = serde_json::from_slice(&planned.stdout).unwrap();
    assert_eq!(plan["unmanaged"], json!(["dora@acme.example", "emil@acme.example"]));
    let listed = desk.call(&["adopt", "--repository", &folder, "--env", "dev", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["unmanaged"].as_array().unwrap().len(), 2);

    let file = repository.join("resellers/acme/acme.kdl");
    let before = fs::read_to_string(&file).unwrap();
    let tried = desk.call(&["adopt", "dora@acme.example", "--repository", &folder, "--env", "dev", "--dry-run"]);
    assert!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stderr));
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    let adopted = desk.call(&["adopt", "dora@acme.example", "--repository", &folder, "--env", "dev"]);
    assert!(adopted.status.success(), "{}", String::from_utf8_lossy(&adopted.stderr));
    let after = fs::read_to_string(&file).unwrap();
    assert!(
        after.contains("mailbox dora name=\"Dora \\\"Quill\\\"\"") || after.contains("mailbox \"dora\""),
        "{after}"
    );
    for comment in before.lines().filter_map(|line| line.split_once("//")).map(|(_, comment)| comment.trim()) {
        assert!(after.contains(comment), "the comment {comment:?} is gone");
    }
    let checked = desk.call(&["check", &folder]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    // From now on it is managed: nothing is made anew, and the other one is still left alone.
    let again = desk.up(&repository, "dev");
    assert!(again["state"] == "ready");
    let listed = desk.call(&["adopt", "--repository", &folder, "--env", "dev", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["unmanaged"][0]["address"], "emil@acme.example");
    assert_eq!(listed["unmanaged"].as_array().unwrap().len(), 1);
    let unknown = desk.call(&["adopt", "nobody@acme.example", "--repository", &folder, "--env", "dev"]);
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn adopted_accounts_stand_in_yaml_where_the_reseller_writes_yaml() {
    if !has("curl") {
        return;
    }
    let mut desk = Desk::new();
    let repository = desk.example("northmail");
    let folder = repository.to_str().unwrap().to_owned();
    let kdl = repository.join("resellers/acme/acme.kdl");
    let converted = desk.call(&["convert", "--to", "yaml", kdl.to_str().unwrap()]);
    assert!(converted.status.success(), "{}", String::from_utf8_lossy(&converted.stderr));
    let yaml = repository.join("resellers/acme/acme.yaml");
    assert!(yaml.is_file() && !kdl.exists());
    let up = desk.up(&repository, "dev");
    make(&up, "dora@acme.example", &json!({ "password": "Correct-Horse-7-Battery" }));
    let adopted = desk.call(&["adopt", "--all", "--repository", &folder, "--env", "dev"]);
    assert!(adopted.status.success(), "{}", String::from_utf8_lossy(&adopted.stderr));
    assert!(fs::read_to_string(&yaml).unwrap().contains("dora"));
    let checked = desk.call(&["check", &folder]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
