//! Questions and answers as they go over the wire (RFC 1035 §4, RFC 6891).

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record as WireRecord, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable};

use super::{Data, Found, Kind, Record, Zones};

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// In a datagram: what does not fit is cut, and the asker told to come by stream.
    Datagram,
    /// In a stream, without the two octets of length.
    Stream,
}

/// Octets of an answer in a datagram whose asker says nothing, and the most whatever it says (RFC 1035 §4.2.1, RFC 9715).
const PLAIN_BYTES: usize = 512;
const MOST_BYTES: usize = 1_232;

/// Answers a question from the zones.
///
/// - Returns: the answer; nothing where an answer could only do harm (no header, or itself an answer).
pub fn answer(zones: &Zones, question: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let (id, flags) = match question {
        [high, low, flags, _, _, _, _, _, _, _, _, _, ..] => (u16::from_be_bytes([*high, *low]), *flags),
        _ => return None,
    };
    if flags & 0x80 != 0 {
        return None;
    }
    let Ok(asked) = Message::from_bytes(question) else {
        return failure(id, ResponseCode::FormErr);
    };
    let mut reply = Message::new(id, MessageType::Response, asked.metadata.op_code);
    reply.metadata.recursion_desired = asked.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.checking_disabled = asked.metadata.checking_disabled;
    let mut most = PLAIN_BYTES;
    if let Some(edns) = &asked.edns {
        most = usize::from(edns.max_payload()).clamp(PLAIN_BYTES, MOST_BYTES);
        let mut ours = Edns::new();
        ours.set_max_payload(u16::try_from(MOST_BYTES).unwrap_or(u16::MAX));
        ours.set_version(0);
        reply.set_edns(ours);
        if edns.version() > 0 {
            reply.metadata.response_code = ResponseCode::BADVERS;
            return reply.to_bytes().ok();
        }
    }
    if asked.metadata.op_code != OpCode::Query {
        reply.metadata.response_code = ResponseCode::NotImp;
        return reply.to_bytes().ok();
    }
    let [query] = asked.queries.as_slice() else {
        reply.metadata.response_code = ResponseCode::FormErr;
        return reply.to_bytes().ok();
    };
    reply.add_query(query.clone());
    fill(zones, query, &mut reply);
    let bytes = reply.to_bytes().ok()?;
    let fits = match transport {
        Transport::Datagram => bytes.len() <= most,
        Transport::Stream => bytes.len() <= usize::from(u16::MAX),
    };
    if fits { Some(bytes) } else { reply.truncate().to_bytes().ok() }
}

fn failure(id: u16, code: ResponseCode) -> Option<Vec<u8>> {
    Message::error_msg(id, OpCode::Query, code).to_bytes().ok()
}

fn fill(zones: &Zones, query: &Query, reply: &mut Message) {
    if query.query_class() != DNSClass::IN {
        reply.metadata.response_code = ResponseCode::Refused;
        return;
    }
    let name = query.name().to_ascii();
    let lookup = match kind(query.query_type()) {
        Some(kind) => zones.lookup(&name, kind),
        None if query.query_type() == RecordType::ANY => zones.everything(&name),
        None if matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR) => {
            reply.metadata.response_code = ResponseCode::Refused;
            return;
        }
        // A type that no record here has: the name may exist all the same.
        None => {
            let mut lookup = zones.everything(&name);
            lookup.records.clear();
            if lookup.found == Found::Records {
                lookup.found = Found::NoData;
            }
            lookup
        }
    };
    reply.metadata.authoritative = lookup.zone.is_some();
    // A name keeps the spelling of the question (RFC 1035 §2.3.3), by which some askers know their answer.
    let spelled = |owner: &str| match Name::from_ascii(owner) {
        Ok(mut owner) => {
            owner.set_fqdn(true);
            if owner == *query.name() { Some(query.name().clone()) } else { Some(owner) }
        }
        Err(_) => None,
    };
    for (owner, record) in &lookup.records {
        let data = match &record.data {
            Data::SigningKey(key) => match zones.key(key) {
                Some(text) => Some(text_data(&text)),
                None => {
                    reply.metadata.response_code = ResponseCode::ServFail;
                    return;
                }
            },
            _ => wire_data(record),
        };
        if let (Some(owner), Some(data)) = (spelled(owner), data) {
            reply.add_answer(WireRecord::from_rdata(owner, record.ttl, data));
        }
    }
    match lookup.found {
        Found::Records => return,
        Found::NoData => {}
        Found::NoName => reply.metadata.response_code = ResponseCode::NXDomain,
        Found::Loop => {
            reply.metadata.response_code = ResponseCode::ServFail;
            return;
        }
    }
    // RFC 2308 §3: the zone's start of authority tells how long a missing name stays missing.
    if let Some(zone) = lookup.zone.and_then(|name| zones.zone(&name)) {
        let authority = zone.authority();
        if let (Some(owner), Some(data)) = (spelled(zone.name()), wire_data(&authority)) {
            reply.add_authority(WireRecord::from_rdata(owner, authority.ttl, data));
        }
    }
}

