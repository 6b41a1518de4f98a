//! Every code a problem can have.

/// A code and what is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code, such as `spec::unknown-tier`.
    pub code: &'static str,
    /// What it means and what to do, in a paragraph.
    pub explanation: &'static str,
}

/// Returns every code, sorted.
pub fn codes() -> &'static [Code] {
    &[]
}
