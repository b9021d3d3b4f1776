//! One caller, one connection, one stream after another.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use load::quantiles::micros;
use load::request::post;
use load::wire::{self, Dechunker};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::report::Report;
use crate::stage::Stage;
use crate::{Dialect, Settings};

/// Asks the provider itself for one stream, if it is known, so that the stage knows what it says.
///
/// # Errors
/// What is wrong with that stream.
pub async fn rehearse(settings: &Settings, stage: &Rc<Stage>) -> Result<(), String> {
    let Some(provider) = settings.provider.filter(|_| !settings.stall) else { return Ok(()) };
    let rehearsal = Rc::new(Stage::new(1));
    let asked = settings.answers.as_ref().unwrap_or(&settings.model);
    let mut caller = Caller {
        target: provider,
        request: request(settings, provider, asked, 0),
        interval: None,
        ..Caller::new(settings, Rc::clone(&rehearsal))
    };
    let mut connection = caller.connect().await?;
    let mut seen = Seen::new(&caller);
    caller.read(&mut connection, &mut seen, &mut Report::default()).await?;
    seen.check(caller.tokens)?;
    stage.agrees(&seen.text);
    Ok(())
}

/// A caller.
pub struct Caller {
    target: SocketAddr,
    dialect: Dialect,
    request: Vec<u8>,
    tokens: u64,
    /// Time between two frames; None = unpaced.
    interval: Option<Duration>,
    /// Streams fall silent and do not end.
    stalls: bool,
    /// The name in quotes, which the frames that name a model must contain.
    model: Vec<u8>,
    connection: Option<TcpStream>,
    stage: Rc<Stage>,
    /// Has a stream of this caller begun?
    opened: bool,
}

impl Caller {
    pub fn new(settings: &Settings, stage: Rc<Stage>) -> Self {
        let answers = settings.answers.as_ref().unwrap_or(&settings.model);
        Caller {
            target: settings.target,
            dialect: settings.dialect,
            request: request(settings, settings.target, &settings.model, settings.tps),
            tokens: settings.tokens.into(),
            interval: (settings.tps > 0).then(|| Duration::from_secs(1) / settings.tps),
            stalls: settings.stall,
            model: format!("\"{answers}\"").into_bytes(),
            connection: None,
            stage,
            opened: false,
        }
    }

    /// Asks for one stream and reads it to its end; one that stalls, to the end of the window.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn stream(&mut self, report: &mut Report) -> Result<(), String> {
        let mut connection = self.connect().await?;
        let mut seen = Seen::new(self);
        if self.stalls {
            let stage = Rc::clone(&self.stage);
            tokio::select! {
                ended = self.read(&mut connection, &mut seen, report) => {
                    return ended.and(Err("a stream that stalls has ended".to_owned()));
                }
                () = stage.ended() => {}
            }
            report.streams += u64::from(seen.content >= STALLS_AFTER);
            return if seen.content >= STALLS_AFTER {
                Ok(())
            } else {
                Err("a stream never began".to_owned())
            };
        }
        self.read(&mut connection, &mut seen, report).await?;
        seen.check(self.tokens)?;
        if !self.stage.agrees(&seen.text) {
            return Err("a stream said something else than the provider".to_owned());
        }
        report.streams += 1;
        self.connection = Some(connection);
        Ok(())
    }

    /// The connection there is, or a new one.
    async fn connect(&mut self) -> Result<TcpStream, String> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => connect(self.target).await.map_err(|error| format!("connecting: {error}")),
        }
    }

    /// Sends the request and reads what comes.
    async fn read(
        &mut self,
        from: &mut TcpStream,
        seen: &mut Seen,
        report: &mut Report,
    ) -> Result<(), String> {
        from.write_all(&self.request).await.map_err(|error| format!("writing: {error}"))?;
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
            let taken = self.frames(seen, &body, now, report)?;
            body.drain(..taken);
        }
        if body.is_empty() && input.is_empty() { Ok(()) } else { Err("bytes after the end".to_owned()) }
    }

    /// Looks at every whole frame in `body`; the bytes they take.
    fn frames(
        &mut self,
        seen: &mut Seen,
        body: &[u8],
        now: Instant,
        report: &mut Report,
    ) -> Result<usize, String> {
        let mut at = 0;
        while let Some(rest) = body.get(at..) {
            // LiteLLM ends its streams with an empty line too many.
            if seen.terminators > 0 && rest.starts_with(b"\n") {
                at += 1;
                continue;
            }
            let Some(length) = memmem::find(rest, b"\n\n") else { break };
            self.frame(seen, rest.get(..length).unwrap_or_default(), now, report)?;
            at += length + 2;
        }
        Ok(at)
    }

    fn frame(
        &mut self,
        seen: &mut Seen,
        frame: &[u8],
        now: Instant,
        report: &mut Report,
    ) -> Result<(), String> {
        if seen.terminators > 0 {
            return Err("a frame after the terminator".to_owned());
        }
        if memmem::find(frame, b"\"model\"").is_some() && memmem::find(frame, &self.model).is_none() {
            return Err("a frame names another model".to_owned());
        }
        if memmem::find(frame, b"data: ").is_some() && !frame.ends_with(b"}") && !frame.ends_with(b"[DONE]") {
            return Err("a frame is cut off".to_owned());
        }
        if seen.say(said(self.dialect, frame).unwrap_or_default()) {
            seen.time(now, self.stage.in_window(), report);
            report.frames += 1;
            self.stage.count();
            if !std::mem::replace(&mut self.opened, true) {
                self.stage.opened();
            }
        }
        let terminator = match self.dialect {
            Dialect::Openai => &b"data: [DONE]"[..],
            Dialect::Anthropic => &b"event: message_stop"[..],
        };
        seen.terminators += u64::from(frame.starts_with(terminator));
        Ok(())
    }
}

