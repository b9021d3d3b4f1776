//! What Anthropic says of a request it refuses, and the rules about thinking that hold wherever its models run.

use serde_json::Value;

use super::super::call::{Refusal, Thinking};
use super::super::node::{Node, PathStep, Voice, dotted};
use super::super::seal::{Maker, digest};

pub(in super::super) struct Words;

impl Voice for Words {
    fn path(&self, steps: &[PathStep]) -> String {
        dotted(steps)
    }

    fn missing(&self, at: &str) -> Refusal {
        at_place(at, "Field required")
    }

    fn unknown(&self, _: &str, at: &str, _: &str) -> Refusal {
        unknown(at)
    }

    fn mistyped(&self, at: &str, wanted: &str, _: &Value) -> Refusal {
        at_place(
            at,
            match wanted {
                "a string" => "Input should be a valid string",
                "an integer" => "Input should be a valid integer",
                "a number" => "Input should be a valid number",
                "a boolean" => "Input should be a valid boolean",
                "an array" => "Input should be a valid list",
                _ => "Input should be a valid dictionary",
            },
        )
    }

    fn unlisted(&self, at: &str, found: &str, allowed: &[&str]) -> Refusal {
        let words: Vec<String> = allowed.iter().map(|word| format!("'{word}'")).collect();
        match at.strip_suffix(".type") {
            Some(tagged) => at_place(
                tagged,
                &format!(
                    "Input tag '{found}' found using 'type' does not match any of the expected tags: {}",
                    words.join(", ")
                ),
            ),
            None => at_place(at, &format!("Input should be {}", words.join(" or "))),
        }
    }
}

pub(in super::super) fn at_place(at: &str, problem: &str) -> Refusal {
    Refusal::new(400, format!("{at}: {problem}"))
}

pub(super) fn unknown(at: &str) -> Refusal {
    if at == "thread" {
        // The SDK goes on without a thread when it is told so in these words.
        return at_place(at, "the simulated provider keeps none").code("thread_unsupported_request");
    }
    at_place(at, "Extra inputs are not permitted")
}

/// Reads `thinking`; `most` is the limit of the answer, which must leave room.
pub(in super::super) fn thinking(thinking: &Node, most: Option<u64>) -> Result<Thinking, Refusal> {
    match thinking.need("type")?.word(&["enabled", "disabled", "adaptive"])? {
        "disabled" => {
            thinking.only(&["type"])?;
            return Ok(Thinking::Off);
        }
        "enabled" => {
            thinking.only(&["type", "budget_tokens", "display"])?;
            let budget = thinking.need("budget_tokens")?.count()?;
            if budget < LEAST_BUDGET {
                let at = "thinking.enabled.budget_tokens";
                return Err(at_place(at, "Input should be greater than or equal to 1024"));
            }
            if most.is_some_and(|most| most <= budget) {
                return Err(Refusal::new(400, "`max_tokens` must be greater than `thinking.budget_tokens`."));
            }
        }
        _ => thinking.only(&["type", "display"])?,
    }
    let display =
        thinking.get("display").map(|display| display.word(&["summarized", "omitted"])).transpose()?;
    Ok(if display == Some("omitted") { Thinking::Sealed } else { Thinking::Shown })
}

/// A thought comes back with the words and the signature it was given with.
pub(in super::super) fn sealed(at: &str, text: &str, signature: Option<&str>) -> Result<(), Refusal> {
    let Some(signature) = signature else {
        return Err(at_place(&format!("{at}.thinking.signature"), "Field required"));
    };
    match Maker::Claude.open(signature) {
        Some(number) if number == digest(text.as_bytes()) => Ok(()),
        _ => Err(at_place(at, "Invalid `signature` in `thinking` block")),
    }
}

/// A turn of a thinking model that goes on after tool results must begin with its thoughts.
pub(in super::super) fn thoughtless(at: &str, found: &str) -> Refusal {
    let problem = format!(
        "Expected `thinking` or `redacted_thinking`, but found `{found}`. When `thinking` is enabled, a final \
         `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and \
         `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid this \
         requirement, disable `thinking`."
    );
    at_place(&format!("{at}.type"), &problem)
}

const LEAST_BUDGET: u64 = 1024;
