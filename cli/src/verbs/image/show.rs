//! `mailwright image show`: what is in an image.

use std::io::Write;

use super::super::print_json;
use super::{Named, failed};
use crate::failure::{Exit, Failure};

/// Tell what is in an image: packages, open ports, units, programs with their owner's rights, users.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  mailwright image show 0fa94d\n  mailwright image show 0fa94d --sbom cyclonedx > bom.json\n  \
    mailwright image show 0fa94d --json"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    image: Named,
    /// Print the bill of materials instead.
    #[arg(long, value_name = "FORM")]
    sbom: Option<Bill>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// The form of a bill of materials.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Bill {
    /// CycloneDX 1.6, JSON.
    Cyclonedx,
    /// SPDX 2.3, JSON.
    Spdx,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let image = arguments.image.find()?;
    if let Some(bill) = arguments.sbom {
        let name = match bill {
            Bill::Cyclonedx => "sbom.cdx.json",
            Bill::Spdx => "sbom.spdx.json",
        };
        let document: serde_json::Value = serde_json::from_slice(&std::fs::read(image.folder.join(name))?)
            .map_err(|error| Failure::failed(format!("{name} cannot be read")).cause(&error))?;
        print_json(&document)?;
        return Ok(Exit::Done);
    }
    let manifest = image.read_manifest().map_err(|failure| failed(&failure))?;
    let contents = image.contents().map_err(|failure| failed(&failure))?;
    if arguments.json {
        print_json(&serde_json::json!({
            "version": 1, "digest": image.digest, "folder": image.folder, "distribution": manifest.distribution,
            "kernel": manifest.kernel, "parts": manifest.parts, "tools": manifest.tools, "contents": contents,
        }))?;
        return Ok(Exit::Done);
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "image {}\n{}, kernel {}", image.digest, manifest.distribution, manifest.kernel)?;
    writeln!(out, "\nparts")?;
    for (name, part) in &manifest.parts {
        writeln!(out, "  {name:<16} {:>8.1} MiB  {}", mebibytes(part.bytes), part.sha256)?;
    }
    writeln!(out, "\nports its units open as the distribution ships them")?;
    for port in &contents.ports {
        let starts = if port.enabled { "on every machine" } else { "where a machine's disk says so" };
        writeln!(out, "  {:>5}/{}  {} ({starts})", port.port, port.protocol, port.unit)?;
    }
    let enabled: Vec<&str> =
        contents.units.iter().filter(|(_, unit)| unit.enabled).map(|(name, _)| name.as_str()).collect();
    writeln!(out, "\n{} units, on every machine: {}", contents.units.len(), enabled.join(", "))?;
    writeln!(out, "\nprograms with their owner's or group's rights")?;
    for (path, file) in &contents.set_uid {
        writeln!(out, "  {} {:>5}:{:<5} /{path}", file.mode, file.uid, file.gid)?;
    }
    let users: Vec<String> = contents.users.iter().map(|(name, user)| format!("{name} ({})", user.uid)).collect();
    writeln!(out, "\n{} users: {}", users.len(), users.join(", "))?;
    writeln!(out, "\n{} packages", contents.packages.len())?;
    for (name, package) in &contents.packages {
        writeln!(out, "  {name} {}", package.version)?;
    }
    Ok(Exit::Done)
}

/// Returns bytes as mebibytes, for people.
#[expect(clippy::cast_precision_loss, reason = "people are told one digit after the point")]
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
