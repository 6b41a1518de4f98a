//! Writes accounts into the text that declares their domain; every comment stays.

use std::fmt::Write;

use control::Unmanaged;
use spec::convert::{Converted, Syntax, convert};
use spec::format::{Formatted, format};
use spec::model::{Domain, Workgroup};
use spec::{FileId, Node, Parsed, SourceFile, Sources, Span, Trust};

use super::syntax;
use crate::failure::Failure;

/// The workgroup of accounts that were made without one, where their domain has none.
const WORKGROUP: &str = "adopted";

/// Returns the path of the text that declares an account's domain.
pub(super) fn file(sources: &Sources, parsed: &Parsed, account: &Unmanaged) -> Result<String, Failure> {
    let domain = domain(parsed, account).ok_or_else(|| {
        Failure::usage(format!("{} lives in {}, which no specification declares", account.address, account.domain))
            .help(format!("declare the domain first: domain \"{}\" {{ … }}", account.domain))
    })?;
    let file = sources.file(domain.span.file).ok_or_else(|| Failure::fault("a domain without a file"))?;
    Ok(file.path.clone())
}

fn domain<'p>(parsed: &'p Parsed, account: &Unmanaged) -> Option<&'p Domain> {
    let mut domains = parsed.spec.resellers.iter().flat_map(|reseller| &reseller.domains);
    domains.find(|domain| domain.name.value.to_string() == account.domain)
}

/// Returns a text with accounts in it, in the syntax it had.
pub(super) fn with(path: &str, bytes: &[u8], accounts: &[&Unmanaged]) -> Result<String, Failure> {
    let unwritten = |why: &str| {
        Failure::failed(format!("the accounts could not be written into {path}: {why}"))
            .help("see what they are with mailwright adopt --json, and write them by hand")
    };
    let yaml = syntax(path) == Syntax::Yaml;
    let mut text = if yaml {
        match convert(FileId(0), path, bytes, Syntax::Kdl) {
            Converted::Text(text) => text,
            _ => return Err(unwritten("it says something that the other syntax cannot")),
        }
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    };
    for account in accounts {
        let parsed = spec::parse(&one(&text));
        let domain = domain(&parsed, account).ok_or_else(|| unwritten("their domain is not found in it"))?;
        text = inserted(&text, domain, account).ok_or_else(|| unwritten("their domain has no end"))?;
    }
    let laid_out = match format(FileId(0), "a.kdl", text.as_bytes()) {
        Formatted::Changed(text) => text,
        Formatted::Unchanged => text,
        _ => return Err(unwritten("it is no text of the language afterwards")),
    };
    if !yaml {
        return Ok(laid_out);
    }
    match convert(FileId(0), "a.kdl", laid_out.as_bytes(), Syntax::Yaml) {
        Converted::Text(text) => Ok(text),
        _ => Err(unwritten("it cannot be said in YAML")),
    }
}

fn one(text: &str) -> Sources {
    let file = SourceFile { path: "a.kdl".to_owned(), bytes: text.as_bytes().to_vec(), trust: Trust::Operator };
    Sources::new(vec![file], Vec::new())
}

/// Writes an account into its workgroup, or the workgroup with it into its domain.
fn inserted(text: &str, domain: &Domain, account: &Unmanaged) -> Option<String> {
    let named = |workgroup: &&Workgroup| account.workgroup.as_deref() == Some(workgroup.name.value.as_str());
    let tier = account.tier.as_deref().filter(|tier| *tier != domain.tier.value.as_str());
    let line = line(account, tier);
    match domain
        .workgroups
        .iter()
        .find(named)
        .or_else(|| domain.workgroups.first().filter(|_| account.workgroup.is_none()))
    {
        Some(workgroup) => into(text, whole(text, workgroup.span)?, &line),
        None => {
            let name = account.workgroup.as_deref().unwrap_or(WORKGROUP);
            into(text, whole(text, domain.span)?, &format!("workgroup {} {{\n{line}}}\n", quoted(name)))
        }
    }
}

/// Returns the whole of a node that begins at a place, its children included.
fn whole(text: &str, place: Span) -> Option<Span> {
    fn find(nodes: &[Node<'_>], place: Span) -> Option<Span> {
        nodes.iter().find_map(|node| match node.kind.span.start == place.start || node.span.start == place.start {
            true => Some(node.span),
            false => find(&node.children, place),
        })
    }
    find(&spec::read(FileId(0), "a.kdl", text.as_bytes()).nodes, place)
}

/// Puts lines at the end of a node's children.
fn into(text: &str, node: Span, lines: &str) -> Option<String> {
    let (start, end) = (node.start as usize, node.end as usize);
    let whole = text.get(start..end)?;
    // A node's end may be a semicolon or a line's end.
    match whole.trim_end_matches([' ', '\t', '\n', '\r', ';']).strip_suffix('}') {
        Some(before) => {
            let at = start + before.len();
            Some(format!("{}\n{lines}{}", text.get(..at)?, text.get(at..)?))
        }
        None => {
            let at = start + whole.trim_end_matches([' ', '\t', '\n', '\r', ';']).len();
            Some(format!("{} {{\n{lines}}}{}", text.get(..at)?, text.get(at..)?))
        }
    }
}

/// Returns the lines that declare an account.
fn line(account: &Unmanaged, tier: Option<&str>) -> String {
    let local = |address: &str| address.rsplit_once('@').map_or(address, |(local, _)| local).to_owned();
    let list = |of: &[String]| of.iter().map(|it| quoted(it)).collect::<Vec<_>>().join(" ");
    let mut text = String::new();
    if account.kind == "forward" {
        let _ = writeln!(text, "forward {} {{", quoted(&local(&account.address)));
        for address in &account.forward {
            let _ = writeln!(text, "to {}", quoted(address));
        }
        text.push_str("}\n");
        return text;
    }
    let _ = write!(text, "mailbox {}", quoted(&local(&account.address)));
    if let Some(tier) = tier {
        let _ = write!(text, " tier={}", quoted(tier));
    }
    if let Some(name) = &account.name {
        let _ = write!(text, " name={}", quoted(name));
    }
    text.push_str(" {\n");
    for alias in account.aliases.iter().filter(|alias| alias.ends_with(&format!("@{}", account.domain))) {
        let _ = writeln!(text, "alias {}", quoted(&local(alias)));
    }
    if !account.forward.is_empty() {
        let _ =
            writeln!(text, "forward {} keep={}", list(&account.forward), if account.keep { "#true" } else { "#false" });
    }
    text.push_str("}\n");
    text
}

/// Returns a text as a string of KDL.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
