//! Cuts a client's bytes into commands: lines, and the literals they announce (RFC 3501 §4.3, RFC 7888).

/// A literal that a line announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    /// Bytes that follow.
    pub(super) size: u64,
    /// Whether the client waits for a continuation before it sends them.
    pub(super) waits: bool,
}

/// What the input has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// More bytes are needed.
    Starved,
    /// A whole command, without its last line end; literals lie in it behind their announcements.
    Command(Vec<u8>),
    /// A line ends by announcing a literal. The owner answers with [`Input::accept`], [`Input::stream`] or [`Input::skip`].
    Literal(Announced),
    /// A literal that was streamed is whole.
    Streamed(Vec<u8>),
    /// The line is longer than allowed; what follows is skipped to its end, and this is said once.
    LineTooLong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Reading a line.
    Line,
    /// A literal was announced; the owner has not said what becomes of it.
    Asked,
    /// Reading a literal into the command.
    Literal(u64),
    /// Reading a literal apart from the command.
    Stream(u64),
    /// Throwing away a literal, and then the rest of the command.
    Skip(u64),
    /// Throwing away the rest of a command's line.
    SkipLine,
}

/// A client's bytes on their way to becoming commands.
#[derive(Debug)]
pub(super) struct Input {
    waiting: Vec<u8>,
    taken: usize,
    /// Bytes behind `taken` that are known to hold no line end.
    scanned: usize,
    command: Vec<u8>,
    /// Where the current line begins in `command`.
    line_start: usize,
    streamed: Vec<u8>,
    state: State,
    max_command: usize,
}

impl Input {
    /// - `max_command`: bytes of a command with its literals, streamed ones aside.
    pub(super) fn new(max_command: usize) -> Self {
        Self {
            waiting: Vec::new(),
            taken: 0,
            scanned: 0,
            command: Vec::new(),
            line_start: 0,
            streamed: Vec::new(),
            state: State::Line,
            max_command,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.drain(..self.taken);
        self.taken = 0;
        self.waiting.extend_from_slice(bytes);
    }

    /// Returns the bytes that no command has taken, and forgets everything.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.waiting.split_off(self.taken.min(self.waiting.len()));
        self.discard();
        rest
    }

    /// Forgets every byte: what was sent in plain text means nothing behind TLS (RFC 3501 §6.2.1).
    pub(super) fn discard(&mut self) {
        self.waiting.clear();
        self.taken = 0;
        self.scanned = 0;
        self.begin();
    }

    /// Returns how many bytes wait to be looked at.
    pub(super) fn backlog(&self) -> usize {
        self.waiting.len() - self.taken
    }

    /// Returns the command so far, while a literal of it is being decided.
    pub(super) fn so_far(&self) -> &[u8] {
        &self.command
    }

    /// Lets the announced literal become part of the command.
    ///
    /// - Returns: whether it fits; when it does not, nothing has changed.
    pub(super) fn accept(&mut self, announced: Announced) -> bool {
        let room = self.max_command.saturating_sub(self.command.len()) as u64;
        let fits = announced.size <= room;
        if fits {
            self.state = State::Literal(announced.size);
        }
        fits
    }

    /// Lets the announced literal be collected apart from the command.
    pub(super) fn stream(&mut self, announced: Announced) {
        self.state = State::Stream(announced.size);
    }

    /// Gives up the command. A client that waits sends nothing more of it; another's literal and line are thrown away.
    pub(super) fn skip(&mut self, announced: Announced) {
        self.begin();
        if !announced.waits {
            self.state = State::Skip(announced.size);
        }
    }

    fn begin(&mut self) {
        self.command.clear();
        // A long command's memory is not kept for the next one.
        self.command.shrink_to(4096);
        self.streamed = Vec::new();
        self.line_start = 0;
        self.state = State::Line;
    }

    /// Returns the next thing to act upon.
    pub(super) fn next(&mut self) -> Event {
        loop {
            match self.state {
                State::Asked => return Event::Starved,
                State::Line => {
                    let Some(line) = self.take_line() else {
                        if self.command.len() + self.backlog() > self.max_command {
                            self.begin();
                            self.state = State::SkipLine;
                            return Event::LineTooLong;
                        }
                        return Event::Starved;
                    };
                    if self.command.len() + line.len() > self.max_command {
                        self.begin();
                        if let Some(Announced { size, waits: false }) = announcement(&line) {
                            self.state = State::Skip(size);
                        }
                        return Event::LineTooLong;
                    }
                    self.command.extend_from_slice(&line);
                    if let Some(announced) = announcement(self.command.get(self.line_start..).unwrap_or_default()) {
                        self.command.extend_from_slice(b"\r\n");
                        self.line_start = self.command.len();
                        self.state = State::Asked;
                        return Event::Literal(announced);
                    }
                    let command = std::mem::take(&mut self.command);
                    self.begin();
                    return Event::Command(command);
                }
                State::Literal(left) => {
                    let bytes = self.take(left);
                    let left = left - bytes.len() as u64;
                    self.command.extend_from_slice(&bytes);
                    self.state = State::Literal(left);
                    if left > 0 {
                        return Event::Starved;
                    }
                    self.line_start = self.command.len();
                    self.state = State::Line;
                }
                State::Stream(left) => {
                    let bytes = self.take(left);
                    let left = left - bytes.len() as u64;
                    self.streamed.extend_from_slice(&bytes);
                    self.state = State::Stream(left);
                    if left > 0 {
                        return Event::Starved;
                    }
                    self.line_start = self.command.len();
                    self.state = State::Line;
                    return Event::Streamed(std::mem::take(&mut self.streamed));
                }
                State::Skip(left) => {
                    let skipped = self.take(left).len() as u64;
                    self.state = State::Skip(left - skipped);
                    if skipped < left {
                        return Event::Starved;
                    }
                    self.state = State::SkipLine;
                }
                State::SkipLine => match self.take_line() {
                    Some(line) => {
                        // A skipped line may announce a literal that is already on its way.
                        self.state = match announcement(&line) {
                            Some(Announced { size, waits: false }) => State::Skip(size),
                            _ => State::Line,
                        };
                    }
                    None => {
                        // Only the end of the line can matter.
                        let keep = self.backlog().min(32);
                        self.taken = self.waiting.len() - keep;
                        self.scanned = keep;
                        return Event::Starved;
                    }
                },
            }
        }
    }

