//! The journal, against torn tails, full disks and failed syncs.

use proptest::prelude::*;

use super::*;
use crate::chance::Chance;
use crate::disk::MemoryDisk;

type Replayed = Vec<(Vec<u8>, Vec<u8>)>;

const SMALL: Options = Options { segment_bytes: 200, first_ticket: SyncTicket(1) };

fn open(disk: &MemoryDisk, options: Options) -> Result<(Journal, Replayed, Recovery), OpenError> {
    let mut handle = disk.clone();
    let mut found = Vec::new();
    let (journal, recovery) = Journal::open(&mut handle, options, &mut |meta, body, _| {
        found.push((meta.to_vec(), body));
        Ok(())
    })?;
    let bodies = found.into_iter().map(|(meta, body)| (meta, journal.read(disk, body).unwrap())).collect();
    Ok((journal, bodies, recovery))
}

fn sync(journal: &mut Journal, disk: &MemoryDisk) {
    journal.request_sync(&mut disk.clone());
    let (ticket, result) = disk.finish_sync(true).unwrap();
    assert_eq!(journal.synced(&mut disk.clone(), ticket, result), SyncOutcome::Durable(journal.tail()));
}

fn record(number: usize) -> (Vec<u8>, Vec<u8>) {
    (format!("meta {number}").into_bytes(), vec![u8::try_from(number % 251).unwrap(); number * 7 % 90])
}

fn append(journal: &mut Journal, disk: &MemoryDisk, (meta, body): &(Vec<u8>, Vec<u8>)) -> Appended {
    let (head, tail) = body.split_at(body.len() / 2);
    journal.append(&mut disk.clone(), meta, &[head, tail]).unwrap()
}

#[test]
fn an_empty_disk_opens_empty() {
    let disk = MemoryDisk::new();
    let (journal, records, recovery) = open(&disk, SMALL).unwrap();
    assert_eq!((records.len(), recovery, journal.tail()), (0, Recovery::default(), Position::default()));
}

#[test]
fn records_come_back_in_order_over_many_segments() {
    let disk = MemoryDisk::new();
    let (mut journal, ..) = open(&disk, SMALL).unwrap();
    let records: Replayed = (0..50).map(record).collect();
    for one in &records {
        let appended = append(&mut journal, &disk, one);
        assert_eq!(journal.read(&disk, appended.body).unwrap(), one.1);
    }
    assert!(disk.files().unwrap().len() > 5);
    let (again, found, recovery) = open(&disk, SMALL).unwrap();
    assert_eq!(found, records);
    assert_eq!(recovery, Recovery { records: 50, ..Recovery::default() });
    assert_eq!(again.tail(), journal.tail());
}

#[test]
fn a_tail_torn_at_any_byte_leaves_the_whole_records_before_it() {
    let disk = MemoryDisk::new();
    let (mut journal, ..) = open(&disk, Options::STANDARD).unwrap();
    let records: Replayed = (0..6).map(record).collect();
    let mut ends = vec![SEGMENT_HEAD];
    for one in &records {
        append(&mut journal, &disk, one);
        ends.push(usize::try_from(journal.tail().offset).unwrap());
    }
    let file = record::file_name(1);
    let whole = disk.contents(&file).unwrap();
    for length in 0..whole.len() {
        for zeros in [0, 1, 40] {
            let torn = MemoryDisk::new();
            let mut bytes = whole[..length].to_vec();
            bytes.resize(length + zeros, 0);
            // Zeros that stand where zeros were written are no damage.
            if whole.starts_with(&bytes) && ends.contains(&bytes.len()) {
                continue;
            }
            torn.place(&file, bytes);
            let (mut journal, found, _) = open(&torn, Options::STANDARD).unwrap();
            assert!(records.starts_with(&found), "cut at {length}");
            let expected = ends.iter().filter(|&&end| end <= length).count().saturating_sub(1);
            assert!(found.len() >= expected, "cut at {length}: {} of {expected}", found.len());
            append(&mut journal, &torn, &record(9));
            let (_, more, _) = open(&torn, Options::STANDARD).unwrap();
            assert_eq!(more.len(), found.len() + 1, "cut at {length}");
        }
    }
}

