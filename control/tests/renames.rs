//! Mail that was taken under an address finds its account under the one it has now, and nobody else's mail does.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod world;

use serde_json::{Value, json};
use values::MailAddress;
use world::{World, open, roster_value, seed};

fn address(text: &str) -> MailAddress {
    text.parse().unwrap()
}

/// Declares the platform with one text in the place of another everywhere, and renames.
async fn declare(world: &World, others: &[(&str, &str)], renames: Value) -> control::SeedReport {
    let mut text = roster_value().to_string();
    for (old, new) in others {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    let mut roster: Value = serde_json::from_str(&text).unwrap();
    roster["renames"] = renames;
    seed(world.directory(), &serde_json::from_value(roster).unwrap()).await
}

async fn now(world: &World, text: &str) -> Option<String> {
    world.directory().renamed_since(&address(text)).await.unwrap().map(|found| found.to_string())
}

const GUS: &str = "gus@globex.example";
const GUSTAV: &str = "gustav@globex.example";

fn rename(kind: &str, from: &str, to: &str) -> Value {
    json!({ "kind": kind, "from": from, "to": to })
}

#[tokio::test]
async fn a_former_address_leads_to_the_present_one_until_no_queue_can_hold_mail_for_it() {
    let world = World::new().await;
    assert_eq!(now(&world, GUS).await, None, "nothing was renamed");
    let renames = json!([rename("mailbox", GUS, GUSTAV)]);
    let report = declare(&world, &[(GUS, GUSTAV)], renames.clone()).await;
    assert_eq!(report.renamed, [(address(GUS), address(GUSTAV))], "{report:?}");
    assert!(!world.directory().is_settled_now(), "its mail still lies under the old address");
    for (was, is) in
        [(GUS, GUSTAV), ("GUS@Globex.Example", GUSTAV), ("gus+x@globex.example", "gustav+x@globex.example")]
    {
        assert_eq!(now(&world, was).await.as_deref(), Some(is), "{was}");
    }
    for other in [GUSTAV, "nobody@globex.example", "gus@elsewhere.example"] {
        assert_eq!(now(&world, other).await, None, "{other}");
    }
    // The same text once more renames nothing, and takes nothing back; a process that starts later knows, too.
    let report = declare(&world, &[(GUS, GUSTAV)], renames).await;
    assert_eq!(report.renamed, []);
    assert_eq!(now(&world, GUS).await.as_deref(), Some(GUSTAV));
    let later = open(world.folder.path(), &world.clock).await;
    assert_eq!(later.renamed_since(&address(GUS)).await.unwrap(), Some(address(GUSTAV)));
    // By way of a second name, and a domain that is renamed as well.
    let renames = json!([
        rename("domain", "globex.example", "initech.example"),
        rename("mailbox", GUSTAV, "gustavo@initech.example"),
    ]);
    let others = [(GUS, "gustavo@globex.example"), ("globex.example", "initech.example")];
    declare(&world, &others, renames).await;
    for was in [GUS, GUSTAV] {
        assert_eq!(now(&world, was).await.as_deref(), Some("gustavo@initech.example"), "{was}");
    }
    world.advance(5 * 86_400);
    assert_eq!(now(&world, GUS).await, None, "mail waits five days at most");
}

#[tokio::test]
async fn an_address_that_somebody_has_now_is_theirs() {
    let world = World::new().await;
    let renames = json!([rename("mailbox", GUS, GUSTAV)]);
    declare(&world, &[(GUS, GUSTAV)], renames.clone()).await;
    let mut roster: Value = serde_json::from_str(&roster_value().to_string().replace(GUS, GUSTAV)).unwrap();
    let mailboxes = roster["mailboxes"].as_array_mut().unwrap();
    let mut another = mailboxes.iter().find(|it| it["address"] == GUSTAV).unwrap().clone();
    another["address"] = json!(GUS);
    mailboxes.push(another);
    seed(world.directory(), &serde_json::from_value(roster).unwrap()).await;
    assert_eq!(now(&world, GUS).await, None);
}

#[tokio::test]
async fn a_rename_that_was_not_carried_out_takes_nobodys_mail() {
    let world = World::new().await;
    // Of a domain that is another reseller's, and of one that is nobody's here.
    let renames = json!([
        rename("domain", "acme.example", "globex.example"),
        rename("domain", "bigmail.example", "globex.example"),
        rename("mailbox", "bob@bigmail.example", GUS),
        rename("mailbox", "alice@acme.example", GUS),
    ]);
    declare(&world, &[], renames).await;
    for text in ["alice@acme.example", "bob@bigmail.example", "gus@bigmail.example", "gus@acme.example"] {
        assert_eq!(now(&world, text).await, None, "{text}");
    }
}
