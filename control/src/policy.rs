//! `mailwright-serve policy`: what a Postfix asks on its own node that no table can answer.
//!
//! - As a policy service: whether a sender may write to a list, and whether somebody has sent too much. The latter counts, for
//!   all submission nodes together. On outbound nodes, whether new addresses take more today.
//! - As a milter: whether a submitted message bears the names of addresses that are its sender's.
//! - Over HTTP: what recipients ask of the defense, for the scanner on its node.
//!
//! Everything is asked of the directory by its functions; what cannot be asked is answered with a temporary error.

mod attributes;
mod levels;
mod milter;
mod questions;
mod warm_up;

use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

use attributes::Reader;
use milter::{Effect, Session};
use questions::{Answer, Questions};
use warm_up::WarmUps;

const USAGE: &str = "usage: mailwright-serve policy --config FILE";

/// Bytes read at once.
const PIECE: usize = 16 << 10;

/// What the program is told: a file of JSON.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The form of the file.
    version: u32,
    /// Where the directory is.
    directory: blueprint::serve::Server,
    /// Where policy questions are answered; `None` where no Postfix asks any.
    #[serde(default)]
    policy: Option<SocketAddr>,
    /// Where messages are looked at; `None` where nobody submits any.
    #[serde(default)]
    sender_check: Option<SocketAddr>,
    /// Where a scanner asks what recipients want; `None` where none does.
    #[serde(default)]
    levels: Option<SocketAddr>,
    /// Pools whose addresses are new; `None` where there are none.
    #[serde(default)]
    warm_up: Option<warm_up::Settings>,
    /// What separates a subaddress from the local part it extends.
    separator: Option<char>,
}

/// Why the program ended.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{USAGE}")]
    Usage,
    #[error("could not read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not what this program understands")]
    Settings {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{path} has version {version}, this program knows 1")]
    Version { path: PathBuf, version: u32 },
    #[error("could not make out where the directory is")]
    Directory(#[source] sqlx::Error),
    #[error("could not {what}")]
    Started {
        what: String,
        #[source]
        source: std::io::Error,
    },
}

/// Runs the program until it is told to end.
///
/// - `arguments`: those after the verb.
/// - Returns: 0 when it was told to end, 2 for arguments it does not know, 5 for anything else.
pub(crate) fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let ended = parsed(arguments).and_then(|path| {
        let settings = read(&path)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| Failure::Started { what: "start".to_owned(), source })?;
        runtime.block_on(run(settings))
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&told(&failure));
            ExitCode::from(if matches!(failure, Failure::Usage) { 2 } else { 5 })
        }
    }
}

fn parsed(mut arguments: impl Iterator<Item = OsString>) -> Result<PathBuf, Failure> {
    match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(flag), Some(path), None) if flag == "--config" => Ok(PathBuf::from(path)),
        _ => Err(Failure::Usage),
    }
}

fn read(path: &Path) -> Result<Settings, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| Failure::Read { path: path.to_path_buf(), source })?;
    let settings: Settings =
        serde_json::from_str(&text).map_err(|source| Failure::Settings { path: path.to_path_buf(), source })?;
    match settings.version {
        1 => Ok(settings),
        version => Err(Failure::Version { path: path.to_path_buf(), version }),
    }
}

