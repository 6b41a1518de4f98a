//! Signatures of images, in the form of minisign: its program verifies what is signed here, and keys it made without a password sign here.
//!
//! Source: the form of keys and signatures as minisign's manual page and site describe them (jedisct1.github.io/minisign): Ed25519 over
//! BLAKE2b-512 of the file, and a second signature over the first with the trusted comment.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blake2::{Blake2b256, Blake2b512, Digest};

use crate::{Image, ImageFailure, files};

/// The algorithm of keys.
const PLAIN: &[u8; 2] = b"Ed";
/// The algorithm of signatures over a hash.
const HASHED: &[u8; 2] = b"ED";

/// What signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    number: [u8; 8],
}

/// What a signature is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    number: [u8; 8],
    bytes: Vec<u8>,
}

fn wrong(what: impl Into<String>, help: &str) -> ImageFailure {
    ImageFailure::Signature { what: what.into(), help: help.to_owned() }
}

/// Returns the bytes of the line after the first that begins otherwise than a comment.
fn encoded(text: &str) -> Option<Vec<u8>> {
    let line = text.lines().find(|line| !line.starts_with("untrusted comment:"))?;
    STANDARD.decode(line.trim()).ok()
}

/// Returns a field of fixed length.
fn field<const N: usize>(bytes: &[u8], from: usize) -> Option<[u8; N]> {
    bytes.get(from..from.checked_add(N)?)?.try_into().ok()
}

fn shown(number: [u8; 8]) -> String {
    format!("{:016X}", u64::from_le_bytes(number))
}

impl SigningKey {
    /// Reads the key in a file; makes one there, for its owner only, with the public one beside it (`.pub`), where there is none.
    pub fn open(path: &Path) -> Result<Self, ImageFailure> {
        if let Some(text) = files::read(path)? {
            let key = Self::parse(&String::from_utf8_lossy(&text));
            return key.ok_or_else(|| {
                wrong(
                    format!("{} is no key of minisign without a password", path.display()),
                    "make one with: minisign -G -W -s FILE; or name another with --key",
                )
            });
        }
        if let Some(folder) = path.parent() {
            files::make_folder(folder)?;
        }
        let (mut seed, mut number) = ([0; 32], [0; 8]);
        let random = rand::fill(&mut seed).and_then(|()| rand::fill(&mut number));
        let pair = random.ok().and_then(|()| Ed25519KeyPair::from_seed_unchecked(&seed).ok());
        let pair = pair.ok_or_else(|| wrong("no key could be made", "see that this machine has randomness"))?;
        let key = Self { pair, number };
        if !files::write_first(path, key.text(&seed).as_bytes(), 0o600)? {
            // Somebody else was quicker, and what that one signs must hold for everybody.
            return Self::open(path);
        }
        files::write(&public_beside(path), key.public().text().as_bytes(), 0o644)?;
        Ok(key)
    }

    /// Layout: algorithm, derivation (none), sum's algorithm, 48 bytes that only a password needs, number, seed, public key, sum.
    fn parse(text: &str) -> Option<Self> {
        let bytes = encoded(text).filter(|bytes| bytes.len() == 158)?;
        let (algorithm, derivation) = (field::<2>(&bytes, 0)?, field::<2>(&bytes, 2)?);
        let (number, seed, public) = (field(&bytes, 54)?, field::<32>(&bytes, 62)?, field::<32>(&bytes, 94)?);
        let sum =
            Blake2b256::new().chain_update(algorithm).chain_update(number).chain_update(seed).chain_update(public);
        let sum = sum.finalize();
        // The program leaves the sum empty where there is no password to be checked by it.
        let sums: [&[u8]; 2] = [&[0; 32], &sum];
        if algorithm != *PLAIN || derivation != [0, 0] || !sums.contains(&bytes.get(126..)?) {
            return None;
        }
        Some(Self { pair: Ed25519KeyPair::from_seed_and_public_key(&seed, &public).ok()?, number })
    }

    fn text(&self, seed: &[u8; 32]) -> String {
        let public = self.pair.public_key().as_ref();
        let parts: [&[u8]; 8] = [PLAIN, &[0, 0], b"B2", &[0; 48], &self.number, seed, public, &[0; 32]];
        format!("untrusted comment: minisign secret key of mailwright\n{}\n", STANDARD.encode(parts.concat()))
    }

