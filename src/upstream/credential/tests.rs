//! Tokens, fetched from a token endpoint that a test scripts.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::grant::Grant;
use super::token::{TokenSource, Tokens};
use super::*;
use crate::http1::Headers;
use crate::resources::ProviderKey;
use crate::upstream::Endpoint;
use crate::upstream::transport::tls::TlsIdentity;

/// What the endpoint answers, and what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<(u16, String, Duration)>>,
    asked: Mutex<Vec<String>>,
}

struct Issuer {
    address: SocketAddr,
    script: Arc<Script>,
}

impl Issuer {
    /// Answers each request with the next of `answers`, and the last one for ever.
    async fn start(answers: Vec<(u16, Value)>) -> Self {
        let answers = answers.into_iter().map(|(status, body)| (status, body.to_string(), Duration::ZERO));
        let script = Arc::new(Script { answers: Mutex::new(answers.collect()), ..Script::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let served = Arc::clone(&script);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(serve(stream, Arc::clone(&served)));
            }
        });
        Issuer { address, script }
    }

    fn slowly(&self, each: Duration) {
        for answer in self.script.answers.lock().expect("whole").iter_mut() {
            answer.2 = each;
        }
    }

    fn asked(&self) -> Vec<String> {
        self.script.asked.lock().expect("whole").clone()
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn source(&self) -> Arc<TokenSource> {
        self.source_counted_by(&Tokens::default())
    }

    fn source_counted_by(&self, tokens: &Tokens) -> Arc<TokenSource> {
        let grant = Grant::Entra {
            client_id: "app".into(),
            client_secret: crate::document::Secret::new("hunter2+&"),
            scope: "https://x.example/.default".into(),
            token_uri: format!("{}/t/oauth2/v2.0/token", self.url()),
        };
        let source = TokenSource::new("key", grant, &TlsIdentity::default(), tokens);
        Arc::new(source.expect("sound"))
    }
}

#[tokio::test]
async fn fetches_are_counted_by_issuer_and_by_how_they_went() {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let answers = vec![(500, Value::Null), (200, json!({"access_token": "t", "expires_in": 3600}))];
            let issuer = Issuer::start(answers).await;
            let tokens = Tokens::default();
            let source = issuer.source_counted_by(&tokens);
            assert!(source.token().await.is_err());
            source.age(Duration::from_secs(60));
            assert!(source.token().await.is_ok());
            assert!(source.token().await.is_ok(), "one that serves is not fetched");
            let told: Vec<_> = tokens.fetches.totals().collect();
            let expected =
                [("google", "ok", 0), ("google", "failed", 0), ("entra", "ok", 1), ("entra", "failed", 1)];
            assert_eq!(told, expected);
        })
        .await;
}

async fn serve(mut stream: TcpStream, script: Arc<Script>) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    script.asked.lock().expect("whole").push(String::from_utf8(request).expect("text"));
    let (status, body, delay) = {
        let mut answers = script.answers.lock().expect("whole");
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        next.expect("an answer")
    };
    tokio::time::sleep(delay).await;
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse().expect("a number"))
}

fn token(name: &str, seconds: u64) -> (u16, Value) {
    (200, json!({"access_token": name, "expires_in": seconds, "token_type": "Bearer"}))
}

/// Runs a test with one thread, so that a task runs only while the test waits.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

async fn bearer(source: &Arc<TokenSource>) -> String {
    let token = source.token().await.expect("a token");
    token.bearer.to_str().expect("text").to_owned()
}

