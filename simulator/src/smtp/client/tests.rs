//! Dialogues with servers, and with our own.
