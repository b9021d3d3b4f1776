//! The Admin API: who is let in, and which part of it answers.

use std::sync::Arc;

use http::Method;

use super::access::{AdminKeys, Denied, Operator, Presented};
use super::drain;
use super::explain::{self, Explains};
use super::former;
use super::health;
use super::import;
use super::refusal::nothing;
use super::reply::Reply;
use super::request::Request;
use super::revisions::History;
use super::rows::Call;
use super::status::Board;
use crate::resources::{ApiKey, Kind, Resource, kind};
use crate::store::keeper::Keeping;

/// Serves the API over a keeper.
pub struct Api {
    pub keys: AdminKeys,
    pub keeping: Keeping,
    pub board: Arc<Board>,
    pub explains: Box<dyn Explains>,
}

/// The two APIs, by the roots of their paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// `/aisix/admin/`
    First,
    /// `/admin/v1/`
    Second,
}

impl Api {
    /// Who asks.
    ///
    /// # Errors
    /// The answer to somebody who is not let in.
    pub fn admit(&self, generation: Generation, request: &Request) -> Result<&Operator, Reply> {
        let presented = Presented {
            authorization: request.authorization.as_deref(),
            x_api_key: request.x_api_key.as_deref(),
            bare: generation == Generation::First,
        };
        let operator = self.keys.check(presented).map_err(|denied| match denied {
            Denied::Closed => {
                Reply::error(403, "there is no Admin API without admin.admin_keys in the bootstrap file")
            }
            Denied::Unknown => Reply::error(401, "missing or malformed admin authorization"),
        })?;
        let reads =
            request.method == Method::GET || generation == Generation::Second && request.path == ["explain"];
        if operator.read_only && !reads && !request.flag("dry_run")? {
            return Err(Reply::error(403, READ_ONLY));
        }
        Ok(operator)
    }

    /// Answers a request of somebody who was let in, its body read.
    ///
    /// # Errors
    /// The answer that says what is wrong.
    pub async fn serve(
        &self,
        generation: Generation,
        who: &Operator,
        request: &Request,
    ) -> Result<Reply, Reply> {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        match (generation, &*path) {
            (Generation::First, path) => former::serve(&self.keeping, who, request, path).await,
            (Generation::Second, ["health"] | ["models", "status"]) if request.method != Method::GET => {
                Err(Reply::wrong_method("GET, HEAD"))
            }
            (Generation::Second, ["health"]) => Ok(self.health()),
            (Generation::Second, ["models", "status"]) => Ok(Reply::json(200, &health::models(&self.board))),
            (Generation::Second, ["models", model, verb @ ("drain" | "undrain")]) => {
                drain::serve(&self.board, who, request, model, *verb == "drain").await
            }
            (Generation::Second, ["explain"]) => {
                explain::serve(&*self.explains, &self.keeping, request).await
            }
            (Generation::Second, ["audit" | "revisions", ..]) => {
                History { keeping: &self.keeping, who, request }.serve(&path).await
            }
            (Generation::Second, ["import"]) => import::serve(&self.keeping, who, request).await,
            (Generation::Second, [name, rest @ ..]) => {
                let kind = collection(name).ok_or_else(nothing)?;
                Call { keeping: &self.keeping, kind, who, request }.serve(rest).await
            }
            (Generation::Second, []) => Err(nothing()),
        }
    }
}
/// The kind of a path segment; `apikeys` is an older name.
fn collection(name: &str) -> Option<&'static Kind> {
    kind(if name == "apikeys" { ApiKey::COLLECTION } else { name })
}

const READ_ONLY: &str = "this admin key may only read; with ?dry_run=true it may try what a change would do";
