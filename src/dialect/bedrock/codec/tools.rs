//! Tools, and which of them is to be called; and the form of the answer, which some models are held to by a tool.

use super::ANSWER_TOOL;
use super::model::{Model, Publisher};
use super::write_blocks::Blocks;
use crate::dialect::DialectId;
use crate::dialect::canon::{Content, Format, Function, Losses, Request, Tool, ToolChoice, ToolKind};
use crate::dialect::json::{Array, Object, Raw};
use crate::dialect::skim;

/// What is written of the tools of a request.
#[derive(Debug)]
pub struct Plan<'r> {
    /// The caller's tools that the model may call.
    tools: Vec<&'r Tool<'r>>,
    /// Names that stand in the conversation, where no tool would be declared otherwise.
    called: Vec<&'r str>,
    pub choice: Choice<'r>,
    pub form: Form<'r>,
    /// Is at most one tool to be called at once?
    pub one_at_a_time: bool,
}

/// Which tool is to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<'r> {
    Free,
    Any,
    One(&'r str),
}

/// How the model is held to the form of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'r> {
    Free,
    /// By Bedrock.
    Schema {
        name: Option<&'r str>,
        description: Option<&'r str>,
        schema: Raw<'r>,
    },
    /// By a tool whose arguments are the answer.
    Tool {
        description: Option<&'r str>,
        schema: Raw<'r>,
    },
    /// By being told.
    Words(Option<Raw<'r>>),
}

impl<'r> Plan<'r> {
    pub fn new(request: &'r Request<'r>, model: &Model<'_>, losses: &mut Losses) -> Self {
        let mut plan = Plan {
            tools: request.tools.iter().collect(),
            called: Vec::new(),
            choice: Choice::Free,
            form: form(request, model),
            one_at_a_time: request.parallel_tools == Some(false),
        };
        plan.choose(request, losses);
        if let Form::Tool { .. } = plan.form {
            plan.choice = if plan.tools.is_empty() { Choice::One(ANSWER_TOOL) } else { Choice::Any };
        }
        plan.fit_choice(model, losses);
        if plan.tools.is_empty() && !matches!(plan.form, Form::Tool { .. }) {
            plan.called = called(request);
        }
        if plan.one_at_a_time && model.publisher != Publisher::Claude {
            losses.drop("parallel_tool_calls");
            plan.one_at_a_time = false;
        }
        plan
    }

    /// The caller's choice. Bedrock has no word for none: the tools are left out.
    fn choose(&mut self, request: &'r Request<'r>, losses: &mut Losses) {
        self.choice = match &request.tool_choice {
            None | Some(ToolChoice::Auto) => Choice::Free,
            Some(ToolChoice::None) => {
                if has_calls(request) && !self.tools.is_empty() {
                    losses.drop("tool_choice_none");
                } else {
                    self.tools.clear();
                }
                Choice::Free
            }
            Some(ToolChoice::Any) => Choice::Any,
            Some(ToolChoice::One(name)) => Choice::One(name),
            Some(ToolChoice::Among { names, must }) => {
                self.tools
                    .retain(|tool| tool_name(tool).is_none_or(|name| names.iter().any(|one| one == name)));
                if *must { Choice::Any } else { Choice::Free }
            }
        };
        if self.tools.is_empty() {
            self.choice = Choice::Free;
        }
    }

    /// What the model does not understand is said in another way, or not at all.
    fn fit_choice(&mut self, model: &Model<'_>, losses: &mut Losses) {
        let answer = matches!(self.form, Form::Tool { .. });
        if let Choice::One(name) = self.choice
            && !model.takes_one_tool()
        {
            self.choice = Choice::Any;
            self.tools.retain(|tool| tool_name(tool).is_none_or(|tool| tool == name));
            if !model.takes_any_tool() && !answer {
                losses.drop("tool_choice_one");
            }
        } else if self.choice == Choice::Any && !model.takes_any_tool() && !answer {
            losses.drop("tool_choice_any");
        }
        if self.choice == Choice::Any && !model.takes_any_tool() {
            self.choice = Choice::Free;
        }
    }

    /// Writes `toolConfig`. Bedrock demands it where the conversation holds calls, whether or not there are tools.
    pub fn write(&self, origin: DialectId, blocks: &mut Blocks<'_>, object: &mut Object<'_>) {
        let answer = match self.form {
            Form::Tool { description, schema } => Some((description, schema)),
            _ => None,
        };
        if self.tools.is_empty() && self.called.is_empty() && answer.is_none() {
            return;
        }
        object.object("toolConfig", |config| {
            config.array("tools", |out| {
                for tool in &self.tools {
                    write_tool(tool, origin, blocks, out);
                }
                for name in &self.called {
                    write_spec(&Function { name: (*name).into(), ..Function::default() }, false, out);
                }
                if let Some((description, schema)) = answer {
                    let description = Some(description.unwrap_or(ANSWER_DESCRIPTION).into());
                    let schema = Some(schema.into());
                    let function = Function { name: ANSWER_TOOL.into(), description, schema, strict: None };
                    write_spec(&function, false, out);
                }
            });
            self.write_choice(config);
        });
    }

