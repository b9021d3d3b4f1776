//! What reaches the provider, and what comes back.

use serde_json::json;

use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::formats::Format::{self, *};
use crate::support::formats::answers::{self, CACHED, INPUT, OUTPUT, REAL, TEXT};
use crate::support::formats::{
    AWS_ID, AWS_SECRET, GEMINI_SECRET, INSTRUCTIONS, PROMPT, VENDORS_HEADERS, every_target, pairs, told,
};
use crate::support::upstream::{Seen, Upstream};
use crate::support::{gateway::Gateway, replies};

through_every_door! {
    every_target_is_asked_in_its_own_format_and_shown_its_own_credential,
    every_caller_reads_the_answer_in_its_own_format,
    every_caller_reads_the_stream_in_its_own_format,
    a_stream_in_any_chunks_is_the_same_stream,
    a_whole_answer_to_a_caller_who_wants_a_stream_is_told_as_one,
    tokens_are_counted_as_the_provider_reports_them,
    a_tool_is_called_and_answered_across_formats,
    a_connection_carries_callers_and_targets_of_all_formats,
}

async fn started(door: Door) -> (Gateway, Upstream) {
    let upstream = Upstream::queue([]).await;
    let gateway = every_target(door.setup(&upstream), &upstream).start().await;
    (gateway, upstream)
}

async fn every_target_is_asked_in_its_own_format_and_shown_its_own_credential(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (caller, target) in pairs() {
        for stream in [false, true] {
            upstream.always(answers::answering(target, stream));
            let mut request = caller.request(target.alias(), stream).header("x-custom", "kept");
            for (name, value) in VENDORS_HEADERS {
                request = request.header(name, value);
            }
            let mark = if request.target.contains('?') { '&' } else { '?' };
            request.target = format!("{}{mark}beta=true&key={CALLER}", request.target);
            let answer = gateway.ask(&request).await;
            let case = format!("{caller:?} to {target:?}, stream {stream}");
            assert_eq!(answer.status, 200, "{case}: {}", answer.text());
            assert_asked(&upstream.last(), target, stream, &case);
        }
    }
}

fn assert_asked(seen: &Seen, target: Format, stream: bool, case: &str) {
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", target.path(stream)), "{case}");
    assert_eq!(seen.header("content-type"), Some("application/json"), "{case}");
    assert_eq!(seen.header("x-custom"), Some("kept"), "{case}");
    assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string().as_str()), "{case}");
    for (name, _) in VENDORS_HEADERS {
        let expected = (target == Anthropic && *name == "anthropic-version").then_some("2023-06-01");
        assert_eq!(seen.header(name), expected, "{case}: {name}");
    }
    assert_credential(seen, target, case);
    let body = seen.json();
    let model = (!matches!(target, Gemini | Bedrock)).then(|| json!(target.model()));
    assert_eq!(body.get("model").cloned(), model, "{case}: {body}");
    assert_eq!(target.read_request(&body), [json!(INSTRUCTIONS), json!(PROMPT), json!(64)], "{case}: {body}");
    let streams = body.get("stream").is_some_and(|wish| *wish == json!(true));
    assert_eq!(streams, stream && !matches!(target, Gemini | Bedrock), "{case}: {body}");
}

fn assert_credential(seen: &Seen, target: Format, case: &str) {
    let shown = ["authorization", "x-api-key", "x-goog-api-key", "api-key"].map(|name| seen.header(name));
    let expected = match target {
        OpenAi | Responses => [Some(format!("Bearer {OPENAI_SECRET}")), None, None, None],
        Anthropic => [None, Some(ANTHROPIC_SECRET.to_owned()), None, None],
        Gemini => [None, None, Some(GEMINI_SECRET.to_owned()), None],
        Bedrock => {
            let signature = shown[0].unwrap_or_default();
            assert!(signature.starts_with(&format!("AWS4-HMAC-SHA256 Credential={AWS_ID}/")), "{signature}");
            assert!(signature.contains("/eu-west-1/bedrock/aws4_request"), "{signature}");
            assert!(seen.header("x-amz-date").is_some(), "{case}");
            [Some(signature.to_owned()), None, None, None]
        }
    };
    assert_eq!(shown, expected.each_ref().map(Option::as_deref), "{case}");
    let head = format!("{} {:?}", seen.path, seen.headers.0);
    for secret in [CALLER, AWS_SECRET] {
        assert!(!head.contains(secret) && !seen.text().contains(secret), "{case}: {head}");
    }
}

