//! `mailwright image verify`: every byte of an image against its digest and signature.

use std::io::Write;
use std::path::PathBuf;

use images::{PublicKey, public_beside};

use super::super::print_json;
use super::{Named, Told, failed, key};
use crate::failure::{Exit, Failure};

/// Hold every part of an image against its manifest, the manifest against the digest, and the signature against a key.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  mailwright image verify 0fa94d\n  \
    mailwright image verify 0fa94d --public-key operator.pub\n\nThe manifest alone: minisign -V -m manifest.json -p operator.pub")]
pub(crate) struct Arguments {
    #[command(flatten)]
    image: Named,
    /// The key it must be signed with; without it the one that `mailwright image build` signs with here.
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let image = arguments.image.find()?;
    let path = match &arguments.public_key {
        Some(path) => path.clone(),
        None => public_beside(&key(None)?),
    };
    let told = Told { quiet: arguments.json };
    let verified = image
        .check(&told)
        .and_then(|manifest| Ok((manifest, PublicKey::open(&path)?)))
        .and_then(|(manifest, key)| Ok((manifest, key.verify(&image)?)));
    let (manifest, comment) = verified.map_err(|failure| failed(&failure))?;
    if arguments.json {
        print_json(&serde_json::json!({
            "version": 1, "digest": image.digest, "whole": true, "signed": comment, "parts": manifest.parts,
        }))?;
    } else {
        writeln!(std::io::stdout(), "{} is whole, and its signature holds", image.digest)?;
    }
    Ok(Exit::Done)
}
