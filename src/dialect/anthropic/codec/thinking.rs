//! How hard the model is to think, and how many tokens that leaves for the answer.
//!
//! Source: Claude docs, "Thinking", "Extended thinking", "Effort"
//! (<https://platform.claude.com/docs/en/build-with-claude/thinking>).

use super::model::{Form, Model, Quiet};
use crate::dialect::DialectId;
use crate::dialect::canon::{self, Effort, Losses, Reasoning, Request};
use crate::dialect::json::Object;

/// What is said of thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub thinking: Option<Thinking>,
    pub effort: Option<&'static str>,
    visible: Option<bool>,
    pub max_tokens: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    Disabled,
    BetweenTools,
    Adaptive,
    Budget(u64),
}

/// What a request holds that goes ill with thinking.
#[derive(Clone, Copy, Debug, Default)]
pub struct Obstacles {
    /// A tool is forced.
    pub forced: bool,
    /// It is in a loop of tools and the thoughts that belong to it are not there.
    pub lacks_thoughts: bool,
    /// The model is to go on with a turn of its own.
    pub prefilled: bool,
}

impl Plan {
    pub fn new(request: &Request<'_>, model: Model, obstacles: Obstacles, losses: &mut Losses) -> Plan {
        let mut plan = Plan { thinking: None, effort: None, visible: None, max_tokens: 0 };
        if let Some(reasoning) = &request.reasoning {
            plan.ask(request, reasoning, model, obstacles, losses);
        }
        plan.max_tokens = plan.bound(request.max_tokens, model);
        plan
    }

    /// Is thinking on?
    pub fn thinks(&self, model: Model) -> bool {
        match self.thinking {
            Some(Thinking::Adaptive | Thinking::Budget(_)) => true,
            Some(Thinking::Disabled | Thinking::BetweenTools) => false,
            None => model.thinks_unasked(),
        }
    }

    pub fn write(&self, object: &mut Object<'_>) {
        let Some(thinking) = self.thinking else { return };
        object.object("thinking", |object| {
            let kind = match thinking {
                Thinking::Disabled => "disabled",
                Thinking::BetweenTools => "between_tools",
                Thinking::Adaptive => "adaptive",
                Thinking::Budget(_) => "enabled",
            };
            object.text("type", kind);
            if let Thinking::Budget(tokens) = thinking {
                object.value("budget_tokens", tokens);
            }
            let display = self.visible.map(|visible| if visible { "summarized" } else { "omitted" });
            let shows = matches!(thinking, Thinking::Adaptive | Thinking::Budget(_));
            object.text_if("display", display.filter(|_| shows));
        });
    }

    fn ask(
        &mut self,
        request: &Request<'_>,
        reasoning: &Reasoning,
        model: Model,
        obstacles: Obstacles,
        losses: &mut Losses,
    ) {
        self.visible = reasoning.visible;
        match (reasoning.thinking, reasoning.effort) {
            (Some(canon::Thinking::Off | canon::Thinking::Budget(0)), _) | (None, Some(Effort::None)) => {
                self.be_quiet(reasoning, model, losses);
            }
            // This dialect's own effort says nothing of thinking.
            (None, effort) if request.origin == DialectId::Anthropic => {
                self.effort = effort.and_then(|effort| model.effort(effort));
            }
            (None, None) => self.visible_only(model),
            _ => self.think(request, reasoning, model, obstacles, losses),
        }
    }

    fn be_quiet(&mut self, reasoning: &Reasoning, model: Model, losses: &mut Losses) {
        self.thinking = match model.quiet() {
            Quiet::Unasked => None,
            Quiet::Disabled => Some(Thinking::Disabled),
            Quiet::BetweenTools => Some(Thinking::BetweenTools),
            Quiet::Never => {
                losses.drop("reasoning");
                self.effort = model.effort(Effort::Low);
                return;
            }
        };
        let effort = reasoning.effort.filter(|effort| *effort != Effort::None);
        self.effort = effort.and_then(|effort| model.effort(effort.min(Effort::High)));
    }

    /// Thoughts are to be seen, however many there are.
    fn visible_only(&mut self, model: Model) {
        if model.thinks_unasked() {
            self.thinking = Some(Thinking::Adaptive);
        }
    }

    fn think(
        &mut self,
        request: &Request<'_>,
        reasoning: &Reasoning,
        model: Model,
        obstacles: Obstacles,
        losses: &mut Losses,
    ) {
        match model.form() {
            Form::Adaptive if obstacles.prefilled && !model.thinks_unasked() => losses.drop("reasoning"),
            Form::Adaptive => {
                self.thinking = Some(Thinking::Adaptive);
                self.effort = reasoning.effort().and_then(|effort| model.effort(effort));
            }
            Form::Budget if obstacles.forced || obstacles.lacks_thoughts || obstacles.prefilled => {
                losses.drop("reasoning");
            }
            Form::Budget => self.thinking = Some(Thinking::Budget(budget(request, reasoning))),
            Form::None => losses.drop("reasoning"),
        }
    }

