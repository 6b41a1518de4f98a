//! What things were called before, as `renamed-from` says, and what follows from it for the names made of theirs.

use blueprint::{Rename, Roster};
use spec::Spanned;
use values::MailAddress;

use super::hosts;
use super::nodes::Asked;
use crate::resolve::{EntryKind, Model};

/// A list of renames in the making.
#[derive(Default)]
struct Renames(Vec<Rename>);

impl Renames {
    fn add(&mut self, kind: &str, from: impl Into<String>, to: impl Into<String>) {
        let (from, to) = (from.into(), to.into());
        if from != to {
            self.0.push(Rename { kind: kind.to_owned(), from, to });
        }
    }

    fn finish(mut self) -> Vec<Rename> {
        self.0.sort();
        self.0.dedup();
        self.0
    }
}

/// Returns a thing's name before, which is its name now where nothing else is said.
fn former<T: ToString>(name: &Spanned<T>, renamed_from: Option<&Spanned<T>>) -> String {
    renamed_from.filter(|before| !before.is_hole()).unwrap_or(name).value.to_string()
}

/// Returns the renames of the operator's sites, hosts, storages, clusters, nodes and pools, sorted.
pub fn of_platform(model: &Model<'_>, nodes: &[Asked]) -> Vec<Rename> {
    let mut renames = Renames::default();
    for site in model.sites.values() {
        let before = former(&site.name, site.renamed_from.as_ref());
        renames.add("site", &before, site.name.value.as_str());
        for storage in &site.storages {
            let storage_before = former(&storage.name, storage.renamed_from.as_ref());
            let to = format!("{}/{}", site.name.value, storage.name.value);
            renames.add("storage", format!("{before}/{storage_before}"), to);
        }
        for (host, span) in hosts::hosts(site) {
            let Some(group) = site.hosts.iter().find(|group| group.span == span) else { continue };
            let Some(number) = host.name.as_str().strip_prefix(group.name.value.as_str()) else { continue };
            let group_before = former(&group.name, group.renamed_from.as_ref());
            renames.add("host", format!("{group_before}{number}"), host.name.as_str());
        }
    }
    for cluster in &model.clusters {
        let now = cluster.spec.name.value.as_str();
        let before = former(&cluster.spec.name, cluster.spec.renamed_from.as_ref());
        for (node, _) in nodes.iter().filter(|(node, _)| node.cluster == cluster.spec.name.value) {
            // Only where another cluster has the bare names do nodes carry their cluster's.
            let carried = format!("{now}-{}-", node.role.name());
            if let Some(number) = node.name.as_str().strip_prefix(&carried) {
                renames.add("node", format!("{before}-{}-{number}", node.role.name()), node.name.as_str());
            }
        }
        renames.add("cluster", before, now);
    }
    for pool in model.pools.values() {
        renames.add("outbound", former(&pool.name, pool.renamed_from.as_ref()), pool.name.value.as_str());
    }
    renames.finish()
}

/// Returns the renames of tiers, resellers and what these declare, sorted.
pub fn of_tenants(model: &Model<'_>, roster: &Roster) -> Vec<Rename> {
    let mut renames = Renames::default();
    for tier in model.tiers.values() {
        renames.add("tier", former(&tier.name, tier.renamed_from.as_ref()), tier.name.value.as_str());
    }
    for reseller in &model.resellers {
        let spec = reseller.spec;
        let before = former(&spec.name, spec.renamed_from.as_ref());
        for brand in &spec.brands {
            let brand_before = former(&brand.name, brand.renamed_from.as_ref());
            let to = format!("{}/{}", spec.name.value, brand.name.value);
            renames.add("brand", format!("{before}/{brand_before}"), to);
        }
        renames.add("reseller", before, spec.name.value.as_str());
    }
    for domain in &model.domains {
        let before = former(&domain.spec.name, domain.spec.renamed_from.as_ref());
        for group in &domain.spec.workgroups {
            let group_before = former(&group.name, group.renamed_from.as_ref());
            let to = format!("{}/{}", domain.spec.name.value, group.name.value);
            renames.add("workgroup", format!("{before}/{group_before}"), to);
        }
        renames.add("domain", before, domain.spec.name.value.as_str());
    }
    // Hardly ever is anything renamed, and there may be a million addresses.
    let domain_renamed = model.domains.iter().any(|domain| domain.spec.renamed_from.is_some());
    if !domain_renamed && model.entries.iter().all(|(_, entry)| entry.kind.renamed_from().is_none()) {
        return renames.finish();
    }
    let addresses = (roster.mailboxes.iter().map(|it| ("mailbox", &it.address)))
        .chain(roster.forwards.iter().map(|it| ("forward", &it.address)))
        .chain(roster.lists.iter().map(|it| ("list", &it.address)));
    for (kind, address) in addresses {
        renames.add(kind, address_before(model, address), address.key());
    }
    renames.finish()
}

/// Returns an address as it was before it or its domain was renamed, by its key.
fn address_before(model: &Model<'_>, address: &MailAddress) -> String {
    let domain = model.domain_of(address.domain()).and_then(|domain| domain.spec.renamed_from.as_ref());
    let domain = domain.filter(|before| !before.is_hole()).map_or(address.domain(), |before| &before.value);
    let entry = model.entries.get(address).filter(|entry| !entry.alias);
    let local = entry.and_then(|entry| entry.kind.renamed_from()).filter(|before| !before.is_hole());
    MailAddress::new(local.map_or(address.local(), |before| &before.value).clone(), domain.clone()).key()
}

impl<'s> EntryKind<'s> {
    /// Returns its main local part before, where it has another now.
    pub fn renamed_from(self) -> Option<&'s Spanned<values::LocalPart>> {
        match self {
            Self::Mailbox(mailbox) => mailbox.renamed_from.as_ref(),
            Self::Forward(forward) => forward.renamed_from.as_ref(),
            Self::List(list) => list.renamed_from.as_ref(),
        }
    }
}
