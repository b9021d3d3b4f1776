use super::{json, outward};
use crate::dialect::Usage;
use crate::dialect::canon::{Content, Finish, Response};
use crate::dialect::codec::Codec;
use crate::dialect::gemini::Gemini;

fn read(body: &str) -> Response<'_> {
    Gemini.read_response(body).expect(body)
}

/// The answer, read, written and read again, must be the same but for names of ours.
fn check_round_trip(body: &str) {
    let first = read(body);
    let written = Gemini.write_response(&first, &outward());
    let written = std::str::from_utf8(&written).expect("UTF-8");
    json(written);
    let second = read(written);
    assert_eq!(second.model.as_deref(), Some("alias"));
    let usage = Usage { total: second.usage.total, ..first.usage };
    let (id, model) = (second.id.clone(), second.model.clone());
    assert_eq!(second, Response { id, model, usage, ..first }, "{body}\n{written}");
}

const WHOLE: &str = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"Grüße aus Köln.","thoughtSignature":"sig"},
    {"functionCall":{"name":"f","args":{"x":[1, 2]}},"thoughtSignature":"sigC"},{"functionCall":{"id":"own","name":"g","args":{}}},
    {"inlineData":{"mimeType":"image/png","data":"AA=="}},{"executableCode":{"language":"PYTHON","code":"1"}}],"role":"model"},
    "finishReason":"STOP","index":0,"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}},{"web":{"uri":"https://b"}},
    {"retrievedContext":{"title":"C","text":"words"}}],
    "groundingSupports":[{"segment":{"partIndex":1,"endIndex":7},"groundingChunkIndices":[0,2]},{"segment":{"partIndex":1,"startIndex":8,"endIndex":18},"groundingChunkIndices":[1,9]}]},
    "logprobsResult":{"chosenCandidates":[{"token":"G","logProbability":-0.5}],"topCandidates":[{"candidates":[{"token":"G","logProbability":-0.5},{"token":"H","logProbability":-2}]}]}}],
    "usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":3,"thoughtsTokenCount":2,"totalTokenCount":15},
    "modelVersion":"gemini-y","responseId":"r-1","createTime":"2026-03-05T22:50:32.281553Z"}"#;

#[test]
fn an_answer_is_read_part_by_part() {
    let answer = read(WHOLE);
    assert_eq!((answer.id.as_deref(), answer.model.as_deref()), (Some("r-1"), Some("gemini-y")));
    assert_eq!(answer.created, Some(1_772_751_032));
    assert_eq!(
        (answer.usage.input, answer.usage.output, answer.usage.reasoning),
        (Some(10), Some(5), Some(2))
    );
    let choice = &answer.choices[0];
    assert_eq!(choice.finish, Finish::ToolCalls);
    let parts: Vec<&Content<'_>> = choice.parts.iter().map(|part| &part.content).collect();
    assert!(
        matches!(parts[0], Content::Thought(it) if it.text == "hm" && it.seal.as_ref().is_some_and(|seal| seal.data == "sig"))
    );
    let Content::Cited(text, citations) = parts[1] else { panic!("a text with sources") };
    assert_eq!(text, "Grüße aus Köln.");
    let told: Vec<_> = citations
        .iter()
        .map(|it| (it.url.as_deref(), it.title.as_deref(), it.quote.as_deref(), it.range))
        .collect();
    let expected = [
        (Some("https://a"), Some("A"), None, Some((0, 5))),
        (None, Some("C"), Some("words"), Some((0, 5))),
        (Some("https://b"), None, None, Some((6, 15))),
    ];
    assert_eq!(told, expected);
    let Content::ToolCall(call) = parts[2] else { panic!("a call") };
    assert_eq!((&*call.id, &*call.name, &*call.arguments), ("call_r-1_0", "f", r#"{"x":[1, 2]}"#));
    assert!(matches!(parts[3], Content::ToolCall(call) if call.id == "own"));
    assert!(matches!(parts[4], Content::Media(_)) && matches!(parts[5], Content::Foreign(_)));
    let chance = &choice.logprobs[0];
    assert_eq!((&*chance.token, chance.logprob, chance.top.len()), ("G", -0.5, 2));
}

#[test]
fn answers_come_back_as_they_were() {
    check_round_trip(WHOLE);
    check_round_trip(
        r#"{"candidates":[{"finishReason":"MAX_TOKENS"},{"content":{"parts":[{"text":"b"}]},"index":1,"finishReason":"NO_IMAGE"}],"usageMetadata":{"promptTokenCount":1,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":1}]}}"#,
    );
    check_round_trip(
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"RECITATION","citationMetadata":{"citationSources":[{"startIndex":0,"endIndex":1,"uri":"u"}]}}]}"#,
    );
}

