//! What is on the disk is what was in memory, and a torn end is a prefix of it.

use proptest::prelude::*;

use super::*;
use crate::store::state::State;

#[derive(Clone, Debug)]
enum Step {
    Deliver { id: u8, user: u8, folder: u8, size: u8 },
    Hold { id: u8, user: u8 },
    Append { user: u8, folder: u8, keywords: u8, flags: u8 },
    Flag { user: u8, folder: u8, from: u8, count: u8, verb: u8, flags: u8, keywords: u8 },
    Copy { user: u8, from: u8, to: u8, first: u8, count: u8, moved: bool },
    Expunge { user: u8, folder: u8, first: u8, count: u8 },
    Create { user: u8, folder: u8 },
    Delete { user: u8, folder: u8 },
    Rename { user: u8, from: u8, to: u8 },
    Subscribe { user: u8, folder: u8, on: bool },
    Claim { user: u8, folder: u8 },
    RemoveUser { user: u8 },
    RenameUser { from: u8, to: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0_u8..6;
    let user = 0_u8..2;
    prop_oneof![
        4 => (0_u8..30, user.clone(), n.clone(), 1_u8..40)
            .prop_map(|(id, user, folder, size)| Step::Deliver { id, user, folder, size }),
        1 => (0_u8..30, user.clone()).prop_map(|(id, user)| Step::Hold { id, user }),
        2 => (user.clone(), n.clone(), 0_u8..8, 0_u8..32)
            .prop_map(|(user, folder, keywords, flags)| Step::Append { user, folder, keywords, flags }),
        4 => (user.clone(), n.clone(), 1_u8..6, 0_u8..6, 0_u8..3, 0_u8..32, 0_u8..8).prop_map(
            |(user, folder, from, count, verb, flags, keywords)| Step::Flag {
                user,
                folder,
                from,
                count,
                verb,
                flags,
                keywords
            }
        ),
        3 => (user.clone(), n.clone(), n.clone(), 1_u8..6, 0_u8..6, any::<bool>())
            .prop_map(|(user, from, to, first, count, moved)| Step::Copy { user, from, to, first, count, moved }),
        2 => (user.clone(), n.clone(), 1_u8..6, 0_u8..4)
            .prop_map(|(user, folder, first, count)| Step::Expunge { user, folder, first, count }),
        2 => (user.clone(), n.clone()).prop_map(|(user, folder)| Step::Create { user, folder }),
        1 => (user.clone(), n.clone()).prop_map(|(user, folder)| Step::Delete { user, folder }),
        1 => (user.clone(), n.clone(), n.clone()).prop_map(|(user, from, to)| Step::Rename { user, from, to }),
        1 => (user.clone(), n.clone(), any::<bool>())
            .prop_map(|(user, folder, on)| Step::Subscribe { user, folder, on }),
        1 => (user.clone(), n).prop_map(|(user, folder)| Step::Claim { user, folder }),
        1 => user.clone().prop_map(|user| Step::RemoveUser { user }),
        1 => (user.clone(), user).prop_map(|(from, to)| Step::RenameUser { from, to }),
    ]
}

fn address(user: u8) -> MailAddress {
    format!("user{user}@acme.example").parse().expect("an address")
}

fn name(folder: u8) -> MailboxName {
    let names = ["INBOX", "Spam", "Work", "Work/2026", "Entwürfe", "Trash"];
    MailboxName::parse(names[usize::from(folder)]).expect("a name")
}

fn list(flags: u8, keywords: u8) -> FlagList {
    let mut list = FlagList { flags: Flags::from_bits(flags).expect("five bits"), keywords: Vec::new() };
    for bit in 0..3 {
        if keywords >> bit & 1 == 1 {
            list.add_keyword(&format!("$k{bit}"));
        }
    }
    list
}

/// Does one step; one that is refused changes nothing.
fn take(mail: &mut MailStore, disk: &mut MemoryDisk, now: Moment, step: &Step) {
    let enter = |mail: &mut MailStore, disk: &mut MemoryDisk, user: u8, folder: u8| {
        let user = mail.enter(disk, now.0 / 1000, &address(user), Some(400)).ok()?;
        Some((user, mail.find(user, &name(folder))?))
    };
    match step.clone() {
        Step::Deliver { id, user, folder, size } => {
            let content = vec![b'm'; usize::from(size)];
            let address = address(user);
            let id = id.to_string();
            let folder = name(folder);
            let delivery = NewDelivery {
                id: &id,
                address: &address,
                quota: Some(400),
                folder: folder.as_str(),
                content: &[&content],
            };
            let _ = mail.deliver(disk, now, delivery);
        }
        Step::Hold { id, user } => {
            let address = address(user);
            let _ = mail.hold(disk, now, delivery(&id.to_string(), &address, &[b"virus"]), "EICAR");
        }
        Step::Append { user, folder, keywords, flags } => {
            let Some((user, mailbox)) = enter(mail, disk, user, folder) else { return };
            let date = InternalDate { seconds: -7, offset_minutes: 60 };
            let message = NewMessage { date, flags: &list(flags, keywords), content: &[b"app", b"ended"] };
            let _ = mail.append(disk, user, mailbox, message);
        }
        Step::Flag { user, folder, from, count, verb, flags, keywords } => {
            let Some((user, mailbox)) = enter(mail, disk, user, folder) else { return };
            let verb = [FlagVerb::Replace, FlagVerb::Add, FlagVerb::Remove][usize::from(verb)];
            let uids = Ranges::of([(u32::from(from), u32::from(from + count))]);
            let _ = mail.change_flags(disk, user, mailbox, &uids, verb, &list(flags, keywords));
        }
        Step::Copy { user, from, to, first, count, moved } => {
            let Some((user, source)) = enter(mail, disk, user, from) else { return };
            let Some(target) = mail.find(user, &name(to)) else { return };
            let uids = Ranges::of([(u32::from(first), u32::from(first + count))]);
            let _ = mail.copy(disk, user, source, target, &uids, moved);
        }
        Step::Expunge { user, folder, first, count } => {
            let Some((user, mailbox)) = enter(mail, disk, user, folder) else { return };
            let uids = Ranges::of([(u32::from(first), u32::from(first + count))]);
            let _ = mail.expunge(disk, user, mailbox, &uids);
        }
        Step::Create { user, folder } => {
            if let Some(user) = mail.user(&address(user)) {
                let _ = mail.create(disk, now, user, &name(folder), Some(SpecialUse::Archive));
            }
        }
        Step::Delete { user, folder } => {
            if let Some(user) = mail.user(&address(user)) {
                let _ = mail.delete(disk, user, &name(folder));
            }
        }
        Step::Rename { user, from, to } => {
            if let Some(user) = mail.user(&address(user)) {
                let _ = mail.rename(disk, now, user, &name(from), &name(to));
            }
        }
        Step::Subscribe { user, folder, on } => {
            if let Some(user) = mail.user(&address(user)) {
                let _ = mail.subscribe(disk, user, &name(folder), on);
            }
        }
        Step::Claim { user, folder } => {
            let Some((user, mailbox)) = enter(mail, disk, user, folder) else { return };
            mail.claim_recent(disk, user, mailbox);
        }
        Step::RemoveUser { user } => {
            let _ = mail.remove_user(disk, &address(user));
        }
        Step::RenameUser { from, to } => {
            let _ = mail.rename_user(disk, &address(from), &address(to));
        }
    }
}

/// What must hold of any state, whatever led to it.
fn assert_sound(state: &State) {
    for (id, user) in &state.users {
        assert_eq!(state.addresses.get(&user.address), Some(id));
        assert_eq!(user.names.len(), user.mailboxes.len());
        for mailbox in user.mailboxes.values() {
            let uids: Vec<u32> = mailbox.messages().iter().map(|message| message.uid).collect();
            assert!(uids.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(uids.last().is_none_or(|last| *last < mailbox.uid_next));
            let bytes: u64 = mailbox.messages().iter().map(|message| u64::from(message.size())).sum();
            let unseen = mailbox.messages().iter().filter(|message| !message.flags.contains(Flags::SEEN)).count();
            assert_eq!((mailbox.bytes, mailbox.unseen as usize), (bytes, unseen));
            assert!(mailbox.messages().iter().all(|message| message.modseq <= mailbox.highest_modseq));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_restart_changes_nothing_and_a_torn_end_leaves_a_prefix(
        steps in proptest::collection::vec(step(), 1..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut disk = MemoryDisk::new();
        let mut mail = open(&mut disk);
        let mut states = vec![(mail.journal.tail(), mail.state.clone())];
        let mut now = NOW;
        for step in &steps {
            now = now.plus(3_600_000);
            take(&mut mail, &mut disk, now, step);
            assert_sound(&mail.state);
            states.push((mail.journal.tail(), mail.state.clone()));
        }
        let again = open(&mut disk);
        prop_assert_eq!(&again.state, &mail.state);

        // Contents too: every message reads as it was written.
        for user in mail.state.users.values() {
            for mailbox in user.mailboxes.values() {
                for message in mailbox.messages() {
                    prop_assert_eq!(again.read(&disk, message.content).map(|bytes| bytes.len() as u32), Ok(message.size()));
                }
            }
        }

        let files = disk.files().expect("a healthy disk");
        let Some((file, length)) = files.last() else { return Ok(()) };
        let keep = cut.index(usize::try_from(*length).expect("a small file") + 1) as u64;
        disk.truncate(file, keep).expect("a healthy disk");
        let torn = open(&mut disk);
        let tail = torn.journal.tail();
        // A step may write several records, so the torn state may lie between two of the states that were seen.
        assert_sound(&torn.state);
        if let Some((_, state)) = states.iter().rev().find(|(position, _)| *position == tail) {
            prop_assert_eq!(&torn.state, state);
        } else {
            prop_assert!(states.iter().any(|(position, _)| *position < tail) || tail == Position::default());
        }
        for user in torn.state.users.values() {
            for mailbox in user.mailboxes.values() {
                for message in mailbox.messages() {
                    prop_assert!(torn.read(&disk, message.content).is_ok());
                }
            }
        }
    }
}
