//! Bills of materials: CycloneDX 1.6 and SPDX 2.3, both in JSON, made of what dpkg says is installed.
//!
//! Source: cyclonedx.org's schema bom-1.6; spdx.github.io/spdx-spec/v2.3; package URLs of type `deb` (package-url's types). Debian's
//! short names of licences are no SPDX expressions, so they are told as names (CycloneDX) and comments (SPDX), never as expressions.

use std::collections::BTreeMap;

use blueprint::lock::PinnedPackage;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::contents::{Contents, Installed};
use crate::debs::hexadecimal;

/// The time that images have, [`crate::build::EPOCH`], as both forms write it (RFC 3339).
const WHEN: &str = "2023-11-14T22:13:20Z";

/// What the bills are of.
pub(crate) struct About<'a> {
    pub(crate) distribution: &'a str,
    /// The kernel, which is in the image and not installed.
    pub(crate) kernel: Option<(&'a String, &'a PinnedPackage)>,
    /// The SHA-256 of the tree.
    pub(crate) tree: &'a str,
    pub(crate) packages: &'a BTreeMap<String, PinnedPackage>,
}

/// Every package: name, what is known of it, and the SHA-256 of its archive.
fn all<'a>(contents: &'a Contents, about: &About<'a>) -> Vec<(&'a str, Installed, &'a str)> {
    let hash = |name: &str| about.packages.get(name).map_or("", |package| package.sha256.as_str());
    let installed = contents.packages.iter().map(|(name, package)| (name.as_str(), package.clone(), hash(name)));
    let kernel = about.kernel.map(|(name, package)| {
        let architecture = name.rsplit('-').next().unwrap_or_default();
        let kernel = Installed {
            version: package.version.clone(),
            architecture: architecture.to_owned(),
            source: String::new(),
            maintainer: String::new(),
            licences: ["GPL-2".to_owned()].into(),
        };
        (name.as_str(), kernel, package.sha256.as_str())
    });
    installed.chain(kernel).collect()
}

/// Returns a package URL.
fn url(name: &str, package: &Installed, distribution: &str) -> String {
    let encoded = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
            out
        })
    };
    format!(
        "pkg:deb/debian/{}@{}?arch={}&distro={distribution}",
        encoded(name),
        encoded(&package.version),
        encoded(&package.architecture)
    )
}

/// Returns the bill in CycloneDX 1.6.
pub(crate) fn cyclonedx(contents: &Contents, about: &About<'_>) -> Value {
    let component = |(name, package, hash): (&str, Installed, &str)| {
        let purl = url(name, &package, about.distribution);
        let mut component = json!({
            "type": "library", "bom-ref": purl, "name": name, "version": package.version, "purl": purl,
            "hashes": [{ "alg": "SHA-256", "content": hash }],
        });
        if let Some(fields) = component.as_object_mut() {
            if !package.maintainer.is_empty() {
                fields.insert("supplier".to_owned(), json!({ "name": package.maintainer }));
            }
            if !package.licences.is_empty() {
                let named = package.licences.iter().map(|name| json!({ "license": { "name": name } }));
                fields.insert("licenses".to_owned(), named.collect());
            }
            if !package.source.is_empty() {
                fields.insert("properties".to_owned(), json!([{ "name": "debian:source", "value": package.source }]));
            }
        }
        component
    };
    let components: Vec<Value> = all(contents, about).into_iter().map(component).collect();
    let digits = hexadecimal(&Sha256::digest(about.tree));
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let serial =
        format!("urn:uuid:{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32));
    json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": serial, "version": 1,
        "metadata": {
            "timestamp": WHEN,
            "tools": { "components": [{ "type": "application", "name": "mailwright" }] },
            "component": {
                "type": "operating-system", "bom-ref": "image", "name": "debian", "version": about.distribution,
                "hashes": [{ "alg": "SHA-256", "content": about.tree }],
            },
        },
        "components": components,
    })
}

