//! What is done to the tree beside installing packages, so that it holds no secret, no database and nothing of this machine.

/// The version of what these do; another one is another image.
pub(super) const VERSION: u32 = 3;

/// What packages ask is answered before they are set up: no database, no mail system of this machine's name.
pub(super) const BEFORE: &str = r#"#!/bin/sh
set -e
mkdir -p "$1/etc/postgresql-common"
printf 'create_main_cluster = false\nstart_conf = manual\n' >"$1/etc/postgresql-common/createcluster.conf"
chroot "$1" debconf-set-selections <<'ANSWERS'
postfix postfix/main_mailer_type select No configuration
roundcube-core roundcube/dbconfig-install boolean false
ANSWERS
"#;

/// What is done when all packages are set up.
///
/// - `$1`: the tree; `KERNEL_ARCHIVE` and `KERNEL_RELEASE` come from the caller.
pub(super) const AFTER: &str = r#"#!/bin/sh
set -e
dpkg-deb --fsys-tarfile "$KERNEL_ARCHIVE" | tar -C "$1" --keep-directory-symlink --wildcards -x './*lib/modules/*'
chroot "$1" depmod "$KERNEL_RELEASE"
cd "$1"
# Keys and secrets that packages make when they are set up: every machine makes its own, or is given them.
rm -f etc/nsd/*.key etc/nsd/*.pem etc/ssl/certs/ssl-cert-snakeoil.pem etc/ssl/private/ssl-cert-snakeoil.key \
    etc/postsrsd.secret etc/roundcube/debian-db.php etc/dbconfig-common/roundcube.conf etc/roundcube/config.inc.php \
    etc/unbound/*.key etc/unbound/*.pem etc/ssh/ssh_host_* etc/dovecot/private/*
# What ucf lays beside a file is a copy of one that held such a secret; with another one in each build, no two images were the same.
find etc -name '*.ucf-*' -type f -delete
# What says which machine this is.
rm -f var/lib/dbus/machine-id etc/hostname etc/resolv.conf etc/mailname etc/aliases.db var/lib/systemd/random-seed
: >etc/machine-id
# What package scripts remember of their own work, and caches that anybody can make again.
rm -rf var/lib/ucf var/cache/debconf/* var/cache/ldconfig/* var/backups/*
# No database that was initialised, and none that was filled.
rm -rf var/lib/postgresql/*/main etc/postgresql/*/main var/lib/redis/* var/lib/clamav/* var/lib/etcd/*
# What a machine runs is switched on by its config disk; what packages switch on by themselves would run on every one. Here only what
# every machine has.
rm -rf etc/systemd/system/*.wants
chroot "$1" systemctl --quiet enable chrony.service nftables.service systemd-networkd.service
# What only this build was to know.
rm -f etc/dpkg/dpkg.cfg.d/99mmdebstrap etc/apt/sources.list
"#;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn both_are_scripts_that_a_shell_reads() {
        for script in [BEFORE, AFTER] {
            let output = Command::new("sh").args(["-n", "-c", script]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
