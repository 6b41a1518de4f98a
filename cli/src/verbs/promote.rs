//! `mailwright promote`: what one environment has proven becomes another's, to the bit.

use std::collections::BTreeMap;
use std::path::PathBuf;

use blueprint::Launch;
use blueprint::ledger::{Deed, Promotion, Refusal, Subject};

use super::compiled::{self, say};
use crate::failure::{Exit, Failure};
use crate::{ledger, repository};

/// Let an environment take what another one has proven.
///
/// The gates of FROM must have passed with exactly these specifications and this image; `mailwright test --gate` tries them and
/// writes down how they ended. A promotion is written to mailwright.ledger, which belongs in the repository. Only gates that ran on
/// the image itself, booted with the distribution's own units, vouch for it: without them nothing reaches an environment whose
/// machines are real. With --back the environment goes back to what it had before; with --back-to to a certain entry.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright test --gate --env qa\n  mailwright promote qa --to horizon\n  \
    mailwright promote --to horizon --back\n  mailwright ledger\n\n\
    Exit codes: 0 promoted, 5 refused; the reason says what is lacking.")]
pub(crate) struct Arguments {
    /// The environment that has proven it.
    #[arg(value_name = "FROM", required_unless_present_any = ["back", "back_to"])]
    from: Option<String>,
    /// The environment that takes it.
    #[arg(long, value_name = "NAME")]
    to: String,
    /// The folder that holds platform.kdl.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    repository: PathBuf,
    /// Go back to what the environment had before.
    #[arg(long, conflicts_with_all = ["from", "back_to"])]
    back: bool,
    /// Go back to what an entry of the ledger promoted.
    #[arg(long, value_name = "ENTRY", conflicts_with = "from")]
    back_to: Option<u64>,
    /// Say what would be done, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Backends whose nodes are machines that an image was made for.
const MACHINES: [&str; 2] = ["vm", "fleet"];

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let parsed = spec::parse(&repository.sources);
    let known = compiler::environments(&parsed);
    for name in arguments.from.iter().chain([&arguments.to]) {
        if !known.contains(name) {
            return Err(Failure::usage(format!("there is no environment `{name}`"))
                .help(format!("environments: {}", known.join(", "))));
        }
    }
    let target = compiled::compile_to_carry_out(&repository.sources, Some(&arguments.to))?;
    let decide = |ledger: &blueprint::Ledger| match &arguments.from {
        Some(from) => {
            let source = compiled::compile(&repository.sources, Some(from))?;
            let locked = super::up::locked_image(&repository, &source.blueprint)?;
            onward(ledger, (&source.launch, locked), &target.launch, &repository, &parsed)
        }
        None => back(ledger, arguments, &repository, &parsed),
    };
    let mut decided = None;
    let number = if arguments.dry_run {
        let ledger = ledger::read(&repository.path)?;
        decided = Some(decide(&ledger)?);
        ledger.entries().len() as u64 + 1
    } else {
        ledger::add(&repository.path, |ledger| {
            let promotion = decide(ledger)?;
            decided = Some(promotion.clone());
            Ok(Deed::Promotion(promotion))
        })?
    };
    let Some(promotion) = decided else { return Err(Failure::fault("a promotion was neither made nor refused")) };
    tell(arguments, number, &promotion)
}

