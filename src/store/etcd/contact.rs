//! Being in contact with the cluster, losing that, and regaining it: one member at a time, with pauses that grow while
//! none answers and differ between gateways, so that they do not all come back at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

use super::Settings;
use super::failure::{Trouble, silent};
use super::link::Link;

/// The way to the cluster.
pub struct Contact {
    settings: Arc<Settings>,
    link: Option<Link>,
    /// A connection in the making. Whoever waited for it may have been called away; it goes on with the next one.
    opening: Option<Opening>,
    lost: Option<Lost>,
    /// Which of the endpoints is tried first.
    next: usize,
    opened: Instant,
    /// Connections in a row that were good for nothing.
    fleeting: u32,
    /// Counts connections.
    pub serial: u64,
}

type Opening = Pin<Box<dyn Future<Output = Result<Link, Trouble>> + Send>>;

/// No member could be reached.
struct Lost {
    said: String,
    tries: u32,
    /// When to try again.
    again: Instant,
}

impl Contact {
    pub fn new(settings: Arc<Settings>) -> Self {
        Contact {
            settings,
            link: None,
            opening: None,
            lost: None,
            next: 0,
            opened: Instant::now(),
            fleeting: 0,
            serial: 0,
        }
    }

    /// The member we talk to, for somebody who waits: connects where that was not tried just now, and does not wait
    /// longer for it than for an answer.
    ///
    /// # Errors
    /// No member answers, or none did just now.
    pub async fn link(&mut self) -> Result<&mut Link, Trouble> {
        if self.link.is_none() {
            if let Some(lost) = self.lost.as_ref().filter(|lost| Instant::now() < lost.again) {
                return Err(Trouble::Lost(lost.said.clone()));
            }
            let patience = self.settings.request;
            timeout(patience, self.open()).await.unwrap_or_else(|_| Err(silent(patience)))?;
        }
        self.there()
    }

    /// The same for whom it is enough to know sometime; waits until it is time to try. May be dropped at any moment.
    ///
    /// # Errors
    /// No member answers.
    pub async fn regained(&mut self) -> Result<&mut Link, Trouble> {
        if self.link.is_none() {
            if let Some(lost) = &self.lost {
                sleep_until(lost.again).await;
            }
            self.open().await?;
        }
        self.there()
    }

    /// The same at once, for whom has waited already.
    ///
    /// # Errors
    /// No member answers.
    pub async fn sought(&mut self) -> Result<&mut Link, Trouble> {
        if self.link.is_none() {
            self.open().await?;
        }
        self.there()
    }

    fn there(&mut self) -> Result<&mut Link, Trouble> {
        self.link.as_mut().ok_or_else(|| Trouble::Lost("there is no contact with etcd".to_owned()))
    }

    /// The first connection of all. A cluster that is just starting gets a moment; one that refuses us does not change
    /// its mind.
    ///
    /// # Errors
    /// What each member said last.
    pub async fn made(&mut self, tries: u32) -> Result<(), Trouble> {
        for left in (0..tries).rev() {
            match self.sought().await {
                Ok(_) => return Ok(()),
                Err(Trouble::Lost(said)) if left > 0 => {
                    tracing::warn!("{said}; {left} more tries");
                    sleep(BETWEEN_FIRST_TRIES).await;
                }
                Err(Trouble::Lost(said)) => {
                    return Err(Trouble::Lost(format!("{said}, tried {tries} times")));
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }

    /// The connection is no good any more, and another member is better. When none of them lasts, there are pauses.
    pub fn leave(&mut self, said: &str) {
        let Some(link) = self.link.take() else { return };
        self.next = link.member + 1;
        if self.opened.elapsed() >= FLEETING {
            self.fleeting = 0;
            return;
        }
        self.fleeting += 1;
        if self.fleeting as usize <= self.settings.endpoints.len() {
            return;
        }
        let again = Instant::now() + pause(self.fleeting);
        self.lost = Some(Lost {
            said: format!("contact with etcd does not last ({said})"),
            tries: self.fleeting,
            again,
        });
    }

    async fn open(&mut self) -> Result<(), Trouble> {
        let (settings, next) = (&self.settings, self.next);
        let opening = self.opening.get_or_insert_with(|| Box::pin(Link::open(Arc::clone(settings), next)));
        let opened = opening.await;
        self.opening = None;
        match opened {
            Ok(link) => {
                if self.lost.take().is_some() {
                    tracing::info!("etcd is in reach again, at {}", self.settings.endpoints[link.member]);
                }
                self.serial += 1;
                self.opened = Instant::now();
                self.link = Some(link);
                Ok(())
            }
            Err(trouble) => {
                let tries = self.lost.as_ref().map_or(0, |lost| lost.tries) + 1;
                let said = trouble.words().to_owned();
                self.lost = Some(Lost { said, tries, again: Instant::now() + pause(tries) });
                Err(trouble)
            }
        }
    }
}

/// The pause after so many tries in a row: twice as long each time, and any part of its second half.
fn pause(tries: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    let share = f64::from(u16::from_be_bytes([Uuid::new_v4().as_bytes()[0], Uuid::new_v4().as_bytes()[1]]));
    longest.mul_f64(0.5 + share / f64::from(u16::MAX) / 2.0)
}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// So that an outage is not much longer for us than for etcd.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A connection that lasted less was not one.
const FLEETING: Duration = Duration::from_millis(500);
const BETWEEN_FIRST_TRIES: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_are_never_the_same_for_all() {
        for (tries, least, most) in
            [(1, 100, 200), (2, 200, 400), (5, 1600, 3200), (6, 2500, 5000), (99, 2500, 5000)]
        {
            let pauses: Vec<u128> = (0..50).map(|_| pause(tries).as_millis()).collect();
            assert!(pauses.iter().all(|pause| (least..=most).contains(pause)), "{tries}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{tries}: {pauses:?}");
        }
    }
}
