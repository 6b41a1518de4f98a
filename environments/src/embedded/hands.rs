//! What scenarios can do to an embedded platform that no client can.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use blueprint::launch::Internet;
use simulator::Moment;
use simulator::engine::{self, Engine};
use values::{HostName, MailAddress};

use super::Embedded;
use crate::scenarios::{Cannot, Hands};

/// How long mail may take to come to rest before time is moved; what needs time itself has not by then.
const REST: Duration = Duration::from_millis(100);

/// Moments at which time stops on its way; beyond them it jumps.
const STOPS: usize = 400;

impl Embedded {
    fn visit<T: Send + 'static>(
        &self,
        visit: impl FnOnce(&mut Engine, Moment) -> T + Send + 'static,
    ) -> Result<T, Cannot> {
        self.handle.visit(visit).ok_or_else(|| Cannot::Failed("the engine does not answer".to_owned()))
    }

    fn rest(&self) -> Result<(), Cannot> {
        let deadline = Instant::now() + REST;
        while !self.visit(|engine, _| engine.is_settled(&BTreeSet::new()))? && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Hands for Embedded {
    /// Time stops wherever the platform has something to do, so that a queue makes all the attempts it would have made.
    fn advance(&self, by: Duration) -> Result<(), Cannot> {
        let mut left = by;
        for _ in 0..STOPS {
            self.rest()?;
            let next = self.visit(|engine, now| engine.next_wake().map(|at| at.since(now)))?;
            match next.map(|milliseconds| Duration::from_millis(milliseconds.saturating_add(1))) {
                Some(next) if next < left => {
                    self.clock.advance(next);
                    left -= next;
                }
                _ => break,
            }
        }
        self.clock.advance(left);
        self.visit(|_, _| ())?;
        self.rest()
    }

    fn queued(&self, role: blueprint::Role) -> Result<u64, Cannot> {
        let role = match role {
            blueprint::Role::Mx => engine::Role::Mx,
            blueprint::Role::Submission => engine::Role::Submission,
            blueprint::Role::Outbound => engine::Role::Outbound,
            _ => return Ok(0),
        };
        self.visit(move |engine, _| engine.queued(role) as u64)
    }

    fn held(&self, mailbox: &MailAddress) -> Result<Vec<Vec<u8>>, Cannot> {
        let mailbox = mailbox.clone();
        let held = self.visit(move |engine, _| engine.held(&mailbox))?;
        held.map_err(|error| Cannot::Failed(format!("what is held apart cannot be read: {error}")))
    }

    fn release(&self, mailbox: &MailAddress) -> Result<u64, Cannot> {
        let mailbox = mailbox.clone();
        let released = self.visit(move |engine, now| engine.release(now, &mailbox))?;
        released.map_err(|error| Cannot::Failed(format!("what is held apart cannot be let go: {error}")))
    }

    fn is_settled(&self, about: &BTreeSet<String>) -> Option<bool> {
        let about = about.clone();
        self.visit(move |engine, _| engine.is_settled(&about)).ok()
    }

    fn source_of(&self, domain: &HostName) -> Result<IpAddr, Cannot> {
        source_of(&self.internet, domain)
    }
}

/// Returns the loopback address that stands for a domain's host: 127.18.x.y for 198.18.x.y.
pub(crate) fn source_of(internet: &Internet, domain: &HostName) -> Result<IpAddr, Cannot> {
    let address = internet.address_of(domain);
    let [_, second, third, fourth] =
        address.ok_or_else(|| Cannot::Lacks(format!("the simulated internet has no host of {domain}")))?.octets();
    Ok(IpAddr::from([127, second, third, fourth]))
}
