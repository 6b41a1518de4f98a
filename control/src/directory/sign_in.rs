//! Who somebody is, by password or token.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use values::MailAddress;

use super::token::{self, TokenKind};
use super::{Account, Connection, Directory, DirectoryError, Effective, Kind, account, domain, hexadecimal, recipient};
use crate::answers::{Identity, Service, SignInRefusal};

/// An admin of a reseller, or of the operator.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) address: MailAddress,
    /// `None` for the operator's.
    pub(crate) reseller: Option<String>,
    password: Option<String>,
}

/// Somebody who proved who they are.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    Admin(Admin),
    Account(Box<Account>),
}

impl Who {
    /// Returns the main address.
    pub(crate) fn address(&self) -> &MailAddress {
        match self {
            Self::Admin(admin) => &admin.address,
            Self::Account(account) => &account.address,
        }
    }

    /// Returns what changes when the password does, and tells nothing of it.
    pub(crate) fn stamp(&self) -> String {
        hexadecimal(&Sha256::digest(self.password().unwrap_or_default().as_bytes()))
    }

    fn password(&self) -> Option<&str> {
        match self {
            Self::Admin(admin) => admin.password.as_deref(),
            Self::Account(account) => account.password.as_deref(),
        }
    }
}

/// By what somebody proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Password,
    Token {
        kind: TokenKind,
        /// Whether the API takes it.
        oma: bool,
    },
}

impl Directory {
    /// Signs somebody in to a mail service, with a password or a token.
    ///
    /// - `user`: as the client spelled it; an alias may sign in too.
    /// - `remote`: where the client is, for counting failures.
    /// - Returns: the identity, or a refusal. An unknown user costs as much as a known one with a wrong password.
    pub async fn sign_in(
        &self,
        service: Service,
        user: &str,
        password: &str,
        remote: Option<IpAddr>,
    ) -> Result<Result<Identity, SignInRefusal>, DirectoryError> {
        let (who, means) = match self.credentials(user, password, remote).await? {
            Ok(proven) => proven,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Who::Account(account) = who else { return Ok(Err(SignInRefusal::Credentials)) };
        if matches!(means, Means::Token { kind: TokenKind::Oma, .. }) || account.kind != Kind::Mailbox {
            return Ok(Err(SignInRefusal::Credentials));
        }
        let mut connection = self.readers.acquire().await?;
        let (Some(facts), Some(domain)) =
            (self.facts(), domain::named(&mut connection, &account.domain, Some(&account.reseller)).await?)
        else {
            return Ok(Err(SignInRefusal::ServiceOff));
        };
        let effective = Effective::of(&facts, &account, &domain).filter(|effective| effective.may_use(service));
        let (Some(effective), Some(store)) = (effective, account.store.clone()) else {
            return Ok(Err(SignInRefusal::ServiceOff));
        };
        let senders = senders(&mut connection, &account).await?;
        drop(connection);
        // Who only signs in to send has not sent: that is noted with what is sent, as real daemons do.
        if service != Service::Submission {
            self.record_login(&account.address, service.recorded());
        }
        Ok(Ok(Identity { mailbox: account.address, store, quota: effective.quota, senders }))
    }

    /// Finds out who somebody is.
    pub(crate) async fn credentials(
        &self,
        user: &str,
        secret: &str,
        remote: Option<IpAddr>,
    ) -> Result<Result<(Who, Means), SignInRefusal>, DirectoryError> {
        let now = self.clock.now();
        let login = user.parse::<MailAddress>().ok();
        // What is no address is counted under one name, so that it cannot fill the table.
        let counted = login.as_ref().map_or_else(String::new, MailAddress::key);
        if self.checks.exhausted(&counted, remote, now) {
            return Ok(Err(SignInRefusal::TooManyFailures));
        }
        let who = match &login {
            Some(login) => self.who(login).await?,
            None => None,
        };
        if let Some(who) = &who
            && let Some(token) = self.take_token(who.address(), secret).await?
        {
            self.checks.note(&counted, remote, now, true);
            return Ok(Ok((who.clone(), Means::Token { kind: token.kind, oma: token.oma })));
        }
        let proven = self.checks.check(who.as_ref().and_then(Who::password), secret, remote).await;
        self.checks.note(&counted, remote, now, proven);
        Ok(match who {
            Some(who) if proven => Ok((who, Means::Password)),
            _ => Err(SignInRefusal::Credentials),
        })
    }

    /// Returns the admin or the account that a login name means.
    pub(crate) async fn who(&self, login: &MailAddress) -> Result<Option<Who>, DirectoryError> {
        let mut connection = self.readers.acquire().await?;
        if let Some(admin) = admin(&mut connection, &login.key()).await? {
            return Ok(Some(Who::Admin(admin)));
        }
        let Some(domain) = domain::meant(&mut connection, login.domain().as_str()).await? else { return Ok(None) };
        let account = recipient::find(&mut connection, login.local(), &domain.name).await?;
        Ok(account.map(|account| Who::Account(Box::new(account))))
    }

    /// Returns a token's row when it belongs to a login and still holds; a token for one use is used up.
    async fn take_token(&self, login: &MailAddress, secret: &str) -> Result<Option<token::TokenRow>, DirectoryError> {
        let row = {
            let mut connection = self.readers.acquire().await?;
            token::held(&mut connection, &login.key(), secret, self.now()).await?
        };
        let Some(row) = row else { return Ok(None) };
        if row.kind == TokenKind::Sso && !token::used_up(&self.database.writer, &login.key(), secret).await? {
            return Ok(None);
        }
        Ok(Some(row))
    }
}

async fn admin(connection: &mut Connection, address: &str) -> Result<Option<Admin>, DirectoryError> {
    let row = sqlx::query("SELECT address, reseller, password FROM admins WHERE address = $1 AND status = 'active'")
        .bind(address)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let address: String = row.try_get("address")?;
    Ok(Some(Admin {
        address: address.parse().map_err(|_| DirectoryError::Unreadable { what: format!("admin {address}") })?,
        reseller: row.try_get("reseller")?,
        password: row.try_get("password")?,
    }))
}

/// Returns every address that an account may send as.
async fn senders(connection: &mut Connection, account: &Account) -> Result<Vec<MailAddress>, DirectoryError> {
    let mut own = vec![account.address.clone()];
    own.extend(account::aliases(connection, account.id).await?.iter().filter_map(|alias| alias.parse().ok()));
    let rows = sqlx::query("SELECT name FROM domain_aliases WHERE domain = $1").bind(&account.domain);
    let mut senders = own.clone();
    for row in rows.fetch_all(connection).await? {
        let name: String = row.try_get("name")?;
        let Ok(domain) = name.parse::<values::HostName>() else { continue };
        senders.extend(own.iter().map(|address| MailAddress::new(address.local().clone(), domain.clone())));
    }
    senders.sort();
    senders.dedup();
    Ok(senders)
}
