//! The suite of scenarios itself, tried: settings of real daemons are broken on purpose, one at a time, and a scenario must notice.
//!
//! `tests/suite/mutations.md` lists what was broken and who noticed. Every run breaks a printed share of it again and asks those who
//! noticed. `MAILWRIGHT_MUTATIONS=N` breaks N that are not in the table and writes how each ended.

mod platform;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use blueprint::Bundle;
use blueprint::scenario::Scenario;
use compiler::Output;
use environments::scenarios::{Mutation, Outcome, Trial, broken, mutations};
use environments::{Backend, LaunchRequest, StateRoot};
use platform::{files, folder, program, sources};
use spec::Sources;

/// How long a platform with a broken setting may take to come up. One that does not is noticed.
const COMES_UP: Duration = Duration::from_secs(100);

/// How long scenarios wait for what a broken setting may keep from happening.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many of the table each run breaks again.
const SHARE: usize = 2;

/// What notices when no scenario had to: the platform does not come up.
const NOT_UP: &str = "it does not come up";

/// Paths of settings that mail, names and accounts depend on; nobody sees from a mailbox whether metrics or clocks are kept.
const WATCHED: [&str; 10] = [
    "/etc/postfix/",
    "/etc/postfix-bulk/",
    "/etc/dovecot/",
    "/etc/rspamd/",
    "/etc/haproxy/",
    "/etc/unbound/",
    "/etc/knot/",
    "/etc/clamav/",
    "/etc/mailwright/policy.json",
    "/etc/mailwright/serve.json",
];

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    place: String,
    before: String,
    after: String,
    /// The scenario that noticed, or [`NOT_UP`]; empty when nobody did.
    noticed: String,
    /// Why nobody did, where somebody has looked.
    reason: String,
}

impl Row {
    fn of(mutation: &Mutation, noticed: String) -> Self {
        Self {
            place: place(mutation),
            before: mutation.before.trim().to_owned(),
            after: mutation.after.trim().to_owned(),
            noticed,
            reason: String::new(),
        }
    }

    fn is_of(&self, mutation: &Mutation) -> bool {
        self.place == place(mutation) && self.before == mutation.before.trim() && self.after == mutation.after.trim()
    }

    fn line(&self) -> String {
        let cells = [&self.place, &self.before, &self.after, &self.noticed, &self.reason];
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('\\', "\\\\").replace('|', "\\|")).collect();
        format!("| {} |", cells.join(" | "))
    }

    fn read(line: &str) -> Option<Self> {
        let mut cells = vec![String::new()];
        let mut characters = line.strip_prefix("| ")?.strip_suffix('|')?.chars();
        while let Some(character) = characters.next() {
            let cell = cells.last_mut()?;
            match character {
                '\\' => cell.extend(characters.next()),
                '|' => cells.push(String::new()),
                other => cell.push(other),
            }
        }
        let [place, before, after, noticed, reason] = <[String; 5]>::try_from(cells).ok()?.map(|c| c.trim().to_owned());
        Some(Self { place, before, after, noticed, reason })
    }
}

fn place(mutation: &Mutation) -> String {
    format!("{}:{}", mutation.node, mutation.path)
}

fn table() -> PathBuf {
    folder().join("mutations.md")
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(table()).expect("the table is there");
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|line| Row::read(line).unwrap_or_else(|| panic!("a row has five cells: {line}"))).collect()
}

/// The suite's platform, compiled.
struct Suite {
    sources: Sources,
    output: Output,
    bundle: Bundle,
}

impl Suite {
    fn compiled() -> Self {
        let sources = sources(&folder());
        let parsed = spec::parse(&sources);
        let output = compiler::compile(&sources, &parsed, "dev").output.expect("the suite has no errors");
        let bundle = compiler::render(&output, &sources);
        Self { sources, output, bundle }
    }

