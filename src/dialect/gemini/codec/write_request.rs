//! A request for Gemini.

use super::model::Model;
use super::write_config;
use super::write_contents::Contents;
use crate::dialect::DialectId;
use crate::dialect::canon::{Content, Function, Losses, Request, Role, ToolChoice, ToolKind, Turn};
use crate::dialect::codec::Manner;
use crate::dialect::json::{Array, Object, Words};
use crate::error::{Error, Result};

pub fn write(request: &Request<'_>, manner: &Manner<'_>, losses: &mut Losses) -> Result<Vec<u8>> {
    let model = Model::of(manner.model);
    let mut out = Vec::with_capacity(request.room());
    let mut object = Object::new(&mut out);
    let leading = request.turns.iter().take_while(|turn| is_system(turn)).count();
    let (system, turns) = request.turns.split_at(leading);
    write_system(system, &mut object, losses);
    let mut contents = Contents::new(request, model, losses);
    if !contents.write(turns, object.member("contents"))? {
        return Err(Error::bad_request("there is no message that this model's provider could answer"));
    }
    write_tools(request, &mut object);
    write_tool_choice(request, model, &mut object, losses);
    write_config::write(request, model, &mut object, losses);
    write_tier(request, manner, &mut object, losses);
    drop(object);
    Ok(out)
}

fn is_system(turn: &Turn<'_>) -> bool {
    matches!(turn.role, Role::System | Role::Developer)
}

fn write_system(turns: &[Turn<'_>], object: &mut Object<'_>, losses: &mut Losses) {
    let mut parts = turns.iter().flat_map(|turn| &turn.parts).peekable();
    if parts.peek().is_none() {
        return;
    }
    object.object("systemInstruction", |system| {
        system.array("parts", |array| {
            for part in parts {
                match &part.content {
                    Content::Text(text) | Content::Cited(text, _) => array.object(|part| {
                        part.text("text", text);
                    }),
                    _ => losses.drop("system"),
                }
            }
        });
    });
}

fn write_tools(request: &Request<'_>, object: &mut Object<'_>) {
    let functions = || {
        request.tools.iter().filter_map(|tool| match &tool.kind {
            ToolKind::Function(function) => Some(function),
            _ => None,
        })
    };
    // A tool of the provider's own is written back to it; others' mean nothing here.
    let hosted = || {
        request.tools.iter().filter_map(|tool| match &tool.kind {
            ToolKind::Hosted(hosted) if request.origin == DialectId::Gemini => Some(hosted),
            _ => None,
        })
    };
    if functions().next().is_none() && hosted().next().is_none() {
        return;
    }
    object.array("tools", |tools| {
        if functions().next().is_some() {
            tools.object(|tool| {
                tool.array("functionDeclarations", |list| {
                    functions().for_each(|it| write_function(it, list));
                });
            });
        }
        for hosted in hosted() {
            tools.object(|tool| {
                tool.raw_of(&hosted.kind, hosted.json);
            });
        }
    });
}

/// The schema is left as it is: `parametersJsonSchema` takes JSON schema whole, while `parameters` knows a part of it
/// and refuses the rest.
fn write_function(function: &Function<'_>, list: &mut Array<'_>) {
    list.object(|object| {
        object.text("name", &function.name);
        object.text("description", function.description.as_ref().unwrap_or(&Words::default()));
        if let Some(schema) = function.schema.as_deref().filter(|schema| schema.trim() != "{}") {
            object.raw("parametersJsonSchema", schema);
        }
    });
}

fn write_tool_choice(request: &Request<'_>, model: Model, object: &mut Object<'_>, losses: &mut Losses) {
    let is_function = |kind: &ToolKind<'_>| matches!(kind, ToolKind::Function(_));
    if !request.tools.iter().any(|tool| is_function(&tool.kind)) {
        return;
    }
    let strict = request
        .tools
        .iter()
        .any(|tool| matches!(&tool.kind, ToolKind::Function(f) if f.strict == Some(true)));
    let validated = !model.is_before(25);
    let auto = if strict && validated { "VALIDATED" } else { "AUTO" };
    let (mode, names) = match &request.tool_choice {
        None if auto == "AUTO" => return,
        None | Some(ToolChoice::Auto) => (auto, Vec::new()),
        Some(ToolChoice::None) => ("NONE", Vec::new()),
        Some(ToolChoice::Any) => ("ANY", Vec::new()),
        Some(ToolChoice::One(name)) => ("ANY", vec![&**name]),
        Some(ToolChoice::Among { names, must: true }) => ("ANY", names.iter().map(|name| &**name).collect()),
        Some(ToolChoice::Among { names, .. }) if validated => {
            ("VALIDATED", names.iter().map(|name| &**name).collect())
        }
        Some(ToolChoice::Among { .. }) => {
            losses.drop("allowed_tools");
            ("AUTO", Vec::new())
        }
    };
    object.object("toolConfig", |config| {
        config.object("functionCallingConfig", |calling| {
            calling.text("mode", mode);
            if !names.is_empty() {
                calling.array("allowedFunctionNames", |list| names.iter().for_each(|name| list.text(name)));
            }
        });
    });
}

/// Only AI Studio has tiers in the body.
fn write_tier(request: &Request<'_>, manner: &Manner<'_>, object: &mut Object<'_>, losses: &mut Losses) {
    let Some(tier) = request.service_tier.as_deref() else { return };
    let refused = manner.quirks.refuses.contains(&"serviceTier");
    match tier {
        "auto" => {}
        "default" | "standard" | "standard_only" if !refused => {
            object.text("serviceTier", "standard");
        }
        "flex" | "priority" if !refused => {
            object.text("serviceTier", tier);
        }
        _ => losses.drop("service_tier"),
    }
}
