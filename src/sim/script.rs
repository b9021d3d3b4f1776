//! How one request is to be answered: the settings, overridden by `x-sim-*` headers, overridden by the
//! `[[sim …]]` directive of the last user message.
//!
//! | name | value | meaning |
//! |---|---|---|
//! | `tokens` | number | length of the answer |
//! | `ttft-ms` | number | milliseconds before the first byte of the answer |
//! | `tps` | number | tokens per second, 0 for no pacing |
//! | `chunk-tokens` | number | tokens per stream frame |
//! | `status` | 200, or 400 to 599 | answer with this error; 200 answers where the settings would fail |
//! | `retry-after` | number | seconds in the `retry-after` header of an error |
//! | `stall`, `hangup` | place | fall silent / close the connection there |
//! | `malformed` | place | one broken frame there, or a broken body |
//! | `error` | place | the dialect's error frame there, and nothing after it (streams only) |
//! | `tool` | name, or `none` | call this tool of the request / answer with text although there are tools |
//! | `calls` | number | call the tool this many times |
//! | `parallel` | – | call every tool of the request, each once |
//! | `preamble` | – | say something before the tool call |
//! | `cached` | number | prompt tokens reported as read from the provider's cache |
//! | `think` | number | tokens of thinking, where the request lets the model think |
//!
//! A place is `head` (before any byte of the answer) or the number of content frames that come first; without
//! a value it is after two frames. A whole JSON answer has two places: its head and its middle.

use std::time::Duration;

use super::settings::Settings;

/// Everything that shapes one answer besides the request itself.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) ttft: Duration,
    /// Tokens per second; 0 is unpaced.
    pub(super) tps: u32,
    pub(super) chunk_tokens: u32,
    pub(super) tokens: u32,
    /// The error status to answer with.
    pub(super) status: Option<u16>,
    /// Seconds.
    pub(super) retry_after: Option<u32>,
    pub(super) fault: Option<Fault>,
    pub(super) tool: ToolWish,
    pub(super) calls: u32,
    pub(super) preamble: bool,
    pub(super) cached: u64,
    /// Every tool of the request is called.
    pub(super) parallel: bool,
    /// Tokens of thinking.
    pub(super) think: Option<u32>,
}

/// What goes wrong, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FaultKind {
    Stall,
    Hangup,
    Malformed,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// Before any byte of the answer.
    Head,
    /// After this many content frames.
    Frames(usize),
}

/// Which tool the script wants called.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ToolWish {
    /// The one the request names, else its first.
    Any,
    None,
    Named(String),
}

impl Script {
    /// The script of a request that is not a model call: no faults, no delay.
    pub(super) fn plain(settings: &Settings) -> Script {
        Script {
            ttft: Duration::ZERO,
            tps: settings.tps,
            chunk_tokens: settings.chunk_tokens,
            tokens: settings.tokens,
            status: None,
            retry_after: None,
            fault: None,
            tool: ToolWish::Any,
            calls: 1,
            preamble: false,
            cached: 0,
            parallel: false,
            think: None,
        }
    }

    /// The script of the `nth` model call (from 1), faults included.
    pub(super) fn of_call(settings: &Settings, nth: u64) -> Script {
        let due = |every: u64| every > 0 && nth.is_multiple_of(every);
        let kind = if due(settings.stall_every) {
            Some(FaultKind::Stall)
        } else if due(settings.hangup_every) {
            Some(FaultKind::Hangup)
        } else if due(settings.malformed_every) {
            Some(FaultKind::Malformed)
        } else {
            None
        };
        Script {
            ttft: settings.ttft,
            status: settings.error_status.filter(|_| due(settings.error_every)),
            fault: kind.map(|kind| Fault { kind, place: DEFAULT_PLACE }),
            ..Script::plain(settings)
        }
    }

    /// Overrides one value; the error says what is wrong with it.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "tokens" => self.tokens = number(name, value, MAX_TOKENS)?,
            "ttft-ms" => self.ttft = Duration::from_millis(number(name, value, u32::MAX)?.into()),
            "tps" => self.tps = number(name, value, u32::MAX)?,
            "chunk-tokens" => self.chunk_tokens = number(name, value, MAX_TOKENS)?.max(1),
            "status" => self.status = status(value)?,
            "retry-after" => self.retry_after = Some(number(name, value, u32::MAX)?),
            "stall" => self.fault = fault(FaultKind::Stall, name, value)?,
            "hangup" => self.fault = fault(FaultKind::Hangup, name, value)?,
            "malformed" => self.fault = fault(FaultKind::Malformed, name, value)?,
            "error" => self.fault = fault(FaultKind::Error, name, value)?,
            "tool" if value == "none" => self.tool = ToolWish::None,
            "tool" => self.tool = ToolWish::Named(value.to_owned()),
            "calls" => self.calls = number(name, value, MAX_CALLS)?.max(1),
            "preamble" => self.preamble = value != "0",
            "cached" => self.cached = number(name, value, u32::MAX)?.into(),
            "parallel" => self.parallel = value != "0",
            "think" => self.think = Some(number(name, value, MAX_TOKENS)?),
            _ => return Err(format!("the simulated provider knows no `{name}`")),
        }
        Ok(())
    }

    /// Overrides every `name=value` of a directive's inside.
    pub(super) fn direct(&mut self, directive: &str) -> Result<(), String> {
        directive.split_whitespace().try_for_each(|word| {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            self.set(name, value)
        })
    }

    /// Whether the answer takes time, so that the clock must be read.
    pub(super) fn is_paced(&self) -> bool {
        self.tps > 0 || !self.ttft.is_zero()
    }

    /// When `tokens` tokens have been spoken, counted from the arrival of the request.
    pub(super) fn due_after(&self, tokens: u64) -> Duration {
        let speaking = match self.tps {
            0 => Duration::ZERO,
            tps => Duration::from_nanos(tokens.saturating_mul(1_000_000_000) / u64::from(tps)),
        };
        self.ttft.saturating_add(speaking)
    }
}

