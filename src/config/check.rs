//! What the types alone cannot refuse.

use std::collections::HashSet;

use regex::Regex;

use super::{
    Admin, Backend, Buckets, ClientTls, ClientTypeRule, Config, Etcd, Observability, Proxy, Redis, RedisMode,
    ServerTls, UrlRewrite,
};
use crate::document::{Fault, Secret, header};

impl Config {
    /// Everything that is wrong with settings that are each of the right type; paths are keys.
    pub fn problems(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        faults.sources(self);
        faults.proxy(&self.proxy);
        faults.admin(&self.admin);
        faults.observability(&self.observability);
        faults.state(self);
        faults.client_tls("upstream.tls", &self.upstream.tls);
        faults.0
    }

    /// What was set but is not in force in this build, one sentence each, for a loud warning.
    pub fn dormant(&self) -> Vec<String> {
        let observability = &self.observability;
        [
            ("bedrock_endpoint_url", self.bedrock_endpoint_url.as_ref().is_some_and(|url| !url.is_empty())),
            ("cache", self.cache.redis.is_some() || self.cache.backend == Backend::Redis),
            ("ratelimit", self.ratelimit.redis.is_some() || self.ratelimit.backend == Backend::Redis),
            ("observability.metrics.buckets", observability.metrics.buckets != Buckets::default()),
            ("observability.metrics.client_type_rules", !observability.metrics.client_type_rules.is_empty()),
            ("observability.metrics.otlp", observability.metrics.otlp.enabled),
            ("observability.tracing.otlp", observability.tracing.otlp.enabled),
        ]
        .into_iter()
        .filter(|(_, set)| *set)
        .map(|(key, _)| format!("{key} is set, but not in force in this build"))
        .collect()
    }

