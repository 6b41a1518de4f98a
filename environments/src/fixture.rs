//! A small platform made by hand, for the tests of this crate.

use blueprint::launch::{Account, AccountKind, Door, Internet, InternetDomain, InternetSender, Launch, Secrets};
use blueprint::platform::{
    Backup, Defense, Dns, Hookup, Mail, Node, Operator, OutboundAddress, OutboundPool, Release, Retention, Service,
    Site, Tls, Unavailable, VirusAction, World,
};
use blueprint::roster::{
    Brand, BrandHost, Colours, Domain, MailService, Mailbox, OnRemoval, Reseller, Support, Tier, TierKind,
};
use blueprint::{Blueprint, Host, Role, Roster, VERSION};

fn parse<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

/// A platform with one node of each role, the reseller `acme` with alice and bob, the reseller `globex` with carol.
pub(crate) fn platform() -> (Blueprint, Roster, Launch) {
    (blueprint(), roster(), launch())
}

fn blueprint() -> Blueprint {
    let roles = Role::ALL.into_iter().enumerate();
    let mut nodes: Vec<Node> = roles.map(|(number, role)| node(number, role)).collect();
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    Blueprint {
        version: VERSION,
        platform: parse("northmail"),
        environment: parse("dev"),
        operator: Operator {
            name: "Northwind Email".to_owned(),
            postmaster: parse("postmaster@northmail.example"),
            abuse: parse("abuse@northmail.example"),
        },
        service_domain: parse("northmail.example"),
        release: Release { name: "2026.11".to_owned(), distribution: "bookworm".to_owned() },
        sites: vec![Site {
            name: parse("toronto"),
            networks: vec![parse("10.20.0.0/16")],
            fronts: vec![parse("203.0.113.0/28")],
            storages: Vec::new(),
        }],
        hosts: vec![Host {
            name: parse("x4600-1"),
            site: parse("toronto"),
            hypervisor: "xen".to_owned(),
            cores: 8,
            memory: parse("16GiB"),
            disk: parse("600GiB"),
        }],
        nodes,
        defense: Defense {
            name: parse("email-defense"),
            hookup: Hookup::Milter,
            tag: parse("5.0"),
            quarantine: parse("8.0"),
            reject: parse("15.0"),
            subject: "[SPAM]".to_owned(),
            virus: VirusAction::Quarantine,
            on_unavailable: Unavailable::Defer,
            virus_max_size: parse("25MiB"),
            greylist: None,
            dnsbl: Vec::new(),
            sender_rate: None,
            address_rate: None,
        },
        mail: Mail {
            max_message: parse("35MiB"),
            queue_lifetime: parse("5d"),
            bounce_notice: parse("4h"),
            subaddressing: Some('+'),
            internationalized: true,
            dkim: None,
            dmarc: None,
            mta_sts: None,
            tls_rpt: false,
            dane: false,
            srs: None,
            arc: false,
            tls_minimum: "1.2".to_owned(),
        },
        outbound: vec![OutboundPool {
            name: parse("shared"),
            addresses: vec![OutboundAddress { address: parse("203.0.113.4"), helo: parse("out4.northmail.example") }],
            warm_up: None,
            destinations: Vec::new(),
        }],
        dns: Dns::default(),
        world: World::default(),
        retention: Retention {
            deleted_mailbox: parse("30d"),
            deleted_message: parse("14d"),
            logs: parse("90d"),
            audit: parse("400d"),
        },
        backup: Backup::default(),
        alerts: Vec::new(),
        secrets: Vec::new(),
        renames: Vec::new(),
        noted: Vec::new(),
    }
}

fn node(number: usize, role: Role) -> Node {
    let number = u8::try_from(number).unwrap_or_default();
    let front = |name: &str, protocol: &str, port, tls| Service {
        name: name.to_owned(),
        protocol: protocol.to_owned(),
        port,
        tls,
        front: true,
    };
    let services = match role {
        Role::Mx => vec![front("mx", "smtp", 25, Tls::Starttls)],
        Role::Submission => {
            vec![front("submissions", "smtp", 465, Tls::Implicit), front("submission", "smtp", 587, Tls::Starttls)]
        }
        Role::Access => vec![
            front("pop3", "pop3", 110, Tls::Starttls),
            front("imap", "imap", 143, Tls::Starttls),
            front("imaps", "imap", 993, Tls::Implicit),
            front("pop3s", "pop3", 995, Tls::Implicit),
        ],
        Role::Control => {
            vec![front("api", "https", 443, Tls::Implicit), front("console", "https", 443, Tls::Implicit)]
        }
        Role::Dns => vec![front("dns", "dns", 53, Tls::None)],
        Role::Store => {
            vec![Service { front: false, ..front("lmtp", "lmtp", 24, Tls::Starttls) }]
        }
        _ => Vec::new(),
    };
    let mut node = Node {
        name: parse(&format!("{}-1", role.name())),
        role,
        cluster: parse("a"),
        site: parse("toronto"),
        host: parse("x4600-1"),
        hostname: parse(&format!("{}-1.northmail.example", role.name())),
        cores: 1,
        memory: parse("1GiB"),
        disk: parse("10GiB"),
        storage: None,
        addresses: vec![std::net::Ipv4Addr::new(10, 20, 1, number + 1).into()],
        front_addresses: Vec::new(),
        services,
    };
    if node.services.iter().any(|service| service.front) {
        node.front_addresses = vec![std::net::Ipv4Addr::new(203, 0, 113, number).into()];
    }
    node
}