    /// Returns what can be broken, evenly over roles, files and kinds, the same ones first every time.
    fn possible(&self, count: usize) -> Vec<Mutation> {
        let mut watched = self.bundle.clone();
        for tree in watched.nodes.values_mut() {
            // A module that is only switched off is missed by nobody.
            tree.files.retain(|path, file| {
                WATCHED.iter().any(|start| path.starts_with(start)) && file.unfilled().0 != b"\"enabled\" = false;\n"
            });
        }
        mutations(&watched, count, 2026)
    }

    /// Brings the platform up and carries scenarios out until one notices.
    ///
    /// - Returns: the one that did, and what it said.
    fn noticed(
        &self,
        bundle: Bundle,
        scenarios: &[Scenario],
        root: PathBuf,
        program: PathBuf,
    ) -> Option<(String, String)> {
        let state = tempfile::tempdir().expect("a temporary folder");
        let request = LaunchRequest {
            state: StateRoot::new(state.path()),
            repository: folder(),
            blueprint: self.output.blueprint.clone(),
            roster: self.output.roster.clone(),
            launch: self.output.launch.clone(),
            bundle,
            backend: Some(Backend::Namespace.name().to_owned()),
            seed: 1,
            variables: BTreeMap::new(),
            program,
            root: Some(root),
            image: None,
            snapshot: None,
            boot: blueprint::ledger::Boot::Lean,
            cache: state.path().join("cache"),
            packages: BTreeMap::new(),
            patience: Some(COMES_UP),
        };
        let running = match environments::launch(request, &()) {
            Ok(running) => running,
            Err(failure) => return Some((NOT_UP.to_owned(), failure.to_string())),
        };
        if let Err(failure) = running.await_rest() {
            return Some((NOT_UP.to_owned(), failure.to_string()));
        }
        let stop = AtomicBool::new(false);
        let trial = Trial {
            description: running.description(),
            scenarios,
            files: &files(&self.sources),
            hands: running.hands(),
            patience: PATIENCE,
            stop: &stop,
        };
        let report = trial.run(&|one| {
            if matches!(one.outcome, Outcome::Failed(_) | Outcome::Broken(_)) {
                stop.store(true, Ordering::Relaxed);
            }
        });
        let _ = running.stop();
        let report = report.unwrap_or_else(|reason| panic!("{reason}"));
        let bad = report.scenarios.iter().find(|one| matches!(one.outcome, Outcome::Failed(_) | Outcome::Broken(_)));
        bad.map(|one| (one.name.clone(), one.outcome.reason().unwrap_or_default().to_owned()))
    }
}

