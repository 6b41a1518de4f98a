//! The way through: resolve, check, decide.

use std::collections::{BTreeMap, BTreeSet};

use blueprint::{Blueprint, Launch, Roster, Scenario};
use spec::model::Environment;
use spec::{FileId, Outline, Parsed, Problem, Severity, Sources, Span};

use crate::decide::nodes::Asked;
use crate::decide::roster::Tenants;
use crate::decide::{launch, platform, roster, scenarios};
use crate::origins::Origins;
use crate::report::Report;
use crate::resolve::{Cluster, Model, resolve, unknown};
use crate::{check, origins, spelling};

/// What a specification means for one environment, and all that is wrong with it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Compiled {
    /// What was decided; `None` where any problem is an error.
    pub output: Option<Output>,
    /// What is wrong, with the text and with its meaning, sorted by place.
    pub problems: Vec<Problem>,
}

/// All that was decided for one environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// What runs where.
    pub blueprint: Blueprint,
    /// Who uses it.
    pub roster: Roster,
    /// How it is to be run.
    pub launch: Launch,
    /// What can be tried in it.
    pub scenarios: Vec<Scenario>,
    /// Where in the text each thing was asked for; nothing where it was compiled without.
    pub origins: Origins,
    /// Paths of brand files in the repository, by their key in [`blueprint::Bundle::brands`].
    pub brand_files: BTreeMap<String, String>,
}

impl Compiled {
    /// Returns what holds where the environment is to become real: what is only a warning until then forbids it.
    pub fn to_carry_out(mut self) -> Self {
        for problem in self.problems.iter_mut().filter(|problem| problem.code == check::proof::UNPROVEN) {
            problem.severity = Severity::Error;
            self.output = None;
        }
        self
    }
}

/// Compiles one environment of a specification.
///
/// - Returns: the output, and the problems of the whole repository and of this environment.
pub fn compile(sources: &Sources, parsed: &Parsed, environment: &str) -> Compiled {
    compiled(sources, parsed, environment, true)
}

/// Compiles one environment without its origins, for those who never ask for a line: there are several to each mailbox.
pub fn compile_without_origins(sources: &Sources, parsed: &Parsed, environment: &str) -> Compiled {
    compiled(sources, parsed, environment, false)
}

fn compiled(sources: &Sources, parsed: &Parsed, environment: &str, with_origins: bool) -> Compiled {
    let mut report = Report::default();
    let mut output = None;
    if let Some(model) = resolve(sources, &parsed.spec, &mut report) {
        check::everywhere(&model, &mut report);
        match model.environments.values().find(|known| known.name.value.as_str() == environment) {
            Some(found) => output = Some(decide(&model, parsed, found, with_origins, &mut report)),
            None => report.tell(no_environment(&model, environment)),
        }
    }
    let problems = sorted(sources, parsed.problems.iter().cloned().chain(report.finish()));
    let wrong = problems.iter().any(|problem| problem.severity == Severity::Error);
    Compiled { output: output.flatten().filter(|_| !wrong), problems }
}

/// Returns every problem of a repository: those of its texts, and those of each of its environments.
pub fn check_all(sources: &Sources) -> Vec<Problem> {
    let read_whole = |id: FileId| sources.file(id).map(|file| Outline::whole(id, file));
    check_outlines(sources, spec::outline::read(sources), read_whole)
}

/// Returns every problem of a repository of whose files outlines were read.
///
/// - `sources`: their paths and the assets; the files' bytes are not looked at.
/// - `read_whole`: reads a file of which a rule needs more than its outline; `None` where it cannot be read any more.
pub fn check_outlines(
    sources: &Sources,
    mut parsed: Parsed,
    mut read_whole: impl FnMut(FileId) -> Option<Outline>,
) -> Vec<Problem> {
    parsed.problems.extend(sources.problems().iter().cloned());
    let mut whole: BTreeSet<FileId> = BTreeSet::new();
    loop {
        let report = check(sources, &parsed);
        let wanted: BTreeSet<FileId> = report.wanted().difference(&whole).copied().collect();
        if wanted.is_empty() {
            return sorted(sources, parsed.problems.into_iter().chain(report.finish()));
        }
        parsed.replace(wanted.iter().filter_map(|&id| Some((id, read_whole(id)?))).collect());
        whole.extend(wanted);
    }
}

