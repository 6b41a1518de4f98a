//! The example platform, carried in the program itself.

macro_rules! example {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../examples/northmail/", $path)))),*]
    };
}

/// Every file of examples/northmail, by path.
pub(crate) const FILES: &[(&str, &[u8])] = example![
    "README.md",
    "environments/dev.kdl",
    "environments/horizon.kdl",
    "environments/production.kdl",
    "environments/qa.kdl",
    "platform.kdl",
    "resellers/acme/acme.kdl",
    "resellers/acme/assets/acme.png",
    "resellers/acme/assets/acme.svg",
    "resellers/acme/assets/welcome.eml",
    "resellers/globex/assets/globex.png",
    "resellers/globex/assets/globex.svg",
    "resellers/globex/assets/welcome.eml",
    "resellers/globex/globex.kdl",
    "scenarios/defense.kdl",
    "scenarios/faults.kdl",
    "scenarios/isolation.kdl",
    "scenarios/smoke.kdl",
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::FILES;

    fn list(folder: &Path, below: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder.join(below)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            if entry.path().is_dir() { list(folder, &path, found) } else { found.push(path) }
        }
    }

    #[test]
    fn the_built_in_example_is_the_whole_example() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/northmail");
        let mut there = Vec::new();
        list(&folder, "", &mut there);
        there.sort();
        let carried: Vec<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(carried, there);
    }
}
