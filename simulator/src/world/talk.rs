//! Line by line with a door, as somebody at a terminal would.

use std::net::{IpAddr, Ipv4Addr};

use super::World;
use crate::engine::{ConnectionId, Door};

/// A conversation with a door.
#[derive(Debug)]
pub struct Talk {
    connection: ConnectionId,
    heard: Vec<u8>,
}

impl Talk {
    /// Connects from 192.0.2.1.
    pub fn begin(world: &mut World, host: &str, door: Door, tls: bool) -> Self {
        let peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        Self { connection: world.connect(host, door, peer, tls), heard: Vec::new() }
    }

    /// Returns the connection.
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Says a line and returns the reply: all lines up to one that is no continuation (`250-…`), or that begins with a tag.
    pub fn say(&mut self, world: &mut World, line: &str) -> String {
        world.write(self.connection, format!("{line}\r\n").as_bytes());
        self.hear(world)
    }

    /// Sends bytes without waiting for anything.
    pub fn send(&mut self, world: &mut World, bytes: &[u8]) {
        world.write(self.connection, bytes);
    }

    /// Returns the next reply; what has come when the platform says no more for ten minutes.
    pub fn hear(&mut self, world: &mut World) -> String {
        let until = world.now().plus(600_000);
        loop {
            self.heard.extend(world.read(self.connection));
            if let Some(end) = reply_end(&self.heard) {
                let reply: Vec<u8> = self.heard.drain(..end).collect();
                return String::from_utf8_lossy(&reply).into_owned();
            }
            if !world.step(until) || world.is_closed(self.connection) {
                self.heard.extend(world.read(self.connection));
                return String::from_utf8_lossy(&std::mem::take(&mut self.heard)).into_owned();
            }
        }
    }

    /// Returns everything that comes up to a text; what has come when the platform says no more for ten minutes.
    pub fn hear_until(&mut self, world: &mut World, text: &str) -> String {
        let until = world.now().plus(600_000);
        loop {
            self.heard.extend(world.read(self.connection));
            let found = self.heard.windows(text.len().max(1)).any(|window| window == text.as_bytes());
            if found || !world.step(until) || world.is_closed(self.connection) {
                self.heard.extend(world.read(self.connection));
                return String::from_utf8_lossy(&std::mem::take(&mut self.heard)).into_owned();
            }
        }
    }
}

fn reply_end(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        let line = bytes.get(start..at).unwrap_or_default();
        start = at + 1;
        let is_continued =
            line.get(..3).is_some_and(|code| code.iter().all(u8::is_ascii_digit)) && line.get(3) == Some(&b'-');
        if !is_continued {
            return Some(start);
        }
    }
    None
}
