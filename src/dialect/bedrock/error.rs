//! Errors: an exception's name, and `{"message"}`.
//!
//! Names and their statuses: Bedrock API reference, "Converse", "ConverseStreamOutput" and "Common errors". HTTP
//! answers have the name in a header; some also have it in the body, as `__type`, with a namespace before it.

use std::borrow::Cow;

use crate::dialect::Problem;
use crate::dialect::frame::eventstream;
use crate::dialect::json::Object;
use crate::dialect::skim::{self, problem, strict};
use crate::error::Error;

/// An upstream's error body.
pub fn read(status: u16, body: &[u8]) -> Problem {
    let name = ["__type", "code"].iter().find_map(|member| skim::string(body, &[member]));
    let row = name.as_deref().map(bare).and_then(by_name).or_else(|| by_status(status));
    let kind = name.as_deref().map(bare).or(row.map(|row| row.name));
    Problem {
        status: row.map(|row| row.status).or((status != 0).then_some(status)),
        message: message(body).or_else(|| problem::read(body).message),
        kind: kind.map(problem::cut),
        code: row.and_then(|row| row.code).map(str::to_owned),
        param: None,
        native: skim::string(body, &["message"]).is_some() && strict::is_object(body),
        ..Problem::default()
    }
}

/// An exception inside a stream.
pub fn read_in_band(name: &str, data: &str) -> Problem {
    let row = by_name(name);
    let original = skim::value(data.as_bytes(), &["originalStatusCode"]).and_then(skim::count);
    let original = original.and_then(|status| u16::try_from(status).ok()).filter(|status| *status >= 400);
    let status = match row {
        // What failed is the model, behind Bedrock.
        Some(row) if row.status == MODEL_FAILED => Some(original.unwrap_or(502)),
        Some(row) => Some(row.status),
        None => Some(500),
    };
    Problem {
        status,
        message: skim::string(data.as_bytes(), &["originalMessage"])
            .filter(|_| original.is_some())
            .map(|text| problem::cut(&text))
            .or_else(|| message(data.as_bytes())),
        kind: Some(problem::cut(name)),
        code: row.and_then(|row| row.code).map(str::to_owned),
        param: None,
        native: false,
        ..Problem::default()
    }
}

/// An error as a whole answer. Its name belongs into a header, which is not ours to write; clients read it here too.
pub fn write(error: &Error) -> Vec<u8> {
    let mut out = Vec::new();
    Object::new(&mut out).text("__type", by_answer(error.status()).name).text("message", &error.message);
    out
}

/// An error inside a stream.
pub fn write_exception(error: &Error, out: &mut Vec<u8>) {
    let row = by_answer(error.status());
    eventstream::write_exception(out, &in_stream(row), |out| {
        Object::new(out).text("message", &error.message);
    });
}

/// Streams know five exceptions, and write them with a small letter.
fn in_stream(row: &Row) -> Cow<'static, str> {
    match row.status {
        400..=404 => "validationException".into(),
        408 | MODEL_FAILED => "modelStreamErrorException".into(),
        429 => "throttlingException".into(),
        503 => "serviceUnavailableException".into(),
        _ => "internalServerException".into(),
    }
}

/// `message`, or `Message` as some of Amazon's services write it.
fn message(body: &[u8]) -> Option<String> {
    let text = ["message", "Message"].iter().find_map(|name| skim::string(body, &[name]))?;
    Some(problem::cut(&text))
}

/// `com.amazon.coral.service#ThrottlingException:http://…` without what stands around the name.
fn bare(name: &str) -> &str {
    let name = name.rsplit_once('#').map_or(name, |(_, name)| name);
    name.split_once(':').map_or(name, |(name, _)| name)
}

fn by_name(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name.eq_ignore_ascii_case(name))
}

fn by_status(status: u16) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.status == status)
}

/// The exception that is nearest to a status of ours.
fn by_answer(status: u16) -> &'static Row {
    let nearest = match status {
        401 | 403 => 403,
        404 | 408 | 429 | 503 => status,
        400..=499 => 400,
        504 => 408,
        _ => 500,
    };
    by_status(nearest).unwrap_or(&ROWS[0])
}

struct Row {
    name: &'static str,
    status: u16,
    /// The code by which callers of other dialects know it.
    code: Option<&'static str>,
}

