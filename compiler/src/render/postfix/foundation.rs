//! What every Postfix of the platform is set to, and how each is started and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use blueprint::platform::Mail;
use blueprint::{Blueprint, Check, File, Node, Piece, Process, Role};
use values::Network;

use super::bounce;
use super::main_cf::{Endpoint, Item, MainCf, Parameter, TlsVersion};
use super::master_cf::MasterCf;
use super::pgsql::Lookup;
use super::release::Version;
use crate::decide::{ports, secrets};
use crate::render::{place, system};

/// The folder of the node's own Postfix.
pub const FOLDER: &str = "/etc/postfix";
/// The node's private key with its certificate chain.
pub const KEY_AND_CERTIFICATE: &str = "/etc/postfix/tls/node.pem";
/// What notices say.
const BOUNCE_TEXTS: &str = "/etc/postfix/bounce.cf";

/// `Received` lines after which a message is taken for one that goes round in circles.
const HOPS: u64 = 50;
/// Connections that one client may have.
const CONNECTIONS: u64 = 200;

/// What is rendered for one node.
#[derive(Clone, Copy, Debug)]
pub struct Site<'b> {
    /// The platform.
    pub blueprint: &'b Blueprint,
    /// The node.
    pub node: &'b Node,
    /// The Postfix that it runs.
    pub version: Version,
}

impl<'b> Site<'b> {
    /// Takes a node of a platform.
    pub fn new(blueprint: &'b Blueprint, node: &'b Node) -> Self {
        Self { blueprint, node, version: Version::of(&blueprint.release.distribution) }
    }

    /// Returns where the nodes of a role are reached.
    pub fn group(self, role: Role, port: u16) -> Option<Endpoint> {
        place::group(self.blueprint, self.node, role).map(|host| Endpoint { host, port })
    }

    /// Returns where the directory is asked: straight where one node holds it, else through the pool of connections.
    pub fn directory(self) -> Option<Endpoint> {
        let cluster = place::nearest(self.blueprint, self.node, Role::Directory)?;
        let several = place::members(self.blueprint, cluster, Role::Directory).nth(1).is_some();
        self.group(Role::Directory, if several { ports::PGBOUNCER } else { ports::POSTGRESQL })
    }

    /// Returns every node of the directory where there are several, so that one can be asked while another is gone.
    pub fn directories(self) -> Vec<Endpoint> {
        let cluster = place::nearest(self.blueprint, self.node, Role::Directory);
        let nodes: Vec<&Node> =
            cluster.map_or(Vec::new(), |cluster| place::members(self.blueprint, cluster, Role::Directory).collect());
        match nodes.len() {
            0 | 1 => self.directory().into_iter().collect(),
            _ => (nodes.iter()).map(|node| Endpoint { host: node.hostname.clone(), port: ports::PGBOUNCER }).collect(),
        }
    }

    /// Tells whether the world reaches this node through balancers.
    pub fn balanced(self) -> bool {
        place::has(self.blueprint, &self.node.cluster, Role::Balancer)
    }
}

