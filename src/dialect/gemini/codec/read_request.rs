//! What a caller asks, as `generateContent` has it.
//!
//! Google takes every name in camel case and in snake case, and a lone element for a list of one.

use std::borrow::Cow;

use super::parts::{self, Data, each};
use super::read_config::Config;
use super::schema;
use crate::dialect::DialectId;
use crate::dialect::canon::{
    Content, Foreign, Function, Member, Part, Request, Role, Tool, ToolChoice, ToolKind, Turn,
};
use crate::dialect::json::{Read, Reader, Shape, Wrong};

pub fn read<'a>(body: &'a str) -> Read<Request<'a>> {
    let mut draft = Draft::new();
    Reader::new(body).object(|name, value| draft.member(name, value))?;
    Ok(draft.finish())
}

struct Draft<'a> {
    request: Request<'a>,
    system: Option<Turn<'a>>,
    /// Arguments must follow their schema to the letter (`VALIDATED`).
    strict: bool,
}

impl<'a> Draft<'a> {
    fn new() -> Self {
        Draft { request: Request::new(DialectId::Gemini), system: None, strict: false }
    }

    fn member(&mut self, name: &str, value: &mut Reader<'a>) -> Read<()> {
        match name {
            "contents" => each(value, |turn| self.turn(turn)),
            "systemInstruction" | "system_instruction" => self.system(value),
            "generationConfig" | "generation_config" => {
                if value.shape() == Shape::Null {
                    return value.skip();
                }
                let config = Config::read(value, &mut self.request.rest)?;
                config.fill(&mut self.request);
                Ok(())
            }
            "tools" => each(value, |tool| self.tool(tool)),
            "toolConfig" | "tool_config" => self.tool_config(value),
            "serviceTier" | "service_tier" => {
                self.request.service_tier = value.maybe(Reader::text)?;
                Ok(())
            }
            "store" => {
                self.request.store = value.maybe(Reader::flag)?;
                Ok(())
            }
            // The path says it.
            "model" => value.skip(),
            _ => {
                rest(&mut self.request.rest, name, value.raw()?);
                Ok(())
            }
        }
    }

    fn finish(mut self) -> Request<'a> {
        if let Some(system) = self.system.take() {
            self.request.turns.insert(0, system);
        }
        if self.strict {
            for tool in &mut self.request.tools {
                if let ToolKind::Function(function) = &mut tool.kind {
                    function.strict = Some(true);
                }
            }
        }
        self.request
    }

    fn turn(&mut self, value: &mut Reader<'a>) -> Read<()> {
        let mut role = Role::User;
        let mut parts = Vec::new();
        let other = &mut self.request.rest;
        value.object(|name, value| {
            match name {
                "role" => role = role_of(value.maybe(Reader::text)?.as_deref())?,
                "parts" => each(value, |part| read_part(part, &mut parts, other))?,
                _ => {}
            }
            Ok(())
        })?;
        self.request.turns.push(Turn::new(role, parts));
        Ok(())
    }

    fn system(&mut self, value: &mut Reader<'a>) -> Read<()> {
        let mut parts = Vec::new();
        let other = &mut self.request.rest;
        match value.shape() {
            Shape::Null => return value.skip(),
            Shape::Text => parts.push(Content::Text(value.words()?).into()),
            _ => value.object(|name, value| match name {
                "parts" => each(value, |part| read_part(part, &mut parts, other)),
                _ => Ok(()),
            })?,
        }
        self.system = (!parts.is_empty()).then(|| Turn::new(Role::System, parts));
        Ok(())
    }

    /// Functions, and tools of the provider, each under its name.
    fn tool(&mut self, value: &mut Reader<'a>) -> Read<()> {
        let Request { tools, rest, .. } = &mut self.request;
        value.object(|name, value| match name {
            "functionDeclarations" | "function_declarations" => each(value, |declaration| {
                let kind = ToolKind::Function(function(declaration, rest)?);
                tools.push(Tool { kind, cache: None });
                Ok(())
            }),
            _ => {
                if let Some(json) = value.maybe(Reader::raw)? {
                    let kind = ToolKind::Hosted(Foreign { kind: name.to_owned().into(), json });
                    tools.push(Tool { kind, cache: None });
                }
                Ok(())
            }
        })
    }

    fn tool_config(&mut self, value: &mut Reader<'a>) -> Read<()> {
        if value.shape() == Shape::Null {
            return value.skip();
        }
        value.object(|name, value| match name {
            "functionCallingConfig" | "function_calling_config" => self.calling(value),
            _ => {
                rest(&mut self.request.rest, name, value.raw()?);
                Ok(())
            }
        })
    }

    fn calling(&mut self, value: &mut Reader<'a>) -> Read<()> {
        let (mut mode, mut names) = (Cow::from(""), Vec::new());
        let other = &mut self.request.rest;
        value.object(|name, value| {
            match name {
                "mode" => mode = value.maybe(Reader::text)?.unwrap_or_default(),
                "allowedFunctionNames" | "allowed_function_names" => {
                    each(value, |name| name.text().map(|name| names.push(name)))?;
                }
                _ => rest(other, name, value.raw()?),
            }
            Ok(())
        })?;
        self.strict = mode.eq_ignore_ascii_case("VALIDATED");
        let must = mode.eq_ignore_ascii_case("ANY");
        self.request.tool_choice = match names.len() {
            _ if mode.eq_ignore_ascii_case("NONE") => Some(ToolChoice::None),
            1 if must => names.pop().map(ToolChoice::One),
            0 if must => Some(ToolChoice::Any),
            0 if self.strict || mode.eq_ignore_ascii_case("AUTO") => Some(ToolChoice::Auto),
            0 => None,
            _ => Some(ToolChoice::Among { names, must }),
        };
        Ok(())
    }
}