/// The inside of the first `[[sim …]]` in a text.
pub(super) fn directive_in(text: &str) -> Option<&str> {
    let start = memchr::memmem::find(text.as_bytes(), OPENING.as_bytes())? + OPENING.len();
    let inside = text.get(start..)?;
    inside.get(..inside.find("]]")?)
}

fn number(name: &str, value: &str, most: u32) -> Result<u32, String> {
    match value.parse::<u32>() {
        Ok(number) if number <= most => Ok(number),
        _ => Err(format!("`{name}` of the simulated provider must be a number from 0 to {most}")),
    }
}

fn status(value: &str) -> Result<Option<u16>, String> {
    match value.parse::<u16>() {
        Ok(200) => Ok(None),
        Ok(code) if (400..=599).contains(&code) => Ok(Some(code)),
        _ => Err("`status` of the simulated provider must be 200 or from 400 to 599".to_owned()),
    }
}

fn fault(kind: FaultKind, name: &str, value: &str) -> Result<Option<Fault>, String> {
    let place = match value {
        "" | "true" | "yes" => DEFAULT_PLACE,
        "head" => Place::Head,
        "no" | "false" => return Ok(None),
        count => Place::Frames(number(name, count, MAX_TOKENS)? as usize),
    };
    Ok(Some(Fault { kind, place }))
}

const OPENING: &str = "[[sim ";
const DEFAULT_PLACE: Place = Place::Frames(2);
/// Keeps the largest whole answer (this, times 128 choices) within what a test machine can hold.
const MAX_TOKENS: u32 = 1_000_000;
const MAX_CALLS: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_is_found_between_other_words() {
        assert_eq!(directive_in("Hi [[sim tokens=5 tps=100]] there"), Some("tokens=5 tps=100"));
        for text in ["", "[[sim", "[[sim tokens=5]", "[[simple]]", "]] [[sim a"] {
            assert_eq!(directive_in(text), None, "{text}");
        }
    }

    #[test]
    fn every_name_of_the_table_is_understood() {
        let mut script = Script::plain(&Settings::default());
        let all = "tokens=5 ttft-ms=20 tps=100 chunk-tokens=2 status=429 retry-after=3 hangup=4 tool=f calls=2 \
                   preamble cached=7 parallel think=9";
        script.direct(all).expect("all names are known");
        assert_eq!((script.tokens, script.tps, script.chunk_tokens), (5, 100, 2));
        assert_eq!((script.status, script.retry_after), (Some(429), Some(3)));
        assert_eq!(script.fault, Some(Fault { kind: FaultKind::Hangup, place: Place::Frames(4) }));
        assert_eq!((script.tool, script.calls, script.preamble), (ToolWish::Named("f".to_owned()), 2, true));
        assert_eq!((script.ttft, script.cached), (Duration::from_millis(20), 7));
        assert_eq!((script.parallel, script.think), (true, Some(9)));
    }

    #[test]
    fn a_misspelt_override_is_an_error_not_a_silence() {
        let mut script = Script::plain(&Settings::default());
        for word in ["token=5", "tokens=many", "tokens=", "tokens=9999999", "status=302", "stall=soon"] {
            assert!(script.direct(word).is_err(), "{word}");
        }
    }

    #[test]
    fn faults_fall_on_every_nth_call() {
        let settings = Settings {
            error_status: Some(500),
            error_every: 2,
            hangup_every: 3,
            malformed_every: 6,
            ..Settings::default()
        };
        let suffered: Vec<_> = (1..=6)
            .map(|nth| Script::of_call(&settings, nth))
            .map(|script| (script.status, script.fault.map(|fault| fault.kind)))
            .collect();
        let hangup = Some(FaultKind::Hangup);
        assert_eq!(
            suffered,
            [
                (None, None),
                (Some(500), None),
                (None, hangup),
                (Some(500), None),
                (None, None),
                (Some(500), hangup)
            ]
        );
    }

    #[test]
    fn the_pace_does_not_drift() {
        let script = Script { tps: 30, ttft: Duration::from_secs(1), ..Script::plain(&Settings::default()) };
        assert_eq!(script.due_after(30_000), Duration::from_secs(1001));
    }
}
