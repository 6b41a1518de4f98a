//! A reseller's looks.

use values::{Colour, HostName, LanguageTag, Line, MailAddress, Name, RepositoryPath, Url};

use crate::language::{argument, choice, kind, named};
use crate::tree::Spanned;

kind! {
    /// A look: how pages and messages appear to users.
    pub struct Brand {
        /// The brand's name.
        name: Spanned<Name> = argument("name").example("acme").unique();
        /// What it was called before.
        renamed_from: Option<Spanned<Name>> = named("renamed-from").example("old-name");
        /// What users know the service as.
        product: Spanned<Line> = named("product").example("Acme Mail");
        /// The file of the logo.
        logo: Option<Spanned<RepositoryPath>> = named("logo").example("assets/acme.svg");
        /// The file of the small picture in a browser's tab.
        favicon: Option<Spanned<RepositoryPath>> = named("favicon").example("assets/acme.png");
        /// Colours.
        colours: Option<Colours> = named("colours");
        /// Host names of its own.
        hosts: Option<BrandHosts> = named("hosts");
        /// Where users find help.
        support: Option<Support> = named("support");
        /// Texts in a language.
        texts: Vec<Texts> = named("texts");
        /// The message that greets a new mailbox, in a language.
        welcome_messages: Vec<WelcomeMessage> = named("welcome-message");
        /// What users of the brand may do beyond mail.
        features: Vec<Spanned<BrandFeature>> = named("feature");
    }
}

kind! {
    /// Colours of a brand.
    pub struct Colours {
        /// Of buttons and bars.
        primary: Spanned<Colour> = named("primary").example("#0b5fff");
        /// Of text on the primary colour.
        on_primary: Spanned<Colour> = named("on-primary").default("#ffffff");
        /// Of pages.
        background: Spanned<Colour> = named("background").default("#ffffff");
        /// Of text on pages.
        text: Spanned<Colour> = named("text").default("#1b1b1b");
    }
}

kind! {
    /// Host names of a brand's own.
    pub struct BrandHosts {
        /// For webmail.
        webmail: Option<Spanned<HostName>> = named("webmail").example("webmail.acme.example");
        /// For IMAP.
        imap: Option<Spanned<HostName>> = named("imap").example("imap.acme.example");
        /// For POP3.
        pop3: Option<Spanned<HostName>> = named("pop3").example("pop.acme.example");
        /// For sending mail.
        smtp: Option<Spanned<HostName>> = named("smtp").example("smtp.acme.example");
    }
}

kind! {
    /// Where users find help.
    pub struct Support {
        /// A page.
        url: Option<Spanned<Url>> = named("url").example("https://acme.example/help");
        /// A mail address.
        email: Option<Spanned<MailAddress>> = named("email").example("help@acme.example");
        /// A telephone number, as people read it.
        phone: Option<Spanned<Line>> = named("phone").example("+1 416 555 0100");
    }
}

kind! {
    /// Texts in a language.
    pub struct Texts {
        /// The language.
        language: Spanned<LanguageTag> = named("language").example("en").unique();
        /// Above the form where users sign in.
        sign_in: Option<Spanned<Line>> = named("sign-in").example("Welcome back");
        /// At the foot of each page.
        footer: Option<Spanned<Line>> = named("footer").example("Acme Internet");
    }
}

kind! {
    /// The message that greets a new mailbox.
    pub struct WelcomeMessage {
        /// Its file.
        path: Spanned<RepositoryPath> = argument("path").example("assets/welcome.eml");
        /// Its language.
        language: Spanned<LanguageTag> = named("language").default("en").unique();
    }
}

choice! {
    /// What users of a brand may do beyond mail.
    pub enum BrandFeature: "feature" {
        /// An admin of a domain sees and changes its mailboxes.
        MailboxAdmin = "mailbox-admin",
    }
}
