//! Where in the text each thing of a Blueprint or Roster was asked for.

use std::collections::BTreeMap;

use spec::model::{DefenseChange, Environment};
use spec::{Span, Spanned};

use crate::decide::environment::{count_place, spec_role};
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

    /// Says where a field of an entity was asked for, if it was.
    fn maybe<T>(&mut self, kind: &str, name: impl std::fmt::Display, field: &str, value: Option<&Spanned<T>>) {
        if let Some(value) = value {
            self.field(kind, name, field, value.span);
        }
    }

    /// Says where the settings of a domain's or a mailbox's defense were asked for.
    fn defense(&mut self, kind: &str, name: impl std::fmt::Display, change: Option<&DefenseChange>) {
        let Some(change) = change else { return };
        for (field, score) in [("tag", &change.tag), ("quarantine", &change.quarantine), ("reject", &change.reject)] {
            self.maybe(kind, &name, field, score.as_ref());
        }
        for (field, patterns) in [("allow", &change.allow), ("block", &change.block)] {
            self.maybe(kind, &name, field, patterns.first());
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

    /// Returns the place of an entity's field, where the field has one of its own.
    pub fn field_of(&self, entity: &str, field: &str) -> Option<Span> {
        self.places.get(&format!("{entity} {field}")).copied()
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
        let cluster = model.clusters.iter().find(|cluster| cluster.spec.name.value == node.cluster);
        let Some(cluster) = cluster.map(|cluster| cluster.spec) else { continue };
        if let Some(asked) = cluster.role(spec_role(node.role)) {
            origins.field("node", &node.name, "count", asked.count.span);
            let sizes = [("memory", asked.memory.as_ref()), ("disk", asked.disk.as_ref())];
            for (field, size) in sizes {
                origins.maybe("node", &node.name, field, size);
            }
            origins.maybe("node", &node.name, "cores", asked.cores.as_ref());
        }
        if let Some(span) = count_place(environment, cluster, node.role) {
            origins.field("environment", &environment.name.value, &format!("scale {}", node.name), span);
        }
    }
    for cluster in &model.clusters {
        origins.entity("cluster", &cluster.spec.name.value, cluster.spec.span);
        origins.maybe("cluster", &cluster.spec.name.value, "state", cluster.spec.state.as_ref().map(|state| &state.on));
    }
    for defense in &platform.defenses {
        origins.entity("defense", &defense.name.value, defense.span);
        if let Some(spam) = &defense.spam {
            for (field, score) in [("tag", &spam.tag), ("quarantine", &spam.quarantine), ("reject", &spam.reject)] {
                origins.maybe("defense", &defense.name.value, field, score.as_ref());
            }
        }
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
            ("imap", Some(tier.imap.span)),
            ("pop3", Some(tier.pop3.span)),
            ("webmail", Some(tier.webmail.span)),
            ("sieve", Some(tier.sieve.span)),
            ("calendar", Some(tier.calendar.span)),
        ] {
            origins.field("tier", &tier.name.value, field, span.unwrap_or(tier.span));
        }
    }
    for contract in &platform.contracts {
        origins.entity("contract", &contract.reseller.value, contract.span);
    }
    for reseller in &model.resellers {
        let name = &reseller.spec.name.value;
        origins.entity("reseller", name, reseller.spec.span);
        origins.field("reseller", name, "language", reseller.spec.language.span);
        origins.field("reseller", name, "time_zone", reseller.spec.time_zone.span);
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
            ("filter_mx", domain.spec.filter_mx.as_ref().map(|server| server.span)),
            ("defense", domain.spec.defense.as_ref().map(|defense| defense.span)),
        ] {
            origins.field("domain", name, field, span.unwrap_or(domain.spec.span));
        }
        origins.maybe("domain", name, "aliases", domain.spec.aliases.first());
        let removal = domain.spec.on_removal.as_ref();
        origins.maybe("domain", name, "on_removal", removal.map(|removal| &removal.action));
        origins.defense("domain", name, domain.spec.defense.as_ref());
    }
    for (address, entry) in model.entries.iter() {
        origins.entity(entry.kind.name(), address, entry.span);
        if let EntryKind::Mailbox(mailbox) = entry.kind
            && !entry.alias
        {
            origins.maybe("mailbox", address, "tier", mailbox.tier.as_ref());
            origins.maybe("mailbox", address, "name", mailbox.name.as_ref());
            origins.maybe("mailbox", address, "aliases", mailbox.aliases.first());
            origins.maybe(
                "mailbox",
                address,
                "forward",
                mailbox.forward.as_ref().and_then(|forward| forward.to.first()),
            );
            origins.maybe("mailbox", address, "autoreply", mailbox.autoreply.as_ref().map(|reply| &reply.text));
            origins.maybe("mailbox", address, "language", mailbox.language.as_ref());
            origins.maybe("mailbox", address, "time_zone", mailbox.time_zone.as_ref());
            let password = mailbox.initial.as_ref().and_then(|initial| initial.password.as_ref());
            origins.maybe("mailbox", address, "initial", password);
            origins.maybe("mailbox", address, "on_removal", mailbox.on_removal.as_ref().map(|removal| &removal.action));
            origins.defense("mailbox", address, mailbox.defense.as_deref());
        }
    }
    for scenario in model.scenarios.values() {
        origins.entity("scenario", &scenario.title.value, scenario.span);
        for (number, step) in scenario.steps.iter().enumerate() {
            origins.field("scenario", &scenario.title.value, &format!("step {}", number + 1), step.place());
        }
    }
    origins
}
