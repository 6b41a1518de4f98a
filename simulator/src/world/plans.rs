//! Plans for the world's tests.

use super::*;
use crate::engine::{Bounds, Host, InternetDomain, Mail};
use crate::journal::Options;
use crate::network::Line;
use crate::queue::Patience;

pub(crate) fn host(name: &str, last: u8, roles: &[Role]) -> Host {
    Host {
        name: name.to_owned(),
        hostname: format!("{name}.northmail.example").parse().unwrap(),
        address: IpAddr::from([10, 20, 0, last]),
        fronts: Vec::new(),
        roles: roles.to_vec(),
        line: Line { latency_milliseconds: 1, bytes_per_second: None },
    }
}

pub(crate) fn plan() -> Topology {
    let domain = |name: &str| InternetDomain {
        name: name.parse().unwrap(),
        mailboxes: vec![("bob".parse().unwrap(), "bob's".to_owned())],
        takes: Vec::new(),
        greylist_milliseconds: None,
        dmarc: None,
        dkim: None,
        line: Line { latency_milliseconds: 20, bytes_per_second: None },
        unreachable: false,
    };
    let mut greylisting = domain("bigmail.example");
    greylisting.greylist_milliseconds = Some(60_000);
    let mut down = domain("down.example");
    down.unreachable = true;
    let mut slow = domain("slow.example");
    slow.line = Line { latency_milliseconds: 800, bytes_per_second: Some(8_000) };
    Topology {
        hosts: vec![
            host("mx-1", 1, &[Role::Mx]),
            host("defense-1", 2, &[Role::Defense]),
            host("submission-1", 3, &[Role::Submission]),
            host("outbound-1", 4, &[Role::Outbound]),
            host("store-1", 5, &[Role::Store]),
            host("store-2", 6, &[Role::Store]),
            host("access-1", 7, &[Role::Access]),
            host("internet", 8, &[Role::Internet]),
        ],
        internet: vec![greylisting, down, slow, domain("plain.example")],
        zones: crate::dns::Zones::default(),
        defense: crate::engine::Defense::STANDARD,
        mail: Mail {
            origin: "northmail.example".parse().unwrap(),
            max_message_bytes: 1 << 20,
            help: "For help, write to postmaster@northmail.example.".to_owned(),
            patience: Patience::STANDARD,
            subaddress_separator: Some('+'),
            forwarding: Some(crate::engine::Forwarding {
                domain: "srs.northmail.example".parse().unwrap(),
                secret: b"secret".to_vec(),
            }),
        },
        signing: crate::signing::Signing::default(),
        pools: crate::engine::Pools::default(),
        bounds: Bounds::STANDARD,
        journal: Options { segment_bytes: 64 << 10, ..Options::STANDARD },
        plaintext_login: true,
    }
}

pub(crate) fn accounts() -> Accounts {
    let mut accounts = Accounts::of(&["acme.example".parse().unwrap(), "globex.example".parse().unwrap()]);
    accounts.add("alice@acme.example".parse().unwrap(), "store-1", "alice's");
    accounts.add("office@acme.example".parse().unwrap(), "store-2", "office's");
    accounts.add("hank@globex.example".parse().unwrap(), "store-1", "hank's");
    accounts
}

pub(crate) fn world(seed: u64) -> World {
    World::new(seed, plan(), accounts()).unwrap()
}

/// Adds a list of two mailboxes and a forward to the outside.
pub(crate) fn add_team(accounts: &mut Accounts) {
    let mailbox = |address: &str, store: &str| crate::directory::Mailbox {
        address: address.parse().unwrap(),
        store: store.to_owned(),
        quota: None,
        sieve: true,
        script: None,
    };
    let delivery = crate::directory::Delivery {
        mailboxes: vec![mailbox("alice@acme.example", "store-1"), mailbox("office@acme.example", "store-2")],
        forwards: vec!["bob@plain.example".parse().unwrap()],
        filtered: Vec::new(),
        policy: Accounts::policy(),
        senders: None,
        autoreply: None,
    };
    accounts.add_other(&"team@acme.example".parse().unwrap(), delivery);
}
