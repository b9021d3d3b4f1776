//! Models that an operator sets aside and takes back.

use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::gateway::{Gateway, command, run};
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::{Gate, Upstream};

const READER: &str = "sk-admin-who-reads";

/// `smart` leads to `claude` and then to `chat`; both are at the same upstream, which tells them apart by the path.
fn setup(upstream: &Upstream) -> Setup {
    let targets = json!([{"model": "first"}, {"model": "chat"}]);
    Setup::new(upstream)
        .model("first", json!({"model_name": "gpt-first"}))
        .row("models", json!({"display_name": "smart", "routing": {"targets": targets}}))
        .config("admin.admin_keys", json!([ADMIN]))
        .config("admin.operators", json!([{"name": "grafana", "key": READER, "read_only": true}]))
}

fn smart(stream: bool) -> Request {
    let body = json!({"model": "smart", "stream": stream, "messages": [{"role": "user", "content": "hi"}]});
    Request::post("/v1/chat/completions", body.to_string()).bearer(CALLER)
}

async fn served_by(gateway: &Gateway) -> String {
    let answer = gateway.ask(&smart(false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-aisix-served-by").expect("a target").to_owned()
}

async fn drain(gateway: &Gateway, path: &str) -> Value {
    let answer = gateway.operate("POST", &format!("/admin/v1/models/{path}"), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_drained_model_gets_nothing_new_while_its_streams_go_on() {
    let gate = Gate::closed();
    let upstream = Upstream::queue([replies::gated_stream(CHAT_FRAMES, &gate)]).await;
    upstream.always(replies::json(200, CHAT_ANSWER));
    let setup = setup(&upstream);
    let mut resources = setup.resources.clone();
    let gateway = setup.start().await;
    let mut caller = gateway.caller().await;
    let head = caller.open(&smart(true)).await;
    assert_eq!(head.status, 200);

    let drained = drain(&gateway, "first/drain").await;
    assert_eq!((&drained["drained"], &drained["in_flight"]), (&json!(true), &json!(1)), "{drained}");
    assert_eq!(served_by(&gateway).await, "chat");
    let first = |number: usize| upstream.seen(number).json()["model"] == "gpt-first";
    assert!(first(0) && !first(1));
    gateway.log.containing("admin key 1").await;
    assert_eq!(gateway.scrape().await.sum("aisix_deployment_drained", &[("model", "first")]), 1.0);
    assert_eq!(gateway.scrape().await.sum("aisix_deployment_in_flight", &[("model", "first")]), 1.0);

    gate.open();
    let rest = String::from_utf8(caller.rest(&head).await).expect("text");
    assert!(rest.ends_with("data: [DONE]\n\n"), "{rest}");
    let quiet = drain(&gateway, "first/drain?wait_ms=60000").await;
    assert_eq!((&quiet["drained"], &quiet["in_flight"]), (&json!(true), &json!(0)), "{quiet}");

    resources["models"][2]["timeout"] = json!(50_000);
    gateway.write_resources(&resources);
    gateway.reload();
    eventually("another configuration", || async {
        let page = Request::get("/status/config").send(gateway.metrics).await.json();
        (page["applied"]["apply_seq"] == 2).then_some(())
    })
    .await;
    assert_eq!(served_by(&gateway).await, "chat", "another configuration takes nothing back");

    assert_eq!(drain(&gateway, "first/undrain").await["drained"], false);
    assert_eq!(served_by(&gateway).await, "first");
}

#[tokio::test]
async fn what_cannot_be_drained_is_refused_with_the_reason() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = setup(&upstream).start().await;
    let ask = async |method: &'static str, path: &str, key: &str| -> Answer {
        Request::new(method, &format!("/admin/v1/models/{path}")).bearer(key).send(gateway.admin).await
    };
    for (method, path, key, status) in [
        ("POST", "first/drain", READER, 403),
        ("POST", "first/undrain", READER, 403),
        ("POST", "first/drain?dry_run=true", READER, 400),
        ("POST", "first/drain", "sk-of-nobody", 401),
        ("POST", "nothing/drain", ADMIN, 404),
        ("POST", "smart/drain", ADMIN, 409),
        ("GET", "first/drain", ADMIN, 405),
        ("POST", "first/drain?wait_ms=60001", ADMIN, 400),
        ("POST", "first/drain?wait_ms=soon", ADMIN, 400),
        ("POST", "first/undrain?wait_ms=1", ADMIN, 400),
    ] {
        let answer = ask(method, path, key).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(answer.json()["error_msg"].is_string(), "{}", answer.text());
    }
    assert_eq!(served_by(&gateway).await, "first", "nothing of it took effect");
}

#[tokio::test]
async fn the_command_line_drains_and_undrains_a_running_gateway() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = setup(&upstream).start().await;
    let at = format!("http://{}", gateway.admin);
    let aisix = async |args: &[&str]| {
        let mut command = command(gateway.folder.path());
        command.args(args).args(["--at", &at]).env("AISIX_ADMIN_KEY", ADMIN);
        run(command).await
    };
    let (status, out, err) = aisix(&["drain", "first", "--wait", "30"]).await;
    assert!(status.success() && out.contains("first is drained; 0 requests under way"), "{out}{err}");
    assert_eq!(served_by(&gateway).await, "chat");
    let rows = Request::get("/status/models").send(gateway.metrics).await.json();
    let first = rows.as_array().expect("rows").iter().find(|row| row["display_name"] == "first");
    let id = first.expect("the model")["id"].as_str().expect("an id").to_owned();
    let undrained = drain(&gateway, &format!("{id}/undrain")).await;
    assert_eq!(undrained["drained"], false, "an id is as good as a name: {undrained}");
    let (status, out, _) = aisix(&["undrain", "first"]).await;
    assert!(status.success() && out.contains("first is taken back"), "{out}");
    assert_eq!(served_by(&gateway).await, "first");
    let (status, _, err) = aisix(&["drain", "smart"]).await;
    assert!(!status.success() && err.contains("409"), "{err}");
}
