//! What is said to ordinary clients.

use super::Host;

const PLAIN: &str = "From: Bob <bob@bigmail.example>\nTo: alice@acme.example\nSubject: Hello\nDate: Mon, 2 Mar 2026 10:00:00 +0100\nMessage-ID: <1@bigmail.example>\n\nline one\nline two\n";

#[test]
fn a_message_is_selected_and_fetched() {
    let mut host = Host::new();
    host.deliver("INBOX", PLAIN);
    let mut session = host.sign_in();
    host.check(
        &mut session,
        "a SELECT inbox",
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\n\
         * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags permitted.\n\
         * 1 EXISTS\n* 1 RECENT\n* OK [UNSEEN 1] First unseen.\n* OK [UIDVALIDITY 1800000000] UIDs valid\n\
         * OK [UIDNEXT 2] Predicted next UID\na OK [READ-WRITE] Select completed.",
    );
    host.check(
        &mut session,
        "b FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])",
        "* 1 FETCH (UID 1 FLAGS (\\Recent) INTERNALDATE \"15-Jan-2027 08:00:00 +0000\" RFC822.SIZE 166 \
         BODY[HEADER.FIELDS (SUBJECT)] {18}\nSubject: Hello\n\n)\nb OK Fetch completed.",
    );
    host.check(
        &mut session,
        "c UID FETCH 1:* BODY[TEXT]<5.8>",
        "* 1 FETCH (UID 1 BODY[TEXT]<5> {8}\none\nlin FLAGS (\\Seen \\Recent))\nc OK Fetch completed.",
    );
    host.check(
        &mut session,
        "d FETCH 1 ENVELOPE",
        "* 1 FETCH (ENVELOPE (\"Mon, 2 Mar 2026 10:00:00 +0100\" \"Hello\" ((\"Bob\" NIL \"bob\" \"bigmail.example\")) \
         ((\"Bob\" NIL \"bob\" \"bigmail.example\")) ((\"Bob\" NIL \"bob\" \"bigmail.example\")) \
         ((NIL NIL \"alice\" \"acme.example\")) NIL NIL NIL \"<1@bigmail.example>\"))\nd OK Fetch completed.",
    );
    host.check(&mut session, "e LOGOUT", "* BYE Logging out\ne OK Logout completed.\n<closed>");
}

fn small(host: &mut Host, count: usize) {
    for number in 1..=count {
        host.deliver("INBOX", &format!("Subject: m{number}\n\nbody {number}\n"));
    }
}

/// Signs in and selects the inbox.
fn selected(host: &mut Host) -> crate::imap::Session {
    let mut session = host.sign_in();
    let said = host.say(&mut session, "s SELECT INBOX\n");
    assert!(said.ends_with("s OK [READ-WRITE] Select completed.\r\n"), "{said}");
    session
}

#[test]
fn nobody_is_told_of_vanished_messages_while_numbers_are_in_use() {
    let mut host = Host::new();
    small(&mut host, 4);
    let mut one = selected(&mut host);
    let mut two = selected(&mut host);
    host.check(&mut one, "a STORE 1,3 +FLAGS.SILENT \\Deleted", "a OK Store completed.");
    host.check(&mut one, "b EXPUNGE", "* 3 EXPUNGE\n* 1 EXPUNGE\n* 2 RECENT\nb OK Expunge completed.");
    host.check(&mut two, "c FETCH 3 UID", "* 3 FETCH (UID 3)\nc OK Fetch completed.");
    host.check(&mut two, "d FETCH 1 BODY.PEEK[TEXT]", "* 1 FETCH (BODY[TEXT] {8}\nbody 1\n)\nd OK Fetch completed.");
    host.check(&mut two, "e SEARCH 1:*", "* SEARCH 2 4\ne OK Search completed.");
    host.check(&mut two, "f STORE 4 +FLAGS \\Flagged", "* 4 FETCH (FLAGS (\\Flagged))\nf OK Store completed.");
    host.check(&mut two, "g UID SEARCH ALL", "* SEARCH 2 4\n* 3 EXPUNGE\n* 1 EXPUNGE\ng OK Search completed.");
    host.check(&mut one, "h NOOP", "* 2 FETCH (FLAGS (\\Flagged \\Recent))\nh OK NOOP completed.");
}

