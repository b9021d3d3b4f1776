//! A bounded queue of requests that wait for something of which there is not enough.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Those who wait, best first. The mutex is taken when somebody begins or ceases to wait, and when something comes free
/// while somebody does: never as long as there is enough for all, and never for longer than one look at a map.
pub struct Queue<T> {
    size: usize,
    waiting: AtomicUsize,
    line: Mutex<Line<T>>,
}

struct Line<T> {
    next: u64,
    waiting: BTreeMap<Rank, oneshot::Sender<T>>,
}

/// Higher priorities first, then earlier arrivals.
type Rank = (Reverse<i32>, u64);

/// Somebody's place in the queue, given up when it is dropped.
pub struct Place<'q, T> {
    queue: &'q Queue<T>,
    rank: Rank,
    /// What comes free. An error: somebody more important needed the place.
    pub granted: oneshot::Receiver<T>,
}

impl<T> Queue<T> {
    /// A queue for so many.
    pub fn new(size: usize) -> Self {
        let line = Mutex::new(Line { next: 0, waiting: BTreeMap::new() });
        Queue { size, waiting: AtomicUsize::new(0), line }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins to wait; None where the queue is full of those who go first. Otherwise the last of a full one has to leave.
    pub fn enter(&self, priority: i32) -> Option<Place<'_, T>> {
        let mut line = self.line();
        if line.waiting.len() >= self.size {
            let last = line.waiting.last_entry().filter(|last| last.key().0.0 < priority)?;
            last.remove();
        }
        let rank = (Reverse(priority), line.next);
        line.next += 1;
        let (sender, granted) = oneshot::channel();
        line.waiting.insert(rank, sender);
        self.count(&line);
        drop(line);
        Some(Place { queue: self, rank, granted })
    }

    /// Gives what `take` finds to those who wait, in their order, until either runs out.
    pub fn serve(&self, mut take: impl FnMut() -> Option<T>) {
        let mut line = self.line();
        let mut left = None;
        while !line.waiting.is_empty() {
            let Some(it) = left.take().or_else(&mut take) else { break };
            let Some((_, first)) = line.waiting.pop_first() else {
                left = Some(it);
                break;
            };
            left = first.send(it).err();
        }
        self.count(&line);
        // To be dropped without the lock: whatever it is may come back here.
        drop(line);
        drop(left);
    }

    fn count(&self, line: &Line<T>) {
        self.waiting.store(line.waiting.len(), Ordering::SeqCst);
    }

    fn line(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        if line.waiting.remove(&self.rank).is_some() {
            self.queue.count(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_important_go_first_and_then_those_who_came_first() {
        let queue = Queue::new(9);
        let mut places = [0, 5, 0, 5, -1].map(|priority| queue.enter(priority).expect("there is room"));
        let mut number = 0;
        queue.serve(|| {
            number += 1;
            Some(number)
        });
        assert_eq!(places.each_mut().map(|place| place.granted.try_recv().expect("served")), [3, 1, 4, 2, 5]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_full_queue_turns_away_the_least_important() {
        let queue = Queue::<u8>::new(2);
        let mut first = queue.enter(0).expect("room");
        let mut second = queue.enter(0).expect("room");
        assert!(queue.enter(0).is_none());
        let mut third = queue.enter(1).expect("it goes before the others");
        assert!(second.granted.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
        assert_eq!(queue.len(), 2);
        let mut one = Some(7);
        queue.serve(|| one.take());
        assert_eq!((third.granted.try_recv(), queue.len()), (Ok(7), 1));
        assert!(first.granted.try_recv().is_err());
        assert!(Queue::<u8>::new(0).enter(9).is_none());
    }

    #[test]
    fn who_leaves_is_passed_over_and_nothing_is_lost() {
        let queue = Queue::new(9);
        let gone = queue.enter(3).expect("room");
        let mut stays = queue.enter(0).expect("room");
        drop(gone);
        assert_eq!(queue.len(), 1);
        let mut one = Some("seat");
        queue.serve(|| one.take());
        assert_eq!(stays.granted.try_recv(), Ok("seat"));
        queue.serve(|| unreachable!("nobody waits"));
    }
}
