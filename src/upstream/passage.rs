//! How a request goes to a target and its answer comes back: as it is, or in another dialect.

use bytes::Bytes;

use super::attempt::{Ask, Part};
use super::endpoint::Endpoint;
use super::providers::Operation;
use crate::dialect::bridge::Translated;
use crate::dialect::canon::names::Renames;
use crate::dialect::canon::request::Member;
use crate::dialect::canon::{Losses, Request};
use crate::dialect::codec::{Manner, Outward};
use crate::dialect::ensemble::Judge;
use crate::dialect::{
    Answer, DialectId, StreamEdits, StreamPass, Usage, anthropic, bridge, embeddings, gemini, responses,
};
use crate::error::{Error, Kind, Result};

/// The way of one try.
pub struct Passage {
    /// What the target speaks.
    pub dialect: DialectId,
    /// Set when the caller speaks another dialect.
    translation: Option<Translation>,
    /// Texts are turned into vectors, in another format than OpenAI's.
    embeds: bool,
    /// What was left out on the way to the target.
    losses: Losses,
}

struct Translation {
    caller: DialectId,
    outward: Outward,
    renames: Renames,
    /// Is the conversation to be kept for the caller? See [`responses::history`].
    keeps: bool,
}

impl Passage {
    /// Chooses the way to an endpoint, and writes the body that goes along it.
    ///
    /// # Errors
    /// `BadRequest` or `Unsupported`: the target cannot do what the caller asks.
    pub fn to(endpoint: &Endpoint, upstream_model: &str, ask: &Ask<'_>) -> Result<(Passage, Bytes)> {
        let dialect = endpoint.dialect_for(ask.dialect, ask.operation, upstream_model);
        if let Part::Judge(judge) = ask.part {
            return judged(endpoint, dialect, upstream_model, ask, judge);
        }
        if ask.operation == Operation::Embed && !endpoint.embeds(dialect) {
            return Err(unsupported(dialect, "embed texts"));
        }
        if dialect == ask.dialect {
            return Ok(spliced(endpoint, dialect, upstream_model, ask));
        }
        if ask.operation == Operation::Embed {
            let body = embeddings::to_gemini(ask.body, upstream_model)?;
            let losses = Losses::default();
            return Ok((Passage { dialect, translation: None, embeds: true, losses }, body));
        }
        translated(endpoint, dialect, upstream_model, ask)
    }

    /// Do answers reach the caller in the dialect they come in?
    pub fn is_native(&self) -> bool {
        self.translation.is_none() && !self.embeds
    }

    /// What was left out on the way to the target.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Is the answer to be kept so that the caller may go on from it?
    pub fn keeps(&self) -> bool {
        self.translation.as_ref().is_some_and(|translation| translation.keeps)
    }

    /// A whole answer, for a caller who asked for `alias`.
    ///
    /// # Errors
    /// `UpstreamUnreadable`: it is none.
    pub fn answer(&self, body: &Bytes, alias: &str) -> Result<Answer> {
        match &self.translation {
            None if self.embeds => {
                let body = embeddings::from_gemini(body, alias)?;
                Ok(Answer { body, usage: Usage::default() })
            }
            None => self.dialect.dialect().splice_answer(body, alias),
            Some(it) => {
                bridge::answer(self.dialect.codec(), it.caller.codec(), body, &it.outward, &it.renames)
            }
        }
    }

    /// A whole answer told as a stream, where that is what the caller asked for and the target did not give. None where
    /// the answer is handed on as it is.
    pub fn answer_as_stream(&self, body: &Bytes, as_array: bool) -> Option<Result<Answer>> {
        let it = self.translation.as_ref()?;
        let (from, to) = (self.dialect.codec(), it.caller.codec());
        let told = bridge::answer_as_stream(from, to, body, &it.outward, &it.renames);
        Some(told.and_then(|Answer { body, usage }| {
            let body = if as_array { gemini::array::of_whole(&body)? } else { body };
            Ok(Answer { body, usage })
        }))
    }

    /// The pass of a stream.
    pub fn stream(&self, ask: &Ask<'_>) -> Box<dyn StreamPass> {
        let pass = self.events(ask);
        if ask.as_array { gemini::array::of(pass) } else { pass }
    }

    fn events(&self, ask: &Ask<'_>) -> Box<dyn StreamPass> {
        match &self.translation {
            None => {
                let edits =
                    StreamEdits { model: Some(ask.alias.to_owned()), hide_usage: !ask.peek.usage_asked };
                self.dialect.dialect().stream(edits)
            }
            Some(it) => bridge::stream(self.dialect, it.caller.codec(), &it.outward, it.renames.clone()),
        }
    }
}

