//! The ledger: what was proven and promoted where, by whom and on what evidence. Lines are only ever added.
//!
//! Each line is a JSON document that carries the SHA-256 of the line before it, so that one which was changed or taken out is
//! noticed. Its file lies beside the specifications and is no part of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The name of the ledger's file in a specification repository.
pub const FILE: &str = "mailwright.ledger";

/// The largest ledger that is read, in bytes: tens of thousands of entries.
pub const LARGEST: usize = 16 * 1024 * 1024;

/// What stands in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: Vec<Entry>,
    /// The SHA-256 of the last line, empty where there is none.
    last: String,
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The version of the form, [`crate::VERSION`].
    pub version: u32,
    /// Counted from 1.
    pub number: u64,
    /// The SHA-256 of the line before, in lower-case hexadecimal; empty in the first.
    pub after: String,
    /// When, as RFC 3339 writes it.
    pub when: String,
    /// Who: a name, an address, an account of the machine.
    pub who: String,
    /// What.
    #[serde(flatten)]
    pub deed: Deed,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "deed")]
pub enum Deed {
    /// An environment's gates were tried.
    Evidence(Evidence),
    /// What one environment has proven became another's.
    Promotion(Promotion),
}

/// What came of an environment's gates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The environment.
    pub environment: String,
    /// What was tried.
    pub subject: Subject,
    /// The backend it ran on.
    pub backend: String,
    /// How its nodes were booted; `None` where no image was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<Boot>,
    /// How each scenario ended, by title: `passed`, `failed`, `skipped` or `broken`.
    pub scenarios: BTreeMap<String, String>,
}

/// What is proven and promoted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The digest of the specifications, environments left out.
    pub specification: String,
    /// The image's digest; `None` where none was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The revision the specifications stood in, where they stand in a git repository: for people, the digest counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl Subject {
    /// Whether another one is the same to the bit.
    pub fn is(&self, other: &Self) -> bool {
        self.specification == other.specification && self.image == other.image
    }
}

/// How an image's nodes were booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    /// As production boots: the distribution's own units and production's command line of the kernel.
    Stock,
    /// In a hurry, without what tests can do without.
    Lean,
}

/// A promotion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// The environment it comes from.
    pub from: String,
    /// The environment it goes to.
    pub to: String,
    /// What was promoted.
    pub subject: Subject,
    /// The entries that prove it.
    pub evidence: Vec<u64>,
    /// Whether they prove the image too, or the specifications alone.
    pub image_proven: bool,
    /// The entry whose promotion is taken up again, where this is a way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<u64>,
    /// Versions of what lies outside of the digest, such as signatures of viruses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outside: BTreeMap<String, String>,
}

/// Why a ledger cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// It is larger than any ledger.
    #[error("{FILE} is larger than {LARGEST} bytes")]
    Large,
    /// A line is not what the program writes.
    #[error("{FILE}:{line} is not an entry: {reason}")]
    Form {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Another version of the program wrote it.
    #[error("{FILE}:{line} has version {found}, and this program reads version {version}", version = crate::VERSION)]
    Version {
        /// The line, counted from 1.
        line: usize,
        /// Its version.
        found: u64,
    },
    /// A line does not follow the one before it.
    #[error("{FILE}:{line} does not follow the line before it: one of them was changed, moved or taken out")]
    Broken {
        /// The line, counted from 1.
        line: usize,
    },
}

impl LedgerError {
    /// Returns what to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Version { .. } => "use the version of mailwright that wrote it",
            Self::Large | Self::Form { .. } | Self::Broken { .. } => {
                "take it back from the repository's history, for example with git checkout; entries are only added, and where \
                 two branches added some, promote again on top of one of them"
            }
        }
    }
}

