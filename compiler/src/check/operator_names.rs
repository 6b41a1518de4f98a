//! The operator publishes only names of its own: those it greets with and rewrites return paths under lie in its service domain.

use spec::{Problem, Spanned};
use values::{HostName, quoted};

use crate::report::Report;
use crate::resolve::Model;

/// Checks the names of outbound addresses and of rewritten return paths.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    let own = &model.platform.service_domain;
    let mut lie_within = |name: &Spanned<HostName>, what: &str, example: &str| {
        // A service domain of one label was told where it is read.
        if name.is_hole() || own.is_hole() || own.value.parent().is_none() || name.value.is_within(&own.value) {
            return;
        }
        report.tell(
            Problem::error(
                "compiler::foreign-host-name",
                name.span,
                format!("{what} {}, is not below the service domain", quoted(&name.value.to_unicode())),
            )
            .label("no zone of the platform has it")
            .help(format!("choose one below {}, such as `{example}.{}`", own.value, own.value))
            .related(own.span, "the operator's own host names live below it"),
        );
    };
    for address in model.pools.values().flat_map(|pool| &pool.addresses) {
        lie_within(&address.helo, "the name that an outbound address greets with,", "out1");
    }
    if let Some(srs) = &model.platform.mail.forwarding.srs {
        lie_within(srs, "the domain of rewritten return paths,", "srs");
    }
}
