//! The language as a JSON Schema (2020-12) for editors of the YAML form, made from [`crate::language`]'s tables.
//!
//! The schema never refuses what the reader takes, as long as single values are written `name: value`; what it cannot say
//! (names that nobody declared, sums, places) is left to `check`.

mod patterns;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::language::{EDITION, Field, Form, Kind, Place, ROOTS, Root, Shape, Type};

/// Returns the schema of files that hold all kinds, or only one of [`ROOTS`].
pub fn schema(only: Option<&'static Root>) -> Value {
    let mut definitions = Definitions::default();
    let mut members = Members::default();
    members.properties.insert(
        "language".to_owned(),
        json!({ "const": EDITION, "description": "The edition of the language; it stands first in each file." }),
    );
    for root in ROOTS.iter().filter(|root| only.is_none_or(|only| only.name == root.name)) {
        definitions.add_node(&mut members, root.name, root.name, root.kind, root.kind.about);
    }
    let entry = definitions.define("file.entry", members.into_schema());
    let title = only.map_or("Mailwright", |root| root.name);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("{title}: a specification of a mail platform, edition {EDITION}"),
        "anyOf": [
            { "type": "object", "$ref": entry, "required": ["language"] },
            {
                "type": "array",
                "items": { "$ref": entry, "minProperties": 1, "maxProperties": 1 },
                "contains": { "required": ["language"] },
            },
        ],
        "$defs": definitions.by_name,
    })
}

/// What a mapping may hold.
#[derive(Default)]
struct Members {
    properties: Map<String, Value>,
    patterns: Map<String, Value>,
}

impl Members {
    fn into_schema(self) -> Value {
        let mut schema = json!({ "type": "object", "properties": self.properties, "additionalProperties": false });
        if let (Some(object), false) = (schema.as_object_mut(), self.patterns.is_empty()) {
            object.insert("patternProperties".to_owned(), Value::Object(self.patterns));
        }
        schema
    }
}

/// Parts of a schema by name; equal parts are one.
#[derive(Default)]
struct Definitions {
    by_name: BTreeMap<String, Value>,
    by_text: BTreeMap<String, String>,
}

/// An argument of a kind.
#[derive(Clone, Copy)]
struct Argument {
    field: &'static Field,
    of: &'static Type,
}

fn arguments(kind: &'static Kind) -> Vec<Argument> {
    let is_argument = |field: &&Field| matches!(field.place, Place::Argument | Place::Arguments);
    let fields = kind.fields.iter().filter(is_argument);
    fields
        .filter_map(|field| match field.shape {
            Shape::Value { of, .. } => Some(Argument { field, of }),
            _ => None,
        })
        .collect()
}

impl Definitions {
    /// Keeps a part and returns the reference to it.
    fn define(&mut self, name: &str, part: Value) -> String {
        let text = part.to_string();
        if let Some(known) = self.by_text.get(&text) {
            return format!("#/$defs/{known}");
        }
        // Types of different kinds may be called the same, such as the authorities of TLS and of DNS.
        let mut free = name.to_owned();
        while self.by_name.contains_key(&free) {
            free.push('.');
        }
        self.by_text.insert(text, free.clone());
        let reference = format!("#/$defs/{free}");
        self.by_name.insert(free, part);
        reference
    }

    fn type_of(&mut self, of: &'static Type) -> String {
        let name = format!("type.{}", of.name.replace(' ', "-"));
        self.define(&name, value_type(of))
    }

    /// Adds a node's keys: its kind alone, and its kind with its first argument behind it.
    fn add_node(&mut self, members: &mut Members, path: &str, name: &str, kind: &'static Kind, about: &str) {
        let about = about.trim();
        let bare = self.node(path, kind, false);
        members.properties.insert(name.to_owned(), json!({ "$ref": bare, "description": about }));
        if let Some(first) = arguments(kind).first() {
            let argument = match first.of.form {
                Form::Choice(choices) => {
                    let words: Vec<String> = choices.iter().map(|choice| patterns::escaped(choice.name)).collect();
                    format!("({})\\s*$", words.join("|"))
                }
                _ => "\\S".to_owned(),
            };
            let named = self.node(&format!("{path}.named"), kind, true);
            let key = format!("^{}\\s+{argument}", patterns::escaped(name));
            members.patterns.insert(key, json!({ "$ref": named, "description": about }));
        }
    }

