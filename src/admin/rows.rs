//! Requests to the rows of a kind.

use http::{Method, header};
use serde_json::{Map, Value, json};

use super::access::Operator;
use super::effects::{broken, foreseen};
use super::filters::Filters;
use super::refusal::{nothing, stopped};
use super::reply::Reply;
use super::request::{NoObject, Request};
use crate::resources::{ApiKey, Kind, Resource, api_key};
use crate::store::Stored;
use crate::store::keeper::{Delete, Intent, Keeper, Keeping, Outcome, Precondition, Put, Refusal};

/// One request to the rows of a kind.
pub struct Call<'c> {
    pub keeping: &'c Keeping,
    pub kind: &'static Kind,
    pub who: &'c Operator,
    pub request: &'c Request,
}

/// What came of a write.
pub struct Done {
    pub revision: u64,
    pub rows: Vec<Stored>,
    /// Rows that name nothing any more.
    pub broken: Vec<Value>,
    /// What would follow, where nothing was written.
    pub effects: Option<Value>,
}

/// Carries out a write, or tells what would follow from it.
pub async fn carry_out(keeping: &Keeping, intent: Intent) -> Result<Done, Reply> {
    let (outcome, effects) = if intent.dry_run {
        let force = intent.force;
        let (outcome, effects) = ask(keeping, move |keeper| keeper.foresee(&intent)).await??;
        let effects = foreseen(&outcome, &effects, force)?;
        (outcome, Some(effects))
    } else {
        (commit(keeping, intent).await??, None)
    };
    Ok(Done { revision: outcome.revision, broken: broken(&outcome), rows: outcome.rows, effects })
}

/// Writes.
pub async fn commit(keeping: &Keeping, intent: Intent) -> Result<Result<Outcome, Refusal>, Reply> {
    let asked = keeping.ask(move |keeper| Box::pin(keeper.carry_out(intent)));
    asked.await.ok_or_else(stopped)
}

/// Asks the keeper something it knows.
pub async fn ask<T: Send + 'static>(
    keeping: &Keeping,
    question: impl FnOnce(&mut Keeper) -> T + Send + 'static,
) -> Result<T, Reply> {
    let asked = keeping.ask(move |keeper| Box::pin(async move { question(keeper) }));
    asked.await.ok_or_else(stopped)
}

