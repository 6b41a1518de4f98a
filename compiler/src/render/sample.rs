//! A small platform for the tests of renderers: one cluster, two stores, one domain with an alias, a list and a forward.

use blueprint::platform::*;
use blueprint::roster::*;
use blueprint::{Blueprint, Node, Role, Roster};
use values::{ByteSize, Duration, HostName, MailAddress, Name};

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn host(text: &str) -> HostName {
    text.parse().unwrap()
}

pub(crate) fn address(text: &str) -> MailAddress {
    text.parse().unwrap()
}

pub(crate) fn node(role: Role, number: u32) -> Node {
    Node {
        name: name(&format!("{}-{number}", role.name())),
        role,
        cluster: name("a"),
        site: name("toronto"),
        host: name("x-1"),
        hostname: host(&format!("{}-{number}.northmail.example", role.name())),
        cores: 1,
        memory: ByteSize::from_gibibytes(1),
        disk: ByteSize::from_gibibytes(8),
        storage: None,
        addresses: vec![format!("10.20.{}.{number}", role as u8 + 1).parse().unwrap()],
        front_addresses: Vec::new(),
        services: Vec::new(),
    }
}

pub(crate) fn platform() -> Blueprint {
    let mut nodes: Vec<Node> = [Role::Balancer, Role::Mx, Role::Defense, Role::Submission, Role::Outbound, Role::Store]
        .into_iter()
        .flat_map(|role| [node(role, 1), node(role, 2)])
        .collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    Blueprint {
        version: blueprint::VERSION,
        platform: name("northmail"),
        environment: name("qa"),
        operator: Operator {
            name: "Northwind Email".to_owned(),
            postmaster: address("postmaster@northmail.example"),
            abuse: address("abuse@northmail.example"),
        },
        service_domain: host("northmail.example"),
        release: Release { name: "2026.11".to_owned(), distribution: "bookworm".to_owned() },
        sites: Vec::new(),
        hosts: Vec::new(),
        nodes,
        defense: Defense {
            name: name("email-defense"),
            hookup: Hookup::Milter,
            tag: "5".parse().unwrap(),
            quarantine: "8".parse().unwrap(),
            reject: "15".parse().unwrap(),
            subject: "[SPAM]".to_owned(),
            virus: VirusAction::Quarantine,
            on_unavailable: Unavailable::Defer,
            virus_max_size: ByteSize::from_mebibytes(25),
            greylist: None,
            dnsbl: vec![Dnsbl { zone: host("bl.example"), weight: "4.5".parse().unwrap() }],
            sender_rate: None,
            address_rate: None,
        },
        mail: Mail {
            max_message: ByteSize::from_mebibytes(35),
            queue_lifetime: Duration::from_days(5),
            bounce_notice: Duration::from_seconds(4 * 3600),
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
        outbound: Vec::new(),
        dns: Dns::default(),
        world: World::default(),
        retention: Retention {
            deleted_mailbox: Duration::from_days(30),
            deleted_message: Duration::from_days(14),
            logs: Duration::from_days(90),
            audit: Duration::from_days(400),
        },
        backup: Backup::default(),
        alerts: Vec::new(),
        secrets: Vec::new(),
        renames: Vec::new(),
        noted: Vec::new(),
    }
}

pub(crate) fn mailbox(at: &str) -> Mailbox {
    Mailbox {
        address: address(at),
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
        defense: DefenseSettings::default(),
        initial_password: None,
        on_removal: OnRemoval { action: "suspend".to_owned(), hold: Duration::from_days(30) },
    }
}

pub(crate) fn tenants() -> Roster {
    Roster {
        version: blueprint::VERSION,
        tiers: vec![Tier {
            name: name("basic"),
            kind: TierKind::Mailbox,
            quota: Some(ByteSize::from_gibibytes(2)),
            services: vec![MailService::Smtpin, MailService::Imap],
            send_limit: None,
        }],
        resellers: Vec::new(),
        brands: Vec::new(),
        domains: vec![Domain {
            name: host("acme.example"),
            reseller: name("acme"),
            tier: name("basic"),
            brand: None,
            cluster: name("a"),
            outbound: None,
            aliases: vec![host("acme-mail.example")],
            catch_all: None,
            filter_mx: None,
            defense: DefenseSettings::default(),
            workgroups: Vec::new(),
        }],
        mailboxes: vec![
            Mailbox { aliases: vec![address("al@acme.example")], ..mailbox("alice@acme.example") },
            Mailbox { forward: vec![address("alice@acme.example")], keep: true, ..mailbox("office@acme.example") },
            mailbox("\"with blank\"@acme.example"),
        ],
        forwards: vec![Forward {
            address: address("sales@acme.example"),
            workgroup: None,
            to: vec![address("alice@acme.example"), address("bob@elsewhere.example")],
        }],
        renames: Vec::new(),
        lists: vec![List {
            address: address("team@acme.example"),
            workgroup: None,
            members: vec![address("alice@acme.example")],
            restricted: true,
        }],
    }
}
