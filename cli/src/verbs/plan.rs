//! `mailwright plan`: what changes between two revisions of a specification, and who notices.

use std::io::Write;
use std::path::PathBuf;

use blueprint::changes::{Action, Change, FieldChange};
use blueprint::{Changes, Revision};
use serde_json::Value;

use super::compiled;
use crate::failure::{Exit, Failure};
use crate::{git, repository};

/// Changes shown of each kind before the rest is counted.
const SHORT: usize = 6;

/// Tell what changes between two revisions of a specification, and who notices.
///
/// Compares the repository as it lies on disk with a revision of its git history or with another folder.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright plan --from origin/main\n  \
    mailwright plan examples/northmail --env production --from HEAD~1 --detail\n  \
    mailwright plan new --from-folder old --json --exit-code")]
pub(crate) struct Arguments {
    /// The folder that holds platform.kdl.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// The environment; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// The git revision to compare with.
    #[arg(long, value_name = "REVISION", required_unless_present = "from_folder", conflicts_with = "from_folder")]
    from: Option<String>,
    /// The folder to compare with.
    #[arg(long, value_name = "FOLDER")]
    from_folder: Option<PathBuf>,
    /// Show every change with every field.
    #[arg(long)]
    detail: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// End with 4 when anything changes.
    #[arg(long)]
    exit_code: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let (sources, name) = match (&arguments.from, &arguments.from_folder) {
        (Some(revision), _) => (git::read(&repository.path, revision)?, revision.clone()),
        (None, Some(folder)) => (repository::read(folder)?.sources, folder.display().to_string()),
        (None, None) => return Err(Failure::usage("nothing to compare with").help("name a revision with --from")),
    };
    let after = compiled::compile(&repository.sources, arguments.env.as_deref())?;
    let before = compiled::compile(&sources, Some(after.launch.environment.as_str()))?;
    let old = compiler::render(&before, &sources);
    let new = compiler::render(&after, &repository.sources);
    let changes = blueprint::diff(
        Revision { blueprint: &before.blueprint, roster: &before.roster, bundle: Some(&old) },
        Revision { blueprint: &after.blueprint, roster: &after.roster, bundle: Some(&new) },
    );
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let document = serde_json::to_value(&changes)
            .map_err(|error| Failure::fault("the changes do not serialize").cause(&error))?;
        writeln!(out, "{document:#}")?;
    } else {
        show(&mut out, &changes, &name, arguments.detail)?;
    }
    Ok(if arguments.exit_code && !changes.is_empty() { Exit::Changes } else { Exit::Done })
}

fn show(out: &mut dyn Write, changes: &Changes, name: &str, detail: bool) -> Result<(), Failure> {
    if changes.is_empty() {
        writeln!(out, "nothing changes since {name}")?;
        return Ok(());
    }
    let dangerous: Vec<&Change> = changes.destructive().collect();
    if !dangerous.is_empty() {
        writeln!(out, "DESTRUCTIVE: carrying this out needs --allow-destroy\n")?;
        list(out, &dangerous, detail)?;
        writeln!(out)?;
    }
    let rest: Vec<&Change> = changes.changes.iter().filter(|change| !change.destructive).collect();
    list(out, &rest, detail)?;
    if !changes.impacts.is_empty() {
        writeln!(out, "\nWho notices:")?;
        for impact in &changes.impacts {
            let plural = if impact.mailboxes == 1 { "mailbox" } else { "mailboxes" };
            writeln!(out, "  {} {plural} of {}: {}", impact.mailboxes, impact.reseller, impact.what)?;
        }
    }
    let summary = &changes.summary;
    writeln!(
        out,
        "\nsince {name}: {} created, {} changed in place, {} restarted, {} moved, {} renamed, {} destroyed",
        summary.created, summary.changed, summary.restarted, summary.moved, summary.renamed, summary.destroyed
    )?;
    Ok(())
}

fn list(out: &mut dyn Write, changes: &[&Change], detail: bool) -> Result<(), Failure> {
    let mut shown = 0;
    let mut last: Option<(Action, &str)> = None;
    for (index, change) in changes.iter().enumerate() {
        let group = (change.action, change.kind.as_str());
        if last != Some(group) {
            shown = 0;
            last = Some(group);
        }
        shown += 1;
        if !detail && shown > SHORT {
            let next = changes.get(index + 1).map(|next| (next.action, next.kind.as_str()));
            if next != Some(group) {
                writeln!(out, "    and {} more (--detail shows them)", shown - SHORT)?;
            }
            continue;
        }
        one(out, change, detail)?;
    }
    Ok(())
}

fn one(out: &mut dyn Write, change: &Change, detail: bool) -> Result<(), Failure> {
    let (sign, word) = match change.action {
        Action::Created => ('+', "created"),
        Action::Changed => ('~', "changed in place"),
        Action::Restarted => ('!', "restarted"),
        Action::Moved => ('>', "moved"),
        Action::Renamed => ('=', "renamed"),
        Action::Destroyed => ('-', "destroyed"),
    };
    write!(out, "  {sign} {} {} is {word}", change.kind, change.name)?;
    if let Some(note) = &change.note {
        write!(out, ": {note}")?;
    }
    writeln!(out)?;
    let fields = if detail { change.fields.len() } else { change.fields.len().min(SHORT) };
    if change.kind != "file" || detail {
        for field in change.fields.iter().take(fields) {
            writeln!(out, "      {}", field_text(field))?;
        }
        if change.fields.len() > fields {
            writeln!(out, "      and {} more fields", change.fields.len() - fields)?;
        }
    }
    Ok(())
}

fn field_text(field: &FieldChange) -> String {
    format!("{}: {} -> {}", field.field, value_text(&field.before), value_text(&field.after))
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            format!("[{}]", items.iter().map(value_text).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
