//! The Admin API as an OpenAPI 3.1 document, from the kinds and from what the API does with each.

mod former;
pub mod operation;
mod rest;
mod rows;
mod schemas;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::page::Page;
use crate::resources::KINDS;
use operation::{Operation, Shared};

/// `/admin/openapi.json`, written once: anybody may ask for it.
pub static PUBLISHED: LazyLock<Page> =
    LazyLock::new(|| Page::new("application/json", document().to_string()));

/// The document.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut shared = Shared::default();
    for (path, method, operation) in operations() {
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method] = operation.written(&mut shared);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "AISIX Admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}, {"key": []}],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "parameters": shared.parameters,
            "responses": shared.responses,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "One of `admin.admin_keys` or `admin.operators`."},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same, where there is no `Authorization`."},
            },
        },
    })
}

/// Path, method and operation, in the order in which they are read.
pub(super) fn operations() -> Vec<(String, &'static str, Operation)> {
    let mut operations = rest::status();
    operations.extend(KINDS.iter().flat_map(rows::of));
    operations.extend(rest::history());
    operations.extend(former::all());
    operations.extend(rest::open());
    operations
}

/// Groups of operations, each with what it is about.
pub(super) fn tags() -> Vec<Value> {
    let kinds = KINDS.iter().map(|kind| {
        let force = if kind.acts { "" } else { " Stored, checked and served; not in force in this version." };
        json!({"name": kind.collection, "description": format!("{}{force}", kind.about())})
    });
    let first = [json!({"name": rest::STATUS, "description": "How models and configuration are."})];
    let last = [
        json!({"name": rest::HISTORY, "description": "Who wrote what and when, what it was before, and the way back to it."}),
        json!({"name": former::TAG, "description": former::ABOUT}),
        json!({"name": rest::OPEN, "description": "For everybody, without a key."}),
    ];
    first.into_iter().chain(kinds).chain(last).collect()
}

/// What holds for all of it; paragraphs are apart by an empty line.
pub(super) const ABOUT: &str = "Reads and writes what the gateway serves: a write is in force for the next request.

Every error is `{\"error_msg\": …}` and says what to do. Secrets are shown as `********`; written back, that leaves them as \
they are. `ETag` and `If-Match` keep two operators from overwriting each other. `?dry_run=true` writes nothing and tells \
what would change, which aliases would lead nowhere and which callers would lose them. Parameters that an operation does \
not know are refused.

A key of `admin.operators` with `read_only` may read, and try things out with `dry_run`.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::reference::Names;
    use crate::resources::{ApiKey, Resource};

    #[test]
    fn the_examples_of_all_kinds_are_admitted() {
        let id_of = |_: &'static str, _: &str| Some("0c55f1d0-6c0c-4f0e-9a39-6b1f9d0a7c21".to_owned());
        let names = Names { id_of: &id_of, known: &|_| Vec::new(), env: &|_| None };
        for kind in &KINDS {
            let examples = kind.schema()["examples"].as_array().cloned().unwrap_or_default();
            assert!(!examples.is_empty(), "{} has no example", kind.collection);
            for mut example in examples {
                let members = example.as_object_mut().expect("a row");
                if kind.collection == ApiKey::COLLECTION {
                    members.insert("key_hash".into(), "0".repeat(64).into());
                }
                kind.desugar(members, &names).expect("names of people's own");
                let read = kind.admit("id", &example);
                assert!(read.faults.is_empty(), "{}: {:?}", kind.collection, read.faults);
            }
        }
    }

    #[test]
    fn operations_have_names_of_their_own_and_known_tags() {
        let mut names = std::collections::HashSet::new();
        let tags = tags();
        for (path, method, operation) in operations() {
            assert!(names.insert(operation.id.clone()), "{} is there twice", operation.id);
            assert!(
                tags.iter().any(|tag| tag["name"] == operation.tag),
                "{method} {path}: {}",
                operation.tag
            );
            for parameter in operation.parameters.iter().filter(|parameter| parameter["in"] == "path") {
                let name = parameter["name"].as_str().expect("a name");
                assert!(path.contains(&format!("{{{name}}}")), "{path} has no {name}");
            }
        }
    }
}
