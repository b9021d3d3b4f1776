//! The Admin API as an OpenAPI 3.1 document, from the kinds and from what the API does with each.

use serde_json::{Map, Value, json};

use crate::resources::{ApiKey, KINDS, Kind, Resource};

/// `/admin/openapi.json`
pub fn document() -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for kind in &KINDS {
        schemas.extend(of_kind(kind));
        let place = format!("/admin/v1/{}", kind.collection);
        paths.insert(place.clone(), collection(kind));
        paths.insert(format!("{place}/{{id}}"), row(kind));
        if kind.collection == ApiKey::COLLECTION {
            paths.insert(format!("{place}/{{id}}/rotate"), rotate(kind));
        }
    }
    paths.extend(history());
    schemas.insert(
        "Error".to_owned(),
        json!({
            "type": "object",
            "properties": {"error_msg": {"type": "string", "description": "What is wrong, and what to do."}},
            "required": ["error_msg"],
        }),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "AISIX Admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Reads and writes what the gateway serves. Secrets are shown as ******** and are left as they are when that is written back.",
        },
        "security": [{"bearer": []}, {"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "One of admin.admin_keys."},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same, where there is no Authorization."},
            },
        },
    })
}

/// The schema of a kind under its name, with the types it is made of beside it.
fn of_kind(kind: &Kind) -> Vec<(String, Value)> {
    let mut schema = kind.schema().clone();
    let name = name(kind);
    let parts = schema.as_object_mut().and_then(|schema| {
        schema.remove("$schema");
        schema.remove("$defs")
    });
    let mut schemas = vec![(name.clone(), schema)];
    if let Some(Value::Object(parts)) = parts {
        schemas.extend(parts.into_iter().map(|(part, schema)| (format!("{name}.{part}"), schema)));
    }
    for (_, schema) in &mut schemas {
        refer(schema, &name);
    }
    schemas
}

/// Points references at where the document keeps the parts.
fn refer(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get_mut("$ref")
                && let Some(part) = target.strip_prefix("#/$defs/")
            {
                *target = format!("#/components/schemas/{name}.{part}");
            }
            members.values_mut().for_each(|value| refer(value, name));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| refer(value, name)),
        _ => {}
    }
}

fn name(kind: &Kind) -> String {
    let title = kind.schema().get("title").and_then(Value::as_str);
    title.unwrap_or(kind.collection).to_owned()
}

fn collection(kind: &Kind) -> Value {
    let parameters = json!([
        {"name": "page_size", "in": "query", "description": "Rows at most; all without it.", "schema": {"type": "integer", "minimum": 1}},
        {"name": "page_token", "in": "query", "description": "x-next-page-token of the page before.", "schema": {"type": "string"}},
        {"name": "name", "in": "query", "description": "Only the row of this name.", "schema": {"type": "string"}},
    ]);
    let list = json!({"type": "array", "items": entry(kind)});
    json!({
        "get": operation(kind, "list", "Lists rows, by id.", Some(parameters), None, list),
        "post": operation(kind, "create", "Makes a row. The id is given by the server.", Some(json!([dry_run()])), Some(body(kind)), made(kind)),
    })
}

fn row(kind: &Kind) -> Value {
    let tag = json!({"name": "If-Match", "in": "header", "description": "The ETag that was read; 412 if the row has changed since.", "schema": {"type": "string"}});
    let force = json!({"name": "force", "in": "query", "description": "Although others name the row.", "schema": {"type": "boolean"}});
    let upsert = json!({"name": "upsert", "in": "query", "description": "Makes the row if it is not there.", "schema": {"type": "boolean"}});
    let deleted = json!({
        "type": "object",
        "properties": {"deleted": {"type": "boolean"}, "id": {"type": "string"}, "broken": {"type": "array", "items": {"type": "object"}}},
        "required": ["deleted", "id"],
    });
    let anything =
        json!({"type": "object", "description": "Members to change; null takes one away (RFC 7396)."});
    json!({
        "parameters": [id()],
        "get": operation(kind, "read", "Reads a row.", None, None, entry(kind)),
        "put": operation(kind, "replace", "Replaces a row.", Some(json!([tag, force, upsert, dry_run()])), Some(body(kind)), entry(kind)),
        "patch": operation(kind, "patch", "Changes members of a row.", Some(json!([tag, force, dry_run()])), Some(anything), entry(kind)),
        "delete": operation(kind, "delete", "Deletes a row; 409 while others name it.", Some(json!([tag, force, dry_run()])), None, deleted),
    })
}