/// Why something must not be promoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The source names no gates.
    #[error("{from} has no gates, so that nothing can be proven there")]
    NoGates {
        /// The source.
        from: String,
    },
    /// Nothing was ever tried with exactly this.
    #[error("the gates of {from} were not tried with these specifications{}", if *.image { " and this image" } else { "" })]
    Untried {
        /// The source.
        from: String,
        /// Whether an image is part of it.
        image: bool,
    },
    /// A gate did not pass the last time it was tried.
    #[error("the gate {gate:?} {outcome} in {from} the last time it was tried (entry {entry})")]
    Gate {
        /// The source.
        from: String,
        /// The scenario's title.
        gate: String,
        /// How it ended.
        outcome: String,
        /// The entry that says so.
        entry: u64,
    },
    /// Passed, and not by what can vouch for the image.
    #[error(
        "nothing vouches for the image: the gates of {from} passed on {backend}{}, and {to} takes an image that was booted with \
         the distribution's own units", if *.lean { " booted lean" } else { "" }
    )]
    Unvouched {
        /// The source.
        from: String,
        /// The target.
        to: String,
        /// What they ran on.
        backend: String,
        /// Whether it booted in a hurry.
        lean: bool,
    },
    /// There is no such promotion to go back to.
    #[error("entry {entry} is no promotion to {to}")]
    NoSuchPromotion {
        /// The entry that was asked for.
        entry: u64,
        /// The target.
        to: String,
    },
}

/// What a promotion rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The entries.
    pub evidence: Vec<u64>,
    /// Whether they vouch for the image too.
    pub image_proven: bool,
}

impl Ledger {
    /// Reads a ledger.
    pub fn parse(bytes: &[u8]) -> Result<Self, LedgerError> {
        if bytes.len() > LARGEST {
            return Err(LedgerError::Large);
        }
        let mut ledger = Self::default();
        let lines = bytes.split(|&byte| byte == b'\n').enumerate();
        for (index, text) in lines.filter(|(_, text)| !text.is_empty()) {
            let line = index + 1;
            let form = |error: serde_json::Error| LedgerError::Form { line, reason: error.to_string() };
            let value: serde_json::Value = serde_json::from_slice(text).map_err(form)?;
            match value.get("version").and_then(serde_json::Value::as_u64) {
                None => return Err(LedgerError::Form { line, reason: "it has no version".to_owned() }),
                Some(found) if found != u64::from(crate::VERSION) => return Err(LedgerError::Version { line, found }),
                Some(_) => {}
            }
            let entry: Entry = serde_json::from_value(value).map_err(form)?;
            if entry.after != ledger.last || entry.number != ledger.entries.len() as u64 + 1 {
                return Err(LedgerError::Broken { line });
            }
            ledger.last = hexadecimal(text);
            ledger.entries.push(entry);
        }
        Ok(ledger)
    }

    /// Returns the entries, the oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds an entry; returns the line to append to the file, with its end.
    pub fn add(&mut self, when: &str, who: &str, deed: Deed) -> String {
        let entry = Entry {
            version: crate::VERSION,
            number: self.entries.len() as u64 + 1,
            after: self.last.clone(),
            when: when.to_owned(),
            who: who.to_owned(),
            deed,
        };
        // Names, numbers and texts only: there is nothing in it that JSON could not write.
        let line = serde_json::to_string(&entry).unwrap_or_default();
        self.last = hexadecimal(line.as_bytes());
        self.entries.push(entry);
        format!("{line}\n")
    }

    /// Returns what an environment was promoted to last, with the entry's number.
    pub fn current(&self, environment: &str) -> Option<(u64, &Promotion)> {
        self.promotions().filter(|(_, promotion)| promotion.to == environment).last()
    }

    /// Returns every promotion, with the entry's number.
    pub fn promotions(&self) -> impl Iterator<Item = (u64, &Promotion)> {
        self.entries.iter().filter_map(|entry| match &entry.deed {
            Deed::Promotion(promotion) => Some((entry.number, promotion)),
            Deed::Evidence(_) => None,
        })
    }

    fn evidence(&self) -> impl Iterator<Item = (u64, &Evidence)> {
        self.entries.iter().filter_map(|entry| match &entry.deed {
            Deed::Evidence(evidence) => Some((entry.number, evidence)),
            Deed::Promotion(_) => None,
        })
    }

