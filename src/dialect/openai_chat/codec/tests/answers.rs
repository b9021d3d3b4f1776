use serde_json::{Value, json};

use super::{answer, outward, read};
use crate::dialect::Usage;
use crate::dialect::canon::{
    Choice, Citation, Content, Finish, Maker, Media, MediaKind, Part, Response, Seal, Source, Thought,
    TokenChance, ToolCall,
};
use crate::dialect::codec::{Codec, Outward};
use crate::dialect::openai_chat::OpenAiChat;

fn message(members: &str, reason: &str) -> String {
    format!(
        r#"{{"id":"c1","choices":[{{"index":0,"message":{{"role":"assistant",{members}}},"finish_reason":{reason}}}]}}"#
    )
}

fn contents(body: &str) -> Vec<Content<'_>> {
    answer(body).choices.remove(0).parts.into_iter().map(|part| part.content).collect()
}

fn thought(text: &'static str) -> Content<'static> {
    Content::Thought(Thought { text: text.into(), ..Thought::default() })
}

fn call(id: &'static str, name: &'static str, arguments: &'static str) -> Content<'static> {
    Content::ToolCall(ToolCall::new(id.into(), name.into(), arguments.into()))
}

fn written(response: &Response<'_>) -> Value {
    serde_json::from_slice(&OpenAiChat.write_response(response, &outward())).expect("JSON")
}

fn response(contents: Vec<Content<'static>>, finish: Finish<'static>) -> Response<'static> {
    let parts = contents.into_iter().map(Part::from).collect();
    Response { choices: vec![Choice { parts, finish, logprobs: Vec::new() }], ..Response::default() }
}

#[test]
fn what_servers_write_otherwise_is_understood() {
    let text = |text: &'static str| Content::Text(text.into());
    let image = Source::Base64 { media_type: "image/png".into(), data: "AAAA".into() };
    let sound = Source::Base64 { media_type: "audio/wav".into(), data: "UklG".into() };
    let table = [
        (r#""content":"a""#, vec![text("a")]),
        (
            r#""content":[{"type":"text","text":"a"},"b",7,{"type":"text","text":""}]"#,
            vec![text("a"), text("b")],
        ),
        (
            r#""content":[{"type":"thinking","thinking":[{"type":"text","text":"h"},{"type":"text","text":"m"}]},{"type":"text","text":"a"}]"#,
            vec![thought("hm"), text("a")],
        ),
        (r#""content":"a","reasoning_content":"hm""#, vec![thought("hm"), text("a")]),
        (r#""content":"a","reasoning":"hm","reasoning_content":"""#, vec![thought("hm"), text("a")]),
        (r#""content":"a","reasoning":null"#, vec![text("a")]),
        (r#""content":null,"refusal":"no""#, vec![Content::Refusal("no".into())]),
        (
            r#""content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"id":"x","function":{"name":""}}]"#,
            vec![call("", "f", r#"{"a":1}"#)],
        ),
        (r#""content":null,"function_call":{"name":"f","arguments":"{}"}"#, vec![call("", "f", "{}")]),
        (
            r#""content":"a","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]"#,
            vec![text("a"), Content::Media(Media::new(MediaKind::Image, image))],
        ),
        (
            r#""content":null,"audio":{"id":"audio_1","data":"UklG","transcript":"hi","expires_at":1}"#,
            vec![text("hi"), Content::Media(Media::new(MediaKind::Audio, sound))],
        ),
        (r#""content":7,"tool_calls":null,"annotations":{},"refusal":false"#, vec![]),
    ];
    for (members, expected) in table {
        assert_eq!(contents(&message(members, "null")), expected, "{members}");
    }
    assert_eq!(contents(r#"{"choices":[{"text":"older"}]}"#), [text("older")]);
}

#[test]
fn an_answer_ends_for_the_reason_that_was_meant() {
    let calls = r#""tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]"#;
    let table = [
        (r#""content":"a""#, r#""stop""#, Finish::Stop),
        (r#""content":"a""#, "null", Finish::Stop),
        (r#""content":"a""#, r#""""#, Finish::Stop),
        (r#""content":"a""#, "7", Finish::Stop),
        (calls, "null", Finish::ToolCalls),
        (calls, r#""stop""#, Finish::ToolCalls),
        (calls, r#""tool_calls""#, Finish::ToolCalls),
        (calls, r#""length""#, Finish::Length),
        (r#""content":null"#, r#""function_call""#, Finish::ToolCalls),
        (r#""content":"a""#, r#""length""#, Finish::Length),
        (r#""content":"a""#, r#""model_length""#, Finish::Length),
        (r#""content":"a""#, r#""content_filter""#, Finish::Filtered),
        (r#""refusal":"no""#, r#""stop""#, Finish::Refusal),
        (r#""content":"a""#, r#""error""#, Finish::Other("error".into())),
    ];
    for (members, reason, expected) in table {
        assert_eq!(answer(&message(members, reason)).choices[0].finish, expected, "{members} {reason}");
    }
}

#[test]
fn several_answers_stand_in_the_order_of_their_numbers() {
    let body = r#"{"choices":[{"index":1,"message":{"content":"b"}},{"index":0,"message":{"content":"a"}}]}"#;
    let texts: Vec<Vec<Part<'_>>> = answer(body).choices.into_iter().map(|choice| choice.parts).collect();
    assert_eq!(texts, [[Content::Text("a".into()).into()], [Content::Text("b".into()).into()]]);
}

#[test]
fn sources_and_chances_are_read() {
    let body = r#"{"choices":[{"message":{"content":"so it is","annotations":[{"type":"url_citation","url_citation":
        {"url":"https://e.org","title":"E","start_index":0,"end_index":5}},{"type":"other"}]},
        "logprobs":{"content":[{"token":"so","logprob":-0.5,"bytes":null,"top_logprobs":[{"token":"so","logprob":-0.5},{"token":"as","logprob":-9999.0}]}],"refusal":null}}],
        "usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":3}},"service_tier":"default"}"#;
    let response = answer(body);
    let citation = Citation {
        url: Some("https://e.org".into()),
        title: Some("E".into()),
        range: Some((0, 5)),
        ..Citation::default()
    };
    assert_eq!(response.choices[0].parts, [Content::Cited("so it is".into(), vec![citation]).into()]);
    let top = vec![("so".into(), -0.5), ("as".into(), -9999.0)];
    assert_eq!(response.choices[0].logprobs, [TokenChance { token: "so".into(), logprob: -0.5, top }]);
    let usage =
        Usage { input: Some(9), output: Some(4), total: Some(13), cache_read: Some(3), ..Usage::default() };
    assert_eq!(response.usage, usage);
    assert_eq!(response.service_tier.as_deref(), Some("default"));
}

#[test]
fn what_is_no_answer_is_refused() {
    for body in [
        "",
        "[]",
        "{}",
        r#"{"choices":null}"#,
        r#"{"error":{"message":"overloaded","code":502},"choices":[{"message":{"content":""}}]}"#,
        r#"{"choices":[{"message":{"content":"a"}}]"#,
    ] {
        assert!(OpenAiChat.read_response(body).is_err(), "{body}");
    }
    assert_eq!(answer(r#"{"choices":[]}"#).choices[0].parts, []);
    assert!(OpenAiChat.read_response(r#"{"error":null,"choices":[{"message":{"content":"a"}}]}"#).is_ok());
}

#[test]
fn an_answer_is_complete_as_clients_parse_it() {
    let mut whole = response(vec![Content::Text("Hi ".into()), Content::Text("you".into())], Finish::Stop);
    whole.id = Some("msg_1".into());
    whole.created = Some(7);
    whole.usage = Usage {
        input: Some(20),
        output: Some(17),
        cache_read: Some(4),
        cache_write: Some(2),
        reasoning: Some(5),
        ..Usage::default()
    };
    let expected = json!({
        "id": "msg_1", "object": "chat.completion", "created": 7, "model": "alias",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi you", "refusal": null, "annotations": []},
            "logprobs": null, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 17, "total_tokens": 37,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 5}},
    });
    assert_eq!(written(&whole), expected);
}

#[test]
fn calls_and_thoughts_are_written_with_ids_of_their_own_where_they_have_none() {
    let mut custom = ToolCall::new("c9".into(), "g".into(), "free".into());
    custom.custom = true;
    let mut sealed = ToolCall::new("".into(), "h".into(), "{}".into());
    sealed.seal = Some(Seal { maker: Maker::Gemini, data: "sig".into() });
    let contents = vec![
        thought("hm"),
        thought("so"),
        call("", "f", ""),
        Content::ToolCall(custom),
        Content::ToolCall(sealed),
    ];
    let value = written(&response(contents, Finish::ToolCalls));
    assert_eq!((&value["id"], &value["created"]), (&json!("chatcmpl-req-1"), &json!(1_700_000_000)));
    let expected = json!({"role": "assistant", "content": null, "refusal": null, "reasoning_content": "hm\n\nso", "annotations": [],
        "tool_calls": [
            {"id": "call_req-1_0", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "c9", "type": "custom", "custom": {"name": "g", "input": "free"}},
            {"id": "call_req-1_2", "type": "function", "function": {"name": "h", "arguments": "{}"},
             "extra_content": {"google": {"thought_signature": "sig"}}}]});
    assert_eq!(value["choices"][0]["message"], expected);
    assert_eq!(value["choices"][0]["finish_reason"], "tool_calls");
    assert!(value.get("usage").is_none());
}

#[test]
fn a_caller_of_the_form_before_tools_gets_its_own_form() {
    let body = r#"{"messages":[],"functions":[{"name":"f"}]}"#;
    let outward = Outward { body: body.into(), ..outward() };
    let response = response(vec![call("c", "f", ""), call("d", "g", "")], Finish::ToolCalls);
    let value: Value = serde_json::from_slice(&OpenAiChat.write_response(&response, &outward)).expect("JSON");
    let choice = &value["choices"][0];
    assert_eq!(choice["message"]["function_call"], json!({"name": "f", "arguments": "{}"}));
    assert_eq!(
        (&choice["finish_reason"], choice["message"].get("tool_calls")),
        (&json!("function_call"), None)
    );
    assert_eq!(read(body).parallel_tools, Some(false));
}

#[test]
fn ends_refusals_and_empty_answers_are_written_as_openai_has_them() {
    let table = [
        (Finish::Stop, "stop"),
        (Finish::StopSequence(Some("END".into())), "stop"),
        (Finish::Length, "length"),
        (Finish::ContextFull, "length"),
        (Finish::ToolCalls, "tool_calls"),
        (Finish::Filtered, "content_filter"),
        (Finish::Refusal, "content_filter"),
        (Finish::Pause, "stop"),
        (Finish::Other("odd".into()), "stop"),
    ];
    for (finish, word) in table {
        let value = written(&response(vec![], finish.clone()));
        assert_eq!(value["choices"][0]["finish_reason"], word, "{finish:?}");
        assert_eq!(value["choices"][0]["message"]["content"], "");
    }
    let value = written(&response(vec![Content::Refusal("no".into())], Finish::Refusal));
    let choice = &value["choices"][0];
    assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("stop"), &Value::Null));
    assert_eq!(choice["message"]["refusal"], "no");
}

#[test]
fn sources_pictures_and_sound_are_written() {
    let cited = |url: Option<&'static str>, range| Citation {
        url: url.map(Into::into),
        range,
        ..Citation::default()
    };
    let picture = Source::Base64 { media_type: "image/png".into(), data: "AAAA".into() };
    let sound = Source::Base64 { media_type: "audio/wav".into(), data: "UklG".into() };
    let contents = vec![
        Content::Text("héy ".into()),
        Content::Cited(
            "so".into(),
            vec![
                cited(Some("https://e.org"), None),
                cited(None, None),
                cited(Some("https://f.org"), Some((1, 2))),
            ],
        ),
        Content::Media(Media::new(MediaKind::Image, picture)),
        Content::Media(Media::new(MediaKind::Audio, sound)),
    ];
    let value = written(&response(contents, Finish::Stop));
    let message = &value["choices"][0]["message"];
    let source = |start, end, url| json!({"type":"url_citation","url_citation":{"start_index":start,"end_index":end,"url":url,"title":""}});
    assert_eq!(message["annotations"], json!([source(4, 6, "https://e.org"), source(1, 2, "https://f.org")]));
    assert_eq!(
        message["images"],
        json!([{"type":"image_url","index":0,"image_url":{"url":"data:image/png;base64,AAAA"}}])
    );
    assert_eq!(
        message["audio"],
        json!({"id":"audio_req-1","data":"UklG","expires_at":1_700_000_000,"transcript":""})
    );
}

#[test]
fn a_truncated_or_damaged_answer_never_panics() {
    let body = message(
        r#""content":[{"type":"thinking","thinking":"é"}],"tool_calls":[{"id":"a","function":{"name":"f","arguments":{}}}],"annotations":[{"type":"url_citation","url_citation":{"url":"u"}}]"#,
        r#""stop""#,
    );
    for end in (0..body.len()).filter(|end| body.is_char_boundary(*end)) {
        assert!(OpenAiChat.read_response(&body[..end]).is_err());
        let damaged = format!("{}\"{}", &body[..end], &body[end..]);
        if let Ok(response) = OpenAiChat.read_response(&damaged) {
            written(&response);
        }
    }
}
