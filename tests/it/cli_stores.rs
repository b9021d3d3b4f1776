//! Resources carried between places by the command line: files, databases, and running gateways.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::support::client::Request;
use crate::support::etcd::Etcd;
use crate::support::fixtures::*;
use crate::support::gateway::{Gateway, command, run};
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// What a command came to.
struct Came {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn aisix(folder: &Path, args: &[&str]) -> Came {
    with(folder, args, &[]).await
}

async fn with(folder: &Path, args: &[&str], env: &[(&str, &str)]) -> Came {
    let mut command = command(folder);
    command.args(args).env("IT_PROVIDER_KEY", "sk-it-provider").env("IT_CALLER_KEY", "sk-it-caller");
    command.envs(env.iter().copied());
    let (status, out, err) = run(command).await;
    assert!(!err.contains("panicked"), "{err}");
    Came { code: status.code(), out, err }
}

const FILE: &str = r#"_format_version: "1"
provider_keys:
  - { display_name: up, provider: openai, api_key: "${IT_PROVIDER_KEY}" }
models:
  - { display_name: m, provider: openai, model_name: gpt, provider_key: up }
  - { display_name: r, routing: { targets: [{ model: m }] } }
api_keys:
  - { display_name: dev, key_env: IT_CALLER_KEY, allowed_models: ["m", "r"] }
guardrails:
  - { name: words, kind: keyword, patterns: [{ kind: literal, value: "$x" }] }
guardrail_attachments:
  - { name: to-m, guardrail: words, scope_type: model, scope: m, priority: 1 }
rate_limit_policies:
  - { name: slow, scope: api_key, scope_ref: dev, window: minute, max_requests: 5 }
cache_policies:
  - { name: for-dev, applies_to: "api_key:dev" }
"#;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("r.yaml"), FILE).expect("a file");
    folder
}

/// A folder with the file, and a database with the same in it.
async fn imported() -> TempDir {
    let folder = folder();
    let came = aisix(folder.path(), &["import", "r.yaml", "--to", "a.db"]).await;
    assert_eq!(came.code, Some(0), "{}", came.err);
    folder
}

#[tokio::test]
async fn what_goes_through_a_database_comes_back_the_same() {
    let folder = imported().await;
    let at = folder.path();
    assert_eq!(aisix(at, &["diff", "r.yaml", "a.db"]).await.code, Some(0));
    let came = aisix(at, &["export", "--from", "a.db", "--to", "out.yaml"]).await;
    assert_eq!(came.code, Some(0), "{}", came.err);
    assert!(came.err.contains("UP_API_KEY"), "the variables are named: {}", came.err);
    let text = std::fs::read_to_string(at.join("out.yaml")).expect("a file");
    assert!(!text.contains("sk-it") && !came.err.contains("sk-it") && !came.out.contains("sk-it"), "{text}");
    for line in ["provider_key: up", "guardrail: words", "scope: m", "scope_ref: dev", "value: \"$$x\""] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
    let missing = aisix(at, &["validate", "out.yaml"]).await;
    assert!(missing.code == Some(1) && missing.err.contains("UP_API_KEY"), "{}", missing.err);
    let env = [("UP_API_KEY", "sk-it-provider")];
    assert_eq!(with(at, &["diff", "out.yaml", "r.yaml"], &env).await.code, Some(0));
    let again = with(at, &["import", "out.yaml", "--to", "b.db"], &env).await;
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert_eq!(aisix(at, &["diff", "a.db", "b.db"]).await.code, Some(0));
    let (one, other) =
        (aisix(at, &["export", "--from", "a.db"]).await, aisix(at, &["export", "--from", "b.db"]).await);
    let body = |came: &Came| came.out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(body(&one), body(&other), "the same rows are the same text");
}

