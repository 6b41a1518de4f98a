//! The web role: webmail in each brand's look, and what programs ask a domain's hosts.

pub mod autoconfig;
pub mod php;
pub mod roundcube;

use std::collections::BTreeMap;

use blueprint::dns::{hosts, policy};
use blueprint::roster::{Brand, Domain};
use blueprint::{Blueprint, Check, File, Node, Process, Role, Tree};
use values::{ByteSize, HostName};

use self::autoconfig::Told;
use super::nginx::conf::{Directive, Word};
use super::system::AUTHORITY;
use super::{nginx, place};
use crate::compile::Output;
use crate::decide::ports;

const POOL: &str = "/etc/mailwright/php-fpm.conf";
/// Where brand files are, below which their keys are paths.
const BRANDS: &str = "/etc/mailwright/brands";
/// Where what was written for a brand is.
const WRITTEN: &str = "/etc/mailwright/web";
/// Which folder belongs to which host.
const FOLDERS: &str = "/etc/nginx/brands.map";
/// The folder of what belongs to no brand.
const PLAIN: &str = "platform";

/// Where brands' private keys with their certificates are.
const KEYS: &str = "/etc/nginx/tls";

/// Returns what a web node is made of.
///
/// - `brands`: brand files by their keys.
pub fn tree(output: &Output, node: &Node, brands: &BTreeMap<String, File>) -> Tree {
    let (blueprint, roster) = (&output.blueprint, &output.roster);
    let mut files = roundcube::files(blueprint, roster, node);
    files.extend(brands.iter().map(|(key, file)| (format!("{BRANDS}/{key}"), file.clone())));
    for brand in &roster.brands {
        let style = format!("{WRITTEN}{}", roundcube::style_of(brand));
        files.insert(style, File::text(roundcube::style(brand)));
    }
    for (folder, told, domains) in settings(output) {
        let id = domains.first().map_or_else(|| blueprint.service_domain.to_string(), ToString::to_string);
        files.insert(
            format!("{WRITTEN}/{folder}/config-v1.1.xml"),
            File::text(autoconfig::mozilla(&told, &id, &domains)),
        );
        files.insert(format!("{WRITTEN}/{folder}/autodiscover.xml"), File::text(autoconfig::microsoft(&told)));
    }
    files.insert(FOLDERS.to_owned(), File::text(folders(output)));
    files.extend(output.roster.brands.iter().map(|brand| place::brand_key(KEYS, brand)));
    let children = (node.memory.as_bytes() / 2 / ByteSize::from_mebibytes(32).as_bytes()).clamp(4, 256);
    files.insert(POOL.to_owned(), File::text(roundcube::pool(children)));
    let mut tree = Tree { files, ..Tree::default() };
    tree.processes.push(php(blueprint));
    tree.checks = checks(blueprint);
    tree.packages = [
        "php-fpm",
        "php-intl",
        "php-mbstring",
        "php-sqlite3",
        "php-xml",
        "php-cli",
        "roundcube-core",
        "roundcube-plugins",
        "roundcube-sqlite3",
        "sqlite3",
    ]
    .map(str::to_owned)
    .into();
    tree.extend(nginx::tree(node, front(output, node), vec!["/run/php-webmail.sock".to_owned()]));
    tree
}

