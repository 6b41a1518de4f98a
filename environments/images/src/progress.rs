//! Who is told what is being done.

/// Takes what is being done, a line at a time.
pub trait Progress: Sync {
    /// Takes one line, without its end.
    fn tell(&self, what: &str);
}

/// Tells nobody.
pub struct Quiet;

impl Progress for Quiet {
    fn tell(&self, _: &str) {}
}
