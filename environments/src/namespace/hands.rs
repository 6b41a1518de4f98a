//! What scenarios can do to real daemons that no client can: looking into queues and at what is held there, from inside the nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use blueprint::launch::Internet;
use blueprint::{Process, Role};
use serde::Deserialize;
use values::{HostName, MailAddress};

use super::Namespace;
use crate::embedded;
use crate::faults::Breakable;
use crate::scenarios::{Cannot, Fault, Hands, Whom};
use crate::vm;

/// How long time is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Roles with a queue.
const QUEUES: [Role; 3] = [Role::Mx, Role::Submission, Role::Outbound];

/// The nodes with a queue, as processes of the machine, and the world around them.
pub(crate) struct Reach {
    /// Role of each node with a queue and the way inside, by name.
    pub(crate) queues: BTreeMap<String, (Role, Inside)>,
    pub(crate) internet: Internet,
}

/// The way into a node.
#[derive(Clone, Debug)]
pub(crate) enum Inside {
    /// By its first process.
    Process(u32),
    /// By the port of a machine whose folder this is.
    Machine(PathBuf),
}

/// Returns whether a node's queue is looked into.
///
/// - `processes`: what it runs; a scanner's node has a queue where mail comes through it.
pub(crate) fn has_queue(role: Role, processes: &[Process]) -> bool {
    QUEUES.contains(&role) || (role == Role::Defense && processes.iter().any(|process| process.name == "postfix"))
}

/// A message in a queue, as `postqueue -j` tells it (postqueue(1)).
#[derive(Debug, Deserialize)]
struct Queued {
    queue_name: String,
    #[serde(default)]
    queue_id: String,
    #[serde(default)]
    sender: String,
    #[serde(default)]
    recipients: Vec<Recipient>,
}

#[derive(Debug, Deserialize)]
struct Recipient {
    address: String,
}

impl Queued {
    /// Tells whether somebody is at it, or will be at once.
    fn is_under_way(&self) -> bool {
        matches!(self.queue_name.as_str(), "incoming" | "active" | "maildrop")
    }

    fn is_for(&self, about: &BTreeSet<String>) -> bool {
        let key = |address: &str| address.parse::<MailAddress>().map(|address| address.key());
        self.recipients.iter().any(|recipient| key(&recipient.address).is_ok_and(|key| about.contains(&key)))
    }

    fn concerns(&self, about: &BTreeSet<String>) -> bool {
        let mut addresses =
            self.recipients.iter().map(|recipient| recipient.address.as_str()).chain([self.sender.as_str()]);
        let key = |address: &str| address.parse::<MailAddress>().map(|address| address.key());
        about.is_empty() || addresses.any(|address| key(address).is_ok_and(|key| about.contains(&key)))
    }
}

/// Reads what `postqueue -j` prints: one object a line.
fn read(text: &str) -> Result<Vec<Queued>, Cannot> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let read =
        |line| serde_json::from_str(line).map_err(|error| Cannot::Failed(format!("a queue cannot be read: {error}")));
    lines.map(read).collect()
}

impl Reach {
    fn queue(&self, inside: &Inside) -> Result<Vec<Queued>, Cannot> {
        read(&String::from_utf8_lossy(&inside.run(&["/usr/sbin/postqueue", "-j"])?))
    }

    /// Returns the messages that are held for a mailbox, with the node that holds them.
    fn kept(&self, mailbox: &MailAddress) -> Result<Vec<(&Inside, String)>, Cannot> {
        let about = BTreeSet::from([mailbox.key()]);
        let mut found = Vec::new();
        for (_, inside) in self.queues.values().filter(|(role, _)| matches!(role, Role::Mx | Role::Defense)) {
            let queue = self.queue(inside)?;
            let held = queue.iter().filter(|message| message.queue_name == "hold" && message.is_for(&about));
            found.extend(held.map(|message| (inside, message.queue_id.clone())));
        }
        Ok(found)
    }
}

impl Inside {
    /// Runs a program inside the node and returns what it prints.
    fn run(&self, command: &[&str]) -> Result<Vec<u8>, Cannot> {
        let name = command.join(" ");
        let process = match self {
            Self::Process(process) => process,
            Self::Machine(folder) => {
                let mut said = Vec::new();
                let mut hear = |stream, bytes: &[u8]| {
                    if stream == 1 {
                        said.extend_from_slice(bytes);
                    }
                    Ok(())
                };
                let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
                return match vm::run_inside(folder, &command, None, &mut hear) {
                    Ok(0) => Ok(said),
                    Ok(status) => Err(Cannot::Failed(format!("{name} ended with status {status}"))),
                    Err(error) => Err(Cannot::Failed(format!("the machine cannot be entered: {error}"))),
                };
            }
        };
        let output = Command::new("nsenter")
            .args(["--target", &process.to_string()])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd=/", "--"])
            .args(command)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Cannot::Failed(format!("nsenter cannot be started: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Cannot::Failed(format!("{name} failed: {}", said.trim())));
        }
        Ok(output.stdout)
    }
}

/// Returns the octets of a queued message as they came, with the line ends of the network (`postcat -bh` writes them without).
fn content(written: &[u8]) -> Vec<u8> {
    written.split_inclusive(|byte| *byte == b'\n').fold(Vec::new(), |mut content, line| {
        content.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        content.extend_from_slice(b"\r\n");
        content
    })
}

impl Reach {
    /// Returns what is being delivered just now, by node and the queue's own name for it; a queue that cannot be read has nothing.
    pub(crate) fn under_way(&self) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for (node, (_, inside)) in &self.queues {
            let queue = self.queue(inside).unwrap_or_default();
            let busy = queue.into_iter().filter(Queued::is_under_way);
            found.extend(busy.map(|message| (node.clone(), message.queue_id)));
        }
        found
    }

