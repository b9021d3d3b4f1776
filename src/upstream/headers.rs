//! Which headers travel, in both directions.
//!
//! Towards a provider everything the caller sent passes, so that new vendor headers work the day they
//! appear, except what belongs to one connection, what identifies or locates the caller, and every
//! credential: the caller's own never leaves the gateway. Towards the caller only what is listed comes back.

use crate::document::header::is_reserved;

/// May this caller header (lower case) be passed to a provider?
pub fn forwards(name: &str) -> bool {
    !is_reserved(name)
        && !is_of_one_connection(name)
        && !KEPT.contains(&name)
        && !KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Does it belong to one connection or one message, so that it must be made anew for the next?
pub fn is_of_one_connection(name: &str) -> bool {
    OF_ONE_CONNECTION.contains(&name)
}

/// May this provider header (lower case) be passed to the caller?
pub fn returns(name: &str) -> bool {
    if ACCOUNT.contains(&name) {
        return false;
    }
    RETURNED.contains(&name) || RETURNED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Does it tell the caller when to try again?
pub fn is_retry_hint(name: &str) -> bool {
    matches!(name, "retry-after" | "retry-after-ms" | "x-should-retry")
}

const KEPT: &[&str] = &[
    // Account identity: the operator's account is the gateway's business, as are the reserved names.
    "openai-organization",
    "openai-project",
    // The caller's whereabouts and its own tracing.
    "forwarded",
    "origin",
    "referer",
    "traceparent",
    "tracestate",
    "user-agent",
    "via",
    "x-real-ip",
    "x-request-id",
];

/// Names that belong to one connection or one message.
const OF_ONE_CONNECTION: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const KEPT_PREFIXES: &[&str] = &["x-aisix-", "x-stainless-", "x-forwarded-", "sec-", "cf-"];

const RETURNED: &[&str] = &["request-id", "x-request-id", "retry-after", "retry-after-ms", "x-should-retry"];

const RETURNED_PREFIXES: &[&str] = &["openai-", "anthropic-", "x-ratelimit-"];

/// These would name the operator's account to its callers.
const ACCOUNT: &[&str] = &["openai-organization", "openai-project", "anthropic-organization-id"];

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
