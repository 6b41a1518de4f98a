//! What holds for the whole platform: encryption, DNS, copies, retention, alerts.

use values::{Duration, Percentage, SecretName, Url};

use crate::language::{choice, kind, named};
use crate::tree::Spanned;

kind! {
    /// How connections are encrypted.
    pub struct Tls {
        /// The oldest version of TLS that is spoken.
        minimum: Spanned<TlsVersion> = named("minimum").default("1.2");
        /// Who signs the certificates.
        authority: Spanned<TlsAuthority> = named("authority").default("internal");
        /// The directory of an ACME authority.
        directory: Option<Spanned<Url>> = named("directory").example("https://acme-authority.example/directory").noted();
    }
}

choice! {
    /// A version of TLS.
    pub enum TlsVersion: "version of TLS" {
        /// TLS 1.2 and newer.
        Tls12 = "1.2",
        /// TLS 1.3 and newer.
        Tls13 = "1.3",
    }
}

choice! {
    /// Who signs the certificates.
    pub enum TlsAuthority: "authority" {
        /// The platform itself, which only its own environments trust.
        Internal = "internal",
        /// An authority that speaks ACME.
        Acme = "acme",
    }
}

kind! {
    /// Who answers for the customers' DNS zones.
    pub struct Dns {
        /// Who does.
        authority: Spanned<DnsAuthority> = named("authority").default("platform");
    }
}

choice! {
    /// Who answers for the customers' DNS zones.
    pub enum DnsAuthority: "authority" {
        /// The platform.
        Platform = "platform",
        /// The customer, who publishes CNAME records that point here, so that keys can rotate.
        Customer = "customer",
    }
}

kind! {
    /// What is copied where, and how often it is tried to be restored.
    pub struct Backup {
        /// Copies of the mailboxes.
        mail: Option<Copies> = named("mail");
        /// Copies of the directory.
        directory: Option<Copies> = named("directory");
        /// How often a copy is restored to see that it can be.
        restore_test: Option<RestoreTest> = named("restore-test");
    }
}

kind! {
    /// Copies of something.
    pub struct Copies {
        /// How often one is made.
        every: Spanned<Duration> = named("every").example("1h").least("1m");
        /// How long one is kept.
        keep: Spanned<Duration> = named("keep").example("35d").least("1h");
        /// The place, with its keys, by the name of the secret that holds both.
        to: Spanned<SecretName> = named("to").example("secret:offsite").environment();
    }
}

kind! {
    /// How often a copy is restored to see that it can be.
    pub struct RestoreTest {
        /// How often.
        every: Spanned<Duration> = named("every").example("7d").least("1h");
    }
}

kind! {
    /// How long things are kept after nobody needs them any more.
    pub struct Retention {
        /// A mailbox that was deleted.
        deleted_mailbox: Spanned<Duration> = named("deleted-mailbox").default("30d");
        /// A message that was deleted.
        deleted_message: Spanned<Duration> = named("deleted-message").default("14d");
        /// Logs.
        logs: Spanned<Duration> = named("logs").default("90d");
        /// Who changed what.
        audit: Spanned<Duration> = named("audit").default("400d");
    }
}

kind! {
    /// When somebody is to be called.
    pub struct Alert {
        /// How much of it is used.
        above: Spanned<Percentage> = named("above").example("80%").most("100%");
        /// What is measured.
        of: Spanned<Measure> = named("of").example("storage");
    }
}

choice! {
    /// What an alert measures.
    pub enum Measure: "measure" {
        /// Storage for state.
        Storage = "storage",
        /// The nodes' own disks.
        Disk = "disk",
        /// Memory of the hosts.
        Memory = "memory",
        /// Cores of the hosts.
        Cores = "cores",
        /// What a contract allows.
        Contract = "contract",
    }
}
