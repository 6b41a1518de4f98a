//! Signatures can be checked for as long as the mail that bears them is under way, and by whoever gets it.

use spec::Problem;
use spec::model::{DkimAlgorithm, DmarcPolicy};

use crate::report::Report;
use crate::resolve::Model;

/// Checks how mail is signed against how long it waits and what is asked of its receivers.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    let mail = &model.platform.mail;
    let (rotate, lifetime) = (&mail.dkim.rotate, &mail.queue_lifetime);
    if rotate.value <= lifetime.value && !rotate.is_hole() && !lifetime.is_hole() {
        report.tell(
            Problem::error(
                "compiler::keys-rotate-too-fast",
                rotate.span,
                format!("signing keys change every {}, and a message may wait {}", rotate.value, lifetime.value),
            )
            .label("a message may outlive the two keys that are published")
            .help(format!("rotate less often than every {}, or let messages wait less", lifetime.value))
            .related(lifetime.span, "how long a message may wait"),
        );
    }
    let algorithm = &mail.dkim.algorithm;
    let Some(policy) = mail.dmarc.as_ref().map(|dmarc| &dmarc.policy) else { return };
    if algorithm.value == DkimAlgorithm::Ed25519 && policy.value != DmarcPolicy::None && !algorithm.is_hole() {
        report.tell(
            Problem::warning(
                "compiler::signature-not-understood",
                algorithm.span,
                "some receivers do not know the only algorithm that signs, and are asked not to take unsigned mail",
            )
            .label("unsigned to them, wherever it was passed on")
            .help("write `algorithm=\"ed25519+rsa2048\"`")
            .related(policy.span, format!("receivers are asked to {} it", policy.value)),
        );
    }
}
