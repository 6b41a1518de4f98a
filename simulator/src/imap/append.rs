//! APPEND: a message is refused before it is sent, where that can be known (RFC 3501 §6.3.11).

use super::cursor::Cursor;
use super::date;
use super::input::Announced;
use super::session::Session;
use crate::store::{FlagList, InternalDate, MailboxId, NewMessage, Storage};

/// An APPEND whose message is on its way.
#[derive(Debug)]
pub(super) struct Appending {
    tag: String,
    mailbox: MailboxId,
    flags: FlagList,
    date: Option<InternalDate>,
    content: Vec<u8>,
    /// Bytes of the command before the message.
    prefix: usize,
}

/// What stands before an appended message.
#[derive(Debug)]
pub(super) struct Prefix {
    tag: String,
    mailbox: Vec<u8>,
    flags: FlagList,
    date: Option<InternalDate>,
    length: usize,
}

/// Reads an unfinished command as an APPEND that announces its message; `None` when it is something else.
pub(super) fn prefix(so_far: &[u8]) -> Option<Prefix> {
    let mut cursor = Cursor::new(so_far);
    let tag = cursor.tag().ok()?.to_owned();
    cursor.space().ok()?;
    if cursor.word().ok()? != "APPEND" {
        return None;
    }
    cursor.space().ok()?;
    let mailbox = cursor.astring().ok()?;
    cursor.space().ok()?;
    let mut flags = FlagList::default();
    if cursor.peek() == Some(b'(') {
        flags = cursor.flag_list().ok()?;
        cursor.space().ok()?;
    }
    let mut date = None;
    if cursor.peek() == Some(b'"') {
        date = Some(date::parse_date_time(&String::from_utf8(cursor.string().ok()?).ok()?)?);
        cursor.space().ok()?;
    }
    // RFC 3516's literal8 is taken as a literal.
    cursor.eat(b'~');
    let announcement = cursor.rest();
    let is_message = announcement.starts_with(b"{")
        && announcement.ends_with(b"}\r\n")
        && announcement.iter().filter(|byte| **byte == b'\n').count() == 1;
    is_message.then_some(Prefix { tag, mailbox, flags, date, length: so_far.len() })
}

impl Session {
    /// Decides whether the announced message may be sent; the client has its answer when not.
    pub(super) fn begin_append(
        &mut self,
        prefix: Prefix,
        announced: Announced,
        storage: &mut Storage<'_>,
    ) -> Option<Appending> {
        let Prefix { tag, mailbox, flags, date, length } = prefix;
        if announced.size > self.settings.max_message_bytes {
            self.tagged(&tag, "NO", "[TOOBIG] The message is larger than this server takes.");
            return None;
        }
        if announced.size == 0 {
            self.tagged(&tag, "NO", "Can't save a zero byte message.");
            return None;
        }
        let mailbox = self.target(&tag, &mailbox, storage)?;
        if storage.mail.would_exceed(self.user, announced.size) {
            self.refused(&tag, crate::store::StoreError::OverQuota);
            return None;
        }
        Some(Appending { tag, mailbox, flags, date, content: Vec::new(), prefix: length })
    }

    /// Takes the message of an APPEND.
    pub(super) fn append_content(&mut self, content: Vec<u8>) {
        if let super::session::Mode::Append(appending) = &mut self.mode {
            appending.content = content;
        }
    }

    /// Adds the message, once the command's line has ended behind it.
    pub(super) fn finish_append(
        &mut self,
        now: crate::Moment,
        appending: Appending,
        line: &[u8],
        storage: &mut Storage<'_>,
    ) {
        let Appending { tag, mailbox, flags, date, content, prefix } = appending;
        if line.len() > prefix {
            return self.bad(&tag, "Unexpected argument behind the message.");
        }
        if content.contains(&0) {
            return self.tagged(&tag, "NO", "[UNKNOWN-CTE] A message that holds NUL bytes is not taken.");
        }
        let seconds = i64::try_from(now.0 / 1000).unwrap_or(i64::MAX);
        let date = date.unwrap_or(InternalDate { seconds, offset_minutes: 0 });
        let message = NewMessage { date, flags: &flags, content: &[&content] };
        match storage.mail.append(storage.disk, self.user, mailbox, message) {
            Ok(appended) => {
                let code = format!("[APPENDUID {} {}] Append completed.", appended.uid_validity, appended.uid);
                self.finish(storage, &tag, &code, true);
            }
            Err(crate::store::StoreError::NoMailbox) => {
                self.tagged(&tag, "NO", "[TRYCREATE] Mailbox doesn't exist");
            }
            Err(error) => self.refused(&tag, error),
        }
    }
}
