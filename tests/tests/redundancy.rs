//! One of two goes down, on real daemons: another takes its place, and mail goes on. Each node is switched off as by a power loss.

#![expect(clippy::print_stdout, reason = "what was skipped, and how long it took, is told")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use blueprint::scenario::Scenario;
use environments::scenarios::{Fault, Outcome, Trial, Whom};
use environments::{Backend, Identity, LaunchRequest, Running, StateRoot};
use spec::{Asset, SourceFile, Sources, Trust};

/// What the example promises: `survive hosts=1 within="3m"`.
const PROMISED: Duration = Duration::from_secs(180);

const ENVIRONMENT: &str = "redundant";

/// What is tried after each loss, so that no message is taken for another.
const LOSSES: [&str; 5] = ["balancer", "dns-1", "dns-2", "cache", "directory"];

/// Reads the example, with an environment of several nodes where these have something to take over.
fn sources() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("examples/northmail");
    let (mut files, mut assets) = (Vec::new(), Vec::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
            let bytes = fs::read(&path).expect("a file");
            let reseller = name.strip_prefix("resellers/").and_then(|rest| rest.split_once('/'));
            let trust = reseller.map_or(Trust::Operator, |(reseller, _)| Trust::Reseller(reseller.to_owned()));
            match name.ends_with(".kdl") {
                true => files.push(SourceFile { path: name, bytes, trust }),
                false => assets.push(Asset { path: name, bytes }),
            }
        }
    }
    let mut add = |path: &str, text: String| {
        files.push(SourceFile { path: path.to_owned(), bytes: text.into_bytes(), trust: Trust::Operator });
    };
    add(
        "environments/redundant.kdl",
        format!(
            "language 1\n\nenvironment \"{ENVIRONMENT}\" {{\n    platform \"northmail\" release=\"2026.11\"\n    from \"dev\"\n    \
             backend \"namespace\"\n    suffix \"two.northmail.example\"\n    scale \"smallest\"\n    scale cluster=\"a\" {{\n        \
             balancer 2\n        cache 3\n        directory 3\n        dns 2\n    }}\n    accounts \"all\"\n    expose \
             address=\"127.0.0.1\" base-port=14500\n    secrets \"generate\"\n    internet \"simulated\" {{\n        domain \
             \"bigmail.example\" {{\n            mailbox \"bob\"\n        }}\n    }}\n}}\n"
        ),
    );
    let tried = LOSSES.map(|loss| {
        format!(
            "scenario \"mail after {loss}\" {{\n    send from=\"bob@bigmail.example\" to=\"alice@acme.example\" \
             subject=\"after {loss}\" reply=250\n    expect mailbox=\"alice@acme.example\" subject=\"after {loss}\" at-least=1\n}}\n"
        )
    });
    let made = "scenario \"made\" {\n    provision mailbox=\"made@acme.example\"\n}\n\
                scenario \"signs in\" {\n    sign-in \"alice@acme.example\"\n}\n\
                scenario \"late\" {\n    provision mailbox=\"late@acme.example\"\n    sign-in \"late@acme.example\"\n}\n";
    add("scenarios/redundancy.kdl", format!("language 1\n\n{made}{}", tried.concat()));
    Sources::new(files, assets)
}

/// The platform that loses nodes.
struct Platform {
    running: Running,
    scenarios: Vec<Scenario>,
    state: PathBuf,
}

impl Platform {
    /// Carries a scenario out until it holds; returns how long that took.
    fn works(&self, name: &str) -> Duration {
        let began = Instant::now();
        let scenarios: Vec<Scenario> = self.scenarios.iter().filter(|one| one.name == name).cloned().collect();
        loop {
            let trial = Trial {
                description: self.running.description(),
                scenarios: &scenarios,
                files: &BTreeMap::new(),
                hands: self.running.hands(),
                patience: Duration::from_secs(20),
                stop: &AtomicBool::new(false),
            };
            let report = trial.run(&|_| ());
            let outcome = report.ok().and_then(|report| report.scenarios.into_iter().next()).map(|one| one.outcome);
            if outcome == Some(Outcome::Passed) {
                println!("{name}: after {:.1} s", began.elapsed().as_secs_f64());
                return began.elapsed();
            }
            assert!(began.elapsed() < PROMISED, "{name}: {outcome:?}");
            std::thread::park_timeout(Duration::from_millis(500));
        }
    }

    fn power_off(&self, node: &str) {
        let whom = Whom::Node(node.to_owned());
        let fault = Fault { what: "power-off".to_owned(), whom, after: Duration::ZERO, lasts: None };
        self.running.hands().fault(&fault).expect("a node can be switched off");
    }

    fn heal(&self) {
        self.running.hands().heal(&Whom::All).expect("what was broken is repaired");
    }

    /// Runs a command in a node; returns what it said.
    fn inside(&self, node: &str, command: &str) -> String {
        let identity = Identity::new(&self.state, ENVIRONMENT);
        let found = environments::find(&StateRoot::new(&self.state), &identity).expect("it is there").expect("it runs");
        let words = ["/bin/sh", "-c", command].map(str::to_owned);
        let output = found.inside(node, &words).expect("a command").output().expect("it ends");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn becomes(&self, what: &str, node: &str, command: &str, holds: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let said = self.inside(node, command);
            if holds(&said) {
                println!("{what}: after {:.1} s", began.elapsed().as_secs_f64());
                return said;
            }
            assert!(began.elapsed() < PROMISED, "{what}: {said}");
            std::thread::park_timeout(Duration::from_millis(200));
        }
    }
}

