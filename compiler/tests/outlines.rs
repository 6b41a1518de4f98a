//! A check over outlines tells what a check over whole files tells, also where the mailboxes that are left out are to blame.

#![expect(clippy::disallowed_methods, reason = "tests read the example from disk")]

mod northmail;

use spec::{Outline, SourceFile, Sources, Trust};

/// Adds resellers' files to the example, changes its platform, and returns the codes of what is told.
fn codes(platform: &[(&str, &str)], resellers: &[(&str, &str)]) -> Vec<&'static str> {
    let (mut files, assets) = northmail::files();
    let text = &mut files.iter_mut().find(|file| file.path == "platform.kdl").expect("it has a platform").bytes;
    let mut changed = String::from_utf8(text.clone()).expect("the example is text");
    let contract = |name: &str| {
        format!(
            "    contract \"{name}\" from=\"2026-12-01\" {{\n        mailboxes 4\n        domains 9\n        storage \"200GiB\"\n        \
             tiers \"basic\" \"premium\"\n        clusters \"a\"\n        outbound \"shared\" limit=\"50000/24h\"\n    }}\n"
        )
    };
    let contracts: String = resellers.iter().map(|(name, _)| contract(name)).collect();
    changed = changed.replacen("    contract \"acme\"", &format!("{contracts}    contract \"acme\""), 1);
    for (old, new) in platform {
        assert!(changed.contains(old), "the example's platform does not say {old}");
        changed = changed.replacen(old, new, 1);
    }
    *text = changed.into_bytes();
    for (name, body) in resellers {
        let text = format!(
            "language 1\nreseller \"{name}\" {{\n    company \"{name}\"\n    contact \"it@{name}.example\"\n    admin \"admin@{name}.adm\"\n    \
             domain \"{name}.example\" tier=\"basic\" cluster=\"a\" outbound=\"shared\" {{\n{body}\n    }}\n}}\n"
        );
        let path = format!("resellers/{name}/{name}.kdl");
        files.push(SourceFile { path, bytes: text.into_bytes(), trust: Trust::Reseller((*name).to_owned()) });
    }
    let sources = Sources::new(files, assets);
    let whole = compiler::check_outlines(&sources, spec::parse(&sources), |_| None);
    assert_eq!(compiler::check_all(&sources), whole);
    whole.iter().map(|problem| problem.code).collect()
}

/// The body of a domain with a few mailboxes and more.
fn with_mailboxes(more: &str) -> String {
    format!(
        "workgroup \"all\" {{\nmailbox \"ann\"\nmailbox \"bob\" {{ alias \"b\"; name \"Bob\"; }}\nmailbox \"Cyd\"\n{more}\n}}"
    )
}

#[test]
fn mailboxes_of_which_nothing_is_said_are_left_out() {
    let text = format!(
        "language 1\nreseller \"r\" {{\ncompany \"R\"\ncontact \"a@r.example\"\ndomain \"r.example\" tier=\"basic\" cluster=\"a\" {{\n{}\ncatch-all \"cyd\"\n}}\n}}\n",
        with_mailboxes("mailbox \"dan\" tier=\"premium\"\nforward \"eve\" { to \"bob+x@r.example\"; }")
    );
    let file = SourceFile { path: "r.kdl".to_owned(), bytes: text.into_bytes(), trust: Trust::Operator };
    let sources = Sources::new(vec![file], Vec::new());
    let outline = spec::outline::read(&sources);
    assert_eq!(outline.problems, Vec::new());
    let domain = &outline.spec.resellers[0].domains[0];
    let kept: Vec<&str> = domain.workgroups[0].mailboxes.iter().map(|mailbox| mailbox.local.value.as_str()).collect();
    // The forward may mean bob, and the catch-all is Cyd.
    assert_eq!(kept, ["bob", "Cyd"]);
    let left_out: Vec<(Option<&str>, u64)> = outline
        .spec
        .left_out
        .values()
        .flatten()
        .map(|left_out| (left_out.tier.as_ref().map(|tier| tier.as_str()), left_out.count))
        .collect();
    assert_eq!(left_out, [(None, 1), (Some("premium"), 1)]);
}

