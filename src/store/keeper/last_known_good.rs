//! A copy of what a remote store holds, on this machine's disk, to begin with when the store is out of reach.
//!
//! It is written by a thread of its own, at most about once a second, and is there completely or not at all. It holds
//! credentials as the store does, and is readable by its owner only.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::status::Facts;
use crate::resources::{sha256, to_hex};
use crate::store::{Rows, Stored};

/// What a copy brings back.
pub(super) struct Kept {
    pub rows: Rows,
    /// Earlier forms of rows whose latest one cannot be served.
    pub pinned: Vec<Stored>,
}

/// Writes copies. The last one is written before this is gone.
pub(super) struct Saver {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
    identity: String,
}

/// Where the keeper leaves what is to be written; only the latest matters.
#[derive(Default)]
struct Desk {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    facts: Option<Facts>,
    closed: bool,
}

impl Saver {
    /// `identity` tells the store from others.
    pub fn start(path: PathBuf, identity: String) -> Self {
        let desk = Arc::<Desk>::default();
        let (writer, to, of) = (Arc::clone(&desk), path.clone(), identity.clone());
        let thread = std::thread::Builder::new().name("last-known-good".to_owned());
        let thread = thread.spawn(move || writer.write(&to, &of)).map_err(|error| {
            tracing::warn!(%error, "the last known good configuration will not be kept");
        });
        Saver { desk, thread: thread.ok(), path, identity }
    }

    pub fn save(&self, facts: Facts) {
        self.desk.lock().facts = Some(facts);
        self.desk.more.notify_one();
    }

    /// The copy that is there, if it can be used. One that cannot is told of and left alone.
    pub fn read(&self) -> Option<Kept> {
        let unusable = |why: String| {
            tracing::warn!(file = %self.path.display(), why, "the last known good configuration is not used");
        };
        match fs::read(&self.path) {
            Ok(bytes) => decoded(&bytes, &self.identity).map_err(unusable).ok(),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                unusable(error.to_string());
                None
            }
        }
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.desk.lock().closed = true;
        self.desk.more.notify_one();
        if let Some(thread) = self.thread.take() {
            // It says itself what went wrong.
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, path: &Path, identity: &str) {
        let mut failed = false;
        while let Some(facts) = self.next() {
            let kept = replace(path, &encoded(&facts, identity));
            // Said once, not with every change.
            if let Some(error) = kept.as_ref().err().filter(|_| !failed) {
                tracing::warn!(file = %path.display(), %error, "the last known good configuration could not be kept");
            }
            failed = kept.is_err();
            drop(facts);
            let closed = |waiting: &mut Waiting| !waiting.closed;
            drop(self.more.wait_timeout_while(self.lock(), BETWEEN_COPIES, closed));
        }
    }

    /// Waits for something to write; None when there will be nothing any more.
    fn next(&self) -> Option<Facts> {
        let idle = |waiting: &mut Waiting| waiting.facts.is_none() && !waiting.closed;
        let waiting = self.more.wait_while(self.lock(), idle);
        waiting.unwrap_or_else(PoisonError::into_inner).facts.take()
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<C> {
    format: u32,
    /// Of the content as it is written.
    sha256: String,
    content: C,
}

#[derive(Serialize, Deserialize)]
struct Content<R> {
    store: String,
    revision: u64,
    rows: Vec<R>,
    pinned: Vec<R>,
}

#[derive(Serialize)]
struct Written<'r> {
    collection: &'r str,
    id: &'r str,
    revision: u64,
    body: &'r Value,
}

impl<'r> Written<'r> {
    fn of(row: &'r Stored) -> Self {
        Written { collection: &row.collection, id: &row.id, revision: row.revision, body: &row.body }
    }
}

#[derive(Deserialize)]
struct Found {
    collection: String,
    id: String,
    revision: u64,
    body: Value,
}

fn encoded(facts: &Facts, identity: &str) -> Vec<u8> {
    let rejected = || facts.rejected.values();
    // Rows of unknown kinds are known to those who rejected them alone.
    let strangers = rejected().filter_map(|rejected| rejected.stored.as_deref());
    let strangers = strangers.filter(|row| crate::resources::kind(&row.collection).is_none());
    let rows = facts.rows.values().map(|row| &**row).filter(|row| row.revision > 0);
    let content = Content {
        store: identity.to_owned(),
        revision: facts.applied.map_or(0, |applied| applied.revision),
        rows: rows.chain(strangers).map(Written::of).collect(),
        pinned: rejected().filter_map(|rejected| rejected.pinned.as_deref()).map(Written::of).collect(),
    };
    let content = serde_json::value::to_raw_value(&content).unwrap_or_else(|_| RawValue::NULL.to_owned());
    let sha256 = to_hex(&sha256(content.get().as_bytes()));
    serde_json::to_vec(&Envelope { format: FORMAT, sha256, content }).unwrap_or_default()
}

/// The messages quote nothing of what is in it.
fn decoded(bytes: &[u8], identity: &str) -> Result<Kept, String> {
    let damaged = |_: serde_json::Error| "it is damaged".to_owned();
    let envelope: Envelope<Box<RawValue>> = serde_json::from_slice(bytes).map_err(damaged)?;
    if envelope.format != FORMAT {
        return Err(format!("it has the format {}, and this version knows {FORMAT}", envelope.format));
    }
    let content = envelope.content.get();
    if envelope.sha256 != to_hex(&sha256(content.as_bytes())) {
        return Err("it is damaged: its checksum is another".to_owned());
    }
    let content: Content<Found> = serde_json::from_str(content).map_err(damaged)?;
    if content.store != identity {
        return Err(format!("it comes from another store: {}, not {identity}", content.store));
    }
    let stored = |found: Vec<Found>| {
        let rows = found.into_iter();
        rows.map(|Found { collection, id, revision, body }| Stored { collection, id, revision, body })
            .collect()
    };
    let rows = Rows { rows: stored(content.rows), revision: content.revision, ..Rows::default() };
    Ok(Kept { rows, pinned: stored(content.pinned) })
}

/// Puts a file in the place of another, so that after any end one of the two is there, whole.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(folder)?.sync_all()
}

/// How the content is laid out. Another number is not read.
const FORMAT: u32 = 1;
const BETWEEN_COPIES: Duration = Duration::from_secs(1);