#[test]
fn a_flipped_bit_in_what_was_not_noted_durable_ends_the_log_there() {
    let disk = MemoryDisk::new();
    let (mut journal, ..) = open(&disk, Options::STANDARD).unwrap();
    let records: Replayed = (1..5).map(record).collect();
    for one in &records {
        append(&mut journal, &disk, one);
    }
    let file = record::file_name(1);
    let whole = disk.contents(&file).unwrap();
    for place in 0..whole.len() {
        let damaged = MemoryDisk::new();
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        damaged.place(&file, bytes);
        let (_, found, _) = open(&damaged, Options::STANDARD).unwrap();
        assert!(found.len() < records.len() && records.starts_with(&found), "bit at {place}");
    }
}

#[test]
fn damage_in_what_was_durable_is_refused_and_nothing_is_cut() {
    let disk = MemoryDisk::new();
    let (mut journal, ..) = open(&disk, SMALL).unwrap();
    for number in 0..20 {
        append(&mut journal, &disk, &record(number));
        sync(&mut journal, &disk);
    }
    let file = record::file_name(1);
    let mut bytes = disk.contents(&file).unwrap();
    bytes[SEGMENT_HEAD + RECORD_HEAD + 2] ^= 1;
    disk.place(&file, bytes.clone());
    let refused = open(&disk, SMALL).unwrap_err();
    assert_eq!(refused, OpenError::Damaged { segment: 1, offset: SEGMENT_HEAD as u64 });
    assert_eq!(disk.contents(&file).unwrap(), bytes);
}

#[test]
fn another_format_is_refused_by_name() {
    let disk = MemoryDisk::new();
    let mut head = SegmentHead { number: 1, oldest: 1, durable: Position::default(), link: 0 }.encode();
    head[3] = 2;
    let sum = Checksum::of(&[&head[..SEGMENT_HEAD - 4]]);
    head[SEGMENT_HEAD - 4..].copy_from_slice(&sum.to_le_bytes());
    disk.place(&record::file_name(1), head.to_vec());
    assert_eq!(open(&disk, SMALL).unwrap_err(), OpenError::Version { segment: 1, found: 2 });
}

#[test]
fn a_full_disk_refuses_the_record_and_keeps_the_others() {
    let disk = MemoryDisk::new();
    let (mut journal, ..) = open(&disk, SMALL).unwrap();
    append(&mut journal, &disk, &record(3));
    let used = disk.used();
    // Every amount of room from nothing to one byte too few, in the old segment and with a new one begun.
    for body in [20, 300] {
        for room in 0..body + 16 {
            disk.limit(Some(used + room));
            let refused = journal.append(&mut disk.clone(), b"m", &[&vec![7; usize::try_from(body).unwrap()]]);
            assert_eq!(refused.unwrap_err(), DiskError::Full);
        }
    }
    assert!(!journal.is_failed());
    disk.limit(None);
    append(&mut journal, &disk, &record(4));
    let (_, found, recovery) = open(&disk, SMALL).unwrap();
    assert_eq!(found, vec![record(3), record(4)]);
    assert_eq!(recovery.cut_bytes, 0);
}

#[test]
fn a_broken_append_leaves_no_trace() {
    let disk = MemoryDisk::new();
    let (mut journal, ..) = open(&disk, Options::STANDARD).unwrap();
    append(&mut journal, &disk, &record(3));
    disk.fail_append(0, 11);
    assert_eq!(journal.append(&mut disk.clone(), b"m", &[b"body"]).unwrap_err(), DiskError::Broken);
    append(&mut journal, &disk, &record(4));
    assert_eq!(open(&disk, SMALL).unwrap().1, vec![record(3), record(4)]);
}

