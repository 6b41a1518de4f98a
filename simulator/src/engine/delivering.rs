//! From the queues onwards: what is due is expanded, or handed to the next host.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use values::MailAddress;

use super::storing::{HELD, SERVER, SPAM};
use super::tasks::{Continuation, Link, Play, Port, Task, TaskId};
use super::{Engine, Level, Role, forwarding};
use crate::Moment;
use crate::directory::{Answer, Delivery, Question, Recipient};
use crate::dns::{Data, Kind, MailRoute, mail_route};
use crate::mime;
use crate::network::{HostId, SocketId, Unreachable};
use crate::queue::{Destination, Failure, Filing, Job, NewTarget, Route, Target, Variant};
use crate::smtp::client::{self, Effect, Outcome, Tls};
use crate::smtp::{Enhanced, Envelope};

/// A message on its way to a host.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) host: HostId,
    pub(super) role: Role,
    /// Which opening of the queue it belongs to.
    pub(super) incarnation: u64,
    job: Job,
    /// Hosts to try after the one being tried.
    others: VecDeque<HostId>,
    port: Port,
    to: HostId,
    settings: client::Settings,
    /// Bytes of the message, as they are counted.
    pub(super) carried: usize,
    /// Until the connection stands.
    message: Option<client::Message>,
    pub(super) session: Option<client::Session>,
    outcomes: Option<Vec<Outcome>>,
}

impl Sender {
    pub(super) fn connected(&mut self, now: Moment) {
        if let Some(message) = self.message.take() {
            self.session = Some(client::Session::new(self.settings.clone(), message, now));
        }
    }
}

impl Engine {
    /// Starts what is due in every queue; returns whether anything was done.
    pub(super) fn tend_queues(&mut self) -> bool {
        let keys: Vec<(HostId, Role)> = self.offices.keys().copied().collect();
        let mut moved = false;
        for (host, role) in keys {
            moved |= self.tend_queue(host, role);
        }
        moved
    }

    fn tend_queue(&mut self, host: HostId, role: Role) -> bool {
        let (now, most) = (self.now, self.topology.bounds.deliveries_per_destination);
        let Some(office) = self.offices.get_mut(&(host, role)) else { return false };
        let incarnation = office.incarnation;
        let mut notices = Vec::new();
        if let Some((queue, disk)) = office.queue_mut()
            && queue.next_tick().is_some_and(|at| at <= now)
        {
            notices = queue.tick(disk, now);
        }
        let mut jobs: Vec<Job> = Vec::new();
        let room = self.carried < self.topology.bounds.delivery_bytes;
        let due: Vec<Destination> = office.queue().map_or_else(Vec::new, |queue| {
            queue.destinations().filter(|(_, at)| *at <= now).map(|(place, _)| place.clone()).collect()
        });
        for place in due {
            let mut running = office.running.get(&place).copied().unwrap_or(0);
            while running < most
                && room
                && let Some(job) = office.queue_mut().and_then(|(queue, _)| queue.take(now, &place))
            {
                running += 1;
                jobs.push(job);
            }
            office.running.insert(place, running);
        }
        let moved = !jobs.is_empty() || !notices.is_empty();
        for notice in notices {
            let fields =
                [("id", notice.id.to_string()), ("about", notice.about.to_string()), ("to", notice.to.to_string())];
            self.log(host, role.name(), Level::Notice, notice.kind.said(), &fields);
        }
        for job in jobs {
            self.start(host, role, incarnation, job);
        }
        moved
    }

    fn start(&mut self, host: HostId, role: Role, incarnation: u64, job: Job) {
        let queue = self.offices.get(&(host, role)).and_then(super::office::Office::queue);
        let again = self.target(host, role, &job).zip(queue);
        let again = again.is_some_and(|(target, queue)| queue.is_looked_up_again(job.id, target));
        match job.destination {
            Destination::Directory => self.start_expansion(host, role, incarnation, job),
            // The mailbox may be elsewhere by now, or nowhere.
            Destination::Store(_) if again => self.start_expansion(host, role, incarnation, job),
            _ => self.start_delivery(host, role, incarnation, job),
        }
    }

