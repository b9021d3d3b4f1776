//! One caller, one connection, one stream after another.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::report::Report;
use crate::wire::{self, Dechunker};
use crate::{Dialect, Settings};

/// A caller.
pub struct Caller {
    target: SocketAddr,
    dialect: Dialect,
    request: Vec<u8>,
    tokens: u64,
    /// Time between two frames; None = unpaced.
    interval: Option<Duration>,
    /// `"model":"…"`, which the frames that name a model must contain.
    model: Vec<u8>,
    connection: Option<TcpStream>,
    /// Text of the first stream: what every other must say too.
    said: Option<Vec<u8>>,
}

impl Caller {
    pub fn new(settings: &Settings) -> Self {
        Caller {
            target: settings.target,
            dialect: settings.dialect,
            request: request(settings),
            tokens: settings.tokens.into(),
            interval: (settings.tps > 0).then(|| Duration::from_secs(1) / settings.tps),
            model: format!("\"model\":\"{}\"", settings.model).into_bytes(),
            connection: None,
            said: None,
        }
    }

    /// Asks for one stream and reads it to its end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn stream(&mut self, report: &mut Report) -> Result<(), String> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.target).await.map_err(|error| format!("connecting: {error}"))?,
        };
        let mut seen = Seen::new(self.dialect, self.interval);
        connection.write_all(&self.request).await.map_err(|error| format!("writing: {error}"))?;
        self.read(&mut connection, &mut seen, report).await?;
        seen.check(self.tokens)?;
        if *self.said.get_or_insert_with(|| seen.text.clone()) != seen.text {
            return Err("a stream said something else than the one before".to_owned());
        }
        report.streams += 1;
        self.connection = Some(connection);
        Ok(())
    }

    async fn read(&self, from: &mut TcpStream, seen: &mut Seen, report: &mut Report) -> Result<(), String> {
        let mut input = Vec::with_capacity(READ);
        let mut body = Vec::new();
        let mut in_body = false;
        while !seen.dechunker.done() {
            let read = from.read_buf(&mut input).await.map_err(|error| format!("reading: {error}"))?;
            let now = Instant::now();
            if read == 0 {
                return Err("the connection ended within a stream".to_owned());
            }
            report.bytes += read as u64;
            if !in_body {
                let Some(length) = wire::head_length(&input) else { continue };
                wire::check_head(input.get(..length).unwrap_or_default())?;
                input.drain(..length);
                in_body = true;
            }
            let used = seen.dechunker.push(&input, &mut body)?;
            input.drain(..used);
            let taken = seen.frames(&body, &self.model, now, report)?;
            body.drain(..taken);
        }
        if body.is_empty() && input.is_empty() { Ok(()) } else { Err("bytes after the end".to_owned()) }
    }
}

async fn connect(target: SocketAddr) -> std::io::Result<TcpStream> {
    let connection = TcpStream::connect(target).await?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

/// What has been seen of one stream.
struct Seen {
    dialect: Dialect,
    dechunker: Dechunker,
    interval: Option<Duration>,
    began: Instant,
    last: Option<Instant>,
    content: u64,
    terminators: u64,
    text: Vec<u8>,
}

impl Seen {
    fn new(dialect: Dialect, interval: Option<Duration>) -> Self {
        Seen {
            dialect,
            dechunker: Dechunker::default(),
            interval,
            began: Instant::now(),
            last: None,
            content: 0,
            terminators: 0,
            text: Vec::new(),
        }
    }

    /// Looks at every whole frame in `body`; the bytes they take.
    fn frames(
        &mut self,
        body: &[u8],
        model: &[u8],
        now: Instant,
        report: &mut Report,
    ) -> Result<usize, String> {
        let mut at = 0;
        while let Some(rest) = body.get(at..) {
            let Some(length) = memmem::find(rest, b"\n\n") else { break };
            self.frame(rest.get(..length).unwrap_or_default(), model, now, report)?;
            at += length + 2;
        }
        Ok(at)
    }

    fn frame(&mut self, frame: &[u8], model: &[u8], now: Instant, report: &mut Report) -> Result<(), String> {
        if self.terminators > 0 {
            return Err("a frame after the terminator".to_owned());
        }
        if memmem::find(frame, b"\"model\":").is_some() && memmem::find(frame, model).is_none() {
            return Err("a frame names another model".to_owned());
        }
        let (content, terminator) = match self.dialect {
            Dialect::Openai => (&b"\"delta\":{\"content\":\""[..], &b"data: [DONE]"[..]),
            Dialect::Anthropic => (&b"\"text_delta\",\"text\":\""[..], &b"event: message_stop"[..]),
        };
        if let Some(at) = memmem::find(frame, content) {
            self.say(frame.get(at + content.len()..).unwrap_or_default());
            self.time(now, report);
            report.frames += 1;
        }
        self.terminators += u64::from(frame.starts_with(terminator));
        Ok(())
    }

    fn say(&mut self, rest: &[u8]) {
        let end = memchr::memchr(b'"', rest).unwrap_or(rest.len());
        self.text.extend_from_slice(rest.get(..end).unwrap_or_default());
    }

    /// The provider sends frame `k` (from 0) at `k` intervals after the request.
    fn time(&mut self, now: Instant, report: &mut Report) {
        let scheduled = self.interval.map(|interval| self.began + interval.mul_f64(self.content as f64));
        match (scheduled, self.last) {
            (Some(scheduled), Some(last)) => {
                report.delays.push(micros(now.saturating_duration_since(scheduled)));
                report.gaps.push(micros(now - last));
            }
            (_, None) => report.first.push(micros(now - self.began)),
            (None, _) => {}
        }
        self.last = Some(now);
        self.content += 1;
    }

    fn check(&self, tokens: u64) -> Result<(), String> {
        match (self.content, self.terminators) {
            (content, _) if content != tokens => Err(format!("{content} content frames of {tokens}")),
            (_, 1) => Ok(()),
            (_, count) => Err(format!("{count} terminators")),
        }
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

fn request(settings: &Settings) -> Vec<u8> {
    let prompt = format!("Say something. [[sim tokens={} tps={}]]", settings.tokens, settings.tps);
    let messages = serde_json::json!([{"role": "user", "content": prompt}]);
    let (path, body) = match settings.dialect {
        Dialect::Openai => (
            "/v1/chat/completions",
            serde_json::json!({"model": settings.model, "stream": true, "messages": messages}),
        ),
        Dialect::Anthropic => (
            "/v1/messages",
            serde_json::json!({
                "model": settings.model, "stream": true, "max_tokens": settings.tokens, "messages": messages
            }),
        ),
    };
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         anthropic-version: 2023-06-01\r\nContent-Length: {}\r\n\r\n{body}",
        settings.target,
        settings.key,
        body.len(),
    )
    .into_bytes()
}

const READ: usize = 64 * 1024;
