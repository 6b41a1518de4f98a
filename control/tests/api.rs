//! The provisioning API, through its router.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod world;

use axum::http::StatusCode;
use control::{RecipientAnswer, Service, SignInRefusal};
use proptest::prelude::*;
use serde_json::{Value, json};
use values::MailAddress;
use world::{World, password_of, without_audit};

const ADMIN: &str = "admin@acme.adm";

fn credentials(user: &str) -> Value {
    json!({ "user": user, "password": password_of(user) })
}

/// Replaces the identifier of the call, which differs each time, and tokens.
fn with_fixed_audit(body: &str) -> String {
    let (before, audit) = body.rsplit_once(", \"audit\":\"").unwrap();
    let audit = audit.strip_suffix("\"}").unwrap();
    let (word, number) = audit.split_once('_').unwrap();
    assert!(word.ends_with(|c: char| c.is_ascii_digit()) && number.len() == 9, "{audit}");
    format!("{before}, \"audit\":\"A\"}}")
}

#[tokio::test]
async fn replies_are_laid_out_to_the_byte() {
    let world = World::new().await;
    let secret = password_of(ADMIN);
    for (method, fields, expected) in [
        ("authenticate", json!({}), r#"{"success":true, "audit":"A"}"#),
        (
            "generate_token",
            json!({ "user": "alice@acme.example", "reason": "test", "duration": "24", "token": "a-chosen-token-of-mine" }),
            r#"{"success":true,"duration":24,"token":"a-chosen-token-of-mine", "audit":"A"}"#,
        ),
        (
            "get_user",
            json!({ "user": "nobody@elsewhere.example" }),
            r#"{"success":false,"error_number":2,"error":"The requested object does not exist", "audit":"A"}"#,
        ),
        (
            "get_user",
            json!({}),
            r#"{"success":false,"hints":{"user":"is missing"},"error_number":5,"error":"A field is missing or has the wrong type", "audit":"A"}"#,
        ),
        (
            "change_user",
            json!({ "user": "alice@acme.example", "create_only": 1, "attributes": [] }),
            r#"{"success":false,"error_number":23,"error":"The object exists and create_only was sent", "audit":"A"}"#,
        ),
        (
            "search_workgroups",
            json!({ "criteria": { "domain": "acme.example" } }),
            r#"{"success":true,"workgroups":[{"users":4,"workgroup":"staff"}],"count":1,"total_count":1, "audit":"A"}"#,
        ),
    ] {
        let mut body = fields.clone();
        body["credentials"] = json!({ "user": ADMIN, "password": secret });
        let (status, reply) = world.post(&format!("/api/{method}"), body.to_string()).await;
        assert_eq!((status, with_fixed_audit(&reply).as_str()), (StatusCode::OK, expected), "{method} {fields}");
    }
    let body = json!({ "credentials": { "user": ADMIN, "password": "wrong" } });
    let (status, reply) = world.post("/api/authenticate", body.to_string()).await;
    let expected =
        r#"{"success":false,"error_number":1,"error":"Invalid credentials supplied in request", "audit":"A"}"#;
    assert_eq!((status, with_fixed_audit(&reply).as_str()), (StatusCode::OK, expected));
}

#[tokio::test]
async fn methods_are_found_with_doubled_slashes_and_without_a_prefix() {
    let world = World::new().await;
    let body = json!({ "credentials": credentials(ADMIN), "token": "left over", "unknown": [1] }).to_string();
    for (path, status) in [
        ("/api/authenticate", StatusCode::OK),
        ("/api//authenticate", StatusCode::OK),
        ("//api/authenticate", StatusCode::OK),
        ("/authenticate", StatusCode::OK),
        ("/api/authenticate/", StatusCode::OK),
        ("/api/set_user", StatusCode::NOT_FOUND),
        ("/api/", StatusCode::NOT_FOUND),
        ("/", StatusCode::NOT_FOUND),
        ("/api/get_user/x", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(world.post(path, body.clone()).await.0, status, "{path}");
    }
    for body in ["", "[]", "nonsense", "{\"a\":1,\"a\":2}", "{\"credentials\":"] {
        assert_eq!(world.post("/api/authenticate", body).await.0, StatusCode::BAD_REQUEST, "{body}");
    }
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(1 << 20));
    assert_eq!(world.post("/api/authenticate", long).await.0, StatusCode::BAD_REQUEST);
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(world.post("/api/authenticate", deep).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn bad_credentials_of_any_kind_are_one_answer() {
    let world = World::new().await;
    for credentials in [
        json!(null),
        json!([]),
        json!("x"),
        json!({ "user": ADMIN }),
        json!({ "password": "x" }),
        json!({ "user": 1, "password": 2 }),
        json!({ "user": ADMIN, "password": "" }),
        json!({ "user": "nobody@acme.example", "password": "x" }),
        json!({ "user": "x' OR 1=1 --@acme.example", "password": "x" }),
        json!({ "user": ADMIN, "token": "x" }),
        json!({ "user": ADMIN, "password": "x".repeat(100_000) }),
    ] {
        let reply = world.call_raw("authenticate", json!({ "credentials": credentials })).await;
        assert_eq!(
            without_audit(reply),
            json!({
                "success": false, "error_number": 1, "error": "Invalid credentials supplied in request"
            }),
            "{credentials}"
        );
    }
}

#[tokio::test]
async fn a_mailbox_made_here_works_at_once_and_a_deleted_one_is_unknown() {
    let world = World::new().await;
    let bob: MailAddress = "bob@acme.example".parse().unwrap();
    let attributes = json!({ "password": "fresh-start", "name": "Bob", "aliases": ["bobby"], "quota": "1048576" });
    let create = json!({ "user": "Bob@ACME.example", "attributes": attributes, "create_only": "true" });
    assert_eq!(world.call(ADMIN, "change_user", create.clone()).await["success"], true);
    assert_eq!(world.call(ADMIN, "change_user", create).await["error_number"], 23);
    let directory = world.directory();
    let identity =
        directory.sign_in(Service::Submission, "bobby@acme.example", "fresh-start", None).await.unwrap().unwrap();
    assert_eq!((identity.mailbox, identity.quota), (bob.clone(), Some(1 << 20)));
    assert!(directory.sign_in(Service::Imap, "bobby@acme.example", "fresh-start", None).await.unwrap().is_ok());
    let RecipientAnswer::Known(delivery) = directory.recipient(&"bobby@acme.example".parse().unwrap()).await.unwrap()
    else {
        panic!("an alias of a new mailbox leads to it");
    };
    assert_eq!(delivery.mailboxes[0].address, bob);

    let user = world.call(ADMIN, "get_user", json!({ "user": "bob@acme.example" })).await;
    assert_eq!(user["attributes"]["name"], "Bob");
    assert_eq!(user["attributes"]["aliases"], json!(["bobby@acme.example"]));
    assert_eq!(user["attributes"]["quota"], 1 << 20);
    assert_eq!(user["attributes"]["service_imap4"], "enabled");
    // Who only signs in to send has not sent.
    assert_eq!(user["metadata"]["last_login"], json!({ "imap4": user["metadata"]["createtime"] }));
    assert_eq!((&user["type"], &user["metadata"]["status"]), (&json!("mailbox"), &json!("active")));
    assert_eq!(user["attributes"].get("password"), None);
    let alias = world.call(ADMIN, "get_user", json!({ "user": "bobby@acme.example" })).await;
    assert_eq!(alias["error_number"], 3);

    assert_eq!(world.call(ADMIN, "delete_user", json!({ "user": "bob@acme.example" })).await["success"], true);
    // The domain has a catch-all, which does not take what was bob's.
    assert_eq!(directory.recipient(&bob).await.unwrap(), RecipientAnswer::Unknown);
    let gone = directory.sign_in(Service::Imap, "bob@acme.example", "fresh-start", None).await.unwrap();
    assert_eq!(gone.unwrap_err(), SignInRefusal::Credentials);
    let missing = world.call(ADMIN, "get_user", json!({ "user": "bob@acme.example" })).await;
    assert_eq!((&missing["success"], &missing["error_number"]), (&json!(false), &json!(2)));
    assert!(missing["settable_attributes"].as_array().unwrap().contains(&json!("quota")));

    let search = json!({ "criteria": { "domain": "acme.example", "deleted": true } });
    let found = world.call(ADMIN, "search_users", search).await;
    assert_eq!((&found["total_count"], &found["users"][0]["user"]), (&json!(1), &json!("bob@acme.example")));
    let restore = json!({ "user": "bob@acme.example", "id": found["users"][0]["id"], "new_name": "bob@acme.example" });
    assert_eq!(world.call(ADMIN, "restore_user", restore).await["success"], true);
    assert!(directory.sign_in(Service::Imap, "bobby@acme.example", "fresh-start", None).await.unwrap().is_ok());

    let changes = world.call(ADMIN, "get_user_changes", json!({ "user": "bob@acme.example" })).await;
    let messages: Vec<&str> =
        changes["changes"].as_array().unwrap().iter().map(|it| it["msg"].as_str().unwrap()).collect();
    assert_eq!(messages, ["changed aliases, name, password, quota", "deleted", "restored"]);
}

#[tokio::test]
async fn a_deleted_user_of_a_domain_without_catch_all_is_unknown() {
    let world = World::new().await;
    let gus: MailAddress = "gus@globex.example".parse().unwrap();
    assert!(matches!(world.directory().recipient(&gus).await.unwrap(), RecipientAnswer::Known(_)));
    assert_eq!(
        world.call("admin@globex.adm", "delete_user", json!({ "user": "gus@globex.example" })).await["success"],
        true
    );
    assert_eq!(world.directory().recipient(&gus).await.unwrap(), RecipientAnswer::Unknown);
    assert_eq!(
        world.call("admin@globex.adm", "restore_user", json!({ "user": "gus@globex.example" })).await["success"],
        true
    );
    world.call("admin@globex.adm", "delete_user", json!({ "user": "gus@globex.example" })).await;
    world.advance(31 * 86_400);
    let late = world.call("admin@globex.adm", "restore_user", json!({ "user": "gus@globex.example" })).await;
    assert_eq!(late["error_number"], 2);
}

#[tokio::test]
async fn users_are_found_by_pattern_type_and_page() {
    let world = World::new().await;
    for name in ["zoe", "zack", "zed"] {
        let create = json!({ "user": format!("{name}@second.example"), "attributes": { "workgroup": null } });
        assert_eq!(world.call(ADMIN, "change_user", create).await["success"], true);
    }
    for (request, expected) in [
        (json!({ "criteria": { "domain": "second.example", "match": "z*" } }), "zack zed zoe"),
        (json!({ "criteria": { "domain": "second.example", "match": "z?d" } }), "zed"),
        (
            json!({ "criteria": { "domain": "second.example", "match": "z*" }, "range": { "first": 1, "limit": 1 } }),
            "zed",
        ),
        (json!({ "criteria": { "domain": "second.example", "match": "z*" }, "range": { "Limit": 2 } }), "zack zed"),
        (
            json!({ "criteria": { "domain": "second.example", "match": "z*" }, "sort": { "by": "user", "direction": "descending" } }),
            "zoe zed zack",
        ),
        (json!({ "criteria": { "domain": "acme.example", "type": ["forward"] } }), "sales team"),
        (json!({ "criteria": { "domain": "acme.example", "type": ["alias"] } }), "al"),
        (
            json!({ "criteria": { "domain": "acme.example", "workgroup": "staff", "type": ["mailbox"] } }),
            "alice office",
        ),
        (json!({ "criteria": { "domain": "acme.example", "status": ["suspended"] } }), ""),
    ] {
        let reply = world.call(ADMIN, "search_users", request.clone()).await;
        let users = reply["users"].as_array().unwrap_or_else(|| panic!("{request}: {reply}"));
        let names: Vec<&str> = users.iter().map(|it| it["user"].as_str().unwrap().split('@').next().unwrap()).collect();
        assert_eq!(names.join(" "), expected, "{request}");
        assert_eq!(reply["count"], users.len());
    }
    let fields = json!({ "criteria": { "domain": "acme.example", "match": "sales" }, "fields": ["type", "forward"] });
    let reply = world.call(ADMIN, "search_users", fields).await;
    assert_eq!(
        reply["users"],
        json!([{
            "user": "sales@acme.example", "type": "forward", "forward_recepient_count": 2, "forward_recepient": "alice@acme.example"
        }])
    );
    let domains = world.call(ADMIN, "search_domains", json!({ "criteria": { "type": ["domain"] } })).await;
    let names: Vec<&Value> = domains["domains"].as_array().unwrap().iter().map(|it| &it["domain"]).collect();
    assert_eq!(names, ["acme.example", "second.example"]);
}

#[tokio::test]
async fn a_contract_limits_mailboxes() {
    let world = World::new().await;
    let admin = "admin@globex.adm";
    for number in 1..=4 {
        let create = json!({ "user": format!("user{number}@globex.example"), "attributes": {} });
        assert_eq!(world.call(admin, "change_user", create).await["success"], true, "{number}");
    }
    let one_more = json!({ "user": "user5@globex.example", "attributes": {} });
    assert_eq!(world.call(admin, "change_user", one_more.clone()).await["error_number"], 15);
    let forward = json!({ "user": "fwd@globex.example", "attributes": { "type": "forward", "forward_recipients": ["x@outside.example"] } });
    assert_eq!(world.call(admin, "change_user", forward).await["success"], true);
    let promise = json!({ "user": "gus@globex.example", "attributes": { "quota": 1_u64 << 41 } });
    assert_eq!(world.call(admin, "change_user", promise).await["error_number"], 15);
    let into_mailbox = json!({ "user": "fwd@globex.example", "attributes": { "type": "mailbox" } });
    assert_eq!(world.call(admin, "change_user", into_mailbox).await["error_number"], 15);
    world.call(admin, "delete_user", json!({ "user": "gus@globex.example" })).await;
    assert_eq!(world.call(admin, "change_user", one_more).await["success"], true);
    assert_eq!(world.call(admin, "restore_user", json!({ "user": "gus@globex.example" })).await["error_number"], 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_stay_within_the_contract() {
    let world = std::sync::Arc::new(World::new().await);
    let mut calls = Vec::new();
    for number in 0..12 {
        let world = std::sync::Arc::clone(&world);
        calls.push(tokio::spawn(async move {
            let create = json!({ "user": format!("user{number}@globex.example"), "attributes": {} });
            world.call("admin@globex.adm", "change_user", create).await["error_number"].clone()
        }));
    }
    let mut made = 0;
    for call in calls {
        match call.await.unwrap() {
            Value::Null => made += 1,
            number => assert_eq!(number, 15),
        }
    }
    assert_eq!(made, 4);
    // Of two that use a token for one use at once, one gets in.
    let token = json!({ "user": "gus@globex.example", "reason": "r", "type": "sso" });
    let token = world.call("admin@globex.adm", "generate_token", token).await["token"].as_str().unwrap().to_owned();
    let enter = || world.directory().sign_in(Service::Webmail, "gus@globex.example", &token, None);
    let (one, other) = tokio::join!(enter(), enter());
    assert!(one.unwrap().is_ok() != other.unwrap().is_ok());
}

#[tokio::test]
async fn tokens_go_where_passwords_go_until_they_end() {
    let world = World::new().await;
    let directory = world.directory();
    let session = world
        .call(ADMIN, "authenticate", json!({ "generate_session_token": "TRUE", "session_token_duration": 60 }))
        .await;
    assert_eq!(session["session_token_duration"], 60);
    let token = session["session_token"].as_str().unwrap();
    for key in ["token", "session_token"] {
        let reply = world.call_raw("authenticate", json!({ "credentials": { "user": ADMIN, key: token } })).await;
        assert_eq!(reply["success"], true, "{key}");
    }
    world.advance(60);
    let reply = world.call_raw("authenticate", json!({ "credentials": { "user": ADMIN, "token": token } })).await;
    assert_eq!(reply["error_number"], 1);

    let make = |kind: &str, oma: bool| json!({ "user": "alice@acme.example", "reason": "test", "type": kind, "oma": oma, "duration": 1 });
    let token = |reply: Value| reply["token"].as_str().unwrap().to_owned();
    let once = token(world.call(ADMIN, "generate_token", make("sso", false)).await);
    assert!(directory.sign_in(Service::Webmail, "alice@acme.example", &once, None).await.unwrap().is_ok());
    assert!(directory.sign_in(Service::Webmail, "alice@acme.example", &once, None).await.unwrap().is_err());
    let mail = token(world.call(ADMIN, "generate_token", make("session", false)).await);
    assert!(directory.sign_in(Service::Imap, "al@acme.example", &mail, None).await.unwrap().is_ok());
    assert!(directory.sign_in(Service::Imap, "office@acme.example", &mail, None).await.unwrap().is_err());
    let reply = world
        .call_raw(
            "get_user",
            json!({ "credentials": { "user": "alice@acme.example", "token": mail }, "user": "alice@acme.example" }),
        )
        .await;
    assert_eq!(reply["error_number"], 1);
    let api = token(world.call(ADMIN, "generate_token", make("oma", false)).await);
    assert!(directory.sign_in(Service::Imap, "alice@acme.example", &api, None).await.unwrap().is_err());
    let own = json!({ "credentials": { "user": "alice@acme.example", "token": api }, "user": "alice@acme.example" });
    assert_eq!(world.call_raw("get_user", own.clone()).await["success"], true);
    let mut steal = own.clone();
    steal["attributes"] = json!({ "password": "mine-from-now" });
    assert_eq!(world.call_raw("change_user", steal).await["error_number"], 9);
    // A new password ends every token.
    let change = json!({ "user": "alice@acme.example", "attributes": { "password": "another-one" } });
    assert_eq!(world.call(ADMIN, "change_user", change).await["success"], true);
    assert_eq!(world.call_raw("get_user", own).await["error_number"], 1);
    assert!(directory.sign_in(Service::Imap, "alice@acme.example", &mail, None).await.unwrap().is_err());
}

#[tokio::test]
async fn roles_allow_what_they_say() {
    let world = World::new().await;
    let alice = "alice@acme.example";
    let operator = "admin@northmail.adm";
    let methods: [(&str, Value); 8] = [
        ("get_user", json!({ "user": "office@acme.example" })),
        ("change_user", json!({ "user": "office@acme.example", "attributes": { "title": "x" } })),
        ("change_user", json!({ "user": "office@acme.example", "attributes": { "quota": 1 << 30 } })),
        ("change_user", json!({ "user": "office@acme.example", "attributes": { "password": "set-by-role" } })),
        (
            "change_user",
            json!({ "user": "new@acme.example", "attributes": { "workgroup": "staff" }, "create_only": 1 }),
        ),
        ("generate_token", json!({ "user": "office@acme.example", "reason": "r" })),
        ("get_domain", json!({ "domain": "acme.example" })),
        ("get_company", json!({ "company": "acme" })),
    ];
    // See, edit, quota, password, create, token, domain, company: `y` allowed, `9` forbidden, `2` does not exist.
    for (role, object, expected) in [
        (None, "", "99999999"),
        (Some("workgroup"), "acme.example/staff", "yyyyy922"),
        (Some("mail"), "acme.example", "yy9y99y2"),
        (Some("domain"), "acme.example", "yyyyy9y2"),
        (Some("company_token_only"), "acme", "99999y99"),
        (Some("company_ro"), "acme", "y99999yy"),
        (Some("company_view"), "acme", "yy9y99yy"),
        (Some("company_mail2"), "acme", "yy9999yy"),
        (Some("company_mail"), "acme", "yy9y9yyy"),
        (Some("company"), "acme", "yyyyyyyy"),
    ] {
        let set = world.call(operator, "set_role", json!({ "user": alice, "role": role, "object": object })).await;
        assert_eq!(set["success"], true, "{role:?}: {set}");
        let mut found = String::new();
        for (method, fields) in &methods {
            let reply = world.call(alice, method, fields.clone()).await;
            match reply["success"] == true {
                true => found.push('y'),
                false => found.push_str(&reply["error_number"].to_string()),
            }
        }
        assert_eq!(found, expected, "{role:?}");
        world.call(operator, "delete_user", json!({ "user": "new@acme.example" })).await;
    }
}

#[tokio::test]
async fn roles_are_given_by_those_above_and_reach_nobody_above() {
    let world = World::new().await;
    let office = "office@acme.example";
    let set = |role: &str, object: &str| json!({ "user": office, "role": role, "object": object });
    // Only the operator makes a company's admins.
    assert_eq!(world.call(ADMIN, "set_role", set("company", "acme")).await["error_number"], 9);
    assert_eq!(world.call(ADMIN, "set_role", set("king", "acme")).await["error_number"], 12);
    assert_eq!(world.call(ADMIN, "set_role", set("domain", "globex.example")).await["error_number"], 2);
    assert_eq!(world.call(ADMIN, "set_role", set("domain", "no.example")).await["error_number"], 2);
    assert_eq!(world.call(ADMIN, "set_role", set("company_ro", "globex")).await["error_number"], 2);
    assert_eq!(world.call(ADMIN, "set_role", set("company_mail", "acme")).await["success"], true);
    let alice = json!({ "user": "alice@acme.example", "role": "domain", "object": "acme.example" });
    assert_eq!(world.call(ADMIN, "set_role", alice).await["success"], true);
    // A domain's admin sets no password of somebody who stands higher.
    let seize = json!({ "user": office, "attributes": { "password": "mine-from-now" } });
    assert_eq!(world.call("alice@acme.example", "change_user", seize).await["error_number"], 9);
    assert_eq!(world.call("alice@acme.example", "delete_user", json!({ "user": office })).await["error_number"], 9);
    assert_eq!(world.call("alice@acme.example", "set_role", set("domain", "acme.example")).await["error_number"], 9);
    // A token is no way around it.
    let token = json!({ "user": "alice@acme.example", "reason": "r", "oma": true });
    assert_eq!(world.call(office, "generate_token", token).await["error_number"], 9);
}

#[tokio::test]
async fn what_a_higher_admin_suspended_stays_suspended() {
    let world = World::new().await;
    let set = |value: &str| json!({ "user": "office@acme.example", "attributes": { "service_imap4": value } });
    let role = json!({ "user": "alice@acme.example", "role": "domain", "object": "acme.example" });
    world.call(ADMIN, "set_role", role).await;
    assert_eq!(world.call("admin@northmail.adm", "change_user", set("suspended")).await["success"], true);
    assert_eq!(world.call("alice@acme.example", "change_user", set("enabled")).await["error_number"], 9);
    assert_eq!(world.call(ADMIN, "change_user", set("enabled")).await["error_number"], 9);
    assert_eq!(world.call("admin@northmail.adm", "change_user", set("enabled")).await["success"], true);
    assert_eq!(world.call(ADMIN, "change_user", set("suspended")).await["success"], true);
    assert_eq!(world.call("alice@acme.example", "change_user", set("enabled")).await["error_number"], 9);
}

#[tokio::test]
async fn users_change_what_is_theirs() {
    let world = World::new().await;
    let alice = "alice@acme.example";
    for (attributes, expected) in [
        (json!({ "title": "Boss", "delivery_autoresponder": true, "autoresponder": "away" }), Value::Null),
        (json!({ "quota": 1 }), json!(4)),
        (json!({ "service_imap4": "disabled" }), json!(4)),
        (json!({ "suspended": false }), json!(6)),
    ] {
        let reply = world.call(alice, "change_user", json!({ "user": alice, "attributes": attributes })).await;
        assert_eq!(reply["error_number"], expected, "{attributes}");
    }
    let user = world.call(alice, "get_user", json!({ "user": alice })).await;
    assert_eq!(user["attributes"]["title"], "Boss");
    assert!(!user["settable_attributes"].as_array().unwrap().contains(&json!("quota")));
    let change = json!({ "user": alice, "attributes": { "password": "my-own-choice" } });
    assert_eq!(world.call(alice, "change_user", change).await["success"], true);
    assert!(world.directory().sign_in(Service::Imap, alice, "my-own-choice", None).await.unwrap().is_ok());
}

/// Every method against objects of its caller, of a sibling, of another tenant, and of nobody.
#[tokio::test]
async fn another_tenants_objects_answer_as_if_they_were_not_there() {
    let world = World::new().await;
    let set_role = json!({ "user": "alice@acme.example", "role": "domain", "object": "acme.example" });
    assert_eq!(world.call(ADMIN, "set_role", set_role).await["success"], true);
    // Something deleted lies at the other tenant too.
    let made = json!({ "user": "late@globex.example", "attributes": { "aliases": ["tardy"] } });
    assert_eq!(world.call("admin@globex.adm", "change_user", made).await["success"], true);
    assert_eq!(
        world.call("admin@globex.adm", "delete_user", json!({ "user": "late@globex.example" })).await["success"],
        true
    );
    let made = json!({ "user": "nick@globex.example", "attributes": { "aliases": ["nickname"] } });
    assert_eq!(world.call("admin@globex.adm", "change_user", made).await["success"], true);

    let user_methods: [(&str, Value); 8] = [
        ("get_user", json!({})),
        ("change_user", json!({ "attributes": { "title": "x" } })),
        ("change_user", json!({ "attributes": { "password": "x-marks" }, "create_only": true })),
        ("delete_user", json!({})),
        ("restore_user", json!({})),
        ("generate_token", json!({ "reason": "r" })),
        ("get_user_changes", json!({})),
        ("set_role", json!({ "role": "domain", "object": "globex.example" })),
    ];
    let domain_methods: [(&str, Value); 5] = [
        ("get_domain", json!({})),
        ("get_domain_changes", json!({})),
        ("change_domain", json!({ "attributes": { "disabled": true } })),
        ("create_workgroup", json!({ "workgroup": "crew" })),
        ("delete_workgroup", json!({ "workgroup": "crew" })),
    ];
    let criteria_methods = ["search_users", "search_workgroups"];
    let company_methods = ["get_company", "get_company_changes"];
    let foreign = [
        ("gus@globex.example", "gus@nowhere.example"),
        ("late@globex.example", "late@nowhere.example"),
        ("nickname@globex.example", "nickname@nowhere.example"),
        ("free@globex.example", "free@nowhere.example"),
    ];
    let mut compared = 0;
    for caller in [ADMIN, "alice@acme.example", "office@acme.example"] {
        let mut pairs: Vec<(&str, Value, Value)> = Vec::new();
        for (method, fields) in &user_methods {
            for (there, nowhere) in foreign {
                let with = |user: &str| {
                    let mut fields = fields.clone();
                    fields["user"] = user.into();
                    fields
                };
                pairs.push((method, with(there), with(nowhere)));
            }
        }
        for (method, fields) in &domain_methods {
            let with = |domain: &str| {
                let mut fields = fields.clone();
                fields["domain"] = domain.into();
                fields
            };
            pairs.push((method, with("globex.example"), with("nowhere.example")));
        }
        for method in criteria_methods {
            let with = |domain: &str| json!({ "criteria": { "domain": domain } });
            pairs.push((method, with("globex.example"), with("nowhere.example")));
        }
        for method in company_methods {
            pairs.push((method, json!({ "company": "globex" }), json!({ "company": "nowhere" })));
        }
        for method in ["search_domains", "search_admins"] {
            let with = |company: &str| json!({ "criteria": { "company": company } });
            pairs.push((method, with("globex"), with("nowhere")));
        }
        for (method, there, nowhere) in pairs {
            let (one, other) =
                (world.call(caller, method, there.clone()).await, world.call(caller, method, nowhere).await);
            assert_eq!(without_audit(one.clone()), without_audit(other), "{caller} {method} {there}");
            assert!(one["success"] == false || one["total_count"] == 0, "{caller} {method} {there}: {one}");
            compared += 1;
        }
        // A sibling in the same company shows itself to the company's admin only.
        let sibling = world.call(caller, "get_user", json!({ "user": "ping@second.example" })).await;
        assert_eq!(sibling["success"] == true, caller == ADMIN, "{caller}");
        let domains = world.call(caller, "search_domains", json!({})).await.to_string();
        assert!(!domains.contains("globex"), "{domains}");
    }
    println!("{compared} pairs of calls answered alike");
    let own = world.call("admin@globex.adm", "get_user", json!({ "user": "gus@globex.example" })).await;
    assert_eq!((&own["success"], &own["attributes"]["title"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn domains_and_workgroups_are_changed_by_their_admins() {
    let world = World::new().await;
    let attributes =
        json!({ "catchall": "ping", "spamtag": "[second]", "allow": ["*@friend.example"], "notes_external": "vip" });
    let change = json!({ "domain": "second.example", "attributes": attributes });
    assert_eq!(world.call(ADMIN, "change_domain", change).await["success"], true);
    let stray: MailAddress = "anybody@second.example".parse().unwrap();
    let RecipientAnswer::Known(delivery) = world.directory().recipient(&stray).await.unwrap() else {
        panic!("the catch-all takes it")
    };
    assert_eq!(
        (delivery.policy.subject_tag.as_str(), delivery.policy.allow),
        ("[second]", vec!["*@friend.example".to_owned()])
    );
    let shown = world.call(ADMIN, "get_domain", json!({ "domain": "second.example" })).await;
    assert_eq!(
        (&shown["attributes"]["catchall"], &shown["attributes"]["notes_external"]),
        (&json!("ping@second.example"), &json!("vip"))
    );
    for (attributes, number) in [
        (json!({ "catchall": "gus@globex.example" }), 6),
        (json!({ "catchall": "nobody@second.example" }), 6),
        (json!({ "brand": "globex" }), 6),
        (json!({ "max_users": 3 }), 6),
        (json!({ "spamlevel": "Extreme" }), 6),
    ] {
        let change = json!({ "domain": "second.example", "attributes": attributes });
        assert_eq!(world.call(ADMIN, "change_domain", change).await["error_number"], number, "{attributes}");
    }
    let disable = |off: bool| json!({ "domain": "second.example", "attributes": { "disabled": off } });
    assert_eq!(world.call(ADMIN, "change_domain", disable(true)).await["success"], true);
    assert_eq!(world.directory().recipient(&stray).await.unwrap(), RecipientAnswer::Disabled);
    assert_eq!(world.call(ADMIN, "change_domain", disable(false)).await["success"], true);

    let crew = json!({ "domain": "second.example", "workgroup": "crew" });
    for (method, number) in
        [("delete_workgroup", json!(2)), ("create_workgroup", Value::Null), ("create_workgroup", json!(7))]
    {
        assert_eq!(world.call(ADMIN, method, crew.clone()).await["error_number"], number, "{method}");
    }
    let join = |workgroup: Value| json!({ "user": "ping@second.example", "attributes": { "workgroup": workgroup } });
    assert_eq!(world.call(ADMIN, "change_user", join(json!("crew"))).await["success"], true);
    assert_eq!(world.call(ADMIN, "delete_workgroup", crew.clone()).await["error_number"], 10);
    assert_eq!(world.call(ADMIN, "change_user", join(Value::Null)).await["success"], true);
    assert_eq!(world.call(ADMIN, "delete_workgroup", crew).await["success"], true);
    let changes = world.call(ADMIN, "get_domain_changes", json!({ "domain": "second.example" })).await;
    assert_eq!(changes["total_count"], 5);
}

#[tokio::test]
async fn no_secret_comes_back() {
    let world = World::new().await;
    let canary = "canary-7f3a9c";
    let create = json!({ "user": "bird@acme.example", "attributes": { "password": canary } });
    let mut seen = String::new();
    for (user, method, fields) in [
        (ADMIN, "change_user", create),
        (ADMIN, "get_user", json!({ "user": "bird@acme.example" })),
        (ADMIN, "get_user_changes", json!({ "user": "bird@acme.example" })),
        (ADMIN, "search_users", json!({ "criteria": { "domain": "acme.example" }, "fields": ["password", "type"] })),
        (ADMIN, "echo", json!({ "password": canary, "attributes": { "password": canary }, "other": 1 })),
        (
            ADMIN,
            "change_user",
            json!({ "user": "bird@acme.example", "attributes": { "password": canary, "bogus": canary } }),
        ),
        (
            ADMIN,
            "change_user",
            json!({ "user": "bird@acme.example", "attributes": { "password": format!("bird {canary}") } }),
        ),
        (ADMIN, "get_domain", json!({ "domain": "acme.example" })),
    ] {
        seen += &world.call(user, method, fields).await.to_string();
    }
    seen += &world
        .call_raw(
            "get_user",
            json!({ "credentials": { "user": "bird@acme.example", "password": canary }, "user": "bird@acme.example" }),
        )
        .await
        .to_string();
    assert!(seen.contains("bird@acme.example"));
    for secret in [canary, &password_of(ADMIN), "$6$", "SHA512"] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
    let files =
        std::fs::read_dir(world.folder.path()).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    for bytes in files {
        assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()));
    }
}

#[tokio::test]
async fn names_that_are_taken_stay_with_their_owner() {
    let world = World::new().await;
    for (request, number) in [
        (json!({ "user": "office@acme.example", "attributes": { "aliases": ["al"] } }), json!(7)),
        (json!({ "user": "office@acme.example", "attributes": { "aliases": ["alice"] } }), json!(7)),
        (json!({ "user": "al@acme.example", "attributes": {} }), json!(3)),
        (json!({ "user": "new@acme.example", "attributes": { "workgroup": "nobodys" } }), json!(6)),
        (json!({ "user": "new@acme.example", "attributes": { "brand": "globex" } }), json!(6)),
        (json!({ "user": "new@acme.example", "attributes": { "type": "filter" } }), json!(27)),
        (json!({ "user": "a..b@acme.example", "attributes": {} }), json!(5)),
        (json!({ "user": "new@sub.acme.example", "attributes": {} }), json!(2)),
    ] {
        assert_eq!(world.call(ADMIN, "change_user", request.clone()).await["error_number"], number, "{request}");
    }
}

#[tokio::test]
async fn a_filtered_user_needs_a_server_of_the_customers() {
    let world = World::new().await;
    let made = json!({ "user": "sieved@acme.example", "attributes": { "type": "filter" } });
    assert_eq!(world.call(ADMIN, "change_user", made.clone()).await["error_number"], json!(27));
    let server = |server: Value| json!({ "domain": "acme.example", "attributes": { "filtermx": server } });
    for wrong in
        ["two words", "mail", "mail.customer.example:0", "mail.customer.example:smtp", "mail.customer.example:70000"]
    {
        assert_eq!(world.call(ADMIN, "change_domain", server(wrong.into())).await["error_number"], json!(6), "{wrong}");
    }
    let asked = server("Mail.Customer.example:2525".into());
    assert_eq!(world.call(ADMIN, "change_domain", asked).await["success"], json!(true));
    let domain = world.call(ADMIN, "get_domain", json!({ "domain": "acme.example" })).await;
    assert_eq!(domain["attributes"]["filtermx"], json!("mail.customer.example:2525"));
    assert_eq!(world.call(ADMIN, "change_user", made).await["success"], json!(true));
    let user = world.call(ADMIN, "get_user", json!({ "user": "sieved@acme.example" })).await;
    assert_eq!(user["type"], json!("filter"));
    // Its mail would go nowhere.
    assert_eq!(world.call(ADMIN, "change_domain", server(Value::Null)).await["error_number"], json!(27));
    assert_eq!(
        world.call(ADMIN, "delete_user", json!({ "user": "sieved@acme.example" })).await["success"],
        json!(true)
    );
    assert_eq!(world.call(ADMIN, "change_domain", server(Value::Null)).await["success"], json!(true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_body_is_answered(
        method in 0..6_usize,
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        user in "[a-z0-9@.+\"\\\\ é]{0,20}",
        text in ".{0,30}",
        number: i64,
    ) {
        let methods = ["get_user", "change_user", "search_users", "restore_user", "generate_token", "set_role"];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // One world for all cases would outlive its runtime; an empty one is quick to make.
            let world = World::new().await;
            let path = format!("/api/{}", methods[method]);
            let (status, _) = world.post(&path, bytes).await;
            assert_eq!(status, StatusCode::BAD_REQUEST);
            for fields in [
                json!({ "user": user, "attributes": { "aliases": [user, text], "name": text, "quota": number } }),
                json!({ "user": text, "reason": text, "role": text, "object": user, "duration": number, "id": number }),
                json!({ "criteria": { "domain": user, "match": text }, "range": { "first": number, "limit": number } }),
                json!({ "criteria": text, "user": number, "attributes": text, "create_only": number }),
            ] {
                let mut body = fields;
                body["credentials"] = credentials(ADMIN);
                let (status, reply) = world.post(&path, body.to_string()).await;
                assert_eq!(status, StatusCode::OK, "{reply}");
            }
        });
    }
}
