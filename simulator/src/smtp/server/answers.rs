//! How the driver answers the effects that ask something.

use values::MailAddress;

use crate::directory::{Answer, Identity, Recipient, SignInRefusal};
use crate::smtp::Reply;

/// The answer to an effect.
#[derive(Clone, Debug)]
pub enum Completion {
    /// To [`super::Effect::SignIn`].
    SignIn(SignInAnswer),
    /// To [`super::Effect::VerifyRecipient`].
    Recipient(RecipientAnswer),
    /// To [`super::Effect::Accept`]: one for the message, on LMTP one for each recipient in the envelope's order. A missing
    /// one is a temporary failure, never a promise.
    Accept(Vec<Disposition>),
}

/// Whether somebody may sign in.
#[derive(Clone, Debug)]
pub enum SignInAnswer {
    /// It is them.
    Welcome(Box<Identity>),
    /// They may not.
    Refused(SignInRefusal),
    /// Nobody could be asked.
    Unavailable,
}

/// What becomes of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientAnswer {
    /// Mail for it is taken.
    Known,
    /// It is not the platform's: relayed for users, refused to strangers.
    Elsewhere,
    /// The domain is the platform's, the address does not exist.
    Unknown,
    /// It takes no mail now.
    Disabled,
    /// Its mailbox is full.
    OverQuota,
    /// This sender may not write to it.
    SenderRefused,
    /// Nobody could be asked.
    Unavailable,
    /// Refused for a reason of the driver's (greylisting, a rate, a block list).
    Refused(Reply),
}

impl RecipientAnswer {
    /// Reads the directory's answer for a message from a sender.
    pub fn of(answer: &Answer, sender: Option<&MailAddress>) -> Self {
        match answer {
            Answer::Recipient(Recipient::Elsewhere) => Self::Elsewhere,
            Answer::Recipient(Recipient::Unknown) => Self::Unknown,
            Answer::Recipient(Recipient::Disabled) => Self::Disabled,
            Answer::Recipient(Recipient::OverQuota) => Self::OverQuota,
            Answer::Recipient(Recipient::Known(delivery)) => match &delivery.senders {
                Some(senders) if !sender.is_some_and(|sender| senders.contains(sender)) => Self::SenderRefused,
                _ => Self::Known,
            },
            _ => Self::Unavailable,
        }
    }
}

impl From<Answer> for SignInAnswer {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::SignIn(Ok(identity)) => Self::Welcome(Box::new(identity)),
            Answer::SignIn(Err(refusal)) => Self::Refused(refusal),
            _ => Self::Unavailable,
        }
    }
}

/// What became of a message, or of one recipient's copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It is durable; the name is what logs know it by.
    Accepted {
        /// The queue's or the store's name for it.
        name: String,
    },
    /// It is not taken.
    Refused(Reply),
}
