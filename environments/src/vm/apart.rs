//! Disks of machines that somebody else switches on: Xen, libvirt, or QEMU by hand, from the definitions that are rendered for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use images::disk::{Item, disk};

use super::machine::MachineFailure;
use super::{lane, programs};
use crate::embedded::Authority;
use crate::failure::Failure;
use crate::fill::Filler;
use crate::launch::LaunchRequest;
use crate::spare::Spares;
use crate::state::Identity;

/// What machines are made of beside the image.
pub struct Disks {
    /// Each node's config disk, with its secrets: whoever reads one has what the node has.
    pub config: BTreeMap<String, Vec<u8>>,
    /// The layer with this program, the same for every node.
    pub programs: PathBuf,
}

/// Returns the disks of an environment's machines.
///
/// Secrets that are made up are kept with the environment, as those of a launch are, so that the next time gives the same.
///
/// - Errors: the environment runs; a secret is not to be had; something could not be written.
pub fn disks(request: &LaunchRequest) -> Result<Disks, Failure> {
    let blueprint = &request.blueprint;
    let identity = Identity::new(&request.repository, request.launch.environment.as_str());
    let folder = request.state.folder(&identity);
    folder.open(&identity)?;
    let _lock = folder.lock()?;
    let names = BTreeSet::from([blueprint.service_domain.to_string(), request.launch.address.to_string()]);
    let today = jiff::Timestamp::now().as_second() / 86_400;
    let (platform, tls) = (blueprint.platform.as_str(), &blueprint.mail.tls_minimum);
    Authority::open(&folder.authority(), platform, &names, &BTreeMap::new(), tls, today)?;
    let filler = Filler::new(&folder, blueprint, &request.roster, &request.launch, &request.variables)?;
    let mut filler = filler.with_spares(Spares::of(&request.cache));
    let mut config = BTreeMap::new();
    for node in &blueprint.nodes {
        let Some(tree) = request.bundle.nodes.get(node.name.as_str()) else { continue };
        let filled = filler.filled(tree)?;
        let items = tree.files.iter().map(|(path, file)| {
            let content = filled.get(path.as_str()).map(Vec::as_slice).unwrap_or_default();
            (path.as_str(), Item { mode: file.mode, owner: &file.owner, content })
        });
        let units = lane::units(node.role, &tree.processes);
        let bytes = disk(&items.collect(), &units.iter().map(String::as_str).collect::<Vec<_>>())
            .map_err(|source| MachineFailure::Disk { node: node.name.to_string(), source })?;
        config.insert(node.name.to_string(), bytes);
    }
    Ok(Disks { config, programs: programs::layer(&request.cache, &request.program)? })
}
