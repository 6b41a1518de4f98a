//! What daemons are answered by `lookup.sql` is what the control plane itself answers, whatever tenants set.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod world;

use std::collections::BTreeSet;

use control::{Directory, RecipientAnswer, Service, SignInRefusal};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use values::{MailAddress, Score};
use world::{START, World, server};

/// Local parts that are alike, need quotes, or hold what separates details.
const LOCALS: [&str; 9] = ["a", "b", "c", "d", "a+x", "bob+b+c", "ünï", "\"with blank\"", "ΩΣ"];
const DOMAINS: [&str; 3] = ["one.example", "two.example", "bücher.example"];
const OTHER_NAME: &str = "other.example";

#[derive(Clone, Debug)]
struct Account {
    local: &'static str,
    domain: &'static str,
    form: Form,
    tier: Option<&'static str>,
    alias: Option<&'static str>,
    targets: Vec<String>,
    keep: bool,
    scores: (Option<f64>, Option<f64>, Option<f64>),
    quota: Option<u64>,
    settings: Value,
    suspended: bool,
    /// Seconds since it was deleted.
    deleted: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Mailbox,
    Forward,
    List(bool),
}

#[derive(Clone, Debug)]
struct Domain {
    catch_all: Option<usize>,
    settings: Value,
    tier: &'static str,
    suspended: bool,
}

fn settings() -> impl Strategy<Value = Value> {
    let pick = |values: &'static [&'static str]| proptest::option::weighted(0.2, proptest::sample::select(values));
    let service = || pick(&["enabled", "disabled", "suspended"]);
    let flag = || proptest::option::weighted(0.3, any::<bool>());
    let patterns =
        || proptest::collection::vec(proptest::sample::select(&["*@spam.example", "x+y@a.example"][..]), 0..3);
    let first = (service(), service(), service(), service(), flag(), flag(), flag(), flag());
    let second = (
        pick(&["Normal", "High", "Very High"]),
        (pick(&["quarantine", "passthrough"]), pick(&["mx.customer.example", "relay.customer.example:2525", ""])),
        pick(&["[X]", "spam \\ \"q\""]),
        pick(&["Junk", "Spam/Österreich"]),
        proptest::option::weighted(0.3, 0..40_i64),
        proptest::option::weighted(0.3, -5..400_i64),
        proptest::option::weighted(0.5, proptest::sample::select(&["", "away", "zwei\nZeilen 'q'"][..])),
        patterns(),
        patterns(),
        flag(),
    );
    (first, second).prop_map(|(first, second)| {
        let (smtpin, relay, imap, pop3, forward, local, restricted, reject) = first;
        let (level, (delivery, server), tag, folder, limit, end, text, allow, block, disabled) = second;
        let mut it = json!({ "allow": allow, "block": block });
        let fields = [
            ("service_smtpin", smtpin.map(Value::from)),
            ("service_smtprelay", relay.map(Value::from)),
            ("service_imap4", imap.map(Value::from)),
            ("service_pop3", pop3.map(Value::from)),
            ("delivery_forward", forward.map(Value::from)),
            ("delivery_local", local.map(Value::from)),
            ("forward_option_restricted", restricted.map(Value::from)),
            ("reject_spam", reject.map(Value::from)),
            ("spamlevel", level.map(Value::from)),
            ("filterdelivery", delivery.map(Value::from)),
            ("filtermx", server.or(tag.and(Some("mx.customer.example"))).map(Value::from)),
            ("spamtag", tag.map(Value::from)),
            ("spamfolder", folder.map(Value::from)),
            ("smtp_sent_limit", limit.map(Value::from)),
            ("autoresponder_option_enddate", end.map(|end| Value::from(i64::try_from(START / 1000).unwrap() + end))),
            (
                "autoresponder_option_startdate",
                folder.and(end).map(|end| Value::from(i64::try_from(START / 1000).unwrap() - end)),
            ),
            ("autoresponder_option_interval", limit.map(Value::from)),
            ("autoresponder_option_subject", folder.map(Value::from)),
            ("autoresponder", text.map(Value::from)),
            (
                "sieve",
                text.map(|text| {
                    Value::from(if text.is_empty() { "" } else { "if true {\n  keep; # 'a' \\ \"%u\"\n}" })
                }),
            ),
            ("delivery_autoresponder", disabled.map(|off| Value::from(!off))),
            // For domains, where it is rare enough that most work.
            ("disabled", (disabled == Some(true) && limit.is_some()).then_some(Value::from(true))),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                it.as_object_mut().unwrap().insert(name.to_owned(), value);
            }
        }
        it
    })
}

