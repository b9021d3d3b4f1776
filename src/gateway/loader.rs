//! Configurations come in here, the first and every later one.

use std::sync::Arc;
use std::time::SystemTime;

use super::Source;
use super::standalone::Standalone;
use crate::admin::status::Board;
use crate::proxy::World;
use crate::resources::Snapshot;
use crate::store::file::FileStore;
use crate::telemetry::Metrics;
use crate::upstream::Endpoints;
use crate::upstream::transport::tls::TlsIdentity;

/// Loads configurations and tells board and metrics what became of them.
pub struct Loader {
    from: From,
    trust: TlsIdentity,
    board: Arc<Board>,
    metrics: Arc<Metrics>,
}

enum From {
    File(FileStore),
    Standalone(Arc<Snapshot>),
}

impl Loader {
    pub fn new(
        source: &Source,
        standalone: Option<&Standalone>,
        trust: TlsIdentity,
        board: Arc<Board>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let from = match (source, standalone) {
            (Source::File(path), _) => From::File(FileStore::new(path)),
            (Source::Environment, Some(standalone)) => From::Standalone(Arc::clone(&standalone.snapshot)),
            (Source::Environment, None) => From::Standalone(Arc::new(Snapshot::empty())),
        };
        Loader { from, trust, board, metrics }
    }

    /// The configuration to start with.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn first(&mut self) -> Result<World, String> {
        self.load()
    }

    /// A new configuration, or none if it is refused or there is nothing to load again.
    pub fn again(&mut self) -> Option<World> {
        if matches!(self.from, From::Standalone(_)) {
            return None;
        }
        match self.load() {
            Ok(world) => {
                tracing::info!(generation = world.snapshot.generation(), "configuration reloaded");
                Some(world)
            }
            Err(problems) => {
                tracing::warn!(%problems, "reload failed");
                None
            }
        }
    }

    fn load(&mut self) -> Result<World, String> {
        let loaded = match &mut self.from {
            From::File(store) => store.load().map(Arc::new).map_err(|problems| problems.to_string()),
            From::Standalone(snapshot) => Ok(Arc::clone(snapshot)),
        };
        let now = SystemTime::now();
        match loaded {
            Ok(snapshot) => Ok(self.apply(snapshot, now)),
            Err(problems) => {
                self.board.refused(problems.clone(), now);
                self.metrics.config_loaded(None);
                Err(problems)
            }
        }
    }

    fn apply(&self, snapshot: Arc<Snapshot>, now: SystemTime) -> World {
        let endpoints = Endpoints::build(&snapshot, &self.trust);
        for (id, error) in endpoints.unreachable() {
            tracing::warn!(model_id = id, %error, "a model cannot be reached");
        }
        for notice in snapshot.dormant() {
            tracing::warn!("{notice}");
        }
        self.board.applied(Arc::clone(&snapshot), now);
        self.metrics.config_loaded(Some(snapshot.generation()));
        World { snapshot, endpoints, applied_at: now }
    }
}
