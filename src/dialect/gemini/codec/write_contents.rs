//! The conversation, as `contents` has it: messages of the user and of the model in turn.

use std::borrow::Cow;

use super::media;
use super::model::Model;
use super::parts::is_googles;
use crate::dialect::DialectId;
use crate::dialect::canon::{
    Content, Losses, Maker, Media, Part, Request, Role, Seal, Source, Thought, ToolCall, ToolResult, Turn,
};
use crate::dialect::json::{Array, Joined, Object, Reader, Shape, Words};
use crate::dialect::skim::strict;
use crate::error::{Error, Result};

/// Writes messages, and remembers what later ones need of earlier ones.
pub struct Contents<'r, 'l> {
    origin: DialectId,
    model: Model,
    losses: &'l mut Losses,
    /// Calls so far: id, name of the function.
    calls: Vec<(&'r str, &'r str)>,
    /// A signature that stood before its part.
    seal: Option<&'r Seal<'r>>,
    /// The model's message holds a call already.
    has_called: bool,
}

impl<'r, 'l> Contents<'r, 'l> {
    pub fn new(request: &Request<'_>, model: Model, losses: &'l mut Losses) -> Self {
        let origin = request.origin;
        Contents { origin, model, losses, calls: Vec::new(), seal: None, has_called: false }
    }

