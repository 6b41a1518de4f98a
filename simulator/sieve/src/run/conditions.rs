//! Tests over a message.

use crate::address::{self, Address};
use crate::date::{self, Date};
use crate::matching;
use crate::message::{Field, Message};
use crate::notify::Method;
use crate::outcome::Mark;
use crate::program::{AddressPart, BodyOf, DuplicateBy, Index, MatchKind, Matching, Mime, MimeOnly, Test, Zone};
use crate::text::Text;

use super::values::flag_list;
use super::{DUPLICATES, Runner, Stop};

impl Runner<'_> {
    pub(super) fn test(&mut self, line: u32, test: &Test) -> Result<bool, Stop> {
        self.works(line, 1)?;
        Ok(match test {
            Test::Constant(holds) => *holds,
            Test::Not(inner) => !self.test(line, inner)?,
            Test::All(tests) => {
                for test in tests {
                    if !self.test(line, test)? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Any(tests) => {
                for test in tests {
                    if self.test(line, test)? {
                        return Ok(true);
                    }
                }
                false
            }
            Test::Header { names, keys, matching, index, mime } => {
                let values = self.field_values(names, *index, mime);
                self.matches(line, *matching, &values, keys)?
            }
            Test::Address { part, names, keys, matching, index, mime } => {
                let values = self.address_values(*part, names, *index, mime);
                self.matches(line, *matching, &values, keys)?
            }
            Test::Exists { names, mime } => {
                let names: Vec<String> = names.iter().map(|name| self.value(name)).collect();
                names
                    .iter()
                    .all(|name| self.looked_at(mime).any(|part| self.message.fields(part, name).next().is_some()))
            }
            Test::Envelope { part, fields, keys, matching } => {
                let values = self.envelope_values(*part, fields);
                self.matches(line, *matching, &values, keys)?
            }
            Test::Size { over, limit } => {
                let size = self.message.bytes.len() as u64;
                if *over { size > *limit } else { size < *limit }
            }
            Test::Body { of, keys, matching } => {
                let values = self.body_values(line, of)?;
                let kind = Matching { keeps: false, ..*matching };
                self.matches(line, kind, &values, keys)?
            }
            Test::Environment { name, keys, matching } => match self.environment(&self.value(name)) {
                Some(value) => self.matches(line, *matching, &[value], keys)?,
                None => false,
            },
            Test::MailboxExists(names) => {
                let names: Vec<String> = names.iter().map(|name| self.value(name)).collect();
                names.iter().all(|name| self.surroundings.has_mailbox(name))
            }
            Test::Date { header, zone, part, keys, matching, index } => {
                let values = self.date_values(header.as_ref(), zone, part, *index);
                self.matches(line, *matching, &values, keys)?
            }
            Test::HasFlag { variables, keys, matching } => {
                let flags = match variables {
                    None => self.flags.clone(),
                    Some(variables) => {
                        let names = variables.iter().map(|name| self.value(name).to_ascii_lowercase());
                        flag_list(names.map(|name| self.variable(&name)).collect::<Vec<_>>())
                    }
                };
                // Each flag of the keys is asked for by itself, but where they are counted.
                let keys: Vec<String> = keys.iter().map(|key| self.value(key)).collect();
                let keys = match matching.kind {
                    MatchKind::Count(_) => keys,
                    _ => keys
                        .iter()
                        .flat_map(|key| key.split(' '))
                        .filter(|key| !key.is_empty())
                        .map(str::to_owned)
                        .collect(),
                };
                self.matches_keys(line, *matching, &flags, &keys)?
            }
            Test::Text { sources, keys, matching } => {
                let mut values: Vec<String> = sources.iter().map(|source| self.value(source)).collect();
                if matches!(matching.kind, MatchKind::Count(_)) {
                    values.retain(|value| !value.is_empty());
                }
                self.matches(line, *matching, &values, keys)?
            }
            Test::Duplicate { handle, by, seconds, last } => self.duplicate(handle.as_ref(), by, *seconds, *last),
            Test::NotifyMethods(uris) => {
                let uris: Vec<String> = uris.iter().map(|uri| self.value(uri)).collect();
                uris.iter().all(|uri| Method::parse(uri).is_ok())
            }
            Test::NotifyCapability { uri, capability, keys, matching } => {
                let known =
                    Method::parse(&self.value(uri)).is_ok() && self.value(capability).eq_ignore_ascii_case("online");
                known && self.matches(line, *matching, &["maybe".to_owned()], keys)?
            }
        })
    }

    fn matches(&mut self, line: u32, matching: Matching, values: &[String], keys: &[Text]) -> Result<bool, Stop> {
        let keys: Vec<String> = keys.iter().map(|key| self.value(key)).collect();
        self.matches_keys(line, matching, values, &keys)
    }

    fn matches_keys(
        &mut self,
        line: u32,
        matching: Matching,
        values: &[String],
        keys: &[String],
    ) -> Result<bool, Stop> {
        let counted = [values.len().to_string()];
        let values = if matches!(matching.kind, MatchKind::Count(_)) { &counted[..] } else { values };
        let mut found = Vec::new();
        for value in values {
            for key in keys {
                let dear = match matching.kind {
                    MatchKind::Regex => value.len().saturating_mul(key.len().max(1)),
                    _ => value.len(),
                };
                self.works(line, dear + key.len() + 1)?;
                let fits = matching::fits(matching, value, key, &mut found);
                if fits.map_err(|problem| Stop::Failed(line, problem))? {
                    if matching.keeps && matches!(matching.kind, MatchKind::Matches | MatchKind::Regex) {
                        self.keep_matches(found);
                    }
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Returns the parts whose fields are looked at.
    fn looked_at(&self, mime: &Mime) -> std::ops::Range<usize> {
        if !mime.on {
            return 0..1;
        }
        let first = self.parts.last().copied().unwrap_or_default();
        let end = self.message.parts.get(first).map_or(first, |part| part.end);
        if mime.any_child { first..end } else { first..first + 1 }
    }

    fn fields(&self, names: &[Text], index: Index, mime: &Mime) -> Vec<&Field> {
        let mut all = Vec::new();
        for name in names {
            let name = self.value(name);
            let mut fields: Vec<&Field> =
                self.looked_at(mime).flat_map(|part| self.message.fields(part, &name)).collect();
            if index.number > 0 {
                let place = usize::try_from(index.number - 1).unwrap_or(usize::MAX);
                let one = if index.last { fields.iter().rev().nth(place) } else { fields.get(place) }.copied();
                fields = one.into_iter().collect();
            }
            all.extend(fields);
        }
        all
    }

    fn field_values(&self, names: &[Text], index: Index, mime: &Mime) -> Vec<String> {
        let fields = self.fields(names, index, mime);
        let values = |field: &&Field| -> Vec<String> {
            match &mime.only {
                MimeOnly::Whole => vec![field.value()],
                MimeOnly::Parameters(names) => {
                    let names = names.iter().map(|name| self.value(name));
                    names.filter_map(|name| Message::parameter(&field.raw, &name)).collect()
                }
                only => {
                    let (main, subtype) = match Message::kind(&field.raw) {
                        Some(kind) => kind,
                        None => match (field.name.to_ascii_lowercase().as_str(), field.raw.split(';').next()) {
                            // A disposition has no second word.
                            ("content-disposition", Some(word)) => (word.trim().to_ascii_lowercase(), String::new()),
                            _ => return vec![String::new()],
                        },
                    };
                    vec![match only {
                        MimeOnly::Type => main,
                        MimeOnly::Subtype => subtype,
                        _ if subtype.is_empty() => main,
                        _ => format!("{main}/{subtype}"),
                    }]
                }
            }
        };
        fields.iter().flat_map(values).collect()
    }

    fn part_of(&self, part: AddressPart, address: &Address) -> Option<String> {
        let split = self.envelope.separator.and_then(|separator| address.local.split_once(separator));
        match part {
            AddressPart::All => Some(address.to_string()),
            AddressPart::LocalPart => Some(address.local.clone()),
            AddressPart::Domain => Some(address.domain.clone()),
            AddressPart::User => Some(split.map_or(address.local.as_str(), |(user, _)| user).to_owned()),
            AddressPart::Detail => split.map(|(_, detail)| detail.to_owned()),
        }
    }

    fn address_values(&self, part: AddressPart, names: &[Text], index: Index, mime: &Mime) -> Vec<String> {
        let mut values = Vec::new();
        for field in self.fields(names, index, mime) {
            match address::list(&field.raw) {
                Some(addresses) => {
                    values.extend(addresses.iter().filter_map(|address| self.part_of(part, address)));
                }
                // What is no address is there as a whole.
                None if part == AddressPart::All => values.push(field.value()),
                None => {}
            }
        }
        values
    }

    fn envelope_values(&self, part: AddressPart, fields: &[Text]) -> Vec<String> {
        let mut values = Vec::new();
        for field in fields {
            let path = match self.value(field).to_ascii_lowercase().as_str() {
                "from" => Some(self.envelope.sender.unwrap_or_default()),
                "to" => Some(self.envelope.recipient),
                "orig_to" => Some(self.envelope.original),
                _ => None,
            };
            match path {
                Some("") => values.extend((part != AddressPart::Detail).then(String::new)),
                Some(path) => match address::path(path) {
                    Some(address) => values.extend(self.part_of(part, &address)),
                    None => values.push(path.to_owned()),
                },
                None => {}
            }
        }
        values
    }

    fn body_values(&mut self, line: u32, of: &BodyOf) -> Result<Vec<String>, Stop> {
        let values: Vec<String> = match of {
            BodyOf::Raw => {
                let range = self.message.parts.first().map(|part| part.body.clone()).unwrap_or_default();
                let bytes = self.message.bytes.get(range).unwrap_or_default();
                vec![String::from_utf8_lossy(bytes).into_owned()]
            }
            BodyOf::Text => {
                let texts = self.message.leaves().filter(|(_, part)| part.kind.0 == "text");
                texts.map(|(place, _)| self.message.text(place)).collect()
            }
            BodyOf::Content(types) => {
                let types: Vec<String> = types.iter().map(|kind| self.value(kind).to_ascii_lowercase()).collect();
                let wanted = |(main, subtype): &(String, String)| {
                    types.iter().any(|kind| match kind.split_once('/') {
                        None => kind.is_empty() || kind == main,
                        Some((wanted, _)) if kind.starts_with('/') || kind.ends_with('/') || wanted.is_empty() => false,
                        Some((wanted, rest)) => wanted == main && rest == subtype,
                    })
                };
                let parts = self.message.parts.iter().enumerate().filter(|(_, part)| wanted(&part.kind));
                parts.map(|(place, _)| self.message.own_text(place)).collect()
            }
        };
        self.works(line, values.iter().map(String::len).sum())?;
        Ok(values)
    }

    fn environment(&self, name: &str) -> Option<String> {
        Some(match name.to_ascii_lowercase().as_str() {
            "domain" => self.envelope.host.split_once('.').map(|(_, domain)| domain.to_owned())?,
            "host" => self.envelope.host.to_owned(),
            "location" => "MDA".to_owned(),
            "phase" => "during".to_owned(),
            "name" => "Pigeonhole Sieve".to_owned(),
            "version" => "0.5.19".to_owned(),
            _ => return None,
        })
    }

    fn date_values(&self, header: Option<&Text>, zone: &Zone, part: &Text, index: Index) -> Vec<String> {
        let dates: Vec<Date> = match header {
            None => vec![Date { seconds: self.envelope.now_seconds, zone: 0 }],
            Some(name) => {
                // As Pigeonhole has it: dates are counted from the first only.
                let index = Index { last: false, ..index };
                let fields = self.fields(std::slice::from_ref(name), index, &Mime::default());
                let date = |field: &&Field| {
                    // A trace field has its date at the end.
                    let text = field.raw.rsplit_once(';').map_or(field.raw.as_str(), |(_, date)| date);
                    Date::parse(text.trim())
                };
                fields.iter().filter_map(date).collect()
            }
        };
        let part = self.value(part);
        let told = |date: Date| {
            let zone = match zone {
                Zone::Local => 0,
                Zone::Original => date.zone,
                Zone::Given(text) => date::zone(&self.value(text)).unwrap_or(0),
            };
            Date { zone, ..date }.part(&part)
        };
        dates.into_iter().filter_map(told).collect()
    }

    fn duplicate(&mut self, handle: Option<&Text>, by: &DuplicateBy, seconds: Option<u64>, last: bool) -> bool {
        let value = match by {
            DuplicateBy::MessageId => self.message.first("Message-ID"),
            DuplicateBy::Header(name) => self.message.first(&self.value(name)),
            DuplicateBy::Value(value) => Some(self.value(value)),
        };
        let Some(value) = value else { return false };
        let handle = handle.map(|handle| self.value(handle)).unwrap_or_default();
        let key = format!("duplicate\0{handle}\0{value}");
        let is_known = self.surroundings.is_marked(&key);
        if !is_known || last {
            let (default, most) = DUPLICATES;
            let seconds = seconds.unwrap_or(default).min(most);
            if !self.marks.iter().any(|mark| mark.key == key) {
                self.marks.push(Mark { key, seconds });
            }
        }
        is_known
    }
}
