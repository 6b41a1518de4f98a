//! Attributes of a user: what they are called, what they may hold, who may set them.

use blueprint::roster::FilterMx;
use serde_json::{Map, Value};
use values::{HostName, LocalPart, MailAddress};

use super::Fault;
use super::request::{flag, number, texts};
use crate::directory::Kind;
use crate::password;

/// What an attribute may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One line of so many characters.
    Line(usize),
    /// Text with line breaks, of so many characters.
    Text(usize),
    Flag,
    /// A whole number between the two.
    Number(i64, i64),
    Choice(&'static [&'static str]),
    /// Patterns of addresses.
    Patterns,
    /// An address.
    Address,
    /// A header as it stands in a message.
    Header,
    /// A host that takes mail, and the port where it is not 25.
    Server,
    /// Kept elsewhere than among the settings.
    Own,
}

/// An attribute.
struct Attribute {
    name: &'static str,
    form: Form,
    /// Whether users may set it for themselves.
    own: bool,
}

const fn own(name: &'static str, form: Form) -> Attribute {
    Attribute { name, form, own: true }
}

const fn admins(name: &'static str, form: Form) -> Attribute {
    Attribute { name, form, own: false }
}

const SERVICE: Form = Form::Choice(&["enabled", "disabled", "suspended"]);

/// The services that are switched.
pub(crate) const SERVICES: [&str; 6] = [
    "service_imap4",
    "service_pop3",
    "service_smtpin",
    "service_smtprelay",
    "service_smtprelay_webmail",
    "service_webmail",
];

/// Every attribute of a user, by name.
const ATTRIBUTES: [Attribute; 43] = [
    admins("aliases", Form::Own),
    own("allow", Form::Patterns),
    own("autoresponder", Form::Text(4000)),
    own("autoresponder_option_enddate", Form::Number(0, 253_402_300_799)),
    own("autoresponder_option_interval", Form::Number(1, 1094)),
    own("block", Form::Patterns),
    admins("brand", Form::Own),
    own("delivery_autoresponder", Form::Flag),
    admins("delivery_filter", Form::Flag),
    own("delivery_forward", Form::Flag),
    own("delivery_local", Form::Flag),
    own("fax", Form::Line(30)),
    own("filterdelivery", Form::Choice(&["quarantine", "passthrough"])),
    own("forward_option_reply_to", Form::Address),
    own("forward_option_restricted", Form::Flag),
    own("forward_option_subject_prefix", Form::Line(128)),
    own("forward_recipients", Form::Own),
    own("language", Form::Line(35)),
    admins("macsettings", Form::Text(2048)),
    admins("max_pab_entries", Form::Number(0, 1_000_000)),
    own("name", Form::Line(512)),
    admins("notes_external", Form::Text(4096)),
    own("password", Form::Own),
    own("phone", Form::Line(30)),
    admins("quota", Form::Own),
    own("recipients", Form::Own),
    own("reject_spam", Form::Flag),
    admins("service_imap4", SERVICE),
    admins("service_pop3", SERVICE),
    admins("service_smtpin", SERVICE),
    admins("service_smtprelay", SERVICE),
    admins("service_smtprelay_webmail", SERVICE),
    admins("service_webmail", SERVICE),
    own("sieve", Form::Text(65_536)),
    admins("smtp_sent_limit", Form::Number(0, 10_000)),
    own("spamfolder", Form::Line(128)),
    own("spamheader", Form::Header),
    own("spamlevel", Form::Choice(&["Normal", "High", "Very High"])),
    own("spamtag", Form::Line(30)),
    own("timezone", Form::Line(64)),
    own("title", Form::Line(60)),
    admins("type", Form::Own),
    admins("workgroup", Form::Own),
];

