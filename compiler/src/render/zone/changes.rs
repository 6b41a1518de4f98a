//! Change lists: what an outside provider of a zone is asked to set, for people to read and for `nsupdate` to send.
//!
//! Source: nsupdate(1). Records are spelled as in a master file; a `;` begins a comment where a line begins.

use blueprint::File;
use blueprint::dns::{Data, Record, Zone};

use super::master::{Name, Pieces, write_record};

/// Returns the change list of a zone. Name servers are left out: they are the provider's own.
pub fn file(zone: &Zone) -> File {
    let mut pieces = Pieces::default();
    pieces.text(format_args!("; What {} has to say for its mail to work.\nzone {}\n", zone.name, Name(&zone.name)));
    let mut before: Option<(&str, &'static str)> = None;
    for record in zone.records.iter().filter(|record| !is_own_server(zone, record)) {
        let now = (record.name.as_str(), kind(&record.data));
        if before != Some(now) {
            pieces.text(format_args!("\n; {}\n", why(record)));
            // Texts of other owners may stand at the same name: what others prove themselves with must stay.
            if now.1 != "TXT" || record.name != zone.name {
                pieces.text(format_args!("update delete {} {}\n", Name(&record.name), now.1));
            }
        }
        before = Some(now);
        write_record(&mut pieces, record, zone.ttl, "update add ");
    }
    pieces.text(format_args!("\nsend\n"));
    File { pieces: pieces.finish(), ..File::text("") }
}

fn is_own_server(zone: &Zone, record: &Record) -> bool {
    matches!(record.data, Data::Server(_)) && record.name == zone.name
}

fn kind(data: &Data) -> &'static str {
    match data {
        Data::Server(_) => "NS",
        Data::Address(std::net::IpAddr::V4(_)) => "A",
        Data::Address(std::net::IpAddr::V6(_)) => "AAAA",
        Data::Alias(_) => "CNAME",
        Data::Exchanger(..) => "MX",
        Data::Service { .. } => "SRV",
        Data::Text(_) | Data::SigningKey(_) => "TXT",
        Data::ServerKeys(_) => "TLSA",
        Data::Pointer(_) => "PTR",
        Data::Certification(..) => "CAA",
    }
}

/// Says what a record is for.
fn why(record: &Record) -> &'static str {
    let label = record.name.split('.').next().unwrap_or_default();
    match &record.data {
        Data::Text(text) if text.starts_with("v=spf1") => {
            "Who may send its mail. One such text may stand at a name: put another one's terms in here."
        }
        _ if label == "_dmarc" => "What receivers do with mail that fails.",
        _ if label == "_mta-sts" => "That mail for it is to be sent over TLS, by the policy behind this identifier.",
        _ if label == "_smtp" => "Where reports on TLS are sent.",
        _ if record.name.contains("._domainkey.") => "A key that its mail is signed with, now, soon, or until lately.",
        Data::SigningKey(_) => "A key that its mail is signed with, now, soon, or until lately.",
        Data::ServerKeys(_) => {
            "The keys that a host shows who brings mail, now, soon, or until lately. The zone has to be signed."
        }
        Data::Exchanger(..) => "Where its mail goes.",
        Data::Service { .. } => "Where mail programs find a service.",
        Data::Alias(_) => "A page that mail programs or other servers read.",
        Data::Address(_) => "A host.",
        Data::Pointer(_) => "The name of an address.",
        Data::Certification(..) => "Who may issue certificates.",
        Data::Server(_) => "Who answers for what lies below.",
        Data::Text(_) => "A text.",
    }
}
