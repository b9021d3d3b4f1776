//! The stream of events. It also tells whether there is contact at all: who hears nothing for a while asks how far the
//! other side is, and who is not answered is alone.

use std::time::Duration;

use etcd_client::{WatchResponse, WatchStream};
use tokio::time::{Instant, sleep_until};

use super::failure::{Trouble, silent};
use super::known::Pair;

/// A watch that the server has confirmed. Between two calls of `next` nothing is lost, even if one is dropped.
pub struct Watch {
    stream: WatchStream,
    /// How long an answer may take.
    patience: Duration,
    heard: Instant,
    /// When we asked how far it is, if there is no answer yet.
    asked: Option<Instant>,
}

impl Watch {
    pub(super) async fn begin(mut stream: WatchStream, patience: Duration) -> Result<Self, Trouble> {
        let first = stream.message().await?.ok_or_else(ended)?;
        sound(&first)?;
        Ok(Watch { stream, patience, heard: Instant::now(), asked: None })
    }

    /// What is said next: keys that were put or deleted, in the order in which it happened, or nothing but a sign of
    /// life.
    ///
    /// # Errors
    /// The watch has ended, or nothing is heard any more.
    pub async fn next(&mut self) -> Result<Vec<Pair>, Trouble> {
        loop {
            let due = self.asked.map_or(self.heard + QUIET, |asked| asked + self.patience);
            tokio::select! {
                biased;
                message = self.stream.message() => {
                    (self.heard, self.asked) = (Instant::now(), None);
                    let message = message?.ok_or_else(ended)?;
                    sound(&message)?;
                    return Ok(message.events().iter().filter_map(|event| event.kv()).cloned().map(Pair::from).collect());
                }
                () = sleep_until(due) => match self.asked {
                    Some(_) => return Err(silent(self.patience)),
                    None => {
                        self.asked = Some(Instant::now());
                        self.stream.request_progress().await?;
                    }
                },
            }
        }
    }

    /// What has arrived already or arrives within moments; nothing if nothing does.
    pub async fn more(&mut self, moment: Duration) -> Result<Option<Vec<Pair>>, Trouble> {
        match tokio::time::timeout(moment, self.next()).await {
            Ok(keys) => keys.map(Some),
            Err(_) => Ok(None),
        }
    }
}

/// A watch that the server cancels is over.
fn sound(message: &WatchResponse) -> Result<(), Trouble> {
    if message.compact_revision() > 0 {
        return Err(Trouble::Compacted);
    }
    if message.canceled() {
        return Err(Trouble::Lost(format!("the watch was cancelled: {}", message.cancel_reason())));
    }
    Ok(())
}

fn ended() -> Trouble {
    Trouble::Lost("the stream of events has ended".to_owned())
}

/// After so long without a word we ask for one.
const QUIET: Duration = Duration::from_secs(2);
