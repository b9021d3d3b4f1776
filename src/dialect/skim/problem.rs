//! Reads error bodies of any provider. Tolerant throughout: an error about an error helps nobody.

use super::{count, first_element, is_object, lookup, string, text, value};
use crate::dialect::Problem;

/// What an error body says, in whichever of the known shapes it is written:
///
/// - `{"error":{"message","type","code","param"}}` — OpenAI and everything compatible
/// - `{"error":"text"}`, `{"message":"text"}`, `{"detail":"text"}`, `{"detail":[{"msg":"text"}]}` — Ollama,
///   Mistral, FastAPI servers
/// - `[{"error":{"code":400,"message","status":"INVALID_ARGUMENT"}}]` — Google, also without the array
/// - `{"type":"error","error":{"type","message"}}` — Anthropic
///
/// Anything else is an empty problem. `native` is left false: only a dialect knows its own envelope.
pub fn read(body: &[u8]) -> Problem {
    let body = body.trim_ascii();
    let top = first_element(body).unwrap_or(body);
    let error = value(top, &["error"]).filter(|error| is_object(error));
    let inner = error.unwrap_or(top);
    Problem {
        status: status(inner).or_else(|| status(top)),
        message: message(top, inner),
        kind: string(inner, &["type"]).or_else(|| string(inner, &["status"])).map(|kind| cut(&kind)),
        code: word(inner, "code"),
        param: word(inner, "param"),
        ..Problem::default()
    }
}

/// Does the body hold an error object with these members, all strings?
pub fn has_strings(body: &[u8], names: &[&str]) -> bool {
    names.iter().all(|name| string(body, &["error", name]).is_some())
}

/// Cuts a provider's text to [`LONGEST`] bytes on a character boundary and marks the cut.
pub fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let room = LONGEST - MARK.len();
    let fits = |(start, c): &(usize, char)| start + c.len_utf8() <= room;
    text.char_indices().take_while(fits).map(|(_, c)| c).chain(MARK.chars()).collect()
}

fn message(top: &[u8], inner: &[u8]) -> Option<String> {
    let detail = value(top, &["detail"]).and_then(|detail| first_element(detail));
    string(inner, &["message"])
        .or_else(|| string(top, &["error"]))
        .or_else(|| string(top, &["message"]))
        .or_else(|| string(top, &["detail"]))
        .or_else(|| detail.and_then(|first| string(first, &["msg"]).or_else(|| text(first))))
        .map(|message| cut(&message))
}

/// A status named by number, as `code` or `status`.
fn status(object: &[u8]) -> Option<u16> {
    let number = |name| value(object, &[name]).and_then(count).filter(|code| (400..600).contains(code));
    number("code").or_else(|| number("status")).and_then(|code| u16::try_from(code).ok())
}

/// A string member, or a number by its digits.
fn word(object: &[u8], name: &str) -> Option<String> {
    let value = lookup(object, &[name]).and_then(|place| object.get(place))?;
    text(value).map(|word| cut(&word)).or_else(|| count(value).map(|number| number.to_string()))
}

/// Longest string kept of a provider's error, the mark included. Bytes.
const LONGEST: usize = 1024;
const MARK: &str = "…";

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: Option<u16>, fields: [Option<&str>; 4]) -> Problem {
        let [message, kind, code, param] = fields.map(|field| field.map(str::to_owned));
        Problem { status, message, kind, code, param, ..Problem::default() }
    }

    #[test]
    fn every_known_shape_is_read() {
        let table = [
            (
                r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#,
                problem(None, [Some("m"), Some("t"), Some("c"), Some("p")]),
            ),
            (r#"{"error":{"message":"m","code":null}}"#, problem(None, [Some("m"), None, None, None])),
            (
                r#"{"error":{"message":"m","code":429}}"#,
                problem(Some(429), [Some("m"), None, Some("429"), None]),
            ),
            (r#"{"error":{"message":"m","code":7}}"#, problem(None, [Some("m"), None, Some("7"), None])),
            (r#"{"error":"model not found"}"#, problem(None, [Some("model not found"), None, None, None])),
            (r#"{"detail":"no"}"#, problem(None, [Some("no"), None, None, None])),
            (
                r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
                problem(None, [Some("field required"), None, None, None]),
            ),
            (
                r#"{"object":"error","message":"m","type":"invalid","code":1000}"#,
                problem(None, [Some("m"), Some("invalid"), Some("1000"), None]),
            ),
            (r#"{"message":"m","status":503}"#, problem(Some(503), [Some("m"), None, None, None])),
            (r#"{"error":{"message":"m"},"status":502}"#, problem(Some(502), [Some("m"), None, None, None])),
            (
                r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#,
                problem(Some(400), [Some("m"), Some("INVALID_ARGUMENT"), Some("400"), None]),
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#,
                problem(None, [Some("Overloaded"), Some("overloaded_error"), None, None]),
            ),
        ];
        for (body, expected) in table {
            assert_eq!(read(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_error_body_gives_an_empty_problem() {
        for body in
            ["", "<html><body>502</body></html>", "null", "[]", "[[]]", "{", "\"text\"", "{\"error\":5}"]
        {
            assert_eq!(read(body.as_bytes()), Problem::default(), "{body}");
        }
        assert_eq!(read(&[0xff, 0xfe, b'{']), Problem::default());
    }

    #[test]
    fn long_strings_are_cut_on_a_character_and_marked() {
        let long = "é".repeat(LONGEST);
        let short = cut(&long);
        assert!(short.len() <= LONGEST && short.len() > LONGEST - 8, "{}", short.len());
        assert!(short.ends_with("é…"));
        assert_eq!(cut("short"), "short");
        let body = format!("{{\"error\":{{\"message\":\"{long}\",\"code\":\"{long}\"}}}}");
        let problem = read(body.as_bytes());
        assert_eq!(problem.message.as_deref(), Some(short.as_str()));
        assert_eq!(problem.code.as_deref(), Some(short.as_str()));
    }
}
