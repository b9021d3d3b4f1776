//! What a provider may answer, as scripts for the upstream double.

use super::upstream::{Gate, Script};

pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One piece of a chunked body.
pub fn chunk(data: &[u8]) -> Vec<u8> {
    let mut piece = format!("{:x}\r\n", data.len()).into_bytes();
    piece.extend_from_slice(data);
    piece.extend_from_slice(b"\r\n");
    piece
}

/// A whole JSON answer on a connection that stays open.
pub fn json(status: u16, body: &str) -> Script {
    answer(status, &[], body)
}

/// A whole JSON answer with more headers.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Script {
    Script::reading().send(head(status, headers, "application/json", body.len())).send(body)
}

/// A whole answer of another type.
pub fn typed(status: u16, kind: &str, body: &str) -> Script {
    Script::reading().send(head(status, &[], kind, body.len())).send(body)
}

/// A response head with a length.
pub fn head(status: u16, headers: &[(&str, &str)], kind: &str, length: usize) -> Vec<u8> {
    let mut head =
        format!("HTTP/1.1 {status} Scripted\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// The head of an event stream.
pub fn stream_head() -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    head.as_bytes().to_vec()
}

/// A whole event stream, every frame in a chunk of its own.
pub fn stream(frames: &[&str]) -> Script {
    frames.iter().fold(open_stream(), |script, frame| script.send(chunk(frame.as_bytes()))).send(LAST_CHUNK)
}

/// A whole event stream; before every frame but the first, the script waits for a step of the gate.
pub fn gated_stream(frames: &[&str], gate: &Gate) -> Script {
    let mut script = open_stream();
    for (index, frame) in frames.iter().enumerate() {
        if index > 0 {
            script = script.wait(gate);
        }
        script = script.send(chunk(frame.as_bytes()));
    }
    script.send(LAST_CHUNK)
}

/// An event stream of which only the head was sent.
pub fn open_stream() -> Script {
    Script::reading().send(stream_head())
}
