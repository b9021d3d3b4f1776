use bytes::Bytes;
use serde_json::Value;

use super::OpenAiChat;
use crate::dialect::{Dialect, Problem, StreamEdits, StreamPass, Usage};
use crate::error::{Error, Kind};

fn refusal(body: &str) -> (String, Option<String>) {
    let error = OpenAiChat.peek(body.as_bytes()).expect_err(body);
    assert_eq!(error.kind, Kind::BadRequest, "{body}");
    (error.message.into_owned(), error.param.map(|param| param.into_owned()))
}

fn spliced(body: &str, model: &str, ask_usage: bool) -> String {
    let body = Bytes::from(body.to_owned());
    let peek = OpenAiChat.peek(&body).expect("a good request");
    let out = OpenAiChat.splice_request(&body, &peek, model, ask_usage);
    String::from_utf8(out.to_vec()).expect("UTF-8 stays UTF-8")
}

/// Passes a stream in one chunk.
fn passed(stream: &str, model: Option<&str>, hide_usage: bool) -> (String, Box<dyn StreamPass>) {
    let mut pass = OpenAiChat.stream(StreamEdits { model: model.map(str::to_owned), hide_usage });
    let mut out = pass.push(Bytes::from(stream.to_owned())).expect("short frames").to_vec();
    out.extend_from_slice(&pass.finish().expect("nothing has to be complete"));
    (String::from_utf8(out).expect("UTF-8 stays UTF-8"), pass)
}

