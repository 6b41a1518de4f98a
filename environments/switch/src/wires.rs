//! The switch with real sockets on its ports, in a thread of its own.

use std::io::ErrorKind;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
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

/// What hangs on a port.
pub enum Wire {
    /// A virtual machine that connects to a Unix socket at this path; one that connects later takes its place.
    Socket(PathBuf),
    /// A TAP device of whatever network namespace it was made in.
    Tap(Tap),
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
    Listener(StdListener),
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
                    Plug::Listener(listen(&path).map_err(|source| SwitchFailure::Listen { path, source })?)
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
            Plug::Listener(listener) => {
                if let Ok(listener) = UnixListener::from_std(listener) {
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

/// Serves whichever machine is connected to a port.
async fn machine(shared: Arc<Shared>, port: Port, listener: UnixListener, mut frames: mpsc::Receiver<Arc<[u8]>>) {
    let mut stream: Option<UnixStream> = None;
    loop {
        let mut connected = match stream.take() {
            Some(stream) => stream,
            None => match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        shared.core().renewed(port);
        let (read, write) = connected.split();
        tokio::select! {
            () = take(&shared, port, read) => {}
            () = give(write, &mut frames) => {}
            // Another machine takes the place of this one.
            accepted = listener.accept() => stream = accepted.ok().map(|(stream, _)| stream),
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
}
