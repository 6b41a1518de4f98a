//! The switch with real sockets on its ports, in a thread of its own.

use std::io::ErrorKind;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tappers::Tap;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use crate::core::{Core, Counters, Moment, Port};
use crate::frames::{LONGEST, Reader, framed};
use crate::weather::Weather;

/// Frames that wait for a socket to take them at most.
const OUTBOX: usize = 1024;

/// How long a port may take to pass from one machine to the next.
const HANDOVER: Duration = Duration::from_secs(5);

/// How often is looked whether it has.
const LOOK: Duration = Duration::from_micros(200);

/// What hangs on a port.
pub enum Wire {
    /// A virtual machine that connects to a Unix socket at this path; one that connects later takes its place at once. One that
    /// connects to [`beside`] it waits until the port is passed on to it ([`Switch::pass_on`]).
    Socket(PathBuf),
    /// A TAP device of whatever network namespace it was made in.
    Tap(Tap),
}

/// Returns the socket beside a port's own, where a machine waits that is to take over from the one on the port.
pub fn beside(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".next");
    PathBuf::from(name)
}

/// Why a switch could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SwitchFailure {
    /// A socket could not be made.
    #[error("could not listen on {}", path.display())]
    Listen {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no thread or timer to be had, or the TAP device cannot be used.
    #[error("could not start the switch")]
    Start(#[source] std::io::Error),
}

struct Shared {
    core: Mutex<Core>,
    bell: Notify,
    begun: Instant,
    ports: Vec<Handover>,
}

/// How a port passes from one machine to the next.
#[derive(Default)]
struct Handover {
    /// Who waits.
    next: Mutex<Option<UnixStream>>,
    /// Rings when the port is to be passed on.
    bell: Notify,
    /// How often it was.
    done: AtomicU64,
}

impl Handover {
    fn next(&self) -> MutexGuard<'_, Option<UnixStream>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn receive(&self, port: Port, frame: Vec<u8>) {
        self.core().receive(self.now(), port, frame);
        self.bell.notify_one();
    }
}

/// A switch that runs.
pub struct Switch {
    shared: Arc<Shared>,
    closing: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Something on a port, ready to be served.
enum Plug {
    /// The port's own, and the one beside it.
    Listener(StdListener, StdListener),
    Tap(Tap),
}

impl Switch {
    /// Starts a switch; machines can connect when this returns.
    ///
    /// - `wires`: what hangs on each port, in order. Sockets that are left over from another run are replaced.
    /// - `seed`: decides all that is left to chance.
    pub fn start(wires: Vec<Wire>, seed: u64) -> Result<Self, SwitchFailure> {
        let mut plugs = Vec::new();
        for wire in wires {
            plugs.push(match wire {
                Wire::Socket(path) => {
                    let next = beside(&path);
                    let failed = |path: PathBuf| move |source| SwitchFailure::Listen { path, source };
                    Plug::Listener(listen(&path).map_err(failed(path))?, listen(&next).map_err(failed(next))?)
                }
                Wire::Tap(mut tap) => {
                    tap.set_nonblocking(true).map_err(SwitchFailure::Start)?;
                    Plug::Tap(tap)
                }
            });
        }
        let shared = Arc::new(Shared {
            core: Mutex::new(Core::new(plugs.len(), seed)),
            bell: Notify::new(),
            begun: Instant::now(),
            ports: plugs.iter().map(|_| Handover::default()).collect(),
        });
        let (closing, closed) = watch::channel(false);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SwitchFailure::Start)?;
        let inner = Arc::clone(&shared);
        let run = move || runtime.block_on(serve(inner, plugs, closed));
        let thread = std::thread::Builder::new().name("switch".to_owned()).spawn(run).map_err(SwitchFailure::Start)?;
        Ok(Self { shared, closing, thread: Some(thread) })
    }

