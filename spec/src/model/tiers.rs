//! What is sold: tiers, contracts, and what resellers may change.

use values::{
    ByteSize, Country, Date, Duration, GitBranch, GitLocation, HostName, Money, Name, Percentage, Rate, Score,
    WeeklyWindow,
};

use crate::language::{argument, choice, kind, named};
use crate::tree::Spanned;

kind! {
    /// What a mailbox is sold as.
    pub struct Tier {
        /// The tier's name.
        name: Spanned<Name> = argument("name").example("basic").unique();
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// What becomes of the mail.
        kind: Spanned<TierKind> = named("kind").example("mailbox");
        /// How much a mailbox may hold.
        quota: Option<Spanned<ByteSize>> = named("quota").example("2GiB").least("1MiB");
        /// Whether it can be read over POP3.
        pop3: Spanned<bool> = named("pop3").default("false");
        /// Whether it can be read over IMAP.
        imap: Spanned<bool> = named("imap").default("false");
        /// Whether it can be read in a browser.
        webmail: Spanned<bool> = named("webmail").default("false");
        /// Whether its owner may sort mail with Sieve scripts.
        sieve: Spanned<bool> = named("sieve").default("false");
        /// Whether it has calendars and address books.
        calendar: Spanned<bool> = named("calendar").default("false");
        /// How much its owner may send.
        send_limit: Option<Spanned<Rate>> = named("send-limit").example("250/24h");
        /// What it costs.
        price: Option<Price> = named("price").noted();
    }
}

choice! {
    /// What becomes of the mail.
    pub enum TierKind: "kind of tier" {
        /// It is kept in a mailbox.
        Mailbox = "mailbox",
        /// It is cleaned and passed on to the customer's own server.
        Filter = "filter",
        /// It is passed on to other addresses.
        Forward = "forward",
    }
}

kind! {
    /// What something costs.
    pub struct Price {
        /// The amount.
        amount: Spanned<Money> = argument("amount").example("0.50 USD");
        /// What span of time it is for.
        per: Spanned<Duration> = named("per").default("30d").least("1h");
    }
}

kind! {
    /// What resellers may change about their looks.
    pub struct BrandPolicy {
        /// What they may change at all.
        allow: Vec<Spanned<BrandPart>> = named("allow");
        /// What a logo may be.
        logo: Option<LogoPolicy> = named("logo");
        /// How well text must be readable.
        contrast: Option<ContrastPolicy> = named("contrast");
    }
}

choice! {
    /// A part of a reseller's looks.
    pub enum BrandPart: "part of a brand" {
        /// Logo and favicon.
        Logo = "logo",
        /// Colours.
        Colours = "colours",
        /// Host names of its own.
        Hosts = "hosts",
        /// Texts on its pages.
        Texts = "texts",
        /// The message that greets a new mailbox.
        WelcomeMessage = "welcome-message",
        /// Languages.
        Languages = "languages",
    }
}

kind! {
    /// What a logo may be.
    pub struct LogoPolicy {
        /// How large its file may be.
        max_size: Spanned<ByteSize> = named("max-size").default("200KiB").least("1KiB").most("10MiB");
        /// What its file may be; all of them where none is named.
        types: Vec<Spanned<LogoType>> = named("types");
    }
}

choice! {
    /// What the file of a logo is.
    pub enum LogoType: "type of logo" {
        /// A drawing, without scripts.
        Svg = "svg",
        /// A picture.
        Png = "png",
    }
}

kind! {
    /// How well text must be readable.
    pub struct ContrastPolicy {
        /// The least ratio of a text to its background (WCAG 2).
        minimum: Spanned<Score> = named("minimum").default("4.5").least("1").most("21");
    }
}

kind! {
    /// What a reseller has bought; it bears the reseller's name.
    pub struct Contract {
        /// The reseller.
        reseller: Spanned<Name> = argument("name").example("acme").unique();
        /// The day it begins.
        from: Spanned<Date> = named("from").example("2026-12-01");
        /// How long before its end it is to be given up.
        notice: Option<Spanned<Duration>> = named("notice").example("90d").noted();
        /// How many mailboxes there may be.
        mailboxes: Option<Spanned<u64>> = named("mailboxes").example("5000");
        /// How many domains there may be.
        domains: Option<Spanned<u64>> = named("domains").example("200");
        /// How much all its mailboxes together may really use.
        storage: Option<Spanned<ByteSize>> = named("storage").example("2TiB");
        /// The tiers it may sell.
        tiers: Vec<Spanned<Name>> = named("tiers").example("basic");
        /// The clusters it may place domains on.
        clusters: Vec<Spanned<Name>> = named("clusters").example("a");
        /// A pool it may send from.
        outbounds: Vec<ContractOutbound> = named("outbound").noted();
        /// A domain that the operator vouches for, so that its own DNS need not show whose it is.
        vouched: Vec<Spanned<HostName>> = named("vouch").example("acme.example").noted();
        /// What it pays for a tier.
        prices: Vec<ContractPrice> = named("price").noted();
        /// How much of the time it is served.
        availability: Option<Spanned<Percentage>> = named("availability").example("99.9%").most("100%").noted();
        /// When work may be done.
        maintenance: Vec<Spanned<WeeklyWindow>> = named("maintenance").noted();
        /// The countries its mail stays in.
        residency: Vec<Spanned<Country>> = named("residency").noted();
        /// The git repository its specification comes from, in place of a folder of this one.
        repository: Option<ContractRepository> = named("repository").noted();
    }
}

kind! {
    /// A git repository that a reseller keeps its specification in; `mailwright reseller update` takes new revisions of it.
    pub struct ContractRepository {
        /// Where it is; a path is relative to the folder of platform.kdl.
        location: Spanned<GitLocation> = argument("location").example("https://git.acme.example/mail.git");
        /// The branch that is followed.
        branch: Spanned<GitBranch> = named("branch").default("main");
    }
}

kind! {
    /// A pool that a reseller may send from.
    pub struct ContractOutbound {
        /// The pool.
        pool: Spanned<Name> = argument("name").example("shared").unique();
        /// How much all its users together may send.
        limit: Option<Spanned<Rate>> = named("limit").example("50000/24h");
    }
}

kind! {
    /// What a reseller pays for a tier.
    pub struct ContractPrice {
        /// The amount for each mailbox.
        amount: Spanned<Money> = argument("amount").example("0.38 USD");
        /// The tier.
        tier: Spanned<Name> = named("tier").example("basic").unique();
        /// How many it pays for at least.
        minimum: Option<Spanned<u64>> = named("minimum").example("2000");
        /// What span of time it is for.
        per: Spanned<Duration> = named("per").default("30d").least("1h");
    }
}

kind! {
    /// What happens before something that was removed is destroyed.
    pub struct OnRemoval {
        /// What happens first.
        action: Spanned<RemovalAction> = argument("action").example("suspend");
        /// How long it stays so.
        hold: Spanned<Duration> = named("hold").default("30d");
    }
}

choice! {
    /// What happens to something that was removed.
    pub enum RemovalAction: "action" {
        /// Nobody can use it, and it is kept.
        Suspend = "suspend",
        /// It is destroyed.
        Delete = "delete",
    }
}
