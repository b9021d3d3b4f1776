use bytes::Bytes;

use super::{Gemini, array};
use crate::dialect::{Dialect, StreamEdits, StreamPass, Usage};
use crate::error::{Error, Kind};

fn stream(model: &str) -> Box<dyn StreamPass> {
    Gemini.stream(StreamEdits { model: Some(model.to_owned()), hide_usage: true })
}

/// Passes a stream, cut at these places.
fn passed(mut pass: Box<dyn StreamPass>, stream: &str, cuts: &[usize]) -> (String, Box<dyn StreamPass>) {
    let mut out = Vec::new();
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    for pair in places.windows(2) {
        let chunk = Bytes::copy_from_slice(&stream.as_bytes()[pair[0]..pair[1]]);
        out.extend_from_slice(&pass.push(chunk).expect("short frames"));
    }
    out.extend_from_slice(&pass.finish().expect("nothing has to be complete"));
    (String::from_utf8(out).expect("UTF-8 stays UTF-8"), pass)
}

const STREAM: &str = concat!(
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"It \\\"is\\\" \"}],\"role\":\"model\"},\"index\":0}],",
    "\"usageMetadata\":{\"promptTokenCount\":30,\"totalTokenCount\":30},\"modelVersion\":\"gemini-y\",\"responseId\":\"r1\"}\r\n\r\n",
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"18C.\"}]},\"finishReason\": \"STOP\"}],",
    "\"usageMetadata\": {\"promptTokenCount\": 30,\"candidatesTokenCount\": 6,\"thoughtsTokenCount\": 4,",
    "\"totalTokenCount\": 40},\"modelVersion\": \"gemini-y\"}\r\n\r\n",
);

#[test]
fn the_path_says_model_and_stream() {
    for body in [
        r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#,
        r#"{"contents":{"role":"user","parts":{"text":"hi"}}}"#,
        r#"{"content":{"parts":[{"text":"embed this"}]}}"#,
        r#"{"generateContentRequest":{"model":"models/a","contents":[0]}}"#,
    ] {
        let peek = Gemini.peek(body.as_bytes()).expect(body);
        assert_eq!((peek.model.as_str(), peek.stream, peek.usage_asked), ("", false, true));
    }
}

