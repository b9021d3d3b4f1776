//! Requests, in the manner of the vendor they go to.

use serde::Serialize;

use super::{write_messages, write_tools};
use crate::dialect::canon::{
    Content, Effort, Feature, Format, Losses, MediaKind, Reasoning, Request, Source, Thinking, ToolKind,
    feature,
};
use crate::dialect::codec::Manner;
use crate::dialect::json::Object;
use crate::dialect::quirks::Quirks;
use crate::error::{Error, Result};

/// # Errors
/// `BadRequest`: it holds a medium that this vendor does not take.
pub fn write(request: &Request<'_>, manner: &Manner<'_>, losses: &mut Losses) -> Result<Vec<u8>> {
    if manner.quirks.openai_only && feature::has(request, &is_foreign_medium) {
        return Err(Error::bad_request(
            "this model's provider takes neither videos nor recordings by their address; send a recording as base64",
        )
        .param("messages")
        .code("unsupported_parameter"));
    }
    let mut out = Vec::with_capacity(request.room());
    let object = Object::new(&mut out);
    let mut body = Body { object, quirks: manner.quirks, losses };
    body.object.text("model", manner.model);
    if !body.quirks.cache_marks && (Feature::CacheMarks.row().is_asked)(request) {
        body.losses.drop(Feature::CacheMarks.name());
    }
    write_messages::write(body.object.member("messages"), request, body.quirks, body.losses);
    write_tools::write(&mut body, request);
    write_sampling(&mut body, request);
    write_form(&mut body, request);
    write_account(&mut body, request);
    body.object.value("stream", request.stream);
    if request.stream && manner.ask_usage && body.quirks.stream_options {
        body.object.raw("stream_options", r#"{"include_usage":true}"#);
    }
    drop(body);
    Ok(out)
}

/// What `video_url` and `audio_url` say, which some servers take and OpenAI does not.
fn is_foreign_medium(content: &Content<'_>) -> bool {
    let Content::Media(media) = content else { return false };
    let by_address = matches!(media.source, Source::Url { .. });
    media.kind == MediaKind::Video || media.kind == MediaKind::Audio && by_address
}

/// The body of a request that is being written, each member under the vendor's name for it.
pub struct Body<'b> {
    object: Object<'b>,
    pub quirks: &'b Quirks,
    pub losses: &'b mut Losses,
}

impl Body<'_> {
    pub fn value(&mut self, ours: &'static str, value: Option<impl Serialize>) {
        if let Some(value) = value
            && let Some(name) = self.name(ours)
        {
            self.object.value(name, value);
        }
    }

    pub fn text(&mut self, ours: &'static str, text: Option<&str>) {
        if let Some(text) = text
            && let Some(name) = self.name(ours)
        {
            self.object.text(name, text);
        }
    }

    /// Begins a member; its value is to be written next. None where the vendor refuses it.
    pub fn member(&mut self, ours: &'static str) -> Option<&mut Vec<u8>> {
        let name = self.name(ours)?;
        Some(self.object.member(name))
    }

    /// What the vendor calls a member. None, and a loss, where it refuses it.
    fn name(&mut self, ours: &'static str) -> Option<&'static str> {
        if self.quirks.refuses.contains(&ours) {
            self.losses.drop(ours);
            return None;
        }
        let theirs = self.quirks.renames.iter().find(|(name, _)| *name == ours);
        Some(theirs.map_or(ours, |(_, theirs)| theirs))
    }
}

fn write_sampling(body: &mut Body<'_>, request: &Request<'_>) {
    let sampling = &request.sampling;
    body.value(body.quirks.max_tokens, request.max_tokens);
    body.value("temperature", sampling.temperature);
    body.value("top_p", sampling.top_p);
    match sampling.top_k {
        Some(_) if !body.quirks.top_k => body.losses.drop(Feature::TopK.name()),
        top_k => body.value("top_k", top_k),
    }
    body.value("seed", sampling.seed);
    body.value("presence_penalty", sampling.presence_penalty);
    body.value("frequency_penalty", sampling.frequency_penalty);
    if request.stop.len() > MOST_STOPS {
        body.losses.drop(Feature::Stop.name());
    }
    let stop = request.stop.get(..MOST_STOPS).unwrap_or(&request.stop);
    body.value("stop", Some(stop).filter(|stop| !stop.is_empty()));
    body.value("n", request.choices.filter(|n| *n != 1));
    body.value("logprobs", request.logprobs.map(|_| true));
    let top = request.logprobs.filter(|top| *top > 0);
    body.value("top_logprobs", top.map(|top| top.min(MOST_TOP_LOGPROBS)));
    if let Some(bias) = request.logit_bias
        && let Some(out) = body.member("logit_bias")
    {
        out.extend_from_slice(bias.as_bytes());
    }
}

