//! The simulated provider as a client sees it: over real loopback sockets, plus byte mutations in process.

mod answers;
mod bedrock;
mod client;
mod faults;
mod gemini;
mod platforms;
mod refusals;
mod responses;
mod wire;

use super::settings::Settings;
use super::{Handle, spawn};

/// A provider on a free port.
fn provider(settings: Settings) -> Handle {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    spawn(settings, listener).expect("a running provider")
}

/// A provider that answers with the default settings.
fn plain() -> Handle {
    provider(Settings::default())
}

#[test]
fn a_dropped_handle_closes_the_connections_and_the_port() {
    let provider = plain();
    let addr = provider.addr();
    let mut client = client::Client::to(addr);
    assert_eq!(client.get("/livez").status, 200);
    drop(provider);
    assert!(client.is_closed());
    assert!(std::net::TcpStream::connect(addr).is_err());
}

#[test]
fn several_workers_share_a_port_and_a_count() {
    let provider =
        provider(Settings { workers: 3, error_status: Some(500), error_every: 4, ..Settings::default() });
    let failures = (0..16)
        .map(|_| client::Client::to(provider.addr()).chat(r#""messages":[{"role":"user","content":"hi"}]"#))
        .filter(|answer| answer.status == 500)
        .count();
    assert_eq!((failures, provider.calls()), (4, 16));
}

#[test]
fn no_mutation_of_a_request_makes_the_reading_panic() {
    use super::http::{Dechunker, Head};
    let shared = super::server::Shared::new(Settings::default());
    let vendor = super::route::Platform::Vendor;
    let requests = [
        "POST /v1/messages?beta=true HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nx-sim-tokens: 4\r\n\r\nhello",
        r#"{"model":"m","max_tokens":9,"n":2,"stream":true,"messages":[{"role":"user","content":"[[sim a=1]]"},
           {"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"\u00e9"}]}]}],
           "tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f"}}"#,
        r#"{"model":"m","input":[{"type":"reasoning","id":"rs_sim_1_0","summary":[],"encrypted_content":"SimO"},
           {"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"role":"user","content":[
           {"type":"input_text","text":"x"}]},{"type":"function_call_output","call_id":"c","output":"x"}],
           "tools":[{"type":"function","name":"f","parameters":{"type":"object"}}],"store":false}"#,
        r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"x"}]},
           {"parts":[{"functionResponse":{"name":"f","response":{"a":1}}}]}],"generationConfig":{"topK":1},
           "tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT"}}]}]}"#,
        r#"{"messages":[{"role":"user","content":[{"text":"x"}]},{"role":"assistant","content":[{"toolUse":
           {"toolUseId":"t","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"t",
           "content":[{"json":{}}]}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{}}}}]}}"#,
        "grant_type=client_credentials&client_id=a%20b&client_secret=s&scope=x",
        "5\r\nhello\r\n10;ext=1\r\n0123456789abcdef\r\n0\r\ntrailer: x\r\n\r\n",
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below.max(1) as u64) as usize
    };
    for round in 0..12_000 {
        let mut bytes = requests[round % requests.len()].as_bytes().to_vec();
        for _ in 0..random(4) {
            let at = random(bytes.len());
            bytes[at] = random(256) as u8;
        }
        bytes.truncate(bytes.len() - random(8));
        let _ = Head::parse(&bytes, &shared);
        let _ = Dechunker::default().advance(&bytes);
        let _ = super::openai::read(&bytes, &vendor);
        let _ = super::anthropic::read(&bytes, &vendor);
        let _ = super::responses::read(&bytes);
        let _ = super::gemini::read(&bytes, "gemini-3", super::route::Stream::Whole);
        let _ = super::bedrock::read(&bytes, "m", false);
        let _ = super::oauth::token(&bytes);
    }
}
