//! What is worked out for a routing alias when its configuration is applied.

use std::sync::Arc;

use crate::resources::model::Routing;

/// The targets of a routing alias.
#[derive(Debug)]
pub struct Group {
    pub(super) names: Vec<Arc<str>>,
}

impl Group {
    /// The group of a row; `former` is the one of the row before it.
    pub(super) fn new(routing: &Routing, _former: Option<&Group>) -> Self {
        Group { names: routing.targets.iter().map(|target| target.model.as_str().into()).collect() }
    }
}