    /// Most tokens of the answer, which this dialect must be told. Thinking counts.
    fn bound(&mut self, wanted: Option<u64>, model: Model) -> u64 {
        let most = model.most_tokens().unwrap_or(u64::MAX);
        let Some(Thinking::Budget(tokens)) = &mut self.thinking else {
            let room = if self.thinks(model) { ROOM_TO_THINK } else { 0 };
            return wanted.unwrap_or(DEFAULT_MAX_TOKENS + room).min(most);
        };
        let bound = match wanted {
            // The budget must be smaller.
            Some(wanted) if wanted <= *tokens => wanted.saturating_add(*tokens),
            Some(wanted) => wanted,
            None => DEFAULT_MAX_TOKENS + *tokens,
        };
        let bound = bound.min(most);
        if *tokens >= bound {
            *tokens = bound.saturating_sub(LEAST_BUDGET).max(LEAST_BUDGET);
        }
        bound
    }
}

/// Tokens to think with: what was asked for, below the bound on the answer.
fn budget(request: &Request<'_>, reasoning: &Reasoning) -> u64 {
    let wanted = reasoning.budget(None).unwrap_or(DEFAULT_BUDGET);
    let most = match (request.max_tokens, reasoning.thinking) {
        (None, _) => u64::MAX,
        (Some(bound), Some(canon::Thinking::Budget(_))) => bound.saturating_sub(1),
        // Where the caller named no number, a quarter is kept for the answer.
        (Some(bound), _) => bound - bound / 4,
    };
    wanted.min(most).max(LEAST_BUDGET)
}

/// What the provider takes at least.
const LEAST_BUDGET: u64 = 1024;
/// Where thinking is wanted and nothing is said of how much.
const DEFAULT_BUDGET: u64 = 8192;
const DEFAULT_MAX_TOKENS: u64 = 4096;
/// Added where the model thinks as much as it likes and the caller set no bound: with both, as much as may be asked for
/// without a stream.
const ROOM_TO_THINK: u64 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(model: &str, max_tokens: Option<u64>, reasoning: Reasoning) -> (Plan, Losses) {
        let mut request = Request::new(DialectId::OpenAiChat);
        (request.max_tokens, request.reasoning) = (max_tokens, Some(reasoning));
        let mut losses = Losses::default();
        (Plan::new(&request, Model::named(model), Obstacles::default(), &mut losses), losses)
    }

    fn effort(effort: Effort) -> Reasoning {
        Reasoning { effort: Some(effort), ..Reasoning::default() }
    }

    #[test]
    fn a_budget_is_never_below_the_least_nor_reaches_the_bound() {
        let table = [
            (Effort::Minimal, None, 1024, 5120),
            (Effort::Low, Some(300), 1024, 1324),
            (Effort::Low, Some(4096), 1024, 4096),
            (Effort::High, Some(4096), 3072, 4096),
            (Effort::High, None, 16_384, 20_480),
            (Effort::Max, None, 32_768, 36_864),
        ];
        for (asked, bound, budget, max_tokens) in table {
            let (plan, losses) = plan("claude-sonnet-4-5", bound, effort(asked));
            assert_eq!(plan.thinking, Some(Thinking::Budget(budget)), "{asked:?} {bound:?}");
            assert_eq!(plan.max_tokens, max_tokens, "{asked:?} {bound:?}");
            assert!(losses.is_empty());
        }
        let (plan, _) = plan("claude-opus-4-1", None, effort(Effort::Max));
        assert_eq!((plan.thinking, plan.max_tokens), (Some(Thinking::Budget(30_976)), 32_000));
    }

    #[test]
    fn newer_models_are_told_an_effort() {
        let budget = Reasoning { thinking: Some(canon::Thinking::Budget(5000)), ..Reasoning::default() };
        let (it, _) = plan("claude-opus-4-8", Some(9000), budget);
        assert_eq!((it.thinking, it.effort, it.max_tokens), (Some(Thinking::Adaptive), Some("medium"), 9000));
        let (it, _) = plan("claude-sonnet-5", None, effort(Effort::ExtraHigh));
        assert_eq!(
            (it.thinking, it.effort, it.max_tokens),
            (Some(Thinking::Adaptive), Some("xhigh"), 20_480)
        );
    }

    #[test]
    fn no_thinking_is_said_as_each_model_takes_it() {
        let table = [
            ("claude-sonnet-4-5", None, None),
            ("claude-opus-4-8", None, None),
            ("claude-sonnet-5", Some(Thinking::Disabled), None),
            ("claude-sonnet-5-5", Some(Thinking::BetweenTools), None),
            ("claude-opus-5-5", None, Some("low")),
        ];
        for (model, thinking, least) in table {
            let (plan, losses) = plan(model, None, effort(Effort::None));
            assert_eq!((plan.thinking, plan.effort), (thinking, least), "{model}");
            assert_eq!(losses.is_empty(), least.is_none(), "{model}");
        }
    }
}
