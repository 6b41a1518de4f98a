//! Mail domains and what is in them.

use values::{
    AddressPattern, Date, HostName, LanguageTag, Line, LocalPart, MailAddress, Name, Score, SecretName, TimeZone,
};

use super::{Initial, OnRemoval};
use crate::language::{argument, arguments, choice, kind, named};
use crate::tree::{Rare, Spanned};

kind! {
    /// A mail domain.
    pub struct Domain {
        /// The domain.
        name: Spanned<HostName> = argument("name").example("acme.example").unique();
        /// What it was called before.
        renamed_from: Option<Spanned<HostName>> = named("renamed-from").example("old.example");
        /// The tier of its mailboxes, where they have none of their own.
        tier: Spanned<Name> = named("tier").example("basic");
        /// The brand its users see.
        brand: Option<Spanned<Name>> = named("brand").example("acme");
        /// The cluster it is placed on.
        cluster: Spanned<Name> = named("cluster").example("a");
        /// The pool it sends from.
        outbound: Option<Spanned<Name>> = named("outbound").example("shared");
        /// How it is shown that the domain is the reseller's.
        proof: Spanned<Proof> = named("proof").default("dns-txt").noted();
        /// Another domain with the same mailboxes.
        aliases: Vec<Spanned<HostName>> = named("alias").example("acme-mail.example");
        /// The mailbox that gets what is addressed to nobody.
        catch_all: Option<Spanned<LocalPart>> = named("catch-all").example("office");
        /// The customer's own server, which gets what is clean of the mail of filtered mailboxes.
        filter_mx: Option<FilterMx> = named("filter-mx");
        /// What is stricter or milder than the platform's defense.
        defense: Option<DefenseChange> = named("defense");
        /// People who belong together.
        workgroups: Vec<Workgroup> = named("workgroup");
        /// Mailboxes that are fetched from elsewhere; so far nothing carries this out, and `plan` says so.
        migrations: Vec<Migration> = named("migrate").noted();
        /// What happens first when the domain is removed, or one of its mailboxes that says nothing itself.
        on_removal: Option<OnRemoval> = named("on-removal");
    }
}

kind! {
    /// A customer's own server, which gets what the defense has looked at.
    pub struct FilterMx {
        /// The host.
        host: Spanned<HostName> = argument("host").example("mail.customer.example");
        /// The port it takes mail at.
        port: Spanned<u64> = named("port").default("25").least("1").most("65535");
    }
}

choice! {
    /// How it is shown that a domain is a reseller's.
    pub enum Proof: "proof" {
        /// A TXT record in the domain, which `mailwright reseller prove` looks for; real mail waits for it.
        DnsTxt = "dns-txt",
        /// The operator vouches for it.
        Operator = "operator",
    }
}

kind! {
    /// What is stricter or milder than the platform's defense.
    pub struct DefenseChange {
        /// From this score on a message is marked.
        tag: Option<Spanned<Score>> = named("tag").example("5.0");
        /// From this score on a message goes into the mailbox's Spam folder.
        quarantine: Option<Spanned<Score>> = named("quarantine").example("6.0");
        /// From this score on a message is refused.
        reject: Option<Spanned<Score>> = named("reject").example("15.0");
        /// Senders that are never taken for spam.
        allow: Vec<Spanned<AddressPattern>> = named("allow");
        /// Senders that are refused.
        block: Vec<Spanned<AddressPattern>> = named("block").example("*@spam.example");
    }
}

kind! {
    /// People who belong together.
    pub struct Workgroup {
        /// The workgroup's name.
        name: Spanned<Name> = argument("name").example("staff").unique();
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// A mailbox.
        mailboxes: Vec<Mailbox> = named("mailbox");
        /// An address whose mail is passed on.
        forwards: Vec<Forward> = named("forward");
        /// A mailing list.
        lists: Vec<List> = named("list");
    }
}

