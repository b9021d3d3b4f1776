//! Answers of others as streams of this dialect.

use serde_json::Value;

use super::recordings::check_numbers;
use super::{frames, json, outward};
use crate::dialect::Usage;
use crate::dialect::canon::{
    Block, Citation, Content, Delta, Event, Finish, Foreign, Maker, Media, MediaKind, Part, Seal, Source,
};
use crate::dialect::codec::Codec;
use crate::dialect::responses::Responses;
use crate::error::{Error, Kind};

/// What a writer makes of these events.
fn written(events: &[Event<'_>], body: &str) -> (String, Option<String>) {
    let mut writer = Responses.writer(&outward(body));
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    let answer = writer.answer().map(|answer| String::from_utf8_lossy(answer).into_owned());
    (String::from_utf8(out).expect("UTF-8"), answer)
}

fn open(kind: Block<'static>) -> Event<'static> {
    Event::Open { choice: 0, block: 0, kind }
}

fn delta(text: &'static str) -> Event<'static> {
    Event::Delta { choice: 0, block: 0, delta: Delta::Text(text) }
}

const BEGIN: Event<'_> = Event::Begin { id: Some("msg_01"), model: Some("claude-x"), created: None };
const CLOSE: Event<'_> = Event::Close { choice: 0, block: 0 };

fn finish(finish: Finish<'static>) -> Event<'static> {
    Event::Finish { choice: 0, finish }
}

#[test]
fn a_text_is_told_in_the_order_the_clients_want() {
    let usage = Usage { input: Some(3), output: Some(2), cache_read: Some(1), ..Usage::default() };
    let events = [
        BEGIN,
        open(Block::Text),
        delta("Hel"),
        delta("lo"),
        CLOSE,
        finish(Finish::Stop),
        Event::Usage(&usage),
        Event::End,
    ];
    let (out, answer) = written(
        &events,
        r#"{"model":"a","input":"x","temperature":0.5,"store":false,"tools":[
        {"type":"function","name":"f"}],"metadata":{"k":"v"},"instructions":"Be\nbrief."}"#
            .replace("\\n", " ")
            .as_str(),
    );
    let expected = r#"event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_req-1_0","type":"message","status":"in_progress","content":[],"role":"assistant"}}

event: response.content_part.added
data: {"type":"response.content_part.added","sequence_number":3,"item_id":"msg_req-1_0","output_index":0,"content_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_req-1_0","output_index":0,"content_index":0,"delta":"Hel","logprobs":[]}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":5,"item_id":"msg_req-1_0","output_index":0,"content_index":0,"delta":"lo","logprobs":[]}

event: response.output_text.done
data: {"type":"response.output_text.done","sequence_number":6,"item_id":"msg_req-1_0","output_index":0,"content_index":0,"text":"Hello","logprobs":[]}

event: response.content_part.done
data: {"type":"response.content_part.done","sequence_number":7,"item_id":"msg_req-1_0","output_index":0,"content_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":"Hello"}}

event: response.output_item.done
data: {"type":"response.output_item.done","sequence_number":8,"output_index":0,"item":{"id":"msg_req-1_0","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Hello"}],"role":"assistant"}}

"#;
    let middle = out.find("event: response.output_item.added").expect("an item");
    let end = out.find("event: response.completed").expect("an end");
    assert_eq!(&out[middle..end], expected);
    check_numbers("text", &out);
    let response = &json(&frames(&out).last().expect("frames").1)["response"];
    let expected = json(
        r#"{"id":"resp_req-1","object":"response","created_at":1763000000,"status":"completed","background":false,
        "error":null,"incomplete_details":null,"instructions":"Be brief.","max_output_tokens":null,
        "max_tool_calls":null,"model":"the alias","output":[{"id":"msg_req-1_0","type":"message","status":"completed",
        "content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Hello"}],"role":"assistant"}],
        "parallel_tool_calls":true,"previous_response_id":null,"prompt_cache_key":null,
        "reasoning":{"effort":null,"summary":null},"safety_identifier":null,"service_tier":"default","store":false,
        "temperature":0.5,"text":{"format":{"type":"text"}},"tool_choice":"auto",
        "tools":[{"type":"function","name":"f"}],"top_logprobs":0,"top_p":1.0,"truncation":"disabled",
        "usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":1},"output_tokens":2,
        "output_tokens_details":{"reasoning_tokens":0},"total_tokens":5},"user":null,"metadata":{"k":"v"}}"#,
    );
    assert_eq!(response, &expected);
    assert_eq!(json(&answer.expect("items")), expected["output"]);
}

