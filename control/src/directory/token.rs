//! Tokens: what goes where a password goes, for a while.

use sha2::{Digest as _, Sha256};
use sqlx::Row as _;

use super::{Connection, Directory, DirectoryError, Pool, hexadecimal};

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// The API only.
    Oma,
    /// Mail services until it expires, and the API where it says so.
    Session,
    /// Mail services, once.
    Sso,
}

impl TokenKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Oma => "oma",
            Self::Session => "session",
            Self::Sso => "sso",
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        [Self::Oma, Self::Session, Self::Sso].into_iter().find(|kind| kind.name() == text)
    }
}

/// A token to be made.
pub(crate) struct NewToken<'a> {
    /// The main address it signs in.
    pub(crate) login: &'a str,
    pub(crate) kind: TokenKind,
    pub(crate) oma: bool,
    pub(crate) reason: &'a str,
    pub(crate) seconds: i64,
    /// The token's text, where the caller chose it.
    pub(crate) chosen: Option<String>,
}

/// A token that holds.
pub(super) struct TokenRow {
    pub(super) kind: TokenKind,
    pub(super) oma: bool,
}

/// Tokens that one login may hold; the ones that end first make room.
const MOST_TOKENS: i64 = 100;

fn digest(login: &str, secret: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(login.as_bytes());
    digest.update([0]);
    digest.update(secret.as_bytes());
    hexadecimal(&digest.finalize())
}

/// Returns the token of a login, when it holds.
pub(super) async fn held(
    connection: &mut Connection,
    login: &str,
    secret: &str,
    now: i64,
) -> Result<Option<TokenRow>, DirectoryError> {
    let row = sqlx::query("SELECT kind, oma FROM tokens WHERE digest = $1 AND login = $2 AND expires_at > $3")
        .bind(digest(login, secret))
        .bind(login)
        .bind(now)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let kind: String = row.try_get("kind")?;
    let oma: i64 = row.try_get("oma")?;
    Ok(TokenKind::read(&kind).map(|kind| TokenRow { kind, oma: oma != 0 }))
}

/// Takes a token away, and tells whether it was still there: of two that come at once, one gets in.
pub(super) async fn used_up(pool: &Pool, login: &str, secret: &str) -> Result<bool, DirectoryError> {
    let done = sqlx::query("DELETE FROM tokens WHERE digest = $1").bind(digest(login, secret)).execute(pool).await?;
    Ok(done.rows_affected() == 1)
}

/// Takes away every token of a login, as a new password does.
pub(crate) async fn revoke(connection: &mut Connection, login: &str) -> Result<(), DirectoryError> {
    sqlx::query("DELETE FROM tokens WHERE login = $1").bind(login).execute(connection).await?;
    Ok(())
}

impl Directory {
    /// Makes a token and returns its text, which is kept nowhere.
    pub(crate) async fn make_token(&self, token: NewToken<'_>) -> Result<String, DirectoryError> {
        let text = token.chosen.unwrap_or_else(|| self.identifier(24));
        let now = self.now();
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM tokens WHERE expires_at <= $1").bind(now).execute(&mut *transaction).await?;
        sqlx::query(
            "INSERT INTO tokens (digest, login, kind, oma, reason, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (digest) DO UPDATE SET kind = excluded.kind, oma = excluded.oma, reason = excluded.reason,
                 created_at = excluded.created_at, expires_at = excluded.expires_at",
        )
        .bind(digest(token.login, &text))
        .bind(token.login)
        .bind(token.kind.name())
        .bind(i64::from(token.oma))
        .bind(token.reason)
        .bind(now)
        .bind(now.saturating_add(token.seconds))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM tokens WHERE login = $1 AND digest NOT IN
                 (SELECT digest FROM tokens WHERE login = $1 ORDER BY expires_at DESC, digest LIMIT $2)",
        )
        .bind(token.login)
        .bind(MOST_TOKENS)
        .execute(&mut *transaction)
        .await?;
        self.commit(transaction).await?;
        Ok(text)
    }
}