    fn take(&mut self, most: u64) -> Vec<u8> {
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(self.backlog());
        let bytes = self.waiting.get(self.taken..self.taken + length).unwrap_or_default().to_vec();
        self.taken += length;
        self.scanned = 0;
        bytes
    }

    /// Takes a line without its end; a lone LF ends a line too, as Dovecot has it.
    fn take_line(&mut self) -> Option<Vec<u8>> {
        let rest = self.waiting.get(self.taken..)?;
        let fresh = rest.get(self.scanned..)?;
        let Some(end) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.scanned = rest.len();
            return None;
        };
        let end = end + self.scanned;
        let line = rest.get(..end)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.taken += end + 1;
        self.scanned = 0;
        Some(line)
    }
}

/// Returns the literal that a line announces at its end: `{5}`, `{5+}`, `~{5}`.
fn announcement(line: &[u8]) -> Option<Announced> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    let digits = inner.get(open + 1..)?;
    let (digits, waits) = match digits.strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (digits, true),
    };
    if digits.is_empty() || digits.len() > 20 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().try_fold(0_u64, |size, digit| size.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    Some(Announced { size: size.unwrap_or(u64::MAX), waits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drive(input: &mut Input, events: &mut Vec<String>) {
        loop {
            match input.next() {
                Event::Starved => return,
                Event::Literal(announced) => {
                    if announced.size > 40 || !input.accept(announced) {
                        input.skip(announced);
                        events.push("skipped".to_owned());
                    }
                }
                event => events.push(format!("{event:?}")),
            }
        }
    }

    fn events_of(chunks: &[&[u8]]) -> Vec<String> {
        let mut input = Input::new(64);
        let mut events = Vec::new();
        for chunk in chunks {
            input.push(chunk);
            drive(&mut input, &mut events);
        }
        events
    }

    #[test]
    fn literals_lie_in_the_command_behind_their_announcement() {
        let mut input = Input::new(100);
        input.push(b"a LOGIN {3+}\r\n{1} {2}\r\nxyz\r\nb NOOP\n");
        assert_eq!(input.next(), Event::Literal(Announced { size: 3, waits: false }));
        assert!(input.accept(Announced { size: 3, waits: false }));
        assert_eq!(input.next(), Event::Literal(Announced { size: 2, waits: true }));
        assert_eq!(input.so_far(), b"a LOGIN {3+}\r\n{1} {2}\r\n");
        assert!(input.accept(Announced { size: 2, waits: true }));
        assert_eq!(input.next(), Event::Command(b"a LOGIN {3+}\r\n{1} {2}\r\nxyz".to_vec()));
        assert_eq!(input.next(), Event::Command(b"b NOOP".to_vec()));
        assert_eq!(input.next(), Event::Starved);
    }

    #[test]
    fn a_refused_literal_is_thrown_away_with_its_line() {
        let events = events_of(&[b"a X {50+}\r\n", &[b'x'; 50], b" more {2+}\r\nyy z\r\nb NOOP\r\n"]);
        assert_eq!(events, ["skipped", &format!("{:?}", Event::Command(b"b NOOP".to_vec()))]);
        let events = events_of(&[b"a X {50}\r\nb NOOP\r\n"]);
        assert_eq!(events, ["skipped", &format!("{:?}", Event::Command(b"b NOOP".to_vec()))]);
    }

    #[test]
    fn an_endless_line_is_refused_once_and_keeps_no_memory() {
        let mut input = Input::new(64);
        let mut told = 0;
        for _ in 0..1000 {
            input.push(&[b'('; 1000]);
            let mut events = Vec::new();
            drive(&mut input, &mut events);
            told += events.len();
            assert!(input.backlog() <= 64);
        }
        assert_eq!(told, 1);
        input.push(b"\r\nb NOOP\r\n");
        assert_eq!(input.next(), Event::Command(b"b NOOP".to_vec()));
    }

    #[test]
    fn announcements_of_any_size_are_numbers() {
        assert_eq!(announcement(b"{2147483647}").map(|found| found.size), Some(2_147_483_647));
        assert_eq!(announcement(b"{99999999999999999999}").map(|found| found.size), Some(u64::MAX));
        assert_eq!(announcement(b"{}"), None);
        assert_eq!(announcement(b"{-1}"), None);
        assert_eq!(announcement(b"{1 }"), None);
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(
            text in "([a-c]{1,4} [A-C(){}0-9+]{0,20}(\\{[0-9]{1,2}\\+?\\})?\r?\n){1,6}",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&bytes[from..cut]);
                from = cut;
            }
            chunks.push(&bytes[from..]);
            prop_assert_eq!(events_of(&chunks), events_of(&[bytes]));
        }
    }
}
