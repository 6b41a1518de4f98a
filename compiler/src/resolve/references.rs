//! References between nodes: each name is looked up once, here.

use std::collections::{BTreeMap, BTreeSet};

use spec::model::{self, LeftOut, Spec};
use spec::{Problem, Span, Spanned};
use values::Name;

use super::{Cluster, Domain, Model, Reseller, nearest, unknown};
use crate::report::Report;

/// Tells of a thing that is declared again in another place.
fn twice(what: &str, name: &str, again: Span, first: Span) -> Problem {
    Problem::error("compiler::declared-twice", again, format!("the {what} {} is declared twice", values::quoted(name)))
        .label("declared again here")
        .help(match what {
            // Its folder says what it is called.
            "reseller" => "join the two into one, in one file",
            _ => "give one of the two another name, or join them",
        })
        .related(first, "first declared here")
}

fn names<'m, 's: 'm, T>(map: &'m BTreeMap<&'s Name, T>) -> impl Iterator<Item = &'s str> + 'm {
    map.keys().map(|name| name.as_str())
}

/// Finds each cluster's site and storage.
pub(super) fn clusters(model: &mut Model<'_>, report: &mut Report) {
    let platform = model.platform;
    for spec in &platform.clusters {
        let Some(site) = model.sites.get(&spec.site.value).copied() else {
            if !platform.sites.iter().any(|site| site.name.is_hole()) {
                report.tell(unknown("spec::unknown-site", "site", &spec.site, names(&model.sites)));
            }
            continue;
        };
        let storage = spec.state.as_ref().and_then(|state| {
            let found = site.storages.iter().find(|storage| storage.name.value == state.on.value);
            if found.is_none() && !site.storages.iter().any(|storage| storage.name.is_hole()) {
                let known = site.storages.iter().map(|storage| storage.name.value.as_str());
                report.tell(
                    unknown("spec::unknown-storage", "storage", &state.on, known)
                        .related(site.span, "the site of the cluster"),
                );
            }
            found
        });
        if !spec.name.is_hole() {
            model.clusters.push(Cluster { spec, site, storage });
        }
    }
    model.clusters.sort_by(|a, b| a.spec.name.value.cmp(&b.spec.name.value));
    model.clusters.dedup_by(|a, b| a.spec.name.value == b.spec.name.value);
}

/// Joins each reseller with its contract.
pub(super) fn resellers<'s>(model: &mut Model<'s>, spec: &'s Spec, report: &mut Report) {
    let mut found: Vec<Reseller<'s>> = Vec::new();
    let mut first: BTreeMap<&Name, Span> = BTreeMap::new();
    let platform = model.platform;
    let contracts: BTreeMap<&Name, &model::Contract> =
        platform.contracts.iter().rev().map(|contract| (&contract.reseller.value, contract)).collect();
    for spec in &spec.resellers {
        if spec.name.is_hole() {
            continue;
        }
        // What is declared again is looked into all the same.
        match first.get(&spec.name.value) {
            Some(&first) => report.tell(twice("reseller", spec.name.value.as_str(), spec.name.span, first)),
            None => {
                first.insert(&spec.name.value, spec.name.span);
            }
        }
        found.push(Reseller { spec, contract: contracts.get(&spec.name.value).copied() });
    }
    found.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    model.resellers = found;
}

/// Finds what each domain names.
pub(super) fn domains<'s>(model: &mut Model<'s>, whole: &'s Spec, report: &mut Report) {
    let mut found = Vec::new();
    for reseller in &model.resellers {
        for spec in &reseller.spec.domains {
            let left_out = whole.left_out.get(&spec.span).map_or(&[][..], Vec::as_slice);
            found.extend(domain(model, *reseller, spec, left_out, report));
        }
    }
    found.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    // A domain that two claim is told elsewhere; the first in the order of the text stays.
    let mut repeated: Vec<Domain<'s>> = Vec::new();
    found.dedup_by(|a, b| {
        let again = a.spec.name.value == b.spec.name.value;
        repeated.extend(again.then_some(*a));
        again
    });
    for (position, domain) in found.iter().enumerate() {
        for name in domain.names().filter(|name| !name.is_hole()) {
            let first = *model.domain_names.entry(&name.value).or_insert(position);
            if first != position {
                model.contested.insert(&name.value);
            }
        }
    }
    model.contested.extend(repeated.iter().map(|domain| &domain.spec.name.value));
    model.repeated = repeated;
    model.domains = found;
}

fn domain<'s>(
    model: &Model<'s>,
    reseller: Reseller<'s>,
    spec: &'s model::Domain,
    left_out: &'s [LeftOut],
    report: &mut Report,
) -> Option<Domain<'s>> {
    let tier = tier(model, &spec.tier, report);
    let brand = spec.brand.as_ref().and_then(|name| {
        let brands = &reseller.spec.brands;
        let found = brands.iter().find(|brand| brand.name.value == name.value);
        if found.is_none() && !brands.iter().any(|brand| brand.name.is_hole()) {
            report.tell(unknown(
                "spec::unknown-brand",
                "brand",
                name,
                brands.iter().map(|brand| brand.name.value.as_str()),
            ));
        }
        found
    });
    let cluster = model.clusters.iter().find(|cluster| cluster.spec.name.value == spec.cluster.value).copied();
    self::cluster(model, &spec.cluster, report);
    let outbound = spec.outbound.as_ref().and_then(|name| pool(model, name, report));
    for (_, mailbox) in
        spec.workgroups.iter().flat_map(|group| group.mailboxes.iter().map(move |mailbox| (group, mailbox)))
    {
        if let Some(name) = &mailbox.tier {
            let _ = self::tier(model, name, report);
        }
    }
    if left_out.iter().filter_map(|left_out| left_out.tier.as_ref()).any(|tier| !model.tiers.contains_key(tier)) {
        report.want(spec.span.file);
    }
    if spec.name.is_hole() {
        return None;
    }
    Some(Domain { spec, reseller, tier, brand, cluster, outbound, left_out })
}