    /// Defines what may stand behind a node's key.
    ///
    /// - `in_key`: whether the first argument stands in the key.
    fn node(&mut self, path: &str, kind: &'static Kind, in_key: bool) -> String {
        let mut left = arguments(kind);
        let takes_none = left.is_empty();
        if in_key && left.first().is_some_and(|first| first.field.place == Place::Argument) {
            left.remove(0);
        }
        let needs_argument = !in_key && left.first().is_some_and(|first| first.field.is_required());
        let mut members = Members::default();
        if !left.is_empty() {
            members.properties.insert("args".to_owned(), self.values(&left, "Arguments beside properties."));
        }
        // A value that stands in the key's place and the members of a mapping are told apart by their JSON types.
        let path_of_members = path.strip_suffix(".named").unwrap_or(path);
        let mut object = Vec::new();
        let mut list = Vec::new();
        if needs_argument {
            object.push(json!({ "required": ["args"] }));
            list.push(json!({ "contains": { "required": ["args"] } }));
        }
        for field in kind.fields {
            let name = field.name;
            match field.shape {
                Shape::Value { of, many, .. } if field.place == Place::Named => {
                    members.properties.insert(name.to_owned(), self.value(field, of, many));
                    if field.is_required() {
                        object.push(json!({ "required": [name] }));
                        list.push(json!({ "contains": { "required": [name] } }));
                    }
                }
                Shape::Value { .. } => {}
                Shape::Node { of, .. } => {
                    self.add_node(&mut members, &format!("{path_of_members}.{name}"), name, of, field.about);
                    if field.is_required() {
                        let key = json!({ "pattern": format!("^{}(\\s|$)", patterns::escaped(name)) });
                        object.push(json!({ "not": { "propertyNames": { "not": key } } }));
                        list.push(json!({ "contains": { "propertyNames": key, "minProperties": 1 } }));
                    }
                }
                Shape::Either(variants) => {
                    for variant in variants {
                        let path = format!("{path_of_members}.{}", variant.name);
                        self.add_node(&mut members, &path, variant.name, variant.kind, variant.kind.about);
                    }
                }
            }
        }
        let needs = !object.is_empty();
        let entry = self.define(&format!("{path}.entry"), members.into_schema());
        let mut ways = vec![
            conjoined(json!({ "$ref": entry, "type": "object" }), object),
            conjoined(
                json!({ "type": "array", "items": { "$ref": entry, "minProperties": 1, "maxProperties": 1 } }),
                list,
            ),
        ];
        let needs_members = kind.fields.iter().any(|field| field.place == Place::Named && field.is_required());
        if !left.is_empty() && !needs_members {
            ways.push(self.values(&left, ""));
        }
        if takes_none && !needs {
            ways.push(json!({ "const": true }));
        }
        if !needs {
            ways.push(json!({ "type": "null" }));
        }
        self.define(path, json!({ "description": kind.about.trim(), "anyOf": ways }))
    }

    /// Returns what arguments look like outside of the key: one value, or a list of them.
    fn values(&mut self, arguments: &[Argument], about: &str) -> Value {
        let mut one = Vec::new();
        for argument in arguments {
            let reference = json!({ "$ref": self.type_of(argument.of) });
            if !one.contains(&reference) {
                one.push(reference);
            }
        }
        let item = if let [only] = one.as_slice() { only.clone() } else { json!({ "anyOf": one }) };
        let mut list = json!({ "type": "array", "items": item, "minItems": 1 });
        let several = arguments.iter().any(|argument| argument.field.place == Place::Arguments);
        if let (Some(list), false) = (list.as_object_mut(), several) {
            list.insert("maxItems".to_owned(), json!(arguments.len()));
        }
        let mut schema = json!({ "anyOf": [item, list] });
        if let (Some(schema), false) = (schema.as_object_mut(), about.is_empty()) {
            schema.insert("description".to_owned(), json!(about));
        }
        schema
    }

