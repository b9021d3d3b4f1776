//! What an answer repeats of the caller's request, and how the caller's tools are called there.

use std::ops::Range;

use bytes::Bytes;

use super::names::flat;
use super::write_parts::write_line;
use crate::dialect::json::{Object, Read, Reader, Shape};
use crate::dialect::skim;

/// The caller's request.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    body: Bytes,
    /// Where the members of [`ECHOED`] stand in it.
    places: [Option<Range<usize>>; ECHOED.len()],
    declared: Vec<Declared>,
}

/// A tool that other dialects know otherwise than the caller.
#[derive(Clone, Debug)]
pub struct Declared {
    flat: String,
    pub name: String,
    pub namespace: Option<String>,
    /// It takes free text.
    pub custom: bool,
}

impl Caller {
    /// Reads what matters here of a request. One of another dialect has nothing to repeat.
    pub fn read(body: &Bytes) -> Caller {
        let mut caller = Caller::default();
        let (mut tools, mut input) = (None, None);
        for member in skim::members(body) {
            let key = member.key();
            if matches!(&*key, b"messages" | b"contents") {
                return Caller::default();
            }
            let slot = ECHOED.iter().position(|echoed| echoed.name.as_bytes() == &*key);
            match &*key {
                b"tools" => tools = body.get(member.value.clone()),
                b"input" => input = body.get(member.value.clone()),
                _ => {}
            }
            if let Some(place) = slot.and_then(|slot| caller.places.get_mut(slot)) {
                *place = Some(member.value);
            }
        }
        let text = |bytes: Option<&'_ [u8]>| {
            bytes.and_then(|bytes| std::str::from_utf8(bytes).ok().map(str::to_owned))
        };
        // What cannot be read as tools was refused before.
        if let Some(tools) = text(tools) {
            let _ = caller.declare(&mut Reader::new(&tools), None);
        }
        if let Some(input) =
            text(input.filter(|input| memchr::memmem::find(input, b"additional_tools").is_some()))
        {
            let _ = caller.declare_within(&mut Reader::new(&input));
        }
        caller.body = body.clone();
        caller
    }

    /// The tool behind a name, if the caller knows it otherwise.
    pub fn tool(&self, flat: &str) -> Option<&Declared> {
        self.declared.iter().find(|tool| tool.flat == flat)
    }

    /// Writes the members that stand between these two in a response object: `from` included, `to` not.
    pub fn echo(&self, from: &str, to: &str, response: &mut Object<'_>) {
        let members = ECHOED.iter().zip(&self.places);
        let members = members.skip_while(|(member, _)| member.name != from);
        for (member, place) in members.take_while(|(member, _)| member.name != to) {
            let given = place.clone().and_then(|place| self.body.get(place));
            let given = given.and_then(|value| std::str::from_utf8(value).ok());
            let given = given.filter(|value| *value != "null").unwrap_or(member.default);
            write_line(response.member(member.name), given);
        }
    }

    fn declare(&mut self, list: &mut Reader<'_>, namespace: Option<&str>) -> Read<()> {
        list.array_if(|tool| {
            let (mut kind, mut name, mut tools) = (None, None, None);
            tool.object_if(|member, value| {
                match member {
                    "type" => kind = value.text_if()?,
                    "name" => name = value.text_if()?,
                    "tools" => tools = Some(value.raw()?),
                    _ => {}
                }
                Ok(())
            })?;
            let Some(name) = name else { return Ok(()) };
            let custom = kind.as_deref() == Some("custom");
            match (kind.as_deref(), tools) {
                (Some("namespace"), Some(tools)) if namespace.is_none() => {
                    self.declare(&mut Reader::new(tools), Some(&name))?;
                }
                (Some("function" | "custom"), _) if custom || namespace.is_some() => {
                    let namespace = namespace.map(str::to_owned);
                    let flat = flat(namespace.as_deref(), name.clone()).into_owned();
                    self.declared.push(Declared { flat, name: name.into_owned(), namespace, custom });
                }
                _ => {}
            }
            Ok(())
        })
    }

    /// Tools declared in the middle of a conversation.
    fn declare_within(&mut self, input: &mut Reader<'_>) -> Read<()> {
        input.array_if(|item| {
            if item.shape() != Shape::Object {
                return item.skip();
            }
            let (mut is_it, mut tools) = (false, None);
            item.object(|member, value| {
                match member {
                    "type" => is_it = value.text_if()?.is_some_and(|kind| kind == "additional_tools"),
                    "tools" => tools = Some(value.raw()?),
                    _ => {}
                }
                Ok(())
            })?;
            match tools.filter(|_| is_it) {
                Some(tools) => self.declare(&mut Reader::new(tools), None),
                None => Ok(()),
            }
        })
    }
}

/// A member that an answer repeats, and what it is where the request does not say.
#[derive(Clone, Copy, Debug)]
struct Echoed {
    name: &'static str,
    default: &'static str,
}

const fn echoed(name: &'static str, default: &'static str) -> Echoed {
    Echoed { name, default }
}

/// In the order of a response object.
static ECHOED: [Echoed; 20] = [
    echoed("background", "false"),
    echoed("instructions", "null"),
    echoed("max_output_tokens", "null"),
    echoed("max_tool_calls", "null"),
    echoed("parallel_tool_calls", "true"),
    echoed("previous_response_id", "null"),
    echoed("prompt_cache_key", "null"),
    echoed("reasoning", r#"{"effort":null,"summary":null}"#),
    echoed("safety_identifier", "null"),
    echoed("service_tier", r#""default""#),
    echoed("store", "true"),
    echoed("temperature", "1.0"),
    echoed("text", r#"{"format":{"type":"text"}}"#),
    echoed("tool_choice", r#""auto""#),
    echoed("tools", "[]"),
    echoed("top_logprobs", "0"),
    echoed("top_p", "1.0"),
    echoed("truncation", r#""disabled""#),
    echoed("user", "null"),
    echoed("metadata", "{}"),
];