#[test]
fn the_first_events_have_a_response_without_output() {
    let (out, answer) = written(&[BEGIN], r#"{"messages":[],"tools":[{"x":1}],"temperature":0}"#);
    let frames = frames(&out);
    let names: Vec<&str> = frames.iter().map(|(name, _)| &**name).collect();
    assert_eq!((names, answer), (vec!["response.created", "response.in_progress"], None));
    let response = &json(&frames[0].1)["response"];
    assert_eq!((&response["status"], &response["output"]), (&"in_progress".into(), &json("[]")));
    // The request was one of another dialect: nothing of it is repeated.
    assert_eq!(
        (&response["tools"], &response["temperature"], &response["usage"]),
        (&json("[]"), &json("1.0"), &Value::Null)
    );
}

#[test]
fn texts_that_follow_one_another_are_parts_of_one_message() {
    let events = [
        BEGIN,
        open(Block::Text),
        delta("a"),
        CLOSE,
        open(Block::Text),
        delta("b"),
        CLOSE,
        open(Block::ToolCall { id: "", name: "f", custom: false }),
        CLOSE,
        open(Block::Text),
        delta("c"),
        CLOSE,
        finish(Finish::ToolCalls),
        Event::End,
    ];
    let items = json(&written(&events, "{}").1.expect("items"));
    assert_eq!(items[0]["content"].as_array().map(Vec::len), Some(2));
    assert_eq!((&items[1]["arguments"], &items[1]["call_id"]), (&"{}".into(), &"call_req-1_0".into()));
    assert_eq!((&items[1]["id"], &items[2]["id"]), (&"fc_req-1_1".into(), &"msg_req-1_2".into()));
}

#[test]
fn a_call_is_told_as_the_caller_knows_the_tool() {
    let body = r#"{"input":"x","tools":[{"type":"namespace","name":"mcp__docs","tools":[{"type":"function","name":"search"}]},
        {"type":"custom","name":"apply_patch"}]}"#;
    let call = |name| open(Block::ToolCall { id: "c", name, custom: false });
    let events = [
        BEGIN,
        call("mcp__docs__search"),
        delta("{}"),
        CLOSE,
        call("apply_patch"),
        delta(r#"{"input":"*** "#),
        delta(r#"Begin\n"}"#),
        CLOSE,
        call("apply_patch"),
        delta("no object"),
        CLOSE,
        finish(Finish::ToolCalls),
        Event::End,
    ];
    let (out, answer) = written(&events, body);
    let items = json(&answer.expect("items"));
    assert_eq!((&items[0]["name"], &items[0]["namespace"]), (&"search".into(), &"mcp__docs".into()));
    assert_eq!((&items[1]["type"], &items[1]["input"]), (&"custom_tool_call".into(), &"*** Begin\n".into()));
    assert_eq!(items[2]["input"], "no object");
    let deltas: Vec<Value> = frames(&out)
        .iter()
        .filter(|(name, _)| name == "response.custom_tool_call_input.delta")
        .map(|(_, data)| json(data)["delta"].clone())
        .collect();
    assert_eq!(deltas, ["*** Begin\n", "no object"]);
}

#[test]
fn thoughts_of_others_are_summaries_without_a_seal() {
    let own = Seal { maker: Maker::OpenAi, data: "own".into() };
    let others = Seal { maker: Maker::Claude, data: "sig".into() };
    let seal = |seal| Event::Delta { choice: 0, block: 0, delta: Delta::Seal(seal) };
    let thought = || open(Block::Thought { summary: false, id: None, redacted: false });
    let events = [
        BEGIN,
        thought(),
        delta("hm"),
        seal(&others),
        CLOSE,
        thought(),
        seal(&others),
        CLOSE,
        thought(),
        seal(&own),
        CLOSE,
        finish(Finish::Stop),
        Event::End,
    ];
    let items = json(&written(&events, "{}").1.expect("items"));
    let expected = json(
        r#"[{"id":"rs_req-1_0","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},
        {"id":"rs_req-1_1","type":"reasoning","summary":[],"encrypted_content":"own"}]"#,
    );
    assert_eq!(items, expected);
}

