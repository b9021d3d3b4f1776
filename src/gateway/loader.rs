//! Configurations come in here, the first and every later one.

use std::sync::Arc;
use std::time::SystemTime;

use super::standalone::Standalone;
use crate::admin::status::Board;
use crate::proxy::World;
use crate::resources::Snapshot;
use crate::store::file::FileStore;
use crate::telemetry::Metrics;
use crate::upstream::Endpoints;
use crate::upstream::transport::tls::TlsIdentity;

/// Works out what follows from a snapshot, and tells board and metrics of it.
#[derive(Clone)]
pub struct Applier {
    pub trust: TlsIdentity,
    pub board: Arc<Board>,
    pub metrics: Arc<Metrics>,
}

impl Applier {
    /// The world of a snapshot, after the one in force.
    pub fn apply(&self, snapshot: Arc<Snapshot>, former: Option<&World>) -> World {
        let now = SystemTime::now();
        let endpoints = match former {
            Some(world) => world.endpoints.next(&world.snapshot, &snapshot, &self.trust),
            None => Endpoints::build(&snapshot, &self.trust),
        };
        let empty = Arc::new(Snapshot::empty());
        let before = former.map_or(&empty, |world| &world.snapshot);
        for (id, error) in endpoints.unreachable(before, &snapshot) {
            tracing::warn!(provider_key_id = id, %error, "models of a provider key cannot be reached");
        }
        self.board.applied(Arc::clone(&snapshot), now);
        self.metrics.config_loaded(Some(snapshot.generation()));
        World { snapshot, endpoints, applied_at: now }
    }

    fn refused(&self, problems: String) -> String {
        self.board.refused(problems.clone(), SystemTime::now());
        self.metrics.config_loaded(None);
        problems
    }
}

/// Loads configurations that are read when somebody says so.
pub struct Loader {
    from: From,
    applier: Applier,
}

/// Where they come from.
pub enum From {
    File(FileStore),
    /// The environment, read at the start.
    Standalone(Arc<Snapshot>),
    /// A store that says by itself when something changed.
    Store,
}

impl From {
    pub fn standalone(standalone: &Standalone) -> Self {
        From::Standalone(Arc::clone(&standalone.snapshot))
    }
}

impl Loader {
    pub fn new(from: From, applier: Applier) -> Self {
        Loader { from, applier }
    }

    /// The configuration to start with; none at all where a store will bring it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn first(&mut self) -> Result<World, String> {
        match self.load()? {
            Some(snapshot) => {
                announce(&snapshot);
                Ok(self.applier.apply(snapshot, None))
            }
            None => Ok(World {
                snapshot: Arc::new(Snapshot::empty()),
                endpoints: Endpoints::default(),
                applied_at: SystemTime::now(),
            }),
        }
    }

    /// A new configuration, or none if it is refused or there is nothing to load again.
    pub fn again(&mut self, former: &World) -> Option<World> {
        if !matches!(self.from, From::File(_)) {
            return None;
        }
        match self.load() {
            Ok(snapshot) => {
                let snapshot = snapshot?;
                announce(&snapshot);
                tracing::info!(generation = snapshot.generation(), "configuration reloaded");
                Some(self.applier.apply(snapshot, Some(former)))
            }
            Err(problems) => {
                tracing::warn!(%problems, "reload failed");
                None
            }
        }
    }

    fn load(&mut self) -> Result<Option<Arc<Snapshot>>, String> {
        match &mut self.from {
            From::File(store) => match store.load() {
                Ok(snapshot) => Ok(Some(Arc::new(snapshot))),
                Err(problems) => Err(self.applier.refused(problems.to_string())),
            },
            From::Standalone(snapshot) => Ok(Some(Arc::clone(snapshot))),
            From::Store => Ok(None),
        }
    }
}

/// Says what of a configuration is not in force.
fn announce(snapshot: &Snapshot) {
    for notice in snapshot.dormant() {
        tracing::warn!("{notice}");
    }
}
