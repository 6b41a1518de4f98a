//! The suite of scenarios on every backend that is present, and the Reports of all of them compared.

#![expect(clippy::print_stdout, reason = "counts and what was skipped are told")]

#[path = "../../cli/tests/desk/engine.rs"]
#[expect(dead_code, unreachable_pub, reason = "the other file that takes it in uses all of it")]
mod engine;
mod platform;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

use blueprint::scenario::Scenario;
use engine::Engine;
use environments::scenarios::{Known, Outcome, Report, Trial, compare, judge};
use environments::{Backend, LaunchRequest, StateRoot};
use platform::{files, folder, program, sources};
use spec::{SourceFile, Sources, Trust};

/// Brings the suite's platform up and carries out what is chosen; says why where the backend cannot run here.
fn carry_out(backend: Backend, patience: Duration, chosen: impl Fn(&Scenario) -> bool) -> Result<Report, String> {
    carry_out_with(backend, &BOOKWORM, patience, chosen, BTreeMap::new())
}

/// A release of the distribution whose daemons are run.
struct Release {
    name: &'static str,
    /// The variable that names its root file system.
    root: &'static str,
}

const BOOKWORM: Release = Release { name: "bookworm", root: "MAILWRIGHT_ROOT" };
const TRIXIE: Release = Release { name: "trixie", root: "MAILWRIGHT_ROOT_TRIXIE" };

fn carry_out_with(
    backend: Backend,
    release: &Release,
    patience: Duration,
    chosen: impl Fn(&Scenario) -> bool,
    variables: BTreeMap<String, String>,
) -> Result<Report, String> {
    carry_out_on(released(sources(&folder()), release), backend, release, patience, chosen, variables)
}

fn carry_out_on(
    sources: Sources,
    backend: Backend,
    release: &Release,
    patience: Duration,
    chosen: impl Fn(&Scenario) -> bool,
    variables: BTreeMap<String, String>,
) -> Result<Report, String> {
    let parsed = spec::parse(&sources);
    let compiled = compiler::compile(&sources, &parsed, "dev");
    let output = compiled.output.unwrap_or_else(|| panic!("the suite has problems: {:?}", compiled.problems));
    let lacks = backend.fit(&output.blueprint, &output.launch);
    if let Some(lack) = lacks.first() {
        return Err(lack.to_string());
    }
    let root = std::env::var_os(release.root).map(PathBuf::from);
    let image = std::env::var_os("MAILWRIGHT_IMAGE").map(PathBuf::from).filter(|image| image.join("kernel").exists());
    // They are built with minutes of work and packages from the network; tests take what is there.
    if backend == Backend::Vm && image.is_none() {
        return Err("MAILWRIGHT_IMAGE names no image".to_owned());
    }
    if !matches!(backend, Backend::Embedded | Backend::Vm) && root.is_none() {
        return Err(format!("{} names no root file system", release.root));
    }
    let program = program();
    if backend != Backend::Embedded && program.is_none() {
        return Err("the program `mailwright` is not built".to_owned());
    }
    let bundle = compiler::render(&output, &sources);
    let scenarios: Vec<Scenario> = output.scenarios.into_iter().filter(chosen).collect();
    let files = files(&sources);
    let state = tempfile::tempdir().expect("a temporary folder");
    let request = LaunchRequest {
        state: StateRoot::new(state.path()),
        repository: folder(),
        blueprint: output.blueprint,
        roster: output.roster,
        launch: output.launch,
        bundle,
        backend: Some(backend.name().to_owned()),
        seed: 1,
        variables,
        program: program.unwrap_or_default(),
        root,
        image,
        snapshot: None,
        boot: blueprint::ledger::Boot::Lean,
        cache: platform::cache(),
        packages: BTreeMap::new(),
        patience: None,
    };
    let running = environments::launch(request, &()).unwrap_or_else(|failure| panic!("{failure:?}"));
    running.await_rest().expect("what is behind no door comes up, too");
    let began = Instant::now();
    let stop = AtomicBool::new(false);
    let trial = Trial {
        description: running.description(),
        scenarios: &scenarios,
        files: &files,
        hands: running.hands(),
        patience,
        stop: &stop,
    };
    let since = SystemTime::now();
    let report = trial.run(&|_| ()).expect("the environment can be spoken to");
    if backend == Backend::Namespace {
        // What fails has this with it: a capture file (its first four octets say so) with frames in it.
        let wire = running.hands().trace(since).expect("somebody looks at the wire");
        assert!(wire.starts_with(&[0xd4, 0xc3, 0xb2, 0xa1]) && wire.len() > 1000, "{} octets", wire.len());
    }
    running.stop().expect("it ends");
    let took = began.elapsed().as_secs_f64();
    println!("{}, {}: {} in {took:.1} s", backend.name(), release.name, report.tally());
    for scenario in &report.scenarios {
        match &scenario.outcome {
            Outcome::Passed => {}
            Outcome::Skipped(reason) => println!("skipped: {}: {reason}", scenario.name),
            other => println!("{}: {}\n{}", other.name(), scenario.name, scenario.evidence.dialogue),
        }
    }
    Ok(report)
}

