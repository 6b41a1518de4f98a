//! Several clients in one mailbox: each keeps the numbers it was told, and they never come apart from the store's.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::Host;
use crate::imap::Session;
use crate::store::MailboxName;

/// A client that believes what it is told.
struct Client {
    session: Session,
    /// What it knows of each message, by sequence number.
    messages: Vec<Known>,
    qresync: bool,
}

#[derive(Clone, Debug, Default)]
struct Known {
    uid: Option<u32>,
    flags: Option<String>,
}

impl Client {
    fn new(host: &mut Host, qresync: bool) -> Self {
        let mut session = host.sign_in();
        if qresync {
            host.say(&mut session, "q ENABLE QRESYNC\n");
        }
        let mut client = Self { session, messages: Vec::new(), qresync };
        client.tell(host, "SELECT INBOX");
        client.tell(host, "FETCH 1:* (UID FLAGS)");
        client
    }

    /// Gives a command and believes the answer.
    fn tell(&mut self, host: &mut Host, command: &str) {
        let said = host.say(&mut self.session, &format!("t {command}\n"));
        assert!(!said.contains("* BYE"), "{command}: {said}");
        let is_quiet = ["FETCH", "STORE", "SEARCH"].iter().any(|name| command.starts_with(name));
        // A message whose answer goes on behind a literal.
        let mut open = None;
        for line in said.lines() {
            if let (Some(number), Some((_, rest))) = (open, line.split_once(" FLAGS ("))
                && !line.starts_with('*')
            {
                let known: &mut Known = self.messages.get_mut(number).expect("the message is known");
                known.flags = Some(sorted(rest.split(')').next().unwrap_or_default()));
            }
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["*", "VANISHED", uids] => {
                    assert!(!is_quiet, "{command}: {said}");
                    assert!(self.qresync);
                    let gone: Vec<(u32, u32)> = uids
                        .split(',')
                        .map(|range| range.split_once(':').unwrap_or((range, range)))
                        .map(|(first, last)| (first.parse().expect("a UID"), last.parse().expect("a UID")))
                        .collect();
                    let count: u32 = gone.iter().map(|(first, last)| last - first + 1).sum();
                    let left = self.messages.len() - usize::try_from(count).expect("a small count");
                    self.messages.retain(|known| {
                        !known.uid.is_some_and(|uid| gone.iter().any(|(first, last)| (*first..=*last).contains(&uid)))
                    });
                    // The others came with this very answer: their UIDs are not known yet, and they are the last.
                    assert!(self.messages.iter().skip(left).all(|known| known.uid.is_none()), "{said}");
                    self.messages.truncate(left);
                }
                ["*", number, "EXISTS"] => {
                    let count: usize = number.parse().expect("a count");
                    assert!(count >= self.messages.len(), "EXISTS never takes away: {said}");
                    self.messages.resize(count, Known::default());
                }
                ["*", number, "EXPUNGE"] => {
                    assert!(!is_quiet, "{command}: {said}");
                    assert!(!self.qresync);
                    let number: usize = number.parse().expect("a number");
                    assert!(number >= 1 && number <= self.messages.len(), "{said}");
                    self.messages.remove(number - 1);
                }
                ["*", number, "FETCH", ..] => {
                    let number: usize = number.parse().expect("a number");
                    open = Some(number - 1);
                    let known = self.messages.get_mut(number - 1).expect("the message is known");
                    let uid = words.iter().position(|word| word.ends_with("UID")).and_then(|at| words.get(at + 1));
                    if let Some(uid) = uid {
                        let uid = uid.trim_end_matches(')').parse().ok();
                        assert!(known.uid.is_none() || known.uid == uid, "a number changed its message: {said}");
                        known.uid = uid;
                    }
                    if let Some((_, rest)) = line.split_once("FLAGS (") {
                        known.flags = Some(sorted(rest.split(')').next().unwrap_or_default()));
                    }
                }
                _ => {}
            }
        }
        if command.contains(".SILENT") {
            // What a client changes silently it has to know by itself; this one would rather not.
            self.messages.iter_mut().for_each(|known| known.flags = None);
        }
        if self.messages.iter().any(|known| known.uid.is_none()) && command != "FETCH 1:* UID" {
            self.tell(host, "FETCH 1:* UID");
        }
    }
}

