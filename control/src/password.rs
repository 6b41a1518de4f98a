//! Password hashes: made, checked, and kept from delaying anybody else.
//!
//! New hashes are `{SHA512-CRYPT}$6$…` with 5,000 rounds, which Dovecot reads as it stands. A check costs the same whether the
//! user exists or not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha_crypt::{PasswordHasher as _, PasswordVerifier as _, ShaCrypt};
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use crate::time::Chance;

/// Longest password that is looked at, in bytes; the cost of the hash grows with it.
pub(crate) const LONGEST: usize = 256;

/// Checks that succeeded are remembered for so many users.
const REMEMBERED: usize = 4096;

/// Failures of one account from one address that are answered in [`WINDOW_MILLISECONDS`].
const FAILURES: u32 = 20;
const WINDOW_MILLISECONDS: u64 = 60_000;
const COUNTED: usize = 20_000;

/// Makes a hash.
pub(crate) fn hash(password: &str, chance: &dyn Chance) -> String {
    let mut salt = [0_u8; 12];
    chance.fill(&mut salt);
    let hash = ShaCrypt::SHA512
        .hash_password_with_salt(password.as_bytes(), &salt)
        .expect("twelve bytes of salt and the recommended rounds are what the scheme takes");
    format!("{{SHA512-CRYPT}}{}", hash.as_str())
}

/// Tells whether a hash that somebody hands in is of a scheme that can be checked here, at our own cost.
pub(crate) fn readable(stored: &str) -> bool {
    match scheme(stored) {
        Some(("SHA512-CRYPT" | "SHA256-CRYPT" | "CRYPT", text)) => {
            let mut fields = text.split('$');
            let kind = (fields.next(), fields.next());
            let rest: Vec<&str> = fields.collect();
            // Other counts of rounds would tell by their time that the account exists.
            let (salt, digest) = match rest.as_slice() {
                [salt, digest] | ["rounds=5000", salt, digest] => (*salt, *digest),
                _ => return false,
            };
            let length = match kind {
                (Some(""), Some("6")) => 86,
                (Some(""), Some("5")) => 43,
                _ => return false,
            };
            let crypt =
                |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'));
            !salt.is_empty() && salt.len() <= 16 && crypt(salt) && digest.len() == length && crypt(digest)
        }
        Some(("SHA256" | "SSHA256", text)) => STANDARD.decode(text).is_ok_and(|bytes| bytes.len() >= 32),
        Some(("SHA512" | "SSHA512", text)) => STANDARD.decode(text).is_ok_and(|bytes| bytes.len() >= 64),
        _ => false,
    }
}

/// Tells whether a first password is a hash that another system made, of a scheme that is checked here.
///
/// Who operates the platform vouches for these, so that other costs are taken too: up to 500,000 rounds of SHA-crypt (glibc's crypt(3)
/// notation) and bcrypt of a cost up to 14.
pub fn is_hash(stored: &str) -> bool {
    if readable(stored) {
        return true;
    }
    match scheme(stored) {
        Some(("BLF-CRYPT", text)) => {
            let cost = text.get(4..6).and_then(|cost| cost.parse::<u32>().ok());
            let form = ["$2a$", "$2b$", "$2y$"].iter().any(|start| text.starts_with(start));
            form && text.len() == 60 && cost.is_some_and(|cost| (4..=14).contains(&cost))
        }
        Some((name @ ("SHA512-CRYPT" | "SHA256-CRYPT" | "CRYPT"), text)) => {
            let mut fields = text.split('$').skip(2);
            let rounds = fields.next().and_then(|field| field.strip_prefix("rounds=")?.parse::<u32>().ok());
            let usual = text
                .splitn(4, '$')
                .nth(3)
                .map(|rest| format!("{{{name}}}{}${rest}", text.get(..2).unwrap_or_default()));
            rounds.is_some_and(|rounds| (1_000..=500_000).contains(&rounds)) && usual.is_some_and(|it| readable(&it))
        }
        _ => false,
    }
}

/// Tells whether a first password is meant as a hash: `{SCHEME}` and something behind it.
pub fn is_meant_as_hash(stored: &str) -> bool {
    scheme(stored).is_some_and(|(name, rest)| {
        let word = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_');
        !name.is_empty() && !rest.is_empty() && name.bytes().all(word)
    })
}

fn scheme(stored: &str) -> Option<(&str, &str)> {
    stored.strip_prefix('{')?.split_once('}')
}

