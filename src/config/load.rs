//! Defaults, then file, then environment.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Config;
use crate::document::{Document, Fault, Format, Problem, Problems, Texts, decode_with_texts, keys, nearest};

impl Config {
    /// Reads a YAML, TOML or JSON file, by its extension, and lays the environment over it.
    ///
    /// # Errors
    /// Everything that is wrong with either, or with both together.
    pub fn load(path: &Path, env: impl IntoIterator<Item = (String, String)>) -> Result<Config, Problems> {
        let document = read(path)?;
        let settings =
            Settings { value: document.value.clone(), file: Some((path, &document)), from_file: true };
        settings.finish(env)
    }

    /// The configuration of a process without a file: [`Config::standalone`] and the environment over it.
    ///
    /// # Errors
    /// Everything that is wrong with the environment.
    pub fn from_env_only(env: impl IntoIterator<Item = (String, String)>) -> Result<Config, Problems> {
        let value = json!({"observability": {"metrics": {"prometheus": {"addr": STANDALONE_METRICS}}}});
        Settings { value, file: None, from_file: false }.finish(env)
    }

    /// Everything at its default and every listener on loopback: proxy on port 3000, admin on 3001, metrics
    /// on 9090.
    pub fn standalone() -> Config {
        let mut config = Config::default();
        let address = &mut config.observability.metrics.prometheus.addr;
        *address = STANDALONE_METRICS.parse().unwrap_or(*address);
        config
    }
}

/// The variables of this process that are text.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn read(path: &Path) -> Result<Document, Problems> {
    let problem = |message: String| {
        Problems::one(Problem { file: Some(path.to_owned()), line: None, path: "(file)".to_owned(), message })
    };
    let Some(format) = Format::of(path) else {
        return Err(problem("must end in .yaml, .yml, .toml or .json".to_owned()));
    };
    let text = std::fs::read_to_string(path).map_err(|error| problem(format!("cannot be read: {error}")))?;
    Document::read(&text, format, path)
}

/// What was said so far, and where.
struct Settings<'a> {
    value: Value,
    file: Option<(&'a Path, &'a Document)>,
    /// A file must say where to listen and where the resources are.
    from_file: bool,
}

impl Settings<'_> {
    fn finish(mut self, env: impl IntoIterator<Item = (String, String)>) -> Result<Config, Problems> {
        let overlay = Overlay::of(env);
        for (path, (_, text)) in &overlay.settings {
            put(&mut self.value, path, text);
        }
        let places = overlay.settings.keys().cloned().collect();
        let texts = Texts { places, comma_lists: COMMA_LISTS };
        let decoded = decode_with_texts::<Config>(&self.value, &texts).strict();
        let mut faults = decoded.faults;
        if self.from_file {
            faults.extend(self.absent("proxy.addr", "/proxy/addr"));
        }
        if let Some(config) = &decoded.value {
            let required = if self.from_file { config.source_problem() } else { None };
            let found: Vec<Fault> = config.problems().into_iter().chain(required).collect();
            let known: Vec<String> = faults.iter().map(|fault| fault.path.clone()).collect();
            faults.extend(found.into_iter().filter(|fault| !known.contains(&fault.path)));
        }
        let mut problems = overlay.problems;
        problems.extend(faults.into_iter().map(|fault| self.problem(fault, &overlay.settings)));
        let problems = Problems::from(problems);
        match decoded.value {
            Some(config) => problems.or(config),
            None => Err(problems),
        }
    }

    fn absent(&self, path: &str, pointer: &str) -> Option<Fault> {
        let present = self.value.pointer(pointer).is_some_and(|value| !value.is_null());
        (!present).then(|| Fault::new(path, "is required"))
    }

    /// A fault with the variable or the line that is to blame.
    fn problem(&self, fault: Fault, variables: &BTreeMap<String, (String, String)>) -> Problem {
        let is_below = |at: &str| {
            fault.path.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        };
        if let Some((_, (variable, _))) = variables.iter().find(|(at, _)| is_below(at)) {
            let message = format!("{}: {}", fault.path, fault.message);
            return Problem { file: None, line: None, path: variable.clone(), message };
        }
        let line = self.file.and_then(|(_, document)| document.line(&fault.path));
        let file = self.file.map(|(path, _)| path.to_owned());
        let path = if fault.path.is_empty() { "(file)".to_owned() } else { fault.path };
        Problem { file, line, path, message: fault.message }
    }
}

