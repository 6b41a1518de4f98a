//! The operator's platform.

use values::{HostName, Line, MailAddress, Name, Release};

use super::{
    Alert, Backup, BrandPolicy, Cluster, Contract, Defense, Dns, Mail, OutboundPool, Retention, Site, Tier, Tls,
};
use crate::language::{argument, choice, kind, named};
use crate::tree::Spanned;

kind! {
    /// An operator's platform: its sites, clusters, services, tiers and contracts.
    pub struct Platform {
        /// The platform's name.
        name: Spanned<Name> = argument("name").example("northmail");
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// Who runs it.
        operator: Operator = named("operator");
        /// The domain below which the operator's own host names live.
        service_domain: Spanned<HostName> = named("service-domain").example("northmail.example");
        /// The set of software that runs, pinned in the lock.
        release: SoftwareRelease = named("release");
        /// A place with hosts.
        sites: Vec<Site> = named("site");
        /// A set of nodes that share their state and move together.
        clusters: Vec<Cluster> = named("cluster");
        /// What is done against spam and viruses.
        defenses: Vec<Defense> = named("defense");
        /// How mail is taken, kept, signed and passed on.
        mail: Mail = named("mail").or_defaults();
        /// A pool of addresses from which mail leaves.
        outbounds: Vec<OutboundPool> = named("outbound");
        /// How connections are encrypted.
        tls: Tls = named("tls").or_defaults();
        /// Who answers for the customers' DNS zones.
        dns: Dns = named("dns").or_defaults();
        /// What is copied where, and how often it is tried to be restored.
        backup: Option<Backup> = named("backup");
        /// How long things are kept after nobody needs them any more.
        retention: Retention = named("retention").or_defaults();
        /// When somebody is to be called.
        alerts: Vec<Alert> = named("alert");
        /// What a mailbox is sold as.
        tiers: Vec<Tier> = named("tier");
        /// What resellers may change about their looks.
        brand_policy: Option<BrandPolicy> = named("brand-policy").noted();
        /// What a reseller has bought.
        contracts: Vec<Contract> = named("contract");
    }
}

kind! {
    /// Who runs the platform.
    pub struct Operator {
        /// The company's name, as people read it.
        name: Spanned<Line> = argument("name").example("Northwind Email");
        /// Where mail to `postmaster` goes.
        postmaster: Spanned<MailAddress> = named("postmaster").example("postmaster@northmail.example");
        /// Where complaints go.
        abuse: Spanned<MailAddress> = named("abuse").example("abuse@northmail.example");
    }
}

kind! {
    /// A set of software, pinned in the lock.
    pub struct SoftwareRelease {
        /// The release.
        version: Spanned<Release> = argument("release").example("2026.11").environment();
        /// The distribution its packages come from.
        distribution: Spanned<Distribution> = named("distribution").default("bookworm");
    }
}

choice! {
    /// A distribution of software.
    pub enum Distribution: "distribution" {
        /// Debian 12.
        Bookworm = "bookworm",
        /// Debian 13.
        Trixie = "trixie",
    }
}
