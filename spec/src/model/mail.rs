//! How mail is taken, kept, signed and passed on.

use std::net::IpAddr;

use values::{ByteSize, Duration, HostName, Name, Rate};

use crate::language::{Separator, argument, choice, kind, named};
use crate::tree::Spanned;

kind! {
    /// How mail is taken, kept, signed and passed on.
    pub struct Mail {
        /// The largest message.
        max_message: Spanned<ByteSize> = named("max-message").default("35MiB").least("64KiB").most("1GiB");
        /// How long a message is tried to be delivered.
        queue_lifetime: Spanned<Duration> = named("queue-lifetime").default("5d").least("1h").most("30d");
        /// After how long a sender is told that a message still waits.
        bounce_notice: Spanned<Duration> = named("bounce-notice").default("4h").least("1m");
        /// How messages are signed.
        dkim: Dkim = named("dkim").or_defaults();
        /// What receivers shall do with mail that fails.
        dmarc: Option<Dmarc> = named("dmarc");
        /// Whether senders must use TLS.
        mta_sts: Option<MtaSts> = named("mta-sts");
        /// Whether reports about TLS are asked for.
        tls_rpt: Spanned<bool> = named("tls-rpt").default("false");
        /// Whether the keys of the hosts that take mail are published, so that senders accept no others.
        dane: Spanned<bool> = named("dane").default("false");
        /// What stands between a local part and its detail.
        subaddressing: Option<Spanned<Separator>> = named("subaddressing");
        /// Whether addresses may be written in all scripts.
        internationalized: Spanned<bool> = named("internationalized").default("false");
        /// How mail is passed on to other places.
        forwarding: Forwarding = named("forwarding").or_defaults();
    }
}

kind! {
    /// How messages are signed.
    pub struct Dkim {
        /// The kinds of keys.
        algorithm: Spanned<DkimAlgorithm> = named("algorithm").default("ed25519+rsa2048");
        /// How long a key is used.
        rotate: Spanned<Duration> = named("rotate").default("90d").least("1d").most("1000d");
    }
}

choice! {
    /// The kinds of keys that sign.
    pub enum DkimAlgorithm: "algorithm" {
        /// Two signatures on each message.
        Ed25519AndRsa2048 = "ed25519+rsa2048",
        /// One signature, which every receiver understands.
        Rsa2048 = "rsa2048",
        /// One signature, which some receivers do not understand yet.
        Ed25519 = "ed25519",
    }
}

kind! {
    /// What receivers shall do with mail that fails.
    pub struct Dmarc {
        /// The policy that is published.
        policy: Spanned<DmarcPolicy> = named("policy").default("none");
    }
}

choice! {
    /// What receivers shall do with mail that fails.
    pub enum DmarcPolicy: "policy" {
        /// Only report it.
        None = "none",
        /// Treat it with suspicion.
        Quarantine = "quarantine",
        /// Refuse it.
        Reject = "reject",
    }
}

kind! {
    /// Whether senders must use TLS.
    pub struct MtaSts {
        /// What senders do when they cannot.
        mode: Spanned<MtaStsMode> = named("mode").default("testing");
    }
}

choice! {
    /// What senders do when they cannot use TLS.
    pub enum MtaStsMode: "mode" {
        /// Nothing; the policy is being withdrawn.
        None = "none",
        /// They only report it.
        Testing = "testing",
        /// They do not send.
        Enforce = "enforce",
    }
}

kind! {
    /// How mail is passed on to other places.
    pub struct Forwarding {
        /// The domain under which return paths are rewritten.
        srs: Option<Spanned<HostName>> = named("srs").example("srs.northmail.example");
        /// Whether what was checked here is sealed for the next one.
        arc: Spanned<bool> = named("arc").default("false");
    }
}

kind! {
    /// A pool of addresses from which mail leaves.
    pub struct OutboundPool {
        /// The pool's name.
        name: Spanned<Name> = argument("name").example("shared").unique();
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// An address from which mail leaves.
        addresses: Vec<OutboundAddress> = named("address").required();
        /// How long new addresses are used a little more each day: for 50 recipients on the first, a thousandfold on the last.
        warm_up: Option<Spanned<Duration>> = named("warm-up").example("30d").least("1d");
        /// A domain that takes only so much.
        destinations: Vec<Destination> = named("destination");
    }
}

kind! {
    /// An address from which mail leaves.
    pub struct OutboundAddress {
        /// The address.
        address: Spanned<IpAddr> = argument("address").example("203.0.113.4").unique().environment();
        /// The name it greets with, which its PTR record bears too.
        helo: Spanned<HostName> = named("helo").example("out4.northmail.example").environment();
    }
}

kind! {
    /// A domain that takes only so much.
    pub struct Destination {
        /// The domain.
        domain: Spanned<HostName> = argument("domain").example("bigmail.example").unique();
        /// How many messages it gets.
        rate: Spanned<Rate> = named("rate").example("500/h");
    }
}
