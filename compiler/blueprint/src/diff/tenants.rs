//! Tiers, resellers and what they declare, compared.

use super::fields::top;
use super::pair::{Effect, Things};
use super::renames::Renames;
use crate::changes::{Action, Change};
use crate::roster::{Brand, Domain, Forward, List, Mailbox, Reseller, Roster, Tier, TierKind};

pub(super) fn compare(source: &Roster, target: &Roster, renames: &Renames<'_>, changes: &mut Vec<Change>) {
    let name = |tier: &Tier| tier.name.to_string();
    let tiers = Things { kind: "tier", source: &source.tiers, target: &target.tiers };
    tiers.compare(name, name, renames, changes, |before, after, _| {
        match (before.map(|tier| tier.kind), after.map(|tier| tier.kind)) {
            (Some(TierKind::Mailbox), Some(TierKind::Filter | TierKind::Forward)) => {
                Effect::lost("its mailboxes keep no mail any more")
            }
            _ => Effect::CHANGE,
        }
    });
    let name = |reseller: &Reseller| reseller.name.to_string();
    let resellers = Things { kind: "reseller", source: &source.resellers, target: &target.resellers };
    resellers.compare(name, name, renames, changes, |_, after, _| unless(after, "its admins can sign in no more"));
    let name = |brand: &Brand| format!("{}/{}", brand.reseller, brand.name);
    let brands = Things { kind: "brand", source: &source.brands, target: &target.brands };
    brands.compare(name, name, renames, changes, |_, _, _| Effect::CHANGE);
    let name = |domain: &Domain| domain.name.to_string();
    let domains = Things { kind: "domain", source: &source.domains, target: &target.domains };
    domains.compare(name, name, renames, changes, |before, after, fields| match (before, after) {
        (Some(_), None) => Effect::lost("mail for it is refused, and its mailboxes are held and then destroyed"),
        (Some(_), Some(_)) if fields.iter().any(|change| top(change) == "cluster") => Effect {
            action: Action::Moved,
            destructive: false,
            note: Some("its mailboxes are moved to the other cluster's stores".to_owned()),
        },
        _ => Effect::CHANGE,
    });
    let mailboxes = Things { kind: "mailbox", source: &source.mailboxes, target: &target.mailboxes };
    let (key, name) = (|it: &Mailbox| it.address.key(), |it: &Mailbox| it.address.to_string());
    mailboxes.compare(key, name, renames, changes, |before, after, _| match (before, after) {
        (Some(before), None) => Effect::lost(match before.on_removal.action.as_str() {
            "suspend" => format!("it is suspended, and destroyed after {}", before.on_removal.hold),
            _ => "it is destroyed with everything in it".to_owned(),
        }),
        _ => Effect::CHANGE,
    });
    let forwards = Things { kind: "forward", source: &source.forwards, target: &target.forwards };
    let (key, name) = (|it: &Forward| it.address.key(), |it: &Forward| it.address.to_string());
    forwards.compare(key, name, renames, changes, |_, after, _| unless(after, "mail for it is refused"));
    let lists = Things { kind: "list", source: &source.lists, target: &target.lists };
    let (key, name) = (|it: &List| it.address.key(), |it: &List| it.address.to_string());
    lists.compare(key, name, renames, changes, |_, after, _| unless(after, "mail for it is refused"));
}

/// Something is lost unless the thing is still there.
fn unless<T>(after: Option<&T>, note: &str) -> Effect {
    match after {
        Some(_) => Effect::CHANGE,
        None => Effect::lost(note),
    }
}
