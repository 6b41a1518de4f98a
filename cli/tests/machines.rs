//! A virtual machine that boots the image: what it runs, what it is told while it runs, and how it is stored and goes on.

#![expect(clippy::print_stdout, reason = "what was skipped is told")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use blueprint::ledger::Boot;
use blueprint::platform::COMMAND_LINE;
use blueprint::{Bundle, File, Process, Tree};
use environments::scenarios::{Cannot, Fault, Whom};
use environments::{Backend, Description, Failure, Identity, LaunchRequest, Progress, Running, StateRoot, Step};
use spec::{Asset, SourceFile, Sources, Trust};

const PATIENCE: Duration = Duration::from_secs(120);

/// Greets with the caller's address and the words of a file, which it reads again on SIGHUP; then says every line back, with
/// how many lines it has heard since it was started.
const GREETER: &str = r#"
import signal, socket, threading
heard = 0
def read(*_):
    global words
    words = open("/etc/mailwright/greeting").read().strip()
read()
signal.signal(signal.SIGHUP, read)
open("/run/greeter.pid", "w").write(str(__import__("os").getpid()))
def serve(client, peer):
    global heard
    client.sendall(f"220 {peer[0]} {words}\r\n".encode())
    for line in client.makefile():
        if line[:4].isupper():
            continue  # Who only looks whether a door answers.
        heard += 1
        client.sendall(f"250 {heard} {line}".encode())
with socket.create_server(("0.0.0.0", 25)) as listener:
    print("listening", flush=True)
    while True:
        client, peer = listener.accept()
        threading.Thread(target=serve, args=(client, peer), daemon=True).start()
"#;

fn sources(root: &Path, release: &str) -> Sources {
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
                true => {
                    let own = format!("distribution=\"{release}\"");
                    let text = String::from_utf8(bytes).unwrap().replace("distribution=\"bookworm\"", &own);
                    files.push(SourceFile { path: name, bytes: text.into_bytes(), trust });
                }
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
        prepare: vec![words(&["/bin/sh", "-c", "echo x >> /var/lib/starts"])],
        command: words(&["/usr/bin/python3", "/etc/mailwright/greeter.py"]),
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: vec![25],
        reload: Some(words(&["/bin/sh", "-c", "kill -HUP $(cat /run/greeter.pid)"])),
        restart_on: Vec::new(),
        reads: words(&["/etc/mailwright/greeting"]),
    };
    let mut secret = File::text("shown to its owner only");
    (secret.mode, secret.owner) = (0o640, "root:mail".to_owned());
    Tree {
        files: BTreeMap::from([
            ("/etc/mailwright/greeting".to_owned(), File::text(greeting)),
            ("/etc/mailwright/greeter.py".to_owned(), File::text(GREETER)),
            ("/etc/mailwright/secret".to_owned(), secret),
        ]),
        processes: vec![process],
        ..Tree::default()
    }
}

/// Returns one node that is brought up; says why where that cannot be done here.
fn request(state: &Path, tree: Tree) -> Option<LaunchRequest> {
    let (mut request, _) = platform(state, &["mx-1"])?;
    request.launch.doors.retain(|door| door.service == "mx" || door.service == "internet-imap");
    request.bundle = Bundle { nodes: BTreeMap::from([("mx-1".to_owned(), tree)]), ..Bundle::default() };
    Some(request)
}

/// Returns some nodes of the example with what is rendered for them, and without a door that leads to them; says why where machines
/// cannot be brought up here.
fn platform(state: &Path, nodes: &[&str]) -> Option<(LaunchRequest, String)> {
    platform_on("bookworm", "MAILWRIGHT_IMAGE", state, nodes)
}

