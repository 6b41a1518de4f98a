//! What Dovecot's own programs say of the trees of nodes that run it, and how they read back what the writers wrote.
//!
//! The installed Dovecot is asked, and that of the root file system which `MAILWRIGHT_NEXT_ROOT` names, where it names one.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests read the example from disk, start Dovecot's programs, and say what they skip"
)]

mod northmail;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use blueprint::{Bundle, Tree};
use compiler::render::dovecot::conf::{Block, Part, Value};
use compiler::render::dovecot::sieve::{self, Argument, Script, Test, Text};
use compiler::render::dovecot::{Version, settings};
use compiler::{compile, render};
use proptest::prelude::*;

/// A Dovecot that can be asked.
struct Asked {
    version: Version,
    /// Its root file system; `None` where it is installed here.
    root: Option<PathBuf>,
}

impl Asked {
    fn all() -> Vec<Self> {
        let mut found = Vec::new();
        let named = std::env::var_os("MAILWRIGHT_NEXT_ROOT").map(PathBuf::from);
        for root in [None, named] {
            let mut one = Self { version: Version::V2_3, root };
            let Ok(output) = one.try_run("/usr/sbin/dovecot", &["--version"]) else { continue };
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            match said.get(..3) {
                Some("2.3") => found.push(one),
                Some("2.4") => {
                    one.version = Version::V2_4;
                    found.push(one);
                }
                _ => println!("skipped: a Dovecot that calls itself {said:?}"),
            }
        }
        if found.is_empty() {
            println!("skipped: dovecot is not installed");
        }
        found
    }

    fn distribution(&self) -> &'static str {
        match self.version {
            Version::V2_3 => "bookworm",
            Version::V2_4 => "trixie",
        }
    }

    fn try_run(&self, program: &str, arguments: &[&str]) -> std::io::Result<Output> {
        match &self.root {
            None => Command::new(program).args(arguments).output(),
            Some(root) => Command::new("chroot").arg(root).arg(program).args(arguments).output(),
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.try_run(program, arguments).expect("the program is installed")
    }

    /// Makes a folder that the programs see, and returns it as it is called here and there.
    fn folder(&self) -> (tempfile::TempDir, String) {
        match &self.root {
            None => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let name = folder.path().display().to_string();
                (folder, name)
            }
            Some(root) => {
                let folder = tempfile::tempdir_in(root.join("tmp")).expect("a temporary folder");
                let name = format!("/tmp/{}", folder.path().file_name().expect("it has a name").to_string_lossy());
                (folder, name)
            }
        }
    }

    /// Begins a file as this version wants it.
    fn file(&self) -> Block {
        let mut file = Block::new(self.version);
        if self.version == Version::V2_4 {
            file.words("dovecot_config_version", "2.4.1");
            file.words("dovecot_storage_version", "2.4.1");
        }
        file
    }
}

fn bundle(distribution: &str, environment: &str) -> Bundle {
    let sources = match distribution {
        "bookworm" => northmail::sources(),
        other => northmail::sources_on(other),
    };
    let parsed = spec::parse(&sources);
    let compiled = compile(&sources, &parsed, environment);
    assert!(compiled.problems.is_empty(), "{:#?}", compiled.problems);
    render(&compiled.output.expect("nothing is wrong with the example"), &sources)
}

/// Copies a tree below a folder, with the paths inside pointing there; keys and certificates are made up.
fn lay_out(tree: &Tree, here: &Path, there: &str) {
    for (path, file) in &tree.files {
        let target = here.join(path.trim_start_matches('/'));
        fs::create_dir_all(target.parent().expect("it lies in a folder")).expect("the folder can be made");
        let mut text = String::from_utf8(file.unfilled().0).expect("what is rendered is text");
        for folder in ["/etc/dovecot/", "/etc/mailwright/"] {
            text = text.replace(folder, &format!("{there}{folder}"));
        }
        fs::write(target, text).expect("it can be written");
    }
}

fn silent(what: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{what}: {}\n{said}", output.status);
}

