//! Taking messages: from the internet, from users, from other hosts of the platform.

use std::collections::BTreeMap;
use std::sync::Arc;

use values::{MailAddress, Score};

use super::storing::SERVER;
use super::tasks::{Continuation, Letter, Link, Play, Task, TaskId, Waiting, disk_trouble};
use super::{Engine, Level, Output, Role, forwarding};
use crate::Moment;
use crate::directory::{Answer, DefensePolicy, Delivery, Question, Recipient, Service};
use crate::disk::DiskError;
use crate::network::HostId;
use crate::queue::{Addressee, Header, NewMessage, NewTarget, Queued, Route, Variant};
use crate::smtp::server::{Completion, Disposition, Effect, RecipientAnswer, Session};
use crate::smtp::{Envelope, Received, Reply, date, trace};

/// A session that takes messages.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) session: Session,
    pub(super) role: Role,
    /// What the directory said of the recipients of the running transaction, by their keys.
    pub(super) known: BTreeMap<String, Delivery>,
    /// A message whose acceptance waits for somebody.
    pub(super) message: Option<Arc<Received>>,
}

/// What a queue is told of a message besides its envelope.
#[derive(Debug, Default)]
pub(super) struct Origin {
    /// The name it was handed over under.
    pub(super) delivery: Option<String>,
    /// Whether its sender is told nothing.
    pub(super) quiet: bool,
}

impl Receiver {
    pub(super) fn new(session: Session, role: Role) -> Self {
        Self { session, role, known: BTreeMap::new(), message: None }
    }
}

impl Engine {
    /// Gives a receiving session its turn; returns whether it is over.
    pub(super) fn play_receiver(&mut self, id: TaskId, task: &mut Task) -> bool {
        let Task { host, link, play, inbox, broken, held, .. } = task;
        let Play::Receiver(receiver) = play else { return true };
        if *broken {
            receiver.session.disconnected();
            return true;
        }
        while let Some(letter) = self.next_letter(id) {
            match letter {
                Letter::Smtp(completion) => receiver.session.complete(self.now, completion),
                Letter::Examined(findings) => self.pass(id, *host, receiver, findings.as_deref()),
                Letter::Answer(_) => {}
            }
        }
        loop {
            while self.has_room(link) {
                let Some(effect) = receiver.session.next_effect() else { break };
                match effect {
                    Effect::Reply(bytes) => {
                        self.held -= std::mem::take(held);
                        self.send(link, bytes);
                    }
                    Effect::Close => {
                        self.close_link(link);
                        return true;
                    }
                    Effect::StartTls => {
                        if let Link::Outer { connection, .. } = link {
                            self.outputs.push_back(Output::StartTls { connection: *connection });
                        }
                    }
                    Effect::SignIn { user, password } => {
                        let question = Question::SignIn { service: Service::Submission, user, password };
                        self.ask(question, Continuation::SignIn { host: *host, task: id });
                    }
                    Effect::VerifyRecipient { sender, recipient, .. } => {
                        self.verify_recipient(id, *host, receiver, sender, recipient);
                    }
                    Effect::Accept(message) => self.take_message(id, *host, receiver, message),
                }
            }
            if !receiver.session.wants_input() || !self.has_room(link) {
                return false;
            }
            match self.read(link, inbox) {
                None => return false,
                Some(bytes) if bytes.is_empty() => {
                    receiver.session.disconnected();
                    self.close_link(link);
                    return true;
                }
                Some(bytes) => {
                    if matches!(link, Link::Outer { .. }) {
                        *held += bytes.len();
                        self.held += bytes.len();
                    }
                    receiver.session.receive(self.now, &bytes);
                }
            }
        }
    }

