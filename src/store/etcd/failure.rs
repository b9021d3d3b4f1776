//! Words for what can go wrong between us and etcd. They name endpoints, and never users, passwords or values.

use std::error::Error as _;
use std::time::Duration;

use etcd_client::Error;

use crate::store::Failure;

/// Why a request came to nothing.
#[derive(Debug)]
pub enum Trouble {
    /// No answer, or none that says what became of it: another member, or a later time, may do better.
    Lost(String),
    /// An answer, and the same will be said again.
    Refused(String),
    /// What was asked for is no longer kept.
    Compacted,
    /// What was asked for is still to come.
    Ahead,
}

impl Trouble {
    pub fn words(&self) -> &str {
        match self {
            Trouble::Lost(words) | Trouble::Refused(words) => words,
            Trouble::Compacted => "the revision is compacted",
            Trouble::Ahead => "the revision is still to come",
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Compacted => Failure::Compacted,
            trouble => Failure::Unavailable(trouble.words().to_owned()),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let Error::GRpcStatus(status) = &error else {
            let cause = deepest(&error);
            return match error {
                Error::InvalidArgs(_) | Error::InvalidUri(_) => Trouble::Refused(cause),
                _ => Trouble::Lost(cause),
            };
        };
        let said = status.message().trim_start_matches("etcdserver: ");
        if said.contains("has been compacted") {
            return Trouble::Compacted;
        }
        if said.contains("is a future revision") {
            return Trouble::Ahead;
        }
        match status.code() as i32 {
            INVALID_ARGUMENT | PERMISSION_DENIED | UNAUTHENTICATED | FAILED_PRECONDITION
            | RESOURCE_EXHAUSTED | UNIMPLEMENTED => Trouble::Refused(advice(said)),
            _ => match status.source() {
                Some(cause) => Trouble::Lost(deepest(cause)),
                None => Trouble::Lost(said.to_owned()),
            },
        }
    }
}

/// What to do about an answer whose own words do not say it.
fn advice(said: &str) -> String {
    if said.contains("request is too large") || said.contains("message larger than max") {
        return "the write is larger than etcd takes at once (its --max-request-bytes); write less at a time"
            .to_owned();
    }
    if said.contains("too many operations") {
        return "the write has more rows than etcd takes at once (its --max-txn-ops); write fewer at a time"
            .to_owned();
    }
    if said.contains("user name is empty") {
        return "etcd asks for a user: set etcd.user and etcd.password_env".to_owned();
    }
    said.to_owned()
}

/// The innermost cause, which says what happened rather than to whom.
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

pub fn silent(patience: Duration) -> Trouble {
    Trouble::Lost(format!("no answer within {} ms", patience.as_millis()))
}

// <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>
const INVALID_ARGUMENT: i32 = 3;
const PERMISSION_DENIED: i32 = 7;
const RESOURCE_EXHAUSTED: i32 = 8;
const FAILED_PRECONDITION: i32 = 9;
const UNIMPLEMENTED: i32 = 12;
const UNAUTHENTICATED: i32 = 16;
