//! The Admin API: every kind of row, read and written.

use http::{Method, header};
use serde_json::{Value, json};

use super::access::{AdminKeys, Denied};
use super::reply::Reply;
use super::revisions;
use crate::document::Fault;
use crate::resources::{ApiKey, Kind, Resource, kind, sha256, to_hex};
use crate::store::keeper::{Delete, Intent, Keeping, Outcome, Precondition, Put, Refusal};
use crate::store::{Failure, Stored};

/// A request to the Admin API, as far as it matters here. Holds credentials, so nothing prints it.
#[derive(Default)]
pub struct Request {
    pub method: Method,
    /// Below `/admin/v1/`, in its segments.
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    pub authorization: Option<Vec<u8>>,
    pub x_api_key: Option<Vec<u8>>,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub body: Vec<u8>,
}

/// Serves the API over a keeper.
pub struct Api {
    pub keys: AdminKeys,
    pub keeping: Keeping,
}

impl Api {
    pub async fn serve(&self, request: Request) -> Reply {
        let who = match self.keys.check(request.authorization.as_deref(), request.x_api_key.as_deref()) {
            Ok(who) => who,
            Err(Denied::Closed) => {
                return Reply::error(
                    403,
                    "there is no Admin API without admin.admin_keys in the bootstrap file",
                );
            }
            Err(Denied::Unknown) => return Reply::error(401, "missing or malformed admin authorization"),
        };
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let kind = path.first().and_then(|name| collection(name));
        if kind.is_none() && !matches!(path.first(), Some(&"audit" | &"revisions")) {
            return Reply::error(404, "there is nothing at this path");
        }
        let keeping = &self.keeping;
        let Some(kind) = kind else { return History { keeping, who, request: &request }.serve(&path).await };
        let call = Call { keeping, kind, who, request: &request };
        match (path.get(1..).unwrap_or_default(), &request.method) {
            ([], &Method::GET) => call.list().await,
            ([], &Method::POST) => call.create().await,
            ([id], &Method::GET) => call.read(id).await,
            ([id], &Method::PUT) => call.replace(id, false).await,
            ([id], &Method::PATCH) => call.replace(id, true).await,
            ([id], &Method::DELETE) => call.delete(id).await,
            ([id, "rotate"], &Method::POST) if kind.collection == ApiKey::COLLECTION => call.rotate(id).await,
            ([] | [_], _) => Reply::error(405, "this path does not take that method"),
            _ => Reply::error(404, "there is nothing at this path"),
        }
    }
}

/// One request to what was.
struct History<'h> {
    keeping: &'h Keeping,
    who: String,
    request: &'h Request,
}

impl History<'_> {
    async fn serve(self, path: &[&str]) -> Reply {
        let number =
            |text: &str| text.parse::<u64>().map_err(|_| Reply::error(404, "a revision is a number"));
        match (path, &self.request.method) {
            (["audit"] | ["revisions"], &Method::GET) => self.audit().await,
            (["revisions", revision], &Method::GET) => match number(revision) {
                Ok(revision) => {
                    let asked = self.keeping.ask(move |keeper| Box::pin(revisions::diff(keeper, revision)));
                    asked.await.unwrap_or_else(stopped)
                }
                Err(reply) => reply,
            },
            (["revisions", revision, "rollback"], &Method::POST) => match number(revision) {
                Ok(revision) => {
                    let (who, dry_run) = (self.who, self.request.flag("dry_run"));
                    let asked = self
                        .keeping
                        .ask(move |keeper| Box::pin(revisions::roll_back(keeper, revision, who, dry_run)));
                    asked.await.map_or_else(stopped, |done| done.unwrap_or_else(refused))
                }
                Err(reply) => reply,
            },
            (["audit" | "revisions", ..], _) => Reply::error(405, "this path does not take that method"),
            _ => Reply::error(404, "there is nothing at this path"),
        }
    }

    /// The latest writes first; `before` a revision, `limit` of them.
    async fn audit(&self) -> Reply {
        let number = |name: &str| self.request.query(name).map(str::parse::<u64>).transpose();
        let (Ok(before), Ok(limit)) = (number("before"), number("limit")) else {
            return Reply::error(400, "before and limit must be whole numbers");
        };
        let limit = usize::try_from(limit.unwrap_or(USUAL_PAGE)).unwrap_or(usize::MAX).min(LONGEST_PAGE);
        let asked = self.keeping.ask(move |keeper| Box::pin(keeper.audit(before, limit)));
        match asked.await {
            None => stopped(),
            Some(Ok(entries)) => Reply::json(200, &entries.iter().map(revisions::entry).collect()),
            Some(Err(failure)) => refused(Refusal::Store(failure)),
        }
    }
}

impl Request {
    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|value| matches!(value, "" | "1" | "true"))
    }
}

/// The kind of a path segment; `apikeys` is an older name.
fn collection(name: &str) -> Option<&'static Kind> {
    kind(if name == "apikeys" { ApiKey::COLLECTION } else { name })
}

