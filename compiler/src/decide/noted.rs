//! What was agreed on and is in no file of any node, told of the thing that it is said of.

use blueprint::Noted;
use spec::model::Environment;
use spec::noted;

use crate::resolve::Model;

/// Returns what is noted of the platform, of an environment and by resellers, sorted.
pub fn noted(model: &Model<'_>, environment: &Environment) -> Vec<Noted> {
    let resellers = model.resellers.iter().flat_map(|reseller| noted::of_reseller(reseller.spec));
    let operators = noted::of_platform(model.platform).into_iter().chain(noted::of_environment(environment));
    let mut notes: Vec<Noted> = operators.chain(resellers).map(|note| told(note, 1)).collect();
    notes.sort();
    notes
}

/// Says what a note is said of: the thing in a platform or a reseller that it stands in, else that one itself.
///
/// - `depth`: how many nodes around that thing are only where it stands.
fn told(note: noted::Noted, depth: usize) -> Noted {
    let mailbox = note.around.iter().position(|(kind, _)| *kind == "mailbox");
    let is_address = note.around.get(2).is_some_and(|(kind, _)| *kind == "workgroup") && mailbox == Some(3);
    let named = note.around.get(depth).is_some_and(|(_, name)| name.is_some());
    let at = if is_address {
        3
    } else if named {
        depth
    } else {
        0
    };
    let name = |index: usize| note.around.get(index).and_then(|(_, name)| name.clone()).unwrap_or_default();
    let kind = note.around.get(at).map_or("", |(kind, _)| kind);
    let (own, scope) = (name(at), name(at.saturating_sub(1)));
    let name = match kind {
        "mailbox" => format!("{own}@{}", name(1)),
        // Two resellers may each have one of that name.
        "brand" => format!("{scope}/{own}"),
        _ => own,
    };
    let within = note.around.iter().skip(at + 1);
    let mut field: Vec<&str> = Vec::new();
    for (kind, name) in within {
        field.push(kind);
        field.extend(name.as_deref());
    }
    field.push(note.field);
    Noted { kind: kind.to_owned(), name, field: field.join("."), value: note.value }
}
