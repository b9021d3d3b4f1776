//! The access log: one line per finished request.
//!
//! A request writes its line to where the lines of its thread wait; a thread of the log's own looks there every few
//! milliseconds and takes them to their destination. A request never waits for that: when too much is waiting the line
//! is dropped and counted. Lines of one thread keep their order.

mod line;

use std::cell::Cell;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use super::record::Record;
use line::{json_line, text_line};

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// For a person at a terminal.
    Text,
}

/// Where lines are handed over.
pub struct AccessLog {
    shared: Arc<Shared>,
    format: Format,
    writer: JoinHandle<()>,
}

struct Shared {
    /// Lines that wait. Each thread has its place, so that none waits for another's line.
    waiting: [Mutex<Vec<u8>>; PLACES],
    /// Who waits until everything is written.
    flushes: Mutex<Vec<SyncSender<()>>>,
    /// Does the writer sleep until it is woken?
    asleep: AtomicBool,
    /// No more lines will come.
    ended: AtomicBool,
    dropped: Arc<AtomicU64>,
}

impl AccessLog {
    /// Starts the writer thread.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(format: Format, out: Box<dyn Write + Send>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting: [const { Mutex::new(Vec::new()) }; PLACES],
            flushes: Mutex::default(),
            asleep: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            dropped: Arc::default(),
        });
        let writers = Arc::clone(&shared);
        let writer =
            std::thread::Builder::new().name("access-log".into()).spawn(move || run(&writers, out))?;
        Ok(AccessLog { shared, format, writer })
    }

    /// Hands one line over.
    pub fn write(&self, record: &Record<'_>) {
        let place = PLACE.with(|place| {
            place.get().unwrap_or_else(|| {
                let next = NEXT_PLACE.fetch_add(1, Ordering::Relaxed) % PLACES;
                place.set(Some(next));
                next
            })
        });
        let mut lines = lock(&self.shared.waiting[place]);
        if lines.len() >= MOST_WAITING_BYTES {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match self.format {
            Format::Json => json_line(&mut lines, record),
            Format::Text => lines.extend_from_slice(text_line(record).as_bytes()),
        }
        drop(lines);
        self.shared.wake(self.writer.thread());
    }

    /// Lines given up so far.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.dropped)
    }

    /// Waits, for a bounded time, until everything handed over so far is written.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        lock(&self.shared.flushes).push(done);
        self.writer.thread().unpark();
        let _ = wait.recv_timeout(FLUSH_PATIENCE);
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.writer.thread().unpark();
    }
}

impl Shared {
    /// Wakes the writer, if it sleeps. The line has been handed over under its lock, which the writer takes after it
    /// has said that it will sleep: either it sees the line, or this sees that it sleeps.
    fn wake(&self, writer: &Thread) {
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            writer.unpark();
        }
    }

    /// Everything that waits, behind what is in `batch`. Memory is exchanged under the lock, lines are copied after it.
    fn collect(&self, batch: &mut Vec<u8>, spare: &mut Vec<u8>) {
        for place in &self.waiting {
            let mut lines = lock(place);
            if lines.is_empty() {
                continue;
            }
            std::mem::swap(&mut *lines, spare);
            drop(lines);
            batch.extend_from_slice(spare);
            empty(spare);
        }
    }
}

/// Keeps some memory for the next lines.
fn empty(lines: &mut Vec<u8>) {
    lines.clear();
    lines.shrink_to(KEPT_CAPACITY);
}

