//! The store role: keeps mailboxes. LMTP, IMAP, POP3, ManageSieve for the access nodes, room and sign-ins for other daemons.
//!
//! Source: doc.dovecot.org of 2.3 and 2.4, Pigeonhole's manual.
//!
//! Mail is kept as `sdbox`: one file a message that is never renamed or rewritten, flags in an index of their own. A copy of
//! the files taken while mail comes in is whole as far as it goes, which `mdbox` with its shared files and its purges does not
//! promise, and flags do not rename files as in a Maildir.

use std::collections::BTreeSet;

use blueprint::{Blueprint, Check, File, Node, Role, Tree};
use values::ByteSize;

use super::base::{self, words};
use super::conf::{Block, Part, SectionName, Value};
use super::directory::{Directory, Questions};
use super::{Version, filing, ways};
use crate::decide::ports;
use crate::render::place;

/// Folders that every mailbox has beside the inbox, and what they are for (RFC 6154).
const FOLDERS: [(&str, &str); 4] =
    [("Spam", "\\Junk"), ("Sent", "\\Sent"), ("Drafts", "\\Drafts"), ("Trash", "\\Trash")];

/// What stands before the folder of deleted messages, which no list shows.
const DELETED_PREFIX: &str = ".EXPUNGED/";
/// The folder of deleted messages.
const DELETED: &str = ".EXPUNGED/messages";

/// Returns what a store is made of.
pub fn tree(blueprint: &Blueprint, node: &Node) -> Tree {
    let mut tree = Tree::default();
    let directory = Directory::of(blueprint, node);
    let mut conf = base::begin(blueprint, node);
    protocols(&mut conf);
    base::signing_in(&mut conf);
    conf.set("login_trusted_networks", Value::Networks(base::networks(blueprint, node, Role::Access)));
    if let Some(directory) = &directory {
        let of =
            |role| place::members(blueprint, &node.cluster, role).flat_map(|other| &other.addresses).copied().collect();
        let others = [("webmail", of(Role::Web)), ("calendar", of(Role::Calendar))];
        let questions = Questions::of_store(conf.version(), node, blueprint.mail.subaddressing, &others);
        tree.files.extend(questions.write(&mut conf, directory));
        tree.files.extend(directory.scripts(&mut conf));
    }
    base::tls(&mut conf, blueprint);
    mail(&mut conf, blueprint);
    delivery(&mut conf, blueprint, node);
    quota(&mut conf);
    sieve(&mut conf, blueprint);
    listeners(&mut conf);
    limits(&mut conf, node);
    base::metrics(&mut conf, blueprint);
    tree.files.insert(base::CONF.to_owned(), File::text(conf.to_string()));
    tree.files.insert(filing::PATH.to_owned(), File::text(filing::script().to_string()));
    tree.files.extend([base::key_file(node)]);
    let compiled = format!("{}/before.svbin", filing::COMPILED);
    let compile = ["/usr/bin/sievec", filing::PATH, &compiled];
    tree.processes.push(base::process(
        vec![
            words(&["/usr/bin/install", "-d", "-m", "0755", "/var/vmail", filing::COMPILED, "/var/empty"]),
            words(&["/bin/chown", "5000:5000", "/var/vmail"]),
            words(&compile),
            // Deliveries read it as the user of mail's files.
            words(&["/bin/chmod", "0644", &compiled]),
        ],
        directory.as_ref(),
        ready(conf.version()),
        &[
            "/bin/sh",
            "-c",
            &format!("{} && /bin/chmod 0644 {compiled} && exec /usr/bin/doveadm reload", compile.join(" ")),
        ],
    ));
    tree.checks = checks();
    tree.packages = packages();
    tree
}

fn checks() -> Vec<Check> {
    let conf = vec![base::CONF.to_owned()];
    vec![
        Check {
            name: "dovecot".to_owned(),
            command: words(&["/usr/bin/doveconf", "-n"]),
            files: conf,
            harmless: Vec::new(),
        },
        Check {
            name: "sieve".to_owned(),
            command: words(&["/usr/bin/sievec", filing::PATH, "/tmp/before.svbin"]),
            files: vec![filing::PATH.to_owned()],
            harmless: Vec::new(),
        },
    ]
}

