//! Tools and the choice among them.

use std::borrow::Cow;

use super::read_blocks::cache;
use crate::dialect::canon::{Foreign, Function, Request, Tool, ToolChoice, ToolKind};
use crate::dialect::json::{Read, Reader, Shape, Wrong};

/// A tool. One without a schema of its own is the provider's.
///
/// # Errors
/// It has not the documented form.
pub fn tool<'a>(value: &mut Reader<'a>) -> Read<Tool<'a>> {
    let mut whole = value.clone();
    let mut kind = Cow::Borrowed("custom");
    let mut function = Function::default();
    let mut mark = None;
    value.object(|name, value| {
        match name {
            "type" => kind = value.maybe(Reader::text)?.unwrap_or(Cow::Borrowed("custom")),
            "name" => function.name = value.text()?,
            "description" => function.description = value.maybe(Reader::words)?,
            "input_schema" if value.shape() == Shape::Object => function.schema = Some(value.raw()?.into()),
            "input_schema" => return Err(Wrong::new("must be an object")),
            "strict" => function.strict = value.maybe(Reader::flag)?,
            "cache_control" => mark = value.maybe(cache)?,
            _ => {}
        }
        Ok(())
    })?;
    if kind != "custom" {
        let json = whole.raw()?;
        return Ok(Tool { kind: ToolKind::Hosted(Foreign { kind, json }), cache: mark });
    }
    if function.name.is_empty() {
        return Err(Wrong::new("is required").within("name"));
    }
    Ok(Tool { kind: ToolKind::Function(function), cache: mark })
}

/// `tool_choice`.
///
/// # Errors
/// It has not the documented form.
pub fn choice<'a>(request: &mut Request<'a>, value: &mut Reader<'a>) -> Read<()> {
    let (mut kind, mut tool) = (Cow::default(), None);
    value.object(|name, value| {
        match name {
            "type" => kind = value.text()?,
            "name" => tool = value.maybe(Reader::text)?,
            "disable_parallel_tool_use" => {
                request.parallel_tools = value.maybe(Reader::flag)?.map(|disabled| !disabled);
            }
            _ => {}
        }
        Ok(())
    })?;
    request.tool_choice = match (&*kind, tool) {
        ("auto", _) => Some(ToolChoice::Auto),
        ("any", _) => Some(ToolChoice::Any),
        ("none", _) => Some(ToolChoice::None),
        ("tool", Some(name)) => Some(ToolChoice::One(name)),
        ("tool", None) => return Err(Wrong::new("is required").within("name")),
        _ => None,
    };
    Ok(())
}
