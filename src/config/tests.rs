//! Tests of the room.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::document::{Document, Format, Problems, decode, keys};

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// Loads a text as if it stood in a file of that name.
fn load(name: &str, text: &str, pairs: &[(&str, &str)]) -> Result<Config, Problems> {
    let folder = tempdir();
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the folder is ours");
    let outcome = Config::load(&path, env(pairs));
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
    outcome
}

fn tempdir() -> PathBuf {
    let path = std::env::temp_dir().join(format!("aisix-config-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&path).expect("the name is new");
    path
}

/// The messages, without the folder of the file.
fn messages(outcome: Result<Config, Problems>) -> Vec<String> {
    let problems = outcome.expect_err("something is wrong");
    problems
        .iter()
        .map(|problem| {
            let file = problem.file.as_ref().and_then(|file| file.file_name()).map(PathBuf::from);
            crate::document::Problem { file, ..problem.clone() }.to_string()
        })
        .collect()
}

const MINIMAL: &str = "resources_file: r.yaml\nproxy: {addr: \"127.0.0.1:3000\"}\n";

fn conf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/aisix.yaml")
}

/// The commented file with every setting switched on.
fn everything_on(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        let bare = line.trim_start();
        let opens_a_list = lines.get(index + 1).is_some_and(|next| next.trim_start().starts_with("#-"));
        let on = match bare.strip_prefix('#') {
            Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => line.replacen('#', "", 1),
            _ if opens_a_list => line.replace(" []", ""),
            _ => (*line).to_owned(),
        };
        out.push_str(&on);
        out.push('\n');
    }
    out
}

#[test]
fn the_commented_file_says_the_defaults() {
    let config = Config::load(&conf(), env(&[])).expect("the file is sound");
    let expected = Config { resources_file: Some("conf/resources.yaml".to_owned()), ..Config::default() };
    assert_eq!(config, expected);
}

#[test]
fn the_commented_file_mentions_every_key_and_no_other() {
    let text = std::fs::read_to_string(conf()).expect("the file is there");
    let document = Document::read(&everything_on(&text), Format::Yaml, &conf()).expect("it is YAML");
    for key in keys::<Config>() {
        let pointer = format!("/{}", key.replace("[]", "/0").replace('.', "/"));
        assert!(document.value.pointer(&pointer).is_some(), "{key} is not mentioned");
    }
    assert_eq!(decode::<Config>(&document.value).strict().faults, []);
}

#[test]
fn a_process_without_a_file_listens_on_loopback_and_obeys_the_environment() {
    assert_eq!(Config::from_env_only(env(&[("PATH", "/bin")])).expect("it is sound"), Config::standalone());
    let config = Config::standalone();
    let metrics = &config.observability.metrics.prometheus;
    for (addr, expected) in [
        (config.proxy.addr, "127.0.0.1:3000"),
        (config.admin.addr, "127.0.0.1:3001"),
        (metrics.addr, "127.0.0.1:9090"),
    ] {
        assert_eq!(addr.to_string(), expected);
    }
    let config = Config::from_env_only(env(&[("AISIX_PROXY__ADDR", "0.0.0.0:8080")])).expect("it is sound");
    assert_eq!(config.proxy.addr.to_string(), "0.0.0.0:8080");
}

#[test]
fn the_three_languages_give_the_same_settings() {
    let yaml = "resources_file: r.yaml\nproxy: {addr: '1.2.3.4:1', workers: 3}\nupstream: {timeout_ms: 5}\n";
    let toml =
        "resources_file = 'r.yaml'\n[proxy]\naddr = '1.2.3.4:1'\nworkers = 3\n[upstream]\ntimeout_ms = 5\n";
    let json =
        r#"{"resources_file":"r.yaml","proxy":{"addr":"1.2.3.4:1","workers":3},"upstream":{"timeout_ms":5}}"#;
    let expected = load("f.yaml", yaml, &[]).expect("it is sound");
    assert_eq!(expected.proxy.workers(), 3);
    assert_eq!(load("f.toml", toml, &[]).expect("it is sound"), expected);
    assert_eq!(load("f.json", json, &[]).expect("it is sound"), expected);
    assert_eq!(load("f.yml", yaml, &[]).expect("it is sound"), expected);
}

