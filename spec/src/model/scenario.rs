//! Scenarios: what is tried in an environment, and what must hold.

use values::Line;

use super::{
    Advance, Browse, Call, Close, Connect, Evacuate, Expect, Fault, Fetch, Heal, Load, Migrate, Provision, Release,
    Restore, Say, Secure, Send, SignIn, Snapshot,
};
use crate::language::{argument, either, kind, named, variants};
use crate::tree::{Span, Spanned};

kind! {
    /// What is tried in an environment, step after step.
    pub struct Scenario {
        /// What it shows, as people read it.
        title: Spanned<Line> = argument("title").example("a message arrives");
        /// What it was called before.
        renamed_from: Option<Spanned<Line>> = named("renamed-from").example("an old title");
        /// The steps, in their order.
        steps: Vec<Step> = either("step");
    }
}

variants! {
    /// A step of a scenario.
    pub enum Step {
        /// Something is changed through the API.
        Provision = "provision",
        /// A message is sent.
        Send = "send",
        /// A mailbox is read.
        Fetch = "fetch",
        /// Somebody signs in.
        SignIn = "sign-in",
        /// A page is opened.
        Browse = "browse",
        /// A method of the API is called.
        Call = "call",
        /// A connection to a service is opened.
        Connect = "connect",
        /// Lines are said on a connection, and answered.
        Say = "say",
        /// A connection is protected with TLS.
        Secure = "secure",
        /// A connection is closed.
        Close = "close",
        /// A message that is held apart is let go to its mailbox.
        Release = "release",
        /// Many messages are sent.
        Load = "load",
        /// Something breaks.
        Fault = "fault",
        /// What broke is repaired.
        Heal = "heal",
        /// Time passes.
        Advance = "advance",
        /// A node is moved while it runs.
        Migrate = "migrate",
        /// All nodes leave a host.
        Evacuate = "evacuate",
        /// The environment's state is kept.
        Snapshot = "snapshot",
        /// The environment's state is as it was.
        Restore = "restore",
        /// Something must hold.
        Expect = "expect",
    }
}

/// A step as plain data in canonical spelling: its arguments, and its settings with their values, sorted by name.
pub type PlainStep = (Vec<String>, Vec<(&'static str, Vec<String>)>);

impl Step {
    /// Returns the step as plain data in canonical spelling, defaults included.
    pub fn plain(&self) -> PlainStep {
        let mut spelling = self.spelling();
        spelling.settings.sort();
        (spelling.arguments, spelling.settings)
    }

    /// Returns where the step stands in the text.
    pub fn place(&self) -> Span {
        self.span()
    }
}
