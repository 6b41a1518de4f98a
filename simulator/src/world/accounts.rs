//! A directory in memory.

use std::collections::BTreeMap;

use values::{HostName, MailAddress, Score};

use crate::directory::{Answer, DefensePolicy, Delivery, Identity, Mailbox, Question, Recipient, SignInRefusal};
use crate::signing::Ring;

/// A mailbox with all that belongs to it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its main address.
    pub address: MailAddress,
    /// The password it signs in with.
    pub password: String,
    /// Name of its store host.
    pub store: String,
    /// What mail for it leads to.
    pub delivery: Delivery,
}

/// A directory in memory.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    domains: Vec<HostName>,
    accounts: BTreeMap<String, Account>,
    /// Other addresses: aliases, lists, forwards.
    others: BTreeMap<String, Delivery>,
    /// Addresses that accounts had before, by their keys.
    renamed: BTreeMap<String, MailAddress>,
    /// The keys that sign.
    pub keys: Ring,
}

impl Accounts {
    /// Returns an empty directory of some domains.
    #[must_use]
    pub fn of(domains: &[HostName]) -> Self {
        Self { domains: domains.to_vec(), ..Self::default() }
    }

    /// Returns a policy that tags at 5, files as spam at 8 and refuses at 15.
    pub fn policy() -> DefensePolicy {
        let score = |thousandths| Score::from_thousandths(thousandths).unwrap_or(Score::ZERO);
        DefensePolicy {
            tag: score(5_000),
            quarantine: score(8_000),
            reject: score(15_000),
            subject_tag: "[SPAM]".to_owned(),
            spam_folder: "Spam".to_owned(),
            allow: Vec::new(),
            block: Vec::new(),
        }
    }

    /// Adds a mailbox that takes its own mail.
    pub fn add(&mut self, address: MailAddress, store: &str, password: &str) -> &mut Account {
        let mailbox =
            Mailbox { address: address.clone(), store: store.to_owned(), quota: None, sieve: true, script: None };
        let delivery = Delivery {
            mailboxes: vec![mailbox],
            forwards: Vec::new(),
            filtered: Vec::new(),
            policy: Self::policy(),
            senders: None,
            autoreply: None,
        };
        let key = address.key();
        let account = Account { address, password: password.to_owned(), store: store.to_owned(), delivery };
        self.accounts.entry(key).insert_entry(account).into_mut()
    }

    /// Adds an address that leads to others.
    pub fn add_other(&mut self, address: &MailAddress, delivery: Delivery) {
        self.others.insert(address.key(), delivery);
    }

    /// Gives a mailbox another address.
    pub fn rename(&mut self, from: &MailAddress, to: &MailAddress) {
        if let Some(mut account) = self.accounts.remove(&from.key()) {
            for mailbox in account.delivery.mailboxes.iter_mut().filter(|mailbox| mailbox.address == *from) {
                mailbox.address = to.clone();
            }
            account.address = to.clone();
            self.accounts.insert(to.key(), account);
            self.renamed.insert(from.key(), to.clone());
        }
    }

    /// Removes an address.
    pub fn remove(&mut self, address: &MailAddress) {
        self.accounts.remove(&address.key());
        self.others.remove(&address.key());
    }

    /// Answers a question.
    pub fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Recipient { address, taken } => Answer::Recipient(match self.renamed.get(&address.key()) {
                Some(now) if *taken => Recipient::Renamed(now.clone()),
                _ => self.recipient(address),
            }),
            Question::SignIn { user, password, .. } => {
                let address = user.parse::<MailAddress>().ok();
                let account = address.and_then(|address| self.accounts.get(&address.key()));
                Answer::SignIn(match account.filter(|account| account.password == password.0) {
                    Some(account) => Ok(Identity {
                        mailbox: account.address.clone(),
                        store: account.store.clone(),
                        quota: None,
                        senders: vec![account.address.clone()],
                    }),
                    None => Err(SignInRefusal::Credentials),
                })
            }
            Question::SendAllowance { .. } => Answer::SendAllowance(true),
            Question::Sign(order) => Answer::Signed(order.carry_out(&self.keys)),
        }
    }

    fn recipient(&self, address: &MailAddress) -> Recipient {
        if !self.domains.contains(address.domain()) {
            return Recipient::Elsewhere;
        }
        let key = address.key();
        let delivery = self.accounts.get(&key).map(|account| &account.delivery).or_else(|| self.others.get(&key));
        delivery.map_or(Recipient::Unknown, |delivery| Recipient::Known(delivery.clone()))
    }
}