/// Settings of a domain, by name; users without their own inherit them.
const DOMAIN_SETTINGS: [(&str, Form); 12] = [
    ("allow", Form::Patterns),
    ("block", Form::Patterns),
    ("disabled", Form::Flag),
    ("filterdelivery", Form::Choice(&["quarantine", "passthrough"])),
    ("filtermx", Form::Server),
    ("language", Form::Line(35)),
    ("notes_external", Form::Text(4096)),
    ("smtp_sent_limit", Form::Number(0, 10_000)),
    ("spamfolder", Form::Line(128)),
    ("spamlevel", Form::Choice(&["Normal", "High", "Very High"])),
    ("spamtag", Form::Line(30)),
    ("timezone", Form::Line(64)),
];

/// Returns the names of a domain that its admins may set, sorted.
pub(crate) fn settable_of_domain() -> Vec<Value> {
    let mut names: Vec<&str> = DOMAIN_SETTINGS.iter().map(|(name, _)| *name).chain(["brand", "catchall"]).collect();
    names.sort_unstable();
    names.into_iter().map(Value::from).collect()
}

/// Checks a setting of a domain; `None` clears it.
pub(crate) fn domain_setting(name: &str, value: &Value) -> Result<(&'static str, Option<Value>), Fault> {
    let Some((known, form)) = DOMAIN_SETTINGS.iter().find(|(known, _)| *known == name) else {
        return Err(unknown(name));
    };
    if value.is_null() || value.as_str() == Some("") {
        return Ok((known, None));
    }
    checked(*form, value).map(|value| (*known, Some(value))).map_err(|why| Fault::ATTRIBUTE.hint(known, why))
}

fn unknown(name: &str) -> Fault {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    Fault::ATTRIBUTE.hint(&shown, "there is no such attribute")
}

/// A password to be set.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum NewPassword {
    /// As the user types it.
    Plain(String),
    /// As it is kept.
    Hashed(String),
}

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("NewPassword(…)")
    }
}

/// What a change asks for, each value checked; the outer `None` leaves a thing alone, the inner one clears it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    pub(crate) settings: Vec<(&'static str, Option<Value>)>,
    pub(crate) aliases: Option<Vec<MailAddress>>,
    pub(crate) forwards: Option<Vec<String>>,
    pub(crate) password: Option<NewPassword>,
    pub(crate) quota: Option<Option<u64>>,
    pub(crate) kind: Option<Kind>,
    pub(crate) workgroup: Option<Option<String>>,
    pub(crate) brand: Option<Option<String>>,
    /// Names of what is asked for, for the record.
    pub(crate) names: Vec<&'static str>,
}

/// Returns the names that admins, or users themselves, may set, sorted.
pub(crate) fn settable(by_admin: bool) -> Vec<Value> {
    let listed = ATTRIBUTES.iter().filter(|it| (by_admin || it.own) && it.name != "recipients");
    listed.map(|it| Value::from(it.name)).collect()
}

impl Edit {
    /// Checks attributes for an account; the first wrong ones are told.
    ///
    /// - `by_admin`: whether an admin asks, or the user itself.
    pub(crate) fn read(attributes: &Map<String, Value>, account: &MailAddress, by_admin: bool) -> Result<Self, Fault> {
        let mut edit = Self::default();
        for (name, value) in attributes {
            let Some(attribute) = ATTRIBUTES.iter().find(|it| it.name == name) else {
                return Err(unknown(name));
            };
            if !by_admin && !attribute.own {
                return Err(Fault::NOT_SETTABLE.hint(attribute.name, "only an admin may change it"));
            }
            edit.names.push(attribute.name);
            let cleared = value.is_null() || value.as_str() == Some("");
            if attribute.form == Form::Own {
                edit.read_own(attribute.name, value, cleared, account)?;
            } else {
                let value = match cleared {
                    true => None,
                    false => {
                        Some(checked(attribute.form, value).map_err(|why| Fault::ATTRIBUTE.hint(attribute.name, why))?)
                    }
                };
                edit.settings.push((attribute.name, value));
            }
        }
        Ok(edit)
    }

