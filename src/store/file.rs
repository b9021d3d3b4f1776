//! Resources in a file on disk. It is read when asked to, never watched.

use std::path::{Path, PathBuf};

use crate::document::{Problem, Problems};
use crate::resources::{self, Snapshot};

/// A resources file, and how many times it was loaded.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    generation: u64,
}

impl FileStore {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FileStore { path: path.into(), generation: 0 }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Generation of the last successful load; 0 before the first.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Reads the file and resolves `${VAR}` against this process's environment. The generation rises only
    /// when it succeeds. Blocks on the disk.
    ///
    /// # Errors
    /// The file cannot be read, is not UTF-8, or anything in it is wrong.
    pub fn load(&mut self) -> Result<Snapshot, Problems> {
        self.load_with(&|name| std::env::var(name).ok())
    }

    /// [`FileStore::load`] with another environment.
    ///
    /// # Errors
    /// As [`FileStore::load`].
    pub fn load_with(&mut self, env: &dyn Fn(&str) -> Option<String>) -> Result<Snapshot, Problems> {
        let text = std::fs::read_to_string(&self.path).map_err(|error| self.unreadable(&error))?;
        let snapshot = resources::file::load(&text, &self.path, env, self.generation + 1)?;
        self.generation += 1;
        Ok(snapshot)
    }

    fn unreadable(&self, error: &std::io::Error) -> Problems {
        Problems::one(Problem {
            file: Some(self.path.clone()),
            line: None,
            path: "(file)".to_owned(),
            message: format!("cannot be read: {error}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_rises_with_each_success_and_a_bad_file_changes_nothing() {
        let path = std::env::temp_dir().join(format!("aisix-store-{}.yaml", uuid::Uuid::new_v4()));
        let write = |text: &str| std::fs::write(&path, text).expect("the name is ours");
        let mut store = FileStore::new(&path);
        let missing = store.load_with(&|_| None).expect_err("it is not there yet").to_string();
        assert!(missing.contains("(file): cannot be read: "), "{missing}");
        write("_format_version: '1'\n");
        assert_eq!(store.load_with(&|_| None).expect("it is sound").generation(), 1);
        write("_format_version: '1'\nmodels: [{display_name: '${X}'}]\n");
        assert!(store.load_with(&|_| None).is_err());
        assert_eq!(store.generation(), 1);
        std::fs::write(&path, b"\xff\xfe").expect("the name is ours");
        assert!(store.load().is_err());
        write("_format_version: '1'\n");
        assert_eq!(store.load().expect("it is sound").generation(), 2);
        std::fs::remove_file(&path).expect("the name is ours");
    }
}
