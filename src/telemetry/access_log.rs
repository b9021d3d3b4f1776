//! The access log: one line per finished request.
//!
//! Lines are handed to a thread of their own through a bounded channel. A request never waits for the
//! destination: when the channel is full the line is dropped and counted.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::record::{Attempt, Record};

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// For a person at a terminal.
    Text,
}

/// The sending half; cheap to share.
pub struct AccessLog {
    lines: SyncSender<Message>,
    format: Format,
    dropped: Arc<AtomicU64>,
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl AccessLog {
    /// Starts the writer thread.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(format: Format, out: Box<dyn Write + Send>) -> std::io::Result<Self> {
        let (lines, inbox) = sync_channel(CAPACITY);
        std::thread::Builder::new().name("access-log".into()).spawn(move || run(&inbox, out))?;
        Ok(AccessLog { lines, format, dropped: Arc::default() })
    }

    /// Hands one line over.
    pub fn write(&self, record: &Record<'_>) {
        let line = match self.format {
            Format::Json => json_line(record),
            Format::Text => text_line(record),
        };
        if self.lines.try_send(Message::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines given up so far.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }

    /// Waits, for a bounded time, until everything handed over so far is written.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.lines.send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(FLUSH_PATIENCE);
        }
    }
}

/// Writes batches. While lines keep coming the thread looks every [`TICK`] instead of being woken for each
/// line, which spares every request a system call; when it is quiet the thread sleeps until the next line.
#[expect(clippy::disallowed_methods, reason = "a thread of our own sleeps")]
fn run(inbox: &Receiver<Message>, mut out: Box<dyn Write + Send>) {
    let mut quiet = 0;
    loop {
        let first = if quiet >= QUIET_TICKS {
            inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            std::thread::sleep(TICK);
            inbox.try_recv().map_err(|error| match error {
                std::sync::mpsc::TryRecvError::Empty => RecvTimeoutError::Timeout,
                std::sync::mpsc::TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            })
        };
        match first {
            Ok(message) => {
                quiet = 0;
                write_batch(message, inbox, &mut out);
            }
            Err(RecvTimeoutError::Timeout) => quiet += 1,
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn write_batch(first: Message, inbox: &Receiver<Message>, out: &mut Box<dyn Write + Send>) {
    let mut batch = Vec::new();
    let mut waiting = Vec::new();
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Line(line) => batch.extend_from_slice(&line),
            Message::Flush(done) => waiting.push(done),
        }
        next = (batch.len() < MAX_BATCH_BYTES).then(|| inbox.try_recv().ok()).flatten();
    }
    // A log that cannot be written must not end the gateway; the lines are lost with their destination.
    let _ = out.write_all(&batch).and_then(|()| out.flush());
    for done in waiting {
        let _ = done.try_send(());
    }
}

/// The members of a line, in their order. What is unknown is left out.
fn json_line(record: &Record<'_>) -> Vec<u8> {
    let last = record.attempts.last();
    let mut line = JsonLine::new();
    line.text("timestamp", &timestamp(record));
    line.text("level", "INFO");
    line.text("message", "proxy request completed");
    line.text("request_id", record.request_id);
    line.text_if("trace_id", record.trace_id);
    line.text("method", record.method);
    line.text("path", record.endpoint);
    line.text("http_version", record.http_version);
    line.number("status", record.status.into());
    line.millis("latency_ms", record.duration);
    if let Some(first) = record.first_byte {
        line.millis("first_byte_ms", first);
    }
    line.millis("upstream_ms", record.upstream);
    line.millis("added_ms", record.added());
    line.text_if("model", record.alias);
    if let Some(last) = last {
        attempt_members(&mut line, last);
    }
    line.text_if("api_key_id", record.api_key_id);
    if record.stream {
        line.raw("stream", b"true");
    }
    token_members(&mut line, record);
    line.number("request_bytes", record.request_bytes);
    line.number("response_bytes", record.response_bytes);
    if record.attempts.len() > 1 {
        line.raw("attempts", &attempts_json(record.attempts));
    }
    line.text_if("error_kind", record.error_kind);
    line.text_if("error", record.error.as_deref());
    line.end()
}

fn attempt_members(line: &mut JsonLine, last: &Attempt<'_>) {
    line.text("provider", last.provider);
    line.text("upstream_model", last.upstream_model);
    line.text("served_by_model", last.model);
    line.text("provider_key_id", last.provider_key_id);
    line.text_if("provider_request_id", last.provider_request_id);
}

fn token_members(line: &mut JsonLine, record: &Record<'_>) {
    let tokens = &record.tokens;
    for (name, count) in [
        ("prompt_tokens", tokens.input),
        ("completion_tokens", tokens.output),
        ("total_tokens", tokens.total),
        ("cached_tokens", tokens.cache_read),
        ("cache_write_tokens", tokens.cache_write),
        ("reasoning_tokens", tokens.reasoning),
    ] {
        if let Some(count) = count {
            line.number(name, count);
        }
    }
}

/// Several tries are rare enough for a tree.
fn attempts_json(attempts: &[Attempt<'_>]) -> Vec<u8> {
    let list: Vec<serde_json::Value> = attempts
        .iter()
        .map(|attempt| {
            serde_json::json!({
                "model": attempt.model, "provider": attempt.provider, "outcome": attempt.outcome,
                "status": attempt.status, "reused": attempt.reused, "ms": millis(attempt.duration),
                "provider_request_id": attempt.provider_request_id,
            })
        })
        .collect();
    serde_json::Value::Array(list).to_string().into_bytes()
}

/// Writes one JSON object. A line is written for every request, so texts that need no escaping, which is
/// nearly all, are copied as they are.
struct JsonLine(Vec<u8>);

impl JsonLine {
    fn new() -> Self {
        let mut line = Vec::with_capacity(TYPICAL_LINE_BYTES);
        line.push(b'{');
        JsonLine(line)
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        let plain = value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
        if plain {
            self.0.push(b'"');
            self.0.extend_from_slice(value.as_bytes());
            self.0.push(b'"');
        } else {
            let written = serde_json::to_writer(&mut self.0, value);
            debug_assert!(written.is_ok(), "a text always serialises");
        }
    }

    fn text_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.digits(value);
    }

    /// Milliseconds to the microsecond.
    fn millis(&mut self, name: &str, value: Duration) {
        self.name(name);
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.digits(micros / 1000);
        let rest = micros % 1000;
        let digit = |place: u64| b'0' + u8::try_from(rest / place % 10).unwrap_or(0);
        self.0.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
    }

    fn raw(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(json);
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn digits(&mut self, mut value: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(value % 10).unwrap_or(0);
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[at..]);
    }
}

fn text_line(record: &Record<'_>) -> Vec<u8> {
    let mut line = format!(
        "{} {} {} {} {:.1}ms",
        timestamp(record),
        record.status,
        record.method,
        record.endpoint,
        millis(record.duration)
    );
    if let Some(alias) = record.alias {
        line.push_str(&format!(" model={alias:?}"));
    }
    if let (Some(input), Some(output)) = (record.tokens.input, record.tokens.output) {
        line.push_str(&format!(" tokens={input}+{output}"));
    }
    if let Some(error) = &record.error {
        line.push_str(&format!(" error={error:?}"));
    }
    line.push_str(&format!(" id={}\n", record.request_id));
    line.into_bytes()
}

fn timestamp(record: &Record<'_>) -> String {
    jiff::Timestamp::try_from(record.at).map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// Milliseconds to the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Lines that may wait for the writer.
const CAPACITY: usize = 16_384;
/// How long a busy writer sleeps between two looks.
const TICK: Duration = Duration::from_millis(5);
/// Empty looks after which the writer waits to be woken.
const QUIET_TICKS: u32 = 100;
const MAX_BATCH_BYTES: usize = 256 * 1024;
const TYPICAL_LINE_BYTES: usize = 640;
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::SystemTime;

    use super::super::record::TokenCounts;
    use super::*;

    struct Sink(std::sync::mpsc::Sender<Vec<u8>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn record() -> Record<'static> {
        Record {
            at: SystemTime::UNIX_EPOCH,
            request_id: "r-1",
            trace_id: None,
            method: "POST",
            endpoint: "/v1/chat/completions",
            inbound_protocol: "openai",
            http_version: "HTTP/1.1",
            status: 200,
            error_kind: None,
            error: None,
            alias: Some("a\"b\nc"),
            model: Some("m"),
            api_key_id: Some("k"),
            auth: None,
            stream: false,
            tokens: TokenCounts { input: Some(3), output: Some(4), ..TokenCounts::default() },
            attempts: &[],
            duration: Duration::from_micros(1500),
            first_byte: None,
            upstream: Duration::from_micros(1000),
            request_bytes: 10,
            response_bytes: 20,
            over_limit: None,
        }
    }

    #[test]
    fn a_line_is_one_json_object_whatever_the_alias_holds() {
        let (sender, receiver) = channel();
        let log = AccessLog::start(Format::Json, Box::new(Sink(sender))).expect("a thread starts");
        log.write(&record());
        log.flush();
        let bytes: Vec<u8> = receiver.try_iter().flatten().collect();
        let text = String::from_utf8(bytes).expect("text");
        assert_eq!(text.matches('\n').count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).expect("json");
        assert_eq!(line["model"], "a\"b\nc");
        assert_eq!(line["latency_ms"], 1.5);
        assert_eq!(line["added_ms"], 0.5);
        assert_eq!(line["timestamp"], "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn numbers_are_written_as_json_has_them() {
        let mut line = JsonLine::new();
        line.number("none", 0);
        line.number("most", u64::MAX);
        line.millis("short", Duration::from_nanos(7_900));
        line.millis("long", Duration::from_micros(12_345_060));
        let line: serde_json::Value = serde_json::from_slice(&line.end()).expect("json");
        let expected = serde_json::json!({"none": 0, "most": u64::MAX, "short": 0.007, "long": 12345.06});
        assert_eq!(line, expected);
    }

    #[test]
    fn a_text_line_stays_one_line() {
        let line = String::from_utf8(text_line(&record())).expect("text");
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.contains("tokens=3+4"));
    }
}
