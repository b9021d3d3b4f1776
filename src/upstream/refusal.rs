//! What an upstream's refusal means to a caller.

use std::time::{Duration, SystemTime};

use super::attempt::{Failure, WholeAnswer, returned_headers};
use super::headers;
use super::passage::Passage;
use super::transport::{Call, Collected, Fields};
use crate::dialect::refusal::meaning;
use crate::dialect::state::is_bound_state_refusal;
use crate::dialect::{Problem, Usage};
use crate::error::{Error, Kind};

/// Reads a refusal: what it means, and, when it is written in the caller's own dialect, the upstream's very words.
pub async fn read_refusal<C: Call>(mut call: C, status: u16, passage: &Passage) -> Failure {
    let mut body = Collected::default();
    let complete = pingora_timeout::timeout(REFUSAL_PATIENCE, async {
        while let Ok(Some(chunk)) = call.chunk().await {
            if body.len() < MAX_REFUSAL_BYTES {
                body.push(chunk);
            } else if body.len() + chunk.len() > MAX_DRAINED_BYTES {
                return false;
            }
        }
        true
    })
    .await
    .unwrap_or(false);
    let body = body.into_bytes();
    let problem = passage.dialect.dialect().read_error(status, &body);
    let error = refusal_error(status, &problem, call.fields());
    let relayed = error.kind == Kind::UpstreamRefused && problem.native && passage.is_native() && complete;
    let native = relayed.then(|| {
        Box::new(WholeAnswer {
            status,
            headers: returned_headers(call.fields()),
            body,
            usage: Usage::default(),
            refused: Some(error.clone()),
            keeps: false,
        })
    });
    let hints = Box::new(call.fields().copied(headers::is_retry_hint));
    if complete {
        call.release().await;
    }
    Failure { hints, native, ..refused(error, status, &problem) }
}

fn refused(error: Error, status: u16, problem: &Problem) -> Failure {
    let bound_state = status == 400 && is_bound_state_refusal(problem);
    Failure { refused_with: Some(status), meaning: meaning(status, problem), bound_state, ..error.into() }
}

/// What a refusal means to the caller. The upstream's opinion of *our* credential is not the caller's 401,
/// and the bodies of server errors stay here.
fn refusal_error(status: u16, problem: &Problem, fields: Fields<'_>) -> Error {
    let error = match status {
        401 => Error::new(
            Kind::UpstreamCredential,
            "the provider refused the gateway's own credential; tell the operator",
        )
        .code("upstream_auth_failed"),
        400..=499 => {
            let message = problem.message.clone().unwrap_or_else(|| format!("upstream returned {status}"));
            let mut error = Error::new(Kind::UpstreamRefused, message).with_status(status);
            error.code = problem.code.clone().map(Into::into);
            error.param = problem.param.clone().map(Into::into);
            error
        }
        _ => Error::new(Kind::UpstreamFailed, format!("upstream returned {status}")),
    };
    let error = error.because(problem.classified(status));
    match retry_after(fields, SystemTime::now()).or(problem.retry_after) {
        Some(seconds) => error.retry_after(seconds),
        None => error,
    }
}

/// An error frame where the first event should have been: the stream never began.
pub fn in_band_failure(problem: &Problem) -> Failure {
    match problem.status {
        Some(status @ 400..=499) => refused(refusal_error(status, problem, Fields::None), status, problem),
        status => {
            let error = Error::new(Kind::UpstreamFailed, "the upstream began its stream with an error")
                .because(problem.classified(0));
            Failure { refused_with: status, ..error.into() }
        }
    }
}

/// Seconds until the upstream wants to be asked again, from `retry-after-ms` or `retry-after`: a number, or a date in one
/// of the three forms of RFC 9110, 5.6.7.
fn retry_after(fields: Fields<'_>, now: SystemTime) -> Option<u32> {
    let number = |name: &str| fields.text(name)?.trim().parse::<f64>().ok();
    let date = || {
        let at = httpdate::parse_http_date(fields.text("retry-after")?.trim()).ok()?;
        // A date in the past means now.
        Some(at.duration_since(now).unwrap_or_default().as_secs_f64())
    };
    let milliseconds = number("retry-after-ms").map(|ms| ms / 1000.0);
    let seconds = milliseconds.or_else(|| number("retry-after")).or_else(date)?;
    (0.0..=MAX_RETRY_AFTER).contains(&seconds).then_some(seconds.ceil() as u32)
}

/// How long the body of a refusal may take.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a refusal that are kept; the rest is read away to save the connection.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;
const MAX_DRAINED_BYTES: usize = 256 * 1024;
/// A day; anything longer is not a hint but a mistake.
const MAX_RETRY_AFTER: f64 = 86_400.0;

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    #[test]
    fn our_own_bad_credential_is_not_the_callers_401() {
        let problem = Problem { message: Some("Incorrect API key sk-xyz".into()), ..Problem::default() };
        let error = refusal_error(401, &problem, Fields::None);
        assert_eq!((error.status(), error.code.as_deref()), (502, Some("upstream_auth_failed")));
        assert!(!error.message.contains("sk-xyz"));
    }

    #[test]
    fn server_errors_hide_their_body_and_keep_their_retry_hint() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static("7"));
        let problem = Problem { message: Some("stack trace".into()), ..Problem::default() };
        let error = refusal_error(503, &problem, Fields::Map(&headers));
        assert_eq!(
            (error.status(), &*error.message, error.retry_after),
            (502, "upstream returned 503", Some(7))
        );
        assert!(error.retryable());
    }

    #[test]
    fn retry_hints_are_read_in_both_spellings_and_bounded() {
        let cases = [
            ("retry-after", "3", Some(3)),
            ("retry-after-ms", "1500", Some(2)),
            ("retry-after", "1e99", None),
            ("retry-after", "-1", None),
            ("retry-after", "soon", None),
        ];
        for (name, value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            let told = retry_after(Fields::Map(&headers), SystemTime::now());
            assert_eq!(told, expected, "{name}: {value}");
        }
    }

    #[test]
    fn retry_hints_are_read_as_dates_of_all_three_forms() {
        // RFC 9110, 5.6.7: all three say 784111777 seconds after 1970.
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let forms =
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
        let ago = |by: u64| date - Duration::from_millis(by);
        let cases = [
            (ago(90_000), Some(90)),
            (ago(1_200), Some(2)),
            (date, Some(0)),
            (date + Duration::from_secs(5), Some(0)),
            (ago(86_401_000), None),
        ];
        for form in forms {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", HeaderValue::from_static(form));
            for (now, expected) in cases {
                assert_eq!(retry_after(Fields::Map(&headers), now), expected, "{form}");
            }
        }
    }
}