fn roster() -> Roster {
    Roster {
        version: VERSION,
        tiers: vec![Tier {
            name: parse("basic"),
            kind: TierKind::Mailbox,
            quota: Some(parse("1GiB")),
            services: vec![
                MailService::Smtpin,
                MailService::Smtprelay,
                MailService::Imap,
                MailService::Pop3,
                MailService::Webmail,
            ],
            send_limit: None,
        }],
        resellers: vec![reseller("acme"), reseller("globex")],
        brands: Vec::new(),
        domains: vec![domain("acme"), domain("globex")],
        mailboxes: vec![mailbox("alice@acme.example"), mailbox("bob@acme.example"), mailbox("carol@globex.example")],
        forwards: Vec::new(),
        lists: Vec::new(),
        renames: Vec::new(),
    }
}

fn reseller(name: &str) -> Reseller {
    Reseller {
        name: parse(name),
        company: name.to_owned(),
        contact: None,
        language: None,
        time_zone: None,
        admins: vec![parse(&format!("admin@{name}.adm"))],
        first_passwords: std::collections::BTreeMap::new(),
        contract: None,
    }
}

fn domain(reseller: &str) -> Domain {
    Domain {
        name: parse(&format!("{reseller}.example")),
        reseller: parse(reseller),
        tier: parse("basic"),
        brand: None,
        cluster: parse("a"),
        outbound: Some(parse("shared")),
        aliases: Vec::new(),
        catch_all: None,
        filter_mx: None,
        defense: blueprint::roster::DefenseSettings::default(),
        workgroups: Vec::new(),
    }
}

/// A brand of a reseller with these hosts.
pub(crate) fn brand(reseller: &str, hosts: &[(&str, &str)]) -> Brand {
    let host = |&(purpose, host): &(&str, &str)| BrandHost { purpose: purpose.to_owned(), host: parse(host) };
    Brand {
        reseller: parse(reseller),
        name: parse(reseller),
        product: "Mail".to_owned(),
        logo: None,
        favicon: None,
        colours: Colours {
            primary: parse("#0b5fff"),
            on_primary: parse("#ffffff"),
            background: parse("#ffffff"),
            text: parse("#1b1b1b"),
        },
        hosts: hosts.iter().map(host).collect(),
        support: Support { url: None, email: None, phone: None },
        texts: Vec::new(),
        features: Vec::new(),
    }
}

fn mailbox(address: &str) -> Mailbox {
    Mailbox {
        address: parse(address),
        workgroup: None,
        tier: None,
        brand: None,
        name: None,
        quota: None,
        aliases: Vec::new(),
        forward: Vec::new(),
        keep: false,
        preferences: None,
        autoreply: None,
        defense: blueprint::roster::DefenseSettings::default(),
        initial_password: None,
        on_removal: OnRemoval { action: "suspend".to_owned(), hold: parse("30d") },
    }
}

fn launch() -> Launch {
    let door = |service: &str, protocol: &str, tls, node: &str, port| Door {
        service: service.to_owned(),
        protocol: protocol.to_owned(),
        tls,
        node: parse(node),
        port,
    };
    let account = |address: &str, kind| Account { address: parse(address), kind };
    Launch {
        version: VERSION,
        environment: parse("dev"),
        backend: "embedded".to_owned(),
        from: None,
        address: parse("127.0.0.1"),
        base_port: free_base(),
        doors: vec![
            door("mx", "smtp", Tls::Starttls, "mx-1", 25),
            door("submission", "smtp", Tls::Starttls, "submission-1", 587),
            door("submissions", "smtp", Tls::Implicit, "submission-1", 465),
            door("imap", "imap", Tls::Starttls, "access-1", 143),
            door("imaps", "imap", Tls::Implicit, "access-1", 993),
            door("pop3", "pop3", Tls::Starttls, "access-1", 110),
            door("pop3s", "pop3", Tls::Implicit, "access-1", 995),
            door("api", "https", Tls::Implicit, "control-1", 443),
            door("console", "https", Tls::Implicit, "control-1", 443),
            door("dns", "dns", Tls::None, "dns-1", 53),
            door("internet-imap", "imap", Tls::None, "internet", 143),
        ],
        accounts: vec![
            account("admin@acme.adm", AccountKind::Reseller),
            account("alice@acme.example", AccountKind::Mailbox),
            account("bob@acme.example", AccountKind::Mailbox),
            account("carol@globex.example", AccountKind::Mailbox),
            account("bob@bigmail.example", AccountKind::Internet),
        ],
        secrets: Secrets::Generate,
        internet: Internet {
            domains: vec![
                InternetDomain {
                    name: parse("bigmail.example"),
                    mailboxes: vec![parse("bob")],
                    takes: Vec::new(),
                    greylist_delay: None,
                    dmarc: None,
                    latency: None,
                    bandwidth: None,
                    unreachable: false,
                },
                InternetDomain {
                    name: parse("down.example"),
                    mailboxes: Vec::new(),
                    takes: Vec::new(),
                    greylist_delay: None,
                    dmarc: None,
                    latency: None,
                    bandwidth: None,
                    unreachable: true,
                },
            ],
            senders: vec![InternetSender { name: parse("spammer.example"), listed_on: vec![parse("bl.example")] }],
        },
        show_passwords: true,
        gates: Vec::new(),
        expires_after: None,
    }
}

/// Tests run beside one another; each platform looks for its ports in a range of its own.
fn free_base() -> u16 {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    10_000 + u16::try_from(std::process::id() % 64).unwrap_or_default() * 16 + number * 1200 % 20_000
}
