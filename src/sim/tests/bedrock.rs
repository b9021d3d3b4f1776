//! Bedrock's converse and converse-stream.

use serde_json::{Value, json};

use super::client::{Client, SIGNED};
use super::plain;

const HELLO: &str = r#""messages":[{"role":"user","content":[{"text":"Hello, how are you today?"}]}]"#;
const TOOLS: &str = r#""toolConfig":{"tools":[{"toolSpec":{"name":"get_weather","inputSchema":{"json":{"type":"object",
    "properties":{"city":{"type":"string"}},"required":["city"]}}}},
    {"toolSpec":{"name":"other","inputSchema":{"json":{"type":"object"}}}}]}"#;
const STREAM: &str = "converse-stream";

fn payloads<'a>(messages: &'a [(String, String, Value)], name: &'a str) -> impl Iterator<Item = &'a Value> {
    messages.iter().filter(move |message| message.1 == name).map(|message| &message.2)
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let whole = client.converse("converse", &format!("{{{HELLO}}}"));
    assert!(whole.headers.contains("x-amzn-requestid: "));
    let whole = whole.json();
    assert_eq!(
        (&whole["stopReason"], &whole["output"]["message"]["role"]),
        (&json!("end_turn"), &json!("assistant"))
    );
    assert_eq!(
        (&whole["usage"]["inputTokens"], &whole["usage"]["outputTokens"], &whole["usage"]["totalTokens"]),
        (&json!(7), &json!(16), &json!(23))
    );

    let stream = client.converse(STREAM, &format!("{{{HELLO}}}"));
    assert!(stream.headers.contains("content-type: application/vnd.amazon.eventstream"));
    let messages = stream.messages();
    let mut names: Vec<_> = messages.iter().map(|message| message.1.as_str()).collect();
    names.dedup();
    assert_eq!(names, ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]);
    let text: String = payloads(&messages, "contentBlockDelta")
        .filter_map(|delta| delta.pointer("/delta/text")?.as_str())
        .collect();
    assert_eq!(text, whole["output"]["message"]["content"][0]["text"]);
    assert_eq!(payloads(&messages, "metadata").next().expect("metadata")["usage"], whole["usage"]);
}