    fn read_own(
        &mut self,
        name: &'static str,
        value: &Value,
        cleared: bool,
        account: &MailAddress,
    ) -> Result<(), Fault> {
        let wrong = |why: &str| Fault::ATTRIBUTE.hint(name, why);
        match name {
            "aliases" => self.aliases = Some(if cleared { Vec::new() } else { aliases(value, account)? }),
            "forward_recipients" | "recipients" => {
                self.forwards = Some(if cleared { Vec::new() } else { forwards(value)? });
            }
            "password" => self.password = Some(new_password(value, account)?),
            "quota" => {
                let bytes = number(value).and_then(|bytes| u64::try_from(bytes).ok());
                self.quota = Some(match (cleared, bytes) {
                    (true, _) => None,
                    (false, Some(bytes)) => Some(bytes),
                    (false, None) => return Err(wrong("has to be a number of bytes")),
                });
            }
            "type" => {
                let kind = value.as_str().and_then(Kind::read);
                self.kind = Some(kind.ok_or_else(|| wrong("has to be mailbox, forward or filter"))?);
            }
            _ => {
                let text = if cleared { None } else { Some(value.as_str().ok_or_else(|| wrong("has to be a text"))?) };
                if text.is_some_and(|text| text.parse::<values::Name>().is_err()) {
                    return Err(wrong("has to be a name"));
                }
                let text = Some(text.map(str::to_owned));
                if name == "brand" { self.brand = text } else { self.workgroup = text }
            }
        }
        Ok(())
    }
}

/// Checks a value of a setting; says why it is none.
fn checked(form: Form, value: &Value) -> Result<Value, String> {
    let text = || value.as_str().ok_or_else(|| "has to be a text".to_owned());
    match form {
        Form::Line(most) => {
            let text = text()?;
            if text.chars().any(values::hostile) {
                return Err("has to be one line of plain text".to_owned());
            }
            within(text, most)
        }
        Form::Text(most) => {
            let text = text()?;
            if text.chars().any(|c| values::hostile(c) && !matches!(c, '\r' | '\n' | '\t')) {
                return Err("holds a control character".to_owned());
            }
            within(text, most)
        }
        Form::Flag => flag(value).map(Value::from).ok_or_else(|| "has to be true or false".to_owned()),
        Form::Number(least, most) => match number(value) {
            Some(number) if (least..=most).contains(&number) => Ok(number.into()),
            _ => Err(format!("has to be a whole number from {least} to {most}")),
        },
        Form::Choice(choices) => {
            let text = text()?;
            let chosen = choices.iter().find(|choice| choice.eq_ignore_ascii_case(text));
            chosen.map(|choice| Value::from(*choice)).ok_or_else(|| format!("has to be one of {}", choices.join(", ")))
        }
        Form::Patterns => patterns(value),
        Form::Address => {
            let address: MailAddress = text()?.parse().map_err(|_| "has to be a mail address".to_owned())?;
            Ok(address.to_string().into())
        }
        Form::Header => {
            let text = text()?;
            let well = text.split_once(": ").is_some_and(|(name, rest)| {
                name.starts_with(|c: char| c.is_ascii_uppercase())
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                    && !rest.is_empty()
                    && rest.bytes().all(|byte| (b' '..=b'~').contains(&byte))
            });
            if well { within(text, 512) } else { Err("has to look like `X-Spam: Spam detected`".to_owned()) }
        }
        Form::Server => {
            let server = FilterMx::read(text()?).filter(|server| server.host.as_str().contains('.'));
            let server = server.ok_or_else(|| "has to be a host name, with `:PORT` where that is not 25".to_owned())?;
            Ok(server.to_string().into())
        }
        Form::Own => Err("cannot be kept".to_owned()),
    }
}

fn within(text: &str, most: usize) -> Result<Value, String> {
    match text.chars().count() <= most {
        true => Ok(text.into()),
        false => Err(format!("may have {most} characters")),
    }
}

