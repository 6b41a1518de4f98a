//! Sites: networks, addresses, hosts and disks.

use values::{Bandwidth, ByteSize, Duration, Money, Name, Network};

use crate::language::{argument, choice, kind, named};
use crate::tree::Spanned;

kind! {
    /// A place with networks, disks and hosts.
    pub struct Site {
        /// The site's name.
        name: Spanned<Name> = argument("name").example("toronto").unique();
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// The addresses of nodes.
        network: Addresses = named("network");
        /// The addresses the world sees.
        front: Addresses = named("front").example("\"203.0.113.0/28\"");
        /// Disks for state.
        storages: Vec<Storage> = named("storage");
        /// Hosts of one make.
        hosts: Vec<Hosts> = named("hosts");
        /// Hosts that can be rented.
        leases: Vec<Lease> = named("lease").noted();
    }
}

kind! {
    /// A network of IPv4 addresses and one of IPv6.
    pub struct Addresses {
        /// The IPv4 network.
        ipv4: Spanned<Network> = argument("network").example("10.20.0.0/16").environment();
        /// The IPv6 network.
        ipv6: Option<Spanned<Network>> = named("ipv6").example("fd00:20::/48").environment();
    }
}

kind! {
    /// Disks for state.
    pub struct Storage {
        /// The storage's name.
        name: Spanned<Name> = argument("name").example("filer").unique();
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// How much it holds.
        size: Spanned<ByteSize> = named("size").example("8TiB").least("1B").environment();
        /// Whether all hosts reach it, which is what lets a node move while it runs.
        shared: Spanned<bool> = named("shared").default("false");
    }
}

kind! {
    /// Hosts of one make; each is called by the group's name and its number, such as `x4600-2`.
    pub struct Hosts {
        /// The group's name.
        name: Spanned<Name> = argument("name").example("x4600").unique();
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// How many there are.
        count: Spanned<u64> = named("count").default("1").least("1").most("1000").environment();
        /// What runs virtual machines on them.
        hypervisor: Spanned<Hypervisor> = named("hypervisor").default("kvm");
        /// Cores of each.
        cores: Spanned<u64> = named("cores").example("8").least("1").most("4096").environment();
        /// Memory of each.
        memory: Spanned<ByteSize> = named("memory").example("16GiB").least("1MiB").environment();
        /// The disk of each.
        disk: Spanned<ByteSize> = named("disk").example("600GiB").least("1MiB").environment();
        /// The bandwidth of each.
        nic: Option<Spanned<Bandwidth>> = named("nic").example("10Gbit").least("1kbit").environment().noted();
    }
}

choice! {
    /// What runs virtual machines on a host.
    pub enum Hypervisor: "hypervisor" {
        /// QEMU with KVM.
        Kvm = "kvm",
        /// Xen.
        Xen = "xen",
    }
}

kind! {
    /// Hosts that can be rented when those at hand do not suffice.
    pub struct Lease {
        /// The lease's name.
        name: Spanned<Name> = argument("name").example("burst").unique();
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// How many at once.
        max: Spanned<u64> = named("max").example("4").least("1").most("1000").environment();
        /// Cores of each.
        cores: Spanned<u64> = named("cores").example("16").least("1").most("4096").environment();
        /// Memory of each.
        memory: Spanned<ByteSize> = named("memory").example("64GiB").least("1MiB").environment();
        /// The disk of each.
        disk: Spanned<ByteSize> = named("disk").example("1TiB").least("1MiB").environment();
        /// What each costs.
        price: Option<Spanned<Money>> = named("price").example("0.40 USD");
        /// What span of time the price is for.
        per: Spanned<Duration> = named("per").default("1h").least("1s");
    }
}
