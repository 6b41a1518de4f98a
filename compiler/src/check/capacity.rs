//! What is promised and what is used fits into what is there.

use spec::model::{Role, RoleNodes};
use spec::{Problem, Spanned};
use values::ByteSize;

use crate::decide::sizes;
use crate::report::Report;
use crate::resolve::{Cluster, Model};

/// Checks the storage of every cluster.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    for cluster in &model.clusters {
        used(cluster, report);
        promised(model, cluster, report);
        movable(cluster, report);
    }
    for site in model.sites.values() {
        for storage in &site.storages {
            let asked: u64 = model
                .clusters
                .iter()
                .filter(|cluster| cluster.storage.is_some_and(|own| std::ptr::eq(own, storage)))
                .flat_map(|cluster| cluster.spec.roles())
                .filter(|(_, nodes)| !nodes.count.is_hole())
                .map(|(role, nodes)| nodes.count.value.saturating_mul(disk(role, nodes).as_bytes()))
                .fold(0, u64::saturating_add);
            if asked > storage.size.value.as_bytes() {
                report.tell(
                    Problem::error(
                        "compiler::storage-full",
                        storage.size.span,
                        format!(
                            "the storage {} holds {}, and state disks of {} are asked for",
                            storage.name.value,
                            storage.size.value,
                            ByteSize::from_bytes(asked)
                        ),
                    )
                    .help("make the disks smaller or the storage larger"),
                );
            }
        }
    }
}

fn disk(role: Role, nodes: &spec::model::RoleNodes) -> ByteSize {
    let role = blueprint::Role::ALL.into_iter().find(|known| known.name() == role.as_str());
    nodes
        .disk
        .as_ref()
        .filter(|disk| !disk.is_hole())
        .map_or_else(|| role.map_or(ByteSize::from_bytes(0), sizes::disk), |disk| disk.value)
}

/// Returns the bytes that a cluster's stores hold together.
fn stores(cluster: &Cluster<'_>) -> Option<u64> {
    let is_hole = |nodes: &&RoleNodes| nodes.count.is_hole() || nodes.disk.as_ref().is_some_and(Spanned::is_hole);
    let nodes = cluster.spec.store.as_ref().filter(|nodes| !is_hole(nodes))?;
    Some(nodes.count.value.saturating_mul(disk(Role::Store, nodes).as_bytes()))
}

fn used(cluster: &Cluster<'_>, report: &mut Report) {
    let (Some(capacity), Some(there)) = (&cluster.spec.capacity, stores(cluster)) else { return };
    if capacity.mailboxes.is_hole() || capacity.typical.is_hole() {
        return;
    }
    let used = capacity.mailboxes.value.saturating_mul(capacity.typical.value.as_bytes());
    if used > there {
        report.tell(
            Problem::error(
                "compiler::capacity",
                capacity.span,
                format!(
                    "{} mailboxes of {} take {}, and the stores hold {}",
                    capacity.mailboxes.value,
                    capacity.typical.value,
                    approximately(used),
                    approximately(there)
                ),
            )
            .label("more than there is room for")
            .help("add stores, make their disks larger, or expect fewer mailboxes")
            .related(cluster.spec.store.as_ref().map_or(cluster.spec.span, |store| store.span), "the stores"),
        );
    }
}

fn promised(model: &Model<'_>, cluster: &Cluster<'_>, report: &mut Report) {
    let Some(there) = stores(cluster) else { return };
    let unread = cluster.spec.overcommit.as_ref().is_some_and(|overcommit| overcommit.storage.is_hole());
    if unread || model.platform.contracts.iter().any(|contract| contract.clusters.iter().any(Spanned::is_hole)) {
        return;
    }
    let overcommit =
        cluster.spec.overcommit.as_ref().map_or(sizes::OVERCOMMIT_THOUSANDTHS, |overcommit| {
            overcommit.storage.value.as_thousandths().unsigned_abs()
        });
    let most = u128::from(there) * u128::from(overcommit) / 1000;
    let mut contracts = 0u128;
    let mut last = None;
    for contract in &model.platform.contracts {
        // A contract that may use several clusters is counted for the first of them in its list.
        let here = contract.clusters.first().is_some_and(|name| name.value == cluster.spec.name.value);
        if let Some(storage) = contract.storage.as_ref().filter(|storage| here && !storage.is_hole()) {
            contracts += u128::from(storage.value.as_bytes());
            last = Some(storage);
        }
    }
    let Some(last) = last.filter(|_| contracts > most) else { return };
    report.tell(
        Problem::error(
            "compiler::storage-promised",
            last.span,
            format!(
                "contracts promise {} on the cluster {}, and its stores allow {}",
                approximately(u64::try_from(contracts).unwrap_or(u64::MAX)),
                cluster.spec.name.value,
                approximately(u64::try_from(most).unwrap_or(u64::MAX))
            ),
        )
        .label("with this one it is too much")
        .help("add stores, promise less, or allow more over-commit of storage")
        .related(
            cluster.spec.overcommit.as_ref().map_or(cluster.spec.span, |overcommit| overcommit.span),
            "how much more may be promised than is there",
        ),
    );
}

/// Writes a size with the largest unit that leaves at least ten of it, cut to whole ones.
fn approximately(bytes: u64) -> ByteSize {
    let unit = [1u64 << 40, 1 << 30, 1 << 20].into_iter().find(|unit| bytes / unit >= 10).unwrap_or(1);
    ByteSize::from_bytes(bytes / unit * unit)
}

/// Refuses to survive the loss of a host with state that is lost with it.
fn movable(cluster: &Cluster<'_>, report: &mut Report) {
    let Some(survive) = &cluster.spec.survive else { return };
    let stateful = cluster.spec.store.is_some() || cluster.spec.directory.is_some();
    if !stateful || cluster.storage.is_some_and(|storage| storage.shared.value) {
        return;
    }
    // A storage that does not resolve was told already.
    if cluster.storage.is_none() && cluster.spec.state.is_some() {
        return;
    }
    let place = cluster.spec.state.as_ref().map_or(cluster.spec.span, |state| state.span);
    report.tell(
        Problem::error(
            "compiler::state-cannot-move",
            survive.span,
            format!("the cluster {} keeps its state where it is lost with a host", cluster.spec.name.value),
        )
        .label("asked to survive here")
        .help("write `state on=\"STORAGE\"` with a storage of the site that is `shared=#true`")
        .related(cluster.storage.map_or(place, |storage| storage.span), "the state is here"),
    );
}
