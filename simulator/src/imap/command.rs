//! What a client can ask, and how it is read (RFC 3501 §6 and the extensions that are announced).

use super::cursor::{Cursor, Parsed, Syntax};
use super::search_key::{self, SearchProgram};
use super::section::Section;
use super::sequence::SequenceSet;
use crate::store::{FlagList, FlagVerb, Ranges, SpecialUse};

/// A mailbox's name as it came over the wire.
pub(super) type WireName = Vec<u8>;

/// A command of a signed-in client.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    Capability,
    Noop,
    Logout,
    /// STARTTLS, LOGIN, AUTHENTICATE: too late.
    SignedInAlready,
    Id,
    Enable(Vec<String>),
    Select {
        mailbox: WireName,
        examine: bool,
        condstore: bool,
        qresync: Option<Qresync>,
    },
    Create {
        mailbox: WireName,
        special: Option<Result<SpecialUse, ()>>,
    },
    Delete(WireName),
    Rename {
        from: WireName,
        to: WireName,
    },
    Subscribe {
        mailbox: WireName,
        on: bool,
    },
    List(List),
    Lsub {
        reference: Vec<u8>,
        pattern: Vec<u8>,
    },
    Namespace,
    Status {
        mailbox: WireName,
        items: Vec<StatusItem>,
    },
    Idle,
    Check,
    Close,
    Unselect,
    Expunge(Option<SequenceSet>),
    Search {
        uid: bool,
        program: SearchProgram,
    },
    Sort {
        uid: bool,
        keys: Vec<(bool, SortKey)>,
        program: SearchProgram,
    },
    Thread {
        uid: bool,
        algorithm: ThreadAlgorithm,
        program: SearchProgram,
    },
    Fetch {
        uid: bool,
        set: SequenceSet,
        items: Vec<FetchItem>,
        changed_since: Option<u64>,
        vanished: bool,
    },
    Store {
        uid: bool,
        set: SequenceSet,
        store: Store,
    },
    Copy {
        uid: bool,
        set: SequenceSet,
        mailbox: WireName,
        moved: bool,
    },
    GetQuota(String),
    GetQuotaRoot(WireName),
    SetQuota,
}

/// What SELECT (QRESYNC …) says the client knows (RFC 7162 §3.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Qresync {
    pub(super) uid_validity: u32,
    pub(super) modseq: u64,
    pub(super) known: Option<Ranges>,
}

/// LIST with its extensions (RFC 5258, RFC 5819, RFC 6154).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    pub(super) reference: Vec<u8>,
    pub(super) patterns: Vec<Vec<u8>>,
    pub(super) select_subscribed: bool,
    pub(super) select_special: bool,
    pub(super) recursive_match: bool,
    pub(super) return_subscribed: bool,
    pub(super) return_children: bool,
    pub(super) return_special: bool,
    pub(super) status: Option<Vec<StatusItem>>,
    /// Whether the client used any of the extended syntax.
    pub(super) extended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    HighestModseq,
    Size,
}

/// SORT's keys (RFC 5256 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SortKey {
    Arrival,
    Cc,
    Date,
    From,
    Size,
    Subject,
    To,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThreadAlgorithm {
    OrderedSubject,
    References,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Store {
    pub(super) verb: FlagVerb,
    pub(super) silent: bool,
    pub(super) flags: FlagList,
    pub(super) unchanged_since: Option<u64>,
}

/// One thing FETCH asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FetchItem {
    Flags,
    Uid,
    InternalDate,
    Size,
    ModSeq,
    Envelope,
    /// `BODY` without a section: the structure without extensions.
    Body,
    BodyStructure,
    Section {
        section: Section,
        peek: bool,
        partial: Option<(u32, u32)>,
    },
    Rfc822,
    Rfc822Header,
    Rfc822Text,
    /// RFC 3516.
    Binary {
        part: Vec<u32>,
        peek: bool,
        partial: Option<(u32, u32)>,
    },
    BinarySize {
        part: Vec<u32>,
    },
}

