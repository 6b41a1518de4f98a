//! CRC-32C (Castagnoli), eight bytes at a time.

/// The reflected polynomial 0x1EDC6F41.
const POLYNOMIAL: u32 = 0x82F6_3B78;

static TABLES: [[u32; 256]; 8] = tables();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; every index is below its array's length")]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0_u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// A checksum that is fed in parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checksum(u32);

impl Checksum {
    pub(super) fn new() -> Self {
        Self(u32::MAX)
    }

    #[expect(clippy::indexing_slicing, reason = "a byte is an index into a table of 256, a table's number is below 8")]
    pub(super) fn update(&mut self, bytes: &[u8]) {
        let mut state = self.0;
        let mut blocks = bytes.chunks_exact(8);
        for block in &mut blocks {
            let [a, b, c, d, e, f, g, h] = *block else { continue };
            let low = state ^ u32::from_le_bytes([a, b, c, d]);
            state = TABLES[7][(low & 0xFF) as usize]
                ^ TABLES[6][(low >> 8 & 0xFF) as usize]
                ^ TABLES[5][(low >> 16 & 0xFF) as usize]
                ^ TABLES[4][(low >> 24) as usize]
                ^ TABLES[3][usize::from(e)]
                ^ TABLES[2][usize::from(f)]
                ^ TABLES[1][usize::from(g)]
                ^ TABLES[0][usize::from(h)];
        }
        for &byte in blocks.remainder() {
            state = (state >> 8) ^ TABLES[0][((state ^ u32::from(byte)) & 0xFF) as usize];
        }
        self.0 = state;
    }

    pub(super) fn value(self) -> u32 {
        !self.0
    }

    pub(super) fn of(parts: &[&[u8]]) -> u32 {
        let mut checksum = Self::new();
        for part in parts {
            checksum.update(part);
        }
        checksum.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_values_come_out() {
        // RFC 3720 §B.4 and the usual "123456789".
        assert_eq!(Checksum::of(&[b"123456789"]), 0xE306_9283);
        assert_eq!(Checksum::of(&[&[0; 32]]), 0x8A91_36AA);
        assert_eq!(Checksum::of(&[&[0xFF; 32]]), 0x62A8_AB43);
    }

    #[test]
    fn parts_give_the_checksum_of_the_whole() {
        let bytes: Vec<u8> = (0..=255).collect();
        for cut in 0..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(Checksum::of(&[head, tail]), Checksum::of(&[&bytes]));
        }
    }
}
