//! What a session of the store has to say, held back until what it tells is durable.

use super::{Storage, UserId};
use crate::journal::Position;

/// What a session wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send these bytes.
    Reply(Vec<u8>),
    /// Send what was replied, then close the connection; nothing follows.
    Close,
}

/// The way out of a session.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    bytes: Vec<u8>,
    /// What the bytes wait for, and how far the disk was when last seen.
    barrier: Position,
    durable: Position,
    is_closing: bool,
}

impl Outlet {
    /// Bytes past which a session rests until they are taken.
    const ENOUGH: usize = 64 << 10;

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes bytes that may be many, without copying them when nothing stands before them.
    pub(crate) fn write_large(&mut self, bytes: Vec<u8>) {
        if self.bytes.is_empty() {
            self.bytes = bytes;
        } else {
            self.bytes.extend_from_slice(&bytes);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the session should rest.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= Self::ENOUGH
    }

    /// Closes the connection behind what is said.
    pub(crate) fn close(&mut self) {
        self.is_closing = true;
    }

    /// Notes how far the disk must be for what is said, and how far it is.
    pub(crate) fn settle(&mut self, user: UserId, storage: &Storage<'_>) {
        if !self.bytes.is_empty() {
            self.barrier = self.barrier.max(storage.mail.position(user));
        }
        self.durable = storage.mail.durable_to();
    }

    /// Forgets what still waits: the store it speaks of is gone.
    pub(crate) fn forget_waiting(&mut self) {
        if self.barrier > self.durable {
            self.bytes.clear();
        }
        self.barrier = Position::default();
    }

    pub(crate) fn next_effect(&mut self) -> Option<Effect> {
        if !self.bytes.is_empty() {
            return (self.barrier <= self.durable).then(|| Effect::Reply(std::mem::take(&mut self.bytes)));
        }
        std::mem::take(&mut self.is_closing).then_some(Effect::Close)
    }

    pub(crate) fn waits_for(&self) -> Option<Position> {
        (!self.bytes.is_empty() && self.barrier > self.durable).then_some(self.barrier)
    }
}
