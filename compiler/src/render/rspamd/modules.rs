//! Settings of Rspamd's modules.

use std::collections::BTreeMap;

use blueprint::dns::policy;
use blueprint::platform::{Mail, SecretReference};
use blueprint::{Blueprint, File, Node, Piece, Role, Roster, secret};
use values::{HostName, Rate, Score};

use super::super::ucl::{Object, Value};
use super::{USER, is_simulated};
use crate::decide::{ports, secrets};
use crate::render::{clamav, place};

/// Modules that ask somebody outside whom the specification does not name, in every environment.
const STRANGERS: [&str; 12] = [
    "fuzzy_check",
    "asn",
    "bimi",
    "dcc",
    "elastic",
    "clickhouse",
    "external_services",
    "url_redirector",
    "rspamd_update",
    "p0f",
    "spamtrap",
    "metric_exporter",
];

/// Modules that look at hosts and pages of the world, which a simulated one does not have, or that learn from weeks of its mail.
const WORLDLY: [&str; 7] = ["phishing", "hfilter", "mx_check", "neural", "reputation", "once_received", "whitelist"];

/// What a message's form scores, in thousandths: less than the distribution's scores, by which a short note written by hand or by
/// a machine, without most fields or in several scripts, would be spam. The simulator's scores are the same; a test holds the two
/// together.
pub(super) const FORM: [(&str, i64); 11] = [
    ("MISSING_FROM", 1_000),
    ("MISSING_TO", 500),
    ("MISSING_DATE", 500),
    ("MISSING_MID", 500),
    ("MISSING_SUBJECT", 500),
    ("MULTIPLE_UNIQUE_HEADERS", 2_500),
    ("BROKEN_HEADERS", 1_000),
    ("SUBJ_ALL_CAPS", 2_000),
    ("SPOOF_DISPLAY_NAME", 3_000),
    ("SUBJECT_NEEDS_ENCODING", 500),
    ("R_MIXED_CHARSET", 500),
];

/// What releases weigh otherwise (3.4 has 1, 3.12 has 2): a host without a name is one sign of several, as the simulator has it.
const NAMELESS: (&str, i64) = ("RDNS_NONE", 1_000);

/// Where keys that sign are.
const KEYS: &str = "/etc/rspamd/dkim/";

/// Returns the settings that add to the distribution's, by file.
pub(super) fn local(blueprint: &Blueprint, roster: &Roster, node: &Node, generation: u32) -> BTreeMap<String, Object> {
    let mut files = BTreeMap::new();
    let mut add = |name: &str, object: Object| files.insert(format!("{name}.conf"), object);
    for name in STRANGERS.into_iter().chain(WORLDLY.into_iter().filter(|_| is_simulated(blueprint))) {
        add(name, Object::default().set("enabled", false));
    }
    add("redis", redis(blueprint, node));
    add("greylist", greylist(blueprint));
    add("ratelimit", rates(blueprint));
    add("antivirus", antivirus(blueprint));
    add("dkim_signing", signing(blueprint, roster, generation));
    add("arc", sealing(blueprint, roster, generation));
    add("milter_headers", headers(blueprint));
    add("groups", groups(blueprint));
    add("history_redis", Object::default().set("enabled", false));
    files
}

/// Returns the settings that replace the distribution's, by file.
pub(super) fn replaced(blueprint: &Blueprint) -> BTreeMap<String, Object> {
    let mut files = BTreeMap::from([("rbl.conf".to_owned(), lists(blueprint))]);
    if is_simulated(blueprint) {
        // The maps that the distribution ships, and not those of today.
        let mid = Object::default().set("source", Object::default().set("url", vec![map("mid")]));
        files.insert("mid.conf".to_owned(), mid);
        files.insert("whitelist.conf".to_owned(), Object::default().set("rules", Object::default()));
        files.insert("mime_types.conf".to_owned(), Object::default().set("file", vec![map("mime_types")]));
    }
    files
}

/// Returns where the distribution keeps a map.
fn map(name: &str) -> String {
    format!("/etc/rspamd/maps.d/{name}.inc")
}

/// What all scanners of a cluster share.
fn redis(blueprint: &Blueprint, node: &Node) -> Object {
    let Some(cluster) = place::nearest(blueprint, node, Role::Cache) else { return Object::default() };
    let caches: Vec<&Node> = place::members(blueprint, cluster, Role::Cache).collect();
    // Rspamd finds no names in the table of hosts once it runs.
    let one =
        caches.first().and_then(|cache| cache.addresses.first()).map(|address| format!("{address}:{}", ports::REDIS));
    let several = || format!("127.0.0.1:{}", ports::CACHE_MASTER);
    Object::default()
        .set("password", Value::Secret(secrets::password("cache")))
        .set("timeout", Value::Seconds(2))
        .set("servers", if caches.len() == 1 { one.unwrap_or_default() } else { several() })
}

