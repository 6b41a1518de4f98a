//! Fills the holes that a Bundle has for secrets, and lays a node's tree out for the node to take.
//!
//! What is made up is kept with the environment, so that it is the same the next time; what comes from outside is not written
//! down but into the files that need it.

use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blueprint::launch::{Launch, Secrets as Source};
use blueprint::platform::SecretReference;
use blueprint::roster::Brand;
use blueprint::secret::{self, Kind};
use blueprint::{Blueprint, File, Node, Piece, Role, Roster, Tree};
use values::MailAddress;

use rcgen::{KeyPair, RsaKeySize};
use simulator::signing::{Algorithm, PrivateKey};

use crate::accounts;
use crate::embedded::{self, AuthorityFailure};
use crate::files::{self, FileFailure};
use crate::node::{Item, Manifest, TreeFailure, below};
use crate::spare::Spares;
use crate::state::{Folder, SecretFailure, Secrets};

/// Octets of a character string in a TXT record (RFC 1035 §3.3).
const STRING_OCTETS: usize = 255;

/// Why a tree could not be filled and laid out.
#[derive(Debug, thiserror::Error)]
pub enum FillFailure {
    /// A password is not to be had.
    #[error(transparent)]
    Secret(#[from] SecretFailure),
    /// There is no certificate.
    #[error(transparent)]
    Authority(#[from] AuthorityFailure),
    /// A key that signs mail could not be made or read.
    #[error("could not make the signing key {name}")]
    Key {
        /// The secret's name.
        name: String,
        /// What the cryptography said.
        source: rcgen::Error,
    },
    /// A file could not be kept or read.
    #[error(transparent)]
    File(#[from] FileFailure),
    /// A path of the tree is none.
    #[error("the tree of {node} cannot be laid out: {reason}")]
    Path {
        /// The node.
        node: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl FillFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Secret(failure) => failure.help(),
            Self::Authority(failure) => failure.help(),
            Self::Key { name, .. } => {
                format!("remove the file {name}.pem in the environment's secrets to get a new key")
            }
            Self::File(failure) => failure.help(),
            Self::Path { .. } => "please report it: this is a fault of this program".to_owned(),
        }
    }
}

/// Knows the secrets of one environment.
pub(crate) struct Filler<'a> {
    folder: &'a Folder,
    source: &'a Source,
    variables: &'a BTreeMap<String, String>,
    secrets: Secrets,
    /// The names each node's certificate carries.
    names: BTreeMap<String, BTreeSet<String>>,
    /// Accounts to try by the names of the secrets that hold their passwords.
    accounts: BTreeMap<String, MailAddress>,
    /// Days since 1970.
    today: i64,
    /// Keys that were made ahead.
    spares: Option<Spares>,
}

impl<'a> Filler<'a> {
    /// Makes ready to fill the trees of a platform; the authority is there already.
    pub(crate) fn new(
        folder: &'a Folder,
        blueprint: &Blueprint,
        roster: &Roster,
        launch: &'a Launch,
        variables: &'a BTreeMap<String, String>,
    ) -> Result<Self, FillFailure> {
        let of_nodes = blueprint.nodes.iter().map(|node| (node.name.to_string(), names(blueprint, roster, node)));
        let names = of_nodes.chain(of_brands(roster)).collect();
        let today = jiff::Timestamp::now().as_second() / 86_400;
        let accounts = launch
            .accounts
            .iter()
            .map(|it| (secret::account(&it.address).name.to_string(), it.address.clone()))
            .collect();
        Ok(Self {
            folder,
            source: &launch.secrets,
            variables,
            secrets: folder.secrets()?,
            names,
            accounts,
            today,
            spares: None,
        })
    }

    /// Takes keys that were made ahead where there are some.
    pub(crate) fn with_spares(self, spares: Spares) -> Self {
        Self { spares: Some(spares), ..self }
    }

