//! `mailwright restore`: brings the messages of a mailbox back from the copies that its store makes.

use std::process::Command;

use blueprint::Role;
use environments::Found;
use values::MailAddress;

use super::address::{NamedAddress, from_environments};
use crate::failure::{Exit, Failure};

/// What a store copies and brings back with.
const RUN: &str = "/etc/mailwright/backup/run";

/// The status by which a store says that a mailbox is not its.
const NOT_HERE: i32 = 3;

/// The status by which it says that a copy has nothing of the mailbox.
const NOTHING: i32 = 4;

/// Bring the messages of a mailbox back from the copies that its store makes.
///
/// Messages that are there stay as they are; those of the copy that are not come back with their flags and dates. With --folder all of the
/// copy comes into a folder of its own instead, with the mailbox's folders below it.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright restore alice@acme.example --env qa\n  \
    mailwright restore alice@acme.example --env qa --folder \"As it was\"\n  \
    mailwright restore --list --env qa\n  \
    mailwright restore alice@acme.example --env qa --copy 4bba301e")]
pub(crate) struct Arguments {
    /// The mailbox.
    #[arg(required_unless_present_any = ["list", "now"])]
    mailbox: Option<MailAddress>,
    /// The folder of the mailbox that all of the copy comes into.
    #[arg(long, value_name = "NAME", value_parser = folder)]
    folder: Option<String>,
    /// Which copy, as --list names it.
    #[arg(long, value_name = "COPY", default_value = "latest", value_parser = copy)]
    copy: String,
    /// List the copies there are, store by store.
    #[arg(long, conflicts_with_all = ["mailbox", "folder", "copy", "now"])]
    list: bool,
    /// Make a copy on every store now.
    #[arg(long, conflicts_with_all = ["mailbox", "folder", "copy"])]
    now: bool,
    #[command(flatten)]
    address: NamedAddress,
}

/// Reads the name of a folder. What stands between folders may stand in it, but nowhere else.
fn folder(text: &str) -> Result<String, String> {
    let level = |name: &str| !name.is_empty() && name != "." && name != "..";
    match text {
        _ if text.len() > 255 => Err("a folder's name has at most 255 octets".to_owned()),
        _ if text.chars().any(values::hostile) || text.contains(['*', '%', '~']) => {
            Err("a folder's name has neither control characters nor wildcards".to_owned())
        }
        _ if !text.split('/').all(level) => Err("write it as `Restored` or `Restored/May`".to_owned()),
        _ if text.starts_with('-') || text.starts_with(' ') || text.ends_with(' ') => {
            Err("it begins with a letter or a digit".to_owned())
        }
        _ if text.eq_ignore_ascii_case("INBOX") => {
            Err("leave --folder out to restore to where messages were".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

/// Reads the name of a copy: `latest`, or hexadecimal digits.
fn copy(text: &str) -> Result<String, String> {
    let digits = (4..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match digits || text == "latest" {
        true => Ok(text.to_owned()),
        false => Err("write `latest`, or what --list shows".to_owned()),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let found = arguments.address.find()?;
    let nodes = found.nodes().map_err(from_environments)?;
    let stores: Vec<String> =
        nodes.into_iter().filter(|(_, role)| *role == Role::Store).map(|(name, _)| name).collect();
    let Some(mailbox) = &arguments.mailbox else {
        let word = if arguments.list { "list" } else { "copy" };
        for store in &stores {
            match carry_out(&found, store, &[word])? {
                Some(0) => {}
                _ => return Err(lacking(store)),
            }
        }
        return Ok(Exit::Done);
    };
    let address = mailbox.to_string();
    let folder = arguments.folder.as_deref().unwrap_or_default();
    for store in &stores {
        match carry_out(&found, store, &["mailbox", &address, &arguments.copy, folder])? {
            Some(0) => return Ok(Exit::Done),
            Some(NOT_HERE) => {}
            Some(NOTHING) => {
                return Err(Failure::failed(format!("the copy has nothing of {address}"))
                    .help("see which copies there are with: mailwright restore --list"));
            }
            _ => return Err(lacking(store)),
        }
    }
    Err(Failure::usage(format!("no store has a mailbox {address}"))
        .help("a mailbox that was removed comes back with its account first: make it again, then restore it"))
}

/// Runs the store's own program; returns its status.
fn carry_out(found: &Found, store: &str, words: &[&str]) -> Result<Option<i32>, Failure> {
    let words: Vec<String> = std::iter::once(RUN).chain(words.iter().copied()).map(str::to_owned).collect();
    let mut inside: Command = found.inside(store, &words).map_err(from_environments)?;
    let status = inside.status().map_err(|error| {
        Failure::failed(format!("could not enter {store}"))
            .cause(&error)
            .help("it takes nsenter: apt-get install util-linux")
    })?;
    Ok(status.code())
}

fn lacking(store: &str) -> Failure {
    Failure::failed(format!("{store} could not do it; what it said stands above"))
        .help("copies are made where the platform has a `backup` with `mail` in it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_as_people_do_and_nothing_else_is_taken_for_one() {
        for good in ["Restored", "As it was", "Restored/2026-05", "Wiederhergestellt für Jörg"] {
            assert!(folder(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "a//b", "../x", "inbox", "-u", "a\nb", "a*", "~root", " a", "a/"] {
            assert!(folder(bad).is_err(), "{bad:?}");
        }
        assert!(copy("latest").is_ok() && copy("4bba301e").is_ok());
        assert!(copy("--host=x").is_err() && copy("x").is_err() && copy("").is_err());
    }
}