async fn every_caller_reads_the_answer_in_its_own_format(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (caller, target) in pairs() {
        upstream.always(answers::answering(target, false));
        let answer = gateway.ask(&caller.request(target.alias(), false)).await;
        let case = format!("{caller:?} to {target:?}: {}", answer.text());
        assert_eq!(answer.status, 200, "{case}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{case}");
        assert!(!answer.text().contains(REAL), "{case}");
        let read = told::whole(caller, &answer.json());
        assert_eq!((read.text.as_str(), read.model.as_str()), (TEXT, target.alias()), "{case}");
        assert_eq!(
            (read.input, read.cached, read.output),
            (Some(INPUT), Some(CACHED), Some(OUTPUT)),
            "{case}"
        );
        assert_eq!(read.completed, 1, "{case}");
        assert!(!read.id.is_empty(), "{case}");
    }
}

async fn every_caller_reads_the_stream_in_its_own_format(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (caller, target) in pairs() {
        upstream.always(answers::answering(target, true));
        let answer = gateway.ask(&caller.request(target.alias(), true)).await;
        assert_streamed(caller, target, &answer);
    }
}

fn assert_streamed(caller: Format, target: Format, answer: &crate::support::client::Answer) {
    let case = format!("{caller:?} to {target:?}: {}", answer.text());
    assert_eq!(answer.status, 200, "{case}");
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("text/event-stream"), "{case}: {kind}");
    assert!(!answer.text().contains(REAL), "{case}");
    let read = told::streamed(caller, &answer.text());
    assert_eq!((read.text.as_str(), read.model.as_str()), (TEXT, target.alias()), "{case}");
    assert_eq!((read.input, read.cached, read.output), (Some(INPUT), Some(CACHED), Some(OUTPUT)), "{case}");
    assert_eq!((read.completed, read.errors.len()), (1, 0), "{case}");
}

async fn a_stream_in_any_chunks_is_the_same_stream(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (caller, target) in pairs() {
        let bytes = answers::frames(target).concat();
        let mut bodies = Vec::new();
        for size in [bytes.len(), 7, 61] {
            let script = bytes
                .chunks(size)
                .fold(answers::open(target), |script, piece| script.send(replies::chunk(piece)));
            upstream.always(script.send(replies::LAST_CHUNK));
            let request = caller.request(target.alias(), true).header("x-aisix-request-id", "it-chunks");
            let answer = gateway.ask(&request).await;
            assert_streamed(caller, target, &answer);
            bodies.push(without_times(&answer.text()));
        }
        assert!(bodies.windows(2).all(|two| two[0] == two[1]), "{caller:?} to {target:?}: {bodies:#?}");
    }
}

/// Seconds since 1970 may differ between two answers.
fn without_times(body: &str) -> String {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    ["\"created\":", "\"created_at\":", "\"completed_at\":", "\"createTime\":\""].iter().fold(
        body.to_owned(),
        |body, name| {
            let mut parts = body.split(name);
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |text, part| match name.ends_with('"') {
                true => format!("{text}{}", part.split_once('"').map_or("", |(_, rest)| rest)),
                false => format!("{text}{}", &part[digits(part)..]),
            })
        },
    )
}

async fn a_whole_answer_to_a_caller_who_wants_a_stream_is_told_as_one(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (caller, target) in pairs() {
        upstream.always(answers::answering(target, false));
        let answer = gateway.ask(&caller.request(target.alias(), true)).await;
        assert_streamed(caller, target, &answer);
    }
}

