//! How a line is: what it does to the frames on it.

/// How a line is, the same in both directions. Calm weather is the default: nothing is lost, and nothing takes time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Microseconds a frame takes.
    pub delay_microseconds: u64,
    /// Up to so many more, by chance.
    pub jitter_microseconds: u64,
    /// So many frames of a million are lost.
    pub loss_per_million: u32,
    /// So many frames of a million are held back, so that later ones overtake them.
    pub reorder_per_million: u32,
    /// Bits in a second; `None` for no limit.
    pub bits_per_second: Option<u64>,
}