#[test]
fn a_bad_request_is_told_what_is_wrong() {
    let table = [
        ("nonsense", "invalid JSON request body: expected ident at line 1 column 2"),
        ("[]", "invalid JSON request body: the body must be an object"),
        ("{}", "invalid JSON request body: \"contents\" is required"),
        (r#"{"contents":[ ]}"#, "\"contents\" must not be empty"),
        (r#"{"contents":"hi"}"#, "invalid JSON request body: \"contents\" must be an array"),
        (
            r#"{"contents":[0],"contents":[0]}"#,
            "invalid JSON request body: \"contents\" appears more than once",
        ),
        (r#"{"generateContentRequest":{}}"#, "invalid JSON request body: \"contents\" is required"),
    ];
    for (body, message) in table {
        let error = Gemini.peek(body.as_bytes()).expect_err(body);
        assert_eq!((error.kind, error.message.as_ref()), (Kind::BadRequest, message), "{body}");
    }
}

#[test]
fn a_request_passes_as_it_is_but_for_a_model_it_names() {
    let table = [
        (r#"{ "contents" : [0], "x":1.0e2 }"#, None),
        (r#"{"contents":[0],"model":7}"#, None),
        (r#"{"contents":[0],"model":"models/alias"}"#, Some(r#"{"contents":[0],"model":"models/gemini-x"}"#)),
        (
            r#"{"generateContentRequest": {"model":"models/alias", "contents":[0]}}"#,
            Some(r#"{"generateContentRequest": {"model":"models/gemini-x", "contents":[0]}}"#),
        ),
    ];
    for (body, expected) in table {
        let body = Bytes::from(body);
        let peek = Gemini.peek(&body).expect("a good request");
        let out = Gemini.splice_request(&body, &peek, "models/gemini-x", true);
        assert_eq!(out, expected.map_or(body.clone(), Bytes::from));
        assert!(expected.is_some() || out.as_ptr() == body.as_ptr());
    }
}

#[test]
fn an_answer_gets_the_alias_and_its_usage_is_read() {
    let body = r#"{"candidates":[{"modelVersion":"x"}],"modelVersion" : "gemini-y","usageMetadata":
        {"promptTokenCount":30,"toolUsePromptTokenCount":5,"candidatesTokenCount":6,"thoughtsTokenCount":4,"totalTokenCount":45,
        "cachedContentTokenCount":10,"promptTokensDetails":[{"modality":"TEXT","tokenCount":20},{"modality":"AUDIO","tokenCount":10}],
        "candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":2}]}}"#;
    let answer = Gemini.splice_answer(&Bytes::from(body), "alias").expect("JSON");
    assert_eq!(answer.body, body.replace("gemini-y", "alias"));
    let expected = Usage {
        input: Some(35),
        output: Some(10),
        total: Some(45),
        cache_read: Some(10),
        reasoning: Some(4),
        audio_input: Some(10),
        audio_output: Some(2),
        ..Usage::default()
    };
    assert_eq!(answer.usage, expected);
    let count = Bytes::from(r#"{"totalTokens":31,"promptTokensDetails":[]}"#);
    let answer = Gemini.splice_answer(&count, "alias").expect("JSON");
    assert!(answer.usage.is_empty() && answer.body.as_ptr() == count.as_ptr());
    assert_eq!(
        Gemini.splice_answer(&Bytes::from("[]"), "a").expect_err("an array").kind,
        Kind::UpstreamUnreadable
    );
}

#[test]
fn a_stream_gets_the_alias_and_its_usage_is_read() {
    let (out, pass) = passed(stream("alias"), STREAM, &[]);
    assert_eq!(out, STREAM.replace("gemini-y", "alias"));
    assert!(pass.complete() && !pass.stillborn() && pass.problem().is_none());
    let expected =
        Usage { input: Some(30), output: Some(10), total: Some(40), reasoning: Some(4), ..Usage::default() };
    assert_eq!((pass.events(), pass.usage()), (2, &expected));
}

#[test]
fn a_stream_is_complete_when_every_answer_has_ended_or_the_prompt_was_blocked() {
    let chunk = |index: u32, finish: &str| {
        format!("data: {{\"candidates\":[{{\"content\":{{}}{finish},\"index\":{index}}}]}}\n\n")
    };
    let stop = ",\"finishReason\":\"STOP\"";
    let table = [
        (chunk(0, ""), false),
        (chunk(0, stop), true),
        (chunk(0, stop) + &chunk(1, ""), false),
        (chunk(1, "") + &chunk(0, stop) + &chunk(1, stop), true),
        ("data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n".to_owned(), true),
        ("data: {\"promptFeedback\":{\"safetyRatings\":[]}}\n\n".to_owned(), false),
        ("data: {\"candidates\":\"finishReason\"}\n\n".to_owned(), false),
    ];
    for (text, complete) in table {
        assert_eq!(passed(stream("a"), &text, &[]).1.complete(), complete, "{text}");
    }
}

#[test]
fn an_error_inside_a_stream_is_a_problem() {
    let error = "data: {\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}\n\n";
    let (out, pass) = passed(stream("a"), error, &[]);
    assert!(out == error && pass.stillborn() && !pass.complete());
    let problem = pass.problem().expect("an error");
    assert_eq!((problem.status, problem.kind.as_deref()), (Some(503), Some("UNAVAILABLE")));
    let (_, pass) = passed(stream("a"), &(STREAM.to_owned() + error), &[]);
    assert!(pass.problem().is_some() && !pass.stillborn());
}

#[test]
fn callers_who_did_not_ask_for_events_get_one_array() {
    let (out, pass) = passed(array::of(stream("alias")), STREAM, &[]);
    let chunks: Vec<String> =
        STREAM.replace("gemini-y", "alias").split("\r\n\r\n").map(str::to_owned).collect();
    let chunk = |number: usize| chunks[number].strip_prefix("data: ").expect("an event");
    assert_eq!(out, format!("[{},\r\n{}\n]", chunk(0), chunk(1)));
    assert!(pass.complete() && pass.events() == 2);
    let read: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(read.as_array().map(Vec::len), Some(2));
    assert_eq!(passed(array::of(stream("a")), "", &[]).0, "[\n]");
    assert_eq!(passed(array::of(stream("a")), ": comment\n\ndata: {}", &[]).0, "[{}\n]");
}

#[test]
fn an_array_that_fails_ends_with_the_error() {
    let error = Error::new(Kind::UpstreamCut, "gone");
    let json = r#"{"error":{"code":502,"message":"gone","status":"UNAVAILABLE"}}"#;
    let mut pass = array::of(stream("a"));
    assert_eq!(pass.fail(&error).expect("an array"), format!("[{json}\n]"));
    let mut pass = array::of(stream("a"));
    let first = pass.push(Bytes::from("data: {}\n\ndata: {\"cut")).expect("short frames");
    let last = pass.fail(&error).expect("an array");
    assert_eq!([first, last].concat(), format!("[{{}},\r\n{json}\n]").into_bytes());
}

#[test]
fn errors_are_read_and_written_as_google_has_them() {
    let quota = r#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED","domain":"googleapis.com"},
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.07s"}]}}"#;
    let problem = Gemini.read_error(429, quota.as_bytes());
    assert_eq!((problem.status, problem.retry_after, problem.native), (Some(429), Some(35), true));
    assert_eq!(problem.kind.as_deref(), Some("RESOURCE_EXHAUSTED"));
    assert_eq!(problem.code.as_deref(), Some("RATE_LIMIT_EXCEEDED"));
    let listed = Gemini.read_error(429, format!("[{quota}]").as_bytes());
    assert_eq!(
        (listed.message.as_deref(), listed.retry_after, listed.native),
        (Some("quota"), Some(35), false)
    );
    for other in ["", "<html>", "[]", r#"{"error":"text"}"#, r#"{"error":{"message":"m"}}"#] {
        assert!(!Gemini.read_error(500, other.as_bytes()).native, "{other}");
    }
    for (status, word) in [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (413, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (502, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ] {
        let error = Error::new(Kind::Internal, "m\"").with_status(status);
        let written = Gemini.write_error(&error, "id");
        let expected = format!(r#"{{"error":{{"code":{status},"message":"m\"","status":"{word}"}}}}"#);
        assert_eq!(String::from_utf8(written.clone()).expect("UTF-8"), expected);
        assert!(Gemini.read_error(status, &written).native);
    }
    let limited = Error::new(Kind::RateLimited, "slow").code("rate_limit").retry_after(7);
    let problem = Gemini.read_error(429, &Gemini.write_error(&limited, "id"));
    assert_eq!((problem.code.as_deref(), problem.retry_after), (Some("rate_limit"), Some(7)));
    let frame = Gemini.error_frame(&Error::new(Kind::Internal, "m"), "id");
    assert_eq!(frame, "data: {\"error\":{\"code\":500,\"message\":\"m\",\"status\":\"INTERNAL\"}}\n\n");
}

mod chunking {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn however_a_stream_is_chunked_the_output_is_the_same(cuts in prop::collection::vec(0usize..2000, 0..12)) {
            let expected = passed(stream("alias"), STREAM, &[]).0;
            prop_assert_eq!(passed(stream("alias"), STREAM, &cuts).0, expected);
            let expected = passed(array::of(stream("alias")), STREAM, &[]).0;
            prop_assert_eq!(passed(array::of(stream("alias")), STREAM, &cuts).0, expected);
        }
    }
}
