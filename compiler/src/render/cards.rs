//! A machine's network cards, as its kernel calls them with `net.ifnames=0`: in the order that its hypervisor was told of them.

use blueprint::Blueprint;
use blueprint::platform::World;

/// The card that nodes reach each other by.
pub const INNER: &str = "eth0";

/// The card that the world reaches a node by.
pub const FRONT: &str = "eth1";

/// Returns the card that front addresses are on: a simulated world is on the same wire as the nodes.
pub fn of_fronts(blueprint: &Blueprint) -> &'static str {
    match blueprint.world {
        World::Real => FRONT,
        World::Simulated => INNER,
    }
}
