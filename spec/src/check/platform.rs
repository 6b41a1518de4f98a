//! Contradictions within a platform.

use values::quoted;

use super::scores;
use crate::decode::Decoder;
use crate::model::{Addresses, Backup, Copies, Mail, Platform, Tier, TierKind, Tls, TlsAuthority};
use crate::problem::Problem;

/// Reports what contradicts itself within a platform.
pub(crate) fn platform(platform: &Platform, decoder: &mut Decoder) {
    for site in &platform.sites {
        families(&site.network, decoder);
        families(&site.front, decoder);
    }
    for defense in &platform.defenses {
        if let Some(spam) = &defense.spam {
            scores::rising(spam.tag.as_ref(), spam.quarantine.as_ref(), spam.reject.as_ref(), decoder);
        }
    }
    let service = &platform.service_domain;
    if service.value.parent().is_none() && !service.is_hole() {
        decoder.report(
            Problem::error(
                "spec::wrong-value",
                service.span,
                format!("the service domain {} has a single label", quoted(service.value.as_str())),
            )
            .label("not below a top-level domain")
            .help("write the whole domain, such as `northmail.example`"),
        );
    }
    notice_before_bounce(&platform.mail, decoder);
    authority(&platform.tls, decoder);
    if let Some(backup) = &platform.backup {
        copies_are_kept(backup, decoder);
    }
    for one in &platform.tiers {
        tier(one, decoder);
    }
}

fn families(addresses: &Addresses, decoder: &mut Decoder) {
    if !addresses.ipv4.value.is_ipv4() {
        decoder.report(
            Problem::error(
                "spec::contradiction",
                addresses.ipv4.span,
                "an IPv6 network stands where the IPv4 network belongs",
            )
            .label("an IPv6 network")
            .help(format!(
                "write the IPv4 network here and this one as {}",
                decoder.setting("ipv6", &format!("\"{}\"", addresses.ipv4.value))
            )),
        );
    }
    if let Some(ipv6) = &addresses.ipv6
        && ipv6.value.is_ipv4()
    {
        decoder.report(
            Problem::error("spec::contradiction", ipv6.span, "`ipv6` is an IPv4 network")
                .label("an IPv4 network")
                .help("write an IPv6 network, such as `fd00:20::/48`"),
        );
    }
}

fn notice_before_bounce(mail: &Mail, decoder: &mut Decoder) {
    if mail.bounce_notice.value >= mail.queue_lifetime.value {
        decoder.report(
            Problem::error(
                "spec::contradiction",
                mail.bounce_notice.span,
                format!(
                    "senders are told after {} that a message still waits, but it is given up after {}",
                    mail.bounce_notice.value, mail.queue_lifetime.value
                ),
            )
            .label("not before the message is given up")
            .help(format!("write a duration shorter than `{}`", mail.queue_lifetime.value))
            .related(mail.queue_lifetime.span, "the message is given up then"),
        );
    }
}

fn authority(tls: &Tls, decoder: &mut Decoder) {
    match (tls.authority.value, &tls.directory) {
        (TlsAuthority::Acme, None) => decoder.report(
            Problem::error("spec::missing", tls.authority.span, "an ACME authority needs the URL of its directory")
                .label("whose directory is not named")
                .help(format!(
                    "add {} with the URL that the authority names",
                    decoder.setting("directory", "\"https://acme-authority.example/directory\"")
                )),
        ),
        (TlsAuthority::Internal, Some(directory)) if !tls.authority.is_hole() => decoder.report(
            Problem::error("spec::contradiction", directory.span, "the internal authority has no directory")
                .label("meant for an ACME authority")
                .help(format!("remove it, or write {}", decoder.setting("authority", "\"acme\""))),
        ),
        _ => {}
    }
}

fn copies_are_kept(backup: &Backup, decoder: &mut Decoder) {
    for Copies { every, keep, .. } in [&backup.mail, &backup.directory].into_iter().flatten() {
        if keep.value < every.value && !every.is_hole() {
            decoder.report(
                Problem::error(
                    "spec::contradiction",
                    keep.span,
                    format!("a copy is kept for {} and the next is made only after {}", keep.value, every.value),
                )
                .label("shorter than the time between two copies")
                .help(format!("write `{}` or more", every.value))
                .related(every.span, "the time between two copies"),
            );
        }
    }
}

fn tier(tier: &Tier, decoder: &mut Decoder) {
    if tier.kind.is_hole() {
        return;
    }
    if tier.kind.value == TierKind::Mailbox {
        if tier.quota.is_none() {
            decoder.report(
                Problem::error(
                    "spec::missing",
                    tier.span,
                    format!("the tier `{}` keeps mail but has no `quota`", tier.name.value),
                )
                .label("how much may a mailbox hold?")
                .help(format!("add a quota, such as {}", decoder.setting_child("quota", "\"2GiB\""))),
            );
        }
        return;
    }
    let flags = [&tier.pop3, &tier.imap, &tier.webmail, &tier.sieve, &tier.calendar];
    let names = ["pop3", "imap", "webmail", "sieve", "calendar"];
    let quota = tier.quota.as_ref().map(|quota| ("quota", quota.span));
    let on = names.into_iter().zip(flags).filter(|(_, flag)| flag.value).map(|(name, flag)| (name, flag.span));
    for (name, span) in on.chain(quota) {
        decoder.report(
            Problem::error(
                "spec::contradiction",
                span,
                format!("a tier of kind `{}` keeps no mail, so it cannot have `{name}`", tier.kind.value),
            )
            .label("needs a mailbox")
            .help(format!("remove it, or write {}", decoder.setting_child("kind", "\"mailbox\"")))
            .related(tier.kind.span, "keeps no mail"),
        );
    }
}
