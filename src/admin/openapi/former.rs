//! The operations of the first generation.

use serde_json::{Value, json};

use super::operation::{Answer, Operation, place};
use super::schemas::{name, reference};
use crate::admin::former::FORMER;
use crate::resources::{Kind, kind};

type Described = (String, &'static str, Operation);

pub const TAG: &str = "first generation";
pub const ABOUT: &str = "The Admin API as the first generation had it, for programs written for that. The key may stand in \
`Authorization` alone. What a row holds is written as it is today.";

pub fn all() -> Vec<Described> {
    let kinds = FORMER.iter().filter_map(|former| Some((former.segment, kind(former.collection)?)));
    kinds.flat_map(|(segment, kind)| of(segment, kind)).collect()
}

fn of(segment: &'static str, kind: &'static Kind) -> Vec<Described> {
    let item = || reference("Item");
    let list = json!({
        "type": "object",
        "properties": {"total": {"type": "integer"}, "list": {"type": "array", "items": item()}},
        "required": ["total", "list"],
    });
    let deleted = json!({
        "type": "object",
        "properties": {"deleted": {"const": 1}, "key": {"type": "string"}},
        "required": ["deleted", "key"],
    });
    let operation = |verb: &str, summary: String, answer: Answer| {
        let operation = Operation::new(format!("former_{verb}_{segment}"), TAG, summary, answer);
        Operation { former: true, ..operation }
    };
    let id = || place("id", "Id of the row.", json!({"type": "string"}));
    let body = || reference(&name(kind));
    let made = || Answer { status: 201, ..Answer::json("It was made.", item()) };
    let examples = || kind.schema().get("examples").and_then(Value::as_array).cloned().unwrap_or_default();
    let root = format!("/aisix/admin/{segment}");
    let row = format!("{root}/{{id}}");
    let words = segment;
    vec![
        (root.clone(), "get", operation("list", format!("List {words}"), Answer::json("All rows.", list))),
        (
            root,
            "post",
            operation("create", format!("Create one of {words}"), made()).body(body(), examples()),
        ),
        (
            row.clone(),
            "get",
            operation("read", format!("Read one of {words}"), Answer::json("The row.", item()))
                .parameters([id()])
                .error([404]),
        ),
        (
            row.clone(),
            "put",
            operation(
                "put",
                format!("Replace or create one of {words}"),
                Answer::json("It was there.", item()),
            )
            .answer(made())
            .parameters([id()])
            .body(body(), examples()),
        ),
        (
            row,
            "delete",
            operation("delete", format!("Delete one of {words}"), Answer::json("It is gone.", deleted))
                .parameters([id()])
                .error([404]),
        ),
    ]
}
