//! How large a node is where the specification does not say, and what is counted beside what it says.

use blueprint::Role;
use values::ByteSize;

/// Cores of a node.
pub const CORES: u32 = 1;

/// Bytes of a host's own disk that each node takes beside its state: its copy of the image, its logs before they are shipped.
pub const SYSTEM_DISK: ByteSize = ByteSize::from_gibibytes(4);

/// How much more may be promised than is there, where a cluster does not say: nothing.
pub const OVERCOMMIT_THOUSANDTHS: u64 = 1000;

/// Returns a node's memory.
pub fn memory(role: Role) -> ByteSize {
    match role {
        // The scanner holds its signatures in memory.
        Role::Defense => ByteSize::from_gibibytes(3),
        Role::Store | Role::Directory | Role::Monitor => ByteSize::from_gibibytes(2),
        Role::Mx | Role::Submission | Role::Outbound | Role::Access | Role::Web | Role::Control => {
            ByteSize::from_gibibytes(1)
        }
        Role::Balancer | Role::Cache | Role::Calendar | Role::Dns => ByteSize::from_mebibytes(512),
    }
}

/// Returns a node's state disk.
pub fn disk(role: Role) -> ByteSize {
    match role {
        Role::Store => ByteSize::from_gibibytes(100),
        Role::Mx | Role::Submission | Role::Outbound | Role::Directory | Role::Monitor => ByteSize::from_gibibytes(20),
        Role::Calendar => ByteSize::from_gibibytes(10),
        Role::Balancer | Role::Defense | Role::Cache | Role::Access | Role::Web | Role::Control | Role::Dns => {
            ByteSize::from_gibibytes(2)
        }
    }
}
