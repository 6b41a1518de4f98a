//! What is wrong with a specification whose parts are all right: one rule a file.
pub mod confusable;
pub mod svg;
