//! The queue, over restarts and through its schedule.

use super::*;
use crate::disk::MemoryDisk;
use crate::smtp::{Enhanced, Notify, Return};

const START: Moment = Moment(1_795_348_800_000);
const HOUR: u64 = 3_600_000;

fn address(text: &str) -> MailAddress {
    text.parse().unwrap()
}

fn settings() -> Settings {
    Settings {
        host: "mx-1".to_owned(),
        hostname: "mx1.northmail.example".to_owned(),
        origin: "northmail.example".to_owned(),
        help: "For help, write to postmaster@northmail.example.".to_owned(),
        patience: Patience::STANDARD,
        journal: Options { segment_bytes: 4_096, ..Options::STANDARD },
    }
}

/// A queue with its disk and a clock.
struct Bench {
    disk: MemoryDisk,
    queue: Queue,
    now: Moment,
}

impl Bench {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let (queue, _) = Queue::open(&mut disk.clone(), settings()).unwrap();
        Self { disk, queue, now: START }
    }

    fn sync(&mut self) {
        while let Some((ticket, result)) = self.disk.finish_sync(true) {
            let outcome = self.queue.synced(&mut self.disk.clone(), ticket, result);
            assert_ne!(outcome, SyncOutcome::Failed);
        }
    }

    fn accept(&mut self, header: Header, routes: &[Route]) -> QueueId {
        let targets = header.addressees.iter().zip(routes).enumerate().map(|(addressee, (to, route))| NewTarget {
            addressee,
            address: to.address.clone(),
            sender: None,
            route: route.clone(),
            variant: Variant::default(),
        });
        let targets = targets.collect();
        let content: [&[u8]; 2] = [b"Received: x\r\n", b"Subject: hello\r\nTo: x\r\n\r\nbody\r\n"];
        let message = NewMessage { header, targets, content: &content, delivery: None, answers: None };
        self.queue.accept(&mut self.disk.clone(), message).unwrap().id
    }

    fn restart(&mut self) {
        self.disk.lose_power(&mut crate::chance::Chance::new(1));
        self.queue = Queue::open(&mut self.disk.clone(), settings()).unwrap().0;
        self.sync();
    }

    fn take(&mut self) -> Option<Job> {
        let due: Vec<Destination> =
            self.queue.destinations().filter(|(_, at)| *at <= self.now).map(|(place, _)| place.clone()).collect();
        due.iter().find_map(|place| self.queue.take(self.now, place))
    }

    fn fail(&mut self, job: &Job, failure: &Failure) {
        for &target in &job.targets {
            self.queue.failed(&mut self.disk.clone(), self.now, job.id, target, failure.clone());
        }
    }

    fn tick(&mut self) -> Vec<Notice> {
        let notices = self.queue.tick(&mut self.disk.clone(), self.now);
        self.sync();
        notices
    }

    fn text(&self, id: QueueId) -> String {
        String::from_utf8(self.queue.content(&self.disk, id).unwrap()).unwrap()
    }
}

fn header(recipients: &[&str]) -> Header {
    Header {
        accepted: START,
        sender: Some(address("bob@bigmail.example")),
        addressees: (recipients.iter())
            .map(|to| Addressee { address: address(to), notify: None, original: None })
            .collect(),
        returned: None,
        identifier: None,
        body: Body::SevenBit,
        internationalized: false,
        quiet: false,
    }
}

fn store() -> Route {
    Route::Mailbox { store: "store-1".to_owned() }
}

fn refused() -> Failure {
    Failure {
        status: Enhanced(5, 1, 1),
        text: "550 5.1.1 no such user".to_owned(),
        host: Some("mx.out.example".into()),
    }
}

fn later() -> Failure {
    Failure::ours((4, 4, 1), "connection refused")
}

#[test]
fn nothing_is_tried_before_it_is_durable() {
    let mut bench = Bench::new();
    bench.accept(header(&["a@acme.example"]), &[store()]);
    assert_eq!(bench.take(), None);
    bench.sync();
    assert!(bench.take().is_some());
    assert_eq!(bench.take(), None, "what is under way is not begun again");
}