/// Returns what real daemons are begun with, or why they cannot be.
fn ground(suite: &Suite) -> Result<(PathBuf, PathBuf), String> {
    if let Some(lack) = Backend::Namespace.fit(&suite.output.blueprint, &suite.output.launch).first() {
        return Err(lack.to_string());
    }
    let root = std::env::var_os("MAILWRIGHT_ROOT").map(PathBuf::from);
    let root = root.ok_or_else(|| "MAILWRIGHT_ROOT names no root file system".to_owned())?;
    Ok((root, program().ok_or_else(|| "the program `mailwright` is not built".to_owned())?))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn who_noticed_a_broken_setting_notices_it_again() {
    let suite = Suite::compiled();
    let (root, program) = match ground(&suite) {
        Ok(ground) => ground,
        Err(why) => return println!("skipped: {why}"),
    };
    let possible = suite.possible(usize::MAX);
    let known: Vec<(Row, &Mutation)> = (rows().into_iter().filter(|row| !row.noticed.is_empty()))
        .filter_map(|row| Some((row.clone(), possible.iter().find(|mutation| row.is_of(mutation))?)))
        .collect();
    let share = if std::env::var_os("MAILWRIGHT_ALL").is_some() { known.len() } else { SHARE.min(known.len()) };
    let first =
        number("PROPTEST_RNG_SEED").map_or(0, |seed| usize::try_from(seed % known.len().max(1) as u64).unwrap_or(0));
    let mut asleep = Vec::new();
    for (row, mutation) in known.iter().cycle().skip(first).take(share) {
        println!("broken on purpose: {mutation}; to notice: {}", row.noticed);
        let asked: Vec<Scenario> =
            suite.output.scenarios.iter().filter(|one| one.name == row.noticed).cloned().collect();
        assert!(!asked.is_empty() || row.noticed == NOT_UP, "no scenario is called `{}`", row.noticed);
        if suite.noticed(broken(&suite.bundle, mutation), &asked, root.clone(), program.clone()).is_none() {
            asleep.push(format!("{mutation}: `{}` did not notice", row.noticed));
        }
    }
    assert_eq!(asleep, [""; 0]);
}

#[test]
fn settings_that_nobody_has_broken_yet_are_broken_where_asked_for() {
    let Some(count) = number("MAILWRIGHT_MUTATIONS") else {
        return println!("skipped: MAILWRIGHT_MUTATIONS does not say how many to break; it takes minutes");
    };
    let suite = Suite::compiled();
    let (root, program) = ground(&suite).expect("real daemons can be begun");
    let mut rows = rows();
    let wanted = suite.possible(rows.len() + usize::try_from(count).unwrap_or(usize::MAX));
    let wanted: Vec<Mutation> =
        wanted.into_iter().filter(|mutation| !rows.iter().any(|row| row.is_of(mutation))).collect();
    for (tried, mutation) in wanted.iter().enumerate() {
        let began = Instant::now();
        let scenarios = by_alertness(&suite.output.scenarios, &rows);
        // Nothing is broken now and then: what is noticed then says how far the others can be believed.
        if tried % 20 == 10 {
            let noticed = suite.noticed(suite.bundle.clone(), &scenarios, root.clone(), program.clone());
            println!("{:6.1} s nothing broken: {noticed:?}", began.elapsed().as_secs_f64());
            assert_eq!(noticed, None, "where nothing is broken nobody notices anything");
        }
        let began = Instant::now();
        let noticed = suite.noticed(broken(&suite.bundle, mutation), &scenarios, root.clone(), program.clone());
        println!("{:6.1} s {mutation}: {noticed:?}", began.elapsed().as_secs_f64());
        rows.push(Row::of(mutation, noticed.map(|(name, _)| name).unwrap_or_default()));
        write(&rows);
    }
}

/// Returns the scenarios, those that have noticed most first.
fn by_alertness(scenarios: &[Scenario], rows: &[Row]) -> Vec<Scenario> {
    // Where scenarios break nodes themselves, those after them may notice that.
    let breaks = |one: &Scenario| one.steps.iter().any(|step| step.verb == "fault");
    let mut scenarios: Vec<Scenario> = scenarios.iter().filter(|one| !breaks(one)).cloned().collect();
    scenarios.sort_by_key(|one| std::cmp::Reverse(rows.iter().filter(|row| row.noticed == one.name).count()));
    scenarios
}

fn write(rows: &[Row]) {
    let text = std::fs::read_to_string(table()).expect("the table is there");
    let head: Vec<&str> = text.lines().take_while(|line| !line.starts_with("| ")).collect();
    let mut lines: Vec<String> = rows.iter().map(Row::line).collect();
    lines.sort();
    let columns = "| where | as rendered | broken | noticed by | if by nobody: why |\n|---|---|---|---|---|";
    std::fs::write(table(), format!("{}\n{columns}\n{}\n", head.join("\n"), lines.join("\n")))
        .expect("it can be written");
}

#[test]
fn rows_are_read_as_they_are_written() {
    let row = Row {
        place: "mx-1:/etc/postfix/main.cf".to_owned(),
        before: "a = b | c \\ d".to_owned(),
        after: String::new(),
        noticed: NOT_UP.to_owned(),
        reason: String::new(),
    };
    assert_eq!(Row::read(&row.line()), Some(row));
}