fn kind(wire: RecordType) -> Option<Kind> {
    Some(match wire {
        RecordType::A => Kind::A,
        RecordType::AAAA => Kind::Aaaa,
        RecordType::CNAME => Kind::Cname,
        RecordType::MX => Kind::Mx,
        RecordType::NS => Kind::Ns,
        RecordType::PTR => Kind::Ptr,
        RecordType::SRV => Kind::Srv,
        RecordType::TXT => Kind::Txt,
        RecordType::SOA => Kind::Soa,
        _ => return None,
    })
}

fn wire_data(record: &Record) -> Option<RData> {
    let name = |text: &str| {
        let mut name = Name::from_ascii(text).ok()?;
        name.set_fqdn(true);
        Some(name)
    };
    Some(match &record.data {
        Data::A(address) => RData::A(A(*address)),
        Data::Aaaa(address) => RData::AAAA(AAAA(*address)),
        Data::Cname(target) => RData::CNAME(CNAME(name(target)?)),
        Data::Mx { preference, exchange } => RData::MX(MX::new(*preference, name(exchange)?)),
        Data::Ns(target) => RData::NS(NS(name(target)?)),
        Data::Ptr(target) => RData::PTR(PTR(name(target)?)),
        Data::Srv { priority, weight, port, target } => RData::SRV(SRV::new(*priority, *weight, *port, name(target)?)),
        Data::Txt(text) => text_data(text),
        // Its text is known to the zones alone.
        Data::SigningKey(_) => return None,
        Data::Soa { primary, contact, serial } => {
            RData::SOA(SOA::new(name(primary)?, name(contact)?, *serial, 3_600, 600, 604_800, 300))
        }
    })
}

