//! Answers operators who ask where a request would go.

use std::sync::Arc;

use serde_json::Value;

use super::Gateway;
use crate::admin::explain::{Explains, Question};
use crate::admin::health;
use crate::admin::status::{Board, InForce};
use crate::proxy::World;
use crate::proxy::explain::{Described, explain};
use crate::resources::{ApiKey, Snapshot};
use crate::upstream::transport::tls::TlsIdentity;

/// The walk, for the Admin API.
pub struct Explainer {
    pub node: Arc<Gateway>,
    pub board: Arc<Board>,
    pub trust: TlsIdentity,
}

impl Explains for Explainer {
    fn explain(&self, question: &Question, proposed: Option<Arc<Snapshot>>) -> Result<Value, String> {
        let world = self.node.world.load_full();
        let world = match proposed {
            Some(snapshot) => Arc::new(self.imagined(&world, snapshot)),
            None => world,
        };
        let described = described(question, &world.snapshot)?;
        let in_force = InForce { snapshot: Arc::clone(&world.snapshot), targets: world.board.clone() };
        explain(&world, &described, &|alias| health::of_model(&self.board, &in_force, alias))
    }
}

impl Explainer {
    /// The world as it would be. What is known of models that stay is what is known today.
    fn imagined(&self, world: &World, snapshot: Arc<Snapshot>) -> World {
        World {
            endpoints: world.endpoints.next(&world.snapshot, &snapshot, &self.trust),
            board: world.board.next(&world.snapshot, &snapshot),
            snapshot,
            applied_at: world.applied_at,
        }
    }
}

fn described(question: &Question, snapshot: &Snapshot) -> Result<Described, String> {
    let key = question.caller_key.as_deref().map(|named| caller_key(snapshot, named)).transpose()?;
    let headers = question.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let body = question.body.as_ref().map(|body| Value::Object(body.clone()).to_string());
    Ok(Described {
        alias: question.model.as_str().into(),
        key,
        headers: headers.collect(),
        dialect: question.dialect.clone(),
        stream: question.stream,
        body: body.unwrap_or_default().into(),
        client: question.client_address,
    })
}

/// The caller key of an id, else of a name.
fn caller_key(snapshot: &Snapshot, named: &str) -> Result<Arc<ApiKey>, String> {
    let by_name = || snapshot.api_keys().find(|key| key.display_name.as_deref() == Some(named));
    let by_id = snapshot.api_keys().find(|key| key.id == named);
    by_id.or_else(by_name).cloned().ok_or_else(|| format!("there is no caller key {named:?}"))
}
