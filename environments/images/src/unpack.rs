//! An image unpacked to a folder, with owners and modes as they are in it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::could_not;
use crate::{Image, ImageFailure, files, program};

impl Image {
    /// Unpacks the root to `folder/root`, as root; what was there is removed.
    pub fn unpack(&self, folder: &Path) -> Result<(), ImageFailure> {
        let manifest = self.read_manifest()?;
        program::need("zstd", "zstd", "unpacking an image")?;
        files::remove(folder)?;
        let root = folder.join("root");
        files::make_folder(&root)?;
        let (mut unpacker, mut out) = self.unpacked()?;
        let mut tar = Command::new("tar")
            .arg("-C")
            .arg(&root)
            .args(["--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(could_not("run tar"))?;
        let Some(mut into) = tar.stdin.take() else {
            return Err(ImageFailure::Build { reason: "tar gives no pipe".to_owned() });
        };
        let copied = crate::build::tree::copy(&mut out, &mut into);
        drop(into);
        drop(out);
        let said = tar.wait_with_output().map_err(could_not("run tar"))?;
        let packed = unpacker.wait().is_ok_and(|status| status.success());
        if !said.status.success() {
            let errors = String::from_utf8_lossy(&said.stderr).into_owned();
            return Err(ImageFailure::Build { reason: format!("tar: {}", program::complaint(errors.lines())) });
        }
        match copied {
            Ok(tree) if packed && tree == manifest.tree => Ok(()),
            _ => Err(self.damaged(crate::build::tree::TAR, "is not what its manifest says")),
        }
    }

    /// Starts unpacking the root's tar; returns the process and its output.
    pub(crate) fn unpacked(&self) -> Result<(std::process::Child, std::process::ChildStdout), ImageFailure> {
        program::need("zstd", "zstd", "reading an image")?;
        let path = self.tar();
        let file = fs::File::open(&path).map_err(could_not(format!("read {}", path.display())))?;
        let mut command = Command::new("zstd");
        command.args(["-q", "-d", "-c"]).stdin(file).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(could_not("run zstd"))?;
        match child.stdout.take() {
            Some(output) => Ok((child, output)),
            None => Err(ImageFailure::Build { reason: "zstd gives no pipe".to_owned() }),
        }
    }
}