#[test]
fn an_idle_client_is_told_at_once_and_reminded() {
    let mut host = Host::new();
    let mut idle = selected(&mut host);
    host.check(&mut idle, "a IDLE", "+ idling");
    host.deliver("INBOX", PLAIN);
    assert!(idle.has_news(&host.mail));
    assert_eq!(host.run(&mut idle), "* 1 EXISTS\r\n* 1 RECENT\r\n");
    assert!(!idle.has_news(&host.mail));
    let mut other = selected(&mut host);
    host.check(
        &mut other,
        "b STORE 1 +FLAGS (\\Deleted new)",
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft new)\n\
         * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft new \\*)] Flags permitted.\n\
         * 1 FETCH (FLAGS (\\Deleted new))\nb OK Store completed.",
    );
    host.check(&mut other, "c EXPUNGE", "* 1 EXPUNGE\nc OK Expunge completed.");
    let said = host.run(&mut idle);
    assert!(said.starts_with("* 1 EXPUNGE\r\n* 0 RECENT\r\n* FLAGS ("), "{said}");
    for _ in 0..14 {
        host.now = idle.deadline().expect("an idle session has one");
        let now = host.now;
        idle.expire(now, &mut host.storage());
        assert_eq!(host.run(&mut idle), "* OK Still here\r\n");
    }
    host.now = idle.deadline().expect("an idle session has one");
    let now = host.now;
    idle.expire(now, &mut host.storage());
    assert_eq!(host.run(&mut idle), "* BYE Disconnected for inactivity.\r\n<closed>");
}

#[test]
fn idle_ends_with_done_and_nothing_else() {
    let mut host = Host::new();
    let mut session = selected(&mut host);
    host.check(&mut session, "a IDLE\ndone", "+ idling\na OK Idle completed.");
    host.check(&mut session, "b IDLE\nx NOOP", "+ idling\nb BAD Error in IMAP command: Expected DONE.");
    host.check(&mut session, "c NOOP", "c OK NOOP completed.");
}

#[test]
fn appending_is_refused_before_the_message_is_sent() {
    let mut host = Host::new();
    host.quota = Some(1000);
    let mut session = host.sign_in();
    for (line, expected) in [
        ("a APPEND INBOX {4294967296}", "a NO [TOOBIG] The message is larger than this server takes."),
        ("a APPEND INBOX {0}", "a NO Can't save a zero byte message."),
        ("a APPEND nowhere {5}", "a NO [TRYCREATE] Mailbox doesn't exist"),
        ("a APPEND \"../x\" {5}", "a NO [CANNOT] Invalid mailbox name: a mailbox name is no path"),
        ("a APPEND INBOX {1001}", "a NO [OVERQUOTA] Quota exceeded (mailbox for user is full)"),
        ("a APPEND INBOX (\\Sean) {5}", "+ OK"),
    ] {
        host.check(&mut session, line, expected);
    }
    host.check(&mut session, "12345", "a BAD Error in IMAP command: Unknown command.");
    let said =
        host.say(&mut session, "b APPEND INBOX (\\Seen kw) \" 1-Feb-2026 10:00:00 +0100\" {6+}\nx: y\n\nc NOOP\n");
    let (_, rest) = said.split_once("APPENDUID ").expect("it was appended");
    assert_eq!(rest, "1800000000 1] Append completed.\r\nc OK NOOP completed.\r\n");
    host.say(&mut session, "s EXAMINE INBOX\n");
    host.check(
        &mut session,
        "d FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)",
        "* 1 FETCH (FLAGS (\\Seen \\Recent kw) INTERNALDATE \"01-Feb-2026 10:00:00 +0100\" RFC822.SIZE 6)\nd OK Fetch completed.",
    );
    host.check(&mut session, "e STORE 1 FLAGS ()", "e OK Store ignored with read-only mailbox.");
    host.check(
        &mut session,
        "f GETQUOTAROOT INBOX",
        "* QUOTAROOT INBOX \"User quota\"\n* QUOTA \"User quota\" (STORAGE 1 0)\nf OK Getquotaroot completed.",
    );
}