/// Checks a password against a hash; unreadable hashes match nothing and cost as much.
fn matches(stored: &str, password: &str) -> bool {
    let digest = |expected: Vec<u8>, length: usize, hash: &dyn Fn(&[u8]) -> Vec<u8>| {
        let Some((digest, salt)) = expected.split_at_checked(length) else { return false };
        hash(&[password.as_bytes(), salt].concat()).ct_eq(digest).into()
    };
    match scheme(stored) {
        Some(("SHA512-CRYPT" | "SHA256-CRYPT" | "CRYPT", text)) => match sha_crypt::PasswordHash::new(text) {
            Ok(hash) => ShaCrypt::SHA512.verify_password(password.as_bytes(), &hash).is_ok(),
            Err(_) => false,
        },
        Some(("BLF-CRYPT", text)) => bcrypt::verify(password, text).unwrap_or(false),
        Some(("SHA256" | "SSHA256", text)) => {
            pad(password);
            STANDARD.decode(text).is_ok_and(|bytes| digest(bytes, 32, &|input| Sha256::digest(input).to_vec()))
        }
        Some(("SHA512" | "SSHA512", text)) => {
            pad(password);
            STANDARD.decode(text).is_ok_and(|bytes| digest(bytes, 64, &|input| Sha512::digest(input).to_vec()))
        }
        _ => {
            pad(password);
            false
        }
    }
}

/// Spends what one check of our own scheme costs.
fn pad(password: &str) {
    std::hint::black_box(ShaCrypt::SHA512.hash_password_with_salt(password.as_bytes(), &[7; 12]).is_ok());
}

/// Checks passwords off the threads that serve connections, a bounded number at a time.
pub(crate) struct Checks {
    /// Checks that run at once.
    all: Arc<Semaphore>,
    /// Checks that run at once for one address: fewer, so that one guesser leaves room for the others.
    each: Mutex<BTreeMap<IpAddr, Weak<Semaphore>>>,
    each_permits: usize,
    /// Digests of (key, hash, password) that were found to match.
    proven: Mutex<BTreeSet<[u8; 32]>>,
    key: [u8; 32],
    failures: Mutex<BTreeMap<(String, Option<IpAddr>), Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    since: u64,
}

impl Checks {
    pub(crate) fn new(chance: &dyn Chance) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let mut key = [0; 32];
        chance.fill(&mut key);
        Self {
            all: Arc::new(Semaphore::new(cores)),
            each: Mutex::default(),
            each_permits: cores - 1,
            proven: Mutex::default(),
            key,
            failures: Mutex::default(),
        }
    }

    /// Checks a password; `stored` is `None` for a user that does not exist or has no password.
    pub(crate) async fn check(&self, stored: Option<&str>, password: &str, remote: Option<IpAddr>) -> bool {
        let digest = stored.map(|stored| self.digest(stored, password));
        if digest.is_some_and(|digest| locked(&self.proven).contains(&digest)) {
            return true;
        }
        let own = remote.map(|remote| self.own_gate(remote));
        let _own = match &own {
            Some(gate) => gate.acquire().await.ok(),
            None => None,
        };
        let _all = self.all.acquire().await.ok();
        let (stored, password) = (stored.unwrap_or_default().to_owned(), password.to_owned());
        let matched = tokio::task::spawn_blocking(move || {
            let fits = password.len() <= LONGEST;
            let mut end = password.len().min(LONGEST);
            while !password.is_char_boundary(end) {
                end -= 1;
            }
            let (looked_at, _) = password.split_at(end);
            matches(&stored, looked_at) && fits
        })
        .await
        .unwrap_or(false);
        if let (true, Some(digest)) = (matched, digest) {
            let mut proven = locked(&self.proven);
            if proven.len() >= REMEMBERED {
                proven.clear();
            }
            proven.insert(digest);
        }
        matched
    }

    /// Makes a hash off the threads that serve connections.
    pub(crate) async fn hash(&self, password: String, chance: Arc<dyn Chance>) -> Option<String> {
        let _all = self.all.acquire().await.ok();
        tokio::task::spawn_blocking(move || hash(&password, &*chance)).await.ok()
    }

    /// Tells whether an account has failed too often from an address.
    pub(crate) fn exhausted(&self, account: &str, remote: Option<IpAddr>, now: u64) -> bool {
        let failures = locked(&self.failures);
        failures.get(&(account.to_owned(), remote)).is_some_and(|failures| {
            failures.count >= FAILURES && now.saturating_sub(failures.since) < WINDOW_MILLISECONDS
        })
    }

    /// Notes a failure, or forgets them all after a success.
    pub(crate) fn note(&self, account: &str, remote: Option<IpAddr>, now: u64, success: bool) {
        let mut failures = locked(&self.failures);
        let key = (account.to_owned(), remote);
        if success {
            failures.remove(&key);
            return;
        }
        if failures.len() >= COUNTED {
            failures.retain(|_, failures| now.saturating_sub(failures.since) < WINDOW_MILLISECONDS);
            if failures.len() >= COUNTED {
                failures.clear();
            }
        }
        let entry = failures.entry(key).or_insert(Failures { count: 0, since: now });
        // A clock that was set back starts a new window too.
        if now < entry.since || now - entry.since >= WINDOW_MILLISECONDS {
            *entry = Failures { count: 0, since: now };
        }
        entry.count = entry.count.saturating_add(1);
    }

    fn own_gate(&self, remote: IpAddr) -> Arc<Semaphore> {
        let mut each = locked(&self.each);
        if let Some(gate) = each.get(&remote).and_then(Weak::upgrade) {
            return gate;
        }
        each.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Semaphore::new(self.each_permits));
        each.insert(remote, Arc::downgrade(&gate));
        gate
    }

    fn digest(&self, stored: &str, password: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.key);
        // The length in front keeps two pairs from running together.
        digest.update((stored.len() as u64).to_be_bytes());
        digest.update(stored.as_bytes());
        digest.update(password.as_bytes());
        digest.finalize().into()
    }
}

