//! `mailwright import`: accounts of another system as the specification of a reseller.

mod accounts;
mod csv;
mod mailcow;
mod texts;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use spec::model::{Platform, TierKind};
use values::{ByteSize, Line, MailAddress, Name};

use crate::failure::{Exit, Failure};
use crate::repository;
use crate::rewrite::Made;
use accounts::{Accounts, Problem};

/// A list of accounts longer than this is refused.
const LONGEST: u64 = 256 * 1024 * 1024;
/// A specification file longer than this would be refused by its reader.
const LONGEST_TEXT: usize = 16 * 1024 * 1024;
/// Problems shown before the rest is counted.
const SHOWN: usize = 100;
/// Names of what is left out that are told before the rest is counted.
const NAMED: usize = 10;

/// Write the accounts of another system as the specification of a new reseller.
///
/// Reads CSV with the columns domain, user, hash, quota and forwards (the first line names them), and the files
/// postfix-accounts.cf and postfix-virtual.cf of docker-mailserver. Of mailcow it reads what the API answers to get/mailbox/all,
/// get/alias/all, get/alias-domain/all and get/domain/all (JSON), and the tables of the same names, as CSV or as
/// `mysql --batch` prints them; of these only the table `mailbox` holds the hashes. Password hashes never stand in a specification: they go to
/// a file of secrets beside it, which git is told to ignore.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright import accounts.csv --reseller acme --repository my-platform\n  \
    mailwright import postfix-accounts.cf postfix-virtual.cf --reseller acme --company \"Acme Internet\"\n  \
    mailwright import mailbox.tsv alias.json alias-domain.json --reseller acme")]
pub(crate) struct Arguments {
    /// The lists of accounts; what they are is told by their names: `….csv`, `….json`, `….tsv` or `postfix-….cf`.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The reseller to write; it must be new.
    #[arg(long, value_name = "NAME")]
    reseller: Name,
    /// The repository that gets it.
    #[arg(long, default_value = ".")]
    repository: PathBuf,
    /// The company's name; the reseller's name when it is not named.
    #[arg(long)]
    company: Option<Line>,
    /// Where the operator reaches it; the postmaster of its first domain when it is not named.
    #[arg(long, value_name = "ADDRESS")]
    contact: Option<MailAddress>,
    /// The cluster of its domains; the only one there is when it is not named.
    #[arg(long, value_name = "NAME")]
    cluster: Option<Name>,
    /// The tier of accounts without a quota; the smallest one for mailboxes when it is not named.
    #[arg(long, value_name = "NAME")]
    tier: Option<Name>,
}

/// The operator's choices that imported accounts are fitted into.
pub(crate) struct Fit {
    cluster: Name,
    /// The tier of accounts without a quota.
    tier: Name,
    /// Tiers for mailboxes by their quota, smallest first; no quota is the largest.
    tiers: Vec<(Option<ByteSize>, Name)>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let repository = repository::read(&arguments.repository)?;
    let parsed = spec::parse(&repository.sources);
    let Some(platform) = parsed.spec.platforms.first() else {
        return Err(Failure::usage(format!("{} declares no platform", arguments.repository.display()))
            .help("name the operator's repository with --repository, or begin one with mailwright init"));
    };
    if parsed.spec.resellers.iter().any(|reseller| reseller.name.value == arguments.reseller) {
        return Err(Failure::usage(format!("the reseller {} is there already", arguments.reseller))
            .help("import under another name, and move the domains to where they belong"));
    }
    let fit = fit(platform, arguments)?;
    let mut found = Accounts::default();
    let mut problems = Vec::new();
    for file in &arguments.files {
        read(file, &mut found, &mut problems)?;
    }
    found.join(&mut problems);
    let tiers = choose_tiers(&found, &fit, &mut problems);
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    let Some(first) = found.domains().into_iter().next() else {
        return Err(Failure::usage("there is no account to import").help("name a list with at least one account"));
    };
    let contact = match &arguments.contact {
        Some(contact) => contact.to_string(),
        None => format!("postmaster@{first}"),
    };
    let company = arguments.company.as_ref().map_or(arguments.reseller.as_str(), Line::as_str);
    let (text, secrets) = texts::reseller(&found, &arguments.reseller, company, &contact, &fit, &tiers);
    if text.len() > LONGEST_TEXT {
        return Err(Failure::usage("these accounts are too many for one file").help("import them as several resellers"));
    }
    write(&repository.path, &arguments.reseller, &text, &secrets)?;
    let mut note = String::new();
    for (why, names) in found.left_out() {
        let shown: Vec<&str> = names.iter().map(String::as_str).take(NAMED).collect();
        let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
        note.push_str(&format!("not taken over, since it {why}: {}{more}\n", shown.join(", ")));
    }
    std::io::stderr().write_all(note.as_bytes())?;
    let unread = found.mailboxes().filter_map(|mailbox| mailbox.hash.as_ref());
    let unread = unread.filter(|hash| !control::password::is_hash(hash)).count();
    if unread > 0 {
        let note = format!(
            "{unread} of the hashes are of schemes that are not checked here: these users need a new password\n  \
             checked are SHA512-CRYPT, SHA256-CRYPT, BLF-CRYPT, and SHA256, SHA512, SSHA256, SSHA512 in base64\n"
        );
        std::io::stderr().write_all(note.as_bytes())?;
    }
    Ok(Exit::Done)
}