#[test]
fn a_full_disk_is_a_temporary_refusal_and_mail_can_still_be_read() {
    let mut host = Host::new();
    small(&mut host, 1);
    let mut session = selected(&mut host);
    host.disk.limit(Some(0));
    let full = "NO [SERVERBUG] The mailbox store's disk is full, try again later.";
    host.check(&mut session, "a STORE 1 +FLAGS \\Seen", &format!("a {full}"));
    host.check(&mut session, "b COPY 1 Trash", &format!("b {full}"));
    host.check(&mut session, "c CREATE x", &format!("c {full}"));
    host.check(&mut session, "d APPEND INBOX {1+}\nx", &format!("d {full}"));
    host.check(&mut session, "e FETCH 1 BODY[TEXT]", "* 1 FETCH (BODY[TEXT] {8}\nbody 1\n)\ne OK Fetch completed.");
    host.disk.limit(None);
    host.check(&mut session, "f STORE 1 +FLAGS \\Seen", "* 1 FETCH (FLAGS (\\Seen \\Recent))\nf OK Store completed.");
}

#[test]
fn nothing_is_said_before_it_is_durable_and_a_failed_disk_ends_the_session() {
    let mut host = Host::new();
    small(&mut host, 1);
    let mut session = selected(&mut host);
    let mut other = selected(&mut host);
    let now = host.now;
    session.receive(now, b"a STORE 1 +FLAGS \\Seen\r\n", &mut host.storage());
    assert_eq!(session.next_effect(), None);
    assert!(session.waits_for().is_some());
    other.receive(now, b"b NOOP\r\n", &mut host.storage());
    assert_eq!(other.next_effect(), None, "what another session changed is not durable either");
    let (ticket, result) = host.disk.finish_sync(false).expect("a sync was begun");
    let _ = host.mail.synced(&mut host.disk, ticket, result);
    for session in [&mut session, &mut other] {
        assert_eq!(host.run(session), "* BYE [UNAVAILABLE] The mailbox store is not available now.\r\n<closed>");
    }
}

