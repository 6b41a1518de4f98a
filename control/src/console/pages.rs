//! The pages themselves.

use maud::{DOCTYPE, Markup, html};

use super::look::Look;
use crate::directory::Kind;

/// A domain as a page shows it.
pub(super) struct DomainLine {
    /// As it is written in addresses of pages.
    pub(super) name: String,
    /// As people read it.
    pub(super) shown: String,
    pub(super) aliases: Vec<String>,
    pub(super) active: bool,
    pub(super) mailboxes: u64,
    pub(super) forwards: u64,
    pub(super) alias_addresses: u64,
}

/// An account as a page shows it.
pub(super) struct AccountLine {
    pub(super) address: String,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) workgroup: Option<String>,
    pub(super) aliases: Vec<String>,
    pub(super) forwards: Vec<String>,
    pub(super) active: bool,
    pub(super) services: Vec<(&'static str, bool)>,
    pub(super) quota: Option<u64>,
    pub(super) used: u64,
}

/// One page of a list.
pub(super) struct Listing<T> {
    pub(super) lines: Vec<T>,
    total: usize,
    /// Counted from 0.
    page: usize,
    pages: usize,
    pattern: String,
}

impl<T> Listing<T> {
    /// Cuts one page out of a list; a page behind the last is the last.
    pub(super) fn of(all: Vec<T>, page: usize, size: usize, pattern: &str) -> Self {
        let total = all.len();
        let pages = total.div_ceil(size).max(1);
        let page = page.min(pages - 1);
        let pattern = pattern.chars().take(200).collect();
        Self { lines: all.into_iter().skip(page * size).take(size).collect(), total, page, pages, pattern }
    }

    /// Puts other lines in the place of these.
    pub(super) fn with<U>(&self, lines: Vec<U>) -> Listing<U> {
        Listing { lines, total: self.total, page: self.page, pages: self.pages, pattern: self.pattern.clone() }
    }

    /// Returns the address of another page of the list.
    fn link(&self, base: &str, page: usize) -> String {
        let pattern: String = self
            .pattern
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        format!("{base}?match={pattern}&page={}", page + 1)
    }
}

fn shell(look: &Look, title: &str, signed_in: Option<(&str, &str)>, main: &Markup) -> Markup {
    let words = look.words;
    html! {
        (DOCTYPE)
        html lang=(look.language) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · " (look.product) }
                link rel="stylesheet" href="/style.css";
                @if look.favicon.is_some() { link rel="icon" href="/favicon.ico"; }
            }
            body {
                a.skip href="#content" { (words.skip) }
                header {
                    div {
                        a.brand href="/" {
                            @if look.logo.is_some() { img src="/logo" alt=""; }
                            span { (look.product) }
                        }
                        @if let Some((name, csrf)) = signed_in {
                            span.who { (name) }
                            form method="post" action="/sign-out" {
                                input type="hidden" name="csrf" value=(csrf);
                                button type="submit" { (words.sign_out) }
                            }
                        }
                    }
                }
                main #content { (main) }
                footer {
                    div {
                        @if let Some(footer) = &look.footer { span { (footer) } }
                        @if let Some(url) = &look.support { a href=(url) rel="noreferrer" { (words.help) } }
                        @if let Some(address) = &look.support_address { a href={ "mailto:" (address) } { (address) } }
                        @if let Some(phone) = &look.support_phone { span { (phone) } }
                    }
                }
            }
        }
    }
}

pub(super) fn sign_in(look: &Look, csrf: &str, refusal: Option<&str>) -> Markup {
    let words = look.words;
    let main = html! {
        section.card {
            h1 { (look.greeting.as_deref().unwrap_or(words.sign_in)) }
            @if let Some(refusal) = refusal { p.refusal role="alert" { (refusal) } }
            form method="post" action="/sign-in" {
                input type="hidden" name="csrf" value=(csrf);
                div {
                    label for="user" { (words.user) }
                    input #user name="user" type="text" inputmode="email" autocomplete="username" autocapitalize="none"
                        spellcheck="false" required maxlength="254";
                }
                div {
                    label for="password" { (words.password) }
                    input #password name="password" type="password" autocomplete="current-password" required maxlength="256";
                }
                button type="submit" { (words.sign_in) }
            }
        }
    };
    shell(look, words.sign_in, None, &main)
}

fn find(look: &Look, pattern: &str) -> Markup {
    html! {
        form.find method="get" role="search" {
            div {
                label for="match" { (look.words.search) }
                input #match name="match" type="search" value=(pattern) maxlength="200" autocapitalize="none";
            }
            button type="submit" { (look.words.find) }
        }
    }
}

fn pages<T>(look: &Look, listing: &Listing<T>, base: &str) -> Markup {
    let words = look.words;
    html! {
        @if listing.lines.is_empty() { p { (words.nothing) } }
        @if listing.pages > 1 {
            nav.pages aria-label=(words.page) {
                @if listing.page > 0 { a rel="prev" href=(listing.link(base, listing.page - 1)) { (words.previous) } }
                span { (words.page) " " (listing.page + 1) " " (words.of) " " (listing.pages) }
                @if listing.page + 1 < listing.pages {
                    a rel="next" href=(listing.link(base, listing.page + 1)) { (words.next) }
                }
            }
        }
    }
}

