//! Paths: where each operation of a format is at an endpoint.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::choice::Choice;
use crate::dialect::DialectId;
use crate::upstream::credential::{Document, Key, path_segment};
use crate::upstream::providers::{Layout, Operation, Speaks};

/// Where a format's operations are.
#[derive(Debug)]
pub enum Route {
    /// One path for all.
    Fixed(String),
    Messages {
        generate: String,
        count: String,
    },
    /// Below it, models and their methods.
    Gemini(String),
    /// Below it, models.
    Bedrock(String),
    /// Below it, deployments.
    Azure(String),
    /// Of a project at a location.
    Vertex(String),
}

impl Route {
    /// `path`: that of the preferred format's address.
    pub fn of(speaks: &Speaks, choice: &Choice, path: &str, key: &Key) -> Self {
        match (choice.row.layout, key) {
            (Layout::Vertex, Key::Document(Document::Google(google))) => {
                Route::Vertex(format!("{path}/v1/projects/{}/locations/{}", google.project, google.region))
            }
            (Layout::Azure, _) => azure(speaks.dialect, path),
            _ if speaks == choice.preferred => plain(speaks.dialect, path),
            _ => {
                let site = path.strip_suffix(choice.preferred.at).unwrap_or(path);
                plain(speaks.dialect, &format!("{site}{}", speaks.at))
            }
        }
    }

    pub fn path(&self, dialect: DialectId, operation: Operation, model: &str, stream: bool) -> Cow<'_, str> {
        match self {
            Route::Fixed(path) if operation == Operation::Embed => {
                format!("{}/embeddings", path.strip_suffix(CHAT).unwrap_or(path)).into()
            }
            Route::Fixed(path) => path.into(),
            Route::Messages { generate, .. } if operation == Operation::Generate => generate.into(),
            Route::Messages { count, .. } => count.into(),
            Route::Gemini(root) => {
                let method = gemini_method(operation, stream);
                match model.strip_prefix("models/").map(|id| ("models", id)).or_else(|| tuned(model)) {
                    Some((kind, id)) => format!("{root}/{kind}/{}:{method}", encoded(id)).into(),
                    None => format!("{root}/models/{}:{method}", encoded(model)).into(),
                }
            }
            Route::Bedrock(root) => {
                let method = if stream { "converse-stream" } else { "converse" };
                format!("{root}/model/{}/{method}", path_segment(model)).into()
            }
            Route::Azure(root) => {
                let method = if operation == Operation::Embed { "/embeddings" } else { CHAT };
                format!("{root}/{}{method}?api-version={AZURE_VERSION}", encoded(model)).into()
            }
            Route::Vertex(root) => vertex(root, dialect, operation, model, stream).into(),
        }
    }
}

fn plain(dialect: DialectId, root: &str) -> Route {
    match dialect {
        DialectId::OpenAiChat => Route::Fixed(format!("{root}{CHAT}")),
        DialectId::Responses => Route::Fixed(format!("{root}/responses")),
        DialectId::Anthropic => Route::Messages {
            generate: format!("{root}/v1/messages"),
            count: format!("{root}/v1/messages/count_tokens"),
        },
        DialectId::Gemini => Route::Gemini(root.to_owned()),
        DialectId::Bedrock => Route::Bedrock(root.to_owned()),
    }
}

/// A deployment has a path of its own, but in the `v1` API and for Claude.
/// <https://learn.microsoft.com/en-us/azure/foundry/openai/latest>
fn azure(dialect: DialectId, root: &str) -> Route {
    match dialect {
        DialectId::OpenAiChat if !root.ends_with("/v1") => Route::Azure(format!("{root}/openai/deployments")),
        DialectId::Responses if !root.ends_with("/v1") => plain(dialect, &format!("{root}/openai/v1")),
        _ => plain(dialect, root),
    }
}

fn gemini_method(operation: Operation, stream: bool) -> &'static str {
    match (operation, stream) {
        (Operation::CountTokens, _) => "countTokens",
        (Operation::Embed, _) => "batchEmbedContents",
        (Operation::Generate, false) => "generateContent",
        // Without it a stream is one JSON array.
        (Operation::Generate, true) => "streamGenerateContent?alt=sse",
    }
}

/// A tuned model is no model among the others.
fn tuned(model: &str) -> Option<(&'static str, &str)> {
    Some(("tunedModels", model.strip_prefix("tunedModels/")?))
}

fn vertex(root: &str, dialect: DialectId, operation: Operation, model: &str, stream: bool) -> String {
    let method = if stream { "streamRawPredict" } else { "rawPredict" };
    match (dialect, operation) {
        (DialectId::Anthropic, Operation::CountTokens) => {
            format!("{root}/publishers/anthropic/models/count-tokens:rawPredict")
        }
        (DialectId::Anthropic, _) => {
            format!("{root}/publishers/anthropic/models/{}:{method}", encoded(model))
        }
        (DialectId::Gemini, _) => {
            let method = gemini_method(operation, stream);
            format!("{root}/publishers/google/models/{}:{method}", encoded(model))
        }
        _ => match raw_publisher(model) {
            Some(publisher) => format!("{root}/publishers/{publisher}/models/{}:{method}", encoded(model)),
            None => format!("{root}/endpoints/openapi/chat/completions"),
        },
    }
}

/// Vendors whose models take OpenAI's format at an address of their own.
fn raw_publisher(model: &str) -> Option<&'static str> {
    if model.starts_with("mistral-") || model.starts_with("codestral-") {
        return Some("mistralai");
    }
    model.starts_with("jamba-").then_some("ai21")
}

/// At Vertex AI the model decides the format.
pub fn vertex_dialect(model: &str) -> DialectId {
    if model.starts_with("gemini-") {
        DialectId::Gemini
    } else if model.starts_with("claude-") {
        DialectId::Anthropic
    } else {
        DialectId::OpenAiChat
    }
}

/// A model's id as one segment of a path, whatever is in it.
fn encoded(model: &str) -> Cow<'_, str> {
    match model {
        "." | ".." => "_".into(),
        model => utf8_percent_encode(model, NOT_IN_A_SEGMENT).into(),
    }
}

/// A path with the pairs of a query that it does not name itself.
pub fn with_query<'p>(path: Cow<'p, str>, query: &str) -> Cow<'p, str> {
    let name_of = |pair: &str| pair.split('=').next().unwrap_or(pair).to_owned();
    let (mut text, own) = match path.split_once('?') {
        Some((_, own)) => (path.to_string(), own.split('&').map(name_of).collect::<Vec<_>>()),
        None => return format!("{path}?{query}").into(),
    };
    for pair in query.split('&').filter(|pair| !own.contains(&name_of(pair))) {
        text.push('&');
        text.push_str(pair);
    }
    text.into()
}

/// Where chat completions are, below the root of OpenAI's API.
const CHAT: &str = "/chat/completions";
/// What Azure documents as its latest version with a date.
const AZURE_VERSION: &str = "2024-10-21";
/// `@` stands in model ids, and may stand in a path.
const NOT_IN_A_SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@');
