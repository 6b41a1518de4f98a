//! The database below the directory: a file of SQLite or a PostgreSQL server, with one schema and the same statements.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Executor as _, Row as _};

use super::{DirectoryError, hexadecimal};

pub(crate) type Connection = sqlx::AnyConnection;
pub(crate) type Pool = sqlx::AnyPool;
pub(crate) type Row = sqlx::any::AnyRow;
/// A write under way; dropped, it never was.
pub(crate) type Write = sqlx::Transaction<'static, sqlx::Any>;

/// Every migration of the schema, in order.
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// What daemons ask, as functions of PostgreSQL.
const LOOKUPS: &str = include_str!("../../lookup.sql");

/// Held by whoever writes, as SQLite lets only one write; the number means nothing.
const WRITING: i64 = 0x6d61_696c_7772_6974;

/// Where a PostgreSQL database is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// A host's name, or the folder of a socket, which begins with `/`.
    pub host: String,
    /// The TCP port, or the number in the socket's name.
    pub port: u16,
    /// The database.
    pub database: String,
    /// Who signs in.
    pub user: String,
    /// With what; `None` where the server does not ask.
    pub password: Option<String>,
    /// The authority that the server's certificate has to be of, for the host's name; `None` for no TLS.
    pub authority: Option<PathBuf>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}:{}/{}", self.user, self.host, self.port, self.database)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Server,
}

/// An open database with its schema in place.
pub(super) struct Database {
    kind: Kind,
    pub(super) writer: Pool,
    pub(super) readers: Pool,
    /// How people are told of it.
    shown: String,
}

impl Database {
    /// Opens a file, which has to be there.
    pub(super) async fn open(path: &Path) -> Result<Self, DirectoryError> {
        sqlx::any::install_default_drivers();
        let shown = path.display().to_string();
        let pool = || {
            AnyPoolOptions::new()
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
                .after_connect(|connection, _| Box::pin(async move { prepare_file(connection).await }))
        };
        let writer = pool().max_connections(1).connect_with(file_options(path, "rw")?).await?;
        let readers = pool().max_connections(4).connect_lazy_with(file_options(path, "ro")?);
        Self { kind: Kind::File, writer, readers, shown }.migrated().await
    }

    /// Connects to a server.
    pub(super) async fn connect(server: &Server) -> Result<Self, DirectoryError> {
        sqlx::any::install_default_drivers();
        let options = server_options(server)?;
        // A server that changes its place leaves connections behind that have to be found out before they are used.
        let pool = || AnyPoolOptions::new().acquire_timeout(Duration::from_secs(10)).max_lifetime(None);
        let writer = pool().max_connections(2).connect_with(options.clone()).await?;
        let readers = pool().max_connections(8).connect_lazy_with(options);
        Self { kind: Kind::Server, writer, readers, shown: format!("{server:?}") }.migrated().await
    }

    async fn migrated(self) -> Result<Self, DirectoryError> {
        use sqlx::migrate::MigrateError;
        let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
        MIGRATIONS.run(&self.writer).await.map_err(|source| match source {
            MigrateError::VersionMissing(found) if found > known => {
                DirectoryError::Newer { path: self.shown.clone(), found, known }
            }
            source => DirectoryError::Migrate { path: self.shown.clone(), source },
        })?;
        if self.kind == Kind::Server {
            self.install_lookups().await?;
        }
        Ok(self)
    }

    /// Puts the functions in place that daemons ask, unless the same ones are there.
    async fn install_lookups(&self) -> Result<(), DirectoryError> {
        let mut transaction = self.write().await?;
        let users = sqlx::query(
            "SELECT COALESCE(string_agg(rolname, ' ' ORDER BY rolname), '') AS users FROM pg_roles
             WHERE rolname IN ('postfix', 'dovecot', 'rspamd')",
        )
        .fetch_one(&mut *transaction)
        .await?;
        // Rights are given to the users that are there, so that one who comes later is a reason as well.
        let users: String = users.try_get("users")?;
        let text = format!("{LOOKUPS}\n-- {users}");
        let digest = hexadecimal(&<sha2::Sha256 as sha2::Digest>::digest(text.as_bytes()));
        let there = sqlx::query(
            "SELECT value FROM platform WHERE name = 'lookups' AND value = $1
             AND EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'lookup')",
        )
        .bind(&digest)
        .fetch_optional(&mut *transaction)
        .await?;
        if there.is_some() {
            return Ok(());
        }
        transaction.execute(sqlx::raw_sql(LOOKUPS)).await?;
        sqlx::query(
            "INSERT INTO platform (name, value) VALUES ('lookups', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(&digest)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Starts a write, one at a time for all who have the database open.
    pub(super) async fn write(&self) -> Result<Write, sqlx::Error> {
        begin(&self.writer, self.kind).await
    }

    /// Tells whether others write as well, so that what is remembered here may not be what holds.
    pub(super) fn is_shared(&self) -> bool {
        self.kind == Kind::Server
    }

    /// Returns what is needed to write from a task of its own.
    pub(super) fn writer(&self) -> Writer {
        Writer { pool: self.writer.clone(), kind: self.kind }
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Writes from a task of its own.
#[derive(Clone)]
pub(super) struct Writer {
    pool: Pool,
    kind: Kind,
}

impl Writer {
    pub(super) async fn write(&self) -> Result<Write, sqlx::Error> {
        begin(&self.pool, self.kind).await
    }
}

async fn begin(pool: &Pool, kind: Kind) -> Result<Write, sqlx::Error> {
    match kind {
        Kind::File => pool.begin_with("BEGIN IMMEDIATE").await,
        Kind::Server => {
            let mut transaction = pool.begin().await?;
            // Freed when the transaction ends, however that is.
            sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(WRITING).execute(&mut *transaction).await?;
            Ok(transaction)
        }
    }
}

async fn prepare_file(connection: &mut Connection) -> Result<(), sqlx::Error> {
    for pragma in [
        "PRAGMA busy_timeout = 10000",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA cache_size = -1024",
    ] {
        connection.execute(sqlx::raw_sql(pragma)).await?;
    }
    Ok(())
}

/// Writes a text so that it stands for itself anywhere in a URL (RFC 3986 §2.1).
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut url, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
            _ => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
        url
    })
}

fn file_options(path: &Path, mode: &str) -> Result<AnyConnectOptions, DirectoryError> {
    let Some(text) = path.to_str() else {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path is not in UTF-8");
        return Err(DirectoryError::Create { path: path.display().to_string(), source });
    };
    Ok(format!("sqlite:{}?mode={mode}", encoded(text)).parse()?)
}

pub(crate) fn server_options(server: &Server) -> Result<AnyConnectOptions, DirectoryError> {
    let mut url = format!("postgres://{}", encoded(&server.user));
    if let Some(password) = &server.password {
        let _ = write!(url, ":{}", encoded(password));
    }
    let _ = write!(
        url,
        "@{}:{}/{}?application_name=mailwright-serve",
        encoded(&server.host),
        server.port,
        encoded(&server.database)
    );
    match &server.authority {
        Some(path) => {
            let _ = write!(url, "&sslmode=verify-full&sslrootcert={}", encoded(&path.to_string_lossy()));
        }
        None => url.push_str("&sslmode=disable"),
    }
    Ok(url.parse()?)
}
