//! The deadlines of one connection on one timer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// A timer that is set once for many waits.
///
/// Nearly every wait ends long before its deadline. So the timer is left as it is while it rings early enough,
/// and looked at again when it rings: a connection that serves a request after the other costs one timer in an
/// idle timeout, not several for each request.
#[derive(Default)]
pub struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Resolves at `deadline`.
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let due = tokio::time::Instant::from_std(deadline);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                self.timer = None;
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    }

    /// Waits for `work`, but not longer than `bound` from now; None without a result.
    pub async fn bound<T>(
        &mut self,
        bound: Option<Duration>,
        mut work: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let mut deadline = None;
        std::future::poll_fn(|cx| {
            if let Poll::Ready(done) = work(cx) {
                return Poll::Ready(Some(done));
            }
            let Some(bound) = bound else { return Poll::Pending };
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + bound);
            self.poll_until(cx, deadline).map(|()| None)
        })
        .await
    }

    /// As [`Alarm::bound`], for work on a connection; the end of the time is an error of its own.
    ///
    /// # Errors
    /// `TimedOut`, or what the connection says.
    pub async fn bound_io<T>(
        &mut self,
        bound: Option<Duration>,
        work: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        self.bound(bound, work).await.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_alarm_rings_at_the_deadline_of_the_wait_under_way() {
        let mut alarm = Alarm::default();
        let never = |_: &mut Context<'_>| Poll::<()>::Pending;
        for millis in [50, 20, 80] {
            // The deadline counts from the first look; Instant::now() does not stand still for a test.
            let began = std::time::Instant::now();
            assert_eq!(alarm.bound(Some(Duration::from_millis(millis)), never).await, None);
            assert!(began.elapsed() >= Duration::from_millis(millis));
        }
        assert_eq!(alarm.bound(Some(Duration::from_millis(1)), |_| Poll::Ready(7)).await, Some(7));
    }
}
