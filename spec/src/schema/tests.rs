//! The schema holds together; whether real validators agree with the reader is tried with the program.

use std::collections::BTreeSet;

use super::*;

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                found.insert(reference.clone());
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_to_a_definition_and_none_is_left_over() {
    for only in ROOTS.iter().map(Some).chain([None]) {
        let schema = schema(only);
        let mut found = BTreeSet::new();
        references(&schema, &mut found);
        let defined: BTreeSet<String> =
            schema["$defs"].as_object().unwrap().keys().map(|name| format!("#/$defs/{name}")).collect();
        assert_eq!(found, defined);
    }
}

#[test]
fn a_schema_of_one_kind_knows_no_other() {
    for root in ROOTS {
        let schema = schema(Some(root));
        let names: Vec<&str> = schema["$defs"]["file.entry"]["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .filter(|name| *name != "language")
            .collect();
        assert_eq!(names, [root.name]);
    }
}

#[test]
fn every_name_of_the_language_is_in_the_schema() {
    fn collect(kind: &'static Kind, names: &mut BTreeSet<&'static str>) {
        names.extend(kind.names());
        for field in kind.fields {
            match field.shape {
                Shape::Node { of, .. } => collect(of, names),
                Shape::Either(variants) => variants.iter().for_each(|variant| collect(variant.kind, names)),
                Shape::Value { .. } => {}
            }
        }
    }
    let mut names = BTreeSet::new();
    ROOTS.iter().for_each(|root| collect(root.kind, &mut names));
    let schema = schema(None);
    let known: BTreeSet<&str> = schema["$defs"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(|part| part["properties"].as_object())
        .flat_map(|properties| properties.keys().map(String::as_str))
        .collect();
    for name in names {
        assert!(known.contains(name), "{name}");
    }
}

#[test]
fn patterns_belong_to_types_and_escape_what_they_must() {
    assert_eq!(patterns::escaped("ed25519+rsa2048"), "ed25519\\+rsa2048");
    assert_eq!(patterns::escaped("sign-in"), "sign-in");
}
