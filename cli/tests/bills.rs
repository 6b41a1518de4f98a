//! Bills of materials of images, held against CycloneDX's own schema and SPDX's own validator.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says what is wrong with the bills in folders, a line each; ends with 77 where it lacks what it takes.
const VALIDATOR: &str = r#"
import sys
try:
    import jsonschema, rfc3339_validator
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
except ImportError:
    sys.exit(77)
cyclonedx = JsonStrictValidator(SchemaVersion.V1_6)
for folder in sys.argv[1:]:
    wrong = cyclonedx.validate_str(open(f"{folder}/sbom.cdx.json").read())
    if wrong:
        print(folder, "CycloneDX:", str(wrong).splitlines()[0])
    for wrong in validate_full_spdx_document(parse_file(f"{folder}/sbom.spdx.json")):
        print(folder, "SPDX:", wrong.validation_message.splitlines()[0])
"#;

/// Copies the bills of an image, some words exchanged for others in each.
fn broken(image: &Path, folder: &Path, exchanged: [(&str, &str, &str); 2]) {
    fs::create_dir(folder).unwrap();
    for (bill, right, wrong) in exchanged {
        let text = fs::read_to_string(image.join(bill)).unwrap();
        assert!(text.contains(right), "{bill} has no {right}");
        fs::write(folder.join(bill), text.replacen(right, wrong, 1)).unwrap();
    }
}

#[test]
fn the_bills_of_every_image_are_what_their_standards_say_and_the_validators_see_faults() {
    let names = ["MAILWRIGHT_IMAGE", "MAILWRIGHT_IMAGE_TRIXIE"];
    let images: Vec<PathBuf> = names.into_iter().filter_map(std::env::var_os).map(PathBuf::from).collect();
    let images: Vec<&Path> =
        images.iter().map(PathBuf::as_path).filter(|image| image.join("manifest.json").is_file()).collect();
    let Some(first) = images.first() else {
        return println!("skipped: MAILWRIGHT_IMAGE names no image with bills");
    };
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong");
    broken(
        first,
        &wrong,
        [
            ("sbom.cdx.json", "\"library\"", "\"thing\""),
            ("sbom.spdx.json", "\"downloadLocation\":\"NOASSERTION\"", "\"downloadLocation\":\"somewhere\""),
        ],
    );
    let output = Command::new("python3").args(["-c", VALIDATOR]).args(&images).arg(&wrong).output();
    let Some(output) = output.ok().filter(|output| output.status.code() != Some(77)) else {
        return println!(
            "skipped: the Python packages cyclonedx-python-lib[json-validation] and spdx-tools are not installed"
        );
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let told: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix(wrong.to_str().unwrap())).collect();
    assert!(
        matches!(*told, [one, two] if one.starts_with(" CycloneDX: 'thing' is not one of") && two.starts_with(" SPDX: ")),
        "{said}"
    );
    assert_eq!(said.lines().count(), told.len(), "{said}");
}
