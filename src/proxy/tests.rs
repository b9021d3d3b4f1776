//! The walk without a network: an in-memory caller, an in-memory upstream, and what the log says.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use smallvec::SmallVec;

use super::downstream::{Broken, Downstream, Drained, ResponseHead};
use super::history::Memory;
use super::vectors::Vectors;
use super::{Node, Settings, World, serve};
use crate::life::Life;
use crate::resources::{ApiKey, Model, ProviderKey, Snapshot};
use crate::telemetry::access_log::{AccessLog, Format};
use crate::telemetry::{Metrics, Telemetry};
use crate::upstream::Policy;
use crate::upstream::transport::Headers;
use crate::upstream::transport::memory::{Fate, MemoryUpstream, Script, Step};
use crate::upstream::transport::tls::TlsIdentity;

/// A caller in memory.
struct Caller {
    method: Method,
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<Bytes>,
    head: Option<ResponseHead>,
    received: Vec<u8>,
    /// Leaves once it has received so many bytes.
    leaves_after: Option<usize>,
    aborted: bool,
}

impl Caller {
    fn chat(body: &'static str) -> Self {
        Caller {
            method: Method::POST,
            path: "/v1/chat/completions",
            headers: vec![("authorization", "Bearer sk-test")],
            body: vec![Bytes::from_static(body.as_bytes())],
            head: None,
            received: Vec::new(),
            leaves_after: None,
            aborted: false,
        }
    }

    fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.received).expect("text")
    }

    fn has_left(&self) -> bool {
        self.leaves_after.is_some_and(|limit| self.received.len() >= limit)
    }
}

impl Downstream for Caller {
    fn method(&self) -> &Method {
        &self.method
    }
    fn path(&self) -> &str {
        self.path
    }
    fn query(&self) -> Option<&str> {
        None
    }
    fn version(&self) -> &'static str {
        "memory"
    }
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes())
    }
    fn announced(&self) -> Option<u64> {
        None
    }
    fn header_values(&self, name: &str) -> SmallVec<[&[u8]; 2]> {
        self.headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_bytes()).collect()
    }
    fn headers_where(&self, _keep: fn(&str) -> bool) -> Headers {
        Headers::default()
    }
    fn peer(&self) -> Option<IpAddr> {
        Some(IpAddr::from([127, 0, 0, 1]))
    }
    async fn invite(&mut self) -> Result<(), Broken> {
        Ok(())
    }
    async fn read_onto(&mut self, body: &mut Vec<u8>) -> Result<bool, Broken> {
        if self.body.is_empty() {
            return Ok(false);
        }
        body.extend_from_slice(&self.body.remove(0));
        Ok(true)
    }
    async fn send_head(&mut self, head: ResponseHead) -> Result<(), Broken> {
        assert!(self.head.is_none(), "an answer has one head");
        self.head = Some(head);
        Ok(())
    }
    async fn send(&mut self, piece: Bytes, _last: bool) -> Result<(), Broken> {
        self.received.extend_from_slice(&piece);
        Ok(())
    }
    async fn gone(&mut self) {
        if !self.has_left() {
            std::future::pending::<()>().await;
        }
    }
    async fn drain(&mut self) -> Drained {
        Drained::Completed
    }
    fn close_after(&mut self) {}
    async fn abort(&mut self) {
        self.aborted = true;
    }
}

#[derive(Clone, Default)]
struct LogSink(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for LogSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("one writer").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct House {
    node: Node<MemoryUpstream>,
    log: LogSink,
}

impl House {
    fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        let mut key = ProviderKey::new("key", "openai", "sk-provider");
        key.api_base = Some("http://127.0.0.1:1/v1".into());
        let snapshot = Snapshot::builder()
            .add_provider_key(key, "pk")
            .add_model(Model::direct("alias", "openai", "upstream-id", "pk"), "m")
            .add_api_key(ApiKey::new("sk-test", &["*"]), "k")
            .build()
            .expect("sound rows");
        let log = LogSink::default();
        let writer = AccessLog::start(Format::Json, Box::new(log.clone())).expect("a thread");
        let metrics = Arc::new(Metrics::new().expect("sound families"));
        let world = World::of(snapshot, &TlsIdentity::default());
        let node = Node {
            settings: settings(),
            world: ArcSwap::from_pointee(world),
            upstream: MemoryUpstream::new(scripts),
            telemetry: Arc::new(Telemetry::new(metrics, Some(writer))),
            life: Arc::new(Life::default()),
            history: Box::new(Memory::new(1 << 20, Duration::from_secs(60))),
            vectors: Vectors::new(1 << 20),
        };
        House { node, log }
    }

    async fn serve(&self, mut caller: Caller) -> Caller {
        serve(&self.node, &mut caller).await;
        assert_eq!(self.node.life.in_flight(), 0);
        caller
    }

    /// The one line of the one request served.
    fn record(&self) -> Value {
        self.node.telemetry.flush();
        let bytes = self.log.0.lock().expect("one reader").clone();
        let text = String::from_utf8(bytes).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1, "exactly one record: {text}");
        serde_json::from_str(lines[0]).expect("json")
    }

    fn fates(&self) -> Vec<Fate> {
        self.node.upstream.seen.lock().expect("readable").fates.clone()
    }
}