fn packages() -> BTreeSet<String> {
    ["core", "imapd", "lmtpd", "managesieved", "pgsql", "pop3d", "sieve"]
        .map(|package| format!("dovecot-{package}"))
        .into_iter()
        .collect()
}

fn protocols(conf: &mut Block) {
    base_protocols(conf, &["imap", "pop3", "lmtp", "sieve"], "imap pop3 lmtp sieve");
}

/// Says which protocols it speaks: one list in 2.3, a flag each in 2.4.
pub fn base_protocols(conf: &mut Block, flags: &'static [&'static str], list: &'static str) {
    match conf.version() {
        Version::V2_3 => conf.words("protocols", list),
        Version::V2_4 => conf.section("protocols", SectionName::None, |section| {
            flags.iter().for_each(|protocol| section.set(protocol, Value::Flag(true)));
        }),
    }
}

fn mail(conf: &mut Block, blueprint: &Blueprint) {
    let version = conf.version();
    conf.heading("Mail, in files that are written once");
    match version {
        Version::V2_3 => conf.words("mail_location", "sdbox:~/mail:VOLATILEDIR=~/volatile"),
        Version::V2_4 => {
            conf.words("mail_driver", "sdbox");
            conf.words("mail_path", "~/mail");
            conf.words("mail_volatile_path", "~/volatile");
        }
    }
    // With an index of folders, two first deliveries to one mailbox wait for each other (2.3.19: each holds one of the index's lock
    // and the lock of the folders' list): one of them dies after it has stored its message, which then comes twice.
    conf.set("mailbox_list_index", Value::Flag(false));
    conf.set("mail_uid", Value::Number(base::MAIL_USER));
    conf.set("mail_gid", Value::Number(base::MAIL_USER));
    conf.set("first_valid_uid", Value::Number(base::MAIL_USER));
    conf.set("first_valid_gid", Value::Number(base::MAIL_USER));
    if version == Version::V2_4 {
        conf.words("mail_privileged_group", "");
    }
    plugins(conf, "quota lazy_expunge", &["quota", "lazy_expunge"]);
    conf.own_section("namespace", "inbox", |section| {
        section.set("inbox", Value::Flag(true));
        section.words("separator", "/");
        for (name, used_for) in FOLDERS {
            section.own_section("mailbox", name, |folder| {
                folder.words("auto", "subscribe");
                folder.words("special_use", used_for);
            });
        }
    });
    // Deleted messages can be restored for a while: they move where no list shows them and no quota counts them.
    conf.own_section("namespace", "deleted", |section| {
        section.words("prefix", DELETED_PREFIX);
        section.words("separator", "/");
        section.set("hidden", Value::Flag(true));
        section.words("list", "no");
        section.set("subscriptions", Value::Flag(false));
        match version {
            Version::V2_3 => section.words("location", "sdbox:~/deleted"),
            Version::V2_4 => {
                section.words("mail_path", "~/deleted");
                section.set("quota_ignore", Value::Flag(true));
            }
        }
        section.own_section("mailbox", "messages", |folder| {
            folder.words("auto", "create");
            folder.set("autoexpunge", Value::Seconds(blueprint.retention.deleted_message.as_seconds()));
        });
    });
    if version == Version::V2_4 {
        conf.words("lazy_expunge_mailbox", DELETED);
    }
    conf.own_section("protocol", "imap", |section| {
        plugins(section, "$mail_plugins imap_quota", &["imap_quota"]);
    });
    // A copy of a message is another message: what the client may say, and how long it may be away.
    conf.set("mail_max_userip_connections", Value::Number(50));
}

