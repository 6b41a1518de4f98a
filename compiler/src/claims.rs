//! Which domains are to be proven by records in their own DNS.

use blueprint::Claim;
use blueprint::proof::is_reserved;
use spec::model::Proof;
use spec::{Parsed, Sources};

use crate::check::proof::claim;
use crate::report::Report;
use crate::resolve::resolve;

/// Returns what is to be looked for in DNS: every domain and alias that asks to be proven so, sorted; none that nobody can hold.
pub fn claims(sources: &Sources, parsed: &Parsed) -> Vec<Claim> {
    let Some(model) = resolve(sources, &parsed.spec, &mut Report::default()) else { return Vec::new() };
    if model.platform.service_domain.is_hole() {
        return Vec::new();
    }
    let asks = model.domains.iter().filter(|domain| {
        let (proof, reseller) = (&domain.spec.proof, &domain.reseller.spec.name);
        proof.value == Proof::DnsTxt && !proof.is_hole() && !reseller.is_hole()
    });
    let mut claims: Vec<Claim> = asks
        .flat_map(|domain| domain.names().map(move |name| (domain, name)))
        .filter(|(_, name)| !name.is_hole() && !is_reserved(&name.value))
        .map(|(domain, name)| claim(&model, domain, &name.value))
        .collect();
    claims.sort();
    claims.dedup();
    claims
}
