//! A desk to test on: the program, a state folder of its own, the example, and programs that nobody here wrote.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "each test file uses its own part of the desk, and one that finds less than it needs has failed"
)]

pub mod engine;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A state folder and what runs in it; everything is stopped and removed with it.
pub struct Desk {
    folder: tempfile::TempDir,
    /// Where the program finds a container engine, as `DOCKER_HOST` says it.
    pub engine: Option<String>,
    /// Who calls the program, where that is somebody else.
    user: Option<u32>,
    running: Vec<(PathBuf, String)>,
}

/// Returns the root of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the cli has a workspace above it").to_path_buf()
}

/// Tells whether a program can be started here; says so when a test is skipped for it.
pub fn has(program: &str) -> bool {
    let found = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).any(|folder| folder.join(program).is_file())
    });
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

impl Desk {
    /// Clears a desk.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), engine: None, user: None, running: Vec::new() }
    }

    /// Returns a path on the desk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lays a copy of the example on the desk, under a name, and returns its path.
    pub fn example(&self, name: &str) -> PathBuf {
        self.copy_of("examples/northmail", name)
    }

    /// Lays a copy of a folder of the project on the desk, under a name, and returns its path.
    pub fn copy_of(&self, folder: &str, name: &str) -> PathBuf {
        let to = self.path(name);
        copy(&root().join(folder), &to);
        to
    }

    /// Has the program be called by a user who is not root, and to whom all that is on the desk belongs. Takes root.
    pub fn lend_to(&mut self, user: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.folder.path(), open).expect("a folder of ours");
        std::fs::copy(env!("CARGO_BIN_EXE_mailwright"), self.path("mailwright")).expect("a copy");
        let whom = format!("{user}:{user}");
        let given = Command::new("chown").args(["-R", &whom]).arg(self.folder.path()).status();
        assert!(given.is_ok_and(|status| status.success()), "root gives the desk away");
        self.user = Some(user);
    }

    /// Prepares a call of the program with this desk's state folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.user {
            None => Command::new(env!("CARGO_BIN_EXE_mailwright")),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={user}")]).args(["--clear-groups", "--"]);
                command.arg(self.path("mailwright")).env("HOME", self.folder.path());
                command
            }
        };
        command
            .args(arguments)
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env_remove("RUST_BACKTRACE")
            .envs(self.engine.iter().map(|engine| ("DOCKER_HOST", engine)))
            .stdin(Stdio::null());
        command
    }

    /// Calls the program and waits for its end.
    pub fn call(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Brings an environment up in the background and returns what it printed.
    pub fn up(&mut self, repository: &Path, environment: &str) -> Value {
        self.up_with(repository, environment, &["--backend", "embedded"])
    }

    /// Brings an environment up in the background in some manner, and returns what it printed.
    pub fn up_with(&mut self, repository: &Path, environment: &str, manner: &[&str]) -> Value {
        let path = repository.to_str().expect("a plain path");
        self.running.push((repository.to_path_buf(), environment.to_owned()));
        let output = self.call(&[&["up", path, "--env", environment, "--detach", "--json"], manner].concat());
        assert!(output.status.success(), "up failed: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("up prints one JSON document")
    }

    /// Returns the process that serves an environment.
    pub fn pid(&self, repository: &Path, environment: &str) -> u32 {
        let path = repository.to_str().expect("a plain path");
        let output = self.call(&["status", path, "--env", environment, "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).expect("status prints one JSON document");
        u32::try_from(status["pid"].as_u64().expect("status tells the process")).expect("a process id")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        for (repository, environment) in std::mem::take(&mut self.running) {
            let _ = self.call(&["down", repository.to_str().unwrap_or_default(), "--env", &environment]);
        }
    }
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a readable folder") {
        let entry = entry.expect("a readable entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Waits until something holds.
pub fn until(what: &str, seconds: u64, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !holds() {
        assert!(Instant::now() < deadline, "not within {seconds} s: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Waits for a child's end, and ends it when it takes too long.
pub fn finish(mut child: Child, seconds: u64) -> Output {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while child.try_wait().expect("a child of ours").is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            let output = child.wait_with_output().expect("a child of ours");
            panic!("did not end within {seconds} s: {}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    child.wait_with_output().expect("a child of ours")
}