fn greylist(blueprint: &Blueprint) -> Object {
    match &blueprint.defense.greylist {
        None => Object::default().set("enabled", false),
        Some(greylist) => Object::default()
            .set("timeout", Value::Seconds(greylist.delay.as_seconds()))
            .set("message", "Greylisted, please try again later")
            .set("expire", Value::Seconds(86_400))
            .set("ipv4_mask", 32_u64),
    }
}

fn rates(blueprint: &Blueprint) -> Object {
    let defense = &blueprint.defense;
    let bucket = |selector: &str, rate: Rate, text: &str| {
        Object::default().set("selector", selector).set(
            "bucket",
            Object::default()
                .set("burst", rate.count())
                .set("rate", format!("{} / {}s", rate.count(), rate.per().as_seconds().max(1)))
                .set("message", text),
        )
    };
    let rates = Object::default()
        .set_some(
            "sender",
            defense
                .sender_rate
                .map(|rate| bucket("from('smtp'):addr", rate, "Too many messages of this sender, try again later")),
        )
        .set_some(
            "address",
            defense.address_rate.map(|rate| bucket("ip", rate, "Too many messages from this address, try again later")),
        );
    if rates == Object::default() {
        return Object::default().set("enabled", false);
    }
    // Users have limits of their own, where they send; the platform's nodes have none.
    Object::default().set("rates", rates).set("whitelisted_ip", own_networks(blueprint))
}

fn own_networks(blueprint: &Blueprint) -> Vec<String> {
    let sites = blueprint.sites.iter().flat_map(|site| &site.networks).map(ToString::to_string);
    std::iter::once("127.0.0.0/8".to_owned()).chain(sites).collect()
}

fn antivirus(blueprint: &Blueprint) -> Object {
    let scanner = Object::default()
        .set("type", "clamav")
        .set("symbol", "CLAM_VIRUS")
        .set("servers", format!("127.0.0.1:{}", clamav::PORT))
        // The whole message: ClamAV opens parts, encodings and archives itself.
        .set("scan_mime_parts", false)
        .set("max_size", blueprint.defense.virus_max_size.as_bytes())
        .set("timeout", 20_u64)
        .set("retransmits", 1_u64)
        .set("log_clean", false);
    Object::default().set("clamav", scanner)
}

fn key_path(reference: &SecretReference) -> String {
    format!("{KEYS}{}.pem", reference.name)
}

/// Where keys are that Rspamd does not read as PEM.
const SEEDS: &str = "/var/lib/rspamd/dkim/";

/// Returns the path that Rspamd is told.
fn read_path(reference: &SecretReference) -> String {
    match secret::Kind::of(reference) {
        secret::Kind::DkimEd25519 => format!("{SEEDS}{}.seed", reference.name),
        _ => key_path(reference),
    }
}

/// Returns the command that makes seeds of Ed25519 keys, in base64: the octets behind the sixteen that PKCS #8 begins with
/// (RFC 8410 §7), whether the public key follows or not.
pub(super) fn seeds() -> Vec<String> {
    let script = format!(
        "install -d -o {USER} -g {USER} -m 0700 {SEEDS} && for key in {KEYS}dkim-ed25519-*.pem; do [ -e \"$key\" ] || continue; \
         seed={SEEDS}$(basename \"$key\" .pem).seed; \
         sed '/^-/d' \"$key\" | base64 -d | tail -c +17 | head -c 32 | base64 -w0 > \"$seed\" && chown {USER}:{USER} \"$seed\" && \
         chmod 0400 \"$seed\" || exit 1; done"
    );
    super::words(&["/bin/sh", "-c", &script])
}

/// Returns the keys that sign now, as files.
pub(super) fn keys(blueprint: &Blueprint, roster: &Roster, generation: u32) -> BTreeMap<String, File> {
    let mut files = BTreeMap::new();
    for signer in policy::signers(blueprint, roster).into_values() {
        for selector in policy::signing(&blueprint.mail, generation) {
            let key = secret::dkim_key(&selector.algorithm, &selector.name, signer);
            let file = File { mode: 0o640, owner: format!("root:{USER}"), pieces: vec![Piece::Secret(key.clone())] };
            files.insert(key_path(&key), file);
        }
    }
    files
}

fn selectors(mail: &Mail, signer: &HostName, generation: u32, of: impl Fn(&str) -> bool) -> Vec<Value> {
    policy::signing(mail, generation)
        .into_iter()
        .filter(|selector| of(&selector.algorithm))
        .map(|selector| {
            let key = secret::dkim_key(&selector.algorithm, &selector.name, signer);
            Object::default().set("path", read_path(&key)).set("selector", selector.name).into()
        })
        .collect()
}