    fn start_delivery(&mut self, host: HostId, role: Role, incarnation: u64, job: Job) {
        let hosts = match &job.destination {
            Destination::Directory => return,
            Destination::Store(store) => {
                (self.host_named(store).into_iter().collect(), Port::Lmtp(Role::Store), "no such store")
            }
            Destination::Outbound => {
                (self.hosts_of(Role::Outbound, job.id.0), Port::Lmtp(Role::Outbound), "no outbound host")
            }
            Destination::Filtered(..) => {
                (self.hosts_of(Role::Outbound, job.id.0), Port::Lmtp(Role::Outbound), "no outbound host")
            }
            Destination::Server(server, port) => match self.servers(server.as_str(), *port) {
                Ok(found) => (found, Port::Smtp, "the server has no address here"),
                Err(failure) => return self.end_job(host, role, incarnation, &job, |_| Some(failure.clone())),
            },
            Destination::Domain(domain) => match self.exchangers(domain.as_str()) {
                Ok(found) => (found, Port::Smtp, "no exchanger has an address here"),
                Err(failure) => return self.end_job(host, role, incarnation, &job, |_| Some(failure.clone())),
            },
        };
        let (mut hosts, port, none) = hosts;
        let Some(to) = hosts.pop_front() else {
            let failure = Failure::ours((4, 4, 4), none);
            return self.end_job(host, role, incarnation, &job, |_| Some(failure.clone()));
        };
        let Some(message) = self.message_of(host, role, &job) else {
            let failure = Failure::ours((4, 3, 0), "the message cannot be read from the queue's disk");
            return self.end_job(host, role, incarnation, &job, |_| Some(failure.clone()));
        };
        let own = self.machine(host).map(|machine| machine.plan.hostname.to_string()).unwrap_or_default();
        // Outside hosts know the platform by its pools' names.
        let pool = (role == Role::Outbound && port == Port::Smtp)
            .then(|| self.topology.pools.name(message.envelope.sender.as_ref().map(MailAddress::domain), job.id.0));
        let helo = pool.flatten().map_or(own, ToString::to_string);
        let carried = message.content.len();
        self.carried += carried;
        let settings = client::Settings { helo, lmtp: port != Port::Smtp, tls: Tls::Never };
        let socket = self.network.connect(self.now, host, to, port);
        let sender = Sender {
            host,
            role,
            incarnation,
            job,
            others: hosts,
            port,
            to,
            settings,
            carried,
            message: Some(message),
            session: None,
            outcomes: None,
        };
        self.add_task(Task::new(host, Link::Inner(socket), Play::Sender(Box::new(sender))));
    }

    /// Returns the hosts behind a name that take mail at a port; in this world it is 25 everywhere.
    fn servers(&self, name: &str, port: u16) -> Result<VecDeque<HostId>, Failure> {
        if port != 25 {
            return Err(Failure::ours((4, 4, 1), format!("connect to {name}:{port}: connection refused")));
        }
        let records = [Kind::Aaaa, Kind::A].into_iter().flat_map(|kind| self.zones.lookup(name, kind).records);
        let addresses: Vec<IpAddr> = records
            .filter_map(|(_, record)| match record.data {
                Data::A(address) => Some(IpAddr::V4(address)),
                Data::Aaaa(address) => Some(IpAddr::V6(address)),
                _ => None,
            })
            .collect();
        if addresses.is_empty() {
            return Err(Failure::ours((5, 4, 4), format!("host {name} is not found")));
        }
        let answers = |plan: &super::Host| addresses.iter().any(|at| plan.address == *at || plan.fronts.contains(at));
        let found = self.machines.iter().enumerate().filter(|(_, machine)| answers(&machine.plan));
        Ok(found.map(|(index, _)| HostId(index)).collect())
    }

