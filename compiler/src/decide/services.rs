//! What a node of each role answers.

use blueprint::Role;
use blueprint::platform::{Hookup, Service, Tls};

use super::ports;

/// Returns what a node of a role answers, sorted by port, then name.
pub fn services(role: Role, hookup: Hookup) -> Vec<Service> {
    use Tls::{Implicit, None, Starttls};
    let front = |name, protocol, port, tls| service(name, protocol, port, tls, true);
    let inner = |name, protocol, port, tls| service(name, protocol, port, tls, false);
    let mut services = match role {
        Role::Balancer => vec![inner("balancer-status", "http", ports::BALANCER_STATUS, None)],
        Role::Mx => vec![front("mx", "smtp", ports::SMTP, Starttls), inner("relay", "smtp", ports::RELAY, Starttls)],
        // Mail of the platform's own users is asked about as a milter, whatever form strangers' mail comes in by.
        Role::Defense => vec![
            inner("defense", "milter", ports::MILTER, None),
            inner("defense-controller", "http", ports::DEFENSE_CONTROLLER, None),
        ],
        Role::Cache => {
            vec![inner("cache", "redis", ports::REDIS, None), inner("cache-sentinel", "redis", ports::SENTINEL, None)]
        }
        Role::Submission => vec![
            front("submission", "smtp", ports::SUBMISSION, Starttls),
            front("submissions", "smtp", ports::SUBMISSIONS, Implicit),
        ],
        Role::Outbound => {
            vec![inner("relay", "smtp", ports::RELAY, Starttls), inner("forwarded", "smtp", ports::FORWARDED, Starttls)]
        }
        Role::Store => vec![
            inner("lmtp", "lmtp", ports::LMTP, Starttls),
            inner("store-imap", "imap", ports::IMAP, Starttls),
            inner("store-pop3", "pop3", ports::POP3, Starttls),
            inner("store-managesieve", "managesieve", ports::MANAGESIEVE, Starttls),
            inner("quota-status", "policy", ports::QUOTA_STATUS, None),
            inner("sasl", "dovecot-auth", ports::SASL, None),
        ],
        Role::Access => vec![
            front("imap", "imap", ports::IMAP, Starttls),
            front("imaps", "imap", ports::IMAPS, Implicit),
            front("pop3", "pop3", ports::POP3, Starttls),
            front("pop3s", "pop3", ports::POP3S, Implicit),
            front("managesieve", "managesieve", ports::MANAGESIEVE, Starttls),
            inner("inner-imap", "imap", ports::INNER_IMAP, Starttls),
            inner("inner-managesieve", "managesieve", ports::INNER_MANAGESIEVE, Starttls),
        ],
        Role::Web => vec![front("webmail", "https", ports::HTTPS, Implicit)],
        Role::Control => {
            vec![front("api", "https", ports::HTTPS, Implicit), front("console", "https", ports::HTTPS, Implicit)]
        }
        Role::Directory => vec![
            inner("directory", "postgresql", ports::POSTGRESQL, Starttls),
            inner("directory-pool", "postgresql", ports::PGBOUNCER, Starttls),
            inner("directory-elector", "http", ports::PATRONI, None),
        ],
        Role::Calendar => vec![inner("calendar", "https", ports::CALDAV, Implicit)],
        Role::Dns => vec![front("dns", "dns", ports::DNS, None), inner("resolver", "dns", ports::RESOLVER, None)],
        Role::Monitor => vec![
            inner("metrics", "http", ports::PROMETHEUS, None),
            inner("alerts", "http", ports::ALERTMANAGER, None),
            inner("journal", "http", ports::JOURNAL, None),
        ],
    };
    match (role, hookup) {
        (Role::Defense, Hookup::Gateway) => services.push(inner("gateway", "smtp", ports::GATEWAY, Implicit)),
        (Role::Mx, Hookup::Gateway) => services.push(inner("returned", "smtp", ports::RETURNED, Starttls)),
        _ => {}
    }
    services.sort_by(|a, b| (a.port, &a.name).cmp(&(b.port, &b.name)));
    services
}

/// Returns what an outbound node answers for a pool that has a port of its own.
pub fn pool(name: &values::Name, port: u16) -> Service {
    service(&format!("relay-{name}"), "smtp", port, Tls::Starttls, false)
}

fn service(name: &str, protocol: &str, port: u16, tls: Tls, front: bool) -> Service {
    Service { name: name.to_owned(), protocol: protocol.to_owned(), port, tls, front }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_answers_something_and_only_one_thing_under_a_name() {
        for role in Role::ALL {
            let services = services(role, Hookup::Milter);
            assert!(!services.is_empty(), "{}", role.name());
            let mut names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), services.len());
            assert!(services.is_sorted_by_key(|service| service.port));
        }
    }
}