/// Waits until requests are given a token.
async fn until(source: &Arc<TokenSource>, awaited: &str) {
    while bearer(source).await != awaited {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until so many fetches have begun, and ended.
async fn until_asked(issuer: &Issuer, times: usize) {
    while issuer.asked().len() < times {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

const HOUR: u64 = 3600;

#[test]
fn one_fetch_serves_all_who_wait_and_all_who_come() {
    run(async {
        let issuer = Issuer::start(vec![token("one", HOUR), token("two", HOUR)]).await;
        issuer.slowly(Duration::from_millis(50));
        let source = issuer.source();
        let waiting = (0..20).map(|_| bearer(&source));
        let got = futures_util::future::join_all(waiting).await;
        assert!(got.iter().all(|got| got == "Bearer one"), "{got:?}");
        assert_eq!(bearer(&source).await, "Bearer one");
        let asked = issuer.asked();
        assert_eq!(asked.len(), 1);
        let (head, form) = asked[0].split_once("\r\n\r\n").expect("a body");
        assert!(head.starts_with("POST /t/oauth2/v2.0/token HTTP/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
        assert_eq!(
            form,
            "grant_type=client%5Fcredentials&client_id=app&client_secret=hunter2%2B%26&\
             scope=https%3A%2F%2Fx%2Eexample%2F%2Edefault"
        );
    });
}

#[test]
fn a_token_near_its_end_serves_while_another_is_fetched() {
    run(async {
        let issuer = Issuer::start(vec![token("one", HOUR), token("two", HOUR)]).await;
        let source = issuer.source();
        assert_eq!(bearer(&source).await, "Bearer one");
        source.age(Duration::from_secs(HOUR - 301));
        assert_eq!(bearer(&source).await, "Bearer one");
        source.age(Duration::from_secs(2));
        // Nobody waits: neither the one who starts the fetch nor those who come meanwhile.
        assert_eq!(
            (bearer(&source).await, bearer(&source).await),
            ("Bearer one".into(), "Bearer one".into())
        );
        until(&source, "Bearer two").await;
        assert_eq!(issuer.asked().len(), 2);
    });
}

#[test]
fn a_token_in_its_last_minute_serves_nobody() {
    run(async {
        let issuer = Issuer::start(vec![token("one", HOUR), token("two", HOUR)]).await;
        let source = issuer.source();
        assert_eq!(bearer(&source).await, "Bearer one");
        source.age(Duration::from_secs(HOUR - 59));
        assert_eq!(bearer(&source).await, "Bearer two");
    });
}

#[test]
fn a_failure_is_our_own_shared_for_a_while_and_tells_no_secret() {
    run(async {
        let refusal = json!({"error": "invalid_client", "error_description": "secret hunter2 is wrong"});
        let issuer = Issuer::start(vec![(401, refusal), token("one", HOUR)]).await;
        let source = issuer.source();
        let failed = |error: Error| {
            assert_eq!((error.status(), error.code.as_deref()), (502, Some("upstream_auth_failed")));
            let cause = error.cause.expect("a cause");
            assert_eq!(cause, "the token endpoint answered with status 401 (invalid_client)");
        };
        let (one, other) = tokio::join!(source.token(), source.token());
        failed(one.map(drop).expect_err("refused"));
        failed(other.map(drop).expect_err("refused"));
        failed(source.token().await.map(drop).expect_err("refused a moment ago"));
        assert_eq!(issuer.asked().len(), 1);
        source.age(Duration::from_secs(2));
        assert_eq!(bearer(&source).await, "Bearer one");
    });
}

#[test]
fn a_renewal_that_fails_takes_nothing_from_the_token_that_serves() {
    run(async {
        let issuer = Issuer::start(vec![token("one", HOUR), (500, json!({})), token("two", HOUR)]).await;
        let source = issuer.source();
        assert_eq!(bearer(&source).await, "Bearer one");
        source.age(Duration::from_secs(HOUR - 200));
        assert_eq!(bearer(&source).await, "Bearer one");
        until_asked(&issuer, 2).await;
        for _ in 0..50 {
            assert_eq!(bearer(&source).await, "Bearer one");
            tokio::task::yield_now().await;
        }
        assert_eq!(issuer.asked().len(), 2, "a while passes before the next");
        source.age(Duration::from_secs(16));
        until(&source, "Bearer two").await;
    });
}

#[test]
fn an_answer_without_a_token_is_none_and_one_without_a_time_lasts_shortly() {
    run(async {
        let issuer = Issuer::start(vec![(200, json!({"token_type": "Bearer"}))]).await;
        let error = issuer.source().token().await.map(drop).expect_err("no token");
        assert_eq!(error.cause.as_deref(), Some("the token endpoint's answer has no token"));
        let text = json!({"access_token": "one", "expires_in": "3600"});
        let issuer = Issuer::start(vec![(200, text)]).await;
        assert_eq!(bearer(&issuer.source()).await, "Bearer one");
        let issuer = Issuer::start(vec![(200, json!({"access_token": "one"}))]).await;
        assert_eq!(bearer(&issuer.source()).await, "Bearer one");
    });
}

#[test]
fn a_token_endpoint_that_is_not_there_is_a_failure_and_no_wait() {
    run(async {
        let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
        let issuer = Issuer { address: gone, script: Arc::default() };
        let error = issuer.source().token().await.map(drop).expect_err("nobody is there");
        assert!(error.cause.is_some_and(|cause| cause.starts_with("the token endpoint could not be asked")));
    });
}

#[test]
fn a_service_account_signs_what_it_asserts() {
    run(async {
        let issuer = Issuer::start(vec![token("google", HOUR)]).await;
        let secret = json!({
            "project": "p", "region": "global",
            "service_account_json": {
                "client_email": "robot@p.example", "private_key": private_key(), "private_key_id": "k-1",
                "token_uri": issuer.url(),
            },
        });
        let key = ProviderKey::new("k", "vertex", &secret.to_string());
        let endpoint = Endpoint::of_key(&key).expect("sound");
        assert!(endpoint.needs_authorizing());
        let mut headers = Headers::default();
        endpoint.authorize(&Unsigned { path: "/", body: b"" }, &mut headers).await.expect("a token");
        assert_eq!(headers.lines(), b"authorization: Bearer google\r\n");
        let asked = issuer.asked();
        let assertion = asked[0].split_once("&assertion=").expect("an assertion").1;
        let assertion =
            percent_encoding::percent_decode_str(assertion).decode_utf8().expect("text").into_owned();
        let (signed, signature) = assertion.rsplit_once('.').expect("three parts");
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, decoded(PUBLIC_KEY));
        public.verify(signed.as_bytes(), &decoded(signature)).expect("the account's own signature");
        let part = |part: &str| -> Value { serde_json::from_slice(&decoded(part)).expect("JSON") };
        let (header, claims) = signed.split_once('.').expect("two parts");
        assert_eq!(part(header), json!({"alg": "RS256", "typ": "JWT", "kid": "k-1"}));
        let claims = part(claims);
        assert_eq!(claims["iss"], "robot@p.example");
        assert_eq!(claims["aud"], issuer.url());
        assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|now| now + 3600));
    });
}

#[test]
fn an_entra_application_is_let_in_by_its_token() {
    run(async {
        let issuer = Issuer::start(vec![token("entra", HOUR)]).await;
        let secret = json!({
            "tenant_id": "t", "client_id": "c", "client_secret": "hunter2", "authority_host": issuer.url(),
        });
        let mut key = ProviderKey::new("k", "azure", &secret.to_string());
        key.api_base = Some("my-res".into());
        let endpoint = Endpoint::of_key(&key).expect("sound");
        let mut headers = Headers::default();
        endpoint.authorize(&Unsigned { path: "/", body: b"" }, &mut headers).await.expect("a token");
        assert_eq!(headers.lines(), b"authorization: Bearer entra\r\n");
        assert!(issuer.asked()[0].starts_with("POST /t/oauth2/v2.0/token "));
    });
}

#[test]
fn a_request_to_bedrock_is_signed_with_its_path_and_its_body() {
    run(async {
        let endpoint = Endpoint::of_key(&ProviderKey::new("k", "bedrock", AWS)).expect("sound");
        let mut headers = Headers::default();
        let unsigned = Unsigned { path: "/model/a%3A0/converse", body: b"{}" };
        endpoint.authorize(&unsigned, &mut headers).await.expect("signed");
        let lines = String::from_utf8(headers.lines().to_vec()).expect("text");
        assert!(lines.contains("x-amz-date: "), "{lines}");
        assert!(
            lines.contains("/eu-west-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, "),
            "{lines}"
        );
        assert!(!lines.contains("hunter2"));
    });
}

#[test]
fn secrets_go_to_nobody_in_plain_text_and_into_no_log() {
    let grant = |token_uri: &str| Grant::Entra {
        client_id: "c".into(),
        client_secret: crate::document::Secret::new("hunter2"),
        scope: "s".into(),
        token_uri: token_uri.into(),
    };
    assert!(!format!("{:?}", grant("https://login.example/t")).contains("hunter2"));
    let source = |uri: &str| TokenSource::new("k", grant(uri), &TlsIdentity::default(), &Tokens::default());
    assert!(source("https://login.example/t").is_ok() && source("http://localhost:1/t").is_ok());
    for uri in ["http://login.example/t", "login.example", ""] {
        let error = source(uri).map(drop).expect_err(uri);
        assert!(error.cause.is_some_and(|cause| !cause.contains("login")), "{uri}");
    }
    for (auth, text) in [(Auth::Bearer, "hunter2"), (Auth::Aws, AWS)] {
        let key = Key::read(auth, text).expect("sound");
        assert!(!format!("{key:?}").contains("hunter2"));
    }
}

const AWS: &str = r#"{"access_key_id": "a", "secret_access_key": "hunter2", "region": "eu-west-1"}"#;

fn private_key() -> String {
    let label = "PRIVATE KEY";
    format!("-----BEGIN {label}-----\n{PRIVATE_KEY}\n-----END {label}-----\n")
}

/// Base64, of either alphabet.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.trim_end_matches('=').bytes().map(digit).collect();
    let of_group = |group: &[u8]| {
        let bits =
            group.iter().fold(0u32, |bits, digit| bits << 6 | u32::from(*digit)) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    digits.chunks(4).flat_map(of_group).collect()
}

/// Made for this test: PKCS8 without its frame, and what belongs to it.
const PRIVATE_KEY: &str = "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDB3ic+zXHOfB5jjkvfZSWsyiClXzZEbn7tE91YGySdwqPy\
     eSxhwRageeFC0Kq5uWCXN0+Qm1+HugbxfBn1BmatLunLrxzZ4ozWvwkL4MGYkRMb+yqoTKFZaTU5s7QiKD8zRAD2pFcOAABR\
     lWuUKoBmwK4LGmeZ4ZIMV20TtDvconh8kF5aK5ADuw0Krg69jX9D57b79IUyl5wIjSi9pXHce7ISgul//Ssfti5tjZAHXnTN\
     E7+Wt/CZUmdqSZioZNAt61srpBjCobneCALWzPAQiK+OWJjhdArk5ZMUUSHAjXh+bELLLOJ29pmPetYZ9zZOxEhac1w7+7MQ\
     HzxHbnjtAgMBAAECggEAAer5B8BajDNizZNTzChLq3OYcmpdtrxCby/6HuwDJw23jNIxY9+CzMryiomr7AhvHIUvOVFVgZnl\
     MFsM8AVEhhlntgchHvAEeqoLJIibAa+1uQTOvY7R2Hjs+N7T57Pu5B/xGSozs5oWZrg2sebgZvkoVPMe6+vKWRWS/lXocwdN\
     W3IBvjzpMWY6PtlMIcsfojtuDJgWOAQKniri0QaiLEeAANoKof50HlKvUz3ZO4LTn+u32yi/kDB/QHXut5NkKtz4ToLDsCr3\
     7TohCs4eBgJOPt4WSFXPiQMrAdgYBAA4bMK0qkxWbVyhXnU7xjeEHK5iXOpGwyALmSGUV+0OYQKBgQDp23WM0yZWh2GpS+2X\
     VflToZ8MPBk4wrschlj+jvicVzQlvkj8UU6dHU5nrRmV+7YCUCtizfMWHckVViGvgqnoGE4d1D4ePEvGZmmlih62MNnI3TTw\
     fEIlKnAk8Ix7d6m0Sv+ak6d26lnG+gd+zaw4K3GKflyIfL5eYSKeYezlRQKBgQDUOWBe6/pC+LH6a1qZuK/ntZtYNusqs6ya\
     A2MHEx7eowXj2UaiRt2hUGbcwuKc+utBoAvbL/u3fxD6TiCZ+ZhCq3mA74XAgd1ZqI8fM3pvhlCxUVIPaxS6oIPmkRqnCXzN\
     r1vF9hrqrkjS8ZwNJmdK7QgYjxo+ug0BCRN2eWubiQKBgBp2cv7UheoUt8BojyIo4GXOTCkeQ9xgbLv1l+x2UTufwo7i0W97\
     4+Fzh4PD2rlWGmp4l/A+Tdua0z5O2ND7gC57UZuegMj7GbgBrsLEtmT3ci2AmpT7+qAqBTao4by29cUpF3NucezK6A3UDTUU\
     IQDaKab6VY48T25un3Q8sInhAoGAQhh4jjeaYt9HtwFWX0fo6RZjgk7gYRVCbVker2ZiF97YB8V0vTeq8QG0d47uuwte17p7\
     1tET6WtWo05P0wSsSh9ToTd4BaOsh676nDIRMMi5OvBjyU+FTjaNvfJ1RY6r4vd5cqcabPrIzYHYIzRRuUEnY1a2StDxGeB0\
     wlJAlFkCgYBJQsBBZjxT8pVMqh3Lt7jqutorK678kiA1ZH8AWX4fWgX6AvDI5cMiKZD2ymP1EZHUOnGWf1MASbzTwyYjHhUp\
     7x1SCqRpUA1PTvxIgsbhZ9xQEJg3yEJoPSIoqaumK5nWt39mnHRB5yoDvMEx0W0dUEXb/wldTnte0UhAmmkMrw==";
const PUBLIC_KEY: &str = "MIIBCgKCAQEAwd4nPs1xznweY45L32UlrMogpV82RG5+7RPdWBskncKj8nksYcEWoHnhQtCqublglzdPkJtfh7oG8XwZ9QZm\
     rS7py68c2eKM1r8JC+DBmJETG/sqqEyhWWk1ObO0Iig/M0QA9qRXDgAAUZVrlCqAZsCuCxpnmeGSDFdtE7Q73KJ4fJBeWiuQ\
     A7sNCq4OvY1/Q+e2+/SFMpecCI0ovaVx3HuyEoLpf/0rH7YubY2QB150zRO/lrfwmVJnakmYqGTQLetbK6QYwqG53ggC1szw\
     EIivjliY4XQK5OWTFFEhwI14fmxCyyzidvaZj3rWGfc2TsRIWnNcO/uzEB88R2547QIDAQAB";
