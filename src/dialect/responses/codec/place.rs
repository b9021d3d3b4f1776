//! Where the items of an answer go: to the caller, as events, and into what the last event repeats.

use super::caller::Caller;
use super::frames::Frames;
use super::write_parts::write_line;
use crate::dialect::canon::{Content, MediaKind, Source};
use crate::dialect::json::Object;

/// Where items go.
pub struct Place<'p> {
    pub caller: &'p Caller,
    /// What ids are made from.
    pub part: &'p str,
    pub frames: &'p mut Frames,
    pub output: &'p mut Vec<u8>,
    pub items: &'p mut u32,
    pub calls: &'p mut u32,
    pub out: &'p mut Vec<u8>,
}

impl Place<'_> {
    pub fn id(&self, prefix: &str) -> String {
        format!("{prefix}_{}_{}", self.part, self.items)
    }

    pub fn event(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.frames.write(name, self.out, fill);
    }

    pub fn added(&mut self, item: impl FnOnce(&mut Object<'_>)) {
        let index = *self.items;
        self.event("response.output_item.added", |event| {
            event.value("output_index", index).object("item", item);
        });
    }

    /// Keeps the item and tells it.
    pub fn done(&mut self, item: impl FnOnce(&mut Object<'_>)) {
        if !self.output.is_empty() {
            self.output.push(b',');
        }
        let start = self.output.len();
        item(&mut Object::new(self.output));
        let written = self.output.get(start..).unwrap_or_default();
        let index = *self.items;
        self.frames.write("response.output_item.done", self.out, |event| {
            event.value("output_index", index);
            event.member("item").extend_from_slice(written);
        });
        *self.items += 1;
    }

    /// An item that comes whole: a picture, or one that only this dialect knows.
    pub fn whole(&mut self, content: &Content<'_>) {
        match content {
            Content::Media(media) if media.kind == MediaKind::Image => {
                let Source::Base64 { data, .. } = &media.source else { return };
                let id = self.id("ig");
                self.added(|item| {
                    item.text("id", &id).text("type", "image_generation_call");
                    item.text("status", "in_progress").null("result");
                });
                self.done(|item| {
                    item.text("id", &id).text("type", "image_generation_call");
                    item.text("status", "completed").text("result", data);
                });
            }
            Content::Foreign(foreign) if HOSTED.contains(&&*foreign.kind) => self.hosted(foreign.json),
            _ => {}
        }
    }

    fn hosted(&mut self, json: &str) {
        let index = *self.items;
        for name in ["response.output_item.added", "response.output_item.done"] {
            self.event(name, |event| write_line(event.value("output_index", index).member("item"), json));
        }
        if !self.output.is_empty() {
            self.output.push(b',');
        }
        write_line(self.output, json);
        *self.items += 1;
    }
}

/// Puts an escaped text between quotes.
pub fn quoted(out: &mut Vec<u8>, escaped: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(escaped);
    out.push(b'"');
}

/// Makes a list of what is written already.
pub fn bracketed(out: &mut Vec<u8>, list: &[u8]) {
    out.push(b'[');
    out.extend_from_slice(list);
    out.push(b']');
}

/// Items of tools that the provider runs.
const HOSTED: &[&str] = &[
    "web_search_call",
    "file_search_call",
    "computer_call",
    "computer_call_output",
    "code_interpreter_call",
    "image_generation_call",
    "local_shell_call",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "tool_search_call",
    "tool_search_output",
    "program",
    "program_output",
    "compaction",
];
