//! The verbs of scenarios.

use values::{ByteSize, Duration, HostName, Line, MailAddress, Name, Rate, RepositoryPath};

use crate::language::{argument, choice, kind, named};
use crate::tree::Spanned;

kind! {
    /// Something is changed through the API.
    pub struct Provision {
        /// The mailbox that is made or changed.
        mailbox: Spanned<MailAddress> = named("mailbox").example("new@acme.example");
        /// The tier it gets.
        tier: Option<Spanned<Name>> = named("tier").example("basic");
        /// Who asks for it; the first admin of the mailbox's reseller where nobody is named.
        by: Option<Spanned<MailAddress>> = named("by").example("admin@acme.adm");
        /// Whether it is deleted.
        delete: Spanned<bool> = named("delete").default("false");
        /// Whether it must be refused.
        refused: Spanned<bool> = named("refused").default("false");
    }
}

kind! {
    /// A message is sent.
    pub struct Send {
        /// Who sends it.
        from: Spanned<MailAddress> = named("from").example("bob@bigmail.example");
        /// Who shall get it.
        to: Vec<Spanned<MailAddress>> = named("to").example("alice@acme.example").required();
        /// Who is named as its author, where that is not who sends it.
        author: Option<Spanned<MailAddress>> = named("author").example("eve@bigmail.example");
        /// Who signs in to send it; nobody where it comes from outside.
        sign_in: Option<Spanned<MailAddress>> = named("sign-in").example("alice@acme.example");
        /// Its subject.
        subject: Option<Spanned<Line>> = named("subject").example("hello");
        /// Its text.
        text: Option<Spanned<Line>> = named("text").example("how are you?");
        /// What is attached to it.
        attach: Option<Spanned<Attachment>> = named("attach").example("eicar");
        /// The file of a whole message that is sent instead.
        message: Option<Spanned<RepositoryPath>> = named("message").example("messages/nested.eml");
        /// The code of the last answer it must get.
        reply: Option<Spanned<u64>> = named("reply").example("250").least("200").most("599");
    }
}

choice! {
    /// What is attached to a message.
    pub enum Attachment: "attachment" {
        /// The harmless file that all engines take for a virus.
        Eicar = "eicar",
        /// The line that all engines take for spam.
        Gtube = "gtube",
        /// A small picture.
        Picture = "picture",
    }
}

kind! {
    /// A mailbox is read.
    pub struct Fetch {
        /// The mailbox.
        mailbox: Spanned<MailAddress> = named("mailbox").example("alice@acme.example");
        /// The folder.
        folder: Spanned<Line> = named("folder").default("INBOX");
        /// How it is read.
        protocol: Spanned<ReadProtocol> = named("protocol").default("imaps");
    }
}

choice! {
    /// How a mailbox is read.
    pub enum ReadProtocol: "protocol" {
        /// IMAP over TLS.
        Imaps = "imaps",
        /// IMAP with STARTTLS.
        Imap = "imap",
        /// POP3 over TLS.
        Pop3s = "pop3s",
        /// POP3 with STLS.
        Pop3 = "pop3",
    }
}

kind! {
    /// Somebody signs in.
    pub struct SignIn {
        /// Who does.
        address: Spanned<MailAddress> = argument("address").example("alice@acme.example");
        /// Where.
        service: Spanned<SignInService> = named("service").default("imaps");
        /// Whether with a password that is wrong.
        wrong_password: Spanned<bool> = named("wrong-password").default("false");
        /// Whether it must be refused.
        refused: Spanned<bool> = named("refused").default("false");
    }
}

choice! {
    /// Where somebody signs in.
    pub enum SignInService: "service" {
        /// IMAP over TLS.
        Imaps = "imaps",
        /// IMAP with STARTTLS.
        Imap = "imap",
        /// POP3 over TLS.
        Pop3s = "pop3s",
        /// POP3 with STLS.
        Pop3 = "pop3",
        /// Sending mail, with STARTTLS.
        Submission = "submission",
        /// Sending mail, over TLS.
        Submissions = "submissions",
        /// Sieve scripts.
        Managesieve = "managesieve",
        /// The provisioning API.
        Api = "api",
        /// The console.
        Console = "console",
        /// Webmail.
        Webmail = "webmail",
    }
}

kind! {
    /// A page is opened.
    pub struct Browse {
        /// The service it belongs to.
        service: Spanned<WebService> = argument("service").example("webmail");
        /// The host it is asked from, where that is a brand's own.
        host: Option<Spanned<HostName>> = named("host").example("webmail.acme.example");
        /// Its path.
        path: Spanned<Line> = named("path").default("/");
        /// Who is signed in.
        sign_in: Option<Spanned<MailAddress>> = named("sign-in").example("admin@acme.adm");
    }
}

choice! {
    /// A service with pages.
    pub enum WebService: "service" {
        /// Webmail.
        Webmail = "webmail",
        /// The console.
        Console = "console",
    }
}

kind! {
    /// Many messages are sent.
    pub struct Load {
        /// How many.
        messages: Spanned<u64> = named("messages").example("500").least("1").most("10000000");
        /// How fast.
        rate: Spanned<Rate> = named("rate").example("50/s");
        /// To the mailboxes of this domain.
        to: Spanned<HostName> = named("to").example("acme.example");
        /// From this domain.
        from: Option<Spanned<HostName>> = named("from").example("bigmail.example");
        /// How large each is.
        size: Option<Spanned<ByteSize>> = named("size").example("20KiB").most("1GiB");
    }
}