fn tier<'s>(model: &Model<'s>, name: &Spanned<Name>, report: &mut Report) -> Option<&'s model::Tier> {
    let found = model.tiers.get(&name.value).copied();
    if found.is_none() && !model.platform.tiers.iter().any(|tier| tier.name.is_hole()) {
        report.tell(unknown("spec::unknown-tier", "tier", name, names(&model.tiers)));
    }
    found
}

fn pool<'s>(model: &Model<'s>, name: &Spanned<Name>, report: &mut Report) -> Option<&'s model::OutboundPool> {
    let found = model.pools.get(&name.value).copied();
    if found.is_none() && !model.platform.outbounds.iter().any(|pool| pool.name.is_hole()) {
        report.tell(unknown("spec::unknown-outbound", "outbound pool", name, names(&model.pools)));
    }
    found
}

/// Tells of a cluster that nobody declared; one that is declared and is on no site is blamed for nothing more.
fn cluster(model: &Model<'_>, name: &Spanned<Name>, report: &mut Report) {
    let declared = || model.platform.clusters.iter().map(|cluster| &cluster.name);
    if !declared().any(|known| known.is_hole() || known.value == name.value) {
        let known = declared().map(|known| known.value.as_str());
        report.tell(unknown("spec::unknown-cluster", "cluster", name, known));
    }
}

/// Looks up what contracts name.
pub(super) fn contracts(model: &Model<'_>, spec: &Spec, report: &mut Report) {
    let nameless = spec.resellers.iter().any(|reseller| reseller.name.is_hole());
    let resellers: BTreeSet<&Name> = model.resellers.iter().map(|reseller| &reseller.spec.name.value).collect();
    for contract in &model.platform.contracts {
        for name in contract.tiers.iter().chain(contract.prices.iter().map(|price| &price.tier)) {
            let _ = tier(model, name, report);
        }
        for outbound in &contract.outbounds {
            let _ = pool(model, &outbound.pool, report);
        }
        for name in &contract.clusters {
            cluster(model, name, report);
        }
        // Why the specification of one that comes from a repository is not there has been told where that was found.
        let pinned = contract.repository.is_some();
        let nameless = nameless || contract.reseller.is_hole();
        if !pinned && !nameless && !resellers.contains(&contract.reseller.value) {
            let known = model.resellers.iter().map(|reseller| reseller.spec.name.value.as_str());
            let mut problem = unknown("spec::unknown-reseller", "reseller", &contract.reseller, known);
            // A contract may be signed before its reseller has written anything, unless another one lacks its own.
            let without = model.resellers.iter().filter(|reseller| reseller.contract.is_none());
            let mut without = without.map(|reseller| reseller.spec.name.value.as_str());
            if !without.any(|name| nearest(contract.reseller.value.as_str(), [name]).is_some()) {
                problem.severity = spec::Severity::Warning;
            }
            report.tell(problem);
        }
    }
}

/// Looks up what environments name.
pub(super) fn environments<'s>(model: &mut Model<'s>, spec: &'s Spec, report: &mut Report) {
    for environment in &spec.environments {
        if environment.name.is_hole() {
            continue;
        }
        match model.environments.get(&environment.name.value) {
            Some(first) => {
                let name = environment.name.value.as_str();
                report.tell(twice("environment", name, environment.name.span, first.name.span));
            }
            None => {
                model.environments.insert(&environment.name.value, environment);
            }
        }
    }
    for environment in &spec.environments {
        let platform = &environment.platform.name;
        if !spec.platforms.iter().any(|known| known.name.is_hole() || known.name.value == platform.value) {
            let known = [model.platform.name.value.as_str()];
            report.tell(unknown("spec::unknown-platform", "platform", platform, known));
        }
        let nameless = spec.environments.iter().any(|environment| environment.name.is_hole());
        if let Some(from) = environment.from.as_ref().filter(|from| !model.environments.contains_key(&from.value))
            && !nameless
        {
            report.tell(unknown("spec::unknown-environment", "environment", from, names(&model.environments)));
        }
        for name in environment.scales.iter().filter_map(|scale| scale.cluster.as_ref()) {
            cluster(model, name, report);
        }
    }
}

/// Looks up the scenarios that gates name.
pub(super) fn scenarios<'s>(model: &mut Model<'s>, spec: &'s Spec, report: &mut Report) {
    for scenario in &spec.scenarios {
        if scenario.title.is_hole() {
            continue;
        }
        match model.scenarios.get(scenario.title.value.as_str()) {
            Some(first) => {
                report.tell(twice("scenario", scenario.title.value.as_str(), scenario.title.span, first.title.span));
            }
            None => {
                model.scenarios.insert(scenario.title.value.as_str(), scenario);
            }
        }
    }
    for gate in spec.environments.iter().filter_map(|environment| environment.gates.as_ref()) {
        // The title of one that could not be read may be the one that is meant.
        if spec.scenarios.iter().any(|scenario| scenario.title.is_hole()) {
            continue;
        }
        for title in gate.scenarios.iter().filter(|title| !model.scenarios.contains_key(title.value.as_str())) {
            report.tell(unknown("spec::unknown-scenario", "scenario", title, model.scenarios.keys().copied()));
        }
    }
}
