//! Gemini's generateContent, streamGenerateContent and countTokens.

use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::plain;

const HELLO: &str = r#""contents":[{"role":"user","parts":[{"text":"Hello, how are you today?"}]}]"#;
const TOOLS: &str = r#""tools":[{"functionDeclarations":[{"name":"get_weather","description":"d","parameters":{
    "type":"OBJECT","properties":{"city":{"type":"STRING"},"days":{"type":"INTEGER"}},"required":["city","days"]}},
    {"name":"other","parametersJsonSchema":{"type":"object"}}]}]"#;
const SSE: &str = "streamGenerateContent?alt=sse";

fn parts(chunks: &[Value]) -> Vec<Value> {
    let parts =
        chunks.iter().filter_map(|chunk| chunk.pointer("/candidates/0/content/parts")?.as_array().cloned());
    parts.flatten().collect()
}

fn text(parts: &[Value]) -> String {
    parts.iter().filter(|part| part["thought"] != true).filter_map(|part| part["text"].as_str()).collect()
}

#[test]
fn an_answer_has_googles_members_and_both_streams_say_the_same() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let body = format!("{{{HELLO}}}");
    let whole = client.gemini("generateContent", &body).json();
    let candidate = &whole["candidates"][0];
    assert_eq!(
        (&candidate["finishReason"], &candidate["content"]["role"]),
        (&json!("STOP"), &json!("model"))
    );
    assert_eq!(whole["modelVersion"], "gemini-3-pro");
    let usage = &whole["usageMetadata"];
    assert_eq!(
        (&usage["promptTokenCount"], &usage["candidatesTokenCount"], &usage["totalTokenCount"]),
        (&json!(7), &json!(16), &json!(23))
    );

    let events = client.gemini(SSE, &body);
    assert!(events.headers.contains("content-type: text/event-stream"));
    let array = client.gemini("streamGenerateContent", &body);
    assert!(array.headers.contains("content-type: application/json"));
    let chunks = array.json().as_array().cloned().expect("an array");
    assert_eq!(chunks.len(), events.frames().len());
    for chunks in [events.frames(), chunks] {
        assert_eq!(text(&parts(&chunks)), text(&parts(std::slice::from_ref(&whole))));
        let last = chunks.last().expect("chunks");
        assert_eq!((&last["usageMetadata"], &last["candidates"][0]["finishReason"]), (usage, &json!("STOP")));
        assert!(chunks[0]["candidates"][0].get("finishReason").is_none());
    }
}

#[test]
fn function_calls_are_whole_and_the_first_is_signed() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let body = format!(r#"{{"contents":[{{"parts":[{{"text":"Weather? [[sim parallel]]"}}]}}],{TOOLS}}}"#);
    let whole = client.gemini("generateContent", &body).json();
    let stream = client.gemini(SSE, &body).frames();
    for chunks in [vec![whole], stream] {
        let calls: Vec<_> =
            parts(&chunks).into_iter().filter(|part| part.get("functionCall").is_some()).collect();
        assert_eq!(calls.len(), 2);
        let args = &calls[0]["functionCall"];
        assert_eq!(
            (&args["name"], &args["args"]),
            (&json!("get_weather"), &json!({"city": "simulated", "days": 1}))
        );
        assert!(calls[0]["thoughtSignature"].is_string() && calls[1].get("thoughtSignature").is_none());
        assert_eq!(chunks.last().expect("chunks")["candidates"][0]["finishReason"], "STOP");
    }
}