/// PHP's version is part of its programs' names.
fn program(blueprint: &Blueprint) -> (&'static str, &'static str) {
    match blueprint.release.distribution.as_str() {
        "trixie" => ("/usr/sbin/php-fpm8.4", "php8.4-fpm.service"),
        _ => ("/usr/sbin/php-fpm8.2", "php8.2-fpm.service"),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn php(blueprint: &Blueprint) -> Process {
    let (fpm, unit) = program(blueprint);
    let database = roundcube::DATABASE;
    let make = format!(
        "test -s {database} || {{ /usr/bin/sqlite3 {database}.new < /usr/share/roundcube/SQL/sqlite.initial.sql && \
         /bin/chown www-data:www-data {database}.new && /bin/mv {database}.new {database}; }}"
    );
    Process {
        name: "webmail".to_owned(),
        unit: unit.to_owned(),
        prepare: vec![
            words(&[
                "/usr/bin/install",
                "-d",
                "-o",
                "www-data",
                "-g",
                "www-data",
                "-m",
                "0750",
                "/var/lib/mailwright",
                "/var/lib/mailwright/webmail",
            ]),
            words(&["/bin/sh", "-c", &make]),
        ],
        command: words(&[fpm, "-F", "-y", POOL]),
        user: "root".to_owned(),
        variables: BTreeMap::new(),
        after: Vec::new(),
        ready: Vec::new(),
        reload: Some(words(&["/bin/sh", "-c", "kill -USR2 \"$(cat /run/php-webmail.pid)\""])),
        restart_on: Vec::new(),
        reads: words(&[POOL, "/etc/roundcube/", "/var/lib/roundcube/plugins/platform_brand/"]),
    }
}

fn checks(blueprint: &Blueprint) -> Vec<Check> {
    let (fpm, _) = program(blueprint);
    let check = |name: &str, command: &[&str], file: &str, harmless: &[&str]| Check {
        name: name.to_owned(),
        command: words(command),
        files: words(&[file]),
        harmless: words(harmless),
    };
    let plugin = "/var/lib/roundcube/plugins/platform_brand/platform_brand.php";
    vec![
        check("php-fpm", &[fpm, "-t", "-y", POOL], POOL, &["test is successful"]),
        check("php", &["/usr/bin/php", "-l", roundcube::CONFIG], roundcube::CONFIG, &[]),
        check("php", &["/usr/bin/php", "-l", roundcube::BRANDS], roundcube::BRANDS, &[]),
        check("php", &["/usr/bin/php", "-l", roundcube::PEOPLE], roundcube::PEOPLE, &[]),
        check("php", &["/usr/bin/php", "-l", plugin], plugin, &[]),
    ]
}

fn folder_of(brand: &Brand) -> String {
    format!("{}/{}", brand.reseller, brand.name)
}

/// What programs are told, by folder: one for each brand, and one for domains without.
fn settings(output: &Output) -> Vec<(String, Told, Vec<HostName>)> {
    let (blueprint, roster) = (&output.blueprint, &output.roster);
    let told = |brand: Option<&Brand>, domain: Option<&Domain>| {
        let host = |purpose: &str| match (domain, brand) {
            (Some(domain), _) => hosts::told(blueprint, roster, domain, purpose),
            (None, brand) => brand
                .and_then(|brand| brand.hosts.iter().find(|host| host.purpose == purpose))
                .map(|host| host.host.clone())
                .or_else(|| hosts::reached(blueprint, hosts::brand_role(purpose), None)),
        };
        Told {
            product: brand.map_or_else(|| blueprint.operator.name.clone(), |brand| brand.product.clone()),
            imap: host("imap"),
            pop3: host("pop3"),
            smtp: host("smtp"),
            help: brand.and_then(|brand| brand.support.url.clone()),
        }
    };
    let of_brand = |brand: Option<&Brand>| -> Vec<&Domain> {
        let is_its = |domain: &&Domain| match brand {
            Some(brand) => domain.brand.as_ref() == Some(&brand.name) && domain.reseller == brand.reseller,
            None => domain.brand.is_none(),
        };
        roster.domains.iter().filter(is_its).collect()
    };
    let mut all = Vec::new();
    for brand in roster.brands.iter().map(Some).chain([None]) {
        let domains = of_brand(brand);
        let names = domains.iter().flat_map(|domain| [&domain.name].into_iter().chain(&domain.aliases));
        // One tenant's domains are nobody else's business: an answer names the first alone.
        let names = names.take(usize::from(brand.is_some())).cloned().collect();
        let folder = brand.map_or_else(|| PLAIN.to_owned(), folder_of);
        all.push((folder, told(brand, domains.first().copied()), names));
    }
    all
}

/// Says which folder belongs to a host: its brand's. A line each; neither names nor hosts hold anything that nginx could
/// take for something else.
fn folders(output: &Output) -> String {
    let roster = &output.roster;
    let mut known = BTreeMap::new();
    for domain in &roster.domains {
        let Some(name) = &domain.brand else { continue };
        for own in [&domain.name].into_iter().chain(&domain.aliases) {
            for host in [Some(own.clone()), own.below("autoconfig").ok(), own.below("autodiscover").ok()] {
                known.extend(host.map(|host| (host, format!("{}/{name}", domain.reseller))));
            }
        }
    }
    for brand in &roster.brands {
        known.extend(brand.hosts.iter().map(|host| (host.host.clone(), folder_of(brand))));
    }
    known.iter().map(|(host, folder)| format!("{host} {folder};\n")).collect()
}

/// Where nginx listens for what is asked without TLS.
fn plain(blueprint: &Blueprint, node: &Node) -> Vec<Directive> {
    let balanced = place::has(blueprint, &node.cluster, Role::Balancer);
    let listen = |place: &'static str| {
        let proxied = balanced.then_some(Word::Own("proxy_protocol"));
        Directive::new("listen", [Word::Own(place), Word::Own("default_server")].into_iter().chain(proxied))
    };
    let mut directives = vec![listen("80")];
    directives.extend(node.addresses.iter().any(std::net::IpAddr::is_ipv6).then(|| listen("[::]:80")));
    if balanced {
        for address in place::members(blueprint, &node.cluster, Role::Balancer).flat_map(|node| &node.addresses) {
            directives.push(Directive::new("set_real_ip_from", [Word::Address(*address)]));
        }
        directives.push(Directive::new("real_ip_header", [Word::Own("proxy_protocol")]));
    }
    directives
}

fn front(output: &Output, node: &Node) -> Vec<Directive> {
    let blueprint = &output.blueprint;
    let mut http = vec![
        Directive::new("map_hash_bucket_size", [Word::Number(512)]),
        Directive::new("map_hash_max_size", [Word::Number(65_536)]),
        Directive::block(
            "map",
            [Word::Own("$host"), Word::Own("$brand_folder")],
            vec![Directive::new("default", [Word::Own(PLAIN)]), Directive::new("include", [Word::Own(FOLDERS)])],
        ),
    ];
    let served = |mut server: Vec<Directive>| {
        server.extend(programs(blueprint, node));
        server.extend(webmail(blueprint));
        server.extend(calendar(blueprint, node));
        Directive::block("server", [], server)
    };
    http.push(Directive::new("server_names_hash_bucket_size", [Word::Number(512)]));
    http.push(Directive::new("server_names_hash_max_size", [Word::Number(65_536)]));
    http.push(served(nginx::front(blueprint, node)));
    for brand in &output.roster.brands {
        let (key, _) = place::brand_key(KEYS, brand);
        let hosts = output.roster.brand_names(brand);
        if !hosts.is_empty() {
            http.push(served(nginx::named(blueprint, node, &hosts, &key)));
        }
    }
    // What programs ask without TLS, and nothing else.
    let mut plain = plain(blueprint, node);
    plain.extend(programs(blueprint, node));
    let elsewhere = Directive::new("return", [Word::Number(301), Word::Expanded("https://$host$request_uri")]);
    plain.push(Directive::block("location", [Word::Own("/")], vec![elsewhere]));
    http.push(Directive::block("server", [], plain));
    http
}

/// What programs ask.
fn programs(blueprint: &Blueprint, node: &Node) -> Vec<Directive> {
    let exactly = |path: &'static str, block: Vec<Directive>| {
        Directive::block("location", [Word::Own("="), Word::Own(path)], block)
    };
    let file = |path: &'static str, name: &'static str| {
        vec![
            Directive::new("default_type", [Word::Own("text/xml")]),
            Directive::block("types", [], Vec::new()),
            Directive::new("root", [Word::Own(WRITTEN)]),
            // Questions that are posted are answered as if they were not.
            Directive::new("error_page", [Word::Number(405), Word::Own("=200"), Word::Own(path)]),
            Directive::new("try_files", [Word::Expanded(name), Word::Own("=404")]),
        ]
    };
    let mozilla = "/$brand_folder/config-v1.1.xml";
    let microsoft = "/$brand_folder/autodiscover.xml";
    let mut locations = vec![
        exactly("/mail/config-v1.1.xml", file("/mail/config-v1.1.xml", mozilla)),
        exactly(
            "/.well-known/autoconfig/mail/config-v1.1.xml",
            file("/.well-known/autoconfig/mail/config-v1.1.xml", mozilla),
        ),
        exactly("/autodiscover/autodiscover.xml", file("/autodiscover/autodiscover.xml", microsoft)),
        exactly("/Autodiscover/Autodiscover.xml", file("/Autodiscover/Autodiscover.xml", microsoft)),
    ];
    if let Some(policy) = policy::mta_sts(blueprint, Some(&node.cluster)) {
        locations.push(exactly(
            "/.well-known/mta-sts.txt",
            vec![
                Directive::new("default_type", [Word::Own("text/plain")]),
                Directive::new("return", [Word::Number(200), Word::Text(policy)]),
            ],
        ));
    }
    locations
}

