//! What the store promises, over restarts and failures of its disk.

mod replay;

use values::MailAddress;

use super::*;
use crate::Moment;
use crate::disk::MemoryDisk;

const NOW: Moment = Moment(1_800_000_000_000);

fn alice() -> MailAddress {
    "alice@acme.example".parse().expect("an address")
}

fn open(disk: &mut MemoryDisk) -> MailStore {
    MailStore::open(disk, Options::STANDARD).expect("the disk opens").0
}

fn finish(mail: &mut MailStore, disk: &mut MemoryDisk) {
    while let Some((ticket, result)) = disk.finish_sync(true) {
        let _ = mail.synced(disk, ticket, result);
    }
}

fn delivery<'a>(id: &'a str, address: &'a MailAddress, content: &'a [&'a [u8]]) -> NewDelivery<'a> {
    NewDelivery { id, address, quota: None, folder: "INBOX", content }
}

fn inbox(mail: &MailStore, user: UserId) -> &Mailbox {
    let id = mail.find(user, &MailboxName::inbox()).expect("everybody has an inbox");
    mail.mailbox(user, id).expect("it was just found")
}

#[test]
fn a_user_begins_with_an_inbox_and_the_usual_mailboxes() {
    let mut disk = MemoryDisk::new();
    let mut mail = open(&mut disk);
    let user = mail.enter(&mut disk, 5, &alice(), None).expect("it fits");
    assert_eq!(mail.enter(&mut disk, 9, &alice(), None), Ok(user));
    let names: Vec<(String, Option<SpecialUse>, u32)> =
        mail.mailboxes(user).map(|(name, mailbox)| (name.to_string(), mailbox.special, mailbox.uid_validity)).collect();
    assert_eq!(
        names,
        [
            ("Drafts".to_owned(), Some(SpecialUse::Drafts), 8),
            ("INBOX".to_owned(), None, 5),
            ("Sent".to_owned(), Some(SpecialUse::Sent), 7),
            ("Spam".to_owned(), Some(SpecialUse::Junk), 6),
            ("Trash".to_owned(), Some(SpecialUse::Trash), 9),
        ]
    );
}

#[test]
fn a_delivery_is_made_once_over_restarts() {
    let mut disk = MemoryDisk::new();
    let mut mail = open(&mut disk);
    let first = mail.deliver(&mut disk, NOW, delivery("q1/1", &alice(), &[b"one"])).expect("it fits");
    assert!(!first.repeated);
    assert_eq!(mail.was_delivered("q1/1", &alice()), None, "it is not durable yet");
    finish(&mut mail, &mut disk);
    assert!(first.position <= mail.durable_to());
    let said = |id, to| mail.was_delivered(id, to);
    assert_eq!((said("q1/1", &alice()), said("q1/2", &alice())), (Some(true), Some(false)));
    let mut mail = open(&mut disk);
    let again = mail.deliver(&mut disk, NOW.plus(86_400_000), delivery("q1/1", &alice(), &[b"one"]));
    assert_eq!(again, Ok(Delivered { position: first.position, repeated: true }));
    let bob = "bob@acme.example".parse().expect("an address");
    let other = mail.deliver(&mut disk, NOW, delivery("q1/1", &bob, &[b"one"])).expect("it fits");
    assert!(!other.repeated, "another user's delivery is another delivery");
    let user = mail.user(&alice()).expect("she has mail");
    assert_eq!(inbox(&mail, user).messages().len(), 1);
}

#[test]
fn a_delivery_goes_to_its_folder_and_to_the_inbox_when_that_is_no_name() {
    let mut disk = MemoryDisk::new();
    let mut mail = open(&mut disk);
    let alice = alice();
    for (id, folder) in [("1", "Spam"), ("2", "Lists/Rust"), ("3", "../../etc"), ("4", "")] {
        let new = NewDelivery { folder, ..delivery(id, &alice, &[b"x"]) };
        mail.deliver(&mut disk, NOW, new).expect("it fits");
    }
    let user = mail.user(&alice).expect("she has mail");
    let full: Vec<(String, usize)> = mail
        .mailboxes(user)
        .filter(|(_, mailbox)| !mailbox.messages().is_empty())
        .map(|(name, mailbox)| (name.to_string(), mailbox.messages().len()))
        .collect();
    assert_eq!(full, [("INBOX".to_owned(), 2), ("Lists/Rust".to_owned(), 1), ("Spam".to_owned(), 1)]);
}

#[test]
fn what_is_held_is_in_no_mailbox() {
    let mut disk = MemoryDisk::new();
    let mut mail = open(&mut disk);
    let held = mail.hold(&mut disk, NOW, delivery("v1", &alice(), &[b"virus"]), "EICAR").expect("it fits");
    assert!(mail.hold(&mut disk, NOW, delivery("v1", &alice(), &[b"virus"]), "EICAR").expect("it is known").repeated);
    assert_eq!(mail.user(&alice()), None);
    let reopened = open(&mut disk);
    assert_eq!(reopened.held_count(&alice()), 1);
    let [message] = reopened.held() else { panic!("one is held") };
    assert_eq!((message.reason.as_str(), reopened.read(&disk, message.content)), ("EICAR", Ok(b"virus".to_vec())));
    assert!(held.position > Position::default());
}

#[test]
fn a_quota_is_never_exceeded_and_never_counted_twice() {
    let mut disk = MemoryDisk::new();
    let mut mail = open(&mut disk);
    let mut delivered = 0;
    let alice = alice();
    for id in 0..20 {
        let name = id.to_string();
        let new = NewDelivery { quota: Some(100), ..delivery(&name, &alice, &[&[b'x'; 15]]) };
        match mail.deliver(&mut disk, NOW, new) {
            Ok(_) => delivered += 1,
            Err(error) => assert_eq!(error, StoreError::OverQuota),
        }
    }
    let user = mail.user(&alice).expect("she has mail");
    assert_eq!((delivered, mail.usage(user).bytes, mail.usage(user).limit), (6, 90, Some(100)));
    let box_id = inbox(&mail, user).id;
    let trash = mail.find(user, &MailboxName::parse("Trash").expect("a name")).expect("everybody has one");
    let all = Ranges::of([(1, u32::MAX)]);
    assert_eq!(mail.copy(&mut disk, user, box_id, trash, &all, false), Err(StoreError::OverQuota));
    assert_eq!(mail.copy(&mut disk, user, box_id, trash, &all, true).map(|copied| copied.source.count()), Ok(6));
    assert_eq!(mail.usage(user).bytes, 90);
    mail.expunge(&mut disk, user, trash, &Ranges::of([(1, 2)])).expect("it fits");
    assert_eq!((mail.usage(user).bytes, open(&mut disk).usage(user).bytes), (60, 60));
}

#[test]
fn a_change_that_cannot_be_written_has_not_happened() {
    let mut disk = MemoryDisk::new();
    let mut mail = open(&mut disk);
    mail.deliver(&mut disk, NOW, delivery("1", &alice(), &[b"one"])).expect("it fits");
    finish(&mut mail, &mut disk);
    let user = mail.user(&alice()).expect("she has mail");
    let before = (mail.state.clone(), mail.position(user));
    let list = FlagList { flags: Flags::SEEN, keywords: vec!["new".to_owned()] };
    let (box_id, all) = (inbox(&mail, user).id, Ranges::of([(1, 1)]));
    let name = MailboxName::parse("new").expect("a name");
    let bob = "bob@acme.example".parse().expect("an address");
    disk.limit(Some(0));
    let full = StoreError::Disk(DiskError::Full);
    assert_eq!(mail.deliver(&mut disk, NOW, delivery("2", &alice(), &[b"two"])), Err(full));
    assert_eq!(mail.deliver(&mut disk, NOW, delivery("2", &bob, &[b"two"])), Err(full));
    assert_eq!(mail.change_flags(&mut disk, user, box_id, &all, FlagVerb::Add, &list), Err(full));
    assert_eq!(mail.expunge(&mut disk, user, box_id, &all), Err(full));
    assert_eq!(mail.create(&mut disk, NOW, user, &name, None), Err(full));
    assert_eq!(mail.rename(&mut disk, NOW, user, &MailboxName::inbox(), &name), Err(full));
    assert_eq!((mail.state.clone(), mail.position(user)), before);
    disk.limit(None);
    disk.fail_append(0, 3);
    assert_eq!(mail.expunge(&mut disk, user, box_id, &all), Err(StoreError::Disk(DiskError::Broken)));
    assert_eq!((mail.state.clone(), mail.position(user)), before);
    assert_eq!(mail.expunge(&mut disk, user, box_id, &all), Ok(all.clone()), "the disk has recovered");
}

#[test]
fn a_failed_sync_ends_the_store_until_it_is_opened_again() {
    let mut disk = MemoryDisk::new();
    let mut mail = open(&mut disk);
    mail.deliver(&mut disk, NOW, delivery("1", &alice(), &[b"one"])).expect("it fits");
    finish(&mut mail, &mut disk);
    mail.deliver(&mut disk, NOW, delivery("2", &alice(), &[b"two"])).expect("it fits");
    let (ticket, result) = disk.finish_sync(false).expect("a sync was begun");
    assert_eq!(mail.synced(&mut disk, ticket, result), SyncOutcome::Failed);
    assert!(mail.is_failed());
    assert!(mail.deliver(&mut disk, NOW, delivery("3", &alice(), &[b"three"])).is_err());
    let epoch = mail.epoch();
    let (mut mail, _) = mail.reopen(&mut disk, Options::STANDARD).expect("the disk is well again");
    assert!(mail.epoch() > epoch);
    finish(&mut mail, &mut disk);
    let user = mail.user(&alice()).expect("the first message was durable");
    assert_eq!(inbox(&mail, user).messages().len(), 1);
    let again = mail.deliver(&mut disk, NOW, delivery("2", &alice(), &[b"two"])).expect("it fits");
    assert!(!again.repeated, "what was lost is delivered again");
}

#[test]
fn identifiers_are_never_given_twice() {
    let mut disk = MemoryDisk::new();
    let mut mail = open(&mut disk);
    let user = mail.enter(&mut disk, 100, &alice(), None).expect("it fits");
    let name = MailboxName::parse("x").expect("a name");
    let moment = Moment(50_000);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let id = mail.create(&mut disk, moment, user, &name, None).expect("it fits");
        seen.push((id, mail.mailbox(user, id).expect("it was just made").uid_validity));
        mail.delete(&mut disk, user, &name).expect("it is there");
        mail = open(&mut disk);
    }
    assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1), "{seen:?}");
    let box_id = inbox(&mail, user).id;
    let list = FlagList::default();
    let date = InternalDate { seconds: 0, offset_minutes: 0 };
    for uid in 1..4 {
        let message = NewMessage { date, flags: &list, content: &[b"x"] };
        assert_eq!(mail.append(&mut disk, user, box_id, message).map(|appended| appended.uid), Ok(uid));
        mail.expunge(&mut disk, user, box_id, &Ranges::of([(1, u32::MAX)])).expect("it fits");
        mail = open(&mut disk);
    }
}