impl Call<'_> {
    pub async fn serve(&self, path: &[&str]) -> Result<Reply, Reply> {
        match (path, &self.request.method) {
            ([], &Method::GET) => self.list().await,
            ([], &Method::POST) => self.create().await,
            ([id], &Method::GET) => self.read(id).await,
            ([id], &Method::PUT) => self.replace(id).await,
            ([id], &Method::PATCH) => self.patch(id).await,
            ([id], &Method::DELETE) => self.delete(id).await,
            ([id, "rotate"], &Method::POST) if self.holds_keys() => self.rotate(id).await,
            ([_, "rotate"], _) if self.holds_keys() => Err(Reply::wrong_method("POST")),
            ([], _) => Err(Reply::wrong_method("GET, HEAD, POST")),
            ([_], _) => Err(Reply::wrong_method("GET, HEAD, PUT, PATCH, DELETE")),
            _ => Err(nothing()),
        }
    }

    async fn list(&self) -> Result<Reply, Reply> {
        let size = match self.request.number("page_size")? {
            Some(0) => return Err(Reply::error(400, "page_size must be 1 or more")),
            size => size.map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(usize::MAX)),
        };
        let (kind, token) = (self.kind, self.request.query("page_token").map(str::to_owned));
        let filters = Filters::of(kind, self.request)?;
        let read = move |keeper: &mut Keeper| -> Vec<Stored> {
            let rows = keeper.list(kind, token.as_deref()).filter(|row| filters.show(row));
            rows.take(size.saturating_add(1)).cloned().collect()
        };
        let mut rows = ask(self.keeping, read).await?;
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more).map(|row| row.id.clone());
        let entries: Vec<Value> = rows.into_iter().map(|row| entry(self.kind, row)).collect();
        let reply = Reply::json(200, &Value::Array(entries));
        Ok(match next {
            Some(token) => reply.header(header::HeaderName::from_static("x-next-page-token"), token),
            None => reply,
        })
    }

    async fn read(&self, id: &str) -> Result<Reply, Reply> {
        self.request.takes(&[])?;
        let row = self.row(id).await?.ok_or(Refusal::NotFound)?;
        let tag = etag(row.revision);
        if self.request.if_none_match.as_deref() == Some(&tag) {
            return Ok(Reply::not_modified(tag));
        }
        Ok(Reply::json(200, &entry(self.kind, row)).header(header::ETAG, tag))
    }

    pub async fn row(&self, id: &str) -> Result<Option<Stored>, Reply> {
        let (kind, id) = (self.kind, id.to_owned());
        ask(self.keeping, move |keeper| keeper.get(kind, &id).cloned()).await
    }

    async fn create(&self) -> Result<Reply, Reply> {
        let mut body = self.body()?;
        let plaintext = if self.holds_keys() { hash_key(&mut body)? } else { None };
        self.write("create", self.put(None, body, Precondition::Anything), plaintext).await
    }

    async fn replace(&self, id: &str) -> Result<Reply, Reply> {
        self.write("replace", self.put(Some(id), self.changed()?, self.precondition()?), None).await
    }

    async fn patch(&self, id: &str) -> Result<Reply, Reply> {
        let put = self.put(Some(id), self.changed()?, self.precondition()?);
        self.write("patch", Put { merge: true, ..put }, None).await
    }

    async fn rotate(&self, id: &str) -> Result<Reply, Reply> {
        let plaintext = api_key::new_plaintext();
        let body = Map::from_iter([("key_hash".to_owned(), api_key::hash_of(&plaintext).into())]);
        let put = Put { merge: true, ..self.put(Some(id), body, Precondition::Present) };
        let done = self.carry_out("rotate", vec![put], Vec::new()).await?;
        let row = done.rows.into_iter().next().map(|row| entry(self.kind, row));
        Ok(Reply::json(
            200,
            &match done.effects {
                Some(effects) => json!({ "entry": row, "effects": effects }),
                None => json!({ "entry": row, "plaintext": plaintext }),
            },
        ))
    }

    async fn delete(&self, id: &str) -> Result<Reply, Reply> {
        let delete = Delete { kind: self.kind, id: id.to_owned(), only_if: self.precondition()? };
        let done = self.carry_out("delete", Vec::new(), vec![delete]).await?;
        let mut shown = json!({ "deleted": done.effects.is_none(), "id": id, "broken": done.broken });
        if let Some(effects) = done.effects {
            shown["effects"] = effects;
        }
        Ok(Reply::json(200, &shown))
    }

    /// Writes a row and answers with it. A key made for it is shown this once, unless nothing was written.
    async fn write(&self, action: &'static str, put: Put, plaintext: Option<String>) -> Result<Reply, Reply> {
        let done = self.carry_out(action, vec![put], Vec::new()).await?;
        let row = done.rows.into_iter().next().ok_or_else(stopped)?;
        let tag = etag(row.revision);
        let mut shown = entry(self.kind, row);
        match (done.effects, plaintext) {
            (Some(effects), _) => shown["effects"] = effects,
            (None, Some(plaintext)) => shown["plaintext"] = plaintext.into(),
            (None, None) => {}
        }
        Ok(Reply::json(200, &shown).header(header::ETAG, tag))
    }

    /// Carries out a write, or tells what would follow from it.
    async fn carry_out(
        &self,
        action: &'static str,
        puts: Vec<Put>,
        deletes: Vec<Delete>,
    ) -> Result<Done, Reply> {
        self.request.takes(&["dry_run", "force", "upsert"])?;
        let (force, dry_run) = (self.request.flag("force")?, self.request.flag("dry_run")?);
        carry_out(self.keeping, Intent { who: self.who.label.clone(), action, puts, deletes, force, dry_run })
            .await
    }

    fn put(&self, id: Option<&str>, body: Map<String, Value>, only_if: Precondition) -> Put {
        let (kind, body) = (self.kind, Value::Object(body));
        Put { kind, id: id.map(str::to_owned), body, only_if, merge: false }
    }

    fn holds_keys(&self) -> bool {
        self.kind.collection == ApiKey::COLLECTION
    }

    fn body(&self) -> Result<Map<String, Value>, Reply> {
        self.request.object().map_err(|other| match other {
            NoObject::Other => Reply::error(400, "the body must be one JSON object"),
            NoObject::NoJson(error) => Reply::error(400, format!("the body is not JSON: {error}")),
        })
    }

    /// The body of a change to a row that is there: a key is hashed where one is given, and none is made.
    fn changed(&self) -> Result<Map<String, Value>, Reply> {
        let mut body = self.body()?;
        if self.holds_keys() && body.contains_key("key") {
            hash_key(&mut body)?;
        }
        Ok(body)
    }

    /// `If-Match`, `If-None-Match: *` and `upsert`.
    fn precondition(&self) -> Result<Precondition, Reply> {
        if self.request.if_none_match.as_deref() == Some("*") {
            return Ok(Precondition::Absent);
        }
        match self.request.if_match.as_deref() {
            None if self.request.flag("upsert")? => Ok(Precondition::Anything),
            None | Some("*") => Ok(Precondition::Present),
            Some(tag) => match tag.trim_matches('"').parse() {
                Ok(revision) => Ok(Precondition::Revision(revision)),
                Err(_) => Err(Reply::error(412, "If-Match is no ETag of this API")),
            },
        }
    }
}

/// Puts the hash in place of a caller key's plaintext; makes one where neither is given. The plaintext that was made is
/// returned.
pub fn hash_key(members: &mut Map<String, Value>) -> Result<Option<String>, Reply> {
    let hashed = members.get("key_hash").is_some_and(|hash| !hash.is_null());
    let (plaintext, made) = match members.remove("key") {
        Some(_) if hashed => return Err(Reply::error(400, "key cannot stand beside key_hash")),
        Some(Value::String(key)) if api_key::is_acceptable(&key) => (key, false),
        Some(_) => {
            let least = api_key::SHORTEST;
            let message =
                format!("key must be a text of at least {least} characters without space around it");
            return Err(Reply::error(400, message));
        }
        None if hashed => return Ok(None),
        None => (api_key::new_plaintext(), true),
    };
    members.insert("key_hash".to_owned(), api_key::hash_of(&plaintext).into());
    Ok(made.then_some(plaintext))
}

/// A row as operators see it, without secrets.
fn entry(kind: &Kind, row: Stored) -> Value {
    json!({ "id": row.id, "value": shown(kind, row.body), "revision": row.revision })
}

/// What a row holds, as operators see it.
pub fn shown(kind: &Kind, mut body: Value) -> Value {
    kind.respell(&mut body);
    kind.masked(body)
}

fn etag(revision: u64) -> String {
    format!("\"{revision}\"")
}
