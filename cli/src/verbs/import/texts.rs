//! The specification of imported accounts, and the file of their secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use values::{HostName, MailAddress, Name};

use super::Fit;
use super::accounts::{Accounts, Forward, Mailbox};

/// A KDL string: the quote and the backslash are all that needs escaping in one line (KDL 2.0.0, quoted strings).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns the text of a reseller, and its secrets as lines of `NAME=HASH`.
pub(super) fn reseller(
    accounts: &Accounts,
    name: &Name,
    company: &str,
    contact: &str,
    fit: &Fit,
    tiers: &BTreeMap<String, Name>,
) -> (String, String) {
    let mut secrets = Secrets::default();
    let mut text = format!(
        "language 1\n\nreseller \"{name}\" {{\n    company {}\n    contact {}\n    admin \"admin@{name}.adm\"\n",
        quoted(company),
        quoted(contact)
    );
    let mut mailboxes: BTreeMap<&HostName, Vec<&Mailbox>> = BTreeMap::new();
    for mailbox in accounts.mailboxes() {
        mailboxes.entry(mailbox.address.domain()).or_default().push(mailbox);
    }
    let mut forwards: BTreeMap<&HostName, Vec<&Forward>> = BTreeMap::new();
    for forward in accounts.forwards() {
        forwards.entry(forward.address.domain()).or_default().push(forward);
    }
    for domain in accounts.domains() {
        let _ = write!(text, "\n    domain \"{domain}\" tier=\"{}\" cluster=\"{}\"", fit.tier, fit.cluster);
        let mut inside = String::new();
        for alias in accounts.aliases_of(&domain) {
            let _ = writeln!(inside, "        alias \"{alias}\"");
        }
        if let Some(local) = accounts.catch_all(&domain) {
            let _ = writeln!(inside, "        catch-all {}", quoted(&local.to_string()));
        }
        if mailboxes.contains_key(&domain) || forwards.contains_key(&domain) {
            inside.push_str("        workgroup \"imported\" {\n");
            for mailbox in mailboxes.get(&domain).into_iter().flatten() {
                let tier = tiers.get(&mailbox.address.key()).filter(|tier| **tier != fit.tier);
                write_mailbox(&mut inside, mailbox, tier, &mut secrets);
            }
            for forward in forwards.get(&domain).into_iter().flatten() {
                let _ = writeln!(inside, "            forward {} {{", quoted(&forward.address.local().to_string()));
                let _ = writeln!(inside, "                to {}", list(&forward.to));
                inside.push_str("            }\n");
            }
            inside.push_str("        }\n");
        }
        text.push_str(&if inside.is_empty() { "\n".to_owned() } else { format!(" {{\n{inside}    }}\n") });
    }
    text.push_str("}\n");
    (text, secrets.text)
}

fn write_mailbox(text: &mut String, mailbox: &Mailbox, tier: Option<&Name>, secrets: &mut Secrets) {
    let tier = tier.map_or(String::new(), |tier| format!(" tier=\"{tier}\""));
    let _ = write!(text, "            mailbox {}{tier}", quoted(&mailbox.address.local().to_string()));
    if mailbox.name.is_none() && mailbox.hash.is_none() && mailbox.forwards.is_empty() {
        text.push('\n');
        return;
    }
    text.push_str(" {\n");
    if let Some(name) = &mailbox.name {
        let _ = writeln!(text, "                name {}", quoted(name.as_str()));
    }
    if let Some(hash) = &mailbox.hash {
        let _ = writeln!(text, "                initial password=\"secret:{}\"", secrets.add(&mailbox.address, hash));
    }
    if !mailbox.forwards.is_empty() {
        let keep = if mailbox.keep { " keep=#true" } else { "" };
        let _ = writeln!(text, "                forward {}{keep}", list(&mailbox.forwards));
    }
    text.push_str("            }\n");
}

fn list(addresses: &[MailAddress]) -> String {
    addresses.iter().map(|address| quoted(&address.to_string())).collect::<Vec<_>>().join(" ")
}

/// Hashes under names of their own.
#[derive(Default)]
struct Secrets {
    taken: BTreeSet<String>,
    text: String,
}

impl Secrets {
    /// Returns the name that an account's hash is kept under: its address in kebab-case, numbered where two are alike.
    fn add(&mut self, address: &MailAddress, hash: &str) -> String {
        let mut plain = String::new();
        for character in address.key().chars() {
            if character.is_ascii_alphanumeric() {
                plain.push(character.to_ascii_lowercase());
            } else if !plain.ends_with('-') && !plain.is_empty() {
                plain.push('-');
            }
        }
        // Room for a number, and a letter first whatever the address is.
        let plain: String = format!("m-{plain}").chars().take(52).collect();
        let plain = plain.trim_end_matches('-');
        let mut name = plain.to_owned();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{plain}-{number}");
        }
        let _ = writeln!(self.text, "{name}={hash}");
        name
    }
}
