//! What a request asks, read from the tree of its JSON.

use std::collections::BTreeMap;

use aisix::dialect::DialectId;
use serde_json::{Value, json};

use super::answers::{Call, each, text, texts, written};

/// What a model gets to know, and how it is to answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// Instructions before the first turn.
    pub system: String,
    /// Who spoke and what: neighbouring turns of one speaker together.
    pub turns: Vec<(Speaker, String)>,
    pub calls: Vec<Call>,
    /// Results, by the number of their call.
    pub results: BTreeMap<usize, String>,
    /// Names and schemas of the functions.
    pub tools: Vec<(String, Value)>,
    /// The bytes, addresses or ids of pictures, recordings and documents outside of results.
    pub media: Vec<String>,
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub stop: Vec<String>,
    /// The schema of the answer.
    pub schema: Option<Value>,
    /// `auto`, `none`, `any`, or the name of a tool.
    pub choice: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    User,
    Assistant,
}

/// Reads a request.
pub fn request(dialect: DialectId, body: &Value) -> Asked {
    let mut asked = Asked::default();
    match dialect {
        DialectId::OpenAiChat => chat(&mut asked, body),
        DialectId::Anthropic => anthropic(&mut asked, body),
        DialectId::Responses => responses(&mut asked, body),
        DialectId::Gemini => gemini(&mut asked, body),
        DialectId::Bedrock => bedrock(&mut asked, body),
    }
    asked
}

impl Asked {
    fn said(&mut self, speaker: Speaker, text: &str) {
        match self.turns.last_mut() {
            Some((last, before)) if *last == speaker => *before += text,
            _ => self.turns.push((speaker, text.to_owned())),
        }
    }

    /// Instructions in the middle of a conversation count as words of the user, which they are in most dialects.
    fn instructed(&mut self, text: &str) {
        if self.turns.is_empty() { self.system += text } else { self.said(Speaker::User, text) }
    }

    fn called(&mut self, id: String, name: String, arguments: String) {
        self.said(Speaker::Assistant, "");
        self.calls.push(Call { id, name, arguments });
    }

    /// The result of the call with this id, or of the first of that name that has none yet.
    fn gave(&mut self, id: &str, name: &str, result: String) {
        self.said(Speaker::User, "");
        let open = |at: &usize| !self.results.contains_key(at);
        let mut places = 0..self.calls.len();
        let place = if id.is_empty() {
            places.find(|at| open(at) && self.calls[*at].name == name)
        } else {
            places.rev().find(|at| self.calls[*at].id == id)
        };
        if let Some(place) = place {
            *self.results.entry(place).or_default() += &result;
        }
    }

    fn medium(&mut self, data: &Value) {
        if let Some(data) = data.as_str() {
            let data = data.split_once(";base64,").map_or(data, |(_, data)| data);
            self.media.push(data.to_owned());
        }
    }
}

fn chat(asked: &mut Asked, body: &Value) {
    for message in each(&body["messages"]) {
        let content = &message["content"];
        match message["role"].as_str() {
            Some("system" | "developer") => asked.instructed(&texts(content)),
            Some("tool" | "function") => {
                asked.gave(&text(&message["tool_call_id"]), &text(&message["name"]), texts(content));
            }
            Some("assistant") => {
                asked.said(Speaker::Assistant, &texts(content));
                asked.said(Speaker::Assistant, &text(&message["refusal"]));
                each(content).for_each(|part| asked.said(Speaker::Assistant, &text(&part["refusal"])));
                let function = &message["function_call"];
                if function.is_object() {
                    asked.called(String::new(), text(&function["name"]), text(&function["arguments"]));
                }
                for call in each(&message["tool_calls"]) {
                    let (of, arguments) = match call["custom"].is_object() {
                        true => (&call["custom"], "input"),
                        false => (&call["function"], "arguments"),
                    };
                    asked.called(text(&call["id"]), text(&of["name"]), written(&of[arguments]));
                }
            }
            _ => {
                asked.said(Speaker::User, &texts(content));
                for part in each(content) {
                    asked.medium(&part["image_url"]["url"]);
                    asked.medium(&part["input_audio"]["data"]);
                    asked.medium(&part["file"]["file_data"]);
                    asked.medium(&part["file"]["file_id"]);
                }
            }
        }
    }
    asked.tools = each(&body["tools"])
        .filter(|tool| tool["function"].is_object())
        .map(|tool| &tool["function"])
        .chain(each(&body["functions"]))
        .map(|function| (text(&function["name"]), function["parameters"].clone()))
        .collect();
    asked.max_tokens = body["max_completion_tokens"].as_u64().or(body["max_tokens"].as_u64());
    (asked.temperature, asked.top_p) = (body["temperature"].as_f64(), body["top_p"].as_f64());
    asked.stop = list_or_one(&body["stop"]);
    asked.schema = Some(body["response_format"]["json_schema"]["schema"].clone()).filter(Value::is_object);
    asked.choice = openai_choice(&body["tool_choice"], "/function/name");
}