    /// Neighbouring turns of one side become one message; those that say nothing are left out. False if none is left.
    pub fn write(&mut self, mut turns: &'r [Turn<'r>], out: &mut Vec<u8>) -> Result<bool> {
        let mut list = Array::new(out);
        let mut parts = Vec::new();
        let mut any = false;
        while let Some(first) = turns.first() {
            let models = first.role == Role::Assistant;
            let same = turns.iter().take_while(|turn| (turn.role == Role::Assistant) == models).count();
            let (group, rest) = turns.split_at(same);
            turns = rest;
            parts.clear();
            if models {
                self.models(group, &mut Array::new(&mut parts))?;
            } else {
                self.users(group, &mut Array::new(&mut parts))?;
            }
            if parts != b"[]" {
                any = true;
                list.object(|turn| {
                    turn.text("role", if models { "model" } else { "user" });
                    turn.member("parts").extend_from_slice(&parts);
                });
            }
        }
        Ok(any)
    }

    fn models(&mut self, turns: &'r [Turn<'r>], parts: &mut Array<'_>) -> Result<()> {
        self.has_called = false;
        for part in turns.iter().flat_map(|turn| &turn.parts) {
            match &part.content {
                Content::Thought(thought) => self.thought(thought, parts),
                Content::ToolCall(call) => self.call(call, parts),
                content => self.plain(content, parts)?,
            }
        }
        self.flush_seal(parts);
        Ok(())
    }

    /// Results come first: they must follow the calls they answer.
    fn users(&mut self, turns: &'r [Turn<'r>], parts: &mut Array<'_>) -> Result<()> {
        let all = || turns.iter().flat_map(|turn| &turn.parts);
        let results = || {
            all().filter_map(|part| match &part.content {
                Content::ToolResult(result) => Some(result),
                _ => None,
            })
        };
        for result in results() {
            self.result(result, parts)?;
        }
        for part in results().flat_map(|result| &result.parts) {
            if self.nested(part).is_none() && !matches!(part.content, Content::Text(_) | Content::Cited(..)) {
                self.plain(&part.content, parts)?;
            }
        }
        for turn in turns {
            for part in turn.parts.iter().filter(|part| !matches!(part.content, Content::ToolResult(_))) {
                match &part.content {
                    Content::Thought(thought) => self.thought(thought, parts),
                    content => self.plain(content, parts)?,
                }
            }
        }
        self.flush_seal(parts);
        Ok(())
    }

    /// What both sides may say.
    fn plain(&mut self, content: &'r Content<'r>, parts: &mut Array<'_>) -> Result<()> {
        match content {
            Content::Text(text) | Content::Cited(text, _) | Content::Refusal(text) if !text.is_empty() => {
                let seal = self.seal.take();
                parts.object(|part| {
                    part.text("text", text).text_if("thoughtSignature", seal.map(|seal| &*seal.data));
                });
            }
            Content::Media(media) => self.media(media, parts)?,
            Content::Foreign(foreign) if self.origin == DialectId::Gemini => {
                self.flush_seal(parts);
                parts.raw(foreign.json);
            }
            Content::Foreign(_) => self.losses.drop("foreign_blocks"),
            _ => {}
        }
        Ok(())
    }

    /// Only Gemini's own thoughts are told it: another model's would be taken for its own.
    fn thought(&mut self, thought: &'r Thought<'r>, parts: &mut Array<'_>) {
        let seal = thought.seal.as_ref().filter(|seal| seal.maker == Maker::Gemini);
        if seal.is_none() && self.origin != DialectId::Gemini {
            return self.losses.drop("thoughts");
        }
        self.flush_seal(parts);
        if thought.text.is_empty() {
            self.seal = seal;
            return;
        }
        parts.object(|part| {
            part.text("text", &thought.text).value("thought", true);
            part.text_if("thoughtSignature", seal.map(|seal| &*seal.data));
        });
    }

    /// Gemini 3 refuses a message whose first call has no signature, and takes a certain word for one where a call was
    /// not its own. A name that tells no generation can be one of its models, or of later ones.
    fn call(&mut self, call: &'r ToolCall<'r>, parts: &mut Array<'_>) {
        self.flush_seal(parts);
        self.calls.push((&call.id, &call.name));
        let first = !std::mem::replace(&mut self.has_called, true);
        let seal = call.seal.as_ref().filter(|seal| seal.maker == Maker::Gemini).map(|seal| &*seal.data);
        let seal = seal.or_else(|| (first && !self.model.is_before(30)).then_some(UNSIGNED));
        parts.object(|part| {
            part.object("functionCall", |object| {
                write_call(&call.id, &call.name, &call.arguments, call.custom, object, |name| {
                    self.losses.drop(name);
                });
            });
            part.text_if("thoughtSignature", seal);
        });
    }

    fn result(&mut self, result: &'r ToolResult<'r>, parts: &mut Array<'_>) -> Result<()> {
        let called = self.calls.iter().rev().find(|(id, _)| *id == result.id).map(|(_, name)| *name);
        let name = result.name.as_deref().or(called).filter(|name| !name.is_empty());
        let mut media = Vec::new();
        for nested in result.parts.iter().filter_map(|part| self.nested(part)) {
            write_media(nested, None, &mut Array::new(&mut media))?;
        }
        parts.object(|part| {
            part.object("functionResponse", |object| {
                object.text_if("id", Some(&*result.id).filter(|id| !id.is_empty()));
                object.text("name", name.unwrap_or("tool"));
                write_response(result, object.member("response"));
                if !media.is_empty() {
                    object.member("parts").extend_from_slice(&media);
                }
            });
        });
        Ok(())
    }

    /// From Gemini 3 on results have parts of their own, for images and documents within the request. Anything else
    /// stands beside the result, unless a caller who speaks Gemini has put it there.
    fn nested<'p>(&self, part: &'p Part<'p>) -> Option<&'p Media<'p>> {
        let Content::Media(media) = &part.content else { return None };
        let takes = match &media.source {
            Source::Base64 { media_type, .. } => self.model.is_from(30) && NESTED.contains(&&**media_type),
            _ => false,
        };
        (takes || self.origin == DialectId::Gemini).then_some(media)
    }

    fn media(&mut self, media: &'r Media<'r>, parts: &mut Array<'_>) -> Result<()> {
        if media.context.is_some() {
            self.losses.drop("context");
        }
        if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.losses.drop("detail");
        }
        write_media(media, self.seal.take().map(|seal| &*seal.data), parts)
    }

    /// The signature whose part did not come.
    fn flush_seal(&mut self, parts: &mut Array<'_>) {
        if let Some(seal) = self.seal.take() {
            parts.object(|part| {
                part.text("text", "").text("thoughtSignature", &seal.data);
            });
        }
    }
}

