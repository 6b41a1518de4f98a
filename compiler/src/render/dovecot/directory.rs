//! What Dovecot asks of the directory: who signs in, where a mailbox lies, which mailboxes there are.
//!
//! Source: the functions of `control/lookup.sql`. Variables in a query are escaped by Dovecot before they go in.
//!
//! A store checks passwords, an access node does not: it hands the user's own name and password on to the store. Nobody learns
//! from an access node who exists, since unknown users are sent to a store as well and refused there; and a store compares
//! with some hash for unknown users too, so that they cost as much as others.

use std::net::IpAddr;

use blueprint::{Blueprint, File, Node, Piece, Role};
use values::HostName;

use super::conf::{Block, Part, SectionName, Value};
use super::{Version, ways};
use crate::decide::{ports, secrets};
use crate::render::place;
use crate::render::system::AUTHORITY;

/// Where 2.3 reads passwords' queries, and 2.4 all of them.
pub const PASSWORDS: &str = "/etc/dovecot/directory.conf";
/// Where 2.3 reads the queries for sign-ins with a token.
pub const TOKENS: &str = "/etc/dovecot/directory-tokens.conf";

/// Where 2.3 reads how scripts are fetched.
pub const SCRIPTS: &str = "/etc/dovecot/directory-scripts.conf";
/// The user that Dovecot fetches scripts as.
const FETCHER: &str = "dovecot:dovecot";

/// What kind of database it is: 2.3 wants it said for users, and takes it for a mistake where it reads how scripts are fetched.
const DRIVER: &str = "driver = pgsql\n";

/// A hash that no password has: unknown users are compared with it.
const NOBODY: &str = "{SHA512-CRYPT}$6$YYYYYYYYYYYY$\
                      qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq/";

/// The directory that a node asks.
#[derive(Clone, Debug)]
pub struct Directory {
    host: HostName,
    port: u16,
}

/// By these a node that lost its power is noticed within seconds; without them a query to it waits for a minute.
const GONE: [(&str, u32); 4] =
    [("tcp_user_timeout", 5_000), ("keepalives_idle", 5), ("keepalives_interval", 2), ("keepalives_count", 3)];

impl Directory {
    /// Returns the directory that a node asks.
    pub fn of(blueprint: &Blueprint, node: &Node) -> Option<Self> {
        let cluster = place::nearest(blueprint, node, Role::Directory)?;
        // Several have a primary that changes; the pool in front of them knows which one it is.
        let several = place::members(blueprint, cluster, Role::Directory).count() > 1;
        let port = if several { ports::PGBOUNCER } else { ports::POSTGRESQL };
        Some(Self { host: place::group(blueprint, node, Role::Directory)?, port })
    }

    /// Returns where it answers.
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Writes where it is into 2.4's file; the password is a hole of it.
    fn connection(&self) -> Vec<Piece> {
        let before = format!(
            "sql_driver = pgsql\n\npgsql {} {{\n  parameters {{\n    port = {}\n    dbname = mailwright\n    \
             sslmode = verify-full\n    sslrootcert = {AUTHORITY}\n    connect_timeout = 5\n{}    user = dovecot\n    password = ",
            self.host,
            self.port,
            GONE.map(|(name, value)| format!("    {name} = {value}\n")).concat()
        );
        vec![
            Piece::Bytes(before.into_bytes()),
            Piece::Secret(secrets::password("directory-dovecot")),
            Piece::Bytes(b"\n  }\n}\n".to_vec()),
        ]
    }

    /// Writes where it is into a file of 2.3.
    ///
    /// - `owner`: `user:group` of who reads it.
    fn connect(&self, owner: &str, rest: String) -> File {
        let before = format!(
            "connect = host={} port={} dbname=mailwright sslmode=verify-full sslrootcert={AUTHORITY} \
             connect_timeout=5{} user=dovecot password=",
            self.host,
            self.port,
            GONE.map(|(name, value)| format!(" {name}={value}")).concat()
        );
        let pieces = vec![
            Piece::Bytes(before.into_bytes()),
            Piece::Secret(secrets::password("directory-dovecot")),
            Piece::Bytes(format!("\n{rest}").into_bytes()),
        ];
        File::private(owner, pieces)
    }

