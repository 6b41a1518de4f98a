//! Where in the text each thing of a Blueprint or Roster was asked for.

use std::collections::BTreeMap;

use spec::Span;
use spec::model::Environment;

use crate::decide::hosts;
use crate::decide::nodes::Asked;
use crate::resolve::{EntryKind, Model};

/// Places by entity (`mailbox alice@acme.example`, `node mx-1`, `tier basic`) and by entity with field (`tier basic quota`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    places: BTreeMap<String, Span>,
}

impl Origins {
    /// Says where an entity was asked for.
    pub(crate) fn entity(&mut self, kind: &str, name: impl std::fmt::Display, span: Span) {
        if !span.is_hole() {
            self.places.insert(format!("{kind} {name}"), span);
        }
    }

    /// Says where a field of an entity was asked for.
    pub(crate) fn field(&mut self, kind: &str, name: impl std::fmt::Display, field: &str, span: Span) {
        if !span.is_hole() {
            self.places.insert(format!("{kind} {name} {field}"), span);
        }
    }

    /// Returns the place of an entity's field, else of the entity.
    ///
    /// - `entity`: kind and name, such as `mailbox alice@acme.example`.
    pub fn find(&self, entity: &str, field: Option<&str>) -> Option<Span> {
        field
            .and_then(|field| self.places.get(&format!("{entity} {field}")))
            .or_else(|| self.places.get(entity))
            .copied()
    }

    /// Returns all places, by entity and field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Span)> {
        self.places.iter().map(|(path, span)| (path.as_str(), *span))
    }
}

/// Collects the places of all that a Blueprint and a Roster hold.
pub(crate) fn collect(model: &Model<'_>, environment: &Environment, nodes: &[Asked]) -> Origins {
    let mut origins = Origins::default();
    let platform = model.platform;
    origins.entity("platform", &platform.name.value, platform.span);
    origins.field("platform", &platform.name.value, "service_domain", platform.service_domain.span);
    origins.field("platform", &platform.name.value, "release", platform.release.span);
    origins.entity("environment", &environment.name.value, environment.span);
    origins.field("environment", &environment.name.value, "backend", environment.backend.span);
    for site in model.sites.values() {
        origins.entity("site", &site.name.value, site.span);
        for (host, span) in hosts::hosts(site) {
            origins.entity("host", &host.name, span);
        }
    }
    for (node, span) in nodes {
        origins.entity("node", &node.name, *span);
    }
    for cluster in &model.clusters {
        origins.entity("cluster", &cluster.spec.name.value, cluster.spec.span);
    }
    for defense in &platform.defenses {
        origins.entity("defense", &defense.name.value, defense.span);
    }
    origins.entity("mail", &platform.name.value, platform.mail.span);
    for pool in model.pools.values() {
        origins.entity("outbound", &pool.name.value, pool.span);
    }
    for tier in model.tiers.values() {
        origins.entity("tier", &tier.name.value, tier.span);
        origins.field("tier", &tier.name.value, "kind", tier.kind.span);
        for (field, span) in [
            ("quota", tier.quota.as_ref().map(|quota| quota.span)),
            ("send_limit", tier.send_limit.as_ref().map(|limit| limit.span)),
        ] {
            origins.field("tier", &tier.name.value, field, span.unwrap_or(tier.span));
        }
    }
    for contract in &platform.contracts {
        origins.entity("contract", &contract.reseller.value, contract.span);
    }
    for reseller in &model.resellers {
        origins.entity("reseller", &reseller.spec.name.value, reseller.spec.span);
        for brand in &reseller.spec.brands {
            origins.entity("brand", format!("{}/{}", reseller.spec.name.value, brand.name.value), brand.span);
        }
    }
    for domain in &model.domains {
        let name = &domain.spec.name.value;
        origins.entity("domain", name, domain.spec.span);
        origins.field("domain", name, "tier", domain.spec.tier.span);
        origins.field("domain", name, "cluster", domain.spec.cluster.span);
        for (field, span) in [
            ("brand", domain.spec.brand.as_ref().map(|brand| brand.span)),
            ("outbound", domain.spec.outbound.as_ref().map(|outbound| outbound.span)),
            ("catch_all", domain.spec.catch_all.as_ref().map(|local| local.span)),
            ("defense", domain.spec.defense.as_ref().map(|defense| defense.span)),
        ] {
            origins.field("domain", name, field, span.unwrap_or(domain.spec.span));
        }
    }
    for (address, entry) in &model.entries {
        origins.entity(entry.kind.name(), address, entry.span);
        if let EntryKind::Mailbox(mailbox) = entry.kind
            && let Some(tier) = &mailbox.tier
        {
            origins.field("mailbox", address, "tier", tier.span);
        }
    }
    for scenario in model.scenarios.values() {
        origins.entity("scenario", &scenario.title.value, scenario.span);
    }
    origins
}
