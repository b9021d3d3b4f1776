//! Everything known about one request while it walks through the house.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use percent_encoding::percent_decode_str;

use super::client;
use super::downstream::{Downstream, Drained};
use super::node::{Node, World};
use super::routes::{self, Found, Route};
use super::tries::Tries;
use crate::dialect::{DialectId, Usage};
use crate::error::Error;
use crate::policy::auth::Caller;
use crate::policy::limits::Hold;
use crate::resources::Model;
use crate::routing::Decision;
use crate::upstream::transport::Headers;

/// One request, owned by the task that serves it.
pub struct Exchange {
    pub id: String,
    pub began: Instant,
    pub at: SystemTime,
    pub world: Arc<World>,
    pub found: Found,
    /// Dialect in which errors are written.
    pub envelope: DialectId,
    /// The alias and the wish for a stream, where the path says them.
    pub named_in_path: Option<(String, bool)>,
    pub method: http::Method,
    pub version: &'static str,
    pub trace_id: Option<String>,
    /// Result and reason of the credential check.
    pub auth: Option<(&'static str, &'static str)>,
    pub caller: Option<Caller>,
    pub alias: Option<Arc<str>>,
    pub model: Option<Arc<Model>>,
    pub stream: bool,
    /// Does the caller want to know what its target could not be told?
    pub tells_losses: bool,
    /// Does the caller want to know how it was routed, and may it?
    pub explains: bool,
    /// How its target was chosen among several.
    pub decision: Option<Box<Decision>>,
    /// The conversation the request goes on from, as far as it is kept here.
    pub history: Option<Arc<str>>,
    /// The route of a semantic router that claimed the request.
    pub route: Option<String>,
    pub hold: Option<Hold>,
    pub tries: Tries,
    pub usage: Usage,
    /// Retry hints of the upstream that failed, for the error answer.
    pub hints: Headers,
    /// Status that was sent, or that stands for what happened.
    pub status: u16,
    pub error: Option<Error>,
    pub head_sent: bool,
    pub first_byte: Option<Duration>,
    pub flow: Flow,
    pub request_bytes: u64,
    /// What became of the rest of the request, once it was answered.
    pub drained: Option<Drained>,
}

/// One request, as those see it who ask others on its behalf.
#[derive(Clone, Copy)]
pub struct Origin<'x> {
    pub id: &'x str,
    pub at: SystemTime,
    pub world: &'x World,
    pub history: Option<&'x str>,
}

/// What every frame of a stream adds to, kept together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow {
    /// Waiting for upstreams after their first frame; the tries know the rest.
    pub waited: Duration,
    pub response_bytes: u64,
}

impl Exchange {
    /// Begins with what the request line and the headers tell.
    pub fn begin<D: Downstream, U>(node: &Node<U>, down: &D) -> Self {
        let path = rewrite(node, down.path());
        let found = routes::find(down.method(), &path);
        let envelope = match &found {
            Found::Route(route) | Found::WrongMethod(route) => envelope(route, down),
            Found::Unknown => routes::envelope_of(&path),
        };
        let named_in_path = named_in(&found, &path);
        Exchange {
            id: client::request_id(&node.settings, down),
            began: Instant::now(),
            at: SystemTime::now(),
            world: node.world.load_full(),
            found,
            envelope,
            named_in_path,
            method: down.method().clone(),
            version: down.version(),
            trace_id: client::trace_id(down),
            auth: None,
            caller: None,
            alias: None,
            model: None,
            stream: false,
            tells_losses: false,
            explains: false,
            decision: None,
            history: None,
            route: None,
            hold: None,
            tries: Tries::default(),
            usage: Usage::default(),
            hints: Headers::default(),
            status: 0,
            error: None,
            head_sent: false,
            first_byte: None,
            flow: Flow::default(),
            request_bytes: 0,
            drained: None,
        }
    }

    /// What asks on its behalf must know, what they are noted in, and what they add to.
    pub fn parts(&mut self) -> (Origin<'_>, &mut Tries, &mut Usage) {
        let Exchange { id, at, world, history, tries, usage, .. } = self;
        (Origin { id, at: *at, world, history: history.as_deref() }, tries, usage)
    }

    /// Remembers what stands for this request in log and metrics when no answer tells it.
    pub fn fail(&mut self, error: Error) {
        self.status = error.status();
        self.error = Some(error);
    }

    /// Notes that the head of an answer is leaving.
    pub fn answered(&mut self, status: u16) {
        self.status = status;
        self.head_sent = true;
        self.first_byte = Some(self.began.elapsed());
    }
}

/// A listing asked for in Anthropic's way is refused in Anthropic's way.
fn envelope<D: Downstream>(route: &Route, down: &D) -> DialectId {
    match route.action {
        routes::Action::Models if down.header("anthropic-version").is_some() => DialectId::Anthropic,
        _ => route.dialect,
    }
}

/// What the path says of the model. A name that is no text stands for no model.
fn named_in(found: &Found, path: &str) -> Option<(String, bool)> {
    let Found::Route(route) = found else { return None };
    let routes::Model::InPath { stream } = route.model else { return None };
    let model = route.model_in(path.trim_end_matches('/'))?;
    let model = percent_decode_str(model).decode_utf8_lossy();
    Some((model.into_owned(), stream))
}

/// What a request line leads to, the operator's rewrite rules applied.
pub fn find<U>(node: &Node<U>, method: &http::Method, path: &str) -> Found {
    routes::find(method, &rewrite(node, path))
}

/// The first rewrite rule that matches replaces what it matched, once.
fn rewrite<'p, U>(node: &Node<U>, path: &'p str) -> Cow<'p, str> {
    let rewritten = node.settings.rewrites.iter().find_map(|(rule, template)| {
        let whole = rule.is_match(path).then(|| rule.replace(path, template.as_str()))?;
        Some(whole.into_owned())
    });
    match rewritten {
        Some(rewritten) if rewritten.starts_with('/') => Cow::Owned(rewritten),
        _ => Cow::Borrowed(path),
    }
}