/// Returns the suite's platform as it is on a release.
fn released(sources: Sources, release: &Release) -> Sources {
    let asked = format!("distribution=\"{}\"", release.name);
    let files = sources.files().map(|(_, file)| {
        let text = String::from_utf8_lossy(&file.bytes).replace("distribution=\"bookworm\"", &asked);
        SourceFile { bytes: text.into_bytes(), ..file.clone() }
    });
    let released = Sources::new(files.collect(), sources.assets().to_vec());
    assert!(released.files().any(|(_, file)| String::from_utf8_lossy(&file.bytes).contains(&asked)), "it names one");
    released
}

/// Tells which scenarios are carried out where not all are, and says so: what breaks, and a tenth, another one with each commit.
fn share() -> impl Fn(&Scenario) -> bool {
    let tenth = tenth();
    println!("and what breaks");
    move |scenario| tenth(scenario) || breaks(scenario)
}

/// Tells which scenarios are carried out where none is wanted each time.
fn tenth() -> impl Fn(&Scenario) -> bool {
    let all = std::env::var_os("MAILWRIGHT_ALL").is_some();
    let share: usize = std::env::var("MAILWRIGHT_SHARE").ok().and_then(|share| share.parse().ok()).unwrap_or(0);
    match all {
        true => println!("all scenarios"),
        false => println!("the scenarios of share {share} of 10 (MAILWRIGHT_SHARE; all of them with MAILWRIGHT_ALL)"),
    }
    let names = names();
    move |scenario| {
        let place = names.iter().position(|known| *known == scenario.name).unwrap_or(0);
        all || place % 10 == share % 10
    }
}

/// Holds a share of the scenarios on real daemons against the same on the embedded backend, where only differences of the table may be.
fn hold_alike(real: &Report, release: &Release, chosen: impl Fn(&Scenario) -> bool) {
    let embedded = carry_out(Backend::Embedded, Duration::from_secs(60), chosen).expect("it runs everywhere");
    assert_eq!(unmet(real), [""; 0]);
    let tried = |known: &Known| real.scenarios.iter().any(|scenario| scenario.name == known.scenario);
    let known: Vec<Known> = known(release).into_iter().filter(tried).collect();
    let wrong: Vec<String> = judge(&compare(&embedded, real), &known).iter().map(ToString::to_string).collect();
    assert_eq!(wrong, [""; 0], "differences that tests/suite/differences.md does not name, or no longer should");
}

