//! Many rows written at once, as `aisix import` does.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use http::Method;

use super::access::Operator;
use super::reply::Reply;
use super::request::Request;
use super::rows;
use crate::resources::kind;
use crate::store::keeper::{Delete, Intent, Keeping, Precondition, Put};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    puts: Vec<Entry>,
    #[serde(default)]
    deletes: Vec<Entry>,
}

/// A row, and the revision it must have; without one it must not be there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    collection: String,
    id: String,
    revision: Option<u64>,
    #[serde(default)]
    value: Value,
}

/// Writes and deletes many rows, all or none of them.
///
/// # Errors
/// The answer that says why none was.
pub async fn serve(keeping: &Keeping, who: &Operator, request: &Request) -> Result<Reply, Reply> {
    if request.method != Method::POST {
        return Err(Reply::wrong_method("POST"));
    }
    request.takes(&["dry_run", "force"])?;
    let (force, dry_run) = (request.flag("force")?, request.flag("dry_run")?);
    let intent = Intent { who: who.label.clone(), force, dry_run, ..intent(&request.body)? };
    let done = rows::carry_out(keeping, intent).await?;
    let mut shown = json!({"revision": done.revision, "written": done.rows.len(), "broken": done.broken});
    if let Some(effects) = done.effects {
        shown["effects"] = effects;
    }
    Ok(Reply::json(200, &shown))
}

/// What the body of a request asks for.
///
/// # Errors
/// The answer to one that asks for nothing sensible.
fn intent(body: &[u8]) -> Result<Intent, Reply> {
    let body = serde_json::from_slice::<Map<String, Value>>(body)
        .and_then(|body| serde_json::from_value::<Body>(Value::Object(body)))
        .map_err(|error| Reply::error(400, format!("the body does not say what to write: {error}")))?;
    let known = |entry: &Entry| {
        let unknown = || Reply::error(400, format!("there are no {:?}", entry.collection));
        let only_if = entry.revision.map_or(Precondition::Absent, Precondition::Revision);
        match entry.id.as_str() {
            "" => Err(Reply::error(400, "an id must not be empty")),
            _ => Ok((kind(&entry.collection).ok_or_else(unknown)?, only_if)),
        }
    };
    let mut intent = Intent {
        who: String::new(),
        action: "import",
        puts: Vec::new(),
        deletes: Vec::new(),
        force: false,
        dry_run: false,
    };
    for entry in body.puts {
        let (kind, only_if) = known(&entry)?;
        if !entry.value.is_object() {
            return Err(Reply::error(
                400,
                format!("{}/{}: value must be an object", entry.collection, entry.id),
            ));
        }
        intent.puts.push(Put { kind, id: Some(entry.id), body: entry.value, only_if, merge: false });
    }
    for entry in body.deletes {
        let (kind, only_if) = known(&entry)?;
        intent.deletes.push(Delete { kind, id: entry.id, only_if });
    }
    Ok(intent)
}
