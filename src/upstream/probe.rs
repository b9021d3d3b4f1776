//! One small request that nobody but the operator wants: does a model answer?

use std::time::Duration;

use bytes::Bytes;

use super::attempt::{Answer, Ask, Budgets, Part, Trace};
use super::endpoint::{Endpoint, Endpoints};
use super::providers::Operation;
use super::transport::{Headers, Upstream};
use crate::dialect::canon::{Content, Losses, Request, Role, Turn};
use crate::dialect::codec::Manner;
use crate::dialect::{DialectId, Peek};
use crate::error::{Error, Kind, Result};
use crate::resources::Model;
use crate::resources::model::BackgroundModelCheck;

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It answered.
    Well,
    /// It answered with a status that the operator does not count.
    Ignored(u16),
    /// It did not, or not as it should; why, without words of the provider's.
    Unwell(String),
}

/// Asks `model` once, in the format its provider speaks best for a chat, and waits no longer than the check allows.
pub async fn probe<U: Upstream>(
    upstream: &U,
    endpoints: &Endpoints,
    model: &Model,
    check: &BackgroundModelCheck,
    request_id: &str,
) -> Found {
    let mut trace = Trace::default();
    let bound = Duration::from_secs(check.timeout_seconds);
    let asked =
        pingora_timeout::timeout(bound, ask(upstream, endpoints, model, check, request_id, &mut trace));
    match asked.await {
        Ok(Ok(())) => Found::Well,
        Ok(Err(error)) => unwell(check, trace.status, &error),
        Err(_) => Found::Unwell(format!("no answer within {} s", check.timeout_seconds)),
    }
}

async fn ask<U: Upstream>(
    upstream: &U,
    endpoints: &Endpoints,
    model: &Model,
    check: &BackgroundModelCheck,
    request_id: &str,
    trace: &mut Trace,
) -> Result<()> {
    let servers = endpoints.of(model)?;
    let upstream_model = model.upstream_model(None);
    let (body, peek) = question(servers.face(), &upstream_model, check)?;
    let ask = Ask {
        operation: Operation::Generate,
        dialect: DIALECT,
        body: &body,
        peek: &peek,
        alias: &model.display_name,
        headers: &Headers::default(),
        query: None,
        as_array: false,
        history: None,
        part: Part::Sole,
        request_id,
        priority: i32::MAX,
        created: 0,
        fill: &|_| None,
    };
    let bound = Some(Duration::from_secs(check.timeout_seconds));
    let budgets = Budgets {
        connect: bound,
        head: bound,
        first_frame: bound,
        gap: bound,
        hold: None,
        max_answer: LARGEST,
    };
    match servers.attempt(upstream, &upstream_model, &ask, &budgets, trace).await {
        Ok(Answer::Whole(answer)) => answer.refused.map_or(Ok(()), Err),
        // It was not asked for, and is an answer.
        Ok(Answer::Stream(_)) => Ok(()),
        Err(failure) => Err(failure.error),
    }
}

/// The operator's prompt as one message of a user.
fn question(
    endpoint: &Endpoint,
    upstream_model: &str,
    check: &BackgroundModelCheck,
) -> Result<(Bytes, Peek)> {
    let mut request = Request::new(DIALECT);
    request.turns = vec![Turn::new(Role::User, vec![Content::Text(check.prompt.as_str().into()).into()])];
    request.max_tokens = Some(check.max_tokens);
    let manner = Manner { model: upstream_model, ask_usage: false, quirks: endpoint.quirks() };
    let body = Bytes::from(DIALECT.codec().write_request(&request, &manner, &mut Losses::default())?);
    let peek = DIALECT.dialect().peek(&body)?;
    Ok((body, peek))
}

/// The kind of an error is the gateway's own word; an upstream's may quote a key.
fn unwell(check: &BackgroundModelCheck, status: Option<u16>, error: &Error) -> Found {
    match status.filter(|status| !(200..300).contains(status)) {
        Some(status) if check.ignore_statuses.contains(&status) => Found::Ignored(status),
        Some(status) => Found::Unwell(format!("status {status}")),
        None if error.kind == Kind::UpstreamUnreachable => {
            Found::Unwell("it could not be reached".to_owned())
        }
        None => Found::Unwell(error.kind.row().name.replace('_', " ")),
    }
}

/// What is asked is written in this dialect; where the provider does not speak it, it is translated as a caller's would.
const DIALECT: DialectId = DialectId::OpenAiChat;
/// Bytes of an answer.
const LARGEST: usize = 1 << 20;
