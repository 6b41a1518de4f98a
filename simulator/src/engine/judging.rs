//! What the defense says of a message, and what is done about it for each recipient.

use std::collections::VecDeque;
use std::sync::Arc;

use super::names::VISITOR;
use super::receiving::{Origin, Receiver, disk_reply};
use super::tasks::{Continuation, Letter, Parcel, TaskId, Waiting};
use super::{Engine, Level, Role, Unscanned};
use crate::authentication::{self, Claim};
use crate::defense::{self, Action, Facts, Findings, Listing, Verdict};
use crate::directory::{Answer, DefensePolicy, Delivery, Question};
use crate::dns::{Found, Kind, block_list_name};
use crate::network::{CallId, HostId};
use crate::queue::{Filing, NewTarget, Route, Variant};
use crate::signing::Order;
use crate::smtp::server::Disposition;
use crate::smtp::{Received, Reply};

/// Most senders that greylisting remembers.
const SUSPECTS: usize = 100_000;

impl Engine {
    /// Has a session's message looked at.
    pub(super) fn begin_examination(&mut self, host: HostId, id: TaskId, message: Arc<Received>) {
        let hosts = self.hosts_of(Role::Defense, id.0);
        self.examine(host, id, message, hosts);
    }

    /// Asks the next defense host; without any the message is put off, refused or passes as the plan says.
    pub(super) fn examine(&mut self, host: HostId, id: TaskId, message: Arc<Received>, mut hosts: VecDeque<HostId>) {
        let Some(to) = hosts.pop_front() else {
            self.log(host, "defense", Level::Error, "no defense host answers", &[]);
            let reply = match self.topology.defense.unscanned {
                Unscanned::Pass => return self.post(id, Letter::Examined(None)),
                Unscanned::Refuse => Reply::new(550, (5, 7, 1), "Message rejected: it could not be scanned"),
                Unscanned::Defer => {
                    Reply::new(451, (4, 7, 1), "Error: the message could not be scanned, try again later")
                }
            };
            return self.refuse(id, &message, &reply);
        };
        let bytes = message.content.len();
        let call =
            self.network.call(self.now, host, to, bytes, Parcel::Examine { message: Arc::clone(&message), by: host });
        self.calls.insert(call, Continuation::Examine { host, task: id, message, others: hosts });
    }

    /// A host is asked something.
    pub(super) fn called(&mut self, host: HostId, call: CallId, parcel: &Parcel) {
        let defends = self.machine(host).is_some_and(|machine| machine.plan.roles.contains(&Role::Defense));
        let answer = match parcel {
            Parcel::Examine { message, by } if defends => {
                let facts = self.facts(message);
                let findings = Box::new(defense::examine(message, &facts, &self.topology.defense.settings));
                if let Some(order) = self.order(*by, message, &findings) {
                    return self.ask(Question::Sign(Box::new(order)), Continuation::Sign { host, call, findings });
                }
                Some(Parcel::Examined(findings))
            }
            _ => None,
        };
        self.network.answer(self.now, call, answer);
    }

    /// Returns what is to be signed of a message: what users send, and what came from outside.
    fn order(&self, by: HostId, message: &Arc<Received>, findings: &Findings) -> Option<Order> {
        let (signing, now) = (&self.topology.signing, self.now.0 / 1_000);
        match &findings.authentication {
            None => signing.order(message, now),
            Some(authentication) => {
                signing.seal(message, authentication, self.machine(by)?.plan.hostname.as_str(), now)
            }
        }
    }

    /// A message that was looked at is signed, or cannot be.
    pub(super) fn signed(&mut self, host: HostId, call: CallId, mut findings: Box<Findings>, answer: Answer) {
        match answer {
            Answer::Signed(Some(fields)) => findings.signatures = fields,
            // As a scanner that cannot read its keys does: the message goes as it is.
            _ => self.log(host, "defense", Level::Warning, "no key to sign with; the message is not signed", &[]),
        }
        self.network.answer(self.now, call, Some(Parcel::Examined(findings)));
    }

