//! Passwords of accounts to try and first passwords of declared mailboxes: made up once, or read from variables.

use std::collections::{BTreeMap, BTreeSet};

use blueprint::Roster;
use blueprint::launch::{Account, AccountKind, Launch, Secrets as Source};
use control::password::is_meant_as_hash;
use values::MailAddress;

use crate::state::{SecretFailure, Secrets};

/// Returns the password of an account to try; `None` when it was never brought up.
pub(crate) fn password_of<'s>(account: &Account, secrets: &'s Secrets) -> Option<&'s str> {
    secrets.get(&purpose(&account.address))
}

fn purpose(address: &MailAddress) -> String {
    format!("account {}", address.key())
}

/// The passwords an environment begins with.
#[derive(Default)]
pub(crate) struct Passwords {
    /// Of admins and mailboxes, by address.
    pub(crate) platform: BTreeMap<MailAddress, String>,
    /// Of mailboxes of the simulated internet, by address.
    pub(crate) internet: BTreeMap<MailAddress, String>,
    /// A password that is told to nobody.
    pub(crate) nobodys: String,
    /// What signs rewritten senders (SRS).
    pub(crate) forwarding: Vec<u8>,
}

/// Returns every password the environment begins with, and keeps those that were made up.
///
/// - `variables`: the process's variables, for a launch that takes its secrets from there.
pub(crate) fn passwords(
    launch: &Launch,
    roster: &Roster,
    variables: &BTreeMap<String, String>,
    secrets: &mut Secrets,
) -> Result<Passwords, SecretFailure> {
    let mut passwords = Passwords::default();
    follow_renames(roster, secrets);
    let owners: BTreeMap<_, _> = roster.domains.iter().map(|domain| (&domain.name, &domain.reseller)).collect();
    for mailbox in &roster.mailboxes {
        let (Some(secret), Some(owner)) = (&mailbox.initial_password, owners.get(mailbox.address.domain())) else {
            continue;
        };
        let password = self::secret(owner.as_str(), secret.as_str(), &launch.secrets, variables, secrets)?;
        passwords.platform.insert(mailbox.address.clone(), password);
    }
    for reseller in &roster.resellers {
        for (admin, secret) in &reseller.first_passwords {
            let password = self::secret(reseller.name.as_str(), secret.as_str(), &launch.secrets, variables, secrets)?;
            passwords.platform.insert(admin.clone(), password);
        }
    }
    for account in &launch.accounts {
        let purpose = purpose(&account.address);
        let password = match passwords.platform.get(&account.address) {
            // Nobody knows the password behind a hash that another system made.
            Some(password) if is_meant_as_hash(password) => {
                secrets.forget(&purpose);
                password.clone()
            }
            // The declared first password is the password to try.
            Some(password) => {
                // One that comes from outside is not written down here.
                if launch.secrets == Source::Generate {
                    secrets.set(&purpose, password);
                }
                password.clone()
            }
            None => secrets.get_or_generate(&purpose)?.to_owned(),
        };
        let place = match account.kind {
            AccountKind::Internet => &mut passwords.internet,
            AccountKind::Reseller | AccountKind::Mailbox | AccountKind::Operator => &mut passwords.platform,
        };
        place.insert(account.address.clone(), password);
    }
    passwords.nobodys = secrets.get_or_generate("nobody's")?.to_owned();
    passwords.forwarding = secrets.get_or_generate("forwarding")?.as_bytes().to_vec();
    secrets.keep()?;
    Ok(passwords)
}

/// Returns the password of an account to try whose first password nobody declared; kept by [`Secrets::keep`].
pub(crate) fn made_up(address: &MailAddress, secrets: &mut Secrets) -> Result<String, SecretFailure> {
    Ok(secrets.get_or_generate(&purpose(address))?.to_owned())
}

/// Returns a secret of the operator or of a reseller; one that is made up is kept by [`Secrets::keep`].
///
/// - The operator's own passwords between daemons are made up wherever secrets come from.
pub(crate) fn secret(
    owner: &str,
    name: &str,
    source: &Source,
    variables: &BTreeMap<String, String>,
    secrets: &mut Secrets,
) -> Result<String, SecretFailure> {
    let between_daemons = owner == "operator" && name.starts_with("password-");
    if let Some(given) = variables.get(&given_secret(owner, name)) {
        return Ok(given.clone());
    }
    match source {
        Source::EnvironmentVariables if !between_daemons => variable(variables, owner, name),
        _ => Ok(secrets.get_or_generate(&format!("secret {owner}/{name}"))?.to_owned()),
    }
}

/// What has another name now keeps the password that was made up for it.
fn follow_renames(roster: &Roster, secrets: &mut Secrets) {
    let mut follow = |from: String, to: String| {
        if secrets.get(&to).is_none()
            && let Some(password) = secrets.get(&from).map(str::to_owned)
        {
            secrets.set(&to, &password);
        }
    };
    for rename in &roster.renames {
        match rename.kind.as_str() {
            "mailbox" => follow(format!("account {}", rename.from), format!("account {}", rename.to)),
            "reseller" => {
                for admin in
                    roster.resellers.iter().filter(|it| it.name.as_str() == rename.to).flat_map(|it| &it.admins)
                {
                    let before = format!("account {}@{}.adm", admin.local(), rename.from);
                    follow(before, purpose(admin));
                }
                let domains: BTreeSet<_> = (roster.domains.iter().filter(|it| it.reseller.as_str() == rename.to))
                    .map(|domain| &domain.name)
                    .collect();
                let of_reseller = |mailbox: &&blueprint::roster::Mailbox| domains.contains(mailbox.address.domain());
                let of_admins = roster.resellers.iter().filter(|it| it.name.as_str() == rename.to);
                let of_admins = of_admins.flat_map(|it| it.first_passwords.values());
                let of_mailboxes = roster.mailboxes.iter().filter(of_reseller);
                for secret in of_mailboxes.filter_map(|it| it.initial_password.as_ref()).chain(of_admins) {
                    follow(format!("secret {}/{secret}", rename.from), format!("secret {}/{secret}", rename.to));
                }
            }
            _ => {}
        }
    }
}

