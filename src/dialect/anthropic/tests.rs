use bytes::Bytes;

use super::{Anthropic, for_platform, thread_unsupported};
use crate::dialect::{Dialect, Problem, StreamEdits, StreamPass, Usage};
use crate::error::{Error, Kind};

/// Passes a stream in one chunk.
fn passed(stream: &str, model: Option<&str>) -> (String, Box<dyn StreamPass>) {
    let mut pass = Anthropic.stream(StreamEdits { model: model.map(str::to_owned), hide_usage: true });
    let mut out = pass.push(Bytes::from(stream.to_owned())).expect("short frames").to_vec();
    out.extend_from_slice(&pass.finish().expect("nothing has to be complete"));
    (String::from_utf8(out).expect("UTF-8 stays UTF-8"), pass)
}

#[test]
fn a_request_and_a_token_count_are_peeked_alike() {
    let count = br#"{"model":"claude","messages":[{"role":"user","content":"hi"}]}"#;
    let peek = Anthropic.peek(count).expect("no max_tokens needed");
    assert_eq!((peek.model.as_str(), peek.stream, peek.usage_asked), ("claude", false, true));
    let streamed = br#"{"stream":true,"stream_options":5,"max_tokens":1,"model":"claude","messages":[0]}"#;
    let peek = Anthropic.peek(streamed).expect("a member of another dialect is none of ours");
    assert!(peek.stream && peek.usage_asked);
}

#[test]
fn a_bad_request_is_told_what_is_wrong() {
    let table = [
        ("nonsense", "invalid JSON request body: expected ident at line 1 column 2"),
        (r#"{"messages":[0]}"#, "invalid JSON request body: \"model\" is required"),
        (r#"{"model":"a","messages":[]}"#, "messages array must not be empty"),
        (
            r#"{"model":"a","model":"b","messages":[0]}"#,
            "invalid JSON request body: \"model\" appears more than once",
        ),
    ];
    for (body, message) in table {
        let error = Anthropic.peek(body.as_bytes()).expect_err(body);
        assert_eq!((error.kind, error.message.as_ref()), (Kind::BadRequest, message), "{body}");
    }
}

#[test]
fn only_the_model_changes() {
    let body =
        Bytes::from_static(b"{\"stream\":true, \"model\":\"alias\",\"messages\":[{\"model\":\"alias\"}] }");
    let peek = Anthropic.peek(&body).expect("a good request");
    let out = Anthropic.splice_request(&body, &peek, "claude", true);
    assert_eq!(out, "{\"stream\":true, \"model\":\"claude\",\"messages\":[{\"model\":\"alias\"}] }");
    assert_eq!(Anthropic.splice_request(&body, &peek, "alias", true).as_ptr(), body.as_ptr());
}

#[test]
fn cached_tokens_are_part_of_the_input() {
    let body = Bytes::from_static(
        br#"{"model":"claude","usage":{"input_tokens":3,"cache_read_input_tokens":100,
        "cache_creation_input_tokens":50,"cache_creation":{"ephemeral_5m_input_tokens":20,
        "ephemeral_1h_input_tokens":30},"output_tokens":7,"output_tokens_details":{"thinking_tokens":2}}}"#,
    );
    let answer = Anthropic.splice_answer(&body, "claude").expect("JSON");
    let expected = Usage {
        input: Some(153),
        output: Some(7),
        cache_read: Some(100),
        cache_write: Some(50),
        cache_write_1h: Some(30),
        reasoning: Some(2),
        ..Usage::default()
    };
    assert_eq!(answer.usage, expected);
    assert_eq!(answer.body.as_ptr(), body.as_ptr());

    let parts = br#"{"usage":{"input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":20}}}"#;
    let usage = Anthropic.splice_answer(&Bytes::from_static(parts), "m").expect("JSON").usage;
    assert_eq!((usage.input, usage.cache_write), (Some(21), Some(20)));
    let twice = br#"{"usage":{"cache_creation":{"ephemeral_1h_input_tokens":1,"ephemeral_5m_input_tokens":2,
        "ephemeral_1h_input_tokens":9},"cache_creation":{"ephemeral_1h_input_tokens":3,"ephemeral_1h_input_tokens":9},
        "output_tokens":7,"output_tokens":5,"output_tokens":null}}"#;
    let usage = Anthropic.splice_answer(&Bytes::from_static(twice), "m").expect("JSON").usage;
    assert_eq!((usage.cache_write, usage.cache_write_1h, usage.output), (Some(5), Some(3), Some(5)));
    let huge = br#"{"usage":{"input_tokens":18446744073709551615,"cache_read_input_tokens":9}}"#;
    let usage = Anthropic.splice_answer(&Bytes::from_static(huge), "m").expect("JSON").usage;
    assert_eq!(usage.input, Some(u64::MAX), "a nonsensical sum does not overflow");
}

