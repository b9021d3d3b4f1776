//! Entries of `model_list`: one upstream model each, and the account it is reached with.

use serde_json::{Map, Value, json};

use super::source::{Notes, Source};
use super::{IN_ENVIRONMENT, Literals};

/// What holds for all deployments that do not say otherwise.
pub struct Defaults {
    pub retries: Option<u64>,
    timeout: Option<u64>,
    stream_timeout: Option<u64>,
    cooldown: Option<Value>,
}

impl Defaults {
    pub fn take(router: &mut Source, library: &mut Source, notes: &mut Notes) -> Self {
        let retries = router.whole("num_retries", notes);
        let of_library = library.whole("num_retries", notes);
        let timeout = router.milliseconds("timeout", notes);
        let timeout_of_library = library.milliseconds("request_timeout", notes);
        let seconds = router.whole("cooldown_time", notes).or_else(|| library.whole("cooldown_time", notes));
        let off = router.take("disable_cooldowns").is_some_and(|off| off == Value::Bool(true));
        let cooldown = match (off, seconds) {
            (true, _) => Some(json!({"enabled": false})),
            (false, seconds) => seconds.map(|seconds| json!({"default_seconds": seconds})),
        };
        Defaults {
            retries: retries.or(of_library),
            timeout: timeout.or(timeout_of_library),
            stream_timeout: router.milliseconds("stream_timeout", notes),
            cooldown,
        }
    }
}

/// A model that is one upstream model.
pub struct Deployment {
    /// The name callers use, which others may share.
    pub alias: String,
    /// The row, without its name.
    pub row: Map<String, Value>,
    pub weight: Option<u64>,
    /// Lower ones are tried first.
    pub order: i64,
    pub tags: Vec<Value>,
    pub path: String,
}

impl Deployment {
    /// None where nothing could be made of it, which is told.
    pub fn take(
        entry: &mut Source,
        defaults: &Defaults,
        accounts: &mut Accounts,
        literals: &mut Literals,
        notes: &mut Notes,
    ) -> Option<Self> {
        let alias = entry.text("model_name", notes);
        let mut params = entry.inner("litellm_params", notes);
        let mut info = entry.inner("model_info", notes);
        let model = params.text("model", notes);
        let (Some(alias), Some(model)) = (alias, model) else {
            notes.add(
                &entry.path("litellm_params.model"),
                "left out: it needs model_name and litellm_params.model",
            );
            return None;
        };
        let Some(account) = Account::take(&model, &mut params, literals, notes) else {
            params.finish(|_| "its deployment is left out", notes);
            return None;
        };
        let (name, upstream) = (account.upstream.clone(), account.provider.to_owned());
        let mut row = Map::new();
        row.insert("provider".to_owned(), upstream.into());
        if !(name == "*" && alias.contains('*')) {
            row.insert("model_name".to_owned(), name.into());
        }
        row.insert("provider_key".to_owned(), accounts.name(account).into());
        limits(&mut row, entry, &mut params, notes);
        times(&mut row, &mut params, defaults, notes);
        cost(&mut row, &mut params, &mut info, notes);
        let tags = params.list("tags", notes);
        #[expect(clippy::cast_possible_wrap, reason = "an order is a small number")]
        let order = params.whole("order", notes).map_or(0, |order| order as i64);
        let weight = params.whole("weight", notes);
        params.finish(|_| "it has no counterpart on a model or provider key", notes);
        info.finish(information, notes);
        Some(Deployment { alias, row, weight, order, tags, path: entry.path("litellm_params") })
    }
}

fn information(name: &str) -> &'static str {
    match name {
        "mode" => {
            "the endpoint says what is asked for; an embedding model for semantic routing needs `embedding`"
        }
        "id" => "ids are derived from names",
        _ => "it informs and has no effect",
    }
}

fn limits(row: &mut Map<String, Value>, entry: &mut Source, params: &mut Source, notes: &mut Notes) {
    let mut limits = Map::new();
    for (theirs, ours) in [("rpm", "rpm"), ("tpm", "tpm"), ("max_parallel_requests", "concurrency")] {
        let beside = entry.whole(theirs, notes);
        if let Some(limit) = params.whole(theirs, notes).or(beside) {
            limits.insert(ours.to_owned(), limit.into());
        }
    }
    if !limits.is_empty() {
        row.insert("rate_limit".to_owned(), Value::Object(limits));
    }
}

