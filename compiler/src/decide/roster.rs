//! The Roster: resellers and what they declared, with the values that were set and no others.

use std::collections::{BTreeMap, BTreeSet};

use blueprint::Roster;
use blueprint::roster::{
    Autoreply, Brand, BrandHost, BrandTexts, Colours, Contract, DefenseSettings, Domain, FilterMx, Forward, List,
    MailService, Mailbox, OnRemoval, Preferences, Reseller, Support, Tier, TierKind,
};
use spec::model::{self, Environment};
use values::{HostName, MailAddress, Name};

use super::environment::mailboxes_of_each_domain;
use super::{defaults, renames};
use crate::resolve::{self, EntryKind, Model};

/// The Roster of an environment, and the assets that its brands point to.
pub struct Tenants {
    /// The Roster.
    pub roster: Roster,
    /// Paths of brand files in the repository, by their key: `RESELLER/BRAND/NAME`.
    pub brand_files: BTreeMap<String, String>,
}

/// Decides the Roster of an environment.
pub fn tenants(model: &Model<'_>, environment: &Environment) -> Tenants {
    let mut tenants = Tenants {
        roster: Roster {
            version: blueprint::VERSION,
            tiers: model.tiers.values().map(|spec| tier(spec)).collect(),
            resellers: model.resellers.iter().map(reseller).collect(),
            brands: Vec::new(),
            domains: Vec::new(),
            mailboxes: Vec::new(),
            forwards: Vec::new(),
            lists: Vec::new(),
            renames: Vec::new(),
        },
        brand_files: BTreeMap::new(),
    };
    for reseller in &model.resellers {
        for spec in &reseller.spec.brands {
            let brand = brand(model, &reseller.spec.name.value, spec, &mut tenants.brand_files);
            tenants.roster.brands.push(brand);
        }
    }
    tenants.roster.brands.sort_by(|a, b| (&a.reseller, &a.name).cmp(&(&b.reseller, &b.name)));
    let kept = existing(model, environment);
    let exists = |address: &MailAddress| {
        kept.as_ref().is_none_or(|kept| kept.contains(address) || !model.entries.contains(address))
    };
    tenants.roster.domains = model.domains.iter().map(|spec| domain(spec, &exists)).collect();
    let removals: BTreeMap<&HostName, &model::OnRemoval> = (model.domains.iter())
        .filter_map(|domain| Some((&domain.spec.name.value, domain.spec.on_removal.as_ref()?)))
        .collect();
    for (address, entry) in model.entries.iter() {
        let address = &address.to_address();
        if !exists(address) {
            continue;
        }
        let workgroup = Some(entry.workgroup.name.value.clone());
        let targets = || sorted(entry.kind.targets().iter().map(|target| target.value.clone()).filter(|to| exists(to)));
        let main = MailAddress::new(entry.kind.local().value.clone(), address.domain().clone());
        match entry.kind {
            EntryKind::Mailbox(spec) if !entry.alias => {
                tenants.roster.mailboxes.push(mailbox(spec, address, workgroup, targets()));
                if let (Some(added), None, Some(removal)) =
                    (tenants.roster.mailboxes.last_mut(), &spec.on_removal, removals.get(address.domain()))
                {
                    added.on_removal = on_removal(removal);
                }
            }
            EntryKind::Mailbox(_) => {}
            // Another name of a forward or a list passes on to its main one.
            EntryKind::Forward(_) | EntryKind::List(_) if entry.alias => {
                tenants.roster.forwards.push(Forward { address: address.clone(), workgroup, to: vec![main] });
            }
            EntryKind::Forward(_) => {
                tenants.roster.forwards.push(Forward { address: address.clone(), workgroup, to: targets() });
            }
            EntryKind::List(spec) => tenants.roster.lists.push(List {
                address: address.clone(),
                workgroup,
                members: targets(),
                restricted: spec.restricted.value,
            }),
        }
    }
    tenants.roster.renames = renames::of_tenants(model, &tenants.roster);
    tenants
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let set: BTreeSet<T> = items.collect();
    set.into_iter().collect()
}