/// Checks patterns of addresses: `*` for any run, `+` for one character, at most five of them an entry.
fn patterns(value: &Value) -> Result<Value, String> {
    let list = texts(value).ok_or_else(|| "has to be a list of texts".to_owned())?;
    if list.len() > 1000 {
        return Err("may have 1000 entries".to_owned());
    }
    for entry in &list {
        let plain = entry.chars().all(|c| !c.is_whitespace() && !values::hostile(c));
        let wildcards = entry.chars().filter(|c| matches!(c, '*' | '+')).count();
        if !plain || entry.is_empty() || entry.chars().count() > 128 || wildcards > 5 {
            return Err("an entry has 1 to 128 characters, no blanks, and at most five wildcards".to_owned());
        }
    }
    Ok(list.into())
}

fn aliases(value: &Value, account: &MailAddress) -> Result<Vec<MailAddress>, Fault> {
    let wrong = |why: &str| Fault::ATTRIBUTE.hint("aliases", why);
    let list = texts(value).ok_or_else(|| wrong("has to be a list of texts"))?;
    if list.len() > 2000 {
        return Err(wrong("may have 2000 entries"));
    }
    let mut aliases = Vec::new();
    for entry in list {
        let whole = if entry.contains('@') { entry } else { format!("{entry}@{}", account.domain()) };
        let alias = mailbox_name(&whole).ok_or_else(|| wrong("an entry is no address that a mailbox could have"))?;
        if alias.domain() != account.domain() {
            return Err(wrong("an entry is of another domain"));
        }
        if alias != *account && !aliases.contains(&alias) {
            aliases.push(alias);
        }
    }
    aliases.sort();
    Ok(aliases)
}

fn forwards(value: &Value) -> Result<Vec<String>, Fault> {
    let wrong = |why: &str| Fault::ATTRIBUTE.hint("forward_recipients", why);
    let list = texts(value).ok_or_else(|| wrong("has to be a list of texts"))?;
    if list.len() > 1000 {
        return Err(Fault::TOO_MANY_FORWARDS);
    }
    let mut forwards = Vec::new();
    for entry in list {
        let address: MailAddress = entry.parse().map_err(|_| wrong("an entry is no mail address"))?;
        if !forwards.contains(&address.to_string()) {
            forwards.push(address.to_string());
        }
    }
    Ok(forwards)
}

/// Reads a name that a mailbox may have: letters, digits, `-`, `_` and single dots before the `@`, a letter or digit first.
pub(crate) fn mailbox_name(text: &str) -> Option<MailAddress> {
    let (local, domain) = text.rsplit_once('@')?;
    let plain = local.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    let begins = local.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !plain || !begins || local.len() > 64 || local.contains("..") || domain.len() > 160 {
        return None;
    }
    let local: LocalPart = local.parse().ok()?;
    let domain: HostName = domain.parse().ok()?;
    Some(MailAddress::new(local, domain))
}

