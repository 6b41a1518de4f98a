//! What is counted in memory and written soon after: sends and logins.
//!
//! A crash loses the last moment of it, which lets somebody send a little more and shows an older login; nothing that was
//! promised hangs on it.
//!
//! On a server nothing is counted here: several nodes and daemons count in its rows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sqlx::Row as _;

use super::database::Writer;
use super::{Directory, DirectoryError, Pool};
use crate::Service;
use crate::password::locked;
use values::MailAddress;

/// Counts since a moment, by that moment.
type Buckets = BTreeMap<i64, u64>;

pub(super) struct Pending {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sends: BTreeMap<String, Buckets>,
    dirty_sends: BTreeMap<(String, i64), u64>,
    dirty_logins: BTreeMap<(String, &'static str), i64>,
    writing: bool,
}

/// What an account has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Recipients in the window.
    pub(crate) recipients: u64,
    /// The most recipients in the window; `None` means no limit.
    pub(crate) limit: Option<u64>,
}

impl Pending {
    pub(super) async fn load(pool: &Pool) -> Result<Self, DirectoryError> {
        let mut inner = Inner::default();
        for row in sqlx::query("SELECT login, started_at, recipients FROM send_counts").fetch_all(pool).await? {
            let (login, start, count): (String, i64, i64) =
                (row.try_get("login")?, row.try_get("started_at")?, row.try_get("recipients")?);
            inner.sends.entry(login).or_default().insert(start, u64::try_from(count).unwrap_or(0));
        }
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// Writes until nothing is left to write.
    pub(super) async fn flush(&self, writer: &Writer) {
        loop {
            let (sends, logins) = {
                let mut inner = locked(&self.inner);
                if inner.dirty_sends.is_empty() && inner.dirty_logins.is_empty() {
                    inner.writing = false;
                    return;
                }
                (inner.dirty_sends.clone(), inner.dirty_logins.clone())
            };
            let written = write(writer, &sends, &logins).await;
            let mut inner = locked(&self.inner);
            if written.is_err() {
                // Counted in memory all the same; a later flush writes it.
                inner.writing = false;
                return;
            }
            // What was counted on meanwhile stays to be written; until then it is read from here.
            inner.dirty_sends.retain(|key, count| sends.get(key) != Some(count));
            inner.dirty_logins.retain(|key, at| logins.get(key) != Some(at));
        }
    }

    fn start(self: &Arc<Self>, writer: Writer) {
        if std::mem::replace(&mut locked(&self.inner).writing, true) {
            return;
        }
        let pending = Arc::clone(self);
        tokio::spawn(async move { pending.flush(&writer).await });
    }
}

async fn write(
    writer: &Writer,
    sends: &BTreeMap<(String, i64), u64>,
    logins: &BTreeMap<(String, &'static str), i64>,
) -> Result<(), sqlx::Error> {
    let mut transaction = writer.write().await?;
    for ((login, start), count) in sends {
        sqlx::query(
            "INSERT INTO send_counts (login, started_at, recipients) VALUES ($1, $2, $3)
             ON CONFLICT (login, started_at) DO UPDATE SET recipients = excluded.recipients",
        )
        .bind(login)
        .bind(start)
        .bind(i64::try_from(*count).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
        // No limit looks back further than a day here, whatever its span: see `send_allowance`.
        sqlx::query("DELETE FROM send_counts WHERE login = $1 AND started_at < $2")
            .bind(login)
            .bind(start.saturating_sub(LONGEST_SECONDS))
            .execute(&mut *transaction)
            .await?;
    }
    for ((login, service), at) in logins {
        sqlx::query(
            "INSERT INTO logins (login, service, at) VALUES ($1, $2, $3)
             ON CONFLICT (login, service) DO UPDATE SET at = excluded.at",
        )
        .bind(login)
        .bind(*service)
        .bind(at)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

/// The longest span that a limit on sending looks back over: 31 days.
const LONGEST_SECONDS: i64 = 31 * 86_400;

impl Directory {
    /// Counts a message with so many recipients, and tells whether it may go; what may not go is not counted.
    pub async fn send_allowance(&self, user: &MailAddress, recipients: u32) -> Result<bool, DirectoryError> {
        if self.database.is_shared() {
            // Daemons count in the same rows, by the same function.
            let said = sqlx::query("SELECT * FROM lookup.send_allowance($1, $2)")
                .bind(user.key())
                .bind(i64::from(recipients))
                .fetch_optional(&self.database.writer)
                .await?;
            return Ok(said.is_some());
        }
        let Some((limit, span)) = self.send_limit(user).await? else {
            self.record_login(user, Service::Submission.recorded());
            return Ok(true);
        };
        let (key, now) = (user.key(), self.now());
        let width = (span / 24).max(1);
        let start = now - now.rem_euclid(width);
        {
            let mut inner = locked(&self.pending.inner);
            let buckets = inner.sends.entry(key.clone()).or_default();
            *buckets = buckets.split_off(&now.saturating_sub(LONGEST_SECONDS));
            let sent: u64 = buckets.range(now.saturating_sub(span) + 1..).map(|(_, count)| count).sum();
            if sent.saturating_add(u64::from(recipients)) > limit {
                return Ok(false);
            }
            let count = buckets.entry(start).or_default();
            *count += u64::from(recipients);
            let count = *count;
            inner.dirty_sends.insert((key, start), count);
        }
        self.record_login(user, Service::Submission.recorded());
        Ok(true)
    }

    /// Returns what an account has sent within the span of its limit, a day where it has none.
    pub(crate) async fn sent(&self, user: &MailAddress) -> Result<Sent, DirectoryError> {
        let limit = self.send_limit(user).await?;
        let span = limit.map_or(86_400, |(_, span)| span);
        let since = self.now().saturating_sub(span) + 1;
        if self.database.is_shared() {
            // Others count as well: what they wrote is what holds.
            let row = sqlx::query(
                "SELECT CAST(COALESCE(SUM(recipients), 0) AS BIGINT) AS sent FROM send_counts
                 WHERE login = $1 AND started_at >= $2",
            )
            .bind(user.key())
            .bind(since)
            .fetch_one(&self.readers)
            .await?;
            let sent: i64 = row.try_get("sent")?;
            return Ok(Sent { recipients: u64::try_from(sent).unwrap_or(0), limit: limit.map(|(limit, _)| limit) });
        }
        let inner = locked(&self.pending.inner);
        let recipients = inner.sends.get(&user.key()).map_or(0, |buckets| buckets.range(since..).map(|(_, n)| n).sum());
        Ok(Sent { recipients, limit: limit.map(|(limit, _)| limit) })
    }

    /// Returns how many recipients an account may send to in how many seconds.
    async fn send_limit(&self, user: &MailAddress) -> Result<Option<(u64, i64)>, DirectoryError> {
        let Some(account) = self.account(user).await? else { return Ok(Some((0, 86_400))) };
        let Some(effective) = self.effective(&account).await? else { return Ok(Some((0, 86_400))) };
        Ok(effective.send_limit.map(|(count, span)| (count, span.clamp(1, LONGEST_SECONDS))))
    }

    /// Records that somebody used a service.
    pub(crate) fn record_login(&self, user: &MailAddress, service: &'static str) {
        let now = self.now();
        locked(&self.pending.inner).dirty_logins.insert((user.key(), service), now);
        self.pending.start(self.database.writer());
    }

    /// Returns when an account last used which service.
    pub(crate) async fn logins(&self, user: &MailAddress) -> Result<BTreeMap<String, i64>, DirectoryError> {
        let mut logins = BTreeMap::new();
        for row in sqlx::query("SELECT service, at FROM logins WHERE login = $1")
            .bind(user.key())
            .fetch_all(&self.readers)
            .await?
        {
            logins.insert(row.try_get("service")?, row.try_get("at")?);
        }
        let inner = locked(&self.pending.inner);
        for ((_, service), at) in inner.dirty_logins.iter().filter(|((login, _), _)| *login == user.key()) {
            logins.insert((*service).to_owned(), *at);
        }
        Ok(logins)
    }
}
