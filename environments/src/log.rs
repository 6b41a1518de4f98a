//! What happened in an environment, as lines of JSON in files of bounded size.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::{self, FileFailure};

/// Bytes after which a file is put aside.
const FILE_BYTES: u64 = 8 << 20;

/// Files put aside that are kept.
const KEPT: u32 = 4;

/// Entries that may wait for the writer; what comes beyond is counted and left out.
const WAITING: usize = 4096;

/// How much an entry matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What goes on.
    Info,
    /// Somebody may want to know.
    Notice,
    /// Something did not go as wished and was dealt with.
    Warning,
    /// Something broke.
    Error,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, RFC 3339 in UTC with milliseconds.
    pub time: String,
    /// How much it matters.
    pub level: Level,
    /// Where; the environment itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What, in a few words: `accepted`, `delivered`, `door opened`, …
    pub event: String,
    /// The particulars.
    #[serde(flatten)]
    pub fields: BTreeMap<String, Value>,
}

impl Entry {
    /// Makes an entry of this moment.
    pub(crate) fn now(level: Level, node: Option<&str>, event: &str) -> Self {
        let now = jiff::Timestamp::now().as_millisecond();
        Self::at(now, level, node, event)
    }

    /// Makes an entry of a moment in milliseconds since 1970.
    pub(crate) fn at(milliseconds: i64, level: Level, node: Option<&str>, event: &str) -> Self {
        let time = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Self {
            time: format!("{time:.3}"),
            level,
            node: node.map(str::to_owned),
            event: event.to_owned(),
            fields: BTreeMap::new(),
        }
    }

    /// Adds a particular.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

/// Writes entries from any thread without making it wait.
#[derive(Clone)]
pub(crate) struct Log {
    waiting: SyncSender<Entry>,
    left_out: Arc<AtomicU64>,
}

/// The thread behind [`Log`]; it ends when the last [`Log`] is dropped.
pub(crate) struct LogWriter(Option<JoinHandle<()>>);

impl Log {
    /// Opens the log of an environment and starts its writer.
    pub(crate) fn open(folder: &Path) -> Result<(Self, LogWriter), FileFailure> {
        files::make_folder(folder)?;
        let path = current(folder);
        let file = open_to_append(&path)?;
        let (waiting, entries) = sync_channel(WAITING);
        let left_out = Arc::new(AtomicU64::new(0));
        let mut writer =
            Writer { folder: folder.to_owned(), length: length_of(&file), file, left_out: Arc::clone(&left_out) };
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || writer.run(&entries))
            .map_err(|source| FileFailure::Write { path, source })?;
        Ok((Self { waiting, left_out }, LogWriter(Some(thread))))
    }

    /// Writes an entry some time soon.
    pub(crate) fn write(&self, entry: Entry) {
        if self.waiting.try_send(entry).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl LogWriter {
    /// Waits until everything is written; every [`Log`] must be gone.
    pub(crate) fn finish(mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

fn current(folder: &Path) -> PathBuf {
    folder.join("events.jsonl")
}

fn aside(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("events.{number}.jsonl"))
}

fn open_to_append(path: &Path) -> Result<File, FileFailure> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| FileFailure::Write { path: path.to_owned(), source })
}

fn length_of(file: &File) -> u64 {
    file.metadata().map_or(0, |about| about.len())
}

struct Writer {
    folder: PathBuf,
    file: File,
    length: u64,
    left_out: Arc<AtomicU64>,
}

impl Writer {
    fn run(&mut self, entries: &Receiver<Entry>) {
        let mut lines = Vec::new();
        while let Ok(first) = entries.recv() {
            let mut next = Some(first);
            // Everything that waits goes out in one write.
            while let Some(entry) = next.take() {
                push(&mut lines, &entry);
                if lines.len() < 256 * 1024 {
                    next = entries.try_recv().ok();
                }
            }
            let left_out = self.left_out.swap(0, Ordering::Relaxed);
            if left_out > 0 {
                push(&mut lines, &Entry::now(Level::Warning, None, "log entries left out").with("count", left_out));
            }
            self.write(&lines);
            lines.clear();
            lines.shrink_to(64 * 1024);
        }
    }

    /// A log that cannot be written stops nothing; what is lost is counted.
    fn write(&mut self, lines: &[u8]) {
        if self.length > 0 && self.length + lines.len() as u64 > FILE_BYTES {
            self.put_aside();
        }
        match self.file.write_all(lines) {
            Ok(()) => self.length += lines.len() as u64,
            Err(_) => {
                let lost = lines.iter().filter(|byte| **byte == b'\n').count();
                self.left_out.fetch_add(lost as u64, Ordering::Relaxed);
            }
        }
    }