fn times(row: &mut Map<String, Value>, params: &mut Source, defaults: &Defaults, notes: &mut Notes) {
    let timeout = params.milliseconds("timeout", notes).or(defaults.timeout);
    let stream_timeout = params.milliseconds("stream_timeout", notes).or(defaults.stream_timeout);
    let retries = params.whole("max_retries", notes);
    let retries = params.whole("num_retries", notes).or(retries).or(defaults.retries);
    let own = params.whole("cooldown_time", notes).map(|seconds| json!({"default_seconds": seconds}));
    let members = [
        ("timeout", timeout.map(Value::from)),
        ("stream_timeout", stream_timeout.map(Value::from)),
        ("retries", retries.map(Value::from)),
        ("cooldown", own.or_else(|| defaults.cooldown.clone())),
    ];
    for (name, value) in members {
        value.map(|value| row.insert(name.to_owned(), value));
    }
}

/// Prices of a token become those of a thousand.
fn cost(row: &mut Map<String, Value>, params: &mut Source, info: &mut Source, notes: &mut Notes) {
    let mut price = |name: &str| {
        let beside = info.number(name, notes);
        // Twelve digits behind the point, so that a price does not end in what a binary fraction makes of it.
        params.number(name, notes).or(beside).map(|price| (price * 1000.0 * 1e12).round() / 1e12)
    };
    let prices = (price("input_cost_per_token"), price("output_cost_per_token"));
    if let (Some(input), Some(output)) =
        (prices.0.or(prices.1.map(|_| 0.0)), prices.1.or(prices.0.map(|_| 0.0)))
    {
        row.insert("cost".to_owned(), json!({"input_per_1k": input, "output_per_1k": output}));
    }
}

/// How an upstream is reached, and under which name it knows the model.
#[derive(Clone, PartialEq)]
struct Account {
    provider: &'static str,
    adapter: Option<&'static str>,
    api_key: String,
    api_base: Option<String>,
    request: Map<String, Value>,
    upstream: String,
}

impl Account {
    fn take(model: &str, params: &mut Source, literals: &mut Literals, notes: &mut Notes) -> Option<Self> {
        let path = params.path("model");
        let api_base = params.text("api_base", notes);
        let api_base = api_base.or_else(|| params.text("base_url", notes)).map(|base| plain(&base));
        let other = params.text("custom_llm_provider", notes);
        let (prefix, rest) = match model.split_once('/') {
            Some((prefix, rest)) if other.is_none() => (prefix.to_owned(), rest),
            _ => (other.unwrap_or_else(|| guessed(model).to_owned()), model),
        };
        let known = PROVIDERS.iter().find(|(theirs, ..)| *theirs == prefix);
        let (provider, adapter, variable, name) = match (known, &api_base) {
            (Some((_, ours, adapter, variable)), _) => (*ours, *adapter, *variable, rest.to_owned()),
            (None, Some(_)) => {
                notes.add(&path, &format!("{prefix:?} is taken for a server that speaks the OpenAI format"));
                ("custom", Some("openai"), "", rest.to_owned())
            }
            (None, None) => {
                notes.add(
                    &path,
                    &format!("left out: {prefix:?} is no provider that is known, and there is no api_base"),
                );
                return None;
            }
        };
        if let Some("azure-openai" | "bedrock" | "vertex") = adapter {
            notes.add(&path, "is kept, and answered with an error: this provider is not in force yet");
        }
        let credential = params.text("api_key", notes);
        let api_key = match (&credential, variable) {
            (Some(key), _) => {
                let own = format!("{}_API_KEY", provider.to_ascii_uppercase().replace('-', "_"));
                literals.variable(
                    key,
                    if variable.is_empty() { &own } else { variable },
                    &params.path("api_key"),
                )
            }
            // A server that asks for none is sent something all the same.
            (None, "") => "none".to_owned(),
            (None, variable) => format!("${{{variable}}}"),
        };
        let request = request(params, notes);
        Some(Account { provider, adapter, api_key, api_base, request, upstream: name })
    }
}