/// A thread that panicked in the middle of its line leaves half a line, which harms no other.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes what waits. While lines keep coming the thread looks every [`TICK`] instead of being woken for each
/// line, which spares every request a system call; when it is quiet the thread sleeps until the next line.
fn run(shared: &Shared, mut out: Box<dyn Write + Send>) {
    let (mut batch, mut spare) = (Vec::new(), Vec::new());
    let mut quiet = 0;
    loop {
        let ended = shared.ended.load(Ordering::Acquire);
        let flushes = std::mem::take(&mut *lock(&shared.flushes));
        shared.collect(&mut batch, &mut spare);
        quiet = if batch.is_empty() { quiet + 1 } else { 0 };
        // A log that cannot be written must not end the gateway; the lines are lost with their destination.
        let _ = out.write_all(&batch).and_then(|()| out.flush());
        empty(&mut batch);
        for done in flushes {
            let _ = done.try_send(());
        }
        if ended {
            return;
        }
        match quiet {
            ..QUIET_TICKS => std::thread::park_timeout(TICK),
            // One more look after this is said.
            QUIET_TICKS => shared.asleep.store(true, Ordering::Relaxed),
            _ if shared.asleep.load(Ordering::Relaxed) => std::thread::park(),
            _ => quiet = 0,
        }
    }
}

thread_local! {
    /// Where this thread's lines wait.
    static PLACE: Cell<Option<usize>> = const { Cell::new(None) };
}

static NEXT_PLACE: AtomicUsize = AtomicUsize::new(0);

/// Places where lines wait. More threads than that share them.
const PLACES: usize = 64;
/// Bytes that may wait in one place; beyond that lines are dropped until the writer has come.
const MOST_WAITING_BYTES: usize = 8 << 20;
/// Memory that is kept for the next lines.
const KEPT_CAPACITY: usize = 64 * 1024;
/// How long a busy writer sleeps between two looks.
const TICK: Duration = Duration::from_millis(5);
/// Empty looks after which the writer waits to be woken.
const QUIET_TICKS: u32 = 100;
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::line::tests::record;
    use super::*;

    struct Sink(std::sync::mpsc::Sender<Vec<u8>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_json_object_whatever_the_alias_holds() {
        let (sender, receiver) = channel();
        let log = AccessLog::start(Format::Json, Box::new(Sink(sender))).expect("a thread starts");
        log.write(&record());
        log.flush();
        let bytes: Vec<u8> = receiver.try_iter().flatten().collect();
        let text = String::from_utf8(bytes).expect("text");
        assert_eq!(text.matches('\n').count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).expect("json");
        assert_eq!(line["model"], "a\"b\nc");
        assert_eq!(line["latency_ms"], 1.5);
        assert_eq!(line["added_ms"], 0.5);
        assert_eq!(line["timestamp"], "1970-01-01T00:00:00.000Z");
    }

    /// Takes lines when it is told to.
    struct Slow(std::sync::mpsc::Receiver<()>, std::sync::mpsc::Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_destination_that_takes_nothing_costs_lines_and_never_a_request() {
        let (go, told) = channel();
        let (sender, receiver) = channel();
        let log = AccessLog::start(Format::Json, Box::new(Slow(told, sender))).expect("a thread starts");
        let mut written = 0u64;
        while log.dropped().load(Ordering::Relaxed) == 0 {
            log.write(&record());
            written += 1;
        }
        drop(go);
        log.flush();
        let text = String::from_utf8(receiver.try_iter().flatten().collect()).expect("text");
        assert_eq!(text.lines().count() as u64, written - 1, "all but the line that found no room");
        let sound = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert!(text.lines().all(sound));
    }

    #[test]
    fn lines_of_many_threads_all_arrive_after_any_silence() {
        let (sender, receiver) = channel();
        let log = AccessLog::start(Format::Json, Box::new(Sink(sender))).expect("a thread starts");
        for _ in 0..3 {
            while !log.shared.asleep.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (0..100).for_each(|_| log.write(&record())));
                }
            });
            let mut lines = 0;
            while lines < 400 {
                let bytes = receiver.recv_timeout(Duration::from_secs(30)).expect("the writer was woken");
                lines += bytes.iter().filter(|byte| **byte == b'\n').count();
            }
            assert_eq!(lines, 400);
        }
    }
}
