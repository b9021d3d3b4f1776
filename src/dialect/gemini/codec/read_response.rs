//! A whole answer of Gemini.

use super::chunk::{Blocked, Candidate, Chunk, call_id, chances, finish};
use super::grounding;
use super::parts::{self, Data};
use crate::dialect::canon::{Choice, Citation, Content, Finish, Part, Response, Thought};
use crate::dialect::json::{Read, Wrong};

pub fn read<'a>(body: &'a str) -> Read<Response<'a>> {
    let chunk = Chunk::read(body)?;
    if chunk.candidates.is_empty() && chunk.blocked.is_none() && chunk.usage.is_none() {
        return Err(Wrong::new("must be there").within("candidates"));
    }
    let mut calls = 0;
    let id = chunk.id.as_deref();
    let choices = chunk.candidates.into_iter().map(|candidate| read_choice(candidate, id, &mut calls));
    let mut choices = choices.collect::<Read<Vec<_>>>()?;
    if choices.is_empty() {
        choices.push(unanswered(chunk.blocked));
    }
    Ok(Response {
        id: chunk.id,
        model: chunk.model,
        created: chunk.created,
        choices,
        usage: chunk.usage.unwrap_or_default(),
        service_tier: None,
    })
}

/// The provider did not answer the prompt; perhaps it says why.
fn unanswered<'a>(blocked: Option<Blocked<'a>>) -> Choice<'a> {
    let finish = if blocked.is_some() { Finish::Filtered } else { Finish::Stop };
    let words = blocked.and_then(|blocked| blocked.words);
    let parts = words.map(|words| Content::Refusal(words.into()).into()).into_iter().collect();
    Choice { parts, finish, logprobs: Vec::new() }
}

fn read_choice<'a>(candidate: Candidate<'a>, id: Option<&str>, calls: &mut usize) -> Read<Choice<'a>> {
    let mut parts = Vec::new();
    // Where the answer's own parts went: the number of each text, and its place.
    let mut texts = Vec::new();
    let mut called = false;
    if let Some(mut list) = candidate.parts {
        let mut number = 0;
        list.array_if(|value| {
            let part = parts::read_answered(value)?;
            called |= matches!(part.data, Data::Call(_));
            tell(part, id, calls, &mut parts);
            if let Some(Content::Text(_)) = parts.last().map(|part| &part.content) {
                texts.push((number, parts.len() - 1));
            }
            number += 1;
            Ok(())
        })?;
    }
    for source in grounding::read(candidate.grounding, candidate.citations)? {
        let exact = texts.iter().find(|(number, _)| *number == source.part);
        if let Some((_, place)) = exact.or(texts.last())
            && let Some(part) = parts.get_mut(*place)
        {
            cite(part, source.citation);
        }
    }
    let finish = candidate
        .finish
        .map_or(if called { Finish::ToolCalls } else { Finish::Stop }, |word| finish(word, called));
    let logprobs = candidate.logprobs.map(chances).transpose()?.unwrap_or_default();
    Ok(Choice { parts, finish, logprobs })
}

/// As in a request, but for signatures of texts: callers have no place for those, unless there is a thought without one.
fn tell<'a>(mut part: parts::WirePart<'a>, id: Option<&str>, calls: &mut usize, parts: &mut Vec<Part<'a>>) {
    match &mut part.data {
        Data::Call(call) => {
            if call.id.is_empty() {
                call.id = call_id(id, *calls).into();
            }
            *calls += 1;
        }
        Data::Text(_) if part.thought => {}
        Data::Foreign(_) => {}
        _ => {
            let signature = part.signature.take().map(parts::seal);
            let thought = parts.iter_mut().rev().find_map(|part| match &mut part.content {
                Content::Thought(thought) => Some(thought),
                _ => None,
            });
            if let Some(thought @ Thought { seal: None, .. }) = thought {
                thought.seal = signature;
            }
        }
    }
    part.tell(parts);
}

/// Google counts bytes, and we characters.
fn cite<'a>(part: &mut Part<'a>, citation: Citation<'a>) {
    if let Content::Text(text) = &mut part.content {
        part.content = Content::Cited(std::mem::take(text), Vec::new());
    }
    if let Content::Cited(text, citations) = &mut part.content {
        let chars = |bytes: u64| {
            let before = text.get(..usize::try_from(bytes).ok()?)?;
            u64::try_from(before.chars().count()).ok()
        };
        let range = citation.range.and_then(|(start, end)| chars(start).zip(chars(end)));
        citations.push(Citation { range, ..citation });
    }
}
