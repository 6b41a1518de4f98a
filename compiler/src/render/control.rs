//! The control role: API and console by `mailwright-serve`, behind nginx on the same node.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use blueprint::launch::AccountKind;
use blueprint::platform::SecretReference;
use blueprint::serve::{Api, Server};
use blueprint::{Blueprint, File, Node, Piece, Process, Role, Roster, Tree, secret};
use serde::Serialize;
use values::MailAddress;

use super::nginx::conf::{Directive, Word};
use super::{nginx, place, postgresql, system};
use crate::compile::Output;
use crate::decide::{ports, secrets};

const SETTINGS: &str = "/etc/mailwright/serve.json";
const BLUEPRINT: &str = "/etc/mailwright/blueprint.json";
const ROSTER: &str = "/etc/mailwright/roster.json";
const BRANDS: &str = "/etc/mailwright/brands";
const PASSWORDS: &str = "/etc/mailwright/passwords";
const PASSWORD: &str = "/etc/mailwright/directory.password";
const PROGRAM: &str = "/usr/lib/mailwright/mailwright-serve";
const UNIT: &str = "mailwright-serve.service";
/// Whom the program runs as.
const USER: &str = "www-data";

const UNIT_TEXT: &str = "[Unit]\nDescription=Provisioning API and console\nAfter=network-online.target\nWants=network-online.target\n\n\
    [Service]\nUser=www-data\nExecStart=/usr/lib/mailwright/mailwright-serve api --config /etc/mailwright/serve.json\n\
    ExecReload=/bin/kill -HUP $MAINPID\nRestart=always\nRestartSec=1\nNoNewPrivileges=yes\nProtectSystem=strict\n\
    ProtectHome=yes\nPrivateTmp=yes\nPrivateDevices=yes\n\n[Install]\nWantedBy=multi-user.target\n";

/// Returns what a control node is made of.
///
/// - `brands`: brand files by their keys.
/// - `roster`: the file that holds the Roster, the same on all of them.
pub fn tree(output: &Output, node: &Node, brands: &BTreeMap<String, File>, roster: &File) -> Tree {
    let mut tree = serve(output, node, brands, roster);
    let listen = format!("127.0.0.1:{}", ports::SERVE);
    tree.extend(nginx::tree(node, front(output, node), vec![listen]));
    tree
}

/// Returns the secrets that hold first passwords, by the account.
fn passwords(output: &Output) -> BTreeMap<MailAddress, SecretReference> {
    let owners: BTreeMap<_, _> = output.roster.domains.iter().map(|domain| (&domain.name, &domain.reseller)).collect();
    let shown = output.launch.accounts.iter().filter(|account| account.kind != AccountKind::Internet);
    let mut found: BTreeMap<MailAddress, SecretReference> =
        shown.map(|account| (account.address.clone(), secret::account(&account.address))).collect();
    // The declared first password is the password to try.
    found.extend(output.roster.resellers.iter().flat_map(|reseller| {
        let secret = |name: &values::Name| SecretReference { owner: reseller.name.clone(), name: name.clone() };
        reseller.first_passwords.iter().map(move |(admin, name)| (admin.clone(), secret(name)))
    }));
    found.extend(output.roster.mailboxes.iter().filter_map(|mailbox| {
        let owner = owners.get(mailbox.address.domain())?;
        let name = mailbox.initial_password.clone()?;
        Some((mailbox.address.clone(), SecretReference { owner: (*owner).clone(), name }))
    }));
    found
}

/// Returns the file that holds a Roster.
pub fn roster(roster: &Roster) -> File {
    own(vec![Piece::Bytes(plain(roster).into_bytes())])
}

/// Returns the same file without its bytes.
pub fn roster_digest(roster: &Roster) -> File {
    let File { mode, owner, .. } = own(Vec::new());
    let write = |mut out: &mut dyn io::Write| {
        serde_json::to_writer(&mut out, roster)?;
        out.write_all(b"\n")
    };
    File::digested(mode, &owner, write).expect("plain data becomes JSON")
}

/// Makes a file that the program alone may read.
fn own(pieces: Vec<Piece>) -> File {
    File { mode: 0o640, owner: format!("root:{USER}"), pieces }
}

