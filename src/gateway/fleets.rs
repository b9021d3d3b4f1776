//! What is done for fleets beside the requests.

use std::convert::Infallible;
use std::sync::Arc;

use super::Gateway;
use crate::proxy::World;
use crate::telemetry::FleetState;
use crate::upstream::fleet::Several;
use crate::upstream::fleet::poll::Poller;

/// Asks servers how busy they are, and learns the addresses of their names, until it is dropped.
pub async fn watch(node: &Arc<Gateway>) -> Infallible {
    Poller::default().run(current(node)).await
}

/// Says which fleets there are. They are looked for when the configuration is another one.
fn current(node: &Arc<Gateway>) -> impl FnMut() -> Vec<Arc<Several>> {
    let node = Arc::clone(node);
    let mut known: Option<(Arc<World>, Vec<Arc<Several>>)> = None;
    move || {
        let world = node.world.load();
        match &known {
            Some((of, fleets)) if Arc::ptr_eq(of, &world) => fleets.clone(),
            _ => {
                let fleets: Vec<_> = world.endpoints.fleets().cloned().collect();
                known = Some((Arc::clone(&world), fleets.clone()));
                fleets
            }
        }
    }
}

/// How the fleets are, for a scrape.
pub fn states(node: &Arc<Gateway>) -> Box<dyn Fn() -> Vec<FleetState> + Send + Sync> {
    let node = Arc::clone(node);
    Box::new(move || {
        let world = node.world.load();
        let state = |several: &Arc<Several>| {
            let standing = several.fleet.standing();
            FleetState {
                provider_key_id: several.provider_key_id().to_owned(),
                servers: standing.replicas as u64,
                out: standing.out as u64,
                outstanding: standing.outstanding,
                waiting: standing.waiting as u64,
            }
        };
        world.endpoints.fleets().map(state).collect()
    })
}
