//! Keys that sign.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// `ed25519-sha256` (RFC 8463).
    Ed25519,
    /// `rsa-sha256` (RFC 6376 §3.3.1).
    Rsa,
}

impl Algorithm {
    /// Returns what signatures call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519-sha256",
            Self::Rsa => "rsa-sha256",
        }
    }
}

/// Where the keys of a platform are.
pub trait Keys: Send + Sync {
    /// Returns a key; one that is not there is made, which takes a while. `None` where that cannot be done.
    fn key(&self, name: &str) -> Option<Arc<PrivateKey>>;

    /// Returns a key that is there.
    fn made(&self, name: &str) -> Option<Arc<PrivateKey>>;
}

/// Keys in memory.
#[derive(Clone, Debug, Default)]
pub struct Ring(BTreeMap<String, Arc<PrivateKey>>);

impl Ring {
    /// Adds a key.
    pub fn add(&mut self, name: &str, key: Arc<PrivateKey>) {
        self.0.insert(name.to_owned(), key);
    }
}

impl Keys for Ring {
    fn key(&self, name: &str) -> Option<Arc<PrivateKey>> {
        self.made(name)
    }

    fn made(&self, name: &str) -> Option<Arc<PrivateKey>> {
        self.0.get(name).cloned()
    }
}

/// A key that signs; never printed.
pub struct PrivateKey(Pair);

enum Pair {
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("PrivateKey").field(&self.algorithm()).finish()
    }
}

impl PrivateKey {
    /// Reads a key in PKCS #8 (RFC 5208, RFC 8410); `None` where it is none of that algorithm.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Option<Self> {
        Some(Self(match algorithm {
            Algorithm::Ed25519 => Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).ok()?),
            Algorithm::Rsa => Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(pkcs8).ok()?)),
        }))
    }

    /// Makes the Ed25519 key of a seed.
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        Some(Self(Pair::Ed25519(Ed25519KeyPair::from_seed_unchecked(seed).ok()?)))
    }

    /// Returns how it signs.
    pub fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Pair::Ed25519(_) => Algorithm::Ed25519,
            Pair::Rsa(_) => Algorithm::Rsa,
        }
    }

    /// Returns the text that publishes it (RFC 6376 §3.6.1, RFC 8463 §3).
    pub fn record(&self) -> String {
        let (kind, public) = match &self.0 {
            Pair::Ed25519(pair) => ("ed25519", STANDARD.encode(pair.public_key())),
            Pair::Rsa(pair) => {
                let public: Result<PublicKeyX509Der<'_>, _> = pair.public_key().as_der();
                // What was read as a key has a public half.
                ("rsa", public.map(|public| STANDARD.encode(public.as_ref())).unwrap_or_default())
            }
        };
        format!("v=DKIM1; k={kind}; p={public}")
    }

    /// Signs; `None` where the cryptography fails.
    pub(super) fn sign(&self, input: &[u8]) -> Option<Vec<u8>> {
        match &self.0 {
            // RFC 8463 §3: the digest is what is signed.
            Pair::Ed25519(pair) => Some(pair.try_sign(&Sha256::digest(input)).ok()?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                // This padding has no chance in it.
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}
