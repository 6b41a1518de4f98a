//! How a node's network and disk are spoiled while it runs, and mended: by what the kernel has for it, inside the node.
//!
//! A network loses what comes in by the packet filter, and is slow by a queue that lets little through. A disk is spoiled by what is
//! mounted over `/var`: what is open already stays as it was, so that this is done to stores alone, whose daemons open every file by
//! its path and keep none.
//!
//! Source: nft(8), tc-netem(8), tc-tbf(8), mount(8), overlay of the kernel (Documentation/filesystems/overlayfs.rst).

use std::process::{Command, Stdio};

use blueprint::Role;

use crate::faults::Spoil;
use crate::scenarios::Cannot;

/// The status by which a script says that this machine has no way to do it.
const LACKS: i32 = 3;

impl Spoil {
    /// Tells whether it can be done to a node of a role.
    pub(super) fn fits(self, role: Role) -> Result<(), Cannot> {
        match self {
            Self::Full | Self::Failing if role != Role::Store => Err(Cannot::Lacks(format!(
                "this backend spoils disks of stores alone: daemons of {} keep their files open",
                role.name()
            ))),
            _ => Ok(()),
        }
    }

    /// Returns how it begins.
    fn begins(self) -> &'static str {
        match self {
            // Only what comes in, since a daemon would be told of what cannot be sent.
            Self::Lossy => {
                "nft -f - <<'RULES' || exit 3\n\
                 table inet mailwright_fault {\n\
                 chain in {\n\
                 type filter hook prerouting priority -300;\n\
                 iifname != \"lo\" numgen random mod 100 < 10 drop\n\
                 }\n\
                 }\n\
                 RULES\n"
            }
            Self::Slow => {
                "tc qdisc add dev eth0 root netem delay 150ms 2>/dev/null && exit 0\n\
                 tc qdisc add dev eth0 root tbf rate 128kbit burst 4kb latency 2s || exit 3\n"
            }
            // Names can be made and removed, as on a disk without room; what would be written goes to memory that is full.
            Self::Full => {
                "set -e\n\
                 spot=/run/mailwright/full\n\
                 mkdir -p $spot\n\
                 mount -t tmpfs -o size=64k,mode=755 full $spot\n\
                 mkdir $spot/upper $spot/work\n\
                 cat /dev/zero >$spot/filler 2>/dev/null || :\n\
                 mount -t overlay full -o lowerdir=/var,upperdir=$spot/upper,workdir=$spot/work /var || {\n\
                 umount $spot\n\
                 exit 3\n\
                 }\n"
            }
            Self::Failing => "set -e\nmount --bind /var /var\nmount -o remount,bind,ro /var\n",
        }
    }

    /// Returns how it ends.
    fn ends(self) -> &'static str {
        match self {
            Self::Lossy => "nft delete table inet mailwright_fault\n",
            Self::Slow => "tc qdisc del dev eth0 root\n",
            Self::Full => "umount -l /var && umount -l /run/mailwright/full\n",
            Self::Failing => "umount -l /var\n",
        }
    }

    /// Spoils a node.
    ///
    /// - `process`: its first process, as the machine counts.
    pub(super) fn begin(self, process: u32) -> Result<(), Cannot> {
        run(process, self.begins())
    }

    /// Mends it.
    pub(super) fn end(self, process: u32) -> Result<(), Cannot> {
        run(process, self.ends())
    }
}

fn run(process: u32, script: &str) -> Result<(), Cannot> {
    let output = Command::new("nsenter")
        .args(["--target", &process.to_string(), "--mount", "--net", "--pid", "--root", "--wd=/", "--"])
        .args(["/bin/sh", "-c", script])
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Cannot::Failed(format!("nsenter cannot be started: {error}")))?;
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(()),
        Some(LACKS) => Err(Cannot::Lacks(format!("this machine has no way to do it: {}", said()))),
        _ => Err(Cannot::Failed(format!("a node could not be spoiled or mended: {}", said()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Spoil; 4] = [Spoil::Lossy, Spoil::Slow, Spoil::Full, Spoil::Failing];

    #[test]
    fn a_disk_is_spoiled_where_daemons_open_files_by_their_paths() {
        for spoil in ALL {
            assert!(spoil.fits(Role::Store).is_ok());
            let of_disks = matches!(spoil, Spoil::Full | Spoil::Failing);
            assert_eq!(spoil.fits(Role::Directory).is_err(), of_disks);
        }
        assert_eq!(["lossy", "slow", "disk-full", "disk-error"].map(Spoil::named), ALL.map(Some));
    }

    #[test]
    fn the_shell_reads_every_script() {
        for spoil in ALL {
            for script in [spoil.begins(), spoil.ends()] {
                let read = Command::new("/bin/sh").args(["-n", "-c", script]).output().unwrap();
                assert!(read.status.success() && read.stderr.is_empty(), "{script}");
            }
        }
    }
}
