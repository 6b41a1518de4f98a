//! Requests: JSON read strictly in its form and leniently in its types.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Fault;

/// A JSON value without duplicate keys.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, Strict(value))) = entries.next_entry::<String, Strict>()? {
            // Two readers may take different ones of the two, so neither is taken.
            if map.insert(key, value).is_some() {
                return Err(de::Error::custom("a key stands twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

/// Fields of a request or of a map in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Request(pub(crate) Map<String, Value>);

impl Request {
    /// Reads a body; `None` where it is not one JSON object, nests too deeply or says a key twice.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        // serde_json refuses what nests deeper than 128 levels.
        match serde_json::from_slice::<Strict>(body) {
            Ok(Strict(Value::Object(map))) => Some(Self(map)),
            _ => None,
        }
    }

    /// Returns a field; `null` counts as not there.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Returns a text that has to be there.
    pub(crate) fn text(&self, name: &str) -> Result<&str, Fault> {
        self.optional_text(name)?.ok_or_else(|| Fault::FIELD.hint(name, "is missing"))
    }

    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Fault::FIELD.hint(name, "has to be a text")),
        }
    }

    /// Returns a switch; what is not there is off.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.get(name) {
            None => Ok(false),
            Some(value) => flag(value).ok_or_else(|| Fault::FIELD.hint(name, "has to be true or false")),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => number(value).map(Some).ok_or_else(|| Fault::FIELD.hint(name, "has to be a whole number")),
        }
    }

    /// Returns a map; an empty list is one that some languages write for it, and what is not there is empty too.
    pub(crate) fn map(&self, name: &str) -> Result<Self, Fault> {
        match self.get(name) {
            None => Ok(Self::default()),
            Some(Value::Object(map)) => Ok(Self(map.clone())),
            Some(Value::Array(list)) if list.is_empty() => Ok(Self::default()),
            Some(_) => Err(Fault::FIELD.hint(name, "has to be a map")),
        }
    }

    /// Returns a list of texts; one text alone counts as a list of it.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Fault> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(value) => texts(value).ok_or_else(|| Fault::FIELD.hint(name, "has to be a list of texts")),
        }
    }
}

/// Reads a switch as clients write it: `true`, `1`, `"true"`, `"1"`, `"T"`, in any case, and the opposite.
pub(crate) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_u64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "t" => Some(true),
            "false" | "0" | "f" | "" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Reads a whole number, which may come as a text.
pub(crate) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Reads a list of texts.
pub(crate) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// The part of a list that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: usize,
    pub(crate) limit: usize,
}

/// Entries that one reply holds at most.
const MOST_ENTRIES: i64 = 10_000;

impl Range {
    pub(crate) fn of(request: &Request) -> Result<Self, Fault> {
        let range = request.map("range")?;
        let limit = match range.number("limit")? {
            Some(limit) => Some(limit),
            None => range.number("Limit")?,
        };
        let first = usize::try_from(range.number("first")?.unwrap_or(0))
            .map_err(|_| Fault::FIELD.hint("range", "first counts from 0"))?;
        let limit = usize::try_from(limit.unwrap_or(MOST_ENTRIES).min(MOST_ENTRIES))
            .map_err(|_| Fault::FIELD.hint("range", "limit has to be positive"))?;
        Ok(Self { first, limit })
    }

    /// Returns the part of a list.
    pub(crate) fn part<T>(self, list: Vec<T>) -> Vec<T> {
        list.into_iter().skip(self.first).take(self.limit).collect()
    }
}

/// Tells whether a text fits a pattern, `?` for one character and `*` for many, without regard to case.
///
/// Takes time in proportion to both lengths multiplied, never more.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut at, mut inside) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(inside) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, inside));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                at += 1;
                inside += 1;
            }
            _ => match star {
                Some((after, taken)) => {
                    star = Some((after, taken + 1));
                    at = after + 1;
                    inside = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_take_one_or_many_characters() {
        for (pattern, text, expected) in [
            ("al*", "alice", true),
            ("a?ice", "alice", true),
            ("*ice*", "Alice", true),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("al", "alice", false),
            ("*a*b*c", "xaybzc", true),
            ("*a*b*c", "xaybz", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_ambiguous_or_deep_is_no_request() {
        for body in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            "[]",
            "1",
            "",
            r#"{"a":NaN}"#,
            r#"{"a":1e999}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":1} x"#,
            "{",
        ] {
            assert_eq!(Request::read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(Request::read(format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200)).as_bytes()), None);
        assert_eq!(Request::read(b"{\"a\":\"\xff\"}"), None);
        assert!(Request::read(r#"{"a":[[]],"b":null}"#.as_bytes()).is_some());
    }

    #[test]
    fn switches_and_numbers_are_read_as_clients_write_them() {
        let request = Request::read(br#"{"a":1,"b":"TRUE","c":false,"d":"24","e":null,"f":2,"g":[]}"#).unwrap();
        let flags: Vec<_> = ["a", "b", "c", "e", "z"].map(|name| request.flag(name).unwrap()).into();
        assert_eq!(flags, [true, true, false, false, false]);
        assert!(request.flag("f").is_err());
        assert_eq!(request.number("d").unwrap(), Some(24));
        assert_eq!(request.map("g").unwrap(), Request::default());
    }

    proptest! {
        #[test]
        fn a_pattern_made_of_its_text_fits(text in "[a-c]{0,12}", stars in proptest::collection::vec(0_usize..12, 0..4)) {
            let mut pattern: Vec<char> = text.chars().collect();
            for at in stars {
                pattern.insert(at.min(pattern.len()), '*');
            }
            prop_assert!(fits(&pattern.into_iter().collect::<String>(), &text));
        }

        #[test]
        fn any_bytes_are_a_request_or_none(body: Vec<u8>) {
            let _ = Request::read(&body);
        }
    }
}