fn text_data(text: &str) -> RData {
    let parts = if text.is_empty() { vec![&b""[..]] } else { text.as_bytes().chunks(255).collect() };
    RData::TXT(TXT::from_bytes(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Zone;
    use proptest::prelude::*;

    fn zones() -> Zones {
        let mut zones = Zones::default();
        let mut zone = Zone::new("acme.example", 7).unwrap();
        for (name, data) in [
            ("acme.example", Data::Mx { preference: 10, exchange: "mx.acme.example".to_owned() }),
            ("mx.acme.example", Data::A("192.0.2.1".parse().unwrap())),
            ("www.acme.example", Data::Cname("mx.acme.example".to_owned())),
            ("x.acme.example", Data::Cname("x.acme.example".to_owned())),
            ("k._domainkey.acme.example", Data::Txt(format!("v=DKIM1; k=rsa; p={}", "A".repeat(400)))),
            ("big.acme.example", Data::Txt("B".repeat(3_000))),
            (
                "_imaps._tcp.acme.example",
                Data::Srv { priority: 0, weight: 1, port: 993, target: "imap.acme.example".to_owned() },
            ),
        ] {
            zone.add(name, 60, data).unwrap();
        }
        zones.add(zone);
        zones
    }

    fn question(name: &str, kind: RecordType, payload: Option<u16>) -> Vec<u8> {
        let mut message = Message::new(77, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        if let Some(payload) = payload {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            message.set_edns(edns);
        }
        message.to_bytes().unwrap()
    }

    fn ask(name: &str, kind: RecordType, payload: Option<u16>, transport: Transport) -> Message {
        let bytes = answer(&zones(), &question(name, kind, payload), transport).unwrap();
        let reply = Message::from_bytes(&bytes).unwrap();
        assert_eq!(reply.metadata.id, 77);
        reply
    }

    #[test]
    fn questions_are_answered() {
        for (name, kind, code, answers, authorities) in [
            ("acme.example.", RecordType::MX, ResponseCode::NoError, 1, 0),
            ("WWW.acme.example.", RecordType::A, ResponseCode::NoError, 2, 0),
            ("k._domainkey.acme.example.", RecordType::TXT, ResponseCode::NoError, 1, 0),
            ("_imaps._tcp.acme.example.", RecordType::SRV, ResponseCode::NoError, 1, 0),
            ("acme.example.", RecordType::SOA, ResponseCode::NoError, 1, 0),
            ("acme.example.", RecordType::ANY, ResponseCode::NoError, 2, 0),
            ("mx.acme.example.", RecordType::AAAA, ResponseCode::NoError, 0, 1),
            ("mx.acme.example.", RecordType::CAA, ResponseCode::NoError, 0, 1),
            ("no.acme.example.", RecordType::A, ResponseCode::NXDomain, 0, 1),
            ("elsewhere.test.", RecordType::A, ResponseCode::NXDomain, 0, 0),
            ("x.acme.example.", RecordType::A, ResponseCode::ServFail, 9, 0),
            ("acme.example.", RecordType::AXFR, ResponseCode::Refused, 0, 0),
        ] {
            let reply = ask(name, kind, Some(4_096), Transport::Datagram);
            assert_eq!(reply.metadata.response_code, code, "{name} {kind}");
            assert_eq!((reply.answers.len(), reply.authorities.len()), (answers, authorities), "{name} {kind}");
        }
        let reply = ask("WWW.acme.example.", RecordType::A, None, Transport::Datagram);
        assert_eq!(reply.answers[0].name.to_ascii(), "WWW.acme.example.");
    }

    #[test]
    fn what_does_not_fit_is_cut_and_comes_by_stream() {
        let reply = ask("big.acme.example.", RecordType::TXT, Some(4_096), Transport::Datagram);
        assert!(reply.metadata.truncation && reply.answers.is_empty());
        let reply = ask("big.acme.example.", RecordType::TXT, None, Transport::Stream);
        assert!(!reply.metadata.truncation && reply.answers.len() == 1);
    }

    #[test]
    fn rubbish_is_refused_or_passed_over() {
        let good = question("acme.example.", RecordType::MX, None);
        assert_eq!(answer(&zones(), &[], Transport::Datagram), None);
        assert_eq!(answer(&zones(), &good[..11], Transport::Datagram), None);
        let mut reply = good.clone();
        reply[2] |= 0x80;
        assert_eq!(answer(&zones(), &reply, Transport::Datagram), None);
        let code = |bytes: &[u8]| {
            Message::from_bytes(&answer(&zones(), bytes, Transport::Datagram).unwrap()).unwrap().metadata.response_code
        };
        assert_eq!(code(&good[..good.len() - 1]), ResponseCode::FormErr);
        let mut update = good.clone();
        update[2] |= 0x20;
        assert_eq!(code(&update), ResponseCode::NotImp);
        let mut chaos = good;
        let last = chaos.len() - 1;
        chaos[last] = 3;
        assert_eq!(code(&chaos), ResponseCode::Refused);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_or_passed_over(mut bytes in proptest::collection::vec(any::<u8>(), 0..100), whole in any::<bool>()) {
            if whole {
                let mut good = question("www.acme.example.", RecordType::A, Some(1_232));
                for (index, byte) in bytes.iter().enumerate() {
                    let at = usize::from(*byte) % good.len();
                    if index % 7 == 0 {
                        good[at] = *byte;
                    }
                }
                bytes = good;
            }
            for transport in [Transport::Datagram, Transport::Stream] {
                if let Some(reply) = answer(&zones(), &bytes, transport) {
                    prop_assert!(reply.len() >= 12 && reply[2] & 0x80 != 0);
                    prop_assert!(transport == Transport::Stream || reply.len() <= MOST_BYTES);
                }
            }
        }
    }
}
