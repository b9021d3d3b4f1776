//! Which headers travel, in both directions.
//!
//! Towards a provider everything the caller sent passes, so that new vendor headers work the day they
//! appear, except what belongs to one connection, what identifies or locates the caller, and every
//! credential: the caller's own never leaves the gateway. Towards the caller only what is listed comes back.

use crate::document::header::is_reserved;

/// May this caller header (lower case) be passed to a provider?
pub fn forwards(name: &str) -> bool {
    !is_reserved(name) && !is_of_one_connection(name) && !is_kept(name)
}

/// May it be passed along with several requests made of the caller's one? What names that one would name them all.
pub fn forwards_to_several(name: &str) -> bool {
    forwards(name) && name != "idempotency-key"
}

/// Does it belong to one connection or one message, so that it must be made anew for the next? `name` in lower
/// case.
pub fn is_of_one_connection(name: &str) -> bool {
    matches!(
        name,
        "accept"
            | "accept-encoding"
            | "connection"
            | "content-encoding"
            | "content-length"
            | "content-type"
            | "expect"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-connection"
            | "set-cookie"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Does a caller's header (lower case) mean something to providers of one dialect alone?
pub fn is_of_one_dialect(name: &str) -> bool {
    name.starts_with("anthropic-") || name.starts_with("openai-") || name.starts_with("x-goog-")
}

/// May this provider header (lower case) be passed to the caller?
pub fn returns(name: &str) -> bool {
    // Nearly all others are told apart by their first letter.
    match name.as_bytes().first() {
        Some(b'r') => matches!(name, "request-id" | "retry-after" | "retry-after-ms"),
        Some(b'x') => name.starts_with("x-ratelimit-") || matches!(name, "x-request-id" | "x-should-retry"),
        Some(b'o') => name.starts_with("openai-") && !names_the_account(name),
        Some(b'a') => name.starts_with("anthropic-") && !names_the_account(name),
        _ => false,
    }
}

/// Does it stay in the gateway: the caller's account at a vendor, its whereabouts, its own tracing?
fn is_kept(name: &str) -> bool {
    let kept = matches!(
        name,
        "openai-organization"
            | "openai-project"
            | "forwarded"
            | "origin"
            | "referer"
            | "traceparent"
            | "tracestate"
            | "user-agent"
            | "via"
            | "x-real-ip"
            | "x-request-id"
    );
    kept || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Would it name the operator's account to the callers?
fn names_the_account(name: &str) -> bool {
    matches!(name, "openai-organization" | "openai-project" | "anthropic-organization-id")
}

/// Does it tell the caller when to try again?
pub fn is_retry_hint(name: &str) -> bool {
    matches!(name, "retry-after" | "retry-after-ms" | "x-should-retry")
}

const KEPT_PREFIXES: &[&str] = &["x-aisix-", "x-stainless-", "x-forwarded-", "sec-", "cf-"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_connection_headers_stay_and_unknown_ones_pass() {
        for name in ["authorization", "x-api-key", "cookie", "host", "x-stainless-os", "x-aisix-request-id"] {
            assert!(!forwards(name), "{name}");
        }
        // A second length or encoding would let one caller write another's request.
        for name in ["content-length", "transfer-encoding", "connection", "te", "upgrade", "expect"] {
            assert!(!forwards(name), "{name}");
        }
        for name in ["anthropic-beta", "anthropic-version", "openai-beta", "x-brand-new", "idempotency-key"] {
            assert!(forwards(name), "{name}");
        }
    }

    #[test]
    fn the_callers_never_learn_the_operators_account() {
        assert!(returns("openai-processing-ms") && returns("anthropic-ratelimit-tokens-limit"));
        for name in ["openai-organization", "anthropic-organization-id", "set-cookie", "server", "cf-ray"] {
            assert!(!returns(name), "{name}");
        }
    }
}