/// Returns the addresses that exist in an environment; `None` for all of them.
///
/// Where only a sample does, it is the first mailboxes of each domain, and of the rest what still reaches somebody.
fn existing(model: &Model<'_>, environment: &Environment) -> Option<BTreeSet<MailAddress>> {
    let most = mailboxes_of_each_domain(environment)?;
    let mut kept = BTreeSet::new();
    for domain in &model.domains {
        let mut locals: Vec<&model::Mailbox> = domain.mailboxes().map(|(_, mailbox)| mailbox).collect();
        locals.sort_by(|a, b| a.local.value.cmp(&b.local.value));
        for mailbox in locals.into_iter().take(most) {
            kept.insert(domain.address(&mailbox.local.value));
            kept.extend(mailbox.aliases.iter().map(|alias| domain.address(&alias.value)));
        }
    }
    if most == 0 {
        return Some(kept);
    }
    // A forward to a forward exists as soon as the other one does, so this runs until nothing is added any more.
    loop {
        let more: Vec<MailAddress> = model
            .entries
            .iter()
            .filter(|(_, entry)| !matches!(entry.kind, EntryKind::Mailbox(_)))
            .filter(|(_, entry)| {
                entry.kind.targets().iter().any(|to| !model.entries.contains(&to.value) || kept.contains(&to.value))
            })
            .map(|(address, _)| address.to_address())
            .filter(|address| !kept.contains(address))
            .collect();
        if more.is_empty() {
            return Some(kept);
        }
        kept.extend(more);
    }
}

fn tier(spec: &model::Tier) -> Tier {
    let kind = match spec.kind.value {
        model::TierKind::Mailbox => TierKind::Mailbox,
        model::TierKind::Filter => TierKind::Filter,
        model::TierKind::Forward => TierKind::Forward,
    };
    // Everything takes mail; a mailbox also sends, unless its limit is none at all.
    let sends = kind == TierKind::Mailbox && spec.send_limit.as_ref().is_none_or(|limit| limit.value.count() > 0);
    let services = [
        (MailService::Smtpin, true),
        (MailService::Smtprelay, sends),
        (MailService::Imap, spec.imap.value),
        (MailService::Pop3, spec.pop3.value),
        (MailService::Webmail, spec.webmail.value),
        (MailService::Sieve, spec.sieve.value),
        (MailService::Calendar, spec.calendar.value),
    ];
    Tier {
        name: spec.name.value.clone(),
        kind,
        quota: spec.quota.as_ref().map(|quota| quota.value),
        services: services.into_iter().filter(|(_, on)| *on).map(|(service, _)| service).collect(),
        send_limit: spec.send_limit.as_ref().map(|limit| limit.value),
    }
}

fn reseller(reseller: &resolve::Reseller<'_>) -> Reseller {
    let spec = reseller.spec;
    Reseller {
        name: spec.name.value.clone(),
        company: spec.company.value.to_string(),
        contact: Some(spec.contact.value.clone()),
        language: Some(spec.language.value.to_string()),
        time_zone: Some(spec.time_zone.value.to_string()),
        admins: sorted(spec.admins.iter().map(|admin| admin.address.value.clone())),
        first_passwords: spec
            .admins
            .iter()
            .filter_map(|admin| Some((&admin.address, admin.initial.as_ref()?.password.as_ref()?)))
            .map(|(address, secret)| (address.value.clone(), secret.value.name().clone()))
            .collect(),
        contract: reseller.contract.map(contract),
    }
}

fn contract(spec: &model::Contract) -> Contract {
    Contract {
        from: Some(spec.from.value),
        mailboxes: spec.mailboxes.as_ref().map(|count| count.value),
        domains: spec.domains.as_ref().map(|count| count.value),
        storage: spec.storage.as_ref().map(|size| size.value),
        tiers: sorted(spec.tiers.iter().map(|name| name.value.clone())),
        clusters: sorted(spec.clusters.iter().map(|name| name.value.clone())),
    }
}

fn brand(model: &Model<'_>, reseller: &Name, spec: &model::Brand, files: &mut BTreeMap<String, String>) -> Brand {
    let mut file = |purpose: &str, path: &spec::Spanned<values::RepositoryPath>| {
        let extension = path.value.extension().map_or(String::new(), |extension| format!(".{extension}"));
        let key = format!("{reseller}/{}/{purpose}{extension}", spec.name.value);
        files.insert(key.clone(), asset_path(model, path));
        key
    };
    let logo = spec.logo.as_ref().map(|path| file("logo", path));
    let favicon = spec.favicon.as_ref().map(|path| file("favicon", path));
    for message in &spec.welcome_messages {
        file(&format!("welcome-{}", message.language.value), &message.path);
    }
    let hosts = spec.hosts.as_ref().map_or(Vec::new(), |hosts| {
        let named = [("webmail", &hosts.webmail), ("imap", &hosts.imap), ("pop3", &hosts.pop3), ("smtp", &hosts.smtp)];
        sorted(named.into_iter().filter_map(|(purpose, host)| {
            Some(BrandHost { purpose: purpose.to_owned(), host: host.as_ref()?.value.clone() })
        }))
    });
    let support = spec.support.as_ref();
    Brand {
        reseller: reseller.clone(),
        name: spec.name.value.clone(),
        product: spec.product.value.to_string(),
        logo,
        favicon,
        colours: spec.colours.as_ref().map_or_else(defaults::colours, |colours| Colours {
            primary: colours.primary.value,
            on_primary: colours.on_primary.value,
            background: colours.background.value,
            text: colours.text.value,
        }),
        hosts,
        support: Support {
            url: support.and_then(|support| support.url.as_ref()).map(|url| url.value.to_string()),
            email: support.and_then(|support| support.email.as_ref()).map(|email| email.value.clone()),
            phone: support.and_then(|support| support.phone.as_ref()).map(|phone| phone.value.to_string()),
        },
        texts: sorted(spec.texts.iter().map(|texts| BrandTexts {
            language: texts.language.value.to_string(),
            sign_in: texts.sign_in.as_ref().map(|line| line.value.to_string()),
            footer: texts.footer.as_ref().map(|line| line.value.to_string()),
        })),
        features: sorted(spec.features.iter().filter_map(|feature| feature.value.as_str().parse().ok())),
    }
}

