//! What goes over the wire, kept for a while: the last megabytes of it, as a capture file for whoever wants to know why something failed.
//!
//! One socket in the namespace of the wire sees every frame as often as it passes a device there; it is kept once.
//!
//! Source: packet(7); the format of `libpcap` 2.4 (draft-ietf-opsawg-pcap), link type 1.

use std::collections::VecDeque;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{ErrorKind, Read};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};

use super::fabric::Fabric;
use crate::failure::Failure;

/// Bytes that are kept.
const KEPT: usize = 16 << 20;

/// Bytes of one frame that are kept; how long it was stays known.
const SNAP: usize = 4096;

/// The longest frame that a device hands on in one piece.
const LONGEST: usize = 66_000;

/// How many frames back the same one is looked for.
const RECENT: usize = 64;

/// How long the same frame is taken for one that passes another device. What is sent again comes later.
const PASSES: Duration = Duration::from_millis(50);

/// Room for frames that nobody has read yet, in bytes.
const ROOM: usize = 4 << 20;

/// How long is waited for a frame before somebody asks whether it is over.
const PAUSE: Duration = Duration::from_millis(200);

/// Every protocol there is (`ETH_P_ALL`), in the network's order.
const EVERYTHING: u16 = 3_u16.to_be();

/// Looks at a wire until it is dropped.
pub(super) struct Trace {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Trace {
    /// Begins to look.
    pub(super) fn begin(fabric: &Fabric) -> Result<Self, Failure> {
        let socket = fabric.within(open)?;
        let (seen, over) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let (kept, ends) = (Arc::clone(&seen), Arc::clone(&over));
        let look = move || {
            let mut socket = File::from(socket);
            let mut frame = vec![0; LONGEST];
            while !ends.load(Ordering::Relaxed) {
                match socket.read(&mut frame) {
                    Ok(length) => {
                        let frame = frame.get(..length).unwrap_or_default();
                        kept.lock().unwrap_or_else(PoisonError::into_inner).take(SystemTime::now(), frame);
                    }
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                    // A device that is gone is told once.
                    Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NETDOWN.raw_os_error()) => {}
                    Err(_) => return,
                }
            }
        };
        let thread = std::thread::Builder::new().name("trace".to_owned()).stack_size(256 * 1024).spawn(look);
        let thread = thread.map_err(|source| Failure::Thread { thread: "trace", source })?;
        Ok(Self { seen, over, thread: Some(thread) })
    }

    /// Returns what has passed since a moment, as far as it is still kept, as a capture file.
    pub(super) fn since(&self, moment: SystemTime) -> Vec<u8> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).file(moment)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It ends by itself within a pause.
            let _ = thread.join();
        }
    }
}

/// Makes a socket that sees every frame of the namespace this thread is in.
fn open() -> std::io::Result<OwnedFd> {
    let everything = NonZeroU32::new(u32::from(EVERYTHING)).map(Protocol::from_raw);
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, everything)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PAUSE))?;
    // With less room some frames are missed, and nothing else.
    let _ = set_socket_recv_buffer_size_force(&socket, ROOM);
    Ok(socket)
}

/// A frame, as far as it is kept.
struct Frame {
    at: SystemTime,
    length: usize,
    bytes: Box<[u8]>,
}

/// The frames that were seen last.
#[derive(Default)]
struct Seen {
    frames: VecDeque<Frame>,
    size: usize,
    recent: VecDeque<(u64, SystemTime)>,
}

