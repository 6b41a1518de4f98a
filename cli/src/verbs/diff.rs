//! `mailwright diff`: two platforms as a reviewer reads them, file by file and line by line.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use similar::{Algorithm, TextDiff};

use super::compiled;
use crate::failure::{Exit, Failure};
use crate::repository;

/// How long the shortest difference of one file is looked for; after that a longer one does.
const PATIENCE: Duration = Duration::from_secs(2);
/// Folders deeper than this are not looked into.
const DEEPEST_FOLDER: usize = 32;

/// Print how the Blueprints, Rosters and files of two folders differ, line by line.
///
/// Each folder is a specification repository, or one that `mailwright build` wrote. What is printed can be read by `patch` and by
/// whatever shows unified differences. Secrets stay holes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright diff old new --env production\n  \
    mailwright build . --out /tmp/before && mailwright diff /tmp/before /tmp/after")]
pub(crate) struct Arguments {
    /// What is compared with.
    old: PathBuf,
    /// What is compared.
    new: PathBuf,
    /// The environment, where a folder is a repository; `dev` when it is not named.
    #[arg(long)]
    env: Option<String>,
    /// End with 4 when anything differs.
    #[arg(long)]
    exit_code: bool,
}

/// Files by their path as `build` writes them.
type Tree = BTreeMap<String, Vec<u8>>;

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (old_built, new_built) = (is_built(&arguments.old), is_built(&arguments.new));
    let environment = arguments.env.as_deref();
    // What `build` writes holds neither Blueprint nor Roster, so there only files can be compared.
    let whole = !old_built && !new_built;
    let read =
        |folder: &Path, built: bool| if built { built_tree(folder) } else { compiled_tree(folder, environment, whole) };
    let (old, new) = (read(&arguments.old, old_built)?, read(&arguments.new, new_built)?);
    let mut out = std::io::stdout().lock();
    let mut differs = false;
    for path in old.keys().chain(new.keys().filter(|path| !old.contains_key(*path))) {
        let (before, after) = (old.get(path), new.get(path));
        if before != after {
            differs = true;
            out.write_all(&file(path, before.map(Vec::as_slice), after.map(Vec::as_slice)))?;
        }
    }
    Ok(if arguments.exit_code && differs { Exit::Changes } else { Exit::Done })
}

/// Returns the difference of one file.
fn file(path: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> Vec<u8> {
    let name = |side: &str, there: bool| if there { format!("{side}/{path}") } else { "/dev/null".to_owned() };
    let (old, new) = (name("a", before.is_some()), name("b", after.is_some()));
    let texts =
        [before, after].map(|bytes| std::str::from_utf8(bytes.unwrap_or_default()).ok().filter(|it| is_text(it)));
    let [Some(before), Some(after)] = texts else {
        return format!("Binary files {old} and {new} differ\n").into_bytes();
    };
    let difference = TextDiff::configure().algorithm(Algorithm::Myers).timeout(PATIENCE).diff_lines(before, after);
    difference.unified_diff().context_radius(3).header(&old, &new).to_string().into_bytes()
}

/// Tells whether a text can be shown: no control characters but line breaks and tabs.
fn is_text(text: &str) -> bool {
    !text.contains(|character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t'))
}

fn is_built(folder: &Path) -> bool {
    folder.join("manifest.json").is_file() && folder.join("nodes").is_dir()
}

fn compiled_tree(folder: &Path, environment: Option<&str>, whole: bool) -> Result<Tree, Failure> {
    let repository = repository::read(folder)?;
    let output = compiled::compile(&repository.sources, environment).map_err(|failure| match failure.exit {
        Exit::Problems => {
            let mut failure = Failure::usage(format!("the problems above are those of {}", folder.display()))
                .help("compare folders that check finds no error in");
            failure.exit = Exit::Problems;
            failure
        }
        _ => failure,
    })?;
    let bundle = compiler::render(&output, &repository.sources);
    let fault = |error: serde_json::Error| Failure::fault("a document does not serialize").cause(&error);
    let mut tree = Tree::new();
    if whole {
        for (name, document) in [
            ("blueprint.json", serde_json::to_value(&output.blueprint)),
            ("roster.json", serde_json::to_value(&output.roster)),
        ] {
            tree.insert(name.to_owned(), format!("{:#}\n", document.map_err(fault)?).into_bytes());
        }
    }
    for (node, made) in &bundle.nodes {
        for (path, file) in &made.files {
            tree.insert(format!("nodes/{node}/{}", path.trim_start_matches('/')), file.unfilled().0);
        }
    }
    for (below, files) in [("dns", &bundle.dns), ("hypervisor", &bundle.hypervisor), ("brands", &bundle.brands)] {
        tree.extend(files.iter().map(|(path, file)| (format!("{below}/{path}"), file.unfilled().0)));
    }
    let manifest = compiler::manifest(&output.blueprint, &bundle);
    tree.insert("manifest.json".to_owned(), format!("{manifest:#}\n").into_bytes());
    Ok(tree)
}

fn built_tree(folder: &Path) -> Result<Tree, Failure> {
    let mut tree = Tree::new();
    walk(folder, "", 0, &mut tree)
        .map_err(|error| Failure::failed(format!("could not read {}", folder.display())).cause(&error))?;
    Ok(tree)
}

fn walk(root: &Path, below: &str, depth: usize, tree: &mut Tree) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < DEEPEST_FOLDER {
            walk(root, &path, depth + 1, tree)?;
        } else if kind.is_file() {
            tree.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}
