//! Whose mail lies under an address, when accounts are deleted, made again and restored.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use blueprint::Roster;
use control::{Mailboxes, Moving, NotMoved};
use serde_json::{Value, json};
use values::MailAddress;
use world::{World, roster, roster_value, seed};

const ADMIN: &str = "admin@acme.adm";
const BOB: &str = "bob@acme.example";

/// How a store fails.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    /// Nothing moves.
    Down,
    /// It moves, and nobody hears of it.
    Silent,
    /// Nobody hears of what moves back.
    SilentReturns,
}

/// The mailboxes of a store: address or number of a deleted account to what is in it.
#[derive(Default)]
struct Store {
    mail: Mutex<BTreeMap<String, String>>,
    trouble: Mutex<Option<Trouble>>,
    moves: Mutex<u64>,
}

impl Store {
    fn move_mail(&self, from: String, to: String) -> Result<bool, NotMoved> {
        let trouble = *self.trouble.lock().unwrap();
        if trouble == Some(Trouble::Down) {
            return Err(NotMoved);
        }
        let mut mail = self.mail.lock().unwrap();
        let occupied = mail.contains_key(&from) && mail.contains_key(&to);
        if !occupied && let Some(content) = mail.remove(&from) {
            mail.insert(to, content);
            *self.moves.lock().unwrap() += 1;
        }
        if trouble == Some(Trouble::Silent) { Err(NotMoved) } else { Ok(!occupied) }
    }

    fn fill(&self, address: &str, content: &str) {
        self.mail.lock().unwrap().insert(address.to_owned(), content.to_owned());
    }

    fn content(&self, address: &str) -> Option<String> {
        self.mail.lock().unwrap().get(address).cloned()
    }

    fn fail(&self, trouble: impl Into<Option<Trouble>>) {
        *self.trouble.lock().unwrap() = trouble.into();
    }
}

impl Mailboxes for Store {
    fn set_aside<'a>(&'a self, mailbox: &'a MailAddress, store: &'a str, account: i64) -> Moving<'a> {
        assert_ne!(store, "");
        Box::pin(async move { self.move_mail(mailbox.to_string(), account.to_string()).map(|_| ()) })
    }

    fn bring_back<'a>(&'a self, mailbox: &'a MailAddress, _: &'a str, account: i64) -> Moving<'a> {
        Box::pin(async move {
            let moved = self.move_mail(account.to_string(), mailbox.to_string())?;
            let heard = *self.trouble.lock().unwrap() != Some(Trouble::SilentReturns);
            if moved && heard { Ok(()) } else { Err(NotMoved) }
        })
    }
}

async fn world() -> (World, Arc<Store>) {
    let store = Arc::new(Store::default());
    let mailboxes: Arc<dyn Mailboxes> = Arc::clone(&store) as Arc<dyn Mailboxes>;
    (World::with_mailboxes(&roster(), Some(mailboxes)).await, store)
}

async fn create(world: &World) -> Value {
    let attributes = json!({ "password": "fresh-start" });
    world.call(ADMIN, "change_user", json!({ "user": BOB, "attributes": attributes, "create_only": true })).await
}

async fn delete(world: &World) {
    assert_eq!(world.call(ADMIN, "delete_user", json!({ "user": BOB })).await["success"], true);
    world.advance(60);
}

/// Returns the numbers of the deleted accounts of the address, the oldest first.
async fn deleted(world: &World) -> Vec<i64> {
    let search = json!({ "criteria": { "domain": "acme.example", "deleted": true } });
    let found = world.call(ADMIN, "search_users", search).await;
    let mut ids: Vec<i64> = (found["users"].as_array().unwrap().iter())
        .filter(|user| user["user"] == BOB)
        .map(|user| user["id"].as_str().unwrap().parse().unwrap())
        .collect();
    ids.sort_unstable();
    ids
}

async fn restore(world: &World, id: i64) -> Value {
    world.call(ADMIN, "restore_user", json!({ "user": BOB, "id": id })).await
}

