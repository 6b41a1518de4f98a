//! An image in the forms that others take: a read-only file system, disks, an OCI image, a tar.
//!
//! Source: the OCI image specification 1.1 (image-layout.md, manifest.md, config.md); `docker load` reads the file `manifest.json` that
//! lies beside the layout.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::build::tree;
use crate::debs::hexadecimal;
use crate::failure::could_not;
use crate::{Image, ImageFailure, files, program};

/// A disk's length is a whole number of these.
const MEBIBYTE: u64 = 1 << 20;

/// The form of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The read-only file system as it is.
    Erofs,
    /// A disk without partitions that holds the read-only file system.
    Raw,
    /// The same disk as QEMU's own form.
    Qcow2,
    /// An OCI image layout: a folder, or a tar of it where the name ends with `.tar`.
    Oci,
    /// The root as a tar.
    Tar,
}

impl Format {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Erofs => "erofs",
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Oci => "oci",
            Self::Tar => "tar",
        }
    }
}

impl Image {
    /// Writes the image in a form: whole or not at all; what was there is replaced, but for a folder that holds no OCI image.
    pub fn export(&self, format: Format, to: &Path) -> Result<(), ImageFailure> {
        let name = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let failed = |reason: String| ImageFailure::Export { format: format.name(), reason };
        if name.is_empty() {
            return Err(failed(format!("{} names no file", to.display())));
        }
        if to.is_dir() && !to.join("oci-layout").is_file() {
            return Err(failed(format!("{} is a folder", to.display())));
        }
        let part = to.with_file_name(format!(".{name}.part"));
        files::remove(&part)?;
        let written = match format {
            Format::Erofs => self.copy_root(&part, 1),
            Format::Raw => self.copy_root(&part, MEBIBYTE),
            Format::Qcow2 => self.qcow2(&part),
            Format::Tar => self.copy_tar(&part),
            Format::Oci if name.ends_with(".tar") => self.oci_archive(&part, to),
            Format::Oci => self.oci(&part),
        };
        let placed = written.and_then(|()| {
            if to.is_dir() {
                files::remove(to)?;
            }
            fs::rename(&part, to).map_err(could_not(format!("write {}", to.display())))
        });
        if placed.is_err() {
            // What is half-written is worth nothing; that it may stay behind does not make the failure another one.
            let _ = files::remove(&part);
        }
        placed
    }

    fn copy_root(&self, to: &Path, whole: u64) -> Result<(), ImageFailure> {
        fs::copy(self.root(), to).map_err(could_not(format!("write {}", to.display())))?;
        let file = File::options().write(true).open(to).map_err(could_not(format!("write {}", to.display())))?;
        let length = file.metadata().map_err(could_not(format!("look at {}", to.display())))?.len();
        file.set_len(length.next_multiple_of(whole)).map_err(could_not(format!("write {}", to.display())))
    }

    fn qcow2(&self, to: &Path) -> Result<(), ImageFailure> {
        let program = program::need("qemu-img", "qemu-utils", "writing a disk for QEMU")?;
        let raw = to.with_extension("raw");
        self.copy_root(&raw, MEBIBYTE)?;
        let said = program::run(Command::new(program).args(["convert", "-f", "raw", "-O", "qcow2"]).arg(&raw).arg(to));
        files::remove(&raw)?;
        let said = said?;
        if said.well { Ok(()) } else { Err(ImageFailure::Export { format: "qcow2", reason: said.complaint() }) }
    }

    fn copy_tar(&self, to: &Path) -> Result<(), ImageFailure> {
        let manifest = self.read_manifest()?;
        let (mut unpacker, mut tar) = self.unpacked()?;
        let file = File::create(to).map_err(could_not(format!("write {}", to.display())))?;
        let mut file = io::BufWriter::new(file);
        let copied = tree::copy(&mut tar, &mut file).and_then(|part| file.flush().map(|()| part));
        drop(tar);
        let well = unpacker.wait().is_ok_and(|status| status.success());
        let copied = copied.map_err(could_not(format!("write {}", to.display())))?;
        if well && copied == manifest.tree {
            Ok(())
        } else {
            Err(self.damaged(tree::TAR, "is not what its manifest says"))
        }
    }

