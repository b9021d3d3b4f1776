use bytes::Bytes;
use serde_json::Value;

use super::{Responses, previous_not_found};
use crate::dialect::{Dialect, StreamEdits, StreamPass, Usage};
use crate::error::{Error, Kind};

fn refusal(body: &str) -> String {
    Responses.peek(body.as_bytes()).expect_err(body).message.into_owned()
}

fn passed(stream: &str, model: Option<&str>) -> (String, Box<dyn StreamPass>) {
    let mut pass = Responses.stream(StreamEdits { model: model.map(str::to_owned), hide_usage: true });
    let mut out = pass.push(Bytes::from(stream.to_owned())).expect("short frames").to_vec();
    out.extend_from_slice(&pass.finish().expect("nothing has to be complete"));
    (String::from_utf8(out).expect("UTF-8 stays UTF-8"), pass)
}

/// The events of a stream as a server writes them, numbered.
fn stream(events: &[&str]) -> String {
    let frame = |(number, event): (usize, &&str)| {
        let json: Value = serde_json::from_str(event).expect(event);
        let kind = json["type"].as_str().expect("a type").to_owned();
        let numbered = event.replacen('{', &format!("{{\"sequence_number\":{number},"), 1);
        format!("event: {kind}\ndata: {numbered}\n\n")
    };
    events.iter().enumerate().map(frame).collect()
}

#[test]
fn a_request_is_peeked_and_only_its_model_is_edited() {
    let body = r#"{ "model" : "a", "input":[{"role":"user","content":"hi"}], "stream":true ,"x":[1, 2]}"#;
    let body = Bytes::from_static(body.as_bytes());
    let peek = Responses.peek(&body).expect("a good request");
    assert_eq!((peek.model.as_str(), peek.stream, peek.usage_asked), ("a", true, true));
    let out = Responses.splice_request(&body, &peek, "gpt \"x\"", true);
    let expected =
        r#"{ "model" : "gpt \"x\"", "input":[{"role":"user","content":"hi"}], "stream":true ,"x":[1, 2]}"#;
    assert_eq!(out, expected);
    assert_eq!(Responses.splice_request(&body, &peek, "a", true).as_ptr(), body.as_ptr());
    for good in [
        r#"{"model":"a","input":"hi"}"#,
        r#"{"model":"a","previous_response_id":"resp_1"}"#,
        r#"{"model":"a","input":null,"prompt":{"id":"pmpt_1"}}"#,
        r#"{"model":"a","conversation":"conv_1","prompt":{"id":"p"},"messages":7}"#,
    ] {
        assert!(Responses.peek(good.as_bytes()).is_ok(), "{good}");
    }
}