/// Decides whether an environment may take what another one has.
fn onward(
    ledger: &blueprint::Ledger,
    (source, locked): (&Launch, Option<String>),
    target: &Launch,
    repository: &repository::Repository,
    parsed: &spec::Parsed,
) -> Result<Promotion, Failure> {
    let (from, to) = (source.environment.as_str(), target.environment.as_str());
    if target.from.as_ref().is_none_or(|name| *name != source.environment) {
        let declared = target.from.as_ref().map_or_else(
            || format!("{to} names no environment it is promoted from"),
            |name| format!("{to} is promoted from {name}"),
        );
        return Err(
            refused(declared).help(format!("write `from \"{from}\"` in the environment {to}, or promote as it says"))
        );
    }
    // What was promoted to it, or where nothing was, what the lock stands for.
    let image = ledger::image_of(ledger, from).or(locked);
    let subject = ledger::subject(repository, parsed, image);
    let vouched = [&source.backend, &target.backend].iter().any(|backend| MACHINES.contains(&backend.as_str()))
        && (MACHINES.contains(&source.backend.as_str()) || !target.show_passwords);
    let proof = ledger.proof(from, to, &subject, &source.gates, vouched).map_err(|refusal| {
        let help = match &refusal {
            Refusal::NoGates { from } => format!("name scenarios in the environment {from}: gate \"a message reaches its mailbox\""),
            Refusal::Untried { from, .. } => format!("try them: mailwright test --gate --env {from}"),
            Refusal::Gate { from, .. } => {
                format!("mend what it found, then try again: mailwright test --gate --env {from}")
            }
            Refusal::Unvouched { from, .. } => {
                format!("try them on the image, booted as production boots it: mailwright test --gate --env {from} --backend vm --boot stock")
            }
            Refusal::NoSuchPromotion { .. } => "see the entries with: mailwright ledger".to_owned(),
        };
        refused(refusal.to_string()).help(help)
    })?;
    Ok(Promotion {
        from: from.to_owned(),
        to: to.to_owned(),
        subject,
        evidence: proof.evidence,
        image_proven: proof.image_proven,
        back_to: None,
        outside: BTreeMap::new(),
    })
}

/// Decides what an environment goes back to: the specifications must be there again as they were then.
fn back(
    ledger: &blueprint::Ledger,
    arguments: &Arguments,
    repository: &repository::Repository,
    parsed: &spec::Parsed,
) -> Result<Promotion, Failure> {
    let to = arguments.to.as_str();
    let (number, earlier) = match ledger.earlier(to, arguments.back_to) {
        Ok(found) => found,
        Err(_) if arguments.back_to.is_none() => {
            return Err(refused(format!("{to} never had anything else to go back to"))
                .help("see what was promoted with: mailwright ledger"));
        }
        Err(refusal) => {
            return Err(refused(refusal.to_string()).help("see the entries with: mailwright ledger"));
        }
    };
    let now = ledger::digest(&repository.sources, parsed);
    if now != earlier.subject.specification {
        let revision = earlier.subject.revision.as_deref();
        return Err(refused(format!("the specifications here are not those of entry {number}")).help(match revision {
            Some(revision) => {
                format!(
                    "take them back first, and keep the ledger: git checkout {revision} -- . ':!{}'",
                    blueprint::ledger::FILE
                )
            }
            None => "take back the texts as they were then; the ledger stays".to_owned(),
        }));
    }
    Ok(Promotion {
        subject: Subject { revision: earlier.subject.revision.clone(), ..earlier.subject.clone() },
        back_to: Some(number),
        ..earlier.clone()
    })
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::failed(message)
}

fn tell(arguments: &Arguments, number: u64, promotion: &Promotion) -> Result<Exit, Failure> {
    if arguments.json {
        super::print_json(&serde_json::json!({
            "version": 1, "entry": number, "written": !arguments.dry_run, "promotion": promotion,
        }))?;
        return Ok(Exit::Done);
    }
    let image = promotion
        .subject
        .image
        .as_deref()
        .map_or_else(|| "no image".to_owned(), |image| format!("image {}", image.get(..12).unwrap_or(image)));
    let specification = promotion.subject.specification.get(..12).unwrap_or_default();
    let verb = match (arguments.dry_run, promotion.back_to) {
        (true, None) => "would be promoted",
        (false, None) => "promoted",
        (true, Some(_)) => "would go back",
        (false, Some(_)) => "back",
    };
    say(false, &format!("{verb} to {}: specifications {specification}, {image} (entry {number})", promotion.to));
    let proven = promotion.evidence.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let what =
        if promotion.image_proven { "the specifications and the image" } else { "the specifications, not the image" };
    say(false, &format!("  proven by entry {proven}: {what}"));
    Ok(Exit::Done)
}
