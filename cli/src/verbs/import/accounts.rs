//! The accounts that were found, whatever list they stood in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use values::{ByteSize, HostName, Line, LocalPart, MailAddress};

use super::{csv, mailcow};

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: Rc<str>,
    pub(super) line: usize,
}

impl Place {
    pub(super) fn problem(&self, message: String) -> Problem {
        Problem { place: self.clone(), message }
    }
}

/// What is wrong with a line. It never repeats a password's hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    place: Place,
    message: String,
}

#[cfg(test)]
impl Problem {
    /// Returns the line it is told of.
    pub(super) fn line(&self) -> usize {
        self.place.line
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A path or a value from outside may hold anything; what is shown is one line.
        let text = format!("{}:{}: {}", self.place.file, self.place.line, self.message);
        f.write_str(&text.replace(char::is_control, "\u{fffd}"))
    }
}

/// A mailbox.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    pub(super) place: Place,
    pub(super) address: MailAddress,
    /// Its user's name.
    pub(super) name: Option<Line>,
    pub(super) hash: Option<String>,
    pub(super) quota: Option<ByteSize>,
    pub(super) forwards: Vec<MailAddress>,
    /// Whether forwarded mail stays here too.
    pub(super) keep: bool,
}

/// An address that only passes on.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    pub(super) place: Place,
    pub(super) address: MailAddress,
    pub(super) to: Vec<MailAddress>,
}

/// All accounts found so far, by their addresses' keys.
#[derive(Default)]
pub(super) struct Accounts {
    mailboxes: BTreeMap<String, Mailbox>,
    forwards: BTreeMap<String, Forward>,
    catch_alls: BTreeMap<HostName, (Place, MailAddress)>,
    /// Domains that stand on a list of their own.
    listed: BTreeSet<HostName>,
    /// Domains by those that stand for them.
    domain_aliases: BTreeMap<HostName, (Place, HostName)>,
    /// What was not taken over, and why.
    left_out: BTreeMap<&'static str, Vec<String>>,
}

/// What each column of a CSV file holds.
const COLUMNS: [&str; 5] = ["domain", "user", "hash", "quota", "forwards"];