/// Says who the node is and whom it takes for its own.
pub fn identity(file: &mut MainCf, site: Site<'_>, trusted: &[Role]) {
    let Site { blueprint, node, .. } = site;
    file.heading("Who this node is");
    file.set("compatibility_level", Item::Word("3.6"));
    file.set("myhostname", Item::Host(node.hostname.clone()));
    file.set("mydomain", Item::Host(blueprint.service_domain.clone()));
    file.set("myorigin", Item::Reference(Parameter::Own("myhostname")));
    // A node has no addresses but its own; naming them here would stop Postfix where one comes up late.
    file.set("inet_interfaces", Item::Word("all"));
    let both = node.addresses.iter().any(IpAddr::is_ipv6);
    file.set("inet_protocols", Item::Word(if both { "all" } else { "ipv4" }));
    let own_mail = blueprint
        .nodes
        .iter()
        .filter(|other| trusted.contains(&other.role))
        .flat_map(|other| &other.addresses)
        .filter_map(|&address| Network::new(address, if address.is_ipv4() { 32 } else { 128 }))
        .map(Item::Network);
    let mut networks = vec![Item::Word("127.0.0.0/8"), Item::Word("[::1]/128")];
    networks.extend(own_mail);
    file.set("mynetworks", networks);
    // Nobody has an account on the node itself, so no mail ends here.
    file.clear("mydestination");
    // An address at one of the node's own address literals would count as local: it is as unknown as any other.
    file.set("local_recipient_maps", Item::Reference(Parameter::Own("relay_recipient_maps")));
    file.set("local_transport", Item::Reply("error:5.1.1 no mail is kept on this node"));
    file.clear("alias_maps");
    file.clear("alias_database");
    // A name below a domain of the platform is another domain.
    file.clear("parent_domain_matches_subdomains");
    file.set("append_dot_mydomain", Item::Word("no"));
    file.set("biff", Item::Word("no"));
    file.set("maillog_file", Item::Word("/dev/stdout"));
    // The libraries below read these; a password has no business in a list that everybody may read.
    file.set(
        "import_environment",
        Item::Words(vec![
            "MAIL_CONFIG",
            "MAIL_DEBUG",
            "MAIL_LOGTAG",
            "TZ",
            "LANG=C",
            "PGAPPNAME=postfix",
            "PGCONNECT_TIMEOUT=5",
            "PGGSSENCMODE=disable",
            "PGSSLMODE=verify-full",
            "PGSSLROOTCERT=/etc/mailwright/authority.pem",
        ]),
    );
}

/// Says how much, how long, how often.
pub fn limits(file: &mut MainCf, mail: &Mail) {
    file.heading("How much, how long, how often");
    file.set("message_size_limit", Item::Number(mail.max_message.as_bytes()));
    // Mailboxes of this node's own do not exist; a limit below the message's would stop Postfix.
    file.set("mailbox_size_limit", Item::Number(0));
    file.set("virtual_mailbox_limit", Item::Number(0));
    file.set("maximal_queue_lifetime", Item::Seconds(mail.queue_lifetime.as_seconds()));
    file.set("bounce_queue_lifetime", Item::Seconds(mail.queue_lifetime.as_seconds()));
    file.set("delay_warning_time", Item::Seconds(mail.bounce_notice.as_seconds()));
    file.set("hopcount_limit", Item::Number(HOPS));
    file.set("smtpd_recipient_limit", Item::Number(1000));
    file.set("smtpd_client_connection_count_limit", Item::Number(CONNECTIONS));
    file.set("smtputf8_enable", Item::Word(if mail.internationalized { "yes" } else { "no" }));
    // Subaddresses are the directory's business: it knows them with and without their detail.
    file.clear("recipient_delimiter");
    // A name that is used again within a second would be taken for the message before.
    file.set("enable_long_queue_ids", Item::Word("yes"));
}

/// Says what is told of mail that fails, and to whom.
pub fn notices(file: &mut MainCf, blueprint: &Blueprint) {
    file.heading("What is told of mail that fails");
    file.set("bounce_template_file", Item::Word(BOUNCE_TEXTS));
    file.set("bounce_size_limit", Item::Number(50_000));
    file.set("notify_classes", vec![Item::Word("resource"), Item::Word("software")]);
    for name in
        ["2bounce_notice_recipient", "bounce_notice_recipient", "delay_notice_recipient", "error_notice_recipient"]
    {
        file.set(name, Item::Address(blueprint.operator.postmaster.clone()));
    }
}

