//! The command line, as an operator without documentation meets it.

use std::path::Path;
use std::process::ExitStatus;

use crate::support::gateway::{command, run};

const GOOD: &str = r#"_format_version: "1"
provider_keys:
  - { display_name: up, provider: openai, api_key: "${IT_PROVIDER_KEY}" }
models:
  - { display_name: m, provider: openai, model_name: gpt, provider_key: up }
api_keys:
  - { display_name: dev, key_env: IT_CALLER_KEY, allowed_models: ["m"] }
"#;

/// Five mistakes, on lines 3, 5, 6, 8 and 9.
const BAD: &str = r#"_format_version: "1"
provider_keys:
  - { display_name: up, provider: openai, api_key: "${IT_MISSING_KEY}" }
models:
  - { display_name: m, provider: openai, model_name: gpt, provider_key: nowhere }
  - { display_name: n, provider: openai, model_nam: gpt, provider_key: up }
api_keys:
  - { display_name: dev, key_hash: "ab", allowed_models: ["unknown-model"] }
surprise: []
"#;

async fn aisix(folder: &Path, args: &[&str]) -> (ExitStatus, String, String) {
    let mut command = command(folder);
    command.args(args).env("IT_PROVIDER_KEY", "sk-it-provider").env("IT_CALLER_KEY", "sk-it-caller");
    run(command).await
}

#[tokio::test]
async fn validate_counts_a_good_file_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("r.yaml"), GOOD).expect("a file");
    let (status, stdout, stderr) = aisix(folder.path(), &["validate", "--resources", "r.yaml"]).await;
    assert!(status.success(), "{stderr}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    assert!(stdout.contains('3'), "the count of resources: {stdout}");
}

#[tokio::test]
async fn validate_reports_every_problem_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("r.yaml"), BAD).expect("a file");
    let (status, stdout, stderr) = aisix(folder.path(), &["validate", "--resources", "r.yaml"]).await;
    assert_eq!(status.code(), Some(1), "{stdout}");
    let problems = [
        ("r.yaml:3:", "IT_MISSING_KEY"),
        ("r.yaml:5:", "nowhere"),
        ("r.yaml:6:", "model_nam"),
        ("r.yaml:8:", ""),
        ("r.yaml:9:", "surprise"),
    ];
    for (place, about) in problems {
        let found = stderr.lines().any(|line| line.contains(place) && line.contains(about));
        assert!(found, "{place} {about} is missing in:\n{stderr}");
    }
    assert!(stderr.contains("model_name"), "the nearest name is offered:\n{stderr}");
    assert!(!stderr.contains("panicked"));
}

#[tokio::test]
async fn validate_never_prints_a_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = GOOD.replace("provider_key: up }", "provider_key: up, oops: 1 }");
    std::fs::write(folder.path().join("r.yaml"), bad).expect("a file");
    let (_, stdout, stderr) = aisix(folder.path(), &["validate", "--resources", "r.yaml"]).await;
    for secret in ["sk-it-provider", "sk-it-caller"] {
        assert!(!stdout.contains(secret) && !stderr.contains(secret), "{stdout}{stderr}");
    }
}

#[tokio::test]
async fn validate_of_a_missing_file_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, _, stderr) = aisix(folder.path(), &["validate", "--resources", "none.yaml"]).await;
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("none.yaml"), "{stderr}");
}

#[tokio::test]
async fn version_and_help_answer_and_succeed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, stdout, _) = aisix(folder.path(), &["--version"]).await;
    assert!(status.success());
    assert!(stdout.starts_with("aisix ") && stdout.trim().chars().any(|c| c.is_ascii_digit()), "{stdout}");
    let (status, stdout, _) = aisix(folder.path(), &["--help"]).await;
    assert!(status.success());
    for word in ["--config", "validate", "AISIX_CONFIG"] {
        assert!(stdout.contains(word), "{word} is missing in:\n{stdout}");
    }
    for command in ["validate", "export", "import", "diff", "key"] {
        let (status, stdout, _) = aisix(folder.path(), &[command, "--help"]).await;
        assert!(status.success() && stdout.contains("Example"), "{command} without an example:\n{stdout}");
    }
    let (status, stdout, _) = aisix(folder.path(), &["completions", "bash"]).await;
    assert!(
        status.success() && stdout.contains("complete") && stdout.contains("--reveal-secrets"),
        "{stdout}"
    );
}

#[tokio::test]
async fn an_unknown_flag_is_a_usage_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, _, stderr) = aisix(folder.path(), &["--confg", "x"]).await;
    assert!(!status.success());
    assert!(stderr.contains("--confg"), "{stderr}");
}

#[tokio::test]
async fn an_unknown_configuration_key_stops_the_start_with_a_suggestion() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("r.yaml"), GOOD).expect("a file");
    let config = "resources_file: r.yaml\nproxy:\n  addr: 127.0.0.1:0\n  adrr: 127.0.0.1:1\nnonsense: 1\n";
    std::fs::write(folder.path().join("c.yaml"), config).expect("a file");
    let (status, _, stderr) = aisix(folder.path(), &["--config", "c.yaml"]).await;
    assert!(!status.success());
    let line = |part: &str| stderr.lines().find(|line| line.contains(part)).map(str::to_owned);
    let misspelt = line("proxy.adrr").unwrap_or_else(|| panic!("{stderr}"));
    assert!(misspelt.contains("c.yaml:4") && misspelt.contains("addr"), "{misspelt}");
    assert!(line("nonsense").is_some(), "all problems are reported at once:\n{stderr}");
}

#[tokio::test]
async fn unusable_values_stop_the_start_with_their_path() {
    let cases = [
        ("proxy:\n  addr: nonsense\n", "proxy.addr"),
        ("proxy:\n  addr: 127.0.0.1:0\n  workers: 0\n", "proxy.workers"),
        ("proxy:\n  addr: 127.0.0.1:0\nupstream:\n  retries: many\n", "upstream.retries"),
        ("proxy:\n  addr: 127.0.0.1:0\n  tls:\n    cert_file: /none.pem\n", "proxy.tls"),
    ];
    for (config, path) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("r.yaml"), GOOD).expect("a file");
        std::fs::write(folder.path().join("c.yaml"), format!("resources_file: r.yaml\n{config}"))
            .expect("a file");
        let (status, _, stderr) = aisix(folder.path(), &["--config", "c.yaml"]).await;
        assert!(!status.success(), "{config}");
        assert!(stderr.contains(path), "{path} is missing in:\n{stderr}");
    }
}

#[tokio::test]
async fn bad_resources_stop_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("r.yaml"), BAD).expect("a file");
    std::fs::write(folder.path().join("c.yaml"), "resources_file: r.yaml\nproxy: {addr: \"127.0.0.1:0\"}\n")
        .expect("a file");
    let (status, _, stderr) = aisix(folder.path(), &["--config", "c.yaml"]).await;
    assert!(!status.success());
    assert!(stderr.contains("surprise") && stderr.contains("model_nam"), "{stderr}");
}