#[tokio::test]
async fn what_is_in_a_database_can_be_in_etcd_as_well() {
    let folder = imported().await;
    let (at, etcd) = (folder.path(), Etcd::start().await);
    let place = format!("etcd://{}/elsewhere", etcd.addr);
    let came = aisix(at, &["import", "r.yaml", "--to", &place]).await;
    assert_eq!(came.code, Some(0), "{}", came.err);
    assert_eq!(aisix(at, &["diff", "a.db", &place]).await.code, Some(0));
    let made = aisix(at, &["key", "create", "--on", &place, "--name", "ci", "--models", "m"]).await;
    assert!(made.code == Some(0) && made.out.starts_with("sk-"), "{}", made.err);
    let differs = aisix(at, &["diff", "a.db", &place]).await;
    assert!(differs.code == Some(1) && differs.out.contains("ci"), "{}", differs.out);
    etcd.put("/elsewhere/models/broken", "no JSON").await;
    let faulty = aisix(at, &["validate", &place]).await;
    assert!(faulty.code == Some(1) && faulty.err.contains("models/broken"), "{}", faulty.err);
}

#[tokio::test]
async fn an_import_says_what_it_does_and_keeps_ids() {
    let folder = imported().await;
    let at = folder.path();
    let ids = aisix(at, &["key", "list", "--on", "a.db"]).await.out;
    let changed = FILE
        .replace("model_name: gpt,", "model_name: gpt-5,")
        .replace("allowed_models: [\"m\", \"r\"]", "allowed_models: [\"m\"]")
        .replace(
            "  - { display_name: r, routing: { targets: [{ model: m }] } }\n",
            "  - { display_name: n, routing: { targets: [{ model: m }] } }\n",
        );
    std::fs::write(at.join("new.yaml"), changed).expect("a file");
    let import = ["import", "new.yaml", "--to", "a.db", "--prune"];
    let tried = aisix(at, &[&import[..], &["--dry-run"]].concat()).await;
    assert_eq!(tried.code, Some(0), "{}", tried.err);
    for line in [
        "create models \"n\"",
        "change models \"m\": model_name",
        "change api_keys \"dev\": allowed_models",
        "delete models \"r\"",
    ] {
        assert!(tried.out.contains(line), "{line} is missing in:\n{}", tried.out);
    }
    assert_eq!(aisix(at, &["diff", "r.yaml", "a.db"]).await.code, Some(0), "nothing was written");
    let done = aisix(at, &import).await;
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(aisix(at, &["diff", "new.yaml", "a.db"]).await.code, Some(0));
    let id = |list: &str| list.split('\t').next_back().map(str::to_owned);
    assert_eq!(id(&aisix(at, &["key", "list", "--on", "a.db"]).await.out), id(&ids));
    let again = aisix(at, &import).await;
    assert!(again.out.contains("wrote 0 rows and deleted 0"), "{}", again.out);
}

#[tokio::test]
async fn an_import_that_is_refused_changes_nothing() {
    let folder = imported().await;
    let at = folder.path();
    let clash = r#"_format_version: "1"
provider_keys: [{ display_name: other, provider: openai, api_key: x }]
api_keys: [{ display_name: twin, key_env: IT_CALLER_KEY, allowed_models: [] }]
"#;
    std::fs::write(at.join("clash.yaml"), clash).expect("a file");
    let refused = aisix(at, &["import", "clash.yaml", "--to", "a.db"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.out);
    assert!(refused.err.contains("twin") && refused.err.contains("dev"), "{}", refused.err);
    assert_eq!(aisix(at, &["diff", "r.yaml", "a.db"]).await.code, Some(0));
}

#[tokio::test]
async fn a_difference_is_told_member_by_member_without_secrets() {
    let folder = folder();
    let at = folder.path();
    let other =
        FILE.replace("model_name: gpt,", "model_name: gpt-5,").replace("name: slow,", "name: slower,");
    std::fs::write(at.join("s.yaml"), other.replace("\"${IT_PROVIDER_KEY}\"", "sk-another")).expect("a file");
    let came = aisix(at, &["diff", "r.yaml", "s.yaml"]).await;
    assert_eq!(came.code, Some(1), "{}", came.err);
    let expected = "\
provider_keys \"up\":
  api_key: differs (secret)
models \"m\":
  model_name: \"gpt\" -> \"gpt-5\"
rate_limit_policies \"slow\": only in r.yaml
rate_limit_policies \"slower\": only in s.yaml
";
    assert_eq!(came.out, expected);
    let failed = aisix(at, &["diff", "r.yaml", "none.yaml"]).await;
    assert!(failed.code == Some(2) && failed.err.contains("none.yaml"), "{}", failed.err);
    assert_eq!(aisix(at, &["diff", "r.yaml", "nowhere"]).await.code, Some(2));
}

#[tokio::test]
async fn places_that_are_not_there_are_not_made_by_asking() {
    let folder = folder();
    let at = folder.path();
    for args in [
        &["export", "--from", "typo.db"][..],
        &["validate", "typo.db"],
        &["key", "create", "--name", "k", "--on", "typo.db"],
        &["import", "r.yaml", "--to", "typo.db", "--dry-run"],
    ] {
        let came = aisix(at, args).await;
        assert!(came.code == Some(1) && came.err.contains("typo.db"), "{args:?}: {}", came.err);
        assert!(!at.join("typo.db").exists(), "{args:?}");
    }
    std::fs::write(at.join("kept.yaml"), "x").expect("a file");
    let kept = aisix(at, &["import", "r.yaml", "--to", "kept.yaml"]).await;
    assert!(kept.code == Some(1) && kept.err.contains("--force"), "{}", kept.err);
    assert_eq!(std::fs::read_to_string(at.join("kept.yaml")).expect("a file"), "x");
}

async fn operated(folder: &Path) -> (Gateway, Upstream) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = Setup::new(&upstream).stored(&folder.join("a.db")).start().await;
    (gateway, upstream)
}