/// Returns the path of an asset in the repository; it stands relative to the file that names it.
pub fn asset_path(model: &Model<'_>, path: &spec::Spanned<values::RepositoryPath>) -> String {
    let file = model.sources.file(path.span.file).map_or("", |file| file.path.as_str());
    path.value.beside(file)
}

fn domain(domain: &resolve::Domain<'_>, exists: &impl Fn(&MailAddress) -> bool) -> Domain {
    let spec = domain.spec;
    Domain {
        name: spec.name.value.clone(),
        reseller: domain.reseller.spec.name.value.clone(),
        tier: spec.tier.value.clone(),
        brand: domain.brand.map(|brand| brand.name.value.clone()),
        cluster: spec.cluster.value.clone(),
        outbound: domain.outbound.map(|pool| pool.name.value.clone()),
        aliases: sorted(spec.aliases.iter().map(|alias| alias.value.clone())),
        catch_all: spec.catch_all.as_ref().map(|local| domain.address(&local.value)).filter(exists),
        filter_mx: spec.filter_mx.as_ref().and_then(|server| {
            Some(FilterMx { host: server.host.value.clone(), port: u16::try_from(server.port.value).ok()? })
        }),
        defense: defense(spec.defense.as_ref()),
        workgroups: sorted(spec.workgroups.iter().map(|group| group.name.value.clone())),
    }
}

fn defense(change: Option<&model::DefenseChange>) -> DefenseSettings {
    let Some(change) = change else { return DefenseSettings::default() };
    let patterns =
        |list: &[spec::Spanned<values::AddressPattern>]| sorted(list.iter().map(|item| item.value.to_string()));
    DefenseSettings {
        tag: change.tag.as_ref().map(|score| score.value),
        quarantine: change.quarantine.as_ref().map(|score| score.value),
        reject: change.reject.as_ref().map(|score| score.value),
        allow: patterns(&change.allow),
        block: patterns(&change.block),
    }
}

fn mailbox(
    spec: &model::Mailbox,
    address: &MailAddress,
    workgroup: Option<Name>,
    forward: Vec<MailAddress>,
) -> Mailbox {
    Mailbox {
        address: address.clone(),
        workgroup,
        tier: spec.tier.as_ref().map(|name| name.value.clone()),
        brand: None,
        name: spec.name.as_ref().map(|line| line.value.to_string()),
        quota: None,
        aliases: sorted(
            spec.aliases.iter().map(|alias| MailAddress::new(alias.value.clone(), address.domain().clone())),
        ),
        keep: spec.forward.as_ref().is_some_and(|forward| forward.keep.value),
        forward,
        preferences: (spec.language.is_some() || spec.time_zone.is_some()).then(|| {
            Box::new(Preferences {
                language: spec.language.as_ref().map(|language| language.value.to_string()),
                time_zone: spec.time_zone.as_ref().map(|zone| zone.value.to_string()),
            })
        }),
        autoreply: spec.autoreply.as_ref().map(|reply| {
            Box::new(Autoreply {
                text: reply.text.value.to_string(),
                subject: reply.subject.as_ref().map(|subject| subject.value.to_string()),
                from: reply.from.as_ref().map(|date| date.value),
                until: reply.until.as_ref().map(|date| date.value),
            })
        }),
        defense: defense(spec.defense.as_deref()),
        initial_password: spec
            .initial
            .as_ref()
            .and_then(|initial| initial.password.as_ref())
            .map(|secret| secret.value.name().clone()),
        on_removal: spec.on_removal.as_deref().map_or_else(defaults::on_removal, on_removal),
    }
}

fn on_removal(removal: &model::OnRemoval) -> OnRemoval {
    OnRemoval { action: removal.action.value.as_str().to_owned(), hold: removal.hold.value }
}