fn openai_choice(choice: &Value, name: &str) -> Option<String> {
    match choice.as_str() {
        Some("required") => Some("any".to_owned()),
        Some(word) => Some(word.to_owned()),
        None if choice["type"] == "allowed_tools" => {
            let among = if choice["mode"].is_null() { &choice["allowed_tools"] } else { choice };
            let names: Vec<&Value> = each(&among["tools"]).filter_map(|tool| tool.pointer(name)).collect();
            match (among["mode"].as_str(), names.as_slice()) {
                (Some("required"), [Value::String(name)]) => Some(name.clone()),
                (Some("required"), _) => Some("any".to_owned()),
                _ => Some("auto".to_owned()),
            }
        }
        None => choice.pointer(name)?.as_str().map(str::to_owned),
    }
}

fn list_or_one(value: &Value) -> Vec<String> {
    value.as_str().map(str::to_owned).into_iter().chain(each(value).map(text)).collect()
}

fn anthropic(asked: &mut Asked, body: &Value) {
    asked.system = texts(&body["system"]);
    for message in each(&body["messages"]) {
        let content = &message["content"];
        let speaker = match message["role"].as_str() {
            Some("assistant") => Speaker::Assistant,
            Some("system") => {
                asked.instructed(&texts(content));
                continue;
            }
            _ => Speaker::User,
        };
        asked.said(speaker, content.as_str().unwrap_or_default());
        for part in each(content) {
            match part["type"].as_str() {
                Some("text") => asked.said(speaker, &text(&part["text"])),
                Some("tool_use") => {
                    asked.called(text(&part["id"]), text(&part["name"]), written(&part["input"]));
                }
                Some("tool_result") => asked.gave(&text(&part["tool_use_id"]), "", texts(&part["content"])),
                Some("image" | "document") => {
                    let source = &part["source"];
                    ["data", "url", "file_id"].into_iter().for_each(|name| asked.medium(&source[name]));
                }
                _ => {}
            }
        }
    }
    asked.tools = each(&body["tools"])
        .filter(|tool| tool["input_schema"].is_object())
        .map(|tool| (text(&tool["name"]), tool["input_schema"].clone()))
        .collect();
    asked.max_tokens = body["max_tokens"].as_u64();
    (asked.temperature, asked.top_p) = (body["temperature"].as_f64(), body["top_p"].as_f64());
    asked.stop = each(&body["stop_sequences"]).map(text).collect();
    let schemas = [&body["output_config"]["format"]["schema"], &body["output_format"]["schema"]];
    asked.schema = schemas.into_iter().find(|schema| schema.is_object()).cloned();
    asked.choice = match body["tool_choice"]["type"].as_str() {
        Some("tool") => body["tool_choice"]["name"].as_str().map(str::to_owned),
        word => word.map(str::to_owned),
    };
}

