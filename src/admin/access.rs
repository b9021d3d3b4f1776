//! Who may use the Admin API.

use std::fmt;

use crate::resources::{Secret, sha256};

/// The admin keys, by their hashes.
#[derive(Clone, Default)]
pub struct AdminKeys {
    keys: Vec<[u8; 32]>,
}

/// Shows how many there are, and nothing of them.
impl fmt::Debug for AdminKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminKeys({})", self.keys.len())
    }
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There are no admin keys, so there is no API.
    Closed,
    Unknown,
}

impl AdminKeys {
    pub fn new(keys: &[Secret]) -> Self {
        AdminKeys { keys: keys.iter().map(|key| sha256(key.expose().as_bytes())).collect() }
    }

    /// The label under which the key's owner stands in the audit log. A malformed `Authorization` is never passed
    /// over in favour of `x-api-key`.
    ///
    /// # Errors
    /// The credential is none of the keys.
    pub fn check(&self, authorization: Option<&[u8]>, x_api_key: Option<&[u8]>) -> Result<String, Denied> {
        if self.keys.is_empty() {
            return Err(Denied::Closed);
        }
        let token = match authorization {
            Some(value) => value.strip_prefix(b"Bearer "),
            None => x_api_key,
        };
        let presented = sha256(token.unwrap_or_default());
        // Every key is compared, each in full, so that time tells nothing.
        let mut found = None;
        for (index, key) in self.keys.iter().enumerate() {
            let difference = key.iter().zip(&presented).fold(0, |sum, (one, other)| sum | (one ^ other));
            if difference == 0 && token.is_some() {
                found = Some(index);
            }
        }
        found.map(|index| format!("admin key {}", index + 1)).ok_or(Denied::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_from_bearer_else_from_x_api_key() {
        let keys = AdminKeys::new(&[Secret::new("one"), Secret::new("two")]);
        let cases: &[(Option<&str>, Option<&str>, Option<&str>)] = &[
            (Some("Bearer one"), None, Some("admin key 1")),
            (None, Some("two"), Some("admin key 2")),
            (Some("Bearer three"), Some("two"), None),
            (Some("one"), Some("two"), None),
            (Some("bearer one"), None, None),
            (Some("Bearer "), None, None),
            (None, None, None),
        ];
        for (authorization, x_api_key, expected) in cases {
            let found = keys.check(authorization.map(str::as_bytes), x_api_key.map(str::as_bytes)).ok();
            assert_eq!(found.as_deref(), *expected, "{authorization:?} {x_api_key:?}");
        }
        assert_eq!(AdminKeys::default().check(Some(b"Bearer "), None), Err(Denied::Closed));
        assert_eq!(format!("{keys:?}"), "AdminKeys(2)");
    }
}
