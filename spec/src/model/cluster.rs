//! Clusters: roles, capacity, and what they must survive.

use values::{ByteSize, Duration, Name, Percentage, Score};

use crate::language::{argument, choice, kind, named};
use crate::tree::Spanned;

kind! {
    /// A set of nodes that share their state, placed on the hosts of one site.
    pub struct Cluster {
        /// The cluster's name.
        name: Spanned<Name> = argument("name").example("a").unique();
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// The site whose hosts it runs on.
        site: Spanned<Name> = named("site").example("toronto");
        /// What it is meant to hold.
        capacity: Option<Capacity> = named("capacity").noted();
        /// The storage that holds its state.
        state: Option<State> = named("state");
        /// Front addresses, with HAProxy and keepalived.
        balancer: Option<RoleNodes> = named("balancer");
        /// Takes mail from the internet, with Postfix.
        mx: Option<RoleNodes> = named("mx");
        /// Spam, viruses, lists, greylisting and signing, with Rspamd and ClamAV.
        defense: Option<RoleNodes> = named("defense");
        /// What all defense nodes share, with Redis and its sentinels.
        cache: Option<RoleNodes> = named("cache");
        /// Takes mail from users, with Postfix.
        submission: Option<RoleNodes> = named("submission");
        /// The only nodes that speak SMTP to the world.
        outbound: Option<RoleNodes> = named("outbound");
        /// Mailboxes, with Dovecot.
        store: Option<RoleNodes> = named("store");
        /// Sends each user of IMAP, POP and ManageSieve to the right store.
        access: Option<RoleNodes> = named("access");
        /// Webmail, reseller interface and brand pages.
        web: Option<RoleNodes> = named("web");
        /// Provisioning API and console.
        control: Option<RoleNodes> = named("control");
        /// Accounts, domains, tiers and brands, with PostgreSQL.
        directory: Option<RoleNodes> = named("directory");
        /// Calendars and address books.
        calendar: Option<RoleNodes> = named("calendar");
        /// The platform's zones and its resolver.
        dns: Option<RoleNodes> = named("dns");
        /// Measures, rules and calls.
        monitor: Option<RoleNodes> = named("monitor");
        /// What two nodes of a role may not share.
        spread: Option<Spread> = named("spread").noted();
        /// What may fail without anybody losing service.
        survive: Option<Survive> = named("survive").noted();
        /// How much more may be promised than is there.
        overcommit: Option<Overcommit> = named("overcommit").noted();
    }
}

choice! {
    /// What a node is for.
    pub enum Role: "role" {
        /// Front addresses.
        Balancer = "balancer",
        /// Takes mail from the internet.
        Mx = "mx",
        /// Spam, viruses, lists, greylisting and signing.
        Defense = "defense",
        /// What all defense nodes share.
        Cache = "cache",
        /// Takes mail from users.
        Submission = "submission",
        /// Speaks SMTP to the world.
        Outbound = "outbound",
        /// Mailboxes.
        Store = "store",
        /// The front of IMAP, POP and ManageSieve.
        Access = "access",
        /// Webmail, reseller interface and brand pages.
        Web = "web",
        /// Provisioning API and console.
        Control = "control",
        /// Accounts, domains, tiers and brands.
        Directory = "directory",
        /// Calendars and address books.
        Calendar = "calendar",
        /// The platform's zones and its resolver.
        Dns = "dns",
        /// Measures, rules and calls.
        Monitor = "monitor",
    }
}

impl Cluster {
    /// Returns the nodes of a role, where the cluster has it.
    pub fn role(&self, role: Role) -> Option<&RoleNodes> {
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

    /// Returns the roles the cluster has, with their nodes, in the order of [`Role::ALL`].
    pub fn roles(&self) -> impl Iterator<Item = (Role, &RoleNodes)> {
        Role::ALL.iter().filter_map(|&role| Some((role, self.role(role)?)))
    }
}

kind! {
    /// The nodes of a role.
    pub struct RoleNodes {
        /// How many there are.
        count: Spanned<u64> = named("count").default("1").least("1").most("1000").environment();
        /// Cores of each.
        cores: Option<Spanned<u64>> = named("cores").example("2").least("1").most("1024").environment();
        /// Memory of each.
        memory: Option<Spanned<ByteSize>> = named("memory").example("2GiB").least("64MiB").environment();
        /// The disk of each.
        disk: Option<Spanned<ByteSize>> = named("disk").example("20GiB").least("64MiB").environment();
    }
}

kind! {
    /// What a cluster is meant to hold.
    pub struct Capacity {
        /// How many mailboxes.
        mailboxes: Spanned<u64> = named("mailboxes").example("20000").least("1").environment();
        /// What a mailbox really uses; a quota is only a promise.
        typical: Spanned<ByteSize> = named("typical").example("60MiB").least("1B");
        /// How much more it uses after a span of time.
        growth: Spanned<Percentage> = named("growth").default("0%").most("1000%");
        /// The span of time of the growth.
        per: Spanned<Duration> = named("per").default("30d").least("1d");
    }
}

kind! {
    /// Where a cluster keeps its state.
    pub struct State {
        /// A storage of the site.
        on: Spanned<Name> = named("on").example("filer");
    }
}

kind! {
    /// What two nodes of a role may not share.
    pub struct Spread {
        /// What each of them has for itself.
        by: Spanned<SpreadBy> = named("by").default("host");
    }
}

choice! {
    /// What two nodes of a role do not share.
    pub enum SpreadBy: "spread" {
        /// No two nodes of a role are on one host.
        Host = "host",
    }
}

kind! {
    /// What may fail: every node has a place without it.
    pub struct Survive {
        /// How many hosts may be gone at once.
        hosts: Spanned<u64> = named("hosts").default("1").least("1").most("1000");
        /// How soon everything is served again.
        within: Spanned<Duration> = named("within").default("5m").least("1s");
    }
}

kind! {
    /// How many times what is there may be promised.
    pub struct Overcommit {
        /// Cores promised for each core there is.
        cores: Spanned<Score> = named("cores").default("1").example("2.0").least("1").most("100");
        /// Storage promised for each byte there is.
        storage: Spanned<Score> = named("storage").default("1").example("4.0").least("1").most("100");
    }
}
