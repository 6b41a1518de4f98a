//! Places as editors count them: lines from 0, and in them units of UTF-16.

/// A place between two characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 0.
    pub line: u32,
    /// Units of UTF-16 before it on the line.
    pub character: u32,
}

/// The lines of a text, which end with `\n`, `\r\n` or `\r`.
#[derive(Clone, Debug)]
pub struct Lines<'t> {
    bytes: &'t [u8],
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Finds the lines of a text; bytes that are not UTF-8 count as one unit each.
    pub fn of(bytes: &'t [u8]) -> Self {
        let mut starts = vec![0];
        for (at, byte) in bytes.iter().enumerate() {
            let ends = match byte {
                b'\n' => true,
                b'\r' => bytes.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            if ends {
                starts.push(at + 1);
            }
        }
        Self { bytes, starts }
    }

    /// Returns the position of an offset in bytes; one past the end counts as the end, one within a character as its start.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.bytes.len());
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or_default();
        let before = self.bytes.get(start..offset).unwrap_or_default();
        let character = characters(before).map(|(_, units)| units).sum::<usize>();
        Position { line: number(line), character: number(character) }
    }

    /// Returns the offset of a position; one behind a line's end counts as the end, one within a character as its start.
    pub fn offset(&self, position: Position) -> usize {
        let line = position.line as usize;
        let Some(&start) = self.starts.get(line) else { return self.bytes.len() };
        let end = self.starts.get(line + 1).copied().unwrap_or(self.bytes.len());
        let text = self.bytes.get(start..end).unwrap_or_default();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let (mut offset, mut left) = (start, position.character as usize);
        for (length, units) in characters(text) {
            if left < units {
                break;
            }
            left -= units;
            offset += length;
        }
        offset
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Returns each character's length in bytes and in units of UTF-16.
fn characters(bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(|character| (character.len_utf8(), character.len_utf16()));
        valid.chain(chunk.invalid().iter().map(|_| (1, 1)))
    })
}
