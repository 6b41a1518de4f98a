//! Reads a tar as it streams by: ustar, with the extensions of POSIX (pax) and GNU that name long paths.
//!
//! Source: POSIX.1-2017 pax(1), "pax Interchange Format" and "ustar Interchange Format"; GNU tar's manual, "Basic Tar Format".

use std::io::{self, ErrorKind, Read};

/// Names and values of extensions longer than this are not ours.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    /// Another name of a file that came before.
    HardLink,
    SymbolicLink,
    Folder,
    /// A device or a pipe.
    Other,
}

/// An entry of a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its path, without `./` before and `/` behind.
    pub(crate) path: String,
    pub(crate) kind: Kind,
    /// Permission bits, set-uid and set-gid among them.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Bytes of its content.
    pub(crate) size: u64,
    /// What a link leads to.
    pub(crate) link: String,
}

/// Reads a tar to its end and gives each entry with its content, of which any part may be left unread.
pub(crate) fn read<R: Read>(
    mut reader: R,
    mut each: impl FnMut(&Entry, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let mut extensions = Extensions::default();
    loop {
        let mut header = [0_u8; 512];
        reader.read_exact(&mut header)?;
        if header.iter().all(|byte| *byte == 0) {
            // What follows is padding; whoever writes is to come to its end.
            io::copy(&mut reader, &mut io::sink())?;
            return Ok(());
        }
        let header = Header(&header);
        header.check()?;
        let size = match extensions.size {
            Some(size) if !matches!(header.kind(), b'x' | b'g' | b'L' | b'K') => size,
            _ => header.number(124, 12)?,
        };
        let padding = size.next_multiple_of(512).checked_sub(size).ok_or_else(|| bad("has an entry without end"))?;
        match header.kind() {
            kind @ (b'x' | b'g' | b'L' | b'K') => {
                if size > LONGEST_EXTENSION {
                    return Err(bad("has an extension without measure"));
                }
                let mut bytes = Vec::new();
                (&mut reader).take(size).read_to_end(&mut bytes)?;
                match kind {
                    b'x' => extensions.pax(&bytes)?,
                    b'L' => extensions.path = Some(text(&bytes)),
                    b'K' => extensions.link = Some(text(&bytes)),
                    // What holds for all entries says nothing of names or sizes.
                    _ => {}
                }
            }
            kind => {
                let entry = header.entry(kind, size, std::mem::take(&mut extensions))?;
                let mut content = (&mut reader).take(size);
                each(&entry, &mut content)?;
                io::copy(&mut content, &mut io::sink())?;
                if content.limit() > 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
        }
        if io::copy(&mut (&mut reader).take(padding), &mut io::sink())? < padding {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the tar {what}"))
}

/// Returns text up to its first NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

#[derive(Default)]
struct Extensions {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

impl Extensions {
    /// Reads records: `LENGTH KEY=VALUE\n`, the length in decimal and of the whole record.
    fn pax(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let broken = || bad("has an extension that cannot be read");
        while !bytes.is_empty() {
            let space = bytes.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
            let length: usize = text(bytes.get(..space).unwrap_or_default()).parse().map_err(|_| broken())?;
            let record = bytes.get(space + 1..length).ok_or_else(broken)?;
            let record = record.strip_suffix(b"\n").ok_or_else(broken)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
            let value = text(record.get(equals + 1..).unwrap_or_default());
            match record.get(..equals) {
                Some(b"path") => self.path = Some(value),
                Some(b"linkpath") => self.link = Some(value),
                Some(b"size") => self.size = Some(value.parse().map_err(|_| broken())?),
                _ => {}
            }
            bytes = bytes.get(length..).ok_or_else(broken)?;
        }
        Ok(())
    }
}

struct Header<'a>(&'a [u8; 512]);

impl Header<'_> {
    fn field(&self, start: usize, length: usize) -> &[u8] {
        self.0.get(start..start + length).unwrap_or_default()
    }

    fn kind(&self) -> u8 {
        self.0[156]
    }

    /// Reads a number: octal digits, or binary where the first bit is set (GNU).
    fn number(&self, start: usize, length: usize) -> io::Result<u64> {
        let field = self.field(start, length);
        if field.first().is_some_and(|first| first & 0x80 != 0) {
            let bytes: Vec<u8> = field.iter().rev().take(8).rev().copied().collect();
            let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| bad("has a number that cannot be read"))?;
            return Ok(u64::from_be_bytes(bytes));
        }
        let digits = text(field);
        let digits = digits.trim();
        if digits.is_empty() {
            return Ok(0);
        }
        u64::from_str_radix(digits, 8).map_err(|_| bad("has a number that cannot be read"))
    }

    fn narrow(&self, start: usize, length: usize) -> io::Result<u32> {
        u32::try_from(self.number(start, length)?).map_err(|_| bad("has an owner that cannot be"))
    }

    /// Holds the header against its sum, in which the sum's own field counts as spaces.
    fn check(&self) -> io::Result<()> {
        let outside = |place: usize| !(148..156).contains(&place);
        let bytes = self.0.iter().enumerate();
        let sum: u64 = bytes.map(|(place, byte)| if outside(place) { u64::from(*byte) } else { 32 }).sum();
        if self.number(148, 8)? == sum { Ok(()) } else { Err(bad("has a header that was changed")) }
    }

    fn entry(&self, kind: u8, size: u64, extensions: Extensions) -> io::Result<Entry> {
        let plain = || {
            let (name, before) = (text(self.field(0, 100)), text(self.field(345, 155)));
            let is_ustar = self.field(257, 6) == b"ustar\0";
            if is_ustar && !before.is_empty() { format!("{before}/{name}") } else { name }
        };
        let path = extensions.path.unwrap_or_else(plain);
        let path = path.trim_end_matches('/').trim_start_matches("./");
        Ok(Entry {
            path: if path == "." { String::new() } else { path.to_owned() },
            kind: match kind {
                0 | b'0' | b'7' => Kind::File,
                b'1' => Kind::HardLink,
                b'2' => Kind::SymbolicLink,
                b'5' => Kind::Folder,
                _ => Kind::Other,
            },
            mode: self.narrow(100, 8)? & 0o7777,
            uid: self.narrow(108, 8)?,
            gid: self.narrow(116, 8)?,
            size,
            link: extensions.link.unwrap_or_else(|| text(self.field(157, 100))),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn entries(bytes: &[u8]) -> io::Result<Vec<(Entry, Vec<u8>)>> {
        let mut found = Vec::new();
        read(bytes, |entry, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            found.push((entry.clone(), bytes));
            Ok(())
        })?;
        Ok(found)
    }

    fn written(format: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let long = "n".repeat(180);
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join("sub").join(&long), "content").unwrap();
        std::os::unix::fs::symlink(&long, folder.path().join("sub/link")).unwrap();
        let mut tar = Command::new("tar");
        let output = tar.arg("-C").arg(folder.path()).args(["--sort=name", format, "-c", "./sub"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    #[test]
    fn what_tar_writes_in_either_form_reads_back() {
        for format in ["--format=gnu", "--format=pax"] {
            let found = entries(&written(format)).unwrap();
            let [folder, link, file] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!((folder.0.path.as_str(), folder.0.kind), ("sub", Kind::Folder));
            assert_eq!((link.0.path.as_str(), link.0.kind), ("sub/link", Kind::SymbolicLink));
            assert_eq!(link.0.link.len(), 180);
            assert_eq!(file.0.path.len(), 184);
            assert_eq!(file.1, b"content");
        }
    }

    #[test]
    fn a_tar_that_is_cut_off_or_changed_is_refused() {
        let whole = written("--format=gnu");
        for length in [0, 100, 512, 1000, 1600, 2100] {
            assert!(entries(&whole[..length]).is_err(), "{length}");
        }
        let mut changed = whole;
        changed[101] ^= 1;
        assert_eq!(entries(&changed).unwrap_err().to_string(), "the tar has a header that was changed");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_stumble(bytes in proptest::collection::vec(any::<u8>(), 0..1500), place in 0_usize..512, byte: u8) {
            let _ = entries(&bytes);
            let _ = Extensions::default().pax(&bytes);
            let mut near = written("--format=pax");
            near[place] = byte;
            let sum: u64 = near[..512].iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum();
            near[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            let _ = entries(&near);
        }
    }
}