#[test]
fn mailboxes_that_are_left_out_count_for_their_contract() {
    let four = with_mailboxes("mailbox \"dan\"");
    let five = with_mailboxes("mailbox \"dan\"\nmailbox \"eve\"");
    assert_eq!(codes(&[], &[("north", &four)]), [""; 0]);
    assert_eq!(codes(&[], &[("north", &five)]), ["compiler::contract-exceeded"]);
    let mailbox_quota = [("quota \"2GiB\"", "quota \"900GiB\"")];
    assert!(codes(&mailbox_quota, &[("north", &four)]).contains(&"compiler::contract-exceeded"));
}

#[test]
fn a_tier_is_found_wrong_on_mailboxes_that_are_left_out() {
    let body = |tier: &str| with_mailboxes(&format!("mailbox \"dan\" tier=\"{tier}\""));
    assert_eq!(codes(&[], &[("north", &body("premium"))]), [""; 0]);
    assert_eq!(codes(&[], &[("north", &body("premum"))]), ["spec::unknown-tier"]);
    assert_eq!(codes(&[], &[("north", &body("filter"))]), ["compiler::no-filter-host", "compiler::not-in-contract"]);
    let narrow = [("tiers \"basic\" \"premium\"", "tiers \"basic\" \"premium\" \"forward\"")];
    assert_eq!(codes(&narrow, &[("north", &body("forward"))]), ["compiler::forward-without-target"]);
    let without_calendar = [("        calendar count=1\n", "")];
    let told = codes(&without_calendar, &[("north", &body("premium"))]);
    assert_eq!(told.iter().filter(|code| **code == "compiler::role-missing").count(), 2, "{told:?}");
}

#[test]
fn an_address_is_looked_up_among_mailboxes_that_are_left_out() {
    let forward = |to: &str| with_mailboxes(&format!("forward \"eve\" {{ to \"{to}\"; }}"));
    for to in ["ann@north.example", "B@north.example", "bob+news@north.example", "cyd@north.example"] {
        assert_eq!(codes(&[], &[("north", &forward(to))]), [""; 0], "{to}");
    }
    assert_eq!(codes(&[], &[("north", &forward("anne@north.example"))]), ["compiler::unknown-recipient"]);
    let catch_all = format!("catch-all \"an\"\n{}", with_mailboxes(""));
    assert_eq!(codes(&[], &[("north", &catch_all)]), ["compiler::unknown-recipient"]);
}

#[test]
fn a_way_back_through_another_reseller_is_found_and_none_is_imagined() {
    let north = with_mailboxes("forward \"eve\" { to \"ann@south.example\"; }");
    // At south, ann is a mailbox of her own; only what is addressed to nobody goes back to eve.
    let south = |ann: &str| {
        format!(
            "catch-all \"office\"\nworkgroup \"all\" {{\n{ann}\nmailbox \"zoe\"\nforward \"office\" {{ to \"eve@north.example\"; }}\n}}"
        )
    };
    assert_eq!(codes(&[], &[("north", &north), ("south", &south("mailbox \"ann\""))]), [""; 0]);
    assert_eq!(codes(&[], &[("north", &north), ("south", &south(""))]), ["compiler::forwarding-loop"]);
}

#[test]
fn a_name_of_the_past_is_compared_with_mailboxes_that_are_left_out() {
    let body = with_mailboxes("mailbox \"dan\" renamed-from=\"ann\"");
    assert_eq!(codes(&[], &[("north", &body)]), ["compiler::stale-rename"]);
}

#[test]
fn bytes_that_are_no_outline_are_refused() {
    let sources = northmail::sources();
    let (_, file) = sources.files().find(|(_, file)| file.path.contains("acme.kdl")).expect("the example has acme");
    let bytes = Outline::of(spec::FileId(3), file).to_bytes().expect("nothing is wrong with it");
    assert!(Outline::from_bytes(spec::FileId(3), &bytes).is_some());
    for end in 0..bytes.len() {
        assert_eq!(Outline::from_bytes(spec::FileId(3), &bytes[..end]), None, "cut at {end}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x15;
        // It may be read as something else; a store has to notice that. It is never more than was written.
        let _ = Outline::from_bytes(spec::FileId(3), &damaged);
    }
}