#[tokio::test]
async fn a_running_gateway_takes_and_gives_resources_through_its_admin_api() {
    let folder = folder();
    let at = folder.path();
    let (gateway, upstream) = operated(at).await;
    let base = format!("api_key: \"${{IT_PROVIDER_KEY}}\", api_base: \"http://{}/v1\"", upstream.addr);
    std::fs::write(at.join("r.yaml"), FILE.replace("api_key: \"${IT_PROVIDER_KEY}\"", &base))
        .expect("a file");
    let api = format!("http://{}", gateway.admin);
    let admin = [("AISIX_ADMIN_KEY", ADMIN)];
    let done = with(at, &["import", "r.yaml", "--to", &api], &admin).await;
    assert_eq!(done.code, Some(0), "{}", done.err);
    let chat = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let served = gateway.ask(&Request::post("/v1/chat/completions", chat).bearer("sk-it-caller")).await;
    assert_eq!(served.status, 200, "{}", served.text());
    assert_eq!(upstream.last().header("authorization"), Some("Bearer sk-it-provider"));

    assert_eq!(with(at, &["diff", "r.yaml", &api], &admin).await.code, Some(0));
    let exported = with(at, &["export", "--from", &api], &admin).await;
    assert_eq!(exported.code, Some(0), "{}", exported.err);
    assert!(
        exported.out.contains("api_key: ${UP_API_KEY}") && !exported.out.contains("sk-it"),
        "{}",
        exported.out
    );
    assert_eq!(with(at, &["export", "--from", &api, "--reveal-secrets"], &admin).await.code, Some(1));

    let renamed = FILE.replace("model_name: gpt,", "model_name: gpt-5,");
    std::fs::write(at.join("renamed.yaml"), renamed.replace("api_key: \"${IT_PROVIDER_KEY}\"", &base))
        .expect("a file");
    let tried = with(at, &["import", "renamed.yaml", "--to", &api, "--dry-run"], &admin).await;
    assert!(tried.out.contains("change models \"m\": model_name"), "{}{}", tried.out, tried.err);
    assert_eq!(with(at, &["diff", "r.yaml", &api], &admin).await.code, Some(0), "nothing was written");

    let audit = gateway.operate("GET", "/admin/v1/audit", None).await;
    assert_eq!(audit.json()[0]["action"], "import");
    let wrong = with(at, &["export", "--from", &api], &[("AISIX_ADMIN_KEY", "sk-guess")]).await;
    assert!(wrong.code == Some(1) && wrong.err.contains("AISIX_ADMIN_KEY"), "{}", wrong.err);
    assert!(!wrong.err.contains("sk-guess"), "{}", wrong.err);
    let none = aisix(at, &["export", "--from", &api]).await;
    assert!(none.code == Some(1) && none.err.contains("AISIX_ADMIN_KEY"), "{}", none.err);
    let busy = aisix(at, &["export", "--from", "a.db"]).await;
    assert!(busy.code == Some(1) && busy.err.contains("Admin API"), "{}", busy.err);
}

