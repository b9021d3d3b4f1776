//! Configurations come in here, the first and every later one.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Notify;

use super::Gateway;
use crate::admin::status::Board;
use crate::proxy::World;
use crate::resources::Snapshot;
use crate::store::keeper::Publish;
use crate::upstream::transport::tls::TlsIdentity;

/// Works out what follows from a snapshot, and puts it into force.
pub struct Applier {
    pub trust: TlsIdentity,
    pub board: Arc<Board>,
    pub node: Arc<Gateway>,
    /// Is it somebody's wish when something changes, who wants to hear what came of it?
    pub by_hand: bool,
    /// Wakes those who work from the configuration in the background.
    pub applied: Arc<Notify>,
}

impl Applier {
    pub fn publish(self) -> Publish {
        Box::new(move |snapshot| self.apply(snapshot))
    }

    fn apply(&self, snapshot: &Arc<Snapshot>) {
        let former = self.node.world.load();
        let endpoints = former.endpoints.next(&former.snapshot, snapshot, &self.trust);
        for (id, error) in endpoints.unreachable(&former.snapshot, snapshot) {
            tracing::warn!(provider_key_id = id, %error, "models of a provider key cannot be reached");
        }
        let first = snapshot.generation() <= 1;
        if first || self.by_hand {
            announce(snapshot);
        }
        if !first && self.by_hand {
            tracing::info!(generation = snapshot.generation(), "configuration reloaded");
        }
        let board = former.board.next(&former.snapshot, snapshot);
        self.board.applied(Arc::clone(snapshot), board.clone());
        let snapshot = Arc::clone(snapshot);
        let world = World { snapshot, endpoints, board, applied_at: SystemTime::now() };
        self.node.world.store(Arc::new(world));
        self.applied.notify_one();
    }
}

/// What is in force before the first configuration.
pub fn nothing() -> World {
    World::of(Snapshot::empty(), &TlsIdentity::default())
}

/// Says what of a configuration is not in force.
fn announce(snapshot: &Snapshot) {
    for notice in snapshot.dormant() {
        tracing::warn!("{notice}");
    }
}
