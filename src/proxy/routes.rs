//! The endpoints: one row each. From this table come routing, the bounded `endpoint` label, the `Allow`
//! header and the reference page.

use http::Method;

use crate::dialect::DialectId;
use crate::upstream::Operation;

/// What an endpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Answered by the gateway itself, without a credential.
    Banner,
    Livez,
    Readyz,
    /// Answered by the gateway itself, for a caller.
    Models,
    /// Walks the whole house.
    Exchange(Operation),
}

/// Where a request names its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// In its body, or nowhere.
    InBody,
    /// In its path, which also says whether a stream is wanted.
    InPath { stream: bool },
}

/// One endpoint.
#[derive(Debug)]
pub struct Route {
    pub methods: &'static [Method],
    /// Path without a trailing slash; also the `endpoint` label. May have one `{model}` in it.
    pub path: &'static str,
    pub action: Action,
    /// The caller's dialect, in which errors are written as well.
    pub dialect: DialectId,
    pub model: Model,
    pub doc: &'static str,
}

const READ: &[Method] = &[Method::GET, Method::HEAD];
const POST: &[Method] = &[Method::POST];

const fn route(
    methods: &'static [Method],
    path: &'static str,
    action: Action,
    dialect: DialectId,
    doc: &'static str,
) -> Route {
    Route { methods, path, action, dialect, model: Model::InBody, doc }
}

/// An endpoint of Google's, which has the model and the wish for a stream in its path.
const fn google(path: &'static str, operation: Operation, stream: bool, doc: &'static str) -> Route {
    let model = Model::InPath { stream };
    Route { methods: POST, path, action: Action::Exchange(operation), dialect: Gemini, model, doc }
}

use DialectId::{Anthropic, Gemini, OpenAiChat, Responses};

/// Every endpoint of the proxy listener. Paths below `/v1` are also served without that prefix.
pub static ROUTES: &[Route] = &[
    route(
        POST,
        "/v1/chat/completions",
        Action::Exchange(Operation::Generate),
        OpenAiChat,
        "OpenAI chat completions, whole and streamed",
    ),
    route(
        POST,
        "/v1/messages",
        Action::Exchange(Operation::Generate),
        Anthropic,
        "Anthropic messages, whole and streamed",
    ),
    route(
        POST,
        "/v1/messages/count_tokens",
        Action::Exchange(Operation::CountTokens),
        Anthropic,
        "Anthropic token counting",
    ),
    route(
        POST,
        "/v1/responses",
        Action::Exchange(Operation::Generate),
        Responses,
        "OpenAI responses, whole and streamed",
    ),
    google("/v1beta/models/{model}:generateContent", Operation::Generate, false, "Gemini, whole"),
    google(
        "/v1beta/models/{model}:streamGenerateContent",
        Operation::Generate,
        true,
        "Gemini, streamed: server-sent events with `alt=sse`, else one JSON array",
    ),
    google("/v1beta/models/{model}:countTokens", Operation::CountTokens, false, "Gemini token counting"),
    google("/v1/models/{model}:generateContent", Operation::Generate, false, "the same, as newer SDKs ask"),
    google("/v1/models/{model}:streamGenerateContent", Operation::Generate, true, "the same"),
    google("/v1/models/{model}:countTokens", Operation::CountTokens, false, "the same"),
    route(
        READ,
        "/v1/models",
        Action::Models,
        OpenAiChat,
        "the models a caller may use; Anthropic's shape when `anthropic-version` is sent",
    ),
    route(READ, "/", Action::Banner, OpenAiChat, "name and version; the probe of clients"),
    route(READ, "/livez", Action::Livez, OpenAiChat, "liveness; `?verbose` lists the checks"),
    route(READ, "/readyz", Action::Readyz, OpenAiChat, "readiness; `?verbose` lists the checks"),
    route(READ, "/health/liveliness", Action::Livez, OpenAiChat, "liveness, as other gateways spell it"),
    route(READ, "/health/readiness", Action::Readyz, OpenAiChat, "readiness, as other gateways spell it"),
];