fn responses(asked: &mut Asked, body: &Value) {
    asked.instructed(&text(&body["instructions"]));
    if let Some(input) = body["input"].as_str() {
        asked.said(Speaker::User, input);
    }
    for item in each(&body["input"]) {
        let output = || texts(&item["output"]);
        match item["type"].as_str() {
            Some("function_call") => {
                asked.called(text(&item["call_id"]), text(&item["name"]), written(&item["arguments"]));
            }
            Some("custom_tool_call") => {
                asked.called(text(&item["call_id"]), text(&item["name"]), written(&item["input"]));
            }
            Some("function_call_output" | "custom_tool_call_output") => {
                asked.gave(&text(&item["call_id"]), "", output());
            }
            None | Some("message") => responses_message(asked, item),
            _ => {}
        }
    }
    asked.tools = each(&body["tools"])
        .filter(|tool| tool["type"] == "function")
        .map(|tool| (text(&tool["name"]), tool["parameters"].clone()))
        .collect();
    asked.max_tokens = body["max_output_tokens"].as_u64();
    (asked.temperature, asked.top_p) = (body["temperature"].as_f64(), body["top_p"].as_f64());
    asked.schema = Some(body["text"]["format"]["schema"].clone()).filter(Value::is_object);
    asked.choice = openai_choice(&body["tool_choice"], "/name");
}

fn responses_message(asked: &mut Asked, item: &Value) {
    let content = &item["content"];
    match item["role"].as_str() {
        Some("system" | "developer") => asked.instructed(&texts(content)),
        Some("assistant") => {
            asked.said(Speaker::Assistant, &texts(content));
            each(content).for_each(|part| asked.said(Speaker::Assistant, &text(&part["refusal"])));
        }
        _ => {
            asked.said(Speaker::User, &texts(content));
            for part in each(content) {
                for name in ["image_url", "file_data", "file_url", "file_id"] {
                    asked.medium(&part[name]);
                }
                asked.medium(&part["input_audio"]["data"]);
            }
        }
    }
}

fn gemini(asked: &mut Asked, body: &Value) {
    asked.system = texts(&member(body, "systemInstruction")["parts"]);
    for content in each(&body["contents"]) {
        let speaker = if content["role"] == "model" { Speaker::Assistant } else { Speaker::User };
        for part in each(&content["parts"]) {
            gemini_part(asked, speaker, part);
        }
    }
    for tool in each(&body["tools"]) {
        for function in each(member(tool, "functionDeclarations")) {
            let schemas = [member(function, "parametersJsonSchema"), member(function, "parameters")];
            let schema = schemas.into_iter().find(|schema| schema.is_object());
            asked.tools.push((text(&function["name"]), schema.cloned().unwrap_or_default()));
        }
    }
    let generation = member(body, "generationConfig");
    asked.max_tokens = member(generation, "maxOutputTokens").as_u64();
    asked.temperature = generation["temperature"].as_f64();
    asked.top_p = member(generation, "topP").as_f64();
    asked.stop = each(member(generation, "stopSequences")).map(text).collect();
    let schemas = ["responseJsonSchema", "responseSchema"].map(|name| member(generation, name));
    asked.schema = schemas.into_iter().find(|schema| schema.is_object()).cloned();
    let calling = member(member(body, "toolConfig"), "functionCallingConfig");
    let names: Vec<String> = each(member(calling, "allowedFunctionNames")).map(text).collect();
    asked.choice = match (calling["mode"].as_str(), names.as_slice()) {
        (Some("ANY"), [name]) => Some(name.clone()),
        (mode, _) => mode.map(str::to_lowercase),
    };
}

fn gemini_part(asked: &mut Asked, speaker: Speaker, part: &Value) {
    let (call, response) = (member(part, "functionCall"), member(part, "functionResponse"));
    if part["thought"] == true {
        asked.said(speaker, "");
    } else if part["text"].is_string() {
        asked.said(speaker, &text(&part["text"]));
    } else if call.is_object() {
        asked.called(text(&call["id"]), text(&call["name"]), written(&call["args"]));
    } else if response.is_object() {
        asked.gave(&text(&response["id"]), &text(&response["name"]), response["response"].to_string());
    } else {
        asked.medium(&member(part, "inlineData")["data"]);
        asked.medium(member(member(part, "fileData"), "fileUri"));
        asked.said(speaker, "");
    }
}

/// A member in the spelling of the documentation or, as protocol buffers allow, with underscores.
fn member<'v>(value: &'v Value, name: &str) -> &'v Value {
    let snake: String = name
        .chars()
        .flat_map(|letter| letter.is_uppercase().then_some('_').into_iter().chain(letter.to_lowercase()))
        .collect();
    if value[name].is_null() { &value[&snake] } else { &value[name] }
}