fn state(look: &Look, active: bool) -> Markup {
    html! {
        @if active { span.state { (look.words.active) } } @else { span.state.stopped { (look.words.suspended) } }
    }
}

pub(super) fn domains(look: &Look, name: &str, csrf: &str, listing: &Listing<DomainLine>) -> Markup {
    let words = look.words;
    let main = html! {
        h1 { (words.domains) }
        (find(look, &listing.pattern))
        table {
            caption { (words.domains) ": " (listing.total) }
            thead {
                tr {
                    th scope="col" { (words.domain) }
                    th scope="col" { (words.mailboxes) }
                    th scope="col" { (words.forwards) }
                    th scope="col" { (words.aliases) }
                    th scope="col" { (words.status) }
                }
            }
            tbody {
                @for line in &listing.lines {
                    tr {
                        th scope="row" {
                            a href={ "/domains/" (line.name) } { (line.shown) }
                            @if !line.aliases.is_empty() {
                                div.quiet { (words.also) " " (line.aliases.join(", ")) }
                            }
                        }
                        td.number data-label=(words.mailboxes) { (line.mailboxes) }
                        td.number data-label=(words.forwards) { (line.forwards) }
                        td.number data-label=(words.aliases) { (line.alias_addresses) }
                        td data-label=(words.status) { (state(look, line.active)) }
                    }
                }
            }
        }
        (pages(look, listing, "/domains"))
    };
    shell(look, words.domains, Some((name, csrf)), &main)
}

pub(super) fn domain(
    look: &Look,
    (name, csrf): &(String, String),
    (domain, title): (&str, &str),
    listing: &Listing<AccountLine>,
) -> Markup {
    let words = look.words;
    let main = html! {
        p.trail { a href="/domains" { (words.domains) } " / " (title) }
        h1 { (title) }
        (find(look, &listing.pattern))
        table {
            caption { (words.addresses) ": " (listing.total) }
            thead {
                tr {
                    th scope="col" { (words.address) }
                    th scope="col" { (words.services) }
                    th scope="col" { (words.quota) }
                    th scope="col" { (words.status) }
                }
            }
            tbody { @for line in &listing.lines { (account(look, line)) } }
        }
        (pages(look, listing, &format!("/domains/{domain}")))
    };
    shell(look, title, Some((name, csrf)), &main)
}

fn account(look: &Look, line: &AccountLine) -> Markup {
    let words = look.words;
    html! {
        tr {
            th scope="row" {
                (line.address)
                @if !line.name.is_empty() { div.quiet { (line.name) } }
                @if let Some(workgroup) = &line.workgroup { div.quiet { (words.workgroup) ": " (workgroup) } }
                @if !line.aliases.is_empty() { div.quiet { (words.aliases) ": " (line.aliases.join(", ")) } }
                @if !line.forwards.is_empty() { div.quiet { (words.sends_on) " " (line.forwards.join(", ")) } }
                @if line.kind == Kind::Filter { div.quiet { (words.filtered) } }
            }
            td data-label=(words.services) {
                @if line.kind == Kind::Mailbox {
                    ul.chips {
                        @for (service, on) in &line.services {
                            @if *on { li.on { (service) " " (words.on) } } @else { li.off { (service) " " (words.off) } }
                        }
                    }
                } @else { "–" }
            }
            td data-label=(words.quota) {
                @if line.kind != Kind::Mailbox {
                    "–"
                } @else if let Some(quota) = line.quota {
                    meter min="0" max=(quota.max(1)) high=(quota / 10 * 9) optimum="0" value=(line.used.min(quota))
                        aria-label=(words.quota) {}
                    div.quiet { (size(line.used)) " " (words.of) " " (size(quota)) }
                } @else {
                    div.quiet { (size(line.used)) ", " (words.unlimited) }
                }
            }
            td data-label=(words.status) { (state(look, line.active)) }
        }
    }
}

pub(super) fn missing(look: &Look, signed_in: Option<(&str, &str)>) -> Markup {
    let words = look.words;
    let main = html! {
        h1 { (words.missing) }
        p { (words.missing_text) }
        p { a href="/" { (look.product) } }
    };
    shell(look, words.missing, signed_in, &main)
}

/// Writes a size as people read it, with one place from a mebibyte up.
fn size(bytes: u64) -> String {
    for (unit, factor) in [("GiB", 1_u64 << 30), ("MiB", 1 << 20)] {
        if bytes >= factor {
            let tenths = (u128::from(bytes) * 10 / u128::from(factor)) as u64;
            return match tenths % 10 {
                0 => format!("{} {unit}", tenths / 10),
                rest => format!("{}.{rest} {unit}", tenths / 10),
            };
        }
    }
    format!("{} KiB", bytes.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, expected) in
            [(0, "0 KiB"), (1, "1 KiB"), (1 << 20, "1 MiB"), (3 << 29, "1.5 GiB"), (25 << 30, "25 GiB")]
        {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn pages_end_where_the_list_does() {
        let listing = Listing::of((0..101).collect(), 99, 50, "a b&c");
        assert_eq!((listing.lines.len(), listing.page, listing.pages), (1, 2, 3));
        assert_eq!(listing.link("/domains", 0), "/domains?match=a%20b%26c&page=1");
        assert_eq!(Listing::of(Vec::<u8>::new(), 0, 50, "").pages, 1);
    }
}