kind! {
    /// A mailbox.
    pub struct Mailbox {
        /// What stands before the `@` of its address.
        local: Spanned<LocalPart> = argument("name").example("alice");
        /// What stood there before.
        renamed_from: Option<Spanned<LocalPart>> = named("renamed-from").example("old-name");
        /// Its tier, where it is not the domain's.
        tier: Option<Spanned<Name>> = named("tier").example("premium");
        /// Its owner's name, as people read it.
        name: Option<Spanned<Line>> = named("name").example("Alice Example");
        /// Another local part of the same mailbox.
        aliases: Vec<Spanned<LocalPart>> = named("alias").example("al");
        /// Its owner's language, where it is not the reseller's.
        language: Option<Spanned<LanguageTag>> = named("language");
        /// Its owner's time zone, where it is not the reseller's.
        time_zone: Option<Spanned<TimeZone>> = named("time-zone");
        /// What is given once.
        initial: Option<Rare<Initial>> = named("initial");
        /// Where its mail is passed on to.
        forward: Option<Rare<MailboxForward>> = named("forward");
        /// What everybody gets for an answer.
        autoreply: Option<Rare<Autoreply>> = named("autoreply");
        /// What is stricter or milder than the domain's defense.
        defense: Option<Rare<DefenseChange>> = named("defense");
        /// What happens first when the mailbox is removed.
        on_removal: Option<Rare<OnRemoval>> = named("on-removal");
    }
}

kind! {
    /// Where a mailbox's mail is passed on to.
    pub struct MailboxForward {
        /// The addresses.
        to: Vec<Spanned<MailAddress>> = arguments("address").example("alice@acme.example").required();
        /// Whether it stays in the mailbox too.
        keep: Spanned<bool> = named("keep").default("false");
    }
}

kind! {
    /// What everybody gets for an answer.
    pub struct Autoreply {
        /// The text.
        text: Spanned<Line> = argument("text").example("Closed today");
        /// The subject; the asker's own where there is none.
        subject: Option<Spanned<Line>> = named("subject").example("Away");
        /// The first day.
        from: Option<Spanned<Date>> = named("from").example("2026-12-24");
        /// The last day.
        until: Option<Spanned<Date>> = named("until").example("2026-12-27");
    }
}

kind! {
    /// An address whose mail is passed on.
    pub struct Forward {
        /// What stands before the `@` of the address.
        local: Spanned<LocalPart> = argument("name").example("sales");
        /// What stood there before.
        renamed_from: Option<Spanned<LocalPart>> = named("renamed-from").example("old-name");
        /// Where it is passed on to.
        to: Vec<Spanned<MailAddress>> = named("to").example("alice@acme.example").required();
        /// Another local part of the same forward.
        aliases: Vec<Spanned<LocalPart>> = named("alias").example("verkauf");
    }
}

kind! {
    /// A mailing list.
    pub struct List {
        /// What stands before the `@` of its address.
        local: Spanned<LocalPart> = argument("name").example("team");
        /// What stood there before.
        renamed_from: Option<Spanned<LocalPart>> = named("renamed-from").example("old-name");
        /// An address that gets its mail.
        members: Vec<Spanned<MailAddress>> = named("member");
        /// Whether only members may write to it.
        restricted: Spanned<bool> = named("restricted").default("false");
        /// Another local part of the same list.
        aliases: Vec<Spanned<LocalPart>> = named("alias").example("crew");
    }
}

kind! {
    /// Mailboxes that are fetched from elsewhere.
    pub struct Migration {
        /// The migration's name.
        name: Spanned<Name> = argument("name").example("old-host").unique();
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// Where they are fetched from.
        from: MigrationSource = named("from");
        /// A mailbox that is fetched.
        mailboxes: Vec<MigratedMailbox> = named("mailbox").required();
    }
}

kind! {
    /// Where mailboxes are fetched from.
    pub struct MigrationSource {
        /// The host.
        host: Spanned<HostName> = argument("host").example("imap.old.example");
        /// How it is spoken to.
        protocol: Spanned<FetchProtocol> = named("protocol").default("imaps");
    }
}

choice! {
    /// How mail is fetched.
    pub enum FetchProtocol: "protocol" {
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
    /// A mailbox that is fetched.
    pub struct MigratedMailbox {
        /// The mailbox here.
        local: Spanned<LocalPart> = argument("name").example("alice").unique();
        /// The user's name there, where it is another.
        user: Option<Spanned<Line>> = named("as").example("alice.e");
        /// The password there, by the name of the secret.
        password: Option<Spanned<SecretName>> = named("password").example("secret:alice-old");
    }
}
