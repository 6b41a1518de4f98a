//! What holds for one thing, and which line says so.

use std::borrow::Cow;
use std::fmt::Display;

use blueprint::effective_mailbox;
use blueprint::proof::is_reserved;
use blueprint::roster::{DefenseSettings, Domain, MailService, Tier};
use spec::model::Proof;
use spec::{Parsed, Sources, Span};
use values::{HostName, MailAddress, Score};

use crate::Output;
use crate::check::proof::claim;
use crate::decide::nodes;
use crate::report::Report;
use crate::resolve::{self, Model, resolve};

/// A thing that can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A mailbox, by its address.
    Mailbox,
    /// A domain.
    Domain,
    /// A tier.
    Tier,
    /// A node.
    Node,
    /// A host.
    Host,
}

impl Thing {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Mailbox, Self::Domain, Self::Tier, Self::Node, Self::Host];

    /// Returns how it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::Domain => "domain",
            Self::Tier => "tier",
            Self::Node => "node",
            Self::Host => "host",
        }
    }

    /// Returns the names of all things of the kind, sorted.
    pub fn known(self, output: &Output) -> Vec<String> {
        let roster = &output.roster;
        match self {
            Self::Mailbox => roster.mailboxes.iter().map(|mailbox| mailbox.address.to_string()).collect(),
            Self::Domain => roster.domains.iter().map(|domain| domain.name.to_string()).collect(),
            Self::Tier => roster.tiers.iter().map(|tier| tier.name.to_string()).collect(),
            Self::Node => output.blueprint.nodes.iter().map(|node| node.name.to_string()).collect(),
            Self::Host => output.blueprint.hosts.iter().map(|host| host.name.to_string()).collect(),
        }
    }
}

/// All that holds for a thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// The values that hold, each with what says so.
    pub facts: Vec<Fact>,
    /// Why something was decided as it was, in sentences.
    pub reasons: Vec<String>,
}

/// A value that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is.
    pub name: Cow<'static, str>,
    /// The value.
    pub value: String,
    /// What says so, such as `tier premium`.
    pub from: String,
    /// The line that says so; for a default, the thing that says nothing else.
    pub span: Option<Span>,
}

/// Explains one thing of an environment; `None` where there is none of the name.
///
/// - `output`: of the same sources.
pub fn explain(sources: &Sources, parsed: &Parsed, output: &Output, thing: Thing, name: &str) -> Option<Explained> {
    let mut told = Teller { output, explained: Explained::default() };
    match thing {
        Thing::Mailbox => told.mailbox(name)?,
        Thing::Domain => told.domain(sources, parsed, name)?,
        Thing::Tier => told.tier(name)?,
        Thing::Node => told.node(sources, parsed, name)?,
        Thing::Host => told.host(name)?,
    }
    Some(told.explained)
}

struct Teller<'o> {
    output: &'o Output,
    explained: Explained,
}