/// A call. Arguments that are no JSON object cannot be said; `lose` hears of them.
pub fn write_call(
    id: &str,
    name: &str,
    arguments: &Words<'_>,
    custom: bool,
    object: &mut Object<'_>,
    lose: impl FnOnce(&'static str),
) {
    object.text_if("id", Some(id).filter(|id| !id.is_empty()));
    object.text("name", name);
    if custom {
        object.object("args", |args| {
            args.text("input", arguments);
        });
    } else if strict::is_object(arguments.as_bytes()) {
        object.raw("args", arguments.trim());
    } else {
        object.raw("args", "{}");
        if !arguments.is_blank() {
            lose("tool_call.arguments");
        }
    }
}

/// An object is the result itself, unless it could be taken for one of the wrappers.
fn write_response(result: &ToolResult<'_>, out: &mut Vec<u8>) {
    let texts: Vec<&Words<'_>> = result.parts.iter().filter_map(text_of).collect();
    if texts.is_empty() && result.json.is_none() && !result.failed {
        return out.extend_from_slice(b"{}");
    }
    let json = result.json.map(Cow::Borrowed).or_else(|| exact_object(&texts));
    if let Some(json) = json.as_deref().filter(|json| !result.failed && !is_wrapper(json)) {
        return out.extend_from_slice(json.as_bytes());
    }
    let mut object = Object::new(out);
    let name = if result.failed { "error" } else { "result" };
    match json {
        Some(json) => object.raw(name, &json),
        None => object.text(name, &Joined::new(&texts, "\n")),
    };
}

fn text_of<'p, 'a>(part: &'p Part<'a>) -> Option<&'p Words<'a>> {
    match &part.content {
        Content::Text(text) | Content::Cited(text, _) => Some(text),
        _ => None,
    }
}

/// The texts as a JSON object whose numbers survive, if they are one. Google reads them as doubles.
fn exact_object<'t>(texts: &[&'t Words<'_>]) -> Option<Cow<'t, str>> {
    if texts.iter().find_map(|text| text.first_visible()) != Some('{') {
        return None;
    }
    let text = match texts {
        [text] => Cow::Borrowed(text.trim()),
        texts => texts.iter().map(|text| &***text).collect::<Vec<&str>>().join("\n").into(),
    };
    let longest = || text.as_bytes().split(|byte| !byte.is_ascii_digit()).map(<[u8]>::len).max();
    let exact = strict::is_object(text.as_bytes()) && longest().is_none_or(|digits| digits <= MOST_DIGITS);
    exact.then_some(text)
}

/// Would it not be read as the result itself?
fn is_wrapper(json: &str) -> bool {
    let mut reader = Reader::new(json);
    if reader.shape() != Shape::Object {
        return true;
    }
    let (mut members, mut named) = (0, false);
    let read = reader.object(|name, _| {
        members += 1;
        named |= matches!(name, "output" | "result" | "error");
        Ok(())
    });
    read.is_err() || (members == 1 && named)
}

pub fn write_inline(media_type: &str, data: &str, seal: Option<&str>, parts: &mut Array<'_>) {
    // Widespread, and no registered type.
    let media_type = if media_type == "image/jpg" { "image/jpeg" } else { media_type };
    parts.object(|part| {
        part.object("inlineData", |blob| {
            blob.text("mimeType", media_type).text("data", data);
        });
        part.text_if("thoughtSignature", seal);
    });
}

fn write_media(media: &Media<'_>, seal: Option<&str>, parts: &mut Array<'_>) -> Result<()> {
    match &media.source {
        Source::Base64 { media_type, data } => write_inline(media_type, data, seal, parts),
        Source::Url { media_type, url } => {
            let media_type = media_type.as_deref().filter(|it| !it.is_empty());
            write_file(Some(media_type.unwrap_or_else(|| media::guess(url, media.kind))), url, seal, parts);
        }
        Source::File { id } if is_googles(id) => {
            // The Files API knows the type of what it keeps, Cloud Storage must be told.
            let usual = || id.starts_with("gs://").then(|| media::guess(id, media.kind));
            write_file(media::type_of(id).or_else(usual), id, seal, parts);
        }
        Source::File { .. } => return Err(Error::bad_request(FOREIGN_FILE).param("file_id")),
        Source::Text(text) => parts.object(|part| {
            part.text("text", text);
        }),
    }
    Ok(())
}

fn write_file(media_type: Option<&str>, uri: &str, seal: Option<&str>, parts: &mut Array<'_>) {
    parts.object(|part| {
        part.object("fileData", |file| {
            file.text_if("mimeType", media_type).text("fileUri", uri);
        });
        part.text_if("thoughtSignature", seal);
    });
}

const FOREIGN_FILE: &str = "a file of another provider cannot be used with this model: send its content, or the URI of a file uploaded to Gemini";
/// `skip_thought_signature_validator`, the word that Google documents for calls that are not Gemini's, as bytes are
/// written in JSON.
pub const UNSIGNED: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";
/// Media types that results take.
const NESTED: [&str; 5] = ["image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"];
/// Whole numbers of so many digits are exact as doubles.
const MOST_DIGITS: usize = 15;