#[test]
fn mailboxes_are_made_named_listed_and_removed() {
    let mut host = Host::new();
    let mut session = host.sign_in();
    host.check(&mut session, "a CREATE a/b/", "a OK Create completed.");
    host.check(&mut session, "b CREATE \"Entw&APw-rfe\" (USE (\\Archive))", "b OK Create completed.");
    host.check(&mut session, "c CREATE x (USE (\\All))", "c NO [USEATTR] That special use is not available.");
    host.check(
        &mut session,
        "d LIST \"\" %",
        "* LIST (\\HasNoChildren \\Drafts) \"/\" Drafts\n* LIST (\\HasNoChildren \\Archive) \"/\" Entw&APw-rfe\n\
         * LIST (\\HasNoChildren) \"/\" INBOX\n* LIST (\\HasNoChildren \\Sent) \"/\" Sent\n\
         * LIST (\\HasNoChildren \\Junk) \"/\" Spam\n* LIST (\\HasNoChildren \\Trash) \"/\" Trash\n\
         * LIST (\\Noselect \\HasChildren) \"/\" a\nd OK List completed.",
    );
    host.check(&mut session, "e LIST a/ *", "* LIST (\\HasNoChildren) \"/\" a/b\ne OK List completed.");
    host.check(&mut session, "f DELETE a", "f NO [CANNOT] That cannot be done to this mailbox.");
    host.check(&mut session, "g CREATE a", "g OK Create completed.");
    host.check(&mut session, "h DELETE a", "h OK Delete completed.");
    host.check(&mut session, "i RENAME a/b a/c", "i OK Rename completed.");
    host.check(&mut session, "j SUBSCRIBE a/c", "j OK Subscribe completed.");
    host.check(&mut session, "k LSUB \"\" %", "* LSUB () \"/\" Drafts\n* LSUB () \"/\" INBOX\n* LSUB () \"/\" Sent\n* LSUB () \"/\" Spam\n* LSUB () \"/\" Trash\n* LSUB (\\Noselect) \"/\" a\nk OK Lsub completed.");
    host.check(
        &mut session,
        "l LIST (SUBSCRIBED RECURSIVEMATCH) \"\" a% RETURN (CHILDREN)",
        "* LIST (\\Noselect \\HasChildren) \"/\" a (CHILDINFO (\"SUBSCRIBED\"))\nl OK List completed.",
    );
    host.check(
        &mut session,
        "m LIST (SPECIAL-USE) \"\" (Sp* Trash) RETURN (STATUS (MESSAGES))",
        "* LIST (\\Junk) \"/\" Spam\n* STATUS Spam (MESSAGES 0)\n\
         * LIST (\\Trash) \"/\" Trash\n* STATUS Trash (MESSAGES 0)\nm OK List completed.",
    );
    host.check(&mut session, "n LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\nn OK List completed.");
    host.check(&mut session, "o DELETE INBOX", "o NO [CANNOT] That cannot be done to this mailbox.");
}

#[test]
fn names_that_are_none_are_refused() {
    let mut host = Host::new();
    let mut session = host.sign_in();
    for name in ["..", "a/../b", "~root", "/abs", "a//b", "&AGE-", "&2AA-", "\"a\x01b\""] {
        for verb in ["CREATE", "DELETE", "SELECT", "SUBSCRIBE", "STATUS"] {
            let tail = if verb == "STATUS" { " (MESSAGES)" } else { "" };
            let said = host.say(&mut session, &format!("a {verb} {name}{tail}\n"));
            assert!(said.starts_with("a NO [CANNOT] Invalid mailbox name: "), "{verb} {name}: {said}");
        }
    }
    let long = "x".repeat(600);
    let said = host.say(&mut session, &format!("a CREATE {long}\n"));
    assert!(said.starts_with("a NO [CANNOT]"), "{said}");
}

#[test]
fn messages_are_copied_and_moved_with_their_identifiers() {
    let mut host = Host::new();
    small(&mut host, 3);
    let mut session = selected(&mut host);
    host.check(&mut session, "a COPY 1:2 Trash", "a OK [COPYUID 1800000004 1:2 1:2] Copy completed.");
    host.check(
        &mut session,
        "b UID MOVE 2:3 Trash",
        "* OK [COPYUID 1800000004 2:3 3:4] Moved UIDs.\n* 3 EXPUNGE\n* 2 EXPUNGE\n* 1 RECENT\nb OK Move completed.",
    );
    host.check(
        &mut session,
        "c MOVE 1 INBOX",
        "* OK [COPYUID 1800000000 1 4] Moved UIDs.\n* 1 EXPUNGE\n* 1 EXISTS\n* 1 RECENT\nc OK Move completed.",
    );
    host.check(&mut session, "d COPY 5 Trash", "d BAD Error in IMAP command: Invalid messageset");
    host.check(&mut session, "e UID COPY 77 Trash", "e OK Copy completed.");
    host.check(&mut session, "f COPY 1 none", "f NO [TRYCREATE] Mailbox doesn't exist");
}