fn check(sources: &Sources, parsed: &Parsed) -> Report {
    let mut report = Report::default();
    // A platform of another edition is there, and cannot be read.
    let unread = |it: &Problem| it.code == "spec::language" && it.message.contains("does not know edition");
    if parsed.spec.platforms.is_empty() && parsed.problems.iter().any(unread) {
        return report;
    }
    if let Some(model) = resolve(sources, &parsed.spec, &mut report) {
        check::everywhere(&model, &mut report);
        // What several environments have in common is told once, in the words of the first.
        let mut told: BTreeSet<(Span, &'static str)> = BTreeSet::new();
        for environment in model.environments.values() {
            let mut own = Report::default();
            let _ = decide_platform(&model, parsed, environment, &mut own);
            own.wanted().iter().for_each(|&file| report.want(file));
            let own: Vec<Problem> =
                own.finish().into_iter().filter(|problem| !told.contains(&(problem.span, problem.code))).collect();
            told.extend(own.iter().map(|problem| (problem.span, problem.code)));
            own.into_iter().for_each(|problem| report.tell(problem));
        }
    }
    report
}

/// Returns the names of a specification's environments, sorted.
pub fn environments(parsed: &Parsed) -> Vec<String> {
    let mut names: Vec<String> = parsed
        .spec
        .environments
        .iter()
        .filter(|environment| !environment.name.is_hole())
        .map(|environment| environment.name.value.to_string())
        .collect();
    names.sort();
    names.dedup();
    names
}

fn sorted(sources: &Sources, problems: impl Iterator<Item = Problem>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = problems.collect();
    problems.iter_mut().for_each(|problem| spelling::in_syntax(problem, sources));
    problems.sort();
    problems.dedup();
    problems
}

fn no_environment(model: &Model<'_>, name: &str) -> Problem {
    let asked = spec::Spanned::new(name.to_owned(), model.platform.span);
    unknown("spec::unknown-environment", "environment", &asked, model.environments.keys().map(|known| known.as_str()))
}

/// Checks and decides one environment; what could not be decided is told.
fn decide(
    model: &Model<'_>,
    parsed: &Parsed,
    environment: &Environment,
    with_origins: bool,
    report: &mut Report,
) -> Option<Output> {
    let (blueprint, asked) = decide_platform(model, parsed, environment, report)?;
    let Tenants { roster, brand_files } = roster::tenants(model, environment);
    let launch = launch::launch(model, environment, &blueprint, &roster);
    let origins = if with_origins { origins::collect(model, environment, &asked) } else { Origins::default() };
    Some(Output { blueprint, roster, launch, scenarios: scenarios::scenarios(model), origins, brand_files })
}

/// Checks one environment and decides its platform; nothing that comes behind this tells a problem.
fn decide_platform(
    model: &Model<'_>,
    parsed: &Parsed,
    environment: &Environment,
    report: &mut Report,
) -> Option<(Blueprint, Vec<Asked>)> {
    check::environment(model, environment, report);
    // Where values of the platform are missing, others stand in their place, and their sums would say nothing.
    if !is_whole(model, parsed, environment) {
        return None;
    }
    let (blueprint, asked) = platform::blueprint(model, environment, report);
    check::published(model, &blueprint, report);
    (!report.has_errors()).then_some((blueprint, asked))
}

/// Tells whether all that nodes, hosts and addresses follow from was read without an error.
fn is_whole(model: &Model<'_>, parsed: &Parsed, environment: &Environment) -> bool {
    let platform = model.platform;
    let stateless = |cluster: &Cluster<'_>| cluster.spec.state.is_some() && cluster.storage.is_none();
    if model.clusters.len() != platform.clusters.len() || model.clusters.iter().any(stateless) {
        return false;
    }
    // What a problem is in: the last thing of the platform that begins before it.
    let beside = (platform.tiers.iter().map(|tier| tier.span))
        .chain(platform.contracts.iter().map(|contract| contract.span))
        .chain(platform.defenses.iter().map(|defense| defense.span))
        .chain(platform.alerts.iter().map(|alert| alert.span))
        .chain(platform.backup.iter().map(|backup| backup.span))
        .chain(platform.brand_policy.iter().map(|policy| policy.span))
        .chain([platform.tls.span, platform.dns.span, platform.retention.span, platform.operator.span])
        .chain([platform.mail.span, platform.release.span]);
    // What is not written has no place, or the platform's own.
    let beside =
        beside.filter(|span| !span.is_hole() && span.start != platform.span.start).map(|span| (span.start, true));
    let follows_from = (platform.sites.iter().map(|site| site.span))
        .chain(platform.clusters.iter().map(|cluster| cluster.span))
        .chain(platform.outbounds.iter().map(|pool| pool.span))
        .chain([platform.service_domain.span, platform.span]);
    let mut things: Vec<(u32, bool)> = beside.chain(follows_from.map(|span| (span.start, false))).collect();
    things.sort_unstable();
    let is_beside = |problem: &Problem| {
        // What is wrong with the form may have swallowed anything.
        let form = ["kdl::", "yaml::"].iter().any(|room| problem.code.starts_with(room));
        let before = things.partition_point(|(start, _)| *start <= problem.span.start);
        !form && before.checked_sub(1).and_then(|last| things.get(last)).is_some_and(|(_, beside)| *beside)
    };
    parsed.problems.iter().filter(|problem| problem.severity == Severity::Error).all(|problem| {
        let file = problem.span.file;
        leaves_all(problem) || (file != environment.span.file && (file != platform.span.file || is_beside(problem)))
    })
}

/// Tells whether all that nodes follow from is there in spite of a problem: the first of two values counts, a value that the help
/// leaves no doubt about was taken, what an environment may not say was passed over, and some values move no node.
fn leaves_all(problem: &Problem) -> bool {
    const MOVES_NOTHING: [&str; 8] =
        ["`within`", "`growth`", "`per`", "`price`", "`nic`", "`warm-up`", "`rate`", "`minimum`"];
    let sole = || {
        let value = problem.help.as_deref().and_then(|help| help.strip_prefix("write `")?.strip_suffix('`'));
        value.is_some_and(|value| !value.contains('`'))
    };
    match problem.code {
        "spec::given-twice" | "spec::environment-override" => true,
        "spec::surplus-argument" => problem.message.ends_with("is written with `=`, without a colon"),
        "spec::wrong-value" | "spec::out-of-range" => {
            // By what a thing is called others name it, so that nothing was taken in its place.
            let is_name = problem.label.starts_with("the name of");
            !is_name && (sole() || MOVES_NOTHING.iter().any(|name| problem.label.starts_with(name)))
        }
        _ => false,
    }
}
