//! That the operator vouches for a domain is the operator's to say, in the reseller's contract.

use spec::Problem;
use spec::model::Proof;
use values::quoted;

use crate::report::Report;
use crate::resolve::Model;

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
