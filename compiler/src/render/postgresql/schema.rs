//! The statements that make a new directory what it has to be: users, schema, what daemons ask.
//!
//! The control plane makes the same from the same texts, and would find nothing left to do. That it is there before anybody
//! connects matters: a Postfix that is refused once asks nothing for a minute.

use std::fmt::Write;

use blueprint::{File, Piece};
use sha2::{Digest as _, Sha256, Sha384};

use super::{DAEMONS, OWNER};
use crate::decide::secrets;

/// Versions of the schema: number, name, statements.
const MIGRATIONS: [(u32, &str, &str); 2] = [
    (1, "directory", include_str!("../../../../control/migrations/0001_directory.sql")),
    (2, "stores", include_str!("../../../../control/migrations/0002_stores.sql")),
];

/// What daemons ask.
const LOOKUPS: &str = include_str!("../../../../control/lookup.sql");

/// Makes the users that are missing and gives each the password that holds now.
///
/// Statements end at an empty line, as PostgreSQL without a server wants it (postgres(1), `-j`).
pub fn users() -> File {
    let mut pieces = Vec::new();
    for (user, _) in DAEMONS {
        let text = format!(
            "DO $$ BEGIN\nIF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{user}') THEN CREATE ROLE {user} LOGIN; END IF;\n\
             END $$;\n\nALTER ROLE {user} PASSWORD '"
        );
        pieces.push(Piece::Bytes(text.into_bytes()));
        // Letters and digits, wherever it comes from.
        pieces.push(Piece::Secret(secrets::password(&format!("directory-{user}"))));
        pieces.push(Piece::Bytes(b"';\n\n".to_vec()));
    }
    pieces.push(Piece::Bytes(b"GRANT pg_monitor TO monitor;\n\n".to_vec()));
    File::private("postgres:postgres", pieces)
}

/// Makes everything in a new database, as its owner.
pub fn statements() -> String {
    let mut text = format!("SET SESSION AUTHORIZATION {OWNER};\n\n");
    text.push_str(
        "CREATE TABLE _sqlx_migrations (\n    version BIGINT PRIMARY KEY,\n    description TEXT NOT NULL,\n    \
         installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),\n    success BOOLEAN NOT NULL,\n    checksum BYTEA NOT NULL,\n    \
         execution_time BIGINT NOT NULL\n);\n\n",
    );
    for (version, name, statements) in MIGRATIONS {
        let digest = hexadecimal(&Sha384::digest(statements));
        let _ = write!(
            text,
            "{}\n\nINSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)\n    \
             VALUES ({version}, '{name}', true, '\\x{digest}', 0);\n\n",
            statements.trim_end()
        );
    }
    // Noted as the control plane notes it: text and users decide whether it is the same.
    let digest = hexadecimal(&Sha256::digest(format!("{LOOKUPS}\n-- dovecot postfix rspamd")));
    let _ = write!(
        text,
        "{}\n\nINSERT INTO platform (name, value) VALUES ('lookups', '{digest}');\n\n",
        LOOKUPS.trim_end()
    );
    text
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_statement_is_torn_apart_at_an_empty_line() {
        for statement in statements().split(";\n\n") {
            assert_eq!(statement.matches("$$").count() % 2, 0, "{statement}");
            assert_eq!(statement.matches('(').count(), statement.matches(')').count(), "{statement}");
        }
    }
}
