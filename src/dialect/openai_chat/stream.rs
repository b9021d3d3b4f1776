//! Streams: chunks of `data: {…}` and a final `data: [DONE]`.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::{answer, error};
use crate::dialect::frame::pass::{Found, Notes, Pass, Reader};
use crate::dialect::frame::sse::Event;
use crate::dialect::{StreamEdits, StreamPass, skim};

pub fn pass(edits: StreamEdits) -> Box<dyn StreamPass> {
    Box::new(Pass::new(Chunks, edits))
}

/// Reads chunks. Every chunk stands for itself, so there is nothing to remember.
struct Chunks;

impl Reader for Chunks {
    fn read(&mut self, event: &Event<'_>, want_model: bool, notes: &mut Notes) -> Found {
        let data = event.data().unwrap_or_default();
        let failed = event.is_named("error") || data.starts_with(ERROR_OBJECT);
        if failed {
            notes.blame(|| error::read_in_band(data));
        }
        if data.trim_ascii() == b"[DONE]" {
            notes.complete = true;
            return Found::default();
        }
        // Most chunks carry neither, and then the walk may stop at the model id.
        if skim::may_hold(data, &USAGE, b"{") || skim::may_hold(data, &ERROR, b"{\"") {
            return read_all(data, notes);
        }
        let model = want_model.then(|| skim::lookup(data, &["model"])).flatten();
        Found { model, usage_only: false, plain: !failed }
    }
}

fn read_all(data: &[u8], notes: &mut Notes) -> Found {
    let chunk = Chunk::find(data);
    if let Some(usage) = chunk.usage {
        notes.usage.merge(&answer::read_usage(usage));
    }
    let failed = chunk.is_error();
    if failed {
        notes.blame(|| error::read_in_band(data));
    }
    let usage_only = chunk.usage.is_some() && chunk.has_no_choice() && !failed;
    Found { model: chunk.model, usage_only, plain: false }
}

/// The members of a chunk that matter here.
#[derive(Default)]
struct Chunk<'a> {
    model: Option<std::ops::Range<usize>>,
    choices: Option<&'a [u8]>,
    usage: Option<&'a [u8]>,
    error: Option<&'a [u8]>,
}

impl<'a> Chunk<'a> {
    fn find(data: &'a [u8]) -> Self {
        let mut chunk = Chunk::default();
        for member in skim::members(data) {
            let value = data.get(member.value.clone());
            match &*member.key() {
                b"model" => chunk.model = chunk.model.or(Some(member.value)),
                b"choices" => chunk.choices = value,
                b"usage" => chunk.usage = value.filter(|value| skim::is_object(value)),
                b"error" => chunk.error = value,
                _ => {}
            }
        }
        chunk
    }

    /// Some servers (vLLM) end with a usage chunk whose `choices` is null or missing.
    fn has_no_choice(&self) -> bool {
        self.choices.is_none_or(|choices| choices == b"null" || skim::is_empty_array(choices))
    }

    /// An `error` in place of choices; or beside them, as OpenRouter reports a provider that broke off
    /// (<https://openrouter.ai/docs/api/reference/streaming>, "Handling Errors During Streaming").
    fn is_error(&self) -> bool {
        let Some(error) = self.error else { return false };
        let text = error.starts_with(b"\"");
        let object = skim::is_object(error);
        (self.choices.is_none() && (text || object))
            || (object && skim::string(error, &["message"]).is_some())
    }
}

/// How older vLLM servers begin an error: flat, without an `error` member.
const ERROR_OBJECT: &[u8] = br#"{"object":"error""#;
static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));