    /// Says how the scripts are fetched that were given through the API: by their mailbox, from a view of the directory.
    ///
    /// What a script holds goes as a value from the database to the interpreter and is written nowhere.
    ///
    /// - Returns: the file that 2.3 reads it from.
    pub fn scripts(&self, conf: &mut Block) -> Option<(String, File)> {
        const MAPS: [(&str, &str, &str, &str); 2] =
            [("priv/sieve/name/$name", "name", "$name", "id"), ("priv/sieve/data/$id", "id", "$id", "script")];
        conf.own_section("service", "dict", |section| {
            // One connection to the directory is enough for the few that have one.
            section.set("client_limit", Value::Number(1000));
            section.set("process_limit", Value::Number(1));
        });
        match conf.version() {
            Version::V2_3 => {
                conf.section("dict", SectionName::None, |section| {
                    section.set("sieve", Value::Text(vec![Part::Plain(format!("pgsql:{SCRIPTS}"))]));
                });
                let maps = MAPS.map(|(pattern, key, variable, value)| {
                    format!(
                        "map {{\n  pattern = {pattern}\n  table = lookup.scripts\n  username_field = username\n  \
                         value_field = {value}\n  fields {{\n    {key} = {variable}\n  }}\n}}\n"
                    )
                });
                Some((SCRIPTS.to_owned(), self.connect(FETCHER, maps.concat())))
            }
            Version::V2_4 => {
                conf.section("dict_server", SectionName::None, |server| {
                    server.own_section("dict", "sieve", |dict| {
                        dict.words("driver", "sql");
                        for (pattern, key, variable, value) in MAPS {
                            dict.section("dict_map", SectionName::Text(pattern.to_owned()), |map| {
                                map.words("sql_table", "lookup.scripts");
                                map.words("username_field", "username");
                                map.own_section("value_field", value, |_| {});
                                map.own_section("key_field", key, |field| field.words("value", variable));
                            });
                        }
                    });
                });
                None
            }
        }
    }
}