#[test]
fn a_mailbox_has_at_most_sixty_four_keywords() {
    let mut disk = MemoryDisk::new();
    let mut mail = open(&mut disk);
    mail.deliver(&mut disk, NOW, delivery("1", &alice(), &[b"one"])).expect("it fits");
    let user = mail.user(&alice()).expect("she has mail");
    let (box_id, all) = (inbox(&mail, user).id, Ranges::of([(1, 1)]));
    let mut many = FlagList::default();
    for number in 0..64 {
        many.add_keyword(&format!("k{number}"));
    }
    assert_eq!(mail.change_flags(&mut disk, user, box_id, &all, FlagVerb::Add, &many), Ok(Some(3)));
    let mut more = FlagList::default();
    more.add_keyword("K5");
    assert_eq!(mail.change_flags(&mut disk, user, box_id, &all, FlagVerb::Add, &more), Ok(None));
    more.add_keyword("another");
    let refused = mail.change_flags(&mut disk, user, box_id, &all, FlagVerb::Add, &more);
    assert_eq!(refused, Err(StoreError::Limit("keywords")));
}

#[test]
fn renaming_carries_what_lies_below() {
    let mut disk = MemoryDisk::new();
    let mut mail = open(&mut disk);
    let user = mail.enter(&mut disk, 100, &alice(), None).expect("it fits");
    let name = |text: &str| MailboxName::parse(text).expect("a name");
    for text in ["a", "a/b", "a/b/c", "ab"] {
        mail.create(&mut disk, NOW, user, &name(text), None).expect("it fits");
    }
    let id = mail.find(user, &name("a/b/c"));
    assert_eq!(mail.rename(&mut disk, NOW, user, &name("a"), &name("a/z")), Err(StoreError::Forbidden));
    assert_eq!(mail.rename(&mut disk, NOW, user, &name("a"), &name("ab")), Err(StoreError::Exists));
    assert_eq!(mail.rename(&mut disk, NOW, user, &name("none"), &name("x")), Err(StoreError::NoMailbox));
    mail.rename(&mut disk, NOW, user, &name("a"), &name("z")).expect("it fits");
    assert_eq!((mail.find(user, &name("z/b/c")), mail.find(user, &name("a"))), (id, None));
    assert!(mail.has_children(user, &name("z")) && !mail.has_children(user, &name("ab")));
}
