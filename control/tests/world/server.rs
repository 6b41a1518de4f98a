//! A PostgreSQL server of the test's own: on a socket in a temporary folder, gone with the process that asked for it.

#![expect(clippy::print_stdout, reason = "tests say what they skip")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use control::Server;

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// Starts a server, says `ready`, and ends it when its input does.
const SCRIPT: &str = r#"
set -e
folder=$1 programs=$2
"$programs/initdb" -D "$folder/data" -U control -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$folder/initdb.log" 2>&1
"$programs/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off -c synchronous_commit=off \
    -c full_page_writes=off -c max_connections=400 -c shared_buffers=32MB -c log_min_messages=fatal >"$folder/log" 2>&1 &
server=$!
trap 'kill -INT $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$folder"' EXIT
until [ -S "$folder/.s.PGSQL.5432" ] && "$programs/pg_isready" -q -h "$folder"; do kill -0 $server; done
echo ready
cat >/dev/null
"#;

static STARTED: OnceLock<Result<(PathBuf, Child), String>> = OnceLock::new();

/// Tells whether this test program is the one that runs on PostgreSQL.
pub(crate) fn is_asked_for() -> bool {
    let name = std::env::current_exe().ok().and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
    name.is_some_and(|name| ["postgresql", "lookups", "serve"].iter().any(|test| name.starts_with(test)))
}

/// Tells whether there is a server; says what is skipped without one.
pub(crate) fn is_there() -> bool {
    folder().is_some()
}

/// Returns the folder of the server's socket; without one, says once what is skipped.
fn folder() -> Option<&'static Path> {
    let started = STARTED.get_or_init(|| {
        let started = start();
        if let Err(why) = &started {
            println!("skipped: {why}; on SQLite instead");
        }
        started
    });
    started.as_ref().ok().map(|(folder, _)| folder.as_path())
}

fn start() -> Result<(PathBuf, Child), String> {
    if !Path::new(PROGRAMS).join("initdb").exists() {
        return Err("PostgreSQL 15 is not installed".to_owned());
    }
    let folder = tempfile::Builder::new().prefix("control-pg-").tempdir().unwrap().keep();
    // PostgreSQL refuses to run as root.
    let is_root = fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
    let mut command = if is_root {
        let owned = Command::new("chown").arg("postgres").arg(&folder).status();
        if !owned.is_ok_and(|status| status.success()) {
            return Err("there is no user postgres".to_owned());
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.args(["-c", SCRIPT, "sh"]).arg(&folder).arg(PROGRAMS).current_dir(&folder);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    match line.trim() {
        "ready" => Ok((folder, child)),
        _ => Err(format!("PostgreSQL did not start: {}", fs::read_to_string(folder.join("log")).unwrap_or_default())),
    }
}

/// Returns the database that belongs to a world's folder, made when it is not there; `None` where PostgreSQL is missing.
pub(crate) fn database(world: &Path) -> Option<Server> {
    let socket = folder()?;
    let name: String = world.file_name()?.to_string_lossy().chars().filter(char::is_ascii_alphanumeric).collect();
    let server = Server {
        host: socket.to_string_lossy().into_owned(),
        port: 5432,
        database: format!("world-{name}"),
        user: "control".to_owned(),
        password: None,
        authority: None,
    };
    let made = psql(&server, "postgres", &format!("CREATE DATABASE \"{}\"", server.database));
    assert!(made.is_ok() || made.as_ref().is_err_and(|error| error.contains("already exists")), "{made:?}");
    Some(server)
}

/// Sets the clock that look-ups go by.
pub(crate) fn tell_time(server: &Server, seconds: u64) {
    let function = format!(
        "CREATE OR REPLACE FUNCTION lookup.seconds() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT {seconds}::bigint'"
    );
    psql(server, &server.database, &function).unwrap();
}

/// Runs statements and returns what they print, a line per row, fields with `|` between.
pub(crate) fn psql(server: &Server, database: &str, statements: &str) -> Result<String, String> {
    let mut child = Command::new("psql")
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", &server.host, "-U", &server.user, "-d", database])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    child.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
