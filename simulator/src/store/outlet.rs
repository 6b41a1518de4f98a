//! What a session of the store has to say, held back until what it tells is durable.

use std::collections::VecDeque;

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
    /// What was said since the last [`Outlet::settle`].
    fresh: Vec<u8>,
    /// What was said before, each with the position it waits for, in order.
    waiting: VecDeque<(Vec<u8>, Position)>,
    waiting_bytes: usize,
    /// How far the disk was when last seen.
    durable: Position,
    is_closing: bool,
}

impl Outlet {
    /// Bytes past which a session rests until they are taken.
    const ENOUGH: usize = 64 << 10;

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.fresh.extend_from_slice(bytes);
    }

    /// Writes bytes that may be many, without copying them when nothing stands before them.
    pub(crate) fn write_large(&mut self, bytes: Vec<u8>) {
        if self.fresh.is_empty() {
            self.fresh = bytes;
        } else {
            self.fresh.extend_from_slice(&bytes);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.waiting.is_empty()
    }

    /// Whether the session should rest.
    pub(crate) fn is_full(&self) -> bool {
        self.fresh.len() + self.waiting_bytes >= Self::ENOUGH
    }

    /// Closes the connection behind what is said.
    pub(crate) fn close(&mut self) {
        self.is_closing = true;
    }

    /// Notes how far the disk must be for what was said since the last time, and how far it is.
    ///
    /// What was said before does not wait for longer: a mailbox that others fill all the time still answers.
    pub(crate) fn settle(&mut self, user: UserId, storage: &Storage<'_>) {
        self.durable = storage.mail.durable_to();
        if self.fresh.is_empty() {
            return;
        }
        let fresh = std::mem::take(&mut self.fresh);
        let position = storage.mail.position(user);
        self.waiting_bytes += fresh.len();
        match self.waiting.back_mut() {
            Some((bytes, before)) if *before >= position => bytes.extend(fresh),
            _ => self.waiting.push_back((fresh, position)),
        }
    }

    /// Forgets what still waits: the store it speaks of is gone. What is said from here on waits for nothing.
    pub(crate) fn forget_waiting(&mut self) {
        self.fresh.clear();
        self.waiting.retain(|(_, position)| *position <= self.durable);
        self.waiting_bytes = self.waiting.iter().map(|(bytes, _)| bytes.len()).sum();
    }

    /// Lets what was said go out at once.
    pub(crate) fn release(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        self.waiting_bytes += fresh.len();
        self.waiting.push_back((fresh, Position::default()));
    }

    pub(crate) fn next_effect(&mut self) -> Option<Effect> {
        if self.waiting.front().is_some_and(|(_, position)| *position <= self.durable) {
            let (bytes, _) = self.waiting.pop_front()?;
            self.waiting_bytes -= bytes.len();
            return Some(Effect::Reply(bytes));
        }
        (self.is_empty() && std::mem::take(&mut self.is_closing)).then_some(Effect::Close)
    }

    pub(crate) fn waits_for(&self) -> Option<Position> {
        self.waiting.front().map(|(_, position)| *position).filter(|position| *position > self.durable)
    }
}