/// Reads what follows a command's tag.
///
/// - `in_selected`: commands that need a selected mailbox are read all the same; the session refuses them.
pub(super) fn parse(name: &str, cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let (uid, name) = match name {
        "UID" => {
            cursor.space()?;
            (true, cursor.word()?)
        }
        other => (false, other.to_owned()),
    };
    let command = match (name.as_str(), uid) {
        ("FETCH", _) => fetch(cursor, uid)?,
        ("STORE", _) => store(cursor, uid)?,
        ("COPY" | "MOVE", _) => {
            cursor.space()?;
            let set = cursor.sequence_set()?;
            cursor.space()?;
            Command::Copy { uid, set, mailbox: cursor.astring()?, moved: name == "MOVE" }
        }
        ("SEARCH", _) => {
            cursor.space()?;
            Command::Search { uid, program: search_key::parse(cursor, true)? }
        }
        ("SORT", _) => sort(cursor, uid)?,
        ("THREAD", _) => thread(cursor, uid)?,
        ("EXPUNGE", true) => {
            cursor.space()?;
            Command::Expunge(Some(cursor.sequence_set()?))
        }
        (_, true) => return Err(Syntax("Unknown UID command.")),
        (name, false) => plain(name, cursor)?,
    };
    cursor.end()?;
    Ok(command)
}

fn plain(name: &str, cursor: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(match name {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "STARTTLS" | "LOGIN" | "AUTHENTICATE" => {
            while !cursor.is_at_end() {
                cursor.until_space();
                cursor.eat(b' ');
            }
            Command::SignedInAlready
        }
        "ID" => {
            cursor.space()?;
            id_parameters(cursor)?;
            Command::Id
        }
        "ENABLE" => {
            let mut names = Vec::new();
            while cursor.eat(b' ') && !cursor.is_at_end() {
                names.push(cursor.word()?);
            }
            if names.is_empty() {
                return Err(Syntax("Missing capability."));
            }
            Command::Enable(names)
        }
        "SELECT" | "EXAMINE" => select(cursor, name == "EXAMINE")?,
        "CREATE" => create(cursor)?,
        "DELETE" => Command::Delete(mailbox(cursor)?),
        "RENAME" => Command::Rename { from: mailbox(cursor)?, to: mailbox(cursor)? },
        "SUBSCRIBE" | "UNSUBSCRIBE" => Command::Subscribe { mailbox: mailbox(cursor)?, on: name == "SUBSCRIBE" },
        "LIST" => list(cursor)?,
        "LSUB" => {
            let reference = mailbox(cursor)?;
            cursor.space()?;
            Command::Lsub { reference, pattern: cursor.list_mailbox()? }
        }
        "NAMESPACE" => Command::Namespace,
        "STATUS" => {
            let mailbox = mailbox(cursor)?;
            cursor.space()?;
            Command::Status { mailbox, items: status_items(cursor)? }
        }
        "IDLE" => Command::Idle,
        "CHECK" => Command::Check,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "EXPUNGE" => Command::Expunge(None),
        "GETQUOTA" => {
            cursor.space()?;
            Command::GetQuota(cursor.text()?)
        }
        "GETQUOTAROOT" => Command::GetQuotaRoot(mailbox(cursor)?),
        "SETQUOTA" => {
            cursor.space()?;
            cursor.astring()?;
            cursor.space()?;
            cursor.list(|cursor| cursor.astring().map(|_| ()))?;
            Command::SetQuota
        }
        _ => return Err(Syntax("Unknown command.")),
    })
}

fn mailbox(cursor: &mut Cursor<'_>) -> Parsed<WireName> {
    cursor.space()?;
    cursor.astring()
}

/// Reads ID's list (RFC 2971 §3.3: at most thirty fields); what it says is not kept.
pub(super) fn id_parameters(cursor: &mut Cursor<'_>) -> Parsed<()> {
    if cursor.peek() != Some(b'(') {
        return if cursor.word()? == "NIL" { Ok(()) } else { Err(Syntax("Missing ID list or NIL.")) };
    }
    let mut fields = 0;
    cursor.list(|cursor| {
        fields += 1;
        if fields > 30 {
            return Err(Syntax("Too many ID fields."));
        }
        cursor.string()?;
        cursor.space()?;
        cursor.nstring()?;
        Ok(())
    })
}

