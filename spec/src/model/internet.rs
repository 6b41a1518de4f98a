//! The simulated world outside the platform.

use values::{Bandwidth, Duration, HostName, LocalPart};

use super::DmarcPolicy;
use crate::language::{argument, choice, kind, named};
use crate::tree::Spanned;

kind! {
    /// The world outside the platform.
    pub struct Internet {
        /// Whether it is simulated.
        mode: Spanned<InternetMode> = argument("word").default("simulated");
        /// A domain that receives and sends mail.
        domains: Vec<InternetDomain> = named("domain");
        /// A domain that only sends mail.
        senders: Vec<InternetSender> = named("sender");
    }
}

choice! {
    /// What the world outside is.
    pub enum InternetMode: "internet" {
        /// Every name outside the platform is made up.
        Simulated = "simulated",
        /// The real one; for production only.
        Real = "real",
    }
}

kind! {
    /// A domain of the simulated internet.
    pub struct InternetDomain {
        /// The domain.
        name: Spanned<HostName> = argument("name").example("bigmail.example").unique();
        /// It asks strangers to come again.
        greylist: Option<InternetGreylist> = named("greylist");
        /// Its DMARC policy.
        dmarc: Option<Spanned<DmarcPolicy>> = named("dmarc");
        /// What stands before the `@` of a mailbox there.
        mailboxes: Vec<Spanned<LocalPart>> = named("mailbox").example("bob");
        /// A domain that the platform filters, whose mail its host takes for mailboxes of the same names.
        takes: Vec<Spanned<HostName>> = named("takes").example("filtered.example");
        /// How long it takes to answer.
        latency: Option<Spanned<Duration>> = named("latency").example("800ms");
        /// How much it takes at once.
        bandwidth: Option<Spanned<Bandwidth>> = named("bandwidth").least("1kbit");
        /// Whether nothing there answers.
        unreachable: Spanned<bool> = named("unreachable").default("false");
    }
}

kind! {
    /// A domain that asks strangers to come again.
    pub struct InternetGreylist {
        /// After how long they may.
        delay: Spanned<Duration> = named("delay").default("1m");
    }
}

kind! {
    /// A domain that only sends mail.
    pub struct InternetSender {
        /// The domain.
        name: Spanned<HostName> = argument("name").example("spammer.example").unique();
        /// Lists of bad senders that name it.
        listed_on: Vec<Spanned<HostName>> = named("listed-on").example("bl.example");
    }
}
