//! Changes a name everywhere it stands.

use values::{HostName, Line, LocalPart, Name, ParseError};

use crate::tree::{FileId, Span};

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
pub fn renamable(names: &Names, file: FileId, offset: usize) -> Result<&Occurrence, Refusal> {
    let found = names.at(file, offset).ok_or_else(|| Refusal("no name stands here".to_owned()))?;
    if found.class == Class::Reseller {
        return Err(Refusal("a reseller's folder and its admins bear its name; change it by hand".to_owned()));
    }
    if names.declarations(found.class, &found.key).next().is_none() {
        return Err(Refusal(format!("no {} `{}` is declared in this repository", found.class.name(), found.key)));
    }
    Ok(found)
}

/// Returns the changes that give something another name in all files.
///
/// - `to`: the new name; for a mailbox its local part, or its address in the same domain.
/// - Errors: nothing stands there, the new name is none, or something else has it.
pub fn rename(names: &Names, file: FileId, offset: usize, to: &str) -> Result<Vec<Edit>, Refusal> {
    let found = renamable(names, file, offset)?;
    let wrong = |error: ParseError| Refusal(format!("{}; {}", error.message(), error.help()));
    let (text, key) = match found.class {
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
        Class::Brand => {
            let name: Name = to.parse().map_err(wrong)?;
            let reseller = found.key.split_once('/').map_or("", |(reseller, _)| reseller);
            (name.to_string(), format!("{reseller}/{name}"))
        }
        _ => {
            let name: Name = to.parse().map_err(wrong)?;
            (name.to_string(), name.to_string())
        }
    };
    if key != found.key && names.declarations(found.class, &key).next().is_some() {
        return Err(Refusal(format!("there is a {} `{key}` already", found.class.name())));
    }
    let whole = |occurrence: &Occurrence| match (occurrence.plain, occurrence.declares, found.class) {
        (true, ..) => text.clone(),
        (false, false, Class::Address) => format!("\"{key}\""),
        (false, ..) => format!("\"{text}\""),
    };
    Ok(names.all(found.class, &found.key).map(|at| Edit { span: at.span, text: whole(at) }).collect())
}