/// Says how TLS is spoken with clients and with the platform's own nodes.
pub fn tls(file: &mut MainCf, mail: &Mail) {
    let least = if mail.tls_minimum == "1.3" { TlsVersion::V1_3 } else { TlsVersion::V1_2 };
    file.heading("TLS");
    file.set("smtpd_tls_security_level", Item::Word("may"));
    file.set("smtpd_tls_chain_files", Item::Word(KEY_AND_CERTIFICATE));
    for name in [
        "smtpd_tls_protocols",
        "smtpd_tls_mandatory_protocols",
        "smtp_tls_protocols",
        "smtp_tls_mandatory_protocols",
        "lmtp_tls_protocols",
        "lmtp_tls_mandatory_protocols",
    ] {
        file.set(name, Item::AtLeast(least));
    }
    file.set("smtpd_tls_received_header", Item::Word("yes"));
    file.set("tls_ssl_options", vec![Item::Word("NO_RENEGOTIATION"), Item::Word("NO_COMPRESSION")]);
}

/// Lets nothing be spoken with the platform's own nodes but TLS, each with the name it was asked for by.
pub fn inner_tls(file: &mut MainCf) {
    for (level, authority, names) in [
        ("smtp_tls_security_level", "smtp_tls_CAfile", "smtp_tls_verify_cert_match"),
        ("lmtp_tls_security_level", "lmtp_tls_CAfile", "lmtp_tls_verify_cert_match"),
    ] {
        file.set(level, Item::Word("verify"));
        file.set(authority, Item::Word(system::AUTHORITY));
        // The names are those of the node's own table of hosts, which nobody else writes.
        file.set(names, Item::Word("hostname"));
    }
    // Names of nodes are in /etc/hosts, so that delivery inside the platform asks no DNS.
    file.set("smtp_host_lookup", Item::Word("native"));
    file.set("lmtp_host_lookup", Item::Word("native"));
}

/// Holds every client to the protocol.
pub fn manners(file: &mut MainCf) {
    file.set("smtpd_helo_required", Item::Word("yes"));
    file.set("disable_vrfy_command", Item::Word("yes"));
    file.set("smtpd_discard_ehlo_keywords", vec![Item::Word("silent-discard"), Item::Word("etrn")]);
    // A bare line feed is how a second message is smuggled into a first (CVE-2023-51764); own nodes are no exception.
    file.set("smtpd_forbid_bare_newline", Item::Word("reject"));
    file.clear("smtpd_forbid_bare_newline_exclusions");
    file.set("smtpd_forbid_unauth_pipelining", Item::Word("yes"));
    file.set("smtpd_data_restrictions", Item::Word("reject_unauth_pipelining"));
}

/// Puts the node's files together.
pub fn files(site: Site<'_>, main_cf: &MainCf, master_cf: &MasterCf, lookups: &[Lookup]) -> BTreeMap<String, File> {
    let mut files = BTreeMap::from([
        (format!("{FOLDER}/main.cf"), File::text(main_cf.to_string())),
        (format!("{FOLDER}/master.cf"), File::text(master_cf.to_string())),
        (BOUNCE_TEXTS.to_owned(), File::text(bounce::texts(&site.blueprint.operator).to_string())),
        (
            KEY_AND_CERTIFICATE.to_owned(),
            File::private("root:root", vec![Piece::Secret(secrets::node_key(&site.node.name))]),
        ),
    ]);
    let directories = site.directories();
    if !directories.is_empty() {
        files.extend(lookups.iter().map(|lookup| (lookup.path.to_owned(), lookup.file(site.version, &directories))));
    }
    files
}

/// Makes the folders of a queue as they have to be, and tells Postfix not to look for that itself: its own look takes longer than
/// everything else it does at its start.
///
/// - Source: `postfix-files`, where folders of the queue are listed; `quick-start` in `postfix-script` (Postfix 3.7, 3.10).
const PREPARE: &str = r#"set -eu
queue=/var/spool/postfix$1 data=/var/lib/postfix$1
install -d -o root -g root -m 0755 "$queue" "$queue/pid"
for folder in active bounce corrupt defer deferred flush hold incoming private saved trace; do set -- "$@" "$queue/$folder"; done
shift
install -d -o postfix -g root -m 0700 "$@"
install -d -o postfix -g postdrop -m 1730 "$queue/maildrop"
install -d -o postfix -g postdrop -m 2710 "$queue/public"
install -d -o postfix -g postfix -m 0700 "$data"
: >"$queue/quick-start"
"#;

