//! What the language says of itself holds.

use std::collections::BTreeSet;

use spec::language::{Field, Form, Kind, Place, ROOTS, Shape, Type, find_places};

fn walk(kind: &'static Kind, path: &str, see: &mut impl FnMut(&str, &'static Kind)) {
    see(path, kind);
    for field in kind.fields {
        match field.shape {
            Shape::Node { of, .. } => walk(of, &format!("{path}/{}", field.name), see),
            Shape::Either(variants) => {
                for variant in variants {
                    walk(variant.kind, &format!("{path}/{}", variant.name), see);
                }
            }
            Shape::Value { .. } => {}
        }
    }
}

fn kinds(mut see: impl FnMut(&str, &'static Kind)) {
    for root in ROOTS {
        walk(root.kind, root.name, &mut see);
    }
}

fn values(mut see: impl FnMut(&str, &'static Field, &'static Type)) {
    kinds(|path, kind| {
        for field in kind.fields {
            if let Shape::Value { of, .. } = field.shape {
                see(&format!("{path}/{}", field.name), field, of);
            }
        }
    });
}

#[test]
fn every_default_example_and_bound_is_a_value_of_its_type() {
    values(|path, field, of| {
        for text in
            [Some(field.example), Some(of.example), field.default, field.least, field.most].into_iter().flatten()
        {
            assert!((of.canonical)(text).is_some(), "{path}: {text} is no {}", of.name);
        }
    });
}

#[test]
fn every_canonical_spelling_reads_back_as_itself() {
    values(|path, field, of| {
        let canonical = (of.canonical)(field.example).unwrap();
        assert_eq!((of.canonical)(&canonical), Some(canonical), "{path}");
    });
}

#[test]
fn everything_is_described_in_a_sentence() {
    kinds(|path, kind| {
        for about in kind.fields.iter().map(|field| field.about).chain([kind.about]) {
            let about = about.trim();
            assert!(about.ends_with('.') && about.starts_with(|first: char| first.is_uppercase()), "{path}: {about}");
        }
    });
    values(|path, _, of| {
        assert!(of.about.trim().ends_with('.'), "{path}: {}", of.name);
        if let Form::Choice(choices) = of.form {
            assert!(choices.iter().all(|choice| choice.about.trim().ends_with('.')), "{path}: {}", of.name);
        }
    });
}

#[test]
fn names_are_kebab_case_and_unique_in_their_kind() {
    kinds(|path, kind| {
        let mut seen = BTreeSet::new();
        for name in kind.names() {
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{path}/{name}"
            );
            assert!(seen.insert(name), "{path}/{name} is there twice");
        }
    });
}

#[test]
fn arguments_stand_before_everything_else_and_required_ones_first() {
    kinds(|path, kind| {
        let arguments: Vec<bool> =
            kind.fields.iter().map(|field| matches!(field.place, Place::Argument | Place::Arguments)).collect();
        assert!(arguments.is_sorted_by(|one, two| one >= two), "{path}");
        let required: Vec<bool> = kind
            .fields
            .iter()
            .filter(|field| matches!(field.place, Place::Argument | Place::Arguments))
            .map(Field::is_required)
            .collect();
        assert!(required.is_sorted_by(|one, two| one >= two), "{path}");
    });
}

#[test]
fn a_node_that_need_not_be_written_has_a_default_for_all_that_it_needs() {
    kinds(|path, kind| {
        for field in kind.fields {
            if let Shape::Node { of, .. } = field.shape
                && field.or_defaults
            {
                assert_eq!(of.fields.iter().filter(|field| field.is_required()).count(), 0, "{path}/{}", field.name);
            }
        }
    });
}

#[test]
fn a_name_is_found_where_it_may_stand() {
    let places: Vec<String> =
        find_places("mailbox").iter().filter(|place| place.node).map(|place| place.around.join("/")).collect();
    assert_eq!(places, ["reseller/domain/workgroup", "reseller/domain/migrate"]);
    assert!(find_places("nothing-of-that-name").is_empty());
}
