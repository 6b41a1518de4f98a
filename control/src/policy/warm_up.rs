//! How much a pool of new addresses has taken today, and whether it takes more: counted on each outbound node for its own addresses,
//! in a file that outlives the program.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use blueprint::warm_up::allowance;
use serde::{Deserialize, Serialize};

use super::attributes::Request;
use super::questions::Answer;

/// What is said once a pool has taken what it may. Who asks comes again, and on another day it is taken.
const ENOUGH: &str = "450 4.7.1 These addresses are new and take no more mail today";

/// What the program is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The folder that counts are kept in.
    state: PathBuf,
    pools: Vec<Pool>,
}

/// A pool whose addresses are warmed up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pool {
    name: String,
    /// Where its Postfix takes mail.
    ports: BTreeSet<u16>,
    /// How long an address is warmed up.
    days: u64,
    /// Those that this node has.
    addresses: BTreeSet<IpAddr>,
}

/// What is known of a pool.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    version: u32,
    /// The day each address was first used on, counted from 1970.
    began: BTreeMap<IpAddr, u64>,
    /// The day that is counted.
    day: u64,
    /// Recipients taken on it.
    taken: u64,
}

/// Counts.
pub(super) struct WarmUps {
    settings: Settings,
    /// One question at a time changes a count.
    turn: Mutex<()>,
}

impl WarmUps {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, turn: Mutex::default() }
    }

    /// Answers who asks about a recipient; `None` where the mail leaves from no pool that is warmed up.
    ///
    /// - `today`: days since 1970.
    /// - Returns: the answer, and what went wrong where something did: what cannot be counted is not sent today.
    pub(super) fn of_postfix(&self, request: &Request, today: u64) -> Option<(Answer, Option<std::io::Error>)> {
        let port: u16 = request.get("server_port").parse().ok()?;
        let pool = self.settings.pools.iter().find(|pool| pool.ports.contains(&port))?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match self.take(pool, today) {
            Ok(true) => (Answer::Passes, None),
            Ok(false) => (Answer::Refused(ENOUGH.to_owned()), None),
            Err(error) => (Answer::Later("451 4.3.0 Temporary failure".to_owned()), Some(error)),
        })
    }

    /// Takes one more recipient; returns whether there was room.
    fn take(&self, pool: &Pool, today: u64) -> std::io::Result<bool> {
        let path = self.settings.state.join(format!("{}.json", pool.name));
        let mut count = read(&path)?;
        // A clock that was set back does not open yesterday again.
        let today = today.max(count.day);
        if count.day != today {
            count.day = today;
            count.taken = 0;
        }
        count.began.retain(|address, _| pool.addresses.contains(address));
        for address in &pool.addresses {
            count.began.entry(*address).or_insert(today);
        }
        // They take turns, so that the youngest says how much each may.
        let youngest = count.began.values().max().copied().unwrap_or(today);
        let each = allowance(today.saturating_sub(youngest).saturating_add(1), pool.days);
        let addresses = u64::try_from(count.began.len()).unwrap_or(u64::MAX).max(1);
        let has_room = each.is_none_or(|each| count.taken < each.saturating_mul(addresses));
        if has_room {
            count.taken = count.taken.saturating_add(1);
            write(&path, &count)?;
        }
        Ok(has_room)
    }
}

fn read(path: &Path) -> std::io::Result<Count> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Count { version: 1, ..Count::default() });
        }
        Err(error) => return Err(error),
    };
    let count: Count = serde_json::from_slice(&bytes)?;
    match count.version {
        1 => Ok(count),
        other => Err(std::io::Error::other(format!("{} has version {other}, this program knows 1", path.display()))),
    }
}

/// Writes a count so that whoever reads it finds the old one or the new one.
fn write(path: &Path, count: &Count) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, serde_json::to_vec(count)?)?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::super::attributes::Reader;
    use super::*;

    const MONDAY: u64 = 20_780;

    fn warm_ups(state: &Path, addresses: &[&str]) -> WarmUps {
        let settings = serde_json::json!({
            "state": state,
            "pools": [{ "name": "bulk", "ports": [10100], "days": 30, "addresses": addresses }],
        });
        WarmUps::new(serde_json::from_value(settings).unwrap())
    }

    fn asked(port: u16) -> Request {
        let text = format!("request=smtpd_access_policy\nprotocol_state=RCPT\nserver_port={port}\n\n");
        Reader::default().receive(text.as_bytes()).unwrap().remove(0)
    }

    /// Returns how many recipients are taken on a day before it is enough.
    fn taken(warm_ups: &WarmUps, day: u64) -> usize {
        let passes = |_: &u32| warm_ups.of_postfix(&asked(10_100), day).unwrap().0 == Answer::Passes;
        (0..5_000).take_while(passes).count()
    }

    #[test]
    fn each_day_takes_a_little_more_and_a_restart_forgets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let first = warm_ups(folder.path(), &["203.0.113.6"]);
        assert_eq!(taken(&first, MONDAY), 50);
        let (answer, doubt) = first.of_postfix(&asked(10_100), MONDAY).unwrap();
        assert!(answer.as_action().starts_with("action=450 4.7.1 ") && doubt.is_none());
        let again = warm_ups(folder.path(), &["203.0.113.6"]);
        assert_eq!(taken(&again, MONDAY), 0);
        assert_eq!(taken(&again, MONDAY + 1), 67);
        assert_eq!(taken(&again, MONDAY), 0, "a clock that was set back opens no day again");
        assert_eq!(taken(&again, MONDAY + 30), 5_000, "it is warm");
    }

    #[test]
    fn a_new_address_begins_anew_for_all_that_take_turns_with_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(taken(&warm_ups(folder.path(), &["203.0.113.6"]), MONDAY), 50);
        assert_eq!(taken(&warm_ups(folder.path(), &["203.0.113.6", "203.0.113.7"]), MONDAY + 10), 100);
    }

    #[test]
    fn other_ports_are_nobodys_business_and_what_cannot_be_counted_waits() {
        let folder = tempfile::tempdir().unwrap();
        let pool = warm_ups(folder.path(), &["203.0.113.6"]);
        assert!(pool.of_postfix(&asked(25), MONDAY).is_none());
        assert!(pool.of_postfix(&Request::default(), MONDAY).is_none());
        for broken in ["", "{", "[]", r#"{"version":2,"began":{},"day":1,"taken":0}"#] {
            std::fs::write(folder.path().join("bulk.json"), broken).unwrap();
            let (answer, doubt) = pool.of_postfix(&asked(10_100), MONDAY).unwrap();
            assert!(matches!(answer, Answer::Later(_)) && doubt.is_some(), "{broken}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_file_holds_is_read_or_refused(bytes: Vec<u8>) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("bulk.json");
            std::fs::write(&path, &bytes).unwrap();
            let _ = read(&path);
        }
    }
}