fn new_password(value: &Value, account: &MailAddress) -> Result<NewPassword, Fault> {
    let wrong = |why: &str| Fault::ATTRIBUTE.hint("password", why);
    let text = value.as_str().ok_or_else(|| wrong("has to be a text"))?;
    if text.starts_with('{') && text.contains('}') {
        return match text.len() <= 200 && password::readable(text) {
            true => Ok(NewPassword::Hashed(text.to_owned())),
            false => Err(wrong(
                "a hash has to be SHA512-CRYPT or SHA256-CRYPT with 5000 rounds, or a salted or plain SHA256 or SHA512",
            )),
        };
    }
    if text.is_empty() || text.len() > 54 || !text.bytes().all(|byte| matches!(byte, 33 | 35..=126)) {
        return Err(wrong("has to have 1 to 54 printable ASCII characters, no blank and no quotation mark"));
    }
    let folded = text.to_ascii_lowercase();
    if folded.contains(account.local().key()) || folded.contains(account.domain().as_str()) {
        return Err(Fault::PASSWORD_HAS_NAME);
    }
    Ok(NewPassword::Plain(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn number_of(attributes: Value, by_admin: bool) -> Option<u16> {
        let account = "alice@acme.example".parse().unwrap();
        Edit::read(attributes.as_object().unwrap(), &account, by_admin).err().map(|fault| fault.number)
    }

    #[test]
    fn attributes_take_what_their_kind_holds() {
        for (attributes, expected) in [
            (json!({ "title": "Boss", "phone": "+1 416 555 0100", "reject_spam": 1, "spamlevel": "very high" }), None),
            (
                json!({ "quota": "1048576", "smtp_sent_limit": 10000, "name": null, "aliases": [], "type": "forward" }),
                None,
            ),
            (json!({ "spamheader": "X-Spam: Spam detected", "allow": ["*@a.example", "b+b@c.example"] }), None),
            (json!({ "autoresponder": "two\nlines" }), None),
            (json!({ "suspended": true }), Some(6)),
            (json!({ "imap_enabled": true }), Some(6)),
            (json!({ "vacation_text": "x" }), Some(6)),
            (json!({ "title": "x".repeat(61) }), Some(6)),
            (json!({ "title": "a\nb" }), Some(6)),
            (json!({ "name": "a\u{202e}b" }), Some(6)),
            (json!({ "spamheader": "x-spam: y" }), Some(6)),
            (json!({ "spamheader": "X-Spam: y\r\nBcc: z" }), Some(6)),
            (json!({ "allow": ["******@a"] }), Some(6)),
            (json!({ "allow": vec!["a@a.example"; 1001] }), Some(6)),
            (json!({ "aliases": ["x@other.example"] }), Some(6)),
            (json!({ "aliases": ["a..b"] }), Some(6)),
            (json!({ "forward_recipients": vec!["a@a.example"; 1001] }), Some(38)),
            (json!({ "quota": -1 }), Some(6)),
            (json!({ "quota": 1.5 }), Some(6)),
            (json!({ "smtp_sent_limit": 10001 }), Some(6)),
            (json!({ "service_imap4": "off" }), Some(6)),
            (json!({ "type": "list" }), Some(6)),
            (json!({ "password": "has blank" }), Some(6)),
            (json!({ "password": "xALICEx" }), Some(48)),
            (json!({ "password": "xacme.examplex" }), Some(48)),
            (json!({ "password": "{MD5}abc" }), Some(6)),
            (json!({ "password": "" }), Some(6)),
        ] {
            assert_eq!(number_of(attributes.clone(), true), expected, "{attributes}");
        }
    }

    #[test]
    fn users_may_not_set_what_is_their_admins() {
        for name in
            ["quota", "type", "service_imap4", "smtp_sent_limit", "notes_external", "aliases", "workgroup", "brand"]
        {
            assert_eq!(number_of(json!({ name: "1" }), false), Some(4), "{name}");
        }
        assert_eq!(number_of(json!({ "password": "good-one", "title": "Me" }), false), None);
    }

    #[test]
    fn names_of_mailboxes_are_plain() {
        for (text, expected) in [
            ("joe@a.example", true),
            ("j.o-e_1@a.example", true),
            ("JOE@A.example", true),
            (".joe@a.example", false),
            ("-joe@a.example", false),
            ("joe.@a.example", false),
            ("j..e@a.example", false),
            ("j+e@a.example", false),
            ("../../etc/passwd@a.example", false),
            ("joe", false),
            ("joe@a example", false),
            ("jöe@a.example", false),
        ] {
            assert_eq!(mailbox_name(text).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn the_attributes_stand_in_order() {
        assert!(ATTRIBUTES.is_sorted_by(|one, next| one.name < next.name));
    }

    proptest! {
        #[test]
        fn any_value_is_taken_or_refused(name in 0..ATTRIBUTES.len(), text: String, number: i64, kind in 0..5) {
            let name = ATTRIBUTES[name].name;
            let value = match kind { 0 => json!(text), 1 => json!(number), 2 => json!([text]), 3 => json!({ "a": text }), _ => json!(null) };
            let account = "alice@acme.example".parse().unwrap();
            let mut attributes = Map::new();
            attributes.insert(name.to_owned(), value);
            let _ = Edit::read(&attributes, &account, true);
        }
    }
}
