//! What the daemons' own checkers say of what was rendered for them, each asked inside its node's root.
//!
//! Nothing is started but the checkers, in namespaces that vanish with them. The secrets they see are made up for the occasion.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use blueprint::{Blueprint, Check, Node, Tree};

use crate::embedded::Authority;
use crate::failure::Failure;
use crate::files;
use crate::fill::Filler;
use crate::launch::{LaunchRequest, Progress, Step, root};
use crate::namespace::{lacks, network};
use crate::node::{Order, Plan, Tidings};
use crate::rootfs::Root;
use crate::state::{Identity, StateFailure, StateRoot};

/// How many nodes are checked at a time.
const AT_ONCE: usize = 4;

/// Something that a checker does not like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The node.
    pub node: String,
    /// The check.
    pub check: String,
    /// What it said, a line or the whole.
    pub text: String,
    /// The node's file it is about, as far as that can be told, with its line where it named one (from 1).
    pub file: Option<(String, Option<u32>)>,
}

/// What came of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many checks were made.
    pub checks: usize,
    /// How many nodes they were made on.
    pub nodes: usize,
    /// What was found, by node.
    pub complaints: Vec<Complaint>,
}

/// Has every daemon's own checker read what was rendered for it.
///
/// - `request`: what would be launched; its state folder is not touched.
/// - Errors: this machine cannot run daemons in namespaces, or a node could not be made.
pub fn verify(request: &LaunchRequest, progress: &dyn Progress) -> Result<Verdict, Failure> {
    let lacks = lacks();
    if !lacks.is_empty() {
        return Err(Failure::Unfit { backend: "namespace", lacks });
    }
    let root = root(request, progress)?;
    let place = Occasion::make(&request.cache)?;
    let identity = Identity::new(&request.repository, request.launch.environment.as_str());
    let folder = StateRoot::new(&place.0).folder(&identity);
    folder.open(&identity)?;
    let names = std::collections::BTreeSet::from([request.blueprint.service_domain.to_string()]);
    let today = jiff::Timestamp::now().as_second() / 86_400;
    let (platform, tls) = (request.blueprint.platform.as_str(), &request.blueprint.mail.tls_minimum);
    Authority::open(&folder.authority(), platform, &names, &BTreeMap::new(), tls, today)?;
    let mut launch = request.launch.clone();
    launch.secrets = blueprint::launch::Secrets::Generate;
    let none = BTreeMap::new();
    let mut filler = Filler::new(&folder, &request.blueprint, &request.roster, &launch, &none)?;
    let mut asked = Vec::new();
    for node in &request.blueprint.nodes {
        let name = node.name.as_str();
        let Some(tree) = request.bundle.nodes.get(name) else { continue };
        filler.lay_out(name, tree, &folder.tree(name))?;
        let (state, mount) = (folder.node(name).join("state"), folder.node(name).join("mount"));
        for folder in [&state, &mount] {
            files::make_folder(folder).map_err(StateFailure::from)?;
        }
        let mut plan = plan(&request.blueprint, node, &root, state, mount, folder.tree(name));
        plan.processes = tree.processes.clone();
        asked.push(Asked { tree, plan });
    }
    let verdict =
        Verdict { checks: asked.iter().map(|it| it.tree.checks.len()).sum(), nodes: asked.len(), ..Verdict::default() };
    let complaints = all(&request.program, asked, progress)?;
    Ok(Verdict { complaints, ..verdict })
}

/// A node, and what is asked of it.
struct Asked<'a> {
    tree: &'a Tree,
    plan: Plan,
}

fn plan(blueprint: &Blueprint, node: &Node, root: &Root, state: PathBuf, mount: PathBuf, tree: PathBuf) -> Plan {
    Plan {
        node: node.name.to_string(),
        layers: root.layers.clone(),
        state,
        mount,
        tree,
        programs: BTreeMap::new(),
        network: network::alone(blueprint, node),
        processes: Vec::new(),
    }
}

/// Asks every node, a few at a time; returns the complaints in the nodes' order.
fn all(program: &Path, asked: Vec<Asked<'_>>, progress: &dyn Progress) -> Result<Vec<Complaint>, Failure> {
    let waiting = Mutex::new(asked.into_iter().enumerate());
    let answers: Mutex<BTreeMap<usize, Result<Vec<Complaint>, Failure>>> = Mutex::new(BTreeMap::new());
    let next = || waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((place, asked)) = next() {
                    let node = asked.plan.node.clone();
                    let checks = asked.tree.checks.len();
                    let answer = one(program, asked);
                    let mut answers = answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    progress.step(&Step::Root(match &answer {
                        Ok(complaints) if complaints.is_empty() => format!("{node}: {checks} checks, nothing to say"),
                        Ok(complaints) => format!("{node}: {checks} checks, {} complaints", complaints.len()),
                        Err(failure) => format!("{node}: {failure}"),
                    }));
                    answers.insert(place, answer);
                }
            });
        }
    });
    let answers = answers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let each: Vec<Vec<Complaint>> = answers.into_values().collect::<Result<_, _>>()?;
    Ok(each.into_iter().flatten().collect())
}