impl Teller<'_> {
    /// Tells a value that the first of several things says which says anything; the last one's silence is the default.
    fn tell(&mut self, name: &'static str, value: impl Display, said: &[(&str, &str)]) {
        let origins = &self.output.origins;
        let found = said.iter().find_map(|(entity, field)| {
            let span = origins.field_of(entity, field)?;
            // A default has the place of the thing that does not say otherwise.
            (Some(span) != origins.find(entity, None)).then(|| ((*entity).to_owned(), Some(span)))
        });
        let found = found.map(|(entity, span)| match entity.strip_prefix("node ") {
            // What nodes are like is said of the role in their cluster.
            Some(node) => (self.role_of(node).unwrap_or(entity), span),
            None => (entity, span),
        });
        let (from, span) = found.unwrap_or_else(|| {
            let entity = said.last().map_or("", |(entity, _)| *entity);
            (format!("default, {entity} says nothing"), origins.find(entity, None))
        });
        self.explained.facts.push(Fact { name: name.into(), value: value.to_string(), from, span });
    }

    fn role_of(&self, node: &str) -> Option<String> {
        let node = self.output.blueprint.nodes.iter().find(|known| known.name.as_str() == node)?;
        Some(format!("{} of cluster {}", node.role.name(), node.cluster))
    }

    /// Tells a value that a thing is or has by itself.
    fn tell_of(&mut self, name: &'static str, value: impl Display, entity: &str) {
        let span = self.output.origins.find(entity, None);
        self.explained.facts.push(Fact { name: name.into(), value: value.to_string(), from: entity.to_owned(), span });
    }

    fn mailbox(&mut self, name: &str) -> Option<()> {
        let roster = &self.output.roster;
        let is_asked = |address: &MailAddress| address.to_string().eq_ignore_ascii_case(name);
        let mailbox = roster
            .mailboxes
            .iter()
            .find(|mailbox| is_asked(&mailbox.address) || mailbox.aliases.iter().any(is_asked))?;
        let name = &mailbox.address.to_string();
        let domain = roster.domains.iter().find(|domain| domain.name == *mailbox.address.domain())?;
        let tier_name = mailbox.tier.as_ref().unwrap_or(&domain.tier);
        let tier = roster.tiers.iter().find(|tier| tier.name == *tier_name)?;
        let effective = effective_mailbox(mailbox, domain, tier, &self.output.blueprint.defense);
        let own = format!("mailbox {name}");
        let of_domain = format!("domain {}", domain.name);
        self.tell_of("mailbox", name, &own);
        if let Some(workgroup) = &mailbox.workgroup {
            self.tell_of("workgroup", workgroup, &own);
        }
        self.tell_of("domain", &domain.name, &of_domain);
        self.tell_of("reseller", &domain.reseller, &format!("reseller {}", domain.reseller));
        self.tell("tier", tier_name, &[(&own, "tier"), (&of_domain, "tier")]);
        self.tier_values(tier);
        if let Some(name) = &mailbox.name {
            self.tell("name", name, &[(&own, "name")]);
        }
        self.placing(domain);
        if !mailbox.aliases.is_empty() {
            self.tell("aliases", joined(&mailbox.aliases), &[(&own, "aliases")]);
        }
        if !mailbox.forward.is_empty() {
            let kept = if mailbox.keep { ", kept here too" } else { ", not kept here" };
            self.tell("forward", joined(&mailbox.forward) + kept, &[(&own, "forward")]);
        }
        if let Some(reply) = &mailbox.autoreply {
            let until = reply.until.map_or(String::new(), |until| format!(", until {until}"));
            let from = reply.from.map_or(String::new(), |from| format!(", from {from}"));
            let subject = reply.subject.as_ref().map_or(String::new(), |subject| format!(", subject \"{subject}\""));
            self.tell("autoreply", format!("\"{}\"{subject}{from}{until}", reply.text), &[(&own, "autoreply")]);
        }
        let reseller = roster.resellers.iter().find(|reseller| reseller.name == domain.reseller)?;
        let of_reseller = format!("reseller {}", reseller.name);
        let preferences = mailbox.preferences.as_deref();
        for (name, field, own_value, otherwise) in [
            ("language", "language", preferences.and_then(|it| it.language.as_ref()), &reseller.language),
            ("time zone", "time_zone", preferences.and_then(|it| it.time_zone.as_ref()), &reseller.time_zone),
        ] {
            if let Some(value) = own_value.or(otherwise.as_ref()) {
                self.tell(name, value, &[(&own, field), (&of_reseller, field)]);
            }
        }
        if let Some(secret) = &mailbox.initial_password {
            self.tell("first password", format!("secret:{secret}"), &[(&own, "initial")]);
        }
        let scores = [effective.tag, effective.quarantine, effective.reject];
        self.scores(scores, &[&own, &of_domain]);
        self.patterns(&own, &mailbox.defense);
        self.patterns(&of_domain, &domain.defense);
        let removal = format!("{} for {}", mailbox.on_removal.action, mailbox.on_removal.hold);
        self.tell("on removal", removal, &[(&own, "on_removal"), (&of_domain, "on_removal")]);
        Some(())
    }

    fn domain(&mut self, sources: &Sources, parsed: &Parsed, name: &str) -> Option<()> {
        let roster = &self.output.roster;
        let is_asked = |host: &HostName| host.as_str().eq_ignore_ascii_case(name);
        let domain =
            roster.domains.iter().find(|domain| is_asked(&domain.name) || domain.aliases.iter().any(is_asked))?;
        let name = domain.name.as_str();
        let own = format!("domain {name}");
        self.tell_of("domain", name, &own);
        self.tell_of("reseller", &domain.reseller, &format!("reseller {}", domain.reseller));
        self.tell("tier", &domain.tier, &[(&own, "tier")]);
        self.placing(domain);
        if !domain.aliases.is_empty() {
            self.tell("aliases", joined(&domain.aliases), &[(&own, "aliases")]);
        }
        self.beside(sources, parsed, &domain.name);
        if let Some(catch_all) = &domain.catch_all {
            self.tell("catch-all", catch_all, &[(&own, "catch_all")]);
        }
        if let Some(server) = &domain.filter_mx {
            self.tell("filtered mail goes to", server, &[(&own, "filter_mx")]);
        }
        let defense = &self.output.blueprint.defense;
        let set = &domain.defense;
        let scores = [
            set.tag.unwrap_or(defense.tag),
            set.quarantine.unwrap_or(defense.quarantine),
            set.reject.unwrap_or(defense.reject),
        ];
        self.scores(scores, &[&own]);
        self.patterns(&own, &domain.defense);
        let mailboxes = roster.mailboxes.iter().filter(|mailbox| *mailbox.address.domain() == domain.name).count();
        self.tell_of("mailboxes", mailboxes, &own);
        Some(())
    }

    /// Tells what the texts say of a domain and no file is made from: its proofs and its migrations.
    fn beside(&mut self, sources: &Sources, parsed: &Parsed, name: &HostName) {
        let Some(model) = resolve(sources, &parsed.spec, &mut Report::default()) else { return };
        let Some(domain) = model.domain_of(name) else { return };
        self.proofs(sources, &model, domain);
        for migration in &domain.spec.migrations {
            let (count, host) = (migration.mailboxes.len(), &migration.from.host.value);
            self.explained.reasons.push(format!(
                "migrate {}: {count} of its mailboxes are to come from {host}, which nothing carries out; fetch them with a tool such \
                 as imapsync",
                migration.name.value
            ));
        }
    }

    /// Tells what shows that each name of a domain is its reseller's, or what would.
    fn proofs(&mut self, sources: &Sources, model: &Model<'_>, domain: &resolve::Domain<'_>) {
        let reseller = &domain.reseller.spec.name.value;
        for name in domain.names().map(|name| &name.value) {
            let by_record = domain.spec.proof.value == Proof::DnsTxt;
            let value = match sources.proven(name, reseller) {
                _ if !by_record => "the operator vouches for it".to_owned(),
                Some(proven) => format!("its TXT record was found on {}", proven.on),
                None if is_reserved(name) => "none needed, nobody can hold such a name".to_owned(),
                None => "none recorded".to_owned(),
            };
            if by_record && !is_reserved(name) && sources.proven(name, reseller).is_none() {
                let claim = claim(model, domain, name);
                let (at, text) = (claim.record_name(), claim.record_text());
                self.explained.reasons.push(format!(
                    "{name} is proven to be {reseller}'s once {at} TXT \"{text}\" is published and mailwright reseller prove {name} has \
                     found it; without that nothing is built for the real internet"
                ));
            }
            let is_said = domain.spec.proof.span != domain.spec.span && !domain.spec.proof.is_hole();
            let own = format!("domain {}", domain.spec.name.value);
            let from = if is_said { own } else { format!("default, {own} says nothing") };
            let span = Some(if is_said { domain.spec.proof.span } else { domain.spec.span });
            let called = match *name == domain.spec.name.value {
                true => "proof".into(),
                false => format!("proof of {name}").into(),
            };
            self.explained.facts.push(Fact { name: called, value, from, span });
        }
    }

    fn tier(&mut self, name: &str) -> Option<()> {
        let roster = &self.output.roster;
        let tier = roster.tiers.iter().find(|tier| tier.name.as_str() == name)?;
        self.tell_of("tier", name, &format!("tier {name}"));
        self.tier_values(tier);
        let of_domain = |mailbox: &&blueprint::roster::Mailbox| {
            let domain = roster.domains.iter().find(|domain| domain.name == *mailbox.address.domain());
            mailbox.tier.as_ref().or(domain.map(|domain| &domain.tier)) == Some(&tier.name)
        };
        let mailboxes = roster.mailboxes.iter().filter(of_domain).count();
        self.explained.reasons.push(format!("{mailboxes} declared mailboxes of this environment have this tier"));
        Some(())
    }

    fn node(&mut self, sources: &Sources, parsed: &Parsed, name: &str) -> Option<()> {
        let output = self.output;
        let node = output.blueprint.nodes.iter().find(|node| node.name.as_str() == name)?;
        let own = format!("node {name}");
        let cluster = format!("cluster {}", node.cluster);
        let alike =
            output.blueprint.nodes.iter().filter(|other| other.role == node.role && other.cluster == node.cluster);
        self.tell_of("node", name, &own);
        self.tell_of("role", node.role.name(), &own);
        self.tell_of("cluster", &node.cluster, &cluster);
        let count = alike.count();
        let environment = format!("environment {}", output.blueprint.environment);
        self.tell("nodes of the role", count, &[(&environment, &format!("scale {name}")), (&own, "count")]);
        self.tell("cores", node.cores, &[(&own, "cores")]);
        self.tell("memory", node.memory, &[(&own, "memory")]);
        self.tell("disk", node.disk, &[(&own, "disk")]);
        if let Some(storage) = &node.storage {
            self.tell("storage", storage, &[(&cluster, "state")]);
        }
        self.tell_of("site", &node.site, &format!("site {}", node.site));
        self.tell_of("host", &node.host, &format!("host {}", node.host));
        self.tell_of("host name", &node.hostname, &own);
        self.tell_of("addresses", joined(&node.addresses), &format!("site {}", node.site));
        if !node.front_addresses.is_empty() {
            self.tell_of("front addresses", joined(&node.front_addresses), &format!("site {}", node.site));
        }
        let model = resolve(sources, &parsed.spec, &mut Report::default())?;
        let environment = model.environments.get(&output.blueprint.environment)?;
        self.explained.reasons = nodes::reasons(&model, environment, &node.name);
        Some(())
    }

    fn host(&mut self, name: &str) -> Option<()> {
        let plan = &self.output.blueprint;
        let host = plan.hosts.iter().find(|host| host.name.as_str() == name)?;
        let own = format!("host {name}");
        let here = || plan.nodes.iter().filter(|node| node.host == host.name);
        let (cores, memory): (u32, u64) =
            here().fold((0, 0), |(cores, memory), node| (cores + node.cores, memory + node.memory.as_bytes()));
        let disk: u64 = here().filter(|node| node.storage.is_none()).map(|node| node.disk.as_bytes()).sum();
        self.tell_of("host", name, &own);
        self.tell_of("site", &host.site, &format!("site {}", host.site));
        self.tell_of("hypervisor", &host.hypervisor, &own);
        self.tell_of("cores", format!("{}, of which {cores} are promised to nodes", host.cores), &own);
        let size = |bytes| values::ByteSize::from_bytes(bytes);
        self.tell_of("memory", format!("{}, of which nodes have {}", host.memory, size(memory)), &own);
        self.tell_of("disk", format!("{}, of which nodes have {}", host.disk, size(disk)), &own);
        let nodes: Vec<&str> = here().map(|node| node.name.as_str()).collect();
        self.tell_of("nodes", if nodes.is_empty() { "none".to_owned() } else { nodes.join(", ") }, &own);
        Some(())
    }

    fn tier_values(&mut self, tier: &Tier) {
        let of_tier = format!("tier {}", tier.name);
        let kind = match tier.kind {
            blueprint::roster::TierKind::Mailbox => "mailbox",
            blueprint::roster::TierKind::Filter => "filter",
            blueprint::roster::TierKind::Forward => "forward",
        };
        self.tell("kind", kind, &[(&of_tier, "kind")]);
        let none = || "none".to_owned();
        self.tell("quota", tier.quota.map_or_else(none, |quota| quota.to_string()), &[(&of_tier, "quota")]);
        for (name, service) in [
            ("imap", MailService::Imap),
            ("pop3", MailService::Pop3),
            ("webmail", MailService::Webmail),
            ("sieve", MailService::Sieve),
            ("calendar", MailService::Calendar),
        ] {
            self.tell(name, if tier.services.contains(&service) { "on" } else { "off" }, &[(&of_tier, name)]);
        }
        let limit = tier.send_limit.map_or_else(none, |limit| limit.to_string());
        self.tell("send limit", limit, &[(&of_tier, "send_limit")]);
    }

    fn placing(&mut self, domain: &Domain) {
        let own = format!("domain {}", domain.name);
        if let Some(brand) = &domain.brand {
            self.tell("brand", brand, &[(&own, "brand")]);
        }
        self.tell("cluster", &domain.cluster, &[(&own, "cluster")]);
        if let Some(outbound) = &domain.outbound {
            self.tell("outbound", outbound, &[(&own, "outbound")]);
        }
    }

    /// Tells the scores, which each of some things may say before the operator's defense does.
    fn scores(&mut self, scores: [Score; 3], before: &[&str]) {
        let defense = format!("defense {}", self.output.blueprint.defense.name);
        for (name, score) in ["tag", "quarantine", "reject"].into_iter().zip(scores) {
            let said: Vec<(&str, &str)> =
                before.iter().copied().chain([defense.as_str()]).map(|entity| (entity, name)).collect();
            self.tell(name, score, &said);
        }
    }

    fn patterns(&mut self, entity: &str, settings: &DefenseSettings) {
        if !settings.allow.is_empty() {
            self.tell("allow", settings.allow.join(", "), &[(entity, "allow")]);
        }
        if !settings.block.is_empty() {
            self.tell("block", settings.block.join(", "), &[(entity, "block")]);
        }
    }
}

