//! The one task in which a keeper lives, and how the others talk to it.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::last_known_good::Kept;
use super::{Keeper, Opening};
use crate::store::absent::Absent;
use crate::store::{Batch, Event, Failure, Rows, Store};

/// What somebody wants of the keeper.
type Errand = Box<dyn for<'k> FnOnce(&'k mut Keeper) -> Pin<Box<dyn Future<Output = ()> + 'k>> + Send>;

/// The way to a keeper.
#[derive(Clone)]
pub struct Keeping {
    errands: mpsc::Sender<Errand>,
}

impl Keeping {
    /// Asks the keeper for something; None if it is gone.
    pub async fn ask<T, F>(&self, errand: F) -> Option<T>
    where
        T: Send + 'static,
        F: for<'k> FnOnce(&'k mut Keeper) -> Pin<Box<dyn Future<Output = T> + 'k>> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let errand: Errand = Box::new(move |keeper| {
            Box::pin(async move {
                // Nobody may be waiting any more; what was asked for is done all the same.
                let _ = tell.send(errand(keeper).await);
            })
        });
        self.errands.send(errand).await.ok()?;
        told.await.ok()
    }

    /// At the end of the process: what is served last is on disk before this returns, unless that takes too long.
    pub fn close(&self) {
        let (tell, told) = std::sync::mpsc::channel();
        let errand: Errand = Box::new(move |keeper| {
            Box::pin(async move {
                drop(keeper.saver.take());
                let _ = tell.send(());
            })
        });
        if self.errands.try_send(errand).is_ok() {
            let _ = told.recv_timeout(PATIENCE * 2);
        }
    }
}

/// Opens a store and keeps it, on a thread of its own. Returns when the first snapshot is published: that of the last
/// known good configuration, if the store is out of reach and there is one.
///
/// # Errors
/// The store cannot be read, or no thread can be had.
pub fn start(opening: Opening) -> Result<Keeping, Failure> {
    let (errands, waiting) = mpsc::channel(MOST_WAITING);
    let (opened, outcome) = std::sync::mpsc::channel();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(opened.send(Err(Failure::Unavailable(error.to_string())))),
        };
        runtime.block_on(async move {
            let mut keeper = Keeper::new(opening);
            match keeper.begin().await {
                Ok(loading) => {
                    let _ = opened.send(Ok(()));
                    keep(keeper, loading, waiting).await;
                }
                Err(failure) => drop(opened.send(Err(failure))),
            }
        });
    };
    let unavailable = |why: String| Failure::Unavailable(why);
    std::thread::Builder::new()
        .name("keeper".to_owned())
        .spawn(run)
        .map_err(|error| unavailable(error.to_string()))?;
    outcome.recv().map_err(|_| unavailable("the keeper of the configuration stopped".to_owned()))??;
    Ok(Keeping { errands })
}

/// The store again, and what was seen.
type Looked = (Box<dyn Store>, Result<Rows, Failure>);

/// A look at all that a store holds, which takes the store along: what is asked of the keeper meanwhile does not wait
/// for a store that may be out of reach.
pub(super) struct Loading {
    look: Pin<Box<dyn Future<Output = Looked>>>,
    outage: Outage,
}

/// How long the store has been out of reach.
#[derive(Clone, Copy)]
pub(super) struct Outage {
    /// Looks that failed.
    failed: u32,
    /// What is asked of the keeper waits until then: contact that was just lost is often found again at once, at another
    /// member.
    patient_until: Instant,
}

impl Outage {
    /// It begins now.
    fn new() -> Self {
        Outage { failed: 0, patient_until: Instant::now() + PATIENCE }
    }

    fn failed_again(self) -> Self {
        Outage { failed: self.failed.saturating_add(1), ..self }
    }
}

impl Loading {
    fn of(keeper: &mut Keeper, outage: Outage, why: Failure) -> Self {
        let away = Absent { name: keeper.store.name(), why };
        let mut store = std::mem::replace(&mut keeper.store, Box::new(away));
        let pause = pause(outage.failed);
        let look = Box::pin(async move {
            tokio::time::sleep(pause).await;
            let rows = store.load().await;
            (store, rows)
        });
        Loading { look, outage }
    }
}

