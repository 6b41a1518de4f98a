//! A typed writer for the texts of notices, and what they say.
//!
//! Source: bounce(5). A template is a header, an empty line and lines of text between `<<WORD` and `WORD`; in the text `$name` is
//! expanded and `$$` is a dollar.

use std::fmt;

use blueprint::platform::Operator;

/// One notice.
#[derive(Clone, Debug)]
struct Template {
    name: &'static str,
    subject: &'static str,
    /// Of the copy that goes to the postmaster; notices that nobody gets a copy of have none.
    copy_subject: Option<&'static str>,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
enum Line {
    /// These words, of ours or of somebody's.
    Literal(String),
    /// Ours, with parameters of Postfix's in it.
    Expanded(&'static str),
}

/// The file: one text for each kind of notice.
#[derive(Clone, Debug)]
pub struct Texts {
    templates: Vec<Template>,
}

/// Returns the texts of a platform's notices.
pub fn texts(operator: &Operator) -> Texts {
    let template = |name, subject, copy_subject, words: &[Line]| {
        let mut lines =
            vec![Line::Expanded("This is the mail system at host $myhostname."), Line::Literal(String::new())];
        lines.extend(words.iter().cloned());
        lines.extend([Line::Literal(String::new()), Line::Literal(operator.help())]);
        Template { name, subject, copy_subject, lines }
    };
    let said = |text: &str| Line::Literal(text.to_owned());
    Texts {
        templates: vec![
            template(
                "failure_template",
                "Undelivered Mail Returned to Sender",
                Some("Postmaster Copy: Undelivered Mail"),
                &[said("Your message could not be delivered to the people below. Nothing more will be tried.")],
            ),
            template(
                "delay_template",
                "Delayed Mail (still being retried)",
                Some("Postmaster Warning: Delayed Mail"),
                &[
                    said("Your message could not be delivered yet. Nothing needs to be done: delivery is tried again."),
                    Line::Expanded("It will be tried until it is $maximal_queue_lifetime_days days old."),
                ],
            ),
            template(
                "success_template",
                "Successful Mail Delivery Report",
                None,
                &[said("Your message was delivered, or handed on, to the people below.")],
            ),
            template(
                "verify_template",
                "Mail Delivery Status Report",
                None,
                &[said("Enclosed is the mail delivery report that you asked for.")],
            ),
        ],
    }
}

impl fmt::Display for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.templates.iter().enumerate().try_for_each(|(index, template)| {
            let Template { name, subject, copy_subject, lines } = template;
            writeln!(f, "{}{name} = <<END", if index == 0 { "" } else { "\n" })?;
            writeln!(f, "Charset: utf-8")?;
            writeln!(f, "From: MAILER-DAEMON (Mail Delivery System)")?;
            writeln!(f, "Subject: {subject}")?;
            if let Some(subject) = copy_subject {
                writeln!(f, "Postmaster-Subject: {subject}")?;
            }
            writeln!(f)?;
            lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
            writeln!(f, "END")
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expanded(text) => f.write_str(text),
            // A line that is the closing word alone would end the text.
            Self::Literal(text) if text.trim() == "END" => f.write_str("END."),
            Self::Literal(text) => text.chars().try_for_each(|character| match character {
                '$' => f.write_str("$$"),
                hostile if values::hostile(hostile) => f.write_str(" "),
                other => write!(f, "{other}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn operator(name: &str) -> Operator {
        Operator {
            name: name.to_owned(),
            postmaster: "postmaster@northmail.example".parse().unwrap(),
            abuse: "abuse@northmail.example".parse().unwrap(),
        }
    }

    #[test]
    fn each_kind_of_notice_has_its_text() {
        let written = texts(&operator("Northwind Email")).to_string();
        assert_eq!(written.lines().filter(|line| line.ends_with("_template = <<END")).count(), 4);
        assert_eq!(written.lines().filter(|line| *line == "END").count(), 4);
        assert!(written.contains("\nFor help, write to Northwind Email at postmaster@northmail.example.\n"));
    }

    proptest! {
        #[test]
        fn an_operator_s_name_ends_no_text_and_expands_to_nothing(name in "\\PC*|[\\n\\r $END{}\"\\\\#%]{0,20}") {
            let plain = texts(&operator("x")).to_string();
            let written = texts(&operator(&name)).to_string();
            prop_assert_eq!(written.lines().count(), plain.lines().count());
            let shown: String = name.chars().map(|c| if values::hostile(c) { ' ' } else { c }).collect();
            let expected = format!("For help, write to {} at postmaster@northmail.example.", shown.replace('$', "$$"));
            prop_assert_eq!(written.lines().filter(|line| *line == expected).count(), 4);
        }
    }
}