#[tokio::test]
async fn an_account_made_again_has_nothing_of_its_forerunner_and_each_gets_its_own_back() {
    let (world, store) = world().await;
    for mail in ["first", "second", "third"] {
        assert_eq!(create(&world).await["success"], true);
        assert_eq!(store.content(BOB), None);
        store.fill(BOB, mail);
        delete(&world).await;
        // It lies where it lay until somebody else wants the address.
        assert_eq!(store.content(BOB).as_deref(), Some(mail));
    }
    let ids = deleted(&world).await;
    for turn in [0, 2, 2, 1, 0, 1] {
        let (id, mail) = ids.iter().zip(["first", "second", "third"]).nth(turn).unwrap();
        let restored = restore(&world, *id).await;
        assert_eq!(restored["success"], true, "{turn}: {restored}");
        assert_eq!(store.content(BOB).as_deref(), Some(mail), "{turn}");
        delete(&world).await;
    }
    assert_eq!(create(&world).await["success"], true);
    assert_eq!(store.content(BOB), None);
    assert_eq!(store.mail.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn an_account_that_only_sends_on_leaves_no_mail_for_who_makes_it_a_mailbox() {
    let (world, store) = world().await;
    create(&world).await;
    store.fill(BOB, "first");
    delete(&world).await;
    let attributes = json!({ "type": "forward", "forward_recipients": ["bob@outside.example"] });
    let made = world.call(ADMIN, "change_user", json!({ "user": BOB, "attributes": attributes })).await;
    assert_eq!((&made["success"], store.content(BOB)), (&json!(true), None), "{made}");
    let changed = json!({ "user": BOB, "attributes": { "type": "mailbox" } });
    assert_eq!(world.call(ADMIN, "change_user", changed).await["success"], true);
    assert_eq!(store.content(BOB), None);
}

#[tokio::test]
async fn nothing_is_made_or_restored_while_the_store_does_not_answer() {
    for trouble in [Trouble::Down, Trouble::Silent] {
        let (world, store) = world().await;
        create(&world).await;
        store.fill(BOB, "first");
        delete(&world).await;
        store.fail(trouble);
        assert_eq!(create(&world).await["error_number"], 20);
        assert_eq!(world.call(ADMIN, "get_user", json!({ "user": BOB })).await["error_number"], 2);
        let ids = deleted(&world).await;
        let [first] = *ids else { panic!("{ids:?}") };
        assert_eq!(restore(&world, first).await["error_number"], 20);
        store.fail(None);
        assert_eq!(create(&world).await["success"], true);
        assert_eq!(store.content(BOB), None);
        assert_eq!(store.content(&first.to_string()).as_deref(), Some("first"));
        store.fill(BOB, "second");
        delete(&world).await;
        // Half of a return is made, and then somebody else gets the address.
        store.fail(trouble);
        assert_eq!(restore(&world, first).await["error_number"], 20);
        store.fail(None);
        assert_eq!(create(&world).await["success"], true);
        assert_eq!(store.content(BOB), None);
        delete(&world).await;
        assert_eq!(restore(&world, first).await["success"], true);
        assert_eq!(store.content(BOB).as_deref(), Some("first"));
    }
}

#[tokio::test]
async fn a_return_that_ended_half_way_shows_nobody_the_mail_of_another() {
    let (world, store) = world().await;
    for mail in ["first", "second"] {
        create(&world).await;
        store.fill(BOB, mail);
        delete(&world).await;
    }
    let ids = deleted(&world).await;
    let [first, second] = *ids else { panic!("{ids:?}") };
    assert_eq!(restore(&world, first).await["success"], true);
    delete(&world).await;
    // The first call learns nothing of putting aside, so that the return is not begun; both moves are made in the end.
    store.fail(Trouble::Silent);
    assert_eq!(restore(&world, second).await["error_number"], 20);
    assert_eq!(store.content(BOB), None);
    store.fail(Trouble::SilentReturns);
    assert_eq!(restore(&world, second).await["error_number"], 20);
    assert_eq!(store.content(BOB).as_deref(), Some("second"));
    store.fail(None);
    assert_eq!(create(&world).await["success"], true);
    assert_eq!(store.content(BOB), None);
    delete(&world).await;
    for (id, mail) in [(second, "second"), (first, "first")] {
        assert_eq!(restore(&world, id).await["success"], true);
        assert_eq!(store.content(BOB).as_deref(), Some(mail));
        delete(&world).await;
    }
}

/// The roster with bob in it.
fn with_bob() -> Roster {
    let mut value = roster_value();
    let mailboxes = value["mailboxes"].as_array_mut().unwrap();
    let mut bob = mailboxes.iter().find(|it| it["address"] == "alice@acme.example").unwrap().clone();
    bob["address"] = BOB.into();
    bob["aliases"] = json!([]);
    mailboxes.push(bob);
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn a_seed_that_brings_back_the_account_deleted_last_moves_nothing() {
    let (world, store) = world().await;
    for mail in ["first", "second"] {
        create(&world).await;
        store.fill(BOB, mail);
        delete(&world).await;
    }
    let moves = *store.moves.lock().unwrap();
    for _ in 0..2 {
        seed(world.directory(), &with_bob()).await;
        world.directory().settle_mailboxes(&*store).await.unwrap();
        assert_eq!(store.content(BOB).as_deref(), Some("second"));
    }
    assert_eq!(*store.moves.lock().unwrap(), moves);
}

#[tokio::test]
async fn what_a_seed_has_left_to_be_moved_is_moved_once_whatever_comes_between() {
    let (world, store) = world().await;
    for mail in ["first", "second"] {
        create(&world).await;
        store.fill(BOB, mail);
        world.call(ADMIN, "delete_user", json!({ "user": BOB })).await;
    }
    let ids = deleted(&world).await;
    let [first, second] = *ids else { panic!("{ids:?}") };
    // Both were deleted in the same second, so that the seed takes the younger one, and the mail there is the other's.
    assert_eq!(restore(&world, first).await["success"], true);
    delete(&world).await;
    assert_eq!(store.content(BOB).as_deref(), Some("first"));
    seed(world.directory(), &with_bob()).await;
    for trouble in [Trouble::Down, Trouble::Silent, Trouble::SilentReturns] {
        store.fail(trouble);
        assert!(world.directory().settle_mailboxes(&*store).await.is_err());
        seed(world.directory(), &with_bob()).await;
    }
    store.fail(None);
    for _ in 0..2 {
        world.directory().settle_mailboxes(&*store).await.unwrap();
        assert_eq!(store.content(BOB).as_deref(), Some("second"));
        assert_eq!(store.content(&first.to_string()).as_deref(), Some("first"));
        assert_eq!(store.content(&second.to_string()), None);
    }
}
