//! Accounts that no specification declares: made through the API or the console, and left alone.

use serde::{Deserialize, Serialize};

use super::{Directory, DirectoryError, Status, account};

/// An account that no specification declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmanaged {
    /// Its address.
    pub address: String,
    /// The reseller.
    pub reseller: String,
    /// The domain.
    pub domain: String,
    /// Whether the domain is declared.
    pub domain_declared: bool,
    /// `mailbox`, `filter` or `forward`.
    pub kind: String,
    /// Its workgroup.
    pub workgroup: Option<String>,
    /// Its own tier; `None` for its domain's.
    pub tier: Option<String>,
    /// Its owner's name.
    pub name: Option<String>,
    /// Other addresses of it.
    pub aliases: Vec<String>,
    /// Where its mail is passed on to.
    pub forward: Vec<String>,
    /// Whether mail that is passed on stays, too.
    pub keep: bool,
    /// What was set for it and has no place in a specification, by the names of the API.
    pub beyond: Vec<String>,
}

/// Settings that a specification says in words of its own.
const SAID: [&str; 4] = ["name", "delivery_forward", "delivery_local", "forward_option_restricted"];

impl Directory {
    /// Returns the accounts that work and that no specification declares, by address.
    pub async fn unmanaged(&self) -> Result<Vec<Unmanaged>, DirectoryError> {
        let mut connection = self.database.readers.acquire().await?;
        let rows =
            sqlx::query("SELECT * FROM mailboxes WHERE declared IS NULL AND deleted_at IS NULL ORDER BY address")
                .fetch_all(&mut *connection)
                .await?;
        let declared =
            sqlx::query("SELECT name FROM domains WHERE declared IS NOT NULL").fetch_all(&mut *connection).await?;
        let declared: std::collections::BTreeSet<String> =
            declared.iter().map(|row| sqlx::Row::try_get(row, "name")).collect::<Result<_, _>>()?;
        let mut found = Vec::new();
        for row in &rows {
            let it = account::read(row)?;
            // What was declared once and is no longer is suspended, and waits to be removed.
            if it.status != Status::Active {
                continue;
            }
            let beyond = it.settings.0.keys().filter(|name| !SAID.contains(&name.as_str())).cloned();
            let mut beyond: Vec<String> = beyond.collect();
            beyond.extend(it.quota.map(|_| "quota".to_owned()));
            beyond.extend(it.brand.as_ref().map(|_| "brand".to_owned()));
            found.push(Unmanaged {
                aliases: account::aliases(&mut connection, it.id).await?,
                forward: account::forwards(&mut connection, it.id).await?,
                domain_declared: declared.contains(&it.domain),
                name: it.settings.text("name").map(str::to_owned),
                keep: it.settings.flag("delivery_local").unwrap_or(false),
                address: it.address.to_string(),
                kind: it.kind.name().to_owned(),
                reseller: it.reseller,
                domain: it.domain,
                workgroup: it.workgroup,
                tier: it.tier,
                beyond,
            });
        }
        Ok(found)
    }
}
