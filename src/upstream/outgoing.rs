//! A request as it leaves for a target: its path, its headers, its body.

use bytes::Bytes;
use http::HeaderValue;

use super::attempt::Ask;
use super::endpoint::{Endpoint, Unsigned};
use super::headers;
use super::transport::{Headers, Outgoing};
use crate::dialect::DialectId;
use crate::error::Result;

/// A request with a body that is written already.
///
/// # Errors
/// The credential cannot be had.
pub async fn outgoing<'e>(
    endpoint: &'e Endpoint,
    dialect: DialectId,
    upstream_model: &str,
    ask: &Ask<'_>,
    body: Bytes,
) -> Result<Outgoing<'e>> {
    // What a query means belongs to the dialect it was written in.
    let query = ask.query.filter(|query| dialect == ask.dialect && !carries_credential(query));
    let path = endpoint.path(dialect, ask.operation, upstream_model, ask.peek.stream, query);
    let mut headers = outgoing_headers(endpoint, dialect, ask);
    if endpoint.needs_authorizing() {
        endpoint.authorize(&Unsigned { path: &path, body: &body }, &mut headers).await?;
    }
    Ok(Outgoing::post(path, headers, body))
}

/// The gateway's own headers first, then the operator's, then the caller's; nothing overwrites a name that
/// is already there. A caller's headers that belong to one dialect do not reach a target of another.
fn outgoing_headers(endpoint: &Endpoint, dialect: DialectId, ask: &Ask<'_>) -> Headers {
    let fixed = endpoint.fixed(dialect, ask.peek.stream);
    let mut headers = Headers::with_room(fixed.lines().len() + ask.headers.lines().len() + REQUEST_BYTES);
    headers.extend(fixed);
    headers.push_text("x-aisix-request-id", ask.request_id);
    for (name, template) in &endpoint.templates {
        if let Some(value) = filled(template, ask.fill).filter(|_| !headers.contains(name.as_str())) {
            headers.push(name, &value);
        }
    }
    let native = dialect == ask.dialect;
    let listed = |name: &str| {
        (native || !headers::is_of_one_dialect(name))
            && (endpoint.only_headers.is_empty()
                || endpoint.only_headers.iter().any(|glob| glob.matches(name)))
    };
    headers.push_absent_where(ask.headers, listed);
    if dialect == DialectId::Anthropic && !headers.contains("anthropic-version") {
        headers.push_static("anthropic-version", "2023-06-01");
    }
    headers
}

/// A template with every `${name}` filled; none at all if one cannot be.
fn filled(template: &str, fill: &dyn Fn(&str) -> Option<String>) -> Option<HeaderValue> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}')?;
        text.push_str(before);
        text.push_str(&fill(name).filter(|value| !value.is_empty())?);
        rest = tail;
    }
    text.push_str(rest);
    HeaderValue::from_str(&text).ok()
}

/// A query that could hold a key is the caller's secret and stays here.
fn carries_credential(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or(pair).to_ascii_lowercase();
        matches!(name.as_str(), "key" | "api_key" | "api-key" | "apikey" | "access_token" | "token")
    })
}

/// Room for what is added to each request by itself.
const REQUEST_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_fill_completely_or_not_at_all() {
        let fill = |name: &str| match name {
            "request.id" => Some("r-1".to_owned()),
            "evil" => Some("a\r\nb: c".to_owned()),
            "empty" => Some(String::new()),
            _ => None,
        };
        let cases = [
            ("id=${request.id};", Some("id=r-1;")),
            ("plain", Some("plain")),
            ("${unknown}", None),
            ("${empty}", None),
            ("${evil}", None),
            ("${request.id", None),
        ];
        for (template, expected) in cases {
            let value = filled(template, &fill);
            assert_eq!(value.as_ref().map(HeaderValue::as_bytes), expected.map(str::as_bytes), "{template}");
        }
    }

    #[test]
    fn a_query_with_a_key_in_it_does_not_travel() {
        assert!(!carries_credential("beta=true"));
        for query in ["key=abc", "beta=true&API_KEY=x", "access_token=1"] {
            assert!(carries_credential(query), "{query}");
        }
    }
}