#[test]
fn every_reason_for_an_end_is_known() {
    let table = [
        ("STOP", Finish::Stop, "STOP"),
        ("MAX_TOKENS", Finish::Length, "MAX_TOKENS"),
        ("SAFETY", Finish::Filtered, "SAFETY"),
        ("RECITATION", Finish::Filtered, "SAFETY"),
        ("BLOCKLIST", Finish::Filtered, "SAFETY"),
        ("PROHIBITED_CONTENT", Finish::Filtered, "SAFETY"),
        ("SPII", Finish::Filtered, "SAFETY"),
        ("IMAGE_SAFETY", Finish::Filtered, "SAFETY"),
        ("LANGUAGE", Finish::Filtered, "SAFETY"),
        (
            "MALFORMED_FUNCTION_CALL",
            Finish::Other("MALFORMED_FUNCTION_CALL".into()),
            "MALFORMED_FUNCTION_CALL",
        ),
        ("A_NEW_WORD", Finish::Other("A_NEW_WORD".into()), "OTHER"),
    ];
    for (word, finish, written) in table {
        let body = format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"a"}}]}},"finishReason":"{word}"}}]}}"#
        );
        let answer = read(&body);
        assert_eq!(answer.choices[0].finish, finish);
        let out = Gemini.write_response(&answer, &outward());
        assert_eq!(json(std::str::from_utf8(&out).expect("UTF-8"))["candidates"][0]["finishReason"], written);
    }
    let others = [
        (Finish::StopSequence(None), "STOP"),
        (Finish::ContextFull, "MAX_TOKENS"),
        (Finish::Refusal, "SAFETY"),
        (Finish::Pause, "STOP"),
        (Finish::ToolCalls, "STOP"),
    ];
    for (finish, word) in others {
        assert_eq!(super::super::chunk::finish_word(&finish), word);
    }
}

#[test]
fn a_prompt_that_was_blocked_is_a_filtered_answer() {
    let answer = read(
        r#"{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"no"},"usageMetadata":{"promptTokenCount":4}}"#,
    );
    assert_eq!((&answer.choices[0].finish, answer.usage.input), (&Finish::Filtered, Some(4)));
    assert!(matches!(&answer.choices[0].parts[0].content, Content::Refusal(words) if words == "no"));
    let empty = read(r#"{"usageMetadata":{"promptTokenCount":4}}"#);
    assert_eq!((empty.choices.len(), &empty.choices[0].finish), (1, &Finish::Stop));
    for body in ["{}", "[]", "null", r#"{"error":{"code":500}}"#] {
        assert!(Gemini.read_response(body).is_err(), "{body}");
    }
}

#[test]
fn what_is_of_another_shape_is_passed_over() {
    let answer = read(
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}],"role":5},"finishReason":7,"index":"x","groundingMetadata":[]}],
        "usageMetadata":{"promptTokenCount":"4"},"modelVersion":null,"createTime":"yesterday","promptFeedback":[]}"#,
    );
    assert_eq!((answer.choices.len(), answer.created), (1, None));
    assert!(answer.usage.is_empty());
}

#[test]
fn an_answer_of_another_model_is_written_for_the_caller() {
    use crate::dialect::canon::{Choice, Maker, Part, Seal, Thought, ToolCall};
    let seal = Seal { maker: Maker::Claude, data: "s".into() };
    let thought = Thought { text: "hm".into(), seal: Some(seal), ..Thought::default() };
    let parts: Vec<Part<'_>> = vec![
        Content::Thought(thought).into(),
        Content::Text("".into()).into(),
        Content::ToolCall(ToolCall::new("c".into(), "f".into(), "not JSON".into())).into(),
        Content::Refusal("no".into()).into(),
    ];
    let choice = Choice { parts, finish: Finish::Stop, logprobs: Vec::new() };
    let usage = Usage {
        input: Some(9),
        output: Some(5),
        reasoning: Some(2),
        cache_read: Some(3),
        ..Usage::default()
    };
    let answer = Response { choices: vec![choice], usage, ..Response::default() };
    let out = Gemini.write_response(&answer, &outward());
    let expected = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"functionCall":{"id":"c","name":"f","args":{}}},{"text":"no"}],"role":"model"},"finishReason":"SAFETY","index":0}],"usageMetadata":{"promptTokenCount":9,"cachedContentTokenCount":3,"candidatesTokenCount":3,"thoughtsTokenCount":2,"totalTokenCount":14},"modelVersion":"alias","responseId":"req-1"}"#;
    assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
}

#[test]
fn times_are_read_and_written() {
    use super::super::time;
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T23:59:59Z", 951_868_799),
        ("2026-03-05T22:50:32Z", 1_772_751_032),
    ] {
        assert_eq!((time::read(text), time::write(seconds).as_str()), (Some(seconds), text));
    }
    for wrong in
        ["", "Z", "2026-13-05T22:50:32Z", "2026-03-05 22:50:32Z", "2026-03-05T22:50Z", "-1-1-1T1:1:1Z"]
    {
        assert_eq!(time::read(wrong), None, "{wrong}");
    }
    assert!(!time::write(u64::MAX / 1000).is_empty());
}
