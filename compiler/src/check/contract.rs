//! A reseller stays inside what it bought. Each refusal shows both places: the line that asked, the operator's that forbids.

use std::collections::BTreeMap;

use spec::{Problem, Span};
use values::{ByteSize, Name, quoted};

use crate::report::Report;
use crate::resolve::{Domain, Model, Reseller, nearest};

/// Checks every reseller against its contract.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    let mut domains_of: BTreeMap<&Name, Vec<&Domain<'_>>> = BTreeMap::new();
    for domain in &model.domains {
        domains_of.entry(&domain.reseller.spec.name.value).or_default().push(domain);
    }
    for reseller in &model.resellers {
        let name = &reseller.spec.name;
        let Some(contract) = reseller.contract else {
            // One that is nearly of this name was told already, as a contract with nobody.
            let contracts = model.platform.contracts.iter().map(|contract| &contract.reseller);
            let nobodys = contracts.filter(|with| !model.resellers.iter().any(|it| it.spec.name.value == with.value));
            let nearly = |with: &spec::Spanned<Name>| nearest(with.value.as_str(), [name.value.as_str()]).is_some();
            if nobodys.filter(|with| !with.is_hole()).any(nearly) {
                continue;
            }
            report.tell(
                Problem::error(
                    "compiler::no-contract",
                    name.span,
                    format!("the reseller {} has no contract", name.value),
                )
                .label("nobody says what it may use")
                .help(format!("let the operator write a `contract \"{}\"` into the platform", name.value))
                .related(model.platform.span, "the platform, which holds the contracts"),
            );
            continue;
        };
        let domains = domains_of.remove(&name.value).unwrap_or_default();
        counts(model, *reseller, contract, &domains, report);
        let again = model.repeated.iter().filter(|domain| std::ptr::eq(domain.reseller.spec, reseller.spec));
        for domain in domains.iter().copied().chain(again) {
            references(model, contract, domain, report);
        }
    }
}

fn exceeded(reseller: Reseller<'_>, used: &str, allowed: &str, by: Span) -> Problem {
    let message =
        format!("the reseller {} declares {used}, and its contract allows {allowed}", reseller.spec.name.value);
    Problem::error("compiler::contract-exceeded", reseller.spec.name.span, message)
        .label("more than its contract allows")
        .help("remove some, or let the operator widen the contract")
        .related(by, "the contract allows no more")
}

fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn counts(
    model: &Model<'_>,
    reseller: Reseller<'_>,
    contract: &spec::model::Contract,
    domains: &[&Domain<'_>],
    report: &mut Report,
) {
    let counted_only = |domain: &Domain<'_>| domain.left_out.iter().map(|left_out| left_out.count).sum::<u64>();
    let mailboxes = domains.iter().map(|domain| domain.mailboxes().count() as u64 + counted_only(domain)).sum::<u64>();
    if let Some(most) = contract.mailboxes.as_ref().filter(|most| !most.is_hole() && mailboxes > most.value) {
        let used = counted(mailboxes, "mailbox", "mailboxes");
        report.tell(exceeded(reseller, &used, &most.value.to_string(), most.span));
    }
    let count = domains.len() as u64;
    if let Some(most) = contract.domains.as_ref().filter(|most| !most.is_hole() && count > most.value) {
        let used = counted(count, "domain", "domains");
        report.tell(exceeded(reseller, &used, &most.value.to_string(), most.span));
    }
    let Some(storage) = contract.storage.as_ref().filter(|storage| !storage.is_hole()) else { return };
    // A quota is a promise, and clusters say how much more may be promised than is there.
    let mut promised: u64 = 0;
    let mut overcommit: u64 = 1000;
    for domain in domains {
        let overcommitted = domain.cluster.and_then(|cluster| cluster.spec.overcommit.as_ref());
        let factor = overcommitted.map_or(1000, |over| over.storage.value.as_thousandths());
        overcommit = overcommit.max(factor.unsigned_abs());
        for (_, mailbox) in domain.mailboxes() {
            let quota = model.tier(domain, mailbox).and_then(|tier| tier.quota.as_ref());
            promised = promised.saturating_add(quota.map_or(0, |quota| quota.value.as_bytes()));
        }
        for left_out in domain.left_out {
            let quota = model.tier_left_out(domain, left_out).and_then(|tier| tier.quota.as_ref());
            let each = quota.map_or(0, |quota| quota.value.as_bytes());
            promised = promised.saturating_add(each.saturating_mul(left_out.count));
        }
    }
    let most = u64::try_from(u128::from(storage.value.as_bytes()) * u128::from(overcommit) / 1000).unwrap_or(u64::MAX);
    if promised > most {
        let promised = format!("quotas of {}", ByteSize::from_bytes(promised));
        let allowed = format!("{} (with over-commit)", ByteSize::from_bytes(most));
        report.tell(exceeded(reseller, &promised, &allowed, storage.span));
    }
}

fn not_in(
    what: &str,
    name: &Name,
    span: Span,
    contract: &spec::model::Contract,
    allowed: &[&spec::Spanned<Name>],
) -> Problem {
    let list: Vec<&str> = allowed.iter().map(|name| name.value.as_str()).collect();
    let first = allowed.first().map_or(contract.span, |name| name.span);
    Problem::error(
        "compiler::not-in-contract",
        span,
        format!("the contract does not hold the {what} {}", quoted(name.as_str())),
    )
    .label(format!("not in the contract of {}", contract.reseller.value))
    .help(match list.as_slice() {
        [] => format!("the contract holds no {what} at all; let the operator add one"),
        list => format!("the contract holds: {}", list.join(", ")),
    })
    .related(first, "the contract says what may be used")
}

fn references(model: &Model<'_>, contract: &spec::model::Contract, domain: &Domain<'_>, report: &mut Report) {
    let tiers: Vec<_> = contract.tiers.iter().collect();
    let clusters: Vec<_> = contract.clusters.iter().collect();
    let pools: Vec<_> = contract.outbounds.iter().map(|outbound| &outbound.pool).collect();
    let mut hold = |what: &str, name: &spec::Spanned<Name>, allowed: &[&spec::Spanned<Name>]| {
        // A hole in the contract says nothing about what it would have held. What does not exist was told already.
        let unknown = name.is_hole() || allowed.iter().any(|name| name.is_hole());
        // One that is nearly of this name and stands for nothing was told where it stands: this one is meant there.
        let stands = |other: &str| match what {
            "tier" => model.tiers.keys().any(|known| known.as_str() == other),
            "cluster" => model.platform.clusters.iter().any(|known| known.name.value.as_str() == other),
            _ => model.pools.keys().any(|known| known.as_str() == other),
        };
        let is_slip = |other: &&spec::Spanned<Name>| {
            let other = other.value.as_str();
            let begins_so = || other.get(..3).is_some_and(|start| name.value.as_str().starts_with(start));
            !stands(other) && (nearest(other, [name.value.as_str()]).is_some() || begins_so())
        };
        if allowed.iter().any(is_slip) {
            return;
        }
        if !unknown && !allowed.iter().any(|allowed| allowed.value == name.value) {
            report.tell(not_in(what, &name.value, name.span, contract, allowed));
        }
    };
    // A name that stands for nothing was told where it is looked up.
    if domain.tier.is_some() {
        hold("tier", &domain.spec.tier, &tiers);
    }
    if domain.cluster.is_some() {
        hold("cluster", &domain.spec.cluster, &clusters);
    }
    if let Some(pool) = domain.spec.outbound.as_ref().filter(|pool| model.pools.contains_key(&pool.value)) {
        hold("outbound pool", pool, &pools);
    }
    for (_, mailbox) in domain.mailboxes() {
        if let Some(tier) = mailbox.tier.as_ref().filter(|tier| model.tiers.contains_key(&tier.value)) {
            hold("tier", tier, &tiers);
        }
    }
    let mut asked = domain.left_out.iter().filter_map(|left_out| left_out.tier.as_ref());
    if asked.any(|tier| !tiers.iter().any(|allowed| allowed.value == *tier)) {
        report.want(domain.file());
    }
}