    /// Returns the hosts that take mail for a domain, by the names of this world. Nothing outside it is ever asked.
    fn exchangers(&self, domain: &str) -> Result<VecDeque<HostId>, Failure> {
        match mail_route(&self.zones, domain) {
            MailRoute::Hosts(hosts) => {
                let addresses = hosts.into_iter().flat_map(|host| host.addresses);
                let mut found = VecDeque::new();
                for address in addresses {
                    for (index, machine) in self.machines.iter().enumerate() {
                        let plan = &machine.plan;
                        let answers = plan.address == address || plan.fronts.contains(&address);
                        if answers && !found.contains(&HostId(index)) {
                            found.push_back(HostId(index));
                        }
                    }
                }
                Ok(found)
            }
            MailRoute::Null => Err(Failure::ours((5, 1, 10), format!("domain {domain} takes no mail (null MX)"))),
            MailRoute::NoDomain => Err(Failure::ours((5, 4, 4), format!("domain {domain} does not exist"))),
            MailRoute::NoHost => Err(Failure::ours((5, 4, 4), format!("domain {domain} names no host for mail"))),
            MailRoute::Broken => Err(Failure::ours((4, 4, 3), format!("the names of {domain} cannot be followed"))),
        }
    }

    /// Puts together what a job sends.
    fn message_of(&mut self, host: HostId, role: Role, job: &Job) -> Option<client::Message> {
        let rename = self.faults.rename_deliveries.then(|| self.name());
        let office = self.offices.get_mut(&(host, role))?;
        let (queue, disk) = office.queue_mut()?;
        let entry = queue.entry(job.id)?;
        let first = entry.targets.get(*job.targets.first()?)?;
        let content = queue.content(disk, job.id).ok()?;
        let to_mailbox = matches!(first.route, Route::Mailbox { .. });
        let recipients = (job.targets.iter())
            .filter_map(|&index| {
                let target = entry.targets.get(index)?;
                let addressee = entry.addressee_of(index);
                Some(crate::smtp::Recipient {
                    address: target.address.clone(),
                    // A store reports to nobody.
                    notify: addressee.filter(|_| !to_mailbox).and_then(|addressee| addressee.notify),
                    original: addressee.and_then(|addressee| match &addressee.original {
                        // The mailbox is told what address it was written to, whatever the sender calls it.
                        _ if to_mailbox => original_of(&addressee.address),
                        Some(original) => Some(original.clone()),
                        None if addressee.address == target.address => None,
                        None => original_of(&addressee.address),
                    }),
                })
            })
            .collect();
        let leaves = matches!(first.route, Route::Remote | Route::Server { .. });
        let delivery = (!leaves).then(|| {
            let filing = match first.variant.filing {
                Filing::Inbox => "",
                Filing::Spam => SPAM,
                Filing::Held => HELD,
            };
            let again = rename.map(|name| format!(".{name}")).unwrap_or_default();
            let server = match &first.route {
                Route::Filtered { host, port } => format!("{SERVER}{host}:{port}"),
                _ => String::new(),
            };
            format!("{}{again}{filing}{server}", queue.delivery_name(job.id))
        });
        let envelope = Envelope {
            sender: first.sender.clone().or_else(|| entry.header.sender.clone()),
            recipients,
            returned: entry.header.returned,
            identifier: entry.header.identifier.clone(),
            body: entry.header.body,
            internationalized: entry.header.internationalized,
            delivery,
        };
        Some(client::Message { envelope, content: varied(content, &first.variant) })
    }

    /// Connects to the next host of a domain, when there is one; otherwise the job is over.
    pub(super) fn try_next_host(&mut self, sender: &mut Sender, why: Unreachable) -> Option<SocketId> {
        if let Some(next) = sender.others.pop_front() {
            sender.to = next;
            return Some(self.network.connect(self.now, sender.host, next, sender.port));
        }
        let name = self.machine(sender.to).map(|machine| machine.plan.hostname.to_string()).unwrap_or_default();
        let failure = match why {
            Unreachable::Refused => Failure::ours((4, 4, 1), format!("connect to {name}: connection refused")),
            Unreachable::TimedOut => Failure::ours((4, 4, 1), format!("connect to {name}: connection timed out")),
        };
        let (host, role, incarnation) = (sender.host, sender.role, sender.incarnation);
        self.end_job(host, role, incarnation, &sender.job, |_| Some(failure.clone()));
        None
    }

