//! Items of earlier answers that only the account which made them knows.

use bytes::Bytes;
use memchr::memmem;

use crate::dialect::canon::{Feature, Losses};
use crate::dialect::prune::{self, Item};
use crate::dialect::splice::{self, Edit};

/// Leaves out the thoughts to which this gateway gave an id, because their maker had none: OpenAI looks them up and finds
/// nothing. Its own ids are hexadecimal; ours end in a number behind an underscore.
pub fn strip_foreign(body: &Bytes) -> Option<(Bytes, Losses)> {
    memmem::find(body, REASONING)?;
    let text = |item: &Item, name| prune::text(body, item.value.start, name);
    strip(body, Vec::new(), |item| {
        let is_ours = |id: &str| id.strip_prefix("rs_").is_some_and(|id| id.contains('_'));
        text(item, "type").as_deref() == Some("reasoning")
            && text(item, "id").is_some_and(|id| is_ours(&id))
            && text(item, "encrypted_content").is_none_or(|seal| seal.is_empty())
    })
}

/// Leaves out what one account keeps or has sealed: thoughts, references to items, and the ids of what the model said and
/// called, which OpenAI connects with thoughts. What was compacted stays: without it nothing is left of the conversation,
/// and the provider's refusal says so.
pub fn strip_bound(body: &Bytes) -> Option<(Bytes, Losses)> {
    let input = prune::array(body, 0, "input")?;
    let mut ids = Vec::new();
    let kind = |item: &Item| prune::text(body, item.value.start, "type");
    for item in prune::items(body, input.start) {
        if kind(&item).is_some_and(|kind| NAMED.contains(&&*kind)) {
            prune::take_out(body, item.value.start, &mut ids, |member| member.is(body, "id"));
        }
    }
    strip(body, ids, |item| kind(item).is_some_and(|kind| matches!(&*kind, "reasoning" | "item_reference")))
}

/// None where no item goes.
fn strip<'a>(
    body: &Bytes,
    mut edits: Vec<Edit<'a>>,
    goes: impl Fn(&Item) -> bool,
) -> Option<(Bytes, Losses)> {
    let input = prune::array(body, 0, "input")?;
    let taken = prune::take_out(body, input.start, &mut edits, goes);
    let mut losses = Losses::default();
    losses.drop(Feature::Thoughts.name());
    (taken.out > 0).then(|| (splice::apply(body, &mut edits), losses))
}

/// Nobody writes it with escapes.
const REASONING: &[u8] = b"\"reasoning\"";
/// Items whose id goes with the thoughts before them.
const NAMED: [&str; 3] = ["message", "function_call", "custom_tool_call"];