    /// A process with a file must be told where its resources are.
    pub(super) fn source_problem(&self) -> Option<Fault> {
        let missing =
            self.resources_file.is_none() && self.store_file.is_none() && self.etcd.endpoints.is_empty();
        missing.then(|| Fault::new("resources_file", "is required, or store_file, or etcd.endpoints"))
    }
}

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault::new(path, message));
    }

    fn check(&mut self, holds: bool, path: &str, message: &str) {
        if !holds {
            self.add(path, message);
        }
    }

    fn filled(&mut self, path: &str, text: &str) {
        self.check(!text.trim().is_empty(), path, "must not be empty");
    }

    fn sources(&mut self, config: &Config) {
        let file = config.resources_file.as_deref();
        self.filled("resources_file", file.unwrap_or("-"));
        self.filled("store_file", config.store_file.as_deref().unwrap_or("-"));
        self.check(
            file.is_none() || config.store_file.is_none(),
            "store_file",
            "cannot be used together with resources_file",
        );
        let etcd = !config.etcd.endpoints.is_empty();
        let managed = config.managed.enabled;
        self.check(
            !(etcd && file.is_some()),
            "resources_file",
            "cannot be used together with etcd.endpoints",
        );
        self.check(
            !(etcd && config.store_file.is_some()),
            "store_file",
            "cannot be used together with etcd.endpoints",
        );
        self.check(
            !(managed && file.is_some()),
            "resources_file",
            "cannot be used together with managed.enabled",
        );
        self.check(!managed, "managed.enabled", "managed mode is not available in this build");
        self.etcd(&config.etcd);
    }

    fn etcd(&mut self, etcd: &Etcd) {
        for (index, endpoint) in etcd.endpoints.iter().enumerate() {
            let path = format!("etcd.endpoints[{index}]");
            self.check(is_web_address(endpoint), &path, "must be an http:// or https:// address");
            // Addresses are named in logs.
            self.check(
                !endpoint.contains('@'),
                &path,
                "must hold no credentials; use etcd.user and etcd.password_env",
            );
            let plain = etcd.tls.is_some() && endpoint.starts_with("http://");
            self.check(!plain, &path, "must be an https:// address, as etcd.tls is set");
        }
        self.filled("etcd.user", etcd.user.as_deref().unwrap_or("-"));
        self.filled("etcd.password_env", etcd.password_env.as_deref().unwrap_or("-"));
        let pair = etcd.user.is_some() == etcd.password_env.is_some();
        self.check(pair, "etcd", "user and password_env must come together");
        self.check(etcd.dial_timeout_ms > 0, "etcd.dial_timeout_ms", "must be at least 1");
        self.check(etcd.request_timeout_ms > 0, "etcd.request_timeout_ms", "must be at least 1");
        if let Some(tls) = &etcd.tls {
            self.filled("etcd.tls.ca_cert_file", &tls.ca_cert_file);
            self.filled("etcd.tls.client_cert_file", &tls.client_cert_file);
            self.filled("etcd.tls.client_key_file", &tls.client_key_file);
        }
    }

    fn proxy(&mut self, proxy: &Proxy) {
        self.server_tls("proxy.tls", proxy.tls.as_ref());
        self.check(proxy.workers != Some(0), "proxy.workers", "must be at least 1");
        let floor = SMALLEST_HEADER_BOUND;
        let path = "proxy.max_header_bytes";
        self.check(proxy.max_header_bytes >= floor, path, &format!("must be at least {floor}"));
        self.check(header::is_name(&proxy.real_ip.header), "proxy.real_ip.header", "is not a header name");
        for (index, name) in proxy.request_id.accept_headers.iter().enumerate() {
            let path = format!("proxy.request_id.accept_headers[{index}]");
            self.check(header::is_name(name), &path, "is not a header name");
            let trace = TRACE_HEADERS.iter().any(|trace| trace.eq_ignore_ascii_case(name));
            let reserved = trace || header::is_reserved(&name.to_ascii_lowercase());
            self.check(!reserved, &path, &format!("{name:?} is reserved and cannot carry a request id"));
        }
        for (index, rule) in proxy.url_rewrites.iter().enumerate() {
            self.url_rewrite(&format!("proxy.url_rewrites[{index}]"), rule);
        }
    }

    fn url_rewrite(&mut self, path: &str, rule: &UrlRewrite) {
        let forbidden =
            |letter: char| letter == '?' || letter == '#' || letter.is_whitespace() || letter.is_control();
        let rewrite = format!("{path}.rewrite");
        if rule.rewrite.contains(forbidden) {
            self.add(&rewrite, "must not contain ?, #, white space or control characters");
        }
        match rule.regex() {
            Err(error) => self.add(format!("{path}.match"), not_a_pattern(&error)),
            Ok(regex) => {
                self.check(!regex.is_match(""), &format!("{path}.match"), "must not match the empty text");
                for group in unknown_groups(&rule.rewrite, &regex) {
                    self.add(&rewrite, format!("names the group {group:?}, which match does not have"));
                }
            }
        }
    }

    fn admin(&mut self, admin: &Admin) {
        if !admin.enabled {
            return;
        }
        self.server_tls("admin.tls", admin.tls.as_ref());
        self.check(
            admin.has_keys() || admin.addr.ip().is_loopback(),
            "admin.admin_keys",
            "needs at least one key unless admin.addr is a loopback address",
        );
        let mut keys = HashSet::new();
        let mut names = HashSet::new();
        let plain = admin.admin_keys.iter().enumerate();
        let plain = plain.map(|(index, key)| (format!("admin.admin_keys[{index}]"), key));
        let named = admin.operators.iter().enumerate();
        let named = named.map(|(index, operator)| (format!("admin.operators[{index}].key"), &operator.key));
        for (path, key) in plain.chain(named) {
            self.filled(&path, key.expose());
            self.check(keys.insert(key.expose()), &path, "is there twice");
        }
        for (index, operator) in admin.operators.iter().enumerate() {
            let path = format!("admin.operators[{index}].name");
            self.filled(&path, &operator.name);
            self.check(names.insert(operator.name.as_str()), &path, "is there twice");
        }
    }

    fn server_tls(&mut self, path: &str, tls: Option<&ServerTls>) {
        let Some(tls) = tls else { return };
        self.filled(&format!("{path}.cert_file"), &tls.cert_file);
        self.filled(&format!("{path}.key_file"), &tls.key_file);
    }

    fn client_tls(&mut self, path: &str, tls: &ClientTls) {
        let pair = tls.client_cert_file.is_some() == tls.client_key_file.is_some();
        self.check(pair, path, "client_cert_file and client_key_file must come together");
        let files = [
            ("ca_file", &tls.ca_file),
            ("client_cert_file", &tls.client_cert_file),
            ("client_key_file", &tls.client_key_file),
        ];
        for (name, file) in files {
            self.filled(&format!("{path}.{name}"), file.as_deref().unwrap_or("-"));
        }
    }

    fn observability(&mut self, observability: &Observability) {
        let otlp = &observability.tracing.otlp;
        let path = "observability.tracing.otlp";
        let endpoint = otlp.endpoint.as_deref().unwrap_or("");
        self.check(
            !otlp.enabled || !endpoint.is_empty(),
            &format!("{path}.endpoint"),
            "is required when enabled",
        );
        let ratio = (0.0..=1.0).contains(&otlp.sample_ratio);
        self.check(ratio, &format!("{path}.sample_ratio"), "must be from 0 to 1");
        let rules = &observability.metrics.client_type_rules;
        let path = "observability.metrics.client_type_rules";
        self.check(
            rules.len() <= MOST_CLIENT_RULES,
            path,
            &format!("has more than {MOST_CLIENT_RULES} rules"),
        );
        for (index, rule) in rules.iter().enumerate() {
            self.client_type_rule(&format!("{path}[{index}]"), rule);
        }
        self.buckets(&observability.metrics.buckets);
    }

    fn client_type_rule(&mut self, path: &str, rule: &ClientTypeRule) {
        let pattern = format!("{path}.pattern");
        let bound = LONGEST_CLIENT_PATTERN;
        self.check(rule.pattern.len() <= bound, &pattern, &format!("is longer than {bound} bytes"));
        if let Err(error) = rule.regex() {
            self.add(&pattern, not_a_pattern(&error));
        }
        let client = rule.client.as_bytes();
        let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let valid = client.first().is_some_and(letter)
            && client.iter().all(|byte| letter(byte) || b"._-".contains(byte))
            && client.len() <= LONGEST_CLIENT_LABEL;
        let message = "must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen, a letter or digit first";
        self.check(valid, &format!("{path}.client"), message);
    }

    fn buckets(&mut self, buckets: &Buckets) {
        let lists = [
            ("request_e2e_latency", &buckets.request_e2e_latency),
            ("request_ttft", &buckets.request_ttft),
            ("guardrail_latency", &buckets.guardrail_latency),
            ("a2a_ttfb", &buckets.a2a_ttfb),
        ];
        for (name, bounds) in lists.iter().filter_map(|(name, list)| Some((name, list.as_ref()?))) {
            let path = format!("observability.metrics.buckets.{name}");
            let positive = bounds.iter().all(|bound| bound.is_finite() && *bound > 0.0);
            let ascending = bounds.is_sorted_by(|a, b| a < b);
            let message = "must be one or more positive numbers of seconds, each larger than the one before";
            self.check(!bounds.is_empty() && positive && ascending, &path, message);
        }
    }

    fn state(&mut self, config: &Config) {
        let needs = "is required when the backend is redis";
        let (cache, limits) = (&config.cache, &config.ratelimit);
        self.check(cache.backend == Backend::Memory || cache.redis.is_some(), "cache.redis", needs);
        self.check(limits.backend == Backend::Memory || limits.redis.is_some(), "ratelimit.redis", needs);
        let ttl = limits.backend == Backend::Memory || limits.concurrency_ttl_secs > 0;
        self.check(ttl, "ratelimit.concurrency_ttl_secs", "must be at least 1 when the backend is redis");
        for (path, redis) in [("cache.redis", &cache.redis), ("ratelimit.redis", &limits.redis)] {
            if let Some(redis) = redis {
                self.redis(path, redis);
            }
        }
    }

    fn redis(&mut self, path: &str, redis: &Redis) {
        let addresses = |secrets: &[Secret]| !secrets.is_empty() && secrets.iter().all(is_redis_address);
        let message = "is required in this mode: redis:// or rediss:// addresses";
        match redis.mode {
            RedisMode::Single => {
                let url = redis.url.as_slice();
                self.check(addresses(url), &format!("{path}.url"), message);
            }
            RedisMode::Cluster => self.check(addresses(&redis.nodes), &format!("{path}.nodes"), message),
            RedisMode::Sentinel => {
                self.check(addresses(&redis.sentinels), &format!("{path}.sentinels"), message);
                let master = redis.master_name.as_deref().unwrap_or("");
                self.check(
                    !master.is_empty(),
                    &format!("{path}.master_name"),
                    "is required in mode sentinel",
                );
            }
        }
        if let Some(tls) = &redis.tls {
            self.client_tls(&format!("{path}.tls"), tls);
        }
    }
}

