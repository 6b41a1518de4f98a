//! What daemons' own checkers think of a build, told as problems of the specification.

use std::path::Path;

use compiler::Output;
use environments::{Complaint, StateRoot};
use spec::{Problem, Sources};

use crate::failure::Failure;
use crate::problems;
use crate::repository::Repository;
use crate::verbs::compiled::say;
use crate::verbs::up::{self, Manner, Told};

/// Asks every checker; their complaints are shown as problems.
///
/// - Errors: there are complaints, or they could not be asked.
pub(super) fn ask(repository: &Repository, output: Output, root: Option<&Path>, json: bool) -> Result<(), Failure> {
    let manner = Manner {
        backend: Some("namespace".to_owned()),
        seed: 1,
        root: root.map(Path::to_owned),
        image: None,
        snapshot: None,
        boot: up::Lane::Lean,
        ready_within: None,
    };
    // No state is kept of a verification.
    let state = StateRoot::new(up::cache()?);
    let request = up::request(repository, output.clone(), state, &manner)?;
    let verdict =
        environments::verify(&request, &Told::new(!json)).map_err(crate::verbs::address::from_environments)?;
    if verdict.complaints.is_empty() {
        say(json, &format!("{} checks on {} nodes passed", verdict.checks, verdict.nodes));
        return Ok(());
    }
    let told: Vec<Problem> = verdict
        .complaints
        .iter()
        .map(|complaint| problem(&repository.sources, &output, &request.bundle, complaint))
        .collect();
    let mut shown: Vec<Problem> = Vec::new();
    for problem in told {
        // The same fault on several nodes is one fault to mend.
        if !shown.iter().any(|other| other.span == problem.span && other.label == problem.label) {
            shown.push(problem);
        }
    }
    problems::write_human(&mut std::io::stderr().lock(), &repository.sources, &shown)?;
    Err(Failure::problems())
}

fn problem(sources: &Sources, output: &Output, bundle: &blueprint::Bundle, complaint: &Complaint) -> Problem {
    let rendered = complaint.file.as_ref().and_then(|(path, line)| {
        let file = bundle.nodes.get(&complaint.node)?.files.get(path)?;
        let (bytes, _) = file.unfilled();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.lines().nth((*line)?.checked_sub(1)? as usize).map(str::to_owned)
    });
    // Checkers that name no line mostly quote it.
    let words = rendered.as_deref().unwrap_or(&complaint.text);
    let span = compiler::blame(sources, output, &complaint.node, Some(words));
    let place = match &complaint.file {
        Some((path, Some(line))) => format!("{path}, line {line}"),
        Some((path, None)) => path.clone(),
        None => "its files".to_owned(),
    };
    let message = format!("the checker `{}` on {} does not like {place}", complaint.check, complaint.node);
    let text: String = complaint.text.trim().chars().take(400).collect();
    let help = match rendered {
        Some(line) => format!("the rendered line is: {}", line.trim()),
        None => "see the rendered file with: mailwright build --out DIR".to_owned(),
    };
    Problem::error("build::refused-by-daemon", span, message).label(text).help(help)
}
