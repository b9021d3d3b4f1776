//! What may happen: who the caller is, what it may use, and what it costs. One stage per file.

pub mod access;
pub mod auth;
pub mod cache;
pub mod guardrails;
pub mod limits;
