//! Who may use the Admin API, and who may only read.

use std::fmt;

use crate::resources::{Secret, sha256};

/// The admin keys, by their hashes.
#[derive(Clone, Default)]
pub struct AdminKeys {
    keys: Vec<([u8; 32], Operator)>,
}

/// Somebody who is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// What the audit log calls the owner of the key.
    pub label: String,
    pub read_only: bool,
}

/// Shows how many there are, and nothing of them.
impl fmt::Debug for AdminKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminKeys({})", self.keys.len())
    }
}

/// The headers in which a credential may come.
#[derive(Clone, Copy, Default)]
pub struct Presented<'p> {
    pub authorization: Option<&'p [u8]>,
    pub x_api_key: Option<&'p [u8]>,
    /// May the key stand in `Authorization` without a scheme before it?
    pub bare: bool,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There are no admin keys, so there is no API.
    Closed,
    Unknown,
}

impl AdminKeys {
    pub fn new(keys: impl IntoIterator<Item = (Secret, Operator)>) -> Self {
        let hashed = |(key, operator): (Secret, Operator)| (sha256(key.expose().as_bytes()), operator);
        AdminKeys { keys: keys.into_iter().map(hashed).collect() }
    }

    /// Whose key is presented. A malformed `Authorization` is never passed over in favour of `x-api-key`.
    ///
    /// # Errors
    /// The credential is none of the keys.
    pub fn check(&self, presented: Presented<'_>) -> Result<&Operator, Denied> {
        if self.keys.is_empty() {
            return Err(Denied::Closed);
        }
        let token = presented.token();
        let hash = sha256(token.unwrap_or_default());
        // Every key is compared, each in full, so that time tells nothing.
        let mut found = None;
        for (key, operator) in &self.keys {
            let difference = key.iter().zip(&hash).fold(0, |sum, (one, other)| sum | (one ^ other));
            if difference == 0 && token.is_some() {
                found = Some(operator);
            }
        }
        found.ok_or(Denied::Unknown)
    }
}

impl<'p> Presented<'p> {
    fn token(self) -> Option<&'p [u8]> {
        match self.authorization {
            Some(value) => value.strip_prefix(b"Bearer ").or(self.bare.then_some(value)),
            None => self.x_api_key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> AdminKeys {
        let operator = |label: &str, read_only: bool| Operator { label: label.to_owned(), read_only };
        AdminKeys::new([
            (Secret::new("one"), operator("alice", false)),
            (Secret::new("two"), operator("grafana", true)),
        ])
    }

    fn who(authorization: Option<&str>, x_api_key: Option<&str>, bare: bool) -> Option<String> {
        let (authorization, x_api_key) = (authorization.map(str::as_bytes), x_api_key.map(str::as_bytes));
        keys().check(Presented { authorization, x_api_key, bare }).ok().map(|known| known.label.clone())
    }

    #[test]
    fn a_key_is_taken_from_bearer_else_from_x_api_key() {
        let cases: &[(Option<&str>, Option<&str>, Option<&str>)] = &[
            (Some("Bearer one"), None, Some("alice")),
            (None, Some("two"), Some("grafana")),
            (Some("Bearer three"), Some("two"), None),
            (Some("one"), Some("two"), None),
            (Some("bearer one"), None, None),
            (Some("Bearer "), None, None),
            (None, None, None),
        ];
        for (authorization, x_api_key, expected) in cases {
            let found = who(*authorization, *x_api_key, false);
            assert_eq!(found.as_deref(), *expected, "{authorization:?} {x_api_key:?}");
        }
        let presented = Presented { authorization: Some(b"Bearer "), ..Presented::default() };
        assert_eq!(AdminKeys::default().check(presented), Err(Denied::Closed));
        assert_eq!(format!("{:?}", keys()), "AdminKeys(2)");
    }

    #[test]
    fn a_bare_key_is_taken_where_that_is_the_custom() {
        assert_eq!(who(Some("one"), None, true).as_deref(), Some("alice"));
        assert_eq!(who(Some("Bearer one"), None, true).as_deref(), Some("alice"));
        assert_eq!(who(Some("three"), Some("one"), true), None);
    }
}
