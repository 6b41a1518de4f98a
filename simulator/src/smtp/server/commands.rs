//! What each command does.

use super::{Effect, Hello, Phase, RecipientAnswer, Sasl, Session, SignInAnswer, Transaction};
use crate::Moment;
use crate::directory::SignInRefusal;
use crate::smtp::command::{self, Command};
use crate::smtp::path::{self, Path};
use crate::smtp::{Envelope, Recipient, Reply, Setting, alignment, sasl};

impl Session {
    /// Deals with a line, its line feed among it.
    pub(super) fn line(&mut self, now: Moment, line: &[u8]) {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        match std::mem::replace(&mut self.phase, Phase::Command) {
            // The refusal was said when the line became too long.
            Phase::Discarding(_) => {}
            Phase::Sasl(step) => self.sasl_response(step, line.len(), text),
            _ => self.command_line(now, line.len(), text),
        }
    }

    fn command_line(&mut self, now: Moment, length: usize, text: &[u8]) {
        if text.first().is_some_and(|byte| super::is_foreign(*byte)) {
            return self.foreign();
        }
        let limits = &self.settings.limits;
        let authenticates = text.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"));
        let longest = if authenticates { self.longest_line() } else { limits.command_bytes };
        if length > longest {
            return self.fail(&Reply::new(500, (5, 5, 2), "Error: line too long"));
        }
        let Ok(text) = std::str::from_utf8(text) else {
            return self.fail(&Reply::new(500, (5, 5, 2), "Error: bad UTF-8 syntax"));
        };
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return self.fail(&Reply::new(501, (5, 5, 2), "Error: control character in a command"));
        }
        let command = command::read(text);
        if self.settings.setting == Setting::Submission
            && self.settings.require_tls_for_auth
            && !self.peer.tls
            && !matches!(
                command,
                Command::Helo(_)
                    | Command::Ehlo(_)
                    | Command::StartTls(_)
                    | Command::Noop
                    | Command::Quit
                    | Command::Foreign
                    | Command::Empty
                    | Command::Unknown
            )
        {
            // RFC 3207 §4.
            return self.fail(&Reply::new(530, (5, 7, 0), "Must issue a STARTTLS command first"));
        }
        self.command(now, command);
    }

    fn command(&mut self, now: Moment, command: Command<'_>) {
        let lmtp = self.settings.setting == Setting::Lmtp;
        if self.more && !self.settings.early_commands && self.ends_group(&command) {
            self.reply(&Reply::new(554, (5, 5, 0), "Error: SMTP protocol synchronization"));
            return self.close();
        }
        match command {
            Command::Helo(name) if !lmtp => self.hello(name, false),
            Command::Ehlo(name) if !lmtp => self.hello(name, true),
            Command::Lhlo(name) if lmtp => self.hello(name, true),
            Command::Mail(rest) => self.mail(rest),
            Command::Rcpt(rest) => self.rcpt(rest),
            Command::Data(more) => self.data(now, more),
            Command::Bdat(rest) => self.bdat(now, rest),
            Command::Rset(true) => self.fail(&Reply::new(501, (5, 5, 4), "Syntax: RSET")),
            Command::Rset(false) => {
                self.transaction = None;
                self.junk(&Reply::new(250, (2, 0, 0), "Ok"));
            }
            Command::Noop => self.junk(&Reply::new(250, (2, 0, 0), "Ok")),
            Command::Quit => {
                self.reply(&Reply::new(221, (2, 0, 0), "Bye"));
                self.close();
            }
            // Saying who exists is RCPT's affair, where it is counted (RFC 5321 §7.3).
            Command::Vrfy(_) => self.fail(&Reply::new(502, (5, 5, 1), "VRFY command is disabled")),
            Command::Etrn("") => self.fail(&Reply::plain(500, "Syntax: ETRN domain")),
            Command::Etrn(domain) => self.fail(&Reply::plain(459, format!("<{domain}>: service unavailable"))),
            Command::StartTls(more) => self.start_tls(more),
            Command::Auth(rest) if !lmtp => self.auth(rest),
            Command::Malformed(syntax) => self.fail(&Reply::new(501, (5, 5, 4), syntax)),
            Command::Foreign => self.foreign(),
            Command::Empty => self.fail(&Reply::new(500, (5, 5, 2), "Error: bad syntax")),
            // RFC 2033 §4.1: LMTP knows no HELO and EHLO, SMTP no LHLO.
            Command::Helo(_) | Command::Ehlo(_) | Command::Lhlo(_) | Command::Auth(_) | Command::Unknown => {
                self.fail(&Reply::new(500, (5, 5, 2), "Error: command not recognized"));
            }
        }
    }

    /// Returns whether the answer to a command must be waited for before anything else is said (RFC 2920 §3.1).
    fn ends_group(&self, command: &Command<'_>) -> bool {
        match command {
            Command::Helo(_) | Command::Ehlo(_) | Command::Data(false) | Command::Vrfy(_) | Command::Noop => true,
            Command::Quit => false,
            // Who greeted with HELO was not told that anything may be sent at once.
            _ => self.hello.as_ref().is_some_and(|hello| !hello.extended),
        }
    }

    /// Ends a session that speaks another protocol (a browser lured here, a TLS client at a plain door).
    pub(super) fn foreign(&mut self) {
        self.reply(&Reply::new(221, (2, 7, 0), "Error: this is not how mail is spoken"));
        self.close();
    }

    /// Replies to a command that is free only so many times between two messages (`smtpd_junk_command_limit`).
    fn junk(&mut self, reply: &Reply) {
        self.reply(reply);
        self.junk = self.junk.saturating_add(1);
        if self.junk > self.settings.limits.junk_commands {
            self.count_error();
        }
    }

    fn hello(&mut self, name: &str, extended: bool) {
        let name = name.split([' ', '\t']).next().unwrap_or_default();
        if name.is_empty() {
            let verb = match (self.settings.setting, extended) {
                (Setting::Lmtp, _) => "LHLO",
                (_, true) => "EHLO",
                (_, false) => "HELO",
            };
            return self.fail(&Reply::plain(501, format!("Syntax: {verb} hostname")));
        }
        self.transaction = None;
        self.hello = Some(Hello { name: name.chars().take(255).collect(), extended });
        let mut text = self.settings.hostname.clone();
        if extended {
            for keyword in self.extensions() {
                text.push('\n');
                text.push_str(&keyword);
            }
        }
        self.junk(&Reply::plain(250, text));
    }

    fn extensions(&self) -> Vec<String> {
        let setting = self.settings.setting;
        let mut keywords = vec!["PIPELINING".to_owned(), format!("SIZE {}", self.settings.max_message_bytes)];
        if self.settings.starttls && !self.peer.tls {
            keywords.push("STARTTLS".to_owned());
        }
        if self.may_authenticate() {
            keywords.push("AUTH PLAIN LOGIN".to_owned());
        }
        for keyword in ["ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"] {
            keywords.push(keyword.to_owned());
        }
        if setting == Setting::Lmtp {
            keywords.push("XDELIVERY".to_owned());
        }
        keywords
    }

    fn may_authenticate(&self) -> bool {
        self.settings.setting == Setting::Submission && (self.peer.tls || !self.settings.require_tls_for_auth)
    }

    fn start_tls(&mut self, more: bool) {
        if more {
            self.fail(&Reply::new(501, (5, 5, 4), "Syntax: STARTTLS"));
        } else if self.peer.tls {
            self.fail(&Reply::new(554, (5, 5, 1), "Error: TLS already active"));
        } else if !self.settings.starttls {
            self.fail(&Reply::new(502, (5, 5, 1), "Error: command not implemented"));
        } else {
            self.reply(&Reply::new(220, (2, 0, 0), "Ready to start TLS"));
            self.effects.push_back(Effect::StartTls);
            self.transaction = None;
            self.phase = Phase::Tls;
        }
    }

    fn auth(&mut self, rest: &str) {
        if self.hello.is_none() {
            return self.fail(&Reply::new(503, (5, 5, 1), "Error: send HELO/EHLO first"));
        }
        if !self.may_authenticate() {
            return self.fail(&Reply::new(503, (5, 5, 1), "Error: authentication not enabled"));
        }
        if self.transaction.is_some() {
            return self.fail(&Reply::new(503, (5, 5, 1), "Error: MAIL transaction in progress"));
        }
        if self.identity.is_some() {
            return self.fail(&Reply::new(503, (5, 5, 1), "Error: already authenticated"));
        }
        let mut words = rest.split([' ', '\t']).filter(|word| !word.is_empty());
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let initial = words.next();
        if mechanism.is_empty() || words.next().is_some() {
            return self.fail(&Reply::new(501, (5, 5, 4), "Syntax: AUTH mechanism"));
        }
        let first = match mechanism.as_str() {
            "PLAIN" => Sasl::Plain,
            "LOGIN" => Sasl::LoginUser,
            _ => return self.sign_in_failed("unknown mechanism"),
        };
        match (initial, &first) {
            (Some(response), _) => self.sasl_step(first, response),
            (None, Sasl::Plain) => self.challenge(first, ""),
            (None, _) => self.challenge(first, "VXNlcm5hbWU6"),
        }
    }

    fn challenge(&mut self, step: Sasl, text: &str) {
        self.reply(&Reply::plain(334, text));
        self.phase = Phase::Sasl(step);
    }

    fn sasl_response(&mut self, step: Sasl, length: usize, text: &[u8]) {
        if length > self.settings.limits.sasl_bytes {
            return self.fail(&Reply::new(500, (5, 5, 6), "SASL response limit exceeded"));
        }
        match std::str::from_utf8(text) {
            Ok("*") => self.fail(&Reply::new(501, (5, 7, 0), "Authentication aborted")),
            Ok(text) => self.sasl_step(step, text),
            Err(_) => self.sign_in_failed("malformed response"),
        }
    }

    fn sasl_step(&mut self, step: Sasl, response: &str) {
        // Gap: RFC 4954 §4 wants 501 5.5.2 for what is not base64; Postfix with Dovecot says 535 5.7.8, and so do we.
        let Some(bytes) = sasl::decode(response) else { return self.sign_in_failed("malformed response") };
        let credentials = match step {
            Sasl::Plain => sasl::plain(&bytes),
            Sasl::LoginUser => return self.challenge(Sasl::LoginPassword(bytes), "UGFzc3dvcmQ6"),
            Sasl::LoginPassword(user) => sasl::login(&user, &bytes),
        };
        let Some(credentials) = credentials else { return self.sign_in_failed("malformed response") };
        self.phase = Phase::AwaitingSignIn;
        self.effects.push_back(Effect::SignIn { user: credentials.user, password: credentials.password });
    }

    fn sign_in_failed(&mut self, why: &str) {
        self.fail(&Reply::new(535, (5, 7, 8), format!("Error: authentication failed: {why}")));
    }

    pub(super) fn signed_in(&mut self, answer: SignInAnswer) {
        match answer {
            SignInAnswer::Welcome(identity) => {
                self.identity = Some(*identity);
                self.reply(&Reply::new(235, (2, 7, 0), "Authentication successful"));
            }
            SignInAnswer::Refused(SignInRefusal::Credentials) => self.sign_in_failed("wrong user or password"),
            SignInAnswer::Refused(SignInRefusal::ServiceOff) => {
                // Postfix asks Dovecot, which has no other answer for who may not.
                self.sign_in_failed("sending is switched off for this mailbox");
            }
            SignInAnswer::Unavailable => {
                self.fail(&Reply::new(454, (4, 7, 0), "Temporary authentication failure"));
            }
        }
    }

    fn mail(&mut self, rest: &str) {
        if self.hello.is_none() {
            return self.fail(&Reply::new(503, (5, 5, 1), "Error: say hello first"));
        }
        if let Some(open) = &self.transaction {
            let text = if open.chunks.is_some() { "Error: MAIL after BDAT" } else { "Error: nested MAIL command" };
            return self.fail(&Reply::new(503, (5, 5, 1), text));
        }
        let arguments = match command::mail_arguments(rest) {
            Ok(arguments) => arguments,
            Err(reply) => return self.fail(&reply),
        };
        if arguments.delivery.is_some() && self.settings.setting != Setting::Lmtp {
            return self.fail(&Reply::new(555, (5, 5, 4), "Unsupported option: XDELIVERY"));
        }
        // Postfix: strict_smtputf8 = no. Who says nothing of SMTPUTF8 and writes such an address is taken at its word.
        let internationalized = arguments.internationalized || !rest.is_ascii();
        if arguments.size.is_some_and(|size| size > self.settings.max_message_bytes) {
            return self.fail(&Reply::new(552, (5, 3, 4), "Message size exceeds fixed limit"));
        }
        // Postfix: reject_non_fqdn_sender, which is looked at with the first recipient (smtpd_delay_reject).
        let is_qualified = match &arguments.path {
            Path::Local(_) => false,
            path => unqualified(path).is_none(),
        };
        let sender = match arguments.path {
            Path::Null => None,
            // Gap: RFC 5321 §4.1.3, a reverse-path at an address literal is refused: no reply could be sent to it here.
            path => match path.into_address(&self.settings.origin) {
                Some(address) => Some(address),
                None => return self.fail(&Reply::new(501, (5, 1, 7), "Bad sender address syntax")),
            },
        };
        // As Postfix does, the null reverse-path is anybody's: receipts and notices are sent with it (RFC 8098 §3).
        let sender_refusal = match (&self.identity, &sender) {
            // RFC 6409 §4.3, RFC 4954 §6; as Postfix does, not before somebody is written to.
            (None, _) if self.settings.setting == Setting::Submission => {
                Some(Reply::new(530, (5, 7, 0), "Sender address rejected: Authentication required"))
            }
            (_, Some(sender)) if !is_qualified && self.settings.setting != Setting::Lmtp => {
                let text = format!("<{sender}>: Sender address rejected: need fully-qualified address");
                Some(Reply::new(504, (5, 5, 2), text))
            }
            (Some(identity), Some(sender))
                if !alignment::owns(identity, self.settings.subaddress_separator, sender) =>
            {
                let text = format!("<{sender}>: Sender address rejected: not owned by user {}", identity.mailbox);
                Some(Reply::new(553, (5, 7, 1), text))
            }
            _ => None,
        };
        self.transaction = Some(Transaction {
            envelope: Envelope {
                sender,
                recipients: Vec::new(),
                returned: arguments.returned,
                identifier: arguments.identifier,
                body: arguments.body,
                internationalized,
                delivery: arguments.delivery,
            },
            sender_refusal,
            too_many: 0,
            chunks: None,
            chunks_failed: false,
        });
        self.reply(&Reply::new(250, (2, 1, 0), "Ok"));
    }

    fn rcpt(&mut self, rest: &str) {
        let limits = &self.settings.limits;
        let Some(open) = &mut self.transaction else {
            return self.fail(&Reply::new(503, (5, 5, 1), "Error: need MAIL command"));
        };
        if open.chunks.is_some() || open.chunks_failed {
            return self.fail(&Reply::new(503, (5, 5, 1), "Error: RCPT after BDAT"));
        }
        let arguments = match command::rcpt_arguments(rest) {
            Ok(arguments) => arguments,
            Err(reply) => return self.fail(&reply),
        };
        open.envelope.internationalized |= !rest.is_ascii();
        if open.envelope.recipients.len() >= limits.recipients {
            open.too_many += 1;
            let over = open.too_many > limits.recipient_overshoot;
            let reply = Reply::new(452, (4, 5, 3), "Error: too many recipients");
            return if over { self.fail(&reply) } else { self.reply(&reply) };
        }
        if let Some(reply) = open.sender_refusal.clone() {
            return self.fail(&reply);
        }
        let sender = open.envelope.sender.clone();
        if let Some(shown) = unqualified(&arguments.path) {
            match self.settings.setting {
                Setting::Receiving => return self.relay_denied(&shown),
                // Postfix: reject_non_fqdn_recipient.
                Setting::Submission => {
                    let text = format!("<{shown}>: Recipient address rejected: need fully-qualified address");
                    return self.fail(&Reply::new(504, (5, 5, 2), text));
                }
                Setting::Lmtp => {}
            }
        }
        let literal = match &arguments.path {
            Path::Literal(literal) => Some(literal.clone()),
            _ => None,
        };
        let Some(address) = arguments.path.into_address(&self.settings.origin) else {
            let shown = literal.unwrap_or_default();
            return match self.settings.setting {
                Setting::Receiving => self.relay_denied(&shown),
                _ => self.fail(&Reply::new(550, (5, 1, 1), format!("<{shown}>: no mail is sent to address literals"))),
            };
        };
        // Postfix: allow_untrusted_routing = no. No stranger routes mail through a local part.
        if self.settings.setting == Setting::Receiving && path::routes_onward(&address) {
            return self.relay_denied(&address.to_string());
        }
        let recipient = Recipient { address: address.clone(), notify: arguments.notify, original: arguments.original };
        self.phase = Phase::AwaitingRecipient(recipient);
        let identity = self.identity.clone();
        self.effects.push_back(Effect::VerifyRecipient { sender, recipient: address, identity });
    }

    fn relay_denied(&mut self, address: &str) {
        self.fail(&Reply::new(554, (5, 7, 1), format!("<{address}>: Relay access denied")));
    }

    pub(super) fn verified(&mut self, recipient: Recipient, answer: RecipientAnswer) {
        let address = recipient.address.to_string();
        let setting = self.settings.setting;
        let refusal = match answer {
            RecipientAnswer::Known => None,
            RecipientAnswer::Elsewhere if setting == Setting::Submission => None,
            RecipientAnswer::Elsewhere if setting == Setting::Receiving => return self.relay_denied(&address),
            RecipientAnswer::Elsewhere | RecipientAnswer::Unknown => {
                Some(Reply::new(550, (5, 1, 1), format!("<{address}>: Recipient address rejected: User unknown")))
            }
            RecipientAnswer::Disabled => {
                Some(Reply::new(550, (5, 2, 1), format!("<{address}>: Recipient address rejected: takes no mail now")))
            }
            RecipientAnswer::OverQuota => {
                Some(Reply::new(552, (5, 2, 2), format!("<{address}>: Recipient address rejected: Mailbox is full")))
            }
            RecipientAnswer::SenderRefused => {
                Some(Reply::new(550, (5, 7, 1), format!("<{address}>: Recipient address rejected: Access denied")))
            }
            RecipientAnswer::Unavailable => {
                Some(Reply::new(451, (4, 3, 0), format!("<{address}>: Temporary lookup failure")))
            }
            RecipientAnswer::Refused(reply) => Some(reply),
        };
        match refusal {
            Some(reply) => self.fail(&reply),
            None => {
                if let Some(open) = &mut self.transaction {
                    open.envelope.recipients.push(recipient);
                }
                self.reply(&Reply::new(250, (2, 1, 5), "Ok"));
            }
        }
    }
}

/// Returns an address as it was said that has no domain, or one of a single label; the postmaster needs none (RFC 5321 §4.5.1).
fn unqualified(path: &Path) -> Option<String> {
    match path {
        Path::Local(local) => (!local.eq_ignore_ascii_case("postmaster")).then(|| local.clone()),
        Path::Address(address) => (!address.domain().as_str().contains('.')).then(|| address.to_string()),
        Path::Null | Path::Literal(_) | Path::Invalid => None,
    }
}
