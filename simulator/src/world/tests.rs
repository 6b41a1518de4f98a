//! Dialogues with a whole platform, and a thousand worlds.

use super::plans::{accounts, add_team, plan, world};
use super::*;
use crate::engine::{RenameTicket, Unscanned};
use crate::store::StoreError;

const BODY: &str =
    "From: <bob@bigmail.example>\r\nTo: <alice@acme.example>\r\nSubject: hello\r\n\r\n..a line\r\nbye\r\n";

fn send(world: &mut World, recipients: &[&str]) -> String {
    let mut talk = Talk::begin(world, "mx-1", Door::Mx, false);
    assert!(talk.hear(world).starts_with("220 "));
    assert!(talk.say(world, "EHLO client.example").starts_with("250-"));
    assert!(talk.say(world, "MAIL FROM:<bob@bigmail.example>").starts_with("250 "));
    for to in recipients {
        let reply = talk.say(world, &format!("RCPT TO:<{to}>"));
        if !reply.starts_with("250 ") {
            return reply;
        }
    }
    assert!(talk.say(world, "DATA").starts_with("354 "));
    talk.send(world, BODY.replace("\r\n..", "\r\n...").as_bytes());
    talk.say(world, ".")
}

#[test]
fn a_message_from_outside_reaches_its_mailbox_byte_for_byte() {
    let mut world = world(1);
    let reply = send(&mut world, &["alice@acme.example"]);
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
    world.advance(1_000);
    let messages = world.messages("store-1", Role::Store, "alice@acme.example", "INBOX");
    assert_eq!(messages.len(), 1, "{:#?}", world.log);
    let text = String::from_utf8(messages[0].clone()).unwrap();
    assert!(text.starts_with("Return-Path: <bob@bigmail.example>\r\n"), "{text}");
    assert!(text.ends_with(BODY), "{text}");
    assert_eq!(world.queued(), 0);
}

#[test]
fn a_message_says_what_address_it_was_written_to_and_nobody_elses_results() {
    let mut world = world(1);
    add_team(&mut world.accounts);
    let claims = "Authentication-Results: mx-1.northmail.example; spf=pass smtp.mailfrom=claimed.example\r\n\
                  Authentication-Results: other.example;\r\n\tdkim=pass header.d=claimed.example\r\n";
    let text = format!("{claims}{}", BODY.replace("\r\n..", "\r\n..."));
    let reply = send_as(&mut world, "bob@bigmail.example", &["team@acme.example"], &text);
    assert!(reply.starts_with("250 "), "{reply}");
    world.advance(1_000);
    for (store, user) in [("store-1", "alice@acme.example"), ("store-2", "office@acme.example")] {
        let messages = world.messages(store, Role::Store, user, "INBOX");
        assert_eq!(messages.len(), 1, "{:#?}", world.log);
        let text = String::from_utf8(messages[0].clone()).unwrap();
        let names = text.lines().filter(|line| !line.starts_with('\t')).map(|line| line.split(':').next().unwrap());
        let expected = ["Return-Path", "Delivered-To", "Received", "X-Original-To", "Authentication-Results"];
        assert_eq!(names.take(5).collect::<Vec<_>>(), expected, "{text}");
        assert!(text.contains(&format!("\r\nDelivered-To: {user}\r\n")), "{text}");
        assert!(text.contains("\r\nX-Original-To: team@acme.example\r\n"), "{text}");
        assert_eq!(text.matches("Authentication-Results: ").count(), 1, "{text}");
        assert!(!text.contains("claimed.example"), "{text}");
    }
}

#[test]
fn doors_greet_with_the_same_words_as_real_ones() {
    let mut world = world(1);
    for (door, expected) in [(Door::Imap, "] ready\r\n"), (Door::Pop3, "+OK ready\r\n")] {
        let mut talk = Talk::begin(&mut world, "access-1", door, false);
        let heard = talk.hear(&mut world);
        assert!(heard.ends_with(expected), "{heard}");
    }
}

