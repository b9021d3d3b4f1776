//! Names of HTTP headers in settings.

/// Is it a token of RFC 9110, section 5.6.2?
pub fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

/// Does it carry a credential, or the address of the upstream? Only the gateway itself sets those. `name` in
/// lower case.
pub fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "x-api-key"
            | "x-goog-api-key"
            | "api-key"
            | "x-amz-security-token"
            | "x-amz-date"
            | "x-amz-content-sha256"
            | "proxy-authorization"
            | "cookie"
            | "host"
    )
}