    /// Lays a node's tree out in a folder, with its secrets; the folder is the owner's only.
    ///
    /// - Returns: whether anything in it is another than before.
    pub(crate) fn lay_out(&mut self, node: &str, tree: &Tree, folder: &Path) -> Result<bool, FillFailure> {
        let kept = folder.join("files");
        files::make_folder(&kept)?;
        let mut manifest = Manifest::default();
        let mut wanted = BTreeSet::new();
        let mut changed = false;
        for (path, file) in &tree.files {
            let bytes = self.fill(file)?;
            let place = below(&kept, path).map_err(|failure: TreeFailure| FillFailure::Path {
                node: node.to_owned(),
                reason: failure.to_string(),
            })?;
            changed |= write_if_other(&place, &bytes)?;
            wanted.insert(place);
            manifest.files.insert(path.clone(), Item { mode: file.mode, owner: file.owner.clone() });
        }
        self.secrets.keep()?;
        for stale in every_file(&kept)?.into_iter().filter(|path| !wanted.contains(path)) {
            files::remove(&stale)?;
            changed = true;
        }
        let path = folder.join("manifest.json");
        let bytes = serde_json::to_vec(&manifest).map_err(|source| FileFailure::Form { path: path.clone(), source })?;
        Ok(write_if_other(&path, &bytes)? || changed)
    }

    /// Returns the files of a tree by path, with its secrets.
    pub(crate) fn filled<'t>(&mut self, tree: &'t Tree) -> Result<BTreeMap<&'t str, Vec<u8>>, FillFailure> {
        let filled: Result<_, _> =
            tree.files.iter().map(|(path, file)| Ok((path.as_str(), self.fill(file)?))).collect();
        self.secrets.keep()?;
        filled
    }

    fn fill(&mut self, file: &File) -> Result<Vec<u8>, FillFailure> {
        let mut bytes = Vec::new();
        for piece in &file.pieces {
            match piece {
                Piece::Bytes(part) => bytes.extend_from_slice(part),
                Piece::Secret(reference) => bytes.extend(self.secret(reference)?.into_bytes()),
                Piece::DkimRecord(reference) => bytes.extend(self.dkim_record(reference)?.into_bytes()),
                Piece::ServerKeys { key, line } => {
                    for digest in self.server_keys(key)? {
                        // Of this very server, its key alone, by SHA-256: what RFC 7672 §3.1.1 asks for.
                        bytes.extend_from_slice(format!("{line}3 1 1 {digest}\n").as_bytes());
                    }
                }
                Piece::Digest(_) => {
                    return Err(FillFailure::Path {
                        node: file.owner.clone(),
                        reason: "it was made to be compared, and of a file only the digest is at hand".to_owned(),
                    });
                }
            }
        }
        Ok(bytes)
    }

    fn secret(&mut self, reference: &SecretReference) -> Result<String, FillFailure> {
        match Kind::of(reference) {
            Kind::NodeKey => {
                let (node, names) = self.named(reference);
                Ok(embedded::node_key(&self.folder.authority(), node, &names, self.today)?)
            }
            Kind::Authority => {
                let certificate = files::read(&embedded::certificate_path(&self.folder.authority()))?;
                Ok(String::from_utf8_lossy(&certificate.unwrap_or_default()).into_owned())
            }
            Kind::DkimEd25519 | Kind::DkimRsa2048 => Ok(self.signing_key(reference)?.serialize_pem()),
            Kind::Account if let Some(address) = self.accounts.get(reference.name.as_str()) => {
                Ok(accounts::made_up(address, &mut self.secrets)?)
            }
            Kind::Account | Kind::Password => self.password(reference),
            Kind::Key => Ok(STANDARD.encode(Sha256::digest(self.password(reference)?))),
        }
    }

    /// Returns whose key it is, and the names in its certificate.
    fn named<'r>(&self, reference: &'r SecretReference) -> (&'r str, BTreeSet<String>) {
        let node = reference.name.as_str().strip_prefix("tls-").unwrap_or(reference.name.as_str());
        (node, self.names.get(node).cloned().unwrap_or_else(|| BTreeSet::from([node.to_owned()])))
    }

    /// Returns the digests by which a server's keys are published.
    fn server_keys(&self, reference: &SecretReference) -> Result<Vec<String>, FillFailure> {
        let (node, names) = self.named(reference);
        Ok(embedded::node_digests(&self.folder.authority(), node, &names, self.today)?)
    }

    fn password(&mut self, reference: &SecretReference) -> Result<String, FillFailure> {
        let owner = reference.owner.as_str();
        Ok(accounts::secret(owner, reference.name.as_str(), self.source, self.variables, &mut self.secrets)?)
    }

    fn signing_key(&self, reference: &SecretReference) -> Result<KeyPair, FillFailure> {
        signing_key(&self.folder.keys(), reference, self.spares.as_ref())
    }

    /// Returns the record that publishes a key, as quoted strings.
    fn dkim_record(&self, reference: &SecretReference) -> Result<String, FillFailure> {
        let key = private_key(reference, &self.signing_key(reference)?)?;
        Ok(quoted(&key.record()))
    }
}