#[test]
fn a_renamed_mailbox_is_answered_when_its_new_name_is_durable() {
    let mut world = world(1);
    send(&mut world, &["alice@acme.example"]);
    world.advance(1_000);
    let disk = world.disk("store-1", Role::Store).unwrap().clone();
    let rename = |world: &mut World, store: &str, from: &str, to: &str| {
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        let order = Input::Rename { ticket: RenameTicket(7), store: store.to_owned(), from, to };
        world.engine.handle(world.now(), order);
    };
    let renamed = |world: &mut World| match std::iter::from_fn(|| world.engine.next_output()).collect::<Vec<_>>()[..] {
        [] => None,
        [Output::Renamed { ticket: RenameTicket(7), outcome }] => Some(outcome),
        ref outputs => panic!("{outputs:?}"),
    };
    let sync = |world: &mut World, succeeds: bool| {
        let (ticket, result) = disk.finish_sync(succeeds).unwrap();
        let host = "store-1".to_owned();
        world.engine.handle(world.now(), Input::Synced { host, role: Role::Store, ticket, result });
    };
    let held = |world: &World, address: &str| world.messages("store-1", Role::Store, address, "INBOX").len();
    rename(&mut world, "store-1", "alice@acme.example", "=1@deleted.invalid");
    assert_eq!(renamed(&mut world), None);
    // Who asks again hears no earlier that there is nothing left to be renamed.
    rename(&mut world, "store-1", "alice@acme.example", "=1@deleted.invalid");
    assert_eq!(renamed(&mut world), None);
    sync(&mut world, true);
    let outputs: Vec<Output> = std::iter::from_fn(|| world.engine.next_output()).collect();
    let outcomes: Vec<_> = outputs
        .iter()
        .filter_map(|output| if let Output::Renamed { outcome, .. } = output { Some(*outcome) } else { None })
        .collect();
    assert_eq!(outcomes, [Ok(()), Err(StoreError::NoUser)]);
    assert_eq!((held(&world, "alice@acme.example"), held(&world, "=1@deleted.invalid")), (0, 1));
    // A disk that fails takes it back, and nobody hears that it was done.
    rename(&mut world, "store-1", "=1@deleted.invalid", "alice@acme.example");
    sync(&mut world, false);
    let outputs: Vec<Output> = std::iter::from_fn(|| world.engine.next_output()).collect();
    let refused = |output: &Output| matches!(output, Output::Renamed { outcome: Err(StoreError::Disk(_)), .. });
    assert!(outputs.iter().any(refused), "{outputs:?}");
    rename(&mut world, "store-9", "alice@acme.example", "=1@deleted.invalid");
    assert_eq!(renamed(&mut world), Some(Err(StoreError::Disk(crate::disk::DiskError::Missing))));
}

#[test]
fn an_unknown_recipient_is_refused_at_once() {
    let mut world = world(1);
    assert!(send(&mut world, &["nobody@acme.example"]).starts_with("550 5.1.1"));
    assert!(send(&mut world, &["x@elsewhere.example"]).starts_with("554 5.7.1"));
}

#[test]
fn a_full_mailbox_is_refused_at_rcpt_until_there_is_room() {
    let mut world = world(1);
    let full: values::MailAddress = "full@acme.example".parse().unwrap();
    world.accounts.add(full.clone(), "store-1", "full's").delivery.mailboxes[0].quota = Some(100);
    assert!(send(&mut world, &["full@acme.example"]).starts_with("250 "));
    world.advance(1_000);
    // The first letter alone is larger than the quota: its store turned it down, and its sender was told.
    assert_eq!(world.messages("store-1", Role::Store, "full@acme.example", "INBOX").len(), 0);
    world.accounts.add(full, "store-1", "full's").delivery.mailboxes[0].quota = Some(1_000);
    assert!(send(&mut world, &["full@acme.example"]).starts_with("250 "));
    assert!(send(&mut world, &["full@acme.example"]).starts_with("250 "));
    assert!(send(&mut world, &["full@acme.example"]).starts_with("250 "));
    world.advance(1_000);
    let held = world.messages("store-1", Role::Store, "full@acme.example", "INBOX");
    let bytes: usize = held.iter().map(Vec::len).sum();
    world.accounts.add("full@acme.example".parse().unwrap(), "store-1", "full's").delivery.mailboxes[0].quota =
        Some(bytes as u64);
    assert!(send(&mut world, &["full@acme.example"]).starts_with("552 5.2.2"));
}

