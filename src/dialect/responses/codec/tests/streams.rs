//! Streams that are read, and written again.

use proptest::prelude::*;
use serde_json::Value;

use super::recordings::check_numbers;
use super::{frames, json, outward, passed, read, stream, told};
use crate::dialect::Usage;
use crate::dialect::codec::Codec;
use crate::dialect::responses::Responses;

/// One answer with every kind of item, as OpenAI streams it.
const EVENTS: &[&str] = &[
    r#"{"type":"response.created","response":{"id":"resp_1","object":"response","created_at":1763000001,"model":"gpt-x","status":"in_progress","output":[]}}"#,
    r#"{"type":"response.in_progress","response":{"id":"resp_1","model":"gpt-x"}}"#,
    r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}}"#,
    r#"{"type":"response.reasoning_summary_part.added","item_id":"rs_1","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}"#,
    r#"{"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":0,"delta":"First"}"#,
    r#"{"type":"response.reasoning_summary_text.done","item_id":"rs_1","output_index":0,"summary_index":0,"text":"First"}"#,
    r#"{"type":"response.reasoning_summary_part.done","item_id":"rs_1","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":"First"}}"#,
    r#"{"type":"response.reasoning_summary_part.added","item_id":"rs_1","output_index":0,"summary_index":1,"part":{"type":"summary_text","text":""}}"#,
    r#"{"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":1,"delta":"Second"}"#,
    r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"First"},{"type":"summary_text","text":"Second"}],"encrypted_content":"gAAA"}}"#,
    r#"{"type":"response.output_item.added","output_index":1,"item":{"id":"ws_1","type":"web_search_call","status":"in_progress"}}"#,
    r#"{"type":"response.web_search_call.searching","output_index":1,"item_id":"ws_1"}"#,
    r#"{"type":"response.output_item.done","output_index":1,"item":{"id":"ws_1","type":"web_search_call","status":"completed","action":{"type":"search","query":"q"}}}"#,
    r#"{"type":"response.output_item.added","output_index":2,"item":{"id":"msg_1","type":"message","status":"in_progress","content":[],"role":"assistant"}}"#,
    r#"{"type":"response.content_part.added","item_id":"msg_1","output_index":2,"content_index":0,"part":{"type":"output_text","annotations":[],"text":""}}"#,
    r#"{"type":"response.output_text.delta","item_id":"msg_1","output_index":2,"content_index":0,"delta":"He said \"hé\"\n","logprobs":[{"token":"He","logprob":-0.5,"bytes":[72,101],"top_logprobs":[{"token":"Ho","logprob":-1.5,"bytes":[72,111]}]}]}"#,
    r#"{"type":"response.output_text.delta","item_id":"msg_1","output_index":2,"content_index":0,"delta":"bye","logprobs":[]}"#,
    r#"{"type":"response.output_text.annotation.added","item_id":"msg_1","output_index":2,"content_index":0,"annotation_index":0,"annotation":{"type":"url_citation","start_index":0,"end_index":4,"url":"https://e.x","title":"E"}}"#,
    r#"{"type":"response.output_text.done","item_id":"msg_1","output_index":2,"content_index":0,"text":"…"}"#,
    r#"{"type":"response.content_part.done","item_id":"msg_1","output_index":2,"content_index":0,"part":{"type":"output_text","annotations":[],"text":"…"}}"#,
    r#"{"type":"response.content_part.added","item_id":"msg_1","output_index":2,"content_index":1,"part":{"type":"refusal","refusal":""}}"#,
    r#"{"type":"response.refusal.delta","item_id":"msg_1","output_index":2,"content_index":1,"delta":"No."}"#,
    r#"{"type":"response.refusal.done","item_id":"msg_1","output_index":2,"content_index":1,"refusal":"No."}"#,
    r#"{"type":"response.output_item.done","output_index":2,"item":{"id":"msg_1","type":"message","status":"completed","content":[],"role":"assistant"}}"#,
    r#"{"type":"response.output_item.added","output_index":3,"item":{"id":"fc_1","type":"function_call","status":"in_progress","arguments":"","call_id":"call_1","name":"f"}}"#,
    r#"{"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":3,"delta":"{\"a\""}"#,
    r#"{"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":3,"delta":":1}"}"#,
    r#"{"type":"response.function_call_arguments.done","item_id":"fc_1","output_index":3,"arguments":"{\"a\":1}"}"#,
    r#"{"type":"response.output_item.done","output_index":3,"item":{"id":"fc_1","type":"function_call","status":"completed","arguments":"{\"a\":1}","call_id":"call_1","name":"f"}}"#,
    r#"{"type":"response.output_item.added","output_index":4,"item":{"id":"ctc_1","type":"custom_tool_call","status":"in_progress","input":"","call_id":"call_2","name":"patch"}}"#,
    r#"{"type":"response.custom_tool_call_input.delta","item_id":"ctc_1","output_index":4,"delta":"*** Begin"}"#,
    r#"{"type":"response.custom_tool_call_input.done","item_id":"ctc_1","output_index":4,"input":"*** Begin"}"#,
    r#"{"type":"response.output_item.done","output_index":4,"item":{"id":"ctc_1","type":"custom_tool_call","status":"completed","input":"*** Begin","call_id":"call_2","name":"patch"}}"#,
    r#"{"type":"response.completed","response":{"id":"resp_1","status":"completed","model":"gpt-x","output":[],"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":16}}}"#,
];

