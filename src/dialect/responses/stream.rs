//! Streams: named events from `response.created` to `response.completed`.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::{answer, error};
use crate::dialect::frame::pass::{Found, Notes, Pass, Reader};
use crate::dialect::frame::sse::Event;
use crate::dialect::{Problem, StreamEdits, StreamPass, Usage, skim};
use crate::error::{Error, Result};

pub fn pass(edits: StreamEdits) -> Box<dyn StreamPass> {
    Box::new(Stream(Pass::new(Events::default(), edits)))
}

/// Reads events. Each has a number of its own, so no two have the same shape and none is worth learning.
#[derive(Default)]
struct Events {
    id: Option<String>,
    /// Number of the next event.
    sequence: u64,
}

impl Reader for Events {
    fn read(&mut self, event: &Event<'_>, want_model: bool, notes: &mut Notes) -> Found {
        let data = event.data().unwrap_or_default();
        self.count(data);
        // Nearly all events of a stream.
        if event.name.is_some_and(|name| name.ends_with(b".delta")) {
            return Found::default();
        }
        let kind = skim::value(data, &["type"]);
        let is = |name: &str| kind.map_or(event.is_named(name), |kind| skim::string_is(kind, name));
        if is("error") || event.is_named("error") || is("response.failed") {
            notes.blame(|| error::read_in_band(data));
        }
        notes.complete |=
            ["response.completed", "response.incomplete", "response.failed"].into_iter().any(is);
        let Some(place) = skim::lookup(data, &["response"]) else { return Found::default() };
        let response = data.get(place.clone()).unwrap_or_default();
        if let Some(usage) = skim::value(response, &["usage"]).filter(|usage| skim::is_object(usage)) {
            notes.usage.merge(&answer::read_usage(usage));
        }
        if self.id.is_none() {
            self.id = skim::string(response, &["id"]).map(|id| error::plain(&id));
        }
        let model = want_model.then(|| skim::lookup(response, &["model"])).flatten();
        let model = model.map(|model| place.start + model.start..place.start + model.end);
        Found { model, ..Found::default() }
    }
}

impl Events {
    fn count(&mut self, data: &[u8]) {
        let value = NUMBER.find(data).map(|found| skim::skip_space(data, found + NUMBER.needle().len()));
        let digits = value.and_then(|start| data.get(start..)).unwrap_or_default();
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if let Some(number) = digits.get(..length).and_then(skim::count) {
            self.sequence = number.saturating_add(1);
        }
    }
}

/// A pass that ends a failed stream in the answer's own name.
struct Stream(Pass<Events>);

impl StreamPass for Stream {
    fn push(&mut self, chunk: Bytes) -> Result<Bytes> {
        self.0.push(chunk)
    }

    fn finish(&mut self) -> Result<Bytes> {
        self.0.finish()
    }

    fn fail(&mut self, error: &Error) -> Option<Bytes> {
        if self.complete() {
            return Some(Bytes::new());
        }
        let Events { id, sequence } = self.0.reader();
        let model = self.0.alias().unwrap_or_default();
        Some(error::failed(error, &error::Told { id: id.as_deref()?, model, sequence: *sequence }))
    }

    fn events(&self) -> u64 {
        self.0.events()
    }

    fn complete(&self) -> bool {
        self.0.complete()
    }

    fn stillborn(&self) -> bool {
        self.0.stillborn()
    }

    fn problem(&self) -> Option<&Problem> {
        self.0.problem()
    }

    fn usage(&self) -> &Usage {
        self.0.usage()
    }
}

static NUMBER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"sequence_number\":"));
