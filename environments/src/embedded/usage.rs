//! What mailboxes hold, asked of the engine for the control plane.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use control::MailboxUse;
use values::MailAddress;

use super::engine::EngineHandle;

/// How long an answer may take; a page without figures is better than a page that hangs.
const PATIENCE: Duration = Duration::from_millis(250);

/// Asks the engine, and waits a moment for it.
pub(crate) struct AskEngine(pub(crate) EngineHandle);

impl control::Usage for AskEngine {
    fn of(&self, mailbox: &MailAddress) -> Option<MailboxUse> {
        let (answer, answered) = sync_channel(1);
        // The engine answers within its current batch; this thread is one of several, and engine and disks do without it.
        self.0.measure(mailbox.clone(), answer).then(|| answered.recv_timeout(PATIENCE).ok().flatten())?
    }
}
