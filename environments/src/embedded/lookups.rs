//! What the platform's hosts ask the directory, put to the control plane and answered in the hosts' own words.

use std::net::IpAddr;

use control::Directory;
use simulator::directory as seam;
use values::MailAddress;

/// Asks the directory. A directory that fails makes the asker answer with a temporary failure.
///
/// - `remote`: where the client is on whose behalf it is asked, for counting failed sign-ins.
pub(crate) async fn answer(directory: &Directory, question: seam::Question, remote: Option<IpAddr>) -> seam::Answer {
    match question {
        seam::Question::Recipient { address, taken } => where_to(directory, &address, taken).await,
        seam::Question::SignIn { service, user, password } => {
            match directory.sign_in(signing_in(service), &user, &password.0, remote).await {
                Ok(Ok(identity)) => seam::Answer::SignIn(Ok(known(identity))),
                Ok(Err(control::SignInRefusal::Credentials)) => {
                    seam::Answer::SignIn(Err(seam::SignInRefusal::Credentials))
                }
                Ok(Err(control::SignInRefusal::ServiceOff)) => {
                    seam::Answer::SignIn(Err(seam::SignInRefusal::ServiceOff))
                }
                // To a client that guesses, too many failures look like one more.
                Ok(Err(control::SignInRefusal::TooManyFailures)) => {
                    seam::Answer::SignIn(Err(seam::SignInRefusal::Credentials))
                }
                Err(_) => seam::Answer::Unavailable,
            }
        }
        seam::Question::SendAllowance { user, recipients } => directory
            .send_allowance(&user, recipients)
            .await
            .map_or(seam::Answer::Unavailable, seam::Answer::SendAllowance),
        // The directory has no keys.
        seam::Question::Sign(_) => seam::Answer::Unavailable,
    }
}

async fn where_to(directory: &Directory, address: &MailAddress, taken: bool) -> seam::Answer {
    if taken {
        if !directory.is_settled().await {
            return seam::Answer::Unavailable;
        }
        match directory.renamed_since(address).await {
            Ok(Some(now)) => return seam::Answer::Recipient(seam::Recipient::Renamed(now)),
            Ok(None) => {}
            Err(_) => return seam::Answer::Unavailable,
        }
    }
    match directory.recipient(address).await {
        Ok(found) => seam::Answer::Recipient(recipient(found)),
        Err(_) => seam::Answer::Unavailable,
    }
}

fn signing_in(service: seam::Service) -> control::Service {
    match service {
        seam::Service::Submission => control::Service::Submission,
        seam::Service::Imap => control::Service::Imap,
        seam::Service::Pop3 => control::Service::Pop3,
        seam::Service::Sieve => control::Service::Sieve,
    }
}

fn known(identity: control::Identity) -> seam::Identity {
    let control::Identity { mailbox, store, quota, senders } = identity;
    seam::Identity { mailbox, store, quota, senders }
}

fn recipient(answer: control::RecipientAnswer) -> seam::Recipient {
    match answer {
        control::RecipientAnswer::Elsewhere => seam::Recipient::Elsewhere,
        control::RecipientAnswer::Unknown => seam::Recipient::Unknown,
        control::RecipientAnswer::Disabled => seam::Recipient::Disabled,
        control::RecipientAnswer::Known(delivery) => seam::Recipient::Known(seam::Delivery {
            mailboxes: delivery.mailboxes.into_iter().map(mailbox).collect(),
            forwards: delivery.forwards,
            filtered: delivery.filtered.into_iter().map(filtered).collect(),
            policy: policy(delivery.policy),
            senders: delivery.senders,
            autoreply: delivery.autoreply.map(|reply| {
                let control::Autoreply { from, text, subject, interval_seconds } = reply;
                seam::Autoreply { from, text, subject, interval_seconds }
            }),
        }),
    }
}

fn mailbox(mailbox: control::DeliveryMailbox) -> seam::Mailbox {
    let control::DeliveryMailbox { address, store, quota, sieve, script } = mailbox;
    seam::Mailbox { address, store, quota, sieve, script }
}

fn filtered(filtered: control::Filtered) -> seam::Filtered {
    let control::Filtered { address, host, port, store, holds } = filtered;
    seam::Filtered { address, host, port, store, holds }
}

fn policy(policy: control::DefensePolicy) -> seam::DefensePolicy {
    let control::DefensePolicy { tag, quarantine, reject, subject_tag, spam_folder, allow, block } = policy;
    seam::DefensePolicy { tag, quarantine, reject, subject_tag, spam_folder, allow, block }
}
