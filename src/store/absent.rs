//! In place of a store: where there is none, and while the real one is out of reach.

use async_trait::async_trait;

use super::{Audit, Batch, Failure, Rows, Store, Write};

/// Holds nothing, and says why to everybody who wants more.
#[derive(Clone, Debug)]
pub struct Absent {
    pub name: &'static str,
    pub why: Failure,
}

#[async_trait]
impl Store for Absent {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn load(&mut self) -> Result<Rows, Failure> {
        Ok(Rows::default())
    }

    async fn changes(&mut self, _after: u64) -> Result<Batch, Failure> {
        std::future::pending().await
    }

    async fn commit(&mut self, _write: Write) -> Result<u64, Failure> {
        Err(self.why.clone())
    }

    async fn audit(&mut self, _before: Option<u64>, _limit: usize) -> Result<Vec<Audit>, Failure> {
        Err(self.why.clone())
    }

    async fn at(&mut self, _revision: u64) -> Result<Option<Rows>, Failure> {
        Err(self.why.clone())
    }
}
