//! Callers of one format and providers of another: every caller with every target, whole and streamed.

/// What reaches the provider, and what comes back.
mod answers;
/// What is said of what could not be said.
mod losses;
/// Errors before an answer.
mod refusals;
/// Streams that fail, and callers who leave them.
mod streams;
/// Conversations that change their vendor.
mod thoughts;
