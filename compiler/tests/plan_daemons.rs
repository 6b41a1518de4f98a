//! Who takes a changed file over while it runs, who is restarted for it, and who notices; whose mail is more than it may be.

#![expect(clippy::disallowed_methods, reason = "tests read the example from disk")]

mod northmail;

use blueprint::bundle::Process;
use blueprint::changes::{Action, Changes};
use blueprint::{Bundle, File, Revision, diff, quotas_below_use};
use compiler::Output;
use values::ByteSize;

fn compiled() -> Output {
    let sources = northmail::sources();
    let compiled = compiler::compile(&sources, &spec::parse(&sources), "production");
    compiled.output.unwrap_or_else(|| panic!("{:#?}", compiled.problems))
}

/// A bundle in which each store runs a daemon that reloads, but for one folder, and one that only restarts.
fn bundle(output: &Output) -> Bundle {
    let process = |name: &str, reads: &str, restart_on: &str, reload: bool| Process {
        name: name.to_owned(),
        unit: format!("{name}.service"),
        prepare: Vec::new(),
        command: vec![format!("/usr/sbin/{name}")],
        user: "root".to_owned(),
        variables: Default::default(),
        after: Vec::new(),
        ready: Vec::new(),
        reload: reload.then(|| vec!["/bin/kill".to_owned()]),
        restart_on: vec![restart_on.to_owned()],
        reads: vec![reads.to_owned()],
    };
    let mut bundle = Bundle::default();
    for node in output.blueprint.nodes.iter().filter(|node| node.name.as_str().starts_with("store-")) {
        let tree = bundle.nodes.entry(node.name.to_string()).or_default();
        for path in ["/etc/keeper/live.conf", "/etc/keeper/cold/x.conf", "/etc/old.conf", "/etc/nobody.conf"] {
            tree.files.insert(path.to_owned(), File::text("one\n"));
        }
        tree.processes.push(process("keeper", "/etc/keeper/", "/etc/keeper/cold/", true));
        tree.processes.push(process("old", "/etc/old.conf", "/etc/never/", false));
    }
    bundle
}

fn changes(output: &Output, edit: impl FnOnce(&mut Bundle)) -> Changes {
    let before = bundle(output);
    let mut after = before.clone();
    edit(&mut after);
    let revision = |bundle| Revision { blueprint: &output.blueprint, roster: &output.roster, bundle: Some(bundle) };
    diff(revision(&before), revision(&after))
}

fn write(bundle: &mut Bundle, path: &str) {
    let tree = bundle.nodes.get_mut("store-1").expect("a store");
    tree.files.insert(path.to_owned(), File::text("two\n"));
}

#[test]
fn a_file_is_taken_over_or_restarts_who_reads_it() {
    let output = compiled();
    for (path, action, note) in [
        ("/etc/keeper/live.conf", Action::Changed, Some("keeper takes it over while it runs")),
        ("/etc/keeper/cold/x.conf", Action::Restarted, Some("keeper is restarted")),
        ("/etc/old.conf", Action::Restarted, Some("old is restarted")),
        ("/etc/nobody.conf", Action::Changed, None),
    ] {
        let changes = changes(&output, |bundle| write(bundle, path));
        let [change] = changes.changes.as_slice() else { panic!("{changes:#?}") };
        assert_eq!((change.action, change.note.as_deref()), (action, note), "{path}");
        // Who restarts is noticed by those whose mail is there, who reloads by nobody.
        let noticed: u64 =
            changes.impacts.iter().filter(|it| it.what.contains("store restarts")).map(|it| it.mailboxes).sum();
        let there = output.roster.mailboxes.iter().filter(|mailbox| {
            let domain = output.roster.domains.iter().find(|domain| domain.name == *mailbox.address.domain());
            let cluster = &domain.expect("its domain").cluster;
            blueprint::first_store(&output.blueprint, cluster, &mailbox.address)
                .is_some_and(|store| store.name.as_str() == "store-1")
        });
        assert_eq!(noticed, if action == Action::Restarted { there.count() as u64 } else { 0 }, "{path}");
    }
}

#[test]
fn another_command_another_package_and_another_daemon_are_no_small_matter() {
    let output = compiled();
    let actions = |edit: &dyn Fn(&mut blueprint::bundle::Tree)| {
        let changes = changes(&output, |bundle| edit(bundle.nodes.get_mut("store-1").expect("a store")));
        changes.changes.iter().map(|change| (change.kind.clone(), change.action)).collect::<Vec<_>>()
    };
    let daemon = |action| vec![("daemon".to_owned(), action)];
    assert_eq!(actions(&|tree| tree.processes[0].command.push("-v".to_owned())), daemon(Action::Restarted));
    assert_eq!(actions(&|tree| tree.processes[0].ready.push(993)), daemon(Action::Changed));
    assert_eq!(actions(&|tree| drop(tree.processes.pop())), daemon(Action::Destroyed));
    assert_eq!(
        actions(&|tree| tree.packages.extend(["keeper-extra".to_owned()])),
        [("image".to_owned(), Action::Restarted)]
    );
}

#[test]
fn quotas_are_held_against_what_is_really_there() {
    let before = compiled();
    let mut after = before.clone();
    for tier in &mut after.roster.tiers {
        tier.quota = tier.quota.map(|_| ByteSize::from_bytes(1 << 20));
    }
    let revision = |output| {
        let output: &Output = output;
        Revision { blueprint: &output.blueprint, roster: &output.roster, bundle: None }
    };
    let full = |address: &values::MailAddress| Some(if address.local().as_str() == "dora" { 2 << 20 } else { 1 << 20 });
    let below = quotas_below_use(revision(&before), revision(&after), &full);
    let [impact] = below.as_slice() else { panic!("{below:?}") };
    assert_eq!((impact.reseller.as_str(), impact.mailboxes), ("globex", 1));
    assert_eq!(quotas_below_use(revision(&before), revision(&after), &|_| None), []);
    assert_eq!(quotas_below_use(revision(&after), revision(&before), &full), [], "raised");
}
