//! A local part stands once in a domain, over mailboxes, forwards, lists and their aliases.

use std::collections::BTreeMap;

use values::{LocalPart, quoted};

use crate::decode::Decoder;
use crate::model::Domain;
use crate::problem::Problem;
use crate::tree::{Span, Spanned};

/// Reports local parts that are taken already.
pub(super) fn unique(domain: &Domain, decoder: &mut Decoder) {
    let mut taken = Taken { domain, first: BTreeMap::new() };
    for group in &domain.workgroups {
        for mailbox in &group.mailboxes {
            taken.claim("mailbox", &mailbox.local, &mailbox.aliases, decoder);
        }
        for forward in &group.forwards {
            taken.claim("forward", &forward.local, &forward.aliases, decoder);
        }
        for list in &group.lists {
            taken.claim("list", &list.local, &list.aliases, decoder);
        }
    }
}

struct Taken<'d> {
    domain: &'d Domain,
    first: BTreeMap<&'d LocalPart, (String, Span)>,
}

impl<'d> Taken<'d> {
    fn claim(
        &mut self,
        kind: &str,
        local: &'d Spanned<LocalPart>,
        aliases: &'d [Spanned<LocalPart>],
        decoder: &mut Decoder,
    ) {
        self.one(kind.to_owned(), local, decoder);
        for alias in aliases {
            self.one(format!("alias of the {kind} {}", quoted(&local.value.to_string())), alias, decoder);
        }
    }

    fn one(&mut self, what: String, local: &'d Spanned<LocalPart>, decoder: &mut Decoder) {
        if local.is_hole() {
            return;
        }
        let Some((before, span)) = self.first.get(&local.value) else {
            self.first.insert(&local.value, (what, local.span));
            return;
        };
        let address = quoted(&format!("{}@{}", local.value, self.domain.name.value.to_unicode()));
        let address = if self.domain.name.is_hole() { quoted(&local.value.to_string()) } else { address };
        decoder.report(
            Problem::error("spec::duplicate-local-part", local.span, format!("the address {address} stands twice"))
                .label(format!("taken again by this {what}"))
                .help("give one of the two another name; capitals make no difference")
                .related(*span, format!("taken first by this {before}")),
        );
    }
}
