//! Certificates: the listener's, the upstreams', and the one the gateway shows to an upstream.

use serde_json::json;

use crate::support::certs::{Authority, Identity};
use crate::support::client::{Client, Request, connect_tls};
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

fn chat(alias: &str) -> Request {
    let body = json!({"model": alias, "messages": [{"role": "user", "content": "x"}]}).to_string();
    Request::post("/v1/chat/completions", body).bearer(CALLER)
}

/// The certificate the listener shows to a new connection.
async fn shown(gateway: &Gateway, authority: &Authority) -> Vec<u8> {
    let tls = connect_tls(gateway.proxy, authority.client(&["http/1.1"])).await;
    tls.get_ref().1.peer_certificates().expect("a certificate")[0].to_vec()
}

fn install(folder: &std::path::Path, identity: &Identity) {
    std::fs::write(folder.join("cert.pem"), &identity.certificate).expect("a file");
    std::fs::write(folder.join("key.pem"), &identity.key).expect("a file");
}

#[tokio::test]
async fn the_listeners_certificate_is_read_again_and_a_bad_one_is_refused() {
    let authority = Authority::new("listener");
    let (first, second) = (authority.issue("first"), authority.issue("second"));
    let folder = tempfile::tempdir().expect("a folder");
    install(folder.path(), &first);
    let files =
        json!({"cert_file": folder.path().join("cert.pem"), "key_file": folder.path().join("key.pem")});
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = Setup::new(&upstream).config("proxy.tls", files).start().await;
    assert_eq!(shown(&gateway, &authority).await, first.der());
    let old = connect_tls(gateway.proxy, authority.client(&["http/1.1"])).await;
    let mut old = Client::over(Box::new(old));

    install(folder.path(), &second);
    gateway.reload();
    let changed = || async { (shown(&gateway, &authority).await == second.der()).then_some(()) };
    eventually("the second certificate", changed).await;
    assert_eq!(old.ask(&chat("chat")).await.status, 200, "open connections live on");

    std::fs::write(folder.path().join("cert.pem"), "-----BEGIN CERTIFICATE-----\nAA\n").expect("a file");
    gateway.reload();
    gateway.log.containing("reload failed").await;
    assert_eq!(shown(&gateway, &authority).await, second.der());
}

/// Two provider keys for one TLS upstream, told apart by the root each trusts.
fn two_trusts(upstream: &Upstream, good: serde_json::Value, bad: serde_json::Value) -> Setup {
    let base = format!("https://localhost:{}/v1", upstream.addr.port());
    let key = |name: &str, tls: serde_json::Value| json!({"display_name": name, "provider": "openai", "api_key": OPENAI_SECRET, "api_base": base, "tls": tls});
    Setup::new(upstream)
        .row("provider_keys", key("trusting", good))
        .row("provider_keys", key("mistrusting", bad))
        .model("good", json!({"provider_key": "trusting"}))
        .model("bad", json!({"provider_key": "mistrusting"}))
}

#[tokio::test]
async fn an_upstream_is_verified_by_the_root_of_its_own_provider_key() {
    let (authority, stranger) = (Authority::new("upstream"), Authority::new("stranger"));
    let upstream = Upstream::doing_tls(replies::json(200, CHAT_ANSWER), authority.issue("up").server()).await;
    let right = json!({"ca_cert": authority.pem()});
    for wrong in [json!({"ca_cert": stranger.pem()}), json!({})] {
        let gateway = two_trusts(&upstream, right.clone(), wrong).start().await;
        let mut client = gateway.client().await;
        for _ in 0..2 {
            assert_eq!(client.ask(&chat("good")).await.status, 200);
            let refused = client.ask(&chat("bad")).await;
            let told = (refused.status, refused.error_type());
            assert_eq!(told, (502, "transport_error".into()), "a pooled connection is not borrowed");
        }
    }
}

#[tokio::test]
async fn verification_is_off_only_where_the_key_says_so() {
    let authority = Authority::new("upstream");
    let upstream = Upstream::doing_tls(replies::json(200, CHAT_ANSWER), authority.issue("up").server()).await;
    let gateway = two_trusts(&upstream, json!({"verify": false}), json!({})).start().await;
    let mut client = gateway.client().await;
    assert_eq!(client.ask(&chat("good")).await.status, 200);
    assert_eq!(client.ask(&chat("bad")).await.status, 502, "its connection is not lent to a verifying key");
}

#[tokio::test]
async fn a_client_certificate_is_shown_by_the_key_that_has_one() {
    let authority = Authority::new("upstream");
    let server = authority.server_asking(authority.issue("up"));
    let upstream = Upstream::doing_tls(replies::json(200, CHAT_ANSWER), server).await;
    let identity = authority.issue("gateway");
    let with =
        json!({"ca_cert": authority.pem(), "client_cert": identity.certificate, "client_key": identity.key});
    let gateway = two_trusts(&upstream, with, json!({"ca_cert": authority.pem()})).start().await;
    let mut client = gateway.client().await;
    assert_eq!(client.ask(&chat("good")).await.status, 200);
    assert_eq!(client.ask(&chat("bad")).await.status, 502, "without a certificate it stays outside");
    assert_eq!(client.ask(&chat("good")).await.status, 200);
    for line in gateway.log.all() {
        assert!(!line.contains("PRIVATE KEY"), "{line}");
    }
}

#[tokio::test]
async fn the_general_root_serves_every_key() {
    let authority = Authority::new("upstream");
    let upstream = Upstream::doing_tls(replies::json(200, CHAT_ANSWER), authority.issue("up").server()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).expect("a file");
    let gateway = Setup::new(&upstream).config("upstream.tls", json!({"ca_file": file})).start().await;
    let answer = gateway.ask(&chat("chat")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_stream_over_tls_arrives_whole() {
    let authority = Authority::new("upstream");
    let upstream = Upstream::doing_tls(replies::stream(CHAT_FRAMES), authority.issue("up").server()).await;
    let setup = two_trusts(&upstream, json!({"ca_cert": authority.pem()}), json!({}));
    let gateway = setup.start().await;
    let body = CHAT_STREAM_USAGE_REQUEST.replace(r#""model":"chat""#, r#""model":"good""#);
    let answer = gateway.ask(&Request::post("/v1/chat/completions", body).bearer(CALLER)).await;
    let expected = CHAT_FRAMES.concat().replace(r#""model":"gpt-real-2026""#, r#""model":"good""#);
    assert_eq!(answer.text(), expected);
}