    fn oci(&self, folder: &Path) -> Result<(), ImageFailure> {
        let manifest = self.read_manifest()?;
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(could_not(format!("make {}", blobs.display())))?;
        self.copy_tar(&blobs.join(&manifest.tree.sha256))?;
        let layer = format!("sha256:{}", manifest.tree.sha256);
        let architecture = if manifest.kernel.ends_with("arm64") { "arm64" } else { "amd64" };
        let config = json!({
            "architecture": architecture, "os": "linux", "config": { "Cmd": ["/sbin/init"] },
            "rootfs": { "type": "layers", "diff_ids": [layer] },
        });
        let config = blob(&blobs, "application/vnd.oci.image.config.v1+json", &config)?;
        let name = format!("mailwright:{}", manifest.distribution);
        let image = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
            "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": manifest.tree.bytes }],
            "annotations": { "org.opencontainers.image.version": self.digest },
        });
        let mut image = blob(&blobs, "application/vnd.oci.image.manifest.v1+json", &image)?;
        if let Some(fields) = image.as_object_mut() {
            fields.insert(
                "annotations".to_owned(),
                json!({ "org.opencontainers.image.ref.name": manifest.distribution, "io.containerd.image.name": name }),
            );
        }
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [image],
        });
        let digest = |entry: &Value| {
            let digest = entry.get("digest").and_then(Value::as_str).unwrap_or_default();
            digest.replace("sha256:", "blobs/sha256/")
        };
        let docker = json!([{
            "Config": digest(&config), "RepoTags": [name], "Layers": [format!("blobs/sha256/{}", manifest.tree.sha256)],
        }]);
        for (name, document) in [
            ("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" })),
            ("index.json", &index),
            ("manifest.json", &docker),
        ] {
            files::write_json_lightly(&folder.join(name), document)?;
        }
        Ok(())
    }

    fn oci_archive(&self, part: &Path, to: &Path) -> Result<(), ImageFailure> {
        let folder: PathBuf = to.with_extension("layout.part");
        files::remove(&folder)?;
        let written = self.oci(&folder).and_then(|()| {
            program::run(
                Command::new("tar")
                    .args([
                        "--format=gnu",
                        "--sort=name",
                        "--owner=0",
                        "--group=0",
                        "--numeric-owner",
                        "--mode=a+rX,u+w",
                    ])
                    .arg(format!("--mtime=@{}", crate::build::EPOCH))
                    .arg("-C")
                    .arg(&folder)
                    .arg("-cf")
                    .arg(std::path::absolute(part).map_err(could_not("tell the working folder"))?)
                    .arg("."),
            )
        });
        files::remove(&folder)?;
        let said = written?;
        if said.well { Ok(()) } else { Err(ImageFailure::Export { format: "oci", reason: said.complaint() }) }
    }
}

