//! Defense: spam, viruses, lists and limits.

use values::{ByteSize, Duration, HostName, Line, Name, Rate, Score};

use crate::language::{argument, choice, kind, named};
use crate::tree::Spanned;

kind! {
    /// What is done against spam and viruses.
    pub struct Defense {
        /// The defense's name.
        name: Spanned<Name> = argument("name").example("email-defense").unique();
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// How it is put into the way of the mail.
        hookup: Spanned<Hookup> = named("hookup").default("milter");
        /// Scores against spam.
        spam: Option<Spam> = named("spam");
        /// What happens to viruses.
        virus: Option<Virus> = named("virus");
        /// Strangers are asked to come again.
        greylist: Option<Greylist> = named("greylist");
        /// A list of bad senders that is asked over DNS.
        dnsbls: Vec<Dnsbl> = named("dnsbl");
        /// How much anybody may send here.
        rate_limit: Option<RateLimit> = named("rate-limit");
    }
}

choice! {
    /// How a defense is put into the way of the mail.
    pub enum Hookup: "hookup" {
        /// The mx asks it while it talks to the sender.
        Milter = "milter",
        /// A filtering hop in front of the mx.
        Gateway = "gateway",
    }
}

kind! {
    /// Scores against spam; a message that reaches one is treated so.
    pub struct Spam {
        /// What gives the scores.
        engine: Spanned<SpamEngine> = named("engine").default("rspamd");
        /// From here a message is marked.
        tag: Option<Spanned<Score>> = named("tag").example("5.0");
        /// From here a message goes into the mailbox's Spam folder.
        quarantine: Option<Spanned<Score>> = named("quarantine").example("8.0");
        /// From here a message is refused.
        reject: Option<Spanned<Score>> = named("reject").example("15.0");
        /// What is put before the subject of a marked message.
        subject: Option<Spanned<Line>> = named("subject").example("[SPAM]");
    }
}

choice! {
    /// What gives the scores.
    pub enum SpamEngine: "spam engine" {
        /// Rspamd.
        Rspamd = "rspamd",
    }
}

kind! {
    /// What happens to viruses.
    pub struct Virus {
        /// What finds them.
        engine: Spanned<VirusEngine> = named("engine").default("clamav");
        /// What is done with a message that holds one.
        action: Spanned<VirusAction> = named("action").default("quarantine");
        /// What is done with a message while the engine does not answer.
        on_unavailable: Spanned<OnUnavailable> = named("on-unavailable").default("defer");
        /// The largest message that is looked into.
        max_size: Spanned<ByteSize> = named("max-size").default("25MiB").least("1KiB");
    }
}

choice! {
    /// What finds viruses.
    pub enum VirusEngine: "virus engine" {
        /// ClamAV.
        Clamav = "clamav",
    }
}

choice! {
    /// What is done with a message that holds a virus.
    pub enum VirusAction: "virus action" {
        /// It is held apart, where no mailbox protocol reaches it.
        Quarantine = "quarantine",
        /// It is refused.
        Reject = "reject",
    }
}

choice! {
    /// What is done with a message while an engine does not answer.
    pub enum OnUnavailable: "action" {
        /// The sender is asked to come again.
        Defer = "defer",
        /// It is refused.
        Reject = "reject",
        /// It passes, and nobody has looked at it.
        Accept = "accept",
    }
}

kind! {
    /// Strangers are asked to come again.
    pub struct Greylist {
        /// Only from this score on.
        above: Option<Spanned<Score>> = named("above").example("4.0");
        /// After how long they may.
        delay: Spanned<Duration> = named("delay").default("5m").least("1s").most("1d");
    }
}

kind! {
    /// A list of bad senders that is asked over DNS.
    pub struct Dnsbl {
        /// The list's zone.
        zone: Spanned<HostName> = argument("zone").example("bl.example").unique();
        /// Added to the score of whom it names.
        weight: Spanned<Score> = named("weight").default("1").example("4.0");
    }
}

kind! {
    /// How much anybody may send here.
    pub struct RateLimit {
        /// Messages of one sender.
        sender: Option<Spanned<Rate>> = named("sender").example("100/h");
        /// Messages from one address.
        address: Option<Spanned<Rate>> = named("address").example("300/h");
    }
}