#[test]
fn changes_are_conditional_on_what_the_client_has_seen() {
    let mut host = Host::new();
    small(&mut host, 3);
    let mut session = selected(&mut host);
    host.check(
        &mut session,
        "a FETCH 1:3 (MODSEQ)",
        "* OK [HIGHESTMODSEQ 4] Highest\n* 1 FETCH (MODSEQ (2))\n* 2 FETCH (MODSEQ (3))\n* 3 FETCH (MODSEQ (4))\na OK Fetch completed.",
    );
    host.check(
        &mut session,
        "b STORE 1:3 (UNCHANGEDSINCE 3) +FLAGS.SILENT \\Seen",
        "* 1 FETCH (MODSEQ (5))\n* 2 FETCH (MODSEQ (5))\nb OK [MODIFIED 3] Store completed.",
    );
    host.check(
        &mut session,
        "c UID FETCH 1:* (FLAGS) (CHANGEDSINCE 4)",
        "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) MODSEQ (5))\n* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent) MODSEQ (5))\nc OK Fetch completed.",
    );
    host.check(
        &mut session,
        "d SEARCH RETURN (MIN) MODSEQ 4",
        "* ESEARCH (TAG \"d\") MIN 1 MODSEQ 5\nd OK Search completed.",
    );
    host.check(&mut session, "e SEARCH MODSEQ 5", "* SEARCH 1 2 (MODSEQ 5)\ne OK Search completed.");
}

#[test]
fn a_client_that_comes_back_learns_what_it_missed() {
    let mut host = Host::new();
    small(&mut host, 5);
    let mut session = selected(&mut host);
    host.say(&mut session, "a STORE 2,4 +FLAGS.SILENT \\Deleted\nb EXPUNGE\nc STORE 1 +FLAGS.SILENT \\Flagged\n");
    let mut back = host.sign_in();
    host.check(&mut back, "a ENABLE QRESYNC BOGUS", "* ENABLED QRESYNC\na OK Enabled.");
    let said = host.say(&mut back, "b SELECT INBOX (QRESYNC (1800000000 6 1:5))\n");
    assert!(
        said.ends_with(
            "* VANISHED (EARLIER) 2,4\r\n* 1 FETCH (UID 1 MODSEQ (9) FLAGS (\\Flagged))\r\nb OK [READ-WRITE] Select completed.\r\n"
        ),
        "{said}"
    );
    host.check(
        &mut back,
        "c UID FETCH 1:* (FLAGS) (CHANGEDSINCE 6 VANISHED)",
        "* VANISHED (EARLIER) 2,4\n* 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (9))\nc OK Fetch completed.",
    );
    host.say(&mut session, "d STORE 1 +FLAGS.SILENT \\Deleted\ne EXPUNGE\n");
    host.check(&mut back, "d NOOP", "* VANISHED 1\nd OK NOOP completed.");
    let mut without = host.sign_in();
    host.check(
        &mut without,
        "a SELECT INBOX (QRESYNC (1800000000 6))",
        "a BAD Error in IMAP command: QRESYNC isn't enabled.",
    );
}

