//! Tools, and which of them is to be called.

use std::borrow::Cow;

use super::part;
use crate::dialect::canon::{Foreign, Function, Tool, ToolChoice, ToolKind};
use crate::dialect::json::{Raw, Read, Reader, Shape, Wrong};

/// Reads one of `tools`. Members of the function may stand beside its type, as the Responses API has them.
pub fn read<'a>(value: &mut Reader<'a>) -> Read<Tool<'a>> {
    let mut whole = value.clone();
    let mut fields = Fields::default();
    let mut kind = Cow::Borrowed("function");
    value.object(|name, value| {
        match name {
            "type" => kind = value.text()?,
            "function" | "custom" => value.object(|name, value| fields.take(name, value))?,
            name => fields.take(name, value)?,
        }
        Ok(())
    })?;
    let cache = fields.cache;
    let kind = match &*kind {
        "function" => ToolKind::Function(fields.named("function")?.function),
        "custom" => {
            let Fields { function: Function { name, description, .. }, format, .. } =
                fields.named("custom")?;
            ToolKind::Custom { name, description, format }
        }
        _ => ToolKind::Hosted(Foreign { kind, json: whole.raw()? }),
    };
    Ok(Tool { kind, cache })
}

/// Reads one of the older `functions`.
pub fn read_function<'a>(value: &mut Reader<'a>) -> Read<Tool<'a>> {
    let mut fields = Fields::default();
    value.object(|name, value| fields.take(name, value))?;
    if fields.function.name.is_empty() {
        return Err(Wrong::new("must be the name of a function").within("name"));
    }
    Ok(Tool { kind: ToolKind::Function(fields.function), cache: fields.cache })
}

/// What a function or a custom tool has.
#[derive(Default)]
struct Fields<'a> {
    function: Function<'a>,
    format: Option<Raw<'a>>,
    cache: Option<crate::dialect::canon::Cache>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, name: &str, value: &mut Reader<'a>) -> Read<()> {
        match name {
            "name" => self.function.name = value.text()?,
            "description" => self.function.description = value.maybe(Reader::words)?,
            "parameters" => self.function.schema = value.maybe(read_object)?.map(Into::into),
            "strict" => self.function.strict = value.maybe(Reader::flag)?,
            "format" => self.format = value.maybe(Reader::raw)?,
            "cache_control" => self.cache = part::read_cache(value)?,
            _ => {}
        }
        Ok(())
    }

    fn named(self, within: &str) -> Read<Self> {
        if self.function.name.is_empty() {
            return Err(Wrong::new("must be the name of a tool").within("name").within(within));
        }
        Ok(self)
    }
}

pub fn read_object<'a>(value: &mut Reader<'a>) -> Read<Raw<'a>> {
    match value.shape() {
        Shape::Object => value.raw(),
        _ => Err(Wrong::new("must be an object")),
    }
}

/// Reads `tool_choice`. None: it is of a kind that has no meaning elsewhere.
pub fn read_choice<'a>(value: &mut Reader<'a>) -> Read<Option<ToolChoice<'a>>> {
    if value.shape() == Shape::Text {
        return match &*value.text()? {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            // Mistral's word is `any`.
            "required" | "any" => Ok(Some(ToolChoice::Any)),
            _ => Err(Wrong::new("must be \"none\", \"auto\", \"required\", or an object")),
        };
    }
    let (mut kind, mut name) = (Cow::Borrowed(""), None);
    let mut among = Among::default();
    value.object(|member, value| {
        match member {
            "type" => kind = value.text()?,
            "name" => name = Some(value.text()?),
            "function" | "custom" => name = Some(read_name(value)?),
            "allowed_tools" => value.object(|member, value| among.take(member, value))?,
            member => among.take(member, value)?,
        }
        Ok(())
    })?;
    match &*kind {
        "function" | "custom" | "tool" | "" => {
            let name = name.filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| Wrong::new("must name a tool"))?;
            Ok(Some(ToolChoice::One(name)))
        }
        "allowed_tools" => Ok(Some(ToolChoice::Among { names: among.names, must: among.must })),
        "auto" => Ok(Some(ToolChoice::Auto)),
        "none" => Ok(Some(ToolChoice::None)),
        "required" | "any" => Ok(Some(ToolChoice::Any)),
        _ => Ok(None),
    }
}

/// Reads the older `function_call` of a request.
pub fn read_function_choice<'a>(value: &mut Reader<'a>) -> Read<ToolChoice<'a>> {
    if value.shape() == Shape::Text {
        return match &*value.text()? {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            _ => Err(Wrong::new("must be \"none\", \"auto\", or an object")),
        };
    }
    Ok(ToolChoice::One(read_name(value)?))
}

#[derive(Default)]
struct Among<'a> {
    names: Vec<Cow<'a, str>>,
    must: bool,
}

impl<'a> Among<'a> {
    fn take(&mut self, name: &str, value: &mut Reader<'a>) -> Read<()> {
        match name {
            "mode" => self.must = value.text()? == "required",
            "tools" => value.array(|value| {
                self.names.push(read_name(value)?);
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    }
}

/// The name in `{"name"}` or `{"type","function":{"name"}}`.
fn read_name<'a>(value: &mut Reader<'a>) -> Read<Cow<'a, str>> {
    let mut found = Cow::Borrowed("");
    value.object(|name, value| {
        match name {
            "name" => found = value.text()?,
            "function" | "custom" => found = read_name(value)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}