/// Parameters and headers that a deployment adds to requests.
fn request(params: &mut Source, notes: &mut Notes) -> Map<String, Value> {
    let mut fields = Map::new();
    for name in PARAMETERS {
        params.take(name).map(|value| fields.insert((*name).to_owned(), escaped(value)));
    }
    if let Some(Value::Object(extra)) = params.take("extra_body") {
        fields.extend(extra.into_iter().map(|(name, value)| (name, escaped(value))));
    }
    let mut headers = Map::new();
    for name in ["headers", "extra_headers"] {
        if let Some(Value::Object(extra)) = params.take(name) {
            headers
                .extend(extra.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), escaped(value))));
        }
    }
    if let Some(organization) = params.text("organization", notes) {
        headers.insert("openai-organization".to_owned(), plain(&organization).into());
    }
    let mut request = Map::new();
    for (name, members) in [("default_body_fields", fields), ("default_headers", headers)] {
        if !members.is_empty() {
            request.insert(name.to_owned(), Value::Object(members));
        }
    }
    request
}

/// A text that may stand in a variable of the environment.
fn plain(text: &str) -> String {
    match text.strip_prefix(IN_ENVIRONMENT) {
        Some(variable) => format!("${{{variable}}}"),
        None => text.replace('$', "$$"),
    }
}

fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) => plain(&text).into(),
        Value::Array(items) => items.into_iter().map(escaped).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, escaped(value))).collect())
        }
        value => value,
    }
}

fn guessed(model: &str) -> &'static str {
    let starts = |starts: &[&str]| starts.iter().any(|start| model.starts_with(start));
    match () {
        () if starts(&["claude"]) => "anthropic",
        () if starts(&["gemini"]) => "gemini",
        () if starts(&["mistral", "codestral"]) => "mistral",
        () if starts(&["deepseek"]) => "deepseek",
        () if starts(&["grok"]) => "xai",
        () => "openai",
    }
}

/// The accounts of all deployments; those that differ in nothing are one.
#[derive(Default)]
pub struct Accounts(Vec<(String, Account)>);

impl Accounts {
    /// What the provider key of an account is called.
    fn name(&mut self, account: Account) -> String {
        let account = Account { upstream: String::new(), ..account };
        if let Some((name, _)) = self.0.iter().find(|(_, known)| *known == account) {
            return name.clone();
        }
        let plain = account.provider.to_owned();
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        let taken = |name: &String| self.0.iter().any(|(known, _)| known == name);
        let name = [plain.clone()].into_iter().chain(numbered).find(|name| !taken(name)).unwrap_or_default();
        self.0.push((name.clone(), account));
        name
    }

    pub fn rows(self) -> Vec<Map<String, Value>> {
        let row = |(name, account): (String, Account)| {
            let mut row = Map::new();
            row.insert("display_name".to_owned(), name.into());
            row.insert("provider".to_owned(), account.provider.into());
            account.adapter.map(|adapter| row.insert("adapter".to_owned(), adapter.into()));
            row.insert("api_key".to_owned(), account.api_key.into());
            account.api_base.map(|base| row.insert("api_base".to_owned(), base.into()));
            if !account.request.is_empty() {
                row.insert("request".to_owned(), Value::Object(account.request));
            }
            row
        };
        self.0.into_iter().map(row).collect()
    }
}

/// LiteLLM's prefix, our provider, the adapter where the provider does not say it, and the variable its key is in.
const PROVIDERS: &[(&str, &str, Option<&str>, &str)] = &[
    ("openai", "openai", None, "OPENAI_API_KEY"),
    ("custom_openai", "openai", None, "OPENAI_API_KEY"),
    ("anthropic", "anthropic", None, "ANTHROPIC_API_KEY"),
    ("gemini", "gemini", None, "GEMINI_API_KEY"),
    ("deepseek", "deepseek", None, "DEEPSEEK_API_KEY"),
    ("mistral", "mistral", None, "MISTRAL_API_KEY"),
    ("groq", "groq", None, "GROQ_API_KEY"),
    ("xai", "xai", None, "XAI_API_KEY"),
    ("openrouter", "openrouter", None, "OPENROUTER_API_KEY"),
    ("together_ai", "together", None, "TOGETHERAI_API_KEY"),
    ("ollama", "ollama", None, ""),
    ("ollama_chat", "ollama", None, ""),
    ("hosted_vllm", "vllm", None, ""),
    ("vllm", "vllm", None, ""),
    ("azure", "azure-openai", Some("azure-openai"), "AZURE_API_KEY"),
    ("bedrock", "bedrock", Some("bedrock"), "AWS_SECRET_ACCESS_KEY"),
    ("vertex_ai", "vertex", Some("vertex"), "GOOGLE_APPLICATION_CREDENTIALS"),
];

/// Parameters of a request that a deployment may set.
const PARAMETERS: &[&str] = &[
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "top_p",
    "top_k",
    "n",
    "seed",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "thinking",
    "service_tier",
];
