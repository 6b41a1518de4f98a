//! The verbs of dialogues: what is said on a connection word for word, and methods of the API.

use values::{HostName, Line, MailAddress};

use crate::language::{argument, arguments, choice, kind, named};
use crate::tree::Spanned;

kind! {
    /// A method of the API is called.
    pub struct Call {
        /// The method.
        method: Spanned<Line> = argument("method").example("get_user");
        /// Who calls it.
        by: Spanned<MailAddress> = named("by").example("admin@acme.adm");
        /// Its fields, as a JSON object.
        body: Spanned<Line> = named("body").default("{}");
        /// Whether with a password that is wrong.
        wrong_password: Spanned<bool> = named("wrong-password").default("false");
        /// The number of the error it must be refused with; without it, it must succeed.
        error: Option<Spanned<u64>> = named("error").example("2").most("999");
        /// The HTTP status of its reply.
        status: Spanned<u64> = named("status").default("200").least("100").most("599");
        /// Texts that its reply must hold.
        has: Vec<Spanned<Line>> = named("has").example("alice@acme.example");
        /// Texts that its reply must not hold.
        lacks: Vec<Spanned<Line>> = named("lacks").example("hank@globex.example");
    }
}

kind! {
    /// A connection to a service is opened and its greeting read.
    pub struct Connect {
        /// The service.
        service: Spanned<LineService> = argument("service").example("mx");
        /// What the connection is called, where a scenario has several.
        name: Spanned<Line> = named("name").default("main");
        /// The domain of the simulated internet whose host connects.
        host: Option<Spanned<HostName>> = named("host").example("bigmail.example");
        /// The host name a client knows the service by: it asks for that, and the certificate must be for it.
        server_name: Option<Spanned<HostName>> = named("server-name").example("imap.acme.example");
        /// Who signs in, over TLS.
        sign_in: Option<Spanned<MailAddress>> = named("sign-in").example("alice@acme.example");
        /// How the greeting begins.
        reply: Option<Spanned<Line>> = named("reply").example("220");
        /// Texts that the greeting must hold.
        has: Vec<Spanned<Line>> = named("has").example("ESMTP");
        /// Texts that it must not hold.
        lacks: Vec<Spanned<Line>> = named("lacks").example("Postfix");
    }
}

choice! {
    /// A service that is spoken to line by line.
    pub enum LineService: "service" {
        /// Taking mail from the world.
        Mx = "mx",
        /// Sending mail, with STARTTLS.
        Submission = "submission",
        /// Sending mail, over TLS.
        Submissions = "submissions",
        /// IMAP with STARTTLS.
        Imap = "imap",
        /// IMAP over TLS.
        Imaps = "imaps",
        /// POP3 with STLS.
        Pop3 = "pop3",
        /// POP3 over TLS.
        Pop3s = "pop3s",
        /// Sieve scripts.
        Managesieve = "managesieve",
        /// IMAP to the simulated internet's mailboxes.
        InternetImap = "internet-imap",
    }
}

kind! {
    /// Lines are said on a connection, all at once, and answered one by one.
    ///
    /// In them `{}` stands for nothing, so that a line can be empty; `{password ADDRESS}`, `{plain ADDRESS}` and `{base64 TEXT}` stand
    /// for an account's password, for its credentials of SASL PLAIN, and for a text in Base64.
    pub struct Say {
        /// The lines; each gets its line end.
        lines: Vec<Spanned<Line>> = arguments("line").example("EHLO desk.example");
        /// The connection, where a scenario has several.
        name: Spanned<Line> = named("name").default("main");
        /// Bytes as they are instead, where `\r`, `\n`, `\0`, `\\` and `\xHH` stand for what they do in Rust.
        raw: Option<Spanned<Line>> = named("raw").example("NOOP\\r\\n");
        /// How often all of it is said.
        times: Spanned<u64> = named("times").default("1").least("1").most("100000");
        /// How the answers must begin: one for each line, or one for the last.
        reply: Vec<Spanned<Line>> = named("reply").example("250 2.1.0");
        /// Texts that the answers must hold.
        has: Vec<Spanned<Line>> = named("has").example("STARTTLS");
        /// Texts that the answers must not hold.
        lacks: Vec<Spanned<Line>> = named("lacks").example("AUTH");
        /// Whether the other side must close the connection.
        closed: Spanned<bool> = named("closed").default("false");
    }
}

kind! {
    /// A connection is protected with TLS: STARTTLS or STLS, and the handshake.
    pub struct Secure {
        /// The connection, where a scenario has several.
        name: Spanned<Line> = named("name").default("main");
    }
}

kind! {
    /// A connection is closed without a word.
    pub struct Close {
        /// The connection, where a scenario has several.
        name: Spanned<Line> = named("name").default("main");
    }
}

kind! {
    /// What is held apart for a mailbox is let go to it.
    pub struct Release {
        /// The mailbox.
        mailbox: Spanned<MailAddress> = named("mailbox").example("alice@acme.example");
    }
}
