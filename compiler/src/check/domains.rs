//! Each domain is one reseller's, once.

use std::collections::BTreeMap;

use spec::model::Reseller;
use spec::{Problem, Spanned};
use values::{HostName, quoted};

use super::confusable::skeleton;
use crate::report::Report;
use crate::resolve::Model;

/// Checks who claims which domain.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    let mut claims: BTreeMap<&HostName, (&Reseller, &Spanned<HostName>)> = BTreeMap::new();
    for reseller in &model.resellers {
        for domain in &reseller.spec.domains {
            // An alias of itself was told where the domain is read.
            let aliases = domain.aliases.iter().filter(|alias| alias.value != domain.name.value);
            for name in [&domain.name].into_iter().chain(aliases).filter(|name| !name.is_hole()) {
                operators_own(model, name, report);
                admins(name, report);
                match claims.get(&name.value) {
                    None => {
                        claims.insert(&name.value, (reseller.spec, name));
                    }
                    // Beside each other in one node: told where the domain is read.
                    Some((other, first))
                        if std::ptr::eq(*other, reseller.spec)
                            && std::ptr::eq(name, &domain.name)
                            && reseller.spec.domains.iter().any(|domain| std::ptr::eq(*first, &domain.name)) => {}
                    Some((other, first)) => report.tell(claimed_twice(reseller.spec, name, other, first)),
                }
            }
        }
    }
    look_alike(&claims, report);
}

fn claimed_twice(
    reseller: &Reseller,
    name: &Spanned<HostName>,
    other: &Reseller,
    first: &Spanned<HostName>,
) -> Problem {
    let shown = quoted(&name.value.to_unicode());
    if reseller.name.value == other.name.value {
        return Problem::error(
            "compiler::domain-claimed-twice",
            name.span,
            format!("the domain {shown} is declared twice"),
        )
        .label("declared again here")
        .help("a domain stands once, as a domain or as an alias of one; remove one of the two")
        .related(first.span, "first declared here");
    }
    let message = format!("the domain {shown} is claimed by two resellers");
    Problem::error("compiler::domain-claimed-twice", name.span, message)
        .label(format!("claimed by {}", reseller.name.value))
        .help("a domain belongs to one reseller; let the other remove it first")
        .related(first.span, format!("claimed by {} too", other.name.value))
}

fn operators_own(model: &Model<'_>, name: &Spanned<HostName>, report: &mut Report) {
    let own = &model.platform.service_domain;
    if own.is_hole() || !name.value.is_within(&own.value) {
        return;
    }
    report.tell(
        Problem::error(
            "compiler::operators-domain",
            name.span,
            format!("the domain {} belongs to the operator", quoted(&name.value.to_unicode())),
        )
        .label("the service domain or below it")
        .help("host only domains of your customers and your own")
        .related(own.span, "the operator's own host names live below it"),
    );
}

/// Refuses domains in which resellers' admins sign in: a mailbox there would have an admin's address.
fn admins(name: &Spanned<HostName>, report: &mut Report) {
    if name.value.as_str().ends_with(".adm") {
        let shown = quoted(&name.value.to_unicode());
        let message = format!("the domain {shown} is one that resellers' admins sign in under");
        report.tell(
            Problem::error("compiler::admins-domain", name.span, message)
                .label("`.adm` has no mailboxes")
                .help("host it under the name that the DNS knows"),
        );
    }
}

/// Warns of domains that people would take for another reseller's.
fn look_alike(claims: &BTreeMap<&HostName, (&Reseller, &Spanned<HostName>)>, report: &mut Report) {
    let mut seen: BTreeMap<String, (&Reseller, &Spanned<HostName>)> = BTreeMap::new();
    for (reseller, name) in claims.values() {
        let form = skeleton(&name.value);
        match seen.get(&form) {
            Some((other, first)) if other.name.value != reseller.name.value => report.tell(
                Problem::warning(
                    "compiler::look-alike-domain",
                    name.span,
                    format!(
                        "{} looks like {}, which is another reseller's",
                        quoted(&name.value.to_unicode()),
                        quoted(&first.value.to_unicode())
                    ),
                )
                .label("easily taken for the other")
                .help("make sure that this domain is not meant to deceive")
                .related(first.span, format!("declared by {}", other.name.value)),
            ),
            Some(_) => {}
            None => {
                seen.insert(form, (reseller, name));
            }
        }
    }
}