#[test]
fn a_stream_that_is_read_and_written_says_the_same() {
    let text = stream(EVENTS);
    let (out, usage) = passed(&text, "{}", &[]);
    check_numbers("all", &out);
    // How a source was written is the writer's own, and so is the name of the model.
    let plain = |events: Vec<String>| -> Vec<String> {
        let plain =
            |event: &String| event.split("json: ").next().unwrap_or_default().replace("the alias", "gpt-x");
        events.iter().map(plain).collect()
    };
    assert_eq!(plain(told(&out)), plain(told(&text)), "{out}");
    let expected = Usage {
        input: Some(9),
        output: Some(7),
        total: Some(16),
        cache_read: Some(4),
        reasoning: Some(5),
        ..Usage::default()
    };
    assert_eq!(usage, expected);
}

#[test]
fn the_blocks_of_a_stream_follow_one_another() {
    let kinds: Vec<String> = told(&stream(EVENTS))
        .iter()
        .map(|event| event.split([' ', '(']).next().unwrap_or_default().to_owned())
        .collect();
    let expected = "Begin Open Delta Delta Delta Delta Close Whole Open Delta Chances Delta Delta Close Open \
                    Delta Close Open Delta Delta Close Open Delta Close Usage Finish End";
    assert_eq!(kinds.join(" "), expected);
}

#[test]
fn the_last_event_repeats_every_item_as_it_was_told() {
    let (out, _) = passed(&stream(EVENTS), "{}", &[]);
    let frames = frames(&out);
    let done = frames.iter().filter(|(name, _)| name == "response.output_item.done");
    let items: Vec<Value> = done.map(|(_, data)| json(data)["item"].clone()).collect();
    let (name, data) = frames.last().expect("frames");
    let response = &json(data)["response"];
    assert_eq!((&**name, response["output"].as_array()), ("response.completed", Some(&items)));
    assert_eq!(response["usage"]["total_tokens"], 16);
    let text = &items[2]["content"][0];
    assert_eq!(text["text"], "He said \"hé\"\nbye");
    assert_eq!(text["logprobs"][0]["top_logprobs"][0]["token"], "Ho");
    assert_eq!(text["annotations"][0]["url"], "https://e.x");
    let kinds: Vec<&str> = items.iter().filter_map(|item| item["type"].as_str()).collect();
    let expected = ["reasoning", "web_search_call", "message", "function_call", "custom_tool_call"];
    assert_eq!(kinds, expected);
    assert_eq!((&items[0]["encrypted_content"], &items[0]["id"]), (&"gAAA".into(), &"rs_1".into()));
}

