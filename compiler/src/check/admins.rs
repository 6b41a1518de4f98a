//! Admins sign in under `NAME.adm`, so that no reseller can name another's.

use std::collections::BTreeMap;

use spec::Problem;

use crate::report::Report;
use crate::resolve::Model;

/// Checks who signs in for each reseller.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    let mut seen = BTreeMap::new();
    for reseller in &model.resellers {
        let domain = format!("{}.adm", reseller.spec.name.value);
        // Of one that is declared twice, which was told, the other may have some.
        let is_same = |other: &&crate::resolve::Reseller<'_>| other.spec.name.value == reseller.spec.name.value;
        if model.resellers.iter().filter(is_same).all(|same| same.spec.admins.is_empty()) {
            report.tell(
                Problem::warning(
                    "compiler::no-admin",
                    reseller.spec.name.span,
                    format!("nobody can sign in for the reseller {}", reseller.spec.name.value),
                )
                .help(format!("write `admin \"admin@{domain}\"`")),
            );
        }
        for admin in &reseller.spec.admins {
            let address = &admin.address;
            // One that is not the reseller's own was told where it was read.
            let own = address.value.domain().as_str() == domain;
            if own && let Some(first) = seen.insert(address.value.key(), address.span) {
                report.tell(
                    Problem::error("compiler::declared-twice", address.span, "this admin is declared twice")
                        .help("remove one of the two")
                        .related(first, "first declared here"),
                );
            }
        }
    }
}