impl Accounts {
    /// Returns the mailboxes, by address.
    pub(super) fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.mailboxes.values()
    }

    /// Returns the forwards, by address.
    pub(super) fn forwards(&self) -> impl Iterator<Item = &Forward> {
        self.forwards.values()
    }

    /// Returns the local part that gets what is addressed to nobody in a domain.
    pub(super) fn catch_all(&self, domain: &HostName) -> Option<&LocalPart> {
        self.catch_alls.get(domain).map(|(_, address)| address.local())
    }

    /// Returns every domain, sorted.
    pub(super) fn domains(&self) -> Vec<HostName> {
        let addresses = self.mailboxes().map(|it| &it.address).chain(self.forwards().map(|it| &it.address));
        let domains: BTreeSet<&HostName> = addresses.map(MailAddress::domain).chain(&self.listed).collect();
        domains.into_iter().cloned().collect()
    }

    /// Returns the domains that stand for another one, sorted.
    pub(super) fn aliases_of(&self, domain: &HostName) -> impl Iterator<Item = &HostName> {
        self.domain_aliases.iter().filter(move |(_, (_, target))| target == domain).map(|(alias, _)| alias)
    }

    /// Returns what was not taken over, by the reason.
    pub(super) fn left_out(&self) -> &BTreeMap<&'static str, Vec<String>> {
        &self.left_out
    }

    /// Reads rows of CSV, whose first line names the columns.
    pub(super) fn read_csv(&mut self, file: &str, text: &str, problems: &mut Vec<Problem>) {
        let file: Rc<str> = file.into();
        let place = |line| Place { file: Rc::clone(&file), line };
        let (rows, wrong) = csv::read(text);
        problems.extend(wrong.into_iter().map(|(line, message)| place(line).problem(message)));
        let mut rows = rows.into_iter();
        let Some((line, head)) = rows.next() else {
            problems.push(place(1).problem(format!("the first line names the columns: {}", COLUMNS.join(","))));
            return;
        };
        let head: Vec<String> = head.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        if mailcow::is_table(&head) {
            return self.take_rows(&head, rows.map(|(line, row)| (place(line), row)), problems);
        }
        let mut columns: BTreeMap<&str, usize> = BTreeMap::new();
        let before = problems.len();
        for (index, name) in head.iter().enumerate() {
            match COLUMNS.iter().find(|known| *known == name) {
                None => problems.push(
                    place(line).problem(format!("unknown column {name:?}; the columns are {}", COLUMNS.join(","))),
                ),
                Some(known) => {
                    if columns.insert(known, index).is_some() {
                        problems.push(place(line).problem(format!("the column {known} stands twice")));
                    }
                }
            }
        }
        for needed in ["domain", "user"].iter().filter(|needed| !columns.contains_key(**needed)) {
            problems
                .push(place(line).problem(format!("there is no column {needed}; the first line names the columns")));
        }
        if problems.len() > before {
            return;
        }
        for (line, row) in rows {
            if row.len() != head.len() {
                let message = format!("{} fields stand here, and {} columns are named", row.len(), head.len());
                problems.push(place(line).problem(message));
                continue;
            }
            let field =
                |name: &str| columns.get(name).and_then(|&index| row.get(index)).map_or("", |field| field.trim());
            self.add_row(&place(line), &field, problems);
        }
    }

    /// Reads rows as `mysql --batch` prints them, whose first line names the columns.
    pub(super) fn read_tabs(&mut self, file: &str, text: &str, problems: &mut Vec<Problem>) {
        let file: Rc<str> = file.into();
        let place = |line| Place { file: Rc::clone(&file), line };
        let mut rows = mailcow::tabs(text).into_iter();
        let head = rows.next().map(|(_, head)| head).unwrap_or_default();
        let head: Vec<String> = head.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        if !mailcow::is_table(&head) {
            let message = "the first line names the columns of mailcow's table mailbox, alias, alias_domain or domain";
            problems.push(place(1).problem(message.to_owned()));
            return;
        }
        self.take_rows(&head, rows.map(|(line, row)| (place(line), row)), problems);
    }

    fn add_row<'r>(&mut self, place: &Place, field: &dyn Fn(&str) -> &'r str, problems: &mut Vec<Problem>) {
        let before = problems.len();
        let user = field("user");
        let domain = field("domain");
        let whole = match user.rsplit_once('@') {
            Some((_, own)) if own.eq_ignore_ascii_case(domain) => user.to_owned(),
            _ => format!("{user}@{domain}"),
        };
        let address = address(place, &whole, problems);
        let quota = quota(place, field("quota"), problems);
        let hash = hash(place, field("hash"), problems);
        let forwards = addresses(place, field("forwards"), problems);
        let Some(address) = address.filter(|_| problems.len() == before) else { return };
        if hash.is_none() && quota.is_none() && !forwards.is_empty() {
            self.add_forward(Forward { place: place.clone(), address, to: forwards }, problems);
        } else {
            let keep = !forwards.is_empty();
            self.add_mailbox(
                Mailbox { place: place.clone(), address, name: None, hash, quota, forwards, keep },
                problems,
            );
        }
    }

    /// Reads docker-mailserver's `postfix-accounts.cf`: `user@domain|{SCHEME}hash` lines.
    pub(super) fn read_accounts(&mut self, file: &str, text: &str, problems: &mut Vec<Problem>) {
        for (place, line) in lines(file, text) {
            let Some((name, rest)) = line.split_once('|') else {
                problems.push(place.problem("no `|` stands between the address and the hash".to_owned()));
                continue;
            };
            let before = problems.len();
            let hash = hash(&place, rest.split('|').next().unwrap_or_default().trim(), problems);
            let Some(address) = address(&place, name.trim(), problems).filter(|_| problems.len() == before) else {
                continue;
            };
            let mailbox = Mailbox { place, address, name: None, hash, quota: None, forwards: Vec::new(), keep: true };
            self.add_mailbox(mailbox, problems);
        }
    }

    /// Reads docker-mailserver's `postfix-virtual.cf`: `alias@domain target,target` lines, `@domain target` for a catch-all.
    pub(super) fn read_virtual(&mut self, file: &str, text: &str, problems: &mut Vec<Problem>) {
        for (place, line) in lines(file, text) {
            let before = problems.len();
            let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let to = addresses(&place, rest, problems);
            if to.is_empty() && problems.len() == before {
                problems.push(place.problem("no target stands behind the address".to_owned()));
            }
            match name.strip_prefix('@') {
                Some(domain) => self.add_catch_all(&place, domain, &to, problems),
                None => {
                    let address = address(&place, name, problems);
                    if let Some(address) = address.filter(|_| problems.len() == before) {
                        self.add_forward(Forward { place, address, to }, problems);
                    }
                }
            }
        }
    }

    /// Adds where mail of a domain goes that is addressed to nobody.
    pub(super) fn add_catch_all(
        &mut self,
        place: &Place,
        domain: &str,
        to: &[MailAddress],
        problems: &mut Vec<Problem>,
    ) {
        match (domain.parse::<HostName>(), to) {
            (Err(error), _) => problems.push(place.problem(format!("{}; {}", error.message(), error.help()))),
            (Ok(domain), [only]) if *only.domain() == domain => {
                self.catch_alls.insert(domain, (place.clone(), only.clone()));
            }
            (Ok(_), []) => {}
            (Ok(domain), _) => problems.push(
                place.problem(format!("a catch-all of {domain} goes to one mailbox of that domain, not elsewhere")),
            ),
        }
    }

    /// Adds a domain, whether anybody has an account in it or not.
    pub(super) fn add_domain(&mut self, domain: HostName) {
        self.listed.insert(domain);
    }

    /// Adds a domain that stands for another one.
    pub(super) fn add_domain_alias(
        &mut self,
        place: &Place,
        alias: HostName,
        target: HostName,
        problems: &mut Vec<Problem>,
    ) {
        match self.domain_aliases.get(&alias) {
            Some((first, _)) => {
                problems.push(place.problem(format!("{alias} stands twice, first at {}:{}", first.file, first.line)));
            }
            None => {
                self.domain_aliases.insert(alias, (place.clone(), target));
            }
        }
    }

    /// Keeps in mind what is not taken over.
    pub(super) fn leave_out(&mut self, name: &str, why: &'static str) {
        self.left_out.entry(why).or_default().push(name.replace(char::is_control, "\u{fffd}"));
    }

    pub(super) fn add_mailbox(&mut self, mailbox: Mailbox, problems: &mut Vec<Problem>) {
        match self.mailboxes.get(&mailbox.address.key()) {
            None => {
                self.mailboxes.insert(mailbox.address.key(), mailbox);
            }
            Some(first) => problems.push(mailbox.place.problem(twice(&mailbox.address, &first.place))),
        }
    }

    pub(super) fn add_forward(&mut self, forward: Forward, problems: &mut Vec<Problem>) {
        match self.forwards.get(&forward.address.key()) {
            None => {
                self.forwards.insert(forward.address.key(), forward);
            }
            Some(first) => problems.push(forward.place.problem(twice(&forward.address, &first.place))),
        }
    }

    /// Joins what several lists say of one address, once all are read: a forward of a mailbox is the mailbox's.
    pub(super) fn join(&mut self, problems: &mut Vec<Problem>) {
        for (key, forward) in std::mem::take(&mut self.forwards) {
            let Some(mailbox) = self.mailboxes.get_mut(&key) else {
                self.forwards.insert(key, forward);
                continue;
            };
            if !mailbox.forwards.is_empty() {
                problems.push(forward.place.problem(twice(&forward.address, &mailbox.place)));
            }
            // Mail that goes to the mailbox itself too is mail that is kept.
            mailbox.keep = forward.to.contains(&mailbox.address);
            mailbox.forwards = forward.to.into_iter().filter(|to| *to != mailbox.address).collect();
        }
        for (place, address) in self.catch_alls.values() {
            if !self.mailboxes.contains_key(&address.key()) && !self.forwards.contains_key(&address.key()) {
                problems.push(place.problem(format!("{address} gets what is addressed to nobody, and is no account")));
            }
        }
        let domains: BTreeSet<HostName> = self.domains().into_iter().collect();
        for (alias, (place, target)) in &self.domain_aliases {
            if domains.contains(alias) {
                problems.push(place.problem(format!("{alias} stands for another domain, and has accounts of its own")));
            } else if !domains.contains(target) {
                problems.push(place.problem(format!("{alias} stands for {target}, of which there is no account")));
            }
        }
    }
}

