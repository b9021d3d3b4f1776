//! One request, one function: the stages in the order in which a request meets them. The file to read first.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt;

use super::asker::{Asker, Matter, attended};
use super::course::{self, Course};
use super::downstream::Downstream;
use super::ensemble::{self, Panel};
use super::exchange::Exchange;
use super::inquiry::{Inquiry, stored};
use super::node::{InFlight, Node};
use super::routes::{Action, Found};
use super::settle::Settling;
use super::{answer, body, client, explain, models, relay, semantic};
use crate::dialect::{DialectId, Peek, responses, skim};
use crate::error::{Error, Kind, Result};
use crate::life::Probe;
use crate::policy::auth::{self, Caller, Credentials};
use crate::policy::{access, cache, guardrails, limits};
use crate::routing::{self, Plan, Requested};
use crate::upstream::transport::Upstream;
use crate::upstream::{self, Answer, Operation, Part, headers};

/// Serves one request to its end, whatever happens, and settles it exactly once.
pub async fn serve<D: Downstream, U: Upstream>(node: &Node<U>, down: &mut D) {
    let _in_flight = InFlight::enter(&node.life, &node.telemetry.metrics);
    let mut settling = Settling::new(node, Exchange::begin(node, down));
    let x = settling.exchange();
    let walked = AssertUnwindSafe(walk(node, down, x)).catch_unwind().await;
    match walked {
        Ok(Ok(())) => {}
        Ok(Err(error)) => failed(node, down, x, error).await,
        Err(_) => {
            node.telemetry.metrics.panicked();
            failed(node, down, x, defect()).await;
        }
    }
    x.drained = Some(down.drain().await);
    settling.settle();
}

fn defect() -> Error {
    Error::new(Kind::Internal, "the gateway failed to serve this request; the operator's log says why")
}

/// Before the head an error is an answer; after it the only honest end is a broken one.
async fn failed<D: Downstream, U: Upstream>(node: &Node<U>, down: &mut D, x: &mut Exchange, error: Error) {
    if x.head_sent {
        x.fail(error);
        down.abort().await;
    } else {
        answer::refuse(node, down, x, error).await;
    }
}

async fn walk<D: Downstream, U: Upstream>(node: &Node<U>, down: &mut D, x: &mut Exchange) -> Result<()> {
    if node.life.is_draining() {
        down.close_after();
    }
    let action = match &x.found {
        Found::Route(route) => route.action,
        Found::WrongMethod(_) => {
            return Err(Error::new(Kind::WrongMethod, "this path does not take that method"));
        }
        Found::Unknown => return Err(Error::new(Kind::UnknownRoute, "there is nothing at this path")),
    };
    match action {
        Action::Banner => {
            answer::local(down, x, 200, TEXT, concat!("AISIX ", env!("CARGO_PKG_VERSION"), "\n")).await
        }
        Action::Livez => probe(node, down, x, Probe::Livez).await,
        Action::Readyz => probe(node, down, x, Probe::Readyz).await,
        Action::Models => list_models(node, down, x).await,
        Action::Exchange(operation) => exchange(node, down, x, operation).await,
    }
}

