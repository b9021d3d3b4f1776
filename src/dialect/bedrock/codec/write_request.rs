//! Requests for `Converse` and `ConverseStream`. The model's id and the wish for a stream stand in the path.

use super::STOP_SEQUENCE_PATHS;
use super::model::{Model, Publisher};
use super::thinking::Thought;
use super::tools::{Choice, Form, Plan};
use super::write_blocks::{self, Blocks, is_blank};
use crate::dialect::canon::{Content, Losses, MediaKind, Part, Request, Role, Turn};
use crate::dialect::codec::Manner;
use crate::dialect::json::{Array, Object, Reader, write_text};
use crate::error::{Error, Result};

pub fn write(request: &Request<'_>, manner: &Manner<'_>, losses: &mut Losses) -> Result<Vec<u8>> {
    let model = Model::of(manner.model);
    let plan = Plan::new(request, &model, losses);
    let thought = Thought::new(request, &model, &plan, losses);
    let leading = request.turns.iter().take_while(|turn| is_system(turn)).count();
    let (system, conversation) = request.turns.split_at(leading);
    let mut out = Vec::with_capacity(request.room());
    let mut root = Object::new(&mut out);
    let mut blocks = Blocks::new(model, request.origin, losses);
    write_messages(conversation, &mut blocks, &mut root)?;
    write_system(system, &plan.form, &mut blocks, &mut root)?;
    write_limits(request, &thought, &mut blocks, &mut root);
    plan.write(request.origin, &mut blocks, &mut root);
    write_output(&plan.form, &thought, &mut root);
    write_fields(request, &plan, &thought, &mut blocks, &mut root);
    if model.publisher == Publisher::Claude && !request.stop.is_empty() {
        root.array("additionalModelResponseFieldPaths", |paths| {
            STOP_SEQUENCE_PATHS.iter().for_each(|path| paths.text(path));
        });
    }
    write_tier(request, blocks.losses, &mut root);
    write_metadata(request, blocks.losses, &mut root);
    drop(root);
    Ok(out)
}

fn is_system(turn: &Turn<'_>) -> bool {
    matches!(turn.role, Role::System | Role::Developer)
}

