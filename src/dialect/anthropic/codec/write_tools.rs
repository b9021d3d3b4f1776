//! Tools and the choice among them.
//!
//! Source: Claude docs, "Define tools", "Strict tool use".

use super::model::Model;
use super::write_blocks::write_cache;
use super::{ANSWER_TOOL, custom, schema};
use crate::dialect::DialectId;
use crate::dialect::canon::{Function, Losses, Request, Tool, ToolChoice, ToolKind};
use crate::dialect::json::{Array, Object, Raw, Reader};

/// What is said of tools.
#[derive(Debug)]
pub struct Tools<'r, 'a> {
    tools: Vec<&'r Tool<'a>>,
    /// Schema and description of the tool whose arguments are the answer.
    answer: Option<(Raw<'r>, Option<&'r str>)>,
    strict: bool,
    /// The schemas are in this dialect's form.
    own: bool,
    choice: Option<Choice<'r>>,
    /// One call at a time.
    single: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<'r> {
    Auto,
    None,
    Any,
    One(&'r str),
}

impl<'r, 'a> Tools<'r, 'a> {
    pub fn new(request: &'r Request<'a>, model: Model, losses: &mut Losses) -> Self {
        let own = request.origin == DialectId::Anthropic;
        let tools = request.tools.iter().filter(|tool| own || !matches!(tool.kind, ToolKind::Hosted(_)));
        let mut tools: Vec<&Tool<'_>> = tools.collect();
        let choice = match &request.tool_choice {
            None => None,
            Some(ToolChoice::Auto) => Some(Choice::Auto),
            Some(ToolChoice::None) => Some(Choice::None),
            Some(ToolChoice::Any) => Some(Choice::Any),
            Some(ToolChoice::One(name)) => Some(Choice::One(name)),
            Some(ToolChoice::Among { names, must }) => {
                tools.retain(|tool| name_of(tool).is_none_or(|name| names.iter().any(|known| known == name)));
                Some(if *must { Choice::Any } else { Choice::Auto })
            }
        };
        let mut tools = Tools { tools, answer: None, strict: false, own, choice, single: false };
        tools.single = request.parallel_tools == Some(false);
        tools.strict = tools.can_be_strict(model);
        if !tools.strict && tools.functions().any(|function| function.strict == Some(true)) {
            losses.drop("strict");
        }
        if !model.takes_forced_tools() && tools.is_forced() {
            tools.choice = Some(Choice::Auto);
            losses.drop("tool_choice");
        }
        tools
    }

    /// Must a tool be called?
    pub fn is_forced(&self) -> bool {
        matches!(self.choice, Some(Choice::Any | Choice::One(_))) && !self.is_empty()
    }

    /// Has the caller's choice made the answer a call already?
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty() && self.answer.is_none()
    }

    /// The answer is to be the arguments of a tool; other tools may be called before.
    pub fn answer_with(&mut self, schema: Raw<'r>, description: Option<&'r str>) {
        if self.is_forced() {
            return;
        }
        let alone = self.tools.is_empty() || self.choice == Some(Choice::None);
        self.choice = Some(if alone { Choice::One(ANSWER_TOOL) } else { Choice::Any });
        self.single |= alone;
        self.answer = Some((schema, description));
    }

    pub fn write(&self, object: &mut Object<'_>) {
        if self.is_empty() {
            return;
        }
        object.array("tools", |array| {
            for tool in &self.tools {
                self.write_tool(array, tool);
            }
            if let Some((schema, description)) = self.answer {
                array.object(|object| {
                    object.text("name", ANSWER_TOOL).text("description", description.unwrap_or(ANSWERS));
                    object.raw("input_schema", schema);
                });
            }
        });
        let choice = self.choice.or(self.single.then_some(Choice::Auto));
        let Some(choice) = choice else { return };
        object.object("tool_choice", |object| {
            let kind = match choice {
                Choice::Auto => "auto",
                Choice::None => "none",
                Choice::Any => "any",
                Choice::One(_) => "tool",
            };
            object.text("type", kind);
            if let Choice::One(name) = choice {
                object.text("name", name);
            }
            if self.single && choice != Choice::None {
                object.value("disable_parallel_tool_use", true);
            }
        });
    }

    fn write_tool(&self, array: &mut Array<'_>, tool: &Tool<'_>) {
        let function = match &tool.kind {
            ToolKind::Hosted(foreign) => return array.raw(foreign.json),
            ToolKind::Function(function) => function,
            ToolKind::Custom { name, description, format } => {
                let description = custom::description(description.as_deref(), *format);
                return array.object(|object| {
                    object.text("name", name).text_if("description", description.as_deref());
                    object.raw("input_schema", custom::SCHEMA);
                    tool.cache.into_iter().for_each(|cache| write_cache(object, cache));
                });
            }
        };
        array.object(|object| {
            object.text("name", &function.name).text_if("description", function.description.as_ref());
            let strict = function.strict == Some(true) && self.strict;
            write_schema(object.member("input_schema"), function.schema.as_deref(), strict && !self.own);
            object.value_if("strict", strict.then_some(true));
            tool.cache.into_iter().for_each(|cache| write_cache(object, cache));
        });
    }

    fn functions(&self) -> impl Iterator<Item = &'r Function<'a>> {
        self.tools.iter().filter_map(|tool| match &tool.kind {
            ToolKind::Function(function) => Some(function),
            _ => None,
        })
    }

    /// Does the model keep to all schemas of the strict tools? They share bounds.
    fn can_be_strict(&self, model: Model) -> bool {
        let strict = || self.functions().filter(|function| function.strict == Some(true));
        if self.own {
            return true;
        }
        if !model.keeps_schemas() || strict().count() > MOST_STRICT {
            return false;
        }
        let mut sum = schema::Fitted::default();
        for function in strict() {
            let Ok(fitted) = schema::fit(function.schema.as_deref().unwrap_or(EMPTY)) else { return false };
            sum.optional += fitted.optional;
            sum.unions += fitted.unions;
            sum.is_open |= function.schema.is_some() && fitted.is_open;
            sum.is_recursive |= fitted.is_recursive;
        }
        sum.is_faithful()
    }
}

/// Every schema must say that the arguments are an object.
fn write_schema(out: &mut Vec<u8>, schema: Option<Raw<'_>>, strict: bool) {
    let Some(schema) = schema.filter(|schema| schema.starts_with('{')) else {
        return out.extend_from_slice(EMPTY.as_bytes());
    };
    if let Some(fitted) = strict.then(|| schema::fit(schema).ok()).flatten() {
        return out.extend_from_slice(&fitted.json);
    }
    if matches!(schema::type_of(schema).as_ref().map(Option::as_deref), Ok(Some("object"))) {
        return out.extend_from_slice(schema.as_bytes());
    }
    let mut object = Object::new(out);
    object.text("type", "object");
    // What could not be read has been refused with the body.
    let _ = Reader::new(schema).object(|name, value| {
        let json = value.raw()?;
        if name != "type" {
            object.raw_of(name, json);
        }
        Ok(())
    });
}

fn name_of<'r>(tool: &'r Tool<'_>) -> Option<&'r str> {
    match &tool.kind {
        ToolKind::Function(function) => Some(&function.name),
        ToolKind::Custom { name, .. } => Some(name),
        ToolKind::Hosted(_) => None,
    }
}

/// Schema of a tool that takes no arguments.
const EMPTY: &str = r#"{"type":"object","properties":{}}"#;
const ANSWERS: &str = "Gives the answer to the user. Call it once, with the whole answer.";
const MOST_STRICT: usize = 20;