fn one(program: &Path, asked: Asked<'_>) -> Result<Vec<Complaint>, Failure> {
    let node = asked.plan.node.clone();
    let failed = |source| Failure::StartNode { node: node.clone(), source };
    let mut child = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private"])
        .arg("--")
        .arg(program)
        .arg("node")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let order = Order::Check { plan: Box::new(asked.plan), checks: asked.tree.checks.clone() };
    let mut line = serde_json::to_vec(&order).map_err(|error| failed(error.into()))?;
    line.push(b'\n');
    // Open until it has answered: its end would tell the node that nobody waits any more.
    let mut orders = child.stdin.take();
    if let Some(orders) = &mut orders {
        orders.write_all(&line).and_then(|()| orders.flush()).map_err(failed)?;
    }
    let mut complaints = Vec::new();
    let mut settled = false;
    let tidings = child.stdout.take().map(BufReader::new);
    for line in tidings.into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Tidings::Checked { check, passed, said }) => {
                if let Some(check) = asked.tree.checks.get(check) {
                    complaints.extend(complaints_of(&node, check, passed, &said));
                }
            }
            Ok(Tidings::Failed { reason }) => {
                let _ = child.wait();
                return Err(Failure::Node { node, reason });
            }
            Ok(Tidings::Settled) => settled = true,
            _ => {}
        }
    }
    drop(orders);
    child.wait().map_err(failed)?;
    match settled {
        true => Ok(complaints),
        false => {
            Err(Failure::Node { node, reason: "its first process ended before every checker had answered".to_owned() })
        }
    }
}

/// Returns what a checker's answer amounts to: nothing, when it passed and said nothing that matters.
fn complaints_of(node: &str, check: &Check, passed: bool, said: &str) -> Vec<Complaint> {
    let complaint =
        |text: &str, file| Complaint { node: node.to_owned(), check: check.name.clone(), text: text.to_owned(), file };
    let lines = said.lines().map(str::trim_end).filter(|line| !line.trim().is_empty());
    let matters = |line: &&str| !check.harmless.iter().any(|harmless| line.contains(harmless.as_str()));
    let told: Vec<&str> = lines.filter(matters).filter(|line| !passed || warns(line)).collect();
    let mut complaints: Vec<Complaint> = told.iter().map(|line| complaint(line, about(line, &check.files))).collect();
    if complaints.is_empty() && !passed {
        complaints.push(complaint(said.trim(), about(said, &check.files)));
    }
    // What names no file is about the one that the check reads.
    for complaint in complaints.iter_mut().filter(|complaint| complaint.file.is_none()) {
        complaint.file = check.files.first().map(|file| (file.clone(), None));
    }
    complaints
}

/// Whether a line of a checker that found nothing wrong is a warning nevertheless. Some of them print what they have read.
fn warns(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["warning", "[warn]", "[alert]", "[emerg]", "error:", "fatal:", "deprecated", "unused parameter", "unknown"]
        .iter()
        .any(|word| line.contains(word))
}

/// Returns the file of the node that a checker's line speaks of, and the line it names there.
fn about(text: &str, files: &[String]) -> Option<(String, Option<u32>)> {
    let (file, at) =
        files.iter().filter_map(|file| Some((file, text.find(file.as_str())?))).max_by_key(|(file, _)| file.len())?;
    let after = text.get(at + file.len()..).unwrap_or_default();
    Some((file.clone(), line_number(after)))
}

/// Returns the number in `:12`, `, line 12`, `(12)` or ` on line 12`, straight after a file's name.
fn line_number(after: &str) -> Option<u32> {
    let rest = after.trim_start_matches(['\'', '"', ']', ')']);
    let rest = [":", ", line ", " line ", " on line ", "(", ": line ", "["]
        .iter()
        .filter_map(|mark| rest.strip_prefix(mark))
        .next_back()?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).take(9).collect();
    digits.parse().ok().filter(|&line| line > 0)
}

/// A folder for one verification, which is gone with it.
struct Occasion(PathBuf);

impl Occasion {
    fn make(cache: &Path) -> Result<Self, Failure> {
        let folder = cache.join(format!("verify-{}", std::process::id()));
        files::make_folder(&folder).map_err(StateFailure::from)?;
        Ok(Self(folder))
    }
}

impl Drop for Occasion {
    fn drop(&mut self) {
        // What is left of it is in a folder for what can be thrown away.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[&str], harmless: &[&str]) -> Check {
        let owned = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
        Check { name: "x".to_owned(), command: Vec::new(), files: owned(files), harmless: owned(harmless) }
    }

    #[test]
    fn a_warning_is_a_complaint_at_the_line_it_names() {
        let postfix = check(&["/etc/postfix/main.cf"], &[]);
        let said = "/usr/sbin/postconf: warning: /etc/postfix/main.cf: unused parameter: x=y\n";
        let found = complaints_of("mx-1", &postfix, true, said);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].file, Some(("/etc/postfix/main.cf".to_owned(), None)));
        let said = "fatal: /etc/postfix/main.cf, line 12: missing '=' after attribute name";
        assert_eq!(complaints_of("mx-1", &postfix, false, said)[0].file.as_ref().unwrap().1, Some(12));
    }

    #[test]
    fn what_is_harmless_and_what_is_only_printed_is_nobodys_complaint() {
        let php = check(&["/etc/php.conf"], &["test is successful"]);
        assert_eq!(complaints_of("web-1", &php, true, "NOTICE: configuration file test is successful\n"), []);
        assert_eq!(complaints_of("web-1", &php, true, "\n  x = y\n"), []);
        assert_eq!(complaints_of("web-1", &php, false, "").len(), 1);
    }

    #[test]
    fn line_numbers_are_read_in_the_ways_daemons_write_them() {
        for (said, line) in [
            ("[ALERT] (1) : config : parsing [/f:7] : unknown keyword", Some(7)),
            ("Error in file /f line 12: Unknown setting", Some(12)),
            ("/f:3:14-20: Error: syntax error", Some(3)),
            ("nginx: [emerg] unknown directive \"x\" in /f:9", Some(9)),
            ("PHP Parse error: unexpected x in /f on line 4", Some(4)),
            ("/f is odd", None),
            ("/f:99999999999", Some(999_999_999)),
        ] {
            let files = ["/f".to_owned()];
            assert_eq!(about(said, &files).unwrap().1, line, "{said}");
        }
    }
}
