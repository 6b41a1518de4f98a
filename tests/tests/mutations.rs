//! The suite of scenarios itself, tried: settings of real daemons are broken on purpose, one at a time, and a scenario must notice.
//!
//! `tests/suite/mutations.md` lists what is broken and who noticed. Every run breaks a printed share of it again and asks those who
//! noticed. `MAILWRIGHT_MUTATIONS=N` breaks N that nobody has tried yet and writes how each ended.

mod platform;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use blueprint::Bundle;
use blueprint::bundle::Piece;
use blueprint::scenario::Scenario;
use compiler::Output;
use environments::scenarios::{Outcome, Trial};
use environments::{Backend, LaunchRequest, StateRoot};
use platform::{files, folder, program, sources};
use spec::Sources;

/// How long a platform with a broken setting may take to come up. One that does not is noticed.
const COMES_UP: Duration = Duration::from_secs(40);

/// How long scenarios wait for what a broken setting may keep from happening.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many of the table each run breaks again.
const SHARE: usize = 2;

/// What notices when no scenario had to: the platform does not come up.
const NOT_UP: &str = "it does not come up";

/// Who noticed what nobody has tried yet; titles of scenarios may follow that are likely to.
const UNTRIED: &str = "?";

/// Who noticed what nobody noticed.
const NOBODY: &str = "nobody";

/// Who noticed what nobody can: the platform does the same with it, for the reason that the row gives.
const SAME: &str = "no difference";

/// The setting of a row that breaks the whole file: it is empty.
const WHOLE: &str = "(all of it)";

/// What a directory's data are made from, and what makes them.
const SCHEMA: &str = "/etc/mailwright/directory/schema.sql";
const PREPARE: &str = "/etc/mailwright/directory/prepare";

/// What breaks a certificate: there is another of the same name, which nobody signed.
const FORGED: &str = "(a certificate that nobody signed)";

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    /// `node:path`, or `node:path#2` where the text stands there more often and the second is meant.
    place: String,
    /// A part of the file.
    before: String,
    /// What stands there instead.
    after: String,
    /// The scenario that noticed, or [`NOT_UP`], [`NOBODY`], [`SAME`] or [`UNTRIED`].
    noticed: String,
    /// Why nobody did, where somebody has looked.
    reason: String,
}

impl Row {
    fn line(&self) -> String {
        let cells = [&self.place, &self.before, &self.after, &self.noticed, &self.reason];
        let escaped = |cell: &&String| cell.replace('\\', "\\\\").replace('|', "\\|").replace('\n', "\\n");
        let cells: Vec<String> = cells.iter().map(escaped).collect();
        format!("| {} |", cells.join(" | "))
    }

    fn read(line: &str) -> Option<Self> {
        let mut cells = vec![String::new()];
        let mut characters = line.strip_prefix('|')?.strip_suffix('|')?.chars();
        while let Some(character) = characters.next() {
            let cell = cells.last_mut()?;
            match character {
                '\\' => cell.extend(characters.next().map(|escaped| if escaped == 'n' { '\n' } else { escaped })),
                '|' => cells.push(String::new()),
                other => cell.push(other),
            }
        }
        let [place, before, after, noticed, reason] = <[String; 5]>::try_from(cells).ok()?.map(|cell| {
            // One blank on each side is the table's; what is more belongs to the file.
            let cell = cell.strip_prefix(' ').unwrap_or(&cell);
            cell.strip_suffix(' ').unwrap_or(cell).to_owned()
        });
        Some(Self { place, before, after, noticed, reason })
    }

    fn is_tried(&self) -> bool {
        !self.noticed.starts_with(UNTRIED)
    }

    fn is_noticed(&self) -> bool {
        self.is_tried() && ![NOBODY, SAME].contains(&self.noticed.as_str())
    }

    /// Returns whether a scenario is thought to notice.
    fn is_likely(&self, scenario: &Scenario) -> bool {
        self.noticed
            .strip_prefix(UNTRIED)
            .is_some_and(|likely| likely.split(';').any(|one| one.trim() == scenario.name))
    }

