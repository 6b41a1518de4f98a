//! A container engine for tests: the machine's own where it runs, else one that is started for the test and ends with it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long an engine has to answer once it is started.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it has to end.
const FAREWELL: Duration = Duration::from_secs(30);

/// An engine that answers.
pub struct Engine {
    socket: PathBuf,
    /// The engine's process and what it keeps, where it is the test's own.
    own: Option<(Child, tempfile::TempDir)>,
}

impl Engine {
    /// Finds an engine, or starts one in a network namespace of its own.
    ///
    /// - Errors: why there is none, for the test that is skipped.
    pub fn start() -> Result<Self, String> {
        let named = std::env::var("DOCKER_HOST").ok();
        let named = named.as_deref().and_then(|address| address.strip_prefix("unix://")).unwrap_or("/run/docker.sock");
        if UnixStream::connect(named).is_ok() {
            return Ok(Self { socket: PathBuf::from(named), own: None });
        }
        let program = ["/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd"];
        let program = program.into_iter().find(|program| Path::new(program).is_file());
        let program = program.ok_or("no container engine runs, and dockerd is not installed")?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let at = |name: &str| folder.path().join(name);
        let log = std::fs::File::create(at("log")).map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let socket = at("docker.sock");
        // It ends with the test even where nobody is left to end it, and its network is nobody else's.
        let child = Command::new("unshare")
            .args(["--net", "--", "setpriv", "--pdeathsig", "TERM", "--", program])
            .args([std::ffi::OsStr::new("--data-root"), at("data").as_os_str()])
            .args([std::ffi::OsStr::new("--exec-root"), at("exec").as_os_str()])
            .args([std::ffi::OsStr::new("--pidfile"), at("pid").as_os_str()])
            .arg("--host")
            .arg(format!("unix://{}", socket.display()))
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("dockerd cannot be started: {error}"))?;
        let mut engine = Self { socket, own: Some((child, folder)) };
        engine.await_answer()?;
        let driver = engine.get("/info");
        if driver.contains("\"Driver\":\"vfs\"") {
            return Err("the engine can only copy whole images here (storage driver vfs)".to_owned());
        }
        Ok(engine)
    }

    fn await_answer(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !self.get("/_ping").ends_with("OK") {
            let Some((child, folder)) = &mut self.own else { return Ok(()) };
            let ended = !matches!(child.try_wait(), Ok(None));
            if ended || Instant::now() > deadline {
                let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                return Err(format!("dockerd does not run here: {}", log.lines().last().unwrap_or("it said nothing")));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Returns where it is, as `DOCKER_HOST` says it.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Returns how many containers of environments there are.
    pub fn containers(&self) -> usize {
        self.get("/containers/json?all=1&filters=%7B%22label%22%3A%5B%22mailwright.environment%22%5D%7D")
            .matches("\"Image\":")
            .count()
    }

    /// Returns how many networks of environments there are.
    pub fn networks(&self) -> usize {
        self.get("/networks?filters=%7B%22label%22%3A%5B%22mailwright.environment%22%5D%7D")
            .matches("\"Driver\":\"bridge\"")
            .count()
    }

    /// Asks for a document; nothing where nobody answers.
    fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        let Ok(mut stream) = UnixStream::connect(&self.socket) else { return answer };
        let asked = write!(stream, "GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n");
        // What breaks off is no answer.
        let _ = asked.and_then(|()| stream.read_to_string(&mut answer));
        answer
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Some((child, folder)) = &mut self.own else { return };
        let signal = |name: &str, process: &str| Command::new("kill").args([name, process]).status();
        let _ = signal("-TERM", &child.id().to_string());
        let deadline = Instant::now() + FAREWELL;
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        // One that was ended by force leaves the process that it keeps containers with.
        let kept = std::fs::read_to_string(folder.path().join("exec/containerd/containerd.pid")).unwrap_or_default();
        let theirs = std::fs::read_to_string(format!("/proc/{}/cmdline", kept.trim())).unwrap_or_default();
        if theirs.contains(&*folder.path().to_string_lossy()) {
            let _ = signal("-KILL", kept.trim());
        }
        // Mounts that were left stand in the way of removing the folder.
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for place in places.filter(|place| Path::new(place).starts_with(folder.path())) {
            let _ = Command::new("umount").args(["--lazy", place]).status();
        }
    }
}