#[test]
fn errors_of_the_provider_are_read_in_band() {
    let table = [
        (r#"{"type":"error","code":"rate_limit_exceeded","message":"m","param":null}"#, Some(429)),
        (r#"{"type":"error","error":{"type":"invalid_request_error","message":"m"}}"#, Some(400)),
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"}}}"#,
            Some(500),
        ),
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"context_length_exceeded","message":"m"}}}"#,
            Some(400),
        ),
    ];
    for (event, status) in table {
        let events = told(&stream(&[event, EVENTS[4]]));
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(
            events[0].starts_with(&format!("Failed(Problem {{ status: {status:?}, message: Some(\"m\")")),
            "{events:?}"
        );
    }
    assert!(
        Responses
            .read_response(r#"{"status":"failed","error":{"code":"x","message":"m"},"output":[]}"#)
            .is_err()
    );
    assert!(Responses.read_response(r#"{"error":{"message":"m"}}"#).is_err());
}

#[test]
fn items_that_overlap_are_told_one_after_another() {
    let added = |index: u32| {
        format!(
            r#"{{"type":"response.output_item.added","output_index":{index},"item":{{"type":"function_call","call_id":"c{index}","name":"f","arguments":""}}}}"#
        )
    };
    let piece = |index: u32| {
        format!(
            r#"{{"type":"response.function_call_arguments.delta","output_index":{index},"delta":"[{index}]"}}"#
        )
    };
    let done = |index: u32| {
        format!(
            r#"{{"type":"response.output_item.done","output_index":{index},"item":{{"type":"function_call","call_id":"c{index}","name":"f","arguments":"[{index}]"}}}}"#
        )
    };
    let events = [
        EVENTS[0].to_owned(),
        added(0),
        added(1),
        piece(0),
        piece(1),
        done(1),
        done(0),
        added(2),
        piece(2),
        done(2),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let told = told(&stream(&events));
    let texts: Vec<&String> = told.iter().filter(|event| event.contains("Text(")).collect();
    assert_eq!(texts.len(), 3, "{told:?}");
    for (number, text) in texts.iter().enumerate() {
        assert!(text.contains(&format!("block: {number}, delta: Text(\"[{number}]\")")), "{told:?}");
    }
}

#[test]
fn a_server_that_tells_all_at_the_end_is_understood() {
    let whole = r#"{"type":"response.completed","response":{"id":"resp_1","output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}],"usage":{"input_tokens":1,"output_tokens":1}}}"#;
    let events = told(&(stream(&[whole]) + "data: [DONE]\n\n"));
    let kinds: Vec<&str> =
        events.iter().map(|event| event.split([' ', '(']).next().unwrap_or_default()).collect();
    assert_eq!(kinds, ["Begin", "Open", "Delta", "Close", "Usage", "Finish", "End"]);
}

#[test]
fn a_server_that_leaves_out_what_it_can_is_understood() {
    let events = [
        r#"{"type":"response.output_text.delta","delta":"hi","logprobs":null}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":null}}"#,
        r#"{"type":"response.output_item.done","output_index":2,"item":null}"#,
        r#"{"type":"response.completed","response":null}"#,
    ];
    let kinds: Vec<String> = told(&stream(&events))
        .iter()
        .map(|event| event.split([' ', '(']).next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(kinds, ["Begin", "Open", "Delta", "Close", "Finish", "End"]);
}

#[test]
fn a_stream_that_breaks_off_has_no_end() {
    let text = stream(&EVENTS[..17]);
    assert!(told(&text).iter().all(|event| event != "End"));
}

#[test]
fn broken_answers_and_streams_never_panic() {
    let body = r#"{"id":"r","output":[{"type":"message","content":[{"type":"output_text","text":"a","annotations":[{"url":7}],"logprobs":[{"token":1}]}]},{"type":"reasoning","summary":[7,{"text":"x"}]},7,{"type":"function_call","name":"f","arguments":"{}"}],"usage":[]}"#;
    assert!(Responses.read_response(body).is_ok());
    for end in 0..body.len() {
        assert!(Responses.read_response(&body[..end]).is_err());
    }
    let text = stream(EVENTS);
    for place in (0..text.len()).step_by(7) {
        let mut broken = text.clone().into_bytes();
        broken[place] = b'{';
        passed(&String::from_utf8_lossy(&broken), "{}", &[]);
    }
}

#[test]
fn the_whole_answer_has_the_same_items_as_its_stream() {
    let (out, _) = passed(&stream(EVENTS), "{}", &[]);
    let response = json(&frames(&out).pop().expect("frames").1)["response"].to_string();
    let answer = Responses.read_response(&response).expect("an answer");
    let written = Responses.write_response(&answer, &outward("{}"));
    let written = json(std::str::from_utf8(&written).expect("UTF-8"));
    assert_eq!(written["output"], json(&response)["output"]);
    assert_eq!((&written["id"], &written["usage"]), (&"resp_1".into(), &json(&response)["usage"]));
    // What came back is understood as part of the next request.
    let next = format!(r#"{{"model":"m","input":{}}}"#, written["output"]);
    assert_eq!(read(&next).turns.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_chunking_gives_the_same_stream(places in proptest::collection::vec(0usize..12_000, 0..12)) {
        let text = stream(EVENTS);
        let places: Vec<usize> = places.into_iter().map(|place| place.min(text.len())).collect();
        prop_assert_eq!(passed(&text, "{}", &places), passed(&text, "{}", &[]));
    }
}