#[test]
fn what_is_done_is_gone_and_stays_gone() {
    let mut bench = Bench::new();
    bench.accept(header(&["a@acme.example"]), &[store()]);
    bench.sync();
    let job = bench.take().unwrap();
    bench.queue.delivered(&mut bench.disk.clone(), job.id, 0);
    assert!(bench.queue.is_empty());
    bench.accept(header(&["b@acme.example"]), &[store()]);
    bench.sync();
    bench.restart();
    assert_eq!(bench.queue.len(), 1);
    assert!(bench.queue.entry(job.id).is_none());
}

#[test]
fn copies_for_one_store_travel_together_and_others_do_not() {
    let mut bench = Bench::new();
    let other = Route::Mailbox { store: "store-2".to_owned() };
    bench.accept(header(&["a@x.example", "b@x.example", "c@x.example"]), &[store(), other, store()]);
    bench.sync();
    assert_eq!(bench.take().unwrap().targets, [0, 2]);
    assert_eq!(bench.take().unwrap().targets, [1]);
}

#[test]
fn the_world_is_tried_on_schedule_until_the_message_expires() {
    let mut bench = Bench::new();
    bench.accept(header(&["a@down.example"]), &[Route::Remote]);
    bench.sync();
    let mut attempts = Vec::new();
    let lifetime = 5 * 24 * HOUR;
    while bench.now <= START.plus(lifetime) {
        if let Some(job) = bench.take() {
            if job.destination == Destination::Directory {
                // The notice of the delay goes to the sender.
                bench.queue.delivered(&mut bench.disk.clone(), job.id, 0);
                continue;
            }
            attempts.push(bench.now.since(START) / 60_000);
            bench.fail(&job, &later());
        }
        bench.tick();
        bench.now = bench.now.plus(60_000);
    }
    assert_eq!(attempts[..7], [0, 30, 90, 210, 450, 930, 1_410]);
    assert_eq!(*attempts.last().unwrap(), 5 * 24 * 60);
    assert_eq!(bench.queue.len(), 1);
    let (_, notice) = bench.queue.entries().next().unwrap();
    assert_eq!(notice.header.addressees[0].address, address("bob@bigmail.example"));
}

#[test]
fn a_failure_is_told_with_all_that_rfc_3464_asks_for() {
    let mut bench = Bench::new();
    let mut header = header(&["a@out.example", "b@out.example", "c@acme.example"]);
    header.identifier = Some("id+2B1".to_owned());
    header.addressees[0].original = Some("rfc822;al+2Bias@acme.example".to_owned());
    let id = bench.accept(header, &[Route::Remote, Route::Remote, store()]);
    bench.sync();
    while let Some(job) = bench.take() {
        match &job.destination {
            Destination::Store(_) => bench.queue.delivered(&mut bench.disk.clone(), job.id, job.targets[0]),
            _ => bench.fail(&job, &refused()),
        }
    }
    let notices = bench.tick();
    assert_eq!(notices.len(), 1);
    assert_eq!((notices[0].about, notices[0].kind), (id, NoticeKind::Failed));
    assert_eq!(bench.queue.len(), 1, "the message itself is settled");
    let text = bench.text(notices[0].id);
    for part in [
        "From: Mail Delivery System <MAILER-DAEMON@northmail.example>\r\nTo: <bob@bigmail.example>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "Content-Type: multipart/report; report-type=delivery-status;\r\n",
        "Reporting-MTA: dns; mx1.northmail.example\r\nOriginal-Envelope-Id: id+1\r\n",
        "Arrival-Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n",
        "\r\nOriginal-Recipient: rfc822; al+ias@acme.example\r\nFinal-Recipient: rfc822; a@out.example\r\nAction: failed\r\n\
         Status: 5.1.1\r\nRemote-MTA: dns; mx.out.example\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n",
        "\r\nFinal-Recipient: rfc822; b@out.example\r\n",
        "Content-Type: text/rfc822-headers\r\n",
        "\r\n\r\nReceived: x\r\nSubject: hello\r\nTo: x\r\n\r\n--",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(!text.contains("c@acme.example") && !text.contains("body"));
    let entry = bench.queue.entry(notices[0].id).unwrap();
    assert_eq!((&entry.header.sender, entry.header.internationalized), (&None, false));
    assert_eq!(entry.targets[0].route, Route::Expand);
    // What the report says is a MIME tree that others read too.
    let parsed = mail_parser::MessageParser::default().parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.parts.len(), 4);
}

