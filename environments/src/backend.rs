//! Backends by name, what they can do, and what one lacks for a platform.

use blueprint::launch::{Launch, Secrets};
use blueprint::{Blueprint, VERSION};

/// What runs a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    /// All nodes in one process, doors as real sockets.
    Embedded,
    /// Real daemons, a network and mount namespace per node.
    Namespace,
    /// Real daemons in containers.
    Container,
    /// The images themselves on this machine.
    Vm,
    /// The images themselves on many hosts.
    Fleet,
}

/// Something a backend lacks for a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What is lacking, in lower case without a full stop.
    pub what: String,
    /// What to do about it.
    pub help: String,
}

impl std::fmt::Display for Lack {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.what)
    }
}

/// What a backend can do, for people who choose one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Runs the daemons that production runs.
    pub real_daemons: bool,
    /// Boots the image that production boots, so that what holds here is evidence for it.
    pub real_image: bool,
    /// The clock can be moved.
    pub moves_time: bool,
    /// Needs nothing installed and no rights.
    pub needs_nothing: bool,
    /// This program can launch it.
    pub available: bool,
}

impl Backend {
    /// Every backend, in the order they grow heavier.
    pub const ALL: [Self; 5] = [Self::Embedded, Self::Namespace, Self::Container, Self::Vm, Self::Fleet];

    /// Returns the backend of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.name() == name)
    }

    /// Returns the name as the language spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Namespace => "namespace",
            Self::Container => "container",
            Self::Vm => "vm",
            Self::Fleet => "fleet",
        }
    }

    /// Returns what the backend can do.
    pub fn abilities(self) -> Abilities {
        let embedded = self == Self::Embedded;
        Abilities {
            real_daemons: !embedded,
            real_image: matches!(self, Self::Vm | Self::Fleet),
            moves_time: embedded,
            needs_nothing: embedded,
            available: matches!(self, Self::Embedded | Self::Namespace | Self::Container | Self::Vm),
        }
    }

    /// Returns what is lacking to run a platform here; empty when it fits.
    pub fn fit(self, blueprint: &Blueprint, launch: &Launch) -> Vec<Lack> {
        let mut lacks = Vec::new();
        if !self.abilities().available {
            lacks.push(Lack {
                what: format!("the backend `{}` is not yet part of this program", self.name()),
                help: "bring the same specification up with `--backend embedded`".to_owned(),
            });
        }
        for (document, found) in [("Blueprint", blueprint.version), ("Launch", launch.version)] {
            if found != VERSION {
                lacks.push(Lack {
                    what: format!("the {document} is of version {found}, this program runs version {VERSION}"),
                    help: "compile the specification again with this program".to_owned(),
                });
            }
        }
        if self == Self::Namespace {
            lacks.extend(crate::namespace::lacks());
        }
        if self == Self::Container {
            lacks.extend(crate::container::lacks());
        }
        if self == Self::Vm {
            lacks.extend(crate::vm::lacks());
        }
        if let Secrets::File(path) = &launch.secrets {
            lacks.push(Lack {
                what: format!("secrets in the encrypted file {path} cannot be read yet"),
                help: "write `secrets \"generate\"` or `secrets \"environment-variables\"`".to_owned(),
            });
        }
        lacks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_is_found_by_its_name() {
        for backend in Backend::ALL {
            assert_eq!(Backend::named(backend.name()), Some(backend));
        }
        assert_eq!(Backend::named("cloud"), None);
    }

    #[test]
    fn what_is_not_there_yet_names_the_way_that_is() {
        let (blueprint, _, launch) = crate::fixture::platform();
        assert_eq!(Backend::Embedded.fit(&blueprint, &launch), []);
        let lacks = Backend::Fleet.fit(&blueprint, &launch);
        assert_eq!(lacks.len(), 1);
        assert!(lacks[0].help.contains("--backend embedded"));
    }

    #[test]
    fn documents_of_another_version_and_secrets_in_files_are_lacks() {
        let (mut blueprint, _, mut launch) = crate::fixture::platform();
        blueprint.version = 9;
        launch.secrets = Secrets::File("secrets.age".to_owned());
        assert_eq!(Backend::Embedded.fit(&blueprint, &launch).len(), 2);
    }
}
