//! The DEFLATE format (RFC 1951), decoded up to a limit.

/// Why decoding stopped before the stream's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is no DEFLATE stream, or not a whole one.
    Broken,
    /// It holds more octets than the limit.
    TooMuch,
}

/// Decodes a stream.
///
/// - Returns: what was decoded, also of a broken stream, how many octets were read, and how it ended.
pub(super) fn inflate(input: &[u8], limit: usize) -> (Vec<u8>, usize, Result<(), Stop>) {
    let mut decoder = Decoder { input, at: 0, bits: 0, count: 0, out: Vec::new(), limit };
    let outcome = decoder.stream();
    (decoder.out, decoder.at, outcome)
}

struct Decoder<'a> {
    input: &'a [u8],
    at: usize,
    /// Bits read ahead, the next one lowest.
    bits: u32,
    count: u32,
    out: Vec<u8>,
    limit: usize,
}

/// RFC 1951 §3.2.5: the shortest length or distance of each code, and its extra bits.
const LENGTHS: [(u16, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];
const DISTANCES: [(u16, u32); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1_025, 9),
    (1_537, 9),
    (2_049, 10),
    (3_073, 10),
    (4_097, 11),
    (6_145, 11),
    (8_193, 12),
    (12_289, 12),
    (16_385, 13),
    (24_577, 13),
];
/// RFC 1951 §3.2.7.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl Decoder<'_> {
    fn stream(&mut self) -> Result<(), Stop> {
        loop {
            let last = self.take(1)? == 1;
            match self.take(2)? {
                0 => self.stored()?,
                1 => {
                    let mut lengths = [8_u8; 288];
                    lengths.iter_mut().take(256).skip(144).for_each(|length| *length = 9);
                    lengths.iter_mut().take(280).skip(256).for_each(|length| *length = 7);
                    self.block(&Codes::new(&lengths)?, &Codes::new(&[5; 30])?)?;
                }
                2 => {
                    let (literals, distances) = self.dynamic()?;
                    self.block(&literals, &distances)?;
                }
                _ => return Err(Stop::Broken),
            }
            if last {
                return Ok(());
            }
        }
    }

    fn take(&mut self, count: u32) -> Result<u32, Stop> {
        while self.count < count {
            let byte = *self.input.get(self.at).ok_or(Stop::Broken)?;
            self.at += 1;
            self.bits |= u32::from(byte) << self.count;
            self.count += 8;
        }
        let value = self.bits & ((1 << count) - 1);
        self.bits >>= count;
        self.count -= count;
        Ok(value)
    }

    fn room(&self, length: usize) -> Result<(), Stop> {
        if self.out.len() + length > self.limit { Err(Stop::TooMuch) } else { Ok(()) }
    }

    fn stored(&mut self) -> Result<(), Stop> {
        // Fewer than eight bits are ever read ahead here, so nothing but the rest of an octet is dropped.
        self.bits = 0;
        self.count = 0;
        let header = self.input.get(self.at..).and_then(<[u8]>::first_chunk::<4>).ok_or(Stop::Broken)?;
        let [low, high, not_low, not_high] = *header;
        if (low, high) != (!not_low, !not_high) {
            return Err(Stop::Broken);
        }
        let length = usize::from(u16::from_le_bytes([low, high]));
        let start = self.at + 4;
        let bytes = self.input.get(start..start + length).ok_or(Stop::Broken)?;
        self.room(length)?;
        self.out.extend_from_slice(bytes);
        self.at = start + length;
        Ok(())
    }

    fn dynamic(&mut self) -> Result<(Codes, Codes), Stop> {
        let literals = self.take(5)? as usize + 257;
        let distances = self.take(5)? as usize + 1;
        let codes = self.take(4)? as usize + 4;
        let mut lengths = [0_u8; 19];
        for index in ORDER.iter().take(codes) {
            let length = self.take(3)?;
            if let Some(slot) = lengths.get_mut(*index) {
                *slot = length as u8;
            }
        }
        let codes = Codes::new(&lengths)?;
        let mut lengths: Vec<u8> = Vec::with_capacity(320);
        while lengths.len() < literals + distances {
            let (length, times) = match self.symbol(&codes)? {
                symbol @ 0..=15 => (symbol as u8, 1),
                16 => (*lengths.last().ok_or(Stop::Broken)?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                _ => (0, 11 + self.take(7)?),
            };
            lengths.extend(std::iter::repeat_n(length, times as usize));
        }
        if lengths.len() != literals + distances {
            return Err(Stop::Broken);
        }
        let (literals, distances) = lengths.split_at(literals);
        Ok((Codes::new(literals)?, Codes::new(distances)?))
    }

    fn block(&mut self, literals: &Codes, distances: &Codes) -> Result<(), Stop> {
        loop {
            let symbol = self.symbol(literals)?;
            if let Ok(byte) = u8::try_from(symbol) {
                self.room(1)?;
                self.out.push(byte);
                continue;
            }
            if symbol == 256 {
                return Ok(());
            }
            let (base, extra) = *LENGTHS.get(usize::from(symbol) - 257).ok_or(Stop::Broken)?;
            let length = usize::from(base) + self.take(extra)? as usize;
            let symbol = self.symbol(distances)?;
            let (base, extra) = *DISTANCES.get(usize::from(symbol)).ok_or(Stop::Broken)?;
            let distance = usize::from(base) + self.take(extra)? as usize;
            let from = self.out.len().checked_sub(distance).ok_or(Stop::Broken)?;
            self.room(length)?;
            // The copy may reach into what it makes.
            for at in from..from + length {
                let byte = *self.out.get(at).ok_or(Stop::Broken)?;
                self.out.push(byte);
            }
        }
    }

    /// Reads one symbol, bit by bit (RFC 1951 §3.2.2: codes of one length are consecutive).
    fn symbol(&mut self, codes: &Codes) -> Result<u16, Stop> {
        let (mut code, mut first, mut index) = (0_u32, 0_u32, 0_u32);
        for count in codes.counts.iter().skip(1).map(|count| u32::from(*count)) {
            code |= self.take(1)?;
            if code < first + count {
                return codes.symbols.get((index + code - first) as usize).copied().ok_or(Stop::Broken);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Stop::Broken)
    }
}

/// A Huffman code: how many codes each length has, and the symbols in the order of their codes.
struct Codes {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Codes {
    fn new(lengths: &[u8]) -> Result<Self, Stop> {
        let mut counts = [0_u16; 16];
        for length in lengths {
            *counts.get_mut(usize::from(*length)).ok_or(Stop::Broken)? += 1;
        }
        if let Some(unused) = counts.first_mut() {
            *unused = 0;
        }
        let mut left = 1_i32;
        for count in counts.iter().skip(1) {
            left = left * 2 - i32::from(*count);
            if left < 0 {
                return Err(Stop::Broken);
            }
        }
        let mut symbols = Vec::with_capacity(lengths.len());
        for wanted in 1..=15_u8 {
            let these = lengths.iter().zip(0_u16..).filter(|(length, _)| **length == wanted);
            symbols.extend(these.map(|(_, symbol)| symbol));
        }
        Ok(Self { counts, symbols })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The first was made with zlib.
    #[test]
    fn streams_of_all_kinds_are_decoded() {
        for (stream, expected) in [
            (
                &[0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x27, 0xb9, 0x00][..],
                &b"hello hello hello hello\n"[..],
            ),
            (&[0x01, 0x03, 0x00, 0xfc, 0xff, b'a', b'b', b'c'], b"abc"),
            (&[0x03, 0x00], b""),
        ] {
            let (out, used, outcome) = inflate(stream, 1_000);
            assert_eq!((out.as_slice(), used, outcome), (expected, stream.len(), Ok(())));
        }
    }

    #[test]
    fn a_limit_is_a_limit() {
        let stream = [0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x27, 0xb9, 0x00];
        let (out, _, outcome) = inflate(&stream, 10);
        assert_eq!(outcome, Err(Stop::TooMuch));
        assert!(out.len() <= 10);
        assert_eq!(inflate(&stream[..5], 1_000).2, Err(Stop::Broken));
        assert_eq!(inflate(&[0x07], 1_000).2, Err(Stop::Broken));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_stream_or_broken(input in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (out, used, _) = inflate(&input, 5_000);
            prop_assert!(out.len() <= 5_000 && used <= input.len());
        }
    }
}
