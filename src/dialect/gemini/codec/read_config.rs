//! `generationConfig`.

use std::borrow::Cow;

use super::parts::each;
use super::read_request::rest;
use super::schema;
use crate::dialect::canon::{Effort, Format, Member, Reasoning, Request, Sampling, Thinking};
use crate::dialect::json::{Raw, Read, Reader, Wrong};

/// The settings, in the canonical form but for the form of the answer, which three of them make together.
#[derive(Default)]
pub struct Config<'a> {
    sampling: Sampling,
    max_tokens: Option<u64>,
    choices: Option<u64>,
    stop: Vec<Cow<'a, str>>,
    wants_logprobs: bool,
    logprobs: Option<u64>,
    reasoning: Option<Reasoning>,
    media_type: Option<Cow<'a, str>>,
    /// OpenAPI's kind of schema.
    schema: Option<Raw<'a>>,
    json_schema: Option<Raw<'a>>,
    format: Option<Format<'a>>,
}

impl<'a> Config<'a> {
    pub fn read(value: &mut Reader<'a>, other: &mut Vec<Member<'a>>) -> Read<Config<'a>> {
        let mut config = Config::default();
        value.object(|name, value| config.member(name, value, other))?;
        config.format = config.form(other)?;
        Ok(config)
    }

    pub fn fill(self, request: &mut Request<'a>) {
        request.sampling = self.sampling;
        request.max_tokens = self.max_tokens;
        request.choices = self.choices;
        request.stop = self.stop;
        request.logprobs = self.wants_logprobs.then_some(self.logprobs.unwrap_or(0));
        request.reasoning = self.reasoning;
        request.format = self.format;
    }

    fn member(&mut self, name: &str, value: &mut Reader<'a>, other: &mut Vec<Member<'a>>) -> Read<()> {
        let sampling = &mut self.sampling;
        match name {
            "temperature" => sampling.temperature = value.maybe(Reader::number)?,
            "topP" | "top_p" => sampling.top_p = value.maybe(Reader::number)?,
            "topK" | "top_k" => sampling.top_k = value.maybe(Reader::count)?,
            "seed" => sampling.seed = value.maybe(Reader::whole)?,
            "presencePenalty" | "presence_penalty" => {
                sampling.presence_penalty = value.maybe(Reader::number)?;
            }
            "frequencyPenalty" | "frequency_penalty" => {
                sampling.frequency_penalty = value.maybe(Reader::number)?;
            }
            "maxOutputTokens" | "max_output_tokens" => self.max_tokens = value.maybe(Reader::count)?,
            "candidateCount" | "candidate_count" => self.choices = value.maybe(Reader::count)?,
            "stopSequences" | "stop_sequences" => {
                each(value, |text| text.text().map(|text| self.stop.push(text)))?;
            }
            "responseLogprobs" | "response_logprobs" => {
                self.wants_logprobs = value.maybe(Reader::flag)?.unwrap_or(false);
            }
            "logprobs" => self.logprobs = value.maybe(Reader::count)?,
            "responseMimeType" | "response_mime_type" => self.media_type = value.maybe(Reader::text)?,
            "responseSchema" | "response_schema" => self.schema = value.maybe(Reader::raw)?,
            "responseJsonSchema" | "response_json_schema" | "_responseJsonSchema" => {
                self.json_schema = value.maybe(Reader::raw)?;
            }
            "thinkingConfig" | "thinking_config" => {
                self.reasoning = value.maybe(|value| reasoning(value, other))?;
            }
            "responseModalities" | "response_modalities" => modalities(name, value, other)?,
            _ => rest(other, name, value.raw()?),
        }
        Ok(())
    }

    /// JSON as the media type, and a schema of either kind. A text that is one word of a list has no other form.
    fn form(&mut self, other: &mut Vec<Member<'a>>) -> Read<Option<Format<'a>>> {
        let media_type = self.media_type.take();
        let schema = match (self.json_schema, self.schema) {
            (Some(schema), _) => Some(Cow::Borrowed(schema)),
            (None, Some(schema)) => {
                Some(schema::to_json_schema(schema).map_err(|it| it.within("responseSchema"))?)
            }
            (None, None) => None,
        };
        Ok(match (media_type.as_deref(), schema) {
            (None | Some("" | "application/json"), Some(schema)) => {
                Some(Format::Schema { name: None, description: None, schema, strict: None })
            }
            (Some("application/json"), None) => Some(Format::Json),
            (None | Some("" | "text/plain"), None) => None,
            _ => {
                rest(other, "responseMimeType", "null");
                None
            }
        })
    }
}

/// Text alone is what everybody answers.
fn modalities<'a>(name: &str, value: &mut Reader<'a>, other: &mut Vec<Member<'a>>) -> Read<()> {
    let json = value.clone().raw()?;
    let mut plain = true;
    each(value, |modality| {
        plain &= modality.text_if()?.is_some_and(|modality| modality.eq_ignore_ascii_case("TEXT"));
        Ok(())
    })?;
    if !plain {
        rest(other, name, json);
    }
    Ok(())
}

fn reasoning<'a>(value: &mut Reader<'a>, other: &mut Vec<Member<'a>>) -> Read<Reasoning> {
    let mut reasoning = Reasoning::default();
    value.object(|name, value| {
        match name {
            "includeThoughts" | "include_thoughts" => reasoning.visible = value.maybe(Reader::flag)?,
            "thinkingBudget" | "thinking_budget" => {
                reasoning.thinking = value.maybe(Reader::whole)?.map(|tokens| match tokens {
                    0 => Thinking::Off,
                    tokens => u64::try_from(tokens).map_or(Thinking::Adaptive, Thinking::Budget),
                });
            }
            "thinkingLevel" | "thinking_level" => reasoning.effort = value.maybe(level)?.flatten(),
            _ => rest(other, name, value.raw()?),
        }
        Ok(())
    })?;
    Ok(reasoning)
}

fn level(value: &mut Reader<'_>) -> Read<Option<Effort>> {
    match value.text()?.to_ascii_uppercase().as_str() {
        "MINIMAL" => Ok(Some(Effort::Minimal)),
        "LOW" => Ok(Some(Effort::Low)),
        "MEDIUM" => Ok(Some(Effort::Medium)),
        "HIGH" => Ok(Some(Effort::High)),
        "" | "THINKING_LEVEL_UNSPECIFIED" => Ok(None),
        _ => Err(Wrong::new("must be MINIMAL, LOW, MEDIUM or HIGH")),
    }
}