#[test]
fn a_request_without_a_question_is_told_what_is_wrong() {
    let table = [
        (r#"{"model":"a"}"#, "\"input\" is required"),
        (r#"{"model":"a","messages":[0]}"#, "\"input\" is required"),
        (r#"{"model":"a","input":{}}"#, "\"input\" must be a string or an array"),
        (r#"{"model":"a","input":"x","input":"y"}"#, "\"input\" appears more than once"),
        (r#"{"input":"x"}"#, "\"model\" is required"),
        (r#"{"model":"a","input":"x","stream":"yes"}"#, "\"stream\" must be true or false"),
    ];
    for (body, what) in table {
        assert_eq!(refusal(body), format!("invalid JSON request body: {what}"), "{body}");
    }
}

#[test]
fn an_answer_is_spliced_and_its_usage_read() {
    let body = r#"{"id":"resp_1","model":"gpt-x-2026","output":[],"usage":{"input_tokens":9,
        "input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},"output_tokens":7,
        "output_tokens_details":{"reasoning_tokens":5},"total_tokens":16}}"#;
    let answer = Responses.splice_answer(&Bytes::from_static(body.as_bytes()), "alias").expect("an answer");
    assert_eq!(answer.body, body.replace("gpt-x-2026", "alias"));
    let expected = Usage {
        input: Some(9),
        output: Some(7),
        total: Some(16),
        cache_read: Some(4),
        cache_write: Some(2),
        reasoning: Some(5),
        ..Usage::default()
    };
    assert_eq!(answer.usage, expected);
}

#[test]
fn a_stream_passes_with_the_alias_inside_its_response_objects() {
    let text = stream(&[
        r#"{"type":"response.created","response":{"id":"resp_1","model":"gpt-x","usage":null}}"#,
        r#"{"type":"response.output_text.delta","delta":"\"model\":\"gpt-x\"","item_id":"m"}"#,
        r#"{"type":"response.completed","response":{"id":"resp_1","model":"gpt-x","usage":{"input_tokens":3,"output_tokens":1,"total_tokens":4}}}"#,
    ]);
    let (out, pass) = passed(&text, Some("the alias"));
    assert_eq!(out, text.replace(r#""model":"gpt-x""#, r#""model":"the alias""#));
    assert!(pass.complete() && pass.problem().is_none());
    assert_eq!((pass.events(), pass.usage().input, pass.usage().total), (3, Some(3), Some(4)));
    assert_eq!(passed(&text, None).0, text);
}

#[test]
fn a_failed_stream_is_a_problem_and_complete() {
    let failed = r#"{"type":"response.failed","response":{"id":"resp_1","status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"}}}"#;
    let error = r#"{"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"quota","param":null}}"#;
    let flat = r#"{"type":"error","code":"server_error","message":"flat","param":null}"#;
    for (event, message, status, complete) in
        [(failed, "slow", 429, true), (error, "quota", 429, false), (flat, "flat", 500, false)]
    {
        let (out, pass) = passed(&stream(&[event]), Some("alias"));
        assert_eq!(out, stream(&[event]));
        let problem = pass.problem().expect("a problem");
        assert_eq!((problem.message.as_deref(), problem.status), (Some(message), Some(status)));
        assert_eq!((pass.complete(), pass.stillborn()), (complete, true));
    }
}

#[test]
fn a_stream_that_breaks_off_ends_in_one_failed_event_of_its_own() {
    let text = stream(&[
        r#"{"type":"response.created","response":{"id":"resp_1","model":"gpt-x"}}"#,
        r#"{"type":"response.output_text.delta","delta":"\"sequence_number\":77","item_id":"m"}"#,
    ]);
    let (_, mut pass) = passed(&text, Some("alias"));
    let error = Error::new(Kind::RateLimited, "Slow down.").retry_after(7);
    let frame = String::from_utf8(pass.fail(&error).expect("it has an id").to_vec()).expect("UTF-8");
    let data = frame.strip_prefix("event: response.failed\ndata: ").expect("the event");
    let json: Value = serde_json::from_str(data).expect("JSON");
    assert_eq!((&json["sequence_number"], &json["response"]["id"]), (&2.into(), &"resp_1".into()));
    assert_eq!(json["response"]["model"], "alias");
    assert_eq!(json["response"]["error"]["code"], "rate_limit_exceeded");
    assert_eq!(json["response"]["error"]["message"], "Slow down. Please try again in 7s.");
}

#[test]
fn an_error_frame_of_a_stream_nobody_read_has_the_id_of_the_request() {
    let error = Error::new(Kind::UpstreamCut, "cut");
    let frame = Responses.error_frame(&error, "0af-1\n");
    let text = std::str::from_utf8(&frame).expect("UTF-8");
    let json: Value = serde_json::from_str(text.split("data: ").nth(1).expect("data")).expect("JSON");
    assert_eq!(json["response"]["id"], "resp_0af-1");
    assert_eq!((&json["type"], &json["response"]["status"]), (&"response.failed".into(), &"failed".into()));
    assert_eq!(json["response"]["error"]["code"], "server_error");
}

#[test]
fn an_unknown_previous_answer_is_refused_in_the_words_of_openai() {
    let error = previous_not_found("resp_9");
    let json: Value = serde_json::from_slice(&Responses.write_error(&error, "r")).expect("JSON");
    assert_eq!(error.status(), 400);
    assert_eq!(json["error"]["message"], "Previous response with id 'resp_9' not found.");
    assert_eq!(json["error"]["type"], "invalid_request_error");
    assert_eq!(json["error"]["param"], "previous_response_id");
    assert_eq!(json["error"]["code"], "previous_response_not_found");
}
