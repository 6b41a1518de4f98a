//! The gateway form of Email Defense: a filtering hop on the scanners' nodes, which an mx hands each message to before it answers.
//!
//! The mx passes on what the gateway answers, so that a refusal is the sender's. What the gateway takes goes back to an mx, to a port
//! of its own behind which nobody looks at it again; what holds a virus stays in the gateway's queue. The mx comes by HAProxy
//! ([`super::to_gateway`]), which begins with TLS.
//!
//! Source: SMTPD_PROXY_README, postconf(5).

use blueprint::platform::Hookup;
use blueprint::{Blueprint, Node, Role, Tree};

use super::foundation::{self, FOLDER, Site};
use super::main_cf::{Item, MainCf, Part, Value};
use super::master_cf::{Entry, Kind, MasterCf, inner_services, only_own_nodes};
use super::mx::{milter, unavailable};
use crate::decide::ports;

/// Returns what a scanner's node has beside the scanner where mail comes through it; nothing elsewhere.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    if blueprint.defense.hookup != Hookup::Gateway {
        return Tree::default();
    }
    let site = Site::new(blueprint, node);
    let files = foundation::files(site, &main_cf(site), &master_cf(), &[]);
    Tree {
        checks: foundation::checks(FOLDER, &files),
        files,
        // Nothing is taken before the scanner next to it answers.
        processes: vec![foundation::process("", vec![format!("127.0.0.1:{}", ports::MILTER)], vec![ports::GATEWAY])],
        packages: foundation::packages(),
    }
}

fn main_cf(site: Site<'_>) -> MainCf {
    let mail = &site.blueprint.mail;
    let mut file = MainCf::new(site.version);
    foundation::identity(&mut file, site, &[Role::Mx]);
    foundation::limits(&mut file, mail);
    foundation::notices(&mut file, site.blueprint);
    foundation::tls(&mut file, mail);
    foundation::inner_tls(&mut file);
    file.heading("Who may speak to it, and how");
    file.set("smtpd_banner", Value::Text(vec![Part::Reference("myhostname"), Part::Literal(" ESMTP".to_owned())]));
    foundation::manners(&mut file);
    // The mx has refused whom nobody knows; only it gets in here.
    file.set("smtpd_client_restrictions", only_own_nodes());
    file.set("smtpd_relay_restrictions", only_own_nodes());
    file.set("smtpd_recipient_restrictions", only_own_nodes());
    file.clear("relay_domains");
    file.clear("relay_recipient_maps");
    file.clear("virtual_alias_maps");
    file.clear("virtual_alias_domains");
    file.clear("virtual_mailbox_domains");
    file.heading("Email Defense");
    if let Some(milter) = milter(site) {
        file.set("smtpd_milters", Item::Inet(milter));
    }
    unavailable(&mut file, &site.blueprint.defense);
    file.heading("Where mail goes");
    let back = match site.group(Role::Mx, ports::RETURNED) {
        Some(mx) => Item::NextHop("relay", vec![mx]),
        None => Item::Reply("error:5.4.4 no node takes this mail"),
    };
    file.set("default_transport", back.clone());
    file.set("relay_transport", back);
    file
}

fn master_cf() -> MasterCf {
    let mut entries = vec![
        Entry::new(Kind::Inet(ports::GATEWAY), "smtpd")
            .option("smtpd_tls_security_level", Item::Word("encrypt"))
            .option("smtpd_tls_wrappermode", Item::Word("yes")),
    ];
    entries.extend(inner_services());
    MasterCf { entries }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn a_gateway_scans_what_the_mx_brings_and_gives_it_back() {
        let mut blueprint = sample::platform();
        assert!(tree(&blueprint, &sample::node(Role::Defense, 1)).files.is_empty());
        blueprint.defense.hookup = Hookup::Gateway;
        let tree = tree(&blueprint, &sample::node(Role::Defense, 1));
        let text = String::from_utf8(tree.files["/etc/postfix/main.cf"].unfilled().0).unwrap();
        let has = |line: &str| assert!(text.lines().any(|it| it == line), "{line}: {text}");
        has("default_transport = relay:[mx.a.northmail.example]:10027");
        has("smtpd_milters = inet:defense.a.northmail.example:11332");
        has("smtpd_client_restrictions = permit_mynetworks, reject");
        assert_eq!(tree.processes[0].ready, [ports::GATEWAY]);
    }
}
