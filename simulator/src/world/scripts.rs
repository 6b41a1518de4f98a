//! Users' scripts in a whole platform: what they do happens once, whatever dies meanwhile.

use super::plans::world;
use super::*;

fn say(talk: &mut Talk, world: &mut World, line: &str) -> String {
    talk.send(world, format!("{line}\r\n").as_bytes());
    let mut heard = String::new();
    loop {
        let line = talk.hear(world);
        heard.push_str(&line);
        if line.is_empty() || ["OK", "NO", "BYE"].iter().any(|word| line.starts_with(word)) {
            return heard;
        }
    }
}

fn activate(world: &mut World, user: &str, password: &str, script: &str) -> Talk {
    let mut talk = Talk::begin(world, "access-1", Door::Sieve, false);
    talk.hear_until(world, "OK \"ready\"");
    let secret = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("\0{user}\0{password}"));
    let answer = say(&mut talk, world, &format!("AUTHENTICATE \"PLAIN\" \"{secret}\""));
    assert!(answer.starts_with("OK"), "{answer}");
    let put = format!("PUTSCRIPT \"main\" {{{}+}}\r\n{script}", script.len());
    assert!(say(&mut talk, world, &put).starts_with("OK"));
    assert!(say(&mut talk, world, "SETACTIVE \"main\"").starts_with("OK"));
    talk
}

fn send(world: &mut World, id: u32) -> String {
    let mut talk = Talk::begin(world, "mx-1", Door::Mx, false);
    talk.hear(world);
    talk.say(world, "EHLO client.example");
    talk.say(world, "MAIL FROM:<bob@plain.example>");
    talk.say(world, "RCPT TO:<alice+shop@acme.example>");
    talk.say(world, "DATA");
    let text = format!(
        "From: <bob@plain.example>\r\nTo: <alice@acme.example>\r\nSubject: {id}\r\nMessage-ID: <{id}@x>\r\n\r\nhi\r\n."
    );
    talk.say(world, &text)
}

fn outside(world: &World) -> Vec<String> {
    let messages = world.messages("internet", Role::Internet, "bob@plain.example", "INBOX");
    messages.iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect()
}

fn inside(world: &World, folder: &str) -> usize {
    world.messages("store-1", Role::Store, "alice@acme.example", folder).len()
}

/// Adds the subaddress that the directory would know.
fn with_detail(world: &mut World) {
    let own = world.accounts.answer(&crate::directory::Question::Recipient {
        address: "alice@acme.example".parse().unwrap(),
        taken: false,
    });
    let crate::directory::Answer::Recipient(crate::directory::Recipient::Known(delivery)) = own else { panic!() };
    world.accounts.add_other(&"alice+shop@acme.example".parse().unwrap(), delivery);
}

#[test]
fn a_script_answers_a_sender_once_over_a_power_cut_and_again_when_its_days_are_over() {
    let mut world = world(1);
    with_detail(&mut world);
    activate(&mut world, "alice@acme.example", "alice's", "require \"vacation\"; vacation :days 2 \"I am away.\";");
    send(&mut world, 1);
    world.advance(10_000);
    assert_eq!(outside(&world).iter().filter(|text| text.contains("I am away.")).count(), 1, "{:#?}", world.log);
    world.power_off("store-1");
    world.power_on("store-1").unwrap();
    send(&mut world, 2);
    world.advance(10_000);
    assert_eq!((outside(&world).len(), inside(&world, "INBOX")), (1, 2));
    world.advance(2 * 86_400_000);
    send(&mut world, 3);
    world.advance(10_000);
    assert_eq!((outside(&world).len(), inside(&world, "INBOX")), (2, 3));
}

#[test]
fn what_a_script_does_happens_once_whenever_its_store_dies() {
    let script = "require [\"fileinto\", \"mailbox\", \"copy\", \"envelope\", \"subaddress\", \"variables\"];\n\
                  redirect :copy \"bob@plain.example\";\n\
                  if envelope :detail :matches \"to\" \"*\" { fileinto :create \"at/${1}\"; }\nfileinto \"Trash\";";
    for dies_after in (0..60).step_by(3) {
        let mut world = world(dies_after);
        with_detail(&mut world);
        activate(&mut world, "alice@acme.example", "alice's", script);
        assert!(send(&mut world, 1).starts_with("250 "), "{dies_after}");
        world.advance(dies_after);
        world.power_off("store-1");
        world.advance(1_000);
        world.power_on("store-1").unwrap();
        world.advance(6 * 3_600_000);
        let found =
            (outside(&world).len(), inside(&world, "at/shop"), inside(&world, "Trash"), inside(&world, "INBOX"));
        assert_eq!(found, (1, 1, 1, 0), "the store dies after {dies_after} ms: {:#?}", world.log);
        assert_eq!(world.queued(), 0);
    }
}

#[test]
fn a_redirected_message_has_a_sender_that_comes_back_and_says_who_sent_it_on() {
    let mut world = world(1);
    with_detail(&mut world);
    activate(&mut world, "alice@acme.example", "alice's", "redirect \"bob@plain.example\";");
    send(&mut world, 1);
    world.advance(10_000);
    let text = outside(&world).pop().unwrap();
    assert!(text.contains("X-Sieve-Redirected-From: alice@acme.example\r\n"), "{text}");
    assert!(text.starts_with("Return-Path: <SRS0="), "{text}");
    assert_eq!(text.matches("Return-Path:").count(), 1);
    assert_eq!(inside(&world, "INBOX"), 0);
    // The same message again stays, so that two who send to each other come to an end.
    send(&mut world, 1);
    world.advance(10_000);
    assert_eq!((outside(&world).len(), inside(&world, "INBOX")), (1, 1));
}

#[test]
fn a_script_that_no_longer_makes_sense_keeps_the_message() {
    let mut world = world(1);
    with_detail(&mut world);
    let script = "require \"include\"; include :optional \"x\"; include \"main\";";
    let mut talk = activate(&mut world, "alice@acme.example", "alice's", script);
    assert!(say(&mut talk, &mut world, "RENAMESCRIPT \"main\" \"other\"").starts_with("OK"));
    send(&mut world, 1);
    world.advance(10_000);
    assert_eq!(inside(&world, "INBOX"), 1);
    assert!(world.log.iter().any(|event| event.service == "sieve" && event.message.contains("failed")));
}