/// The caller's own bytes, as far as the target takes them.
fn spliced(endpoint: &Endpoint, dialect: DialectId, model: &str, ask: &Ask<'_>) -> (Passage, Bytes) {
    let quirks = endpoint.quirks();
    let ask_usage = ask.peek.stream && !ask.peek.usage_asked && quirks.stream_options;
    let body = match quirks.anthropic_version.filter(|_| dialect == DialectId::Anthropic) {
        Some(version) => {
            let counts = ask.operation == Operation::CountTokens;
            anthropic::for_platform(ask.body, ask.peek, model, version, counts)
        }
        None => dialect.dialect().splice_request(ask.body, ask.peek, model, ask_usage),
    };
    let body = match ask.part {
        Part::Panel(tuning) => tuning.write(dialect, &body),
        _ => body,
    };
    let mut losses = Losses::default();
    let mut body = quirks.correct(dialect, body, &mut losses);
    if quirks.knows_its_own
        && let Some((stripped, lost)) = dialect.dialect().strip_foreign_state(&body, model)
    {
        losses.add(lost);
        body = stripped;
    }
    (Passage { dialect, translation: None, embeds: false, losses }, body)
}

fn translated(
    endpoint: &Endpoint,
    dialect: DialectId,
    upstream_model: &str,
    ask: &Ask<'_>,
) -> Result<(Passage, Bytes)> {
    if ask.operation == Operation::CountTokens {
        return Err(unsupported(dialect, "count tokens in this form"));
    }
    // The body was proved to be JSON, and so UTF-8, when it was peeked at.
    let body = std::str::from_utf8(ask.body).map_err(|_| Error::bad_request("the body is not UTF-8"))?;
    let manner = Manner { model: upstream_model, ask_usage: ask.peek.stream, quirks: endpoint.quirks() };
    let caller = ask.dialect;
    let mut keeps = false;
    let translated = bridge::request(caller.codec(), dialect.codec(), body, &manner, |request| {
        // Some dialects say it in the path.
        request.stream = ask.peek.stream;
        if let Part::Panel(tuning) = ask.part {
            tuning.set(request);
        }
        keeps = caller == DialectId::Responses && responses::history::is_kept(request);
        let is_thread = |member: &Member<'_>| member.name == "thread" && member.value != "null";
        if caller == DialectId::Anthropic && request.rest.iter().any(is_thread) {
            return Err(anthropic::thread_unsupported());
        }
        go_on(request, body, ask.history)
    })?;
    Ok(passage(dialect, translated, ask, keeps, Usage::default()))
}

/// The judge's own request. Its answer is written anew for the caller even in the caller's dialect: it tells what the
/// panel has consumed too.
fn judged(
    endpoint: &Endpoint,
    dialect: DialectId,
    upstream_model: &str,
    ask: &Ask<'_>,
    judge: &Judge,
) -> Result<(Passage, Bytes)> {
    let manner = Manner { model: upstream_model, ask_usage: ask.peek.stream, quirks: endpoint.quirks() };
    let request = judge.request(upstream_model, ask.peek.stream)?;
    let translated = bridge::written(request, dialect.codec(), &manner)?;
    let keeps = ask.dialect == DialectId::Responses && judge.keeps;
    Ok(passage(dialect, translated, ask, keeps, judge.spent))
}

fn passage(
    dialect: DialectId,
    translated: Translated,
    ask: &Ask<'_>,
    keeps: bool,
    spent: Usage,
) -> (Passage, Bytes) {
    let Translated { body, renames, losses, prompt_estimate } = translated;
    let outward = Outward {
        alias: ask.alias.to_owned(),
        request_id: ask.request_id.to_owned(),
        created: ask.created,
        usage_asked: ask.peek.usage_asked,
        prompt_estimate: prompt_estimate.saturating_add(spent.input.unwrap_or(0)),
        body: ask.body.clone(),
        spent,
    };
    let translation = Translation { caller: ask.dialect, outward, renames, keeps };
    (Passage { dialect, translation: Some(translation), embeds: false, losses }, body.into())
}

fn unsupported(dialect: DialectId, what: &str) -> Error {
    let provider = dialect.title();
    Error::new(
        Kind::Unsupported,
        format!("this model is served by a provider of {provider}, which cannot {what}"),
    )
}

/// Puts the conversation that a request goes on from before its own turns.
fn go_on<'a>(request: &mut Request<'a>, body: &str, history: Option<&'a str>) -> Result<()> {
    let Some(previous) = request.previous.as_deref() else { return Ok(()) };
    let stored = history.ok_or_else(|| responses::previous_not_found(previous))?;
    responses::history::prepend(request, body, stored).map_err(|wrong| {
        Error::new(Kind::Internal, "the conversation this request goes on from cannot be read").because(wrong)
    })
}