fn serve(output: &Output, node: &Node, brands: &BTreeMap<String, File>, roster: &File) -> Tree {
    let data = |text: String| own(vec![Piece::Bytes(text.into_bytes())]);
    let passwords = passwords(output);
    // What was agreed on is nobody's business there, and changes no file.
    let blueprint = Blueprint { noted: Vec::new(), ..output.blueprint.clone() };
    let place_of = |secret: &SecretReference| format!("{PASSWORDS}/{}--{}", secret.owner, secret.name);
    let settings = Api {
        version: blueprint::VERSION,
        listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::SERVE),
        trusted_proxies: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        directory: directory(output, node),
        blueprint: BLUEPRINT.to_owned(),
        roster: ROSTER.to_owned(),
        brands: BRANDS.to_owned(),
        operators: output
            .launch
            .accounts
            .iter()
            .filter(|account| account.kind == AccountKind::Operator)
            .map(|account| account.address.clone())
            .collect(),
        passwords: passwords.iter().map(|(address, secret)| (address.clone(), place_of(secret))).collect(),
    };
    let mut files = BTreeMap::from([
        (SETTINGS.to_owned(), data(pretty(&settings))),
        (BLUEPRINT.to_owned(), data(plain(&blueprint))),
        (ROSTER.to_owned(), roster.clone()),
        (PASSWORD.to_owned(), own(vec![Piece::Secret(secrets::password("directory-control"))])),
        (format!("/etc/systemd/system/{UNIT}"), File::text(UNIT_TEXT)),
    ]);
    files.extend(brands.iter().map(|(key, file)| (format!("{BRANDS}/{key}"), file.clone())));
    files.extend(passwords.values().map(|secret| (place_of(secret), own(vec![Piece::Secret(secret.clone())]))));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let process = Process {
        name: "serve".to_owned(),
        unit: UNIT.to_owned(),
        prepare: Vec::new(),
        command: words(&[PROGRAM, "api", "--config", SETTINGS]),
        user: USER.to_owned(),
        variables: BTreeMap::new(),
        after: vec![format!("{}:{}", settings.directory.host, settings.directory.port)],
        ready: vec![ports::SERVE],
        // It takes a changed specification over as it stands; where it listens and whom it asks need a start.
        reload: Some(words(&["/bin/sh", "-c", "pkill -HUP -x -u www-data mailwright-serv"])),
        restart_on: words(&[SETTINGS, PASSWORD, system::AUTHORITY]),
        reads: [SETTINGS, BLUEPRINT, ROSTER, PASSWORD, system::AUTHORITY]
            .map(str::to_owned)
            .into_iter()
            .chain([format!("{BRANDS}/"), format!("{PASSWORDS}/")])
            .collect(),
    };
    Tree { files, processes: vec![process], packages: ["procps"].map(str::to_owned).into(), ..Tree::default() }
}

/// Returns where the control plane reaches the directory.
fn directory(output: &Output, node: &Node) -> Server {
    let blueprint = &output.blueprint;
    let host = place::group(blueprint, node, Role::Directory).unwrap_or_else(|| node.hostname.clone());
    let cluster = place::nearest(blueprint, node, Role::Directory);
    let several = cluster.is_some_and(|cluster| place::members(blueprint, cluster, Role::Directory).nth(1).is_some());
    Server {
        host: host.to_string(),
        port: if several { ports::PGBOUNCER } else { ports::POSTGRESQL },
        database: postgresql::DATABASE.to_owned(),
        user: postgresql::OWNER.to_owned(),
        password_file: PASSWORD.to_owned(),
        authority: Some(system::AUTHORITY.to_owned()),
    }
}

/// Returns what nginx does on a control node.
fn front(output: &Output, node: &Node) -> Vec<Directive> {
    let upstream = Directive::block(
        "upstream",
        [Word::Own("serve")],
        vec![
            Directive::new("server", [Word::Expanded("127.0.0.1:8080")]),
            Directive::new("keepalive", [Word::Number(16)]),
        ],
    );
    let header = |name: &'static str, value: &'static str| {
        Directive::new("proxy_set_header", [Word::Own(name), Word::Expanded(value)])
    };
    let pass = Directive::block(
        "location",
        [Word::Own("/")],
        vec![
            Directive::new("proxy_pass", [Word::Own("http://serve")]),
            Directive::new("proxy_http_version", [Word::Own("1.1")]),
            header("Host", "$http_host"),
            header("Connection", ""),
            // Whatever a client says of itself is overwritten.
            header("X-Real-IP", "$remote_addr"),
            header("X-Forwarded-For", ""),
            Directive::new("proxy_read_timeout", [Word::Own("70s")]),
        ],
    );
    let mut server = nginx::front(&output.blueprint, node);
    server.extend([
        Directive::new("client_max_body_size", [Word::Own("8m")]),
        Directive::new(
            "add_header",
            [Word::Own("Strict-Transport-Security"), Word::Expanded("max-age=31536000"), Word::Own("always")],
        ),
        pass,
    ]);
    vec![upstream, Directive::block("server", [], server)]
}

fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain data becomes JSON");
    text.push('\n');
    text
}

fn plain(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("plain data becomes JSON");
    text.push('\n');
    text
}