#[test]
fn dovecot_itself_finds_nothing_to_say_about_the_trees() {
    for asked in Asked::all() {
        let mut seen = 0;
        for environment in ["dev", "production"] {
            let trees = bundle(asked.distribution(), environment).nodes;
            for (node, tree) in trees.iter().filter(|(_, tree)| tree.files.contains_key("/etc/dovecot/dovecot.conf")) {
                let (folder, there) = asked.folder();
                lay_out(tree, folder.path(), &there);
                let conf = format!("{there}/etc/dovecot/dovecot.conf");
                silent(&format!("doveconf of {node}"), &asked.run("/usr/bin/doveconf", &["-n", "-c", &conf]));
                if tree.files.contains_key("/etc/dovecot/sieve/before.sieve") {
                    let script = format!("{there}/etc/dovecot/sieve/before.sieve");
                    let compiled = format!("{there}/before.svbin");
                    let output = asked.run("/usr/bin/sievec", &["-c", &conf, &script, &compiled]);
                    silent(&format!("sievec of {node}"), &output);
                }
                seen += 1;
            }
        }
        assert!(seen >= 6, "only {seen} were looked at");
    }
}

/// What stands in 2.3's `plugin` section, whose names `doveconf` does not look at.
const OF_PLUGINS: [&str; 19] = [
    "lazy_expunge",
    "quota",
    "quota_grace",
    "quota_rule2",
    "quota_status_nouser",
    "quota_status_overquota",
    "quota_status_success",
    "quota_status_toolarge",
    "quota_vsizes",
    "sieve",
    "sieve_before",
    "sieve_global_extensions",
    "sieve_max_redirects",
    "sieve_spamtest_max_value",
    "sieve_spamtest_status_header",
    "sieve_spamtest_status_type",
    "sieve_vacation_max_period",
    "sieve_vacation_min_period",
    "sieve_variables_max_variable_size",
];

/// What stands in 2.4's lists of flags, whose names are no settings.
const OF_LISTS: [&str; 11] = [
    "imap",
    "imap_quota",
    "lazy_expunge",
    "lmtp",
    "pop3",
    "quota",
    "sieve",
    "spamtest",
    "spamtestplus",
    "vacation-seconds",
    "vnd.dovecot.environment",
];

#[test]
fn dovecot_knows_every_setting_that_may_be_written() {
    for asked in Asked::all() {
        let (folder, there) = asked.folder();
        // Sections show what may stand in them only where they are there.
        let sections = match asked.version {
            Version::V2_3 => {
                "passdb {\n driver = static\n}\nuserdb {\n driver = static\n}\nnamespace n {\n inbox = yes\n mailbox m {\n }\n}\n"
            }
            Version::V2_4 => "dovecot_config_version = 2.4.1\ndovecot_storage_version = 2.4.1\n",
        };
        fs::write(folder.path().join("conf"), sections).expect("it can be written");
        let output = asked.run("/usr/bin/doveconf", &["-a", "-c", &format!("{there}/conf")]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let known: BTreeSet<&str> =
            text.lines().filter_map(|line| line.trim().split_once(" =")).map(|(name, _)| name).collect();
        assert!(known.len() > 300, "{text}");
        let own: &[&str] = match asked.version {
            Version::V2_3 => &settings::ONLY_2_3,
            Version::V2_4 => &settings::ONLY_2_4,
        };
        for name in settings::BOTH.iter().chain(own) {
            let is_known = match asked.version {
                // What stands in a `metric` is told where one is written only.
                Version::V2_3 => known.contains(name) || OF_PLUGINS.contains(name) || *name == "filter",
                // Inside a section a setting may go without the section's name before its own.
                Version::V2_4 => {
                    OF_LISTS.contains(name)
                        || known.iter().any(|known| known == name || known.ends_with(&format!("_{name}")))
                        // What is the same for a few services alone is not told with the others.
                        || asked.run("/usr/bin/doveconf", &["-h", "-c", &format!("{there}/conf"), name]).status.success()
                }
            };
            assert!(is_known, "Dovecot {:?} does not know {name}", asked.version);
        }
    }
}

#[test]
fn a_setting_of_another_version_is_refused_by_the_writer() {
    for (version, name) in [(Version::V2_3, "ssl_server_cert_file"), (Version::V2_4, "ssl_cert")] {
        assert!(!settings::known(version, name));
        let written = std::panic::catch_unwind(|| Block::new(version).words(name, "x"));
        assert!(written.is_err(), "{name} was written for {version:?}");
    }
}

/// Characters that a file or a script might take for something else, among others.
fn hostile() -> impl Strategy<Value = String> {
    "(\\PC{0,6}[\\n\\r\\x00 \\t$#{}=,;\"'\\\\%<!~\u{2028}a-c]{0,10}){0,4}"
}

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(count) }
}