    fn verify_recipient(
        &mut self,
        id: TaskId,
        host: HostId,
        receiver: &mut Receiver,
        sender: Option<MailAddress>,
        recipient: MailAddress,
    ) {
        let answer = match receiver.role {
            Role::Mx | Role::Submission if self.held > self.topology.bounds.reception_bytes => {
                RecipientAnswer::Refused(Reply::new(452, (4, 3, 1), "Error: too much mail at once, try again later"))
            }
            Role::Mx if let Some(original) = self.bounced_forward(&recipient) => {
                receiver.known.insert(recipient.key(), only_forward(original));
                RecipientAnswer::Known
            }
            Role::Mx if self.is_rewritten_domain(&recipient) => RecipientAnswer::Unknown,
            Role::Mx | Role::Submission | Role::Store => {
                let question = Question::Recipient { address: recipient.clone(), taken: receiver.role == Role::Store };
                return self.ask(question, Continuation::Recipient { host, task: id, sender, recipient });
            }
            Role::Outbound => RecipientAnswer::Known,
            Role::Internet => self.internet_recipient(host, sender.as_ref(), &recipient),
            Role::Defense | Role::Access => RecipientAnswer::Unavailable,
        };
        receiver.session.complete(self.now, Completion::Recipient(answer));
    }

    /// Returns whom a bounce of forwarded mail goes to.
    pub(super) fn bounced_forward(&self, recipient: &MailAddress) -> Option<MailAddress> {
        forwarding::restore(self.topology.mail.forwarding.as_ref()?, self.now, recipient)
    }

    /// Returns whether an address is at the domain of rewritten senders, where only bounces of what was sent on are taken.
    fn is_rewritten_domain(&self, recipient: &MailAddress) -> bool {
        self.topology.mail.forwarding.as_ref().is_some_and(|forwarding| *recipient.domain() == forwarding.domain)
    }

    pub(super) fn recipient_answered(
        &mut self,
        host: HostId,
        id: TaskId,
        sender: Option<&MailAddress>,
        recipient: &MailAddress,
        answer: Answer,
    ) {
        let name = self.machine(host).map(|machine| machine.plan.name.clone()).unwrap_or_default();
        let answer = match answer {
            Answer::Recipient(Recipient::Known(delivery)) if self.has_no_room(&delivery) => {
                Answer::Recipient(Recipient::OverQuota)
            }
            answer => answer,
        };
        let Some(Play::Receiver(receiver)) = self.tasks.get_mut(&id).map(|task| &mut task.play) else { return };
        let said = match receiver.role {
            Role::Store => store_recipient(&name, recipient, &answer),
            _ => RecipientAnswer::of(&answer, sender),
        };
        if said == RecipientAnswer::Known
            && let Answer::Recipient(Recipient::Known(delivery)) = answer
        {
            receiver.known.insert(recipient.key(), delivery);
        }
        self.post(id, Letter::Smtp(Completion::Recipient(said)));
    }

    /// Returns whether every mailbox mail would go to is full, as its own store says; a store that is off says nothing.
    ///
    /// Asked before the 250, so that nobody gets a notice for what could have been refused.
    fn has_no_room(&self, delivery: &crate::directory::Delivery) -> bool {
        let is_full = |mailbox: &crate::directory::Mailbox| {
            let Some((store, _)) = self.mail_store(&mailbox.store, Role::Store) else { return false };
            let used = store.user(&mailbox.address).map_or(0, |user| store.usage(user).bytes);
            mailbox.quota.is_some_and(|quota| used >= quota)
        };
        delivery.forwards.is_empty()
            && delivery.filtered.is_empty()
            && !delivery.mailboxes.is_empty()
            && delivery.mailboxes.iter().all(is_full)
    }