/// Calendars and contacts, which programs look for at well-known places (RFC 6764 §5).
fn calendar(blueprint: &Blueprint, node: &Node) -> Vec<Directive> {
    let Some(host) = place::group(blueprint, node, Role::Calendar) else { return Vec::new() };
    let moved = |path: &'static str| {
        let elsewhere = Directive::new("return", [Word::Number(301), Word::Expanded("https://$host/dav/")]);
        Directive::block("location", [Word::Own("="), Word::Own(path)], vec![elsewhere])
    };
    let set = |name: &'static str, value: &'static str| {
        Directive::new("proxy_set_header", [Word::Own(name), Word::Expanded(value)])
    };
    let dav = vec![
        Directive::new("proxy_pass", [Word::Text(format!("https://{host}:{}/", ports::CALDAV))]),
        Directive::new("proxy_ssl_verify", [Word::Own("on")]),
        Directive::new("proxy_ssl_trusted_certificate", [Word::Own(AUTHORITY)]),
        Directive::new("proxy_ssl_name", [Word::Host(host)]),
        Directive::new("proxy_ssl_server_name", [Word::Own("on")]),
        set("Host", "$host"),
        set("X-Script-Name", "/dav"),
        set("X-Forwarded-For", "$remote_addr"),
        set("X-Remote-User", ""),
    ];
    vec![
        moved("/.well-known/caldav"),
        moved("/.well-known/carddav"),
        Directive::block("location", [Word::Own("^~"), Word::Own("/dav/")], dav),
    ]
}

