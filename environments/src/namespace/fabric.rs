//! The network namespace that nodes hang on: it lives as long as a process does that waits for the tool to be gone.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::failure::Failure;

/// The namespace of the wire.
pub(crate) struct Fabric {
    /// Holds it; `None` where something else does.
    holder: Option<Child>,
    inside: File,
}

impl Fabric {
    /// Makes the namespace; it vanishes with this value, or with this process.
    ///
    /// - `program`: this program.
    pub(crate) fn make(program: &Path) -> Result<Self, Failure> {
        let failed = |source| Failure::Network { reason: "could not make a network namespace".to_owned(), source };
        let mut holder = Command::new("unshare")
            .args(["--net", "--"])
            .arg(program)
            .args(["node", "--hold"])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        // It says a word when it is there.
        let mut word = [0];
        let heard = holder.stdout.as_mut().map(|out| out.read_exact(&mut word));
        if !matches!(heard, Some(Ok(()))) {
            let _ = holder.kill();
            let _ = holder.wait();
            return Err(failed(std::io::Error::other("the process that holds it ended")));
        }
        let inside = File::open(format!("/proc/{}/ns/net", holder.id())).map_err(failed)?;
        Ok(Self { holder: Some(holder), inside })
    }

    /// Takes the namespace that a process is in and holds.
    pub(crate) fn of(process: u32) -> Result<Self, Failure> {
        let failed = |source| Failure::Network { reason: "could not find the network namespace".to_owned(), source };
        let inside = File::open(format!("/proc/{process}/ns/net")).map_err(failed)?;
        Ok(Self { holder: None, inside })
    }

    /// Returns the namespace, to be entered.
    pub(crate) fn inside(&self) -> Result<File, Failure> {
        self.inside
            .try_clone()
            .map_err(|source| Failure::Network { reason: "could not keep the network namespace".to_owned(), source })
    }

    /// Takes the namespace that a container began in, which its first process keeps open and no daemon of it is in.
    pub(crate) fn outside(process: u32) -> Result<Self, Failure> {
        let failed = |source| Failure::Network { reason: "could not find the engine's network".to_owned(), source };
        let own = std::fs::read_link(format!("/proc/{process}/ns/net")).map_err(failed)?;
        for entry in std::fs::read_dir(format!("/proc/{process}/fd")).map_err(failed)?.flatten() {
            let named = std::fs::read_link(entry.path()).unwrap_or_default();
            if named != own && named.to_string_lossy().starts_with("net:[") {
                return Ok(Self { holder: None, inside: File::open(entry.path()).map_err(failed)? });
            }
        }
        Err(failed(std::io::ErrorKind::NotFound.into()))
    }

    /// Carries out commands of `ip -batch` inside.
    pub(crate) fn ip(&self, commands: &str) -> Result<(), Failure> {
        self.batch("ip", commands)
    }

    /// Carries out commands of `bridge -batch` inside.
    pub(crate) fn bridge(&self, commands: &str) -> Result<(), Failure> {
        self.batch("bridge", commands)
    }

    fn batch(&self, program: &'static str, commands: &str) -> Result<(), Failure> {
        let commands = commands.to_owned();
        self.within(move || {
            let mut ip = Command::new(program)
                .args(["-batch", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()?;
            if let Some(mut input) = ip.stdin.take() {
                input.write_all(commands.as_bytes())?;
            }
            let output = ip.wait_with_output()?;
            match output.status.success() {
                true => Ok(()),
                false => Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
            }
        })
    }

    /// Does something inside.
    pub(crate) fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let inside = self.inside()?;
        let failed = |source| Failure::Network { reason: "could not set up the network".to_owned(), source };
        let set_up = move || -> std::io::Result<T> {
            move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::Network))?;
            work()
        };
        // A thread of its own, since it cannot come back out.
        let thread = std::thread::Builder::new().name("network".to_owned()).spawn(set_up).map_err(failed)?;
        thread.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread panicked"))).map_err(failed)
    }
}

impl Drop for Fabric {
    fn drop(&mut self) {
        if let Some(holder) = &mut self.holder {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}
