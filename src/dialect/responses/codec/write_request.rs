//! Requests to a target.
//!
//! Format: OpenAI API reference, "Create a model response"; "Reasoning models", section "Encrypted reasoning items".

use super::read_request::{ENCRYPTED, LOGPROBS};
use super::write_items::{Scope, write_turn};
use crate::dialect::DialectId;
use crate::dialect::canon::{
    Content, Effort, Format, Losses, Maker, Request, Role, Thinking, Tool, ToolChoice, ToolKind, Turn,
};
use crate::dialect::codec::Manner;
use crate::dialect::json::{Array, Object};

pub fn write(request: &Request<'_>, manner: &Manner<'_>, losses: &mut Losses) -> Vec<u8> {
    let mut out = Vec::with_capacity(request.room());
    {
        let mut body = Body { object: Object::new(&mut out), manner, losses };
        body.object.text("model", manner.model);
        body.input(request);
        body.tools(request);
        body.text(request);
        body.sampling(request);
        body.reasoning(request);
        body.include(request);
        body.account(request);
        if request.origin == DialectId::Responses {
            for member in request.rest.iter().filter(|member| !member.name.contains('.')) {
                body.object.raw_of(&member.name, member.value);
            }
        }
        body.object.value("stream", request.stream);
    }
    out
}

/// A request that is being written.
struct Body<'b> {
    object: Object<'b>,
    manner: &'b Manner<'b>,
    losses: &'b mut Losses,
}

impl Body<'_> {
    /// The vendor's name of a member. None if it refuses it, which is noted.
    fn named(&mut self, name: &'static str) -> Option<&'static str> {
        let quirks = self.manner.quirks;
        if quirks.refuses.contains(&name) {
            self.losses.drop(name);
            return None;
        }
        Some(quirks.renames.iter().find(|(ours, _)| *ours == name).map_or(name, |(_, theirs)| theirs))
    }

    fn value(&mut self, name: &'static str, value: Option<impl serde::Serialize>) {
        if let Some((value, name)) = value.and_then(|value| Some((value, self.named(name)?))) {
            self.object.value(name, value);
        }
    }

    fn raw(&mut self, name: &'static str, json: Option<&str>) {
        if let Some((json, name)) = json.and_then(|json| Some((json, self.named(name)?))) {
            self.object.raw(name, json);
        }
    }

    /// A first system message is the instructions; what follows stays where it stands.
    fn input(&mut self, request: &Request<'_>) {
        let mut turns = request.turns.as_slice();
        if let Some((text, others)) = instructions(turns) {
            self.object.text("instructions", text);
            turns = others;
        }
        let mut scope = Scope { origin: request.origin, losses: self.losses };
        self.object.array("input", |items| turns.iter().for_each(|turn| write_turn(turn, items, &mut scope)));
    }

    fn tools(&mut self, request: &Request<'_>) {
        if request.tools.is_empty() {
            return;
        }
        self.object.array("tools", |tools| request.tools.iter().for_each(|tool| write_tool(tool, tools)));
        if let Some(choice) = &request.tool_choice {
            write_choice(choice, &request.tools, &mut self.object);
        }
        self.value("parallel_tool_calls", request.parallel_tools);
    }

    fn text(&mut self, request: &Request<'_>) {
        if request.format.is_none() && request.verbosity.is_none() {
            return;
        }
        let Some(name) = self.named("text") else { return };
        self.object.object(name, |text| {
            if let Some(format) = &request.format {
                text.object("format", |object| write_format(format, object));
            }
            text.text_if("verbosity", request.verbosity.as_deref());
        });
    }

    fn sampling(&mut self, request: &Request<'_>) {
        self.value("max_output_tokens", request.max_tokens.map(|most| most.max(LEAST_TOKENS)));
        self.value("temperature", request.sampling.temperature);
        self.value("top_p", request.sampling.top_p);
        self.value("presence_penalty", request.sampling.presence_penalty);
        self.value("frequency_penalty", request.sampling.frequency_penalty);
        self.value("top_logprobs", request.logprobs.filter(|count| *count > 0));
    }

    /// Whoever asks another dialect for thoughts expects to see them; here they are summarised on demand alone.
    fn reasoning(&mut self, request: &Request<'_>) {
        let Some(reasoning) = &request.reasoning else { return };
        let thinks = matches!(reasoning.thinking, Some(Thinking::Adaptive | Thinking::Budget(_)));
        let visible = reasoning.visible.unwrap_or(thinks);
        let effort = reasoning.effort().map(Effort::name);
        if effort.is_none() && !visible {
            return;
        }
        let Some(name) = self.named("reasoning") else { return };
        self.object.object(name, |object| {
            object.text_if("effort", effort).text_if("summary", visible.then_some("auto"));
        });
    }

    /// Models that do not reason refuse to be asked for encrypted thoughts.
    fn include(&mut self, request: &Request<'_>) {
        let asked = request.reasoning.is_some_and(|reasoning| reasoning.effort() != Some(Effort::None));
        let sealed = |content: &Content<'_>| match content {
            Content::Thought(thought) => {
                thought.seal.as_ref().is_some_and(|seal| seal.maker == Maker::OpenAi)
            }
            _ => false,
        };
        let parts = || request.turns.iter().flat_map(|turn| &turn.parts);
        let encrypted = request.store != Some(true) && (asked || parts().any(|part| sealed(&part.content)));
        let logprobs = request.logprobs.is_some();
        if !encrypted && !logprobs {
            return;
        }
        let Some(name) = self.named("include") else { return };
        self.object.array(name, |list| {
            [(encrypted, ENCRYPTED), (logprobs, LOGPROBS)]
                .into_iter()
                .filter(|(wanted, _)| *wanted)
                .for_each(|(_, what)| list.text(what));
        });
    }

    /// Nothing is kept at the provider unless the caller asks for it.
    fn account(&mut self, request: &Request<'_>) {
        self.value("store", Some(request.store.unwrap_or(false)));
        self.value("previous_response_id", request.previous.as_deref());
        self.value("prompt_cache_key", request.cache_key.as_deref());
        self.raw("metadata", request.metadata);
        match request.user.as_deref() {
            Some(user) if user.len() > LONGEST_USER => self.losses.drop("user"),
            user => self.value("safety_identifier", user),
        }
        match request.service_tier.as_deref() {
            Some(tier) if !TIERS.contains(&tier) => self.losses.drop("service_tier"),
            tier => self.value("service_tier", tier),
        }
    }
}