fn webmail(blueprint: &Blueprint) -> Vec<Directive> {
    let header = |name: &'static str, value: &'static str| {
        Directive::new("add_header", [Word::Own(name), Word::Expanded(value), Word::Own("always")])
    };
    let folder = |path: &'static str, at: &'static str| {
        Directive::block(
            "location",
            [Word::Own("^~"), Word::Own(path)],
            vec![
                Directive::new("root", [Word::Own(at)]),
                Directive::new("expires", [Word::Own("1h")]),
                // A brand's drawing is shown, never run.
                header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
                header("X-Content-Type-Options", "nosniff"),
            ],
        )
    };
    let brands = Directive::block(
        "location",
        [Word::Own("^~"), Word::Own("/brand/")],
        vec![
            Directive::new("alias", [Word::Own("/etc/mailwright/brands/")]),
            Directive::new("expires", [Word::Own("1h")]),
            header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
            header("X-Content-Type-Options", "nosniff"),
        ],
    );
    vec![
        Directive::new("root", [Word::Own("/var/lib/roundcube/public_html")]),
        Directive::new("index", [Word::Own("index.php")]),
        Directive::new("client_max_body_size", [Word::Number(blueprint.mail.max_message.as_bytes().saturating_mul(2))]),
        header("Strict-Transport-Security", "max-age=31536000"),
        header("X-Content-Type-Options", "nosniff"),
        header("X-Frame-Options", "sameorigin"),
        header("Referrer-Policy", "no-referrer"),
        brands,
        folder("/brand-style/", WRITTEN),
        Directive::block(
            "location",
            [Word::Own("/")],
            vec![Directive::new("try_files", [Word::Own("$uri"), Word::Own("/index.php$is_args$args")])],
        ),
        Directive::block(
            "location",
            [Word::Own("="), Word::Own("/index.php")],
            vec![
                Directive::new("include", [Word::Own("/etc/nginx/fastcgi_params")]),
                Directive::new(
                    "fastcgi_param",
                    [Word::Own("SCRIPT_FILENAME"), Word::Own("/var/lib/roundcube/public_html/index.php")],
                ),
                Directive::new("fastcgi_param", [Word::Own("HTTP_PROXY"), Word::Own("\"\"")]),
                Directive::new("fastcgi_pass", [Word::Own("unix:/run/php-webmail.sock")]),
                Directive::new("fastcgi_read_timeout", [Word::Own("120s")]),
            ],
        ),
        Directive::block(
            "location",
            [Word::Own("~"), Word::Own("\\.php$")],
            vec![Directive::new("return", [Word::Number(404)])],
        ),
    ]
}