fn account() -> impl Strategy<Value = Account> {
    let scores = || proptest::option::weighted(0.2, (-2000..20_000_i32).prop_map(|it| f64::from(it) / 1000.0));
    let form = prop_oneof![
        6 => Just(Form::Mailbox), 1 => Just(Form::Forward), 1 => Just(Form::List(false)), 2 => Just(Form::List(true))
    ];
    let target = prop_oneof![
        6 => (proptest::sample::select(&LOCALS[..]), proptest::sample::select(&DOMAINS[..])).prop_map(|(l, d)| format!("{l}@{d}")),
        1 => proptest::sample::select(&LOCALS[..]).prop_map(|local| format!("{local}@{OTHER_NAME}")),
        1 => Just("a+tag@one.example".to_owned()),
        1 => Just("Far@Outside.example".to_owned()),
        1 => Just("\"far away\"@outside.example".to_owned()),
    ];
    (
        (proptest::sample::select(&LOCALS[..]), proptest::sample::select(&DOMAINS[..]), form),
        proptest::option::weighted(0.3, proptest::sample::select(&["basic", "premium", "filter", "forward"][..])),
        proptest::option::weighted(0.4, proptest::sample::select(&LOCALS[..])),
        proptest::collection::vec(target, 0..4),
        any::<bool>(),
        (scores(), scores(), scores()),
        proptest::option::weighted(0.3, 1..1_u64 << 40),
        settings(),
        proptest::bool::weighted(0.1),
        proptest::option::weighted(0.15, 0..60_i64 * 86_400),
    )
        .prop_map(
            |((local, domain, form), tier, alias, targets, keep, scores, quota, settings, suspended, deleted)| {
                Account { local, domain, form, tier, alias, targets, keep, scores, quota, settings, suspended, deleted }
            },
        )
}

fn domain() -> impl Strategy<Value = Domain> {
    let tier = prop_oneof![3 => Just("basic"), 3 => Just("premium"), 1 => Just("forward")];
    (proptest::option::weighted(0.5, 0..12_usize), settings(), tier, proptest::bool::weighted(0.05))
        .prop_map(|(catch_all, settings, tier, suspended)| Domain { catch_all, settings, tier, suspended })
}

