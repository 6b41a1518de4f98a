//! The Launch: how an environment is to be run. The backend's name is carried and never looked at.

use std::net::{IpAddr, Ipv4Addr};

use blueprint::launch::{Internet, InternetDomain, InternetSender, Launch, Secrets};
use blueprint::{Blueprint, Roster};
use spec::model::{Environment, SecretsWord};

use super::environment::is_production;
use super::{accounts, doors};
use crate::resolve::Model;

/// Added to a service's standard port where an environment does not say.
const BASE_PORT: u16 = 2500;

/// Decides how an environment is to be run.
pub fn launch(model: &Model<'_>, environment: &Environment, blueprint: &Blueprint, roster: &Roster) -> Launch {
    let internet = internet(environment);
    let production = is_production(model, environment);
    let expose = environment.expose.as_ref();
    Launch {
        version: blueprint::VERSION,
        environment: environment.name.value.clone(),
        backend: environment.backend.value.as_str().to_owned(),
        from: environment.from.as_ref().map(|name| name.value.clone()),
        address: expose.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |expose| expose.address.value),
        base_port: expose.map_or(BASE_PORT, |expose| u16::try_from(expose.base_port.value).unwrap_or(BASE_PORT)),
        doors: doors::doors(blueprint, !production),
        // Where real people have accounts, none is to be tried.
        accounts: if production { Vec::new() } else { accounts::accounts(blueprint, roster, &internet) },
        secrets: secrets(model, environment),
        internet,
        show_passwords: !production,
        gates: environment
            .gates
            .as_ref()
            .map_or(Vec::new(), |gates| gates.scenarios.iter().map(|title| title.value.to_string()).collect()),
        expires_after: environment.expires.as_ref().map(|expires| expires.after.value),
    }
}

fn secrets(model: &Model<'_>, environment: &Environment) -> Secrets {
    let Some(secrets) = &environment.secrets else { return Secrets::Generate };
    match (&secrets.file, secrets.source.as_ref().map(|word| word.value)) {
        (Some(path), _) => Secrets::File(super::roster::asset_path(model, path)),
        (None, Some(SecretsWord::EnvironmentVariables)) => Secrets::EnvironmentVariables,
        (None, Some(SecretsWord::Generate) | None) => Secrets::Generate,
    }
}

fn internet(environment: &Environment) -> Internet {
    let Some(spec) = &environment.internet else {
        return Internet { domains: Vec::new(), senders: Vec::new() };
    };
    let mut domains: Vec<InternetDomain> = spec
        .domains
        .iter()
        .map(|domain| {
            let mut mailboxes: Vec<_> = domain.mailboxes.iter().map(|local| local.value.clone()).collect();
            mailboxes.sort();
            let mut takes: Vec<_> = domain.takes.iter().map(|name| name.value.clone()).collect();
            takes.sort();
            InternetDomain {
                name: domain.name.value.clone(),
                mailboxes,
                takes,
                greylist_delay: domain.greylist.as_ref().map(|greylist| greylist.delay.value),
                dmarc: domain.dmarc.as_ref().map(|policy| policy.value.as_str().to_owned()),
                latency: domain.latency.as_ref().map(|latency| latency.value),
                bandwidth: domain.bandwidth.as_ref().map(|bandwidth| bandwidth.value),
                unreachable: domain.unreachable.value,
            }
        })
        .collect();
    domains.sort_by(|a, b| a.name.cmp(&b.name));
    let mut senders: Vec<InternetSender> = spec
        .senders
        .iter()
        .map(|sender| {
            let mut listed_on: Vec<_> = sender.listed_on.iter().map(|list| list.value.clone()).collect();
            listed_on.sort();
            InternetSender { name: sender.name.value.clone(), listed_on }
        })
        .collect();
    senders.sort_by(|a, b| a.name.cmp(&b.name));
    Internet { domains, senders }
}
