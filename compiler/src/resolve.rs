//! Spec to Model: what the names in a specification stand for.
//!
//! What does not resolve is told and left out, so that every rule behind this can trust what it sees.

mod entries;
mod lookup;
mod references;

use std::collections::{BTreeMap, BTreeSet};

use spec::model::{self, Environment, LeftOut, Platform, Scenario, Spec};
use spec::{FileId, Problem, Sources, Span, Spanned};
use values::{HostName, MailAddress, Name};

pub use entries::{Address, Entries, Entry, EntryKind};
pub use lookup::{nearest, unknown};

use crate::report::Report;

/// A specification with its names resolved.
#[derive(Debug)]
pub struct Model<'s> {
    /// The texts, and the files they point to.
    pub sources: &'s Sources,
    /// The operator's platform.
    pub platform: &'s Platform,
    /// Sites by name.
    pub sites: BTreeMap<&'s Name, &'s model::Site>,
    /// Clusters whose site is known, sorted by name.
    pub clusters: Vec<Cluster<'s>>,
    /// Tiers by name.
    pub tiers: BTreeMap<&'s Name, &'s model::Tier>,
    /// Outbound pools by name.
    pub pools: BTreeMap<&'s Name, &'s model::OutboundPool>,
    /// Resellers, sorted by name.
    pub resellers: Vec<Reseller<'s>>,
    /// Domains, sorted by name.
    pub domains: Vec<Domain<'s>>,
    /// Domains that are declared again, which was told: only what they name is looked at.
    pub repeated: Vec<Domain<'s>>,
    /// Names of domains that several domains claim, which was told.
    pub contested: BTreeSet<&'s HostName>,
    /// Positions of domains by their names and aliases.
    domain_names: BTreeMap<&'s HostName, usize>,
    /// Everything that mail can be addressed to, sorted by address.
    pub entries: Entries<'s>,
    /// Environments, sorted by name.
    pub environments: BTreeMap<&'s Name, &'s Environment>,
    /// Scenarios, sorted by title.
    pub scenarios: BTreeMap<&'s str, &'s Scenario>,
}

/// A cluster.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'s> {
    /// What was asked.
    pub spec: &'s model::Cluster,
    /// The site it runs on.
    pub site: &'s model::Site,
    /// The storage that holds its state; `None` where it lies on its hosts' disks.
    pub storage: Option<&'s model::Storage>,
}

/// A reseller.
#[derive(Clone, Copy, Debug)]
pub struct Reseller<'s> {
    /// What was asked.
    pub spec: &'s model::Reseller,
    /// What it bought.
    pub contract: Option<&'s model::Contract>,
}

/// A domain.
#[derive(Clone, Copy, Debug)]
pub struct Domain<'s> {
    /// What was asked.
    pub spec: &'s model::Domain,
    /// Whose it is.
    pub reseller: Reseller<'s>,
    /// The tier of mailboxes that name none; `None` where it does not exist, which was told.
    pub tier: Option<&'s model::Tier>,
    /// The brand its users see.
    pub brand: Option<&'s model::Brand>,
    /// Where it is placed; `None` where there is no such cluster, which was told.
    pub cluster: Option<Cluster<'s>>,
    /// The pool it sends from.
    pub outbound: Option<&'s model::OutboundPool>,
    /// Its mailboxes that are only counted; none where the specification was read whole.
    pub left_out: &'s [LeftOut],
}

impl<'s> Domain<'s> {
    /// Returns the mailboxes of all workgroups with the workgroup each is in.
    pub fn mailboxes(&self) -> impl Iterator<Item = (&'s model::Workgroup, &'s model::Mailbox)> {
        self.spec.workgroups.iter().flat_map(|group| group.mailboxes.iter().map(move |mailbox| (group, mailbox)))
    }

    /// Returns the file that declares the domain.
    pub fn file(&self) -> FileId {
        self.spec.span.file
    }

