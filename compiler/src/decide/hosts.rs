//! The hosts of a site, each by its own name.

use blueprint::platform::Host;
use spec::Span;
use spec::model::Site;
use values::Name;

/// Returns the hosts of a site with the place each was asked for, in the order of their groups and numbers.
///
/// A group whose name leaves no room for a number has none; the name's own length is checked where it is read.
pub fn hosts(site: &Site) -> Vec<(Host, Span)> {
    let mut hosts = Vec::new();
    for group in &site.hosts {
        for number in 1..=group.count.value.min(1000) {
            let Ok(name) = format!("{}-{number}", group.name.value).parse::<Name>() else { continue };
            let host = Host {
                name,
                site: site.name.value.clone(),
                hypervisor: group.hypervisor.value.as_str().to_owned(),
                cores: u32::try_from(group.cores.value).unwrap_or(u32::MAX),
                memory: group.memory.value,
                disk: group.disk.value,
            };
            hosts.push((host, group.span));
        }
    }
    hosts
}
