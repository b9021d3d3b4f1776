//! The targets and groups of a configuration, and what becomes of them when the next one comes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::affinities::{Affinities, Print, print};
use super::group::Group;
use super::hash::stable;
use super::state::TargetState;
use super::{Requested, Target};
use crate::resources::shards::Shards;
use crate::resources::{Model, Shape, Snapshot};

/// What routing keeps beside a configuration: the state of every direct model, and what was worked out for every
/// routing alias. A copy shares what stays, so that the next one costs what is different in it.
#[derive(Clone, Debug, Default)]
pub struct Board {
    /// By model id.
    directs: Shards<String, Direct>,
    groups: Shards<String, Arc<Group>>,
    affinities: Arc<Affinities>,
}

/// A direct model.
#[derive(Clone, Debug)]
pub(super) struct Direct {
    pub state: Arc<TargetState>,
    /// The upstream's own id, unless the alias is a pattern.
    pub upstream_model: Arc<str>,
}

impl Direct {
    /// The target for a name of the model; `captured` is what stood under the `*` of a pattern.
    pub fn target(&self, model: &Arc<Model>, captured: Option<&str>) -> Target {
        let upstream_model = match captured {
            Some(_) => model.upstream_model(captured).into(),
            None => Arc::clone(&self.upstream_model),
        };
        Target { model: Arc::clone(model), upstream_model, state: Arc::clone(&self.state) }
    }
}

impl Board {
    /// The board of the configuration that follows `former`. The states of models that stay are kept, whatever became
    /// of their rows; the counters of a routing alias are kept while its targets, weights and priorities are the same.
    #[must_use]
    pub fn next(&self, former: &Snapshot, snapshot: &Snapshot) -> Board {
        let mut next = self.clone();
        let mut states = HashMap::new();
        let mut groups = HashMap::new();
        for model in former.models_beyond(snapshot) {
            states.extend(next.directs.remove(&model.id).map(|direct| (&model.id, direct.state)));
            groups.extend(next.groups.remove(&model.id).map(|group| (&model.id, group)));
        }
        for model in snapshot.models_beyond(former) {
            match (model.shape(), &model.routing) {
                (Shape::Direct, _) => {
                    let state = states.remove(&model.id).unwrap_or_else(TargetState::new);
                    let upstream_model = model.upstream_model(None).into();
                    next.directs.insert(model.id.clone(), Direct { state, upstream_model });
                }
                (_, Some(routing)) => {
                    let former = groups.get(&model.id).map(Arc::as_ref);
                    next.groups.insert(model.id.clone(), Arc::new(Group::new(routing, former)));
                }
                _ => {}
            }
        }
        next
    }

    /// The state of a direct model.
    pub fn state(&self, model_id: &str) -> Option<&Arc<TargetState>> {
        self.directs.get(model_id).map(|direct| &direct.state)
    }

    /// All states by model id, in no particular order.
    pub fn states(&self) -> impl Iterator<Item = (&str, &Arc<TargetState>)> {
        self.directs.iter().map(|(id, direct)| (id.as_str(), &direct.state))
    }

    /// Takes note of which target answered a conversation, so that its next turn goes there again. `conversation` is
    /// [`Inquiry::beginning`](super::Inquiry::beginning).
    pub fn remember(&self, requested: &Requested, conversation: u64, target: &Target, now: Instant) {
        let Some(routing) = &requested.model.routing else { return };
        let affinity = routing.affinity.clone().unwrap_or_default();
        if affinity.enabled {
            let target = print(&target.model.id, &target.upstream_model);
            let key = key(&requested.model, conversation);
            self.affinities.remember(key, target, affinity.ttl_seconds, now);
        }
    }

    /// Takes note of which target keeps an answer that the caller may go on from. `stored` is
    /// [`Inquiry::bound`](super::Inquiry::bound) of the request that will.
    pub fn bind(&self, requested: &Requested, stored: u64, target: &Target, now: Instant) {
        if requested.model.routing.is_some() {
            let target = print(&target.model.id, &target.upstream_model);
            self.affinities.remember(key(&requested.model, stored), target, BOUND_SECONDS, now);
        }
    }

    /// The target that answered a conversation under an alias.
    pub(super) fn recall(&self, alias: &Model, conversation: u64, now: Instant) -> Option<Print> {
        self.affinities.recall(key(alias, conversation), now)
    }

    pub(super) fn direct(&self, model: &Model) -> Option<&Direct> {
        self.directs.get(&model.id)
    }

    pub(super) fn group(&self, model: &Model) -> Option<&Arc<Group>> {
        self.groups.get(&model.id)
    }
}

/// For how long it is remembered who keeps an answer: a day, the most that the notes can say.
const BOUND_SECONDS: u32 = 86_400;

/// What a conversation is noted under.
fn key(alias: &Model, conversation: u64) -> u64 {
    stable(&[alias.id.as_bytes(), &conversation.to_le_bytes()])
}
