//! Tools, and which of them is to be called, in the manner of the vendor.

use std::borrow::Cow;

use super::write_request::{Body, is_custom};
use crate::dialect::canon::{Cache, Feature, Function, Request, Tool, ToolChoice, ToolKind};
use crate::dialect::json::{Array, Object, Reader, Shape};

/// Writes `tools`, `tool_choice` and `parallel_tool_calls`. Without tools the other two are refused.
pub fn write(body: &mut Body<'_>, request: &Request<'_>) {
    let extras = body.quirks.openai_only;
    let custom = |tool: &Tool<'_>| matches!(tool.kind, ToolKind::Custom { .. });
    if !extras && request.tools.iter().any(custom) {
        body.losses.drop(Feature::CustomTools.name());
    }
    let allowed = match &request.tool_choice {
        Some(ToolChoice::Among { names, .. }) if !extras => Some(names.as_slice()),
        _ => None,
    };
    let shown = |tool: &&Tool<'_>| {
        !matches!(tool.kind, ToolKind::Hosted(_))
            && (extras || !custom(tool))
            && allowed.is_none_or(|names| name_of(tool).is_some_and(|name| names.contains(name)))
    };
    let mut tools = request.tools.iter().filter(shown).peekable();
    if tools.peek().is_none() {
        if !matches!(request.tool_choice, None | Some(ToolChoice::Auto | ToolChoice::None)) {
            body.losses.drop("tool_choice");
        }
        return;
    }
    let marks = body.quirks.cache_marks;
    let Some(out) = body.member("tools") else { return };
    {
        let mut array = Array::new(out);
        tools.for_each(|tool| write_tool(&mut array, tool, marks));
    }
    write_choice(body, request);
    body.value("parallel_tool_calls", request.parallel_tools);
}

/// A mark, as OpenRouter takes it.
pub fn write_cache(object: &mut Object<'_>, cache: Option<Cache>) {
    if let Some(Cache { one_hour }) = cache {
        object.object("cache_control", |mark| {
            mark.text("type", "ephemeral").text_if("ttl", one_hour.then_some("1h"));
        });
    }
}

fn name_of<'t, 'a>(tool: &'t Tool<'a>) -> Option<&'t Cow<'a, str>> {
    match &tool.kind {
        ToolKind::Function(function) => Some(&function.name),
        ToolKind::Custom { name, .. } => Some(name),
        ToolKind::Hosted(_) => None,
    }
}

fn write_tool(array: &mut Array<'_>, tool: &Tool<'_>, marks: bool) {
    array.object(|object| {
        match &tool.kind {
            ToolKind::Function(function) => {
                object.text("type", "function").object("function", |inner| write_function(inner, function));
            }
            ToolKind::Custom { name, description, format } => {
                object.text("type", "custom").object("custom", |inner| {
                    inner.text("name", name).text_if("description", description.as_ref());
                    if let Some(format) = format {
                        write_custom_format(inner.member("format"), format);
                    }
                });
            }
            ToolKind::Hosted(_) => {}
        }
        write_cache(object, tool.cache.filter(|_| marks));
    });
}

fn write_function(object: &mut Object<'_>, function: &Function<'_>) {
    object.text("name", &function.name).text_if("description", function.description.as_ref());
    // Optional at OpenAI; some servers want it.
    object
        .raw("parameters", function.schema.as_deref().unwrap_or(NO_PARAMETERS))
        .value_if("strict", function.strict);
}

/// Chat has the grammar as an object of its own; the Responses API has its members beside the type.
fn write_custom_format(out: &mut Vec<u8>, format: &str) {
    let (mut syntax, mut definition) = (None, None);
    let read = Reader::new(format).object_if(|name, value| {
        match name {
            "syntax" if value.shape() == Shape::Text => syntax = Some(value.raw()?),
            "definition" if value.shape() == Shape::Text => definition = Some(value.raw()?),
            _ => {}
        }
        Ok(())
    });
    match (read, syntax, definition) {
        (Ok(()), Some(syntax), Some(definition)) => {
            Object::new(out).text("type", "grammar").object("grammar", |grammar| {
                grammar.raw("syntax", syntax).raw("definition", definition);
            });
        }
        _ => out.extend_from_slice(format.as_bytes()),
    }
}

fn write_choice(body: &mut Body<'_>, request: &Request<'_>) {
    let Some(choice) = &request.tool_choice else { return };
    let extras = body.quirks.openai_only;
    let word = match choice {
        ToolChoice::Auto => "auto",
        ToolChoice::None => "none",
        ToolChoice::Any => "required",
        ToolChoice::Among { must, .. } if !extras => {
            if *must {
                "required"
            } else {
                "auto"
            }
        }
        ToolChoice::One(name) => return write_one(body, request, name),
        ToolChoice::Among { names, must } => return write_among(body, request, names, *must),
    };
    body.text("tool_choice", Some(word));
}

/// A tool that is not declared any more, such as one the provider would have run, cannot be chosen.
fn write_one(body: &mut Body<'_>, request: &Request<'_>, name: &str) {
    let custom = is_custom(request, name);
    let declared = request.tools.iter().any(|tool| name_of(tool).is_some_and(|known| known == name));
    if !declared || (custom && !body.quirks.openai_only) {
        return body.losses.drop("tool_choice");
    }
    if let Some(out) = body.member("tool_choice") {
        write_named(&mut Object::new(out), name, custom);
    }
}

fn write_among(body: &mut Body<'_>, request: &Request<'_>, names: &[Cow<'_, str>], must: bool) {
    let Some(out) = body.member("tool_choice") else { return };
    Object::new(out).text("type", "allowed_tools").object("allowed_tools", |allowed| {
        allowed.text("mode", if must { "required" } else { "auto" }).array("tools", |tools| {
            for name in names {
                tools.object(|tool| write_named(tool, name, is_custom(request, name)));
            }
        });
    });
}

fn write_named(object: &mut Object<'_>, name: &str, custom: bool) {
    let kind = if custom { "custom" } else { "function" };
    object.text("type", kind).object(kind, |inner| {
        inner.text("name", name);
    });
}

const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;
