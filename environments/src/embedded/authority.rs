//! The environment's own certificate authority, and the certificates that doors show: a brand's to who asks for its hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::files::{self, FileFailure};

/// Days a CA is good for.
const AUTHORITY_DAYS: i64 = 3650;

/// Days the doors' certificate is good for; browsers refuse more than 398.
const DOOR_DAYS: i64 = 397;

/// A certificate that ends within so many days is made anew.
const RENEWAL_DAYS: i64 = 30;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityFailure {
    /// The CA could not be made.
    #[error("could not make the certificate authority in {}", folder.display())]
    Make {
        /// The authority's folder.
        folder: PathBuf,
        /// What the maker said.
        source: rcgen::Error,
    },
    /// The doors' certificate could not be issued.
    #[error("could not issue the certificate of the front doors in {}", folder.display())]
    Issue {
        /// The authority's folder.
        folder: PathBuf,
        /// What the maker said.
        source: rcgen::Error,
    },
    /// A certificate or key that is kept cannot be read.
    #[error("what {} holds is no certificate or key", folder.display())]
    Form {
        /// The authority's folder.
        folder: PathBuf,
        /// What the reader said.
        source: pem::Error,
    },
    /// TLS does not take the certificate.
    #[error("TLS does not take the certificate in {}", folder.display())]
    Refused {
        /// The authority's folder.
        folder: PathBuf,
        /// What TLS said.
        source: rustls::Error,
    },
    /// A file could not be kept or read.
    #[error(transparent)]
    File(#[from] FileFailure),
}

impl AuthorityFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Make { folder, .. }
            | Self::Issue { folder, .. }
            | Self::Form { folder, .. }
            | Self::Refused { folder, .. } => {
                format!(
                    "remove {} to get a new authority; whoever trusted the old one has to trust it",
                    folder.display()
                )
            }
            Self::File(failure) => failure.help(),
        }
    }
}

/// The authority of one environment, and TLS as its doors and probes speak it.
#[derive(Clone)]
pub(crate) struct Authority {
    /// For mail doors.
    pub(crate) server: Arc<rustls::ServerConfig>,
    /// For web doors, which offer HTTP/1.1 by ALPN.
    pub(crate) web: Arc<rustls::ServerConfig>,
}

/// Everything that is kept, in one private file, so that no crash leaves a key beside another's certificate.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// The CA's common name.
    subject: String,
    authority_key: String,
    authority_certificate: String,
    /// Last day of the CA, counted from 1970.
    authority_until: i64,
    /// Host names and addresses of the doors' certificate, sorted.
    names: BTreeSet<String>,
    door_key: String,
    door_certificate: String,
    /// Last day of the doors' certificate, counted from 1970.
    door_until: i64,
}

/// Returns where the CA certificate of an environment lies, PEM.
pub(crate) fn certificate_path(folder: &Path) -> PathBuf {
    folder.join("ca.pem")
}

impl Authority {
    /// Takes the authority of an environment, made or renewed where needed.
    ///
    /// - `names`: host names the doors are reached by, beside `localhost` and the loopback addresses.
    /// - `brands`: hosts that have a certificate of their own together, by the name that it is kept under.
    /// - `minimum`: lowest TLS version; `1.3` leaves out TLS 1.2, everything else has both.
    /// - `today`: days since 1970.
    pub(crate) fn open(
        folder: &Path,
        platform: &str,
        names: &BTreeSet<String>,
        brands: &BTreeMap<String, BTreeSet<String>>,
        minimum: &str,
        today: i64,
    ) -> Result<Self, AuthorityFailure> {
        files::make_folder(folder)?;
        let path = folder.join("authority.json");
        let mut names = names.clone();
        names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        let kept: Option<Kept> = files::read_json(&path)?;
        let kept = kept.filter(|kept| kept.version == 1 && kept.authority_until > today + RENEWAL_DAYS);
        let fits = kept.as_ref().is_some_and(|kept| kept.door_until > today + RENEWAL_DAYS && kept.names == names);
        let kept = match kept {
            Some(kept) if fits => kept,
            old => {
                let made = match old {
                    Some(old) => old,
                    None => make(platform, today)
                        .map_err(|source| AuthorityFailure::Make { folder: folder.to_owned(), source })?,
                };
                let kept = issue(made, names, today)
                    .map_err(|source| AuthorityFailure::Issue { folder: folder.to_owned(), source })?;
                files::write_json(&path, &kept, 0o600)?;
                kept
            }
        };
        let public = certificate_path(folder);
        if files::read(&public)?.as_deref() != Some(kept.authority_certificate.as_bytes()) {
            files::write(&public, kept.authority_certificate.as_bytes(), 0o644)?;
        }
        let mut shown =
            Shown { door: certified(folder, &kept.door_certificate, &kept.door_key)?, brands: BTreeMap::new() };
        for (name, hosts) in brands.iter().filter(|(_, hosts)| !hosts.is_empty()) {
            let pem = node_key(folder, name, hosts, today)?;
            let key = certified(folder, &pem, &pem)?;
            shown.brands.extend(hosts.iter().map(|host| (host.to_ascii_lowercase(), Arc::clone(&key))));
        }
        let server = server(folder, shown, minimum)?;
        let mut web = server.clone();
        web.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { server: Arc::new(server), web: Arc::new(web) })
    }
}