/// Takes the operator's choices: a cluster, and tiers for mailboxes.
fn fit(platform: &Platform, arguments: &Arguments) -> Result<Fit, Failure> {
    let clusters: Vec<&Name> = platform.clusters.iter().map(|cluster| &cluster.name.value).collect();
    let cluster = match (&arguments.cluster, clusters.as_slice()) {
        (Some(asked), known) if known.contains(&asked) => asked.clone(),
        (None, [only]) => (*only).clone(),
        (asked, known) => {
            let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            let what =
                asked.as_ref().map_or("which cluster is meant?".to_owned(), |it| format!("no cluster is called {it}"));
            return Err(Failure::usage(what).help(format!("name one with --cluster; there are: {}", known.join(", "))));
        }
    };
    let mailboxes = platform.tiers.iter().filter(|tier| tier.kind.value == TierKind::Mailbox);
    let mut tiers: Vec<(Option<ByteSize>, Name)> =
        mailboxes.map(|tier| (tier.quota.as_ref().map(|quota| quota.value), tier.name.value.clone())).collect();
    tiers.sort_by_key(|(quota, name)| (quota.is_none(), *quota, name.clone()));
    let tier = match (&arguments.tier, tiers.first()) {
        (Some(asked), _) if tiers.iter().any(|(_, name)| name == asked) => asked.clone(),
        (None, Some((_, smallest))) => smallest.clone(),
        (asked, _) => {
            let known: Vec<&str> = tiers.iter().map(|(_, name)| name.as_str()).collect();
            let what = asked.as_ref().map_or("the platform has no tier for mailboxes".to_owned(), |it| {
                format!("no tier for mailboxes is called {it}")
            });
            return Err(Failure::usage(what).help(format!("tiers for mailboxes: {}", known.join(", "))));
        }
    };
    Ok(Fit { cluster, tier, tiers })
}

/// Returns the smallest tier that holds each mailbox that had a quota.
fn choose_tiers(found: &Accounts, fit: &Fit, problems: &mut Vec<Problem>) -> BTreeMap<String, Name> {
    let mut tiers = BTreeMap::new();
    for mailbox in found.mailboxes() {
        let Some(quota) = mailbox.quota else { continue };
        match fit.tiers.iter().find(|(most, _)| most.is_none_or(|most| most >= quota)) {
            Some((_, name)) => {
                tiers.insert(mailbox.address.key(), name.clone());
            }
            None => problems.push(mailbox.place.problem(format!("no tier has a quota of {quota} or more"))),
        }
    }
    tiers
}

