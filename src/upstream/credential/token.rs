//! Tokens that are fetched, last for a while, and are fetched again before they end.
//!
//! A token serves until a minute before its end. Some minutes before that, one request has it fetched anew behind its
//! back, while the old one goes on serving: requests wait only where there is no token that serves. One fetch runs at
//! a time, and after one that failed a while passes before the next.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::HeaderValue;
use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::fetches::Fetches;
use super::grant::Grant;
use super::refused;
use crate::dialect::DialectId;
use crate::error::{Error, Result};
use crate::upstream::endpoint::Endpoint;
use crate::upstream::providers::Operation;
use crate::upstream::transport::client::Client;
use crate::upstream::transport::pingora::Pool;
use crate::upstream::transport::tls::TlsIdentity;
use crate::upstream::transport::{Call, Fault, Headers, Outgoing, Upstream};

/// Reaches token endpoints, and counts how that went.
#[derive(Clone)]
pub struct Tokens {
    /// Made when the first of them is needed.
    client: Arc<LazyLock<Client>>,
    pub fetches: Arc<Fetches>,
}

impl Default for Tokens {
    fn default() -> Self {
        Tokens {
            client: Arc::new(LazyLock::new(|| {
                let idle = Some(Duration::from_secs(1));
                Client::new(Pool { per_peer: 1, idle, keepalive: None, workers: 1 })
            })),
            fetches: Arc::default(),
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

/// A token as it is sent.
pub struct Token {
    pub bearer: HeaderValue,
    /// From here on another is fetched.
    renewed_from: Instant,
    /// From here on it serves no longer.
    serves_until: Instant,
}

/// The tokens of one account.
pub struct TokenSource {
    provider_key_id: String,
    grant: Grant,
    server: Endpoint,
    tokens: Tokens,
    current: ArcSwapOption<Token>,
    failed: ArcSwapOption<Failed>,
    /// Held while a token is fetched.
    fetching: Arc<Mutex<()>>,
}

/// The last fetch, if it failed.
struct Failed {
    at: Instant,
    error: Error,
}

impl TokenSource {
    /// Nothing is fetched yet.
    ///
    /// # Errors
    /// The token endpoint is none, or would be told secrets over a network in plain text.
    pub fn new(provider_key_id: &str, grant: Grant, trust: &TlsIdentity, tokens: &Tokens) -> Result<Self> {
        let unusable = || {
            refused("the provider key of this model cannot be used")
                .because("api_key names a token endpoint that is not an https URL")
        };
        let server = Endpoint::bare(grant.token_uri(), trust).map_err(|_| unusable())?;
        if !server.tls && !is_loopback(&server.host) {
            return Err(unusable());
        }
        Ok(TokenSource {
            provider_key_id: provider_key_id.to_owned(),
            grant,
            server,
            tokens: tokens.clone(),
            current: ArcSwapOption::empty(),
            failed: ArcSwapOption::empty(),
            fetching: Arc::default(),
        })
    }

    /// A token that serves now.
    ///
    /// # Errors
    /// `UpstreamCredential`: there is none, and none to be had.
    pub async fn token(self: &Arc<Self>) -> Result<Arc<Token>> {
        let now = Instant::now();
        match self.serving(now) {
            Some(token) => {
                if now >= token.renewed_from {
                    self.renew_behind(now);
                }
                Ok(token)
            }
            None => Box::pin(self.awaited(now)).await,
        }
    }

    /// As if so much time had passed.
    #[cfg(test)]
    pub fn age(&self, by: Duration) {
        self.current.rcu(|token| {
            token.as_ref().map(|token| {
                Token {
                    bearer: token.bearer.clone(),
                    renewed_from: token.renewed_from - by,
                    serves_until: token.serves_until - by,
                }
                .into()
            })
        });
        self.failed.rcu(|failed| {
            failed.as_ref().map(|failed| Failed { at: failed.at - by, error: failed.error.clone() }.into())
        });
    }

    fn serving(&self, now: Instant) -> Option<Arc<Token>> {
        self.current.load_full().filter(|token| now < token.serves_until)
    }

    /// Has another fetched, unless somebody sees to it already.
    #[expect(clippy::disallowed_methods, reason = "one task at a time, which ends when its patience does")]
    fn renew_behind(self: &Arc<Self>, now: Instant) {
        if self.failed.load().as_ref().is_some_and(|failed| now < failed.at + RENEWAL_PAUSE) {
            return;
        }
        let Ok(alone) = Arc::clone(&self.fetching).try_lock_owned() else { return };
        if self.serving(now).is_some_and(|token| now < token.renewed_from) {
            return;
        }
        let source = Arc::clone(self);
        // Its failure is logged and remembered.
        tokio::spawn(async move { drop(source.renew(alone).await) });
    }

    /// Waits for a token: one's own fetch, or another's.
    async fn awaited(&self, since: Instant) -> Result<Arc<Token>> {
        let alone = Arc::clone(&self.fetching).lock_owned().await;
        let now = Instant::now();
        if let Some(token) = self.serving(now) {
            return Ok(token);
        }
        match self.failed.load_full() {
            Some(failed) if since <= failed.at || now < failed.at + FAILURE_HOLDS => {
                Err(failed.error.clone())
            }
            _ => self.renew(alone).await,
        }
    }

    async fn renew(&self, _alone: OwnedMutexGuard<()>) -> Result<Arc<Token>> {
        let fetched = pingora_timeout::timeout(PATIENCE, self.fetch()).await;
        let fetched = fetched.unwrap_or_else(|_| Err("the token endpoint did not answer in time".to_owned()));
        self.tokens.fetches.count(self.grant.issuer(), fetched.is_ok());
        match fetched {
            Ok(token) => {
                let token = Arc::new(token);
                self.current.store(Some(Arc::clone(&token)));
                self.failed.store(None);
                Ok(token)
            }
            Err(cause) => {
                let now = Instant::now();
                tracing::warn!(
                    provider_key_id = self.provider_key_id,
                    token_host = self.server.host,
                    another_serves = self.serving(now).is_some(),
                    cause,
                    "a token of a provider key could not be fetched"
                );
                let error =
                    refused("the credential of this model's provider could not be renewed").because(cause);
                self.failed.store(Some(Arc::new(Failed { at: now, error: error.clone() })));
                Err(error)
            }
        }
    }

    /// What is told of a failure names no secret: neither what was sent nor what came back is repeated.
    async fn fetch(&self) -> Result<Token, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let mut headers = Headers::default();
        headers.push_static("content-type", "application/x-www-form-urlencoded");
        headers.push_static("accept", "application/json");
        headers.push_static("user-agent", concat!("aisix/", env!("CARGO_PKG_VERSION")));
        let path = self.server.path(DialectId::OpenAiChat, Operation::Generate, "", false, None);
        let request = Outgoing::post(path, headers, Bytes::from(self.grant.form(now)?));
        let asked = Instant::now();
        let fault = |fault: Fault| format!("the token endpoint could not be asked: {}", fault.cause);
        let mut call = self.tokens.client.open(&self.server, true, Some(PATIENCE)).await.map_err(fault)?;
        call.send(&request).await.map_err(fault)?;
        let status = call.head().await.map_err(fault)?;
        let mut body = Vec::new();
        while call.chunk_onto(&mut body).await.map_err(fault)? {
            if body.len() > MAX_ANSWER {
                return Err("the token endpoint's answer is too large".to_owned());
            }
        }
        let answer = serde_json::from_slice(&body).unwrap_or(Value::Null);
        match status {
            200 => Token::read(&answer, asked)
                .ok_or_else(|| "the token endpoint's answer has no token".to_owned()),
            status => Err(format!("the token endpoint answered with status {status}{}", error_code(&answer))),
        }
    }
}

impl Token {
    fn read(answer: &Value, asked: Instant) -> Option<Self> {
        let token = answer.get("access_token")?.as_str().filter(|token| !token.is_empty())?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        bearer.set_sensitive(true);
        // Some write the number as a text.
        let seconds = answer.get("expires_in");
        let seconds = seconds.and_then(|it| it.as_u64().or_else(|| it.as_str()?.parse().ok()));
        let lasts = Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS).min(LONGEST_SECONDS));
        Some(Token {
            bearer,
            renewed_from: asked + lasts - AHEAD.min(lasts / 2),
            serves_until: asked + lasts - MARGIN.min(lasts / 4),
        })
    }
}

/// The code of an error as RFC 6749 has it; words beside it may repeat what was sent.
fn error_code(answer: &Value) -> String {
    let plain =
        |code: &&str| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let code = answer.get("error").and_then(Value::as_str).filter(plain);
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// For one fetch, from the lookup of the name to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long before its end a token is renewed, and stops to serve; less for one that lasts shortly.
const AHEAD: Duration = Duration::from_secs(300);
const MARGIN: Duration = Duration::from_secs(60);
/// Between a fetch that failed and the next one, while a token serves.
const RENEWAL_PAUSE: Duration = Duration::from_secs(15);
/// The same while none does: requests share the failure.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);
/// Where nothing is said.
const DEFAULT_SECONDS: u64 = 300;
const LONGEST_SECONDS: u64 = 24 * 3600;
const MAX_ANSWER: usize = 64 * 1024;