#[tokio::test]
async fn many_rows_written_at_once_are_written_together_or_not_at_all() {
    let folder = folder();
    let (gateway, _upstream) = operated(folder.path()).await;
    let key = json!({"display_name": "up", "provider": "openai", "api_key": "s"});
    let model = |of: &str| json!({"display_name": "m", "provider": "openai", "model_name": "g", "provider_key_id": of});
    let puts = |of: &str| {
        json!({"puts": [
            {"collection": "models", "id": "m1", "value": model(of)},
            {"collection": "provider_keys", "id": "p1", "value": key},
        ]})
    };
    let refused = gateway.operate("POST", "/admin/v1/import", Some(&puts("p2"))).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("models \\\"m\\\".provider_key_id"), "{}", refused.text());
    assert_eq!(gateway.operate("GET", "/admin/v1/provider_keys", None).await.json(), json!([]));
    let done = gateway.operate("POST", "/admin/v1/import", Some(&puts("p1"))).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(done.json()["written"], 2);
    let twice = gateway.operate("POST", "/admin/v1/import", Some(&puts("p1"))).await;
    assert_eq!(twice.status, 412, "they are there already: {}", twice.text());
    for body in [json!([]), json!({"puts": [{"collection": "wonders", "id": "x"}]}), json!({"others": []})] {
        let answer = gateway.operate("POST", "/admin/v1/import", Some(&body)).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
}

#[tokio::test]
async fn validate_finds_what_a_store_should_not_hold() {
    let folder = imported().await;
    let at = folder.path();
    let sound = aisix(at, &["validate", "a.db"]).await;
    assert_eq!(sound.code, Some(0), "{}", sound.err);
    assert!(sound.out.contains("8 resources are valid"), "{}", sound.out);
    let cut =
        FILE.replace("  - { display_name: m, provider: openai, model_name: gpt, provider_key: up }\n", "");
    let cut = cut
        .replace("targets: [{ model: m }]", "targets: [{ model: o }]")
        .replace("[\"m\", \"r\"]", "[\"r\"]");
    let cut = cut.replace("scope_type: model, scope: m,", "scope_type: env,");
    let other = "  - { display_name: o, provider: openai, model_name: gpt, provider_key: up }\n";
    std::fs::write(at.join("cut.yaml"), cut.replace("models:\n", &format!("models:\n{other}")))
        .expect("a file");
    let sound = aisix(at, &["import", "cut.yaml", "--to", "a.db", "--prune"]).await;
    assert_eq!(sound.code, Some(0), "{}", sound.err);
}

#[tokio::test]
async fn a_row_that_names_another_one_in_place_can_be_written_back_as_it_was_read() {
    let folder = folder();
    let (gateway, _upstream) = operated(folder.path()).await;
    let create = async |collection: &str, row| {
        let made = gateway.operate("POST", &format!("/admin/v1/{collection}"), Some(&row)).await;
        assert_eq!(made.status, 200, "{}", made.text());
        made.json()
    };
    create("api_keys", json!({"display_name": "dev", "allowed_models": []})).await;
    let rows = [
        ("cache_policies", json!({"name": "c", "applies_to": "api_key:dev"})),
        (
            "rate_limit_policies",
            json!({"name": "r", "scope": "api_key", "scope_ref": "dev", "window": "day", "max_requests": 1}),
        ),
    ];
    for (collection, row) in rows {
        let made = create(collection, row).await;
        let place = format!("/admin/v1/{collection}/{}", made["id"].as_str().expect("an id"));
        let again = gateway.operate("PUT", &place, Some(&made["value"])).await;
        assert_eq!(again.status, 200, "{}", again.text());
        assert_eq!(again.json()["value"], made["value"]);
    }
}
