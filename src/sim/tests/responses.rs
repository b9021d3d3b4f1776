//! OpenAI's Responses.

use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::plain;

const TOOLS: &str = r#""tools":[{"type":"function","name":"get_weather","parameters":{"type":"object",
    "properties":{"city":{"type":"string"}},"required":["city"]}},{"type":"function","name":"other"}]"#;

fn completed(answer: &Answer) -> Value {
    let frames = answer.frames();
    frames.last().expect("frames")["response"].clone()
}

fn joined(answer: &Answer, kind: &str) -> String {
    let frames = answer.frames();
    frames.iter().filter(|frame| frame["type"] == kind).filter_map(|frame| frame["delta"].as_str()).collect()
}

#[test]
fn a_response_has_every_member_of_openais_object() {
    let provider = plain();
    let body = Client::to(provider.addr())
        .response(r#""input":"Hello, how are you today?","temperature":0.5"#)
        .json();
    assert_eq!((&body["object"], &body["status"]), (&json!("response"), &json!("completed")));
    assert!(body["id"].as_str().is_some_and(|id| id.starts_with("resp_")));
    assert_eq!(
        (&body["model"], &body["temperature"], &body["store"]),
        (&json!("r-1"), &json!(0.5), &json!(true))
    );
    let item = &body["output"][0];
    assert_eq!(
        (&item["type"], &item["role"], &item["status"]),
        (&json!("message"), &json!("assistant"), &json!("completed"))
    );
    assert_eq!(item["content"][0]["type"], "output_text");
    assert!(item["content"][0]["text"].as_str().is_some_and(|text| text.contains("simulated")));
    assert_eq!((&body["usage"]["input_tokens"], &body["usage"]["output_tokens"]), (&json!(7), &json!(16)));
    assert_eq!(body["usage"]["total_tokens"], 23);
}

#[test]
fn a_stream_is_numbered_and_ends_with_what_the_whole_response_is() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    for members in [r#""input":"Hi""#.to_owned(), format!(r#""input":"[[sim preamble parallel]]",{TOOLS}"#)] {
        let whole = client.response(&members).json();
        let stream = client.response(&format!(r#""stream":true,{members}"#));
        let frames = stream.frames();
        let numbers: Vec<_> = frames.iter().map(|frame| frame["sequence_number"].as_u64()).collect();
        assert_eq!(numbers, (0..frames.len() as u64).map(Some).collect::<Vec<_>>());
        let names: Vec<_> = frames.iter().filter_map(|frame| frame["type"].as_str()).collect();
        assert_eq!(names, stream.events());
        assert_eq!(names[..2], ["response.created", "response.in_progress"]);
        assert_eq!(names.last(), Some(&"response.completed"));
        assert!(!stream.body.contains("[DONE]"));
        let end = completed(&stream);
        assert_eq!((&end["usage"], &end["status"]), (&whole["usage"], &whole["status"]));
        let said = |response: &Value| response.to_string().replace(char::is_numeric, "");
        assert_eq!(said(&end["output"]), said(&whole["output"]));
        let done: Vec<_> = frames
            .iter()
            .filter(|frame| frame["type"] == "response.output_item.done")
            .map(|frame| frame["item"].clone())
            .collect();
        assert_eq!(Value::Array(done), end["output"]);
    }
}

#[test]
fn items_open_and_close_in_openais_order() {
    let provider = plain();
    let members =
        r#""stream":true,"input":"[[sim tokens=1 think=1]]","reasoning":{"effort":"low","summary":"auto"}"#;
    let stream = Client::to(provider.addr()).response(members);
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(stream.events(), expected.map(|name| format!("response.{name}")));
}

#[test]
fn a_function_call_goes_round_the_loop_by_history_and_by_id() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let stream = client.response(&format!(r#""stream":true,"input":"Weather?",{TOOLS}"#));
    let first = completed(&stream);
    let call = &first["output"][0];
    assert_eq!((&call["type"], &call["name"]), (&json!("function_call"), &json!("get_weather")));
    assert_eq!(joined(&stream, "response.function_call_arguments.delta"), r#"{"city":"simulated"}"#);
    let output = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "18 C"});
    let history = json!([{"role": "user", "content": "Weather?"}, call, output]);
    let by_history = client.response(&format!(r#""input":{history},{TOOLS}"#)).json();
    let by_id = client
        .response(&format!(r#""input":[{output}],"previous_response_id":{},{TOOLS}"#, first["id"]))
        .json();
    for second in [by_history, by_id] {
        let text = second["output"][0]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{second}"));
        assert!(text.contains("18 C"), "{text}");
    }
    let unanswered = client.response(&format!(r#""input":"And?","previous_response_id":{}"#, first["id"]));
    assert_eq!(unanswered.status, 400);
    assert!(
        unanswered.body.contains("No tool output found for function call call_sim_"),
        "{}",
        unanswered.body
    );
}

#[test]
fn only_a_stored_response_of_this_provider_can_be_named() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let unstored = client.response(r#""input":"Hi","store":false"#).json();
    for id in [unstored["id"].as_str().expect("an id"), "resp_123", "resp_sim_999999999_0_1"] {
        let answer = client.response(&format!(r#""input":"Hi","previous_response_id":"{id}""#));
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (400, &json!("previous_response_not_found"))
        );
    }
    let stored = client.response(r#""input":"Hi""#).json();
    let next = client.response(&format!(r#""input":"Hi","previous_response_id":{}"#, stored["id"])).json();
    assert_eq!(next["previous_response_id"], stored["id"]);
    assert!(next["usage"]["input_tokens"].as_u64() > stored["usage"]["total_tokens"].as_u64());
}

#[test]
fn thoughts_come_sealed_and_are_wanted_back_as_they_were() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let members = format!(
        r#""store":false,"include":["reasoning.encrypted_content"],"reasoning":{{"effort":"high"}},{TOOLS}"#
    );
    let first = client.response(&format!(r#""input":"Weather?",{members}"#)).json();
    let (thought, call) = (&first["output"][0], &first["output"][1]);
    assert_eq!((&thought["type"], &thought["summary"]), (&json!("reasoning"), &json!([])));
    assert_eq!(first["usage"]["output_tokens_details"]["reasoning_tokens"], 8);
    let output = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "18 C"});
    let mut forged = thought.clone();
    forged["encrypted_content"] = json!("ErUB");
    for (input, status, words) in [
        (json!([{"role": "user", "content": "?"}, thought, call, output]), 200, "18 C"),
        (
            json!([{"role": "user", "content": "?"}, call, output]),
            400,
            "without its required 'reasoning' item",
        ),
        (json!([{"role": "user", "content": "?"}, thought]), 400, "without its required following item"),
        (json!([{"role": "user", "content": "?"}, forged, call, output]), 400, "could not be verified"),
    ] {
        let answer = client.response(&format!(r#""input":{input},{members}"#));
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(words), "{}", answer.body);
    }
}

#[test]
fn a_limit_leaves_the_response_incomplete() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let members = r#""input":"[[sim tokens=40]]","max_output_tokens":16"#;
    let stream = client.response(&format!(r#""stream":true,{members}"#));
    for body in [client.response(members).json(), completed(&stream)] {
        assert_eq!(
            (&body["status"], &body["output"][0]["status"]),
            (&json!("incomplete"), &json!("incomplete"))
        );
        assert_eq!(body["incomplete_details"]["reason"], "max_output_tokens");
    }
    assert_eq!(stream.events().last(), Some(&"response.incomplete"));
}

#[test]
fn a_wanted_form_is_kept() {
    let provider = plain();
    let format = r#"{"type":"json_schema","name":"x","strict":true,"schema":{"type":"object","additionalProperties":false,
        "properties":{"a":{"type":"integer"}},"required":["a"]}}"#;
    let body =
        Client::to(provider.addr()).response(&format!(r#""input":"Hi","text":{{"format":{format}}}"#)).json();
    assert_eq!(body["output"][0]["content"][0]["text"], r#"{"a":1}"#);
}

#[test]
fn faults_happen_in_responses_too() {
    let provider = plain();
    let stream = |directive: &str| {
        let members = format!(r#""stream":true,"input":"Hi [[sim {directive}]]""#);
        Client::to(provider.addr()).response(&members)
    };
    let failed = stream("error=1");
    assert_eq!(failed.events().last(), Some(&"response.failed"));
    assert_eq!(completed(&failed)["error"]["code"], "server_error");
    let cut = stream("hangup=1");
    assert!(!cut.complete && !cut.body.contains("response.completed"));
    let malformed = stream("malformed=1");
    assert_eq!(malformed.data().count() - malformed.frames().len(), 1);
    assert_eq!(stream("status=429").json()["error"]["type"], "requests");
}

#[test]
fn what_openai_refuses_is_refused_with_its_words() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let user = r#"{"role":"user","content":"x"}"#;
    for (members, param, code) in [
        (r#""messages":[]"#.to_owned(), "messages", "unsupported_parameter"),
        (r#""input":"x","max_tokens":5"#.to_owned(), "max_tokens", "unsupported_parameter"),
        (r#""input":"x","top_k":5"#.to_owned(), "top_k", "unknown_parameter"),
        (r#""instructions":"x""#.to_owned(), "input", "missing_required_parameter"),
        (r#""input":"x","max_output_tokens":5"#.to_owned(), "max_output_tokens", "integer_below_min_value"),
        (r#""input":"x","temperature":3"#.to_owned(), "temperature", "decimal_above_max_value"),
        (r#""input":[{"role":"tool","content":"x"}]"#.to_owned(), "input[0].role", "invalid_value"),
        (
            r#""input":[{"role":"user","content":[{"type":"text","text":"x"}]}]"#.to_owned(),
            "input[0].content[0].type",
            "invalid_value",
        ),
        (
            r#""input":[{"role":"assistant","content":[{"type":"input_text","text":"x"}]}]"#.to_owned(),
            "input[0].content[0].type",
            "invalid_value",
        ),
        (
            format!(r#""input":[{user},{{"type":"function_call","id":"call_1","call_id":"c","name":"f","arguments":"{{}}"}}]"#),
            "input[1].id",
            "invalid_value",
        ),
        (
            format!(r#""input":[{user},{{"type":"function_call","call_id":"c","name":"f","arguments":{{}}}}]"#),
            "input[1].arguments",
            "invalid_type",
        ),
        (
            r#""input":"x","tools":[{"type":"function","function":{"name":"f"}}]"#.to_owned(),
            "tools[0].name",
            "missing_required_parameter",
        ),
        (
            r#""input":"x","tools":[{"type":"function","name":"f","strict":true,"parameters":{"type":"object","properties":{}}}]"#
                .to_owned(),
            "tools[0].parameters",
            "invalid_function_parameters",
        ),
    ] {
        let answer = client.response(&members);
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["param"], &error["code"]), (400, &json!(param), &json!(code)), "{members}");
    }
    let stray = client.response(r#""input":[{"type":"function_call_output","call_id":"c","output":"x"}]"#);
    assert!(
        stray.body.contains("No tool call found for function call output with call_id c."),
        "{}",
        stray.body
    );
}
