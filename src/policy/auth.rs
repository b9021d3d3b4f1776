//! Credential to caller.
//!
//! A key is looked up by its SHA-256: equal work for every token, nothing compared byte by byte, and the
//! plaintext is neither stored nor logged anywhere. Each thread remembers the tokens it saw last by a mark that only
//! this process can compute, so a caller that stays costs neither the hash nor a walk through a large table.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
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
pub fn identify(
    snapshot: &Snapshot,
    credentials: Credentials<'_>,
    now: impl FnOnce() -> SystemTime,
) -> Result<Caller> {
    let token = token(credentials)?;
    let key = RECENT
        .with_borrow_mut(|recent| recent.key(snapshot, token))
        .ok_or_else(|| Error::new(Kind::Unauthenticated, "invalid API key"))?;
    admit(key, now)
}

/// The caller whose key this is, if the key is good.
///
/// # Errors
/// `Unauthenticated`, with a code: it is disabled or has expired.
pub fn admit(key: Arc<ApiKey>, now: impl FnOnce() -> SystemTime) -> Result<Caller> {
    if key.disabled {
        return Err(Error::new(Kind::Unauthenticated, "this API key is disabled").code("api_key_disabled"));
    }
    if key.expires_at.is_some_and(|expiry| expiry <= now()) {
        return Err(Error::new(Kind::Unauthenticated, "this API key has expired").code("api_key_expired"));
    }
    Ok(Caller { key })
}

thread_local! {
    static RECENT: RefCell<Recent> = RefCell::default();
}

/// The caller keys a thread has seen last.
#[derive(Default)]
struct Recent {
    /// Two keyed hashes (SipHash, with keys from the system's generator) make a mark of 128 bits. Whoever does not
    /// know the keys cannot make a token for a given mark but by guessing.
    keys: [RandomState; 2],
    /// A mark has one place here.
    slots: Vec<Option<Slot>>,
}

struct Slot {
    mark: u128,
    /// The configuration the key was found in. In any other it is looked up anew.
    snapshot: u64,
    key: Arc<ApiKey>,
}

impl Recent {
    fn key(&mut self, snapshot: &Snapshot, token: &[u8]) -> Option<Arc<ApiKey>> {
        let [low, high] = [&self.keys[0], &self.keys[1]].map(|key| key.hash_one(token));
        let mark = u128::from(high) << 64 | u128::from(low);
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        let slot = self.slots.get_mut(low as usize % SLOTS)?;
        if let Some(known) = slot
            && known.mark == mark
            && known.snapshot == snapshot.serial()
        {
            return Some(Arc::clone(&known.key));
        }
        let key = snapshot.caller_key(&sha256(token)).cloned()?;
        *slot = Some(Slot { mark, snapshot: snapshot.serial(), key: Arc::clone(&key) });
        Some(key)
    }
}

/// Keys that a thread remembers.
const SLOTS: usize = 256;

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
    fn a_remembered_key_is_forgotten_with_the_configuration_it_was_found_in() {
        let with = |key: ApiKey| Snapshot::builder().add_api_key(key, "k").build().expect("the row is sound");
        let ask = |snapshot: &Snapshot, token: &str| {
            let bearer = format!("Bearer {token}");
            let code = |error: Error| error.code.map(|code| code.into_owned());
            identify(snapshot, credentials(Some(&bearer), None), SystemTime::now)
                .map(|caller| caller.key.display_name.clone())
                .map_err(code)
        };
        let named = |name: &str| ApiKey { display_name: Some(name.into()), ..ApiKey::new("sk-1", &["*"]) };
        let first = with(named("first"));
        for _ in 0..2 {
            assert_eq!(ask(&first, "sk-1"), Ok(Some("first".to_owned())));
            assert_eq!(ask(&first, "sk-2"), Err(None));
        }
        assert_eq!(ask(&with(named("second")), "sk-1"), Ok(Some("second".to_owned())));
        let disabled = with(ApiKey { disabled: true, ..named("third") });
        assert_eq!(ask(&disabled, "sk-1"), Err(Some("api_key_disabled".to_owned())));
        assert_eq!(ask(&Snapshot::empty(), "sk-1"), Err(None));
        assert_eq!(ask(&first, "sk-1"), Ok(Some("first".to_owned())));
    }

    #[test]
    fn many_callers_share_the_places_of_a_thread() {
        let keys: Vec<String> = (0..3 * SLOTS).map(|number| format!("sk-{number}")).collect();
        let add = |builder: crate::resources::SnapshotBuilder, key: &String| {
            builder.add_api_key(ApiKey { display_name: Some(key.clone()), ..ApiKey::new(key, &[]) }, key)
        };
        let snapshot = keys.iter().fold(Snapshot::builder(), add).build().expect("the rows are sound");
        for key in keys.iter().chain(keys.iter().rev()) {
            let bearer = format!("Bearer {key}");
            let caller =
                identify(&snapshot, credentials(Some(&bearer), None), SystemTime::now).expect("known");
            assert_eq!(caller.key.display_name.as_ref(), Some(key));
        }
    }

    #[test]
    fn an_unknown_key_is_refused_without_a_code() {
        let error = identify(&Snapshot::empty(), credentials(Some("Bearer nope"), None), SystemTime::now)
            .expect_err("no key exists");
        assert_eq!((error.status(), error.code), (401, None));
        assert!(!error.message.contains("nope"));
    }
}
