//! Resellers.

use values::{LanguageTag, Line, MailAddress, Name, SecretName, TimeZone};

use super::{Brand, Domain};
use crate::language::{argument, kind, named};
use crate::tree::Spanned;

kind! {
    /// A company that sells mailboxes under its own name.
    pub struct Reseller {
        /// The reseller's name, which its folder bears too.
        name: Spanned<Name> = argument("name").example("acme");
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// The company's name, as people read it.
        company: Spanned<Line> = named("company").example("Acme Internet");
        /// Where the operator reaches it.
        contact: Spanned<MailAddress> = named("contact").example("hostmaster@acme.example");
        /// The language of its users, where they have none of their own.
        language: Spanned<LanguageTag> = named("language").default("en");
        /// The time zone of its users, where they have none of their own.
        time_zone: Spanned<TimeZone> = named("time-zone").default("UTC");
        /// Somebody who signs in to the API and the reseller interface.
        admins: Vec<Admin> = named("admin");
        /// A look.
        brands: Vec<Brand> = named("brand");
        /// A mail domain.
        domains: Vec<Domain> = named("domain");
    }
}

kind! {
    /// Somebody who signs in to the API and the reseller interface.
    pub struct Admin {
        /// Under which address, whose domain is the reseller's name and `.adm`.
        address: Spanned<MailAddress> = argument("address").example("admin@acme.adm").unique();
        /// What is given once.
        initial: Option<Initial> = named("initial");
    }
}

kind! {
    /// Values that are given once and are the user's from then on.
    pub struct Initial {
        /// The password, by the name of the secret.
        password: Option<Spanned<SecretName>> = named("password").example("secret:alice");
    }
}