    /// Returns a Bundle with this one setting broken.
    ///
    /// - Errors: the setting is not in the Bundle, or more often than the row can mean.
    fn broken(&self, bundle: &Bundle) -> Result<Bundle, String> {
        let (node, rest) = self.place.split_once(':').ok_or("a place is `node:path`")?;
        let (path, which) = rest.split_once('#').unwrap_or((rest, ""));
        let mut bundle = bundle.clone();
        let tree = bundle.nodes.get_mut(node).ok_or_else(|| format!("no node is called `{node}`"))?;
        let file = tree.files.get_mut(path).ok_or_else(|| format!("{node} has no file `{path}`"))?;
        if self.before == WHOLE {
            let bytes = if self.after == FORGED { forged(node) } else { Ok(Vec::new()) };
            file.pieces = vec![Piece::Bytes(bytes.map_err(|problem| problem.to_string())?)];
            return Ok(bundle);
        }
        let mut found = Vec::new();
        for (index, piece) in file.pieces.iter().enumerate() {
            let Piece::Bytes(bytes) = piece else { continue };
            let text = std::str::from_utf8(bytes).map_err(|_| format!("{node}:{path} is no text"))?;
            found.extend(text.match_indices(&self.before).map(|(at, _)| (index, at)));
        }
        let meant = match (which.parse::<usize>(), found.len()) {
            (_, 0) => return Err(format!("`{}` does not stand in {node}:{path}", self.before)),
            (Ok(which), _) => found.get(which.wrapping_sub(1)),
            (Err(_), 1) => found.first(),
            (Err(_), more) => return Err(format!("`{}` stands {more} times in {node}:{path}", self.before)),
        };
        let &(index, at) =
            meant.ok_or_else(|| format!("`{}` does not stand so often in {node}:{path}", self.before))?;
        if let Some(Piece::Bytes(bytes)) = file.pieces.get_mut(index) {
            bytes.splice(at..at + self.before.len(), self.after.bytes());
        }
        if path == SCHEMA {
            make_anew(tree);
        }
        Ok(bundle)
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {:?} is {:?}", self.place, self.before, self.after)
    }
}

/// Has a directory make its first data from its own schema: what is kept for others is named by the schema as rendered.
fn make_anew(tree: &mut blueprint::bundle::Tree) {
    let prepare = tree.files.get_mut(PREPARE);
    for piece in prepare.into_iter().flat_map(|file| &mut file.pieces) {
        if let Piece::Bytes(bytes) = piece {
            let text = String::from_utf8_lossy(bytes).replace("/templates/directory-", "/templates/broken.");
            *bytes = text.into_bytes();
        }
    }
}

