//! What bodies and answers hold.

use serde_json::{Map, Value, json};

use crate::resources::{ApiKey, KINDS, Kind, Resource};

/// All schemas by their names.
pub fn all() -> Map<String, Value> {
    let mut schemas: Map<String, Value> = KINDS.iter().flat_map(of_kind).collect();
    schemas.extend(KINDS.iter().map(|kind| (format!("{}Entry", name(kind)), entry(kind))));
    schemas.extend(general());
    schemas
}

/// What a kind is called in the document.
pub fn name(kind: &Kind) -> String {
    let title = kind.schema().get("title").and_then(Value::as_str);
    title.unwrap_or(kind.collection).to_owned()
}

pub fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A row with its id, as it is answered.
pub fn entry_of(kind: &Kind) -> Value {
    reference(&format!("{}Entry", name(kind)))
}

/// The schema of a kind as it is written, with the types it is made of beside it.
fn of_kind(kind: &'static Kind) -> Vec<(String, Value)> {
    let mut schema = kind.schema().clone();
    let name = name(kind);
    let parts = schema.as_object_mut().and_then(|schema| {
        schema.remove("$schema");
        schema.remove("$defs")
    });
    if kind.collection == ApiKey::COLLECTION {
        with_plaintext(&mut schema);
    }
    let mut schemas = vec![(name.clone(), schema)];
    if let Some(Value::Object(parts)) = parts {
        schemas.extend(parts.into_iter().map(|(part, schema)| (format!("{name}.{part}"), schema)));
    }
    for (_, schema) in &mut schemas {
        adapt(schema, &name);
    }
    schemas
}

/// A caller key may come as plaintext, and is made where it comes in no form.
fn with_plaintext(schema: &mut Value) {
    schema["properties"]["key"] = json!({
        "type": "string", "minLength": 8, "writeOnly": true,
        "description": "The key itself, of which only the hash is kept. Without `key` and `key_hash` one is made and shown once.",
    });
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name != "key_hash");
    }
}

/// Points references at where the document keeps the parts, and lets ids be written as names.
fn adapt(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get_mut("$ref")
                && let Some(part) = target.strip_prefix("#/$defs/")
            {
                *target = format!("#/components/schemas/{name}.{part}");
            }
            with_names(members);
            with_nulls(members);
            members.values_mut().for_each(|value| adapt(value, name));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| adapt(value, name)),
        _ => {}
    }
}

/// Where a row names another by its id, the name of that row will do.
fn with_names(schema: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    let ids: Vec<String> = properties
        .iter()
        .filter(|(_, property)| property.pointer("/x-ui/ids").is_some())
        .map(|(id, _)| id.clone())
        .collect();
    for id in &ids {
        if let Some(name) = id.strip_suffix("_id") {
            let about = format!("Name of the row, in place of `{id}`.");
            properties.insert(name.to_owned(), json!({"type": ["string", "null"], "description": about}));
        }
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| !ids.iter().any(|id| name == id));
    }
}

/// A member that is null counts as absent: where a default stands for it, null may be written.
fn with_nulls(schema: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    let defaulted = properties.values_mut().filter_map(Value::as_object_mut);
    for property in defaulted.filter(|property| property.contains_key("default")) {
        if let Some(of) = property.remove("$ref") {
            property.insert("anyOf".to_owned(), json!([{"$ref": of}, {"type": "null"}]));
        }
        if let Some(kind) = property.get_mut("type").filter(|kind| kind.is_string()) {
            *kind = json!([kind.take(), "null"]);
        }
        if let Some(Value::Array(words)) = property.get_mut("enum") {
            words.push(Value::Null);
        }
    }
}

fn entry(kind: &Kind) -> Value {
    let mut properties = json!({
        "id": {"type": "string"},
        "value": {"type": "object", "description": format!("The {}, secrets masked.", kind.title)},
        "revision": {"type": "integer", "description": "Rises with every write; in quotes it is the `ETag`."},
        "effects": reference("Effects"),
    });
    if kind.collection == ApiKey::COLLECTION {
        properties["plaintext"] =
            json!({"type": "string", "description": "The key that was made, shown this once."});
    }
    json!({"type": "object", "properties": properties, "required": ["id", "value", "revision"]})
}

fn object(about: &str, properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "description": about, "properties": properties, "required": required})
}

fn list(of: Value) -> Value {
    json!({"type": "array", "items": of})
}

