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
         * OK [UIDNEXT 2] Predicted next UID\n* OK [HIGHESTMODSEQ 2] Highest\na OK [READ-WRITE] Select completed.",
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
