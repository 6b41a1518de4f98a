//! `mailwright reseller prove`: looks in DNS for the records that show whose domains are, and writes down what was found.

use std::fmt::Write as _;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use blueprint::Claim;
use blueprint::lock::{self, Lock, ProvenDomain};
use environments::{Resolver, ResolverFailure};
use serde_json::{Value, json};
use values::{Date, HostName};

use super::super::print_json;
use super::{read, write};
use crate::failure::{Exit, Failure};
use crate::repository;

/// How long one name may take.
const PATIENCE: Duration = Duration::from_secs(6);
/// So many names are asked for side by side, since most of the time somebody else is waited for.
const AT_ONCE: usize = 8;

const LONG: &str = "\
Look in DNS for the records that show whose domains are.

A domain, and each alias of one, that says proof=\"dns-txt\" or nothing, is proven by a TXT record at _mailwright.DOMAIN; explain domain \
NAME shows it. Those that were not found yet are looked for, those that are named again too, and what is found is written into mailwright.lock with \
the day. A named one whose record is gone loses its proof; where nobody answers, what was found before stays.

Names that nobody can hold, such as those below .example, need no proof, nor does any domain where the internet is simulated. Towards \
the real one, check and plan warn of a domain without proof, and build and promote refuse it.

Ends with 0 when all are proven, with 1 when a record is not there, with 5 when nobody answered; with --check nothing is written, and it ends \
with 4 when there is something to write.";

/// Look in DNS for the records that show whose domains are.
#[derive(clap::Args)]
#[command(long_about = LONG, after_help = "Examples:\n  mailwright reseller prove\n  \
    mailwright reseller prove acme.net --resolver 192.0.2.53\n  \
    mailwright reseller prove --all --check --json")]
pub(super) struct ProveArguments {
    /// The domains or aliases; all without a proof when none is named.
    domains: Vec<String>,
    /// Look for those that are proven already, too.
    #[arg(long, conflicts_with = "domains")]
    all: bool,
    /// The folder that holds platform.kdl.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    repository: PathBuf,
    /// Who is asked; those that the machine asks when nobody is named.
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = server)]
    resolver: Option<SocketAddr>,
    /// Write nothing; end with 4 when there is something to write.
    #[arg(long)]
    check: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let with_port = || text.parse::<SocketAddr>();
    let alone = || text.trim_matches(['[', ']']).parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    with_port()
        .or_else(|_| alone())
        .map_err(|_| "write an address, and a port where it is not 53: 192.0.2.53:5353".to_owned())
}

/// What became of a claim.
enum Outcome {
    /// Its record is there.
    Found,
    /// It is not; so many other TXT records are.
    Missing(usize),
    /// Nobody knows.
    Unknown(String),
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Found => "proven",
            Self::Missing(_) => "missing",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// A claim, and what was found.
struct Looked {
    claim: Claim,
    before: Option<Date>,
    outcome: Outcome,
}

pub(super) fn run(arguments: &ProveArguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let bytes = repository::lock_of(&repository.path)?;
    let mut lock = read(bytes.as_deref())?;
    let claims = compiler::claims(&repository.sources, &spec::parse(&repository.sources));
    let chosen = choose(&claims, &lock, arguments)?;
    let resolver = match arguments.resolver {
        Some(server) => Resolver::at(server),
        None if chosen.is_empty() => return done(arguments, &[], claims.len()),
        None => Resolver::of_machine().map_err(|error| {
            Failure::failed("nobody can be asked").cause(&error).help("name a resolver: --resolver 192.0.2.53")
        })?,
    };
    let looked = look(chosen, &lock, &resolver);
    let Some(today) = today() else { return Err(Failure::fault("today is no day")) };
    // A proof of what nobody declares any more means nothing.
    lock.domains.retain(|name, proven| claims.iter().any(|it| it.domain == *name && it.reseller == proven.reseller));
    for looked in &looked {
        let domain = looked.claim.domain.clone();
        match looked.outcome {
            Outcome::Found => {
                lock.domains.insert(domain, ProvenDomain { reseller: looked.claim.reseller.clone(), on: today });
            }
            Outcome::Missing(_) => drop(lock.domains.remove(&domain)),
            Outcome::Unknown(_) => {}
        }
    }
    let text = lock.text();
    let changed = match &bytes {
        Some(bytes) => *bytes != text.as_bytes(),
        None => !lock.domains.is_empty(),
    };
    if changed && !arguments.check {
        write(&repository.path.join(lock::FILE), &text)?;
    }
    let exit = done(arguments, &looked, claims.len())?;
    Ok(if exit == Exit::Done && arguments.check && changed { Exit::Changes } else { exit })
}

fn today() -> Option<Date> {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    Date::new(u16::try_from(today.year()).ok()?, u8::try_from(today.month()).ok()?, u8::try_from(today.day()).ok()?)
}

/// Returns the claims that are to be looked for.
fn choose(claims: &[Claim], lock: &Lock, arguments: &ProveArguments) -> Result<Vec<Claim>, Failure> {
    let mut wanted = Vec::new();
    for name in &arguments.domains {
        let domain: HostName = name
            .parse()
            .map_err(|error: values::ParseError| Failure::usage(format!("`{name}` is no domain")).cause(&error))?;
        if !claims.iter().any(|claim| claim.domain == domain) {
            let near = compiler::resolve::nearest(domain.as_str(), claims.iter().map(|claim| claim.domain.as_str()));
            let help = match near {
                _ if blueprint::proof::is_reserved(&domain) => {
                    "nobody can hold such a name (RFC 2606), so none is to be proven".to_owned()
                }
                Some(near) => format!("did you mean `{near}`?"),
                None => "a domain that says proof=\"operator\" is vouched for in the contract".to_owned(),
            };
            return Err(Failure::usage(format!("no domain `{name}` is to be proven by a record")).help(help));
        }
        wanted.push(domain);
    }
    let is_open =
        |claim: &&Claim| lock.domains.get(&claim.domain).is_none_or(|proven| proven.reseller != claim.reseller);
    let is_chosen = |claim: &&Claim| match wanted.is_empty() {
        true => arguments.all || is_open(claim),
        false => wanted.contains(&claim.domain),
    };
    Ok(claims.iter().filter(is_chosen).cloned().collect())
}

/// Looks for the records of claims; once nobody has answered for several at once, nobody is asked for the others.
fn look(claims: Vec<Claim>, lock: &Lock, resolver: &Resolver) -> Vec<Looked> {
    let mut looked = Vec::new();
    let mut silent = None;
    for some in claims.chunks(AT_ONCE) {
        let ask = |claim: &Claim| match &silent {
            Some(why) => Err((false, format!("{why}, as before"))),
            None => resolver
                .texts(&claim.record_name(), PATIENCE)
                .map_err(|failure| (matches!(failure, ResolverFailure::Silence { .. }), told(&failure))),
        };
        let found: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> = some.iter().map(|claim| scope.spawn(move || ask(claim))).collect();
            asked.into_iter().map(|it| it.join().unwrap_or_else(|_| Err((false, "asking broke".to_owned())))).collect()
        });
        if silent.is_none() && found.iter().all(|it| matches!(it, Err((true, _)))) {
            silent = found.iter().find_map(|it| it.as_ref().err().map(|(_, why)| why.clone()));
        }
        looked.extend(some.iter().zip(found).map(|(claim, found)| Looked {
            before: lock.domains.get(&claim.domain).filter(|it| it.reseller == claim.reseller).map(|it| it.on),
            outcome: match found {
                Ok(texts) if claim.is_shown_by(&texts) => Outcome::Found,
                Ok(texts) => Outcome::Missing(texts.len()),
                Err((_, why)) => Outcome::Unknown(why),
            },
            claim: claim.clone(),
        }));
    }
    looked
}

