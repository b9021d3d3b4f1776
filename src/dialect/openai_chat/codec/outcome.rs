//! How an answer ended, what it consumed, how likely its tokens were: what whole answers and streams share.

use std::borrow::Cow;

use crate::dialect::Usage;
use crate::dialect::canon::{Citation, Finish, TokenChance};
use crate::dialect::json::{Array, Object, Read, Reader, Shape};

/// What a `finish_reason` means. Servers leave it out or empty, and say `stop` beside calls (OpenAI does so for a tool
/// the caller chose) and beside refusals.
pub fn finish<'a>(word: Option<Cow<'a, str>>, called: bool, refused: bool) -> Finish<'a> {
    let word = word.unwrap_or_default();
    match &*word {
        "" | "stop" | "eos" | "end_turn" | "stop_sequence" if called => Finish::ToolCalls,
        "" | "stop" if refused => Finish::Refusal,
        "" | "stop" | "eos" | "end_turn" | "stop_sequence" => Finish::Stop,
        "length" | "max_tokens" | "model_length" => Finish::Length,
        "tool_calls" | "function_call" | "tool_use" => Finish::ToolCalls,
        "content_filter" => Finish::Filtered,
        _ => Finish::Other(word),
    }
}

/// The word for it. Clients know OpenAI's own words alone, and some fail on others.
pub fn finish_word(finish: &Finish<'_>, refused: bool) -> &'static str {
    match finish {
        Finish::Length | Finish::ContextFull => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Filtered => "content_filter",
        Finish::Refusal if !refused => "content_filter",
        Finish::Stop | Finish::StopSequence(_) | Finish::Refusal | Finish::Pause | Finish::Other(_) => "stop",
    }
}

/// `prompt_tokens` and what follows. The sums must be there; the parts are told where they are known.
pub fn write_usage(object: &mut Object<'_>, usage: &Usage) {
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    let total = usage.total.unwrap_or(input.saturating_add(output));
    object.value("prompt_tokens", input).value("completion_tokens", output).value("total_tokens", total);
    let known = |parts: &[(&str, Option<u64>)]| parts.iter().any(|(_, count)| count.is_some());
    let input_parts = [
        ("cached_tokens", usage.cache_read),
        ("cache_write_tokens", usage.cache_write),
        ("audio_tokens", usage.audio_input),
    ];
    let output_parts = [("reasoning_tokens", usage.reasoning), ("audio_tokens", usage.audio_output)];
    for (name, parts) in
        [("prompt_tokens_details", &input_parts[..]), ("completion_tokens_details", &output_parts[..])]
    {
        if known(parts) {
            object.object(name, |details| {
                for (name, count) in parts {
                    details.value_if(name, *count);
                }
            });
        }
    }
}

/// Reads `{"content":[…],"refusal":[…]}`.
pub fn read_chances<'a>(value: &mut Reader<'a>) -> Read<Vec<TokenChance<'a>>> {
    let mut chances = Vec::new();
    value.object_if(|name, value| match name {
        "content" | "refusal" => value.array_if(|value| {
            chances.extend(read_chance(value)?);
            Ok(())
        }),
        _ => Ok(()),
    })?;
    Ok(chances)
}

fn read_chance<'a>(value: &mut Reader<'a>) -> Read<Option<TokenChance<'a>>> {
    let mut top = Vec::new();
    let likely = read_likely(value, Some(&mut top))?;
    Ok(likely.map(|(token, logprob)| TokenChance { token, logprob, top }))
}

type Likely<'a> = (Cow<'a, str>, f64);

/// `{"token","logprob"}`, and the alternatives at this place where there are some.
fn read_likely<'a>(
    value: &mut Reader<'a>,
    mut top: Option<&mut Vec<Likely<'a>>>,
) -> Read<Option<Likely<'a>>> {
    let (mut token, mut logprob) = (None, None);
    value.object_if(|name, value| {
        match name {
            "token" => token = value.text_if()?,
            "logprob" => logprob = value.if_is(Shape::Number, Reader::number)?,
            "top_logprobs" => {
                if let Some(top) = &mut top {
                    value.array_if(|value| {
                        top.extend(read_likely(value, None)?);
                        Ok(())
                    })?;
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(token.zip(logprob))
}

/// `{"content":[…],"refusal":null}`.
pub fn write_chances(out: &mut Vec<u8>, chances: &[TokenChance<'_>]) {
    Object::new(out)
        .array("content", |content| {
            for chance in chances {
                content.object(|object| {
                    write_likely(object, &chance.token, chance.logprob);
                    object.array("top_logprobs", |top| {
                        for (token, logprob) in &chance.top {
                            top.object(|object| write_likely(object, token, *logprob));
                        }
                    });
                });
            }
        })
        .null("refusal");
}

fn write_likely(object: &mut Object<'_>, token: &str, logprob: f64) {
    object.text("token", token).value("logprob", logprob).array("bytes", |bytes| {
        token.bytes().for_each(|byte| bytes.value(byte));
    });
}

/// Reads `{"type":"url_citation","url_citation":{…}}`. Other kinds have no meaning elsewhere.
pub fn read_citation<'a>(value: &mut Reader<'a>) -> Read<Option<Citation<'a>>> {
    let mut citation = None;
    value.object_if(|name, value| {
        if name != "url_citation" || value.shape() != Shape::Object {
            return Ok(());
        }
        let mut read = Citation::default();
        let (mut start, mut end) = (None, None);
        value.object(|name, value| {
            match name {
                "url" => read.url = value.text_if()?,
                "title" => read.title = value.text_if()?,
                "content" => read.quote = value.text_if()?,
                "start_index" => start = value.count_if()?,
                "end_index" => end = value.count_if()?,
                _ => {}
            }
            Ok(())
        })?;
        // OpenRouter sends 0 and 0 where it does not know the place.
        read.range = start.zip(end).filter(|(start, end)| start < end);
        citation = Some(read);
        Ok(())
    })?;
    Ok(citation)
}

/// An annotation, for sources that have an address. `around` is the text the source is behind.
pub fn write_citation(annotations: &mut Array<'_>, citation: &Citation<'_>, around: (u64, u64)) {
    let Some(url) = &citation.url else { return };
    let (start, end) = citation.range.unwrap_or(around);
    annotations.object(|annotation| {
        annotation.text("type", "url_citation").object("url_citation", |source| {
            source.value("start_index", start).value("end_index", end).text("url", url);
            source.text("title", citation.title.as_deref().unwrap_or_default());
            source.text_if("content", citation.quote.as_deref());
        });
    });
}