    /// Gives a delivering session its turn; returns whether it is over.
    pub(super) fn play_sender(&mut self, _id: TaskId, task: &mut Task) -> bool {
        let Task { link, play, inbox, broken, .. } = task;
        let Play::Sender(sender) = play else { return true };
        if *broken {
            match &mut sender.session {
                Some(session) => session.disconnected(),
                None => {
                    self.try_next_host(sender, Unreachable::TimedOut);
                    return true;
                }
            }
        }
        let Some(mut session) = sender.session.take() else { return false };
        let over = self.converse(link, inbox, sender, &mut session);
        sender.session = Some(session);
        if let Some(outcomes) = sender.outcomes.take() {
            let name = self.machine(sender.to).map(|machine| machine.plan.hostname.to_string()).unwrap_or_default();
            let (host, role, incarnation) = (sender.host, sender.role, sender.incarnation);
            self.end_job(host, role, incarnation, &sender.job, |index| failure_of(outcomes.get(index), &name));
        }
        over || *broken
    }

    fn converse(
        &mut self,
        link: &mut Link,
        inbox: &mut Option<Vec<u8>>,
        sender: &mut Sender,
        session: &mut client::Session,
    ) -> bool {
        loop {
            while self.has_room(link) {
                let Some(effect) = session.next_effect() else { break };
                match effect {
                    Effect::Send(bytes) => {
                        self.send(link, bytes);
                        session.progressed(self.now);
                    }
                    Effect::StartTls => session.disconnected(),
                    Effect::Done(outcomes) => sender.outcomes = Some(outcomes),
                    Effect::Close => {
                        self.close_link(link);
                        return true;
                    }
                }
            }
            match self.read(link, inbox) {
                None => return session.is_closed(),
                Some(bytes) if bytes.is_empty() => {
                    session.disconnected();
                    while let Some(effect) = session.next_effect() {
                        if let Effect::Done(outcomes) = effect {
                            sender.outcomes = Some(outcomes);
                        }
                    }
                    self.close_link(link);
                    return true;
                }
                Some(bytes) => session.receive(self.now, &bytes),
            }
        }
    }

    /// Tells a queue how a job went.
    ///
    /// - `fate`: of the job's target at an index: `None` when it was delivered.
    fn end_job(
        &mut self,
        host: HostId,
        role: Role,
        incarnation: u64,
        job: &Job,
        fate: impl Fn(usize) -> Option<Failure>,
    ) {
        let now = self.now;
        let mut events = Vec::new();
        {
            let Some(office) = self.offices.get_mut(&(host, role)) else { return };
            if office.incarnation != incarnation {
                return;
            }
            if let Some(running) = office.running.get_mut(&job.destination) {
                *running = running.saturating_sub(1);
            }
            let Some((queue, disk)) = office.queue_mut() else { return };
            for (index, &target) in job.targets.iter().enumerate() {
                let to = queue.entry(job.id).and_then(|entry| entry.targets.get(target));
                let to = to.map(|target| target.address.to_string()).unwrap_or_default();
                let mut fields = vec![("id", job.id.to_string()), ("to", to)];
                match fate(index) {
                    None => {
                        queue.delivered(disk, job.id, target);
                        events.push((Level::Info, "copy handed over", fields));
                    }
                    Some(failure) => {
                        fields.push(("status", failure.status.to_string()));
                        fields.push(("why", failure.text.clone()));
                        match queue.failed(disk, now, job.id, target, failure) {
                            Some(next) => {
                                fields.push(("again_in_seconds", (next.since(now) / 1_000).to_string()));
                                events.push((Level::Warning, "copy deferred", fields));
                            }
                            None => events.push((Level::Warning, "copy given up", fields)),
                        }
                    }
                }
            }
        }
        for (level, message, fields) in events {
            self.log(host, role.name(), level, message, &fields);
        }
    }

    /// Asks where an address leads, for the first time or again because a delivery to its mailbox failed.
    fn start_expansion(&mut self, host: HostId, role: Role, incarnation: u64, job: Job) {
        let Some(target) = self.target(host, role, &job) else { return };
        let address = target.address.clone();
        if let Some(original) = self.bounced_forward(&address) {
            let into = NewTarget {
                addressee: target.addressee,
                address: original,
                sender: None,
                route: Route::Expand,
                variant: Variant::default(),
            };
            return self.expand(host, role, incarnation, &job, vec![into]);
        }
        self.ask(Question::Recipient { address, taken: true }, Continuation::Expand { host, role, incarnation, job });
    }

