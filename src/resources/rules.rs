//! Rules that relate the members of a row: one line a rule, and the faults that come of it.

use crate::document::Fault;

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Fault>);

impl Rules {
    pub fn check(&mut self, holds: bool, path: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.0.push(Fault::new(path, message));
        }
    }

    /// A member that must be there under a condition, and only then. `whose` names what sets it: `this type`.
    pub fn only_if(&mut self, wanted: bool, present: bool, path: &str, whose: &str) {
        self.check(present || !wanted, path, format!("is required for {whose}"));
        self.check(wanted || !present, path, format!("does not belong to {whose}"));
    }

    /// Takes what a check of the value at `path` says.
    pub fn try_at<E: Into<String>>(&mut self, path: impl Into<String>, outcome: Result<(), E>) {
        if let Err(message) = outcome {
            self.0.push(Fault::new(path, message));
        }
    }

    pub fn faults(self) -> Vec<Fault> {
        self.0
    }
}

/// What the tests of the kinds share.
#[cfg(test)]
pub(super) mod trial {
    use serde_json::Value;

    use crate::resources::kind::{Kind, Resource};

    /// Reads `base` once for each case, with the members of the case in place of its own, and compares what is
    /// said of it.
    pub fn table<R: Resource>(base: &Value, cases: &[(Value, &[&str])]) {
        let kind = Kind::of::<R>();
        for (changes, expected) in cases {
            let mut row = base.clone();
            for (name, value) in changes.as_object().into_iter().flatten() {
                row[name] = value.clone();
            }
            let read = kind.admit("id", &row);
            let said: Vec<String> =
                read.faults.iter().map(|fault| format!("{}: {}", fault.path, fault.message)).collect();
            assert_eq!(said, *expected, "{row}");
            assert_eq!(read.row.is_some(), read.faults.is_empty(), "{row}");
        }
    }

    /// The places at which a row names others, with what it names: `scope_ref -> models Id("m")`.
    pub fn references<R: Resource>(row: &Value) -> Vec<String> {
        let read = Kind::of::<R>().admit("id", row);
        let references = read.row.expect("the row is sound").references();
        references
            .iter()
            .map(|reference| format!("{} -> {} {:?}", reference.path, reference.to, reference.by))
            .collect()
    }
}
