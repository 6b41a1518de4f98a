//! A problem in a specification: what is wrong, where, and what to write instead.

use crate::tree::Span;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing can be compiled from this.
    Error,
    /// It compiles, but the author should look.
    Warning,
}

/// One thing that is wrong with a specification.
///
/// `code` is stable and has a page behind `mailwright explain`; `message` is lower case without a full stop, in the user's
/// words; `label` says what the marked place is; `help` says what to write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The place that is wrong.
    pub span: Span,
    /// `room::name`, such as `spec::unknown-tier`.
    pub code: &'static str,
    /// Whether it stops the compilation.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What the marked place is; may be empty.
    pub label: String,
    /// What to write instead, where we can say.
    pub help: Option<String>,
    /// Other places that explain it, such as the operator's line that forbids.
    pub related: Vec<Related>,
}

/// A place that explains a problem elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Related {
    /// The place.
    pub span: Span,
    /// What it has to do with the problem.
    pub message: String,
}

impl Problem {
    /// Makes an error at a place.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            span,
            code,
            severity: Severity::Error,
            message: message.into(),
            label: String::new(),
            help: None,
            related: Vec::new(),
        }
    }

    /// Makes a warning at a place.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Says what the marked place is.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a place that explains the problem.
    #[must_use]
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related { span, message: message.into() });
        self
    }
}
