//! Credential to caller.
//!
//! A key is looked up by its SHA-256: equal work for every token, nothing compared byte by byte, and the
//! plaintext is neither stored nor logged anywhere.

use std::sync::Arc;
use std::time::SystemTime;

use crate::error::{Error, Kind, Result};
use crate::resources::{ApiKey, Snapshot, sha256};

/// Who is asking.
#[derive(Clone, Debug)]
pub struct Caller {
    pub key: Arc<ApiKey>,
}

/// The credential headers of a request, as they came.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    pub authorization: Option<&'a [u8]>,
    pub x_api_key: Option<&'a [u8]>,
}

/// The caller behind the credentials. `Authorization: Bearer` is preferred; `x-api-key` counts only when
/// there is no `Authorization` at all, so that a malformed one is never silently passed over.
///
/// # Errors
/// `Unauthenticated`, with a code when the key is known but disabled or expired.
pub fn identify(snapshot: &Snapshot, credentials: Credentials<'_>, now: SystemTime) -> Result<Caller> {
    let token = token(credentials)?;
    let key = snapshot
        .caller_key(&sha256(token))
        .ok_or_else(|| Error::new(Kind::Unauthenticated, "invalid API key"))?;
    if key.disabled {
        return Err(Error::new(Kind::Unauthenticated, "this API key is disabled").code("api_key_disabled"));
    }
    if key.expires_at.is_some_and(|expiry| expiry <= now) {
        return Err(Error::new(Kind::Unauthenticated, "this API key has expired").code("api_key_expired"));
    }
    Ok(Caller { key: Arc::clone(key) })
}

fn token(credentials: Credentials<'_>) -> Result<&[u8]> {
    let token = match credentials.authorization {
        Some(value) => value.strip_prefix(b"Bearer ").map(<[u8]>::trim_ascii),
        None => credentials.x_api_key.map(<[u8]>::trim_ascii),
    };
    token.filter(|token| !token.is_empty()).ok_or_else(|| {
        Error::new(
            Kind::Unauthenticated,
            "missing or malformed Authorization header; send \"Authorization: Bearer <key>\" or \"x-api-key: <key>\"",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials<'a>(authorization: Option<&'a str>, x_api_key: Option<&'a str>) -> Credentials<'a> {
        Credentials {
            authorization: authorization.map(str::as_bytes),
            x_api_key: x_api_key.map(str::as_bytes),
        }
    }

    #[test]
    fn the_token_comes_from_bearer_else_from_x_api_key() {
        let cases: &[(Option<&str>, Option<&str>, Option<&str>)] = &[
            (Some("Bearer sk-1"), None, Some("sk-1")),
            (Some("Bearer   sk-1  "), Some("sk-2"), Some("sk-1")),
            (None, Some("sk-2"), Some("sk-2")),
            (Some("bearer sk-1"), Some("sk-2"), None),
            (Some("Basic abc"), Some("sk-2"), None),
            (Some("Bearer "), Some("sk-2"), None),
            (Some(""), Some("sk-2"), None),
            (None, Some("  "), None),
            (None, None, None),
        ];
        for &(authorization, x_api_key, expected) in cases {
            let found = token(credentials(authorization, x_api_key)).ok();
            assert_eq!(found, expected.map(str::as_bytes), "{authorization:?} {x_api_key:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_without_a_code() {
        let error = identify(&Snapshot::empty(), credentials(Some("Bearer nope"), None), SystemTime::now())
            .expect_err("no key exists");
        assert_eq!((error.status(), error.code), (401, None));
        assert!(!error.message.contains("nope"));
    }
}