/// The settings an environment holds.
#[derive(Default)]
struct Overlay {
    /// Path of the key to name of the variable and its text.
    settings: BTreeMap<String, (String, String)>,
    problems: Vec<Problem>,
}

impl Overlay {
    fn of(env: impl IntoIterator<Item = (String, String)>) -> Overlay {
        let known = settable();
        let mut overlay = Overlay::default();
        for (name, text) in env {
            let Some(rest) = without_prefix(&name) else { continue };
            if IGNORED.contains(&name.as_str()) || is_service_link(rest) {
                continue;
            }
            let path = rest.to_ascii_lowercase().replace("__", ".");
            if known.contains(&path) {
                overlay.settings.insert(path, (name, text));
            } else {
                let message = unknown_variable(&path, &known);
                overlay.problems.push(Problem { file: None, line: None, path: name, message });
            }
        }
        overlay
    }
}

fn without_prefix(name: &str) -> Option<&str> {
    let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(rest)
}

/// The keys that take a text: those without keys below them, lists included.
fn settable() -> Vec<String> {
    let all = keys::<Config>();
    let is_section =
        |path: &str| all.iter().any(|key| key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')));
    all.iter().filter(|key| !key.contains("[]") && !is_section(key)).cloned().collect()
}

fn unknown_variable(path: &str, known: &[String]) -> String {
    let section = format!("{path}.");
    if known.iter().any(|key| key.starts_with(&section)) {
        return "names a section; name one of its keys, with __ between".to_owned();
    }
    match nearest(path, known.iter().map(String::as_str)) {
        Some(near) => {
            format!("unknown key, did you mean {PREFIX}{}?", near.to_ascii_uppercase().replace('.', "__"))
        }
        None => "unknown key".to_owned(),
    }
}

/// Kubernetes gives every container the addresses of the services beside it. For a service named `aisix`
/// these begin with our prefix: `AISIX_SERVICE_HOST`, `AISIX_PORT_3000_TCP_ADDR`
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>).
fn is_service_link(rest: &str) -> bool {
    if rest.contains("__") {
        return false;
    }
    let rest = format!("_{rest}");
    let is_port = |text: &str| {
        let mut parts = text.split('_');
        let number = parts.next().is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        number && parts.next().is_some_and(|part| matches!(part, "TCP" | "UDP" | "SCTP"))
    };
    rest.ends_with("_SERVICE_HOST")
        || rest.contains("_SERVICE_PORT")
        || rest.ends_with("_PORT")
        || rest.match_indices("_PORT_").any(|(at, mark)| rest.get(at + mark.len()..).is_some_and(is_port))
}

/// Lays a text over whatever stands at the path. Does nothing below something that is not a mapping; that
/// is reported when it is read.
fn put(value: &mut Value, path: &str, text: &str) {
    let mut place = value;
    for name in path.split('.') {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(members) = place else { return };
        place = members.entry(name).or_insert(Value::Null);
    }
    *place = Value::String(text.to_owned());
}

/// Variables that begin with our prefix and are not settings: flags and test switches.
pub const IGNORED: &[&str] = &[
    "AISIX_CONFIG",
    "AISIX_ADMIN_KEY",
    "AISIX_CALLER_KEY",
    "AISIX_ADMIN_KEY",
    "AISIX_DATA_DIR",
    "AISIX_LOG_FORMAT",
    "AISIX_VECTORS_DIR",
    "AISIX_CONFIG_PATH",
    "AISIX_BIN",
    "AISIX_READY_LINE",
];

/// Where a text in a variable is a list separated by commas. Everywhere else a comma is part of the text.
const COMMA_LISTS: &[&str] = &[
    "etcd.endpoints",
    "admin.admin_keys",
    "proxy.real_ip.trusted_proxies",
    "proxy.request_id.accept_headers",
    "observability.metrics.buckets.request_e2e_latency",
    "observability.metrics.buckets.request_ttft",
    "observability.metrics.buckets.guardrail_latency",
    "observability.metrics.buckets.a2a_ttfb",
];

const PREFIX: &str = "AISIX_";
const STANDALONE_METRICS: &str = "127.0.0.1:9090";
