//! Which operation a request is, by its method and target, and whose rules it stands under.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::call::Dialect;
use super::script::Script;
use super::server::Shared;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Route {
    Chat,
    Messages,
    CountTokens,
    Responses,
    /// Gemini's `generateContent` or `streamGenerateContent`.
    Generate {
        model: String,
        stream: Stream,
    },
    /// Gemini's `countTokens`.
    GeminiCount,
    /// Bedrock's `converse` or `converse-stream`.
    Converse {
        model: String,
        stream: bool,
    },
    /// An OAuth token endpoint, Google's or Entra's.
    Token,
    Models,
    Model(String),
    Live,
    Unknown,
}

/// How Gemini streams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stream {
    Whole,
    Events,
    /// One JSON array, which is what it sends without `alt=sse`.
    Array,
}

/// Where the request was sent, as far as that changes what is asked of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Platform {
    #[default]
    Vendor,
    /// With the deployment of the path, and whether the path needs an `api-version` that is not there.
    Azure { deployment: Option<String>, unversioned: bool },
    /// With the model of the path, where the body is Anthropic's.
    Vertex(Option<String>),
}

/// What a request line asks for.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) route: Route,
    pub(super) platform: Platform,
    /// The key of the query, Gemini's `?key=`.
    pub(super) query_key: Option<String>,
}

impl Target {
    pub(super) fn of(method: &str, target: &str) -> Target {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.trim_end_matches('/');
        let route = Route::plain(method, path.strip_prefix("/v1").unwrap_or(path));
        if route != Route::Unknown {
            return Target { route, platform: Platform::Vendor, query_key: None };
        }
        let (route, platform) = elsewhere(method, path, query);
        let query_key = parameter(query, "key").map(str::to_owned);
        Target { route, platform, query_key }
    }
}

impl Route {
    /// The routes of OpenAI and Anthropic themselves.
    fn plain(method: &str, path: &str) -> Route {
        match (method, path) {
            ("POST", "/chat/completions") => Route::Chat,
            ("POST", "/messages") => Route::Messages,
            ("POST", "/messages/count_tokens") => Route::CountTokens,
            ("POST", "/responses") => Route::Responses,
            ("GET" | "HEAD", "/models") => Route::Models,
            ("GET" | "HEAD", "/livez" | "") => Route::Live,
            ("GET" | "HEAD", path) => {
                path.strip_prefix("/models/").map_or(Route::Unknown, |id| Route::Model(id.to_owned()))
            }
            _ => Route::Unknown,
        }
    }

    /// Counts model calls, whose script depends on their number.
    pub(super) fn script(&self, shared: &Shared) -> Script {
        match self.is_call() {
            true => Script::of_call(&shared.settings, shared.count_call()),
            false => Script::plain(&shared.settings),
        }
    }

    /// Does a model work on the prompt, and not only count it?
    pub(super) fn reads_prompt(&self) -> bool {
        self.is_call() && !matches!(self, Route::CountTokens | Route::GeminiCount)
    }

    fn is_call(&self) -> bool {
        !matches!(self, Route::Token | Route::Models | Route::Model(_) | Route::Live | Route::Unknown)
    }

    /// Whose envelope and shapes the answer has; what both OpenAI and Anthropic serve is OpenAI's.
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Route::Messages | Route::CountTokens => Dialect::Anthropic,
            Route::Responses => Dialect::Responses,
            Route::Generate { .. } | Route::GeminiCount => Dialect::Gemini,
            Route::Converse { .. } => Dialect::Bedrock,
            _ => Dialect::OpenAi,
        }
    }
}

/// The routes of Gemini, Vertex, Bedrock, Azure and the token endpoints.
fn elsewhere(method: &str, path: &str, query: &str) -> (Route, Platform) {
    let unknown = (Route::Unknown, Platform::Vendor);
    if method != "POST" {
        return unknown;
    }
    let mut segments = path.split('/').skip(1);
    let first = segments.next().unwrap_or_default();
    let rest: Vec<&str> = segments.collect();
    match (first, rest.as_slice()) {
        ("v1" | "v1beta" | "v1alpha", ["models", call]) => (gemini(call, query), Platform::Vendor),
        ("v1" | "v1beta1", ["projects", _, "locations", _, "publishers", publisher, "models", call]) => {
            vertex(publisher, call, query)
        }
        ("model", [model, verb @ ("converse" | "converse-stream")]) => {
            (Route::Converse { model: decoded(model), stream: *verb == "converse-stream" }, Platform::Vendor)
        }
        ("openai", path) => azure(path, query),
        ("token", []) | (_, ["oauth2", "v2.0", "token"]) => (Route::Token, Platform::Vendor),
        _ => unknown,
    }
}

/// `{model}:{verb}`.
fn gemini(call: &str, query: &str) -> Route {
    let Some((model, verb)) = call.rsplit_once(':') else { return Route::Unknown };
    let model = decoded(model);
    match verb {
        "generateContent" => Route::Generate { model, stream: Stream::Whole },
        "streamGenerateContent" if parameter(query, "alt") == Some("sse") => {
            Route::Generate { model, stream: Stream::Events }
        }
        "streamGenerateContent" => Route::Generate { model, stream: Stream::Array },
        "countTokens" => Route::GeminiCount,
        _ => Route::Unknown,
    }
}

fn vertex(publisher: &str, call: &str, query: &str) -> (Route, Platform) {
    match (publisher, call.rsplit_once(':')) {
        ("google", _) => (gemini(call, query), Platform::Vertex(None)),
        ("anthropic", Some(("count-tokens", "rawPredict"))) => (Route::CountTokens, Platform::Vertex(None)),
        ("anthropic", Some((model, "rawPredict" | "streamRawPredict"))) => {
            (Route::Messages, Platform::Vertex(Some(decoded(model))))
        }
        _ => (Route::Unknown, Platform::Vendor),
    }
}

/// What follows `/openai/`: the `v1` API without versions and deployments, and the dated one with them.
fn azure(path: &[&str], query: &str) -> (Route, Platform) {
    let (deployment, operation, needs_version) = match path {
        ["v1", operation @ ..] => (None, operation, false),
        ["deployments", deployment, operation @ ..] => (Some(decoded(deployment)), operation, true),
        operation => (None, operation, true),
    };
    let route = match operation {
        ["chat", "completions"] if deployment.is_some() || !needs_version => Route::Chat,
        ["responses"] if deployment.is_none() => Route::Responses,
        _ => Route::Unknown,
    };
    let unversioned = needs_version && parameter(query, "api-version").is_none_or(str::is_empty);
    (route, Platform::Azure { deployment, unversioned })
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn decoded(segment: &str) -> String {
    let text: Cow<str> = percent_decode_str(segment).decode_utf8_lossy();
    text.into_owned()
}
