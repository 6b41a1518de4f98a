//! The control plane's own program, `mailwright-serve`: the API and the console over plain HTTP, on a directory in PostgreSQL.
//!
//! It stands behind a proxy on its own node, which speaks TLS and says where requests come from. Several nodes may run it on one
//! directory.

mod http;
mod settings;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use values::MailAddress;

use crate::{Control, Directory, DirectoryError, Mailboxes, Moving, OsChance, Seed, SeedReport};
use settings::{Given, SettingsFailure};

/// How long a directory that does not answer yet is asked again.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

const USAGE: &str = "usage: mailwright-serve api|policy --config FILE";

/// Why the program ended.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{USAGE}")]
    Usage,
    #[error(transparent)]
    Settings(#[from] SettingsFailure),
    #[error("could not open the directory {server}")]
    Directory {
        server: String,
        #[source]
        source: DirectoryError,
    },
    #[error("could not bring the directory to what the specification declares")]
    Seed(#[source] DirectoryError),
    #[error("could not {what}")]
    Started {
        what: String,
        #[source]
        source: std::io::Error,
    },
}

/// Runs the program until it is told to end.
///
/// - `arguments`: without the program's name.
/// - Returns: 0 when it was told to end, 2 for arguments it does not know, 5 for anything else.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.peekable();
    if arguments.next_if(|verb| verb == "policy").is_some() {
        return crate::policy::main(arguments);
    }
    let ended = parsed(arguments).and_then(|(verb, config)| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|source| Failure::Started { what: "start threads".to_owned(), source })?;
        match verb {
            Verb::Api => runtime.block_on(run(config)),
            Verb::Unmanaged => runtime.block_on(unmanaged(&config)),
        }
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&told(&failure));
            ExitCode::from(if matches!(failure, Failure::Usage) { 2 } else { 5 })
        }
    }
}

/// What is asked of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// To serve the API and the console.
    Api,
    /// To print the accounts that no specification declares.
    Unmanaged,
}

fn parsed(mut arguments: impl Iterator<Item = OsString>) -> Result<(Verb, PathBuf), Failure> {
    let (verb, flag, path) = (arguments.next(), arguments.next(), arguments.next());
    let (Some(verb), Some(flag), Some(path), None) = (verb, flag, path, arguments.next()) else {
        return Err(Failure::Usage);
    };
    let verb = match verb.to_str() {
        Some("api") => Verb::Api,
        Some("unmanaged") => Verb::Unmanaged,
        _ => return Err(Failure::Usage),
    };
    if flag == "--config" { Ok((verb, PathBuf::from(path))) } else { Err(Failure::Usage) }
}

/// Prints the accounts that no specification declares, as one JSON document.
async fn unmanaged(config: &std::path::Path) -> Result<(), Failure> {
    let given = Given::read(config)?;
    let directory = connected(&given).await?;
    let found = directory.unmanaged().await;
    directory.close().await;
    let found = found.map_err(|source| Failure::Directory { server: format!("{:?}", given.server), source })?;
    // Names, addresses and words: there is nothing in it that JSON could not write.
    say(&serde_json::to_string(&found).unwrap_or_default());
    Ok(())
}

/// Writes a line of the log; a log that is gone stops nobody.
fn say(line: &str) {
    let line = line.replace('\n', " ");
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes an error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// On stores that keep mail by the account's number, nothing lies in anybody's way and nothing has to be moved.
struct ByNumber;

impl Mailboxes for ByNumber {
    fn set_aside<'a>(&'a self, _: &'a MailAddress, _: &'a str, _: i64) -> Moving<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn bring_back<'a>(&'a self, _: &'a MailAddress, _: &'a str, _: i64) -> Moving<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}

async fn run(config: PathBuf) -> Result<(), Failure> {
    let given = Given::read(&config)?;
    let directory = Arc::new(connected(&given).await?);
    seeded(&directory, &given).await?;
    let control = Control::new(Arc::clone(&directory), given.brands.clone(), None, Some(Arc::new(ByNumber)));
    let listen = given.settings.listen;
    let failed = |source| Failure::Started { what: format!("listen on {listen}"), source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    say(&format!("ready on {address}"));
    let service = http::service(Arc::new(control), given.settings.trusted_proxies.clone());
    let again = tokio::spawn(seed_again(Arc::clone(&directory), config));
    let served = axum::serve(listener, service).with_graceful_shutdown(told_to_end()?).await;
    again.abort();
    directory.close().await;
    say("ended");
    served.map_err(|source| Failure::Started { what: "serve".to_owned(), source })
}

/// Ends when the program is told to.
fn told_to_end() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let failed = |source| Failure::Started { what: "listen to signals".to_owned(), source };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        say("told to end");
    })
}

/// Opens the directory, once it answers.
async fn connected(given: &Given) -> Result<Directory, Failure> {
    let clock = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    };
    let begun = Instant::now();
    let mut waiting = false;
    loop {
        let failure = match Directory::connect(&given.server, Arc::new(clock), Arc::new(OsChance)).await {
            Ok(directory) => return Ok(directory),
            Err(failure) => failure,
        };
        let may_come = matches!(failure, DirectoryError::Database(_));
        if !may_come || begun.elapsed() > PATIENCE {
            return Err(Failure::Directory { server: format!("{:?}", given.server), source: failure });
        }
        if !std::mem::replace(&mut waiting, true) {
            say(&format!("waiting for the directory {:?}: {}", given.server, told(&failure)));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn seeded(directory: &Directory, given: &Given) -> Result<(), Failure> {
    let passwords = |address: &MailAddress| given.passwords.get(address).cloned();
    let seed = Seed {
        blueprint: &given.blueprint,
        roster: &given.roster,
        operators: &given.settings.operators,
        passwords: &passwords,
    };
    let report = directory.seed(seed).await.map_err(Failure::Seed)?;
    directory.settle_mailboxes(&ByNumber).await.map_err(Failure::Seed)?;
    let SeedReport { created, renamed, suspended, deleted, conflicts } = report;
    let counts = [created.len(), renamed.len(), suspended.len(), deleted.len()];
    say(&format!(
        "seeded: {} created, {} renamed, {} suspended, {} deleted",
        counts[0], counts[1], counts[2], counts[3]
    ));
    for conflict in conflicts {
        say(&format!("not seeded: {conflict}"));
    }
    Ok(())
}

/// Takes a changed specification over whenever the program is told that there is one.
async fn seed_again(directory: Arc<Directory>, config: PathBuf) {
    let Ok(mut hang_up) = signal(SignalKind::hangup()) else { return };
    while hang_up.recv().await.is_some() {
        let outcome = match Given::read(&config) {
            Ok(given) => seeded(&directory, &given).await,
            Err(failure) => Err(failure.into()),
        };
        if let Err(failure) = outcome {
            say(&format!("goes on as it was: {}", told(&failure)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_it_knows_is_taken() {
        let asked = |words: &[&str]| parsed(words.iter().map(OsString::from)).ok();
        assert_eq!(asked(&["api", "--config", "/x"]), Some((Verb::Api, PathBuf::from("/x"))));
        assert_eq!(asked(&["unmanaged", "--config", "/x"]), Some((Verb::Unmanaged, PathBuf::from("/x"))));
        for words in
            [&[][..], &["api"], &["api", "--config"], &["api", "--config", "/x", "y"], &["web", "--config", "/x"]]
        {
            assert_eq!(asked(words), None, "{words:?}");
        }
    }
}