/// Neighbours of one role become one message, since roles must take turns.
fn write_messages(turns: &[Turn<'_>], blocks: &mut Blocks<'_>, root: &mut Object<'_>) -> Result<()> {
    let mut written = Ok(());
    let mut any = false;
    let lost = |part: &Part<'_>| matches!(part.content, Content::Thought(_)) && !blocks.writes(&part.content);
    if turns.iter().flat_map(|turn| &turn.parts).any(lost) {
        blocks.losses.drop("thoughts");
    }
    root.array("messages", |messages| {
        let mut rest = turns;
        while let Some(first) = rest.first() {
            let by_model = |turn: &Turn<'_>| turn.role == Role::Assistant;
            // What leaves no block does not part its neighbours.
            let joins = |turn: &&Turn<'_>| by_model(turn) == by_model(first) || is_empty(turn, blocks);
            let count = rest.iter().take_while(joins).count();
            let (group, later) = rest.split_at(count);
            rest = later;
            if group.iter().all(|turn| is_empty(turn, blocks)) {
                continue;
            }
            any = true;
            messages.object(|message| {
                message.text("role", if by_model(first) { "assistant" } else { "user" });
                message.array("content", |content| {
                    let of_role = group.iter().filter(|turn| by_model(turn) == by_model(first));
                    let parts: Vec<&Part<'_>> = of_role.flat_map(|turn| &turn.parts).collect();
                    written = write_content(&parts, blocks, content);
                });
            });
            if written.is_err() {
                return;
            }
        }
    });
    written?;
    if any { Ok(()) } else { Err(Error::bad_request("there is no message to answer").param("messages")) }
}

fn is_empty(turn: &Turn<'_>, blocks: &Blocks<'_>) -> bool {
    !turn.parts.iter().any(|part| blocks.writes(&part.content))
}

/// Results of tools come first, where the model looks for them. Documents need a text beside them.
fn write_content(parts: &[&Part<'_>], blocks: &mut Blocks<'_>, content: &mut Array<'_>) -> Result<()> {
    let is_result = |part: &&&Part<'_>| matches!(part.content, Content::ToolResult(_));
    for part in parts.iter().filter(is_result) {
        blocks.write(part, content)?;
    }
    for part in parts.iter().filter(|part| !is_result(part)) {
        blocks.write(part, content)?;
    }
    let document = |part: &&Part<'_>| matches!(&part.content, Content::Media(media) if media.kind == MediaKind::Document);
    let text = |part: &&Part<'_>| match &part.content {
        Content::Text(text) | Content::Cited(text, _) => !text.is_blank(),
        _ => false,
    };
    if parts.iter().any(document) && !parts.iter().any(text) {
        write_blocks::write_text(BESIDE_DOCUMENTS, content);
    }
    Ok(())
}

/// The leading instructions; what the form of the answer adds to them.
fn write_system(
    turns: &[Turn<'_>],
    form: &Form<'_>,
    blocks: &mut Blocks<'_>,
    root: &mut Object<'_>,
) -> Result<()> {
    let words = match form {
        Form::Words(None) => Some(AS_OBJECT.to_owned()),
        Form::Words(Some(schema)) => Some(format!("{BY_SCHEMA}\n{schema}")),
        _ => None,
    };
    if words.is_none() && turns.iter().all(|turn| is_empty(turn, blocks)) {
        return Ok(());
    }
    let mut written = Ok(());
    root.array("system", |system| {
        for part in turns.iter().flat_map(|turn| &turn.parts) {
            if written.is_ok() {
                written = blocks.write(part, system);
            }
        }
        if let Some(words) = words {
            write_blocks::write_text(&words, system);
        }
    });
    written
}

/// `inferenceConfig`.
fn write_limits(request: &Request<'_>, thought: &Thought, blocks: &mut Blocks<'_>, root: &mut Object<'_>) {
    let sampling = &request.sampling;
    let (mut temperature, mut top_p) = (sampling.temperature.map(|t| t.clamp(0.0, 1.0)), sampling.top_p);
    let refuses = thought.is_novas_highest() || !blocks.model.samples();
    if temperature.is_some() && (refuses || thought.is_claudes()) {
        // One is what a thinking Claude has anyway.
        if refuses || temperature != Some(1.0) {
            blocks.losses.drop("temperature");
        }
        temperature = None;
    }
    if top_p.is_some() && (refuses || (thought.is_claudes() && top_p < Some(LEAST_TOP_P))) {
        blocks.losses.drop("top_p");
        top_p = None;
    }
    if temperature.is_some() && top_p.is_some() && !blocks.model.samples_both() {
        blocks.losses.drop("top_p");
        top_p = None;
    }
    // Claude takes no white space alone.
    let blank =
        |text: &&str| text.is_empty() || (blocks.model.publisher == Publisher::Claude && is_blank(text));
    let stop: Vec<&str> = request.stop.iter().map(|text| &**text).filter(|text| !blank(text)).collect();
    if stop.len() < request.stop.len() {
        blocks.losses.drop("stop");
    }
    if request.max_tokens.is_none() && temperature.is_none() && top_p.is_none() && stop.is_empty() {
        return;
    }
    root.object("inferenceConfig", |config| {
        config.value_if("maxTokens", request.max_tokens);
        config.value_if("temperature", temperature).value_if("topP", top_p);
        if !stop.is_empty() {
            config.array("stopSequences", |texts| stop.iter().for_each(|text| texts.text(text)));
        }
    });
}

/// `outputConfig`.
fn write_output(form: &Form<'_>, thought: &Thought, root: &mut Object<'_>) {
    let schema = match form {
        Form::Schema { name, description, schema } => Some((name, description, schema)),
        _ => None,
    };
    if schema.is_none() && thought.effort.is_none() {
        return;
    }
    root.object("outputConfig", |config| {
        config.text_if("effort", thought.effort);
        let Some((name, description, schema)) = schema else { return };
        config.object("textFormat", |format| {
            format.text("type", "json_schema").object("structure", |structure| {
                structure.object("jsonSchema", |json| {
                    json.text_if("name", *name).text_if("description", *description).text("schema", schema);
                });
            });
        });
    });
}

/// `additionalModelRequestFields`: what models take beyond Converse, each by its own names.
fn write_fields(
    request: &Request<'_>,
    plan: &Plan<'_>,
    thought: &Thought,
    blocks: &mut Blocks<'_>,
    root: &mut Object<'_>,
) {
    let mut fields = Vec::new();
    let mut object = Object::new(&mut fields);
    thought.write(&mut object);
    if let Some(top_k) = request.sampling.top_k {
        let refuses = thought.is_claudes() || thought.is_novas_highest() || !blocks.model.samples();
        match blocks.model.publisher {
            Publisher::Claude if !refuses => {
                object.value("top_k", top_k);
            }
            Publisher::Nova if !refuses => {
                object.object("inferenceConfig", |config| {
                    config.value("topK", top_k);
                });
            }
            Publisher::Cohere => {
                object.value("k", top_k);
            }
            _ => blocks.losses.drop("top_k"),
        }
    }
    if plan.one_at_a_time && plan.has_tools() {
        object.object("tool_choice", |choice| {
            match plan.choice {
                Choice::Free => choice.text("type", "auto"),
                Choice::Any => choice.text("type", "any"),
                Choice::One(name) => choice.text("type", "tool").text("name", name),
            };
            choice.value("disable_parallel_tool_use", true);
        });
    }
    drop(object);
    if fields.len() > EMPTY_OBJECT {
        root.member("additionalModelRequestFields").extend_from_slice(&fields);
    }
}

/// Words of other vendors that mean the usual tier are left out.
fn write_tier(request: &Request<'_>, losses: &mut Losses, root: &mut Object<'_>) {
    match request.service_tier.as_deref() {
        Some(tier @ ("default" | "priority" | "flex" | "reserved")) => {
            root.object("serviceTier", |object| {
                object.text("type", tier);
            });
        }
        None | Some("auto" | "standard_only" | "standard") => {}
        Some(_) => losses.drop("service_tier"),
    }
}

/// The texts that Bedrock's log of invocations takes.
fn write_metadata(request: &Request<'_>, losses: &mut Losses, root: &mut Object<'_>) {
    let Some(metadata) = request.metadata else { return };
    let fits = |text: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c.is_whitespace() || ":_@$#=/+,-.".contains(c);
        text.len() <= LONGEST_METADATA && text.chars().all(allowed)
    };
    let mut pairs = Vec::new();
    let mut lost = false;
    let read = Reader::new(metadata).object_if(|name, value| {
        match value.text_if()?.filter(|text| fits(text) && fits(name) && !name.is_empty()) {
            Some(text) if pairs.len() < MOST_METADATA => pairs.push((name.to_owned(), text)),
            _ => lost = true,
        }
        Ok(())
    });
    if lost || read.is_err() {
        losses.drop("metadata");
    }
    if !pairs.is_empty() {
        root.object("requestMetadata", |object| {
            for (name, text) in &pairs {
                write_text(object.member_of(name), text);
            }
        });
    }
}

/// `{}`.
const EMPTY_OBJECT: usize = 2;
/// A thinking Claude takes none below.
const LEAST_TOP_P: f64 = 0.95;
const LONGEST_METADATA: usize = 256;
const MOST_METADATA: usize = 16;
/// Stands beside documents that came without a word.
const BESIDE_DOCUMENTS: &str = "See the attached document.";
const AS_OBJECT: &str = "Answer with one JSON object and nothing else: no explanation, no code fence.";
const BY_SCHEMA: &str = "Answer with JSON of this schema and nothing else: no explanation, no code fence.";
