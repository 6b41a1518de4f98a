//! The directory: who exists, what they may use, where their mail goes.

pub(crate) mod account;
pub(crate) mod aside;
mod changes;
mod database;
pub(crate) mod domain;
mod effective;
mod facts;
mod forget;
mod formerly;
mod pending;
mod recipient;
mod renames;
mod seed;
mod settings;
mod sign_in;
mod tenant;
mod token;
mod unmanaged;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub(crate) use account::{Account, Kind, Status};
pub(crate) use changes::{Change, record};
pub use database::Server;
pub(crate) use database::server_options;
pub(crate) use database::{Connection, Pool, Row, Write};
pub(crate) use domain::{DomainRow, Population};
pub(crate) use effective::Effective;
pub(crate) use facts::Facts;
pub use forget::forget_secrets;
pub(crate) use recipient::delivers;
pub use seed::{Seed, SeedReport};
pub(crate) use settings::Settings;
pub(crate) use sign_in::{Means, Who};
pub(crate) use tenant::{HeldRole, holdings, set_roles};
pub(crate) use token::{NewToken, TokenKind, revoke};
pub use unmanaged::Unmanaged;

use crate::password::{Checks, locked};
use crate::time::{Chance, Clock, seconds};

use database::Database;
use pending::Pending;
use recipient::Remembered;

/// Why the directory could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The file could not be made.
    #[error("could not create the directory's file {path}")]
    Create {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is of a later version of this program.
    #[error(
        "the directory {path} has schema {found}, this program knows {known}: run the newer program, or reset the environment"
    )]
    Newer {
        /// The file.
        path: String,
        /// The schema's version that was found.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The schema could not be brought up to date.
    #[error("could not bring the schema of the directory {path} up to date")]
    Migrate {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// The database failed.
    #[error("the directory's database did not answer")]
    Database(#[from] sqlx::Error),
    /// A mailbox could not be moved on its store.
    #[error("the mail of the deleted account {mailbox} could not be moved on its store")]
    Mailbox {
        /// The account's address.
        mailbox: String,
    },
    /// A row holds what this program never writes.
    #[error("the directory holds {what}, which cannot be read")]
    Unreadable {
        /// The table and what stands there.
        what: String,
    },
}

/// The directory of one environment; open once, share by reference.
pub struct Directory {
    database: Database,
    readers: Pool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Arc<dyn Chance>,
    pub(crate) checks: Checks,
    facts: RwLock<Option<Arc<Facts>>>,
    remembered: Mutex<Remembered>,
    pending: Arc<Pending>,
    /// Whether all mail lies under the addresses that accounts have.
    pub(crate) settled: tokio::sync::watch::Sender<bool>,
}

impl Directory {
    /// Opens the directory in a file, which is made when it is not there.
    ///
    /// - Errors: a file of a later version is refused, and nothing in it is touched.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Result<Self, DirectoryError> {
        let shown = path.display().to_string();
        create(path).map_err(|source| DirectoryError::Create { path: shown.clone(), source })?;
        Self::on(Database::open(path).await?, clock, chance).await
    }

    /// Opens the directory on a server, where several may have it open at once.
    ///
    /// - Errors: a schema of a later version is refused, and nothing in it is touched.
    pub async fn connect(
        server: &Server,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
    ) -> Result<Self, DirectoryError> {
        Self::on(Database::connect(server).await?, clock, chance).await
    }

    async fn on(database: Database, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Result<Self, DirectoryError> {
        let directory = Self {
            checks: Checks::new(&*chance),
            pending: Arc::new(Pending::load(&database.writer).await?),
            facts: RwLock::default(),
            settled: tokio::sync::watch::Sender::new(true),
            remembered: Mutex::default(),
            readers: database.readers.clone(),
            database,
            clock,
            chance,
        };
        let facts = Facts::load(&directory.database.writer).await?;
        directory.set_facts(facts);
        Ok(directory)
    }

    /// Writes out what was only counted so far, and closes the file or the connections.
    pub async fn close(&self) {
        self.pending.flush(&self.database.writer()).await;
        self.database.close().await;
    }

    /// Tells whether the database answers.
    pub(crate) async fn answers(&self) -> bool {
        sqlx::query("SELECT 1 AS one").fetch_one(&self.readers).await.is_ok()
    }

    /// Returns whole seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        seconds(self.clock.now())
    }

    /// Returns what the last seed said of the platform; `None` before the first.
    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        self.facts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_facts(&self, facts: Option<Facts>) {
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = facts.map(Arc::new);
    }

    /// Starts a write; nothing is seen of it before [`Self::commit`].
    pub(crate) async fn write(&self) -> Result<Write, DirectoryError> {
        Ok(self.database.write().await?)
    }

    /// Makes a write durable and seen.
    pub(crate) async fn commit(&self, transaction: Write) -> Result<(), DirectoryError> {
        let done = transaction.commit().await;
        self.forget();
        Ok(done?)
    }

    /// Forgets every remembered answer.
    fn forget(&self) {
        let mut remembered = locked(&self.remembered);
        remembered.generation += 1;
        remembered.answers = HashMap::new();
    }

    /// Returns an identifier of so many random bytes, in hexadecimal.
    pub(crate) fn identifier(&self, bytes: usize) -> String {
        let mut buffer = vec![0; bytes];
        self.chance.fill(&mut buffer);
        hexadecimal(&buffer)
    }
}

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes the file for its owner alone, durably; SQLite gives its log the same mode.
fn create(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => file.sync_all()?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    // A file whose name is not on disk yet is gone after a power failure, whatever was written into it.
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if cfg!(unix) => std::fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