/// Keeps a document by its hash, and returns its descriptor.
fn blob(blobs: &Path, kind: &str, document: &Value) -> Result<Value, ImageFailure> {
    let text = document.to_string();
    let digest = hexadecimal(&Sha256::digest(&text));
    files::write_lightly(&blobs.join(&digest), text.as_bytes(), 0o644)?;
    Ok(json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": text.len() }))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::manifest::{Manifest, Part};

    /// Makes an image of nothing but a small tree.
    pub(crate) fn small(folder: &Path) -> Option<Image> {
        let out = folder.join("out");
        fs::create_dir_all(folder.join("tree/etc")).unwrap();
        fs::create_dir_all(&out).unwrap();
        fs::write(folder.join("tree/etc/hello"), "hello").unwrap();
        let tar = Command::new("tar").arg("-C").arg(folder.join("tree")).args(["-c", "."]).output().unwrap().stdout;
        fs::write(folder.join("tar"), &tar).unwrap();
        let packed =
            Command::new("zstd").args(["-q", "-f", "-o"]).arg(out.join(tree::TAR)).arg(folder.join("tar")).status();
        if !packed.is_ok_and(|status| status.success()) {
            eprintln!("skipped: zstd is not installed");
            return None;
        }
        let part = |bytes: &[u8]| Part { bytes: bytes.len() as u64, sha256: hexadecimal(&Sha256::digest(bytes)) };
        let mut parts = std::collections::BTreeMap::new();
        for name in ["root.erofs", "kernel", "initrd"] {
            fs::write(out.join(name), name).unwrap();
            parts.insert(name.to_owned(), part(name.as_bytes()));
        }
        let manifest = Manifest {
            version: crate::manifest::VERSION,
            distribution: "bookworm".to_owned(),
            kernel: "6.1-amd64".to_owned(),
            tree: part(&tar),
            parts,
            tools: Default::default(),
            packages: Default::default(),
        };
        fs::write(out.join("manifest.json"), manifest.text()).unwrap();
        let digest = hexadecimal(&Sha256::digest(manifest.text()));
        let named = folder.join(&digest);
        fs::rename(&out, &named).unwrap();
        Some(Image { digest, folder: named })
    }

    #[test]
    fn a_whole_image_is_found_whole_and_one_cut_off_changed_or_swapped_is_told_by_its_part() {
        let folder = tempfile::tempdir().unwrap();
        let Some(image) = small(folder.path()) else { return };
        image.check(&crate::Quiet).unwrap();
        image.check_lightly().unwrap();
        let told = || image.check_lightly().unwrap_err().to_string();
        fs::write(image.root(), "root.ero").unwrap();
        assert!(told().contains("root.erofs of image") && told().ends_with("has 8 bytes, and its manifest says 10"));
        fs::write(image.root(), "root.erofz").unwrap();
        assert!(told().ends_with("is not what its manifest says"));
        fs::write(image.root(), "root.erofs").unwrap();
        image.check_lightly().unwrap();
        let tar = fs::read(image.tar()).unwrap();
        fs::write(image.tar(), &tar[..tar.len() - 5]).unwrap();
        assert!(told().starts_with("root.tar.zst of image"));
        fs::write(image.tar(), tar).unwrap();
        fs::remove_file(image.kernel()).unwrap();
        assert!(told().ends_with("is not there"));
        fs::write(image.kernel(), "kernel").unwrap();
        let swapped = Image { digest: "00".repeat(32), folder: image.folder.clone() };
        let failure = swapped.check(&crate::Quiet).unwrap_err();
        assert!(failure.to_string().ends_with("is not the one of this digest") && failure.is_finding());
    }

    #[test]
    fn each_form_is_written_whole_and_the_same_twice() {
        let folder = tempfile::tempdir().unwrap();
        let Some(image) = small(folder.path()) else { return };
        for format in [Format::Erofs, Format::Raw, Format::Qcow2, Format::Oci, Format::Tar] {
            if format == Format::Qcow2 && program::find("qemu-img").is_none() {
                eprintln!("skipped: qemu-img is not installed");
                continue;
            }
            let paths = ["a", "b"].map(|name| folder.path().join(format!("{name}-{}.tar", format.name())));
            for path in &paths {
                image.export(format, path).unwrap();
            }
            assert_eq!(fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap(), "{}", format.name());
        }
        assert_eq!(fs::metadata(folder.path().join("a-raw.tar")).unwrap().len(), MEBIBYTE);
        assert!(files::names(folder.path()).unwrap().iter().all(|name| !name.contains(".part")));
        assert!(matches!(image.export(Format::Tar, &folder.path().join("tree")), Err(ImageFailure::Export { .. })));
    }

    #[test]
    fn the_oci_image_is_one_that_skopeo_reads() {
        let folder = tempfile::tempdir().unwrap();
        let Some(image) = small(folder.path()) else { return };
        let layout = folder.path().join("oci");
        image.export(Format::Oci, &layout).unwrap();
        image.export(Format::Oci, &layout).unwrap();
        let archive = folder.path().join("oci.tar");
        image.export(Format::Oci, &archive).unwrap();
        for from in [format!("oci:{}", layout.display()), format!("docker-archive:{}", archive.display())] {
            let to = format!("oci:{}", folder.path().join("copied").display());
            let Ok(copied) = Command::new("skopeo").args(["--insecure-policy", "copy", &from, &to]).output() else {
                eprintln!("skipped: skopeo is not installed");
                return;
            };
            assert!(copied.status.success(), "{from}: {}", String::from_utf8_lossy(&copied.stderr));
        }
    }
}
