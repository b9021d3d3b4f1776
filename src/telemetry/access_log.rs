//! The access log: one line per finished request.
//!
//! Lines are handed to a thread of their own through a bounded channel. A request never waits for the
//! destination: when the channel is full the line is dropped and counted.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use serde::Serialize;

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

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    message: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    method: &'a str,
    path: &'static str,
    http_version: &'static str,
    status: u16,
    latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_ms: Option<f64>,
    upstream_ms: f64,
    added_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    served_by_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_tokens: Option<u64>,
    request_bytes: u64,
    response_bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<AttemptLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct AttemptLine<'a> {
    model: &'a str,
    provider: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    reused: bool,
    ms: f64,
}

fn json_line(record: &Record<'_>) -> Vec<u8> {
    let mut line = Vec::with_capacity(TYPICAL_LINE_BYTES);
    let written = serde_json::to_writer(&mut line, &Line::of(record));
    debug_assert!(written.is_ok(), "plain data always serialises");
    line.push(b'\n');
    line
}

impl<'a> Line<'a> {
    fn of(record: &'a Record<'a>) -> Self {
        let last = record.attempts.last();
        Line {
            timestamp: timestamp(record),
            level: "INFO",
            message: "proxy request completed",
            request_id: record.request_id,
            trace_id: record.trace_id,
            method: record.method,
            path: record.endpoint,
            http_version: record.http_version,
            status: record.status,
            latency_ms: millis(record.duration),
            first_byte_ms: record.first_byte.map(millis),
            upstream_ms: millis(record.upstream),
            added_ms: millis(record.added()),
            model: record.alias,
            provider: last.map(|attempt| attempt.provider.as_str()),
            upstream_model: last.map(|attempt| attempt.upstream_model.as_str()),
            served_by_model: last.map(|attempt| attempt.model.as_str()),
            api_key_id: record.api_key_id,
            provider_request_id: last.and_then(|attempt| attempt.provider_request_id.as_deref()),
            stream: record.stream,
            prompt_tokens: record.tokens.input,
            completion_tokens: record.tokens.output,
            total_tokens: record.tokens.total,
            cached_tokens: record.tokens.cache_read,
            reasoning_tokens: record.tokens.reasoning,
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            attempts: if record.attempts.len() > 1 {
                record.attempts.iter().map(AttemptLine::of).collect()
            } else {
                Vec::new()
            },
            error_kind: record.error_kind,
            error: record.error.as_deref(),
        }
    }
}

impl<'a> AttemptLine<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        AttemptLine {
            model: &attempt.model,
            provider: &attempt.provider,
            outcome: attempt.outcome,
            status: attempt.status,
            reused: attempt.reused,
            ms: millis(attempt.duration),
        }
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
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
    fn a_text_line_stays_one_line() {
        let line = String::from_utf8(text_line(&record())).expect("text");
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.contains("tokens=3+4"));
    }
}