/// Says what an environment makes of a thing that was only declared, in sentences.
///
/// - `kind`: as the language spells it.
pub fn comes_to(output: &Output, kind: &str, name: &str) -> Vec<String> {
    let (plan, roster) = (&output.blueprint, &output.roster);
    let name = name.rsplit('/').next().unwrap_or(name);
    let of =
        |limit: Option<u64>| limit.map_or(String::new(), |limit| format!(" of the {limit} that its contract allows"));
    let mut told = Vec::new();
    match kind {
        "cluster" => {
            let mut roles: Vec<(&str, Vec<&str>)> = Vec::new();
            for node in plan.nodes.iter().filter(|node| node.cluster.as_str() == name) {
                match roles.iter_mut().find(|(role, _)| *role == node.role.name()) {
                    Some((_, nodes)) => nodes.push(node.name.as_str()),
                    None => roles.push((node.role.name(), vec![node.name.as_str()])),
                }
            }
            told.extend(roles.into_iter().map(|(role, nodes)| format!("{role}: {}", nodes.join(", "))));
            let domains = roster.domains.iter().filter(|domain| domain.cluster.as_str() == name).count();
            told.push(format!("domains placed on it: {domains}"));
        }
        "reseller" | "contract" => {
            let contract =
                roster.resellers.iter().find(|it| it.name.as_str() == name).and_then(|it| it.contract.as_ref());
            let domains: Vec<&HostName> = roster
                .domains
                .iter()
                .filter(|domain| domain.reseller.as_str() == name)
                .map(|domain| &domain.name)
                .collect();
            let known: std::collections::BTreeSet<&HostName> = domains.iter().copied().collect();
            let mailboxes = roster.mailboxes.iter().filter(|it| known.contains(it.address.domain())).count();
            let limit = contract.and_then(|contract| contract.domains);
            told.push(format!("domains declared: {}{}", domains.len(), of(limit)));
            let limit = contract.and_then(|contract| contract.mailboxes);
            told.push(format!("mailboxes declared: {mailboxes}{}", of(limit)));
        }
        "brand" => {
            let shown =
                roster.domains.iter().filter(|domain| domain.brand.as_ref().is_some_and(|it| it.as_str() == name));
            told.extend(shown.map(|domain| format!("users of {} see it", domain.name)));
        }
        "workgroup" => {
            let is_its = |group: &Option<values::Name>| group.as_ref().is_some_and(|it| it.as_str() == name);
            let mailboxes = roster.mailboxes.iter().filter(|mailbox| is_its(&mailbox.workgroup)).count();
            told.push(format!("mailboxes in a workgroup of this name: {mailboxes}"));
        }
        _ => {}
    }
    told
}

fn joined<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
