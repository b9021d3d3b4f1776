//! The one task in which a keeper lives, and how the others talk to it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{Keeper, Publish};
use crate::store::{Failure, Store};

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
}

/// Opens a store and keeps it, on a thread of its own. Returns when the first snapshot is published.
///
/// # Errors
/// The store cannot be read, or no thread can be had.
pub fn start(store: Box<dyn Store>, publish: Publish) -> Result<Keeping, Failure> {
    let (errands, waiting) = mpsc::channel(MOST_WAITING);
    let (opened, outcome) = std::sync::mpsc::channel();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(opened.send(Err(Failure::Unavailable(error.to_string())))),
        };
        runtime.block_on(async move {
            match Keeper::open(store, publish).await {
                Ok(keeper) => {
                    let _ = opened.send(Ok(()));
                    keep(keeper, waiting).await;
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

/// Runs errands and takes in changes, until nobody can ask for anything any more.
async fn keep(mut keeper: Keeper, mut errands: mpsc::Receiver<Errand>) {
    loop {
        let revision = keeper.revision;
        tokio::select! {
            biased;
            errand = errands.recv() => match errand {
                Some(errand) => errand(&mut keeper).await,
                None => return,
            },
            changes = keeper.store.changes(revision) => match changes {
                Ok(batch) => keeper.take(batch),
                Err(failure) => recover(&mut keeper, &failure).await,
            },
        }
    }
}

/// Loads everything anew. What is served stays until that succeeds.
async fn recover(keeper: &mut Keeper, failure: &Failure) {
    tracing::warn!(%failure, "changes of the configuration cannot be followed; loading all of it");
    match keeper.store.load().await {
        Ok(rows) => keeper.take_all(rows),
        Err(failure) => {
            tracing::error!(%failure, "the configuration cannot be loaded; what is served stays");
            tokio::time::sleep(BETWEEN_LOADS).await;
        }
    }
}

/// Errands that wait for the keeper before those who bring more have to wait themselves.
const MOST_WAITING: usize = 64;
const BETWEEN_LOADS: Duration = Duration::from_secs(1);
