//! Dialogues with a session, its store and its disk.

mod dialogues;
mod hostile;
mod many;
mod oracle;

use std::sync::Arc;

use super::{Effect, Session, Settings};
use crate::Moment;
use crate::directory::Service;
use crate::disk::MemoryDisk;
use crate::journal::Options;
use crate::store::handover::Preamble;
use crate::store::{MailStore, NewDelivery, Storage};

/// A store host with one disk that never fails unless told to.
pub(crate) struct Host {
    pub(crate) disk: MemoryDisk,
    pub(crate) mail: MailStore,
    pub(crate) now: Moment,
    pub(crate) settings: Arc<Settings>,
    pub(crate) quota: Option<u64>,
    deliveries: u32,
}

impl Host {
    pub(crate) fn new() -> Self {
        let mut disk = MemoryDisk::new();
        let (mail, _) = MailStore::open(&mut disk, Options::STANDARD).expect("an empty disk opens");
        let settings = Settings {
            greeting: "Mailwright ready.".to_owned(),
            plaintext_login: false,
            max_message_bytes: 100_000,
            refusal_delay: 0,
        };
        let now = Moment(1_800_000_000_000);
        Self { disk, mail, now, settings: Arc::new(settings), quota: None, deliveries: 0 }
    }

    pub(crate) fn storage(&mut self) -> Storage<'_> {
        Storage { mail: &mut self.mail, disk: &mut self.disk }
    }

    /// Lets the disk end every sync.
    pub(crate) fn sync(&mut self) {
        while let Some((ticket, result)) = self.disk.finish_sync(true) {
            let _ = self.mail.synced(&mut self.disk, ticket, result);
        }
    }

    pub(crate) fn preamble(&self, tag: &str) -> Preamble {
        Preamble {
            service: Service::Imap,
            tag: tag.to_owned(),
            tls: true,
            peer: [192, 0, 2, 1].into(),
            user: "alice@acme.example".parse().expect("an address"),
            quota: self.quota,
        }
    }

    pub(crate) fn deliver(&mut self, folder: &str, content: &str) {
        self.deliveries += 1;
        let content = content.replace('\n', "\r\n");
        let delivery = NewDelivery {
            id: &format!("d{}", self.deliveries),
            address: &"alice@acme.example".parse().expect("an address"),
            quota: self.quota,
            folder,
            content: &[content.as_bytes()],
        };
        self.mail.deliver(&mut self.disk, self.now, delivery).expect("a healthy disk takes mail");
        self.sync();
    }

    /// Signs in and returns the session with its first answer taken.
    pub(crate) fn sign_in(&mut self) -> Session {
        let (settings, preamble, now) = (self.settings.clone(), self.preamble("L"), self.now);
        let mut session = Session::new(settings, &preamble, now, &mut self.storage());
        let answer = self.run(&mut session);
        assert!(answer.starts_with("L OK [CAPABILITY IMAP4rev1 "), "{answer}");
        session
    }

    /// Does everything there is to do and returns what the session said.
    pub(crate) fn run(&mut self, session: &mut Session) -> String {
        String::from_utf8_lossy(&self.run_bytes(session)).into_owned()
    }

    pub(crate) fn run_bytes(&mut self, session: &mut Session) -> Vec<u8> {
        let mut said = Vec::new();
        loop {
            self.sync();
            let now = self.now;
            session.pump(now, &mut self.storage());
            match session.next_effect() {
                Some(Effect::Reply(bytes)) => said.extend(bytes),
                Some(Effect::Close) => said.extend_from_slice(b"<closed>"),
                None if session.is_busy() || session.waits_for().is_some() => {}
                None => return said,
            }
        }
    }

    /// Sends lines and returns what the session said.
    pub(crate) fn say(&mut self, session: &mut Session, text: &str) -> String {
        let bytes = text.replace('\n', "\r\n");
        self.send(session, bytes.as_bytes())
    }

    pub(crate) fn send(&mut self, session: &mut Session, bytes: &[u8]) -> String {
        let now = self.now;
        session.receive(now, bytes, &mut self.storage());
        self.run(session)
    }

    /// Checks that lines get exactly these lines back.
    pub(crate) fn check(&mut self, session: &mut Session, lines: &str, expected: &str) {
        let said = self.say(session, &format!("{lines}\n"));
        assert_eq!(said.replace("\r\n", "\n").trim_end(), expected, "to {lines:?}");
    }
}