    /// Returns the key that others verify with.
    pub fn public(&self) -> PublicKey {
        PublicKey { number: self.number, bytes: self.pair.public_key().as_ref().to_vec() }
    }

    /// Signs an image: `manifest.json.minisig` beside its manifest, which names every part by its hash.
    pub fn sign(&self, image: &Image) -> Result<(), ImageFailure> {
        let manifest = files::read(&image.manifest())?.unwrap_or_default();
        let comment = format!("mailwright image {}", image.digest);
        files::write(&image.signature(), self.signature(&manifest, &comment).as_bytes(), 0o644)?;
        Ok(())
    }

    fn signature(&self, bytes: &[u8], comment: &str) -> String {
        let signature = self.pair.sign(&Blake2b512::digest(bytes));
        let global = self.pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        let parts: [&[u8]; 3] = [HASHED, &self.number, signature.as_ref()];
        format!(
            "untrusted comment: signature of mailwright\n{}\ntrusted comment: {comment}\n{}\n",
            STANDARD.encode(parts.concat()),
            STANDARD.encode(global.as_ref())
        )
    }
}

/// Returns where the public key of a key's file lies.
pub fn public_beside(path: &Path) -> PathBuf {
    path.with_extension("pub")
}

impl PublicKey {
    /// Reads the key in a file.
    pub fn open(path: &Path) -> Result<Self, ImageFailure> {
        let text = files::read(path)?.ok_or_else(|| {
            wrong(
                format!("there is no public key at {}", path.display()),
                "name the one it was signed for with --public-key",
            )
        })?;
        Self::parse(&String::from_utf8_lossy(&text)).ok_or_else(|| {
            wrong(format!("{} is no public key of minisign", path.display()), "name another one with --public-key")
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = encoded(text).filter(|bytes| bytes.len() == 42 && bytes.starts_with(PLAIN))?;
        Some(Self { number: field(&bytes, 2)?, bytes: bytes.get(10..)?.to_vec() })
    }

    /// Returns the key as it is written.
    pub fn text(&self) -> String {
        let parts: [&[u8]; 3] = [PLAIN, &self.number, &self.bytes];
        format!("untrusted comment: minisign public key {}\n{}\n", shown(self.number), STANDARD.encode(parts.concat()))
    }

    /// Holds an image's manifest against its signature; returns the comment that was signed with it.
    pub fn verify(&self, image: &Image) -> Result<String, ImageFailure> {
        let signature = files::read(&image.signature())?.ok_or_else(|| {
            wrong(format!("image {} is not signed", image.digest), "sign it with: mailwright image build")
        })?;
        let manifest = files::read(&image.manifest())?.unwrap_or_default();
        let why = match self.check(&manifest, &String::from_utf8_lossy(&signature)) {
            Ok(comment) if comment == format!("mailwright image {}", image.digest) => return Ok(comment),
            Ok(comment) => format!("its signature is one of something else: {comment}"),
            Err(why) => why,
        };
        Err(wrong(
            format!("image {}: {why}", image.digest),
            "take the image from whoever built it anew, or name the key it was signed with: --public-key",
        ))
    }

    fn check(&self, bytes: &[u8], signature: &str) -> Result<String, String> {
        let broken = || "its signature is none of minisign's".to_owned();
        let raw = encoded(signature).filter(|raw| raw.len() == 74).ok_or_else(broken)?;
        let (algorithm, number) = (field::<2>(&raw, 0).ok_or_else(broken)?, field::<8>(&raw, 2).ok_or_else(broken)?);
        let ed25519 = raw.get(10..).ok_or_else(broken)?;
        let mut rest = signature.lines().skip(2);
        let comment = rest.next().and_then(|line| line.strip_prefix("trusted comment: ")).ok_or_else(broken)?;
        let global = rest.next().and_then(|line| STANDARD.decode(line.trim()).ok()).ok_or_else(broken)?;
        if number != self.number {
            return Err(format!("it was signed with key {}, and not with {}", shown(number), shown(self.number)));
        }
        let key = UnparsedPublicKey::new(&ED25519, &self.bytes);
        let hashed = Blake2b512::digest(bytes);
        let message: &[u8] = match &algorithm {
            HASHED => &hashed,
            PLAIN => bytes,
            _ => return Err(broken()),
        };
        key.verify(message, ed25519).map_err(|_| "its signature does not hold".to_owned())?;
        key.verify(&[ed25519, comment.as_bytes()].concat(), &global)
            .map_err(|_| "the comment of its signature was changed".to_owned())?;
        Ok(comment.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn key(folder: &Path, name: &str) -> SigningKey {
        SigningKey::open(&folder.join(name)).unwrap()
    }

    fn image(folder: &Path) -> Image {
        let image = Image { digest: "ab".repeat(32), folder: folder.to_owned() };
        std::fs::write(image.manifest(), "{}").unwrap();
        image
    }

    #[test]
    fn a_signature_holds_for_its_manifest_and_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) = (key(folder.path(), "a.key"), key(folder.path(), "b.key"));
        let image = image(folder.path());
        let told = |key: &PublicKey| key.verify(&image).unwrap_err().to_string();
        assert!(told(&key.public()).ends_with("is not signed"));
        key.sign(&image).unwrap();
        assert!(key.public().verify(&image).unwrap().contains(&image.digest));
        assert!(told(&other.public()).contains("it was signed with key"));
        std::fs::write(image.manifest(), "{ }").unwrap();
        assert!(told(&key.public()).ends_with("its signature does not hold"));
        std::fs::write(image.manifest(), "{}").unwrap();
        let signature = std::fs::read_to_string(image.signature()).unwrap();
        std::fs::write(image.signature(), signature.replace("mailwright image ab", "mailwright image ac")).unwrap();
        assert!(told(&key.public()).ends_with("the comment of its signature was changed"));
        std::fs::write(image.signature(), "x").unwrap();
        assert!(told(&key.public()).contains("none of minisign's"));
    }

    #[test]
    fn a_key_reads_back_and_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let first = key(folder.path(), "image.key");
        assert_eq!(first.public(), key(folder.path(), "image.key").public());
        assert_eq!(first.public(), PublicKey::open(&folder.path().join("image.pub")).unwrap());
        assert!(files::private(&folder.path().join("image.key")).unwrap());
        std::fs::write(folder.path().join("bad.key"), "untrusted comment: x\nAAAA\n").unwrap();
        assert!(SigningKey::open(&folder.path().join("bad.key")).is_err());
    }

    #[test]
    fn all_who_make_a_key_at_once_have_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.key");
        let together = std::sync::Barrier::new(8);
        let made: Vec<PublicKey> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        together.wait();
                        SigningKey::open(&path).unwrap().public()
                    })
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        let kept = PublicKey::open(&public_beside(&path)).unwrap();
        assert!(made.iter().all(|public| *public == kept));
    }

    #[test]
    fn minisign_itself_verifies_what_was_signed_and_its_keys_sign() {
        let folder = tempfile::tempdir().unwrap();
        let Ok(made) = Command::new("minisign")
            .args(["-G", "-W", "-f", "-p", "m.pub", "-s", "m.key"])
            .current_dir(folder.path())
            .output()
        else {
            eprintln!("skipped: minisign is not installed");
            return;
        };
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let image = image(folder.path());
        for name in ["m.key", "ours.key"] {
            let key = key(folder.path(), name);
            key.sign(&image).unwrap();
            let output = Command::new("minisign")
                .args(["-V", "-m", "manifest.json", "-p"])
                .arg(public_beside(Path::new(name)))
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(String::from_utf8_lossy(&output.stdout).contains(&image.digest));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_stumble(text in any::<String>(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let coded = STANDARD.encode(&bytes);
            let key = PublicKey { number: [0; 8], bytes: vec![0; 32] };
            for text in [text.clone(), coded.clone(), format!("untrusted comment: x\n{coded}\ntrusted comment: {text}\n{coded}\n")] {
                let _ = (SigningKey::parse(&text).is_some(), PublicKey::parse(&text), key.check(b"x", &text));
            }
        }
    }
}