    /// Returns what proves that something may be promoted.
    ///
    /// - `gates`: titles of the scenarios that must have passed in the source.
    /// - `vouched`: whether the image must have been booted as production boots it.
    /// - Errors: a gate was not tried with exactly this, or did not pass the last time; nothing vouches for the image.
    pub fn proof(
        &self,
        from: &str,
        to: &str,
        subject: &Subject,
        gates: &[String],
        vouched: bool,
    ) -> Result<Proof, Refusal> {
        if gates.is_empty() {
            return Err(Refusal::NoGates { from: from.to_owned() });
        }
        let about = |evidence: &Evidence| evidence.environment == from && evidence.subject.is(subject);
        let tried: Vec<(u64, &Evidence)> = self.evidence().filter(|(_, evidence)| about(evidence)).collect();
        let vouching = |evidence: &Evidence| subject.image.is_some() && evidence.boot == Some(Boot::Stock);
        let mut numbers = Vec::new();
        let mut image_proven = true;
        for gate in gates {
            let of_gate = || tried.iter().rev().filter(|(_, evidence)| evidence.scenarios.contains_key(gate));
            let Some((entry, last)) = of_gate().next() else {
                return Err(Refusal::Untried { from: from.to_owned(), image: subject.image.is_some() });
            };
            // The last word counts, whatever it ran on: a gate that broke since is broken.
            let outcome = last.scenarios.get(gate).map_or("", String::as_str);
            if outcome != "passed" {
                let (gate, outcome) = (gate.clone(), outcome.to_owned());
                return Err(Refusal::Gate { from: from.to_owned(), gate, outcome, entry: *entry });
            }
            let passed = |evidence: &Evidence| evidence.scenarios.get(gate).is_some_and(|outcome| outcome == "passed");
            match of_gate().find(|(_, evidence)| vouching(evidence) && passed(evidence)) {
                Some((number, _)) => numbers.push(*number),
                None if vouched => {
                    return Err(Refusal::Unvouched {
                        from: from.to_owned(),
                        to: to.to_owned(),
                        backend: last.backend.clone(),
                        lean: last.boot == Some(Boot::Lean),
                    });
                }
                None => {
                    image_proven = false;
                    numbers.push(*entry);
                }
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(Proof { evidence: numbers, image_proven })
    }

    /// Returns the promotion that an environment goes back to.
    ///
    /// - `entry`: its number; without it the one before the current.
    pub fn earlier(&self, to: &str, entry: Option<u64>) -> Result<(u64, &Promotion), Refusal> {
        let mut own: Vec<(u64, &Promotion)> = self.promotions().filter(|(_, promotion)| promotion.to == to).collect();
        let current = own.pop();
        let wanted = match entry {
            Some(entry) => own.into_iter().chain(current).find(|(number, _)| *number == entry),
            None => {
                let now = current.map(|(_, promotion)| &promotion.subject);
                own.into_iter().rev().find(|(_, promotion)| now.is_none_or(|now| !now.is(&promotion.subject)))
            }
        };
        wanted.ok_or_else(|| Refusal::NoSuchPromotion { entry: entry.unwrap_or(0), to: to.to_owned() })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subject(specification: &str, image: Option<&str>) -> Subject {
        Subject { specification: specification.to_owned(), image: image.map(str::to_owned), revision: None }
    }

    fn evidence(subject: Subject, boot: Option<Boot>, outcomes: &[(&str, &str)]) -> Deed {
        Deed::Evidence(Evidence {
            environment: "qa".to_owned(),
            subject,
            backend: if boot.is_some() { "vm" } else { "namespace" }.to_owned(),
            boot,
            scenarios: outcomes.iter().map(|(title, outcome)| ((*title).to_owned(), (*outcome).to_owned())).collect(),
        })
    }

    fn promotion(specification: &str) -> Deed {
        Deed::Promotion(Promotion {
            from: "qa".to_owned(),
            to: "horizon".to_owned(),
            subject: subject(specification, None),
            evidence: vec![1],
            image_proven: false,
            back_to: None,
            outside: BTreeMap::new(),
        })
    }

    fn gates(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn written(deeds: &[Deed]) -> (Ledger, String) {
        let mut ledger = Ledger::default();
        let text = deeds.iter().map(|deed| ledger.add("2026-11-22T00:00:00Z", "ann", deed.clone())).collect();
        (ledger, text)
    }

    #[test]
    fn what_was_written_reads_back() {
        let (ledger, text) =
            written(&[evidence(subject("a", Some("i")), Some(Boot::Stock), &[("x", "passed")]), promotion("a")]);
        assert_eq!(Ledger::parse(text.as_bytes()), Ok(ledger));
        assert_eq!(Ledger::parse(b""), Ok(Ledger::default()));
    }

    #[test]
    fn a_line_that_was_changed_moved_or_taken_out_is_noticed() {
        let (_, text) = written(&[promotion("a"), promotion("b"), promotion("c")]);
        let lines: Vec<&str> = text.lines().collect();
        for (kept, line) in [(vec![0, 2], 2), (vec![1, 0, 2], 1), (vec![1, 2], 1)] {
            let torn: String = kept.into_iter().map(|index: usize| format!("{}\n", lines[index])).collect();
            assert_eq!(Ledger::parse(torn.as_bytes()), Err(LedgerError::Broken { line }));
        }
        let changed = text.replacen("ann", "eve", 1);
        assert_eq!(Ledger::parse(changed.as_bytes()), Err(LedgerError::Broken { line: 2 }));
    }

    #[test]
    fn gates_must_have_passed_with_exactly_this() {
        let passed = [("x", "passed"), ("y", "passed")];
        let (ledger, _) = written(&[evidence(subject("a", None), None, &passed)]);
        let proof = ledger.proof("qa", "horizon", &subject("a", None), &gates(&["x", "y"]), false).unwrap();
        assert_eq!(proof, Proof { evidence: vec![1], image_proven: false });
        for (other, asked) in [(subject("b", None), "x"), (subject("a", Some("i")), "x"), (subject("a", None), "z")] {
            let refused = ledger.proof("qa", "horizon", &other, &gates(&[asked]), false);
            assert!(matches!(refused, Err(Refusal::Untried { .. })), "{refused:?}");
        }
        let none = ledger.proof("qa", "horizon", &subject("a", None), &[], false);
        assert!(matches!(none, Err(Refusal::NoGates { .. })));
    }

    #[test]
    fn the_last_word_on_a_gate_counts() {
        let it = || subject("a", None);
        let (ledger, _) =
            written(&[evidence(it(), None, &[("x", "passed")]), evidence(it(), None, &[("x", "failed")])]);
        let refused = ledger.proof("qa", "horizon", &it(), &gates(&["x"]), false).unwrap_err();
        assert_eq!(refused.to_string(), "the gate \"x\" failed in qa the last time it was tried (entry 2)");
        let (skipped, _) = written(&[evidence(it(), None, &[("x", "skipped")])]);
        assert!(skipped.proof("qa", "horizon", &it(), &gates(&["x"]), false).is_err());
    }

    #[test]
    fn only_a_stock_boot_of_the_image_vouches_for_it() {
        let it = || subject("a", Some("i"));
        let passed = [("x", "passed")];
        for boot in [None, Some(Boot::Lean)] {
            let (ledger, _) = written(&[evidence(it(), boot, &passed)]);
            let refused = ledger.proof("qa", "horizon", &it(), &gates(&["x"]), true);
            assert!(matches!(refused, Err(Refusal::Unvouched { .. })), "{refused:?}");
            assert!(!ledger.proof("qa", "horizon", &it(), &gates(&["x"]), false).unwrap().image_proven);
        }
        let (ledger, _) = written(&[evidence(it(), Some(Boot::Stock), &passed), evidence(it(), None, &passed)]);
        let proof = ledger.proof("qa", "horizon", &it(), &gates(&["x"]), true).unwrap();
        assert_eq!(proof, Proof { evidence: vec![1], image_proven: true });
    }

    #[test]
    fn the_way_back_leads_to_the_last_that_was_another() {
        let (ledger, _) = written(&[promotion("a"), promotion("b"), promotion("b")]);
        assert_eq!(ledger.earlier("horizon", None).unwrap().0, 1);
        assert_eq!(ledger.earlier("horizon", Some(2)).unwrap().0, 2);
        assert!(ledger.earlier("horizon", Some(9)).is_err());
        assert!(ledger.earlier("production", None).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Ledger::parse(&bytes);
        }
    }
}
