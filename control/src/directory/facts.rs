//! What the directory knows of the platform itself, as the last seed said it.

use std::collections::BTreeMap;

use blueprint::platform::{Defense, Role};
use blueprint::roster::{Reseller, Tier, TierKind};
use blueprint::{Blueprint, Roster, offices};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use values::MailAddress;

use super::formerly::Formerly;
use super::{DirectoryError, Pool};

/// What the directory knows of the platform.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The platform's name.
    pub(crate) platform: String,
    /// The operator's name.
    pub(crate) operator: String,
    /// What the defense does where nobody says otherwise.
    pub(crate) defense: Defense,
    /// Separates a local part from its detail.
    pub(crate) subaddressing: Option<char>,
    /// Store nodes by cluster.
    pub(crate) stores: BTreeMap<String, Vec<String>>,
    /// Deleted accounts can be restored for so many seconds.
    pub(crate) restorable_seconds: i64,
    /// Tiers by name.
    pub(crate) tiers: BTreeMap<String, Tier>,
    /// Resellers by name.
    pub(crate) resellers: BTreeMap<String, Reseller>,
    /// What was renamed lately.
    #[serde(default, skip_serializing_if = "Formerly::is_empty")]
    pub(crate) formerly: Formerly,
}

impl Facts {
    pub(super) fn of(blueprint: &Blueprint, roster: &Roster) -> Self {
        let mut stores: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for node in blueprint.nodes.iter().filter(|node| node.role == Role::Store) {
            stores.entry(node.cluster.to_string()).or_default().push(node.name.to_string());
        }
        Self {
            platform: blueprint.platform.to_string(),
            operator: blueprint.operator.name.clone(),
            defense: blueprint.defense.clone(),
            subaddressing: blueprint.mail.subaddressing,
            stores,
            restorable_seconds: i64::try_from(blueprint.retention.deleted_mailbox.as_seconds()).unwrap_or(i64::MAX),
            tiers: roster.tiers.iter().map(|tier| (tier.name.to_string(), tier.clone())).collect(),
            resellers: roster.resellers.iter().map(|one| (one.name.to_string(), one.clone())).collect(),
            formerly: Formerly::default(),
        }
    }

    pub(super) async fn load(pool: &Pool) -> Result<Option<Self>, DirectoryError> {
        let row = sqlx::query("SELECT value FROM platform WHERE name = 'facts'").fetch_optional(pool).await?;
        let Some(row) = row else { return Ok(None) };
        let text: String = row.try_get("value")?;
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| DirectoryError::Unreadable { what: format!("platform facts ({error})") })
    }

    /// Returns the store a new mailbox is put on, by the rule that holds for every backend ([`blueprint::shard`]).
    pub(crate) fn first_store(&self, cluster: &str, address: &MailAddress) -> Option<String> {
        let key = address.key();
        let stores = self.stores.get(cluster)?;
        stores.iter().max_by_key(|store| (blueprint::shard::draw(store, &key), store.as_str())).cloned()
    }

    /// Returns the tier of an account: its own, else its domain's.
    pub(crate) fn tier(&self, own: Option<&str>, domain: &str) -> Option<&Tier> {
        self.tiers.get(own.unwrap_or(domain))
    }

    /// Returns the first tier of a kind that a reseller may use.
    pub(crate) fn tier_of_kind(&self, reseller: &str, kind: TierKind) -> Option<&Tier> {
        let allowed =
            |tier: &&Tier| tier.name.as_str() != offices::TIER && self.allows_tier(reseller, tier.name.as_str());
        self.tiers.values().filter(allowed).find(|tier| tier.kind == kind)
    }

    /// Tells whether a reseller's contract allows a tier; one without a contract may use all.
    pub(crate) fn allows_tier(&self, reseller: &str, tier: &str) -> bool {
        let contract = self.resellers.get(reseller).and_then(|reseller| reseller.contract.as_ref());
        contract
            .is_none_or(|contract| contract.tiers.is_empty() || contract.tiers.iter().any(|name| name.as_str() == tier))
    }

    /// Returns how many mailboxes a reseller's contract allows.
    pub(crate) fn most_mailboxes(&self, reseller: &str) -> Option<u64> {
        self.resellers.get(reseller)?.contract.as_ref()?.mailboxes
    }

    /// Returns how many bytes a reseller's contract lets it promise.
    pub(crate) fn most_storage(&self, reseller: &str) -> Option<u64> {
        self.resellers.get(reseller)?.contract.as_ref()?.storage.map(values::ByteSize::as_bytes)
    }
}