#[test]
fn a_token_count_passes_as_it_is() {
    let body = Bytes::from_static(b"{\"input_tokens\":14}");
    let answer = Anthropic.splice_answer(&body, "alias").expect("JSON");
    assert_eq!((answer.body.as_ptr(), answer.usage), (body.as_ptr(), Usage::default()));
}

#[test]
fn the_alias_replaces_the_model_id_of_the_message_and_no_other_text() {
    let stream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"x\":{\"model\":\"m\"}}}\n\n\
         event: ping\ndata: {\"type\": \"ping\"}\n\n\
         event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"message\":{\"model\":\"m\"}}\n\n\
         event: x\ndata: {\"type\":\"x\",\"message\":{\"model\":\"m\"},\"model\":\"m\"}\n\n\
         event: message_stop\ndata: {\"type\":\"message_stop\"   }\n\n";
    let (out, pass) = passed(stream, Some("alias"));
    assert_eq!(out, stream.replacen("\"model\":\"m\"", "\"model\":\"alias\"", 1));
    assert!(pass.complete());
    assert_eq!(pass.events(), 5);
    assert_eq!(passed(stream, None).0, stream);
}

#[test]
fn the_type_is_read_from_the_data_and_else_from_the_name() {
    let named =
        "event: message_start\ndata: {\"message\":{\"model\":\"m\"}}\n\nevent: message_stop\ndata: {}\n\n";
    let (out, pass) = passed(named, Some("a"));
    assert_eq!(out, named.replace("\"m\"", "\"a\""));
    assert!(pass.complete());
    let typed = "data: {\"message\":{\"model\":\"m\"},\"type\":\"message_start\"}\n\ndata: {\"type\":\"message_stop\"}\n\n";
    let (out, pass) = passed(typed, Some("a"));
    assert_eq!(out, typed.replace("\"m\"", "\"a\""));
    assert!(pass.complete());
}

#[test]
fn the_last_report_of_each_counter_counts() {
    let start = "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":90,\
         \"cache_creation_input_tokens\":5,\"output_tokens\":1}}}\n\n";
    let short = "data: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":40}}\n\n";
    let long = "data: {\"type\":\"message_delta\",\"usage\":{\"input_tokens\":7,\"cache_read_input_tokens\":95,\"output_tokens\":41}}\n\n";
    let read = |stream: &str| {
        let usage = *passed(stream, None).1.usage();
        (usage.input, usage.output, usage.cache_read, usage.cache_write)
    };
    assert_eq!(read(start), (Some(100), Some(1), Some(90), Some(5)));
    assert_eq!(read(&[start, short].concat()), (Some(100), Some(40), Some(90), Some(5)));
    assert_eq!(read(&[start, short, long].concat()), (Some(107), Some(41), Some(95), Some(5)));
    let null = "data: {\"type\":\"message_delta\",\"usage\":{\"input_tokens\":null,\"output_tokens\":9}}\n\n";
    assert_eq!(read(&[start, null].concat()), (Some(100), Some(9), Some(90), Some(5)));
    assert_eq!(read("data: {\"type\":\"message_delta\",\"usage\":null}\n\n"), (None, None, None, None));
}

