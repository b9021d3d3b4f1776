//! Inspection of prompts and answers. No guardrail kind acts yet; the walk already passes through here.

use super::auth::Caller;
use crate::error::Result;
use crate::routing::Requested;

/// What inspection decided about a prompt that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is configured for this alias and caller, or everything passed.
    Clear,
}

/// Inspects the prompt before anything is dispatched.
///
/// # Errors
/// `Blocked`, naming the guardrail and never the text it matched.
pub fn inspect(_caller: &Caller, _requested: &Requested, _body: &[u8]) -> Result<Verdict> {
    Ok(Verdict::Clear)
}