impl Seen {
    fn take(&mut self, at: SystemTime, frame: &[u8]) {
        let mut hash = DefaultHasher::new();
        frame.hash(&mut hash);
        let hash = hash.finish();
        let lately = |then: &SystemTime| at.duration_since(*then).is_ok_and(|age| age < PASSES);
        if self.recent.iter().any(|(known, then)| *known == hash && lately(then)) {
            return;
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((hash, at));
        let bytes: Box<[u8]> = frame.get(..frame.len().min(SNAP)).unwrap_or_default().into();
        self.size += bytes.len();
        self.frames.push_back(Frame { at, length: frame.len(), bytes });
        while self.size > KEPT
            && let Some(oldest) = self.frames.pop_front()
        {
            self.size -= oldest.bytes.len();
        }
    }

    fn file(&self, since: SystemTime) -> Vec<u8> {
        let mut file = Vec::new();
        let number = |file: &mut Vec<u8>, number: u32| file.extend_from_slice(&number.to_le_bytes());
        // Microseconds, version 2.4, no time zone, no accuracy; then the longest piece of a frame, and Ethernet.
        number(&mut file, 0xa1b2_c3d4);
        file.extend_from_slice(&[2, 0, 4, 0]);
        for field in [0, 0, u32::try_from(SNAP).unwrap_or(u32::MAX), 1] {
            number(&mut file, field);
        }
        for frame in self.frames.iter().filter(|frame| frame.at >= since) {
            let at = frame.at.duration_since(UNIX_EPOCH).unwrap_or_default();
            // The format counts seconds in 32 bits.
            number(&mut file, u32::try_from(at.as_secs()).unwrap_or(u32::MAX));
            number(&mut file, at.subsec_micros());
            number(&mut file, u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX));
            number(&mut file, u32::try_from(frame.length).unwrap_or(u32::MAX));
            file.extend_from_slice(&frame.bytes);
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    /// Reads a capture file: moment in microseconds, length on the wire, bytes kept.
    fn read(file: &[u8]) -> Vec<(u64, usize, Vec<u8>)> {
        assert_eq!(file[..8], [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]);
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        assert_eq!((number(16), number(20)), (4096, 1));
        let (mut place, mut frames) = (24, Vec::new());
        while place < file.len() {
            let moment = u64::from(number(place)) * 1_000_000 + u64::from(number(place + 4));
            let kept = number(place + 8) as usize;
            frames.push((moment, number(place + 12) as usize, file[place + 16..place + 16 + kept].to_vec()));
            place += 16 + kept;
        }
        frames
    }

    #[test]
    fn a_frame_that_passes_several_devices_is_kept_once_and_one_that_is_sent_again_twice() {
        let mut seen = Seen::default();
        for (moment, frame) in [(1000, "one"), (1001, "two"), (1002, "one"), (1300, "one")] {
            seen.take(at(moment), frame.as_bytes());
        }
        let frames: Vec<(u64, String)> = read(&seen.file(at(0)))
            .into_iter()
            .map(|(moment, _, bytes)| (moment / 1000, String::from_utf8(bytes).unwrap()))
            .collect();
        assert_eq!(frames, [(1000, "one".to_owned()), (1001, "two".to_owned()), (1300, "one".to_owned())]);
        assert_eq!(read(&seen.file(at(1001))).len(), 2, "what came before is nobody's evidence");
    }

    #[test]
    fn the_oldest_frames_go_and_long_ones_are_cut() {
        let mut seen = Seen::default();
        for number in 0..6000_u64 {
            let mut frame = vec![0; 6000];
            frame[..8].copy_from_slice(&number.to_be_bytes());
            seen.take(at(number * 100), &frame);
        }
        let frames = read(&seen.file(at(0)));
        assert_eq!(frames.len(), KEPT / SNAP);
        assert!(frames.iter().all(|(_, length, bytes)| *length == 6000 && bytes.len() == SNAP));
        assert_eq!(frames.last().map(|(moment, ..)| *moment), Some(599_900_000));
    }

    proptest::proptest! {
        #[test]
        fn whatever_passes_is_written_so_that_it_can_be_read(frames: Vec<Vec<u8>>) {
            let mut seen = Seen::default();
            for (number, frame) in frames.iter().enumerate() {
                seen.take(at(1000 * number as u64), frame);
            }
            let back: Vec<Vec<u8>> = read(&seen.file(at(0))).into_iter().map(|(_, _, bytes)| bytes).collect();
            proptest::prop_assert_eq!(back, frames);
        }
    }
}