    /// Changes how a port's line is.
    pub fn set_weather(&self, port: Port, weather: Weather) {
        self.shared.core().set_weather(port, weather);
    }

    /// Cuts two ports off from each other, or mends that.
    pub fn set_cut(&self, one: Port, other: Port, cut: bool) {
        self.shared.core().set_cut(one, other, cut);
    }

    /// Keeps what is for a port until it takes frames again, or hands all of it over.
    pub fn hold(&self, port: Port, hold: bool) {
        let now = self.shared.now();
        self.shared.core().hold(now, port, hold);
        self.shared.bell.notify_one();
    }

    /// Tells whether a machine waits beside a port.
    pub fn is_awaited(&self, port: Port) -> bool {
        self.shared.ports.get(port.0).is_some_and(|handover| handover.next().is_some())
    }

    /// Passes a port on to the machine that waits beside it; what is held for the port is for that one.
    ///
    /// - Returns: whether it has the port now; not where nobody waits.
    pub fn pass_on(&self, port: Port) -> bool {
        let Some(handover) = self.shared.ports.get(port.0).filter(|handover| handover.next().is_some()) else {
            return false;
        };
        let before = handover.done.load(Ordering::Acquire);
        handover.bell.notify_one();
        let begun = Instant::now();
        while handover.done.load(Ordering::Acquire) == before {
            if begun.elapsed() > HANDOVER {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    /// Sends whoever waits beside a port away.
    pub fn send_away(&self, port: Port) {
        if let Some(handover) = self.shared.ports.get(port.0) {
            drop(handover.next().take());
        }
    }

    /// Returns what it has done so far.
    pub fn counters(&self) -> Counters {
        self.shared.core().counters()
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = self.closing.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(path: &std::path::Path) -> std::io::Result<StdListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = StdListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve(shared: Arc<Shared>, plugs: Vec<Plug>, mut closing: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let mut outboxes = Vec::new();
    for (number, plug) in plugs.into_iter().enumerate() {
        let (outbox, frames) = mpsc::channel(OUTBOX);
        outboxes.push(outbox);
        let (shared, port) = (Arc::clone(&shared), Port(number));
        match plug {
            Plug::Listener(listener, next) => {
                if let (Ok(listener), Ok(next)) = (UnixListener::from_std(listener), UnixListener::from_std(next)) {
                    tasks.spawn(wait_beside(Arc::clone(&shared), port, next));
                    tasks.spawn(machine(shared, port, listener, frames));
                }
            }
            Plug::Tap(tap) => {
                #[expect(
                    deprecated,
                    reason = "what takes its place is unsafe; the device owns its descriptor, as that asks"
                )]
                let registered = AsyncFd::new(tap);
                if let Ok(tap) = registered {
                    tasks.spawn(namespace(shared, port, tap, frames));
                }
            }
        }
    }
    tokio::select! {
        () = deliver(&shared, &outboxes) => {}
        _ = closing.wait_for(|closing| *closing) => {}
    }
}

/// Hands frames over when they are due.
async fn deliver(shared: &Shared, outboxes: &[mpsc::Sender<Arc<[u8]>>]) {
    loop {
        let next = {
            let now = shared.now();
            let mut core = shared.core();
            while let Some((port, frame)) = core.due(now) {
                // A machine that takes nothing loses what it does not take, and holds nobody up.
                let _ = outboxes.get(port.0).map(|outbox| outbox.try_send(frame));
            }
            core.next().map(|at| Duration::from_micros(at.saturating_sub(now)))
        };
        match next {
            None => shared.bell.notified().await,
            Some(wait) => tokio::select! {
                () = shared.bell.notified() => {}
                () = tokio::time::sleep(wait) => {}
            },
        }
    }
}

/// Lets a machine wait beside a port; one that comes later waits instead of it.
async fn wait_beside(shared: Arc<Shared>, port: Port, listener: UnixListener) {
    loop {
        match (listener.accept().await, shared.ports.get(port.0)) {
            (Ok((stream, _)), Some(handover)) => drop(handover.next().replace(stream)),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Serves whichever machine is connected to a port.
async fn machine(shared: Arc<Shared>, port: Port, listener: UnixListener, mut frames: mpsc::Receiver<Arc<[u8]>>) {
    let Some(handover) = shared.ports.get(port.0) else { return };
    let mut stream: Option<UnixStream> = None;
    let mut was_there = false;
    loop {
        let mut connected = match stream.take() {
            Some(stream) => stream,
            None => tokio::select! {
                biased;
                // What comes for a machine that is gone is lost, and not for the one that comes later.
                frame = frames.recv(), if was_there => {
                    if frame.is_none() {
                        return;
                    }
                    continue;
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(_) => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
                () = handover.bell.notified() => {
                    stream = handover.next().take();
                    handover.done.fetch_add(1, Ordering::Release);
                    continue;
                }
            },
        };
        was_there = true;
        shared.core().renewed(port);
        let (read, write) = connected.split();
        tokio::select! {
            () = take(&shared, port, read) => {}
            () = give(write, &mut frames) => {}
            // Another machine takes the place of this one.
            accepted = listener.accept() => stream = accepted.ok().map(|(stream, _)| stream),
            () = handover.bell.notified() => {
                stream = handover.next().take();
                handover.done.fetch_add(1, Ordering::Release);
            }
        }
    }
}

async fn take(shared: &Shared, port: Port, mut from: impl AsyncReadExt + Unpin) {
    let mut reader = Reader::default();
    let mut bytes = vec![0; 65_536];
    loop {
        let Ok(length @ 1..) = from.read(&mut bytes).await else { return };
        let Ok(found) = reader.take(bytes.get(..length).unwrap_or_default()) else { return };
        for frame in found {
            shared.receive(port, frame);
        }
    }
}

async fn give(mut to: impl AsyncWriteExt + Unpin, frames: &mut mpsc::Receiver<Arc<[u8]>>) {
    while let Some(frame) = frames.recv().await {
        if to.write_all(&framed(&frame)).await.is_err() {
            return;
        }
    }
}

async fn namespace(shared: Arc<Shared>, port: Port, tap: AsyncFd<Tap>, mut frames: mpsc::Receiver<Arc<[u8]>>) {
    let mut bytes = vec![0; LONGEST];
    loop {
        tokio::select! {
            ready = tap.readable() => {
                let Ok(mut ready) = ready else { return };
                match ready.try_io(|tap| tap.get_ref().recv(&mut bytes)) {
                    Ok(Ok(length)) => shared.receive(port, bytes.get(..length).unwrap_or_default().to_vec()),
                    // The device is down, or gone.
                    Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                    Err(_) => {}
                }
            }
            frame = frames.recv() => {
                let Some(frame) = frame else { return };
                // What the device does not take is lost, as on any wire.
                let _ = tap.get_ref().send(&frame);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream as StdStream;

    use super::*;

    fn frame(to: u8, from: u8, text: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0];
        frame.extend_from_slice(text);
        frame
    }

    fn hear(stream: &mut StdStream) -> Vec<u8> {
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame).unwrap();
        frame
    }

    #[test]
    fn machines_hear_each_other_and_one_that_comes_again_is_heard_again() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("a"), folder.path().join("b")];
        let wires = paths.iter().map(|path| Wire::Socket(path.clone())).collect();
        let switch = Switch::start(wires, 1).unwrap();
        let connect = |number: usize| {
            let stream = StdStream::connect(&paths[number]).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream
        };
        let (mut one, mut other) = (connect(0), connect(1));
        one.write_all(&framed(&frame(2, 1, b"hello"))).unwrap();
        assert_eq!(hear(&mut other), frame(2, 1, b"hello"));
        other.write_all(&framed(&frame(1, 2, b"hi"))).unwrap();
        assert_eq!(hear(&mut one), frame(1, 2, b"hi"));
        // Nonsense ends the connection of the one who sent it, and nobody else's.
        other.write_all(&[0xff; 64]).unwrap();
        assert_eq!(other.read(&mut [0; 1]).unwrap_or(0), 0);
        let mut again = connect(1);
        again.write_all(&framed(&frame(1, 2, b"back"))).unwrap();
        assert_eq!(hear(&mut one), frame(1, 2, b"back"));
        assert!(switch.counters().delivered >= 3);
    }

    #[test]
    fn what_comes_for_a_machine_that_is_gone_is_not_for_the_one_that_comes_later() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("a"), folder.path().join("b")];
        let wires = paths.iter().map(|path| Wire::Socket(path.clone())).collect();
        let switch = Switch::start(wires, 1).unwrap();
        let connect = |number: usize| {
            let stream = StdStream::connect(&paths[number]).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream
        };
        let (mut one, mut other) = (connect(0), connect(1));
        one.write_all(&framed(&frame(2, 1, b"hello"))).unwrap();
        assert_eq!(hear(&mut other), frame(2, 1, b"hello"));
        drop(other);
        for _ in 0..10 {
            one.write_all(&framed(&frame(2, 1, b"to nobody"))).unwrap();
        }
        let begun = Instant::now();
        while switch.counters().delivered < 11 {
            assert!(begun.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
        let mut again = connect(1);
        again.write_all(&framed(&frame(1, 2, b"back"))).unwrap();
        assert_eq!(hear(&mut one), frame(1, 2, b"back"));
        one.write_all(&framed(&frame(2, 1, b"welcome"))).unwrap();
        assert_eq!(hear(&mut again), frame(2, 1, b"welcome"));
    }

    #[test]
    fn a_port_passes_to_who_waits_beside_it_with_what_was_held_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("a"), folder.path().join("b")];
        let wires = paths.iter().map(|path| Wire::Socket(path.clone())).collect();
        let switch = Switch::start(wires, 1).unwrap();
        let connect = |path: &Path| {
            let stream = StdStream::connect(path).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream
        };
        let (mut one, mut old) = (connect(&paths[0]), connect(&paths[1]));
        old.write_all(&framed(&frame(1, 2, b"here"))).unwrap();
        assert_eq!(hear(&mut one), frame(1, 2, b"here"));
        assert!(!switch.pass_on(Port(1)), "nobody waits");
        let mut new = connect(&beside(&paths[1]));
        let begun = Instant::now();
        while !switch.is_awaited(Port(1)) {
            assert!(begun.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
        // Who waits hears nothing yet.
        one.write_all(&framed(&frame(2, 1, b"to the old"))).unwrap();
        assert_eq!(hear(&mut old), frame(2, 1, b"to the old"));
        switch.hold(Port(1), true);
        one.write_all(&framed(&frame(2, 1, b"held"))).unwrap();
        one.write_all(&framed(&frame(2, 1, b"held too"))).unwrap();
        assert!(switch.pass_on(Port(1)));
        switch.hold(Port(1), false);
        assert_eq!(hear(&mut new), frame(2, 1, b"held"));
        assert_eq!(hear(&mut new), frame(2, 1, b"held too"));
        assert_eq!(old.read(&mut [0; 1]).unwrap_or(0), 0, "the old one is let go");
        new.write_all(&framed(&frame(1, 2, b"still here"))).unwrap();
        assert_eq!(hear(&mut one), frame(1, 2, b"still here"));
        // Who is sent away does not get it.
        let mut late = connect(&beside(&paths[1]));
        let begun = Instant::now();
        while !switch.is_awaited(Port(1)) {
            assert!(begun.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
        switch.send_away(Port(1));
        assert_eq!(late.read(&mut [0; 1]).unwrap_or(0), 0);
        assert!(!switch.pass_on(Port(1)));
    }
}
