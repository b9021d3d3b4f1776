use super::*;

fn translated(text: &str) -> (Value, Translation) {
    let translation = translate(text, Path::new("config.yaml")).expect("it is YAML");
    let value = Document::read(&translation.text, Format::Yaml, Path::new("r.yaml")).expect("YAML").value;
    assert_eq!(translation.faults(), Vec::<String>::new(), "{}", translation.text);
    (value, translation)
}

const CONFIG: &str = r#"
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_KEY, rpm: 100, weight: 2, timeout: 30, order: 1}
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://eu.example.com
      api_key: sk-literal-secret
      api_version: "2024-10-21"
      order: 2
    model_info: {id: eu, input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001}
  - {model_name: claude, litellm_params: {model: anthropic/claude-sonnet-4-5, max_tokens: 1024}}
  - {model_name: "groq/*", litellm_params: {model: "groq/*"}}
  - {model_name: local, litellm_params: {model: hosted_vllm/llama, api_base: "http://127.0.0.1:8000/v1"}}
  - {model_name: odd, litellm_params: {model: watsonx/granite}}
router_settings:
  routing_strategy: usage-based-routing-v2
  num_retries: 3
  cooldown_time: 60
  allowed_fails: 3
  redis_host: os.environ/REDIS_HOST
  fallbacks: [{"gpt-4o": ["claude", "nowhere"]}]
  model_group_alias: {"gpt-4": "gpt-4o"}
litellm_settings:
  drop_params: true
  cache: true
  cache_params: {type: redis, ttl: 600, host: h}
  success_callback: [langfuse]
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  database_url: os.environ/DATABASE_URL
surprise: 1
"#;

#[test]
fn deployments_keys_and_routes_find_their_places() {
    let (rows, translation) = translated(CONFIG);
    let names = |collection: &str| -> Vec<&str> {
        let rows = rows[collection].as_array().into_iter().flatten();
        rows.filter_map(|row| row["display_name"].as_str()).collect()
    };
    assert_eq!(names("provider_keys"), ["openai", "azure-openai", "anthropic", "groq", "vllm"]);
    assert_eq!(names("models"), ["gpt-4o@1", "gpt-4o@2", "claude", "groq/*", "local", "gpt-4o", "gpt-4"]);
    assert_eq!(rows["provider_keys"][0]["api_key"], "${OPENAI_KEY}");
    assert_eq!(rows["provider_keys"][1]["api_key"], "${AZURE_API_KEY}");
    assert_eq!(rows["provider_keys"][2]["request"]["default_body_fields"]["max_tokens"], 1024);
    let first = &rows["models"][0];
    assert_eq!(
        (&first["timeout"], &first["retries"], &first["rate_limit"], &first["cooldown"]),
        (&json!(30_000), &json!(3), &json!({"rpm": 100}), &json!({"default_seconds": 60}))
    );
    assert_eq!(rows["models"][1]["cost"], json!({"input_per_1k": 0.0025, "output_per_1k": 0.01}));
    let wildcard = &rows["models"][3];
    assert_eq!((&wildcard["model_name"], &wildcard["provider_key"]), (&Value::Null, &json!("groq")));
    let targets = json!([
        {"model": "gpt-4o@1", "weight": 2, "priority": -1},
        {"model": "gpt-4o@2", "priority": -2},
        {"model": "claude", "priority": -3},
    ]);
    assert_eq!(rows["models"][5]["routing"]["targets"], targets);
    assert_eq!(rows["models"][6]["routing"]["targets"], targets);
    assert_eq!(rows["api_keys"][0]["key_env"], "LITELLM_MASTER_KEY");
    assert_eq!(rows["cache_policies"][0]["ttl_seconds"], 600);
    assert_eq!(translation.literals(), [("AZURE_API_KEY", "model_list[1].litellm_params.api_key")]);
    assert_eq!(translation.literal("AZURE_API_KEY").as_deref(), Some("sk-literal-secret"));
    assert!(!translation.text.contains("sk-literal-secret"));
}

#[test]
fn whatever_has_no_counterpart_is_told_with_its_path() {
    let (_, translation) = translated(CONFIG);
    let told = |path: &str| {
        let starts = format!("{path}: ");
        assert!(
            translation.notes.iter().any(|note| note.starts_with(&starts)),
            "{path}: {:#?}",
            translation.notes
        );
    };
    [
        "model_list[1].litellm_params.api_version",
        "model_list[1].litellm_params.model",
        "model_list[1].model_info.id",
        "model_list[5].litellm_params.model",
        "router_settings.routing_strategy",
        "router_settings.allowed_fails",
        "router_settings.redis_host",
        "router_settings.fallbacks[0].gpt-4o",
        "litellm_settings.drop_params",
        "litellm_settings.cache_params.host",
        "litellm_settings.success_callback",
        "general_settings.master_key",
        "general_settings.database_url",
        "surprise",
    ]
    .into_iter()
    .for_each(told);
    assert!(!translation.notes.iter().any(|note| note.contains("sk-literal-secret")));
}

#[test]
fn odd_shapes_are_told_and_never_lead_to_a_refused_file() {
    for text in [
        "model_list: 1\nrouter_settings: []\n",
        "model_list: [1, {model_name: a}, {litellm_params: {model: openai/x}}]\n",
        "model_list: [{model_name: a, litellm_params: {model: 'x/y', api_key: [1]}}]\n",
        "{}\n",
    ] {
        let (_, translation) = translated(text);
        assert!(text == "{}\n" || !translation.notes.is_empty(), "{text}");
    }
    assert!(translate("a: [", Path::new("c.yaml")).is_err());
}