/// Brings the platform up; says why where that cannot be done here.
fn platform(state: &Path) -> Result<Platform, String> {
    let root =
        std::env::var_os("MAILWRIGHT_ROOT").map(PathBuf::from).ok_or("MAILWRIGHT_ROOT names no root file system")?;
    let sources = sources();
    let parsed = spec::parse(&sources);
    let compiled = compiler::compile(&sources, &parsed, ENVIRONMENT);
    let output = compiled.output.unwrap_or_else(|| panic!("it has problems: {:?}", compiled.problems));
    if let Some(lack) = Backend::Namespace.fit(&output.blueprint, &output.launch).first() {
        return Err(lack.to_string());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = own.parent().and_then(Path::parent).map(|folder| folder.join("mailwright"));
    let program = program.filter(|program| program.is_file()).ok_or("the program `mailwright` is not built")?;
    let bundle = compiler::render(&output, &sources);
    let request = LaunchRequest {
        state: StateRoot::new(state),
        repository: state.to_owned(),
        blueprint: output.blueprint,
        roster: output.roster,
        launch: output.launch,
        bundle,
        backend: Some("namespace".to_owned()),
        seed: 1,
        variables: BTreeMap::new(),
        program,
        root: Some(root),
        image: None,
        boot: blueprint::ledger::Boot::Lean,
        snapshot: None,
        cache: state.join("cache"),
        packages: BTreeMap::new(),
        patience: None,
    };
    let running = environments::launch(request, &()).unwrap_or_else(|failure| panic!("{failure:?}"));
    running.await_rest().expect("what is behind no door comes up, too");
    Ok(Platform { running, scenarios: output.scenarios, state: state.to_owned() })
}

#[test]
fn whichever_of_several_nodes_is_lost_another_takes_its_place_within_what_is_promised() {
    if std::env::var_os("MAILWRIGHT_ALL").is_none() {
        return println!("skipped: MAILWRIGHT_ALL does not ask for what takes minutes");
    }
    let state = tempfile::tempdir().expect("a temporary folder");
    let began = Instant::now();
    let platform = match platform(state.path()) {
        Ok(platform) => platform,
        Err(why) => return println!("skipped: {why}"),
    };
    println!("up after {:.1} s", began.elapsed().as_secs_f64());
    platform.works("made");

    // keepalived: the front address moves, and comes back with its holder.
    let addresses = "ip -o -4 address show dev eth0";
    let fronts = |said: &str| said.matches("203.0.113.").count();
    assert_eq!(
        [fronts(&platform.inside("balancer-1", addresses)), fronts(&platform.inside("balancer-2", addresses))],
        [1, 1]
    );
    platform.power_off("balancer-1");
    platform.works("mail after balancer");
    platform.becomes("the front address moves", "balancer-2", addresses, |said| fronts(said) == 2);
    platform.heal();
    platform.becomes("the front address comes back", "balancer-2", addresses, |said| fronts(said) == 1);

    for node in ["dns-1", "dns-2"] {
        platform.power_off(node);
        platform.works(&format!("mail after {node}"));
        platform.heal();
    }

    // Sentinels: another cache takes writes, and the scanner's way leads there.
    let ask = |rest: &str| {
        format!(
            "p=$(sed -n 's/^requirepass //p' /etc/redis/redis.conf | tr -d '\"'); redis-cli -a $p --no-auth-warning {rest}"
        )
    };
    let master = ask("-p 26379 sentinel get-master-addr-by-name cache | head -1");
    let first = platform.becomes("the sentinels know a master", "cache-2", &master, |said| said.starts_with("10."));
    let node = (1..=3).map(|number| format!("cache-{number}"));
    let node = node
        .clone()
        .find(|node| platform.inside(node, "ip -o -4 address show dev eth0").contains(&format!(" {first}/")));
    let node = node.expect("the master is one of the caches");
    platform.power_off(&node);
    platform.works("mail after cache");
    let other = if node == "cache-2" { "cache-3" } else { "cache-2" };
    platform.becomes("another cache takes writes", other, &master, |said| said.starts_with("10.") && said != first);
    let way = "exec 3<>/dev/tcp/127.0.0.1/6380; p=$(sed -n 's/.*AUTH. \\([a-z0-9-]*\\).*/\\1/p' /etc/haproxy/cache.cfg); \
               printf 'AUTH %s\\r\\nINFO replication\\r\\nQUIT\\r\\n' \"$p\" >&3; cat <&3";
    let way = format!("bash -c '{}'", way.replace('\'', "'\\''"));
    platform.becomes("the scanner's way leads to it", "defense-1", &way, |said| said.contains("role:master"));
    platform.heal();

    // Patroni: another node takes writes; who was made before signs in, and who is made after.
    let leader = "patronictl -c /etc/patroni/mailwright.yml list -f tsv | grep -w Leader | cut -f2";
    let elected = |said: &str| said.starts_with("directory-");
    let lost = platform.becomes("the directory has a leader", "directory-1", leader, elected);
    platform.power_off(&lost);
    let other = if lost == "directory-1" { "directory-2" } else { "directory-1" };
    platform.becomes("another leads the directory", other, leader, |said| elected(said) && said != lost);
    platform.works("mail after directory");
    platform.works("signs in");
    platform.works("late");
    platform.heal();
    platform.becomes(
        "all nodes follow again",
        other,
        "patronictl -c /etc/patroni/mailwright.yml list -f tsv | grep -cw -e running -e streaming",
        |said| said == "3",
    );
    platform.running.stop().expect("it ends");
}