fn bedrock(asked: &mut Asked, body: &Value) {
    asked.system = texts(&body["system"]);
    for message in each(&body["messages"]) {
        let speaker = if message["role"] == "assistant" { Speaker::Assistant } else { Speaker::User };
        for part in each(&message["content"]) {
            bedrock_part(asked, speaker, part);
        }
    }
    asked.tools = each(&body["toolConfig"]["tools"])
        .map(|tool| &tool["toolSpec"])
        .filter(|tool| tool.is_object())
        .map(|tool| (text(&tool["name"]), tool["inputSchema"]["json"].clone()))
        .collect();
    let inference = &body["inferenceConfig"];
    asked.max_tokens = inference["maxTokens"].as_u64();
    (asked.temperature, asked.top_p) = (inference["temperature"].as_f64(), inference["topP"].as_f64());
    asked.stop = each(&inference["stopSequences"]).map(text).collect();
    let schema = body.pointer("/outputConfig/textFormat/structure/jsonSchema/schema").and_then(Value::as_str);
    asked.schema = schema.and_then(|schema| serde_json::from_str(schema).ok());
    let choice = &body["toolConfig"]["toolChoice"];
    asked.choice = choice["tool"]["name"]
        .as_str()
        .map(str::to_owned)
        .or_else(|| ["auto", "any"].into_iter().find(|word| choice[word].is_object()).map(str::to_owned));
}

fn bedrock_part(asked: &mut Asked, speaker: Speaker, part: &Value) {
    asked.said(speaker, &text(&part["text"]));
    let (call, result) = (&part["toolUse"], &part["toolResult"]);
    if call.is_object() && call["type"] != "server_tool_use" {
        asked.called(text(&call["toolUseId"]), text(&call["name"]), written(&call["input"]));
    }
    if result.is_object() {
        let says = |part: &Value| {
            if part["json"].is_null() { text(&part["text"]) } else { part["json"].to_string() }
        };
        let result_text: String = each(&result["content"]).map(says).collect();
        asked.gave(&text(&result["toolUseId"]), "", result_text);
    }
    for kind in ["image", "document", "video", "audio"] {
        let source = &part[kind]["source"];
        asked.medium(&source["bytes"]);
        asked.medium(&source["s3Location"]["uri"]);
    }
}

/// A schema without what vendors write differently: the case of types, annotations, what says nothing.
pub fn plain_schema(schema: &Value) -> Value {
    const KEPT: [&str; 6] = ["properties", "required", "items", "enum", "type", "anyOf"];
    let Value::Object(members) = schema else { return json!({}) };
    let mut plain = serde_json::Map::new();
    for (name, value) in members.iter().filter(|(name, _)| KEPT.contains(&name.as_str())) {
        let value = match (name.as_str(), value) {
            ("properties", Value::Object(members)) => {
                members.iter().map(|(name, value)| (name.clone(), plain_schema(value))).collect()
            }
            ("items", value) => plain_schema(value),
            ("anyOf", value) => each(value).map(plain_schema).collect(),
            ("type", Value::String(kind)) if schema["nullable"] == true => {
                json!([kind.to_lowercase(), "null"])
            }
            ("type", Value::String(kind)) => Value::from(kind.to_lowercase()),
            (_, value) => value.clone(),
        };
        if value != json!({}) && value != json!([]) && value != json!("object") {
            plain.insert(name.clone(), value);
        }
    }
    Value::Object(plain)
}

/// The result of a tool, however it is wrapped: JSON where it is JSON, and what the one member holds that only says
/// that this is a result.
pub fn plain_result(result: &str) -> Value {
    let value = serde_json::from_str(result).unwrap_or_else(|_| Value::from(result));
    let members = value.as_object().filter(|members| members.len() == 1);
    let wrapped = ["result", "output", "error", "content"].iter().find_map(|name| members?.get(*name));
    match wrapped {
        Some(Value::String(text)) => plain_result(text),
        Some(inner) => inner.clone(),
        None if value == json!({}) => Value::from(""),
        None => value,
    }
}