fn read(path: &Path, found: &mut Accounts, problems: &mut Vec<Problem>) -> Result<(), Failure> {
    let unreadable = |error: &std::io::Error| Failure::usage(format!("could not read {}", path.display())).cause(error);
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| unreadable(&error).help("name a list of accounts"))?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > LONGEST {
        return Err(Failure::usage(format!("{} is longer than 256 MiB", path.display())).help("cut it in parts"));
    }
    let name = path.display().to_string();
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line =
                1 + error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|&&it| it == b'\n').count();
            problems.push(accounts::Place { file: name.into(), line }.problem("this line is not UTF-8".to_owned()));
            return Ok(());
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let ending = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match ending.as_str() {
        known if known.contains("postfix-accounts") => found.read_accounts(&name, text, problems),
        known if known.contains("postfix-virtual") => found.read_virtual(&name, text, problems),
        known if known.ends_with(".csv") => found.read_csv(&name, text, problems),
        known if known.ends_with(".json") => found.read_json(&name, text, problems),
        known if known.ends_with(".tsv") => found.read_tabs(&name, text, problems),
        _ => {
            return Err(Failure::usage(format!("the name of {name} does not say what it holds"))
                .help("call it ….csv, ….json, ….tsv, postfix-accounts.cf or postfix-virtual.cf"));
        }
    }
    Ok(())
}

fn refused(mut problems: Vec<Problem>) -> Failure {
    problems.sort();
    let total = problems.len();
    let mut text = String::from("these accounts cannot be taken over; nothing was written");
    for problem in problems.iter().take(SHOWN) {
        text.push_str(&format!("\n  {problem}"));
    }
    if total > SHOWN {
        text.push_str(&format!("\n  and {} more", total - SHOWN));
    }
    let mut failure = Failure::usage(text).help("correct these lines, or take them out, and import again");
    failure.exit = Exit::Problems;
    failure
}

/// Writes the reseller, its secrets and the line that keeps these out of git. Nothing is written over, and all of it or nothing.
fn write(root: &Path, reseller: &Name, text: &str, secrets: &str) -> Result<(), Failure> {
    let target = root.join("resellers").join(reseller.as_str()).join(format!("{reseller}.kdl"));
    let kept = root.join("secrets").join(format!("{reseller}.env"));
    if target.exists() || (kept.exists() && !secrets.is_empty()) {
        let there = if target.exists() { &target } else { &kept };
        return Err(Failure::usage(format!("{} is there already", there.display()))
            .help("move it out of the way, or import under another name"));
    }
    let mut made = Made::default();
    let written = write_all(&mut made, (root, &target, &kept), text, secrets);
    written.map_err(|(path, error)| {
        made.take_back();
        let failure = Failure::failed(format!("could not write {}", path.display())).cause(&error);
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => failure.help("nothing was written; move what is there out of the way"),
            _ => failure.help("no account was written; import again when the repository can be written"),
        }
    })?;
    let mut said = String::new();
    if !secrets.is_empty() {
        said = format!(
            "wrote {} with the password hashes, for you alone to read; git ignores it\n  \
             mailwright up takes them from there: users sign in with the passwords they had\n",
            kept.display()
        );
    }
    said.push_str(&format!(
        "wrote {}\n\nnext: mailwright check {}; a contract \"{reseller}\" in the platform says what it may use\n",
        target.display(),
        root.display()
    ));
    Ok(std::io::stderr().write_all(said.as_bytes())?)
}

fn write_all(
    made: &mut Made,
    (root, target, kept): (&Path, &Path, &Path),
    text: &str,
    secrets: &str,
) -> Result<(), (PathBuf, std::io::Error)> {
    if !secrets.is_empty() {
        // Ignored first, so that there is no moment in which git would take it.
        let ignored = root.join(".gitignore");
        let rules = fs::read_to_string(&ignored).unwrap_or_default();
        if !rules.lines().any(|line| line.trim() == "/secrets/") {
            let gap = if rules.is_empty() || rules.ends_with('\n') { "" } else { "\n" };
            let append = || {
                let mut file = fs::OpenOptions::new().append(true).create(true).open(&ignored)?;
                file.write_all(format!("{gap}/secrets/\n").as_bytes())
            };
            append().map_err(|error| (ignored.clone(), error))?;
        }
        made.folder(&root.join("secrets"), 0o700).map_err(|error| (root.join("secrets"), error))?;
        made.file(kept, secrets, 0o600).map_err(|error| (kept.to_path_buf(), error))?;
    }
    made.file(target, text, 0o666).map_err(|error| (target.to_path_buf(), error))
}