fn is_redis_address(address: &Secret) -> bool {
    ["redis://", "rediss://"].iter().any(|scheme| address.expose().starts_with(scheme))
}

fn is_web_address(text: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

/// The error of the regex crate spans several lines and draws the pattern; its last line says why.
fn not_a_pattern(error: &regex::Error) -> String {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    format!("is not a regular expression: {reason}")
}

/// The groups a template names that the pattern does not have. `$name` reaches as far as letters, digits
/// and underscores do, as in [`Regex::replace`].
fn unknown_groups(template: &str, regex: &Regex) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut rest = template;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after_dollar) = after.strip_prefix('$') {
            rest = after_dollar;
            continue;
        }
        let (name, tail) = group_name(after);
        if !name.is_empty() && !has_group(regex, name) {
            unknown.push(name.to_owned());
        }
        rest = tail;
    }
    unknown
}

/// The name after a `$`, and what follows it.
fn group_name(after: &str) -> (&str, &str) {
    if let Some((name, tail)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        return (name, tail);
    }
    let end =
        after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(after.len());
    after.split_at_checked(end).unwrap_or((after, ""))
}

fn has_group(regex: &Regex, name: &str) -> bool {
    match name.parse::<usize>() {
        Ok(index) => index < regex.captures_len(),
        Err(_) => regex.capture_names().flatten().any(|known| known == name),
    }
}

/// Headers of W3C Trace Context; they name a trace, not a request.
const TRACE_HEADERS: [&str; 2] = ["traceparent", "tracestate"];
/// Bytes; a request line and the headers every client sends need about this much.
const SMALLEST_HEADER_BOUND: usize = 1024;
const MOST_CLIENT_RULES: usize = 64;
const LONGEST_CLIENT_PATTERN: usize = 512;
const LONGEST_CLIENT_LABEL: usize = 64;
