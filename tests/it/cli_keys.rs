//! Caller keys made and managed by the command line.

use std::path::Path;

use serde_json::json;

use crate::support::client::Request;
use crate::support::fixtures::*;
use crate::support::gateway::{Gateway, command, run};
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

async fn key(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = command(folder);
    command.arg("key").args(args).env("AISIX_ADMIN_KEY", ADMIN).env("IT_OWN_KEY", "sk-brought-along");
    let (status, out, err) = run(command).await;
    (status.code(), out, err)
}

/// A gateway with one model `chat`, and the folder of its database.
async fn operated() -> (Gateway, Upstream, tempfile::TempDir) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Setup::new(&upstream).stored(&folder.path().join("a.db")).start().await;
    let base = format!("http://{}/v1", upstream.addr);
    let rows = [
        (
            "provider_keys",
            json!({"display_name": "up", "provider": "openai", "api_key": "s", "api_base": base}),
        ),
        (
            "models",
            json!({"display_name": "chat", "provider": "openai", "model_name": "g", "provider_key": "up"}),
        ),
    ];
    for (collection, row) in rows {
        let made = gateway.operate("POST", &format!("/admin/v1/{collection}"), Some(&row)).await;
        assert_eq!(made.status, 200, "{}", made.text());
    }
    (gateway, upstream, folder)
}

async fn chat(gateway: &Gateway, key: &str) -> u16 {
    gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(key.trim())).await.status
}

#[tokio::test]
async fn a_key_of_a_running_gateway_works_from_its_making_to_its_revocation() {
    let (gateway, _upstream, folder) = operated().await;
    let (at, api) = (folder.path(), format!("http://{}", gateway.admin));
    let create = ["create", "--name", "ci", "--models", "chat,gpt-*", "--expires", "30d", "--rpm", "60"];
    let (code, made, err) = key(at, &[&create[..], &["--on", &api]].concat()).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(
        made.starts_with("sk-") && made.lines().count() == 1,
        "only the key is on standard output: {made}"
    );
    assert!(!err.contains(made.trim()), "the key is shown once");
    assert_eq!(chat(&gateway, &made).await, 200);

    let (_, listed, _) = key(at, &["list", "--on", &api]).await;
    assert!(listed.starts_with("ci\tuntil 20") && listed.contains("\tchat,gpt-*\t"), "{listed}");
    let (code, rotated, err) = key(at, &["rotate", "ci", "--on", &api]).await;
    assert_eq!(code, Some(0), "{err}");
    assert_eq!((chat(&gateway, &made).await, chat(&gateway, &rotated).await), (401, 200));

    let (code, out, err) = key(at, &["revoke", "ci", "--on", &api]).await;
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    assert_eq!(chat(&gateway, &rotated).await, 401);
    let (_, listed, _) = key(at, &["list", "--on", &api]).await;
    assert!(listed.starts_with("ci\tdisabled\t"), "{listed}");
    assert_eq!(key(at, &["revoke", "ci", "--delete", "--on", &api]).await.0, Some(0));
    assert_eq!(key(at, &["list", "--on", &api]).await.1, "");
}

#[tokio::test]
async fn a_key_made_in_a_database_is_honoured_by_the_gateway_that_opens_it() {
    let (mut gateway, upstream, folder) = operated().await;
    let at = folder.path();
    let (code, _, err) = key(at, &["create", "--name", "k", "--on", "a.db"]).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("http://127.0.0.1:3001"), "the way to a database in use is told: {err}");
    gateway.signal(rustix::process::Signal::TERM);
    gateway.exit().await;

    let (code, made, err) = key(at, &["create", "--name", "k", "--on", "a.db"]).await;
    assert_eq!(code, Some(0), "{err}");
    let own = ["create", "--name", "own", "--key-env", "IT_OWN_KEY", "--on", "a.db"];
    let (code, out, err) = key(at, &own).await;
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    assert!(!err.contains("sk-brought"), "{err}");
    let (_, first, _) = key(at, &["create", "--name", "gone", "--on", "a.db"]).await;
    assert_eq!(key(at, &["revoke", "gone", "--on", "a.db"]).await.0, Some(0));
    let (_, old, _) = key(at, &["create", "--name", "turned", "--on", "a.db"]).await;
    let (_, new, _) = key(at, &["rotate", "turned", "--on", "a.db"]).await;

    let gateway = Setup::new(&upstream).stored(&at.join("a.db")).start().await;
    for (key, status) in
        [(&*made, 200), ("sk-brought-along", 200), (&*first, 401), (&*old, 401), (&*new, 200)]
    {
        assert_eq!(chat(&gateway, key).await, status);
    }
    let audit = gateway.operate("GET", "/admin/v1/audit?limit=1", None).await.json();
    assert_eq!((&audit[0]["who"], &audit[0]["action"]), (&json!("command line"), &json!("rotate")));
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_told_and_nothing_is_made() {
    let (gateway, _upstream, folder) = operated().await;
    let (at, api) = (folder.path(), format!("http://{}", gateway.admin));
    assert_eq!(key(at, &["create", "--name", "k", "--on", &api]).await.0, Some(0));
    let cases: [(&[&str], &str); 5] = [
        (&["create", "--name", "k"], "already"),
        (&["create", "--name", "x", "--models", "chta"], "did you mean \"chat\"?"),
        (&["create", "--name", "x", "--expires", "soon"], "30d"),
        (&["create", "--name", "x", "--key-env", "IT_NONE"], "IT_NONE"),
        (&["rotate", "nobody"], "nobody"),
    ];
    for (args, said) in cases {
        let (code, out, err) = key(at, &[args, &["--on", &api]].concat()).await;
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}: {err}");
        assert!(err.contains(said), "{args:?}: {err}");
    }
    let listed = key(at, &["list", "--on", &api]).await.1;
    assert_eq!(listed.lines().count(), 1, "{listed}");
}