fn signing(blueprint: &Blueprint, roster: &Roster, generation: u32) -> Object {
    if blueprint.mail.dkim.is_none() {
        return Object::default().set("enabled", false);
    }
    let mut domains = Object::default();
    for (domain, signer) in policy::signers(blueprint, roster) {
        let keys = selectors(&blueprint.mail, signer, generation, |_| true);
        domains = domains.set(domain.as_str(), Object::default().set("selectors", Value::List(keys)));
    }
    Object::default()
        .set("sign_authenticated", true)
        .set("sign_local", false)
        .set("sign_inbound", false)
        .set("use_domain", "header")
        .set("use_esld", false)
        // Who may write as whom was decided before; what is signed is what the header says.
        .set("allow_username_mismatch", true)
        .set("allow_hdrfrom_mismatch", true)
        .set("allow_envfrom_empty", true)
        .set("check_pubkey", false)
        .set("try_fallback", false)
        .set("domain", domains)
}

/// Forwarded mail carries what was found where it came in (RFC 8617); ARC knows RSA alone.
fn sealing(blueprint: &Blueprint, roster: &Roster, generation: u32) -> Object {
    if !blueprint.mail.arc || blueprint.mail.dkim.is_none() {
        return Object::default().set("sign_authenticated", false).set("sign_inbound", false).set("sign_local", false);
    }
    let mut domains = Object::default();
    for (domain, signer) in policy::signers(blueprint, roster) {
        let keys = selectors(&blueprint.mail, signer, generation, |algorithm| algorithm.starts_with("rsa"));
        if let Some(Value::Object(key)) = keys.into_iter().next() {
            domains = domains.set(domain.as_str(), key);
        }
    }
    Object::default()
        .set("sign_authenticated", false)
        .set("sign_inbound", true)
        .set("sign_local", false)
        .set("use_domain", "recipient")
        .set("use_domain_sign_inbound", "recipient")
        .set("use_esld", false)
        .set("allow_username_mismatch", true)
        .set("allow_hdrfrom_mismatch", true)
        .set("check_pubkey", false)
        .set("try_fallback", false)
        .set("domain", domains)
}

fn headers(blueprint: &Blueprint) -> Object {
    // All of them go, whatever names they carry: a one there would take the first out and leave a second (RFC 8601 §5).
    let remove = Object::default().set("header", "Authentication-Results").set("remove", 0_u64);
    Object::default()
        .set("use", vec!["authentication-results"])
        .set("skip_local", true)
        .set("skip_authenticated", true)
        .set("routines", Object::default().set("authentication-results", remove))
        .set("my_hostname", blueprint.service_domain.to_string())
}

/// The lists the specification names, and no others.
fn lists(blueprint: &Blueprint) -> Object {
    let mut rules = Object::default();
    for list in &blueprint.defense.dnsbl {
        let symbol = list_symbol(&list.zone);
        let rule = Object::default()
            .set("symbol", symbol.as_str())
            .set("rbl", list.zone.to_string())
            .set("ipv4", true)
            .set("ipv6", true)
            .set("checks", vec!["from"])
            .set("exclude_users", true)
            .set("exclude_local", true)
            .set("unknown", true)
            // Some list the domains of senders too.
            .set("selector", Object::default().set("sender", "from('smtp'):domain"));
        rules = rules.set(symbol, rule);
    }
    Object::default().set("rbls", rules).set("default_unknown", true).set("url_whitelist", vec![map("surbl-whitelist")])
}

/// Returns what a list's hits are called.
fn list_symbol(zone: &HostName) -> String {
    format!("DNSBL_{}", zone.as_str().to_ascii_uppercase().replace(['.', '-'], "_"))
}

fn groups(blueprint: &Blueprint) -> Object {
    let symbol = |score: Score| Object::default().set("score", score).set("one_shot", true);
    let mut symbols = Object::default();
    for list in &blueprint.defense.dnsbl {
        symbols = symbols.set(list_symbol(&list.zone), symbol(list.weight));
    }
    let group = |symbols: Object| Object::default().set("symbols", symbols);
    let form = FORM.iter().chain([&NAMELESS]).fold(Object::default(), |form, (name, thousandths)| {
        form.set(*name, symbol(Score::from_thousandths(*thousandths).unwrap_or(Score::ZERO)))
    });
    let virus = Object::default().set("CLAM_VIRUS", symbol(Score::ZERO)).set("CLAM_VIRUS_FAIL", symbol(Score::ZERO));
    Object::default().set(
        "group",
        Object::default().set("form", group(form)).set("lists", group(symbols)).set("virus", group(virus)),
    )
}