fn read_part<'a>(value: &mut Reader<'a>, parts: &mut Vec<Part<'a>>, other: &mut Vec<Member<'a>>) -> Read<()> {
    // Of what is said of a part only the name is told on.
    let part = parts::read(value, &mut |name| rest(other, name, "null"))?;
    if matches!(&part.data, Data::Call(call) if call.name.is_empty()) {
        return Err(Wrong::new("must have a name").within("functionCall"));
    }
    part.tell(parts);
    Ok(())
}

fn role_of(role: Option<&str>) -> Read<Role> {
    match role {
        None | Some("" | "user" | "function") => Ok(Role::User),
        Some("model") => Ok(Role::Assistant),
        Some("system") => Ok(Role::System),
        Some(_) => Err(Wrong::new("must be \"user\" or \"model\"")),
    }
}

fn function<'a>(value: &mut Reader<'a>, other: &mut Vec<Member<'a>>) -> Read<Function<'a>> {
    let mut function = Function::default();
    value.object(|name, value| {
        match name {
            "name" => function.name = value.text()?,
            "description" => {
                function.description = value.maybe(Reader::words)?.filter(|text| !text.is_empty());
            }
            "parameters" => {
                if let Some(schema) = value.maybe(Reader::raw)? {
                    function.schema = Some(schema::to_json_schema(schema)?);
                }
            }
            "parametersJsonSchema" | "parameters_json_schema" => {
                function.schema = value.maybe(Reader::raw)?.map(Cow::Borrowed);
            }
            _ => rest(other, name, value.raw()?),
        }
        Ok(())
    })?;
    if function.name.is_empty() { Err(Wrong::new("must have a name")) } else { Ok(function) }
}

/// Keeps a member of which nothing is made here.
pub fn rest<'a>(members: &mut Vec<Member<'a>>, name: &str, value: &'a str) {
    // A hostile body has many: what the provider calls so counts once.
    if members.len() < MOST_MEMBERS && !members.iter().any(|member| member.name == name) {
        members.push(Member { name: name.to_owned().into(), value });
    }
}

/// Members that are kept by name.
const MOST_MEMBERS: usize = 64;
