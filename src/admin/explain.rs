//! Where a request would go: asked here, answered by whoever knows how requests walk. Nothing is sent, and nothing that
//! is counted moves.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::reply::Reply;
use super::request::Request;
use super::rows;
use crate::resources::{ApiKey, Kind, Resource, Snapshot, api_key, kind};
use crate::store::keeper::Keeping;

/// A request that is described and not sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The alias.
    pub model: String,
    /// Id or name of a caller key. Without one, nobody's rights are looked at.
    pub caller_key: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The format the caller speaks, as `inbound_protocol` in the access log has it.
    #[serde(default = "openai")]
    pub dialect: String,
    /// Does the caller want a stream?
    #[serde(default)]
    pub stream: bool,
    /// What the caller sends, in its format; choices that look at the conversation need it.
    pub body: Option<Map<String, Value>>,
    pub client_address: Option<IpAddr>,
}

/// Who can answer.
pub trait Explains: Send + Sync {
    /// Where the request would go, now or under the rows of `proposed`.
    ///
    /// # Errors
    /// What is wrong with the question.
    fn explain(&self, question: &Question, proposed: Option<Arc<Snapshot>>) -> Result<Value, String>;
}

/// The document at `/admin/v1/explain`.
///
/// # Errors
/// The answer to a question that makes no sense.
pub async fn serve(explains: &dyn Explains, keeping: &Keeping, request: &Request) -> Result<Reply, Reply> {
    if request.method != Method::POST {
        return Err(Reply::wrong_method("POST"));
    }
    request.takes(&[])?;
    let mut body = request.object().map_err(|_| Reply::error(400, "the body must be one JSON object"))?;
    let proposed = match body.remove("proposed").filter(|proposed| !proposed.is_null()) {
        Some(proposed) => Some(imagined(keeping, proposed).await?),
        None => None,
    };
    let question = serde_json::from_value(Value::Object(body))
        .map_err(|error| Reply::error(400, format!("the body does not describe a request: {error}")))?;
    let answer = explains.explain(&question, proposed).map_err(|wrong| Reply::error(400, wrong))?;
    Ok(Reply::json(200, &answer))
}

/// What would be served if the rows of a resources document were written.
async fn imagined(keeping: &Keeping, document: Value) -> Result<Arc<Snapshot>, Reply> {
    let rows = rows_of(document)?;
    let imagined = rows::ask(keeping, move |keeper| keeper.imagine(rows)).await?;
    Ok(imagined?)
}

/// The rows of a document, by kind.
fn rows_of(document: Value) -> Result<Vec<(&'static Kind, Value)>, Reply> {
    let wrong = |what: String| Reply::error(400, format!("proposed: {what}"));
    let Value::Object(collections) = document else {
        return Err(wrong("must be an object with a list of rows for each collection".to_owned()));
    };
    let mut rows = Vec::new();
    for (collection, list) in collections.into_iter().filter(|(name, _)| name != "_format_version") {
        let kind = kind(&collection).ok_or_else(|| wrong(format!("there are no {collection:?}")))?;
        let Value::Array(list) = list else {
            return Err(wrong(format!("{collection} must be a list of rows")));
        };
        for mut row in list {
            let Value::Object(members) = &mut row else {
                return Err(wrong(format!("{collection}: a row must be an object")));
            };
            if kind.collection == ApiKey::COLLECTION {
                without_plaintext(members);
            }
            rows.push((kind, row));
        }
    }
    Ok(rows)
}

/// A caller key is asked for by its name here: nobody is let in with one that is proposed.
fn without_plaintext(members: &mut Map<String, Value>) {
    let given = [members.remove("key"), members.remove("key_env")];
    if given.iter().any(Option::is_some) || !members.contains_key("key_hash") {
        members.insert("key_hash".to_owned(), api_key::hash_of(&api_key::new_plaintext()).into());
    }
}

fn openai() -> String {
    "openai".to_owned()
}