fn select(cursor: &mut Cursor<'_>, examine: bool) -> Parsed<Command> {
    let mailbox = mailbox(cursor)?;
    let (mut condstore, mut qresync) = (false, None);
    if cursor.eat(b' ') {
        cursor.list(|cursor| {
            match cursor.word()?.as_str() {
                "CONDSTORE" => condstore = true,
                "QRESYNC" => {
                    cursor.space()?;
                    qresync = Some(self::qresync(cursor)?);
                }
                _ => return Err(Syntax("Unknown SELECT parameter.")),
            }
            Ok(())
        })?;
    }
    Ok(Command::Select { mailbox, examine, condstore, qresync })
}

fn qresync(cursor: &mut Cursor<'_>) -> Parsed<Qresync> {
    cursor.expect(b'(', "Missing QRESYNC list.")?;
    let uid_validity = cursor.nonzero()?;
    cursor.space()?;
    let modseq = cursor.long_number()?;
    let mut known = None;
    if cursor.eat(b' ') {
        if cursor.peek() != Some(b'(') {
            let set = cursor.sequence_set()?;
            if set.names_last() || set == SequenceSet::Saved {
                return Err(Syntax("QRESYNC takes no * and no $."));
            }
            known = Some(set.resolve(0));
        }
        if cursor.peek() == Some(b' ') || cursor.peek() == Some(b'(') {
            cursor.eat(b' ');
            // The sequence match data saves bytes only; every vanished UID is told without it.
            cursor.expect(b'(', "Invalid QRESYNC match data.")?;
            cursor.sequence_set()?;
            cursor.space()?;
            cursor.sequence_set()?;
            cursor.expect(b')', "Invalid QRESYNC match data.")?;
        }
    }
    cursor.expect(b')', "A list has no end.")?;
    Ok(Qresync { uid_validity, modseq, known })
}

fn create(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let mailbox = mailbox(cursor)?;
    let mut special = None;
    if cursor.eat(b' ') {
        cursor.list(|cursor| {
            if cursor.word()? != "USE" {
                return Err(Syntax("Unknown CREATE parameter."));
            }
            cursor.space()?;
            cursor.list(|cursor| {
                cursor.expect(b'\\', "Invalid special use.")?;
                let name = format!("\\{}", cursor.atom()?);
                // One use a mailbox; a second one is an attribute that cannot be given.
                let found = SpecialUse::named(&name).ok_or(());
                special = Some(if special.is_some() { Err(()) } else { found });
                Ok(())
            })
        })?;
    }
    Ok(Command::Create { mailbox, special })
}

fn list(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let mut list = List::default();
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        let mut only_recursive = false;
        cursor.list(|cursor| {
            match cursor.word()?.as_str() {
                "SUBSCRIBED" => list.select_subscribed = true,
                "SPECIAL-USE" => list.select_special = true,
                "RECURSIVEMATCH" => list.recursive_match = true,
                "REMOTE" => {}
                _ => return Err(Syntax("Unknown LIST selection.")),
            }
            only_recursive = list.recursive_match && !list.select_subscribed && !list.select_special;
            Ok(())
        })?;
        if only_recursive {
            return Err(Syntax("RECURSIVEMATCH needs another selection."));
        }
        cursor.space()?;
    }
    list.reference = cursor.astring()?;
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        cursor.list(|cursor| {
            list.patterns.push(cursor.list_mailbox()?);
            if list.patterns.len() > 64 { Err(Syntax("Too many patterns.")) } else { Ok(()) }
        })?;
    } else {
        list.patterns.push(cursor.list_mailbox()?);
    }
    if cursor.eat(b' ') {
        if cursor.word()? != "RETURN" {
            return Err(Syntax("Unexpected argument."));
        }
        list.extended = true;
        cursor.space()?;
        cursor.list(|cursor| {
            match cursor.word()?.as_str() {
                "SUBSCRIBED" => list.return_subscribed = true,
                "CHILDREN" => list.return_children = true,
                "SPECIAL-USE" => list.return_special = true,
                "STATUS" => {
                    cursor.space()?;
                    list.status = Some(status_items(cursor)?);
                }
                _ => return Err(Syntax("Unknown LIST return option.")),
            }
            Ok(())
        })?;
    }
    Ok(Command::List(list))
}