/// Returns a key that signs mail, made when there is none yet.
///
/// - `folder`: where the environment's keys are.
pub(crate) fn signing_key(
    folder: &Path,
    reference: &SecretReference,
    spares: Option<&Spares>,
) -> Result<KeyPair, FillFailure> {
    if let Some(kept) = kept_key(folder, reference)? {
        return Ok(kept);
    }
    let name = reference.name.to_string();
    let key = match Kind::of(reference) {
        Kind::DkimRsa2048 => match spares.and_then(Spares::take) {
            Some(key) => Ok(key),
            None => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
        },
        _ => KeyPair::generate_for(&rcgen::PKCS_ED25519),
    };
    let key = key.map_err(|source| FillFailure::Key { name: name.clone(), source })?;
    files::make_folder(folder)?;
    files::write(&folder.join(format!("{name}.pem")), key.serialize_pem().as_bytes(), 0o600)?;
    Ok(key)
}

/// Returns a key that signs mail, where it has been made.
pub(crate) fn kept_key(folder: &Path, reference: &SecretReference) -> Result<Option<KeyPair>, FillFailure> {
    let name = reference.name.to_string();
    let Some(kept) = files::read(&folder.join(format!("{name}.pem")))? else { return Ok(None) };
    let key = KeyPair::from_pem(&String::from_utf8_lossy(&kept));
    key.map(Some).map_err(|source| FillFailure::Key { name, source })
}

/// Returns a key as it signs.
pub(crate) fn private_key(reference: &SecretReference, key: &KeyPair) -> Result<PrivateKey, FillFailure> {
    let algorithm = match Kind::of(reference) {
        Kind::DkimRsa2048 => Algorithm::Rsa,
        _ => Algorithm::Ed25519,
    };
    let failed = || FillFailure::Key { name: reference.name.to_string(), source: rcgen::Error::CouldNotParseKeyPair };
    PrivateKey::from_pkcs8(algorithm, &key.serialize_der()).ok_or_else(failed)
}

/// Returns text without quotes or backslashes as the quoted strings of a TXT record.
fn quoted(text: &str) -> String {
    let parts: Vec<String> =
        text.as_bytes().chunks(STRING_OCTETS).map(|part| format!("\"{}\"", String::from_utf8_lossy(part))).collect();
    parts.join(" ")
}

/// Returns what a node is called by those who check its certificate.
fn names(blueprint: &Blueprint, roster: &Roster, node: &Node) -> BTreeSet<String> {
    let mut names = BTreeSet::from([node.hostname.to_string(), node.name.to_string()]);
    if let Ok(group) = blueprint.service_domain.below(&format!("{}.{}", node.role.name(), node.cluster)) {
        names.insert(group.to_string());
    }
    // Daemons that ask their own neighbours do it over loopback.
    names.insert("localhost".to_owned());
    let faces_people = matches!(
        node.role,
        Role::Balancer | Role::Mx | Role::Submission | Role::Access | Role::Web | Role::Control | Role::Calendar
    );
    if faces_people {
        names.extend(["127.0.0.1", "::1"].map(str::to_owned));
        names.insert(blueprint.service_domain.to_string());
        names.extend(node.front_addresses.iter().map(ToString::to_string));
    }
    // Brands have certificates of their own, so that nobody reads in one who the others are.
    if node.role == Role::Web {
        let plain = roster.domains.iter().filter(|domain| domain.brand.is_none());
        names.extend(plain.flat_map(blueprint::roster::Domain::looked_for).map(|host| host.to_string()));
    }
    names
}

/// Returns the hosts that each brand's certificate carries, by the name that it is kept under.
pub(crate) fn of_brands(roster: &Roster) -> BTreeMap<String, BTreeSet<String>> {
    let of_brand = |brand: &Brand| {
        let key = secret::brand_key(&brand.reseller, &brand.name).name.to_string();
        let hosts = roster.brand_names(brand).iter().map(ToString::to_string).collect();
        (key.trim_start_matches("tls-").to_owned(), hosts)
    };
    roster.brands.iter().map(of_brand).collect()
}

