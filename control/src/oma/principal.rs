//! Who calls, and what that lets them do where.

use crate::directory::{Account, DirectoryError, Means, TokenKind, Who};
use crate::{Control, Remote, SignInRefusal};

use super::{Fault, Request};

/// Something that a role may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// See accounts and what is set for them.
    See,
    /// Change settings that cost nothing.
    Edit,
    /// Set passwords.
    Password,
    /// Create, delete, restore; quota and type.
    Bill,
    /// Make tokens for others.
    Token,
    /// See domains and their workgroups.
    SeeDomain,
    /// Change domains, make and delete workgroups.
    EditDomain,
    /// See the company.
    SeeCompany,
    /// Give roles within a domain.
    GiveRoles,
    /// Let a token sign in to this API as somebody else.
    ApiToken,
}

/// Roles, from the most powerful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Operator,
    Company,
    CompanyMail,
    CompanyMail2,
    CompanyView,
    CompanyRo,
    CompanyTokenOnly,
    Domain,
    Mail,
    Workgroup,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Company => "company",
            Self::CompanyMail => "company_mail",
            Self::CompanyMail2 => "company_mail2",
            Self::CompanyView => "company_view",
            Self::CompanyRo => "company_ro",
            Self::CompanyTokenOnly => "company_token_only",
            Self::Domain => "domain",
            Self::Mail => "mail",
            Self::Workgroup => "workgroup",
        }
    }

    /// Returns a role that can be given; the operator's cannot.
    pub(crate) fn read(text: &str) -> Option<Self> {
        [
            Self::Company,
            Self::CompanyMail,
            Self::CompanyMail2,
            Self::CompanyView,
            Self::CompanyRo,
            Self::CompanyTokenOnly,
            Self::Domain,
            Self::Mail,
            Self::Workgroup,
        ]
        .into_iter()
        .find(|role| role.name() == text)
    }

    fn allows(self, right: Right) -> bool {
        match self {
            Self::Operator | Self::Company => true,
            Self::CompanyMail => !matches!(right, Right::Bill | Right::GiveRoles | Right::ApiToken | Right::EditDomain),
            Self::CompanyMail2 => matches!(right, Right::See | Right::Edit | Right::SeeDomain | Right::SeeCompany),
            Self::CompanyView => !matches!(right, Right::Bill | Right::GiveRoles | Right::ApiToken | Right::Token),
            Self::CompanyRo => matches!(right, Right::See | Right::SeeDomain | Right::SeeCompany),
            Self::CompanyTokenOnly => right == Right::Token,
            Self::Domain => !matches!(right, Right::Token | Right::SeeCompany | Right::ApiToken),
            Self::Mail => matches!(right, Right::See | Right::Edit | Right::Password | Right::SeeDomain),
            Self::Workgroup => matches!(right, Right::See | Right::Edit | Right::Password | Right::Bill),
        }
    }

    /// Returns how high it stands: what one suspended, a lower one does not switch on again.
    pub(crate) fn level(self) -> i64 {
        match self {
            Self::Operator => 4,
            Self::Domain => 2,
            Self::Mail | Self::Workgroup => 1,
            _ => 3,
        }
    }
}

/// Where something lies: a company, a domain in it, a workgroup in that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) reseller: &'a str,
    pub(crate) domain: Option<&'a str>,
    pub(crate) workgroup: Option<&'a str>,
}

impl<'a> Place<'a> {
    pub(crate) fn of(account: &'a Account) -> Self {
        Self { reseller: &account.reseller, domain: Some(&account.domain), workgroup: account.workgroup.as_deref() }
    }

    pub(crate) fn domain(reseller: &'a str, domain: &'a str) -> Self {
        Self { reseller, domain: Some(domain), workgroup: None }
    }

    pub(crate) fn company(reseller: &'a str) -> Self {
        Self { reseller, domain: None, workgroup: None }
    }
}

/// A role over an object.
#[derive(Clone, Debug)]
struct Held {
    role: Role,
    object: String,
}

/// Somebody who calls, with what they hold.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) who: Who,
    pub(crate) means: Means,
    /// What the caller names itself.
    pub(crate) application: String,
    held: Vec<Held>,
}

