//! Streams: named events from `message_start` to `message_stop`.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::answer::Counters;
use super::error;
use crate::dialect::frame::pass::{Found, Notes, Pass, Reader};
use crate::dialect::frame::sse::Event;
use crate::dialect::{StreamEdits, StreamPass, skim};

pub fn pass(edits: StreamEdits) -> Box<dyn StreamPass> {
    Box::new(Pass::new(Events::default(), edits))
}

/// Reads events and adds up what they say of usage.
#[derive(Default)]
struct Events {
    counters: Counters,
}

impl Reader for Events {
    fn read(&mut self, event: &Event<'_>, want_model: bool, notes: &mut Notes) -> Found {
        let data = event.data().unwrap_or_default();
        // Nearly all events of a stream, recognised without a walk.
        if data.starts_with(DELTA) {
            return Found { plain: true, ..Found::default() };
        }
        let kind = skim::value(data, &["type"]);
        let is = |name: &str| kind.map_or(event.is_named(name), |kind| skim::string_is(kind, name));
        if event.is_named("error") || is("error") {
            notes.blame(|| error::read_in_band(data));
            return Found::default();
        }
        if is("message_stop") {
            notes.complete = true;
        }
        self.read_usage(data, notes);
        let wanted = want_model && is("message_start");
        Found {
            model: wanted.then(|| skim::lookup(data, &["message", "model"])).flatten(),
            ..Found::default()
        }
    }
}

impl Events {
    /// `message_start` has its usage within the message, `message_delta` at the top.
    fn read_usage(&mut self, data: &[u8], notes: &mut Notes) {
        if !skim::may_hold(data, &USAGE, b"{") {
            return;
        }
        for path in [&["message", "usage"][..], &["usage"]] {
            if let Some(object) = skim::value(data, path) {
                self.counters.read(object);
            }
        }
        notes.usage = self.counters.usage();
    }
}

/// How the provider itself writes the commonest event.
const DELTA: &[u8] = br#"{"type":"content_block_delta","#;
static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));