#[test]
fn a_user_signs_in_and_reads_over_imap() {
    let mut world = world(1);
    send(&mut world, &["alice@acme.example"]);
    world.advance(1_000);
    let mut talk = Talk::begin(&mut world, "access-1", Door::Imap, false);
    assert!(talk.hear(&mut world).starts_with("* OK"));
    let reply = talk.say(&mut world, "a LOGIN alice@acme.example \"alice's\"");
    assert!(reply.starts_with("a OK"), "{reply} {} {:#?}", world.is_closed(talk.connection()), world.log);
    talk.send(&mut world, b"b SELECT INBOX\r\n");
    assert!(talk.hear_until(&mut world, "b OK").contains("* 1 EXISTS"));
    talk.send(&mut world, b"c FETCH 1 BODY[TEXT]\r\n");
    assert!(talk.hear_until(&mut world, "c OK").contains("..a line\r\nbye"));
    talk.send(&mut world, b"d IDLE\r\n");
    talk.hear_until(&mut world, "+ idling");
    send(&mut world, &["alice@acme.example"]);
    assert!(talk.hear_until(&mut world, "EXISTS").contains("* 2 EXISTS"));
    talk.send(&mut world, b"DONE\r\ne LOGOUT\r\n");
    assert!(talk.hear_until(&mut world, "e OK").contains("* BYE"));
}

#[test]
fn a_wrong_password_and_a_store_that_is_off_are_told_apart() {
    let mut world = world(1);
    let mut talk = Talk::begin(&mut world, "access-1", Door::Imap, false);
    talk.hear(&mut world);
    assert!(talk.say(&mut world, "a LOGIN alice@acme.example wrong").starts_with("a NO [AUTHENTICATIONFAILED]"));
    world.power_off("store-1");
    let reply = talk.say(&mut world, "b LOGIN alice@acme.example \"alice's\"");
    assert!(reply.starts_with("b NO [UNAVAILABLE]"), "{reply}");
    world.power_on("store-1").unwrap();
    let mut talk = Talk::begin(&mut world, "access-1", Door::Pop3, false);
    assert!(talk.hear(&mut world).starts_with("+OK"));
    assert!(talk.say(&mut world, "USER alice@acme.example").starts_with("+OK"));
    assert!(talk.say(&mut world, "PASS alice's").starts_with("+OK"));
    assert!(talk.say(&mut world, "STAT").starts_with("+OK 0 0"));
}

pub(super) fn submit(world: &mut World, recipients: &[&str]) -> String {
    let mut talk = Talk::begin(world, "submission-1", Door::Submission, true);
    talk.hear(world);
    talk.say(world, "EHLO client.example");
    let reply = talk.say(world, "AUTH PLAIN AGFsaWNlQGFjbWUuZXhhbXBsZQBhbGljZSdz");
    assert!(reply.starts_with("235 "), "{reply}");
    assert!(talk.say(world, "MAIL FROM:<alice@acme.example>").starts_with("250 "));
    for to in recipients {
        assert!(talk.say(world, &format!("RCPT TO:<{to}>")).starts_with("250 "));
    }
    talk.say(world, "DATA");
    talk.say(world, "From: alice@acme.example\r\nSubject: out\r\n\r\nhello\r\n.")
}

#[test]
fn a_users_message_reaches_users_and_the_simulated_internet() {
    let mut world = world(1);
    let reply = submit(&mut world, &["hank@globex.example", "bob@plain.example", "bob@bigmail.example"]);
    assert!(reply.starts_with("250 "), "{reply}");
    world.advance(5_000);
    assert_eq!(world.messages("store-1", Role::Store, "hank@globex.example", "INBOX").len(), 1);
    assert_eq!(world.messages("internet", Role::Internet, "bob@plain.example", "INBOX").len(), 1);
    // Greylisted, and tried again after half an hour.
    assert_eq!(world.messages("internet", Role::Internet, "bob@bigmail.example", "INBOX").len(), 0);
    world.advance(1_800_000);
    assert_eq!(world.messages("internet", Role::Internet, "bob@bigmail.example", "INBOX").len(), 1);
    assert_eq!(world.queued(), 0);
    let mut talk = Talk::begin(&mut world, "internet", Door::InternetImap, false);
    talk.hear(&mut world);
    assert!(talk.say(&mut world, "a LOGIN bob@plain.example \"bob's\"").starts_with("a OK"));
    talk.send(&mut world, b"b SELECT INBOX\r\n");
    assert!(talk.hear_until(&mut world, "b OK").contains("* 1 EXISTS"));
}

