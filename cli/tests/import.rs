//! Accounts of other systems become a reseller's specification, whole or not at all.

mod desk;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use desk::Desk;
use serde_json::Value;

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn file(desk: &Desk, name: &str, content: &str) -> PathBuf {
    let path = desk.path(name);
    std::fs::write(&path, content).expect("a file");
    path
}

/// A platform with the tiers basic (2GiB) and premium (25GiB) and a contract for the reseller `moved`.
fn platform(desk: &Desk) -> PathBuf {
    let folder = desk.example("northmail");
    let path = folder.join("platform.kdl");
    let platform = std::fs::read_to_string(&path).expect("text");
    let contract = "contract \"moved\" from=\"2026-12-01\" { mailboxes 50; domains 5; storage \"50GiB\"; tiers \"basic\" \
                    \"premium\" \"forward\"; clusters \"a\"; }\n    contract \"globex\"";
    std::fs::write(&path, platform.replace("contract \"globex\"", contract)).expect("text");
    folder
}

const HASH: &str = "{SHA512-CRYPT}$6$saltsalt$abcdefghijklmnop";

fn roster(desk: &Desk, folder: &Path) -> Value {
    let output = desk.call(&["blueprint", text(folder), "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    document.get("roster").cloned().expect("a roster")
}

#[test]
fn a_csv_becomes_a_reseller_that_has_no_problem() {
    let desk = Desk::new();
    let folder = platform(&desk);
    let csv = format!(
        "\u{feff}User,domain,hash,quota,forwards\r\n\
         carla,moved.example,{HASH},5GiB,\r\n\
         dan,moved.example,\"{HASH}\",1073741824,\"carla@moved.example, dan@elsewhere.example\"\r\n\
         \"o'neil\",moved.example,{HASH},,\r\n\
         info,moved.example,,,carla@moved.example dan@moved.example\r\n\
         erin,second.example,,0,\r\n"
    );
    let list = file(&desk, "accounts.csv", &csv);
    let arguments = [
        "import",
        text(&list),
        "--reseller",
        "moved",
        "--company",
        "Moved \"Mail\" \\ Söhne",
        "--repository",
        text(&folder),
    ];
    let output = desk.call(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let check = desk.call(&["check", text(&folder), "--format", "json"]);
    let problems: Value = serde_json::from_slice(&check.stdout).expect("one JSON document");
    assert_eq!(problems["problems"], serde_json::json!([]), "{problems:#}");
    let laid_out = desk.call(&["fmt", text(&folder.join("resellers/moved")), "--check"]);
    assert_eq!(laid_out.status.code(), Some(0), "laid out as fmt would: {}", said(&laid_out));
    let roster = roster(&desk, &folder);
    let mailboxes = roster["mailboxes"].as_array().expect("mailboxes");
    let find = |address: &str| {
        let found = mailboxes.iter().find(|mailbox| mailbox["address"] == address);
        found.unwrap_or_else(|| panic!("no {address} in {mailboxes:#?}"))
    };
    assert_eq!(find("carla@moved.example")["tier"], "premium");
    assert_eq!(find("dan@moved.example")["forward"].as_array().map(Vec::len), Some(2));
    assert_eq!(find("dan@moved.example")["keep"], true);
    assert!(find("o'neil@moved.example")["initial_password"].is_string());
    assert!(find("erin@second.example")["initial_password"].is_null());
    let forwards = roster["forwards"].as_array().expect("forwards");
    assert!(forwards.iter().any(|forward| forward["address"] == "info@moved.example"));
    // The hashes lie outside of the specification and outside of git, for their owner alone.
    let written = std::fs::read_to_string(folder.join("resellers/moved/moved.kdl")).expect("text");
    assert!(!written.contains("$6$"), "{written}");
    assert!(!said(&output).contains("$6$"), "{}", said(&output));
    let secrets = folder.join("secrets/moved.env");
    assert_eq!(std::fs::metadata(&secrets).expect("a file").permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(&secrets).expect("text");
    assert_eq!(kept.lines().filter(|line| line.ends_with(HASH)).count(), 3, "{kept}");
    assert!(std::fs::read_to_string(folder.join(".gitignore")).expect("text").lines().any(|line| line == "/secrets/"));
    // A second time nothing is written over.
    let again = desk.call(&arguments);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    assert_eq!(std::fs::read_to_string(folder.join("resellers/moved/moved.kdl")).expect("text"), written);
}

#[test]
fn the_files_of_docker_mailserver_are_taken_over() {
    let desk = Desk::new();
    let folder = platform(&desk);
    let accounts = format!("# accounts\ncarla@moved.example|{HASH}\n\ndan@moved.example|{HASH}|extra\n");
    let accounts = file(&desk, "postfix-accounts.cf", &accounts);
    let aliases = "sales@moved.example carla@moved.example,dan@moved.example\n\
                   dan@moved.example dan@moved.example,dan@elsewhere.example\n@moved.example carla@moved.example\n";
    let aliases = file(&desk, "postfix-virtual.cf", aliases);
    let output =
        desk.call(&["import", text(&accounts), text(&aliases), "--reseller", "moved", "--repository", text(&folder)]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(desk.call(&["check", text(&folder)]).status.code(), Some(0));
    let roster = roster(&desk, &folder);
    let mailboxes = roster["mailboxes"].as_array().expect("mailboxes");
    let dan = mailboxes.iter().find(|mailbox| mailbox["address"] == "dan@moved.example").expect("dan");
    assert_eq!(
        (&dan["keep"], &dan["forward"]),
        (&serde_json::json!(true), &serde_json::json!(["dan@elsewhere.example"]))
    );
    let domain = roster["domains"].as_array().expect("domains").iter().find(|it| it["name"] == "moved.example");
    assert_eq!(domain.expect("the domain")["catch_all"], "carla@moved.example");
}

#[test]
fn an_export_of_mailcow_is_taken_over() {
    let desk = Desk::new();
    let folder = platform(&desk);
    // Hashes stand only in the table; what `mysql --batch` prints of it.
    let mailboxes = format!(
        "username\tpassword\tname\tdescription\tquota\tlocal_part\tdomain\tattributes\tkind\tactive\n\
         carla@moved.example\t{{BLF-CRYPT}}$2y$10$abcdefghijklmnopqrstuujKWDrmpUXu10fG/2mj./vFX3pPExfte\tCarla \\\\ \"C\"\t\t3221225472\tcarla\tmoved.example\t{{\"force_pw_update\":\"0\"}}\t\t1\n\
         dan@moved.example\t{HASH}\tDan\tNULL\t0\tdan\tmoved.example\t{{}}\t\t1\n\
         gone@moved.example\t{HASH}\tGone\tNULL\t0\tgone\tmoved.example\t{{}}\t\t0\n\
         beamer@moved.example\t{HASH}\tBeamer\tNULL\t0\tbeamer\tmoved.example\t{{}}\tthing\t1\n"
    );
    let mailboxes = file(&desk, "mailbox.tsv", &mailboxes);
    let aliases = r#"[
        {"in_primary_domain": "", "id": 6, "domain": "moved.example", "goto": "carla@moved.example", "address": "carla@moved.example", "active": 1},
        {"id": 7, "domain": "moved.example", "public_comment": null, "goto": "carla@moved.example,dan@moved.example", "address": "sales@moved.example", "is_catch_all": 0, "active": 1, "active_int": 1},
        {"id": 8, "domain": "moved.example", "goto": "dan@moved.example", "address": "@moved.example", "is_catch_all": 1, "active": 1},
        {"id": 9, "domain": "moved.example", "goto": "null@localhost", "address": "void@moved.example", "active": 1},
        {"id": 10, "domain": "moved.example", "goto": "dan@moved.example", "address": "old@moved.example", "active": 0}
    ]"#;
    let aliases = file(&desk, "alias.json", aliases);
    let domains = r#"[{"domain_name": "moved.example", "max_new_mailbox_quota": 10737418240, "backupmx": 0, "active": 1, "rl": false},
                      {"domain_name": "empty.example", "backupmx": 0, "active": 1}, {"domain_name": "relay.example", "backupmx": 1, "active": 1}]"#;
    let domains = file(&desk, "domain.json", domains);
    let alias_domains =
        file(&desk, "alias-domains.csv", "alias_domain,target_domain,active\nother.example,moved.example,1\n");
    let output = desk.call(&[
        "import",
        text(&mailboxes),
        text(&aliases),
        text(&domains),
        text(&alias_domains),
        "--reseller",
        "moved",
        "--repository",
        text(&folder),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for (name, why) in [
        ("gone@moved.example, old@moved.example", "switched off"),
        ("beamer@moved.example", "resource"),
        ("void@moved.example", "throws"),
        ("relay.example", "passed on"),
    ] {
        assert!(said(&output).lines().any(|line| line.contains(name) && line.contains(why)), "{}", said(&output));
    }
    let check = desk.call(&["check", text(&folder)]);
    assert_eq!(check.status.code(), Some(0), "{}", said(&check));
    let laid_out = desk.call(&["fmt", text(&folder.join("resellers/moved")), "--check"]);
    assert_eq!(laid_out.status.code(), Some(0), "laid out as fmt would: {}", said(&laid_out));
    let roster = roster(&desk, &folder);
    let mailboxes = roster["mailboxes"].as_array().expect("mailboxes");
    let find = |address: &str| mailboxes.iter().find(|mailbox| mailbox["address"] == address).expect("a mailbox");
    assert_eq!(find("carla@moved.example")["tier"], "premium");
    assert_eq!(find("carla@moved.example")["name"], "Carla \\ \"C\"");
    assert_eq!(find("dan@moved.example")["name"], "Dan");
    assert!(!mailboxes.iter().any(|mailbox| mailbox["address"] == "gone@moved.example"));
    let domain =
        |name: &str| roster["domains"].as_array().expect("domains").iter().find(|it| it["name"] == name).cloned();
    let moved = domain("moved.example").expect("the domain");
    assert_eq!(
        (&moved["catch_all"], &moved["aliases"]),
        (&"dan@moved.example".into(), &serde_json::json!(["other.example"]))
    );
    assert!(domain("empty.example").is_some() && domain("relay.example").is_none());
    let forwards = roster["forwards"].as_array().expect("forwards");
    assert!(
        forwards
            .iter()
            .any(|it| it["address"] == "sales@moved.example" && it["to"].as_array().map(Vec::len) == Some(2))
    );
    assert!(!forwards.iter().any(|it| it["address"] == "carla@moved.example"), "a mailbox is no forward to itself");
    let kept = std::fs::read_to_string(folder.join("secrets/moved.env")).expect("text");
    assert_eq!(kept.lines().count(), 2, "{kept}");
    assert!(kept.contains("{BLF-CRYPT}$2y$10$"), "{kept}");
}

#[test]
fn what_is_wrong_in_an_export_of_mailcow_is_told_at_its_line() {
    let desk = Desk::new();
    let folder = platform(&desk);
    for (name, content, line, what) in [
        (
            "mailbox.json",
            "[\n {\"username\": \"a@moved.example\", \"quota\": 0},\n {\"username\": \"a@moved.example\", \"quota\": 0}]",
            3,
            "twice",
        ),
        ("mailbox.json", "[\n {\"username\": \"nobody\", \"quota\": 0}]", 2, "address"),
        ("mailbox.json", "[\n {\"username\": \"a@moved.example\",\n \"quota\": 0,}]", 3, "no JSON"),
        ("mailbox.json", "[\n {\"username\": \"a@moved.example\", \"quota\": 0}", 2, "not closed"),
        ("mailbox.json", "{\"type\": \"error\", \"msg\": \"authentication failed\"}", 1, "authentication failed"),
        ("mailbox.json", "[7]", 1, "object"),
        ("mailbox.json", "<html>", 1, "JSON"),
        ("alias.tsv", "address\tgoto\nx@moved.example\t\n", 2, "goto"),
        ("alias.tsv", "address\tcolour\n", 1, "columns"),
        ("mailbox.csv", "username,password,quota\na@moved.example,hunter2,0\n", 2, "no password hash"),
    ] {
        let list = file(&desk, name, content);
        let output = desk.call(&["import", text(&list), "--reseller", "moved", "--repository", text(&folder)]);
        assert_eq!(output.status.code(), Some(1), "{content}: {}", said(&output));
        let told = said(&output);
        assert!(told.contains(&format!("{name}:{line}: ")) && told.contains(what), "{content}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert!(!folder.join("resellers/moved").exists());
}

#[test]
fn every_wrong_line_is_told_at_once_and_nothing_is_written() {
    let desk = Desk::new();
    let folder = platform(&desk);
    let csv = format!(
        "domain,user,hash,quota,forwards\n\
         moved.example,good,{HASH},,\n\
         moved.example,good,{HASH},,\n\
         not a domain,x,,,\n\
         moved.example,,,,\n\
         moved.example,plain,hunter2-my-password,,\n\
         moved.example,clear,{{PLAIN}}hunter2-my-password,,\n\
         moved.example,large,,90TiB,\n\
         moved.example,odd,,much,\n\
         moved.example,short\n\
         moved.example,f,,,nobody\n\
         moved.example,qu\"ote,,,\n"
    );
    let list = file(&desk, "accounts.csv", &csv);
    let output = desk.call(&["import", text(&list), "--reseller", "moved", "--repository", text(&folder)]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for line in 3..=12 {
        assert!(
            said(&output).contains(&format!("accounts.csv:{line}: ")),
            "line {line} is not told: {}",
            said(&output)
        );
    }
    assert!(!said(&output).contains("accounts.csv:2: "), "{}", said(&output));
    assert!(!said(&output).contains("hunter2"), "a password is shown: {}", said(&output));
    assert!(!folder.join("resellers/moved").exists() && !folder.join("secrets").exists());
    for (head, what) in
        [("", "columns"), ("domain\n", "user"), ("domain,user,colour\n", "colour"), ("user,user,domain\n", "twice")]
    {
        let list = file(&desk, "accounts.csv", head);
        let output = desk.call(&["import", text(&list), "--reseller", "moved", "--repository", text(&folder)]);
        assert_eq!(output.status.code(), Some(1), "{head}: {}", said(&output));
        assert!(
            said(&output).contains("accounts.csv:1: ") && said(&output).contains(what),
            "{head}: {}",
            said(&output)
        );
    }
    std::fs::write(desk.path("accounts.csv"), b"domain,user\nmoved.example,\xff\n").expect("a file");
    let output = desk.call(&["import", text(&list), "--reseller", "moved", "--repository", text(&folder)]);
    assert!(said(&output).contains("accounts.csv:2: this line is not UTF-8"), "{}", said(&output));
}

#[test]
fn what_does_not_fit_the_platform_is_refused() {
    let desk = Desk::new();
    let folder = platform(&desk);
    let list = file(&desk, "accounts.csv", "domain,user\nmoved.example,x\n");
    let other = file(&desk, "accounts.txt", "domain,user\nmoved.example,x\n");
    for (list, more) in [
        (&list, ["--reseller", "acme"].as_slice()),
        (&list, &["--reseller", "../escape"]),
        (&list, &["--reseller", "moved", "--cluster", "nowhere"]),
        (&list, &["--reseller", "moved", "--tier", "gold"]),
        (&other, &["--reseller", "moved"]),
        (&desk.path("no-such.csv"), &["--reseller", "moved"]),
    ] {
        let output = desk.call(&[&["import", text(list), "--repository", text(&folder)], more].concat());
        assert_eq!(output.status.code(), Some(2), "{more:?}: {}", said(&output));
    }
    assert!(!folder.join("resellers/moved").exists());
}

#[test]
fn an_imported_user_signs_in_with_the_password_of_before() {
    if !desk::has("curl") {
        return;
    }
    let mut desk = Desk::new();
    let folder = platform(&desk);
    // Computed with crypt(3) for the password `old secret`; the first stands without its scheme's name.
    let csv = "domain,user,hash\n\
               moved.example,carla,$2b$05$abcdefghijklmnopqrstuujKWDrmpUXu10fG/2mj./vFX3pPExfte\n\
               moved.example,dan,{SHA512-CRYPT}$6$rounds=1400$anothersalt$xToWIOTcupBvVtl/StqIhyUUhl5liOZ3dow3y97yTbslGbcG9pJgOQVylh1EIRY7Gqqj8tPjnRe9.yWlkaSS..\n";
    let list = file(&desk, "accounts.csv", csv);
    let output = desk.call(&["import", text(&list), "--reseller", "moved", "--repository", text(&folder)]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!said(&output).contains("other schemes"), "{}", said(&output));
    let up = desk.up(&folder, "dev");
    assert!(!up.to_string().contains("$2b$"), "a hash is shown: {up}");
    let doors = up["doors"].as_array().expect("doors");
    let imaps = doors.iter().find(|door| door["service"] == "imaps").expect("a door");
    let url = format!("imaps://{}:{}/", imaps["host"].as_str().expect("a host"), imaps["port"]);
    let listed = |user: &str, password: &str| {
        let mut curl = std::process::Command::new("curl");
        curl.args(["--silent", "--cacert", up["authority"].as_str().expect("a path"), "--user"]);
        let output = curl.arg(format!("{user}@moved.example:{password}")).arg(&url).output().expect("curl starts");
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("INBOX")
    };
    for user in ["carla", "dan"] {
        assert!(listed(user, "old secret"), "{user} cannot sign in");
        assert!(!listed(user, "old secres"), "{user} signs in with a wrong password");
    }
    // Secrets that others could read are not taken.
    assert!(desk.call(&["down", text(&folder), "--env", "dev"]).status.success());
    let kept = folder.join("secrets/moved.env");
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    let refused = desk.call(&["up", text(&folder), "--env", "dev", "--detach"]);
    assert!(!refused.status.success() && said(&refused).contains("can be read by others"), "{}", said(&refused));
}