/// Returns a key and a certificate of it for a node's name, signed by nobody but itself, as PEM.
fn forged(node: &str) -> Result<Vec<u8>, rcgen::Error> {
    let key = rcgen::KeyPair::generate()?;
    let names = vec![format!("{node}.northmail.example")];
    let certificate = rcgen::CertificateParams::new(names)?.self_signed(&key)?;
    Ok(format!("{}{}", key.serialize_pem(), certificate.pem()).into_bytes())
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
            cache: platform::cache(),
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

/// Whether an answer was given that no load explains.
fn is_definite(said: &str) -> bool {
    let reply = said.split_once(", got `").map(|(_, reply)| reply.starts_with(['2', '3', '5']));
    reply.unwrap_or_else(|| said.contains(" the answer"))
}

/// What a row's setting brought about.
#[expect(clippy::print_stdout, reason = "who waits for minutes wants to see how it goes")]
fn outcome(suite: &Suite, row: &Row, scenarios: &[Scenario], ground: &(PathBuf, PathBuf)) -> String {
    let bundle = row.broken(&suite.bundle).unwrap_or_else(|why| panic!("{why}"));
    let (root, program) = ground;
    // A busy machine makes scenarios fail, too: what only came late, or not for now, must be noticed twice to be believed.
    let mut disbelieved = BTreeSet::new();
    loop {
        let asked: Vec<Scenario> = scenarios.iter().filter(|one| !disbelieved.contains(&one.name)).cloned().collect();
        let likely: Vec<Scenario> = asked.iter().filter(|one| row.is_likely(one)).cloned().collect();
        let first = (!likely.is_empty())
            .then(|| suite.noticed(bundle.clone(), &likely, root.clone(), program.clone()))
            .flatten();
        let rest: Vec<Scenario> = asked.iter().filter(|one| !row.is_likely(one)).cloned().collect();
        let noticed = first.or_else(|| suite.noticed(bundle.clone(), &rest, root.clone(), program.clone()));
        let Some((name, said)) = noticed else { return NOBODY.to_owned() };
        if is_definite(&said) {
            println!("         {name}: {}", said.replace('\n', " "));
            return name;
        }
        let again: Vec<Scenario> = asked.into_iter().filter(|one| one.name == name).collect();
        match suite.noticed(bundle.clone(), &again, root.clone(), program.clone()) {
            Some(_) => {
                println!("         {name}: {}", said.replace('\n', " "));
                return name;
            }
            None => println!("         not believed: {name}: {said}"),
        }
        if name == NOT_UP || disbelieved.len() > 3 {
            return row.noticed.clone();
        }
        disbelieved.insert(name);
    }
}

#[test]
fn who_noticed_a_broken_setting_notices_it_again() {
    let suite = Suite::compiled();
    let (root, program) = match ground(&suite) {
        Ok(ground) => ground,
        Err(why) => return println!("skipped: {why}"),
    };
    let known: Vec<Row> = rows().into_iter().filter(Row::is_noticed).collect();
    let share = if std::env::var_os("MAILWRIGHT_ALL").is_some() { known.len() } else { SHARE.min(known.len()) };
    let first =
        number("PROPTEST_RNG_SEED").map_or(0, |seed| usize::try_from(seed % known.len().max(1) as u64).unwrap_or(0));
    let mut asleep = Vec::new();
    for row in known.iter().cycle().skip(first).take(share) {
        println!("broken on purpose: {row}; to notice: {}", row.noticed);
        let asked: Vec<Scenario> =
            suite.output.scenarios.iter().filter(|one| one.name == row.noticed).cloned().collect();
        assert!(!asked.is_empty() || row.noticed == NOT_UP, "no scenario is called `{}`", row.noticed);
        let bundle = row.broken(&suite.bundle).unwrap_or_else(|why| panic!("{why}"));
        if suite.noticed(bundle, &asked, root.clone(), program.clone()).is_none() {
            asleep.push(format!("{row}: `{}` did not notice", row.noticed));
        }
    }
    assert_eq!(asleep, [""; 0]);
}

#[test]
fn each_setting_of_the_table_is_still_rendered_and_each_scenario_there() {
    let suite = Suite::compiled();
    let names: BTreeSet<&str> = suite.output.scenarios.iter().map(|one| one.name.as_str()).collect();
    let said = |noticed: &str| {
        let mut likely = noticed.strip_prefix(UNTRIED).unwrap_or_default().split(';').map(str::trim);
        names.contains(noticed)
            || [NOT_UP, NOBODY, SAME].contains(&noticed)
            || noticed.starts_with(UNTRIED) && likely.all(|one| one.is_empty() || names.contains(one))
    };
    let mut wrong = Vec::new();
    for row in rows() {
        match row.broken(&suite.bundle) {
            Ok(bundle) if bundle == suite.bundle => wrong.push(format!("{row} changes nothing")),
            Ok(_) if row.noticed == SAME && row.reason.is_empty() => {
                wrong.push(format!("{row} makes no difference: why?"))
            }
            Ok(_) if !said(&row.noticed) => wrong.push(format!("no scenario is called `{}`", row.noticed)),
            Ok(_) => {}
            Err(why) => wrong.push(why),
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn settings_that_nobody_has_broken_yet_are_broken_where_asked_for() {
    let Some(count) = number("MAILWRIGHT_MUTATIONS") else {
        return println!("skipped: MAILWRIGHT_MUTATIONS does not say how many to break; it takes minutes");
    };
    let suite = Suite::compiled();
    let ground = ground(&suite).expect("real daemons can be begun");
    let mut wanted: Vec<Row> = rows().into_iter().filter(|row| !row.is_tried()).collect();
    // Mixed, so that those that were tried say something of all, wherever one stops.
    wanted.sort_by_cached_key(|row| blueprint::File::text(row.line()).digest());
    wanted.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    // Nothing is broken first: what is noticed then says how far the others can be believed.
    let all = by_alertness(&suite.output.scenarios, None, &rows());
    let noticed = suite.noticed(suite.bundle.clone(), &all, ground.0.clone(), ground.1.clone());
    println!("nothing broken: {noticed:?}");
    let next = AtomicUsize::new(0);
    let writing = Mutex::new(());
    std::thread::scope(|scope| {
        // A platform mostly waits, for daemons and for mail that does not come.
        for _ in 0..number("MAILWRIGHT_AT_ONCE").unwrap_or(1) {
            scope.spawn(|| {
                while let Some(row) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let scenarios = by_alertness(&suite.output.scenarios, Some(row), &rows());
                    let noticed = outcome(&suite, row, &scenarios, &ground);
                    println!("{:6.1} s {row}: {noticed}", began.elapsed().as_secs_f64());
                    let _turn = writing.lock().expect("nobody fails while writing");
                    record(row, &noticed);
                }
            });
        }
    });
}

/// Writes into the table how a row ended; it is read anew, since somebody may have added to it meanwhile.
fn record(row: &Row, noticed: &str) {
    let mut rows = rows();
    let is_it = |one: &&mut Row| one.place == row.place && one.before == row.before && one.after == row.after;
    rows.iter_mut().filter(is_it).for_each(|one| noticed.clone_into(&mut one.noticed));
    write(&rows);
}

/// Returns the scenarios, those first that noticed most of what is like a row.
fn by_alertness(scenarios: &[Scenario], row: Option<&Row>, rows: &[Row]) -> Vec<Scenario> {
    // Where scenarios break nodes themselves, those after them may notice that.
    let breaks = |one: &Scenario| one.steps.iter().any(|step| step.verb == "fault");
    let file = |row: &Row| row.place.split(['#']).next().unwrap_or_default().to_owned();
    let node = |row: &Row| row.place.split(':').next().unwrap_or_default().to_owned();
    let likeness = |other: &Row| match row {
        Some(row) if file(other) == file(row) => 100,
        Some(row) if node(other) == node(row) => 10,
        _ => 1,
    };
    let mut scenarios: Vec<Scenario> = scenarios.iter().filter(|one| !breaks(one)).cloned().collect();
    scenarios.sort_by_cached_key(|one| {
        std::cmp::Reverse(rows.iter().filter(|row| row.noticed == one.name).map(likeness).sum::<usize>())
    });
    scenarios
}

fn write(rows: &[Row]) {
    let text = std::fs::read_to_string(table()).expect("the table is there");
    let head: Vec<&str> = text.lines().take_while(|line| !line.starts_with("| ")).collect();
    let lines: Vec<String> = rows.iter().map(Row::line).collect();
    let columns = "| where | as rendered | broken | noticed by | if by nobody: why |\n|---|---|---|---|---|";
    std::fs::write(table(), format!("{}\n{columns}\n{}\n", head.join("\n"), lines.join("\n")))
        .expect("it can be written");
}

#[test]
fn rows_are_read_as_they_are_written() {
    let row = Row {
        place: "mx-1:/etc/postfix/main.cf".to_owned(),
        before: "  a = b | c \\ d\nnew\n ".to_owned(),
        after: String::new(),
        noticed: NOT_UP.to_owned(),
        reason: String::new(),
    };
    assert_eq!(Row::read(&row.line()), Some(row));
}
