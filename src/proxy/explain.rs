//! The walk of a request that is described and not sent, as far as where it would go.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use serde_json::{Value, json};

use super::node::World;
use crate::dialect::{DialectId, skim};
use crate::error::Error;
use crate::policy::{access, auth};
use crate::resources::{ApiKey, Model};
use crate::routing::{self, Inquiry, Plan};

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
    let _dialect = dialect(&described.dialect)?;
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
    match routing::plan(&world.snapshot, &world.board.apart(), &found, described, Instant::now()) {
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
            Ok(endpoint) => {
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
        shown
    });
    told["strategy"] = decision.strategy.name().into();
    told["affinity"] = decision.affinity.name().into();
    told["although_unavailable"] = plan.anyway.into();
    told["candidates"] = candidates.collect();
    told["untold"] = decision.untold.into();
    told["decision"] = decision.to_string().into();
}

/// As the caller would read it.
fn refusal(error: &Error) -> Value {
    json!({"status": error.status(), "kind": error.kind.row().name, "message": error.message})
}

impl Inquiry for Described {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.header("cookie")?.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn key_id(&self) -> &str {
        self.key.as_ref().map_or("", |key| &key.id)
    }

    fn client(&self) -> Option<Cow<'_, str>> {
        self.client.map(|client| client.to_string().into())
    }

    fn prompt_cache_key(&self) -> Option<Cow<'_, str>> {
        skim::string(&self.body, &["prompt_cache_key"])
    }

    fn admitted(&self, model: &Model) -> bool {
        access::admits(model, self.client)
    }

    fn serves(&self, _model: &Model) -> bool {
        true
    }

    fn session(&self) -> Option<u64> {
        None
    }

    fn conversation(&self) -> Option<u64> {
        None
    }

    fn stream(&self) -> bool {
        self.stream
    }

    fn random(&self) -> u64 {
        RandomState::new().hash_one(0)
    }
}