    /// Returns an address in this domain.
    pub fn address(&self, local: &values::LocalPart) -> MailAddress {
        MailAddress::new(local.clone(), self.spec.name.value.clone())
    }

    /// Returns the domain's own name and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &'s Spanned<HostName>> + use<'s> {
        [&self.spec.name].into_iter().chain(&self.spec.aliases)
    }
}

impl<'s> Model<'s> {
    /// Returns the tier of a mailbox; `None` where it names one that does not exist.
    pub fn tier(&self, domain: &Domain<'s>, mailbox: &model::Mailbox) -> Option<&'s model::Tier> {
        match &mailbox.tier {
            Some(tier) => self.tiers.get(&tier.value).copied(),
            None => domain.tier,
        }
    }

    /// Returns the tier of mailboxes that are only counted; `None` where they name one that does not exist.
    pub fn tier_left_out(&self, domain: &Domain<'s>, left_out: &LeftOut) -> Option<&'s model::Tier> {
        match &left_out.tier {
            Some(tier) => self.tiers.get(tier).copied(),
            None => domain.tier,
        }
    }

    /// Returns the domain that a name is, or is an alias of.
    pub fn domain_of(&self, name: &HostName) -> Option<&Domain<'s>> {
        self.domains.get(*self.domain_names.get(name)?)
    }
}

/// Resolves a specification; `None` where it has no platform at all.
pub fn resolve<'s>(sources: &'s Sources, spec: &'s Spec, report: &mut Report) -> Option<Model<'s>> {
    let platform = only_platform(sources, spec, report)?;
    let mut model = Model {
        sources,
        platform,
        sites: named(&platform.sites, |site| &site.name),
        clusters: Vec::new(),
        tiers: named(&platform.tiers, |tier| &tier.name),
        pools: named(&platform.outbounds, |pool| &pool.name),
        resellers: Vec::new(),
        domains: Vec::new(),
        repeated: Vec::new(),
        contested: BTreeSet::new(),
        domain_names: BTreeMap::new(),
        entries: Entries::default(),
        environments: BTreeMap::new(),
        scenarios: BTreeMap::new(),
    };
    references::clusters(&mut model, report);
    references::resellers(&mut model, spec, report);
    references::domains(&mut model, spec, report);
    model.entries = Entries::of(&model.domains);
    references::environments(&mut model, spec, report);
    references::scenarios(&mut model, spec, report);
    references::contracts(&model, spec, report);
    Some(model)
}

/// Returns things by their names; of two with one name the first, and none whose name could not be read.
fn named<T>(things: &[T], name: impl Fn(&T) -> &Spanned<Name>) -> BTreeMap<&Name, &T> {
    things.iter().rev().filter(|thing| !name(thing).is_hole()).map(|thing| (&name(thing).value, thing)).collect()
}

fn only_platform<'s>(sources: &Sources, spec: &'s Spec, report: &mut Report) -> Option<&'s Platform> {
    // The one that most would call the platform is blamed for nothing that only the other lacks.
    let usual = |platform: &&Platform| {
        let path = sources.file(platform.span.file).map_or("", |file| file.path.as_str());
        path.rsplit_once('.').is_some_and(|(stem, _)| stem == "platform")
    };
    let Some(first) = spec.platforms.iter().find(usual).or(spec.platforms.first()) else {
        let start = Span { file: spec::FileId(0), start: 0, end: 0 };
        report.tell(
            Problem::error("compiler::no-platform", start, "no file declares a platform")
                .help("write platform.kdl with a `platform \"NAME\" { … }` node"),
        );
        return None;
    };
    for again in spec.platforms.iter().filter(|again| again.span != first.span) {
        report.tell(
            Problem::error(
                "compiler::declared-twice",
                again.span,
                "a repository holds one platform, and this is another",
            )
            .label("a second platform")
            .help("keep one of the two, or move the other into a repository of its own")
            .related(first.span, "the first platform"),
        );
    }
    Some(first)
}