/// The same on a release whose image a variable names.
fn platform_on(release: &str, variable: &str, state: &Path, nodes: &[&str]) -> Option<(LaunchRequest, String)> {
    let Some(image) = std::env::var_os(variable).map(PathBuf::from) else {
        println!("skipped: {variable} names no image to boot");
        return None;
    };
    if !image.join("kernel").exists() {
        println!("skipped: there is no image in {}", image.display());
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/northmail");
    let sources = sources(&root, release);
    let output = compiler::compile(&sources, &spec::parse(&sources), "qa").output.unwrap();
    let mut bundle = compiler::render(&output, &sources);
    bundle.nodes.retain(|node, _| nodes.contains(&node.as_str()));
    let (mut launch, mut blueprint) = (output.launch, output.blueprint);
    launch.environment = "one".parse().unwrap();
    blueprint.nodes.retain(|node| nodes.contains(&node.name.as_str()));
    if let Some(lack) = Backend::Vm.fit(&blueprint, &launch).first() {
        println!("skipped: {lack}");
        return None;
    }
    let digest = image.file_name().unwrap().to_string_lossy().into_owned();
    let request = LaunchRequest {
        state: StateRoot::new(state),
        repository: state.to_owned(),
        blueprint,
        roster: output.roster,
        launch,
        bundle,
        backend: Some("vm".to_owned()),
        seed: 1,
        variables: BTreeMap::new(),
        program: PathBuf::from(env!("CARGO_BIN_EXE_mailwright")),
        root: None,
        image: Some(image),
        snapshot: None,
        boot: Boot::Lean,
        cache: state.join("cache"),
        packages: BTreeMap::new(),
        patience: None,
    };
    Some((request, digest))
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

fn inside(state: &Path, command: &str) -> String {
    within(state, "mx-1", command)
}

fn within(state: &Path, node: &str, command: &str) -> String {
    let found = environments::find(&StateRoot::new(state), &Identity::new(state, "one")).unwrap().unwrap();
    // The test's own executable is no mailwright: the arguments are, and the program stands beside it.
    let asked = found.inside(node, &words(&["/bin/sh", "-c", command])).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mailwright"))
        .args(asked.get_args())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// One test, since machines are emulated where CI runs and every boot counts.
#[test]
fn a_machine_boots_the_image_takes_changes_is_stored_and_goes_on_as_itself() {
    let state = tempfile::tempdir().unwrap();
    let Some(first) = request(state.path(), greeter("hello")) else { return };
    let begun = Instant::now();
    let told = |what: &str| println!("{:5.1} s  {what}", begun.elapsed().as_secs_f64());
    let mut running = up(first);
    told("it is up");

    // It is the node it was made, with a kernel of its own.
    let mut client = connect(running.description(), [127, 18, 0, 7]);
    assert_eq!(line(&mut client), "220 198.18.0.7 hello");
    client.get_mut().write_all(b"first\r\n").unwrap();
    assert_eq!(line(&mut client), "250 1 first");
    assert_eq!(
        inside(state.path(), "hostname; cat /proc/1/comm; stat -c '%a %U:%G' /etc/mailwright/secret"),
        "mx-1\nmailwright\n640 root:mail"
    );
    assert_eq!(inside(state.path(), "stat -f -c %T /var/lib/starts /etc/mailwright/greeting | sort -u"), "overlayfs");
    assert_eq!(inside(state.path(), "cat; exit 3"), "");

    // What is nobody's is refused: nothing leads out.
    let outside = "python3 -c 'import socket\ntry: socket.create_connection((\"192.0.2.1\", 25), 60)\nexcept OSError as e: print(e.errno)'";
    assert_eq!(inside(state.path(), outside), "113");

    told("it was looked into");
    // A changed tree goes in while a client stays connected.
    let changed = running.converge(&request(state.path(), greeter("good evening")).unwrap(), &()).unwrap();
    assert_eq!(changed, BTreeMap::from([("mx-1".to_owned(), words(&["/etc/mailwright/greeting"]))]));
    wait_for("new clients get the new words", || {
        line(&mut connect(running.description(), [127, 0, 0, 1])).ends_with("good evening")
    });
    client.get_mut().write_all(b"still here\r\n").unwrap();
    assert_eq!(line(&mut client), "250 2 still here");

    told("it has taken a change over");
    // It is stored and runs on.
    let found =
        || environments::find(&StateRoot::new(state.path()), &Identity::new(state.path(), "one")).unwrap().unwrap();
    let taken = found().save_snapshot("evening").unwrap();
    assert!(taken.bytes > 10 << 20, "{taken:?}");
    client.get_mut().write_all(b"after\r\n").unwrap();
    assert_eq!(line(&mut client), "250 3 after");
    told(&format!("it was stored, and stood still for {} ms", taken.still_milliseconds));
    running.stop().unwrap();
    told("it has ended");

    // Twice it goes on from there: with what it remembered, without what came later, with its own chance and the right time.
    let mut chances = BTreeSet::new();
    for _ in 0..2 {
        let again = LaunchRequest {
            snapshot: Some("evening".to_owned()),
            ..request(state.path(), greeter("good evening")).unwrap()
        };
        let running = up(again);
        told("it goes on");
        let mut client = connect(running.description(), [127, 0, 0, 1]);
        assert_eq!(line(&mut client), "220 198.19.255.250 good evening");
        client.get_mut().write_all(b"third\r\n").unwrap();
        assert_eq!(line(&mut client), "250 3 third", "two were heard before it was stored");
        chances.insert(inside(state.path(), "cat /proc/sys/kernel/random/uuid"));
        let seconds: i64 = inside(state.path(), "date +%s").parse().unwrap();
        let here = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        assert!((here - seconds).abs() < 60, "{seconds} there, {here} here");
        told("it was looked into");
        running.stop().unwrap();
        told("it has ended");
    }
    assert_eq!(chances.len(), 2, "no two of them draw the same");

    // One that was taken by another QEMU is refused, and both are named.
    let path = found().folder().path().join("snapshots/evening/snapshot.json");
    let mut document: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    document["ground"]["qemu"] = "QEMU emulator version 1.0".into();
    std::fs::write(&path, document.to_string()).unwrap();
    let again = LaunchRequest {
        snapshot: Some("evening".to_owned()),
        ..request(state.path(), greeter("good evening")).unwrap()
    };
    let failure = environments::launch(again, &()).err().unwrap();
    assert!(failure.to_string().contains("QEMU emulator version 1.0"), "{failure}");

    // The state disk is what outlasts machines: it was started once there.
    let running = up(request(state.path(), greeter("good night")).unwrap());
    assert!(line(&mut connect(running.description(), [127, 0, 0, 1])).ends_with("good night"));
    assert_eq!(inside(state.path(), "wc -l < /var/lib/starts"), "2");
    running.stop().unwrap();
}

/// One test for all that breaks, since every boot counts.
#[test]
fn a_machine_is_broken_on_purpose_and_repaired() {
    let state = tempfile::tempdir().unwrap();
    let Some(first) = request(state.path(), greeter("hello")) else { return };
    let from = first.blueprint.nodes.first().unwrap().host.to_string();
    let to = first.blueprint.hosts.iter().map(|host| host.name.to_string()).find(|host| *host != from).unwrap();
    let begun = Instant::now();
    let told = |what: &str| println!("{:5.1} s  {what}", begun.elapsed().as_secs_f64());
    let running = up(first);
    told("it is up");
    let hands = running.hands();
    assert_eq!(hands.can_break(), Ok(()));
    let fault = |what: &str, whom: Whom, lasts: Option<Duration>| {
        hands.fault(&Fault { what: what.to_owned(), whom, after: Duration::ZERO, lasts })
    };
    let breaks = |what: &str| fault(what, Whom::Node("mx-1".to_owned()), None).unwrap();
    let greets = || line(&mut connect(running.description(), [127, 0, 0, 1])).ends_with("hello");
    let starts = || inside(state.path(), "wc -l < /var/lib/starts");
    hands.heal(&Whom::All).expect("nothing is broken");

    // Its daemons are killed, and its first process starts them again.
    let mut client = connect(running.description(), [127, 0, 0, 1]);
    assert!(line(&mut client).ends_with("hello"));
    breaks("crash");
    assert_eq!(line(&mut client), "", "who was connected is let go");
    wait_for("it greets again", greets);
    assert_eq!(starts(), "2");
    told("its daemons were killed");

    // What is sent to a machine that is cut off arrives when it is heard again.
    let mut client = connect(running.description(), [127, 0, 0, 1]);
    assert!(line(&mut client).ends_with("hello"));
    breaks("cut-off");
    client.get_mut().write_all(b"over the water\r\n").unwrap();
    client.get_mut().set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    assert_eq!(line(&mut client), "");
    hands.heal(&Whom::All).unwrap();
    client.get_mut().set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(line(&mut client), "250 1 over the water");
    told("it was cut off");

    // Loss and delay are seen by who is connected, who sees no more of it.
    breaks("lossy");
    breaks("slow");
    let sent = Instant::now();
    client.get_mut().write_all(b"through the noise\r\n").unwrap();
    assert_eq!(line(&mut client), "250 2 through the noise");
    assert!(sent.elapsed() >= Duration::from_millis(150));
    hands.heal(&Whom::Node("mx-1".to_owned())).unwrap();
    told("its network was bad");

    // Its disk is full for whoever writes to it, and has room again.
    let writes = "(head -c 1000000 /dev/zero >/var/lib/more) 2>/dev/null && echo room || echo none";
    breaks("disk-full");
    assert_eq!(inside(state.path(), writes), "none");
    hands.heal(&Whom::All).unwrap();
    assert_eq!(inside(state.path(), writes), "room");
    told("its disk was full");

    // Its disk takes nothing: whoever wants it written for good is told, and what was written before is there afterwards.
    assert_eq!(inside(state.path(), "echo kept >/var/lib/before; sync"), "");
    breaks("disk-error");
    let late = "dd if=/dev/zero of=/var/lib/late count=1 conv=fsync 2>/dev/null && echo written || echo failed";
    assert_eq!(inside(state.path(), late), "failed");
    assert_eq!(inside(state.path(), late), "failed");
    hands.heal(&Whom::All).unwrap();
    assert!(greets());
    assert_eq!(inside(state.path(), "cat /var/lib/before; ls /var/lib/late 2>/dev/null"), "kept");
    // What nobody has asked to be kept for good is lost with the power.
    assert_eq!(inside(state.path(), "sync; wc -l < /var/lib/starts"), "3");
    told("its disk took nothing");

    // Its new host loses its power, for a while: it comes back there by itself.
    hands.migrate("mx-1", &to).unwrap();
    let nothing = fault("power-off", Whom::Host(from.clone()), None);
    assert_eq!(nothing, Err(Cannot::Lacks(format!("this environment has nothing of host {from}"))));
    let mut client = connect(running.description(), [127, 0, 0, 1]);
    assert!(line(&mut client).ends_with("hello"));
    let dark = Instant::now();
    fault("power-off", Whom::Host(to.clone()), Some(Duration::from_secs(2))).unwrap();
    // There is no power to be lost twice, and nothing else to break.
    breaks("power-off");
    for what in ["crash", "cut-off", "lossy", "disk-full", "disk-error"] {
        breaks(what);
    }
    let Err(Cannot::Failed(refused)) = hands.migrate("mx-1", &from) else { panic!("what has no power cannot move") };
    assert!(refused.contains("it has no power"), "{refused}");
    let found =
        || environments::find(&StateRoot::new(state.path()), &Identity::new(state.path(), "one")).unwrap().unwrap();
    let refused = found().save_snapshot("dark").err().unwrap();
    assert!(refused.to_string().contains("mx-1 has no power"), "{refused}");
    wait_for("it greets again", || found().node_states().unwrap()["mx-1"].settled && greets());
    let states = found().node_states().unwrap();
    assert_eq!((states["mx-1"].machine, states["mx-1"].host.as_ref()), (true, Some(&to)));
    assert_eq!(line(&mut client), "", "who was connected is told, although nobody bade farewell");
    assert!(dark.elapsed() < PATIENCE);
    hands.heal(&Whom::All).expect("all is well");
    assert_eq!(starts(), "4");
    told("it was without power");
    running.stop().unwrap();
    told("it has ended");
}

/// One mx as production boots it: systemd first, the distribution's units with what is rendered for them, production's words for the
/// kernel.
#[test]
fn a_machine_booted_with_stock_units_runs_what_its_disk_says_and_nothing_else() {
    let state = tempfile::tempdir().unwrap();
    let Some((mut request, digest)) = platform(state.path(), &["mx-1"]) else { return };
    request.launch.doors.retain(|door| door.service == "internet-imap");
    request.boot = Boot::Stock;
    let begun = Instant::now();
    let running = up(request);
    println!("{:5.1} s  it is up", begun.elapsed().as_secs_f64());
    // What evidence names.
    let description = running.description();
    assert_eq!((description.boot, description.image.as_deref()), (Some(Boot::Stock), Some(digest.as_str())));

    assert_eq!(inside(state.path(), "cat /proc/1/comm; hostname"), "systemd\nmx-1");
    let words = inside(state.path(), "cat /proc/cmdline");
    assert!(words.contains(COMMAND_LINE) && !words.contains("mitigations"), "{words}");
    let active = inside(state.path(), "systemctl is-active postfix@-.service postsrsd.service nftables.service");
    assert_eq!(active, "active\nactive\nactive");
    // The image switches nothing on by itself.
    let others = inside(state.path(), "systemctl is-active rspamd redis-server knot nginx dovecot | sort -u");
    assert_eq!(others, "inactive");
    println!(
        "{:5.1} s  {}",
        begun.elapsed().as_secs_f64(),
        inside(state.path(), "systemctl --failed --plain --no-legend")
    );
    // Its own checker finds nothing wrong with where it runs, and its log came out.
    assert_eq!(inside(state.path(), "postfix check 2>&1"), "");
    let log = std::fs::read_to_string(running.folder().log().join("events.jsonl")).unwrap();
    assert!(log.contains("starting the Postfix mail system"), "{log}");

    if std::env::var_os("MAILWRIGHT_ALL").is_some() {
        // Its daemons are killed, and systemd starts them again; who speaks for the machine is left alone.
        let daemons = "systemctl show -P MainPID postfix@-.service postsrsd.service | grep .";
        let before = inside(state.path(), daemons);
        let breaks = |what: &str| {
            let (what, whom) = (what.to_owned(), Whom::Role("mx".to_owned()));
            running.hands().fault(&Fault { what, whom, after: Duration::ZERO, lasts: None }).unwrap();
        };
        breaks("crash");
        wait_for("they run again", || {
            let now = inside(state.path(), daemons);
            let others = now.lines().zip(before.lines()).filter(|(now, before)| now != before && *now != "0");
            others.count() == 2
        });
        running.hands().heal(&Whom::All).unwrap();
        println!("{:5.1} s  its daemons were killed", begun.elapsed().as_secs_f64());
        breaks("power-off");
        running.hands().heal(&Whom::All).unwrap();
        assert_eq!(inside(state.path(), "systemctl is-active postfix@-.service postsrsd.service"), "active\nactive");
        println!("{:5.1} s  it was without power", begun.elapsed().as_secs_f64());
    }
    running.stop().unwrap();
    println!("{:5.1} s  it has ended", begun.elapsed().as_secs_f64());
}

/// A store of the next release, in the lane that starts what is rendered without systemd.
#[test]
fn a_store_of_the_next_release_boots_its_image_and_answers() {
    if std::env::var_os("MAILWRIGHT_ALL").is_none() {
        println!("skipped: boots of the next release are tried with MAILWRIGHT_ALL (.ci/run --all)");
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let found = platform_on("trixie", "MAILWRIGHT_IMAGE_TRIXIE", state.path(), &["store-1"]);
    let Some((mut request, _)) = found else { return };
    request.launch.doors.retain(|door| door.service == "internet-imap");
    // The directory is another node's, which is not there: the store waits for nobody.
    for process in request.bundle.nodes.values_mut().flat_map(|tree| &mut tree.processes) {
        process.after.clear();
    }
    let begun = Instant::now();
    let running = up(request);
    println!("{:5.1} s  it is up", begun.elapsed().as_secs_f64());
    assert_eq!(
        within(state.path(), "store-1", "hostname; . /etc/os-release; echo $VERSION_CODENAME"),
        "store-1\ntrixie"
    );
    assert!(within(state.path(), "store-1", "dovecot --version").starts_with("2.4."));
    let greeting = within(state.path(), "store-1", "bash -c 'exec 3<>/dev/tcp/127.0.0.1/143; head -n 1 <&3'");
    // Without the directory nobody can be signed in, and Dovecot says so to who asks at once.
    assert!(greeting.starts_with("* OK "), "{greeting}");
    running.stop().unwrap();
}

/// Tells whether a kernel has said something, and then that nobody wants the machine any more.
struct UntilSaid {
    console: PathBuf,
    words: &'static str,
}

impl Progress for UntilSaid {
    fn step(&self, _: &Step) {}

    fn goes_on(&self) -> bool {
        !String::from_utf8_lossy(&std::fs::read(&self.console).unwrap_or_default()).contains(self.words)
    }
}

/// Writes an image whose machines come as far as their first program, which says something and nothing else ever.
fn hanging(image: &Path, folder: &Path, words: &str) {
    std::fs::create_dir(folder).unwrap();
    for part in ["root.erofs", "kernel"] {
        std::os::unix::fs::symlink(image.join(part), folder.join(part)).unwrap();
    }
    let script = format!("#!/bin/busybox sh\necho '{words}' >/dev/console\nwhile :; do /bin/busybox sleep 600; done\n");
    // The kernel unpacks one archive after another, and what a later one names the same is another file then (cpio, form "newc").
    let mut initrd = std::fs::read(image.join("initrd")).unwrap();
    for (name, mode, content) in [("init", 0o100_755, script.as_str()), ("TRAILER!!!", 0, "")] {
        let lengths = (content.len(), name.len() + 1);
        let numbers = [9999, mode, 0, 0, 1, 0, lengths.0, 0, 0, 0, 0, lengths.1, 0];
        initrd.extend(b"070701");
        initrd.extend(numbers.iter().flat_map(|number| format!("{number:08X}").into_bytes()));
        for part in [format!("{name}\0").as_bytes(), content.as_bytes()] {
            initrd.extend(part);
            initrd.resize(initrd.len().next_multiple_of(4), 0);
        }
    }
    std::fs::write(folder.join("initrd"), initrd).unwrap();
}

#[test]
fn a_machine_that_hangs_is_told_when_its_time_is_over_and_ends_when_nobody_wants_it() {
    const WORDS: &str = "nobody is at home";
    let state = tempfile::tempdir().unwrap();
    let Some(first) = request(state.path(), greeter("hello")) else { return };
    let (image, hangs) = (first.image.clone().unwrap(), state.path().join("hangs"));
    hanging(&image, &hangs, WORDS);
    let folder = StateRoot::new(state.path()).folder(&Identity::new(state.path(), "one"));
    let console = folder.path().join("nodes/mx-1/machine/console");
    let at_work = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(state.path())))
            .count()
    };

    // It is no longer wanted while it hangs: it ends at once, and what began it says so.
    let hanging = || LaunchRequest {
        image: Some(hangs.clone()),
        patience: Some(PATIENCE),
        ..request(state.path(), greeter("hello")).unwrap()
    };
    let failure = environments::launch(hanging(), &UntilSaid { console: console.clone(), words: WORDS }).err().unwrap();
    assert!(matches!(failure, Failure::Interrupted), "{failure}");
    wait_for("its machine ends with it", || at_work() == 0);

    // It is waited for as long as is granted: told with the kernel's words, where they are, and what to do.
    let granted = LaunchRequest { patience: Some(Duration::from_secs(2)), ..hanging() };
    let failure = environments::launch(granted, &()).err().unwrap();
    assert_eq!(failure.to_string(), "mx-1 did not come up within 2 s: its machine runs and says nothing");
    assert!(
        failure.help().contains("--ready-within") && failure.help().contains(console.to_str().unwrap()),
        "{}",
        failure.help()
    );
    wait_for("its machine ends with it", || at_work() == 0);

    // What was left of both hinders nothing.
    let running = up(first);
    assert!(line(&mut connect(running.description(), [127, 0, 0, 1])).ends_with("hello"));
    running.stop().unwrap();
}
