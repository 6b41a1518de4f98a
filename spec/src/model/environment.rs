//! Environments: where a platform runs and what may differ there.

use std::net::IpAddr;

use values::{Duration, HostName, Line, Name, Release, RepositoryPath};

use super::{Internet, Role};
use crate::language::{argument, arguments, choice, kind, named};
use crate::tree::Spanned;

kind! {
    /// Where a platform runs, and what may differ there.
    pub struct Environment {
        /// The environment's name.
        name: Spanned<Name> = argument("name").example("dev");
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// The platform that runs.
        platform: PlatformReference = named("platform");
        /// The environment it is promoted from, by digest.
        from: Option<Spanned<Name>> = named("from").example("qa");
        /// What it runs on.
        backend: Spanned<Backend> = named("backend").example("embedded");
        /// The domain that stands for the operator's service domain.
        suffix: Option<Spanned<HostName>> = named("suffix").example("horizon.northmail.example");
        /// How many nodes there are.
        scales: Vec<Scale> = named("scale");
        /// Which accounts exist.
        accounts: Option<Accounts> = named("accounts");
        /// Where the front doors are on this machine.
        expose: Option<Expose> = named("expose");
        /// Where secrets come from.
        secrets: Option<Secrets> = named("secrets");
        /// The world outside.
        internet: Option<Internet> = named("internet");
        /// Scenarios that must have passed here before the next environment may take it.
        gates: Option<Gate> = named("gate");
        /// When the environment may be thrown away.
        expires: Option<Expires> = named("expires");
    }
}

kind! {
    /// The platform that an environment runs.
    pub struct PlatformReference {
        /// The platform.
        name: Spanned<Name> = argument("name").example("northmail");
        /// The release that runs, where it is not the platform's.
        release: Option<Spanned<Release>> = named("release").example("2026.11");
    }
}

choice! {
    /// What an environment runs on.
    pub enum Backend: "backend" {
        /// One process with all nodes in it.
        Embedded = "embedded",
        /// The real daemons, in a namespace for each node.
        Namespace = "namespace",
        /// The real daemons, in a container for each node.
        Container = "container",
        /// The images, in virtual machines on this host.
        Vm = "vm",
        /// The images, on many hosts.
        Fleet = "fleet",
    }
}

kind! {
    /// How many nodes there are: by a word for all, or by role for a cluster.
    pub struct Scale {
        /// A word for all clusters.
        word: Option<Spanned<ScaleWord>> = argument("word").example("smallest");
        /// The cluster whose roles are counted here.
        cluster: Option<Spanned<Name>> = named("cluster").example("a");
        /// Nodes of this role.
        balancer: Option<Spanned<u64>> = named("balancer").least("1").most("1000");
        /// Nodes of this role.
        mx: Option<Spanned<u64>> = named("mx").least("1").most("1000");
        /// Nodes of this role.
        defense: Option<Spanned<u64>> = named("defense").least("1").most("1000");
        /// Nodes of this role.
        cache: Option<Spanned<u64>> = named("cache").least("1").most("1000");
        /// Nodes of this role.
        submission: Option<Spanned<u64>> = named("submission").least("1").most("1000");
        /// Nodes of this role.
        outbound: Option<Spanned<u64>> = named("outbound").least("1").most("1000");
        /// Nodes of this role.
        store: Option<Spanned<u64>> = named("store").least("1").most("1000");
        /// Nodes of this role.
        access: Option<Spanned<u64>> = named("access").least("1").most("1000");
        /// Nodes of this role.
        web: Option<Spanned<u64>> = named("web").least("1").most("1000");
        /// Nodes of this role.
        control: Option<Spanned<u64>> = named("control").least("1").most("1000");
        /// Nodes of this role.
        directory: Option<Spanned<u64>> = named("directory").least("1").most("1000");
        /// Nodes of this role.
        calendar: Option<Spanned<u64>> = named("calendar").least("1").most("1000");
        /// Nodes of this role.
        dns: Option<Spanned<u64>> = named("dns").least("1").most("1000");
        /// Nodes of this role.
        monitor: Option<Spanned<u64>> = named("monitor").least("1").most("1000");
    }
}

impl Scale {
    /// Returns the number of nodes that is asked for a role.
    pub fn role(&self, role: Role) -> Option<&Spanned<u64>> {
        match role {
            Role::Balancer => self.balancer.as_ref(),
            Role::Mx => self.mx.as_ref(),
            Role::Defense => self.defense.as_ref(),
            Role::Cache => self.cache.as_ref(),
            Role::Submission => self.submission.as_ref(),
            Role::Outbound => self.outbound.as_ref(),
            Role::Store => self.store.as_ref(),
            Role::Access => self.access.as_ref(),
            Role::Web => self.web.as_ref(),
            Role::Control => self.control.as_ref(),
            Role::Directory => self.directory.as_ref(),
            Role::Calendar => self.calendar.as_ref(),
            Role::Dns => self.dns.as_ref(),
            Role::Monitor => self.monitor.as_ref(),
        }
    }

    /// Returns the roles whose number is asked for, in the order of [`Role::ALL`].
    pub fn roles(&self) -> impl Iterator<Item = (Role, &Spanned<u64>)> {
        Role::ALL.iter().filter_map(|&role| Some((role, self.role(role)?)))
    }
}

choice! {
    /// How many nodes there are of each role.
    pub enum ScaleWord: "scale" {
        /// One of each role.
        Smallest = "smallest",
        /// Two of whatever production has several of.
        Paired = "paired",
        /// As many as production has.
        Full = "full",
    }
}

kind! {
    /// Which accounts exist.
    pub struct Accounts {
        /// All of them or none.
        which: Option<Spanned<AccountsWord>> = argument("word").example("all");
        /// Only so many of each domain.
        sample: Option<Spanned<u64>> = named("sample").example("100").least("1");
    }
}

choice! {
    /// Which accounts exist.
    pub enum AccountsWord: "set of accounts" {
        /// All that are declared.
        All = "all",
        /// None.
        None = "none",
    }
}

kind! {
    /// Where the front doors are on this machine.
    pub struct Expose {
        /// The address they are on.
        address: Spanned<IpAddr> = named("address").default("127.0.0.1");
        /// Added to a service's standard port.
        base_port: Spanned<u64> = named("base-port").default("2500").most("60000");
    }
}

kind! {
    /// Where secrets come from: a word, or a file.
    pub struct Secrets {
        /// A word for where they come from.
        source: Option<Spanned<SecretsWord>> = argument("word").example("generate");
        /// An encrypted file beside this one.
        file: Option<Spanned<RepositoryPath>> = named("file").example("secrets.age");
    }
}

choice! {
    /// Where secrets come from.
    pub enum SecretsWord: "source of secrets" {
        /// They are made up when first needed, and kept with the environment.
        Generate = "generate",
        /// They stand in variables of the process.
        EnvironmentVariables = "environment-variables",
    }
}

kind! {
    /// Scenarios that must have passed here, for exactly this digest.
    pub struct Gate {
        /// Their titles.
        scenarios: Vec<Spanned<Line>> = arguments("title").example("smoke").required();
    }
}

kind! {
    /// When an environment may be thrown away.
    pub struct Expires {
        /// So long after it was brought up.
        after: Spanned<Duration> = named("after").example("14d").least("1h");
    }
}
