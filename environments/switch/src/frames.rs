//! Frames on a stream socket: each after its length as four octets, the most significant first, as QEMU's `-netdev stream` has it.

/// The shortest frame: two addresses and a type (IEEE 802.3 §3.1.1); a switch needs no more of it.
pub const SHORTEST: usize = 14;

/// The longest frame that is carried, in octets: what a network card without large segments can send, and some more.
pub const LONGEST: usize = 65_550;

/// Takes a stream apart.
#[derive(Debug, Default)]
pub struct Reader {
    waiting: Vec<u8>,
}

/// A stream that is none of frames; nothing that comes after it can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} octets was announced, and none is longer than {LONGEST}")]
pub struct NoFrames {
    /// What was announced.
    pub length: u32,
}

impl Reader {
    /// Takes what has arrived and returns the frames that are whole; frames too short to be any are passed over.
    ///
    /// - Errors: [`NoFrames`]; the connection is to be closed.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, NoFrames> {
        self.waiting.extend_from_slice(bytes);
        let mut frames = Vec::new();
        let mut rest = self.waiting.as_slice();
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length);
            let octets = usize::try_from(length).unwrap_or(usize::MAX);
            if octets > LONGEST {
                return Err(NoFrames { length });
            }
            let Some((frame, after)) = behind.split_at_checked(octets) else { break };
            if octets >= SHORTEST {
                frames.push(frame.to_vec());
            }
            rest = after;
        }
        let done = self.waiting.len() - rest.len();
        self.waiting.drain(..done);
        Ok(frames)
    }
}

/// Returns a frame as it goes onto a stream.
///
/// - `frame`: at most [`LONGEST`] octets.
pub fn framed(frame: &[u8]) -> Vec<u8> {
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(4 + frame.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(frame);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_length_that_no_frame_has_ends_the_stream() {
        let mut reader = Reader::default();
        assert_eq!(reader.take(&[0xff; 4]), Err(NoFrames { length: u32::MAX }));
    }

    #[test]
    fn what_is_too_short_to_be_a_frame_is_passed_over() {
        let mut bytes = framed(&[1; 13]);
        bytes.extend(framed(&[]));
        bytes.extend(framed(&[2; 14]));
        assert_eq!(Reader::default().take(&bytes).unwrap(), [vec![2; 14]]);
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_the_stream_is_cut(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), SHORTEST..2000), 0..8),
            cut in 1_usize..700,
        ) {
            let stream: Vec<u8> = frames.iter().flat_map(|frame| framed(frame)).collect();
            let mut reader = Reader::default();
            let mut found = Vec::new();
            for piece in stream.chunks(cut) {
                found.extend(reader.take(piece).unwrap());
            }
            prop_assert_eq!(found, frames);
        }

        #[test]
        fn no_stream_makes_the_reader_stumble(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
            let mut reader = Reader::default();
            for piece in pieces {
                if reader.take(&piece).is_err() {
                    break;
                }
            }
        }
    }
}
