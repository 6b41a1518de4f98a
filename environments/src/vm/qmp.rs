//! QEMU itself, spoken to over its monitor.
//!
//! Source: QEMU's "QMP protocol specification" and "QEMU QMP Reference Manual" of 7.2.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::machine::{Begins, MONITOR, MachineFailure, short, socket};

/// How long QEMU has to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A conversation with one QEMU.
pub(super) struct Monitor {
    node: String,
    answers: BufReader<UnixStream>,
    asks: UnixStream,
}

impl Monitor {
    /// Opens a conversation.
    pub(super) fn open(machine: &Path, node: &str) -> Result<Self, MachineFailure> {
        Self::open_of(machine, node, Begins::Afresh)
    }

    /// Opens a conversation with a machine that may wait beside another.
    pub(super) fn open_of(machine: &Path, node: &str, begins: Begins) -> Result<Self, MachineFailure> {
        let refused = |error: String| MachineFailure::Refused { node: node.to_owned(), reason: error };
        let (_held, path) = short(machine, &socket(MONITOR, begins)).map_err(|error| refused(error.to_string()))?;
        let stream = UnixStream::connect(path).map_err(|error| refused(error.to_string()))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| refused(error.to_string()))?;
        let asks = stream.try_clone().map_err(|error| refused(error.to_string()))?;
        let mut monitor = Self { node: node.to_owned(), answers: BufReader::new(stream), asks };
        // It greets first.
        let _ = monitor.hear()?;
        monitor.ask("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    /// Asks for something and returns what came of it.
    pub(super) fn ask(&mut self, command: &str, arguments: &Value) -> Result<Value, MachineFailure> {
        let line = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        self.asks.write_all(line.as_bytes()).map_err(|error| self.refused(error.to_string()))?;
        loop {
            let mut answer = self.hear()?;
            if let Some(error) = answer.get("error") {
                let said = error.get("desc").and_then(Value::as_str).unwrap_or("it did not say why");
                return Err(self.refused(format!("{command}: {said}")));
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    fn hear(&mut self) -> Result<Value, MachineFailure> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err(self.refused("it ended".to_owned())),
            Ok(_) => serde_json::from_str(&line).map_err(|error| self.refused(error.to_string())),
            Err(error) => Err(self.refused(error.to_string())),
        }
    }

    fn refused(&self, reason: String) -> MachineFailure {
        MachineFailure::Refused { node: self.node.clone(), reason }
    }
}
