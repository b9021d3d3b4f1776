//! What the streams of a run have in common: how many are open, the window, and what they must say.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;

/// Shared by all callers.
#[derive(Debug)]
pub struct Stage {
    streams: usize,
    open: Cell<usize>,
    frames: Cell<u64>,
    phase: Cell<Phase>,
    all_open: Notify,
    over: Notify,
    /// What one whole stream said, and every other must say.
    said: RefCell<Option<Vec<u8>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    Window,
    Over,
}

impl Stage {
    pub fn new(streams: usize) -> Self {
        Stage {
            streams,
            open: Cell::new(0),
            frames: Cell::new(0),
            phase: Cell::new(Phase::Opening),
            all_open: Notify::new(),
            over: Notify::new(),
            said: RefCell::new(None),
        }
    }

    /// Waits until all streams are open, and then for as long as the window is; prints its begin and its end.
    pub async fn play(&self, window: Duration) {
        self.all_open.notified().await;
        self.mark("begin");
        self.phase.set(Phase::Window);
        tokio::time::sleep(window).await;
        self.mark("end");
        self.end();
    }

    fn mark(&self, what: &str) {
        println!("{}", json!({"mark": what, "frames": self.frames.get()}));
    }

    fn end(&self) {
        self.phase.set(Phase::Over);
        self.over.notify_waiters();
    }

    /// The first frame of a caller's first stream has come.
    pub fn opened(&self) {
        self.open.set(self.open.get() + 1);
        if self.open.get() == self.streams {
            self.all_open.notify_one();
        }
    }

    /// A content frame has come.
    pub fn count(&self) {
        self.frames.set(self.frames.get() + 1);
    }

    /// The run has failed: nobody need go on.
    pub fn spoil(&self) {
        self.end();
    }

    pub fn is_over(&self) -> bool {
        self.phase.get() == Phase::Over
    }

    pub fn in_window(&self) -> bool {
        self.phase.get() == Phase::Window
    }

    /// Waits until the window has ended.
    pub async fn ended(&self) {
        let over = self.over.notified();
        if !self.is_over() {
            over.await;
        }
    }

    /// Is this what every stream says? The first one decides.
    pub fn agrees(&self, text: &[u8]) -> bool {
        self.said.borrow_mut().get_or_insert_with(|| text.to_vec()) == text
    }
}
