//! What is not about the rows of one kind: health, history, and what everybody may ask for.

use serde_json::{Map, Value, json};

use super::operation::{Answer, Operation, place, query, switch};
use super::schemas::reference;
use crate::admin::drain::LONGEST_WAIT_MILLIS;
use crate::resources::KINDS;

type Described = (String, &'static str, Operation);

pub const STATUS: &str = "health";
pub const HISTORY: &str = "history";
pub const OPEN: &str = "open to all";

/// How models and configuration are.
pub fn status() -> Vec<Described> {
    let health = json!({"type": "integer", "enum": [0, 1, 2], "description": "0 is well; 1 after 4 consecutive upstream failures, 2 after 8; a success makes it 0."});
    let text = json!({"type": "string"});
    let page = json!({
        "type": "object",
        "properties": {
            "status": {"enum": ["ok", "degraded", "unhealthy"]},
            "models": {"type": "array", "items": {
                "type": "object",
                "properties": {"id": text, "name": text, "health": health},
                "required": ["id", "name", "health"],
            }},
            "config": {
                "type": "object",
                "description": "Not there where resources come from a file.",
                "properties": {"snapshot_revision": {"type": "integer"}, "snapshot_age_seconds": {"type": ["integer", "null"]}},
                "required": ["snapshot_revision", "snapshot_age_seconds"],
            },
        },
        "required": ["status", "models"],
    });
    let models = json!({"type": "array", "items": reference("ModelStatus")});
    let health = Operation::new("health", STATUS, "How the gateway is", Answer::json("The state of all.", page))
        .more("`unhealthy` if any model is down, `degraded` if any is unwell or the configuration may be an old one. Nobody is routed by it.");
    let models = Operation::new(
        "models_status",
        STATUS,
        "How each model is",
        Answer::json("A row for each model.", models),
    );
    vec![
        ("/admin/v1/health".to_owned(), "get", health),
        ("/admin/v1/models/status".to_owned(), "get", models),
        ("/admin/v1/models/{id}/drain".to_owned(), "post", drain()),
        ("/admin/v1/models/{id}/undrain".to_owned(), "post", undrain()),
        ("/admin/v1/explain".to_owned(), "post", explain()),
    ]
}

fn drain() -> Operation {
    let wait = json!({"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT_MILLIS, "default": 0});
    set_aside("drain", "Set a model aside")
        .more("Aliases with several targets pass it over from now on; requests under way go on, and requests to the model by its own name are served. It is this process's own affair: no row is written, other gateways are not told, and a restart forgets it. A new configuration does not.")
        .parameters([query("wait_ms", "Answer when no try at the model is under way, or after this time.", wait)])
}

fn undrain() -> Operation {
    set_aside("undrain", "Take a model back that was set aside")
}

fn set_aside(id: &str, summary: &str) -> Operation {
    let named = place("id", "Id or name of a direct model.", json!({"type": "string"}));
    Operation::new(id, STATUS, summary, Answer::json("The model as it is now.", reference("ModelStatus")))
        .parameters([named])
        .error([404])
}

fn explain() -> Operation {
    let text = json!({"type": "string"});
    let question = json!({
        "type": "object",
        "properties": {
            "model": {"type": "string", "description": "The alias that is asked for."},
            "caller_key": {"type": ["string", "null"], "description": "Id or name of a caller key; without one, nobody's rights are looked at."},
            "headers": {"type": "object", "additionalProperties": text},
            "dialect": {"enum": ["openai", "openai_responses", "anthropic", "gemini"], "default": "openai"},
            "stream": {"type": "boolean", "default": false},
            "body": {"type": ["object", "null"], "description": "What is sent; choices that look at the conversation need it."},
            "client_address": {"type": ["string", "null"], "description": "Address of the caller."},
            "proposed": {"type": ["object", "null"], "description": "Rows as a resources file has them, by collection. The answer is given as if they were written, each in place of the one of its name."},
        },
        "required": ["model"],
        "additionalProperties": false,
    });
    let refusal = json!({
        "type": "object",
        "properties": {"status": {"type": "integer"}, "kind": text, "message": text},
        "required": ["status", "kind", "message"],
    });
    let targets = json!({"type": "array", "items": reference("ModelStatus")});
    let answer = json!({
        "type": "object",
        "properties": {
            "served": {"type": "boolean", "description": "Would a provider be asked?"},
            "requested": {"type": "object", "properties": {"alias": text, "model": text, "id": text}},
            "access": {"type": "object", "properties": {"allowed": {"type": "boolean"}, "refusal": refusal}},
            "refusal": refusal,
            "targets": targets, "candidates": targets,
            "strategy": text, "affinity": text,
            "although_unavailable": {"type": "boolean", "description": "No target is known to be well, and they are tried all the same."},
            "untold": {"type": "integer", "description": "Candidates beyond those that are shown."},
            "decision": {"type": "string", "description": "The same in one line, as logs and headers have it."},
        },
        "required": ["served"],
    });
    let example = json!({"model": "smart", "caller_key": "checkout-service", "headers": {"x-aisix-routing-tags": "eu"}});
    Operation::new("explain", STATUS, "Where a request would go", Answer::json("What would come of it.", answer))
        .more("Nothing is sent, and nothing that is counted moves. `targets` are in the order in which they would be tried; `candidates` have a `verdict` beside their health. A key that may only read may ask.")
        .body(question, vec![example])
}

/// What was: the audit log, differences, and the way back.
pub fn history() -> Vec<Described> {
    let number = || json!({"type": "integer", "minimum": 0});
    let writes = json!({"type": "array", "items": reference("Write")});
    let paging = [
        query("before", "Only what came before this revision.", number()),
        query("limit", "Entries at most; 100 without it, and never more than 1000.", number()),
    ];
    let changes = |more: Value| {
        let mut properties = json!({
            "revision": number(),
            "changes": {"type": "array", "items": reference("Difference")},
        });
        if let (Value::Object(properties), Value::Object(more)) = (&mut properties, more) {
            properties.extend(more);
        }
        json!({"type": "object", "properties": properties, "required": ["revision", "changes"]})
    };
    let revision = || place("revision", "A revision, as the audit log has it.", number());
    let list = |id: &str, summary: &str| {
        Operation::new(id, HISTORY, summary, Answer::json("The latest first.", writes.clone()))
            .parameters(paging.clone())
    };
    let answer = Answer::json("The rows that differ.", changes(json!({"current": number()})));
    let differences =
        Operation::new("difference", HISTORY, "What differs between a revision and now", answer)
            .parameters([revision()])
            .error([404]);
    let answer = Answer::json(
        "What was changed, and the new revision.",
        changes(json!({"effects": reference("Effects")})),
    );
    let back = Operation::new("roll_back", HISTORY, "Make everything as it was at a revision", answer)
        .more("A new revision comes of it, which can be taken back as well.")
        .parameters([revision(), switch("dry_run", "Write nothing, and tell what would follow.")])
        .error([404]);
    vec![
        ("/admin/v1/audit".to_owned(), "get", list("audit", "Who wrote what and when")),
        ("/admin/v1/revisions".to_owned(), "get", list("revisions", "The revisions, which are the writes")),
        ("/admin/v1/revisions/{revision}".to_owned(), "get", differences),
        ("/admin/v1/revisions/{revision}/rollback".to_owned(), "post", back),
        import(),
    ]
}

/// Many rows at once.
pub fn import() -> Described {
    let entry = |members: &[&str]| {
        let known = json!({
            "collection": {"type": "string", "enum": KINDS.iter().map(|kind| kind.collection).collect::<Vec<_>>()},
            "id": {"type": "string", "minLength": 1},
            "revision": {"type": ["integer", "null"], "minimum": 0, "description": "The revision it has; without one the row must not be there."},
            "value": {"type": "object", "description": "The row in its stored form: others are named by id."},
        });
        let properties: Map<String, Value> =
            members.iter().map(|name| ((*name).to_owned(), known[*name].clone())).collect();
        let required: Vec<&&str> = members.iter().filter(|name| **name != "revision").collect();
        json!({"type": "array", "items": {"type": "object", "properties": properties, "required": required, "additionalProperties": false}})
    };
    let body = json!({
        "type": "object",
        "properties": {
            "puts": entry(&["collection", "id", "revision", "value"]),
            "deletes": entry(&["collection", "id", "revision"]),
        },
        "additionalProperties": false,
    });
    let done = json!({
        "type": "object",
        "properties": {
            "revision": {"type": "integer"},
            "written": {"type": "integer"},
            "broken": {"type": "array", "items": {"type": "object"}},
            "effects": reference("Effects"),
        },
        "required": ["revision", "written", "broken"],
    });
    let operation = Operation::new(
        "import",
        HISTORY,
        "Write and delete many rows, all of them or none",
        Answer::json("They were written.", done),
    )
    .more("Rows that come together may name one another in any order. `aisix import` uses this.")
    .parameters([
        switch("dry_run", "Write nothing, and tell what would follow."),
        switch("force", "Although others name what is deleted."),
    ])
    .body(body, Vec::new())
    .error([404, 412]);
    ("/admin/v1/import".to_owned(), "post", operation)
}

/// What needs no key.
pub fn open() -> Vec<Described> {
    let text = |content_type| (content_type, json!({"type": "string"}));
    let page = |status, about, content_type| Answer {
        status,
        about,
        content: Some(text(content_type)),
        headers: Vec::new(),
    };
    let unchanged = Answer { status: 304, about: "It is as it was.", content: None, headers: Vec::new() };
    let probe = |id: &str, summary: &str| {
        Operation::new(id, OPEN, summary, page(200, "Yes.", PLAIN))
            .parameters([query("verbose", "List the checks.", json!({"type": "string"}))])
            .open()
            .answer(page(503, "No, and why.", PLAIN))
    };
    let document = Answer::json("The document.", json!({"type": "object"}));
    let html = |id: &str| {
        Operation::new(id, OPEN, "This page", page(200, "The page.", "text/html"))
            .open()
            .answer(unchanged.clone())
    };
    vec![
        ("/livez".to_owned(), "get", probe("livez", "Is the process alive?")),
        ("/readyz".to_owned(), "get", probe("readyz", "May traffic come?")),
        (
            "/admin/openapi.json".to_owned(),
            "get",
            Operation::new("document", OPEN, "This API as a document", document)
                .open()
                .answer(unchanged.clone()),
        ),
        ("/admin/openapi-scalar".to_owned(), "get", html("page")),
        ("/openapi".to_owned(), "get", html("page_of_the_first_generation")),
    ]
}

const PLAIN: &str = "text/plain";