    /// A session has a whole message.
    fn take_message(&mut self, id: TaskId, host: HostId, receiver: &mut Receiver, message: Box<Received>) {
        match receiver.role {
            Role::Submission => {
                if let Some(identity) = &message.identity {
                    let recipients = u32::try_from(message.envelope.recipients.len()).unwrap_or(u32::MAX);
                    let question = Question::SendAllowance { user: identity.mailbox.clone(), recipients };
                    receiver.message = Some(Arc::from(message));
                    return self.ask(question, Continuation::Allowance { host, task: id });
                }
                self.refuse(id, &message, &Reply::new(530, (5, 7, 0), "Authentication required"));
            }
            Role::Mx => {
                let message: Arc<Received> = Arc::from(message);
                receiver.message = Some(Arc::clone(&message));
                self.begin_examination(host, id, message);
            }
            Role::Outbound => self.relay(id, host, *message),
            Role::Store => {
                let known = std::mem::take(&mut receiver.known);
                self.store_message(id, host, &known, &message);
            }
            Role::Internet => self.store_internet(id, host, &message),
            Role::Defense | Role::Access => {}
        }
    }

    pub(super) fn allowance_answered(&mut self, id: TaskId, answer: &Answer) {
        let Some(task) = self.tasks.get(&id) else { return };
        let host = task.host;
        let Play::Receiver(receiver) = &task.play else { return };
        let Some(message) = receiver.message.clone() else { return };
        match answer {
            Answer::SendAllowance(true) => self.begin_examination(host, id, message),
            Answer::SendAllowance(false) => {
                let user = message.identity.as_ref().map(|identity| identity.mailbox.to_string());
                let fields = [("user", user.unwrap_or_default())];
                self.log(host, "submission", Level::Warning, "send limit reached", &fields);
                let text = "Error: your sending limit is reached, try again later";
                self.refuse(id, &message, &Reply::new(450, (4, 7, 1), text));
            }
            _ => self.refuse(id, &message, &Reply::new(451, (4, 3, 0), "Temporary lookup failure")),
        }
    }

    pub(super) fn refuse(&mut self, id: TaskId, message: &Received, reply: &Reply) {
        let copies = message.envelope.recipients.len().max(1);
        let dispositions = vec![Disposition::Refused(reply.clone()); copies];
        self.post(id, Letter::Smtp(Completion::Accept(dispositions)));
    }

    /// Takes a message that another host of the platform hands on, once.
    fn relay(&mut self, id: TaskId, host: HostId, mut message: Received) {
        let delivery = message.envelope.delivery.clone();
        let copies = message.envelope.recipients.len();
        let mut position = crate::journal::Position::default();
        if let (Some(name), Some(queue)) =
            (&delivery, self.offices.get(&(host, Role::Outbound)).and_then(super::office::Office::queue))
        {
            message.envelope.recipients.retain(|recipient| match queue.taken_before(name, &recipient.address) {
                Some(before) => {
                    position = position.max(before);
                    false
                }
                None => true,
            });
        }
        // What is filtered for a customer comes with the server it goes to.
        let server = delivery.as_deref().and_then(|name| name.rsplit_once(SERVER)?.1.rsplit_once(':'));
        let server =
            server.and_then(|(host, port)| Some(Route::Server { host: host.parse().ok()?, port: port.parse().ok()? }));
        let route = server.unwrap_or(Route::Remote);
        let targets: Vec<NewTarget> = (message.envelope.recipients.iter().enumerate())
            .map(|(addressee, recipient)| NewTarget {
                addressee,
                address: recipient.address.clone(),
                sender: None,
                route: route.clone(),
                variant: Variant::default(),
            })
            .collect();
        let mut dispositions = vec![Disposition::Accepted { name: "again".to_owned() }; copies];
        if !targets.is_empty() {
            match self.enqueue(host, Role::Outbound, &message, targets, Origin { delivery, quiet: false }) {
                Ok(queued) => {
                    position = position.max(queued.position);
                    dispositions.fill(Disposition::Accepted { name: queued.id.to_string() });
                }
                Err(error) => dispositions.fill(Disposition::Refused(disk_reply(error))),
            }
        }
        self.wait_for(host, Role::Outbound, position, Waiting::Session { task: id, dispositions });
    }