/// Writes a line of the log; a log that is gone stops nobody.
fn say(line: &str) {
    let line = line.replace(['\n', '\r'], " ");
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

async fn run(settings: Settings) -> Result<(), Failure> {
    let password = &settings.directory.password_file;
    let password = std::fs::read_to_string(password)
        .map_err(|source| Failure::Read { path: password.into(), source })?
        .trim_end_matches(['\n', '\r'])
        .to_owned();
    let questions = Questions::new(&settings.directory, &password, settings.separator).map_err(Failure::Directory)?;
    let questions = Arc::new(questions);
    let warm_ups = settings.warm_up.map(|settings| Arc::new(WarmUps::new(settings)));
    let bind = async |address: SocketAddr| {
        let failed = |source| Failure::Started { what: format!("listen on {address}"), source };
        TcpListener::bind(address).await.map_err(failed)
    };
    let listen = async |address: Option<SocketAddr>| match address {
        Some(address) => bind(address).await.map(Some),
        None => Ok(None),
    };
    let policies = listen(settings.policy).await?;
    let messages = listen(settings.sender_check).await?;
    let levels = listen(settings.levels).await?;
    let failed = |source| Failure::Started { what: "listen to signals".to_owned(), source };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let addresses: Vec<String> = [&policies, &messages, &levels]
        .into_iter()
        .flatten()
        .map(|listener| listener.local_addr().map_or_else(|error| error.to_string(), |at| at.to_string()))
        .collect();
    say(&format!("ready on {}", addresses.join(" and ")));
    if let Some(levels) = levels {
        tokio::spawn(serve_levels(levels, Arc::clone(&questions)));
    }
    loop {
        tokio::select! {
            accepted = accept(policies.as_ref()) => if let Ok(stream) = accepted {
                tokio::spawn(answer_policies(stream, Arc::clone(&questions), warm_ups.clone()));
            },
            accepted = accept(messages.as_ref()) => if let Ok(stream) = accepted {
                tokio::spawn(look_at_messages(stream, Arc::clone(&questions)));
            },
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> std::io::Result<TcpStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => std::future::pending().await,
    }
}

async fn serve_levels(listener: TcpListener, questions: Arc<Questions>) {
    if let Err(error) = axum::serve(listener, levels::router(questions)).await {
        say(&format!("levels: {error}"));
    }
}

/// Returns the days since 1970.
fn today() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_secs() / 86_400
}

/// Answers one Postfix process, which asks many times over one connection.
async fn answer_policies(mut stream: TcpStream, questions: Arc<Questions>, warm_ups: Option<Arc<WarmUps>>) {
    let mut reader = Reader::default();
    let mut piece = vec![0; PIECE];
    loop {
        let Ok(read @ 1..) = stream.read(&mut piece).await else { return };
        let Ok(requests) = reader.receive(piece.get(..read).unwrap_or_default()) else {
            return say("policy: what was asked is no question");
        };
        for request in requests {
            if let Some((answer, doubt)) = warm_ups.as_ref().and_then(|pools| pools.of_postfix(&request, today())) {
                if let Some(error) = doubt {
                    say(&format!("policy: what a pool has sent today is not known: {error}"));
                }
                if stream.write_all(answer.as_action().as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
            let (answer, doubt) = questions.of_postfix(&request).await;
            if let Some(error) = doubt {
                say(&format!("policy: the directory did not answer: {error}"));
            }
            if let Answer::Refused(reply) = &answer {
                let (sender, recipient) = (request.get("sender"), request.get("recipient"));
                say(&format!("policy: {reply} user={} from={sender} to={recipient}", request.get("sasl_username")));
            }
            if stream.write_all(answer.as_action().as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// Looks at the messages of one SMTP session.
async fn look_at_messages(mut stream: TcpStream, questions: Arc<Questions>) {
    let mut session = Session::default();
    let mut piece = vec![0; PIECE];
    loop {
        let Ok(read @ 1..) = stream.read(&mut piece).await else { return };
        for effect in session.receive(piece.get(..read).unwrap_or_default()) {
            let reply = match effect {
                Effect::Close => return,
                Effect::Reply(bytes) => bytes,
                Effect::Judge { login, header } => {
                    let (answer, doubt) = questions.whether_owned(&login, &header).await;
                    if let Some(error) = doubt {
                        say(&format!("sender check: the directory did not answer: {error}"));
                    }
                    if let Answer::Refused(reply) = &answer {
                        say(&format!("sender check: {reply} user={login}"));
                    }
                    milter::verdict(&answer)
                }
            };
            if stream.write_all(&reply).await.is_err() {
                return;
            }
        }
    }
}