impl Principal {
    /// Finds out who calls.
    pub(super) async fn of(control: &Control, request: &Request, remote: Option<Remote>) -> Result<Self, Fault> {
        let credentials = request.map("credentials").map_err(|_| Fault::CREDENTIALS)?;
        let given = |name: &str| credentials.optional_text(name).map_err(|_| Fault::CREDENTIALS);
        let user = given("user")?.ok_or(Fault::CREDENTIALS)?;
        let token = match given("token")? {
            Some(token) => Some(token),
            None => given("session_token")?,
        };
        let secret = token.or(given("password")?).ok_or(Fault::CREDENTIALS)?;
        let application: String =
            given("client")?.unwrap_or("API").chars().filter(|c| !c.is_control()).take(100).collect();
        let remote = remote.map(|Remote(address)| address);
        match control.directory.credentials(user, secret, remote).await? {
            Ok((who, means)) => Self::new(control, who, means, application).await?.ok_or(Fault::CREDENTIALS),
            Err(SignInRefusal::TooManyFailures) => Err(Fault::LATER),
            Err(_) => Err(Fault::CREDENTIALS),
        }
    }

    /// Returns somebody with their roles; `None` where what they signed in with is not for this API.
    pub(crate) async fn new(
        control: &Control,
        who: Who,
        means: Means,
        application: String,
    ) -> Result<Option<Self>, DirectoryError> {
        if let Means::Token { kind, oma } = means
            && kind != TokenKind::Oma
            && !oma
        {
            return Ok(None);
        }
        let held = match &who {
            Who::Admin(admin) => match &admin.reseller {
                Some(reseller) => vec![Held { role: Role::Company, object: reseller.clone() }],
                None => vec![Held { role: Role::Operator, object: String::new() }],
            },
            Who::Account(account) => {
                if account.status != crate::directory::Status::Active {
                    return Ok(None);
                }
                let roles = control.directory.roles(account.id).await?;
                roles
                    .into_iter()
                    .filter_map(|it| Some(Held { role: Role::read(&it.role)?, object: it.object }))
                    .collect()
            }
        };
        Ok(Some(Self { who, means, application, held }))
    }

    /// Returns the one tenant that the caller's look-ups are bound to; `None` for the operator.
    pub(crate) fn tenant(&self) -> Option<&str> {
        match &self.who {
            Who::Admin(admin) => admin.reseller.as_deref(),
            Who::Account(account) => Some(&account.reseller),
        }
    }

    /// Returns the caller's own account.
    pub(crate) fn account(&self) -> Option<&Account> {
        match &self.who {
            Who::Admin(_) => None,
            Who::Account(account) => Some(account),
        }
    }

    /// Tells whether the caller holds no role: it may see itself and nothing else.
    pub(crate) fn is_plain(&self) -> bool {
        self.held.is_empty()
    }

    /// Tells whether the caller may do something at a place.
    pub(crate) fn may(&self, right: Right, place: Place<'_>) -> bool {
        self.roles_over(place).any(|role| role.allows(right))
    }

    /// Tells whether the caller holds any role over a place: otherwise it must not learn that there is something.
    pub(crate) fn knows(&self, place: Place<'_>) -> bool {
        self.roles_over(place).next().is_some()
    }

    /// Returns the level of the highest role over a place; zero for none.
    pub(crate) fn level(&self, place: Place<'_>) -> i64 {
        self.roles_over(place).map(Role::level).max().unwrap_or(0)
    }

    fn roles_over<'a>(&'a self, place: Place<'a>) -> impl Iterator<Item = Role> + 'a {
        let tenant = self.tenant();
        self.held
            .iter()
            .filter(move |held| match held.role {
                Role::Operator => true,
                // A role never reaches beyond its holder's own company, whatever its object says.
                _ if tenant != Some(place.reseller) => false,
                Role::Domain | Role::Mail => place.domain == Some(held.object.as_str()),
                Role::Workgroup => match (place.domain, place.workgroup) {
                    (Some(domain), Some(workgroup)) => {
                        held.object.strip_prefix(domain).and_then(|rest| rest.strip_prefix('/')) == Some(workgroup)
                    }
                    _ => false,
                },
                _ => held.object == place.reseller,
            })
            .map(|held| held.role)
    }

    /// Returns the name that changes are recorded under.
    pub(crate) fn name(&self) -> String {
        self.who.address().key()
    }
}