    pub(super) fn enqueue(
        &mut self,
        host: HostId,
        role: Role,
        message: &Received,
        targets: Vec<NewTarget>,
        origin: Origin,
    ) -> Result<Queued, DiskError> {
        let now = self.now;
        let hostname = self.machine(host).map(|machine| machine.plan.hostname.to_string()).unwrap_or_default();
        let office = self.offices.get_mut(&(host, role)).ok_or(DiskError::Missing)?;
        let (queue, disk) = office.queue_mut().ok_or(DiskError::Missing)?;
        let field = trace::received(message, &hostname, &queue.next_id().to_string(), &date::text(now));
        let header = header_of(&message.envelope, now, origin.quiet);
        let sender = header.sender.as_ref().map(ToString::to_string).unwrap_or_default();
        let copies = targets.len();
        let content: [&[u8]; 2] = [field.as_bytes(), &message.content];
        let queued = queue
            .accept(disk, NewMessage { header, targets, content: &content, delivery: origin.delivery, answers: None });
        match &queued {
            Ok(queued) => {
                let fields = [
                    ("id", queued.id.to_string()),
                    ("from", sender),
                    ("bytes", message.content.len().to_string()),
                    ("copies", copies.to_string()),
                ];
                self.log(host, role.name(), Level::Info, "message queued", &fields);
            }
            Err(error) => {
                let fields = [("from", sender), ("why", error.to_string())];
                self.log(host, role.name(), Level::Error, "message not queued", &fields);
            }
        }
        queued
    }
}

/// Returns what a queue is to know of an envelope.
fn header_of(envelope: &Envelope, now: Moment, quiet: bool) -> Header {
    let addressees = (envelope.recipients.iter())
        .map(|recipient| Addressee {
            address: recipient.address.clone(),
            notify: recipient.notify,
            original: recipient.original.clone(),
        })
        .collect();
    Header {
        accepted: now,
        sender: envelope.sender.clone(),
        addressees,
        returned: envelope.returned,
        identifier: envelope.identifier.clone(),
        body: envelope.body,
        internationalized: envelope.internationalized,
        quiet,
    }
}

/// Returns what mail for a rewritten sender leads to: to the sender it was made of, whatever the defense says.
fn only_forward(original: MailAddress) -> Delivery {
    let never = Score::from_thousandths(1_000_000_000).unwrap_or(Score::ZERO);
    Delivery {
        mailboxes: Vec::new(),
        forwards: vec![original],
        filtered: Vec::new(),
        policy: DefensePolicy {
            tag: never,
            quarantine: never,
            reject: never,
            subject_tag: String::new(),
            spam_folder: String::new(),
            allow: Vec::new(),
            block: Vec::new(),
        },
        senders: None,
        autoreply: None,
    }
}

/// Returns what is said of a recipient on the store host of that name.
fn store_recipient(store: &str, recipient: &MailAddress, answer: &Answer) -> RecipientAnswer {
    match answer {
        Answer::Recipient(Recipient::Known(delivery))
            if delivery.mailboxes.iter().any(|mailbox| mailbox.address == *recipient && mailbox.store == store)
                || delivery
                    .filtered
                    .iter()
                    .any(|filtered| filtered.address == *recipient && filtered.store == store) =>
        {
            RecipientAnswer::Known
        }
        // It has moved, or leads elsewhere now: the queue asks again.
        Answer::Recipient(Recipient::Known(_) | Recipient::Renamed(_)) => {
            RecipientAnswer::Refused(Reply::new(451, (4, 2, 1), "This mailbox is not here now"))
        }
        Answer::Recipient(Recipient::Elsewhere) => RecipientAnswer::Unknown,
        other => RecipientAnswer::of(other, None),
    }
}

/// Returns what is said when a disk does not take a message.
pub(super) fn disk_reply(error: DiskError) -> Reply {
    match error {
        DiskError::Full => Reply::new(452, (4, 3, 1), "Insufficient system storage"),
        DiskError::Broken | DiskError::Missing => disk_trouble(),
    }
}
