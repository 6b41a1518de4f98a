//! What really holds for an account: what the specification says, then what was set through the API.

use blueprint::effective_mailbox;
use blueprint::roster::{self, DefenseSettings, MailService};
use serde::Deserialize;
use values::{ByteSize, Score};

use super::domain::{self, DomainRow};
use super::{Account, Directory, DirectoryError, Facts, Kind, Settings, Status};
use crate::answers::{DefensePolicy, Service};

/// The values that hold for one account.
#[derive(Clone, Debug)]
pub(crate) struct Effective {
    /// Bytes it may hold; `None` means no limit.
    pub(crate) quota: Option<u64>,
    /// Recipients in how many seconds.
    pub(crate) send_limit: Option<(u64, i64)>,
    pub(crate) policy: DefensePolicy,
    /// Whether spam is held apart, where there is no folder for it.
    pub(crate) holds: bool,
    /// Services the tier has.
    services: Vec<MailService>,
    suspended: bool,
    settings: Settings,
}

/// The part of a declaration that settings do not hold.
#[derive(Deserialize)]
struct Declared {
    #[serde(default)]
    defense: DefenseSettings,
}

fn declared_defense(declared: Option<&str>) -> DefenseSettings {
    declared.and_then(|text| serde_json::from_str::<Declared>(text).ok()).map(|it| it.defense).unwrap_or_default()
}

/// Puts scores from a declaration and lists from settings together.
fn defense(declared: Option<&str>, settings: &Settings) -> DefenseSettings {
    DefenseSettings { allow: settings.list("allow"), block: settings.list("block"), ..declared_defense(declared) }
}

impl Effective {
    /// Decides what holds for an account; `None` where the platform has no such tier any more.
    pub(crate) fn of(facts: &Facts, account: &Account, domain: &DomainRow) -> Option<Self> {
        let tier = facts.tier(account.tier.as_deref(), &domain.tier)?;
        let asked = roster::Mailbox {
            address: account.address.clone(),
            workgroup: None,
            tier: None,
            brand: None,
            name: None,
            quota: account.quota.map(ByteSize::from_bytes),
            aliases: Vec::new(),
            forward: Vec::new(),
            keep: false,
            preferences: None,
            autoreply: None,
            defense: defense(account.declared.as_deref(), &account.settings),
            initial_password: None,
            on_removal: roster::OnRemoval { action: "suspend".to_owned(), hold: values::Duration::ZERO },
        };
        let around = roster::Domain {
            name: domain.name.clone(),
            reseller: domain.reseller.parse().ok()?,
            tier: tier.name.clone(),
            brand: None,
            cluster: domain.cluster.parse().ok()?,
            outbound: None,
            aliases: Vec::new(),
            catch_all: None,
            filter_mx: None,
            defense: defense(domain.declared.as_deref(), &domain.settings),
            workgroups: Vec::new(),
        };
        let effective = effective_mailbox(&asked, &around, tier, &facts.defense);
        let inherited = |name: &str| account.settings.text(name).or_else(|| domain.settings.text(name));
        let reject_spam = account.settings.flag("reject_spam") == Some(true);
        let quarantine = stricter(effective.quarantine, inherited("spamlevel"));
        let passes = inherited("filterdelivery") == Some("passthrough");
        let policy = DefensePolicy {
            tag: stricter(effective.tag, inherited("spamlevel")),
            quarantine: if passes { UNREACHED } else { quarantine },
            reject: if reject_spam { quarantine.min(effective.reject) } else { effective.reject },
            subject_tag: inherited("spamtag").unwrap_or(&facts.defense.subject).to_owned(),
            spam_folder: inherited("spamfolder").unwrap_or("Spam").to_owned(),
            allow: effective.allow,
            block: effective.block,
        };
        let own_limit =
            account.settings.number("smtp_sent_limit").or_else(|| domain.settings.number("smtp_sent_limit"));
        let send_limit = match own_limit {
            Some(count) => Some((u64::try_from(count).unwrap_or(0), 86_400)),
            None => effective
                .send_limit
                .map(|rate| (rate.count(), i64::try_from(rate.per().as_seconds()).unwrap_or(i64::MAX))),
        };
        let mut services = effective.services;
        if account.kind != Kind::Mailbox {
            services = vec![MailService::Smtpin];
        }
        Some(Self {
            quota: effective.quota.map(ByteSize::as_bytes),
            send_limit,
            policy,
            holds: account.kind == Kind::Filter && !passes,
            services,
            suspended: account.status != Status::Active || domain.status != Status::Active || disabled(domain),
            settings: account.settings.clone(),
        })
    }

    /// Tells whether mail is taken for the account.
    pub(crate) fn receives(&self) -> bool {
        !self.suspended && self.has(MailService::Smtpin, "service_smtpin")
    }

    /// Tells whether the account may use a service.
    pub(crate) fn may_use(&self, service: Service) -> bool {
        !self.suspended
            && match service {
                Service::Submission => self.has(MailService::Smtprelay, "service_smtprelay"),
                Service::Imap => self.has(MailService::Imap, "service_imap4"),
                Service::Pop3 => self.has(MailService::Pop3, "service_pop3"),
                Service::Sieve => self.services.contains(&MailService::Sieve),
                Service::Webmail => self.has(MailService::Webmail, "service_webmail"),
            }
    }

    /// Returns whether a service is enabled, as the API spells it.
    pub(crate) fn service(&self, name: &str) -> &'static str {
        let of_tier = match name {
            "service_imap4" => MailService::Imap,
            "service_pop3" => MailService::Pop3,
            "service_smtpin" => MailService::Smtpin,
            "service_smtprelay" | "service_smtprelay_webmail" => MailService::Smtprelay,
            _ => MailService::Webmail,
        };
        match self.settings.text(name) {
            _ if self.suspended => "suspended",
            Some("suspended") => "suspended",
            Some("disabled") => "disabled",
            _ if self.services.contains(&of_tier) => "enabled",
            _ => "disabled",
        }
    }

    fn has(&self, service: MailService, name: &str) -> bool {
        self.services.contains(&service) && !matches!(self.settings.text(name), Some("disabled" | "suspended"))
    }
}

fn disabled(domain: &DomainRow) -> bool {
    domain.settings.flag("disabled") == Some(true)
}

/// A score that no message gets.
const UNREACHED: Score = Score::from_thousandths(1_000_000_000).expect("a million is the highest score");

/// Lowers a threshold by a quarter for `High` and by half for `Very High`; a threshold of nothing stays.
fn stricter(score: Score, level: Option<&str>) -> Score {
    let thousandths = score.as_thousandths();
    let lowered = match level {
        _ if thousandths <= 0 => thousandths,
        Some("High") => thousandths - thousandths / 4,
        Some("Very High") => thousandths / 2,
        _ => thousandths,
    };
    Score::from_thousandths(lowered).unwrap_or(score)
}

impl Directory {
    /// Returns what holds for an account; `None` before the first seed, or where its tier is gone.
    pub(crate) async fn effective(&self, account: &Account) -> Result<Option<Effective>, DirectoryError> {
        let Some(facts) = self.facts() else { return Ok(None) };
        let mut connection = self.readers.acquire().await?;
        let domain = domain::named(&mut connection, &account.domain, Some(&account.reseller)).await?;
        Ok(domain.and_then(|domain| Effective::of(&facts, account, &domain)))
    }
}