async fn connect(target: SocketAddr) -> std::io::Result<TcpStream> {
    let connection = TcpStream::connect(target).await?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

/// What has been seen of one stream.
struct Seen {
    dechunker: Dechunker,
    interval: Option<Duration>,
    began: Instant,
    last: Option<Instant>,
    content: u64,
    terminators: u64,
    text: Vec<u8>,
}

impl Seen {
    fn new(caller: &Caller) -> Self {
        Seen {
            dechunker: Dechunker::default(),
            interval: caller.interval,
            began: Instant::now(),
            last: None,
            content: 0,
            terminators: 0,
            text: Vec::new(),
        }
    }

    /// Keeps the text of a frame; whether there was any.
    fn say(&mut self, text: &[u8]) -> bool {
        self.text.extend_from_slice(text);
        !text.is_empty()
    }

    /// The provider sends frame `k` (from 0) at `k` intervals after the request.
    fn time(&mut self, now: Instant, in_window: bool, report: &mut Report) {
        let scheduled = self.interval.map(|interval| self.began + interval.mul_f64(self.content as f64));
        match (scheduled, self.last) {
            (Some(scheduled), Some(last)) if in_window => {
                report.delays.push(micros(now.saturating_duration_since(scheduled)));
                report.gaps.push(micros(now - last));
            }
            (_, None) => report.first.push(micros(now - self.began)),
            _ => {}
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

/// The text of a content frame, as it is escaped there. Nothing in the simulated provider's text needs escaping.
fn said(dialect: Dialect, frame: &[u8]) -> Option<&[u8]> {
    let member = match dialect {
        Dialect::Openai => &b"\"content\":"[..],
        Dialect::Anthropic if memmem::find(frame, b"\"text_delta\"").is_some() => &b"\"text\":"[..],
        Dialect::Anthropic => return None,
    };
    let at = memmem::find(frame, member)? + member.len();
    let text = frame.get(at..)?.trim_ascii_start().strip_prefix(b"\"")?;
    text.get(..memchr::memchr(b'"', text)?)
}

/// The request for one stream of a model at a pace.
fn request(settings: &Settings, target: SocketAddr, model: &str, tps: u32) -> Vec<u8> {
    let stall = if settings.stall { format!(" stall={STALLS_AFTER}") } else { String::new() };
    let prompt = format!("Say something. [[sim tokens={} tps={tps}{stall}]]", settings.tokens);
    let messages = serde_json::json!([{"role": "user", "content": prompt}]);
    let (path, body) = match settings.dialect {
        Dialect::Openai => (
            "/v1/chat/completions",
            serde_json::json!({"model": model, "stream": true, "messages": messages}),
        ),
        Dialect::Anthropic => (
            "/v1/messages",
            serde_json::json!({
                "model": model, "stream": true, "max_tokens": settings.tokens, "messages": messages
            }),
        ),
    };
    let own = settings.path.as_deref().filter(|_| target == settings.target);
    post(target, own.unwrap_or(path), &settings.key, &settings.header, body.to_string().as_bytes())
}

const READ: usize = 64 * 1024;
/// Content frames of a stream that stalls.
const STALLS_AFTER: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_found_however_a_frame_is_spelled() {
        let openai = |frame: &'static str| said(Dialect::Openai, frame.as_bytes());
        assert_eq!(openai(r#"data: {"choices":[{"delta":{"content":" is"}}]}"#), Some(&b" is"[..]));
        assert_eq!(
            openai(r#"data: {"choices": [{"delta": {"role": "a", "content": " is"}}]}"#),
            Some(&b" is"[..])
        );
        assert_eq!(openai(r#"data: {"choices":[{"delta":{"content":""}}]}"#), Some(&b""[..]));
        assert_eq!(openai(r#"data: {"choices":[{"delta":{"content":null}}]}"#), None);
        let anthropic = |frame: &'static str| said(Dialect::Anthropic, frame.as_bytes());
        assert_eq!(anthropic(r#"data: {"delta":{"type":"text_delta","text":"This"}}"#), Some(&b"This"[..]));
        assert_eq!(anthropic(r#"data: {"content_block":{"type":"text","text":"x"}}"#), None);
    }
}
