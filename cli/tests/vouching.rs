//! Promotion of what machines vouch for: gates carried out on the image with stock units, the promotion they allow, a gate that breaks, and the
//! comparison of both environments. Nine machines with systemd take minutes under emulation: `MAILWRIGHT_ALL` asks for it.

mod desk;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;

use blueprint::lock::{Lock, PinnedPackage};
use desk::{Desk, has};
use serde_json::Value;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Returns the lock that an image was built of, as its manifest tells.
fn lock_of(image: &Path) -> Option<Lock> {
    let manifest: Value = serde_json::from_slice(&fs::read(image.join("manifest.json")).ok()?).ok()?;
    let packages: BTreeMap<String, PinnedPackage> = serde_json::from_value(manifest.get("packages")?.clone()).ok()?;
    let distribution = manifest.get("distribution")?.as_str()?.to_owned();
    Some(Lock { packages: BTreeMap::from([(distribution, packages)]), ..Lock::default() })
}

#[test]
fn what_machines_with_stock_units_have_tried_is_promoted_and_nothing_else() {
    if std::env::var_os("MAILWRIGHT_ALL").is_none() {
        return println!("skipped: nine machines with systemd take minutes (MAILWRIGHT_ALL)");
    }
    let Some(image) = std::env::var_os("MAILWRIGHT_IMAGE").map(PathBuf::from) else {
        return println!("skipped: MAILWRIGHT_IMAGE names no image to boot");
    };
    let Some(lock) = lock_of(&image) else {
        return println!("skipped: {} is no image that was built of a lock", image.display());
    };
    if !["qemu-system-x86_64", "mkfs.erofs", "mke2fs", "setpriv", "ip"].into_iter().all(has) {
        return;
    }
    if !rustix::process::geteuid().is_root() || !Path::new("/dev/net/tun").exists() {
        return println!("skipped: the world around machines takes root and /dev/net/tun");
    }
    let begun = Instant::now();
    let told = |what: &str| println!("{:5.1} s  {what}", begun.elapsed().as_secs_f64());
    let desk = Desk::new();
    let repository = desk.copy_of("examples/harbour", "harbour");
    fs::write(repository.join(blueprint::lock::FILE), lock.text()).unwrap();
    // The image lies in the cache that CACHE/images/DIGEST says.
    let cache = image.ancestors().nth(3).unwrap();
    let call = |words: &[&str]| {
        let mut command = desk.command(words);
        command.current_dir(&repository).env("XDG_CACHE_HOME", cache).output().unwrap()
    };
    let digest = image.file_name().unwrap().to_str().unwrap();
    let promote = || call(&["promote", "qa", "--to", "horizon"]);
    let outcome = |output: &Output, code: i32, words: &str| {
        assert_eq!(output.status.code(), Some(code), "{}", said(output));
        assert!(said(output).contains(words), "{}", said(output));
    };

    // Without machines nothing vouches for the image.
    outcome(&call(&["test", "--gate", "--env", "qa", "--backend", "embedded"]), 0, "written to");
    let refused = promote();
    assert_eq!(refused.status.code(), Some(5), "{}", said(&refused));
    let gate = call(&["test", "--gate", "--env", "qa", "--boot", "stock", "--patience", "300", "--image", digest]);
    outcome(&gate, 0, "written to");
    told("the gates have passed on machines with stock units");
    outcome(&promote(), 0, "the specifications and the image");
    let ledger: Value = serde_json::from_slice(&call(&["ledger", "--json"]).stdout).unwrap();
    assert_eq!(ledger["current"]["horizon"]["subject"]["image"], digest);

    let compared: Value = serde_json::from_slice(&call(&["compare", "qa", "horizon", "--json"]).stdout).unwrap();
    assert_eq!(compared["comparison"]["undeclared"], serde_json::json!([]));

    // A gate that breaks shuts the way, whatever machines have vouched for before.
    let scenario = repository.join("scenarios/smoke.kdl");
    let before = fs::read_to_string(&scenario).unwrap();
    fs::write(&scenario, before.replace("count=1 within=\"60s\"", "count=2 within=\"2s\"")).unwrap();
    assert_eq!(call(&["test", "--gate", "--env", "qa", "--backend", "embedded"]).status.code(), Some(1));
    outcome(&promote(), 5, "failed in qa the last time it was tried");
    fs::write(&scenario, before).unwrap();
    outcome(&promote(), 0, "the specifications and the image");

    // It never had anything else, so that there is no way back; the way itself is tried without machines.
    outcome(&call(&["promote", "--to", "horizon", "--back"]), 5, "never had anything else");
    told("promoted, refused, and promoted");
}
