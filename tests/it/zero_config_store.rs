//! A newcomer's database: what is made through the Admin API of a start without configuration is there at the next.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{Answer, Request};
use crate::support::door::Door;
use crate::support::fixtures::{CALLER, CHAT, CHAT_ANSWER, OPENAI_SECRET};
use crate::support::gateway::{Gateway, command};
use crate::support::replies;
use crate::support::upstream::Upstream;

const ADMIN: &str = "admin-of-this-test";

/// A gateway with the data directory `data` in a folder that outlives it.
async fn start(folder: &Path) -> Gateway {
    start_with(folder, |_| ()).await
}

async fn start_with(folder: &Path, change: impl FnOnce(&mut tokio::process::Command)) -> Gateway {
    let mut command = command(folder);
    command.env("AISIX_ADMIN_KEY", ADMIN).env("OPENAI_API_KEY", OPENAI_SECRET);
    change(&mut command);
    let own = tempfile::tempdir().expect("a folder");
    Gateway::start_newcomer(command, own, Door::Lean, Some(CALLER)).await
}

async fn operate(gateway: &Gateway, method: &'static str, path: &str, body: Value) -> Answer {
    let mut request = Request::new(method, path).bearer(ADMIN);
    if !body.is_null() {
        request.body = body.to_string().into_bytes();
    }
    request.send(gateway.admin).await
}

/// A model of the test's own, on a provider key of its own.
async fn make_model(gateway: &Gateway, upstream: &Upstream) {
    let base = format!("http://{}/v1", upstream.addr);
    let key = json!({"display_name": "up", "provider": "openai", "api_key": "sk-up", "api_base": base});
    let model =
        json!({"display_name": "chat", "provider": "openai", "model_name": "gpt-real", "provider_key": "up"});
    for (collection, row) in [("provider_keys", key), ("models", model)] {
        let made = operate(gateway, "POST", &format!("/admin/v1/{collection}"), row).await;
        assert_eq!(made.status, 200, "{}", made.text());
    }
}

async fn chat(gateway: &Gateway) -> Answer {
    gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await
}

#[tokio::test]
async fn what_is_made_without_configuration_survives_a_restart() {
    let folder = TempDir::new().expect("a folder");
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let mut gateway = start(folder.path()).await;
    make_model(&gateway, &upstream).await;
    assert_eq!(chat(&gateway).await.status, 200);
    gateway.signal(Signal::KILL);
    gateway.exit().await;
    let gateway = start(folder.path()).await;
    assert_eq!(chat(&gateway).await.status, 200);
    let data = folder.path().join("data");
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join("aisix.db"))), (0o700, 0o600));
    let page = Request::get("/status/config").send(gateway.metrics).await.json();
    assert_eq!((&page["source"]["type"], &page["state"]), (&json!("sqlite"), &json!("synced")));
}

#[tokio::test]
async fn the_admin_key_of_a_run_is_shown_once_to_who_started_it_and_works() {
    let folder = TempDir::new().expect("a folder");
    let gateway = start_with(folder.path(), |command| {
        command.env_remove("AISIX_ADMIN_KEY");
    })
    .await;
    let banner = gateway.stdout.all().join("\n");
    let word = banner.split_whitespace().find(|word| word.starts_with("admin-"));
    let key = word.unwrap_or_else(|| panic!("no admin key in:\n{banner}"));
    let listed = Request::get("/admin/v1/models").bearer(key).send(gateway.admin).await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    assert_eq!(banner.matches(key).count(), 1);
    assert!(!gateway.log.all().join("\n").contains(key));
    assert_eq!(Request::get("/admin/v1/models").bearer(CALLER).send(gateway.admin).await.status, 401);

    let gateway = start_with(folder.path(), |command| {
        command.env("AISIX_DATA_DIR", folder.path().join("other"));
    });
    assert!(!gateway.await.stdout.all().join("\n").contains(ADMIN), "a key that was brought is not repeated");
}

#[tokio::test]
async fn what_the_environment_offers_is_listed_and_cannot_be_written_but_replaced() {
    let folder = TempDir::new().expect("a folder");
    let gateway = start(folder.path()).await;
    let listed = operate(&gateway, "GET", "/admin/v1/provider_keys?name=openai", Value::Null).await;
    assert!(!listed.text().contains(OPENAI_SECRET), "{}", listed.text());
    let row = listed.json()[0].clone();
    assert_eq!((&row["value"]["api_key"], &row["revision"]), (&json!("********"), &json!(0)));
    let path = format!("/admin/v1/provider_keys/{}", row["id"].as_str().expect("an id"));
    for (method, body) in [("PATCH", json!({"provider": "x"})), ("DELETE", Value::Null)] {
        let refused = operate(&gateway, method, &path, body).await;
        assert_eq!(refused.status, 409, "{}", refused.text());
        assert!(refused.text().contains("environment"), "{}", refused.text());
    }
    let own = json!({"display_name": "openai", "provider": "openai", "api_key": "sk-own"});
    let made = operate(&gateway, "POST", "/admin/v1/provider_keys", own).await;
    assert_eq!((made.status, &made.json()["id"]), (200, &row["id"]), "{}", made.text());
    assert_eq!(operate(&gateway, "DELETE", &path, Value::Null).await.status, 200);
    let back = operate(&gateway, "GET", &path, Value::Null).await.json();
    assert_eq!(back["revision"], 0, "the environment's is back");
}

#[tokio::test]
async fn a_second_gateway_and_one_without_a_place_to_write_start_all_the_same_and_say_so() {
    let folder = TempDir::new().expect("a folder");
    let _first = start(folder.path()).await;
    let second = start(folder.path()).await;
    let line = second.log.containing("running without a database").await;
    assert!(line.contains("in use by another process"), "{line}");

    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let blocked = start_with(folder.path(), |command| {
        command.env("AISIX_DATA_DIR", file.join("below"));
    })
    .await;
    blocked.log.containing("running without a database").await;

    let homeless = start_with(folder.path(), |command| {
        for name in ["AISIX_DATA_DIR", "STATE_DIRECTORY", "XDG_DATA_HOME", "HOME"] {
            command.env_remove(name);
        }
    })
    .await;
    let line = homeless.log.containing("running without a database").await;
    assert!(line.contains("HOME"), "{line}");
    for gateway in [&second, &blocked, &homeless] {
        let models = gateway.ask(&Request::get("/v1/models").bearer(CALLER)).await;
        assert!(models.text().contains("sim-openai"), "{}", models.text());
        let write = operate(gateway, "POST", "/admin/v1/api_keys", json!({"allowed_models": []})).await;
        assert_eq!(write.status, 409, "{}", write.text());
        assert!(write.text().contains("there is no database to write to"), "{}", write.text());
        assert_eq!(operate(gateway, "GET", "/admin/v1/models", Value::Null).await.status, 200);
    }
}

#[tokio::test]
async fn a_damaged_database_stops_the_start_instead_of_turning_its_callers_away() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    std::fs::write(data.join("aisix.db"), "no database").expect("a file");
    let mut command = command(folder.path());
    for listener in ["PROXY__ADDR", "ADMIN__ADDR", "OBSERVABILITY__METRICS__PROMETHEUS__ADDR"] {
        command.env(format!("AISIX_{listener}"), "127.0.0.1:0");
    }
    let (status, _, stderr) = crate::support::gateway::run(command).await;
    assert!(!status.success());
    assert!(stderr.contains("aisix.db is damaged"), "{stderr}");
}
