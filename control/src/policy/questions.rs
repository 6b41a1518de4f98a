//! What is asked of the directory, and what its answers mean to Postfix.

use std::path::PathBuf;
use std::time::Duration;

use claims::Claimant;
use sqlx::Row as _;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use values::{AddressPattern, MailAddress};

use super::attributes::Request;
use crate::directory::{Pool, Server, server_options};

/// How long the directory has for an answer before the client is asked to come again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is said to Postfix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing stands against it.
    Passes,
    /// It is refused, with these codes and words.
    Refused(String),
    /// Nobody could be asked.
    Later(String),
}

impl Answer {
    fn refused(reply: &str) -> Self {
        Self::Refused(reply.to_owned())
    }

    fn later() -> Self {
        Self::Later("451 4.3.0 Temporary lookup failure".to_owned())
    }

    /// Writes the answer as a policy service does.
    pub(super) fn as_action(&self) -> String {
        match self {
            Self::Passes => "action=DUNNO\n\n".to_owned(),
            Self::Refused(reply) | Self::Later(reply) => format!("action={reply}\n\n"),
        }
    }
}

/// What an address asks of the defense.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Defense {
    pub(super) tag: f64,
    pub(super) quarantine: f64,
    pub(super) reject: f64,
    /// What is put before the subject of what is tagged; empty for nothing.
    pub(super) subject: String,
    /// Whether any of its mail ends in a mailbox.
    pub(super) keeps: bool,
    /// Whether its spam is held apart.
    pub(super) holds: bool,
    pub(super) allow: Vec<AddressPattern>,
    pub(super) block: Vec<AddressPattern>,
}

/// Asks the directory.
pub(super) struct Questions {
    pool: Pool,
    separator: Option<char>,
}

impl Questions {
    /// Takes where the directory is; connects when something is asked.
    pub(super) fn new(
        place: &blueprint::serve::Server,
        password: &str,
        separator: Option<char>,
    ) -> Result<Self, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let server = Server {
            host: place.host.clone(),
            port: place.port,
            database: place.database.clone(),
            user: place.user.clone(),
            password: Some(password.to_owned()),
            authority: place.authority.as_ref().map(PathBuf::from),
        };
        let options: AnyConnectOptions =
            server_options(&server).map_err(|error| sqlx::Error::Configuration(Box::new(error)))?;
        let pool = AnyPoolOptions::new().max_connections(4).acquire_timeout(PATIENCE).connect_lazy_with(options);
        Ok(Self { pool, separator })
    }

    /// Answers a question of smtpd's.
    ///
    /// - Returns: the answer, and why there is none where there is none.
    pub(super) async fn of_postfix(&self, request: &Request) -> (Answer, Option<sqlx::Error>) {
        let refusal = match request.get("protocol_state") {
            "RCPT" => "550 5.7.1 Access denied",
            "END-OF-MESSAGE" if !request.get("sasl_username").is_empty() => {
                "450 4.7.1 Error: your sending limit is reached, try again later"
            }
            _ => return (Answer::Passes, None),
        };
        let asked = match request.get("protocol_state") {
            "RCPT" => self.may_post(request.get("recipient"), request.get("sender")).await,
            _ => {
                // A message has at least one recipient, whatever was said of their number.
                let count = request.get("recipient_count").parse::<i64>().unwrap_or(1).max(1);
                self.may_send(request.get("sasl_username"), count).await
            }
        };
        match asked {
            Ok(true) => (Answer::Passes, None),
            Ok(false) => (Answer::refused(refusal), None),
            Err(error) => (Answer::later(), Some(error)),
        }
    }

    /// Tells whether a message is its sender's to send.
    ///
    /// - `header`: the fields that name senders.
    pub(super) async fn whether_owned(&self, login: &str, header: &[u8]) -> (Answer, Option<sqlx::Error>) {
        let Ok(mailbox) = login.parse::<MailAddress>() else {
            return (Answer::refused("550 5.7.1 Message rejected: nobody owns what this user sends"), None);
        };
        let senders = match self.addresses_of(login).await {
            Ok(senders) => senders,
            Err(error) => return (Answer::later(), Some(error)),
        };
        let claimant = Claimant { mailbox: &mailbox, senders: &senders, separator: self.separator };
        match claims::check(header, &claimant) {
            Ok(()) => (Answer::Passes, None),
            Err(why) => (Answer::Refused(format!("550 5.7.1 Message rejected: {why}")), None),
        }
    }

    async fn may_post(&self, address: &str, sender: &str) -> Result<bool, sqlx::Error> {
        let query = sqlx::query("SELECT answer FROM lookup.may_post($1, $2) AS answers(answer)");
        Ok(query.bind(address.to_owned()).bind(sender.to_owned()).fetch_optional(&self.pool).await?.is_some())
    }

    async fn may_send(&self, login: &str, count: i64) -> Result<bool, sqlx::Error> {
        let query = sqlx::query("SELECT answer FROM lookup.send_allowance($1, $2) AS answers(answer)");
        Ok(query.bind(login.to_owned()).bind(count).fetch_optional(&self.pool).await?.is_some())
    }

    /// Returns what an address asks of the defense; `None` for one that the platform does not know.
    pub(super) async fn defense_of(&self, address: &str) -> Result<Option<Defense>, sqlx::Error> {
        let query = sqlx::query(
            "SELECT trim_scale(tag)::text AS tag, trim_scale(quarantine)::text AS quarantine, trim_scale(reject)::text AS reject, \
             subject, keeps, holds, to_json(allow)::text AS allow, to_json(block)::text AS block FROM lookup.defense($1)",
        );
        let Some(row) = query.bind(address.to_owned()).fetch_optional(&self.pool).await? else { return Ok(None) };
        let number = |column: &str| -> Result<f64, sqlx::Error> {
            let text: String = row.try_get(column)?;
            text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
        };
        let patterns = |column: &str| -> Result<Vec<AddressPattern>, sqlx::Error> {
            let text: String = row.try_get(column)?;
            let texts: Vec<String> =
                serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            // One that cannot be read matches nothing.
            Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
        };
        Ok(Some(Defense {
            tag: number("tag")?,
            quarantine: number("quarantine")?,
            reject: number("reject")?,
            subject: row.try_get("subject")?,
            keeps: row.try_get("keeps")?,
            holds: row.try_get("holds")?,
            allow: patterns("allow")?,
            block: patterns("block")?,
        }))
    }

    async fn addresses_of(&self, login: &str) -> Result<Vec<MailAddress>, sqlx::Error> {
        let query = sqlx::query("SELECT address FROM lookup.sender_addresses($1) AS addresses(address)");
        let rows = query.bind(login.to_owned()).fetch_all(&self.pool).await?;
        let mut addresses = Vec::new();
        for row in rows {
            let text: String = row.try_get("address")?;
            addresses.extend(text.parse::<MailAddress>());
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_written_as_postfix_reads_them() {
        assert_eq!(Answer::Passes.as_action(), "action=DUNNO\n\n");
        assert_eq!(Answer::refused("550 5.7.1 Access denied").as_action(), "action=550 5.7.1 Access denied\n\n");
    }
}
