//! Why a request goes where it goes: told of one that was served, and of one that is described and not sent.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use serde_json::{Value, json};

use super::exchange::Exchange;
use super::inquiry::{Head, Inquiry};
use super::node::World;
use crate::dialect::DialectId;
use crate::error::Error;
use crate::policy::auth::Caller;
use crate::policy::{access, auth};
use crate::resources::{ApiKey, Model, Shape};
use crate::routing::{self, Plan, Verdict};
use crate::upstream::Operation;

/// A request as somebody describes it.
#[derive(Clone, Debug)]
pub struct Described {
    pub alias: Arc<str>,
    /// None where nobody's rights matter.
    pub key: Option<Arc<ApiKey>>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The name of the format the caller speaks.
    pub dialect: String,
    pub stream: bool,
    /// Empty where nothing is known of it.
    pub body: Bytes,
    pub client: Option<IpAddr>,
}

/// Where the request would go, as JSON. Nothing is sent, and nothing that is counted moves. `health` tells how a model
/// is, by its alias.
///
/// # Errors
/// There is no format of that name.
pub fn explain(
    world: &World,
    described: &Described,
    health: &dyn Fn(&str) -> Value,
) -> Result<Value, String> {
    let dialect = dialect(&described.dialect)?;
    let found = match routing::resolve(&world.snapshot, &described.alias) {
        Ok(found) => found,
        Err(error) => return Ok(json!({"served": false, "refusal": refusal(&error)})),
    };
    let model = &found.model;
    let requested = json!({"alias": *found.alias, "model": model.display_name, "id": model.id});
    let mut told = json!({"served": true, "requested": requested});
    if let Some(key) = &described.key {
        let caller = auth::admit(Arc::clone(key), SystemTime::now);
        let access = caller.and_then(|caller| access::permit(&caller, &found, described.client));
        told["access"] = json!({"allowed": access.is_ok()});
        if let Err(error) = access {
            told["served"] = false.into();
            told["access"]["refusal"] = refusal(&error);
        }
    }
    let caller = Caller { key: described.key.clone().unwrap_or_default() };
    let inquiry = Inquiry {
        head: described,
        caller: &caller,
        address: described.client,
        dialect,
        operation: Operation::Generate,
        stream: described.stream,
        body: &described.body,
        endpoints: &world.endpoints,
        dry: true,
        beginning: Cell::new(None),
    };
    if let Some((shape, parts)) = parts(model, health) {
        told[shape] = parts;
        return Ok(told);
    }
    match routing::plan(&world.snapshot, &world.board, &found, &inquiry, Instant::now()) {
        Ok(plan) => told_of(world, &plan, health, &mut told),
        Err(error) => {
            told["served"] = false.into();
            told["refusal"] = refusal(&error);
            let targets = model.routing.iter().flat_map(|routing| &routing.targets);
            told["candidates"] = targets.map(|target| health(&target.model)).collect();
        }
    }
    Ok(told)
}

/// The format of a name, as `inbound_protocol` in logs and metrics has it.
fn dialect(name: &str) -> Result<DialectId, String> {
    let spoken = || DialectId::ALL.into_iter().filter(|dialect| *dialect != DialectId::Bedrock);
    spoken().find(|dialect| dialect.name() == name).ok_or_else(|| {
        let names: Vec<&str> = spoken().map(DialectId::name).collect();
        format!("no caller speaks {name:?}; there are {}", names.join(", "))
    })
}

fn told_of(world: &World, plan: &Plan, health: &dyn Fn(&str) -> Value, told: &mut Value) {
    let targets = plan.targets.iter().map(|target| {
        let mut shown = health(&target.model.display_name);
        shown["upstream_model"] = (*target.upstream_model).into();
        match world.endpoints.of(&target.model) {
            Ok(servers) => {
                let endpoint = servers.face();
                shown["provider"] = endpoint.provider.as_str().into();
                shown["provider_key_id"] = endpoint.provider_key_id.as_str().into();
            }
            Err(error) => shown["unreachable"] = error.message.as_ref().into(),
        }
        shown
    });
    told["targets"] = targets.collect();
    let Some(decision) = &plan.decision else { return };
    let candidates = decision.candidates.iter().map(|candidate| {
        let mut shown = health(&candidate.alias);
        shown["verdict"] = candidate.verdict.name().into();
        if let Verdict::Dropped(why) = candidate.verdict {
            shown["dropped_for"] = why.name().into();
        }
        shown
    });
    told["strategy"] = decision.strategy.name().into();
    told["affinity"] = decision.affinity.name().into();
    told["although_unavailable"] = plan.anyway.into();
    told["candidates"] = candidates.collect();
    told["untold"] = decision.untold.into();
    told["decision"] = decision.to_string().into();
}

/// The models that an ensemble asks, or that a semantic router chooses from: by a prompt that is not known here.
fn parts(model: &Model, health: &dyn Fn(&str) -> Value) -> Option<(&'static str, Value)> {
    if let Some(ensemble) = &model.ensemble {
        let panel: Value = ensemble.panel.iter().map(|member| health(&member.model)).collect();
        return Some(("ensemble", json!({"panel": panel, "judge": health(&ensemble.judge.model)})));
    }
    let semantic = model.semantic.as_ref()?;
    let routes = semantic.routes.iter().map(|route| {
        let mut shown = health(&route.target);
        shown["route"] = route.name.as_str().into();
        shown
    });
    let routes: Value = routes.collect();
    Some(("semantic", json!({"routes": routes, "default": health(&semantic.default)})))
}

/// As the caller would read it.
fn refusal(error: &Error) -> Value {
    json!({"status": error.status(), "kind": error.kind.row().name, "message": error.message})
}

impl Head for Described {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_bytes())
    }
}

/// How a request was routed and what came of its tries so far, in one line of visible ASCII, for the caller.
pub fn line(x: &Exchange) -> String {
    let mut line = match (&x.decision, &x.model) {
        (Some(decision), _) => decision.to_string(),
        (None, Some(model)) if model.shape() == Shape::Direct => "direct".to_owned(),
        (None, Some(model)) if model.shape() == Shape::Ensemble => "ensemble".to_owned(),
        (None, Some(model)) if model.shape() == Shape::Semantic => "semantic".to_owned(),
        (None, Some(_)) => "no target".to_owned(),
        (None, None) => "no model".to_owned(),
    };
    let attempts = x.tries.attempts();
    if !attempts.is_empty() {
        line.push_str("; tries");
    }
    for attempt in &attempts {
        let outcome = if attempt.outcome.is_empty() { "under_way" } else { attempt.outcome };
        line.push_str(&format!(" {}={outcome}", attempt.model));
        if let Some(status) = attempt.status {
            line.push_str(&format!(":{status}"));
        }
        line.push_str(&format!(":{}ms", attempt.duration.as_millis()));
    }
    let visible = |letter: char| if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' };
    line.chars().map(visible).take(LONGEST_LINE).collect()
}

/// Sent by a caller who may, as `1`: the answer is to tell how it was routed. In an answer: [`line()`].
pub const EXPLAIN: &str = "x-aisix-explain";
/// Bytes.
const LONGEST_LINE: usize = 2048;
