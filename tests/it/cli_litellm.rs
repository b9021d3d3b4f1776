//! The configuration of a LiteLLM proxy, taken over.

use crate::support::gateway::{command, run};

const CONFIG: &str = r#"
model_list:
  - model_name: gpt-4o
    litellm_params: { model: openai/gpt-4o, api_key: os.environ/IT_OPENAI, rpm: 100 }
  - model_name: gpt-4o
    litellm_params: { model: openai/gpt-4o, api_key: sk-literal-in-the-file }
  - model_name: claude
    litellm_params: { model: anthropic/claude-sonnet-4-5, api_key: os.environ/IT_ANTHROPIC, api_version: x }
router_settings: { num_retries: 2, fallbacks: [{ gpt-4o: [claude] }] }
general_settings: { master_key: os.environ/IT_MASTER }
"#;

#[tokio::test]
async fn a_configuration_becomes_a_file_that_is_valid_or_rows_of_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.yaml"), CONFIG).expect("a file");
    let aisix = |args: &'static [&'static str]| {
        let mut command = command(folder.path());
        let env = [
            ("IT_OPENAI", "sk-1"),
            ("IT_ANTHROPIC", "sk-2"),
            ("IT_MASTER", "sk-3"),
            ("OPENAI_API_KEY", "sk-4"),
        ];
        command.args(args).envs(env);
        run(command)
    };
    let (status, _, err) = aisix(&["import", "--from", "litellm", "config.yaml", "--to", "r.yaml"]).await;
    assert!(status.success(), "{err}");
    for told in
        ["model_list[2].litellm_params.api_version: ", "general_settings.master_key: ", "OPENAI_API_KEY"]
    {
        assert!(err.contains(told), "{told} is missing in:\n{err}");
    }
    let text = std::fs::read_to_string(folder.path().join("r.yaml")).expect("a file");
    assert!(!text.contains("sk-literal") && !err.contains("sk-literal"), "{text}{err}");
    let (status, out, err) = aisix(&["validate", "r.yaml"]).await;
    assert!(status.success(), "{err}");
    assert!(out.contains("3 provider_keys, 4 models, 1 api_keys"), "{out}");

    let (status, out, err) = aisix(&["import", "--from", "litellm", "config.yaml", "--to", "a.db"]).await;
    assert!(status.success(), "{err}");
    assert!(out.contains("create models \"gpt-4o@2\""), "{out}");
    let (_, out, _) = aisix(&["export", "--from", "a.db", "--reveal-secrets"]).await;
    assert!(out.contains("sk-literal-in-the-file"), "a literal goes where it belongs");
}
