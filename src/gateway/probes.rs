//! Active probes: models that ask for it are asked something small, each at an interval of its own, so that requests
//! pass over one that does not answer before any of them has to find out.
//!
//! One task looks after all of them. It begins nothing any more once the process drains.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::sync::Notify;

use super::Gateway;
use crate::admin::status::{Board, Check};
use crate::resources::model::BackgroundModelCheck;
use crate::resources::{Model, Shape, Snapshot};
use crate::upstream::probe::{Found, probe};
use crate::upstream::transport::client::Client;

/// Everything a probe needs.
pub struct Probes {
    pub node: Arc<Gateway>,
    /// Of its own: connections that this task makes are not lent to workers.
    pub upstream: Client,
    /// Where the findings are shown.
    pub board: Arc<Board>,
    /// Told when another configuration is in force.
    pub applied: Arc<Notify>,
}

#[async_trait]
impl BackgroundService for Probes {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut closing = self.node.life.closing();
        tokio::select! {
            () = self.keep() => {}
            _ = closing.wait_for(|closing| *closing) => {}
            _ = shutdown.wait_for(|ending| *ending) => {}
        }
    }
}

impl Probes {
    /// Probes whatever is due, until the process drains.
    async fn keep(&self) {
        let mut schedule = Schedule::default();
        schedule.renew(&self.node.world.load().snapshot, Instant::now());
        let mut running = FuturesUnordered::new();
        while !self.node.life.is_draining() {
            while running.len() < MOST_AT_ONCE
                && let Some(id) = schedule.take(Instant::now())
            {
                running.push(Box::pin(async move {
                    self.check(&id).await;
                    id
                }));
            }
            let next = schedule.next().filter(|_| running.len() < MOST_AT_ONCE);
            tokio::select! {
                Some(id) = running.next() => schedule.ended(&id, Instant::now()),
                () = self.applied.notified() => {
                    schedule.renew(&self.node.world.load().snapshot, Instant::now());
                }
                () = until(next) => {}
            }
        }
    }

    /// Probes one model as its row is now, and tells everybody.
    async fn check(&self, id: &str) {
        let world = self.node.world.load_full();
        let Some(model) = world.snapshot.model_of_id(id) else { return };
        let (Some(check), Some(state)) = (check_of(model), world.board.state(id)) else { return };
        let began = Instant::now();
        let request_id = uuid::Uuid::new_v4().to_string();
        let found = Box::pin(probe(&self.upstream, &world.endpoints, model, check, &request_id)).await;
        let (name, millis) = (model.display_name.as_str(), began.elapsed().as_millis());
        let now = Instant::now();
        let was_unwell = state.is_unwell(now);
        let (outcome, detail) = match &found {
            Found::Well => ("ok", None),
            Found::Ignored(status) => ("ignored", Some(format!("status {status}, which is ignored"))),
            Found::Unwell(why) => ("failed", Some(why.clone())),
        };
        tracing::debug!(model = name, outcome, millis = millis as u64, request_id, "probed");
        // Told before it acts: whoever sees a model passed over can see why.
        self.node.telemetry.metrics.checked(name, outcome);
        self.board.checked(id, Check { at: SystemTime::now(), outcome, detail });
        match found {
            Found::Well => {
                state.mark_well();
                if was_unwell {
                    tracing::warn!(model = name, "a probe was answered: the model is asked again");
                }
            }
            Found::Ignored(_) => {}
            Found::Unwell(why) => {
                state.mark_unwell(now + Duration::from_secs(check.stale_after_seconds));
                if !was_unwell {
                    tracing::warn!(model = name, why, "a probe failed: routing passes the model over");
                }
            }
        }
    }
}

/// When each model is probed next, by id.
#[derive(Default)]
struct Schedule(HashMap<String, Turn>);

struct Turn {
    interval: Duration,
    /// None while a probe is under way.
    due: Option<Instant>,
}

impl Schedule {
    /// Takes in what a configuration asks for. Who is on the list with the same interval keeps its time; who is new
    /// comes soon, and not all of them at once.
    fn renew(&mut self, snapshot: &Snapshot, now: Instant) {
        let mut former = std::mem::take(&mut self.0);
        for model in snapshot.models() {
            let Some(check) = check_of(model) else { continue };
            let interval = Duration::from_secs(check.interval_seconds);
            let turn = former.remove(&model.id).filter(|turn| turn.interval == interval);
            let soon = || Turn { interval, due: Some(now + interval.min(SOON).mul_f64(random())) };
            self.0.insert(model.id.clone(), turn.unwrap_or_else(soon));
        }
    }