fn rotate(kind: &Kind) -> Value {
    let rotated = json!({
        "type": "object",
        "properties": {"entry": entry(kind), "plaintext": {"type": "string", "description": "The new key, shown this once."}},
        "required": ["entry", "plaintext"],
    });
    json!({
        "parameters": [id()],
        "post": operation(kind, "rotate", "Gives a caller key a new plaintext.", None, None, rotated),
    })
}

/// What was: the audit log, differences, and the way back.
fn history() -> Map<String, Value> {
    let number = json!({"type": "integer", "minimum": 0});
    let entries = json!({"type": "array", "items": {"type": "object"}});
    let parameters = json!([
        {"name": "before", "in": "query", "description": "Only what came before this revision.", "schema": number},
        {"name": "limit", "in": "query", "description": "Entries at most; 100 without it.", "schema": number},
    ]);
    let revision = json!([{"name": "revision", "in": "path", "required": true, "schema": number}]);
    let changes = json!({
        "type": "object",
        "properties": {"revision": {"type": "integer"}, "changes": {"type": "array", "items": {"type": "object"}}},
        "required": ["revision", "changes"],
    });
    let audit = operation_of(
        "audit",
        "history",
        "Who wrote what and when, latest first.",
        Some(parameters),
        None,
        entries,
    );
    let diff = operation_of(
        "diff",
        "history",
        "What differs between a revision and now.",
        None,
        None,
        changes.clone(),
    );
    let back = operation_of(
        "roll_back",
        "history",
        "Makes everything as it was at a revision.",
        Some(json!([dry_run()])),
        None,
        changes,
    );
    let paths = json!({
        "/admin/v1/audit": {"get": audit},
        "/admin/v1/revisions/{revision}": {"parameters": revision, "get": diff},
        "/admin/v1/revisions/{revision}/rollback": {"parameters": revision, "post": back},
    });
    if let Value::Object(paths) = paths { paths } else { Map::new() }
}

fn id() -> Value {
    json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string"}})
}

fn dry_run() -> Value {
    json!({"name": "dry_run", "in": "query", "description": "Judges, and writes nothing.", "schema": {"type": "boolean"}})
}

/// What a write takes: a caller key may come as plaintext, and is made where none comes.
fn body(kind: &Kind) -> Value {
    let plain = json!({"$ref": format!("#/components/schemas/{}", name(kind))});
    if kind.collection != ApiKey::COLLECTION {
        return plain;
    }
    json!({"anyOf": [plain, {"type": "object", "description": "The same with `key`, the plaintext, or with neither: a key is made then and shown once."}]})
}

fn entry(kind: &Kind) -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "value": {"type": "object", "description": format!("The {}, secrets masked.", kind.title)},
            "revision": {"type": "integer", "description": "Rises with every write; the ETag in quotes."},
        },
        "required": ["id", "value", "revision"],
    })
}

fn made(kind: &Kind) -> Value {
    let mut made = entry(kind);
    if kind.collection == ApiKey::COLLECTION {
        made["properties"]["plaintext"] =
            json!({"type": "string", "description": "The key that was made, shown this once."});
    }
    made
}

fn operation(
    kind: &Kind,
    verb: &str,
    summary: &str,
    parameters: Option<Value>,
    body: Option<Value>,
    answer: Value,
) -> Value {
    let name = format!("{verb}_{}", kind.collection);
    operation_of(&name, kind.collection, summary, parameters, body, answer)
}

fn operation_of(
    name: &str,
    tag: &str,
    summary: &str,
    parameters: Option<Value>,
    body: Option<Value>,
    answer: Value,
) -> Value {
    let error = |description: &str| json!({"description": description, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}});
    let mut operation = json!({
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": answer}}},
            "400": error("The body or a parameter is wrong."),
            "401": error("No admin key, or none that is known."),
            "403": error("There are no admin keys."),
            "404": error("There is no such row."),
            "405": error("The path does not take the method."),
            "409": error("Another row is in the way, or resources cannot be written here."),
            "412": error("The row is not as it was read."),
            "413": error("The body is too large."),
            "500": error("The store failed."),
        },
    });
    if let Some(parameters) = parameters {
        operation["parameters"] = parameters;
    }
    if let Some(body) = body {
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": body}}});
    }
    operation
}