fn instructions<'t>(turns: &'t [Turn<'_>]) -> Option<(&'t str, &'t [Turn<'t>])> {
    let (first, others) = turns.split_first()?;
    match first.parts.as_slice() {
        [part] if first.role == Role::System => match &part.content {
            Content::Text(text) => Some((text, others)),
            _ => None,
        },
        _ => None,
    }
}

/// Unless told otherwise this dialect makes every schema strict; the others do not.
fn write_tool(tool: &Tool<'_>, tools: &mut Array<'_>) {
    match &tool.kind {
        ToolKind::Function(function) => tools.object(|object| {
            object.text("type", "function").text("name", &function.name);
            object.text_if("description", function.description.as_ref());
            object.raw("parameters", function.schema.as_deref().unwrap_or(NO_PARAMETERS));
            object.value("strict", function.strict.unwrap_or(false));
        }),
        ToolKind::Custom { name, description, format } => tools.object(|object| {
            object.text("type", "custom").text("name", name);
            object.text_if("description", description.as_ref());
            if let Some(format) = format {
                object.raw("format", format);
            }
        }),
        ToolKind::Hosted(hosted) => tools.raw(hosted.json),
    }
}

fn write_choice(choice: &ToolChoice<'_>, tools: &[Tool<'_>], body: &mut Object<'_>) {
    let word = match choice {
        ToolChoice::Auto => "auto",
        ToolChoice::None => "none",
        ToolChoice::Any => "required",
        ToolChoice::One(name) => {
            body.object("tool_choice", |object| write_named(name, tools, object));
            return;
        }
        ToolChoice::Among { names, must } => {
            body.object("tool_choice", |object| {
                object.text("type", "allowed_tools").text("mode", if *must { "required" } else { "auto" });
                object.array("tools", |list| {
                    names.iter().for_each(|name| list.object(|object| write_named(name, tools, object)));
                });
            });
            return;
        }
    };
    body.text("tool_choice", word);
}

fn write_named(name: &str, tools: &[Tool<'_>], object: &mut Object<'_>) {
    let is_custom =
        |tool: &Tool<'_>| matches!(&tool.kind, ToolKind::Custom { name: custom, .. } if custom == name);
    let kind = if tools.iter().any(is_custom) { "custom" } else { "function" };
    object.text("type", kind).text("name", name);
}

fn write_format(format: &Format<'_>, object: &mut Object<'_>) {
    match format {
        Format::Json => {
            object.text("type", "json_object");
        }
        Format::Schema { name, description, schema, strict } => {
            object.text("type", "json_schema").text("name", name.as_deref().unwrap_or("answer"));
            object.text_if("description", description.as_deref());
            object.raw("schema", schema).value_if("strict", *strict);
        }
    }
}

/// The provider's bound on a bound.
const LEAST_TOKENS: u64 = 16;
/// Bytes of a `safety_identifier`.
const LONGEST_USER: usize = 64;
const TIERS: [&str; 5] = ["auto", "default", "flex", "scale", "priority"];
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;
