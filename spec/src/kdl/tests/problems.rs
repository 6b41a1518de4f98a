//! What is said of broken documents, and what is kept of them.
