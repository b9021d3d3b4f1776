//! What an ensemble says on the wire: its panel is asked the caller's own question, its judge for one answer from theirs.

mod judge;
mod panel;
#[cfg(test)]
mod tests;

use super::canon::{Request, ToolChoice};
use crate::error::{Error, Result};

pub use judge::{Adding, Judge};
pub use panel::{Tuning, answer_text, asked_whole};

/// Refuses what several models cannot do together: whose calls would be made?
///
/// # Errors
/// `BadRequest`: tools are declared or asked for.
pub fn check(request: &Request<'_>) -> Result<()> {
    let asks = !matches!(request.tool_choice, None | Some(ToolChoice::None | ToolChoice::Auto));
    if request.tools.is_empty() && !asks {
        return Ok(());
    }
    let param = if request.tools.is_empty() { "tool_choice" } else { "tools" };
    Err(Error::bad_request("ensemble models do not support tools").param(param))
}