#[test]
fn tool_uses_go_round_the_loop() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let ask = json!({"role": "user", "content": [{"text": "Weather? [[sim parallel]]"}]});
    let body = format!(r#"{{"messages":[{ask}],{TOOLS}}}"#);
    let first = client.converse("converse", &body).json();
    assert_eq!(first["stopReason"], "tool_use");
    let turn = &first["output"]["message"];
    let uses = turn["content"].as_array().expect("blocks");
    assert_eq!(uses[0]["toolUse"]["input"], json!({"city": "simulated"}));

    let messages = client.converse(STREAM, &body).messages();
    let starts: Vec<_> = payloads(&messages, "contentBlockStart")
        .map(|start| start["start"]["toolUse"]["name"].clone())
        .collect();
    assert_eq!(starts, [json!("get_weather"), json!("other")]);
    let first_use = payloads(&messages, "contentBlockDelta").filter(|delta| delta["contentBlockIndex"] == 0);
    let input: String =
        first_use.filter_map(|delta| delta.pointer("/delta/toolUse/input")?.as_str()).collect();
    assert_eq!(input, r#"{"city":"simulated"}"#);

    let result = |at: usize, text: &str| json!({"toolResult": {"toolUseId": uses[at]["toolUse"]["toolUseId"], "content": [{"text": text}], "status": "success"}});
    let answer = json!({"role": "user", "content": [result(1, "18 C"), result(0, "sunny")]});
    let second =
        client.converse("converse", &format!(r#"{{"messages":[{ask},{turn},{answer}],{TOOLS}}}"#)).json();
    let text =
        second["output"]["message"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{second}"));
    assert!(text.contains("18 C; sunny"), "{text}");

    let half = json!({"role": "user", "content": [result(1, "18 C")]});
    let refused = client.converse("converse", &format!(r#"{{"messages":[{ask},{turn},{half}],{TOOLS}}}"#));
    assert!(
        refused.status == 400 && refused.body.contains("Expected toolResult blocks at messages.2.content"),
        "{}",
        refused.body
    );
}

#[test]
fn thoughts_are_signed_and_wanted_back() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let fields = r#""additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}"#;
    let ask = json!({"role": "user", "content": [{"text": "Weather?"}]});
    let body = format!(r#"{{"messages":[{ask}],{TOOLS},{fields}}}"#);
    let first = client.converse("converse", &body).json();
    let turn = first["output"]["message"].clone();
    assert!(turn["content"][0]["reasoningContent"]["reasoningText"]["signature"].is_string(), "{first}");
    let messages = client.converse(STREAM, &body).messages();
    let thought: String = payloads(&messages, "contentBlockDelta")
        .filter_map(|delta| delta.pointer("/delta/reasoningContent/text")?.as_str())
        .collect();
    assert_eq!(thought, turn["content"][0]["reasoningContent"]["reasoningText"]["text"]);

    let result = json!({"role": "user", "content": [{"toolResult": {"toolUseId": turn["content"][1]["toolUse"]["toolUseId"], "content": [{"json": {"c": 18}}]}}]});
    let mut go_on = |turn: &Value| {
        client.converse("converse", &format!(r#"{{"messages":[{ask},{turn},{result}],{TOOLS},{fields}}}"#))
    };
    assert_eq!(go_on(&turn).status, 200);
    let mut changed = turn.clone();
    changed["content"][0]["reasoningContent"]["reasoningText"]["text"] = json!("Another thought.");
    assert!(go_on(&changed).body.contains("Invalid `signature` in `thinking` block"));
    let mut thoughtless = turn;
    thoughtless["content"].as_array_mut().expect("blocks").remove(0);
    assert!(go_on(&thoughtless).body.contains("Expected `thinking` or `redacted_thinking`"));
}

#[test]
fn an_unsigned_request_is_refused() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let body = format!("{{{HELLO}}}");
    for headers in [
        "",
        "authorization: AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host;x-amz-date, Signature=0\r\n",
        "x-amz-date: 1\r\nauthorization: AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=0\r\n",
        "x-api-key: k\r\n",
    ] {
        let answer = client.post("/model/m/converse", headers, &body);
        assert_eq!((answer.status, answer.json()), (403, json!({"message": "Missing Authentication Token"})));
        assert!(answer.headers.contains("x-amzn-errortype: MissingAuthenticationTokenException\r\n"));
    }
    assert_eq!(client.post("/model/m/converse", SIGNED, &body).status, 200);
    assert_eq!(client.post("/model/m/converse", "authorization: Bearer k\r\n", &body).status, 200);
    assert_eq!(client.post("/model/m/converse", "authorization: Bearer sk-sim-bad\r\n", &body).status, 403);
}

#[test]
fn faults_happen_in_streams() {
    let provider = plain();
    let ask = |verb: &str, directive: &str| {
        let body =
            format!(r#"{{"messages":[{{"role":"user","content":[{{"text":"[[sim {directive}]]"}}]}}]}}"#);
        Client::to(provider.addr()).converse(verb, &body)
    };
    let failed = ask(STREAM, "error=1").messages();
    let (kind, name, payload) = failed.last().expect("messages");
    assert_eq!((kind.as_str(), name.as_str()), ("exception", "modelStreamErrorException"));
    assert!(payload["message"].is_string());
    assert!(ask(STREAM, "malformed=1").messages().iter().any(|message| message.2.is_null()));
    let cut = ask(STREAM, "hangup=1");
    assert!(!cut.complete && payloads(&cut.messages(), "messageStop").next().is_none());
    for (status, name) in
        [(429, "ThrottlingException"), (503, "ServiceUnavailableException"), (400, "ValidationException")]
    {
        let answer = ask(STREAM, &format!("status={status}"));
        assert!(answer.status == status && answer.headers.contains(&format!("x-amzn-errortype: {name}\r\n")));
    }
}

#[test]
fn a_structured_answer_satisfies_the_schema() {
    let provider = plain();
    let schema = json!(r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#);
    let config = format!(
        r#""outputConfig":{{"textFormat":{{"type":"json_schema","structure":{{"jsonSchema":{{"schema":{schema},"name":"n"}}}}}}}}"#
    );
    let body = Client::to(provider.addr()).converse("converse", &format!("{{{HELLO},{config}}}")).json();
    assert_eq!(body["output"]["message"]["content"][0]["text"], r#"{"a":1}"#);
}

#[test]
fn what_bedrock_refuses_is_refused_with_its_words() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let say = |role: &str, content: &str| format!(r#"{{"role":"{role}","content":[{content}]}}"#);
    let talk = |messages: &[String]| format!(r#""messages":[{}],{TOOLS}"#, messages.join(","));
    let user = say("user", r#"{"text":"x"}"#);
    let call = say("assistant", r#"{"toolUse":{"toolUseId":"t","name":"f","input":{}}}"#);
    let result = say("user", r#"{"toolResult":{"toolUseId":"t","content":[{"text":"x"}]}}"#);
    for (members, words) in [
        (r#""messages":[]"#.to_owned(), "A conversation must start with a user message"),
        (talk(&[say("assistant", r#"{"text":"x"}"#)]), "A conversation must start with a user message"),
        (talk(&[user.clone(), user.clone()]), "must alternate between user and assistant roles"),
        (talk(&[say("system", r#"{"text":"x"}"#)]), "enum value set"),
        (talk(&[say("user", "")]), "The content field in the Message object at messages.0 is empty"),
        (
            talk(&[say("user", r#"{"text":" "}"#)]),
            "The text field in the ContentBlock object at messages.0.content.0 is blank",
        ),
        (talk(&[say("user", r#"{"type":"text","text":"x"}"#)]), "extraneous key [type] is not permitted"),
        (talk(&[user.clone(), result.clone()]), "must alternate"),
        (talk(&[result]), "exceeds the number of toolUse blocks of previous turn"),
        (
            talk(&[user.clone(), call.clone(), user.clone()]),
            "Expected toolResult blocks at messages.2.content for the following Ids: t",
        ),
        (
            talk(&[
                user.clone(),
                say("assistant", r#"{"toolUse":{"toolUseId":"t","name":"f","input":"{}"}}"#),
            ]),
            "Provide a json object",
        ),
        (
            talk(&[
                user.clone(),
                say("assistant", r#"{"toolUse":{"toolUseId":"a b","name":"f","input":{}}}"#),
            ]),
            "regular expression pattern",
        ),
        (
            format!(
                r#""messages":[{user},{call},{}]"#,
                say("user", r#"{"toolResult":{"toolUseId":"t","content":[]}}"#)
            ),
            "The toolConfig field must be defined",
        ),
        (
            format!(r#"{HELLO},"toolConfig":{{"tools":[]}}"#),
            "Member must have length greater than or equal to 1",
        ),
        (format!(r#"{HELLO},"inferenceConfig":{{"temperature":2}}"#), "inferenceConfig.temperature"),
        (format!(r#"{HELLO},"inferenceConfig":{{"max_tokens":2}}"#), "extraneous key [max_tokens]"),
        (format!(r#"{HELLO},"system":"x""#), "The format of the value at system is invalid"),
        (format!(r#"{HELLO},"model":"x""#), "extraneous key [model]"),
    ] {
        let answer = client.converse("converse", &format!("{{{members}}}"));
        assert_eq!(answer.status, 400, "{members}");
        assert!(answer.body.contains(words), "{words}: {}", answer.body);
        assert!(answer.headers.contains("x-amzn-errortype: "));
    }
}