kind! {
    /// Something breaks.
    pub struct Fault {
        /// What happens.
        what: Spanned<FaultWhat> = argument("fault").example("power-off");
        /// To this host.
        host: Option<Spanned<Name>> = named("host").example("x4600-2");
        /// To this node.
        node: Option<Spanned<Name>> = named("node").example("store-1");
        /// To the nodes of this role.
        role: Option<Spanned<super::Role>> = named("role").example("defense");
        /// So long after the step before it began.
        at: Spanned<Duration> = named("at").default("0s");
        /// For how long; until it is repaired where nothing is said.
        lasts: Option<Spanned<Duration>> = named("lasts").example("1m");
    }
}

choice! {
    /// What can happen to a host or a node.
    pub enum FaultWhat: "fault" {
        /// It loses its power.
        PowerOff = "power-off",
        /// Its network is cut.
        CutOff = "cut-off",
        /// Its network loses and delays packets.
        Lossy = "lossy",
        /// Its disk is full.
        DiskFull = "disk-full",
        /// Its disk fails.
        DiskError = "disk-error",
        /// It answers, but very slowly.
        Slow = "slow",
        /// Its daemons die.
        Crash = "crash",
    }
}

kind! {
    /// What broke is repaired.
    pub struct Heal {
        /// This host; everything where nothing is named.
        host: Option<Spanned<Name>> = named("host").example("x4600-2");
        /// This node.
        node: Option<Spanned<Name>> = named("node").example("store-1");
    }
}

kind! {
    /// Time passes.
    pub struct Advance {
        /// How much.
        by: Spanned<Duration> = argument("duration").example("1h");
    }
}

kind! {
    /// A node is moved while it runs.
    pub struct Migrate {
        /// The node.
        node: Spanned<Name> = named("node").example("store-1");
        /// The host it is moved to; a fitting one where none is named.
        to: Option<Spanned<Name>> = named("to").example("x4600-3");
    }
}

kind! {
    /// All nodes leave a host.
    pub struct Evacuate {
        /// The host.
        host: Spanned<Name> = named("host").example("x4600-2");
    }
}

kind! {
    /// The environment's state is kept.
    pub struct Snapshot {
        /// Under this name.
        name: Spanned<Name> = argument("name").example("before");
    }
}

kind! {
    /// The environment's state is as it was.
    pub struct Restore {
        /// When it was kept under this name.
        name: Spanned<Name> = argument("name").example("before");
    }
}

kind! {
    /// Something must hold.
    pub struct Expect {
        /// Messages in this mailbox.
        mailbox: Option<Spanned<MailAddress>> = named("mailbox").example("alice@acme.example");
        /// In this folder of it.
        folder: Option<Spanned<Line>> = named("folder").example("INBOX");
        /// Messages held apart for this mailbox.
        quarantine: Option<Spanned<MailAddress>> = named("quarantine").example("alice@acme.example");
        /// Messages that wait on the nodes of this role.
        queue: Option<Spanned<super::Role>> = named("queue").example("outbound");
        /// Messages with this subject.
        subject: Option<Spanned<Line>> = named("subject").example("hello");
        /// Messages or pages with this text.
        text: Option<Spanned<Line>> = named("text").example("Welcome back");
        /// Messages with this header.
        header: Option<Spanned<Line>> = named("header").example("X-Spam-Status");
        /// The header's value, or the record's.
        value: Option<Spanned<Line>> = named("value").example("Yes");
        /// The code of the last answer.
        reply: Option<Spanned<u64>> = named("reply").example("550").least("200").most("599");
        /// A DNS record of this name.
        dns: Option<Spanned<HostName>> = named("dns").example("acme.example");
        /// The record's type.
        record: Option<Spanned<DnsRecord>> = named("record").example("MX");
        /// The code of the last page.
        page: Option<Spanned<u64>> = named("page").example("200").least("100").most("599");
        /// Exactly so many.
        count: Option<Spanned<u64>> = named("count");
        /// So many or more.
        at_least: Option<Spanned<u64>> = named("at-least");
        /// So many or fewer.
        at_most: Option<Spanned<u64>> = named("at-most");
        /// Exactly so many messages that were accepted are gone.
        lost: Option<Spanned<u64>> = named("lost").example("0");
        /// So many messages or fewer arrived more than once.
        duplicated_at_most: Option<Spanned<u64>> = named("duplicated-at-most");
        /// At the latest after so long.
        within: Option<Spanned<Duration>> = named("within").example("30s");
    }
}

choice! {
    /// A type of DNS record.
    pub enum DnsRecord: "record type" {
        /// An IPv4 address.
        A = "A",
        /// An IPv6 address.
        Aaaa = "AAAA",
        /// Another name.
        Cname = "CNAME",
        /// A mail exchanger.
        Mx = "MX",
        /// Text.
        Txt = "TXT",
        /// A service.
        Srv = "SRV",
        /// A name of an address.
        Ptr = "PTR",
        /// A certificate.
        Tlsa = "TLSA",
    }
}
