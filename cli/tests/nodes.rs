//! Nodes of real processes in namespaces of their own: trees made by hand, on this machine's own root file system.

#![expect(clippy::print_stdout, reason = "what was skipped is told")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use blueprint::{Bundle, File, Process, Tree};
use environments::scenarios::{Cannot, Fault, Whom};
use environments::{Backend, Description, Failure, Identity, LaunchRequest, Running, StateRoot};
use spec::{Asset, SourceFile, Sources, Trust};

const PATIENCE: Duration = Duration::from_secs(60);

/// Greets with the caller's address and the words of a file, which it reads again on SIGHUP; then says every line back.
const GREETER: &str = r#"
import os, signal, socket, threading
def read(*_):
    global words
    words = open("/etc/greeting").read().strip()
read()
signal.signal(signal.SIGHUP, read)
open("/run/greeter.pid", "w").write(str(os.getpid()))
os.makedirs("/var/lib/greeter", exist_ok=True)
open("/var/lib/greeter/starts", "a").write("x")
def serve(client, peer):
    client.sendall(f"220 {peer[0]} {words}\r\n".encode())
    for line in client.makefile():
        if line.startswith("FALL"):
            os._exit(3)
        client.sendall(("250 " + line).encode())
with socket.create_server(("0.0.0.0", 25)) as listener:
    print("listening", flush=True)
    while True:
        client, peer = listener.accept()
        threading.Thread(target=serve, args=(client, peer), daemon=True).start()
"#;

fn sources(root: &Path) -> Sources {
    let (mut files, mut assets) = (Vec::new(), Vec::new());
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let bytes = std::fs::read(&path).unwrap();
            let reseller = name.strip_prefix("resellers/").and_then(|rest| rest.split_once('/'));
            let trust = reseller.map_or(Trust::Operator, |(reseller, _)| Trust::Reseller(reseller.to_owned()));
            match name.ends_with(".kdl") {
                true => files.push(SourceFile { path: name, bytes, trust }),
                false => assets.push(Asset { path: name, bytes }),
            }
        }
    }
    Sources::new(files, assets)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn greeter(greeting: &str) -> Tree {
    let process = Process {
        name: "greeter".to_owned(),
        unit: "greeter.service".to_owned(),
        prepare: vec![words(&["/bin/sh", "-c", "echo prepared as $(id -u)"])],
        command: words(&["/usr/bin/python3", "/usr/lib/greeter.py"]),
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: vec![25],
        reload: Some(words(&["/bin/sh", "-c", "kill -HUP $(cat /run/greeter.pid)"])),
        restart_on: words(&["/usr/lib/greeter.py"]),
        reads: words(&["/etc/greeting"]),
    };
    Tree {
        files: BTreeMap::from([
            ("/etc/greeting".to_owned(), File::text(greeting)),
            ("/usr/lib/greeter.py".to_owned(), File::text(GREETER)),
        ]),
        processes: vec![process],
        ..Tree::default()
    }
}

/// Returns what is brought up; says why where that cannot be done here.
fn request(state: &Path, environment: &str, tree: Tree) -> Option<LaunchRequest> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/northmail");
    let sources = sources(&root);
    let output = compiler::compile(&sources, &spec::parse(&sources), "qa").output.unwrap();
    let mut launch = output.launch;
    launch.environment = environment.parse().unwrap();
    if let Some(lack) = Backend::Namespace.fit(&output.blueprint, &launch).first() {
        println!("skipped: {lack}");
        return None;
    }
    if !Path::new("/usr/bin/python3").exists() {
        println!("skipped: /usr/bin/python3 is not installed");
        return None;
    }
    Some(LaunchRequest {
        state: StateRoot::new(state),
        repository: state.to_owned(),
        blueprint: output.blueprint,
        roster: output.roster,
        launch,
        bundle: Bundle { nodes: BTreeMap::from([("mx-1".to_owned(), tree)]), ..Bundle::default() },
        backend: Some("namespace".to_owned()),
        seed: 1,
        variables: BTreeMap::new(),
        program: PathBuf::from(env!("CARGO_BIN_EXE_mailwright")),
        root: Some(PathBuf::from("/")),
        image: None,
        snapshot: None,
        boot: blueprint::ledger::Boot::Lean,
        cache: state.join("cache"),
        packages: BTreeMap::new(),
        patience: None,
    })
}

fn up(request: LaunchRequest) -> Running {
    environments::launch(request, &()).unwrap_or_else(|failure| panic!("{failure}: {}", failure.help()))
}

/// Connects to the mx from an address of this machine.
fn connect(description: &Description, from: [u8; 4]) -> BufReader<TcpStream> {
    let door = description.doors.iter().find(|door| door.service == "mx").unwrap();
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::from(from), 0))).unwrap();
    rustix::net::connect(&socket, &SocketAddr::new(door.host, door.port)).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    // A connection that breaks says nothing more.
    let _ = stream.read_line(&mut line);
    line.trim_end().to_owned()
}