/// Reads the tables of differences that are known: of all daemons, and of those of one release.
fn known(release: &Release) -> Vec<Known> {
    let text = fs::read_to_string(folder().join("differences.md")).expect("the table is there");
    let mut parts = text.split("\n## ");
    let all = parts.next().unwrap_or_default();
    let of_release = parts.find(|part| part.starts_with(&format!("On {} only", release.name))).unwrap_or_default();
    let rows = |part: &str| -> Vec<String> {
        part.lines().filter(|line| line.starts_with("| ")).skip(1).map(str::to_owned).collect()
    };
    let rows: Vec<String> = [all, of_release].iter().flat_map(|part| rows(part)).collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [scenario, step, reason] = cells.as_slice() else { panic!("a row has three cells: {row}") };
            assert!(!reason.is_empty(), "a difference has a reason: {row}");
            let step = (!step.is_empty()).then(|| step.parse().expect("a step is a number"));
            Known { scenario: (*scenario).to_owned(), step, reason: (*reason).to_owned() }
        })
        .collect()
}

/// Whether something is broken on purpose in a scenario.
fn breaks(scenario: &Scenario) -> bool {
    scenario.steps.iter().any(|step| step.verb == "fault")
}

/// Returns the titles of all scenarios, sorted.
fn names() -> Vec<String> {
    let sources = sources(&folder());
    let parsed = spec::parse(&sources);
    let output = compiler::compile(&sources, &parsed, "dev").output.expect("the suite has no errors");
    let mut names: Vec<String> = output.scenarios.into_iter().map(|scenario| scenario.name).collect();
    names.sort();
    names
}

/// Returns what the embedded backend does not meet, but for whole scenarios that the table of differences names.
fn unmet_embedded(report: &Report) -> Vec<String> {
    let known: Vec<Known> = known(&BOOKWORM).into_iter().filter(|known| known.step.is_none()).collect();
    let is_known = |line: &String| known.iter().any(|known| line.starts_with(&format!("{}: ", known.scenario)));
    unmet(report).into_iter().filter(|line| !is_known(line)).collect()
}

fn unmet(report: &Report) -> Vec<String> {
    let bad = report.scenarios.iter().filter(|one| matches!(one.outcome, Outcome::Failed(_) | Outcome::Broken(_)));
    bad.map(|one| format!("{}: {}", one.name, one.outcome.reason().unwrap_or_default())).collect()
}

#[test]
fn at_least_120_behaviours_hold_on_the_embedded_backend_each_in_a_file_of_its_own() {
    let report = carry_out(Backend::Embedded, Duration::from_secs(60), |_| true).expect("it runs everywhere");
    assert_eq!(unmet_embedded(&report), [""; 0]);
    assert!(report.tally().passed >= 120, "{}", report.tally());
    let files = fs::read_dir(folder().join("scenarios")).expect("the scenarios are there").flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().ends_with(".kdl")).count();
    assert_eq!(files, report.scenarios.len());
}

#[test]
fn real_daemons_do_the_same_but_for_what_is_listed() {
    let real = match carry_out(Backend::Namespace, Duration::from_secs(60), |_| true) {
        Ok(report) => report,
        Err(why) => return println!("skipped: the backend `namespace`: {why}"),
    };
    let embedded = carry_out(Backend::Embedded, Duration::from_secs(60), |_| true).expect("it runs everywhere");
    let wrong: Vec<String> =
        judge(&compare(&embedded, &real), &known(&BOOKWORM)).iter().map(ToString::to_string).collect();
    assert_eq!(wrong, [""; 0], "differences that tests/suite/differences.md does not name, or no longer should");
}

#[test]
fn containers_do_the_same_in_a_share_of_the_scenarios_that_moves() {
    let engine = match Engine::start() {
        Ok(engine) => engine,
        Err(why) => return println!("skipped: the backend `container`: {why}"),
    };
    let chosen = share();
    let variables = BTreeMap::from([("DOCKER_HOST".to_owned(), engine.address())]);
    match carry_out_with(Backend::Container, &BOOKWORM, Duration::from_secs(60), &chosen, variables) {
        Ok(real) => hold_alike(&real, &BOOKWORM, chosen),
        Err(why) => println!("skipped: the backend `container`: {why}"),
    }
}

