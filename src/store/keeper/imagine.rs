//! A configuration that is thought of and not written.

use std::sync::Arc;

use serde_json::Value;

use super::{Intent, Keeper, Precondition, Put, Refusal};
use crate::resources::{Change, Kind, Snapshot, row_id};

impl Keeper {
    /// What would be served if these rows were written, each in place of the one of its name. Nothing is written, and
    /// what is served stays.
    ///
    /// # Errors
    /// Why they could not be written.
    pub fn imagine(&mut self, rows: Vec<(&'static Kind, Value)>) -> Result<Arc<Snapshot>, Refusal> {
        let puts =
            rows.into_iter().map(|(kind, body)| self.in_place(kind, body)).collect::<Result<_, _>>()?;
        let (who, deletes) = (String::new(), Vec::new());
        let intent = Intent { who, action: "imagine", puts, deletes, force: true, dry_run: true };
        let judged = self.judge(&intent, true)?;
        let changes = judged.puts.into_iter().map(|ready| {
            let entry = ready.entry;
            let former = self.catalog.get(entry.kind.collection, &entry.id);
            let old = former.and_then(|former| former.row.clone());
            Change { kind: entry.kind, id: entry.id, order: 0, old, new: entry.row }
        });
        let changes: Vec<Change> = changes.collect();
        Ok(Arc::new(self.snapshot.after(changes, self.published, String::new())))
    }

    /// With the id of the row that has its name, if there is one.
    fn in_place(&self, kind: &'static Kind, body: Value) -> Result<Put, Refusal> {
        let name = match &body {
            Value::Object(members) => kind.name_of(members).map_err(|fault| Refusal::Invalid(vec![fault]))?,
            _ => String::new(),
        };
        let there = self.catalog.id_of(kind.collection, &name);
        let is_offered = there.iter().any(|id| self.is_offered(&(kind.collection, id.clone())));
        let id = there.unwrap_or_else(|| row_id(kind.collection, &name));
        // The place of a row that is offered is taken by name.
        let id = Some(id).filter(|_| !is_offered);
        Ok(Put { kind, id, body, only_if: Precondition::Anything, merge: false })
    }
}