/// Runs errands and takes in changes, until nobody can ask for anything any more.
async fn keep(mut keeper: Keeper, mut loading: Option<Loading>, mut errands: mpsc::Receiver<Errand>) {
    loop {
        let revision = keeper.revision;
        let errand = match &mut loading {
            None => tokio::select! {
                biased;
                errand = errands.recv() => errand,
                changes = keeper.store.changes(revision) => {
                    loading = keeper.hear(changes).await;
                    continue;
                }
            },
            Some(Loading { look, outage }) => {
                let outage = *outage;
                let patient = Instant::now() < outage.patient_until;
                tokio::select! {
                    biased;
                    errand = errands.recv(), if !patient => errand,
                    (store, rows) = look => {
                        keeper.store = store;
                        loading = keeper.looked(rows, outage);
                        continue;
                    }
                    () = tokio::time::sleep_until(outage.patient_until), if patient => continue,
                }
            }
        };
        match errand {
            Some(errand) => errand(&mut keeper).await,
            None => return,
        }
    }
}

impl Keeper {
    /// Publishes the first snapshot. What is still loading is returned: then the last known good one is served.
    pub(super) async fn begin(&mut self) -> Result<Option<Loading>, Failure> {
        let Some(kept) = self.saver.as_ref().and_then(|saver| saver.read()) else {
            let rows = self.store.load().await?;
            self.take_all(rows);
            return Ok(None);
        };
        let away = Failure::Unavailable(AWAY.to_owned());
        let outage = Outage::new();
        let mut loading = Loading::of(self, outage, away.clone());
        let why = match tokio::time::timeout(PATIENCE, &mut loading.look).await {
            Ok((store, Ok(rows))) => {
                self.store = store;
                self.pinned = kept.pinned;
                self.take_all(rows);
                return Ok(None);
            }
            Ok((store, Err(failure))) => {
                self.store = store;
                loading = Loading::of(self, outage.failed_again(), away);
                failure
            }
            Err(_) => away,
        };
        self.status.failed(&why);
        tracing::error!(
            why = why.to_string(),
            revision = kept.rows.revision,
            rows = kept.rows.rows.len(),
            "the store is out of reach: the last known good configuration is served until it answers"
        );
        self.restore(kept);
        Ok(Some(loading))
    }

    /// Serves what was good when the store was last in reach. Its revision is the start of nothing: the store is
    /// loaded before its changes are followed or anything is written.
    fn restore(&mut self, kept: Kept) {
        self.revision = kept.rows.revision;
        self.status.edit(|facts| facts.from_last_known_good = true);
        let rows = kept.pinned.into_iter().chain(kept.rows.rows);
        self.publish_after(rows.map(Event::Put).collect());
    }

    /// Takes in what the store said, or begins to load all of it.
    async fn hear(&mut self, changes: Result<Batch, Failure>) -> Option<Loading> {
        match changes {
            Ok(batch) => {
                self.take(batch);
                None
            }
            Err(Failure::Invalid(problems)) => {
                self.refuse(problems);
                None
            }
            Err(Failure::Compacted) => {
                tracing::info!("the store no longer knows what changed; loading all of it");
                let rows = self.store.load().await;
                self.looked(rows, Outage::new())
            }
            Err(failure) => Some(self.lose(failure, Outage::new())),
        }
    }

    /// Takes in all that there is, or tries again later. What is served stays until that succeeds.
    fn looked(&mut self, rows: Result<Rows, Failure>, outage: Outage) -> Option<Loading> {
        match rows {
            Ok(rows) => {
                if !self.status.facts().connected() {
                    tracing::info!(revision = rows.revision, "the store of the configuration is in reach");
                }
                self.take_all(rows);
                None
            }
            Err(Failure::Invalid(problems)) => {
                self.refuse(problems);
                None
            }
            Err(failure) => Some(self.lose(failure, outage)),
        }
    }

    fn refuse(&self, problems: String) {
        tracing::warn!(problems, "reload failed");
        self.status.failed(&Failure::Invalid(problems));
    }

    fn lose(&mut self, failure: Failure, outage: Outage) -> Loading {
        tracing::error!(%failure, failed = outage.failed, "the configuration cannot be followed; what is served stays");
        self.status.failed(&failure);
        let away = Failure::Unavailable(format!("{AWAY}: {failure}"));
        Loading::of(self, outage.failed_again(), away)
    }
}

/// Before the next look: doubling from 100 ms to 5 s, and of that up to a half less, at random, so that the nodes of
/// a store which comes back do not come all at once.
fn pause(failed: u32) -> Duration {
    let Some(doublings) = failed.checked_sub(1) else { return Duration::ZERO };
    let longest = FIRST_PAUSE.saturating_mul(1 << doublings.min(16)).min(LONGEST_PAUSE);
    let share = RandomState::new().hash_one(failed) % 1000;
    longest.mul_f64(1.0 - share as f64 / 2000.0)
}

const AWAY: &str = "the store of the configuration is out of reach";
/// Errands that wait for the keeper before those who bring more have to wait themselves.
const MOST_WAITING: usize = 64;
/// How long a start waits for its store before it begins with the last known good configuration.
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