#[test]
fn the_next_releases_daemons_do_the_same_in_a_share_of_the_scenarios_that_moves() {
    let chosen = share();
    match carry_out_with(Backend::Namespace, &TRIXIE, Duration::from_secs(60), &chosen, BTreeMap::new()) {
        Ok(real) => hold_alike(&real, &TRIXIE, chosen),
        Err(why) => println!("skipped: the backend `namespace` on {}: {why}", TRIXIE.name),
    }
}

/// What only a platform with two gateways can say: one does for both, and without any it is as the operator wants.
///
/// - `lost`: the one that is gone first.
/// - `unscanned`: the last of what is tried, while none answers.
fn gateways_lost(lost: &str, other: &str, unscanned: &str) -> String {
    format!(
        r#"language 1

scenario "{GATEWAYS_LOST}" {{
    provision mailbox="gateway@acme.example"
    fault "cut-off" node="{lost}"
    send from="bob@bigmail.example" to="gateway@acme.example" subject="clean" reply=250
    expect mailbox="gateway@acme.example" subject="clean" count=1
    send from="bob@bigmail.example" to="gateway@acme.example" attach="gtube" subject="gtube" reply=554 enhanced="5.7.1"
    fault "power-off" node="{other}"
{unscanned}
    heal
}}
"#
    )
}

const GATEWAYS_LOST: &str = "one gateway does for both, and without any it is as the operator wants";

/// Returns the suite's platform with mail that comes in through two gateways of the defense, instead of a milter.
///
/// - `on_unavailable`: what becomes of mail while none answers.
/// - `lost`: what is tried with gateways that are gone.
fn through_gateways(on_unavailable: &str, lost: String) -> Sources {
    let plain = sources(&folder());
    let on_unavailable = format!("on-unavailable=\"{on_unavailable}\"");
    let changed = |file: &SourceFile| {
        let text = String::from_utf8_lossy(&file.bytes)
            .replace("hookup \"milter\"", "hookup \"gateway\"")
            .replace("on-unavailable=\"defer\"", &on_unavailable)
            .replace("scale \"smallest\"", "scale \"smallest\"\n    scale cluster=\"a\" {\n        defense 2\n    }");
        SourceFile { bytes: text.into_bytes(), ..file.clone() }
    };
    let mut files: Vec<SourceFile> = plain.files().map(|(_, file)| changed(file)).collect();
    let (path, trust) = ("scenarios/gateways-lost.kdl".to_owned(), Trust::Operator);
    files.push(SourceFile { path, bytes: lost.into_bytes(), trust });
    Sources::new(files, plain.assets().to_vec())
}

/// Returns the titles of the scenarios in files whose names begin so.
fn titles(beginnings: &[&str]) -> Vec<String> {
    let plain = sources(&folder());
    let about = |file: &&SourceFile| {
        let name = file.path.strip_prefix("scenarios/").unwrap_or_default();
        beginnings.iter().any(|beginning| name.starts_with(beginning))
    };
    let title = |file: &SourceFile| {
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        Some(text.split_once("scenario \"")?.1.split_once('"')?.0.to_owned())
    };
    plain.files().map(|(_, file)| file).filter(about).filter_map(title).collect()
}