#[test]
fn searches_find_what_they_ask_for() {
    let mut host = Host::new();
    host.deliver("INBOX", PLAIN);
    host.deliver(
        "INBOX",
        "From: =?utf-8?q?J=C3=BCrgen?= <j@x.example>\nTo: list: a@b.example;\nSubject: Re: =?iso-8859-1?q?Gr=FC=DFe?=\n\
         Date: 3 Mar 2026 23:30:00 -0800\nContent-Type: multipart/mixed; boundary=q\n\n--q\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nw5xiZXIgQmVyZ2U=\n--q\n\
         Content-Type: application/octet-stream\n\nneedle\n--q--\n",
    );
    host.deliver("INBOX", "Subject: third\nX-Tag: one\n\nThe needle in the hay\n");
    let mut session = selected(&mut host);
    host.say(&mut session, "s STORE 3 +FLAGS.SILENT (\\Answered $Work)\n");
    for (keys, expected) in [
        ("ALL", " 1 2 3"),
        ("*", " 3"),
        ("2:9", " 2 3"),
        ("UID 1,3:*", " 1 3"),
        ("UID 9:*", " 3"),
        ("ANSWERED", " 3"),
        ("NOT ANSWERED RECENT", " 1 2"),
        ("KEYWORD $work", " 3"),
        ("UNKEYWORD none", " 1 2 3"),
        ("NEW", " 1 2 3"),
        ("OLD", ""),
        ("FROM bob", " 1"),
        ("TO a@b.example", " 2"),
        ("SUBJECT HELLO", " 1"),
        ("HEADER X-Tag \"\"", " 3"),
        ("HEADER x-tag ON", " 3"),
        ("TEXT needle", " 3"),
        ("BODY \"line two\"", " 1"),
        ("BODY third", ""),
        ("OR FROM bob OR ANSWERED SUBJECT nothing", " 1 3"),
        ("(OR (SEEN) (FLAGGED)) ALL", ""),
        ("LARGER 160", " 1 2"),
        ("SMALLER 160", " 3"),
        ("ON 15-Jan-2027", " 1 2 3"),
        ("BEFORE 15-Jan-2027", ""),
        ("SENTON 2-Mar-2026", " 1"),
        ("SENTSINCE 3-Mar-2026", " 2"),
        ("SENTBEFORE \"3-Mar-2026\"", " 1"),
        ("YOUNGER 60", " 1 2 3"),
        ("OLDER 60", ""),
        ("CHARSET UTF-8 SUBJECT gr\u{fc}\u{df}e", ""),
    ] {
        if keys.is_ascii() {
            host.check(
                &mut session,
                &format!("a SEARCH {keys}"),
                &format!("* SEARCH{expected}\na OK Search completed."),
            );
        }
    }
    let said = host.send(&mut session, "b SEARCH CHARSET UTF-8 SUBJECT {7+}\r\ngrüße\r\n".as_bytes());
    assert_eq!(said, "* SEARCH 2\r\nb OK Search completed.\r\n");
    let said = host.send(&mut session, "b SEARCH CHARSET UTF-8 BODY \"ÜBER\" FROM {7+}\r\njürgen\r\n".as_bytes());
    assert_eq!(said, "* SEARCH 2\r\nb OK Search completed.\r\n");
    host.check(&mut session, "c SEARCH CHARSET KOI8-R ALL", "c NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset");
    host.check(
        &mut session,
        "d UID SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN",
        "* ESEARCH (TAG \"d\") UID MIN 1 MAX 3 ALL 1:3 COUNT 3\nd OK Search completed.",
    );
    host.check(&mut session, "e SEARCH RETURN (SAVE) ANSWERED", "e OK Search completed.");
    host.check(&mut session, "f FETCH $ UID", "* 3 FETCH (UID 3)\nf OK Fetch completed.");
    host.check(&mut session, "g SORT (REVERSE SUBJECT) UTF-8 ALL", "* SORT 3 1 2\ng OK Sort completed.");
    host.check(&mut session, "h UID THREAD REFERENCES UTF-8 ALL", "* THREAD (1)(2)(3)\nh OK Thread completed.");
}

