//! Resources in a file on disk, which people write. It is read when somebody asks for it, never watched, and taken as a
//! whole or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{Audit, Batch, Event, Failure, Rows, Store, Stored, Write};
use crate::document::{Problem, Problems};
use crate::resources::{self, Snapshot};

/// A resources file, and what was in it when it was read last.
pub struct FileStore {
    path: PathBuf,
    /// Variables of the rows.
    env: fn(&str) -> Option<String>,
    /// Counts the times it was found to be good. The revision.
    generation: u64,
    /// By collection and id, each with the generation in which it became what it is.
    rows: BTreeMap<(String, String), Stored>,
    asked: Arc<Notify>,
}

/// The way to ask for the file to be read again.
#[derive(Clone, Debug)]
pub struct Reload(Arc<Notify>);

impl Reload {
    /// Several wishes that nobody has heard yet are one.
    pub fn ask(&self) {
        self.0.notify_one();
    }
}

/// Reads a resources file, with `${VAR}` from this process's environment, as if it were served alone. Blocks on the disk.
///
/// # Errors
/// The file cannot be read, is not UTF-8, or anything in it is wrong.
pub fn snapshot(path: &Path) -> Result<Snapshot, Problems> {
    resources::file::load(&text(path)?, path, &variable, 1)
}

impl FileStore {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FileStore {
            path: path.into(),
            env: variable,
            generation: 0,
            rows: BTreeMap::new(),
            asked: Arc::default(),
        }
    }

    pub fn reload(&self) -> Reload {
        Reload(Arc::clone(&self.asked))
    }

    /// Reads the file; what is different in it now. Nothing changes here unless all of it is good.
    fn read(&mut self) -> Result<Batch, Failure> {
        let invalid = |problems: Problems| Failure::Invalid(problems.to_string());
        let text = text(&self.path).map_err(invalid)?;
        let found = resources::file::rows(&text, &self.path, &self.env).map_err(invalid)?;
        self.generation += 1;
        let mut former = std::mem::take(&mut self.rows);
        let mut events = Vec::new();
        for (collection, id, body) in found {
            let key = (collection.to_owned(), id.clone());
            let kept = former.remove(&key).filter(|row| row.body == body);
            let row = kept.unwrap_or_else(|| {
                let row = Stored { collection: collection.to_owned(), id, body, revision: self.generation };
                events.push(Event::Put(row.clone()));
                row
            });
            self.rows.insert(key, row);
        }
        events.extend(former.into_keys().map(|(collection, id)| Event::Gone { collection, id }));
        Ok(Batch { events, revision: self.generation })
    }

    fn all(&self) -> Rows {
        Rows { rows: self.rows.values().cloned().collect(), revision: self.generation, ..Rows::default() }
    }
}

fn text(path: &Path) -> Result<String, Problems> {
    std::fs::read_to_string(path).map_err(|error| {
        Problems::one(Problem {
            file: Some(path.to_owned()),
            line: None,
            path: "(file)".to_owned(),
            message: format!("cannot be read: {error}"),
        })
    })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[async_trait]
impl Store for FileStore {
    fn name(&self) -> &'static str {
        "file"
    }

    async fn load(&mut self) -> Result<Rows, Failure> {
        self.read()?;
        Ok(self.all())
    }

    async fn changes(&mut self, _after: u64) -> Result<Batch, Failure> {
        self.asked.notified().await;
        self.read()
    }

    async fn commit(&mut self, _write: Write) -> Result<u64, Failure> {
        let file = self.path.display();
        Err(Failure::ReadOnly(format!("resources come from {file} here: change the file and send SIGHUP")))
    }

    /// Who changed what is not known here.
    async fn audit(&mut self, _before: Option<u64>, _limit: usize) -> Result<Vec<Audit>, Failure> {
        Ok(Vec::new())
    }

    async fn at(&mut self, revision: u64) -> Result<Option<Rows>, Failure> {
        Ok((revision == self.generation).then(|| self.all()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use futures_util::FutureExt;

    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().expect("it does not wait")
    }

    fn told(batch: &Batch) -> Vec<String> {
        let mut told: Vec<String> = batch
            .events
            .iter()
            .map(|event| match event {
                Event::Put(row) => format!("{}@{}", row.body["display_name"], row.revision),
                other => format!("{other:?}").chars().take(4).collect(),
            })
            .collect();
        told.sort();
        told
    }

    const KEY: &str = "provider_keys: [{display_name: p, provider: openai, api_key: s}]\n";

    #[test]
    fn a_good_file_tells_what_is_different_and_a_bad_one_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.yaml");
        let write = |rows: &str| {
            std::fs::write(&path, format!("_format_version: '1'\n{rows}")).expect("a file");
        };
        let mut store = FileStore::new(&path);
        let Err(Failure::Invalid(missing)) = now(store.load()) else { panic!("it is not there yet") };
        assert!(missing.contains("(file): cannot be read: "), "{missing}");
        write(KEY);
        let rows = now(store.load()).expect("it is sound");
        assert_eq!((rows.revision, rows.rows.len()), (1, 1));
        assert_eq!(rows.rows[0].id, resources::row_id("provider_keys", "p"));

        let reload = store.reload();
        assert!(store.changes(1).now_or_never().is_none(), "nobody has asked");
        write(&format!("{KEY}api_keys: [{{display_name: k, key_hash: nonsense, allowed_models: []}}]\n"));
        reload.ask();
        let Err(Failure::Invalid(wrong)) = now(store.changes(1)) else { panic!("the hash is none") };
        assert!(wrong.contains("r.yaml:3: "), "{wrong}");
        assert_eq!(now(store.at(1)).expect("no failure").expect("it is known").rows.len(), 1);

        write(&format!(
            "{KEY}models: [{{display_name: m, provider: openai, model_name: x, provider_key: p}}]\n"
        ));
        reload.ask();
        reload.ask();
        let batch = now(store.changes(1)).expect("it is sound");
        assert_eq!((batch.revision, told(&batch)), (2, vec!["\"m\"@2".to_owned()]));
        assert!(store.changes(2).now_or_never().is_none(), "two wishes are one");
        write("");
        reload.ask();
        assert_eq!(told(&now(store.changes(2)).expect("it is sound")), ["Gone", "Gone"]);
        assert!(
            matches!(now(store.commit(Write::default())), Err(Failure::ReadOnly(why)) if why.contains("r.yaml"))
        );
    }
}