/// Says which plugins are loaded: one list in 2.3, a flag each in 2.4.
fn plugins(conf: &mut Block, list: &'static str, flags: &'static [&'static str]) {
    match conf.version() {
        Version::V2_3 => conf.words("mail_plugins", list),
        Version::V2_4 => conf.section("mail_plugins", SectionName::None, |section| {
            flags.iter().for_each(|plugin| section.set(plugin, Value::Flag(true)));
        }),
    }
}

fn delivery(conf: &mut Block, blueprint: &Blueprint, node: &Node) {
    conf.heading("Delivery, and mail that scripts send");
    // The directory knows what a detail is, and that an address may hold the separator without having one.
    conf.set("recipient_delimiter", Value::Text(Vec::new()));
    conf.set("lmtp_rcpt_check_quota", Value::Flag(true));
    conf.set("quota_full_tempfail", Value::Flag(false));
    conf.own_section("protocol", "lmtp", |section| {
        plugins(section, "$mail_plugins sieve", &["sieve"]);
    });
    // What scripts send goes the way of all mail, through the defense.
    if let Some(host) = place::group(blueprint, node, Role::Mx) {
        conf.set("submission_host", Value::Text(vec![Part::Plain(format!("{host}:{}", ports::RELAY))]));
        conf.words("submission_ssl", "starttls");
    }
}

fn quota(conf: &mut Block) {
    const FULL: &str = "552 5.2.2 Mailbox is full";
    conf.heading("Room");
    match conf.version() {
        Version::V2_3 => conf.section("plugin", SectionName::None, |plugin| {
            plugin.words("quota", "count:User quota");
            plugin.set("quota_vsizes", Value::Flag(true));
            plugin.words("quota_grace", "0");
            plugin.words("quota_rule2", ".EXPUNGED/*:ignore");
            plugin.words("quota_status_success", "DUNNO");
            plugin.words("quota_status_nouser", "DUNNO");
            plugin.words("quota_status_overquota", FULL);
            plugin.words("quota_status_toolarge", FULL);
            plugin.words("lazy_expunge", DELETED);
        }),
        Version::V2_4 => {
            conf.section("quota", SectionName::Text("User quota".to_owned()), |quota| {
                quota.words("driver", "count");
            });
            conf.words("quota_storage_grace", "0");
            conf.words("quota_status_success", "DUNNO");
            conf.words("quota_status_nouser", "DUNNO");
            conf.words("quota_status_overquota", FULL);
            conf.words("quota_status_toolarge", FULL);
        }
    }
}

fn sieve(conf: &mut Block, blueprint: &Blueprint) {
    conf.heading("Scripts: the platform's, then the user's own");
    let score = || Value::Text(vec![Part::Plain(blueprint.defense.quarantine.to_string())]);
    let header = || Value::Text(vec![Part::Plain(filing::SCORE_HEADER.to_owned())]);
    match conf.version() {
        Version::V2_3 => conf.section("plugin", SectionName::None, |plugin| {
            plugin.words("sieve", "file:~/sieve;active=~/.dovecot.sieve");
            plugin.words("sieve_before", "file:/etc/dovecot/sieve/before.sieve;bindir=/var/lib/dovecot/sieve");
            plugin
                .words("sieve_global_extensions", "+vacation-seconds +spamtest +spamtestplus +vnd.dovecot.environment");
            if let Some(separator) = blueprint.mail.subaddressing {
                plugin.set("recipient_delimiter", Value::Text(vec![Part::Literal(separator.to_string())]));
            }
            plugin.words("sieve_vacation_min_period", "1h");
            plugin.words("sieve_vacation_max_period", "60d");
            plugin.words("sieve_variables_max_variable_size", "64k");
            plugin.words("sieve_spamtest_status_type", "score");
            plugin.set("sieve_spamtest_status_header", header());
            plugin.set("sieve_spamtest_max_value", score());
            plugin.words("sieve_max_redirects", "25");
        }),
        Version::V2_4 => {
            conf.own_section("sieve_script", "personal", |script| {
                script.words("type", "personal");
                script.words("driver", "file");
                script.words("path", "~/sieve");
                script.words("active_path", "~/.dovecot.sieve");
            });
            // The directory says who has been given one, which is fetched from it then.
            conf.own_section("sieve_script", "given", |script| {
                script.words("type", "default");
                script.words("driver", "file");
                script.words("path", "/var/empty/given.sieve");
                script.own_section("dict", "proxy", |dict| dict.words("name", "sieve"));
            });
            conf.own_section("sieve_script", "before", |script| {
                script.words("type", "before");
                script.words("driver", "file");
                script.words("path", filing::PATH);
                script.words("bin_path", filing::COMPILED);
            });
            conf.section("sieve_global_extensions", SectionName::None, |section| {
                for extension in ["vacation-seconds", "spamtest", "spamtestplus", "vnd.dovecot.environment"] {
                    section.set(extension, Value::Flag(true));
                }
            });
            conf.words("sieve_vacation_min_period", "1h");
            conf.words("sieve_vacation_max_period", "60d");
            conf.words("sieve_variables_max_value_size", "64k");
            conf.words("sieve_spamtest_status_type", "score");
            conf.set("sieve_spamtest_status_header", header());
            conf.set("sieve_spamtest_score_max_value", score());
            conf.words("sieve_max_redirects", "25");
        }
    }
}

fn ready(version: Version) -> Vec<u16> {
    let mut ports = vec![ports::LMTP, ports::POP3, ports::IMAP, ports::MANAGESIEVE, ports::QUOTA_STATUS, ports::SASL];
    if version == Version::V2_4 {
        ports.extend(ways::PROTOCOLS.map(|(_, _, port)| port));
    }
    ports
}

fn listeners(conf: &mut Block) {
    conf.heading("Where it answers");
    let listener = |conf: &mut Block, service: &'static str, on: &[(&'static str, u16)]| {
        conf.own_section("service", service, |section| {
            for &(name, port) in on {
                section.own_section("inet_listener", name, |listener| {
                    listener.set("port", Value::Number(u64::from(port)));
                    if port != 0 && ["imaps", "pop3s", "sieves"].contains(&name) {
                        listener.set("ssl", Value::Flag(true));
                    }
                });
            }
            several_clients(section);
        });
    };
    // A port of zero switches a listener off: the outside speaks to access nodes only.
    match conf.version() {
        Version::V2_3 => {
            listener(conf, "imap-login", &[("imap", ports::IMAP), ("imaps", 0)]);
            listener(conf, "pop3-login", &[("pop3", ports::POP3), ("pop3s", 0)]);
            listener(conf, "managesieve-login", &[("sieve", ports::MANAGESIEVE)]);
        }
        // Access nodes begin with TLS: see `ways`.
        Version::V2_4 => {
            listener(conf, "imap-login", &[("imap", ports::IMAP), ("imaps", ports::IMAPS)]);
            listener(conf, "pop3-login", &[("pop3", ports::POP3), ("pop3s", ports::POP3S)]);
            listener(conf, "managesieve-login", &[("sieve", ports::MANAGESIEVE), ("sieves", ports::INNER_MANAGESIEVE)]);
        }
    }
    conf.own_section("service", "lmtp", |section| {
        section.own_section("inet_listener", "lmtp", |listener| {
            listener.set("port", Value::Number(u64::from(ports::LMTP)));
        });
    });
    conf.own_section("service", "auth", |section| {
        section.own_section("inet_listener", "sasl", |listener| {
            listener.set("port", Value::Number(u64::from(ports::SASL)));
        });
    });
    conf.own_section("service", "quota-status", |section| {
        section.words("executable", "quota-status -p postfix");
        section.set("client_limit", Value::Number(1));
        section.own_section("inet_listener", "policy", |listener| {
            listener.set("port", Value::Number(u64::from(ports::QUOTA_STATUS)));
        });
    });
}

/// Lets a process take several clients before they have signed in: one that is thrown away for each is dear.
pub fn several_clients(section: &mut Block) {
    match section.version() {
        Version::V2_3 => section.set("service_count", Value::Number(0)),
        Version::V2_4 => section.words("restart_request_count", "unlimited"),
    }
}

fn limits(conf: &mut Block, node: &Node) {
    conf.heading("How much it may take");
    conf.words("default_vsz_limit", "1 G");
    let readers = base::processes(node, 60, ByteSize::from_mebibytes(6));
    for service in ["imap", "pop3"] {
        conf.own_section("service", service, |section| {
            section.set("process_limit", Value::Number(readers));
        });
    }
}