/// Returns a failure with its causes, on one line.
fn told(failure: &ResolverFailure) -> String {
    let mut text = failure.to_string();
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

fn done(arguments: &ProveArguments, looked: &[Looked], claims: usize) -> Result<Exit, Failure> {
    if arguments.json {
        let domains: Vec<Value> = looked.iter().map(document).collect();
        print_json(&json!({ "version": 1, "written": !arguments.check, "domains": domains }))?;
    } else {
        std::io::stdout().write_all(human(arguments, looked, claims).as_bytes())?;
    }
    Ok(if looked.iter().any(|it| matches!(it.outcome, Outcome::Missing(_))) {
        Exit::Problems
    } else if looked.iter().any(|it| matches!(it.outcome, Outcome::Unknown(_))) {
        Exit::Environment
    } else {
        Exit::Done
    })
}

fn document(looked: &Looked) -> Value {
    let why = match &looked.outcome {
        Outcome::Unknown(why) => Some(why.as_str()),
        _ => None,
    };
    json!({
        "domain": looked.claim.domain.as_str(),
        "reseller": looked.claim.reseller.as_str(),
        "record": { "name": looked.claim.record_name(), "type": "TXT", "text": looked.claim.record_text() },
        "proven_before": looked.before.map(|date| date.to_string()),
        "outcome": looked.outcome.word(),
        "reason": why,
    })
}

fn human(arguments: &ProveArguments, looked: &[Looked], claims: usize) -> String {
    let mut text = String::new();
    for Looked { claim, before, outcome } in looked {
        let Claim { reseller, domain, .. } = claim;
        let _ = match outcome {
            Outcome::Found if arguments.check => writeln!(text, "{domain}: its record shows that it is {reseller}'s"),
            Outcome::Found => {
                writeln!(text, "{domain}: its record shows that it is {reseller}'s, which is written down")
            }
            Outcome::Missing(others) => {
                let others = if *others > 0 { format!(" ({others} other TXT records are)") } else { String::new() };
                let lost = before.map_or(String::new(), |date| format!("; what was found on {date} holds no more"));
                let (name, record) = (claim.record_name(), claim.record_text());
                writeln!(text, "{domain}: the record is not there{others}{lost}\n  publish: {name}. TXT \"{record}\"")
            }
            Outcome::Unknown(why) => {
                let stays = before.map_or(String::new(), |date| format!("; what was found on {date} stays"));
                writeln!(text, "{domain}: nobody knows: {why}{stays}")
            }
        };
    }
    if looked.is_empty() {
        let _ = match claims {
            0 => writeln!(text, "no domain is to be proven by a record"),
            1 => writeln!(text, "the one domain that is to be proven by a record is"),
            claims => writeln!(text, "all {claims} domains that are to be proven by a record are"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_is_an_address_with_or_without_its_port() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1:53")),
            ("192.0.2.1:5353", Some("192.0.2.1:5353")),
            ("2001:db8::1", Some("[2001:db8::1]:53")),
            ("[2001:db8::1]", Some("[2001:db8::1]:53")),
            ("[2001:db8::1]:5353", Some("[2001:db8::1]:5353")),
            ("dns.example", None),
            ("", None),
        ] {
            assert_eq!(server(text).ok(), expected.map(|address| address.parse().unwrap()), "{text}");
        }
    }
}