/// The walk itself. Each stage's output is the next one's input.
async fn exchange<D: Downstream, U: Upstream>(
    node: &Node<U>,
    down: &mut D,
    x: &mut Exchange,
    operation: Operation,
) -> Result<()> {
    body::check_declared(&node.settings, down)?;
    let caller = identify(down, x)?;
    let body = body::read(&node.settings, down, x).await?;
    let peek = peek(x, &body)?;
    let requested = resolve(x, &peek)?;
    let address = client::address(&node.settings, down);
    access::permit(&caller, &requested, address)?;
    let inquiry = Inquiry::new(down, x, &caller, address, operation, &body);
    let (plan, course) = course::set(&x.world, &requested, &inquiry, (operation, x.envelope, &body))?;
    let beginning = plan.decision.as_ref().and_then(|_| inquiry.beginning());
    x.decision = plan.decision.clone();
    x.tries.of(&plan, peek.stream);
    x.hold = Some(limits::reserve(&caller, &plan)?);
    guardrails::inspect(&caller, &plan.requested, &body)?;
    if let Some(hit) = cache::recall(&caller, &plan.requested, &body) {
        return answer::local(down, x, 200, JSON, hit.body).await;
    }
    if x.envelope == DialectId::Responses {
        x.history = recall_history(node, &caller, &body);
    }
    let matter = Matter { operation, dialect: x.envelope, body: &body, peek: &peek, part: Part::Sole };
    let answered = match course {
        Course::Targets => dispatch(node, down, x, &caller, &plan, matter).await,
        Course::Panel(panel) => Box::pin(ensemble(node, down, x, &caller, &panel, matter)).await,
        Course::Meaning => Box::pin(semantic(node, down, x, &caller, &requested, matter)).await,
    };
    if let (Ok(answer), Some(target), true) = (&answered, x.tries.target(), x.decision.is_some()) {
        let (board, now) = (&x.world.board, Instant::now());
        if let Some(beginning) = beginning {
            board.remember(&requested, beginning.hash, target, now);
        }
        if let Some(id) = answer.id().filter(|_| x.envelope == DialectId::Responses) {
            board.bind(&requested, stored(&caller, &id), target, now);
        }
    }
    x.tells_losses = !x.tries.losses().is_empty() && down.header(answer::DROPPED_FIELDS).is_some();
    match answered? {
        Answer::Whole(whole) => {
            if whole.keeps {
                let told = std::str::from_utf8(&whole.body).unwrap_or_default();
                keep(node, x, &caller, &body, responses::history::output(told));
            }
            answer::upstream(down, x, *whole).await
        }
        Answer::Stream(stream) => {
            if let Some(output) = relay::stream(node, down, x, *stream).await {
                keep(node, x, &caller, &body, &output);
            }
            Ok(())
        }
    }
}

/// Keeps a conversation that its provider does not keep, up to and with this answer.
fn keep<U>(node: &Node<U>, x: &Exchange, caller: &Caller, body: &Bytes, output: &str) {
    let request = std::str::from_utf8(body).unwrap_or_default();
    let items = responses::history::items(x.history.as_deref(), request, output);
    node.history.put(&caller.key.id, &responses::answer_id(&x.id), items.into());
}

/// The conversation a request goes on from, if it is kept here.
fn recall_history<U>(node: &Node<U>, caller: &Caller, body: &Bytes) -> Option<Arc<str>> {
    let previous = skim::string(body, &["previous_response_id"])?;
    node.history.get(&caller.key.id, &previous)
}

fn identify<D: Downstream>(down: &D, x: &mut Exchange) -> Result<Caller> {
    let authorizations = down.header_values("authorization");
    let authorization = authorizations.first().copied();
    let x_api_key = down.header("x-api-key").or_else(|| match x.envelope {
        // Google's clients know no other header, or write the key into the query.
        DialectId::Gemini => down.header("x-goog-api-key").or_else(|| key_in_query(down.query())),
        _ => None,
    });
    let credentials = Credentials { authorization, x_api_key };
    let missing = authorization.is_none() && x_api_key.is_none();
    let identified = match authorizations.len() {
        0 | 1 => auth::identify(&x.world.snapshot, credentials, SystemTime::now),
        _ => {
            Err(Error::new(Kind::Unauthenticated, "the request has several Authorization headers; send one"))
        }
    };
    x.auth = Some(match &identified {
        Ok(_) => ("allowed", "none"),
        Err(error) => match error.code.as_deref() {
            Some("api_key_expired") => ("denied", "key_expired"),
            Some("api_key_disabled") => ("denied", "key_disabled"),
            _ if missing => ("denied", "missing_credentials"),
            _ => ("denied", "unknown_key"),
        },
    });
    x.caller = identified.as_ref().ok().cloned();
    x.explains = x.caller.as_ref().is_some_and(|caller| caller.key.allow_explain)
        && down.header(explain::EXPLAIN) == Some(b"1");
    identified
}

fn key_in_query(query: Option<&str>) -> Option<&[u8]> {
    query?.split('&').find_map(|pair| pair.strip_prefix("key=")).map(str::as_bytes)
}

/// What the body says, and the path where that names the model.
fn peek(x: &mut Exchange, body: &Bytes) -> Result<Peek> {
    let mut peek = x.envelope.dialect().peek(body)?;
    if let Some((model, stream)) = x.named_in_path.take() {
        peek.model = model;
        peek.stream = stream;
    }
    Ok(peek)
}

