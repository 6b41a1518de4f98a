//! That a domain is a reseller's is shown by its own DNS, or said by the operator in the reseller's contract.

use blueprint::proof::{Claim, is_reserved};
use spec::Problem;
use spec::model::{Environment, Proof};
use values::{HostName, quoted};

use crate::decide::environment::is_production;

use crate::report::Report;
use crate::resolve::{Domain, Model};

/// Checks every domain that is proven by the operator's word.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    for domain in &model.domains {
        let proof = &domain.spec.proof;
        let Some(contract) = domain.reseller.contract.filter(|_| proof.value == Proof::Operator && !proof.is_hole())
        else {
            continue;
        };
        // One that could not be read may be the one that is meant.
        let vouched = |name| contract.vouched.iter().any(|known| known.is_hole() || known.value == name);
        let Some(name) = domain.names().find(|name| !name.is_hole() && !vouched(name.value.clone())) else { continue };
        let shown = name.value.to_unicode();
        report.tell(
            Problem::error(
                "compiler::not-vouched",
                proof.span,
                format!("the operator does not vouch for the domain {}", quoted(&shown)),
            )
            .label("only the operator can say so")
            .help(format!("write `dns-txt`, or let the operator write `vouch \"{shown}\"` into the contract"))
            .related(name.span, "the domain")
            .related(contract.span, "the contract names no such domain"),
        );
    }
}

/// The code of a domain that nothing proves.
pub(crate) const UNPROVEN: &str = "compiler::unproven-domain";

/// Returns the claim that a name of a domain is its reseller's.
pub(crate) fn claim(model: &Model<'_>, domain: &Domain<'_>, name: &HostName) -> Claim {
    Claim {
        operator: model.platform.service_domain.value.clone(),
        reseller: domain.reseller.spec.name.value.clone(),
        domain: name.clone(),
    }
}

/// Checks that every domain whose mail is real is proven.
pub(super) fn environment(model: &Model<'_>, environment: &Environment, report: &mut Report) {
    if !is_production(model, environment) || model.platform.service_domain.is_hole() {
        return;
    }
    for domain in &model.domains {
        let reseller = &domain.reseller.spec.name;
        let proof = &domain.spec.proof;
        if proof.value == Proof::Operator || proof.is_hole() || reseller.is_hole() {
            continue;
        }
        // Below `.adm` nothing can be published, which was told.
        let is_real = |name: &HostName| !is_reserved(name) && !name.as_str().ends_with(".adm");
        for name in domain.names().filter(|name| !name.is_hole() && is_real(&name.value)) {
            if model.sources.proven(&name.value, &reseller.value).is_some() {
                continue;
            }
            let (shown, claim) = (name.value.to_unicode(), claim(model, domain, &name.value));
            report.tell(
                Problem::warning(
                    UNPROVEN,
                    name.span,
                    format!("nothing proves that the domain {} is {}'s", quoted(&shown), reseller.value),
                )
                .label(format!("nothing is built for {} with it", environment.name.value))
                .help(format!(
                    "publish {} TXT \"{}\" and run: mailwright reseller prove {}; or let the operator vouch for it: `vouch \"{shown}\"` \
                     in the contract and `proof=\"operator\"` here",
                    claim.record_name(),
                    claim.record_text(),
                    name.value,
                )),
            );
        }
    }
}