#[test]
fn what_cannot_be_delivered_comes_back_to_its_sender() {
    let mut world = world(1);
    submit(&mut world, &["nobody@plain.example", "x@nowhere.example", "bob@down.example"]);
    // The host that is down is waited for first, so that one notice tells of both failures.
    world.advance(60_000);
    let notices = world.messages("store-1", Role::Store, "alice@acme.example", "INBOX");
    assert_eq!(notices.len(), 1, "{:#?}", world.log);
    let text = String::from_utf8_lossy(&notices[0]);
    assert!(
        text.contains("Final-Recipient: rfc822; x@nowhere.example\r\nAction: failed\r\nStatus: 5.4.4\r\n"),
        "{text}"
    );
    assert!(
        text.contains("Final-Recipient: rfc822; nobody@plain.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"),
        "{text}"
    );
    world.advance(5 * 3_600_000);
    let notices = world.messages("store-1", Role::Store, "alice@acme.example", "INBOX");
    assert!(String::from_utf8_lossy(&notices[1]).contains("Action: delayed\r\n"));
    world.advance(5 * 86_400_000);
    let notices = world.messages("store-1", Role::Store, "alice@acme.example", "INBOX");
    assert_eq!(notices.len(), 3);
    let text = String::from_utf8_lossy(&notices[2]);
    assert!(
        text.contains("Final-Recipient: rfc822; bob@down.example\r\nAction: failed\r\nStatus: 4.4.7\r\n"),
        "{text}"
    );
    assert_eq!(world.queued(), 0);
}

#[test]
fn a_forward_goes_out_under_our_name_and_its_bounce_comes_back() {
    let mut world = world(1);
    let sales: values::MailAddress = "sales@acme.example".parse().unwrap();
    let mut delivery = world.accounts.add("x@acme.example".parse().unwrap(), "store-1", "x").delivery.clone();
    delivery.mailboxes.clear();
    delivery.forwards = vec!["bob@plain.example".parse().unwrap(), "nobody@plain.example".parse().unwrap()];
    world.accounts.add_other(&sales, delivery);
    assert!(send(&mut world, &["sales@acme.example"]).starts_with("250 "));
    world.advance(5_000);
    let forwarded = world.messages("internet", Role::Internet, "bob@plain.example", "INBOX");
    assert_eq!(forwarded.len(), 1);
    let text = String::from_utf8_lossy(&forwarded[0]);
    assert!(text.starts_with("Return-Path: <SRS0="), "{text}");
    assert!(text.contains("=bigmail.example=bob@srs.northmail.example>\r\n"), "{text}");
    // The other forward failed; the notice reaches the sender, whose host puts strangers off at first.
    world.advance(4_000_000);
    let notices = world.messages("internet", Role::Internet, "bob@bigmail.example", "INBOX");
    assert_eq!(notices.len(), 1, "{:#?}", world.log);
    assert!(String::from_utf8_lossy(&notices[0]).contains("Original-Recipient: rfc822; sales@acme.example\r\n"));
    assert_eq!(world.queued(), 0);
}