/// Returns the cryptography that TLS is made of, everywhere in this program.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Returns TLS for probes, which trust this environment's authority and no other.
pub(crate) fn client(folder: &Path) -> Result<Arc<rustls::ClientConfig>, AuthorityFailure> {
    let path = certificate_path(folder);
    let bytes = files::read(&path)?.unwrap_or_default();
    let certificate = CertificateDer::from_pem_slice(&bytes)
        .map_err(|source| AuthorityFailure::Form { folder: folder.to_owned(), source })?;
    let refused = |source| AuthorityFailure::Refused { folder: folder.to_owned(), source };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).map_err(refused)?;
    let configuration = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(configuration))
}

/// Reads a certificate with its key, as PEM.
fn certified(folder: &Path, certificate: &str, key: &str) -> Result<Arc<CertifiedKey>, AuthorityFailure> {
    let form = |source| AuthorityFailure::Form { folder: folder.to_owned(), source };
    let refused = |source| AuthorityFailure::Refused { folder: folder.to_owned(), source };
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(form)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(form)?;
    CertifiedKey::from_der(vec![certificate], key, &provider()).map(Arc::new).map_err(refused)
}

/// Which certificate is shown to whom.
#[derive(Debug)]
struct Shown {
    /// To who names no host, or none of a brand.
    door: Arc<CertifiedKey>,
    /// By host.
    brands: BTreeMap<String, Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().map(str::to_ascii_lowercase);
        Some(Arc::clone(asked.and_then(|host| self.brands.get(&host)).unwrap_or(&self.door)))
    }
}

fn server(folder: &Path, shown: Shown, minimum: &str) -> Result<rustls::ServerConfig, AuthorityFailure> {
    let refused = |source| AuthorityFailure::Refused { folder: folder.to_owned(), source };
    let versions: &[_] = match minimum {
        "1.3" => &[&rustls::version::TLS13],
        _ => &[&rustls::version::TLS13, &rustls::version::TLS12],
    };
    let configuration = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(refused)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    Ok(configuration)
}

/// Makes a CA that has issued nothing yet.
fn make(platform: &str, today: i64) -> Result<Kept, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mark = key.public_key_raw().iter().rev().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
    // Two environments' authorities in one list of trusted ones can be told apart by the mark.
    let subject = format!("Mailwright test authority {mark} of {platform}").chars().take(64).collect::<String>();
    let authority_until = today + AUTHORITY_DAYS;
    let mut parameters = authority_parameters(&subject)?;
    let (year, month, day) = calendar(today - 1);
    parameters.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = calendar(authority_until);
    parameters.not_after = date_time_ymd(year, month, day);
    Ok(Kept {
        version: 1,
        authority_certificate: parameters.self_signed(&key)?.pem(),
        authority_key: key.serialize_pem(),
        subject,
        authority_until,
        names: BTreeSet::new(),
        door_key: String::new(),
        door_certificate: String::new(),
        door_until: 0,
    })
}

/// What stands in the CA's own certificate and must stand again where it issues, or chains would not match.
fn authority_parameters(subject: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, subject);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(parameters)
}