fn status_items(cursor: &mut Cursor<'_>) -> Parsed<Vec<StatusItem>> {
    let mut items = Vec::new();
    cursor.list(|cursor| {
        let item = match cursor.word()?.as_str() {
            "MESSAGES" => StatusItem::Messages,
            "RECENT" => StatusItem::Recent,
            "UIDNEXT" => StatusItem::UidNext,
            "UIDVALIDITY" => StatusItem::UidValidity,
            "UNSEEN" => StatusItem::Unseen,
            "HIGHESTMODSEQ" => StatusItem::HighestModseq,
            "SIZE" => StatusItem::Size,
            _ => return Err(Syntax("Unknown status item.")),
        };
        if !items.contains(&item) {
            items.push(item);
        }
        Ok(())
    })?;
    if items.is_empty() { Err(Syntax("Empty status list.")) } else { Ok(items) }
}

fn store(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    cursor.space()?;
    let set = cursor.sequence_set()?;
    cursor.space()?;
    let mut unchanged_since = None;
    if cursor.peek() == Some(b'(') {
        cursor.list(|cursor| {
            if cursor.word()? != "UNCHANGEDSINCE" {
                return Err(Syntax("Unknown STORE modifier."));
            }
            cursor.space()?;
            unchanged_since = Some(cursor.long_number()?);
            Ok(())
        })?;
        cursor.space()?;
    }
    let verb = if cursor.eat(b'+') {
        FlagVerb::Add
    } else if cursor.eat(b'-') {
        FlagVerb::Remove
    } else {
        FlagVerb::Replace
    };
    let silent = match cursor.word()?.as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(Syntax("Unknown STORE item.")),
    };
    cursor.space()?;
    let flags = if cursor.peek() == Some(b'(') {
        cursor.flag_list()?
    } else {
        let mut list = FlagList::default();
        loop {
            cursor.flag(&mut list)?;
            if !cursor.eat(b' ') || cursor.is_at_end() {
                break list;
            }
        }
    };
    Ok(Command::Store { uid, set, store: Store { verb, silent, flags, unchanged_since } })
}

fn sort(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    cursor.space()?;
    let returns = search_key::parse_return(cursor)?;
    let mut keys = Vec::new();
    let mut reverse = false;
    cursor.list(|cursor| {
        let key = match cursor.word()?.as_str() {
            "REVERSE" if !reverse => {
                reverse = true;
                return Ok(());
            }
            "ARRIVAL" => SortKey::Arrival,
            "CC" => SortKey::Cc,
            "DATE" => SortKey::Date,
            "FROM" => SortKey::From,
            "SIZE" => SortKey::Size,
            "SUBJECT" => SortKey::Subject,
            "TO" => SortKey::To,
            _ => return Err(Syntax("Unknown sort key.")),
        };
        if !keys.iter().any(|(_, known)| *known == key) {
            keys.push((std::mem::take(&mut reverse), key));
        }
        Ok(())
    })?;
    if keys.is_empty() || reverse {
        return Err(Syntax("Missing sort key."));
    }
    cursor.space()?;
    let program = search_key::parse_charset_and_keys(cursor, returns)?;
    Ok(Command::Sort { uid, keys, program })
}

fn thread(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    cursor.space()?;
    let algorithm = match cursor.word()?.as_str() {
        "ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
        "REFERENCES" => ThreadAlgorithm::References,
        _ => return Err(Syntax("Unknown thread algorithm.")),
    };
    cursor.space()?;
    Ok(Command::Thread { uid, algorithm, program: search_key::parse_charset_and_keys(cursor, None)? })
}