    fn target(&self, host: HostId, role: Role, job: &Job) -> Option<&Target> {
        let queue = self.offices.get(&(host, role)).and_then(super::office::Office::queue)?;
        queue.entry(job.id)?.targets.get(*job.targets.first()?)
    }

    pub(super) fn expansion_answered(&mut self, host: HostId, role: Role, incarnation: u64, job: Job, answer: Answer) {
        let Some(target) = self.target(host, role, &job).cloned() else { return };
        let addressee = target.addressee;
        let found = match answer {
            Answer::Recipient(Recipient::Known(delivery)) => {
                let is_there = |store: &str| {
                    let mut filtered = delivery.filtered.iter();
                    delivery.mailboxes.iter().any(|mailbox| mailbox.address == target.address && mailbox.store == store)
                        || filtered.any(|filtered| filtered.address == target.address && filtered.store == store)
                };
                if matches!(&target.route, Route::Mailbox { store } if is_there(store)) {
                    return self.start_delivery(host, role, incarnation, job);
                }
                let office = self.offices.get(&(host, role)).and_then(super::office::Office::queue);
                let sender = office.and_then(|queue| queue.entry(job.id)?.header.sender.clone());
                let mut into = self.targets_of(role, addressee, &delivery, sender.as_ref());
                if let Some(moved) = into.iter().find(|copy| copy.address == target.address).cloned()
                    && matches!(target.route, Route::Mailbox { .. })
                {
                    // The mailbox has moved; the other copies were made at first.
                    into = vec![moved];
                }
                for copy in &mut into {
                    copy.variant = target.variant.clone();
                }
                Ok(into)
            }
            Answer::Recipient(Recipient::Renamed(address)) => {
                match self.was_delivered(host, role, &job, &target) {
                    // To the same place, under the name that it has now.
                    Some(false) => Ok(vec![NewTarget {
                        addressee,
                        address,
                        sender: target.sender.clone(),
                        route: target.route.clone(),
                        variant: target.variant.clone(),
                    }]),
                    Some(true) => return self.end_job(host, role, incarnation, &job, |_| None),
                    None => Err(Failure::ours((4, 4, 1), "the store of a renamed mailbox cannot be asked")),
                }
            }
            Answer::Recipient(Recipient::Elsewhere) => Ok(vec![NewTarget {
                addressee,
                address: target.address.clone(),
                sender: target.sender.clone(),
                route: onward(role),
                variant: target.variant.clone(),
            }]),
            Answer::Recipient(Recipient::Unknown) => Err(Failure::ours((5, 1, 1), "no such mailbox here")),
            Answer::Recipient(Recipient::Disabled) => Err(Failure::ours((5, 2, 1), "the mailbox takes no mail")),
            Answer::Recipient(Recipient::OverQuota) => Err(Failure::ours((4, 2, 2), "the mailbox is full")),
            _ => Err(Failure::ours((4, 3, 0), "the directory cannot be reached")),
        };
        match found {
            Err(failure) => self.end_job(host, role, incarnation, &job, |_| Some(failure.clone())),
            Ok(into) => self.expand(host, role, incarnation, &job, into),
        }
    }

    /// Returns whether a copy lies in its mailbox already; under another name its store would take it for a new one.
    fn was_delivered(&self, host: HostId, role: Role, job: &Job, target: &Target) -> Option<bool> {
        let Route::Mailbox { store } = &target.route else { return Some(false) };
        let queue = self.offices.get(&(host, role)).and_then(super::office::Office::queue)?;
        self.mail_store(store, Role::Store)?.0.was_delivered(&queue.delivery_name(job.id), &target.address)
    }