#[test]
fn ret_full_returns_the_message() {
    let mut bench = Bench::new();
    let mut header = header(&["a@out.example"]);
    header.returned = Some(Return::Full);
    bench.accept(header, &[Route::Remote]);
    bench.sync();
    let job = bench.take().unwrap();
    bench.fail(&job, &refused());
    let notice = bench.tick().remove(0);
    let text = bench.text(notice.id);
    assert!(text.contains("Content-Type: message/rfc822\r\n") && text.contains("\r\n\r\nbody\r\n"), "{text}");
}

#[test]
fn nobody_is_told_who_asked_not_to_be_or_cannot_be() {
    let never = Some(Notify::default());
    let only_success = Some(Notify { success: true, ..Notify::default() });
    for (sender, notify, quiet) in [
        (None, None, false),
        (Some(address("bob@bigmail.example")), never, false),
        (Some(address("bob@bigmail.example")), only_success, false),
        (Some(address("bob@bigmail.example")), None, true),
    ] {
        let mut bench = Bench::new();
        let mut header = Header { sender, quiet, ..header(&["a@out.example"]) };
        header.addressees[0].notify = notify;
        bench.accept(header, &[Route::Remote]);
        bench.sync();
        let job = bench.take().unwrap();
        bench.fail(&job, &refused());
        assert_eq!(bench.tick(), []);
        assert!(bench.queue.is_empty());
    }
}

#[test]
fn a_delivery_is_told_when_that_was_asked_for() {
    let success = Some(Notify { success: true, ..Notify::default() });
    for (route, action) in [(store(), "relayed"), (Route::Remote, "relayed")] {
        let mut bench = Bench::new();
        let mut header = header(&["a@acme.example"]);
        header.addressees[0].notify = success;
        bench.accept(header, &[route]);
        bench.sync();
        let job = bench.take().unwrap();
        bench.queue.delivered(&mut bench.disk.clone(), job.id, 0);
        let notice = bench.tick().remove(0);
        assert!(bench.text(notice.id).contains(&format!("Action: {action}\r\nStatus: 2.0.0\r\n")));
        assert_eq!(bench.queue.len(), 1);
    }
}

#[test]
fn a_delay_is_told_once() {
    let mut bench = Bench::new();
    bench.accept(header(&["a@out.example"]), &[Route::Remote]);
    bench.sync();
    let mut told = 0;
    for _ in 0..20 {
        if let Some(job) = bench.take() {
            match job.destination {
                Destination::Directory => bench.queue.delivered(&mut bench.disk.clone(), job.id, 0),
                _ => bench.fail(&job, &later()),
            }
        }
        told += bench.tick().iter().filter(|notice| notice.kind == NoticeKind::Delayed).count();
        bench.now = bench.now.plus(HOUR);
        if bench.now == START.plus(10 * HOUR) {
            bench.restart();
        }
    }
    assert_eq!(told, 1);
}

#[test]
fn a_notice_and_what_it_settles_are_one() {
    let mut bench = Bench::new();
    bench.accept(header(&["a@out.example"]), &[Route::Remote]);
    bench.sync();
    let job = bench.take().unwrap();
    bench.fail(&job, &refused());
    let notices = bench.tick();
    assert_eq!(notices.len(), 1);
    bench.restart();
    assert_eq!(bench.tick(), [], "nobody is told twice");
    assert_eq!(bench.queue.entries().map(|(id, _)| id).collect::<Vec<_>>(), [notices[0].id]);
}

