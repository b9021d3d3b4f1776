//! Whole answers.

use bytes::Bytes;

use super::usage;
use crate::dialect::skim::answer;
use crate::dialect::{Answer, Usage};
use crate::error::Result;

/// A token count (`{"totalTokens":n}`) has neither a model's version nor usage and passes as it is.
pub fn splice(body: &Bytes, model: &str) -> Result<Answer> {
    let mut read = Usage::default();
    let members = ["modelVersion", "usageMetadata"];
    let body = answer::splice_members(body, members, model, |object| read.merge(&usage::read_bytes(object)))?;
    Ok(Answer { body, usage: read })
}