/// What a request line leads to.
#[derive(Debug)]
pub enum Found {
    Route(&'static Route),
    /// The path exists for other methods, which `Allow` lists.
    WrongMethod(&'static Route),
    Unknown,
}

/// Finds the row for a method and a path without query.
pub fn find(method: &Method, path: &str) -> Found {
    let path = match path.trim_end_matches('/') {
        "" => "/",
        trimmed => trimmed,
    };
    match ROUTES.iter().find(|route| is_at(route, path)) {
        Some(route) if route.methods.contains(method) => Found::Route(route),
        Some(route) => Found::WrongMethod(route),
        None => Found::Unknown,
    }
}

fn is_at(route: &Route, path: &str) -> bool {
    match route.model {
        Model::InBody => {
            route.path == path
                || route.path.strip_prefix("/v1").is_some_and(|short| !short.is_empty() && short == path)
        }
        Model::InPath { .. } => route.model_in(path).is_some(),
    }
}

/// The dialect of errors for a path that is no route.
pub fn envelope_of(path: &str) -> DialectId {
    let below = |root: &str| path.starts_with(root);
    match () {
        () if below("/v1/messages") || below("/messages") => Anthropic,
        () if below("/v1beta/") => Gemini,
        // Google's methods stand behind a colon.
        () if (below("/v1/models/") || below("/models/")) && path.contains(':') => Gemini,
        () => OpenAiChat,
    }
}

impl Route {
    /// The part of `path` that names a model, as it is written there; never empty.
    pub fn model_in<'p>(&self, path: &'p str) -> Option<&'p str> {
        let (before, after) = self.path.split_once("{model}")?;
        let short = before.strip_prefix("/v1").filter(|short| short.starts_with('/'));
        let rest = path.strip_prefix(before).or_else(|| path.strip_prefix(short?))?;
        let model = rest.strip_suffix(after)?;
        Some(model).filter(|model| !model.is_empty())
    }

    /// Value of the `Allow` header.
    pub fn allow(&self) -> String {
        self.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// The reference page of all endpoints.
pub fn reference_page() -> String {
    let mut page = String::from(
        "# Endpoints\n\nThe proxy listener. Written by a test from the table in `src/proxy/routes.rs`. A trailing slash and a \
         query are allowed everywhere, and paths below `/v1` are served without that prefix too.\n\n| method | path | errors in | what |\n|---|---|---|---|\n",
    );
    for route in ROUTES {
        page.push_str(&format!(
            "| {} | `{}` | {} | {} |\n",
            route.allow(),
            route.path,
            route.dialect.name(),
            route.doc
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_with_and_without_slash_and_prefix() {
        for row in ROUTES {
            let is_below = row.path.starts_with("/v1/");
            let short = if is_below { row.path.trim_start_matches("/v1") } else { row.path };
            for path in [row.path.to_owned(), format!("{}/", row.path), short.to_owned()] {
                let path = path.replace("{model}", "a%2Fb");
                match find(&row.methods[0], &path) {
                    Found::Route(found) => assert_eq!(found.path, row.path),
                    other => panic!("{path}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_model_in_the_path_is_found_as_it_is_written() {
        let path = "/v1beta/models/team/a%2Fb:streamGenerateContent";
        let Found::Route(row) = find(&Method::POST, path) else { panic!("a route") };
        assert_eq!(row.model_in(path), Some("team/a%2Fb"));
        assert_eq!(row.model, Model::InPath { stream: true });
        for path in ["/v1/models/a:streamGenerateContent", "/models/a:streamGenerateContent"] {
            let Found::Route(row) = find(&Method::POST, path) else { panic!("a route") };
            assert_eq!((row.model_in(path), row.model), (Some("a"), Model::InPath { stream: true }));
        }
        assert_eq!(envelope_of("/v1/models/a:embedContent"), Gemini);
        assert!(matches!(find(&Method::POST, "/v1beta/models/:generateContent"), Found::Unknown));
        assert!(matches!(find(&Method::POST, "/v1beta/models/a:embedContent"), Found::Unknown));
    }

    #[test]
    fn a_known_path_with_another_method_names_the_right_ones() {
        match find(&Method::DELETE, "/v1/models") {
            Found::WrongMethod(row) => assert_eq!(row.allow(), "GET, HEAD"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(find(&Method::POST, "/v1/nothing"), Found::Unknown));
        assert!(matches!(find(&Method::GET, "/v1"), Found::Unknown));
    }
}
