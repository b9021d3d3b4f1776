//! The taxonomy of everything that can go wrong with a request, in one table.
//!
//! A stage that fails returns an [`Error`]: what kind of failure it is, what the caller is told, and,
//! apart from that, what the operator reads in the log. How an error looks on the wire is the business of
//! the caller's dialect; this room knows no envelope.

use std::borrow::Cow;
use std::fmt;

/// Whose fault a failure is. Metrics and logs separate the three; a caller's mistake is never an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Caller,
    Gateway,
    Upstream,
}

/// What went wrong. One row of [`ROWS`] says everything that follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    Unauthenticated,
    Forbidden,
    UnknownModel,
    UnknownRoute,
    WrongMethod,
    BadRequest,
    SlowCaller,
    BodyTooLarge,
    HeadTooLarge,
    Blocked,
    RateLimited,
    BudgetExceeded,
    CallerGone,
    Internal,
    Unsupported,
    UpstreamRefused,
    UpstreamFailed,
    UpstreamUnreachable,
    UpstreamUnreadable,
    UpstreamCut,
    UpstreamCredential,
    UpstreamTimeout,
    NoProvider,
    NoTarget,
    Saturated,
    Draining,
}

/// The consequences of a [`Kind`].
#[derive(Debug)]
pub struct Row {
    pub kind: Kind,
    /// Stable name in logs and metrics (`error_kind`).
    pub name: &'static str,
    /// HTTP status towards the caller, unless the error carries its own.
    pub status: u16,
    /// `error.type` of the OpenAI envelope.
    pub openai_type: &'static str,
    pub side: Side,
    /// May another target, or the same one again, be tried before anything reached the caller?
    pub retryable: bool,
}

const fn row(
    kind: Kind,
    name: &'static str,
    status: u16,
    openai_type: &'static str,
    side: Side,
    retryable: bool,
) -> Row {
    Row { kind, name, status, openai_type, side, retryable }
}

/// Every kind once, in the order of the enum, so that a kind indexes its own row.
pub static ROWS: &[Row] = {
    use Kind::*;
    use Side::*;
    &[
        row(Unauthenticated, "unauthenticated", 401, "invalid_api_key", Caller, false),
        row(Forbidden, "forbidden", 403, "permission_denied", Caller, false),
        row(UnknownModel, "unknown_model", 404, "model_not_found", Caller, false),
        row(UnknownRoute, "unknown_route", 404, "invalid_request_error", Caller, false),
        row(WrongMethod, "wrong_method", 405, "invalid_request_error", Caller, false),
        row(BadRequest, "bad_request", 400, "invalid_request_error", Caller, false),
        row(SlowCaller, "slow_caller", 408, "timeout", Caller, false),
        row(BodyTooLarge, "body_too_large", 413, "invalid_request_error", Caller, false),
        row(HeadTooLarge, "head_too_large", 431, "invalid_request_error", Caller, false),
        row(Blocked, "blocked", 422, "content_filter", Caller, false),
        row(RateLimited, "rate_limited", 429, "rate_limit_exceeded", Caller, false),
        row(BudgetExceeded, "budget_exceeded", 429, "billing_error", Caller, false),
        row(CallerGone, "client_disconnected", 499, "client_disconnected", Caller, false),
        row(Internal, "internal", 500, "config_error", Gateway, false),
        row(Unsupported, "unsupported", 501, "not_implemented", Gateway, false),
        row(UpstreamRefused, "upstream_refused", 400, "upstream_error", Upstream, false),
        row(UpstreamFailed, "upstream_failed", 502, "upstream_error", Upstream, true),
        row(UpstreamUnreachable, "upstream_unreachable", 502, "transport_error", Upstream, true),
        row(UpstreamUnreadable, "upstream_unreadable", 502, "upstream_decode_error", Upstream, true),
        row(UpstreamCut, "upstream_cut", 502, "stream_aborted", Upstream, true),
        row(UpstreamCredential, "upstream_credential", 502, "upstream_error", Upstream, false),
        row(UpstreamTimeout, "upstream_timeout", 504, "timeout", Upstream, true),
        row(NoProvider, "no_provider", 503, "provider_unavailable", Gateway, false),
        row(NoTarget, "no_target", 503, "all_candidates_unavailable", Gateway, false),
        row(Saturated, "saturated", 429, "rate_limit_exceeded", Gateway, true),
        row(Draining, "draining", 503, "overloaded", Gateway, false),
    ]
};

impl Kind {
    /// The consequences of this kind.
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}

/// A failure on its way to the one place that answers it.
///
/// `message` is for the caller: it says what is wrong and what to do, and never names our internals or a
/// secret. `cause` is for the log alone.
#[derive(Debug, Clone)]
pub struct Error {
    pub kind: Kind,
    /// Overrides the status of the kind, for errors whose status the upstream chose.
    pub status: Option<u16>,
    pub message: Cow<'static, str>,
    /// `error.code` of the OpenAI envelope.
    pub code: Option<Cow<'static, str>>,
    /// `error.param` of the OpenAI envelope.
    pub param: Option<Cow<'static, str>>,
    /// Seconds after which the caller may try again.
    pub retry_after: Option<u32>,
    pub cause: Option<String>,
}

/// The result of a stage.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with the message its caller will read.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Error {
            kind,
            status: None,
            message: message.into(),
            code: None,
            param: None,
            retry_after: None,
            cause: None,
        }
    }

    /// Shorthand for the commonest kind.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(Kind::BadRequest, message)
    }

    #[must_use]
    pub fn code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    #[must_use]
    pub fn param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// What the operator reads in the log and the caller never sees.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// HTTP status towards the caller.
    pub fn status(&self) -> u16 {
        self.status.unwrap_or(self.kind.row().status)
    }

    /// May the engine try again, here or elsewhere?
    pub fn retryable(&self) -> bool {
        self.kind.row().retryable
    }
}

/// What the log says. The words of an upstream are the caller's alone and left out.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.row().name)?;
        // An upstream's own words may quote a prompt or a key.
        if self.kind != Kind::UpstreamRefused {
            write!(f, ": {}", self.message)?;
        }
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_indexes_its_own_row() {
        for (index, row) in ROWS.iter().enumerate() {
            assert_eq!(row.kind as usize, index, "{} is out of order", row.name);
            assert_eq!(row.kind.row().name, row.name);
        }
        assert_eq!(Kind::Draining as usize + 1, ROWS.len(), "a kind has no row");
    }

    #[test]
    fn names_are_unique_and_fit_a_label() {
        let mut seen = std::collections::HashSet::new();
        for row in ROWS {
            assert!(seen.insert(row.name), "{} appears twice", row.name);
            assert!(row.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
    }
}