    fn expand(&mut self, host: HostId, role: Role, incarnation: u64, job: &Job, into: Vec<NewTarget>) {
        let now = self.now;
        let Some(office) = self.offices.get_mut(&(host, role)) else { return };
        if office.incarnation != incarnation {
            return;
        }
        if let Some(running) = office.running.get_mut(&job.destination) {
            *running = running.saturating_sub(1);
        }
        if let Some((queue, disk)) = office.queue_mut()
            && let Some(&target) = job.targets.first()
        {
            // On an error the target waits and the directory is asked again.
            let _ = queue.expanded(disk, now, job.id, target, into);
        }
    }

    /// Returns the copies that mail for a known address is made into. What is forwarded goes under a sender of ours, where the
    /// plan has a domain for that.
    pub(super) fn targets_of(
        &self,
        role: Role,
        addressee: usize,
        delivery: &Delivery,
        sender: Option<&MailAddress>,
    ) -> Vec<NewTarget> {
        let mailboxes = delivery.mailboxes.iter().map(|mailbox| NewTarget {
            addressee,
            address: mailbox.address.clone(),
            sender: None,
            route: Route::Mailbox { store: mailbox.store.clone() },
            variant: Variant::default(),
        });
        let rewriting = self.topology.mail.forwarding.as_ref();
        let rewritten = rewriting.zip(sender).and_then(|(rules, sender)| forwarding::rewrite(rules, self.now, sender));
        let forwards = delivery.forwards.iter().map(|address| NewTarget {
            addressee,
            address: address.clone(),
            sender: rewritten.clone(),
            route: onward(role),
            variant: Variant::default(),
        });
        let filtered = delivery.filtered.iter().map(|filtered| NewTarget {
            addressee,
            address: filtered.address.clone(),
            sender: None,
            route: Route::Filtered { host: filtered.host.clone(), port: filtered.port },
            variant: Variant::default(),
        });
        mailboxes.chain(forwards).chain(filtered).collect()
    }
}

/// Returns the way from a role to the world.
fn onward(role: Role) -> Route {
    if role == Role::Outbound { Route::Remote } else { Route::Outbound }
}

/// Writes an address as `ORCPT` has it (RFC 3461 §4.2), so that a notice by the next host names it.
fn original_of(address: &MailAddress) -> Option<String> {
    let text = address.to_string();
    let mut out = "rfc822;".to_owned();
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' => out.push_str(&format!("+{byte:02X}")),
            b'!'..=b'~' => out.push(char::from(byte)),
            _ if text.is_ascii() => out.push_str(&format!("+{byte:02X}")),
            // RFC 6533 has a type of its own for these; without it the notice names the last address.
            _ => return None,
        }
    }
    Some(out)
}

fn failure_of(outcome: Option<&Outcome>, host: &str) -> Option<Failure> {
    match outcome {
        Some(Outcome::Delivered { .. }) => None,
        Some(Outcome::Failed { code, enhanced, text, permanent }) => {
            let status = Enhanced(if *permanent { 5 } else { 4 }, enhanced.1, enhanced.2);
            if *code == 0 {
                return Some(Failure { status, text: text.clone(), host: None });
            }
            Some(Failure { status, text: format!("{code} {enhanced} {text}"), host: Some(host.to_owned()) })
        }
        None => Some(Failure::ours((4, 5, 0), "the server told no outcome")),
    }
}

/// Returns a message's octets as one of its copies has them.
fn varied(content: Vec<u8>, variant: &Variant) -> Arc<[u8]> {
    if variant.fields.is_empty() && variant.subject_tag.is_empty() {
        return content.into();
    }
    let mut out = Vec::with_capacity(content.len() + variant.fields.len() + variant.subject_tag.len() + 16);
    out.extend_from_slice(&variant.fields);
    let mut rest = content.as_slice();
    if !variant.subject_tag.is_empty() {
        let header = mime::header::block(&content);
        match mime::header::fields(header).find(|field| field.is("Subject")) {
            Some(field) => {
                let (before, after) = content.split_at(field.value.start);
                out.extend_from_slice(before);
                out.push(b' ');
                out.extend_from_slice(variant.subject_tag.as_bytes());
                rest = after;
            }
            None => out.extend_from_slice(format!("Subject: {}\r\n", variant.subject_tag).as_bytes()),
        }
    }
    out.extend_from_slice(rest);
    out.into()
}