#[test]
fn parts_of_a_message_are_fetched_by_their_numbers() {
    let mut host = Host::new();
    host.deliver(
        "INBOX",
        "Subject: out\nContent-Type: multipart/mixed; boundary=o\n\npre\n--o\nContent-Type: text/plain\n\nfirst\n\
         --o\nContent-Type: message/rfc822\n\nSubject: in\nX-A: 1\n\ninside\n--o--\n",
    );
    let mut session = selected(&mut host);
    for (section, expected) in [
        ("1", "{5}\nfirst"),
        ("1.MIME", "{28}\nContent-Type: text/plain\n\n"),
        ("2", "{29}\nSubject: in\nX-A: 1\n\ninside"),
        ("2.HEADER", "{23}\nSubject: in\nX-A: 1\n\n"),
        ("2.TEXT", "{6}\ninside"),
        ("2.1", "{6}\ninside"),
        ("2.HEADER.FIELDS (X-A)", "{10}\nX-A: 1\n\n"),
        ("2.HEADER.FIELDS.NOT (X-A)", "{15}\nSubject: in\n\n"),
        ("3", "{0}\n"),
        ("1.2", "{0}\n"),
        ("1.HEADER", "{0}\n"),
    ] {
        host.check(
            &mut session,
            &format!("a FETCH 1 BODY.PEEK[{section}]"),
            &format!("* 1 FETCH (BODY[{section}] {expected})\na OK Fetch completed."),
        );
    }
    host.check(&mut session, "b FETCH 1 BODY.PEEK[2]<9.4>", "* 1 FETCH (BODY[2]<9> {4}\nin\n)\nb OK Fetch completed.");
    host.check(
        &mut session,
        "c FETCH 1 BODY.PEEK[]<4000000000.4000000000>",
        "* 1 FETCH (BODY[]<4000000000> {0}\n)\nc OK Fetch completed.",
    );
    host.check(
        &mut session,
        "d FETCH 1 BODYSTRUCTURE",
        "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 0 NIL NIL NIL NIL)\
         (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 29 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) \
         (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 6 0 NIL NIL NIL NIL) 3 NIL NIL NIL NIL) \
         \"mixed\" (\"boundary\" \"o\") NIL NIL NIL))\nd OK Fetch completed.",
    );
}

#[test]
fn a_deleted_mailbox_and_a_deleted_user_end_the_sessions_in_them() {
    let mut host = Host::new();
    let mut one = host.sign_in();
    host.say(&mut one, "a CREATE x\nb SELECT x\n");
    let mut two = host.sign_in();
    host.check(&mut two, "a DELETE x", "a OK Delete completed.");
    host.check(&mut one, "c NOOP", "* BYE Selected mailbox was deleted, have to disconnect.\n<closed>");
    let user = "alice@acme.example".parse().expect("an address");
    host.mail.remove_user(&mut host.disk, &user).expect("it fits");
    let said = host.say(&mut two, "b NOOP\n");
    assert!(said.starts_with("* BYE "), "{said}");
}

#[test]
fn a_mailbox_that_others_fill_all_the_time_still_answers() {
    let mut host = Host::new();
    small(&mut host, 1);
    let mut session = selected(&mut host);
    let now = host.now;
    session.receive(now, b"a STORE 1 +FLAGS.SILENT \\Seen\r\n", &mut host.storage());
    let wanted = session.waits_for().expect("the change is not durable");
    for number in 0..20 {
        let delivery = crate::store::NewDelivery {
            id: &format!("more{number}"),
            address: &"alice@acme.example".parse().expect("an address"),
            quota: None,
            folder: "INBOX",
            content: &[b"x: y\r\n\r\n"],
        };
        host.mail.deliver(&mut host.disk, now, delivery).expect("it fits");
        session.pump(now, &mut host.storage());
        assert_eq!(session.waits_for(), Some(wanted));
    }
    let (ticket, result) = host.disk.finish_sync(true).expect("a sync was begun");
    let _ = host.mail.synced(&mut host.disk, ticket, result);
    session.pump(now, &mut host.storage());
    assert_eq!(session.next_effect(), Some(crate::imap::Effect::Reply(b"a OK Store completed.\r\n".to_vec())));
}

#[test]
fn a_silent_change_does_not_hide_what_another_client_changed() {
    let mut host = Host::new();
    small(&mut host, 1);
    let mut one = selected(&mut host);
    let mut two = selected(&mut host);
    host.check(&mut two, "a STORE 1 +FLAGS.SILENT \\Flagged", "a OK Store completed.");
    host.check(
        &mut one,
        "b STORE 1 +FLAGS.SILENT \\Seen",
        "* 1 FETCH (FLAGS (\\Flagged \\Recent))\nb OK Store completed.",
    );
    host.check(&mut two, "c NOOP", "* 1 FETCH (FLAGS (\\Flagged \\Seen))\nc OK NOOP completed.");
}