    fn write_choice(&self, config: &mut Object<'_>) {
        // Claude's own member says both: see `super::fields`.
        if self.one_at_a_time {
            return;
        }
        match self.choice {
            Choice::Free => {}
            Choice::Any => {
                config.object("toolChoice", |choice| {
                    choice.object("any", |_| {});
                });
            }
            Choice::One(name) => {
                config.object("toolChoice", |choice| {
                    choice.object("tool", |tool| {
                        tool.text("name", name);
                    });
                });
            }
        }
    }

    /// Is there a tool to call?
    pub fn has_tools(&self) -> bool {
        !self.tools.is_empty() || matches!(self.form, Form::Tool { .. })
    }
}

/// How the model is to be held to the form the caller wants. Where a certain tool must be called, there is no answer to
/// be formed.
fn form<'r>(request: &'r Request<'r>, model: &Model<'_>) -> Form<'r> {
    let Some(format) = &request.format else { return Form::Free };
    let Format::Schema { name, description, schema, strict } = format else { return Form::Words(None) };
    if matches!(request.tool_choice, Some(ToolChoice::One(_))) && !request.tools.is_empty() {
        return Form::Free;
    }
    let description = description.as_deref().filter(|text| !text.is_empty());
    // Bedrock takes closed objects alone.
    let closed =
        *strict == Some(true) || schema.contains("\"additionalProperties\"") || !model.takes_any_tool();
    if model.constrains() && closed {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let name = name.as_deref().filter(|name| (1..=64).contains(&name.len()) && name.bytes().all(plain));
        return Form::Schema { name, description, schema };
    }
    let object = skim::string(schema.as_bytes(), &["type"]).is_some_and(|kind| kind == "object");
    if object && model.takes_any_tool() {
        Form::Tool { description, schema }
    } else {
        Form::Words(Some(schema))
    }
}

fn write_tool(tool: &Tool<'_>, origin: DialectId, blocks: &mut Blocks<'_>, out: &mut Array<'_>) {
    match &tool.kind {
        ToolKind::Function(function) => {
            let strict = function.strict == Some(true);
            if strict && !blocks.model.constrains() {
                blocks.losses.drop("strict");
            }
            write_spec(function, strict && blocks.model.constrains(), out);
        }
        ToolKind::Hosted(foreign) if origin == DialectId::Bedrock => out.raw(foreign.json),
        ToolKind::Hosted(_) | ToolKind::Custom { .. } => return,
    }
    if tool.cache.is_some() && !blocks.model.caches_tools() {
        return blocks.losses.drop("cache_control");
    }
    blocks.write_cache(tool.cache, out);
}

fn write_spec(function: &Function<'_>, strict: bool, out: &mut Array<'_>) {
    out.object(|tool| {
        tool.object("toolSpec", |spec| {
            spec.text("name", &function.name);
            spec.text_if("description", function.description.as_ref().filter(|text| !text.is_empty()));
            spec.object("inputSchema", |schema| {
                schema.raw(
                    "json",
                    function.schema.as_deref().unwrap_or(r#"{"type":"object","properties":{}}"#),
                );
            });
            spec.value_if("strict", strict.then_some(true));
        });
    });
}

fn tool_name<'t>(tool: &'t Tool<'_>) -> Option<&'t str> {
    match &tool.kind {
        ToolKind::Function(function) => Some(&function.name),
        ToolKind::Custom { name, .. } => Some(name),
        ToolKind::Hosted(_) => None,
    }
}

fn has_calls(request: &Request<'_>) -> bool {
    let mut parts = request.turns.iter().flat_map(|turn| &turn.parts);
    parts.any(|part| matches!(part.content, Content::ToolCall(_) | Content::ToolResult(_)))
}

/// The names of the tools that the conversation says were called, each once.
fn called<'r>(request: &'r Request<'r>) -> Vec<&'r str> {
    let mut names: Vec<&str> = Vec::new();
    let mut note = |name: &'r str| {
        if !names.contains(&name) && names.len() < MOST_CALLED {
            names.push(name);
        }
    };
    for part in request.turns.iter().flat_map(|turn| &turn.parts) {
        match &part.content {
            Content::ToolCall(call) => note(&call.name),
            Content::ToolResult(result) => note(result.name.as_deref().unwrap_or("tool")),
            _ => {}
        }
    }
    if names.len() > 1 {
        names.retain(|name| *name != "tool");
    }
    names
}

/// What the model reads of the tool that stands for the answer.
const ANSWER_DESCRIPTION: &str = "Gives the final answer. The arguments are the answer.";
/// One would do; a hostile conversation has many.
const MOST_CALLED: usize = 64;