/// Asks, takes the calls of the answer as they are or changed, and answers them.
fn round(client: &mut Client, model: &str, change: impl Fn(&mut Value)) -> Answer {
    let path = format!("/v1beta/models/{model}:generateContent?key=k");
    let ask = json!({"role": "user", "parts": [{"text": "Weather?"}]});
    let first = client.post(&path, "", &format!(r#"{{"contents":[{ask}],{TOOLS}}}"#)).json();
    let mut turn = first["candidates"][0]["content"].clone();
    change(&mut turn["parts"][0]);
    let response = json!({"role": "user", "parts": [{"functionResponse": {"name": "get_weather", "response": {"result": "18 C"}}}]});
    client.post(&path, "", &format!(r#"{{"contents":[{ask},{turn},{response}],{TOOLS}}}"#))
}

#[test]
fn a_response_is_quoted_and_a_signature_is_wanted_back() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let unsign = |part: &mut Value| {
        part.as_object_mut().expect("a part").remove("thoughtSignature");
    };
    for placeholder in ["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"] {
        let answer = round(&mut client, "gemini-3-pro", |part| part["thoughtSignature"] = json!(placeholder));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let good = round(&mut client, "gemini-3-pro", |_| {});
    assert!(text(&parts(&[good.json()])).contains("18 C"), "{}", good.body);
    let unsigned = round(&mut client, "gemini-3-pro", unsign);
    assert_eq!((unsigned.status, &unsigned.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    assert!(unsigned.body.contains("missing a thought_signature") && unsigned.body.contains("position 2"));
    let forged = round(&mut client, "gemini-3-pro", |part| part["thoughtSignature"] = json!("AAAA"));
    assert!(forged.status == 400 && forged.body.contains("Corrupted thought signature"));
    assert_eq!(round(&mut client, "gemini-2.5-flash", unsign).status, 200);
}

#[test]
fn the_chunks_of_a_stream_may_come_back_as_turns_of_their_own() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let mut turns = vec![json!({"role": "user", "parts": [{"text": "Weather? [[sim parallel]]"}]})];
    let body = |turns: &[Value]| format!(r#"{{"contents":{},{TOOLS}}}"#, json!(turns));
    for chunk in client.gemini(SSE, &body(&turns)).frames() {
        turns.push(chunk["candidates"][0]["content"].clone());
    }
    let parts = turns.iter().filter_map(|turn| turn["parts"].as_array()).flatten();
    let calls = parts.filter_map(|part| part.get("functionCall"));
    let respond =
        |call: &Value| json!({"functionResponse": {"name": call["name"], "response": {"result": "18 C"}}});
    let responses: Vec<_> = calls.map(respond).collect();
    turns.push(json!({"role": "user", "parts": responses}));
    let answer = client.gemini("generateContent", &body(&turns));
    assert!(answer.status == 200 && answer.body.contains("18 C"), "{}", answer.body);
}

#[test]
fn thoughts_are_parts_of_their_own_and_counted_apart() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let config = r#""generationConfig":{"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"low"}}"#;
    let body = client.gemini("generateContent", &format!("{{{HELLO},{config}}}")).json();
    let said = parts(std::slice::from_ref(&body));
    assert_eq!((&said[0]["thought"], said[1].get("thought")), (&json!(true), None));
    assert!(said[1]["thoughtSignature"].is_string());
    let usage = &body["usageMetadata"];
    assert_eq!(
        (&usage["thoughtsTokenCount"], &usage["candidatesTokenCount"], &usage["totalTokenCount"]),
        (&json!(8), &json!(16), &json!(31))
    );
}

#[test]
fn settings_are_kept() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let mut ask = |config: &str| {
        client.gemini("generateContent", &format!(r#"{{{HELLO},"generationConfig":{config}}}"#)).json()
    };
    let cut = ask(r#"{"maxOutputTokens":3}"#);
    assert_eq!(cut["candidates"][0]["finishReason"], "MAX_TOKENS");
    assert_eq!(text(&parts(&[cut])), "This answer is");
    let schema = r#"{"type":"OBJECT","properties":{"a":{"type":"INTEGER"}},"required":["a"]}"#;
    for name in ["responseSchema", "response_schema", "responseJsonSchema"] {
        let schema = if name == "responseJsonSchema" { schema.to_lowercase() } else { schema.to_owned() };
        let formed = ask(&format!(r#"{{"responseMimeType":"application/json","{name}":{schema}}}"#));
        assert_eq!(text(&parts(&[formed])), r#"{"a":1}"#, "{name}");
    }
    assert_eq!(ask(r#"{"candidateCount":2}"#)["candidates"][1]["index"], 1);
}

#[test]
fn a_choice_of_function_is_kept() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    for (calling, expected) in [
        (r#"{"mode":"NONE"}"#, Value::Null),
        (r#"{"mode":"ANY"}"#, json!("get_weather")),
        (r#"{"mode":"ANY","allowedFunctionNames":["other"]}"#, json!("other")),
    ] {
        let config = format!(r#""toolConfig":{{"functionCallingConfig":{calling}}}"#);
        let body = client.gemini("generateContent", &format!("{{{HELLO},{TOOLS},{config}}}")).json();
        assert_eq!(parts(&[body])[0]["functionCall"]["name"], expected, "{calling}");
    }
}

#[test]
fn tokens_are_counted_as_the_answer_counts_them() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let plain = client.gemini("countTokens", &format!("{{{HELLO}}}")).json();
    let wrapped = format!(r#"{{"generateContentRequest":{{"model":"models/g",{HELLO}}}}}"#);
    assert_eq!((&plain["totalTokens"], &client.gemini("countTokens", &wrapped).json()), (&json!(7), &plain));
}

#[test]
fn faults_happen_in_both_streams() {
    let provider = plain();
    let ask = |verb: &str, directive: &str| {
        let body = format!(r#"{{"contents":[{{"parts":[{{"text":"[[sim {directive}]]"}}]}}]}}"#);
        Client::to(provider.addr()).gemini(verb, &body)
    };
    let failed = ask(SSE, "error=1").frames();
    assert_eq!(failed.last().expect("frames")["error"]["status"], "UNAVAILABLE");
    let failed = ask("streamGenerateContent", "error=1").json();
    assert_eq!(failed[1]["error"]["code"], 503);
    for verb in [SSE, "streamGenerateContent", "generateContent"] {
        assert!(!ask(verb, "hangup=1").complete);
        let limited = ask(verb, "status=429 retry-after=7");
        assert!(limited.status == 429 && limited.headers.contains("retry-after: 7"));
        assert!(limited.body.contains("RESOURCE_EXHAUSTED"));
    }
    assert_eq!(ask("streamGenerateContent", "status=429").json()[0]["error"]["code"], 429);
}

#[test]
fn what_google_refuses_is_refused_with_its_words() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let call = r#"{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"}]}"#;
    let user = r#"{"role":"user","parts":[{"text":"x"}]}"#;
    let schema = |schema: &str| {
        format!(r#"{{{HELLO},"tools":[{{"functionDeclarations":[{{"name":"f","parameters":{schema}}}]}}]}}"#)
    };
    for (body, words) in [
        (format!(r#"{{{HELLO},"model_name":"x"}}"#), r#"Unknown name \"model_name\": Cannot find field."#),
        ("{}".to_owned(), "contents is not specified"),
        (
            r#"{"contents":[{"role":"assistant","parts":[{"text":"x"}]}]}"#.to_owned(),
            "Please use a valid role: user, model.",
        ),
        (r#"{"contents":[{"role":"user","parts":[]}]}"#.to_owned(), "contents.parts must not be empty."),
        (
            r#"{"contents":[{"role":"user","parts":[{"type":"text","text":"x"}]}]}"#.to_owned(),
            r#"Unknown name \"type\" at 'contents[0].parts[0]'"#,
        ),
        (r#"{"contents":[{"role":"user","parts":[{}]}]}"#.to_owned(), "required oneof field 'data'"),
        (format!(r#"{{"contents":[{user},{call}]}}"#), "immediately after a function call turn"),
        (format!(r#"{{"contents":[{call},{user}]}}"#), "immediately after a user turn"),
        (format!(r#"{{"contents":[{user},{call},{user}]}}"#), "immediately after a function call turn"),
        (
            r#"{"contents":[{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}]}"#
                .to_owned(),
            "immediately after a function call turn",
        ),
        (
            format!(
                r#"{{"contents":[{user},{call},{{"parts":[{{"functionResponse":{{"name":"g","response":{{}}}}}}]}}]}}"#
            ),
            "number of function response parts",
        ),
        (
            format!(
                r#"{{"contents":[{user},{call},{{"parts":[{{"functionResponse":{{"name":"f","response":"x"}}}}]}}]}}"#
            ),
            "google.protobuf.Struct",
        ),
        (
            schema(r#"{"type":"object","additionalProperties":false}"#),
            r#"Unknown name \"additionalProperties\" at 'tools[0].function_declarations[0].parameters'"#,
        ),
        (schema(r#"{"type":"object","properties":{"a":{"const":1}}}"#), r#"Unknown name \"const\""#),
        (schema(r#"{"type":["object","null"]}"#), "Invalid value at"),
        (
            format!(r#"{{{HELLO},"generationConfig":{{"max_tokens":5}}}}"#),
            r#"Unknown name \"max_tokens\" at 'generation_config'"#,
        ),
        (
            format!(r#"{{{HELLO},"generationConfig":{{"responseSchema":{{"type":"OBJECT"}}}}}}"#),
            "response_mime_type",
        ),
        (format!(r#"{{{HELLO},"generationConfig":{{"temperature":5}}}}"#), "must be in the range"),
        (format!(r#"{{{HELLO},"toolConfig":{{"functionCallingConfig":{{"mode":"required"}}}}}}"#), "mode"),
    ] {
        let answer = client.gemini("generateContent", &body);
        assert_eq!(
            (answer.status, &answer.json()["error"]["status"]),
            (400, &json!("INVALID_ARGUMENT")),
            "{body}"
        );
        assert!(answer.body.contains(words), "{words}: {}", answer.body);
    }
    let details = client.gemini("generateContent", &format!(r#"{{{HELLO},"x":1}}"#)).json();
    assert_eq!(details["error"]["details"][0]["@type"], "type.googleapis.com/google.rpc.BadRequest");
}
