//! From one syntax to the other.
