//! What hosts write into their logs. No secrets, no bodies.

use super::Engine;
use crate::Moment;
use crate::network::HostId;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All is as it should be.
    Info,
    /// Somebody may want to know.
    Notice,
    /// Something failed and is dealt with.
    Warning,
    /// Something failed and somebody must look.
    Error,
}

/// One line of a host's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// Name of the host.
    pub host: String,
    /// Which of its services.
    pub service: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What happened.
    pub message: &'static str,
    /// To what; names and values in order.
    pub fields: Vec<(&'static str, String)>,
}

impl Engine {
    pub(super) fn log(
        &mut self,
        host: HostId,
        service: &'static str,
        level: Level,
        message: &'static str,
        fields: &[(&'static str, String)],
    ) {
        let host = self.machine(host).map(|machine| machine.plan.name.clone()).unwrap_or_default();
        let event = Event { at: self.now, host, service, level, message, fields: fields.to_vec() };
        self.outputs.push_back(super::Output::Event(event));
    }
}