/// Issues the doors' certificate, with a key of its own.
fn issue(kept: Kept, names: BTreeSet<String>, today: i64) -> Result<Kept, rcgen::Error> {
    let authority_key = KeyPair::from_pem(&kept.authority_key)?;
    let issuer = Issuer::new(authority_parameters(&kept.subject)?, authority_key);
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    parameters.distinguished_name = DistinguishedName::new();
    // Some programs (isync) look for an address only among names; the common name is where they find it.
    parameters.distinguished_name.push(DnType::CommonName, "127.0.0.1");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    let door_until = (today + DOOR_DAYS).min(kept.authority_until);
    let (year, month, day) = calendar(today - 1);
    parameters.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = calendar(door_until);
    parameters.not_after = date_time_ymd(year, month, day);
    let certificate = parameters.signed_by(&key, &issuer)?;
    Ok(Kept { names, door_certificate: certificate.pem(), door_key: key.serialize_pem(), door_until, ..kept })
}

/// A node's key with its certificate, in one private file.
#[derive(Serialize, Deserialize)]
struct NodeKey {
    version: u32,
    names: BTreeSet<String>,
    /// The authority that issued it, PEM.
    issuer: String,
    /// Last day of the certificate, counted from 1970.
    until: i64,
    /// Key, then certificate, PEM.
    pem: String,
    /// The key that the next certificate will be for, PEM: whoever publishes keys does so before they are used (RFC 7671 §8.1).
    #[serde(default)]
    next: Option<String>,
    /// The digest of the key before, which is published until everybody knows this one.
    #[serde(default)]
    former: Option<String>,
}

/// Returns a node's key and certificate as PEM, made or renewed where needed; [`Authority::open`] has made the authority.
///
/// - `names`: host names and addresses the node is reached by, never empty.
/// - `today`: days since 1970.
pub(crate) fn node_key(
    folder: &Path,
    node: &str,
    names: &BTreeSet<String>,
    today: i64,
) -> Result<String, AuthorityFailure> {
    Ok(kept_node(folder, node, names, today)?.pem)
}

/// Returns the digests by which a node's keys are published: of the one before, where there was one, of the one it shows, and of the
/// next one. The rest is as for [`node_key`].
///
/// - Returns: SHA-256 of each public key with its algorithm (RFC 6698 §2.1.2 and §2.1.3), in lower-case hexadecimal.
pub(crate) fn node_digests(
    folder: &Path,
    node: &str,
    names: &BTreeSet<String>,
    today: i64,
) -> Result<Vec<String>, AuthorityFailure> {
    let kept = kept_node(folder, node, names, today)?;
    let issue = |source| AuthorityFailure::Issue { folder: folder.to_owned(), source };
    let own = std::iter::once(kept.pem.as_str()).chain(kept.next.as_deref());
    let own = own.map(|pem| Ok(digest(&KeyPair::from_pem(pem)?))).collect::<Result<Vec<String>, _>>().map_err(issue)?;
    Ok(kept.former.into_iter().chain(own).collect())
}