fn settings() -> Settings {
    let second = Some(Duration::from_secs(1));
    Settings {
        body_limit: Some(4096),
        body_total: second,
        heartbeat: None,
        total: None,
        trusted_proxies: Vec::new(),
        real_ip_recursive: false,
        real_ip_header: "x-forwarded-for".into(),
        request_id_headers: Vec::new(),
        rewrites: Vec::new(),
        show_routing: false,
        policy: Policy {
            connect: second,
            timeout: Some(Duration::from_millis(200)),
            stream_timeout: None,
            first_frame: None,
            hold: None,
            retries: 0,
            max_answer: 4096,
        },
    }
}

const ASK: &str = r#"{"model":"alias","messages":[{"role":"user","content":"hi"}]}"#;
const ASK_STREAM: &str = r#"{"model":"alias","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const ANSWER: &str = r#"{"id":"1","model":"upstream-id","choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}"#;
const FRAME: &str = "data: {\"model\":\"upstream-id\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const USAGE: &str = "data: {\"model\":\"upstream-id\",\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3,\"total_tokens\":5}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

#[tokio::test]
async fn an_answer_carries_the_alias_and_is_recorded_with_its_usage() {
    let house = House::new([Script::whole(200, ANSWER)]);
    let caller = house.serve(Caller::chat(ASK)).await;
    assert_eq!(caller.text(), ANSWER.replace("upstream-id", "alias"));
    let record = house.record();
    assert_eq!((&record["status"], &record["total_tokens"]), (&200.into(), &5.into()));
    let sent = house.node.upstream.seen.lock().expect("readable").sent.clone();
    assert_eq!(sent[0].0, "/v1/chat/completions");
    assert_eq!(sent[0].1, ASK.replace("alias", "upstream-id"));
    assert_eq!(house.fates(), [Fate::Released]);
}

#[tokio::test]
async fn usage_asked_for_by_the_gateway_never_reaches_the_caller() {
    let house = House::new([Script::stream(vec![Step::Piece(FRAME), Step::Piece(USAGE), Step::Piece(DONE)])]);
    let caller = house.serve(Caller::chat(ASK_STREAM)).await;
    assert_eq!(caller.text(), [FRAME, DONE].concat().replace("upstream-id", "alias"));
    assert_eq!(house.record()["completion_tokens"], 3);
}

#[tokio::test]
async fn a_stream_cut_after_its_first_frame_ends_with_an_error_and_no_terminator() {
    let house =
        House::new([Script::stream(vec![Step::Piece(FRAME), Step::Piece("data: {\"half"), Step::Cut])]);
    let caller = house.serve(Caller::chat(ASK_STREAM)).await;
    assert_eq!(caller.status(), Some(200));
    assert!(caller.text().starts_with(&FRAME.replace("upstream-id", "alias")));
    assert!(caller.text().contains("event: error\n") && !caller.text().contains("[DONE]"));
    assert!(!caller.text().contains("half"), "no partial frame leaves");
    let record = house.record();
    assert_eq!((&record["status"], &record["error_kind"]), (&502.into(), &"upstream_cut".into()));
    assert_eq!(house.fates(), [Fate::Dropped]);
}

#[tokio::test]
async fn a_stream_that_only_closing_ends_must_say_that_it_is_complete() {
    let script = Script { close_delimited: true, ..Script::stream(vec![Step::Piece(FRAME)]) };
    let house = House::new([script]);
    let caller = house.serve(Caller::chat(ASK_STREAM)).await;
    assert!(caller.text().contains("event: error\n"));
    let script =
        Script { close_delimited: true, ..Script::stream(vec![Step::Piece(FRAME), Step::Piece(DONE)]) };
    let house = House::new([script]);
    let caller = house.serve(Caller::chat(ASK_STREAM)).await;
    assert!(caller.text().ends_with(DONE));
}

#[tokio::test]
async fn a_caller_who_leaves_mid_stream_cuts_the_upstream_and_is_recorded_as_499() {
    let house = House::new([Script::stream(vec![Step::Piece(FRAME), Step::Piece(USAGE), Step::Hang])]);
    let caller = house.serve(Caller { leaves_after: Some(1), ..Caller::chat(ASK_STREAM) }).await;
    assert!(caller.aborted);
    let record = house.record();
    assert_eq!((&record["status"], &record["error_kind"]), (&499.into(), &"client_disconnected".into()));
    assert_eq!(house.fates(), [Fate::Dropped]);
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_answer_cuts_the_upstream() {
    let house = House::new([Script { body: vec![Step::Hang], ..Script::whole(200, "") }]);
    let caller = house.serve(Caller { leaves_after: Some(0), ..Caller::chat(ASK) }).await;
    assert_eq!(caller.status(), None);
    assert_eq!(house.record()["status"], 499);
    assert_eq!(house.fates(), [Fate::Dropped]);
}

#[tokio::test]
async fn a_dead_pooled_connection_is_replaced_once_by_a_fresh_one() {
    let dead = || Script { reused: true, ..Script::default() };
    let house = House::new([dead(), Script::whole(200, ANSWER)]);
    assert_eq!(house.serve(Caller::chat(ASK)).await.status(), Some(200));
    assert_eq!(house.node.upstream.seen.lock().expect("readable").fresh, [false, true]);
    let house = House::new([dead(), dead()]);
    assert_eq!(house.serve(Caller::chat(ASK)).await.status(), Some(502));
}

#[tokio::test]
async fn an_early_refusal_arrives_although_the_request_could_not_be_sent() {
    let house =
        House::new([Script { fail_send: true, ..Script::whole(413, r#"{"error":{"message":"too big"}}"#) }]);
    let caller = house.serve(Caller::chat(ASK)).await;
    assert_eq!((caller.status(), caller.text()), (Some(413), r#"{"error":{"message":"too big"}}"#));
    assert_eq!(house.record()["error_kind"], "upstream_refused");
}

#[tokio::test]
async fn failures_before_the_answer_have_their_status_and_one_record() {
    let cases: Vec<(Script, &str, u16, &str)> = vec![
        (Script { refuse_connect: true, ..Script::default() }, ASK, 502, "upstream_unreachable"),
        (Script::default(), ASK, 502, "upstream_unreachable"),
        (Script::whole(500, "stack"), ASK, 502, "upstream_failed"),
        (Script::whole(401, r#"{"error":{"message":"bad key"}}"#), ASK, 502, "upstream_credential"),
        (Script::whole(429, r#"{"error":{"message":"slow down"}}"#), ASK, 429, "upstream_refused"),
        (Script::whole(404, "<html>"), ASK, 404, "upstream_refused"),
        (Script::whole(200, "{broken"), ASK, 502, "upstream_unreadable"),
        (Script { body: vec![Step::Cut], ..Script::whole(200, "") }, ASK, 502, "upstream_unreachable"),
        (Script { body: vec![Step::Hang], ..Script::whole(200, "") }, ASK, 504, "upstream_timeout"),
        (Script::stream(vec![]), ASK_STREAM, 502, "upstream_cut"),
        (Script::stream(vec![Step::Hang]), ASK_STREAM, 504, "upstream_timeout"),
        (
            Script::stream(vec![Step::Piece("data: {\"error\":{\"message\":\"no\"}}\n\n")]),
            ASK_STREAM,
            502,
            "upstream_failed",
        ),
    ];
    for (script, ask, status, kind) in cases {
        let shown = format!("{script:?}");
        let house = House::new([script]);
        let caller = house.serve(Caller::chat(ask)).await;
        assert_eq!(caller.status(), Some(status), "{shown}");
        let record = house.record();
        assert_eq!((&record["status"], &record["error_kind"]), (&status.into(), &kind.into()), "{shown}");
        let body: Value = serde_json::from_str(caller.text()).expect("an envelope");
        assert!(body["error"]["message"].is_string(), "{shown}: {body}");
        assert!(!caller.text().contains("stack") && !caller.text().contains("bad key"), "{shown}");
    }
}

#[tokio::test]
async fn nothing_reaches_the_provider_from_a_request_that_is_refused() {
    let cases = [
        ("", 400),
        ("{", 400),
        (r#"{"model":"alias"}"#, 400),
        (r#"{"model":"alias","messages":[]}"#, 400),
        (r#"{"model":"unknown","messages":[{}]}"#, 404),
        (r#"{"model":7,"messages":[{}]}"#, 400),
    ];
    for (body, status) in cases {
        let house = House::new([]);
        assert_eq!(house.serve(Caller::chat(body)).await.status(), Some(status), "{body}");
        assert_eq!(house.record()["status"], status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_failure_is_tried_again_and_each_try_is_recorded() {
    let failing = || Script { refuse_connect: true, ..Script::default() };
    let mut house = House::new([failing(), failing(), Script::whole(200, ANSWER)]);
    house.node.settings.policy.retries = 2;
    assert_eq!(house.serve(Caller::chat(ASK)).await.status(), Some(200));
    let record = house.record();
    let outcomes: Vec<&str> = record["attempts"]
        .as_array()
        .expect("several")
        .iter()
        .filter_map(|try_| try_["outcome"].as_str())
        .collect();
    assert_eq!(outcomes, ["upstream_unreachable", "upstream_unreachable", "ok"]);
}