    /// Asks the block lists about the peer and about the sender's domain.
    fn facts(&self, message: &Received) -> Facts {
        let mut listings = Vec::new();
        if message.identity.is_some() {
            return Facts { listings, authentication: None };
        }
        for list in &self.topology.defense.lists {
            let peer = block_list_name(message.peer.address, list.zone.as_str());
            let sender = message.envelope.sender.as_ref().map(|sender| format!("{}.{}", sender.domain(), list.zone));
            let listed = |name: &str| self.zones.lookup(name, Kind::A).found == Found::Records;
            if listed(&peer) || sender.is_some_and(|sender| listed(&sender)) {
                listings.push(Listing { list: list.zone.to_string(), weight: list.weight });
            }
        }
        let address = message.peer.address;
        let is_near = address.is_loopback() || address.is_unspecified();
        let claim = Claim {
            peer: if is_near { VISITOR.into() } else { address },
            greeting: &message.helo,
            sender: message.envelope.sender.as_ref(),
            content: &message.content,
            now: self.now.0 / 1_000,
        };
        Facts { listings, authentication: Some(authentication::check(&claim, &self.zones)) }
    }

    /// Does with a session's message what the findings ask for.
    pub(super) fn pass(&mut self, id: TaskId, host: HostId, receiver: &mut Receiver, findings: Option<&Findings>) {
        let Some(mut message) = receiver.message.take() else { return };
        if findings.is_some_and(|findings| findings.authentication.is_some())
            && let Some(kept) = authentication::without_results(&message.content)
        {
            Arc::make_mut(&mut message).content = kept;
        }
        if let Some(findings) = findings.filter(|findings| !findings.signatures.is_empty()) {
            let signed = [findings.signatures.as_slice(), &message.content].concat();
            Arc::make_mut(&mut message).content = signed;
        }
        match self.sort(host, receiver, &message, findings) {
            Err(reply) => self.refuse(id, &message, &reply),
            Ok(sorted) => {
                let origin = Origin { delivery: None, quiet: sorted.quiet };
                match self.enqueue(host, receiver.role, &message, sorted.targets, origin) {
                    Ok(queued) => {
                        if !sorted.quiet {
                            self.answer_for(host, receiver, &message);
                        }
                        let dispositions = vec![Disposition::Accepted { name: queued.id.to_string() }];
                        let waiting = Waiting::Session { task: id, dispositions };
                        self.wait_for(host, receiver.role, queued.position, waiting);
                    }
                    Err(error) => self.refuse(id, &message, &disk_reply(error)),
                }
            }
        }
        receiver.known.clear();
    }

    /// Lets the recipients who answer by themselves do so.
    fn answer_for(&mut self, host: HostId, receiver: &Receiver, message: &Received) {
        for recipient in &message.envelope.recipients {
            let delivery = receiver.known.get(&recipient.address.key());
            if let Some(reply) = delivery.and_then(|delivery| delivery.autoreply.as_ref()) {
                self.answer_automatically(host, receiver.role, message, &recipient.address, reply);
            }
        }
    }