/// One request to the rows of a kind.
struct Call<'c> {
    keeping: &'c Keeping,
    kind: &'static Kind,
    who: String,
    request: &'c Request,
}

impl Call<'_> {
    fn query(&self, name: &str) -> Option<&str> {
        self.request.query(name)
    }

    fn flag(&self, name: &str) -> bool {
        self.request.flag(name)
    }

    async fn list(&self) -> Reply {
        let size = match self.query("page_size").map(str::parse::<usize>) {
            None => usize::MAX,
            Some(Ok(size @ 1..)) => size,
            Some(_) => return Reply::error(400, "page_size must be a whole number of 1 or more"),
        };
        let (kind, token) = (self.kind, self.query("page_token").map(str::to_owned));
        let name = self.query("name").map(str::to_owned);
        let read = move |keeper: &mut crate::store::keeper::Keeper| -> Vec<Stored> {
            let named = |row: &&Stored| {
                let body = row.body.as_object();
                name.as_ref()
                    .is_none_or(|name| body.and_then(|body| kind.name_of(body).ok()).as_ref() == Some(name))
            };
            keeper.list(kind, token.as_deref()).filter(named).take(size.saturating_add(1)).cloned().collect()
        };
        let Some(mut rows) = self.keeping.ask(move |keeper| Box::pin(async move { read(keeper) })).await
        else {
            return stopped();
        };
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more).map(|row| row.id.clone());
        let entries: Vec<Value> = rows.into_iter().map(|row| entry(self.kind, row)).collect();
        let reply = Reply::json(200, &Value::Array(entries));
        match next {
            Some(token) => reply.header(header::HeaderName::from_static("x-next-page-token"), token),
            None => reply,
        }
    }

    async fn read(&self, id: &str) -> Reply {
        let (kind, id) = (self.kind, id.to_owned());
        let asked = self.keeping.ask(move |keeper| Box::pin(async move { keeper.get(kind, &id).cloned() }));
        match asked.await {
            None => stopped(),
            Some(None) => refused(Refusal::NotFound),
            Some(Some(row)) => {
                let tag = etag(row.revision);
                if self.request.if_none_match.as_deref() == Some(&tag) {
                    return Reply::new(304, "application/json", Vec::new()).header(header::ETAG, tag);
                }
                Reply::json(200, &entry(self.kind, row)).header(header::ETAG, tag)
            }
        }
    }

    async fn create(&self) -> Reply {
        let mut body = match self.body() {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let plaintext = match self.hash_key(&mut body) {
            Ok(plaintext) => plaintext,
            Err(reply) => return reply,
        };
        let put = Put { kind: self.kind, id: None, body, only_if: Precondition::Anything, merge: false };
        self.write("create", put, plaintext).await
    }

    async fn replace(&self, id: &str, merge: bool) -> Reply {
        let mut body = match self.body() {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let given = body.get("key").is_some();
        if given && let Err(reply) = self.hash_key(&mut body) {
            return reply;
        }
        let only_if = match self.precondition() {
            Ok(only_if) => only_if,
            Err(reply) => return reply,
        };
        let put = Put { kind: self.kind, id: Some(id.to_owned()), body, only_if, merge };
        self.write(if merge { "patch" } else { "replace" }, put, None).await
    }

    async fn rotate(&self, id: &str) -> Reply {
        let plaintext = new_key();
        let body = json!({ "key_hash": to_hex(&sha256(plaintext.as_bytes())) });
        let put = Put {
            kind: self.kind,
            id: Some(id.to_owned()),
            body,
            only_if: Precondition::Present,
            merge: true,
        };
        match self.carry_out("rotate", vec![put], Vec::new()).await {
            Ok(outcome) => {
                let row = outcome.rows.into_iter().next().map(|row| entry(self.kind, row));
                Reply::json(200, &json!({ "entry": row, "plaintext": plaintext }))
            }
            Err(reply) => reply,
        }
    }

    async fn delete(&self, id: &str) -> Reply {
        let only_if = match self.precondition() {
            Ok(only_if) => only_if,
            Err(reply) => return reply,
        };
        let delete = Delete { kind: self.kind, id: id.to_owned(), only_if };
        match self.carry_out("delete", Vec::new(), vec![delete]).await {
            Ok(outcome) => Reply::json(
                200,
                &json!({ "deleted": !self.flag("dry_run"), "id": id, "broken": rows(&outcome.broken) }),
            ),
            Err(reply) => reply,
        }
    }

    /// Writes a row and answers with it. A key made here is shown this once.
    async fn write(&self, action: &'static str, put: Put, plaintext: Option<String>) -> Reply {
        match self.carry_out(action, vec![put], Vec::new()).await {
            Ok(outcome) => {
                let Some(row) = outcome.rows.into_iter().next() else { return stopped() };
                let tag = etag(row.revision);
                let mut shown = entry(self.kind, row);
                if let (Some(plaintext), Value::Object(members)) = (plaintext, &mut shown) {
                    members.insert("plaintext".to_owned(), plaintext.into());
                }
                Reply::json(200, &shown).header(header::ETAG, tag)
            }
            Err(reply) => reply,
        }
    }

    async fn carry_out(
        &self,
        action: &'static str,
        puts: Vec<Put>,
        deletes: Vec<Delete>,
    ) -> Result<Outcome, Reply> {
        let intent = Intent {
            who: self.who.clone(),
            action,
            puts,
            deletes,
            force: self.flag("force"),
            dry_run: self.flag("dry_run"),
        };
        let asked = self.keeping.ask(move |keeper| Box::pin(keeper.carry_out(intent)));
        asked.await.ok_or_else(stopped)?.map_err(refused)
    }

    fn body(&self) -> Result<Value, Reply> {
        match serde_json::from_slice(&self.request.body) {
            Ok(body @ Value::Object(_)) => Ok(body),
            Ok(_) => Err(Reply::error(400, "the body must be one JSON object")),
            Err(error) => Err(Reply::error(400, format!("the body is not JSON: {error}"))),
        }
    }

    /// Puts the hash in place of a caller key's plaintext; makes one where neither is given. The plaintext that was
    /// made is returned.
    fn hash_key(&self, body: &mut Value) -> Result<Option<String>, Reply> {
        let (true, Value::Object(members)) = (self.kind.collection == ApiKey::COLLECTION, body) else {
            return Ok(None);
        };
        let hashed = members.get("key_hash").is_some_and(|hash| !hash.is_null());
        let (plaintext, made) = match members.remove("key") {
            Some(_) if hashed => return Err(Reply::error(400, "key cannot stand beside key_hash")),
            Some(Value::String(key)) if key.len() >= SHORTEST_KEY && key.trim() == key => (key, false),
            Some(_) => {
                let message = format!(
                    "key must be a text of at least {SHORTEST_KEY} characters without space around it"
                );
                return Err(Reply::error(400, message));
            }
            None if hashed => return Ok(None),
            None => (new_key(), true),
        };
        members.insert("key_hash".to_owned(), to_hex(&sha256(plaintext.as_bytes())).into());
        Ok(made.then_some(plaintext))
    }

    /// `If-Match`, `If-None-Match: *` and `upsert`.
    fn precondition(&self) -> Result<Precondition, Reply> {
        if self.request.if_none_match.as_deref() == Some("*") {
            return Ok(Precondition::Absent);
        }
        match self.request.if_match.as_deref() {
            None if self.flag("upsert") => Ok(Precondition::Anything),
            None | Some("*") => Ok(Precondition::Present),
            Some(tag) => match tag.trim_matches('"').parse() {
                Ok(revision) => Ok(Precondition::Revision(revision)),
                Err(_) => Err(Reply::error(412, "If-Match is no ETag of this API")),
            },
        }
    }
}

/// A row as callers see it, without secrets.
fn entry(kind: &Kind, mut row: Stored) -> Value {
    kind.respell(&mut row.body);
    kind.mask(&mut row.body);
    json!({ "id": row.id, "value": row.body, "revision": row.revision })
}

fn etag(revision: u64) -> String {
    format!("\"{revision}\"")
}

fn rows(named: &[(String, String)]) -> Vec<Value> {
    let row = |(collection, name): &(String, String)| json!({ "collection": collection, "name": name });
    named.iter().map(row).collect()
}

fn refused(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::NotFound => Reply::error(404, "resource not found"),
        Refusal::Stale => Reply::error(412, "the resource is not as it was when you read it; read it again"),
        Refusal::Invalid(faults) => {
            Reply::error(400, faults.iter().map(fault).collect::<Vec<_>>().join("; "))
        }
        Refusal::Taken(message) => Reply::error(409, message),
        Refusal::Offered => Reply::error(
            409,
            "this row comes from the environment of the process; create one of the same name to take its place",
        ),
        Refusal::Referenced(by) => {
            let named: Vec<String> =
                by.iter().map(|(collection, name)| format!("{collection} {name:?}")).collect();
            let message = format!(
                "still in use by {}; change these first, or force it with ?force=true",
                named.join(", ")
            );
            Reply::error(409, message)
        }
        Refusal::Store(Failure::ReadOnly(why)) => Reply::error(409, why),
        Refusal::Store(failure) => Reply::error(500, format!("store error: {failure}")),
    }
}

fn fault(fault: &Fault) -> String {
    match fault.path.as_str() {
        "" => format!("schema validation failed: {}", fault.message),
        path => format!("schema validation failed at {path}: {}", fault.message),
    }
}

fn stopped() -> Reply {
    Reply::error(500, "store error: the keeper of the configuration has stopped")
}

/// `sk-` and 32 hexadecimal digits.
fn new_key() -> String {
    format!("sk-{}", uuid::Uuid::new_v4().simple())
}

/// Entries of the audit log in one answer.
const USUAL_PAGE: u64 = 100;
const LONGEST_PAGE: usize = 1000;
/// Shorter keys can be guessed.
const SHORTEST_KEY: usize = 8;
