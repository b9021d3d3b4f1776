//! What a token endpoint is asked: the grants of OAuth 2.0 we know.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;

use super::document::{Entra, ServiceAccount, wrong};
use super::fetches::Issuer;
use crate::document::Secret;
use crate::error::{Error, Result};

/// Who asks for a token, and how that is proved.
pub enum Grant {
    /// An assertion that the account's own key signs.
    /// <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>
    Google { email: String, key: Box<RsaKeyPair>, key_id: Option<String>, token_uri: String },
    /// <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow>
    Entra { client_id: String, client_secret: Secret, scope: String, token_uri: String },
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Grant").field(&self.token_uri()).finish()
    }
}

impl Grant {
    /// # Errors
    /// The private key is none.
    pub fn google(account: ServiceAccount) -> Result<Self> {
        Ok(Grant::Google {
            key: Box::new(rsa_key(account.private_key.expose())?),
            email: account.client_email,
            key_id: account.private_key_id,
            token_uri: account.token_uri,
        })
    }

    pub fn entra(entra: Entra) -> Self {
        let Entra { client_id, client_secret, token_uri, scope } = entra;
        Grant::Entra { client_id, client_secret, scope, token_uri }
    }

    pub fn token_uri(&self) -> &str {
        match self {
            Grant::Google { token_uri, .. } | Grant::Entra { token_uri, .. } => token_uri,
        }
    }

    /// Whose tokens they are, for telemetry.
    pub fn issuer(&self) -> Issuer {
        match self {
            Grant::Google { .. } => Issuer::Google,
            Grant::Entra { .. } => Issuer::Entra,
        }
    }

    /// The form that is posted. `now`: seconds since 1970.
    ///
    /// # Errors
    /// The assertion cannot be signed.
    pub fn form(&self, now: u64) -> Result<String, &'static str> {
        Ok(match self {
            Grant::Google { email, key, key_id, token_uri } => {
                let header = match key_id {
                    Some(id) => json!({"alg": "RS256", "typ": "JWT", "kid": id}),
                    None => json!({"alg": "RS256", "typ": "JWT"}),
                };
                let claims = json!({
                    "iss": email, "scope": CLOUD_PLATFORM, "aud": token_uri, "iat": now, "exp": now + ASSERTION_SECONDS,
                });
                let assertion = signed(&header.to_string(), &claims.to_string(), key)?;
                form(&[("grant_type", JWT_BEARER), ("assertion", &assertion)])
            }
            Grant::Entra { client_id, client_secret, scope, .. } => form(&[
                ("grant_type", "client_credentials"),
                ("client_id", client_id),
                ("client_secret", client_secret.expose()),
                ("scope", scope),
            ]),
        })
    }
}

/// A key in PKCS8 or PKCS1. Line ends that were escaped twice on their way into a document count as line ends.
fn rsa_key(pem: &str) -> Result<RsaKeyPair, Error> {
    let pem = pem.replace("\\n", "\n");
    let pair = match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
        Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
        _ => None,
    };
    pair.ok_or_else(|| wrong("has a service_account_json.private_key that is not an RSA key in PEM"))
}

/// A token signed with RS256 (<https://www.rfc-editor.org/rfc/rfc7515#section-3.1>).
fn signed(header: &str, claims: &str, key: &RsaKeyPair) -> Result<String, &'static str> {
    let mut token = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
        .map_err(|_| "the assertion could not be signed")?;
    token.push('.');
    token.push_str(&base64url(&signature));
    Ok(token)
}

fn form(pairs: &[(&str, &str)]) -> String {
    let encoded = |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}

/// Without padding (<https://www.rfc-editor.org/rfc/rfc4648#section-5>).
fn base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..=group.len() {
            let letter = DIGITS.get((bits >> (18 - 6 * place) & 63) as usize).copied().unwrap_or_default();
            text.push(char::from(letter));
        }
    }
    text
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest that is allowed.
const ASSERTION_SECONDS: u64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_as_its_rfc_says() {
        let cases: [(&[u8], &str); 5] =
            [(b"", ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (&[0xfb, 0xff, 0xfe], "-__-")];
        for (bytes, text) in cases {
            assert_eq!(base64url(bytes), text);
        }
    }

    #[test]
    fn a_form_escapes_what_a_secret_may_contain() {
        assert_eq!(form(&[("a", "x+y&z=~ é"), ("b", "c")]), "a=x%2By%26z%3D%7E%20%C3%A9&b=c");
    }

    #[test]
    fn a_key_that_is_none_is_named_and_not_shown() {
        let error = rsa_key("hunter2").expect_err("no key");
        assert!(error.cause.is_some_and(|cause| cause.contains("private_key") && !cause.contains("hunter2")));
    }
}
