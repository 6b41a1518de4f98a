//! Certificates that a public authority would really issue, for all the names that people connect to.

use spec::model::TlsAuthority;
use spec::{Problem, Spanned};
use values::{HostName, quoted};

use crate::report::Report;
use crate::resolve::Model;

/// Names that one certificate has at most, as the authorities that everybody trusts have it.
const MOST_NAMES: usize = 100;
/// Names that a node has of its own: its host name, its group's and the service domain.
const OWN_NAMES: usize = 3;
/// Top-level domains that no public authority issues for (RFC 2606 §2, RFC 6761 §6, RFC 7686 §2, RFC 8375).
const RESERVED: [&str; 8] = ["arpa", "example", "internal", "invalid", "local", "localhost", "onion", "test"];
/// Domains of authorities that everybody trusts.
const PUBLIC: [&str; 6] = ["api.buypass.com", "letsencrypt.org", "pki.goog", "sectigo.com", "ssl.com", "zerossl.com"];

/// Checks what an ACME authority would be asked for; the internal one issues anything.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    let tls = &model.platform.tls;
    let Some(directory) = tls.directory.as_ref().filter(|directory| !directory.is_hole()) else { return };
    if tls.authority.value != TlsAuthority::Acme || tls.authority.is_hole() {
        return;
    }
    let host = host_of(directory.value.as_str());
    if !host.contains(|c: char| c.is_ascii_alphabetic()) || !host.contains('.') || host.starts_with('[') {
        report.tell(
            Problem::error(
                "compiler::certificate-authority",
                directory.span,
                format!("the authority {} has no domain that DNS could allow to issue", quoted(host)),
            )
            .label("CAA records name an authority by its domain (RFC 8659)")
            .help("write its directory with the authority's host name"),
        );
    }
    reserved(model, host, report);
    too_many(model, report);
}

fn host_of(url: &str) -> &str {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    let end = behind.find(['/', '?', '#']).unwrap_or(behind.len());
    let host = behind.get(..end).unwrap_or_default();
    match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    }
}

/// Returns the names of brands' hosts, which one certificate holds with the operator's own.
fn brand_hosts<'s>(model: &Model<'s>) -> impl Iterator<Item = &'s Spanned<HostName>> {
    let brands = model.resellers.iter().flat_map(|reseller| &reseller.spec.brands);
    brands
        .filter_map(|brand| brand.hosts.as_ref())
        .flat_map(|hosts| [&hosts.webmail, &hosts.imap, &hosts.pop3, &hosts.smtp])
        .flatten()
        .filter(|host| !host.is_hole())
}

/// Refuses names that a public authority issues nothing for.
fn reserved(model: &Model<'_>, authority: &str, report: &mut Report) {
    if !PUBLIC.iter().any(|known| authority == *known || authority.ends_with(&format!(".{known}"))) {
        return;
    }
    let service = Some(&model.platform.service_domain).filter(|name| !name.is_hole());
    for name in service.into_iter().chain(brand_hosts(model)) {
        let top = name.value.as_str().rsplit('.').next().unwrap_or_default();
        if RESERVED.contains(&top) {
            report.tell(
                Problem::error(
                    "compiler::certificate-name",
                    name.span,
                    format!("no public authority issues a certificate for {}", quoted(&name.value.to_unicode())),
                )
                .label(format!("`{top}` is reserved"))
                .help("choose a name below a domain that is registered, or write `authority=\"internal\"`")
                .related(model.platform.tls.authority.span, "the authority is public"),
            );
        }
    }
}

/// Refuses more names than fit into one certificate: every door answers for every brand.
fn too_many(model: &Model<'_>, report: &mut Report) {
    let mut hosts: Vec<&Spanned<HostName>> = brand_hosts(model).collect();
    hosts.sort_by(|one, two| one.value.cmp(&two.value));
    hosts.dedup_by(|one, two| one.value == two.value);
    let names = OWN_NAMES + hosts.len();
    if names <= MOST_NAMES {
        return;
    }
    report.tell(
        Problem::error(
            "compiler::certificate-too-large",
            model.platform.tls.authority.span,
            format!("the certificate of the doors would have {names} names, and public authorities take {MOST_NAMES}"),
        )
        .label(format!("{} host names of brands, and {OWN_NAMES} of the operator", hosts.len()))
        .help(
            "let a brand have one host name for IMAP, POP3 and SMTP, or let fewer brands have host names of their own",
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn the_host_of_a_directory_is_found_with_and_without_a_port() {
        assert_eq!(host_of("https://acme.example/directory"), "acme.example");
        assert_eq!(host_of("https://acme.example:14000/directory"), "acme.example");
        assert_eq!(host_of("https://[::1]:14000"), "[::1]");
        assert_eq!(host_of("https://10.0.0.1"), "10.0.0.1");
    }
}