/// Returns the service that somebody asks for, as a query says it.
fn service(version: Version, others: &[(&'static str, Vec<IpAddr>)]) -> String {
    let protocol = version.pick("%s", "%{protocol}");
    let cases: String = others
        .iter()
        .filter(|(_, addresses)| !addresses.is_empty())
        .map(|(service, addresses)| {
            let addresses: Vec<String> = addresses.iter().map(|address| format!("'{address}'")).collect();
            let from = version.pick("%r", "%{remote_ip}");
            format!("WHEN '{protocol}' = 'imap' AND '{from}' IN ({}) THEN '{service}' ", addresses.join(", "))
        })
        .collect();
    match cases.is_empty() {
        true => format!("'{protocol}'"),
        false => format!("CASE {cases}ELSE '{protocol}' END"),
    }
}

/// What a node asks.
pub struct Questions {
    version: Version,
    password: String,
    token: Option<String>,
    user: Option<String>,
    iterate: Option<String>,
}

impl Questions {
    /// Returns what a store asks.
    ///
    /// - `separator`: what stands before an address's detail.
    /// - `others`: addresses of nodes that ask for users over IMAP, with the service of a tier that lets them.
    pub fn of_store(
        version: Version,
        node: &Node,
        separator: Option<char>,
        others: &[(&'static str, Vec<IpAddr>)],
    ) -> Self {
        let (login, protocol, secret) =
            (version.pick("%u", "%{user}"), version.pick("%s", "%{protocol}"), version.pick("%w", "%{password}"));
        let service = service(version, others);
        // Somebody whose service is off is told so once the password was right; submission knows no such answer and is refused.
        let refusal = format!(
            "CASE WHEN reason IS NULL THEN NULL ELSE 'y' END AS nologin, \
             CASE WHEN reason IS NULL THEN NULL ELSE CASE '{protocol}' WHEN 'imap' THEN 'IMAP' WHEN 'pop3' THEN 'POP3' \
             ELSE 'ManageSieve' END || ' is switched off for this mailbox.' END AS reason"
        );
        let allowed = format!("(reason IS NULL OR '{protocol}' IN ('imap', 'pop3', 'sieve'))");
        let password = format!(
            "SELECT username AS \"user\", password, {refusal} FROM lookup.passdb('{login}', {service}) WHERE {allowed} \
             UNION ALL SELECT '{login}', '{NOBODY}', NULL, NULL \
             WHERE NOT EXISTS (SELECT FROM lookup.passdb('{login}', {service}) WHERE {allowed})"
        );
        let token = format!(
            "SELECT username AS \"user\", NULL AS password, 'y' AS nopassword, {refusal} \
             FROM lookup.passdb_token('{login}', {service}, '{secret}') WHERE {allowed}"
        );
        let quota = version.pick("quota_rule", "quota_bytes || 'B' AS quota_storage_size");
        let sieve = version.pick(
            "CASE WHEN sieve THEN NULL ELSE 'file:/var/empty/sieve;active=/var/empty/active.sieve' END AS sieve",
            "CASE WHEN sieve THEN NULL ELSE '/var/empty/active.sieve' END AS \"sieve_script/personal/active_path\"",
        );
        // One that was given through the API runs where its owner has none that is active; others' deliveries do not ask for one.
        let given = version.pick(
            "CASE WHEN sieve AND sieve_script <> '' THEN 'dict:proxy::sieve' END AS sieve_default",
            "CASE WHEN sieve AND sieve_script <> '' THEN 'dict' END AS \"sieve_script/given/driver\"",
        );
        let variable = |name: &str| match version {
            Version::V2_3 => format!("sieve_env_{name}"),
            Version::V2_4 => format!("sieve_environment/{name}"),
        };
        let most = version.pick("sieve_spamtest_max_value", "sieve_spamtest_score_max_value");
        // In 2.3 a percent sign in an answer begins a variable, as it would in the file.
        let word = |column: &str| {
            let doubled = format!("replace({column}, '%', '%%')");
            version.pick(doubled.as_str(), column).replace('%', version.pick("%%", "%"))
        };
        let (text, subject) = (word("autoreply"), word("autoreply_subject"));
        // Scripts may ask for the detail; deliveries must not cut it off, since the directory knows better what is one.
        let detail = match (version, separator) {
            (Version::V2_4, Some(separator)) => {
                format!("'{}' AS recipient_delimiter, ", separator.to_string().replace('\'', "''"))
            }
            _ => String::new(),
        };
        let user = format!(
            "SELECT {detail}u.username AS \"user\", u.home, u.uid, u.gid, u.{quota}, {sieve}, {given}, {text} AS \"{reply}\", \
             {subject} AS \"{subject_variable}\", \
             CASE WHEN u.autoreply_seconds < 86400 THEN u.autoreply_seconds / 3600 || 'h' \
             ELSE (u.autoreply_seconds + 86399) / 86400 || 'd' END AS \"{interval}\", u.spam_folder AS \"{folder}\", u.username AS \"{mailbox}\", \
             trim_scale(round(greatest(d.quarantine, 0.001), 3)) AS {most} FROM lookup.userdb('{login}') AS u LEFT JOIN lookup.defense('{login}') AS d ON true \
             CROSS JOIN lookup.signed_in(u.username, {service}) AS noted",
            reply = variable("autoreply"),
            subject_variable = variable("subject"),
            interval = variable("interval"),
            folder = variable("spam_folder"),
            mailbox = variable("mailbox"),
        );
        let iterate = format!("SELECT mailboxes AS \"user\" FROM lookup.mailboxes('{}')", node.hostname);
        Self { version, password, token: Some(token), user: Some(user), iterate: Some(iterate) }
    }

    /// Returns what an access node asks: where to.
    ///
    /// - `otherwise`: the store that unknown users are sent to.
    pub fn of_access(blueprint: &Blueprint, otherwise: &HostName) -> Self {
        let version = Version::of(blueprint);
        let (login, service) = (version.pick("%u", "%{user}"), service(version, &[]));
        let host = format!("coalesce(max(host), '{otherwise}')");
        let way = match version {
            Version::V2_3 => format!("'yes' AS starttls, {host} AS host"),
            Version::V2_4 => ways::fields(blueprint, &host, "%{protocol}"),
        };
        let password = format!(
            "SELECT coalesce(max(username), '{login}') AS \"user\", NULL AS password, 'y' AS nopassword, 'y' AS proxy, \
             {way} FROM lookup.passdb('{login}', {service})"
        );
        Self { version, password, token: None, user: None, iterate: None }
    }

    /// Adds the sections that ask, and returns the files they are in.
    pub fn write(self, conf: &mut Block, directory: &Directory) -> Vec<(String, File)> {
        match self.version {
            Version::V2_3 => self.write_2_3(conf, directory),
            Version::V2_4 => self.write_2_4(conf, directory),
        }
    }

    fn write_2_3(self, conf: &mut Block, directory: &Directory) -> Vec<(String, File)> {
        let passdb = |conf: &mut Block, path: &'static str| {
            conf.section("passdb", SectionName::None, |section| {
                section.words("driver", "sql");
                section.words("args", path);
            });
        };
        passdb(conf, PASSWORDS);
        let mut text = format!("password_query = {}\n", self.password);
        if let Some(user) = &self.user {
            text.push_str(&format!("user_query = {user}\n"));
        }
        if let Some(iterate) = &self.iterate {
            text.push_str(&format!("iterate_query = {iterate}\n"));
        }
        let mut files = vec![(PASSWORDS.to_owned(), directory.connect("root:root", format!("{DRIVER}{text}")))];
        if let Some(token) = &self.token {
            passdb(conf, TOKENS);
            files.push((
                TOKENS.to_owned(),
                directory.connect("root:root", format!("{DRIVER}password_query = {token}\n")),
            ));
        }
        if self.user.is_some() {
            conf.section("userdb", SectionName::None, |section| {
                section.words("driver", "sql");
                section.words("args", PASSWORDS);
            });
        }
        files
    }

    fn write_2_4(self, conf: &mut Block, directory: &Directory) -> Vec<(String, File)> {
        conf.include(PASSWORDS);
        let mut text = Block::new(self.version);
        let ask = |section: &mut Block, name: &'static str, query: &str| {
            section.set(name, Value::Text(vec![Part::Template(query.to_owned())]));
        };
        text.own_section("passdb", "password", |section| {
            section.words("driver", "sql");
            ask(section, "passdb_sql_query", &self.password);
        });
        if let Some(token) = &self.token {
            text.own_section("passdb", "token", |section| {
                section.words("driver", "sql");
                ask(section, "passdb_sql_query", token);
            });
        }
        if let Some(user) = &self.user {
            text.own_section("userdb", "mailbox", |section| {
                section.words("driver", "sql");
                ask(section, "userdb_sql_query", user);
                if let Some(iterate) = &self.iterate {
                    ask(section, "userdb_sql_iterate_query", iterate);
                }
            });
        }
        let mut pieces = directory.connection();
        pieces.push(Piece::Bytes(format!("\n{text}").into_bytes()));
        vec![(PASSWORDS.to_owned(), File::private("root:root", pieces))]
    }
}