fn resolve(x: &mut Exchange, peek: &Peek) -> Result<Requested> {
    x.stream = peek.stream;
    let alias: Arc<str> = peek.model.as_str().into();
    x.alias = Some(Arc::clone(&alias));
    let requested = routing::resolve(&x.world.snapshot, &alias)?;
    x.model = Some(requested.model.clone());
    Ok(requested)
}

/// Asks the plan's targets, for as long as the caller is there.
async fn dispatch<D: Downstream, U: Upstream>(
    node: &Node<U>,
    down: &mut D,
    x: &mut Exchange,
    caller: &Caller,
    plan: &Plan,
    matter: Matter<'_>,
) -> Result<Answer<U::Call>> {
    let left = left(node, x);
    let (origin, tries, _) = x.parts();
    let asker = Asker::new(origin, down, caller, &plan.requested.alias, headers::forwards);
    let fill = |name: &str| asker.value(plan, name);
    let ask = asker.ask(matter, &fill);
    let (endpoints, policy) = (&origin.world.endpoints, &node.settings.policy);
    let asking = upstream::dispatch(&node.upstream, endpoints, plan, &ask, policy, tries);
    let answered = attended(down, node.settings.total, left, asking).await?;
    answered.map_err(|failure| {
        x.hints = *failure.hints;
        failure.error
    })
}

/// Asks a panel and its judge, for as long as the caller is there.
async fn ensemble<D: Downstream, U: Upstream>(
    node: &Node<U>,
    down: &mut D,
    x: &mut Exchange,
    caller: &Caller,
    panel: &Panel,
    matter: Matter<'_>,
) -> Result<Answer<U::Call>> {
    let alias = x.alias.clone().unwrap_or_default();
    let left = left(node, x);
    let (origin, tries, usage) = x.parts();
    let asker = Asker::new(origin, down, caller, &alias, headers::forwards_to_several);
    let answering = ensemble::answer(node, panel, &asker, matter, tries, usage);
    let answered = attended(down, node.settings.total, left, answering).await?;
    answered.map_err(|failure| {
        x.hints = *failure.hints;
        failure.error
    })
}

/// Chooses by meaning and asks what was chosen, for as long as the caller is there.
async fn semantic<D: Downstream, U: Upstream>(
    node: &Node<U>,
    down: &mut D,
    x: &mut Exchange,
    caller: &Caller,
    requested: &Requested,
    matter: Matter<'_>,
) -> Result<Answer<U::Call>> {
    let world = Arc::clone(&x.world);
    let Some(row) = &requested.model.semantic else { return Err(defect()) };
    let said = matter.dialect.codec().request(matter.body)?.last_user_text();
    let left = left(node, x);
    let (origin, tries, _) = x.parts();
    let asker = Asker::own(origin, caller, &row.embedding_model);
    let choosing = semantic::choose(node, row, &asker, said.as_deref(), tries);
    let chosen = attended(down, node.settings.total, left, choosing).await??;
    x.route = chosen.route.map(str::to_owned);
    let address = client::address(&node.settings, down);
    let inquiry = Inquiry::new(down, x, caller, address, matter.operation, matter.body);
    let plan = course::chosen(&world, requested, &inquiry, [chosen.alias, &row.default])?;
    x.tries.of(&plan, matter.peek.stream);
    dispatch(node, down, x, caller, &plan, matter).await
}

/// What is left of the time for the whole exchange.
fn left<U>(node: &Node<U>, x: &Exchange) -> Option<Duration> {
    node.settings.total.map(|total| total.saturating_sub(x.began.elapsed()))
}

async fn list_models<D: Downstream, U: Upstream>(
    node: &Node<U>,
    down: &mut D,
    x: &mut Exchange,
) -> Result<()> {
    let caller = identify(down, x)?;
    let list = models::list(&node.settings, &x.world, &caller, x.envelope, down.query());
    answer::local(down, x, 200, JSON, list).await
}

async fn probe<D: Downstream, U: Upstream>(
    node: &Node<U>,
    down: &mut D,
    x: &mut Exchange,
    probe: Probe,
) -> Result<()> {
    let (status, text) = node.life.probe(probe, down.query());
    answer::local(down, x, status, TEXT, text).await
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