/// Returns the digest of a public key with its algorithm.
fn digest(key: &KeyPair) -> String {
    Sha256::digest(key.subject_public_key_info()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes what is kept of a node's key, made or renewed where needed.
fn kept_node(folder: &Path, node: &str, names: &BTreeSet<String>, today: i64) -> Result<NodeKey, AuthorityFailure> {
    let nodes = folder.join("nodes");
    let path = nodes.join(format!("{node}.json"));
    let authority: Option<Kept> = files::read_json(&folder.join("authority.json"))?;
    let issue = |source| AuthorityFailure::Issue { folder: folder.to_owned(), source };
    let authority = authority.ok_or_else(|| issue(rcgen::Error::CouldNotParseCertificate))?;
    let kept: Option<NodeKey> = files::read_json(&path)?;
    let kept = kept.filter(|kept| kept.version == 1);
    let fits = |kept: &NodeKey| {
        kept.names == *names
            && kept.until > today + RENEWAL_DAYS
            && kept.issuer == authority.authority_certificate
            && kept.next.is_some()
    };
    let kept = match kept {
        Some(kept) if fits(&kept) => return Ok(kept),
        other => other,
    };
    let made = issue_node(&authority, names, today, kept).map_err(issue)?;
    files::make_folder(&nodes)?;
    files::write_json(&path, &made, 0o600)?;
    Ok(made)
}

/// - `before`: what the node has until now.
fn issue_node(
    authority: &Kept,
    names: &BTreeSet<String>,
    today: i64,
    before: Option<NodeKey>,
) -> Result<NodeKey, rcgen::Error> {
    let issuer = Issuer::new(authority_parameters(&authority.subject)?, KeyPair::from_pem(&authority.authority_key)?);
    let former = before.as_ref().map(|before| KeyPair::from_pem(&before.pem)).transpose()?;
    let key = match before.and_then(|before| before.next) {
        Some(next) => KeyPair::from_pem(&next)?,
        None => KeyPair::generate()?,
    };
    let mut parameters = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    parameters.distinguished_name = DistinguishedName::new();
    if names.contains("127.0.0.1") {
        // As for the doors: some programs look for an address here only.
        parameters.distinguished_name.push(DnType::CommonName, "127.0.0.1");
    }
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    parameters.use_authority_key_identifier_extension = true;
    let until = (today + DOOR_DAYS).min(authority.authority_until);
    let (year, month, day) = calendar(today - 1);
    parameters.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = calendar(until);
    parameters.not_after = date_time_ymd(year, month, day);
    let certificate = parameters.signed_by(&key, &issuer)?;
    Ok(NodeKey {
        version: 1,
        names: names.clone(),
        issuer: authority.authority_certificate.clone(),
        until,
        pem: format!("{}{}", key.serialize_pem(), certificate.pem()),
        next: Some(KeyPair::generate()?.serialize_pem()),
        former: former.as_ref().map(digest),
    })
}

/// Returns year, month and day of a day counted from 1970; days no calendar has end in 9999.
fn calendar(days: i64) -> (i32, u8, u8) {
    let date = Date::constant(1970, 1, 1)
        .checked_add(jiff::Span::new().try_days(days).unwrap_or_default())
        .unwrap_or(Date::constant(9999, 12, 31));
    (i32::from(date.year()), u8::try_from(date.month()).unwrap_or(1), u8::try_from(date.day()).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn kept(folder: &Path) -> Kept {
        files::read_json(&folder.join("authority.json")).unwrap().unwrap()
    }

    #[test]
    fn an_authority_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        Authority::open(folder.path(), "northmail", &names(&["imap.acme.example"]), &BTreeMap::new(), "1.2", 20_000)
            .unwrap();
        let first = kept(folder.path());
        Authority::open(folder.path(), "northmail", &names(&["imap.acme.example"]), &BTreeMap::new(), "1.2", 20_100)
            .unwrap();
        let second = kept(folder.path());
        assert_eq!(first.door_certificate, second.door_certificate);
        assert_eq!(std::fs::read_to_string(certificate_path(folder.path())).unwrap(), first.authority_certificate);
        assert!(files::private(&folder.path().join("authority.json")).unwrap());
    }

    #[test]
    fn a_new_name_or_a_near_end_brings_a_new_certificate_of_the_same_authority() {
        let folder = tempfile::tempdir().unwrap();
        Authority::open(folder.path(), "northmail", &names(&["a.example"]), &BTreeMap::new(), "1.2", 20_000).unwrap();
        let first = kept(folder.path());
        Authority::open(
            folder.path(),
            "northmail",
            &names(&["a.example", "b.example"]),
            &BTreeMap::new(),
            "1.2",
            20_000,
        )
        .unwrap();
        let second = kept(folder.path());
        assert_ne!(first.door_certificate, second.door_certificate);
        Authority::open(
            folder.path(),
            "renamed",
            &names(&["a.example"]),
            &BTreeMap::new(),
            "1.2",
            20_000 + DOOR_DAYS - 29,
        )
        .unwrap();
        let third = kept(folder.path());
        assert_ne!(second.door_certificate, third.door_certificate);
        assert_eq!(first.authority_certificate, third.authority_certificate);
    }

    #[test]
    fn an_authority_that_ends_soon_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        Authority::open(folder.path(), "northmail", &names(&[]), &BTreeMap::new(), "1.2", 20_000).unwrap();
        let first = kept(folder.path());
        Authority::open(folder.path(), "northmail", &names(&[]), &BTreeMap::new(), "1.2", 20_000 + AUTHORITY_DAYS - 10)
            .unwrap();
        assert_ne!(first.authority_certificate, kept(folder.path()).authority_certificate);
    }

    #[test]
    fn the_doors_certificate_is_trusted_by_those_who_trust_the_authority_and_by_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let today = jiff::Timestamp::now().as_second() / 86_400;
        let authority =
            Authority::open(folder.path(), "northmail", &names(&["imap.acme.example"]), &BTreeMap::new(), "1.2", today)
                .unwrap();
        Authority::open(other.path(), "northmail", &names(&[]), &BTreeMap::new(), "1.2", today).unwrap();
        let good = client(folder.path()).unwrap();
        for name in ["localhost", "127.0.0.1", "imap.acme.example"] {
            handshake(&authority, &good, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert!(handshake(&authority, &good, "elsewhere.example").is_err());
        assert!(handshake(&authority, &client(other.path()).unwrap(), "localhost").is_err());
    }

    #[test]
    fn a_brand_shows_its_own_name_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let today = jiff::Timestamp::now().as_second() / 86_400;
        let brands = BTreeMap::from([
            ("brand-x1".to_owned(), names(&["imap.acme.example", "smtp.acme.example"])),
            ("brand-x2".to_owned(), names(&["imap.globex.example"])),
            ("brand-x3".to_owned(), names(&[])),
        ]);
        let authority = Authority::open(folder.path(), "northmail", &names(&[]), &brands, "1.2", today).unwrap();
        let trust = client(folder.path()).unwrap();
        for name in ["localhost", "imap.acme.example", "smtp.acme.example", "imap.globex.example"] {
            handshake(&authority, &trust, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert!(handshake(&authority, &trust, "elsewhere.example").is_err());
        let pem = node_key(folder.path(), "brand-x1", &brands["brand-x1"], today).unwrap();
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let names = String::from_utf8_lossy(&certificate).into_owned();
        assert!(names.contains("imap.acme.example") && !names.contains("globex") && !names.contains("localhost"));
    }

    #[test]
    fn a_nodes_key_stays_until_its_names_or_the_authority_change() {
        let folder = tempfile::tempdir().unwrap();
        Authority::open(folder.path(), "northmail", &names(&[]), &BTreeMap::new(), "1.2", 20_000).unwrap();
        let key = |names: &BTreeSet<String>, today| node_key(folder.path(), "mx-1", names, today).unwrap();
        let first = key(&names(&["mx-1.example"]), 20_000);
        assert!(first.contains("PRIVATE KEY") && first.contains("BEGIN CERTIFICATE"));
        assert_eq!(first, key(&names(&["mx-1.example"]), 20_100));
        let second = key(&names(&["mx-1.example", "mx.example"]), 20_100);
        assert_ne!(first, second);
        assert_ne!(second, key(&names(&["mx-1.example", "mx.example"]), 20_100 + DOOR_DAYS));
        assert!(files::private(&folder.path().join("nodes/mx-1.json")).unwrap());
    }

    #[test]
    fn a_nodes_next_key_is_published_before_it_is_used_and_its_former_one_after() {
        let folder = tempfile::tempdir().unwrap();
        Authority::open(folder.path(), "northmail", &names(&[]), &BTreeMap::new(), "1.2", 20_000).unwrap();
        let host = names(&["mx.example"]);
        let published = |today| node_digests(folder.path(), "mx-1", &host, today).unwrap();
        let shown = |today| {
            let pem = node_key(folder.path(), "mx-1", &host, today).unwrap();
            digest(&KeyPair::from_pem(&pem).unwrap())
        };
        let mut before = published(20_000);
        assert_eq!(before.len(), 2, "nobody had a key before");
        assert_eq!(before, published(20_100), "it stays as long as the certificate does");
        for renewal in 1..4 {
            let today = 20_000 + renewal * DOOR_DAYS;
            let (old, new) = (shown(today - RENEWAL_DAYS - 1), shown(today));
            assert_ne!(old, new);
            assert!(before.contains(&new), "the new key was published with the old one");
            before = published(today);
            assert!(before.contains(&old) && before.contains(&new));
            assert_eq!(before.len(), 3);
        }
    }

    fn handshake(authority: &Authority, client: &Arc<rustls::ClientConfig>, name: &str) -> Result<(), rustls::Error> {
        let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::clone(client), name)?;
        let mut server = rustls::ServerConnection::new(Arc::clone(&authority.server))?;
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets()?;
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            let mut wire = wire.as_slice();
            while !wire.is_empty() {
                client.read_tls(&mut wire).unwrap();
                client.process_new_packets()?;
            }
        }
        Ok(())
    }
}