#[test]
fn one_sync_serves_all_that_was_appended_before_it() {
    let disk = MemoryDisk::new();
    let (mut journal, ..) = open(&disk, Options::STANDARD).unwrap();
    let first = append(&mut journal, &disk, &record(1)).position;
    journal.request_sync(&mut disk.clone());
    let second = append(&mut journal, &disk, &record(2)).position;
    let third = append(&mut journal, &disk, &record(3)).position;
    journal.request_sync(&mut disk.clone());
    journal.request_sync(&mut disk.clone());
    assert_eq!(disk.pending_syncs(), vec![SyncTicket(1)]);
    let (ticket, result) = disk.finish_sync(true).unwrap();
    assert_eq!(journal.synced(&mut disk.clone(), ticket, result), SyncOutcome::Durable(first));
    assert!(journal.is_durable(first) && !journal.is_durable(second));
    assert_eq!(disk.pending_syncs(), vec![SyncTicket(2)]);
    let (ticket, result) = disk.finish_sync(true).unwrap();
    assert_eq!(journal.synced(&mut disk.clone(), ticket, result), SyncOutcome::Durable(third));
    assert_eq!(disk.pending_syncs(), vec![]);
    assert_eq!(journal.synced(&mut disk.clone(), ticket, Ok(())), SyncOutcome::Stale);
}

#[test]
fn after_a_failed_sync_only_what_was_durable_comes_back() {
    let disk = MemoryDisk::new();
    let (mut journal, ..) = open(&disk, SMALL).unwrap();
    append(&mut journal, &disk, &record(1));
    sync(&mut journal, &disk);
    for number in 2..30 {
        append(&mut journal, &disk, &record(number));
    }
    journal.request_sync(&mut disk.clone());
    let (ticket, result) = disk.finish_sync(false).unwrap();
    assert_eq!(journal.synced(&mut disk.clone(), ticket, result), SyncOutcome::Failed);
    assert!(journal.append(&mut disk.clone(), b"m", &[]).is_err());
    let options = Options { first_ticket: journal.next_ticket(), ..SMALL };
    journal.cut_unsynced(&mut disk.clone()).unwrap();
    let (mut journal, found, _) = open(&disk, options).unwrap();
    assert_eq!(found, vec![record(1)]);
    append(&mut journal, &disk, &record(5));
    sync(&mut journal, &disk);
    disk.lose_power(&mut Chance::new(1));
    assert_eq!(open(&disk, SMALL).unwrap().1, vec![record(1), record(5)]);
}

#[test]
fn a_retired_segment_goes_only_after_the_sync() {
    let disk = MemoryDisk::new();
    let (mut journal, ..) = open(&disk, SMALL).unwrap();
    for number in 0..12 {
        append(&mut journal, &disk, &record(number));
    }
    sync(&mut journal, &disk);
    let (oldest, bytes) = journal.oldest_segment().unwrap();
    assert!(oldest == 1 && bytes > 0);
    append(&mut journal, &disk, &record(0));
    journal.retire_through(&mut disk.clone(), oldest);
    assert_ne!(journal.oldest_segment().map(|(number, _)| number), Some(oldest));
    assert!(disk.contents(&record::file_name(1)).is_some());
    for _ in 0..2 {
        assert!(disk.contents(&record::file_name(1)).is_some());
        let (ticket, result) = disk.finish_sync(true).unwrap();
        assert_ne!(journal.synced(&mut disk.clone(), ticket, result), SyncOutcome::Failed);
    }
    assert!(disk.contents(&record::file_name(1)).is_none());
    assert_eq!(disk.pending_syncs(), vec![]);
    let (_, found, recovery) = open(&disk, SMALL).unwrap();
    assert_eq!((found.last(), recovery.stale_segments), (Some(&record(0)), 0));
}