fn write_form(body: &mut Body<'_>, request: &Request<'_>) {
    if let Some(format) = &request.format
        && let Some(out) = body.member("response_format")
    {
        write_format(&mut Object::new(out), format);
    }
    if let Some(reasoning) = &request.reasoning {
        write_reasoning(body, reasoning);
    }
    body.text("verbosity", request.verbosity.as_deref());
}

fn write_format(object: &mut Object<'_>, format: &Format<'_>) {
    let Format::Schema { name, description, schema, strict } = format else {
        object.text("type", "json_object");
        return;
    };
    object.text("type", "json_schema").object("json_schema", |inner| {
        inner.text("name", name.as_deref().unwrap_or("answer"));
        inner.text_if("description", description.as_deref()).raw("schema", schema);
        inner.value_if("strict", *strict);
    });
}

/// A word, and the switch of vendors that have one. Thinking that is merely off goes unsaid elsewhere: models that do not
/// think refuse every word, and many that do know none for it.
fn write_reasoning(body: &mut Body<'_>, reasoning: &Reasoning) {
    let unwanted = reasoning.thinking == Some(Thinking::Off) && reasoning.effort.is_none();
    let off = unwanted || reasoning.effort == Some(Effort::None);
    if body.quirks.thinking_switch
        && let Some(out) = body.member("thinking")
    {
        Object::new(out).text("type", if off { "disabled" } else { "enabled" });
    }
    if unwanted || (off && body.quirks.thinking_switch) {
        return;
    }
    let Some(effort) = reasoning.effort() else { return };
    let known = body.quirks.efforts;
    let least = known.first().copied().filter(|_| effort != Effort::None);
    match known.iter().rev().copied().find(|known| *known <= effort).or(least) {
        Some(nearest) => body.text("reasoning_effort", Some(nearest.name())),
        None if body.quirks.thinking_switch => {}
        None => body.losses.drop(Feature::Reasoning.name()),
    }
}

fn write_account(body: &mut Body<'_>, request: &Request<'_>) {
    body.text("user", request.user.as_deref());
    let stored = request.store == Some(true);
    match request.metadata {
        // OpenAI: "The 'metadata' parameter is only allowed when 'store' is enabled."
        Some(_) if !stored => body.losses.drop(Feature::Metadata.name()),
        Some(metadata) => {
            if let Some(out) = body.member("metadata") {
                out.extend_from_slice(metadata.as_bytes());
            }
        }
        None => {}
    }
    match request.service_tier.as_deref() {
        Some("standard_only") => body.text("service_tier", Some("default")),
        Some(tier) if SERVICE_TIERS.contains(&tier) => body.text("service_tier", Some(tier)),
        Some(_) => body.losses.drop(Feature::ServiceTier.name()),
        None => {}
    }
    body.text("prompt_cache_key", request.cache_key.as_deref());
    // Unlike the Responses API's, this default is off.
    body.value("store", stored.then_some(true));
}

/// Is the tool of that name a custom one?
pub fn is_custom(request: &Request<'_>, wanted: &str) -> bool {
    request
        .tools
        .iter()
        .any(|tool| matches!(&tool.kind, ToolKind::Custom { name, .. } if name.as_ref() == wanted))
}

const MOST_STOPS: usize = 4;
const MOST_TOP_LOGPROBS: u64 = 20;
/// OpenAI's, and Groq's `on_demand` and `performance`.
const SERVICE_TIERS: &[&str] =
    &["auto", "default", "flex", "scale", "priority", "fast", "on_demand", "performance"];