#[test]
fn variables_override_the_file_by_the_type_of_their_key() {
    let pairs = [
        ("AISIX_PROXY__ADDR", "9.9.9.9:9"),
        ("aisix_proxy__workers", "7"),
        ("AISIX_Proxy__Real_IP__Trusted_Proxies", "10.0.0.0/8, ::1"),
        ("AISIX_ADMIN__ADMIN_KEYS", "a,b"),
        ("AISIX_OBSERVABILITY__ACCESS_LOG", "false"),
        ("AISIX_OBSERVABILITY__METRICS__BUCKETS__REQUEST_TTFT", "0.1,0.5"),
        ("AISIX_RATELIMIT__REDIS__URL", "redis://:pa,ss@h"),
        ("AISIX_PROXY__URL_REWRITES", r#"[{"match": "^/a{1,2}", "rewrite": "/b"}]"#),
        ("AISIX_PROXY__REQUEST_ID__ACCEPT_HEADERS", ""),
    ];
    let config = load("f.yaml", MINIMAL, &pairs).expect("it is sound");
    assert_eq!(config.proxy.addr.to_string(), "9.9.9.9:9");
    assert_eq!(config.proxy.workers, Some(7));
    assert_eq!(config.proxy.real_ip.trusted_proxies.len(), 2);
    let keys: Vec<&str> = config.admin.admin_keys.iter().map(|key| key.expose()).collect();
    assert_eq!(keys, ["a", "b"]);
    assert!(!config.observability.access_log);
    assert_eq!(config.observability.metrics.buckets.request_ttft, Some(vec![0.1, 0.5]));
    let redis = config.ratelimit.redis.expect("the variable makes the block");
    assert_eq!(redis.url.expect("it is set").expose(), "redis://:pa,ss@h");
    assert_eq!(config.proxy.url_rewrites.first().map(|rule| rule.pattern.as_str()), Some("^/a{1,2}"));
    assert!(config.proxy.request_id.accept_headers.is_empty());
}

#[test]
fn faulty_variables_are_named() {
    let pairs = [
        ("AISIX_PROXY__ADRR", "1.2.3.4:5"),
        ("AISIX_PROXY", "{}"),
        ("AISIX_COMPLETELY_DIFFERENT", "1"),
        ("AISIX_PROXY__WORKERS", "many"),
        ("AISIX_ETCD__ENDPOINTS", "localhost"),
        ("AISIX_PROXY__URL_REWRITES", "/a /b"),
    ];
    let expected = [
        "AISIX_COMPLETELY_DIFFERENT: unknown key",
        "AISIX_ETCD__ENDPOINTS: etcd.endpoints[0]: must be an http:// or https:// address",
        "AISIX_PROXY: names a section; name one of its keys, with __ between",
        "AISIX_PROXY__ADRR: unknown key, did you mean AISIX_PROXY__ADDR?",
        "AISIX_PROXY__URL_REWRITES: proxy.url_rewrites: must be a JSON array in one text",
        "AISIX_PROXY__WORKERS: proxy.workers: must be a whole number from 0 to 18446744073709551615",
        "f.yaml:1: resources_file: cannot be used together with etcd.endpoints",
    ];
    assert_eq!(messages(load("f.yaml", MINIMAL, &pairs)), expected);
}

#[test]
fn variables_of_flags_and_of_kubernetes_services_are_not_settings() {
    let pairs = [
        ("AISIX_CONFIG", "x"),
        ("AISIX_CALLER_KEY", "x"),
        ("AISIX_LOG_FORMAT", "x"),
        ("AISIX_VECTORS_DIR", "x"),
        ("AISIX_CONFIG_PATH", "x"),
        ("AISIX_BIN", "x"),
        ("AISIX_SERVICE_HOST", "10.0.0.1"),
        ("AISIX_SERVICE_PORT", "3000"),
        ("AISIX_SERVICE_PORT_HTTP", "3000"),
        ("AISIX_PORT", "tcp://10.0.0.1:3000"),
        ("AISIX_PORT_3000_TCP", "tcp://10.0.0.1:3000"),
        ("AISIX_PORT_3000_TCP_ADDR", "10.0.0.1"),
        ("AISIX_ADMIN_SERVICE_HOST", "10.0.0.1"),
        ("AISIXX", "x"),
        ("ÄISIX_", "x"),
    ];
    assert_eq!(Config::from_env_only(env(&pairs)).expect("none is a setting"), Config::standalone());
}

#[test]
fn everything_wrong_with_a_file_is_said_at_once() {
    let text = "\
resources_file: r.yaml
proxi: {}
proxy:
  adrr: 127.0.0.1:1
  workers: 0
  tls: {cert_file: a.pem}
  max_header_bytes: 10
  request_id:
    accept_headers: [X-Id, Authorization, 'a b']
  url_rewrites:
    - {match: '(', rewrite: /}
    - {match: 'a*', rewrite: '/x?y'}
    - {match: '^/(a)', rewrite: '/$1x/$2/${1}/$$/${who}'}
admin:
  addr: 0.0.0.0:3001
observability:
  tracing: {otlp: {enabled: true, sample_ratio: 2}}
  metrics:
    buckets: {request_ttft: [1, 1]}
    client_type_rules: [{pattern: '[', client: Bad}]
cache: {backend: redis}
ratelimit:
  backend: redis
  concurrency_ttl_secs: 0
  redis: {mode: sentinel, sentinels: [http://x]}
upstream: {tls: {client_cert_file: c.pem}, retries: -1}
managed: {enabled: true}
";
    let expected = [
        "f.yaml:1: resources_file: cannot be used together with managed.enabled",
        "f.yaml:2: proxi: unknown key, did you mean \"proxy\"?",
        "f.yaml:3: proxy.addr: is required",
        "f.yaml:4: proxy.adrr: unknown key, did you mean \"addr\"?",
        "f.yaml:5: proxy.workers: must be at least 1",
        "f.yaml:6: proxy.tls.key_file: is required",
        "f.yaml:7: proxy.max_header_bytes: must be at least 1024",
        "f.yaml:9: proxy.request_id.accept_headers[1]: \"Authorization\" is reserved and cannot carry a request id",
        "f.yaml:9: proxy.request_id.accept_headers[2]: is not a header name",
        "f.yaml:11: proxy.url_rewrites[0].match: is not a regular expression: unclosed group",
        "f.yaml:12: proxy.url_rewrites[1].match: must not match the empty text",
        "f.yaml:12: proxy.url_rewrites[1].rewrite: must not contain ?, #, white space or control characters",
        "f.yaml:13: proxy.url_rewrites[2].rewrite: names the group \"1x\", which match does not have",
        "f.yaml:13: proxy.url_rewrites[2].rewrite: names the group \"2\", which match does not have",
        "f.yaml:13: proxy.url_rewrites[2].rewrite: names the group \"who\", which match does not have",
        "f.yaml:14: admin.admin_keys: needs at least one key unless admin.addr is a loopback address",
        "f.yaml:17: observability.tracing.otlp.endpoint: is required when enabled",
        "f.yaml:17: observability.tracing.otlp.sample_ratio: must be from 0 to 1",
        "f.yaml:19: observability.metrics.buckets.request_ttft: must be one or more positive numbers of seconds, \
         each larger than the one before",
        "f.yaml:20: observability.metrics.client_type_rules[0].client: must be 1 to 64 of a-z, 0-9, dot, \
         underscore and hyphen, a letter or digit first",
        "f.yaml:20: observability.metrics.client_type_rules[0].pattern: is not a regular expression: \
         unclosed character class",
        "f.yaml:21: cache.redis: is required when the backend is redis",
        "f.yaml:24: ratelimit.concurrency_ttl_secs: must be at least 1 when the backend is redis",
        "f.yaml:25: ratelimit.redis.master_name: is required in mode sentinel",
        "f.yaml:25: ratelimit.redis.sentinels: is required in this mode: redis:// or rediss:// addresses",
        "f.yaml:26: upstream.retries: must be a whole number from 0 to 4294967295",
        "f.yaml:26: upstream.tls: client_cert_file and client_key_file must come together",
        "f.yaml:27: managed.enabled: managed mode is not available in this build",
    ];
    assert_eq!(messages(load("f.yaml", text, &[])), expected);
}

#[test]
fn each_wrong_value_has_its_own_message() {
    let table = [
        ("resources_file: ''", "resources_file: must not be empty"),
        ("proxy: 3", "proxy: must be a mapping"),
        (
            "proxy: {addr: localhost}",
            "proxy.addr: \"localhost\" is not an address with a port such as 127.0.0.1:3000",
        ),
        ("proxy: {real_ip: {header: ''}}", "proxy.real_ip.header: is not a header name"),
        (
            "proxy: {real_ip: {trusted_proxies: [x]}}",
            "proxy.real_ip.trusted_proxies: \"x\" is neither an address nor a range such as 10.0.0.0/8",
        ),
        ("proxy: {request_id: {accept_headers: [TraceParent]}}", "\"TraceParent\" is reserved"),
        ("admin: {admin_keys: ['']}", "admin.admin_keys[0]: must not be empty"),
        ("admin: {tls: {cert_file: '', key_file: k}}", "admin.tls.cert_file: must not be empty"),
        ("etcd: {endpoints: ['http://a']}", "resources_file: cannot be used together with etcd.endpoints"),
        ("etcd: {endpoints: ['http://u:s3cret@a']}", "etcd.endpoints[0]: must hold no credentials"),
        (
            "etcd: {endpoints: ['http://a'], tls: {ca_cert_file: a, client_cert_file: b, client_key_file: c}}",
            "etcd.endpoints[0]: must be an https:// address, as etcd.tls is set",
        ),
        ("etcd: {user: u}", "etcd: user and password_env must come together"),
        ("etcd: {request_timeout_ms: 0}", "etcd.request_timeout_ms: must be at least 1"),
        ("etcd: {tls: {ca_cert_file: a, client_cert_file: b}}", "etcd.tls.client_key_file: is required"),
        ("cache: {redis: {url: 'http://s3cret'}}", "cache.redis.url: is required in this mode"),
        ("cache: {redis: {mode: cluster}}", "cache.redis.nodes: is required in this mode"),
        (
            "cache: {redis: {url: 'redis://h', tls: {client_key_file: k}}}",
            "cache.redis.tls: client_cert_file and",
        ),
        ("cache: {backend: disk}", "cache.backend: must be one of \"memory\", \"redis\""),
        ("upstream: {tls: {ca_file: ''}}", "upstream.tls.ca_file: must not be empty"),
        (
            "observability: {metrics: {buckets: {a2a_ttfb: []}}}",
            "buckets.a2a_ttfb: must be one or more positive",
        ),
        ("shutdown: {min_drain_secs: 1.5}", "shutdown.min_drain_secs: must be a whole number"),
    ];
    for (text, expected) in table {
        let base = MINIMAL.lines().filter(|line| line.split(':').next() != text.split(':').next());
        let text: Vec<&str> = base.chain([text]).collect();
        let messages = messages(load("f.yaml", &text.join("\n"), &[])).join("\n");
        assert!(messages.contains(expected), "{text:?}\n{messages}");
        assert!(!messages.contains("s3cret"), "{messages}");
    }
}

#[test]
fn a_disabled_admin_listener_is_not_checked() {
    let text = format!("{MINIMAL}admin: {{enabled: false, addr: 0.0.0.0:1}}\n");
    assert!(load("f.yaml", &text, &[]).is_ok());
}

#[test]
fn a_file_must_say_where_the_resources_are() {
    assert_eq!(
        messages(load("f.yaml", "proxy: {addr: '1.1.1.1:1'}", &[])),
        ["f.yaml: resources_file: is required, or store_file, or etcd.endpoints"]
    );
    let pairs = [("AISIX_RESOURCES_FILE", "r.yaml"), ("AISIX_PROXY__ADDR", "1.1.1.1:1")];
    assert!(load("f.yaml", "", &pairs).is_ok());
}

#[test]
fn unreadable_files_are_named() {
    let missing = Config::load(Path::new("/nonexistent/a.yaml"), env(&[])).expect_err("it is not there");
    assert!(missing.to_string().starts_with("/nonexistent/a.yaml: (file): cannot be read: "), "{missing}");
    assert_eq!(messages(load("f.ini", "", &[])), ["f.ini: (file): must end in .yaml, .yml, .toml or .json"]);
}

#[test]
fn debug_shows_no_secret() {
    let text = format!(
        "{MINIMAL}admin: {{admin_keys: [s3cret-1]}}\ncache: {{redis: {{url: 'redis://:s3cret-2@h', password: s3cret-3, \
         nodes: [s3cret-4], sentinels: [s3cret-5]}}}}\nmanaged: {{cp_key_pem: s3cret-6}}\n"
    );
    let config = load("f.yaml", &text, &[]).expect("it is sound");
    let shown = format!("{config:?}");
    assert!(shown.contains("***") && !shown.contains("s3cret"), "{shown}");
    assert_eq!(config.dormant(), ["cache is set, but not in force in this build"]);
}

#[test]
fn durations_of_zero_are_none_and_fall_back_where_they_say_so() {
    let mut upstream = Upstream::default();
    assert_eq!(upstream.total_timeout(), None);
    assert_eq!(upstream.first_frame_timeout(), Some(Duration::from_millis(6_000_000)));
    upstream.stream_timeout_ms = 7;
    assert_eq!(upstream.first_frame_timeout(), Some(Duration::from_millis(7)));
    upstream.first_frame_timeout_ms = 3;
    assert_eq!(upstream.first_frame_timeout(), Some(Duration::from_millis(3)));
    assert_eq!(upstream.stream_timeout(), Some(Duration::from_millis(7)));
    let shutdown = Shutdown { min_drain_secs: 0, stream_budget_secs: 0 };
    assert_eq!((shutdown.min_drain(), shutdown.stream_budget()), (None, None));
    let path = |path: &str| Prometheus { path: path.to_owned(), ..Prometheus::default() }.path();
    assert_eq!([path(""), path("m"), path("/m/n")], ["/metrics", "/m", "/m/n"]);
    assert_eq!(Proxy { request_body_limit_bytes: 0, ..Proxy::default() }.body_limit(), None);
}
