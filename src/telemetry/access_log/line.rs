//! One request as a line of the log.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use crate::telemetry::record::{Attempt, Record};

/// The name of a member as it stands in a line, with all that is around it.
macro_rules! name {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// The members of a line, in their order. What is unknown is left out.
pub fn json_line(lines: &mut Vec<u8>, record: &Record<'_>) {
    let last = record.attempts.last();
    let mut line = JsonLine::begin(lines);
    line.time(name!("timestamp"), record.at);
    line.raw(name!("level"), b"\"INFO\"");
    line.raw(name!("message"), b"\"proxy request completed\"");
    line.text(name!("request_id"), record.request_id);
    line.text_if(name!("trace_id"), record.trace_id);
    line.word(name!("method"), record.method);
    line.word(name!("path"), record.endpoint);
    line.word(name!("http_version"), record.http_version);
    line.number(name!("status"), record.status.into());
    line.millis(name!("latency_ms"), record.duration);
    if let Some(first) = record.first_byte {
        line.millis(name!("first_byte_ms"), first);
    }
    line.millis(name!("upstream_ms"), record.upstream);
    line.millis(name!("added_ms"), record.added());
    line.text_if(name!("model"), record.alias);
    if let Some(last) = last {
        attempt_members(&mut line, last);
    }
    line.text_if(name!("api_key_id"), record.api_key_id);
    if record.stream {
        line.raw(name!("stream"), b"true");
    }
    token_members(&mut line, record);
    line.number(name!("request_bytes"), record.request_bytes);
    line.number(name!("response_bytes"), record.response_bytes);
    if record.attempts.len() > 1 {
        line.raw(name!("attempts"), &attempts_json(record.attempts));
    }
    line.text_if(name!("routing"), record.decision.as_deref());
    if !record.dropped.is_empty() {
        let names: Vec<&str> = record.dropped.iter().map(|(name, _)| *name).collect();
        line.text(name!("dropped_fields"), &names.join(","));
    }
    line.text_if(name!("error_kind"), record.error_kind);
    line.text_if(name!("error"), record.error.as_deref());
    line.end();
}

fn attempt_members(line: &mut JsonLine<'_>, last: &Attempt<'_>) {
    line.text(name!("provider"), last.provider);
    line.text(name!("upstream_model"), last.upstream_model);
    line.text(name!("served_by_model"), last.model);
    line.text(name!("provider_key_id"), last.provider_key_id);
    line.text_if(name!("provider_request_id"), last.provider_request_id);
}

fn token_members(line: &mut JsonLine<'_>, record: &Record<'_>) {
    let tokens = &record.tokens;
    line.number_if(name!("prompt_tokens"), tokens.input);
    line.number_if(name!("completion_tokens"), tokens.output);
    line.number_if(name!("total_tokens"), tokens.total);
    line.number_if(name!("cached_tokens"), tokens.cache_read);
    line.number_if(name!("cache_write_tokens"), tokens.cache_write);
    line.number_if(name!("reasoning_tokens"), tokens.reasoning);
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
                "prompt_tokens": attempt.tokens.input, "completion_tokens": attempt.tokens.output,
            })
        })
        .collect();
    serde_json::Value::Array(list).to_string().into_bytes()
}

/// Writes one JSON object. A line is written for every request, so texts that need no escaping, which is
/// nearly all, are copied as they are. Names come from [`name!`]; where one is written its length is known, so that
/// it takes no call to copy it.
struct JsonLine<'l> {
    out: &'l mut Vec<u8>,
    /// Where it begins.
    begin: usize,
}

impl<'l> JsonLine<'l> {
    /// A line behind those that are there.
    fn begin(out: &'l mut Vec<u8>) -> Self {
        let begin = out.len();
        out.reserve(TYPICAL_LINE_BYTES);
        JsonLine { out, begin }
    }

    /// A text that is known to need no escaping.
    #[inline(always)]
    fn word(&mut self, name: &str, value: &str) {
        debug_assert!(is_plain(value.as_bytes()), "{value}");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'"');
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b'"');
    }

    #[inline(always)]
    fn text(&mut self, name: &str, value: &str) {
        self.out.extend_from_slice(name.as_bytes());
        self.quoted(value);
    }

    #[inline(always)]
    fn text_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    #[inline(always)]
    fn number(&mut self, name: &str, value: u64) {
        self.out.extend_from_slice(name.as_bytes());
        self.digits(value);
    }

    #[inline(always)]
    fn number_if(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.number(name, value);
        }
    }

    /// Milliseconds to the microsecond.
    #[inline(always)]
    fn millis(&mut self, name: &str, value: Duration) {
        self.out.extend_from_slice(name.as_bytes());
        self.thousandths(u64::try_from(value.as_micros()).unwrap_or(u64::MAX));
    }

    /// A time to the millisecond (<https://www.rfc-editor.org/rfc/rfc3339>).
    fn time(&mut self, name: &str, at: SystemTime) {
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'"');
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        SECOND.with_borrow_mut(|(second, text)| {
            if *second != Some(since.as_secs()) {
                *second = Some(since.as_secs());
                let whole = SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs());
                *text = timestamp(whole).split('.').next().unwrap_or_default().to_owned();
            }
            self.out.extend_from_slice(text.as_bytes());
        });
        let [a, b, c] = three_digits(since.subsec_millis().into());
        self.out.extend_from_slice(&[b'.', a, b, c, b'Z', b'"']);
    }

    #[inline(always)]
    fn raw(&mut self, name: &str, json: &[u8]) {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(json);
    }

    fn end(self) {
        // Every name brings a comma; that of the first is where the object opens.
        match self.out.get_mut(self.begin) {
            Some(first) => *first = b'{',
            None => self.out.push(b'{'),
        }
        self.out.extend_from_slice(b"}\n");
    }

    fn quoted(&mut self, value: &str) {
        if is_plain(value.as_bytes()) {
            self.out.push(b'"');
            self.out.extend_from_slice(value.as_bytes());
            self.out.push(b'"');
        } else {
            let written = serde_json::to_writer(&mut *self.out, value);
            debug_assert!(written.is_ok(), "a text always serialises");
        }
    }

    fn thousandths(&mut self, value: u64) {
        self.digits(value / 1000);
        let [a, b, c] = three_digits(value);
        self.out.extend_from_slice(&[b'.', a, b, c]);
    }

    fn digits(&mut self, value: u64) {
        if value < 10 {
            return self.out.push(b'0' + value as u8);
        }
        let [hundreds, tens, ones] = three_digits(value);
        match value {
            ..100 => self.out.extend_from_slice(&[tens, ones]),
            100..1000 => self.out.extend_from_slice(&[hundreds, tens, ones]),
            _ => {
                self.digits(value / 1000);
                self.out.extend_from_slice(&[hundreds, tens, ones]);
            }
        }
    }
}

