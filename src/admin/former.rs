//! The Admin API as the product's first generation had it, below `/aisix/admin`: for programs written for that. What a
//! row holds is written as it is today.

use http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::access::Operator;
use super::refusal::{in_use, nothing, stopped};
use super::reply::Reply;
use super::request::{NoObject, Request};
use super::rows::{self, Call};
use crate::document::Fault;
use crate::resources::{ApiKey, Guardrail, Model, ProviderKey, Resource, kind};
use crate::store::Stored;
use crate::store::keeper::{Delete, Intent, Keeper, Keeping, Precondition, Put, Refusal};

/// A kind as it was called then.
pub struct Former {
    pub segment: &'static str,
    /// In messages.
    title: &'static str,
    pub collection: &'static str,
}

/// The kinds of that time which there are still.
pub const FORMER: [Former; 4] = [
    Former { segment: "models", title: "Model", collection: Model::COLLECTION },
    Former { segment: "apikeys", title: "API key", collection: ApiKey::COLLECTION },
    Former { segment: "providers", title: "Provider", collection: ProviderKey::COLLECTION },
    Former { segment: "guardrails", title: "Guardrail", collection: Guardrail::COLLECTION },
];

/// Answers a request of somebody who was let in.
///
/// # Errors
/// The answer that says what is wrong.
pub async fn serve(
    keeping: &Keeping,
    who: &Operator,
    request: &Request,
    path: &[&str],
) -> Result<Reply, Reply> {
    // What is no parameter here could be meant to keep something from being written.
    request.takes(&[])?;
    let [segment, rest @ ..] = path else { return Err(nothing()) };
    let former = FORMER.iter().find(|former| former.segment == *segment).ok_or_else(nothing)?;
    let kind = kind(former.collection).ok_or_else(nothing)?;
    let errand = Errand { former, call: Call { keeping, kind, who, request } };
    match (rest, &request.method) {
        ([], &Method::GET) => errand.list().await,
        ([], &Method::POST) => errand.create().await,
        ([id], &Method::GET) => errand.read(id).await,
        ([id], &Method::PUT) => errand.put(id).await,
        ([id], &Method::DELETE) => errand.delete(id).await,
        ([], _) => Err(Reply::wrong_method("GET, HEAD, POST")),
        ([_], _) => Err(Reply::wrong_method("GET, HEAD, PUT, DELETE")),
        _ => Err(nothing()),
    }
}

struct Errand<'e> {
    former: &'static Former,
    call: Call<'e>,
}

impl Errand<'_> {
    async fn list(&self) -> Result<Reply, Reply> {
        let kind = self.call.kind;
        let list = move |keeper: &mut Keeper| keeper.list(kind, None).cloned().collect::<Vec<_>>();
        let rows = rows::ask(self.call.keeping, list).await?;
        let list: Vec<Value> = rows.into_iter().map(|row| self.item(row)).collect();
        Ok(Reply::json(200, &json!({"total": list.len(), "list": list})))
    }

    async fn read(&self, id: &str) -> Result<Reply, Reply> {
        let row = self.call.row(id).await?.ok_or_else(|| self.missing(id))?;
        Ok(Reply::json(200, &self.item(row)))
    }

    async fn create(&self) -> Result<Reply, Reply> {
        let id = Uuid::new_v4().to_string();
        self.write("create", 201, id, Precondition::Absent).await
    }

    async fn put(&self, id: &str) -> Result<Reply, Reply> {
        let status = if self.call.row(id).await?.is_some() { 200 } else { 201 };
        let action = if status == 200 { "replace" } else { "create" };
        self.write(action, status, id.to_owned(), Precondition::Anything).await
    }

    async fn delete(&self, id: &str) -> Result<Reply, Reply> {
        let delete = Delete { kind: self.call.kind, id: id.to_owned(), only_if: Precondition::Present };
        self.commit(id, "delete", Vec::new(), vec![delete]).await?;
        Ok(Reply::json(200, &json!({"deleted": 1, "key": self.key(id)})))
    }

    /// Writes a row under an id and answers with it. A key made for it is shown this once.
    async fn write(
        &self,
        action: &'static str,
        status: u16,
        id: String,
        only_if: Precondition,
    ) -> Result<Reply, Reply> {
        let mut body = self.body()?;
        let made =
            if self.former.collection == ApiKey::COLLECTION { rows::hash_key(&mut body)? } else { None };
        let (kind, body) = (self.call.kind, Value::Object(body));
        let put = Put { kind, id: Some(id.clone()), body, only_if, merge: false };
        let row = self.commit(&id, action, vec![put], Vec::new()).await?.into_iter().next();
        let mut value = rows::shown(kind, row.ok_or_else(stopped)?.body);
        if let Some(plaintext) = made {
            value["key"] = plaintext.into();
        }
        Ok(Reply::json(status, &json!({"key": self.key(&id), "value": value})))
    }

    async fn commit(
        &self,
        id: &str,
        action: &'static str,
        puts: Vec<Put>,
        deletes: Vec<Delete>,
    ) -> Result<Vec<Stored>, Reply> {
        let who = self.call.who.label.clone();
        let intent = Intent { who, action, puts, deletes, force: false, dry_run: false };
        let outcome = rows::commit(self.call.keeping, intent).await?;
        Ok(outcome.map_err(|refusal| self.refused(refusal, id))?.rows)
    }

    fn body(&self) -> Result<Map<String, Value>, Reply> {
        self.call.request.object().map_err(|other| match other {
            NoObject::NoJson(error) => Reply::error(400, format!("Invalid JSON: {error}")),
            NoObject::Other => violations(&[Fault::new("", "must be a mapping")]),
        })
    }

    /// An item of a list. The revision of a row's first write is not kept: both indices are that of the last.
    fn item(&self, row: Stored) -> Value {
        let value = rows::shown(self.call.kind, row.body);
        json!({
            "key": self.key(&row.id), "value": value,
            "created_index": row.revision, "modified_index": row.revision,
        })
    }

    fn key(&self, id: &str) -> String {
        format!("/{}/{id}", self.former.segment)
    }

    fn missing(&self, id: &str) -> Reply {
        Reply::error(404, format!("{} with ID {id} not found", self.former.title))
    }

    fn refused(&self, refusal: Refusal, id: &str) -> Reply {
        match refusal {
            Refusal::NotFound => self.missing(id),
            Refusal::Invalid(faults) => violations(&faults),
            Refusal::Taken(message) if message.contains(SAME_KEY) => {
                Reply::error(400, "API key already exists")
            }
            Refusal::Referenced(by) => Reply::error(409, in_use(&by)),
            other => other.into(),
        }
    }
}

/// One line for each thing that is wrong.
fn violations(faults: &[Fault]) -> Reply {
    let line = |fault: &Fault| {
        let path = fault.path.replace(['.', '['], "/").replace(']', "");
        format!("property \"/{path}\" validation failed: {}", fault.message)
    };
    let lines: Vec<String> = faults.iter().map(line).collect();
    Reply::error(400, format!("JSON schema validation error: {}", lines.join("\n")))
}

/// How [`ApiKey`] says that its key is another's.
const SAME_KEY: &str = "is the same key as";