/// Returns the bill in SPDX 2.3.
pub(crate) fn spdx(contents: &Contents, about: &About<'_>) -> Value {
    let all = all(contents, about);
    let identifier = |name: &str| {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || ".-".contains(letter) { letter } else { '-' };
        // Two names that only differ in other signs (`g++`, `g--`) must not meet.
        let tail: String =
            name.bytes().filter(|byte| !byte.is_ascii_alphanumeric()).map(|byte| format!("{byte:x}")).collect();
        format!("SPDXRef-{}-{tail}", name.chars().map(plain).collect::<String>())
    };
    let package = |(name, package, hash): &(&str, Installed, &str)| {
        let licences: Vec<&str> = package.licences.iter().map(String::as_str).collect();
        let mut entry = json!({
            "SPDXID": identifier(name), "name": name, "versionInfo": package.version,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
            "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
            "checksums": [{ "algorithm": "SHA256", "checksumValue": hash }],
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                "referenceLocator": url(name, package, about.distribution),
            }],
        });
        if let Some(fields) = entry.as_object_mut() {
            if !licences.is_empty() {
                let comment = format!("Debian names: {}", licences.join("; "));
                fields.insert("licenseComments".to_owned(), comment.into());
            }
            if !package.source.is_empty() {
                fields.insert("sourceInfo".to_owned(), format!("built from {}", package.source).into());
            }
            if !package.maintainer.is_empty() {
                fields.insert("supplier".to_owned(), format!("Organization: {}", package.maintainer).into());
            }
        }
        entry
    };
    let packages: Vec<Value> = all.iter().map(package).collect();
    let described: Vec<Value> = all
        .iter()
        .map(|(name, _, _)| {
            json!({
                "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                "relatedSpdxElement": identifier(name),
            })
        })
        .collect();
    json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("mailwright-{}", about.distribution),
        "documentNamespace": format!("https://spdx.org/spdxdocs/mailwright-{}", about.tree),
        "creationInfo": { "created": WHEN, "creators": ["Tool: mailwright"] },
        "packages": packages, "relationships": described,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn both_bills_name_every_package_with_its_hash() {
        let installed = |version: &str| Installed {
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            source: "s (1)".to_owned(),
            maintainer: "M <m@example.org>".to_owned(),
            licences: BTreeSet::from(["GPL-2+".to_owned()]),
        };
        let contents =
            Contents { packages: [("libstdc++6".to_owned(), installed("5:12+b1"))].into(), ..Contents::default() };
        let pin = |sha256: &str| PinnedPackage { version: "6.1".to_owned(), sha256: sha256.to_owned() };
        let packages =
            BTreeMap::from([("libstdc++6".to_owned(), pin("aa")), ("linux-image-6.1-amd64".to_owned(), pin("bb"))]);
        let about = About {
            distribution: "bookworm",
            kernel: packages.iter().find(|(name, _)| name.starts_with("linux")),
            tree: "00",
            packages: &packages,
        };
        let bill = cyclonedx(&contents, &about);
        assert_eq!(
            bill["components"][0]["purl"],
            "pkg:deb/debian/libstdc%2B%2B6@5%3A12%2Bb1?arch=amd64&distro=bookworm"
        );
        assert_eq!(bill["components"][0]["hashes"][0]["content"], "aa");
        assert_eq!(bill["components"][1]["name"], "linux-image-6.1-amd64");
        assert_eq!(bill["serialNumber"].as_str().unwrap().len(), 45);
        let bill = spdx(&contents, &about);
        assert_eq!(bill["packages"].as_array().unwrap().len(), 2);
        assert_eq!(bill["relationships"][0]["relatedSpdxElement"], "SPDXRef-libstdc--6-2b2b");
        assert_eq!(bill["packages"][0]["licenseComments"], "Debian names: GPL-2+");
    }
}