/// What is not of one kind.
fn general() -> Vec<(String, Value)> {
    let text = || json!({"type": "string"});
    let row =
        || json!({"type": ["object", "null"], "description": "Secrets masked; null where it is not there."});
    let number = || json!({"type": "integer", "minimum": 0});
    let changed = object(
        "One row of a write.",
        json!({"collection": text(), "id": text(), "before": row(), "after": row()}),
        &["collection", "id", "before", "after"],
    );
    let named =
        object("A row by its name.", json!({"collection": text(), "name": text()}), &["collection", "name"]);
    let loss = object(
        "A caller key and what it could not use any more.",
        json!({"id": text(), "name": text(), "aliases_lost": list(text())}),
        &["id", "name", "aliases_lost"],
    );
    let effects = object(
        "What would follow from a write; answers to dry runs have it.",
        json!({
            "changes": list(reference("Changed")), "broken": list(reference("Named")),
            "aliases_lost": list(text()), "callers": list(reference("Loss")),
        }),
        &["changes", "broken", "aliases_lost", "callers"],
    );
    let error = object(
        "All that goes wrong has this shape.",
        json!({
            "error_msg": {"type": "string", "description": "What is wrong, and what to do."},
            "effects": reference("Effects"),
        }),
        &["error_msg"],
    );
    let write = object(
        "An entry of the audit log.",
        json!({
            "revision": number(), "at": {"type": "string", "format": "date-time"},
            "who": {"type": "string", "description": "The operator's name, or which of `admin.admin_keys`."},
            "action": text(), "changes": list(reference("Changed")),
        }),
        &["revision", "at", "who", "action", "changes"],
    );
    let difference = object(
        "One row now and then.",
        json!({"collection": text(), "id": text(), "now": row(), "then": row()}),
        &["collection", "id", "now", "then"],
    );
    let item = object(
        "A row as the first generation had it.",
        json!({
            "key": {"type": "string", "description": "`/models/<id>`"}, "value": {"type": "object"},
            "created_index": number(), "modified_index": number(),
        }),
        &["key", "value"],
    );
    let schemas = [
        ("ModelStatus", model_status()),
        ("Changed", changed),
        ("Named", named),
        ("Loss", loss),
        ("Effects", effects),
        ("Error", error),
        ("Write", write),
        ("Difference", difference),
        ("Item", item),
    ];
    schemas.map(|(name, schema)| (name.to_owned(), schema)).into()
}

/// How a model is: as a row of the status pages, or as a target or candidate of an alias.
fn model_status() -> Value {
    let text = || json!({"type": "string"});
    let number = |about: &str| json!({"type": "number", "minimum": 0, "description": about});
    let count = |about: &str| json!({"type": "integer", "minimum": 0, "description": about});
    let time = || json!({"type": "string", "format": "date-time"});
    object(
        "How a model is in this process. What is not known is not there.",
        json!({
            "id": text(), "display_name": text(), "model": {"type": "string", "description": "Its alias, where it is a target."},
            "kind": {"enum": ["direct", "routing", "ensemble", "semantic"]},
            "status": {"enum": ["healthy", "unhealthy", "cooldown", "not_applicable", "unknown"]},
            "status_reason": text(),
            "health": {"type": "integer", "enum": [0, 1, 2], "description": "As `/admin/v1/health` has it."},
            "circuit": {"enum": ["closed", "open", "half_open"], "description": "Open: left alone. Half open: one try at a time."},
            "circuit_reason": text(),
            "open_for_seconds": number("How long it stays open."),
            "cooldown_until": time(),
            "openings": count("Times it was opened without a success between."),
            "failures": count("Failures in a row."),
            "in_flight": count("Tries under way."),
            "latency_ms": number("Average of whole answers."),
            "first_frame_ms": number("Average until the first frame of a stream."),
            "drained": {"type": "boolean", "description": "An operator has set it aside."},
            "unwell": {"type": "boolean", "description": "Its last probe failed."},
            "unwell_for_seconds": number("How long that verdict holds."),
            "last_checked_at": time(), "last_check_status": {"enum": ["ok", "failed", "ignored"]}, "last_check_detail": text(),
            "targets": list(reference("ModelStatus")),
            "verdict": {"enum": ["chosen", "fallback", "dropped"], "description": "What a choice made of it."},
            "dropped_for": {"type": "string", "description": "Why it is not tried."},
            "upstream_model": text(), "provider": text(), "provider_key_id": text(), "unreachable": text(),
        }),
        &["status"],
    )
}