const fn row(name: &'static str, status: u16, code: Option<&'static str>) -> Row {
    Row { name, status, code }
}

/// The first of a status is the one that a bare status stands for.
static ROWS: &[Row] = &[
    row("InternalServerException", 500, None),
    row("InternalFailure", 500, None),
    row("ValidationException", 400, None),
    row("ServiceQuotaExceededException", 400, Some("insufficient_quota")),
    row("AccessDeniedException", 403, Some("permission_denied")),
    row("UnrecognizedClientException", 403, Some("permission_denied")),
    row("InvalidSignatureException", 403, Some("permission_denied")),
    row("ExpiredTokenException", 403, Some("permission_denied")),
    row("ResourceNotFoundException", 404, Some("model_not_found")),
    row("ModelTimeoutException", 408, Some("timeout")),
    row("ModelErrorException", MODEL_FAILED, Some("model_error")),
    row("ModelStreamErrorException", MODEL_FAILED, Some("stream_error")),
    row("ThrottlingException", 429, Some("rate_limit_exceeded")),
    row("ModelNotReadyException", 429, Some("model_not_ready")),
    row("ServiceUnavailableException", 503, Some("overloaded")),
];

const MODEL_FAILED: u16 = 424;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn an_exception_is_told_by_its_name_or_by_its_status() {
        let table = [
            (400, r#"{"message":"m"}"#, 400, "ValidationException", None, "m"),
            (429, r#"{"Message":"m"}"#, 429, "ThrottlingException", Some("rate_limit_exceeded"), "m"),
            (
                400,
                r#"{"__type":"com.amazon.coral.service#ServiceQuotaExceededException:http://x/","message":"m"}"#,
                400,
                "ServiceQuotaExceededException",
                Some("insufficient_quota"),
                "m",
            ),
            (
                403,
                r#"{"__type":"AccessDeniedException","message":"m"}"#,
                403,
                "AccessDeniedException",
                Some("permission_denied"),
                "m",
            ),
            (418, r#"{"__type":"TeapotException","message":"m"}"#, 418, "TeapotException", None, "m"),
        ];
        for (status, body, read_status, kind, code, message) in table {
            let problem = read(status, body.as_bytes());
            assert_eq!(problem.status, Some(read_status), "{body}");
            assert_eq!(problem.kind.as_deref(), Some(kind), "{body}");
            assert_eq!(
                (problem.code.as_deref(), problem.message.as_deref()),
                (code, Some(message)),
                "{body}"
            );
        }
        assert_eq!(read(502, b"<html>").message, None);
    }

    #[test]
    fn an_exception_in_a_stream_has_the_status_it_would_have_had_before() {
        let table = [
            ("throttlingException", r#"{"message":"m"}"#, 429, "m"),
            ("validationException", r#"{"message":"m"}"#, 400, "m"),
            ("serviceUnavailableException", r#"{"message":"m"}"#, 503, "m"),
            ("internalServerException", r#"{"message":"m"}"#, 500, "m"),
            ("modelStreamErrorException", r#"{"message":"m"}"#, 502, "m"),
            (
                "modelStreamErrorException",
                r#"{"message":"m","originalStatusCode":429,"originalMessage":"slow down"}"#,
                429,
                "slow down",
            ),
            ("somethingElse", r#"{"message":"m"}"#, 500, "m"),
        ];
        for (name, data, status, message) in table {
            let problem = read_in_band(name, data);
            assert_eq!((problem.status, problem.message.as_deref()), (Some(status), Some(message)), "{name}");
        }
        assert_eq!(read_in_band("throttlingException", "").status, Some(429));
    }

    #[test]
    fn errors_of_ours_get_the_nearest_name() {
        let name = |kind| String::from_utf8(write(&Error::new(kind, "what \"happened\""))).expect("UTF-8");
        assert_eq!(
            name(Kind::RateLimited),
            r#"{"__type":"ThrottlingException","message":"what \"happened\""}"#
        );
        assert!(name(Kind::Unauthenticated).contains("AccessDeniedException"));
        assert!(name(Kind::UpstreamFailed).contains("InternalServerException"));
        assert!(name(Kind::BodyTooLarge).contains("ValidationException"));
        assert!(name(Kind::UpstreamTimeout).contains("ModelTimeoutException"));
    }
}
