//! Addresses in rows: whether they can be reached at all, and whether they give a secret away. Messages never
//! repeat an address, which may hold a password.

use http::Uri;

/// Is it an http or https address with a host?
///
/// # Errors
/// It is not; says why.
pub(super) fn web(text: &str) -> Result<(), &'static str> {
    let uri: Uri = text.parse().map_err(|_| NOT_WEB)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(NOT_WEB);
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("must not contain a user or password");
    }
    Ok(())
}

/// Is it the name of a host, without a port and all else?
pub(super) fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(allowed)
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// The host of an address that [`web`] accepts.
pub(super) fn host(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    uri.host().map(str::to_ascii_lowercase)
}

/// Like [`web`], for addresses that are shown to others.
///
/// # Errors
/// It cannot be reached, or carries a credential.
pub(super) fn public(text: &str) -> Result<(), &'static str> {
    if carries_credentials(text) { Err("must not contain credentials") } else { web(text) }
}

/// A user part, or a query parameter that is named like a credential.
pub(super) fn carries_credentials(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let query = rest.split('#').next().and_then(|rest| rest.split_once('?')).map_or("", |(_, query)| query);
    let mut names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    authority.contains('@')
        || names.any(|name| CREDENTIAL_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

const NOT_WEB: &str = "must be an http:// or https:// address";
const CREDENTIAL_PARAMETERS: &[&str] =
    &["access_token", "token", "client_secret", "password", "api_key", "apikey"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_web_with_a_host_and_without_a_user() {
        let table = [
            ("https://a.example", true),
            ("http://127.0.0.1:8080/x?y=z", true),
            ("http://[::1]/", true),
            ("a.example", false),
            ("/path", false),
            ("ftp://a.example", false),
            ("https://", false),
            ("https://u:p@a.example", false),
            ("https://a b", false),
        ];
        for (text, expected) in table {
            assert_eq!(web(text).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_user_part_and_a_parameter_named_like_a_credential_are_credentials() {
        let table = [
            ("https://u:p@i", true),
            ("https://i/?a=b&Token=x", true),
            ("https://i/mcp?api_key=x", true),
            ("https://i/@x?tokens=1#token=1", false),
            ("https://i", false),
        ];
        for (text, expected) in table {
            assert_eq!(carries_credentials(text), expected, "{text}");
        }
    }
}