/// Puts a random platform into a world, with everything that only the API sets written into its rows.
async fn build(accounts: &[Account], domains: &[Domain]) -> (World, PgPool, Vec<MailAddress>) {
    let mut roster = world::roster_value();
    let (mut mailboxes, mut forwards, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    let mut taken = BTreeSet::new();
    let mut made = Vec::new();
    for account in accounts {
        let address: MailAddress = format!("{}@{}", account.local, account.domain).parse().unwrap();
        if !taken.insert(address.key()) {
            continue;
        }
        let targets: BTreeSet<&String> = account.targets.iter().collect();
        match account.form {
            Form::Mailbox => {
                let alias =
                    account.alias.map(|alias| format!("{alias}@{}", account.domain).parse::<MailAddress>().unwrap());
                let alias = alias.filter(|alias| {
                    accounts
                        .iter()
                        .all(|it| format!("{}@{}", it.local, it.domain).parse::<MailAddress>().unwrap() != *alias)
                        && taken.insert(alias.key())
                });
                let (tag, quarantine, reject) = account.scores;
                mailboxes.push(json!({
                    "address": address, "workgroup": null, "tier": account.tier, "brand": null, "name": null,
                    "quota": account.quota, "aliases": alias.into_iter().collect::<Vec<_>>(), "forward": targets,
                    "keep": account.keep, "autoreply": null,
                    "defense": { "tag": tag, "quarantine": quarantine, "reject": reject, "allow": [], "block": [] },
                    "initial_password": null, "on_removal": { "action": "suspend", "hold": "0s" }
                }));
            }
            Form::Forward => forwards.push(json!({ "address": address, "workgroup": null, "to": targets })),
            Form::List(restricted) => lists
                .push(json!({ "address": address, "workgroup": null, "members": targets, "restricted": restricted })),
        }
        made.push((address, account));
    }
    roster["mailboxes"] = Value::from(mailboxes);
    roster["forwards"] = Value::from(forwards);
    roster["lists"] = Value::from(lists);
    let names: Vec<String> = DOMAINS.iter().map(|name| name.parse::<values::HostName>().unwrap().to_string()).collect();
    roster["domains"] = names
        .iter()
        .zip(domains)
        .map(|(name, it)| {
            json!({
                "name": name, "reseller": "acme", "tier": it.tier, "brand": null, "cluster": "a", "outbound": null,
                "aliases": if name == "one.example" { vec![OTHER_NAME] } else { vec![] }, "catch_all": null,
                "defense": { "tag": null, "quarantine": 6.5, "reject": null, "allow": [], "block": [] }, "workgroups": []
            })
        })
        .collect();
    let roster = serde_json::from_value(roster).unwrap();
    let world = World::with(&roster).await;
    let server = server::database(world.folder.path()).unwrap();
    let options = PgConnectOptions::new().socket(&server.host).username(&server.user).database(&server.database);
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let now = i64::try_from(START / 1000).unwrap();
    for (address, account) in &made {
        let old: String = sqlx::query("SELECT settings FROM mailboxes WHERE address = $1")
            .bind(address.key())
            .fetch_one(&pool)
            .await
            .unwrap()
            .get(0);
        let mut settings: Value = serde_json::from_str(&old).unwrap();
        for (name, value) in account.settings.as_object().unwrap() {
            settings[name] = value.clone();
        }
        sqlx::query("UPDATE mailboxes SET settings = $2, status = $3, deleted_at = $4 WHERE address = $1")
            .bind(address.key())
            .bind(settings.to_string())
            .bind(if account.suspended { "suspended" } else { "active" })
            .bind(account.deleted.map(|ago| now - ago))
            .execute(&pool)
            .await
            .unwrap();
    }
    sqlx::raw_sql(
        "DELETE FROM aliases WHERE mailbox IN (SELECT id FROM mailboxes WHERE deleted_at IS NOT NULL);
         UPDATE mailboxes SET password = (SELECT password FROM admins WHERE address = 'admin@acme.adm')
             WHERE kind = 'mailbox'",
    )
    .execute(&pool)
    .await
    .unwrap();
    for (name, it) in names.iter().zip(domains) {
        let catch_all = it.catch_all.and_then(|index| made.get(index)).map(|(address, _)| address.key());
        sqlx::query("UPDATE domains SET settings = $2, status = $3, catch_all = $4 WHERE name = $1")
            .bind(name)
            .bind(it.settings.to_string())
            .bind(if it.suspended { "suspended" } else { "active" })
            .bind(catch_all)
            .execute(&pool)
            .await
            .unwrap();
    }
    (world, pool, made.into_iter().map(|(address, _)| address).collect())
}

/// Spellings of everything that is asked about.
fn asked() -> Vec<String> {
    let mut asked = Vec::new();
    for domain in DOMAINS.iter().chain([&OTHER_NAME, &"outside.example", &"BÜCHER.example"]) {
        for local in LOCALS {
            asked.push(format!("{local}@{domain}"));
        }
        for local in ["A", "a+", "a+tag", "b+x+y", "bob+b", "nobody", "c+ünï", "\"with blank+x\"", "\"b\""] {
            asked.push(format!("{local}@{domain}"));
        }
    }
    asked
}

async fn texts(pool: &PgPool, question: &'static str, address: &str) -> Vec<String> {
    let rows = sqlx::query(question).bind(address).fetch_all(pool).await;
    rows.unwrap_or_else(|error| panic!("{question} {address}: {error}")).iter().map(|row| row.get(0)).collect()
}

async fn one(pool: &PgPool, question: &'static str, address: &str) -> Option<String> {
    texts(pool, question, address).await.pop()
}

/// Compares what both say of mail to an address.
async fn same_recipient(directory: &Directory, pool: &PgPool, text: &str, posters: &[MailAddress]) {
    let address: MailAddress = text.parse().unwrap();
    let answer = directory.recipient(&address).await.unwrap();
    let domain = one(pool, "SELECT lookup.domain(split_part($1, '@', 2))", text).await;
    let known = one(pool, "SELECT lookup.recipient($1)", text).await;
    let access = one(pool, "SELECT lookup.access($1)", text).await;
    let alias = one(pool, "SELECT lookup.alias($1)", text).await;
    let context = format!("{text}: {answer:?}, access {access:?}, alias {alias:?}");
    let known = (domain.is_some(), known.is_some());
    let delivery = match answer {
        RecipientAnswer::Elsewhere => {
            return assert_eq!((known, access, alias), ((false, false), None, None), "{text}");
        }
        RecipientAnswer::Unknown => return assert_eq!((known, access, alias), ((true, false), None, None), "{text}"),
        RecipientAnswer::Disabled => {
            let access = access.unwrap_or_default();
            return assert_eq!(
                (known, access.as_str(), alias),
                ((true, true), "550 5.2.1 takes no mail now", None),
                "{text}"
            );
        }
        RecipientAnswer::Known(delivery) => delivery,
    };
    assert_eq!(known, (true, true), "{context}");
    let filtered = delivery.filtered.as_slice();
    let class = match (&delivery.senders, delivery.mailboxes.as_slice(), delivery.forwards.as_slice(), filtered) {
        (Some(_), ..) => Some("members_only".to_owned()),
        (None, [only], [], []) => Some(format!("quota_{}", only.store.replace('-', "_"))),
        _ => None,
    };
    assert_eq!(access, class, "{context}");
    // Details stay in the answer and mean the same mailbox.
    let mut told = BTreeSet::new();
    for target in alias.as_deref().unwrap_or(text).split(", ") {
        let mailbox = one(pool, "SELECT username FROM lookup.userdb($1)", target).await;
        // What is filtered goes on as it was spelled.
        let handed = delivery.filtered.iter().map(|it| &it.address).find(|it| target == text && **it == address);
        told.insert(mailbox.or(handed.map(MailAddress::key)).unwrap_or_else(|| target.to_owned()));
        let again = one(pool, "SELECT lookup.alias($1)", target).await;
        let again: Vec<&str> = again.as_deref().unwrap_or(target).split(", ").collect();
        assert!(again.contains(&target), "{context}: {target} leads to {again:?}");
    }
    let meant = delivery.mailboxes.iter().map(|it| it.address.key());
    let meant = meant.chain(delivery.filtered.iter().map(|it| it.address.key()));
    let meant: BTreeSet<String> = meant.chain(delivery.forwards.iter().map(ToString::to_string)).collect();
    assert_eq!(told, meant, "{context}");
    for mailbox in &delivery.mailboxes {
        let key = mailbox.address.key();
        let host = format!("{}.northmail.example", mailbox.store);
        assert_eq!(one(pool, "SELECT lookup.store($1)", &key).await, Some(host.clone()), "{context}");
        assert_eq!(
            one(pool, "SELECT lookup.transport($1)", &key).await,
            Some(format!("lmtp:inet:{host}:24")),
            "{context}"
        );
        let row = sqlx::query("SELECT quota_bytes, quota_rule FROM lookup.userdb($1)").bind(&key).fetch_one(pool).await;
        let (bytes, rule): (Option<i64>, String) = row.map(|row| (row.get(0), row.get(1))).unwrap();
        assert_eq!(bytes.map(|bytes| u64::try_from(bytes).unwrap()), mailbox.quota, "{context}");
        assert_eq!(rule, format!("*:bytes={}", mailbox.quota.unwrap_or(0)), "{context}");
        // A store finds what runs there by what its content is known by.
        let script = one(
            pool,
            "SELECT content.script FROM lookup.scripts AS named JOIN lookup.scripts AS content USING (username, id)
             WHERE named.name = 'default' AND username = $1",
            &key,
        )
        .await;
        assert_eq!(script, mailbox.script.clone().filter(|_| mailbox.sieve), "{context}");
    }
    for it in &delivery.filtered {
        assert_eq!(
            one(pool, "SELECT lookup.filtered($1)", &it.address.key()).await,
            Some(format!("filtered:[{}]:{}", it.host, it.port)),
            "{context}"
        );
        let holds =
            sqlx::query("SELECT holds, keeps FROM lookup.defense($1)").bind(text).fetch_one(pool).await.unwrap();
        assert_eq!((holds.get::<bool, _>(0), holds.get::<bool, _>(1)), (it.holds, true), "{context}");
    }
    if alias.is_none() && !text.contains('+') && delivery.filtered.is_empty() {
        let row = sqlx::query("SELECT autoreply, autoreply_seconds, autoreply_subject FROM lookup.userdb($1)");
        let row = row.bind(text).fetch_one(pool).await;
        let reply: (Option<String>, Option<i64>, Option<String>) =
            row.map(|row| (row.get(0), row.get(1), row.get(2))).unwrap();
        let meant = delivery.autoreply.as_ref();
        let meant = (
            meant.map(|it| it.text.clone()),
            meant.map(|it| i64::try_from(it.interval_seconds).unwrap()),
            meant.and_then(|it| it.subject.clone()),
        );
        assert_eq!(reply, meant, "{context}");
    }
    for poster in posters {
        let may =
            sqlx::query("SELECT lookup.may_post($1, $2)").bind(text).bind(poster.to_string()).fetch_optional(pool);
        let meant = delivery.senders.as_ref().is_none_or(|senders| senders.contains(poster));
        assert_eq!(may.await.unwrap().is_some(), meant, "{poster} to {context}");
    }
    let row = sqlx::query(
        "SELECT (tag * 1000)::bigint, (quarantine * 1000)::bigint, (reject * 1000)::bigint, subject, spam_folder, allow, block
         FROM lookup.defense($1)",
    );
    let row = row.bind(text).fetch_one(pool).await.unwrap();
    let score = |score: Score| score.as_thousandths();
    let policy = &delivery.policy;
    assert_eq!(
        (row.get::<i64, _>(0), row.get::<i64, _>(1), row.get::<i64, _>(2)),
        (score(policy.tag), score(policy.quarantine), score(policy.reject)),
        "{context}"
    );
    assert_eq!(
        (row.get::<String, _>(3), row.get::<String, _>(4)),
        (policy.subject_tag.clone(), policy.spam_folder.clone())
    );
    assert_eq!(
        (row.get::<Vec<String>, _>(5), row.get::<Vec<String>, _>(6)),
        (policy.allow.clone(), policy.block.clone())
    );
}

/// Compares what both say of somebody who signs in with the right password.
async fn same_sign_in(directory: &Directory, pool: &PgPool, login: &str) {
    for (service, name) in [
        (Service::Submission, "smtp"),
        (Service::Imap, "imap"),
        (Service::Pop3, "pop3"),
        (Service::Sieve, "sieve"),
        (Service::Webmail, "webmail"),
    ] {
        let answer = directory.sign_in(service, login, &world::password_of("admin@acme.adm"), None).await.unwrap();
        let row =
            sqlx::query("SELECT username, password, host, reason FROM lookup.passdb($1, $2)").bind(login).bind(name);
        let row = row.fetch_optional(pool).await.unwrap();
        let context = format!("{login} {name}: {answer:?}");
        match answer {
            Err(SignInRefusal::Credentials) => assert!(row.is_none(), "{context}"),
            Err(SignInRefusal::ServiceOff) => {
                assert!(row.unwrap().get::<Option<String>, _>(3).is_some(), "{context}");
            }
            Err(SignInRefusal::TooManyFailures) => panic!("{context}"),
            Ok(identity) => {
                let row = row.unwrap_or_else(|| panic!("{context}"));
                assert_eq!(row.get::<String, _>(0), identity.mailbox.key(), "{context}");
                assert!(row.get::<String, _>(1).starts_with("{SHA512-CRYPT}$6$"), "{context}");
                assert_eq!(row.get::<String, _>(2), format!("{}.northmail.example", identity.store), "{context}");
                assert_eq!(row.get::<Option<String>, _>(3), None, "{context}");
                let addresses = texts(pool, "SELECT lookup.sender_addresses($1)", &identity.mailbox.key()).await;
                let senders: BTreeSet<String> = identity.senders.iter().map(MailAddress::key).collect();
                assert_eq!(addresses.iter().cloned().collect::<BTreeSet<_>>(), senders, "{context}");
                for sender in &senders {
                    let logins = texts(pool, "SELECT lookup.senders($1)", sender).await;
                    assert_eq!(logins, [identity.mailbox.key()], "{sender} {context}");
                }
            }
        }
    }
}

#[test]
fn daemons_are_told_what_the_directory_itself_would_say() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if !server::is_there() {
        return;
    }
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12);
    let mut runner =
        TestRunner::new(Config { cases, max_shrink_iters: 20, failure_persistence: None, ..Config::default() });
    let strategy = (proptest::collection::vec(account(), 1..14), proptest::collection::vec(domain(), 3));
    runner
        .run(&strategy, |(accounts, domains)| {
            runtime.block_on(async {
                let (world, pool, made) = build(&accounts, &domains).await;
                let directory = world.directory();
                let mut posters: Vec<MailAddress> = made.iter().take(4).cloned().collect();
                posters
                    .extend(["a@other.example", "far@outside.example", "al@one.example"].map(|it| it.parse().unwrap()));
                for text in asked() {
                    same_recipient(directory, &pool, &text, &posters).await;
                    same_sign_in(directory, &pool, &text).await;
                }
                pool.close().await;
                directory.close().await;
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_detail_behind_an_alias_never_leads_to_another_account() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if !server::is_there() {
        return;
    }
    let account = |local, alias| Account {
        local,
        domain: DOMAINS[0],
        form: Form::Mailbox,
        tier: None,
        alias,
        targets: Vec::new(),
        keep: false,
        scores: (None, None, None),
        quota: None,
        settings: json!({}),
        suspended: false,
        deleted: None,
    };
    let accounts = [account("a", Some("c")), account("a+x", Some("d"))];
    let domains = [0; 3].map(|_| Domain { catch_all: None, settings: json!({}), tier: "basic", suspended: false });
    runtime.block_on(async {
        let (world, pool, made) = build(&accounts, &domains).await;
        for (asked, expected) in
            [("c+x", Some("a")), ("c+y", Some("a+y")), ("a+x", None), ("a+y", None), ("d", Some("a+x"))]
        {
            let asked = format!("{asked}@one.example");
            let expected = expected.map(|local| format!("{local}@one.example"));
            assert_eq!(one(&pool, "SELECT lookup.alias($1)", &asked).await, expected, "{asked}");
            same_recipient(world.directory(), &pool, &asked, &made).await;
        }
        pool.close().await;
        world.directory().close().await;
    });
}