/// How many items one FETCH may ask for.
const MAX_ITEMS: usize = 256;

fn fetch(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    cursor.space()?;
    let set = cursor.sequence_set()?;
    cursor.space()?;
    let mut items = Vec::new();
    if cursor.peek() == Some(b'(') {
        cursor.list(|cursor| {
            if items.len() >= MAX_ITEMS {
                return Err(Syntax("Too many items."));
            }
            fetch_item(cursor, &mut items)
        })?;
    } else {
        match cursor.clone().item_name().as_str() {
            "ALL" => items.extend([FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size, FetchItem::Envelope]),
            "FAST" => items.extend([FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size]),
            "FULL" => items.extend([
                FetchItem::Flags,
                FetchItem::InternalDate,
                FetchItem::Size,
                FetchItem::Envelope,
                FetchItem::Body,
            ]),
            _ => fetch_item(cursor, &mut items)?,
        }
        if matches!(cursor.clone().item_name().as_str(), "ALL" | "FAST" | "FULL") {
            cursor.item_name();
        }
    }
    if items.is_empty() {
        return Err(Syntax("Empty item list."));
    }
    let (mut changed_since, mut vanished) = (None, false);
    if cursor.eat(b' ') && !cursor.is_at_end() {
        cursor.list(|cursor| {
            match cursor.word()?.as_str() {
                "CHANGEDSINCE" => {
                    cursor.space()?;
                    changed_since = Some(cursor.long_number()?);
                }
                "VANISHED" => vanished = true,
                _ => return Err(Syntax("Unknown FETCH modifier.")),
            }
            Ok(())
        })?;
        // RFC 7162 §3.2.6.
        if vanished && (!uid || changed_since.is_none()) {
            return Err(Syntax("VANISHED needs UID FETCH and CHANGEDSINCE."));
        }
    }
    Ok(Command::Fetch { uid, set, items, changed_since, vanished })
}

fn fetch_item(cursor: &mut Cursor<'_>, items: &mut Vec<FetchItem>) -> Parsed<()> {
    let name = cursor.item_name();
    let item = match (name.as_str(), cursor.peek()) {
        ("FLAGS", _) => FetchItem::Flags,
        ("UID", _) => FetchItem::Uid,
        ("INTERNALDATE", _) => FetchItem::InternalDate,
        ("RFC822.SIZE", _) => FetchItem::Size,
        ("MODSEQ", _) => FetchItem::ModSeq,
        ("ENVELOPE", _) => FetchItem::Envelope,
        ("BODYSTRUCTURE", _) => FetchItem::BodyStructure,
        ("RFC822", _) => FetchItem::Rfc822,
        ("RFC822.HEADER", _) => FetchItem::Rfc822Header,
        ("RFC822.TEXT", _) => FetchItem::Rfc822Text,
        ("BODY" | "BODY.PEEK", Some(b'[')) => {
            let section = Section::parse(cursor)?;
            FetchItem::Section { section, peek: name == "BODY.PEEK", partial: partial(cursor)? }
        }
        ("BODY", _) => FetchItem::Body,
        ("BINARY" | "BINARY.PEEK", Some(b'[')) => {
            let part = Section::parse_part(cursor)?;
            FetchItem::Binary { part, peek: name == "BINARY.PEEK", partial: partial(cursor)? }
        }
        ("BINARY.SIZE", Some(b'[')) => FetchItem::BinarySize { part: Section::parse_part(cursor)? },
        _ => return Err(Syntax("Unknown FETCH item.")),
    };
    if !items.contains(&item) {
        items.push(item);
    }
    Ok(())
}

/// Reads `<origin.length>`.
fn partial(cursor: &mut Cursor<'_>) -> Parsed<Option<(u32, u32)>> {
    if !cursor.eat(b'<') {
        return Ok(None);
    }
    let origin = cursor.number()?;
    cursor.expect(b'.', "Invalid partial.")?;
    let length = cursor.nonzero()?;
    cursor.expect(b'>', "Invalid partial.")?;
    Ok(Some((origin, length)))
}