    fn put_aside(&mut self) {
        for number in (1..KEPT).rev() {
            // A file that is not there yet has nothing to be moved.
            let _ = std::fs::rename(aside(&self.folder, number), aside(&self.folder, number + 1));
        }
        let path = current(&self.folder);
        let moved = std::fs::rename(&path, aside(&self.folder, 1)).is_ok();
        if moved && let Ok(file) = open_to_append(&path) {
            self.file = file;
            self.length = 0;
        }
    }
}

fn push(lines: &mut Vec<u8>, entry: &Entry) {
    let start = lines.len();
    if serde_json::to_writer(&mut *lines, entry).is_err() {
        lines.truncate(start);
        return;
    }
    lines.push(b'\n');
}

/// Hands every line of a log to the caller, oldest first; with `follow`, goes on with those that come.
///
/// - `each`: gets a line without its line break and says whether to go on.
/// - `idle`: asked whenever there is nothing new, about ten times a second; says whether to go on waiting. Not asked without `follow`.
/// - Errors: a file cannot be read. No log at all is no failure.
pub fn read_log(
    folder: &Path,
    follow: bool,
    each: &mut dyn FnMut(&str) -> ControlFlow<()>,
    idle: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<(), FileFailure> {
    for number in (1..=KEPT).rev() {
        if let Some(mut old) = Reader::open(&aside(folder, number))?
            && old.rest(each)?.is_break()
        {
            return Ok(());
        }
    }
    let path = current(folder);
    let mut reader = Reader::open(&path)?;
    loop {
        if let Some(open) = &mut reader
            && open.rest(each)?.is_break()
        {
            return Ok(());
        }
        if !follow {
            return Ok(());
        }
        let replaced = match (&reader, std::fs::metadata(&path)) {
            (Some(open), Ok(about)) => about.ino() != open.inode,
            (None, Ok(_)) => true,
            (_, Err(_)) => false,
        };
        if replaced {
            // The rest of the file that was put aside comes before the new one.
            if let Some(open) = &mut reader
                && open.rest(each)?.is_break()
            {
                return Ok(());
            }
            reader = Reader::open(&path)?;
        } else {
            if idle().is_break() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

struct Reader {
    path: PathBuf,
    inode: u64,
    lines: BufReader<File>,
}

impl Reader {
    fn open(path: &Path) -> Result<Option<Self>, FileFailure> {
        let failed = |source| FileFailure::Read { path: path.to_owned(), source };
        match File::open(path) {
            Ok(file) => {
                let inode = file.metadata().map_err(failed)?.ino();
                Ok(Some(Self { path: path.to_owned(), inode, lines: BufReader::new(file) }))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Hands out every whole line up to the end of the file.
    fn rest(&mut self, each: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Result<ControlFlow<()>, FileFailure> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let failed = |source| FileFailure::Read { path: self.path.clone(), source };
            let length = self.lines.read_until(b'\n', &mut line).map_err(failed)?;
            if line.last() != Some(&b'\n') {
                // Half a line is being written; it is read again when it is whole.
                let back = i64::try_from(length).unwrap_or_default();
                self.lines.seek(SeekFrom::Current(-back)).map_err(failed)?;
                return Ok(ControlFlow::Continue(()));
            }
            line.pop();
            if each(&String::from_utf8_lossy(&line)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(folder: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        let mut each = |line: &str| {
            lines.push(line.to_owned());
            ControlFlow::Continue(())
        };
        read_log(folder, false, &mut each, &mut || ControlFlow::Break(())).unwrap();
        lines
    }

    #[test]
    fn entries_are_lines_of_json_in_the_order_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let (log, writer) = Log::open(folder.path()).unwrap();
        for number in 0..100 {
            log.write(Entry::at(1_000, Level::Info, Some("mx-1"), "accepted").with("number", number));
        }
        drop(log);
        writer.finish();
        let lines = lines(folder.path());
        assert_eq!(lines.len(), 100);
        assert_eq!(
            lines[7],
            r#"{"time":"1970-01-01T00:00:01.000Z","level":"info","node":"mx-1","event":"accepted","number":7}"#
        );
    }

    #[test]
    fn a_line_break_in_a_field_does_not_make_a_second_line() {
        let folder = tempfile::tempdir().unwrap();
        let (log, writer) = Log::open(folder.path()).unwrap();
        log.write(Entry::now(Level::Info, None, "greeting").with("helo", "evil\r\n{\"event\":\"forged\"}"));
        drop(log);
        writer.finish();
        assert_eq!(lines(folder.path()).len(), 1);
    }

    #[test]
    fn files_stay_bounded_and_the_oldest_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let (log, writer) = Log::open(folder.path()).unwrap();
        let mut writer_itself = Writer {
            folder: folder.path().to_owned(),
            file: open_to_append(&current(folder.path())).unwrap(),
            length: 0,
            left_out: Arc::new(AtomicU64::new(0)),
        };
        drop(log);
        writer.finish();
        let line = format!("{{\"pad\":\"{}\"}}\n", "x".repeat(1 << 20));
        for _ in 0..(8 * (KEPT + 4)) {
            writer_itself.write(line.as_bytes());
        }
        let names = files::names(folder.path()).unwrap();
        assert_eq!(names.len(), KEPT as usize + 1, "{names:?}");
        for name in names {
            assert!(std::fs::metadata(folder.path().join(name)).unwrap().len() <= FILE_BYTES);
        }
    }

    #[test]
    fn a_follower_sees_half_a_line_only_when_it_is_whole_and_goes_on_after_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = current(folder.path());
        std::fs::write(&path, "one\ntw").unwrap();
        let mut seen = Vec::new();
        let mut step = 0;
        let mut each = |line: &str| {
            seen.push(line.to_owned());
            ControlFlow::Continue(())
        };
        let mut idle = || {
            step += 1;
            match step {
                1 => open_to_append(&path).unwrap().write_all(b"o\n").unwrap(),
                2 => {
                    open_to_append(&path).unwrap().write_all(b"three\n").unwrap();
                    std::fs::rename(&path, aside(folder.path(), 1)).unwrap();
                    std::fs::write(&path, "four\n").unwrap();
                }
                _ => return ControlFlow::Break(()),
            }
            ControlFlow::Continue(())
        };
        read_log(folder.path(), true, &mut each, &mut idle).unwrap();
        assert_eq!(seen, ["one", "two", "three", "four"]);
    }
}
