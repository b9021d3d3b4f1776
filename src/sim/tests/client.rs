//! A blocking client that shows everything: status, headers, decoded body, frames, and how the connection ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

pub(super) struct Client {
    socket: TcpStream,
    /// Received and not yet understood.
    input: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: String,
    /// With what is no UTF-8 replaced.
    pub(super) body: String,
    pub(super) bytes: Vec<u8>,
    /// Whether the body arrived in full.
    pub(super) complete: bool,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    /// The data of every frame that is JSON.
    pub(super) fn frames(&self) -> Vec<Value> {
        self.data().filter_map(|data| serde_json::from_str(data).ok()).collect()
    }

    pub(super) fn data(&self) -> impl Iterator<Item = &str> {
        self.body.lines().filter_map(|line| line.strip_prefix("data: "))
    }

    /// The messages of an AWS event stream, their checksums checked: type, name and payload.
    pub(super) fn messages(&self) -> Vec<(String, String, Value)> {
        let mut rest = self.bytes.as_slice();
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().expect("four bytes"));
            let (total, headers) = (number(0) as usize, number(4) as usize);
            if rest.len() < total {
                break;
            }
            assert_eq!(number(8), crc32fast::hash(&rest[..8]), "the prelude's checksum");
            assert_eq!(number(total - 4), crc32fast::hash(&rest[..total - 4]), "the message's checksum");
            let names = headers_of(&rest[12..12 + headers]);
            let named =
                |name: &str| names.iter().find(|(header, _)| header == name).map(|(_, value)| value.clone());
            let kind = named(":message-type").expect("a message type");
            let name = named(&format!(":{kind}-type")).expect("a name");
            let payload = serde_json::from_slice(&rest[12 + headers..total - 4]).unwrap_or(Value::Null);
            messages.push((kind, name, payload));
            rest = &rest[total..];
        }
        messages
    }

    /// The names of the frames, as `event:` lines give them.
    pub(super) fn events(&self) -> Vec<&str> {
        self.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect()
    }
}

impl Client {
    pub(super) fn to(addr: SocketAddr) -> Client {
        let socket = TcpStream::connect(addr).expect("the provider listens");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        socket.set_nodelay(true).expect("an option");
        Client { socket, input: Vec::new() }
    }

    pub(super) fn get(&mut self, path: &str) -> Answer {
        self.raw(&format!("GET {path} HTTP/1.1\r\nhost: sim\r\n\r\n"))
    }

    pub(super) fn post(&mut self, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\nhost: sim\r\n{headers}content-length: {length}\r\n\r\n{body}"
        ))
    }

    /// A chat completion with these members besides the model.
    pub(super) fn chat(&mut self, members: &str) -> Answer {
        self.post("/v1/chat/completions", "", &format!(r#"{{"model":"m-1",{members}}}"#))
    }

    /// An Anthropic message with these members besides the model and the limit.
    pub(super) fn message(&mut self, members: &str) -> Answer {
        self.post("/v1/messages", "", &format!(r#"{{"model":"c-1","max_tokens":500,{members}}}"#))
    }

    /// A response with these members besides the model.
    pub(super) fn response(&mut self, members: &str) -> Answer {
        self.post("/v1/responses", "", &format!(r#"{{"model":"r-1",{members}}}"#))
    }

    /// A request to a Gemini model.
    pub(super) fn gemini(&mut self, verb: &str, body: &str) -> Answer {
        self.post(&format!("/v1beta/models/gemini-3-pro:{verb}"), "x-goog-api-key: k\r\n", body)
    }

    /// A request to Bedrock, signed as far as the simulated provider looks.
    pub(super) fn converse(&mut self, verb: &str, body: &str) -> Answer {
        self.post(&format!("/model/anthropic.claude-3%3A0/{verb}"), SIGNED, body)
    }

    pub(super) fn raw(&mut self, request: &str) -> Answer {
        self.send(request.as_bytes());
        self.answer()
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the provider reads");
    }

    /// The next answer.
    pub(super) fn answer(&mut self) -> Answer {
        let head = self.head().expect("an answer");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let length = header(&head, "content-length").map(|value| value.parse::<usize>().expect("a number"));
        let (body, complete) = match length {
            Some(length) => self.exactly(length),
            None if header(&head, "transfer-encoding").is_some() => self.chunks(),
            None => (self.rest(), true),
        };
        let text = String::from_utf8_lossy(&body).into_owned();
        Answer { status, headers: head, body: text, bytes: body, complete }
    }

    /// The head of the next answer, or none if the connection ends first.
    pub(super) fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.input.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.input.drain(..end + 4).collect();
                return Some(String::from_utf8(head).expect("UTF-8"));
            }
            if !self.fill() {
                return None;
            }
        }
    }

    pub(super) fn exactly(&mut self, length: usize) -> (Vec<u8>, bool) {
        while self.input.len() < length {
            if !self.fill() {
                return (std::mem::take(&mut self.input), false);
            }
        }
        (self.input.drain(..length).collect(), true)
    }

    pub(super) fn is_closed(&mut self) -> bool {
        self.rest().is_empty()
    }

    /// What has arrived after `wait` without anything arriving.
    pub(super) fn until_silence(&mut self, wait: Duration) -> Vec<u8> {
        self.socket.set_read_timeout(Some(wait)).expect("a timeout");
        let mut buffer = [0; 4096];
        while let Ok(count) = self.socket.read(&mut buffer) {
            assert!(count > 0, "the connection was closed");
            self.input.extend_from_slice(&buffer[..count]);
        }
        std::mem::take(&mut self.input)
    }

    fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.input)
    }

    fn chunks(&mut self) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        loop {
            let Some(end) = self.input.windows(2).position(|window| window == b"\r\n") else {
                if !self.fill() {
                    return (body, false);
                }
                continue;
            };
            let line: Vec<u8> = self.input.drain(..end + 2).collect();
            let size = String::from_utf8(line).expect("a chunk size");
            let size = usize::from_str_radix(size.trim(), 16).expect("a chunk size");
            let (mut chunk, complete) = self.exactly(size + 2);
            chunk.truncate(size);
            body.extend(chunk);
            if size == 0 || !complete {
                return (body, complete);
            }
        }
    }

    /// Reads once; false at the end of the connection.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(count) => {
                self.input.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("the provider is silent: {error}"),
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Headers of string values.
fn headers_of(mut bytes: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let mut headers = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at(usize::from(*length));
        assert_eq!(rest[0], 7, "a string");
        let length = usize::from(u16::from_be_bytes([rest[1], rest[2]]));
        headers.push((text(name), text(&rest[3..3 + length])));
        bytes = &rest[3 + length..];
    }
    headers
}

/// The headers of a signed request.
pub(super) const SIGNED: &str = "x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
    Credential=AKID/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00\r\n";
