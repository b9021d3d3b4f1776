//! An answer in JSON: by the provider's own means where the model has them, else as the arguments of a tool it must
//! call, else by asking for it.

use super::model::Model;
use super::schema;
use super::write_tools::Tools;
use crate::dialect::DialectId;
use crate::dialect::canon::{Content, Format, Request, feature};
use crate::dialect::json::{Object, Raw};

/// How the form of the answer is said.
#[derive(Debug)]
pub enum Form<'a> {
    Free,
    /// `output_config.format`, with this schema.
    Native(Vec<u8>),
    /// The arguments of a tool.
    Tool(Raw<'a>),
    /// Words among the instructions.
    Words(Option<Raw<'a>>),
}

impl<'a> Form<'a> {
    pub fn new(request: &'a Request<'_>, model: Model, tools: &Tools<'_, '_>) -> Form<'a> {
        let schema = match &request.format {
            None => return Form::Free,
            // A schema must name every member, so that none says "some object".
            Some(Format::Json) => return Form::Words(None),
            Some(Format::Schema { schema, .. }) => &**schema,
        };
        if request.origin == DialectId::Anthropic {
            return Form::Native(schema.as_bytes().to_vec());
        }
        let Ok(fitted) = schema::fit(schema) else { return Form::Words(Some(schema)) };
        let is_native = model.keeps_schemas() && !quotes(request) && !fitted.is_recursive;
        let is_tool = fitted.is_object && (model.takes_forced_tools() || tools.is_forced());
        if is_native && (fitted.is_faithful() || !is_tool) {
            return Form::Native(fitted.json);
        }
        if is_tool { Form::Tool(schema) } else { Form::Words(Some(schema)) }
    }

    /// What the model is to be told.
    pub fn words(&self) -> Option<String> {
        match self {
            Form::Words(None) => Some(ONE_OBJECT.to_owned()),
            Form::Words(Some(schema)) => {
                Some(format!("{ONE_OBJECT}\nIt must follow this JSON schema:\n{schema}"))
            }
            _ => None,
        }
    }

    pub fn write(&self, config: &mut Object<'_>) {
        if let Form::Native(schema) = self {
            config.object("format", |format| {
                format.text("type", "json_schema");
                format.member("schema").extend_from_slice(schema);
            });
        }
    }
}

/// Is the answer to quote documents? Schemas leave no place for that, and the provider refuses both.
fn quotes(request: &Request<'_>) -> bool {
    feature::has(request, &|content| matches!(content, Content::Media(media) if media.citations))
}

const ONE_OBJECT: &str =
    "Answer with one JSON object and nothing else: no other text before or after it, and no code fence.";