fn shown(text: &str) -> String {
    text.chars().map(|character| if values::hostile(character) { ' ' } else { character }).collect()
}

#[test]
fn a_text_reads_back_as_it_was_meant_and_adds_no_setting() {
    let all = Asked::all();
    let mut runner = proptest::test_runner::TestRunner::new(cases(60));
    let texts = runner.run(&(hostile(), hostile()), |(first, second)| {
        for asked in &all {
            let (folder, there) = asked.folder();
            let mut file = asked.file();
            file.set("hostname", Value::Text(vec![Part::Plain(first.clone())]));
            file.set("login_greeting", Value::Text(vec![Part::Literal(second.clone())]));
            fs::write(folder.path().join("conf"), file.to_string()).expect("it can be written");
            let conf = format!("{there}/conf");
            let reads = |name: &str, meant: &str| {
                let output = asked.run("/usr/bin/doveconf", &["-h", "-c", &conf, name]);
                assert!(output.status.success(), "{}\n{file}", String::from_utf8_lossy(&output.stderr));
                let read = String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned();
                prop_assert!(
                    read == meant || unquoted(asked.version, &read) == meant,
                    "{read:?} for {meant:?}\n{file}"
                );
                Ok(())
            };
            reads("hostname", &shown(&first).replace('%', asked.version.pick("%", "%%")))?;
            reads("login_greeting", &shown(&second).replace('%', "%%"))?;
            let output = asked.run("/usr/bin/doveconf", &["-n", "-c", &conf]);
            let more = String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.contains(" = ")).count();
            // Beside the two, the version's own first lines may be told, and what a package sets by default.
            prop_assert!(more <= 8, "{}", String::from_utf8_lossy(&output.stdout));
        }
        Ok(())
    });
    texts.expect("what is read is what was meant");
}

/// 2.4 shows values in quotes where they need them.
fn unquoted(version: Version, text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match (version, inner) {
        (Version::V2_4, Some(inner)) => {
            let mut plain = String::new();
            let mut characters = inner.chars();
            while let Some(character) = characters.next() {
                plain.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
            }
            plain
        }
        _ => text.to_owned(),
    }
}

#[test]
fn a_script_holds_the_texts_that_were_meant() {
    let all = Asked::all();
    let mut runner = proptest::test_runner::TestRunner::new(cases(40));
    let outcome = runner.run(&(hostile(), any::<bool>()), |(text, variables)| {
        for asked in &all {
            let (folder, there) = asked.folder();
            // The program gives its rights up before it reads.
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
            let place = match asked.version {
                Version::V2_3 => format!("mail_location = maildir:{there}/none\nmail_uid = 65534\nmail_gid = 65534\n"),
                Version::V2_4 => {
                    format!("mail_driver = maildir\nmail_path = {there}/none\nmail_uid = 65534\nmail_gid = 65534\n")
                }
            };
            fs::write(folder.path().join("conf"), format!("{}{place}", asked.file())).expect("it can be written");
            fs::write(folder.path().join("mail"), "From: a@b.example\nSubject: x\n\nx\n").expect("it can be written");
            let mut script = Script::default();
            script.require("variables");
            script.require("environment");
            script.require("fileinto");
            if !variables {
                script = Script::default();
                script.require("fileinto");
            }
            let folder_name = format!("t{}", shown(&text).replace(['/', '\u{1}'], " "));
            let test = Test::Is(
                "header",
                vec![Argument::Tag(":is"), "subject".into(), Argument::Text(Text::Plain(text.clone()))],
            );
            let file = |name: &str| sieve::Command::Do("fileinto", vec![Argument::Text(Text::Plain(name.to_owned()))]);
            script.add(sieve::Command::If(vec![(test, vec![file("same")])]));
            script.add(file(&folder_name));
            fs::write(folder.path().join("script"), script.to_string()).expect("it can be written");
            let (conf, path, mail) = (format!("{there}/conf"), format!("{there}/script"), format!("{there}/mail"));
            let output = asked.run("/usr/bin/sieve-test", &["-c", &conf, &path, &mail]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            prop_assert!(
                said.contains(&format!("store message in folder: {folder_name}\n")),
                "{script}\n{said}\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
            prop_assert_eq!(said.contains("folder: same\n"), text == "x");
        }
        Ok(())
    });
    outcome.expect("what is filed is what was meant");
}
