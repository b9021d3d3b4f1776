//! Whole answers, for callers that speak Converse.

use super::{finish, usage, write_blocks};
use crate::dialect::canon::{Finish, Response};
use crate::dialect::json::Object;

/// Converse gives one answer; others are left out.
pub fn write(response: &Response<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let choice = response.choices.first();
    let mut root = Object::new(&mut out);
    root.object("output", |output| {
        output.object("message", |message| {
            message.text("role", "assistant").array("content", |content| {
                let parts = choice.map(|choice| choice.parts.as_slice()).unwrap_or_default();
                parts.iter().for_each(|part| write_blocks::write_answer(&part.content, content));
            });
        });
    });
    let finish = choice.map_or(&Finish::Stop, |choice| &choice.finish);
    root.text("stopReason", finish::word(finish));
    if let Finish::StopSequence(Some(sequence)) = finish {
        root.object("additionalModelResponseFields", |fields| {
            fields.text("stop_sequence", sequence);
        });
    }
    usage::write(&response.usage, &mut root);
    root.object("metrics", |metrics| {
        metrics.value("latencyMs", 0);
    });
    if let Some(tier) = &response.service_tier {
        root.object("serviceTier", |object| {
            object.text("type", tier);
        });
    }
    drop(root);
    out
}