/// Returns where among the variables a secret stands that the repository's own folder `secrets` holds.
///
/// No variable of a process is called so.
pub fn given_secret(owner: &str, name: &str) -> String {
    format!("{owner}/{name}")
}

/// Reads `MAILWRIGHT_SECRET_OWNER_NAME`, in capitals and with `_` for `-`.
fn variable(variables: &BTreeMap<String, String>, owner: &str, name: &str) -> Result<String, SecretFailure> {
    let variable = format!("MAILWRIGHT_SECRET_{owner}_{name}").to_uppercase().replace('-', "_");
    match variables.get(&variable) {
        Some(value) => Ok(value.clone()),
        None => Err(SecretFailure::Variable { secret: format!("{owner}/{name}"), variable }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Identity, StateRoot};

    fn secrets(state: &std::path::Path) -> Secrets {
        StateRoot::new(state).folder(&Identity::new(state, "dev")).secrets().unwrap()
    }

    #[test]
    fn every_account_to_try_has_a_password_that_stays() {
        let state = tempfile::tempdir().unwrap();
        let (_, roster, launch) = crate::fixture::platform();
        let first = passwords(&launch, &roster, &BTreeMap::new(), &mut secrets(state.path())).unwrap();
        let again = secrets(state.path());
        for account in &launch.accounts {
            let shown = password_of(account, &again).unwrap();
            let given = first.platform.get(&account.address).or(first.internet.get(&account.address)).unwrap();
            assert_eq!(given, shown);
        }
        let second = passwords(&launch, &roster, &BTreeMap::new(), &mut secrets(state.path())).unwrap();
        assert_eq!(first.platform, second.platform);
        assert_eq!(first.internet, second.internet);
    }

    #[test]
    fn a_hash_that_is_given_is_the_first_password_and_is_shown_to_nobody() {
        let state = tempfile::tempdir().unwrap();
        let (_, mut roster, launch) = crate::fixture::platform();
        let account = launch.accounts.iter().find(|account| account.kind == AccountKind::Mailbox).unwrap();
        passwords(&launch, &roster, &BTreeMap::new(), &mut secrets(state.path())).unwrap();
        assert!(password_of(account, &secrets(state.path())).is_some());
        let mailbox = roster.mailboxes.iter_mut().find(|mailbox| mailbox.address == account.address).unwrap();
        mailbox.initial_password = Some("m-alice".parse().unwrap());
        let owner = &roster.domains.iter().find(|domain| domain.name == *account.address.domain()).unwrap().reseller;
        let hash = "{BLF-CRYPT}$2b$05$abcdefghijklmnopqrstuujKWDrmpUXu10fG/2mj./vFX3pPExfte";
        let variables = BTreeMap::from([(given_secret(owner.as_str(), "m-alice"), hash.to_owned())]);
        let found = passwords(&launch, &roster, &variables, &mut secrets(state.path())).unwrap();
        assert_eq!(found.platform.get(&account.address).unwrap(), hash);
        assert_eq!(password_of(account, &secrets(state.path())), None);
    }

    #[test]
    fn the_declared_first_password_of_an_admin_is_the_one_to_try() {
        let state = tempfile::tempdir().unwrap();
        let (_, mut roster, launch) = crate::fixture::platform();
        let admin = roster.resellers[0].admins[0].clone();
        roster.resellers[0].first_passwords.insert(admin.clone(), "first-admin".parse().unwrap());
        let owner = roster.resellers[0].name.to_string();
        let variables = BTreeMap::from([(given_secret(&owner, "first-admin"), "open sesame".to_owned())]);
        let found = passwords(&launch, &roster, &variables, &mut secrets(state.path())).unwrap();
        assert_eq!(found.platform.get(&admin).unwrap(), "open sesame");
        let account = launch.accounts.iter().find(|account| account.address == admin).unwrap();
        assert_eq!(password_of(account, &secrets(state.path())), Some("open sesame"));
        // Another environment makes one up, under the secret's name.
        let state = tempfile::tempdir().unwrap();
        let made_up = passwords(&launch, &roster, &BTreeMap::new(), &mut secrets(state.path())).unwrap();
        assert_ne!(made_up.platform.get(&admin).unwrap(), "open sesame");
        let again = passwords(&launch, &roster, &BTreeMap::new(), &mut secrets(state.path())).unwrap();
        assert_eq!(made_up.platform.get(&admin), again.platform.get(&admin));
    }

    #[test]
    fn a_secret_that_no_variable_holds_is_named_with_its_variable() {
        let state = tempfile::tempdir().unwrap();
        let (_, mut roster, mut launch) = crate::fixture::platform();
        launch.secrets = Source::EnvironmentVariables;
        roster.mailboxes[0].initial_password = Some("first-one".parse().unwrap());
        let mut variables = BTreeMap::new();
        let failure = passwords(&launch, &roster, &variables, &mut secrets(state.path())).err().unwrap();
        assert!(failure.help().contains("MAILWRIGHT_SECRET_ACME_FIRST_ONE"), "{}", failure.help());
        variables.insert("MAILWRIGHT_SECRET_ACME_FIRST_ONE".to_owned(), "open sesame".to_owned());
        let found = passwords(&launch, &roster, &variables, &mut secrets(state.path())).unwrap();
        assert_eq!(found.platform.get(&roster.mailboxes[0].address).unwrap(), "open sesame");
    }
}