#[test]
fn an_automatic_reply_is_sent_once_a_day_to_people_only() {
    let mut world = world(1);
    let account = world.accounts.add("office@acme.example".parse().unwrap(), "store-2", "x");
    account.delivery.autoreply = Some(crate::directory::Autoreply {
        from: "office@acme.example".parse().unwrap(),
        text: "Closed today – back on Monday".to_owned(),
        subject: None,
        interval_seconds: 86_400,
    });
    let mail = |to: &str, extra: &str| {
        format!(
            "From: <bob@plain.example>\r\nTo: <{to}>\r\nSubject: Hi\r\nMessage-ID: <1@plain.example>\r\n{extra}\r\nhi\r\n"
        )
    };
    let replies = |world: &mut World, text: &str| {
        assert!(send_as(world, "bob@plain.example", &["office@acme.example"], text).starts_with("250 "));
        world.advance(10_000);
        world.messages("internet", Role::Internet, "bob@plain.example", "INBOX")
    };
    assert_eq!(replies(&mut world, &mail("office@acme.example", "Precedence: bulk\r\n")).len(), 0);
    assert_eq!(replies(&mut world, &mail("someone@else.example", "")).len(), 0);
    let first = replies(&mut world, &mail("office@acme.example", ""));
    assert_eq!(first.len(), 1, "{:#?}", world.log);
    let text = String::from_utf8_lossy(&first[0]);
    for part in
        ["Return-Path: <>\r\n", "Auto-Submitted: auto-replied", "In-Reply-To: <1@plain.example>", "Subject: Auto: Hi"]
    {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(replies(&mut world, &mail("office@acme.example", "")).len(), 1);
    world.advance(86_400_000);
    assert_eq!(replies(&mut world, &mail("office@acme.example", "")).len(), 2);
}

pub(super) fn send_as(world: &mut World, from: &str, recipients: &[&str], text: &str) -> String {
    let mut talk = Talk::begin(world, "mx-1", Door::Mx, false);
    talk.hear(world);
    talk.say(world, "EHLO client.example");
    talk.say(world, &format!("MAIL FROM:<{from}>"));
    for to in recipients {
        talk.say(world, &format!("RCPT TO:<{to}>"));
    }
    talk.say(world, "DATA");
    talk.say(world, &format!("{text}."))
}

const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
const EICAR: &str = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

#[test]
fn spam_is_refused_and_a_virus_is_held_apart() {
    let mut world = world(1);
    let spam = format!("From: <b@plain.example>\r\nSubject: x\r\n\r\n{GTUBE}\r\n");
    let reply = send_as(&mut world, "b@plain.example", &["alice@acme.example"], &spam);
    assert!(reply.starts_with("554 5.7.1"), "{reply}");
    let virus = format!("From: <b@plain.example>\r\nSubject: x\r\n\r\n{EICAR}\r\n");
    let reply = send_as(&mut world, "b@plain.example", &["alice@acme.example"], &virus);
    assert!(reply.starts_with("250 "), "{reply}");
    world.advance(5_000);
    assert_eq!(world.messages("store-1", Role::Store, "alice@acme.example", "INBOX").len(), 0);
    let (mail, _) = world.engine.mail_store("store-1", Role::Store).unwrap();
    assert_eq!(mail.held_count(&"alice@acme.example".parse().unwrap()), 1);
}

#[test]
fn spam_for_who_wants_it_filed_lies_in_the_spam_folder_with_its_tag() {
    let mut world = world(1);
    let account = world.accounts.add("alice@acme.example".parse().unwrap(), "store-1", "alice's");
    // Fields that are missing are enough for who wants it so.
    account.delivery.policy.quarantine = values::Score::from_thousandths(1).unwrap();
    account.delivery.policy.reject = values::Score::from_thousandths(10_000_000).unwrap();
    let spam = "From: <b@plain.example>\r\nSubject: x\r\n\r\nhello\r\n";
    assert!(send_as(&mut world, "b@plain.example", &["alice@acme.example"], spam).starts_with("250 "));
    world.advance(5_000);
    let found = world.messages("store-1", Role::Store, "alice@acme.example", "Spam");
    assert_eq!(found.len(), 1);
    let text = String::from_utf8_lossy(&found[0]);
    assert!(text.contains("X-Spam: Yes\r\n") && text.contains("Subject: [SPAM] x\r\n"), "{text}");
}

#[test]
fn a_mailbox_that_moved_while_mail_was_waiting_is_found_again() {
    let mut world = world(1);
    world.power_off("store-1");
    assert!(send(&mut world, &["alice@acme.example"]).starts_with("250 "));
    world.advance(100_000);
    world.accounts.add("alice@acme.example".parse().unwrap(), "store-2", "alice's");
    world.advance(1_000_000);
    assert_eq!(world.messages("store-2", Role::Store, "alice@acme.example", "INBOX").len(), 1, "{:#?}", world.log);
    assert_eq!(world.queued(), 0);
}

#[test]
fn mail_that_waits_for_an_address_finds_its_mailbox_under_another_one() {
    let (alice, alicia) = ("alice@acme.example", "alicia@acme.example");
    let mut world = world(1);
    world.power_off("store-1");
    // One of its copies goes elsewhere, and is not sent again.
    let forwards = vec!["bob@plain.example".parse().unwrap()];
    world.accounts.add(alice.parse().unwrap(), "store-1", "alice's").delivery.forwards = forwards;
    assert!(send(&mut world, &[alice]).starts_with("250 "));
    world.advance(100_000);
    world.accounts.rename(&alice.parse().unwrap(), &alicia.parse().unwrap());
    assert!(send(&mut world, &[alice]).starts_with("550 5.1.1"), "nobody new gets through");
    world.power_on("store-1").unwrap();
    world.advance(1_000_000);
    assert_eq!(world.messages("store-1", Role::Store, alicia, "INBOX").len(), 1, "{:#?}", world.log);
    assert_eq!(world.messages("store-1", Role::Store, alice, "INBOX").len(), 0);
    assert_eq!(world.messages("internet", Role::Internet, "bob@plain.example", "INBOX").len(), 1);
    assert_eq!(world.queued(), 0);
}

#[test]
fn without_a_defense_host_mail_is_put_off_refused_or_passes_as_the_plan_says() {
    for (unscanned, code) in
        [(Unscanned::Defer, "451 4.7.1"), (Unscanned::Refuse, "550 5.7.1"), (Unscanned::Pass, "250 ")]
    {
        let mut topology = plan();
        topology.defense.unscanned = unscanned;
        let mut world = World::new(1, topology, accounts()).unwrap();
        world.power_off("defense-1");
        let said = send(&mut world, &["alice@acme.example"]);
        assert!(said.starts_with(code), "{unscanned:?}: {said}");
        world.advance(5_000);
        let arrived = world.messages("store-1", Role::Store, "alice@acme.example", "INBOX").len();
        assert_eq!(arrived, usize::from(unscanned == Unscanned::Pass));
    }
}

#[test]
fn a_full_disk_answers_452_and_a_failed_sync_never_250() {
    let mut world = world(1);
    let disk = world.disk("mx-1", Role::Mx).unwrap();
    disk.limit(Some(disk.used() + 10));
    assert!(send(&mut world, &["alice@acme.example"]).starts_with("452 4.3.1"));
    world.disk("mx-1", Role::Mx).unwrap().limit(None);
    world.mishaps.sync_failures_per_million = 1_000_000;
    assert!(send(&mut world, &["alice@acme.example"]).starts_with("451 4.3.0"));
    world.mishaps.sync_failures_per_million = 0;
    assert!(send(&mut world, &["alice@acme.example"]).starts_with("250 "));
    world.advance(5_000);
    assert_eq!(world.messages("store-1", Role::Store, "alice@acme.example", "INBOX").len(), 1);
}

#[test]
fn a_peer_with_too_many_connections_is_turned_away_and_others_are_not() {
    let mut world = world(1);
    let greedy = IpAddr::from([192, 0, 2, 9]);
    let most = crate::engine::Bounds::STANDARD.connections_per_peer;
    let first: Vec<ConnectionId> = (0..most).map(|_| world.connect("mx-1", Door::Mx, greedy, false)).collect();
    let refused = world.connect("mx-1", Door::Mx, greedy, false);
    world.advance(10);
    assert!(world.read(refused).starts_with(b"421 4.7.0"));
    assert!(world.read(first[0]).starts_with(b"220 "));
    assert!(send(&mut world, &["alice@acme.example"]).starts_with("250 "));
    world.hang_up(first[0]);
    let again = world.connect("mx-1", Door::Mx, greedy, false);
    world.advance(10);
    assert!(world.read(again).starts_with(b"220 "));
}

#[test]
fn a_client_that_reads_nothing_is_given_nothing_more_and_disturbs_nobody() {
    let mut world = world(1);
    let connection = world.connect("mx-1", Door::Mx, IpAddr::from([192, 0, 2, 9]), false);
    world.advance(10);
    world.stall(connection);
    world.write(connection, b"EHLO x\r\n");
    world.write(connection, &b"HELP\r\n".repeat(200_000));
    world.advance(1_000);
    let said = world.read(connection).len();
    assert!(said < 1 << 20, "{said} bytes for somebody who reads nothing");
    world.advance(3_600_000);
    assert!(world.read(connection).len() < 1 << 20);
    assert!(send(&mut world, &["alice@acme.example"]).starts_with("250 "));
}