/// Writes a file that only its owner may read, where it is another than the one there.
fn write_if_other(path: &Path, bytes: &[u8]) -> Result<bool, FileFailure> {
    if files::read(path).ok().flatten().as_deref() == Some(bytes) {
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        files::make_folder(folder)?;
    }
    // Neither synced nor moved into place: it is laid out anew with the next start.
    files::write_lightly(path, bytes, 0o600)?;
    Ok(true)
}

/// Returns every file below a folder.
fn every_file(folder: &Path) -> Result<Vec<PathBuf>, FileFailure> {
    let mut found = Vec::new();
    for name in files::names(folder)? {
        let path = folder.join(name);
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_dir() => found.extend(every_file(&path)?),
            _ => found.push(path),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Identity, StateRoot};

    fn reference(name: &str) -> SecretReference {
        SecretReference { owner: "operator".parse().unwrap(), name: name.parse().unwrap() }
    }

    fn with_filler(check: impl FnOnce(&mut Filler<'_>, &Path)) {
        let state = tempfile::tempdir().unwrap();
        let identity = Identity::new(state.path(), "qa");
        let folder = StateRoot::new(state.path()).folder(&identity);
        folder.open(&identity).unwrap();
        let (blueprint, roster, launch) = crate::fixture::platform();
        crate::embedded::Authority::open(&folder.authority(), "p", &BTreeSet::new(), &BTreeMap::new(), "1.2", 20_000)
            .unwrap();
        let variables = BTreeMap::new();
        let mut filler = Filler::new(&folder, &blueprint, &roster, &launch, &variables).unwrap();
        check(&mut filler, state.path());
    }

    #[test]
    fn secrets_are_made_once_and_stay() {
        with_filler(|filler, _| {
            for name in ["tls-mx-1", "authority", "dkim-ed25519-s1-a", "dkim-rsa2048-s2-a", "password-x"] {
                let first = filler.secret(&reference(name)).unwrap();
                assert_eq!(first, filler.secret(&reference(name)).unwrap(), "{name}");
                assert_eq!(first.contains("-----BEGIN"), !name.starts_with("password"), "{name}");
            }
        });
    }

    #[test]
    fn a_dkim_record_publishes_the_key_that_signs() {
        with_filler(|filler, _| {
            let rsa = filler.dkim_record(&reference("dkim-rsa2048-s2-a")).unwrap();
            assert!(rsa.starts_with("\"v=DKIM1; k=rsa; p=MII"), "{rsa}");
            assert!(rsa.split(' ').all(|part| part.len() <= STRING_OCTETS + 2));
            let ed25519 = filler.dkim_record(&reference("dkim-ed25519-s1-a")).unwrap();
            let key = ed25519.trim_matches('"').rsplit("p=").next().unwrap();
            assert_eq!(STANDARD.decode(key).unwrap().len(), 32);
        });
    }

    #[test]
    fn a_tree_is_laid_out_with_its_secrets_and_only_again_where_it_changes() {
        with_filler(|filler, state| {
            let folder = state.join("tree");
            let secret =
                File::private("root:root", vec![Piece::Bytes(b"pw=".to_vec()), Piece::Secret(reference("password-x"))]);
            let mut tree = Tree::default();
            tree.files.insert("/etc/deep/secret".to_owned(), secret);
            tree.files.insert("/etc/plain".to_owned(), File::text("x"));
            assert!(filler.lay_out("mx-1", &tree, &folder).unwrap());
            let written = fs::read_to_string(folder.join("files/etc/deep/secret")).unwrap();
            assert!(written.starts_with("pw=") && written.len() > 20);
            assert!(files::private(&folder.join("files/etc/deep/secret")).unwrap());
            assert!(!filler.lay_out("mx-1", &tree, &folder).unwrap());
            tree.files.remove("/etc/plain");
            assert!(filler.lay_out("mx-1", &tree, &folder).unwrap());
            assert!(!folder.join("files/etc/plain").exists());
            tree.files.insert("/etc/../../x".to_owned(), File::text("x"));
            assert!(matches!(filler.lay_out("mx-1", &tree, &folder), Err(FillFailure::Path { .. })));
        });
    }
}
