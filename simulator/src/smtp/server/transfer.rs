//! DATA and BDAT: a message's octets, and what is promised for them.

use values::MailAddress;

use super::{Chunk, Disposition, Effect, Phase, Session};
use crate::Moment;
use crate::smtp::data::{DataReader, Fault};
use crate::smtp::{Received, Reply, Setting, alignment, command, submitted};

impl Session {
    pub(super) fn data(&mut self, now: Moment, more: bool) {
        if more {
            return self.fail(&Reply::new(501, (5, 5, 4), "Syntax: DATA"));
        }
        let refusal = match &self.transaction {
            None => Some(Reply::new(503, (5, 5, 1), "Error: need RCPT command")),
            Some(open) if open.chunks.is_some() || open.chunks_failed => {
                Some(Reply::new(503, (5, 5, 1), "Error: DATA after BDAT"))
            }
            // RFC 2033 §4.2 for LMTP.
            Some(open) if open.envelope.recipients.is_empty() && self.settings.setting == Setting::Lmtp => {
                Some(Reply::new(503, (5, 5, 1), "Error: no valid recipients"))
            }
            Some(open) if open.envelope.recipients.is_empty() => {
                Some(Reply::new(554, (5, 5, 1), "Error: no valid recipients"))
            }
            Some(_) => None,
        };
        match refusal {
            Some(reply) => self.fail(&reply),
            None => {
                self.reply(&Reply::plain(354, "End data with <CR><LF>.<CR><LF>"));
                self.phase = Phase::Data(DataReader::new(self.settings.max_message_bytes), now);
            }
        }
    }

    /// Begins a chunk (RFC 3030 §2). Its octets are read in any case, so that none is taken for a command.
    pub(super) fn bdat(&mut self, now: Moment, rest: &str) {
        let Some((size, last)) = command::chunk_arguments(rest) else {
            // Nobody knows where the next command begins.
            self.reply(&Reply::new(521, (5, 5, 4), "Syntax: BDAT count [LAST]"));
            return self.close();
        };
        if size == 0 && !last {
            self.reply(&Reply::new(551, (5, 7, 1), "Null BDAT request"));
            return self.close();
        }
        let limit = self.settings.max_message_bytes;
        let refusal = match &mut self.transaction {
            None => Some(Reply::new(503, (5, 5, 1), "Error: need RCPT command")),
            Some(open) if open.chunks_failed => {
                Some(Reply::new(551, (5, 0, 0), format!("Discarded {size} bytes after earlier error")))
            }
            Some(open) if open.envelope.recipients.is_empty() => {
                Some(Reply::new(554, (5, 5, 1), "Error: no valid recipients"))
            }
            Some(open) => {
                let reader = open.chunks.get_or_insert_with(|| DataReader::chunked(limit));
                let large = reader.received().saturating_add(size) > limit;
                large.then(|| Reply::new(552, (5, 3, 4), "Chunk exceeds message size limit"))
            }
        };
        if refusal.is_some()
            && let Some(open) = &mut self.transaction
        {
            open.chunks_failed = true;
            open.chunks = None;
        }
        self.phase = Phase::Chunk(Chunk { since: now, size, remaining: size, last, refusal });
    }

    /// A message or chunk has come to its end.
    pub(super) fn end_of_input(&mut self, now: Moment) {
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Data(reader, _) => self.end_of_message(now, reader),
            Phase::Chunk(chunk) => self.end_of_chunk(now, chunk),
            other => self.phase = other,
        }
    }

    fn end_of_chunk(&mut self, now: Moment, chunk: Chunk) {
        if let Some(reply) = chunk.refusal {
            if chunk.last {
                self.transaction = None;
            }
            return self.fail(&reply);
        }
        if !chunk.last {
            return self.reply(&Reply::new(250, (2, 0, 0), format!("Ok: {} bytes", chunk.size)));
        }
        if let Some(reader) = self.transaction.as_mut().and_then(|open| open.chunks.take()) {
            self.end_of_message(now, reader);
        }
    }

    fn end_of_message(&mut self, now: Moment, reader: DataReader) {
        let (Some(open), Some(hello)) = (self.transaction.take(), self.hello.clone()) else { return };
        let names: Vec<MailAddress> = open.envelope.recipients.iter().map(|to| to.address.clone()).collect();
        let checked =
            reader.finish().map_err(|fault| fault_reply(fault, &self.settings.hostname)).and_then(|content| {
                self.sound(&content)?;
                match &self.identity {
                    Some(identity) => {
                        alignment::check(&content, identity, self.settings.subaddress_separator)?;
                        let sender = open.envelope.sender.as_ref().unwrap_or(&identity.mailbox);
                        Ok(submitted::complete(content, sender, now, &self.settings.hostname))
                    }
                    None => Ok(content),
                }
            });
        match checked {
            Err(reply) => {
                // RFC 2033 §4.2: LMTP says it to each recipient.
                let times = if self.settings.setting == Setting::Lmtp { names.len() } else { 1 };
                for _ in 1..times {
                    self.reply(&reply);
                }
                self.fail(&reply);
            }
            Ok(content) => {
                self.phase = Phase::AwaitingAccept(names);
                self.effects.push_back(Effect::Accept(Box::new(Received {
                    setting: self.settings.setting,
                    peer: self.peer,
                    helo: hello.name,
                    extended: hello.extended,
                    identity: self.identity.clone(),
                    envelope: open.envelope,
                    content,
                    at: now,
                })));
            }
        }
    }

    /// Refuses a message whose header is endless or that goes in circles.
    fn sound(&self, content: &[u8]) -> Result<(), Reply> {
        let limits = &self.settings.limits;
        let header = crate::mime::header::block(content);
        if header.len() > limits.header_bytes {
            return Err(Reply::new(552, (5, 3, 4), "Message header too big"));
        }
        let hops =
            crate::mime::header::fields(header).filter(|field| field.is("Received")).take(limits.hops + 1).count();
        if hops > limits.hops {
            return Err(Reply::new(554, (5, 4, 0), "Error: too many hops"));
        }
        Ok(())
    }

    pub(super) fn accepted(&mut self, names: &[MailAddress], dispositions: &[Disposition]) {
        self.junk = 0;
        let missing =
            Disposition::Refused(Reply::new(451, (4, 3, 0), "Error: nothing is known of this recipient's copy"));
        if self.settings.setting == Setting::Lmtp {
            for (index, name) in names.iter().enumerate() {
                let reply = match dispositions.get(index).unwrap_or(&missing) {
                    Disposition::Accepted { name: saved } => {
                        Reply::new(250, (2, 0, 0), format!("<{name}> {saved} Saved"))
                    }
                    Disposition::Refused(reply) => reply.clone(),
                };
                self.reply(&reply);
            }
            return;
        }
        match dispositions.first().unwrap_or(&missing) {
            Disposition::Accepted { name } => {
                self.reply(&Reply::new(250, (2, 0, 0), format!("Ok: queued as {name}")));
            }
            Disposition::Refused(reply) => self.fail(&reply.clone()),
        }
    }
}

fn fault_reply(fault: Fault, hostname: &str) -> Reply {
    match fault {
        Fault::BareLineFeed => Reply::new(550, (5, 5, 2), format!("{hostname} Error: bare <LF> received")),
        Fault::TooLarge => Reply::new(552, (5, 3, 4), "Error: message file too big"),
    }
}