    fn sort(
        &mut self,
        host: HostId,
        receiver: &Receiver,
        message: &Received,
        findings: Option<&Findings>,
    ) -> Result<Sorted, Reply> {
        let role = receiver.role;
        let mut sorted = Sorted { targets: Vec::new(), quiet: false };
        if role == Role::Submission
            && let Some(virus) = findings.and_then(|findings| findings.virus.as_ref())
        {
            let fields = [("virus", virus.clone())];
            self.log(host, role.name(), Level::Warning, "a user's message holds a virus", &fields);
            return Err(Reply::new(554, (5, 7, 1), format!("Message rejected: virus found: {virus}")));
        }
        let mut refusal: Option<Reply> = None;
        let mut is_taken = false;
        for (addressee, recipient) in message.envelope.recipients.iter().enumerate() {
            let Some(delivery) = receiver.known.get(&recipient.address.key()) else {
                is_taken = true;
                sorted.targets.push(NewTarget {
                    addressee,
                    address: recipient.address.clone(),
                    sender: None,
                    route: Route::Outbound,
                    variant: Variant::default(),
                });
                continue;
            };
            let verdict = findings
                .filter(|_| role == Role::Mx)
                .map(|findings| findings.verdict(&delivery.policy, &self.topology.defense.settings));
            let mut variant = Variant::default();
            if let Some(verdict) = &verdict {
                if let Action::Refuse(reply) = &verdict.action {
                    refusal.get_or_insert_with(|| reply.clone());
                } else if verdict.action == Action::Hold
                    && delivery.mailboxes.is_empty()
                    && delivery.filtered.is_empty()
                {
                    // There is nobody whose mail could be held.
                    let text = "Message rejected: it may be dangerous";
                    refusal.get_or_insert_with(|| Reply::new(554, (5, 7, 1), text));
                } else {
                    if self.is_put_off(message, verdict, &recipient.address.key()) {
                        return Err(Reply::new(451, (4, 7, 1), "Greylisted, please try again later"));
                    }
                    is_taken = true;
                }
                sorted.quiet |= verdict.action != Action::Deliver;
                variant = variant_of(verdict, &delivery.policy);
                if let Some(authentication) = findings.and_then(|findings| findings.authentication.as_ref()) {
                    let hostname = self.machine(host).map(|machine| machine.plan.hostname.to_string());
                    let field = authentication.field(&hostname.unwrap_or_default());
                    variant.fields.splice(0..0, field.into_bytes());
                }
            } else {
                is_taken = true;
            }
            let sender = message.envelope.sender.as_ref();
            let copies = self.targets_of(role, addressee, delivery, sender);
            sorted.targets.extend(copies.into_iter().filter_map(|copy| copied(copy, &variant, delivery)));
        }
        match refusal {
            Some(reply) if !is_taken => {
                let sender = message.envelope.sender.as_ref().map(ToString::to_string).unwrap_or_default();
                let fields = [("from", sender), ("reply", reply.text.clone())];
                self.log(host, role.name(), Level::Notice, "message refused by the defense", &fields);
                Err(reply)
            }
            _ => Ok(sorted),
        }
    }

    /// Whether somebody suspicious has to come again later.
    fn is_put_off(&mut self, message: &Received, verdict: &Verdict, recipient: &str) -> bool {
        let Some((above, milliseconds)) = self.topology.defense.greylist else { return false };
        if verdict.score < above || verdict.action == Action::Hold {
            return false;
        }
        let sender = message.envelope.sender.as_ref().map(values::MailAddress::key).unwrap_or_default();
        let key = format!("{} {sender} {recipient}", message.peer.address);
        if self.suspects.len() >= SUSPECTS {
            self.suspects.clear();
        }
        let seen = *self.suspects.entry(key).or_insert(self.now);
        self.now.since(seen) < milliseconds
    }
}

struct Sorted {
    targets: Vec<NewTarget>,
    quiet: bool,
}

fn variant_of(verdict: &Verdict, policy: &DefensePolicy) -> Variant {
    let tags = matches!(verdict.action, Action::Tag | Action::Spam);
    Variant {
        fields: defense::spam_fields(verdict, policy).into_bytes(),
        subject_tag: if tags { policy.subject_tag.clone() } else { String::new() },
        // After DATA nobody can be refused alone: who would have refused it finds it among the spam.
        filing: match verdict.action {
            Action::Deliver | Action::Tag => Filing::Inbox,
            Action::Spam | Action::Refuse(_) => Filing::Spam,
            Action::Hold => Filing::Held,
        },
    }
}

/// Returns a copy with what the defense makes of it. What is held or filed as spam in somebody's mailbox is not sent on as
/// well, and what should be held is never sent on. What is filtered for a customer's own server is held before it gets there.
fn copied(mut copy: NewTarget, variant: &Variant, delivery: &Delivery) -> Option<NewTarget> {
    let leaves = !matches!(copy.route, Route::Mailbox { .. });
    if let Some(filtered) = delivery.filtered.iter().find(|one| leaves && one.address == copy.address)
        && (variant.filing == Filing::Held || variant.filing == Filing::Spam && filtered.holds)
    {
        copy.route = Route::Mailbox { store: filtered.store.clone() };
        copy.variant = Variant { filing: Filing::Held, ..variant.clone() };
        return Some(copy);
    }
    match variant.filing {
        Filing::Held if leaves => return None,
        Filing::Spam if leaves && !delivery.mailboxes.is_empty() => return None,
        _ => {}
    }
    copy.variant = variant.clone();
    Some(copy)
}
