//! The verbs of scenarios.

use values::{AddressPattern, ByteSize, Duration, HostName, Line, MailAddress, Name, Rate, RepositoryPath};

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
        /// Whether a deleted one is brought back.
        restore: Spanned<bool> = named("restore").default("false");
        /// What it is; a mailbox where nothing is said.
        kind: Option<Spanned<AccountForm>> = named("kind").example("forward");
        /// What people call it.
        name: Option<Spanned<Line>> = named("name").example("Alice Example");
        /// The bytes it may hold.
        quota: Option<Spanned<ByteSize>> = named("quota").example("20KiB");
        /// Other addresses of it.
        alias: Vec<Spanned<MailAddress>> = named("alias").example("al@acme.example");
        /// Where its mail is sent on to.
        forward: Vec<Spanned<MailAddress>> = named("forward").example("bob@bigmail.example");
        /// Whether it keeps what it sends on.
        keep: Option<Spanned<bool>> = named("keep").example("true");
        /// Whether only those it sends on to may write to it.
        restricted: Option<Spanned<bool>> = named("restricted").example("true");
        /// What it answers by itself.
        autoreply: Option<Spanned<Line>> = named("autoreply").example("I am away.");
        /// Whether it no longer answers by itself.
        no_autoreply: Spanned<bool> = named("no-autoreply").default("false");
        /// Its Sieve script.
        sieve: Option<Spanned<Line>> = named("sieve").example("discard;");
        /// Whether it is suspended, or no longer.
        suspend: Option<Spanned<bool>> = named("suspend").example("true");
        /// Services that are switched off.
        off: Vec<Spanned<AccountService>> = named("off").example("imap");
        /// Services that are switched on.
        on: Vec<Spanned<AccountService>> = named("on").example("imap");
        /// Recipients it may send to within a day.
        send_limit: Option<Spanned<u64>> = named("send-limit").example("3").most("10000");
        /// How strict its spam filter is.
        spam_level: Option<Spanned<SpamLevel>> = named("spam-level").example("high");
        /// What becomes of its spam.
        spam: Option<Spanned<SpamDelivery>> = named("spam").example("passthrough");
        /// The folder its spam goes to.
        spam_folder: Option<Spanned<Line>> = named("spam-folder").example("Junk");
        /// What is put before the subject of its spam.
        spam_tag: Option<Spanned<Line>> = named("spam-tag").example("[JUNK]");
        /// Whether its spam is refused.
        reject_spam: Option<Spanned<bool>> = named("reject-spam").example("true");
        /// Senders that are never spam.
        allow: Vec<Spanned<AddressPattern>> = named("allow").example("*@partner.example");
        /// Senders that are refused.
        block: Vec<Spanned<AddressPattern>> = named("block").example("*@spam.example");
        /// Whether it must be refused.
        refused: Spanned<bool> = named("refused").default("false");
        /// The number of the error it must be refused with.
        error: Option<Spanned<u64>> = named("error").example("9").most("999");
    }
}

choice! {
    /// What an account is.
    pub enum AccountForm: "kind of account" {
        /// A mailbox.
        Mailbox = "mailbox",
        /// An address that only sends on.
        Forward = "forward",
        /// An address whose mail is looked at and handed to the customer's own server.
        Filter = "filter",
    }
}

choice! {
    /// A service of an account.
    pub enum AccountService: "service" {
        /// Reading over IMAP.
        Imap = "imap",
        /// Reading over POP3.
        Pop3 = "pop3",
        /// Getting mail.
        Receiving = "receiving",
        /// Sending mail.
        Sending = "sending",
        /// Webmail.
        Webmail = "webmail",
    }
}

choice! {
    /// How strict a spam filter is.
    pub enum SpamLevel: "spam level" {
        /// As the platform has it.
        Normal = "normal",
        /// Stricter.
        High = "high",
        /// As strict as can be.
        VeryHigh = "very-high",
    }
}

choice! {
    /// What becomes of spam.
    pub enum SpamDelivery: "spam delivery" {
        /// It goes to its folder.
        Quarantine = "quarantine",
        /// It goes to the inbox, tagged.
        Passthrough = "passthrough",
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
        /// Further lines of its header.
        header: Vec<Spanned<Line>> = named("header").example("Precedence: bulk");
        /// How large it is made.
        size: Option<Spanned<ByteSize>> = named("size").example("20KiB").most("1GiB");
        /// Whether its reverse-path is empty, as that of a notice is.
        null_sender: Spanned<bool> = named("null-sender").default("false");
        /// The domain of the simulated internet whose host sends it; that of `from` where nothing is said.
        host: Option<Spanned<HostName>> = named("host").example("bigmail.example");
        /// The domain that signs it (DKIM).
        signed: Option<Spanned<HostName>> = named("signed").example("bigmail.example");
        /// Whether it is changed after it was signed.
        tampered: Spanned<bool> = named("tampered").default("false");
        /// When its sender wants a notice (RFC 3461).
        notify: Option<Spanned<Notify>> = named("notify").example("success");
        /// The code of the last answer it must get.
        reply: Option<Spanned<u64>> = named("reply").example("250").least("200").most("599");
        /// The enhanced code of the last answer it must get.
        enhanced: Option<Spanned<Line>> = named("enhanced").example("5.1.1");
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

choice! {
    /// When a sender wants a notice.
    pub enum Notify: "occasion" {
        /// Never.
        Never = "never",
        /// When the message was delivered.
        Success = "success",
        /// When it cannot be delivered.
        Failure = "failure",
        /// When it is late.
        Delay = "delay",
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
        /// Messages with this flag.
        flag: Option<Spanned<Line>> = named("flag").example("\\Seen");
        /// Whether they arrived with the very bytes that the last message was sent with.
        as_sent: Spanned<bool> = named("as-sent").default("false");
        /// The code of the last answer.
        reply: Option<Spanned<u64>> = named("reply").example("550").least("200").most("599");
        /// The enhanced code of the last answer.
        enhanced: Option<Spanned<Line>> = named("enhanced").example("5.7.1");
        /// A DNS record of this name.
        dns: Option<Spanned<Line>> = named("dns").example("_dmarc.acme.example");
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
