//! Signatures on the parts of earlier turns (<https://ai.google.dev/gemini-api/docs/thought-signatures>).

use bytes::Bytes;
use memchr::memmem;

use super::codec::{Model, UNSIGNED};
use crate::dialect::canon::{Feature, Losses};
use crate::dialect::prune::{self, Item};
use crate::dialect::splice::{self, Edit};

/// Gives the first call of each of the model's messages the word that Google documents for calls that are not Gemini's,
/// where it has no signature. Gemini 3 refuses it without; models before know no such word.
pub fn sign_foreign(body: &Bytes, model: &str) -> Option<(Bytes, Losses)> {
    if Model::of(model).is_before(30)
        || CALLS.iter().all(|word| memmem::find(body, word.as_bytes()).is_none())
    {
        return None;
    }
    let word = splice::json_string(UNSIGNED);
    let member = [b"\"thoughtSignature\":", &*word, b","].concat();
    let mut edits = Vec::new();
    each_message(body, |parts| {
        let call = prune::items(body, parts).find(|part| is_call(body, part));
        edits.extend(call.and_then(|call| signed(body, &call, &word, &member)));
    });
    (!edits.is_empty()).then(|| (splice::apply(body, &mut edits), Losses::default()))
}

/// Puts that word in the place of every signature.
pub fn strip_bound(body: &Bytes) -> Option<(Bytes, Losses)> {
    let word = splice::json_string(UNSIGNED);
    let mut edits = Vec::new();
    each_message(body, |parts| {
        for part in prune::items(body, parts) {
            let signatures = prune::items(body, part.value.start).filter(|member| is_signature(body, member));
            edits.extend(signatures.map(|signature| Edit { at: signature.value, with: &word }));
        }
    });
    let mut losses = Losses::default();
    losses.drop(Feature::Thoughts.name());
    (!edits.is_empty()).then(|| (splice::apply(body, &mut edits), losses))
}

/// Shows the place of the parts of each message.
fn each_message(body: &[u8], mut show: impl FnMut(usize)) {
    let Some(contents) = prune::array(body, 0, "contents") else { return };
    for message in prune::items(body, contents.start) {
        if let Some(parts) = prune::array(body, message.value.start, "parts") {
            show(parts.start);
        }
    }
}

/// The edit that signs a call with a word, or with a member that holds it; none where it is signed.
fn signed<'w>(body: &[u8], call: &Item, word: &'w [u8], member: &'w [u8]) -> Option<Edit<'w>> {
    let inside = call.value.start + 1;
    match prune::items(body, call.value.start).filter(|member| is_signature(body, member)).last() {
        None => Some(Edit { at: inside..inside, with: member }),
        Some(signature) => {
            let empty = matches!(body.get(signature.value.clone()), Some(b"\"\"" | b"null"));
            empty.then_some(Edit { at: signature.value, with: word })
        }
    }
}

fn is_call(body: &[u8], part: &Item) -> bool {
    prune::items(body, part.value.start).any(|member| CALLS.iter().any(|name| member.is(body, name)))
}

fn is_signature(body: &[u8], member: &Item) -> bool {
    SIGNATURES.iter().any(|name| member.is(body, name))
}

const CALLS: [&str; 2] = ["functionCall", "function_call"];
const SIGNATURES: [&str; 2] = ["thoughtSignature", "thought_signature"];