#[test]
fn a_removal_that_came_back_alone_is_removed_again() {
    let disk = MemoryDisk::new();
    let (mut journal, ..) = open(&disk, SMALL).unwrap();
    for number in 0..20 {
        append(&mut journal, &disk, &record(number));
    }
    let first = disk.contents(&record::file_name(1)).unwrap();
    sync(&mut journal, &disk);
    journal.retire_through(&mut disk.clone(), 2);
    sync(&mut journal, &disk);
    disk.place(&record::file_name(1), first);
    let (_, found, recovery) = open(&disk, SMALL).unwrap();
    assert!(!found.contains(&record(0)));
    assert_eq!(recovery.stale_segments, 1);
    assert!(disk.contents(&record::file_name(1)).is_none());
}

#[test]
fn the_current_segment_cannot_be_retired() {
    let disk = MemoryDisk::new();
    let (mut journal, ..) = open(&disk, SMALL).unwrap();
    append(&mut journal, &disk, &record(1));
    sync(&mut journal, &disk);
    journal.retire_through(&mut disk.clone(), 99);
    assert_eq!(open(&disk, SMALL).unwrap().1, vec![record(1)]);
}

proptest! {
    /// Whatever is appended, synced and cut by power losses: what was durable comes back, and all that comes back was
    /// appended in that order in one life of the log. (A tail that one opening cut may come back in place of what was
    /// written there and not synced.)
    #[test]
    fn power_losses_take_only_what_was_not_durable(
        seed: u64,
        steps in proptest::collection::vec((0_u8..10, 0_usize..400), 1..60),
    ) {
        let disk = MemoryDisk::new();
        let mut chance = Chance::new(seed);
        let (mut journal, ..) = open(&disk, SMALL).unwrap();
        let mut appended: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut durable = 0;
        let mut lives: Vec<Replayed> = Vec::new();
        for (step, size) in steps {
            match step {
                0..=5 => {
                    let one = (size.to_le_bytes().to_vec(), vec![step; size]);
                    append(&mut journal, &disk, &one);
                    appended.push(one);
                }
                6 => journal.request_sync(&mut disk.clone()),
                7 => if let Some((ticket, result)) = disk.finish_sync(true) {
                    let before = journal.durable_to();
                    let outcome = journal.synced(&mut disk.clone(), ticket, result);
                    prop_assert!(outcome == SyncOutcome::Durable(journal.durable_to()));
                    prop_assert!(journal.durable_to() >= before);
                    if journal.durable_to() == journal.tail() {
                        durable = appended.len();
                    }
                },
                8 => if disk.finish_sync(false).is_some_and(|(ticket, result)| {
                    journal.synced(&mut disk.clone(), ticket, result) == SyncOutcome::Failed
                }) {
                    journal.cut_unsynced(&mut disk.clone()).unwrap();
                    let (again, found, _) = open(&disk, SMALL).unwrap();
                    prop_assert!(appended.starts_with(&found) && found.len() >= durable);
                    (journal, appended) = (again, found);
                },
                _ => {
                    disk.lose_power(&mut chance);
                    let (again, found, _) = open(&disk, SMALL).unwrap();
                    prop_assert!(found.starts_with(&appended[..durable]), "{} of {durable}", found.len());
                    lives.push(appended);
                    prop_assert!(lives.iter().any(|life| life.starts_with(&found)), "a mixture came back");
                    durable = found.len();
                    (journal, appended) = (again, found);
                }
            }
        }
    }

    /// No bytes on a disk make opening panic or loop.
    #[test]
    fn any_bytes_open_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), headed: bool) {
        let disk = MemoryDisk::new();
        let mut file = Vec::new();
        if headed {
            file.extend_from_slice(&SegmentHead { number: 3, oldest: 3, durable: Position::default(), link: 0 }.encode());
        }
        file.extend_from_slice(&bytes);
        disk.place(&record::file_name(3), file);
        if let Ok((_, found, _)) = open(&disk, SMALL) {
            prop_assert!(found.len() < 20);
        }
    }
}