/// Takes a lock whose holder cannot have left anything half done.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::OsChance;

    #[test]
    fn a_new_hash_is_what_dovecot_calls_sha512_crypt() {
        let stored = hash("correct horse", &OsChance);
        assert!(stored.starts_with("{SHA512-CRYPT}$6$"), "{stored}");
        assert!(readable(&stored), "{stored}");
        assert!(matches(&stored, "correct horse") && !matches(&stored, "correct horsf"));
        match std::process::Command::new("doveadm").args(["pw", "-t", &stored, "-p", "correct horse"]).output() {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(_) => println!("skipped: doveadm is not installed"),
        }
    }

    #[test]
    fn hashes_made_elsewhere_are_checked() {
        // Computed with `openssl passwd -6 -salt saltstring 'Hello world!'`.
        let vector = "{CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
        assert!(readable(vector) && matches(vector, "Hello world!") && !matches(vector, "Hello world"));
        let plain = format!("{{SHA256}}{}", STANDARD.encode(Sha256::digest(b"secret")));
        assert!(readable(&plain) && matches(&plain, "secret") && !matches(&plain, "Secret"));
        let salted = [Sha512::digest(b"secretpepper").to_vec(), b"pepper".to_vec()].concat();
        let salted = format!("{{SSHA512}}{}", STANDARD.encode(salted));
        assert!(readable(&salted) && matches(&salted, "secret"));
    }

    #[test]
    fn first_passwords_may_be_hashes_that_another_system_made() {
        // Computed with crypt(3).
        for known in [
            "{BLF-CRYPT}$2b$05$abcdefghijklmnopqrstuujKWDrmpUXu10fG/2mj./vFX3pPExfte",
            "{SHA512-CRYPT}$6$rounds=1400$anothersalt$xToWIOTcupBvVtl/StqIhyUUhl5liOZ3dow3y97yTbslGbcG9pJgOQVylh1EIRY7Gqqj8tPjnRe9.yWlkaSS..",
        ] {
            assert!(is_hash(known) && matches(known, "old secret") && !matches(known, "old secres"), "{known}");
            assert!(!readable(known), "who uses the API gives usual costs: {known}");
        }
        for other in [
            "{PLAIN}secret",
            "{BLF-CRYPT}$2y$31$abcdefghijklmnopqrstuujKWDrmpUXu10fG/2mj./vFX3pPExfte",
            "secret",
            "{MD5}x",
            "{CRYPT}$6$rounds=999999999$salt$x",
        ] {
            assert!(!is_hash(other), "{other}");
        }
        assert!(
            is_meant_as_hash("{ARGON2ID}$argon2id$v=19$x")
                && !is_meant_as_hash("{pass}word")
                && !is_meant_as_hash("{}x")
        );
    }

    #[test]
    fn hashes_that_cost_more_or_cannot_be_read_are_refused() {
        for stored in
            ["{CRYPT}$6$rounds=999999999$salt$x", "{MD5}x", "{CRYPT}$1$salt$x", "plain", "{SHA256}!!", "{}", "{PLAIN}x"]
        {
            assert!(!readable(stored), "{stored}");
        }
    }

    #[test]
    fn failures_are_counted_for_an_account_and_an_address() {
        let checks = Checks::new(&OsChance);
        let one: Option<IpAddr> = "192.0.2.1".parse().ok();
        for _ in 0..FAILURES {
            assert!(!checks.exhausted("a", one, 1000));
            checks.note("a", one, 1000, false);
        }
        assert!(checks.exhausted("a", one, 1000));
        assert!(!checks.exhausted("a", "192.0.2.2".parse().ok(), 1000) && !checks.exhausted("b", one, 1000));
        assert!(!checks.exhausted("a", one, 1000 + WINDOW_MILLISECONDS));
    }
}