    /// Somebody whose time has come.
    fn take(&mut self, now: Instant) -> Option<String> {
        let is_due = |turn: &Turn| turn.due.is_some_and(|due| due <= now);
        let (id, turn) =
            self.0.iter_mut().filter(|(_, turn)| is_due(turn)).min_by_key(|(_, turn)| turn.due)?;
        turn.due = None;
        Some(id.clone())
    }

    /// When the next one is due.
    fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|turn| turn.due).min()
    }

    /// A probe has ended: the next one is due an interval later, give or take a tenth.
    fn ended(&mut self, id: &str, now: Instant) {
        if let Some(turn) = self.0.get_mut(id) {
            turn.due = Some(now + turn.interval.mul_f64(0.9 + 0.2 * random()));
        }
    }
}

/// What a model's row asks for, if it is one that can be asked: an alias that is a pattern stands for no model by itself,
/// and an embedding model holds no conversation.
fn check_of(model: &Model) -> Option<&BackgroundModelCheck> {
    let asked = model.shape() == Shape::Direct && !model.is_wildcard() && model.embedding.is_none();
    model.background_model_check.as_ref().filter(|check| asked && check.enabled)
}

async fn until(next: Option<Instant>) {
    match next {
        Some(next) => tokio::time::sleep_until(next.into()).await,
        None => std::future::pending().await,
    }
}

/// At least 0, less than 1.
fn random() -> f64 {
    (RandomState::new().hash_one(0) >> 11) as f64 / (1u64 << 53) as f64
}

/// Probes under way at the same time.
const MOST_AT_ONCE: usize = 8;
/// Within this time a new model is probed first.
const SOON: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::ProviderKey;

    fn checked(interval: u64) -> Model {
        let check = BackgroundModelCheck {
            enabled: true,
            interval_seconds: interval,
            timeout_seconds: 1,
            prompt: "ping".to_owned(),
            max_tokens: 1,
            stale_after_seconds: 60,
            ignore_statuses: Vec::new(),
        };
        Model { background_model_check: Some(check), ..Model::direct("m", "openai", "m", "key") }
    }

    fn snapshot(rows: &[(&str, u64)]) -> Snapshot {
        let key = ProviderKey::new("key", "openai", "secret");
        let builder = Snapshot::builder().add_provider_key(key, "key");
        let builder = rows.iter().fold(builder, |builder, (id, interval)| {
            let named = Model { display_name: (*id).to_owned(), ..checked(*interval) };
            builder.add_model(named, *id)
        });
        builder.build().expect("sound rows")
    }

    #[test]
    fn each_model_has_an_interval_of_its_own_give_or_take_a_tenth() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.renew(&snapshot(&[("often", 10), ("seldom", 1000)]), now);
        assert!(schedule.next().is_some_and(|next| next < now + SOON), "new ones come soon");
        for _ in 0..2 {
            let id = schedule.take(now + SOON).expect("somebody is due");
            schedule.ended(&id, now);
        }
        assert_eq!(schedule.take(now + SOON), None);
        let next = schedule.next().expect("a time");
        assert!(next >= now + Duration::from_secs(9) && next <= now + Duration::from_secs(11));
        assert_eq!(schedule.take(now + Duration::from_secs(11)).as_deref(), Some("often"));
        assert_eq!(schedule.take(now + Duration::from_secs(11)), None, "it is under way");
    }

    #[test]
    fn another_configuration_keeps_the_times_of_those_that_stay_as_they_were() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.renew(&snapshot(&[("a", 10), ("b", 10), ("c", 10)]), now);
        while let Some(id) = schedule.take(now + SOON) {
            schedule.ended(&id, now);
        }
        schedule.renew(&snapshot(&[("a", 10), ("b", 20)]), now);
        assert_eq!(schedule.take(now + SOON).as_deref(), Some("b"), "its interval is another");
        assert_eq!(schedule.take(now + SOON), None);
        assert_eq!(schedule.0.len(), 2);
    }
}
