//! Changes a name everywhere it stands.

use values::{HostName, Line, LocalPart, Name, ParseError};

use crate::read::read;
use crate::sources::Sources;
use crate::tree::{FileId, Span};

use super::former::{Former, former};
use super::names::{Class, Names, Occurrence};

/// Something to write in place of something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What goes away.
    pub span: Span,
    /// What comes in its place.
    pub text: String,
}

/// Why a name cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

/// Returns the name at a place that [`rename`] would change.
pub fn renamable(names: &Names, file: FileId, offset: usize) -> Result<Occurrence, Refusal> {
    let found = names.at(file, offset).ok_or_else(|| Refusal("no name stands here".to_owned()))?;
    if found.class == Class::Reseller {
        return Err(Refusal("a reseller's folder and its admins bear its name; change it by hand".to_owned()));
    }
    if names.declarations(found.class, &found.key).next().is_none() {
        return Err(Refusal(format!("no {} `{}` is declared in this repository", found.class.name(), found.key)));
    }
    Ok(found)
}

/// Returns the changes that give something another name in all files; what has state says what it was called.
///
/// - `to`: the new name; for a mailbox its local part, or its address in the same domain.
/// - `carried_out`: tells whether what was carried out last has a thing of this class and key, where that can be known. It
///   is asked only of a thing that says a former name already.
/// - Errors: nothing stands there, the new name is none, something else has it, or the text would not be whole.
pub fn rename(
    names: &Names,
    sources: &Sources,
    (file, offset): (FileId, usize),
    to: &str,
    carried_out: &mut dyn FnMut(Class, &str) -> Option<bool>,
) -> Result<Vec<Edit>, Refusal> {
    let found = renamable(names, file, offset)?;
    let (text, key) = renamed(&found, to)?;
    if key == found.key {
        return Ok(Vec::new());
    }
    if names.declarations(found.class, &key).next().is_some() {
        return Err(Refusal(format!("there is a {} `{key}` already", found.class.name())));
    }
    let whole = |occurrence: &Occurrence| match (occurrence.plain, occurrence.declares, found.class) {
        (true, ..) => text.clone(),
        (false, false, Class::Address) => format!("\"{key}\""),
        (false, ..) => format!("\"{text}\""),
    };
    let mut edits: Vec<Edit> =
        names.all(found.class, &found.key).map(|at| Edit { span: at.span, text: whole(at) }).collect();
    let now = match found.class {
        Class::Address => found.key.rsplit_once('@').map_or("", |(local, _)| local),
        Class::Brand | Class::Workgroup | Class::Migration => found.key.split_once('/').map_or("", |(_, name)| name),
        _ => &found.key,
    };
    for declared in names.declarations(found.class, &found.key) {
        let Some(source) = sources.file(declared.span.file) else { continue };
        match former(declared.span.file, source, declared.span, now) {
            Former::Needless => {}
            Former::Unsaid(edit) => edits.push(edit),
            Former::Said { name, renewed, removed } => match carried_out(found.class, &found.key) {
                // What was never carried out under this name is still known by the former one.
                Some(false) if name.eq_ignore_ascii_case(&text) => edits.push(removed),
                Some(false) => {}
                Some(true) | None => edits.push(renewed),
            },
            Former::ByHand => {
                return Err(Refusal(format!(
                    "what is written behind `{now}` leaves no room for `renamed-from`; without it what it holds would be \
                     destroyed; change it by hand"
                )));
            }
        }
    }
    edits.sort_by_key(|edit| edit.span);
    stays_whole(sources, &edits)?;
    Ok(edits)
}

/// Makes sure that the changed files have no syntax errors that they did not have before.
fn stays_whole(sources: &Sources, edits: &[Edit]) -> Result<(), Refusal> {
    for edits in edits.chunk_by(|a, b| a.span.file == b.span.file) {
        let Some((id, file)) = edits.first().and_then(|edit| Some((edit.span.file, sources.file(edit.span.file)?)))
        else {
            continue;
        };
        let mut bytes = file.bytes.clone();
        for edit in edits.iter().rev() {
            let range = edit.span.start as usize..edit.span.end as usize;
            if range.end > bytes.len() || range.start > range.end {
                return Err(Refusal(format!("the places in {} overlap; change it by hand", file.path)));
            }
            bytes.splice(range, edit.text.bytes());
        }
        if read(id, &file.path, &bytes).problems.len() > read(id, &file.path, &file.bytes).problems.len() {
            return Err(Refusal(format!("{} would have a syntax error; change it by hand", file.path)));
        }
    }
    Ok(())
}

/// Returns a new name as it is written, and as it is known.
fn renamed(found: &Occurrence, to: &str) -> Result<(String, String), Refusal> {
    let wrong = |error: ParseError| Refusal(format!("{}; {}", error.message(), error.help()));
    Ok(match found.class {
        Class::Address => {
            let domain = found.key.rsplit_once('@').map_or("", |(_, domain)| domain);
            let local = match to.rsplit_once('@') {
                Some((local, other)) if other.eq_ignore_ascii_case(domain) => local,
                Some(_) => return Err(Refusal(format!("a mailbox stays in its domain, which is `{domain}`"))),
                None => to,
            };
            let local: LocalPart = local.parse().map_err(wrong)?;
            (local.to_string(), format!("{local}@{domain}").to_lowercase())
        }
        Class::Domain => {
            let host: HostName = to.parse().map_err(wrong)?;
            (host.to_string(), host.to_string())
        }
        Class::Scenario => {
            let line: Line = to.parse().map_err(wrong)?;
            if line.to_string().contains(['"', '\\']) {
                return Err(Refusal("a title with quotes or backslashes is changed by hand".to_owned()));
            }
            (line.to_string(), line.to_string())
        }
        Class::Brand | Class::Workgroup | Class::Migration => {
            let name: Name = to.parse().map_err(wrong)?;
            let scope = found.key.split_once('/').map_or("", |(scope, _)| scope);
            (name.to_string(), format!("{scope}/{name}"))
        }
        _ => {
            let name: Name = to.parse().map_err(wrong)?;
            (name.to_string(), name.to_string())
        }
    })
}
