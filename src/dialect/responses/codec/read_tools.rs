//! Tools, and which of them are to be called.

use std::borrow::Cow;

use super::names::flat;
use crate::dialect::canon::{Foreign, Function, Tool, ToolChoice, ToolKind};
use crate::dialect::json::{Raw, Read, Reader, Shape, Words, Wrong};

/// Takes up a list of tools.
pub fn read<'a>(list: &mut Reader<'a>, tools: &mut Vec<Tool<'a>>) -> Read<()> {
    list.array(|tool| read_tool(tool, None, tools))
}

/// The members of every kind of tool.
#[derive(Default)]
struct Fields<'a> {
    kind: Cow<'a, str>,
    name: Option<Cow<'a, str>>,
    description: Option<Words<'a>>,
    parameters: Option<Raw<'a>>,
    format: Option<Raw<'a>>,
    strict: Option<bool>,
    tools: Option<Raw<'a>>,
    /// The form of chat, which some callers use here too.
    function: Option<Raw<'a>>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, tool: &mut Reader<'a>) -> Read<()> {
        tool.object(|name, value| {
            match name {
                "type" => self.kind = value.text()?,
                "name" => self.name = value.maybe(Reader::text)?,
                "description" => self.description = value.maybe(Reader::words)?,
                "parameters" => self.parameters = raw_object(value)?,
                "format" => self.format = raw_object(value)?,
                "strict" => self.strict = value.maybe(Reader::flag)?,
                "tools" => self.tools = Some(value.raw()?),
                "function" => self.function = raw_object(value)?,
                _ => {}
            }
            Ok(())
        })
    }

    fn name(&mut self) -> Read<Cow<'a, str>> {
        self.name.take().ok_or_else(|| Wrong::new("must be a string").within("name"))
    }
}

fn raw_object<'a>(value: &mut Reader<'a>) -> Read<Option<Raw<'a>>> {
    match value.shape() {
        Shape::Object => value.raw().map(Some),
        _ => value.skip().map(|()| None),
    }
}

/// The tools of a namespace stand in the list themselves, under names that hold the namespace.
fn read_tool<'a>(tool: &mut Reader<'a>, namespace: Option<&str>, tools: &mut Vec<Tool<'a>>) -> Read<()> {
    let mut whole = tool.clone();
    let mut fields = Fields::default();
    fields.take(tool)?;
    if let Some(function) = fields.function.filter(|_| fields.kind == "function") {
        let kind = std::mem::take(&mut fields.kind);
        fields.take(&mut Reader::new(function)).map_err(|wrong| wrong.within("function"))?;
        fields.kind = kind;
    }
    let kind = match &*fields.kind {
        "function" => ToolKind::Function(Function {
            name: flat(namespace, fields.name()?),
            description: fields.description,
            schema: fields.parameters.map(Into::into),
            strict: fields.strict,
        }),
        "custom" => ToolKind::Custom {
            name: flat(namespace, fields.name()?),
            description: fields.description,
            format: fields.format,
        },
        "namespace" if namespace.is_none() => {
            let name = fields.name()?;
            let list = fields.tools.unwrap_or("[]");
            return Reader::new(list)
                .array(|tool| read_tool(tool, Some(&name), tools))
                .map_err(|wrong| wrong.within("tools"));
        }
        "" => return Err(Wrong::new("must be a string").within("type")),
        _ => ToolKind::Hosted(Foreign { kind: fields.kind, json: whole.raw()? }),
    };
    tools.push(Tool { kind, cache: None });
    Ok(())
}

/// None where a tool of the provider's own is to be called, which no other has.
pub fn read_choice<'a>(choice: &mut Reader<'a>) -> Read<Option<ToolChoice<'a>>> {
    if choice.shape() == Shape::Text {
        return match &*choice.text()? {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Any)),
            _ => Err(Wrong::new("must be auto, none, required or an object")),
        };
    }
    let mut fields = Fields::default();
    let mut must = false;
    let mut whole = choice.clone();
    fields.take(choice)?;
    match &*fields.kind {
        "function" | "custom" => {
            if let Some(function) = fields.function {
                fields.take(&mut Reader::new(function)).map_err(|wrong| wrong.within("function"))?;
            }
            Ok(Some(ToolChoice::One(fields.name()?)))
        }
        "allowed_tools" => {
            whole.object(|name, value| {
                if name == "mode" {
                    must = value.text()? == "required";
                }
                Ok(())
            })?;
            let names = read_names(fields.tools.unwrap_or("[]")).map_err(|wrong| wrong.within("tools"))?;
            Ok(Some(ToolChoice::Among { names, must }))
        }
        _ => Ok(None),
    }
}

fn read_names<'a>(list: Raw<'a>) -> Read<Vec<Cow<'a, str>>> {
    let mut names = Vec::new();
    Reader::new(list).array(|tool| {
        let mut fields = Fields::default();
        fields.take(tool)?;
        names.extend(fields.name);
        Ok(())
    })?;
    Ok(names)
}
