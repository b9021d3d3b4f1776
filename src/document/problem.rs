//! What is wrong with a file, in words an operator can act on, with the place where it stands.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file it stands in; None for environment variables and for rows that came from nowhere on disk.
    pub file: Option<PathBuf>,
    /// The line in that file, from 1, where it is known.
    pub line: Option<usize>,
    /// What it is about: a key (`proxy.addr`), a row (`models[2] ("gpt-4o")`), a variable, `(file)`.
    pub path: String,
    /// What is wrong. Never contains a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    /// `conf/aisix.yaml:12: proxy.adrr: unknown key, did you mean "addr"?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong, sorted by place. Never empty when it is returned as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// One problem alone.
    pub fn one(problem: Problem) -> Self {
        Problems(vec![problem])
    }

    /// The problems in order of file, line and path, each once.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `value` when nothing is wrong, else the problems.
    ///
    /// # Errors
    /// All the problems collected so far.
    pub fn or<T>(self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Vec<Problem>> for Problems {
    fn from(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Problems(problems)
    }
}

impl fmt::Display for Problems {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A thing wrong inside one value: the path from that value down, and the message.
///
/// Validation speaks in faults; whoever knows the file turns them into [`Problem`]s.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// `routing.targets[0].model`; empty for the value itself.
    pub path: String,
    pub message: String,
}

impl fmt::Display for Fault {
    /// `routing.targets[0].model: unknown model "a"`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl Fault {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Fault { path: path.into(), message: message.into() }
    }
}