/// The last three digits of a number.
fn three_digits(number: u64) -> [u8; 3] {
    let number = (number % 1000) as u32;
    [number / 100, number / 10 % 10, number % 10].map(|digit| b'0' + digit as u8)
}

thread_local! {
    /// The text of the second written last, without its fraction.
    static SECOND: RefCell<(Option<u64>, String)> = const { RefCell::new((None, String::new())) };
}

/// Can the text stand in a JSON string as it is? Looks at blocks, the last filled up, which vector instructions do at
/// once.
fn is_plain(text: &[u8]) -> bool {
    let (blocks, rest) = text.as_chunks();
    let mut last = [b' '; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    !blocks.iter().any(has_odd) && !has_odd(&last)
}

/// Is there a control character, a quote or a backslash? With its second bit flipped, a quote is next to the
/// control characters.
#[inline(always)]
fn has_odd(block: &[u8; BLOCK]) -> bool {
    block.iter().fold(false, |found, byte| found | (byte ^ 0x02 < 0x21) | (*byte == b'\\'))
}

pub fn text_line(record: &Record<'_>) -> String {
    let mut line = format!(
        "{} {} {} {} {:.1}ms",
        timestamp(record.at),
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
    line
}

fn timestamp(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// Milliseconds to the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Bytes of a text that are looked at together.
const BLOCK: usize = 16;
const TYPICAL_LINE_BYTES: usize = 1024;

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::telemetry::record::TokenCounts;

    pub fn record() -> Record<'static> {
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
            decision: None,
            duration: Duration::from_micros(1500),
            first_byte: None,
            upstream: Duration::from_micros(1000),
            request_bytes: 10,
            response_bytes: 20,
            dropped: &[],
            over_limit: None,
        }
    }

    #[test]
    fn numbers_are_written_as_json_has_them() {
        for number in
            [0, 9, 10, 99, 100, 999, 1000, 1001, 10_010, 100_100, 1_000_000, 20_000_000_019, u64::MAX]
        {
            let mut digits = Vec::new();
            JsonLine::begin(&mut digits).digits(number);
            assert_eq!(digits, number.to_string().into_bytes());
        }
        let mut written = Vec::new();
        let mut line = JsonLine::begin(&mut written);
        line.number(name!("none"), 0);
        line.number(name!("most"), u64::MAX);
        line.millis(name!("short"), Duration::from_nanos(7_900));
        line.millis(name!("long"), Duration::from_micros(12_345_060));
        line.end();
        let line: serde_json::Value = serde_json::from_slice(&written).expect("json");
        let expected = serde_json::json!({"none": 0, "most": u64::MAX, "short": 0.007, "long": 12345.06});
        assert_eq!(line, expected);
    }

    #[test]
    fn times_are_written_to_the_millisecond_across_seconds() {
        let mut written = Vec::new();
        let mut line = JsonLine::begin(&mut written);
        for (name, millis) in
            [(name!("a"), 1_795_272_551_007), (name!("b"), 1_795_272_551_999), (name!("c"), 0)]
        {
            line.time(name, SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
        }
        line.end();
        let line: serde_json::Value = serde_json::from_slice(&written).expect("json");
        let expected = serde_json::json!({
            "a": "2026-11-21T14:49:11.007Z", "b": "2026-11-21T14:49:11.999Z", "c": "1970-01-01T00:00:00.000Z",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_text_is_plain_wherever_its_odd_byte_is_not() {
        for length in 0..40 {
            let text = "x".repeat(length);
            assert!(is_plain(text.as_bytes()));
            for at in 0..length {
                let mut odd = text.clone().into_bytes();
                odd[at] = b'"';
                assert!(!is_plain(&odd), "{at} of {length}");
            }
        }
    }

    #[test]
    fn a_text_line_stays_one_line() {
        let line = text_line(&record());
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.contains("tokens=3+4"));
    }
}