#[test]
fn a_delivery_from_another_host_is_remembered_beyond_the_message() {
    let mut bench = Bench::new();
    let recipient = address("a@out.example");
    let message = NewMessage {
        header: header(&["a@out.example"]),
        targets: Vec::new(),
        content: &[b"x\r\n"],
        delivery: Some("mx-1.2A".to_owned()),
        answers: Some((&recipient, &recipient)),
    };
    bench.queue.accept(&mut bench.disk.clone(), message).unwrap();
    bench.sync();
    // Enough traffic for the first segments to go.
    for _ in 0..200 {
        bench.accept(header(&["b@acme.example"]), &[store()]);
        bench.sync();
        while let Some(job) = bench.take() {
            bench.queue.delivered(&mut bench.disk.clone(), job.id, 0);
        }
        bench.tick();
    }
    assert!(bench.disk.contents("journal-0000000000000001").is_none(), "the first segment is gone");
    assert!(bench.disk.used() < 40_000, "{} bytes", bench.disk.used());
    let next = bench.queue.next_id();
    bench.restart();
    assert_eq!(bench.queue.next_id(), next);
    assert!(bench.queue.taken_before("mx-1.2A", &recipient).is_some());
    assert!(bench.queue.taken_before("mx-1.2A", &address("b@out.example")).is_none());
    assert_eq!(bench.queue.last_answered(&recipient, &recipient), Some(START));
}

#[test]
fn what_waits_long_survives_its_segment() {
    let mut bench = Bench::new();
    let id = bench.accept(header(&["a@down.example"]), &[Route::Remote]);
    bench.sync();
    let job = bench.take().unwrap();
    bench.fail(&job, &later());
    for _ in 0..200 {
        bench.accept(header(&["b@acme.example"]), &[store()]);
        bench.sync();
        while let Some(job) = bench.take() {
            bench.queue.delivered(&mut bench.disk.clone(), job.id, 0);
        }
        bench.tick();
    }
    assert!(bench.disk.contents("journal-0000000000000001").is_none());
    let before = bench.queue.entry(id).unwrap().targets.clone();
    bench.restart();
    assert_eq!(bench.queue.entry(id).unwrap().targets, before);
    assert!(bench.text(id).ends_with("body\r\n"));
}

#[test]
fn an_expansion_that_cannot_be_written_is_done_again() {
    let mut bench = Bench::new();
    let id = bench.accept(header(&["a@acme.example", "b@acme.example"]), &[Route::Expand, Route::Expand]);
    bench.sync();
    let first = bench.take().unwrap();
    bench.disk.limit(Some(bench.disk.used()));
    let into = |to: &str| {
        vec![NewTarget {
            addressee: 0,
            address: address(to),
            sender: None,
            route: store(),
            variant: Variant::default(),
        }]
    };
    let mut disk = bench.disk.clone();
    assert!(bench.queue.expanded(&mut disk, bench.now, id, first.targets[0], into("x@acme.example")).is_err());
    bench.disk.limit(None);
    let second = bench.take().unwrap();
    bench.queue.expanded(&mut disk, bench.now, id, second.targets[0], into("y@acme.example")).unwrap();
    bench.now = bench.now.plus(HOUR);
    let places: Vec<Destination> = std::iter::from_fn(|| bench.take()).map(|job| job.destination).collect();
    assert_eq!(places, [Destination::Directory, Destination::Store("store-1".to_owned())]);
}

#[test]
fn after_a_failed_sync_what_was_not_promised_is_forgotten() {
    let mut bench = Bench::new();
    let kept = bench.accept(header(&["a@acme.example"]), &[store()]);
    bench.sync();
    bench.accept(header(&["b@acme.example"]), &[store()]);
    let (ticket, result) = bench.disk.finish_sync(false).unwrap();
    assert_eq!(bench.queue.synced(&mut bench.disk.clone(), ticket, result), SyncOutcome::Failed);
    bench.queue = bench.queue.reopen(&mut bench.disk.clone()).unwrap().0;
    bench.sync();
    assert_eq!(bench.queue.entries().map(|(id, _)| id).collect::<Vec<_>>(), [kept]);
    assert!(bench.take().is_some());
}

#[test]
fn what_comes_back_is_due_at_once() {
    let mut bench = Bench::new();
    bench.accept(header(&["a@out.example"]), &[Route::Remote]);
    bench.sync();
    let job = bench.take().unwrap();
    bench.fail(&job, &later());
    assert_eq!(bench.take(), None);
    bench.queue.flush(bench.now, &job.destination);
    let again = bench.take().unwrap();
    assert_eq!(again, job);
    bench.queue.returned(again.id, 0);
    assert_eq!(bench.take(), Some(job));
}