fn twice(address: &MailAddress, first: &Place) -> String {
    format!("{address} stands twice, first at {}:{}", first.file, first.line)
}

fn lines<'t>(file: &str, text: &'t str) -> impl Iterator<Item = (Place, &'t str)> {
    let file: Rc<str> = file.into();
    let numbered = text
        .lines()
        .enumerate()
        .map(move |(index, line)| (Place { file: Rc::clone(&file), line: index + 1 }, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

pub(super) fn address(place: &Place, text: &str, problems: &mut Vec<Problem>) -> Option<MailAddress> {
    match text.parse() {
        Ok(address) => Some(address),
        Err(error) => {
            let error: values::ParseError = error;
            problems.push(place.problem(format!("{}; {}", error.message(), error.help())));
            None
        }
    }
}

pub(super) fn addresses(place: &Place, text: &str, problems: &mut Vec<Problem>) -> Vec<MailAddress> {
    let parts = text.split([',', ';', ' ', '\t', '\n', '\r']).filter(|part| !part.is_empty());
    let mut found: Vec<MailAddress> = parts.filter_map(|part| address(place, part, problems)).collect();
    found.sort();
    found.dedup();
    found
}

pub(super) fn quota(place: &Place, text: &str, problems: &mut Vec<Problem>) -> Option<ByteSize> {
    let text = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        format!("{text}B")
    } else {
        text.to_owned()
    };
    // No limit at all, as other systems write it.
    if matches!(text.as_str(), "" | "0B") {
        return None;
    }
    match text.parse::<ByteSize>() {
        Ok(quota) => Some(quota),
        Err(error) => {
            problems.push(place.problem(format!("{}; {}", error.message(), error.help())));
            None
        }
    }
}

pub(super) fn hash(place: &Place, text: &str, problems: &mut Vec<Problem>) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let scheme = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let known = match scheme {
        Some((scheme, rest)) => {
            let scheme = scheme.to_ascii_uppercase();
            !rest.is_empty() && !scheme.starts_with("PLAIN") && !scheme.starts_with("CLEAR")
        }
        None => text.starts_with('$') && text.len() > 12,
    };
    if !known || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        // Not repeated: it may be a password.
        problems.push(
            place.problem("this is no password hash; one begins with {SCHEME} or $ and is no plain text".to_owned()),
        );
        return None;
    }
    // A hash of crypt(3) alone gets the name of its scheme, which tells it from a password.
    Some(match text {
        bare if bare.starts_with("$2") => format!("{{BLF-CRYPT}}{bare}"),
        bare if bare.starts_with('$') => format!("{{CRYPT}}{bare}"),
        named => named.to_owned(),
    })
}
