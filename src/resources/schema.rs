//! JSON Schema from the structs.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The schema of `T` (draft 2020-12): as the struct has it, closed against unknown members.
pub(super) fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(close).transform(&mut schema);
    RecursiveTransform(prose).transform(&mut schema);
    schema.to_value()
}

/// An object with members of its own takes no others.
fn close(schema: &mut Schema) {
    let closed = schema.get("properties").is_some() && schema.get("additionalProperties").is_none();
    if closed {
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}

/// Descriptions are comments of the source: links between items mean nothing outside of it.
fn prose(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
    }
}
