//! systemd: what its units add to those of the distribution, and which of them run.
//!
//! Source: systemd.service(5), "Command lines"; systemd.preset(5). In a quoted word a backslash escapes, `%` begins a specifier and
//! `$` a variable, and each of these doubled is itself.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use blueprint::{Check, File, Process, Role, Tree};

/// Where units of ours are.
pub(super) const UNITS: &str = "/etc/systemd/system/";

/// Units that run on every node whatever its role.
const EVERYWHERE: [&str; 5] = [
    "nftables.service",
    "chrony.service",
    "systemd-journal-upload.service",
    "systemd-sysctl.service",
    "systemd-networkd.service",
];

/// Returns what systemd needs to run a tree's daemons: for a unit of the distribution what is run instead of its own command, for one
/// that nobody wrote the whole unit, and a preset that names all that run and switches off what does not.
pub(super) fn complete(tree: &Tree, role: Role) -> Tree {
    let mut files = BTreeMap::new();
    let mut own = Vec::new();
    for process in &tree.processes {
        let path = format!("{UNITS}{}", process.unit);
        if tree.files.contains_key(&path) {
            continue;
        }
        // The distribution's unit of Postfix knows an instance only where postmulti was told of it.
        if ["mailwright-", "postfix-"].iter().any(|own| process.unit.starts_with(own)) {
            files.insert(path.clone(), File::text(whole(process)));
            own.push(path);
        } else if process.unit.ends_with(".service") {
            files.insert(format!("{path}.d/mailwright.conf"), File::text(over(process)));
        }
    }
    files.insert("/etc/systemd/system-preset/10-mailwright.preset".to_owned(), File::text(preset(tree, role)));
    let mut checks = Vec::new();
    if !own.is_empty() {
        let mut command = ["/usr/bin/systemd-analyze", "verify", "--man=no"].map(str::to_owned).to_vec();
        command.extend(own.iter().cloned());
        checks.push(Check { name: "systemd".to_owned(), command, files: own, harmless: Vec::new() });
    }
    Tree { files, checks, ..Tree::default() }
}

/// Returns what is laid over a unit of the distribution: it keeps its order, its user and its bounds, and runs what runs wherever there
/// is no systemd, since that is what the rendered files were made for and tried with. What waits for others is started until it runs.
fn over(process: &Process) -> String {
    // An empty value takes back what the distribution says (systemd.unit(5), systemd.service(5)); one of all conditions.
    let mut text = String::from(
        "[Unit]\nConditionPathExists=\nStartLimitIntervalSec=0\n\n[Service]\nType=exec\nPIDFile=\nExecStartPre=\n",
    );
    for command in &process.prepare {
        // The daemon's own user may not do what root does for it.
        let _ = writeln!(text, "ExecStartPre=+{}", Words(command));
    }
    let command = command(process);
    let _ = writeln!(text, "ExecStart=\nExecStart={}\nExecStartPost=\nExecStop=\nExecReload=", Words(&command));
    if let Some(reload) = &process.reload {
        let _ = writeln!(text, "ExecReload=+{}", Words(reload));
    }
    // A daemon that drops root's rights itself may be given fewer by its unit.
    if process.user != "root" {
        let _ = writeln!(text, "User={}", process.user);
    }
    for (name, value) in &process.variables {
        let _ = writeln!(text, "Environment={}", Words(&[format!("{name}={value}")]));
    }
    text.push_str("Restart=always\nRestartSec=2\n");
    text
}

/// Returns what systemd runs. Postfix opens its standard output by name, which nobody can do with the journal's socket, but with a pipe.
fn command(process: &Process) -> Vec<String> {
    let piped = ["/bin/bash", "-c", "set -o pipefail; \"$0\" \"$@\" 2>&1 | cat"].map(str::to_owned);
    let mut command = if process.unit.starts_with("postfix") { piped.to_vec() } else { Vec::new() };
    command.extend(process.command.iter().cloned());
    command
}

fn whole(process: &Process) -> String {
    let mut text = format!(
        "[Unit]\nDescription={} of this node\nAfter=network-online.target\nWants=network-online.target\nStartLimitIntervalSec=0\n",
        process.name
    );
    let _ = writeln!(text, "\n[Service]\nUser={}", process.user);
    for (name, value) in &process.variables {
        let _ = writeln!(text, "Environment={}", Words(&[format!("{name}={value}")]));
    }
    for command in &process.prepare {
        let _ = writeln!(text, "ExecStartPre=+{}", Words(command));
    }
    let _ = writeln!(text, "ExecStart={}", Words(&command(process)));
    if let Some(reload) = &process.reload {
        let _ = writeln!(text, "ExecReload={}", Words(reload));
    }
    text.push_str("Restart=always\nRestartSec=1\n\n[Install]\nWantedBy=multi-user.target\n");
    text
}

fn preset(tree: &Tree, role: Role) -> String {
    let mut text = String::from("# What runs on this node; nothing else does.\n");
    let mut units: Vec<&str> = tree.processes.iter().map(|process| process.unit.as_str()).chain(EVERYWHERE).collect();
    units.extend((role == Role::Monitor).then_some("systemd-journal-remote.service"));
    units.sort_unstable();
    units.dedup();
    for unit in units {
        let _ = writeln!(text, "enable {unit}");
    }
    text.push_str("enable getty@.service\ndisable *\n");
    text
}

/// The words of a command line, each in quotes.
struct Words<'w>(&'w [String]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            // The program is named as it stands: it is a path of ours, and no quotes are wanted behind a prefix.
            if index == 0 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte)) {
                f.write_str(word)?;
                continue;
            }
            f.write_str(if index == 0 { "\"" } else { " \"" })?;
            for character in word.chars() {
                match character {
                    '"' | '\\' => write!(f, "\\{character}")?,
                    '%' | '$' => write!(f, "{character}{character}")?,
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    hostile if values::hostile(hostile) => f.write_char(' ')?,
                    other => f.write_char(other)?,
                }
            }
            f.write_char('"')?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a command line as systemd.service(5) says, specifiers and variables included.
    fn read(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut characters = line.chars();
        while let Some(character) = characters.next() {
            assert!(character == ' ' || character == '"', "{line}");
            if character == ' ' {
                continue;
            }
            let mut word = String::new();
            loop {
                match characters.next().expect("the quotes end") {
                    '"' => break,
                    '\\' => match characters.next().expect("something is escaped") {
                        'n' => word.push('\n'),
                        't' => word.push('\t'),
                        other => word.push(other),
                    },
                    twice @ ('%' | '$') => {
                        assert_eq!(characters.next(), Some(twice), "{line}");
                        word.push(twice);
                    }
                    other => word.push(other),
                }
            }
            words.push(word);
        }
        words
    }

    proptest! {
        #[test]
        fn a_word_reads_back_as_it_was_meant_and_ends_no_line(words in proptest::collection::vec("\\PC{0,20}[\n\t%$\"'\\\\#; ]{0,6}", 1..5)) {
            let mut command = vec!["/bin/sh".to_owned()];
            command.extend(words.clone());
            let line = Words(&command).to_string();
            prop_assert_eq!(line.lines().count(), 1);
            let shown: Vec<String> = words
                .iter()
                .map(|word| word.chars().map(|c| if c != '\n' && c != '\t' && values::hostile(c) { ' ' } else { c }).collect())
                .collect();
            prop_assert_eq!(read(line.strip_prefix("/bin/sh").unwrap()), shown);
        }
    }
}