#[test]
fn an_error_in_the_stream_implies_a_status() {
    let table = [
        ("overloaded_error", Some(529)),
        ("rate_limit_error", Some(429)),
        ("invalid_request_error", Some(400)),
        ("authentication_error", Some(401)),
        ("permission_error", Some(403)),
        ("not_found_error", Some(404)),
        ("request_too_large", Some(413)),
        ("api_error", Some(500)),
        ("timeout_error", Some(504)),
        ("novel_error", None),
    ];
    for (kind, status) in table {
        let data =
            format!("data: {{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"m\"}}}}\n\n");
        for stream in [format!("event: error\n{data}"), data] {
            let (out, pass) = passed(&stream, Some("alias"));
            assert_eq!(out, stream);
            let expected = Problem {
                status,
                message: Some("m".to_owned()),
                kind: Some(kind.to_owned()),
                ..Problem::default()
            };
            assert_eq!(pass.problem(), Some(&expected));
        }
    }
}

#[test]
fn a_status_named_in_the_error_goes_before_the_one_its_type_implies() {
    let stream =
        "data: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\",\"code\":503}}\n\n";
    assert_eq!(passed(stream, None).1.problem().and_then(|problem| problem.status), Some(503));
}

#[test]
fn an_own_envelope_is_native_and_a_foreign_one_is_not() {
    let native = |body: &str| Anthropic.read_error(400, body.as_bytes()).native;
    assert!(native(r#"{"error":{"message":"m","type":"api_error"},"request_id":"r","type":"error"}"#));
    for body in [
        r#"{"error":{"message":"m","type":"t"}}"#,
        r#"{"type":"error","error":{"message":"m"}}"#,
        r#"{"type":"error","error":{"type":"t","message":"m"}"#,
        "Overloaded",
    ] {
        assert!(!native(body), "{body}");
    }
}

#[test]
fn an_error_names_the_request() {
    let error = Error::new(Kind::RateLimited, "slow\ndown").code("unused");
    let body =
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow\ndown"},"request_id":"r-1"}"#;
    assert_eq!(Anthropic.write_error(&error, "r-1"), body.as_bytes());
    assert_eq!(Anthropic.error_frame(&error, "r-1"), format!("event: error\ndata: {body}\n\n"));
    let chosen = Anthropic.write_error(&Error::new(Kind::UpstreamRefused, "m").with_status(413), "r");
    assert!(chosen.starts_with(br#"{"type":"error","error":{"type":"request_too_large""#));
}

#[test]
fn a_platform_gets_a_version_where_the_model_was() {
    let cases = [
        (
            r#"{"messages":[{"role":"user","content":"x"}], "model" : "alias" ,"x":"model"}"#,
            r#"{"messages":[{"role":"user","content":"x"}], "anthropic_version" : "v-1" ,"x":"model"}"#,
            r#"{"messages":[{"role":"user","content":"x"}], "anthropic_version":"v-1","model" : "claude" ,"x":"model"}"#,
        ),
        (
            r#"{"\u006dodel":"alias","messages":[{"role":"user","content":"x"}]}"#,
            r#"{"anthropic_version":"v-1","messages":[{"role":"user","content":"x"}]}"#,
            r#"{"anthropic_version":"v-1","\u006dodel":"claude","messages":[{"role":"user","content":"x"}]}"#,
        ),
    ];
    for (body, generated, counted) in cases {
        let peek = Anthropic.peek(body.as_bytes()).expect("a request");
        let edited = |counts| for_platform(&Bytes::from(body), &peek, "claude", "v-1", counts);
        assert_eq!((edited(false), edited(true)), (Bytes::from(generated), Bytes::from(counted)));
    }
}

#[test]
fn a_client_is_told_in_its_words_that_no_thread_is_kept() {
    let told = |error: &Error| String::from_utf8(super::error::write(error, "r")).expect("JSON");
    let refused = told(&thread_unsupported());
    assert!(refused.contains(r#""details":{"error_code":"thread_unsupported_request"}"#), "{refused}");
    assert!(!told(&Error::bad_request("x").code("y")).contains("details"));
}