#[test]
fn gateways_in_front_of_the_mx_judge_as_a_milter_does_and_one_does_for_both() {
    let titles = titles(&["defense-", "virus", "spf-", "dkim-", "dmarc-", "delivery", "bounce-", "quota-recipient"]);
    assert!(titles.len() >= 40, "{}", titles.len());
    let chosen = |scenario: &Scenario| titles.contains(&scenario.name) || scenario.name == GATEWAYS_LOST;
    let patience = Duration::from_secs(60);
    let unscanned = r#"    send from="bob@bigmail.example" to="gateway@acme.example" attach="gtube" subject="unscanned" reply=250
    expect mailbox="gateway@acme.example" subject="unscanned" header="X-Virus-Status" value="Not scanned" count=1"#;
    let sources = || through_gateways("accept", gateways_lost("defense-1", "defense-2", unscanned));
    let embedded = carry_out_on(sources(), Backend::Embedded, &BOOKWORM, patience, chosen, BTreeMap::new())
        .expect("it runs everywhere");
    assert_eq!(unmet_embedded(&embedded), [""; 0]);
    let real = match carry_out_on(sources(), Backend::Namespace, &BOOKWORM, patience, chosen, BTreeMap::new()) {
        Ok(report) => report,
        Err(why) => return println!("skipped: the backend `namespace`: {why}"),
    };
    assert_eq!(unmet(&real), [""; 0]);
    let lost = real.scenarios.iter().find(|scenario| scenario.name == GATEWAYS_LOST).expect("it is carried out");
    assert_eq!(lost.outcome, Outcome::Passed);
}

#[test]
fn without_gateways_mail_waits_or_is_refused_as_the_operator_says() {
    for (on_unavailable, code, release) in [("defer", 451, &BOOKWORM), ("reject", 550, &TRIXIE)] {
        let unscanned = format!(
            "    send from=\"bob@bigmail.example\" to=\"gateway@acme.example\" subject=\"unscanned\" reply={code}\n    \
             expect mailbox=\"gateway@acme.example\" subject=\"unscanned\" count=0"
        );
        let sources = through_gateways(on_unavailable, gateways_lost("defense-2", "defense-1", &unscanned));
        let sources = released(sources, release);
        let chosen = |scenario: &Scenario| scenario.name == GATEWAYS_LOST;
        match carry_out_on(sources, Backend::Namespace, release, Duration::from_secs(60), chosen, BTreeMap::new()) {
            Ok(report) => {
                assert_eq!(unmet(&report), [""; 0]);
                assert_eq!(report.tally().passed, 1, "{on_unavailable}: {}", report.tally());
            }
            Err(why) => println!("skipped: the backend `namespace` on {}: {why}", release.name),
        }
    }
}

/// Returns the platform without its monitor: no scenario looks at it, and what it asks of every node all the time, emulated machines
/// have no room for.
fn without_monitor() -> Sources {
    let plain = sources(&folder());
    let changed = |file: &SourceFile| {
        let text = String::from_utf8_lossy(&file.bytes).replace("        monitor count=1\n", "");
        SourceFile { bytes: text.into_bytes(), ..file.clone() }
    };
    Sources::new(plain.files().map(|(_, file)| changed(file)).collect(), plain.assets().to_vec())
}

#[test]
fn machines_do_the_same_in_a_share_of_the_scenarios_that_moves() {
    if std::env::var_os("MAILWRIGHT_MACHINES").is_none() {
        return println!("skipped: thirteen machines take minutes where they are emulated (MAILWRIGHT_MACHINES)");
    }
    // A machine that is broken has to boot once more: of what breaks a tenth is tried, too.
    let chosen = tenth();
    let patience = Duration::from_secs(180);
    match carry_out_on(without_monitor(), Backend::Vm, &BOOKWORM, patience, &chosen, BTreeMap::new()) {
        Ok(real) => hold_alike(&real, &BOOKWORM, chosen),
        Err(why) => println!("skipped: the backend `vm`: {why}"),
    }
}

#[test]
fn what_breaks_on_real_daemons_loses_no_mail() {
    match carry_out(Backend::Namespace, Duration::from_secs(60), breaks) {
        Ok(report) => {
            assert_eq!(unmet(&report), [""; 0]);
            assert!(report.tally().passed >= 3, "{}", report.tally());
        }
        Err(why) => println!("skipped: the backend `namespace`: {why}"),
    }
}

#[test]
fn the_table_of_differences_names_scenarios_that_are_there() {
    let names = names();
    for known in [&BOOKWORM, &TRIXIE].into_iter().flat_map(known) {
        assert!(names.contains(&known.scenario), "{}", known.scenario);
    }
}