fn inside(running: &Running, state: &Path, environment: &str, command: &str) -> String {
    let found = environments::find(&StateRoot::new(state), &Identity::new(state, environment)).unwrap().unwrap();
    assert_eq!(found.folder().path(), running.folder().path());
    let output = found.inside("mx-1", &words(&["/bin/sh", "-c", command])).unwrap().output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_client_is_who_it_says_and_nothing_leaves_a_node() {
    let state = tempfile::tempdir().unwrap();
    let Some(request) = request(state.path(), "one", greeter("hello")) else { return };
    let running = up(request);
    assert_eq!(line(&mut connect(running.description(), [127, 18, 0, 7])), "220 198.18.0.7 hello");
    assert_eq!(line(&mut connect(running.description(), [127, 0, 0, 1])), "220 198.19.255.250 hello");
    let run = |command: &str| inside(&running, state.path(), "one", command);
    assert_eq!(run("pwd"), "/");
    assert_eq!(
        run("hostname; id -u; ls /proc | grep -c '^[0-9]*$' | awk '$1 < 20 { print \"alone\" }'"),
        "mx-1\n0\nalone"
    );
    // What is nobody's is refused, by this machine and at once.
    let outside = "python3 -c 'import socket\ntry: socket.create_connection((\"192.0.2.1\", 25), 20)\nexcept OSError as e: print(e.errno)'";
    assert_eq!(run(outside), "113");
    running.stop().unwrap();
}

#[test]
fn what_is_below_var_stays_and_everything_else_begins_anew() {
    let state = tempfile::tempdir().unwrap();
    for expected in ["1 0", "2 0"] {
        let Some(request) = request(state.path(), "one", greeter("hello")) else { return };
        let running = up(request);
        let seen = "printf '%s %s' $(wc -c < /var/lib/greeter/starts) $(ls /opt/mine 2>/dev/null | wc -l); mkdir -p /opt/mine; touch /opt/mine/x";
        assert_eq!(inside(&running, state.path(), "one", seen), expected);
        running.stop().unwrap();
    }
    let found =
        environments::find(&StateRoot::new(state.path()), &Identity::new(state.path(), "one")).unwrap().unwrap();
    found.reset().unwrap();
    let running = up(request(state.path(), "one", greeter("hello")).unwrap());
    assert_eq!(inside(&running, state.path(), "one", "cat /var/lib/greeter/starts"), "x");
    assert!(!Path::new("/var/lib/greeter").exists(), "this machine's own files are not touched");
    running.stop().unwrap();
}

#[test]
fn a_daemon_that_falls_is_started_again_and_it_is_told() {
    let state = tempfile::tempdir().unwrap();
    let Some(request) = request(state.path(), "one", greeter("hello")) else { return };
    let running = up(request);
    let mut client = connect(running.description(), [127, 0, 0, 1]);
    line(&mut client);
    client.get_mut().write_all(b"FALL\r\n").unwrap();
    wait_for("it is started again", || line(&mut connect(running.description(), [127, 0, 0, 1])).starts_with("220 "));
    let found =
        environments::find(&StateRoot::new(state.path()), &Identity::new(state.path(), "one")).unwrap().unwrap();
    let mut told = Vec::new();
    wait_for("the fall is told", || {
        told.clear();
        let mut each = |line: &str| {
            told.push(line.to_owned());
            std::ops::ControlFlow::Continue(())
        };
        found.log_lines(false, &mut each).unwrap();
        told.iter().any(|line| line.contains("daemon fell") && line.contains("ended with status 3"))
    });
    assert!(told.iter().any(|line| line.contains("prepared as 0")), "what commands before the start say is told");
    running.stop().unwrap();
}

#[test]
fn a_node_that_was_cut_off_killed_or_switched_off_comes_back_with_what_it_kept() {
    let state = tempfile::tempdir().unwrap();
    let Some(request) = request(state.path(), "one", greeter("hello")) else { return };
    let running = up(request);
    let greets = || line(&mut connect(running.description(), [127, 0, 0, 1])).starts_with("220 ");
    let starts = || inside(&running, state.path(), "one", "cat /var/lib/greeter/starts");
    let mx = Whom::Role("mx".to_owned());
    let fault = |what: &str, lasts: Option<Duration>| {
        let fault = Fault { what: what.to_owned(), whom: mx.clone(), after: Duration::ZERO, lasts };
        running.hands().fault(&fault).unwrap();
    };
    running.hands().can_break().unwrap();
    fault("power-off", None);
    assert!(!greets(), "nothing answers");
    running.hands().heal(&Whom::All).unwrap();
    wait_for("it answers at its addresses", greets);
    assert_eq!(starts(), "xx", "what it wrote is there");
    fault("crash", None);
    wait_for("its daemon is started again", greets);
    assert_eq!(starts(), "xxx");
    // Cut off, its process goes on.
    fault("cut-off", None);
    running.hands().heal(&Whom::Node("mx-1".to_owned())).unwrap();
    wait_for("it is heard again", greets);
    assert_eq!(starts(), "xxx");
    fault("power-off", Some(Duration::from_millis(50)));
    wait_for("it comes back by itself", greets);
    let nobody =
        Fault { what: "crash".to_owned(), whom: Whom::Host("x".to_owned()), after: Duration::ZERO, lasts: None };
    assert!(matches!(running.hands().fault(&nobody), Err(Cannot::Lacks(_))));
    let unknown = Fault { what: "disk-full".to_owned(), whom: mx.clone(), ..nobody };
    assert!(matches!(running.hands().fault(&unknown), Err(Cannot::Lacks(_))));
    running.stop().unwrap();
}

#[test]
fn a_daemon_that_never_comes_up_ends_the_start_with_its_last_words() {
    let state = tempfile::tempdir().unwrap();
    let mut tree = greeter("hello");
    tree.processes[0].command = words(&["/bin/sh", "-c", "echo 'fatal: no such map' >&2; exit 7"]);
    let Some(request) = request(state.path(), "one", tree) else { return };
    let failure = environments::launch(request, &()).err().unwrap();
    assert!(
        matches!(&failure, Failure::Daemon { node, process, .. } if node == "mx-1" && process == "greeter"),
        "{failure}"
    );
    assert!(failure.to_string().contains("ended with status 7"), "{failure}");
    assert!(failure.help().contains("fatal: no such map"), "{}", failure.help());
}

#[test]
fn a_changed_tree_is_taken_over_while_a_client_stays_connected() {
    let state = tempfile::tempdir().unwrap();
    let Some(first) = request(state.path(), "one", greeter("hello")) else { return };
    let mut running = up(first);
    let mut client = connect(running.description(), [127, 0, 0, 1]);
    assert!(line(&mut client).ends_with(" hello"));
    let second = request(state.path(), "one", greeter("good evening")).unwrap();
    let changed = running.converge(&second, &()).unwrap();
    assert_eq!(changed, BTreeMap::from([("mx-1".to_owned(), words(&["/etc/greeting"]))]));
    wait_for("new clients get the new words", || {
        line(&mut connect(running.description(), [127, 0, 0, 1])).ends_with("good evening")
    });
    client.get_mut().write_all(b"still here\r\n").unwrap();
    assert_eq!(line(&mut client), "250 still here");
    assert_eq!(running.converge(&second, &()).unwrap(), BTreeMap::new(), "nothing is left to change");
    let mut third = request(state.path(), "one", greeter("good evening")).unwrap();
    third.blueprint.nodes.pop();
    assert!(matches!(running.converge(&third, &()), Err(Failure::Reshaped)));
    running.stop().unwrap();
}

#[test]
fn two_environments_stand_side_by_side() {
    let state = tempfile::tempdir().unwrap();
    let Some(one) = request(state.path(), "one", greeter("first")) else { return };
    let (one, two) = (up(one), up(request(state.path(), "two", greeter("second")).unwrap()));
    assert!(line(&mut connect(one.description(), [127, 0, 0, 1])).ends_with("first"));
    assert!(line(&mut connect(two.description(), [127, 0, 0, 1])).ends_with("second"));
    one.stop().unwrap();
    assert!(line(&mut connect(two.description(), [127, 0, 0, 1])).ends_with("second"));
    two.stop().unwrap();
}

#[test]
fn nothing_is_left_of_an_environment_whose_tool_was_killed() {
    const HELD: &str = "MAILWRIGHT_TEST_HELD";
    if let Some(state) = std::env::var_os(HELD) {
        // The tool of this test, in a process of its own.
        let running = up(request(Path::new(&state), "one", greeter("hello")).unwrap());
        println!("ready");
        let _ = running.wait_until_stopped(std::future::pending());
        return;
    }
    let state = tempfile::tempdir().unwrap();
    if request(state.path(), "one", greeter("hello")).is_none() {
        return;
    }
    let mut tool = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["nothing_is_left_of_an_environment_whose_tool_was_killed", "--exact", "--nocapture"])
        .env(HELD, state.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let root = StateRoot::new(state.path());
    let identity = Identity::new(state.path(), "one");
    let description = environments::await_ready(&root, &identity, tool.id(), &mut || None, PATIENCE).unwrap();
    let found = environments::find(&root, &identity).unwrap().unwrap();
    let processes: Vec<u32> = found.node_states().unwrap().values().map(|node| node.process).collect();
    assert!(processes.len() > 10 && processes.iter().all(|process| Path::new(&format!("/proc/{process}")).exists()));
    tool.kill().unwrap();
    tool.wait().unwrap();
    wait_for("every node ends", || processes.iter().all(|process| !Path::new(&format!("/proc/{process}")).exists()));
    let door = description.doors.iter().find(|door| door.service == "mx").unwrap();
    assert!(TcpStream::connect(SocketAddr::new(door.host, door.port)).is_err());
    // And it comes up again from what is left.
    let running = up(request(state.path(), "one", greeter("again")).unwrap());
    assert!(line(&mut connect(running.description(), [127, 0, 0, 1])).ends_with("again"));
    running.stop().unwrap();
}