/// Returns how a Postfix is run.
///
/// - `instance`: what its folder is called below the others', empty for the node's own.
/// - `after`: where something must answer first.
/// - `ready`: the ports it listens on.
pub fn process(instance: &str, after: Vec<String>, ready: Vec<u16>) -> Process {
    let suffix = if instance.is_empty() { String::new() } else { format!("-{instance}") };
    let (name, folder, unit) = match instance {
        "" => ("postfix".to_owned(), FOLDER.to_owned(), "postfix@-.service".to_owned()),
        instance => {
            (format!("postfix-{instance}"), format!("{FOLDER}-{instance}"), format!("postfix-{instance}.service"))
        }
    };
    let postfix = |verb: &str| {
        ["/usr/sbin/postfix", "-c", &folder, verb].iter().map(|&word| word.to_owned()).collect::<Vec<String>>()
    };
    Process {
        unit,
        prepare: vec![["/bin/sh", "-c", PREPARE, "prepare", &suffix].map(str::to_owned).to_vec()],
        command: postfix("start-fg"),
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after,
        ready,
        reload: Some(postfix("reload")),
        // master(8) takes new and gone services over when it is told to; sessions go on.
        restart_on: Vec::new(),
        reads: vec![format!("{folder}/"), system::AUTHORITY.to_owned()],
        name,
    }
}

/// Returns what Postfix's own programs are asked about a folder.
pub fn checks(folder: &str, files: &BTreeMap<String, File>) -> Vec<Check> {
    let ours: Vec<String> = files.keys().filter(|path| path.starts_with(&format!("{folder}/"))).cloned().collect();
    let check = |name: &str, arguments: &[&str], files: Vec<String>| Check {
        name: name.to_owned(),
        command: arguments.iter().map(|&word| word.to_owned()).collect(),
        files,
        harmless: Vec::new(),
    };
    let (main_cf, master_cf) = (format!("{folder}/main.cf"), format!("{folder}/master.cf"));
    vec![
        check("postfix main.cf", &["/usr/sbin/postconf", "-c", folder, "-n"], vec![main_cf]),
        check("postfix master.cf", &["/usr/sbin/postconf", "-c", folder, "-M"], vec![master_cf.clone()]),
        check("postfix master.cf options", &["/usr/sbin/postconf", "-c", folder, "-P"], vec![master_cf]),
        check("postfix notices", &["/usr/sbin/postconf", "-c", folder, "-b"], vec![BOUNCE_TEXTS.to_owned()]),
        check("postfix", &["/usr/sbin/postfix", "-c", folder, "check"], ours),
    ]
}

/// Returns the question whether a table of ours can be read: everything in it is told.
pub fn table_check(path: &str) -> Check {
    Check {
        name: "postfix table".to_owned(),
        command: ["/usr/sbin/postmap", "-s", &format!("texthash:{path}")].iter().map(|&word| word.to_owned()).collect(),
        files: vec![path.to_owned()],
        harmless: Vec::new(),
    }
}

/// Returns the packages of the distribution that a Postfix of ours takes.
pub fn packages() -> BTreeSet<String> {
    BTreeSet::from(["postfix".to_owned(), "postfix-pgsql".to_owned()])
}

/// Returns where something must answer before a Postfix is started.
pub fn waits_for(site: Site<'_>, others: &[Option<Endpoint>]) -> Vec<String> {
    let directory = site.directory();
    [&directory].into_iter().chain(others).flatten().map(|at| format!("{}:{}", at.host, at.port)).collect()
}
