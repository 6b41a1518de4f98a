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
    first: BTreeMap<&'d LocalPart, Claim<'d>>,
}

/// Who takes a local part: a thing of a kind, or its alias.
#[derive(Clone, Copy)]
struct Claim<'d> {
    kind: &'static str,
    alias_of: Option<&'d LocalPart>,
    span: Span,
}

impl Claim<'_> {
    fn describe(&self) -> String {
        match self.alias_of {
            None => self.kind.to_owned(),
            Some(owner) => format!("alias of the {} {}", self.kind, quoted(&owner.to_string())),
        }
    }
}

impl<'d> Taken<'d> {
    fn claim(
        &mut self,
        kind: &'static str,
        local: &'d Spanned<LocalPart>,
        aliases: &'d [Spanned<LocalPart>],
        decoder: &mut Decoder,
    ) {
        self.one(local, Claim { kind, alias_of: None, span: local.span }, decoder);
        for alias in aliases {
            self.one(alias, Claim { kind, alias_of: Some(&local.value), span: alias.span }, decoder);
        }
    }

    fn one(&mut self, local: &'d Spanned<LocalPart>, claim: Claim<'d>, decoder: &mut Decoder) {
        if local.is_hole() {
            return;
        }
        let Some(before) = self.first.get(&local.value) else {
            self.first.insert(&local.value, claim);
            return;
        };
        let address = match self.domain.name.is_hole() {
            true => quoted(&local.value.to_string()),
            false => quoted(&format!("{}@{}", local.value, self.domain.name.value.to_unicode())),
        };
        decoder.report(
            Problem::error("spec::duplicate-local-part", local.span, format!("the address {address} stands twice"))
                .label(format!("taken again by this {}", claim.describe()))
                .help("give one of the two another name; capitals make no difference")
                .related(before.span, format!("taken first by this {}", before.describe())),
        );
    }
}