#[test]
fn pictures_and_sources_find_their_place_and_foreign_blocks_none() {
    let image = Source::Base64 { media_type: "image/png".into(), data: "iVBO".into() };
    let picture = Part::from(Content::Media(Media::new(MediaKind::Image, image)));
    let foreign = Part::from(Content::Foreign(Foreign { kind: "server_tool_use".into(), json: "{}" }));
    let page = Citation { url: Some("https://e.x".into()), ..Citation::default() };
    let document = Citation { quote: Some("q".into()), document: Some(0), ..Citation::default() };
    let cite = |citation| Event::Delta { choice: 0, block: 0, delta: Delta::Citation(citation) };
    let events = [
        BEGIN,
        Event::Whole { choice: 0, block: 0, part: &foreign },
        Event::Whole { choice: 0, block: 1, part: &picture },
        open(Block::Text),
        delta("é\"x"),
        cite(&page),
        cite(&document),
        CLOSE,
        finish(Finish::Length),
        Event::End,
    ];
    let (out, answer) = written(&events, "{}");
    let items = json(&answer.expect("items"));
    assert_eq!((&items[0]["type"], &items[0]["result"]), (&"image_generation_call".into(), &"iVBO".into()));
    let expected = json(
        r#"[{"type":"url_citation","start_index":0,"end_index":3,"url":"https://e.x","title":"https://e.x"}]"#,
    );
    assert_eq!(items[1]["content"][0]["annotations"], expected);
    assert_eq!(items[1]["status"], "incomplete");
    let (name, data) = frames(&out).pop().expect("frames");
    assert_eq!(
        (&*name, &json(&data)["response"]["incomplete_details"]["reason"]),
        ("response.incomplete", &"max_output_tokens".into())
    );
}

#[test]
fn every_end_has_its_status() {
    let table = [
        (Finish::Stop, "completed", Value::Null),
        (Finish::StopSequence(None), "completed", Value::Null),
        (Finish::ToolCalls, "completed", Value::Null),
        (Finish::Pause, "completed", Value::Null),
        (Finish::Other("odd".into()), "completed", Value::Null),
        (Finish::Length, "incomplete", "max_output_tokens".into()),
        (Finish::ContextFull, "incomplete", "max_output_tokens".into()),
        (Finish::Filtered, "incomplete", "content_filter".into()),
        (Finish::Refusal, "incomplete", "content_filter".into()),
    ];
    for (end, status, reason) in table {
        let (out, _) = written(&[BEGIN, finish(end.clone()), Event::End], "{}");
        let response = &json(&frames(&out).pop().expect("frames").1)["response"];
        assert_eq!(
            (&response["status"], &response["incomplete_details"]["reason"]),
            (&status.into(), &reason),
            "{end:?}"
        );
    }
    for (details, expected) in [
        (r#""status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}"#, Finish::Length),
        (r#""status":"incomplete","incomplete_details":{"reason":"content_filter"}"#, Finish::Filtered),
        (r#""status":"incomplete","incomplete_details":{"reason":"odd"}"#, Finish::Other("odd".into())),
        (r#""status":"completed""#, Finish::Stop),
    ] {
        let body = format!(r#"{{"output":[],{details}}}"#);
        assert_eq!(Responses.read_response(&body).expect("an answer").choices[0].finish, expected);
    }
    let refusal = r#"{"output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}],"status":"completed"}"#;
    assert_eq!(Responses.read_response(refusal).expect("an answer").choices[0].finish, Finish::Refusal);
}

#[test]
fn a_failed_stream_ends_in_response_failed_and_nothing_else() {
    let mut writer = Responses.writer(&outward("{}"));
    let mut out = Vec::new();
    [BEGIN, open(Block::Text), delta("a")].iter().for_each(|event| writer.write(event, &mut out));
    let error = Error::new(Kind::RateLimited, "Slow down.").retry_after(9);
    writer.fail(&error, &mut out);
    writer.fail(&error, &mut out);
    [CLOSE, finish(Finish::Stop), Event::End].iter().for_each(|event| writer.write(event, &mut out));
    let text = String::from_utf8(out).expect("UTF-8");
    check_numbers("failed", &text);
    let error = &json(&frames(&text).pop().expect("frames").1)["response"]["error"];
    assert_eq!(
        error,
        &json(r#"{"code":"rate_limit_exceeded","message":"Slow down. Please try again in 9s."}"#)
    );
    assert!(writer.answer().is_none());
}
