//! How the model is told to think: a budget or a word, each vendor in its own place.

use super::model::{Model, Thinks};
use super::tools::{Choice, Plan};
use crate::dialect::canon::{Content, Effort, Losses, Maker, Reasoning, Request, Role, Thinking};
use crate::dialect::json::Object;

/// What is written of the caller's wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thought {
    pub said: Said,
    /// `outputConfig.effort`.
    pub effort: Option<&'static str>,
    /// The thoughts are wanted in the answer.
    pub shown: bool,
}

/// Vendors' members, ready to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Said {
    #[default]
    Nothing,
    Off,
    Budget(u64),
    Adaptive,
    /// Nova's `maxReasoningEffort`.
    ReasoningConfig(&'static str),
    ReasoningEffort(&'static str),
    Reasoning(&'static str),
    Word(&'static str),
}

impl Thought {
    pub fn new(request: &Request<'_>, model: &Model<'_>, plan: &Plan<'_>, losses: &mut Losses) -> Self {
        let Some(wish) = request.reasoning else { return Thought::default() };
        let off = match wish.thinking {
            Some(thinking) => thinking == Thinking::Off,
            None => wish.effort == Some(Effort::None),
        };
        let said = |said| Thought { said, ..Thought::default() };
        match model.thinks() {
            // Most of these do not think unless they are asked to.
            Thinks::Never | Thinks::Budget | Thinks::ReasoningConfig | Thinks::Word if off => {
                Thought::default()
            }
            Thinks::Never => {
                losses.drop("reasoning");
                Thought::default()
            }
            Thinks::Budget => budget(&wish, request, model, plan, losses),
            Thinks::Adaptive => adaptive(&wish, off, model, plan, losses),
            Thinks::ReasoningConfig => said(Said::ReasoningConfig(nova_effort(&wish, request.max_tokens))),
            Thinks::ReasoningEffort => said(Said::ReasoningEffort(three(wish.effort()))),
            Thinks::Reasoning => said(Said::Reasoning(match wish.effort() {
                Some(Effort::Max) => "xhigh",
                effort => effort.unwrap_or(Effort::Medium).name(),
            })),
            Thinks::Word => said(Said::Word(three(wish.effort()))),
        }
    }

    /// Claude thinks; then it refuses what else would steer it.
    pub fn is_claudes(&self) -> bool {
        matches!(self.said, Said::Budget(_) | Said::Adaptive)
    }

    /// Nova refuses temperature and the like at its highest effort.
    pub fn is_novas_highest(&self) -> bool {
        self.said == Said::ReasoningConfig("high")
    }

    /// Writes the members of `additionalModelRequestFields`.
    pub fn write(&self, fields: &mut Object<'_>) {
        match self.said {
            Said::Nothing => {}
            Said::Off => {
                fields.object("thinking", |thinking| {
                    thinking.text("type", "disabled");
                });
            }
            Said::Budget(tokens) => {
                fields.object("thinking", |thinking| {
                    thinking.text("type", "enabled").value("budget_tokens", tokens);
                });
            }
            Said::Adaptive => {
                fields.object("thinking", |thinking| {
                    thinking.text("type", "adaptive");
                    thinking.text_if("display", self.shown.then_some("summarized"));
                });
            }
            Said::ReasoningConfig(effort) => {
                fields.object("reasoningConfig", |config| {
                    config.text("type", "enabled").text("maxReasoningEffort", effort);
                });
            }
            Said::ReasoningEffort(effort) => {
                fields.text("reasoning_effort", effort);
            }
            Said::Reasoning(effort) => {
                fields.object("reasoning", |reasoning| {
                    reasoning.text("effort", effort);
                });
            }
            Said::Word(effort) => {
                fields.text("reasoning_config", effort);
            }
        }
    }
}

/// Claude up to 4.5: a budget of at least 1,024 tokens and below the answer's bound. With thinking it takes no forced
/// choice of a tool, and wants the signed thoughts of a loop of calls that goes on.
fn budget(
    wish: &Reasoning,
    request: &Request<'_>,
    model: &Model<'_>,
    plan: &Plan<'_>,
    losses: &mut Losses,
) -> Thought {
    let effort = wish.effort.filter(|_| model.takes_effort()).map(|effort| claude_effort(effort, model));
    let most = request.max_tokens.map_or(u64::MAX, |most| most.saturating_sub(1));
    let tokens = wish.budget(None).unwrap_or(DEFAULT_BUDGET).max(LEAST_BUDGET).min(most);
    if tokens < LEAST_BUDGET || plan.choice != Choice::Free || goes_on_unsigned(request) {
        losses.drop("reasoning");
        return Thought { effort, ..Thought::default() };
    }
    Thought { said: Said::Budget(tokens), effort, shown: false }
}

/// Claude from 4.6 on: it thinks as much as it finds right, more or less by a word.
fn adaptive(wish: &Reasoning, off: bool, model: &Model<'_>, plan: &Plan<'_>, losses: &mut Losses) -> Thought {
    if off {
        let said = if model.always_thinks() { Said::Nothing } else { Said::Off };
        return Thought { said, effort: model.always_thinks().then_some("low"), shown: false };
    }
    let effort = wish.effort().map(|effort| claude_effort(effort, model));
    if plan.choice != Choice::Free {
        losses.drop("reasoning");
        return Thought::default();
    }
    Thought { said: Said::Adaptive, effort, shown: wish.visible == Some(true) }
}

fn claude_effort(effort: Effort, model: &Model<'_>) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal => "low",
        Effort::ExtraHigh | Effort::Max if !model.takes_highest_effort() => "high",
        effort => effort.name(),
    }
}

/// At its highest effort Nova takes no bound on the answer; the bound counts more.
fn nova_effort(wish: &Reasoning, max_tokens: Option<u64>) -> &'static str {
    match three(wish.effort()) {
        "high" if max_tokens.is_some() => "medium",
        effort => effort,
    }
}

fn three(effort: Option<Effort>) -> &'static str {
    match effort {
        Some(Effort::None | Effort::Minimal | Effort::Low) => "low",
        Some(Effort::Medium) | None => "medium",
        Some(Effort::High | Effort::ExtraHigh | Effort::Max) => "high",
    }
}

/// Is the last thing said the result of a call before which no signed thought stands?
fn goes_on_unsigned(request: &Request<'_>) -> bool {
    let result = |content: &Content<'_>| matches!(content, Content::ToolResult(_));
    let mut turns = request.turns.iter().rev().peekable();
    let mut results = false;
    while let Some(turn) = turns.next_if(|turn| turn.role != Role::Assistant) {
        results |= turn.parts.iter().any(|part| result(&part.content));
    }
    let signed = |content: &Content<'_>| match content {
        Content::Thought(thought) => thought.seal.as_ref().is_some_and(|seal| seal.maker == Maker::Claude),
        _ => false,
    };
    let mut assistant = turns.take_while(|turn| turn.role == Role::Assistant).flat_map(|turn| &turn.parts);
    results && !assistant.any(|part| signed(&part.content))
}

const LEAST_BUDGET: u64 = 1024;
/// Where the caller leaves it to the model. Tokens.
const DEFAULT_BUDGET: u64 = 4096;