#[test]
fn a_request_is_peeked_however_it_is_written() {
    let table = [
        (r#"{"model":"a","messages":[{}]}"#, ("a", false, false)),
        (r#"{"messages":[0],"stream":true,"model":"a\u002fb"}"#, ("a/b", true, false)),
        (" {\"mod\\u0065l\" : \"é\" , \"messages\" : [ 1 ] ,\n\"stream\" : null }\r\n", ("é", false, false)),
        (
            r#"{"model":"a","messages":[0],"stream":true,"stream_options":{"include_usage":true}}"#,
            ("a", true, true),
        ),
        (
            r#"{"model":"a","messages":[0],"stream":true,"stream_options":{"include_usage":false}}"#,
            ("a", true, false),
        ),
        (r#"{"model":"a","messages":[0],"stream":true,"stream_options":null}"#, ("a", true, false)),
        (r#"{"model":"a","messages":[0],"x":1,"x":{"model":5},"n":1.0e2}"#, ("a", false, false)),
    ];
    for (body, (model, stream, usage_asked)) in table {
        let peek = OpenAiChat.peek(body.as_bytes()).expect(body);
        assert_eq!(
            (peek.model.as_str(), peek.stream, peek.usage_asked),
            (model, stream, usage_asked),
            "{body}"
        );
    }
}

#[test]
fn a_bad_request_is_told_what_is_wrong() {
    let table = [
        ("", "the body is empty", None),
        ("[]", "the body must be an object", None),
        (r#"{"messages":[0]}"#, "\"model\" is required", Some("model")),
        (r#"{"model":5,"messages":[0]}"#, "\"model\" must be a string", Some("model")),
        (r#"{"model":"\ud800","messages":[0]}"#, "\"model\" must be a string", Some("model")),
        (r#"{"model":"","messages":[0]}"#, "\"model\" must not be empty", Some("model")),
        (
            r#"{"model":"a","messages":[0],"mod\u0065l":"b"}"#,
            "\"model\" appears more than once",
            Some("model"),
        ),
        (r#"{"model":"a","messages":[0],"stream":1}"#, "\"stream\" must be true or false", Some("stream")),
        (r#"{"model":"a"}"#, "\"messages\" is required", Some("messages")),
        (r#"{"model":"a","messages":{}}"#, "\"messages\" must be an array", Some("messages")),
        (r#"{"model":"a","messages":null}"#, "\"messages\" must be an array", Some("messages")),
        (
            r#"{"model":"a","messages":[0],"stream_options":[]}"#,
            "\"stream_options\" must be an object",
            Some("stream_options"),
        ),
    ];
    for (body, reason, param) in table {
        let expected = (format!("invalid JSON request body: {reason}"), param.map(str::to_owned));
        assert_eq!(refusal(body), expected, "{body}");
    }
    for name in ["stream", "messages", "stream_options"] {
        let body = format!(r#"{{"model":"a","{name}":null,"{name}":null}}"#);
        assert_eq!(refusal(&body).0, format!("invalid JSON request body: \"{name}\" appears more than once"));
    }
    let empty = refusal(r#"{"model":"a","messages":[ ]}"#);
    assert_eq!(empty, ("messages array must not be empty".to_owned(), Some("messages".to_owned())));
}

#[test]
fn a_body_that_is_not_json_to_the_last_byte_is_refused() {
    for body in ["{", r#"{"model":"a","messages":[0]}x"#, r#"{"model":"a","messages":[0,]}"#, "{'model':1}"] {
        let (message, param) = refusal(body);
        assert!(message.starts_with("invalid JSON request body: "), "{message}");
        assert_eq!(param, None);
    }
    let mut body = br#"{"model":"a","messages":["?"]}"#.to_vec();
    body[26] = 0xff;
    let error = OpenAiChat.peek(&body).expect_err("not UTF-8");
    assert_eq!(error.message, "invalid JSON request body: not UTF-8 at byte 26");
}

#[test]
fn a_long_wrong_value_is_not_echoed() {
    let long = "x".repeat(1000);
    for body in [format!("\"{long}\""), format!("{{\"model\":[\"{long}\"]}}"), format!("{{{long}")] {
        assert!(!refusal(&body).0.contains("xxxx"));
    }
}

#[test]
fn deep_nesting_is_peeked_without_a_stack() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(r#"{{"model":"a","messages":{deep}}}"#);
    assert_eq!(OpenAiChat.peek(body.as_bytes()).expect("valid JSON").model, "a");
    assert!(refusal(&format!(r#"{{"model":{deep},"messages":[0]}}"#)).0.contains("must be a string"));
}

#[test]
fn only_the_model_changes() {
    let body = "{ \"x\":1.0e2, \"model\" : \"a\" ,\"messages\":[ {\"content\":\"model\"} ],\"x\":2}\n";
    let expected = body.replace("\"a\"", "\"b \\\"q\\\"\"");
    assert_eq!(spliced(body, "b \"q\"", false), expected);
    assert_eq!(spliced(body, "b \"q\"", true), expected, "no stream, no question for usage");
}

#[test]
fn a_request_that_names_the_target_itself_is_not_copied() {
    for model in ["a/b", "a\\/b", "a\\u002fb"] {
        let body = Bytes::from(format!(r#"{{"model":"{model}","messages":[0],"stream":true}}"#));
        let peek = OpenAiChat.peek(&body).expect("a good request");
        let out = OpenAiChat.splice_request(&body, &peek, "a/b", false);
        assert_eq!(out.as_ptr(), body.as_ptr());
        assert_eq!(out, body);
    }
}

#[test]
fn usage_is_asked_for_where_the_caller_did_not() {
    let table = [
        (r#""s":0"#, r#","stream_options":{"include_usage":true}"#, r#""s":0"#),
        (r#""stream_options":null"#, "", r#""stream_options":{"include_usage":true}"#),
        (r#""stream_options":{}"#, "", r#""stream_options":{"include_usage":true}"#),
        (r#""stream_options":{ "x":1}"#, "", r#""stream_options":{"include_usage":true, "x":1}"#),
        (
            r#""stream_options":{"x":1,"include_usage" : false }"#,
            "",
            r#""stream_options":{"x":1,"include_usage" : true }"#,
        ),
        (r#""stream_options":{"include_usage":null}"#, "", r#""stream_options":{"include_usage":true}"#),
        (
            r#""stream_options":{"include_usage":true,"include_us\u0061ge":false}"#,
            "",
            r#""stream_options":{"include_usage":true,"include_us\u0061ge":true}"#,
        ),
        (
            r#""stream_options":{"include_usage":false,"include_usage":true}"#,
            "",
            r#""stream_options":{"include_usage":false,"include_usage":true}"#,
        ),
        (r#""stream_options":{"include_usage":"yes"}"#, "", r#""stream_options":{"include_usage":"yes"}"#),
        (r#""stream_options":{"include_usage":true}"#, "", r#""stream_options":{"include_usage":true}"#),
    ];
    for (before, after_model, after) in table {
        let body = format!(r#"{{{before},"model":"a","messages":[0],"stream":true}}"#);
        let expected = format!(r#"{{{after},"model":"bc"{after_model},"messages":[0],"stream":true}}"#);
        assert_eq!(spliced(&body, "bc", true), expected);
        let same = format!(r#"{{{after},"model":"a"{after_model},"messages":[0],"stream":true}}"#);
        assert_eq!(spliced(&body, "a", true), same);
        assert_eq!(spliced(&body, "a", false), body);
    }
}

#[test]
fn an_answer_gets_the_alias_and_nothing_else() {
    let body = "{\"id\":\"x\",\r\n \"choices\":[{\"model\":\"m\"}], \"model\" : \"m-2024\" }";
    let answer = OpenAiChat.splice_answer(&Bytes::from(body), "alias").expect("JSON");
    assert_eq!(answer.body, body.replace("\"m-2024\"", "\"alias\""));
    assert!(answer.usage.is_empty());

    for same in [body, r#"{"model":null}"#, "{}"] {
        let body = Bytes::from(same);
        let answer = OpenAiChat.splice_answer(&body, "m-2024").expect("JSON");
        assert_eq!(answer.body.as_ptr(), body.as_ptr(), "nothing to change, nothing copied");
    }
}

#[test]
fn an_answer_that_is_not_an_object_is_unreadable() {
    for body in ["", " ", "<html></html>", "[]", "{\"a\":", "{}{}", "null"] {
        let error = OpenAiChat.splice_answer(&Bytes::from(body), "a").expect_err(body);
        assert_eq!(error.kind, Kind::UpstreamUnreadable);
        assert_eq!(error.message, "upstream returned an unreadable answer");
        assert!(error.cause.is_some());
    }
}

#[test]
fn usage_is_read_in_every_vendors_spelling() {
    let full = Usage {
        input: Some(10),
        output: Some(20),
        total: Some(30),
        cache_read: Some(4),
        reasoning: Some(5),
        audio_input: Some(6),
        audio_output: Some(7),
        ..Usage::default()
    };
    let basic = Usage { input: Some(1), cache_read: Some(9), ..Usage::default() };
    let table = [
        (
            r#"{"prompt_tokens":10,"completion_tokens":2.0e1,"total_tokens":30,
                "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":6},
                "completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":7}}"#,
            full,
        ),
        (r#"{"prompt_tokens":1,"prompt_cache_hit_tokens":9,"prompt_cache_miss_tokens":1}"#, basic),
        (
            r#"{"prompt_cache_hit_tokens":8,"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":9}}"#,
            basic,
        ),
        (r#"{"prompt_tokens":1,"num_cached_tokens":9,"prompt_tokens_details":null}"#, basic),
        (r#"{"prompt_tokens":"many","completion_tokens":-1,"total_tokens":null}"#, Usage::default()),
        (
            r#"{"num_cached_tokens":2,"prompt_tokens":5,"pr\u006fmpt_tokens":1,"":{"prompt_tokens":6},
                "prompt_tokens_details":{"cached_tokens":8,"cached_tokens":9,"x":{"cached_tokens":7}}}"#,
            basic,
        ),
        (
            r#"{"prompt_tokens":1,"prompt_tokens":{},"completion_tokens":2,"completion_tokens":null}"#,
            Usage::default(),
        ),
        ("null", Usage::default()),
        ("[1]", Usage::default()),
    ];
    for (usage, expected) in table {
        let body = Bytes::from(format!("{{\"usage\":{usage}}}"));
        assert_eq!(OpenAiChat.splice_answer(&body, "m").expect("JSON").usage, expected, "{usage}");
    }
}

#[test]
fn the_alias_replaces_the_model_id_of_each_chunk_and_no_other_text() {
    let stream = "data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"\\\"model\\\":\\\"m\\\"\"}}]}\n\n\
         data:{\"choices\":[{\"model\":\"m\"}],\"mod\\u0065l\" : \"m\"}\r\n\r\n: note\n\ndata: {\"id\":\"3\"}\n\n\
         data: \"model\":\"m\"\n\ndata: {\"model\":\ndata: \"m\"}\n\ndata: {\"model\":7}\n\ndata: [DONE]\n\n";
    let expected = "data: {\"id\":\"1\",\"model\":\"al\\\"ias\",\"choices\":[{\"delta\":{\"content\":\"\\\"model\\\":\\\"m\\\"\"}}]}\n\n\
         data:{\"choices\":[{\"model\":\"m\"}],\"mod\\u0065l\" : \"al\\\"ias\"}\r\n\r\n: note\n\ndata: {\"id\":\"3\"}\n\n\
         data: \"model\":\"m\"\n\ndata: {\"model\":\ndata: \"m\"}\n\ndata: {\"model\":7}\n\ndata: [DONE]\n\n";
    let (out, pass) = passed(stream, Some("al\"ias"), false);
    assert_eq!(out, expected);
    assert_eq!(pass.events(), 7);
    assert!(pass.complete());
    assert_eq!(passed(stream, None, true).0, stream);
    assert_eq!(passed(stream, Some("m"), true).0, stream);
}

#[test]
fn an_unchanged_chunk_leaves_as_it_came() {
    let chunk = Bytes::from_static(b"data: {\"model\":\"m\"}\n\n:\n\ndata: {\"mo");
    let mut pass = OpenAiChat.stream(StreamEdits { model: Some("m".to_owned()), hide_usage: true });
    let out = pass.push(chunk.clone()).expect("short frames");
    assert_eq!(out, chunk.slice(..24));
    assert_eq!(out.as_ptr(), chunk.as_ptr());
    assert_eq!(pass.push(Bytes::from_static(b"del\":\"x\"}\n")).expect("short frames"), "");
    let second = Bytes::from_static(b"\ndata: 1\n\n");
    assert_eq!(pass.push(second).expect("short frames"), "data: {\"model\":\"m\"}\n\ndata: 1\n\n");
    assert_eq!(pass.events(), 3);
}

#[test]
fn the_usage_frame_is_hidden_from_those_who_did_not_ask() {
    let hello = "data: {\"choices\":[{\"delta\":{}}],\"usage\":null}\n\n";
    let done = "data: [DONE]\n\n";
    let filter = "data: {\"choices\":[],\"prompt_filter_results\":[{\"usage\":{}}]}\n\n";
    let running = "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"completion_tokens\":3}}\n\n";
    let last = "{\"choices\":[ ],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":4}}";
    let frames = [
        format!("data: {last}\n\n"),
        format!("id: 7\ndata:{last}\r\n\r\n"),
        "data: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":2,\"completion_tokens\":4}}\n\n"
            .to_owned(),
        format!("data: {}\n\n", last.replace("[ ]", "null")),
    ];
    for frame in frames {
        let stream = [filter, hello, running, &frame, done].concat();
        let (out, pass) = passed(&stream, None, true);
        assert_eq!(out, [filter, hello, running, done].concat());
        let expected = Usage { input: Some(2), output: Some(4), ..Usage::default() };
        assert_eq!((*pass.usage(), pass.events()), (expected, 5));
        assert_eq!(passed(&stream, None, false).0, stream);
    }
}

#[test]
fn an_error_in_the_stream_is_noticed_and_passes() {
    let table = [
        (
            "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"code\":null}}\n\n",
            None,
            Some("m"),
        ),
        ("data: {\"error\" : \"m\"}\n\n", None, Some("m")),
        ("event: error\ndata: {\"message\":\"m\",\"status\":503}\n\n", Some(503), Some("m")),
        ("event: error\ndata: overloaded\n\n", None, None),
        ("data: {\"error\":{\"message\":\"m\",\"code\":429}}\n\n", Some(429), Some("m")),
        ("data: {\"object\":\"error\",\"message\":\"m\",\"code\":400}\n\n", Some(400), Some("m")),
        (
            "data: {\"id\":\"1\",\"error\":{\"code\":502,\"message\":\"m\"},\"choices\":[{\"finish_reason\":\"error\"}]}\n\n",
            Some(502),
            Some("m"),
        ),
    ];
    for (frame, status, message) in table {
        let stream =
            format!("data: {{\"choices\":[],\"error\":null}}\n\n{frame}data: {{\"error\":\"later\"}}\n\n");
        let (out, pass) = passed(&stream, Some("alias"), true);
        assert_eq!(out, stream);
        let problem = pass.problem().expect(frame);
        assert_eq!((problem.status, problem.message.as_deref()), (status, message), "{frame}");
        assert!(!pass.complete());
    }
    let with_usage = "data: {\"error\":{\"message\":\"m\"},\"usage\":{}}\n\n";
    assert_eq!(passed(with_usage, None, true).0, with_usage, "an error is never hidden");
    let text =
        "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"error\\\":{\"},\"error\":{}}],\"error\":{}}\n\n";
    assert!(passed(text, None, false).1.problem().is_none());
}

#[test]
fn only_the_first_frame_may_begin_with_a_byte_order_mark() {
    let stream = "\u{feff}data: {\"model\":\"m\"}\n\n\u{feff}data: {\"model\":\"m\"}\n\n";
    let (out, pass) = passed(stream, Some("alias"), true);
    assert_eq!(out, stream.replacen("\"m\"", "\"alias\"", 1));
    assert_eq!(pass.events(), 1, "the second mark is part of a field's name");
}

#[test]
fn a_last_frame_that_was_not_ended_still_counts() {
    let (out, pass) = passed("data: {\"model\":\"m\"}\n\ndata: [DONE]", Some("a"), true);
    assert_eq!(out, "data: {\"model\":\"a\"}\n\ndata: [DONE]");
    assert!(pass.complete());
    assert_eq!(pass.events(), 2);
    let (out, _) = passed("data: {\"model\":\"m\",\"choi", Some("a"), true);
    assert_eq!(out, "data: {\"model\":\"a\",\"choi");
    assert_eq!(passed("data: {\"model\":\"m", Some("a"), true).0, "data: {\"model\":\"m");
}

#[test]
fn an_own_envelope_is_native_and_a_foreign_one_is_not() {
    let native = |body: &str| OpenAiChat.read_error(400, body.as_bytes()).native;
    assert!(native(r#"{"error":{"message":"m","type":null}}"#));
    for body in [r#"{"error":{"message":5}}"#, r#"{"error":"m"}"#, r#"{"error":{"message":"m"}}x"#, "<html>"]
    {
        assert!(!native(body), "{body}");
    }
    assert_eq!(OpenAiChat.read_error(502, b"<html>bad gateway</html>"), Problem::default());
}

#[test]
fn an_error_is_written_without_absent_members_and_on_one_line() {
    let error = Error::new(Kind::RateLimited, "slow\ndown \"now\"");
    let body: Value = serde_json::from_slice(&OpenAiChat.write_error(&error, "r")).expect("JSON");
    let expected =
        serde_json::json!({"error": {"message": "slow\ndown \"now\"", "type": "rate_limit_exceeded"}});
    assert_eq!(body, expected);
    let frame = OpenAiChat.error_frame(&error.code("c").param("p"), "r");
    let expected = "event: error\ndata: {\"error\":{\"message\":\"slow\\ndown \\\"now\\\"\",\
         \"type\":\"rate_limit_exceeded\",\"param\":\"p\",\"code\":\"c\"}}\n\n";
    assert_eq!(frame, expected);
}

#[test]
fn reasoning_that_is_counted_apart_is_part_of_the_output_all_the_same() {
    let read = |json: &str| super::answer::read_usage(json.as_bytes()).output;
    let details = r#""completion_tokens_details":{"reasoning_tokens":255}"#;
    let apart = format!(r#"{{"prompt_tokens":307,"completion_tokens":26,"total_tokens":588,{details}}}"#);
    let within = format!(r#"{{"prompt_tokens":307,"completion_tokens":281,"total_tokens":588,{details}}}"#);
    assert_eq!((read(&apart), read(&within)), (Some(281), Some(281)));
}