    /// Has every queue try what it holds once more; one that cannot does when its time comes.
    pub(crate) fn flush(&self) {
        for (_, inside) in self.queues.values() {
            let _ = inside.run(&["/usr/sbin/postqueue", "-f"]);
        }
    }
}

impl Hands for Namespace {
    fn can_break(&self) -> Result<(), Cannot> {
        Ok(())
    }

    fn fault(&self, fault: &Fault) -> Result<(), Cannot> {
        self.faults.fault(fault)
    }

    fn heal(&self, whom: &Whom) -> Result<(), Cannot> {
        self.faults.heal(whom)
    }

    fn advance(&self, by: Duration) -> Result<(), Cannot> {
        // Nobody else waits for it meanwhile.
        advance(by)
    }

    fn held(&self, mailbox: &MailAddress) -> Result<Vec<Vec<u8>>, Cannot> {
        Hands::held(&*self.faults.ground().reach(), mailbox)
    }

    fn release(&self, mailbox: &MailAddress) -> Result<u64, Cannot> {
        self.faults.ground().reach().release(mailbox)
    }

    fn queued(&self, role: Role) -> Result<u64, Cannot> {
        self.faults.ground().reach().queued(role)
    }

    fn is_settled(&self, about: &BTreeSet<String>) -> Option<bool> {
        self.faults.ground().reach().is_settled(about)
    }

    fn watch(&self) {
        self.faults.ground().watch();
    }

    fn trace(&self, since: SystemTime) -> Option<Vec<u8>> {
        self.faults.ground().trace(since)
    }

    fn source_of(&self, domain: &HostName) -> Result<IpAddr, Cannot> {
        self.faults.ground().reach().source_of(domain)
    }
}

/// The daemons' time is the machine's: what is short is waited for, what is long cannot be had.
pub(crate) fn advance(by: Duration) -> Result<(), Cannot> {
    if by > LONGEST_WAIT {
        let reason =
            "real daemons have the machine's own time, which nobody moves; more than ten seconds are not waited for";
        return Err(Cannot::Lacks(reason.to_owned()));
    }
    std::thread::sleep(by);
    Ok(())
}

impl Hands for Reach {
    fn advance(&self, by: Duration) -> Result<(), Cannot> {
        advance(by)
    }

    /// What the defense holds apart lies in the hold queue of the mx that took it, or of the gateway.
    fn held(&self, mailbox: &MailAddress) -> Result<Vec<Vec<u8>>, Cannot> {
        let held = self.kept(mailbox)?;
        held.iter().map(|(inside, id)| inside.run(&["/usr/sbin/postcat", "-qbh", id]).map(|it| content(&it))).collect()
    }

    fn release(&self, mailbox: &MailAddress) -> Result<u64, Cannot> {
        let held = self.kept(mailbox)?;
        for (inside, id) in &held {
            inside.run(&["/usr/sbin/postsuper", "-H", id])?;
            inside.run(&["/usr/sbin/postqueue", "-i", id])?;
        }
        Ok(held.len() as u64)
    }

    fn queued(&self, role: Role) -> Result<u64, Cannot> {
        let mut count = 0;
        for (_, inside) in self.queues.values().filter(|(at, _)| *at == role) {
            count += self.queue(inside)?.len() as u64;
        }
        Ok(count)
    }

    fn is_settled(&self, about: &BTreeSet<String>) -> Option<bool> {
        for (_, inside) in self.queues.values() {
            let queue = self.queue(inside).ok()?;
            if queue.iter().any(|message| message.is_under_way() && message.concerns(about)) {
                return Some(false);
            }
        }
        Some(true)
    }

    fn source_of(&self, domain: &HostName) -> Result<IpAddr, Cannot> {
        embedded::source_of(&self.internet, domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_tells_what_is_under_way_and_whom_it_concerns() {
        let text = concat!(
            r#"{"queue_name": "deferred", "queue_id": "A1", "arrival_time": 1, "message_size": 300, "forced_expire": false, "sender": "a@acme.example", "recipients": [{"address": "x@down.example", "delay_reason": "no route"}]}"#,
            "\n",
            r#"{"queue_name": "active", "queue_id": "A2", "arrival_time": 2, "message_size": 300, "forced_expire": false, "sender": "", "recipients": [{"address": "B@acme.example"}]}"#,
            "\n"
        );
        let queue = read(text).unwrap();
        let states: Vec<bool> = queue.iter().map(Queued::is_under_way).collect();
        assert_eq!(states, [false, true]);
        let about = |key: &str| BTreeSet::from([key.to_owned()]);
        assert!(queue[0].concerns(&about("x@down.example")) && queue[0].concerns(&about("a@acme.example")));
        assert!(queue[1].concerns(&about("b@acme.example")) && !queue[1].concerns(&about("a@acme.example")));
        assert!(queue[1].concerns(&BTreeSet::new()));
        assert!(read("nonsense").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_output_is_read_or_refused(text: String) {
            let _ = read(&text);
        }
    }
}
