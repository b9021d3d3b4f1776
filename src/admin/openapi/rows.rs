//! What can be done with the rows of a kind.

use serde_json::{Value, json};

use super::operation::{Answer, Operation, place, query, switch};
use super::schemas::{entry_of, name, reference};
use crate::admin::filters;
use crate::resources::{ApiKey, Kind, Resource};

type Described = (String, &'static str, Operation);

/// The operations on a kind.
pub fn of(kind: &'static Kind) -> Vec<Described> {
    let root = format!("/admin/v1/{}", kind.collection);
    let row = format!("{root}/{{id}}");
    let mut operations = vec![
        (root.clone(), "get", list(kind)),
        (root, "post", create(kind)),
        (row.clone(), "get", read(kind)),
        (row.clone(), "put", replace(kind)),
        (row.clone(), "patch", patch(kind)),
        (row.clone(), "delete", delete(kind)),
    ];
    if kind.collection == ApiKey::COLLECTION {
        operations.push((format!("{row}/rotate"), "post", rotate(kind)));
    }
    operations
}

fn operation(kind: &Kind, verb: &str, summary: String, answer: Answer) -> Operation {
    Operation::new(format!("{verb}_{}", kind.collection), kind.collection, summary, answer)
}

fn list(kind: &Kind) -> Operation {
    let rows = json!({"type": "array", "items": entry_of(kind)});
    let mut answer = Answer::json("The rows, by id.", rows);
    answer.headers.push(("x-next-page-token", "There are more rows: ask for them with this `page_token`."));
    let fixed = ["name", "page_size", "page_token"];
    let members = filters::members(kind);
    let members = members.into_iter().filter(|(member, _)| !fixed.contains(member));
    let members = members.map(|(member, _)| {
        query(member, &format!("Only rows with this `{member}`."), json!({"type": "string"}))
    });
    let number = json!({"type": "integer", "minimum": 1});
    operation(kind, "list", format!("List {}", words(kind)), answer)
        .parameters([
            query("name", "Only the row of this name.", json!({"type": "string"})),
            query("page_size", "Rows at most; all without it.", number),
            query("page_token", "The `x-next-page-token` of the page before.", json!({"type": "string"})),
        ])
        .parameters(members)
}

fn create(kind: &Kind) -> Operation {
    operation(
        kind,
        "create",
        format!("Create a {}", kind.title),
        written("The row, with the id it was given.", kind),
    )
    .parameters([dry_run()])
    .body(reference(&name(kind)), examples(kind))
}

fn read(kind: &Kind) -> Operation {
    let tag = json!({"name": "If-None-Match", "in": "header", "description": "An `ETag`: 304 while the row is as it was.", "schema": {"type": "string"}});
    let unchanged = Answer { status: 304, about: "It is as it was.", content: None, headers: Vec::new() };
    operation(kind, "read", format!("Read a {}", kind.title), written("The row.", kind))
        .parameters([id(), tag])
        .answer(unchanged)
        .error([404])
}

fn replace(kind: &Kind) -> Operation {
    let upsert = switch("upsert", "Create the row if it is not there, under this id.");
    operation(kind, "replace", format!("Replace a {}", kind.title), written("The row as it is now.", kind))
        .parameters([id(), if_match(), dry_run(), force(), upsert])
        .body(reference(&name(kind)), examples(kind))
        .error([404, 412])
}

fn patch(kind: &Kind) -> Operation {
    let patch =
        json!({"type": "object", "description": "Members to change; null takes one away (RFC 7396)."});
    operation(
        kind,
        "patch",
        format!("Change members of a {}", kind.title),
        written("The row as it is now.", kind),
    )
    .parameters([id(), if_match(), dry_run(), force()])
    .body(patch, Vec::new())
    .error([404, 412])
}

fn delete(kind: &Kind) -> Operation {
    let deleted = json!({
        "type": "object",
        "properties": {
            "deleted": {"type": "boolean"},
            "id": {"type": "string"},
            "broken": {"type": "array", "items": reference("Named"), "description": "Rows that name nothing any more."},
            "effects": reference("Effects"),
        },
        "required": ["deleted", "id", "broken"],
    });
    operation(kind, "delete", format!("Delete a {}", kind.title), Answer::json("It is gone.", deleted))
        .more("Refused with 409 while other rows name it, unless it is forced.")
        .parameters([id(), if_match(), dry_run(), force()])
        .error([404, 412])
}

fn rotate(kind: &Kind) -> Operation {
    let rotated = json!({
        "type": "object",
        "properties": {
            "entry": entry_of(kind),
            "plaintext": {"type": "string", "description": "The new key, shown this once."},
            "effects": reference("Effects"),
        },
        "required": ["entry"],
    });
    let answer = Answer::json("The row and its new key.", rotated);
    operation(kind, "rotate", "Give a caller key a new plaintext".to_owned(), answer)
        .more("The key it had is refused from the next request on.")
        .parameters([id(), dry_run()])
        .error([404])
}

fn written(about: &'static str, kind: &Kind) -> Answer {
    let mut answer = Answer::json(about, entry_of(kind));
    answer.headers.push(("ETag", "The revision in quotes, for `If-Match`."));
    answer
}

/// Several rows in words.
fn words(kind: &Kind) -> String {
    kind.collection.replace('_', " ")
}

fn examples(kind: &Kind) -> Vec<Value> {
    kind.schema().get("examples").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn id() -> Value {
    place("id", "Id of the row.", json!({"type": "string"}))
}

fn if_match() -> Value {
    json!({"name": "If-Match", "in": "header", "description": "The `ETag` that was read; 412 if the row has changed since.", "schema": {"type": "string"}})
}

fn dry_run() -> Value {
    switch("dry_run", "Write nothing, and tell in `effects` what would follow.")
}

fn force() -> Value {
    switch("force", "Although other rows name this one.")
}
