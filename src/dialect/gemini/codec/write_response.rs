//! A whole answer for a caller who speaks Gemini.

use super::chunk::finish_word;
use super::grounding::Grounding;
use super::time;
use super::write_contents::{write_call, write_inline};
use crate::dialect::canon::{
    Choice, Content, Finish, Maker, Media, Part, Response, Seal, Source, TokenChance,
};
use crate::dialect::codec::Outward;
use crate::dialect::gemini::usage;
use crate::dialect::json::{Array, Object};

pub fn write(response: &Response<'_>, outward: &Outward) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    {
        let mut object = Object::new(&mut out);
        object.array("candidates", |list| {
            for (index, choice) in response.choices.iter().enumerate() {
                list.object(|candidate| write_choice(choice, index, candidate));
            }
        });
        if !response.usage.is_empty() {
            object.object("usageMetadata", |object| usage::write(&response.usage, object));
        }
        object.text("modelVersion", &outward.alias);
        object.text_if("createTime", response.created.map(time::write).as_deref());
        object.text("responseId", response.id.as_deref().unwrap_or(&outward.request_id));
    }
    out
}

fn write_choice(choice: &Choice<'_>, index: usize, candidate: &mut Object<'_>) {
    let mut grounding = Grounding::default();
    candidate.object("content", |content| {
        content.array("parts", |parts| {
            let mut number = 0;
            for part in &choice.parts {
                if write_part(part, parts) {
                    if let Content::Cited(text, citations) = &part.content {
                        citations.iter().for_each(|it| grounding.add(it, number, bytes(text, it.range)));
                    }
                    number += 1;
                }
            }
        });
        content.text("role", "model");
    });
    let refused = choice.parts.iter().any(|part| matches!(part.content, Content::Refusal(_)));
    let word = if refused && choice.finish == Finish::Stop { "SAFETY" } else { finish_word(&choice.finish) };
    candidate.text("finishReason", word).value("index", index);
    grounding.write(candidate);
    if !choice.logprobs.is_empty() {
        write_chances(&choice.logprobs, candidate);
    }
}

/// A signature, if it is Gemini's.
pub fn own<'s>(seal: Option<&'s Seal<'_>>) -> Option<&'s str> {
    seal.filter(|seal| seal.maker == Maker::Gemini).map(|seal| &*seal.data)
}

/// False where there is nothing to say.
fn write_part(part: &Part<'_>, parts: &mut Array<'_>) -> bool {
    match &part.content {
        Content::Text(text) | Content::Cited(text, _) | Content::Refusal(text) => {
            if text.is_empty() {
                return false;
            }
            parts.object(|part| {
                part.text("text", text);
            });
        }
        Content::Thought(thought) => {
            let seal = own(thought.seal.as_ref());
            if thought.text.is_empty() && seal.is_none() {
                return false;
            }
            parts.object(|part| {
                part.text("text", &thought.text).value("thought", true).text_if("thoughtSignature", seal);
            });
        }
        Content::ToolCall(call) => parts.object(|part| {
            part.object("functionCall", |object| {
                write_call(&call.id, &call.name, &call.arguments, call.custom, object, |_| {});
            });
            part.text_if("thoughtSignature", own(call.seal.as_ref()));
        }),
        _ => return write_whole(part, parts),
    }
    true
}

/// A part that comes whole: a medium, or one that only Gemini knows.
pub fn write_whole(part: &Part<'_>, parts: &mut Array<'_>) -> bool {
    match &part.content {
        Content::Media(Media { source: Source::Base64 { media_type, data }, .. }) => {
            write_inline(media_type, data, None, parts);
        }
        Content::Media(Media { source: Source::Url { media_type, url }, .. }) => parts.object(|part| {
            part.object("fileData", |file| {
                file.text_if("mimeType", media_type.as_deref()).text("fileUri", url);
            });
        }),
        Content::Foreign(foreign) if OWN_KINDS.contains(&&*foreign.kind) => parts.raw(foreign.json),
        _ => return false,
    }
    true
}

pub fn write_chances(chances: &[TokenChance<'_>], candidate: &mut Object<'_>) {
    fn write(token: &str, logprob: f64, list: &mut Array<'_>) {
        list.object(|object| {
            object.text("token", token).value("logProbability", logprob);
        });
    }
    candidate.object("logprobsResult", |result| {
        result.array("chosenCandidates", |list| {
            chances.iter().for_each(|chance| write(&chance.token, chance.logprob, list));
        });
        result.array("topCandidates", |list| {
            for chance in chances {
                list.object(|place| {
                    place.array("candidates", |list| {
                        chance.top.iter().for_each(|(token, logprob)| write(token, *logprob, list));
                    });
                });
            }
        });
    });
}

/// A range of characters, in bytes.
fn bytes(text: &str, range: Option<(u64, u64)>) -> Option<(u64, u64)> {
    let (start, end) = range?;
    let bytes = |chars: u64| {
        let chars = usize::try_from(chars).ok()?;
        let ends = text.char_indices().map(|(place, _)| place).chain([text.len()]);
        ends.take(chars.checked_add(1)?).nth(chars).and_then(|place| place.try_into().ok())
    };
    bytes(start).zip(bytes(end))
}

/// Parts of Gemini's that nobody else has.
const OWN_KINDS: [&str; 4] = ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"];