async fn tokens_are_counted_as_the_provider_reports_them(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (number, (caller, target)) in pairs().enumerate() {
        for stream in [false, true] {
            upstream.always(answers::answering(target, stream));
            let id = format!("it-usage-{number}-{stream}");
            let answer =
                gateway.ask(&caller.request(target.alias(), stream).header("x-aisix-request-id", &id)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let line = gateway.log.access(&id).await;
            // Anthropic alone tells no sum.
            let total = (target != Anthropic).then_some(INPUT + OUTPUT);
            let counts = ["prompt_tokens", "completion_tokens", "total_tokens"].map(|name| line.number(name));
            assert_eq!(counts, [Some(INPUT), Some(OUTPUT), total], "{caller:?} to {target:?}: {line:?}");
            assert_eq!((line.status(), line.text("model")), (200, target.alias()));
        }
    }
    let scrape = gateway.scrape().await;
    for target in crate::support::formats::TARGETS {
        let callers = if target == Bedrock { 4.0 } else { 3.0 };
        let sum = |name: &str| scrape.sum(name, &[("model", target.alias())]);
        assert_eq!(sum("aisix_llm_input_tokens_total"), callers * 2.0 * INPUT as f64, "{target:?}");
        assert_eq!(sum("aisix_llm_output_tokens_total"), callers * 2.0 * OUTPUT as f64, "{target:?}");
    }
}

/// A call of a tool in an OpenAI conversation, answered by Claude and told on; then the result on its way back.
async fn a_tool_is_called_and_answered_across_formats(door: Door) {
    let (gateway, upstream) = started(door).await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let mut body = json!({"model": "at-anthropic", "messages": [{"role": "user", "content": "weather?"}],
        "tools": [{"type": "function", "function": {"name": "get.weather", "parameters": schema}}]});
    let called = |name: &str| {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": REAL,
            "content": [{"type": "tool_use", "id": "toolu_1", "name": name, "input": {"city": "Köln"}}],
            "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}})
    };
    upstream.next(replies::json(200, &called("get_weather").to_string()));
    let answer = gateway.ask(&OpenAi.sends("at-anthropic", false, &body)).await;
    let sent = upstream.last().json();
    let name = sent["tools"][0]["name"].as_str().expect("a name").to_owned();
    assert!(!name.contains('.'), "a name Claude takes: {sent}");
    assert_eq!(sent["tools"][0]["input_schema"], schema);
    assert_eq!(answer.status, 200, "{}", answer.text());

    upstream.next(replies::json(200, &called(&name).to_string()));
    let answer = gateway.ask(&OpenAi.sends("at-anthropic", false, &body)).await.json();
    let message = &answer["choices"][0]["message"];
    let call = &message["tool_calls"][0];
    assert_eq!(call["function"]["name"], "get.weather", "{answer}");
    let arguments: serde_json::Value =
        serde_json::from_str(call["function"]["arguments"].as_str().expect("text")).expect("JSON");
    assert_eq!(
        (arguments, &answer["choices"][0]["finish_reason"]),
        (json!({"city": "Köln"}), &json!("tool_calls"))
    );

    let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "12 degrees"});
    body["messages"].as_array_mut().expect("messages").extend([message.clone(), result]);
    upstream.next(answers::answering(Anthropic, false));
    let answer = gateway.ask(&OpenAi.sends("at-anthropic", false, &body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = upstream.last().json();
    let (asked, told) = (&sent["messages"][1]["content"][0], &sent["messages"][2]["content"][0]);
    assert_eq!((&asked["type"], &asked["name"]), (&json!("tool_use"), &json!(name)), "{sent}");
    assert_eq!((&told["type"], &told["tool_use_id"]), (&json!("tool_result"), &asked["id"]), "{sent}");
    assert!(told["content"].to_string().contains("12 degrees"), "{sent}");
}

async fn a_connection_carries_callers_and_targets_of_all_formats(door: Door) {
    let (gateway, upstream) = started(door).await;
    let mut connection = gateway.caller().await;
    for (caller, target) in pairs() {
        for stream in [true, false] {
            upstream.always(answers::answering(target, stream));
            let answer = connection.ask(&caller.request(target.alias(), stream)).await;
            assert_eq!(answer.status, 200, "{caller:?} to {target:?}: {}", answer.text());
        }
    }
    assert_eq!(upstream.connections(), 1, "providers at one address are asked over one connection");
}
