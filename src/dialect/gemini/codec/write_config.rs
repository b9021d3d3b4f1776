//! `generationConfig`.

use super::model::Model;
use crate::dialect::canon::{Effort, Format, Losses, Reasoning, Request, Thinking};
use crate::dialect::json::Object;

pub fn write(request: &Request<'_>, model: Model, object: &mut Object<'_>, losses: &mut Losses) {
    let mut settings = Vec::new();
    write_settings(request, model, &mut Object::new(&mut settings), losses);
    if settings != b"{}" {
        object.member("generationConfig").extend_from_slice(&settings);
    }
}

fn write_settings(request: &Request<'_>, model: Model, config: &mut Object<'_>, losses: &mut Losses) {
    let sampling = &request.sampling;
    config.value_if("temperature", sampling.temperature);
    config.value_if("topP", sampling.top_p);
    config.value_if("topK", sampling.top_k);
    config.value_if("seed", sampling.seed.map(seed));
    // Models without penalties refuse them, and none at all is what 0 means.
    config.value_if("presencePenalty", sampling.presence_penalty.filter(|penalty| *penalty != 0.0));
    config.value_if("frequencyPenalty", sampling.frequency_penalty.filter(|penalty| *penalty != 0.0));
    config.value_if("maxOutputTokens", request.max_tokens);
    config.value_if("candidateCount", request.choices);
    if !request.stop.is_empty() {
        config.array("stopSequences", |list| {
            request.stop.iter().take(MOST_STOPS).for_each(|text| list.text(text));
        });
    }
    if request.stop.len() > MOST_STOPS {
        losses.drop("stop");
    }
    if let Some(alternatives) = request.logprobs {
        config.value("responseLogprobs", true);
        config.value_if("logprobs", Some(alternatives).filter(|count| *count > 0));
    }
    write_format(request.format.as_ref(), config);
    if let Some(reasoning) = &request.reasoning {
        write_thinking(reasoning, model, config, losses);
    }
}

fn write_format(format: Option<&Format<'_>>, config: &mut Object<'_>) {
    if format.is_some() {
        config.text("responseMimeType", "application/json");
    }
    if let Some(Format::Schema { schema, .. }) = format {
        config.raw("responseJsonSchema", schema);
    }
}

/// A level from Gemini 3 on, a number of tokens before; Gemini 2.0 and older do not think.
fn write_thinking(reasoning: &Reasoning, model: Model, config: &mut Object<'_>, losses: &mut Losses) {
    if model.is_before(25) {
        return losses.drop("reasoning");
    }
    let mut thinking = Vec::new();
    {
        let mut object = Object::new(&mut thinking);
        if model.is_from(30) {
            object.text_if("thinkingLevel", reasoning.effort().map(|effort| level(effort, model)));
        } else {
            object.value_if("thinkingBudget", budget(reasoning, model));
        }
        object.value_if("includeThoughts", reasoning.visible);
    }
    if thinking != b"{}" {
        config.member("thinkingConfig").extend_from_slice(&thinking);
    }
}

/// The nearest level the model has: Pro models have no `MINIMAL`, and the first of them no `MEDIUM`.
fn level(effort: Effort, model: Model) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal if !model.pro => "MINIMAL",
        Effort::None | Effort::Minimal | Effort::Low => "LOW",
        Effort::Medium if !model.pro || model.is_from(31) => "MEDIUM",
        Effort::Medium | Effort::High | Effort::ExtraHigh | Effort::Max => "HIGH",
    }
}

/// The number of tokens, within what the model takes. Pro models always think a little.
fn budget(reasoning: &Reasoning, model: Model) -> Option<i64> {
    let (least, most) = match (model.pro, model.lite) {
        (true, _) => (128, 32_768),
        (_, true) => (512, 24_576),
        _ => (1, 24_576),
    };
    match reasoning.budget(Some(most)) {
        Some(0) if !model.pro => Some(0),
        Some(tokens) => i64::try_from(tokens.max(least)).ok(),
        None => (reasoning.thinking == Some(Thinking::Adaptive)).then_some(-1),
    }
}

/// Seeds have 32 bits here. Equal seeds stay equal.
fn seed(seed: i64) -> i64 {
    i64::from(i32::try_from(seed).unwrap_or((seed ^ (seed >> 32)) as i32))
}

/// Texts that may end an answer.
const MOST_STOPS: usize = 5;