/// Returns flags in one order, without `\Recent`.
fn sorted(flags: &str) -> String {
    let mut flags: Vec<&str> = flags.split(' ').filter(|flag| !flag.is_empty() && *flag != "\\Recent").collect();
    flags.sort_unstable();
    flags.join(" ")
}

fn command() -> impl Strategy<Value = String> {
    let set = prop::sample::select(vec!["1", "1:*", "*", "2:3", "1:2,4", "3:*"]);
    let flags =
        prop::sample::select(vec!["\\Seen", "\\Deleted", "(\\Flagged kw1)", "(kw2)", "()", "(\\Deleted \\Seen)"]);
    let verb = prop::sample::select(vec!["FLAGS", "+FLAGS", "-FLAGS", "+FLAGS.SILENT", "-FLAGS.SILENT"]);
    prop_oneof![
        4 => (any::<bool>(), set.clone(), verb, flags).prop_map(|(uid, set, verb, flags)| {
            format!("{}STORE {set} {verb} {flags}", if uid { "UID " } else { "" })
        }),
        2 => (any::<bool>(), set.clone()).prop_map(|(uid, set)| format!("{}FETCH {set} (UID FLAGS)", if uid { "UID " } else { "" })),
        1 => set.clone().prop_map(|set| format!("FETCH {set} BODY[TEXT]")),
        2 => Just("EXPUNGE".to_owned()),
        1 => set.clone().prop_map(|set| format!("UID EXPUNGE {set}")),
        1 => set.clone().prop_map(|set| format!("COPY {set} INBOX")),
        1 => set.clone().prop_map(|set| format!("MOVE {set} Trash")),
        1 => set.prop_map(|set| format!("UID MOVE {set} INBOX")),
        1 => Just("SEARCH UNSEEN".to_owned()),
        2 => Just("NOOP".to_owned()),
        2 => Just("deliver".to_owned()),
        1 => Just("APPEND INBOX (\\Seen) {9+}\nX: y\n\nz".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_clients_were_told_is_what_the_store_holds(
        steps in proptest::collection::vec((0_usize..3, command()), 1..50),
    ) {
        let mut host = Host::new();
        for _ in 0..4 {
            host.deliver("INBOX", "Subject: x\n\nbody\n");
        }
        let mut clients = [Client::new(&mut host, false), Client::new(&mut host, true), Client::new(&mut host, false)];
        for (who, command) in &steps {
            if command == "deliver" {
                host.deliver("INBOX", "Subject: more\n\nbody\n");
            } else {
                clients[*who].tell(&mut host, command);
            }
        }
        for client in &mut clients {
            // A change that came while a quiet command was answered is told now.
            client.tell(&mut host, "NOOP");
            client.tell(&mut host, "NOOP");
            let user = host.mail.user(&"alice@acme.example".parse().expect("an address")).expect("she has mail");
            let inbox = host.mail.find(user, &MailboxName::inbox()).expect("everybody has one");
            let inbox = host.mail.mailbox(user, inbox).expect("it was just found");
            let held: BTreeMap<u32, String> = inbox
                .messages()
                .iter()
                .map(|message| (message.uid, sorted(crate::imap::response::flags(inbox, message, false).trim_matches(['(', ')']))))
                .collect();
            let uids: Vec<u32> = client.messages.iter().filter_map(|known| known.uid).collect();
            prop_assert_eq!(&uids, &held.keys().copied().collect::<Vec<_>>());
            for known in client.messages.iter().filter(|known| known.flags.is_some()) {
                let uid = known.uid.expect("it was asked for");
                prop_assert_eq!(known.flags.as_ref(), held.get(&uid), "UID {}", uid);
            }
        }
    }
}