    /// Returns what stands behind the name of a value.
    fn value(&mut self, field: &'static Field, of: &'static Type, many: bool) -> Value {
        let mut one = Map::new();
        one.insert("$ref".to_owned(), json!(self.type_of(of)));
        if of.form == Form::Number {
            for (keyword, bound) in [("minimum", field.least), ("maximum", field.most)] {
                if let Some(bound) = bound {
                    one.insert(keyword.to_owned(), typed(of, bound));
                }
            }
        }
        let mut schema = match many {
            true => {
                let list = json!({ "type": "array", "items": one, "minItems": 1 });
                Map::from_iter([("anyOf".to_owned(), json!([one, list]))])
            }
            false => one,
        };
        schema.insert("description".to_owned(), json!(told(field, of)));
        if let Some(default) = field.default {
            schema.insert("default".to_owned(), typed(of, default));
        } else if field.example != of.example {
            schema.insert("examples".to_owned(), json!([typed(of, field.example)]));
        }
        Value::Object(schema)
    }
}

fn conjoined(mut schema: Value, conditions: Vec<Value>) -> Value {
    // Names that must be there are one list, which editors complete from.
    let (names, others): (Vec<Value>, Vec<Value>) = conditions
        .into_iter()
        .partition(|condition| condition.as_object().is_some_and(|object| object.contains_key("required")));
    if let Some(object) = schema.as_object_mut() {
        let names: Vec<Value> =
            names.iter().filter_map(|name| name.get("required")?.as_array()).flatten().cloned().collect();
        if !names.is_empty() {
            object.insert("required".to_owned(), Value::Array(names));
        }
        if !others.is_empty() {
            object.insert("allOf".to_owned(), Value::Array(others));
        }
    }
    schema
}

/// Says what a field is, with what holds where it is not written and its bounds.
pub(crate) fn told(field: &Field, of: &Type) -> String {
    let mut told = format!("{} ({})", field.about.trim(), of.name);
    for (what, value) in [("default", field.default), ("at least", field.least), ("at most", field.most)] {
        if let Some(value) = value {
            told += &format!("; {what} {value}");
        }
    }
    if field.environment {
        told += "; an environment may say something else";
    }
    told
}

/// Returns a value as YAML's core schema reads it.
fn typed(of: &Type, text: &str) -> Value {
    match of.form {
        Form::Flag => json!(text == "true"),
        Form::Number => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Form::Text | Form::Choice(_) => json!(text),
    }
}

/// Returns what a value of a type looks like: as YAML reads it, or in quotes.
fn value_type(of: &'static Type) -> Value {
    let about = of.about.trim();
    match of.form {
        Form::Flag => json!({ "description": about, "enum": [true, false, null] }),
        Form::Choice(choices) => {
            let mut values: Vec<Value> = choices.iter().map(|choice| json!(choice.name)).collect();
            values.extend(
                choices.iter().filter_map(|choice| choice.name.parse::<f64>().ok()).map(|number| json!(number)),
            );
            let meanings: Vec<String> =
                choices.iter().map(|choice| format!("{}: {}", choice.name, choice.about.trim())).collect();
            json!({ "description": format!("{about} {}", meanings.join(" ")), "enum": values })
        }
        Form::Number => {
            let number = if of.name == "whole number" { "integer" } else { "number" };
            json!({ "description": about, "type": [number, "string"], "pattern": patterns::of(of), "examples": [typed(of, of.example)] })
        }
        Form::Text => {
            let mut schema = json!({ "description": about, "type": ["string", "number"], "examples": [of.example] });
            let pattern = patterns::of(of);
            if let (Some(object), false) = (schema.as_object_mut(), pattern.is_empty()) {
                object.insert("pattern".to_owned(), json!(pattern));
                if patterns::never_a_number(of) {
                    object.insert("type".to_owned(), json!("string"));
                }
            }
            schema
        }
    }
}
